"""What docs/cli.md says of the JSON that a command prints, and what of an object differs."""

import os
import re

from support import SOURCE_ROOT

TYPES = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "object or null": lambda value: value is None or isinstance(value, dict),
    "array of string": lambda value: isinstance(value, list) and
                       all(isinstance(item, str) for item in value),
    "array of object": lambda value: isinstance(value, list) and
                       all(isinstance(item, dict) for item in value),
}
OPEN_OBJECTS = {"proof"}  # any names, strings as values


def documented_fields(command):
    """Name to type, from the first table of fields in the section about the command."""
    with open(os.path.join(SOURCE_ROOT, "docs", "cli.md"), encoding="utf-8") as file:
        text = file.read().split(f"\n## sqlbk {command}\n", 1)[1]
    text = text.split("| field | type | meaning |", 1)[1].split("\n\n", 1)[0]
    return dict(re.findall(r"^\| `([\w.\[\]]+)` \| ([a-z ]+) \|", text, re.MULTILINE))


def problems(value, fields, prefix=""):
    """What of `value` is not as documented: missing, unknown, of another type."""
    here = {name[len(prefix):]: kind for name, kind in fields.items()
            if name.startswith(prefix) and not re.search(r"[.\[]", name[len(prefix):])}
    found = [f"{prefix}{name} is missing" for name in here if name not in value]
    for name, item in value.items():
        path = prefix + name
        if name not in here:
            found.append(f"{path} is not documented")
        elif not TYPES[here[name]](item):
            found.append(f"{path} is no {here[name]}: {item!r}")
        elif path in OPEN_OBJECTS:
            found += [f"{path}.{key} is no string" for key, fact in item.items()
                      if not isinstance(fact, str)]
        elif isinstance(item, dict):
            # An error of a part has the fields of that of the whole.
            part = name == "error" and f"{path}.code" not in fields
            found += problems(item, fields, "error." if part else path + ".")
        elif here[name] == "array of object":
            for part in item:
                found += problems(part, fields, path + "[].")
    return found
