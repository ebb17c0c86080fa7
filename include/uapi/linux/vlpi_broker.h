/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The ABI of /dev/vlpi_broker: what the broker holds, and why.
 *
 * Every structure of a call begins with its own size. User space writes the size it was built with;
 * the kernel fills in as much as both know and writes back the size it knows. A structure grows at
 * its end only. Unknown flags are refused with EINVAL, an unknown ioctl with ENOTTY. No kernel
 * pointer is ever in it.
 *
 * The node is root's (mode 0600). No call changes what the broker does, so the node may be opened
 * for reading only, and a process that is handed the open file may make all of them. read() returns
 * changes as they come, see struct vlpi_broker_event; there is no write() or mmap().
 */
#ifndef _UAPI_LINUX_VLPI_BROKER_H
#define _UAPI_LINUX_VLPI_BROKER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Raised when a field or its meaning changes in a way that an old reader would get wrong. */
#define VLPI_BROKER_ABI_VERSION	2

/**
 * struct vlpi_broker_info - the module, and its totals since it was loaded
 * @size: in: bytes the caller has room for; out: bytes the kernel knows.
 * @flags: in: must be 0.
 * @abi_version: VLPI_BROKER_ABI_VERSION of the module.
 * @nr_vms: VMs that have at least one client now.
 * @nr_slots: (VM, vINTID) pairs that have at least one client now.
 * @nr_held: slots whose interrupt is injected directly now.
 * @nr_clients: irqfds that have a client now, in any state.
 * @nr_waiters: of these, the ones that wait for a slot (VLPI_BROKER_WAITER).
 * @nr_reassign: of these, the ones that were assigned before the module was loaded and could not be
 *	taken over for lack of memory: they work in software until they are deassigned and assigned
 *	again.
 * @nr_dead_strays: host IRQs found at load that are still forwarded to a VM that is gone. The
 *	module can't unmap them safely; a reboot of the host does.
 * @connects: times a producer was connected to an irqfd.
 * @grants: times a host IRQ was mapped to its vLPI (promotions included).
 * @promotions: times a waiter was granted a slot that a holder had left.
 * @revokes: times the broker took a holder's mapping back.
 * @grant_failures: times KVM or the irqchip turned down a grant.
 * @gate_refusals: times the broker refused a mapping that KVM asked for: the host IRQ or the vLPI
 *	was mapped otherwise, or no client had the host IRQ.
 * @unmaps_behind: mappings that KVM removed, not the broker (DISCARD, MAPD, end of the VM).
 * @forced_unmaps: host IRQs that KVM left forwarded and that the broker unmapped.
 * @repairs: marks of mappings that were gone, which the broker cleared in KVM's own books.
 * @signals: eventfd signals that the broker served in KVM's place.
 * @injections: interrupts that the fallback raised for @signals; signals merge before one is
 *	taken, so there are no more of these.
 * @version: version of the module, NUL-terminated.
 * @nr_foreign: slots that have a foreign mapping now: KVM has mapped a host IRQ to the vLPI that no
 *	irqfd has, for somebody else. They are not in @nr_held. 0 from modules that do not know it.
 * @reserved: 0.
 */
struct vlpi_broker_info {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 nr_vms;
	__u32 nr_slots;
	__u32 nr_held;
	__u32 nr_clients;
	__u32 nr_waiters;
	__u32 nr_reassign;
	__u32 nr_dead_strays;
	__u64 connects;
	__u64 grants;
	__u64 promotions;
	__u64 revokes;
	__u64 grant_failures;
	__u64 gate_refusals;
	__u64 unmaps_behind;
	__u64 forced_unmaps;
	__u64 repairs;
	__u64 signals;
	__u64 injections;
	char version[32];
	__u32 nr_foreign;
	__u32 reserved;
};

/**
 * enum vlpi_broker_state - what a client is to its slot
 * @VLPI_BROKER_IDLE: it has no producer: only user space signals the irqfd.
 * @VLPI_BROKER_HOLDER: it has the slot: its host IRQ is injected directly.
 * @VLPI_BROKER_WAITER: another client has the slot, or a foreign mapping; the fallback injects for
 *	this one.
 * @VLPI_BROKER_UNMAPPABLE: its host IRQ was turned down, by the hardware, KVM or the broker, with
 *	the errno in the error field; another client may have the slot.
 * @VLPI_BROKER_UNRESOLVED: the guest has no LPI behind the route now; KVM serves the irqfd.
 * @VLPI_BROKER_NOT_MSI: the route is not a single MSI; KVM serves the irqfd.
 */
enum vlpi_broker_state {
	VLPI_BROKER_IDLE = 0,
	VLPI_BROKER_HOLDER = 1,
	VLPI_BROKER_WAITER = 2,
	VLPI_BROKER_UNMAPPABLE = 3,
	VLPI_BROKER_UNRESOLVED = 4,
	VLPI_BROKER_NOT_MSI = 5,
};

/* The irqchip says that the host IRQ is forwarded to a vCPU at this moment. */
#define VLPI_BROKER_CLIENT_FORWARDED	(1U << 0)
/* Assigned before the module was loaded and not taken over: deassign it and assign it again. */
#define VLPI_BROKER_CLIENT_REASSIGN	(1U << 1)
/* While it waits, the wake-up of the irqfd raises its interrupt where it can, not the work item. */
#define VLPI_BROKER_CLIENT_INLINE	(1U << 2)
/* Something has happened in its VM that is not dealt with yet: the state may change in a moment. */
#define VLPI_BROKER_CLIENT_UNSETTLED	(1U << 3)
/* Another VM's irqfd still has its eventfd: no producer connects with this one until that goes. */
#define VLPI_BROKER_CLIENT_SHUT_OUT	(1U << 4)
/* Its slot has a foreign mapping: a host IRQ is mapped to its vLPI that no irqfd has. */
#define VLPI_BROKER_CLIENT_FOREIGN	(1U << 5)

/**
 * struct vlpi_broker_client - one irqfd and its host IRQ
 * @id: of this client; ascending by VM, and in a VM; not used twice while the module is loaded,
 *	never 0.
 * @vm_id: of its VM; not used twice while the module is loaded.
 * @vm_pid: process id of the VMM, in the initial pid namespace.
 * @state: enum vlpi_broker_state.
 * @flags: VLPI_BROKER_CLIENT_*.
 * @error: errno (positive) behind VLPI_BROKER_UNMAPPABLE or _UNRESOLVED, else 0.
 * @host_irq: Linux IRQ number of the producer, 0 without one.
 * @vintid: INTID of the vLPI, 0 where there is none.
 * @gsi: KVM's GSI of the irqfd.
 * @devid: DeviceID of the route in the guest's ITS.
 * @eventid: EventID of the route in the guest's ITS.
 * @position: place in the queue of its slot: 0 holder, 1 the next to be promoted, and so on;
 *	0 also where the state is neither HOLDER nor WAITER.
 * @signals: eventfd signals that the broker served in KVM's place.
 * @injections: interrupts that the fallback raised for @signals.
 * @vm_name: KVM's debugfs name of the VM ("pid-fd"), NUL-terminated, empty where there is none.
 * @vm_comm: command name of the VMM when the VM was first seen, NUL-terminated.
 */
struct vlpi_broker_client {
	__u64 id;
	__u64 vm_id;
	__s32 vm_pid;
	__u32 state;
	__u32 flags;
	__u32 error;
	__u32 host_irq;
	__u32 vintid;
	__u32 gsi;
	__u32 devid;
	__u32 eventid;
	__u32 position;
	__u64 signals;
	__u64 injections;
	char vm_name[32];
	char vm_comm[16];
};

/**
 * struct vlpi_broker_dump - read clients, in the order of their ids
 * @size: in: size of this structure as the caller knows it; out: as the kernel knows it.
 * @flags: in: must be 0.
 * @cursor: in: id of the last client already read, 0 to begin; out: id of the last one returned.
 * @buf: in: address of an array of struct vlpi_broker_client.
 * @buf_entries: in: entries that fit in @buf; at least 1. No more than 4096 are returned at once.
 * @entry_size: in: size of one entry as the caller knows it, a multiple of 8 and not less than
 *	VLPI_BROKER_CLIENT_SIZE_VER1; the kernel cuts off what the caller does not know, and zeroes
 *	what it does not know itself.
 * @nr_entries: out: entries written. All are of one VM; there may be more of it, or of others.
 * @more: out: 1 where clients with a higher id exist, or VMs that may have some, else 0.
 * @generation: out: changes with every change in that VM. The entries of one call are of one moment
 *	of it, and so are those of two calls that returned the same @generation for it.
 *
 * Clients are returned VM by VM. A client that appears between two calls in a VM of which all were
 * returned is not returned any more.
 */
struct vlpi_broker_dump {
	__u32 size;
	__u32 flags;
	__u64 cursor;
	__u64 buf;
	__u32 buf_entries;
	__u32 entry_size;
	__u32 nr_entries;
	__u32 more;
	__u64 generation;
};

/**
 * enum vlpi_broker_event_type - what has changed
 * @VLPI_BROKER_EVENT_CONNECT: a producer was connected to an irqfd.
 * @VLPI_BROKER_EVENT_GRANT: a host IRQ was mapped to the vLPI.
 * @VLPI_BROKER_EVENT_WAIT: a client with a producer did not get the slot.
 * @VLPI_BROKER_EVENT_PROMOTE: the next in the queue took the place of a holder that had gone.
 * @VLPI_BROKER_EVENT_DEMOTE: a holder lost the slot.
 * @VLPI_BROKER_EVENT_UNMAP: a mapping is being removed.
 * @VLPI_BROKER_EVENT_FORCED_UNMAP: KVM left a host IRQ forwarded, and the broker unmapped it.
 * @VLPI_BROKER_EVENT_GATE_REFUSE: KVM wanted to map a host IRQ, and the broker refused.
 * @VLPI_BROKER_EVENT_RESOLVE_FAIL: the route of an irqfd leads to no vLPI.
 *
 * The tracepoints of the same names fire at the same time. More types may come.
 */
enum vlpi_broker_event_type {
	VLPI_BROKER_EVENT_CONNECT = 1,
	VLPI_BROKER_EVENT_GRANT = 2,
	VLPI_BROKER_EVENT_WAIT = 3,
	VLPI_BROKER_EVENT_PROMOTE = 4,
	VLPI_BROKER_EVENT_DEMOTE = 5,
	VLPI_BROKER_EVENT_UNMAP = 6,
	VLPI_BROKER_EVENT_FORCED_UNMAP = 7,
	VLPI_BROKER_EVENT_GATE_REFUSE = 8,
	VLPI_BROKER_EVENT_RESOLVE_FAIL = 9,
};

/**
 * enum vlpi_broker_why - why it has changed
 * @VLPI_BROKER_WHY_CONNECTED: irqbypass connected a producer to the irqfd.
 * @VLPI_BROKER_WHY_VACANT: the slot had no holder.
 * @VLPI_BROKER_WHY_HELD: another client holds the slot.
 * @VLPI_BROKER_WHY_REFUSED: KVM or the irqchip turned the host IRQ down, with the errno given.
 * @VLPI_BROKER_WHY_LEFT: the producer, or the irqfd, is going.
 * @VLPI_BROKER_WHY_REROUTED: the route of the irqfd leads elsewhere now, or the guest's tables do.
 * @VLPI_BROKER_WHY_KVM: KVM removed the mapping, not the broker (DISCARD, MAPD, the end of the VM).
 * @VLPI_BROKER_WHY_REVOKED: the broker took the mapping back.
 * @VLPI_BROKER_WHY_LEAKED: KVM did not unmap the host IRQ when it should have.
 * @VLPI_BROKER_WHY_STRAY: found forwarded when the module was loaded, and no client has it.
 * @VLPI_BROKER_WHY_THREAD: by the fallback thread (tracepoints only).
 * @VLPI_BROKER_WHY_INLINE: by the wake-up itself (tracepoints only).
 * @VLPI_BROKER_WHY_TAKEN: another host IRQ is mapped to that vLPI, or the slot was not granted.
 * @VLPI_BROKER_WHY_UNKNOWN: no client has the host IRQ.
 * @VLPI_BROKER_WHY_ELSEWHERE: when last looked at, the route led to another vLPI, or to none.
 * @VLPI_BROKER_WHY_NO_LPI: the guest has no LPI there, or has its ITS or its LPIs off.
 */
enum vlpi_broker_why {
	VLPI_BROKER_WHY_CONNECTED = 0,
	VLPI_BROKER_WHY_VACANT = 1,
	VLPI_BROKER_WHY_HELD = 2,
	VLPI_BROKER_WHY_REFUSED = 3,
	VLPI_BROKER_WHY_LEFT = 4,
	VLPI_BROKER_WHY_REROUTED = 5,
	VLPI_BROKER_WHY_KVM = 6,
	VLPI_BROKER_WHY_REVOKED = 7,
	VLPI_BROKER_WHY_LEAKED = 8,
	VLPI_BROKER_WHY_STRAY = 9,
	VLPI_BROKER_WHY_THREAD = 10,
	VLPI_BROKER_WHY_INLINE = 11,
	VLPI_BROKER_WHY_TAKEN = 12,
	VLPI_BROKER_WHY_UNKNOWN = 13,
	VLPI_BROKER_WHY_ELSEWHERE = 14,
	VLPI_BROKER_WHY_NO_LPI = 15,
};

/**
 * struct vlpi_broker_event - the record of a change, as read() returns it
 * @size: of this event as the kernel writes it, a multiple of 8 and not less than
 *	VLPI_BROKER_EVENT_SIZE_VER1: the next event begins so many bytes further on. A reader skips
 *	what it does not know of an event.
 * @type: enum vlpi_broker_event_type.
 * @seq: ascending by one from event to event; the first since the module was loaded is 1.
 * @time_ns: CLOCK_MONOTONIC, never less than that of the event before.
 * @vm_id: of the VM, as in struct vlpi_broker_client; 0 where it is not known.
 * @vintid: INTID of the vLPI, 0 where there is none.
 * @host_irq: Linux IRQ number of the producer, 0 without one.
 * @why: enum vlpi_broker_why.
 * @error: errno (positive) behind the change, or 0.
 *
 * Events are kept, whether they are read or not: 8192 in all, and the last 1024 of a VM. Where
 * there is no room for another, the VM that has the most loses its oldest one, so that no VM's
 * changes drive out those of another. When the last irqfd of a VM is gone, its last 64 are kept,
 * and 1024 of all such VMs.
 *
 * An open file has a position among them, which begins at the oldest event that is kept, and moves
 * past an event when that has been copied to the reader. Each open() has a position of its own;
 * processes that share an open file share its position.
 *
 * read() returns as many whole events as there are and fit; what lies behind them in the buffer is
 * undefined. Where there is none, read() waits for one, or fails with EAGAIN if the file has
 * O_NONBLOCK. Events that were overwritten before they were read leave a jump in @seq. poll()
 * returns POLLIN and POLLRDNORM while there is one to read. The file is a stream: no lseek(), no
 * pread().
 * Errors of read(): EINVAL (less room than for one event), EAGAIN, EINTR, EFAULT (no event could be
 * copied; what there is stays to be read).
 * Errors of open() beside the usual: ENOMEM.
 */
struct vlpi_broker_event {
	__u32 size;
	__u32 type;
	__u64 seq;
	__u64 time_ns;
	__u64 vm_id;
	__u32 vintid;
	__u32 host_irq;
	__u32 why;
	__u32 error;
};

/* Sizes as first published: the least that the kernel accepts or writes. */
#define VLPI_BROKER_INFO_SIZE_VER1	160
#define VLPI_BROKER_CLIENT_SIZE_VER1	120
#define VLPI_BROKER_DUMP_SIZE_VER1	48
#define VLPI_BROKER_EVENT_SIZE_VER1	48

/* The module ignores the size that is encoded in an ioctl's number; the size field counts. */
#define VLPI_BROKER_IOC_MAGIC	0xB9
/* Errors: EINVAL (size, flags), EFAULT. */
#define VLPI_BROKER_INFO	_IOWR(VLPI_BROKER_IOC_MAGIC, 0x00, struct vlpi_broker_info)
/* Errors: EINVAL (size, flags, buf_entries, entry_size), EFAULT, ENOMEM, EINTR. */
#define VLPI_BROKER_DUMP	_IOWR(VLPI_BROKER_IOC_MAGIC, 0x01, struct vlpi_broker_dump)

#endif /* _UAPI_LINUX_VLPI_BROKER_H */
