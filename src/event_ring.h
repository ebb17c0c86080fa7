/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_EVENT_RING_H
#define VLPI_BROKER_EVENT_RING_H

#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/types.h>

#include <linux/vlpi_broker.h>

int events_init(void);
void events_exit(void);

unsigned int events_copy(u64 next, struct vlpi_broker_event *to, unsigned int n);
bool events_pending(u64 next);
int events_wait(const u64 *next);
void events_poll_wait(struct file *file, poll_table *table);

#endif /* VLPI_BROKER_EVENT_RING_H */
