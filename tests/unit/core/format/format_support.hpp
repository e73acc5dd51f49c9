// What the tests of the format readers share. Everything here is written from the file format
// documents and does not use the readers: a test compares two implementations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace format_test {

using Buffer = std::vector<std::byte>;
inline constexpr std::uint32_t kPageSizes[] = {512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};

inline void put_be32(std::span<std::byte> bytes, std::size_t offset, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[offset + i] = static_cast<std::byte>(value >> (24 - 8 * i));
  }
}

inline std::uint32_t get_be32(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8U | std::to_integer<std::uint32_t>(bytes[offset + i]);
  }
  return value;
}

using Sums = std::pair<std::uint32_t, std::uint32_t>;

// Section 4.2 of fileformat2.html, word by word and slowly: 64-bit numbers, remainder by division.
inline Sums slow_checksum(Sums seed, std::span<const std::byte> bytes, bool big_endian) {
  constexpr std::uint64_t kModulus = 0x100000000;
  std::uint64_t s0 = seed.first;
  std::uint64_t s1 = seed.second;
  const auto word = [&](std::size_t offset) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t place = big_endian ? 3 - i : i;
      std::uint64_t scale = 1;
      for (std::size_t step = 0; step < place; ++step) scale *= 256;
      value += std::to_integer<std::uint64_t>(bytes[offset + i]) * scale;
    }
    return value;
  };
  for (std::size_t offset = 0; offset < bytes.size(); offset += 8) {
    s0 = (s0 + word(offset) + s1) % kModulus;
    s1 = (s1 + word(offset + 4) + s0) % kModulus;
  }
  return {static_cast<std::uint32_t>(s0), static_cast<std::uint32_t>(s1)};
}

// The same bytes in every run.
inline Buffer random_bytes(std::size_t size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  Buffer bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(generator() & 0xffU);
  return bytes;
}

inline Buffer read_file(const std::filesystem::path& path) {
  Buffer bytes(std::filesystem::file_size(path));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return bytes;
}

inline void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

inline Buffer golden_file(const std::string& name) {
  const char* directory = std::getenv("SQLBK_TEST_DATA");
  if (directory == nullptr) throw std::runtime_error("SQLBK_TEST_DATA is not set");
  return read_file(std::filesystem::path(directory) / name);
}

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "sqlbk-format-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// SQLite's C interface as it is, so that the tests do not lean on sqlbk's own wrapper.
class Db {
 public:
  explicit Db(const std::filesystem::path& path) {
    const int rc = sqlite3_open_v2(path.c_str(), &handle_,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    if (rc != SQLITE_OK) {
      sqlite3_close(handle_);
      throw std::runtime_error("cannot open " + path.string());
    }
  }
  Db(const Db&) = delete;
  Db& operator=(const Db&) = delete;
  ~Db() { sqlite3_close(handle_); }

  sqlite3* handle() const { return handle_; }
  int try_run(const std::string& sql) {
    return sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  }
  void run(const std::string& sql) {
    ASSERT_EQ(try_run(sql), SQLITE_OK) << sql << ": " << sqlite3_errmsg(handle_);
  }
  std::int64_t integer(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK) << sql;
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW) << sql << ": " << sqlite3_errmsg(handle_);
    const std::int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
  }

 private:
  sqlite3* handle_ = nullptr;
};

}  // namespace format_test
