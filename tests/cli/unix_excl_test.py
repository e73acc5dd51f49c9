"""Owners by the VFS unix-excl, as a running Firefox: they hold a write lock to read, for as long as they
have the database open."""

import os
import sqlite3
import unittest

from support import CliTest, Owner, closing, main, rows


class ExclOwner(Owner):
    _PROGRAM = Owner._PROGRAM.replace("sqlite3.connect(sys.argv[1],",
                                      "sqlite3.connect(f'file:{sys.argv[1]}?vfs=unix-excl', uri=True,")


def has_unix_excl():
    try:
        with closing(sqlite3.connect("file::memory:?vfs=unix-excl", uri=True)):
            return True
    except sqlite3.Error:
        return False


@unittest.skipUnless(has_unix_excl(), "this SQLite has no unix-excl")
class UnixExcl(CliTest):
    def excl_owner(self, name="app.db"):
        owner = ExclOwner(self.path(name))
        self.addCleanup(owner.close)
        owner.run("SELECT count(*) FROM t")
        return owner

    def test_one_that_only_reads(self):
        self.make_database()
        owner = self.excl_owner()
        report = self.copy_json("--then=integrity_check", "app.db", "x.db")
        self.assertEqual(report["verdict"], "assumed")
        self.assertEqual(report["attempts"], 1)
        self.assertEqual(len(report["assumptions"]), 1, report)
        self.assertIn("unix-excl", report["assumptions"][0])
        self.assertIn("app.db-journal", report["assumptions"][0])
        self.check_copy("x.db", rows(100))
        result = self.refused(4, "assumption_refused", "app.db", "--strict", "app.db", "y.db")
        self.assertIn("--assume journals-here", result.json["error"]["hint"])
        self.copy("--strict", "--assume", "journals-here", "app.db", "y.db")
        owner.close()

    def test_one_that_has_written(self):
        for mode in ("DELETE", "TRUNCATE", "PERSIST"):
            with self.subTest(mode):
                self.make_database(mode)
                owner = self.excl_owner(mode)
                owner.run(f"PRAGMA journal_mode={mode}", "INSERT INTO t VALUES(1000, x'01')")
                report = self.copy_json("--force", mode, "x.db")
                self.assertIn(report["verdict"], ("assumed", "at-rest", "proven"))
                self.check_copy("x.db", rows(100) + [(1000, b"\x01")])

    def test_one_inside_a_transaction(self):
        """Its journal is active: main is rolled back on the copy."""
        self.make_database(rows=3000)
        owner = self.excl_owner()
        owner.run("PRAGMA cache_size=5", "BEGIN", "UPDATE t SET value = x'02'")
        self.assertTrue(os.path.exists(self.path("app.db-journal")))
        report = self.copy_json("app.db", "x.db")
        self.assertEqual(report["verdict"], "recovered")
        self.check_copy("x.db", rows(3000))

    def test_the_same_lock_of_another_vfs_is_a_transaction(self):
        """journal_mode OFF, spilled: half a transaction, and no journal."""
        self.make_database(rows=3000)
        owner = self.owner()
        owner.run("PRAGMA journal_mode=OFF", "PRAGMA cache_size=5", "BEGIN",
                  "UPDATE t SET value = x'02'")
        self.refused(4, "source_busy", "app.db", "--copy-retry=3", "app.db", "x.db")


if __name__ == "__main__":
    main()
