// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module is loaded in the middle of what it redirects (H31): KVM_IRQFD assigns or deassigns an
 * irqfd, a VMM dies. First one such call is kept inside irqbypass until the load is over; then the
 * module is loaded and unloaded VLPI_AMID_ROUNDS (20) times, in no order, beside threads that
 * assign and deassign all the time and VMMs that are killed.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

#define HOLD			"vlpi_test_hold"

/* ---- one call, kept in the middle ------------------------------------------------------------ */

enum what { ASSIGN, DEASSIGN, DEATH };

FIXTURE(amid) {
	struct sharers sh;
	struct child child;
	struct call call;
	struct call load;
	struct broker_file file;
	bool was_loaded;
	int klog;
};

FIXTURE_VARIANT(amid) {
	enum what what;
};

FIXTURE_VARIANT_ADD(amid, an_assign) {
	.what = ASSIGN,
};

FIXTURE_VARIANT_ADD(amid, a_deassign) {
	.what = DEASSIGN,
};

FIXTURE_VARIANT_ADD(amid, a_death) {
	.what = DEATH,
};

/* Up to 6.1 the stock kernel would map a second host IRQ as well: there is but one. */
static void vmm_with_one(void *arg)
{
	struct sharers sh = { 0 };

	(void)arg;
	sharers_new(&sh, "to be killed", 3, 1);
	child_ready();
	pause();
}

FIXTURE_SETUP(amid)
{
	if (!helper_built(HOLD))
		SKIP(return, NO_HELPER(HOLD));
	self->was_loaded = broker_loaded();
	broker_want(false);
	lab_mark(LAB_MARK_STOCK);
	self->klog = klog_open();
	ASSERT_EQ(0, broker_file_open(&self->file));
	if (variant->what == DEATH) {
		child_start(&self->child, vmm_with_one, NULL);
		child_wait_ready(&self->child);
	}
	sharers_prepare(&self->sh, "amid", 0, 3);
	if (variant->what == DEASSIGN)
		sharers_assign(&self->sh, 0);
}

FIXTURE_TEARDOWN(amid)
{
	sharers_free(&self->sh);
	broker_file_close(&self->file);
	broker_want(self->was_loaded);
}

static int assigns(void *arg)
{
	struct sharers *sh = arg;

	return try_source_assign(sh->src[0], sh->vm, SHARED_GSI);
}

static int deassigns(void *arg)
{
	struct sharers *sh = arg;

	source_deassign(sh->src[0]);
	return 0;
}

static int kills(void *arg)
{
	child_kill(arg);
	return 0;
}

static int loads(void *arg)
{
	return broker_file_load(arg);
}

static void begin(FIXTURE_DATA(amid) *self, enum what what)
{
	switch (what) {
	case ASSIGN:
		call_begin(&self->call, "an assign", assigns, &self->sh);
		break;
	case DEASSIGN:
		call_begin(&self->call, "a deassign", deassigns, &self->sh);
		break;
	case DEATH:
		call_begin(&self->call, "the death of a VMM", kills, &self->child);
		break;
	}
	call_await_sleep(&self->call);
}

VM_TEST_F(amid, is_loaded, "H31 P4")
{
	struct sharers *sh = &self->sh;

	ASSERT_EQ(0, helper_load(HOLD, ""));
	begin(self, variant->what);
	call_begin(&self->load, "the load", loads, &self->file);
	calls_await(&self->load, 1, now_ms() + 1000 * wait_bound());
	EXPECT_TRUE(call_is_over(&self->load)) {
		TH_LOG("the load waits for %s", self->call.name);
	}
	EXPECT_FALSE(call_is_over(&self->call)) {
		TH_LOG("%s does not come to irqbypass", self->call.name);
	}
	helper_unload(HOLD);
	calls_end(&self->call, 1);
	calls_end(&self->load, 1);
	ASSERT_EQ(0, self->call.ret);
	ASSERT_EQ(0, self->load.ret);
	lab_mark(LAB_MARK_BROKER);

	if (variant->what == ASSIGN)
		EXPECT_PLACED("taken over");
	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("loaded");
	/* irqbypass knows nothing of these eventfds then, or it would refuse them. */
	sharers_deassign_all(sh);
	lab_mark_mapped(1, 0);
	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("assigned again");
	EXPECT_EQ(0, klog_count(self->klog, "registration fails"));
}

/* ---- many at a time -------------------------------------------------------------------------- */

#define NR_BUSY			2
#define OWN_SOURCES		2
#define UNLOADS			10

/* A thread with a VM and sources of its own: they come and go, each on a vLPI of its own. */
struct busy {
	struct vm *vm;
	struct source *src[OWN_SOURCES];
	struct call call;
	bool stop;
	unsigned int done;
};

FIXTURE(amid_many) {
	struct busy busy[NR_BUSY];
	struct looking looking;
	struct child child;
	struct rng rng;
	bool was_loaded;
	int klog;
};

FIXTURE_SETUP(amid_many)
{
	unsigned int seed = env_number("VLPI_AMID_SEED", 1);

	note("seed %u", seed);
	rng_seed(&self->rng, seed);
	self->was_loaded = broker_loaded();
	broker_want(false);
	self->klog = klog_open();
	for (unsigned int i = 0; i < NR_BUSY; i++) {
		struct busy *b = &self->busy[i];

		b->vm = vm_new("busy", 1);
		/* It would keep the module loaded. */
		vm_sentinel(b->vm, false);
		guest_boot(b->vm);
		for (unsigned int n = 0; n < OWN_SOURCES; n++) {
			guest_map(b->vm, SHARED_DEVID, SHARED_EVENT + n, SHARED_INTID + n, 0);
			vm_route_msi(b->vm, SHARED_GSI + n, SHARED_DEVID, SHARED_EVENT + n);
			b->src[n] = source_open(i * OWN_SOURCES + n);
		}
	}
}

FIXTURE_TEARDOWN(amid_many)
{
	looking_stop(&self->looking);
	for (unsigned int i = 0; i < NR_BUSY; i++) {
		for (unsigned int n = 0; n < OWN_SOURCES; n++)
			if (self->busy[i].src[n])
				source_close(self->busy[i].src[n]);
		if (self->busy[i].vm)
			vm_free(self->busy[i].vm);
	}
	broker_want(self->was_loaded);
}

static int comes_and_goes(void *arg)
{
	struct busy *b = arg;

	while (!__atomic_load_n(&b->stop, __ATOMIC_ACQUIRE)) {
		struct source *s = b->src[b->done % OWN_SOURCES];

		source_assign(s, b->vm, SHARED_GSI + b->done % OWN_SOURCES);
		source_fire(s);
		source_ack(s);
		source_deassign(s);
		__atomic_add_fetch(&b->done, 1, __ATOMIC_RELEASE);
	}
	return 0;
}

static void busy_begin(FIXTURE_DATA(amid_many) *self)
{
	for (unsigned int i = 0; i < NR_BUSY; i++) {
		self->busy[i].stop = false;
		call_begin(&self->busy[i].call, "what comes and goes", comes_and_goes,
			   &self->busy[i]);
	}
}

static void busy_end(FIXTURE_DATA(amid_many) *self)
{
	for (unsigned int i = 0; i < NR_BUSY; i++) {
		__atomic_store_n(&self->busy[i].stop, true, __ATOMIC_RELEASE);
		calls_end(&self->busy[i].call, 1);
	}
}

/* Each thread has come and gone a few times more. */
static void let_them(FIXTURE_DATA(amid_many) *self, unsigned int times)
{
	for (unsigned int i = 0; i < NR_BUSY; i++) {
		struct busy *b = &self->busy[i];
		unsigned int begun = __atomic_load_n(&b->done, __ATOMIC_ACQUIRE);

		wait_for(__atomic_load_n(&b->done, __ATOMIC_ACQUIRE) - begun >= times,
			 "irqfds come and go");
	}
}

static void vmm_of_two(void *arg)
{
	struct vm *vm = vm_new("to be killed", 1);

	(void)arg;
	guest_boot(vm);
	for (unsigned int n = 0; n < 2; n++) {
		guest_map(vm, SHARED_DEVID, SHARED_EVENT + n, SHARED_INTID + n, 0);
		vm_route_msi(vm, SHARED_GSI + n, SHARED_DEVID, SHARED_EVENT + n);
		source_assign(source_open(NR_BUSY * OWN_SOURCES + n), vm, SHARED_GSI + n);
	}
	child_ready();
	pause();
}

/* All is as it should be: each source has a vLPI of its own. */
static void look_at_all(struct __test_metadata *_metadata, FIXTURE_DATA(amid_many) *self,
			unsigned int round)
{
	for (unsigned int i = 0; i < NR_BUSY; i++) {
		struct busy *b = &self->busy[i];

		vm_sentinel(b->vm, true);
		for (unsigned int n = 0; n < OWN_SOURCES; n++)
			source_assign(b->src[n], b->vm, SHARED_GSI + n);
	}
	await_effects();
	EXPECT_SOURCES("round %u", round);
	for (unsigned int i = 0; i < NR_BUSY; i++) {
		sources_deassign(self->busy[i].vm);
		vm_sentinel(self->busy[i].vm, false);
	}
}

VM_TEST_F_TIMEOUT(amid_many, loads_and_unloads, 3600, "H31 H17")
{
	unsigned int rounds = env_number("VLPI_AMID_ROUNDS", 20), unloaded = 0;

	for (unsigned int round = 1; round <= rounds; round++) {
		/* Before the threads are there: a child has nothing of theirs half done. */
		child_start(&self->child, vmm_of_two, NULL);
		child_wait_ready(&self->child);
		busy_begin(self);
		let_them(self, 1);
		/* Killed before, while or after the module is loaded. */
		if (rng_below(&self->rng, 3) == 0) {
			child_kill(&self->child);
			self->child.pid = 0;
		}
		ASSERT_EQ(0, broker_load());
		looking_start(&self->looking);
		let_them(self, rng_below(&self->rng, 4));
		if (self->child.pid)
			child_kill(&self->child);
		let_them(self, 2);
		looking_stop(&self->looking);
		EXPECT_EQ(0, self->looking.bad);
		/* Refused while there is an irqfd, and there nearly always is. */
		for (unsigned int n = 0; n < UNLOADS && broker_loaded(); n++)
			unloaded += !broker_unload();
		let_them(self, 1);
		busy_end(self);
		if (broker_loaded())
			look_at_all(_metadata, self, round);
		broker_want(false);
		if (round % 5 == 0)
			note("%u rounds, %u unloaded beside the threads", round, unloaded);
	}
	tried(rounds, "loads amid assigns, deassigns and deaths");
	EXPECT_EQ(0, klog_count(self->klog, "registration fails"));
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

TEST_MAIN
