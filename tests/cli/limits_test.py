"""Limits of the system are errors with a name: the size of files, full disks and quotas, read-only
file systems, pipes that nothing reads, threads. No signal ends a run, and nothing is left behind."""

import errno
import json
import os
import resource
import signal

from support import CliTest, failing, integrity, listing, main, rows, works

FILE_SIZE = "raise the limit"
QUOTA = "remove files of this user there"
NO_SPACE = "free some space there"
READ_ONLY = "choose a directory on a file system that is mounted for writing"
STRATEGIES = ("auto", "plain", "range", "mmap", "lock", "snapshot", "retry-verify",
              "online")


def file_size(limit):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


class Limits(CliTest):
    def fails(self, errno_value, hint, *arguments, named, **options):
        """Exit 1 by itself, an error that names the file and says why, no trace."""
        before = sorted(listing(self.dir))
        result = self.run_sqlbk(arguments[0], "--json", *arguments[1:], **options)
        self.assertEqual(result.code, 1, str(result))
        error = result.json["error"]
        self.assertEqual(error["errno"], errno_value, str(result))
        self.assertIn(named, error["message"], str(result))
        # What was foreseen is said in other words than what a write met.
        self.assertRegex(error["message"], f"{os.strerror(errno_value)}|may make files of [0-9]+ bytes",
                         str(result))
        self.assertTrue(error["hint"].startswith(hint), str(result))
        self.assertEqual(sorted(listing(self.dir)), before, str(result))
        return result


class FileSize(Limits):
    def test_every_strategy(self):
        self.make_database(rows=2000)
        reflinks = self.run_sqlbk("copy", "--strategy", "reflink", "app.db", "reflink.db").code == 0
        for strategy in STRATEGIES + (("reflink",) if reflinks else ()):
            with self.subTest(strategy):
                self.fails(errno.EFBIG, FILE_SIZE, "copy", "--strategy", strategy, "app.db", "x.db",
                           named="'x.db'", preexec_fn=file_size(100_000))

    def test_follow(self):
        """Its WAL is live, so that there is something to follow."""
        self.make_database(rows=2000, wal=True)
        self.owner().run("INSERT INTO t VALUES(9999, x'01')")
        for strategy in ("follow", "snapshot", "lock"):
            with self.subTest(strategy):
                self.fails(errno.EFBIG, FILE_SIZE, "copy", "--strategy", strategy, "app.db", "x.db",
                           named="'x.db'", preexec_fn=file_size(100_000))

    def test_steps(self):
        self.make_database(rows=2000)
        limit = os.stat(self.path("app.db")).st_size - 4096
        self.fails(errno.EFBIG, FILE_SIZE, "copy", "--then", "vacuum_into", "app.db", "x.db",
                   named="'x.db'", preexec_fn=file_size(limit))

    def test_a_directory_elsewhere(self):
        self.make_database(rows=2000)
        self.fails(errno.EFBIG, FILE_SIZE, "copy", "--tempdir", self.private, "app.db", "x.db",
                   named="'x.db'", preexec_fn=file_size(100_000))
        self.assertEqual(os.listdir(self.private), [])

    def test_what_is_checked_on_a_copy(self):
        self.make_database(rows=2000, wal=True)
        self.owner().run("INSERT INTO t VALUES(9999, x'01')")
        result = self.run_sqlbk("verify", "--json", "--tempdir", self.private, "app.db",
                                preexec_fn=file_size(100_000))
        self.assertEqual(result.code, 1, str(result))
        self.assertEqual(result.json["databases"][0]["error"]["errno"], errno.EFBIG, str(result))
        self.assertEqual(os.listdir(self.private), [])

    def test_standard_output(self):
        out = os.path.join(self.private, "out")
        with open(out, "wb") as file:
            result = self.finish(self.start("list", stdout=file, preexec_fn=file_size(100)))
        self.assertEqual(result.code, 1, str(result))
        self.assertIn(b"'standard output': File too large", result.err)

    def test_a_copy_that_fits_is_made(self):
        self.make_database()
        limit = os.stat(self.path("app.db")).st_size
        self.copy("app.db", "x.db", preexec_fn=file_size(limit))
        self.check_copy("x.db", rows(100))

    def test_what_is_ignored_stays_ignored(self):
        def ignored():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        gate = self.gate("copy_file_range")
        self.make_database()
        gate.hold("copy", "--strategy", "range", "app.db", "x.db", preexec_fn=ignored)
        with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as file:
            mask = int(next(line for line in file if line.startswith("SigIgn:")).split()[1], 16)
        for number in (signal.SIGXFSZ, signal.SIGPIPE):
            self.assertTrue(mask & 1 << number - 1, number.name)
        self.assertEqual(gate.open().code, 0)


class Writes(Limits):
    def test_every_errno_has_its_hint(self):
        self.gate("pwrite")  # skips where there is no gate
        self.make_database()
        for value, hint in ((errno.EFBIG, FILE_SIZE), (errno.EDQUOT, QUOTA),
                            (errno.ENOSPC, NO_SPACE), (errno.EROFS, READ_ONLY)):
            for strategy, call in (("plain", "pwrite"), ("range", "copy_file_range"),
                                   ("online", "pwrite"), ("plain", "fsync")):
                with self.subTest(errno=os.strerror(value), strategy=strategy, call=call):
                    if (strategy, value) == ("online", errno.ENOSPC):
                        continue  # SQLite has a code of its own for that
                    self.fails(value, hint, "copy", "--strategy", strategy, "app.db", "x.db",
                               named="'x.db'", env=failing(call, 1, value))

    def test_a_full_disk_by_sqlite(self):
        self.gate("pwrite")
        self.make_database()
        result = self.run_sqlbk("copy", "--json", "--strategy", "online", "app.db", "x.db",
                                env=failing("pwrite", 1, errno.ENOSPC))
        self.assertEqual(result.json["error"]["code"], "no_space", str(result))
        self.assertTrue(result.json["error"]["hint"].startswith(NO_SPACE), str(result))

    def test_a_read_only_file_system(self):
        self.make_database()
        self.mount("to", "-t", "tmpfs", "-o", "ro", "tmpfs")
        result = self.run_sqlbk("copy", "--json", "app.db", "to/x.db")
        self.assertEqual(result.code, 1, str(result))
        self.assertEqual(result.json["error"]["errno"], errno.EROFS, str(result))

    def test_a_quota(self):
        """A real one: no more than 2 MiB in this subvolume of btrfs."""
        self.make_database(rows=20000)
        to = self.mount_image("to", "btrfs", 256)
        if not (works("btrfs", "quota", "enable", to) and works("btrfs", "qgroup", "limit", "2m", to)):
            self.skipTest("this btrfs has no quotas")
        for strategy in ("plain", "auto", "online"):
            with self.subTest(strategy):
                result = self.run_sqlbk("copy", "--json", "--strategy", strategy, "app.db", "to/x.db")
                self.assertEqual(result.code, 1, str(result))
                error = result.json["error"]
                self.assertEqual(error["errno"], errno.EDQUOT, str(result))
                self.assertTrue(error["hint"].startswith(QUOTA), str(result))
                self.assertIn("'to/x.db'", error["message"])
                self.assertEqual(os.listdir(to), [])


class Pipes(Limits):
    def closed_pipe(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        return writer

    def test_standard_output(self):
        self.make_database()
        for arguments in (("list",), ("--help",), ("verify", "app.db"), ("inspect", "app.db"),
                          ("copy", "--dry-run", "app.db", "x.db"), ("list", "--json")):
            with self.subTest(arguments):
                before = listing(self.dir)
                result = self.finish(self.start(*arguments, stdout=self.closed_pipe()))
                self.assertEqual(result.code, 1, str(result))
                self.assertIn(b"'standard output': Broken pipe\nhint: let the program", result.err)
                self.assertEqual(listing(self.dir), before)

    def test_a_copy_whose_report_is_lost_stands(self):
        self.make_database()
        result = self.finish(self.start("copy", "--json", "app.db", "x.db",
                                        stdout=self.closed_pipe()))
        self.assertEqual(result.code, 1, str(result))
        self.assertIn(b"the copy stands at 'x.db'", result.err)
        self.check_copy("x.db", rows(100))

    def test_nothing_reads_the_messages(self):
        self.make_database()
        for options in ((), ("--debug",), ("--progress=always",)):
            with self.subTest(options):
                result = self.finish(self.start("copy", "--force", *options, "app.db", "x.db",
                                                stderr=self.closed_pipe()))
                self.assertEqual(result.code, 0, str(result))
                self.check_copy("x.db", rows(100))


class Ignored(CliTest):
    def test_a_signal_that_is_ignored_stays_ignored(self):
        """As nohup(1) leaves SIGHUP, and a shell SIGINT of a program in the background."""
        self.make_database()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                gate = self.gate("copy_file_range")
                gate.hold("copy", "--force", "--strategy", "range", "app.db", "x.db",
                          preexec_fn=lambda number=number: signal.signal(number, signal.SIG_IGN))
                gate.kill(number)
                self.assertEqual(gate.open().code, 0)
                self.assertEqual(integrity(self.path("x.db")), "ok")


class Threads(Limits):
    def test_the_system_starts_none(self):
        self.make_database()
        for command in (("copy", "app.db", "x.db"), ("verify", "app.db"),
                        ("copy", "--dry-run", "app.db", "x.db"),
                        ("verify", "--progress=always", "app.db"),
                        ("copy", "--progress=always", "app.db", "x.db")):
            with self.subTest(command):
                before = listing(self.dir)
                result = self.run_without_threads(command[0], "--json", *command[1:])
                self.assertEqual(result.code, 1, str(result))
                error = json.loads(result.out)["error"]
                self.assertEqual(error["errno"], errno.EAGAIN, str(result))
                self.assertIn("unable to start a thread", error["message"])
                self.assertTrue(error["hint"].startswith("raise the limit on"), str(result))
                self.assertEqual(listing(self.dir), before)


if __name__ == "__main__":
    main()
