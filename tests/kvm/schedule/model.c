// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has to be true of two VMs and their sources, after each step of a schedule.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schedule.h"

struct model *m;

bool failed(const char *fmt, ...)
{
	char line[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	note("operation %u: %s", m->op, line);
	return false;
}

unsigned int intid_of(unsigned int lpi)
{
	return lpi == PIN ? PIN_INTID : FIRST_INTID + lpi;
}

uint32_t devid_of(unsigned int event)
{
	return FIRST_DEVID + event / EVENTS_A_DEVICE;
}

uint32_t eventid_of(unsigned int event)
{
	return 1 + event % EVENTS_A_DEVICE;
}

enum side owner(unsigned int s)
{
	return s < NR_SHARED ? A : B;
}

int leads_to(const struct model_vm *vm, unsigned int s)
{
	unsigned int e = vm->route[s].event;

	if (vm->route[s].to == ROUTE_PIN)
		return PIN;
	if (vm->route[s].to == ROUTE_EVENT && vm->event[e].mapped)
		return vm->event[e].lpi;
	return NOWHERE;
}

int ends_in(unsigned int s)
{
	const struct model_source *src = &m->src[s];

	return src->vm == NO_VM || !src->vectors ? NOWHERE : leads_to(&m->vm[src->vm], s);
}

bool is_first(unsigned int s)
{
	for (unsigned int t = 0; t < s; t++)
		if (m->src[t].vm == m->src[s].vm && ends_in(t) == ends_in(s))
			return false;
	return true;
}

bool ends_in_lpi(unsigned int s)
{
	return ends_in(s) != NOWHERE && ends_in(s) != PIN;
}

bool is_mapped(const struct model_vm *vm, unsigned int lpi)
{
	for (unsigned int e = 0; e < NR_EVENTS; e++)
		if (vm->event[e].mapped && vm->event[e].lpi == lpi)
			return true;
	return false;
}

bool can_take(const struct model_vm *vm, unsigned int lpi)
{
	return !vm->limbo && !vm->masked[vm->lpi[lpi].vcpu] && vm->lpi[lpi].enabled;
}

void owe(struct model_vm *vm, unsigned int lpi, uint64_t before, unsigned int s)
{
	if (vm->limbo)
		return;
	vm->lpi[lpi].owed = true;
	vm->lpi[lpi].before = before;
	vm->lpi[lpi].owed_since = m->op;
	vm->lpi[lpi].owed_by = s;
}

void reset_model_vm(struct model_vm *vm)
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
