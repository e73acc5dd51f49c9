"""What is beside copy: help at every level, --version, list, demo."""

import contextlib
import os
import re
import select
import signal
import tempfile

from support import PATIENCE_S, SOURCE_ROOT, CliTest, main


class Commands(CliTest):
    def test_help_of_the_tool(self):
        texts = [self.run_sqlbk(*arguments) for arguments in ((), ("--help",), ("-h",), ("help",))]
        for result in texts:
            self.assertEqual((result.code, result.err), (0, b""))
            self.assertEqual(result.out, texts[0].out)
        for word in (b"copy", b"inspect", b"bench", b"list", b"demo", b"--version", b"exit codes:", b"130"):
            self.assertIn(word, texts[0].out)

    def test_help_of_every_command(self):
        text = self.run_sqlbk().out.decode().split("\n  sqlbk ")[0]
        commands = re.findall(r"^  (\w+) {2,}\w", text, re.MULTILINE)
        self.assertIn("copy", commands)
        for command in commands:
            with self.subTest(command):
                for flag in ("--help", "-h"):
                    result = self.run_sqlbk(command, flag)
                    self.assertEqual((result.code, result.err), (0, b""))
                    self.assertIn(f"usage: sqlbk {command}".encode(), result.out)

    def test_help_fits_a_terminal(self):
        for arguments in ((), ("copy", "--help"), ("inspect", "--help"), ("bench", "--help"),
                          ("list", "--help"), ("demo", "--help")):
            for line in self.run_sqlbk(*arguments).out.decode().splitlines():
                self.assertLessEqual(len(line), 100, line)

    def test_version(self):
        result = self.run_sqlbk("--version")
        self.assertEqual((result.code, result.err), (0, b""))
        with open(os.path.join(SOURCE_ROOT, "VERSION"), encoding="utf-8") as file:
            version = file.read().strip()
        self.assertRegex(result.out.decode(), rf"^sqlbk {re.escape(version)}\nSQLite 3\.\d+\.\d+\n"
                                              r"movers plain range reflink mmap\b")

    def test_unknown_command(self):
        for arguments in (("cpoy",), ("--fast",), ("",)):
            with self.subTest(arguments):
                result = self.run_sqlbk(*arguments)
                self.assertEqual((result.code, result.out), (2, b""))
                self.check_error_text(result, arguments[0])

    def test_hints_of_usage_errors_name_the_command(self):
        for command, *arguments in (
                ("copy", "--fast", "a.db", "b.db"), ("copy", "--copy-retry=0", "a.db", "b.db"),
                ("copy", "--keep-wal", "--wal-checkpoint", "a.db", "b.db"),
                ("verify", "--jobs=0", "a.db"), ("bench", "--repeat=-1"), ("list", "--plugin"),
                ("demo", "a.db")):
            with self.subTest(command=command, arguments=arguments):
                hint = f"see 'sqlbk {command} --help'"
                result = self.run_sqlbk(command, *arguments)
                self.assertEqual(result.code, 2, str(result))
                self.assertIn(f"\nhint: {hint}\n".encode(), result.err)
                if command in ("copy", "verify", "bench"):
                    result = self.run_sqlbk(command, "--json", *arguments)
                    self.assertEqual(result.json["error"]["hint"], hint)

    def test_list(self):
        result = self.run_sqlbk("list")
        self.assertEqual((result.code, result.err), (0, b""))
        listed = self.run_sqlbk("list", "--json").json
        names = [part["name"] for part in listed["strategies"]]
        for wanted in ("auto", "snapshot", "snapshot+range", "online", "plain", "reflink"):
            self.assertIn(wanted, names)
        self.assertEqual({"checkpoint", "journal_mode", "quick_check", "integrity_check"} -
                         {part["name"] for part in listed["steps"]}, set())
        text = result.out.decode()
        for part in listed["strategies"] + listed["steps"]:
            self.assertRegex(text, rf"(?m)^  {re.escape(part['name'])} ")
            self.assertIn(part["summary"], text)

    def test_list_refuses_what_it_does_not_know(self):
        for argument in ("--all", "auto"):
            result = self.run_sqlbk("list", argument)
            self.assertEqual((result.code, result.out), (2, b""))
            self.check_error_text(result, argument)

    def run_demo(self, **options):
        directory = tempfile.mkdtemp(dir=self.private)
        return directory, self.start("demo", env={"TMPDIR": directory}, **options)

    def test_demo(self):
        directory, process = self.run_demo()
        result = self.finish(process)
        self.assertEqual((result.code, result.err), (0, b""), str(result))
        text = result.out.decode()
        self.assertEqual(text.count("$ sqlbk copy --then integrity_check app.db"), 3)
        self.assertEqual(text.count("verdict snapshot"), 3)
        self.assertIn("all copies are good", text.splitlines()[-1])
        commits = int(re.search(r"the writer made (\d+) commits", text)[1])
        self.assertGreater(commits, 0)
        self.assertEqual(os.listdir(directory), [])

    def test_demo_stops_its_writer_when_it_is_killed(self):
        _, process = self.run_demo()
        writer = None
        while writer is None and process.poll() is None:
            writer = child_named("live-writer", process.pid)
        self.assertIsNotNone(writer, "the demo started no writer")
        handle = os.pidfd_open(writer)
        self.addCleanup(os.close, handle)
        process.send_signal(signal.SIGKILL)
        self.finish(process)
        self.assertTrue(select.select([handle], [], [], PATIENCE_S)[0], "the writer goes on")

    def test_demo_takes_no_arguments(self):
        result = self.run_sqlbk("demo", "app.db")
        self.assertEqual(result.code, 2)
        self.check_error_text(result, "demo")

    def test_demo_without_its_writer(self):
        result = self.run_sqlbk("demo", env={"SQLBK_LIVE_WRITER": self.path("none")})
        self.assertEqual(result.code, 1, str(result))
        self.assertIn(b"none", result.err)
        self.assertIn(b"hint: ", result.err)


def child_named(name, parent):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                stat = file.read()
            comm, rest = stat.split("(", 1)[1].rsplit(")", 1)
            if comm == name and int(rest.split()[1]) == parent:
                return int(pid)
    return None


if __name__ == "__main__":
    main()
