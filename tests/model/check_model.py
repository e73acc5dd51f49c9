#!/usr/bin/env python3
"""Searches the Spin models of the lock-free strategies, every order of events within their bounds;
then the same models with one check left out after the other, which must go wrong: a model that
cannot fail proves nothing. Prints TAP.

    check_model.py [MODEL...]     # follow, retry_verify; needs spin and a C compiler
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SPIN = os.environ.get("SPIN", "spin")
CC = os.environ.get("CC", "cc")
WORKERS = 2
MEMORY_MIB = 450  # of each
DEPTH = 10000

# What has to be seen: no error and nothing left unsearched; or a copy that is no committed state, or
# one from before the start.
PROOF, TORN = "never torn", "torn"


class Search:
    """One run of the verifier that Spin makes of a model."""

    def __init__(self, model, definitions, optimise):
        with tempfile.TemporaryDirectory(prefix="sqlbk-model-") as directory:
            for name in os.listdir(HERE):
                if name.endswith(".pml"):
                    shutil.copy(os.path.join(HERE, name), directory)
            flags = [f"-D{definition}" for definition in definitions]
            self._run(directory, SPIN, *flags, "-a", model + ".pml")
            # Safety only: an assertion is the whole property.
            self._run(directory, CC, optimise, "-w", "-DSAFETY",
                      "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MIB}", "-o", "pan", "pan.c")
            begin = time.monotonic()
            self.out = self._run(directory, "./pan", f"-m{DEPTH}", "-E")
            self.seconds = time.monotonic() - begin

    @staticmethod
    def _run(directory, *command):
        done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode != 0 and command[0] != "./pan":
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}")
        return done.stdout

    @property
    def states(self):
        found = re.search(r"^\s*([0-9.e+]+) states, stored", self.out, re.MULTILINE)
        return int(float(found[1])) if found else 0

    @property
    def is_proof(self):
        cut_short = re.search("too small|not completed|out of memory|limit", self.out)
        return "errors: 0" in self.out and not cut_short

    @property
    def is_torn(self):
        return "assertion violated" in self.out and "errors: 1" in self.out


# What owners may do besides commits, checkpoints and resets: one thing at a time, or the search has
# no end.
HABITS = {
    "HALVES": "frames and pages that are seen half written",
    "ROLLBACK": "spilled frames rolled back",
    "SHRINK": "commits that shorten the database",
    "TRUNCATE": "TRUNCATE checkpoints",
    "CUT EMPTY_SLOTS": "journal_size_limit, no old frames in the slots",
    "UNLINK": "-wal unlinked and made anew",
}
# The habit that each check is there for, where it is not for resets alone.
NEEDED = {
    "follow": dict.fromkeys((f"F{i}" for i in range(1, 15)), "") | {
        "F2": "HALVES", "F3": "ROLLBACK", "F8": "TRUNCATE", "F10": "TRUNCATE",
        "F11": "CUT EMPTY_SLOTS", "F13": "SHRINK", "F14": "UNLINK"},
    "retry_verify": dict.fromkeys((f"R{i}" for i in range(1, 9)), "") | {
        "R1": "TRUNCATE", "R4": "UNLINK", "R5": "HALVES", "R6": "ROLLBACK", "R8": "SHRINK"},
}
# Checks that the argument can do without.
IN_DEPTH = {"follow": ("PREFIX_FIRST ORDER_OF_SLOTS HEADER_AGAIN", "OLDER"),
            "retry_verify": ()}


def habits(names):
    return ["WITH_" + name for name in names.split()]


def cases(model):
    for names, meaning in HABITS.items():
        yield PROOF, meaning, habits(names)
    for label, names in NEEDED[model].items():
        yield TORN, f"without {label}", [f"WITHOUT_{label}", *habits(names)]
    for labels in IN_DEPTH[model]:
        yield PROOF, f"without {labels}, checks in depth", [
            f"WITHOUT_{label}" for label in labels.split()]
    if model == "follow":
        yield TORN, "without ORDER_OF_SLOTS and OLDER", [
            "WITHOUT_ORDER_OF_SLOTS", "WITHOUT_OLDER", "TXNS=5"]
        yield TORN, "a ghost, the known limit", ["WITH_GHOST"]
        yield PROOF, "a ghost, if no frame behind mxFrame is followed", [
            "WITH_GHOST", "WITH_CAP"]
    else:
        yield PROOF, "a ghost", ["WITH_GHOST"]


def examine(case):
    """Whether the case is as it has to be, a line about it, and what was said where it is not."""
    model, wanted, name, definitions = case
    try:
        search = Search(model, definitions, "-O1" if wanted == PROOF else "-O0")
        good = search.is_proof if wanted == PROOF else search.is_torn
        result, details = f"{search.states} states, {search.seconds:.1f} s", search.out
    except (OSError, RuntimeError) as error:
        good, result, details = False, "did not run", str(error)
    return good, f"{model}, {name}: {wanted} ({result})", details


def main(models):
    for tool in (SPIN, CC):
        if not shutil.which(tool):
            print(f"1..0 # SKIP {tool} is not installed")
            return 0
    work = [(model, *case) for model in models or NEEDED for case in cases(model)]
    print(f"1..{len(work)}", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for number, (good, line, details) in enumerate(pool.map(examine, work), 1):
            print(f"{'ok' if good else 'not ok'} {number} - {line}", flush=True)
            if not good:
                failed += 1
                for text in details.splitlines():
                    print(f"# {text}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
