#include "sqlbk/core/source.hpp"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "database.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "remote_sqlite.hpp"

namespace sqlbk {
namespace {

using test::Buffer;
using test::code_of;
using test::Database;
using test::RemoteSqlite;

class SourceTest : public testing::Test {
 protected:
  void make(const std::string& mode, const std::string& pragmas = "PRAGMA page_size=4096") const {
    Database database(path_);
    database.run(pragmas);
    database.run("PRAGMA synchronous=OFF; PRAGMA journal_mode=" + mode);
    database.run("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(10000))");
  }
  SourceFacts facts() const {
    LiveFiles files(path_);
    return probe_source(files);
  }
  std::optional<Errc> refusal() const {
    return code_of([&] { require_copyable(facts()); });
  }
  void change_byte(const std::string& path, std::size_t offset, unsigned value) const {
    Buffer bytes = test::read_file(path);
    bytes.at(offset) = static_cast<std::byte>(value);
    test::write_file(path, bytes);
  }
  // A transaction that has reached the files and is not over.
  static void write_half(RemoteSqlite& owner) {
    owner.run(
        "PRAGMA cache_size=2; BEGIN; UPDATE t SET a = randomblob(10000); "
        "INSERT INTO t SELECT randomblob(50000)");
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

// ---- What a source looks like in each journal mode.

struct ModeCase {
  const char* mode;
  bool has_journal_at_rest;
  bool has_journal_in_transaction;
};

class SourceInMode : public SourceTest, public testing::WithParamInterface<ModeCase> {};

TEST_P(SourceInMode, AtRest) {
  make(GetParam().mode);
  {
    RemoteSqlite owner(path_);
    owner.run("PRAGMA journal_mode=" + std::string(GetParam().mode) + "; INSERT INTO t VALUES (1)");
    owner.stop();
  }
  const SourceFacts found = facts();
  EXPECT_EQ(found.given_path, path_);
  EXPECT_EQ(found.main_path, std::filesystem::canonical(path_).string());
  ASSERT_TRUE(found.header);
  EXPECT_EQ(found.header->page_size_bytes, 4096U);
  EXPECT_EQ(found.main.size_bytes, test::read_file(path_).size());
  EXPECT_EQ(found.total_size_bytes(), found.main.size_bytes);
  EXPECT_TRUE(found.at_rest());
  EXPECT_FALSE(found.uses_wal());
  EXPECT_FALSE(found.wal || found.shm);
  EXPECT_EQ(found.journal.has_value(), GetParam().has_journal_at_rest);
  EXPECT_EQ(found.journal_state, format::JournalState::inactive);
  EXPECT_FALSE(found.has_hot_journal());
  EXPECT_FALSE(found.names_super_journal);
  EXPECT_EQ(refusal(), std::nullopt);
}

TEST_P(SourceInMode, InTheMiddleOfATransaction) {
  make(GetParam().mode);
  RemoteSqlite owner(path_);
  owner.run("PRAGMA synchronous=OFF; PRAGMA journal_mode=" + std::string(GetParam().mode));
  write_half(owner);
  const SourceFacts found = facts();
  EXPECT_FALSE(found.at_rest());
  EXPECT_TRUE(found.locks.writer);
  EXPECT_FALSE(found.uses_wal());
  EXPECT_EQ(found.journal.has_value(), GetParam().has_journal_in_transaction);
  EXPECT_EQ(found.journal_state == format::JournalState::active,
            GetParam().has_journal_in_transaction);
  EXPECT_FALSE(found.has_hot_journal()) << "its writer is alive";
  EXPECT_EQ(refusal(), std::nullopt);
}

TEST_P(SourceInMode, AfterItsOwnerDied) {
  make(GetParam().mode);
  RemoteSqlite owner(path_);
  owner.run("PRAGMA synchronous=OFF; PRAGMA journal_mode=" + std::string(GetParam().mode));
  write_half(owner);
  owner.kill();
  const SourceFacts found = facts();
  EXPECT_TRUE(found.at_rest());
  EXPECT_EQ(found.has_hot_journal(), GetParam().has_journal_in_transaction);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, SourceInMode,
    testing::Values(ModeCase{"delete", false, true}, ModeCase{"truncate", true, true},
                    ModeCase{"persist", true, true}, ModeCase{"memory", false, false},
                    ModeCase{"off", false, false}),
    [](const testing::TestParamInfo<ModeCase>& mode) { return std::string(mode.param.mode); });

TEST_F(SourceTest, WalAtRest) {
  make("wal");
  const SourceFacts found = facts();
  EXPECT_TRUE(found.uses_wal()) << "by the header: the last close has deleted the -wal";
  EXPECT_FALSE(found.wal);
  EXPECT_EQ(found.wal_size_bytes(), 0U);
  EXPECT_TRUE(found.at_rest());
  EXPECT_FALSE(found.wal_header);
}

TEST_F(SourceTest, WalWithAnOwner) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (1)");
  LiveFiles files(path_);
  const SourceFacts found = probe_source(files);
  EXPECT_TRUE(found.uses_wal());
  EXPECT_FALSE(found.at_rest());
  EXPECT_TRUE(found.locks.dms);
  ASSERT_TRUE(found.wal && found.shm);
  ASSERT_TRUE(found.wal_header);
  EXPECT_EQ(found.wal_header->page_size_bytes, 4096U);
  EXPECT_GT(found.wal_size_bytes(), 4096U);
  EXPECT_EQ(found.total_size_bytes(), found.main.size_bytes + found.wal_size_bytes());
  const auto index = read_live_wal_index(files);
  ASSERT_TRUE(index);
  EXPECT_GT(index->mx_frame, 0U);
  EXPECT_EQ(index->salt, found.wal_header->salt);
}

TEST_F(SourceTest, TheWalIndexOfADeadOwnerSaysNothing) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (1)");
  owner.kill();
  const LiveFiles files(path_);
  ASSERT_TRUE(files.has(SourceFile::shm));
  EXPECT_EQ(read_live_wal_index(files), std::nullopt);
  LiveFiles again(path_);
  const SourceFacts found = probe_source(again);
  EXPECT_TRUE(found.at_rest());
  EXPECT_TRUE(found.wal_header) << "but the WAL is a part of the database";
}

TEST_F(SourceTest, AWalIndexThatCannotBeReadWholeSaysNothing) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("SELECT * FROM t");
  const LiveFiles files(path_);
  ASSERT_TRUE(read_live_wal_index(files));
  // The second copy of the header differs from the first, for as long as anybody looks.
  std::filesystem::permissions(path_ + "-shm", std::filesystem::perms(0600));
  {
    std::fstream shm(path_ + "-shm", std::ios::in | std::ios::out | std::ios::binary);
    shm.seekp(48 + 16);
    shm.put('\x7f');
  }
  EXPECT_EQ(read_live_wal_index(files), std::nullopt);
}

// The file decides, not header bytes 18/19.
TEST_F(SourceTest, AWalBesideARollbackHeaderIsUsed) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (1)");
  owner.kill();
  change_byte(path_, 18, 1);
  change_byte(path_, 19, 1);
  const SourceFacts found = facts();
  EXPECT_FALSE(found.header->says_wal());
  EXPECT_TRUE(found.uses_wal());
}

TEST_F(SourceTest, AnEmptyWalIsNone) {
  make("delete");
  test::write_text(path_ + "-wal", "");
  EXPECT_TRUE(facts().wal);
  EXPECT_FALSE(facts().uses_wal());
  EXPECT_EQ(Database(path_).text("PRAGMA journal_mode"), "delete") << "as SQLite has it";
}

TEST_F(SourceTest, ProbingLooksAgain) {
  make("delete");
  LiveFiles files(path_);
  EXPECT_FALSE(probe_source(files).journal);
  test::write_text(path_ + "-journal", "x");
  const SourceFacts found = probe_source(files);
  EXPECT_TRUE(found.journal);
  EXPECT_TRUE(found.has_hot_journal());
}

TEST_F(SourceTest, ProbingChangesNothing) {
  for (const std::string mode : {"delete", "wal"}) {
    make(mode);
    const auto names = test::names_in(directory_.path());
    const Buffer main = test::read_file(path_);
    const auto time = std::filesystem::last_write_time(path_);
    static_cast<void>(facts());
    EXPECT_EQ(test::names_in(directory_.path()), names);
    EXPECT_TRUE(test::read_file(path_) == main);
    EXPECT_EQ(std::filesystem::last_write_time(path_), time);
    std::filesystem::remove(path_);
  }
}

TEST_F(SourceTest, ASuperJournalIsSeen) {
  make("delete");
  {
    // Two databases in one transaction: the journals name a super-journal.
    RemoteSqlite owner(path_);
    owner.run("ATTACH '" + directory_.file("other.db") + "' AS other");
    owner.run("CREATE TABLE other.t(a)");
    owner.stop();
  }
  Buffer journal = test::read_file(path_);  // any bytes, then a tail as SQLite writes it
  const std::string name = "source.db-mj12345678";
  Buffer tail(name.size() + 20);
  std::memcpy(tail.data() + 4, name.data(), name.size());
  tail[4 + name.size() + 3] = static_cast<std::byte>(name.size());
  const std::array<unsigned char, 8> magic{0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
  std::memcpy(tail.data() + name.size() + 12, magic.data(), magic.size());
  journal.insert(journal.end(), tail.begin(), tail.end());
  test::write_file(path_ + "-journal", journal);
  EXPECT_TRUE(facts().names_super_journal);
  journal.back() ^= std::byte{1};
  test::write_file(path_ + "-journal", journal);
  EXPECT_FALSE(facts().names_super_journal);
  test::write_text(path_ + "-journal", "short");
  EXPECT_FALSE(facts().names_super_journal);
}

// ---- What is refused, and with which code.

TEST_F(SourceTest, AnEmptyFileIsAnEmptyDatabase) {
  test::write_text(path_, "");
  EXPECT_TRUE(facts().is_empty());
  EXPECT_EQ(refusal(), std::nullopt);
}

TEST_F(SourceTest, WhatIsNoDatabaseIsRefused) {
  test::write_text(path_, "SQLite format 3");
  EXPECT_EQ(refusal(), Errc::not_a_database) << "too short";
  test::write_text(path_, std::string(4096, 'x'));
  EXPECT_EQ(refusal(), Errc::not_a_database) << "another format, or encrypted";
}

TEST_F(SourceTest, BadHeadersAreRefused) {
  make("delete");
  const Buffer good = test::read_file(path_);
  ASSERT_EQ(refusal(), std::nullopt);
  struct Change {
    std::size_t offset;
    unsigned value;
    Errc code;
  };
  for (const Change& change :
       {Change{0, 's', Errc::not_a_database}, Change{17, 1, Errc::not_a_database},
        Change{16, 0, Errc::not_a_database}, Change{19, 3, Errc::unsupported_database},
        Change{21, 65, Errc::not_a_database}, Change{22, 31, Errc::not_a_database},
        Change{23, 33, Errc::not_a_database}}) {
    test::write_file(path_, good);
    change_byte(path_, change.offset, change.value);
    EXPECT_EQ(refusal(), change.code) << "byte " << change.offset;
  }
  test::write_file(path_, good);
  change_byte(path_, 18, 3);
  EXPECT_EQ(refusal(), std::nullopt) << "a write version from the future can be read";
}

TEST_F(SourceTest, TooManyReservedBytesAreRefused) {
  make("delete", "PRAGMA page_size=512");
  change_byte(path_, 20, 32);
  EXPECT_EQ(refusal(), std::nullopt);
  change_byte(path_, 20, 33);
  EXPECT_EQ(refusal(), Errc::not_a_database);
}

class SourceWithWal : public SourceTest {
 protected:
  SourceWithWal() {
    make("wal");
    RemoteSqlite owner(path_);
    owner.run("INSERT INTO t VALUES (1)");
    owner.kill();
  }
};

TEST_F(SourceWithWal, AWalOfAnotherPageSizeIsRefused) {
  ASSERT_EQ(refusal(), std::nullopt);
  format::WalHeader header = *facts().wal_header;
  header.page_size_bytes = 8192;
  const auto bytes = format::encode_wal_header(header);
  test::write_file(path_ + "-wal", bytes);
  const auto error = test::error_of([&] { require_copyable(facts()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::unsupported_database);
  EXPECT_EQ(error->path(), path_);
  EXPECT_NE(error->hint().find("-wal"), std::string_view::npos);
}

// SQLite would delete such a WAL, and it may be all that is left.
TEST_F(SourceWithWal, AWalBesideAnEmptyMainIsRefused) {
  test::write_text(path_, "");
  EXPECT_EQ(refusal(), Errc::damaged);
  test::write_text(path_ + "-wal", "");
  EXPECT_EQ(refusal(), std::nullopt);
}

TEST_F(SourceWithWal, AWalOfAnotherVersionIsRefused) {
  Buffer wal = test::read_file(path_ + "-wal");
  wal[7] ^= std::byte{1};
  const bool big_endian = facts().wal_header->big_endian_checksum;
  const format::WalChecksum sum =
      format::wal_checksum({}, format::Bytes(wal).first(24), big_endian);
  format::write_be32(wal, 24, sum.s0);
  format::write_be32(wal, 28, sum.s1);
  test::write_file(path_ + "-wal", wal);
  EXPECT_EQ(refusal(), Errc::unsupported_database);
  EXPECT_NE(Database(path_).try_run("SELECT * FROM t"), SQLITE_OK) << "as SQLite does";
}

TEST_F(SourceWithWal, ATornWalHeaderIsAnOrdinaryState) {
  // Of the checksum, which is another one each time.
  Buffer wal = test::read_file(path_ + "-wal");
  wal[30] ^= std::byte{0xa5};
  test::write_file(path_ + "-wal", wal);
  EXPECT_FALSE(facts().wal_header);
  EXPECT_EQ(refusal(), std::nullopt);
  EXPECT_TRUE(facts().uses_wal());
}

TEST_F(SourceTest, OtherWaysOfLockingAreRefused) {
  make("delete");
  ASSERT_TRUE(std::filesystem::create_directory(path_ + ".lock"));
  EXPECT_EQ(refusal(), Errc::unsupported_database) << "unix-dotfile";
  std::filesystem::remove(path_ + ".lock");
  test::write_text(path_ + ".lock", "somebody else's");
  EXPECT_EQ(refusal(), std::nullopt);
}

TEST_F(SourceTest, ADotfileOwnerIsSeen) {
  make("delete");
  Database owner(path_);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path_.c_str(), &other, SQLITE_OPEN_READWRITE, "unix-dotfile"),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(refusal(), Errc::unsupported_database);
  sqlite3_close(other);
}

TEST_F(SourceTest, ASecondWalIsRefused) {
  make("delete");
  test::write_text(path_ + "-wal2", "");
  EXPECT_EQ(refusal(), Errc::unsupported_database);
}

TEST_F(SourceTest, WhereOtherKernelsWriteOnlySqlitesOwnLocksWillDo) {
  for (const bool wal : {false, true}) {
    make(wal ? "wal" : "delete");
    SourceFacts found = facts();
    for (const FileSystem& system :
         {file_system_of_magic(0x6969), file_system_of_fuse("fuse.bindfs", "/data")}) {
      found.file_system = system;
      const auto error = test::error_of([&] { require_copyable(found); });
      ASSERT_TRUE(error);
      EXPECT_EQ(error->code(), Errc::unsupported_file_system);
      EXPECT_NE(std::string(error->what()).find(system.name), std::string::npos);
      EXPECT_EQ(code_of([&] { require_copyable(found, {.foreign = true}); }), std::nullopt);
      const auto by_sqlite = code_of([&] { require_copyable(found, {.by_sqlite_alone = true}); });
      const bool refused = wal && system.kind == FileSystemKind::network;
      EXPECT_EQ(by_sqlite, refused ? std::optional(Errc::unsupported_file_system) : std::nullopt)
          << system.name << ", " << wal;
    }
    found.file_system = file_system_of_magic(0x794c7630);
    EXPECT_EQ(code_of([&] { require_copyable(found); }), std::nullopt) << "overlayfs is local";
    std::filesystem::remove(path_);
  }
}

}  // namespace
}  // namespace sqlbk
