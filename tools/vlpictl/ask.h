/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's answers, checked before any other room sees them.
 *
 * Each function that asks returns 0 or more, or -1 after it has said on standard error what went
 * wrong and what to do.
 */
#ifndef VLPICTL_ASK_H
#define VLPICTL_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vlpi_broker.h>

/**
 * struct snapshot - all clients
 * @clients: sorted by VM, vLPI (clients without one last) and place in its queue.
 * @nr: how many.
 * @generation: of all VMs together: it differs where one of them has changed.
 * @consistent: they are one moment's state. Otherwise the state changed during every attempt, and
 *	each client is right, but clients may come from different moments.
 */
struct snapshot {
	struct vlpi_broker_client *clients;
	size_t nr;
	uint64_t generation;
	bool consistent;
};

int ask_open(void);
void ask_close(int fd);
int ask_info(int fd, struct vlpi_broker_info *info);
/* Whatever ABI the module speaks: its version and ABI are where they always were. */
int ask_any_info(int fd, struct vlpi_broker_info *info);
int ask_clients(int fd, struct snapshot *snap);

/* Room that ask_events() needs. */
#define EVENTS_AT_ONCE	256
int ask_events(int fd, struct vlpi_broker_event *to, uint64_t last);
int ask_wait(int fd);

/* The irqchip contradicts the state: a holder's host IRQ, and no other, is forwarded. */
bool client_mismatch(const struct vlpi_broker_client *c);

#endif
