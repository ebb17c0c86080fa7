// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer's input as a life of some VMs. The first byte says what host it is. Each three bytes
 * after it are a step: an operation, and two numbers that say what it is about. After each step the
 * fake host (../unit/fake_check.c) and the reference say whether all is as it must be. Two
 * operations are about the steps that follow: "no-memory" has allocations of the next one fail,
 * "during" does the next one in the middle of the one after it.
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
/* Where more looks than there are clients each change something, there would be no end. */
#define MANY_LOOKS	40

static bool live, guest_is_quick;
/* An operation, and what it is about. */
struct step {
	u8 op;
	u8 x;
	u8 y;
};

static struct step steps[NR_STEPS];
static u32 nr_steps, current;

/* Which allocations of this step fail, the next one first; and whether one has. */
static u8 no_memory;
static bool ran_out;

/* The step in the middle of another, and whether it was done. */
static const struct step *inner;
static bool inner_done;
static struct fake_irqfd *being_signalled;

/* --- the arbiter's memory -------------------------------------------------------------------- */

/* Over the gaps that ASan leaves between variables, too: memcpy() would not do. */
static void __attribute__((no_sanitize("address"))) copy(char *to, const char *from, size_t size)
{
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

	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
		if (irqfd->known && irqfd->host_irq == host_irq)
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
		irqfd = &host.irqfd[(x + i) % NR_IRQFDS];
		if (irqfd->known && !irqfd->leaving &&
		    (producer == EITHER || !irqfd->host_irq == !producer))
			return irqfd;
	}
	return NULL;
}

static bool is_full(void)
{
	u32 i, n = 0;

	for (i = 0; i < NR_IRQFDS; i++)
		n += host.irqfd[i].known;
	return n == NR_IRQFDS;
}

/* --- operations: KVM_IRQFD, VFIO ------------------------------------------------------------- */

static bool do_assign(u8 x, u8 y)
{
	struct fake_irqfd *irqfd;

	if (is_full())
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

	if (!irqfd)
		return false;
	add_producer(irqfd, free_host_irq_of(y));
	return true;
}

static bool do_source(u8 x, u8 y)
{
	struct fake_irqfd *irqfd;

	if (is_full())
		return false;
	irqfd = assign(vm_of(x), event_of(x / NR_VMS));
	if (!irqfd)
		return true;
	irqfd->client.raises_inline = x & 0x80;
	add_producer(irqfd, free_host_irq_of(y));
	return true;
}

static bool do_disconnect(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, WITH);

	if (!irqfd)
		return false;
	del_producer(irqfd);
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
	struct fake_irqfd *irqfd = &host.irqfd[x % NR_IRQFDS];
	u32 i;

	for (i = 0; i < NR_IRQFDS && !irqfd->known; i++)
		irqfd = &host.irqfd[(x + i) % NR_IRQFDS];
	if (!irqfd->known || irqfd == being_signalled)
		return false;
	deassign(irqfd);
	return true;
}

/* The VMM is killed: all irqfds are on their way, and go one by one. */
static bool do_kill(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);
	u32 i, event;

	if (being_signalled && being_signalled->vm == vm)
		return false;
	for (i = 0; i < NR_IRQFDS; i++)
		if (host.irqfd[i].known && host.irqfd[i].vm == vm)
			leave(&host.irqfd[i]);
	for (i = 0; i < NR_IRQFDS; i++) {
		struct fake_irqfd *irqfd = &host.irqfd[(y + i) % NR_IRQFDS];

		if (irqfd->known && irqfd->vm == vm)
			deassign(irqfd);
	}
	for (event = 0; event < NR_EVENTS; event++)
		guest_discards(vm, event);
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

static bool do_route_late(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, EITHER);

	if (!irqfd)
		return false;
	route_late(irqfd, event_of(y));
	reference_unlooked(irqfd->vm);
	return true;
}

/* --- operations: the guest ------------------------------------------------------------------- */

static bool do_map(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);
	u32 event = x / NR_VMS % 4;

	if (vm->event[event])
		return false;
	guest_maps(vm, event, vintid_of(y));
	reference_unlooked(vm);
	return true;
}

static bool do_discard(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);
	u32 event = x / NR_VMS % 4;

	if (!vm->event[event])
		return false;
	guest_discards(vm, event);
	reference_unlooked(vm);
	return true;
}

static bool do_mapd(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);
	u32 event;

	for (event = 0; event < NR_EVENTS; event++)
		guest_discards(vm, event);
	reference_unlooked(vm);
	return true;
}

static bool do_move(u8 x, u8 y)
{
	guest_moves(vm_of(x), vintid_of(y));
	return true;
}

static bool do_its(u8 x, u8 y)
{
	struct fake_vm *vm = vm_of(x);

	its_on(vm, vm->its_off);
	reference_unlooked(vm);
	return true;
}

static bool do_take(u8 x, u8 y)
{
	guest_takes(vm_of(x), vintid_of(y));
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
	guests_take();
	host_takes(host_irq_of(x));
	return true;
}

static bool do_signal(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, EITHER);

	if (!irqfd)
		return false;
	guests_take();
	being_signalled = irqfd;
	signal_eventfd(irqfd);
	being_signalled = NULL;
	return true;
}

static bool do_thread(u8 x, u8 y)
{
	struct fake_irqfd *irqfd = irqfd_of(x, EITHER);

	if (!irqfd)
		return false;
	/* The VM may have no worker for lack of memory; once it has one it keeps it. */
	if (!irqfd->client.vm->worker) {
		irqfd->client.vm->worker = (struct kthread_worker *)1;
		return true;
	}
	guests_take();
	being_signalled = irqfd;
	thread_runs(irqfd);
	being_signalled = NULL;
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

/* KVM could not call the gate for it now: the grant under way holds the locks. */
static bool is_being_granted(u32 host_irq)
{
	struct fake_irqfd *irqfd;

	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
		if (irqfd->known && irqfd->host_irq == host_irq && irqfd->client.granting)
			return true;
	return false;
}

static bool do_gate(u8 x, u8 y)
{
	u32 host_irq = any_number(x), vintid = vintid_of(y / NR_VMS);
	struct fake_vm *vm = vm_of(y);
	bool forwarded = false;
	int expected, ret;

	if (is_being_granted(host_irq))
		return false;
	if (host_irq < NR_IRQS)
		forwarded = host.irq[host_irq].forwarded && host.irq[host_irq].vm == vm &&
			    host.irq[host_irq].vintid == vintid;
	expected = reference_gate(host_irq, vm, vintid, live);
	ret = broker_gate(host_irq, vm, vintid, forwarded);
	if (expected >= 0 && expected != !ret)
		kernel_bug("P1: the gate says %d to host IRQ %u for %c%u, with no grant under way",
			   ret, host_irq, vm->letter, vintid);
	return true;
}

static bool do_gate_failed(u8 x, u8 y)
{
	u32 host_irq = any_number(x);

	if (is_being_granted(host_irq))
		return false;
	broker_gate_failed(host_irq);
	return true;
}

/* KVM unmaps; or the watch tells of a host IRQ that is not mapped, or is a stray. */
static bool do_unmap(u8 x, u8 y)
{
	u32 host_irq = any_number(x);

	if (host_irq < NR_IRQS && host.irq[host_irq].forwarded && !host.irq[host_irq].stray) {
		reference_unlooked(host.irq[host_irq].vm);
		kvm_unmaps(host_irq);
	} else if (broker_unmapped(host_irq)) {
		kernel_bug("host IRQ %u was not forwarded, and is said to be unmapped", host_irq);
	}
	return true;
}

/* --- operations: the arbiter ----------------------------------------------------------------- */

static bool do_look(u8 x, u8 y)
{
	look();
	reference_looked_all();
	return true;
}

static void settle_all(void)
{
	u64 was = 0, is = reference_digest();
	u32 looks;

	for (looks = 0; looks < MANY_LOOKS; looks++) {
		was = is;
		look();
		is = reference_digest();
		/* A client that no look settles stays unsettled. */
		if (!broker_is_unsettled() || is == was)
			break;
	}
	if (looks == MANY_LOOKS)
		kernel_bug("P3: %u looks, and each of them changes something", looks);
	reference_looked_all();
}

static bool do_settle(u8 x, u8 y)
{
	settle_all();
	return true;
}

static bool do_live(u8 x, u8 y)
{
	live = true;
	broker_set_live(true);
	return true;
}

/* What a reader may ask, with a dump in parts. */
static bool do_read(u8 x, u8 y)
{
	struct vlpi_broker_client part[4];
	u64 cursor = 0, generation, first = 0;
	u32 entries = y % ARRAY_SIZE(part), seen = 0;
	bool more = true;
	int n;

	if (broker_is_booked(any_number(x)) && !is_taken(any_number(x)))
		kernel_bug("host IRQ %u is booked, and nobody has it", any_number(x));
	if (x & 1) {
		interrupt_next_wait = true;
		if (broker_dump(part, entries, &cursor, &more, &generation) != -EINTR)
			kernel_bug("a dump was interrupted, and does not say so");
	}
	while (entries && more) {
		n = broker_dump(part, entries, &cursor, &more, &generation);
		if (n < 0 || (n < (int)entries && more) || (first && generation != first))
			kernel_bug("a dump in parts of %u says %d, %d", entries, n, more);
		first = generation;
		seen += n;
	}
	if (entries && seen != info().nr_clients)
		kernel_bug("%u in the dump, %u clients", seen, info().nr_clients);
	if (!(x & 6)) {
		broker_count_dead_stray();
		broker_count_forced_unmap(any_number(x));
	}
	return true;
}

/* --- steps ----------------------------------------------------------------------------------- */

/* In the middle of what it may be done: nothing, a signal that holds no mutex, or any step. */
enum place { NOWHERE, BESIDE_A_SIGNAL, ANYWHERE };

static const struct operation {
	const char *name;
	bool (*fn)(u8 x, u8 y);
	enum place in_the_middle;
} operations[] = {
	{ "no-memory", NULL, NOWHERE },
	{ "during", NULL, NOWHERE },
	{ "assign", do_assign, BESIDE_A_SIGNAL },
	{ "connect", do_connect, BESIDE_A_SIGNAL },
	{ "source", do_source, BESIDE_A_SIGNAL },
	{ "source", do_source, BESIDE_A_SIGNAL },
	{ "disconnect", do_disconnect, BESIDE_A_SIGNAL },
	{ "leave", do_leave, ANYWHERE },
	{ "deassign", do_deassign, BESIDE_A_SIGNAL },
	{ "kill", do_kill, BESIDE_A_SIGNAL },
	{ "route", do_route, BESIDE_A_SIGNAL },
	{ "route-late", do_route_late, ANYWHERE },
	{ "map", do_map, ANYWHERE },
	{ "map", do_map, ANYWHERE },
	{ "discard", do_discard, ANYWHERE },
	{ "mapd", do_mapd, ANYWHERE },
	{ "move", do_move, ANYWHERE },
	{ "its", do_its, ANYWHERE },
	{ "take", do_take, ANYWHERE },
	{ "fire", do_fire, ANYWHERE },
	{ "host-takes", do_host_takes, ANYWHERE },
	{ "signal", do_signal, ANYWHERE },
	{ "thread", do_thread, BESIDE_A_SIGNAL },
	{ "mode", do_mode, ANYWHERE },
	{ "refuse", do_refuse, ANYWHERE },
	{ "gate", do_gate, ANYWHERE },
	{ "gate-failed", do_gate_failed, ANYWHERE },
	{ "unmap", do_unmap, ANYWHERE },
	{ "look", do_look, BESIDE_A_SIGNAL },
	{ "settle", do_settle, BESIDE_A_SIGNAL },
	{ "live", do_live, ANYWHERE },
	{ "read", do_read, BESIDE_A_SIGNAL },
};

#define OP_NO_MEMORY	0
#define OP_DURING	1

static const struct operation *op_of(const struct step *step)
{
	return &operations[step->op % ARRAY_SIZE(operations)];
}

static bool is_op(const struct step *step, u32 op)
{
	return step->op % ARRAY_SIZE(operations) == op;
}

/* Returns false where there was nothing to do it to. */
static bool do_step(const struct step *step)
{
	return op_of(step)->fn && op_of(step)->fn(step->x, step->y);
}

static bool allocation_is_to_fail(void)
{
	bool fails = no_memory & 1;

	no_memory >>= 1;
	ran_out |= fails;
	return fails;
}

static void do_inner(void)
{
	/* What takes a mutex can come only in the middle of a signal that holds none. */
	enum place place = being_signalled && !lock_class_is_held("&slot->lock") ?
			   BESIDE_A_SIGNAL : ANYWHERE;
	struct fake_irqfd *outer = being_signalled;
	const struct step *step = inner;

	inner = NULL;
	if (op_of(step)->in_the_middle < place)
		return;
	inner_done |= do_step(step);
	being_signalled = outer;
}

/* The moments at which the inner step may happen. */
static void (**moment_of(u8 x))(void)
{
	void (**const moments[])(void) = {
		&host.before_map, &host.after_map, &host.after_unmap, &host.while_injecting,
		&while_reader_looks, &host.when_granted,
	};

	return moments[x % ARRAY_SIZE(moments)];
}

static void print_step(const struct step *step)
{
	printf("%s %u %u\n", op_of(step)->name, step->x, step->y);
}

static void do_next_step(bool *misfortune)
{
	void (**moment)(void) = NULL;
	const struct step *step = &steps[current];
	bool say = getenv("FUZZ_SAY");

	*misfortune = false;
	while (!op_of(step)->fn && current + 1 < nr_steps) {
		if (say)
			print_step(step);
		if (is_op(step, OP_NO_MEMORY)) {
			no_memory = step->x;
		} else if (current + 2 < nr_steps && op_of(&steps[current + 1])->fn) {
			moment = moment_of(step->x);
			inner = &steps[++current];
			if (say)
				print_step(inner);
		}
		step = &steps[++current];
	}
	if (say)
		print_step(step);
	/* Of all readers only the step's own is interrupted. */
	if (moment == &while_reader_looks && op_of(step)->fn != do_signal &&
	    op_of(step)->fn != do_thread)
		moment = NULL;
	if (moment)
		*moment = do_inner;
	do_step(step);
	if (moment)
		*moment = NULL;
	inner = NULL;
	*misfortune = ran_out || inner_done;
	/* After a misfortune, what the arbiter was to do may have to wait for a look. */
	if (*misfortune)
		reference_unlooked_all();
	no_memory = 0;
	ran_out = false;
	inner_done = false;
	fake_check();
	reference_check(*misfortune);
	if (!*misfortune && op_of(step)->fn == do_settle) {
		fake_check_settled();
		reference_check_settled();
	}
	current++;
}

static void say_what_led_there(void)
{
	u32 i;

	printf("# of %u steps, these were done or begun:\n", nr_steps);
	for (i = 0; i < nr_steps && i <= current; i++)
		print_step(&steps[i]);
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
	host.gone_at_once = 0;
	host.maps_again = world & 1;
	host.revoke_does_nothing = world & 2;
	host.irqs_per_device = world & 4 ? 4 : 0;
	/* A KVM before our time left one in a VM that is gone. */
	if (world & 8)
		host.irq[NR_IRQS - 1] = (struct fake_irq){
			.forwarded = true, .stray = true, .vm = &host.vm[2], .vintid = LPI + 7,
		};
	guest_is_quick = world & 64;
	live = !(world & 16);
	broker_set_live(live);
	for (i = 0; world & 32 && i < NR_VMS; i++)
		guest_maps(&host.vm[i], 0, LPI);
}

static void end(void)
{
	settle_all();
	fake_check();
	reference_check(false);
	fake_check_settled();
	reference_check_settled();
	fake_end();
	reference_check(true);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	bool misfortune;

	if (!size)
		return 0;
	nr_steps = min((size - 1) / sizeof(struct step), (size_t)NR_STEPS);
	memcpy(steps, data + 1, nr_steps * sizeof(struct step));
	begin(*data);
	for (current = 0; current < nr_steps;)
		do_next_step(&misfortune);
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

	return (struct step){
		.op = below(ARRAY_SIZE(operations)),
		.x = below(few) | (below(4) ? 0 : 0x80),
		.y = below(few),
	};
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
				*data ^= 1 << below(7);
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
	before_the_end = say_what_led_there;
	allocation_fails = allocation_is_to_fail;
	return 0;
}
