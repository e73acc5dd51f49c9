"""`sqlbk copy --dry-run` says what the run would say: the same refusal, word for word, or none."""

import errno
import os
import re
import shutil

from support import (SQLBK, CliTest, add_super_journal, closing, connect, listing, main,
                     without_root_powers, works)

TEST_DATA = os.environ["SQLBK_TEST_DATA"]

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


def unprivileged():
    """What makes a command run as an ordinary user who can read the tool, or None."""
    usable = os.geteuid() == 0 and works(*NOBODY, SQLBK, "--version")
    return NOBODY if usable else None


class DryRunTest(CliTest):
    def dry_run(self, *arguments, **options):
        """Leaves everything as it is."""
        before = listing(self.dir)
        result = self.run_sqlbk("copy", "--dry-run", "--json", *arguments, **options)
        self.assertEqual(listing(self.dir), before, str(result))
        return result

    def refused_alike(self, errc, *arguments, **options):
        """The plan is refused, and the run in the same words and with the same exit code."""
        plan = self.dry_run(*arguments, **options)
        self.assertNotEqual(plan.code, 0, str(plan))
        run = self.run_sqlbk("copy", "--json", *arguments, **options)
        self.assertEqual(plan.json["error"], run.json["error"], str(plan))
        self.assertEqual(plan.code, run.code, str(plan))
        self.assertEqual(plan.json["error"]["code"], errc, str(plan))
        self.assertEqual(plan.json["decisions"], [], str(plan))
        return plan.json["error"]

    def succeeds(self, *arguments, **options):
        """The plan is not refused, and the run succeeds."""
        plan = self.dry_run(*arguments, **options)
        self.assertEqual(plan.code, 0, str(plan))
        self.copy(*arguments, **options)


class Directory(DryRunTest):
    def test_missing(self):
        self.make_database()
        self.refused_alike("destination_unusable", "app.db", "none/x.db")
        self.refused_alike("destination_unusable", "app.db", "app.db/x.db")
        self.refused_alike("destination_unusable", "--tempdir", "none", "app.db", "x.db")
        self.refused_alike("destination_unusable", "--tempdir", "app.db", "app.db", "x.db")

    def test_not_writable(self):
        wrapper = without_root_powers()
        if wrapper is None:
            self.skipTest("permissions do not count for this user")
        self.make_database()
        for mode in (0o555, 0o666, 0o000):
            with self.subTest(oct(mode)):
                name = f"closed{mode}"
                os.mkdir(self.path(name))
                os.chmod(self.path(name), mode)
                arguments = ("app.db", f"{name}/x.db")
                error = self.dry_run(*arguments, wrapper=wrapper).json["error"]
                self.refused_alike(error["code"], *arguments, wrapper=wrapper)
                self.refused_alike("destination_unusable", "--tempdir", name, "app.db", "x.db",
                                   wrapper=wrapper)

    def test_not_writable_beside_a_tempdir_that_is(self):
        wrapper = without_root_powers()
        if wrapper is None:
            self.skipTest("permissions do not count for this user")
        self.make_database()
        os.mkdir(self.path("closed"))
        os.chmod(self.path("closed"), 0o555)
        error = self.refused_alike("destination_unusable", "--tempdir", ".", "app.db",
                                   "closed/x.db", wrapper=wrapper)
        self.assertIn("'closed'", error["message"])

    def test_immutable(self):
        self.make_database()
        directory = self.mount("disk", "-t", "tmpfs", "tmpfs")
        os.mkdir(os.path.join(directory, "kept"))
        if not works("chattr", "+i", os.path.join(directory, "kept")):
            self.skipTest("there is no immutable attribute here")
        self.refused_alike("destination_unusable", "app.db", "disk/kept/x.db")

    def test_read_only(self):
        self.make_database()
        self.mount("disk", "-t", "tmpfs", "-o", "ro", "tmpfs")
        self.refused_alike("destination_unusable", "app.db", "disk/x.db")
        self.refused_alike("destination_unusable", "--tempdir", "disk", "app.db", "x.db")
        self.refused_alike("destination_unusable", "--tempdir", ".", "app.db", "disk/x.db")

    def test_no_inodes(self):
        self.make_database()
        self.mount("disk", "-t", "tmpfs", "-o", "size=10m,nr_inodes=1", "tmpfs")
        self.refused_alike("no_space", "app.db", "disk/x.db")
        self.refused_alike("no_space", "--tempdir", "disk", "app.db", "x.db")
        self.refused_alike("no_space", "--tempdir", ".", "app.db", "disk/x.db")

    def test_name_too_long(self):
        self.make_database()
        error = self.dry_run("app.db", "x" * 300).json["error"]
        self.refused_alike(error["code"], "app.db", "x" * 300)


class Destination(DryRunTest):
    def test_exists(self):
        self.make_database()
        self.make_database("old.db")
        for name in ("old.db", "app.db", "app.db-wal"):
            self.refused_alike("destination_exists", "app.db", name)
        with open(self.path("new.db-journal"), "wb"):
            pass
        self.refused_alike("destination_exists", "app.db", "new.db")

    def test_in_use(self):
        self.make_database()
        self.make_database("old.db")
        with open(self.path("old.db"), "rb"):
            self.refused_alike("destination_in_use", "--force", "app.db", "old.db")
        self.succeeds("--force", "app.db", "old.db")

    def test_immutable(self):
        self.make_database()
        directory = self.mount("disk", "-t", "tmpfs", "tmpfs")
        for name, suffix in (("main.db", ""), ("wal.db", "-wal")):
            for attribute in ("i", "a"):
                with self.subTest(name + attribute):
                    path = os.path.join(directory, name + suffix)
                    with open(path, "wb"):
                        pass
                    if not works("chattr", "+" + attribute, path):
                        self.skipTest("there are no such attributes here")
                    error = self.refused_alike("destination_unusable", "--force", "app.db",
                                               f"disk/{name}")
                    self.assertIn("immutable or append-only", error["message"])
                    works("chattr", "-" + attribute, path)
                    self.succeeds("--force", "app.db", f"disk/{name}")

    def test_mount_point(self):
        self.make_database()
        self.make_database("elsewhere.db")
        with open(self.path("old.db"), "wb"):
            pass
        self.mount("old.db", "--bind", self.path("elsewhere.db"))
        error = self.refused_alike("destination_unusable", "--force", "app.db", "old.db")
        self.assertIn("mount point", error["message"])

    def test_of_another_user_below_a_sticky_bit(self):
        wrapper = unprivileged()
        if wrapper is None:
            self.skipTest("an ordinary user cannot run sqlbk here")
        os.chmod(os.path.dirname(self.dir), 0o755)
        self.make_database()
        os.mkdir(self.path("sticky"))
        os.chmod(self.path("sticky"), 0o1777)
        with open(self.path("sticky/x.db-wal"), "wb"):
            pass
        error = self.refused_alike("destination_unusable", "--force", "app.db", "sticky/x.db",
                                   wrapper=wrapper)
        self.assertIn("sticky", error["message"])
        os.chmod(self.path("sticky"), 0o777)
        self.succeeds("--force", "app.db", "sticky/x.db", wrapper=wrapper)


class Manifest(DryRunTest):
    def test_exists_or_belongs_to_the_database(self):
        self.make_database()
        for name in ("app.db", "x.db", "x.db-wal", "app.db-journal"):
            self.refused_alike("destination_exists", "--manifest", name, "app.db", "x.db")

    def test_directory_is_missing_or_not_writable(self):
        self.make_database()
        self.refused_alike("destination_unusable", "--manifest", "none/m.json", "app.db", "x.db")
        self.mount("disk", "-t", "tmpfs", "-o", "ro", "tmpfs")
        self.refused_alike("destination_unusable", "--manifest", "disk/m.json", "app.db", "x.db")

    def test_name_too_long(self):
        """For the name, or for the one that it is written under first."""
        self.make_database()
        for size in (249, 256):
            error = self.dry_run("--manifest", "m" * size, "app.db", "x.db").json["error"]
            self.assertIsNotNone(error, size)
            self.refused_alike(error["code"], "--manifest", "m" * size, "app.db", "x.db")
        self.succeeds("--manifest", "m" * 248, "app.db", "x.db")

    def test_immutable(self):
        self.make_database()
        path = os.path.join(self.mount("disk", "-t", "tmpfs", "tmpfs"), "m.json")
        with open(path, "wb"):
            pass
        if not works("chattr", "+i", path):
            self.skipTest("there is no immutable attribute here")
        self.refused_alike("destination_unusable", "--force", "--manifest", "disk/m.json",
                           "app.db", "x.db")


class Source(DryRunTest):
    def test_missing_or_none(self):
        self.refused_alike("source_missing", "none.db", "x.db")
        self.refused_alike("not_a_database", ".", "x.db")
        with open(self.path("noise.db"), "wb") as file:
            file.write(b"noise" * 100)
        self.refused_alike("not_a_database", "noise.db", "x.db")

    def test_truncated(self):
        self.make_database()
        os.truncate(self.path("app.db"), 8192)
        self.refused_alike("damaged", "app.db", "x.db")

    def test_unreadable(self):
        wrapper = without_root_powers()
        if wrapper is None:
            self.skipTest("permissions do not count for this user")
        self.make_database()
        os.chmod(self.path("app.db"), 0)
        self.refused_alike("permission_denied", "app.db", "x.db", wrapper=wrapper)

    def test_encrypted(self):
        self.make_database()
        with open(self.path("app.db"), "r+b") as file:
            page = file.read(4096)
            file.seek(0)
            file.write(bytes(byte ^ 0x5a for byte in page))
        self.refused_alike("not_a_database", "app.db", "x.db")
        self.succeeds("--opaque", "app.db", "x.db")

    def test_what_a_run_finds_first_is_said_first(self):
        self.make_database()
        self.make_database("old.db")
        os.truncate(self.path("app.db"), 8192)
        self.refused_alike("destination_exists", "app.db", "old.db")


class Space(DryRunTest):
    def small(self, name="small", size="2m"):
        self.mount(name, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")
        return name

    def test_of_the_copy(self):
        self.make_big_database("app.db", size_mb=9)
        small = self.small()
        for strategy in ("auto", "plain", "range", "retry-verify", "lock", "online"):
            with self.subTest(strategy):
                self.refused_alike("no_space", "--strategy", strategy, "app.db", f"{small}/x.db")
        self.refused_alike("no_space", "--tempdir", small, "app.db", "x.db")

    def test_where_the_copy_will_stand(self):
        """Staged elsewhere it fits; the tool copies it once more beside its destination."""
        self.make_big_database("app.db", size_mb=9)
        error = self.refused_alike("no_space", "--tempdir", self.private, "app.db",
                                   f"{self.small()}/x.db")
        self.assertIn("'small'", error["message"])

    def test_of_a_copy_that_becomes_small(self):
        self.make_big_database("app.db", size_mb=9)
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("DELETE FROM t WHERE id > 0")
        self.succeeds("--tempdir", self.private, "--then", "vacuum_into", "app.db",
                      f"{self.small()}/x.db")

    def test_of_the_wal(self):
        """Main alone would fit."""
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0",
                  "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i+1 FROM n WHERE i < 1003) "
                  "INSERT INTO t SELECT i, zeroblob(1000000) FROM n")
        small = self.small()
        for strategy in ("auto", "lock", "snapshot", "retry-verify"):
            with self.subTest(strategy):
                self.refused_alike("no_space", "--strategy", strategy, "app.db", f"{small}/x.db")
        self.assertGreater(os.path.getsize(self.path("app.db-wal")), 4_000_000)
        # What stands behind the last commit is not copied under a lock.
        owner.run("PRAGMA wal_checkpoint(RESTART)", "DELETE FROM t WHERE id >= 1000", "VACUUM",
                  "PRAGMA wal_checkpoint(RESTART)", "INSERT INTO t VALUES(2000, 'new')")
        self.assertGreater(os.path.getsize(self.path("app.db-wal")), 4_000_000)
        self.assertLess(os.path.getsize(self.path("app.db")), 1_000_000)
        self.succeeds("--strategy", "lock", "app.db", f"{small}/x.db")

    def grow_in_the_wal(self):
        """Main is small; the last commit makes it as large as the WAL."""
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0",
                  "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i+1 FROM n WHERE i < 1003) "
                  "INSERT INTO t SELECT i, zeroblob(1000000) FROM n")
        return owner

    def test_of_what_the_wal_makes_of_main(self):
        owner = self.grow_in_the_wal()
        # Main and WAL fit, but not what main grows by; SQLite alone writes no WAL.
        self.small("six", "6m")
        for strategy in ("auto", "lock", "snapshot", "retry-verify"):
            with self.subTest(strategy):
                self.refused_alike("no_space", "--strategy", strategy, "app.db", "six/x.db")
        self.succeeds("--strategy", "online", "app.db", "six/x.db")
        os.unlink(self.path("six/x.db"))
        self.succeeds("--keep-wal", "app.db", "six/x.db")
        for suffix in ("", "-wal"):
            os.unlink(self.path("six/x.db" + suffix))
        self.small("three", "3m")
        self.refused_alike("no_space", "--strategy", "online", "app.db", "three/x.db")
        self.small("nine", "9m")
        self.succeeds("app.db", "nine/x.db")
        owner.kill()
        for strategy in ("auto", "lock", "retry-verify", "plain"):
            with self.subTest(strategy + " at rest"):
                self.refused_alike("no_space", "--strategy", strategy, "app.db", "six/y.db")
        os.unlink(self.path("nine/x.db"))
        self.succeeds("app.db", "nine/x.db")

    def test_where_a_wal_will_stand(self):
        self.grow_in_the_wal()
        small = self.small()
        self.refused_alike("no_space", "--tempdir", self.private, "app.db", f"{small}/x.db")
        self.refused_alike("no_space", "--keep-wal", "--tempdir", self.private, "app.db",
                           f"{small}/x.db")
        self.small("five", "5m")
        self.succeeds("--tempdir", self.private, "app.db", "five/x.db")
        # What is replaced takes its space until then.
        self.refused_alike("no_space", "--force", "--tempdir", self.private, "app.db", "five/x.db")
        os.unlink(self.path("five/x.db"))
        self.succeeds("--keep-wal", "--tempdir", self.private, "app.db", "five/x.db")

    def test_of_a_main_that_the_wal_makes_small(self):
        """Only where the copy will stand: it is staged as the source lies there."""
        self.make_big_database("app.db", size_mb=9)
        owner = self.owner()
        owner.run("PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0",
                  "DELETE FROM t WHERE id > 0", "VACUUM")
        self.assertGreater(os.path.getsize(self.path("app.db")), 9_000_000)
        small = self.small()
        self.succeeds("--tempdir", self.private, "app.db", f"{small}/x.db")
        self.refused_alike("no_space", "app.db", f"{small}/y.db")

    def test_that_holes_do_not_take(self):
        self.make_database()
        page = 4096
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("CREATE TABLE free(x)")
            connection.execute("INSERT INTO free VALUES(zeroblob(9000000))")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("DELETE FROM free")
        with open(self.path("app.db"), "r+b") as file:
            pages = [file.read(page) for _ in range(os.path.getsize(self.path("app.db")) // page)]
            file.truncate(0)
            for number, content in enumerate(pages):
                if content.strip(b"\0"):
                    file.seek(number * page)
                    file.write(content)
            file.truncate(len(pages) * page)
        if os.stat(self.path("app.db")).st_blocks * 512 > 1_000_000:
            self.skipTest("no sparse files here")
        small = self.small()
        self.succeeds("app.db", f"{small}/x.db")
        self.succeeds("--tempdir", self.private, "--force", "app.db", f"{small}/x.db")
        # SQLite writes every page.
        self.refused_alike("no_space", "--strategy", "online", "app.db", f"{small}/y.db")

    def test_of_a_file(self):
        limited = ("prlimit", "--fsize=1000000", "--")
        if not works(*limited, "true"):
            self.skipTest("there is no prlimit")
        self.make_big_database("app.db", size_mb=2)
        error = self.refused_alike("destination_unusable", "app.db", "x.db", wrapper=limited)
        self.assertEqual(error["errno"], errno.EFBIG)
        self.assertIn("1000000 bytes at most", error["message"])
        self.make_database("small.db")
        self.succeeds("small.db", "y.db", wrapper=limited)

    def fill(self, name, leave_bytes):
        path = self.path(name)
        free = os.statvfs(path)
        filler = free.f_bavail * free.f_frsize - leave_bytes
        works("fallocate", "-l", str(max(filler, 0)), os.path.join(path, "filler"))
        free = os.statvfs(path)
        if free.f_bavail * free.f_frsize >= leave_bytes * 2:
            self.skipTest("the file system could not be filled")

    def nearly_full(self, kind, *options):
        """A file system with a database of which no second one fits. Not below self.dir: to see
        that each large file there stays as it is takes its time."""
        name = f"../private/{kind}"
        self.mount_image(name, kind, 400, options=options)
        self.make_big_database(f"{name}/app.db", size_mb=40)
        works("sync", "-f", self.path(f"{name}/app.db"))
        self.fill(name, 20_000_000)
        return name

    def test_that_a_reflink_does_not_take(self):
        """A copy that shares its blocks fits where its size does not."""
        for kind in ("xfs", "btrfs"):
            with self.subTest(kind):
                disk = self.nearly_full(kind)
                source = f"{disk}/app.db"
                self.succeeds("--strategy", "reflink", source, f"{disk}/x.db")
                self.succeeds(source, f"{disk}/y.db")
                self.succeeds("--tempdir", disk, source, f"{disk}/z.db")
                self.refused_alike("no_space", "--strategy", "plain", source, f"{disk}/p.db")
                small = self.small(f"small-{kind}")
                self.refused_alike("no_space", source, f"{small}/x.db")
                self.refused_alike("no_space", "--tempdir", small, source, f"{disk}/q.db")

    def test_where_reflinks_are_not_possible(self):
        """The file system knows the call, but was made without it."""
        disk = self.nearly_full("xfs", "-m", "reflink=0")
        self.refused_alike("no_space", f"{disk}/app.db", f"{disk}/x.db")


class Strategy(DryRunTest):
    """What an attempt would be refused for, whatever the time."""

    def test_no_program_has_it_open(self):
        self.make_database(wal=True)
        for strategy in ("snapshot", "snapshot+plain", "follow"):
            with self.subTest(strategy):
                self.refused_alike("unsuitable", "--strategy", strategy, "app.db", "x.db")
        self.succeeds("--strategy", "auto", "app.db", "x.db")

    def test_a_program_that_uses_other_files(self):
        """How often it was tried is what the run says more."""
        self.make_database(wal=True)
        os.link(self.path("app.db"), self.path("other.db"))
        self.owner("other.db").run("INSERT INTO t VALUES(1000, 'new')")
        for strategy in ("lock", "plain", "retry-verify"):
            with self.subTest(strategy):
                self.refused_alike("source_busy", "--strategy", strategy, "--copy-retry", "2",
                                   "app.db", "x.db")
        plan = self.dry_run("--copy-retry", "2", "app.db", "x.db").json["error"]
        run = self.run_sqlbk("copy", "--json", "--copy-retry", "2", "app.db", "x.db").json["error"]
        self.assertEqual((plan["code"], plan["hint"]), (run["code"], run["hint"]), run)
        self.assertRegex(run["message"], "^gave up .*: " + re.escape(plan["message"]) + "$")
        self.succeeds("--no-copy-retry-strict", "--copy-retry", "2", "app.db", "x.db")

    def test_an_assumption_that_is_not_allowed(self):
        container = ("unshare", "-p", "-f", "--mount-proc")
        if not works(*container, "true"):
            self.skipTest("no process-id namespaces here")
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, 'new')")
        for strategy in ("auto", "lock", "snapshot", "online", "retry-verify", "follow"):
            with self.subTest(strategy):
                self.refused_alike("assumption_refused", "--strict", "--strategy", strategy,
                                   "--copy-retry", "3", "app.db", "x.db", wrapper=container)
        self.succeeds("--strict", "--assume", "these-files", "app.db", "x.db", wrapper=container)
        self.succeeds("--force", "app.db", "x.db", wrapper=container)

    def test_an_exclusive_owner(self):
        self.make_database(wal=True)
        self.owner().run("PRAGMA locking_mode=EXCLUSIVE", "INSERT INTO t VALUES(1000, 'new')")
        for strategy in ("lock", "snapshot", "online"):
            with self.subTest(strategy):
                plan = self.dry_run("--strategy", strategy, "app.db", "x.db")
                self.assertEqual(plan.json["error"]["code"], "unsuitable", str(plan))
        self.succeeds("--strategy", "follow", "app.db", "x.db")

    def hot_journal(self, super_journal=False):
        self.make_database(rows=2000)
        owner = self.owner()
        owner.run("PRAGMA cache_size=5", "BEGIN", "UPDATE t SET value = zeroblob(400)")
        owner.kill()
        if super_journal:
            add_super_journal(self.path("app.db"))

    def test_a_hot_journal(self):
        self.hot_journal()
        for strategy in ("lock", "snapshot", "online"):
            with self.subTest(strategy):
                self.refused_alike("unsuitable", "--strategy", strategy, "app.db", "x.db")
        self.succeeds("app.db", "x.db")

    def test_a_hot_journal_of_several_databases(self):
        self.hot_journal(super_journal=True)
        for strategy in ("auto", "plain", "retry-verify", "lock", "online"):
            with self.subTest(strategy):
                self.refused_alike("unsuitable", "--strategy", strategy, "app.db", "x.db")
        self.refused_alike("unsuitable", "--no-copy-retry-strict", "app.db", "x.db")

    def test_frames_without_checksum(self):
        for suffix in ("", "-wal"):
            shutil.copy(os.path.join(TEST_DATA, "zerosalt.db" + suffix), self.path("app.db" + suffix))
        for strategy in ("auto", "plain", "retry-verify"):
            with self.subTest(strategy):
                self.refused_alike("frames_without_checksum", "--strategy", strategy, "app.db",
                                   "x.db")
        self.succeeds("--no-copy-retry-strict", "app.db", "x.db")

    def test_a_wal_that_is_encrypted_as_a_whole(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, 'new')")
        for suffix in ("", "-wal"):
            with open(self.path("app.db" + suffix), "rb") as file:
                data = file.read()
            with open(self.path("left.db" + suffix), "wb") as file:
                file.write(bytes(byte ^ 0x5a for byte in data))
        for strategy in ("auto", "plain", "retry-verify"):
            with self.subTest(strategy):
                self.refused_alike("frames_without_checksum", "--opaque", "--strategy", strategy,
                                   "left.db", "x.db")


if __name__ == "__main__":
    main()
