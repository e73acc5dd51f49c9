#include "sqlbk/core/wal_reset_bug.hpp"

#include <array>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "database.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "remote_sqlite.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/steady_wal_index.hpp"
#include "struck_source.hpp"
#include "wal_index_file.hpp"

namespace sqlbk {

void PrintTo(WalResetBugAnswer answer, std::ostream* out) {
  constexpr std::array kNames{"not asked", "sound", "changed", "struck"};
  *out << kNames.at(static_cast<std::size_t>(answer));
}

namespace {

using test::Database;
using test::RemoteSqlite;
using test::StruckSource;
using Answer = WalResetBugAnswer;

constexpr std::uint32_t kPageSize = 1024;

void no_tick() {}

// Does something before one of the system calls by which the source is read, or before each.
class Interference {
 public:
  // `at`: before which call, from 1; 0: before each.
  Interference(unsigned at, std::function<void()> action) {
    state() = {.at = at, .calls = 0, .is_acting = false, .action = std::move(action)};
    sys_->pread = [](int fd, void* buffer, std::size_t size, off_t offset) {
      before_call();
      return real_sys().pread(fd, buffer, size, offset);
    };
    sys_->fstat = [](int fd, struct stat* out) {
      before_call();
      return real_sys().fstat(fd, out);
    };
    sys_->fstatat = [](int dir_fd, const char* path, struct stat* out, int flags) {
      before_call();
      return real_sys().fstatat(dir_fd, path, out, flags);
    };
  }
  Interference(const Interference&) = delete;
  Interference& operator=(const Interference&) = delete;
  ~Interference() { state() = {}; }

  bool has_acted() const { return state().calls >= state().at; }

 private:
  struct State {
    unsigned at = 0;
    unsigned calls = 0;
    bool is_acting = false;
    std::function<void()> action;
  };
  static State& state() {
    static State one;
    return one;
  }
  static void before_call() {
    State& now = state();
    if (now.is_acting) return;
    ++now.calls;
    if (now.at != 0 && now.calls != now.at) return;
    now.is_acting = true;
    now.action();
    now.is_acting = false;
  }

  test::ScopedSys sys_;
};

class WalResetBug : public testing::Test {
 protected:
  // A database whose owner does only what it is told. Each row has a page of its own.
  void make(RemoteSqlite& owner) const {
    owner.run("PRAGMA page_size=1024; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL");
    owner.run("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF");
    owner.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)");
    fill(owner);
  }
  std::uint32_t pages_of_main() const {
    return static_cast<std::uint32_t>(test::read_file(path_).size() / kPageSize);
  }
  // What is answered while the last byte of that page is another one in main.
  template <typename Ask>
  WalResetBugFinding ask_with_damage_in(std::uint32_t page, const Ask& ask) const {
    const UniqueFd main = open_at(AT_FDCWD, path_, O_RDWR | O_CLOEXEC, 0, path_);
    const auto last_byte = off_t{page} * kPageSize - 1;
    std::byte before{};
    EXPECT_EQ(::pread(main.get(), &before, 1, last_byte), 1);
    const std::byte other = ~before;
    EXPECT_EQ(::pwrite(main.get(), &other, 1, last_byte), 1);
    const WalResetBugFinding finding = ask();
    EXPECT_EQ(::pwrite(main.get(), &before, 1, last_byte), 1);
    return finding;
  }
  // As if it were new.
  static void fill(RemoteSqlite& owner) {
    owner.run(
        "DELETE FROM t; PRAGMA incremental_vacuum; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
        "SELECT i + 1 FROM n WHERE i < 40) INSERT INTO t SELECT i, zeroblob(900) FROM n");
    owner.run("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  static std::string change(unsigned first, unsigned last) {
    return "UPDATE t SET v = randomblob(900) WHERE id BETWEEN " + std::to_string(first) + " AND " +
           std::to_string(last);
  }
  // Half of the WAL is backfilled, and of the pages of that half some have later frames.
  void backfill_half(RemoteSqlite& owner, RemoteSqlite& reader) const {
    owner.run(change(1, 4) + " OR id > 36");
    reader.run("BEGIN; SELECT count(*) FROM t");
    owner.run(change(3, 10));
    owner.run("PRAGMA wal_checkpoint(PASSIVE)");
    reader.run("ROLLBACK");
    ASSERT_EQ(test::read_shm(path_, test::kBackfillOffset), 8U);
    ASSERT_EQ(test::read_shm(path_, test::kMxFrameOffset), 16U);
  }
  void backfill_half(RemoteSqlite& owner) const {
    RemoteSqlite reader(path_);
    backfill_half(owner, reader);
  }
  static void backfill_all(RemoteSqlite& owner) {
    owner.run(change(1, 10) + " OR id > 36");
    owner.run("PRAGMA wal_checkpoint(PASSIVE)");
  }
  WalResetBugFinding ask(WalReadLocks locks = WalReadLocks::none) const {
    LiveFiles files(path_);
    return ask_once(files, locks, no_tick);
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

// ---- Not struck.

TEST_F(WalResetBug, NobodyIsAttached) {
  {
    Database database(path_);
    database.run("PRAGMA journal_mode=WAL; CREATE TABLE t(a)");
    database.leave_wal();
  }
  EXPECT_EQ(ask().answer, Answer::not_asked);
}

TEST_F(WalResetBug, HalfBackfilledIsSound) {
  RemoteSqlite owner(path_);
  make(owner);
  backfill_half(owner);
  const WalResetBugFinding finding = ask();
  EXPECT_EQ(finding.answer, Answer::sound);
  EXPECT_EQ(finding.mx_frame, 16U);
  EXPECT_EQ(finding.backfilled_frames, 8U);
}

// walRestartHdr() changes the index first, and there the commit before nBackfill = 0; the file's
// header follows with the first frame.
TEST_F(WalResetBug, AResetThatIsInTheIndexAloneIsSound) {
  RemoteSqlite owner(path_);
  make(owner);
  backfill_all(owner);
  const std::uint32_t backfilled = test::read_shm(path_, test::kBackfillOffset);
  const test::Buffer wal = test::read_file(path_ + "-wal");
  owner.run("PRAGMA wal_checkpoint(TRUNCATE)");
  EXPECT_EQ(ask().answer, Answer::sound);
  test::write_shm(path_, test::kBackfillOffset, backfilled);
  EXPECT_EQ(ask().answer, Answer::sound);
  test::write_file(path_ + "-wal", wal);
  EXPECT_EQ(ask().answer, Answer::sound);
}

// walIndexRecover() stores the commit before nBackfill = 0, all the while with RECOVER locked.
TEST_F(WalResetBug, RecoveryIsAChange) {
  RemoteSqlite owner(path_);
  make(owner);
  backfill_half(owner);
  test::write_shm(path_, test::kBackfillOffset, 1000);
  ASSERT_EQ(ask().answer, Answer::struck);
  LiveFiles files(path_);
  const UniqueFd shm = open_at(AT_FDCWD, path_ + "-shm", O_RDWR | O_CLOEXEC, 0, path_);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = format::kWalRecoverLockByte;
  lock.l_len = 1;
  ASSERT_EQ(::fcntl(shm.get(), F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(ask_once(files, WalReadLocks::none, no_tick).answer, Answer::changed);
}

// walRestartHdr() of a SQLite that does not know nBackfillAttempted leaves it as it was.
TEST_F(WalResetBug, AnAttemptOfAnEarlierGenerationIsSound) {
  RemoteSqlite owner(path_);
  make(owner);
  backfill_half(owner);
  test::write_shm(path_, test::kBackfillAttemptedOffset, 1000);
  EXPECT_EQ(ask().answer, Answer::sound);
}

// ---- Struck.

TEST_F(WalResetBug, MoreFramesBackfilledThanCommitted) {
  StruckSource source(path_);
  const WalResetBugFinding finding = ask();
  EXPECT_EQ(finding.answer, Answer::struck);
  EXPECT_EQ(finding.mx_frame, source.lost_frames());
  EXPECT_EQ(finding.backfilled_frames, source.backfilled_frames());
  EXPECT_FALSE(finding.missing);
  LiveFiles files(path_);
  EXPECT_EQ(find_wal_reset_bug_in_index(files).answer, Answer::struck);
  EXPECT_EQ(ask_once(files, WalReadLocks::held, no_tick).answer, Answer::struck);
}

TEST_F(WalResetBug, FramesThatMainLacks) {
  StruckSource source(path_);
  source.write_on();
  for (const WalReadLocks locks : {WalReadLocks::none, WalReadLocks::held}) {
    const WalResetBugFinding finding = ask(locks);
    EXPECT_EQ(finding.answer, Answer::struck);
    EXPECT_EQ(finding.backfilled_frames, source.backfilled_frames());
    EXPECT_EQ(finding.mx_frame, source.mx_frame());
    ASSERT_TRUE(finding.missing);
    EXPECT_LE(finding.missing->frame, finding.backfilled_frames);
  }
  LiveFiles files(path_);
  EXPECT_EQ(find_wal_reset_bug_in_index(files).answer, Answer::sound);
}

// The bug's checkpoint is at work: it has stored nBackfillAttempted and holds READ_LOCK(0).
TEST_F(WalResetBug, AStrikeUnderWayIsAChange) {
  RemoteSqlite owner(path_);
  make(owner);
  backfill_half(owner);
  test::write_shm(path_, test::kBackfillAttemptedOffset, 1000);
  LiveFiles files(path_);
  const UniqueFd shm = open_at(AT_FDCWD, path_ + "-shm", O_RDWR | O_CLOEXEC, 0, path_);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = format::kWalReadLock0Byte;
  lock.l_len = 1;
  ASSERT_EQ(::fcntl(shm.get(), F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(ask_once(files, WalReadLocks::none, no_tick).answer, Answer::changed);
}

TEST_F(WalResetBug, EveryBackfilledPageCounts) {
  RemoteSqlite owner(path_);
  make(owner);
  backfill_half(owner);
  LiveFiles files(path_);
  std::vector<std::uint32_t> missing;
  for (std::uint32_t page = 1; page <= pages_of_main(); ++page) {
    const WalResetBugFinding finding =
        ask_with_damage_in(page, [&] { return ask_once(files, WalReadLocks::none, no_tick); });
    if (finding.answer != Answer::struck) continue;
    EXPECT_EQ(finding.missing->page_number, page);
    missing.push_back(finding.missing->frame);
  }
  // Of the 8 frames that are backfilled two were replaced by later ones.
  EXPECT_EQ(missing, (std::vector<std::uint32_t>{1, 2, 5, 6, 7, 8}));
}

// The bytes that the header reserves are not SQLite's; cksumvfs has checksums there, of main only.
TEST_F(WalResetBug, ReservedBytesDoNotCount) {
  {
    Database database(path_);
    int reserved = 8;
    ASSERT_EQ(
        sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved),
        SQLITE_OK);
    database.run("PRAGMA page_size=1024; CREATE TABLE x(a)");
  }
  RemoteSqlite owner(path_);
  make(owner);
  backfill_all(owner);
  const UniqueFd main = open_at(AT_FDCWD, path_, O_RDWR | O_CLOEXEC, 0, path_);
  const std::size_t pages = test::read_file(path_).size() / kPageSize;
  std::array<std::byte, 9> trailer{};
  trailer.fill(std::byte{0xa5});
  for (std::size_t page = 1; page <= pages; ++page) {
    ASSERT_EQ(::pwrite(main.get(), trailer.data(), 8, static_cast<off_t>(page * kPageSize - 8)), 8);
  }
  EXPECT_EQ(ask().answer, Answer::sound);
  for (std::size_t page = 1; page <= pages; ++page) {
    ASSERT_EQ(::pwrite(main.get(), trailer.data(), 9, static_cast<off_t>(page * kPageSize - 9)), 9);
  }
  EXPECT_EQ(ask().answer, Answer::struck);
}

// The page of the lock bytes is never written; here a frame claims that it was.
TEST_F(WalResetBug, ThePageOfTheLockBytesDoesNotCount) {
  constexpr std::uint32_t kLockPage = 0x40000000 / kPageSize + 1;
  const UniqueFd main = open_at(AT_FDCWD, path_, O_RDWR | O_CREAT | O_CLOEXEC, 0600, path_);
  truncate_to(main.get(), std::uint64_t{kLockPage} * kPageSize, path_);
  const std::string slots = directory_.file("slots");
  test::write_file(slots, std::vector<std::byte>(2 * kPageSize, std::byte{1}));
  const UniqueFd newer = open_at(AT_FDCWD, slots, O_RDONLY | O_CLOEXEC, 0, slots);
  const auto find = [&](std::uint32_t page_number) {
    PageMapBuilder builder;
    builder.put(page_number, 2);
    const NewerPages pages{.file = {newer.get(), slots},
                           .first_offset_bytes = 0,
                           .slot_size_bytes = kPageSize,
                           .map = std::move(builder).finish(page_number)};
    return compare_backfilled({main.get(), path_}, pages, kPageSize, 2, no_tick).missing;
  };
  EXPECT_FALSE(find(kLockPage));
  ASSERT_TRUE(find(kLockPage - 1));
  EXPECT_EQ(find(kLockPage - 1)->page_number, kLockPage - 1);
  EXPECT_EQ(find(kLockPage - 1)->frame, 2U);
}

// Main as it was when all of a generation was backfilled, each page in the slot of its number.
class EarlierPages {
 public:
  EarlierPages(const std::string& main, const std::string& copy) {
    const test::Buffer bytes = test::read_file(main);
    test::write_file(copy, bytes);
    fd_ = open_at(AT_FDCWD, copy, O_RDONLY | O_CLOEXEC, 0, copy);
    const auto count = static_cast<std::uint32_t>(bytes.size() / kPageSize);
    PageMapBuilder builder;
    for (std::uint32_t page = 1; page <= count; ++page) builder.put(page, page);
    pages_ = {.file = {fd_.get(), copy},
              .first_offset_bytes = 0,
              .slot_size_bytes = kPageSize,
              .map = std::move(builder).finish(count)};
  }
  const NewerPages& pages() const noexcept { return pages_; }

 private:
  UniqueFd fd_;
  NewerPages pages_;
};

// A reset has dropped the frame of a page that main lacks.
TEST_F(WalResetBug, APageOfAnEarlierGenerationIsMissing) {
  RemoteSqlite owner(path_);
  make(owner);
  backfill_all(owner);
  const EarlierPages earlier(path_, directory_.file("earlier"));
  owner.run("INSERT INTO t(v) SELECT randomblob(900) FROM t WHERE id <= 3");
  LiveFiles files(path_);
  const std::optional<WalHeaderBytes> generation = wal_header_by_path(files);
  const auto ask_earlier = [&] {
    return find_page_lost_before(files, *generation, earlier.pages(), no_tick);
  };
  EXPECT_EQ(ask_earlier().answer, Answer::sound);
  unsigned struck = 0;
  for (std::uint32_t page = 1; page <= pages_of_main(); ++page) {
    const WalResetBugFinding finding = ask_with_damage_in(page, ask_earlier);
    if (finding.answer != Answer::struck) continue;
    ++struck;
    EXPECT_EQ(finding.missing->page_number, page);
    EXPECT_EQ(finding.missing->frame, 0U);
  }
  // All but those that the generation of now has frames of.
  EXPECT_LT(struck, pages_of_main());
  EXPECT_GT(struck, pages_of_main() / 2);
}

TEST_F(WalResetBug, TheErrorSaysWhatWasSeen) {
  const Error numbers = wal_reset_bug_error(
      {.answer = Answer::struck, .mx_frame = 20, .backfilled_frames = 40, .missing = std::nullopt},
      "app.db");
  EXPECT_EQ(numbers.code(), Errc::wal_reset_bug);
  EXPECT_EQ(numbers.path(), "app.db");
  EXPECT_STREQ(numbers.what(),
               "SQLite's WAL-reset bug has struck 'app.db': nBackfill 40, mxFrame 20");
  const Error page = wal_reset_bug_error({.answer = Answer::struck,
                                          .mx_frame = 50,
                                          .backfilled_frames = 40,
                                          .missing = MissingPage{7, 12}},
                                         "app.db");
  EXPECT_STREQ(page.what(),
               "SQLite's WAL-reset bug has struck 'app.db': main lacks page 7 of frame 12, "
               "nBackfill 40, mxFrame 50");
}

// ---- Whatever honest programs do between two reads, it is never called struck.

struct Action {
  std::string name;
  std::vector<std::string> statements;
};

std::vector<Action> actions() {
  const std::string commit = "UPDATE t SET v = randomblob(900) WHERE id % 5 = 1";
  const std::string grow = "INSERT INTO t(v) SELECT randomblob(900) FROM t WHERE id <= 12";
  const std::string shrink =
      "BEGIN; DELETE FROM t WHERE id > 25; PRAGMA incremental_vacuum; COMMIT";
  const std::string passive = "PRAGMA wal_checkpoint(PASSIVE)";
  const std::string full = "PRAGMA wal_checkpoint(FULL)";
  const std::string restart = "PRAGMA wal_checkpoint(RESTART)";
  const std::string truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
  return {{"commit", {commit}},
          {"grow", {grow}},
          {"shrink", {shrink}},
          {"passive", {passive}},
          {"full", {full}},
          {"restart", {restart}},
          {"truncate", {truncate}},
          {"reset", {passive, commit}},
          {"reset_and_backfill", {passive, commit, passive}},
          {"two_resets", {passive, commit, passive, commit, passive}},
          {"restart_and_commit", {restart, commit}},
          {"truncate_and_commit", {truncate, commit}},
          {"truncate_and_backfill", {truncate, commit, passive}},
          {"shrink_and_cut", {shrink, passive}},
          {"shrink_and_grow", {shrink, passive, grow}},
          {"commit_and_backfill", {commit, passive}},
          {"grow_and_backfill", {grow, passive}},
          {"rollback", {"BEGIN; " + commit + "; ROLLBACK"}}};
}

// What is asked, of which source.
enum class Scene {
  half,  // of it is backfilled
  half_locked,
  all,
  all_locked,
  earlier,  // pages of the generation before, as a copy that followed the WAL keeps them
};
constexpr std::array kSceneNames{"half", "half_locked", "all", "all_locked", "earlier"};

struct Between {
  Action action;
  Scene scene;
};

std::string name_of(const Between& between) {
  return between.action.name + "_" + kSceneNames.at(static_cast<std::size_t>(between.scene));
}

void PrintTo(const Between& between, std::ostream* out) {
  *out << name_of(between);
}

class WalResetBugBetween : public WalResetBug, public testing::WithParamInterface<Between> {
 protected:
  WalResetBugBetween() { make(owner_); }

  // The answer, where the action came before call `at`; nullopt: there are fewer calls.
  std::optional<Answer> answer_beside(unsigned at) {
    fill(owner_);
    prepare();
    if (is_locked()) reader_.run("BEGIN; SELECT count(*) FROM t");
    const std::optional<Answer> answer = ask_beside(at);
    EXPECT_EQ(ask(locks()).answer, Answer::sound) << "afterwards";
    if (is_locked()) reader_.run("ROLLBACK");
    return answer;
  }

 private:
  static bool is_locked() {
    return GetParam().scene == Scene::half_locked || GetParam().scene == Scene::all_locked;
  }
  static WalReadLocks locks() { return is_locked() ? WalReadLocks::held : WalReadLocks::none; }

  void prepare() {
    switch (GetParam().scene) {
      case Scene::half:
      case Scene::half_locked:
        backfill_half(owner_, reader_);
        return;
      case Scene::all:
      case Scene::all_locked:
        backfill_all(owner_);
        return;
      case Scene::earlier:
        backfill_all(owner_);
        earlier_ = std::make_unique<EarlierPages>(path_, memory_.file("earlier"));
        owner_.run(change(3, 6));
        return;
    }
  }

  std::optional<Answer> ask_beside(unsigned at) {
    LiveFiles files(path_);
    const std::optional<WalHeaderBytes> generation = wal_header_by_path(files);
    const Interference between(at, [this] {
      for (const std::string& sql : GetParam().action.statements) owner_.run(sql);
    });
    const Answer answer =
        GetParam().scene == Scene::earlier
            ? find_page_lost_before(files, *generation, earlier_->pages(), no_tick).answer
            : ask_once(files, locks(), no_tick).answer;
    return between.has_acted() ? std::optional(answer) : std::nullopt;
  }

  kit::TemporaryDirectory memory_{test::memory_directory()};
  std::string in_memory_ = path_ = memory_.file("source.db");
  RemoteSqlite owner_{path_};
  RemoteSqlite reader_{path_};
  std::unique_ptr<EarlierPages> earlier_;
};

TEST_P(WalResetBugBetween, TwoReads) {
  unsigned asked = 0;
  for (std::optional<Answer> answer; (answer = answer_beside(asked + 1));) {
    ++asked;
    ASSERT_NE(*answer, Answer::struck) << "before call " << asked;
  }
  EXPECT_GT(asked, 30U);
  ASSERT_NE(answer_beside(0).value(), Answer::struck) << "before each call";
}

std::vector<Between> all_between() {
  std::vector<Between> cases;
  for (const Action& action : actions()) {
    for (std::size_t scene = 0; scene < kSceneNames.size(); ++scene) {
      cases.push_back({action, static_cast<Scene>(scene)});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Any, WalResetBugBetween, testing::ValuesIn(all_between()),
                         [](const testing::TestParamInfo<Between>& one) {
                           return name_of(one.param);
                         });

}  // namespace
}  // namespace sqlbk
