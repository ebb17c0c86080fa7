// SPDX-License-Identifier: GPL-2.0-only
/* Two VMs whose EventIDs and INTIDs are equal, and sources that move between them (H13). */
#define _GNU_SOURCE
#include "harness.h"

FIXTURE(two) {
	struct sharers a;
	struct sharers b;
};

FIXTURE_SETUP(two)
{
	sharers_new(&self->a, "A", 0, 3);
	sharers_new(&self->b, "B", 3, 3);
}

FIXTURE_TEARDOWN(two)
{
	sharers_free(&self->a);
	sharers_free(&self->b);
}

/* Each VM has a route a source of its own; a guest is on the second three of them. */
static void move(struct source *s, struct vm *to)
{
	static uint32_t gsi = SHARED_GSI + MAX_SHARERS;

	source_deassign(s);
	vm_route_msi(to, gsi, SHARED_DEVID, SHARED_EVENT);
	source_assign(s, to, gsi++);
}

FAILS_ON_STOCK("two.each_gets_its_own", "6.1");
VM_TEST_F(two, each_gets_its_own, "H13")
{
	EXPECT_SOURCES("three each");
}

VM_TEST_F(two, holder_moves, "H13")
{
	int holder;

	EXPECT_SOURCES("three each");
	for (unsigned int i = 0; i < 2; i++) {
		holder = sharers_holder(&self->a);
		ASSERT_LE(0, holder);
		move(self->a.src[holder], self->b.vm);
		EXPECT_SOURCES("the holder moved from A to B");
		move(self->a.src[holder], self->a.vm);
		EXPECT_SOURCES("and back");
	}
}

VM_TEST_F(two, waiter_moves, "H13")
{
	int holder;

	EXPECT_SOURCES("three each");
	holder = sharers_holder(&self->a);
	ASSERT_LE(0, holder);
	move(self->a.src[(holder + 1) % 3], self->b.vm);
	EXPECT_SOURCES("a waiter moved from A to B");
	move(self->a.src[(holder + 1) % 3], self->a.vm);
	EXPECT_SOURCES("and back");
}

VM_TEST_F(two, all_move, "H13")
{
	EXPECT_SOURCES("three each");
	for (unsigned int i = 0; i < 3; i++)
		move(self->a.src[i], self->b.vm);
	EXPECT_SOURCES("B has all six");
	for (unsigned int i = 0; i < 3; i++) {
		move(self->a.src[i], self->a.vm);
		move(self->b.src[i], self->a.vm);
	}
	EXPECT_SOURCES("A has all six");
}

/* The VM that goes takes only its own with it. */
VM_TEST_F(two, one_ends, "H13")
{
	EXPECT_SOURCES("three each");
	vm_free(self->a.vm);
	self->a.vm = NULL;
	EXPECT_SOURCES("A has ended");
	for (unsigned int i = 0; i < 3; i++) {
		source_drain(self->a.src[i]);
		move(self->a.src[i], self->b.vm);
	}
	EXPECT_SOURCES("B has all six");
}

TEST_MAIN
