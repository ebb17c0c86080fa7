// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random schedules: 500 operations of a guest, a VMM and an operator in an order that a seed tells.
 *
 * There are two VMs. A lives in this process, B in a child, so that it can be killed. Six sources
 * belong to this process and go to either VM; two belong to the child, are B's only, and die with
 * it. In each VM four events lead to four LPIs on two vCPUs, through routes that change.
 *
 * A model says what has to be true: which source is assigned where, whether its vector is on, what
 * its route leads to, and which edges the guest still owes an interrupt for, because it could not
 * take one when they were raised. Between operations nothing is waited for but that: an edge that
 * the guest can take is taken. Every now and then, and at the end, the guests are made to take
 * everything, and then, with no interrupt, the broker's books must come to what the model says:
 * one holder for each LPI that a live source leads to. The ITS trace is marked with how many that
 * are. Then every source is fired once: each LPI is taken as often as it was raised, on its vCPU;
 * one of its sources is DIRECT, the others are SOFTWARE; what leads nowhere is HOST.
 *
 * Each operation is drawn from the seed alone, whatever the state, so the first part of a schedule
 * is a schedule, and so is one with operations left out:
 *   VLPI_SCHEDULE_SEED=N      another seed than that of the test's name
 *   VLPI_SCHEDULE_OPS=N       so many operations (500)
 *   VLPI_SCHEDULE_SKIP=4,7-9  without these
 *   VLPI_SCHEDULE_CHECK=N     a check after every N of them (25)
 *   VLPI_SCHEDULE_TRACE=1     each operation is told when it begins
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "harness.h"
#include "schedule/schedule.h"

#define NR_OPS		500
#define CHECK_EVERY	25

/* Is it in a list like 3,7-9? */
static bool is_skipped(unsigned int op)
{
	const char *p = getenv("VLPI_SCHEDULE_SKIP");
	unsigned int from, to;
	int n;

	for (; p && *p; p += *p == ',') {
		n = 0;
		if (sscanf(p, "%u%n-%u%n", &from, &n, &to, &n) < 2)
			to = from;
		if (!n)
			die("VLPI_SCHEDULE_SKIP is a list like 3,7-9");
		if (op >= from && op <= to)
			return true;
		p += n;
	}
	return false;
}

static unsigned int seed;

static void tell_history(const char *message)
{
	unsigned int op = m->op;

	(void)message;	/* told by die() */
	note("to replay: VLPI_SCHEDULE_SEED=%u VLPI_SCHEDULE_OPS=%u VLPI_SCHEDULE_CHECK=%u; the last operations:",
	     seed, op, env_number("VLPI_SCHEDULE_CHECK", CHECK_EVERY));
	for (unsigned int i = op >= HISTORY ? op - HISTORY + 1 : 1; i <= op; i++)
		note("  %s", m->history[i % HISTORY]);
	for (unsigned int s = 0; s < NR_SOURCES; s++)
		note("  source %u: VM %c, vectors %s, ends in %d", s,
		     m->src[s].vm == NO_VM ? '-' : 'A' + m->src[s].vm,
		     m->src[s].vectors ? "on" : "off", ends_in(s));
}

static bool run_op(const struct op *op)
{
	m->history[m->op % HISTORY][0] = 0;
	remember("%u: ", m->op);
	if (is_skipped(m->op))
		return true;
	if (!do_op(op))
		return false;
	if (getenv("VLPI_SCHEDULE_TRACE"))
		note("%s", m->history[m->op % HISTORY]);
	return true;
}

/* All sources take part from the beginning. */
static bool arrive(void)
{
	for (unsigned int s = 0; s < NR_SOURCES; s++)
		if (!STEP(s < NR_SOURCES / 2 ? A : B, ASSIGN, s))
			return false;
	return check();
}

static bool run_schedule(unsigned int ops)
{
	unsigned int every = env_number("VLPI_SCHEDULE_CHECK", CHECK_EVERY);
	struct rng rng;

	rng_seed(&rng, seed);
	for (m->op = 1; m->op <= ops; m->op++) {
		struct op op = draw(&rng);

		if (!run_op(&op))
			return false;
		if ((m->op % every == 0 || m->op == ops) && !check())
			return false;
	}
	m->op = ops;
	return true;
}

/* All leave: nothing is forwarded, and each is the host's own again. */
static bool leave(void)
{
	for (unsigned int s = 0; s < NR_SOURCES; s++)
		if (m->src[s].vm != NO_VM && !STEP(m->src[s].vm, DEASSIGN, s))
			return false;
	return check();
}

/* Newer kernels refuse to map a second event to an LPI. */
static bool kvm_aliases(void)
{
	const unsigned int intid = FIRST_INTID + 100;
	bool aliases;

	guest_map(vm, FIRST_DEVID, 101, intid, 0);
	guest_map(vm, FIRST_DEVID, 102, intid, 0);
	aliases = try_signal_msi(vm, FIRST_DEVID, 102) > 0;
	guest_discard(vm, FIRST_DEVID, 102);
	guest_discard(vm, FIRST_DEVID, 101);
	return aliases;
}

FIXTURE(schedule) {
	int klog;
};

FIXTURE_VARIANT(schedule) {
	unsigned int seed;
};

#define SEED(n)							\
	FIXTURE_VARIANT_ADD(schedule, seed_##n) {		\
		.seed = n,					\
	}

SEED(1);
SEED(2);
SEED(3);
SEED(4);
SEED(5);
SEED(6);
SEED(7);
SEED(8);
SEED(9);
SEED(10);
SEED(11);
SEED(12);
SEED(13);
SEED(14);
SEED(15);
SEED(16);
SEED(17);
SEED(18);
SEED(19);
SEED(20);

FIXTURE_SETUP(schedule)
{
	self->klog = klog_open();
	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, m);
	seed = env_number("VLPI_SCHEDULE_SEED", variant->seed);
	die_hook = tell_history;
	me = A;
	for (unsigned int s = 0; s < NR_SHARED; s++)
		open_source(s);
	reset_model_vm(&m->vm[A]);
	boot_vm("A");
	m->aliases = kvm_aliases();
	child_begin();
}

FIXTURE_TEARDOWN(schedule)
{
	child_end();
	for (unsigned int s = 0; s < NR_SHARED; s++)
		source_close(src[s]);
	vm_free(vm);
}

VM_TEST_F_TIMEOUT(schedule, run, 900, "H2 H3 H4 H5 H8 H10 H12 H13")
{
	unsigned int ops = env_number("VLPI_SCHEDULE_OPS", NR_OPS);
	uint64_t begin = now_ms();
	bool fine;

	fine = arrive() && run_schedule(ops) && leave();
	EXPECT_TRUE(fine) {
		tell_history(NULL);
	}
	if (fine)
		EXPECT_TRUE(STEP(B, QUIT));
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
	tried(m->op, "operations of a random schedule");
	note("seed %u: %u operations in %llu ms; %u times a vCPU had to be woken", seed, m->op,
	     (unsigned long long)(now_ms() - begin), m->woken);
}

TEST_MAIN
