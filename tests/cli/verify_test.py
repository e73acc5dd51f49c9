"""sqlbk verify: what it finds, what it tells apart, and that it leaves no trace."""

import json
import os
import re
import shutil
import time
import unittest

from schema import TYPES, documented_fields
from support import SOURCE_ROOT, CliTest, closing, connect, digest, listing, main, works

PAGE = 4096
FRAME = 24 + PAGE


class VerifyTest(CliTest):
    def verify(self, *arguments, **options):
        """Runs it; nothing in the directory may have changed."""
        before = listing(self.dir)
        result = self.run_sqlbk("verify", *arguments, **options)
        self.assertEqual(listing(self.dir), before, str(result))
        return result

    def one(self, *arguments, **options):
        """The only database of the JSON object."""
        result = self.verify("--json", *arguments, **options)
        self.assertEqual(result.json["exit_code"], result.code)
        self.assertEqual(len(result.json["databases"]), 1, str(result))
        return result.json["databases"][0]

    def check_named(self, database, name):
        return [check for check in database["checks"] if check["name"] == name][0]

    def damage(self, name, offset, data):
        with open(self.path(name), "r+b") as file:
            file.seek(offset)
            file.write(data)

    def flip(self, name, offset):
        with open(self.path(name), "r+b") as file:
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ 1]))

    def abandoned_wal(self, name="app.db", transactions=5, keep_shm=False):
        """A database whose owner died and left a WAL of several commits behind."""
        self.make_database(name, wal=True)
        with closing(connect(self.path(name))) as connection:
            connection.execute("PRAGMA wal_autocheckpoint=0")
            for i in range(transactions):
                connection.execute("INSERT INTO t VALUES(?, 'x')", (1000 + i,))
            suffixes = ("", "-wal", "-shm") if keep_shm else ("", "-wal")
            for suffix in suffixes:
                shutil.copy(self.path(name) + suffix, self.private)
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.path(name) + suffix):
                os.unlink(self.path(name) + suffix)
        for suffix in suffixes:
            shutil.move(os.path.join(self.private, name + suffix), self.dir)
        return name

    def frames(self, name="app.db"):
        return (os.path.getsize(self.path(name) + "-wal") - 32) // FRAME


class Sound(VerifyTest):
    def test_at_rest_it_is_read_in_place(self):
        for wal in (False, True):
            with self.subTest(wal=wal):
                name = self.make_database(f"{wal}.db", wal=wal)
                database = self.one(name)
                self.assertEqual(database["verdict"], "ok", database)
                self.assertTrue(database["in_place"])
                self.assertEqual(database["size_bytes"], os.path.getsize(self.path(name)))
                self.assertEqual(self.verify(name).out.count(b"\n"), 1)
                self.assertEqual(self.verify("--quiet", name).out, b"")

    def test_an_abandoned_wal_is_read_in_place(self):
        self.abandoned_wal()
        database = self.one("app.db")
        self.assertEqual(database["verdict"], "ok", database)
        self.assertTrue(database["in_place"])
        self.assertEqual(database["facts"]["wal_committed_frames"], str(self.frames()))

    def test_under_a_live_owner_a_copy_is_checked(self):
        for mode in ("WAL", "DELETE"):
            with self.subTest(mode):
                name = self.make_database(mode + ".db")
                owner = self.owner(name)
                owner.run(f"PRAGMA journal_mode={mode}", "BEGIN IMMEDIATE",
                          "INSERT INTO t VALUES(1000, 'new')")
                database = self.one(name)
                self.assertEqual(database["verdict"], "ok", database)
                self.assertFalse(database["in_place"])
                self.assertGreater(database["copied_bytes"], 0)
                self.assertNotEqual(database["copied_how"], "")
                self.assertIn(b"on a copy of", self.verify(name).out)

    def test_a_hot_journal_is_told_and_rolled_back_on_a_copy(self):
        self.make_database()
        owner = self.owner()
        owner.run("PRAGMA cache_size=2", "BEGIN", "UPDATE t SET value=randomblob(300)")
        owner.kill()
        database = self.one("app.db")
        self.assertEqual(database["verdict"], "ok", database)
        self.assertIn("hot journal", " ".join(database["notes"]))
        self.assertIn("recovered", database["copied_how"])

    def test_nothing_is_left_in_the_tempdir(self):
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, 'new')")
        self.assertEqual(self.one("--tempdir", self.private, "app.db")["verdict"], "ok")
        self.assertEqual(os.listdir(self.private), [])

    def test_the_tempdir_is_never_beside_the_database(self):
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, 'new')")
        result = self.verify("--tempdir", self.dir, "app.db")
        self.assertEqual(result.code, 2, str(result))
        self.assertIn(b"--tempdir", result.out + result.err)
        self.assertEqual(self.verify("app.db", env={"TMPDIR": self.dir}).code, 0)

    def test_an_empty_file(self):
        with open(self.path("empty.db"), "wb"):
            pass
        self.assertEqual(self.one("empty.db")["verdict"], "ok")

    def test_every_page_size_and_kind_of_table(self):
        for page_size in (512, 1024, 65536):
            for jobs in ("1", "3"):
                with self.subTest(page_size=page_size, jobs=jobs):
                    name = f"{page_size}-{jobs}.db"
                    with closing(connect(self.path(name))) as connection:
                        connection.execute(f"PRAGMA page_size={page_size}")
                        connection.execute("PRAGMA auto_vacuum=FULL")
                        connection.execute("CREATE TABLE \"odd 'name\"\"\"(a PRIMARY KEY, b UNIQUE)"
                                           " WITHOUT ROWID")
                        connection.execute("CREATE TABLE \"12\"(a, b)")
                        connection.execute("CREATE INDEX i ON \"12\"(b, a)")
                        connection.execute("CREATE VIEW v AS SELECT * FROM absent")
                        for i in range(50):
                            connection.execute("INSERT INTO \"odd 'name\"\"\" VALUES(?, ?)",
                                               (i, str(i) * 500))
                            connection.execute("INSERT INTO \"12\" VALUES(?, ?)", (i, str(i)))
                    database = self.one("--jobs", jobs, name)
                    self.assertEqual(database["verdict"], "ok", database)

    def test_read_only_files_and_directories(self):
        self.abandoned_wal()
        os.chmod(self.path("app.db"), 0o400)
        os.chmod(self.dir, 0o500)
        try:
            self.assertEqual(self.one("app.db")["verdict"], "ok")
        finally:
            os.chmod(self.dir, 0o700)

    @unittest.skipUnless(works("strace", "-V"), "strace is not here")
    def test_strace_sees_no_write_near_it(self):
        self.abandoned_wal()
        log = os.path.join(self.private, "log")
        # LeakSanitizer cannot work under strace.
        result = self.run_sqlbk("verify", "app.db", env={"ASAN_OPTIONS": "detect_leaks=0"}, wrapper=(
            "strace", "-f", "-o", log, "-e",
            "trace=openat,open,creat,unlink,unlinkat,rename,renameat2,mkdir,mkdirat,ftruncate,"
            "pwrite64,fchmod,link,linkat"))
        if result.code != 0 and not os.path.exists(log):
            self.skipTest("strace may not trace here")
        with open(log, encoding="utf-8", errors="replace") as file:
            for line in file:
                if "app.db" in line or self.dir in line:
                    self.assertNotRegex(line, r"O_WRONLY|O_RDWR|O_CREAT|unlink|rename|mkdir|link")
                self.assertNotRegex(line, r"pwrite64|ftruncate|fchmod")


class Damaged(VerifyTest):
    def expect_damaged(self, check, *arguments):
        result = self.verify(*arguments)
        self.assertEqual(result.code, 3, str(result))
        database = self.one(*arguments)
        self.assertEqual(database["verdict"], "damaged", database)
        found = self.check_named(database, check)
        self.assertEqual(found["verdict"], "damaged", database)
        self.assertIn(found["findings"][0].encode(), result.out)
        return found["findings"]

    def test_a_page_of_junk(self):
        for arguments in ((), ("--quick",), ("--jobs", "2")):
            with self.subTest(arguments):
                self.make_database("app.db") if not os.path.exists(self.path("app.db")) else None
                self.damage("app.db", 2 * PAGE, b"\xff" * PAGE)
                self.expect_damaged("structure", *arguments, "app.db")

    def test_an_index_without_its_row(self):
        self.make_database()
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("CREATE TABLE u(x)")
            connection.execute("INSERT INTO u VALUES(1)")
            connection.execute("CREATE TABLE e(y)")
            connection.execute("CREATE INDEX i ON e(y)")
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute("UPDATE sqlite_schema SET tbl_name='u', sql='CREATE INDEX i ON u(x)'"
                               " WHERE name='i'")
        for jobs in ("1", "2"):
            self.expect_damaged("structure", "--jobs", jobs, "app.db")
        self.assertEqual(self.verify("--quick", "app.db").code, 0, "that is what --quick leaves out")

    def test_truncated(self):
        self.make_database()
        os.truncate(self.path("app.db"), 5 * PAGE)
        self.expect_damaged("header", "app.db")
        with open(self.path("tail.db"), "wb"):
            pass

    def test_the_first_bytes(self):
        self.make_database()
        self.damage("app.db", 0, b"sqlite")
        self.expect_damaged("header", "app.db")

    def test_foreign_keys(self):
        self.make_database()
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("CREATE TABLE child(parent REFERENCES t(id))")
            connection.execute("INSERT INTO child VALUES(7000)")
        self.expect_damaged("foreign_keys", "app.db")
        self.assertEqual(self.verify("--checks", "header,structure", "app.db").code, 0)

    def test_a_digest_that_does_not_fit(self):
        self.make_database()
        self.copy("--then", "digest", "app.db", "copy.db")
        database = self.one("copy.db")
        self.assertEqual(self.check_named(database, "sha256")["verdict"], "ok")
        with closing(connect(self.path("copy.db"))) as connection:
            connection.execute("DELETE FROM t WHERE id=7")
        self.expect_damaged("sha256", "copy.db")

    def test_a_digest_of_a_copy_with_its_wal(self):
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, 'new')")
        self.copy("--keep-wal", "--then", "digest", "app.db", "copy.db")
        self.assertEqual(self.one("copy.db")["verdict"], "ok")
        os.truncate(self.path("copy.db-wal"), 0)
        self.expect_damaged("sha256", "copy.db")

    def test_a_digest_of_something_else(self):
        self.make_database()
        with open(self.path("app.db.sha256"), "wb") as file:
            file.write(b"0" * 64 + b"  another.db\n")
        result = self.verify("app.db")
        self.assertEqual(result.code, 1, str(result))

    def test_a_wal_with_a_flipped_byte_has_lost_commits(self):
        for frame in (1, 2, 3):
            for offset in (0, 9, 17, 24, 24 + PAGE - 1):
                with self.subTest(frame=frame, offset=offset):
                    name = self.abandoned_wal(f"{frame}-{offset}.db")
                    self.assertEqual(self.verify(name).code, 0)
                    self.flip(name + "-wal", 32 + (frame - 1) * FRAME + offset)
                    findings = self.expect_damaged("wal", name)
                    self.assertIn(f"frame {frame}", findings[0])

    def test_a_wal_with_a_damaged_header(self):
        for offset in (0, 5, 17, 25):
            with self.subTest(offset):
                name = self.abandoned_wal(f"{offset}.db")
                self.flip(name + "-wal", offset)
                result = self.verify(name)
                self.assertNotEqual(result.code, 0, str(result))

    def test_the_last_commit_is_known_by_the_wal_index(self):
        name = self.abandoned_wal(keep_shm=True)
        self.assertEqual(self.verify(name).code, 0)
        self.flip(name + "-wal", 32 + (self.frames() - 1) * FRAME + 100)
        self.expect_damaged("wal", name)

    def test_a_torn_tail_is_no_damage(self):
        """The last commit cut off in the middle: an unfinished write."""
        name = self.abandoned_wal()
        os.truncate(self.path(name + "-wal"), 32 + self.frames() * FRAME - 100)
        database = self.one(name)
        self.assertEqual(database["verdict"], "ok", database)
        self.assertEqual(database["facts"]["wal_committed_frames"], str(self.frames()))

    def test_damage_in_a_live_database(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, 'new')")
        self.damage("app.db", 2 * PAGE, b"\xff" * PAGE)
        database = self.one("app.db")
        self.assertEqual(database["verdict"], "damaged", database)
        self.assertFalse(database["in_place"])


class Against(VerifyTest):
    def against(self, *arguments):
        database = self.one("copy.db", "--against", "app.db", *arguments)
        return self.check_named(database, "against")

    def test_a_copy_holds_what_its_source_holds(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, 'new')")
        for steps in (("digest",), ("vacuum_into",), ("vacuum_into=1024",), ("journal_mode=wal",)):
            with self.subTest(steps):
                self.copy("--force", *(f"--then={step}" for step in steps), "app.db", "copy.db")
                self.assertEqual(self.against()["verdict"], "ok")

    def test_a_copy_without_its_wal(self):
        self.abandoned_wal()
        shutil.copy(self.path("app.db"), self.path("copy.db"))
        self.assertEqual(self.verify("copy.db").code, 0, "it looks sound")
        found = self.against()
        self.assertEqual(found["verdict"], "could_not_check")
        self.assertIn("table 't': of 105 rows 5 are missing", found["findings"][0])
        result = self.verify("copy.db", "--against", "app.db")
        self.assertEqual(result.code, 1, "an older copy looks the same")
        self.assertIn(b"copy.db: sound, but it is not what its source holds, and nothing tells why",
                      result.out)
        self.assertIn(b"  against: table 't'", result.out)
        self.assertNotIn(b"damaged", result.out)

    def test_what_differs(self):
        self.make_database()
        self.copy("app.db", "copy.db")
        with closing(connect(self.path("copy.db"))) as connection:
            connection.execute("UPDATE t SET value=NULL WHERE id=7")
            connection.execute("DELETE FROM t WHERE id=8")
            connection.execute("INSERT INTO t VALUES(500, 1), (501, '1'), (502, x'31'), (503, 1.0)")
            connection.execute("CREATE TABLE extra(x)")
        findings = self.against()["findings"]
        self.assertEqual(findings[0], "table 'extra' is only in the copy")
        self.assertIn("of 100 rows 2 are missing or different, and 5 of 103", findings[1])
        self.assertIn("change counters differ", findings[2])
        self.assertIn("cannot tell", findings[2])
        database = self.one("copy.db", "--against", "app.db")
        self.assertEqual(database["against"]["result"], "differs_cause_unknown")
        self.assertIn("change counters differ", database["against"]["reason"])
        self.assertEqual(database["verdict"], "could_not_check")

    def test_types_are_content(self):
        self.make_database()
        self.copy("app.db", "copy.db")
        for name, value in (("app.db", "1"), ("copy.db", "'1'")):
            with closing(connect(self.path(name))) as connection:
                connection.execute(f"UPDATE t SET value={value} WHERE id=7")
        self.assertIn("table 't'", self.against()["findings"][0])

    def test_nothing_differs(self):
        self.make_database()
        self.assertEqual(self.one("app.db")["against"], {"result": "not_compared", "reason": ""})
        self.copy("app.db", "copy.db")
        self.assertEqual(self.one("copy.db", "--against", "app.db")["against"],
                         {"result": "equal", "reason": ""})

    def test_what_is_no_database_is_no_damage_of_the_copy(self):
        self.make_database()
        self.copy("app.db", "copy.db")
        whole = os.path.getsize(self.path("app.db"))
        with open(self.path("noise.db"), "wb") as file:
            file.write(os.urandom(2 * PAGE))
        os.rename(self.path("app.db"), self.path("short.db"))
        os.truncate(self.path("short.db"), whole - PAGE)
        for name in ("noise.db", "short.db"):
            with self.subTest(name):
                result = self.verify("copy.db", "--against", name)
                self.assertEqual(result.code, 1, str(result))
                self.assertIn(name.encode(), result.out)
                database = self.one("copy.db", "--against", name)
                self.assertEqual(database["verdict"], "could_not_check", database)
                self.assertEqual({check["name"]: check["verdict"] for check in database["checks"]
                                  if check["verdict"] not in ("ok", "skipped")},
                                 {"against": "could_not_check"})
                self.assertEqual(database["against"]["result"], "not_compared")

    def test_a_source_that_breaks_off_is_no_damage_of_the_copy(self):
        """What differed before is no answer."""
        self.make_database(rows=400)
        self.copy("app.db", "copy.db")
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("CREATE TABLE more(x)")
        self.damage("app.db", 9 * PAGE, b"\xff" * PAGE)
        result = self.verify("copy.db", "--against", "app.db")
        self.assertEqual(result.code, 1, str(result))
        database = self.one("copy.db", "--against", "app.db")
        self.assertEqual((database["verdict"], database["against"]["result"]),
                         ("could_not_check", "not_compared"), database)

    def test_it_takes_one_database(self):
        self.make_database()
        self.assertEqual(self.verify("app.db", "app.db", "--against", "app.db").code, 2)
        self.assertEqual(self.verify("app.db", "--against", "absent.db").code, 1)


class Reason(VerifyTest):
    """Why a copy with a manifest differs from its source."""

    def compare(self):
        return self.one("copy.db", "--against", "app.db", "--manifest", "m.json")

    def make_copy(self, *arguments):
        """One whose manifest has the times of the source: it was not written to just before."""
        for _ in range(100):
            self.copy("--force", "--manifest", "m.json", *arguments, "app.db", "copy.db")
            with open(self.path("m.json"), encoding="utf-8") as file:
                manifest = json.load(file)
            if manifest["source"]["ctime_ns"] != 0:
                return manifest
            time.sleep(0.05)
        raise AssertionError("the file system's clock does not go on")

    def change(self, name, sql):
        with closing(connect(self.path(name))) as connection:
            connection.execute(sql)

    def expect(self, reason, verdict, word):
        database = self.compare()
        found = self.check_named(database, "against")
        self.assertEqual((database["against"]["result"], found["verdict"]), (reason, verdict),
                         database)
        self.assertIn(word, database["against"]["reason"])
        self.assertIn(word, " ".join(found["findings"] + database["notes"]))
        return database

    def more_in_the_wal(self, name="app.db"):
        """Another commit by an owner that dies: the WAL grows, and main stays."""
        main_before = digest(self.path(name))
        owner = self.owner(name)
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(2000, 'more')")
        owner.kill()
        self.assertEqual(digest(self.path(name)), main_before)

    def test_the_source_is_as_it_was(self):
        self.make_database()
        self.make_copy()
        self.change("copy.db", "DELETE FROM t WHERE id=7")
        database = self.expect("copy_lost_content", "damaged", "not written to since")
        self.assertEqual(database["verdict"], "damaged")
        result = self.verify("copy.db", "--against", "app.db", "--manifest", "m.json")
        self.assertEqual(result.code, 3, str(result))

    def test_the_wal_of_the_source_is_as_it_was(self):
        self.abandoned_wal()
        self.make_copy()
        os.utime(self.path("app.db"))  # the time alone is no longer that of then
        self.change("copy.db", "DELETE FROM t WHERE id=7")
        self.expect("copy_lost_content", "damaged", "ends where it ended then")

    def test_the_wal_of_the_source_has_grown(self):
        self.abandoned_wal()
        self.make_copy()
        frames = self.frames()
        self.more_in_the_wal()
        self.assertGreater(self.frames(), frames)
        database = self.expect("source_moved_on", "ok", f"held at frame {frames} of {self.frames()}")
        self.assertEqual(database["verdict"], "ok", database)

    def test_the_wal_of_the_source_has_grown_and_the_copy_was_changed(self):
        self.abandoned_wal()
        self.make_copy()
        self.more_in_the_wal()
        self.change("copy.db", "DELETE FROM t WHERE id=7")
        self.expect("differs_cause_unknown", "could_not_check", "written to since")

    def test_a_compacted_copy_is_compared_by_its_rows(self):
        self.abandoned_wal()
        self.make_copy("--then", "vacuum_into")
        self.more_in_the_wal()
        self.expect("source_moved_on", "ok", "held at frame")

    def test_the_source_was_written_to(self):
        for mode in ("DELETE", "WAL"):
            with self.subTest(mode):
                self.make_database(f"{mode}.db", wal=mode == "WAL")
                os.replace(self.path(f"{mode}.db"), self.path("app.db"))
                self.make_copy()
                # By all commits of a connection, and a checkpoint at its end.
                self.change("app.db", "CREATE TABLE more(x)")
                self.expect("source_moved_on", "ok", "byte for byte")
                self.change("copy.db", "DELETE FROM t WHERE id=7")
                self.expect("differs_cause_unknown", "could_not_check", "written to since")

    def test_the_source_is_in_use(self):
        """Then a copy of it is compared, which says where in the WAL it stands."""
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, 'new')")
        self.make_copy()
        self.assertEqual(self.compare()["against"]["result"], "equal")
        owner.run("INSERT INTO t VALUES(1001, 'newer')")
        self.expect("source_moved_on", "ok", "byte for byte")
        self.change("copy.db", "DELETE FROM t WHERE id=7")
        self.expect("differs_cause_unknown", "could_not_check", "written to since")
        self.make_copy()
        self.change("copy.db", "DELETE FROM t WHERE id=7")
        self.expect("copy_lost_content", "damaged", "ends where it ended then")

    def test_an_older_copy_beside_a_live_source(self):
        """Without the manifest nothing tells, and no damage is claimed; with it the source has moved
        on."""
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, 'new')")
        self.make_copy()
        for writes in (("INSERT INTO t VALUES(1001, 'newer')",),
                       ("PRAGMA wal_checkpoint(TRUNCATE)", "INSERT INTO t VALUES(1002, 'newest')")):
            owner.run(*writes)
            result = self.verify("copy.db", "--against", "app.db")
            self.assertEqual(result.code, 1, str(result))
            self.assertNotIn(b"damaged", result.out)
            result = self.verify("copy.db", "--against", "app.db", "--manifest", "m.json")
            self.assertEqual(result.code, 0, str(result))

    def test_another_file_has_its_name(self):
        self.make_database()
        self.make_copy()
        shutil.copy(self.path("app.db"), self.path("other.db"))
        os.replace(self.path("other.db"), self.path("app.db"))
        self.assertEqual(self.compare()["against"]["result"], "equal", "equal is equal")
        self.change("app.db", "DELETE FROM t WHERE id=7")
        self.expect("differs_cause_unknown", "could_not_check", "not the file that was copied")

    def test_the_source_has_lost_commits(self):
        self.abandoned_wal()
        self.make_copy()
        os.truncate(self.path("app.db-wal"), 32 + 2 * FRAME)
        self.expect("differs_cause_unknown", "could_not_check", "the source has lost commits")


class Copied(VerifyTest):
    """What `sqlbk copy` says of the commits that damage in a WAL has cut off."""

    def warnings(self, name):
        before = listing(self.dir)
        report = self.copy_json(name, os.path.join(self.private, "json.db"))
        result = self.copy(name, os.path.join(self.private, "text.db"))
        self.assertEqual(listing(self.dir), before)
        for copy in ("json.db", "text.db"):
            os.unlink(os.path.join(self.private, copy))
        self.assertEqual([line for line in result.err.decode().splitlines()
                          if line.startswith("warning: ")],
                         ["warning: " + text for text in report["warnings"]])
        return report["warnings"]

    def test_a_flipped_byte_in_the_middle(self):
        for offset in (0, 9, 17, 24, 24 + PAGE - 1):
            with self.subTest(offset):
                name = self.abandoned_wal(f"{offset}.db")
                self.flip(name + "-wal", 32 + FRAME + offset)
                warnings = self.warnings(name)
                self.assertEqual(len(warnings), 1, warnings)
                self.assertIn("damaged at frame 2", warnings[0])
                self.assertIn(f"up to frame {self.frames(name)} are lost", warnings[0])
                self.assertIn("sqlbk verify", warnings[0])

    def test_a_damaged_header(self):
        for offset in (0, 17, 25):
            with self.subTest(offset):
                name = self.abandoned_wal(f"{offset}.db")
                self.flip(name + "-wal", offset)
                warnings = self.warnings(name)
                self.assertEqual(len(warnings), 1, warnings)
                self.assertIn("damaged at its header", warnings[0])
                self.assertIn("sqlbk verify", warnings[0])

    def test_no_damage(self):
        self.assertEqual(self.warnings(self.abandoned_wal()), [])
        torn = self.abandoned_wal("torn.db")
        os.truncate(self.path(torn + "-wal"), 32 + self.frames(torn) * FRAME - 100)
        self.assertEqual(self.warnings(torn), [])

    def test_what_was_spilled_and_rolled_back_is_no_damage(self):
        for more in ((), ("INSERT INTO t VALUES(2001, 'x')",)):
            with self.subTest(more):
                name = self.make_database(f"{len(more)}.db", rows=2000, wal=True)
                owner = self.owner(name)
                owner.run("PRAGMA wal_autocheckpoint=0", "PRAGMA cache_size=5",
                          "INSERT INTO t VALUES(2000, 'x')", "BEGIN",
                          "UPDATE t SET value=zeroblob(300)", "ROLLBACK", *more)
                owner.kill()
                wal = self.run_sqlbk("inspect", "--json", name).json["wal"]
                # Frames behind the last commit, once in the chain and once out of it.
                behind = "unchained_frames" if more else "valid_frames"
                self.assertGreater(wal[behind], 0 if more else wal["committed_frames"])
                self.assertEqual(self.warnings(name), [])


class Manifest(VerifyTest):
    def test_a_copy_is_what_its_manifest_says(self):
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, 'new')")
        self.copy("--manifest", "m.json", "--then", "integrity_check", "app.db", "copy.db")
        with open(self.path("m.json"), encoding="utf-8") as file:
            manifest = json.load(file)
        with open(os.path.join(SOURCE_ROOT, "docs", "formats", "manifest.md"),
                  encoding="utf-8") as file:
            rows = re.findall(r"^\| `([\w.]+)` \| (\w[\w ]*) \|", file.read(), re.MULTILINE)
        self.assertEqual(set(manifest), {name for name, _ in rows if "." not in name})
        for name in ("source", "copy", "versions"):
            self.assertEqual({f"{name}.{field}" for field in manifest[name]},
                             {field for field, _ in rows if field.startswith(name + ".")})
        for field, kind in rows:
            value = manifest
            for part in field.split("."):
                value = value[part]
            self.assertTrue(TYPES[kind](value), (field, value))
        with open(self.path("copy.db"), "rb") as file:
            header = file.read(100)
        self.assertEqual(manifest["source"]["change_counter"], int.from_bytes(header[24:28], "big"))
        self.assertEqual(manifest["source"]["schema_cookie"], int.from_bytes(header[40:44], "big"))
        self.assertEqual(manifest["copy"]["pages"], os.path.getsize(self.path("copy.db")) // PAGE)
        self.assertEqual(manifest["copy"]["sha256"], digest(self.path("copy.db")))
        self.assertEqual(manifest["source"]["inode"], os.stat(self.path("app.db")).st_ino)
        self.assertFalse(os.path.exists(self.path("copy.db.sha256")))
        self.assertEqual(self.verify("--manifest", "m.json", "copy.db").code, 0)
        self.flip("copy.db", 60)  # the user version: SQLite finds nothing
        self.assertEqual(self.verify("copy.db").code, 0)
        result = self.verify("--manifest", "m.json", "copy.db")
        self.assertEqual(result.code, 3, str(result))
        self.assertIn(b"manifest: ", result.out)

    def test_with_a_wal(self):
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, 'new')")
        self.copy("--keep-wal", "--manifest", "m.json", "app.db", "copy.db")
        self.assertEqual(self.verify("--manifest", "m.json", "copy.db").code, 0)
        os.unlink(self.path("copy.db-wal"))
        self.assertEqual(self.verify("--manifest", "m.json", "copy.db").code, 3)

    def test_its_name_must_be_free_and_its_directory_there(self):
        self.make_database()
        with open(self.path("m.json"), "wb") as file:
            file.write(b"somebody's")
        self.refused(5, "destination_exists", "m.json", "--manifest", "m.json", "app.db", "copy.db")
        self.refused(1, "destination_unusable", "absent/m.json", "--manifest", "absent/m.json",
                     "app.db", "copy.db")
        os.symlink("absent", self.path("link.json"))
        self.refused(5, "destination_exists", "link.json", "--manifest", "link.json", "app.db",
                     "copy.db")
        for name in ("m.json", "link.json"):
            self.copy("--force", "--manifest", name, "app.db", "copy.db")
            self.assertEqual(self.verify("--manifest", name, "copy.db").code, 0)

    def make_databases(self):
        """The source with some of its sidecars, and ways to it."""
        self.abandoned_wal()
        os.mkdir(self.path("sub"))
        os.mkdir(self.path("to"))
        os.symlink(".", self.path("here"))
        os.symlink("app.db", self.path("link.db"))
        for name in ("app.db.sha256", "to/copy.db.sha256"):
            with open(self.path(name), "wb") as file:
                file.write(b"somebody's")

    def refused_manifest(self, manifest, *arguments):
        result = self.refused(5, "destination_exists", manifest, "--manifest", manifest,
                              *arguments)
        self.assertNotIn("--force", result.json["error"]["hint"])

    def test_it_has_no_name_of_a_database(self):
        self.make_databases()
        for suffix in ("", "-wal", "-shm", "-journal", ".sha256"):
            for force in ((), ("--force",)):
                for source, manifest in (("app.db", "app.db"), ("app.db", "./app.db"),
                                         ("app.db", "sub/../app.db"), ("app.db", "here/app.db"),
                                         ("link.db", "app.db"), ("link.db", "link.db"),
                                         ("app.db", "to/copy.db"), ("app.db", "./to/copy.db"),
                                         ("app.db", "here/to/copy.db")):
                    with self.subTest(suffix=suffix, force=force, source=source, file=manifest):
                        self.refused_manifest(manifest + suffix, *force, source, "to/copy.db")
        # Where the destination is a directory.
        self.refused_manifest("to/app.db-wal", "--force", "app.db", "to")

    def test_it_replaces_no_file_of_sqlite(self):
        self.abandoned_wal()
        self.make_database("other.db")
        shutil.copy(self.path("app.db-wal"), self.path("other"))
        shutil.copy(os.path.join(os.environ["SQLBK_TEST_DATA"], "hot.db-journal"),
                    self.path("another"))
        os.symlink("app.db", self.path("m.json"))
        for name in ("other.db", "other", "another", "m.json"):
            with self.subTest(name):
                self.refused_manifest(name, "--force", "app.db", "copy.db")

    def test_it_replaces_nothing_that_is_no_regular_file(self):
        self.make_database()
        os.mkdir(self.path("folder"))
        os.mkfifo(self.path("fifo"))
        for name in ("folder", "fifo", "/dev/null"):
            for force in ((), ("--force",)):
                with self.subTest(name=name, force=force):
                    self.refused_manifest(name, *force, "app.db", "copy.db")

    def test_a_new_name_or_an_old_manifest(self):
        self.make_databases()
        for name in ("app.db.json", "m.json", "sub/app.db", "app.db-wal.json"):
            for force in ((), ("--force",)):
                with self.subTest(name=name, force=force):
                    self.copy(*force, "--manifest", name, "app.db", "copy.db")
                    self.assertEqual(self.verify("--manifest", name, "copy.db").code, 0)
            os.unlink(self.path("copy.db"))

    def test_what_is_no_manifest(self):
        self.make_database()
        for text in (b"", b"{}", b"[1]", b'{"sqlbk_manifest": 2}', b'{"sqlbk_manifest": 1}'):
            with open(self.path("m.json"), "wb") as file:
                file.write(text)
            result = self.verify("--manifest", "m.json", "app.db")
            self.assertEqual(result.code, 2, str(result))
        self.assertEqual(self.verify("--manifest", "absent.json", "app.db").code, 1)
        self.assertEqual(self.verify("--manifest", "m.json", "app.db", "app.db").code, 2)


class CouldNotCheck(VerifyTest):
    def expect_failure(self, code, mentioned, *arguments):
        result = self.verify(*arguments)
        self.assertEqual(result.code, code, str(result))
        self.assertIn(os.fsencode(mentioned), result.out, str(result))
        self.assertIn(b"hint: ", result.err, str(result))
        database = self.one(*arguments)
        self.assertEqual(database["verdict"], "could_not_check", database)
        self.assertNotEqual(database["error"], None)

    def test_nothing_there(self):
        self.expect_failure(1, "absent.db", "absent.db")

    def test_no_database(self):
        with open(self.path("text.db"), "wb") as file:
            file.write(b"not a database" * 1000)
        self.expect_failure(6, "text.db", "text.db")
        with open(self.path("random.db"), "wb") as file:
            file.write(os.urandom(8192))
        self.expect_failure(6, "random.db", "random.db")

    def test_a_directory(self):
        self.expect_failure(6, self.dir, self.dir)

    def test_a_wal_of_another_database(self):
        name = self.abandoned_wal()
        self.make_database("other.db", page_size=1024)
        os.rename(self.path(name + "-wal"), self.path("other.db-wal"))
        self.expect_failure(6, "other.db", "other.db")

    def test_a_foreign_key_without_a_parent_key(self):
        self.make_database()
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("CREATE TABLE p(x)")
            connection.execute("CREATE TABLE c(y REFERENCES p(x))")
        result = self.verify("app.db")
        self.assertEqual(result.code, 1, str(result))
        self.assertIn(b"could not check", result.out)


class Many(VerifyTest):
    def test_a_line_for_each_and_damage_counts_most(self):
        self.make_database("good.db")
        self.make_database("bad.db")
        self.damage("bad.db", 2 * PAGE, b"\xff" * PAGE)
        result = self.verify("good.db", "absent.db", "bad.db", "good.db")
        self.assertEqual(result.code, 3, str(result))
        lines = [line for line in result.out.splitlines() if not line.startswith(b"  ")]
        self.assertEqual([line.split(b":")[0] for line in lines],
                         [b"good.db", b"absent.db", b"bad.db", b"good.db"])
        self.assertEqual(self.verify("good.db", "absent.db").code, 1)
        result = self.verify("--json", "good.db", "absent.db", "bad.db")
        self.assertEqual([database["verdict"] for database in result.json["databases"]],
                         ["ok", "could_not_check", "damaged"])
        self.assertEqual(self.verify("--quiet", "good.db", "good.db").out, b"")

    def test_the_json_is_what_is_documented(self):
        fields = documented_fields("verify")
        self.make_database("good.db")
        self.make_database("bad.db")
        self.damage("bad.db", 2 * PAGE, b"\xff" * PAGE)
        owned = self.make_database("owned.db", wal=True)
        self.owner(owned).run("INSERT INTO t VALUES(1000, 'new')")
        result = self.verify("--json", "good.db", "absent.db", "bad.db", "owned.db")
        self.assertEqual(set(result.json),
                         {"command", "version", "exit_code", "error", "databases"})
        self.assertIsNone(result.json["error"])
        here = {name for name in fields if "[" not in name and "." not in name}
        parts = {name.split(".")[1] for name in fields if "[" in name}
        for database in result.json["databases"]:
            self.assertEqual(set(database), here)
            for name in here:
                self.assertTrue(TYPES[fields[name]](database[name]), (name, database[name]))
            for check in database["checks"]:
                self.assertEqual(set(check), parts)
            self.assertEqual(set(database["against"]), {"result", "reason"})

    def test_what_is_wrong_on_the_command_line(self):
        self.make_database()
        for arguments in ((), ("",), ("app.db", ""), ("--checks", "spelling", "app.db"),
                          ("--checks", "", "app.db"),
                          ("--jobs", "0", "app.db"), ("--jobs", "two", "app.db"),
                          ("--check", "app.db"), ("--timeout", "soon", "app.db")):
            with self.subTest(arguments):
                result = self.verify(*arguments)
                self.assertEqual(result.code, 2, str(result))
                self.assertIn(b"hint: ", result.err)
                as_json = self.verify("--json", *arguments)
                self.assertEqual(as_json.json["error"]["code"], "usage")

    def test_odd_names(self):
        for name in ("a b.db", "quote'.db", "new\nline.db", "file:x?immutable=0", "ümläut.db"):
            with self.subTest(name):
                self.make_database(name)
                result = self.verify("--", name)
                self.assertEqual(result.code, 0, str(result))
                self.assertEqual(result.out.count(b"\n"), 1)

    def test_only_the_checks_asked_for(self):
        self.make_database()
        database = self.one("--checks", "structure,header", "app.db")
        self.assertEqual([check["name"] for check in database["checks"]], ["header", "structure"])


if __name__ == "__main__":
    main()
