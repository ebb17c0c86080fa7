# SPDX-License-Identifier: GPL-2.0-only
"""The program "demo" on emulated GICv4 hosts, stock beside broker, as one table. Called by tests/demo/run.

Each kernel boots twice: as it is, and with vlpi_broker. How each interrupt went is what the program saw in the
machine; what was mapped is what the emulator's trace of ITS commands says (tests/lab/its-replay); a warning is
"cut here" in the kernel log. Both sides go through the same code.

Exit status: 0 the broker did what it promises, and stock 6.1 what the report says; 1 one of them did not;
2 the lab could not do it.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAB = os.path.join(TESTS, 'lab')
LAB_RUN = os.path.join(LAB, 'run')
# The lab wants an "ok" of a test, and the demo is none.
TEST = 'demo && echo "ok - demo"'

KERNELS = ['6.1', '7.3']
STOCK, BROKER = MODES = ['stock', 'module']
SOURCES = 6
WIDTH = 110

# The marks of demo.c.
SHARED, LEFT, DETACHED, BACK, KILLED = MARKS = [1, 2, 3, 4, 5]
MOMENTS = {SHARED: 'six attached', LEFT: 'the holder left', DETACHED: 'all detached', BACK: 'guest is back',
           KILLED: 'VMM killed'}
HEADER = [('six', 'holder', 'all', 'guest', 'VMM'), ('attached', 'left', 'detached', 'is back', 'killed')]

LEGEND = '''DIRECT    the guest took it, the host's handler did not run    SOFTWARE  both
HOST      only the host's handler ran                          LOST      nobody took it
STRAY     the guest took what it was not to take
host IRQs mapped: to vLPIs, at that moment, by the emulator's trace of ITS commands. double mapping: one more
host IRQ was mapped to a vLPI that had one. kernel warnings: "cut here" in the log since the last moment.'''


class CannotDo(Exception):
    """The lab could not do it."""


# ---- what a run left behind ----------------------------------------------------------------------------------------

def read(folder, name):
    try:
        with open(os.path.join(folder, name), encoding='utf-8', errors='replace') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def json_lines(tap):
    """What the demo printed; a line that a dying machine cut short is left out."""
    for line in tap.splitlines():
        if line.startswith('{'):
            try:
                yield json.loads(line)
            except ValueError:
                pass


def trouble(log):
    """The worst of a kernel log in a line: a panic, else an oops, else nothing."""
    log = re.sub(r'^\[ *[\d.]+\](\[ *[TC]\d+\])? *', '', log.replace('\r', ''), flags=re.MULTILINE)
    oops = re.search(r'^(Internal error: .*|kernel BUG at .*)$(?s:.*)', log, re.MULTILINE)
    panic = re.search(r'^Kernel panic.*', log, re.MULTILINE)
    if not (panic or oops):
        return ''
    where = re.search(r'^pc : ([\w.]+)', oops[0], re.MULTILINE) if oops else None
    where = f' (in {where[1]})' if where else ''
    return f'host panic: {panic[0]}{where}' if panic else f'host oops: {oops[1]}{where}'


def death(verdict, printed, worst):
    """Why the demo did not reach its end; nothing where it did."""
    if 'end' in verdict and any(line.startswith('status 1 0 ') for line in verdict):
        return ''
    if worst:
        return worst
    error = next((line['error'] for line in printed if 'error' in line), '')
    if error:
        return f'the demo stopped: {error}'
    fail = next((line[6:] for line in verdict if line.startswith('FAIL: ')), 'nothing says why')
    return f'the run broke off: {fail}'


def count_warnings(log):
    done = subprocess.run([os.path.join(LAB, 'log-scan'), '--count', log], capture_output=True, text=True, check=False)
    return int(done.stdout) if done.stdout.strip().isdigit() else None


def read_run(folder, status):
    """One side of the table; None stands for what could not be seen."""
    verdict = read(folder, 'verdict').splitlines()
    printed = list(json_lines(read(folder, 'tap')))
    try:
        its = json.loads(read(folder, 'its.json'))
    except ValueError:
        its = None
    # The log that the machine handed over is whole; the console has what came before a sudden end.
    log = 'dmesg.log' if 'end' in verdict else 'console.log'
    worst = trouble(read(folder, log))
    died = death(verdict, printed, worst)
    side = {'status': status, 'died': died, 'worst': worst, 'warnings': count_warnings(os.path.join(folder, log)),
            'failed': [line[6:] for line in verdict if line.startswith('FAIL: ')],
            'kernel': None, 'broker': None, 'verdicts': {}, 'warned': {}, 'mapped': {}, 'left': None, 'doubles': None,
            'strays': None, 'vlpictl': []}
    for line in printed:
        if 'kernel' in line:
            side['kernel'], side['broker'] = line['kernel'], line['broker']
        elif 'mark' in line:
            side['verdicts'][line['mark']] = line['verdicts']
            side['warned'][line['mark']] = line['warnings']
        elif 'vlpictl' in line:
            side['vlpictl'].append(line)
    if its:
        for marker in its['markers']:
            side['mapped'].setdefault(marker['phase'], len(marker['mapped']))
        kinds = collections.Counter(violation['kind'] for violation in its['violations'])
        side['doubles'], side['strays'] = kinds['double'], kinds['stray']
        # What a machine that died had mapped is not what it would have left.
        side['left'] = None if died else len(its['left'])
    return side


# ---- right or wrong --------------------------------------------------------------------------------------------------

def counts(verdicts):
    """'1 DIRECT, 5 SOFTWARE'"""
    return ', '.join(f'{n} {verdict}' for verdict, n in collections.Counter(verdicts).most_common()[::-1]) or 'nothing'


def only(verdicts, wanted):
    return [source for source, verdict in verdicts.items() if verdict == wanted]


def moments_wrong(side):
    """The five moments of a broker's run, each against what is promised."""
    direct = {}
    for mark in MARKS:
        verdicts, at = side['verdicts'].get(mark), MOMENTS[mark]
        if verdicts is None:
            yield f'{at}: not reached'
            continue
        if len(verdicts) != SOURCES:
            yield f'{at}: {len(verdicts)} sources, not {SOURCES}'
        direct[mark] = only(verdicts, 'DIRECT')
        want = {'HOST': SOURCES}
        if mark in (SHARED, BACK):
            want = {'DIRECT': 1, 'SOFTWARE': SOURCES - 1}
        elif mark == LEFT:
            want = {'HOST': 1, 'DIRECT': 1, 'SOFTWARE': SOURCES - 2}
        if collections.Counter(verdicts.values()) != want:
            yield f'{at}: {counts(verdicts.values())}; promised: ' + ', '.join(f'{n} {v}' for v, n in want.items())
        elif mark == LEFT and only(verdicts, 'HOST') != direct.get(SHARED):
            yield f'{at}: the one that is HOST is not the one that was DIRECT before'
    for mark in MARKS:
        mapped, want = side['mapped'].get(mark), int(mark in (SHARED, LEFT, BACK))
        if mapped is None:
            yield f'{MOMENTS[mark]}: its mark is not in the trace of ITS commands'
        elif mapped != want:
            yield f'{MOMENTS[mark]}: {mapped} host IRQs mapped, not {want}'


def broker_wrong(side):
    """The reasons why this side of the table is not what the broker promises; none is good."""
    if side['broker'] is None:
        yield 'the demo did not find the broker'
    if side['died']:
        yield side['died']
    yield from moments_wrong(side)
    for key, what in (('left', 'host IRQs mapped at the end'), ('warnings', 'kernel warnings'),
                      ('doubles', 'double mappings'), ('strays', 'host IRQs mapped into a VM that is not theirs')):
        if side[key] is None:
            yield f'{what}: not known'
        elif side[key]:
            yield f'{what}: {side[key]}, not 0'
    for wanted in ('status', 'dump'):
        ran = next((line for line in side['vlpictl'] if line['vlpictl'] == wanted), None)
        if ran is None:
            yield f'vlpictl {wanted} was not to be had'
        elif ran['exit']:
            yield f'vlpictl {wanted} ended with {ran["exit"]}'
    for reason in side['failed']:
        yield f'the lab: {reason}'


def symptoms_missing(side):
    """What the report says of stock 6.1, and this host did not show while it lived."""
    direct = len(only(side['verdicts'].get(SHARED, {}), 'DIRECT'))
    if direct != SOURCES:
        yield f'{direct} of {SOURCES} sources DIRECT while shared, not all'
    # A host that panics before the detach has more to complain of than these.
    if side['died'].startswith('host ') and DETACHED not in side['mapped']:
        return
    mapped = side['mapped'].get(DETACHED)
    if mapped != SOURCES - 1:
        yield f'{"unknown" if mapped is None else mapped} host IRQs left mapped after the detach, not {SOURCES - 1}'
    warned = sum(n for mark, n in side['warned'].items() if mark <= DETACHED)
    if warned != SOURCES:
        yield f'{warned} kernel warnings until all were detached, not {SOURCES}'


def judge(runs):
    """Reasons for exit status 1. @runs: {series: {mode: side}}"""
    reasons = []
    for series, sides in runs.items():
        reasons += [f'{series} with vlpi_broker: {reason}' for reason in broker_wrong(sides[BROKER])]
        if series == '6.1':
            reasons += [f'stock {series} does not show what the report says, so this demo shows nothing: {reason}'
                        for reason in symptoms_missing(sides[STOCK])]
    return reasons


# ---- the table -------------------------------------------------------------------------------------------------------

LABEL, CELL = 18, 9
SIDE = CELL * len(MARKS) - 1


def row(label, stock, broker):
    """@stock, @broker: a text for the whole side, or one for each moment."""
    def side(cells):
        return cells[:SIDE] if isinstance(cells, str) else ''.join(f'{cell:{CELL}}' for cell in cells)
    return f'{label:{LABEL}}| {side(stock).rstrip():{SIDE}}| {side(broker)}'.rstrip()


def known(value):
    return '-' if value is None else str(value)


def cells_of(side, source):
    """How this source went at each moment: 'died' where the host did, '-' after that."""
    cells = []
    for mark in MARKS:
        verdicts = side['verdicts'].get(mark)
        if verdicts is not None:
            cells.append(verdicts.get(source, '-'))
        else:
            cells.append('died' if side['died'] and 'died' not in cells else '-')
    return cells


def moments_of(side, what):
    return [known(side[what].get(mark)) for mark in MARKS]


def block(series, sides):
    """The lines of one kernel."""
    pair = [sides[mode] for mode in MODES]
    sources = sorted({source for side in pair for verdicts in side['verdicts'].values() for source in verdicts})
    sources += [f'source {n + 1}' for n in range(len(sources), SOURCES)]
    rule = '-' * LABEL + ('+' + '-' * (SIDE + 1)) * 2
    titles = [f'stock {sides[STOCK]["kernel"] or series}',
              f'with vlpi_broker {sides[BROKER]["broker"] or "(not there)"}']
    lines = [rule, row(f'Linux {series}', *titles), *(row('', line, line) for line in HEADER), rule]
    for source in sources:
        lines.append(row(source, *(cells_of(side, source) for side in pair)))
    lines.append(row('kernel warnings', *(moments_of(side, 'warned') for side in pair)))
    lines.append(row('host IRQs mapped', *(moments_of(side, 'mapped') for side in pair)))
    lines.append(row('mapped at the end', *(known(side['left']) for side in pair)))
    lines.append(row('double mappings', *(known(side['doubles']) for side in pair)))
    if any(side['strays'] for side in pair):
        lines.append(row('in a wrong VM', *(known(side['strays']) for side in pair)))
    lines.append(row('warnings in all', *(known(side['warnings']) for side in pair)))
    return lines


def paragraph(text):
    return textwrap.wrap(text, WIDTH, subsequent_indent='  ', break_on_hyphens=False)


def words(side):
    """What one side of the table shows, from its numbers alone."""
    parts = []

    def at(mark, text):
        if mark in side['verdicts']:
            parts.append(text)

    shared, left, detached, killed = (side['verdicts'].get(mark, {}) for mark in (SHARED, LEFT, DETACHED, KILLED))
    at(SHARED, f'{len(only(shared, "DIRECT"))} of {len(shared)} DIRECT while shared')
    at(LEFT, f'{len(only(left, "DIRECT"))} DIRECT after the holder left')
    if DETACHED in side['mapped']:
        parts.append(f'{side["mapped"][DETACHED]} host IRQs still mapped after all were detached')
    at(DETACHED, f'{len(only(detached, "STRAY"))} reached the firmware of the guest, which had enabled none')
    at(KILLED, f'{counts(killed.values())} after the VMM was killed')
    for key, what in (('doubles', 'double mappings'), ('warnings', 'kernel warnings')):
        if side[key] is not None:
            parts.append(f'{side[key]} {what}')
    if side['died'] or side['worst']:
        parts.append(side['died'] or side['worst'])
    return '; '.join(parts) or 'nothing was seen'


def report(runs, reasons):
    lines = []
    for series, sides in runs.items():
        lines += block(series, sides)
    lines += ['-' * len(lines[0]), *LEGEND.splitlines(), '']
    for series, sides in runs.items():
        lines += paragraph(f'{series} stock: {words(sides[STOCK])}.')
        lines += paragraph(f'{series} with vlpi_broker: {words(sides[BROKER])}.')
    series = '6.1' if '6.1' in runs else next(iter(runs))
    for ran in runs[series][BROKER]['vlpictl']:
        lines += ['', f'$ vlpictl {ran["vlpictl"]}     (Linux {series} with vlpi_broker, six attached)',
                  ran['output'].rstrip('\n')]
    lines.append('')
    for reason in reasons:
        lines += paragraph(f'WRONG: {reason}')
    if not reasons:
        lines.append('The broker did what it promises' +
                     (', and stock 6.1 what the report says of it.' if '6.1' in runs else '.'))
    return '\n'.join(lines)


# ---- running the lab -------------------------------------------------------------------------------------------------

class Runs:
    """The runs of the lab, two at a time; none is left when this ends, however it ends."""

    def __init__(self, out):
        self.out, self.began = out, time.monotonic()
        self.lock, self.processes, self.stopped = threading.Lock(), [], False

    def say(self, name, text):
        print(f'[{time.monotonic() - self.began:4.0f} s] {name}: {text}'[:WIDTH].rstrip(), flush=True)

    def tell(self, name, line):
        """A line of a run, as progress, if it says something. "PASS" does not: a stock host passes with anything."""
        if line.startswith('lab: ') and not line.startswith(('lab: results are in', 'lab: PASS')):
            self.say(name, line[5:])
        for said in json_lines(line):
            if 'mark' in said:
                self.say(name, f'{said["phase"]}: {counts(said["verdicts"].values())}')

    def start(self, series, mode, folder):
        with self.lock:
            if self.stopped:
                return None
            # The pipe is for both streams; errors='replace': a dying machine writes anything.
            process = subprocess.Popen([LAB_RUN, '--kernel', series, f'--{mode}', '--out', folder, TEST],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       encoding='utf-8', errors='replace')
            self.processes.append(process)
            return process

    def one(self, series, mode):
        name = f'{series} {mode}'
        folder = os.path.join(self.out, f'{series}-{mode}')
        os.makedirs(folder, exist_ok=True)
        process = self.start(series, mode, folder)
        if process is None:
            return None
        error = ''
        with process.stdout, open(os.path.join(folder, 'run.log'), 'w', encoding='utf-8') as log:
            for line in process.stdout:
                log.write(line)
                self.tell(name, line.rstrip('\n'))
                if line.startswith('lab: error: '):
                    error = line[12:].strip()
        status = process.wait()
        # A run with the broker fails on all that is wrong, and a stock host may die: both are results.
        if status not in (0, 1):
            raise CannotDo(f'the run of {name} ended with status {status}: {error or "nothing says why"}')
        return read_run(folder, status)

    def stop(self):
        with self.lock:
            self.stopped = True
            for process in self.processes:
                if process.poll() is None:
                    process.terminate()

    def all(self, kernels):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            try:
                runs = {(series, mode): pool.submit(self.one, series, mode) for series in kernels for mode in MODES}
                for done in concurrent.futures.as_completed(runs.values()):
                    done.result()
            finally:
                self.stop()
        return {series: {mode: runs[series, mode].result() for mode in MODES} for series in kernels}


def options(argv):
    parser = argparse.ArgumentParser(prog='tests/demo/run', description='The hang and its cure, on emulated GICv4 '
                                     'hosts: stock kernels beside the same ones with vlpi_broker.')
    parser.add_argument('--kernel', metavar='SERIES', action='append',
                        help=f'a series of tests/lab/kernels; may be repeated (default: {" and ".join(KERNELS)})')
    parser.add_argument('--json', metavar='FILE', help='write all that was seen there, too')
    parser.add_argument('--keep', metavar='DIR', help='keep the results of the runs there')
    opts = parser.parse_args(argv)
    opts.kernel = list(dict.fromkeys(opts.kernel or KERNELS))
    return opts


def main(argv):
    opts = options(argv)
    out = opts.keep or tempfile.mkdtemp(prefix='vlpi-demo.')
    done = False
    try:
        print(f'{2 * len(opts.kernel)} emulated machines, two at a time: some minutes; the first time more, for what '
              'has to be fetched.', flush=True)
        runs = Runs(out).all(opts.kernel)
        reasons = judge(runs)
        print(f'\n{report(runs, reasons)}', flush=True)
        if opts.json:
            with open(opts.json, 'w', encoding='utf-8') as file:
                json.dump({'version': 1, 'wrong': reasons, 'runs': runs}, file, indent=1)
                file.write('\n')
        done = not reasons
        return int(bool(reasons))
    except (CannotDo, OSError) as error:
        print(f'demo: error: {error}', file=sys.stderr)
        return 2
    finally:
        if opts.keep or not done:
            print(f'results are in {out}', file=sys.stderr)
        else:
            shutil.rmtree(out)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
