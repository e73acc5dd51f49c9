// The header of the wal-index, the `-shm` file (walformat.html, section 2.1; WalIndexHdr and
// WalCkptInfo in wal.c). Integers are in the byte order of the machine; the salts are raw copies
// of the WAL's bytes. Pure: bytes in, struct out. Thread-safety: pure functions.
//
// An -shm file means something only while a connection holds its DMS lock (byte 128): the first
// connection truncates and rebuilds it (unixLockSharedMemory() in os_unix.c).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sqlbk/format/bytes.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk::format {

inline constexpr std::size_t kWalIndexHeaderSizeBytes = 136;
// Lock bytes of the -shm file (walformat.html, section 2.1.3).
inline constexpr std::uint64_t kWalWriteLockByte = 120;
inline constexpr std::uint64_t kWalCheckpointLockByte = 121;
inline constexpr std::uint64_t kWalRecoverLockByte = 122;
inline constexpr std::uint64_t kWalReadLock0Byte = 123;
inline constexpr std::uint64_t kWalDmsLockByte = 128;

enum class WalIndexIssue {
  none,
  too_short,        // fewer than 136 bytes
  copies_differ,    // a writer is changing the header right now: read it again
  not_initialised,  // isInit is 0: recovery has not happened yet
  bad_checksum,
  bad_version,
  bad_page_size,  // and there are frames, see page_size_bytes
};
std::string_view to_string(WalIndexIssue issue) noexcept;

struct WalIndexHeader {
  std::uint32_t change_counter = 0;  // iChange: bumped by every transaction
  bool big_endian_checksum = false;
  std::uint32_t page_size_bytes = 0;  // 0 until the first commit after a recovery that found none
  std::uint32_t mx_frame = 0;         // last committed frame; 0: the WAL holds nothing
  std::uint32_t size_pages = 0;       // nPage: database size after mx_frame
  WalChecksum frame_checksum;         // of frame mx_frame
  WalSalt salt;
  std::uint32_t backfilled_frames = 0;          // nBackfill
  std::array<std::uint32_t, 5> read_marks{};    // 0xffffffff: unused
  std::uint32_t backfill_attempted_frames = 0;  // nBackfillAttempted
};

using ParsedWalIndexHeader = Parsed<WalIndexHeader, WalIndexIssue>;

// `bytes`: the start of the -shm file. Accepts what walIndexTryHdr() accepts.
ParsedWalIndexHeader parse_wal_index_header(Bytes bytes) noexcept;

}  // namespace sqlbk::format
