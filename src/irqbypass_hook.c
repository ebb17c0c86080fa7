// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our irq-bypass consumer in front of KVM's: one proxy an irqfd.
 *
 * KVM registers a consumer for each irqfd, and irqbypass connects it with the producer of the same
 * eventfd. The calls that register and unregister a consumer are redirected here. For a consumer of
 * KVM's our own is registered in its place, with the same identity; KVM's is never registered. An
 * error of irqbypass goes to KVM as it is.
 *
 * irqbypass calls back under a mutex that it has for the whole host, so the callbacks only book.
 * add_producer returns 0 for a waiter as well: at an error irqbypass forgets the pair, and would
 * not tell when the producer leaves. del_producer of a host IRQ that is mapped unmaps it: the
 * producer's driver may free it next. Up to 6.12 that takes the VM's its_lock, as it does without
 * this module.
 *
 * KVM registers the consumer inside kvm->irq_srcu, for which the end of every irqfd of the host may
 * have to wait. So the proxy is allocated before KVM_IRQFD goes into KVM, and found here by the
 * task.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/irqbypass.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "broker.h"
#include "compat.h"
#include "fallback.h"
#include "hook.h"
#include "irqbypass_hook.h"
#include "its_shim.h"
#include "proxy.h"
#include "vm.h"

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

/* --- the proxy ------------------------------------------------------------------------------- */

static int proxy_add_producer(struct irq_bypass_consumer *cons, struct irq_bypass_producer *prod)
{
	struct vb_proxy *proxy = container_of(cons, struct vb_proxy, consumer);

	fallback_choose(proxy);
	shim_note_producer(proxy, prod->irq);
	broker_add_producer(&proxy->client, prod->irq, shim_device(prod->irq));
	return 0;
}

/* What is unmapped is the host IRQ that was booked: irqbypass may name another producer. */
static void proxy_del_producer(struct irq_bypass_consumer *cons, struct irq_bypass_producer *prod)
{
	struct vb_proxy *proxy = container_of(cons, struct vb_proxy, consumer);
	struct vb_client *client = &proxy->client;
	u32 host_irq = client->host_irq;
	bool mapped;

	if (!broker_del_begin(client, current, &mapped))
		return;
	if (mapped) {
		shim_halt(vm_of(client)->kvm);
		vm_count_unmap(client, host_irq, shim_revoke(client, true));
		shim_resume(vm_of(client)->kvm);
	} else if (client->mapped_vintid) {
		/* KVM may have unmapped it just now. */
		shim_wait_until_free(client);
		shim_aim(host_irq);
	}
	broker_del_end(client);
	shim_forget_producer(proxy);
}

/* Of their very size, as there may be a million. */
static struct kmem_cache *proxies;

/**
 * bypass_memory_init - be ready to allocate proxies
 *
 * Context: process; may sleep.
 * Return: 0 or -ENOMEM; either way bypass_memory_exit() undoes it.
 */
int bypass_memory_init(void)
{
	proxies = kmem_cache_create("vlpi_broker_irqfd", sizeof(struct vb_proxy), 0, SLAB_ACCOUNT,
				    NULL);
	return proxies ? 0 : -ENOMEM;
}

/**
 * bypass_memory_exit - undo bypass_memory_init()
 *
 * Context: process; may sleep; all proxies are freed: rcu_barrier() was called.
 */
void bypass_memory_exit(void)
{
	kmem_cache_destroy(proxies);
}

static void proxy_free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(proxies, container_of(rcu, struct vb_proxy, rcu));
}

/**
 * client_free - the last reference to a client is gone
 * @client: of a proxy.
 *
 * Context: any.
 */
void client_free(struct vb_client *client)
{
	struct vb_proxy *proxy = proxy_of(client);

	vm_put(vm_of(client));
	call_rcu(&proxy->rcu, proxy_free_rcu);
}

/* A proxy that belongs to no irqfd yet, and its slot; NULL without memory. */
static struct vb_proxy *proxy_new(struct vm *vm)
{
	struct vb_proxy *proxy;

	proxy = kmem_cache_zalloc(proxies, GFP_KERNEL_ACCOUNT);
	if (!proxy)
		return NULL;
	proxy->spare = broker_slot_new();
	if (!proxy->spare) {
		kmem_cache_free(proxies, proxy);
		return NULL;
	}
	refcount_set(&proxy->client.refs, 1);
	vm_get(vm);
	proxy->client.vm = &vm->book;
	proxy->consumer.add_producer = proxy_add_producer;
	proxy->consumer.del_producer = proxy_del_producer;
	return proxy;
}

static void proxy_free_unused(struct vb_proxy *proxy)
{
	if (!proxy)
		return;
	broker_slot_free(proxy->spare);
	broker_put_client(&proxy->client);
}

/* From here on the proxy serves the irqfd's signals. */
static void proxy_begin(struct vb_proxy *proxy, struct kvm_kernel_irqfd *irqfd)
{
	proxy->irqfd = irqfd;
	proxy->client.gsi = irqfd->gsi;
	shim_note_route(proxy);
	broker_add_client(&proxy->client, proxy->spare);
	proxy->spare = NULL;
	fallback_take(proxy);
}

/*
 * irqbypass takes one consumer of an eventfd. KVM lets two VMs have it up to 6.17: a VMM that hands
 * a device to its successor. The proxy of the second is in this table, and is registered again when
 * the first goes, by its own VM's work item. Of several, one is let in at a time. An irqfd lives as
 * long as its proxy is in the table or in a list: proxy_end() takes it out.
 */
#define SHUT_OUT_BITS	8

static DEFINE_RAW_SPINLOCK(shut_out_lock); /* covers the table, and the let_in of VMs */
static DEFINE_HASHTABLE(shut_out, SHUT_OUT_BITS);

static void note_shut_out(struct vb_proxy *proxy)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&shut_out_lock, flags);
	proxy->shut_out = VB_SHUT_OUT;
	hash_add(shut_out, &proxy->by_eventfd, (unsigned long)proxy->irqfd->eventfd);
	raw_spin_unlock_irqrestore(&shut_out_lock, flags);
}

/* Return: whether it was its turn. */
static bool forget_shut_out(struct vb_proxy *proxy)
{
	unsigned long flags;
	bool turn;

	raw_spin_lock_irqsave(&shut_out_lock, flags);
	turn = proxy->shut_out == VB_LET_IN;
	if (turn)
		list_del(&proxy->let_in);
	else if (proxy->shut_out == VB_SHUT_OUT)
		hash_del(&proxy->by_eventfd);
	proxy->shut_out = VB_NOT_SHUT_OUT;
	raw_spin_unlock_irqrestore(&shut_out_lock, flags);
	return turn;
}

/* An eventfd is free: it is the turn of who was refused it first, as it is with its signals. */
static void let_in(const struct eventfd_ctx *eventfd)
{
	struct vb_proxy *proxy, *first = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&shut_out_lock, flags);
	hash_for_each_possible(shut_out, proxy, by_eventfd, (unsigned long)eventfd)
		if (proxy->irqfd->eventfd == eventfd)
			first = proxy;
	if (first) {
		hash_del(&first->by_eventfd);
		first->shut_out = VB_LET_IN;
		list_add_tail(&first->let_in, &vm_of(&first->client)->let_in);
		vm_kick(vm_of(&first->client));
	}
	raw_spin_unlock_irqrestore(&shut_out_lock, flags);
}

static int register_once(struct vb_proxy *proxy)
{
	int ret = real_register_consumer(&proxy->consumer, proxy->irqfd->eventfd);

	proxy->registered = !ret;
	return ret;
}

/**
 * bypass_register - register our consumer in the place of KVM's
 * @proxy: of the irqfd.
 *
 * A proxy that irqbypass refuses still serves the irqfd's signals.
 *
 * Context: process; may sleep; the VM's register_lock is held, and KVM does not free the irqfd.
 * Return: 0 or irqbypass's errno.
 */
int bypass_register(struct vb_proxy *proxy)
{
	int ret;

	ret = register_once(proxy);
	if (ret != -EBUSY)
		return ret;
	note_shut_out(proxy);
	/* The eventfd may have become free just before that was noted. */
	ret = register_once(proxy);
	if (ret != -EBUSY)
		forget_shut_out(proxy);
	broker_set_shut_out(&proxy->client, ret == -EBUSY);
	return ret;
}

/* A proxy whose turn it is, with a reference, and its eventfd, to be compared only; or NULL. */
static struct vb_proxy *next_let_in(struct vm *vm, const struct eventfd_ctx **eventfd)
{
	struct vb_proxy *proxy;
	unsigned long flags;

	raw_spin_lock_irqsave(&shut_out_lock, flags);
	proxy = list_first_entry_or_null(&vm->let_in, struct vb_proxy, let_in);
	if (proxy) {
		list_del(&proxy->let_in);
		proxy->shut_out = VB_NOT_SHUT_OUT;
		*eventfd = proxy->irqfd->eventfd;
		refcount_inc(&proxy->client.refs);
	}
	raw_spin_unlock_irqrestore(&shut_out_lock, flags);
	return proxy;
}

/**
 * bypass_register_again - register those whose eventfds are free now
 * @vm: the VM.
 *
 * Context: process, from the VM's work item.
 */
void bypass_register_again(struct vm *vm)
{
	const struct eventfd_ctx *eventfd;
	struct vb_proxy *proxy;
	int idx;

	while ((proxy = next_let_in(vm, &eventfd))) {
		mutex_lock(&vm->register_lock);
		idx = srcu_read_lock(&vm->kvm->irq_srcu);
		/* One that is going leaves the turn to the next. */
		if (!broker_is_there(&proxy->client))
			let_in(eventfd);
		else if (!bypass_register(proxy))
			broker_set_shut_out(&proxy->client, false);
		srcu_read_unlock(&vm->kvm->irq_srcu, idx);
		mutex_unlock(&vm->register_lock);
		broker_put_client(&proxy->client);
	}
}

/* The end of an irqfd: its wait-queue entry is gone. */
static void proxy_end(struct vb_proxy *proxy)
{
	bool free = proxy->registered;

	if (proxy->registered)
		real_unregister_consumer(&proxy->consumer);
	else
		free = forget_shut_out(proxy);
	if (free)
		let_in(proxy->irqfd->eventfd);
	broker_slot_free(broker_remove_client(&proxy->client));
}

/* --- prepared proxies ------------------------------------------------------------------------ */

#define PREPARED_BITS	6

static DEFINE_RAW_SPINLOCK(prepared_lock); /* covers all */
static struct hlist_head all_prepared[1 << PREPARED_BITS];

static struct hlist_head *prepared_of(const struct task_struct *task)
{
	return &all_prepared[hash_ptr(task, PREPARED_BITS)];
}

/**
 * bypass_prepare - have a proxy ready for the irqfd that this task is about to assign
 * @prepared: the caller's, until bypass_done().
 * @vm: the VM.
 *
 * Context: process; may sleep; memory is charged to the caller's cgroup.
 */
void bypass_prepare(struct bypass_prepared *prepared, struct vm *vm)
{
	unsigned long flags;

	prepared->task = current;
	prepared->vm = vm;
	prepared->inject = false;
	prepared->missed = true;
	prepared->proxy = proxy_new(vm);
	raw_spin_lock_irqsave(&prepared_lock, flags);
	hlist_add_head(&prepared->node, prepared_of(current));
	raw_spin_unlock_irqrestore(&prepared_lock, flags);
}

/**
 * bypass_done - undo bypass_prepare()
 * @prepared: whether its proxy was used or not.
 *
 * Context: process.
 */
void bypass_done(struct bypass_prepared *prepared)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&prepared_lock, flags);
	hlist_del(&prepared->node);
	raw_spin_unlock_irqrestore(&prepared_lock, flags);
	proxy_free_unused(prepared->proxy);
}

/**
 * bypass_inject_when_assigned - an irqfd that has no proxy yet is owed an interrupt
 * @kvm: its VM.
 *
 * KVM queues an injection for an eventfd that counts already when its irqfd is assigned. Which task
 * does that is not known, so all that are assigning irqfds of this VM just now raise theirs once.
 *
 * Context: process.
 * Return: whether there is one; then KVM need not inject.
 */
bool bypass_inject_when_assigned(struct kvm *kvm)
{
	struct bypass_prepared *prepared;
	unsigned long flags;
	bool found = false;
	unsigned int i;

	raw_spin_lock_irqsave(&prepared_lock, flags);
	for (i = 0; i < ARRAY_SIZE(all_prepared); i++) {
		hlist_for_each_entry(prepared, &all_prepared[i], node) {
			if (prepared->vm->kvm != kvm || !prepared->proxy)
				continue;
			prepared->inject = true;
			found = true;
		}
	}
	raw_spin_unlock_irqrestore(&prepared_lock, flags);
	return found;
}

/* What this task has prepared, or NULL. It is on the task's own stack. */
static struct bypass_prepared *find_prepared(void)
{
	struct bypass_prepared *prepared, *found = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&prepared_lock, flags);
	hlist_for_each_entry(prepared, prepared_of(current), node) {
		if (prepared->task == current) {
			found = prepared;
			break;
		}
	}
	raw_spin_unlock_irqrestore(&prepared_lock, flags);
	return found;
}

/* The proxy is the irqfd's now. Returns whether that is owed an interrupt. */
static bool use_prepared(struct bypass_prepared *prepared)
{
	unsigned long flags;
	bool inject;

	raw_spin_lock_irqsave(&prepared_lock, flags);
	prepared->proxy = NULL;
	inject = prepared->inject;
	raw_spin_unlock_irqrestore(&prepared_lock, flags);
	return inject;
}

/* --- the hooks ------------------------------------------------------------------------------- */

/*
 * KVM registers the consumer of an irqfd that it is assigning. Without a proxy it is registered
 * nowhere for now: its producer connects with nothing, and KVM serves it in software. It is taken
 * over when there is memory, or when the module, which was loaded meanwhile, takes over the VM.
 */
static int register_kvm_consumer(struct kvm_kernel_irqfd *irqfd)
{
	struct bypass_prepared *prepared = find_prepared();
	struct vb_proxy *taken;
	int ret = 0;

	if (!prepared)
		return 0;
	prepared->missed = false;
	if (!prepared->proxy) {
		pr_warn_ratelimited("no memory for an irqfd of process %d: it works in software for now\n",
				    task_tgid_nr(current));
		vm_take_over(prepared->vm);
		return 0;
	}
	mutex_lock(&prepared->vm->register_lock);
	/* Taken over after KVM had put it on its list, and before KVM came here? */
	taken = fallback_proxy(irqfd);
	if (taken) {
		ret = taken->registered ? 0 : -EBUSY;
	} else {
		proxy_begin(prepared->proxy, irqfd);
		ret = bypass_register(prepared->proxy);
		if (use_prepared(prepared))
			broker_inject(&fallback_proxy(irqfd)->client);
	}
	mutex_unlock(&prepared->vm->register_lock);
	return ret;
}

static int register_consumer(COMPAT_REGISTER_PARAMS)
{
	void *identity = COMPAT_REGISTER_IDENTITY;
	int ret;

	hook_enter();
	if (identity && shim_is_kvm_consumer(cons))
		ret = register_kvm_consumer(irqfd_of(cons));
	else
		ret = real_register_consumer(cons, identity);
	hook_put();
	return ret;
}

/* KVM shuts an irqfd down. Its wait-queue entry is gone. irqbypass's mutex is not held. */
static void unregister_consumer(struct irq_bypass_consumer *cons)
{
	struct vb_proxy *proxy;

	hook_enter();
	proxy = shim_is_kvm_consumer(cons) ? fallback_proxy(irqfd_of(cons)) : NULL;
	if (proxy)
		proxy_end(proxy);
	else
		real_unregister_consumer(cons);
	hook_put();
}

static void *const real_register = irq_bypass_register_consumer;
static void *const real_unregister = irq_bypass_unregister_consumer;

static const struct hook unregister_hook = {
	"irq_bypass_unregister_consumer", (void *)&real_unregister, unregister_consumer, true
};

static const struct hook register_hook = {
	"irq_bypass_register_consumer", (void *)&real_register, register_consumer, true
};

/* Two sets, for their order: a consumer that we registered is not to be unregistered by KVM. */
static struct hook_set unregister_set = { .hooks = &unregister_hook, .nr = 1 };
static struct hook_set register_set = { .hooks = &register_hook, .nr = 1 };

/* --- what was there before the module -------------------------------------------------------- */

/**
 * bypass_is_to_be_taken - was this irqfd assigned before the module was loaded?
 * @irqfd: on KVM's list.
 *
 * Context: any.
 * Return: whether it has no proxy.
 */
bool bypass_is_to_be_taken(struct kvm_kernel_irqfd *irqfd)
{
	return shim_is_kvm_consumer(&irqfd->consumer) && !fallback_proxy(irqfd);
}

/**
 * bypass_take - put a proxy in the place of an irqfd's own consumer
 * @irqfd: that has none.
 * @vm: its VM.
 *
 * KVM's consumer is unregistered, which unmaps the host IRQ. bypass_register() is to follow.
 *
 * Context: process; may sleep; the VM's register_lock is held.
 * Return: the proxy, or NULL without memory; then nothing has changed.
 */
struct vb_proxy *bypass_take(struct kvm_kernel_irqfd *irqfd, struct vm *vm)
{
	struct vb_proxy *proxy = proxy_new(vm);

	if (!proxy)
		return NULL;
	proxy_begin(proxy, irqfd);
	real_unregister_consumer(&irqfd->consumer);
	return proxy;
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
 * bypass_is_hooked - are consumers that KVM registers replaced?
 *
 * Until then an irqfd is KVM's alone. It is taken over when all hooks are in place.
 *
 * Context: any.
 * Return: whether bypass_init() has come so far.
 */
bool bypass_is_hooked(void)
{
	return READ_ONCE(register_set.installed);
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
