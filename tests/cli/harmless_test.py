"""What copying does to the source: only ever opened for reading, nothing made beside it, no lock
taken on it but SQLite's read locks, and those only by the strategies that say so."""

import os
import re
import shutil
import sqlite3
import subprocess
import unittest

from support import SQLBK, CliTest, closing, digest, main

STRACE = shutil.which("strace")
# Everything that could make, change or lock a file by name or descriptor.
TRACED = "trace=openat,open,creat,rename,renameat,renameat2,unlink,unlinkat,link,linkat," \
         "mkdir,mkdirat,symlink,symlinkat,truncate,fcntl,flock,utimensat,chmod,fchmodat"


def can_trace():
    if STRACE is None:
        return False
    run = subprocess.run([STRACE, "-o", "/dev/null", "true"], capture_output=True, check=False)
    return run.returncode == 0


@unittest.skipUnless(can_trace(), "needs strace and the right to trace")
class Harmless(CliTest):
    def make(self, mode, leave_wal):
        """A database that nobody has open; with `leave_wal` its owner died with a WAL."""
        source = self.path("app.db")
        connection = sqlite3.connect(source, isolation_level=None)
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE t(x)")
        connection.execute("INSERT INTO t VALUES(1)")
        if leave_wal:
            for suffix in ("", "-wal"):
                shutil.copyfile(source + suffix, os.path.join(self.private, "app.db" + suffix))
        connection.close()
        if leave_wal:
            for suffix in ("", "-wal"):
                shutil.copyfile(os.path.join(self.private, "app.db" + suffix), source + suffix)
        return source

    def traced_copy(self, source, *options):
        log = os.path.join(self.private, "strace.log")
        destination = os.path.join(self.private, "copy.db")
        run = subprocess.run([STRACE, "-f", "-y", "-s", "4096", "-e", TRACED, "-o", log, SQLBK,
                              "copy", *options, source, destination],
                             capture_output=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
                             check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        with closing(sqlite3.connect(destination)) as connection:
            self.assertEqual(connection.execute("SELECT x FROM t").fetchall(), [(1,)])
        os.unlink(destination)
        with open(log, encoding="utf-8", errors="replace") as lines:
            # What another thread has interrupted stands in two lines, of which the first one says
            # what is called.
            return [line for line in lines if source in line and " resumed>" not in line]

    def seen(self):
        """Every file that only a write, a truncation or a replacement could change."""
        return {name: (info.st_mtime_ns, info.st_ino, info.st_size)
                for name in os.listdir(self.dir) for info in [os.stat(self.path(name))]}

    def last_read(self):
        """These are our own files, so that O_NOATIME is permitted."""
        return {name: os.stat(self.path(name)).st_atime_ns for name in os.listdir(self.dir)}

    def check_untouched(self, mode, leave_wal, *options):
        self.check_trace(self.make(mode, leave_wal), *options)

    def check_trace(self, source, *options, takes_locks=False):
        before, read_before = self.seen(), self.last_read()
        lines = self.traced_copy(source, *options)
        self.assertTrue(any("openat" in line for line in lines), "the trace does not show the source")
        locks = flocks = 0
        for line in lines:
            if "openat(" in line:
                self.assertIn("O_RDONLY", line)
                self.assertNotIn("O_CREAT", line)
            elif "fcntl(" in line:
                # Asking who holds a lock takes none.
                if re.search(r"F_(OFD_)?SETLKW?\b|F_SETLEASE", line) is None:
                    continue
                locks += 1
                self.assertTrue(takes_locks, line)
                self.assertIsNotNone(re.search(r"F_OFD_SETLK, \{l_type=F_(RDLCK|UNLCK)", line), line)
            elif "flock(" in line:
                # Whether an owner holds flock(2) is told by nothing else; it is given back at once.
                self.assertIsNotNone(re.search(r"LOCK_SH\|LOCK_NB|LOCK_UN", line), line)
                flocks += 1 if "LOCK_SH" in line else -1
                self.assertIn(flocks, (0, 1), line)
            else:
                self.fail("not a way to read: " + line)
        self.assertEqual(flocks, 0)
        self.assertEqual(locks > 0, takes_locks)
        self.assertEqual(before, self.seen())
        self.assertEqual(read_before, self.last_read())

    def test_rollback_mode(self):
        self.check_untouched("delete", False)

    def test_wal_mode_without_a_wal(self):
        self.check_untouched("wal", False)

    def test_wal_left_by_a_dead_owner(self):
        self.check_untouched("wal", True)

    def test_bare_mover(self):
        self.check_untouched("wal", True, "--strategy", "plain")

    def test_checks_and_steps_work_on_the_copy_only(self):
        self.check_untouched("wal", True, "--then", "journal_mode=wal,integrity_check")

    # -- beside a live owner -----------------------------------------------------------------------

    def own(self, mode, locking="NORMAL"):
        """A database that a live owner has just committed to; its path."""
        owner = self.owner()
        owner.run(f"PRAGMA locking_mode={locking}", f"PRAGMA journal_mode={mode}",
                  "CREATE TABLE t(x)", "INSERT INTO t VALUES(1)")
        return self.path("app.db")

    def test_without_a_lock_beside_an_exclusive_owner_in_wal_mode(self):
        source = self.own("wal", "EXCLUSIVE")
        for strategy in ("follow", "retry-verify", "auto"):
            with self.subTest(strategy):
                self.check_trace(source, "--strategy", strategy)

    def test_without_a_lock_beside_an_exclusive_owner_in_rollback_mode(self):
        for mode in ("truncate", "persist"):
            source = self.own(mode, "EXCLUSIVE")
            for strategy in ("retry-verify", "auto"):
                with self.subTest(f"{mode} {strategy}"):
                    self.check_trace(source, "--strategy", strategy)
            for name in os.listdir(self.dir):
                os.unlink(self.path(name))

    def test_without_a_lock_beside_an_owner_that_lets_others_in(self):
        source = self.own("wal")
        for strategy in ("follow", "retry-verify", "plain"):
            with self.subTest(strategy):
                self.check_trace(source, "--strategy", strategy)

    def test_locks_for_reading_only(self):
        for mode in ("wal", "delete"):
            source = self.own(mode)
            with self.subTest(mode):
                self.check_trace(source, "--strategy", "lock", takes_locks=True)
            for name in os.listdir(self.dir):
                os.unlink(self.path(name))

    def test_snapshot_neither_checkpoints_nor_leaves_a_file(self):
        source = self.own("wal")
        before = self.seen()
        wal = digest(source + "-wal")
        self.copy("--strategy", "snapshot", source, os.path.join(self.private, "copy.db"))
        # SQLite's readers leave their marks in the -shm.
        self.assertEqual({**before, "app.db-shm": None}, {**self.seen(), "app.db-shm": None})
        self.assertEqual(wal, digest(source + "-wal"))


if __name__ == "__main__":
    main()
