# SPDX-License-Identifier: GPL-2.0-only
"""The results of tests/run/check-matrix: rows in its --out directory, which are not committed, and what is made of them.

results.tsv has a result a line, tab-separated, under a first line with the names of the fields:
  kernel   as tests/run/check-matrix --kernel has it, e.g. 6.1/rt
  mode     module or stock
  release  what uname -r says, and Debian's version of the package
  commit   the state of this tree that was measured, "-dirty" where there was more than that
  boot     of tests/run/suite; "-" where the kernel cannot be used at all
  program, test
           or "-" and "run": the kernel log and the ITS trace of this boot
  about    the hazards and promises that the test is for
  result   pass, fail, skip; panic, hang: the host's, while this test ran; unrun, with --stock: another test of its
           fixture had failed before
  detail   why, or which
tests.tsv has all tests of the suite, measured or not: program, test, about.
For tests/run/check-matrix and tests/run/record.
"""
import os
import re

import machine
import suite

FIELDS = ("kernel", "mode", "release", "commit", "boot", "program", "test", "about", "result", "detail")
TEST_FIELDS = ("program", "test", "about")
BAD = ("fail", "panic", "hang")
# In place of a hazard: the kernel log and the ITS trace.
LOG = "log"


def read(path, fields=FIELDS):
    """[{field: text}]"""
    try:
        with open(path, encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
    except FileNotFoundError as error:
        raise machine.Error(f"there is no {path}") from error
    if not rows or tuple(rows[0]) != fields:
        raise machine.Error(f"{path}: its first line has to be {' '.join(fields)}, with tabs")
    return [dict(zip(fields, row)) for row in rows[1:]]


def write(path, rows, fields=FIELDS):
    with open(path + ".new", "w", encoding="utf-8") as file:
        for row in [dict(zip(fields, fields)), *rows]:
            file.write("\t".join(re.sub(r"\s+", " ", row[field]) for field in fields) + "\n")
    os.rename(path + ".new", path)


def kernel_key(kernel):
    """For sorting: series in order; within one the plain kernel first."""
    series, _, variant = kernel.partition("/")
    return [int(n) for n in series.split(".")], variant


def hazards_of(row):
    """What a row counts for."""
    return [LOG] if row["program"] == "-" else row["about"].split()


def count(rows, *wanted):
    return sum(row["result"] in wanted for row in rows)


def verdict(rows):
    """What became of the tests of a hazard, short enough for a cell."""
    if not rows:
        return "-"
    passed, bad, unrun = count(rows, "pass"), count(rows, *BAD), count(rows, "unrun")
    skipped = f", {count(rows, 'skip')} skipped" if count(rows, "skip") else ""
    not_run = f" ({unrun} not run)" if unrun else ""
    if not bad:
        return f"{passed} pass{skipped}{not_run}" if passed else f"skipped{not_run}"
    how = "".join(f", {way}" for way in ("panic", "hang") if count(rows, way))
    return f"{bad} of {len(rows) - unrun} fail{how}{skipped}{not_run}"


def grid(head, rows):
    """Columns as wide as they need."""
    wide = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, wide)).rstrip()
            for row in [head, ["-" * width for width in wide]] + rows]


def text_table(rows, hazards):
    """Hazard by kernel, passed/failed/skipped; then which of @hazards had no test, and what failed or was skipped, and why."""
    columns = sorted({row["kernel"] for row in rows}, key=kernel_key)
    cells = {}
    for row in rows:
        for name in hazards_of(row):
            cells.setdefault((name, row["kernel"]), []).append(row)
    body = []
    for name in sorted({name for name, _ in cells}, key=suite.hazard_key):
        parts = [cells.get((name, kernel), []) for kernel in columns]
        body.append(["log, ITS" if name == LOG else name] +
                    [f"{count(p, 'pass')}/{count(p, *BAD)}/{count(p, 'skip')}" if p else "-" for p in parts])
    out = grid(["passed/failed/skipped"] + columns, body)
    untested = [name for name in hazards if name not in {name for name, _ in cells}]
    if untested:
        out += ["", "no test of " + " ".join(untested)]
    for title, wanted in (("failed", BAD), ("skipped", ("skip",))):
        told = [row for row in rows if row["result"] in wanted]
        if told:
            out += ["", title + ":"]
            out += [f"  {row['kernel']}: {row['program']} {row['test']}: "
                    + ("" if row["result"] in ("fail", "skip") else row["result"] + " ") + (row["detail"] or "no reason")
                    for row in told]
    return "\n".join(out)
