#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs in the lab's host: gives devices to a guest of Debian's QEMU, lets it work and reboot, and says what became of
the host's interrupts. Prints TAP, and lines "# result NAME JSON" for the table of tests/run/check-qemu.

usage: host.py boot|vdpa|vfio [--reboots N]
"""
import argparse
import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time

import phases

START = time.monotonic()
TESTS = []


def say(*words):
    print(f'# {time.monotonic() - START:6.1f}', *words, flush=True)


def check(name, good, why=''):
    TESTS.append(bool(good))
    if why and not good:
        say(f'{name}: {why}')
    print(f'{"ok" if good else "not ok"} {len(TESTS)} {name}', flush=True)
    return good


def result(name, value):
    print('# result', name, json.dumps(value), flush=True)


def read(path):
    with open(path, encoding='ascii', errors='replace') as file:
        return file.read().strip()


def write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)


class Late(Exception):
    """A bounded wait that was in vain."""


def until(condition, bound, what):
    end = time.monotonic() + bound
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Late(f'{what}: not within {bound} s')
        time.sleep(0.05)


class Stream:
    """What comes from a socket of QEMU's, as text that can be waited for."""
    def __init__(self, path, echo='', bound=240):
        self.echo = echo
        self.sock = socket.socket(socket.AF_UNIX)
        until(lambda: os.path.exists(path), bound, f'QEMU makes {path}')
        self.sock.connect(path)
        self.text, self.changed, self.ended = '', threading.Condition(), False
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError:
                data = b''
            with self.changed:
                line = self.text.rfind('\n') + 1
                self.text += data.decode('utf-8', 'replace')
                # For whoever wonders why a guest does not come back.
                for text in self.text[line:].split('\n')[:-1] if self.echo else []:
                    say(self.echo, re.sub(r'[^ -~]', '', re.sub(r'\x1b\[[0-9;=?]*[A-Za-z]', '', text)))
                self.ended = self.ended or not data
                self.changed.notify_all()
            if not data:
                return

    def send(self, text):
        self.sock.sendall(text.encode())

    def wait(self, pattern, start, bound, what):
        """The match of pattern in what has come since position start."""
        end = time.monotonic() + bound
        with self.changed:
            while True:
                match = re.compile(pattern, re.M).search(self.text, start)
                if match:
                    return match
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    raise Late(f'{what}: ' + ('QEMU has gone' if self.ended else f'not within {bound} s'))
                self.changed.wait(min(left, 5))


class Guest:
    """A VM of the host: QEMU, its monitor, its serial console, and the commands that guest-init takes there."""
    BOOT = 600

    firmware, trace = True, []      # for whoever looks for a fault: see main()

    def __init__(self, devices, memory=512, cpus=2):
        for name in 'serial', 'qmp':
            if os.path.exists(f'/tmp/{name}'):
                os.unlink(f'/tmp/{name}')
        args = ['qemu-system-aarch64', '-machine', 'virt,accel=kvm,gic-version=3,its=on', '-cpu', 'host',
                '-smp', str(cpus), '-m', str(memory), '-nodefaults', '-display', 'none',
                '-chardev', 'socket,id=serial,path=/tmp/serial,server=on,wait=off', '-serial', 'chardev:serial',
                '-qmp', 'unix:/tmp/qmp,server=on,wait=off', '-S',
                '-kernel', '/lab/vmlinuz', '-initrd', '/lab/initrd', '-append',
                # As in tests/lab/run: the bounds of hang detectors are for real CPUs. And kexec of Debian's 6.12 oopses in
                # trans_pgd_create_copy() where virtual addresses have 52 bits, in a guest or not.
                'console=ttyAMA0 panic=-1 loglevel=5 watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 arm64.nolva']
        # Debian's programs; and its own kernel and initramfs once more, for kexec.
        for name, file in ('tools', '/dev/vda'), ('kernel', '/lab/vmlinuz'), ('initrd', '/lab/initrd'):
            args += ['-drive', f'if=none,id={name},file={file},format=raw,readonly=on',
                     '-device', f'virtio-blk-device,drive={name},serial={name}']
        for pattern in self.trace:
            args += ['-trace', pattern]
        if self.firmware:
            args += ['-bios', '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd']
        # pylint: disable=consider-using-with
        self.log = open('/tmp/qemu.log', 'ab')
        self.qemu = subprocess.Popen(args + devices, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2))
        self.at, self.commands, self.requests = 0, 0, 0
        try:
            self.serial = Stream('/tmp/serial', 'guest|')
            self.qmp = Stream('/tmp/qmp')
            self.monitor('qmp_capabilities')
            self.monitor('cont')            # only now, for nothing it says to be lost
        except (Late, OSError):
            self.stuck()
            raise

    def stuck(self):
        """What QEMU said, and where in the kernel its threads are."""
        say('QEMU: ' + read('/tmp/qemu.log')[-2000:], 'status', self.qemu.poll())
        task = f'/proc/{self.qemu.pid}/task'
        try:
            for thread in os.listdir(task):
                say(thread, *(read(f'{task}/{thread}/{file}') for file in ('comm', 'stack')))
        except OSError:
            pass        # it is gone

    def ready(self):
        """Waits for the guest's next boot to end."""
        # Not at the start of a line: the firmware's last words are escape sequences, without a new line.
        start = time.monotonic()
        match = self.serial.wait(r'guest: ready, (\S+, EFI (?:yes|no))', self.at, self.BOOT, 'the guest boots')
        self.at = match.end()
        say(f'guest: {match[1]}: ready after {time.monotonic() - start:.0f} s')

    def run(self, commands, bound=240):
        """Exit status and output of shell commands in the guest."""
        self.commands += 1
        name = f'command{self.commands}'
        start = self.at
        self.serial.send(f'{name} {commands}\n')
        match = self.serial.wait(rf'guest: {name} ended with (\d+)[\r\n]', start, bound, f'the guest does "{commands}"')
        self.at = match.end()
        return int(match[1]), self.serial.text[start:match.start()].replace('\r', '')

    def monitor(self, command, **arguments):
        self.requests += 1
        self.qmp.send(json.dumps({'execute': command, 'arguments': arguments, 'id': self.requests}) + '\n')
        match = self.qmp.wait(rf'^.*"id": {self.requests}\b.*$', 0, 60, f'QEMU answers {command}')
        answer = json.loads(match[0])
        if 'error' in answer:
            raise Late(f'{command}: {answer["error"]["desc"]}')
        return answer['return']

    def leads_to(self, event, action, bound=300):
        """Does something, and waits for the event of which QEMU's monitor tells then."""
        start = len(self.qmp.text)
        action()
        return self.qmp.wait(rf'^.*"event": "{event}".*$', start, bound, f'QEMU says {event}')

    def leave(self, commands):
        """Shell commands that this boot of the guest does not outlive."""
        self.commands += 1
        self.serial.send(f'command{self.commands} {commands}\n')

    def reboot(self):
        self.leads_to('RESET', lambda: self.leave('reboot -f'))

    def reset(self):
        self.leads_to('RESET', lambda: self.monitor('system_reset'))

    def pause(self):
        self.monitor('stop')
        self.monitor('cont')

    def kexec(self):
        """The next kernel is started by this one: no reset, no firmware, and nobody stops the devices for it."""
        rc, out = self.run('cat $(disk kernel) >/img/tmp/kernel && cat $(disk initrd) >/img/tmp/initrd && '
                           'in_img kexec --load /tmp/kernel --initrd=/tmp/initrd --reuse-cmdline')
        if rc:
            raise Late(f'the guest loads its next kernel: {out}')
        self.leave('in_img kexec --exec')

    def end(self, kill=False):
        if kill:
            self.qemu.kill()
        else:
            self.monitor('quit')
        self.qemu.wait(60)

    def tail(self):
        say('guest|', repr(self.serial.text[-200:]))
        self.stuck()


# ---- the host's side -------------------------------------------------------------------------------------------------

def interrupts(pattern):
    """Host handlers whose name matches: {name: (host IRQ, how often it ran)}"""
    found = {}
    for line in read('/proc/interrupts').split('\n'):
        match = re.match(r'\s*(\d+):((?:\s+\d+)+)\s.*\s(' + pattern + r')\s*$', line)
        if match:
            found[match[3]] = int(match[1]), sum(map(int, match[2].split()))
    return found


def bind(address, driver):
    """Gives a PCI function to another driver."""
    device = f'/sys/bus/pci/devices/{address}'
    if os.path.exists(f'{device}/driver'):
        if os.path.basename(os.path.realpath(f'{device}/driver')) == driver:
            return
        write(f'{device}/driver/unbind', address)
    write(f'{device}/driver_override', driver)
    write('/sys/bus/pci/drivers_probe', address)


def marker(phase):
    """A mark on the time line of the ITS trace; phases.py says which there are."""
    fd = os.open('/sys/bus/pci/devices/0000:00:00.0/config', os.O_WRONLY)
    os.pwrite(fd, bytes([phase]), 0x3c)
    os.close(fd)


def log_lines(pattern):
    log = subprocess.run(['/lab/busybox', 'dmesg'], capture_output=True, text=True, check=True).stdout
    return len(re.findall(pattern, log))


def boot(opts):
    """The smallest thing: a guest, no device of the host."""
    guest = Guest([])
    try:
        guest.ready()
        check('a guest starts', guest.run('true')[0] == 0)
        for _ in range(opts.reboots):
            guest.reboot()
            guest.ready()
        check(f'and again, {opts.reboots} times', guest.run('true')[0] == 0)
    except Late as late:
        guest.tail()
        check('a guest starts', False, str(late))
    guest.end(kill=True)


# ---- vDPA ------------------------------------------------------------------------------------------------------------

PAIRS = 4
NETWORK = '10.77.0'         # .1 is at the other end of the device, .2 the guest
NIC_NETWORK = '10.77.1'


def vdpa_device():
    """The network function with a queue per vector, as a vhost-vdpa device; its PCI address."""
    bus = '/sys/bus/pci/devices'
    address = next(d for d in sorted(os.listdir(bus))
                   if read(f'{bus}/{d}/vendor') == '0x1af4' and read(f'{bus}/{d}/device') == '0x1041')
    bind(address, 'vp-vdpa')
    subprocess.run(['vdpa', 'dev', 'add', 'name', 'vdpa0', 'mgmtdev', f'pci/{address}'], check=True)
    until(lambda: os.path.exists('/dev/vhost-vdpa-0'), 30, 'vhost-vdpa makes its device')
    return address


def vdpa_guest(opts):
    # In a port of its own: nothing can be unplugged from the root bus.
    return Guest(['-netdev', f'vhost-vdpa,id=net,vhostdev=/dev/vhost-vdpa-0,queues={PAIRS}',
                  '-device', 'pcie-root-port,id=plug,chassis=1',
                  '-device', f'virtio-net-pci,netdev=net,bus=plug,id=nic,mq=on,vectors={opts.vectors},iommu_platform=on,'
                  'disable-legacy=on,romfile='])


def dump():
    """The broker's clients that have a host IRQ: {host IRQ: (state, forwarded, vINTID)}"""
    out = subprocess.run(['/lab/vlpictl', 'dump', '--raw', '--noheadings', '-o', 'HOST-IRQ,STATE,FWD,VINTID'],
                         capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.split('\n') if line]
    return {int(irq): tuple(rest) for irq, *rest in rows if irq != '-'}


def totals():
    """The broker's counters."""
    out = subprocess.run(['/lab/vlpictl', 'status', '--json'], capture_output=True, text=True, check=True).stdout
    return json.loads(out)['totals']


def show(*command):
    out = subprocess.run(['/lab/vlpictl', *command], capture_output=True, text=True, check=False)
    print(f'# $ vlpictl {" ".join(command)}')
    for line in (out.stdout + out.stderr).rstrip().split('\n'):
        print('# |', line)
    sys.stdout.flush()


def network_up(guest):
    """All queue pairs on, each sender's flow on a queue of its hash. True if all went well."""
    rc, out = guest.run(f'ip addr add {NETWORK}.2/24 dev eth0 && ip link set eth0 up && '
                        f'in_img ethtool -L eth0 combined {PAIRS}; '
                        'for q in /sys/class/net/eth0/queues/tx-*/xps_cpus; do echo 0 >$q; done; '
                        f'[ "$(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)" = {PAIRS} ]')
    if rc:
        say('the network is not up:', out)
    return rc == 0


def queue_packets(guest):
    """{'rx0': packets, ...}: of the netdev family, or of ethtool in the years before virtio_net had them moved"""
    rc, out = guest.run('in_img ethtool -S eth0 | grep "[0-9]_packets:" || in_img python3 - </queue-stats')
    found = {f'{way}{queue}': int(n) for way, queue, n in
             re.findall(r'^\s*([rt]x)(?:_queue_)?(\d+)(?:_packets:)? (\d+)\s*$', out, re.M)}
    if rc or len(found) != 2 * PAIRS:
        raise Late(f'packets of each queue, from {out}')
    return found


CONNECTIONS, KB_EACH = 6, 256


def traffic(guest, network=NETWORK):
    """ping, iperf3 and an echo; {'ping': lost packets in a hundred, 'up': KB that iperf3 says arrived, 'back': KB}"""
    # No amount of time is given to anything: on a slow machine, which this one is, it takes longer, and comes to no end
    # only where something is lost.
    out = guest.run(f'ping -q -c 5 -i 0.2 -W 5 {network}.1')[1]
    seen = {'ping': int((re.findall(r'(\d+)% packet loss', out) or [100])[0]), 'up': 0, 'back': 0}
    if seen['ping'] == 100:
        return seen
    # The sums only: the guest's console is slow. With -i 0, iperf3 3.18 does not notice that it is done. With -R it waits
    # for a last block, of which its server may have sent a part only: hence the echo.
    out = guest.run(f'in_img iperf3 -c {network}.1 -P {CONNECTIONS} -l 16K -w 16K -n {CONNECTIONS * KB_EACH}K -i 1 '
                    '--connect-timeout 60000 -f K 2>&1 | grep -E "SUM.*receiver|error"')[1]
    arrived = re.findall(r'^\[SUM\].* ([\d.]+) ([KM])Bytes .*receiver', out, re.M)
    if arrived:
        seen['up'] = float(arrived[-1][0]) * {'K': 1, 'M': 1024}[arrived[-1][1]]
    out += guest.run(f'in_img python3 - ask {network}.1 {CONNECTIONS} {KB_EACH} </echo')[1]
    seen['back'] = int((re.findall(r'^back: (\d+) KB', out, re.M) or [0])[0])
    if not worked(seen):
        say('traffic:', seen, out)
    return seen


def worked(seen):
    return seen['ping'] == 0 and seen['up'] > 0 and seen['back'] == CONNECTIONS * KB_EACH


VDPA_IRQ = r'vp-vdpa\[\S+\]-(?:\d+|config)'


def queue(name):
    """The number of a queue, or "config", from the name of vp_vdpa's handler."""
    return name.rsplit('-', 1)[1]


class Vdpa:
    """One guest on the vDPA device, and what is seen each time it has done some work."""
    def __init__(self, opts):
        self.opts, self.guest, self.rows = opts, vdpa_guest(opts), 0

    def work(self, what):
        """Traffic on all queues; what the host has seen of it goes to the table."""
        self.rows += 1
        row = {'after': what, 'works': False, 'queues': 0}
        try:
            self.guest.ready()
            if not network_up(self.guest):
                raise Late('the network is not up')
            before = interrupts(VDPA_IRQ)
            # Which flow goes to which queue is a matter of chance; a few rounds reach all of them. The guest counts from
            # its boot on; a few packets are its own talk with its neighbours.
            for _ in range(6):
                row.update(traffic(self.guest))
                moved = [q for q, n in queue_packets(self.guest).items() if n >= 20]
                if not worked(row) or len(moved) == 2 * PAIRS:
                    break
            row['works'], row['queues'] = worked(row), len(moved)
            after = interrupts(VDPA_IRQ)
            row['handlers'] = {queue(name): n - before.get(name, (0, 0))[1] for name, (_, n) in after.items()}
            row['direct'] = sum(not n for name, n in row['handlers'].items()
                                if name != 'config' and int(name) < 2 * PAIRS)
            marker(phases.WORKED)
            if self.opts.broker:
                clients = dump()
                row['states'] = [clients.get(irq, ('none',))[0] for name, (irq, _) in after.items()]
                row['totals'] = totals()
            if self.rows == 1 + (self.opts.reboots + 1) // 2:
                self.show(after)
        finally:
            row['warnings'] = log_lines('cut here')
            result('work', row)
            if not row['works']:
                say('QEMU: ' + read('/tmp/qemu.log')[-20000:])
            good = row['works'] and row['queues'] == 2 * PAIRS
            if self.opts.broker:
                check(f'{what}: one of {2 * PAIRS} sharers is direct, the others wait',
                      row.get('direct') == 1 and row.get('states', []).count('holder') == 1 and
                      row['states'].count('waiter') == 2 * PAIRS - 1, str(row))
            check(f'{what}: traffic on all queues', good, str(row))
        if self.rows == 1 and not row['works']:
            raise Late('there is no traffic even at first')

    def show(self, irqs):
        for line in self.guest.run('grep -E "CPU|virtio" /proc/interrupts')[1].rstrip().split('\n'):
            print('# guest|', line)
        for name, (irq, n) in irqs.items():
            print(f'# host| {irq:4} {n:8} {name}')
        if self.opts.broker:
            show('status')
            show('dump')


def end_of_case(guest, pattern, phase, kill=True):
    """The VMM goes; what the host is left with."""
    guest.end(kill)
    until(lambda: not interrupts(pattern), 30, 'the host has its IRQs back')
    marker(phase)
    result('gone', {'warnings': log_lines('cut here')})


def vdpa(opts):
    """The report's case."""
    say(f'{vdpa_device()} is /dev/vhost-vdpa-0')
    case = Vdpa(opts)
    guest = case.guest
    try:
        case.work('the first boot')
        for n in range(opts.reboots):
            guest.reboot()
            marker(phases.RESET)
            case.work(f'reboot {n + 1}')
        guest.reset()
        marker(phases.RESET)
        case.work('system_reset')
        guest.kexec()
        case.work('kexec')
        # vp_vdpa cannot start a queue where it was stopped (its set_vq_state() says so): no traffic before the next boot.
        guest.pause()
        guest.reboot()
        marker(phases.RESET)
        case.work('pause, resume and reboot')
        guest.leads_to('DEVICE_DELETED', lambda: guest.monitor('device_del', id='nic'))
        marker(phases.UNPLUGGED)
        check('unplugged: the guest lives', guest.run('[ ! -e /sys/class/net/eth0 ]')[0] == 0)
        end_of_case(guest, VDPA_IRQ, phases.GONE, kill=False)
        # Twice more, to end in the middle of its work.
        case = Vdpa(opts)
        guest = case.guest
        case.work('a new QEMU')
        end_of_case(guest, VDPA_IRQ, phases.GONE, kill=False)
        case = Vdpa(opts)
        guest = case.guest
        case.work('another new QEMU')
    except Late as late:
        guest.tail()
        check('the guest comes back', False, str(late))
        result('late', str(late))
    end_of_case(guest, VDPA_IRQ, phases.GONE)
    if opts.broker:
        after = totals()
        result('totals', after)
        # The queues leave one by one, the holder first: faster than the broker promotes the next one, or not.
        check('each grant is taken back when queues are reset',
              after['revokes'] >= after['grants'] and not after['forced_unmaps'], str(after))


# ---- VFIO ------------------------------------------------------------------------------------------------------------

VFIO_IRQ = r'vfio-msix?\[\d+\]\(\S+\)'


def vfio_devices():
    """An NVMe and a NIC, bound to vfio-pci; their PCI addresses."""
    bus, found = '/sys/bus/pci/devices', {}
    for address in sorted(os.listdir(bus)):
        kind = {'0x010802': 'nvme', '0x020000': 'nic'}.get(read(f'{bus}/{address}/class'))
        if not kind or read(f'{bus}/{address}/vendor') == '0x1af4':
            continue
        bind(address, 'vfio-pci')
        found[kind] = address
    return found


FIO = ('in_img fio --name=read --filename=/dev/nvme0n1 --rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth=8 '
       '--numjobs=2 --thread --cpus_allowed=0,1 --cpus_allowed_policy=split --time_based --runtime={seconds} --output-format=terse --group_reporting')


def moved_by(work):
    """How often host handlers of vfio-pci ran meanwhile, and the result of the work."""
    before = interrupts(VFIO_IRQ)
    done = work()
    return sum(n - before.get(name, (0, 0))[1] for name, (_, n) in interrupts(VFIO_IRQ).items()), done


def msi_count(guest, pattern):
    return sum(sum(map(int, re.findall(r' (\d+)(?= )', line.split(':', 1)[1].split('ITS')[0] + ' ')))
               for line in guest.run(f'grep -E "{pattern}" /proc/interrupts')[1].split('\n') if re.search(pattern, line))


def vfio(opts):
    """One producer a vLPI: nothing may change."""
    devices = vfio_devices()
    check('there are an NVMe and a NIC', set(devices) == {'nvme', 'nic'}, str(devices))
    args = []
    for kind, address in devices.items():
        args += ['-device', f'vfio-pci,host={address},id={kind},rombar=0']
    guest = Guest(args)
    try:
        for what in 'first boot', 'reboot', 'pause and resume':
            if what == 'reboot':
                guest.reboot()
            if what == 'pause and resume':
                guest.pause()
            else:
                guest.ready()
                guest.run(f'ip addr add {NIC_NETWORK}.2/24 dev eth0; ip link set eth0 up; n=0; '
                          'until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] || [ $n = 600 ]; do usleep 100000; n=$((n + 1)); done')
                guest.run(f'ping -c 1 -W 10 {NIC_NETWORK}.1; in_img dd if=/dev/nvme0n1 of=/dev/null bs=4k count=16 iflag=direct')
            irqs = msi_count(guest, 'nvme')
            moved, (rc, out) = moved_by(lambda: guest.run(FIO.format(seconds=opts.seconds)))
            irqs = msi_count(guest, 'nvme') - irqs
            fields = [line for line in out.split('\n') if line.count(';') > 50]
            ios = int(fields[0].split(';')[7]) if rc == 0 and fields else 0
            result('fio', {'guest': irqs, 'host': moved, 'after': what})
            check(f'fio on the NVMe, {what}', ios > 0 and irqs > 0, f'{rc} {irqs} {out[-1500:]}')
            check(f'no host handler runs for the NVMe, {what}', moved == 0, f'{moved}: {interrupts(VFIO_IRQ)}')
            irqs = msi_count(guest, 'eth0')
            moved, seen = moved_by(lambda: traffic(guest, NIC_NETWORK))
            irqs = msi_count(guest, 'eth0') - irqs
            result('nic', {**seen, 'guest': irqs, 'host': moved, 'after': what})
            check(f'iperf3 on the NIC, {what}', worked(seen) and irqs > 0, f'{seen} {irqs}')
            check(f'no host handler runs for the NIC, {what}', moved == 0, f'{moved}: {interrupts(VFIO_IRQ)}')
            if what == 'reboot' and opts.broker:
                show('dump')
    except Late as late:
        guest.tail()
        check('the guest comes back', False, str(late))
        result('late', str(late))
    end_of_case(guest, VFIO_IRQ, phases.VFIO_GONE)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('case', choices=['boot', 'vdpa', 'vfio'])
    parser.add_argument('--broker', action='store_true', help='vlpi_broker is loaded')
    parser.add_argument('--vectors', type=int, default=2, help='MSI-X vectors of the network device')
    parser.add_argument('--seconds', type=int, default=3, help='how long fio runs')
    parser.add_argument('--reboots', type=int, default=3)
    parser.add_argument('--no-firmware', action='store_true', help='start the kernel directly, which is faster')
    parser.add_argument('--trace', action='append', default=[], help="trace events for QEMU's log")
    opts = parser.parse_args()
    Guest.firmware, Guest.trace = not opts.no_firmware, opts.trace
    {'boot': boot, 'vdpa': vdpa, 'vfio': vfio}[opts.case](opts)
    print(f'1..{len(TESTS)}')
    return 0 if TESTS and all(TESTS) else 1


sys.exit(main())
