"""Every hint, followed to the letter: it helps, or at least the same error with the same hint does
not come back. A hint in the sources without a case here fails the last test."""

import contextlib
import errno
import functools
import os
import re
import shutil
import signal
import subprocess

from hint_sources import literal_hints, table_hints
from support import (PATIENCE_S, SOURCE_ROOT, SQLBK, CliTest, add_super_journal, closing, connect,
                     environment, failing, main, wait_for_pending_lock, without_root_powers, works)

TEST_DATA = os.environ["SQLBK_TEST_DATA"]
EXAMPLE_PLUGIN = os.environ.get("SQLBK_EXAMPLE_PLUGIN")
LIAR_PLUGIN = os.environ.get("SQLBK_LIAR_PLUGIN")
NO_ENTRY_PLUGIN = os.environ.get("SQLBK_NO_ENTRY_PLUGIN")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")

# Hints that no command of a test can come to, and why.
EXCEPTIONS = {
    "leave out --journal-mode, or --opaque":
        "for programs that use the library: the tool refuses the two options earlier",
    "build it with the Meson option -Dplugins=enabled": "a build of another kind",
    "let this program end its own write transaction before it copies":
        "for programs that use the library; LocksOfTheHost in unit-copy has that case",
    "install it (Debian: libssl3), or leave the digest out":
        "needs a system without the library by which this program was built",
    "this is a fault of sqlbk; please report it with what was printed": "there is none to show",
    "free some memory, or raise the limit (ulimit -v, or that of the service)":
        "how much is enough differs with every build",
    "name one with --tempdir": "needs a system without /var/tmp, /tmp and /dev/shm",
    "vouch for it with --assume, or accept the verdict 'assumed' by leaving out --strict":
        "every refusal of that code has its own",
    "before the last program closes the database, copy the database and its -wal with cp: closing "
    "it drops commits that are in the WAL only. Then let its programs use SQLite 3.51.3 or later":
        "it saves what may be lost: no later copy succeeds before another SQLite is at work",
}

CHECKPOINT = ("let the owner checkpoint (PRAGMA wal_checkpoint(TRUNCATE)); SQLite 3.50 and later does "
              "not commit such frames")

CASES = []  # (hint, message) of each test below


def case(hint, message):
    """The test returns how the command ended, and how each way ended that the hint names; a way
    that is no run of sqlbk asserts by itself, and is left out."""
    def decorate(test):
        CASES.append((hint, message))

        @functools.wraps(test)
        def run(self):
            before, *after = test(self)
            self.assertNotEqual(before.code, 0, str(before))
            self.assertRegex(message_of(before), message, str(before))
            self.assertEqual(hint_of(before), hint, str(before))
            for result in after:
                self.assertEqual(result.code, 0, str(result))
        return run
    return decorate


def line_after(prefix, text):
    lines = [line for line in text.decode().splitlines() if line.startswith(prefix)]
    return lines[-1].removeprefix(prefix) if lines else ""


def message_of(result):
    """`sqlbk verify` prints on standard output why it could not check a database."""
    return line_after("sqlbk: ", result.err) or result.out.decode()


def hint_of(result):
    return line_after("hint: ", result.err)


class HintTest(CliTest):
    def run_copy(self, *arguments, **options):
        return self.run_sqlbk("copy", *arguments, **options)

    def verify(self, *arguments, **options):
        return self.run_sqlbk("verify", *arguments, **options)

    def bench(self, *arguments, **options):
        """As little of it as there is."""
        fast = {"--size": "1M", "--repeat": "1", "--live-seconds": "0", "--strategies": "plain",
                "--peers": "none", "--directory": self.private}
        given = set(arguments)
        for name, value in fast.items():
            if name not in given:
                arguments += (name, value)
        return self.run_sqlbk("bench", *arguments, **options)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)

    def privileged(self):
        wrapper = without_root_powers()
        if wrapper is None or os.geteuid() != 0:
            self.skipTest("needs root, and a way to give its powers up")
        return wrapper

    def require(self, *commands):
        for command in commands:
            if shutil.which(command) is None:
                self.skipTest(f"there is no {command}")

    def sqlite3(self, *arguments):
        self.require("sqlite3")
        subprocess.run(["sqlite3", *arguments], cwd=self.dir, check=True, capture_output=True,
                       stdin=subprocess.DEVNULL, timeout=PATIENCE_S)

    def plugin(self, path):
        if not path:
            self.skipTest("built without plug-ins")
        return path


class Table(HintTest):
    """The hints of the error table, where an error has none of its own."""

    @case("look at the file system and the kernel's log, then run the same command again",
          "Input/output error")
    def test_io_error(self):
        self.gate("pwrite")  # skips where there is no gate
        self.make_database()
        arguments = ("--strategy", "plain", "app.db", "x.db")
        return (self.run_copy(*arguments, env=failing("pwrite", 1, errno.EIO)),
                self.run_copy(*arguments))

    @case("free some space there, or choose a directory on another file system",
          "not enough space in 'small'")
    def test_no_space(self):
        self.make_database(rows=5000)
        full = os.path.join(self.mount("small", "-t", "tmpfs", "-o", "size=4m", "tmpfs"), "full")
        with open(full, "wb") as file, contextlib.suppress(OSError):
            file.write(bytes(4 << 20))
        before = self.run_copy("app.db", "small/x.db")
        elsewhere = self.run_copy("app.db", "x.db")
        os.unlink(full)
        return before, elsewhere, self.run_copy("app.db", "small/x.db")

    @case("free some space there, or choose a directory on another file system",
          "not enough space in 'small'")
    def test_no_space_in_the_tempdir(self):
        self.make_database(rows=5000)
        full = os.path.join(self.mount("small", "-t", "tmpfs", "-o", "size=4m", "tmpfs"), "full")
        with open(full, "wb") as file, contextlib.suppress(OSError):
            file.write(bytes(4 << 20))
        before = self.run_copy("--tempdir", "small", "app.db", "x.db")
        elsewhere = self.run_copy("--tempdir", self.private, "app.db", "x.db")
        os.unlink(full)
        return before, elsewhere, self.run_copy("--tempdir", "small", "app.db", "y.db")

    @case("run as a user who may read the database, and write to the directory of the copy",
          "unable to open '.*app.db': Permission denied")
    def test_permission_denied(self):
        wrapper = self.privileged()
        self.make_database()
        os.chmod(self.path("app.db"), 0)
        return (self.run_copy("app.db", "x.db", wrapper=wrapper), self.run_copy("app.db", "x.db"))

    @case("check the path", "there is no source 'ap.db'")
    def test_source_missing(self):
        self.make_database()
        return self.run_copy("ap.db", "x.db"), self.run_copy("app.db", "x.db")

    @case("create the directory, or choose another destination", "there is no directory 'new'")
    def test_destination_unusable(self):
        self.make_database()
        before = self.run_copy("app.db", "new/x.db")
        other = self.run_copy("app.db", "x.db")
        os.mkdir(self.path("new"))
        return before, other, self.run_copy("app.db", "new/x.db")

    @case("see the SQLite result code in the message", r"\(SQLite code \d+\)")
    def test_sqlite_error(self):
        """It names what to look up; the code is there."""
        self.make_database()
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("CREATE TABLE p(x)")
            connection.execute("CREATE TABLE c(y REFERENCES p(x))")
        return (self.run_copy("--then", "foreign_key_check", "app.db", "x.db"),)

    @case("restore an older copy, or salvage what can be read with the sqlite3 shell's .recover",
          "found damage in the copy of 'app.db'")
    def test_damaged(self):
        self.require("sqlite3")
        self.make_database(rows=400)
        self.copy("app.db", "older.db")
        with open(self.path("app.db"), "r+b") as file:
            file.seek(4096 * 5)
            file.write(b"\xff" * 4096)
        arguments = ("--then", "integrity_check", "app.db", "x.db")
        before = self.run_copy(*arguments)
        # It ends with an error where something could not be read.
        recovered = subprocess.run(["sqlite3", "app.db", ".recover"], cwd=self.dir, check=False,
                                   capture_output=True, timeout=PATIENCE_S).stdout
        subprocess.run(["sqlite3", "recovered.db"], cwd=self.dir, check=False, input=recovered,
                       capture_output=True, timeout=PATIENCE_S)
        salvaged = self.run_copy("--then", "integrity_check", "recovered.db", "y.db")
        shutil.copyfile(self.path("older.db"), self.path("app.db"))
        return before, salvaged, self.run_copy(*arguments)

    @case("try again, raise --copy-retry or --timeout, or use --strategy auto",
          "the source 'big.db' changed while it was copied")
    def test_source_changed(self):
        self.make_big_database()
        gate = self.gate("pwrite", 2)
        gate.hold("copy", "--strategy", "plain", "big.db", "x.db")
        with closing(connect(self.path("big.db"))) as connection:
            connection.execute("DELETE FROM t WHERE id = 1")
        return (gate.open(), self.run_copy("--strategy", "plain", "big.db", "x.db"),
                self.run_copy("--strategy", "auto", "big.db", "y.db"))

    @case("raise --lock-budget, or try again when the owner is less busy",
          "has waited for our lock longer than")
    def test_lock_budget_exceeded(self):
        self.make_big_database()
        owner = self.owner("big.db")
        results = []
        for budget in ("0ms", "1h"):
            gate = self.gate("pwrite", slow_ms=20 if budget == "0ms" else 0)
            gate.hold("copy", "--strategy", "snapshot+plain", "--lock-budget", budget, "big.db",
                      f"x{budget}.db")
            owner.send(f"DELETE FROM t WHERE id = {1 + len(results)}")
            wait_for_pending_lock(self.path("big.db"))
            results.append(gate.open())
            owner.answer()
        return (*results, self.run_copy("--strategy", "snapshot+plain", "big.db", "idle.db"))

    @case("raise --timeout", "no consistent copy within the deadline")
    def test_deadline_exceeded(self):
        self.make_database()
        return (self.run_copy("--timeout", "0s", "app.db", "x.db"),
                self.run_copy("--timeout", "1h", "app.db", "x.db"))

    @case("try again when the owner is idle or closed, or use --strategy auto",
          "a writer holds it")
    def test_source_busy(self):
        self.make_database(rows=2000)
        owner = self.owner()
        owner.run("PRAGMA cache_size=5", "BEGIN", "UPDATE t SET value = zeroblob(400)")
        arguments = ("--timeout", "1s", "--strategy", "lock", "app.db", "x.db")
        before = self.run_copy(*arguments)
        automatic = self.run_copy("--strategy", "auto", "app.db", "y.db")
        owner.run("ROLLBACK")
        return before, automatic, self.run_copy(*arguments)

    @case("use --strategy auto", "no program has it open")
    def test_unsuitable(self):
        self.make_database(wal=True)
        return (self.run_copy("--strategy", "snapshot", "app.db", "x.db"),
                self.run_copy("--strategy", "auto", "app.db", "x.db"))

    @case(CHECKPOINT, "has frames without checksums")
    def test_frames_without_checksum(self):
        for suffix in ("", "-wal"):
            shutil.copy(os.path.join(TEST_DATA, "zerosalt.db" + suffix), self.path("app.db" + suffix))
        before = self.run_copy("--copy-retry", "1", "app.db", "x.db")
        owner = self.owner()
        owner.run("PRAGMA wal_checkpoint(TRUNCATE)")
        return before, self.run_copy("app.db", "x.db")

    def owner_with_such_frames(self, *first):
        """As tests/data/make_golden.py makes them; SQLite 3.50 does not."""
        owner = self.owner()
        owner.run("PRAGMA page_size=512", *first, "PRAGMA journal_mode=WAL",
                  "PRAGMA wal_autocheckpoint=0", "CREATE TABLE a(id INTEGER PRIMARY KEY, v, pad)",
                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 40) "
                  "INSERT INTO a SELECT i, 1, zeroblob(400) FROM n",
                  "PRAGMA wal_checkpoint(RESTART)", "PRAGMA cache_size=10",
                  "UPDATE a SET v=2 WHERE id=1", "BEGIN", "SAVEPOINT s", "UPDATE a SET v=3",
                  "UPDATE a SET v=4 WHERE id>30", "ROLLBACK TO s", "RELEASE s",
                  "UPDATE a SET v=7 WHERE id=40", "COMMIT")
        return owner

    def checkpoint_of_such_frames(self, owner, *arguments):
        before = self.run_copy(*arguments, "app.db", "x.db")
        if before.code == 0:
            self.skipTest("this SQLite does not commit such frames")
        owner.run("PRAGMA wal_checkpoint(TRUNCATE)")
        return before, self.run_copy(*arguments, "app.db", "x.db")

    @case(CHECKPOINT, "complete: .*frames without checksums")
    def test_frames_without_checksum_of_an_exclusive_owner(self):
        owner = self.owner_with_such_frames("PRAGMA locking_mode=EXCLUSIVE")
        return self.checkpoint_of_such_frames(owner, "--copy-retry", "1")

    @case(CHECKPOINT, "which a copy would lose")
    def test_frames_without_checksum_of_an_encrypted_database(self):
        """In clear text, so that SQLite can own it."""
        return self.checkpoint_of_such_frames(self.owner_with_such_frames(), "--opaque")

    @case("choose another name, or replace it with --force", "it exists already")
    def test_destination_exists(self):
        self.make_database()
        self.make_database("old.db")
        return (self.run_copy("app.db", "old.db"), self.run_copy("app.db", "x.db"),
                self.run_copy("--force", "app.db", "old.db"))

    @case("close the program that uses the destination", "a program has it open")
    def test_destination_in_use(self):
        self.make_database()
        self.make_database("old.db")
        owner = self.owner("old.db")
        owner.run("SELECT count(*) FROM t")
        before = self.run_copy("--force", "app.db", "old.db")
        owner.close()
        return before, self.run_copy("--force", "app.db", "old.db")

    @case("check the path; an encrypted database does not look like one either: --opaque copies its "
          "bytes", "not a SQLite database")
    def test_not_a_database(self):
        self.make_database()
        self.write("encrypted.db", os.urandom(8192))
        return (self.run_copy("encrypted.db", "x.db"), self.run_copy("app.db", "x.db"),
                self.run_copy("--opaque", "encrypted.db", "y.db"))

    @case("copy it with the program that owns it", "unix-dotfile")
    def test_unsupported_database(self):
        self.make_database()
        os.mkdir(self.path("app.db.lock"))
        before = self.run_copy("app.db", "x.db")
        os.rmdir(self.path("app.db.lock"))  # so that its program comes in
        self.sqlite3("-vfs", "unix-dotfile", "app.db", ".backup x.db")
        self.assertTrue(os.path.exists(self.path("x.db")))
        return (before,)

    @case("run the same command again", "interrupted")
    def test_interrupted(self):
        self.make_big_database()
        gate = self.gate("pwrite", 2)
        arguments = ("copy", "--strategy", "plain", "big.db", "x.db")
        gate.hold(*arguments)
        gate.kill(signal.SIGINT)
        return gate.open(), self.run_sqlbk(*arguments)


class Source(HintTest):
    @case("check the path", "unable to open 'loop.db'")
    def test_a_link_to_itself(self):
        self.make_database()
        os.symlink("loop.db", self.path("loop.db"))
        return self.run_copy("loop.db", "x.db"), self.run_copy("app.db", "x.db")

    @case("name the database file itself", "is a directory, not a database")
    def test_a_directory(self):
        self.make_database()
        return self.run_copy(".", "x.db"), self.run_copy("./app.db", "x.db")

    @case("move the foreign -wal file away, if you are sure that it is not the database's",
          "it belongs to another database")
    def test_a_wal_of_another_database(self):
        self.make_database("other.db", rows=1, page_size=1024, wal=True)
        owner = self.owner("other.db")
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(10, zeroblob(3000))")
        shutil.copyfile(self.path("other.db-wal"), self.path("app.db-wal"))
        owner.close()
        self.make_database("plain.db")
        os.rename(self.path("plain.db"), self.path("app.db"))
        before = self.run_copy("app.db", "x.db")
        os.rename(self.path("app.db-wal"), self.path("foreign"))
        return before, self.run_copy("app.db", "x.db")

    def wal_without_main(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, 'new')")
        shutil.copyfile(self.path("app.db-wal"), self.path("left.db-wal"))
        self.write("left.db", b"")
        owner.close()

    def check_both_are_there(self):
        """Nothing of what is to be copied away was touched by the refusal."""
        self.assertEqual(os.path.getsize(self.path("left.db")), 0)
        self.assertGreater(os.path.getsize(self.path("left.db-wal")), 0)
        for suffix in ("", "-wal"):
            shutil.copyfile(self.path("left.db" + suffix), self.path("away.db" + suffix))

    @case("the WAL may be all that is left: copy both files away before anything opens them",
          "unable to copy 'left.db': its main file is empty")
    def test_a_wal_whose_main_is_empty(self):
        self.wal_without_main()
        before = self.run_copy("left.db", "x.db")
        self.check_both_are_there()
        return (before,)

    @case("the WAL may be all that is left: copy both files away before anything opens them",
          "the main file of 'left.db' is empty")
    def test_verify_of_a_wal_whose_main_is_empty(self):
        self.wal_without_main()
        before = self.verify("left.db")
        self.check_both_are_there()
        return (before,)

    @case("check the path; of an encrypted database nothing can be checked", "unable to check")
    def test_verify_of_what_is_no_database(self):
        self.make_database()
        self.write("encrypted.db", os.urandom(8192))
        return self.verify("encrypted.db"), self.verify("app.db")

    @case("open it with the program that owns it and close it again, which leaves no WAL behind",
          "the checksums in its WAL do not fit")
    def test_a_wal_that_cannot_be_read(self):
        """The program of the test is SQLite, whose WAL is encrypted for as long as it is away."""
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, 'new')")
        for suffix in ("", "-wal"):
            shutil.copyfile(self.path("app.db" + suffix), self.path("left.db" + suffix))
        owner.close()
        with open(self.path("left.db-wal"), "rb") as file:
            clear = file.read()
        self.write("left.db-wal", bytes(byte ^ 0x5a for byte in clear))
        before = self.run_copy("--opaque", "left.db", "x.db")
        self.write("left.db-wal", clear)
        owner = self.owner("left.db")
        owner.run("SELECT count(*) FROM t")
        owner.close()
        return before, self.run_copy("--opaque", "left.db", "x.db")

    @case("open it once with the program that owns it, or with the sqlite3 shell",
          "belongs to a transaction over several databases")
    def test_a_hot_journal_of_several_databases(self):
        self.require("sqlite3")
        self.make_database(rows=2000)
        self.hot_super_journal()
        before = self.run_copy("app.db", "x.db")
        self.sqlite3("app.db", "SELECT count(*) FROM t")
        return before, self.run_copy("app.db", "x.db")

    def hot_super_journal(self):
        """A journal whose end names a super-journal that is there."""
        owner = self.owner()
        owner.run("PRAGMA cache_size=5", "BEGIN", "UPDATE t SET value = zeroblob(400)")
        os.kill(owner.process.pid, signal.SIGKILL)
        owner.kill()
        add_super_journal(self.path("app.db"))

    @case("choose another mover, as plain, or leave the choice to --strategy auto",
          "unable to copy '.*' by reflink")
    def test_a_mover_that_does_not_work(self):
        self.make_database()
        self.mount("memory", "-t", "tmpfs", "tmpfs")
        shutil.copy(self.path("app.db"), self.path("memory"))
        return (self.run_copy("--strategy", "reflink", "memory/app.db", "memory/x.db"),
                self.run_copy("--strategy", "plain", "memory/app.db", "memory/x.db"),
                self.run_copy("--strategy", "auto", "memory/app.db", "memory/y.db"))

    @case("copy it under the name by which its owner has opened it",
          "uses '.*/other.db' with '.*/app.db-wal'")
    def test_another_name_than_the_owners(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, 'new')", "BEGIN", "SELECT id FROM t LIMIT 1")
        os.link(self.path("app.db"), self.path("other.db"))
        return (self.run_copy("--copy-retry", "1", "other.db", "x.db"),
                self.run_copy("app.db", "x.db"))

    @case("close the program that uses the older file, and delete the -wal, -shm and -journal files "
          "that it leaves", "which took that name later")
    def test_another_file_than_the_owners(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, 'new')")
        self.make_database("restored.db")
        os.rename(self.path("restored.db"), self.path("app.db"))
        before = self.run_copy("--copy-retry", "1", "app.db", "x.db")
        owner.close()
        for suffix in ("-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path("app.db" + suffix))
        return before, self.run_copy("app.db", "x.db")

    @case("let that program end its transaction, and unlock", "has locked '.*' with flock")
    def test_a_lock_that_is_not_one_of_sqlite(self):
        self.make_database()
        with subprocess.Popen(["flock", self.path("app.db"), "cat"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
            owner.stdin.write(b"locked\n")
            owner.stdin.flush()
            owner.stdout.readline()
            before = self.run_copy("--copy-retry", "1", "app.db", "x.db")
        return before, self.run_copy("app.db", "x.db")

    def serve(self, wal=False, *options):
        """`there` is `here` by FUSE."""
        if not os.path.exists("/dev/fuse") or shutil.which("bindfs") is None:
            self.skipTest("there is no bindfs")
        os.mkdir(self.path("here"))
        self.make_database("here/app.db", wal=wal)
        os.mkdir(self.path("there"))
        if not works("bindfs", *options, self.path("here"), self.path("there")):
            self.skipTest("bindfs does not work here")
        self.addCleanup(works, "umount", "-l", self.path("there"))

    @case("copy it as one file with --strategy online, which auto takes there, too", "it lies on fuse")
    def test_a_file_system_that_a_program_serves(self):
        self.serve()
        return (self.run_copy("--strategy", "lock", "there/app.db", "x.db"),
                self.run_copy("--strategy", "online", "there/app.db", "x.db"),
                self.run_copy("there/app.db", "y.db"))

    @case("name the files where they lie, not through fuse", "it lies on fuse")
    def test_an_encrypted_database_that_a_program_serves(self):
        self.serve()
        return (self.run_copy("--opaque", "there/app.db", "x.db"),
                self.run_copy("--opaque", "here/app.db", "x.db"))

    @case("run sqlbk on the machine that holds the files", "it is in WAL mode and lies on fuse.sshfs")
    def test_a_wal_on_a_network(self):
        self.serve(True, "-o", "subtype=sshfs")
        return self.run_copy("there/app.db", "x.db"), self.run_copy("here/app.db", "x.db")

    @case("open it with the program that owns it, and copy it meanwhile",
          "unable to open 'there/app.db'")
    def test_a_wal_that_was_left_where_a_program_serves(self):
        self.serve(wal=True)
        owner = self.owner("there/app.db")
        owner.run("INSERT INTO t VALUES(1000, 'new')")
        owner.kill()
        before = self.run_copy("there/app.db", "x.db")
        owner = self.owner("there/app.db")
        owner.run("SELECT count(*) FROM t")
        return before, self.run_copy("there/app.db", "x.db")

    @case("open it with the program that owns it, and copy it meanwhile",
          "unable to copy 'there/app.db'.*empty -wal")
    def test_an_empty_wal_that_was_left_where_a_program_serves(self):
        self.serve(wal=True)
        self.write("there/app.db-wal", b"")
        before = self.run_copy("there/app.db", "x.db")
        owner = self.owner("there/app.db")
        owner.run("SELECT count(*) FROM t")
        return before, self.run_copy("there/app.db", "x.db")

    @case("stop that program (kill -STOP PID), copy what it has open from /proc/PID/fd with cp (main "
          "under any name, a -wal or -journal under that name with this ending), and run sqlbk on the "
          "files that cp has made", "it was deleted")
    def test_a_deleted_file(self):
        self.make_database(wal=True)
        owner = self.owner()
        owner.run("INSERT INTO t VALUES(1000, 'new')")
        pid = owner.process.pid
        links = {number: os.readlink(f"/proc/{pid}/fd/{number}")
                 for number in os.listdir(f"/proc/{pid}/fd")}
        main_fd, wal_fd = (next(number for number, path in links.items() if path.endswith(ending))
                           for ending in ("/app.db", "/app.db-wal"))
        for suffix in ("", "-wal", "-shm"):
            os.unlink(self.path("app.db" + suffix))
        before = self.run_copy(f"/proc/{pid}/fd/{main_fd}", "x.db")
        os.kill(pid, signal.SIGSTOP)
        for number, name in ((main_fd, "saved.db"), (wal_fd, "saved.db-wal")):
            subprocess.run(["cp", f"/proc/{pid}/fd/{number}", self.path(name)], check=True,
                           timeout=PATIENCE_S)
        os.kill(pid, signal.SIGCONT)
        return before, self.run_copy("saved.db", "x.db")

    @case("name it by its directory: /proc/PID/root/PATH, where PID is a process that sees the file "
          "as PATH", "the directory in which it lies cannot be found")
    def test_a_file_of_a_mount_namespace_that_its_program_has_left(self):
        if os.geteuid() != 0 or not works("unshare", "--mount", "true"):
            self.skipTest("no mount namespace is to be had")
        self.make_database("away.db")
        program = """
import ctypes, os, shutil, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
if libc.unshare(0x20000) or libc.mount(None, b"/", None, 0x44000, None):
    sys.exit("unshare")
database = open(sys.argv[1] + "/away.db", "rb").read()
if libc.mount(b"none", sys.argv[1].encode(), b"tmpfs", 0, None):
    sys.exit("mount")
with open(sys.argv[1] + "/app.db", "wb") as file:
    file.write(database)
stays = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
left = open(sys.argv[1] + "/app.db", "rb")
if libc.setns(home, 0):
    sys.exit("setns")
print(stays.pid, left.fileno(), flush=True)
sys.stdin.read()
"""
        with subprocess.Popen(["python3", "-c", program, self.dir], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            stays, number = process.stdout.readline().split()
            before = self.run_copy(f"/proc/{process.pid}/fd/{int(number)}", "x.db")
            after = self.run_copy(f"/proc/{int(stays)}/root{self.path('app.db')}", "x.db")
        return before, after

    @case("let that process close the database", "holds a write lock and keeps no journal")
    def test_a_lock_without_a_journal(self):
        self.make_database()
        owner = self.owner()
        owner.run("BEGIN EXCLUSIVE")
        before = self.run_copy("--copy-retry", "1", "app.db", "x.db")
        owner.close()
        return before, self.run_copy("--copy-retry", "1", "app.db", "x.db")

    @case("try again when the owner is idle or closed", "gave up on 'app.db' .*: a writer holds it")
    def test_busy_for_every_strategy(self):
        """At rest when it was probed, locked from the first attempt on."""
        self.make_database()
        owner = self.owner()
        gate = self.gate("copy_file_range")
        gate.hold("copy", "--copy-retry", "1", "--timeout", "1s", "app.db", "x.db")
        owner.run("BEGIN EXCLUSIVE")
        before = gate.open()
        owner.run("COMMIT")
        return before, self.run_copy("--copy-retry", "1", "app.db", "x.db")

    @case("vouch for it with --assume these-files, or accept the verdict 'assumed' by leaving out "
          "--strict", "without assuming that no journal and no WAL lies beside another name")
    def test_an_assumption(self):
        self.make_database()
        os.link(self.path("app.db"), self.path("other.db"))
        arguments = ("--copy-retry", "1", "app.db")
        return (self.run_copy("--strict", *arguments, "x.db"),
                self.run_copy("--strict", "--assume", "these-files", *arguments, "x.db"),
                self.run_copy(*arguments, "y.db"))

    @case("try again, or leave out --no-copy-retry-strict: then only a copy that is proven consistent "
          "is made", "the unproven copy of 'big.db' is torn")
    def test_an_unproven_copy_that_is_torn(self):
        self.make_big_database()
        owner = self.owner("big.db")
        owner.run("BEGIN IMMEDIATE")  # nothing tells whether it writes
        gate = self.gate("pwrite", 2)
        arguments = ("copy", "--strategy", "plain", "--no-copy-retry-strict", "big.db")
        gate.hold(*arguments, "x.db")
        shutil.copyfile(self.path("big.db"), self.path("whole"))
        os.truncate(self.path("big.db"), 4096)
        before = gate.open()
        owner.close()
        shutil.copyfile(self.path("whole"), self.path("big.db"))
        return (before, self.run_sqlbk(*arguments, "x.db"),
                self.run_copy("--strategy", "plain", "big.db", "y.db"))


class Destination(HintTest):
    @case("choose a name that does not belong to the source", "it is a sidecar of the source")
    def test_a_file_of_the_source(self):
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, 'new')")
        os.link(self.path("app.db-wal"), self.path("other"))
        return self.run_copy("--force", "app.db", "other"), self.run_copy("app.db", "x.db")

    @case("choose another name", "it is the source itself")
    def test_the_source_itself(self):
        self.make_database()
        return self.run_copy("app.db", "./app.db"), self.run_copy("app.db", "x.db")

    @case("choose a name that does not belong to the source",
          "a sidecar of that name is a file of the source")
    def test_a_name_whose_sidecar_is_a_file_of_the_source(self):
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, 'new')")
        os.link(self.path("app.db-wal"), self.path("other-wal"))
        return self.run_copy("--force", "app.db", "other"), self.run_copy("app.db", "x.db")

    @case("choose a name that does not belong to the source",
          "the source has the name of a sidecar of it")
    def test_a_name_whose_sidecar_is_the_source(self):
        self.make_database("app.db-wal")
        return self.run_copy("--force", "app.db-wal", "app.db"), self.run_copy("app.db-wal", "x.db")

    @case("choose a name that does not belong to the source",
          "this is the name of a sidecar of the source")
    def test_the_name_of_a_sidecar(self):
        self.make_database()
        return self.run_copy("app.db", "app.db-wal"), self.run_copy("app.db", "x.db")

    @case("choose a shorter name", "is longer than the file system takes")
    def test_a_long_name(self):
        self.make_database()
        return self.run_copy("app.db", "x" * 300), self.run_copy("app.db", "x" * 200)

    @case("choose another name", "immutable or append-only")
    def test_a_file_that_cannot_be_replaced(self):
        self.make_database()
        path = os.path.join(self.mount("disk", "-t", "tmpfs", "tmpfs"), "x.db")
        with open(path, "wb"):
            pass
        if not works("chattr", "+i", path):
            self.skipTest("there is no immutable attribute here")
        return (self.run_copy("--force", "app.db", "disk/x.db"),
                self.run_copy("--force", "app.db", "disk/y.db"))

    @case("choose another name", "is a directory, which is not replaced")
    def test_a_directory_of_a_sidecars_name(self):
        self.make_database()
        os.mkdir(self.path("x.db-wal"))
        return self.run_copy("--force", "app.db", "x.db"), self.run_copy("app.db", "y.db")

    @case("choose another name", "is no sidecar but a database itself")
    def test_a_database_of_a_sidecars_name(self):
        self.make_database()
        self.make_database("x.db-wal")
        return self.run_copy("--force", "app.db", "x.db"), self.run_copy("app.db", "y.db")

    @case("choose another name", "it is not a regular file, and only such a one is replaced")
    def test_no_regular_file(self):
        self.make_database()
        os.mkfifo(self.path("x.db"))
        return self.run_copy("--force", "app.db", "x.db"), self.run_copy("app.db", "y.db")

    @case("run sqlbk as its owner or as root, or choose another name",
          "whether a program has it open cannot be seen")
    def test_a_file_of_another_user(self):
        if os.geteuid() != 0 or not works(*NOBODY, SQLBK, "--version"):
            self.skipTest("an ordinary user cannot run sqlbk here")
        os.chmod(os.path.dirname(self.dir), 0o755)
        os.chmod(self.dir, 0o777)
        self.make_database()
        self.make_database("old.db")
        os.chmod(self.path("old.db"), 0o644)
        before = self.run_copy("--force", "app.db", "old.db", wrapper=NOBODY)
        return (before, self.run_copy("--force", "app.db", "new.db", wrapper=NOBODY),
                self.run_copy("--force", "app.db", "old.db"))

    @case("run the same command again", "it was made while the copy was under way")
    def test_made_meanwhile_with_force(self):
        """After the sidecars of that name, which are not there, were looked for."""
        self.make_database()
        gate = self.gate("renameat2", 4)
        arguments = ("copy", "--force", "app.db", "x.db")
        gate.hold(*arguments)
        self.make_database("x.db")
        return gate.open(), self.run_sqlbk(*arguments)

    @case("choose another name, or replace it with --force",
          "it was made while the copy was under way|it exists already")
    def test_made_meanwhile(self):
        self.make_database()
        gate = self.gate("fsync")
        gate.hold("copy", "app.db", "x.db")
        self.make_database("x.db")
        return (gate.open(), self.run_copy("app.db", "y.db"),
                self.run_copy("--force", "app.db", "x.db"))

    @case("check the disk, and copy again", "may not survive a power failure")
    def test_a_disk_that_fails_at_the_end(self):
        self.gate("fsync")
        self.make_database()
        self.make_database("old.db")
        for number in range(1, 20):
            before = self.run_copy("--force", "app.db", "old.db",
                                   env=failing("fsync", number, errno.EIO))
            if b"may not survive" in before.err:
                break
        return before, self.run_copy("--force", "app.db", "old.db")

    @case("choose a directory on another file system", "unable to lock a staging directory")
    def test_a_file_system_without_locks(self):
        """Which is one without them is left to the gate."""
        self.gate("flock")
        self.make_database()
        return (self.run_copy("app.db", "x.db", env=failing("flock", 1, errno.ENOLCK)),
                self.run_copy("app.db", os.path.join(self.private, "x.db")))

    @case("raise the limit (ulimit -f)", "this process may make files of 1000000 bytes at most")
    def test_a_limit_of_the_process(self):
        limited = ("prlimit", "--fsize=1000000", "--")
        if not works(*limited, "true"):
            self.skipTest("there is no prlimit")
        self.make_big_database(size_mb=2)
        return (self.run_copy("big.db", "x.db", wrapper=limited),
                self.run_copy("big.db", "x.db", wrapper=("prlimit", "--fsize=100000000", "--")))

    @case("choose a directory that exists and that you may write to",
          "unable to make a staging directory in 'closed'")
    def test_a_directory_that_cannot_be_written(self):
        wrapper = self.privileged()
        self.make_database()
        os.mkdir(self.path("closed"))
        os.chmod(self.path("closed"), 0o555)
        return (self.run_copy("app.db", "closed/x.db", wrapper=wrapper),
                self.run_copy("app.db", "x.db", wrapper=wrapper))

    @case("choose a directory that exists and that you may write to",
          "unable to make a staging directory in 'none'")
    def test_a_tempdir_that_is_not_there(self):
        self.make_database()
        return (self.run_copy("--tempdir", "none", "app.db", "x.db"),
                self.run_copy("--tempdir", ".", "app.db", "x.db"))


class Manifest(HintTest):
    @case("choose a name that belongs neither to a database nor to its copy",
          "the name belongs to the database")
    def test_a_name_of_a_database(self):
        self.make_database()
        return (self.run_copy("--manifest", "app.db-wal", "app.db", "x.db"),
                self.run_copy("--manifest", "m.json", "app.db", "x.db"))

    @case("choose another name", "the manifest '.*': it is not a regular file")
    def test_no_regular_file(self):
        self.make_database()
        os.mkfifo(self.path("fifo"))
        return (self.run_copy("--manifest", "fifo", "app.db", "x.db"),
                self.run_copy("--manifest", "m.json", "app.db", "x.db"))

    @case("choose another name", "it is a file of SQLite, which is not replaced")
    def test_a_database(self):
        self.make_database()
        self.make_database("other.db")
        return (self.run_copy("--force", "--manifest", "other.db", "app.db", "x.db"),
                self.run_copy("--force", "--manifest", "m.json", "app.db", "x.db"))

    @case("choose another name", "the manifest '.*': it is immutable or append-only")
    def test_a_file_that_cannot_be_replaced(self):
        self.make_database()
        path = os.path.join(self.mount("disk", "-t", "tmpfs", "tmpfs"), "m.json")
        with open(path, "wb"):
            pass
        if not works("chattr", "+i", path):
            self.skipTest("there is no immutable attribute here")
        return (self.run_copy("--force", "--manifest", "disk/m.json", "app.db", "x.db"),
                self.run_copy("--force", "--manifest", "disk/n.json", "app.db", "x.db"))

    @case("name a file; './-' is a file called '-'", "writing to standard output is not supported")
    def test_standard_output(self):
        self.make_database()
        return (self.run_copy("--manifest", "-", "app.db", "x.db"),
                self.run_copy("--manifest", "m.json", "app.db", "x.db"),
                self.run_copy("--manifest", "./-", "app.db", "y.db"))

    @case("choose a shorter name", "its name is too long")
    def test_a_long_name(self):
        self.make_database()
        return (self.run_copy("--manifest", "m" * 250, "app.db", "x.db"),
                self.run_copy("--manifest", "m" * 200, "app.db", "x.db"))

    @case("name a file that 'sqlbk copy --manifest' has written", "is not a manifest of sqlbk")
    def test_no_manifest(self):
        self.make_database()
        self.copy("--manifest", "m.json", "app.db", "x.db")
        return (self.verify("--manifest", "app.db", "x.db"),
                self.verify("--manifest", "m.json", "x.db"))


class CopyOptions(HintTest):
    def setUp(self):
        super().setUp()
        self.make_database()

    @case("sqlbk copy [options] SOURCE DESTINATION", "takes a source and a destination")
    def test_operands(self):
        return self.run_copy("app.db"), self.run_copy("app.db", "x.db")

    @case("see 'sqlbk copy --help'", "unrecogni[sz]ed option")
    def test_an_unknown_option(self):
        return self.run_copy("--fast", "app.db", "x.db"), self.run_copy("--help")

    @case("see 'sqlbk copy --help'", "contradict each other")
    def test_a_contradiction(self):
        return (self.run_copy("--wal-checkpoint", "--keep-wal", "app.db", "x.db"),
                self.run_copy("--help"))

    @case("one of: delete, wal, keep", "--journal-mode is not known")
    def test_journal_mode(self):
        return (self.run_copy("--journal-mode", "off", "app.db", "x.db"),
                *(self.run_copy("--journal-mode", mode, "app.db", mode)
                  for mode in ("delete", "wal", "keep")))

    @case("a number and a unit, as 500ms, 90s, 5m or 2h; or none", "--timeout is no duration")
    def test_timeout(self):
        return (self.run_copy("--timeout", "soon", "app.db", "x.db"),
                *(self.run_copy("--timeout", text, "app.db", text)
                  for text in ("90s", "5m", "2h", "none")))

    @case("a number and a unit, as 500ms, 90s, 5m or 2h", "--lock-budget is no duration")
    def test_lock_budget(self):
        return (self.run_copy("--lock-budget", "soon", "app.db", "x.db"),
                *(self.run_copy("--lock-budget", text, "app.db", text)
                  for text in ("500ms", "90s", "5m", "2h")))

    @case("one of: auto, always, never", "--progress is not known")
    def test_progress(self):
        return (self.run_copy("--progress", "often", "app.db", "x.db"),
                *(self.run_copy("--progress", mode, "app.db", mode)
                  for mode in ("auto", "always", "never")))

    @case("one of: error, warning, info, debug", "SQLBK_LOG is not known")
    def test_log_level(self):
        return (self.run_copy("app.db", "x.db", env={"SQLBK_LOG": "loud"}),
                *(self.run_copy("app.db", level, env={"SQLBK_LOG": level})
                  for level in ("error", "warning", "info", "debug")))

    def test_an_unknown_strategy(self):
        """Each name of the list is known."""
        before = self.run_copy("--strategy", "fast", "app.db", "x.db")
        self.assertRegex(hint_of(before), "^one of: auto, ")
        for name in hint_of(before).removeprefix("one of: ").split(", "):
            after = self.run_copy("--dry-run", "--strategy", name, "app.db", "x.db")
            self.assertNotIn(b"one of", after.err, name)

    CASES.append(("one of: auto, …", "strategy"))

    def test_an_unknown_step(self):
        before = self.run_copy("--then", "wash", "app.db", "x.db")
        self.assertRegex(hint_of(before), "^one of: ")
        for name in hint_of(before).removeprefix("one of: ").split(", "):
            after = self.run_copy("--dry-run", "--then", name, "app.db", "x.db")
            self.assertNotIn(b"one of: checkpoint, ", after.err, name)

    CASES.append(("one of: checkpoint, …", "step"))

    def test_an_unknown_assumption(self):
        before = self.run_copy("--assume", "much", "app.db", "x.db")
        self.assertRegex(hint_of(before), "^one of: these-files, ")
        for name in hint_of(before).removeprefix("one of: ").split(", "):
            self.copy("--strict", "--assume", name, "app.db", name)

    CASES.append(("one of: these-files, …", "assumption"))

    @case("auto, lock, retry-verify or a mover alone", "reads the content of the source")
    def test_opaque_and_a_strategy_that_reads(self):
        return (self.run_copy("--opaque", "--strategy", "online", "app.db", "x.db"),
                *(self.run_copy("--opaque", "--strategy", strategy, "app.db", strategy)
                  for strategy in ("auto", "lock", "retry-verify", "plain")))

    @case("leave out the step, or --opaque", "the step 'quick_check' reads the content")
    def test_opaque_and_a_step_that_reads(self):
        return (self.run_copy("--opaque", "--then", "quick_check", "app.db", "x.db"),
                self.run_copy("--opaque", "app.db", "x.db"),
                self.run_copy("--then", "quick_check", "app.db", "y.db"))

    @case("leave out --keep-wal, or choose another strategy", "cannot deliver main and -wal")
    def test_keep_wal_and_a_strategy_without_a_wal(self):
        return (self.run_copy("--keep-wal", "--strategy", "online", "app.db", "x.db"),
                self.run_copy("--strategy", "online", "app.db", "x.db"),
                self.run_copy("--keep-wal", "--strategy", "auto", "app.db", "y.db"))

    @case("leave out --journal-mode delete, or --keep-wal", "stays in WAL mode")
    def test_keep_wal_and_another_mode(self):
        return (self.run_copy("--keep-wal", "--journal-mode", "delete", "app.db", "x.db"),
                self.run_copy("--keep-wal", "app.db", "x.db"),
                self.run_copy("--journal-mode", "delete", "app.db", "y.db"))

    @case("put digest last", "changes the copy after 'digest'")
    def test_a_digest_too_soon(self):
        return (self.run_copy("--then", "digest,vacuum_into", "app.db", "x.db"),
                self.run_copy("--then", "vacuum_into,digest", "app.db", "x.db"))

    @case("one of: passive, full, restart, truncate", "checkpoint")
    def test_checkpoint_mode(self):
        return (self.run_copy("--then", "checkpoint=fast", "app.db", "x.db"),
                *(self.run_copy("--then", f"checkpoint={mode}", "app.db", mode)
                  for mode in ("passive", "full", "restart", "truncate")))

    @case("digest=file (as digest alone), or digest=report: without a file beside the copy",
          "digest")
    def test_digest_argument(self):
        return (self.run_copy("--then", "digest=paper", "app.db", "x.db"),
                *(self.run_copy("--then", step, "app.db", step)
                  for step in ("digest=file", "digest", "digest=report")))

    @case("journal_mode=delete or journal_mode=wal", "journal_mode")
    def test_journal_mode_argument(self):
        return (self.run_copy("--then", "journal_mode=off", "app.db", "x.db"),
                *(self.run_copy("--then", step, "app.db", step)
                  for step in ("journal_mode=delete", "journal_mode=wal")))

    @case("a power of two from 512 to 65536, or vacuum_into without a page size",
          "the page size '1000' of vacuum_into is not valid")
    def test_page_size(self):
        return (self.run_copy("--then", "vacuum_into=1000", "app.db", "x.db"),
                *(self.run_copy("--then", step, "app.db", step)
                  for step in ("vacuum_into=512", "vacuum_into=65536", "vacuum_into")))

    @case("vacuum_into without a page size", "may carry checksums of the cksumvfs extension")
    def test_page_size_of_pages_with_checksums(self):
        """By the eight reserved bytes."""
        with closing(connect(self.path("sealed.db"))) as connection:
            connection.execute("CREATE TABLE t(x)")
        with open(self.path("sealed.db"), "r+b") as file:
            file.seek(20)
            file.write(b"\x08")
            # The content area of the two pages ends before them.
            for page in (0, 1):
                header = 4096 * page + (100 if page == 0 else 0)
                file.seek(header + 5)
                start = int.from_bytes(file.read(2), "big")
                file.seek(4096 * page)
                body = bytearray(file.read(4096))
                if start != 4096:
                    body[start - 8:4088] = body[start:4096]
                    count = int.from_bytes(body[header - 4096 * page + 3:][:2], "big")
                    first = header - 4096 * page + 8
                    for cell in range(count):
                        at = first + 2 * cell
                        moved = int.from_bytes(body[at:at + 2], "big") - 8
                        body[at:at + 2] = moved.to_bytes(2, "big")
                at = header - 4096 * page + 5
                body[at:at + 2] = (start - 8).to_bytes(2, "big")
                file.seek(4096 * page)
                file.write(body)
        return (self.run_copy("--then", "vacuum_into=8192", "sealed.db", "x.db"),
                self.run_copy("--then", "vacuum_into", "sealed.db", "x.db"))

    @case("a policy of this system may forbid it: see openssl.cnf", "SHA-256")
    def test_a_policy_without_sha256(self):
        self.write("openssl.cnf", b"openssl_conf = init\n[init]\nalg_section = algorithms\n"
                                  b"[algorithms]\ndefault_properties = fips=yes\n")
        arguments = ("--then", "digest", "app.db", "x.db")
        return (self.run_copy(*arguments, env={"OPENSSL_CONF": self.path("openssl.cnf")}),
                self.run_copy(*arguments))

    @case("look where standard output goes", "the report cannot be written to standard output")
    def test_a_report_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            before = self.run_copy("--json", "app.db", "x.db", stdout=full)
        before.out = b""
        return before, self.run_copy("--json", "app.db", "y.db")


class Plugins(HintTest):
    def setUp(self):
        super().setUp()
        self.make_database()

    @case("check its path", "there is no such file")
    def test_missing(self):
        plugin = self.plugin(EXAMPLE_PLUGIN)
        return (self.run_copy("--plugin", "none.so", "app.db", "x.db"),
                self.run_copy("--plugin", plugin, "app.db", "x.db"))

    @case("check its path", "it is not a file")
    def test_a_directory(self):
        plugin = self.plugin(EXAMPLE_PLUGIN)
        return (self.run_copy("--plugin", ".", "app.db", "x.db"),
                self.run_copy("--plugin", plugin, "app.db", "x.db"))

    @case("docs/plugins.md says what a plug-in is made of", "exports no sqlbk_plugin_entry_v1")
    def test_another_library(self):
        """The document is there, and names the entry."""
        with open(os.path.join(SOURCE_ROOT, "docs", "plugins.md"), encoding="utf-8") as file:
            self.assertIn("sqlbk_plugin_entry_v1", file.read())
        return (self.run_copy("--plugin", self.plugin(NO_ENTRY_PLUGIN), "app.db", "x.db"),)

    @case("build it anew with the abi.h of this sqlbk", "it was built for version 2")
    def test_another_abi(self):
        self.plugin(EXAMPLE_PLUGIN)
        results = []
        for version in ("SQLBK_PLUGIN_ABI + 1", "SQLBK_PLUGIN_ABI"):
            self.write("plugin.c", f"""
#include "sqlbk/plugin/abi.h"
static int32_t move(const struct sqlbk_mover* self, const struct sqlbk_move_job* job,
                    const struct sqlbk_host* host, struct sqlbk_moved* moved) {{
  (void)self, (void)job, (void)host, (void)moved;
  return SQLBK_MOVE_UNSUPPORTED;
}}
static const struct sqlbk_mover mover = {{
  .size = sizeof(struct sqlbk_mover), .name = "small", .summary = "none", .move = move}};
static const struct sqlbk_mover* const movers[] = {{&mover}};
static const struct sqlbk_plugin plugin = {{
  .size = sizeof(struct sqlbk_plugin), .abi = {version}, .name = "small", .version = "1",
  .mover_count = 1, .movers = movers}};
SQLBK_PLUGIN_EXPORT const struct sqlbk_plugin* sqlbk_plugin_entry_v1(const struct sqlbk_host* host) {{
  (void)host;
  return &plugin;
}}
""".encode())
            include = os.path.join(SOURCE_ROOT, "libcore", "include")
            subprocess.run(["cc", "-shared", "-fPIC", "-I", include, "-o", "plugin.so", "plugin.c"],
                           cwd=self.dir, check=True, timeout=PATIENCE_S)
            results.append(self.run_copy("--plugin", "plugin.so", "app.db", f"x{len(results)}.db"))
        return results

    @case("copy without this plug-in, and tell its author (docs/plugins.md has the rules)",
          "broke its promise")
    def test_a_liar(self):
        return (self.run_copy("--plugin", self.plugin(LIAR_PLUGIN), "--strategy", "says_more",
                              "app.db", "x.db"),
                self.run_copy("app.db", "x.db"))

    @case("leave out one of the two, or have it renamed", "unable to use the plug-in")
    def test_twice(self):
        plugin = self.plugin(EXAMPLE_PLUGIN)
        return (self.run_copy("--plugin", plugin, "--plugin", plugin, "app.db", "x.db"),
                self.run_copy("--plugin", plugin, "app.db", "x.db"))

    @case("it has the form LIMIT", "the argument 'none' of the step 'zero_pages'")
    def test_a_step_with_another_argument(self):
        plugin = self.plugin(EXAMPLE_PLUGIN)
        return (self.run_copy("--plugin", plugin, "--then", "zero_pages=none", "app.db", "x.db"),
                self.run_copy("--plugin", plugin, "--then", "zero_pages=100", "app.db", "x.db"))


class OtherCommands(HintTest):
    @case("see 'sqlbk --help'", "there is no command 'cpoy'")
    def test_an_unknown_command(self):
        return self.run_sqlbk("cpoy", "app.db", "x.db"), self.run_sqlbk("--help")

    @case("sqlbk inspect [--json] DATABASE", "'sqlbk inspect' takes one database")
    def test_inspect(self):
        self.make_database()
        return (self.run_sqlbk("inspect"), self.run_sqlbk("inspect", "app.db"),
                self.run_sqlbk("inspect", "--json", "app.db"))

    @case("sqlbk inspect [--json] DATABASE", "does not know '--deep'")
    def test_inspect_option(self):
        self.make_database()
        return self.run_sqlbk("inspect", "--deep", "app.db"), self.run_sqlbk("inspect", "app.db")

    @case("see 'sqlbk list --help'", "sqlbk list")
    def test_list(self):
        return self.run_sqlbk("list", "--all"), self.run_sqlbk("list", "--help")

    @case("see 'sqlbk demo --help'", "'sqlbk demo' takes no arguments")
    def test_demo(self):
        return self.run_sqlbk("demo", "now"), self.run_sqlbk("demo", "--help")

    @case("install sqlbk whole, or name the program 'live-writer' in SQLBK_LIVE_WRITER",
          "unable to find the program 'live-writer'")
    def test_demo_alone(self):
        alone = os.path.join(self.private, "bin", "sqlbk")
        os.mkdir(os.path.dirname(alone))
        shutil.copy(SQLBK, alone)
        env = {**environment(), "TMPDIR": self.private}
        writer = env.pop("SQLBK_LIVE_WRITER")
        if not works(alone, "--version"):
            self.skipTest("the program does not run from another place")

        def demo():
            process = subprocess.Popen([alone, "demo"], env=env, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            return self.finish(process)

        before = demo()
        env["SQLBK_LIVE_WRITER"] = writer
        return before, demo()

    @case("set TMPDIR to a directory that can be written", "unable to use '/none'")
    def test_demo_without_a_directory(self):
        return (self.run_sqlbk("demo", env={"TMPDIR": "/none"}),
                self.run_sqlbk("demo", env={"TMPDIR": self.private}))


class Verify(HintTest):
    def setUp(self):
        super().setUp()
        self.make_database()

    @case("sqlbk verify [options] DATABASE...", "takes at least one database")
    def test_no_database(self):
        return self.verify(), self.verify("app.db"), self.verify("--quick", "app.db", "app.db")

    @case("sqlbk verify [options] DATABASE...", "the name of a database is empty")
    def test_an_empty_name(self):
        return self.verify(""), self.verify("app.db")

    @case("sqlbk verify COPY --against SOURCE", "--against compares one database")
    def test_against_two(self):
        self.copy("app.db", "x.db")
        return (self.verify("x.db", "x.db", "--against", "app.db"),
                self.verify("x.db", "--against", "app.db"))

    @case("sqlbk verify --manifest FILE COPY", "a manifest is of one database")
    def test_manifest_of_two(self):
        self.copy("--manifest", "m.json", "app.db", "x.db")
        return (self.verify("--manifest", "m.json", "x.db", "x.db"),
                self.verify("--manifest", "m.json", "x.db"))

    def test_an_unknown_check(self):
        before = self.verify("--checks", "spelling", "app.db")
        self.assertRegex(hint_of(before), "^one of: header, ")
        for name in hint_of(before).removeprefix("one of: ").split(", "):
            self.assertEqual(self.verify("--checks", name, "app.db").code, 0, name)

    CASES.append(("one of: header, …", "check"))

    @case("name another directory", "is that of 'app.db', where nothing may be written")
    def test_a_tempdir_beside_the_database(self):
        self.owner().run("BEGIN", "SELECT id FROM t LIMIT 1")
        return (self.verify("--tempdir", ".", "app.db"),
                self.verify("--tempdir", self.private, "app.db"))


class SystemLimits(HintTest):
    def setUp(self):
        super().setUp()
        self.make_database()

    @case("raise the limit on the size of files (ulimit -f, or that of the service), or choose a "
          "directory on a file system that takes larger ones", "File too large")
    def test_size_of_files(self):
        self.gate("pwrite")  # skips where there is no gate; a limit of the process is foreseen
        os.mkdir(self.path("elsewhere"))
        arguments = ("--strategy", "plain", "app.db")
        return (self.run_copy(*arguments, "x.db", env=failing("pwrite", 1, errno.EFBIG)),
                self.run_copy(*arguments, "elsewhere/x.db"))

    @case("remove files of this user there, have the quota raised, or choose a directory on another "
          "file system", "Disk quota exceeded")
    def test_quota(self):
        self.gate("pwrite")  # skips where there is no gate; limits_test.py has a real quota
        os.mkdir(self.path("elsewhere"))
        arguments = ("--strategy", "plain", "app.db")
        return (self.run_copy(*arguments, "x.db", env=failing("pwrite", 1, errno.EDQUOT)),
                self.run_copy(*arguments, "elsewhere/x.db"))

    @case("choose a directory on a file system that is mounted for writing", "Read-only file system")
    def test_it_became_read_only(self):
        self.gate("pwrite")
        os.mkdir(self.path("elsewhere"))
        arguments = ("--strategy", "plain", "app.db")
        return (self.run_copy(*arguments, "x.db", env=failing("pwrite", 1, errno.EROFS)),
                self.run_copy(*arguments, "elsewhere/x.db"))

    @case("raise the limit on the user's processes and threads (ulimit -u, or that of the service), "
          "or run the same command again when fewer are running", "unable to start a thread")
    def test_threads(self):
        os.mkdir(self.path("to"))
        os.chmod(self.path("to"), 0o777)
        return (self.run_without_threads("copy", "app.db", "to/x.db"),
                self.run_as_nobody("copy", "app.db", "to/x.db"))

    @case("let the program that reads it read to its end", "'standard output': Broken pipe")
    def test_a_pipe_that_nothing_reads(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        return self.finish(self.start("list", stdout=writer)), self.run_sqlbk("list")


class Bench(HintTest):
    @case("one of: wal, delete, truncate, persist, memory, off", "--journal-mode is not known")
    def test_a_word(self):
        return (self.bench("--journal-mode", "fast"),
                self.bench("--journal-mode", "wal,delete,truncate,persist,memory,off"))

    @case("a number and a unit, as 10M or 1G", "is not a whole number of MiB")
    def test_a_size_of_a_part(self):
        return self.bench("--size", "10K"), self.bench("--size", "10M")

    @case("a number and a unit, as 64K, 10M or 1G", "--size is no size")
    def test_no_size(self):
        return self.bench("--size", "large"), self.bench("--size", "10M")

    @case("a number and a unit, as 64K, 10M or 1G", "--size is too large")
    def test_a_size_beyond_numbers(self):
        return self.bench("--size", "999999999999T"), self.bench("--size", "10M")

    @case("sqlbk bench [options] [DATABASE]", "takes one database at most")
    def test_two_databases(self):
        self.make_database()
        arguments = ("bench", "--repeat", "1", "--live-seconds", "0", "--strategies", "plain",
                     "--peers", "none", "--directory", self.private)
        return (self.run_sqlbk(*arguments, "app.db", "app.db"),
                self.run_sqlbk(*arguments, "app.db"), self.bench())

    @case("leave out one of them", "--size is for databases that the benchmark makes")
    def test_a_size_of_a_database(self):
        self.make_database()
        arguments = ("bench", "--repeat", "1", "--live-seconds", "0", "--strategies", "plain",
                     "--peers", "none", "--directory", self.private)
        return (self.run_sqlbk(*arguments, "--size", "1M", "app.db"),
                self.run_sqlbk(*arguments, "app.db"), self.run_sqlbk(*arguments, "--size", "1M"))

    @case("leave out one of them", "with --repeat 0 and --live-seconds 0")
    def test_nothing_to_measure(self):
        return self.bench("--repeat", "0"), self.bench()

    @case("leave out one of them", "with --strategies none and --peers none")
    def test_nobody_to_measure(self):
        return self.bench("--strategies", "none"), self.bench()

    def test_an_unknown_peer(self):
        before = self.bench("--peers", "rsync")
        self.assertRegex(hint_of(before), "^all, none, or some of: cp, ")
        names = hint_of(before).removeprefix("all, none, or some of: ").replace(" ", "")
        for peers in ("all", "none", names):
            self.assertEqual(self.bench("--peers", peers).code, 0, peers)

    CASES.append(("all, none, or some of: cp, …", "peer"))

    @case("name another directory with --directory, or smaller databases with --size, --wal and "
          "--live-size", "the benchmark needs")
    def test_no_room(self):
        small = self.mount("small", "-t", "tmpfs", "-o", "size=30m", "tmpfs")
        return (self.bench("--size", "100M", "--directory", small),
                self.bench("--size", "20M", "--directory", self.private),
                self.bench("--size", "1M", "--wal", "1M", "--directory", small))


class EveryHint(CliTest):
    maxDiff = None

    def test_has_a_case(self):
        """As many cases, with messages of their own, as there are places that give the hint."""
        left = list(dict.fromkeys(CASES))
        missing = []
        places = sorted(literal_hints(), key=lambda place: -len(place[1].replace(".*", "")))
        for path, pattern in places:
            if any(re.fullmatch(pattern, hint) for hint in EXCEPTIONS):
                continue
            found = next((one for one in left if re.fullmatch(pattern, one[0])), None)
            if found is None:
                missing.append(f"{path}: {pattern}")
            else:
                left.remove(found)
        self.assertEqual(missing, [], "hints without a case, or with fewer than places")

    def test_of_the_table_has_a_case(self):
        hints = {hint for hint, _ in CASES} | set(EXCEPTIONS)
        self.assertEqual([row for row in table_hints() if row[1] not in hints], [])

    def test_exceptions_are_of_hints_that_there_are(self):
        patterns = [pattern for _, pattern in literal_hints()]
        patterns += [re.escape(hint) for _, hint in table_hints()]
        for hint in EXCEPTIONS:
            self.assertTrue(any(re.fullmatch(pattern, hint) for pattern in patterns), hint)


if __name__ == "__main__":
    main()
