/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_PROXY_H
#define VLPI_BROKER_PROXY_H

#include <linux/irqbypass.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "broker.h"

struct eventfd_ctx;
struct irq_domain;

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

/**
 * struct vb_proxy - our consumer in front of KVM's, and what else belongs to one irqfd
 * @client: the irqfd, as the arbiter sees it.
 * @irqfd: KVM's; it lives until unregister_consumer() returns. Who settles looks at it only inside
 *	kvm->irq_srcu, where broker_is_there() has said that it is still on KVM's list.
 * @eventfd: of @irqfd; compared, never followed.
 * @consumer: our consumer, registered with irqbypass in the place of @irqfd->consumer.
 * @registered: @consumer is registered; irqbypass refuses a second consumer of one eventfd.
 * @by_eventfd: in the table of those that it has refused.
 * @let_in: in the VM's list of those that are to be registered again.
 * @spare: a slot, until the arbiter has it and the irqfd its proxy.
 * @irq_data: of the host IRQ when its producer connected; compared, never followed.
 * @domain: of that; compared, never followed.
 * @hwirq: in @domain; another interrupt may have got the number since.
 * @seen: the route that was looked at last.
 * @followed: it was followed; KVM's lock may have been taken.
 * @granted: the route by which the slot was granted last.
 * @granted_its: the guest's ITS that @granted leads through; it lives as long as the VM.
 * @kvm_wake: KVM's wait-queue callback, behind ours.
 * @taken: in the list of take_over_vm(). From there on it may be granted.
 * @rcu: the hooks look at the client without a lock. One that is freed is granted no more.
 *
 * A proxy has a reference to its VM until it is freed. @seen, @followed, @granted and @granted_its
 * are written by who settles; @granted not while the host IRQ is mapped.
 */
struct vb_proxy {
	struct vb_client client;
	struct kvm_kernel_irqfd *irqfd;
	const struct eventfd_ctx *eventfd;
	struct irq_bypass_consumer consumer;
	struct hlist_node by_eventfd;
	struct list_head let_in;
	const struct irq_data *irq_data;
	const struct irq_domain *domain;
	irq_hw_number_t hwirq;
	struct vb_route seen;
	bool followed;
	bool registered;
	union {
		struct list_head taken;
		struct vb_route granted;
		struct rcu_head rcu;
	};
	struct vgic_its *granted_its;
	union {
		struct vb_slot *spare;
		wait_queue_func_t kvm_wake;
	};
};

static inline struct vb_proxy *proxy_of(struct vb_client *client)
{
	return container_of(client, struct vb_proxy, client);
}

#endif /* VLPI_BROKER_PROXY_H */
