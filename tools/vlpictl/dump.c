// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl dump: one line per client.
 *
 * Sorted so that the lines of one vLPI stand together, the holder first and then the waiters in the
 * order in which they would be promoted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "array_size.h"
#include "ask.h"
#include "complain.h"
#include "json.h"
#include "table.h"
#include "text.h"
#include "vlpictl.h"

enum {
	COL_VM, COL_PID, COL_COMM, COL_VINTID, COL_STATE, COL_POS, COL_HOST_IRQ, COL_FWD,
	COL_GSI, COL_DEVID, COL_EVENTID, COL_SIGNALS, COL_INJECTIONS, COL_ERROR, COL_NOTE,
	COL_ID, COL_FALLBACK, COL_NAME,
};

/* The man page fixes names and meanings. */
static const struct column columns[] = {
	[COL_VM] = { "VM", COL_NUMBER, false, "the broker's id of the VM, never used again" },
	[COL_PID] = { "PID", COL_NUMBER, false, "process id of the VMM" },
	[COL_COMM] = { "COMM", COL_TEXT, false, "command name of the VMM" },
	[COL_VINTID] = { "VINTID", COL_NUMBER, false, "INTID of the vLPI in the guest" },
	[COL_STATE] = { "STATE", COL_TEXT, false,
		"holder, waiter, idle, unmappable, unresolved or not-msi" },
	[COL_POS] = { "POS", COL_NUMBER, false,
		      "0 the holder, 1 the next to be promoted, and so on" },
	[COL_HOST_IRQ] = { "HOST-IRQ", COL_NUMBER, false, "Linux IRQ number of the producer" },
	[COL_FWD] = { "FWD", COL_BOOL, false,
		      "does the irqchip say that the host IRQ is forwarded" },
	[COL_GSI] = { "GSI", COL_NUMBER, false, "KVM's GSI of the irqfd" },
	[COL_DEVID] = { "DEVID", COL_NUMBER, false, "DeviceID in the guest's ITS" },
	[COL_EVENTID] = { "EVENTID", COL_NUMBER, false, "EventID in the guest's ITS" },
	[COL_SIGNALS] = { "SIGNALS", COL_NUMBER, false, "eventfd signals that the broker served" },
	[COL_INJECTIONS] = { "INJECTIONS", COL_NUMBER, false, "MSIs injected for them" },
	[COL_ERROR] = { "ERROR", COL_TEXT, false, "why it is unmappable or unresolved" },
	[COL_NOTE] = { "NOTE", COL_TEXT, false, "reassign, not-forwarded, still-forwarded" },
	[COL_ID] = { "ID", COL_NUMBER, true, "the broker's id of the client, never used again" },
	[COL_FALLBACK] = { "FALLBACK", COL_TEXT, true, "who injects while it waits: thread or inline" },
	[COL_NAME] = { "NAME", COL_TEXT, true, "KVM's debugfs name of the VM" },
};

static bool put_note(char *out, size_t len, const struct vlpi_broker_client *c)
{
	const char *reassign = c->flags & VLPI_BROKER_CLIENT_REASSIGN ? "reassign" : "";
	const char *odd = "";

	if (client_mismatch(c))
		odd = c->state == VLPI_BROKER_HOLDER ? "not-forwarded" : "still-forwarded";

	snprintf(out, len, "%s%s%s", reassign, *reassign && *odd ? "," : "", odd);
	return *out;
}

static bool cell(const void *row, size_t column, char *out, size_t len)
{
	const struct vlpi_broker_client *c = row;

	switch (column) {
	case COL_VM:
		return text_number(out, len, c->vm_id);
	case COL_PID:
		snprintf(out, len, "%" PRId32, c->vm_pid);
		return true;
	case COL_COMM:
		text_escape(out, c->vm_comm, sizeof(c->vm_comm));
		return *out;
	case COL_VINTID:
		return c->vintid && text_number(out, len, c->vintid);
	case COL_STATE:
		text_state(out, len, c->state);
		return true;
	case COL_POS:
		return (c->state == VLPI_BROKER_HOLDER || c->state == VLPI_BROKER_WAITER) &&
		       text_number(out, len, c->position);
	case COL_HOST_IRQ:
		return c->host_irq && text_number(out, len, c->host_irq);
	case COL_FWD:
		snprintf(out, len, "%s", c->flags & VLPI_BROKER_CLIENT_FORWARDED ? "yes" : "no");
		return true;
	case COL_GSI:
		return text_number(out, len, c->gsi);
	case COL_DEVID:
		return c->state != VLPI_BROKER_NOT_MSI && text_number(out, len, c->devid);
	case COL_EVENTID:
		return c->state != VLPI_BROKER_NOT_MSI && text_number(out, len, c->eventid);
	case COL_SIGNALS:
		return text_number(out, len, c->signals);
	case COL_INJECTIONS:
		return text_number(out, len, c->injections);
	case COL_ERROR:
		if (!c->error)
			return false;
		text_error(out, len, c->error);
		return true;
	case COL_NOTE:
		return put_note(out, len, c);
	case COL_ID:
		return text_number(out, len, c->id);
	case COL_FALLBACK:
		snprintf(out, len, "%s",
			 c->flags & VLPI_BROKER_CLIENT_INLINE ? "inline" : "thread");
		return true;
	case COL_NAME:
		text_escape(out, c->vm_name, sizeof(c->vm_name));
		return *out;
	}
	return false;
}

_Static_assert(ARRAY_SIZE(columns) <= MAX_COLUMNS, "raise MAX_COLUMNS");
_Static_assert(TEXT_SIZE(sizeof(((struct vlpi_broker_client *)0)->vm_name)) <= CELL_SIZE,
	       "raise CELL_SIZE");

static const struct table table = {
	.name = "clients",
	.columns = columns,
	.nr_columns = ARRAY_SIZE(columns),
	.cell = cell,
};

void help_dump(FILE *f)
{
	fputs("Usage: vlpictl dump [options]\n\n"
	      "One line per client of the broker, that is, per irqfd and its host IRQ.\n\n"
	      "     --vm ID           only clients of the VM with this id\n"
	      "     --vintid N        only clients of this vLPI\n", f);
	output_help(f, &table);
}

/* A decimal number, or a hexadecimal one behind 0x; strtoull() would take "-1" and " 1" too. */
static int parse_number(const char *option, const char *arg, uint64_t max, uint64_t *value)
{
	bool hex = arg[0] == '0' && (arg[1] == 'x' || arg[1] == 'X');
	const char *digits = hex ? arg + 2 : arg;

	if (*digits &&
	    strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") == strlen(digits)) {
		errno = 0;
		*value = strtoull(digits, NULL, hex ? 16 : 10);
		if (!errno && *value <= max)
			return 0;
	}
	complain("%s takes a number up to %" PRIu64 ", not \"%s\"", option, max, arg);
	return -1;
}

struct filter {
	bool by_vm, by_vintid;
	uint64_t vm, vintid;
};

static size_t keep_matching(struct snapshot *snap, const struct filter *filter)
{
	size_t nr = 0;

	for (size_t i = 0; i < snap->nr; i++) {
		const struct vlpi_broker_client *c = &snap->clients[i];

		if (filter->by_vm && c->vm_id != filter->vm)
			continue;
		if (filter->by_vintid && c->vintid != filter->vintid)
			continue;
		snap->clients[nr++] = *c;
	}
	snap->nr = nr;
	return nr;
}

static int print(const struct output *out, const struct snapshot *snap)
{
	const struct rows rows = { snap->clients, snap->nr, sizeof(*snap->clients) };

	if (out->mode == OUT_JSON) {
		struct json j = { .to = stdout };

		json_open(&j, NULL, '{');
		json_number(&j, "format", JSON_FORMAT);
		json_string(&j, "command", "dump");
		json_number(&j, "generation", snap->generation);
		json_bool(&j, "consistent", snap->consistent);
		table_json(&table, out, &rows, &j);
		json_close(&j, '}');
		return 0;
	}
	return table_print(&table, out, &rows);
}

int cmd_dump(int argc, char *argv[])
{
	enum { OPT_VM = 256, OPT_VINTID };
	static const struct option options[] = {
		OUTPUT_LONG,
		{ "vm", required_argument, NULL, OPT_VM },
		{ "vintid", required_argument, NULL, OPT_VINTID },
		{ NULL, 0, NULL, 0 }
	};
	struct vlpi_broker_info info;
	struct output out = { .mode = OUT_TABLE };
	struct filter filter = { .by_vm = false };
	struct snapshot snap;
	int opt, fd, ret;

	while ((opt = getopt_long(argc, argv, OUTPUT_SHORT, options, NULL)) != -1) {
		switch (opt) {
		case OPT_VM:
			if (parse_number("--vm", optarg, UINT64_MAX, &filter.vm))
				return EXIT_USAGE;
			filter.by_vm = true;
			break;
		case OPT_VINTID:
			if (parse_number("--vintid", optarg, UINT32_MAX, &filter.vintid))
				return EXIT_USAGE;
			filter.by_vintid = true;
			break;
		default:
			ret = output_option(&out, opt, help_dump);
			if (ret >= 0)
				return ret;
		}
	}
	if (optind < argc) {
		complain("dump takes no argument \"%s\"; see: vlpictl help dump", argv[optind]);
		return EXIT_USAGE;
	}
	if (output_columns(&out, &table))
		return EXIT_USAGE;

	fd = ask_open();
	if (fd < 0)
		return EXIT_FAILED;
	/* INFO first: it says whether the rest is in an ABI that we understand. */
	ret = ask_info(fd, &info);
	if (!ret)
		ret = ask_clients(fd, &snap);
	ask_close(fd);
	if (ret)
		return EXIT_FAILED;

	if (!keep_matching(&snap, &filter) && out.mode == OUT_TABLE)
		complain(filter.by_vm || filter.by_vintid ?
			 "no client matches" : "no client: no irqfd has come to the broker");
	ret = print(&out, &snap);
	free(snap.clients);
	return ret ? EXIT_FAILED : EXIT_OK;
}
