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


def state_of(case):
    """"passed", "failed" or "skipped", and what the file says about it."""
    for tag in ("failure", "error"):
        bad = case.find(tag)
        if bad is not None:
            return "failed", bad.get("message") or bad.text or ""
    skip = case.find("skipped")
    if skip is not None:
        return "skipped", skip.get("message") or case.findtext("system-out") or ""
    return ("skipped", "disabled") if case.get("status") == "notrun" else ("passed", "")


def cases_of(build):
    """By program: (name, state, text) of every case. Meson names the suites "PROJECT.PROGRAM" for
    TAP and "PROJECT.PROGRAM.SUITE" for GoogleTest; plain programs are cases of "PROJECT"."""
    root = xml.etree.ElementTree.parse(os.path.join(build, "meson-logs", "testlog.junit.xml"))
    found = {}
    for suite in root.iter("testsuite"):
        _, _, rest = suite.get("name", "").partition(".")
        program, dot, gtest_suite = rest.partition(".")
        for case in suite.iter("testcase"):
            name = case.get("name", "")
            key = program or name
            prefix = gtest_suite + dot
            found.setdefault(key, []).append((prefix + name, *state_of(case)))
    return found


def main(build):
    cases = cases_of(build)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for program in programs_of(build):
        name, bad = program["name"], program["result"] in BAD
        own = cases.get(name, [])
        if len(own) == 1 and own[0][0] == name or not own:
            # A plain program is one case, and Meson writes one that ran out of time as passed.
            state = "failed" if bad else "skipped" if program["result"] == "SKIP" else "passed"
            own = [(name, state, "")]
        elif bad and not any(state == "failed" for _, state, _ in own):
            own.append((name, "failed", "all its cases passed, but not the program"))
        for case, state, text in own:
            counts[state] += 1
            if state == "skipped":
                print(f"skipped: {name}: {case}: {' '.join(text.split())}", file=sys.stderr)
        if bad:
            print(f"\n===== {name}: {program['result']}", file=sys.stderr)
            for case, state, text in own:
                if state == "failed":
                    print(f"failed: {case}\n{text}", file=sys.stderr)
            for stream in ("stdout", "stderr"):
                if program.get(stream):
                    print(f"----- {stream}\n{program[stream]}", file=sys.stderr)
    print(counts["passed"], counts["failed"], counts["skipped"])


if __name__ == "__main__":
    main(sys.argv[1])
