// SPDX-License-Identifier: GPL-2.0-only
/*
 * All sources fire as fast as they can while irqfds come and go. VLPI_STORM_SECONDS (10) and
 * VLPI_STORM_SEED (1) say how long and in which order.
 *
 * A storm hides a lost edge: the next one covers for it. So it pauses now and then, all is settled,
 * and one edge is raised at the moment hands change: the guest has to be interrupted after it.
 */
#define _GNU_SOURCE
#include "harness.h"

#define BURST_MS		300
#define SHOTS			4
#define ENOUGH_LOST		3

FIXTURE(storm) {
	struct sharers sh;
	struct looking looking;
	struct rng rng;
};

FIXTURE_SETUP(storm)
{
	unsigned int seed = env_number("VLPI_STORM_SEED", 1);

	note("seed %u", seed);
	rng_seed(&self->rng, seed);
	sharers_new(&self->sh, "storm", 0, 6);
	looking_start(&self->looking);
}

FIXTURE_TEARDOWN(storm)
{
	looking_stop(&self->looking);
	sharers_free(&self->sh);
}

static void toggle(struct sharers *sh, unsigned int i)
{
	if (sh->src[i]->vm)
		source_deassign(sh->src[i]);
	else
		sharers_assign(sh, i);
}

/* Returns how many irqfds came or went. */
static unsigned int burst(struct sharers *sh, struct rng *rng)
{
	uint64_t end = now_ms() + BURST_MS;
	unsigned int changes = 0;
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	while (now_ms() < end) {
		toggle(sh, rng_below(rng, sh->nr));
		changes++;
	}
	firing_stop(&f);
	return changes;
}

static void *shoot(void *arg)
{
	source_fire(arg);
	return NULL;
}

/*
 * One edge, and two changes of hands just after it or at the same time; the source itself is among
 * those that leave. False if the guest does not notice.
 */
static bool shot(struct sharers *sh, struct rng *rng)
{
	unsigned int a = rng_below(rng, sh->nr), b = rng_below(rng, sh->nr);
	bool race = rng_below(rng, 2);
	pthread_t thread;
	uint64_t before;

	sharers_assign_all(sh);
	await_effects();
	before = guest_count(sh->vm, SHARED_INTID);
	if (!race)
		source_fire(sh->src[a]);
	else if (pthread_create(&thread, NULL, shoot, sh->src[a]))
		die("no thread");
	toggle(sh, a);
	toggle(sh, b);
	if (race)
		pthread_join(thread, NULL);
	sharers_assign_all(sh);
	return guest_takes(sh->vm, SHARED_INTID, before);
}

VM_TEST_F_TIMEOUT(storm, of_six, 3600, "H3 H8")
{
	uint64_t end = now_ms() + 1000ULL * env_number("VLPI_STORM_SECONDS", 10);
	unsigned int shots = 0, lost = 0, changes = 0;
	struct sharers *sh = &self->sh;
	uint64_t fires = 0;

	do {
		changes += burst(sh, &self->rng);
		for (unsigned int i = 0; i < SHOTS && lost < ENOUGH_LOST; i++, shots++)
			lost += !shot(sh, &self->rng);
	} while (now_ms() < end && lost < ENOUGH_LOST);

	for (unsigned int i = 0; i < sh->nr; i++)
		fires += sh->src[i]->fires;
	note("%llu interrupts raised, %u irqfds came or went, the guest took %llu",
	     (unsigned long long)fires, changes,
	     (unsigned long long)guest_count(sh->vm, SHARED_INTID));
	tried(shots, "edges raised while hands change");
	EXPECT_EQ(0, lost) {
		TH_LOG("%u of %u last edges lost", lost, shots);
	}
	looking_stop(&self->looking);
	note("%u looks at the dump meanwhile", self->looking.looks);
	EXPECT_EQ(0, self->looking.bad);
	EXPECT_SOURCES("after the storm");
	sharers_deassign_all(sh);
	EXPECT_SOURCES("all left");
}

TEST_MAIN
