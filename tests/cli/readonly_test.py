"""Sources where nobody may write: read-only mounts, directories of others, overlayfs. SQLite cannot
open a WAL database there without its -shm; sqlbk copies it."""

import os
import shutil
import sqlite3
import subprocess
import unittest

from support import SQLBK, CliTest, closing, main, reap, rows, works

IS_ROOT = os.geteuid() == 0
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


def unprivileged():
    """What makes a command run as an ordinary user, or None."""
    if not IS_ROOT:
        return ()
    return NOBODY if works(*NOBODY, SQLBK, "--version") else None


class ReadOnly(CliTest):
    def left_behind(self, shm):
        """A WAL database whose owner died: main, -wal, and perhaps -shm."""
        self.make_database("made.db", wal=True)
        with closing(sqlite3.connect(self.path("made.db"), isolation_level=None)) as connection:
            connection.execute("INSERT INTO t VALUES(100, zeroblob(5))")
            directory = self.path("source")
            os.mkdir(directory)
            for suffix in ("", "-wal") + (("-shm",) if shm else ()):
                shutil.copyfile(self.path("made.db" + suffix),
                                os.path.join(directory, "app.db" + suffix))
        return directory

    def check_copies(self, source, wrapper=()):
        expected = rows(100) + [(100, bytes(5))]
        before = sorted(os.listdir(os.path.dirname(source)))
        out = os.path.join(self.dir, "out")
        os.makedirs(out, exist_ok=True)
        os.chmod(out, 0o777)
        for strategy in ("auto", "retry-verify", "plain"):
            with self.subTest(strategy):
                result = self.run_sqlbk("copy", "--strategy", strategy, source, "out/copy.db",
                                        wrapper=wrapper)
                self.assertEqual(result.code, 0, str(result))
                self.check_copy("out/copy.db", expected)
                os.unlink(self.path("out/copy.db"))
        self.assertEqual(sorted(os.listdir(os.path.dirname(source))), before)

    def test_directory_without_write_permission(self):
        wrapper = unprivileged()
        if wrapper is None:
            self.skipTest("an ordinary user cannot run sqlbk here")
        os.chmod(os.path.dirname(self.dir), 0o755)
        for shm in (True, False):
            with self.subTest(shm=shm):
                directory = self.left_behind(shm)
                os.chmod(directory, 0o555)
                self.check_copies(os.path.join(directory, "app.db"), wrapper)
                os.chmod(directory, 0o755)
                shutil.rmtree(directory)
                os.unlink(self.path("made.db"))

    def mount(self, *arguments):
        target = arguments[-1]
        os.makedirs(target, exist_ok=True)
        run = subprocess.run(["mount", *arguments], capture_output=True, check=False)
        if run.returncode != 0:
            self.skipTest("cannot mount: " + run.stderr.decode(errors="replace").strip())
        self.addCleanup(subprocess.run, ["umount", "-l", target], check=False)

    @unittest.skipUnless(IS_ROOT, "mounting needs root")
    def test_read_only_mount(self):
        for shm in (True, False):
            with self.subTest(shm=shm):
                directory = self.left_behind(shm)
                mounted = self.path(f"mounted{shm}")
                self.mount("--bind", directory, mounted)
                self.mount("-o", "remount,bind,ro", mounted)
                with self.assertRaises(OSError):
                    open(os.path.join(mounted, "probe"), "wb").close()
                self.check_copies(os.path.join(mounted, "app.db"))
                subprocess.run(["umount", "-l", mounted], check=True)
                shutil.rmtree(directory)
                os.unlink(self.path("made.db"))

    @unittest.skipUnless(IS_ROOT, "mounting needs root")
    def test_overlayfs(self):
        lower = self.left_behind(shm=False)
        for name in ("upper", "work"):
            os.mkdir(self.path(name))
        merged = self.path("merged")
        self.mount("-t", "overlay", "overlay", "-o",
                   f"lowerdir={lower},upperdir={self.path('upper')},workdir={self.path('work')}",
                   merged)
        self.check_copies(os.path.join(merged, "app.db"))
        # A live owner makes overlayfs copy the files up: other inodes under the same names.
        owner = subprocess.Popen(["sqlite3", os.path.join(merged, "app.db")],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(reap, owner)
        owner.stdin.write(b"INSERT INTO t VALUES(101, 'x');\nSELECT 'done';\n")
        owner.stdin.flush()
        self.assertEqual(owner.stdout.readline(), b"done\n")
        for strategy in ("auto", "lock", "snapshot", "retry-verify", "follow"):
            with self.subTest(strategy):
                self.copy("--strategy", strategy, os.path.join(merged, "app.db"), "copy.db")
                self.check_copy("copy.db", rows(100) + [(100, bytes(5)), (101, "x")])
                os.unlink(self.path("copy.db"))


if __name__ == "__main__":
    main()
