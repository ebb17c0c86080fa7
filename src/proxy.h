/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_PROXY_H
#define VLPI_BROKER_PROXY_H

#include <linux/irqbypass.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include "broker.h"

struct irq_desc;

/**
 * struct vb_route - what counts of the route of an irqfd
 * @type: KVM_IRQ_ROUTING_*; all else is 0 where it is not KVM_IRQ_ROUTING_MSI.
 * @flags: of the MSI: whether it has a device ID. KVM takes no other flag.
 * @address_lo: of the MSI.
 * @address_hi: of the MSI.
 * @data: of the MSI: the EventID.
 * @devid: of the MSI.
 */
struct vb_route {
	u16 type;
	u16 flags;
	u32 address_lo;
	u32 address_hi;
	u32 data;
	u32 devid;
};

/* Is an irqfd shut out by irqbypass, as another has its eventfd? */
enum vb_shut_out {
	VB_NOT_SHUT_OUT,
	VB_SHUT_OUT,
	VB_LET_IN,		/* it is free by now: the consumer is to be registered again */
};

/**
 * struct vb_proxy - our consumer in front of KVM's, and what else belongs to one irqfd
 * @client: the irqfd, as the arbiter sees it. Its DeviceID and EventID are of the route that was
 *	looked at last.
 * @irqfd: KVM's; it lives until unregister_consumer() returns. Who settles looks at it only inside
 *	kvm->irq_srcu, where broker_is_there() has said that it is still on KVM's list.
 * @consumer: our consumer, registered with irqbypass in the place of @irqfd->consumer.
 * @registered: @consumer is registered; irqbypass refuses a second consumer of one eventfd.
 * @spare: a slot, until the arbiter has it and the irqfd its proxy; before it is shut out.
 * @shut_out: in which of the next two it is.
 * @by_eventfd: in the table of those that it has refused.
 * @let_in: in the VM's list of those that are to be registered again.
 * @desc: of the host IRQ when its producer connected, with a reference: another interrupt may have
 *	got the number since. NULL without a producer.
 * @seen_type: of the route that was looked at last.
 * @seen_flags: the same.
 * @seen_lo: the same: its address.
 * @seen_hi: the same.
 * @followed: it was followed; KVM's lock may have been taken.
 * @granted: how the slot was granted last: by the guest's ITS, which lives as long as the VM, and
 *	its event.
 * @taken: in the list of take_over_vm(). From there on it may be granted.
 * @rcu: the hooks look at the client without a lock. One that is freed is granted no more.
 *
 * A proxy has a reference to its VM until it is freed. What was seen, @followed and @granted are
 * written by who settles; @granted not while the host IRQ is mapped. There may be very many: what
 * is never used at once shares its place.
 */
struct vb_proxy {
	struct vb_client client;
	struct kvm_kernel_irqfd *irqfd;
	struct irq_bypass_consumer consumer;
	struct irq_desc *desc;
	u32 seen_lo;
	u32 seen_hi;
	u16 seen_type;
	u16 seen_flags;
	bool followed;
	bool registered;
	u8 shut_out;
	union {
		struct vb_slot *spare;
		struct hlist_node by_eventfd;
		struct list_head let_in;
	};
	union {
		struct list_head taken;
		struct {
			struct vgic_its *its;
			u32 devid;
			u32 eventid;
		} granted;
		struct rcu_head rcu;
	};
};

static inline struct vb_proxy *proxy_of(struct vb_client *client)
{
	return container_of(client, struct vb_proxy, client);
}

#endif /* VLPI_BROKER_PROXY_H */
