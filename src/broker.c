// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arbiter: which host IRQ of a vLPI is injected directly.
 *
 * A *slot* is one (VM, vINTID); the architecture lets one host IRQ be mapped to it. A *client* is
 * one irqfd, with or without a producer. Its route leads to a slot, or nowhere. Clients of a slot
 * that could be granted it stand in its queue, in the order in which they came. The first whose
 * host IRQ the hardware maps becomes the *holder*; the others are *waiters*, and the fallback
 * injects for them. When the holder goes, the next in the queue is granted the slot.
 *
 *          add_producer             VB_GRANT: mapped
 *    IDLE --------------> WAITER ----------------------> HOLDER
 *                          ^  |                           |
 *         retry, release   |  |  VB_GRANT: turned down    |
 *                          |  v                           |
 *                      UNMAPPABLE        WAITER <---------+ KVM unmapped
 *
 * del_producer takes a client back to IDLE. VB_LOOK takes it from any state to UNRESOLVED or
 * NOT_MSI when its route leads nowhere, and back to IDLE or WAITER when it leads to a slot.
 *
 * This file is a book for each VM. What happens is written down: irqbypass's callbacks, the gate
 * (before KVM maps a host IRQ), the watch (before KVM unmaps one), the wake-up of an irqfd. These
 * run inside locks of others, so they take raw locks only, allocate nothing, and do nothing about
 * it. broker_next() reads from the book what is to be done next; who settles does it and reports by
 * broker_done(). It compares what is with what is wanted, so what comes twice, late or in another
 * order is nothing to do. One settles a VM at a time. No type of KVM, irqchip or irqbypass is known
 * here, nothing sleeps, and nothing waits.
 *
 * One thing can't be left to who settles: a producer that leaves must not find its host IRQ
 * forwarded afterwards. So broker_del_begin() says whether the caller has to unmap it, and what
 * else happens to that slot waits for broker_del_end().
 *
 * KVM also maps host IRQs that no irqfd has, where a vendor's kernel asks it to. Such a *foreign*
 * mapping is not ours to give or to take. A slot that has one has no holder, and its clients wait
 * until KVM unmaps it. The gate tells of those that come while there is a slot; a look at the route
 * of a client finds all others.
 *
 * Locks, all raw: the VM's -> { a slot's raise lock, irqs_lock, refused_lock }. Never two VMs'. The
 * raise lock keeps a wake-up from raising a vLPI through a host IRQ that is not mapped to it any
 * more, which would be a physical interrupt. It is kept across the ITS command, which can take
 * long: with the VM's lock held it is taken only while the slot has no raiser.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/hashtable.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/rbtree_augmented.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "broker.h"
#include "trace.h"

/**
 * struct vb_slot - one vLPI of one VM
 * @node: in the VM's slots.
 * @vm: the VM.
 * @vintid: the vLPI.
 * @work: in the VM's work, or its spares.
 * @nr_clients: clients whose route leads here.
 * @queue: of them, those that wait and can be granted the slot, by place.
 * @holder: the client that was granted the slot, or NULL.
 * @mapped: the client that is forwarded to this vLPI, or NULL.
 * @nr_leaving: host IRQs that are being unmapped; two at most.
 * @lost: the client that held the slot last, where the vLPI is owed an interrupt for that; a
 *	reference.
 * @lost_why: why it does not hold it any more.
 * @served: the broker serves the signals of its clients; read without the lock.
 * @foreign: KVM has mapped a host IRQ here that no client has.
 * @raise_lock: raw; for @raiser. Taken once more before the slot is used for another vLPI.
 * @raiser: the holder, while the vLPI can be raised through its host IRQ.
 * @rcu: the wake-up looks at the slot without the VM's lock. One that is freed is in no tree.
 *
 * There are as many as irqfds: what is small stands together.
 */
struct vb_slot {
	union {
		struct rb_node node;
		struct rcu_head rcu;
	};
	struct vb_vm *vm;
	struct list_head work;
	struct rb_root queue;
	struct vb_client *holder;
	struct vb_client *mapped;
	struct vb_client *lost;
	struct vb_client *raiser;
	raw_spinlock_t raise_lock; /* a signal raises; hands change */
	u32 vintid;
	u32 nr_clients;
	u8 nr_leaving;
	u8 lost_why;
	bool served;
	bool foreign;
};

/* Why a client is owed an interrupt. */
#define OWES_SIGNAL	1U	/* its eventfd was signalled */
#define OWES_GRANT	2U	/* a map or an unmap may have dropped an edge */

/*
 * On grants that a guest can have made over and over a tenth of a CPU is spent, and so much at
 * once. One costs as long as it takes, and no less than this: so they are 1024 a second at most.
 * No step costs more than this: who does it may have been preempted.
 */
#define GRANT_US	100U
#define STEP_MAX_US	5000U
#define CREDIT_MAX_US	(8192 * GRANT_US)
#define CREDIT_US_PER_S	(1024 * GRANT_US)

static DEFINE_RAW_SPINLOCK(irqs_lock);
static DEFINE_HASHTABLE(irqs, 15);
static DEFINE_RAW_SPINLOCK(refused_lock);
static DEFINE_HASHTABLE(refused, 10);
static atomic64_t last_vm = ATOMIC64_INIT(0);
/* How often something was released; read by who is turned down, see there. */
static atomic64_t releases = ATOMIC64_INIT(0);
/* All hooks are in place: KVM may map no host IRQ for a VM that is not known. */
static bool live;

static struct {
	atomic_t vms;
	atomic_t slots;
	atomic_t held;
	atomic_t foreign;
	atomic_t clients;
	atomic_t waiters;
	atomic_t reassign;
	atomic_t dead_strays;
	atomic64_t connects;
	atomic64_t grants;
	atomic64_t promotions;
	atomic64_t revokes;
	atomic64_t grant_failures;
	atomic64_t gate_refusals;
	atomic64_t unmaps_behind;
	atomic64_t forced_unmaps;
	atomic64_t repairs;
} count;

/* Counted at each interrupt of a waiter: no CPU is to wait for what another has counted. */
static DEFINE_PER_CPU(u64, count_signals);
static DEFINE_PER_CPU(u64, count_injections);

/* --- the book -------------------------------------------------------------------------------- */

static void book(struct vb_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	vm->generation++;
	WRITE_ONCE(vm->booked, vm->booked + 1);
	vm->ops->kick(vm);
}

static struct vb_slot *slot_of(struct vb_client *client)
{
	return rcu_dereference_protected(client->slot, lockdep_is_held(&client->vm->lock));
}

static void get_client(struct vb_client *client)
{
	refcount_inc(&client->refs);
}

/**
 * broker_put_client - give a reference to a client back
 * @client: which may be freed by this, after RCU.
 *
 * Context: any.
 */
void broker_put_client(struct vb_client *client)
{
	if (refcount_dec_and_test(&client->refs))
		client_free(client);
}

static void set_state(struct vb_client *client, enum vlpi_broker_state state, int error)
{
	atomic_add((state == VLPI_BROKER_WAITER) - (client->state == VLPI_BROKER_WAITER),
		   &count.waiters);
	client->state = state;
	client->error = error;
	client->vm->generation++;
}

static void look_again(struct vb_client *client)
{
	client->retry |= client->again;
	client->again = false;
	if (!client->removed)
		list_move_tail(&client->look, &client->vm->looks);
}

static void look_first(struct vb_client *client)
{
	look_again(client);
	list_move(&client->look, &client->vm->looks);
}

static void see_to(struct vb_slot *slot)
{
	if (list_empty(&slot->work))
		list_add_tail(&slot->work, &slot->vm->work);
}

/* What waited for an unmapping may do so no longer. */
static void let_rest_go_on(struct vb_vm *vm)
{
	list_splice_init(&vm->held_up, &vm->rest);
}

static void owe(struct vb_client *client, u8 what)
{
	if (!client->owes) {
		get_client(client);
		list_add_tail(&client->owed, &client->vm->rest);
	} else if (what & ~client->owes) {
		let_rest_go_on(client->vm);
	}
	client->owes |= what;
}

static bool is_owing(const struct vb_vm *vm)
{
	return !list_empty(&vm->rest) || !list_empty(&vm->held_up);
}

/* The caller has a reference of its own. */
static void owe_no_more(struct vb_client *client, u8 what)
{
	client->owes &= ~what;
	if (!client->owes) {
		list_del_init(&client->owed);
		broker_put_client(client);
	}
}

/* --- host IRQs ------------------------------------------------------------------------------- */

static struct vb_client *find_in_chain(u32 host_irq)
{
	struct vb_client *client;

	hash_for_each_possible_rcu(irqs, client, by_irq, host_irq)
		if (READ_ONCE(client->host_irq) == host_irq)
			return client;
	return NULL;
}

/*
 * The client that has a host IRQ. The caller is in an RCU reader, without irqs_lock. A client that
 * gets another number leads who is just looking at it to another chain, so that what is not found
 * is looked for again.
 */
static struct vb_client *find_irq(u32 host_irq)
{
	struct vb_client *client = find_in_chain(host_irq);
	unsigned long flags;

	if (client)
		return client;
	raw_spin_lock_irqsave(&irqs_lock, flags);
	client = find_in_chain(host_irq);
	raw_spin_unlock_irqrestore(&irqs_lock, flags);
	return client;
}

/* False: another client has the number. A driver may free a host IRQ before its producer goes. */
static bool book_irq(struct vb_client *client)
{
	rcu_read_lock();
	raw_spin_lock(&irqs_lock);
	client->booked = !find_in_chain(client->host_irq);
	if (client->booked)
		hash_add_rcu(irqs, &client->by_irq, client->host_irq);
	raw_spin_unlock(&irqs_lock);
	rcu_read_unlock();
	return client->booked;
}

static void unbook_irq(struct vb_client *client)
{
	raw_spin_lock(&irqs_lock);
	if (client->booked)
		hash_del_rcu(&client->by_irq);
	client->booked = false;
	raw_spin_unlock(&irqs_lock);
	WRITE_ONCE(client->host_irq, 0);
}

/*
 * Clients that were turned down because of another mapping wait for a release: that of another
 * mapping of the same device (the irqchip maps a device's events to one VM at a time), or of the
 * number of their host IRQ. A number is less than any address.
 */
enum waits_for {
	WAITS_FOR_NOTHING,
	WAITS_FOR_DEVICE,
	WAITS_FOR_NUMBER,
};

/* The key in the table; 0 where @client is not in it. */
static unsigned long key_of(const struct vb_client *client)
{
	switch (READ_ONCE(client->waits_for)) {
	case WAITS_FOR_DEVICE:
		return (unsigned long)client->device;
	case WAITS_FOR_NUMBER:
		return READ_ONCE(client->host_irq);
	}
	return 0;
}

static void wait_for_release(struct vb_client *client, enum waits_for what)
{
	WRITE_ONCE(client->waits_for, what);
	raw_spin_lock(&refused_lock);
	hash_add_rcu(refused, &client->refused, key_of(client));
	raw_spin_unlock(&refused_lock);
}

static void wait_no_more(struct vb_client *client)
{
	if (!client->waits_for)
		return;
	raw_spin_lock(&refused_lock);
	hash_del_rcu(&client->refused);
	raw_spin_unlock(&refused_lock);
	WRITE_ONCE(client->waits_for, WAITS_FOR_NOTHING);
}

/* Have those that wait for @key tried again, in their own VMs. No lock of a VM is held. */
static void release(unsigned long key)
{
	struct vb_client *client;
	unsigned long flags;

	if (!key)
		return;
	/* Who does not see this is in the table by then. */
	atomic64_inc_return(&releases);
	rcu_read_lock();
	hash_for_each_possible_rcu(refused, client, refused, key) {
		struct vb_vm *vm = client->vm;

		if (key_of(client) != key)
			continue;
		raw_spin_lock_irqsave(&vm->lock, flags);
		if (key_of(client) == key) {
			wait_no_more(client);
			client->retry = true;
			look_again(client);
			book(vm);
		}
		raw_spin_unlock_irqrestore(&vm->lock, flags);
	}
	rcu_read_unlock();
}

/* --- slots ----------------------------------------------------------------------------------- */

/* Of their very size: there are as many as irqfds. */
static struct kmem_cache *slot_cache;

/**
 * broker_memory_init - be ready to allocate slots
 *
 * Context: process; may sleep.
 * Return: 0 or -ENOMEM; either way broker_memory_exit() undoes it.
 */
int broker_memory_init(void)
{
	slot_cache = kmem_cache_create("vlpi_broker_slot", sizeof(struct vb_slot), 0, SLAB_ACCOUNT,
				       NULL);
	return slot_cache ? 0 : -ENOMEM;
}

/**
 * broker_memory_exit - undo broker_memory_init()
 *
 * Context: process; may sleep; all slots are freed: rcu_barrier() was called.
 */
void broker_memory_exit(void)
{
	kmem_cache_destroy(slot_cache);
}

/**
 * broker_slot_new - a slot, to be given to broker_add_client()
 *
 * Context: process; may sleep. The memory is charged to the caller's cgroup.
 * Return: the slot, or NULL without memory.
 */
struct vb_slot *broker_slot_new(void)
{
	struct vb_slot *slot = kmem_cache_zalloc(slot_cache, GFP_KERNEL_ACCOUNT);

	if (slot)
		raw_spin_lock_init(&slot->raise_lock);
	return slot;
}

static void slot_free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(slot_cache, container_of(rcu, struct vb_slot, rcu));
}

/**
 * broker_slot_free - free a slot
 * @slot: from broker_slot_new(), unused, or from broker_remove_client().
 *
 * Context: any.
 */
void broker_slot_free(struct vb_slot *slot)
{
	if (slot)
		call_rcu(&slot->rcu, slot_free_rcu);
}

/* Does the broker serve signals of the slot's clients? Not where nobody holds it, nor ever will. */
static void slot_set_served(struct vb_slot *slot)
{
	WRITE_ONCE(slot->served,
		   slot->holder || slot->nr_leaving || !RB_EMPTY_ROOT(&slot->queue));
}

/* How many clients there are in this part of a queue's tree. */
static u32 nr_below(struct rb_node *node)
{
	return node ? rb_entry(node, struct vb_client, queue)->nr_queued : 0;
}

/* Return: whether the number was right already; @exit: whether that is asked. */
static bool count_queued(struct vb_client *client, bool exit)
{
	u32 nr = nr_below(client->queue.rb_left) + 1 + nr_below(client->queue.rb_right);

	if (exit && client->nr_queued == nr)
		return true;
	client->nr_queued = nr;
	return false;
}

RB_DECLARE_CALLBACKS(static, count_callbacks, struct vb_client, queue, nr_queued, count_queued);

static void enqueue(struct vb_slot *slot, struct vb_client *client)
{
	struct rb_node **link = &slot->queue.rb_node, *parent = NULL;

	if (client->queued)
		return;
	client->nr_queued = 1;
	while (*link) {
		parent = *link;
		rb_entry(parent, struct vb_client, queue)->nr_queued++;
		if (client->place < rb_entry(parent, struct vb_client, queue)->place)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&client->queue, parent, link);
	rb_insert_augmented(&client->queue, &slot->queue, &count_callbacks);
	client->queued = true;
	slot_set_served(slot);
	see_to(slot);
}

static void dequeue(struct vb_slot *slot, struct vb_client *client)
{
	if (!client->queued)
		return;
	rb_erase_augmented(&client->queue, &slot->queue, &count_callbacks);
	client->queued = false;
	slot->vm->generation++;
	slot_set_served(slot);
}

/* When this returns, no wake-up raises the slot's vLPI through the host IRQ of @client any more. */
static void stop_raising(struct vb_slot *slot, struct vb_client *client)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&slot->raise_lock, flags);
	if (slot->raiser == client)
		slot->raiser = NULL;
	raw_spin_unlock_irqrestore(&slot->raise_lock, flags);
}

/* There is no raiser now, so that this waits for nobody's ITS command. */
static void start_raising(struct vb_slot *slot, struct vb_client *client)
{
	raw_spin_lock(&slot->raise_lock);
	slot->raiser = client;
	raw_spin_unlock(&slot->raise_lock);
}

static void set_holder(struct vb_slot *slot, struct vb_client *client)
{
	atomic_add(!!client - !!slot->holder, &count.held);
	slot->holder = client;
	slot_set_served(slot);
	slot->vm->generation++;
}

static void set_foreign(struct vb_slot *slot, bool foreign)
{
	if (slot->foreign == foreign)
		return;
	atomic_add(foreign - slot->foreign, &count.foreign);
	slot->foreign = foreign;
	slot->vm->generation++;
	see_to(slot);
}

/* What a slot lost is owed to it no longer: it has a holder, who raises, or the slot is gone. */
static void lost_is_settled(struct vb_slot *slot)
{
	struct vb_client *client = slot->lost;

	if (!client)
		return;
	slot->lost = NULL;
	client->lost_of = NULL;
	/* It may be granted another slot from now on. */
	if (slot_of(client))
		see_to(slot_of(client));
	broker_put_client(client);
}

/* The slot lost the mapping of @client: an edge may have been dropped with it. */
static void slot_lost(struct vb_slot *slot, struct vb_client *client, enum vlpi_broker_why why)
{
	if (slot->lost || client->lost_of)
		return;
	get_client(client);
	slot->lost = client;
	client->lost_of = slot;
	slot->lost_why = why;
}

static struct vb_slot *slot_find(struct vb_vm *vm, u32 vintid)
{
	struct rb_node *node = vm->slots.rb_node;
	struct vb_slot *slot;

	while (node) {
		slot = rb_entry(node, struct vb_slot, node);
		if (slot->vintid == vintid)
			return slot;
		node = slot->vintid < vintid ? node->rb_right : node->rb_left;
	}
	return NULL;
}

static struct vb_slot *slot_find_or_new(struct vb_vm *vm, u32 vintid)
{
	struct rb_node **link = &vm->slots.rb_node, *parent = NULL;
	struct vb_slot *slot;

	while (*link) {
		parent = *link;
		slot = rb_entry(parent, struct vb_slot, node);
		if (slot->vintid == vintid)
			return slot;
		link = slot->vintid < vintid ? &parent->rb_right : &parent->rb_left;
	}
	/* Each client came with a slot, and this client is in none. */
	slot = list_first_entry(&vm->spares, struct vb_slot, work);
	list_del_init(&slot->work);
	slot->vm = vm;
	slot->vintid = vintid;
	slot->queue = RB_ROOT;
	slot_set_served(slot);
	rb_link_node(&slot->node, parent, link);
	rb_insert_color(&slot->node, &vm->slots);
	atomic_inc(&count.slots);
	return slot;
}

static void slot_join(struct vb_client *client, u32 vintid)
{
	struct vb_slot *slot = slot_find_or_new(client->vm, vintid);

	slot->nr_clients++;
	client->place = ++client->vm->last_place;
	rcu_assign_pointer(client->slot, slot);
	see_to(slot);
}

/* @client is not mapped, and does not hold the slot. A spare slot is used again at once. */
static void slot_leave(struct vb_client *client)
{
	struct vb_slot *slot = slot_of(client);
	struct vb_vm *vm = client->vm;

	dequeue(slot, client);
	RCU_INIT_POINTER(client->slot, NULL);
	let_rest_go_on(vm);
	if (--slot->nr_clients) {
		see_to(slot);
		return;
	}
	/* A wake-up that has found this slot sees under its raise lock that all have left it. */
	raw_spin_lock(&slot->raise_lock);
	raw_spin_unlock(&slot->raise_lock);
	if (slot->lost)
		owe(slot->lost, OWES_GRANT);
	lost_is_settled(slot);
	set_foreign(slot, false);
	rb_erase(&slot->node, &vm->slots);
	list_del(&slot->work);
	list_add(&slot->work, &vm->spares);
	atomic_dec(&count.slots);
}

/* --- where a client belongs ------------------------------------------------------------------ */

static bool is_wanted(const struct vb_client *client)
{
	return client->host_irq && !client->going && !client->removed;
}

/* What @client is to the slot that it is in and that it wants. It does not hold it. */
static void take_place(struct vb_slot *slot, struct vb_client *client)
{
	if (!client->host_irq) {
		set_state(client, VLPI_BROKER_IDLE, 0);
		return;
	}
	if (!client->booked && !book_irq(client)) {
		wait_no_more(client);
		wait_for_release(client, WAITS_FOR_NUMBER);
		set_state(client, VLPI_BROKER_UNMAPPABLE, EEXIST);
		/* It may have been released just before that was noted. */
		if (book_irq(client))
			wait_no_more(client);
		else
			return;
		set_state(client, VLPI_BROKER_IDLE, 0);
	}
	if (client->state == VLPI_BROKER_UNMAPPABLE && !client->retry)
		return;
	client->retry = false;
	wait_no_more(client);
	if (is_wanted(client))
		enqueue(slot, client);
	if (client->state == VLPI_BROKER_WAITER)
		return;
	set_state(client, VLPI_BROKER_WAITER, 0);
	if (slot->holder || rb_first(&slot->queue) != &client->queue)
		trace_wait(client->vm->id, slot->vintid, client->host_irq, VLPI_BROKER_WHY_HELD, 0);
}

/* The route of @client leads to no LPI. It may not have been followed yet. */
static void is_nowhere(struct vb_client *client)
{
	int ret = client->nowhere;

	if (!ret)
		return;
	if (ret == -EPROTONOSUPPORT) {
		set_state(client, VLPI_BROKER_NOT_MSI, 0);
		return;
	}
	if (client->state != VLPI_BROKER_UNRESOLVED)
		trace_resolve_fail(client->vm->id, 0, client->host_irq, VLPI_BROKER_WHY_NO_LPI,
				   ret);
	set_state(client, VLPI_BROKER_UNRESOLVED, -ret);
}

/*
 * Bring @client to the slot that it wants, or out of all. From a slot that it is mapped to, or that
 * counts it as leaving, it comes away when that is over: this is called again then.
 */
static void place(struct vb_client *client)
{
	struct vb_slot *slot = slot_of(client);

	if (client->removed)
		return;
	if (slot && (slot->holder == client || slot->mapped == client || client->unmapping)) {
		see_to(slot);
		return;
	}
	if (slot && slot->vintid != client->wants) {
		slot_leave(client);
		slot = NULL;
		/* Its state at another slot says nothing about the next one. */
		set_state(client, VLPI_BROKER_IDLE, 0);
		wait_no_more(client);
	}
	if (!client->wants) {
		is_nowhere(client);
		return;
	}
	if (!slot) {
		slot_join(client, client->wants);
		if (client->state != VLPI_BROKER_UNMAPPABLE)
			set_state(client, VLPI_BROKER_IDLE, 0);
	}
	take_place(slot_of(client), client);
}

/* The route of @client was followed: it leads to @vintid, or to no LPI because of @ret. */
static void looked(struct vb_client *client, u32 vintid, int ret)
{
	client->wants = ret ? 0 : vintid;
	client->nowhere = ret;
	place(client);
}

/* Whether a foreign host IRQ is mapped where the route of @client leads. */
static void looked_for_foreign(struct vb_client *client, const struct vb_step *step)
{
	struct vb_slot *slot = slot_of(client);

	/* One may have come or gone after KVM was asked. */
	if (step->foreigns != client->vm->foreigns)
		look_again(client);
	else if (slot && slot->vintid == step->vintid)
		set_foreign(slot, step->foreign);
}

/* --- what happens to clients ----------------------------------------------------------------- */

/**
 * broker_vm_init - begin the book of a VM
 * @vm: zeroed, apart from what is for show, its key and its ops.
 *
 * Context: any.
 */
void broker_vm_init(struct vb_vm *vm)
{
	vm->id = atomic64_inc_return(&last_vm);
	raw_spin_lock_init(&vm->lock);
	vm->clients = RB_ROOT;
	vm->slots = RB_ROOT;
	INIT_LIST_HEAD(&vm->spares);
	INIT_LIST_HEAD(&vm->looks);
	INIT_LIST_HEAD(&vm->again);
	INIT_LIST_HEAD(&vm->work);
	INIT_LIST_HEAD(&vm->poor);
	INIT_LIST_HEAD(&vm->rest);
	INIT_LIST_HEAD(&vm->held_up);
	init_llist_head(&vm->signals);
	vm->credit_us = CREDIT_MAX_US;
}

/**
 * broker_add_client - an irqfd is assigned
 * @client: zeroed, apart from its VM, one reference, and what is for show.
 * @spare: from broker_slot_new(); the book's from now on.
 *
 * Context: any.
 */
void broker_add_client(struct vb_client *client, struct vb_slot *spare)
{
	struct vb_vm *vm = client->vm;
	struct rb_node **link, *parent = NULL;
	unsigned long flags;

	INIT_LIST_HEAD(&client->look);
	INIT_LIST_HEAD(&client->owed);

	raw_spin_lock_irqsave(&vm->lock, flags);
	if (RB_EMPTY_ROOT(&vm->clients))
		atomic_inc(&count.vms);
	client->id = vm->id << 32 | ++vm->last_client;
	for (link = &vm->clients.rb_node; *link; link = &parent->rb_right)
		parent = *link;
	rb_link_node(&client->of_vm, parent, link);
	rb_insert_color(&client->of_vm, &vm->clients);
	atomic_inc(&count.clients);
	list_add(&spare->work, &vm->spares);
	look_again(client);
	book(vm);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
}

/**
 * broker_remove_client - an irqfd is gone
 * @client: without a producer; not signalled any more. The book's reference is given back.
 *
 * What it is owed is still raised, by copies; the VM is held for that.
 *
 * Context: any.
 * Return: a slot that is not needed any more, for broker_slot_free().
 */
struct vb_slot *broker_remove_client(struct vb_client *client)
{
	struct vb_vm *vm = client->vm;
	struct vb_slot *spare;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	client->removed = true;
	if (slot_of(client))
		slot_leave(client);
	wait_no_more(client);
	list_del_init(&client->look);
	if (vm->walk_next == client)
		vm->walk_next = rb_entry_safe(rb_next(&client->of_vm), struct vb_client, of_vm);
	set_state(client, VLPI_BROKER_IDLE, 0);
	if (!vm->pinned && (is_owing(vm) || !llist_empty(&vm->signals))) {
		vm->pinned = true;
		vm->ops->pin(vm);
	}
	rb_erase(&client->of_vm, &vm->clients);
	atomic_dec(&count.clients);
	atomic_sub(client->reassign, &count.reassign);
	if (RB_EMPTY_ROOT(&vm->clients))
		atomic_dec(&count.vms);
	spare = list_first_entry(&vm->spares, struct vb_slot, work);
	list_del(&spare->work);
	book(vm);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	broker_put_client(client);
	return spare;
}

/**
 * broker_add_producer - a producer is connected to a client
 * @client: added, without a producer.
 * @host_irq: of the producer.
 * @device: identity of its device, or NULL.
 *
 * Context: any.
 */
void broker_add_producer(struct vb_client *client, u32 host_irq, const void *device)
{
	struct vb_vm *vm = client->vm;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	WRITE_ONCE(client->host_irq, host_irq);
	client->device = device;
	client->mapped_vintid = 0;
	client->retry = true;
	client->prepaid = true;
	/* In a queue it stands behind those whose producers came before. */
	client->place = ++vm->last_place;
	atomic64_inc(&count.connects);
	trace_connect(vm->id, 0, host_irq, VLPI_BROKER_WHY_CONNECTED, 0);
	place(client);
	/* KVM left it so before the module came, and it counted as foreign. */
	if (shim_is_forwarded(host_irq))
		look_again(client);
	book(vm);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
}

/* Until this has ended, nothing is raised through the slot, nor injected in software. */
static void begin_unmapping(struct vb_slot *slot, struct vb_client *client,
			    enum vlpi_broker_why why)
{
	/* The route may lead elsewhere, and the producer leave meanwhile. */
	if (client->unmapping)
		return;
	client->unmapping = true;
	slot->nr_leaving++;
	slot_set_served(slot);
	trace_demote(slot->vm->id, slot->vintid, client->host_irq, why, 0);
}

static void end_unmapping(struct vb_slot *slot, struct vb_client *client)
{
	client->unmapping = false;
	slot->nr_leaving--;
	let_rest_go_on(slot->vm);
	slot_set_served(slot);
	see_to(slot);
}

/* The mapping of @client is gone. An edge that was pending may be, too. */
static void unmapped(struct vb_slot *slot, struct vb_client *client, enum vlpi_broker_why why)
{
	slot_lost(slot, client, why);
	if (slot->holder == client)
		set_holder(slot, NULL);
}

/**
 * broker_del_begin - the producer of a client is leaving
 * @client: added.
 * @task: identity of the caller's.
 * @mapped: out: its host IRQ is forwarded, and the caller has to unmap it.
 *
 * From here on the gate lets nothing be mapped for the client. To say so twice is once.
 *
 * Context: any.
 * Return: whether the client had a producer; then broker_del_end() is to follow, after the host IRQ
 *	was unmapped where that is due, and after the client is not busy any more.
 */
bool broker_del_begin(struct vb_client *client, const void *task, bool *mapped)
{
	struct vb_vm *vm = client->vm;
	struct vb_slot *slot;
	unsigned long flags;

	*mapped = false;
	rcu_read_lock();
	raw_spin_lock_irqsave(&vm->lock, flags);
	if (!client->host_irq || client->going) {
		raw_spin_unlock_irqrestore(&vm->lock, flags);
		rcu_read_unlock();
		return false;
	}
	client->going = true;
	client->deleter = task;
	/* What comes of a grant that is under way is not said of the next producer. */
	if (vm->granting == client)
		vm->granting = NULL;
	slot = slot_of(client);
	if (slot)
		dequeue(slot, client);
	if (client->mapped || (slot && slot->holder == client)) {
		*mapped = client->mapped;
		begin_unmapping(slot, client, VLPI_BROKER_WHY_LEFT);
	}
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	if (slot)
		stop_raising(slot, client);
	rcu_read_unlock();
	return true;
}

/**
 * broker_del_end - the producer of a client is gone
 * @client: as given to broker_del_begin(); its host IRQ is not forwarded.
 *
 * Context: any.
 */
void broker_del_end(struct vb_client *client)
{
	struct vb_vm *vm = client->vm;
	unsigned long device, number;
	struct vb_slot *slot;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	slot = slot_of(client);
	if (client->unmapping) {
		end_unmapping(slot, client);
		unmapped(slot, client, VLPI_BROKER_WHY_LEFT);
	}
	device = client->booked ? (unsigned long)client->device : 0;
	number = client->booked ? client->host_irq : 0;
	unbook_irq(client);
	wait_no_more(client);
	client->going = false;
	client->deleter = NULL;
	client->retry = false;
	/* Its route may have come to lead elsewhere while it was mapped. */
	if (slot)
		place(client);
	book(vm);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	release(device);
	release(number);
}

/**
 * broker_changed - routes or the guest's tables may have changed
 * @vm: the VM.
 * @which: clients that are to be looked at.
 *
 * Context: any.
 */
void broker_changed(struct vb_vm *vm, enum vb_walk which)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	WRITE_ONCE(vm->walk, max(vm->walk, which));
	vm->walk_next = rb_entry_safe(rb_first(&vm->clients), struct vb_client, of_vm);
	/* Pairs with routes_are_known(), which sees one of both. */
	if (which == VB_WALK_ALL)
		atomic_set_release(&vm->changed, 0);
	book(vm);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
}

/**
 * broker_is_there - is an irqfd still on KVM's list?
 * @client: of the irqfd, which may be gone.
 *
 * Context: process, inside the VM's irq_srcu: until that is left, the irqfd is not freed.
 * Return: whether it is.
 */
bool broker_is_there(struct vb_client *client)
{
	unsigned long flags;
	bool there;

	raw_spin_lock_irqsave(&client->vm->lock, flags);
	there = !client->removed && !shim_is_leaving(client);
	raw_spin_unlock_irqrestore(&client->vm->lock, flags);
	return there;
}

/**
 * broker_set_reassign - an irqfd could not be taken over
 * @client: of the irqfd.
 *
 * Context: any.
 */
void broker_set_reassign(struct vb_client *client)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&client->vm->lock, flags);
	client->reassign = true;
	client->vm->generation++;
	raw_spin_unlock_irqrestore(&client->vm->lock, flags);
	atomic_inc(&count.reassign);
}

/**
 * broker_set_shut_out - another irqfd has the eventfd of an irqfd
 * @client: of the irqfd.
 * @out: whether it is so.
 *
 * Context: any.
 */
void broker_set_shut_out(struct vb_client *client, bool out)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&client->vm->lock, flags);
	client->shut_out = out;
	client->vm->generation++;
	raw_spin_unlock_irqrestore(&client->vm->lock, flags);
}

/* --- what is to be done next ----------------------------------------------------------------- */

static void step_for(struct vb_step *step, enum vb_todo todo, struct vb_client *client)
{
	get_client(client);
	step->todo = todo;
	step->client = client;
	step->host_irq = client->host_irq;
}

/* The next client of the walk; NULL where that has come to its end. */
static struct vb_client *walk_on(struct vb_vm *vm)
{
	struct vb_client *client = vm->walk_next;

	if (client)
		vm->walk_next = rb_entry_safe(rb_next(&client->of_vm), struct vb_client, of_vm);
	else
		WRITE_ONCE(vm->walk, VB_WALK_NONE);
	return client;
}

/* So many routes are compared while interrupts are off. */
#define COMPARED_AT_ONCE	16

/**
 * broker_compare_routes - which routes have changed? A few of the VM's clients
 * @vm: the VM. One settles it at a time.
 *
 * To be called before broker_next(). A VMM sets all of its routes to change one, so that nearly all
 * are as they were: that is no step for each.
 *
 * Context: any.
 * Return: whether it is to be called again.
 */
bool broker_compare_routes(struct vb_vm *vm)
{
	struct vb_client *client;
	unsigned long flags;
	unsigned int i;
	bool more;

	if (READ_ONCE(vm->walk) != VB_WALK_ROUTES)
		return false;
	raw_spin_lock_irqsave(&vm->lock, flags);
	for (i = 0; vm->walk == VB_WALK_ROUTES && i < COMPARED_AT_ONCE; i++) {
		client = walk_on(vm);
		if (client && shim_route_changed(client))
			look_again(client);
	}
	more = vm->walk == VB_WALK_ROUTES;
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	return more;
}

static bool next_look(struct vb_vm *vm, struct vb_step *step)
{
	struct vb_client *client;

	client = list_first_entry_or_null(&vm->looks, struct vb_client, look);
	if (client) {
		list_del_init(&client->look);
		client->retry |= client->again;
		client->again = false;
	} else if (vm->walk == VB_WALK_ALL) {
		client = walk_on(vm);
	}
	if (!client)
		return false;
	step_for(step, VB_LOOK, client);
	step->foreigns = vm->foreigns;
	return true;
}

/* KVM has unmapped the holder: it is a waiter again, in its old place. */
static void holder_was_unmapped(struct vb_slot *slot)
{
	struct vb_client *client = slot->holder;

	trace_demote(slot->vm->id, slot->vintid, client->host_irq, VLPI_BROKER_WHY_KVM, 0);
	set_holder(slot, NULL);
	client->retry = true;
	place(client);
}

static bool has_credit(struct vb_vm *vm, u64 now_ms)
{
	u64 more = min_t(u64, CREDIT_MAX_US, (now_ms - vm->credit_ms) * CREDIT_US_PER_S / 1000);

	if (more) {
		vm->credit_us = min_t(s64, CREDIT_MAX_US, vm->credit_us + more);
		vm->credit_ms = now_ms;
	}
	return vm->credit_us > 0;
}

static struct vb_client *first_in_queue(struct vb_slot *slot)
{
	struct rb_node *node = rb_first(&slot->queue);

	return node ? rb_entry(node, struct vb_client, queue) : NULL;
}

/*
 * Return: whether there is a step. Otherwise @slot needs no more, until something is booked, or it
 * is in the VM's work again.
 */
static bool next_for_slot(struct vb_slot *slot, u64 now_ms, struct vb_step *step)
{
	struct vb_client *client = slot->holder;
	struct vb_vm *vm = slot->vm;

	if (client && !client->mapped && !client->unmapping) {
		step_for(step, VB_AIM, client);
		holder_was_unmapped(slot);
		return true;
	}
	if (client) {
		if (client->wants == slot->vintid || client->unmapping)
			return false;
		begin_unmapping(slot, client, VLPI_BROKER_WHY_REROUTED);
		client->revoking = true;
		step_for(step, VB_REVOKE, client);
		return true;
	}
	if (slot->nr_leaving || slot->mapped)
		return false;
	client = slot->foreign ? NULL : first_in_queue(slot);
	/* An irqfd that is going is not granted any more. */
	if (client && shim_is_leaving(client)) {
		dequeue(slot, client);
		see_to(slot);
		return false;
	}
	if (client) {
		/*
		 * The route of its last grant is needed until what was lost with it is settled. The
		 * other slot may wait for this one in the same way, so that is not waited for.
		 */
		if (client->lost_of && client->lost_of != slot) {
			owe(client, OWES_GRANT);
			lost_is_settled(client->lost_of);
		}
		if (client->owes & OWES_GRANT)
			return false;
		if (!client->prepaid && !has_credit(vm, now_ms)) {
			list_add_tail(&slot->work, &vm->poor);
			return false;
		}
		step->prepaid = client->prepaid;
		client->prepaid = false;
		vm->granting = client;
		vm->granter = vm->settler;
		vm->granted = false;
		vm->releases = atomic64_read(&releases);
		step_for(step, VB_GRANT, client);
		return true;
	}
	if (slot->lost)
		owe(slot->lost, OWES_GRANT);
	lost_is_settled(slot);
	return false;
}

static bool next_slot(struct vb_vm *vm, u64 now_ms, struct vb_step *step)
{
	struct vb_slot *slot;

	slot = list_first_entry_or_null(&vm->work, struct vb_slot, work);
	if (!slot)
		return false;
	list_del_init(&slot->work);
	step->vintid = slot->vintid;
	if (next_for_slot(slot, now_ms, step))
		see_to(slot);
	else
		step->todo = VB_MORE;
	return true;
}

static u8 owed_by(const struct vb_step *step)
{
	return (step->granted ? OWES_GRANT : 0) | (step->signal ? OWES_SIGNAL : 0);
}

static bool next_owed(struct vb_vm *vm, struct vb_step *step)
{
	struct vb_client *client;
	struct vb_slot *slot;

	client = list_first_entry_or_null(&vm->rest, struct vb_client, owed);
	if (!client)
		return false;
	slot = client->owes & OWES_GRANT ? slot_find(vm, client->mapped_vintid) : slot_of(client);
	/* KVM would raise it through a host IRQ that is a physical interrupt by then. */
	if (slot && slot->nr_leaving) {
		list_move_tail(&client->owed, &vm->held_up);
		step->todo = VB_MORE;
		return true;
	}
	step_for(step, VB_RAISE, client);
	step->granted = client->owes & OWES_GRANT;
	step->signal = client->owes & OWES_SIGNAL &&
		       (!step->granted || client->wants == client->mapped_vintid);
	/* What is owed from here on is owed for itself. */
	owe_no_more(client, owed_by(step));
	return true;
}

/**
 * broker_next - what is to be done next for a VM?
 * @vm: the VM. One settles it at a time.
 * @settler: identity of the task that does; the gate lets it map what is granted.
 * @now_ms: time, in ms, that never goes back.
 * @step: out: what is to be done; broker_done() is to follow where it is for a client.
 *
 * Interrupts are off meanwhile, so this looks at one client or slot, and says where there are more.
 *
 * Context: any.
 */
void broker_next(struct vb_vm *vm, const void *settler, u64 now_ms, struct vb_step *step)
{
	unsigned long flags;

	*step = (struct vb_step){ .todo = VB_NOTHING };
	raw_spin_lock_irqsave(&vm->lock, flags);
	vm->settler = settler;
	step->booked = vm->booked;
	if (!next_look(vm, step) && !next_slot(vm, now_ms, step) && !next_owed(vm, step)) {
		step->poor = !list_empty(&vm->poor);
		step->again = !list_empty(&vm->again);
		vm->generation += vm->settled != vm->booked;
		WRITE_ONCE(vm->settled, vm->booked);
	}
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	if (step->todo == VB_REVOKE) {
		struct vb_slot *slot;

		rcu_read_lock();
		slot = rcu_dereference(step->client->slot);
		if (slot)
			stop_raising(slot, step->client);
		rcu_read_unlock();
	}
}

/* Does what a client was turned down for pass by itself? */
static bool passes(int error)
{
	return error == ENOMEM || error == EBUSY || error == ENXIO;
}

static void try_again(struct vb_client *client)
{
	client->again = true;
	list_move_tail(&client->look, &client->vm->again);
}

static void turned_down(struct vb_slot *slot, struct vb_client *client, int ret)
{
	struct vb_vm *vm = client->vm;

	dequeue(slot, client);
	atomic64_inc(&count.grant_failures);
	set_state(client, VLPI_BROKER_UNMAPPABLE, -ret);
	trace_wait(vm->id, slot->vintid, client->host_irq, VLPI_BROKER_WHY_REFUSED, ret);
	if (passes(-ret)) {
		try_again(client);
	} else if (client->device) {
		wait_for_release(client, WAITS_FOR_DEVICE);
		/*
		 * What stood in its way may have been released before that was noted. Pairs with
		 * the full barrier of release().
		 */
		smp_mb();
		if (atomic64_read(&releases) != vm->releases) {
			wait_no_more(client);
			try_again(client);
		}
	}
}

static void granted(struct vb_slot *slot, struct vb_client *client)
{
	enum vlpi_broker_why why = slot->lost ? slot->lost_why : VLPI_BROKER_WHY_VACANT;
	struct vb_vm *vm = client->vm;

	atomic64_inc(&count.grants);
	dequeue(slot, client);
	set_holder(slot, client);
	set_state(client, VLPI_BROKER_HOLDER, 0);
	trace_grant(vm->id, slot->vintid, client->host_irq, why, 0);
	if (slot->lost && slot->lost != client) {
		atomic64_inc(&count.promotions);
		trace_promote(vm->id, slot->vintid, client->host_irq, why, 0);
	}
	lost_is_settled(slot);
	/* Where KVM has unmapped it again, that is seen to as with any holder. */
	if (client->mapped)
		start_raising(slot, client);
	else
		see_to(slot);
	/* KVM's add sends a DISCARD, which drops an edge that was pending. */
	owe(client, OWES_GRANT);
}

static void grant_done(struct vb_client *client, int ret)
{
	struct vb_slot *slot = slot_of(client);
	struct vb_vm *vm = client->vm;
	bool stays = vm->granting == client;

	vm->granting = NULL;
	/* Its producer is leaving or has left, and another may have come: next_for_slot() says. */
	if (!stays)
		return;
	if (vm->granted) {
		granted(slot, client);
		return;
	}
	see_to(slot);
	if (ret == -EWOULDBLOCK)
		return;
	/* Its route leads elsewhere by now, or somebody was quicker; the irqchip was not asked. */
	if (ret == -EREMCHG)
		look_again(client);
	else
		turned_down(slot, client, ret ?: -EBUSY);
}

static void revoke_done(struct vb_client *client, int ret)
{
	struct vb_slot *slot = slot_of(client);

	client->revoking = false;
	/* It is leaving by now, or has left: then broker_del_end() does this, or has done it. */
	if (client->going || !client->unmapping)
		return;
	end_unmapping(slot, client);
	if (ret == -EWOULDBLOCK) {
		/* Its route may lead back before that is tried again. */
		if (client->mapped)
			start_raising(slot, client);
		return;
	}
	unmapped(slot, client, VLPI_BROKER_WHY_REROUTED);
	client->retry = true;
	place(client);
}

static void raise_done(struct vb_client *client, const struct vb_step *step, int ret)
{
	if (ret == -EWOULDBLOCK)
		owe(client, owed_by(step));
	else if (step->granted && slot_of(client))
		see_to(slot_of(client));
}

/* Who looks sees itself that this is bounded, and a raise is asked for by a signal or a grant. */
static void pay(struct vb_vm *vm, const struct vb_step *step)
{
	u32 us = min(step->took_us, STEP_MAX_US);

	if (step->todo == VB_GRANT && !step->prepaid)
		vm->credit_us -= max(us, GRANT_US);
	else if (step->todo == VB_REVOKE || step->todo == VB_AIM)
		vm->credit_us -= us;
}

/**
 * broker_done - a step is done
 * @vm: the VM.
 * @step: from broker_next(), with its outcome.
 * @ret: outcome: see enum vb_todo.
 *
 * Context: any.
 */
void broker_done(struct vb_vm *vm, struct vb_step *step, int ret)
{
	struct vb_client *client = step->client;
	unsigned long device = 0;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	pay(vm, step);
	switch (step->todo) {
	case VB_LOOK:
		/* It may be another EventID, also where it could not be followed. */
		vm->generation += ret != VB_UNCHANGED;
		/* The first of the list comes to its slot first: it stays that. */
		if (ret == -EWOULDBLOCK && !client->removed)
			look_first(client);
		else if (ret != VB_UNCHANGED && !client->removed)
			looked(client, step->vintid, ret);
		if (!ret && !client->removed)
			looked_for_foreign(client, step);
		break;
	case VB_GRANT:
		vm->granter = NULL;
		grant_done(client, ret);
		break;
	case VB_REVOKE:
		revoke_done(client, ret);
		device = ret == -EWOULDBLOCK ? 0 : (unsigned long)client->device;
		break;
	case VB_AIM:
		device = (unsigned long)client->device;
		break;
	case VB_RAISE:
		raise_done(client, step, ret);
		break;
	case VB_MORE:
	case VB_NOTHING:
		break;
	}
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	release(device);
	broker_put_client(client);
}

/**
 * broker_retry - the time has come for what passes by itself
 * @vm: the VM; its lock is not held.
 *
 * Context: any.
 */
void broker_retry(struct vb_vm *vm)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	list_splice_tail_init(&vm->again, &vm->looks);
	list_splice_tail_init(&vm->poor, &vm->work);
	vm->generation++;
	raw_spin_unlock_irqrestore(&vm->lock, flags);
}

/**
 * broker_begin - a VM is about to be settled
 * @vm: the VM.
 *
 * Context: any.
 * Return: whether the VM is held now, until broker_is_idle() says that it is not. Where it is not,
 *	its last irqfd has gone, and nothing may be done for it: it is settled.
 */
bool broker_begin(struct vb_vm *vm)
{
	unsigned long flags;
	bool pinned;

	raw_spin_lock_irqsave(&vm->lock, flags);
	if (!vm->pinned && !RB_EMPTY_ROOT(&vm->clients)) {
		vm->pinned = true;
		vm->ops->pin(vm);
	}
	pinned = vm->pinned;
	/* There is nothing left to be done. */
	if (!pinned)
		WRITE_ONCE(vm->settled, vm->booked);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	return pinned;
}

/**
 * broker_is_idle - may who settles let the VM go?
 * @vm: the VM, for which there was nothing to do.
 *
 * Context: any.
 * Return: whether the VM is not held for what is owed any more; the caller has to let it go.
 */
bool broker_is_idle(struct vb_vm *vm)
{
	unsigned long flags;
	bool idle;

	raw_spin_lock_irqsave(&vm->lock, flags);
	idle = vm->pinned && !is_owing(vm) && !vm->taken && llist_empty(&vm->signals);
	if (idle)
		vm->pinned = false;
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	return idle;
}

/* --- signals --------------------------------------------------------------------------------- */

static u32 vintid_of(struct vb_client *client)
{
	struct vb_slot *slot;
	u32 vintid;

	rcu_read_lock();
	slot = rcu_dereference(client->slot);
	vintid = slot ? READ_ONCE(slot->vintid) : 0;
	rcu_read_unlock();
	return vintid;
}

/**
 * broker_count_signal - the broker serves an eventfd signal
 * @client: of the irqfd.
 *
 * Context: any.
 */
void broker_count_signal(struct vb_client *client)
{
	atomic64_inc(&client->signals);
	this_cpu_inc(count_signals);
	if (trace_fallback_signal_enabled())
		trace_fallback_signal(client->vm->id, vintid_of(client),
				      READ_ONCE(client->host_irq), VLPI_BROKER_WHY_HELD, 0);
}

/**
 * broker_inject - have the interrupt of an irqfd raised by who settles
 * @client: of the irqfd.
 *
 * Signals merge until one is taken: an LPI is an edge.
 *
 * Context: any.
 */
void broker_inject(struct vb_client *client)
{
	broker_count_signal(client);
	if (atomic_xchg(&client->signalled, 1))
		return;
	get_client(client);
	llist_add(&client->signal, &client->vm->signals);
	client->vm->ops->kick(client->vm);
}

/**
 * broker_signal - an eventfd was signalled
 * @client: of the irqfd.
 *
 * Context: any.
 * Return: whether who settles has it now. Otherwise KVM is to serve it: nobody holds the vLPI, and
 *	nobody could, or the route leads to none.
 */
bool broker_signal(struct vb_client *client)
{
	struct vb_slot *slot;
	bool served;

	rcu_read_lock();
	slot = rcu_dereference(client->slot);
	served = slot && READ_ONCE(slot->served);
	rcu_read_unlock();
	if (served)
		broker_inject(client);
	return served;
}

/**
 * broker_next_signal - take the next client that was signalled
 * @vm: the VM. One settles it at a time.
 *
 * Context: any.
 * Return: the client, with a reference, or NULL. Signals from here on are signals of their own.
 */
struct vb_client *broker_next_signal(struct vb_vm *vm)
{
	struct llist_node *node = vm->taken;
	struct vb_client *client;

	/* Those that came later are before those that came earlier, and may come without an end. */
	if (!node)
		node = llist_reverse_order(llist_del_all(&vm->signals));
	if (!node)
		return NULL;
	vm->taken = node->next;
	client = llist_entry(node, struct vb_client, signal);
	atomic_xchg(&client->signalled, 0);
	return client;
}

/**
 * broker_owe - a client that was signalled could not be served at once
 * @client: from broker_next_signal(); broker_next() will say when.
 *
 * Context: any.
 */
void broker_owe(struct vb_client *client)
{
	struct vb_vm *vm = client->vm;
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->lock, flags);
	owe(client, OWES_SIGNAL);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
}

/* Each client has been looked at since something may have changed where its route leads to. */
static bool routes_are_known(struct vb_vm *vm)
{
	return !atomic_read_acquire(&vm->changed) && READ_ONCE(vm->walk) == VB_WALK_NONE;
}

/**
 * broker_raise - raise the vLPI of a client through its holder, here and now
 * @client: added; signalled.
 *
 * Context: any.
 * Return: whether it was raised. Not where nobody holds the vLPI, hands are changing, the guest has
 *	its ITS or its LPIs off, or the route of the client may lead elsewhere by now.
 */
bool broker_raise(struct vb_client *client)
{
	struct vb_slot *slot;
	unsigned long flags;
	bool done = false;

	rcu_read_lock();
	slot = rcu_dereference(client->slot);
	if (slot && routes_are_known(client->vm)) {
		raw_spin_lock_irqsave(&slot->raise_lock, flags);
		/* A slot that is given up may be in use for another vLPI at once. */
		if (slot->raiser && rcu_access_pointer(client->slot) == slot &&
		    READ_ONCE(client->wants) == slot->vintid)
			done = shim_raise_through(slot->raiser);
		raw_spin_unlock_irqrestore(&slot->raise_lock, flags);
	}
	rcu_read_unlock();
	return done;
}

/**
 * broker_count_injection - an interrupt was raised for signals
 * @client: of the irqfd.
 * @how: VLPI_BROKER_WHY_THREAD or VLPI_BROKER_WHY_INLINE.
 *
 * Context: any.
 */
void broker_count_injection(struct vb_client *client, enum vlpi_broker_why how)
{
	atomic64_inc(&client->injections);
	this_cpu_inc(count_injections);
	if (trace_fallback_inject_enabled())
		trace_fallback_inject(client->vm->id, vintid_of(client),
				      READ_ONCE(client->host_irq), how, 0);
}

/* --- what KVM and the irqchip do ------------------------------------------------------------- */

/* The grant that is under way, and whether it may go on: @why not. The VM's lock is held. */
static int gate_grant(struct vb_client *client, u32 vintid, const void *target,
		      enum vlpi_broker_why *why)
{
	struct vb_slot *slot = slot_of(client);

	if (slot->vintid != vintid) {
		*why = VLPI_BROKER_WHY_ELSEWHERE;
		return -EREMCHG;
	}
	if (slot->mapped) {
		*why = VLPI_BROKER_WHY_TAKEN;
		return -EBUSY;
	}
	if (slot->foreign) {
		*why = VLPI_BROKER_WHY_TAKEN;
		return -EREMCHG;
	}
	client->vm->granted = true;
	client->mapped = true;
	client->mapped_vintid = vintid;
	client->target = target;
	slot->mapped = client;
	return 0;
}

/* A foreign mapping passes where nothing is mapped, or being unmapped. The VM's lock is held. */
static int gate_foreign(struct vb_vm *vm, u32 vintid, enum vlpi_broker_why *why)
{
	struct vb_slot *slot = slot_find(vm, vintid);

	if (slot && (slot->holder || slot->mapped || slot->nr_leaving || slot->foreign)) {
		*why = VLPI_BROKER_WHY_TAKEN;
		return -EBUSY;
	}
	vm->foreigns++;
	if (!slot)
		return 0;
	set_foreign(slot, true);
	/* Its clients are looked at, as with any change of the guest's. */
	atomic_set(&vm->changed, 1);
	book(vm);
	return 0;
}

/**
 * broker_gate - may this host IRQ be mapped?
 * @vm: for which KVM wants to map it, NULL where that has no book.
 * @task: identity of the task that does.
 * @host_irq: that is to be mapped.
 * @vintid: the vLPI that it is to be mapped to.
 * @target: identity of the vCPU.
 * @ask: what KVM wants.
 * @client: out: to be given to broker_gate_done(), or NULL.
 *
 * What is granted just now passes, as long as its producer is not leaving. To map a mapped host IRQ
 * to its own vLPI is a change of vCPU (the guest's MOVI) and passes too; to another vLPI it would
 * leave the hardware on the old one. A foreign host IRQ passes where the vLPI is free, but not for
 * the task that grants: its producer has left since. If it is not mapped then,
 * broker_foreign_is_gone() is to follow. All else passes only until the VM's irqfds from before the
 * load are taken over.
 *
 * Context: any; KVM's its_lock is held, on newer kernels also its raw irq_lock.
 * Return: 0; -EBUSY where @host_irq or the vLPI is mapped otherwise, or the producer is leaving;
 *	-EREMCHG where the route led elsewhere when the arbiter looked, or to a vLPI that was free.
 */
int broker_gate(struct vb_vm *vm, const void *task, u32 host_irq, u32 vintid, const void *target,
		enum vb_ask ask, struct vb_client **client)
{
	enum vlpi_broker_why why = VLPI_BROKER_WHY_UNKNOWN;
	struct vb_client *found;
	unsigned long flags;
	int ret = 0;

	*client = NULL;
	if (!vm) {
		if (READ_ONCE(live) && ask == VB_ASK_MAP) {
			ret = -EBUSY;
			trace_gate_refuse(0, vintid, host_irq, why, ret);
		}
		goto out;
	}
	rcu_read_lock();
	raw_spin_lock_irqsave(&vm->lock, flags);
	found = find_irq(host_irq);
	if (found && found->vm != vm)
		found = NULL;
	if (vm->granting && vm->settler == task && vm->granting->host_irq == host_irq) {
		found = vm->granting;
		ret = gate_grant(found, vintid, target, &why);
		if (!ret) {
			get_client(found);
			atomic_inc(&found->busy);
			*client = found;
		}
	} else if (ask == VB_ASK_MOVE) {
		if (found && found->mapped)
			WRITE_ONCE(found->target, target);
	} else if (ask == VB_ASK_FOREIGN && !found && vm->live && vm->granter != task) {
		ret = gate_foreign(vm, vintid, &why);
	} else if (found || vm->live) {
		ret = -EBUSY;
		if (found && found->going)
			why = VLPI_BROKER_WHY_LEFT;
		else if (found)
			why = found->mapped ? VLPI_BROKER_WHY_ELSEWHERE : VLPI_BROKER_WHY_TAKEN;
	}
	if (ret)
		trace_gate_refuse(vm->id, vintid, host_irq, why, ret);
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	rcu_read_unlock();
out:
	if (ret)
		atomic64_inc(&count.gate_refusals);
	return ret;
}

static void drop_mapping(struct vb_client *client)
{
	struct vb_slot *slot = slot_of(client);

	client->mapped = false;
	if (slot && slot->mapped == client)
		slot->mapped = NULL;
}

/**
 * broker_gate_done - the irqchip has answered to what passed the gate
 * @client: from broker_gate(), or NULL.
 * @ret: 0, or the irqchip's errno.
 *
 * Context: as broker_gate().
 */
void broker_gate_done(struct vb_client *client, int ret)
{
	unsigned long flags;

	if (!client)
		return;
	if (ret) {
		raw_spin_lock_irqsave(&client->vm->lock, flags);
		client->vm->granted = false;
		drop_mapping(client);
		raw_spin_unlock_irqrestore(&client->vm->lock, flags);
	}
	atomic_dec(&client->busy);
	broker_put_client(client);
}

/**
 * broker_unmap_begin - a host IRQ is about to be unmapped
 * @host_irq: that KVM or the broker unmaps.
 * @task: identity of the task that does.
 * @client: out: to be given to broker_unmap_end(), or NULL.
 *
 * Called before the irqchip acts, so that no wake-up raises the vLPI through a host IRQ that is a
 * physical interrupt again.
 *
 * Context: as broker_gate().
 * Return: whether KVM unmaps behind our back (DISCARD, MAPD, the end of the VM).
 */
bool broker_unmap_begin(u32 host_irq, const void *task, struct vb_client **client)
{
	struct vb_slot *slot = NULL;
	struct vb_client *found;
	unsigned long flags;
	bool behind = false;
	struct vb_vm *vm;

	*client = NULL;
	rcu_read_lock();
	found = find_irq(host_irq);
	if (!found || !refcount_inc_not_zero(&found->refs)) {
		rcu_read_unlock();
		return false;
	}
	*client = found;
	vm = found->vm;
	raw_spin_lock_irqsave(&vm->lock, flags);
	atomic_inc(&found->busy);
	if (found->mapped && found->host_irq == host_irq) {
		slot = slot_of(found);
		drop_mapping(found);
		/* KVM may well unmap what the broker is about to. */
		behind = task != found->deleter &&
			 !(found->revoking && task == vm->settler);
		trace_unmap(vm->id, slot->vintid, host_irq,
			    behind ? VLPI_BROKER_WHY_KVM : VLPI_BROKER_WHY_REVOKED, 0);
		see_to(slot);
		if (behind) {
			atomic64_inc(&count.unmaps_behind);
			/*
			 * The guest has changed its tables: others may lead elsewhere, too. These
			 * are looked at as with any change of its, and not at each unmap.
			 */
			look_again(found);
			atomic_set(&vm->changed, 1);
		} else {
			atomic64_inc(&count.revokes);
		}
		book(vm);
	}
	raw_spin_unlock_irqrestore(&vm->lock, flags);
	/* A wake-up that is raising the vLPI is done when this has the raise lock. */
	if (slot)
		stop_raising(slot, found);
	rcu_read_unlock();
	return behind;
}

/**
 * broker_unmap_end - the irqchip has unmapped a host IRQ
 * @client: from broker_unmap_begin(), or NULL.
 *
 * Context: as broker_gate().
 */
void broker_unmap_end(struct vb_client *client)
{
	if (!client)
		return;
	atomic_dec(&client->busy);
	broker_put_client(client);
}

/**
 * broker_foreign_is_gone - a host IRQ that no client has is not mapped any more
 * @vm: the VM, or NULL where that has no book.
 * @vintid: the vLPI that it was mapped to.
 * @device: identity of its device, or NULL.
 *
 * Context: as broker_gate().
 */
void broker_foreign_is_gone(struct vb_vm *vm, u32 vintid, const void *device)
{
	struct vb_slot *slot;
	unsigned long flags;

	if (vm) {
		raw_spin_lock_irqsave(&vm->lock, flags);
		vm->foreigns++;
		slot = slot_find(vm, vintid);
		if (slot && slot->foreign) {
			set_foreign(slot, false);
			book(vm);
		}
		raw_spin_unlock_irqrestore(&vm->lock, flags);
	}
	release((unsigned long)device);
}

/**
 * broker_count_forced_unmap - the broker unmapped a host IRQ that KVM left forwarded
 * @client: of the host IRQ, or NULL where no client has it.
 * @host_irq: that was unmapped.
 *
 * Context: any.
 */
void broker_count_forced_unmap(struct vb_client *client, u32 host_irq)
{
	atomic64_inc(&count.forced_unmaps);
	trace_forced_unmap(client ? client->vm->id : 0, client ? client->mapped_vintid : 0,
			   host_irq, client ? VLPI_BROKER_WHY_LEAKED : VLPI_BROKER_WHY_STRAY, 0);
}

/**
 * broker_count_repair - the broker cleared KVM's mark of a mapping that is gone
 *
 * Context: any.
 */
void broker_count_repair(void)
{
	atomic64_inc(&count.repairs);
}

/* --- loading, unloading, and what /dev/vlpi_broker shows ------------------------------------- */

/**
 * broker_set_live - all hooks are in place, or are about to go
 * @on: whether the gate refuses host IRQs of VMs that have no book from now on.
 *
 * Context: any.
 */
void broker_set_live(bool on)
{
	WRITE_ONCE(live, on);
}

/**
 * broker_is_booked - has a client this host IRQ?
 * @host_irq: that is looked up.
 * @but: a client that is not meant, or NULL.
 *
 * Context: any.
 * Return: whether one has.
 */
bool broker_is_booked(u32 host_irq, const struct vb_client *but)
{
	struct vb_client *found;

	rcu_read_lock();
	found = find_irq(host_irq);
	rcu_read_unlock();
	return found && found != but;
}

/**
 * broker_count_dead_stray - a host IRQ was found forwarded to a VM that is gone
 *
 * Context: any.
 */
void broker_count_dead_stray(void)
{
	atomic_inc(&count.dead_strays);
}

/**
 * broker_info - the totals
 * @info: to be filled in, apart from its size, ABI version and version.
 *
 * Context: any.
 */
void broker_info(struct vlpi_broker_info *info)
{
	unsigned int cpu;

	info->nr_vms = atomic_read(&count.vms);
	info->nr_slots = atomic_read(&count.slots);
	info->nr_held = atomic_read(&count.held);
	info->nr_clients = atomic_read(&count.clients);
	info->nr_waiters = atomic_read(&count.waiters);
	info->nr_reassign = atomic_read(&count.reassign);
	info->nr_dead_strays = atomic_read(&count.dead_strays);
	info->nr_foreign = atomic_read(&count.foreign);
	info->connects = atomic64_read(&count.connects);
	info->grants = atomic64_read(&count.grants);
	info->promotions = atomic64_read(&count.promotions);
	info->revokes = atomic64_read(&count.revokes);
	info->grant_failures = atomic64_read(&count.grant_failures);
	info->gate_refusals = atomic64_read(&count.gate_refusals);
	info->unmaps_behind = atomic64_read(&count.unmaps_behind);
	info->forced_unmaps = atomic64_read(&count.forced_unmaps);
	info->repairs = atomic64_read(&count.repairs);
	info->signals = 0;
	info->injections = 0;
	for_each_possible_cpu(cpu) {
		info->signals += READ_ONCE(per_cpu(count_signals, cpu));
		info->injections += READ_ONCE(per_cpu(count_injections, cpu));
	}
}

/* Place of a waiter in the queue of its slot, the holder being 0. */
static u32 queue_position(struct vb_slot *slot, struct vb_client *client)
{
	struct rb_node *node = &client->queue, *parent;
	u32 n;

	/* One that is leaving is behind all of them. */
	if (!client->queued)
		return nr_below(slot->queue.rb_node) + 1;
	n = nr_below(node->rb_left) + 1;
	for (; (parent = rb_parent(node)); node = parent)
		if (node == parent->rb_right)
			n += nr_below(parent->rb_left) + 1;
	return n;
}

static void client_show(struct vb_client *client, struct vlpi_broker_client *out)
{
	struct vb_slot *slot = slot_of(client);
	struct vb_vm *vm = client->vm;

	memset(out, 0, sizeof(*out));
	out->id = client->id;
	out->vm_id = vm->id;
	out->vm_pid = vm->pid;
	out->state = client->state;
	out->error = client->error;
	out->host_irq = client->host_irq;
	if (client->host_irq && shim_is_forwarded(client->host_irq))
		out->flags |= VLPI_BROKER_CLIENT_FORWARDED;
	if (client->reassign)
		out->flags |= VLPI_BROKER_CLIENT_REASSIGN;
	if (client->raises_inline)
		out->flags |= VLPI_BROKER_CLIENT_INLINE;
	if (client->shut_out)
		out->flags |= VLPI_BROKER_CLIENT_SHUT_OUT;
	if (vm->settled != vm->booked)
		out->flags |= VLPI_BROKER_CLIENT_UNSETTLED;
	if (slot) {
		out->vintid = slot->vintid;
		if (slot->foreign)
			out->flags |= VLPI_BROKER_CLIENT_FOREIGN;
		if (client->state == VLPI_BROKER_WAITER)
			out->position = queue_position(slot, client);
	}
	out->gsi = client->gsi;
	out->devid = client->devid;
	out->eventid = client->eventid;
	out->signals = atomic64_read(&client->signals);
	out->injections = atomic64_read(&client->injections);
	strscpy(out->vm_name, vm->name, sizeof(out->vm_name));
	strscpy(out->vm_comm, vm->comm, sizeof(out->vm_comm));
}

/* The first client of @vm whose id is above @id. */
static struct vb_client *client_above(struct vb_vm *vm, u64 id)
{
	struct rb_node *node = vm->clients.rb_node;
	struct vb_client *client, *found = NULL;

	while (node) {
		client = rb_entry(node, struct vb_client, of_vm);
		if (client->id > id) {
			found = client;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/* So many clients are described at most while interrupts are off. */
#define SHOWN_AT_ONCE	4

/**
 * broker_dump - describe clients of a VM in the order of their ids
 * @vm: the VM.
 * @buf: for the descriptions.
 * @entries: that fit in @buf.
 * @cursor: in: the last id already seen; out: the last one described.
 * @more: out: whether the VM has clients with a higher id.
 * @generation: out: changes with every change of the VM; all of @buf is of this generation.
 *
 * Where the VM changes meanwhile, what was described before that is returned.
 *
 * Context: any.
 * Return: number of clients described.
 */
int broker_dump(struct vb_vm *vm, struct vlpi_broker_client *buf, u32 entries, u64 *cursor,
		bool *more, u64 *generation)
{
	struct vb_client *client;
	unsigned long flags;
	unsigned int i;
	u32 n = 0;

	do {
		raw_spin_lock_irqsave(&vm->lock, flags);
		if (!n)
			*generation = vm->generation;
		client = client_above(vm, *cursor);
		for (i = 0; client && n < entries && i < SHOWN_AT_ONCE &&
		     *generation == vm->generation; i++) {
			*cursor = client->id;
			client_show(client, &buf[n++]);
			client = rb_entry_safe(rb_next(&client->of_vm), struct vb_client, of_vm);
		}
		*more = client;
		raw_spin_unlock_irqrestore(&vm->lock, flags);
	} while (*more && n < entries && i == SHOWN_AT_ONCE);
	return n;
}
