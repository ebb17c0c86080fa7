// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fallback: a signal of an irqfd whose vLPI is held becomes a guest MSI, by thread or at once.
 *
 * A signal reaches KVM through the callback in the irqfd's wait-queue entry. Ours stands in front
 * of KVM's from registration until KVM has removed the entry, and decides anew at each signal.
 * While the slot has a holder, or hands are changing, the broker serves the signal. All others go
 * to KVM's callback, and so does EPOLLHUP. An irqfd without a producer is served too, since user
 * space may signal its eventfd. Where KVM serves a signal though the client could perhaps be
 * mapped by now, the arbiter is kicked.
 *
 * With fallback=thread the irqfd's work is queued on the VM's worker. The thread injects what
 * KVM_SIGNAL_MSI would, from a fresh snapshot of the route and under the slot's mutex, so that the
 * holder through which KVM raises the vLPI stays the holder meanwhile. An LPI is an edge: signals
 * that come before the thread has run merge into one injection.
 *
 * There is one worker a VM, made when the VM first has a waiter. It is in the cgroups of the VMM,
 * as vhost's workers are (on 5.10 in those of version 1 only), with the nice value fallback_nice: a
 * guest is not to buy host time with its interrupts. Where the worker could not be made (no memory,
 * or a fatal signal to the VMM), KVM serves the signals. KVM raises through the holder too, and
 * only lacks the slot's mutex.
 *
 * With fallback=inline the wake-up itself raises the vLPI through the holder's host IRQ: no thread,
 * no exit of the guest, and an ITS command in hard interrupt context.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cgroup.h>
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/kthread.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "compat.h"
#include "fallback.h"
#include "its_shim.h"
#include "proxy.h"

/* Module parameters, for waiters and workers from now on: see main.c. */
bool fallback_inline;
int fallback_nice;

static void (*kick_arbiter)(void);

/**
 * fallback_init - to be called before the first fallback_take()
 * @kick: called, in any context, where unsettled clients are to be looked at.
 */
void fallback_init(void (*kick)(void))
{
	kick_arbiter = kick;
}

static void inject(struct kthread_work *work)
{
	struct vb_proxy *proxy = container_of(work, struct vb_proxy, inject);
	struct vb_slot *slot;

	slot = broker_lock_slot(&proxy->client);
	shim_raise(&proxy->client);
	broker_unlock_slot(slot);
	broker_count_injection(&proxy->client, VLPI_BROKER_WHY_THREAD);
}

/* Serve a signal of this irqfd, at once or by the thread. False: KVM is to serve it. */
static bool take_signal(struct vb_proxy *proxy)
{
	struct kthread_worker *worker;

	if (READ_ONCE(proxy->client.raises_inline)) {
		if (!broker_raise(&proxy->client))
			return false;
		broker_count_signal(&proxy->client);
		broker_count_injection(&proxy->client, VLPI_BROKER_WHY_INLINE);
		return true;
	}
	/* Pairs with fallback_prepare(). */
	worker = smp_load_acquire(&proxy->client.vm->worker);
	if (!worker || !broker_is_served(&proxy->client))
		return false;
	broker_count_signal(&proxy->client);
	kthread_queue_work(worker, &proxy->inject);
	return true;
}

/* Called with the lock of the eventfd's wait queue held and interrupts off. */
static int wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct kvm_kernel_irqfd *irqfd = container_of(wait, struct kvm_kernel_irqfd, wait);
	__poll_t mask = key_to_poll(key);
	struct vb_proxy *proxy;
	bool taken = false;
	u64 ignored;
	int ret;

	rcu_read_lock();
	/* The proxy is there as long as the entry is in the wait queue. */
	proxy = proxy_find(irqfd);
	if (mask & EPOLLIN && !(mask & EPOLLHUP) && !shim_is_leaving(&proxy->client)) {
		taken = take_signal(proxy);
		if (!taken && broker_is_due(&proxy->client))
			kick_arbiter();
	}
	if (taken) {
		/* Where KVM waits exclusively, its callback reads the eventfd; so does this one. */
		ret = !!(wait->flags & WQ_FLAG_EXCLUSIVE);
		if (ret)
			eventfd_ctx_do_read(irqfd->eventfd, &ignored);
	} else {
		ret = proxy->kvm_wake(wait, mode, sync, key);
	}
	rcu_read_unlock();
	return ret;
}

/**
 * fallback_take - put our wait-queue callback in front of KVM's
 * @proxy: that proxy_find() finds.
 *
 * A signal that is under way meets either callback; both are right.
 *
 * Context: any.
 */
void fallback_take(struct vb_proxy *proxy)
{
	kthread_init_work(&proxy->inject, inject);
	fallback_choose(proxy);
	proxy->kvm_wake = READ_ONCE(proxy->irqfd->wait.func);
	/* The proxy is complete, and in the table, before wake() looks for it. */
	smp_store_release(&proxy->irqfd->wait.func, wake);
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

/* Where the VMM has exited by now, or is about to, the worker stays in the cgroups it has. */
static void join_cgroups(struct task_struct *worker, int pid)
{
	struct task_struct *vmm;

	rcu_read_lock();
	vmm = pid_task(find_pid_ns(pid, &init_pid_ns), PIDTYPE_PID);
	if (vmm)
		get_task_struct(vmm);
	rcu_read_unlock();
	if (!vmm)
		return;
	if (cgroup_attach_task_all(vmm, worker))
		pr_warn_once("a fallback thread could not join the cgroups of its VMM\n");
	put_task_struct(vmm);
}

/**
 * fallback_prepare - see that a VM has a worker
 * @vm: that has a waiter.
 *
 * Context: process, irqbypass's mutex held; may sleep.
 */
void fallback_prepare(struct vb_vm *vm)
{
	struct kthread_worker *worker;

	if (vm->worker)
		return;
	worker = kthread_run_worker(0, "vlpi-vm%llu", vm->id);
	if (IS_ERR(worker)) {
		pr_warn_ratelimited("no fallback thread for the VM of process %d (error %ld): KVM injects for its waiters\n",
				    vm->pid, PTR_ERR(worker));
		return;
	}
	set_user_nice(worker->task, READ_ONCE(fallback_nice));
	join_cgroups(worker->task, vm->pid);
	/* The worker is ready before take_signal() queues to it. */
	smp_store_release(&vm->worker, worker);
}

/**
 * fallback_flush - have the last signal of an irqfd injected
 * @proxy: of an irqfd that is not signalled any more.
 *
 * Context: process, irqbypass's mutex not held; may sleep.
 */
void fallback_flush(struct vb_proxy *proxy)
{
	kthread_flush_work(&proxy->inject);
}

/**
 * fallback_end - end the worker of a VM
 * @vm: without clients.
 *
 * Context: process; may sleep.
 */
void fallback_end(struct vb_vm *vm)
{
	if (vm->worker)
		kthread_destroy_worker(vm->worker);
}
