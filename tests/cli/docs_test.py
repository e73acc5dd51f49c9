"""The documentation says what the tool says: options, exit codes, strategies, steps, links."""

import os
import re
import subprocess

from support import SOURCE_ROOT, CliTest, main

OPTION = re.compile(r"--([a-z][a-z-]*)")


def read(*path):
    with open(os.path.join(SOURCE_ROOT, *path), encoding="utf-8") as file:
        return file.read()


def table(text, heading):
    """The cells of the Markdown table that begins with this line."""
    lines = text.split(heading + "\n", 1)[1].splitlines()[1:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("\\|", "|")
                     for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


class Documentation(CliTest):
    def options_of(self, command):
        """Name to the form of its value, from --help."""
        text = self.run_sqlbk(command, "--help").out.decode()
        return {name: (value or "").strip() for name, value in
                re.findall(r"^ +(?:-\w \[ )?--([\w-]+)(?: \])?((?: [^\s(]+)?)(?: .*)?$", text,
                           re.MULTILINE)}

    def test_options_of_every_command(self):
        for command in ("copy", "verify", "bench"):
            with self.subTest(command):
                section = read("docs", "cli.md").split(f"## sqlbk {command}\n", 1)[1]
                documented = {}
                for cell, _, meaning in table(section, "| option | default | meaning |"):
                    name, _, value = re.match(r"`--([\w-]+)( ([^`]+))?`", cell).groups()
                    documented[name] = value or ""
                    self.assertNotEqual(meaning, "", name)
                self.assertEqual(documented, self.options_of(command))

    def test_checks_of_verify(self):
        text = self.run_sqlbk("verify", "--help").out.decode()
        listed = re.findall(r"^  (\w+) ", text.split("checks:\n", 1)[1].split("\n\n", 1)[0],
                            re.MULTILINE)
        documented = [row[0].strip("`") for row in table(read("docs", "cli.md"),
                                                        "| check | what it finds |")]
        self.assertEqual(documented, listed)

    def test_options_named_anywhere_exist(self):
        known = {"version", "json", "help"}
        for command in ("copy", "verify", "bench"):
            known |= set(self.options_of(command))
        for path in ("README.md", "docs/cli.md", "docs/strategies.md", "docs/exit-codes.md",
                     "docs/library.md", "docs/architecture.md"):
            for line in read(path).splitlines():
                # Options of other programs stand in lines that name these.
                if re.search(r"\b(meson|cp|pkg-config|apt-get|ninja|scripts/test|scripts/lint|"
                             r"git|clang|unshare|sqlite3)\b", line):
                    continue
                for name in OPTION.findall(line):
                    self.assertIn(name, known, f"{path}: {line}")

    def test_exit_codes(self):
        text = read("docs", "exit-codes.md")
        documented = table(text, "| code | exit | meaning |")
        source = read("libcore", "src", "error.cpp").split("kTable{", 1)[1].split("\n};", 1)[0]
        rows = []
        text = r'"(?:[^"\\]|\\.)*"'
        for name, code, meaning in re.findall(
                rf'ErrcInfo\{{\s*Errc::\w+,\s*"(\w+)",\s*(\d+),\s*Retry::\w+,\s*((?:{text}\s*)+),',
                source):
            rows.append([f"`{name}`", code,
                         "".join(part[1:-1] for part in re.findall(text, meaning))])
        self.assertEqual(source.count("ErrcInfo{"), len(rows))
        self.assertEqual(documented, rows)

    def test_exit_codes_in_the_help(self):
        documented = {row[0]: row[1] for row in table(read("docs", "exit-codes.md"),
                                                     "| exit | meaning |")}
        text = self.run_sqlbk("--help").out.decode().split("exit codes:\n", 1)[1]
        self.assertEqual(dict(re.findall(r"^  (\d+) +(.*)$", text, re.MULTILINE)), documented)
        codes = {row[1] for row in table(read("docs", "exit-codes.md"),
                                         "| code | exit | meaning |")}
        self.assertEqual(codes | {"0"}, set(documented))

    def test_strategies_and_steps(self):
        listed = self.run_sqlbk("list", "--json").json
        text = read("docs", "strategies.md")
        documented = {name for row in table(text, "| strategy | how | when it is right |")
                      for name in re.findall(r"`([^`]+)`", row[0])}
        movers = [row[0].strip("`") for row in table(text, "| mover | how | where it works |")]
        expanded = set()
        for name in documented:
            expanded |= {re.sub(r"(^|\+)M$", rf"\1{mover}", name) for mover in movers}
        self.assertEqual(expanded, {part["name"] for part in listed["strategies"]})
        steps = [[part["name"], part["argument"]] for part in listed["steps"]]
        documented = [re.match(r"`(\w+)(?:=([^`]+))?`", row[0]).groups(default="")
                      for row in table(text, "| step | what it does |")]
        self.assertEqual([list(step) for step in documented], steps)

    def test_verdicts(self):
        source = read("libcore", "src", "evidence.cpp").split("to_string(Verdict", 1)[1]
        names = re.findall(r'return "([\w-]+)";', source.split('return "unknown"', 1)[0])
        documented = [row[0].strip("`") for row in table(read("docs", "cli.md"),
                                                        "| verdict | meaning |")]
        self.assertEqual(sorted(documented), sorted(names))

    def test_links_lead_somewhere(self):
        listed = subprocess.run(["git", "ls-files", "*.md"], cwd=SOURCE_ROOT, capture_output=True,
                                check=False, text=True).stdout.split()
        for path in listed or ["README.md"]:
            text = re.sub(r"```.*?```", "", read(path), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text):
                if not re.match(r"https?:", target):
                    place = os.path.join(SOURCE_ROOT, os.path.dirname(path), target)
                    self.assertTrue(os.path.exists(place), f"{path}: {target}")

    def test_changelog_has_this_version(self):
        self.assertIn(f"## {read('VERSION').strip()}", read("CHANGELOG.md"))


if __name__ == "__main__":
    main()
