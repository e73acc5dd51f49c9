"""The unit in packaging/: systemd takes it, and sqlbk works with what it leaves to a process."""

import os
import re
import shutil
import subprocess

from support import PATIENCE_S, SOURCE_ROOT, SQLBK, CliTest, main, rows, works

UNIT = os.path.join(SOURCE_ROOT, "packaging", "sqlbk-copy@.service")


def settings():
    """The lines of [Service] by name; of a name with several lines the last."""
    with open(UNIT, encoding="utf-8") as file:
        return dict(re.findall(r"(?m)^(\w+)=(.*)$", file.read()))


class Systemd(CliTest):
    def analyze(self, *arguments):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("there is no systemd-analyze")
        return subprocess.run(["systemd-analyze", *arguments], capture_output=True, check=False,
                              text=True, timeout=PATIENCE_S, cwd=self.dir)

    def test_the_unit_is_well_formed(self):
        with open(UNIT, encoding="utf-8") as file:
            text = file.read().replace("/usr/bin/sqlbk", SQLBK)
        with open(self.path("sqlbk-copy@.service"), "w", encoding="utf-8") as file:
            file.write(text)
        result = self.analyze("verify", "./sqlbk-copy@.service")
        # Older versions look at the units of the system as well.
        complaints = [line for line in (result.stdout + result.stderr).splitlines() if "sqlbk" in line]
        self.assertEqual(complaints, [])

    def allowed_calls(self):
        """What SystemCallFilter= lets through, sets within sets as well."""
        text = self.analyze("syscall-filter").stdout
        if not text:
            self.skipTest("this systemd-analyze lists no system calls")
        sets = {}
        for line in text.splitlines():
            if line.startswith("@"):
                current = sets.setdefault(line.strip(), set())
            elif line.startswith("    ") and not line.strip().startswith("#"):
                current.add(line.strip())
        wanted, calls = settings()["SystemCallFilter"].split(), set()
        while wanted:
            name = wanted.pop()
            if name.startswith("@"):
                wanted.extend(sets.pop(name, ()))
            else:
                calls.add(name)
        return calls

    def test_its_filter_lets_every_system_call_through(self):
        trace = os.path.join(self.private, "trace")
        strace = ("strace", "-f", "-qq", "-o", trace)
        if not works(*strace, "true"):
            self.skipTest("strace does not work here")
        allowed = self.allowed_calls()
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, x'01')")
        for arguments in (("copy", "--then", "integrity_check,digest", "--manifest", "m.json", "app.db",
                           "x.db"),
                          ("verify", "x.db"), ("inspect", "app.db"),
                          ("copy", "--force", "--strategy", "snapshot", "--preserve", "app.db", "x.db"),
                          ("copy", "--force", "--strategy", "follow", "app.db", "x.db"),
                          ("copy", "--force", "--strategy", "online", "app.db", "x.db")):
            with self.subTest(arguments):
                result = self.run_sqlbk(*arguments, wrapper=strace)
                self.assertEqual(result.code, 0, str(result))
                with open(trace, encoding="utf-8", errors="replace") as file:
                    made = set(re.findall(r"(?m)^\d+ +(\w+)\(", file.read()))
                self.assertEqual(made - allowed, set())

    def sandbox(self, *writable):
        """A mount namespace in which all but these directories are read-only, with the unit's
        capabilities."""
        lines = ["mount --make-rprivate /"]
        lines += [f"mount --bind '{path}' '{path}'" for path in ("/dev/shm", *writable)
                  if os.path.isdir(path)]
        lines += ["mount -o remount,bind,ro /dev/shm", "mount -o remount,bind,ro /"]
        lines += [f"mount -o remount,bind,rw '{path}'" for path in writable]
        capabilities = ",".join(f"+{name.removeprefix('CAP_').lower()}"
                                for name in settings()["CapabilityBoundingSet"].split())
        lines.append(f"exec setpriv --bounding-set=-all,{capabilities} --no-new-privs -- \"$@\"")
        return ("unshare", "--mount", "sh", "-ec", "\n".join(lines), "sh")

    def test_a_copy_with_its_capabilities_on_a_read_only_system(self):
        os.mkdir(self.path("to"))
        os.mkdir(self.path("app"))
        self.make_database("app/app.db", wal=True)
        for name in ("app", "app/app.db"):
            os.chown(self.path(name), 4711, 4711)
            os.chmod(self.path(name), 0o700)
        owner = self.owner("app/app.db")
        owner.run("PRAGMA wal_autocheckpoint=0", "UPDATE t SET value = x'01' WHERE id = 0")
        for writable in ((self.path("to"),), (self.path("to"), self.path("app"))):
            with self.subTest(writable=len(writable)):
                wrapper = self.sandbox(*writable)
                if os.geteuid() != 0 or not works(*wrapper, "true"):
                    self.skipTest("needs root, and namespaces of its own")
                report = self.copy_json("--force", "--timeout", "30m", "--then", "integrity_check",
                                        "app/app.db", "to/x.db", wrapper=wrapper)
                self.assertIn(report["verdict"], ("snapshot", "proven"), str(report))
                self.check_copy("to/x.db", [(0, b"\x01")] + rows(100)[1:])


if __name__ == "__main__":
    main()
