// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of proxies, by irqfd.
 *
 * The wake-up of an irqfd looks its proxy up in hard interrupt context, under RCU and no lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hashtable.h>
#include <linux/spinlock.h>

#include "proxy.h"

static DEFINE_HASHTABLE(proxies, 10);
static DEFINE_SPINLOCK(proxies_lock);

/**
 * proxy_insert - make a proxy known
 * @proxy: with its irqfd filled in.
 *
 * Context: process.
 */
void proxy_insert(struct vb_proxy *proxy)
{
	spin_lock(&proxies_lock);
	hash_add_rcu(proxies, &proxy->node, (unsigned long)proxy->irqfd);
	spin_unlock(&proxies_lock);
}

/**
 * proxy_erase - forget a proxy
 * @proxy: to be freed after RCU.
 *
 * Context: process.
 */
void proxy_erase(struct vb_proxy *proxy)
{
	spin_lock(&proxies_lock);
	hash_del_rcu(&proxy->node);
	spin_unlock(&proxies_lock);
}

/**
 * proxy_find - the proxy of an irqfd
 * @irqfd: KVM's.
 *
 * Context: any; in rcu_read_lock(), or where KVM does not shut this irqfd down meanwhile: its proxy
 *	stays. Those of other irqfds, which are in the same bucket, may go at any time.
 * Return: the proxy, or NULL.
 */
struct vb_proxy *proxy_find(const struct kvm_kernel_irqfd *irqfd)
{
	struct vb_proxy *proxy;

	rcu_read_lock();
	hash_for_each_possible_rcu(proxies, proxy, node, (unsigned long)irqfd)
		if (proxy->irqfd == irqfd)
			break;
	rcu_read_unlock();
	return proxy;
}
