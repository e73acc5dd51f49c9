#include "sqlbk/core/database_users.hpp"

#include <chrono>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "linux/process_files.hpp"
#include "sqlbk/core/error.hpp"
#include "users/judgement.hpp"
#include "users/observe.hpp"

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
  explicit Poll(LiveFiles& files) : files_(files) {
    begin_scan(users::observe_without_processes(files));
  }

  UsersAnswer at_start() {
    main_ = files_.stat(SourceFile::main);
    answer_ = {};
    if (!may_wait_for_end()) answer_ = poll();
    return answer_;
  }

  UsersAnswer at_end() {
    const bool is_same =
        files_.is_current(SourceFile::main) && files_.stat(SourceFile::main).same_file(main_);
    if (!is_same) return replaced();
    const users::Observation now = users::observe_without_processes(files_);
    if (is_deferred_) {
      // Of a moment before the locks that are there now.
      if (!users::is_unlocked(now)) begun_ = {};
      return poll();
    }
    if (seen_.has_searched && users::is_as_before(seen_, now)) return answer_;
    UsersAnswer answer = poll();
    return answer.verdict < answer_.verdict ? answer_ : answer;
  }

 private:
  // Where no lock is held, nothing is under way whose end would hide it: the processes are looked
  // into while the attempt is made, unless so much would be copied in vain.
  bool may_wait_for_end() {
    const users::Observation now = users::observe_without_processes(files_);
    is_deferred_ = users::is_unlocked(now) && main_.size_bytes <= kSmallBytes;
    // One that an earlier attempt has left is of its start.
    if (is_deferred_ && !std::exchange(is_first_, false)) begin_scan(now);
    return is_deferred_;
  }

  void begin_scan(const users::Observation& seen) {
    if (!users::needs_all_processes(seen)) return;
    begun_ =
        std::async(std::launch::async, platform::scan_processes, platform::wanted_files(files_));
  }

  UsersAnswer poll() {
    std::chrono::milliseconds pause = kFirstPause;
    for (int i = 1;; ++i) {
      seen_ = users::observe(files_, [this] { return scan(); });
      UsersAnswer answer = users::judge(seen_);
      const bool is_certain = answer.verdict == UsersVerdict::these ||
                              (answer.verdict == UsersVerdict::unknown && !seen_.is_stale);
      if (is_certain || i == kPolls) return answer;
      std::this_thread::sleep_for(pause);
      pause *= 2;
    }
  }

  platform::ProcessScan scan() {
    std::vector<platform::WantedFile> wanted = platform::wanted_files(files_);
    if (!begun_.valid()) return platform::scan_processes(wanted);
    platform::ProcessScan scan = begun_.get();
    // Of other files than these: the names were given to others since.
    return scan.wanted == wanted ? scan : platform::scan_processes(wanted);
  }

  UsersAnswer replaced() const {
    return {.verdict = UsersVerdict::others,
            .sentence = quoted(files_.main_path()) + " was replaced by another file of that name",
            .hint = {}};
  }

  LiveFiles& files_;
  std::future<platform::ProcessScan> begun_;
  bool is_first_ = true;      // attempt
  bool is_deferred_ = false;  // the poll at the start is made at the end
  FileStat main_;
  users::Observation seen_;  // by the last poll
  UsersAnswer answer_;       // at the start
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
