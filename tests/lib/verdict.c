// SPDX-License-Identifier: GPL-2.0-only
/*
 * How an interrupt went. The guest's counters and the host's handler counts are read before and
 * after, and everything that moved must be explained by the one source that was fired.
 *
 * That something did *not* happen is not told by waiting a while. An MSI is pending at its target
 * when the write to the device returns; await_effects() then makes every host CPU, the workqueues
 * that carry software interrupts, and every vCPU do something that comes after it.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm.h"

#define MAX_VMS		8
#define MAX_SEEN	MAX_SOURCES

struct snapshot {
	long long host[MAX_SEEN];
	uint32_t (*guest[MAX_VMS])[GUEST_NR_COUNTERS];
};

static char detail[512];

const char *verdict_detail(void)
{
	return detail;
}

const char *verdict_name(enum verdict v)
{
	static char buf[64];

	switch (v) {
	case DIRECT:
		return "DIRECT";
	case SOFTWARE:
		return "SOFTWARE";
	case HOST:
		return "HOST";
	case LOST:
		return "LOST";
	case STRAY:
		return "STRAY";
	case DELIVERED:
		return "DIRECT or SOFTWARE";
	default:
		snprintf(buf, sizeof(buf), "one of %#x", v);
		return buf;
	}
}

static bool takes_sentinel(struct vm *vm)
{
	return vm->gic_ready && !vm->vcpu[0].masked;
}

/*
 * On the host CPU it is called on: the work that this irqfd queues comes after the work that was
 * queued there before, and the guest takes the interrupt after it took those.
 */
static void sentinel(void *arg)
{
	struct vm *vm = arg;
	uint64_t before = guest_count(vm, GUEST_SENTINEL_SPI);

	if (vm->sentinel >= 0) {
		eventfd_kick(vm->sentinel);
	} else {
		spi_set(vm, GUEST_SENTINEL_SPI, true);
		spi_set(vm, GUEST_SENTINEL_SPI, false);
	}
	guest_wait_irq(vm, GUEST_SENTINEL_SPI, before, "sentinel");
}

static void await_effects_once(void)
{
	struct vm *vm;

	visit_host_cpus(NULL, NULL);
	for (vm = vms; vm; vm = vm->next) {
		if (takes_sentinel(vm))
			visit_host_cpus(sentinel, vm);
		guest_round_trip(vm);
	}
}

/* More than once: one effect can lead to another, through the threads of a broker for instance. */
void await_effects(void)
{
	for (unsigned int i = 0; i < 3; i++)
		await_effects_once();
}

static void free_snapshot(struct snapshot *s)
{
	for (unsigned int i = 0; i < MAX_VMS; i++)
		free(s->guest[i]);
	memset(s, 0, sizeof(*s));
}

static void take_snapshot(struct snapshot *s)
{
	unsigned int n = 0;
	struct vm *vm;

	free_snapshot(s);
	for (vm = vms; vm; vm = vm->next, n++) {
		if (n == MAX_VMS)
			die("more than %u VMs", MAX_VMS);
		s->guest[n] = malloc(vm->nr_vcpus * sizeof(*s->guest[n]));
		if (!s->guest[n])
			die("no memory");
		for (unsigned int c = 0; c < vm->nr_vcpus; c++)
			memcpy(s->guest[n][c], vm->shared->vcpu[c].count, sizeof(s->guest[n][c]));
		vm_check(vm);
	}
	for (unsigned int i = 0; i < MAX_SEEN; i++)
		s->host[i] = source_at(i) ? host_irq_count(source_at(i)->irq_name) : -1;
}

/* Vectors of one function are told apart by their interrupts. */
static const char *name_of(const struct source *s)
{
	return s->raise >= 0 ? s->irq_name : s->bdf;
}

/* What the route of an assigned source leads to. */
enum end {
	NO_ROUTE,
	UNMAPPED,		/* an event that the guest has not mapped */
	PIN,
	LPI,
};

static enum end end_of_route(struct source *s, uint32_t *intid, unsigned int *vcpu)
{
	const struct kvm_irq_routing_entry *e;
	struct its_event *ev;

	for (e = s->vm->routing->entries; e < s->vm->routing->entries + s->vm->routing->nr; e++) {
		if (e->gsi != s->gsi)
			continue;
		if (e->type == KVM_IRQ_ROUTING_IRQCHIP) {
			*intid = 32 + e->u.irqchip.pin;
			*vcpu = 0;
			return PIN;
		}
		ev = vm_its_event(s->vm, e->u.msi.devid, e->u.msi.data);
		if (!ev)
			return UNMAPPED;
		*intid = ev->intid;
		*vcpu = ev->vcpu;
		return LPI;
	}
	return NO_ROUTE;
}

/* Where an interrupt of this source has to end; false: nowhere. */
static bool expected(struct source *s, uint32_t *intid, unsigned int *vcpu)
{
	return s->vm && end_of_route(s, intid, vcpu) >= PIN;
}

struct moved {
	unsigned int guest;	/* the expected counter */
	long long host;		/* the source's own handler */
	unsigned int stray;	/* anything else */
};

static void tell(const char *fmt, ...) __printf_like(1, 2);

static void tell(const char *fmt, ...)
{
	size_t n = strlen(detail);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail + n, sizeof(detail) - n, fmt, ap);
	va_end(ap);
}

static void look_at_guests(struct source *s, const struct snapshot *a, const struct snapshot *b,
			   struct moved *m)
{
	uint32_t intid = 0;
	unsigned int vcpu = 0, n = 0;
	bool somewhere = expected(s, &intid, &vcpu), here;
	struct vm *vm;

	for (vm = vms; vm; vm = vm->next, n++) {
		for (unsigned int c = 0; c < vm->nr_vcpus; c++) {
			for (unsigned int i = 0; i < GUEST_NR_COUNTERS; i++) {
				unsigned int d = b->guest[n][c][i] - a->guest[n][c][i];

				/* The VMM's own. */
				if (!d || (i >= GUEST_SENTINEL_SPI && i <= GUEST_LAST_SPI))
					continue;
				tell("VM %s, vCPU %u took INTID %u %u times; ", vm->name, c,
				     guest_counter_intid(i), d);
				here = somewhere && vm == s->vm && c == vcpu;
				if (here && i == guest_counter(intid))
					m->guest += d;
				else
					m->stray += d;
			}
		}
	}
}

static void look_at_host(struct source *s, const struct snapshot *a, const struct snapshot *b,
			 struct moved *m)
{
	for (unsigned int i = 0; i < MAX_SEEN; i++) {
		long long d = b->host[i] - a->host[i];

		if (a->host[i] < 0 || b->host[i] < 0 || !d)
			continue;
		tell("handler of %s ran %lld times; ", name_of(source_at(i)), d);
		if (source_at(i) == s)
			m->host += d;
		else
			m->stray += d;
	}
}

static enum verdict classify(struct source *s, const struct snapshot *a, const struct snapshot *b)
{
	struct moved m = { 0 };

	detail[0] = 0;
	look_at_guests(s, a, b, &m);
	look_at_host(s, a, b, &m);
	if (!detail[0])
		tell("nothing moved");
	if (m.stray)
		return STRAY;
	if (m.guest)
		return m.host ? SOFTWARE : DIRECT;
	return m.host ? HOST : LOST;
}

/* How long ANY waits for a software interrupt whose handler has run. */
#define ANY_MS		2000

enum verdict verdict_of(struct source *s, enum verdict want)
{
	static struct snapshot before, after;
	enum verdict got;
	uint64_t begin;
	struct wait w;

	await_effects();
	take_snapshot(&before);
	source_fire(s);
	source_ack(s);
	begin = now_ms();
	wait_begin(&w);
	do {
		await_effects();
		take_snapshot(&after);
		got = classify(s, &before, &after);
		/* Only what the guest does may take longer than await_effects(). */
		if (got & ~(HOST | LOST))
			break;
		if (want == ANY && (now_ms() - begin > ANY_MS || !s->vm))
			break;
	} while ((want == ANY || !(got & want)) && wait_more(&w));
	free_snapshot(&before);
	free_snapshot(&after);
	return got;
}

/* The state in which the dump has to show an assigned source with its vectors on. */
static uint32_t right_state(struct source *s, bool holds)
{
	unsigned int vcpu;
	uint32_t intid;

	switch (end_of_route(s, &intid, &vcpu)) {
	case LPI:
		return holds ? VLPI_BROKER_HOLDER : VLPI_BROKER_WAITER;
	case UNMAPPED:
		return VLPI_BROKER_UNRESOLVED;
	default:
		return VLPI_BROKER_NOT_MSI;
	}
}

/* What the dump says of a source, against what was seen of it. */
static bool dump_agrees(struct source *s, enum verdict seen, const char *when)
{
	struct vlpi_broker_client c;
	bool known;

	if (!s->vectors)
		return true;
	known = broker_client(s, &c);
	if (!s->vm) {
		if (known)
			note("%s: %s is assigned to nothing, and dumped as %s", when, name_of(s),
			     broker_state_name(c.state));
		return !known;
	}
	if (!known)
		note("%s: %s is not in the dump", when, name_of(s));
	else if (c.state != right_state(s, seen == DIRECT))
		note("%s: %s is %s, and dumped as %s", when, name_of(s), verdict_name(seen),
		     broker_state_name(c.state));
	return known && c.state == right_state(s, seen == DIRECT);
}

static enum verdict right_verdict(struct source *s)
{
	unsigned int vcpu;
	uint32_t intid;

	if (!s->vectors)
		return LOST;
	if (!expected(s, &intid, &vcpu))
		return HOST;
	return intid < GUEST_LPI_BASE ? SOFTWARE : DELIVERED;
}

static unsigned int source_wrong(struct source *s, const char *when)
{
	enum verdict want = right_verdict(s);

	s->last = verdict_of(s, want);
	if (s->last & want)
		return broker_loaded() && !dump_agrees(s, s->last, when);
	note("%s: %s (%s%s): %s, not %s (%s)", when, name_of(s),
	     s->vm ? s->vm->name : "assigned to nothing", s->vectors ? "" : ", vectors off",
	     verdict_name(s->last), verdict_name(want), detail);
	return 1;
}

/* Looks at all that end in the LPI of the source at @first, if that is the first of them. */
static unsigned int slot_wrong(unsigned int first, const char *when)
{
	unsigned int vcpu, direct = 0, sharers = 0;
	struct source *s = source_at(first), *t;
	uint32_t intid, other;

	if (!s->vectors || !expected(s, &intid, &vcpu) || intid < GUEST_LPI_BASE)
		return 0;
	for (unsigned int i = 0; i < MAX_SOURCES; i++) {
		t = source_at(i);
		if (!t || !t->vectors || t->vm != s->vm)
			continue;
		if (!expected(t, &other, &vcpu) || other != intid)
			continue;
		if (i < first)
			return 0;	/* looked at already */
		sharers++;
		direct += t->last == DIRECT;
	}
	if (direct == 1)
		return 0;
	note("%s: VM %s, INTID %u: %u of %u sources are DIRECT", when, s->vm->name, intid, direct,
	     sharers);
	return 1;
}

unsigned int sources_wrong(const char *when)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < MAX_SOURCES; i++)
		if (source_at(i))
			wrong += source_wrong(source_at(i), when);
	for (unsigned int i = 0; i < MAX_SOURCES; i++)
		if (source_at(i))
			wrong += slot_wrong(i, when);
	if (broker_loaded())
		wrong += broker_bad_slots(true);
	return wrong;
}

/* Fires @s. Has its interrupt come where it has to? */
static bool arrives(struct source *s)
{
	long long handled = host_irq_count(s->irq_name);
	unsigned int vcpu;
	struct wait w;
	uint32_t intid;
	uint64_t taken;

	if (expected(s, &intid, &vcpu)) {
		taken = guest_count(s->vm, intid);
		source_fire(s);
		source_ack(s);
		return guest_takes(s->vm, intid, taken);
	}
	source_fire(s);
	source_ack(s);
	wait_begin(&w);
	while (host_irq_count(s->irq_name) == handled)
		if (!wait_more(&w))
			return false;
	return true;
}

/* How many sources have to end there. */
static unsigned int sources_of(struct vm *vm, unsigned int vcpu, uint32_t intid)
{
	unsigned int n = 0, its_vcpu;
	uint32_t its_intid;

	for (unsigned int i = 0; i < MAX_SOURCES; i++) {
		struct source *s = source_at(i);

		n += s && s->vm == vm && s->vectors && expected(s, &its_intid, &its_vcpu) &&
		     its_intid == intid && its_vcpu == vcpu;
	}
	return n;
}

static unsigned int too_many(const struct snapshot *a, const struct snapshot *b, const char *when)
{
	unsigned int wrong = 0, n = 0;
	struct vm *vm;

	for (vm = vms; vm; vm = vm->next, n++) {
		for (unsigned int c = 0; c < vm->nr_vcpus; c++) {
			for (unsigned int i = 0; i < GUEST_NR_COUNTERS; i++) {
				unsigned int d = b->guest[n][c][i] - a->guest[n][c][i];
				uint32_t intid = guest_counter_intid(i);

				if (!d || (i >= GUEST_SENTINEL_SPI && i <= GUEST_LAST_SPI) ||
				    d <= sources_of(vm, c, intid))
					continue;
				note("%s: VM %s, vCPU %u took INTID %u %u times, of %u sources",
				     when, vm->name, c, intid, d, sources_of(vm, c, intid));
				wrong++;
			}
		}
	}
	return wrong;
}

unsigned int sources_undelivered(const char *when)
{
	static struct snapshot before, after;
	unsigned int wrong = 0;

	await_effects();
	take_snapshot(&before);
	for (unsigned int i = 0; i < MAX_SOURCES; i++) {
		struct source *s = source_at(i);

		if (!s || !s->vectors || arrives(s))
			continue;
		note("%s: the interrupt of %s (%s) does not arrive", when, name_of(s),
		     s->vm ? s->vm->name : "assigned to nothing");
		wrong++;
	}
	await_effects();
	take_snapshot(&after);
	wrong += too_many(&before, &after, when);
	free_snapshot(&before);
	free_snapshot(&after);
	return wrong;
}

/* ---- the broker's word alone ---------------------------------------------------------------- */

/* A moment's dump, by source. */
struct picture {
	bool known[MAX_SOURCES];
	struct vlpi_broker_client client[MAX_SOURCES];
};

static void take_picture(struct picture *p)
{
	unsigned int nr;
	struct vlpi_broker_client *all = broker_dump(&nr);

	memset(p->known, 0, sizeof(p->known));
	for (unsigned int i = 0; i < MAX_SOURCES; i++) {
		int irq = source_at(i) ? source_host_irq(source_at(i)) : -1;

		for (unsigned int j = 0; irq > 0 && j < nr && !p->known[i]; j++) {
			p->known[i] = all[j].host_irq == (uint32_t)irq;
			if (p->known[i])
				p->client[i] = all[j];
		}
	}
	free(all);
}

static unsigned int holders_of(const struct picture *p, struct vm *vm, uint32_t intid)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < MAX_SOURCES; i++)
		n += p->known[i] && source_at(i)->vm == vm && p->client[i].vintid == intid &&
		     p->client[i].state == VLPI_BROKER_HOLDER;
	return n;
}

/* What is wrong with an assigned source in this picture, or NULL. */
static const char *misplaced(const struct picture *p, unsigned int i)
{
	const struct vlpi_broker_client *c = &p->client[i];
	bool holds = c->state == VLPI_BROKER_HOLDER;
	struct source *s = source_at(i);
	unsigned int vcpu;
	uint32_t intid = 0;

	if (!p->known[i])
		return "it is not in the dump";
	if (c->state != right_state(s, holds))
		return "its state is not what its route says";
	if (!!(c->flags & VLPI_BROKER_CLIENT_FORWARDED) != holds)
		return "the irqchip says otherwise";
	if (end_of_route(s, &intid, &vcpu) != LPI)
		return NULL;
	if (c->vintid != intid)
		return "its route leads to another vLPI";
	return holders_of(p, s->vm, intid) == 1 ? NULL : "its vLPI has no holder, or two";
}

static unsigned int all_misplaced(const char *when)
{
	static struct picture p;
	unsigned int n = 0;
	const char *why;

	take_picture(&p);
	for (unsigned int i = 0; i < MAX_SOURCES; i++) {
		struct source *s = source_at(i);

		if (!s || !s->vm || !s->vectors)
			continue;
		why = misplaced(&p, i);
		n += !!why;
		if (why && when)
			note("%s: %s: dumped as %s of vINTID %u, host IRQ %u%s: %s", when,
			     name_of(s),
			     p.known[i] ? broker_state_name(p.client[i].state) : "nothing",
			     p.client[i].vintid, p.client[i].host_irq,
			     p.client[i].flags & VLPI_BROKER_CLIENT_FORWARDED ? " (forwarded)" : "",
			     why);
	}
	return n;
}

bool sources_placed(const char *when)
{
	struct wait w;

	if (!broker_loaded())
		return true;
	wait_begin(&w);
	while (all_misplaced(NULL))
		if (!wait_more(&w))
			return !all_misplaced(when);
	return true;
}
