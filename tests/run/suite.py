# SPDX-License-Identifier: GPL-2.0-only
"""The suite: the table tests/run/suite, and what its programs say of their tests when they are started with -l.

For tests/run/check, check-debug, check-matrix and record.
"""
import dataclasses
import os
import re
import shlex

import machine

# The kernels of tests/run/check, from the oldest to the newest.
BASE = ("6.1", "6.12", "7.3")
WHERE = ("all", "ends", "oldest", "newest", "base", "matrix", "debug", "soak")


def hazard_key(name):
    """For sorting H2, H10, P1 ..., the numbers of docs/design.md; other names come last."""
    found = re.fullmatch(r"([HP])(\d+)", name)
    return (found[1], int(found[2])) if found else ("~", 0)


class Suite:
    """The table of a directory like tests/."""
    def __init__(self, tests=machine.TESTS):
        self.path = os.path.join(tests, "run", "suite")
        self.options = {}       # {boot: [option of tests/lab/run]}
        self.where = {}         # {boot: where}
        self.programs = {}      # {program: {boot: where}}
        with open(self.path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = shlex.split(line, comments=True)
                if words[:1] == ["boot"]:
                    self.read_boot(number, *words[1:])
                elif words:
                    self.read_program(number, *words)
        self.module_only = self.check_files(tests)

    def wrong(self, number, text):
        raise machine.Error(f"{self.path}:{number}: {text}")

    def read_boot(self, number, name="", where="", *options):
        if where not in WHERE:
            self.wrong(number, f"a boot is {', '.join(WHERE[:-1])} or {WHERE[-1]}, not \"{where}\"")
        if name in self.where:
            self.wrong(number, f"there is a boot {name} already")
        self.where[name], self.options[name] = where, list(options)

    def read_program(self, number, name, *boots):
        if name in self.programs:
            self.wrong(number, f"there is a line of {name} already")
        if not boots:
            self.wrong(number, f"{name} is in no boot")
        self.programs[name] = {}
        for word in boots:
            boot, _, where = word.partition(":")
            if boot not in self.where:
                self.wrong(number, f"{name} is in the boot {boot}, which has no line above")
            if where and where not in WHERE:
                self.wrong(number, f"{word}: \"{where}\" is none of {', '.join(WHERE)}")
            self.programs[name][boot] = where or self.where[boot]

    def check_files(self, tests):
        """The set of programs that are about the module itself. Each program is a file, and each file has a line."""
        files = {kind: {name[:-2] for name in os.listdir(os.path.join(tests, kind)) if name.endswith(".c")}
                 for kind in ("kvm", "module")}
        for name in self.programs:
            if name not in files["kvm"] | files["module"]:
                raise machine.Error(f"{self.path}: {name} has a line, but no file {name}.c in tests/kvm or tests/module")
        for kind, names in files.items():
            for name in sorted(names - set(self.programs)):
                raise machine.Error(f"tests/{kind}/{name}.c has no line in {self.path}: name the boots that it is to run in")
        return files["module"]

    def boots(self, wheres, stock=False):
        """What is to run where the table says one of @wheres: {boot: [program]}, in the order of the table."""
        boots = {}
        for boot, options in self.options.items():
            if stock and any("vlpi_broker." in word for word in options):
                continue
            programs = [name for name, its in self.programs.items()
                        if its.get(boot) in wheres and not (stock and name in self.module_only)]
            if programs:
                boots[boot] = programs
        return boots

    def check_boots(self, kernel, kernels):
        """Those of tests/run/check on one of its kernels."""
        wheres = ["all"]
        if kernel == kernels[0]:
            wheres += ["ends", "oldest"]
        if kernel == kernels[-1]:
            wheres += ["ends", "newest"]
        return self.boots(wheres)

    def matrix_boots(self, kernel, stock):
        """Those of tests/run/check-matrix on a kernel: on one with a GIC of its own, not those that have theirs."""
        boots = self.boots(["all", "ends", "oldest", "newest", "matrix"] + (["base"] if kernel in BASE else []), stock)
        return {name: programs for name, programs in boots.items() if "/gic" not in kernel or "--gic" not in self.options[name]}


@dataclasses.dataclass
class Test:
    """What a program says of one of its tests."""
    program: str
    name: str
    about: list                 # the hazards and promises that it is for


class Tests:
    """All tests of some programs, as one short boot has listed them."""
    def __init__(self, programs):
        self.programs = list(programs)
        self.tests = {name: [] for name in programs}    # {program: [Test]}
        self.stock = []                                 # (series, whether after all others, Test)
        self.complaints = []                            # sentences: what a program should say and does not

    def read(self, boot):
        """Takes what the programs have printed in a list_boot()."""
        if boot.status == 2:
            raise machine.Error(f"the tests cannot be listed: {'; '.join(boot.said('error:')) or f'see {boot.directory}'}")
        for program in boot.programs:
            tests = {name: Test(program.name, name, program.about_test(name)) for name in program.listed}
            self.tests[program.name] = list(tests.values())
            for series, name, last in program.stock_fails:
                if name in tests:
                    self.stock.append((series, last, tests[name]))
                else:
                    self.complaints.append(f"{program.name} must fail on stock {series} in {name}, which is none of its tests")
        for name, tests in self.tests.items():
            if not tests:
                self.complaints.append(f"{name} -l lists no test; see {boot.directory}")
            for test in tests:
                if not test.about:
                    self.complaints.append(f"{name} does not say what its test {test.name} is about")
        return self

    def hazards(self):
        """All that some test is about, in order."""
        return sorted({hazard for tests in self.tests.values() for test in tests for hazard in test.about}, key=hazard_key)

    def stock_fails(self, series):
        """[Test] that must fail on a stock kernel, those that harm the host most at the end."""
        of_series = [(last, test) for its, last, test in self.stock if its == series]
        return [test for last, test in of_series if not last] + [test for last, test in of_series if last]


def list_boot(directory, programs, kernel=BASE[-1]):
    """The boot whose results Tests.read() takes; without the module, on any kernel."""
    return machine.Boot(directory, ["--kernel", kernel, "--stock", "--timeout", "300",
                                    *(f"{program} -l" for program in programs)])
