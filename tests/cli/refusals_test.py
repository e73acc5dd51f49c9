"""What sqlbk copy refuses: exit code, a message that names the file, a remedy, nothing left."""

import os
import shutil
import subprocess
import time

from support import (SQLBK, CliTest, closing, connect, environment, integrity, listing, main, rows,
                     rows_of, without_root_powers, works)

TEST_DATA = os.environ["SQLBK_TEST_DATA"]
SIDECARS = ("-wal", "-shm", "-journal")


class BadSource(CliTest):
    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return name

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def test_missing(self):
        self.refused(1, "source_missing", "none.db", "none.db", "x.db")

    def test_missing_directory(self):
        self.refused(1, "source_missing", "none/app.db", "none/app.db", "x.db")

    def test_dangling_link(self):
        os.symlink("none.db", self.path("link.db"))
        self.refused(1, "source_missing", "link.db", "link.db", "x.db")

    def test_link_to_itself(self):
        os.symlink("loop.db", self.path("loop.db"))
        self.refused(1, "io_error", "loop.db", "loop.db", "x.db")

    def test_directory(self):
        os.mkdir(self.path("folder"))
        self.refused(6, "not_a_database", "folder", "folder", "x.db")

    def test_fifo_and_device(self):
        os.mkfifo(self.path("fifo"))
        self.refused(6, "not_a_database", "fifo", "fifo", "x.db")
        self.refused(6, "not_a_database", "/dev/null", "/dev/null", "x.db")

    def test_empty_file_is_an_empty_database(self):
        self.write("empty.db", b"")
        report = self.copy_json("empty.db", "x.db")
        self.assertEqual(report["size_bytes"], 0)
        self.assertEqual(len(report["warnings"]), 1, report)
        self.assertIn("empty", report["warnings"][0])
        self.assertEqual(os.path.getsize(self.path("x.db")), 0)
        with closing(connect(self.path("x.db"))) as connection:
            self.assertEqual(connection.execute("SELECT * FROM sqlite_schema").fetchall(), [])
            connection.execute("CREATE TABLE t(id)")

    def test_ten_random_bytes(self):
        self.write("noise.db", os.urandom(10))
        self.refused(6, "not_a_database", "noise.db", "noise.db", "x.db")

    def test_png(self):
        self.write("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(5000))
        self.refused(6, "not_a_database", "picture.png", "picture.png", "x.db")

    def test_truncated_header(self):
        self.make_database()
        self.write("app.db", self.read("app.db")[:99])
        self.refused(6, "not_a_database", "app.db", "app.db", "x.db")

    def test_truncated_tail(self):
        self.make_database()
        whole = self.read("app.db")
        for cut in (1, 4096, 3 * 4096 + 100):
            with self.subTest(cut):
                self.write("app.db", whole[:-cut])
                self.refused(3, "damaged", "app.db", "app.db", "x.db")
                self.refused(3, "damaged", "app.db", "--dry-run", "app.db", "x.db")

    def test_page_size_out_of_range(self):
        self.make_database()
        whole = bytearray(self.read("app.db"))
        for size in (0, 2, 256, 511, 3072, 0xffff):
            with self.subTest(size):
                whole[16:18] = size.to_bytes(2, "big")
                self.write("app.db", whole)
                self.refused(6, "not_a_database", "app.db", "app.db", "x.db")

    def test_read_version_of_the_future(self):
        self.make_database()
        whole = bytearray(self.read("app.db"))
        whole[19] = 3
        self.write("app.db", whole)
        self.refused(6, "unsupported_database", "app.db", "app.db", "x.db")

    def test_wal2(self):
        self.make_database()
        self.write("app.db-wal2", b"")
        self.refused(6, "unsupported_database", "app.db", "app.db", "x.db")

    def test_dotfile_lock(self):
        self.make_database()
        os.mkdir(self.path("app.db.lock"))
        self.refused(6, "unsupported_database", "app.db", "app.db", "x.db")

    def foreign_wal(self, page_size):
        """The WAL of some other database, with that page size."""
        name = f"other-{page_size}.db"
        self.make_database(name, rows=1, page_size=page_size, wal=True)
        owner = self.owner(name)
        owner.run("PRAGMA wal_autocheckpoint=0",
                  "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i+1 FROM n WHERE i < 90) "
                  "INSERT INTO t SELECT i, zeroblob(300) FROM n")
        data = self.read(name + "-wal")
        owner.close()
        return data

    def test_wal_of_another_database(self):
        wal = self.foreign_wal(1024)
        self.make_database()
        self.write("app.db-wal", wal)
        self.refused(6, "unsupported_database", "app.db", "app.db", "x.db")

    def test_wal_of_another_database_with_the_same_page_size(self):
        # A WAL does not name its database: SQLite takes it for the database's own. So must a copy,
        # and only a check of its structure can tell.
        wal = self.foreign_wal(4096)
        self.make_database(rows=1000)
        self.write("app.db-wal", wal)
        os.mkdir(self.path("seen"))
        for suffix in ("", "-wal"):
            shutil.copy(self.path("app.db" + suffix), self.path("seen/app.db" + suffix))
        with closing(connect(self.path("seen/app.db"))) as connection:
            wanted = connection.execute("SELECT id, value FROM t").fetchall()
            sound = connection.execute("PRAGMA integrity_check").fetchall()
        self.copy("app.db", "x.db")
        self.assertEqual(rows_of(self.path("x.db")), wanted)
        self.assertEqual(integrity(self.path("x.db")), sound[0][0])

    def test_wal_that_is_garbage_is_ignored_as_sqlite_does(self):
        self.make_database(wal=True)
        self.write("app.db-wal", os.urandom(5000))
        self.copy("app.db", "x.db")
        self.check_copy("x.db", rows(100))

    def test_frames_without_checksums(self):
        # SQLite up to 3.49.2 can write them; the golden files were made by it.
        for suffix in ("", "-wal"):
            shutil.copy(os.path.join(TEST_DATA, "zerosalt.db" + suffix),
                        self.path("app.db" + suffix))
        self.refused(4, "frames_without_checksum", "app.db", "app.db", "x.db")

    def test_without_read_permission(self):
        wrapper = without_root_powers()
        if wrapper is None:
            self.skipTest("root cannot give up its powers here")
        self.make_database()
        os.chmod(self.path("app.db"), 0)
        self.refused(1, "permission_denied", "app.db", "app.db", "x.db", wrapper=wrapper)

    def test_in_a_directory_that_may_not_be_searched(self):
        wrapper = without_root_powers()
        if wrapper is None:
            self.skipTest("root cannot give up its powers here")
        os.mkdir(self.path("closed"))
        self.make_database("closed/app.db")
        os.chmod(self.path("closed"), 0)
        self.refused(1, "permission_denied", "closed/app.db", "closed/app.db", "x.db",
                     wrapper=wrapper)

    def test_sidecar_without_read_permission(self):
        wrapper = without_root_powers()
        if wrapper is None:
            self.skipTest("root cannot give up its powers here")
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, x'01')")
        os.chmod(self.path("app.db-wal"), 0)
        self.refused(1, "permission_denied", "app.db-wal", "app.db", "x.db", wrapper=wrapper)


class BadDestination(CliTest):
    def test_exists(self):
        self.make_database()
        self.make_database("x.db", rows=1)
        self.refused(5, "destination_exists", "x.db", "app.db", "x.db")

    def test_dangling_link(self):
        self.make_database()
        os.symlink("nowhere", self.path("x.db"))
        self.refused(5, "destination_exists", "x.db", "app.db", "x.db")

    def test_only_a_stale_sidecar(self):
        self.make_database()
        for suffix in SIDECARS:
            with self.subTest(suffix):
                path = self.path("x.db" + suffix)
                with open(path, "wb"):
                    pass
                self.refused(5, "destination_exists", "x.db" + suffix, "app.db", "x.db")
                os.unlink(path)

    def test_standard_output(self):
        """A file called '-' leaves a pipe empty, and exit 0 says that all went well."""
        self.make_database()
        for options in ((), ("--force",), ("--dry-run",)):
            self.refused(2, "usage", "'-'", *options, "app.db", "-")
        self.refused(2, "usage", "'-'", "--manifest", "-", "app.db", "x.db")
        result = self.run_sqlbk("bench", "--quick", "--html", "-")
        self.assertEqual(result.code, 2, str(result))
        self.check_error_text(result, "'-'")
        # What the hint says.
        result = self.refused(2, "usage", "'-'", "app.db", "-")
        self.assertIn("'./-'", result.json["error"]["hint"])
        self.copy("app.db", "./-")
        self.check_copy("-", rows(100))

    def test_is_the_source(self):
        self.make_database()
        os.link(self.path("app.db"), self.path("hard.db"))
        os.symlink("app.db", self.path("soft.db"))
        for name in ("app.db", "./app.db", "hard.db", "soft.db"):
            for force in ((), ("--force",)):
                with self.subTest(name=name, force=force):
                    self.refused(5, "destination_exists", name, *force, "app.db", name)

    def test_is_the_name_of_a_sidecar_of_the_source(self):
        self.make_database()
        os.symlink("app.db", self.path("soft.db"))
        os.mkdir(self.path("sub"))
        for suffix in SIDECARS:
            for source, prefix in (("app.db", ""), ("app.db", "sub/../"), ("soft.db", "./")):
                for force in ((), ("--force",)):
                    with self.subTest(suffix=suffix, source=source, prefix=prefix, force=force):
                        name = prefix + "app.db" + suffix
                        self.refused(5, "destination_exists", name, *force, source, name)

    def test_is_a_sidecar_of_the_source_by_another_name(self):
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, x'01')")
        for suffix in ("-wal", "-shm"):
            with self.subTest(suffix):
                name = "other" + suffix[1:]
                os.link(self.path("app.db" + suffix), self.path(name))
                self.refused(5, "destination_exists", name, "--force", "app.db", name)

    def test_directory_is_missing(self):
        self.make_database()
        self.refused(1, "destination_unusable", "none/x.db", "app.db", "none/x.db")
        self.refused(1, "destination_unusable", "none/", "app.db", "none/")

    def test_directory_is_a_file(self):
        self.make_database()
        self.refused(1, "destination_unusable", "app.db/x.db", "app.db", "app.db/x.db")

    def test_a_directory_stands_for_the_same_name_in_it(self):
        self.make_database()
        os.mkdir(self.path("backups"))
        report = self.copy_json("app.db", "backups")
        self.assertEqual(report["destination"], "backups/app.db")
        self.check_copy("backups/app.db", rows(100))
        self.refused(5, "destination_exists", "backups/app.db", "app.db", "backups/")
        self.refused(5, "destination_exists", "./app.db", "app.db", ".")

    def test_directory_is_not_writable(self):
        wrapper = without_root_powers()
        if wrapper is None:
            self.skipTest("root cannot give up its powers here")
        self.make_database()
        os.mkdir(self.path("closed"))
        os.chmod(self.path("closed"), 0o555)
        self.refused(1, "destination_unusable", "closed", "app.db", "closed/x.db", wrapper=wrapper)
        os.chmod(self.path("closed"), 0)
        self.refused(1, "permission_denied", "closed/x.db", "app.db", "closed/x.db",
                     wrapper=wrapper)

    def run_beside_small_disk(self, options, *arguments):
        """Runs sqlbk with a file system of its own, invisible to everybody else, at ./small;
        returns the result and what it left there."""
        unshare = ("unshare", "--mount") + (() if os.geteuid() == 0 else ("--map-root-user",))
        small = self.path("small")
        os.mkdir(small)
        mount = f'mount -t tmpfs -o {options} tmpfs "$0"'
        if not works(*unshare, "sh", "-c", mount, small):
            self.skipTest("no tmpfs can be mounted here")
        left = os.path.join(self.private, "left")
        script = f'{mount} || exit 99; "$@"; code=$?; ls -A "$0" >"{left}"; exit $code'
        process = subprocess.run([*unshare, "sh", "-c", script, small, SQLBK, "copy", *arguments],
                                 cwd=self.dir, env=environment(), stdin=subprocess.DEVNULL,
                                 capture_output=True, check=False)
        with open(left, encoding="utf-8") as file:
            return process, file.read()

    def check_small_disk(self, options, errc_hint, mentioned, *arguments):
        self.make_database(rows=1000)
        before = listing(self.dir)
        process, left = self.run_beside_small_disk(options, *arguments)
        os.rmdir(self.path("small"))
        self.assertEqual(process.returncode, 1, process)
        self.assertEqual(left, "")
        self.check_error_text_of(process, mentioned)
        self.assertIn(errc_hint, process.stderr)
        self.assertEqual(listing(self.dir), before)

    def check_error_text_of(self, process, mentioned):
        lines = process.stderr.splitlines()
        self.assertEqual(len(lines), 2, process)
        self.assertIn(mentioned, lines[0])

    def test_no_space(self):
        self.check_small_disk("size=200k", b"free some space", b"small", "app.db", "small/x.db")

    def test_no_space_for_staging(self):
        self.check_small_disk("size=200k", b"free some space", b"small", "--tempdir", "small",
                              "app.db", "x.db")

    def test_no_space_beside_the_destination(self):
        self.check_small_disk("size=200k", b"free some space", b"small/x.db", "--tempdir", ".",
                              "app.db", "small/x.db")

    def test_no_space_for_the_directory(self):
        self.check_small_disk("size=10m,nr_inodes=1", b"free some space", b"small", "app.db",
                              "small/x.db")

    def test_read_only_file_system(self):
        self.check_small_disk("ro", b"choose a directory", b"small", "app.db", "small/x.db")


class ChangingSource(CliTest):
    """The source is replaced, deleted or written while it is copied: held at the gate meanwhile."""

    def replace(self):
        self.make_database("new.db", rows=5)
        os.rename(self.path("new.db"), self.path("app.db"))

    def write(self):
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("DELETE FROM t WHERE id = 0")

    def delete(self):
        os.unlink(self.path("app.db"))

    def change_during(self, strategy, change, *options):
        self.make_database()
        gate = self.gate("copy_file_range")
        gate.hold("copy", "--json", "--strategy", strategy, *options, "app.db", "x.db")
        change()
        return gate.open()

    def fails(self, result, exit_code, errc):
        self.assertEqual(result.code, exit_code, str(result))
        self.assertEqual(result.json["error"]["code"], errc, str(result))
        self.assertIn("app.db", result.json["error"]["message"])
        self.assertNotEqual(result.json["error"]["hint"], "")
        self.assert_no_trace("x.db")

    def test_written_under_a_bare_mover(self):
        self.fails(self.change_during("range", self.write), 4, "source_changed")

    def test_replaced_under_a_bare_mover(self):
        self.fails(self.change_during("range", self.replace), 4, "source_changed")

    def test_deleted_under_a_bare_mover(self):
        self.fails(self.change_during("range", self.delete), 4, "source_changed")

    def test_replaced_under_snapshot(self):
        # Either an error, or a copy of what stands there now.
        result = self.change_during("snapshot+range", self.replace)
        self.assertEqual(result.code, 0, str(result))
        self.check_copy("x.db", rows(5))

    def test_deleted_under_snapshot(self):
        result = self.change_during("snapshot+range", self.delete)
        self.assertIn((result.code, result.json["error"]["code"]),
                      ((4, "source_changed"), (1, "source_missing")), str(result))
        self.assertIn("app.db", result.json["error"]["message"])
        self.assert_no_trace("x.db")

    def test_written_under_auto(self):
        result = self.change_during("auto", self.write)
        self.assertEqual(result.code, 0, str(result))
        self.check_copy("x.db", rows(100)[1:])

    def test_replaced_under_auto(self):
        result = self.change_during("auto", self.replace)
        self.assertEqual(result.code, 0, str(result))
        self.check_copy("x.db", rows(5))

    def test_deleted_under_auto(self):
        result = self.change_during("auto", self.delete, "--copy-retry", "3")
        self.assertIn((result.code, result.json["error"]["code"]),
                      ((4, "source_changed"), (1, "source_missing")), str(result))
        self.assert_no_trace("x.db")

    def test_destination_made_meanwhile(self):
        self.make_database()
        gate = self.gate("renameat2")
        gate.hold("copy", "--json", "app.db", "x.db")
        with open(self.path("x.db"), "wb") as file:
            file.write(b"somebody else's")
        result = gate.open()
        self.assertEqual(result.code, 5, str(result))
        self.assertEqual(result.json["error"]["code"], "destination_exists")
        with open(self.path("x.db"), "rb") as file:
            self.assertEqual(file.read(), b"somebody else's")
        self.assertEqual(sorted(os.listdir(self.dir)), ["app.db", "x.db"])

    def test_sidecar_of_the_destination_made_meanwhile(self):
        self.make_database()
        gate = self.gate("copy_file_range")
        gate.hold("copy", "--json", "--strategy", "range", "app.db", "x.db")
        with open(self.path("x.db-wal"), "wb") as file:
            file.write(b"somebody else's")
        result = gate.open()
        self.assertEqual(result.code, 5, str(result))
        self.assertEqual(sorted(os.listdir(self.dir)), ["app.db", "x.db-wal"])


class BusySource(CliTest):
    def test_snapshot_of_a_wal_database_at_rest(self):
        # SQLite would leave -wal and -shm beside it.
        self.make_database(wal=True)
        self.refused(4, "unsuitable", "app.db", "--strategy", "snapshot", "app.db", "x.db")

    def test_owner_with_an_exclusive_lock(self):
        self.make_database()
        owner = self.owner()
        owner.run("PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE", "DELETE FROM t")
        result = self.run_sqlbk("copy", "--json", "--strategy", "snapshot", "app.db", "x.db")
        self.assertEqual((result.code, result.json["error"]["code"]), (4, "source_busy"))
        self.check_error_text(result, "app.db")
        self.assert_no_trace("x.db")

    def test_auto_says_in_words_why_it_gave_up(self):
        self.make_database()
        self.owner().run("BEGIN EXCLUSIVE")
        result = self.refused(4, "source_busy", "app.db", "--copy-retry", "3", "app.db", "x.db")
        error = result.json["error"]
        self.assertRegex(error["message"],
                         r"^gave up on 'app\.db' after 3 rounds in \d+\.\d s: \w")
        self.assertNotRegex(error["message"], r"\w_\w")
        # It is what was tried.
        self.assertNotRegex(error["hint"], r"\bauto\b|--strategy")

    def test_owner_that_lets_go_after_a_while(self):
        self.make_database()
        owner = self.owner()
        owner.run("PRAGMA journal_mode=MEMORY", "BEGIN EXCLUSIVE", "DELETE FROM t WHERE id < 50")
        process = self.start("copy", "app.db", "x.db")
        time.sleep(2.5)  # as long as some owners take for a transaction
        owner.run("COMMIT")
        result = self.finish(process)
        self.assertEqual(result.code, 0, str(result))
        self.check_copy("x.db", rows(100)[50:])

    def test_source_is_untouched_and_at_rest_gets_no_sidecar(self):
        self.make_database(wal=True)
        before = listing(self.dir)
        for strategy in ("auto", "plain", "range", "mmap", "online"):
            with self.subTest(strategy):
                self.copy("--strategy", strategy, "app.db", os.path.join(self.private, strategy))
                self.assertEqual(listing(self.dir), before)

    def test_hot_journal_is_rolled_back_on_the_copy_only(self):
        self.make_database(rows=2000)
        owner = self.owner()
        owner.run("PRAGMA cache_size=5", "BEGIN", "UPDATE t SET value = zeroblob(400)")
        os.kill(owner.process.pid, 9)
        owner.kill()
        self.assertGreater(os.path.getsize(self.path("app.db-journal")), 0)
        before = listing(self.dir)
        destination = os.path.join(self.private, "x.db")
        report = self.copy_json("app.db", destination)
        self.assertEqual(report["verdict"], "recovered")
        self.assertEqual(listing(self.dir), before)
        self.assertEqual(rows_of(destination), rows(2000))
        self.assertEqual(integrity(destination), "ok")


if __name__ == "__main__":
    main()
