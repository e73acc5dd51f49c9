"""SIGINT, SIGTERM and SIGHUP stop a copy cleanly; SIGKILL leaves what the next run clears away."""

import os
import signal
import sqlite3
import time

from support import PATIENCE_S, CliTest, filler, integrity, listing, main, rows

SIZE_MB = 24
# Held: before the first byte, in the middle, before the sync, before the publishing.
MOMENTS = (("copy_file_range", 1), ("copy_file_range", 2), ("fsync", 1), ("renameat2", 1))


class Signals(CliTest):
    def setUp(self):
        super().setUp()
        self.make_big_database(size_mb=SIZE_MB)
        self.before = listing(self.dir)

    def hold(self, moment, *options):
        gate = self.gate(*moment)
        gate.hold("copy", "--strategy", "range", *options, "big.db", "x.db")
        return gate

    def staging_directories(self):
        return [name for name in os.listdir(self.dir) if name.startswith(".sqlbk")]

    def wait_until_handled(self, process, number):
        """The handler is for one signal; then the kernel lists none any more."""
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
                caught = next(line for line in file if line.startswith("SigCgt:"))
            if not int(caught.split()[1], 16) & 1 << number - 1:
                return
            time.sleep(0.001)
        self.fail(f"{process.args} does not take the signal")

    def test_stop_at_every_moment(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for moment in MOMENTS[:2]:
                with self.subTest(signal=number.name, moment=moment):
                    gate = self.hold(moment)
                    self.assertEqual(len(self.staging_directories()), 1)
                    gate.kill(number)
                    result = gate.open()
                    self.assertEqual(result.code, 130, str(result))
                    self.assertEqual(result.out, b"")
                    self.assertIn(b"sqlbk: interrupted\nhint: ", result.err)
                    self.assertEqual(listing(self.dir), self.before)

    def test_job_control_stops_it_without_its_locks(self):
        """Ctrl-Z while a lock is held: other programs do not wait until it goes on."""
        self.make_database("app.db")
        for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
            for strategy in ("lock+range", "snapshot+range"):
                with self.subTest(signal=number.name, strategy=strategy):
                    owner = self.owner("app.db")
                    owner.run("PRAGMA busy_timeout=0", "SELECT count(*) FROM t")
                    gate = self.gate("copy_file_range")
                    # The shell gives every job a group of its own; one without a shell is not
                    # stopped by the kernel.
                    gate.hold("copy", "--json", "--force", "--strategy", strategy, "app.db", "x.db",
                              preexec_fn=os.setpgrp)
                    with self.assertRaises(sqlite3.Error):
                        owner.run("UPDATE t SET value = x'02' WHERE id = 1")
                    gate.kill(number)
                    self.wait_until_stopped(gate.process)
                    owner.run("UPDATE t SET value = x'03' WHERE id = 1")
                    gate.kill(signal.SIGCONT)
                    result = gate.open()
                    self.assertEqual(result.code, 0, str(result))
                    self.assertEqual(result.json["attempts"], 2, str(result))
                    self.check_copy("x.db", [(0, filler(0, 300)), (1, b"\x03")] + rows(100)[2:])
                    owner.close()

    def test_job_control_that_is_ignored_stays_ignored(self):
        gate = self.gate("copy_file_range")
        gate.hold("copy", "--strategy", "lock+range", "big.db", "x.db",
                  preexec_fn=lambda: signal.signal(signal.SIGTSTP, signal.SIG_IGN))
        with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as file:
            ignored = next(line for line in file if line.startswith("SigIgn:"))
        self.assertTrue(int(ignored.split()[1], 16) & 1 << signal.SIGTSTP - 1)
        self.assertEqual(gate.open().code, 0)

    def wait_until_stopped(self, process):
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
                if file.read().rpartition(")")[2].split()[0] == "T":
                    return
            time.sleep(0.001)
        self.fail(f"{process.args} is not stopped")

    def test_stop_when_the_copy_is_complete(self):
        # Behind the last look at the signal the copy is published: whole or not at all.
        for moment in MOMENTS[2:]:
            with self.subTest(moment=moment):
                gate = self.hold(moment)
                gate.kill(signal.SIGTERM)
                result = gate.open()
                if result.code == 0:
                    self.assertEqual(sorted(os.listdir(self.dir)), ["big.db", "x.db"])
                    self.assertEqual(integrity(self.path("x.db")), "ok")
                    os.unlink(self.path("x.db"))
                self.assertIn(result.code, (0, 130), str(result))
                self.assertEqual(listing(self.dir), self.before)

    def test_stop_says_so_as_json(self):
        gate = self.hold(MOMENTS[1], "--json")
        gate.kill(signal.SIGINT)
        result = gate.open()
        self.assertEqual((result.code, result.json["exit_code"]), (130, 130))
        self.assertEqual(result.json["error"]["code"], "interrupted")
        self.assertEqual(result.json["verdict"], "none")

    def test_stop_while_waiting_for_the_owner(self):
        self.make_database()
        owner = self.owner()
        owner.run("PRAGMA journal_mode=MEMORY", "PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE",
                  "DELETE FROM t")
        process = self.start("copy", "--debug", "--timeout", "none", "--copy-retry", "1000000",
                             "app.db", "x.db")
        self.assertIn(b"auto tries", process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).code, 130)
        self.assert_no_trace("x.db")

    def test_second_signal_ends_the_process_at_once(self):
        gate = self.hold(MOMENTS[1])
        gate.kill(signal.SIGTERM)
        self.wait_until_handled(gate.process, signal.SIGTERM)
        gate.kill(signal.SIGTERM)
        self.assertEqual(self.finish(gate.process).code, -signal.SIGTERM)

    def test_kill_at_every_moment(self):
        for moment in MOMENTS:
            with self.subTest(moment=moment):
                gate = self.hold(moment)
                gate.kill(signal.SIGKILL)
                self.assertEqual(self.finish(gate.process).code, -signal.SIGKILL)
                self.assertFalse(os.path.lexists(self.path("x.db")))
                self.assertEqual(len(self.staging_directories()), 1)
                # The next run clears it away, whatever it copies.
                self.make_database()
                self.copy("app.db", "y.db")
                self.check_copy("y.db", rows(100))
                os.unlink(self.path("app.db"))
                os.unlink(self.path("y.db"))
                self.assertEqual(listing(self.dir), self.before)

    def test_a_run_leaves_the_staging_directory_of_a_living_one_alone(self):
        gate = self.hold(MOMENTS[1])
        mine = self.staging_directories()
        self.make_database()
        self.copy("app.db", "y.db")
        self.assertEqual(self.staging_directories(), mine)
        self.assertEqual(gate.open().code, 0)
        self.assertEqual(integrity(self.path("x.db")), "ok")
        self.assertEqual(self.staging_directories(), [])

    def test_two_runs_to_one_destination(self):
        gate = self.hold(("renameat2", 1))
        self.make_database()
        self.copy("app.db", "x.db")
        result = gate.open()
        self.assertEqual(result.code, 5, str(result))
        self.check_copy("x.db", rows(100))
        self.assertEqual(self.staging_directories(), [])

    def test_kill_while_an_old_destination_is_replaced(self):
        # --force moves old sidecars away before the rename: the next run puts them back.
        self.make_database("x.db", rows=3)
        for suffix in ("-wal", "-journal"):
            with open(self.path("x.db" + suffix), "wb") as file:
                file.write(b"old" + suffix.encode())
        before = listing(self.dir)
        for number in (1, 2, 3):
            with self.subTest(rename=number):
                gate = self.gate("renameat2", number)
                process = gate.hold("copy", "--force", "big.db", "x.db")
                gate.kill(signal.SIGKILL)
                self.finish(process)
                self.run_sqlbk("copy", "big.db", "x.db")  # refused, but it clears up first
                self.assertEqual(listing(self.dir), before)

    def test_standard_output_is_full_or_gone(self):
        with open("/dev/full", "wb") as full:
            result = self.finish(self.start("list", stdout=full))
        self.assertEqual(result.code, 1)
        self.assertIn(b"standard output", result.err)

    def test_standard_output_is_full_behind_a_copy(self):
        with open("/dev/full", "wb") as full:
            result = self.finish(self.start("copy", "--json", "big.db", "x.db", stdout=full))
        self.assertEqual(result.code, 1, str(result))
        self.check_error_text(result, "the copy stands at 'x.db'")
        self.assertEqual(integrity(self.path("x.db")), "ok")


if __name__ == "__main__":
    main()
