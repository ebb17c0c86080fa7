// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal of an irqfd whose vLPI is held becomes a guest MSI, on a thread or at once.
 *
 * A signal reaches KVM through the callback in the irqfd's wait-queue entry. Ours stands in front
 * of it from registration until KVM has removed the entry, and decides anew at each signal: while
 * the slot has a holder, or hands are changing, the signal is ours; anything else goes to KVM's own
 * callback, EPOLLHUP included. An irqfd without a producer is served too, since user space may
 * signal it by hand. A signal that KVM serves because the slot is empty, though its client could
 * perhaps be mapped by now, has that looked at.
 *
 * With fallback=thread the irqfd's work is queued on the VM's worker.
 * The thread injects what KVM_SIGNAL_MSI would, from a fresh snapshot of the route and under the
 * slot's mutex, so that the holder through which KVM raises it stays the holder meanwhile. An LPI
 * is an edge: signals that come before the thread has run merge into one injection.
 *
 * There is one worker a VM, made when the VM first has a waiter. It lives in the cgroups of the
 * VMM, as vhost's do (on 5.10 in those of version 1 only), with the nice value of fallback_nice: a
 * guest is not to buy host time with its interrupts. Where there is none (no memory, or a fatal
 * signal to the VMM while it was being made), KVM's own path injects; that is right too, since KVM
 * raises through the holder, and only wants for the slot's mutex.
 *
 * With fallback=inline the vLPI is raised through the holder's host IRQ by the wake-up itself: no
 * thread, no exit of the guest, and an ITS command in hard interrupt context.
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

/* Module parameters, for waiters and workers to come: see main.c. */
bool fallback_inline;
int fallback_nice;

static void (*kick_arbiter)(void);

/**
 * fallback_init - before the first irqfd is taken
 * @kick: to be called, in any context, where unsettled clients are to be looked at.
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

/* Is a signal of this irqfd taken? It has been seen to then, or will be. */
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
	__poll_t events = key_to_poll(key);
	struct vb_proxy *proxy;
	bool taken = false;
	u64 ignored;
	int ret;

	rcu_read_lock();
	/* It is there as long as the entry is in the wait queue. */
	proxy = proxy_find(irqfd);
	if (events & EPOLLIN && !(events & EPOLLHUP) && !shim_is_leaving(&proxy->client)) {
		taken = take_signal(proxy);
		if (!taken && broker_is_due(&proxy->client))
			kick_arbiter();
	}
	if (taken) {
		/* Where KVM waits exclusively, it reads the eventfd and keeps the signal. */
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
 * fallback_take - stand in front of KVM's wait-queue callback
 * @proxy: that proxy_find() finds.
 *
 * A signal that is under way meets either callback; each is right.
 *
 * Context: any.
 */
void fallback_take(struct vb_proxy *proxy)
{
	kthread_init_work(&proxy->inject, inject);
	fallback_choose(proxy);
	proxy->kvm_wake = READ_ONCE(proxy->irqfd->wait.func);
	/* The proxy is complete, and in the table, before a signal comes to ask for it. */
	smp_store_release(&proxy->irqfd->wait.func, wake);
}

/**
 * fallback_choose - serve an irqfd as the parameter says now
 * @proxy: that is becoming a waiter.
 *
 * A signal that is under way goes either way; each is right.
 *
 * Context: any.
 */
void fallback_choose(struct vb_proxy *proxy)
{
	WRITE_ONCE(proxy->client.raises_inline, READ_ONCE(fallback_inline));
}

/* The VMM may have exited by now, or be about to: then the worker stays where it was made. */
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
	/* Ready before wake() queues to it. */
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
