// The oracle: what scan_wal() and fold_wal() make of a WAL, however it was torn, is byte for byte
// what SQLite's own recovery and checkpoint make of the same files.
#include "sqlbk/core/fold.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "cksumvfs.hpp"
#include "database.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/zero_salt.hpp"
#include "slow_cksumvfs.hpp"
#include "sqlbk/core/host_thread.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "sqlbk/format/db_header.hpp"
#include "sqlbk/format/wal_index.hpp"
#include "test_context.hpp"

namespace sqlbk {
namespace {

using test::Buffer;
using test::code_of;
using test::Database;
using test::read_file;
using test::TestContext;
using test::write_file;

constexpr std::array<std::uint32_t, 8> kPageSizes{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
constexpr std::size_t kWalHeader = 32;
constexpr std::size_t kFrameHeader = 24;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  // The remainder's bias does not matter here, and it is the same on every standard library.
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(engine_() % bound); }
  std::uint32_t between(std::uint32_t low, std::uint32_t high) {
    return low + below(high - low + 1);
  }
  bool chance(std::uint32_t percent) { return below(100) < percent; }
  std::uint32_t word() { return static_cast<std::uint32_t>(engine_()); }
  void fill(std::span<std::byte> bytes) {
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
      const std::uint64_t value = engine_();
      std::memcpy(bytes.data() + at, &value, 8);
    }
    for (; at < bytes.size(); ++at) bytes[at] = static_cast<std::byte>(engine_() & 0xffU);
  }

 private:
  std::mt19937_64 engine_;
};

std::uint32_t get32(const Buffer& bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8U | std::to_integer<std::uint32_t>(bytes.at(offset + i));
  }
  return value;
}

void put32(Buffer& bytes, std::size_t offset, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes.at(offset + i) = static_cast<std::byte>(value >> (24 - 8 * i) & 0xffU);
  }
}

void append(Buffer& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

std::uint32_t page_size_in(const Buffer& main) {
  const std::uint32_t stored = get32(main, 16) >> 16U;
  return stored == 1 ? 65536 : stored;
}

// Makes "the header's size counts" true or false without touching anything else.
void set_header_size(Buffer& page_one, std::uint32_t pages, bool valid) {
  put32(page_one, 28, pages);
  put32(page_one, 92, valid ? get32(page_one, 24) : get32(page_one, 24) + 1);
}

struct Files {
  Buffer main;
  Buffer wal;
  std::string label;
};

struct Outcome {
  int sqlite_code = SQLITE_OK;
  std::uint64_t frames = 0;  // K, by SQLite's count
  Buffer main;
};

class Oracle {
 public:
  // SQLite recovers the WAL and checkpoints it as a whole.
  Outcome by_sqlite(const Files& files) {
    const std::string path = directory_.file("theirs.db");
    write_file(path, files.main);
    write_file(path + "-wal", files.wal);
    Outcome outcome;
    {
      Database database(path);
      database.leave_wal();
      outcome.sqlite_code = database.try_run("PRAGMA synchronous=OFF; PRAGMA schema_version");
      // A first one counts the frames: afterwards TRUNCATE says that there are none.
      for (const int mode : {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_TRUNCATE}) {
        if (outcome.sqlite_code != SQLITE_OK) break;
        int frames = 0;
        outcome.sqlite_code =
            sqlite3_wal_checkpoint_v2(database.handle(), nullptr, mode, &frames, nullptr);
        if (mode == SQLITE_CHECKPOINT_PASSIVE && frames > 0) {
          outcome.frames = static_cast<std::uint64_t>(frames);
        }
      }
    }
    outcome.main = read_file(path);
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
    return outcome;
  }

  struct Ours {
    WalScan scan;
    std::optional<Errc> error;
    Buffer main;
  };
  Ours by_sqlbk(const Files& files) {
    const std::string path = directory_.file("ours.db");
    const std::string wal_path = directory_.file("ours.wal");
    write_file(path, files.main);
    write_file(wal_path, files.wal);
    Ours ours;
    {
      const UniqueFd main = open_at(AT_FDCWD, path, O_RDWR, 0, path);
      const UniqueFd wal = open_at(AT_FDCWD, wal_path, O_RDONLY, 0, wal_path);
      ours.scan = scan_wal(wal.get(), wal_path, context_.context);
      ours.error = code_of([&] {
        fold_wal(wal.get(), wal_path, ours.scan.committed, main.get(), path, context_.context);
      });
    }
    ours.main = read_file(path);
    return ours;
  }

  // What the cases so far have had in them, so that a test can say that none was missing.
  struct Seen {
    int cases = 0;
    int folded = 0;
    int nothing_committed = 0;
    int grown = 0;
    int shrunk = 0;
    int skipped_frames = 0;
    int repeated_pages = 0;
    int frames_behind_commit = 0;
    int slots_behind_valid = 0;
    int big_endian = 0;
    int little_endian = 0;
    int refused = 0;
  };
  const Seen& seen() const { return seen_; }

  void compare(const Files& files) {
    SCOPED_TRACE(files.label);
    const Outcome theirs = by_sqlite(files);
    const Ours ours = by_sqlbk(files);
    ++seen_.cases;
    if (ours.scan.header.issue == format::WalHeaderIssue::bad_version) {
      ++seen_.refused;
      EXPECT_EQ(theirs.sqlite_code, SQLITE_CANTOPEN);
      return;
    }
    if (theirs.sqlite_code != SQLITE_OK) {
      ++seen_.refused;
      EXPECT_EQ(theirs.sqlite_code, SQLITE_CORRUPT);
      EXPECT_EQ(ours.error, Errc::damaged);
      return;
    }
    EXPECT_EQ(ours.error, std::nullopt);
    EXPECT_EQ(ours.scan.committed.frames, theirs.frames);
    const Buffer expected = theirs.frames == 0 ? cut_by_hand(theirs.main) : theirs.main;
    EXPECT_EQ(ours.main.size(), expected.size());
    EXPECT_TRUE(ours.main == expected)
        << "first difference at byte " << difference(ours.main, expected);
    count(files, ours.scan);
  }

 private:
  // Nothing committed: SQLite leaves main as it is and ignores what lies behind its end.
  static Buffer cut_by_hand(Buffer main) {
    if (main.empty()) return main;
    const std::size_t page_size = page_size_in(main);
    const bool valid = get32(main, 28) != 0 && get32(main, 24) == get32(main, 92);
    main.resize(valid ? get32(main, 28) * page_size : main.size() / page_size * page_size);
    return main;
  }

  static std::size_t difference(const Buffer& a, const Buffer& b) {
    return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  }

  void count(const Files& files, const WalScan& scan) {
    if (!scan.header || scan.committed.frames == 0) {
      ++seen_.nothing_committed;
      return;
    }
    ++seen_.folded;
    const std::size_t page_size = scan.header->page_size_bytes;
    const std::uint64_t size = std::uint64_t{scan.committed.size_pages} * page_size;
    if (size > files.main.size()) ++seen_.grown;
    if (size < files.main.size()) ++seen_.shrunk;
    std::vector<std::uint32_t> pages;
    for (std::uint64_t i = 0; i < scan.committed.frames; ++i) {
      pages.push_back(get32(files.wal, kWalHeader + i * (kFrameHeader + page_size)));
    }
    std::ranges::sort(pages);
    if (std::ranges::adjacent_find(pages) != pages.end()) ++seen_.repeated_pages;
    if (pages.back() > scan.committed.size_pages) ++seen_.skipped_frames;
    if (scan.valid_frames > scan.committed.frames) ++seen_.frames_behind_commit;
    const std::uint64_t slots = (files.wal.size() - kWalHeader) / (kFrameHeader + page_size);
    if (slots > scan.valid_frames) ++seen_.slots_behind_valid;
    ++(scan.header->big_endian_checksum ? seen_.big_endian : seen_.little_endian);
  }

  kit::TemporaryDirectory directory_{test::memory_directory()};
  TestContext context_;
  Seen seen_;
};

// ---- Synthetic files: everything that the format allows, sense or not.

// A WAL that continues its own checksum chain, in either byte order.
class WalBuilder {
 public:
  WalBuilder(std::uint32_t page_size, bool big_endian, format::WalSalt salt) {
    header_.big_endian_checksum = big_endian;
    header_.page_size_bytes = page_size;
    header_.checkpoint_sequence = salt.salt1 & 0xffU;
    header_.salt = salt;
    const auto bytes = format::encode_wal_header(header_);
    append(bytes_, bytes);
    chain_ = {get32(bytes_, 24), get32(bytes_, 28)};
  }
  void add(std::uint32_t page_number, std::uint32_t commit_size, const Buffer& page) {
    const std::size_t at = bytes_.size();
    append(bytes_,
           format::encode_wal_frame_header(header_, chain_, page_number, commit_size, page));
    append(bytes_, page);
    chain_ = {get32(bytes_, at + 16), get32(bytes_, at + 20)};
  }
  const Buffer& bytes() const noexcept { return bytes_; }

 private:
  format::WalHeader header_;
  format::WalChecksum chain_;
  Buffer bytes_;
};

// Page 1 of an empty schema, as SQLite makes it: all that it has to understand in a checkpoint.
Buffer empty_schema_page(const kit::TemporaryDirectory& directory, std::uint32_t page_size) {
  const std::string path = directory.file("empty.db");
  {
    Database database(path);
    database.run("PRAGMA page_size=" + std::to_string(page_size) + "; PRAGMA synchronous=OFF");
    database.run("PRAGMA user_version=1");
  }
  Buffer page = read_file(path);
  std::filesystem::remove(path);
  page.resize(page_size);
  return page;
}

Files synthetic_files(Random& random, const Buffer& page_one, std::uint32_t number) {
  const std::uint32_t page_size = page_size_in(page_one);
  Files files;
  files.label = "synthetic " + std::to_string(number) + ", page size " + std::to_string(page_size);
  const std::uint32_t pages = random.between(1, 9);
  files.main = page_one;
  files.main.resize(std::size_t{pages} * page_size);
  random.fill(std::span(files.main).subspan(page_size));
  if (random.chance(15)) files.main.resize(files.main.size() + random.below(page_size));
  // SQLite refuses a commit that is smaller than a size in the header that counts.
  set_header_size(files.main, random.chance(50) ? 1 : random.between(1, pages), random.chance(50));
  if (random.chance(50)) files.main[18] = files.main[19] = std::byte{2};

  WalBuilder wal(page_size, random.chance(50), {random.word(), random.word()});
  const std::uint32_t frames = random.below(page_size > 8192 ? 9 : 21);
  const std::uint32_t commit_percent = random.chance(15) ? 0 : 35;
  Buffer page(page_size);
  for (std::uint32_t i = 0; i < frames; ++i) {
    const std::uint32_t page_number = random.between(1, pages + 4);
    if (page_number == 1) {
      page = page_one;
      put32(page, 60, random.word());  // user_version
      set_header_size(page, 1, random.chance(50));
    } else {
      random.fill(page);
    }
    wal.add(page_number, random.chance(commit_percent) ? random.between(1, pages + 4) : 0, page);
  }
  files.wal = wal.bytes();
  return files;
}

// ---- Files that SQLite made.

std::string random_statement(Random& random) {
  const std::string table = random.chance(50) ? "a" : "b";
  switch (random.below(10)) {
    case 0:
      return "VACUUM";
    case 1:
      return "DELETE FROM " + table + " WHERE id % " + std::to_string(random.between(2, 4)) +
             " = 0";
    case 2:
      return "DELETE FROM " + table;
    case 3:
      return "PRAGMA incremental_vacuum(" + std::to_string(random.between(1, 9)) + ")";
    case 4:
      return "UPDATE " + table + " SET data = randomblob(" + std::to_string(random.below(3000)) +
             ")";
    case 5:  // frames behind the last commit: a transaction that spilled and was rolled back
      return "BEGIN; INSERT INTO " + table +
             "(data) WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 40) "
             "SELECT randomblob(1000) FROM n; ROLLBACK";
    case 6:
      return "BEGIN; UPDATE a SET data = zeroblob(9); SAVEPOINT s; DELETE FROM b; "
             "INSERT INTO b(data) VALUES (randomblob(5000)); ROLLBACK TO s; RELEASE s; COMMIT";
    case 7:
      return "PRAGMA wal_checkpoint(" + std::string(random.chance(50) ? "PASSIVE" : "RESTART") +
             ")";
    default:
      return "INSERT INTO " + table +
             "(data) WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < " +
             std::to_string(random.between(1, 30)) + ") SELECT randomblob(" +
             std::to_string(random.below(2000)) + ") FROM n";
  }
}

Files real_files(Random& random, const kit::TemporaryDirectory& directory, std::uint32_t page_size,
                 std::uint32_t number) {
  const std::string path = directory.file("real.db");
  // The same blobs and salts in every run.
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, static_cast<int>(number + 1), nullptr);
  {
    Database database(path);
    database.leave_wal();
    database.run("PRAGMA page_size=" + std::to_string(page_size) + "; PRAGMA auto_vacuum=" +
                 std::to_string(random.below(3)) + "; PRAGMA journal_mode=WAL");
    database.run("PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=5");
    database.run(
        "CREATE TABLE a(id INTEGER PRIMARY KEY, data); CREATE TABLE b(id INTEGER PRIMARY "
        "KEY, data); CREATE INDEX i ON b(data)");
    if (random.chance(60)) {
      database.run(
          "INSERT INTO a(data) WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 80) "
          "SELECT randomblob(1500) FROM n; PRAGMA wal_checkpoint");
    }
    const std::uint32_t statements = random.between(3, 14);
    for (std::uint32_t i = 0; i < statements; ++i) database.run(random_statement(random));
  }
  Files files{read_file(path), read_file(path + "-wal"),
              "real " + std::to_string(number) + ", page size " + std::to_string(page_size)};
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 0, nullptr);
  return files;
}

// The same frames in the other byte order of the sums; what does not belong to the chain is left.
Buffer in_other_byte_order(const Buffer& wal) {
  const format::ParsedWalHeader header = format::parse_wal_header(wal);
  const std::size_t page_size = header->page_size_bytes;
  const std::size_t frame_size = kFrameHeader + page_size;
  WalBuilder builder(header->page_size_bytes, !header->big_endian_checksum, header->salt);
  format::WalScanner scanner(*header);
  std::size_t at = kWalHeader;
  for (; at + frame_size <= wal.size(); at += frame_size) {
    if (!scanner.accept(format::Bytes(wal).subspan(at, frame_size))) break;
    builder.add(get32(wal, at), get32(wal, at + 4),
                Buffer(wal.begin() + static_cast<std::ptrdiff_t>(at + kFrameHeader),
                       wal.begin() + static_cast<std::ptrdiff_t>(at + frame_size)));
  }
  Buffer other = builder.bytes();
  append(other, format::Bytes(wal).subspan(at));
  return other;
}

// ---- What crashes and resets make of a WAL.

using Mutation = std::function<void(Random&, Buffer&)>;

struct NamedMutation {
  const char* name;
  Mutation apply;
};

std::size_t frame_size_of(const Buffer& wal) {
  return kFrameHeader + get32(wal, 8);
}
std::uint32_t slots_of(const Buffer& wal) {
  return static_cast<std::uint32_t>((wal.size() - kWalHeader) / frame_size_of(wal));
}

const std::vector<NamedMutation>& mutations() {
  static const std::vector<NamedMutation> list{
      {"whole", [](Random&, Buffer&) {}},
      {"cut",
       [](Random& random, Buffer& wal) {
         wal.resize(random.below(static_cast<std::uint32_t>(wal.size() + 1)));
       }},
      {"cut in the last frame's header",
       [](Random& random, Buffer& wal) {
         if (slots_of(wal) == 0) return;
         wal.resize(kWalHeader + (slots_of(wal) - 1) * frame_size_of(wal) +
                    random.below(kFrameHeader));
       }},
      {"one bit flipped",
       [](Random& random, Buffer& wal) {
         wal[random.below(static_cast<std::uint32_t>(wal.size()))] ^=
             static_cast<std::byte>(1U << random.below(8));
       }},
      {"one bit of the last frames flipped",
       [](Random& random, Buffer& wal) {
         const auto span =
             static_cast<std::uint32_t>(std::min(wal.size() - kWalHeader, 2 * frame_size_of(wal)));
         if (span == 0) return;
         wal[wal.size() - 1 - random.below(span)] ^= static_cast<std::byte>(1U << random.below(8));
       }},
      {"one frame of another generation",
       [](Random& random, Buffer& wal) {
         if (slots_of(wal) == 0) return;
         const std::size_t at = kWalHeader + random.below(slots_of(wal)) * frame_size_of(wal) + 8;
         put32(wal, at, get32(wal, at) - 1);
       }},
      {"one frame of page 0",
       [](Random& random, Buffer& wal) {
         if (slots_of(wal) == 0) return;
         put32(wal, kWalHeader + random.below(slots_of(wal)) * frame_size_of(wal), 0);
       }},
      {"garbage behind",
       [](Random& random, Buffer& wal) {
         const std::size_t size = wal.size();
         wal.resize(size + random.between(1, 3000));
         random.fill(std::span(wal).subspan(size));
       }},
      {"zeros behind",
       [](Random& random, Buffer& wal) { wal.resize(wal.size() + random.between(1, 3000)); }},
      {"over an older generation",
       [](Random& random, Buffer& wal) {
         if (slots_of(wal) < 2) return;
         // The first frames again under new salts, and behind them what the file had.
         const std::size_t frame_size = frame_size_of(wal);
         WalBuilder builder(get32(wal, 8), (get32(wal, 0) & 1U) != 0,
                            {get32(wal, 16) + 1, random.word()});
         const std::uint32_t kept = random.between(1, slots_of(wal) - 1);
         for (std::uint32_t i = 0; i < kept; ++i) {
           const std::size_t at = kWalHeader + i * frame_size;
           builder.add(std::max(1U, get32(wal, at)), get32(wal, at + 4),
                       Buffer(wal.begin() + static_cast<std::ptrdiff_t>(at + kFrameHeader),
                              wal.begin() + static_cast<std::ptrdiff_t>(at + frame_size)));
         }
         std::ranges::copy(builder.bytes(), wal.begin());
       }},
      {"header alone", [](Random&, Buffer& wal) { wal.resize(kWalHeader); }},
      {"empty", [](Random&, Buffer& wal) { wal.clear(); }},
      {"garbage", [](Random& random, Buffer& wal) { random.fill(wal); }},
  };
  return list;
}

void expect_nothing_was_missing(const Oracle::Seen& seen) {
  EXPECT_GE(seen.folded, 100);
  EXPECT_GE(seen.nothing_committed, 30);
  EXPECT_GE(seen.grown, 20);
  EXPECT_GE(seen.shrunk, 20);
  EXPECT_GE(seen.repeated_pages, 50);
  EXPECT_GE(seen.frames_behind_commit, 20);
  EXPECT_GE(seen.slots_behind_valid, 20);
  EXPECT_GE(seen.big_endian, 40);
  EXPECT_GE(seen.little_endian, 40);
}

TEST(FoldOracle, SyntheticWalsComeOutAsBySqlite) {
  Random random(20240501);
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  std::vector<Buffer> first_pages;
  for (const std::uint32_t page_size : kPageSizes) {
    first_pages.push_back(empty_schema_page(directory, page_size));
  }
  constexpr std::uint32_t kCases = 800;
  for (std::uint32_t i = 0; i < kCases && !testing::Test::HasFailure(); ++i) {
    Files files = synthetic_files(random, first_pages[i % first_pages.size()], i);
    // Half of them whole: a mutation more often than not takes away what is of interest.
    const NamedMutation& mutation =
        mutations()[random.chance(50)
                        ? 0
                        : random.below(static_cast<std::uint32_t>(mutations().size()))];
    files.label += std::string(", ") + mutation.name;
    mutation.apply(random, files.wal);
    oracle.compare(files);
  }
  EXPECT_EQ(oracle.seen().cases, kCases);
  EXPECT_GE(oracle.seen().skipped_frames, 50);
  EXPECT_GE(oracle.seen().refused, 10);
  expect_nothing_was_missing(oracle.seen());
}

TEST(FoldOracle, RealWalsComeOutAsBySqlite) {
  Random random(19700101);
  Oracle oracle;
  const kit::TemporaryDirectory directory(test::memory_directory());
  constexpr std::uint32_t kDatabases = 40;
  for (std::uint32_t i = 0; i < kDatabases; ++i) {
    const Files made = real_files(random, directory, kPageSizes[i % kPageSizes.size()], i);
    for (std::size_t m = 0; m < mutations().size() && !testing::Test::HasFailure(); ++m) {
      Files files = made;
      // SQLite writes sums in the machine's own byte order only, and reads both.
      if (random.chance(50)) files.wal = in_other_byte_order(files.wal);
      files.label += std::string(", ") + mutations()[m].name;
      mutations()[m].apply(random, files.wal);
      oracle.compare(files);
    }
  }
  EXPECT_EQ(oracle.seen().cases, kDatabases * mutations().size());
  expect_nothing_was_missing(oracle.seen());
}

TEST(FoldOracle, AnEmptyMainHasNoWal) {
  Random random(3);
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  Files files = synthetic_files(random, empty_schema_page(directory, 1024), 0);
  while (oracle.by_sqlite(files).frames == 0) {
    files = synthetic_files(random, empty_schema_page(directory, 1024), 0);
  }
  files.main.clear();
  files.label = "empty main";
  EXPECT_EQ(oracle.by_sqlite(files).frames, 0U);
  EXPECT_GT(oracle.by_sqlbk(files).scan.committed.frames, 0U);
  EXPECT_TRUE(oracle.by_sqlbk(files).main.empty());
}

// The largest database that SQLite believes one frame to make of one page, and one page more.
TEST(FoldOracle, ACommitMayOnlyGrowTheFileAsFarAsItsFramesGo) {
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  for (const std::uint32_t page_size : kPageSizes) {
    const std::uint32_t most = 2 + 65536 / page_size;
    for (const std::uint32_t pages : {most, most + 1, 0xfffffffeU}) {
      Files files;
      files.label = std::to_string(pages) + " pages of " + std::to_string(page_size);
      files.main = empty_schema_page(directory, page_size);
      WalBuilder wal(page_size, false, {1, 2});
      wal.add(2, pages, Buffer(page_size, std::byte{7}));
      files.wal = wal.bytes();
      oracle.compare(files);
    }
  }
  EXPECT_EQ(oracle.seen().folded, 8);
  EXPECT_EQ(oracle.seen().refused, 16);
}

TEST(FoldOracle, AHeaderThatSaysMoreThanTheCommitIsRefused) {
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  for (const std::uint32_t pages : {4U, 5U, 6U}) {
    Files files;
    files.label = std::to_string(pages) + " pages in the header";
    files.main = empty_schema_page(directory, 512);
    set_header_size(files.main, pages, true);
    files.main.resize(6 * 512);
    WalBuilder wal(512, false, {1, 2});
    wal.add(2, 5, Buffer(512, std::byte{7}));
    files.wal = wal.bytes();
    oracle.compare(files);
  }
  EXPECT_EQ(oracle.seen().folded, 2);
  EXPECT_EQ(oracle.seen().refused, 1);
}

TEST(FoldOracle, AnotherFormatVersionIsRefused) {
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  Files files;
  files.label = "version";
  files.main = empty_schema_page(directory, 512);
  WalBuilder wal(512, true, {1, 2});
  wal.add(1, 1, files.main);
  files.wal = wal.bytes();
  put32(files.wal, 4, 3007001);
  const format::WalChecksum sum =
      format::wal_checksum({}, format::Bytes(files.wal).first(24), true);
  put32(files.wal, 24, sum.s0);
  put32(files.wal, 28, sum.s1);
  oracle.compare(files);
  EXPECT_EQ(oracle.seen().refused, 1);
  EXPECT_EQ(oracle.by_sqlbk(files).scan.committed.frames, 0U);
}

// ---- A directory with a main file and a WAL, and descriptors of both.

class FoldTest : public testing::Test {
 protected:
  std::string main_path() const { return directory_.file("copy.db"); }
  std::string wal_path() const { return directory_.file("copy.db-wal"); }

  UniqueFd main_with(const Buffer& bytes) const {
    write_file(main_path(), bytes);
    return open_at(AT_FDCWD, main_path(), O_RDWR, 0, main_path());
  }
  UniqueFd wal_with(const Buffer& bytes) const {
    write_file(wal_path(), bytes);
    return open_at(AT_FDCWD, wal_path(), O_RDONLY, 0, wal_path());
  }
  WalScan scan(const Buffer& wal) {
    const UniqueFd fd = wal_with(wal);
    return scan_wal(fd.get(), wal_path(), context_.context);
  }

  kit::TemporaryDirectory directory_;
  TestContext context_;
};

TEST_F(FoldTest, ScanTellsValidFramesFromCommittedOnes) {
  WalBuilder wal(512, true, {7, 8});
  const Buffer page(512, std::byte{1});
  wal.add(1, 0, page);
  wal.add(2, 5, page);
  wal.add(3, 0, page);
  const WalScan found = scan(wal.bytes());
  ASSERT_TRUE(found.header);
  EXPECT_TRUE(found.header->big_endian_checksum);
  EXPECT_EQ(found.header->salt, (format::WalSalt{7, 8}));
  EXPECT_EQ(found.committed.frames, 2U);
  EXPECT_EQ(found.committed.size_pages, 5U);
  EXPECT_EQ(found.committed.header.page_size_bytes, 512U);
  EXPECT_FALSE(found.committed.vouched_by_index);
  EXPECT_EQ(found.valid_frames, 3U);
  EXPECT_FALSE(found.zero_salts_follow);
}

TEST_F(FoldTest, ScanReadsWalsLongerThanItsBuffer) {
  WalBuilder wal(65536, false, {7, 8});
  Buffer page(65536);
  Random random(1);
  for (std::uint32_t i = 1; i <= 70; ++i) {
    random.fill(page);
    wal.add(i, i, page);
  }
  EXPECT_EQ(scan(wal.bytes()).committed.frames, 70U);
  context_.cancel.request();
  EXPECT_EQ(code_of([&] { scan(wal.bytes()); }), Errc::interrupted);
}

TEST_F(FoldTest, FoldCountsWhatItHasDoneAndCanBeInterrupted) {
  constexpr std::uint32_t kFrames = 70;
  const Buffer page_one = empty_schema_page(directory_, 65536);
  WalBuilder wal(65536, false, {7, 8});
  for (std::uint32_t i = 1; i <= kFrames; ++i) wal.add(2, 2, page_one);
  const UniqueFd main = main_with(page_one);
  const UniqueFd fd = wal_with(wal.bytes());
  const WalScan found = scan_wal(fd.get(), wal_path(), context_.context);
  fold_wal(fd.get(), wal_path(), found.committed, main.get(), main_path(), context_.context);
  EXPECT_EQ(context_.progress.done_bytes.load(), kFrames * (65536U + kFrameHeader));
  context_.cancel.request();
  EXPECT_EQ(code_of([&] {
              fold_wal(fd.get(), wal_path(), found.committed, main.get(), main_path(),
                       context_.context);
            }),
            Errc::interrupted);
}

TEST_F(FoldTest, AWalThatEndsBeforeItsPrefixIsAnError) {
  const Buffer page_one = empty_schema_page(directory_, 512);
  WalBuilder wal(512, false, {7, 8});
  wal.add(1, 0, page_one);
  wal.add(1, 1, page_one);
  const WalScan found = scan(wal.bytes());
  Buffer shorter = wal.bytes();
  shorter.pop_back();
  const UniqueFd main = main_with(page_one);
  const UniqueFd fd = wal_with(shorter);
  EXPECT_EQ(code_of([&] {
              fold_wal(fd.get(), wal_path(), found.committed, main.get(), main_path(),
                       context_.context);
            }),
            Errc::io_error);
}

// ---- Zero salts behind the valid prefix.

TEST_F(FoldTest, ZeroSaltsBehindTheValidPrefixAreSeen) {
  const Buffer page(512, std::byte{1});
  const auto with_tail = [&](const Buffer& tail, int frames = 2) {
    WalBuilder wal(512, false, {7, 8});
    for (int i = 0; i < frames; ++i) wal.add(1, i == 0 ? 1 : 0, page);
    Buffer bytes = wal.bytes();
    append(bytes, tail);
    return scan(bytes);
  };
  Buffer zero_salt_frame(kFrameHeader + 512, std::byte{9});
  std::fill_n(zero_salt_frame.begin() + 8, 16, std::byte{0});

  EXPECT_TRUE(with_tail(zero_salt_frame).zero_salts_follow);
  EXPECT_TRUE(with_tail(zero_salt_frame, 0).zero_salts_follow) << "first frame of the generation";
  EXPECT_EQ(with_tail(zero_salt_frame).valid_frames, 2U) << "not part of the valid prefix";
  EXPECT_EQ(with_tail(zero_salt_frame).committed.frames, 1U);

  // Cut anywhere: nothing of the salts, a part of them, all of them, a part of the page.
  for (const std::size_t size : {0U, 1U, 7U, 8U}) {
    Buffer part = zero_salt_frame;
    part.resize(size);
    EXPECT_FALSE(with_tail(part).zero_salts_follow) << size;
  }
  for (const std::size_t size : {9U, 12U, 15U, 16U, 17U, 23U, 24U, 25U, 535U}) {
    Buffer part = zero_salt_frame;
    part.resize(size);
    EXPECT_TRUE(with_tail(part).zero_salts_follow) << size;
  }
  // One byte of the salts that is there and not zero clears it, wherever it stands.
  for (std::size_t at = 8; at < 16; ++at) {
    for (const std::size_t size : {at + 1, std::size_t{24}, zero_salt_frame.size()}) {
      Buffer other = zero_salt_frame;
      other[at] = std::byte{1};
      other.resize(size);
      EXPECT_FALSE(with_tail(other).zero_salts_follow) << at << ", " << size;
    }
  }
  // What stands in the rest of the header says nothing.
  Buffer all_zero(kFrameHeader + 512);
  EXPECT_TRUE(with_tail(all_zero).zero_salts_follow);
  // Only the slot behind the valid prefix counts, not one further behind.
  Buffer broken(kFrameHeader + 512, std::byte{9});
  append(broken, zero_salt_frame);
  EXPECT_FALSE(with_tail(broken).zero_salts_follow);
}

TEST_F(FoldTest, WithoutAValidHeaderNothingIsSaidAboutSalts) {
  EXPECT_FALSE(scan(Buffer(1000)).zero_salts_follow);
  EXPECT_FALSE(scan(Buffer(1000)).header);
  EXPECT_FALSE(scan({}).zero_salts_follow);
}

// ---- A prefix that only the wal-index vouches for.

TEST_F(FoldTest, AVouchedPrefixMustEndInItsCommit) {
  const Buffer page(512, std::byte{1});
  WalBuilder wal(512, false, {7, 8});
  wal.add(1, 0, page);
  wal.add(2, 3, page);
  Buffer bytes = wal.bytes();
  std::fill_n(bytes.begin() + kWalHeader + 8, 16, std::byte{0});  // frame 1 lost its checksum
  const format::WalHeader header = *scan(bytes).header;
  ASSERT_EQ(scan(bytes).committed.frames, 0U);
  const auto vouch = [&](std::uint64_t frames, std::uint32_t size_pages) {
    const UniqueFd fd = wal_with(bytes);
    return prefix_vouched_by_index(fd.get(), wal_path(), header, frames, size_pages);
  };
  const WalPrefix good = vouch(2, 3);
  EXPECT_EQ(good.frames, 2U);
  EXPECT_EQ(good.size_pages, 3U);
  EXPECT_TRUE(good.vouched_by_index);
  EXPECT_EQ(good.header.salt, header.salt);

  EXPECT_EQ(code_of([&] { vouch(1, 3); }), Errc::frames_without_checksum) << "not a commit";
  EXPECT_EQ(code_of([&] { vouch(1, 0); }), Errc::frames_without_checksum) << "size 0 is none";
  EXPECT_EQ(code_of([&] { vouch(2, 4); }), Errc::frames_without_checksum) << "another size";
  EXPECT_EQ(code_of([&] { vouch(3, 3); }), Errc::frames_without_checksum) << "behind the end";
  bytes.pop_back();
  EXPECT_EQ(code_of([&] { vouch(2, 3); }), Errc::frames_without_checksum) << "page cut off";
}

// SQLite itself, with its wal-index, is the oracle: what it checkpoints from frames without
// checksums must come out of the vouched prefix.
TEST_F(FoldTest, FramesWithoutChecksumsFoldAsTheLiveConnectionCheckpointsThem) {
  if (!kit::sqlite_writes_zero_salts()) GTEST_SKIP() << "this SQLite does not have the bug";
  for (const kit::ZeroSaltVariant variant :
       {kit::ZeroSaltVariant::plain, kit::ZeroSaltVariant::spilled_before_savepoint,
        kit::ZeroSaltVariant::first_of_generation, kit::ZeroSaltVariant::failed_statement}) {
    SCOPED_TRACE(kit::to_string(variant));
    const std::string path = directory_.file(std::string(kit::to_string(variant)) + ".db");
    sqlite::Connection live(path, sqlite::OpenMode::create);
    kit::run_zero_salt_recipe(live, variant);
    Files before;
    Buffer index;
    Buffer after;
    // Closing a raw descriptor here would drop the connection's locks: see host_thread.hpp.
    run_isolated([&](HostThread* host) {
      ASSERT_NE(host, nullptr);
      before = {read_file(path), read_file(path + "-wal"), ""};
      index = read_file(path + "-shm");
      host->call([&] { live.execute("PRAGMA wal_checkpoint(TRUNCATE)"); });
      after = read_file(path);
    });
    const auto index_header = format::parse_wal_index_header(index);
    ASSERT_TRUE(index_header);
    const UniqueFd main = main_with(before.main);
    const UniqueFd wal = wal_with(before.wal);
    const WalScan found = scan_wal(wal.get(), wal_path(), context_.context);
    ASSERT_LT(found.committed.frames, index_header->mx_frame);
    EXPECT_TRUE(found.zero_salts_follow);
    const WalPrefix prefix = prefix_vouched_by_index(
        wal.get(), wal_path(), *found.header, index_header->mx_frame, index_header->size_pages);
    fold_wal(wal.get(), wal_path(), prefix, main.get(), main_path(), context_.context);
    EXPECT_TRUE(read_file(main_path()) == after);
    std::filesystem::remove(wal_path());  // by its checksums it would lose these frames again
    Database folded(main_path());
    EXPECT_EQ(folded.integer("SELECT sum(v) FROM a"), kit::zero_salt_live_sum(variant));
  }
}

// ---- The size of main.

class CutTest : public FoldTest {
 protected:
  static constexpr std::uint32_t kPageSize = 1024;

  // A main file of `bytes` whose header says `pages`.
  Buffer main_of(std::size_t bytes, std::uint32_t pages, bool valid) const {
    Buffer main = empty_schema_page(directory_, kPageSize);
    set_header_size(main, pages, valid);
    main.resize(bytes);
    return main;
  }
  std::size_t size_after_cut(const Buffer& before) const {
    const UniqueFd main = main_with(before);
    cut_to_header_size(main.get(), main_path());
    const Buffer after = read_file(main_path());
    EXPECT_TRUE(std::equal(after.begin(), after.end(), before.begin()));
    return after.size();
  }
};

TEST_F(CutTest, CutsToAValidHeaderSize) {
  EXPECT_EQ(size_after_cut(main_of(5 * kPageSize, 3, true)), 3 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(3 * kPageSize, 3, true)), 3 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(3 * kPageSize + 1, 3, true)), 3 * kPageSize);
}

TEST_F(CutTest, CutsToWholePagesWhereTheHeaderSizeDoesNotCount) {
  EXPECT_EQ(size_after_cut(main_of(5 * kPageSize, 3, false)), 5 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(5 * kPageSize + 1, 3, false)), 5 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(2 * kPageSize, 3, false)), 2 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(5 * kPageSize, 0, true)), 5 * kPageSize) << "0 pages is no size";
}

TEST_F(CutTest, AnEmptyFileStaysEmpty) {
  EXPECT_EQ(size_after_cut({}), 0U);
}

TEST_F(CutTest, ATruncatedMainIsDamaged) {
  for (const std::size_t size : {2 * kPageSize, 3 * kPageSize - 1}) {
    const UniqueFd main = main_with(main_of(size, 3, true));
    EXPECT_EQ(code_of([&] { cut_to_header_size(main.get(), main_path()); }), Errc::damaged);
    EXPECT_EQ(read_file(main_path()).size(), size) << "and it is left as it is";
  }
}

TEST_F(CutTest, WhatIsNoDatabaseIsDamaged) {
  Buffer wrong = main_of(kPageSize, 1, true);
  wrong[0] = std::byte{'s'};
  const UniqueFd main = main_with(wrong);
  EXPECT_EQ(code_of([&] { cut_to_header_size(main.get(), main_path()); }), Errc::damaged);
  const UniqueFd short_main = main_with(Buffer(99, std::byte{'S'}));
  EXPECT_EQ(code_of([&] { cut_to_header_size(short_main.get(), main_path()); }), Errc::damaged);
}

// ---- Bytes 18 and 19.

TEST_F(FoldTest, HeaderModeIsSetAndNothingElse) {
  for (const std::uint32_t page_size : {512U, 65536U}) {
    Buffer before = empty_schema_page(directory_, page_size);
    before.resize(3 * std::size_t{page_size}, std::byte{5});
    for (const bool wal : {true, false}) {
      const UniqueFd main = main_with(before);
      set_header_mode(main.get(), main_path(), wal);
      Buffer expected = before;
      expected[18] = expected[19] = wal ? std::byte{2} : std::byte{1};
      EXPECT_TRUE(read_file(main_path()) == expected);
      Database database(main_path());
      EXPECT_EQ(database.text("PRAGMA journal_mode"), wal ? "wal" : "delete");
    }
    // One of the two bytes alone is not enough.
    Buffer half = before;
    half[18] = std::byte{2};
    const UniqueFd main = main_with(half);
    set_header_mode(main.get(), main_path(), true);
    EXPECT_EQ(read_file(main_path())[19], std::byte{2});
  }
}

TEST_F(FoldTest, HeaderModeOfWhatIsNoDatabaseIsLeftAlone) {
  Buffer wrong = empty_schema_page(directory_, 512);
  wrong[21] = std::byte{0};
  for (const Buffer& bytes :
       {Buffer{}, Buffer(99, std::byte{3}), Buffer(512, std::byte{3}), wrong}) {
    const UniqueFd main = main_with(bytes);
    set_header_mode(main.get(), main_path(), true);
    EXPECT_TRUE(read_file(main_path()) == bytes) << bytes.size();
  }
}

// ---- Page checksums of cksumvfs.

class CksumvfsTest : public FoldTest, public testing::WithParamInterface<std::uint32_t> {
 protected:
  // A checkpointed main file with 8 reserved bytes a page, and a WAL with later transactions.
  Files made_by_sqlite() const {
    const std::string path = directory_.file("reserved.db");
    Files files;
    {
      Database database(path);
      database.leave_wal();
      database.run("PRAGMA page_size=" + std::to_string(GetParam()));
      int reserved = 8;
      EXPECT_EQ(
          sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved),
          SQLITE_OK);
      database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0");
      database.run("CREATE TABLE a(id INTEGER PRIMARY KEY, data)");
      for (int i = 0; i < 20; ++i) database.run("INSERT INTO a(data) VALUES (randomblob(900))");
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
      database.run("UPDATE a SET data = randomblob(800) WHERE id % 3 = 0");
      database.run("INSERT INTO a(data) VALUES (randomblob(70000))");
    }
    files = {read_file(path), read_file(path + "-wal"), ""};
    EXPECT_EQ(files.main[20], std::byte{8});
    return files;
  }
  Buffer folded(const Files& files) {
    const UniqueFd main = main_with(files.main);
    const UniqueFd wal = wal_with(files.wal);
    const WalScan found = scan_wal(wal.get(), wal_path(), context_.context);
    EXPECT_GT(found.committed.frames, 0U);
    fold_wal(wal.get(), wal_path(), found.committed, main.get(), main_path(), context_.context);
    return read_file(main_path());
  }
};

TEST_P(CksumvfsTest, FoldedPagesAreSealed) {
  Files files = made_by_sqlite();
  test::seal_slowly(files.main, GetParam());
  Buffer expected = Oracle().by_sqlite(files).main;
  test::seal_slowly(expected, GetParam());
  EXPECT_TRUE(folded(files) == expected);
}

TEST_P(CksumvfsTest, EightReservedBytesAloneAreNotChecksums) {
  const Files files = made_by_sqlite();
  EXPECT_TRUE(folded(files) == Oracle().by_sqlite(files).main);
}

// A page that was being checkpointed while it was copied is torn until the WAL lies over it.
TEST_P(CksumvfsTest, OneSoundPageAmongTornOnesIsEnough) {
  Files files = made_by_sqlite();
  test::seal_slowly(files.main, GetParam());
  const std::size_t pages = files.main.size() / GetParam();
  for (std::size_t page = 0; page < pages; ++page) {
    if (page != 1) files.main[page * GetParam() + GetParam() - 1] ^= std::byte{1};
  }
  const UniqueFd main = main_with(files.main);
  EXPECT_TRUE(CksumvfsPages(main.get(), main_path(), GetParam()).in_use());
}

TEST_P(CksumvfsTest, ZeroPagesProveNothing) {
  Buffer main = made_by_sqlite().main;
  std::fill(main.begin() + GetParam(), main.end(), std::byte{0});
  ASSERT_TRUE(std::ranges::equal(test::slow_cksumvfs(std::span(main).last(GetParam())),
                                 std::array<std::byte, 8>{}));
  const UniqueFd fd = main_with(main);
  EXPECT_FALSE(CksumvfsPages(fd.get(), main_path(), GetParam()).in_use());
}

TEST_P(CksumvfsTest, HeaderModeIsSealed) {
  Buffer main = made_by_sqlite().main;
  test::seal_slowly(main, GetParam());
  const UniqueFd fd = main_with(main);
  set_header_mode(fd.get(), main_path(), false);
  main[18] = main[19] = std::byte{1};
  test::seal_slowly(main, GetParam());
  EXPECT_TRUE(read_file(main_path()) == main);
}

TEST_P(CksumvfsTest, OtherReservedSizesAreNotChecksums) {
  for (const unsigned reserved : {0U, 7U, 9U}) {
    Buffer main = empty_schema_page(directory_, GetParam());
    main[20] = static_cast<std::byte>(reserved);
    test::seal_slowly(main, GetParam());
    const UniqueFd fd = main_with(main);
    EXPECT_FALSE(CksumvfsPages(fd.get(), main_path(), GetParam()).in_use()) << reserved;
  }
}

// Room for checksums that VACUUM has made, in the WAL still: nobody has computed them yet.
TEST_P(CksumvfsTest, RoomThatVacuumMadeIsSealed) {
  const std::string path = directory_.file("vacuumed.db");
  Files files;
  {
    Database database(path);
    database.leave_wal();
    database.run("PRAGMA page_size=" + std::to_string(GetParam()));
    database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0");
    database.run("CREATE TABLE a(id INTEGER PRIMARY KEY, data)");
    for (int i = 0; i < 20; ++i) database.run("INSERT INTO a(data) VALUES (randomblob(900))");
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    int reserved = 8;
    EXPECT_EQ(
        sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved),
        SQLITE_OK);
    database.run("VACUUM");
    database.run("UPDATE a SET data = randomblob(800) WHERE id % 3 = 0");
  }
  files = {read_file(path), read_file(path + "-wal"), ""};
  ASSERT_EQ(files.main[20], std::byte{0});
  Buffer expected = Oracle().by_sqlite(files).main;
  ASSERT_EQ(expected[20], std::byte{8});
  test::seal_slowly(expected, GetParam());
  EXPECT_TRUE(folded(files) == expected);
}

INSTANTIATE_TEST_SUITE_P(PageSizes, CksumvfsTest, testing::Values(512U, 4096U, 65536U));

}  // namespace
}  // namespace sqlbk
