#include "sqlbk/core/steady_wal_index.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "sqlbk/core/locks.hpp"

namespace sqlbk {
namespace {

using namespace std::chrono_literals;

// A commit takes tens of microseconds, the reads below take five.
constexpr int kTries = 50;
constexpr std::size_t kCommitSizeBytes = 48;
constexpr std::uint64_t kBackfillOffset = 96;
constexpr std::uint64_t kBackfillAttemptedOffset = 128;

using IndexBytes = std::array<std::byte, format::kWalIndexHeaderSizeBytes>;

bool is_locked(const LiveFiles& files, std::uint64_t byte, bool by_writers_only) {
  return conflicting_lock(files.fd_of(SourceFile::shm), byte, 1, by_writers_only,
                          files.path_of(SourceFile::shm))
      .has_value();
}

bool is_in_use(const LiveFiles& files, bool is_held) {
  return files.has(SourceFile::shm) &&
         (is_held || is_locked(files, format::kWalDmsLockByte, false)) &&
         files.is_current(SourceFile::shm);
}

IndexBytes read_index(const LiveFiles& files) {
  IndexBytes bytes{};
  static_cast<void>(files.read(SourceFile::shm, bytes, 0));
  return bytes;
}

std::uint32_t read_number(const LiveFiles& files, std::uint64_t offset) {
  std::array<std::byte, sizeof(std::uint32_t)> bytes{};
  static_cast<void>(files.read(SourceFile::shm, bytes, offset));
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data(), bytes.size());
  return number;
}

// As walTryBeginRead() does: nBackfill between two equal reads of the commit, so that the
// checkpoint that stored it knew no later one. By a read of its own: one read of all may see the
// commit of one moment and the nBackfill of another.
std::optional<format::WalIndexHeader> read_moment(const LiveFiles& files) {
  const IndexBytes before = read_index(files);
  const std::uint32_t backfilled = read_number(files, kBackfillOffset);
  const std::uint32_t attempted = read_number(files, kBackfillAttemptedOffset);
  // walIndexRecover() stores the commit first, then nBackfill = 0.
  if (is_locked(files, format::kWalRecoverLockByte, true)) return std::nullopt;
  const bool is_same = read_number(files, kBackfillOffset) == backfilled;
  const IndexBytes after = read_index(files);
  if (!is_same || !std::equal(before.begin(), before.begin() + kCommitSizeBytes, after.begin())) {
    return std::nullopt;
  }
  const format::ParsedWalIndexHeader parsed = format::parse_wal_index_header(after);
  if (!parsed) return std::nullopt;
  format::WalIndexHeader index = *parsed;
  index.backfilled_frames = backfilled;
  index.backfill_attempted_frames = attempted;
  return index;
}

}  // namespace

SteadyWalIndex read_steady_wal_index(const LiveFiles& files, bool is_held) {
  for (int i = 0; i < kTries; ++i) {
    if (!is_in_use(files, is_held)) return {};
    const std::optional<format::WalIndexHeader> index = read_moment(files);
    if (index && is_in_use(files, is_held)) return {.is_live = true, .index = index};
    std::this_thread::sleep_for(100us);
  }
  return {.is_live = is_in_use(files, is_held), .index = std::nullopt};
}

bool is_being_backfilled(const LiveFiles& files) {
  return files.has(SourceFile::shm) && is_locked(files, format::kWalReadLock0Byte, true);
}

}  // namespace sqlbk
