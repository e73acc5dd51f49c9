#include "sqlbk/core/database_users.hpp"

#include <chrono>
#include <future>
#include <system_error>
#include <thread>
#include <utility>

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
// Copied in no less time than /proc/locks may take.
constexpr std::uint64_t kHidesWaitingBytes = 8U << 20U;

}  // namespace

class DatabaseUsers::Poll {
 public:
  explicit Poll(LiveFiles& files) : files_(files), seen_(users::observe_locks(files)) {
    if (users::needs_search(seen_)) begin_search();
  }

  UsersAnswer at_start() {
    main_ = files_.stat(SourceFile::main);
    seen_ = users::observe_locks(files_);
    is_searching_ = can_search_meanwhile();
    answer_ = is_searching_ ? UsersAnswer() : poll();
    return answer_;
  }

  UsersAnswer at_end() {
    const bool is_same =
        files_.is_current(SourceFile::main) && files_.stat(SourceFile::main).same_file(main_);
    if (!is_same) return replaced();
    const users::Observation now = users::observe_locks(files_);
    const bool is_as_before = users::is_as_before(seen_, now);
    if (!std::exchange(is_searching_, false)) {
      return seen_.has_searched && is_as_before ? answer_ : worse_of(answer_, poll());
    }
    // Where no lock was held at either time, the files of now are those that count.
    const bool is_still_unlocked = users::is_unlocked(seen_) && users::is_unlocked(now);
    if (is_still_unlocked) seen_ = now;
    answer_ = conclude();
    return is_as_before || is_still_unlocked ? answer_ : worse_of(answer_, poll());
  }

 private:
  // What locks and files have shown, with the processes that were found meanwhile.
  UsersAnswer conclude() {
    users::Search found = search_.get();
    const bool is_of_these = found.wanted == platform::wanted_files(files_);
    seen_ = users::observe_found(std::move(seen_), std::move(found));
    const UsersAnswer answer = users::judge(seen_);
    return is_of_these && is_certain(answer, seen_) ? answer : poll();
  }

  static bool is_certain(const UsersAnswer& answer, const users::Observation& seen) {
    return answer.verdict == UsersVerdict::these ||
           (answer.verdict == UsersVerdict::unknown && !seen.is_stale);
  }
  static UsersAnswer worse_of(UsersAnswer one, UsersAnswer other) {
    return other.verdict < one.verdict ? one : other;
  }

  void begin_search() {
    const users::SearchOrder order = users::order_search(files_, seen_, hides_waiting());
    try {
      search_ = std::async(std::launch::async, users::search, order);
    } catch (const std::system_error&) {
      // Without a thread for it the search is made where its result is asked for.
      search_ = std::async(std::launch::deferred, users::search, order);
    }
  }

  bool hides_waiting() const {
    const std::uint64_t size_bytes = files_.stat(SourceFile::main).size_bytes;
    return size_bytes >= kHidesWaitingBytes && size_bytes <= kSmallBytes;
  }

  // The processes are looked for while the attempt is made, unless so much would be copied in vain,
  // or the first of the holders contradicts already.
  bool can_search_meanwhile() {
    if (!users::needs_search(seen_) || main_.size_bytes > kSmallBytes) return false;
    if (users::judge(users::observe_named_holders(seen_, files_)).verdict == UsersVerdict::others) {
      return false;
    }
    // One that an earlier attempt has left is of its start.
    if (!std::exchange(is_first_, false) || !search_.valid()) begin_search();
    return true;
  }

  UsersAnswer poll() {
    std::chrono::milliseconds pause = kFirstPause;
    for (int i = 1;; ++i) {
      seen_ = users::observe_locks(files_);
      seen_ = users::needs_search(seen_) ? users::observe_found(std::move(seen_), search_now())
                                         : users::observe_named_holders(std::move(seen_), files_);
      UsersAnswer answer = users::judge(seen_);
      if (is_certain(answer, seen_) || i == kPolls) return answer;
      std::this_thread::sleep_for(pause);
      pause *= 2;
    }
  }

  // That which was begun for the first poll may be of other files by now.
  users::Search search_now() {
    const users::SearchOrder order = users::order_search(files_, seen_, false);
    if (std::exchange(is_first_, false) && search_.valid()) {
      users::Search found = search_.get();
      if (found.wanted == order.wanted) return found;
    }
    return users::search(order);
  }

  UsersAnswer replaced() const {
    return {.verdict = UsersVerdict::others,
            .sentence = quoted(files_.main_path()) + " was replaced by another file of that name",
            .hint = {}};
  }

  LiveFiles& files_;
  users::Observation seen_;  // by the last poll, or what is to be completed by the search
  std::future<users::Search> search_;
  bool is_first_ = true;  // no poll has used the search that the constructor has begun
  bool is_searching_ = false;
  FileStat main_;
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
