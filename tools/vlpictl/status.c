// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl status: one screen for an operator.
 *
 * First the verdict: "ok: ...", or one "attention: ..." a problem, each with what to do. Then the
 * numbers, then one line per VM. Raw and pairs print the lines of the VMs only; JSON has it all.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "array_size.h"
#include "ask.h"
#include "command.h"
#include "complain.h"
#include "text.h"

enum {
	COL_VM, COL_PID, COL_NAME, COL_COMM, COL_SLOTS, COL_HELD, COL_WAITERS, COL_SIGNALS,
	COL_INJECTIONS, COL_CLIENTS, COL_UNMAPPABLE, COL_REASSIGN, NR_COLUMNS
};

/* The man page fixes names and meanings. */
static const struct column columns[] = {
	[COL_VM] = { "VM", COL_NUMBER, false, "the broker's id of the VM, never used again" },
	[COL_PID] = { "PID", COL_NUMBER, false, "process id of the VMM" },
	[COL_NAME] = { "NAME", COL_TEXT, false, "KVM's debugfs name of the VM" },
	[COL_COMM] = { "COMM", COL_TEXT, false, "command name of the VMM" },
	[COL_SLOTS] = { "SLOTS", COL_NUMBER, false, "vLPIs that have at least one client" },
	[COL_HELD] = { "HELD", COL_NUMBER, false, "of these, the ones that are injected directly" },
	[COL_WAITERS] = { "WAITERS", COL_NUMBER, false, "clients that wait for a slot" },
	[COL_SIGNALS] = { "SIGNALS", COL_NUMBER, false, "eventfd signals that the broker served" },
	[COL_INJECTIONS] = { "INJECTIONS", COL_NUMBER, false, "MSIs injected for them" },
	[COL_CLIENTS] = { "CLIENTS", COL_NUMBER, true, "irqfds, whatever their state" },
	[COL_UNMAPPABLE] = { "UNMAPPABLE", COL_NUMBER, true,
			     "clients that KVM or the hardware turned down" },
	[COL_REASSIGN] = { "REASSIGN", COL_NUMBER, true,
			   "clients that could not be taken over at load" },
};

_Static_assert(ARRAY_SIZE(columns) <= MAX_COLUMNS, "raise MAX_COLUMNS");

/* One line of the table: what the clients of one VM add up to, by column. */
struct vm {
	const struct vlpi_broker_client *first;
	uint64_t sum[NR_COLUMNS];
};

/* What needs attention, the worst first. The man page fixes the codes, not the sentences. */
enum {
	ATT_DOUBLE_MAP,
	ATT_DEAD_STRAYS,
	ATT_MISMATCH,
	ATT_NO_HOLDER,
	ATT_REASSIGN,
	ATT_SHUT_OUT,
	ATT_UNMAPPABLE,
	NR_ATT
};

static const struct {
	const char *code;
	const char *what;
	const char *remedy;
} attention[NR_ATT] = {
	[ATT_DOUBLE_MAP] = { "double-map",
		"vLPIs with more than one host IRQ forwarded to them",
		"stop these VMs, then report it with the output of: vlpictl dump" },
	[ATT_DEAD_STRAYS] = { "dead-strays",
		"host IRQs still forwarded to a VM that is gone",
		"reboot the host, nothing else can unmap them safely" },
	[ATT_MISMATCH] = { "mismatch",
		"clients whose state the irqchip contradicts",
		"run vlpictl again; if it stays, report it with the output of: vlpictl dump" },
	[ATT_NO_HOLDER] = { "no-holder",
		"vLPIs with waiters and no holder",
		"run vlpictl again; if it stays, report it with the output of: vlpictl dump" },
	[ATT_REASSIGN] = { "reassign",
		"clients that could not be taken over at load, and work in software",
		"deassign and assign their irqfds anew (re-plug the devices), or restart their VMs "
		"(NOTE in: vlpictl dump)" },
	[ATT_SHUT_OUT] = { "shut-out",
		"clients whose eventfd another VM still has, and that work in software",
		"nothing, if it lets go of them soon: then they are connected by themselves; else end "
		"that VM" },
	[ATT_UNMAPPABLE] = { "unmappable",
		"clients that KVM or the hardware turned down",
		"see ERROR in: vlpictl dump" },
};

/* @count: of each problem; where all are 0, all is well. */
static struct report {
	struct vlpi_broker_info info;
	struct snapshot snap;
	struct vm *vms;
	size_t nr_vms;
	uint64_t count[NR_ATT];
} report;

static bool cell(const void *row, size_t column, char *out, size_t len)
{
	const struct vm *vm = row;
	const struct vlpi_broker_client *first = vm->first;

	switch (column) {
	case COL_VM:
		return text_number(out, len, first->vm_id);
	case COL_PID:
		snprintf(out, len, "%" PRId32, first->vm_pid);
		return true;
	case COL_NAME:
		return text_escape(out, first->vm_name, sizeof(first->vm_name));
	case COL_COMM:
		return text_escape(out, first->vm_comm, sizeof(first->vm_comm));
	}
	return text_number(out, len, vm->sum[column]);
}

/* The @nr clients of one (VM, vINTID); without a vINTID there is no slot to judge. */
static void add_slot(uint64_t sum[NR_COLUMNS], uint64_t count[NR_ATT],
		     const struct vlpi_broker_client *c, size_t nr)
{
	uint64_t held = 0, waiters = 0, forwarded = 0;

	for (size_t i = 0; i < nr; i++, c++) {
		held += c->state == VLPI_BROKER_HOLDER;
		waiters += c->state == VLPI_BROKER_WAITER;
		forwarded += !!(c->flags & VLPI_BROKER_CLIENT_FORWARDED);
		sum[COL_UNMAPPABLE] += c->state == VLPI_BROKER_UNMAPPABLE;
		sum[COL_REASSIGN] += !!(c->flags & VLPI_BROKER_CLIENT_REASSIGN);
		sum[COL_SIGNALS] += c->signals;
		sum[COL_INJECTIONS] += c->injections;
		count[ATT_SHUT_OUT] += !!(c->flags & VLPI_BROKER_CLIENT_SHUT_OUT);
		count[ATT_UNMAPPABLE] += c->state == VLPI_BROKER_UNMAPPABLE;
		count[ATT_MISMATCH] += client_mismatch(c);
	}
	sum[COL_CLIENTS] += nr;
	sum[COL_HELD] += held;
	sum[COL_WAITERS] += waiters;
	if (!c[-1].vintid)
		return;
	sum[COL_SLOTS]++;
	count[ATT_DOUBLE_MAP] += forwarded > 1;
	count[ATT_NO_HOLDER] += waiters && !held;
}

static int add_up(struct report *r)
{
	const struct vlpi_broker_client *c = r->snap.clients;
	size_t i, begin;

	r->count[ATT_DEAD_STRAYS] = r->info.nr_dead_strays;
	r->count[ATT_REASSIGN] = r->info.nr_reassign;
	r->vms = calloc(r->snap.nr + 1, sizeof(*r->vms));
	if (!r->vms) {
		complain("no memory for a table of %zu lines; free some and try again", r->snap.nr);
		return -1;
	}
	for (begin = 0; begin < r->snap.nr; begin = i) {
		if (!r->nr_vms || r->vms[r->nr_vms - 1].first->vm_id != c[begin].vm_id)
			r->vms[r->nr_vms++].first = &c[begin];
		for (i = begin + 1; i < r->snap.nr; i++)
			if (c[i].vm_id != c[begin].vm_id || c[i].vintid != c[begin].vintid)
				break;
		add_slot(r->vms[r->nr_vms - 1].sum, r->count, &c[begin], i - begin);
	}
	return 0;
}

static bool all_well(const struct report *r)
{
	for (int i = 0; i < NR_ATT; i++)
		if (r->count[i])
			return false;
	return true;
}

/* With a blank for each '_' on the screen. */
static const struct {
	const char *name;
	size_t offset;
} totals[] = {
#define TOTAL(field)	{ #field, offsetof(struct vlpi_broker_info, field) }
	TOTAL(connects), TOTAL(grants), TOTAL(promotions), TOTAL(revokes),
	TOTAL(grant_failures), TOTAL(gate_refusals), TOTAL(unmaps_behind), TOTAL(forced_unmaps),
	TOTAL(repairs), TOTAL(signals), TOTAL(injections),
#undef TOTAL
};

static uint64_t total(const struct vlpi_broker_info *info, size_t i)
{
	uint64_t value;

	memcpy(&value, (const char *)info + totals[i].offset, sizeof(value));
	return value;
}

static void print_totals(const struct vlpi_broker_info *info)
{
	for (size_t i = 0; i < ARRAY_SIZE(totals); i++) {
		fputs(!i ? "since load: " : i % 4 ? ", " : "\n            ", stdout);
		for (const char *p = totals[i].name; *p; p++)
			putchar(*p == '_' ? ' ' : *p);
		printf(" %" PRIu64, total(info, i));
	}
	putchar('\n');
}

static void preface(enum output_mode mode)
{
	const struct report *r = &report;
	const struct vlpi_broker_info *info = &r->info;
	char version[TEXT_SIZE(sizeof(info->version))];

	if (mode != OUT_TABLE)
		return;
	if (all_well(r)) {
		if (!info->nr_clients)
			puts("ok: loaded, no client yet");
		else
			printf("ok: %" PRIu32 " of %" PRIu32 " vLPIs injected directly, %" PRIu32
			       " waiters served in software\n",
			       info->nr_held, info->nr_slots, info->nr_waiters);
	}
	for (int i = 0; i < NR_ATT; i++)
		if (r->count[i])
			printf("attention: %s: %" PRIu64 "; %s\n", attention[i].what, r->count[i],
			       attention[i].remedy);

	text_escape(version, info->version, sizeof(info->version));
	printf("\nmodule:     vlpi_broker %s, ABI %" PRIu32 "\n", version, info->abi_version);
	printf("now:        VMs %" PRIu32 ", vLPIs %" PRIu32 " (held directly %" PRIu32
	       "), clients %" PRIu32 " (waiters %" PRIu32 "),\n"
	       "            to reassign %" PRIu32 ", strays of dead VMs %" PRIu32 "\n",
	       info->nr_vms, info->nr_slots, info->nr_held, info->nr_clients, info->nr_waiters,
	       info->nr_reassign, info->nr_dead_strays);
	print_totals(info);
	if (r->nr_vms)
		putchar('\n');
}

static void json_attention(struct json *j, const uint64_t count[NR_ATT])
{
	json_open(j, "attention", '[');
	for (int i = 0; i < NR_ATT; i++) {
		if (!count[i])
			continue;
		json_open(j, NULL, '{');
		json_string(j, "code", attention[i].code);
		json_number(j, "count", count[i]);
		json_string(j, "what", attention[i].what);
		json_string(j, "remedy", attention[i].remedy);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void members(struct json *j)
{
	const struct report *r = &report;
	const struct vlpi_broker_info *info = &r->info;
	char version[TEXT_SIZE(sizeof(info->version))];

	json_string(j, "verdict", all_well(r) ? "ok" : "attention");
	json_attention(j, r->count);

	text_escape(version, info->version, sizeof(info->version));
	json_open(j, "module", '{');
	json_string(j, "version", version);
	json_number(j, "abi", info->abi_version);
	json_close(j, '}');

	json_open(j, "now", '{');
	json_number(j, "vms", info->nr_vms);
	json_number(j, "slots", info->nr_slots);
	json_number(j, "held", info->nr_held);
	json_number(j, "clients", info->nr_clients);
	json_number(j, "waiters", info->nr_waiters);
	json_number(j, "reassign", info->nr_reassign);
	json_number(j, "dead_strays", info->nr_dead_strays);
	json_close(j, '}');

	json_open(j, "totals", '{');
	for (size_t i = 0; i < ARRAY_SIZE(totals); i++)
		json_number(j, totals[i].name, total(info, i));
	json_close(j, '}');

	json_number(j, "generation", r->snap.generation);
	json_bool(j, "consistent", r->snap.consistent);
}

static int read_report(int fd, const struct vlpi_broker_info *info, struct rows *rows)
{
	report.info = *info;
	if (ask_clients(fd, &report.snap) || add_up(&report))
		return -1;
	*rows = (struct rows){ report.vms, report.nr_vms, sizeof(*report.vms) };
	return 0;
}

const struct command status_command = {
	.name = "status",
	.summary = "is all well, what is held, the VMs (default)",
	.help = "Usage: vlpictl [status] [options]\n\n"
		"Is all well, what does the broker hold, and one line per VM.\n\n",
	.table = { "vms", columns, ARRAY_SIZE(columns), cell },
	.short_options = OUTPUT_SHORT,
	.options = (const struct option[]) {
		OUTPUT_LONG,
		{ NULL, 0, NULL, 0 }
	},
	.read = read_report,
	.preface = preface,
	.members = members,
};
