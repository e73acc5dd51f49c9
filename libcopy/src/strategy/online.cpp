#include "online.hpp"

#include <chrono>
#include <optional>
#include <system_error>
#include <thread>

#include <sqlite3.h>

#include "hot_journal.hpp"
#include "lock_watch.hpp"
#include "ofd_lock.hpp"
#include "quiet_proof.hpp"
#include "source_changed.hpp"
#include "source_connection.hpp"
#include "sqlbk/core/errno_hint.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/steady_wal_index.hpp"
#include "wal_header_file.hpp"
#include "wal_reset_check.hpp"
#include "while_locked.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

// Pages between two looks at the clock and at who waits for us.
constexpr int kPagesPerStep = 256;

// The connections do not have the result of a step; the file that is written has its errno.
Error with_last_errno(const Error& error, sqlite3* destination) {
  int os_errno = 0;
  const bool is_io = (error.sqlite_extended_code() & 0xff) == SQLITE_IOERR;
  if (!is_io ||
      sqlite3_file_control(destination, "main", SQLITE_FCNTL_LAST_ERRNO, &os_errno) != 0 ||
      os_errno == 0) {
    return error;
  }
  Error named(error.code(),
              std::string(error.what()) + ": " + std::generic_category().message(os_errno));
  named.with_path(error.path()).with_sqlite_code(error.sqlite_extended_code()).with_errno(os_errno);
  hint_at_errno(named);
  return named;
}

// A backup from an open connection into a new file. Everything on the host's side.
class Backup {
 public:
  Backup(sqlite::Connection& source, const std::string& destination)
      : destination_(destination, sqlite::OpenMode::create) {
    // The pipeline syncs once, at the end; a failed copy is thrown away whole.
    destination_.execute("PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF");
    handle_ = sqlite3_backup_init(destination_.handle(), "main", source.handle(), "main");
    if (handle_ == nullptr) {
      sqlite::check(sqlite3_errcode(destination_.handle()), destination_.handle(), destination,
                    "begin the backup into");
    }
  }
  Backup(const Backup&) = delete;
  Backup& operator=(const Backup&) = delete;
  ~Backup() {
    if (handle_ != nullptr) static_cast<void>(sqlite3_backup_finish(handle_));
  }

  // True: done.
  bool step() {
    const int result = sqlite3_backup_step(handle_, kPagesPerStep);
    if (result == SQLITE_DONE) return true;
    try {
      sqlite::check(result, nullptr, destination_.path(), "write the backup");
    } catch (const Error& error) {
      throw with_last_errno(error, destination_.handle());
    }
    return false;
  }
  std::uint64_t pages() const {
    return static_cast<std::uint64_t>(sqlite3_backup_pagecount(handle_));
  }
  std::uint64_t left() const {
    return static_cast<std::uint64_t>(sqlite3_backup_remaining(handle_));
  }

  void finish() {
    const int result = sqlite3_backup_finish(std::exchange(handle_, nullptr));
    sqlite::check(result, destination_.handle(), destination_.path(), "finish the backup");
    destination_.close();
  }

 private:
  sqlite::Connection destination_;
  sqlite3_backup* handle_ = nullptr;
};

// A WAL database that nobody has open and whose WAL holds nothing: SQLite can read it without
// sidecars as an immutable file, and the quiet proof makes it one.
bool is_readable_as_immutable(const SourceFacts& facts) {
  return facts.at_rest() && !facts.wal_header && facts.wal_size_bytes() == 0 &&
         facts.journal_state == format::JournalState::inactive;
}

// SQLite goes by the wal-index alone. One that was made anew beside its owner's own is of a WAL
// that the owner has reset since. REQUIRES: our connection is attached to it.
void require_index_in_step(LiveFiles& files, RunContext& context) {
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    const format::ParsedWalHeader header = parse(wal_header_by_path(files));
    const std::optional<format::WalIndexHeader> index = read_live_wal_index(files);
    // A reset shows in the index at once, in the file with its first frame.
    if (index && (index->mx_frame == 0 || (header && header->salt == index->salt))) return;
    context.tick();
    std::this_thread::sleep_for(100us);
  }
  throw_changed(files, "the WAL and its index do not come into step");
}

// What the verdict rests on where the kernel does not see all that happens to the files.
std::vector<Assumption> assumptions_of(const LiveFiles& files, const FileSystem& file_system) {
  const std::string path = quoted(files.given_path());
  switch (file_system.kind) {
    case FileSystemKind::local:
    case FileSystemKind::overlay:
      break;
    case FileSystemKind::fuse:
      return {{AssumptionKind::one_kernel, "every program that uses " + path +
                                               " runs on this machine and uses it through this "
                                               "mount of " +
                                               file_system.name}};
    case FileSystemKind::network:
      return {{AssumptionKind::network_locks,
               "the locks of " + file_system.name + " reach every machine that uses " + path}};
  }
  return {};
}

class OnlineStrategy final : public CopyStrategy {
 public:
  std::string_view name() const noexcept override { return "online"; }
  std::string_view summary() const noexcept override {
    return "SQLite's backup API under one read transaction, straight from the live source";
  }
  StrategyTraits traits() const noexcept override {
    return {.takes_locks = true,
            .opens_with_sqlite = true,
            .handles_live_writer = true,
            .reads_content = true,
            .by_sqlite_alone = true,
            .stages = StagedFiles::pages};
  }

  Suitability probe(const SourceFacts& facts) const override {
    if (!facts.uses_wal() || !is_readable_as_immutable(facts)) return may_connect(facts);
    if (facts.wal && !is_this_kernels(facts.file_system.kind)) {
      return Suitability::no(
          "nothing has it open, and what happened to its empty -wal cannot be "
          "told by the times of " +
              facts.file_system.name,
          "copy", kHintOpenMeanwhile);
    }
    return {};
  }

  std::vector<Assumption> preview(LiveFiles& files, const SourceFacts& facts, const CopyOptions&,
                                  RunContext&) const override {
    require_suitable(probe(facts), files.given_path());
    return assumptions_of(files, facts.file_system);
  }

  AttemptPolicy policy(const CopyOptions&) const override { return kWhileLocked; }

  Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                   RunContext& context) override {
    files.begin_attempt();
    const SourceFacts facts = probe_source(files);
    Evidence evidence = copy(facts, files, image, options, context);
    image.folded = true;
    return evidence;
  }

 private:
  static constexpr SourceAllowance kAllowance{.by_sqlite_alone = true};

  Evidence copy(const SourceFacts& facts, LiveFiles& files, StagedImage& image,
                const CopyOptions& options, RunContext& context) const {
    if (!facts.uses_wal() || !is_readable_as_immutable(facts)) {
      return copy_live(files, image, options, context);
    }
    if (is_this_kernels(facts.file_system.kind)) return copy_at_rest(files, image, context);
    return copy_unused(files, image, options, context);
  }

  static Evidence copy_at_rest(LiveFiles& files, StagedImage& image, RunContext& context) {
    QuietProof proof(files, context);
    require_copyable(proof.facts());
    if (!is_readable_as_immutable(proof.facts())) throw_changed(files, "another program opened it");
    SourceConnection connection(files.main_path(), sqlite::OpenMode::immutable, context);
    back_up(files, connection, image, context);
    connection.close();
    proof.finish();
    return {.verdict = Verdict::at_rest, .assumptions = proof.assumptions()};
  }

  // As copy_at_rest(), by a lock in place of times: a program that turns up makes a -wal, and no
  // program can remove that, or write main without it, while SHARED is held.
  Evidence copy_unused(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                       RunContext& context) const {
    files.begin_attempt();
    LockWatch watch(files, options.lock_budget, context);
    std::optional<SharedLock> shared;
    watch.take([&] { shared.emplace(files); });
    return watch.run([&] { return copy_immutable(files, image, watch, context); });
  }

  Evidence copy_immutable(LiveFiles& files, StagedImage& image, LockWatch& watch,
                          RunContext& context) const {
    const SourceFacts facts = probe_source(files);
    require_copyable(facts, kAllowance);
    if (!is_readable_as_immutable(facts)) throw_changed(files, "another program opened it");
    require_suitable(probe(facts), files.given_path());
    SourceConnection connection(files.main_path(), sqlite::OpenMode::immutable, context);
    back_up(files, connection, image, context);
    connection.close();
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    if (files.stat_by_path(SourceFile::wal)) throw_changed(files, "a -wal file appeared");
    watch.finish();
    return {.verdict = Verdict::snapshot, .assumptions = assumptions_of(files, facts.file_system)};
  }

  static Evidence copy_live(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                            RunContext& context) {
    SourceConnection connection(files, options.lock_budget, kAllowance, context);
    return connection.run(
        [&] { return copy_under_lock(connection, files, image, options, context); });
  }

  static Evidence copy_under_lock(SourceConnection& connection, LiveFiles& files,
                                  StagedImage& image, const CopyOptions& options,
                                  RunContext& context) {
    files.refresh_sidecars();
    const FileStat before = files.stat(SourceFile::main);
    if (connection.facts().uses_wal()) {
      connection.require_same_shm(files);
      require_index_in_step(files, context);
    }
    require_no_hot_journal(files, options);
    const LiveIndex start = read_steady_wal_index(files).index;
    refuse_struck_source(files, WalReadLocks::held, options, context);
    back_up(files, connection, image, context);
    require_no_later_backfill(files, start);
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    if (connection.facts().uses_wal()) connection.require_same_shm(files);
    // All see owners whose locks are no record locks.
    files.unseen_locks().note(read_unseen_locks(files));
    require_no_hot_journal(files, options);
    if (!connection.facts().uses_wal() && !before.unchanged(files.stat(SourceFile::main))) {
      throw_changed(files, "its main file was written in spite of our read lock");
    }
    connection.finish();
    connection.close();
    return {.verdict = Verdict::snapshot,
            .assumptions = assumptions_of(files, connection.facts().file_system)};
  }

  static void back_up(const LiveFiles& files, SourceConnection& connection, StagedImage& image,
                      RunContext& context) {
    image.require_space(files.stat(SourceFile::main).size_bytes);
    const std::uint64_t page_size = [&] {
      std::int64_t size = 0;
      connection.use([&](sqlite::Connection& c) { size = c.integer("PRAGMA page_size"); });
      return static_cast<std::uint64_t>(size);
    }();
    std::optional<Backup> backup;
    connection.use([&](sqlite::Connection& c) { backup.emplace(c, image.main_path()); });
    try {
      std::uint64_t seen = 0;
      for (bool done = false; !done;) {
        std::uint64_t now = 0;
        connection.use([&](sqlite::Connection&) {
          done = backup->step();
          now = backup->pages() - backup->left();
        });
        context.progress().add_moved((now - seen) * page_size);
        context.advance((now - seen) * page_size);
        seen = now;
      }
      connection.use([&](sqlite::Connection&) { backup->finish(); });
    } catch (...) {
      connection.give_back([&] { backup.reset(); });
      throw;
    }
    connection.give_back([&] { backup.reset(); });
  }
};

}  // namespace

std::unique_ptr<CopyStrategy> make_online_strategy() {
  return std::make_unique<OnlineStrategy>();
}

}  // namespace sqlbk::copy
