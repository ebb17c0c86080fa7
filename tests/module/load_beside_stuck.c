// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module is loaded while a VM is stuck: KVM holds its its_lock across a fault on a page that
 * its VMM does not give (H28), and maybe its VMM is in the middle of a KVM_IRQFD (H31). The load
 * waits for no such VM, and neither do those who ask the broker or the VMs beside it; the stuck
 * one is taken over when it goes on.
 */
#define _GNU_SOURCE
#include "harness.h"

/* Both have three sources on one vLPI, of which the third is not assigned at first. */
#define NR_SHARERS		3
#define COLD_EVENT		(SHARED_EVENT + 1)
#define COLD_INTID		(SHARED_INTID + 1)

enum { ASKS_INFO, ASKS_DUMP, IS_TAKEN_OVER, ASSIGNS, DEASSIGNS, NR_CALLS };

FIXTURE(loaded) {
	struct sharers sh;
	struct sharers beside;
	struct stuck stuck;
	struct call assign;
	struct broker_file file;
	struct call load;
	struct call call[NR_CALLS];
	unsigned int nr_calls;
	uint64_t taken;
	bool was_loaded;
};

FIXTURE_VARIANT(loaded) {
	enum stuck_by by;
	/* KVM's cache of translations is empty, and a waiter's interrupt waits for its_lock. */
	bool cold;
	/* A KVM_IRQFD of the stuck VMM waits for its_lock, with irqbypass's mutex held. */
	bool assigning;
};

FIXTURE_VARIANT_ADD(loaded, beside_a_stuck_vm) {
};

FIXTURE_VARIANT_ADD(loaded, when_a_waiter_has_fired) {
	.cold = true,
};

FIXTURE_VARIANT_ADD(loaded, in_the_middle_of_an_assign) {
	.assigning = true,
};

FIXTURE_VARIANT_ADD(loaded, beside_one_stuck_by_a_file) {
	.by = STUCK_BY_FILE,
};

static void new_vm(struct sharers *sh, const char *name, unsigned int first)
{
	sharers_prepare(sh, name, first, NR_SHARERS);
	for (unsigned int i = 0; i < 2; i++)
		sharers_assign(sh, i);
}

FIXTURE_SETUP(loaded)
{
	if (!can_stick(variant->by))
		SKIP(return, "no %s", variant->by == STUCK_BY_FILE ? "FUSE" : "userfaultfd");
	self->was_loaded = broker_loaded();
	broker_want(false);
	lab_mark(LAB_MARK_STOCK);
	ASSERT_EQ(0, broker_file_open(&self->file));
	new_vm(&self->sh, "stuck", 0);
	new_vm(&self->beside, "beside", NR_SHARERS);
	await_effects();
}

FIXTURE_TEARDOWN(loaded)
{
	sharers_free(&self->sh);
	sharers_free(&self->beside);
	broker_want(self->was_loaded);
}

static int loads(void *arg)
{
	return broker_file_load(arg);
}

static int third_is_assigned(void *arg)
{
	struct sharers *sh = arg;

	return try_source_assign(sh->src[2], sh->vm, SHARED_GSI + 2);
}

static int asks_info(void *arg)
{
	struct vlpi_broker_info info;

	(void)arg;
	broker_info(&info);
	return 0;
}

static int asks_dump(void *arg)
{
	unsigned int nr;

	(void)arg;
	free(broker_dump(&nr));
	return 0;
}

/* One of the two holds, and the other one's interrupt arrives as well. */
static int is_taken_over(void *arg)
{
	struct sharers *sh = arg;
	uint64_t before;
	struct wait w;

	wait_begin(&w);
	while (broker_holds(sh->src[0]) + broker_holds(sh->src[1]) != 1)
		if (!wait_more(&w))
			return -ETIMEDOUT;
	for (unsigned int i = 0; i < 2; i++) {
		before = sharers_count(sh);
		source_fire(sh->src[i]);
		source_ack(sh->src[i]);
		if (!sharers_takes(sh, before))
			return -EIO;
	}
	return 0;
}

static int holder_is_deassigned(void *arg)
{
	struct sharers *sh = arg;

	source_deassign(sh->src[0]);
	return 0;
}

static void get_stuck(FIXTURE_DATA(loaded) *self, const FIXTURE_VARIANT(loaded) *variant)
{
	struct sharers *sh = &self->sh;

	if (variant->cold) {
		guest_map(sh->vm, SHARED_DEVID, COLD_EVENT, COLD_INTID, 0);
		guest_discard(sh->vm, SHARED_DEVID, COLD_EVENT);
	}
	self->taken = sharers_count(sh);
	vm_stick(&self->stuck, sh->vm, variant->by, SHARED_DEVID, SHARED_EVENT);
	if (variant->cold) {
		source_fire(sh->src[1]);
		source_ack(sh->src[1]);
		visit_host_cpus(NULL, NULL);
	}
	if (variant->assigning) {
		call_begin(&self->assign, "assign", third_is_assigned, sh);
		call_await_sleep(&self->assign);
	}
}

static void begin(FIXTURE_DATA(loaded) *self, const char *name, int (*fn)(void *arg))
{
	call_begin(&self->call[self->nr_calls++], name, fn, &self->beside);
}

/*
 * What the stock kernel holds up stays so until its KVM_IRQFD ends: that has irqbypass's mutex, in
 * which irqfds are taken over.
 */
static void begin_calls(FIXTURE_DATA(loaded) *self, const FIXTURE_VARIANT(loaded) *variant)
{
	begin(self, "INFO", asks_info);
	begin(self, "DUMP", asks_dump);
	if (!variant->assigning)
		begin(self, "take-over of a VM beside it", is_taken_over);
}

VM_TEST_F(loaded, waits_for_no_vm, "H28 H31 P7")
{
	unsigned int seconds = 2 * wait_bound();

	get_stuck(self, variant);
	call_begin(&self->load, "load", loads, &self->file);
	calls_await(&self->load, 1, now_ms() + 1000 * seconds);
	EXPECT_TRUE(call_is_over(&self->load)) {
		TH_LOG("the load waits for a stuck VM");
	}
	if (call_is_over(&self->load)) {
		note("the load took %llu ms", (unsigned long long)self->load.ms);
		begin_calls(self, variant);
		calls_await(self->call, self->nr_calls, now_ms() + 1000 * seconds);
		if (!variant->assigning) {
			begin(self, "assign", third_is_assigned);
			begin(self, "deassign", holder_is_deassigned);
		}
		calls_await(self->call, self->nr_calls, now_ms() + 1000 * seconds);
	}
	for (unsigned int i = 0; i < self->nr_calls; i++) {
		EXPECT_TRUE(call_is_over(&self->call[i])) {
			TH_LOG("loaded beside a stuck VM: %s hangs", self->call[i].name);
		}
	}

	vm_unstick(&self->stuck);
	calls_end(&self->load, 1);
	ASSERT_EQ(0, self->load.ret);
	if (variant->assigning) {
		calls_end(&self->assign, 1);
		EXPECT_EQ(0, self->assign.ret);
	}
	calls_end(self->call, self->nr_calls);
	for (unsigned int i = 0; i < self->nr_calls; i++) {
		EXPECT_EQ(0, self->call[i].ret) {
			TH_LOG("%s: %s", self->call[i].name, strerror(-self->call[i].ret));
		}
	}
	if (variant->cold)
		EXPECT_TRUE(guest_takes(self->sh.vm, SHARED_INTID, self->taken));
	EXPECT_PLACED("both are taken over");
	/* From here on P1 is the broker's: up to 6.1 the stock kernel has mapped both. */
	broker_file_close(&self->file);
	EXPECT_EQ(0, sources_undelivered("afterwards"));
}

TEST_MAIN
