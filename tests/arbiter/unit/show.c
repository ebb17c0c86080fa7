// SPDX-License-Identifier: GPL-2.0-only
/*
 * P6: what can be read of the arbiter: the dump of a VM, the totals, the tracepoints. That the
 * totals are what there is, fake_check() sees after each step of each test.
 */
#include <linux/lockdep.h>
#include <linux/string.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

/* Did the generation change since this was last asked? */
static bool changed(void)
{
	static u64 before;
	u64 now = a->book->book.generation;
	bool differs = now != before;

	before = now;
	return differs;
}

TEST(ids_of_vms_and_clients_are_never_used_again)
{
	struct fake_irqfd *x;
	u64 vm_id = 0, id = 0;
	u32 i;

	fake_begin();
	for (i = 0; i < 5; i++) {
		x = assign(a, 0);
		EXPECT(dump_of(x).vm_id > vm_id);
		EXPECT(dump_of(x).id > id);
		vm_id = dump_of(x).vm_id;
		id = dump_of(x).id;
		deassign(x);
		settle();
	}
	x = assign(b, 0);
	EXPECT_EQ(dump_of(x).vm_id, vm_id + 1);
	/* An id has that of its VM in its upper half, by which a dump goes on. */
	EXPECT_EQ(dump_of(x).id >> 32, vm_id + 1);
	id = dump_of(x).id;
	/* A second client of that VM gets a new id, and the VM keeps its own. */
	x = assign(b, 0);
	EXPECT_EQ(dump_of(x).vm_id, vm_id + 1);
	EXPECT_EQ(dump_of(x).id, id + 1);
	fake_end();
}

TEST(fields_of_a_holder)
{
	struct vlpi_broker_client entry;
	struct fake_irqfd *x;

	fake_begin();
	x = assign(a, 1);
	x->client.gsi = 77;
	x->client.devid = 5;
	add_producer(x, 9);
	settle();
	broker_count_signal(&x->client);
	broker_count_signal(&x->client);
	broker_count_injection(&x->client, VLPI_BROKER_WHY_THREAD);
	entry = dump_of(x);
	EXPECT_EQ(entry.state, VLPI_BROKER_HOLDER);
	EXPECT_EQ(entry.error, 0);
	EXPECT_EQ(entry.flags, VLPI_BROKER_CLIENT_FORWARDED);
	EXPECT_EQ(entry.host_irq, 9);
	EXPECT_EQ(entry.vintid, LPI + 1);
	EXPECT_EQ(entry.position, 0);
	EXPECT_EQ(entry.gsi, 77);
	EXPECT_EQ(entry.devid, 5);
	EXPECT_EQ(entry.eventid, 1);
	EXPECT_EQ(entry.vm_pid, 1000 + 'A');
	EXPECT_EQ(entry.signals, 2);
	EXPECT_EQ(entry.injections, 1);
	EXPECT_STR(entry.vm_name, "vm-A");
	EXPECT_STR(entry.vm_comm, "vmm");
	fake_end();
}

TEST(flags_of_a_client)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	x = assign(a, 0);
	EXPECT_EQ(dump_of(x).flags, VLPI_BROKER_CLIENT_UNSETTLED);
	changed();
	settle();
	EXPECT(changed());
	EXPECT_EQ(dump_of(x).flags, 0);
	x->client.raises_inline = true;
	EXPECT_EQ(dump_of(x).flags, VLPI_BROKER_CLIENT_INLINE);
	changed();
	broker_set_reassign(&x->client);
	EXPECT(changed());
	EXPECT_EQ(dump_of(x).flags, VLPI_BROKER_CLIENT_INLINE | VLPI_BROKER_CLIENT_REASSIGN);
	EXPECT_EQ(info().nr_reassign, 1);
	y = assign(a, 0);
	deassign(y);
	EXPECT_EQ(info().nr_reassign, 1);
	deassign(x);
	EXPECT_EQ(info().nr_reassign, 0);
	fake_end();
}

TEST(positions_count_waiters_only)
{
	struct fake_irqfd *x, *idle, *y, *bad, *z;

	fake_begin();
	x = source(a, 0, 1);
	idle = assign(a, 0);
	y = source(a, 0, 2);
	bad = source(a, 0, 1);
	z = source(a, 0, 3);
	settle();
	EXPECT_EQ(dump_of(x).position, 0);
	EXPECT_EQ(dump_of(idle).position, 0);
	EXPECT_EQ(dump_of(y).position, 1);
	EXPECT_EQ(dump_of(bad).position, 0);
	EXPECT_EQ(dump_of(z).position, 2);
	fake_end();
}

/* --- the walk -------------------------------------------------------------------------------- */

static struct vlpi_broker_client page[NR_IRQFDS];

/* Expects the ids of @n clients, from the one after the cursor on. */
static void next_page(struct fake_vm *vm, u64 *cursor, u32 entries, int n, u64 first,
		      bool expect_more)
{
	u64 generation = 0, id = vm->book->book.id << 32;
	bool more = !expect_more;
	int i;

	EXPECT_EQ(broker_dump(&vm->book->book, page, entries, cursor, &more, &generation), n);
	for (i = 0; i < n; i++)
		EXPECT_EQ(page[i].id, id | (first + i));
	EXPECT_EQ(more, expect_more);
	if (n)
		EXPECT_EQ(*cursor, id | (first + n - 1));
	EXPECT_EQ(generation, vm->book->book.generation);
}

TEST(dump_in_pages)
{
	u64 cursor = 0, id;
	u32 i;

	fake_begin();
	for (i = 0; i < 14; i++)
		assign(i % 2 ? a : b, 0);
	next_page(a, &cursor, 3, 3, 1, true);
	next_page(a, &cursor, 3, 3, 4, true);
	next_page(a, &cursor, 3, 1, 7, false);
	id = cursor;
	next_page(a, &cursor, 3, 0, 0, false);
	EXPECT_EQ(cursor, id);
	/* A page that is just full may be the last. */
	cursor = 0;
	next_page(a, &cursor, 7, 7, 1, false);
	cursor = id - 1;
	next_page(a, &cursor, 1, 1, 7, false);
	/* From an id of the VM before. */
	cursor = 0;
	next_page(b, &cursor, 7, 7, 1, false);
	cursor = ~0ULL;
	next_page(b, &cursor, 3, 0, 0, false);
	EXPECT_EQ(cursor, ~0ULL);
	/* Room for none: there are some. */
	cursor = 0;
	next_page(a, &cursor, 0, 0, 0, true);
	EXPECT_EQ(cursor, 0);
	fake_end();
}

/* A few are described at a time while interrupts are off; the VM may change in between. */
static struct fake_irqfd *changing;

static void a_change(void)
{
	if (changing)
		route(changing, 1);
	else
		changing = assign(a, 0);
}

TEST(dump_while_the_vm_changes)
{
	u64 cursor = 0, generation = 0, first;
	bool more;
	u32 i;

	fake_begin();
	for (i = 0; i < 20; i++)
		assign(a, 0);
	settle();
	/* All of one moment. */
	next_page(a, &cursor, NR_IRQFDS, 20, 1, false);
	for (i = 0; i < 2; i++) {
		cursor = 0;
		first = a->book->book.generation;
		/* Between the first part and the second: that takes the lock anew. */
		before_lock_of_class = "&vm->lock";
		before_lock_skips = 1;
		before_lock = a_change;
		EXPECT_EQ(broker_dump(&a->book->book, page, NR_IRQFDS, &cursor, &more,
				      &generation), 4);
		EXPECT(!before_lock);
		EXPECT(more);
		EXPECT_EQ(generation, first);
		EXPECT(a->book->book.generation != first);
		EXPECT_EQ(cursor & ~0U, page[3].id & ~0U);
		/* What follows is of the next moment. */
		EXPECT_EQ(broker_dump(&a->book->book, page, NR_IRQFDS, &cursor, &more,
				      &generation), 17);
		EXPECT(!more);
		EXPECT_EQ(generation, a->book->book.generation);
		settle();
	}
	/* Before the first part: all is of the moment after it. */
	cursor = 0;
	before_lock_of_class = "&vm->lock";
	before_lock = a_change;
	EXPECT_EQ(broker_dump(&a->book->book, page, NR_IRQFDS, &cursor, &more, &generation), 21);
	EXPECT_EQ(generation, a->book->book.generation);
	EXPECT(!more);
	fake_end();
}

TEST(dump_while_clients_come_and_go)
{
	struct fake_irqfd *x[5];
	u64 cursor = 0;
	u32 i;

	fake_begin();
	for (i = 0; i < 5; i++)
		x[i] = assign(a, 0);
	next_page(a, &cursor, 2, 2, 1, true);
	/* The last one that was read, and the next to be read. */
	deassign(x[1]);
	deassign(x[2]);
	next_page(a, &cursor, 1, 1, 4, true);
	assign(a, 0);
	next_page(a, &cursor, 2, 2, 5, false);
	fake_end();
}

static struct fake_irqfd *last;

static void the_last_one_goes(void)
{
	deassign(last);
}

TEST(dump_of_a_vm_that_has_no_irqfd_any_more)
{
	u64 cursor = 0, generation;
	bool more = true;

	fake_begin();
	last = assign(a, 0);
	before_lock_of_class = "&vm->lock";
	before_lock = the_last_one_goes;
	EXPECT_EQ(broker_dump(&a->book->book, page, 4, &cursor, &more, &generation), 0);
	EXPECT(!more);
	EXPECT_EQ(cursor, 0);
	fake_end();
}

TEST(generation_changes_with_each_change)
{
	struct fake_irqfd *x, *y, *idle;

	fake_begin();
	guest_maps(a, 2, LPI);
	idle = assign(a, 0);
	EXPECT(changed());
	x = assign(a, 0);
	EXPECT(changed());
	add_producer(x, 1);
	EXPECT(changed());
	settle();
	EXPECT(changed());
	y = source(a, 0, 2);
	EXPECT(changed());
	settle();
	EXPECT(changed());
	guest_discards(a, 0);
	EXPECT(changed());
	guest_maps(a, 0, LPI);
	settle();
	EXPECT(changed());
	/* To another event, and no other LPI. */
	route(y, 2);
	changed();
	settle();
	EXPECT_EQ(dump_of(y).eventid, 2);
	EXPECT(changed());
	leave(y);
	del_producer(y);
	EXPECT(changed());
	deassign(y);
	EXPECT(changed());
	leave(x);
	del_producer(x);
	EXPECT(changed());
	deassign(x);
	EXPECT(changed());
	settle();
	changed();
	/* Nothing. */
	info();
	dump_of(idle);
	settle();
	EXPECT(!changed());
	fake_end();
}

/* --- counters -------------------------------------------------------------------------------- */

TEST(counters_of_a_life)
{
	struct vlpi_broker_info now;
	struct fake_irqfd *x, *y, *z;

	fake_begin();
	x = source(a, 0, 1);
	y = source(a, 0, 2);
	z = source(a, 0, 3);
	settle();
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	settle();
	HOLDS(x);
	host.irq[2].refuse = EINVAL;
	del_producer(x);
	settle();
	broker_count_dead_stray();
	now = info();
	EXPECT_EQ(now.connects, 3);
	EXPECT_EQ(now.grants, 3);
	EXPECT_EQ(now.promotions, 1);
	EXPECT_EQ(now.revokes, 1);
	EXPECT_EQ(now.grant_failures, 1);
	EXPECT_EQ(now.gate_refusals, 0);
	EXPECT_EQ(now.unmaps_behind, 1);
	EXPECT_EQ(now.forced_unmaps, 0);
	EXPECT_EQ(now.repairs, 0);
	EXPECT_EQ(now.nr_vms, 1);
	EXPECT_EQ(now.nr_slots, 1);
	EXPECT_EQ(now.nr_held, 1);
	EXPECT_EQ(now.nr_clients, 3);
	EXPECT_EQ(now.nr_waiters, 0);
	EXPECT_EQ(now.nr_dead_strays, 1);
	HOLDS(z);
	EXPECT_STATE(y, UNMAPPABLE, EINVAL);
	/* They are totals: they do not go with the clients. */
	fake_end();
	EXPECT_EQ(info().grants, 3);
	EXPECT_EQ(info().revokes, 2);
}

TEST(forced_unmap_of_a_stray_is_counted)
{
	struct fake_irqfd *x;

	fake_begin();
	x = source(a, 0, 1);
	settle();
	fake_traced();
	broker_count_forced_unmap(NULL, 9);
	broker_count_forced_unmap(&x->client, 1);
	broker_count_repair();
	EXPECT_STR(fake_traced(), "forced_unmap forced_unmap");
	EXPECT_EQ(info().forced_unmaps, 2);
	EXPECT_EQ(info().repairs, 1);
	fake_end();
}

/* --- tracepoints ----------------------------------------------------------------------------- */

TEST(tracepoints_tell_what_happens)
{
	struct fake_irqfd *x, *y;
	struct vb_client *client;

	fake_begin();
	fake_traced();
	x = source(a, 0, 1);
	EXPECT_STR(fake_traced(), "connect");
	settle();
	EXPECT_STR(fake_traced(), "grant");
	y = source(a, 0, 2);
	EXPECT_STR(fake_traced(), "connect");
	settle();
	EXPECT_STR(fake_traced(), "wait");
	broker_count_signal(&y->client);
	broker_count_injection(&y->client, VLPI_BROKER_WHY_THREAD);
	EXPECT_STR(fake_traced(), "fallback_signal fallback_inject");
	broker_gate(&a->book->book, &x, 2, LPI, a->target, VB_ASK_MAP, &client);
	EXPECT_STR(fake_traced(), "gate_refuse");
	host.revoke_does_nothing = true;
	del_producer(x);
	EXPECT_STR(fake_traced(), "demote unmap forced_unmap");
	settle();
	EXPECT_STR(fake_traced(), "grant promote");
	host.revoke_does_nothing = false;
	guest_discards(a, 0);
	EXPECT_STR(fake_traced(), "unmap");
	settle();
	EXPECT_STR(fake_traced(), "resolve_fail demote resolve_fail");
	fake_end();
}
