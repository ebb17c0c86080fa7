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
#include "complain.h"
#include "json.h"
#include "table.h"
#include "text.h"
#include "vlpictl.h"

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
		text_event(out, len, e->type);
		return true;
	case COL_WHY:
		text_why(out, len, e->why);
		return true;
	case COL_ERROR:
		if (!e->error)
			return false;
		text_error(out, len, e->error);
		return true;
	}
	return false;
}

static const struct table table = {
	.name = "events",
	.columns = columns,
	.nr_columns = ARRAY_SIZE(columns),
	.cell = cell,
};

/**
 * struct piece - what is printed at once
 * @events: in the order of their numbers; room for MAX_EVENTS.
 * @nr: how many.
 * @last: number of the last one read, in this piece or before; 0 before there was one.
 * @overwritten: numbers that are missing before one of them, and after the first ever read.
 */
struct piece {
	struct vlpi_broker_event *events;
	size_t nr;
	uint64_t last;
	uint64_t overwritten;
};

/* Read what there is now. */
static int take(int fd, struct piece *piece)
{
	int n;

	piece->nr = 0;
	piece->overwritten = 0;
	while (piece->nr + EVENTS_AT_ONCE <= MAX_EVENTS) {
		const struct vlpi_broker_event *got = piece->events + piece->nr;

		n = ask_events(fd, piece->events + piece->nr, piece->last);
		if (n <= 0)
			return n;
		for (int i = 0; i < n; i++) {
			if (piece->last)
				piece->overwritten += got[i].seq - piece->last - 1;
			piece->last = got[i].seq;
		}
		piece->nr += n;
	}
	return 0;
}

static int print(const struct output *out, const struct piece *piece)
{
	const struct rows rows = { piece->events, piece->nr, sizeof(*piece->events) };

	if (out->mode == OUT_JSON) {
		struct json j = { .to = stdout };

		json_open(&j, NULL, '{');
		json_number(&j, "format", JSON_FORMAT);
		json_string(&j, "command", "events");
		json_number(&j, "overwritten", piece->overwritten);
		table_json(&table, out, &rows, &j);
		json_close(&j, '}');
		return 0;
	}
	if (piece->overwritten)
		complain("%" PRIu64 " events were overwritten before they were read: "
			 "see the jump in SEQ", piece->overwritten);
	return table_print(&table, out, &rows);
}

/* Returns on an error only. */
static int follow(int fd, struct output *out, struct piece *piece)
{
	for (;;) {
		if (piece->nr) {
			if (print(out, piece) || fflush(stdout))
				return -1;
			out->noheadings = true;
		}
		if (ask_wait(fd) || take(fd, piece))
			return -1;
	}
}

void help_events(FILE *f)
{
	fputs("Usage: vlpictl events [options]\n\n"
	      "The latest changes that the module keeps, the oldest first.\n\n"
	      " -f, --follow          then wait for more, and print them as they come\n", f);
	output_help(f, &table);
}

int cmd_events(int argc, char *argv[])
{
	static const struct option options[] = {
		OUTPUT_LONG,
		{ "follow", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 }
	};
	struct vlpi_broker_info info;
	struct output out = { .mode = OUT_TABLE };
	struct piece piece = { .last = 0 };
	bool goes_on = false;
	int opt, fd, ret;

	while ((opt = getopt_long(argc, argv, OUTPUT_SHORT "f", options, NULL)) != -1) {
		if (opt == 'f') {
			goes_on = true;
			continue;
		}
		ret = output_option(&out, opt, help_events);
		if (ret >= 0)
			return ret;
	}
	if (optind < argc) {
		complain("events takes no argument \"%s\"; see: vlpictl help events", argv[optind]);
		return EXIT_USAGE;
	}
	if (output_columns(&out, &table))
		return EXIT_USAGE;

	piece.events = calloc(MAX_EVENTS, sizeof(*piece.events));
	if (!piece.events) {
		complain("no memory for %d events; free some and try again", MAX_EVENTS);
		return EXIT_FAILED;
	}
	ret = -1;
	fd = ask_open();
	if (fd >= 0) {
		ret = ask_info(fd, &info);
		if (!ret)
			ret = take(fd, &piece);
		if (!ret && goes_on)
			ret = follow(fd, &out, &piece);
		ask_close(fd);
	}
	if (!ret) {
		if (!piece.nr && out.mode == OUT_TABLE)
			complain("no event: nothing has changed since the module was loaded");
		ret = print(&out, &piece);
	}
	free(piece.events);
	return ret ? EXIT_FAILED : EXIT_OK;
}
