"""File systems that cannot do everything: no chmod or chown, modes and owners of their own, no hard
links, no rename that replaces nothing. A copy is made, and a warning says what they do not keep."""

import os
import shutil
import stat
import subprocess

from support import CliTest, rows, rows_of, main, works


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class Destinations(CliTest):
    def setUp(self):
        super().setUp()
        self.make_database()
        os.chmod(self.path("app.db"), 0o640)

    def bind(self, *options):
        """The directory `to`, seen through bindfs."""
        real = self.path("real")
        os.makedirs(real, exist_ok=True)
        os.makedirs(self.path("to"), exist_ok=True)
        if shutil.which("bindfs") is None:
            self.skipTest("there is no bindfs")
        if not works("bindfs", *options, real, self.path("to")):
            self.skipTest(f"bindfs {' '.join(options)} does not work here")
        self.addCleanup(works, "umount", "-l", self.path("to"))

    def copied(self, *options, name="to/app.db"):
        """The warnings of a copy that is made, whole and without a trace beside it."""
        report = self.copy_json(*options, "app.db", "to")
        self.assertEqual(rows_of(self.path(name)), rows(100))
        self.assertEqual(os.listdir(self.path("to")), ["app.db"])
        return report["warnings"]


class Permissions(Destinations):
    def test_chmod_is_refused(self):
        self.bind("--chmod-deny")
        for options in ((), ("--force",), ("--force", "--tempdir", self.private), ("--force", "--preserve")):
            with self.subTest(options):
                warning = " ".join(self.copied(*options))
                self.assertIn("'to/app.db'", warning)
                self.assertIn("mode 0600, not mode 0640", warning)
        # Never more than was asked for.
        self.assertEqual(mode_of(self.path("real/app.db")), 0o600)

    def test_chmod_is_ignored(self):
        self.bind("--chmod-ignore")
        self.assertIn("mode 0600, not mode 0640", " ".join(self.copied()))

    def test_the_warning_is_printed(self):
        self.bind("--chmod-deny")
        result = self.copy("app.db", "to")
        self.assertIn(b"warning: the file system of 'to/app.db'", result.err)

    def test_no_warning_where_nothing_is_lost(self):
        self.bind("--chmod-deny")
        os.chmod(self.path("app.db"), 0o600)
        self.assertEqual(self.copied(), [])

    def test_chown_is_refused(self):
        os.chown(self.path("app.db"), 4711, 4712)
        for option in ("--chown-deny", "--chgrp-deny", "--chown-ignore"):
            with self.subTest(option):
                self.bind(option)
                warning = " ".join(self.copied("--preserve", "--force"))
                self.assertIn("does not belong to the source's owner and group", warning)
                works("umount", "-l", self.path("to"))

    def test_a_file_system_with_modes_of_its_own(self):
        """As the mount options of FAT and NTFS give them: a user that may read there may read the copy."""
        self.bind("--perms=0644:u+D", "--chmod-ignore")
        os.chmod(self.path("app.db"), 0o600)
        warning = " ".join(self.copied())
        self.assertIn("mode 0644, not mode 0600: more users may read or write it", warning)

    def test_a_file_system_with_an_owner_of_its_own(self):
        self.bind("--force-user=4711", "--chmod-ignore", "--chown-ignore")
        self.assertIn("belongs to 4711:", " ".join(self.copied()))
        self.assertIn("that user may read it", " ".join(self.copied("--force")))


class Names(Destinations):
    def exfat(self):
        """By FUSE: neither links, nor modes, nor a rename that replaces nothing."""
        image = os.path.join(self.private, "image")
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        os.mkdir(self.path("to"))
        if shutil.which("mkfs.exfat") is None or shutil.which("mount.exfat-fuse") is None:
            self.skipTest("there is no mkfs.exfat or mount.exfat-fuse")
        loop = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, check=False,
                              text=True).stdout.strip()
        if not loop:
            self.skipTest("there are no loop devices")
        self.addCleanup(works, "losetup", "-d", loop)
        if not (works("mkfs.exfat", loop) and works("mount.exfat-fuse", loop, self.path("to"))):
            self.skipTest("exfat-fuse does not work here")
        self.addCleanup(works, "umount", self.path("to"))

    def test_a_new_copy(self):
        self.exfat()
        warnings = " ".join(self.copied())
        self.assertIn("'to/app.db' can neither rename without replacing nor make hard links", warnings)

    def test_force(self):
        self.exfat()
        self.copied("--force")
        self.copied("--force")
        self.copied("--force", "--tempdir", self.private)

    def test_sidecars_and_digest(self):
        self.exfat()
        report = self.copy_json("--then", "digest", "app.db", "to/x.db")
        self.assertEqual(report["verdict"], "at-rest")
        self.assertEqual(sorted(os.listdir(self.path("to"))), ["x.db", "x.db.sha256"])
        self.make_database("wal.db", wal=True)
        self.owner("wal.db").run("INSERT INTO t VALUES(1000, x'01')")
        self.copy("--keep-wal", "wal.db", "to/w.db")
        self.assertEqual(sorted(os.listdir(self.path("to"))),
                         ["w.db", "w.db-wal", "x.db", "x.db.sha256"])

    def test_what_is_there_is_not_replaced(self):
        self.exfat()
        shutil.copyfile(self.path("app.db"), self.path("to/app.db"))
        self.refused(5, "destination_exists", "'to/app.db'", "app.db", "to")

    def test_another_file_that_comes_meanwhile_stays(self):
        self.exfat()
        gate = self.gate("renameat2")
        gate.hold("copy", "app.db", "to/app.db")
        with open(self.path("to/app.db"), "wb") as file:
            file.write(b"another's")
        self.assertEqual(gate.open().code, 5)
        with open(self.path("to/app.db"), "rb") as file:
            self.assertEqual(file.read(), b"another's")
        self.assertEqual(os.listdir(self.path("to")), ["app.db"])

    def test_a_copy_killed_before_it_is_published_leaves_no_destination(self):
        self.exfat()
        gate = self.gate("renameat2")
        gate.hold("copy", "app.db", "to/app.db")
        gate.process.kill()
        self.finish(gate.process)
        self.assertNotIn("app.db", os.listdir(self.path("to")))
        self.copy("app.db", "to/y.db")
        self.assertEqual(os.listdir(self.path("to")), ["y.db"])


if __name__ == "__main__":
    main()
