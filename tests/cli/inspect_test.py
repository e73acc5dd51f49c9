"""`sqlbk inspect`: what it tells of databases in every state, and that it touches nothing."""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import unittest

from schema import documented_fields, problems
from support import (SQLBK, CliTest, closing, connect, listing, main, reap, without_root_powers,
                     works)

DATA = os.environ["SQLBK_TEST_DATA"]
STRACE = shutil.which("strace")
TRACED = "trace=openat,open,creat,rename,renameat,renameat2,unlink,unlinkat,link,linkat," \
         "mkdir,mkdirat,symlink,symlinkat,truncate,ftruncate,write,pwrite64,writev,fcntl,flock," \
         "utimensat,chmod,fchmod,fchmodat,ioctl,mmap,fallocate,fsync"


def times(directory):
    """Every time stamp there is, of the directory, too."""
    found = {}
    for name in [".", *os.listdir(directory)]:
        info = os.lstat(os.path.join(directory, name))
        found[name] = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    return found


class Inspect(CliTest):
    def inspect(self, *arguments, **options):
        result = self.run_sqlbk("inspect", "--json", *arguments, **options)
        self.assertEqual((result.code, result.err), (0, b""), str(result))
        return self.check_json(result)

    def check_json(self, result):
        self.assertEqual(result.out.count(b"\n"), 1, str(result))
        self.assertEqual(problems(result.json, documented_fields("inspect")), [], str(result))
        self.assertEqual(result.json["exit_code"], result.code)
        self.assertEqual(result.json["error"] is None, result.code == 0)
        return result.json

    def text(self, *arguments, **options):
        result = self.run_sqlbk("inspect", *arguments, **options)
        self.assertEqual((result.code, result.err), (0, b""), str(result))
        return result.out.decode()

    def take(self, name, *suffixes):
        """A golden database with these of its sidecars, as app.db."""
        for suffix in ("", *suffixes):
            shutil.copyfile(os.path.join(DATA, name + suffix), self.path("app.db" + suffix))

    def lock_rows(self, report):
        return [(lock["name"], lock["mode"], lock["pid"]) for lock in report["locks"]]

    @contextlib.contextmanager
    def attached(self, name):
        """A process that holds the DMS lock of the -shm, as if its owner were still there."""
        program = "import fcntl, struct, sys\n" \
                  "file = open(sys.argv[1], 'r+b')\n" \
                  "lock = struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, 128, 1, 0)\n" \
                  "fcntl.fcntl(file, fcntl.F_SETLK, lock)\n" \
                  "print(flush=True)\n" \
                  "sys.stdin.read()"
        process = subprocess.Popen([sys.executable, "-c", program, self.path(name + "-shm")],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(reap, process)
        process.stdout.readline()
        yield process.pid
        process.communicate()

    def check_refusal(self, refusal, error):
        """Of a copy to x.db, which inspect knows nothing of."""
        expected = {**error, "destination": "",
                    "message": error["message"].replace(" to 'x.db'", "")}
        self.assertEqual(refusal, expected)

    # -- what the file says ----------------------------------------------------------------------

    def test_every_field_of_the_header(self):
        with closing(connect(self.path("app.db"))) as connection:
            for sql in ("PRAGMA page_size=1024", "PRAGMA encoding='UTF-16le'",
                        "PRAGMA auto_vacuum=INCREMENTAL", "CREATE TABLE t(x)",
                        "INSERT INTO t VALUES(zeroblob(50000))", "DELETE FROM t",
                        "PRAGMA user_version=-7", "PRAGMA application_id=0x53514c42"):
                connection.execute(sql).fetchall()
            expected = {name: connection.execute(f"PRAGMA {pragma}").fetchone()[0]
                        for name, pragma in (("page_size_bytes", "page_size"),
                                             ("size_pages", "page_count"),
                                             ("freelist_pages", "freelist_count"),
                                             ("encoding", "encoding"),
                                             ("user_version", "user_version"),
                                             ("application_id", "application_id"),
                                             ("schema_cookie", "schema_version"))}
        report = self.inspect("app.db")
        self.assertEqual({name: report["header"][name] for name in expected}, expected)
        self.assertGreater(expected["freelist_pages"], 0)
        self.assertEqual(report["header"]["auto_vacuum"], "incremental")
        self.assertEqual(report["header"]["sqlite_version"], sqlite3.sqlite_version)
        self.assertEqual(report["header"]["from"], "main")
        self.assertEqual(report["journal_mode"], "rollback")
        self.assertEqual((report["wal"], report["wal_index"]), (None, None))
        self.assertEqual(report["journal"], {"state": "none", "names_super_journal": False})
        self.assertEqual([file["name"] for file in report["files"]], ["main"])
        self.assertEqual(report["files"][0]["size_bytes"], os.path.getsize(self.path("app.db")))
        self.assertEqual((report["users"], report["locks"]), ([], []))
        text = self.text("app.db")
        for line in ("page size       1024 bytes", "encoding        UTF-16le",
                     "auto_vacuum     incremental", "application id  0x53514c42",
                     "user version    -7", f"SQLite {sqlite3.sqlite_version}"):
            self.assertIn(line, text)

    def test_the_newest_commit_counts(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0", "PRAGMA user_version=12",
                  "INSERT INTO t VALUES(1000, zeroblob(100000))")
        report = self.inspect("app.db")
        self.assertEqual(report["header"]["from"], "wal")
        self.assertEqual(report["header"]["user_version"], 12)
        self.assertEqual(report["header"]["size_pages"], owner.run("PRAGMA page_count")[0][0])
        owner.run("PRAGMA wal_checkpoint(TRUNCATE)")
        report = self.inspect("app.db")
        self.assertEqual((report["header"]["from"], report["header"]["user_version"]), ("main", 12))

    def test_link_and_given_path(self):
        self.make_database()
        os.symlink("app.db", self.path("link.db"))
        report = self.inspect("link.db")
        self.assertEqual((report["database"], report["path"]), ("link.db", self.path("app.db")))

    def test_empty(self):
        with open(self.path("empty.db"), "wb"):
            pass
        report = self.inspect("empty.db")
        self.assertIsNone(report["header"])
        self.assertEqual(report["files"][0]["size_bytes"], 0)
        self.assertEqual(report["copy"]["exit_code"], 0)
        self.assertIn("an empty database", self.text("empty.db"))

    def test_truncated(self):
        self.make_database()
        os.truncate(self.path("app.db"), 8192)
        report = self.inspect("app.db")
        self.assertIn("truncated", " ".join(report["warnings"]))
        copied = self.run_sqlbk("copy", "--dry-run", "--json", "app.db", "x.db")
        self.assertEqual((copied.code, report["copy"]["exit_code"]), (3, 3))
        self.check_refusal(report["copy"]["refusal"], copied.json["error"])

    # -- WAL -------------------------------------------------------------------------------------

    def test_live_wal(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0", *(f"INSERT INTO t VALUES({i}, x'01')"
                                                   for i in range(1000, 1005)))
        report = self.inspect("app.db")
        wal, index = report["wal"], report["wal_index"]
        self.assertEqual(report["journal_mode"], "wal")
        self.assertEqual((wal["header"], wal["commits"], wal["torn"]), ("valid", 5, False))
        self.assertEqual(wal["valid_frames"], wal["committed_frames"])
        self.assertEqual((index["mx_frame"], index["backfilled_frames"]),
                         (wal["committed_frames"], 0))
        self.assertEqual(index["salts"], wal["salts"])
        with open(self.path("app.db-wal"), "rb") as file:
            salts = file.read(24)[16:].hex()
        self.assertEqual(wal["salts"].replace("-", ""), salts)
        owner.run("PRAGMA wal_checkpoint(PASSIVE)")
        self.assertEqual(self.inspect("app.db")["wal_index"]["backfilled_frames"],
                         wal["committed_frames"])
        text = self.text("app.db")
        self.assertRegex(text, rf"committed +{wal['committed_frames']} frames in 5 transactions")
        self.assertRegex(text, rf"wal-index +mxFrame {index['mx_frame']}, nBackfill ")

    def test_truncated_wal(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, x'01')", "PRAGMA wal_checkpoint(TRUNCATE)")
        report = self.inspect("app.db")
        self.assertEqual((report["journal_mode"], report["wal"]), ("wal", None))
        self.assertEqual(report["wal_index"]["mx_frame"], 0)
        self.assertNotIn("write-ahead log", self.text("app.db"))

    def test_wal_index_of_another_generation(self):
        # As between the two writes by which a writer begins one (walRestartLog() in wal.c).
        self.take("wal.db", "-wal")
        shutil.copyfile(os.path.join(DATA, "zerosalt.db-shm"), self.path("app.db-shm"))
        with self.attached("app.db"):
            report = self.inspect("app.db")
            self.assertNotEqual(report["wal"]["salts"], report["wal_index"]["salts"])
            self.assertNotIn("by the wal-index", " ".join(report["warnings"]))
            self.assertIn("not in the file yet", self.text("app.db"))

    def test_wal_left_by_a_dead_owner(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, x'01')")
        owner.kill()
        report = self.inspect("app.db")
        self.assertEqual(report["wal"]["commits"], 1)
        self.assertIsNone(report["wal_index"], "nobody vouches for it")
        self.assertEqual((report["users"], report["locks"]), ([], []))

    def test_wal_that_holds_nothing(self):
        self.make_database(wal=True)
        with open(self.path("app.db-wal"), "wb") as file:
            file.write(b"\0" * 100)
        report = self.inspect("app.db")
        self.assertEqual(report["wal"]["header"], "wrong magic number")
        self.assertIn("holds nothing", self.text("app.db"))

    def test_wal_beside_a_rollback_header(self):
        self.take("wal.db", "-wal")
        with open(self.path("app.db"), "r+b") as file:
            file.seek(18)
            file.write(b"\1\1")
        report = self.inspect("app.db")
        self.assertEqual(report["journal_mode"], "wal")
        self.assertIn("says rollback mode", " ".join(report["warnings"]))

    def test_frames_without_checksums(self):
        self.take("zerosalt.db", "-wal")
        report = self.inspect("app.db")
        wal = report["wal"]
        self.assertEqual((wal["valid_frames"], wal["committed_frames"], wal["zero_salt_frames"],
                          wal["unchained_frames"], wal["older_frames"]), (1, 1, 30, 10, 3))
        self.assertIn("nobody vouches for them", " ".join(report["warnings"]))
        self.assertIn("30 frames without salts", self.text("app.db"))

    def test_frames_without_checksums_of_a_live_owner(self):
        self.take("zerosalt.db", "-wal", "-shm")
        with self.attached("app.db") as pid:
            report = self.inspect("app.db")
        self.assertEqual(self.lock_rows(report), [("DMS", "read", pid)])
        self.assertEqual(report["wal_index"]["mx_frame"], 41)
        self.assertIn("by the wal-index 41 frames", " ".join(report["warnings"]))

    def test_bugs_of_the_version_that_wrote_it(self):
        self.take("wal.db", "-wal")
        report = self.inspect("app.db")
        self.assertEqual(report["header"]["sqlite_version"], "3.40.1")
        self.assertEqual(report["header"]["sqlite_bugs"],
                         ["frames-without-checksums", "wal-reset"])
        self.assertEqual(sum("SQLite 3.40.1" in line for line in report["warnings"]), 2)
        self.take("rollback.db")
        for suffix in ("-wal", "-shm"):
            if os.path.exists(self.path("app.db" + suffix)):
                os.remove(self.path("app.db" + suffix))
        report = self.inspect("app.db")
        self.assertEqual(len(report["header"]["sqlite_bugs"]), 2)
        self.assertEqual(report["warnings"], [], "both need a WAL")

    def test_version_without_bugs(self):
        self.take("rollback.db")
        with open(self.path("app.db"), "r+b") as file:
            file.seek(96)
            file.write((3053002).to_bytes(4, "big"))
        header = self.inspect("app.db")["header"]
        self.assertEqual((header["sqlite_version"], header["sqlite_bugs"]), ("3.53.2", []))

    def test_what_lies_behind_the_valid_frames(self):
        self.take("spilled.db", "-wal")
        wal = self.inspect("app.db")["wal"]
        self.assertEqual((wal["valid_frames"], wal["committed_frames"], wal["torn"]),
                         (41, 24, False))
        with open(self.path("app.db-wal"), "ab") as file:
            file.write(b"\1" * 100)
        self.assertTrue(self.inspect("app.db")["wal"]["torn"])
        self.assertRegex(self.text("app.db"), "behind these +a frame that is torn")

    # -- journals --------------------------------------------------------------------------------

    def test_hot_journal(self):
        self.take("hot.db", "-journal")
        report = self.inspect("app.db")
        self.assertEqual(report["journal"], {"state": "hot", "names_super_journal": False})
        self.assertTrue(any("hot journal" in line for line in report["copy"]["decisions"]))
        self.assertIn("the next to open rolls it back", self.text("app.db"))

    def test_active_journal(self):
        self.make_database(rows=2000)
        owner = self.owner()
        owner.run("PRAGMA cache_size=5", "BEGIN", "UPDATE t SET value=x'02'")
        report = self.inspect("app.db")
        self.assertEqual(report["journal"]["state"], "active")
        self.assertEqual(report["users"][0]["files"], ["main", "journal"])

    def test_super_journal(self):
        self.take("super.db", "-journal")
        report = self.inspect("app.db")
        self.assertTrue(report["journal"]["names_super_journal"])
        self.assertIn("several databases", " ".join(report["warnings"]))

    def test_journals_that_tell_their_mode(self):
        for mode in ("persist", "truncate"):
            with self.subTest(mode):
                owner = self.owner(f"{mode}.db")
                owner.run(f"PRAGMA journal_mode={mode}", "CREATE TABLE t(x)")
                report = self.inspect(f"{mode}.db")
                self.assertEqual((report["journal_mode"], report["journal"]["state"]),
                                 (mode, "inactive"))
                self.assertIn(f"rollback ({mode}", self.text(f"{mode}.db"))
                owner.run("BEGIN IMMEDIATE")
                self.assertEqual(self.inspect(f"{mode}.db")["journal_mode"], "rollback")

    # -- who is there ----------------------------------------------------------------------------

    def test_owner_in_wal_mode(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, x'01')", "BEGIN IMMEDIATE")
        report = self.inspect("app.db")
        pid = owner.process.pid
        user = report["users"][0]
        self.assertEqual(len(report["users"]), 1)
        self.assertEqual((user["pid"], user["files"]), (pid, ["main", "wal", "shm"]))
        self.assertTrue(user["program"].startswith("python3"), user)
        rows = self.lock_rows(report)
        for row in (("SHARED", "read", pid), ("WAL_WRITE", "write", pid), ("DMS", "read", pid)):
            self.assertIn(row, rows)
        self.assertTrue(any(name.startswith("WAL_READ") for name, _, _ in rows), rows)
        self.assertTrue(all(lock["program"] == user["program"] for lock in report["locks"]))
        text = self.text("app.db")
        self.assertRegex(text, rf"(?m)^  {pid} python3\S* +main -wal -shm$")
        self.assertRegex(text, rf"(?m)^  {pid} python3\S* +WAL_WRITE +write$")

    def test_two_owners(self):
        self.make_database(wal=True)
        owners = [self.owner(), self.owner()]
        for owner in owners:
            owner.run("BEGIN", "SELECT count(*) FROM t")
        report = self.inspect("app.db")
        pids = sorted(owner.process.pid for owner in owners)
        self.assertEqual([user["pid"] for user in report["users"]], pids)
        self.assertEqual([row[2] for row in self.lock_rows(report) if row[0] == "SHARED"], pids)

    def test_exclusive_owner(self):
        for mode in ("wal", "delete"):
            with self.subTest(mode):
                name = self.make_database(f"{mode}.db", wal=mode == "wal")
                owner = self.owner(name)
                owner.run("PRAGMA locking_mode=EXCLUSIVE", "INSERT INTO t VALUES(1000, x'01')")
                report = self.inspect(name)
                pid = owner.process.pid
                self.assertIn(("EXCLUSIVE", "write", pid), self.lock_rows(report))
                self.assertIsNone(report["wal_index"])
                self.assertEqual(report["wal"] is not None, mode == "wal")
                self.assertNotEqual(report["copy"]["decisions"], [])

    def test_processes_that_may_not_be_looked_into(self):
        wrapper = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--")
        if os.geteuid() != 0 or not works(*wrapper, "true"):
            self.skipTest("only root can become somebody else")
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, x'01')")
        base = os.path.dirname(self.dir)
        for path in (base, self.dir, *(self.path(name) for name in os.listdir(self.dir))):
            os.chmod(path, 0o755)
        report = self.inspect("app.db", wrapper=wrapper)
        self.assertEqual(report["users"], [])
        self.assertGreater(report["unseen_processes"], 0)
        self.assertIn(("DMS", "read", owner.process.pid), self.lock_rows(report))
        self.assertIn("could not be looked into", self.text("app.db", wrapper=wrapper))

    # -- what a copy would do --------------------------------------------------------------------

    def test_decisions_are_those_of_a_dry_run(self):
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, x'01')")
        plan = self.inspect("app.db")["copy"]
        self.assertEqual((plan["exit_code"], plan["refusal"]), (0, None))
        dry = self.run_sqlbk("copy", "--dry-run", "--json", "app.db", "x.db").json
        self.assertEqual(plan["decisions"], dry["decisions"])
        for decision in plan["decisions"]:
            self.assertIn(decision, self.text("app.db"))

    def test_what_a_copy_would_refuse_is_inspected(self):
        self.make_database()
        os.mkdir(self.path("app.db.lock"))
        report = self.inspect("app.db")
        copied = self.run_sqlbk("copy", "--json", "app.db", "x.db")
        self.check_refusal(report["copy"]["refusal"], copied.json["error"])
        self.assertEqual(report["copy"]["exit_code"], copied.code)
        self.assertEqual(report["copy"]["decisions"], [])
        self.assertRegex(self.text("app.db"), r"refused, exit 6: .*unix-dotfile")

    def test_file_system(self):
        self.make_database()
        kind = self.inspect("app.db")["file_system"]
        self.assertIn(kind["kind"], ("local", "overlay", "foreign"))
        self.assertIn(kind["reflink"], ("no", "likely", "unknown"))
        if kind["name"] in ("tmpfs", "ext4"):
            self.assertEqual((kind["kind"], kind["reflink"]), ("local", "no"))

    # -- errors ----------------------------------------------------------------------------------

    def check_failure(self, exit_code, errc, mentioned, *arguments):
        before = listing(self.dir)
        result = self.run_sqlbk("inspect", *arguments)
        self.assertEqual((result.code, result.out), (exit_code, b""), str(result))
        self.check_error_text(result, mentioned)
        as_json = self.run_sqlbk("inspect", *arguments, "--json")
        self.assertEqual(as_json.code, exit_code, str(as_json))
        report = self.check_json(as_json)
        self.assertEqual(report["error"]["code"], errc)
        self.assertEqual(listing(self.dir), before)

    def test_not_a_database(self):
        with open(self.path("picture.png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + b"\0" * 500)
        self.check_failure(6, "not_a_database", "picture.png", "picture.png")
        with open(self.path("short.db"), "wb") as file:
            file.write(b"SQLite format 3\0")
        self.check_failure(6, "not_a_database", "short.db", "short.db")
        self.check_failure(6, "not_a_database", ".", ".")

    def test_of_another_branch(self):
        self.make_database()
        with open(self.path("app.db"), "r+b") as file:
            file.seek(18)
            file.write(b"\3\3")
        self.check_failure(6, "unsupported_database", "app.db", "app.db")

    def test_missing(self):
        self.check_failure(1, "source_missing", "none.db", "none.db")

    def test_unreadable(self):
        self.make_database()
        os.chmod(self.path("app.db"), 0)
        wrapper = without_root_powers()
        if wrapper is None:
            self.skipTest("root reads everything here")
        result = self.run_sqlbk("inspect", "--json", "app.db", wrapper=wrapper)
        self.assertEqual(result.code, 1)
        self.assertEqual(self.check_json(result)["error"]["code"], "permission_denied")

    def test_usage(self):
        self.check_failure(2, "usage", "inspect")
        self.check_failure(2, "usage", "inspect", "a.db", "b.db")
        self.check_failure(2, "usage", "inspect", "")
        self.check_failure(2, "usage", "--fast", "--fast", "a.db")

    def test_names_behind_the_double_dash(self):
        self.make_database("--json")
        self.assertIn("journal mode", self.text("--", "--json"))

    def test_control_bytes_are_escaped(self):
        self.make_database("a\nb.db")
        self.assertIn(r"a\x0ab.db", self.text("a\nb.db"))
        self.assertNotIn("\x1b", self.text("a\nb.db"))

    # -- nothing is touched ----------------------------------------------------------------------

    def states(self):
        """One source after another, each as app.db or so, in a state of its own."""
        yield self.make_database("rest.db")
        yield self.make_database("wal.db", wal=True)
        shutil.copyfile(os.path.join(DATA, "hot.db"), self.path("hot.db"))
        shutil.copyfile(os.path.join(DATA, "hot.db-journal"), self.path("hot.db-journal"))
        yield "hot.db"
        shutil.copyfile(os.path.join(DATA, "zerosalt.db"), self.path("left.db"))
        shutil.copyfile(os.path.join(DATA, "zerosalt.db-wal"), self.path("left.db-wal"))
        yield "left.db"
        live = self.make_database("live.db", wal=True)
        self.owner(live).run("INSERT INTO t VALUES(1000, x'01')")
        yield live
        exclusive = self.make_database("exclusive.db", wal=True)
        self.owner(exclusive).run("PRAGMA locking_mode=EXCLUSIVE",
                                  "INSERT INTO t VALUES(1000, x'01')")
        yield exclusive

    def test_nothing_is_touched(self):
        for name in self.states():
            with self.subTest(name):
                before, stamps = listing(self.dir), times(self.dir)
                self.inspect(name)
                self.text(name)
                self.assertEqual(listing(self.dir), before)
                self.assertEqual(times(self.dir), stamps)

    @unittest.skipUnless(STRACE and works(STRACE, "-o", "/dev/null", "true"),
                         "needs strace and the right to trace")
    def test_system_calls(self):
        for name in self.states():
            with self.subTest(name):
                for line in self.trace(name):
                    if "openat(" in line:
                        self.assertIn("O_RDONLY", line)
                        self.assertNotIn("O_CREAT", line)
                    elif "fcntl(" in line:
                        self.assertIsNone(re.search(r"F_(OFD_)?SETLKW?\b|F_SETLEASE", line), line)
                    elif "ioctl(" in line:
                        # A request for no file at all.
                        self.assertRegex(line, r"FIDEDUPERANGE, \{.*dest_count=0")
                    else:
                        self.fail("not a way to look: " + line)

    def trace(self, name):
        """The lines about files in the database's directory."""
        log = os.path.join(self.private, "strace.log")
        run = subprocess.run([STRACE, "-f", "-y", "-s", "4096", "-e", TRACED, "-o", log, SQLBK,
                              "inspect", self.path(name)], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, check=False,
                             env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        self.assertEqual(run.returncode, 0, run.stderr)
        with open(log, encoding="utf-8", errors="replace") as lines:
            # What it prints names the files, too.
            found = [line for line in lines if self.dir in line and " write(1<" not in line]
        self.assertTrue(any("openat" in line for line in found), "the trace shows no file")
        return found


if __name__ == "__main__":
    main()
