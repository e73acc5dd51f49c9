#include "sqlbk/format/wal.hpp"

#include <array>
#include <bit>
#include <cstdio>

namespace sqlbk::format {
namespace {

template <bool Swap>
WalChecksum sum_words(WalChecksum sum, Bytes bytes) noexcept {
  for (std::size_t offset = 0; offset + 8 <= bytes.size(); offset += 8) {
    std::uint32_t first = read_native32(bytes, offset);
    std::uint32_t second = read_native32(bytes, offset + 4);
    if constexpr (Swap) {
      first = __builtin_bswap32(first);
      second = __builtin_bswap32(second);
    }
    sum.s0 += first + sum.s1;
    sum.s1 += second + sum.s0;
  }
  return sum;
}

}  // namespace

std::string to_string(const WalSalt& salt) {
  std::array<char, 20> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%08x-%08x", salt.salt1, salt.salt2));
  return text.data();
}

WalChecksum wal_checksum(WalChecksum seed, Bytes bytes, bool big_endian) noexcept {
  constexpr bool kNativeIsBig = std::endian::native == std::endian::big;
  return big_endian == kNativeIsBig ? sum_words<false>(seed, bytes) : sum_words<true>(seed, bytes);
}

std::string_view to_string(WalHeaderIssue issue) noexcept {
  switch (issue) {
    case WalHeaderIssue::none:
      return "valid";
    case WalHeaderIssue::too_short:
      return "shorter than the 32-byte WAL header";
    case WalHeaderIssue::bad_magic:
      return "wrong magic number";
    case WalHeaderIssue::bad_page_size:
      return "page size is not a power of two from 512 to 65536";
    case WalHeaderIssue::bad_checksum:
      return "header checksum does not match";
    case WalHeaderIssue::bad_version:
      return "WAL format version is not 3007000";
  }
  return "unknown";
}

ParsedWalHeader parse_wal_header(Bytes bytes) noexcept {
  ParsedWalHeader parsed;
  WalHeader& header = parsed.value;
  const auto fail = [&parsed](WalHeaderIssue issue) {
    parsed.issue = issue;
    return parsed;
  };
  if (bytes.size() < kWalHeaderSizeBytes) return fail(WalHeaderIssue::too_short);
  const std::uint32_t magic = read_be32(bytes, 0);
  if ((magic & ~1U) != kWalMagic) return fail(WalHeaderIssue::bad_magic);
  header.big_endian_checksum = (magic & 1U) != 0;
  header.page_size_bytes = read_be32(bytes, 8);
  if (!is_valid_page_size(header.page_size_bytes)) return fail(WalHeaderIssue::bad_page_size);
  header.checkpoint_sequence = read_be32(bytes, 12);
  header.salt = {read_be32(bytes, 16), read_be32(bytes, 20)};
  header.checksum = {read_be32(bytes, 24), read_be32(bytes, 28)};
  if (wal_checksum({}, bytes.first(24), header.big_endian_checksum) != header.checksum) {
    return fail(WalHeaderIssue::bad_checksum);
  }
  // Last, as in walIndexRecover(): a wrong version counts only under a right checksum.
  if (read_be32(bytes, 4) != kWalVersion) return fail(WalHeaderIssue::bad_version);
  return parsed;
}

std::array<std::byte, kWalHeaderSizeBytes> encode_wal_header(const WalHeader& header) noexcept {
  std::array<std::byte, kWalHeaderSizeBytes> bytes{};
  write_be32(bytes, 0, kWalMagic | (header.big_endian_checksum ? 1U : 0U));
  write_be32(bytes, 4, kWalVersion);
  write_be32(bytes, 8, header.page_size_bytes);
  write_be32(bytes, 12, header.checkpoint_sequence);
  write_be32(bytes, 16, header.salt.salt1);
  write_be32(bytes, 20, header.salt.salt2);
  const WalChecksum sum = wal_checksum({}, Bytes(bytes).first(24), header.big_endian_checksum);
  write_be32(bytes, 24, sum.s0);
  write_be32(bytes, 28, sum.s1);
  return bytes;
}

WalFrameHeader parse_wal_frame_header(Bytes bytes) noexcept {
  return {.page_number = read_be32(bytes, 0),
          .commit_size_pages = read_be32(bytes, 4),
          .salt = {read_be32(bytes, 8), read_be32(bytes, 12)},
          .checksum = {read_be32(bytes, 16), read_be32(bytes, 20)}};
}

std::array<std::byte, kWalFrameHeaderSizeBytes> encode_wal_frame_header(
    const WalHeader& wal, WalChecksum previous, std::uint32_t page_number,
    std::uint32_t commit_size_pages, Bytes page) noexcept {
  std::array<std::byte, kWalFrameHeaderSizeBytes> bytes{};
  write_be32(bytes, 0, page_number);
  write_be32(bytes, 4, commit_size_pages);
  write_be32(bytes, 8, wal.salt.salt1);
  write_be32(bytes, 12, wal.salt.salt2);
  WalChecksum sum = wal_checksum(previous, Bytes(bytes).first(8), wal.big_endian_checksum);
  sum = wal_checksum(sum, page, wal.big_endian_checksum);
  write_be32(bytes, 16, sum.s0);
  write_be32(bytes, 20, sum.s1);
  return bytes;
}

bool WalScanner::accept(Bytes frame) noexcept {
  if (frame.size() != wal_frame_size_bytes(header_.page_size_bytes)) return false;
  const WalFrameHeader frame_header = parse_wal_frame_header(frame);
  if (frame_header.salt != header_.salt || frame_header.page_number == 0) return false;
  // Bytes 8..23 of the frame header are not summed (walDecodeFrame() in wal.c).
  WalChecksum sum = wal_checksum(chain_, frame.first(8), header_.big_endian_checksum);
  sum = wal_checksum(sum, frame.subspan(kWalFrameHeaderSizeBytes), header_.big_endian_checksum);
  if (sum != frame_header.checksum) return false;
  chain_ = sum;
  ++valid_frames_;
  if (frame_header.is_commit()) {
    committed_frames_ = valid_frames_;
    committed_size_pages_ = frame_header.commit_size_pages;
    committed_chain_ = chain_;
  }
  return true;
}

void WalScanner::rewind_to_commit() noexcept {
  valid_frames_ = committed_frames_;
  chain_ = committed_chain_;
}

}  // namespace sqlbk::format
