"""The step digest: a file for sha256sum that appears together with the copy, or not at all."""

import os
import subprocess

from support import CliTest, digest, main


class Digest(CliTest):
    def sha256sum(self, name):
        return subprocess.run(["sha256sum", "-c", "--strict", name], cwd=self.dir,
                              capture_output=True, check=False)

    def test_sha256sum_agrees(self):
        self.make_database()
        for name in ("copy.db", "with blank.db", "back\\slash.db", "new\nline.db"):
            with self.subTest(name):
                report = self.copy_json("--then", "digest", "app.db", name)
                self.assertEqual(report["sha256"], digest(self.path(name)))
                self.assertEqual(report["wal_sha256"], "")
                checked = self.sha256sum(name + ".sha256")
                self.assertEqual(checked.returncode, 0, checked)

    def test_it_is_of_what_is_published(self):
        """After every step that changes the copy, and with its WAL."""
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, 'new')")
        report = self.copy_json("--keep-wal", "--then", "integrity_check,digest", "app.db", "a.db")
        self.assertEqual(report["sha256"], digest(self.path("a.db")))
        self.assertEqual(report["wal_sha256"], digest(self.path("a.db-wal")))
        self.assertEqual(self.sha256sum("a.db.sha256").returncode, 0)
        self.copy("--then", "vacuum_into=1024,journal_mode=wal,digest", "app.db", "b.db")
        self.assertEqual(self.sha256sum("b.db.sha256").returncode, 0)

    def test_of_an_encrypted_database(self):
        with open(self.path("app.db"), "wb") as file:
            file.write(os.urandom(8192))
        self.copy("--opaque", "--then", "digest", "app.db", "copy.db")
        self.assertEqual(self.sha256sum("copy.db.sha256").returncode, 0)

    def test_its_name_must_be_free(self):
        self.make_database()
        with open(self.path("copy.db.sha256"), "wb") as file:
            file.write(b"somebody's")
        self.refused(5, "destination_exists", "copy.db.sha256", "--then", "digest", "app.db",
                     "copy.db")
        self.copy("--force", "--then", "digest", "app.db", "copy.db")
        self.assertEqual(self.sha256sum("copy.db.sha256").returncode, 0)
        result = self.copy("--force", "app.db", "copy.db")
        self.assertIn(b"warning: 'copy.db.sha256'", result.err)

    def test_nothing_may_change_the_copy_behind_it(self):
        self.make_database()
        for step in ("vacuum_into", "journal_mode=wal", "checkpoint"):
            with self.subTest(step):
                self.refused(2, "usage", step, "--then", "digest," + step, "app.db", "copy.db")

    def test_a_step_that_finds_damage_leaves_none(self):
        self.make_database()
        with open(self.path("app.db"), "r+b") as file:
            file.seek(4096 * 2)
            file.write(b"\xff" * 4096)
        self.refused(3, "damaged", "app.db", "--then", "digest,integrity_check", "app.db",
                     "copy.db")


if __name__ == "__main__":
    main()
