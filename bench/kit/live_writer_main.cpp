// live-writer: an owner of a database, as a process of its own. options.hpp is its command line,
// status.hpp what it tells, workload.hpp what it writes, writer_process.hpp the other side.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <poll.h>
#include <signal.h>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <sqlite3.h>

#include "kit/options.hpp"
#include "kit/status.hpp"
#include "kit/workload.hpp"
#include "kit/zero_salt.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/printable.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk::kit {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kForever = std::chrono::microseconds::max();

// SIGTERM, SIGINT or the end of standard input. The signals are blocked and arrive by descriptor,
// so that none ever interrupts a transaction.
class StopRequest {
 public:
  StopRequest() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) {
      throw system_error("block", "signals", errno);
    }
    signals_ = UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC));
    if (!signals_) throw system_error("open", "signalfd", errno);
  }

  // Waits that long and no longer; true: stop.
  bool wait(std::chrono::microseconds time) {
    while (!requested_) {
      const timespec left{time.count() / 1'000'000, time.count() % 1'000'000 * 1000};
      std::array<pollfd, 2> waiting{pollfd{signals_.get(), POLLIN, 0},
                                    pollfd{STDIN_FILENO, POLLIN, 0}};
      const int n =
          ::ppoll(waiting.data(), waiting.size(), time == kForever ? nullptr : &left, nullptr);
      if (n < 0 && errno != EINTR) throw system_error("wait for", "signals", errno);
      if (n == 0) return false;
      if (n < 0) continue;
      requested_ = waiting[0].revents != 0 || (waiting[1].revents != 0 && input_ended());
    }
    return true;
  }
  bool requested() { return wait(0us); }

 private:
  // What is typed in is thrown away.
  static bool input_ended() {
    std::array<char, 256> thrown_away{};
    const ssize_t n = ::read(STDIN_FILENO, thrown_away.data(), thrown_away.size());
    return n == 0 || (n < 0 && errno != EINTR);
  }

  UniqueFd signals_;
  bool requested_ = false;
};

bool is_busy(const Error& error) {
  return error.code() == Errc::source_busy;
}

// With SQLite's message, which may hold names from a schema.
void print_error(const char* what) {
  static_cast<void>(std::fprintf(stderr, "live-writer: %s\n", printable(what).c_str()));
}

void report(SharedStatus& status, const Error& error) {
  if (status.count_error(error.what(), error.sqlite_extended_code())) {
    print_error(error.what());
  }
}

void set_state(SharedStatus& status, WriterState state) {
  status.state.store(static_cast<std::uint64_t>(state), std::memory_order_release);
}

void say_ready() {
  constexpr std::string_view kReady = "ready\n";
  if (::write(STDOUT_FILENO, kReady.data(), kReady.size()) != static_cast<ssize_t>(kReady.size())) {
    throw system_error("write to", "standard output", errno);
  }
}

// Switching the mode needs the file alone, and SQLite does not always wait for that.
void set_journal_mode(sqlite::Connection& connection, const LiveWriterOptions& options) {
  const std::string mode(to_string(options.journal_mode));
  const auto deadline = Clock::now() + options.busy_timeout;
  for (;;) {
    try {
      if (connection.text("PRAGMA journal_mode = " + mode) == mode) return;
    } catch (const Error& error) {
      if (!is_busy(error)) throw;
    }
    if (Clock::now() >= deadline) {
      throw Error(Errc::source_busy,
                  "unable to set journal_mode " + mode + " on " + quoted(options.database));
    }
    std::this_thread::sleep_for(5ms);
  }
}

sqlite::Connection connect(const LiveWriterOptions& options) {
  if (!options.vfs.empty()) {
    sqlite3_vfs* vfs = sqlite3_vfs_find(options.vfs.c_str());
    if (vfs == nullptr) throw Error(Errc::usage, "SQLite has no VFS " + quoted(options.vfs));
    sqlite::check(sqlite3_vfs_register(vfs, 1), nullptr, options.vfs, "choose the VFS");
  }
  sqlite::Connection connection(options.database, options.role == Role::zero_salt
                                                      ? sqlite::OpenMode::create
                                                      : sqlite::OpenMode::read_write);
  connection.execute("PRAGMA busy_timeout = " + std::to_string(options.busy_timeout.count()));
  if (options.keep_wal) connection.disable_checkpoint_on_close();
  // Before the journal mode, so that a WAL of an EXCLUSIVE owner never has a -shm.
  connection.execute("PRAGMA locking_mode = " + std::string(to_string(options.locking)));
  return connection;
}

void configure(sqlite::Connection& connection, const LiveWriterOptions& options) {
  const auto pragma = [&connection](const std::string& name, std::string_view value) {
    connection.execute("PRAGMA " + name + " = " + std::string(value));
  };
  pragma("synchronous", to_string(options.synchronous));
  if (options.cache_pages) pragma("cache_size", std::to_string(*options.cache_pages));
  if (options.autocheckpoint_frames) {
    pragma("wal_autocheckpoint", std::to_string(*options.autocheckpoint_frames));
  }
  if (options.journal_size_limit_bytes) {
    pragma("journal_size_limit", std::to_string(*options.journal_size_limit_bytes));
  }
  if (options.chunk_bytes != 0) {
    auto chunk = static_cast<int>(options.chunk_bytes);
    sqlite::check(
        sqlite3_file_control(connection.handle(), "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk),
        connection.handle(), connection.path(), "configure");
  }
}

int sqlite_mode(CheckpointMode mode) {
  switch (mode) {
    case CheckpointMode::full:
      return SQLITE_CHECKPOINT_FULL;
    case CheckpointMode::restart:
      return SQLITE_CHECKPOINT_RESTART;
    case CheckpointMode::truncate:
      return SQLITE_CHECKPOINT_TRUNCATE;
    case CheckpointMode::none:
    case CheckpointMode::passive:
      break;
  }
  return SQLITE_CHECKPOINT_PASSIVE;
}

void checkpoint(sqlite::Connection& connection, CheckpointMode mode, SharedStatus& status) {
  try {
    sqlite::check(sqlite3_wal_checkpoint_v2(connection.handle(), nullptr, sqlite_mode(mode),
                                            nullptr, nullptr),
                  connection.handle(), connection.path(), "checkpoint");
    status.checkpoints.fetch_add(1, std::memory_order_relaxed);
  } catch (const Error& error) {
    if (is_busy(error)) {
      status.busy_checkpoints.fetch_add(1, std::memory_order_relaxed);
    } else {
      report(status, error);
    }
  }
}

// One step that may be busy, as often as it takes; false: told to stop before it succeeded.
template <typename Step>
bool insist(const Step& step, SharedStatus& status, StopRequest& stop) {
  for (;;) {
    try {
      step();
      return true;
    } catch (const Error& error) {
      if (!is_busy(error)) throw;
      status.busy_errors.fetch_add(1, std::memory_order_relaxed);
      if (stop.requested()) return false;
    }
  }
}

// True: it committed.
bool run_transaction(Workload& workload, SharedStatus& status, StopRequest& stop) {
  status.begin_stall();
  if (!insist([&] { workload.begin(); }, status, stop)) {
    status.forget_stall();
    return false;
  }
  try {
    const bool wanted = workload.change();
    if (wanted && insist([&] { workload.commit(); }, status, stop)) {
      status.end_stall();
      status.count_commit(workload.committed());
      return true;
    }
    workload.rollback();
    if (wanted) {
      status.forget_stall();
      return false;
    }
    status.rollbacks.fetch_add(1, std::memory_order_relaxed);
  } catch (const Error& error) {
    report(status, error);
    try {
      workload.rollback();
    } catch (const Error&) {  // SQLite may have rolled back by itself
    }
    static_cast<void>(stop.wait(10ms));  // no point in failing faster
  }
  status.forget_stall();
  return false;
}

void stay(Workload& workload, const LiveWriterOptions& options, SharedStatus& status,
          StopRequest& stop) {
  if (options.after_last == AfterLast::exit) return;
  if (options.after_last == AfterLast::stay) {
    set_state(status, WriterState::staying);
    static_cast<void>(stop.wait(kForever));
    return;
  }
  if (!insist([&] { workload.begin(); }, status, stop)) return;
  static_cast<void>(workload.change());
  set_state(status, WriterState::holding);
  static_cast<void>(stop.wait(kForever));
  if (options.journal_mode != JournalMode::off) {
    workload.rollback();
  } else if (insist([&] { workload.commit(); }, status, stop)) {
    status.count_commit(workload.committed());
  }
}

void write_until_told(sqlite::Connection& connection, const LiveWriterOptions& options,
                      SharedStatus& status, StopRequest& stop) {
  Workload workload(connection, options.writer_id, options.transaction, options.seed);
  status.committed.store(workload.committed(), std::memory_order_release);
  bool ready = false;
  auto next_checkpoint = Clock::now() + options.checkpoint_every;
  for (std::uint64_t done = 0; options.transactions == 0 || done < options.transactions;) {
    if (run_transaction(workload, status, stop)) {
      ++done;
      if (!ready) say_ready();
      ready = true;
    }
    if (options.checkpoint != CheckpointMode::none && Clock::now() >= next_checkpoint) {
      checkpoint(connection, options.checkpoint, status);
      next_checkpoint = Clock::now() + options.checkpoint_every;
    }
    if (stop.wait(options.pause)) return;
  }
  stay(workload, options, status, stop);
}

void checkpoint_until_told(sqlite::Connection& connection, const LiveWriterOptions& options,
                           SharedStatus& status, StopRequest& stop) {
  bool ready = false;
  do {
    status.begin_stall();
    checkpoint(connection, options.checkpoint, status);
    status.end_stall();
    if (!ready) say_ready();
    ready = true;
  } while (!stop.wait(options.checkpoint_every));
}

void run(const LiveWriterOptions& options, SharedStatus& status, StopRequest& stop) {
  sqlite::Connection connection = connect(options);
  set_state(status, WriterState::running);
  switch (options.role) {
    case Role::writer:
      set_journal_mode(connection, options);
      configure(connection, options);
      write_until_told(connection, options, status, stop);
      break;
    case Role::checkpointer:
      configure(connection, options);
      checkpoint_until_told(connection, options, status, stop);
      break;
    case Role::zero_salt:
      run_zero_salt_recipe(connection, options.variant);
      status.result.store(static_cast<std::uint64_t>(connection.integer("SELECT sum(v) FROM a")),
                          std::memory_order_release);
      set_state(status, WriterState::staying);
      say_ready();
      static_cast<void>(stop.wait(kForever));
      break;
    case Role::idle:
      configure(connection, options);
      // The first read opens the WAL.
      static_cast<void>(connection.integer("SELECT count(*) FROM sqlite_schema"));
      set_state(status, WriterState::staying);
      say_ready();
      static_cast<void>(stop.wait(kForever));
      break;
  }
  connection.close();
  set_state(status, WriterState::stopped);
}

// 0: well, 1: an error that no owner must see, 2: usage.
int live_writer(const std::vector<std::string>& arguments) {
  LiveWriterOptions options;
  try {
    options = parse_live_writer_options(arguments);
  } catch (const Error& error) {
    print_error(error.what());
    return 2;
  }
  if (options.help) {
    static_cast<void>(std::fputs(live_writer_help().c_str(), stdout));
    return 0;
  }
  StopRequest stop;
  if (options.die_with_parent && ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    throw system_error("set", "the signal of the parent's death", errno);
  }
  SharedStatus unseen{};
  StatusMapping mapping;
  if (!options.status_file.empty()) mapping = StatusMapping::create(options.status_file);
  SharedStatus& status = options.status_file.empty() ? unseen : *mapping;
  try {
    run(options, status, stop);
  } catch (const Error& error) {
    report(status, error);
  }
  return status.other_errors.load(std::memory_order_relaxed) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sqlbk::kit

int main(int argc, char** argv) {
  try {
    return sqlbk::kit::live_writer({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    sqlbk::kit::print_error(error.what());
    return 1;
  }
}
