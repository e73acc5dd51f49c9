#include "sqlbk/core/named_locks.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/open_files.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk {
namespace {

struct LockBytes {
  SourceFile file;
  std::string_view read_name;
  std::string_view write_name;
  std::uint64_t first_byte;
  std::uint64_t size_bytes;
  std::uint64_t last_byte() const { return first_byte + size_bytes - 1; }
};

constexpr LockBytes in_shm(std::string_view name, std::uint64_t byte) {
  return {SourceFile::shm, name, name, byte, 1};
}

constexpr std::array kLockBytes{
    LockBytes{SourceFile::main, "PENDING", "PENDING", kPendingByte, 1},
    LockBytes{SourceFile::main, "RESERVED", "RESERVED", kReservedByte, 1},
    LockBytes{SourceFile::main, "SHARED", "EXCLUSIVE", kSharedFirstByte, kSharedSizeBytes},
    in_shm("WAL_WRITE", format::kWalWriteLockByte),
    in_shm("WAL_CKPT", format::kWalCheckpointLockByte),
    in_shm("WAL_RECOVER", format::kWalRecoverLockByte),
    in_shm("WAL_READ0", format::kWalReadLock0Byte),
    in_shm("WAL_READ1", format::kWalReadLock0Byte + 1),
    in_shm("WAL_READ2", format::kWalReadLock0Byte + 2),
    in_shm("WAL_READ3", format::kWalReadLock0Byte + 3),
    in_shm("WAL_READ4", format::kWalReadLock0Byte + 4),
    in_shm("DMS", format::kWalDmsLockByte),
};

bool overlaps(const LockBytes& bytes, SourceFile file, std::uint64_t first, std::uint64_t last) {
  return bytes.file == file && first <= bytes.last_byte() && last >= bytes.first_byte;
}

std::optional<LockHolder> holder_of(const LiveFiles& files, const LockBytes& bytes,
                                    bool writers_only) {
  if (!files.has(bytes.file)) return std::nullopt;
  return conflicting_lock(files.fd_of(bytes.file), bytes.first_byte, bytes.size_bytes, writers_only,
                          files.path_of(bytes.file));
}

NamedLock named(const LockBytes& bytes, const LockHolder& holder, std::string program) {
  return {.file = bytes.file,
          .name = holder.is_write ? bytes.write_name : bytes.read_name,
          .is_write = holder.is_write,
          .pid = holder.pid > 0 ? holder.pid : -1,
          .program = std::move(program)};
}

// The holders of one lock.
std::vector<NamedLock> holders_of(const LiveFiles& files, const LockBytes& bytes,
                                  const std::vector<LockRow>& rows) {
  std::vector<NamedLock> locks;
  const std::optional<LockHolder> anybody = holder_of(files, bytes, false);
  // A row may be about a file of the same inode number on another file system, or out of date:
  // the file itself is asked whether there is such a lock on it.
  if (!anybody) return locks;
  const std::optional<LockHolder> writer = holder_of(files, bytes, true);
  for (const LockRow& row : rows) {
    if (!overlaps(bytes, row.file, row.first_byte, row.last_byte)) continue;
    if (row.holder.is_write == writer.has_value()) {
      locks.push_back(named(bytes, row.holder, row.program));
    }
  }
  if (locks.empty()) {
    const LockHolder& holder = writer ? *writer : *anybody;
    locks.push_back(named(bytes, holder, holder.pid > 0 ? program_of(holder.pid) : ""));
  }
  return locks;
}

}  // namespace

std::vector<NamedLock> list_named_locks(const LiveFiles& files) {
  const std::vector<LockRow> rows = list_locks(files);
  std::vector<NamedLock> all;
  for (const LockBytes& bytes : kLockBytes) {
    std::vector<NamedLock> locks = holders_of(files, bytes, rows);
    std::ranges::sort(locks, {}, &NamedLock::pid);
    // Several bytes of one range may be locked one by one.
    const auto end = std::unique(
        locks.begin(), locks.end(),
        [](const NamedLock& one, const NamedLock& other) { return one.pid == other.pid; });
    all.insert(all.end(), std::make_move_iterator(locks.begin()), std::make_move_iterator(end));
  }
  return all;
}

}  // namespace sqlbk
