// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations: what a seed says, made into steps of one VM or of both.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schedule.h"

/* Of a thousand. */
static const unsigned int weight[NR_OP_KINDS] = {
	[OP_FIRE] = 170, [OP_BURST] = 60, [OP_ASSIGN] = 160, [OP_DEASSIGN] = 100, [OP_MOVE] = 50,
	[OP_ROUTE] = 70, [OP_ROUTE_NOTHING] = 20, [OP_ROUTE_PIN] = 20, [OP_DISCARD] = 50,
	[OP_MAPTI] = 90, [OP_MOVI] = 60, [OP_VECTORS] = 60, [OP_MASK] = 30, [OP_ENABLE] = 30,
	[OP_MAPD] = 10, [OP_LPIS] = 8, [OP_ITS] = 6, [OP_KILL] = 6,
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
struct op draw(struct rng *rng)
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

void remember(const char *fmt, ...)
{
	char *line = m->history[m->op % HISTORY];
	size_t n;
	va_list ap;

	n = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(m->history[0]) - n, fmt, ap);
	va_end(ap);
}

/* The first source from @s on that is assigned (to @vm), or is not; or NOWHERE. */
static int next_source(unsigned int s, bool assigned, enum side vm)
{
	for (unsigned int i = 0; i < NR_SOURCES; i++, s = (s + 1) % NR_SOURCES)
		if (assigned ? m->src[s].vm != NO_VM && (vm == NO_VM || m->src[s].vm == vm)
			     : m->src[s].vm == NO_VM)
			return s;
	return NOWHERE;
}

/* A racer fires in the process that does the step: it must be assigned there, or about to be. */
static bool race(enum side side, const struct op *op, struct step st)
{
	const struct model_source *r = op->racer == NOWHERE ? NULL : &m->src[op->racer];
	bool comes = r && st.kind == ASSIGN && (int)st.a == op->racer;

	st.yields = op->yields;
	if (r && r->vectors && !m->vm[side].limbo && (r->vm == side || comes))
		st.racer = op->racer;
	if (st.racer != NOWHERE)
		remember("; source %d fires meanwhile (%u)", st.racer, st.yields);
	return step_in(side, st);
}

#define RACE(side, op, ...)	race(side, op, (struct step){ __VA_ARGS__, .racer = NOWHERE })

static bool op_assign(const struct op *op)
{
	int s = next_source(op->s, false, NO_VM);
	enum side to;

	if (s == NOWHERE)
		return true;
	to = owner(s) == B ? B : op->vm;
	remember("assign source %d to VM %c", s, 'A' + to);
	return RACE(to, op, ASSIGN, s);
}

static bool op_deassign(const struct op *op)
{
	int s = next_source(op->s, true, NO_VM);

	if (s == NOWHERE)
		return true;
	remember("deassign source %d from VM %c", s, 'A' + m->src[s].vm);
	return RACE(m->src[s].vm, op, DEASSIGN, s);
}

static bool op_move(const struct op *op)
{
	int s = next_source(op->s, true, NO_VM);
	enum side from, to;

	if (s == NOWHERE)
		return true;
	from = m->src[s].vm;
	to = owner(s) == B ? B : op->vm;
	remember("move source %d from VM %c to VM %c", s, 'A' + from, 'A' + to);
	return STEP(from, DEASSIGN, s) && RACE(to, op, ASSIGN, s);
}

static bool fire_all(unsigned int mask)
{
	unsigned int of[NR_VMS] = { 0 };
	bool fine = true;

	for (unsigned int s = 0; s < NR_SOURCES; s++)
		if (mask & 1U << s && m->src[s].vectors)
			of[m->src[s].vm == NO_VM ? owner(s) : m->src[s].vm] |= 1U << s;
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
	enum side v = m->src[op->s].vm == NO_VM ? op->vm : m->src[op->s].vm;

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
		remember("deassign");
		return s == NOWHERE || STEP(op->vm, DEASSIGN, s);
	case 1:
		return op_assign(&inner);
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

/* All that are assigned to VM B fire when its process is killed. */
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
		m->src[s].vm = NO_VM;
		m->src[s].unread = false;
		source_ack(src[s]);
		source_drain(src[s]);
	}
	child_begin();
	return true;
}

bool do_op(const struct op *op)
{
	switch (op->kind) {
	case OP_FIRE:
	case OP_BURST:
		return op_fire(op);
	case OP_ASSIGN:
		return op_assign(op);
	case OP_DEASSIGN:
		return op_deassign(op);
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
