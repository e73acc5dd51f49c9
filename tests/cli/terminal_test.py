"""Nothing that comes from outside reaches a terminal raw: no control character, no text that runs
the other way, no line that is not the tool's own. Paths, names and SQL of a schema, values,
SQLite's messages, names of processes, plug-ins and options."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import unicodedata

from support import SOURCE_ROOT, CliTest, closing, connect, main

FAKE = "FAKE LINE"
# An escape sequence by ESC and by C1, BEL, DEL, a line that looks like one of the tool's, a carriage
# return over it, a line separator, and text that runs from right to left.
EVIL = f"\x1b]0;t\x07\x1b[2J\x9b31m\x7f\n{FAKE}: ok\r{FAKE}\u2028\u202e\u2066\u200fx"
# The same with bytes that are no UTF-8: C1 of a terminal that knows Latin-1 only.
EVIL_BYTES = EVIL.encode() + b"\x9b2J\xff"
SHOWN = r"\x1b]0;t\x07\x1b[2J\u009b31m\x7f\x0a" + FAKE
DIRECTION = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def hidden(text):
    """The characters of a line that a terminal would not show as a part of it."""
    return [character for character in text
            if unicodedata.category(character) in ("Cc", "Zl", "Zp") or character in DIRECTION]


class Terminal(CliTest):
    def setUp(self):
        super().setUp()
        self.evil_path = os.fsdecode(EVIL_BYTES.replace(b"/", b""))

    def check_text(self, text, what):
        for line in text.decode("utf-8").split("\n"):  # fails where it is not UTF-8
            self.assertEqual(hidden(line), [], what)
            self.assertFalse(line.startswith(FAKE), what)

    def said(self, *arguments, shown=SHOWN, code=None, **options):
        """What a run says: all of it fit for a terminal, and the name in it, escaped."""
        result = self.run_sqlbk(*arguments, **options)
        self.check_text(result.out, str(result))
        self.check_text(result.err, str(result))
        self.assertIn(shown, (result.out + result.err).decode(), str(result))
        if code is not None:
            self.assertEqual(result.code, code, str(result))
        return result

    def said_as_json(self, *arguments, **options):
        """The same with --json: one object that can be parsed, and just as fit for a terminal."""
        result = self.run_sqlbk(arguments[0], "--json", *arguments[1:], **options)
        self.check_text(result.out, str(result))
        self.check_text(result.err, str(result))
        self.assertEqual(result.out.count(b"\n"), 1, str(result))
        return json.loads(result.out)

    # -- names in a schema, and values -------------------------------------------------------------

    def index_without_its_row(self, name="index.db"):
        """integrity_check names the index."""
        with closing(connect(self.path(name))) as connection:
            connection.execute(f"CREATE TABLE {identifier(EVIL)}(x, y TEXT NOT NULL)")
            connection.execute(f"CREATE INDEX {identifier('i' + EVIL)} ON {identifier(EVIL)}(x)")
            connection.execute(f"INSERT INTO {identifier(EVIL)} VALUES(1, 2)")
            root = connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE type='index'").fetchone()[0]
        with open(self.path(name), "r+b") as file:
            file.seek((root - 1) * 4096 + 3)
            file.write(b"\0\0\x10\0\0")  # no cells, and all of the page free
        return name

    def schema_that_is_no_sql(self, name="schema.db"):
        """SQLite's message names the table."""
        with closing(connect(self.path(name))) as connection:
            connection.execute("CREATE TABLE t(x)")
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute("UPDATE sqlite_schema SET sql='create table t(', name=?", (EVIL,))
        return name

    def schema_with_sql(self, name="sql.db"):
        """SQLite's message quotes the SQL."""
        with closing(connect(self.path(name))) as connection:
            connection.execute("CREATE TABLE t(x)")
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute("UPDATE sqlite_schema SET sql=?",
                               (f"create table t(x default {identifier(EVIL)}.)",))
        return name

    def row_without_its_parent(self, name="parent.db", value="9"):
        with closing(connect(self.path(name))) as connection:
            connection.execute(f"CREATE TABLE {identifier(EVIL)}(x PRIMARY KEY)")
            connection.execute(f"CREATE TABLE c(x REFERENCES {identifier(EVIL)}(x))")
            connection.execute("INSERT INTO c VALUES(?)", (value,))
        return name

    def test_names_in_what_verify_finds(self):
        for make in (self.index_without_its_row, self.row_without_its_parent):
            with self.subTest(make.__name__):
                name = make()
                self.said("verify", name, code=3)
                self.said("verify", "--jobs=4", name, code=3)
                checks = self.said_as_json("verify", name)["databases"][0]["checks"]
                self.assertIn(FAKE, str(checks))

    def test_names_in_messages_of_sqlite(self):
        for make in (self.schema_that_is_no_sql, self.schema_with_sql):
            with self.subTest(make.__name__):
                name = make()
                for command in (("verify",), ("inspect",), ("verify", "--debug")):
                    self.said(*command, name, shown="")
                self.said("copy", "--then", "integrity_check", name, "x.db", shown="")
                self.said("copy", "--strategy", "online", "--force", name, "x.db", shown="")
                self.said_as_json("verify", name)

    def test_names_in_what_a_step_finds(self):
        for make, step in ((self.index_without_its_row, "integrity_check"),
                           (self.index_without_its_row, "quick_check,integrity_check"),
                           (self.row_without_its_parent, "foreign_key_check")):
            with self.subTest(step):
                name = make(f"{step}.db")
                self.said("copy", "--then", step, name, "x.db", code=3)
                self.said_as_json("copy", "--then", step, name, "x.db")

    def test_names_in_a_comparison(self):
        self.row_without_its_parent("a.db")
        self.row_without_its_parent("b.db", value=EVIL)
        self.said("verify", "--checks", "against", "--against", "a.db", "b.db", shown="")
        self.said("verify", "--against", "a.db", "b.db")
        self.said_as_json("verify", "--against", "a.db", "b.db")

    def test_a_finding_is_one_line_whatever_its_name_holds(self):
        text = self.said("verify", "--checks", "structure", self.index_without_its_row()).out
        lines = text.decode().splitlines()
        findings = self.said_as_json("verify", "--checks", "structure", "index.db")[
            "databases"][0]["checks"][0]["findings"]
        self.assertEqual(len(lines), 1 + len(findings), text)

    # -- paths -------------------------------------------------------------------------------------

    def test_paths_of_copies(self):
        self.make_database(self.evil_path)
        os.mkdir(self.path("to"))
        to = "to/" + self.evil_path
        self.said("copy", "--", self.evil_path + ".none", "x.db", code=1)
        self.said("copy", "--", self.evil_path, f"none{to}", code=1)
        self.said("copy", "--dry-run", "--", self.evil_path, to, code=0)
        self.said("copy", "--debug", "--then", "digest", "--manifest",
                  f"{to}.json", "--", self.evil_path, to, shown=SHOWN.replace("/", ""), code=0)
        self.said("copy", "--", self.evil_path, to, code=5)
        os.chmod(self.path(to), 0o600)
        self.said("copy", "--force", "--", self.evil_path, to, code=0)
        self.said("copy", "--tempdir", f"none{to}", "--", self.evil_path, "x.db", code=1)
        self.said_as_json("copy", "--force", "--", self.evil_path, to)
        self.said_as_json("copy", "--", self.evil_path + ".none", to)
        self.said("verify", "--manifest", f"{to}.json", to, code=0)
        with open(self.path(f"{to}.json"), encoding="utf-8") as file:
            self.assertEqual(hidden(file.read().replace("\n", "")), [])

    def test_paths_of_databases_that_are_looked_at(self):
        self.make_database(self.evil_path, wal=True)
        owner = self.owner(self.evil_path)
        owner.run("INSERT INTO t VALUES(1000, x'01')")
        for command in ("verify", "inspect"):
            self.said(command, self.evil_path, code=0)
            self.said(command, self.evil_path + ".none", code=1)
            self.said_as_json(command, self.evil_path)
            self.said_as_json(command, self.evil_path + ".none")
        self.said("verify", "--manifest", self.evil_path, "x.db", code=2)
        self.said("verify", "--against", self.evil_path + ".none", self.evil_path)

    def test_a_name_in_json_is_the_name(self):
        self.make_database(EVIL.replace("/", ""))
        report = self.said_as_json("copy", EVIL, "x.db")
        self.assertEqual(report["source"], EVIL)

    def test_a_super_journal(self):
        """Its name stands in the tail of a journal."""
        self.make_database()
        name = os.fsencode(self.path("super")) + EVIL_BYTES
        with open(self.path("app.db-journal"), "wb") as file:
            file.write(bytes.fromhex("d9d505f920a163d7") + bytes(504))
            file.write((262145).to_bytes(4, "big") + name + len(name).to_bytes(4, "big")
                       + (sum(name) & 0xffffffff).to_bytes(4, "big")
                       + bytes.fromhex("d9d505f920a163d7"))
        for command in (("inspect", "app.db"), ("verify", "app.db"), ("copy", "app.db", "x.db"),
                        ("copy", "--debug", "app.db", "x.db")):
            self.said(*command, shown="")

    # -- names of other kinds ----------------------------------------------------------------------

    def test_names_of_processes(self):
        self.make_database(wal=True)
        program = ("import sqlite3, sys; open('/proc/self/comm', 'wb').write(sys.argv[2].encode());"
                   "c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN');"
                   "c.execute('SELECT * FROM t').fetchone(); print('ready', flush=True); sys.stdin.read()")
        process = subprocess.Popen([sys.executable, "-c", program, self.path("app.db"),
                                    "\x1b[2J\x9b\u202eF"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        self.said("inspect", "app.db", shown=r"\x1b[2J\u009b\u202eF", code=0)
        self.said_as_json("inspect", "app.db")
        self.said("copy", "--debug", "app.db", "x.db", shown="")

    def test_words_of_a_command_line(self):
        word = EVIL.replace("/", "")
        for command in ("copy", "verify", "inspect", "list", "bench", "demo"):
            with self.subTest(command):
                self.said(command, f"--{word}", shown="" if command == "demo" else FAKE, code=2)
        for command in ("copy", "verify", "bench"):
            for option in ("--progress", "--strategy", "--then", "--plugin", "--jobs", "--checks",
                           "--peers", "--size", "--timeout", "--journal-mode"):
                with self.subTest(command=command, option=option):
                    self.said(command, f"{option}={word}", "a.db", "b.db", shown="")
        self.said(word, code=2)
        self.said("list", "--plugin", word)
        self.said("copy", "a.db", "b.db", env={"SQLBK_LOG": word}, code=2)

    def test_bench(self):
        self.make_database(self.evil_path)
        self.said("bench", "--repeat=1", "--live-seconds=0", "--strategies=plain", "--peers=cp",
                  "--", self.evil_path, code=0)
        self.said("bench", self.evil_path + ".none", code=1)
        self.said("bench", "--directory", self.evil_path + ".none")
        self.said_as_json("bench", self.evil_path + ".none")

    def test_demo(self):
        os.mkdir(self.path(self.evil_path))
        self.said("demo", env={"TMPDIR": self.path(self.evil_path)}, code=0)
        self.said("demo", env={"TMPDIR": self.path(self.evil_path + ".none")})


class Sources(CliTest):
    def test_only_terminal_cpp_writes_to_a_standard_stream(self):
        writes = re.compile(r"std::(cout|cerr|clog)|\bstd(out|err)\b|\b(puts|fputs|v?f?printf)\(")
        found = []
        for parent, _, names in os.walk(os.path.join(SOURCE_ROOT, "tools", "sqlbk")):
            for name in names:
                with open(os.path.join(parent, name), encoding="utf-8") as file:
                    code = re.sub(r"//.*", "", file.read())
                if name.endswith((".cpp", ".hpp")) and writes.search(code):
                    found.append(name)
        self.assertEqual(found, ["terminal.cpp"])


if __name__ == "__main__":
    main()
