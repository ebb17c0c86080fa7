// SPDX-License-Identifier: GPL-2.0-only
/*
 * The check: with no interrupt, the broker's books come to what the model says; then every source
 * is fired once, and goes where the model says, on the host's side and on the guest's.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "schedule.h"

/* ---- in the process of one VM ---------------------------------------------------------------- */

static uint64_t check_counts[NR_INTS][NR_VCPUS], check_total;

void do_check_begin(void)
{
	await_effects();
	for (unsigned int i = 0; i < NR_INTS; i++)
		for (unsigned int v = 0; v < NR_VCPUS; v++)
			check_counts[i][v] = guest_count_on(vm, v, intid_of(i));
	check_total = guest_lpi_count(vm);
}

/* Sources assigned to nothing are fired by their owner. */
static bool is_mine_to_fire(unsigned int s)
{
	return m->src[s].vectors && (m->src[s].vm == NO_VM ? owner(s) : m->src[s].vm) == me;
}

bool do_check_fire(void)
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

bool do_check_end(void)
{
	uint64_t raised, total = 0;
	bool fine = true;

	await_effects();
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

/* ---- of both VMs ----------------------------------------------------------------------------- */

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

/* What the dump says of one assigned source; empty where it is what the model says. */
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
	unsigned int nr, assigned = 0, wrong = 0, holders[NR_VMS][NR_LPIS] = { 0 };
	struct vlpi_broker_client *all = broker_dump(&nr);

	for (unsigned int s = 0; s < NR_SOURCES; s++) {
		const struct vlpi_broker_client *c;
		const char *why;

		if (m->src[s].vm == NO_VM)
			continue;
		assigned++;
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
	if (clients_of_sources(all, nr) != assigned) {
		wrong++;
		if (tell)
			failed("books: %u clients, and %u sources are assigned",
			       clients_of_sources(all, nr), assigned);
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

bool check(void)
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
