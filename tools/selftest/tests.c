// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tests: a guest of our own, and vectors of one function that all lead to one MSI of it. Each
 * runs in a process of its own, which may be killed, and all that it made goes with it.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "selftest.h"

/* Of the test that looks for lost edges; each fires every vector once. */
#define ROUNDS			20

struct function function;

static void failed(const char *fmt, ...) __printf_like(1, 2);

static void failed(const char *fmt, ...)
{
	char why[sizeof(function.outcome->why)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	note("wrong: %s", why);
	if (!function.outcome->why[0])
		memcpy(function.outcome->why, why, sizeof(why));
}

static void check_sources(const char *fmt, ...) __printf_like(1, 2);

/* Fires each vector once: exactly one goes straight into the guest, and all are delivered. */
static void check_sources(const char *fmt, ...)
{
	char when[96], seen[160];
	size_t n = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(when, sizeof(when), fmt, ap);
	va_end(ap);
	if (!sources_wrong(when))
		return;
	for (unsigned int i = 0; i < MAX_SOURCES && n < sizeof(seen); i++)
		if (source_at(i))
			n += snprintf(seen + n, sizeof(seen) - n, " %s",
				      verdict_name(source_at(i)->last));
	failed("%s: the vectors were%s", when, seen);
}

static void prepare(struct sharers *sh, const char *name)
{
	*sh = (struct sharers){ .vm = vm_new(name, 1) };
	guest_boot(sh->vm);
	sharers_map(sh);
	function_open(sh->src, function.nr, function.address);
	sh->nr = function.nr;
	sharers_route_all(sh);
}

/* A grant raises the vLPI once, which is not to be taken for an edge. */
static void assign(struct sharers *sh)
{
	sharers_assign_all(sh);
	await_effects();
}

static void drain(struct sharers *sh)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		source_drain(sh->src[i]);
}

static void finish(struct sharers *sh)
{
	while (sh->nr)
		source_close(sh->src[--sh->nr]);
	vm_free(sh->vm);
}

static void share(const char *name, bool one_gsi)
{
	struct sharers sh;

	prepare(&sh, name);
	sh.one_gsi = one_gsi;
	assign(&sh);
	check_sources("%u assigned", sh.nr);
	check_sources("%u assigned, once more", sh.nr);
	finish(&sh);
}

static void sharing(void)
{
	share("sharing", false);
}

static void sharing_one_gsi(void)
{
	share("one GSI", true);
}

static void no_edge_is_lost(void)
{
	struct sharers sh;

	prepare(&sh, "edges");
	assign(&sh);
	for (unsigned int n = 1; n <= ROUNDS; n++) {
		char when[32];

		snprintf(when, sizeof(when), "round %u", n);
		if (!sources_undelivered(when))
			continue;
		failed("an interrupt is lost, or comes twice, in %s", when);
		break;
	}
	finish(&sh);
}

static void a_waiter_leaves(void)
{
	struct sharers sh;
	int holder;

	prepare(&sh, "waiters");
	assign(&sh);
	check_sources("%u assigned", sh.nr);
	holder = sharers_holder(&sh);
	for (int i = 0; i < (int)sh.nr; i++) {
		if (i == holder)
			continue;
		source_deassign(sh.src[i]);
		check_sources("waiter %d has left", i);
		source_drain(sh.src[i]);
		sharers_assign(&sh, i);
		check_sources("waiter %d is back", i);
	}
	finish(&sh);
}

/*
 * The next one holds the vLPI without an interrupt: the broker says so before one is raised, and
 * each is then raised once only.
 */
static void the_holder_leaves(void)
{
	struct sharers sh;

	prepare(&sh, "holders");
	assign(&sh);
	check_sources("%u assigned", sh.nr);
	for (unsigned int left = 1; left < sh.nr; left++) {
		int holder = sharers_holder(&sh);

		if (holder < 0) {
			failed("no vector holds the vLPI after %u holders have left", left - 1);
			break;
		}
		source_deassign(sh.src[holder]);
		sh.src[holder]->last = HOST;
		if (!sources_placed("a holder has left"))
			failed("%u holders have left, and no other is promoted", left);
		check_sources("%u holders have left", left);
	}
	drain(&sh);
	assign(&sh);
	check_sources("all are back");
	finish(&sh);
}

/* As a VMM does it: irqfds, vCPUs, vGIC and ITS; then firmware, then the driver. */
static void the_guest_reboots(void)
{
	struct sharers sh;

	prepare(&sh, "reboots");
	assign(&sh);
	check_sources("%u assigned", sh.nr);
	for (unsigned int n = 1; n <= 2; n++) {
		sharers_deassign_all(&sh);
		vm_reset(sh.vm);
		guest_init_gic(sh.vm);
		check_sources("reboot %u: firmware runs", n);
		drain(&sh);
		guest_boot(sh.vm);
		sharers_map(&sh);
		assign(&sh);
		check_sources("reboot %u: the guest is back", n);
	}
	finish(&sh);
}

/* The ITS alone, under irqfds that stay: as a kernel that is started by kexec finds it. */
static void the_its_is_reset(void)
{
	struct sharers sh;

	prepare(&sh, "ITS reset");
	assign(&sh);
	check_sources("%u assigned", sh.nr);
	for (unsigned int n = 1; n <= 2; n++) {
		vm_reset_its_alone(sh.vm);
		check_sources("reset %u: nothing is mapped", n);
		guest_init_its(sh.vm);
		sharers_map(&sh);
		check_sources("reset %u: mapped again", n);
	}
	finish(&sh);
}

static void vmm_under_fire(void *arg)
{
	struct sharers sh;
	struct firing f;
	uint64_t before;

	(void)arg;
	prepare(&sh, "victim");
	assign(&sh);
	before = sharers_count(&sh);
	firing_start(&f, sh.src, sh.nr);
	guest_wait_irq(sh.vm, SHARED_INTID, before + 10, "all vectors fire");
	child_ready();
	/* Until it is killed. */
	pthread_join(f.thread, NULL);
}

static void the_vmm_is_killed(void)
{
	struct sharers sh;
	struct child c;

	for (unsigned int n = 0; n < 3; n++) {
		child_start(&c, vmm_under_fire, NULL);
		child_wait_ready(&c);
		child_kill(&c);
	}
	prepare(&sh, "heir");
	check_sources("the VMM was killed");
	drain(&sh);
	assign(&sh);
	check_sources("a new VM has them");
	finish(&sh);
}

#define TEST(function, does, ...)	\
	{ .name = #function, .what = does, .run = function, __VA_ARGS__ }
#define HARMS_STOCK			.harms_stock = true

const struct selftest selftests[] = {
	TEST(sharing, "vectors of one message, a GSI each: one direct, all delivered"),
	TEST(sharing_one_gsi, "the same through one GSI, as QEMU does"),
	TEST(no_edge_is_lost, "each vector raised many times, and delivered each time"),
	TEST(a_waiter_leaves, "each in turn, and comes back"),
	TEST(the_holder_leaves, "one after the other, and the next is promoted"),
	TEST(the_guest_reboots, "nothing arrives until it is back", HARMS_STOCK),
	TEST(the_its_is_reset, "nothing arrives until the event is mapped again", HARMS_STOCK),
	TEST(the_vmm_is_killed, "while all fire, and another VM gets them", HARMS_STOCK),
};

const unsigned int nr_selftests = ARRAY_SIZE(selftests);

/* A vPE has a doorbell, whose interrupt says which kind it is. */
static void find_gic(struct outcome *o)
{
	char line[4096];
	FILE *f = fopen("/proc/interrupts", "r");

	if (!f)
		die("/proc/interrupts: %m");
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "GICv4.1-vpe"))
			snprintf(o->gic, sizeof(o->gic), "4.1");
		else if (strstr(line, "GICv4-vpe"))
			snprintf(o->gic, sizeof(o->gic), "4.0");
	}
	fclose(f);
}

/* A VM, the function, and an interrupt that goes to the host: what every test begins with. */
void probe(void)
{
	struct outcome *o = function.outcome;
	struct sharers sh;

	o->vectors = function_vectors(function.address);
	if (o->vectors < MIN_VECTORS)
		return;
	function.nr = MIN_VECTORS;
	prepare(&sh, "probe");
	find_gic(o);
	for (unsigned int i = 0; i < sh.nr; i++)
		if (verdict_of(sh.src[i], HOST) != HOST)
			failed("the ITS raises vector %u, and the host's handler does not run (%s)",
			       i, verdict_detail());
	finish(&sh);
}
