// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands in for device.c: a module that answers as $VLPICTL_FAKE says, and that refuses what the
 * real one refuses, so that a wrong request fails the test as well as a wrong reading.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vlpi_broker.h>

#include "../array_size.h"
#include "../device.h"

#define MANY	9000

/* A host with a thousand VMs of a thousand irqfds: made as it is asked for. */
#define MILLION		1000000
#define OF_A_VM		1000

static struct vlpi_broker_client clients[MANY];
static struct vlpi_broker_info info;
static uint32_t nr_clients;
static uint64_t generation = 7;
static unsigned int nr_dumps;
static uint32_t seed;

static bool fake(const char *name)
{
	const char *want = getenv("VLPICTL_FAKE");

	return want && !strcmp(want, name);
}

static struct vlpi_broker_client *add(uint64_t vm, uint32_t vintid, uint32_t state,
				      uint32_t position)
{
	struct vlpi_broker_client *c = &clients[nr_clients++];

	c->id = nr_clients;
	c->vm_id = vm;
	c->vm_pid = 1000 + vm;
	c->state = state;
	c->position = position;
	c->vintid = vintid;
	c->host_irq = 50 + nr_clients;
	c->gsi = 20 + nr_clients;
	c->devid = 8;
	c->eventid = vintid ? vintid - 8192 : 40;
	c->flags = state == VLPI_BROKER_HOLDER ? VLPI_BROKER_CLIENT_FORWARDED : 0;
	if (state == VLPI_BROKER_WAITER) {
		c->signals = 100 * position;
		c->injections = 90 * position;
	}
	strcpy(c->vm_name, vm == 1 ? "1001-14" : "1002-9");
	strcpy(c->vm_comm, "qemu-system-aar");
	return c;
}

/* Two VMs. The ids are not in the order of the table, as after a while in life. */
static void two_vms(void)
{
	add(2, 8192, VLPI_BROKER_HOLDER, 0);
	add(1, 8193, VLPI_BROKER_WAITER, 2);
	add(1, 8193, VLPI_BROKER_WAITER, 1);
	add(1, 8193, VLPI_BROKER_HOLDER, 0);
	add(1, 8192, VLPI_BROKER_HOLDER, 0);
	add(2, 8192, VLPI_BROKER_WAITER, 1);
	add(1, 0, VLPI_BROKER_NOT_MSI, 0);
	add(1, 0, VLPI_BROKER_UNRESOLVED, 0)->error = ENOENT;
	add(2, 8200, VLPI_BROKER_IDLE, 0)->host_irq = 0;
	info.nr_vms = 2;
	info.nr_slots = 4;
	info.nr_held = 3;
	info.nr_waiters = 3;
	info.connects = 12;
	info.grants = 4;
	info.promotions = 1;
	info.revokes = 2;
	info.gate_refusals = 5;
	info.unmaps_behind = 6;
	info.signals = 400;
	info.injections = 360;
}

static void attention(void)
{
	struct vlpi_broker_client *c;

	two_vms();
	clients[1].flags |= VLPI_BROKER_CLIENT_FORWARDED;
	c = add(2, 8201, VLPI_BROKER_UNMAPPABLE, 0);
	c->error = ENOSPC;
	add(2, 8202, VLPI_BROKER_UNMAPPABLE, 0)->error = 524;
	add(2, 8203, VLPI_BROKER_UNMAPPABLE, 0)->error = 4000;
	c = add(2, 8204, VLPI_BROKER_HOLDER, 0);
	c->flags |= VLPI_BROKER_CLIENT_REASSIGN;
	add(2, 8204, VLPI_BROKER_WAITER, 1)->flags |= VLPI_BROKER_CLIENT_REASSIGN;
	add(2, 8205, VLPI_BROKER_WAITER, 1);
	add(2, 8206, 99, 0);
	c = add(2, 8207, VLPI_BROKER_IDLE, 0);
	c->host_irq = 0;
	c->flags |= VLPI_BROKER_CLIENT_SHUT_OUT;
	info.nr_reassign = 2;
	info.nr_dead_strays = 3;
}

/* Nobody is harmed. */
static void warning(void)
{
	two_vms();
	add(2, 8201, VLPI_BROKER_UNMAPPABLE, 0)->error = ENOSPC;
}

/* Of two vLPIs, and not of a third. */
static void foreign(void)
{
	struct vlpi_broker_client *c;

	two_vms();
	add(2, 8201, VLPI_BROKER_WAITER, 1)->flags |= VLPI_BROKER_CLIENT_FOREIGN;
	c = add(2, 8202, VLPI_BROKER_IDLE, 0);
	c->host_irq = 0;
	c->flags |= VLPI_BROKER_CLIENT_FOREIGN | VLPI_BROKER_CLIENT_UNSETTLED;
	info.nr_slots = 6;
	info.nr_waiters = 4;
	info.nr_foreign = 2;
	/* The holder of VM 1's first. */
	if (fake("foreign-twice"))
		clients[4].flags |= VLPI_BROKER_CLIENT_FOREIGN;
}

/* A waiter is still forwarded; another vLPI has no holder. */
static void changes_hands(void)
{
	two_vms();
	clients[1].flags |= VLPI_BROKER_CLIENT_FORWARDED;
	clients[6].state = VLPI_BROKER_WAITER;
	clients[6].vintid = 8299;
}

static void garbage(void)
{
	two_vms();
	/* No NUL at the end, controls, an escape sequence, quotes, bytes that are no UTF-8. */
	memcpy(clients[0].vm_comm, "\033]0;evil\a\"\\\n\t\x9b\xff", 16);
	memcpy(clients[0].vm_name, "] [ { } \177 $(reboot) `id` ' \r\n\b\033", 32);
	memset(info.version, '\033', sizeof(info.version));
}

static uint32_t noise(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* Any bytes where the ABI has no rule; ids and counts keep to it. */
static void fuzz(void)
{
	unsigned char *p = (unsigned char *)clients;

	seed = strtoul(getenv("VLPICTL_FAKE") + 5, NULL, 10);
	nr_clients = noise() % 40;
	for (size_t i = 0; i < sizeof(clients[0]) * nr_clients; i++)
		p[i] = noise();
	for (uint32_t i = 0; i < nr_clients; i++) {
		clients[i].id = i + 1;
		if (noise() % 4)
			clients[i].vm_id %= 3;
		if (noise() % 4)
			clients[i].vintid %= 4;
		if (noise() % 8)
			clients[i].state %= 9;
	}
	for (p = (unsigned char *)&info; p < (unsigned char *)(&info + 1); p++)
		*p = noise();
	info.abi_version = VLPI_BROKER_ABI_VERSION;
}

static void many(void)
{
	while (nr_clients < MANY)
		add(1, 8192, nr_clients ? VLPI_BROKER_WAITER : VLPI_BROKER_HOLDER, nr_clients);
}

static bool is_large(void)
{
	return fake("million") || fake("million-change") || fake("million-enomem");
}

/* Client number @n of it, from 0 on: ten of them share a vLPI. */
static void one_of_million(struct vlpi_broker_client *c, uint32_t n)
{
	uint32_t vm = n / OF_A_VM + 1, nth = n % OF_A_VM;

	memset(c, 0, sizeof(*c));
	c->id = ((uint64_t)vm << 32) + nth + 1;
	c->vm_id = vm;
	c->vm_pid = 1000 + vm;
	c->vintid = 8192 + nth / 10;
	c->position = nth % 10;
	c->state = nth % 10 ? VLPI_BROKER_WAITER : VLPI_BROKER_HOLDER;
	c->flags = nth % 10 ? 0 : VLPI_BROKER_CLIENT_FORWARDED;
	/* As many host IRQs as there are LPIs. */
	c->host_irq = n % 18 ? 0 : 50 + n / 18;
	strcpy(c->vm_name, "1001-14");
	strcpy(c->vm_comm, "qemu-system-aar");
}

static uint32_t behind(uint64_t id)
{
	return id ? ((id >> 32) - 1) * OF_A_VM + (uint32_t)id : 0;
}

int device_open(void)
{
	static const struct {
		const char *name;
		int number;
	} errors[] = {
		{ "enoent", ENOENT }, { "enodev", ENODEV }, { "eacces", EACCES }, { "emfile", EMFILE },
	};
	const char *want = getenv("VLPICTL_FAKE");

	errno = 0;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (fake(errors[i].name))
			errno = errors[i].number;
	if (errno)
		return -1;

	strcpy(info.version, "0.1.0");
	info.abi_version = VLPI_BROKER_ABI_VERSION;
	if (fake("empty"))
		;
	else if (fake("attention"))
		attention();
	else if (fake("warning"))
		warning();
	else if (fake("foreign") || fake("foreign-twice"))
		foreign();
	else if (fake("passing") || fake("stays"))
		changes_hands();
	else if (fake("garbage"))
		garbage();
	else if (fake("many") || fake("slow") || fake("change-once") || fake("change-always"))
		many();
	else if (want && !strncmp(want, "fuzz:", 5))
		fuzz();
	else
		two_vms();
	if (fake("abi-newer"))
		info.abi_version++;
	if (fake("abi-older"))
		info.abi_version--;
	info.nr_clients = is_large() ? MILLION : nr_clients;
	return 99;
}

void device_close(int fd)
{
	if (fd != 99)
		abort();
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static int ask_info(struct vlpi_broker_info *arg)
{
	if (arg->size < VLPI_BROKER_INFO_SIZE_VER1 || arg->flags)
		return fail(EINVAL);
	*arg = info;
	/* A module that has grown says so; less than there ever was is a broken one. */
	arg->size = sizeof(info);
	if (fake("grown"))
		arg->size += 64;
	if (fake("short-info"))
		arg->size = VLPI_BROKER_INFO_SIZE_VER1 - 8;
	return 0;
}

static int ask_dump(struct vlpi_broker_dump *arg)
{
	struct vlpi_broker_client *buf = (void *)(uintptr_t)arg->buf;
	uint32_t asked = arg->buf_entries < 4096 ? arg->buf_entries : 4096;
	uint32_t nr = 0, i = 0;

	if (arg->size < VLPI_BROKER_DUMP_SIZE_VER1 || arg->flags || !asked || arg->entry_size % 8 ||
	    arg->entry_size < VLPI_BROKER_CLIENT_SIZE_VER1)
		return fail(EINVAL);
	if (arg->entry_size != sizeof(*buf))
		abort();

	nr_dumps++;
	if (fake("change-always"))
		generation++;
	if (fake("change-once") && nr_dumps == 2) {
		/* The last client goes between the first and the second call. */
		nr_clients--;
		generation++;
	}

	if (fake("slow"))
		usleep(1200000);
	if (is_large()) {
		/* One VM changes each time that it is looked at. */
		uint32_t first = behind(arg->cursor);

		if (fake("million-enomem") && first > MILLION / 2)
			return fail(ENOMEM);
		if (fake("million-change"))
			asked = asked < OF_A_VM / 2 ? asked : OF_A_VM / 2;
		if (fake("million-change") && first / OF_A_VM == 500)
			generation++;
		do
			one_of_million(&buf[nr++], first++);
		while (nr < asked && first % OF_A_VM);
		arg->cursor = buf[nr - 1].id;
		arg->nr_entries = nr;
		arg->more = first < MILLION;
		arg->generation = generation;
		arg->size = sizeof(*arg);
		return 0;
	}
	while (i < nr_clients && clients[i].id <= arg->cursor)
		i++;
	/* Clients of one VM a call. */
	for (; i < nr_clients && nr < asked && (!nr || clients[i].vm_id == buf[0].vm_id); i++)
		buf[nr++] = clients[i];
	if (nr)
		arg->cursor = buf[nr - 1].id;
	arg->nr_entries = nr;
	arg->more = i < nr_clients;
	arg->generation = generation;
	arg->size = fake("short-dump") ? VLPI_BROKER_DUMP_SIZE_VER1 - 8 : sizeof(*arg);

	if (fake("stuck")) {
		arg->nr_entries = 0;
		arg->more = 1;
	} else if (fake("overrun")) {
		arg->nr_entries = asked + 1;
	} else if (fake("disorder")) {
		buf[1].id = buf[0].id;
	} else if (fake("loop")) {
		/* The cursor stays behind: the module would answer with these clients for ever. */
		arg->cursor = 1;
		arg->more = 1;
	}
	return 0;
}

/* What a module keeps after a while; the gaps are where a reader was overtaken. */
static const struct vlpi_broker_event events[] = {
	{ 0, VLPI_BROKER_EVENT_CONNECT, 41, 12000345678, 1, 0, 51, VLPI_BROKER_WHY_CONNECTED, 0 },
	{ 0, VLPI_BROKER_EVENT_GRANT, 42, 12000400000, 1, 8193, 51, VLPI_BROKER_WHY_VACANT, 0 },
	{ 0, VLPI_BROKER_EVENT_WAIT, 43, 13999999999, 1, 8193, 52, VLPI_BROKER_WHY_REFUSED, ENOSPC },
	{ 0, VLPI_BROKER_EVENT_GATE_REFUSE, 50, 14000000000, 0, 8193, 53, VLPI_BROKER_WHY_UNKNOWN,
	  EBUSY },
	{ 0, VLPI_BROKER_EVENT_RESOLVE_FAIL, 51, 1000000000000, 2, 0, 0, VLPI_BROKER_WHY_NO_LPI, 4000 },
	{ 0, 77, 53, 1000000001000, 2, 8193, 51, 99, 0 },
};

#define NR_EVENTS ARRAY_SIZE(events)

static size_t events_read, events_there = NR_EVENTS;

/* One record, with a tail that vlpictl doesn't know where the module has grown. */
static size_t put_event(char *to)
{
	struct vlpi_broker_event e;
	size_t size = sizeof(e) + (fake("grown") ? 16 : 0);

	if (events_read < NR_EVENTS) {
		e = events[events_read];
	} else {
		e = events[0];
		e.seq = events[NR_EVENTS - 1].seq + 1 + events_read - NR_EVENTS;
	}
	if (seed) {
		for (size_t i = 8; i < sizeof(e); i++)
			((char *)&e)[i] = noise();
		/* Numbers ascend, with jumps. */
		e.seq = 1000 * events_read + 1 + noise() % 1000;
		if (noise() % 4)
			e.type = noise() % 12;
		if (noise() % 4)
			e.why = noise() % 18;
	}
	e.size = size;
	if (fake("event-small"))
		e.size = 40;
	if (fake("event-odd"))
		e.size = 52;
	if (fake("event-large"))
		e.size = 4096;
	if (fake("event-disorder") && events_read)
		e.seq = events[0].seq;
	memset(to, 0xa5, size);
	memcpy(to, &e, sizeof(e));
	events_read++;
	return size;
}

ssize_t device_read(int fd, void *buf, size_t len)
{
	static unsigned int nr;
	size_t size = sizeof(events[0]) + (fake("grown") ? 16 : 0), n = 0;

	if (fd != 99 || len < 1024)
		abort();
	if (fake("eintr") && nr++ % 2 == 0)
		return fail(EINTR);
	if (fake("event-old"))
		return fail(EINVAL);
	if (fake("event-eio"))
		return fail(EIO);
	if (fake("event-eof"))
		return 0;
	if (fake("empty"))
		return fail(EAGAIN);
	if (fake("event-endless"))
		events_there = events_read + len / size;
	else if (fake("event-many"))
		events_there = 3000;
	if (seed)
		events_there = seed % 40;
	while (events_read < events_there && n + size <= len)
		n += put_event((char *)buf + n);
	if (n && fake("event-part"))
		return n - 8;
	return n ? (ssize_t)n : fail(EAGAIN);
}

/* Two more come, one at a time; then the device is no more. */
int device_wait(int fd)
{
	static unsigned int nr, calls;

	if (fd != 99)
		abort();
	if (fake("eintr") && calls++ % 2 == 0)
		return fail(EINTR);
	if (nr++ == 2)
		return fail(EIO);
	events_there++;
	return 1;
}

/* Half a second after the last event, on a day in November. */
void device_time(uint64_t *monotonic, uint64_t *real)
{
	*monotonic = 1000500000000;
	*real = 1795800000500000000;
}

/* Time passes at once; what was passing has passed. */
void device_pause(unsigned int ms)
{
	static unsigned int pauses;

	if (!ms)
		abort();
	if (getenv("VLPICTL_ROOT_AFTER")) {
		setenv("VLPICTL_ROOT", getenv("VLPICTL_ROOT_AFTER"), 1);
		clients[2].signals += 40;
		clients[5].signals += 7;
		/* An event of host IRQ 51 comes; or it is the second that comes, and the first is gone. */
		if (fake("verify-event") || fake("verify-lost"))
			events_there++;
		if (fake("verify-lost"))
			events_there += events_read++ ? 1 : 0;
	}
	if (fake("passing") && ++pauses == 2) {
		clients[1].flags = 0;
		clients[6].state = VLPI_BROKER_NOT_MSI;
	}
}

int device_ioctl(int fd, unsigned long request, void *arg)
{
	static unsigned int nr;

	if (fd != 99)
		abort();
	if (fake("eintr") && nr++ % 2 == 0)
		return fail(EINTR);
	if (fake("enotty"))
		return fail(ENOTTY);
	if (fake("einval"))
		return fail(EINVAL);
	if (fake("enomem") && request == VLPI_BROKER_DUMP)
		return fail(ENOMEM);

	switch (request) {
	case VLPI_BROKER_INFO:
		return ask_info(arg);
	case VLPI_BROKER_DUMP:
		return ask_dump(arg);
	}
	return fail(ENOTTY);
}
