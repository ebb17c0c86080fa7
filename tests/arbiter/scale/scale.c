// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an operation of the arbiter costs on a host with so many irqfds, for callgrind, which counts
 * the instructions between begin() and end(). The run beside this makes a table of it.
 */
#include <linux/errno.h>
#include <linux/slab.h>

#include <stdio.h>
#include <valgrind/callgrind.h>

#include "host.h"
#include "proxy.h"

#define SHARERS		10U
#define A_VM		1000U
#define LARGEST_VM	4096U
#define TIMES		100U

static void begin(void)
{
	CALLGRIND_START_INSTRUMENTATION;
	CALLGRIND_ZERO_STATS;
}

/* @times operations were done since begin(). */
static void end(const char *row, u32 times)
{
	char name[64];

	/* Not counted: the name is made before, but for that this would have to be known there. */
	CALLGRIND_STOP_INSTRUMENTATION;
	snprintf(name, sizeof(name), "%s/%u", row, times);
	CALLGRIND_DUMP_STATS_AT(name);
}

static struct guest **guests;
static u32 nr_guests;

/* All that is there besides what is measured. */
static void fill(u32 nr, u32 a_vm)
{
	u32 irqs = 0, i;

	guests = calloc(nr / a_vm, sizeof(*guests));
	while (nr_guests < nr / a_vm) {
		struct guest *guest = guest_new(a_vm + TIMES);

		for (i = 0; i < a_vm; i++) {
			struct irqfd *irqfd = assign(guest, LPI + i / SHARERS);

			if (irqs < MAX_HOST_IRQS) {
				connect(irqfd, &guests[irqs / 16]);
				irqs++;
			}
		}
		settle(guest);
		guests[nr_guests++] = guest;
	}
}

/* What vm_next() of src/vm.c does is not measured here. */
static u32 dump(struct guest *guest)
{
	static struct vlpi_broker_client buf[4096];
	u64 cursor = 0, generation;
	bool more = true;
	u32 all = 0;

	while (more)
		all += broker_dump(&guest->book, buf, ARRAY_SIZE(buf), &cursor, &more, &generation);
	return all;
}

/* Beside ten times as many VMs. */
static void irqfds(void)
{
	struct guest *guest = guests[nr_guests / 2];
	struct irqfd *irqfd[TIMES];
	struct vb_slot *spare[TIMES];
	u32 i;

	for (i = 0; i < 9 * nr_guests; i++)
		assign(guest_new(1), LPI);
	for (i = 0; i < TIMES; i++) {
		irqfd[i] = &guest->irqfd[guest->nr++];
		irqfd[i]->client.vm = &guest->book;
		refcount_set(&irqfd[i]->client.refs, 1);
		spare[i] = broker_slot_new();
	}
	begin();
	for (i = 0; i < TIMES; i++)
		broker_add_client(&irqfd[i]->client, spare[i]);
	end("add", TIMES);
	settle(guest);
	begin();
	for (i = 0; i < TIMES; i++)
		spare[i] = broker_remove_client(&irqfd[i]->client);
	end("remove", TIMES);
}

static void producers(void)
{
	struct guest *guest = guest_of(A_VM, SHARERS, NULL);
	struct irqfd *alone[TIMES], *late[TIMES];
	struct vb_client *client;
	struct vb_step step;
	u32 i;

	for (i = 0; i < TIMES; i++) {
		late[i] = assign(guest, LPI + i);
		alone[i] = assign(guest, 2 * LPI + i);
	}
	settle(guest);
	begin();
	for (i = 0; i < TIMES; i++) {
		connect(alone[i], NULL);
		settle(guest);
	}
	end("granted", TIMES);
	begin();
	for (i = 0; i < TIMES; i++) {
		connect(late[i], NULL);
		settle(guest);
	}
	end("waits", TIMES);
	begin();
	for (i = 0; i < TIMES; i++) {
		disconnect(late[i]);
		settle(guest);
	}
	end("waiter-leaves", TIMES);
	begin();
	for (i = 0; i < TIMES; i++) {
		disconnect(&guest->irqfd[i * SHARERS]);
		settle(guest);
	}
	end("holder-leaves", TIMES);

	begin();
	for (i = 0; i < TIMES; i++)
		broker_gate(&guest->book, NULL, 3 * MAX_HOST_IRQS + i, LPI, NULL, VB_ASK_MAP, &client);
	end("gate", TIMES);
	begin();
	for (i = 0; i < TIMES; i++)
		discard(&guest->irqfd[i * SHARERS + 1]);
	end("watch", TIMES);
	settle(guest);

	begin();
	for (i = 0; i < TIMES; i++)
		broker_next(&guest->book, guest, now, &step);
	end("nothing", TIMES);

	/* Of this vLPI all have left: KVM serves the signal. */
	for (i = 0; i < TIMES; i++)
		disconnect(alone[i]);
	settle(guest);
	begin();
	for (i = 0; i < TIMES; i++)
		broker_signal(&alone[i]->client);
	end("wake-kvm", TIMES);
	broker_signal(&guest->irqfd[2].client);
	begin();
	for (i = 0; i < TIMES; i++)
		broker_signal(&guest->irqfd[2].client);
	end("wake-merged", TIMES);
	begin();
	for (i = 0; i < TIMES; i++)
		broker_signal(&guest->irqfd[i * SHARERS + 3].client);
	end("wake", TIMES);
	begin();
	settle(guest);
	end("serve", TIMES);
}

static void changes(void)
{
	struct guest *large = guest_of(LARGEST_VM, SHARERS, NULL);

	begin();
	broker_changed(&guests[0]->book, VB_WALK_ALL);
	settle(guests[0]);
	end("look", 1);
	begin();
	broker_changed(&large->book, VB_WALK_ROUTES);
	settle(large);
	end("routes", 1);
}

static void shown(void)
{
	struct guest *shared = guest_of(LARGEST_VM, LARGEST_VM, NULL);
	struct vlpi_broker_info info;
	u32 i, all = 0;

	begin();
	broker_info(&info);
	end("info", 1);
	begin();
	for (i = 0; i < nr_guests; i++)
		all += dump(guests[i]);
	end("dump", all);
	begin();
	all = dump(shared);
	end("dump-shared", all);
}

/* The holder leaves. The next that can be granted is behind so many that the irqchip turns down. */
static void refused(u32 nr, const char *first, const char *then)
{
	struct guest *guest = guest_new(nr + 3);
	struct irqfd *holder, *next, *last;
	u32 i;

	holder = assign(guest, LPI);
	connect(holder, NULL);
	settle(guest);
	for (i = 0; i < nr; i++) {
		struct irqfd *irqfd = assign(guest, LPI);

		irqfd->refuse = -EINVAL;
		connect(irqfd, NULL);
	}
	next = assign(guest, LPI);
	connect(next, NULL);
	last = assign(guest, LPI);
	connect(last, NULL);
	settle(guest);

	tried = 0;
	begin();
	disconnect(holder);
	settle(guest);
	end(first, tried);
	tried = 0;
	begin();
	disconnect(next);
	settle(guest);
	end(then, tried);
}

int main(int argc, char **argv)
{
	u32 nr = argc == 2 ? strtoul(argv[1], NULL, 0) : 0;

	if (nr < A_VM || nr % A_VM) {
		fprintf(stderr, "usage: scale IRQFDS, a multiple of %u\n", A_VM);
		return 2;
	}
	begin();
	end("empty", 1);

	broker_memory_init();
	fill(nr, A_VM);
	irqfds();
	producers();
	changes();
	shown();
	refused(0, "promotion", "promotion-again");
	refused(LARGEST_VM, "promotion-tried", "promotion-past");

	charged = 0;
	broker_slot_free(broker_slot_new());
	printf("proxy %zu slot %zu uncharged %zu\n", sizeof(struct vb_proxy), charged, uncharged);
	return 0;
}
