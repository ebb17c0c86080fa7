// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of ports: which of ours stands in front of an irqfd of KVM's.
 *
 * It is read without a lock, from a wake-up in hard interrupt context.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hashtable.h>
#include <linux/spinlock.h>

#include "port.h"

static DEFINE_HASHTABLE(ports, 10);
static DEFINE_SPINLOCK(ports_lock);

/**
 * port_insert - make a port known
 * @port: with its irqfd filled in.
 *
 * Context: process.
 */
void port_insert(struct vb_port *port)
{
	spin_lock(&ports_lock);
	hash_add_rcu(ports, &port->node, (unsigned long)port->irqfd);
	spin_unlock(&ports_lock);
}

/**
 * port_erase - forget a port
 * @port: to be freed after RCU.
 *
 * Context: process.
 */
void port_erase(struct vb_port *port)
{
	spin_lock(&ports_lock);
	hash_del_rcu(&port->node);
	spin_unlock(&ports_lock);
}

/**
 * port_find - the port of an irqfd
 * @irqfd: KVM's.
 *
 * Context: any; rcu_read_lock(), or what else keeps the irqfd from being shut down.
 * Return: the port, or NULL.
 */
struct vb_port *port_find(const struct kvm_kernel_irqfd *irqfd)
{
	struct vb_port *port;

	hash_for_each_possible_rcu_notrace(ports, port, node, (unsigned long)irqfd)
		if (port->irqfd == irqfd)
			return port;
	return NULL;
}
