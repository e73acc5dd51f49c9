// The wal-index header: what walIndexTryHdr() of SQLite's wal.c takes, and no more.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "invariant.hpp"
#include "sqlbk/format/wal_index.hpp"

using namespace sqlbk::format;

namespace {

std::uint32_t native(const std::uint8_t* p) {
  std::uint32_t value = 0;
  std::memcpy(&value, p, 4);
  return value;
}

void sum(const std::uint8_t* p, std::uint32_t result[2]) {
  result[0] = result[1] = 0;
  for (int i = 0; i < 40; i += 8) {
    result[0] += native(p + i) + result[1];
    result[1] += native(p + i + 4) + result[0];
  }
}

bool sqlite_takes(const std::uint8_t* shm) {
  std::uint32_t checksum[2];
  sum(shm, checksum);
  return std::memcmp(shm, shm + 48, 48) == 0 && shm[12] != 0 && checksum[0] == native(shm + 40) &&
         checksum[1] == native(shm + 44) && native(shm) == 3007000;
}

void check(std::span<const std::uint8_t> data) {
  const ParsedWalIndexHeader parsed = parse_wal_index_header(std::as_bytes(data));
  SQLBK_INVARIANT((parsed.issue == WalIndexIssue::too_short) == (data.size() < 136));
  SQLBK_INVARIANT(to_string(parsed.issue) != "unknown");
  if (data.size() < 136) return;
  const bool has_wrong_page_size = parsed.issue == WalIndexIssue::bad_page_size;
  SQLBK_INVARIANT((static_cast<bool>(parsed) || has_wrong_page_size) == sqlite_takes(data.data()));
  if (!parsed) return;
  SQLBK_INVARIANT(is_valid_page_size(parsed->page_size_bytes) ||
                  (parsed->page_size_bytes == 0 && parsed->mx_frame == 0));
  SQLBK_INVARIANT(parsed->mx_frame == native(&data[16]));
  SQLBK_INVARIANT(parsed->backfilled_frames == native(&data[96]));
  SQLBK_INVARIANT(parsed->read_marks[4] == native(&data[116]));
  SQLBK_INVARIANT(parsed->backfill_attempted_frames == native(&data[128]));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check(std::span(data, size));
  if (size < 136) return 0;
  // The same with two equal copies under a right checksum.
  std::array<std::uint8_t, 136> likely{};
  std::copy_n(data, likely.size(), likely.begin());
  const auto seal = [&likely] {
    std::uint32_t checksum[2];
    sum(likely.data(), checksum);
    std::memcpy(&likely[40], checksum, 8);
    std::memcpy(&likely[48], likely.data(), 48);
  };
  seal();
  check(likely);
  const std::uint32_t version = 3007000;
  std::memcpy(likely.data(), &version, 4);
  seal();
  check(likely);
  return 0;
}
