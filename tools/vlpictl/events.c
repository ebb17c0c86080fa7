// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl events: the latest changes, one line each, the oldest first.
 *
 * What the module still keeps is printed in one piece; with --follow, what comes after that is
 * printed as it comes, with a heading once. In JSON each piece is an object of its own.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "array_size.h"
#include "ask.h"
#include "command.h"
#include "complain.h"
#include "device.h"
#include "filter.h"
#include "names.h"
#include "text.h"

/* More than the module keeps; on a host that never rests there is no end but this one. */
#define MAX_EVENTS	16384

enum {
	COL_TIME, COL_DATE, COL_SEQ, COL_VM, COL_PID, COL_GUEST, COL_VINTID, COL_HOST_IRQ, COL_DEVICE,
	COL_EVENT, COL_WHY, COL_ERROR, COL_DRIVER, COL_HANDLER,
};

/* The man page fixes names and meanings. With --follow, widths keep the pieces in line. */
static const struct column columns[] = {
	[COL_TIME] = { "TIME", COL_NUMBER, false, "seconds since the host booted, less its sleep",
		       12 },
	[COL_DATE] = { "DATE", COL_TEXT, false, "date and time of it, if the clock was not set since",
		       .wide = true },
	[COL_SEQ] = { "SEQ", COL_NUMBER, false, "number of the event; a jump: some are missing",
		      6 },
	[COL_VM] = { "VM", COL_NUMBER, false, "the broker's id of the VM, never used again", 3 },
	[COL_PID] = { "PID", COL_NUMBER, false, "process id of the VMM, while it has an irqfd",
		      .wide = true },
	[COL_GUEST] = { "GUEST", COL_TEXT, false, "the guest's name, as QEMU or libvirt has it",
			.wide = true },
	[COL_VINTID] = { "VINTID", COL_NUMBER, false, "INTID of the vLPI in the guest", 6 },
	[COL_HOST_IRQ] = { "HOST-IRQ", COL_NUMBER, false, "Linux IRQ number of the producer", 8 },
	[COL_DEVICE] = { "DEVICE", COL_TEXT, false, "PCI address of the device that has it now",
			 .wide = true },
	[COL_EVENT] = { "EVENT", COL_TEXT, false, "what happened, as the tracepoints call it", 12 },
	[COL_WHY] = { "WHY", COL_TEXT, false, "the reason for it", 9 },
	[COL_ERROR] = { "ERROR", COL_TEXT, false, "the error behind it" },
	[COL_DRIVER] = { "DRIVER", COL_TEXT, true, "driver of that device" },
	[COL_HANDLER] = { "HANDLER", COL_TEXT, true, "what the driver calls the host IRQ's handler" },
};

_Static_assert(ARRAY_SIZE(columns) <= MAX_COLUMNS, "raise MAX_COLUMNS");

/* Whose the VMs are, by their ids, as it was when the first events were read. */
static struct vm {
	uint64_t id;
	int32_t pid;
} *vms;

static size_t nr_vms;
static bool vms_known;

static int by_id(const void *a, const void *b)
{
	const struct vm *vma = a, *vmb = b;

	return (vma->id > vmb->id) - (vma->id < vmb->id);
}

static bool find_pid(uint64_t id, int32_t *pid)
{
	const struct vm key = { .id = id };
	const struct vm *found = nr_vms ? bsearch(&key, vms, nr_vms, sizeof(key), by_id) : NULL;

	if (found)
		*pid = found->pid;
	return found;
}

static int add_vms(void *to, const struct vlpi_broker_client *client, size_t nr)
{
	(void)to;
	for (size_t i = 0; i < nr; i++) {
		struct vm *bigger;

		if (nr_vms && vms[nr_vms - 1].id == client[i].vm_id)
			continue;
		bigger = realloc(vms, (nr_vms + 1) * sizeof(*vms));
		if (!bigger) {
			complain("no memory for a table of %zu VMs; free some and try again",
				 nr_vms + 1);
			return -1;
		}
		vms = bigger;
		vms[nr_vms++] = (struct vm){ client[i].vm_id, client[i].vm_pid };
	}
	return 0;
}

/* Once, and not again with each piece: that is work for the host. A later VM has no name. */
static int read_vms(int fd)
{
	struct clients all;
	int ret;

	if (vms_known)
		return 0;
	ret = ask_all_clients(fd, &all, add_vms, NULL);
	if (nr_vms)
		qsort(vms, nr_vms, sizeof(*vms), by_id);
	vms_known = true;
	return ret;
}

static bool put_date(char *out, size_t len, uint64_t time_ns)
{
	uint64_t monotonic, real, ns;
	time_t seconds;
	struct tm tm;

	device_time(&monotonic, &real);
	ns = real - (monotonic - time_ns);
	seconds = ns / 1000000000;
	/* Room for what behind the seconds is no second: milliseconds, and the zone. */
	if (time_ns > monotonic || !localtime_r(&seconds, &tm) ||
	    !strftime(out, len - 16, "%Y-%m-%dT%H:%M:%S", &tm))
		return false;
	out += strlen(out);
	out += sprintf(out, ".%03u", (unsigned int)(ns % 1000000000 / 1000000));
	return strftime(out, 8, "%z", &tm);
}

static bool cell(const void *row, size_t column, char *out, size_t len)
{
	const struct vlpi_broker_event *e = row;
	int32_t pid;

	switch (column) {
	case COL_TIME:
		snprintf(out, len, "%" PRIu64 ".%06u", (uint64_t)e->time_ns / 1000000000,
			 (unsigned int)(e->time_ns % 1000000000 / 1000));
		return true;
	case COL_DATE:
		return put_date(out, len, e->time_ns);
	case COL_PID:
		if (!find_pid(e->vm_id, &pid))
			return false;
		snprintf(out, len, "%" PRId32, pid);
		return true;
	case COL_GUEST:
		return find_pid(e->vm_id, &pid) && name_guest(pid, out, len);
	case COL_DEVICE:
		return name_device(e->host_irq, out, len);
	case COL_DRIVER:
		return name_driver(e->host_irq, out, len);
	case COL_HANDLER:
		return name_handler(e->host_irq, out, len);
	case COL_SEQ:
		return text_number(out, len, e->seq);
	case COL_VM:
		return e->vm_id && text_number(out, len, e->vm_id);
	case COL_VINTID:
		return e->vintid && text_number(out, len, e->vintid);
	case COL_HOST_IRQ:
		return e->host_irq && text_number(out, len, e->host_irq);
	case COL_EVENT:
		return text_event(out, len, e->type);
	case COL_WHY:
		return text_why(out, len, e->why);
	case COL_ERROR:
		return text_error(out, len, e->error);
	}
	return false;
}

/**
 * struct piece - what is printed at once
 * @events: in the order of their numbers; those that pass the filters come first.
 * @nr: how many were read.
 * @nr_passed: how many pass.
 * @last: number of the last one read, in this piece or before; 0 before there was one.
 * @overwritten: numbers that are missing before one of them, and after the first ever read.
 */
static struct piece {
	struct vlpi_broker_event events[MAX_EVENTS];
	size_t nr, nr_passed;
	uint64_t last;
	uint64_t overwritten;
} piece;

static bool follow;

static int option(int opt, const char *arg)
{
	if (opt != 'f')
		return filter_option(opt, arg);
	follow = true;
	return 0;
}

static bool passes(const struct vlpi_broker_event *e)
{
	uint64_t monotonic, real;
	int32_t pid;

	if (filter_by(BY_PID) && (!find_pid(e->vm_id, &pid) || !filter_passes(BY_PID, pid)))
		return false;
	if (filter_by(BY_SINCE)) {
		device_time(&monotonic, &real);
		if (e->time_ns + filter_value(BY_SINCE) < monotonic)
			return false;
	}
	return filter_passes(BY_VM, e->vm_id) && filter_passes(BY_IRQ, e->host_irq) &&
	       filter_passes(BY_VINTID, e->vintid);
}

/* Read what there is now. */
static int take(int fd)
{
	int n;

	piece.nr = piece.nr_passed = 0;
	piece.overwritten = 0;
	while (piece.nr + EVENTS_AT_ONCE <= MAX_EVENTS) {
		struct vlpi_broker_event *got = piece.events + piece.nr;

		n = ask_events(fd, got, piece.last);
		if (n <= 0)
			return n;
		for (int i = 0; i < n; i++) {
			if (piece.last)
				piece.overwritten += got[i].seq - piece.last - 1;
			piece.last = got[i].seq;
		}
		piece.nr += n;
	}
	return 0;
}

/* Those that pass to the front. */
static void choose(void)
{
	for (size_t i = 0; i < piece.nr; i++)
		if (passes(&piece.events[i]))
			piece.events[piece.nr_passed++] = piece.events[i];
}

static int read_piece(int fd, const struct vlpi_broker_info *info, struct rows *rows)
{
	int ret;

	(void)info;
	if (read_vms(fd))
		return -1;
	ret = take(fd);
	choose();
	while (!ret && follow && !piece.nr_passed) {
		ret = ask_wait(fd);
		if (!ret)
			ret = take(fd);
		choose();
	}
	*rows = (struct rows){ piece.events, piece.nr_passed, sizeof(*piece.events) };
	return ret ? ret : follow;
}

static void preface(enum output_mode mode)
{
	if (piece.overwritten)
		complain("%" PRIu64 " events were overwritten before they were read: "
			 "see the jump in SEQ", piece.overwritten);
	if (!piece.nr_passed && mode == OUT_TABLE)
		complain(piece.nr ? "no event matches" :
			 "no event: nothing has changed since the module was loaded");
}

static void members(struct json *j)
{
	json_number(j, "overwritten", piece.overwritten);
}

const struct command events_command = {
	.name = "events",
	.summary = "the latest changes, one line each; --follow waits for more",
	.help = "Usage: vlpictl events [options]\n\n"
		"The latest changes that the module keeps, the oldest first.\n\n"
		" -f, --follow          then wait for more, and print them as they come\n"
		FILTER_HELP
		"     --since TIME      only of the last 90s, 5m, 2h, 1d\n",
	.table = { "events", columns, ARRAY_SIZE(columns), cell },
	.short_options = OUTPUT_SHORT "f",
	.options = (const struct option[]) {
		OUTPUT_LONG,
		{ "follow", no_argument, NULL, 'f' },
		FILTER_LONG,
		FILTER_SINCE,
		{ NULL, 0, NULL, 0 }
	},
	.option = option,
	.read = read_piece,
	.preface = preface,
	.members = members,
};
