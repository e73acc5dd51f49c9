"""What the command-line tests share: running sqlbk, databases, owners, the gate, TAP output."""

import contextlib
import hashlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

SQLBK = os.environ["SQLBK"]
SOURCE_ROOT = os.environ["SQLBK_SOURCE_ROOT"]
# Nothing here is measured in time; this only ends a test that hangs.
PATIENCE_S = 120



def fast_directory():
    """Every copy is synced to the disk; in memory that costs nothing. Containers have little."""
    try:
        free = os.statvfs("/dev/shm")
    except OSError:
        return None
    roomy = free.f_bavail * free.f_frsize > 1 << 29
    return "/dev/shm" if roomy and os.access("/dev/shm", os.W_OK | os.X_OK) else None


FAST_DIRECTORY = fast_directory()

MESSAGE_PREFIX = b"sqlbk: "
HINT_PREFIX = b"hint: "


class Result:
    """How a run of sqlbk ended."""

    def __init__(self, arguments, code, out, err):
        self.arguments, self.code, self.out, self.err = arguments, code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"{self.arguments}: exit {self.code}\n{self.out!r}\n{self.err!r}"


class CliTest(unittest.TestCase):
    longMessage = True

    def setUp(self):
        base = os.path.realpath(tempfile.mkdtemp(prefix="sqlbk-cli-", dir=FAST_DIRECTORY))
        self.addCleanup(remove_tree, base)
        self.dir = os.path.join(base, "files")
        os.mkdir(self.dir)
        self.private = os.path.join(base, "private")  # nothing of a test's subject in here
        os.mkdir(self.private)

    def path(self, name):
        return os.path.join(self.dir, name)

    # -- running ---------------------------------------------------------------------------------

    def start(self, *arguments, env=None, cwd=None, wrapper=(), stdin=subprocess.DEVNULL,
              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options):
        process = subprocess.Popen([*wrapper, SQLBK, *arguments], cwd=cwd or self.dir,
                                   env=environment(env), stdin=stdin, stdout=stdout,
                                   stderr=stderr, **options)
        self.addCleanup(reap, process)
        return process

    def finish(self, process):
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail(f"{process.args} hangs")
        result = Result(process.args, process.returncode, out, err)
        for mark in (b"Sanitizer", b"runtime error:"):
            self.assertNotIn(mark, err or b"", str(result))
        return result

    def run_sqlbk(self, *arguments, **options):
        return self.finish(self.start(*arguments, **options))

    def run_as_nobody(self, *arguments, prepare=lambda: None, **options):
        """As a user without any powers, which may read the files of the test."""
        if os.geteuid() != 0:
            self.skipTest("needs root")
        os.chmod(os.path.dirname(self.dir), 0o755)

        def become_nobody():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            prepare()
        if not works("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", SQLBK,
                     "--version"):
            self.skipTest("the build is not readable for other users")
        return self.run_sqlbk(*arguments, preexec_fn=become_nobody, **options)

    def run_without_threads(self, *arguments, **options):
        """As a user that may have no more processes and threads."""
        env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
        return self.run_as_nobody(*arguments, env=env, **options,
                                  prepare=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (0, 0)))

    def copy(self, *arguments, **options):
        """A copy that must succeed."""
        result = self.run_sqlbk("copy", *arguments, **options)
        self.assertEqual(result.code, 0, str(result))
        return result

    def copy_json(self, *arguments, **options):
        return self.copy("--json", *arguments, **options).json

    def refused(self, exit_code, errc, mentioned, *arguments, **options):
        """A copy that must fail: with this code, a message that names `mentioned`, a hint, the
        same with --json, and every file as before."""
        before = listing(self.dir)
        result = self.run_sqlbk("copy", *arguments, **options)
        self.assertEqual(result.code, exit_code, str(result))
        self.assertEqual(result.out, b"", str(result))
        self.check_error_text(result, mentioned)
        self.assertEqual(listing(self.dir), before, str(result))
        as_json = self.run_sqlbk("copy", "--json", *arguments, **options)
        self.assertEqual(as_json.code, exit_code, str(as_json))
        self.check_error_text(as_json, mentioned)
        error = as_json.json["error"]
        self.assertEqual(error["code"], errc, str(as_json))
        self.assertEqual(as_json.json["exit_code"], exit_code)
        self.assertEqual(as_json.json["verdict"], "none")
        self.assertNotEqual(error["hint"], "")
        if error["path"]:
            self.assertIn(f"'{error['path']}'", error["message"], "the message names the path")
        self.assertEqual(listing(self.dir), before, str(as_json))
        return as_json

    def check_error_text(self, result, mentioned):
        lines = [line for line in result.err.splitlines() if line]
        self.assertEqual(len(lines), 2, str(result))
        self.assertTrue(lines[0].startswith(MESSAGE_PREFIX), str(result))
        self.assertTrue(lines[1].startswith(HINT_PREFIX) and len(lines[1]) > 15, str(result))
        self.assertIn(os.fsencode(mentioned), lines[0], str(result))

    # -- what a copy must be -----------------------------------------------------------------------

    def check_copy(self, name, rows):
        """The copy is one file without sidecars, sound, with these rows."""
        for suffix in ("-wal", "-shm", "-journal"):
            self.assertFalse(os.path.lexists(self.path(name) + suffix), suffix)
        self.assertEqual(integrity(self.path(name)), "ok")
        self.assertEqual(rows_of(self.path(name)), rows)

    def assert_no_trace(self, name):
        """No destination, no temporary file."""
        for path in os.listdir(self.dir):
            self.assertFalse(path.startswith(name) or path.startswith(".sqlbk"), path)

    # -- sources ---------------------------------------------------------------------------------

    def make_database(self, name="app.db", rows=100, row_bytes=300, page_size=4096, wal=False):
        path = self.path(name)
        with closing(connect(path)) as connection:
            connection.execute(f"PRAGMA page_size={page_size}")
            connection.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
            connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, value BLOB)")
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO t VALUES(?, ?)",
                                   ((i, filler(i, row_bytes)) for i in range(rows)))
            connection.execute("COMMIT")
        return name

    def make_big_database(self, name="big.db", size_mb=24):
        """Large enough for several calls of any mover (8 MiB is the largest step)."""
        return self.make_database(name, rows=size_mb, row_bytes=1 << 20)

    def owner(self, name="app.db"):
        owner = Owner(self.path(name))
        self.addCleanup(owner.close)
        return owner

    def mount(self, name, *what):
        """Mounts something at a new directory of this name: `mount WHAT... DIRECTORY`."""
        path = self.path(name)
        if not os.path.lexists(path):
            os.mkdir(path)
        if os.geteuid() != 0 or not works("mount", *what, path):
            self.skipTest(f"mount {' '.join(what)} does not work here")
        self.addCleanup(works, "umount", "-l", path)
        return path

    def mount_image(self, name, kind, size_mb, *mount_options, options=()):
        """A file system of this kind in a file of this size, which may be sparse."""
        image = os.path.join(self.private, f"{name}.img")
        with open(image, "wb") as file:
            file.truncate(size_mb << 20)
        if not works("mkfs." + kind, *options, image):
            self.skipTest(f"there is no mkfs.{kind}")
        return self.mount(name, "-o", ",".join(("loop", *mount_options)), image)

    def gate(self, call, number=1, slow_ms=0):
        if "SQLBK_GATE" not in os.environ:
            self.skipTest("the gate library was not built")
        directory = tempfile.mkdtemp(dir=self.private)
        return Gate(self, directory, call, number, slow_ms)


def failing(call, number, errno_value, env=None):
    """The environment in which sqlbk's n-th call of a function fails (gate.cpp)."""
    return {**(env or {}), "LD_PRELOAD": os.environ["SQLBK_GATE"],
            "SQLBK_GATE_FAIL": f"{call}:{number}:{errno_value}",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


class Gate:
    """Holds sqlbk at its n-th call of a function (gate.cpp) until open()."""

    def __init__(self, test, directory, call, number, slow_ms):
        self._test, self._directory = test, directory
        self._environment = {
            "LD_PRELOAD": os.environ["SQLBK_GATE"],
            "SQLBK_GATE_DIRECTORY": directory,
            "SQLBK_GATE_AT": f"{call}:{number}",
            "SQLBK_GATE_SLOW_MS": str(slow_ms),
            # The runtime of GCC's AddressSanitizer wants to be the first library.
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        }
        self.process = None

    def hold(self, *arguments, **options):
        """Starts `sqlbk ARGUMENTS` and returns when it stands at the gate."""
        env = {**(options.pop("env", None) or {}), **self._environment}
        self.process = self._test.start(*arguments, env=env, **options)
        give_up = time.monotonic() + PATIENCE_S
        while not os.path.exists(os.path.join(self._directory, "reached")):
            if self.process.poll() is not None:
                self._test.fail(f"never at the gate: {self._test.finish(self.process)}")
            if time.monotonic() > give_up:
                self._test.fail(f"{self.process.args} does not come to the gate")
            time.sleep(0.002)
        return self.process

    def open(self):
        with open(os.path.join(self._directory, "open"), "wb"):
            pass
        return self._test.finish(self.process)

    def kill(self, signal_number):
        self.process.send_signal(signal_number)


class Owner:
    """Another process that has the database open and does what it is told."""

    _PROGRAM = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
for line in sys.stdin:
    try:
        answer = connection.execute(json.loads(line)).fetchall()
    except sqlite3.Error as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""

    def __init__(self, path):
        self.process = subprocess.Popen([sys.executable, "-c", self._PROGRAM, path],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, sql):
        self.process.stdin.write(json.dumps(sql).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self):
        answer = json.loads(self.process.stdout.readline())
        if isinstance(answer, str):
            raise sqlite3.Error(answer)
        return answer

    def run(self, *statements):
        answer = None
        for sql in statements:
            self.send(sql)
            answer = self.answer()
        return answer

    def close(self):
        if self.process.stdin.closed:
            return
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE_S)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def environment(extra=None):
    result = dict(os.environ)
    for name in ("SQLBK_LOG", "LD_PRELOAD"):
        result.pop(name, None)
    result.update(extra or {})
    return result


def connect(path):
    return sqlite3.connect(path, isolation_level=None)


closing = contextlib.closing


def immutable(path):
    """Read without a trace: no lock, no sidecar."""
    name = "".join(f"%{byte:02x}" for byte in os.fsencode(os.path.abspath(path)))
    return sqlite3.connect(f"file:{name}?immutable=1", uri=True)


def rows_of(path):
    with closing(immutable(path)) as connection:
        return connection.execute("SELECT id, value FROM t ORDER BY id").fetchall()


def integrity(path):
    with closing(immutable(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def filler(number, size):
    return bytes([number % 251]) * size


def rows(count, row_bytes=300):
    return [(i, filler(i, row_bytes)) for i in range(count)]


def header_says_wal(path):
    with open(path, "rb") as file:
        header = file.read(20)
    return header[18] == 2 and header[19] == 2


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def listing(directory):
    """Every file below, with what could have changed about it."""
    found = {}
    for parent, directories, files in os.walk(os.fsencode(directory)):
        for name in directories + files:
            path = os.path.join(parent, name)
            info = os.lstat(path)
            content = ""
            if stat.S_ISREG(info.st_mode) and os.access(path, os.R_OK):
                content = digest(path)
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            mtime = 0 if stat.S_ISDIR(info.st_mode) else info.st_mtime_ns
            found[path] = (stat.filemode(info.st_mode), info.st_uid, mtime, content)
    return found


def add_super_journal(path):
    """Lets the hot journal of this database name a super-journal that is there (writeSuperJournal()
    in pager.c)."""
    name = os.fsencode(path + "-mj0123")
    with open(name, "wb") as file:
        file.write(os.fsencode(path + "-journal") + b"\0")
    lock_byte_page = (0x40000000 // 4096) + 1
    checksum = sum(byte - 256 if byte > 127 else byte for byte in name) & 0xffffffff
    with open(path + "-journal", "r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(lock_byte_page.to_bytes(4, "big") + name + len(name).to_bytes(4, "big") +
                   checksum.to_bytes(4, "big") + bytes.fromhex("d9d505f920a163d7"))


def wait_for_pending_lock(path):
    """Until somebody waits with a PENDING lock for readers to go (unixLock() in os_unix.c)."""
    pending = 0x40000000
    inode = os.stat(path).st_ino
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        with open("/proc/locks", encoding="ascii") as file:
            for line in file:
                fields = line.split()  # "1: POSIX ADVISORY WRITE 4711 fe:00:123456 0 EOF"
                if fields[1] == "->" or not fields[5].endswith(f":{inode}"):
                    continue
                if fields[3] == "WRITE" and int(fields[6]) == pending:
                    return
        time.sleep(0.001)
    raise AssertionError(f"nobody waits for a lock on {path}")


def reap(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def remove_tree(path):
    for parent, directories, _ in os.walk(path):
        for name in directories:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(parent, name), 0o700)
    shutil.rmtree(path, ignore_errors=True)


def works(*command):
    """Whether such a command can be run here at all."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def without_root_powers():
    """What to put before a command so that permission bits count for it, or None. root without
    these capabilities is refused like everybody else; and it can still run a tool that lies
    where other users may not go."""
    if os.geteuid() != 0:
        return ()
    wrapper = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")
    return wrapper if works(*wrapper, "true") else None


class TapResult(unittest.TestResult):
    """The Test Anything Protocol, which Meson reads test by test."""

    def __init__(self):
        super().__init__()
        self._number = 0

    @property
    def count(self):
        return self._number

    def _line(self, good, test, remark=""):
        self._number += 1
        name = test.id().removeprefix("__main__.").replace("#", "").replace("\n", " ")
        print(f"{'ok' if good else 'not ok'} {self._number} - {name}{remark}", flush=True)

    def _bad(self, test, error):
        self._line(False, test)
        for line in "".join(traceback.format_exception(*error)).splitlines():
            print(f"# {line}", file=sys.stderr, flush=True)

    def addSuccess(self, test):
        self._line(True, test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line(True, test, f" # SKIP {reason}")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._bad(subtest, err)


def main():
    """Runs the tests of the calling file; names as arguments choose some of them."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # What nohup(1) and a shell's & make children ignore, which sqlbk leaves as it is.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    loader = unittest.TestLoader()
    module = sys.modules["__main__"]
    if len(sys.argv) > 1:
        suite = loader.loadTestsFromNames(sys.argv[1:], module)
    else:
        suite = loader.loadTestsFromModule(module)
    if loader.errors:
        sys.exit("".join(loader.errors))
    result = TapResult()
    suite.run(result)
    # At the end: a run that breaks off has no plan, and failed subtests have lines of their own.
    print(f"1..{result.count}", flush=True)
