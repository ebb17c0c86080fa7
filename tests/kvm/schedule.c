// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random schedules: 500 operations of a guest, a VMM and an operator in an order that a seed tells.
 *
 * There are two VMs. A lives in this process, B in a child, so that it can be killed. Six sources
 * belong to this process and go to either VM; two belong to the child, are B's only, and die with
 * it. In each VM four events lead to four LPIs on two vCPUs, through routes that change.
 *
 * A model says what has to be true: which source is attached where, whether its vector is on, what
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
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define NR_SOURCES	8
#define NR_SHARED	6	/* the others are the child's */
#define NR_EVENTS	4
#define NR_LPIS		4
#define NR_VCPUS	2
/* One more interrupt of a VM: where a route to a pin leads. */
#define PIN		NR_LPIS
#define NR_INTS		(NR_LPIS + 1)
#define NOWHERE		(-1)

#define FIRST_INTID	8200
#define PIN_INTID	34
#define FIRST_GSI	32
#define FIRST_DEVID	8
#define EVENTS_A_DEVICE	2

#define NR_OPS		500
#define CHECK_EVERY	25
#define HISTORY		30

/* ---- the model --------------------------------------------------- */

enum side { A, B, NR_VMS, NOBODY = -1 };

struct model_source {
	enum side vm;		/* attached to */
	bool vectors;
	bool unread;		/* raised while attached to nothing: in its eventfd */
	char irq_name[40];
	/* Of the last check. */
	bool taken;
	long long handled;
};

enum route { ROUTE_NOTHING, ROUTE_PIN, ROUTE_EVENT };

struct model_vm {
	pid_t pid;
	struct {
		enum route to;
		unsigned int event;
	} route[NR_SOURCES];
	struct {
		bool mapped;
		unsigned int lpi;
		unsigned int vcpu;
	} event[NR_EVENTS];
	struct {
		bool enabled;
		unsigned int vcpu;
		/* An edge that the guest has yet to take: the interrupts taken before it. */
		bool owed;
		uint64_t before;
		unsigned int owed_since;
		unsigned int owed_by;
	} lpi[NR_INTS];
	bool masked[NR_VCPUS];
	/* The ITS or a vCPU's LPIs are off: what is raised now need not arrive. */
	bool limbo;
};

/* In shared memory: whoever does a step notes what it did. One of them does one step at a time. */
static struct model {
	struct model_source src[NR_SOURCES];
	struct model_vm vm[NR_VMS];
	bool aliases;		/* this KVM maps two events to one LPI */
	unsigned int op;
	unsigned int woken;
	char history[HISTORY][120];
} *m;

static bool failed(const char *fmt, ...) __printf_like(1, 2);

/* Always false: what went wrong is told, and the schedule is over. */
static bool failed(const char *fmt, ...)
{
	char line[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	note("operation %u: %s", m->op, line);
	return false;
}

static unsigned int intid_of(unsigned int lpi)
{
	return lpi == PIN ? PIN_INTID : FIRST_INTID + lpi;
}

static uint32_t devid_of(unsigned int event)
{
	return FIRST_DEVID + event / EVENTS_A_DEVICE;
}

static uint32_t eventid_of(unsigned int event)
{
	return 1 + event % EVENTS_A_DEVICE;
}

/* Where the route of a source leads in a VM. */
static int leads_to(const struct model_vm *vm, unsigned int s)
{
	unsigned int e = vm->route[s].event;

	if (vm->route[s].to == ROUTE_PIN)
		return PIN;
	if (vm->route[s].to == ROUTE_EVENT && vm->event[e].mapped)
		return vm->event[e].lpi;
	return NOWHERE;
}

/* Where an interrupt of a source ends now. */
static int ends_in(unsigned int s)
{
	const struct model_source *src = &m->src[s];

	return src->vm == NOBODY || !src->vectors ? NOWHERE : leads_to(&m->vm[src->vm], s);
}

static bool is_mapped(const struct model_vm *vm, unsigned int lpi)
{
	for (unsigned int e = 0; e < NR_EVENTS; e++)
		if (vm->event[e].mapped && vm->event[e].lpi == lpi)
			return true;
	return false;
}

static bool can_take(const struct model_vm *vm, unsigned int lpi)
{
	return !vm->limbo && !vm->masked[vm->lpi[lpi].vcpu] && vm->lpi[lpi].enabled;
}

static void owe(struct model_vm *vm, unsigned int lpi, uint64_t before, unsigned int s)
{
	if (vm->limbo)
		return;
	vm->lpi[lpi].owed = true;
	vm->lpi[lpi].before = before;
	vm->lpi[lpi].owed_since = m->op;
	vm->lpi[lpi].owed_by = s;
}

static void reset_model_vm(struct model_vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	for (unsigned int e = 0; e < NR_EVENTS; e++) {
		vm->event[e].mapped = true;
		vm->event[e].lpi = e;
		vm->event[e].vcpu = e % NR_VCPUS;
		vm->lpi[e].vcpu = e % NR_VCPUS;
		vm->lpi[e].enabled = true;
	}
	vm->lpi[PIN].enabled = true;
	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		vm->route[s].to = ROUTE_EVENT;
		/* Mostly together. */
		vm->route[s].event = s % 3;
	}
}

/* ---- steps: what one process does to its VM ---------------------- */

enum step_kind {
	ATTACH, DETACH, FIRE, ROUTE, DISCARD, MAPTI, MAPD, MOVI, ENABLE, MASK, LPIS, ITS, VECTORS,
	CALM, CHECK_BEGIN, CHECK_FIRE, CHECK_END, FIRE_ON, QUIT,
};

struct step {
	enum step_kind kind;
	unsigned int a;
	unsigned int b;
	unsigned int c;
	/* A source that fires at the same time, or NOWHERE; and how early. */
	int racer;
	unsigned int yields;
};

static enum side me;
static struct vm *vm;
static struct source *src[NR_SOURCES];

/* The LPIs whose pending state the step has dropped, as the architecture allows. */
static unsigned int dropped;

static struct model_vm *mine(void)
{
	return &m->vm[me];
}

static void drop(unsigned int lpi)
{
	mine()->lpi[lpi].owed = false;
	dropped |= 1U << lpi;
}

static void do_attach(unsigned int s)
{
	int lpi = leads_to(mine(), s);
	uint64_t before = lpi == NOWHERE ? 0 : guest_count(vm, intid_of(lpi));

	attach(src[s], vm, FIRST_GSI + s);
	m->src[s].vm = me;
	if (m->src[s].unread && lpi != NOWHERE)
		owe(mine(), lpi, before, s);
	m->src[s].unread = false;
}

static void do_detach(unsigned int s)
{
	detach(src[s]);
	m->src[s].vm = NOBODY;
}

static void do_fire(unsigned int mask)
{
	uint64_t before[NR_INTS];
	int lpi;

	guest_round_trip(vm);
	for (unsigned int i = 0; i < NR_INTS; i++)
		before[i] = guest_count(vm, intid_of(i));
	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		if (!(mask & 1U << s))
			continue;
		source_fire(src[s]);
		source_ack(src[s]);
		lpi = ends_in(s);
		if (lpi != NOWHERE)
			owe(mine(), lpi, before[lpi], s);
		m->src[s].unread = m->src[s].vm == NOBODY;
	}
	visit_host_cpus(NULL, NULL);
}

static void do_route(unsigned int s, enum route to, unsigned int event)
{
	switch (to) {
	case ROUTE_NOTHING:
		vm_route_none(vm, FIRST_GSI + s);
		break;
	case ROUTE_PIN:
		vm_route_pin(vm, FIRST_GSI + s, PIN_INTID - 32);
		break;
	case ROUTE_EVENT:
		vm_route_msi(vm, FIRST_GSI + s, devid_of(event), eventid_of(event));
		break;
	}
	mine()->route[s].to = to;
	mine()->route[s].event = event;
}

static void do_discard(unsigned int e)
{
	guest_discard(vm, devid_of(e), eventid_of(e));
	mine()->event[e].mapped = false;
	drop(mine()->event[e].lpi);
}

static void do_mapti(unsigned int e, unsigned int lpi, unsigned int vcpu)
{
	struct model_vm *mvm = mine();
	bool lives;

	if (mvm->event[e].mapped)
		do_discard(e);
	lives = is_mapped(mvm, lpi);
	guest_map(vm, devid_of(e), eventid_of(e), intid_of(lpi), vcpu);
	mvm->event[e].mapped = true;
	mvm->event[e].lpi = lpi;
	mvm->event[e].vcpu = vcpu;
	mvm->lpi[lpi].enabled = true;
	/* KVM leaves an LPI that another event keeps alive where it is. */
	if (!lives)
		mvm->lpi[lpi].vcpu = vcpu;
}

static void do_mapd(unsigned int device)
{
	guest_mapd(vm, FIRST_DEVID + device, false);
	for (unsigned int e = 0; e < NR_EVENTS; e++) {
		if (e / EVENTS_A_DEVICE != device || !mine()->event[e].mapped)
			continue;
		mine()->event[e].mapped = false;
		drop(mine()->event[e].lpi);
	}
}

static void do_movi(unsigned int e, unsigned int vcpu)
{
	guest_move(vm, devid_of(e), eventid_of(e), vcpu);
	mine()->event[e].vcpu = vcpu;
	mine()->lpi[mine()->event[e].lpi].vcpu = vcpu;
}

static void do_enable(unsigned int lpi, bool on)
{
	guest_enable(vm, intid_of(lpi), on);
	mine()->lpi[lpi].enabled = on;
}

static void do_mask(unsigned int vcpu, bool masked)
{
	guest_mask(vm, vcpu, masked);
	mine()->masked[vcpu] = masked;
}

/* Off and on again within one operation; what is pending may get lost, and what is raised. */
static void do_lpis(unsigned int vcpu, bool on)
{
	guest_lpis(vm, vcpu, on);
	for (unsigned int i = 0; i < NR_LPIS; i++)
		if (mine()->lpi[i].vcpu == vcpu)
			drop(i);
	mine()->limbo = !on;
}

static void do_its(bool on)
{
	guest_its(vm, on);
	for (unsigned int i = 0; i < NR_LPIS; i++)
		drop(i);
	mine()->limbo = !on;
}

/*
 * Nothing may be on its way when the host IRQ is freed: a CPU that has acknowledged an LPI and not
 * yet looked it up warns of an unexpected interrupt, on every kernel.
 */
static void do_vectors(unsigned int s, bool on)
{
	visit_host_cpus(NULL, NULL);
	source_vectors(src[s], on);
	m->src[s].vectors = on;
}

static void do_calm(void)
{
	for (unsigned int v = 0; v < NR_VCPUS; v++)
		if (mine()->masked[v])
			do_mask(v, false);
	for (unsigned int i = 0; i < NR_LPIS; i++)
		if (!mine()->lpi[i].enabled)
			do_enable(i, true);
}

/* ---- taking an edge ---------------------------------------------- */

/*
 * A blocked vCPU is not always woken by a direct interrupt where there are more vPEs than host
 * CPUs, with or without the module. That is no lost edge: the vCPU is woken here, and how often is
 * told at the end.
 */
#define WAKE_MS		30

static bool takes(unsigned int lpi, uint64_t before)
{
	uint64_t end = now_ms() + WAKE_MS;
	struct wait w;

	wait_begin(&w);
	while (guest_count(vm, intid_of(lpi)) <= before && now_ms() < end)
		wait_more(&w);
	if (guest_count(vm, intid_of(lpi)) > before)
		return true;
	guest_round_trip(vm);
	if (guest_count(vm, intid_of(lpi)) > before) {
		m->woken++;
		return true;
	}
	return guest_takes(vm, intid_of(lpi), before);
}

/* What would have brought it: says where it was stuck. */
static const char *what_helps(unsigned int lpi, uint64_t before)
{
	settle();
	if (guest_count(vm, intid_of(lpi)) > before)
		return "; the guest took it when its sentinel was signalled";
	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		if (m->src[s].vm != me || ends_in(s) != (int)lpi)
			continue;
		source_fire(src[s]);
		source_ack(src[s]);
		settle();
		if (guest_count(vm, intid_of(lpi)) > before)
			return "; the next edge is taken";
	}
	return "; nor is the next one taken";
}

/* ---- a check, in the process of one VM --------------------------- */

static uint64_t check_counts[NR_INTS][NR_VCPUS], check_total;

static void do_check_begin(void)
{
	settle();
	for (unsigned int i = 0; i < NR_INTS; i++)
		for (unsigned int v = 0; v < NR_VCPUS; v++)
			check_counts[i][v] = guest_count_on(vm, v, intid_of(i));
	check_total = guest_lpi_count(vm);
}

/* Sources attached to nothing are fired by their owner. */
static bool is_mine_to_fire(unsigned int s)
{
	enum side owner = s < NR_SHARED ? A : B;

	return m->src[s].vectors && (m->src[s].vm == NOBODY ? owner : m->src[s].vm) == me;
}

static bool do_check_fire(void)
{
	bool fine = true;
	uint64_t before;
	int lpi;

	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		if (!is_mine_to_fire(s))
			continue;
		lpi = ends_in(s);
		if (lpi == NOWHERE) {
			do_fire(1U << s);
			continue;
		}
		before = guest_count(vm, intid_of(lpi));
		source_fire(src[s]);
		source_ack(src[s]);
		m->src[s].taken = takes(lpi, before);
		if (!m->src[s].taken)
			fine = failed("check: source %u is LOST to VM %c", s, 'A' + me);
	}
	return fine;
}

static bool do_check_end(void)
{
	uint64_t raised, total = 0;
	bool fine = true;

	settle();
	for (unsigned int i = 0; i < NR_INTS; i++) {
		raised = 0;
		for (unsigned int s = 0; s < NR_SOURCES; s++)
			raised += m->src[s].vm == me && ends_in(s) == (int)i && m->src[s].taken;
		if (i != PIN)
			total += raised;
		for (unsigned int v = 0; v < NR_VCPUS; v++) {
			uint64_t got = guest_count_on(vm, v, intid_of(i)) - check_counts[i][v];
			uint64_t want = v == mine()->lpi[i].vcpu ? raised : 0;

			if (got != want)
				fine = failed("check: VM %c, vCPU %u took INTID %u %llu times, not %llu",
					      'A' + me, v, intid_of(i), (unsigned long long)got,
					      (unsigned long long)want);
		}
	}
	if (guest_lpi_count(vm) - check_total != total)
		fine = failed("check: VM %c took LPIs of other INTIDs", 'A' + me);
	return fine;
}

/* ---- one step ---------------------------------------------------- */

/* Until this process is killed. */
static void do_fire_on(void)
{
	static struct source *list[NR_SOURCES];
	static struct firing f;
	unsigned int nr = 0;

	for (unsigned int s = NR_SHARED; s < NR_SOURCES; s++)
		if (m->src[s].vectors)
			list[nr++] = src[s];
	if (nr)
		firing_start(&f, list, nr);
}

static bool do_kind(const struct step *st)
{
	switch (st->kind) {
	case ATTACH:
		do_attach(st->a);
		break;
	case DETACH:
		do_detach(st->a);
		break;
	case FIRE:
		do_fire(st->a);
		break;
	case ROUTE:
		do_route(st->a, st->b, st->c);
		break;
	case DISCARD:
		do_discard(st->a);
		break;
	case MAPTI:
		do_mapti(st->a, st->b, st->c);
		break;
	case MAPD:
		do_mapd(st->a);
		break;
	case MOVI:
		do_movi(st->a, st->b);
		break;
	case ENABLE:
		do_enable(st->a, st->b);
		break;
	case MASK:
		do_mask(st->a, st->b);
		break;
	case LPIS:
		do_lpis(st->a, st->b);
		break;
	case ITS:
		do_its(st->a);
		break;
	case VECTORS:
		do_vectors(st->a, st->b);
		break;
	case CALM:
		do_calm();
		break;
	case CHECK_BEGIN:
		do_check_begin();
		break;
	case CHECK_FIRE:
		return do_check_fire();
	case CHECK_END:
		return do_check_end();
	case FIRE_ON:
		do_fire_on();
		break;
	case QUIT:
		break;
	}
	return true;
}

struct shot {
	pthread_t thread;
	struct source *s;
	pthread_barrier_t go;
};

static void *shoot(void *arg)
{
	struct shot *shot = arg;

	pthread_barrier_wait(&shot->go);
	source_fire(shot->s);
	source_ack(shot->s);
	return NULL;
}

/* Edges that the guest can take, it takes; the others are pending in it when this returns. */
static bool collect(struct model_vm *mvm)
{
	bool fine = true, later = false;

	for (unsigned int i = 0; i < NR_INTS; i++) {
		if (!mvm->lpi[i].owed)
			continue;
		if (!can_take(mvm, i)) {
			later |= mvm->lpi[i].owed_since == m->op;
			continue;
		}
		mvm->lpi[i].owed = false;
		if (!takes(i, mvm->lpi[i].before))
			fine = failed("an edge of source %u, raised in operation %u, to INTID %u of VM %c is lost%s",
				      mvm->lpi[i].owed_by, mvm->lpi[i].owed_since, intid_of(i),
				      'A' + me, what_helps(i, mvm->lpi[i].before));
	}
	if (later)
		settle();
	return fine;
}

/*
 * With a racer: its edge is raised a moment before, at the same time as or after what the step
 * does. It must arrive if the source leads to the same LPI before and after, or is the one that is
 * attached: then the edge, if it was early, is in the eventfd.
 */
static bool do_step(const struct step *st)
{
	bool comes = st->kind == ATTACH && (int)st->a == st->racer;
	struct shot shot;
	uint64_t before[NR_INTS];
	int was, is;
	bool fine;

	dropped = 0;
	if (st->racer == NOWHERE) {
		fine = do_kind(st);
		return collect(mine()) && fine;
	}
	was = ends_in(st->racer);
	for (unsigned int i = 0; i < NR_INTS; i++)
		before[i] = guest_count(vm, intid_of(i));
	shot.s = src[st->racer];
	pthread_barrier_init(&shot.go, NULL, 2);
	if (pthread_create(&shot.thread, NULL, shoot, &shot))
		die("no thread");
	pthread_barrier_wait(&shot.go);
	for (unsigned int i = 0; i < st->yields; i++)
		sched_yield();
	fine = do_kind(st);
	pthread_join(shot.thread, NULL);
	visit_host_cpus(NULL, NULL);
	is = ends_in(st->racer);
	if (is != NOWHERE && (was == is || comes) && !(dropped & 1U << is))
		owe(mine(), is, before[is], st->racer);
	if (m->src[st->racer].vm == NOBODY) {
		/* Taken before it left, or in the eventfd: nobody can know. */
		source_drain(src[st->racer]);
		m->src[st->racer].unread = false;
	}
	return collect(mine()) && fine;
}

/* ---- VMs --------------------------------------------------------- */

static void boot_vm(const char *name)
{
	vm = vm_new(name, NR_VCPUS);
	mine()->pid = getpid();
	guest_boot(vm);
	for (unsigned int e = 0; e < NR_EVENTS; e++)
		guest_map(vm, devid_of(e), eventid_of(e), intid_of(mine()->event[e].lpi),
			  mine()->event[e].vcpu);
	for (unsigned int s = 0; s < NR_SOURCES; s++)
		do_route(s, mine()->route[s].to, mine()->route[s].event);
}

static void open_source(unsigned int s)
{
	src[s] = source_open(s);
	m->src[s].vm = NOBODY;
	m->src[s].vectors = true;
	m->src[s].unread = false;
	memcpy(m->src[s].irq_name, src[s]->irq_name, sizeof(m->src[s].irq_name));
}

/* The child has inherited the parent's VM, which it must not keep alive. */
static void forget_parents_vm(void)
{
	if (!vm)
		return;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		close(vm->vcpu[i].fd);
	close(vm->sentinel);
	close(vm->its);
	close(vm->vgic);
	close(vm->fd);
	vms = NULL;
	vm = NULL;
	for (unsigned int s = 0; s < NR_SHARED; s++)
		src[s]->vm = NULL;
}

static struct child child;
static int to_child[2] = { -1, -1 }, from_child[2] = { -1, -1 };

static void child_vmm(void *arg)
{
	struct step st;
	char fine;

	(void)arg;
	close(to_child[1]);
	close(from_child[0]);
	die_hook = NULL;
	me = B;
	forget_parents_vm();
	for (unsigned int s = NR_SHARED; s < NR_SOURCES; s++)
		open_source(s);
	boot_vm("B");
	child_ready();
	do {
		if (read(to_child[0], &st, sizeof(st)) != sizeof(st))
			die("the parent has gone");
		if (st.kind == QUIT) {
			for (unsigned int s = NR_SHARED; s < NR_SOURCES; s++)
				source_close(src[s]);
			vm_free(vm);
		}
		fine = st.kind == QUIT || do_step(&st);
		if (write(from_child[1], &fine, 1) != 1)
			die("the parent has gone");
	} while (st.kind != QUIT);
}

static void child_begin(void)
{
	reset_model_vm(&m->vm[B]);
	if (pipe(to_child) || pipe(from_child))
		die("pipe: %m");
	child_start(&child, child_vmm, NULL);
	close(to_child[0]);
	close(from_child[1]);
	child_wait_ready(&child);
}

static void child_end(void)
{
	if (!child.pid)
		return;
	child_kill(&child);
	child.pid = 0;
	close(to_child[1]);
	close(from_child[0]);
}

static bool tell_child(const struct step *st)
{
	struct pollfd p = { .fd = from_child[0], .events = POLLIN };
	char fine = 0;

	if (write(to_child[1], st, sizeof(*st)) != sizeof(*st))
		return failed("VM B's process has gone");
	if (poll(&p, 1, wait_bound() * 12000) != 1)
		return failed("VM B's process does not answer");
	if (read(from_child[0], &fine, 1) != 1)
		return failed("VM B's process has died");
	return fine;
}

/* One step, with no racer, by the process of that VM. */
#define STEP(side, ...)		step_in(side, (struct step){ __VA_ARGS__, .racer = NOWHERE })

static bool step_in(enum side side, struct step st)
{
	if (side == B)
		return tell_child(&st);
	return do_step(&st);
}

/* ---- the check --------------------------------------------------- */

/* The first source that ends in the same LPI stands for all of them. */
static bool is_first(unsigned int s)
{
	for (unsigned int t = 0; t < s; t++)
		if (m->src[t].vm == m->src[s].vm && ends_in(t) == ends_in(s))
			return false;
	return true;
}

static bool ends_in_lpi(unsigned int s)
{
	return ends_in(s) != NOWHERE && ends_in(s) != PIN;
}

static unsigned int live_vlpis(void)
{
	unsigned int n = 0;

	for (unsigned int s = 0; s < NR_SOURCES; s++)
		n += ends_in_lpi(s) && is_first(s);
	return n;
}

static const struct vlpi_broker_client *client_of(const struct vlpi_broker_client *all,
						  unsigned int nr, unsigned int s)
{
	for (unsigned int i = 0; i < nr; i++)
		if (all[i].gsi == FIRST_GSI + s && all[i].vm_pid == m->vm[m->src[s].vm].pid)
			return &all[i];
	return NULL;
}

static unsigned int clients_of_sources(const struct vlpi_broker_client *all, unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr; i++)
		n += all[i].gsi >= FIRST_GSI && all[i].gsi < FIRST_GSI + NR_SOURCES;
	return n;
}

/* What the dump says of one attached source; empty where it is what the model says. */
static const char *client_wrong(const struct vlpi_broker_client *c, unsigned int s)
{
	static char why[200];
	bool served, lpi = ends_in_lpi(s);
	unsigned int vintid = lpi ? intid_of(ends_in(s)) : 0;

	if (!c)
		return "not in the dump";
	served = c->state == VLPI_BROKER_HOLDER || c->state == VLPI_BROKER_WAITER;
	if (served == lpi && (!lpi || c->vintid == vintid) &&
	    !!c->host_irq == m->src[s].vectors &&
	    !!(c->flags & VLPI_BROKER_CLIENT_FORWARDED) == (c->state == VLPI_BROKER_HOLDER))
		return "";
	snprintf(why, sizeof(why), "%s (error %u, host IRQ %u%s) of vINTID %u, not of %u",
		 broker_state_name(c->state), c->error, c->host_irq,
		 c->flags & VLPI_BROKER_CLIENT_FORWARDED ? ", forwarded" : "", c->vintid, vintid);
	return why;
}

static unsigned int books_wrong(bool tell)
{
	unsigned int nr, attached = 0, wrong = 0, holders[NR_VMS][NR_LPIS] = { 0 };
	struct vlpi_broker_client *all = broker_dump(&nr);

	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		const struct vlpi_broker_client *c;
		const char *why;

		if (m->src[s].vm == NOBODY)
			continue;
		attached++;
		c = client_of(all, nr, s);
		why = client_wrong(c, s);
		if (why[0]) {
			wrong++;
			if (tell)
				failed("books: source %u of VM %c is %s", s, 'A' + m->src[s].vm, why);
		} else if (c->state == VLPI_BROKER_HOLDER) {
			holders[m->src[s].vm][ends_in(s)]++;
		}
	}
	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		if (!ends_in_lpi(s) || !is_first(s) || holders[m->src[s].vm][ends_in(s)] == 1)
			continue;
		wrong++;
		if (tell)
			failed("books: INTID %u of VM %c has %u holders", intid_of(ends_in(s)),
			       'A' + m->src[s].vm, holders[m->src[s].vm][ends_in(s)]);
	}
	if (clients_of_sources(all, nr) != attached) {
		wrong++;
		if (tell)
			failed("books: %u clients, and %u sources are attached",
			       clients_of_sources(all, nr), attached);
	}
	free(all);
	return wrong;
}

/* No interrupt is needed for it. */
static bool check_books(void)
{
	struct wait w;

	if (!broker_loaded())
		return true;
	wait_begin(&w);
	while (books_wrong(false))
		if (!wait_more(&w))
			return !books_wrong(true);
	return true;
}

static void handler_counts(long long *counts)
{
	for (unsigned int s = 0; s < NR_SOURCES; s++)
		counts[s] = host_irq_count(m->src[s].irq_name);
}

/* How the interrupts of the check went on the host's side. */
static bool check_handlers(void)
{
	unsigned int direct[NR_VMS][NR_LPIS] = { 0 };
	bool fine = true;

	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		struct model_source *ms = &m->src[s];

		if (!ms->vectors)
			continue;
		if (ends_in_lpi(s) && ms->taken && !ms->handled)
			direct[ms->vm][ends_in(s)]++;
		else if (ms->handled != 1)
			fine = failed("check: the handler of source %u ran %lld times", s, ms->handled);
	}
	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		if (!ends_in_lpi(s) || !is_first(s) || direct[m->src[s].vm][ends_in(s)] == 1)
			continue;
		fine = failed("check: VM %c, INTID %u: %u of its sources are DIRECT",
			      'A' + m->src[s].vm, intid_of(ends_in(s)),
			      direct[m->src[s].vm][ends_in(s)]);
	}
	return fine;
}

static bool check(void)
{
	long long before[NR_SOURCES], after[NR_SOURCES];
	bool fine = true;

	if (!STEP(A, CALM) || !STEP(B, CALM) || !check_books())
		return false;
	lab_mark_mapped(1, live_vlpis());
	for (unsigned int s = 0; s < NR_SOURCES; s++)
		m->src[s].taken = false;
	fine &= STEP(A, CHECK_BEGIN);
	fine &= STEP(B, CHECK_BEGIN);
	handler_counts(before);
	fine &= STEP(A, CHECK_FIRE);
	fine &= STEP(B, CHECK_FIRE);
	fine &= STEP(A, CHECK_END);
	fine &= STEP(B, CHECK_END);
	handler_counts(after);
	for (unsigned int s = 0; s < NR_SOURCES; s++)
		m->src[s].handled = after[s] - before[s];
	return check_handlers() && fine;
}

/* ---- operations -------------------------------------------------- */

enum op_kind {
	OP_FIRE, OP_BURST, OP_ATTACH, OP_DETACH, OP_MOVE, OP_ROUTE, OP_ROUTE_NOTHING, OP_ROUTE_PIN,
	OP_DISCARD, OP_MAPTI, OP_MOVI, OP_VECTORS, OP_MASK, OP_ENABLE, OP_MAPD, OP_LPIS, OP_ITS,
	OP_KILL, NR_OP_KINDS,
};

/* Of a thousand. */
static const unsigned int weight[NR_OP_KINDS] = {
	[OP_FIRE] = 170, [OP_BURST] = 60, [OP_ATTACH] = 160, [OP_DETACH] = 100, [OP_MOVE] = 50,
	[OP_ROUTE] = 70, [OP_ROUTE_NOTHING] = 20, [OP_ROUTE_PIN] = 20, [OP_DISCARD] = 50,
	[OP_MAPTI] = 90, [OP_MOVI] = 60, [OP_VECTORS] = 60, [OP_MASK] = 30, [OP_ENABLE] = 30,
	[OP_MAPD] = 10, [OP_LPIS] = 8, [OP_ITS] = 6, [OP_KILL] = 6,
};

/* What a seed says, whatever the state: each kind makes of it what it can. */
struct op {
	enum op_kind kind;
	enum side vm;
	unsigned int s;
	unsigned int event;
	unsigned int x;
	unsigned int y;
	unsigned int mask;
	int racer;
	unsigned int yields;
};

static enum op_kind draw_kind(struct rng *rng)
{
	unsigned int sum = 0, n;

	for (unsigned int k = 0; k < NR_OP_KINDS; k++)
		sum += weight[k];
	n = rng_below(rng, sum);
	for (unsigned int k = 0; k < NR_OP_KINDS; k++) {
		if (n < weight[k])
			return k;
		n -= weight[k];
	}
	return OP_FIRE;
}

static unsigned int smaller(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* The same number of draws for all kinds. Low events more often, so that they are shared. */
static struct op draw(struct rng *rng)
{
	struct op op = { .kind = draw_kind(rng) };
	bool race;

	op.vm = rng_below(rng, 5) < 3 ? A : B;
	op.s = rng_below(rng, NR_SOURCES);
	op.event = rng_below(rng, NR_EVENTS);
	op.event = smaller(op.event, rng_below(rng, NR_EVENTS));
	op.x = rng_below(rng, NR_LPIS);
	op.y = rng_below(rng, 64);
	op.mask = rng_below(rng, 1 << NR_SOURCES);
	race = rng_below(rng, 3) == 0;
	op.racer = rng_below(rng, NR_SOURCES);
	op.yields = rng_below(rng, 10);
	if (!race)
		op.racer = NOWHERE;
	return op;
}

static void remember(const char *fmt, ...) __printf_like(1, 2);

static void remember(const char *fmt, ...)
{
	char *line = m->history[m->op % HISTORY];
	size_t n;
	va_list ap;

	n = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(m->history[0]) - n, fmt, ap);
	va_end(ap);
}

/* The first source from @s on that is attached (to @vm), or is not; or NOWHERE. */
static int next_source(unsigned int s, bool attached, enum side vm)
{
	for (unsigned int i = 0; i < NR_SOURCES; i++, s = (s + 1) % NR_SOURCES)
		if (attached ? m->src[s].vm != NOBODY && (vm == NOBODY || m->src[s].vm == vm)
			     : m->src[s].vm == NOBODY)
			return s;
	return NOWHERE;
}

static enum side owner(unsigned int s)
{
	return s < NR_SHARED ? A : B;
}

/* A racer fires in the process that does the step: it must be attached there, or about to be. */
static bool race(enum side side, const struct op *op, struct step st)
{
	const struct model_source *r = op->racer == NOWHERE ? NULL : &m->src[op->racer];
	bool comes = r && st.kind == ATTACH && (int)st.a == op->racer;

	st.yields = op->yields;
	if (r && r->vectors && !m->vm[side].limbo && (r->vm == side || comes))
		st.racer = op->racer;
	if (st.racer != NOWHERE)
		remember("; source %d fires meanwhile (%u)", st.racer, st.yields);
	return step_in(side, st);
}

#define RACE(side, op, ...)	race(side, op, (struct step){ __VA_ARGS__, .racer = NOWHERE })

static bool op_attach(const struct op *op)
{
	int s = next_source(op->s, false, NOBODY);
	enum side to;

	if (s == NOWHERE)
		return true;
	to = owner(s) == B ? B : op->vm;
	remember("attach source %d to VM %c", s, 'A' + to);
	return RACE(to, op, ATTACH, s);
}

static bool op_detach(const struct op *op)
{
	int s = next_source(op->s, true, NOBODY);

	if (s == NOWHERE)
		return true;
	remember("detach source %d from VM %c", s, 'A' + m->src[s].vm);
	return RACE(m->src[s].vm, op, DETACH, s);
}

static bool op_move(const struct op *op)
{
	int s = next_source(op->s, true, NOBODY);
	enum side from, to;

	if (s == NOWHERE)
		return true;
	from = m->src[s].vm;
	to = owner(s) == B ? B : op->vm;
	remember("move source %d from VM %c to VM %c", s, 'A' + from, 'A' + to);
	return STEP(from, DETACH, s) && RACE(to, op, ATTACH, s);
}

static bool fire_all(unsigned int mask)
{
	unsigned int of[NR_VMS] = { 0 };
	bool fine = true;

	for (unsigned int s = 0; s < NR_SOURCES; s++)
		if (mask & 1U << s && m->src[s].vectors)
			of[m->src[s].vm == NOBODY ? owner(s) : m->src[s].vm] |= 1U << s;
	for (enum side v = A; v < NR_VMS; v++)
		if (of[v])
			fine &= STEP(v, FIRE, of[v]);
	return fine;
}

static bool op_fire(const struct op *op)
{
	unsigned int mask = op->kind == OP_BURST ? op->mask : 1U << op->s;

	remember("fire sources %#x", mask);
	return fire_all(mask);
}

static bool op_route(const struct op *op)
{
	enum side v = m->src[op->s].vm == NOBODY ? op->vm : m->src[op->s].vm;

	if (op->kind == OP_ROUTE_NOTHING) {
		remember("route source %u of VM %c to nothing", op->s, 'A' + v);
		return RACE(v, op, ROUTE, op->s, ROUTE_NOTHING);
	}
	if (op->kind == OP_ROUTE_PIN) {
		remember("route source %u of VM %c to a pin", op->s, 'A' + v);
		return RACE(v, op, ROUTE, op->s, ROUTE_PIN);
	}
	remember("route source %u of VM %c to event %u", op->s, 'A' + v, op->event);
	return RACE(v, op, ROUTE, op->s, ROUTE_EVENT, op->event);
}

/* The one that is wanted; another one where that is another event's, if KVM refuses to share it. */
static unsigned int lpi_for(const struct model_vm *mvm, unsigned int event, unsigned int wanted)
{
	bool taken[NR_LPIS] = { 0 };

	for (unsigned int e = 0; e < NR_EVENTS; e++)
		if (e != event && mvm->event[e].mapped)
			taken[mvm->event[e].lpi] = true;
	while (!m->aliases && taken[wanted])
		wanted = (wanted + 1) % NR_LPIS;
	return wanted;
}

static bool op_event(const struct op *op)
{
	struct model_vm *mvm = &m->vm[op->vm];
	unsigned int e = op->event, vcpu = op->y % NR_VCPUS, lpi;
	char name = 'A' + op->vm;

	if (op->kind == OP_MAPTI) {
		/* Half of them as they were. */
		lpi = lpi_for(mvm, e, op->y & 2 ? op->x : e);
		remember("VM %c: %sMAPTI event %u to INTID %u on vCPU %u", name,
			 mvm->event[e].mapped ? "DISCARD, " : "", e, intid_of(lpi), vcpu);
		return RACE(op->vm, op, MAPTI, e, lpi, vcpu);
	}
	if (!mvm->event[e].mapped)
		return true;
	if (op->kind == OP_MOVI) {
		vcpu = !mvm->event[e].vcpu;
		remember("VM %c: MOVI event %u to vCPU %u", name, e, vcpu);
		return RACE(op->vm, op, MOVI, e, vcpu);
	}
	remember("VM %c: DISCARD event %u", name, e);
	return RACE(op->vm, op, DISCARD, e);
}

/* More often on than off. */
static bool op_vectors(const struct op *op)
{
	unsigned int s = op->s;

	for (unsigned int i = 0; op->y % 3 && i < NR_SOURCES && m->src[s].vectors; i++)
		s = (s + 1) % NR_SOURCES;
	remember("vectors of source %u %s", s, m->src[s].vectors ? "off" : "on");
	return STEP(owner(s), VECTORS, s, !m->src[s].vectors);
}

static bool op_guest(const struct op *op)
{
	struct model_vm *mvm = &m->vm[op->vm];
	unsigned int vcpu = op->y % NR_VCPUS, device = op->y & 1;
	char name = 'A' + op->vm;

	switch (op->kind) {
	case OP_MASK:
		remember("VM %c: vCPU %u %s interrupts", name, vcpu,
			 mvm->masked[vcpu] ? "unmasks" : "masks");
		return RACE(op->vm, op, MASK, vcpu, !mvm->masked[vcpu]);
	case OP_ENABLE:
		remember("VM %c: INTID %u %s", name, intid_of(op->x),
			 mvm->lpi[op->x].enabled ? "disabled" : "enabled");
		return RACE(op->vm, op, ENABLE, op->x, !mvm->lpi[op->x].enabled);
	default:
		remember("VM %c: MAPD of device %u, off", name, device);
		return RACE(op->vm, op, MAPD, device);
	}
}

/* With the ITS or LPIs off, one more thing happens. */
static bool in_between(const struct op *op)
{
	struct op inner = *op;
	int s = next_source(op->s, true, op->vm);

	inner.racer = NOWHERE;
	remember(", ");
	switch (op->y >> 2 & 7) {
	case 0:
		remember("detach");
		return s == NOWHERE || STEP(op->vm, DETACH, s);
	case 1:
		return op_attach(&inner);
	case 2:
		inner.kind = OP_ROUTE;
		return op_route(&inner);
	case 3:
		return op_vectors(&inner);
	case 4:
		remember("fire %#x", op->mask);
		return fire_all(op->mask);
	case 5:
		return op_move(&inner);
	default:
		remember("nothing");
		return true;
	}
}

static bool op_off_on(const struct op *op)
{
	unsigned int vcpu = op->y & 1;

	if (op->kind == OP_ITS) {
		remember("VM %c: ITS off", 'A' + op->vm);
		if (!STEP(op->vm, ITS, false) || !in_between(op))
			return false;
		remember(", on");
		return STEP(op->vm, ITS, true);
	}
	remember("VM %c: LPIs of vCPU %u off", 'A' + op->vm, vcpu);
	if (!STEP(op->vm, LPIS, vcpu, false) || !in_between(op))
		return false;
	remember(", on");
	return STEP(op->vm, LPIS, vcpu, true);
}

/* All that are attached to VM B fire when its process is killed. */
static bool op_kill(void)
{
	struct source *list[NR_SOURCES];
	unsigned int nr = 0;
	struct firing f;

	remember("kill VM B under fire, and make it anew");
	for (unsigned int s = 0; s < NR_SHARED; s++)
		if (m->src[s].vm == B && m->src[s].vectors)
			list[nr++] = src[s];
	if (nr)
		firing_start(&f, list, nr);
	if (!STEP(B, FIRE_ON))
		return false;
	child_end();
	if (nr)
		firing_stop(&f);
	visit_host_cpus(NULL, NULL);
	for (unsigned int s = 0; s < NR_SHARED; s++) {
		if (m->src[s].vm != B)
			continue;
		m->src[s].vm = NOBODY;
		m->src[s].unread = false;
		source_ack(src[s]);
		source_drain(src[s]);
	}
	child_begin();
	return true;
}

static bool do_op(const struct op *op)
{
	switch (op->kind) {
	case OP_FIRE:
	case OP_BURST:
		return op_fire(op);
	case OP_ATTACH:
		return op_attach(op);
	case OP_DETACH:
		return op_detach(op);
	case OP_MOVE:
		return op_move(op);
	case OP_ROUTE:
	case OP_ROUTE_NOTHING:
	case OP_ROUTE_PIN:
		return op_route(op);
	case OP_DISCARD:
	case OP_MAPTI:
	case OP_MOVI:
		return op_event(op);
	case OP_VECTORS:
		return op_vectors(op);
	case OP_LPIS:
	case OP_ITS:
		return op_off_on(op);
	case OP_KILL:
		return op_kill();
	default:
		return op_guest(op);
	}
}

/* ---- a schedule -------------------------------------------------- */

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
		     m->src[s].vm == NOBODY ? '-' : 'A' + m->src[s].vm,
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
		if (!STEP(s < NR_SOURCES / 2 ? A : B, ATTACH, s))
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
		if (m->src[s].vm != NOBODY && !STEP(m->src[s].vm, DETACH, s))
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
