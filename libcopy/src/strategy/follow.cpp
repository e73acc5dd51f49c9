#include "follow.hpp"

#include <atomic>
#include <exception>
#include <memory>
#include <thread>
#include <utility>

#include "source_changed.hpp"
#include "source_mover.hpp"
#include "sqlbk/core/apply.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/steady_wal_index.hpp"
#include "sqlbk/core/thread.hpp"
#include "unproven.hpp"
#include "wal_follower.hpp"
#include "wal_part.hpp"
#include "wal_reset_check.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

// Often enough that a saturating writer does not get through a generation between two looks.
constexpr std::chrono::microseconds kLookEvery = 300us;

// Looks at the WAL from a thread of its own until it is told to stop.
class FollowerThread {
 public:
  explicit FollowerThread(WalFollower& follower)
      : follower_(follower), thread_(start_thread("follow the WAL", [this] { run(); })) {}
  FollowerThread(const FollowerThread&) = delete;
  FollowerThread& operator=(const FollowerThread&) = delete;
  // Whoever did not stop it has no use for what it followed.
  ~FollowerThread() {
    is_abandoned_.store(true, std::memory_order_release);
    join();
  }

  // Throws what the thread has met.
  void check() {
    if (!has_ended_.load(std::memory_order_acquire)) return;
    join();
    if (error_) std::rethrow_exception(error_);
  }
  // Lets it end the look that is under way, which may have much to catch up with.
  void stop(RunContext& context) {
    stop_.store(true, std::memory_order_release);
    // In short steps: until the last look, which comes next, nobody looks.
    while (!has_ended_.load(std::memory_order_acquire)) {
      context.tick();
      std::this_thread::sleep_for(50us);
    }
    check();
  }

 private:
  struct Abandoned {};

  void join() {
    stop_.store(true, std::memory_order_release);
    if (thread_.joinable()) thread_.join();
  }
  void run() {
    const auto tick = [this] {
      if (is_abandoned_.load(std::memory_order_acquire)) throw Abandoned();
    };
    try {
      while (!stop_.load(std::memory_order_acquire)) {
        follower_.look(tick);
        std::this_thread::sleep_for(kLookEvery);
      }
    } catch (...) {
      error_ = std::current_exception();
    }
    has_ended_.store(true, std::memory_order_release);
  }

  WalFollower& follower_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> is_abandoned_{false};
  std::atomic<bool> has_ended_{false};
  std::exception_ptr error_;
  std::thread thread_;
};

class FollowStrategy final : public CopyStrategy {
 public:
  FollowStrategy(std::string name, MoverLadder movers)
      : name_(std::move(name)), movers_(std::move(movers)) {}

  std::string_view name() const noexcept override { return name_; }
  std::string_view summary() const noexcept override {
    return "no lock: copies main while following the WAL, across resets, and lays the commits over "
           "it";
  }
  StrategyTraits traits() const noexcept override {
    return {.reads_content = true,
            .may_share_blocks = may_share_blocks(movers_),
            .stages = StagedFiles::main};
  }

  Suitability probe(const SourceFacts& facts) const override {
    if (facts.wal_header) return {};
    return Suitability::no("it has no WAL with a valid header to follow", "follow");
  }

  AttemptPolicy policy(const CopyOptions& options) const override {
    return {.attempts = options.copy_retry};
  }
  CopyStrategy* unproven() override { return unproven_.get(); }

  Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                   RunContext& context) override {
    files.begin_attempt();
    const SourceFacts facts = probe_source(files);
    require_copyable(facts, {.opaque = options.opaque});
    require_followable(files, facts);
    // Descriptors of its own: LiveFiles serves one thread.
    LiveFiles wal_files(files.main_path());
    if (!wal_files.stat(SourceFile::main).same_file(files.stat(SourceFile::main))) {
      throw_changed(files, "it was replaced");
    }
    WalFollower follower(wal_files, image.directory() + "/followed");
    const WalFollower::Tick tick = [&context] { context.tick(); };
    follower.start(tick);
    refuse_struck_index(files, read_steady_wal_index(files).index);
    SourceMover mover(files, image, movers_);
    move_main_while_following(files, mover, follower, options, context);
    finish(files, follower, context);  // what was backfilled meanwhile was committed before
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    if (read_journal_state(files) == format::JournalState::active ||
        !files.is_current(SourceFile::journal)) {
      throw_changed(files, "its journal");
    }
    apply(follower, image, context);
    return {.verdict = Verdict::proven,
            .mover = mover.mover_used(),
            .wal = WalPosition{.salt = follower.header().salt,
                               .frames = follower.frames(),
                               .resets = follower.resets()}};
  }

 private:
  void require_followable(const LiveFiles& files, const SourceFacts& facts) const {
    require_suitable(probe(facts), files.given_path());
    if (facts.journal_state == format::JournalState::active) {
      throw_changed(files, "it has an active journal beside its WAL");
    }
  }

  // Main may be shortened meanwhile; the WAL says its size.
  static void move_main_while_following(LiveFiles& files, SourceMover& mover, WalFollower& follower,
                                        const CopyOptions& options, RunContext& context) {
    FollowerThread thread(follower);
    const auto watch = context.watch([&thread] { thread.check(); });
    static_cast<void>(mover.move_main(context));
    refuse_struck_source(files, WalReadLocks::none, options, context);
    thread.stop(context);
  }

  // Generations that were reset meanwhile should be in main to their ends.
  static void finish(LiveFiles& files, WalFollower& follower, RunContext& context) {
    constexpr int kTries = 5;
    const auto tick = [&context] { context.tick(); };
    for (int i = 0; i < kTries; ++i) {
      follower.finish(tick);
      if (follower.resets() == 0) return;
      const WalResetBugFinding finding =
          find_page_lost_before(files, follower.generation(), follower.newer_pages(), tick);
      if (finding.answer != WalResetBugAnswer::changed) return refuse_struck(files, finding);
    }
    throw_changed(files, "its WAL was reset again and again");
  }

  static void apply(const WalFollower& follower, StagedImage& image, RunContext& context) {
    const CommittedView view = follower.over({image.main_fd(), image.main_path()});
    context.progress().begin(Phase::fold, view.newer_bytes());
    apply_to_main(view, image.main_fd(), image.main_path(), context);
    image.folded = true;
  }

  std::string name_;
  MoverLadder movers_;
  std::unique_ptr<CopyStrategy> unproven_ = make_unproven_strategy(movers_);
};

}  // namespace

std::unique_ptr<CopyStrategy> make_follow_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<FollowStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
