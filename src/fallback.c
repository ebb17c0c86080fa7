// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal of an irqfd whose vLPI is held becomes a guest MSI, on a thread.
 *
 * A signal reaches KVM through the callback in the irqfd's wait-queue entry. Ours stands in front
 * of it from registration until KVM has removed the entry, and decides anew at each signal: while
 * the slot has a holder, or hands are changing, it queues the irqfd's work on the VM's worker;
 * anything else goes to KVM's own callback, EPOLLHUP included. An irqfd without a producer is
 * served too, since user space may signal it by hand.
 *
 * The thread injects what KVM_SIGNAL_MSI would, from a fresh snapshot of the route and under the
 * slot's mutex, so that the holder through which KVM raises it stays the holder meanwhile. An LPI
 * is an edge: signals that come before the thread has run merge into one injection.
 *
 * There is one worker a VM, made when the VM first has a waiter. It lives in the cgroups of the
 * VMM, as vhost's do: a guest is not to buy host time with its interrupts. Where there is none (no
 * memory, or a fatal signal to the VMM while it was being made), KVM's own path injects; that is
 * right too, since KVM raises through the holder, and only wants for the slot's mutex.
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
#include "port.h"

static void inject(struct kthread_work *work)
{
	struct vb_port *port = container_of(work, struct vb_port, inject);
	struct vb_slot *slot;

	slot = broker_lock_slot(&port->client);
	shim_raise(&port->client);
	broker_unlock_slot(slot);
	broker_count_injection(&port->client);
}

/* Called with the lock of the eventfd's wait queue held and interrupts off. */
static int wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct kvm_kernel_irqfd *irqfd = container_of(wait, struct kvm_kernel_irqfd, wait);
	__poll_t events = key_to_poll(key);
	struct kthread_worker *worker;
	struct vb_port *port;
	u64 ignored;

	rcu_read_lock();
	/* It is there as long as the entry is in the wait queue. */
	port = port_find(irqfd);
	/* Pairs with fallback_prepare(). */
	worker = smp_load_acquire(&port->client.vm->worker);
	if (!(events & EPOLLIN) || events & EPOLLHUP || !worker || shim_is_leaving(&port->client) ||
	    !broker_is_served(&port->client)) {
		wait_queue_func_t kvm_wake = port->kvm_wake;

		rcu_read_unlock();
		return kvm_wake(wait, mode, sync, key);
	}
	/* KVM reads the eventfd, and keeps the signal from others, where it waits exclusively. */
	if (wait->flags & WQ_FLAG_EXCLUSIVE)
		eventfd_ctx_do_read(irqfd->eventfd, &ignored);
	broker_count_signal(&port->client);
	kthread_queue_work(worker, &port->inject);
	rcu_read_unlock();
	return !!(wait->flags & WQ_FLAG_EXCLUSIVE);
}

/**
 * fallback_take - stand in front of KVM's wait-queue callback
 * @port: that port_find() finds.
 *
 * A signal that is under way meets either callback; each is right.
 *
 * Context: any.
 */
void fallback_take(struct vb_port *port)
{
	kthread_init_work(&port->inject, inject);
	port->kvm_wake = READ_ONCE(port->irqfd->wait.func);
	/* The port is complete, and in the table, before a signal comes to ask for it. */
	smp_store_release(&port->irqfd->wait.func, wake);
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
	join_cgroups(worker->task, vm->pid);
	/* Ready before wake() queues to it. */
	smp_store_release(&vm->worker, worker);
}

/**
 * fallback_flush - have the last signal of an irqfd injected
 * @port: of an irqfd that is not signalled any more.
 *
 * Context: process, irqbypass's mutex not held; may sleep.
 */
void fallback_flush(struct vb_port *port)
{
	kthread_flush_work(&port->inject);
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
