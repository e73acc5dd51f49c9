"""Every option of `sqlbk copy`: one test method each, named after it."""

import os
import re
import select
import shutil
import stat
import tempfile

from support import (PATIENCE_S, CliTest, closing, connect, digest, header_says_wal, listing, main, rows,
                     rows_of, wait_for_pending_lock, works)


class Options(CliTest):
    def test_every_option_has_a_test(self):
        help_text = self.run_sqlbk("copy", "--help").out.decode()
        options = re.findall(r"^ +(?:-\w \[ )?--([\w-]+)", help_text, re.MULTILINE)
        self.assertIn("strategy", options)
        for option in options:
            self.assertTrue(hasattr(self, "test_" + option.replace("-", "_")), option)

    def test_help(self):
        for flag in ("--help", "-h"):
            result = self.run_sqlbk("copy", flag)
            self.assertEqual((result.code, result.err), (0, b""))
            self.assertIn(b"usage: sqlbk copy", result.out)
            self.assertIn(b"exit codes:", result.out)

    def test_opaque(self):
        """More in opaque_test.py."""
        with open(self.path("cipher.db"), "wb") as file:
            file.write(bytes(range(256)) * 16)
        self.refused(6, "not_a_database", "cipher.db", "cipher.db", "x.db")
        self.copy("--opaque", "cipher.db", "x.db")
        self.assertEqual(digest(self.path("x.db")), digest(self.path("cipher.db")))

    # -- how ---------------------------------------------------------------------------------------

    def test_strategy(self):
        self.make_database()
        for spec, used in (("auto", None), ("snapshot", None), ("plain", "plain"),
                           ("range", "range"), ("mmap", "mmap"), ("online", "online"),
                           ("lock", None), ("retry-verify", None),
                           ("lock+range", "lock+range"),
                           ("retry-verify+mmap", "retry-verify+mmap"),
                           ("snapshot+plain", "snapshot+plain"),
                           ("snapshot+range", "snapshot+range"),
                           ("snapshot+mmap", "snapshot+mmap")):
            with self.subTest(spec):
                report = self.copy_json("--strategy", spec, "app.db", f"{spec}.db")
                self.assertEqual(report["strategy_asked"], spec)
                if used:
                    self.assertEqual(report["strategy"], used)
                self.check_copy(f"{spec}.db", rows(100))
        self.refused(2, "usage", "'fast'", "--strategy", "fast", "app.db", "x.db")
        self.refused(2, "usage", "--strategy", "app.db", "x.db", "--strategy")

    def test_strategy_reflink_copies_or_says_that_it_cannot(self):
        self.make_database()
        result = self.run_sqlbk("copy", "--json", "--strategy", "reflink", "app.db", "x.db")
        if result.code == 0:
            self.check_copy("x.db", rows(100))
            self.assertEqual(result.json["strategy"], "reflink")
        else:
            self.assertEqual((result.code, result.json["error"]["code"]), (4, "unsuitable"))
            self.assertIn("reflink", result.json["error"]["message"])
            self.assert_no_trace("x.db")

    def test_strategy_of_a_live_wal_source(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("DELETE FROM t WHERE id >= 50")
        for spec, verdict in (("auto", "snapshot"), ("snapshot", "snapshot"),
                              ("online", "snapshot"), ("range", "at-rest")):
            with self.subTest(spec):
                report = self.copy_json("--strategy", spec, "app.db", f"{spec}.db")
                self.assertEqual(report["verdict"], verdict)
                self.check_copy(f"{spec}.db", rows(50))

    def test_then(self):
        self.make_database()
        report = self.copy_json("--then", "quick_check,integrity_check", "--then",
                                "journal_mode=wal", "--then=checkpoint=truncate", "app.db", "x.db")
        self.assertEqual([(step["name"], step["verdict"]) for step in report["steps"]],
                         [("quick_check", "ok"), ("integrity_check", "ok"),
                          ("journal_mode=wal", "ok"), ("checkpoint=truncate", "skipped")])
        self.assertEqual(rows_of(self.path("x.db")), rows(100))
        self.assertTrue(header_says_wal(self.path("x.db")))
        for bad in ("vacuum", "quick_check,,integrity_check", "", "quick_check=1",
                    "checkpoint=now", "journal_mode"):
            with self.subTest(bad):
                self.refused(2, "usage", bad.split("=")[0], "--then", bad, "app.db", "y.db")

    def test_then_stops_a_damaged_copy(self):
        self.make_database(rows=400)
        with open(self.path("app.db"), "r+b") as file:
            file.seek(4096 * 5)
            file.write(b"\xff" * 4096)
        for step in ("quick_check", "integrity_check"):
            with self.subTest(step):
                self.refused(3, "damaged", "app.db", "--then", step, "app.db", "x.db")
        self.copy("app.db", "x.db")  # nobody asked

    def test_then_says_when_it_could_not_check(self):
        with closing(connect(self.path("app.db"))) as connection:
            connection.create_collation("mine", lambda a, b: (a > b) - (a < b))
            connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, value COLLATE mine)")
            connection.execute("CREATE INDEX i ON t(value)")
            connection.execute("INSERT INTO t VALUES(1, 'a'), (2, 'b')")
        self.refused(1, "sqlite_error", "mine", "--then", "integrity_check", "app.db", "x.db")

    # -- the WAL -----------------------------------------------------------------------------------

    def live_wal_source(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
        return owner

    def test_wal_checkpoint(self):
        self.live_wal_source()
        for arguments in ((), ("--wal-checkpoint",)):
            name = f"x{len(arguments)}.db"
            self.copy(*arguments, "app.db", name)
            self.check_copy(name, rows(100) + [(1000, b"\x01")])
            self.assertFalse(header_says_wal(self.path(name)))

    def check_main_and_wal(self, name):
        self.assertGreater(os.path.getsize(self.path(name) + "-wal"), 4096)
        self.assertFalse(os.path.exists(self.path(name) + "-shm"))
        self.assertTrue(header_says_wal(self.path(name)))
        self.assertEqual(rows_of(self.path(name)), rows(100))  # main alone: what is in it
        with closing(connect(self.path(name))) as connection:
            self.assertEqual(connection.execute("SELECT count(*) FROM t").fetchone(), (101,))
            self.assertEqual(connection.execute("PRAGMA integrity_check").fetchone(), ("ok",))

    def test_no_wal_checkpoint(self):
        self.live_wal_source()
        self.copy("--no-wal-checkpoint", "app.db", "x.db")
        self.check_main_and_wal("x.db")
        self.refused(2, "usage", "--no-wal-checkpoint", "--wal-checkpoint", "--no-wal-checkpoint",
                     "app.db", "y.db")

    def test_keep_wal(self):
        owner = self.live_wal_source()
        report = self.copy_json("--keep-wal", "--then", "integrity_check", "app.db", "x.db")
        self.assertEqual(report["wal_size_bytes"], os.path.getsize(self.path("x.db-wal")))
        self.check_main_and_wal("x.db")
        self.copy("--keep-wal", "--strategy", "plain", "app.db", "plain.db")
        self.check_main_and_wal("plain.db")
        for arguments in (("--wal-checkpoint",), ("--journal-mode", "delete"),
                          ("--strategy", "online")):
            with self.subTest(arguments):
                self.refused(2, "usage", "", "--keep-wal", *arguments, "app.db", "y.db")
        owner.close()
        # Where there is no WAL there is none to keep.
        self.make_database("rollback.db")
        self.copy("--keep-wal", "rollback.db", "z.db")
        self.check_copy("z.db", rows(100))

    def test_keep_wal_and_checkpoint_it(self):
        self.live_wal_source()
        report = self.copy_json("--keep-wal", "--then", "checkpoint=truncate", "app.db", "x.db")
        self.assertEqual([step["verdict"] for step in report["steps"]], ["ok"])
        self.check_copy("x.db", rows(100) + [(1000, b"\x01")])

    def test_journal_mode(self):
        self.make_database("rollback.db")
        self.make_database("wal.db", wal=True)
        for source in ("rollback", "wal"):
            for mode, is_wal in (("delete", False), ("wal", True), ("keep", source == "wal")):
                with self.subTest(source=source, mode=mode):
                    name = f"{source}-{mode}.db"
                    self.copy("--journal-mode", mode, f"{source}.db", name)
                    self.check_copy(name, rows(100))
                    self.assertEqual(header_says_wal(self.path(name)), is_wal)
        self.refused(2, "usage", "'truncate'", "--journal-mode", "truncate", "wal.db", "x.db")

    # -- where -------------------------------------------------------------------------------------

    def test_copy_use_tempdir(self):
        self.make_database()
        report = self.copy_json("--copy-use-tempdir", "app.db", "x.db")
        self.assertNotEqual(report["strategy"], "online")

    def test_no_copy_use_tempdir(self):
        self.make_database()
        report = self.copy_json("--no-copy-use-tempdir", "app.db", "x.db")
        self.assertEqual(report["strategy"], "online")
        self.check_copy("x.db", rows(100))
        self.refused(2, "usage", "--no-copy-use-tempdir", "--no-copy-use-tempdir",
                     "--copy-use-tempdir", "app.db", "y.db")

    def test_copy_no_tempdir(self):
        self.make_database()
        self.copy("--copy-no-tempdir", "--strategy", "online", "app.db", "x.db")
        self.check_copy("x.db", rows(100))
        self.refused(2, "usage", "'plain'", "--copy-no-tempdir", "--strategy", "plain", "app.db",
                     "y.db")

    def test_tempdir(self):
        self.make_database()
        os.mkdir(self.path("stage"))
        os.mkdir(self.path("backups"))
        gate = self.gate("copy_file_range")
        gate.hold("copy", "--strategy", "range", "--tempdir", "stage", "app.db", "backups/x.db")
        self.assertEqual(len(os.listdir(self.path("stage"))), 1)
        self.assertEqual(os.listdir(self.path("backups")), [])
        self.assertEqual(gate.open().code, 0)
        self.assertEqual(os.listdir(self.path("stage")), [])
        self.check_copy("backups/x.db", rows(100))
        self.refused(1, "destination_unusable", "nowhere", "--tempdir", "nowhere", "app.db", "y.db")

    def test_tempdir_on_another_file_system(self):
        other = tempfile.mkdtemp(prefix="sqlbk-cli-")
        self.addCleanup(os.rmdir, other)  # fails if anything is left there
        if os.stat(other).st_dev == os.stat(self.dir).st_dev:
            self.skipTest("there is only one file system to write to")
        self.make_database()
        self.copy("--tempdir", other, "app.db", "x.db")
        self.check_copy("x.db", rows(100))

    def test_preserve(self):
        self.make_database()
        source = self.path("app.db")
        os.utime(source, ns=(1_111_111_111, 1_222_222_222_333_333_333))
        os.chmod(source, 0o640)
        if os.geteuid() == 0:
            os.chown(source, 12345, 23456)
        try:
            os.setxattr(source, "user.sqlbk-test", b"value")
            has_attribute = True
        except OSError:
            has_attribute = False
        self.copy("--preserve", "app.db", "x.db")
        wanted, found = os.stat(source), os.stat(self.path("x.db"))
        for field in ("st_mtime_ns", "st_mode", "st_uid", "st_gid"):
            self.assertEqual(getattr(found, field), getattr(wanted, field), field)
        if has_attribute:
            self.assertEqual(os.getxattr(self.path("x.db"), "user.sqlbk-test"), b"value")
        self.copy("app.db", "y.db")  # without it: only the permission bits
        found = os.stat(self.path("y.db"))
        self.assertNotEqual(found.st_mtime_ns, wanted.st_mtime_ns)
        self.assertEqual((found.st_uid, found.st_mode), (os.geteuid(), wanted.st_mode))
        if has_attribute:
            self.assertEqual(os.listxattr(self.path("y.db")), [])

    def test_preserve_says_when_it_cannot_keep_the_owner(self):
        wrapper = ("setpriv", "--bounding-set", "-chown", "--")
        if os.geteuid() != 0 or not works(*wrapper, "true"):
            self.skipTest("only root can have a file of somebody else's, and give up that power")
        self.make_database()
        os.chown(self.path("app.db"), 12345, 23456)
        for options, count in ((("--preserve",), 1), ((), 0)):
            report = self.copy_json("--force", *options, "app.db", "x.db", wrapper=wrapper)
            self.assertEqual(len(report["warnings"]), count, report)
        self.check_copy("x.db", rows(100))

    def test_preserve_in_a_user_namespace(self):
        """There most users and groups have no number, and not even root can give them a file."""
        wrapper = ("unshare", "--user", "--map-root-user", "--")
        if os.geteuid() != 0 or not works(*wrapper, "true"):
            self.skipTest("only root can have a file of another user's, and no user namespace")
        self.make_database()
        source = self.path("app.db")
        os.chmod(source, 0o664)
        for owner, group in ((12345, 23456), (12345, 0), (0, 23456)):
            os.chown(source, owner, group)
            os.utime(source, ns=(1_111_111_111, 1_222_222_222_333_333_333))
            with self.subTest(owner=owner, group=group):
                report = self.copy_json("--preserve", "app.db", "x.db", wrapper=wrapper)
                self.assertEqual(len(report["warnings"]), 1, report)
                self.assertIn("owner and group", report["warnings"][0])
                found = os.stat(self.path("x.db"))
                self.assertEqual(found.st_mtime_ns, os.stat(source).st_mtime_ns)
                # A group that is not the source's gets no more than others have.
                self.assertEqual(stat.S_IMODE(found.st_mode), 0o644 if group else 0o664)
                self.check_copy("x.db", rows(100))
                os.unlink(self.path("x.db"))

    def test_preserve_access_list_in_a_user_namespace(self):
        wrapper = ("unshare", "--user", "--map-root-user", "--")
        if os.geteuid() != 0 or not works(*wrapper, "true"):
            self.skipTest("only root can have a file of another user's, and no user namespace")
        self.make_database()
        if not works("setfacl", "-m", "u:12345:rw", self.path("app.db")):
            self.skipTest("no access control lists here")
        self.copy("--preserve", "app.db", "x.db", wrapper=wrapper)
        self.check_copy("x.db", rows(100))
        # Whoever the list named may be one of the others: they get nothing by its mask.
        self.assertEqual(stat.S_IMODE(os.stat(self.path("x.db")).st_mode) & 0o022, 0)

    def test_force_says_what_it_changes(self):
        self.make_database()
        os.chmod(self.path("app.db"), 0o644)
        self.make_database("x.db", rows=7)
        replaced = self.path("x.db")
        os.chmod(replaced, 0o644)
        self.assertEqual(self.copy_json("--force", "app.db", "x.db")["warnings"], [])
        me = f"{os.geteuid()}:{os.getegid()}"
        changes = [(os.geteuid(), os.getegid(), 0o600), (os.geteuid(), os.getegid(), 0o666)]
        if os.geteuid() == 0:
            changes += [(65534, 65534, 0o600), (12345, 0, 0o644), (0, 23456, 0o644)]
        for uid, gid, mode in changes:
            with self.subTest(uid=uid, gid=gid, mode=oct(mode)):
                os.chown(replaced, uid, gid)
                os.chmod(replaced, mode)
                warnings = self.copy_json("--force", "app.db", "x.db")["warnings"]
                self.assertEqual(len(warnings), 1, warnings)
                self.assertIn(f"'x.db' belonged to {uid}:{gid} with mode {mode:04o} and belongs to "
                              f"{me} with mode 0644 now", warnings[0])
        os.chmod(replaced, 0o600)
        result = self.copy("--force", "app.db", "x.db")
        self.assertIn(b"warning: 'x.db' belonged to ", result.err)
        self.check_copy("x.db", rows(100))

    def test_permission_bits_are_never_wider(self):
        for mode in (0o600, 0o640, 0o644, 0o400):
            with self.subTest(oct(mode)):
                name = f"{mode:o}.db"
                self.make_database(name)
                os.chmod(self.path(name), mode)
                self.copy(name, f"copy-{name}", umask=0)
                found = stat.S_IMODE(os.stat(self.path(f"copy-{name}")).st_mode)
                self.assertEqual(found, mode)

    def test_force(self):
        self.make_database()
        self.make_database("x.db", rows=7)
        for suffix in ("-wal", "-shm", "-journal"):
            with open(self.path("x.db" + suffix), "wb") as file:
                file.write(b"stale")
        self.copy("--force", "app.db", "x.db")
        self.check_copy("x.db", rows(100))
        self.copy("--force", "app.db", "new.db")  # nothing there to replace
        self.check_copy("new.db", rows(100))

    def test_force_only_a_sidecar(self):
        self.make_database()
        with open(self.path("x.db-wal"), "wb") as file:
            file.write(b"stale")
        self.copy("--force", "app.db", "x.db")
        self.check_copy("x.db", rows(100))

    def test_force_refused_while_the_destination_is_in_use(self):
        self.make_database()
        self.make_database("x.db", rows=7)
        owner = self.owner("x.db")
        owner.run("BEGIN", "SELECT count(*) FROM t")
        self.refused(5, "destination_in_use", "x.db", "--force", "app.db", "x.db")
        owner.close()
        self.copy("--force", "app.db", "x.db")

    def test_force_refused_for_what_is_no_regular_file(self):
        self.make_database()
        os.symlink("elsewhere.db", self.path("link.db"))
        os.mkfifo(self.path("fifo.db"))
        for name in ("link.db", "fifo.db"):
            with self.subTest(name):
                self.refused(5, "destination_exists", name, "--force", "app.db", name)

    def test_force_keeps_the_old_destination_when_the_copy_fails(self):
        self.make_database("x.db", rows=7)
        with open(self.path("x.db-journal"), "wb"):
            pass
        with open(self.path("app.db"), "wb") as file:
            file.write(b"no database")
        self.refused(6, "not_a_database", "app.db", "--force", "app.db", "x.db")

    # -- what is assumed ---------------------------------------------------------------------------

    def linked_database(self):
        """What may lie beside its other name is not known."""
        self.make_database()
        os.mkdir(self.path("elsewhere"))
        os.link(self.path("app.db"), self.path("elsewhere/other.db"))

    def test_strict(self):
        self.linked_database()
        report = self.copy_json("app.db", "x.db")
        self.assertEqual(report["verdict"], "assumed")
        self.assertEqual(len(report["assumptions"]), 1)
        sentence = report["assumptions"][0]
        self.assertRegex(sentence, r"'.*app\.db', which cannot be seen: it has 2 names")
        result = self.refused(4, "assumption_refused", sentence, "--strict", "app.db", "y.db")
        self.assertIn("--assume these-files", result.json["error"]["hint"])
        self.refused(2, "usage", "contradict", "--strict", "--no-copy-retry-strict", "app.db",
                     "y.db")

    def test_strict_has_nothing_to_say_where_all_is_seen(self):
        self.live_wal_source()
        self.assertEqual(self.copy_json("--strict", "app.db", "x.db")["verdict"], "snapshot")

    def test_assume(self):
        self.linked_database()
        report = self.copy_json("--strict", "--assume", "these-files", "app.db", "x.db")
        self.assertEqual(report["verdict"], "assumed")
        self.check_copy("x.db", rows(100))
        self.refused(4, "assumption_refused", "2 names", "--strict", "--assume", "journals-here",
                     "app.db", "y.db")
        result = self.refused(2, "usage", "luck", "--assume", "luck", "app.db", "y.db")
        self.assertIn("these-files, journals-here, one-kernel, network-locks", result.json["error"]["hint"])

    # -- how long ----------------------------------------------------------------------------------

    def frames_without_checksum(self):
        """A source of which no attempt can be proven, and each fails at once (tests/data)."""
        for suffix in ("", "-wal"):
            shutil.copy(os.path.join(os.environ["SQLBK_TEST_DATA"], "zerosalt.db" + suffix),
                        self.path("app.db" + suffix))

    def test_copy_retry(self):
        self.frames_without_checksum()
        for tries in ("1", "2"):
            result = self.refused(4, "frames_without_checksum", "app.db", "--copy-retry", tries,
                                  "app.db", "x.db")
            self.assertEqual(result.json["attempts"], int(tries))
        for bad in ("0", "-1", "many", "", "1000001", "1.5"):
            with self.subTest(bad):
                self.refused(2, "usage", "--copy-retry", f"--copy-retry={bad}", "app.db", "y.db")

    def test_timeout_leaves_time_for_an_unproven_copy(self):
        self.make_database()
        owner = self.owner()
        owner.run("PRAGMA journal_mode=MEMORY", "BEGIN EXCLUSIVE", "DELETE FROM t WHERE id < 50")
        report = self.copy_json("--timeout", "2s", "--no-copy-retry-strict", "app.db", "x.db")
        self.assertEqual(report["verdict"], "unproven")

    def test_copy_retry_until_the_owner_is_quiet(self):
        self.make_database()
        owner = self.owner()
        owner.run("PRAGMA journal_mode=MEMORY", "PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE",
                  "DELETE FROM t WHERE id < 50")
        process = self.start("copy", "--json", "--debug", "--timeout", "none", "app.db", "x.db")
        for line in process.stderr:  # the first attempt has failed
            if line.startswith(b"info: "):
                break
        owner.run("COMMIT")
        owner.close()
        result = self.finish(process)
        self.assertEqual(result.code, 0, str(result))
        self.assertGreater(result.json["attempts"], 1)
        self.check_copy("x.db", rows(100)[50:])

    def test_copy_retry_strict(self):
        self.frames_without_checksum()
        self.refused(4, "frames_without_checksum", "app.db", "--copy-retry-strict",
                     "--copy-retry", "2", "app.db", "x.db")

    def test_no_copy_retry_strict(self):
        self.frames_without_checksum()
        result = self.copy("--json", "--no-copy-retry-strict", "--copy-retry", "2", "app.db",
                           "x.db")
        self.assertEqual(result.json["verdict"], "unproven")
        self.assertEqual(len(result.json["warnings"]), 1)
        self.assertIn(b"warning: ", result.err)
        self.assertTrue(os.path.exists(self.path("x.db")))
        for strategy in ("retry-verify", "follow", "plain"):
            with self.subTest(strategy):
                report = self.copy_json("--force", "--strategy", strategy, "--copy-retry", "1",
                                        "--no-copy-retry-strict", "app.db", "x.db")
                self.assertEqual(report["verdict"], "unproven")
        self.refused(2, "usage", "--copy-retry-strict", "--copy-retry-strict",
                     "--no-copy-retry-strict", "app.db", "y.db")

    def test_timeout(self):
        self.make_big_database()
        before = listing(self.dir)
        result = self.run_sqlbk("copy", "--json", "--strategy", "range", "--timeout", "0ms",
                                "big.db", "x.db")
        self.assertEqual(result.code, 4, str(result))
        self.assertEqual(result.json["error"]["code"], "deadline_exceeded")
        self.assertEqual(listing(self.dir), before)
        for good in ("none", "60", "60s", "90000ms", "2m", "2min", "1h", "1.5m"):
            with self.subTest(good):
                self.copy("--force", "--timeout", good, "big.db", "x.db")
        for bad in ("", "soon", "1d", "-1s", "nan", "1s2", "inf"):
            with self.subTest(bad):
                self.refused(2, "usage", "--timeout", f"--timeout={bad}", "big.db", "y.db")

    def test_lock_budget(self):
        self.make_big_database()
        owner = self.owner("big.db")
        # Every step of the mover is slow, so that the run must look at who waits in between.
        gate = self.gate("pwrite", slow_ms=20)
        arguments = ("copy", "--json", "--strategy", "snapshot+plain", "big.db", "x.db")
        gate.hold(*arguments, "--lock-budget", "0ms")
        owner.send("DELETE FROM t WHERE id = 1")  # waits for the copier's lock
        wait_for_pending_lock(self.path("big.db"))
        result = gate.open()
        self.assertEqual(result.code, 4, str(result))
        self.assertEqual(result.json["error"]["code"], "lock_budget_exceeded")
        self.assert_no_trace("x.db")
        self.assertEqual(owner.answer(), [])
        # The same with a budget that is large enough: the copy is made, the owner waits.
        gate = self.gate("pwrite")
        gate.hold(*arguments, "--lock-budget", "1h")
        owner.send("DELETE FROM t WHERE id = 2")
        wait_for_pending_lock(self.path("big.db"))
        self.assertEqual(gate.open().code, 0)
        self.assertEqual(owner.answer(), [])
        self.assertEqual([row[0] for row in rows_of(self.path("x.db"))][:3], [0, 2, 3])
        self.refused(2, "usage", "--lock-budget", "--lock-budget", "long", "big.db", "y.db")

    # -- what is said ----------------------------------------------------------------------------

    def test_dry_run(self):
        self.make_database()
        before = listing(self.dir)
        result = self.run_sqlbk("copy", "--dry-run", "--then", "quick_check", "app.db", "x.db")
        self.assertEqual((result.code, result.err), (0, b""), str(result))
        self.assertIn(b"would copy app.db to x.db", result.out)
        self.assertIn(b"quick_check", result.out)
        report = self.run_sqlbk("copy", "--dry-run", "--json", "app.db", "x.db").json
        self.assertTrue(report["dry_run"])
        self.assertEqual(report["verdict"], "none")
        self.assertGreater(len(report["decisions"]), 0)
        self.assertEqual(listing(self.dir), before)
        self.refused(1, "source_missing", "none.db", "--dry-run", "none.db", "x.db")
        self.refused(5, "destination_exists", "app.db", "--dry-run", "app.db", "app.db")
        self.refused(1, "destination_unusable", "none", "--dry-run", "app.db", "none/x.db")

    def test_json(self):
        self.make_database()
        result = self.copy("--json", "app.db", "x.db")
        self.assertEqual(result.out.count(b"\n"), 1)
        self.assertEqual(result.json["exit_code"], 0)
        self.assertIsNone(result.json["error"])
        self.assertEqual(result.json["size_bytes"], os.path.getsize(self.path("x.db")))
        self.assertIn(b"Backed up app.db to x.db\n", result.err)

    def test_quiet(self):
        self.make_database()
        result = self.copy("--quiet", "app.db", "x.db")
        self.assertEqual((result.out, result.err), (b"", b""))
        self.refused(5, "destination_exists", "x.db", "--quiet", "app.db", "x.db")

    def test_last_line_on_success(self):
        self.make_database()
        result = self.copy("app.db", "x.db")
        self.assertEqual(result.out, b"")
        self.assertEqual(result.err.splitlines()[-1], b"Backed up app.db to x.db")

    def test_debug(self):
        self.make_database()
        result = self.copy("--debug", "app.db", "x.db")
        self.assertIn(b"debug: ", result.err)
        self.assertEqual(result.out, b"")

    def test_log_level_by_environment(self):
        self.make_database()
        result = self.copy("app.db", "x.db", env={"SQLBK_LOG": "debug"})
        self.assertIn(b"debug: ", result.err)
        result = self.copy("app.db", "y.db", env={"SQLBK_LOG": "error"})
        self.assertNotIn(b"debug: ", result.err)
        self.refused(2, "usage", "SQLBK_LOG", "app.db", "z.db", env={"SQLBK_LOG": "loud"})

    def test_progress(self):
        self.make_big_database()
        for arguments, shows in ((("--progress", "always"), True), ((), False),
                                 (("--progress", "auto"), False),
                                 (("--progress", "never"), False),
                                 (("--progress", "always", "--json"), True)):
            with self.subTest(arguments):
                gate = self.gate("copy_file_range", 2)
                gate.hold("copy", "--force", "--strategy", "range", *arguments, "big.db", "x.db")
                if shows:  # the bar is drawn while the run is held
                    self.assertTrue(select.select([gate.process.stderr], [], [], PATIENCE_S)[0])
                result = gate.open()
                self.assertEqual(result.code, 0, str(result))
                self.assertEqual(b"\r" in result.err, shows, str(result))
        self.refused(2, "usage", "'sometimes'", "--progress", "sometimes", "big.db", "y.db")

    def test_manifest(self):
        """More in verify_test.py."""
        self.make_database()
        self.copy("--dry-run", "--manifest", "m.json", "app.db", "x.db")
        self.assertFalse(os.path.exists(self.path("m.json")))
        report = self.copy_json("--manifest", "m.json", "app.db", "x.db")
        self.assertEqual(report["sha256"], digest(self.path("x.db")))
        self.assertTrue(os.path.exists(self.path("m.json")))

    def test_plugin(self):
        # What a plug-in can do is tests/plugin's matter.
        self.make_database()
        for name in ("none.so", "app.db"):
            with self.subTest(name):
                self.refused(2, "usage", "", "--plugin", name, "app.db", "x.db")

    # -- the command line itself -------------------------------------------------------------------

    def test_wrong_numbers_of_operands(self):
        self.make_database()
        for operands in ((), ("app.db",), ("app.db", "x.db", "y.db"), ("", "x.db"),
                         ("app.db", "")):
            with self.subTest(operands):
                self.refused(2, "usage", "", *operands)

    def test_unknown_abbreviated_and_repeated_options(self):
        self.make_database()
        for arguments in (("--fast",), ("--strat", "plain"), ("--quiet", "--quiet"),
                          ("--strategy", "plain", "--strategy", "plain"), ("-z",),
                          ("--quiet=yes",), ("--manifesto",)):
            with self.subTest(arguments):
                self.refused(2, "usage", arguments[0].split("=")[0], *arguments, "app.db", "x.db")

    def test_options_after_operands(self):
        self.make_database()
        report = self.copy("app.db", "--then=quick_check", "x.db", "--json").json
        self.assertEqual(len(report["steps"]), 1)


if __name__ == "__main__":
    main()
