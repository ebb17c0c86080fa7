// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random schedules, each with a seed, against a model that is as simple as it can be: each client
 * remembers when it came, and the one that came first has the slot. The model knows what the guest
 * and the VMM did, and asks the arbiter nothing, except after an operation in which memory ran out
 * or the guest discarded: then it takes over what it sees, which fake_check() has found to be safe.
 */
#include <linux/slab.h>

#include <errno.h>
#include <stdlib.h>

#include "fake_host.h"
#include "unit.h"

#define NR_SEEDS		200
#define NR_OPERATIONS		500

static u64 state;

static u32 below(u32 n)
{
	return random_below(&state, n);
}

/* --- the model ------------------------------------------------------------------------------- */

static struct model {
	u32 at;			/* vINTID, 0 for none */
	u64 came;
	bool booked;
	bool mapped;
	bool turned_down;	/* since it came to @at */
	int seen_event;		/* its route when it was placed */
	u32 was_at;		/* before a look that the arbiter may have left out */
	u64 had_come;
	enum vlpi_broker_state nowhere;	/* what it is while it is nowhere */
} models[NR_IRQFDS];

/* The holder, or the last one where the arbiter has not looked since. */
static struct fake_irqfd *holders[NR_VMS][NR_LPIS];
static bool dirty[NR_VMS];
static u64 now;

static struct model *m(struct fake_irqfd *irqfd)
{
	return &models[irqfd - host.irqfd];
}

static struct fake_irqfd **holder(struct fake_vm *vm, u32 vintid)
{
	return &holders[vm - host.vm][vintid - LPI];
}

static struct fake_irqfd *next_known(struct fake_irqfd *irqfd)
{
	for (; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
		if (irqfd->known)
			return irqfd;
	return NULL;
}

#define for_each_known(pos) \
	for (pos = next_known(host.irqfd); pos; pos = next_known(pos + 1))

static bool is_before(struct fake_irqfd *x, struct fake_irqfd *y)
{
	u64 x_vm = x->client.vm->id, y_vm = y->client.vm->id;

	return x_vm != y_vm ? x_vm < y_vm : x->client.id < y->client.id;
}

/* VMs in the order in which they came, and each one's irqfds in that. */
static struct fake_irqfd *next_by_age(struct fake_irqfd *last)
{
	struct fake_irqfd *irqfd, *next = NULL;

	for_each_known(irqfd)
		if ((!last || is_before(last, irqfd)) && (!next || is_before(irqfd, next)))
			next = irqfd;
	return next;
}

#define for_each_by_age(pos) \
	for (pos = next_by_age(NULL); pos; pos = next_by_age(pos))

static void model_fill(struct fake_vm *vm, u32 vintid)
{
	struct fake_irqfd **has = holder(vm, vintid), *irqfd, *first;
	u64 after = 0;

	if (*has && m(*has)->mapped)
		return;
	*has = NULL;
	do {
		first = NULL;
		for_each_known(irqfd)
			if (irqfd->vm == vm && m(irqfd)->at == vintid && m(irqfd)->booked &&
			    !irqfd->leaving && m(irqfd)->came > after &&
			    (!first || m(irqfd)->came < m(first)->came))
				first = irqfd;
		if (first && !host.irq[first->host_irq].refuse && leads_to(first) == vintid) {
			*has = first;
			m(first)->mapped = true;
			m(first)->turned_down = false;
		} else if (first) {
			m(first)->turned_down = true;
			after = m(first)->came;
		}
	} while (first && !*has);
}

static void model_leave(struct fake_irqfd *irqfd)
{
	u32 at = m(irqfd)->at;

	m(irqfd)->at = 0;
	m(irqfd)->mapped = false;
	m(irqfd)->turned_down = false;
	if (at && *holder(irqfd->vm, at) == irqfd) {
		*holder(irqfd->vm, at) = NULL;
		model_fill(irqfd->vm, at);
	}
}

static bool is_booked(u32 host_irq)
{
	struct fake_irqfd *irqfd;

	for_each_known(irqfd)
		if (irqfd->host_irq == host_irq && m(irqfd)->booked)
			return true;
	return false;
}

static void model_place(struct fake_irqfd *irqfd)
{
	u32 to = leads_to(irqfd);

	if (m(irqfd)->at != to) {
		model_leave(irqfd);
		m(irqfd)->at = to;
		m(irqfd)->came = ++now;
	}
	if (to && irqfd->host_irq && !m(irqfd)->booked)
		m(irqfd)->booked = !is_booked(irqfd->host_irq);
	m(irqfd)->seen_event = irqfd->event;
	m(irqfd)->nowhere = irqfd->event == NOT_MSI ? VLPI_BROKER_NOT_MSI : VLPI_BROKER_UNRESOLVED;
}

static void model_arbitrate(struct fake_irqfd *irqfd)
{
	model_place(irqfd);
	if (m(irqfd)->at)
		model_fill(irqfd->vm, m(irqfd)->at);
}

static void model_del_producer(struct fake_irqfd *irqfd)
{
	model_leave(irqfd);
	m(irqfd)->booked = false;
	m(irqfd)->nowhere = VLPI_BROKER_IDLE;
	if (!irqfd->leaving)
		model_arbitrate(irqfd);
}

static void model_unmapped(struct fake_vm *vm, u32 vintid)
{
	struct fake_irqfd *has = *holder(vm, vintid);

	if (has && m(has)->mapped) {
		m(has)->mapped = false;
		dirty[vm - host.vm] = true;
	}
}

static void model_fill_all(struct fake_vm *vm)
{
	u32 vintid;

	for (vintid = LPI; vintid < LPI + NR_LPIS; vintid++)
		model_fill(vm, vintid);
}

/* Where nothing has changed, only those are looked at that have no holder to wait for. */
static bool lacks_a_holder(struct fake_irqfd *irqfd)
{
	u32 at = m(irqfd)->at;

	if (!at)
		return m(irqfd)->nowhere == VLPI_BROKER_UNRESOLVED;
	return irqfd->host_irq && !*holder(irqfd->vm, at);
}

static void model_settle(void)
{
	bool placed[NR_VMS] = {};
	struct fake_irqfd *irqfd;
	u32 i;

	for_each_by_age(irqfd) {
		if (irqfd->leaving)
			continue;
		placed[irqfd->vm - host.vm] |= dirty[irqfd->vm - host.vm] || lacks_a_holder(irqfd);
		if (dirty[irqfd->vm - host.vm]) {
			model_place(irqfd);
		} else if (lacks_a_holder(irqfd)) {
			m(irqfd)->was_at = m(irqfd)->at;
			m(irqfd)->had_come = m(irqfd)->came;
			model_place(irqfd);
		}
	}
	/* One that is leaving stays the last holder, where there is no other. */
	for (i = 0; i < NR_VMS; i++)
		if (placed[i])
			model_fill_all(&host.vm[i]);
	memset(dirty, 0, sizeof(dirty));
}

static void model_routes_changed(struct fake_vm *vm)
{
	struct fake_irqfd *irqfd;
	bool any = false;

	for_each_by_age(irqfd) {
		if (irqfd->vm == vm && !irqfd->leaving && irqfd->event != m(irqfd)->seen_event) {
			model_place(irqfd);
			any = true;
		}
	}
	if (any)
		model_fill_all(vm);
}

static void model_changed(struct fake_vm *vm)
{
	struct fake_irqfd *irqfd;

	for_each_known(irqfd)
		if (irqfd->vm == vm)
			dirty[vm - host.vm] = true;
}

/* --- does the arbiter agree? ----------------------------------------------------------------- */

static void compare_client(struct fake_irqfd *irqfd)
{
	struct vlpi_broker_client entry = dump_of(irqfd);
	struct model *model = m(irqfd);
	bool had_it = model->at && *holder(irqfd->vm, model->at) == irqfd;
	enum vlpi_broker_state expected;

	/* The arbiter may look at one that has no holder to wait for at any time. */
	if (entry.vintid != model->at && entry.vintid == leads_to(irqfd) && lacks_a_holder(irqfd))
		model_place(irqfd);
	/* And it may leave out one that would be turned down again. */
	if (entry.vintid != model->at && entry.vintid == model->was_at &&
	    entry.state == VLPI_BROKER_UNMAPPABLE) {
		model->at = model->was_at;
		model->came = model->had_come;
		model->turned_down = true;
	}
	model->was_at = 0;
	if (entry.vintid != model->at)
		kernel_bug("client %llu is at %u, the model says %u", entry.id, entry.vintid,
			   model->at);
	if (irqfd->client.mapped != model->mapped)
		kernel_bug("client %llu at %u is %smapped, the model says not so", entry.id,
			   model->at, irqfd->client.mapped ? "" : "not ");
	/* The arbiter has not looked since KVM unmapped it. */
	if (had_it && !model->mapped)
		return;
	if (!model->at)
		expected = model->nowhere;
	else if (!irqfd->host_irq)
		expected = VLPI_BROKER_IDLE;
	else if (model->mapped)
		expected = VLPI_BROKER_HOLDER;
	else if (!model->booked)
		expected = VLPI_BROKER_UNMAPPABLE;
	else
		expected = VLPI_BROKER_WAITER;
	if (entry.state == expected)
		return;
	if (expected == VLPI_BROKER_WAITER && model->turned_down &&
	    entry.state == VLPI_BROKER_UNMAPPABLE)
		return;
	kernel_bug("client %llu at %u is %s, the model says %s", entry.id, model->at,
		   name_of_state(entry.state), name_of_state(expected));
}

static void compare(void)
{
	struct fake_irqfd *irqfd;

	for_each_known(irqfd)
		compare_client(irqfd);
}

/* Where what a reader sees has changed since this was last asked, so has the generation. */
static void compare_generation(void)
{
	static struct vlpi_broker_client before[NR_IRQFDS];
	static int n_before;
	static u64 generation_before;
	struct vlpi_broker_client entries[NR_IRQFDS];
	u64 cursor = 0, generation;
	bool more, differs;
	int n, i;

	n = broker_dump(entries, NR_IRQFDS, &cursor, &more, &generation);
	/* Flags are what the irqchip says, which the generation does not count. */
	for (i = 0; i < n; i++)
		entries[i].flags = 0;
	differs = n != n_before || memcmp(entries, before, n * sizeof(*entries));
	if (differs && generation == generation_before)
		kernel_bug("generation %llu is two states", generation);
	memcpy(before, entries, sizeof(before));
	n_before = n;
	generation_before = generation;
}

/* After an operation in which there was a misfortune. */
static void adopt(void)
{
	struct vlpi_broker_client entry;
	struct fake_irqfd *irqfd;

	memset(holders, 0, sizeof(holders));
	for_each_by_age(irqfd) {
		struct model *model = m(irqfd);

		entry = dump_of(irqfd);
		if (model->at != entry.vintid) {
			model->at = entry.vintid;
			model->came = ++now;
		}
		model->mapped = irqfd->client.mapped;
		model->booked = irqfd->client.booked;
		model->turned_down |= entry.state == VLPI_BROKER_UNMAPPABLE;
		if (model->at && entry.state == VLPI_BROKER_HOLDER)
			*holder(irqfd->vm, model->at) = irqfd;
	}
}

/* --- operations ------------------------------------------------------------------------------ */

static struct {
	const char *text;
	const char *misfortune;
	int at[3];
} notes[8];

static u32 seed, operation;

static void note(const char *text, int x, int y, int z)
{
	notes[operation % 8].text = text;
	notes[operation % 8].at[0] = x;
	notes[operation % 8].at[1] = y;
	notes[operation % 8].at[2] = z;
}

static void say_what_led_there(void)
{
	u32 i, first = operation > 7 ? operation - 7 : 0;

	printf("# seed %u:\n", seed);
	for (i = first; i <= operation; i++) {
		int *at = notes[i % 8].at;

		printf("# %4u. %s %d %d %d%s\n", i, notes[i % 8].text, at[0], at[1], at[2],
		       notes[i % 8].misfortune);
	}
}

static struct fake_vm *any_vm(void)
{
	return &host.vm[below(NR_VMS)];
}

/* Any irqfd that is not leaving, with a producer or without. */
static struct fake_irqfd *any_irqfd(bool with_producer)
{
	u32 first = below(NR_IRQFDS), i;

	for (i = 0; i < NR_IRQFDS; i++) {
		struct fake_irqfd *irqfd = &host.irqfd[(first + i) % NR_IRQFDS];

		if (irqfd->known && !irqfd->leaving && !irqfd->host_irq == !with_producer)
			return irqfd;
	}
	return NULL;
}

static int any_event(void)
{
	/* Few, so that they are shared. */
	return below(12) ? (int)below(3) : NOT_MSI;
}

static u32 any_host_irq(void)
{
	u32 host_irq = 1 + below(NR_IRQS - 1), tries;
	struct fake_irqfd *irqfd;

	/* Now and then one that another irqfd has already. */
	for (tries = below(20) ? NR_IRQS : 0; tries; tries--) {
		bool taken = false;

		for_each_known(irqfd)
			taken |= irqfd->host_irq == host_irq;
		if (!taken)
			break;
		host_irq = host_irq % (NR_IRQS - 1) + 1;
	}
	return host_irq;
}

static int index_of(struct fake_irqfd *irqfd)
{
	return irqfd - host.irqfd;
}

static void op_assign(void)
{
	struct fake_vm *vm = any_vm();
	int event = any_event();
	struct fake_irqfd *irqfd;
	u32 n = 0;

	for_each_known(irqfd)
		n++;
	if (n == NR_IRQFDS)
		return;
	note("assign (VM, event)", vm - host.vm, event, 0);
	irqfd = assign(vm, event);
	if (!irqfd)
		return;
	*m(irqfd) = (struct model){};
	model_place(irqfd);
}

static void op_add_producer(void)
{
	struct fake_irqfd *irqfd = any_irqfd(false);
	u32 host_irq = any_host_irq();

	if (!irqfd)
		return;
	note("add producer (irqfd, host IRQ)", index_of(irqfd), host_irq, 0);
	add_producer(irqfd, host_irq);
	model_arbitrate(irqfd);
}

static void op_del_producer(void)
{
	struct fake_irqfd *irqfd = any_irqfd(true);

	if (!irqfd)
		return;
	note("delete producer (irqfd)", index_of(irqfd), 0, 0);
	del_producer(irqfd);
	model_del_producer(irqfd);
}

static void op_leave(void)
{
	struct fake_irqfd *irqfd = any_irqfd(true);

	if (!irqfd)
		return;
	note("leave (irqfd)", index_of(irqfd), 0, 0);
	leave(irqfd);
}

static void op_deassign(void)
{
	struct fake_irqfd *irqfd = &host.irqfd[below(NR_IRQFDS)];
	bool had_producer = irqfd->host_irq;

	if (!irqfd->known)
		return;
	note("deassign (irqfd)", index_of(irqfd), 0, 0);
	deassign(irqfd);
	if (had_producer)
		model_del_producer(irqfd);
	model_leave(irqfd);
	if (irqfd->vm - host.vm < NR_VMS) {
		struct fake_irqfd *other;
		bool last = true;

		for_each_known(other)
			last &= other->vm != irqfd->vm;
		if (last)
			dirty[irqfd->vm - host.vm] = false;
	}
}

static void op_route(void)
{
	struct fake_irqfd *irqfd = &host.irqfd[below(NR_IRQFDS)];
	int event = any_event();

	if (!irqfd->known || irqfd->leaving)
		return;
	note("route (irqfd, event)", index_of(irqfd), event, 0);
	route(irqfd, event);
	model_routes_changed(irqfd->vm);
}

static void op_route_late(void)
{
	struct fake_irqfd *irqfd = &host.irqfd[below(NR_IRQFDS)];
	int event = any_event();

	if (!irqfd->known || irqfd->leaving)
		return;
	note("route, with no memory to look (irqfd, event)", index_of(irqfd), event, 0);
	route_late(irqfd, event);
	model_changed(irqfd->vm);
}

static void op_map(void)
{
	struct fake_vm *vm = any_vm();
	u32 event = below(3), vintid = LPI + below(4);

	note("MAPTI (VM, event, LPI)", vm - host.vm, event, vintid);
	if (!vm->event[event])
		model_changed(vm);
	guest_maps(vm, event, vintid);
}

static void op_discard(void)
{
	struct fake_vm *vm = any_vm();
	u32 event = below(3);

	note("DISCARD (VM, event)", vm - host.vm, event, 0);
	if (vm->event[event])
		model_unmapped(vm, vm->event[event]);
	guest_discards(vm, event);
}

static void op_move(void)
{
	struct fake_vm *vm = any_vm();
	u32 vintid = LPI + below(4);

	note("MOVI (VM, LPI)", vm - host.vm, vintid, 0);
	guest_moves(vm, vintid);
}

static void op_its(void)
{
	struct fake_vm *vm = any_vm();

	/* More often on than off. */
	if (!vm->its_off && below(4))
		return;
	note("ITS (VM, on)", vm - host.vm, vm->its_off, 0);
	if (vm->its_off)
		model_changed(vm);
	its_on(vm, vm->its_off);
}

/* ENOMEM passes by itself; EINVAL never does, as with an ITS that is no GICv4 one. */
static void op_refuse(void)
{
	u32 host_irq = 1 + below(NR_IRQS - 1);
	int *refuse = &host.irq[host_irq].refuse;

	if (host.irq[host_irq].forwarded || *refuse == EINVAL || (!*refuse && below(3)))
		return;
	*refuse = *refuse ? 0 : host_irq > 3 ? ENOMEM : EINVAL;
	note("refuse (host IRQ, errno)", host_irq, *refuse, 0);
}

static bool settled;

static void op_settle(void)
{
	note("settle", 0, 0, 0);
	/* A second look would repair what adopt() has to see. */
	if (fail_allocation || host.after_map)
		look();
	else
		settle();
	model_settle();
	settled = true;
}

static void (*const operations[])(void) = {
	op_assign, op_assign, op_assign,
	op_add_producer, op_add_producer, op_add_producer,
	op_add_producer, op_add_producer, op_add_producer,
	op_del_producer, op_del_producer,
	op_leave,
	op_deassign, op_deassign, op_deassign,
	op_route, op_route, op_route, op_route_late,
	op_map, op_map, op_map, op_map, op_map, op_map, op_map, op_map,
	op_discard, op_discard,
	op_move,
	op_its,
	op_refuse,
	op_settle, op_settle, op_settle, op_settle, op_settle, op_settle, op_settle,
};

static struct fake_vm *discarding;
static u32 discarded_event;
static bool discarded;

static void discard_just_then(void)
{
	discarded = discarding->event[discarded_event];
	guest_discards(discarding, discarded_event);
}

/* Memory comes back, and something happens to each VM. */
static void recover(void)
{
	u32 i;

	adopt();
	for (i = 0; i < NR_VMS; i++) {
		broker_vm_changed(&host.vm[i]);
		model_changed(&host.vm[i]);
	}
	settle();
	model_settle();
	fake_check_settled();
}

static void one_operation(void)
{
	u32 misfortune = below(12);
	bool hit = false;

	note("nothing", 0, 0, 0);
	notes[operation % 8].misfortune = "";
	settled = false;
	discarded = false;
	if (misfortune == 0) {
		notes[operation % 8].misfortune = ", with no memory";
		fail_allocation = 1 + below(3);
		hit = true;
	} else if (misfortune == 1) {
		notes[operation % 8].misfortune = ", with a DISCARD in the middle";
		discarding = any_vm();
		discarded_event = below(3);
		host.after_map = discard_just_then;
	}
	operations[below(ARRAY_SIZE(operations))]();
	hit = (hit && !fail_allocation) || discarded;
	fail_allocation = 0;
	host.after_map = NULL;
	if (hit)
		recover();
	else if (settled)
		fake_check_settled();
	compare();
	compare_generation();
}

static void schedule(void)
{
	state = 0x9e3779b97f4a7c15ULL * (seed + 1);
	host.maps_again = seed & 1;
	host.revoke_does_nothing = seed & 2;
	for (operation = 0; operation < NR_OPERATIONS; operation++)
		one_operation();
	fake_end();
	fake_reset();
	memset(models, 0, sizeof(models));
	memset(holders, 0, sizeof(holders));
	memset(dirty, 0, sizeof(dirty));
}

TEST(random_schedules_do_what_the_model_says)
{
	struct vlpi_broker_info total;

	broker_set_live(true);
	before_the_end = say_what_led_there;
	for (seed = 0; seed < NR_SEEDS; seed++)
		schedule();
	total = info();
	printf("# %u schedules of %u: %llu grants, %llu promotions, %llu turned down, ",
	       NR_SEEDS, NR_OPERATIONS, total.grants, total.promotions, total.grant_failures);
	printf("%llu unmapped by KVM, %llu forced\n", total.unmaps_behind, total.forced_unmaps);
	/* The schedules did enough of each for the checks to mean something. */
	EXPECT(info().grants > NR_SEEDS * 20);
	EXPECT(info().promotions > NR_SEEDS);
	EXPECT(info().unmaps_behind > NR_SEEDS);
	EXPECT(info().forced_unmaps > NR_SEEDS);
	EXPECT(info().grant_failures > NR_SEEDS);
}
