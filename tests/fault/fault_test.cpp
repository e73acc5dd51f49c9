// Every system call of a copy fails once, in every way that it can: there is then no destination or
// a complete one, nothing is left behind, and the source is as it was.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "faulty_sys.hpp"
#include "kit/checker.hpp"
#include "kit/corpus.hpp"
#include "kit/pattern.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/writer_process.hpp"
#include "sqlbk/checkpoint/builtin.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "sqlbk/copy/copy_database.hpp"
#include "sqlbk/core/error.hpp"
#include "support/files.hpp"

namespace sqlbk::test {
namespace {

using namespace std::chrono_literals;

enum class Owner { none, idle };

struct Case {
  const char* name;
  const char* strategy;
  Owner owner;
  bool digest = false;  // published beside the copy
  bool preserve = false;
};

// 1: every call fails in its turn. TSan, which looks for races and forks slowly, leaves some out
// (meson.build).
constexpr unsigned kStride = SQLBK_FAULT_STRIDE;
constexpr unsigned kMostCalls = 2000;  // of one kind in one copy; more is a loop without an end

// A WAL database with something in its WAL, which nobody writes: at rest, or with an idle owner.
class FaultTest : public ::testing::TestWithParam<Case> {
 protected:
  FaultTest() {
    std::filesystem::create_directory(directory_.file("from"));
    std::filesystem::create_directory(directory_.file("to"));
    kit::CorpusOptions options;
    options.database.size_mb = 1;
    options.database.page_size = 65536;  // few pages: few calls of each kind
    if (GetParam().owner == Owner::none) options.wal_mb = 1;
    kit::make_corpus(source_, options);
    if (GetParam().owner == Owner::idle) {
      kit::LiveWriterOptions writer;
      writer.database = source_;
      writer.transactions = 20;
      owner_.emplace(writer);
      owner_->wait_for_state(kit::WriterState::staying, 60s);
    }
    if (GetParam().preserve) {
      // Where the file system keeps none, that is what --preserve meets there.
      static_cast<void>(::setxattr(source_.c_str(), "user.origin", "x", 1, 0));
    }
    before_ = seen();
    // Nobody writes, so that every complete copy is this one.
    copy();
    EXPECT_TRUE(kit::check_copy(destination_).good());
    good_copy_ = read_file(destination_);
    if (GetParam().digest) good_digest_ = read_file(digest_path());
    remove_copy();
  }

  void copy() const {
    Registry registry;
    copy::register_builtin_strategies(registry);
    checkpoint::register_builtin_steps(registry);
    CopyRequest request;
    request.source = source_;
    request.destination = destination_;
    request.strategy = GetParam().strategy;
    request.copy.copy_retry = 2;
    request.target.preserve = GetParam().preserve;
    if (GetParam().digest) request.steps = {"digest"};
    Pipeline::build(std::move(request), registry).run();
  }

  // "" if there is no destination, or a complete one, and nothing else.
  std::string what_is_wrong(bool succeeded) const {
    const auto names = names_in(directory_.file("to"));
    if (!succeeded && !names.empty()) return "left behind: " + names.front();
    if (succeeded && names != published()) return "not what is to be published";
    if (succeeded && read_file(destination_) != good_copy_) return "not the copy";
    if (succeeded && GetParam().digest && read_file(digest_path()) != good_digest_) {
      return "not its digest";
    }
    return seen() == before_ ? "" : "the source has changed";
  }

  void remove_copy() const {
    std::filesystem::remove(destination_);
    std::filesystem::remove(digest_path());
  }

  std::string digest_path() const { return destination_ + ".sha256"; }
  std::vector<std::string> published() const {
    std::vector<std::string> names{"copy.db"};
    if (GetParam().digest) names.emplace_back("copy.db.sha256");
    return names;
  }

  // "" if there is no copy, or the whole one with its digest. The digest gets its name first, so
  // it may stand there alone until the next run takes it away.
  std::string what_a_dead_run_did_wrong() const {
    const bool has_digest = is_there(digest_path());
    if (has_digest && read_file(digest_path()) != good_digest_) return "not its digest";
    if (!is_there(destination_)) return "";
    if (read_file(destination_) != good_copy_) return "not the copy";
    return has_digest == GetParam().digest ? "" : "the copy without its digest";
  }

  // All at once, so that whoever is killed meanwhile does not leave half of it.
  void take_away_all() const {
    std::filesystem::rename(directory_.file("to"), directory_.file("gone"));
    clear_what_was_taken_away();
  }
  void clear_what_was_taken_away() const {
    std::filesystem::create_directories(directory_.file("to"));
    std::filesystem::remove_all(directory_.file("gone"));
  }

  // Bytes of main and -wal, and the names beside them.
  std::vector<std::string> seen() const {
    std::vector<std::string> all = names_in(directory_.file("from"));
    for (const char* suffix : {"", "-wal"}) {
      if (is_there(source_ + suffix)) all.push_back(read_text(source_ + suffix));
    }
    return all;
  }

  const kit::TemporaryDirectory directory_;
  const std::string source_ = directory_.file("from/app.db");
  const std::string destination_ = directory_.file("to/copy.db");
  std::optional<kit::WriterProcess> owner_;
  std::vector<std::string> before_;
  Buffer good_copy_;
  Buffer good_digest_;
};

TEST_P(FaultTest, EveryCallFailsOnce) {
  unsigned struck = 0;
  for (const std::string_view call : kSysCalls) {
    for (const Fault fault :
         {Fault::no_space, Fault::io_error, Fault::interrupted, Fault::short_count}) {
      if (!may_suffer(call, fault)) continue;
      for (unsigned nth = 1; nth < kMostCalls; nth += kStride) {
        bool succeeded = false;
        bool has_struck = false;
        {
          const FaultySys faulty(call, nth, fault);
          try {
            copy();
            succeeded = true;
          } catch (const Error&) {
            // Failing is right; what matters is what is left.
          }
          has_struck = FaultySys::has_struck();
        }
        const std::string wrong = what_is_wrong(succeeded);
        ASSERT_EQ(wrong, "") << call << " number " << nth << ": " << to_string(fault);
        if (fault == Fault::interrupted) {
          EXPECT_TRUE(succeeded) << call << " number " << nth << " is not repeated after EINTR";
        }
        remove_copy();
        if (!has_struck) break;
        ++struck;
      }
    }
  }
  EXPECT_GT(struck, 100U / kStride) << "the table of calls does not reach the copy";
}

TEST_P(FaultTest, KilledAtEveryCall) {
  unsigned struck = 0;
  for (const std::string_view call : kSysCalls) {
    // Dying in a call that changes nothing is dying before the next one that does.
    if (call == "pread" || call == "fstat" || call == "fstatat" || call == "lseek") continue;
    for (unsigned nth = 1; nth < kMostCalls; nth += kStride) {
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        const FaultySys faulty(call, nth, Fault::killed);
        int code = 1;
        try {
          copy();
          code = 0;
        } catch (...) {
          code = 1;
        }
        ::_exit(code);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFEXITED(status));
      const bool was_killed = WEXITSTATUS(status) == 137;
      ASSERT_EQ(what_a_dead_run_did_wrong(), "") << call << " number " << nth;
      if (is_there(destination_)) remove_copy();
      // The next run takes away what the dead one has left.
      ASSERT_NO_THROW(copy()) << "after " << call << " number " << nth;
      ASSERT_EQ(what_is_wrong(true), "") << "after " << call << " number " << nth;
      remove_copy();
      if (!was_killed) {
        ASSERT_EQ(WEXITSTATUS(status), 0) << call << " number " << nth;
        break;
      }
      ++struck;
    }
  }
  EXPECT_GT(struck, 10U / kStride) << "the table of calls does not reach the copy";
}

TEST_P(FaultTest, KilledAtRandomMoments) {
  constexpr unsigned kKills = 60 / kStride;
  kit::Random random(42);
  for (unsigned i = 0; i < kKills; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        while (true) {
          copy();
          take_away_all();
        }
      } catch (...) {
        ::_exit(1);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(20'000)));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the copying child ended by itself";
    clear_what_was_taken_away();
    ASSERT_EQ(what_a_dead_run_did_wrong(), "");
    if (is_there(destination_)) remove_copy();
    ASSERT_NO_THROW(copy());
    ASSERT_EQ(what_is_wrong(true), "");
    remove_copy();
  }
}

INSTANTIATE_TEST_SUITE_P(Copies, FaultTest,
                         ::testing::Values(Case{"auto_at_rest", "auto", Owner::none},
                                           Case{"snapshot_live", "snapshot+plain", Owner::idle},
                                           Case{"online_live", "online", Owner::idle},
                                           Case{"auto_with_digest", "auto", Owner::none, true},
                                           Case{"lock_and_preserve", "lock+mmap", Owner::idle,
                                                false, true}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace sqlbk::test
