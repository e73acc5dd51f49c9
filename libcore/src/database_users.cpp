#include "sqlbk/core/database_users.hpp"

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "linux/process_files.hpp"
#include "sqlbk/core/error.hpp"
#include "users/judgement.hpp"
#include "users/observe.hpp"
#include "users/search.hpp"

namespace sqlbk {
namespace {

using namespace std::chrono_literals;

// A program that opens, closes or dies shows its locks one after the other, and the locks and files
// of a busy one are not seen at one moment.
constexpr int kPolls = 4;
constexpr std::chrono::milliseconds kFirstPause = 1ms;
// Copied in no more time than it takes to look into all processes.
constexpr std::uint64_t kSmallBytes = 64U << 20U;

}  // namespace

class DatabaseUsers::Poll {
 public:
  explicit Poll(LiveFiles& files) : files_(files), seen_(users::observe_locks(files)) {
    begin_search();
  }

  UsersAnswer at_start() {
    // It is of the moment before the first attempt, and of no later one.
    if (!std::exchange(is_first_, false)) search_ = {};
    main_ = files_.stat(SourceFile::main);
    seen_ = users::observe_locks(files_);
    files_.unseen_locks().begin(seen_.unseen);
    if (is_of_a_lost_index()) return answer_ = replaced(SourceFile::shm);
    // The search that was begun may have passed by what has locked it since.
    if (seen_.unseen.is_flocked) search_ = {};
    is_searching_ = can_search_meanwhile();
    if (is_searching_) return answer_ = {};
    answer_ = poll(needs_search);
    search_ = {};  // of the start, used or not
    return answer_;
  }

  UsersAnswer at_end() {
    const bool was_searching = std::exchange(is_searching_, false);
    const bool is_same =
        files_.is_current(SourceFile::main) && files_.stat(SourceFile::main).same_file(main_);
    if (!is_same) return replaced(SourceFile::main);
    const users::Observation now = users::observe_locks(files_);
    files_.unseen_locks().note(now.unseen);
    if (!files_.unseen_locks().is_constant()) return locked_meanwhile();
    if (has_lost_its_index(now)) {
      wal_of_lost_index_ = now.files.at(static_cast<std::size_t>(SourceFile::wal));
      return replaced(SourceFile::shm);
    }
    const bool is_as_before = users::is_as_before(seen_, now);
    if (!was_searching) {
      return seen_.has_searched && is_as_before ? answer_
                                                : worse_of(answer_, poll(needs_search_at_end));
    }
    // Where no lock was held at either time, the files of now are those that count.
    const bool is_still_unlocked = users::is_unlocked(seen_) && users::is_unlocked(now);
    if (is_still_unlocked) seen_ = now;
    answer_ = conclude();
    return is_as_before || is_still_unlocked ? answer_
                                             : worse_of(answer_, poll(needs_search_at_end));
  }

 private:
  // What locks and files have shown, with the processes that were found meanwhile.
  UsersAnswer conclude() {
    users::Search found = search_.get();
    const bool is_of_these = found.order.wanted == platform::wanted_files(files_);
    seen_ = users::observe_found(std::move(seen_), std::move(found));
    UsersAnswer answer = users::judge(seen_);
    if (is_of_these && is_certain(answer, seen_)) return answer;
    // What has contradicted may be gone, and has used the files as it was seen to while they were
    // copied.
    if (answer.verdict != UsersVerdict::others) return worse_of(answer, poll(needs_search_at_end));
    return judge_without_newer_journal().verdict == UsersVerdict::others
               ? answer
               : poll(needs_search_at_end);
  }

  // A writer makes a new journal for each transaction: one that has come since the files were
  // listed is no contradiction.
  UsersAnswer judge_without_newer_journal() const {
    const std::optional<FileStat> now = files_.stat_by_path(SourceFile::journal);
    const auto& then = seen_.files.at(static_cast<std::size_t>(SourceFile::journal));
    if (then && now && then->same_file(*now)) return users::judge(seen_);
    users::Observation seen = seen_;
    seen.journal_is_active = false;
    const std::string journal = files_.path_of(SourceFile::journal);
    for (users::Process& process : seen.processes) {
      std::erase(process.other_sidecars, journal);
      std::erase(process.stray_sidecars, journal);
    }
    return users::judge(seen);
  }

  // Beside a reader or writer in rollback mode the locks tell enough for an attempt, of which many
  // are made in vain.
  static bool needs_search(const users::Observation& seen) {
    return users::is_unlocked(seen) || users::needs_all_holders(seen) || seen.exclusive ||
           seen.unseen.is_flocked || (seen.shared && seen.shared->pid == -1) ||
           (seen.journal_is_active && !seen.writer);
  }

  // A reader does not speak for what has main open without a lock. A writer changes its journal
  // while the search is under way.
  static bool needs_search_at_end(const users::Observation& seen) {
    return needs_search(seen) || (seen.shared && !seen.writer);
  }

  static bool is_certain(const UsersAnswer& answer, const users::Observation& seen) {
    return answer.verdict == UsersVerdict::these ||
           (answer.verdict == UsersVerdict::unknown && !seen.is_stale);
  }
  static UsersAnswer worse_of(const UsersAnswer& one, const UsersAnswer& other) {
    return other.verdict < one.verdict ? one : other;
  }

  void begin_search() {
    order_ = users::order_search(files_, seen_);
    try {
      search_ = std::async(std::launch::async, users::search, order_);
    } catch (const std::system_error&) {
      // Without a thread for it the search is made where its result is asked for.
      search_ = std::async(std::launch::deferred, users::search, order_);
    }
  }

  // The processes are looked for while the attempt is made, unless so much would be copied in vain,
  // or the first of the holders contradicts already.
  bool can_search_meanwhile() {
    if (main_.size_bytes > kSmallBytes || !needs_search(seen_)) return false;
    if (seen_.unseen.is_flocked) return false;
    users::Observation named = users::observe_named_holders(seen_, files_);
    if (!is_certain(users::judge(named), named)) return false;
    seen_ = std::move(named);
    if (!search_.valid() || order_ != users::order_search(files_, seen_)) begin_search();
    return true;
  }

  UsersAnswer poll(bool (*needs)(const users::Observation&)) {
    std::chrono::milliseconds pause = kFirstPause;
    for (int i = 1;; ++i) {
      seen_ = users::observe_locks(files_);
      seen_ = needs(seen_) ? users::observe_found(std::move(seen_), search_now())
                           : users::observe_named_holders(std::move(seen_), files_);
      UsersAnswer answer = users::judge(seen_);
      if (answer.verdict == UsersVerdict::others) answer = judge_without_newer_journal();
      if (is_certain(answer, seen_) || i == kPolls) return answer;
      std::this_thread::sleep_for(pause);
      pause *= 2;
    }
  }

  users::Search search_now() {
    const users::SearchOrder order = users::order_search(files_, seen_);
    if (search_.valid()) {
      users::Search begun = search_.get();
      if (begun.order == order) return begun;
    }
    return users::search(order);
  }

  // A connection that is attached to an -shm goes on with it when the name goes to another file,
  // whose locks then say nothing of that connection. The last one to close takes the -wal with it.
  bool has_lost_its_index(const users::Observation& now) const {
    if (!seen_.index) return false;
    const auto is_same = [&](SourceFile file) {
      const auto& before = seen_.files.at(static_cast<std::size_t>(file));
      const auto& later = now.files.at(static_cast<std::size_t>(file));
      return before && later && before->same_file(*later);
    };
    return is_same(SourceFile::wal) && !is_same(SourceFile::shm);
  }

  // Once seen, nothing tells any more what the connection with the old one has put into this -wal
  // and into main.
  bool is_of_a_lost_index() const {
    const auto& wal = seen_.files.at(static_cast<std::size_t>(SourceFile::wal));
    return wal_of_lost_index_ && wal && wal->same_file(*wal_of_lost_index_);
  }

  UsersAnswer replaced(SourceFile file) const {
    return {.verdict = UsersVerdict::others,
            .sentence = quoted(files_.path_of(file)) + " was replaced by another file of that name",
            .hint = {}};
  }
  UsersAnswer locked_meanwhile() const {
    return {.verdict = UsersVerdict::others,
            .sentence = "a program has locked or unlocked " + quoted(files_.main_path()) +
                        ", by flock(2) or by a lock file, while it was copied",
            .hint = {}};
  }

  LiveFiles& files_;
  users::Observation seen_;  // by the last poll, or what is to be completed by the search
  users::SearchOrder order_;
  std::future<users::Search> search_;  // of order_
  bool is_first_ = true;               // no attempt has begun
  bool is_searching_ = false;
  FileStat main_;
  std::optional<FileStat> wal_of_lost_index_;
  UsersAnswer answer_;  // at the start
};

DatabaseUsers::DatabaseUsers(LiveFiles& files) : poll_(std::make_unique<Poll>(files)) {}

DatabaseUsers::~DatabaseUsers() = default;

UsersAnswer DatabaseUsers::at_start() {
  return poll_->at_start();
}

UsersAnswer DatabaseUsers::at_end() {
  return poll_->at_end();
}

WriterJournal journal_of_writer(const LiveFiles& files, const LockHolder& writer) {
  if (writer.pid <= 0) return WriterJournal::unseen;
  const auto process = platform::process_of(writer.pid, platform::wanted_files(files));
  if (!process || !process->is_visible || !process->has_main) return WriterJournal::unseen;
  return process->has_journal ? WriterJournal::open : WriterJournal::not_open;
}

}  // namespace sqlbk
