// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl verify: does the hardware do what the broker says?
 *
 * For some seconds nothing is done but to look. The host counts in /proc/interrupts how often the
 * handler of each host IRQ runs. A holder's interrupts go straight into the guest: its handler must
 * not run. A waiter's handler signals the irqfd, and the broker counts that: the two must agree.
 *
 * The two counts can't be read at one moment. So /proc/interrupts is read before and after the
 * clients, at the beginning and at the end: the signals must lie between what is surely inside the
 * time in between and what may be, and a handler that has just been counted may have its signal
 * before it.
 *
 * Clients that changed meanwhile are not judged: the events tell which.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "array_size.h"
#include "ask.h"
#include "command.h"
#include "complain.h"
#include "device.h"
#include "host.h"
#include "text.h"

/* No kernel counts higher; what is in a file must not say how much memory is taken. */
#define MAX_IRQ		0xffffff

/* Reads of /proc/interrupts: around the clients at the beginning, and at the end. */
enum { READ_A0, READ_A1, READ_B0, READ_B1, NR_READS };

enum result { RES_OK, RES_QUIET, RES_CHANGED, RES_NOT_JUDGED, RES_WRONG };

static const char *const words[] = { "ok", "quiet", "changed", "-", "WRONG" };

/* One line: a client at the beginning and at the end. @handler: at least, at most. */
struct line {
	const struct vlpi_broker_client *client;
	uint64_t at_least, at_most, signals;
	bool counted;
	enum result result;
};

/* How often the handlers ran, by host IRQ; -1 where there is no handler. */
struct counts {
	int64_t *of;
	size_t nr;
};

static struct counts reads[NR_READS];
/* Clients that have a host IRQ: a host has 57,344 at most, whatever it has of irqfds. */
static struct mapped {
	struct vlpi_broker_client *client;
	size_t nr, room;
} before, after;

static struct line *lines;
static size_t nr_lines;
static uint64_t seconds = 10;
/* Host IRQs of the events that came in between, and whether some were overwritten. */
static uint32_t *changes;
static size_t nr_changes;
static bool lost;

enum {
	COL_VM, COL_PID, COL_COMM, COL_VINTID, COL_STATE, COL_HOST_IRQ, COL_HANDLER, COL_SIGNALS,
	COL_RESULT,
};

/* The man page fixes names and meanings. */
static const struct column columns[] = {
	[COL_VM] = { "VM", COL_NUMBER, false, "the broker's id of the VM, never used again" },
	[COL_PID] = { "PID", COL_NUMBER, false, "process id of the VMM" },
	[COL_COMM] = { "COMM", COL_TEXT, false, "command name of the VMM" },
	[COL_VINTID] = { "VINTID", COL_NUMBER, false, "INTID of the vLPI in the guest" },
	[COL_STATE] = { "STATE", COL_TEXT, false, "as in dump" },
	[COL_HOST_IRQ] = { "HOST-IRQ", COL_NUMBER, false, "Linux IRQ number of the producer" },
	[COL_HANDLER] = { "HANDLER", COL_NUMBER, false, "how often its handler ran meanwhile" },
	[COL_SIGNALS] = { "SIGNALS", COL_NUMBER, false, "signals that the broker served meanwhile" },
	[COL_RESULT] = { "RESULT", COL_TEXT, false, "ok, quiet, changed, WRONG, or - where none is due" },
};

_Static_assert(ARRAY_SIZE(columns) <= MAX_COLUMNS, "raise MAX_COLUMNS");

static bool cell(const void *row, size_t column, char *out, size_t len)
{
	const struct line *l = row;
	const struct vlpi_broker_client *c = l->client;

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
	case COL_HOST_IRQ:
		return text_number(out, len, c->host_irq);
	case COL_HANDLER:
		return l->counted && text_number(out, len, l->at_most);
	case COL_SIGNALS:
		return l->result != RES_CHANGED && text_number(out, len, l->signals);
	case COL_RESULT:
		if (l->result == RES_NOT_JUDGED)
			return false;
		snprintf(out, len, "%s", words[l->result]);
		return true;
	}
	return false;
}

static int option(int opt, const char *arg)
{
	char *end;

	(void)opt;
	errno = 0;
	seconds = strtoull(arg, &end, 10);
	if (isdigit((unsigned char)*arg) && !*end && !errno && seconds >= 1 && seconds <= 3600)
		return 0;
	complain("--seconds takes a number from 1 to 3600, not \"%s\"", arg);
	return -1;
}

/* Note the count of one line: "IRQ: a number a CPU, then words". */
static int note_count(struct counts *counts, char *text, size_t nr_cpus)
{
	char *p, *end;
	unsigned long irq = strtoul(text, &p, 10);
	int64_t sum = 0;

	/* IPI0 and its kin have no number. */
	if (p == text || *p != ':' || irq > MAX_IRQ)
		return 0;
	p++;
	for (size_t i = 0; i < nr_cpus; i++, p = end) {
		sum += strtoull(p, &end, 10);
		if (end == p)
			break;
	}
	if (irq >= counts->nr) {
		int64_t *bigger = realloc(counts->of, (irq + 1) * sizeof(*bigger));

		if (!bigger)
			return -1;
		for (size_t i = counts->nr; i <= irq; i++)
			bigger[i] = -1;
		counts->of = bigger;
		counts->nr = irq + 1;
	}
	counts->of[irq] = sum;
	return 0;
}

static int read_counts(struct counts *counts)
{
	FILE *from = host_open("/proc/interrupts");
	size_t size = 0, nr_cpus = 0;
	char *text = NULL;
	int ret = 0;

	if (!from) {
		complain("can't read /proc/interrupts: %s", strerror(errno));
		return -1;
	}
	if (getline(&text, &size, from) > 0)
		for (char *p = text; (p = strstr(p, "CPU")); p++)
			nr_cpus++;
	while (!ret && getline(&text, &size, from) > 0)
		ret = note_count(counts, text, nr_cpus);
	free(text);
	fclose(from);
	if (ret)
		complain("no memory to count interrupts; free some and try again");
	else if (!nr_cpus)
		complain("/proc/interrupts is not as expected; please report it");
	return ret || !nr_cpus ? -1 : 0;
}

/* Take the events there are now. Those that come after @last are changes; returns -1, or 0. */
static int read_events(int fd, uint64_t *last, bool keep)
{
	static struct vlpi_broker_event got[EVENTS_AT_ONCE];
	int n;

	/* The module keeps 8192, half as many; on a host that never rests there is no end. */
	for (int round = 0; round < 64; round++) {
		n = ask_events(fd, got, *last);
		if (n <= 0)
			return n;
		for (int i = 0; i < n; i++) {
			lost |= keep && *last && got[i].seq != *last + 1;
			*last = got[i].seq;
		}
		if (keep) {
			uint32_t *bigger = realloc(changes, (nr_changes + n) * sizeof(*bigger));

			if (!bigger) {
				complain("no memory for events; free some and try again");
				return -1;
			}
			changes = bigger;
			for (int i = 0; i < n; i++)
				changes[nr_changes++] = got[i].host_irq;
		}
	}
	lost |= keep;
	return 0;
}

static int by_irq(const void *a, const void *b)
{
	const uint32_t *ia = a, *ib = b;

	return (*ia > *ib) - (*ia < *ib);
}

static bool has_changed(const struct vlpi_broker_client *a, const struct vlpi_broker_client *b)
{
	if (a->state != b->state || a->host_irq != b->host_irq || a->vintid != b->vintid)
		return true;
	if ((a->flags | b->flags) & VLPI_BROKER_CLIENT_UNSETTLED)
		return true;
	if (lost)
		return true;
	return nr_changes && bsearch(&b->host_irq, changes, nr_changes, sizeof(*changes), by_irq);
}

static int by_id(const void *a, const void *b)
{
	const struct vlpi_broker_client *ca = a, *cb = b;

	return (ca->id > cb->id) - (ca->id < cb->id);
}

static const struct vlpi_broker_client *find(const struct mapped *m, uint64_t id)
{
	const struct vlpi_broker_client key = { .id = id };

	return m->nr ? bsearch(&key, m->client, m->nr, sizeof(key), by_id) : NULL;
}

static int64_t count(unsigned int read, uint32_t irq)
{
	return irq < reads[read].nr ? reads[read].of[irq] : -1;
}

static enum result judge(struct line *l, const struct vlpi_broker_client *then)
{
	uint32_t irq = l->client->host_irq;

	for (unsigned int r = 0; r < NR_READS; r++)
		if (count(r, irq) < 0)
			return RES_NOT_JUDGED;
	/* A count that goes back is that of another handler. */
	if (count(READ_B1, irq) < count(READ_A0, irq) || l->client->signals < then->signals)
		return RES_CHANGED;
	l->counted = true;
	l->at_most = count(READ_B1, irq) - count(READ_A0, irq);
	l->at_least = count(READ_B0, irq) > count(READ_A1, irq) ?
		      count(READ_B0, irq) - count(READ_A1, irq) : 0;
	l->signals = l->client->signals - then->signals;
	if (has_changed(then, l->client))
		return RES_CHANGED;

	switch (l->client->state) {
	case VLPI_BROKER_HOLDER:
		return l->at_most || l->signals ? RES_WRONG : RES_OK;
	case VLPI_BROKER_WAITER:
		if (!l->at_most && !l->signals)
			return RES_QUIET;
		/* One may be between its handler and its signal, at either end. */
		return l->signals + 1 >= l->at_least && l->signals <= l->at_most + 1 ? RES_OK :
										     RES_WRONG;
	}
	return RES_NOT_JUDGED;
}

static int keep_mapped(void *to, const struct vlpi_broker_client *client, size_t nr)
{
	struct mapped *m = to;

	for (size_t i = 0; i < nr; i++) {
		if (!client[i].host_irq)
			continue;
		if (m->nr == m->room) {
			size_t room = 2 * m->room + 1024;
			struct vlpi_broker_client *bigger;

			bigger = realloc(m->client, room * sizeof(*bigger));
			if (!bigger) {
				complain("no memory for %zu clients; free some and try again", room);
				return -1;
			}
			m->client = bigger;
			m->room = room;
		}
		m->client[m->nr++] = client[i];
	}
	return 0;
}

static int read_mapped(int fd, struct mapped *m)
{
	struct clients all;

	return ask_all_clients(fd, &all, keep_mapped, m);
}

static int compare(void)
{
	lines = calloc(after.nr + 1, sizeof(*lines));
	if (!lines) {
		complain("no memory for a table of %zu lines; free some and try again", after.nr);
		return -1;
	}
	if (before.nr)
		qsort(before.client, before.nr, sizeof(*before.client), by_id);
	if (nr_changes)
		qsort(changes, nr_changes, sizeof(*changes), by_irq);
	for (size_t i = 0; i < after.nr; i++) {
		const struct vlpi_broker_client *now = &after.client[i];
		const struct vlpi_broker_client *then = find(&before, now->id);
		struct line *l = &lines[nr_lines++];

		l->client = now;
		l->result = then ? judge(l, then) : RES_CHANGED;
	}
	return 0;
}

static int read_all(int fd, const struct vlpi_broker_info *info, struct rows *rows)
{
	uint64_t last = 0;

	(void)info;
	if (read_events(fd, &last, false) || read_counts(&reads[READ_A0]) ||
	    read_mapped(fd, &before) || read_counts(&reads[READ_A1]))
		return -1;
	device_pause(seconds * 1000);
	if (read_counts(&reads[READ_B0]) || read_mapped(fd, &after) ||
	    read_counts(&reads[READ_B1]) || read_events(fd, &last, true) || compare())
		return -1;
	*rows = (struct rows){ lines, nr_lines, sizeof(*lines) };
	return 0;
}

static size_t nr_of(enum result result, uint32_t state)
{
	size_t nr = 0;

	for (size_t i = 0; i < nr_lines; i++)
		nr += lines[i].result == result &&
		      (state == UINT32_MAX || lines[i].client->state == state);
	return nr;
}

static void preface(enum output_mode mode)
{
	size_t wrong = nr_of(RES_WRONG, UINT32_MAX);

	if (mode != OUT_TABLE)
		return;
	if (wrong)
		printf("WRONG: %zu clients; report it with the output of: vlpictl report\n", wrong);
	else if (!nr_of(RES_OK, UINT32_MAX))
		puts("nothing to verify: no holder, and no waiter whose interrupts came");
	else
		printf("ok: %zu holders whose handlers did not run, %zu waiters whose signals match\n",
		       nr_of(RES_OK, VLPI_BROKER_HOLDER), nr_of(RES_OK, VLPI_BROKER_WAITER));
	if (nr_lines)
		putchar('\n');
}

static void members(struct json *j)
{
	json_string(j, "verdict", nr_of(RES_WRONG, UINT32_MAX) ? "wrong" :
		    nr_of(RES_OK, UINT32_MAX) ? "ok" : "nothing");
	json_number(j, "seconds", seconds);
}

static int status(void)
{
	return nr_of(RES_WRONG, UINT32_MAX) ? EXIT_FAILED : EXIT_OK;
}

const struct command verify_command = {
	.name = "verify",
	.summary = "do the host's handlers run as the broker says? Looks for some seconds",
	.help = "Usage: vlpictl verify [options]\n\n"
		"Looks on for some seconds: a holder's handler must not run, and a waiter's must match its\n"
		"signals. Changes nothing. Exit status: 0 nothing is wrong, 1 something is.\n\n"
		" -s, --seconds N       how long (default 10)\n",
	.table = { "clients", columns, ARRAY_SIZE(columns), cell },
	.short_options = OUTPUT_SHORT "s:",
	.options = (const struct option[]) {
		OUTPUT_LONG,
		{ "seconds", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 }
	},
	.option = option,
	.read = read_all,
	.preface = preface,
	.members = members,
	.status = status,
};
