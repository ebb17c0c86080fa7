// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest and a VMM that mean harm: one thread of the VMM does one thing over and over, all
 * sources fire, and meanwhile the guest takes its events and its ITS away and gives them back, or
 * the VMM is killed. Never two holders; and when they stop, everything is in its place, and nothing
 * is left when all have gone.
 *
 * VLPI_HOSTILE_SEED (1), VLPI_HOSTILE_ROUNDS (60) and VLPI_HOSTILE_KILLS (3) say in which order and
 * how often.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"

#define SOURCES			4
/* A pin that leads to no device; an event that leads to another LPI, and one to none. */
#define PIN			(GUEST_SENTINEL_SPI - 32 + 1)
#define OTHER_EVENT		(SHARED_EVENT + 1)
#define OTHER_INTID		(SHARED_INTID + 1)
#define NO_EVENT		(SHARED_EVENT + 2)
#define ALIAS_EVENT		(SHARED_EVENT + 3)

struct nuisance {
	pthread_t thread;
	bool stop;
	unsigned int done;		/* turns in which something has happened */
	struct sharers *sh;
	struct rng rng;
	struct vm *twin;
	int resample;
	/* Of each source: what is assigned by this thread, in the VM and in its twin. */
	bool here[SOURCES];
	bool there[SOURCES];
};

/* A turn, and what puts everything back. Where @alone, it alone assigns the sources. */
struct kind {
	const char *what;
	bool alone;
	void (*begin)(struct nuisance *n);
	bool (*turn)(struct nuisance *n);
	void (*end)(struct nuisance *n);
};

static void must(int ret, int allowed, const char *what)
{
	if (ret && ret != allowed)
		die("%s: %s", what, strerror(-ret));
}

/* ---- irqfds come and go ---------------------------------------------------------------------- */

static int irqfd(struct nuisance *n, struct vm *vm, unsigned int i, uint32_t flags)
{
	struct kvm_irqfd arg = {
		.fd = n->sh->src[i]->eventfd,
		.gsi = SHARED_GSI + i,
		.flags = flags,
		.resamplefd = n->resample,
	};

	return ioctl(vm->fd, KVM_IRQFD, &arg) ? -errno : 0;
}

static bool toggle(struct nuisance *n, struct vm *vm, unsigned int i, bool *on, uint32_t flags)
{
	int ret = irqfd(n, vm, i, *on ? KVM_IRQFD_FLAG_DEASSIGN : flags);

	/* From 6.17 on an eventfd has one irqfd in all VMs together. */
	must(ret, n->twin && !*on ? -EBUSY : 0, *on ? "removing an irqfd" : "adding an irqfd");
	if (!ret)
		*on = !*on;
	return !ret;
}

static bool irqfds_turn(struct nuisance *n)
{
	unsigned int i = rng_below(&n->rng, SOURCES);

	return toggle(n, n->sh->vm, i, &n->here[i], 0);
}

static void irqfds_end(struct nuisance *n)
{
	for (unsigned int i = 0; i < SOURCES; i++) {
		if (n->here[i])
			toggle(n, n->sh->vm, i, &n->here[i], 0);
		if (n->there[i])
			toggle(n, n->twin, i, &n->there[i], 0);
	}
}

/* ---- eventfds that two VMs have -------------------------------------------------------------- */

static void twin_begin(struct nuisance *n)
{
	n->twin = vm_new("twin", 1);
	guest_boot(n->twin);
	guest_map(n->twin, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	for (unsigned int i = 0; i < SOURCES; i++)
		vm_route_msi(n->twin, SHARED_GSI + i, SHARED_DEVID, SHARED_EVENT);
}

static bool twin_turn(struct nuisance *n)
{
	unsigned int i = rng_below(&n->rng, SOURCES);

	if (rng_below(&n->rng, 2))
		return toggle(n, n->twin, i, &n->there[i], 0);
	return toggle(n, n->sh->vm, i, &n->here[i], 0);
}

static void twin_end(struct nuisance *n)
{
	irqfds_end(n);
	vm_free(n->twin);
}

/* ---- irqfds with a resamplefd, on GSIs that are MSIs or pins --------------------------------- */

static void resample_begin(struct nuisance *n)
{
	n->resample = eventfd_new();
}

/* This thread alone touches the routes, until it has ended. */
static bool set_routes(struct nuisance *n)
{
	static const uint32_t events[] = { SHARED_EVENT, OTHER_EVENT, NO_EVENT };
	struct vm *vm = n->sh->vm;

	vm_route_batch(vm, true);
	for (unsigned int gsi = SHARED_GSI; gsi < SHARED_GSI + SOURCES; gsi++) {
		unsigned int way = rng_below(&n->rng, 5);

		if (way == 4)
			vm_route_none(vm, gsi);
		else if (way == 3)
			vm_route_pin(vm, gsi, PIN);
		else
			vm_route_msi(vm, gsi, SHARED_DEVID, events[way]);
	}
	vm_route_batch(vm, false);
	return true;
}

static bool resample_turn(struct nuisance *n)
{
	unsigned int i = rng_below(&n->rng, SOURCES);

	if (!rng_below(&n->rng, 4))
		return set_routes(n);
	return toggle(n, n->sh->vm, i, &n->here[i], KVM_IRQFD_FLAG_RESAMPLE);
}

static void routes_end(struct nuisance *n)
{
	sharers_route_all(n->sh);
}

static void resample_end(struct nuisance *n)
{
	irqfds_end(n);
	close(n->resample);
	routes_end(n);
}

/* ---- eventfds are closed while they fire ----------------------------------------------------- */

/*
 * The irqfd goes with the last reference to the file, in its own good time; VFIO goes on to signal
 * what is left of it, until it is given the new one.
 */
static bool eventfds_turn(struct nuisance *n)
{
	unsigned int i = rng_below(&n->rng, SOURCES);
	struct source *s = n->sh->src[i];
	int fd = eventfd_new();

	if (dup3(fd, s->eventfd, O_CLOEXEC) < 0)
		die("a new eventfd for %s: %m", s->bdf);
	close(fd);
	source_rearm(s);
	must(irqfd(n, n->sh->vm, i, 0), 0, "adding an irqfd");
	n->here[i] = true;
	return true;
}

/* ---- a host CPU goes and comes back ---------------------------------------------------------- */

static bool cpus_turn(struct nuisance *n)
{
	second_cpu(n->done & 1);
	return true;
}

static void cpus_end(struct nuisance *n)
{
	(void)n;
	second_cpu(true);
}

/* ---- the thread ------------------------------------------------------------------------------ */

enum { IRQFDS, ROUTES, EVENTFDS, RESAMPLE, TWIN, CPUS };

static const struct kind kinds[] = {
	[IRQFDS] = {
		.what = "irqfds that come or go", .alone = true,
		.turn = irqfds_turn, .end = irqfds_end,
	},
	[ROUTES] = {
		.what = "tables of routes",
		.turn = set_routes, .end = routes_end,
	},
	[EVENTFDS] = {
		.what = "eventfds closed under their irqfds", .alone = true,
		.turn = eventfds_turn, .end = irqfds_end,
	},
	[RESAMPLE] = {
		.what = "resampled irqfds and tables of routes", .alone = true,
		.begin = resample_begin, .turn = resample_turn, .end = resample_end,
	},
	[TWIN] = {
		.what = "irqfds that come or go in two VMs", .alone = true,
		.begin = twin_begin, .turn = twin_turn, .end = twin_end,
	},
	[CPUS] = {
		.what = "host CPUs that go or come",
		.turn = cpus_turn, .end = cpus_end,
	},
};

struct hostility {
	struct nuisance n;
	const struct kind *kind;
	unsigned int turns;	/* of the guest, or of the VMM's first thread */
};

static void *go_on(void *arg)
{
	struct hostility *h = arg;

	while (!__atomic_load_n(&h->n.stop, __ATOMIC_ACQUIRE)) {
		if (h->kind->turn(&h->n))
			__atomic_add_fetch(&h->n.done, 1, __ATOMIC_RELEASE);
		sched_yield();
	}
	return NULL;
}

static unsigned int done(struct hostility *h)
{
	return __atomic_load_n(&h->n.done, __ATOMIC_ACQUIRE);
}

static void hostility_begin(struct hostility *h, unsigned int kind, struct sharers *sh,
			    unsigned int seed)
{
	memset(h, 0, sizeof(*h));
	h->n.sh = sh;
	h->n.resample = -1;
	h->kind = &kinds[kind];
	rng_seed(&h->n.rng, seed);
	if (!h->kind->alone)
		sharers_assign_all(sh);
	if (h->kind->begin)
		h->kind->begin(&h->n);
	errno = pthread_create(&h->n.thread, NULL, go_on, h);
	if (errno)
		die("no thread: %m");
	wait_for(done(h) > 3, "the other thread has begun");
}

static void hostility_end(struct hostility *h, const char *what)
{
	__atomic_store_n(&h->n.stop, true, __ATOMIC_RELEASE);
	pthread_join(h->n.thread, NULL);
	h->kind->end(&h->n);
	tried(h->n.done, h->kind->what);
	tried(h->turns, what);
}

/* ---- what the guest does --------------------------------------------------------------------- */

static void map_both(struct vm *vm)
{
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	guest_map(vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
}

static void guest_turn(struct vm *vm, struct rng *rng)
{
	switch (rng_below(rng, 9)) {
	case 0:
		guest_discard(vm, SHARED_DEVID, SHARED_EVENT);
		guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
		break;
	case 1:
		guest_mapd(vm, SHARED_DEVID, false);
		map_both(vm);
		break;
	case 2:
		guest_mapd(vm, SHARED_DEVID, true);
		map_both(vm);
		break;
	case 3:
		guest_its(vm, false);
		guest_its(vm, true);
		break;
	case 4:
		guest_discard(vm, SHARED_DEVID, SHARED_EVENT);
		guest_discard(vm, SHARED_DEVID, OTHER_EVENT);
		guest_map(vm, SHARED_DEVID, SHARED_EVENT, OTHER_INTID, 0);
		guest_discard(vm, SHARED_DEVID, SHARED_EVENT);
		map_both(vm);
		break;
	case 5:
		guest_move(vm, SHARED_DEVID, SHARED_EVENT, rng_below(rng, vm->nr_vcpus));
		break;
	case 6:
		/* Newer kernels refuse a second event for an LPI. */
		guest_map(vm, SHARED_DEVID, ALIAS_EVENT, SHARED_INTID, 0);
		guest_discard(vm, SHARED_DEVID, SHARED_EVENT);
		guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
		guest_discard(vm, SHARED_DEVID, ALIAS_EVENT);
		break;
	case 7:
		guest_clear(vm, SHARED_DEVID, SHARED_EVENT);
		guest_int(vm, SHARED_DEVID, SHARED_EVENT);
		break;
	default:
		guest_enable(vm, SHARED_INTID, false);
		guest_inv(vm, SHARED_DEVID, SHARED_EVENT);
		guest_enable(vm, SHARED_INTID, true);
	}
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void prepare(struct sharers *sh, const char *name)
{
	sharers_prepare(sh, name, 0, SOURCES);
	guest_map(sh->vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
}

FIXTURE(hostile) {
	struct sharers sh;
	struct hostility h;
	struct rng rng;
	struct looking looking;
	unsigned int seed, rounds;
	int klog;
};

FIXTURE_VARIANT(hostile) {
	unsigned int kind;
};

FIXTURE_VARIANT_ADD(hostile, irqfds_come_and_go) {
	.kind = IRQFDS,
};
ABOUT_VARIANT("hostile.irqfds_come_and_go", "H5 H11");

FIXTURE_VARIANT_ADD(hostile, routes_change) {
	.kind = ROUTES,
};
ABOUT_VARIANT("hostile.routes_change", "H4 H5 H11");

FIXTURE_VARIANT_ADD(hostile, eventfds_are_closed) {
	.kind = EVENTFDS,
};
ABOUT_VARIANT("hostile.eventfds_are_closed", "H5 H9 H11");

FIXTURE_VARIANT_ADD(hostile, irqfds_are_resampled) {
	.kind = RESAMPLE,
};
ABOUT_VARIANT("hostile.irqfds_are_resampled", "H5 H11 H15");

FIXTURE_VARIANT_ADD(hostile, two_vms_have_them) {
	.kind = TWIN,
};
ABOUT_VARIANT("hostile.two_vms_have_them", "H5 H11 H14");

FIXTURE_VARIANT_ADD(hostile, a_cpu_goes_offline) {
	.kind = CPUS,
};
ABOUT_VARIANT("hostile.a_cpu_goes_offline", "H5 H11 H20");

FIXTURE_SETUP(hostile)
{
	if (variant->kind == CPUS && host_cpus() < 2)
		SKIP(return, "one host CPU");
	self->seed = env_number("VLPI_HOSTILE_SEED", 1);
	self->rounds = env_number("VLPI_HOSTILE_ROUNDS", 60);
	note("seed %u", self->seed);
	rng_seed(&self->rng, self->seed);
	self->klog = klog_open();
	memset(&self->sh, 0, sizeof(self->sh));
	looking_start(&self->looking);
}

FIXTURE_TEARDOWN(hostile)
{
	looking_stop(&self->looking);
	/* A VMM that was killed has left it off. */
	if (variant->kind == CPUS)
		second_cpu(true);
	sharers_free(&self->sh);
}

#define EXPECT_IN_PLACE(sh, ...)					\
	do {								\
		sharers_assign_all(sh);					\
		EXPECT_SOURCES(__VA_ARGS__);				\
		sharers_deassign_all(sh);					\
		EXPECT_SOURCES("and all left");				\
		looking_stop(&self->looking);				\
		EXPECT_EQ(0, self->looking.bad);			\
		EXPECT_EQ(0, klog_count(self->klog, "cut here"));	\
	} while (0)

VM_TEST_F_TIMEOUT(hostile, while_the_guest_remaps, 7200, "H5 H11")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	prepare(sh, "hostile");
	hostility_begin(&self->h, variant->kind, sh, self->seed);
	firing_start(&f, sh->src, sh->nr);
	for (unsigned int i = 0; i < self->rounds; i++)
		guest_turn(sh->vm, &self->rng);
	firing_stop(&f);
	self->h.turns = self->rounds;
	hostility_end(&self->h, "things that the guest does to its ITS");
	EXPECT_IN_PLACE(sh, "the guest has stopped");
}

/* The VMM resets the ITS of a guest that goes on. */
VM_TEST_F_TIMEOUT(hostile, while_the_its_is_reset, 7200, "H5 H11")
{
	struct sharers *sh = &self->sh;
	struct firing f;

	prepare(sh, "hostile");
	hostility_begin(&self->h, variant->kind, sh, self->seed);
	firing_start(&f, sh->src, sh->nr);
	for (unsigned int i = 0; i < self->rounds / 4; i++) {
		vm_reset_its_alone(sh->vm);
		guest_init_its(sh->vm);
		map_both(sh->vm);
		if (rng_below(&self->rng, 2)) {
			guest_mapd(sh->vm, SHARED_DEVID, false);
			map_both(sh->vm);
		}
	}
	firing_stop(&f);
	self->h.turns = self->rounds / 4;
	hostility_end(&self->h, "resets of the ITS");
	EXPECT_IN_PLACE(sh, "the ITS is reset no more");
}

struct victim {
	unsigned int kind, seed;
};

static void be_hostile(void *arg)
{
	const struct victim *v = arg;
	struct sharers sh = { 0 };
	struct hostility h;
	struct firing f;
	struct rng rng;

	rng_seed(&rng, v->seed);
	prepare(&sh, "victim");
	hostility_begin(&h, v->kind, &sh, v->seed);
	firing_start(&f, sh.src, sh.nr);
	child_ready();
	/* Until it is killed. */
	for (;;)
		guest_turn(sh.vm, &rng);
}

/*
 * What a VMM had is given up before the next one comes: a VMM that is gone has nothing forwarded.
 */
static bool all_have_left(void)
{
	struct vlpi_broker_info info;

	if (!broker_loaded())
		return true;
	broker_info(&info);
	return !info.nr_clients && !info.nr_slots && !info.nr_vms;
}

VM_TEST_F_TIMEOUT(hostile, until_the_vmm_is_killed, 7200, "H5 H11")
{
	unsigned int kills = env_number("VLPI_HOSTILE_KILLS", 3);
	struct sharers *sh = &self->sh;
	struct child c;

	for (unsigned int i = 0; i < kills; i++) {
		struct victim v = { variant->kind, self->seed + i };

		child_start(&c, be_hostile, &v);
		child_wait_ready(&c);
		/* Any moment will do, but another one each time. */
		usleep(rng_below(&self->rng, 200000));
		child_kill(&c);
		if (variant->kind == CPUS)
			second_cpu(true);
		wait_for(all_have_left(), "the irqfds of a VMM that was killed have left");
		if ((i + 1) % 10 == 0)
			note("%u of %u are killed", i + 1, kills);
	}
	tried(kills, "VMMs killed");
	prepare(sh, "heir");
	EXPECT_SOURCES("the VMM was killed");
	for (unsigned int i = 0; i < sh->nr; i++)
		source_drain(sh->src[i]);
	EXPECT_IN_PLACE(sh, "a new VM has them");
}

TEST_MAIN
