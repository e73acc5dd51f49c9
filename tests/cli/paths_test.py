"""Paths are bytes: spaces, newlines, no UTF-8, leading dashes, links, relative and long ones."""

import os

from support import CliTest, integrity, listing, main, rows, rows_of

STRANGE = (b"with space.db", b"new\nline.db", b"tab\t.db", b"quote'\".db", b"no-utf8-\xff\xfe.db",
           "Übergröße ★.db".encode(), b"per%20cent?mode=ro#x.db", b"-dash.db", b"--json",
           b"...", b"back\\slash.db", b"$HOME `x` *.db", b"a" * 240)


class Paths(CliTest):
    def test_strange_names(self):
        os.mkdir(self.path("to"))
        for name in STRANGE:
            with self.subTest(name):
                text = os.fsdecode(name)
                self.make_database(text)
                before = listing(self.dir)
                result = self.copy("--", text, "to/" + text)
                self.assertEqual(rows_of(self.path("to/" + text)), rows(100))
                os.unlink(self.path("to/" + text))
                self.assertEqual(listing(self.dir), before)
                shown = name
                for byte in b"\n\t\xff\xfe":
                    shown = shown.replace(bytes([byte]), f"\\x{byte:02x}".encode())
                self.assertIn(b"Backed up " + shown + b" to to/" + shown + b"\n", result.err)

    def test_strange_names_of_a_live_wal_source(self):
        os.mkdir(self.path("to"))
        for name in STRANGE:
            with self.subTest(name):
                text = os.fsdecode(name)
                self.make_database(text, wal=True)
                owner = self.owner(text)
                owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
                for strategy in ("auto", "online"):
                    destination = f"to/{strategy}"
                    report = self.copy_json("--then=integrity_check", "--strategy", strategy, "--",
                                            text, destination)
                    self.assertEqual(report["verdict"], "snapshot")
                    self.assertEqual(len(rows_of(self.path(destination))), 101)
                    os.unlink(self.path(destination))
                owner.close()

    def test_control_bytes_in_messages_are_escaped(self):
        result = self.run_sqlbk("copy", "none\n\x1b[31m.db", "x.db")
        self.assertEqual(result.code, 1)
        self.assertIn(b"'none\\x0a\\x1b[31m.db'", result.err)

    def test_control_bytes_in_results_are_escaped(self):
        name, shown = "a\n\x1b[31m.db", rb"a\x0a\x1b[31m.db"
        self.make_database(name)
        result = self.copy("--dry-run", name, "to-" + name)
        self.assertIn(b"would copy " + shown + b" to to-" + shown + b"\n", result.out)
        self.assertNotIn(b"\x1b", result.out)
        result = self.copy(name, "to-" + name)
        self.assertEqual(result.err.splitlines()[-1],
                         b"Backed up " + shown + b" to to-" + shown)
        self.assertNotIn(b"\x1b", result.err)

    def test_json_stays_json_whatever_the_name(self):
        for name in STRANGE:
            with self.subTest(name):
                result = self.run_sqlbk("copy", "--json", "--", os.fsdecode(name) + "-none", "x.db")
                self.assertEqual(result.json["error"]["code"], "source_missing")

    def test_leading_dash_needs_the_double_dash_or_a_directory(self):
        self.make_database("-app.db")
        self.refused(2, "usage", "-app.db", "-app.db", "x.db")
        self.copy("./-app.db", "x.db")
        self.copy("--quiet", "--", "-app.db", "-x.db")
        self.check_copy("-x.db", rows(100))

    def test_relative_and_absolute(self):
        os.makedirs(self.path("a/b"))
        self.make_database("a/app.db")
        self.copy("../app.db", "x.db", cwd=self.path("a/b"))
        self.check_copy("a/b/x.db", rows(100))
        self.copy(self.path("a/app.db"), self.path("y.db"), cwd="/")
        self.check_copy("y.db", rows(100))
        self.copy("a/./b//../app.db", "a/b/../z.db")
        self.check_copy("a/z.db", rows(100))

    def test_through_links(self):
        os.mkdir(self.path("real"))
        os.mkdir(self.path("backups"))
        self.make_database("real/app.db", wal=True)
        owner = self.owner("real/app.db")
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
        os.symlink("real/app.db", self.path("link.db"))
        os.symlink("link.db", self.path("again.db"))
        os.symlink("real", self.path("folder"))
        os.symlink("backups", self.path("to"))
        # The sidecars are beside the real file, not beside the link.
        for source in ("link.db", "again.db", "folder/app.db"):
            with self.subTest(source):
                name = source.replace("/", "-")
                self.copy(source, "to/" + name)
                self.check_copy("backups/" + name, rows(100) + [(1000, b"\x01")])

    def test_directory_as_destination_takes_the_name_of_the_link(self):
        self.make_database("app.db")
        os.symlink("app.db", self.path("link.db"))
        os.mkdir(self.path("to"))
        report = self.copy_json("link.db", "to")
        self.assertEqual(report["destination"], "to/link.db")
        self.assertEqual(integrity(self.path("to/link.db")), "ok")
        self.assertFalse(os.path.islink(self.path("to/link.db")))

    def test_names_too_long_for_sidecars(self):
        """Up to 255 bytes SQLite opens a database, though it can give it no journal, or no WAL."""
        os.mkdir(self.path("to"))
        for size in (247, 248, 251, 252, 255):
            name = "x" * size
            self.make_database("app.db")
            os.rename(self.path("app.db"), self.path(name))
            for options in ((), ("--strategy", "lock"), ("--strategy", "snapshot"),
                            ("--strategy", "online"), ("--strategy", "retry-verify"),
                            ("--strategy", "plain"), ("--then", "integrity_check,digest=report")):
                with self.subTest(size=size, options=options):
                    self.copy("--force", *options, name, "to")
                    self.check_copy("to/" + name, rows(100))
            self.assertEqual(self.run_sqlbk("verify", name).code, 0)
            self.assertEqual(self.run_sqlbk("inspect", name).code, 0)
            os.unlink(self.path(name))

    def test_long_name_of_a_live_wal_source(self):
        name = "x" * 251
        self.make_database(wal=True)  # under a short name: it takes a journal to turn to WAL
        os.rename(self.path("app.db"), self.path(name))
        owner = self.owner(name)
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
        for strategy in ("auto", "snapshot", "online", "follow", "retry-verify"):
            with self.subTest(strategy):
                self.copy("--force", "--strategy", strategy, name, "copy.db")
                self.check_copy("copy.db", rows(100) + [(1000, b"\x01")])

    def test_name_that_no_file_can_have(self):
        self.make_database()
        self.refused(1, "destination_unusable", "its name, with 256 bytes", "app.db", "x" * 256)
        self.refused(1, "destination_unusable", "the name of its digest", "--then", "digest",
                     "app.db", "x" * 249)
        self.refused(1, "source_missing", "xxx", "x" * 256, "copy.db")
        self.copy("--then", "digest", "app.db", "x" * 248)
        self.check_copy("x" * 248, rows(100))


if __name__ == "__main__":
    main()
