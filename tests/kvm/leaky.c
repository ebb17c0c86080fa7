// SPDX-License-Identifier: GPL-2.0-only
/*
 * H22: a KVM that takes no mapping back, as in 6.16 and 6.17; other kernels are made so by a
 * module that is for this test only (tests/lab/run --helpers). A source that leaves must not stay
 * forwarded for all that, and KVM must not believe in its mapping when the host IRQ is another
 * VM's.
 */
#define _GNU_SOURCE
#include <sys/utsname.h>

#include "harness.h"

#define HELPER			"vlpi_test_leak"
#define SECOND_EVENT		(SHARED_EVENT + 1)
#define SECOND_INTID		(SHARED_INTID + 1)

static bool kvm_leaks_by_itself(void)
{
	struct utsname u;

	uname(&u);
	return !strncmp(u.release, "6.16.", 5) || !strncmp(u.release, "6.17.", 5);
}

FIXTURE(leaky) {
	struct sharers sh;
	struct vm *second;
	struct vlpi_broker_info info;
	bool helper;
	int klog;
};

FIXTURE_SETUP(leaky)
{
	struct sharers *sh = &self->sh;
	int ret = 0;

	if (!kvm_leaks_by_itself()) {
		ret = helper_load(HELPER, "");
		if (ret == -ENOENT)
			SKIP(return, NO_HELPER(HELPER));
		ASSERT_EQ(0, ret);
		self->helper = true;
	}
	self->klog = klog_open();
	sh->vm = vm_new("first", 2);
	self->second = vm_new("second", 2);
	guest_boot(sh->vm);
	guest_boot(self->second);
	sharers_map(sh);
	guest_map(self->second, SHARED_DEVID, SECOND_EVENT, SECOND_INTID, 1);
	for (sh->nr = 0; sh->nr < 3; sh->nr++) {
		sh->src[sh->nr] = source_open(sh->nr);
		vm_route_msi(sh->vm, SHARED_GSI + sh->nr, SHARED_DEVID, SHARED_EVENT);
		vm_route_msi(self->second, SHARED_GSI + sh->nr, SHARED_DEVID, SECOND_EVENT);
	}
	sharers_assign_all(sh);
	if (broker_loaded())
		broker_info(&self->info);
}

FIXTURE_TEARDOWN(leaky)
{
	if (self->sh.vm)
		sharers_free(&self->sh);
	if (self->second)
		vm_free(self->second);
	if (self->helper)
		helper_unload(HELPER);
}

static void expect_forced_unmaps(struct __test_metadata *_metadata, FIXTURE_DATA(leaky) *self,
				 unsigned int n)
{
	struct vlpi_broker_info info;

	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
	if (!broker_loaded())
		return;
	/* Where KVM unmaps by the guest's tables, the module does all of that itself. */
	if (kernel_before(6, 16))
		n = 0;
	broker_info(&info);
	EXPECT_EQ(self->info.forced_unmaps + n, info.forced_unmaps);
}

/* Each of the three is promoted in its turn: three mappings are left by KVM. */
FAILS_ON_STOCK_LAST("leaky.each_leaves", "6.1 7.3");
VM_TEST_F(leaky, each_leaves, "H22")
{
	struct sharers *sh = &self->sh;

	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[i]);
		EXPECT_SOURCES("number %u left", i + 1);
	}
	expect_forced_unmaps(_metadata, self, 3);
}

VM_TEST_F(leaky, holder_comes_and_goes, "H22")
{
	struct sharers *sh = &self->sh;

	for (unsigned int n = 0; n < 6; n++) {
		source_deassign(sh->src[n % 3]);
		sharers_assign(sh, n % 3);
		EXPECT_SOURCES("number %u was away", n % 3 + 1);
	}
	expect_forced_unmaps(_metadata, self, 6);
}

VM_TEST_F(leaky, vectors_come_and_go, "H22")
{
	struct sharers *sh = &self->sh;

	for (unsigned int n = 0; n < 6; n++) {
		source_vectors(sh->src[n % 3], false);
		EXPECT_SOURCES("vector %u off", n % 3 + 1);
		source_vectors(sh->src[n % 3], true);
		EXPECT_SOURCES("vector %u on", n % 3 + 1);
	}
	expect_forced_unmaps(_metadata, self, 6);
}

static void move_to_second(FIXTURE_DATA(leaky) *self)
{
	for (unsigned int i = 0; i < self->sh.nr; i++) {
		source_deassign(self->sh.src[i]);
		source_drain(self->sh.src[i]);
		source_assign(self->sh.src[i], self->second, SHARED_GSI + i);
	}
}

/* What KVM still believed of the first VM's event would now be done to the second VM. */
VM_TEST_F(leaky, then_reused_by_another_vm, "H22")
{
	struct vm *first = self->sh.vm;
	uint64_t before;

	move_to_second(self);
	EXPECT_SOURCES("moved to the second VM");
	guest_enable(first, SHARED_INTID, false);
	EXPECT_SOURCES("after INV, disabled");
	guest_enable(first, SHARED_INTID, true);
	EXPECT_SOURCES("after INV, enabled");
	guest_move(first, SHARED_DEVID, SHARED_EVENT, 1);
	EXPECT_SOURCES("after MOVI");
	before = guest_count(self->second, SECOND_INTID);
	guest_int(first, SHARED_DEVID, SHARED_EVENT);
	await_effects();
	EXPECT_EQ(before, guest_count(self->second, SECOND_INTID)) {
		TH_LOG("the second VM took the first one's INT");
	}
	guest_mask(self->second, 1, true);
	source_fire(self->sh.src[0]);
	await_effects();
	guest_clear(first, SHARED_DEVID, SHARED_EVENT);
	guest_mask(self->second, 1, false);
	EXPECT_TRUE(guest_takes(self->second, SECOND_INTID, before)) {
		TH_LOG("the first VM cleared the second's interrupt");
	}
	guest_discard(first, SHARED_DEVID, SHARED_EVENT);
	EXPECT_SOURCES("after DISCARD");
	expect_forced_unmaps(_metadata, self, 3);
}

VM_TEST_F(leaky, then_the_first_vm_ends, "H22")
{
	move_to_second(self);
	EXPECT_SOURCES("moved to the second VM");
	vm_free(self->sh.vm);
	self->sh.vm = NULL;
	EXPECT_SOURCES("the first VM has ended");
	for (unsigned int i = 0; i < self->sh.nr; i++)
		source_close(self->sh.src[i]);
	expect_forced_unmaps(_metadata, self, 6);
}

TEST_MAIN
