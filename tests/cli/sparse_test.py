"""A sparse database has a sparse copy."""

import os
import tempfile
import unittest

from support import CliTest, SOURCE_ROOT, main

KIB = 1024
# Reflinks share what there is; SQLite's own backup writes every page.
STRATEGIES = ("auto", "lock", "snapshot", "retry-verify", "lock+plain", "lock+mmap", "plain", "range",
              "mmap")


def space_of(path):
    return os.stat(path).st_blocks * 512


class Sparse(CliTest):
    def make_sparse_database(self, wal=False):
        """12 MiB, of which all but the first pages are free, and then holes."""
        self.make_database(rows=3000, row_bytes=4000, wal=wal)
        owner = self.owner()
        owner.run("PRAGMA secure_delete=ON", "DELETE FROM t WHERE id >= 100",
                  "PRAGMA wal_checkpoint(TRUNCATE)")
        path = self.path("app.db")
        page = 4096
        with open(path, "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            pages = [file.read(page) for _ in range(size // page)]
            # As a file system keeps a file of which only these pages were ever written.
            file.truncate(0)
            for number, content in enumerate(pages):
                if content.strip(b"\0"):
                    file.seek(number * page)
                    file.write(content)
            file.truncate(size)
        if space_of(path) * 2 > os.path.getsize(path):
            self.skipTest("no sparse files here")
        self.space = space_of(path)
        return owner

    def check(self, *options):
        self.copy("--force", "--then=integrity_check", *options, "app.db", "copy.db")
        self.assertEqual(os.path.getsize(self.path("copy.db")),
                         os.path.getsize(self.path("app.db")))
        self.assertLess(space_of(self.path("copy.db")), self.space + 256 * KIB, options)
        # In memory a hole that is read through a mapping takes space from then on.
        self.assertLess(space_of(self.path("app.db")), self.space + 256 * KIB, options)

    def test_holes_stay_holes(self):
        self.make_sparse_database().close()
        for strategy in STRATEGIES:
            with self.subTest(strategy):
                self.check("--strategy", strategy)

    def test_beside_an_owner(self):
        owner = self.make_sparse_database(wal=True)
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(100000, x'01')")
        for strategy in ("auto", "lock+range", "lock+plain", "follow", "retry-verify+mmap"):
            with self.subTest(strategy):
                self.check("--strategy", strategy)

    def test_staged_on_another_file_system(self):
        self.make_sparse_database().close()
        for parent in ("/dev/shm", "/tmp", "/var/tmp", SOURCE_ROOT):
            if not os.access(parent, os.W_OK):
                continue
            if os.stat(parent).st_dev == os.stat(self.dir).st_dev:
                continue
            with tempfile.TemporaryDirectory(dir=parent) as other:
                self.check("--tempdir", other)
            return
        raise unittest.SkipTest("there is only one file system")


if __name__ == "__main__":
    main()
