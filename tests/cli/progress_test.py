"""The progress bar: only on a terminal, with bytes, rate and what is left; gone at the end."""

import fcntl
import os
import pty
import re
import select
import struct
import termios

from support import PATIENCE_S, CliTest, main


class Progress(CliTest):
    def run_on_terminal(self, shows, *options, columns=80):
        """What the terminal got of a run that was held in the middle, long enough for a bar."""
        gate = self.gate("copy_file_range", 2)
        controller, terminal = pty.openpty()
        self.addCleanup(os.close, controller)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        gate.hold("copy", "--force", "--strategy", "range", *options, "big.db", "x.db",
                  stderr=terminal)
        os.close(terminal)
        # Until there is a second line with a rate, so that the first one is whole.
        held = self.read_until(controller, rb"ETA [^\r]*\r") if shows else b""
        result = gate.open()
        self.assertEqual(result.code, 0, str(result))
        return held + self.read_until(controller, rb"(?!)")

    def read_until(self, controller, pattern):
        text = b""
        while not re.search(pattern, text):
            if not select.select([controller], [], [], PATIENCE_S)[0]:
                self.fail(f"only {text!r}")
            try:
                data = os.read(controller, 65536)
            except OSError:  # the other side is closed
                return text
            text += data
        return text

    def setUp(self):
        super().setUp()
        self.make_big_database()

    def test_bar_on_a_terminal(self):
        text = self.run_on_terminal(True).decode().replace("\r\n", "\n")
        # A part of 24 MiB is copied, and time passes, so that there is a rate.
        self.assertRegex(text, r"\rcopy +\[=* +\] \d+ %  \d\.\d MiB of 24\.\d MiB +"
                               r"[\d.]+ \w+/s  ETA [\d.:]+ \w+ *\r")
        # The line is wiped before something else is written to it. The last one may be short: "done".
        self.assertRegex(text, r"\r {10,}\r[^\r ][^\r]*\nBacked up big.db to x.db\n$")

    def test_bar_fits_the_terminal(self):
        for columns in (120, 80, 60, 40, 20):
            with self.subTest(columns):
                text = self.run_on_terminal(columns >= 60, columns=columns).decode()
                for line in text.replace("\r\n", "\n").split("\r")[:-1]:
                    self.assertLess(len(line), columns, line)

    def test_no_bar(self):
        for options in (("--progress", "never"), ("--quiet",), ("--json",)):
            with self.subTest(options):
                text = self.run_on_terminal(False, *options)
                self.assertNotIn(b"[", text)
                self.assertNotIn(b" %", text)

    def test_always(self):
        self.assertIn(b" %", self.run_on_terminal(True, "--progress", "always", "--quiet"))


if __name__ == "__main__":
    main()
