// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our irq-bypass consumer in front of KVM's: one proxy an irqfd.
 *
 * KVM registers a consumer for each irqfd, and irqbypass connects it with the producer of the same
 * eventfd. The calls that register and unregister a consumer are redirected here. For a consumer of
 * KVM's our own is registered in its place, with the same identity. KVM's stays behind it, and its
 * callbacks are called for the holder only. An error of irqbypass goes to KVM as it is.
 *
 * The proxy's add_producer returns 0 for a waiter as well: at an error irqbypass forgets the pair,
 * and would not tell when the producer leaves. A proxy has no stop and start, so that waiters come
 * and go without halting the guest; the shim halts it for a grant or a revoke.
 *
 * Work outside a callback (a route changed, the guest mapped an EventID) needs irqbypass's mutex,
 * or a producer could go while its client is arbitrated. The mutex is private to irqbypass, so a
 * pair of our own is connected, whose add_producer does the work and then returns an error: then
 * irqbypass keeps nothing and logs nothing.
 *
 * Irqfds that were assigned before the module was loaded are taken over: their consumers are
 * unregistered, which unmaps them, and then registered anew as if KVM had just done so.
 *
 * Each proxy holds a reference to the module, so it can't be unloaded while an irqfd is assigned.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dcache.h>
#include <linux/irqbypass.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "broker.h"
#include "compat.h"
#include "fallback.h"
#include "hook.h"
#include "irqbypass_hook.h"
#include "its_shim.h"
#include "proxy.h"

/* Keeps KVM from registering an irqfd while it is being taken over. */
static DEFINE_MUTEX(register_lock);

static struct kvm_kernel_irqfd *irqfd_of(struct irq_bypass_consumer *kvm_cons)
{
	return container_of(kvm_cons, struct kvm_kernel_irqfd, consumer);
}

static int real_register_consumer(struct irq_bypass_consumer *cons, void *identity)
{
	return hook_real(irq_bypass_register_consumer, compat_register_consumer(cons, identity));
}

static void real_unregister_consumer(struct irq_bypass_consumer *cons)
{
	hook_real(irq_bypass_unregister_consumer, irq_bypass_unregister_consumer(cons));
}

/* --- coming back to unsettled clients -------------------------------------------------------- */

/* Delays between looks at unsettled clients: a vLPI is not to be idle for more than 100 ms. */
#define FIRST_LOOK_MS	10U
#define LAST_LOOK_MS	80U

static struct workqueue_struct *kick_wq;
static void kick_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(kick, kick_work);
/* Whether bypass_kick() was called since the last look. */
static atomic_t kicked = ATOMIC_INIT(0);
/* Private to kick_work(). */
static unsigned int look_ms = FIRST_LOOK_MS;

/**
 * bypass_kick - have the clients of changed VMs, and unsettled ones, arbitrated again, soon
 *
 * Context: any.
 */
void bypass_kick(void)
{
	atomic_set(&kicked, 1);
	mod_delayed_work(kick_wq, &kick, 0);
}

/* While no client is unsettled, nothing is queued and no timer runs. */
static void come_back(void)
{
	if (broker_is_unsettled())
		queue_delayed_work(kick_wq, &kick, msecs_to_jiffies(FIRST_LOOK_MS));
}

/* --- the proxy ------------------------------------------------------------------------------- */

static int proxy_add_producer(struct irq_bypass_consumer *cons, struct irq_bypass_producer *prod)
{
	struct vb_proxy *proxy = container_of(cons, struct vb_proxy, consumer);

	proxy->prod = prod;
	fallback_choose(proxy);
	broker_add_producer(&proxy->client, prod->irq);
	if (proxy->client.state != VLPI_BROKER_HOLDER && !proxy->client.raises_inline)
		fallback_prepare(proxy->client.vm);
	come_back();
	return 0;
}

static void proxy_del_producer(struct irq_bypass_consumer *cons, struct irq_bypass_producer *prod)
{
	struct vb_proxy *proxy = container_of(cons, struct vb_proxy, consumer);

	broker_del_producer(&proxy->client);
	proxy->prod = NULL;
	come_back();
}

static struct vb_vm *vm_record(struct kvm *kvm)
{
	char comm[TASK_COMM_LEN] = "";
	struct task_struct *vmm;

	rcu_read_lock();
	vmm = pid_task(find_pid_ns(kvm->userspace_pid, &init_pid_ns), PIDTYPE_PID);
	if (vmm)
		get_task_comm(comm, vmm);
	rcu_read_unlock();
	return broker_vm_new(kvm, kvm->userspace_pid, comm,
			     IS_ERR_OR_NULL(kvm->debugfs_dentry) ? "" :
			     (const char *)kvm->debugfs_dentry->d_name.name);
}

static void proxy_free(struct vb_proxy *proxy)
{
	kfree_rcu(proxy, rcu);
	module_put(THIS_MODULE);
}

static void proxy_end(struct vb_proxy *proxy)
{
	struct vb_vm *vm;

	vm = broker_remove_client(&proxy->client);
	if (vm)
		fallback_end(vm);
	broker_vm_free(vm);
	proxy_erase(proxy);
	proxy_free(proxy);
}

/* A proxy that serves @irqfd's signals already, and is not registered yet; NULL without memory. */
static struct vb_proxy *proxy_new(struct kvm_kernel_irqfd *irqfd)
{
	struct vb_proxy *proxy;
	struct vb_vm *vm;

	if (!try_module_get(THIS_MODULE))
		return NULL;
	proxy = kzalloc(sizeof(*proxy), GFP_KERNEL);
	vm = vm_record(irqfd->kvm);
	if (!proxy || !vm) {
		kfree(proxy);
		broker_vm_free(vm);
		module_put(THIS_MODULE);
		return NULL;
	}
	proxy->irqfd = irqfd;
	proxy->kvm = irqfd->kvm;
	proxy->client.gsi = irqfd->gsi;
	proxy->consumer.add_producer = proxy_add_producer;
	proxy->consumer.del_producer = proxy_del_producer;
	if (!broker_add_client(&proxy->client, vm))
		broker_vm_free(vm);
	proxy_insert(proxy);
	fallback_take(proxy);
	return proxy;
}

static int proxy_register(struct vb_proxy *proxy)
{
	int ret;

	ret = real_register_consumer(&proxy->consumer, proxy->irqfd->eventfd);
	/* A proxy that irqbypass refused still serves the irqfd's signals. */
	proxy->registered = !ret;
	return ret;
}

/* --- the hooks ------------------------------------------------------------------------------- */

/* KVM registers the consumer of an irqfd that it is assigning, under kvm->irq_srcu. */
static int register_kvm_consumer(struct irq_bypass_consumer *cons, void *identity)
{
	struct vb_proxy *proxy;
	int ret;

	mutex_lock(&register_lock);
	proxy = proxy_find(irqfd_of(cons));
	if (proxy) {
		/* Taken over after KVM had put it on its list, and before KVM came here. */
		ret = proxy->registered ? 0 : -EBUSY;
	} else {
		proxy = proxy_new(irqfd_of(cons));
		/* Without a proxy the gate refuses the host IRQ, and KVM serves it in software. */
		ret = proxy ? proxy_register(proxy) : real_register_consumer(cons, identity);
	}
	mutex_unlock(&register_lock);
	if (!proxy)
		pr_warn_ratelimited("an irqfd of process %d is not brokered (no memory, or unloading)\n",
				    task_tgid_nr(current));
	return ret;
}

static int register_consumer(COMPAT_REGISTER_PARAMS)
{
	void *identity = COMPAT_REGISTER_IDENTITY;
	int ret;

	hook_enter();
	if (identity && shim_is_kvm_consumer(cons))
		ret = register_kvm_consumer(cons, identity);
	else
		ret = real_register_consumer(cons, identity);
	hook_leave();
	return ret;
}

/*
 * KVM shuts an irqfd down. Its wait-queue entry is gone already, but an injection may be queued,
 * and is done first. irqbypass's mutex is not held.
 */
static void unregister_consumer(struct irq_bypass_consumer *cons)
{
	struct vb_proxy *proxy;

	hook_enter();
	proxy = shim_is_kvm_consumer(cons) ? proxy_find(irqfd_of(cons)) : NULL;
	if (proxy) {
		fallback_flush(proxy);
		if (proxy->registered)
			real_unregister_consumer(&proxy->consumer);
		proxy_end(proxy);
	} else {
		real_unregister_consumer(cons);
	}
	hook_leave();
}

static void *const real_register = irq_bypass_register_consumer;
static void *const real_unregister = irq_bypass_unregister_consumer;

static const struct hook unregister_hook = {
	"irq_bypass_unregister_consumer", (void *)&real_unregister, unregister_consumer
};

static const struct hook register_hook = {
	"irq_bypass_register_consumer", (void *)&real_register, register_consumer
};

/* Two sets, for their order: a consumer that we registered is not to be unregistered by KVM. */
static struct hook_set unregister_set = { .hooks = &unregister_hook, .nr = 1 };
static struct hook_set register_set = { .hooks = &register_hook, .nr = 1 };

/* --- work under irqbypass's mutex ------------------------------------------------------------ */

struct locked_work {
	struct irq_bypass_consumer cons;
	struct irq_bypass_producer prod;
	void (*fn)(const void *arg);
	const void *arg;
	bool done;
};

static int locked_add_producer(struct irq_bypass_consumer *cons, struct irq_bypass_producer *prod)
{
	struct locked_work *work = container_of(cons, struct locked_work, cons);

	work->fn(work->arg);
	work->done = true;
	return -ECANCELED;
}

static void locked_del_producer(struct irq_bypass_consumer *cons, struct irq_bypass_producer *prod)
{
	/* Never called, since add_producer fails; irqbypass insists on a callback. */
}

/* Call @fn under irqbypass's mutex. Returns 0, or irqbypass's -ENOMEM: then @fn was not called. */
static int run_locked(void (*fn)(const void *arg), const void *arg)
{
	struct locked_work work = {
		.cons.add_producer = locked_add_producer,
		.cons.del_producer = locked_del_producer,
		.fn = fn,
		.arg = arg,
	};
	int ret;

	ret = real_register_consumer(&work.cons, &work);
	if (ret)
		return ret;
	ret = compat_register_producer(&work.prod, &work);
	real_unregister_consumer(&work.cons);
	return work.done ? 0 : ret;
}

static void has_waiter(struct vb_vm *vm)
{
	if (!READ_ONCE(fallback_inline))
		fallback_prepare(vm);
}

static void rearbitrate(const void *arg)
{
	broker_rearbitrate(has_waiter);
}

static void kick_work(struct work_struct *work)
{
	bool was_kicked = atomic_xchg(&kicked, 0);
	/* Where memory ran out there may be some in a moment, and the change is still noted. */
	bool failed = run_locked(rearbitrate, NULL);

	look_ms = was_kicked ? FIRST_LOOK_MS : min(2 * look_ms, LAST_LOOK_MS);
	if (failed || broker_is_unsettled())
		queue_delayed_work(kick_wq, &kick, msecs_to_jiffies(look_ms));
}

static void arbitrate_routes(const void *vm_key)
{
	broker_routes_changed(vm_key, has_waiter);
	come_back();
}

/**
 * bypass_routes_changed - have the clients of a VM arbitrated again, where their routes changed
 * @vm_key: the VM.
 *
 * Context: process; may sleep; kvm->irq_lock may be held, which nothing below takes.
 */
void bypass_routes_changed(const void *vm_key)
{
	if (!broker_knows(vm_key))
		return;
	/* Where memory ran out, a kick does it a little later. */
	if (run_locked(arbitrate_routes, vm_key) && broker_vm_changed(vm_key))
		bypass_kick();
}

/* --- loading and unloading ------------------------------------------------------------------- */

static bool is_to_be_taken_over(struct kvm_kernel_irqfd *irqfd)
{
	return shim_is_kvm_consumer(&irqfd->consumer) && !proxy_find(irqfd);
}

/* An irqfd of @kvm that has no proxy yet. The caller is in kvm->irq_srcu: it is not freed. */
static struct kvm_kernel_irqfd *next_irqfd(struct kvm *kvm)
{
	struct kvm_kernel_irqfd *irqfd, *found = NULL;

	spin_lock_irq(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.items, list) {
		if (is_to_be_taken_over(irqfd)) {
			found = irqfd;
			break;
		}
	}
	spin_unlock_irq(&kvm->irqfds.lock);
	return found;
}

/* Of an irqfd that was taken over: a producer, if there is one, has connected by now. */
static bool may_have_been_mapped(const struct vb_proxy *proxy)
{
	return proxy->client.state != VLPI_BROKER_NOT_MSI &&
	       (proxy->client.host_irq || !proxy->registered);
}

/*
 * Take over the irqfds of a VM. First all of them are unregistered, which unmaps them, so that no
 * vLPI has two host IRQs when the first is granted. Then they are registered as if KVM had just
 * done so. In between KVM serves them in software. Unmapping may have dropped an edge, so each that
 * may have been mapped is raised once.
 */
static int take_over_vm(struct kvm *kvm)
{
	struct kvm_kernel_irqfd *irqfd;
	struct vb_proxy *proxy, *next;
	LIST_HEAD(taken);
	int idx, ret = 0;

	mutex_lock(&register_lock);
	idx = srcu_read_lock(&kvm->irq_srcu);
	while (!ret && (irqfd = next_irqfd(kvm))) {
		proxy = proxy_new(irqfd);
		if (proxy) {
			real_unregister_consumer(&irqfd->consumer);
			list_add_tail(&proxy->taken, &taken);
		} else {
			ret = -ENOMEM;
		}
	}
	list_for_each_entry_safe(proxy, next, &taken, taken) {
		list_del(&proxy->taken);
		proxy->client.reassign = proxy_register(proxy) == -ENOMEM;
		if (may_have_been_mapped(proxy))
			shim_raise(&proxy->client);
	}
	srcu_read_unlock(&kvm->irq_srcu, idx);
	mutex_unlock(&register_lock);
	return ret;
}

static void dead_stray(u32 host_irq)
{
	pr_warn("host IRQ %u is still forwarded to a VM that is gone; only a reboot of the host cures that\n",
		host_irq);
	broker_count_dead_stray();
}

static int cure_result;

static void cure_strays(const void *arg)
{
	cure_result = shim_cure_strays(broker_is_booked, dead_stray);
	broker_set_live(true);
}

/**
 * bypass_take_over - take over the irqfds that were there before the module, and close the gate
 *
 * An irqfd that could not be taken over works on as it did, is not mapped anew, and is unmapped
 * when it is deassigned; a line says so.
 *
 * Context: process; may sleep.
 */
void bypass_take_over(void)
{
	int taken, locked;

	taken = shim_each_vm(take_over_vm);
	locked = run_locked(cure_strays, NULL);
	broker_set_live(true);
	if (taken || locked || cure_result)
		pr_warn("no memory to take over all VMs that are running: reboot their guests\n");
}

/**
 * bypass_prepare - make bypass_kick() work
 *
 * Context: process; may sleep.
 * Return: 0 or -ENOMEM; either way bypass_finish() undoes it.
 */
int bypass_prepare(void)
{
	kick_wq = alloc_workqueue("vlpi_broker", WQ_UNBOUND, 1);
	return kick_wq ? 0 : -ENOMEM;
}

/**
 * bypass_finish - wait for the work of bypass_kick(), and undo bypass_prepare()
 *
 * Context: process; may sleep; all hooks are removed and drained.
 */
void bypass_finish(void)
{
	if (!kick_wq)
		return;
	cancel_delayed_work_sync(&kick);
	destroy_workqueue(kick_wq);
}

/**
 * bypass_init - have the consumers that KVM registers from now on replaced
 *
 * Context: process; may sleep.
 * Return: 0, or an errno after a line that says why; then nothing has changed, but hook_drain()
 *	has to follow.
 */
int bypass_init(void)
{
	int ret;

	ret = hook_install(&unregister_set);
	if (!ret)
		ret = hook_install(&register_set);
	if (ret)
		bypass_remove_hooks();
	return ret;
}

/**
 * bypass_remove_hooks - undo bypass_init()
 *
 * Context: process; may sleep; hook_drain() has to follow.
 */
void bypass_remove_hooks(void)
{
	hook_remove(&register_set);
	hook_remove(&unregister_set);
}
