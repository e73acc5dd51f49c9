#include "sqlbk/core/file_system.hpp"

#include <array>
#include <cerrno>
#include <limits>
#include <string_view>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "sqlbk/core/error.hpp"

namespace sqlbk {
namespace {

using namespace std::chrono_literals;

struct Row {
  std::uint64_t magic;
  std::string_view name;
  FileSystemKind kind;
  std::chrono::nanoseconds granularity;
};

// The kernel stamps files with the time of the last tick, or finer; the file system keeps it whole.
constexpr std::chrono::nanoseconds kWhole = 1ns;
constexpr std::chrono::nanoseconds kCoarse = 2s;

// Magic numbers: statfs(2) and linux/magic.h.
constexpr std::array kRows{
    Row{0xef53, "ext4", FileSystemKind::local, kWhole},
    Row{0x58465342, "xfs", FileSystemKind::local, kWhole},
    Row{0x9123683e, "btrfs", FileSystemKind::local, kWhole},
    Row{0x01021994, "tmpfs", FileSystemKind::local, kWhole},
    Row{0x858458f6, "ramfs", FileSystemKind::local, kWhole},
    Row{0xf2f52010, "f2fs", FileSystemKind::local, kWhole},
    Row{0x2fc12fc1, "zfs", FileSystemKind::local, kWhole},
    Row{0xca451a4e, "bcachefs", FileSystemKind::local, kWhole},
    Row{0x3153464a, "jfs", FileSystemKind::local, kWhole},
    Row{0x794c7630, "overlayfs", FileSystemKind::overlay, kWhole},
    Row{0x52654973, "reiserfs", FileSystemKind::local, kCoarse},
    Row{0x3434, "nilfs", FileSystemKind::local, kCoarse},
    Row{0x7366746e, "ntfs3", FileSystemKind::local, 100ns},
    Row{0x4d44, "vfat", FileSystemKind::local, kCoarse},
    Row{0x2011bab0, "exfat", FileSystemKind::local, kCoarse},
    Row{0x9660, "iso9660", FileSystemKind::local, kCoarse},
    Row{0x15013346, "udf", FileSystemKind::local, kCoarse},
    Row{0x73717368, "squashfs", FileSystemKind::local, kCoarse},
    Row{0xe0f5e1e2, "erofs", FileSystemKind::local, kCoarse},
    Row{0x6969, "nfs", FileSystemKind::foreign, kCoarse},
    Row{0x517b, "smb", FileSystemKind::foreign, kCoarse},
    Row{0xff534d42, "cifs", FileSystemKind::foreign, kCoarse},
    Row{0xfe534d42, "smb2", FileSystemKind::foreign, kCoarse},
    Row{0x01021997, "9p", FileSystemKind::foreign, kCoarse},
    Row{0x65735546, "fuse", FileSystemKind::foreign, kCoarse},  // virtiofs, sshfs, too
    Row{0x6a656a63, "virtiofs", FileSystemKind::foreign, kCoarse},
    Row{0x00c36400, "ceph", FileSystemKind::foreign, kCoarse},
    Row{0x5346414f, "afs", FileSystemKind::foreign, kCoarse},
    Row{0x6b414653, "afs", FileSystemKind::foreign, kCoarse},
    Row{0x73757245, "coda", FileSystemKind::foreign, kCoarse},
    Row{0x47504653, "gpfs", FileSystemKind::foreign, kCoarse},
    Row{0x0bd00bd0, "lustre", FileSystemKind::foreign, kCoarse},
    Row{0x01161970, "gfs2", FileSystemKind::foreign, kCoarse},
    Row{0x7461636f, "ocfs2", FileSystemKind::foreign, kCoarse},
    Row{0xbacbacbc, "vmhgfs", FileSystemKind::foreign, kCoarse},
    Row{0x786f4256, "vboxsf", FileSystemKind::foreign, kCoarse},
};

}  // namespace

FileSystem file_system_of_magic(std::uint64_t magic) {
  for (const Row& row : kRows) {
    if (row.magic == magic) return {std::string(row.name), row.kind, row.granularity};
  }
  // Unknown but mounted by this kernel: local, with the coarsest clock there is.
  return {"unknown", FileSystemKind::local, kCoarse};
}

FileSystem file_system_of(int fd, const std::string& path) {
  struct statfs info {};
  int result = ::fstatfs(fd, &info);
  while (result != 0 && errno == EINTR) result = ::fstatfs(fd, &info);
  if (result != 0) throw system_error("ask for the file system of", path, errno);
  return file_system_of_magic(static_cast<std::uint32_t>(info.f_type));
}

std::uint64_t free_space_bytes(int fd, const std::string& path) {
  struct statvfs info {};
  int result = ::fstatvfs(fd, &info);
  while (result != 0 && errno == EINTR) result = ::fstatvfs(fd, &info);
  if (result != 0) throw system_error("ask for the free space of", path, errno);
  // ramfs and the like do not count.
  if (info.f_blocks == 0) return std::numeric_limits<std::uint64_t>::max();
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

}  // namespace sqlbk
