"""`sqlbk bench`: its options and refusals, its JSON, and that other tools are counted as what they
do: one that tears copies, one that hangs, one that fails. No test looks at a time."""

import os
import re
import signal
import time

from schema import documented_fields, problems
from support import PATIENCE_S, CliTest, closing, connect, listing, main



def small(**changes):
    """One load, one small size, little time; or with other values of these options."""
    options = {"size": "1M", "wal": "1M", "repeat": "1", "live_size": "1M", "live_seconds": "200ms",
               "journal_mode": "wal", "locking": "normal", **changes}
    return [word for name, value in options.items()
            for word in ("--" + name.replace("_", "-"), value)]


COUNTS = ("good", "torn", "stale", "unreadable", "refused", "timed_out")

TEARS = """#!/bin/sh
# cp -- FROM TO: half of it, and reports success.
[ "$1" = -- ] || exec /bin/cp "$@"
size=$(stat -c %s "$2")
/usr/bin/head -c $((size / 2)) "$2" > "$3"
"""
HANGS = """#!/bin/sh
[ "$1" = -- ] || exec /bin/cp "$@"
sleep 1000
"""
FAILS = """#!/bin/sh
[ "$1" = -- ] || exec /bin/cp "$@"
echo "cp: today it is closed" >&2
exit 1
"""
# In place of run-measured: halves what the measured program has copied to its last argument.
HALVES_COPIES = """#!/bin/sh
exec '{real}' sh -c '
  "$@" || exit
  for last; do :; done
  truncate -s $(($(stat -c %s "$last") / 2)) "$last"
' sh "$@"
"""
STALE = """#!/bin/sh
# cp of main alone, whatever lies beside it.
[ "$1" = -- ] || exec /bin/cp "$@"
case "$2" in *-wal) exit 0 ;; *) exec /bin/cp "$@" ;; esac
"""


class Bench(CliTest):
    def setUp(self):
        super().setUp()
        self.work = os.path.join(self.private, "work")
        os.mkdir(self.work)

    def bench(self, *arguments, **options):
        result = self.run_sqlbk("bench", "--directory", self.work, *arguments, **options)
        self.assertEqual(os.listdir(self.work), [], "something was left behind")
        return result

    def bench_json(self, *arguments, exit_code=0, **options):
        result = self.bench("--json", *arguments, **options)
        self.assertEqual(result.code, exit_code, str(result))
        self.assertEqual(result.out.count(b"\n"), 1, str(result))
        self.assertEqual(problems(result.json, documented_fields("bench")), [], str(result))
        self.assertEqual(result.json["exit_code"], result.code)
        self.assertEqual(result.json["error"] is None, result.code == 0)
        return result.json

    def with_fake_cp(self, script):
        directory = os.path.join(self.private, "bin")
        os.mkdir(directory)
        path = os.path.join(directory, "cp")
        with open(path, "w", encoding="ascii") as file:
            file.write(script)
        os.chmod(path, 0o755)
        return {"PATH": directory + ":" + os.environ["PATH"]}

    def peer_counts(self, script, *arguments):
        """What a cp like this is counted as: at rest, and live."""
        results = self.bench_json(*small(), "--strategies", "none", "--peers", "cp", *arguments,
                                  env=self.with_fake_cp(script))
        self.assertEqual([tool["name"] for tool in results["tools"]], ["cp"])
        at_rest = results["sizes"][0]["timings"][0]
        live = results["loads"][0]["timings"][0]
        return at_rest, live

    def only(self, live, *kinds):
        """Something was counted, and only as one of these."""
        self.assertGreater(sum(live[kind] for kind in kinds), 0, live)
        self.assertEqual(sum(live[kind] for kind in COUNTS if kind not in kinds), 0, live)

    # -- results ---------------------------------------------------------------------------------

    def test_json(self):
        results = self.bench_json(*small(locking="normal,exclusive"), "--strategies",
                                  "auto,online", "--peers", "cp", "--seed", "7")
        self.assertEqual([(tool["name"], tool["kind"], tool["promises"])
                          for tool in results["tools"]],
                         [("auto", "strategy", True), ("online", "strategy", True),
                          ("cp", "peer", False)])
        self.assertGreater(results["machine"]["cores"], 0)
        self.assertRegex(results["repeat_with"], r"^sqlbk bench .*--seed 7\b")
        size, = results["sizes"]
        self.assertGreaterEqual(size["main_bytes"], 1 << 20)
        self.assertGreaterEqual(size["wal_bytes"], 1 << 20)
        self.assertEqual([timing["tool"] for timing in size["timings"]], ["auto", "online", "cp"])
        for timing in size["timings"]:
            self.assertEqual((timing["runs"], timing["failed"]), (1, 0), timing)
            self.assertGreater(timing["peak_memory_bytes"], 0)
            wall = timing["wall_seconds"]
            self.assertTrue(0 < wall["lowest"] <= wall["median"] <= wall["highest"], wall)
        self.assertEqual([load["name"] for load in results["loads"]],
                         ["wal, 1 writer without a pause", "wal, exclusive, 1 writer pausing 2 ms"])
        for load in results["loads"]:
            self.assertEqual(len(load["timings"]), 3)
            self.assertGreater(load["alone"]["commits_per_second"], 0)
            for timing in load["timings"]:
                self.assertGreater(sum(timing[kind] for kind in COUNTS), 0, timing)

    def test_table(self):
        result = self.bench(*small(), "--strategies", "auto", "--peers", "none")
        self.assertEqual((result.code, result.err), (0, b""), str(result))
        text = result.out.decode()
        self.assertIn("--strategies auto --peers none", text.splitlines()[0])
        self.assertRegex(text, r"(?m)^At rest: 1\.0 MiB, WAL 1\.\d MiB")
        self.assertRegex(text, r"(?m)^Live: wal, 1 writer without a pause")
        self.assertEqual(len(re.findall(r"(?m)^  auto ", text)), 2, text)

    def test_parts_can_be_left_out(self):
        tools = ("--strategies", "auto", "--peers", "none")
        results = self.bench_json(*small(repeat="0"), *tools)
        self.assertEqual((results["sizes"], len(results["loads"])), ([], 1))
        results = self.bench_json(*small(live_seconds="0"), *tools)
        self.assertEqual((len(results["sizes"]), results["loads"]), (1, []))

    def test_selection(self):
        little = ("--size", "1M", "--wal", "1M", "--repeat", "1", "--live-seconds", "0")
        listed = [part["name"] for part in self.run_sqlbk("list", "--json").json["strategies"]]
        names = lambda *options: [tool["name"] for tool in
                                  self.bench_json(*little, *options)["tools"]]
        self.assertEqual(names("--strategies", "all", "--peers", "none"), listed)
        self.assertEqual(names("--peers", "none"), [name for name in listed if "+" not in name])
        self.assertEqual(names("--strategies", "none", "--peers", "vacuum,cp"),
                         ["cp", "sqlite3 VACUUM INTO"])
        self.assertEqual(len(names("--strategies", "none")), 6)

    def test_a_tool_that_is_not_there_says_so(self):
        results = self.bench_json(*small(), "--strategies", "none", env={"PATH": self.private})
        self.assertEqual(len(results["tools"]), 6)
        for tool in results["tools"]:
            self.assertIn("PATH", tool["unavailable"], tool)
        self.assertEqual(results["sizes"][0]["timings"], [])

    # -- what other tools do -----------------------------------------------------------------------

    def test_a_peer_that_tears(self):
        at_rest, live = self.peer_counts(TEARS)
        self.assertEqual((at_rest["runs"], at_rest["failed"], at_rest["bad"]), (0, 1, 1))
        self.assertIn("reported success", at_rest["first_failure"])
        self.only(live, "torn", "unreadable")
        self.assertNotEqual(live["first_bad"], "")

    def test_a_peer_that_lags_behind(self):
        at_rest, live = self.peer_counts(STALE, "--pause", "20ms")
        self.assertEqual((at_rest["runs"], at_rest["failed"]), (0, 1))
        self.assertIn("transactions", at_rest["first_failure"])
        self.only(live, "stale")

    def test_a_peer_that_hangs(self):
        at_rest, live = self.peer_counts(HANGS, "--deadline", "300ms")
        self.assertEqual((at_rest["runs"], at_rest["failed"], at_rest["bad"]), (0, 1, 0))
        self.assertIn("deadline", at_rest["first_failure"])
        self.only(live, "timed_out")

    def test_a_peer_that_fails(self):
        at_rest, live = self.peer_counts(FAILS)
        self.assertEqual((at_rest["runs"], at_rest["first_failure"]),
                         (0, "cp: today it is closed"))
        self.only(live, "refused")
        self.assertEqual(live["first_refusal"], "cp: today it is closed")

    def test_a_bad_copy_by_sqlbk_is_a_failure(self):
        programs = os.path.join(self.private, "programs")
        os.mkdir(programs)
        real = os.environ["SQLBK_LIVE_WRITER"]
        os.symlink(real, os.path.join(programs, "live-writer"))
        path = os.path.join(programs, "run-measured")
        with open(path, "w", encoding="utf-8") as file:
            file.write(HALVES_COPIES.format(
                real=os.path.join(os.path.dirname(real), "run-measured")))
        os.chmod(path, 0o755)
        env = {"SQLBK_LIVE_WRITER": os.path.join(programs, "live-writer")}
        tools = ("--strategies", "auto", "--peers", "none")
        results = self.bench_json(*small(), *tools, exit_code=3, env=env)
        self.assertEqual(results["error"]["code"], "damaged")
        self.assertIn("auto", results["error"]["message"])
        self.assertEqual(results["sizes"][0]["timings"][0]["bad"], 1)
        self.only(results["loads"][0]["timings"][0], "torn", "unreadable")
        result = self.bench(*small(), *tools, env=env)
        self.assertEqual(result.code, 3, str(result))
        self.assertIn(b"Live: wal", result.out)
        self.check_error_text(result, "auto")

    # -- a database of the user's ------------------------------------------------------------------

    def test_a_database_of_the_users_is_left_alone(self):
        for wal in (False, True):
            with self.subTest(wal=wal):
                name = self.make_database(f"app-{wal}.db", rows=3000, wal=wal)
                owner = self.owner(name)
                owner.run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(100000, x'01')")
                before = listing(self.dir)
                results = self.bench_json("--repeat", "1", "--live-seconds", "100ms", "--locking",
                                          "normal", "--strategies", "auto,range", "--peers", "cp",
                                          name)
                self.assertEqual(listing(self.dir), before)
                size, = results["sizes"]
                self.assertEqual(size["main_bytes"], os.path.getsize(self.path(name)))
                self.assertEqual(size["wal_bytes"] > 0, wal)
                self.assertEqual([timing["runs"] for timing in size["timings"]], [1, 1, 1])
                self.assertEqual(len(results["loads"]), 2)
                self.assertEqual(results["notes"], [])

    def test_a_database_with_tables_of_these_names_has_no_live_part(self):
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("CREATE TABLE account(x)")
        results = self.bench_json("--repeat", "1", "--strategies", "auto", "--peers", "none",
                                  "app.db")
        self.assertEqual((len(results["sizes"]), results["loads"]), (1, []))
        self.assertIn("'account'", results["notes"][0])

    # -- the end ---------------------------------------------------------------------------------

    def test_an_interrupt_leaves_nothing(self):
        process = self.start("bench", "--directory", self.work, "--strategies", "auto", "--peers",
                             "none", *small(live_seconds="600"))
        give_up = time.monotonic() + PATIENCE_S
        while not os.listdir(self.work):
            self.assertLess(time.monotonic(), give_up)
            self.assertIsNone(process.poll())
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        result = self.finish(process)
        self.assertEqual((result.code, result.out), (130, b""), str(result))
        self.check_error_text(result, "interrupted")
        self.assertEqual(os.listdir(self.work), [])

    # -- refusals ----------------------------------------------------------------------------------

    def refused_bench(self, exit_code, errc, mentioned, *arguments, **options):
        result = self.bench(*arguments, **options)
        self.assertEqual((result.code, result.out), (exit_code, b""), str(result))
        self.check_error_text(result, mentioned)
        error = self.bench_json(*arguments, exit_code=exit_code, **options)["error"]
        self.assertEqual(error["code"], errc)

    def test_refusals(self):
        self.make_database()
        for mentioned, arguments in (
                ("--fast", ("--fast",)),
                ("2 were given", ("app.db", "b.db")),
                ("'big'", ("--size", "big")),
                ("'1.5M'", ("--size", "1.5M")),
                ("'100K'", ("--size", "100K")),
                ("--size", ("--size", "1M,")),
                ("'1000'", ("--page-size", "1000")),
                ("'soon'", ("--live-seconds", "soon")),
                ("'3 weeks'", ("--pause", "3 weeks")),
                ("--deadline", ("--deadline", "0")),
                ("'loud'", ("--journal-mode", "wal,loud")),
                ("'shared'", ("--locking", "shared")),
                ("'often'", ("--checkpoint", "often")),
                ("'0'", ("--writers", "0")),
                ("'-1'", ("--repeat=-1",)),
                ("'x'", ("--seed", "x")),
                ("'fast'", ("--strategies", "auto,fast")),
                ("'rsync'", ("--peers", "rsync")),
                ("nothing", ("--strategies", "none", "--peers", "none")),
                ("nothing", ("--repeat", "0", "--live-seconds", "0")),
                ("--size", ("--size", "1M", "app.db"))):
            with self.subTest(arguments):
                self.refused_bench(2, "usage", mentioned, *arguments)

    def test_the_page_has_no_name_of_a_database(self):
        self.make_database(wal=True)
        self.make_database("other.db")
        os.symlink("app.db", self.path("link.db"))
        with open(self.path("app.db.sha256"), "wb") as file:
            file.write(b"somebody's")
        before = listing(self.dir)
        for page, measured in (("app.db", "app.db"), ("./app.db", "app.db"),
                               ("app.db", "link.db"), ("link.db", "app.db"),
                               ("app.db-wal", "app.db"), ("app.db-journal", "link.db"),
                               ("app.db.sha256", "app.db"), ("other.db", "app.db"),
                               ("other.db", None)):
            with self.subTest(page=page, measured=measured):
                self.refused_bench(5, "destination_exists", page, "--html", page, "--repeat", "1",
                                   "--live-seconds", "0", "--strategies", "auto", "--peers", "none",
                                   *((measured,) if measured else ("--size", "1M", "--wal", "1M")))
                self.assertEqual(listing(self.dir), before)

    def test_a_database_that_is_not_there(self):
        self.refused_bench(1, "source_missing", "'none.db'", "none.db")

    def test_no_room(self):
        for arguments in (("--size", "15T"), ("--live-size", "15T")):
            self.refused_bench(1, "no_space", "are free", *arguments)

    def test_no_directory(self):
        result = self.run_sqlbk("bench", "--directory", self.path("none"))
        self.assertEqual((result.code, result.out), (1, b""), str(result))
        self.check_error_text(result, "none")

    def test_without_its_programs(self):
        self.refused_bench(1, "io_error", "run-measured",
                           env={"SQLBK_LIVE_WRITER": self.path("none")})


if __name__ == "__main__":
    main()
