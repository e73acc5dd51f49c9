#include "sqlbk/core/file_system.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <optional>
#include <string_view>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "linux/mount.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

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

constexpr std::uint64_t kFuseMagic = 0x65735546;

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
    Row{0x6969, "nfs", FileSystemKind::network, kCoarse},
    Row{0x517b, "smb", FileSystemKind::network, kCoarse},
    Row{0xff534d42, "cifs", FileSystemKind::network, kCoarse},
    Row{0xfe534d42, "smb2", FileSystemKind::network, kCoarse},
    Row{0x01021997, "9p", FileSystemKind::network, kCoarse},
    Row{kFuseMagic, "fuse", FileSystemKind::network, kCoarse},
    Row{0x6a656a63, "virtiofs", FileSystemKind::network, kCoarse},
    Row{0x00c36400, "ceph", FileSystemKind::network, kCoarse},
    Row{0x5346414f, "afs", FileSystemKind::network, kCoarse},
    Row{0x6b414653, "afs", FileSystemKind::network, kCoarse},
    Row{0x73757245, "coda", FileSystemKind::network, kCoarse},
    Row{0x47504653, "gpfs", FileSystemKind::network, kCoarse},
    Row{0x0bd00bd0, "lustre", FileSystemKind::network, kCoarse},
    Row{0x01161970, "gfs2", FileSystemKind::network, kCoarse},
    Row{0x7461636f, "ocfs2", FileSystemKind::network, kCoarse},
    Row{0xbacbacbc, "vmhgfs", FileSystemKind::network, kCoarse},
    Row{0x786f4256, "vboxsf", FileSystemKind::network, kCoarse},
};

// Programs that serve what lies on another machine, or is written by another kernel. Behind "fuse."
// in the type of a mount, or in its source.
constexpr std::array<std::string_view, 38> kServeNetworks{
    "alluxio",     "beegfs",        "blobfuse",  "blobfuse2",
    "ceph-fuse",   "cephfs",        "curlftpfs", "davfs",
    "davfs2",      "dbxfs",         "ftpfs",     "gcsfuse",
    "geesefs",     "glusterfs",     "goofys",    "google-drive-ocamlfuse",
    "grpcfuse",    "gvfsd-fuse",    "hdfs",      "juicefs",
    "JuiceFS",     "kio-fuse",      "mfs",       "moosefs",
    "mount-s3",    "mountpoint-s3", "onedriver", "osxfs",
    "rclone",      "s3backer",      "s3fs",      "s3ql",
    "seaweedfs",   "smbnetfs",      "sshfs",     "virtiofs",
    "vmhgfs-fuse", "httpdirfs"};
// Those that serve files of this machine, whatever their source looks like.
constexpr std::array<std::string_view, 16> kServeLocally{
    "bindfs",     "cryfs",    "encfs",        "fuse-overlayfs", "fuse2fs", "gocryptfs",
    "lxcfs",      "mergerfs", "mhddfs",       "ntfs-3g",        "overlay", "portal",
    "squashfuse", "unionfs",  "unionfs-fuse", "ext4fuse"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// "https://host/", "host:/directory", "remote:directory", "sshfs#user@host:"; no path of here.
bool looks_remote(std::string_view source) {
  if (source.find("://") != std::string_view::npos) return true;
  const std::size_t colon = source.find(':');
  return colon != std::string_view::npos && colon < source.find('/');
}

}  // namespace

FileSystem file_system_of_fuse(const std::string& type, const std::string& source) {
  const std::size_t dot = type.find('.');
  const std::string program = dot == std::string::npos ? "" : type.substr(dot + 1);
  const bool is_network =
      is_one_of(kServeNetworks, program) ||
      is_one_of(kServeNetworks, std::string_view(source).substr(0, source.find('#'))) ||
      (type != "fuseblk" && !is_one_of(kServeLocally, program) && looks_remote(source));
  return {type, is_network ? FileSystemKind::network : FileSystemKind::fuse, kCoarse};
}

FileSystem file_system_of_magic(std::uint64_t magic) {
  for (const Row& row : kRows) {
    if (row.magic == magic) return {std::string(row.name), row.kind, row.granularity};
  }
  // Unknown but mounted by this kernel: local, with the coarsest clock there is.
  return {"unknown", FileSystemKind::local, kCoarse};
}

FileSystem file_system_of(int fd, const std::string& path) {
  struct statfs info {};
  int result = sys().fstatfs(fd, &info);
  while (result != 0 && errno == EINTR) result = sys().fstatfs(fd, &info);
  if (result != 0) throw system_error("ask for the file system of", path, errno);
  const auto magic = static_cast<std::uint32_t>(info.f_type);
  if (magic != kFuseMagic) return file_system_of_magic(magic);
  // In another mount namespace nothing tells what it serves.
  const std::optional<platform::Mount> mount = platform::mount_of_device(stat_of(fd, path).device);
  return mount ? file_system_of_fuse(mount->type, mount->source) : file_system_of_magic(magic);
}

std::uint64_t free_space_bytes(int fd, const std::string& path) {
  struct statvfs info {};
  int result = sys().fstatvfs(fd, &info);
  while (result != 0 && errno == EINTR) result = sys().fstatvfs(fd, &info);
  if (result != 0) throw system_error("ask for the free space of", path, errno);
  // ramfs and the like do not count.
  if (info.f_blocks == 0) return std::numeric_limits<std::uint64_t>::max();
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

}  // namespace sqlbk
