// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer's input as a life of some VMs. The first byte says what host it is. Each three bytes
 * after it are a step: an operation, and two numbers that say what it is about. After each step the
 * fake host (../unit/fake_check.c) and the reference say whether all is as it must be. Two
 * operations are about the steps that follow: "no-memory" has allocations of the next one fail,
 * "during" has the next one done by another CPU, at a moment of what comes after it.
 *
 *   broker-fuzz --seeds FILE DIR	puts an input into DIR for each paragraph of FILE, see there
 *   FUZZ_SAY=1 broker-fuzz INPUT	says each step before it is done
 */
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

#define NR_STEPS	96

static bool guest_is_quick, say;
/* An operation, and what it is about. */
struct step {
	u8 op;
	u8 x;
	u8 y;
};

static struct step steps[NR_STEPS];
static u32 nr_steps, current;

/* Which allocations of this step fail, the next one first. */
static u8 no_memory;

/* The steps that another CPU does at some moment; the last is while a wake-up looks at its slot. */
static const struct step *inner[NR_MOMENTS + 1];
static bool inner_done;
static struct fake_irqfd *being_signalled;

/* --- the arbiter's memory -------------------------------------------------------------------- */

/* Over the gaps that ASan leaves between variables, too: memcpy() would not do. */
static void __attribute__((no_sanitize("address"))) copy(char *to, const char *from, size_t size)
{
	for (; size >= sizeof(u64); size -= sizeof(u64)) {
		WRITE_ONCE(*(u64 *)to, *(const u64 *)from);
		to += sizeof(u64);
		from += sizeof(u64);
	}
	while (size--)
		WRITE_ONCE(to[size], from[size]);
}

static void reset_arbiter(void)
{
	static char *data, *bss;

	if (!data) {
		data = malloc(__stop_broker_data - __start_broker_data);
		bss = malloc(__stop_broker_bss - __start_broker_bss);
		copy(data, __start_broker_data, __stop_broker_data - __start_broker_data);
		copy(bss, __start_broker_bss, __stop_broker_bss - __start_broker_bss);
		return;
	}
	copy(__start_broker_data, data, __stop_broker_data - __start_broker_data);
	copy(__start_broker_bss, bss, __stop_broker_bss - __start_broker_bss);
}

/* --- what a step is about -------------------------------------------------------------------- */

static struct fake_vm *vm_of(u8 x)
{
	return &host.vm[x % NR_VMS];
}

/* Few events and LPIs, so that they are shared. */
static int event_of(u8 x)
{
	return x % 5 == 4 ? NOT_MSI : x % 5;
}

static u32 vintid_of(u8 x)
{
	return LPI + x % 5;
}

static u32 host_irq_of(u8 x)
{
	return 1 + x % (NR_IRQS - 1);
}

static bool is_taken(u32 host_irq)
{
	struct fake_irqfd *irqfd;

	for_each_irqfd(irqfd)
		if (irqfd->host_irq == host_irq)
			return true;
	return false;
}

/* A free one, or seldom one that another irqfd has too. */
static u32 free_host_irq_of(u8 x)
{
	u32 host_irq = host_irq_of(x), i;

	for (i = 0; x < 0xe6 && i < NR_IRQS && is_taken(host_irq); i++)
		host_irq = host_irq % (NR_IRQS - 1) + 1;
	return host_irq;
}

/* WITHOUT is 0. */
enum producer { WITHOUT, WITH, EITHER };

static struct fake_irqfd *irqfd_of(u8 x, enum producer producer)
{
	struct fake_irqfd *irqfd;
	u32 i;

	for (i = 0; i < NR_IRQFDS; i++) {
		irqfd = host.irqfd[(x + i) % NR_IRQFDS];
		if (irqfd && !irqfd->leaving &&
		    (producer == EITHER || !irqfd->host_irq == !producer))
			return irqfd;
	}
	return NULL;
}

static bool is_full(void)
{
	struct fake_irqfd *irqfd;
	u32 n = 0;

	for_each_irqfd(irqfd)
		n++;
	return n == NR_IRQFDS;
}

/* A wake-up has the raise lock, for which a CPU that comes to it waits. */
static bool is_raising(void)
{
	return lock_class_is_held_anywhere("&slot->raise_lock");
}

/* --- operations: KVM_IRQFD, VFIO ------------------------------------------------------------- */

static bool do_assign(u8 x, u8 y)
{
	struct fake_irqfd *irqfd;

	if (is_full() || !irqbypass_is_free())
		return false;
	irqfd = assign(vm_of(x), event_of(y));
	/* The fallback= of the moment. */
	if (irqfd)
		irqfd->client.raises_inline = x & 0x80;
	return true;
}

static bool do_connect(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, WITHOUT);

	if (!irqfd || !irqbypass_is_free())
		return false;
	add_producer(irqfd, free_host_irq_of(y));
	return true;
}

static bool do_source(u8 x, u8 y)
{
	struct fake_irqfd *irqfd;

	if (is_full() || !irqbypass_is_free())
		return false;
	irqfd = assign(vm_of(x), event_of(x / NR_VMS));
	if (!irqfd)
		return true;
	irqfd->client.raises_inline = x & 0x80;
	add_producer(irqfd, free_host_irq_of(y));
	return true;
}

/* In the middle of something it may leave at once, or only begin to. */
static bool do_disconnect(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, WITH);

	if (!irqfd || !irqbypass_is_free() || is_raising())
		return false;
	if (y & 1)
		del_begins(irqfd);
	else
		del_producer(irqfd);
	return true;
}

static bool do_disconnected(u8 x, u8 y)
{
	if (!del_can_end() || is_raising())
		return false;
	del_ends();
	return true;
}

static bool do_leave(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, EITHER);

	if (!irqfd)
		return false;
	leave(irqfd);
	return true;
}

static bool do_deassign(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = NULL;
	u32 i;

	for (i = 0; i < NR_IRQFDS && !irqfd; i++)
		irqfd = host.irqfd[(x + i) % NR_IRQFDS];
	if (!irqfd || irqfd == being_signalled || is_raising())
		return false;
	deassign(irqfd);
	return true;
}

/* Another CPU may get the VM stuck in between: the rest of them are not done then. */
static void discard_all(struct fake_vm *vm)
{
	u32 event;

	for (event = 0; event < NR_EVENTS && its_lock_is_free(vm); event++)
		guest_discards(vm, event);
}

/* The VMM is killed: all irqfds are on their way, and go one by one. */
static bool do_kill(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);
	struct fake_irqfd *irqfd;
	u32 i;

	if ((being_signalled && being_signalled->vm == vm) || is_raising() ||
	    !its_lock_is_free(vm) || !irqbypass_is_free())
		return false;
	for_each_irqfd(irqfd)
		if (irqfd->vm == vm)
			leave(irqfd);
	for (i = 0; i < NR_IRQFDS; i++) {
		irqfd = host.irqfd[(y + i) % NR_IRQFDS];
		if (irqfd && irqfd->vm == vm)
			deassign(irqfd);
	}
	discard_all(vm);
	for_each_irqfd(irqfd)
		if (irqfd->vm == vm)
			return true;
	for (i = 0; i < NR_IRQS; i++)
		if (host.irq[i].forwarded && !host.irq[i].stray && host.irq[i].vm == vm)
			kernel_bug("P4: host IRQ %u is forwarded to VM %c, which is gone", i,
				   vm->letter);
	return true;
}

static bool do_route(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, EITHER);

	if (!irqfd)
		return false;
	route(irqfd, event_of(y));
	return true;
}

/* --- operations: the guest ------------------------------------------------------------------- */

static bool do_map(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);
	u32 event = x / NR_VMS % 4;

	if (vm->event[event] || !its_lock_is_free(vm))
		return false;
	guest_maps(vm, event, vintid_of(y));
	return true;
}

static bool do_discard(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);
	u32 event = x / NR_VMS % 4;

	if (!vm->event[event] || !its_lock_is_free(vm) || is_raising())
		return false;
	guest_discards(vm, event);
	return true;
}

static bool do_mapd(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);

	if (!its_lock_is_free(vm) || is_raising())
		return false;
	discard_all(vm);
	return true;
}

static bool do_move(u8 x, u8 y)
{
	if (!its_lock_is_free(vm_of(x)))
		return false;
	guest_moves(vm_of(x), vintid_of(y));
	return true;
}

static bool do_its(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);

	its_on(vm, vm->its_off);
	return true;
}

static bool do_take(u8 x, u8 y)
{
	guest_takes(vm_of(x), vintid_of(y));
	return true;
}

/* KVM has its_lock, and faults on guest memory; and it is over. */
static bool do_stuck(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);

	/* KVM's add is to have it next, and would wait. */
	if (vm->its_lock.lock.held_by || vm->adding)
		return false;
	get_stuck(vm, !vm->stuck);
	return true;
}

/* --- operations: edges ----------------------------------------------------------------------- */

/* A guest that is quick has taken all before the next edge, so that none hides behind another. */
static void guests_take(void)
{
	u32 i, vintid;

	for (i = 0; guest_is_quick && i < NR_VMS; i++)
		for (vintid = LPI; vintid < LPI + NR_LPIS; vintid++)
			guest_takes(&host.vm[i], vintid);
}

static bool do_fire(u8 x, u8 y)
{
	guests_take();
	fires(host_irq_of(x));
	return true;
}

static bool do_host_takes(u8 x, u8 y)
{
	if (is_raising())
		return false;
	guests_take();
	host_takes(host_irq_of(x));
	return true;
}

static bool do_signal(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, EITHER), *outer = being_signalled;

	if (!irqfd || is_raising())
		return false;
	guests_take();
	being_signalled = irqfd;
	signal_eventfd(irqfd);
	being_signalled = outer;
	return true;
}

static bool do_mode(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, EITHER);

	if (!irqfd)
		return false;
	irqfd->client.raises_inline = !irqfd->client.raises_inline;
	return true;
}

/* --- operations: the irqchip, the gate and the watch ----------------------------------------- */

/* ENOMEM passes by itself; EINVAL never does, as with an ITS that is no GICv4 one. */
static bool do_refuse(u8 x, u8 y)
{
	u32 host_irq = host_irq_of(x);
	int *refuse = &host.irq[host_irq].refuse;

	if (host.irq[host_irq].forwarded || *refuse == EINVAL)
		return false;
	*refuse = *refuse ? 0 : host_irq > 3 ? ENOMEM : EINVAL;
	return true;
}

/* A host IRQ, or a number that is none; some of these share a host IRQ's hash bucket. */
static u32 any_number(u8 x)
{
	return x < 0xc0 ? x % NR_IRQS : x < 0xe0 ? x % NR_IRQS + (x << 8) : x * 0x01010101U;
}

static bool do_gate(u8 x, u8 y)
{
	u32 host_irq = any_number(x), vintid = vintid_of(y / NR_VMS);
	struct fake_vm *vm = vm_of(y);
	struct vb_client *client;
	bool forwarded = false;
	int expected, ret;

	if (host_irq < NR_IRQS)
		forwarded = host.irq[host_irq].forwarded && host.irq[host_irq].vm == vm &&
			    host.irq[host_irq].vintid == vintid;
	expected = reference_gate(host_irq, vm, vintid);
	/* A task that grants nothing. */
	ret = broker_gate(vm->book ? &vm->book->book : NULL, &client, host_irq, vintid, vm->target,
			  forwarded ? VB_ASK_MOVE : VB_ASK_MAP, &client);
	if (expected >= 0 && expected != !ret)
		kernel_bug("P1: the gate says %d to host IRQ %u for %c%u, with no grant under way",
			   ret, host_irq, vm->letter, vintid);
	if (client)
		kernel_bug("P1: client %llu is granted what was not granted", client->id);
	if (!ret)
		broker_gate_done(client, y & 0x80 ? -ENOMEM : 0);
	return true;
}

/* KVM unmaps; or the watch tells of a host IRQ that is not mapped, or is a stray. */
static bool do_unmap(u8 x, u8 y)
{
	u32 host_irq = any_number(x);
	struct vb_client *client;

	if (is_raising())
		return false;
	if (host_irq < NR_IRQS && host.irq[host_irq].forwarded && !host.irq[host_irq].stray) {
		if (!its_lock_is_free(host.irq[host_irq].vm))
			return false;
		kvm_unmaps(host_irq);
	} else if (!lock_class_is_held_anywhere("&vm->irq_lock")) {
		if (broker_unmap_begin(host_irq, &client, &client))
			kernel_bug("host IRQ %u was not forwarded, and is said to be unmapped",
				   host_irq);
		broker_unmap_end(client);
	}
	return true;
}

/* --- operations: the arbiter ----------------------------------------------------------------- */

/* A CPU that settles a VM waits where another is in the middle of a call of KVM's. */
static bool do_look(u8 x, u8 y)
{
	u32 i;

	if (is_raising())
		return false;
	for (i = 0; i < NR_VMS; i++)
		if (!host.vm[i].its_lock.lock.held_by && !host.vm[i].irq_lock.lock.held_by)
			look_at(&host.vm[i]);
	return true;
}

static bool do_tick(u8 x, u8 y)
{
	if (!is_first_cpu())
		return false;
	tick();
	look();
	return true;
}

static bool do_settle(u8 x, u8 y)
{
	if (!is_first_cpu())
		return false;
	settle();
	return true;
}

static bool do_time(u8 x, u8 y)
{
	time_passes(x);
	return true;
}

/* What a guest does in some minutes, and no input is long enough for. */
static bool do_spend(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);

	if (!vm->book)
		return false;
	vm->book->book.credit_us = y % 3;
	vm->book->book.credit_ms = host.ms;
	return true;
}

static bool do_live(u8 x, u8 y)
{
	if (!host.loading)
		return false;
	take_over();
	return true;
}

/* What a reader may ask, with a dump in parts. */
static bool do_read(u8 x, u8 y)
{
	struct vlpi_broker_client part[4];
	struct fake_vm *vm = vm_of(x);
	u64 cursor = 0, generation, first = 0;
	u32 entries = y % ARRAY_SIZE(part), seen = 0, there = 0;
	struct fake_irqfd *irqfd;
	bool more = true;
	int n;

	if (broker_is_booked(any_number(y), NULL) && !is_taken(any_number(y)))
		kernel_bug("host IRQ %u is booked, and nobody has it", any_number(y));
	while (vm->book && entries && more) {
		n = broker_dump(&vm->book->book, part, entries, &cursor, &more, &generation);
		if (n < 0 || (n < (int)entries && more) || (first && generation != first))
			kernel_bug("a dump in parts of %u says %d, %d", entries, n, more);
		first = generation;
		seen += n;
	}
	for_each_irqfd(irqfd)
		there += irqfd->vm == vm;
	if (vm->book && entries && seen != there)
		kernel_bug("%u in the dump, %u clients", seen, there);
	if (y > 0xf0) {
		broker_count_dead_stray();
		broker_count_forced_unmap(NULL, any_number(x));
	}
	/* As of an irqfd that could not be taken over. */
	irqfd = irqfd_of(y, WITHOUT);
	if (y > 0xf8 && irqfd && !irqfd->client.reassign)
		broker_set_reassign(&irqfd->client);
	return true;
}

/* --- steps ----------------------------------------------------------------------------------- */

static const struct operation {
	const char *name;
	bool (*fn)(u8 x, u8 y);
} operations[] = {
	{ "no-memory", NULL },
	{ "during", NULL },
	{ "during", NULL },
	{ "during", NULL },
	{ "assign", do_assign },
	{ "connect", do_connect },
	{ "source", do_source },
	{ "source", do_source },
	{ "disconnect", do_disconnect },
	{ "disconnected", do_disconnected },
	{ "leave", do_leave },
	{ "deassign", do_deassign },
	{ "kill", do_kill },
	{ "route", do_route },
	{ "route", do_route },
	{ "map", do_map },
	{ "map", do_map },
	{ "discard", do_discard },
	{ "mapd", do_mapd },
	{ "move", do_move },
	{ "its", do_its },
	{ "take", do_take },
	{ "stuck", do_stuck },
	{ "fire", do_fire },
	{ "host-takes", do_host_takes },
	{ "signal", do_signal },
	{ "mode", do_mode },
	{ "refuse", do_refuse },
	{ "gate", do_gate },
	{ "unmap", do_unmap },
	{ "look", do_look },
	{ "look", do_look },
	{ "look", do_look },
	{ "tick", do_tick },
	{ "settle", do_settle },
	{ "time", do_time },
	{ "spend", do_spend },
	{ "live", do_live },
	{ "read", do_read },
};

static const struct operation *op_of(const struct step *step)
{
	return &operations[step->op % ARRAY_SIZE(operations)];
}

static void print_step(const struct step *step)
{
	printf("%s%s %u %u\n", is_first_cpu() ? "" : "  meanwhile: ", op_of(step)->name, step->x,
	       step->y);
}

/* Returns false where there was nothing to do it to. */
static bool do_step(const struct step *step)
{
	if (say)
		print_step(step);
	return op_of(step)->fn(step->x, step->y);
}

static bool allocation_is_to_fail(void)
{
	bool fails = no_memory & 1;

	no_memory >>= 1;
	return fails;
}

static void do_inner(u32 moment)
{
	const struct step *step = inner[moment];

	inner[moment] = NULL;
	inner_done |= do_step(step);
}

static void do_inner_of_moment(void)
{
	do_inner(host.moment);
}

static void do_inner_of_reader(void)
{
	do_inner(NR_MOMENTS);
}

static void do_next_step(void)
{
	const struct step *step;

	for (;;) {
		step = &steps[current];
		if (op_of(step)->fn || current + 1 >= nr_steps)
			break;
		if (say)
			print_step(step);
		/* By name: there may be several that are called "during". */
		if (!strcmp(op_of(step)->name, "no-memory")) {
			no_memory = step->x;
		} else if (current + 2 < nr_steps && op_of(&steps[current + 1])->fn) {
			inner[step->x % (NR_MOMENTS + 1)] = &steps[++current];
			if (say)
				print_step(&steps[current]);
		}
		current++;
	}
	if (op_of(step)->fn) {
		u32 i;

		for (i = 0; i < NR_MOMENTS; i++)
			host.at[i] = inner[i] ? do_inner_of_moment : NULL;
		/* Of all readers only the step's own is interrupted. */
		if (inner[NR_MOMENTS] && op_of(step)->fn == do_signal)
			while_reader_looks = do_inner_of_reader;
		do_step(step);
		memset(host.at, 0, sizeof(host.at));
		while_reader_looks = NULL;
	}
	/* What is for looking waits for that. */
	if (op_of(step)->fn == do_look || op_of(step)->fn == do_settle)
		memset(inner, 0, sizeof(inner));
	if (op_of(step)->fn == do_signal)
		inner[NR_MOMENTS] = NULL;
	if (inner_done)
		reference_misfortune();
	inner_done = false;
	no_memory = 0;
	fake_check();
	reference_check(op_of(step)->fn == do_look || op_of(step)->fn == do_tick ||
			op_of(step)->fn == do_settle);
	if (op_of(step)->fn == do_settle)
		reference_check_settled();
	current++;
}

static void say_what_led_there(void)
{
	u32 i;

	printf("# of %u steps, these were done or begun:\n", nr_steps);
	for (i = 0; i < nr_steps && i <= current; i++)
		printf("%s %u %u\n", op_of(&steps[i])->name, steps[i].x, steps[i].y);
	fflush(stdout);
	/* libFuzzer keeps the input then. */
	abort();
}

static void begin(u8 world)
{
	u32 i;

	reset_arbiter();
	reference_begin();
	fake_reset();
	host.maps = 0;
	host.ms = 1000;
	host.maps_again = world & 1;
	host.unset_by_route = world & 128;
	host.revoke_does_nothing = world & 2 && !host.unset_by_route;
	host.irqs_per_device = world & 4 ? 4 : 0;
	/* A KVM before our time left one in a VM that is gone. */
	if (world & 8)
		host.irq[NR_IRQS - 1] = (struct fake_irq){
			.forwarded = true, .stray = true, .vm = &host.vm[2], .vintid = LPI + 7,
		};
	guest_is_quick = world & 64;
	host.loading = world & 16;
	broker_set_live(!host.loading);
	for (i = 0; world & 32 && i < NR_VMS; i++)
		guest_maps(&host.vm[i], 0, LPI);
	memset(inner, 0, sizeof(inner));
}

static void end(void)
{
	u32 i;

	for (i = 0; i < NR_VMS; i++)
		if (host.vm[i].stuck)
			get_stuck(&host.vm[i], false);
	take_over();
	settle();
	fake_check();
	reference_check(true);
	reference_check_settled();
	fake_end();
	reference_check(true);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (!size)
		return 0;
	say = getenv("FUZZ_SAY");
	if (say)
		setlinebuf(stdout);
	nr_steps = min((size - 1) / sizeof(struct step), (size_t)NR_STEPS);
	memcpy(steps, data + 1, nr_steps * sizeof(struct step));
	begin(*data);
	for (current = 0; current < nr_steps;)
		do_next_step();
	end();
	return 0;
}

/* --- other inputs ---------------------------------------------------------------------------- */

static u64 dice;

static u32 below(u32 n)
{
	return random_below(&dice, n);
}

/* Mostly few irqfds, events and LPIs, so that they meet. */
static struct step any_step(void)
{
	u32 few = below(4) ? 8 : 256;

	struct step step = {
		.op = below(ARRAY_SIZE(operations)),
		.x = below(few) | (below(4) ? 0 : 0x80),
		.y = below(few),
	};

	/* Any of the moments. */
	if (!op_of(&step)->fn)
		step.x = below(256);
	return step;
}

/* Whole steps come, go, change and are repeated; what libFuzzer does to bytes would shift them. */
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned int seed)
{
	struct step *all = (struct step *)(data + 1);
	u32 n, at, length, times, room;

	if (max_size < 1 + sizeof(struct step))
		return LLVMFuzzerMutate(data, size, max_size);
	dice = 0x9e3779b97f4a7c15ULL * (seed + 1);
	if (!size)
		*data = 0;
	n = size ? (size - 1) / sizeof(struct step) : 0;
	room = min((max_size - 1) / sizeof(struct step), (size_t)NR_STEPS);
	n = min(n, room);
	for (times = 1 + below(4); times; times--) {
		at = below(n + 1);
		switch (below(8)) {
		case 0:
		case 1:
		case 2:
			if (n == room)
				break;
			memmove(all + at + 1, all + at, (n - at) * sizeof(*all));
			all[at] = any_step();
			n++;
			break;
		case 3:
			length = 1 + below(4);
			length = min(length, n - at);
			n -= length;
			memmove(all + at, all + at + length, (n - at) * sizeof(*all));
			break;
		case 4:
			if (at < n)
				all[at] = any_step();
			break;
		case 5:
			if (at < n)
				*(below(2) ? &all[at].x : &all[at].y) = any_step().x;
			break;
		case 6:
			length = 1 + below(6);
			length = min(length, min(n - at, room - n));
			memmove(all + n, all + at, length * sizeof(*all));
			n += length;
			break;
		default:
			if (below(2))
				*data ^= 1 << below(8);
			else
				n = LLVMFuzzerMutate((u8 *)all, n * sizeof(*all),
						     room * sizeof(*all)) / sizeof(*all);
		}
	}
	return 1 + n * sizeof(*all);
}

/* --- seeds ----------------------------------------------------------------------------------- */

static void die(const char *what, const char *which)
{
	fprintf(stderr, "broker-fuzz: %s %s\n", what, which);
	exit(2);
}

static u8 op_named(const char *name)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (!strcmp(operations[i].name, name))
			return i;
	die("no operation is called", name);
	return 0;
}

/* "= NAME WORLD" begins an input, each other line is a step of it. */
static void make_seeds(const char *file, const char *dir)
{
	char line[200], name[64], path[400];
	FILE *in = fopen(file, "r"), *out = NULL;
	unsigned int x, y;

	if (!in)
		die("can't read", file);
	while (fgets(line, sizeof(line), in)) {
		x = 0;
		y = 0;
		if (*line == '#' || *line == '\n')
			continue;
		if (sscanf(line, "= %63s %u", name, &x) == 2) {
			if (out && fclose(out))
				die("can't write", path);
			snprintf(path, sizeof(path), "%s/%s", dir, name);
			out = fopen(path, "w");
			if (!out)
				die("can't write", path);
			putc(x, out);
			continue;
		}
		if (sscanf(line, "%63s %u %u", name, &x, &y) < 1 || !out)
			die("no step, or of no input:", line);
		putc(op_named(name), out);
		putc(x, out);
		putc(y, out);
	}
	fclose(in);
	if (out && fclose(out))
		die("can't write", path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (*argc == 4 && !strcmp((*argv)[1], "--seeds")) {
		make_seeds((*argv)[2], (*argv)[3]);
		exit(0);
	}
	broker_memory_init();
	before_the_end = say_what_led_there;
	allocation_fails = allocation_is_to_fail;
	return 0;
}
