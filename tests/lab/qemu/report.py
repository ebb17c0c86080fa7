#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the machines of tests/run/check-qemu have seen, as one table; and the verdict.

usage: report.py DIR "KERNEL..." "stock module" "vdpa vfio" [DOCUMENT]
With DOCUMENT, the table and what vlpictl printed in the middle of it all are written there.
"""
import collections
import json
import os
import re
import sys

import phases

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'run'))
import tap      # noqa: E402

VDPA_DEVICE = '00:05.0'             # as check-qemu places it
HEADS = {'stock': 'stock', 'module': 'with vlpi_broker'}


class Machine:
    """The results of one machine."""
    def __init__(self, path, kernel, mode):
        self.path, self.kernel, self.mode = path, kernel, mode
        self.tap = [(test.result != tap.FAIL, test.test) for program in tap.read(path) for test in program.results]
        self.results = collections.defaultdict(list)
        for name, text in re.findall(r'^# result (\S+) (.*)$', self.read('tap'), re.M):
            self.results[name].append(json.loads(text))
        self.status = self.read('status').strip()
        self.its = json.loads(self.read('its.json') or '{}')

    def read(self, name):
        try:
            with open(os.path.join(self.path, name), encoding='ascii', errors='replace') as file:
                return file.read()
        except OSError:
            return ''

    def mapped(self, phase, most_of_one=False):
        """How many of the device's events were mapped at the markers of a phase; None without a marker."""
        seen = []
        for marker in self.its.get('markers', []):
            if marker['phase'] != phase:
                continue
            rows = [row for row in marker['mapped'] if row['device'] == VDPA_DEVICE]
            if most_of_one:
                seen.append(max(collections.Counter((row['vm'], row['vintid']) for row in rows).values(), default=0))
            else:
                seen.append(len(rows))
        return seen

    def rows(self, cases):
        """The lines of the table: {name: what was seen}"""
        def span(values):
            values = [value for value in values if value is not None]
            if not values:
                return '-'
            return str(min(values)) if min(values) == max(values) else f'{min(values)} to {max(values)}'

        if 'vdpa' in cases:
            work = self.results['work']
            yield 'vDPA: starts and resets of the guest', str(len(work))
            yield '  of them, traffic on all queues', str(sum(row['works'] and row['queues'] == 8 for row in work))
            yield '  sharers whose handler was silent', span([row.get('direct') for row in work])
            yield '  mapped to the shared vLPI', span(self.mapped(phases.WORKED, most_of_one=True))
            yield '  mapped, guest just reset', span(self.mapped(phases.RESET))
            yield '  mapped, device unplugged', span(self.mapped(phases.UNPLUGGED))
            yield '  mapped, QEMU ended or killed', span(self.mapped(phases.GONE))
            for total in self.results['totals']:
                for name in 'promotions', 'signals', 'injections', 'forced_unmaps', 'repairs':
                    yield f'broker: {name.replace("_", " ")}', str(total[name])
        if 'vfio' in cases:
            for name, what in ('fio', 'NVMe, 1:1'), ('nic', 'NIC, 1:1'):
                rows = self.results[name]
                yield f'{what}: guest interrupts', span([row['guest'] for row in rows])
                yield f'{what}: host handlers run', span([row['host'] for row in rows])
        late = [str(text).split(':', maxsplit=1)[0] for text in self.results['late']]
        yield 'waited for in vain', ', '.join(late) or 'nothing'
        ends = [row['warnings'] for rows in self.results.values() for row in rows if 'warnings' in row]
        yield 'kernel warnings', str(max(ends)) if ends else '-'
        yield 'double mappings (ITS)', str(len(self.its['violations'])) if self.its else '-'
        yield 'mapped at the end', str(len(self.its['left'])) if self.its else '-'
        yield 'the host', 'ended well' if not re.search('machine (hung|stopped)', self.read('run.log')) else 'died'

    def verdict(self, cases):
        """(good, what) of all that was checked."""
        if self.mode == 'stock':
            if 'vdpa' in cases:
                first = (self.results['work'] or [{'works': False}])[0]
                yield first['works'], 'the guest comes up, and carries traffic at first'
            # What comes out of a newer stock kernel is told, not judged. 6.1 must show what the report says, or the
            # table shows nothing.
            if 'vdpa' in cases and self.kernel in ('5.10', '6.1'):
                yield max(self.mapped(phases.WORKED, most_of_one=True), default=0) > 1, 'several host IRQs are mapped to one vLPI'
                yield any(row.get('warnings') for rows in self.results.values() for row in rows), 'the kernel warns'
            if 'vfio' in cases:
                yield from self.tap_of('NVMe', 'NIC', 'host handler')
            return
        yield from self.tap
        if 'vdpa' in cases:
            yield set(self.mapped(phases.WORKED, most_of_one=True)) == {1}, 'one host IRQ is mapped to the shared vLPI, each time'
            for phase, name in (phases.RESET, 'the guest is reset'), (phases.UNPLUGGED, 'the device is unplugged'), (phases.GONE, 'QEMU has ended or was killed'):
                yield set(self.mapped(phase)) == {0}, f'no host IRQ is mapped when {name}'
        yield self.status == '0', 'the run as a whole: the kernel log, the ITS trace; see run.log'

    def printed(self):
        """What vlpictl printed in the emulated host, command by command."""
        lines = re.findall(r'^# (\$ vlpictl .*|\|.*)$', self.read('tap'), re.M)
        return [line if line.startswith('$') else line[2:] for line in lines]

    def tap_of(self, *words):
        return [(good, name) for good, name in self.tap if any(word in name for word in words)]


DOCUMENT = """\
<!-- SPDX-License-Identifier: GPL-2.0-only -->
# The report's own case

Written by `{command}`; do not edit.

On an emulated host with GICv4, Debian's QEMU runs a guest of the host's stock kernel, which boots through firmware:

{cases}

See tests/lab/qemu/README.md.

```text
{tables}
```
"""

CASES = {
    'vdpa': """\
- on a vhost-vdpa network device (vp_vdpa on a virtio-net function of the outer QEMU) with four queue pairs, a host IRQ for
  each queue, and two MSI-X vectors, so that all queues share one vLPI.""",
    'vfio': """\
- with an NVMe and an igb by vfio-pci, where each vLPI has a host IRQ of its own.""",
}


def main():
    top, kernels, modes, cases = sys.argv[1], *(words.split() for words in sys.argv[2:5])
    passed = failed = 0
    tables, printed = [], []
    for kernel in kernels:
        machines = [Machine(os.path.join(top, f'{kernel}-{mode}'), kernel, mode) for mode in modes]
        columns = [dict(machine.rows(cases)) for machine in machines]
        first = max(len(name) for column in columns for name in column)
        tables += [f'{"Linux " + kernel:{first}} | ' + ' | '.join(f'{HEADS[mode]:18}' for mode in modes),
                   '-' * first + '-+-' + '-+-'.join('-' * 18 for _ in modes)]
        tables += [f'{name:{first}} | ' + ' | '.join(f'{column.get(name, "-"):18}' for column in columns)
                   for name in {name: 0 for column in columns for name in column}]
        tables = [line.rstrip() for line in tables] + ['']
        for machine in machines:
            if machine.printed():
                printed += ['', f'On {machine.kernel}, as printed by the emulated host while the guest was up and had worked:',
                            '', '```text', *machine.printed(), '```']
            for good, what in machine.verdict(cases):
                passed, failed = passed + bool(good), failed + (not good)
                print(f'{"ok" if good else "not ok"} - {kernel} {machine.mode}: {what}')
    print('\n' + '\n'.join(tables))
    print(f'{passed} passed, {failed} failed')
    if len(sys.argv) > 5:
        with open(sys.argv[5], 'w', encoding='ascii') as file:
            file.write(DOCUMENT.format(command=os.environ['COMMAND'], tables='\n'.join(tables[:-1]),
                                       cases='\n'.join(CASES[case] for case in CASES if case in cases)))
            file.write('\n'.join(printed) + '\n')
    return int(failed > 0 or not passed)


sys.exit(main())
