// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl dump: one line per client.
 *
 * Sorted so that the lines of one vLPI stand together, the holder first and then the waiters in the
 * order in which they would be promoted. On a large host it is printed as it is read.
 */
#include <inttypes.h>

#include "array_size.h"
#include "ask.h"
#include "command.h"
#include "complain.h"
#include "filter.h"
#include "names.h"
#include "text.h"

enum {
	COL_VM, COL_GUEST, COL_PID, COL_COMM, COL_VINTID, COL_STATE, COL_POS, COL_HOST_IRQ,
	COL_DEVICE, COL_FWD, COL_GSI, COL_DEVID, COL_EVENTID, COL_SIGNALS, COL_INJECTIONS,
	COL_ERROR, COL_NOTE, COL_ID, COL_FALLBACK, COL_NAME, COL_DRIVER, COL_HANDLER,
};

/* The man page fixes names and meanings. */
static const struct column columns[] = {
	[COL_VM] = { "VM", COL_NUMBER, false, "the broker's id of the VM, never used again" },
	[COL_GUEST] = { "GUEST", COL_TEXT, false, "the guest's name, as QEMU or libvirt has it" },
	[COL_PID] = { "PID", COL_NUMBER, false, "process id of the VMM", .wide = true },
	[COL_COMM] = { "COMM", COL_TEXT, false, "command name of the VMM", .wide = true },
	[COL_VINTID] = { "VINTID", COL_NUMBER, false, "INTID of the vLPI in the guest" },
	[COL_STATE] = { "STATE", COL_TEXT, false,
		"holder, waiter, idle, unmappable, unresolved or not-msi" },
	[COL_POS] = { "POS", COL_NUMBER, false,
		      "0 the holder, 1 the next to be promoted, and so on" },
	[COL_HOST_IRQ] = { "HOST-IRQ", COL_NUMBER, false, "Linux IRQ number of the producer" },
	[COL_DEVICE] = { "DEVICE", COL_TEXT, false, "PCI address of the device that has it" },
	[COL_FWD] = { "FWD", COL_BOOL, false,
		      "does the irqchip say that the host IRQ is forwarded", .wide = true },
	[COL_GSI] = { "GSI", COL_NUMBER, false, "KVM's GSI of the irqfd", .wide = true },
	[COL_DEVID] = { "DEVID", COL_NUMBER, false, "DeviceID in the guest's ITS", .wide = true },
	[COL_EVENTID] = { "EVENTID", COL_NUMBER, false, "EventID in the guest's ITS",
			  .wide = true },
	[COL_SIGNALS] = { "SIGNALS", COL_NUMBER, false, "eventfd signals that the broker served" },
	[COL_INJECTIONS] = { "INJECTIONS", COL_NUMBER, false, "MSIs injected for them",
			     .wide = true },
	[COL_ERROR] = { "ERROR", COL_TEXT, false, "why it is unmappable or unresolved" },
	[COL_NOTE] = { "NOTE", COL_TEXT, false, "reassign, shut-out, foreign, unsettled, not-forwarded, still-forwarded" },
	[COL_ID] = { "ID", COL_NUMBER, true, "the broker's id of the client, never used again" },
	[COL_FALLBACK] = { "FALLBACK", COL_TEXT, true, "who injects while it waits: inline, or thread (work item)" },
	[COL_NAME] = { "NAME", COL_TEXT, true, "KVM's debugfs name of the VM" },
	[COL_DRIVER] = { "DRIVER", COL_TEXT, true, "driver of that device" },
	[COL_HANDLER] = { "HANDLER", COL_TEXT, true, "what the driver calls the host IRQ's handler" },
};

static bool put_note(char *out, size_t len, const struct vlpi_broker_client *c)
{
	const char *first = "", *foreign = "", *odd = "";

	if (c->flags & VLPI_BROKER_CLIENT_REASSIGN)
		first = "reassign";
	else if (c->flags & VLPI_BROKER_CLIENT_SHUT_OUT)
		first = "shut-out";
	if (c->flags & VLPI_BROKER_CLIENT_FOREIGN)
		foreign = *first ? ",foreign" : "foreign";

	if (c->flags & VLPI_BROKER_CLIENT_UNSETTLED)
		odd = "unsettled";
	else if (client_mismatch(c))
		odd = c->state == VLPI_BROKER_HOLDER ? "not-forwarded" : "still-forwarded";

	snprintf(out, len, "%s%s%s%s", first, foreign, (*first || *foreign) && *odd ? "," : "", odd);
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
		return text_escape(out, c->vm_comm, sizeof(c->vm_comm));
	case COL_VINTID:
		return c->vintid && text_number(out, len, c->vintid);
	case COL_STATE:
		return text_state(out, len, c->state);
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
		return text_error(out, len, c->error);
	case COL_NOTE:
		return put_note(out, len, c);
	case COL_ID:
		return text_number(out, len, c->id);
	case COL_FALLBACK:
		snprintf(out, len, "%s",
			 c->flags & VLPI_BROKER_CLIENT_INLINE ? "inline" : "thread");
		return true;
	case COL_NAME:
		return text_escape(out, c->vm_name, sizeof(c->vm_name));
	case COL_GUEST:
		return name_guest(c->vm_pid, out, len);
	case COL_DEVICE:
		return name_device(c->host_irq, out, len);
	case COL_DRIVER:
		return name_driver(c->host_irq, out, len);
	case COL_HANDLER:
		return name_handler(c->host_irq, out, len);
	}
	return false;
}

_Static_assert(ARRAY_SIZE(columns) <= MAX_COLUMNS, "raise MAX_COLUMNS");
_Static_assert(TEXT_SIZE(sizeof(((struct vlpi_broker_client *)0)->vm_name)) <= CELL_SIZE,
	       "raise CELL_SIZE");

static struct clients all;
/* Those that pass the filters, in all pieces. */
static size_t nr_passed;

/* Those that pass to the front. */
static size_t choose(struct vlpi_broker_client *client, size_t nr)
{
	size_t passed = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct vlpi_broker_client *c = &client[i];

		if (filter_passes(BY_VM, c->vm_id) && filter_passes(BY_PID, c->vm_pid) &&
		    filter_passes(BY_IRQ, c->host_irq) && filter_passes(BY_VINTID, c->vintid))
			client[passed++] = *c;
	}
	return passed;
}

static int read_clients(int fd, const struct vlpi_broker_info *info, struct rows *rows)
{
	size_t nr;
	int more;

	(void)info;
	do {
		more = ask_clients(fd, &all);
		if (more < 0)
			return -1;
		nr = choose(all.client, all.nr);
	} while (more && !nr);
	nr_passed += nr;
	*rows = (struct rows){ all.client, nr, sizeof(*all.client) };
	return more;
}

static void preface(enum output_mode mode)
{
	if (!nr_passed && mode == OUT_TABLE)
		complain(filter_any() ?
			 "no client matches" : "no client: no irqfd has come to the broker");
}

static void members(struct json *j)
{
	json_number(j, "generation", all.generation);
	json_bool(j, "consistent", all.consistent);
}

const struct command dump_command = {
	.name = "dump",
	.summary = "one line per client: its state, its place, the reason",
	.help = "Usage: vlpictl dump [options]\n\n"
		"One line per client of the broker, that is, per irqfd and its host IRQ.\n\n"
		FILTER_HELP,
	.table = { "clients", columns, ARRAY_SIZE(columns), cell },
	.short_options = OUTPUT_SHORT,
	.options = (const struct option[]) {
		OUTPUT_LONG,
		FILTER_LONG,
		{ NULL, 0, NULL, 0 }
	},
	.option = filter_option,
	.read = read_clients,
	.one_list = true,
	.preface = preface,
	.members = members,
};
