/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_PROXY_H
#define VLPI_BROKER_PROXY_H

#include <linux/irqbypass.h>
#include <linux/kthread.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "broker.h"

/**
 * struct vb_proxy - our consumer in front of KVM's, and what else belongs to one irqfd
 * @client: the irqfd, as the arbiter sees it.
 * @kvm: the VM; it lives as long as its irqfds.
 * @irqfd: KVM's; it lives until unregister_consumer() returns.
 * @consumer: our consumer, registered with irqbypass in the place of @irqfd->consumer.
 * @registered: @consumer is registered; irqbypass refuses a second consumer of one eventfd.
 * @prod: the producer that is connected; irqbypass's mutex.
 * @seen: the route that shim_resolve() has looked at last.
 * @granted: what KVM's add and del are given in place of @irqfd: the VM, and the route as it was
 *	when the slot was granted. No kernel's add and del read more of it than that, and with
 *	@irqfd they would act on a route that has changed since.
 * @granted_its: the guest's ITS that the granted route leads through; it lives as long as the VM.
 * @granted_irq: the LPI at the end of that route, which lives as long as the host IRQ is mapped to
 *	it; NULL where the host IRQ was not mapped after the grant.
 * @kvm_wake: KVM's wait-queue callback, behind ours.
 * @inject: queued on the VM's worker for each signal of a waiter.
 * @taken: in the list of take_over_vm().
 * @node: in the table of proxies.
 * @rcu: the wake-up looks the proxy up without a lock.
 */
struct vb_proxy {
	struct vb_client client;
	struct kvm *kvm;
	struct kvm_kernel_irqfd *irqfd;
	struct irq_bypass_consumer consumer;
	bool registered;
	struct irq_bypass_producer *prod;
	struct kvm_kernel_irq_routing_entry seen;
	struct kvm_kernel_irqfd granted;
	struct vgic_its *granted_its;
	struct vgic_irq *granted_irq;
	wait_queue_func_t kvm_wake;
	struct kthread_work inject;
	struct list_head taken;
	struct hlist_node node;
	struct rcu_head rcu;
};

static inline struct vb_proxy *proxy_of(struct vb_client *client)
{
	return container_of(client, struct vb_proxy, client);
}

void proxy_insert(struct vb_proxy *proxy);
void proxy_erase(struct vb_proxy *proxy);
struct vb_proxy *proxy_find(const struct kvm_kernel_irqfd *irqfd);

#endif /* VLPI_BROKER_PROXY_H */
