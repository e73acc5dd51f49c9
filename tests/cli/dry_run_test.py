"""`sqlbk copy --dry-run` says what the run would say: the same refusal, word for word, or none."""

import os

from support import SQLBK, CliTest, listing, main, without_root_powers, works

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


if __name__ == "__main__":
    main()
