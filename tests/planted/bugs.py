# SPDX-License-Identifier: GPL-2.0-only
"""The planted bugs, their heads, and how one gets into a copy of the module: see README.md.

For tests/planted/apply, and for the judges that have to know what a bug is to be seen by.
"""
import dataclasses
import difflib
import glob
import os
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("suite", "debug", "arbiter", "scale")
NEED = os.path.join(os.path.dirname(HERE), "run", "need")
WITNESSES = ("tap", "log", "its")
# Comments, strings and characters of C.
LEXEMES = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.S)
# What spatch asks of each name of the code in a rule: those names are meant as they are.
NAMES = re.compile(r"warning: .*should \S+ be a metavariable\?")


class Error(Exception):
    """Why a bug cannot be planted: a sentence."""


@dataclasses.dataclass
class Bug:
    """A file of tests/planted, or another like it."""
    name: str           # suite/04-nobody-is-promoted
    file: str
    breaks: str         # a sentence
    places: int         # in how many places the code changes
    # Of those in suite and debug. README.md says what each is.
    hazard: str = ""
    kernel: str = ""
    red: list = dataclasses.field(default_factory=list)
    lab: list = dataclasses.field(default_factory=list)     # words
    witness: str = ""
    says: str = ""


def head_of(file, name):
    """The lines "// Key: value" that a file begins with: {key: [value]}."""
    head = {}
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("//"):
                break
            key, colon, value = line[2:].strip().partition(":")
            if not colon or not value.strip():
                raise Error(f"{name}: \"{line.strip()}\" is no line of a head")
            head.setdefault(key, []).append(value.strip())
    return head


def read(file):
    """The Bug in a file."""
    name = "/".join(os.path.splitext(os.path.abspath(file))[0].split("/")[-2:])
    head = head_of(file, name)
    red = head.pop("Red", [])
    for key, values in head.items():
        if len(values) > 1:
            raise Error(f"{name}: its head has two lines {key}")
    head = {key: values[0] for key, values in head.items()}
    head.pop("SPDX-License-Identifier", None)
    bug = Bug(name, file, head.pop("Breaks", ""), head.pop("Places", "1"), head.pop("Hazard", ""), head.pop("Kernel", ""),
              red, head.pop("Lab", "").split(), head.pop("Why-red", ""), head.pop("Says", ""))
    if head:
        raise Error(f"{name}: its head has a line {', '.join(head)}, which is unknown")
    if not bug.breaks or not name.startswith(("arbiter/", "scale/")) and not (bug.hazard and bug.kernel and bug.red):
        raise Error(f"{name}: its head lacks one of Breaks, Hazard, Kernel and Red")
    if not re.fullmatch(r"[1-9]\d*", bug.places):
        raise Error(f"{name}: Places is a number")
    bug.places = int(bug.places)
    if bug.witness and bug.witness not in WITNESSES:
        raise Error(f"{name}: Why-red is one of {', '.join(WITNESSES)}")
    if bug.says and not bug.witness:
        raise Error(f"{name}: Says needs Why-red")
    return bug


def find(word):
    """The Bug that is meant: a file, or KIND/NAME."""
    file = word if os.path.isfile(word) else os.path.join(HERE, f"{word}.cocci")
    if not os.path.isfile(file):
        raise Error(f"there is no planted bug {word}: it is a file, or a name as suite/04-nobody-is-promoted")
    return read(file)


def every(kind):
    """The Bugs of a kind, in the order of their names."""
    return [read(file) for file in sorted(glob.glob(os.path.join(HERE, kind, "*.cocci")))]


def statements(text):
    """C as a list of its statements, more or less, without comments and blanks: for comparing."""
    text = LEXEMES.sub(lambda found: " " if found[0].startswith("/") else found[0], text)
    return re.split(r"(?<=[;{}])", re.sub(r"\s+", "", text))


def changes(before, after):
    """In how many places two texts in C differ; statements that stand together are one place."""
    match = difflib.SequenceMatcher(None, statements(before), statements(after), autojunk=False)
    return sum(change != "equal" for change, *_ in match.get_opcodes())


def text_of(file):
    with open(file, encoding="utf-8") as source:
        return source.read()


def need_spatch():
    """Installs it where it is missing."""
    if not shutil.which("spatch") and subprocess.call([NEED, "spatch=coccinelle"]):
        raise Error("this machine has no spatch, and coccinelle cannot be installed (see above)")


def plant(bug, source):
    """Plants a bug in a directory of sources, or raises Error and leaves it as it was. Returns the files changed."""
    with tempfile.TemporaryDirectory(prefix="vlpi-planted.") as work:
        files = sorted(glob.glob(os.path.join(source, "*.c")))
        for file in files:
            shutil.copy(file, work)
        ran = subprocess.run(["spatch", "--very-quiet", "--no-show-diff", "--no-includes", "--in-place",
                              "--sp-file", os.path.abspath(bug.file), "--dir", work], capture_output=True, text=True, cwd=work)
        said = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip() and not NAMES.match(line)]
        if ran.returncode or said:
            raise Error(f"{bug.name}: spatch ended with {ran.returncode}: {' '.join(said)}")
        found = {file: changes(text_of(file), text_of(os.path.join(work, os.path.basename(file)))) for file in files}
        changed = [file for file in files if found[file]]
        if sum(found.values()) != bug.places:
            where = ", ".join(os.path.basename(file) for file in changed)
            raise Error(f"{bug.name} does not apply: it changes the code in {sum(found.values())} places"
                        f"{f' ({where})' if where else ''}, not {bug.places}")
        for file in changed:
            shutil.copyfile(os.path.join(work, os.path.basename(file)), file)
    return changed
