#!/usr/bin/env python3
"""Searches the Spin models of the lock-free strategies, every order of events within their bounds;
then the same models with one check left out after the other, which must go wrong: a model that
cannot fail proves nothing. Prints TAP.

    check_model.py [MODEL...]     # follow, retry_verify; needs spin and a C compiler
"""

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
MEMORY_MIB = 900
DEPTH = 100000

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


def without(*labels):
    return ["WITHOUT_" + label for label in labels]


def follow_cases():
    yield PROOF, "every check", []
    for label in range(1, 15):
        yield TORN, f"without F{label}", without(f"F{label}")
    for label in ("PREFIX_FIRST", "ORDER_OF_SLOTS", "OLDER", "HEADER_AGAIN"):
        yield PROOF, f"without {label}, which is there in depth", without(label)
    yield TORN, "without ORDER_OF_SLOTS and OLDER", without("ORDER_OF_SLOTS", "OLDER")
    yield TORN, "with a ghost, the known limit", ["WITH_GHOST"]
    yield PROOF, "with a ghost, following no further than the wal-index", ["WITH_GHOST", "WITH_CAP"]


def retry_verify_cases():
    yield PROOF, "every check", []
    for label in range(1, 9):
        yield TORN, f"without R{label}", without(f"R{label}")
    yield PROOF, "with a ghost", ["WITH_GHOST"]


CASES = {"follow": follow_cases, "retry_verify": retry_verify_cases}


def main(arguments):
    for tool in (SPIN, CC):
        if not shutil.which(tool):
            print(f"1..0 # SKIP {tool} is not installed")
            return 0
    count = failed = 0
    for model in arguments or CASES:
        for wanted, name, definitions in CASES[model]():
            count += 1
            try:
                search = Search(model, definitions, "-O2" if wanted == PROOF else "-O0")
                good = search.is_proof if wanted == PROOF else search.is_torn
                result = f"{search.states} states, {search.seconds:.1f} s"
                details = search.out
            except (OSError, RuntimeError) as error:
                good, result, details = False, "did not run", str(error)
            print(f"{'ok' if good else 'not ok'} {count} - {model}, {name}: {wanted} ({result})",
                  flush=True)
            if not good:
                failed += 1
                for line in details.splitlines():
                    print(f"# {line}", file=sys.stderr, flush=True)
    print(f"1..{count}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
