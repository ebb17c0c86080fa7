/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_EVENTS_H
#define VLPI_BROKER_EVENTS_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/types.h>

#include <linux/vlpi_broker.h>

/**
 * struct vm_events - the history of a VM
 * @vm: its id.
 * @nr: how many records it has.
 * @records: these, the oldest first.
 * @having: among the histories that have as many.
 * @node: among those of VMs, by @vm.
 */
struct vm_events {
	u64 vm;
	unsigned int nr;
	struct list_head records;
	struct list_head having;
	struct hlist_node node;
};

int events_init(void);
void events_exit(void);

void events_vm_begin(struct vm_events *of, u64 vm);
void events_vm_end(struct vm_events *of);
unsigned int events_copy(u64 next, struct vlpi_broker_event *to, unsigned int n);
bool events_pending(u64 next);
int events_wait(const u64 *next);
void events_poll_wait(struct file *file, poll_table *table);

#endif /* VLPI_BROKER_EVENTS_H */
