// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl status: one screen for an operator.
 *
 * First the verdict: "ok: ...", or one "attention: ..." a problem, each with what to do. Then the
 * numbers, then one line per VM. Raw and pairs print the lines of the VMs only; JSON has it all.
 */
#include <inttypes.h>
#include <string.h>

#include "array_size.h"
#include "command.h"
#include "text.h"
#include "verdict.h"

enum {
	COL_VM, COL_PID, COL_NAME, COL_COMM, COL_SLOTS, COL_HELD, COL_WAITERS, COL_SIGNALS,
	COL_INJECTIONS, COL_CLIENTS, COL_UNMAPPABLE, COL_REASSIGN,
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

/* What the columns from SLOTS on add up. */
static const enum vm_sum sums[] = {
	[COL_SLOTS] = SUM_SLOTS,
	[COL_HELD] = SUM_HELD,
	[COL_WAITERS] = SUM_WAITERS,
	[COL_SIGNALS] = SUM_SIGNALS,
	[COL_INJECTIONS] = SUM_INJECTIONS,
	[COL_CLIENTS] = SUM_CLIENTS,
	[COL_UNMAPPABLE] = SUM_UNMAPPABLE,
	[COL_REASSIGN] = SUM_REASSIGN,
};

static struct verdict verdict;

static bool cell(const void *row, size_t column, char *out, size_t len)
{
	const struct vm_sums *vm = row;
	const struct vlpi_broker_client *first = &vm->first;

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
	return text_number(out, len, vm->sum[sums[column]]);
}

/* With a blank for each '_' on the screen. */
static void print_totals(const struct vlpi_broker_info *info)
{
	for (size_t i = 0; i < NR_TOTALS; i++) {
		fputs(!i ? "since load: " : i % 4 ? ", " : "\n            ", stdout);
		for (const char *p = total_name(i); *p; p++)
			putchar(*p == '_' ? ' ' : *p);
		printf(" %" PRIu64, total(info, i));
	}
	putchar('\n');
}

static void preface(enum output_mode mode)
{
	const struct verdict *v = &verdict;
	const struct vlpi_broker_info *info = &v->info;
	char version[TEXT_SIZE(sizeof(info->version))], summary[VERDICT_SUMMARY_SIZE];

	if (mode != OUT_TABLE)
		return;
	if (verdict_is_well(v)) {
		verdict_summary(v, summary, sizeof(summary));
		printf("ok: %s\n", summary);
	}
	for (int i = 0; i < NR_ATT; i++)
		if (v->count[i])
			printf("attention: %s: %" PRIu64 "; %s\n", attention[i].what, v->count[i],
			       attention[i].remedy);

	text_escape(version, info->version, sizeof(info->version));
	printf("\nmodule:     vlpi_broker %s, ABI %" PRIu32 "\n", version, info->abi_version);
	printf("now:        VMs %" PRIu32 ", vLPIs %" PRIu32 " (held directly %" PRIu32
	       ", foreign %" PRIu32 "),\n"
	       "            clients %" PRIu32 " (waiters %" PRIu32 "), to reassign %" PRIu32
	       ", strays of dead VMs %" PRIu32 "\n",
	       info->nr_vms, info->nr_slots, info->nr_held, info->nr_foreign, info->nr_clients,
	       info->nr_waiters, info->nr_reassign, info->nr_dead_strays);
	print_totals(info);
	if (v->nr_vms)
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
	const struct verdict *v = &verdict;
	const struct vlpi_broker_info *info = &v->info;
	char version[TEXT_SIZE(sizeof(info->version))];

	json_string(j, "verdict", verdict_is_well(v) ? "ok" : "attention");
	json_attention(j, v->count);

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
	json_number(j, "foreign", info->nr_foreign);
	json_close(j, '}');

	json_open(j, "totals", '{');
	for (size_t i = 0; i < NR_TOTALS; i++)
		json_number(j, total_name(i), total(info, i));
	json_close(j, '}');

	json_number(j, "generation", v->generation);
	json_bool(j, "consistent", v->consistent);
}

static int read_verdict(int fd, const struct vlpi_broker_info *info, struct rows *rows)
{
	if (verdict_read(fd, info, &verdict))
		return -1;
	*rows = (struct rows){ verdict.vms, verdict.nr_vms, sizeof(*verdict.vms) };
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
	.read = read_verdict,
	.preface = preface,
	.members = members,
};
