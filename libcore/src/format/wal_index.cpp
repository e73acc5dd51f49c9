#include "sqlbk/format/wal_index.hpp"

#include <bit>

namespace sqlbk::format {
namespace {
constexpr std::size_t kCopySizeBytes = 48;
constexpr std::size_t kSummedBytes = 40;
constexpr std::size_t kBackfillOffset = 96;
constexpr std::size_t kReadMarkOffset = 100;
constexpr std::size_t kBackfillAttemptedOffset = 128;
}  // namespace

std::string_view to_string(WalIndexIssue issue) noexcept {
  switch (issue) {
    case WalIndexIssue::none:
      return "valid";
    case WalIndexIssue::too_short:
      return "shorter than the 136-byte wal-index header";
    case WalIndexIssue::copies_differ:
      return "the two copies of the header differ";
    case WalIndexIssue::not_initialised:
      return "not initialised";
    case WalIndexIssue::bad_checksum:
      return "header checksum does not match";
    case WalIndexIssue::bad_version:
      return "wal-index version is not 3007000";
    case WalIndexIssue::bad_page_size:
      return "page size is not a power of two from 512 to 65536";
  }
  return "unknown";
}

ParsedWalIndexHeader parse_wal_index_header(Bytes bytes) noexcept {
  ParsedWalIndexHeader parsed;
  WalIndexHeader& header = parsed.value;
  const auto fail = [&parsed](WalIndexIssue issue) {
    parsed.issue = issue;
    return parsed;
  };
  if (bytes.size() < kWalIndexHeaderSizeBytes) return fail(WalIndexIssue::too_short);
  if (std::memcmp(bytes.data(), bytes.data() + kCopySizeBytes, kCopySizeBytes) != 0) {
    return fail(WalIndexIssue::copies_differ);
  }
  if (read_u8(bytes, 12) == 0) return fail(WalIndexIssue::not_initialised);
  constexpr bool kNativeIsBig = std::endian::native == std::endian::big;
  const WalChecksum stored{read_native32(bytes, 40), read_native32(bytes, 44)};
  if (wal_checksum({}, bytes.first(kSummedBytes), kNativeIsBig) != stored) {
    return fail(WalIndexIssue::bad_checksum);
  }
  if (read_native32(bytes, 0) != kWalVersion) return fail(WalIndexIssue::bad_version);
  header.change_counter = read_native32(bytes, 8);
  header.big_endian_checksum = read_u8(bytes, 13) != 0;
  std::uint16_t stored_page_size = 0;
  std::memcpy(&stored_page_size, bytes.data() + 14, sizeof stored_page_size);
  header.page_size_bytes = (stored_page_size & 0xfe00U) + ((stored_page_size & 1U) << 16U);
  header.mx_frame = read_native32(bytes, 16);
  // walIndexRecover() writes size 0 if the WAL is absent or holds no commit; walIndexTryHdr() never
  // looks at it.
  const bool is_unknown = stored_page_size == 0 && header.mx_frame == 0;
  if (!is_unknown && !is_valid_page_size(header.page_size_bytes)) {
    return fail(WalIndexIssue::bad_page_size);
  }
  header.size_pages = read_native32(bytes, 20);
  header.frame_checksum = {read_native32(bytes, 24), read_native32(bytes, 28)};
  header.salt = {read_be32(bytes, 32), read_be32(bytes, 36)};
  header.backfilled_frames = read_native32(bytes, kBackfillOffset);
  for (std::size_t i = 0; i < header.read_marks.size(); ++i) {
    header.read_marks[i] = read_native32(bytes, kReadMarkOffset + 4 * i);
  }
  header.backfill_attempted_frames = read_native32(bytes, kBackfillAttemptedOffset);
  return parsed;
}

}  // namespace sqlbk::format
