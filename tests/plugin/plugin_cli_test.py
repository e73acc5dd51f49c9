"""`--plugin FILE` of `sqlbk copy` and `sqlbk list`, and the plug-in that docs/plugins.md shows."""

import os
import re
import shlex
import shutil
import subprocess
import unittest

from support import SOURCE_ROOT, SQLBK, CliTest, closing, connect, main, rows

HAS_PLUGINS = os.environ["SQLBK_HAS_PLUGINS"] == "1"
EXAMPLE = os.environ.get("SQLBK_EXAMPLE_PLUGIN")
LIAR = os.environ.get("SQLBK_LIAR_PLUGIN")


@unittest.skipIf(HAS_PLUGINS, "built with plug-ins")
class WithoutPlugins(CliTest):
    def test_the_option_is_refused(self):
        self.make_database()
        error = self.refused(2, "usage", "was built without them", "--plugin", "x.so", "app.db",
                             "copy.db").json["error"]
        self.assertIn("-Dplugins=enabled", error["hint"])
        result = self.run_sqlbk("list", "--plugin", "x.so")
        self.assertEqual(result.code, 2, str(result))


@unittest.skipUnless(EXAMPLE, "built without plug-ins, or there is no C compiler")
class Copy(CliTest):
    def test_mover(self):
        self.make_database()
        for spec in ("example", "snapshot+example"):
            report = self.copy_json("--plugin", EXAMPLE, "--strategy", spec, "app.db", spec)
            self.assertEqual(report["strategy"], spec)
            self.check_copy(spec, rows(100))

    def test_several_plugins(self):
        self.make_database()
        report = self.copy_json("--plugin", EXAMPLE, f"--plugin={LIAR}", "--strategy", "piecewise",
                                "--then", "zero_pages=0,sound=x", "app.db", "copy.db")
        self.assertEqual([step["name"] for step in report["steps"]], ["zero_pages=0", "sound=x"])
        self.check_copy("copy.db", rows(100))

    def test_relative_file(self):
        self.make_database()
        shutil.copy(EXAMPLE, self.private)
        self.copy("--plugin", "example.so", "--strategy", "example", self.path("app.db"),
                  self.path("copy.db"), cwd=self.private)
        self.check_copy("copy.db", rows(100))

    def test_only_what_is_named_is_known(self):
        self.make_database()
        self.refused(2, "usage", "'example'", "--strategy", "example", "app.db", "copy.db")
        self.refused(2, "usage", "'zero_pages'", "--then", "zero_pages", "app.db", "copy.db")

    def test_step_counts_zero_pages(self):
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, value BLOB)")
            connection.execute("INSERT INTO t VALUES(0, zeroblob(9))")
        report = self.copy_json("--plugin", EXAMPLE, "--then", "zero_pages=0", "app.db", "a.db")
        self.assertEqual(report["steps"][0]["findings"], ["0 of 2 pages are all zero"])
        with closing(connect(self.path("app.db"))) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("INSERT INTO t VALUES(1, randomblob(40000))")
            connection.execute("DELETE FROM t WHERE id = 1")
        report = self.copy_json("--plugin", EXAMPLE, "--then", "zero_pages", "app.db", "b.db")
        findings = report["steps"][0]["findings"]
        zero = int(re.fullmatch(r"(\d+) of 1\d pages are all zero", findings[0]).group(1))
        self.assertGreater(zero, 5)
        self.copy("--plugin", EXAMPLE, "--then", f"zero_pages={zero}", "app.db", "c.db")
        self.refused(3, "damaged", findings[0], "--plugin", EXAMPLE, "--then",
                     f"zero_pages={zero - 1}", "app.db", "d.db")

    def test_arguments_of_steps(self):
        self.make_database()
        for argument in ("x", "-1", "7x", "99999999999999999999999"):
            error = self.refused(2, "usage", "a number of pages is wanted", "--plugin", EXAMPLE,
                                 "--then", f"zero_pages={argument}", "app.db",
                                 "copy.db").json["error"]
            self.assertEqual(error["hint"], "it has the form LIMIT")

    def test_a_lying_mover(self):
        self.make_database()
        error = self.refused(1, "io_error", "broke its promise", "--plugin", LIAR, "--strategy",
                             "says_more", "app.db", "copy.db").json["error"]
        self.assertIn("plug-in", error["hint"])

    def test_refused_files(self):
        self.make_database()
        self.refused(2, "usage", "'missing.so': there is no such file", "--plugin", "missing.so",
                     "app.db", "copy.db")
        self.refused(2, "usage", "'.': it is not a file", "--plugin", ".", "app.db", "copy.db")
        self.refused(2, "usage", "'app.db': ", "--plugin", "app.db", "app.db", "copy.db")
        self.refused(2, "usage", "two strategies of the name", "--plugin", EXAMPLE, "--plugin",
                     EXAMPLE, "app.db", "copy.db")

    def test_dry_run(self):
        self.make_database()
        result = self.copy("--dry-run", "--plugin", EXAMPLE, "--strategy", "example", "--then",
                           "zero_pages=5", "app.db", "copy.db")
        self.assertIn(b"then zero_pages=5", result.out)
        self.assert_no_trace("copy.db")


@unittest.skipUnless(EXAMPLE, "built without plug-ins, or there is no C compiler")
class List(CliTest):
    def test_json(self):
        result = self.run_sqlbk("list", "--json", "--plugin", EXAMPLE, "--plugin=" + LIAR)
        self.assertEqual(result.code, 0, str(result))
        names = {strategy["name"] for strategy in result.json["strategies"]}
        self.assertLessEqual({"plain", "example", "snapshot+example", "honest"}, names)
        example, liar = result.json["plugins"]
        self.assertEqual((example["name"], example["version"]), ("example", "1.0"))
        self.assertEqual(example["file"], EXAMPLE)
        self.assertEqual([mover["name"] for mover in example["movers"]], ["example"])
        self.assertEqual(example["steps"], ["zero_pages"])
        self.assertIn("sets_version", liar["steps"])
        self.assertIn({"name": "zero_pages", "argument": "LIMIT",
                       "summary": "counts pages that are all zero; more than LIMIT of them is "
                                  "damage"}, result.json["steps"])

    def test_text(self):
        text = self.run_sqlbk("list", "--plugin", EXAMPLE).out.decode()
        self.assertRegex(text, r"(?m)^ +by a mover .*: snapshot\+.*, snapshot\+example$")
        self.assertRegex(text, r"(?m)^  zero_pages +counts pages")
        self.assertRegex(text, r"(?m)^plug-in example 1\.0 \(.*example\.so\):$")
        self.assertRegex(text, r"(?m)^  mover example +pread and pwrite")

    def test_without_a_plugin(self):
        result = self.run_sqlbk("list", "--json")
        self.assertEqual(result.json["plugins"], [])
        self.assertNotIn(b"plug-in", self.run_sqlbk("list").out)

    def test_refusals(self):
        for arguments, message in ((["--plugin"], b"--plugin needs a file"),
                                   (["--plugin", "missing.so"], b"there is no such file"),
                                   (["--plugin=."], b"it is not a file")):
            result = self.run_sqlbk("list", *arguments)
            self.assertEqual((result.code, result.out), (2, b""), str(result))
            self.assertIn(message, result.err)


@unittest.skipUnless(EXAMPLE, "built without plug-ins, or there is no C compiler")
class Guide(CliTest):
    """docs/plugins.md, as a reader would follow it."""

    def setUp(self):
        super().setUp()
        with open(os.path.join(SOURCE_ROOT, "docs", "plugins.md"), encoding="utf-8") as file:
            self.text = file.read()
        if shutil.which("cc") is None:
            self.skipTest("there is no cc")

    def block(self, language):
        return re.search(rf"^```{language}\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)[1]

    def run_here(self, command):
        environment = dict(os.environ)
        environment["PATH"] = os.path.dirname(SQLBK) + os.pathsep + environment["PATH"]
        environment["CPATH"] = os.path.join(SOURCE_ROOT, "libcore", "include")
        return subprocess.run(command, cwd=self.dir, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)

    def test_in_ten_minutes(self):
        self.make_database()
        with open(self.path("my_checks.c"), "w", encoding="utf-8") as file:
            file.write(self.block("c"))
        commands = re.findall(r"^\$ (.*)$", self.block("console"), re.MULTILINE)
        self.assertEqual(len(commands), 3)
        for command in commands:
            result = self.run_here(shlex.split(command))
            self.assertEqual(result.returncode, 0, f"{command}: {result}")
            self.assertNotIn(b"warning:", result.stderr)
        self.check_copy("copy.db", rows(100))
        self.refused(3, "damaged", "the user version is 0", "--plugin", "./my_checks.so", "--then",
                     "user_version=7", "app.db", "other.db")

    def test_the_header_and_the_example_are_strict_c(self):
        example = os.path.join(SOURCE_ROOT, "docs", "examples", "plugin", "example.c")
        strict = ["cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror",
                  "-fsyntax-only"]
        result = self.run_here([*strict, example])
        self.assertEqual(result.returncode, 0, str(result))
        header = os.path.join(SOURCE_ROOT, "libcore", "include", "sqlbk", "plugin", "abi.h")
        with open(header, encoding="utf-8") as file:
            includes = re.findall(r"^#include (.*)$", file.read(), re.MULTILINE)
        self.assertEqual(includes, ["<stddef.h>", "<stdint.h>"])


if __name__ == "__main__":
    main()
