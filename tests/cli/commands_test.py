"""What is beside copy: help at every level, --version, list, demo."""

import contextlib
import os
import re
import select
import signal
import tempfile
import time

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
            self.assertIn(part["summary"], text)
            if "+" not in part["name"]:
                self.assertRegex(text, rf"(?m)^  {re.escape(part['name'])} ")
        # A strategy with a mover has no lines of its own: it is named below the one without.
        variants = {}
        for name in names:
            if "+" in name:
                variants.setdefault(name.split("+")[0], []).append(name)
        self.assertIn("lock", variants)
        for base, of_it in variants.items():
            lines = text.split(f"\n  {base} ", 1)[1].splitlines()[:3]
            self.assertTrue(lines[2].strip().endswith(": " + ", ".join(of_it)), lines)
        self.assertEqual(len(re.findall(r"(?m)^  [\w-]+\+", text)), 0)

    def test_list_says_what_a_copy_without_a_lock_can_do(self):
        text = self.run_sqlbk("list").out.decode()
        for name, promise in (("retry-verify", "copies under most live writers"),
                              ("follow", "copies under most live writers"),
                              ("range", "fails when somebody writes meanwhile"),
                              ("lock", "copies under a live writer")):
            with self.subTest(name):
                self.assertIn(promise, text.split(f"\n  {name} ", 1)[1].splitlines()[1])

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

    def hold_demo(self, call, number, **options):
        """Held in one of its copies."""
        directory = tempfile.mkdtemp(dir=self.private)
        gate = self.gate(call, number)
        gate.hold("demo", env={"TMPDIR": directory}, **options)
        return gate, directory

    def check_stopped(self, result, directory):
        self.assertEqual(result.code, 130, str(result))
        self.assertIn(b"sqlbk: interrupted\nhint: ", result.err)
        self.assertEqual(os.listdir(directory), [])

    def test_demo_stops_at_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for moment in (1, 4):
                with self.subTest(signal=number.name, moment=moment):
                    gate, directory = self.hold_demo("copy_file_range", moment)
                    writer = os.pidfd_open(child_named("live-writer", gate.process.pid))
                    self.addCleanup(os.close, writer)
                    gate.kill(number)
                    self.check_stopped(gate.open(), directory)
                    self.assertTrue(select.select([writer], [], [], PATIENCE_S)[0],
                                    "the writer goes on")

    def test_demo_stops_while_it_makes_its_database(self):
        directory, process = self.run_demo()
        # A sanitizer's runtime has had files of its own there before.
        while (not any(name.startswith("sqlbk-kit-") for name in os.listdir(directory))
               and process.poll() is None):
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        self.check_stopped(self.finish(process), directory)

    def test_demo_stops_at_a_signal_that_its_writer_gets_too(self):
        # As Ctrl-C on a terminal.
        gate, directory = self.hold_demo("copy_file_range", 1, start_new_session=True)
        os.killpg(gate.process.pid, signal.SIGINT)
        self.check_stopped(gate.open(), directory)

    def test_demo_without_a_directory_for_temporary_files(self):
        result = self.run_sqlbk("demo", env={"TMPDIR": self.path("none")})
        self.assertEqual((result.code, result.out), (1, b""), str(result))
        self.check_error_text(result, self.path("none"))
        self.assertIn(b"TMPDIR", result.err.splitlines()[1])

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
