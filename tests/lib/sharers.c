// SPDX-License-Identifier: GPL-2.0-only
/* The scenario of the report: several sources, one vLPI. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "vmm.h"

void sharers_map(struct sharers *sh)
{
	guest_map(sh->vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
}

void sharers_route_all(struct sharers *sh)
{
	vm_route_batch(sh->vm, true);
	for (unsigned int i = 0; i < sh->nr; i++)
		vm_route_msi(sh->vm, SHARED_GSI + i, SHARED_DEVID, SHARED_EVENT);
	vm_route_batch(sh->vm, false);
}

void sharers_open(struct sharers *sh, unsigned int first, unsigned int nr)
{
	sh->nr = nr;
	for (unsigned int i = 0; i < nr; i++)
		sh->src[i] = source_open(first + i);
	sharers_route_all(sh);
}

static void prepare(struct sharers *sh, const char *name, unsigned int vcpus, unsigned int first,
		    unsigned int nr)
{
	sh->vm = vm_new(name, vcpus);
	guest_boot(sh->vm);
	sharers_map(sh);
	sharers_open(sh, first, nr);
}

void sharers_prepare(struct sharers *sh, const char *name, unsigned int first, unsigned int nr)
{
	prepare(sh, name, 1, first, nr);
}

void sharers_assign(struct sharers *sh, unsigned int i)
{
	source_assign(sh->src[i], sh->vm, SHARED_GSI + (sh->one_gsi ? 0 : i));
}

void sharers_assign_all(struct sharers *sh)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		if (!sh->src[i]->vm)
			sharers_assign(sh, i);
}

void sharers_deassign_all(struct sharers *sh)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		source_deassign(sh->src[i]);
}

static void assign_prepared(struct sharers *sh)
{
	sharers_assign_all(sh);
	/* A grant raises the vLPI once, which is not to be taken for an edge of a source. */
	await_effects();
}

void sharers_new(struct sharers *sh, const char *name, unsigned int first, unsigned int nr)
{
	prepare(sh, name, 1, first, nr);
	assign_prepared(sh);
}

void sharers_new_two_vcpus(struct sharers *sh, const char *name, unsigned int nr)
{
	prepare(sh, name, 2, 0, nr);
	assign_prepared(sh);
}

/* As a VMM that ends in good order: irqfds, vectors and devices, then the VM. */
void sharers_free(struct sharers *sh)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		if (sh->src[i])
			source_close(sh->src[i]);
	if (sh->vm)
		vm_free(sh->vm);
	memset(sh, 0, sizeof(*sh));
}

int sharers_holder(struct sharers *sh)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		if (sh->src[i]->last == DIRECT)
			return i;
	return -1;
}

uint64_t sharers_count(struct sharers *sh)
{
	return guest_count(sh->vm, SHARED_INTID);
}

bool sharers_takes(struct sharers *sh, uint64_t before)
{
	return guest_takes(sh->vm, SHARED_INTID, before);
}
