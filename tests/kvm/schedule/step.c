// SPDX-License-Identifier: GPL-2.0-only
/*
 * A step: one thing that a guest or its VMM does, in the process of its VM; and the edges that
 * are owed to the guest, which it must take as soon as it can.
 */
#define _GNU_SOURCE
#include <sched.h>

#include "schedule.h"

enum side me;
struct vm *vm;
struct source *src[NR_SOURCES];

/* The LPIs whose pending state the step has dropped, as the architecture allows. */
static unsigned int dropped;

struct model_vm *mine(void)
{
	return &m->vm[me];
}

static void drop(unsigned int lpi)
{
	mine()->lpi[lpi].owed = false;
	dropped |= 1U << lpi;
}

static void do_assign(unsigned int s)
{
	int lpi = leads_to(mine(), s);
	uint64_t before = lpi == NOWHERE ? 0 : guest_count(vm, intid_of(lpi));

	source_assign(src[s], vm, FIRST_GSI + s);
	m->src[s].vm = me;
	if (m->src[s].unread && lpi != NOWHERE)
		owe(mine(), lpi, before, s);
	m->src[s].unread = false;
}

static void do_deassign(unsigned int s)
{
	source_deassign(src[s]);
	m->src[s].vm = NO_VM;
}

void do_fire(unsigned int mask)
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
		m->src[s].unread = m->src[s].vm == NO_VM;
	}
	visit_host_cpus(NULL, NULL);
}

void do_route(unsigned int s, enum route to, unsigned int event)
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

/* ---- taking an edge -------------------------------------------------------------------------- */

/*
 * A blocked vCPU is not always woken by a direct interrupt where there are more vPEs than host
 * CPUs, with or without the module. That is no lost edge: the vCPU is woken here, and how often is
 * told at the end.
 */
#define WAKE_MS		30

bool takes(unsigned int lpi, uint64_t before)
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
	await_effects();
	if (guest_count(vm, intid_of(lpi)) > before)
		return "; the guest took it when its sentinel was signalled";
	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		if (m->src[s].vm != me || ends_in(s) != (int)lpi)
			continue;
		source_fire(src[s]);
		source_ack(src[s]);
		await_effects();
		if (guest_count(vm, intid_of(lpi)) > before)
			return "; the next edge is taken";
	}
	return "; nor is the next one taken";
}

/* ---- one step -------------------------------------------------------------------------------- */

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
	case ASSIGN:
		do_assign(st->a);
		break;
	case DEASSIGN:
		do_deassign(st->a);
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
		await_effects();
	return fine;
}

/*
 * With a racer: its edge is raised a moment before, at the same time as or after what the step
 * does. It must arrive if the source leads to the same LPI before and after, or is the one that is
 * assigned: then the edge, if it was early, is in the eventfd.
 */
bool do_step(const struct step *st)
{
	bool comes = st->kind == ASSIGN && (int)st->a == st->racer;
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
	if (m->src[st->racer].vm == NO_VM) {
		/* Taken before it left, or in the eventfd: the model cannot know. */
		source_drain(src[st->racer]);
		m->src[st->racer].unread = false;
	}
	return collect(mine()) && fine;
}
