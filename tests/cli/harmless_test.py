"""A source at rest: only ever opened for reading, nothing made beside it, no lock taken on it."""

import os
import re
import shutil
import sqlite3
import subprocess
import unittest

from support import SQLBK, CliTest, main

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
        with sqlite3.connect(destination) as connection:
            self.assertEqual(connection.execute("SELECT x FROM t").fetchall(), [(1,)])
        with open(log, encoding="utf-8", errors="replace") as lines:
            return [line for line in lines if source in line]

    def check_untouched(self, mode, leave_wal, *options):
        source = self.make(mode, leave_wal)
        before = {name: (os.stat(self.path(name)).st_mtime_ns, os.stat(self.path(name)).st_ino)
                  for name in os.listdir(self.dir)}
        lines = self.traced_copy(source, *options)
        self.assertTrue(any("openat" in line for line in lines), "the trace does not show the source")
        for line in lines:
            if "openat(" in line:
                self.assertIn("O_RDONLY", line)
                self.assertNotIn("O_CREAT", line)
            elif "fcntl(" in line:
                # Asking who holds a lock takes none.
                self.assertIsNone(re.search(r"F_(OFD_)?SETLKW?\b|F_SETLEASE", line), line)
            else:
                self.fail("not a way to read: " + line)
        after = {name: (os.stat(self.path(name)).st_mtime_ns, os.stat(self.path(name)).st_ino)
                 for name in os.listdir(self.dir)}
        self.assertEqual(before, after)

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


if __name__ == "__main__":
    main()
