"""The right files: programs that use the database with sidecars that are not those beside it, or use
these sidecars with another main file. Nothing is copied then (exit 4); and where it cannot be seen
what a program uses, the copy says so (verdict `assumed`). Beside honest owners nothing changes.

Each transaction gives all rows the next number: rows of two numbers are a torn copy, a number that
is smaller than the last that was committed before the copy began is a stale one.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import unittest

from support import CliTest, closing, connect, immutable, main, works

ROWS = 300
COPIES = int(os.environ.get("SQLBK_COPIES", "5"))
TEST_SQLITE = os.environ.get("SQLBK_TEST_SQLITE", "")
IS_ROOT = os.geteuid() == 0
IS_INITIAL_NAMESPACE = os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC

# All that can copy a live database.
STRATEGIES = ("auto", "lock", "snapshot", "online", "retry-verify", "follow", "range", "plain")
# Few tries: what they wait for does not come.
IMPATIENT = ("--timeout", "500ms", "--copy-retry", "2")


class RemoteOwner:
    """test-sqlite: an owner whose VFS or locks can be chosen, and in what it is run."""

    def __init__(self, path, how="", wrapper=()):
        self.process = subprocess.Popen([*wrapper, TEST_SQLITE, path, *([how] if how else [])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()

    def _answer(self):
        code, _, text = self.process.stdout.readline().decode().rstrip("\n").partition(" ")
        if code != "0":
            raise sqlite3.Error(text)
        return text

    def run(self, *statements):
        text = ""
        for sql in statements:
            self.process.stdin.write(sql.encode() + b"\n")
            self.process.stdin.flush()
            text = self._answer()
        return text

    def close(self):
        if self.process.poll() is None and not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def kill(self):
        self.process.kill()
        self.close()


class RightFilesTest(CliTest):
    def make(self, name="app.db", mode="wal", value=0):
        path = self.path(name)
        with closing(connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode={mode}")
            connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER, filler BLOB)")
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO t VALUES(?, ?, zeroblob(3000))",
                                   ((i, value) for i in range(ROWS)))
            connection.execute("COMMIT")
        return path

    def owner(self, name="app.db", *pragmas):
        owner = super().owner(name)
        owner.run("PRAGMA wal_autocheckpoint=0", "PRAGMA synchronous=OFF", "PRAGMA cache_size=8",
                  *pragmas)
        return owner

    def remote(self, name="app.db", how="", wrapper=()):
        owner = RemoteOwner(self.path(name), how, wrapper)
        self.addCleanup(owner.close)
        owner.run("PRAGMA wal_autocheckpoint=0", "PRAGMA synchronous=OFF", "PRAGMA cache_size=8")
        return owner

    def dead_owner(self, value, *pragmas, name="app.db"):
        """Leaves a WAL, or a hot journal, behind."""
        owner = self.owner(name, *pragmas)
        owner.run(f"UPDATE t SET v={value}")
        owner.kill()

    def values(self, name):
        with closing(immutable(self.path(name))) as connection:
            return sorted({row[0] for row in connection.execute("SELECT v FROM t")})

    def copy_by(self, strategy, *options, wrapper=(), name="app.db"):
        for leftover in ("copy.db",):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(leftover))
        return self.run_sqlbk("copy", "--json", "--strategy", strategy, *IMPATIENT, *options, name,
                              "copy.db", wrapper=wrapper)

    def describe(self, result):
        if result.code != 0:
            return f"exit {result.code}: {result.json['error']['message']}"
        return f"exit 0, {result.json['verdict']}, values {self.values('copy.db')}: {result}"

    def expect_refused(self, strategies=STRATEGIES, **options):
        """Busy, or not for this strategy: no copy."""
        for strategy in strategies:
            with self.subTest(strategy):
                result = self.copy_by(strategy, **options)
                self.assertEqual(result.code, 4, self.describe(result))
                self.assert_no_trace("copy")

    def expect_assumed(self, strategies, *words, value=None, **options):
        for strategy in strategies:
            with self.subTest(strategy):
                result = self.copy_by(strategy, **options)
                self.assertEqual(result.code, 0, self.describe(result))
                self.assertEqual(result.json["verdict"], "assumed", self.describe(result))
                for word in words:
                    self.assertIn(word, str(result.json["assumptions"]))
                if value is not None:
                    self.assertEqual(self.values("copy.db"), [value])
                strict = self.copy_by(strategy, "--strict", **options)
                self.assertEqual(strict.code, 4, self.describe(strict))
                vouched = self.copy_by(strategy, "--strict", "--assume", "these-files", **options)
                self.assertEqual(vouched.code, 0, self.describe(vouched))


class MainReplaced(RightFilesTest):
    """A restore gives the name to another database while the owner goes on with the old one."""

    def replace(self, mode="wal"):
        self.make("restored.db", mode, 100)
        os.rename(self.path("restored.db"), self.path("app.db"))

    def test_under_a_wal_owner(self):
        self.make()
        owner = self.owner()
        owner.run("UPDATE t SET v=1 WHERE id < 150", "UPDATE t SET v=2 WHERE id < 100")
        self.replace()
        self.expect_refused()
        # A program that opens the new one uses the same -shm and vouches for nothing.
        with contextlib.suppress(sqlite3.Error):
            self.owner().run("SELECT count(*) FROM t")
        self.expect_refused()

    def test_under_an_exclusive_wal_owner(self):
        self.make()
        owner = self.owner("app.db", "PRAGMA locking_mode=EXCLUSIVE")
        owner.run("UPDATE t SET v=1 WHERE id < 150")
        self.replace()
        self.expect_refused()

    def test_under_a_rollback_owner_in_a_transaction(self):
        for mode in ("delete", "persist", "truncate"):
            with self.subTest(mode):
                self.make(mode=mode)
                owner = self.owner("app.db", f"PRAGMA journal_mode={mode}")
                owner.run("BEGIN", "UPDATE t SET v=1")
                self.replace(mode)
                self.expect_refused()
                owner.kill()
                for suffix in ("", "-journal"):
                    os.unlink(self.path("app.db") + suffix)


class AnotherName(RightFilesTest):
    """The owner has opened the database under another name, and its sidecars are there."""

    def check(self):
        owner = self.owner("other.db")
        owner.run("UPDATE t SET v=1")
        self.expect_refused()
        bystander = self.owner()
        bystander.run("SELECT count(*) FROM t")
        self.expect_refused()
        owner.run("PRAGMA wal_checkpoint(PASSIVE)", "UPDATE t SET v=2")
        self.expect_refused()

    def test_a_hard_link(self):
        os.link(self.make(), self.path("other.db"))
        self.check()

    @unittest.skipUnless(IS_ROOT, "only root can mount")
    def test_a_bind_mount_of_the_file(self):
        path = self.make()
        with open(self.path("other.db"), "wb"):
            pass
        if not works("mount", "--bind", path, self.path("other.db")):
            self.skipTest("no bind mounts here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.path("other.db")], check=False)
        self.check()

    def test_a_database_that_was_moved(self):
        self.make()
        owner = self.owner()
        owner.run("UPDATE t SET v=1")
        os.rename(self.path("app.db"), self.path("moved.db"))
        bystander = self.owner("moved.db")
        bystander.run("SELECT count(*) FROM t")
        self.expect_refused(name="moved.db")

    def test_an_exclusive_owner(self):
        path = self.make()
        self.dead_owner(1)
        os.link(path, self.path("other.db"))
        owner = self.owner("other.db", "PRAGMA locking_mode=EXCLUSIVE")
        owner.run("UPDATE t SET v=2 WHERE id < 150")
        self.expect_refused()

    def test_a_writer_with_its_journal_there(self):
        path = self.make(mode="delete")
        os.link(path, self.path("other.db"))
        owner = self.owner("other.db")
        owner.run("BEGIN", "UPDATE t SET v=1")
        self.expect_refused()
        # A dead owner's journal here is not the one that takes that back.
        shutil.copy(self.path("other.db-journal"), self.path("app.db-journal"))
        self.expect_refused()

    def test_an_encrypted_database(self):
        path = self.make()
        os.link(path, self.path("other.db"))
        owner = self.owner("other.db")
        owner.run("UPDATE t SET v=1", "UPDATE t SET v=2")
        # What an owner that encrypts leaves to be seen of page 1.
        with open(path, "r+b") as file:
            file.write(bytes(range(1, 101)))
        for strategy in ("auto", "lock", "retry-verify", "range"):
            with self.subTest(strategy):
                result = self.copy_by(strategy, "--opaque")
                self.assertEqual(result.code, 4, str(result))

    def test_nothing_is_known_of_another_name(self):
        path = self.make(mode="delete")
        os.link(path, self.path("other.db"))
        self.expect_assumed(("auto", "range", "retry-verify"), "hard links", value=0)
        owner = self.owner("other.db")
        owner.run("BEGIN", "UPDATE t SET v=1")
        owner.kill()
        for strategy in ("auto", "range", "retry-verify"):
            result = self.copy_by(strategy)
            self.assertEqual((result.code, result.json["verdict"]), (0, "assumed"))


class SidecarReplaced(RightFilesTest):
    def test_an_index_that_was_removed_and_made_anew(self):
        self.make()
        owner = self.owner()
        owner.run("UPDATE t SET v=1")
        os.unlink(self.path("app.db-shm"))
        reader = self.owner()
        reader.run("SELECT count(*) FROM t")
        owner.run("UPDATE t SET v=2")
        self.expect_refused()

    @unittest.skipUnless(IS_ROOT, "what a process has open cannot be seen")
    def test_a_wal_that_was_removed_and_made_anew(self):
        self.make()
        owner = self.owner()
        owner.run("UPDATE t SET v=1")
        os.unlink(self.path("app.db-wal"))
        with contextlib.suppress(sqlite3.Error):
            self.owner().run("SELECT count(*) FROM t")
        self.expect_refused()


class HalfATransaction(RightFilesTest):
    """Main holds it, and nothing on the disk says so but what its owner holds."""

    STRATEGIES = ("auto", "retry-verify", "range", "plain")

    def test_beside_a_journal_of_another_program(self):
        for mode in ("MEMORY", "OFF"):
            with self.subTest(mode):
                self.make(mode="persist")
                first = self.owner("app.db", "PRAGMA journal_mode=PERSIST")
                second = self.owner("app.db", f"PRAGMA journal_mode={mode}")
                for strategy in self.STRATEGIES:
                    with self.subTest(strategy):
                        # Within half a second of it.
                        first.run("UPDATE t SET v=v+1")
                        second.run("BEGIN", "UPDATE t SET v=v+1 WHERE id < 200")
                        result = self.copy_by(strategy)
                        self.assertEqual(result.code, 4, self.describe(result))
                        second.run("ROLLBACK") if mode == "MEMORY" else second.run("COMMIT")
                for suffix in ("", "-journal"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self.path("app.db") + suffix)

    @unittest.skipUnless(TEST_SQLITE, "the program was not built")
    def test_of_an_owner_with_a_lock_file(self):
        self.make(mode="delete")
        owner = self.remote(how="unix-none")
        for text in ("{0}\n", "{0}", "pid {0} on host\n"):
            with self.subTest(text):
                owner.run("PRAGMA journal_mode=MEMORY", "BEGIN", "UPDATE t SET v=v+1 WHERE id < 200")
                with open(self.path("app.db.lock"), "w", encoding="ascii") as file:
                    file.write(text.format(owner.process.pid))
                self.expect_refused(self.STRATEGIES + ("lock", "online", "snapshot"))
                owner.run("ROLLBACK")
                os.unlink(self.path("app.db.lock"))
                self.assertEqual(self.copy_by("auto").code, 0)

    @unittest.skipUnless(TEST_SQLITE, "the program was not built")
    def test_of_an_owner_that_locks_with_flock(self):
        path = self.make(mode="delete")
        owner = subprocess.Popen(
            [sys.executable, "-c", """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
os.pwrite(fd, os.pread(fd, 4096, 40960), 81920)
print("half done", flush=True)
sys.stdin.read()
""", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(owner.stdout.close)
        self.addCleanup(owner.wait)
        self.addCleanup(owner.stdin.close)
        owner.stdout.readline()
        self.expect_refused(self.STRATEGIES + ("lock", "online", "snapshot"))

    def test_a_lock_by_flock_for_the_copy_is_none(self):
        """As flock(1) takes it before it runs a command."""
        path = self.make(mode="delete")
        self.assertEqual(
            subprocess.run(["flock", path, os.environ["SQLBK"], "copy", "--quiet", path,
                            self.path("copy.db")], check=False).returncode, 0)


@unittest.skipUnless(IS_ROOT, "only root can make namespaces")
class Unseen(RightFilesTest):
    """sqlbk in a container with the volume of another one."""

    CONTAINER = ("unshare", "-p", "-f", "--mount-proc")

    def setUp(self):
        super().setUp()
        if not works(*self.CONTAINER, "true"):
            self.skipTest("no process-id namespaces here")

    def test_an_owner_in_wal_mode(self):
        self.make()
        owner = self.owner()
        owner.run("UPDATE t SET v=1")
        self.expect_assumed(("auto", "lock", "snapshot", "online", "retry-verify", "follow"),
                            "container", value=1, wrapper=self.CONTAINER)

    def test_an_exclusive_owner(self):
        self.make()
        owner = self.owner("app.db", "PRAGMA locking_mode=EXCLUSIVE")
        owner.run("UPDATE t SET v=1")
        self.expect_assumed(("auto", "retry-verify", "follow"), "container", value=1,
                            wrapper=self.CONTAINER)

    def test_the_journal_of_an_exclusive_owner(self):
        self.make(mode="persist")
        owner = self.owner("app.db", "PRAGMA journal_mode=PERSIST",
                           "PRAGMA locking_mode=EXCLUSIVE")
        owner.run("UPDATE t SET v=1")
        # In the same tick of the clock: nothing tells which of the two was written last.
        stamp = os.stat(self.path("app.db")).st_mtime_ns
        os.utime(self.path("app.db-journal"), ns=(stamp, stamp))
        for strategy in ("auto", "retry-verify", "range"):
            with self.subTest(strategy):
                result = self.copy_by(strategy, wrapper=self.CONTAINER)
                self.assertEqual((result.code, result.json["verdict"]), (0, "assumed"), str(result))
                self.assertIn("a process that cannot be seen from here, which holds an EXCLUSIVE "
                              "lock, journals to", str(result.json["assumptions"]))
                self.assertEqual(self.values("copy.db"), [1])
                vouched = ("--strict", "--assume", "these-files")
                refused = self.copy_by(strategy, *vouched, wrapper=self.CONTAINER)
                self.assertIn("--assume journals-here", refused.json["error"]["hint"])
                accepted = self.copy_by(strategy, *vouched, "--assume", "journals-here",
                                        wrapper=self.CONTAINER)
                self.assertEqual(accepted.code, 0, str(accepted))

    def test_an_exclusive_owner_beside_another_name(self):
        """It cannot be seen that the WAL here is a dead one's: the copy says what it rests on."""
        path = self.make()
        self.dead_owner(1)
        os.link(path, self.path("other.db"))
        owner = self.owner("other.db", "PRAGMA locking_mode=EXCLUSIVE")
        owner.run("UPDATE t SET v=2 WHERE id < 150")
        for strategy in ("auto", "retry-verify", "follow"):
            with self.subTest(strategy):
                result = self.copy_by(strategy, wrapper=self.CONTAINER)
                if result.code == 0:
                    self.assertEqual(result.json["verdict"], "assumed", self.describe(result))

    def test_an_idle_owner_in_rollback_mode(self):
        """It holds no lock, as fcntl(2) tells of every process of this kernel."""
        self.make(mode="delete")
        owner = self.owner()
        owner.run("UPDATE t SET v=1")
        result = self.copy_by("auto", wrapper=self.CONTAINER)
        self.assertEqual((result.code, result.json["verdict"]), (0, "at-rest"), str(result))
        self.assertEqual(self.values("copy.db"), [1])

    def test_a_dead_owner(self):
        """Or one that has lost the name to another file, and is not seen."""
        self.make()
        self.dead_owner(1)
        self.expect_assumed(("auto", "range", "retry-verify"), "container", value=1,
                            wrapper=self.CONTAINER)

    def test_no_owner_at_all(self):
        self.make(mode="delete")
        result = self.copy_by("auto", wrapper=self.CONTAINER)
        self.assertEqual((result.code, result.json["verdict"]), (0, "at-rest"), str(result))


class WritesBack(RightFilesTest):
    @unittest.skipUnless(shutil.which("bindfs") and os.path.exists("/dev/fuse"), "no bindfs here")
    def test_a_file_system_above_this_one(self):
        self.make(mode="delete")
        above = os.path.join(self.private, "above")
        os.mkdir(above)
        if not works("bindfs", self.dir, above):
            self.skipTest("bindfs does not work here")
        self.addCleanup(subprocess.run, ["umount", "-l", above], check=False)
        owner = super().owner("../private/above/app.db")
        owner.run("UPDATE t SET v=1")
        self.expect_assumed(("auto", "range", "retry-verify"), "FUSE")


@unittest.skipUnless(IS_INITIAL_NAMESPACE, "not every process can be seen from here")
class HonestOwners(RightFilesTest):
    """Nothing is assumed beside them, and no copy is refused."""

    def check(self, *verdicts, name="app.db", value=None, options=()):
        for _ in range(COPIES):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path("copy.db"))
            report = self.copy_json(*options, name, "copy.db")
            self.assertIn(report["verdict"], verdicts, report)
            self.assertEqual(report["assumptions"], [])
            if value is not None:
                self.assertEqual(self.values("copy.db"), [value])

    def test_wal(self):
        self.make()
        self.owner().run("UPDATE t SET v=1")
        self.owner().run("SELECT count(*) FROM t")
        self.check("snapshot", value=1)

    def test_wal_exclusive(self):
        self.make()
        self.owner("app.db", "PRAGMA locking_mode=EXCLUSIVE").run("UPDATE t SET v=1")
        self.check("proven", value=1)

    def test_rollback_idle(self):
        self.make(mode="delete")
        self.owner().run("UPDATE t SET v=1")
        self.check("at-rest", value=1)

    def test_rollback_reader(self):
        self.make(mode="delete")
        self.owner().run("BEGIN", "SELECT count(*) FROM t")
        self.check("at-rest", value=0)

    def test_rollback_exclusive(self):
        for mode in ("delete", "truncate", "persist"):
            with self.subTest(mode):
                self.make(mode="delete")
                owner = self.owner("app.db", f"PRAGMA journal_mode={mode}",
                                   "PRAGMA locking_mode=EXCLUSIVE")
                owner.run("UPDATE t SET v=1")
                self.check("at-rest", value=1)
                owner.close()
                for suffix in ("", "-journal"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self.path("app.db") + suffix)

    def test_rollback_in_a_transaction(self):
        self.make(mode="delete")
        self.owner().run("BEGIN", "UPDATE t SET v=1")
        self.check("recovered", value=0)

    @unittest.skipUnless(TEST_SQLITE and IS_ROOT, "their locks could not be attributed")
    def test_locks_of_an_open_file(self):
        self.make()
        owner = self.remote(how="open-file-locks")
        owner.run("UPDATE t SET v=1")
        self.check("snapshot", value=1)

    def test_through_a_symbolic_link(self):
        self.make()
        os.symlink(self.path("app.db"), self.path("link.db"))
        self.owner("link.db").run("UPDATE t SET v=1")
        self.check("snapshot", value=1)
        self.check("snapshot", name="link.db", value=1)

    def test_another_copy_at_the_same_time(self):
        self.make()
        self.owner().run("UPDATE t SET v=1")
        held = self.gate("copy_file_range").hold("copy", "--strategy", "lock+range", "app.db",
                                                 "held.db")
        self.check("snapshot", value=1)
        held.kill()

    @unittest.skipUnless(IS_ROOT, "only root can mount")
    def test_locks_on_a_file_of_the_same_number_elsewhere(self):
        for name in ("one", "two"):
            os.mkdir(self.path(name))
            if not works("mount", "-t", "tmpfs", "-o", "size=8m", "none", self.path(name)):
                self.skipTest("no tmpfs here")
            self.addCleanup(subprocess.run, ["umount", "-l", self.path(name)], check=False)
            self.make(f"{name}/app.db")
        self.owner("one/app.db").run("UPDATE t SET v=1")
        self.owner("two/app.db").run("UPDATE t SET v=1")
        self.assertEqual(os.stat(self.path("one/app.db")).st_ino,
                         os.stat(self.path("two/app.db")).st_ino)
        self.check("snapshot", name="one/app.db", value=1)


if __name__ == "__main__":
    main()
