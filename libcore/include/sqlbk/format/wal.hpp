// The write-ahead log: header, frames, checksums, commit marks (fileformat2.html, section 4; the
// format prose at the top of SQLite's wal.c). Pure: bytes in, structs out; nothing opens a file.
// Thread-safety: pure functions; a WalScanner belongs to one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sqlbk/format/bytes.hpp"

namespace sqlbk::format {

inline constexpr std::size_t kWalHeaderSizeBytes = 32;
inline constexpr std::size_t kWalFrameHeaderSizeBytes = 24;
inline constexpr std::uint32_t kWalMagic = 0x377f0682;  // | 1: checksum words are big-endian
inline constexpr std::uint32_t kWalVersion = 3007000;

// Salt-1 and salt-2: they name one generation of the WAL, the time between two resets.
struct WalSalt {
  std::uint32_t salt1 = 0;
  std::uint32_t salt2 = 0;
  friend bool operator==(const WalSalt&, const WalSalt&) = default;
  bool is_zero() const noexcept { return salt1 == 0 && salt2 == 0; }
};
// Eight hexadecimal digits each, as in reports: "0123abcd-4567ef01".
std::string to_string(const WalSalt& salt);

struct WalChecksum {
  std::uint32_t s0 = 0;
  std::uint32_t s1 = 0;
  friend bool operator==(const WalChecksum&, const WalChecksum&) = default;
};

// Extends `seed` over `bytes` (walChecksumBytes() in wal.c). REQUIRES: size is a multiple of 8.
WalChecksum wal_checksum(WalChecksum seed, Bytes bytes, bool big_endian) noexcept;

enum class WalHeaderIssue {
  none,
  too_short,      // fewer than 32 bytes: SQLite takes the WAL as empty (one of 32 bytes too)
  bad_magic,      // as above
  bad_page_size,  // as above
  bad_checksum,   // as above
  bad_version,    // SQLite refuses the database (SQLITE_CANTOPEN)
};
std::string_view to_string(WalHeaderIssue issue) noexcept;

struct WalHeader {
  bool big_endian_checksum = false;
  std::uint32_t page_size_bytes = 0;
  std::uint32_t checkpoint_sequence = 0;  // a counter of one connection: not monotone
  WalSalt salt;
  WalChecksum checksum;  // over bytes 0..23; seeds the chain of frame 1
};

using ParsedWalHeader = Parsed<WalHeader, WalHeaderIssue>;

ParsedWalHeader parse_wal_header(Bytes bytes) noexcept;

// Makes the 32 bytes for `header` (its checksum is computed, not taken). For tests and for writing
// a WAL of our own.
std::array<std::byte, kWalHeaderSizeBytes> encode_wal_header(const WalHeader& header) noexcept;

// Frames are numbered from 1, as in SQLite.
inline constexpr std::uint64_t wal_frame_size_bytes(std::uint32_t page_size_bytes) {
  return kWalFrameHeaderSizeBytes + std::uint64_t{page_size_bytes};
}
inline constexpr std::uint64_t wal_frame_offset(std::uint64_t frame,
                                                std::uint32_t page_size_bytes) {
  return kWalHeaderSizeBytes + (frame - 1) * wal_frame_size_bytes(page_size_bytes);
}
// Whole frames that fit into a WAL file of this size.
inline constexpr std::uint64_t wal_frames_in(std::uint64_t file_size_bytes,
                                             std::uint32_t page_size_bytes) {
  return file_size_bytes < kWalHeaderSizeBytes
             ? 0
             : (file_size_bytes - kWalHeaderSizeBytes) / wal_frame_size_bytes(page_size_bytes);
}

struct WalFrameHeader {
  std::uint32_t page_number = 0;
  std::uint32_t commit_size_pages = 0;  // 0: not the last frame of a transaction
  WalSalt salt;
  WalChecksum checksum;
  bool is_commit() const noexcept { return commit_size_pages != 0; }
};

// REQUIRES: 24 bytes. Every bit pattern is a frame header; WalScanner says whether it is valid.
WalFrameHeader parse_wal_frame_header(Bytes bytes) noexcept;

// Makes the 24 bytes of a frame header that continues the chain `previous` for this page.
std::array<std::byte, kWalFrameHeaderSizeBytes> encode_wal_frame_header(
    const WalHeader& wal, WalChecksum previous, std::uint32_t page_number,
    std::uint32_t commit_size_pages, Bytes page) noexcept;

// Follows the checksum chain of one generation from frame 1, as walIndexRecover() does.
class WalScanner {
 public:
  explicit WalScanner(const WalHeader& header) noexcept
      : header_(header), chain_(header.checksum) {}

  // Offers the next frame: its 24 header bytes and its page. True: it is valid and now part of the
  // prefix. False: the valid prefix ends before it; the state is unchanged and the same frame
  // number may be offered again (a writer may have replaced the bytes).
  bool accept(Bytes frame) noexcept;

  std::uint64_t valid_frames() const noexcept { return valid_frames_; }
  // K: the last commit frame of the valid prefix; 0 if there is none.
  std::uint64_t committed_frames() const noexcept { return committed_frames_; }
  // Database size in pages after frame K; 0 where K = 0.
  std::uint32_t committed_size_pages() const noexcept { return committed_size_pages_; }
  const WalHeader& header() const noexcept { return header_; }
  // The chain after the last valid frame: what the next frame's checksum continues.
  WalChecksum chain() const noexcept { return chain_; }

  // Forgets the valid frames behind K, which a writer may overwrite in place.
  void rewind_to_commit() noexcept;

 private:
  WalHeader header_;
  WalChecksum chain_;
  WalChecksum committed_chain_ = chain_;
  std::uint64_t valid_frames_ = 0;
  std::uint64_t committed_frames_ = 0;
  std::uint32_t committed_size_pages_ = 0;
};

}  // namespace sqlbk::format
