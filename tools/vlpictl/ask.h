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
 * struct clients - all clients, a piece at a time
 * @client: those of this piece, sorted by VM, vLPI (clients without one last) and place in its
 *	queue. Each VM is in one piece.
 * @nr: how many.
 * @generation: of all VMs that were read so far together: it differs where one of them has changed.
 * @consistent: each VM is shown as it was at one moment. Otherwise one changed during every attempt,
 *	and each client is right, but those of that VM may come from different moments.
 * @nr_read: clients of all pieces.
 *
 * The others are ask.c's alone: it may have read more than this piece.
 *
 * @nr_there: clients in @client. @room: for so many.
 * @cursor: id of the last one read.
 * @vm_begin: of @client: where the VM begins that was read last. @vm_cursor: the cursor there.
 * @vm_generation: of that VM. @walks: how often it had changed before all of it was read.
 */
struct clients {
	struct vlpi_broker_client *client;
	size_t nr;
	uint64_t generation;
	bool consistent;
	size_t nr_read;

	size_t nr_there, room;
	uint64_t cursor;
	size_t vm_begin;
	uint64_t vm_cursor;
	uint64_t vm_generation;
	unsigned int walks;
};

int ask_open(void);
void ask_close(int fd);
int ask_info(int fd, struct vlpi_broker_info *info);
/* Whatever ABI the module speaks: its version and ABI are where they always were. */
int ask_any_info(int fd, struct vlpi_broker_info *info);
/*
 * Read the next piece; @all is zero before the first. Returns 1 where more follow, and 0 with the
 * last one, inconsistent ones too, after saying so.
 */
int ask_clients(int fd, struct clients *all);
/*
 * Read them all: @take_piece is given the clients of each piece, and returns -1 after a complaint.
 * What @all says beside them stays.
 */
typedef int take_clients(void *to, const struct vlpi_broker_client *client, size_t nr);
int ask_all_clients(int fd, struct clients *all, take_clients *take_piece, void *to);

/* Room that ask_events() needs. */
#define EVENTS_AT_ONCE	256
int ask_events(int fd, struct vlpi_broker_event *to, uint64_t last);
int ask_wait(int fd);

/* The irqchip contradicts the state: a holder's host IRQ, and no other, is forwarded. */
bool client_mismatch(const struct vlpi_broker_client *c);

#endif
