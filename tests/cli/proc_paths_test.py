"""Sources named through the links of /proc, which lead to files and say nothing that could be read;
and other ways to a file that are no plain path."""

import os
import signal
import subprocess
import sys

from support import CliTest, Owner, PATIENCE_S, main, rows, rows_of, works

NEW_NAMESPACE = ("unshare", "--mount", "--propagation", "private", "--")
STRATEGIES = ("auto", "lock", "snapshot", "online", "follow", "retry-verify")


class ElsewhereOwner(Owner):
    """An owner in a mount namespace of its own, where a tmpfs hides the directory of the tests: the
    database that it makes there has the path of the one outside."""

    _PROGRAM = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
directory = os.path.dirname(sys.argv[1])
if libc.mount(b"none", directory.encode(), b"tmpfs", 0, None) != 0:
    sys.exit("mount: " + os.strerror(ctypes.get_errno()))
os.chdir(directory)
""" + Owner._PROGRAM

    def __init__(self, path):
        self.process = subprocess.Popen(
            [*NEW_NAMESPACE, sys.executable, "-c", self._PROGRAM, path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def pid(self):
        return self.process.pid


def descriptor_of(pid, ending):
    """The number of the descriptor under which `pid` has a file whose path ends so."""
    for number in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{number}").removesuffix(" (deleted)").endswith(ending):
            return number
    raise AssertionError(f"{pid} has no {ending} open")


class OtherMountNamespace(CliTest):
    def setUp(self):
        super().setUp()
        if not works(*NEW_NAMESPACE, "true") or os.geteuid() != 0:
            self.skipTest("no mount namespace is to be had")
        # Here: 100 rows. There, under the same path: one row in main, one in the WAL.
        self.make_database("app.db")
        self.elsewhere = ElsewhereOwner(self.path("app.db"))
        self.addCleanup(self.elsewhere.close)
        self.elsewhere.run("PRAGMA journal_mode=WAL",
                           "CREATE TABLE t(id INTEGER PRIMARY KEY, value BLOB)",
                           "INSERT INTO t VALUES(1, x'01')", "PRAGMA wal_checkpoint",
                           "PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(2, x'02')")
        self.expected = [(1, b"\x01"), (2, b"\x02")]

    def check_all(self, source):
        for strategy in STRATEGIES:
            with self.subTest(strategy, source=source):
                self.copy("--force", "--strategy", strategy, source, "copy.db")
                self.check_copy("copy.db", self.expected)
                os.unlink(self.path("copy.db"))

    def test_root_of_a_process(self):
        self.check_all(f"/proc/{self.elsewhere.pid}/root{self.path('app.db')}")

    def test_working_directory_of_a_process(self):
        self.check_all(f"/proc/{self.elsewhere.pid}/cwd/app.db")

    def test_descriptor_of_a_process(self):
        number = descriptor_of(self.elsewhere.pid, "/app.db")
        self.check_all(f"/proc/{self.elsewhere.pid}/fd/{number}")
        self.check_all(f"/proc/{self.elsewhere.pid}/task/{self.elsewhere.pid}/fd/{number}")

    def test_a_link_to_the_link(self):
        os.symlink(f"/proc/{self.elsewhere.pid}/root", self.path("container"))
        os.symlink(f"container{self.path('app.db')}", self.path("link.db"))
        self.check_all("link.db")

    def test_verify_and_inspect_see_the_same_file(self):
        source = f"/proc/{self.elsewhere.pid}/root{self.path('app.db')}"
        result = self.run_sqlbk("verify", source)
        self.assertEqual(result.code, 0, str(result))
        found = self.run_sqlbk("inspect", "--json", source).json
        self.assertEqual(found["journal_mode"], "wal")
        self.assertEqual([user["pid"] for user in found["users"]], [self.elsewhere.pid])

    def test_the_file_of_that_name_here_is_no_part_of_it(self):
        # A hot journal of the database outside would be rolled back into the copy.
        os.rename(self.path("app.db"), self.path("away.db"))
        with open(self.path("app.db-journal"), "wb") as file:
            file.write(bytes.fromhex("d9d505f920a163d7") + b"\1" * 504)
        self.check_all(f"/proc/{self.elsewhere.pid}/root{self.path('app.db')}")


class LinksOfProc(CliTest):
    def test_own_directory(self):
        self.make_database("app.db", wal=True)
        owner = self.owner("app.db")
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
        for source in ("/proc/self/cwd/app.db", f"/proc/self/root{self.path('app.db')}",
                       "/dev/fd/9/app.db"):
            for strategy in STRATEGIES:
                with self.subTest(strategy, source=source):
                    wrapper = ("sh", "-c", 'exec 9<. && exec "$0" "$@"')
                    self.copy("--strategy", strategy, source, "copy.db", wrapper=wrapper)
                    self.check_copy("copy.db", rows(100) + [(1000, b"\x01")])
                    os.unlink(self.path("copy.db"))

    def test_descriptor_that_was_inherited(self):
        self.make_database("app.db", wal=True)
        owner = self.owner("app.db")
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
        wrapper = ("sh", "-c", 'exec 9<app.db && exec "$0" "$@"')
        for source in ("/dev/fd/9", "/proc/self/fd/9"):
            with self.subTest(source):
                self.copy(source, "copy.db", wrapper=wrapper)
                self.check_copy("copy.db", rows(100) + [(1000, b"\x01")])
                os.unlink(self.path("copy.db"))

    def test_file_that_was_renamed_while_it_is_open(self):
        self.make_database("app.db")
        with open(self.path("app.db"), "rb") as file:
            os.rename(self.path("app.db"), self.path("renamed.db"))
            self.copy(f"/proc/{os.getpid()}/fd/{file.fileno()}", "copy.db")
        self.check_copy("copy.db", rows(100))

    def test_name_that_ends_as_the_kernel_marks_deleted_files(self):
        self.make_database("app.db (deleted)")
        with open(self.path("app.db (deleted)"), "rb") as file:
            self.copy(f"/proc/{os.getpid()}/fd/{file.fileno()}", "copy.db")
        self.check_copy("copy.db", rows(100))

    def test_deleted_file_says_so(self):
        self.make_database("app.db")
        with open(self.path("app.db"), "rb") as file:
            link = f"/proc/{os.getpid()}/fd/{file.fileno()}"
            os.unlink(self.path("app.db"))
            result = self.refused(6, "unsupported_database", link, link, "copy.db")
            self.assertIn("it was deleted", result.json["error"]["message"])
            # Another name that it still has is not what it was opened by.
            self.make_database("other.db")
        with open(self.path("other.db"), "rb") as file:
            os.link(self.path("other.db"), self.path("second-name.db"))
            os.unlink(self.path("other.db"))
            link = f"/proc/{os.getpid()}/fd/{file.fileno()}"
            result = self.refused(6, "unsupported_database", link, link, "copy.db")
            self.assertIn("it was deleted", result.json["error"]["message"])

    def test_hint_for_a_deleted_file_works(self):
        self.make_database("app.db", wal=True)
        owner = self.owner("app.db")
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
        pid = owner.process.pid
        main_fd = descriptor_of(pid, "/app.db")
        wal_fd = descriptor_of(pid, "/app.db-wal")
        for suffix in ("", "-wal", "-shm"):
            os.unlink(self.path("app.db" + suffix))
        result = self.refused(6, "unsupported_database", f"/proc/{pid}/fd/{main_fd}",
                              f"/proc/{pid}/fd/{main_fd}", "copy.db")
        for word in ("kill -STOP", "/proc/PID/fd", "cp"):
            self.assertIn(word, result.json["error"]["hint"])
        os.kill(pid, signal.SIGSTOP)
        for number, name in ((main_fd, "saved.db"), (wal_fd, "saved.db-wal")):
            subprocess.run(["cp", f"/proc/{pid}/fd/{number}", self.path(name)], check=True,
                           timeout=PATIENCE_S)
        os.kill(pid, signal.SIGCONT)
        self.copy("saved.db", "copy.db")
        self.check_copy("copy.db", rows(100) + [(1000, b"\x01")])

    def test_what_is_no_file(self):
        wrapper = ("sh", "-c", 'exec 9<. && exec "$0" "$@"')
        self.refused(6, "not_a_database", "/proc/self/fd/9", "/proc/self/fd/9", "copy.db",
                     wrapper=wrapper)
        self.refused(6, "not_a_database", "/proc/self/cwd", "/proc/self/cwd", "copy.db")
        self.refused(6, "not_a_database", "/proc/self/fd/0", "/proc/self/fd/0", "copy.db")


class OtherWays(CliTest):
    def make_live(self, name):
        self.make_database(name, wal=True)
        owner = self.owner(name)
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
        self.expected = rows(100) + [(1000, b"\x01")]

    def check_all(self, source, cwd=None):
        for strategy in STRATEGIES:
            with self.subTest(strategy, source=source):
                self.copy("--strategy", strategy, source, self.path("copy.db"), cwd=cwd)
                self.check_copy("copy.db", self.expected)
                os.unlink(self.path("copy.db"))

    def test_chain_of_relative_links(self):
        os.makedirs(self.path("a/b/c"))
        os.makedirs(self.path("data"))
        self.make_live("data/app.db")
        os.symlink("../../data", self.path("a/b/data"))
        os.symlink("../data/app.db", self.path("a/b/c/one.db"))
        os.symlink("b/c/one.db", self.path("a/two.db"))
        os.symlink(self.path("a/two.db"), self.path("three.db"))
        self.check_all("three.db")
        self.check_all("../two.db", cwd=self.path("a/b"))
        # "..": of where the link leads, as the kernel takes it, not of where it stands.
        self.check_all("a/b/data/../data/app.db")

    def test_bind_mounts(self):
        if not works(*NEW_NAMESPACE, "true") or os.geteuid() != 0:
            self.skipTest("no mount namespace is to be had")
        os.makedirs(self.path("data"))
        os.makedirs(self.path("mount"))
        self.make_live("data/app.db")
        wrapper = (*NEW_NAMESPACE, "sh", "-c",
                   'mount --bind data mount && exec "$0" "$@"')
        for strategy in STRATEGIES:
            with self.subTest(strategy):
                self.copy("--strategy", strategy, "mount/app.db", "copy.db", wrapper=wrapper)
                self.check_copy("copy.db", self.expected)
                os.unlink(self.path("copy.db"))

    def test_directories(self):
        self.make_database("app.db")
        os.mkdir(self.path("dir"))
        for source in ("dir", "dir/", "dir/.", "dir/..", "..", "."):
            with self.subTest(source):
                result = self.refused(6, "not_a_database", source, source, "copy.db")
                self.assertIn("is a directory", result.json["error"]["message"])
        for source in ("app.db/", "app.db/.", "app.db/..", "nothing/..", "nothing/../app.db"):
            with self.subTest(source):
                self.refused(1, "source_missing", source, source, "copy.db")

    def test_directory_that_is_replaced_while_it_is_copied(self):
        """The owner's journal comes by path: in a directory that was moved away none is seen."""
        os.mkdir(self.path("data"))
        os.mkdir(self.path("new"))
        self.make_big_database("data/app.db")
        self.make_database("new/app.db")
        gate = self.gate("copy_file_range")
        gate.hold("copy", "--strategy", "range", "data/app.db", "copy.db")
        os.rename(self.path("data"), self.path("old"))
        os.rename(self.path("new"), self.path("data"))
        result = gate.open()
        self.assertEqual(result.code, 4, str(result))
        self.assert_no_trace("copy.db")


if __name__ == "__main__":
    main()
