// What an observation of a database's users means, one made-up observation after the other. Each
// begins with honest owners and changes what matters.
#include "users/judgement.hpp"

#include <string>

#include <gtest/gtest.h>

namespace sqlbk::users {
namespace {

constexpr LockHolder kReader{.pid = 100, .is_write = false};
constexpr LockHolder kWriter{.pid = 100, .is_write = true};

Process wal_owner(int pid) {
  Process process;
  process.pid = pid;
  process.program = "app";
  process.is_visible = true;
  process.holds_shared = process.holds_index = true;
  process.has_main = process.has_wal = process.has_shm = true;
  process.writes_main = process.writes_wal = true;
  return process;
}

Process invisible(Process process) {
  process.is_visible = false;
  process.has_main = process.has_wal = process.has_shm = process.has_journal = false;
  process.writes_main = process.writes_wal = process.writes_journal = false;
  return process;
}

Observation beside_wal_owner() {
  Observation seen;
  seen.main_path = "/d/x.db";
  seen.mode = Mode::wal;
  seen.has_wal = seen.wal_holds_something = true;
  seen.shared = seen.index = kReader;
  seen.processes = {wal_owner(100)};
  seen.sees_all_locks = seen.is_initial_namespace = true;
  return seen;
}

Observation beside_exclusive_owner(Mode mode) {
  Observation seen = beside_wal_owner();
  seen.mode = mode;
  seen.shared = seen.exclusive = seen.writer = kWriter;
  seen.index.reset();
  Process& owner = seen.processes.front();
  owner.holds_exclusive = owner.holds_writer = true;
  owner.holds_index = owner.has_shm = false;
  if (mode != Mode::rollback) return seen;
  seen.has_wal = seen.wal_holds_something = owner.has_wal = owner.writes_wal = false;
  seen.has_journal = seen.journal_is_active = true;
  owner.has_journal = owner.writes_journal = true;
  return seen;
}

Observation at_rest() {
  Observation seen;
  seen.main_path = "/d/x.db";
  seen.is_initial_namespace = true;
  return seen;
}

void expect(UsersVerdict verdict, const Observation& seen, const std::string& word = "") {
  const UsersAnswer answer = judge(seen);
  EXPECT_EQ(answer.verdict, verdict) << answer.sentence;
  EXPECT_NE(answer.sentence.find(word), std::string::npos) << answer.sentence;
}

TEST(Judgement, HonestOwnersUseThese) {
  expect(UsersVerdict::these, at_rest());
  expect(UsersVerdict::these, beside_wal_owner());
  expect(UsersVerdict::these, beside_exclusive_owner(Mode::wal));
  expect(UsersVerdict::these, beside_exclusive_owner(Mode::rollback));
}

// --- WAL mode, SHARED by several.

TEST(Judgement, OneOwnerDoesNotVouchForAnother) {
  Observation seen = beside_wal_owner();
  seen.processes.push_back(wal_owner(200));
  expect(UsersVerdict::these, seen);
  Process& other = seen.processes.back();
  other.holds_index = other.has_shm = false;
  expect(UsersVerdict::others, seen, "process 200 (app)");
  other.has_shm = true;
  expect(UsersVerdict::these, seen);  // it may not write the -shm
  other = invisible(other);
  expect(UsersVerdict::others, seen, "process 200");
}

TEST(Judgement, LocksOnBothFilesNeedNoLookIntoTheProcess) {
  Observation seen = beside_wal_owner();
  seen.processes = {invisible(wal_owner(100))};
  expect(UsersVerdict::these, seen);
}

TEST(Judgement, AnAttachedProcessUsesMain) {
  Observation seen = beside_wal_owner();
  seen.processes.push_back(invisible(wal_owner(200)));
  seen.processes.back().holds_shared = false;
  expect(UsersVerdict::others, seen, "process 200");
}

TEST(Judgement, AnotherSidecarIsOne) {
  Observation seen = beside_wal_owner();
  seen.processes.front().other_sidecars = {"/e/y.db-wal"};
  expect(UsersVerdict::others, seen, "'/e/y.db-wal'");
}

TEST(Judgement, LocksOfOpenFilesAreUnknownAndNoneOnTheIndexIsAContradiction) {
  Observation seen = beside_wal_owner();
  seen.unattributed_shared = 3;
  seen.unattributed_index = 1;
  expect(UsersVerdict::unknown, seen, "names no process");
  seen.unattributed_index = 0;
  expect(UsersVerdict::others, seen);
  seen.sees_all_locks = seen.is_initial_namespace = false;
  expect(UsersVerdict::unknown, seen, "container");
}

TEST(Judgement, ANamespaceOfItsOwnHidesOwners) {
  Observation seen = beside_wal_owner();
  seen.sees_all_locks = seen.is_initial_namespace = false;
  expect(UsersVerdict::unknown, seen, "container");
  seen.processes.clear();
  seen.shared = seen.index = LockHolder{.pid = 0, .is_write = false};
  seen.unattributed_shared = seen.unattributed_index = 1;
  expect(UsersVerdict::unknown, seen, "container");
  seen.index.reset();
  expect(UsersVerdict::others, seen);
}

TEST(Judgement, AnIndexInUseWithoutMain) {
  Observation seen = beside_wal_owner();
  seen.shared.reset();
  seen.processes.clear();
  expect(UsersVerdict::others, seen);
}

// --- EXCLUSIVE, which one process holds alone.

TEST(Judgement, AnExclusiveOwnerHasTheWalOpen) {
  Observation seen = beside_exclusive_owner(Mode::wal);
  seen.processes.front().has_wal = false;
  expect(UsersVerdict::others, seen);
  seen.processes.front() = invisible(seen.processes.front());
  expect(UsersVerdict::unknown, seen, "'/d/x.db-wal'");
  seen.processes.clear();
  expect(UsersVerdict::unknown, seen);
}

TEST(Judgement, AWriterHasTheActiveJournalOpen) {
  Observation seen = beside_exclusive_owner(Mode::rollback);
  seen.processes.front().has_journal = false;
  expect(UsersVerdict::others, seen, "'/d/x.db-journal'");
  seen.journal_is_active = false;
  expect(UsersVerdict::these, seen);  // whether it keeps one at all is another question
  seen.processes.front().stray_sidecars = {"/d/y.db-journal"};
  expect(UsersVerdict::others, seen);
  seen.processes.front() = invisible(beside_exclusive_owner(Mode::rollback).processes.front());
  seen.journal_is_active = true;
  expect(UsersVerdict::unknown, seen, "'/d/x.db-journal'");
}

TEST(Judgement, AWriterThatHasNotWrittenMattersOnlyBesideAnActiveJournal) {
  Observation seen = beside_exclusive_owner(Mode::rollback);
  seen.exclusive.reset();
  seen.processes.front() = invisible(seen.processes.front());
  seen.processes.front().holds_exclusive = false;
  expect(UsersVerdict::unknown, seen, "journals");
  seen.journal_is_active = false;
  expect(UsersVerdict::these, seen);
}

// --- An encrypted header tells no mode.

TEST(Judgement, AReaderOfAnEncryptedDatabase) {
  Observation seen = beside_wal_owner();
  seen.mode = Mode::unknown;
  seen.has_wal = seen.wal_holds_something = false;
  seen.index.reset();
  Process& reader = seen.processes.front();
  reader.holds_index = reader.has_shm = reader.has_wal = false;
  expect(UsersVerdict::these, seen);
  reader.stray_sidecars = {"/d/y.db-wal"};
  expect(UsersVerdict::others, seen);
  reader = invisible(reader);
  reader.stray_sidecars.clear();
  expect(UsersVerdict::unknown, seen);
  seen.names = 2;
  expect(UsersVerdict::others, seen);
}

// --- No lock at all.

TEST(Judgement, ASidecarThatAnotherMainIsWrittenWith) {
  Observation seen = at_rest();
  seen.has_wal = seen.wal_holds_something = true;
  Process owner = wal_owner(100);
  owner.holds_shared = owner.holds_index = owner.has_main = owner.writes_main = false;
  seen.processes = {owner};
  expect(UsersVerdict::others, seen, "-wal");
  seen.processes.front().writes_wal = false;
  expect(UsersVerdict::these, seen);  // another copy, or a virus scanner
}

TEST(Judgement, SidecarsWithoutALockOutsideOfAllSight) {
  Observation seen = at_rest();
  seen.is_initial_namespace = false;
  expect(UsersVerdict::these, seen);  // no lock of this kernel stands on it
  seen.has_journal = seen.journal_is_active = true;
  expect(UsersVerdict::unknown, seen, "'/d/x.db-journal'");
  seen.has_wal = seen.wal_holds_something = true;
  expect(UsersVerdict::unknown, seen, "'/d/x.db-wal'");
  seen.is_initial_namespace = true;
  expect(UsersVerdict::these, seen);
}

TEST(Judgement, AFileSystemAboveMayWriteBack) {
  Observation seen = at_rest();
  Process server = wal_owner(100);
  server.holds_shared = server.holds_index = false;
  server.serves_files = true;
  seen.processes = {server};
  expect(UsersVerdict::unknown, seen, "process 100 (app)");
  seen.processes.front().has_main = false;
  seen.processes.front().writes_wal = false;
  expect(UsersVerdict::these, seen);
}

TEST(Judgement, ALockFileNamesAProcessOfItsOwnNamespace) {
  Observation seen = at_rest();
  seen.lock_file = LockFile{.path = "/d/x.db.lock", .pid = 77, .is_alive = false};
  expect(UsersVerdict::these, seen);  // that one is dead
  seen.is_initial_namespace = false;
  expect(UsersVerdict::unknown, seen, "'/d/x.db.lock'");
}

TEST(Judgement, SeveralThingsThatCannotBeSeenAreAllSaid) {
  Observation seen = at_rest();
  seen.names = 3;
  seen.journal_is_active = true;
  seen.is_initial_namespace = false;
  const std::string sentence = judge(seen).sentence;
  EXPECT_NE(sentence.find("container"), std::string::npos) << sentence;
  EXPECT_NE(sentence.find("3 names"), std::string::npos) << sentence;
}

}  // namespace
}  // namespace sqlbk::users
