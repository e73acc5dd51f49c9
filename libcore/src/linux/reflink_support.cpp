#include "sqlbk/core/reflink_support.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

// Every file system may have the operation behind it, and answers for one of its layers only when
// there is work to do.
bool depends_on_another(int fd) noexcept {
  struct statfs info {};
  if (sys().fstatfs(fd, &info) != 0) return true;
  switch (static_cast<unsigned long>(info.f_type) & 0xffffffffUL) {
    case OVERLAYFS_SUPER_MAGIC:
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case FUSE_SUPER_MAGIC:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string_view to_string(ReflinkSupport support) noexcept {
  switch (support) {
    case ReflinkSupport::no:
      return "no";
    case ReflinkSupport::likely:
      return "likely";
    case ReflinkSupport::unknown:
      return "unknown";
  }
  return "unknown";
}

ReflinkSupport reflink_support(int fd) noexcept {
  // A request to share blocks with no file at all: nothing can come of it, but the kernel first
  // asks for the operation that FICLONE needs, too (vfs_dedupe_file_range()).
  alignas(file_dedupe_range) std::array<std::byte, sizeof(file_dedupe_range)> nothing{};
  if (::ioctl(fd, FIDEDUPERANGE, nothing.data()) == 0) {
    return depends_on_another(fd) ? ReflinkSupport::unknown : ReflinkSupport::likely;
  }
  return errno == EOPNOTSUPP ? ReflinkSupport::no : ReflinkSupport::unknown;
}

}  // namespace sqlbk
