"""`sqlbk copy --json`: the object that docs/cli.md describes, field by field, in every case."""

import errno
import os
import shutil

from schema import documented_fields, problems
from support import CliTest, main, without_root_powers


class Json(CliTest):
    def check(self, result):
        self.assertEqual(result.out.count(b"\n"), 1, str(result))
        self.assertEqual(problems(result.json, documented_fields("copy")), [], str(result))
        self.assertEqual(result.json["exit_code"], result.code)
        self.assertEqual(result.json["error"] is None, result.code == 0)
        return result.json

    def run_json(self, *arguments, **options):
        return self.check(self.run_sqlbk("copy", "--json", *arguments, **options))

    def test_the_validator_finds_what_is_wrong(self):
        fields = documented_fields("copy")
        self.assertGreater(len(fields), 30)
        self.make_database()
        good = self.copy_json("--then", "quick_check", "app.db", "x.db")
        self.assertEqual(problems(good, fields), [])
        for change, problem in (
                ({"news": 1}, "news is not documented"),
                ({"attempts": "1"}, "attempts is no integer: '1'"),
                ({"dry_run": 0}, "dry_run is no boolean: 0"),
                ({"times_ms": {**good["times_ms"], "tea": 1.0}}, "times_ms.tea is not documented"),
                ({"steps": [{**good["steps"][0], "verdict": None}]},
                 "steps[].verdict is no string: None"),
                ({"error": {}}, "error.code is missing"),
                ({"proof": {"rounds": 1}}, "proof.rounds is no string")):
            with self.subTest(problem):
                self.assertIn(problem, problems({**good, **change}, fields))
        without = dict(good)
        del without["verdict"]
        self.assertEqual(problems(without, fields), ["verdict is missing"])

    def test_success(self):
        self.make_database()
        report = self.run_json("--then", "quick_check,journal_mode=wal", "app.db", "x.db")
        self.assertEqual((report["verdict"], report["page_size_bytes"]), ("at-rest", 4096))
        self.assertEqual(report["moved_bytes"], report["size_bytes"])

    def test_success_of_a_live_wal_source(self):
        self.make_database(wal=True)
        self.owner().run("PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES(1000, x'01')")
        for options in ((), ("--keep-wal",), ("--strategy", "online")):
            with self.subTest(options):
                report = self.run_json(*options, "app.db", f"x{len(options)}{options[-1:]}.db")
                self.assertEqual(report["verdict"], "snapshot")
                self.assertEqual(report["wal_size_bytes"] > 0, options == ("--keep-wal",))

    def test_empty_database(self):
        with open(self.path("empty.db"), "wb"):
            pass
        report = self.run_json("empty.db", "x.db")
        self.assertEqual((report["size_bytes"], report["page_size_bytes"]), (0, 0))

    def test_dry_run(self):
        self.make_database()
        self.assertEqual(self.run_json("--dry-run", "app.db", "x.db")["verdict"], "none")

    def test_unproven(self):
        for suffix in ("", "-wal"):
            shutil.copy(os.path.join(os.environ["SQLBK_TEST_DATA"], "zerosalt.db" + suffix),
                        self.path("app.db" + suffix))
        report = self.run_json("--no-copy-retry-strict", "--copy-retry", "1", "app.db", "x.db")
        self.assertEqual(report["verdict"], "unproven")

    def test_failures(self):
        self.make_database()
        self.make_database("damaged.db", rows=400)
        with open(self.path("damaged.db"), "r+b") as file:
            file.seek(4096 * 5)
            file.write(b"\xff" * 4096)
        with open(self.path("noise.db"), "wb") as file:
            file.write(b"noise" * 100)
        for errc, arguments in (
                ("usage", ()),
                ("usage", ("--fast", "app.db", "x.db")),
                ("usage", ("--strategy", "fast", "app.db", "x.db")),
                ("usage", ("--timeout", "soon", "app.db", "x.db")),
                ("source_missing", ("none.db", "x.db")),
                ("destination_unusable", ("app.db", "none/x.db")),
                ("destination_exists", ("app.db", "app.db")),
                ("destination_exists", ("--dry-run", "app.db", "app.db")),
                ("not_a_database", ("noise.db", "x.db")),
                ("damaged", ("--then", "integrity_check", "damaged.db", "x.db"))):
            with self.subTest(arguments):
                report = self.run_json(*arguments)
                self.assertEqual(report["error"]["code"], errc)
                self.assertEqual(report["verdict"], "none")
                self.assertEqual(report["dry_run"], "--dry-run" in arguments)
                self.assertNotIn("\n", report["error"]["message"])

    def test_error_carries_what_the_system_said(self):
        self.make_database()
        error = self.run_json("none.db", "x.db")["error"]
        self.assertEqual((error["path"], error["errno"]), ("none.db", errno.ENOENT))

    def test_an_error_about_another_file_keeps_it_and_names_the_copy(self):
        wrapper = without_root_powers()
        if wrapper is None:
            self.skipTest("permissions do not count for this user")
        self.make_database(wal=True)
        self.owner().run("INSERT INTO t VALUES(1000, x'01')")
        wal = self.path("app.db-wal")
        os.chmod(wal, 0)
        os.mkdir(self.path("out"))
        error = self.run_json("app.db", "out", wrapper=wrapper)["error"]
        self.assertEqual((error["code"], error["path"], error["errno"]),
                         ("permission_denied", wal, errno.EACCES))
        self.assertEqual((error["source"], error["destination"]), ("app.db", "out/app.db"))
        self.assertEqual(error["message"], "unable to copy 'app.db' to 'out/app.db': "
                                           f"unable to open '{wal}': Permission denied")

    def test_an_error_about_the_source_does_not_name_it_twice(self):
        for arguments in (("none.db", "x.db"), ("--dry-run", "none.db", "x.db")):
            error = self.run_json(*arguments)["error"]
            self.assertEqual((error["source"], error["destination"]), ("none.db", "x.db"))
            self.assertEqual(error["message"], "there is no source 'none.db'")

    def test_the_deadline_names_the_copy(self):
        self.make_database()
        error = self.run_json("--timeout", "0s", "app.db", "x.db")["error"]
        self.assertEqual((error["code"], error["path"], error["source"], error["destination"]),
                         ("deadline_exceeded", "app.db", "app.db", "x.db"))
        self.assertTrue(error["message"].startswith("unable to copy 'app.db' to 'x.db': "), error)

    def test_json_behind_the_double_dash_is_a_name(self):
        result = self.run_sqlbk("copy", "--", "--json", "x.db")
        self.assertEqual((result.code, result.out), (1, b""))
        self.assertIn(b"'--json'", result.err)


if __name__ == "__main__":
    main()
