#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The one parser of what tests print: the file "tap" that tests/lab/run leaves in its --out directory.

In that file tests/lab/init frames the output of each program that it was given:

    # lab: test 1: VLPI_HOSTILE_ROUNDS=4 hostile -r hostile.routes_change.while_the_guest_remaps
    # about hostile.routes_change: H4 H5 H11
    # fails on stock 6.1 7.3: hostile.routes_change.while_the_guest_remaps
    TAP version 13
    #  RUN           hostile.routes_change.while_the_guest_remaps ...
    #   14.831 tried: 40 routes changed
    ok 1 hostile.routes_change.while_the_guest_remaps
    # lab: test 1 ended with 0

parse() makes a Program of each, with its Results. A program that was started with -l lists its tests and runs none.
Used by every judge in tests/run, by tests/lab/qemu/report.py, and by tests/lab/run, which calls it as a program:

usage: tap.py FILE     a line a program: its number, how many "ok" it printed and how many "not ok"; neither counts a
                       test that was skipped
"""
import dataclasses
import os
import re
import sys

PASS, FAIL, SKIP = "pass", "fail", "skip"

BEGINS = re.compile(r"# lab: test (\d+): (.*)")
ENDS = re.compile(r"# lab: test (\d+) ended with (\d+)")
RUNS = re.compile(r"#  RUN +(\S+) \.\.\.")
RESULT = re.compile(r"(ok|not ok)(?: +\d+)?(?: +- +| +|$)(.*)")
DIRECTIVE = re.compile(r" *# *(SKIP|TODO|XFAIL)\b *(.*)")
TRIED = re.compile(r"# +[\d.]+ tried: (\d+) (.*)")
ABOUT = re.compile(r"# about (\S+): *(.*)")
STOCK = re.compile(r"# fails (last )?on stock ([^:]*): *(\S+)")
ASSERTION = re.compile(r"# \S+\.c:\d+:[^:]+:(.*)")
NOTE = re.compile(r"# +\d+\.\d{3} (.*)")


@dataclasses.dataclass
class Result:
    """What became of one test."""
    test: str               # its full name, FIXTURE.VARIANT.NAME
    result: str             # PASS, FAIL or SKIP; None: it had begun, and the output ends there
    reason: str = ""        # why it was skipped, as it says
    said: list = dataclasses.field(default_factory=list)      # the lines it printed
    tried: list = dataclasses.field(default_factory=list)     # (number, what was done so often)

    def why(self):
        """Why it was skipped or has failed: its own words rather than the comparison that failed, or its last note."""
        if self.result in (PASS, SKIP):
            return self.reason
        told = [found[1] for found in map(ASSERTION.match, self.said) if found]
        words = [text for text in told if not text.startswith("Expected ")]
        notes = [found[1] for found in map(NOTE.match, self.said) if found]
        seen = re.match(r".*?: (.*) \(see above\)$", words[0]) if words else None
        if seen:
            return "; ".join([note for note in notes if note.startswith(seen[1] + ": ")][:2]) or words[0]
        # The harness itself: "Test terminated by timeout", "... unexpectedly by signal 11".
        ended = [line.strip("# ") for line in self.said if "Test t" in line]
        return (words or told or notes[-1:] or ended or ["?"])[0]


@dataclasses.dataclass
class Program:
    """One TEST of tests/lab/run, and what it printed."""
    number: int = 0                                             # which it was in the boot, from 1
    line: str = ""                                              # the TEST as it was given
    status: int = None                                          # with which it ended; None: it did not
    results: list = dataclasses.field(default_factory=list)
    about: dict = dataclasses.field(default_factory=dict)       # {"FIXTURE.NAME" or "FIXTURE.VARIANT": ["H8", "H21"]}
    stock_fails: list = dataclasses.field(default_factory=list)     # (series, test, whether after all others)
    listed: list = dataclasses.field(default_factory=list)      # the tests that -l lists

    @property
    def words(self):
        """The TEST's words, without the environment (NAME=VALUE) that may come first."""
        words = self.line.split()
        while words and re.match(r"\w+=", words[0]):
            words.pop(0)
        return words

    @property
    def name(self):
        return (self.words or ["?"])[0]

    def count(self, *wanted):
        """How many of its tests ended so."""
        return sum(result.result in wanted for result in self.results)

    def about_test(self, test):
        """The hazards and promises that a test is about; none is an empty list. See ABOUT_VARIANT in tests/lib/harness.h."""
        fixture, *variant, name = test.split(".")
        for key in (".".join([fixture, *variant]) if variant else None, f"{fixture}.{name}"):
            if key in self.about:
                return self.about[key]
        return []


class Listing:
    """What -l prints: columns of fixtures, variants and tests; each fixture's variants and tests are to be multiplied."""
    def __init__(self):
        self.fixtures = []

    @staticmethod
    def column(text, width):
        """The first word of a text, which fills @width at least and may be empty; and what follows."""
        word = "" if text.startswith(" ") else text.split(" ")[0]
        return word, text[max(len(word), width) + 1:]

    def read(self, line):
        if line.startswith(("--", "#", "TAP")) or not line.strip():
            return
        fixture, rest = self.column(line, 20)
        variant, test = self.column(rest, 25)
        if fixture:
            self.fixtures.append((fixture, [], []))
        if self.fixtures:
            _, variants, tests = self.fixtures[-1]
            variants += filter(None, [variant])
            tests += filter(None, [test.strip()])

    def tests(self):
        return [".".join(filter(None, (fixture, variant, test)))
                for fixture, variants, tests in self.fixtures for variant in variants or [""] for test in tests]


def parse(text):
    """[Program], in the order in which they ran."""
    programs, program, running, listing = [], None, None, None
    for line in text.splitlines():
        if found := BEGINS.match(line):
            program, running = Program(int(found[1]), found[2]), None
            listing = Listing() if program.words[1:] == ["-l"] else None
            programs.append(program)
        elif not program:
            continue
        elif found := ENDS.match(line):
            program.status, program, running = int(found[2]), None, None
        elif found := ABOUT.match(line):
            program.about[found[1]] = found[2].split()
        elif found := STOCK.match(line):
            program.stock_fails += [(series, found[3], bool(found[1])) for series in found[2].split()]
        elif listing:
            listing.read(line)
            program.listed = listing.tests()
        elif found := RUNS.match(line):
            running = Result(found[1], None)
            program.results.append(running)
        elif found := RESULT.match(line):
            if not running:
                running = Result("", None)
                program.results.append(running)
            end_test(running, found)
            running = None
        elif running:
            running.said.append(line)
            if found := TRIED.match(line):
                running.tried.append((int(found[1]), found[2]))
    return programs


def end_test(test, found):
    """Puts the line of its result, as RESULT has @found it, into a test."""
    directive = DIRECTIVE.search(found[2])
    test.test = DIRECTIVE.sub("", found[2]).strip()
    test.result = PASS if found[1] == "ok" else FAIL
    if directive:
        test.result, test.reason = SKIP, directive[2]


def read(directory):
    """[Program] of a directory of results; none where the machine did not get so far."""
    try:
        with open(os.path.join(directory, "tap"), encoding="utf-8", errors="replace") as file:
            return parse(file.read())
    except FileNotFoundError:
        return []


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
        for program in parse(file.read()):
            print(program.number, program.count(PASS), program.count(FAIL))


if __name__ == "__main__":
    main()
