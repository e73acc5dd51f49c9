#include "sqlbk/core/file_system.hpp"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <linux/magic.h>
#include <sstream>
#include <string>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "linux/mount.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk {
namespace {

using namespace std::chrono_literals;

void expect_row(std::uint64_t magic, const std::string& name, FileSystemKind kind) {
  const FileSystem found = file_system_of_magic(magic);
  EXPECT_EQ(found.name, name);
  EXPECT_EQ(found.kind, kind) << name;
  EXPECT_GT(found.timestamp_granularity, 0ns) << name;
  EXPECT_LE(found.timestamp_granularity, 2s) << name;
}

// The numbers of the kernel's own header, not those of the table.
TEST(FileSystemTable, KnowsLocalOnes) {
  expect_row(EXT4_SUPER_MAGIC, "ext4", FileSystemKind::local);
  expect_row(XFS_SUPER_MAGIC, "xfs", FileSystemKind::local);
  expect_row(BTRFS_SUPER_MAGIC, "btrfs", FileSystemKind::local);
  expect_row(TMPFS_MAGIC, "tmpfs", FileSystemKind::local);
  expect_row(RAMFS_MAGIC, "ramfs", FileSystemKind::local);
  expect_row(F2FS_SUPER_MAGIC, "f2fs", FileSystemKind::local);
  expect_row(MSDOS_SUPER_MAGIC, "vfat", FileSystemKind::local);
  expect_row(EXFAT_SUPER_MAGIC, "exfat", FileSystemKind::local);
  expect_row(ISOFS_SUPER_MAGIC, "iso9660", FileSystemKind::local);
  expect_row(UDF_SUPER_MAGIC, "udf", FileSystemKind::local);
  expect_row(SQUASHFS_MAGIC, "squashfs", FileSystemKind::local);
  expect_row(EROFS_SUPER_MAGIC_V1, "erofs", FileSystemKind::local);
  expect_row(REISERFS_SUPER_MAGIC, "reiserfs", FileSystemKind::local);
  expect_row(NILFS_SUPER_MAGIC, "nilfs", FileSystemKind::local);
  expect_row(OVERLAYFS_SUPER_MAGIC, "overlayfs", FileSystemKind::overlay);
}

TEST(FileSystemTable, KnowsThoseThatAnotherKernelMayWrite) {
  expect_row(NFS_SUPER_MAGIC, "nfs", FileSystemKind::network);
  expect_row(SMB_SUPER_MAGIC, "smb", FileSystemKind::network);
  expect_row(CIFS_SUPER_MAGIC, "cifs", FileSystemKind::network);
  expect_row(SMB2_SUPER_MAGIC, "smb2", FileSystemKind::network);
  expect_row(V9FS_MAGIC, "9p", FileSystemKind::network);
  expect_row(FUSE_SUPER_MAGIC, "fuse", FileSystemKind::network);
  expect_row(CEPH_SUPER_MAGIC, "ceph", FileSystemKind::network);
  expect_row(AFS_SUPER_MAGIC, "afs", FileSystemKind::network);
  expect_row(AFS_FS_MAGIC, "afs", FileSystemKind::network);
  expect_row(CODA_SUPER_MAGIC, "coda", FileSystemKind::network);
  expect_row(OCFS2_SUPER_MAGIC, "ocfs2", FileSystemKind::network);
}

TEST(FileSystemOfFuse, IsAProgramOfThisMachineUnlessItServesANetwork) {
  const auto kind = [](const std::string& type, const std::string& source) {
    const FileSystem found = file_system_of_fuse(type, source);
    EXPECT_EQ(found.name, type);
    EXPECT_EQ(found.timestamp_granularity, 2s) << "the program's";
    return found.kind;
  };
  for (const auto& [type, source] :
       std::vector<std::pair<std::string, std::string>>{{"fuse.bindfs", "/data"},
                                                        {"fuse", "/dev/fuse"},
                                                        {"fuseblk", "/dev/sdb1"},
                                                        {"fuse.mergerfs", "1:2"},
                                                        {"fuse.encfs", "encfs"},
                                                        {"fuse.gocryptfs", "/a:b"},
                                                        {"fuse.something", "something"},
                                                        {"fuseblk", "label:1"}}) {
    EXPECT_EQ(kind(type, source), FileSystemKind::fuse) << type << " " << source;
  }
  for (const auto& [type, source] :
       std::vector<std::pair<std::string, std::string>>{{"fuse.sshfs", "user@host:/data"},
                                                        {"fuse.rclone", "remote:"},
                                                        {"fuse.s3fs", "s3fs"},
                                                        {"fuse.gcsfuse", "bucket"},
                                                        {"fuse", "https://host/dav/"},
                                                        {"fuse", "mountpoint-s3"},
                                                        {"fuse", "sshfs#user@host:"},
                                                        {"fuse.davfs2", "x"},
                                                        {"fuse.glusterfs", "host:/volume"},
                                                        {"fuse.unheard-of", "host:/volume"},
                                                        {"fuse.unheard-of", "x://y"},
                                                        {"fuse.grpcfuse", "grpcfuse"}}) {
    EXPECT_EQ(kind(type, source), FileSystemKind::network) << type << " " << source;
  }
}

TEST(FindMount, ReadsTheMountinfoOfProc) {
  std::istringstream text(
      "22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
      "short line\n"
      "90 28 0:60 / /mnt/a\\040b rw - fuse.sshfs user@host:/my\\040files\\134x rw,user_id=0\n"
      "91 28 0:61 / /mnt/c rw master:1 propagate_from:2 - fuse bad\\04 rw\n");
  const auto find = [&](unsigned minor) {
    text.clear();
    text.seekg(0);
    return platform::find_mount(text, 0, minor);
  };
  ASSERT_TRUE(find(60));
  EXPECT_EQ(find(60)->type, "fuse.sshfs");
  EXPECT_EQ(find(60)->source, "user@host:/my files\\x");
  ASSERT_TRUE(find(61));
  EXPECT_EQ(find(61)->source, "bad\\04");
  EXPECT_FALSE(find(6));
}

TEST(FileSystemTable, WhatItDoesNotKnowIsLocalWithTheCoarsestClock) {
  const FileSystem found = file_system_of_magic(0x12345678);
  EXPECT_EQ(found.name, "unknown");
  EXPECT_EQ(found.kind, FileSystemKind::local);
  EXPECT_EQ(found.timestamp_granularity, 2s);
}

TEST(FileSystemTable, CoarseClocksAreKnown) {
  EXPECT_LE(file_system_of_magic(EXT4_SUPER_MAGIC).timestamp_granularity, 10ms);
  EXPECT_EQ(file_system_of_magic(MSDOS_SUPER_MAGIC).timestamp_granularity, 2s);
  EXPECT_EQ(file_system_of_magic(0x7366746e).timestamp_granularity, 100ns) << "ntfs3";
}

// f_type is signed on some machines: a magic with its highest bit set must be found all the same.
TEST(FileSystemOf, AgreesWithTheKernel) {
  for (const std::string path : {"/dev/shm", "/tmp", "/proc"}) {
    struct statfs info {};
    if (::statfs(path.c_str(), &info) != 0) continue;
    const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, path);
    const FileSystem expected = file_system_of_magic(static_cast<std::uint32_t>(info.f_type));
    EXPECT_EQ(file_system_of(fd.get(), path).name, expected.name) << path;
  }
  EXPECT_EQ(file_system_of_magic(0xff534d42).name, "cifs");
}

// Two writes further apart than the granularity have different times: that is what it is for.
TEST(FileSystemOf, TheGranularityHolds) {
  const kit::TemporaryDirectory directory;
  const std::string path = directory.file("file");
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDWR | O_CREAT, 0600, path);
  const auto granularity = file_system_of(fd.get(), path).timestamp_granularity;
  const std::byte byte{};
  for (int i = 0; i < 3; ++i) {
    write_all(fd.get(), {&byte, 1}, 0, path);
    const FileStat before = stat_of(fd.get(), path);
    const auto end = std::chrono::steady_clock::now() + granularity;
    while (std::chrono::steady_clock::now() <= end) continue;
    write_all(fd.get(), {&byte, 1}, 0, path);
    EXPECT_NE(stat_of(fd.get(), path).ctime_ns, before.ctime_ns);
    EXPECT_FALSE(stat_of(fd.get(), path).unchanged(before));
  }
}

TEST(FreeSpace, IsThatOfAnUnprivilegedUser) {
  const kit::TemporaryDirectory directory;
  const UniqueFd fd =
      open_at(AT_FDCWD, directory.path(), O_RDONLY | O_DIRECTORY, 0, directory.path());
  struct statvfs info {};
  ASSERT_EQ(::fstatvfs(fd.get(), &info), 0);
  const std::uint64_t total = std::uint64_t{info.f_blocks} * info.f_frsize;
  const std::uint64_t free = free_space_bytes(fd.get(), directory.path());
  EXPECT_GT(free, 0U);
  EXPECT_LE(free, total);
  // Others write here meanwhile: near what statvfs says, within a tenth of the whole.
  const std::uint64_t expected = std::uint64_t{info.f_bavail} * info.f_frsize;
  EXPECT_LT(free > expected ? free - expected : expected - free, total / 10);
}

TEST(FileSystemOf, ABadDescriptorIsAnError) {
  EXPECT_EQ(test::code_of([] { file_system_of(-1, "x"); }), Errc::io_error);
  const auto error = test::error_of([] { free_space_bytes(-1, "x"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->os_errno(), EBADF);
  EXPECT_EQ(error->path(), "x");
}

}  // namespace
}  // namespace sqlbk
