// SPDX-License-Identifier: GPL-2.0-only
/* What the guest is told to do, through its mailbox; and the books of what it has mapped. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm.h"

/* ITS commands, as the architecture numbers them. */
#define ITS_MOVI		0x01
#define ITS_INT			0x03
#define ITS_CLEAR		0x04
#define ITS_MAPD		0x08
#define ITS_MAPC		0x09
#define ITS_MAPTI		0x0a
#define ITS_INV			0x0c
#define ITS_MOVALL		0x0e
#define ITS_DISCARD		0x0f
#define ITS_VALID		(1ULL << 63)

#define GITS_CTLR		0x0000
#define GITS_CWRITER		0x0088

#define EVENTID_BITS		12
#define ITT_SIZE		(8UL << EVENTID_BITS)
#define LPI_PRIORITY		0xa0
#define LPI_RES1		2
#define LPI_ENABLED		1

static const char * const op_names[] = {
	[GUEST_NOP] = "round trip",
	[GUEST_GIC_INIT] = "GIC init",
	[GUEST_LPIS] = "LPIs on or off",
	[GUEST_ITS_INIT] = "ITS init",
	[GUEST_ITS] = "ITS on or off",
	[GUEST_ITS_CMD] = "ITS command",
	[GUEST_LPI_PROP] = "LPI property",
	[GUEST_MASK] = "mask interrupts",
	[GUEST_IDLE] = "idle mode",
	[GUEST_READ] = "read",
	[GUEST_WRITE] = "write",
	[GUEST_WRITE_ON] = "write for ever",
	[GUEST_FIRE] = "fire",
};

/* An edge; it stays pending in the vGIC while the guest has interrupts masked, and ends its WFI. */
static void ring(struct vm *vm, unsigned int vcpu)
{
	spi_set(vm, GUEST_DOORBELL_SPI + vcpu, true);
	spi_set(vm, GUEST_DOORBELL_SPI + vcpu, false);
}

static bool answered(struct vm *vm, struct guest_vcpu *g)
{
	vm_check(vm);
	return __atomic_load_n(&g->ack, __ATOMIC_ACQUIRE) == g->seq;
}

/* Gives the command and rings the doorbell. */
static void tell(struct vm *vm, unsigned int vcpu, enum guest_op op, const uint64_t arg[5])
{
	struct guest_vcpu *g = &vm->shared->vcpu[vcpu];

	if (vcpu >= vm->nr_vcpus)
		die("VM %s has no vCPU %u", vm->name, vcpu);
	g->op = op;
	memcpy(g->arg, arg, sizeof(g->arg));
	__atomic_store_n(&g->seq, g->seq + 1, __ATOMIC_RELEASE);
	ring(vm, vcpu);
}

uint64_t guest_answer(struct vm *vm, unsigned int vcpu)
{
	struct guest_vcpu *g = &vm->shared->vcpu[vcpu];
	unsigned long long a0 = g->arg[0], a1 = g->arg[1];

	wait_for(answered(vm, g), "VM %s, vCPU %u: answer to \"%s\" (%#llx %#llx)", vm->name, vcpu,
		 op_names[g->op], a0, a1);
	if (g->status != GUEST_OK)
		die("VM %s, vCPU %u: \"%s\" (%#llx %#llx) ended with status %u", vm->name, vcpu,
		    op_names[g->op], a0, a1, g->status);
	return g->result;
}

uint64_t guest_do(struct vm *vm, unsigned int vcpu, enum guest_op op, uint64_t a0, uint64_t a1,
		  uint64_t a2, uint64_t a3, uint64_t a4)
{
	const uint64_t arg[5] = { a0, a1, a2, a3, a4 };

	tell(vm, vcpu, op, arg);
	return guest_answer(vm, vcpu);
}

static void do1(struct vm *vm, unsigned int vcpu, enum guest_op op, uint64_t a0)
{
	guest_do(vm, vcpu, op, a0, 0, 0, 0, 0);
}

/* Twice: the answer is given with interrupts masked, and they are taken before the next one. */
void guest_round_trip(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		do1(vm, i, GUEST_NOP, 0);
		do1(vm, i, GUEST_NOP, 0);
	}
}

void guest_init_gic(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		do1(vm, i, GUEST_GIC_INIT, 0);
		do1(vm, i, GUEST_IDLE, GUEST_IDLE_WFI);
	}
	vm->gic_ready = true;
}

void guest_lpis(struct vm *vm, unsigned int vcpu, bool on)
{
	do1(vm, vcpu, GUEST_LPIS, on);
}

/* KVM's ITS names a target by the number of its vCPU. */
static uint64_t target(unsigned int vcpu)
{
	return (uint64_t)vcpu << 16;
}

/* All on vCPU 0, which owns the command queue. */
static void its_cmd(struct vm *vm, uint64_t d0, uint64_t d1, uint64_t d2, unsigned int sync)
{
	guest_do(vm, 0, GUEST_ITS_CMD, d0, d1, d2, 0, target(sync));
}

static uint64_t cmd_dev(uint64_t cmd, uint32_t devid)
{
	return cmd | (uint64_t)devid << 32;
}

void guest_map_collection(struct vm *vm, unsigned int collection, unsigned int vcpu)
{
	its_cmd(vm, ITS_MAPC, 0, ITS_VALID | target(vcpu) | collection, vcpu);
	vm->collection[collection] = vcpu;
	for (unsigned int i = 0; i < vm->nr_events; i++)
		if (vm->events[i].collection == collection)
			vm->events[i].vcpu = vcpu;
}

void guest_init_its(struct vm *vm)
{
	do1(vm, 0, GUEST_ITS_INIT, 0);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		guest_mapc(vm, i, true);
}

void guest_mapc(struct vm *vm, unsigned int vcpu, bool valid)
{
	if (valid)
		guest_map_collection(vm, vcpu, vcpu);
	else
		its_cmd(vm, ITS_MAPC, 0, target(vcpu) | vcpu, vcpu);
}

void guest_boot(struct vm *vm)
{
	guest_init_gic(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		guest_lpis(vm, i, true);
	guest_init_its(vm);
}

void guest_its(struct vm *vm, bool on)
{
	do1(vm, 0, GUEST_ITS, on);
}

struct its_event *vm_its_event(struct vm *vm, uint32_t devid, uint32_t eventid)
{
	for (unsigned int i = 0; i < vm->nr_events; i++)
		if (vm->events[i].devid == devid && vm->events[i].eventid == eventid)
			return &vm->events[i];
	return NULL;
}

static void forget_event(struct vm *vm, struct its_event *e)
{
	*e = vm->events[--vm->nr_events];
}

static bool has_device(struct vm *vm, uint32_t devid)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++)
		if (vm->devices[i] == devid)
			return true;
	return false;
}

static void forget_device(struct vm *vm, uint32_t devid)
{
	for (unsigned int i = 0; i < vm->nr_devices; )
		if (vm->devices[i] == devid)
			vm->devices[i] = vm->devices[--vm->nr_devices];
		else
			i++;
	for (unsigned int i = 0; i < vm->nr_events; )
		if (vm->events[i].devid == devid)
			forget_event(vm, &vm->events[i]);
		else
			i++;
}

static void map_device(struct vm *vm, uint32_t devid)
{
	if (vm->nr_devices == VM_MAX_DEVICES ||
	    vm->itt_next + ITT_SIZE > GUEST_RAM + GUEST_RAM_SIZE)
		die("VM %s: too many devices", vm->name);
	its_cmd(vm, cmd_dev(ITS_MAPD, devid), EVENTID_BITS - 1, ITS_VALID | vm->itt_next, 0);
	forget_device(vm, devid);
	vm->itt_next += ITT_SIZE;
	vm->devices[vm->nr_devices++] = devid;
}

static void unmap_device(struct vm *vm, uint32_t devid)
{
	its_cmd(vm, cmd_dev(ITS_MAPD, devid), 0, 0, 0);
	forget_device(vm, devid);
}

void guest_mapd(struct vm *vm, uint32_t devid, bool valid)
{
	if (valid)
		map_device(vm, devid);
	else
		unmap_device(vm, devid);
}

static void set_prop(struct vm *vm, uint32_t intid, bool on)
{
	guest_do(vm, 0, GUEST_LPI_PROP, intid, LPI_PRIORITY | LPI_RES1 | (on ? LPI_ENABLED : 0),
		 0, 0, 0);
}

void guest_map(struct vm *vm, uint32_t devid, uint32_t eventid, uint32_t intid, unsigned int vcpu)
{
	struct its_event *e = vm_its_event(vm, devid, eventid);

	if (!has_device(vm, devid))
		map_device(vm, devid);
	/* KVM reads the property byte when it maps the event; the INV is what a real guest does. */
	set_prop(vm, intid, true);
	its_cmd(vm, cmd_dev(ITS_MAPTI, devid), eventid | (uint64_t)intid << 32, vcpu, vcpu);
	its_cmd(vm, cmd_dev(ITS_INV, devid), eventid, 0, vcpu);
	if (!e) {
		if (vm->nr_events == GUEST_NR_LPIS)
			die("VM %s: too many events", vm->name);
		e = &vm->events[vm->nr_events++];
	}
	*e = (struct its_event){
		.devid = devid,
		.eventid = eventid,
		.intid = intid,
		.collection = vcpu,
		.vcpu = vm->collection[vcpu],
	};
}

void guest_discard(struct vm *vm, uint32_t devid, uint32_t eventid)
{
	struct its_event *e = vm_its_event(vm, devid, eventid);

	its_cmd(vm, cmd_dev(ITS_DISCARD, devid), eventid, 0, 0);
	if (e)
		forget_event(vm, e);
}

void guest_move(struct vm *vm, uint32_t devid, uint32_t eventid, unsigned int vcpu)
{
	struct its_event *e = vm_its_event(vm, devid, eventid);

	its_cmd(vm, cmd_dev(ITS_MOVI, devid), eventid, vcpu, vcpu);
	if (!e)
		return;
	e->collection = vcpu;
	e->vcpu = vm->collection[vcpu];
}

/*
 * MOVALL moves what is pending and leaves the collections alone; KVM retargets the LPIs. A guest
 * that moves a vCPU's interrupts also maps the collection anew, which is guest_map_collection().
 */
void guest_move_all(struct vm *vm, unsigned int from, unsigned int to)
{
	guest_do(vm, 0, GUEST_ITS_CMD, ITS_MOVALL, 0, target(from), target(to), target(to));
	for (unsigned int i = 0; i < vm->nr_events; i++)
		if (vm->events[i].vcpu == from)
			vm->events[i].vcpu = to;
}

void guest_clear(struct vm *vm, uint32_t devid, uint32_t eventid)
{
	its_cmd(vm, cmd_dev(ITS_CLEAR, devid), eventid, 0, 0);
}

void guest_int(struct vm *vm, uint32_t devid, uint32_t eventid)
{
	its_cmd(vm, cmd_dev(ITS_INT, devid), eventid, 0, 0);
}

void guest_inv(struct vm *vm, uint32_t devid, uint32_t eventid)
{
	guest_begin_inv(vm, devid, eventid);
	guest_answer(vm, 0);
}

void guest_begin_inv(struct vm *vm, uint32_t devid, uint32_t eventid)
{
	const uint64_t arg[5] = { cmd_dev(ITS_INV, devid), eventid, 0, 0, target(0) };

	tell(vm, 0, GUEST_ITS_CMD, arg);
}

struct its_cmd its_cmd_mapti(uint32_t devid, uint32_t eventid, uint32_t intid)
{
	return (struct its_cmd){{ cmd_dev(ITS_MAPTI, devid), eventid | (uint64_t)intid << 32 }};
}

struct its_cmd its_cmd_discard(uint32_t devid, uint32_t eventid)
{
	return (struct its_cmd){{ cmd_dev(ITS_DISCARD, devid), eventid }};
}

struct its_cmd its_cmd_mapc(bool valid)
{
	return (struct its_cmd){{ ITS_MAPC, 0, valid ? ITS_VALID : 0 }};
}

/* Its table is where no other device has one. KVM writes there only when tables are saved. */
struct its_cmd its_cmd_mapd(uint32_t devid)
{
	uint64_t itt = GUEST_RAM + GUEST_RAM_SIZE - ITT_SIZE;

	return (struct its_cmd){{ cmd_dev(ITS_MAPD, devid), EVENTID_BITS - 1, ITS_VALID | itt }};
}

static void begin_writing(struct vm *vm, const uint64_t arg[5])
{
	vm->shared->vcpu[0].result = 0;
	tell(vm, 0, GUEST_WRITE_ON, arg);
}

void guest_begin_cmds(struct vm *vm, const struct its_cmd *cmds, unsigned int nr,
		      unsigned int at_once)
{
	const uint64_t cwriter = GUEST_GITS + GITS_CWRITER;
	struct its_cmd *queue = (void *)((char *)vm->ram + GUEST_CMD_QUEUE - GUEST_RAM);
	uint64_t first = guest_do(vm, 0, GUEST_READ, cwriter, 8, 0, 0, 0);
	uint64_t step = at_once * sizeof(*queue);

	if (GUEST_CMDS % nr || GUEST_CMDS % at_once || at_once == GUEST_CMDS)
		die("%u commands, %u at once, do not fill the queue", nr, at_once);
	for (unsigned int i = 0; i < GUEST_CMDS; i++)
		queue[(first / sizeof(*queue) + i) % GUEST_CMDS] = cmds[i % nr];
	first = (first + step) % GUEST_CMD_QUEUE_SIZE;
	begin_writing(vm, (uint64_t[]){ cwriter, 8, first, step, GUEST_CMD_QUEUE_SIZE });
}

void guest_begin_its_off_and_on(struct vm *vm)
{
	begin_writing(vm, (uint64_t[]){ GUEST_GITS + GITS_CTLR, 4, 0, 1, 2 });
}

uint64_t guest_writes(struct vm *vm)
{
	return __atomic_load_n(&vm->shared->vcpu[0].result, __ATOMIC_RELAXED);
}

void guest_fire(struct vm *vm, uint64_t reg, uint32_t value, uint32_t intid)
{
	const uint64_t arg[5] = { reg, value, intid };

	tell(vm, 0, GUEST_FIRE, arg);
	/* Who asks for the answer takes the CPU from it. */
	usleep(100000);
	guest_answer(vm, 0);
}

void guest_enable(struct vm *vm, uint32_t intid, bool on)
{
	set_prop(vm, intid, on);
	for (unsigned int i = 0; i < vm->nr_events; i++)
		if (vm->events[i].intid == intid)
			guest_inv(vm, vm->events[i].devid, vm->events[i].eventid);
}

void guest_mask(struct vm *vm, unsigned int vcpu, bool masked)
{
	do1(vm, vcpu, GUEST_MASK, masked);
	vm->vcpu[vcpu].masked = masked;
	if (!masked)
		do1(vm, vcpu, GUEST_NOP, 0);
}

void guest_idle(struct vm *vm, unsigned int vcpu, enum guest_idle idle)
{
	do1(vm, vcpu, GUEST_IDLE, idle);
}

uint64_t guest_count_on(struct vm *vm, unsigned int vcpu, uint32_t intid)
{
	const struct guest_vcpu *g = &vm->shared->vcpu[vcpu];

	return __atomic_load_n(&g->count[guest_counter(intid)], __ATOMIC_ACQUIRE);
}

uint64_t guest_count(struct vm *vm, uint32_t intid)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		n += guest_count_on(vm, i, intid);
	return n;
}

uint64_t guest_lpi_count(struct vm *vm)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		for (unsigned int c = guest_counter(GUEST_LPI_BASE); c < GUEST_NR_COUNTERS; c++)
			n += vm->shared->vcpu[i].count[c];
	return n;
}

bool guest_takes(struct vm *vm, uint32_t intid, uint64_t before)
{
	struct wait w;

	wait_begin(&w);
	do {
		vm_check(vm);
		if (guest_count(vm, intid) > before)
			return true;
	} while (wait_more(&w));
	return false;
}

void guest_wait_irq(struct vm *vm, uint32_t intid, uint64_t before, const char *why)
{
	if (!guest_takes(vm, intid, before))
		die("not within %u s: VM %s: the guest takes INTID %u (%s)", wait_bound(), vm->name,
		    intid, why);
}
