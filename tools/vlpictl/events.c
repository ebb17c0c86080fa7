// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl events: the latest changes, one line each, the oldest first.
 *
 * What the module still keeps is printed in one piece; with --follow, what comes after that is
 * printed as it comes, with a heading once. In JSON each piece is an object of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "array_size.h"
#include "ask.h"
#include "command.h"
#include "complain.h"
#include "text.h"

/* More than the module keeps; on a host that never rests there is no end but this one. */
#define MAX_EVENTS	16384

enum { COL_TIME, COL_SEQ, COL_VM, COL_VINTID, COL_HOST_IRQ, COL_EVENT, COL_WHY, COL_ERROR };

/* The man page fixes names and meanings. With --follow, widths keep the pieces in line. */
static const struct column columns[] = {
	[COL_TIME] = { "TIME", COL_NUMBER, false, "seconds since the host booted, less its sleep",
		       12 },
	[COL_SEQ] = { "SEQ", COL_NUMBER, false, "number of the event; a jump: some are missing",
		      6 },
	[COL_VM] = { "VM", COL_NUMBER, false, "the broker's id of the VM, never used again", 3 },
	[COL_VINTID] = { "VINTID", COL_NUMBER, false, "INTID of the vLPI in the guest", 6 },
	[COL_HOST_IRQ] = { "HOST-IRQ", COL_NUMBER, false, "Linux IRQ number of the producer", 8 },
	[COL_EVENT] = { "EVENT", COL_TEXT, false, "what happened, as the tracepoints call it", 12 },
	[COL_WHY] = { "WHY", COL_TEXT, false, "the reason for it", 9 },
	[COL_ERROR] = { "ERROR", COL_TEXT, false, "the error behind it" },
};

_Static_assert(ARRAY_SIZE(columns) <= MAX_COLUMNS, "raise MAX_COLUMNS");

static bool cell(const void *row, size_t column, char *out, size_t len)
{
	const struct vlpi_broker_event *e = row;

	switch (column) {
	case COL_TIME:
		snprintf(out, len, "%" PRIu64 ".%06u", (uint64_t)e->time_ns / 1000000000,
			 (unsigned int)(e->time_ns % 1000000000 / 1000));
		return true;
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
 * @events: in the order of their numbers.
 * @nr: how many.
 * @last: number of the last one read, in this piece or before; 0 before there was one.
 * @overwritten: numbers that are missing before one of them, and after the first ever read.
 */
static struct piece {
	struct vlpi_broker_event events[MAX_EVENTS];
	size_t nr;
	uint64_t last;
	uint64_t overwritten;
} piece;

static bool follow;

static int option(int opt, const char *arg)
{
	(void)opt;
	(void)arg;
	follow = true;
	return 0;
}

/* Read what there is now. */
static int take(int fd)
{
	int n;

	piece.nr = 0;
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

static int read_piece(int fd, const struct vlpi_broker_info *info, struct rows *rows)
{
	int ret = take(fd);

	(void)info;
	while (!ret && follow && !piece.nr) {
		ret = ask_wait(fd);
		if (!ret)
			ret = take(fd);
	}
	*rows = (struct rows){ piece.events, piece.nr, sizeof(*piece.events) };
	return ret ? ret : follow;
}

static void preface(enum output_mode mode)
{
	if (piece.overwritten)
		complain("%" PRIu64 " events were overwritten before they were read: "
			 "see the jump in SEQ", piece.overwritten);
	if (!piece.nr && mode == OUT_TABLE)
		complain("no event: nothing has changed since the module was loaded");
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
		" -f, --follow          then wait for more, and print them as they come\n",
	.table = { "events", columns, ARRAY_SIZE(columns), cell },
	.short_options = OUTPUT_SHORT "f",
	.options = (const struct option[]) {
		OUTPUT_LONG,
		{ "follow", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 }
	},
	.option = option,
	.read = read_piece,
	.preface = preface,
	.members = members,
};
