// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random schedules, each with a seed, against a model that is as simple as it can be: each client
 * remembers when it came to where it is, and of those that came first one has the slot. The model
 * knows what the guest and the VMM did, and says what a settled VM is like. Where something
 * happened in the middle of a step, or a VM was stuck, it takes over what it sees, which
 * fake_check() and fake_check_settled() have found to be right.
 */
#include <linux/lockdep.h>
#include <linux/slab.h>

#include <errno.h>
#include <stdlib.h>

#include "fake_host.h"
#include "unit.h"

#define NR_SEEDS		100
#define NR_OPERATIONS		500

static u64 state;

static u32 below(u32 n)
{
	return random_below(&state, n);
}

/* --- the model ------------------------------------------------------------------------------- */

static struct model {
	u32 at;			/* vINTID, 0 for none */
	u64 came;		/* less is earlier; of those with the same either may be first */
	bool fresh;		/* it has not been looked at yet */
	bool holds;
	bool turned_down;	/* it was, when its slot was looked at last */
	bool anywhere;		/* when it came is not known */
} models[NR_IRQFDS];

static u64 now;
/* Something has happened in the middle, so that the model does not know what comes of it. */
static bool unknown[NR_VMS];

static struct model *m(struct fake_irqfd *irqfd)
{
	return &models[irqfd->index];
}

static bool is_before(struct fake_irqfd *x, struct fake_irqfd *y)
{
	/* New ones are looked at first, then all by their ids. */
	if (m(x)->fresh != m(y)->fresh)
		return m(x)->fresh;
	return x->client.id < y->client.id;
}

static struct fake_irqfd *next_to_look_at(struct fake_vm *vm, struct fake_irqfd *last)
{
	struct fake_irqfd *irqfd, *next = NULL;

	for_each_irqfd(irqfd)
		if (irqfd->vm == vm && (!last || is_before(last, irqfd)) &&
		    (!next || is_before(irqfd, next)))
			next = irqfd;
	return next;
}

/* Each is brought to where it leads; those that hold something only when they have lost that. */
static void model_looks(struct fake_vm *vm)
{
	struct fake_irqfd *irqfd;

	for (irqfd = next_to_look_at(vm, NULL); irqfd; irqfd = next_to_look_at(vm, irqfd)) {
		if (irqfd->leaving || m(irqfd)->holds || m(irqfd)->at == leads_to(irqfd))
			continue;
		m(irqfd)->at = leads_to(irqfd);
		m(irqfd)->came = ++now;
		m(irqfd)->anywhere = false;
		m(irqfd)->turned_down = false;
	}
	now++;
	for_each_irqfd(irqfd) {
		if (irqfd->vm != vm)
			continue;
		m(irqfd)->fresh = false;
		if (irqfd->leaving || !m(irqfd)->holds || m(irqfd)->at == leads_to(irqfd))
			continue;
		m(irqfd)->at = leads_to(irqfd);
		m(irqfd)->came = now;
		m(irqfd)->anywhere = false;
		m(irqfd)->holds = false;
	}
	now++;
}

static bool can_hold(struct fake_irqfd *irqfd, u32 vintid)
{
	return m(irqfd)->at == vintid && irqfd->host_irq && irqfd->client.booked &&
	       !irqfd->leaving && !host.irq[irqfd->host_irq].refuse;
}

/* Compares the holder of a slot; where several may be that, the one that is has it. */
static void compare_holder(struct fake_vm *vm, u32 vintid)
{
	struct fake_irqfd *irqfd, *had = NULL, *has = holder_of(vm, vintid), *first = NULL;
	bool loose = false;

	for_each_irqfd(irqfd) {
		if (irqfd->vm != vm || m(irqfd)->at != vintid)
			continue;
		/* KVM may have unmapped it, and it is in its place still. */
		if (m(irqfd)->holds && irqfd->host_irq)
			had = irqfd;
		if (can_hold(irqfd, vintid) && (!first || m(irqfd)->came < m(first)->came))
			first = irqfd;
		/* When it is tried again depends on the time. */
		loose |= m(irqfd)->turned_down || m(irqfd)->anywhere;
	}
	if (had != has) {
		if (had && had->client.mapped)
			kernel_bug("%c%u has two holders", vm->letter, vintid);
		if (!has != !first)
			kernel_bug("%c%u has %s holder, the model says not so", vm->letter, vintid,
				   has ? "a" : "no");
		if (has && !loose && m(has)->came != m(first)->came)
			kernel_bug("client %llu holds %c%u, the model says %llu", has->client.id,
				   vm->letter, vintid, first->client.id);
	}
	for_each_irqfd(irqfd) {
		if (irqfd->vm != vm || m(irqfd)->at != vintid)
			continue;
		m(irqfd)->holds = irqfd == has;
		m(irqfd)->turned_down = irqfd->host_irq && host.irq[irqfd->host_irq].refuse;
	}
}

static void compare_client(struct fake_irqfd *irqfd)
{
	struct vlpi_broker_client entry = dump_of(irqfd);
	enum vlpi_broker_state expected;

	if (entry.vintid != m(irqfd)->at)
		kernel_bug("client %llu is at %u, the model says %u", entry.id, entry.vintid,
			   m(irqfd)->at);
	if (irqfd->leaving)
		return;
	if (irqfd->event == NOT_MSI)
		expected = VLPI_BROKER_NOT_MSI;
	else if (!m(irqfd)->at)
		expected = VLPI_BROKER_UNRESOLVED;
	else if (!irqfd->host_irq)
		expected = VLPI_BROKER_IDLE;
	else if (m(irqfd)->holds)
		expected = VLPI_BROKER_HOLDER;
	else if (!irqfd->client.booked)
		expected = VLPI_BROKER_UNMAPPABLE;
	else
		expected = VLPI_BROKER_WAITER;
	if (entry.state == expected)
		return;
	if (expected == VLPI_BROKER_WAITER && entry.state == VLPI_BROKER_UNMAPPABLE &&
	    m(irqfd)->turned_down)
		return;
	kernel_bug("client %llu at %u is %s, the model says %s", entry.id, m(irqfd)->at,
		   name_of_state(entry.state), name_of_state(expected));
}

/* Who came earlier stands before who came later. */
static void compare_order(struct fake_vm *vm)
{
	struct fake_irqfd *x, *y;

	for_each_irqfd(x) {
		for_each_irqfd(y) {
			struct vlpi_broker_client ex, ey;

			if (x->vm != vm || y->vm != vm || x->leaving || y->leaving ||
			    m(x)->at != m(y)->at || m(x)->came >= m(y)->came ||
			    m(x)->anywhere || m(y)->anywhere)
				continue;
			ex = dump_of(x);
			ey = dump_of(y);
			if (ex.state == VLPI_BROKER_WAITER && ey.state == VLPI_BROKER_WAITER &&
			    ex.position > ey.position)
				kernel_bug("client %llu stands before %llu, which came earlier",
					   ey.id, ex.id);
		}
	}
}

static void adopt(struct fake_vm *vm)
{
	struct vlpi_broker_client entry;
	struct fake_irqfd *irqfd;

	for_each_irqfd(irqfd) {
		if (irqfd->vm != vm)
			continue;
		entry = dump_of(irqfd);
		*m(irqfd) = (struct model){
			.at = entry.vintid,
			.came = now + entry.position,
			.holds = entry.state == VLPI_BROKER_HOLDER,
			.turned_down = entry.state == VLPI_BROKER_UNMAPPABLE,
			.anywhere = entry.state != VLPI_BROKER_WAITER,
		};
	}
	now += NR_IRQFDS + 1;
}

static void compare_vm(struct fake_vm *vm)
{
	struct fake_irqfd *irqfd;
	u32 vintid;

	model_looks(vm);
	for (vintid = LPI; vintid < LPI + NR_LPIS; vintid++)
		compare_holder(vm, vintid);
	for_each_irqfd(irqfd)
		if (irqfd->vm == vm)
			compare_client(irqfd);
	compare_order(vm);
}

static void compare(void)
{
	struct fake_vm *vm;

	for (vm = host.vm; vm < host.vm + NR_VMS; vm++) {
		if (!is_quiet(vm))
			continue;
		if (unknown[vm - host.vm])
			adopt(vm);
		else
			compare_vm(vm);
		unknown[vm - host.vm] = false;
	}
}

/* Where what a reader sees has changed since this was last asked, so has the generation. */
static void compare_generation(struct fake_vm *vm)
{
	static struct vlpi_broker_client before[NR_VMS][NR_IRQFDS];
	static int n_before[NR_VMS];
	static u64 id_before[NR_VMS], generation_before[NR_VMS];
	struct vlpi_broker_client entries[NR_IRQFDS];
	u32 index = vm - host.vm;
	int n = dump_vm(vm, entries), i;
	u64 id = vm->book ? vm->book->book.id : 0;
	u64 generation = vm->book ? vm->book->book.generation : 0;
	bool differs;

	/* What is counted is not, nor what the irqchip says: two clients may have one number. */
	for (i = 0; i < n; i++) {
		entries[i].signals = 0;
		entries[i].injections = 0;
		entries[i].flags &= ~VLPI_BROKER_CLIENT_FORWARDED;
	}
	differs = n != n_before[index] || memcmp(entries, before[index], n * sizeof(*entries));
	if (differs && id == id_before[index] && generation == generation_before[index])
		kernel_bug("generation %llu of VM %c is two states", generation, vm->letter);
	memcpy(before[index], entries, sizeof(entries));
	n_before[index] = n;
	id_before[index] = id;
	generation_before[index] = generation;
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
		struct fake_irqfd *irqfd = host.irqfd[(first + i) % NR_IRQFDS];

		if (irqfd && !irqfd->leaving && irqfd != host.deleting &&
		    !irqfd->host_irq == !with_producer)
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

		for_each_irqfd(irqfd)
			taken |= irqfd->host_irq == host_irq;
		if (!taken)
			break;
		host_irq = host_irq % (NR_IRQS - 1) + 1;
	}
	return host_irq;
}

static void op_assign(void)
{
	struct fake_vm *vm = any_vm();
	int event = any_event();
	struct fake_irqfd *irqfd;
	u32 n = 0;

	for_each_irqfd(irqfd)
		n++;
	if (n == NR_IRQFDS || !irqbypass_is_free())
		return;
	note("assign (VM, event)", vm - host.vm, event, 0);
	irqfd = assign(vm, event);
	*m(irqfd) = (struct model){ .fresh = true };
	irqfd->client.raises_inline = below(2);
}

static void op_add_producer(void)
{
	struct fake_irqfd *irqfd = any_irqfd(false);
	u32 host_irq = any_host_irq();

	if (!irqfd || !irqbypass_is_free())
		return;
	note("add producer (irqfd, host IRQ)", irqfd->index, host_irq, 0);
	add_producer(irqfd, host_irq);
	m(irqfd)->came = ++now;
	m(irqfd)->anywhere = false;
	m(irqfd)->turned_down = false;
}

static void op_del_producer(void)
{
	struct fake_irqfd *irqfd = any_irqfd(true);

	if (!irqfd || !irqbypass_is_free())
		return;
	note("delete producer (irqfd)", irqfd->index, 0, 0);
	m(irqfd)->holds = false;
	m(irqfd)->turned_down = false;
	del_producer(irqfd);
}

static void op_leave(void)
{
	struct fake_irqfd *irqfd = any_irqfd(true);

	if (!irqfd)
		return;
	note("leave (irqfd)", irqfd->index, 0, 0);
	/* Where it has not been looked at, it stays where it was. */
	leave(irqfd);
}

static void op_deassign(void)
{
	struct fake_irqfd *irqfd = host.irqfd[below(NR_IRQFDS)];

	if (!irqfd)
		return;
	note("deassign (irqfd)", irqfd->index, 0, 0);
	deassign(irqfd);
}

static void op_route(void)
{
	struct fake_irqfd *irqfd = host.irqfd[below(NR_IRQFDS)];
	int event = any_event();

	if (!irqfd || irqfd->leaving)
		return;
	note("route (irqfd, event)", irqfd->index, event, 0);
	route(irqfd, event);
}

static void op_map(void)
{
	struct fake_vm *vm = any_vm();
	u32 event = below(3), vintid = LPI + below(4);

	if (!its_lock_is_free(vm))
		return;
	note("MAPTI (VM, event, LPI)", vm - host.vm, event, vintid);
	guest_maps(vm, event, vintid);
}

static void op_discard(void)
{
	struct fake_vm *vm = any_vm();
	u32 event = below(3);

	if (!its_lock_is_free(vm))
		return;
	note("DISCARD (VM, event)", vm - host.vm, event, 0);
	guest_discards(vm, event);
}

static void op_move(void)
{
	struct fake_vm *vm = any_vm();
	u32 vintid = LPI + below(4);

	if (!its_lock_is_free(vm))
		return;
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
	its_on(vm, vm->its_off);
}

static void op_stuck(void)
{
	struct fake_vm *vm = any_vm();

	if (!vm->stuck && below(3))
		return;
	note("stuck (VM, on)", vm - host.vm, !vm->stuck, 0);
	unknown[vm - host.vm] = true;
	get_stuck(vm, !vm->stuck);
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

static void op_fire(void)
{
	u32 host_irq = 1 + below(NR_IRQS - 1);

	note("fire (host IRQ)", host_irq, 0, 0);
	fires(host_irq);
	if (below(2))
		host_takes(host_irq);
}

static void op_signal(void)
{
	struct fake_irqfd *irqfd = host.irqfd[below(NR_IRQFDS)];

	if (!irqfd)
		return;
	note("signal (irqfd)", irqfd->index, 0, 0);
	signal_eventfd(irqfd);
}

static void op_take(void)
{
	struct fake_vm *vm = any_vm();
	u32 i;

	note("take (VM)", vm - host.vm, 0, 0);
	for (i = 0; i < NR_LPIS; i++)
		guest_takes(vm, LPI + i);
}

static void (*const operations[])(void) = {
	op_assign, op_assign, op_assign, op_assign,
	op_add_producer, op_add_producer, op_add_producer,
	op_add_producer, op_add_producer, op_add_producer,
	op_del_producer, op_del_producer,
	op_leave,
	op_deassign, op_deassign, op_deassign,
	op_route, op_route, op_route, op_route,
	op_map, op_map, op_map, op_map, op_map, op_map, op_map, op_map,
	op_discard, op_discard,
	op_move,
	op_its,
	op_stuck,
	op_refuse,
	op_fire, op_fire, op_fire, op_signal, op_signal, op_signal, op_take, op_take,
};

static struct fake_vm *discarding;
static u32 discarded_event, misfortunes;

static void discard_just_then(void)
{
	misfortunes++;
	if (its_lock_is_free(discarding))
		guest_discards(discarding, discarded_event);
}

static void del_just_then(void)
{
	struct fake_irqfd *irqfd = host.irqfd[discarded_event];

	misfortunes++;
	if (!irqfd || !irqfd->host_irq || !irqbypass_is_free())
		return;
	unknown[irqfd->vm - host.vm] = true;
	if (irqfd->host_irq % 2)
		del_producer(irqfd);
	else
		del_begins(irqfd);
}

static void signal_just_then(void)
{
	misfortunes++;
	if (host.irqfd[discarded_event])
		signal_eventfd(host.irqfd[discarded_event]);
}

static void (*const misfortune_fns[])(void) = {
	discard_just_then, del_just_then, signal_just_then,
};

static const char *const misfortune_texts[] = {
	", with a DISCARD in the middle", ", with a producer that leaves in the middle",
	", with a signal in the middle",
};

static void one_operation(void)
{
	u32 misfortune = below(24), moment = below(DELETED), i;

	note("nothing", 0, 0, 0);
	notes[operation % 8].misfortune = "";
	if (misfortune < ARRAY_SIZE(misfortune_fns)) {
		notes[operation % 8].misfortune = misfortune_texts[misfortune];
		discarding = any_vm();
		discarded_event = below(misfortune ? NR_IRQFDS : 3);
		host.at[moment] = misfortune_fns[misfortune];
		unknown[discarding - host.vm] = true;
	}
	operations[below(ARRAY_SIZE(operations))]();
	/* Some happen before anybody looks. */
	if (below(3) || misfortune < ARRAY_SIZE(misfortune_fns)) {
		settle();
		host.at[moment] = NULL;
		compare();
	}
	for (i = 0; i < NR_VMS; i++)
		compare_generation(&host.vm[i]);
}

static void schedule(void)
{
	state = 0x9e3779b97f4a7c15ULL * (seed + 1);
	fake_begin();
	host.unset_by_route = seed & 1;
	host.maps_again = seed & 2;
	host.revoke_does_nothing = !host.unset_by_route && seed & 4;
	for (operation = 0; operation < NR_OPERATIONS; operation++)
		one_operation();
	fake_end();
	memset(unknown, 0, sizeof(unknown));
}

TEST(random_schedules_do_what_the_model_says)
{
	struct vlpi_broker_info total;

	before_the_end = say_what_led_there;
	for (seed = 0; seed < NR_SEEDS; seed++)
		schedule();
	total = info();
	printf("# %u schedules of %u: %llu grants, %llu promotions, %llu turned down, ",
	       NR_SEEDS, NR_OPERATIONS, total.grants, total.promotions, total.grant_failures);
	printf("%llu unmapped by KVM, %llu forced, %llu raised for signals, %u in the middle\n",
	       total.unmaps_behind, total.forced_unmaps, total.injections, misfortunes);
	/* The schedules did enough of each for the checks to mean something. */
	EXPECT(total.grants > NR_SEEDS * 20);
	EXPECT(total.promotions > NR_SEEDS);
	EXPECT(total.unmaps_behind > NR_SEEDS);
	EXPECT(total.forced_unmaps > NR_SEEDS);
	EXPECT(total.grant_failures > NR_SEEDS);
	EXPECT(total.injections > NR_SEEDS);
	EXPECT(misfortunes > NR_SEEDS * 5);
}
