"""Owners that come and go while copies are made: the last one leaves, checkpoints and removes the
WAL, the next one makes it anew; some die in the middle and are recovered; some hold no lock that
anybody could see. Whatever is delivered is one committed state, and not an old one."""

import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from support import PATIENCE_S, CliTest, closing, connect, immutable, main

ROWS = 40
COPIES = int(os.environ.get("SQLBK_COPIES", "12"))

# One owner after the other. Every transaction gives all rows, each on a page of its own, the next
# number, and tells it when it is committed.
OWNERS = """
import os, random, sqlite3, struct, sys
path, acknowledged, mode, habit, seed = sys.argv[1:]
random.seed(int(seed))
fd = os.open(acknowledged, os.O_RDWR)
uri = "file:" + path + ("?vfs=unix-none" if habit == "unseen" else "")
while True:
    leaves_by_dying = habit == "dies" and random.random() < 0.5
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=60)
        connection.execute("PRAGMA journal_mode=" + mode)
        connection.execute("PRAGMA cache_size=8")
        connection.execute("PRAGMA synchronous=OFF")
        if habit == "exclusive":
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        for _ in range(random.randint(1, 6)):
            connection.execute("BEGIN IMMEDIATE")
            number = connection.execute("SELECT max(v) FROM t").fetchone()[0] + 1
            if leaves_by_dying and random.random() < 0.3:
                connection.execute("UPDATE t SET v=? WHERE id < ?", (number, random.randint(1, 40)))
                os.kill(os.getpid(), 9)
            connection.execute("UPDATE t SET v=?", (number,))
            connection.execute("COMMIT")
            os.pwrite(fd, struct.pack("<q", number), 0)
        connection.close()
        os._exit(0)
    os.waitpid(child, 0)
"""


class ComeAndGo(CliTest):
    def setUp(self):
        super().setUp()
        self.acknowledged = os.path.join(self.private, "acknowledged")
        with open(self.acknowledged, "wb") as file:
            file.write(bytes(8))
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER, filler BLOB)")
            connection.executemany("INSERT INTO t VALUES(?, 0, zeroblob(3000))",
                                   ((i,) for i in range(ROWS)))

    def committed(self):
        with open(self.acknowledged, "rb") as file:
            return struct.unpack("<q", file.read(8))[0]

    def start_owners(self, mode, habit):
        owners = subprocess.Popen(
            [sys.executable, "-c", OWNERS, self.path("app.db"), self.acknowledged, mode, habit, "1"],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(owners.wait)
        self.addCleanup(os.killpg, owners.pid, signal.SIGKILL)
        give_up = time.monotonic() + PATIENCE_S
        while self.committed() < 3:
            self.assertLess(time.monotonic(), give_up, "the owners do nothing")
            time.sleep(0.002)

    def check(self, mode, habit, strategies):
        self.start_owners(mode, habit)
        good = 0
        for strategy in strategies:
            for _ in range(COPIES):
                floor = self.committed()
                result = self.run_sqlbk("copy", "--timeout", "2s", "--strategy", strategy, "app.db",
                                        "copy.db")
                if result.code != 0:
                    self.assertEqual(result.code, 4, str(result))
                    continue
                with closing(immutable(self.path("copy.db"))) as connection:
                    self.assertEqual(connection.execute("PRAGMA integrity_check").fetchone()[0], "ok")
                    states = connection.execute("SELECT DISTINCT v FROM t").fetchall()
                self.assertEqual(len(states), 1, f"torn by {strategy}: {states}")
                self.assertGreaterEqual(states[0][0], floor, f"stale by {strategy}")
                os.unlink(self.path("copy.db"))
                good += 1
        self.assertGreater(good, 0, "refusing everything proves nothing")
        print(f"# {mode} {habit}: {good} of {len(strategies) * COPIES} copied, "
              f"{self.committed()} transactions", flush=True)

    ALL = ("auto", "lock", "snapshot", "retry-verify", "follow")

    def test_in_wal_mode(self):
        self.check("WAL", "leaves", self.ALL)

    def test_in_wal_mode_and_die(self):
        self.check("WAL", "dies", self.ALL)

    def test_in_wal_mode_and_let_nobody_in(self):
        self.check("WAL", "exclusive", self.ALL)

    def test_in_rollback_mode(self):
        self.check("DELETE", "leaves", ("auto", "lock", "snapshot", "retry-verify"))

    def test_in_rollback_mode_and_die(self):
        for mode in ("DELETE", "PERSIST"):
            with self.subTest(mode):
                self.check(mode, "dies", ("auto", "lock", "snapshot", "retry-verify"))

    def test_with_locks_that_nobody_sees(self):
        """unix-none; the journal and the time stamps tell all the same."""
        self.check("TRUNCATE", "unseen", ("auto", "lock", "snapshot", "retry-verify"))


if __name__ == "__main__":
    main()
