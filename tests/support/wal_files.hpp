// WALs beside main files: made up frame by frame, or by SQLite, and what crashes make of them.
// Equal seeds make equal files. For tests. Failure: std::runtime_error.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "database.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk::test {

inline constexpr std::array<std::uint32_t, 8> kPageSizes{512,  1024,  2048,  4096,
                                                         8192, 16384, 32768, 65536};
inline constexpr std::size_t kWalHeader = 32;
inline constexpr std::size_t kFrameHeader = 24;

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

inline std::uint32_t get32(const Buffer& bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8U | std::to_integer<std::uint32_t>(bytes.at(offset + i));
  }
  return value;
}

inline void put32(Buffer& bytes, std::size_t offset, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes.at(offset + i) = static_cast<std::byte>(value >> (24 - 8 * i) & 0xffU);
  }
}

inline void append(Buffer& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

inline std::uint32_t page_size_in(const Buffer& main) {
  const std::uint32_t stored = get32(main, 16) >> 16U;
  return stored == 1 ? 65536 : stored;
}

// Makes "the header's size counts" true or false without touching anything else.
inline void set_header_size(Buffer& page_one, std::uint32_t pages, bool valid) {
  put32(page_one, 28, pages);
  put32(page_one, 92, valid ? get32(page_one, 24) : get32(page_one, 24) + 1);
}

struct Files {
  Buffer main;
  Buffer wal;
  std::string label;
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
inline Buffer empty_schema_page(const kit::TemporaryDirectory& directory, std::uint32_t page_size) {
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

inline Files synthetic_files(Random& random, const Buffer& page_one, std::uint32_t number) {
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

inline std::string random_statement(Random& random) {
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

inline Files real_files(Random& random, const kit::TemporaryDirectory& directory,
                        std::uint32_t page_size, std::uint32_t number) {
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
inline Buffer in_other_byte_order(const Buffer& wal) {
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

inline std::size_t frame_size_of(const Buffer& wal) {
  return kFrameHeader + get32(wal, 8);
}
inline std::uint32_t slots_of(const Buffer& wal) {
  return static_cast<std::uint32_t>((wal.size() - kWalHeader) / frame_size_of(wal));
}

inline const std::vector<NamedMutation>& mutations() {
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

}  // namespace sqlbk::test
