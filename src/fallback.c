// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fallback: a signal of an irqfd whose vLPI is held becomes a guest MSI.
 *
 * A signal reaches KVM through the callback in the irqfd's wait-queue entry. Ours stands in front
 * of KVM's from registration until KVM has removed the entry, and decides anew at each signal. An
 * irqfd without a producer is served too, since user space may signal its eventfd. Where nobody
 * holds the vLPI, and nobody could, KVM serves the signal, and so it does EPOLLHUP.
 *
 * With fallback=inline the wake-up itself raises it through the holder's host IRQ where that can be
 * done at once: no other thread, no exit of the guest, and an ITS command in interrupt context.
 * Where it can't, and always with fallback=thread, the signal is booked, and the VM's work item
 * raises it: through the holder's host IRQ, or as KVM_SIGNAL_MSI would. An LPI is an edge: signals
 * that come before the work item has taken one merge.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/poll.h>
#include <linux/wait.h>

#include "compat.h"
#include "fallback.h"
#include "proxy.h"
#include "vm.h"

/* Module parameter, for producers that connect from now on: see main.c. */
bool fallback_inline = true;

/* KVM's wait-queue callback, behind ours: one for all irqfds. */
static wait_queue_func_t kvm_wake;

/* Not while the VM is held off, which waits for those that have begun by RCU. */
static bool raise_inline(struct vb_client *client)
{
	bool raised;

	rcu_read_lock();
	raised = READ_ONCE(client->raises_inline) && !READ_ONCE(vm_of(client)->held_off) &&
		 broker_raise(client);
	rcu_read_unlock();
	return raised;
}

/* Serve a signal of this irqfd. False: KVM is to serve it. */
static bool take_signal(struct vb_client *client)
{
	if (raise_inline(client)) {
		broker_count_signal(client);
		broker_count_injection(client, VLPI_BROKER_WHY_INLINE);
		return true;
	}
	return broker_signal(client);
}

/* Called with the lock of the eventfd's wait queue held and interrupts off. */
static int wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct kvm_kernel_irqfd *irqfd = container_of(wait, struct kvm_kernel_irqfd, wait);
	__poll_t mask = key_to_poll(key);
	struct vb_proxy *proxy;

	/* Pairs with fallback_take(): who has read this function reads its proxy. */
	smp_rmb();
	/* The proxy is there as long as the entry is in the wait queue. */
	proxy = READ_ONCE(wait->private);
	if (!(mask & EPOLLIN) || mask & EPOLLHUP || shim_is_leaving(&proxy->client) ||
	    !take_signal(&proxy->client))
		return kvm_wake(wait, mode, sync, key);
	/* Where KVM waits exclusively, its callback reads the eventfd; so does this one. */
	return wait->flags & WQ_FLAG_EXCLUSIVE && compat_eventfd_read(irqfd->eventfd);
}

/**
 * fallback_take - put our wait-queue callback in front of KVM's
 * @proxy: whose client is booked.
 *
 * A signal that is under way meets either callback; both are right. KVM uses the entry's private
 * pointer for nothing.
 *
 * Context: any.
 */
void fallback_take(struct vb_proxy *proxy)
{
	wait_queue_entry_t *wait = &proxy->irqfd->wait;

	fallback_choose(proxy);
	WRITE_ONCE(kvm_wake, READ_ONCE(wait->func));
	WRITE_ONCE(wait->private, proxy);
	/* Pairs with wake() and fallback_proxy(). */
	smp_store_release(&wait->func, wake);
}

/**
 * fallback_proxy - the proxy of an irqfd
 * @irqfd: KVM's.
 *
 * Context: any, where KVM does not free this irqfd meanwhile.
 * Return: the proxy, or NULL.
 */
struct vb_proxy *fallback_proxy(const struct kvm_kernel_irqfd *irqfd)
{
	/* Pairs with fallback_take(). */
	if (smp_load_acquire(&irqfd->wait.func) != wake)
		return NULL;
	return READ_ONCE(irqfd->wait.private);
}

/**
 * fallback_choose - serve an irqfd as the parameter says now
 * @proxy: that may become a waiter.
 *
 * A signal that is under way is served in either way; both are right.
 *
 * Context: any.
 */
void fallback_choose(struct vb_proxy *proxy)
{
	WRITE_ONCE(proxy->client.raises_inline, READ_ONCE(fallback_inline));
}
