# SPDX-License-Identifier: GPL-2.0-only
"""Boots of the lab, two at a time, and what is told of them: for tests/run/check and its kin.

    @machine.command                                   # ends well on SIGTERM, and with exit status 2 on machine.Error
    def main():
        report = machine.Report("check")
        out = machine.results(args.out, "check")       # the directory where results are kept
        boots = [machine.Boot(f"{out}/host-6.1", ["--kernel", "6.1", "--module", "--igb", "signal", "wired"])]
        for boot in machine.run(boots, report):        # as they end
            machine.judge(report, boot, "6.1 host")    # "ok - 6.1 host: ..." for each test
        return report.end()                            # "N passed, N failed", and the exit status

A Boot knows what the lab left of it: status, tap (tests/run/tap.py), said(), text(). What takes several boots one after
the other is a function that calls boot.run() itself; side_by_side() runs any functions.
"""
import concurrent.futures
import functools
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

import tap

RUN = os.path.dirname(os.path.abspath(__file__))
# Another directory like tests/, with run/{suite,need}, lab/run, kvm/ and module/: made up by tests/run/selftest.
TESTS = os.environ.get("VLPI_TESTS", os.path.dirname(RUN))
# Each machine has two busy CPUs when its sources fire; but most of a boot waits, and two are faster than one.
JOBS = 2
# What stands behind the series in the name of a machine, as 7.3-debug or 6.1/rt; others are flavours of the lab as they are.
VARIANTS = {
    "": [],
    "rt": ["--flavour", "rt-arm64"],
    "cloud": ["--flavour", "cloud-arm64"],
    "16k": ["--flavour", "arm64-16k"],
    "nvhe": ["--append", "kvm-arm.mode=nvhe"],
    "gic4.1": ["--gic", "4.1"],
    "gic4.1-vsgi": ["--gic", "4.1", "--vsgi"],
    "debug": ["--flavour", "debug"],
    "kcsan": ["--flavour", "kcsan"],
}


class Error(Exception):
    """What ends a command of tests/run: a sentence."""


def command(main):
    """A decorator: main() is all of a command; its exit status is what main() returns."""
    @functools.wraps(main)
    def run_command():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            sys.exit(main())
        except Error as error:
            print(f"{os.path.basename(sys.argv[0])}: error: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            sys.exit(130)
    return run_command


def options(machine):
    """The options of tests/lab/run for a machine: 6.1, 6.1/rt, 7.3-debug, 7.3/gic4.1-vsgi."""
    series, _, variant = re.sub("/", "-", machine, count=1).partition("-")
    if variant not in VARIANTS:
        raise Error(f"{machine}: no such variant, only {', '.join(filter(None, VARIANTS))}")
    return ["--kernel", series, *VARIANTS[variant]]


def need_root():
    if os.geteuid():
        raise Error("must be root (for apt-get, mmdebstrap and chroot)")


def need(*packages):
    """Installs what this machine lacks; each is COMMAND-OR-FILE=PACKAGE, as tests/run/need has it."""
    if subprocess.call([os.path.join(TESTS, "run", "need"), *packages]):
        raise Error("this machine lacks packages that cannot be installed (see above)")


def results(out, name):
    """The absolute path of the directory where results are kept: @out, or a new one."""
    if not out:
        return tempfile.mkdtemp(prefix=f"vlpi-{name}.")
    os.makedirs(out, exist_ok=True)
    return os.path.abspath(out)


class Report:
    """What is told on standard output while things go on, and the count of it."""
    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()

    def _print(self, text):
        with self.lock:
            print(text, flush=True)

    def say(self, text):
        self._print(f"{self.name}: {text}")

    def ok(self, text):
        self.passed += 1
        self._print(f"ok - {text}")

    def not_ok(self, text):
        self.failed += 1
        self._print(f"not ok - {text}")

    def skip(self, text, reason):
        self.skipped += 1
        self._print(f"ok - {text} # SKIP {reason}")

    def lines(self, texts):
        """Things as they were printed by others, above a "not ok"."""
        for text in texts:
            self._print(text)

    def end(self):
        """The last line; returns the exit status."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        self._print(f"{self.passed} passed, {self.failed} failed{skipped}")
        return int(self.failed > 0)


# The labs that run now. Once stopping is set, none is started any more.
_running, _stopping, _lock = set(), threading.Event(), threading.Lock()


def call(command, log):
    """Runs a command, its output to a file; returns its exit status. It is ended with this program."""
    with open(log, "wb") as file:
        with _lock:
            if _stopping.is_set():
                raise Error("stopped")
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
            _running.add(process)
        try:
            return process.wait()
        finally:
            with _lock:
                _running.discard(process)


def stop():
    """Ends what call() has started: the lab cleans up after itself."""
    with _lock:
        _stopping.set()
        for process in _running:
            process.terminate()


class Boot:
    """One call of tests/lab/run, and what it left in its directory."""
    def __init__(self, directory, arguments):
        self.directory, self.arguments = directory, list(arguments)
        self.name = os.path.basename(directory)
        self.status = None      # the lab's exit status; None: it has not run
        self.programs = []      # of tap.read()

    def run(self, report=None):
        """Boots the machine and waits for its end. Returns the boot itself."""
        os.makedirs(self.directory, exist_ok=True)
        if report:
            report.say(f"{self.name}: begins")
        self.status = call([os.path.join(TESTS, "lab", "run"), "--out", self.directory, *self.arguments],
                           os.path.join(self.directory, "run.log"))
        self.programs = tap.read(self.directory)
        if report:
            report.say(f"{self.name}: ended with {self.status}")
        return self

    def text(self, name):
        """A file of the results; empty where there is none."""
        try:
            with open(os.path.join(self.directory, name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def lab(self):
        """What the lab itself said, a list of lines."""
        return [line[5:] for line in self.text("run.log").splitlines() if line.startswith("lab: ")]

    def said(self, start):
        """Those lines that begin so, without it: said("FAIL:")."""
        return [line[len(start):].strip() for line in self.lab() if line.startswith(start)]

    def results(self):
        """(program, tap.Result) of each test, in the order in which they ran."""
        return [(program, result) for program in self.programs for result in program.results]

    def came_to_the_tests(self):
        return "ready" in self.text("verdict").splitlines()

    def came_to_its_end(self):
        return "end" in self.text("verdict").splitlines()


def side_by_side(tasks, jobs=JOBS):
    """Calls functions without arguments, in this order, @jobs at a time; yields what they return, as they end."""
    pool = concurrent.futures.ThreadPoolExecutor(jobs)
    try:
        for future in concurrent.futures.as_completed([pool.submit(task) for task in tasks]):
            yield future.result()
    except BaseException:
        stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def run(boots, report=None, jobs=JOBS):
    """Runs boots in this order, @jobs at a time; yields them as they end."""
    return side_by_side([functools.partial(boot.run, report) for boot in boots], jobs)


def run_labelled(boots, report=None, jobs=JOBS):
    """As run(), of a dict of boots; yields (label, boot)."""
    labels = {boot: label for label, boot in boots.items()}
    for boot in run(boots.values(), report, jobs):
        yield labels[boot], boot


def judge(report, boot, label):
    """A line of the report for each test, and one for the machine: its kernel log and its ITS trace."""
    for _, result in boot.results():
        if result.result == tap.PASS:
            report.ok(f"{label}: {result.test}")
        elif result.result == tap.SKIP:
            report.skip(f"{label}: {result.test}", result.reason)
        elif result.result == tap.FAIL:
            report.not_ok(f"{label}: {result.test}: {result.why()}")
        else:
            report.not_ok(f"{label}: {result.test}: the machine went while it ran")
    if boot.status == 0:
        report.ok(f"{label}: the kernel log is clean, and never two host IRQs on one vLPI in the ITS trace")
    else:
        report.lines(f"lab: {line}" for line in boot.lab()[-12:])
        report.not_ok(f"{label}: the run as a whole; see {boot.directory}")
