"""Sources that a program serves (FUSE): SQLite's own locks, and what is assumed is said. bindfs shows
one directory as another, and can be told to look like a network."""

import os
import shutil
import subprocess

from support import CliTest, PATIENCE_S, main, rows, works

NOT_BY_SQLITE = ("lock", "snapshot", "follow", "retry-verify", "range", "plain")


class ByFuse(CliTest):
    OPTIONS = ()

    def setUp(self):
        super().setUp()
        if not shutil.which("bindfs") or not os.access("/dev/fuse", os.W_OK):
            self.skipTest("no bindfs, or no /dev/fuse")
        self.below = os.path.join(self.private, "below")
        os.mkdir(self.below)
        os.mkdir(self.path("mount"))
        if not works("bindfs", *self.OPTIONS, self.below, self.path("mount")):
            self.skipTest("no FUSE file system may be mounted here")
        self.addCleanup(self.unmount)

    def unmount(self):
        for command in (("fusermount", "-u", "-z"), ("umount", "-l")):
            if works(*command, self.path("mount")):
                return

    def make(self, wal=False):
        self.make_database("mount/app.db", wal=wal)
        return self.owner("mount/app.db")


class Local(ByFuse):
    def check_copies(self, expected, kind="one-kernel", strategies=("auto", "online")):
        for strategy in strategies:
            with self.subTest(strategy):
                report = self.copy_json("--force", "--strategy", strategy, "mount/app.db", "x.db")
                self.assertEqual(report["verdict"], "assumed")
                self.assertEqual(report["strategy"], "online")
                self.assertIn("mount", report["assumptions"][0])
                self.check_copy("x.db", expected)
                result = self.run_sqlbk("copy", "--json", "--force", "--strict", "--strategy",
                                        strategy, "mount/app.db", "x.db")
                self.assertEqual(result.code, 4, str(result))
                self.assertIn("--assume " + kind, result.json["error"]["hint"])
                plan = self.run_sqlbk("copy", "--json", "--dry-run", "--force", "--strict",
                                      "--strategy", strategy, "mount/app.db", "x.db")
                self.assertEqual(plan.json["error"], result.json["error"])
                self.copy("--force", "--strict", "--assume", kind, "--strategy", strategy,
                          "mount/app.db", "x.db")

    def test_beside_an_owner(self):
        for wal in (False, True):
            with self.subTest(wal=wal):
                owner = self.make(wal)
                owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
                self.check_copies(rows(100) + [(1000, b"\x01")])
                owner.close()
                os.unlink(self.path("mount/app.db"))

    def test_at_rest(self):
        for wal in (False, True):
            with self.subTest(wal=wal):
                self.make(wal).close()
                self.check_copies(rows(100))
                self.assertEqual(os.listdir(self.path("mount")), ["app.db"])
                os.unlink(self.path("mount/app.db"))

    def test_nothing_is_told_by_bytes_and_times(self):
        self.make().close()
        for strategy in NOT_BY_SQLITE:
            with self.subTest(strategy):
                result = self.refused(6, "unsupported_file_system", "mount/app.db", "--strategy",
                                      strategy, "mount/app.db", "x.db")
                self.assertIn("--strategy online", result.json["error"]["hint"])
        self.refused(6, "unsupported_file_system", "mount/app.db", "--opaque", "mount/app.db", "x.db")

    def test_wal_that_a_dead_program_left(self):
        owner = self.make(wal=True)
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
        owner.kill()
        result = self.refused(4, "unsuitable", "mount/app.db", "mount/app.db", "x.db")
        self.assertIn("copy it meanwhile", result.json["error"]["hint"])
        owner = self.owner("mount/app.db")
        owner.run("SELECT count(*) FROM t")
        self.check_copies(rows(100) + [(1000, b"\x01")])

    def test_a_writer_who_turns_up_at_a_database_at_rest(self):
        self.make(wal=True).close()
        gate = self.gate("fsync")  # the copy is complete, and its lock is let go
        gate.hold("copy", "--json", "mount/app.db", "x.db")
        owner = self.owner("mount/app.db")
        owner.run("INSERT INTO t VALUES(1000, x'01')")
        self.assertEqual(gate.open().code, 0)
        self.check_copy("x.db", rows(100))

    def test_inspect_and_dry_run_say_so(self):
        self.make()
        found = self.run_sqlbk("inspect", "--json", "mount/app.db").json
        self.assertEqual(found["file_system"]["name"], "fuse.bindfs" if "fuse.bindfs" in
                         self.type_of_mount() else self.type_of_mount())
        self.assertEqual(found["file_system"]["kind"], "fuse")
        self.assertIn("online", found["copy"]["decisions"][0])
        result = self.copy("--dry-run", "mount/app.db", "x.db")
        self.assertIn(b"online", result.out)

    def type_of_mount(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            for line in file:
                if " " + self.path("mount") + " " in line:
                    return line.split(" - ")[1].split()[0]
        return ""

    def test_backups_are_good_beside_a_writer(self):
        writer = os.environ["SQLBK_LIVE_WRITER"]
        self.assertTrue(os.path.exists(writer))
        owner = self.make(wal=True)
        for number in range(1000, 1020):
            owner.send(f"INSERT INTO t VALUES({number}, x'01')")
            report = self.copy_json("--force", "--then=integrity_check", "mount/app.db", "x.db")
            self.assertEqual(report["verdict"], "assumed")
            owner.answer()


class Network(ByFuse):
    OPTIONS = ("-o", "subtype=sshfs,fsname=user@host:/directory")

    def test_rollback_mode_by_sqlites_locks(self):
        owner = self.make()
        for strategy in ("auto", "online"):
            report = self.copy_json("--force", "--strategy", strategy, "mount/app.db", "x.db")
            self.assertEqual(report["verdict"], "assumed")
            self.assertIn("locks of fuse.sshfs", report["assumptions"][0])
            self.check_copy("x.db", rows(100))
        owner.close()
        self.copy("--force", "--strict", "--assume", "network-locks", "mount/app.db", "x.db")
        for strategy in NOT_BY_SQLITE:
            self.refused(6, "unsupported_file_system", "mount/app.db", "--strategy", strategy,
                         "mount/app.db", "y.db")

    def test_wal_mode_is_refused(self):
        owner = self.make(wal=True)
        for strategy in ("auto", "online", "lock", "plain"):
            with self.subTest(strategy):
                result = self.refused(6, "unsupported_file_system", "WAL mode", "--strategy",
                                      strategy, "mount/app.db", "x.db")
                self.assertIn("machine that holds the files", result.json["error"]["hint"])
        owner.close()
        self.refused(6, "unsupported_file_system", "WAL mode", "mount/app.db", "x.db")
        # The hint: where the files lie.
        self.copy(os.path.join(self.below, "app.db"), "x.db")
        self.check_copy("x.db", rows(100))


if __name__ == "__main__":
    main()
