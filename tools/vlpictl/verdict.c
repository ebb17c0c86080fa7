// SPDX-License-Identifier: GPL-2.0-only
/* What the module's answer means for an operator. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array_size.h"
#include "complain.h"
#include "verdict.h"

const struct attention attention[NR_ATT] = {
	[ATT_DOUBLE_MAP] = { "double-map",
		"vLPIs with more than one host IRQ forwarded to them",
		"stop these VMs, then report it with the output of: vlpictl dump", true, true },
	[ATT_DEAD_STRAYS] = { "dead-strays",
		"host IRQs still forwarded to a VM that is gone",
		"reboot the host, nothing else can unmap them safely", true, false },
	[ATT_MISMATCH] = { "mismatch",
		"clients whose state the irqchip contradicts",
		"run vlpictl again; if it stays, report it with the output of: vlpictl dump",
		true, true },
	[ATT_NO_HOLDER] = { "no-holder",
		"vLPIs with waiters and no holder",
		"run vlpictl again; if it stays, report it with the output of: vlpictl dump",
		true, true },
	[ATT_REASSIGN] = { "reassign",
		"clients that could not be taken over at load, and work in software",
		"deassign and assign their irqfds anew (re-plug the devices), or restart their VMs "
		"(NOTE in: vlpictl dump)", false, false },
	[ATT_SHUT_OUT] = { "shut-out",
		"clients whose eventfd another VM still has, and that work in software",
		"nothing, if it lets go of them soon: then they are connected by themselves; else end "
		"that VM", false, true },
	[ATT_UNMAPPABLE] = { "unmappable",
		"clients that KVM or the hardware turned down",
		"see ERROR in: vlpictl dump", false, false },
};

/* The @nr clients of one (VM, vINTID); without a vINTID there is no slot to judge. */
static void add_slot(uint64_t sum[NR_SUMS], uint64_t count[NR_ATT],
		     const struct vlpi_broker_client *c, size_t nr)
{
	uint64_t held = 0, waiters = 0, forwarded = 0;
	bool foreign = c->flags & VLPI_BROKER_CLIENT_FOREIGN;

	for (size_t i = 0; i < nr; i++, c++) {
		held += c->state == VLPI_BROKER_HOLDER;
		waiters += c->state == VLPI_BROKER_WAITER;
		forwarded += !!(c->flags & VLPI_BROKER_CLIENT_FORWARDED);
		sum[SUM_UNMAPPABLE] += c->state == VLPI_BROKER_UNMAPPABLE;
		sum[SUM_REASSIGN] += !!(c->flags & VLPI_BROKER_CLIENT_REASSIGN);
		sum[SUM_SIGNALS] += c->signals;
		sum[SUM_INJECTIONS] += c->injections;
		count[ATT_SHUT_OUT] += !!(c->flags & VLPI_BROKER_CLIENT_SHUT_OUT);
		count[ATT_UNMAPPABLE] += c->state == VLPI_BROKER_UNMAPPABLE;
		count[ATT_MISMATCH] += client_mismatch(c);
	}
	sum[SUM_CLIENTS] += nr;
	sum[SUM_HELD] += held;
	sum[SUM_WAITERS] += waiters;
	if (!c[-1].vintid)
		return;
	sum[SUM_SLOTS]++;
	count[ATT_DOUBLE_MAP] += forwarded + foreign > 1;
	count[ATT_NO_HOLDER] += waiters && !held && !foreign;
}

/* The sums of the VM that @client is of, which may be the one that came last. */
static struct vm_sums *sums_of(struct verdict *v, const struct vlpi_broker_client *client)
{
	struct vm_sums *vm;

	if (v->nr_vms && v->vms[v->nr_vms - 1].first.vm_id == client->vm_id)
		return &v->vms[v->nr_vms - 1];
	if (v->nr_vms == v->room) {
		size_t room = 2 * v->room + 64;

		vm = realloc(v->vms, room * sizeof(*vm));
		if (!vm) {
			complain("no memory for a table of %zu VMs; free some and try again", room);
			return NULL;
		}
		v->vms = vm;
		v->room = room;
	}
	vm = &v->vms[v->nr_vms++];
	memset(vm, 0, sizeof(*vm));
	vm->first = *client;
	return vm;
}

/* Those of a piece. */
static int add_up(void *to, const struct vlpi_broker_client *c, size_t nr)
{
	struct verdict *v = to;
	size_t i, begin;

	for (begin = 0; begin < nr; begin = i) {
		struct vm_sums *vm = sums_of(v, &c[begin]);

		if (!vm)
			return -1;
		for (i = begin + 1; i < nr; i++)
			if (c[i].vm_id != c[begin].vm_id || c[i].vintid != c[begin].vintid)
				break;
		add_slot(vm->sum, v->count, &c[begin], i - begin);
	}
	return 0;
}

/* Read all clients and judge them. Returns -1 after a complaint; then there is nothing to free. */
int verdict_read(int fd, const struct vlpi_broker_info *info, struct verdict *v)
{
	struct clients all;
	int ret;

	memset(v, 0, sizeof(*v));
	v->info = *info;
	v->count[ATT_DEAD_STRAYS] = info->nr_dead_strays;
	v->count[ATT_REASSIGN] = info->nr_reassign;
	ret = ask_all_clients(fd, &all, add_up, v);
	v->generation = all.generation;
	v->consistent = all.consistent;
	if (ret)
		verdict_free(v);
	return ret;
}

void verdict_free(struct verdict *v)
{
	free(v->vms);
}

bool verdict_is_well(const struct verdict *v)
{
	for (int i = 0; i < NR_ATT; i++)
		if (v->count[i])
			return false;
	return true;
}

void verdict_summary(const struct verdict *v, char *out, size_t len)
{
	const struct vlpi_broker_info *info = &v->info;

	if (!info->nr_clients)
		snprintf(out, len, "loaded, no client yet");
	else if (info->nr_foreign)
		snprintf(out, len, "%" PRIu32 " of %" PRIu32 " vLPIs injected directly, %" PRIu32
			 " foreign, %" PRIu32 " waiters served in software", info->nr_held,
			 info->nr_slots, info->nr_foreign, info->nr_waiters);
	else
		snprintf(out, len, "%" PRIu32 " of %" PRIu32 " vLPIs injected directly, %" PRIu32
			 " waiters served in software", info->nr_held, info->nr_slots,
			 info->nr_waiters);
}

static const struct {
	const char *name;
	size_t offset;
	const char *help;
} totals[] = {
#define TOTAL(field, help)	{ #field, offsetof(struct vlpi_broker_info, field), help }
	TOTAL(connects, "Times a producer was connected to an irqfd"),
	TOTAL(grants, "Times a host IRQ was mapped to its vLPI, promotions included"),
	TOTAL(promotions, "Times a waiter was granted a slot that a holder had left"),
	TOTAL(revokes, "Times the broker took the mapping of a holder back"),
	TOTAL(grant_failures, "Times KVM or the irqchip turned down a grant"),
	TOTAL(gate_refusals, "Times the broker refused a mapping that KVM asked for"),
	TOTAL(unmaps_behind, "Mappings that KVM removed, not the broker"),
	TOTAL(forced_unmaps, "Host IRQs that KVM left forwarded and that the broker unmapped"),
	TOTAL(repairs, "Marks of mappings that were gone, cleared in KVM's own books"),
	TOTAL(signals, "Eventfd signals that the broker served in KVM's place"),
	TOTAL(injections, "Interrupts that the fallback raised for signals"),
#undef TOTAL
};

_Static_assert(ARRAY_SIZE(totals) == NR_TOTALS, "NR_TOTALS is wrong");

const char *total_name(size_t i)
{
	return totals[i].name;
}

const char *total_help(size_t i)
{
	return totals[i].help;
}

uint64_t total(const struct vlpi_broker_info *info, size_t i)
{
	uint64_t value;

	memcpy(&value, (const char *)info + totals[i].offset, sizeof(value));
	return value;
}
