"""The hints that the sources can give: those of the error table, and every literal one."""

import os
import re

from support import SOURCE_ROOT

DIRECTORIES = ("libcore", "libcopy", "libcheckpoint", "tools", "bench")
# A hint that several places give has a name: kHintCloseIt.
MARK = re.compile(r"with_hint\(|\.hint = |\bhint = |\bkHint\w+ =\s")
LITERAL = r'"((?:[^"\\]|\\.)*)"'


def read(path):
    with open(path, encoding="utf-8") as file:
        return re.sub(r"(?m)//.*$", "", file.read())


def sources():
    for directory in DIRECTORIES:
        for parent, _, names in os.walk(os.path.join(SOURCE_ROOT, directory)):
            for name in sorted(names):
                if name.endswith((".cpp", ".hpp")):
                    yield os.path.join(parent, name)


def expression_at(text, start):
    """As far as the comma, semicolon or bracket that ends it."""
    depth = 0
    for found in re.compile(LITERAL + r"|[()\[\]{},;]").finditer(text, start):
        token = found.group()
        if token[0] == '"':
            continue
        if token in "([{":
            depth += 1
        elif depth == 0:
            return text[start:found.start()]
        elif token in ")]}":
            depth -= 1
    raise AssertionError(f"no end: {text[start:start + 80]}")


def alternatives(expression):
    """A pattern for each text that the expression may be: what is no literal may be anything."""
    parts, pattern, literals = [], "", 0
    for token in re.finditer(LITERAL + r"|::|[?:]|[^\"?:]+", expression):
        if token.group()[0] == '"':
            pattern += re.escape(token.group(1).replace("\\'", "'").replace('\\"', '"'))
            literals += 1
        elif token.group() == "?":
            pattern, literals = "", 0  # that was the condition
        elif token.group() == ":":
            parts.append((pattern, literals))
            pattern, literals = "", 0
        elif re.search(r"\w", token.group()):
            pattern += ".*"
    parts.append((pattern, literals))
    return [re.sub(r"(\.\*)+", ".*", pattern) for pattern, literals in parts
            if literals and pattern]


def literal_hints():
    """(place, pattern) of each hint that stands in a source."""
    for path in sources():
        text = read(path)
        for mark in MARK.finditer(text):
            for pattern in alternatives(expression_at(text, mark.end())):
                yield os.path.relpath(path, SOURCE_ROOT), pattern


def table_hints():
    """(code, hint) of each row of the error table."""
    table = read(os.path.join(SOURCE_ROOT, "libcore", "src", "error.cpp"))
    table = table.split("kTable{", 1)[1].split("\n};", 1)[0]
    for row in table.split("ErrcInfo{")[1:]:
        last = re.findall(rf"((?:{LITERAL}\s*)+)\}}", row)[0][0]
        yield re.search(r"Errc::(\w+)", row).group(1), "".join(re.findall(LITERAL, last))
