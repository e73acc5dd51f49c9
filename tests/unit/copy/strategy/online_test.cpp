// `online` alone: what its one read transaction does not vouch for. It has no mover into which a
// test could hook, so that things happen when it looks at a file.

#include "strategy/online.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "support/looks.hpp"
#include "support/strategy_test.hpp"
#include "support/unseen_owner.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using test::looks;
using test::Outcome;
using test::Owner;

class Online : public test::StrategyTest {
 protected:
  Outcome copy(Deadline deadline = Deadline::after(120s)) {
    return test::run_request(test::request_of(source_, copy_),
                             test::registry_of([] { return make_online_strategy(); }), deadline);
  }
  std::uintmax_t largest_file_of_copy() const {
    std::uintmax_t largest = 0;
    for (const auto& entry : fs::recursive_directory_iterator(copy_directory_.path())) {
      if (entry.is_regular_file()) largest = std::max(largest, entry.file_size());
    }
    return largest;
  }

  test::WatchedLooks watched_{"-shm"};
};

// SQLite holds its lock in the old one; who comes after that locks in the new one, and checkpoints
// past it. Replaced before each look at it in turn.
TEST_F(Online, AnIndexThatIsReplacedMeanwhileProtectsNothing) {
  int last = 1;
  bool was_refused_after_the_last_page = false;
  for (int nth = 0; nth <= last; ++nth) {
    make(kit::JournalMode::wal);
    Owner owner({open()});
    owner->run(0);
    bool has_every_page = false;
    looks.seen = 0;
    looks.act_before = nth;
    looks.act = [&] {
      has_every_page = largest_file_of_copy() >= fs::file_size(source_);
      fs::copy_file(source_ + "-shm", source_ + "-other");
      fs::rename(source_ + "-other", source_ + "-shm");
    };
    const Outcome outcome = nth == 0 ? copy() : copy(Deadline::after(150ms));
    if (nth == 0) last = looks.seen;
    ASSERT_GE(looks.seen, nth);
    if (outcome.ok()) {
      expect_copied(outcome, Verdict::snapshot);
    } else {
      EXPECT_EQ(outcome.exit_code(), 4) << nth << ": " << outcome.explain();
      was_refused_after_the_last_page = was_refused_after_the_last_page || has_every_page;
    }
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(source_ + suffix);
    fs::remove(copy_);
  }
  EXPECT_TRUE(was_refused_after_the_last_page);
}

// Before each look at a sidecar in turn half a transaction reaches main, of an owner whose locks
// the kernel does not know.
TEST_F(Online, AJournalThatComesMeanwhileIsNotMissed) {
  for (const std::string sidecar : {"-wal", "-journal", "source.db"}) {
    int last = 0;
    for (int nth = 0; nth <= last; ++nth) {
      make(kit::JournalMode::delete_file);
      test::UnseenOwner owner(source_,
                              {"PRAGMA synchronous=OFF; PRAGMA cache_size=5; SELECT 1 FROM account",
                               "BEGIN; UPDATE account SET balance = balance + 1"});
      owner.run(0);
      looks.at = sidecar;
      looks.seen = 0;
      looks.act_before = nth;
      looks.act = [&owner] { owner.run(1); };
      const Outcome outcome = nth == 0 ? copy() : copy(Deadline::after(150ms));
      if (nth == 0) last = looks.seen;
      if (outcome.ok()) {
        expect_copied(outcome, Verdict::snapshot, 0);
      } else {
        EXPECT_EQ(outcome.exit_code(), 4) << nth << ": " << outcome.explain();
      }
      for (const char* suffix : {"", "-journal"}) fs::remove(source_ + suffix);
      fs::remove(copy_);
    }
    EXPECT_GT(last, 1) << sidecar;
  }
}

}  // namespace
}  // namespace sqlbk::copy
