#include "room.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/resource.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/holes.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/reflink_support.hpp"
#include "sqlbk/core/sys.hpp"
#include "sqlbk/core/wal_scan.hpp"

namespace sqlbk {
namespace {

std::uint64_t free_bytes_in(const std::string& directory) {
  const UniqueFd fd = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0, directory);
  return free_space_bytes(fd.get(), directory);
}

Error no_space(const std::string& directory, std::uint64_t needed, std::uint64_t free) {
  return Error(Errc::no_space, "not enough space in " + quoted(directory) + ": the copy needs " +
                                   std::to_string(needed) + " bytes, " + std::to_string(free) +
                                   " are free")
      .with_path(directory)
      .with_errno(ENOSPC);
}

std::optional<std::uint64_t> most_bytes_of_a_file() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  return limit.rlim_cur;
}

Error too_large(const std::string& directory, std::uint64_t bytes, std::uint64_t most) {
  return Error(Errc::destination_unusable, "unable to make a file of " + std::to_string(bytes) +
                                               " bytes in " + quoted(directory) +
                                               ": this process may make files of " +
                                               std::to_string(most) + " bytes at most")
      .with_path(directory)
      .with_errno(EFBIG)
      .with_hint("raise the limit (ulimit -f)");
}

// What FICLONERANGE fails of where it never works; other failures prove nothing.
bool is_never_cloned(int os_errno) noexcept {
  constexpr std::array kNever{EOPNOTSUPP, EXDEV, EINVAL, ENOTTY, ENOSYS};
  return std::ranges::find(kNever, os_errno) != kNever.end();
}

}  // namespace

void require_room(const std::string& directory, std::uint64_t bytes) {
  const std::uint64_t free = free_bytes_in(directory);
  if (free < bytes) throw no_space(directory, bytes, free);
}

void CopyRoom::require_staged_in(const std::string& directory) {
  if (traits_.stages == StagedFiles::unknown) return;
  require_file_in(directory);
  const std::uint64_t free = free_bytes_in(directory);
  const std::uint64_t copied = main_bytes() + wal_bytes() + journal_bytes();
  if (free >= copied + facts_.wal_size_bytes()) return;
  const std::uint64_t needed = growth_bytes() + (shares_blocks_in(directory) ? 0 : copied);
  if (free < needed) throw no_space(directory, needed, free);
}

void CopyRoom::require_file_in(const std::string& directory) {
  const auto most = most_bytes_of_a_file();
  if (!most) return;
  const std::uint64_t largest = largest_file_bytes();
  if (largest > *most) throw too_large(directory, largest, *most);
}

void CopyRoom::require_published_in(const std::string& directory) {
  if (traits_.stages == StagedFiles::unknown) return;
  const std::uint64_t free = free_bytes_in(directory);
  if (free >= main_bytes() + facts_.wal_size_bytes()) return;
  const std::uint64_t needed = published_bytes();
  if (free < needed) throw no_space(directory, needed, free);
}

CopyRoom::Commit CopyRoom::read_last_commit() const {
  if (!facts_.wal_header) return {};
  const std::uint32_t page_size = facts_.wal_header->page_size_bytes;
  const auto commit_at = [page_size](std::uint64_t frames, std::uint64_t pages) {
    return Commit{frames, pages * page_size, format::wal_frame_offset(frames + 1, page_size)};
  };
  if (const auto index = read_live_wal_index(files_)) {
    if (index->salt != facts_.wal_header->salt || index->mx_frame == 0) return {};
    return commit_at(index->mx_frame, index->size_pages);
  }
  const WalScan scan =
      scan_wal(files_.fd_of(SourceFile::wal), files_.path_of(SourceFile::wal), context_);
  if (!scan.header || scan.committed.frames == 0) return {};
  return commit_at(scan.committed.frames, scan.committed.size_pages);
}

const CopyRoom::Commit& CopyRoom::last_commit() {
  if (!last_commit_) last_commit_ = read_last_commit();
  return *last_commit_;
}

// SQLite writes every page; the movers leave holes as they are.
std::uint64_t CopyRoom::main_bytes() const {
  if (traits_.stages == StagedFiles::pages) return facts_.main.size_bytes;
  return data_bytes(files_.fd_of(SourceFile::main), facts_.main.size_bytes, files_.main_path());
}

// Under its lock a strategy copies what the wal-index says; without one, all of the file.
std::uint64_t CopyRoom::wal_bytes() {
  if (traits_.stages != StagedFiles::main_and_wal) return 0;
  if (!traits_.takes_locks || facts_.at_rest()) return facts_.wal_size_bytes();
  return std::min(last_commit().wal_bytes, facts_.wal_size_bytes());
}

std::uint64_t CopyRoom::journal_bytes() const {
  const bool is_staged = traits_.stages == StagedFiles::main_and_wal && facts_.has_hot_journal();
  return is_staged && facts_.journal ? facts_.journal->size_bytes : 0;
}

// Main becomes as large as the last commit says, by pages that lie in the WAL.
std::uint64_t CopyRoom::growth_bytes() {
  if (form_ == ImageForm::main_and_wal) return 0;
  const Commit& commit = last_commit();
  if (commit.main_bytes <= facts_.main.size_bytes) return 0;
  return std::min(commit.main_bytes - facts_.main.size_bytes, commit.wal_bytes);
}

std::uint64_t CopyRoom::largest_file_bytes() {
  return std::max(facts_.main.size_bytes + growth_bytes(), wal_bytes());
}

std::uint64_t CopyRoom::published_bytes() {
  if (facts_.has_hot_journal()) return 0;  // which may make main shorter
  const Commit& commit = last_commit();
  if (form_ == ImageForm::main_and_wal) return main_bytes() + commit.wal_bytes;
  if (commit.frames != 0) return std::min(main_bytes() + growth_bytes(), commit.main_bytes);
  // A file may be longer than the database in it, and is cut to that.
  const bool is_told = facts_.header && facts_.header->has_valid_size();
  const std::uint64_t database_bytes =
      is_told ? std::uint64_t{facts_.header->size_pages} * facts_.header->page_size_bytes : 0;
  return std::min(main_bytes(), database_bytes);
}

// By cloning its first bytes into a file without a name.
bool CopyRoom::shares_blocks_in(const std::string& directory) const {
  constexpr std::uint64_t kSomeBytes = std::uint64_t{64} << 10U;  // whole blocks of any size
  const int main_fd = files_.fd_of(SourceFile::main);
  if (!traits_.may_share_blocks || reflink_support(main_fd) == ReflinkSupport::no) return false;
  const UniqueFd nameless(
      sys().openat(AT_FDCWD, directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (!nameless) return true;                                                         // not known
  const std::uint64_t length = facts_.main.size_bytes > kSomeBytes ? kSomeBytes : 0;  // 0: all
  const int result = sys().ficlonerange(nameless.get(), main_fd, 0, static_cast<off_t>(length), 0);
  return result == 0 || !is_never_cloned(errno);
}

}  // namespace sqlbk
