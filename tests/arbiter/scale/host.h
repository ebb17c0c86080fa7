/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host of any size for the arbiter, and as little of it as there can be: KVM and the irqchip do
 * at once what they are asked, and nothing is checked. tests/arbiter/unit has the host that checks.
 */
#ifndef SCALE_HOST_H
#define SCALE_HOST_H

#include "broker.h"

/* The largest number of LPIs that Linux hands out. */
#define MAX_HOST_IRQS	57344U
#define LPI		8192U

struct irqfd {
	struct vb_client client;
	u32 vintid;			/* to which its route leads */
	u32 host_irq;			/* of its producer, or 0 */
	bool leaving;			/* KVM has taken it off its list */
	bool route_changed;
	int refuse;			/* errno with which the irqchip turns it down */
};

struct guest {
	struct vb_vm book;
	struct irqfd *irqfd;
	u32 nr;
};

extern unsigned int tried;		/* grants */
extern u64 now;				/* time, in ms */

struct guest *guest_new(u32 room);
struct irqfd *assign(struct guest *guest, u32 vintid);
void deassign(struct irqfd *irqfd);
void connect(struct irqfd *irqfd, const void *device);
void disconnect(struct irqfd *irqfd);
void discard(struct irqfd *irqfd);
void settle(struct guest *guest);
/* So many irqfds with a producer each, and so many of them a vLPI. */
struct guest *guest_of(u32 nr, u32 a_vlpi, const void *device);

#endif /* SCALE_HOST_H */
