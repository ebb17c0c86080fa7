// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM saves the pending tables while devices fire, come and go (H53). On GICv4.1 KVM unmaps all
 * vPEs for as long as that takes: what is mapped to one, or raised for one, at that moment is lost.
 *
 * The guest is paused, or KVM refuses to save. An edge of the holder goes to the vPE by itself and
 * is lost, with the broker and without it: VMMs stop their devices first.
 */
#define _GNU_SOURCE
#include "harness.h"

#define NR_SHARERS		4
#define ROUNDS			20

struct saver {
	struct vm *vm;
	pthread_t thread;
	bool stop;
	unsigned int saves;
};

FIXTURE(saving) {
	struct sharers sh;
	struct saver saver;
};

FIXTURE_SETUP(saving)
{
	sharers_new(&self->sh, "saving", 0, NR_SHARERS);
	self->saver.vm = self->sh.vm;
	EXPECT_SOURCES("assigned");
}

FIXTURE_TEARDOWN(saving)
{
	sharers_free(&self->sh);
}

static void *save_all_the_time(void *arg)
{
	struct saver *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		device_attr(s->vm->vgic, KVM_DEV_ARM_VGIC_GRP_CTRL,
			    KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, NULL,
			    "saving the pending tables");
		__atomic_add_fetch(&s->saves, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static unsigned int saves(struct saver *s)
{
	return __atomic_load_n(&s->saves, __ATOMIC_RELAXED);
}

static void await_saves(struct saver *s)
{
	unsigned int before = saves(s);

	wait_for(saves(s) >= before + 2, "the tables are saved once from begin to end");
}

static void saver_start(struct saver *s)
{
	vm_pause(s->vm);
	s->stop = false;
	if (pthread_create(&s->thread, NULL, save_all_the_time, s))
		die("starting a thread");
	await_saves(s);
}

static void saver_stop(struct saver *s)
{
	await_saves(s);
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	pthread_join(s->thread, NULL);
	vm_resume(s->vm);
}

static int holder_of(struct sharers *sh)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		if (!broker_loaded() || broker_holds(sh->src[i]))
			return i;
	return -1;
}

/* Each grant and each revoke meets a save; others fire all the while. */
VM_TEST_F(saving, hands_change, "H53 P1 P3 P4")
{
	struct sharers *sh = &self->sh;
	struct firing fire;
	int holder;

	saver_start(&self->saver);
	firing_start(&fire, sh->src, sh->nr);
	for (unsigned int n = 0; n < ROUNDS; n++) {
		wait_for(holder_of(sh) >= 0, "round %u: one holds the vLPI", n);
		holder = holder_of(sh);
		source_deassign(sh->src[holder]);
		EXPECT_PLACED("number %u has left, %u", holder + 1, n);
		sharers_assign(sh, holder);
		EXPECT_PLACED("number %u is back, %u", holder + 1, n);
	}
	firing_stop(&fire);
	note("%u saves", saves(&self->saver));
	saver_stop(&self->saver);
	await_effects();
	EXPECT_SOURCES("saved");
	tried(saves(&self->saver), "pending tables saved while vLPIs change hands");
}

VM_TEST_F(saving, edge_of_a_waiter_is_kept, "H53 P2")
{
	struct sharers *sh = &self->sh;
	uint64_t before;
	int holder;

	for (unsigned int n = 0; n < ROUNDS; n++) {
		holder = holder_of(sh);
		ASSERT_LE(0, holder);
		before = sharers_count(sh);
		saver_start(&self->saver);
		source_fire(sh->src[(holder + 1) % sh->nr]);
		source_ack(sh->src[(holder + 1) % sh->nr]);
		/* Its handler has run. */
		visit_host_cpus(NULL, NULL);
		saver_stop(&self->saver);
		ASSERT_TRUE(sharers_takes(sh, before)) {
			TH_LOG("round %u: the edge is lost", n);
		}
		await_effects();
	}
	EXPECT_SOURCES("saved");
	tried(ROUNDS, "edges of waiters while pending tables are saved");
}

TEST_MAIN
