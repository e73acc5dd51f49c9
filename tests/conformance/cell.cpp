#include "cell.hpp"

#include <chrono>
#include <unistd.h>

#include <gtest/gtest.h>

#include "kit/workload.hpp"

namespace sqlbk::test {
namespace {

using namespace std::chrono_literals;
using kit::JournalMode;
using kit::LockingMode;

constexpr std::uint64_t kTransactions = 12;
constexpr auto kSoon = 120s;

}  // namespace

std::string Cell::name() const {
  constexpr const char* kSituations[] = {"at_rest", "crashed", "idle", "writing"};
  return std::string(to_string(mode)) + "_" + std::string(to_string(locking)) + "_" +
         std::to_string(page_size) + "_" + kSituations[static_cast<std::size_t>(situation)];
}

std::vector<Cell> all_cells() {
  std::vector<Cell> cells;
  for (const JournalMode mode : {JournalMode::wal, JournalMode::delete_file, JournalMode::truncate,
                                 JournalMode::persist, JournalMode::memory, JournalMode::off}) {
    for (const LockingMode locking : {LockingMode::normal, LockingMode::exclusive}) {
      for (const std::uint32_t page_size : {512U, 4096U, 65536U}) {
        for (const Situation situation :
             {Situation::at_rest, Situation::crashed, Situation::idle, Situation::writing}) {
          const Cell cell{mode, locking, page_size, situation};
          if (situation != Situation::crashed || cell.keeps_journal()) cells.push_back(cell);
        }
      }
    }
  }
  return cells;
}

std::string scratch_parent() {
  constexpr const char* kMemory = "/dev/shm";
  return ::access(kMemory, W_OK) == 0 ? kMemory : "";
}

std::string scratch_parent(const Cell& cell) {
  return cell.page_size == 4096 ? "" : scratch_parent();
}

CellSource::CellSource(const Cell& cell)
    : cell_(cell), directory_(scratch_parent(cell)), path_(directory_.file("source.db")) {
  kit::DatabaseOptions database;
  database.size_mb = 1;
  database.page_size = cell.page_size;
  database.journal_mode = cell.mode;
  kit::create_database(path_, database);

  kit::LiveWriterOptions options;
  options.database = path_;
  options.journal_mode = cell.mode;
  options.locking = cell.locking;
  options.synchronous = kit::Synchronous::off;
  options.busy_timeout = 60s;
  options.transaction.log_rows = 200;
  options.transaction.vary_rows = true;
  options.autocheckpoint_frames = 200;
  options.pause = 1ms;
  if (cell.situation == Situation::crashed) {
    options.cache_pages = 10;  // part of the transaction is in the files
    options.transaction.rows = 100;
    options.after_last = kit::AfterLast::hold;
  }
  if (cell.situation != Situation::writing) options.transactions = kTransactions;
  owner_.emplace(options);
  switch (cell.situation) {
    case Situation::at_rest:
      owner_->wait_for_state(kit::WriterState::staying, kSoon);
      static_cast<void>(owner_->stop());
      break;
    case Situation::crashed:
      owner_->wait_for_state(kit::WriterState::holding, kSoon);
      static_cast<void>(owner_->kill9());
      break;
    case Situation::idle:
      owner_->wait_for_state(kit::WriterState::staying, kSoon);
      break;
    case Situation::writing:
      owner_->wait_for_commits(kTransactions, kSoon);
      break;
  }
  committed_ = {owner_->committed()};
}

std::vector<kit::Committed> CellSource::floor() const {
  return cell_.situation == Situation::writing ? std::vector{owner_->committed()} : committed_;
}

void CellSource::finish() {
  if (cell_.has_owner()) {
    const kit::Counters last = owner_->stop();  // throws if it had errors
    EXPECT_EQ(last.busy_errors, 0U) << "the owner gave up waiting";
    committed_ = {owner_->committed()};
  }
  const kit::CheckResult result = kit::check_source(path_, committed_);
  EXPECT_TRUE(result.good()) << "the source itself: " << result.explain();
}

Duty duty_of(const StrategyTraits& traits, bool is_default, bool suitable, const Cell& cell) {
  // Nothing would show that a transaction is under way, so nobody may vouch for a copy.
  if (cell.is_owned_exclusively() && !cell.keeps_journal()) return Duty::refuse;
  if (cell.situation == Situation::writing) {
    // With a writer that lets readers in, whoever promises it must keep it.
    const bool promised = traits.handles_live_writer && !cell.is_owned_exclusively();
    return promised ? Duty::succeed : Duty::either;
  }
  // The default is to be right for everything that stands still, and so is a mover alone.
  if (is_default || traits.is_mover) return Duty::succeed;
  if (traits.takes_locks) {
    if (cell.is_owned_exclusively()) return Duty::refuse;
    // An owner that lets readers in is what a lock is for.
    if (cell.situation == Situation::idle) return Duty::succeed;
    // A lock needs nobody where no file would have to be made or rolled back for it.
    if (cell.situation == Situation::at_rest && !cell.is_wal()) return Duty::succeed;
  }
  // The rest is what the strategy says of itself, and it has to be true.
  return suitable ? Duty::succeed : Duty::refuse;
}

bool may_deliver(const StrategyTraits& traits, Verdict verdict) {
  switch (verdict) {
    case Verdict::none:
    case Verdict::unproven:
      return false;
    case Verdict::snapshot:
      return traits.takes_locks;
    case Verdict::proven:
      return !traits.is_mover;
    case Verdict::at_rest:
    case Verdict::recovered:
    case Verdict::assumed:
      return true;
  }
  return false;
}

}  // namespace sqlbk::test
