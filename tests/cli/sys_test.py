"""Every system call that can fail for a reason of the outside world goes through sys(), so that the
fault sweep meets it. What does not stands here, by file, with the reason why.
"""

import collections
import os
import re
import unittest

ROOT = os.environ["SQLBK_SOURCE_ROOT"]

CALLS = """accept access chmod chown close close_range connect copy_file_range creat dup dup2 dup3
execve fallocate fchmod fchmodat fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork
fremovexattr fsetxattr fstat fstatat fstatfs fsync ftruncate futimens getdents64 getrandom getrlimit getxattr
ioctl kill lchown link linkat listxattr lockf lseek lstat mkdir mkdirat mkdtemp mkfifo mknod mkostemp
mkstemp mmap mremap msync munmap open openat openat2 opendir pidfd_open pipe pipe2 poll
posix_fadvise posix_fallocate posix_spawn prctl pread preadv pwrite pwritev read readahead readlink
readlinkat realpath recv recvmsg removexattr rename renameat renameat2 rmdir send sendfile sendmsg
setrlimit setxattr shm_open socket socketpair splice stat statfs statx statvfs fstatvfs symlink
symlinkat sync_file_range syncfs syscall truncate unlink unlinkat unshare utimensat vfork waitpid
write writev""".split()

# A call by its C name: "::open(", and not "LiveFiles::open(" nor "sys().open(".
CALL = re.compile(r"(?<![\w:>)])::(" + "|".join(CALLS) + r")\(")

ABOUT_PROC = "/proc: what cannot be read there counts as unseen"
NO_RESULT = "discards: nothing could be done about a failure"

EXCEPTIONS = {
    "libcore/src/sys.cpp": {"*": "the table itself"},
    "libcore/src/linux/clone.cpp": {"ioctl": "entries of the table"},
    "libcore/src/unique_fd.cpp": {"close": NO_RESULT},
    "libcore/src/live_files.cpp": {"close": NO_RESULT},
    "libcore/src/linux/descriptor_table.cpp": {
        "close_range": "where it is refused the run goes on in the common table",
        "open": "reserves numbers of descriptors; fewer are no harm", "close": NO_RESULT},
    "libcore/src/linux/process_files.cpp": dict.fromkeys(
        ("opendir", "stat", "statx", "readlink", "kill"), ABOUT_PROC),
    "libcore/src/linux/open_files.cpp": dict.fromkeys(("opendir", "statx", "syscall"), ABOUT_PROC),
    "libcore/src/linux/open_elsewhere.cpp": {
        "stat": ABOUT_PROC, "access": ABOUT_PROC, "fcntl": "F_SETSIG: the signal that is ignored by default"},
    "libcore/src/linux/obstacles.cpp": dict.fromkeys(
        ("stat", "statvfs", "statx", "syscall"), "foresees a failure for --dry-run; the run meets it itself"),
    "libcore/src/linux/reflink_support.cpp": {
        "ioctl": "asks for nothing; where it fails, FICLONE is tried and fails itself"},
    "libcore/src/room.cpp": {"getrlimit": "foresees a failure; the write meets it itself"},
    "libcore/src/users/lock_file.cpp": {"readlink": "a lock file that cannot be read names none"},
    "libcore/src/verbatim_vfs.cpp": {"lstat": "SQLite's own open(2) fails after it"},
    "libcopy/src/mover/mmap.cpp": {"munmap": NO_RESULT},
    "tools/sqlbk/progress_bar.cpp": {"ioctl": "the width of a terminal; 80 if it is not told"},
    "tools/sqlbk/text_file.cpp": {"mkostemp": "the tool's own text files"},
}


def calls_in(path):
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"//[^\n]*", "", file.read())
    return collections.Counter(CALL.findall(text))


def all_calls():
    found = {}
    for top in ("libcore/src", "libcopy/src", "libcheckpoint/src", "tools/sqlbk"):
        for parent, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                if name.endswith((".cpp", ".hpp")) and "/bench" not in parent:
                    path = os.path.join(parent, name)
                    if calls := calls_in(path):
                        found[os.path.relpath(path, ROOT)] = set(calls)
    return found


class SystemCalls(unittest.TestCase):
    def test_all_go_through_the_table(self):
        for path, calls in sorted(all_calls().items()):
            allowed = EXCEPTIONS.get(path, {})
            for call in sorted(calls):
                with self.subTest(path=path, call=call):
                    self.assertTrue("*" in allowed or call in allowed,
                                    f"{path} calls ::{call}() and not sys().{call}()")

    def test_no_exception_is_left_over(self):
        found = all_calls()
        for path, calls in EXCEPTIONS.items():
            for call in set(calls) - {"*"}:
                with self.subTest(path=path, call=call):
                    self.assertIn(call, found.get(path, ()))


if __name__ == "__main__":
    from support import main
    main()
