"""SQLite's WAL-reset bug: a source that it has struck is refused by name, and told of.

The source is made by SQLite, but for the nBackfill that the bug's checkpoint stores in the
wal-index. `struck` is right after the race. `written_on` is after another program has committed
twice on what it saw: main with all of the WAL applied is a mixture then, SQLite's view is sound.
"""

import os
import shutil
import struct
import unittest

from support import CliTest, closing, connect, integrity, main

MX_FRAME, BACKFILLED, ATTEMPTED = 16, 96, 128  # in the -shm
READ_LOCK_0 = 123
FRAMES_OF_FIRST_COMMIT = 20
STRATEGIES = ("auto", "lock", "snapshot", "retry-verify", "follow", "online", "plain", "range")


class WalResetBug(CliTest):
    def setUp(self):
        super().setUp()
        self.sources = 0

    # This process has no connection to the source: closing a file of it would drop its locks.

    def read_index(self, offset):
        with open(self.path(self.name + "-shm"), "rb") as file:
            file.seek(offset)
            return struct.unpack("=I", file.read(4))[0]

    def write_index(self, offset, value):
        with open(self.path(self.name + "-shm"), "r+b") as file:
            file.seek(offset)
            file.write(struct.pack("=I", value))

    def make_source(self):
        """A live source that is sound: `u` is committed in the WAL alone, and a reader keeps it
        from being reset. Another one with each call."""
        self.sources += 1
        self.name = f"app{self.sources}.db"
        self.first = self.owner(self.name)
        self.first.run(
            "PRAGMA page_size=1024", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0",
            "CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)",
            "CREATE TABLE u(id INTEGER PRIMARY KEY, v BLOB)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
            "INSERT INTO t SELECT i, zeroblob(900) FROM n",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "INSERT INTO u SELECT id, zeroblob(900) FROM t WHERE id <= 60")
        self.second = self.owner(self.name)
        self.reader = self.owner(self.name)
        self.reader.run("BEGIN", "SELECT count(*) FROM t")
        self.frames = self.read_index(MX_FRAME)
        self.backfilled = self.frames + FRAMES_OF_FIRST_COMMIT

    def struck(self):
        self.make_source()
        self.write_index(BACKFILLED, self.backfilled)

    def written_on(self):
        self.struck()
        self.second.run("PRAGMA wal_autocheckpoint=0")
        # Each row has a page of its own, and so a frame.
        self.second.run(f"UPDATE t SET v=zeroblob(901) WHERE id <= {FRAMES_OF_FIRST_COMMIT}")
        self.assertEqual(self.read_index(MX_FRAME), self.backfilled)
        self.second.run("INSERT INTO t SELECT id + 5000, zeroblob(900) FROM t WHERE id <= 30")

    def view(self, path):
        with closing(connect(path)) as connection:
            return [connection.execute(f"SELECT count(*), sum(length(v)) FROM {table}").fetchone()
                    for table in ("t", "u")]

    def view_of_sqlite(self):
        """Of a new connection: one that has written still has its pages in its cache."""
        reader = self.owner(self.name)
        view = [tuple(reader.run(f"SELECT count(*), sum(length(v)) FROM {table}")[0])
                for table in ("t", "u")]
        reader.close()
        return view

    # -- copy ------------------------------------------------------------------------------------

    def check_refused_by_all(self, numbers):
        for strategy in STRATEGIES:
            for more in ((), ("--keep-wal",)):
                if more and strategy in ("follow", "online"):
                    continue
                with self.subTest(strategy=strategy, more=more):
                    copy = f"copy-{strategy}{len(more)}.db"
                    result = self.refused(3, "wal_reset_bug", "SQLite's WAL-reset bug has struck",
                                          "--strategy", strategy, *more, self.name, copy)
                    error = result.json["error"]
                    for text in (self.name, *numbers):
                        self.assertIn(text, error["message"])
                    self.assertIn("3.51.3", error["hint"])

    def test_struck(self):
        self.struck()
        self.check_refused_by_all((f"nBackfill {self.backfilled}", f"mxFrame {self.frames}"))

    def test_written_on(self):
        self.written_on()
        self.assertEqual(self.second.run("PRAGMA integrity_check"), [["ok"]])
        self.check_refused_by_all((f"nBackfill {self.backfilled}", "main lacks page"))

    def test_without_proof_it_is_what_sqlite_reads(self):
        for make in (self.struck, self.written_on):
            with self.subTest(make=make.__name__):
                make()
                view = self.view_of_sqlite()
                for strategy in STRATEGIES:
                    copy = f"copy-{self.sources}-{strategy}.db"
                    with self.subTest(strategy=strategy):
                        if strategy in ("lock", "snapshot", "online"):
                            # They make no copy without proof.
                            self.refused(3, "wal_reset_bug", "WAL-reset", "--strategy", strategy,
                                         "--no-copy-retry-strict", self.name, copy)
                            continue
                        report = self.copy_json("--strategy", strategy, "--no-copy-retry-strict",
                                                self.name, copy)
                        self.assertEqual(report["verdict"], "unproven")
                        self.assertIn("WAL-reset bug", " ".join(report["warnings"]))
                        self.assertEqual(integrity(self.path(copy)), "ok")
                        self.assertEqual(self.view(self.path(copy)), view)
                        if strategy == "follow":
                            continue
                        self.refused(3, "wal_reset_bug", "WAL-reset", "--strategy", strategy,
                                     "--no-copy-retry-strict", "--keep-wal", self.name, "x" + copy)

    def test_a_dry_run_says_so(self):
        self.written_on()
        result = self.run_sqlbk("copy", "--dry-run", self.name, "copy.db")
        self.assertEqual(result.code, 3, str(result))
        self.assertIn(b"WAL-reset bug", result.err)

    def test_the_hint_helps(self):
        """What is committed in the WAL alone is in a copy of the two files."""
        self.struck()
        result = self.run_sqlbk("copy", self.name, "copy.db")
        self.assertIn(b"copy the database and its -wal with cp", result.err)
        for suffix in ("", "-wal"):
            shutil.copyfile(self.path(self.name) + suffix, self.path("kept.db") + suffix)
        self.reader.run("ROLLBACK")
        for owner in (self.reader, self.second, self.first):
            owner.close()
        self.assertEqual(self.view(self.path(self.name))[1][0], 0, "closing it drops commits")
        self.assertEqual(self.view(self.path("kept.db"))[1][0], 60)

    def test_when_all_programs_are_gone_recovery_counts(self):
        self.struck()
        for owner in (self.reader, self.second, self.first):
            owner.kill()
        self.copy(self.name, "copy.db")
        self.assertEqual(self.view(self.path("copy.db"))[1][0], 60)

    # -- while it is copied ------------------------------------------------------------------------

    def test_a_strike_during_the_copy(self):
        """Main is held at its first byte. The bug's checkpoint comes, and then the commits that
        make its nBackfill look possible."""
        for strategy in ("auto", "lock", "snapshot", "retry-verify", "follow", "range"):
            for write_on in (False, True):
                with self.subTest(strategy=strategy, write_on=write_on):
                    self.make_source()
                    gate = self.gate("copy_file_range", 1)
                    gate.hold("copy", "--strategy", strategy, "--copy-retry", "3", "--timeout", "20s",
                              self.name, f"copy-{self.sources}.db")
                    self.write_index(ATTEMPTED, self.backfilled)
                    self.write_index(BACKFILLED, self.backfilled)
                    if write_on:
                        self.second.run("PRAGMA wal_autocheckpoint=0")
                        self.second.run("UPDATE t SET v=zeroblob(901) WHERE id <= 20")
                        self.second.run("INSERT INTO t SELECT id + 5000, v FROM t WHERE id <= 30")
                    result = gate.open()
                    if strategy == "range" and write_on:
                        # It makes one attempt, and it did change.
                        self.assertEqual(result.code, 4, str(result))
                        continue
                    self.assertEqual(result.code, 3, str(result))
                    self.assertIn(b"WAL-reset bug", result.err)

    # -- verify and inspect ----------------------------------------------------------------------

    def test_verify(self):
        for make in (self.struck, self.written_on):
            with self.subTest(make=make.__name__):
                make()
                result = self.run_sqlbk("verify", self.name)
                self.assertEqual(result.code, 3, str(result))
                self.assertIn(b"SQLite's WAL-reset bug has struck", result.out)
                result = self.run_sqlbk("verify", "--json", self.name)
                self.assertEqual(result.code, 3, str(result))
                report = result.json["databases"][0]
                self.assertEqual(report["verdict"], "damaged")
                wal = [check for check in report["checks"] if check["name"] == "wal"][0]
                self.assertEqual(wal["verdict"], "damaged")
                self.assertIn("WAL-reset bug", wal["findings"][0])

    def test_inspect(self):
        self.struck()
        text = self.run_sqlbk("inspect", self.name)
        self.assertEqual(text.code, 0, str(text))
        self.assertIn(b"struck", text.out)
        found = self.run_sqlbk("inspect", "--json", self.name).json["wal_reset_bug"]
        self.assertEqual(found, {"answer": "struck", "mx_frame": self.frames,
                                 "backfilled_frames": self.backfilled, "missing_page": None})

    def test_inspect_names_the_page(self):
        self.written_on()
        report = self.run_sqlbk("inspect", "--json", self.name).json
        found = report["wal_reset_bug"]
        self.assertEqual(found["answer"], "struck")
        self.assertLessEqual(found["missing_page"]["frame"], self.backfilled)
        self.assertGreater(found["missing_page"]["page_number"], 0)
        self.assertEqual(report["copy"]["exit_code"], 3)
        self.assertEqual(report["copy"]["refusal"]["code"], "wal_reset_bug")
        text = self.run_sqlbk("inspect", self.name).out.decode()
        self.assertIn(f"main lacks page {found['missing_page']['page_number']}", text)

    def test_inspect_of_a_sound_source(self):
        self.make_source()
        found = self.run_sqlbk("inspect", "--json", self.name).json["wal_reset_bug"]
        self.assertEqual(found, {"answer": "sound", "mx_frame": self.frames,
                                 "backfilled_frames": 0, "missing_page": None})


if __name__ == "__main__":
    main()
