// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ask the module, and believe only what the ABI allows it to say.
 *
 * Clients are read in pieces of whole VMs, so that a host's size costs no memory. One call is one
 * moment's state of a VM. A VM with many clients may need several calls; where its generation
 * changes between two of them, it is read again. After MAX_WALKS what was read last is taken as it
 * is, and marked: on a host that never rests, an answer that says what it lacks is worth more than
 * none.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "complain.h"
#include "device.h"
#include "text.h"

/* The ABI returns no more at once. */
#define MAX_BATCH	4096
#define MAX_WALKS	8
/* A piece is at an end with the first VM that ends above this. */
#define PIECE		16384
/* Far above any host's number of irqfds: a walk that gets here would never end. */
#define MAX_CLIENTS	(1U << 22)

#define REINSTALL	"install the vlpictl that came with the module"

_Static_assert(sizeof(struct vlpi_broker_info) >= VLPI_BROKER_INFO_SIZE_VER1, "info shrank");
_Static_assert(sizeof(struct vlpi_broker_client) >= VLPI_BROKER_CLIENT_SIZE_VER1, "client shrank");
_Static_assert(sizeof(struct vlpi_broker_client) % 8 == 0, "the kernel refuses this entry_size");
_Static_assert(sizeof(struct vlpi_broker_dump) >= VLPI_BROKER_DUMP_SIZE_VER1, "dump shrank");
_Static_assert(sizeof(struct vlpi_broker_event) >= VLPI_BROKER_EVENT_SIZE_VER1, "event shrank");

/* On failure, errno says why. */
int ask_open(void)
{
	int fd = device_open();
	int error = errno;

	if (fd >= 0)
		return fd;

	switch (error) {
	case ENOENT:
		complain("the module is not loaded (no " DEVICE_PATH
			 "); load it with: modprobe vlpi_broker");
		break;
	case ENODEV:
	case ENXIO:
		complain("the module is not loaded (nothing behind " DEVICE_PATH
			 "); load it with: modprobe vlpi_broker");
		break;
	case EACCES:
	case EPERM:
		complain("no permission to open " DEVICE_PATH
			 "; run vlpictl as root, for example with sudo");
		break;
	default:
		complain("can't open " DEVICE_PATH ": %s; see the kernel's log: dmesg",
			 strerror(error));
	}
	errno = error;
	return -1;
}

void ask_close(int fd)
{
	device_close(fd);
}

static int ask(int fd, unsigned long request, void *arg, const char *what)
{
	int ret;

	do
		ret = device_ioctl(fd, request, arg);
	while (ret < 0 && errno == EINTR);
	if (ret >= 0)
		return 0;

	switch (errno) {
	case ENOTTY:
		complain(DEVICE_PATH " doesn't know the request %s; is it the broker's device? If so, "
			 REINSTALL, what);
		break;
	case EINVAL:
		complain("the module refused the request %s of this vlpictl; " REINSTALL, what);
		break;
	case EPERM:
	case EACCES:
		complain("no permission for the request %s; run vlpictl as root, for example with sudo",
			 what);
		break;
	case ENODEV:
		complain("the module went away during %s; load it with: modprobe vlpi_broker", what);
		break;
	case ENOMEM:
		complain("the kernel has no memory for the request %s; try again later", what);
		break;
	default:
		complain("the request %s failed: %s; see the kernel's log: dmesg", what,
			 strerror(errno));
	}
	return -1;
}

static int check_size(uint32_t size, uint32_t least, const char *what)
{
	if (size >= least)
		return 0;
	complain("the module answered %s with %" PRIu32 " bytes, and %" PRIu32
		 " is the least there can be; " REINSTALL,
		 what, size, least);
	return -1;
}

/* Fill in @info. Fields that the module doesn't know are 0. */
int ask_any_info(int fd, struct vlpi_broker_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	if (ask(fd, VLPI_BROKER_INFO, info, "INFO"))
		return -1;
	return check_size(info->size, VLPI_BROKER_INFO_SIZE_VER1, "INFO");
}

int ask_info(int fd, struct vlpi_broker_info *info)
{
	char version[TEXT_SIZE(sizeof(info->version))];

	if (ask_any_info(fd, info))
		return -1;
	if (info->abi_version == VLPI_BROKER_ABI_VERSION)
		return 0;

	text_escape(version, info->version, sizeof(info->version));
	complain("the module (version %s) speaks ABI %" PRIu32
		 ", %s than ABI %d of this vlpictl; " REINSTALL,
		 version, info->abi_version,
		 info->abi_version > VLPI_BROKER_ABI_VERSION ? "newer" : "older",
		 VLPI_BROKER_ABI_VERSION);
	return -1;
}

static int make_room(struct clients *all)
{
	struct vlpi_broker_client *bigger;
	size_t room;

	if (all->nr_read > MAX_CLIENTS) {
		complain("the module lists more than %u clients; that can't be right, please report it",
			 MAX_CLIENTS);
		return -1;
	}
	if (all->room - all->nr_there >= MAX_BATCH)
		return 0;
	room = 2 * all->nr_there + MAX_BATCH;
	bigger = realloc(all->client, room * sizeof(*bigger));
	if (!bigger) {
		complain("no memory for %zu clients; free some and try again", room);
		return -1;
	}
	all->client = bigger;
	all->room = room;
	return 0;
}

/* The kernel is trusted with our memory, not with our loop: an answer must move the walk on. */
static int check_answer(const struct vlpi_broker_dump *dump, const struct vlpi_broker_client *got,
			uint64_t cursor)
{
	const char *wrong = NULL;

	if (check_size(dump->size, VLPI_BROKER_DUMP_SIZE_VER1, "DUMP"))
		return -1;
	if (dump->nr_entries > MAX_BATCH) {
		wrong = "more clients than were asked for";
	} else if (!dump->nr_entries) {
		if (dump->more)
			wrong = "no client, although more exist";
	} else {
		for (uint32_t i = 0; i < dump->nr_entries && !wrong; i++) {
			if (got[i].id <= cursor)
				wrong = "clients out of order";
			cursor = got[i].id;
		}
		if (!wrong && dump->cursor != cursor)
			wrong = "a cursor that is not the last client's id";
	}
	if (!wrong)
		return 0;
	complain("the module answered DUMP with %s; please report it, with the module's version",
		 wrong);
	return -1;
}

/* One call of the module, whose answer comes behind what is there. */
static int ask_dump(int fd, struct clients *all, struct vlpi_broker_dump *dump)
{
	struct vlpi_broker_client *got;

	if (make_room(all))
		return -1;
	got = all->client + all->nr_there;
	memset(got, 0, MAX_BATCH * sizeof(*got));
	memset(dump, 0, sizeof(*dump));
	dump->size = sizeof(*dump);
	dump->cursor = all->cursor;
	dump->buf = (uintptr_t)got;
	dump->buf_entries = MAX_BATCH;
	dump->entry_size = sizeof(*got);
	if (ask(fd, VLPI_BROKER_DUMP, dump, "DUMP"))
		return -1;
	return check_answer(dump, got, all->cursor);
}

/*
 * A VM that takes several calls is to be shown as it was at one moment: it is read again where it
 * has changed between two of them. Returns whether that is so.
 */
static bool read_again(struct clients *all, uint64_t generation)
{
	if (generation == all->vm_generation)
		return false;
	if (++all->walks < MAX_WALKS) {
		all->generation -= all->vm_generation;
		all->nr_read -= all->nr_there - all->vm_begin;
		all->nr_there = all->vm_begin;
		all->cursor = all->vm_cursor;
		return true;
	}
	if (all->consistent)
		complain("warning: clients changed during each of %d attempts to read them; "
			 "the lines may come from different moments, run vlpictl again to compare",
			 MAX_WALKS);
	all->consistent = false;
	return false;
}

/* Take what the module has answered. */
static void take(struct clients *all, const struct vlpi_broker_dump *dump)
{
	const struct vlpi_broker_client *got = all->client + all->nr_there;
	size_t begin = dump->nr_entries;
	uint64_t vm;

	if (!dump->nr_entries)
		return;
	vm = got[begin - 1].vm_id;
	if (all->nr_there && got[0].vm_id == got[-1].vm_id) {
		if (read_again(all, dump->generation))
			return;
	} else {
		all->generation += dump->generation;
	}
	while (begin && got[begin - 1].vm_id == vm)
		begin--;
	if (begin || !all->nr_there || got[-1].vm_id != vm) {
		/* The same cursor as before: it is this VM that is read again. */
		if (begin || all->cursor != all->vm_cursor)
			all->walks = 0;
		all->vm_begin = all->nr_there + begin;
		all->vm_cursor = begin ? got[begin - 1].id : all->cursor;
	}
	all->vm_generation = dump->generation;
	all->nr_there += dump->nr_entries;
	all->nr_read += dump->nr_entries;
	all->cursor = dump->cursor;
}

static uint64_t place(const struct vlpi_broker_client *c)
{
	switch (c->state) {
	case VLPI_BROKER_HOLDER:
		return 0;
	case VLPI_BROKER_WAITER:
		return c->position;
	}
	return UINT64_MAX;
}

static int cmp(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_place(const void *pa, const void *pb)
{
	const struct vlpi_broker_client *a = pa, *b = pb;
	int ret = cmp(a->vm_id, b->vm_id);

	/* 0 - 1 wraps round: a client without a vLPI comes last. */
	if (!ret)
		ret = cmp(a->vintid - UINT64_C(1), b->vintid - UINT64_C(1));
	if (!ret)
		ret = cmp(place(a), place(b));
	return ret ? ret : cmp(a->id, b->id);
}

int ask_clients(int fd, struct clients *all)
{
	struct vlpi_broker_dump dump;
	bool full;

	if (!all->nr_read)
		all->consistent = true;
	/* What has come of the VM with which this piece begins. */
	all->nr_there -= all->nr;
	if (all->nr_there)
		memmove(all->client, all->client + all->nr,
			all->nr_there * sizeof(*all->client));
	all->vm_begin = 0;
	do {
		if (ask_dump(fd, all, &dump))
			return -1;
		take(all, &dump);
		progress("%zu clients read", all->nr_read);
		full = dump.more && all->vm_begin >= PIECE;
	} while (dump.more && !full);

	all->nr = full ? all->vm_begin : all->nr_there;
	qsort(all->client, all->nr, sizeof(*all->client), by_place);
	return full;
}

int ask_all_clients(int fd, struct clients *all, take_clients *take_piece, void *to)
{
	int more;

	memset(all, 0, sizeof(*all));
	do {
		more = ask_clients(fd, all);
		if (more >= 0 && take_piece(to, all->client, all->nr))
			more = -1;
	} while (more > 0);
	free(all->client);
	all->client = NULL;
	return more;
}

/*
 * Split what was read into records, each cut or padded to what we know. Returns how many, or -1
 * after a complaint: sizes and numbers are the module's word, and reading on depends on them.
 */
static int split(const char *raw, size_t len, struct vlpi_broker_event *to, uint64_t last)
{
	const char *wrong = NULL;
	uint32_t size;
	int n = 0;

	for (; len; raw += size, len -= size) {
		if (len < VLPI_BROKER_EVENT_SIZE_VER1) {
			wrong = "a part of an event";
			break;
		}
		memcpy(&size, raw, sizeof(size));
		if (size < VLPI_BROKER_EVENT_SIZE_VER1 || size % 8 || size > len) {
			wrong = "an event of an impossible size";
			break;
		}
		memset(&to[n], 0, sizeof(*to));
		memcpy(&to[n], raw, size < sizeof(*to) ? size : sizeof(*to));
		if (to[n].seq <= last) {
			wrong = "events out of order";
			break;
		}
		last = to[n++].seq;
	}
	if (!wrong)
		return n;
	complain("the module answered with %s; please report it, with the module's version", wrong);
	return -1;
}

/*
 * Read up to EVENTS_AT_ONCE events that come after the one with the number @last. Returns how many,
 * 0 where there is none now.
 */
int ask_events(int fd, struct vlpi_broker_event *to, uint64_t last)
{
	static char raw[EVENTS_AT_ONCE * VLPI_BROKER_EVENT_SIZE_VER1];
	ssize_t len;

	do
		len = device_read(fd, raw, sizeof(raw));
	while (len < 0 && errno == EINTR);
	if (len > 0)
		return split(raw, len, to, last);
	if (len < 0 && errno == EAGAIN)
		return 0;
	if (len < 0 && errno == EINVAL)
		complain("the module that is loaded keeps no events; unload it and load the one that "
			 "came with this vlpictl");
	else
		complain("reading events failed: %s; see the kernel's log: dmesg",
			 len < 0 ? strerror(errno) : "they have come to an end");
	return -1;
}

/* Wait for an event. */
int ask_wait(int fd)
{
	int ret;

	do
		ret = device_wait(fd);
	while (ret < 0 && errno == EINTR);
	if (ret >= 0)
		return 0;
	complain("waiting for events failed: %s; see the kernel's log: dmesg", strerror(errno));
	return -1;
}

bool client_mismatch(const struct vlpi_broker_client *c)
{
	bool forwarded = c->flags & VLPI_BROKER_CLIENT_FORWARDED;

	/* While something is being dealt with, the one may be ahead of the other. */
	return !(c->flags & VLPI_BROKER_CLIENT_UNSETTLED) &&
	       forwarded != (c->state == VLPI_BROKER_HOLDER);
}
