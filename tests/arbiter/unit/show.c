// SPDX-License-Identifier: GPL-2.0-only
/* P6: what can be read of the arbiter: the dump, the totals, the tracepoints. */
#include <linux/mutex.h>
#include <linux/string.h>

#include <errno.h>

#include "fake_host.h"
#include "unit.h"

static struct fake_vm *const a = &host.vm[0];
static struct fake_vm *const b = &host.vm[1];

TEST(ids_of_vms_and_clients_are_never_used_again)
{
	struct fake_irqfd *x;
	u64 vm_id = 0, id = 0;
	u32 i;

	for (i = 0; i < 5; i++) {
		x = assign(a, 0);
		EXPECT(dump_of(x).vm_id > vm_id);
		EXPECT(dump_of(x).id > id);
		vm_id = dump_of(x).vm_id;
		id = dump_of(x).id;
		deassign(x);
	}
	x = assign(b, 0);
	EXPECT_EQ(dump_of(x).vm_id, vm_id + 1);
	/* A second client of that VM gets a new id, and the VM keeps its own. */
	x = assign(b, 0);
	EXPECT_EQ(dump_of(x).vm_id, vm_id + 1);
	EXPECT_EQ(dump_of(x).id, id + 2);
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

TEST(reassign_is_shown_and_counted)
{
	struct fake_irqfd *x;

	fake_begin();
	x = assign(a, 0);
	x->client.reassign = true;
	EXPECT_EQ(dump_of(x).flags, VLPI_BROKER_CLIENT_REASSIGN);
	EXPECT_EQ(info().nr_reassign, 1);
	fake_end();
}

TEST(names_that_are_too_long_are_cut)
{
	struct vb_vm *vm = broker_vm_new(a, 1, "a-command-of-more-than-15",
					 "a-name-in-debugfs-of-more-than-31-characters");

	EXPECT_EQ(strlen(vm->comm), sizeof(vm->comm) - 1);
	EXPECT_EQ(strlen(vm->name), sizeof(vm->name) - 1);
	broker_vm_free(vm);
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
static void next_page(u64 *cursor, u32 entries, int n, u64 first, bool expect_more)
{
	u64 generation = 0;
	bool more = !expect_more;
	int i;

	EXPECT_EQ(broker_dump(page, entries, cursor, &more, &generation), n);
	for (i = 0; i < n; i++)
		EXPECT_EQ(page[i].id, first + i);
	EXPECT_EQ(more, expect_more);
	if (n)
		EXPECT_EQ(*cursor, first + n - 1);
	EXPECT(generation);
}

TEST(dump_in_pages)
{
	u64 cursor = 0;
	u32 i;

	fake_begin();
	for (i = 0; i < 7; i++)
		assign(i % 2 ? a : b, 0);
	next_page(&cursor, 3, 3, 1, true);
	next_page(&cursor, 3, 3, 4, true);
	next_page(&cursor, 3, 1, 7, false);
	next_page(&cursor, 3, 0, 0, false);
	/* A page that is just full may be the last. */
	cursor = 0;
	next_page(&cursor, 7, 7, 1, false);
	cursor = 6;
	next_page(&cursor, 1, 1, 7, false);
	cursor = ~0ULL;
	next_page(&cursor, 3, 0, 0, false);
	EXPECT_EQ(cursor, ~0ULL);
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
	next_page(&cursor, 2, 2, 1, true);
	/* The last one that was read, and the next to be read. */
	deassign(x[1]);
	deassign(x[2]);
	next_page(&cursor, 1, 1, 4, true);
	assign(a, 0);
	next_page(&cursor, 2, 2, 5, false);
	fake_end();
}

TEST(dump_of_nothing)
{
	u64 cursor = 0, generation;
	bool more = true;

	EXPECT_EQ(broker_dump(page, 4, &cursor, &more, &generation), 0);
	EXPECT(!more);
	EXPECT_EQ(cursor, 0);
	fake_end();
}

TEST(dump_interrupted_by_a_signal)
{
	u64 cursor = 0, generation;
	bool more;

	interrupt_next_wait = true;
	EXPECT_EQ(broker_dump(page, 4, &cursor, &more, &generation), -EINTR);
	fake_end();
}

static u64 generation(void)
{
	u64 cursor = 0, now;
	bool more;

	broker_dump(page, NR_IRQFDS, &cursor, &more, &now);
	return now;
}

/* Did the generation change since this was last asked? */
static bool changed(void)
{
	static u64 last;
	u64 now = generation();
	bool differs = now != last;

	last = now;
	return differs;
}

TEST(generation_changes_with_each_change)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	changed();
	x = assign(a, 0);
	EXPECT(changed());
	add_producer(x, 1);
	EXPECT(changed());
	y = source(a, 0, 2);
	EXPECT(changed());
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	changed();
	settle();
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
	/* Nothing. */
	info();
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
	host.irq[2].refuse = EINVAL;
	guest_discards(a, 0);
	guest_maps(a, 0, LPI);
	settle();
	del_producer(x);
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

/* --- tracepoints ----------------------------------------------------------------------------- */

TEST(tracepoints_tell_what_happens)
{
	struct fake_irqfd *x, *y;

	fake_begin();
	fake_traced();
	x = source(a, 0, 1);
	EXPECT_STR(fake_traced(), "connect grant");
	y = source(a, 0, 2);
	EXPECT_STR(fake_traced(), "connect wait");
	broker_count_signal(&y->client);
	broker_count_injection(&y->client, VLPI_BROKER_WHY_THREAD);
	EXPECT_STR(fake_traced(), "fallback_signal fallback_inject");
	broker_gate(2, a, LPI, false);
	EXPECT_STR(fake_traced(), "gate_refuse");
	host.revoke_does_nothing = true;
	del_producer(x);
	EXPECT_STR(fake_traced(), "demote unmap forced_unmap grant promote");
	host.revoke_does_nothing = false;
	guest_discards(a, 0);
	EXPECT_STR(fake_traced(), "unmap");
	settle();
	EXPECT_STR(fake_traced(), "resolve_fail demote resolve_fail");
	fake_end();
}
