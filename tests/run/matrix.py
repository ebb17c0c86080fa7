# SPDX-License-Identifier: GPL-2.0-only
"""What tests/run/check-matrix and tests/run/matrix-table share: results, hazards, and the table of both.

A result is a line of tab-separated fields, under a first line with their names:
  kernel   as tests/run/check-matrix --kernel has it, e.g. 6.1/rt
  mode     module or stock
  release  what uname -r says, and Debian's version of the package
  commit   the state of this tree that was measured
  boot     of tests/run/suite; "-" where the kernel cannot be used at all
  program, test
           or "-" and "run": the kernel log and the ITS trace of this boot
  result   pass, fail, skip; panic, hang: the host's, while this test ran; unrun, with --stock: another test of its
           fixture had failed before
  detail   why, or which
"""
import fcntl
import os
import re
import shlex

FIELDS = ("kernel", "mode", "release", "commit", "boot", "program", "test", "result", "detail")
# Hazards, and promises that a test is about without a hazard.
HAZARDS = ["H%d" % n for n in range(1, 28)] + ["P%d" % n for n in range(1, 7)]
BAD = ("fail", "panic", "hang")
# Those of tests/run/check.
BASE = ("6.1", "6.12", "7.3")
RUN = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(RUN)
# Elsewhere for tests/run/selftest.
SUITE = os.environ.get("VLPI_SUITE", os.path.join(RUN, "suite"))
HAZARDS_OF = os.environ.get("VLPI_HAZARDS", os.path.join(RUN, "hazards"))


def lines(path):
    """The lines of a table as words, without comments."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].split()
            if words:
                yield words


def suite(mode, kernel):
    """What is run on a kernel: {boot: (options, [program])}"""
    boots = {}
    for program, boot, where, *options in lines(SUITE):
        where, _, module = where.partition(",")
        if where in ("debug", "soak") or (mode == "stock" and module) or (where == "base" and kernel not in BASE):
            continue
        boots.setdefault(boot, (shlex.split(" ".join(options)), []))[1].append(program)
    if mode == "stock":
        boots = {boot: it for boot, it in boots.items() if not any("vlpi_broker." in word for word in it[0])}
    return boots


class Hazards:
    def __init__(self, path=HAZARDS_OF):
        self.prefixes = {}
        for program, prefix, *hazards in lines(path):
            for hazard in hazards:
                if hazard not in HAZARDS:
                    raise SystemExit(f"{path}: {program} {prefix}: {hazard} is no hazard")
            self.prefixes[program, prefix] = hazards

    def of(self, program, test):
        """Of the longest prefix that fits; none is an empty list."""
        words = test.split(".")
        for n in range(len(words), 0, -1):
            hazards = self.prefixes.get((program, ".".join(words[:n])))
            if hazards:
                return hazards
        return []


def read(path):
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    if not rows or tuple(rows[0]) != FIELDS:
        raise SystemExit(f"{path}: its first line has to be {' '.join(FIELDS)}, with tabs")
    return [dict(zip(FIELDS, row)) for row in rows[1:]]


def write(path, results):
    with open(path + ".new", "w", encoding="utf-8") as file:
        for row in [dict(zip(FIELDS, FIELDS))] + results:
            file.write("\t".join(re.sub(r"\s+", " ", row[field]) for field in FIELDS) + "\n")
    os.rename(path + ".new", path)


def kernel_key(kernel):
    """Series in order; within one the plain kernel first."""
    series, _, flavour = kernel.partition("/")
    return [int(n) for n in series.split(".")], flavour


def kernels(results):
    return sorted({row["kernel"] for row in results}, key=kernel_key)


def by_hazard(results, hazards):
    """{(hazard, kernel): [result]}, a test once in each of its hazards; and the runs under "run"."""
    cells = {}
    for row in results:
        if row["program"] == "-":
            names = ["run"]
        else:
            names = hazards.of(row["program"], row["test"])
        for name in names:
            cells.setdefault((name, row["kernel"]), []).append(row)
    return cells


def untested(columns, *tables):
    """The hazards of which none of these tables, of by_hazard(), has a result."""
    return [name for name in HAZARDS if name.startswith("H")
            and not any((name, kernel) in cells for cells in tables for kernel in columns)]


def count(rows, *wanted):
    return sum(row["result"] in wanted for row in rows)


def verdict(rows):
    """What became of some tests, short enough for a cell."""
    if not rows:
        return "-"
    bad = count(rows, *BAD)
    if not bad:
        return "skipped" if count(rows, "skip") == len(rows) else "holds"
    how = "".join(" " + way for way in ("panic", "hang") if count(rows, way))
    unrun = count(rows, "unrun")
    return f"{bad} of {len(rows) - unrun} fail{how}" + (f" ({unrun} not run)" if unrun else "")


def grid(head, rows):
    """Columns as wide as they need."""
    wide = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, wide)).rstrip()
            for row in [head, ["-" * width for width in wide]] + rows]


def text_table(results, hazards):
    """Hazard by kernel, passed/failed/skipped; then what failed or was skipped, and why."""
    columns, cells, out = kernels(results), by_hazard(results, hazards), []
    body = []
    for name in HAZARDS + ["run"]:
        if any((name, kernel) in cells for kernel in columns):
            parts = [cells.get((name, kernel), []) for kernel in columns]
            body.append(["log, ITS" if name == "run" else name] +
                        [f"{count(p, 'pass')}/{count(p, *BAD)}/{count(p, 'skip')}" if p else "-" for p in parts])
    out += grid(["passed/failed/skipped"] + columns, body)
    without = untested(columns, cells)
    if without:
        out += ["", "no test of " + " ".join(without)]
    for title, wanted in (("failed", BAD), ("skipped", ("skip",))):
        told = [row for row in results if row["result"] in wanted]
        if told:
            out += ["", title + ":"]
            out += [f"  {row['kernel']}: {row['program']} {row['test']}: "
                    + ("" if row["result"] in ("fail", "skip") else row["result"] + " ") + (row["detail"] or "no reason")
                    for row in told]
    return "\n".join(out)


def cell(text):
    return text.replace("|", "\\|")


def stock_says(rows):
    """What the stock kernel did in the first test that it failed worst."""
    worst = max((row for row in rows if row["result"] in BAD), key=lambda row: BAD.index(row["result"]), default=None)
    if not worst:
        return None
    how = {"panic": "the host panics: ", "hang": "the host hangs", "fail": ""}[worst["result"]]
    return f"`{worst['program']} {worst['test']}`: {how}{worst['detail']}"


def markdown(results, hazards):
    """docs/kernels.md"""
    columns = kernels(results)
    stock = by_hazard([row for row in results if row["mode"] == "stock"], hazards)
    broker = by_hazard([row for row in results if row["mode"] == "module"], hazards)
    release = {}
    for row in results:
        if row["release"] != "-":
            release[row["kernel"]] = row["release"]
    no_use = {row["kernel"]: row["detail"] for row in results if row["test"] == "all"}
    out = ["# Kernels and hazards", "",
           "Written by `tests/run/matrix-table` from `docs/kernels.tsv`, which `make check-matrix` (with the module) and",
           "`tests/run/check-matrix --stock --record` (without) have measured on emulated GICv4.0 hosts. Do not edit it.", "",
           "Hazards are numbered as in the project's design. A cell has what the stock kernel does / what the broker does:",
           "`holds` when all tests of the hazard that could run there pass, else how many of them fail, and whether one of",
           "them makes the host itself panic or hang; `-` where there was no such run. A stock kernel that has failed a test",
           "is broken for what comes after it: the other tests of the same fixture are not run there, and the next fixture",
           "gets a host of its own.", ""]
    out += ["| kernel | release, Debian's version | commits measured, stock / broker |", "| --- | --- | --- |"]
    for kernel in columns:
        commits = [" ".join(sorted({row["commit"] for row in results if (row["kernel"], row["mode"]) == (kernel, mode)}))
                   for mode in ("stock", "module")]
        out.append(f"| {kernel} | {' '.join(filter(None, (release.get(kernel), no_use.get(kernel) and f'({no_use[kernel]})')))}"
                   f" | {' / '.join(text or '-' for text in commits)} |")
    columns = [kernel for kernel in columns if kernel not in no_use]
    for title, wanted in (("Series", ""), ("Flavours and modes", "/")):
        some = [kernel for kernel in columns if ("/" in kernel) == bool(wanted)]
        if some:
            out += ["", f"## {title}", "", "| hazard | " + " | ".join(some) + " |", "| --- |" + " --- |" * len(some)]
            for name in HAZARDS:
                if any((name, kernel) in stock or (name, kernel) in broker for kernel in some):
                    out.append(f"| {name} | " + " | ".join(
                        f"{verdict(stock.get((name, kernel), []))} / {verdict(broker.get((name, kernel), []))}"
                        for kernel in some) + " |")
    without = untested(columns, stock, broker)
    if without:
        out += ["", f"Not in these boots: {' '.join(without)}, for want of the kernel's instruments; `make check-debug` and "
                    "docs/faults.md have what needs them."]
    out += ["", "## What the stock kernel does", "",
            "Of each hazard the worst that was seen: the test, and what it said.", "", "| hazard | kernel | seen |",
            "| --- | --- | --- |"]
    for name in HAZARDS:
        for kernel in columns:
            seen = stock_says(stock.get((name, kernel), []))
            if seen:
                out.append(f"| {name} | {kernel} | {cell(seen)} |")
    missing = {}
    for kernel, mode in sorted({(row["kernel"], row["mode"]) for row in results if row["kernel"] in columns},
                               key=lambda it: (kernel_key(it[0]), it[1])):
        for boot in unmeasured(results, mode, kernel):
            missing.setdefault((mode, boot), []).append(kernel)
    logs = [(kernel, row) for kernel in columns for row in stock.get(("run", kernel), []) if row["detail"]]
    if logs:
        out += ["", "Over whole boots of the stock kernel, the kernel log and the ITS command stream:", ""]
        out += [f"- {kernel}, {row['boot']}: {row['detail']}" for kernel, row in logs]
    bad = [row for row in results if row["mode"] == "module" and row["result"] in BAD]
    if bad:
        out += ["", "## What fails with the broker", ""]
        out += [f"- {row['kernel']}: `{row['program']} {row['test']}`: {row['result']}: {row['detail']}" for row in bad]
    skips = {}
    for row in results:
        if row["result"] == "skip" and row["test"] != "all":
            where = skips.setdefault((row["program"], row["test"], row["detail"]), {}).setdefault(row["mode"], [])
            # Once, in however many boots.
            if row["kernel"] not in where:
                where.append(row["kernel"])
    if skips:
        out += ["", "## Skipped, and why", ""]
        out += [f"- `{program} {test}`: {detail} ("
                + "; ".join(f"{'stock' if mode == 'stock' else 'broker'}: {', '.join(where)}" for mode, where in modes.items())
                + ")" for (program, test, detail), modes in skips.items()]
    if missing:
        out += ["", "## Not measured yet", "", "Boots of `tests/run/suite` that the table above is without, or without a program of:", ""]
        out += [f"- {mode}, {boot}: {', '.join(where)}" for (mode, boot), where in missing.items()]
    return "\n".join(out) + "\n"


def unmeasured(results, mode, kernel):
    """The boots of tests/run/suite some program of which has no result there."""
    rows = [row for row in results if (row["kernel"], row["mode"]) == (kernel, mode)]
    if any(row["test"] == "all" for row in rows):
        return []
    done = {(row["boot"], row["program"]) for row in rows}
    return [boot for boot, (_, programs) in suite(mode, kernel).items()
            if any((boot, program) not in done for program in programs)]


def measured(row):
    """What is replaced as a whole when it is measured anew."""
    return row["kernel"], row["mode"], row["boot"]


def recorded(docs):
    """What docs/kernels.tsv has, which need not be there."""
    path = os.path.join(docs, "kernels.tsv")
    return read(path) if os.path.exists(path) else []


def record(docs, results):
    """Put results into docs/kernels.tsv in place of older ones of the same boots, and write kernels.md."""
    os.makedirs(docs, exist_ok=True)
    directory = os.open(docs, os.O_RDONLY)
    try:
        # Others may record at the same time.
        fcntl.flock(directory, fcntl.LOCK_EX)
        merge(docs, results)
    finally:
        os.close(directory)


def merge(docs, results):
    """What record() does, under its lock."""
    old, new = [], {measured(row) for row in results}
    # A kernel that cannot be used has no other row, and one that was used has no such row any more.
    unusable = {key[:2] for key in new if key[2] == "-"}
    used = {key[:2] for key in new} - unusable
    for row in recorded(docs):
        key = measured(row)
        if key not in new and key[:2] not in unusable and not (key[2] == "-" and key[:2] in used):
            old.append(row)
    results = sorted(old + results, key=lambda row: (kernel_key(row["kernel"]), row["mode"], row["boot"]))
    write(os.path.join(docs, "kernels.tsv"), results)
    with open(os.path.join(docs, "kernels.md"), "w", encoding="utf-8") as file:
        file.write(markdown(results, Hazards()))
