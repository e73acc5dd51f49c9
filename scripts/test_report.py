#!/usr/bin/env python3
"""Counts the test cases of a `meson test` run: "PASSED FAILED SKIPPED" on standard output. What
failed is shown on standard error in full, what was skipped with its reason.

Meson's JUnit file has the cases of every GoogleTest and TAP program; testlog.json has what became
of each program as a whole, which counts where a program died without telling about its cases."""

import json
import os
import sys
import xml.etree.ElementTree

BAD = {"FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS"}


def programs_of(build):
    with open(os.path.join(build, "meson-logs", "testlog.json"), encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def cases_of(build):
    """(suite, name, "passed", "failed" or "skipped", text) of every case."""
    root = xml.etree.ElementTree.parse(os.path.join(build, "meson-logs", "testlog.junit.xml"))
    for suite in root.iter("testsuite"):
        for case in suite.iter("testcase"):
            bad = case.find("failure") if case.find("failure") is not None else case.find("error")
            skip = case.find("skipped")
            name = case.get("name", "")
            if suite.get("name", "").count(".") >= 2:  # GoogleTest: the suite tells the class
                name = f"{case.get('classname', '')}.{name}"
            if bad is not None:
                yield suite.get("name", ""), name, "failed", bad.get("message") or bad.text or ""
            elif skip is not None or case.get("status") == "notrun":
                text = skip.get("message") if skip is not None else "disabled"
                text = text or case.findtext("system-out") or ""
                yield suite.get("name", ""), name, "skipped", text
            else:
                yield suite.get("name", ""), name, "passed", ""


def belongs(suite, case, program):
    """Whether this case of the JUnit file is one of the program's: "sqlbk.unit-kit.Suite",
    "sqlbk.cli-json", or the program itself in the suite "sqlbk"."""
    name = program["name"].split(" / ")[-1]
    parts = suite.split(".")
    return parts[1] == name if len(parts) > 1 else case == name


def main(build):
    programs, cases = programs_of(build), list(cases_of(build))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for program in programs:
        own = [case for case in cases if belongs(case[0], case[1], program)]
        mine = {state: [case for case in own if case[2] == state] for state in counts}
        bad = program["result"] in BAD
        for _, name, _, reason in mine["skipped"]:
            print(f"skipped: {program['name']}: {name}: {' '.join(reason.split())}",
                  file=sys.stderr)
        if bad:
            print(f"\n===== {program['name']}: {program['result']}", file=sys.stderr)
            for _, name, _, text in mine["failed"]:
                print(f"failed: {name}\n{text}", file=sys.stderr)
            for stream in ("stdout", "stderr"):
                if program.get(stream):
                    print(f"----- {stream}\n{program[stream]}", file=sys.stderr)
        for state in counts:
            counts[state] += len(mine[state])
        if not own:
            counts["failed" if bad else "skipped" if program["result"] == "SKIP" else "passed"] += 1
        elif bad and not mine["failed"]:
            # Its file said that all is well; or it is a plain program, whose end Meson writes so.
            if len(own) == 1 and own[0][1] == program["name"].split(" / ")[-1]:
                counts["passed"] -= len(mine["passed"])
            counts["failed"] += 1
    print(counts["passed"], counts["failed"], counts["skipped"])


if __name__ == "__main__":
    main(sys.argv[1])
