#include "sqlbk/core/staged_image.hpp"

#include <cerrno>
#include <fcntl.h>
#include <utility>

#include "room.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

void remove_if_there(const std::string& path) {
  if (sys().unlinkat(AT_FDCWD, path.c_str(), 0) != 0 && errno != ENOENT) {
    throw system_error("remove", path, errno);
  }
}

}  // namespace

StagedImage::StagedImage(std::string directory)
    : directory_(std::move(directory)), main_path_(directory_ + "/copy.db") {}

int StagedImage::open_file(UniqueFd& fd, const std::string& path) const {
  if (!fd) fd = open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, path);
  return fd.get();
}

int StagedImage::main_fd() {
  return open_file(main_, main_path_);
}
int StagedImage::wal_fd() {
  return open_file(wal_, wal_path());
}
int StagedImage::journal_fd() {
  return open_file(journal_, journal_path());
}

void StagedImage::require_space(std::uint64_t size_bytes) const {
  const std::size_t slash = directory_.rfind('/');
  require_room(slash == 0 ? "/" : directory_.substr(0, slash), size_bytes);
}

void StagedImage::discard() {
  close_files();
  remove_if_there(main_path_);
  remove_if_there(wal_path());
  remove_if_there(main_path_ + "-shm");
  remove_if_there(journal_path());
  wal_prefix.reset();
  folded = false;
  digest.reset();
}

void StagedImage::discard_all_but_main() {
  discard_wal();
  close_checked(journal_, journal_path());
  remove_if_there(journal_path());
  folded = false;
}

void StagedImage::discard_wal() {
  wal_.reset();
  remove_if_there(wal_path());
  wal_prefix.reset();
}

void StagedImage::close_files() {
  close_checked(main_, main_path_);
  close_checked(wal_, wal_path());
  close_checked(journal_, journal_path());
}

}  // namespace sqlbk
