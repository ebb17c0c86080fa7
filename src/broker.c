// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arbiter: which host IRQ of a vLPI is injected directly.
 *
 * A *slot* is one (VM, vINTID); the architecture lets one host IRQ be mapped to it. A *client* is
 * one irqfd, with or without a producer. Its route leads to a slot, or nowhere. The clients of a
 * slot stand in its queue in the order in which they came. The first whose host IRQ the hardware
 * maps is the *holder*. The others with a producer are *waiters*, and the fallback injects for
 * them. When the holder goes, the slot is filled from its queue within the same call; when KVM
 * unmaps the holder, by the next broker_rearbitrate(). Slots are in an rbtree, and are freed with
 * their last client.
 *
 *          add_producer           slot_try(): mapped
 *    IDLE --------------> WAITER --------------------> HOLDER
 *                          |  ^                        |   ^
 *    slot_try(): refused   |  +------ KVM unmapped ----+   |
 *                          v                               |
 *                      UNMAPPABLE -------------------------+
 *                                   slot_try(): mapped
 *
 * del_producer takes a client back to IDLE. place() takes it from any state to UNRESOLVED or
 * NOT_MSI when its route leads nowhere, and back to IDLE or WAITER when it leads to a slot.
 *
 * The *ledger* is the book of what is mapped: for each host IRQ its client, and for each slot the
 * one client that is forwarded to it. The gate asks it before KVM maps a host IRQ, and the watch
 * tells it when KVM unmaps one. Its lock is raw: newer kernels call both with interrupts off.
 *
 * A client is *unsettled* when it has to be looked at again though nothing may tell when: the guest
 * has no LPI behind its route yet, or memory ran out. While one is, broker_is_unsettled() has the
 * caller come back with broker_rearbitrate(). A client that was turned down because of other
 * mappings is unsettled when one of those has been given up.
 *
 * No type of KVM, irqchip or irqbypass is known here; what is needed of them is in its_shim.h.
 *
 * Locks: arbiter mutex -> slot's mutex -> (KVM's own, in the shim) -> ledger -> slot's raise lock.
 * - The arbiter mutex covers the tree, the queues, the states, the lists of VMs and clients. Where
 *   it grants or revokes, irqbypass's mutex is held too, so that the producer stays meanwhile.
 * - A slot's mutex keeps the fallback thread from injecting while hands change: an MSI that is
 *   raised through a holder's host IRQ after the holder was unmapped would be a physical interrupt.
 * - A slot's raise lock does the same for a signal that is raised in the wake-up itself. It is kept
 *   across the ITS command, which can take long: with the ledger locked it is taken only while the
 *   slot has no raiser.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/hashtable.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "broker.h"
#include "its_shim.h"
#include "trace.h"

/**
 * struct vb_slot - one vLPI of one VM
 * @node: in the tree.
 * @vm: key, first part.
 * @vintid: key, second part.
 * @refs: one for each client, and one for a fallback that is injecting.
 * @rcu: the wake-up looks at the slot without a lock.
 * @lock: the slot's mutex, see above.
 * @queue: clients in the order in which they came, the holder among them.
 * @nr_clients: length of @queue.
 * @holder: the client that was granted the slot, or NULL; @lock and the arbiter mutex.
 * @mapped: the client that is forwarded to this vLPI, or NULL; ledger.
 * @served: the broker serves the signals of its clients: while there is a holder, and while hands
 *	change; ledger, read without.
 * @walked: number of the walk in which the slot was last filled.
 * @raise_lock: raw; for @raiser.
 * @raiser: the holder, while the vLPI can be raised through its host IRQ; NULL while hands change.
 */
struct vb_slot {
	struct rb_node node;
	struct vb_vm *vm;
	u32 vintid;
	refcount_t refs;
	struct rcu_head rcu;
	struct mutex lock; /* the fallback injects; hands change */
	struct list_head queue;
	unsigned int nr_clients;
	struct vb_client *holder;
	struct vb_client *mapped;
	bool served;
	u64 walked;
	raw_spinlock_t raise_lock; /* a signal raises; hands change */
	struct vb_client *raiser;
};

static DEFINE_MUTEX(arbiter);
static struct rb_root slots = RB_ROOT;
static LIST_HEAD(clients);
static LIST_HEAD(vms);
static u64 last_client_id;
static u64 last_vm_id;
static u64 generation;

/* How many mappings and host IRQs all clients have given up so far. */
static atomic_t releases = ATOMIC_INIT(0);
/* Set where a client is found unsettled; broker_rearbitrate() clears it and looks again. */
static bool unsettled;
/* There may be clients that wait for another client's mapping to be given up. */
static bool stuck;
/* Number of the current walk over slots, so that each is filled once in it. */
static u64 walk;

static DEFINE_RAW_SPINLOCK(ledger);
static DEFINE_HASHTABLE(ledger_by_irq, 8);
/* All hooks are in place: KVM may map no host IRQ that is not in the ledger. */
static bool live;

static struct {
	atomic64_t connects;
	atomic64_t grants;
	atomic64_t promotions;
	atomic64_t revokes;
	atomic64_t grant_failures;
	atomic64_t gate_refusals;
	atomic64_t unmaps_behind;
	atomic64_t forced_unmaps;
	atomic64_t repairs;
	atomic64_t signals;
	atomic64_t injections;
	atomic_t dead_strays;
} count;

/* --- the ledger ------------------------------------------------------------------------------ */

static struct vb_client *ledger_find(u32 host_irq)
{
	struct vb_client *client;

	lockdep_assert_held(&ledger);
	hash_for_each_possible(ledger_by_irq, client, by_irq, host_irq)
		if (client->host_irq == host_irq)
			return client;
	return NULL;
}

static struct vb_slot *ledger_slot(struct vb_client *client)
{
	return rcu_dereference_protected(client->slot, lockdep_is_held(&ledger));
}

/* -EEXIST: another client has the number. A driver may free a host IRQ before its producer goes. */
static int ledger_book(struct vb_client *client)
{
	unsigned long flags;
	int ret = 0;

	raw_spin_lock_irqsave(&ledger, flags);
	if (ledger_find(client->host_irq)) {
		ret = -EEXIST;
	} else {
		hash_add(ledger_by_irq, &client->by_irq, client->host_irq);
		client->booked = true;
	}
	raw_spin_unlock_irqrestore(&ledger, flags);
	return ret;
}

/* A mapping or a host IRQ was given up; clients that were turned down may have waited for it. */
static void note_release(void)
{
	atomic_inc(&releases);
	/* Pairs with note_unsettled(): either that sees the count, or this sees its client. */
	smp_mb__after_atomic();
	if (READ_ONCE(stuck))
		WRITE_ONCE(unsettled, true);
}

static void ledger_unbook(struct vb_client *client)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ledger, flags);
	if (client->booked)
		hash_del(&client->by_irq);
	client->booked = false;
	client->host_irq = 0;
	raw_spin_unlock_irqrestore(&ledger, flags);
	note_release();
}

static void ledger_set(bool *what, bool value)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ledger, flags);
	*what = value;
	raw_spin_unlock_irqrestore(&ledger, flags);
}

/* When this returns, no wake-up raises the slot's vLPI through the host IRQ of @client any more. */
static void slot_stop_raising(struct vb_slot *slot, struct vb_client *client)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&slot->raise_lock, flags);
	if (slot->raiser == client)
		slot->raiser = NULL;
	raw_spin_unlock_irqrestore(&slot->raise_lock, flags);
}

/* The mapping of @client is gone. Returns its slot. */
static struct vb_slot *ledger_drop_mapping(struct vb_client *client)
{
	struct vb_slot *slot = ledger_slot(client);

	client->mapped = false;
	if (slot && slot->mapped == client)
		slot->mapped = NULL;
	return slot;
}

/**
 * broker_gate - may this host IRQ be mapped?
 * @host_irq: that KVM wants to map.
 * @vm_key: the VM that KVM wants to map it for.
 * @vintid: the vLPI that KVM wants to map it to.
 * @forwarded: the irqchip has @host_irq mapped to this very vLPI already.
 *
 * To map a mapped host IRQ to its own vLPI is a change of vPE (the guest's MOVI) and passes. To
 * map it to another vLPI would leave the hardware on the old one, and is refused. A host IRQ that
 * is not in the ledger passes only where it is mapped already: the ledger would miss a new one.
 *
 * Context: any; KVM's its_lock is held, on newer kernels also its raw irq_lock.
 * Return: 0, and the ledger has @host_irq as mapped; -EBUSY where @host_irq or the vLPI is mapped
 *	otherwise; -EAGAIN where the route led elsewhere when the arbiter looked.
 */
int broker_gate(u32 host_irq, const void *vm_key, u32 vintid, bool forwarded)
{
	enum vlpi_broker_why why = VLPI_BROKER_WHY_UNKNOWN;
	struct vb_client *client;
	struct vb_slot *slot;
	unsigned long flags;
	int ret = 0;

	raw_spin_lock_irqsave(&ledger, flags);
	client = ledger_find(host_irq);
	slot = client ? ledger_slot(client) : NULL;
	if (!client) {
		if (live && !forwarded)
			ret = -EBUSY;
	} else if (!slot) {
		ret = -EBUSY;
		why = VLPI_BROKER_WHY_ELSEWHERE;
	} else if (slot->vm->key != vm_key || slot->vintid != vintid) {
		ret = client->granting ? -EAGAIN : -EBUSY;
		why = VLPI_BROKER_WHY_ELSEWHERE;
	} else if (!client->mapped) {
		if (!client->granting || slot->mapped) {
			ret = -EBUSY;
			why = VLPI_BROKER_WHY_TAKEN;
		} else {
			client->mapped = true;
			slot->mapped = client;
		}
	}
	if (ret)
		trace_gate_refuse(client ? client->vm->id : 0, vintid, host_irq, why, ret);
	raw_spin_unlock_irqrestore(&ledger, flags);

	if (ret)
		atomic64_inc(&count.gate_refusals);
	return ret;
}

/**
 * broker_gate_failed - a mapping that passed the gate was turned down by the irqchip
 * @host_irq: as given to broker_gate().
 *
 * Context: as broker_gate().
 */
void broker_gate_failed(u32 host_irq)
{
	struct vb_client *client;
	unsigned long flags;

	raw_spin_lock_irqsave(&ledger, flags);
	client = ledger_find(host_irq);
	if (client && client->granting)
		ledger_drop_mapping(client);
	raw_spin_unlock_irqrestore(&ledger, flags);
}

/**
 * broker_unmapped - a host IRQ is about to be unmapped
 * @host_irq: that KVM or the broker unmaps.
 *
 * Called before the irqchip acts, so that no wake-up raises the vLPI through a host IRQ that is a
 * physical interrupt again. Where the arbiter is not revoking the mapping, KVM unmaps behind our
 * back (DISCARD, MAPD, the end of the VM), and the caller is to have broker_rearbitrate() run.
 *
 * Context: as broker_gate().
 * Return: whether KVM unmaps behind our back.
 */
bool broker_unmapped(u32 host_irq)
{
	struct vb_slot *slot = NULL;
	struct vb_client *client;
	unsigned long flags;
	bool behind = false;

	rcu_read_lock();
	raw_spin_lock_irqsave(&ledger, flags);
	client = ledger_find(host_irq);
	if (client && client->mapped) {
		slot = ledger_drop_mapping(client);
		behind = !client->revoking;
		if (behind) {
			if (slot)
				WRITE_ONCE(slot->served, false);
			WRITE_ONCE(client->vm->changes, client->vm->changes + 1);
		}
		trace_unmap(client->vm->id, slot ? slot->vintid : 0, host_irq,
			    behind ? VLPI_BROKER_WHY_KVM : VLPI_BROKER_WHY_REVOKED, 0);
	}
	raw_spin_unlock_irqrestore(&ledger, flags);
	/* A wake-up that is raising the vLPI is done when this has the raise lock. */
	if (slot)
		slot_stop_raising(slot, client);
	rcu_read_unlock();

	if (behind) {
		atomic64_inc(&count.unmaps_behind);
		note_release();
	}
	return behind;
}

/* The list of VMs changes under the arbiter's mutex and the ledger's lock; callers hold either. */
static struct vb_vm *find_vm(const void *vm_key)
{
	struct vb_vm *vm;

	list_for_each_entry(vm, &vms, list)
		if (vm->key == vm_key)
			return vm;
	return NULL;
}

/**
 * broker_knows - has a VM clients?
 * @vm_key: the VM.
 *
 * Context: any.
 * Return: whether the VM has clients.
 */
bool broker_knows(const void *vm_key)
{
	unsigned long flags;
	bool known;

	raw_spin_lock_irqsave(&ledger, flags);
	known = find_vm(vm_key);
	raw_spin_unlock_irqrestore(&ledger, flags);
	return known;
}

/**
 * broker_vm_changed - mappings of a VM may have changed
 * @vm_key: the VM.
 *
 * Context: any.
 * Return: whether the VM has clients, and broker_rearbitrate() is to be run.
 */
bool broker_vm_changed(const void *vm_key)
{
	struct vb_vm *vm;
	unsigned long flags;

	raw_spin_lock_irqsave(&ledger, flags);
	vm = find_vm(vm_key);
	if (vm)
		WRITE_ONCE(vm->changes, vm->changes + 1);
	raw_spin_unlock_irqrestore(&ledger, flags);
	return vm;
}

/* --- slots ----------------------------------------------------------------------------------- */

static struct vb_slot *slot_of(struct vb_client *client)
{
	return rcu_dereference_protected(client->slot, lockdep_is_held(&arbiter));
}

/*
 * Could the reason for which @client was turned down have gone? Some reasons pass by themselves.
 * The others lie with the irqchip, which will never map this host IRQ, or with another mapping: of
 * an EventID of the same device to another VM, or of this host IRQ elsewhere.
 */
static bool may_work_now(const struct vb_client *client)
{
	switch (client->error) {
	case ENOMEM:
	case EBUSY:
	case ENXIO:
		return true;
	default:
		return client->tried != atomic_read(&releases);
	}
}

/* Has @client to be looked at again, though nothing may tell when? */
static bool is_unsettled(struct vb_client *client)
{
	struct vb_slot *slot = slot_of(client);

	switch (client->state) {
	case VLPI_BROKER_UNRESOLVED:
		return true;
	case VLPI_BROKER_WAITER:
		return slot && !slot->holder;
	case VLPI_BROKER_UNMAPPABLE:
		return slot && !slot->holder && may_work_now(client);
	default:
		return false;
	}
}

/* Note whether @client is unsettled, and where it is, have broker_rearbitrate() called for it. */
static void note_unsettled(struct vb_client *client)
{
	if (client->state == VLPI_BROKER_UNMAPPABLE)
		WRITE_ONCE(stuck, true);
	/* Pairs with note_release(). */
	smp_mb();
	WRITE_ONCE(client->unsettled, !shim_is_leaving(client) && is_unsettled(client));
	if (client->unsettled)
		WRITE_ONCE(unsettled, true);
}

static int slot_compare(const struct vb_slot *slot, const struct vb_vm *vm, u32 vintid)
{
	if (slot->vm->id != vm->id)
		return slot->vm->id < vm->id ? -1 : 1;
	if (slot->vintid != vintid)
		return slot->vintid < vintid ? -1 : 1;
	return 0;
}

static struct vb_slot *slot_find_or_new(struct vb_vm *vm, u32 vintid)
{
	struct rb_node **link = &slots.rb_node, *parent = NULL;
	struct vb_slot *slot;

	lockdep_assert_held(&arbiter);
	while (*link) {
		int order;

		parent = *link;
		slot = rb_entry(parent, struct vb_slot, node);
		order = slot_compare(slot, vm, vintid);
		if (!order)
			return slot;
		link = order < 0 ? &parent->rb_right : &parent->rb_left;
	}

	slot = kzalloc(sizeof(*slot), GFP_KERNEL);
	if (!slot)
		return NULL;
	slot->vm = vm;
	slot->vintid = vintid;
	refcount_set(&slot->refs, 1);
	mutex_init(&slot->lock);
	raw_spin_lock_init(&slot->raise_lock);
	INIT_LIST_HEAD(&slot->queue);
	rb_link_node(&slot->node, parent, link);
	rb_insert_color(&slot->node, &slots);
	return slot;
}

static void slot_put(struct vb_slot *slot)
{
	if (refcount_dec_and_test(&slot->refs))
		kfree_rcu(slot, rcu);
}

/* Have the broker serve signals of the slot's clients while there is a holder, else KVM. */
static void slot_set_served(struct vb_slot *slot)
{
	unsigned long flags;
	bool held;

	lockdep_assert_held(&slot->lock);
	raw_spin_lock_irqsave(&ledger, flags);
	/* The watch may have emptied the slot since it was granted. */
	held = slot->holder && slot->holder->mapped;
	raw_spin_lock(&slot->raise_lock);
	WRITE_ONCE(slot->served, held);
	slot->raiser = held ? slot->holder : NULL;
	raw_spin_unlock(&slot->raise_lock);
	raw_spin_unlock_irqrestore(&ledger, flags);
}

/* Try to map @client's host IRQ to the slot's vLPI. */
static int slot_try(struct vb_slot *slot, struct vb_client *client, enum vlpi_broker_why why)
{
	/* A mapping that is given up from here on may be the one that stands in the way. */
	int released = atomic_read(&releases);
	int ret;

	lockdep_assert_held(&slot->lock);
	if (shim_is_forwarded(client->host_irq)) {
		/* To a VM that is gone: the irqchip would only move that mapping to another vPE. */
		ret = -EUCLEAN;
	} else {
		ledger_set(&client->granting, true);
		ret = shim_grant(client, slot->vintid);
		ledger_set(&client->granting, false);
		if (!ret && !READ_ONCE(client->mapped)) {
			/* KVM has mapped nothing, or has unmapped it already. */
			shim_was_unmapped(client);
			ret = -EBUSY;
		}
	}
	/*
	 * The route leads elsewhere by now, or the guest's tables do: @client is to be placed anew.
	 * The irqchip was not asked, so a release that @client waited for still counts.
	 */
	if (ret == -EAGAIN)
		return ret;
	client->tried = released;
	if (ret) {
		atomic64_inc(&count.grant_failures);
		client->state = VLPI_BROKER_UNMAPPABLE;
		client->error = -ret;
		trace_wait(client->vm->id, slot->vintid, client->host_irq,
			   VLPI_BROKER_WHY_REFUSED, ret);
		return ret;
	}
	atomic64_inc(&count.grants);
	client->state = VLPI_BROKER_HOLDER;
	client->error = 0;
	slot->holder = client;
	trace_grant(client->vm->id, slot->vintid, client->host_irq, why, 0);
	return 0;
}

/*
 * Give the slot to the first in the queue that can have it, unless it is held. After a grant the
 * vLPI is raised once: KVM's add sends a DISCARD, which drops an edge that was pending.
 */
static void slot_fill(struct vb_slot *slot, enum vlpi_broker_why why)
{
	struct vb_client *client;

	lockdep_assert_held(&arbiter);
	lockdep_assert_held(&slot->lock);

	if (slot->holder && !READ_ONCE(slot->holder->mapped)) {
		trace_demote(slot->vm->id, slot->vintid, slot->holder->host_irq,
			     VLPI_BROKER_WHY_KVM, 0);
		shim_was_unmapped(slot->holder);
		slot->holder->state = VLPI_BROKER_WAITER;
		slot->holder->error = 0;
		slot->holder = NULL;
		/* Clients tried since the watch told were still turned down for this mapping. */
		note_release();
	}
	if (slot->holder)
		return;
	list_for_each_entry(client, &slot->queue, queue) {
		if (!client->booked || shim_is_leaving(client))
			continue;
		if (client->state == VLPI_BROKER_UNMAPPABLE && !may_work_now(client))
			continue;
		if (!slot_try(slot, client, why))
			break;
	}
	slot_set_served(slot);
	if (slot->holder)
		shim_raise_granted(slot->holder);
	else
		list_for_each_entry(client, &slot->queue, queue)
			note_unsettled(client);
	generation++;
}

/* Take the mapping back from the holder, whether or not KVM does its part. */
static void slot_revoke(struct vb_slot *slot, enum vlpi_broker_why why)
{
	struct vb_client *client = slot->holder;

	lockdep_assert_held(&slot->lock);
	trace_demote(slot->vm->id, slot->vintid, client->host_irq, why, 0);
	slot_stop_raising(slot, client);
	if (READ_ONCE(client->mapped)) {
		ledger_set(&client->revoking, true);
		shim_revoke(client);
		if (READ_ONCE(client->mapped))
			shim_force_unmap(client);
		else
			/* KVM may still be in a DISCARD; a del that does nothing has not waited. */
			shim_was_unmapped(client);
		ledger_set(&client->revoking, false);
		atomic64_inc(&count.revokes);
	} else {
		shim_was_unmapped(client);
	}
	slot->holder = NULL;
	note_release();
}

static void slot_join(struct vb_slot *slot, struct vb_client *client)
{
	unsigned long flags;

	/* A new slot comes with the reference of its first client. */
	if (slot->nr_clients++)
		refcount_inc(&slot->refs);
	list_add_tail(&client->queue, &slot->queue);
	raw_spin_lock_irqsave(&ledger, flags);
	rcu_assign_pointer(client->slot, slot);
	raw_spin_unlock_irqrestore(&ledger, flags);
}

/*
 * @client's route no longer leads to its slot, or its producer is going. If @client was the holder,
 * the next in the queue is promoted before this returns, and signals that come meanwhile wait for
 * that. If none can be promoted, the vLPI is raised once in software: taking the mapping back sent
 * a DISCARD, which drops an edge that was pending.
 */
static void slot_leave(struct vb_client *client, enum vlpi_broker_why why)
{
	struct vb_slot *slot = slot_of(client);
	bool held;
	unsigned long flags;

	lockdep_assert_held(&arbiter);
	if (!slot)
		return;

	mutex_lock(&slot->lock);
	held = slot->holder == client;
	if (held)
		slot_revoke(slot, why);
	list_del_init(&client->queue);
	raw_spin_lock_irqsave(&ledger, flags);
	RCU_INIT_POINTER(client->slot, NULL);
	raw_spin_unlock_irqrestore(&ledger, flags);
	if (held) {
		slot_fill(slot, why);
		if (slot->holder) {
			atomic64_inc(&count.promotions);
			trace_promote(slot->vm->id, slot->vintid, slot->holder->host_irq, why, 0);
		} else {
			shim_raise_granted(client);
		}
	}
	mutex_unlock(&slot->lock);

	if (!--slot->nr_clients)
		rb_erase(&slot->node, &slots);
	slot_put(slot);
}

/* Find the slot that @client's route leads to now, and put @client in its queue. NULL: no slot. */
static struct vb_slot *place(struct vb_client *client)
{
	struct vb_slot *slot = slot_of(client);
	u32 vintid = 0;
	int ret;

	lockdep_assert_held(&arbiter);
	generation++;
	ret = shim_resolve(client, &vintid);
	if (slot && (ret || slot->vintid != vintid)) {
		slot_leave(client, VLPI_BROKER_WHY_REROUTED);
		slot = NULL;
	}
	if (!ret && !slot) {
		slot = slot_find_or_new(client->vm, vintid);
		if (slot)
			slot_join(slot, client);
		else
			ret = -ENOMEM;
		/* Its state at another slot says nothing about this one. */
		client->state = VLPI_BROKER_IDLE;
	}
	if (ret) {
		if (ret != -EPROTONOSUPPORT && client->state != VLPI_BROKER_UNRESOLVED)
			trace_resolve_fail(client->vm->id, 0, client->host_irq,
					   VLPI_BROKER_WHY_NO_LPI, ret);
		client->error = ret == -EPROTONOSUPPORT ? 0 : -ret;
		client->state = ret == -EPROTONOSUPPORT ? VLPI_BROKER_NOT_MSI :
							  VLPI_BROKER_UNRESOLVED;
		return NULL;
	}
	if (!client->host_irq) {
		client->state = VLPI_BROKER_IDLE;
		client->error = 0;
		return slot;
	}
	if (!client->booked) {
		client->tried = atomic_read(&releases);
		if (ledger_book(client)) {
			client->state = VLPI_BROKER_UNMAPPABLE;
			client->error = EEXIST;
			return slot;
		}
		client->state = VLPI_BROKER_IDLE;
	}
	if (client->state == VLPI_BROKER_IDLE) {
		client->state = VLPI_BROKER_WAITER;
		client->error = 0;
	}
	return slot;
}

static void fill(struct vb_slot *slot)
{
	mutex_lock(&slot->lock);
	slot_fill(slot, VLPI_BROKER_WHY_VACANT);
	mutex_unlock(&slot->lock);
}

/* Place @client, and see that its slot has a holder. */
static void arbitrate(struct vb_client *client)
{
	struct vb_slot *slot = place(client);

	if (slot)
		fill(slot);
	if (client->state == VLPI_BROKER_WAITER)
		trace_wait(client->vm->id, slot->vintid, client->host_irq, VLPI_BROKER_WHY_HELD, 0);
	note_unsettled(client);
}

/* --- what happens to clients ----------------------------------------------------------------- */

/**
 * broker_vm_new - prepare a VM record for broker_add_client()
 * @key: identity of the VM.
 * @pid: of the VMM.
 * @comm: command name of the VMM.
 * @name: KVM's debugfs name of the VM.
 *
 * Return: a record that the caller owns until broker_add_client() takes it, or NULL without memory.
 */
struct vb_vm *broker_vm_new(const void *key, int pid, const char *comm, const char *name)
{
	struct vb_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL);

	if (!vm)
		return NULL;
	vm->key = key;
	vm->pid = pid;
	strscpy(vm->comm, comm, sizeof(vm->comm));
	strscpy(vm->name, name, sizeof(vm->name));
	INIT_LIST_HEAD(&vm->list);
	INIT_LIST_HEAD(&vm->clients);
	return vm;
}

/**
 * broker_vm_free - the end of a VM record
 * @vm: from broker_vm_new(), unused, or from broker_remove_client(); NULL is allowed.
 */
void broker_vm_free(struct vb_vm *vm)
{
	kfree(vm);
}

/**
 * broker_add_client - make a client known
 * @client: zeroed, apart from what is for show; it must stay until broker_remove_client().
 * @new_vm: record to be used if the VM has none yet.
 *
 * Grants nothing: irqbypass's mutex is not held.
 *
 * Context: process; may sleep.
 * Return: 1 if @new_vm is in use now, 0 if it is still the caller's.
 */
int broker_add_client(struct vb_client *client, struct vb_vm *new_vm)
{
	struct vb_vm *vm;
	unsigned long flags;
	int used = 0;

	mutex_lock(&arbiter);
	list_for_each_entry(vm, &vms, list)
		if (vm->key == new_vm->key)
			goto found;
	vm = new_vm;
	vm->id = ++last_vm_id;
	used = 1;
	raw_spin_lock_irqsave(&ledger, flags);
	list_add_tail(&vm->list, &vms);
	raw_spin_unlock_irqrestore(&ledger, flags);
found:
	client->vm = vm;
	client->id = ++last_client_id;
	INIT_LIST_HEAD(&client->queue);
	list_add_tail(&client->list, &clients);
	list_add_tail(&client->of_vm, &vm->clients);
	place(client);
	note_unsettled(client);
	mutex_unlock(&arbiter);
	return used;
}

/**
 * broker_remove_client - forget a client
 * @client: without a producer; its irqfd is not signalled any more.
 *
 * Context: process; may sleep.
 * Return: the VM's record, for the caller to free, where this was the VM's last client, else NULL.
 */
struct vb_vm *broker_remove_client(struct vb_client *client)
{
	struct vb_vm *vm = client->vm;
	unsigned long flags;
	bool last;

	mutex_lock(&arbiter);
	slot_leave(client, VLPI_BROKER_WHY_LEFT);
	list_del(&client->list);
	list_del(&client->of_vm);
	generation++;
	last = list_empty(&vm->clients);
	if (last) {
		raw_spin_lock_irqsave(&ledger, flags);
		list_del(&vm->list);
		raw_spin_unlock_irqrestore(&ledger, flags);
	}
	mutex_unlock(&arbiter);
	return last ? vm : NULL;
}

/**
 * broker_add_producer - a producer is connected to a client
 * @client: added, without a producer.
 * @host_irq: of the producer.
 *
 * Context: process, irqbypass's mutex held; may sleep.
 */
void broker_add_producer(struct vb_client *client, u32 host_irq)
{
	mutex_lock(&arbiter);
	atomic64_inc(&count.connects);
	client->host_irq = host_irq;
	trace_connect(client->vm->id, 0, host_irq, VLPI_BROKER_WHY_CONNECTED, 0);
	arbitrate(client);
	mutex_unlock(&arbiter);
}

/**
 * broker_del_producer - the producer of a client is going
 * @client: added, with a producer.
 *
 * When this returns, the host IRQ is not forwarded any more, and the next in the queue is promoted.
 *
 * Context: process, irqbypass's mutex held; may sleep.
 */
void broker_del_producer(struct vb_client *client)
{
	mutex_lock(&arbiter);
	slot_leave(client, VLPI_BROKER_WHY_LEFT);
	ledger_unbook(client);
	client->state = VLPI_BROKER_IDLE;
	client->error = 0;
	/* Without a producer, user space may still signal the eventfd. */
	if (!shim_is_leaving(client))
		arbitrate(client);
	generation++;
	mutex_unlock(&arbiter);
}

/*
 * Place anew those of @vm's clients for which @is_to_be is true. If there is one, or the VM is
 * @dirty, fill the slots of all its clients: also a holder that is leaving may have lost its slot.
 */
static void rearbitrate_vm(struct vb_vm *vm, bool dirty,
			   bool (*is_to_be)(struct vb_client *client),
			   void (*has_waiter)(struct vb_vm *vm))
{
	struct vb_client *client;
	bool fills = dirty, waiter = false;
	struct vb_slot *slot;

	lockdep_assert_held(&arbiter);
	list_for_each_entry(client, &vm->clients, of_vm) {
		if (!shim_is_leaving(client) && is_to_be(client)) {
			place(client);
			fills = true;
		}
	}
	walk++;
	list_for_each_entry(client, &vm->clients, of_vm) {
		slot = slot_of(client);
		if (fills && slot && slot->walked != walk) {
			slot->walked = walk;
			fill(slot);
		}
	}
	list_for_each_entry(client, &vm->clients, of_vm) {
		waiter |= client->state == VLPI_BROKER_WAITER;
		note_unsettled(client);
	}
	if (fills && waiter)
		has_waiter(vm);
}

static bool always(struct vb_client *client)
{
	return true;
}

/**
 * broker_rearbitrate - see to the VMs in which something has changed, and to unsettled clients
 * @has_waiter: called for each VM that was seen to and has a waiter.
 *
 * Context: process, irqbypass's mutex held; may sleep.
 */
void broker_rearbitrate(void (*has_waiter)(struct vb_vm *vm))
{
	struct vb_vm *vm;

	mutex_lock(&arbiter);
	/* note_unsettled() and note_release() set them again. */
	WRITE_ONCE(unsettled, false);
	WRITE_ONCE(stuck, false);
	list_for_each_entry(vm, &vms, list) {
		unsigned int changes = READ_ONCE(vm->changes);
		bool dirty = vm->seen != changes;

		rearbitrate_vm(vm, dirty, dirty ? always : is_unsettled, has_waiter);
		WRITE_ONCE(vm->seen, changes);
	}
	mutex_unlock(&arbiter);
}

/**
 * broker_routes_changed - see to the clients of a VM whose routes have changed
 * @vm_key: the VM; one without clients is allowed.
 * @has_waiter: called if a route has changed and the VM has a waiter.
 *
 * Context: process, irqbypass's mutex held; may sleep.
 */
void broker_routes_changed(const void *vm_key, void (*has_waiter)(struct vb_vm *vm))
{
	struct vb_vm *vm;

	mutex_lock(&arbiter);
	vm = find_vm(vm_key);
	if (vm)
		rearbitrate_vm(vm, false, shim_route_changed, has_waiter);
	mutex_unlock(&arbiter);
}

/**
 * broker_is_unsettled - is broker_rearbitrate() to be called again, soon?
 *
 * Context: any.
 * Return: whether a client may be mappable by now, or become so with nothing to tell of it.
 */
bool broker_is_unsettled(void)
{
	return READ_ONCE(unsettled);
}

/* --- signals --------------------------------------------------------------------------------- */

/**
 * broker_is_served - does the broker serve a signal of this client?
 * @client: added.
 *
 * Context: any.
 * Return: true while its slot has a holder, this client or another: KVM's own path is blind to the
 *	LPI's enable bit then. Otherwise KVM serves the signal.
 */
bool broker_is_served(struct vb_client *client)
{
	struct vb_slot *slot;
	bool served;

	rcu_read_lock();
	slot = rcu_dereference(client->slot);
	served = slot && READ_ONCE(slot->served);
	rcu_read_unlock();
	return served;
}

/**
 * broker_raise - raise the vLPI of a client through its holder, here and now
 * @client: added; signalled.
 *
 * While hands change there is no holder to raise it through; the raise that ends the change is for
 * this signal too. After a change in the VM the client's route may lead to another slot, until the
 * arbiter has looked; KVM follows the route at each signal.
 *
 * Context: any.
 * Return: whether the signal is served. KVM is to serve it where the slot is not held, the guest
 *	has its ITS or its LPIs off, or something in the VM has changed.
 */
bool broker_raise(struct vb_client *client)
{
	struct vb_slot *slot;
	unsigned long flags;
	bool done = false;

	rcu_read_lock();
	slot = rcu_dereference(client->slot);
	if (slot && READ_ONCE(client->vm->changes) == READ_ONCE(client->vm->seen)) {
		raw_spin_lock_irqsave(&slot->raise_lock, flags);
		if (slot->raiser)
			done = shim_raise_through(slot->raiser);
		else
			done = READ_ONCE(slot->served);
		raw_spin_unlock_irqrestore(&slot->raise_lock, flags);
	}
	rcu_read_unlock();
	return done;
}

/**
 * broker_is_due - is a signal that KVM serves a reason to look at the client again?
 * @client: added.
 *
 * Context: any.
 * Return: whether @client may be mappable by now, and broker_rearbitrate() is to be called.
 */
bool broker_is_due(struct vb_client *client)
{
	return READ_ONCE(client->unsettled);
}

/**
 * broker_lock_slot - keep hands from changing while a signal is injected
 * @client: added.
 *
 * Context: process; may sleep.
 * Return: the locked slot, for broker_unlock_slot(), or NULL where the route leads nowhere.
 */
struct vb_slot *broker_lock_slot(struct vb_client *client)
{
	struct vb_slot *slot;

	rcu_read_lock();
	slot = rcu_dereference(client->slot);
	if (slot && !refcount_inc_not_zero(&slot->refs))
		slot = NULL;
	rcu_read_unlock();
	if (slot)
		mutex_lock(&slot->lock);
	return slot;
}

/**
 * broker_unlock_slot - undo broker_lock_slot()
 * @slot: what that returned.
 */
void broker_unlock_slot(struct vb_slot *slot)
{
	if (!slot)
		return;
	mutex_unlock(&slot->lock);
	slot_put(slot);
}

static u32 vintid_of(struct vb_client *client)
{
	struct vb_slot *slot;
	u32 vintid;

	rcu_read_lock();
	slot = rcu_dereference(client->slot);
	vintid = slot ? slot->vintid : 0;
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
	atomic64_inc(&count.signals);
	if (trace_fallback_signal_enabled())
		trace_fallback_signal(client->vm->id, vintid_of(client),
				      READ_ONCE(client->host_irq), VLPI_BROKER_WHY_HELD, 0);
}

/**
 * broker_count_injection - the fallback raised an interrupt for signals it serves
 * @client: of the irqfd.
 * @how: VLPI_BROKER_WHY_THREAD or VLPI_BROKER_WHY_INLINE.
 *
 * Context: any.
 */
void broker_count_injection(struct vb_client *client, enum vlpi_broker_why how)
{
	atomic64_inc(&client->injections);
	atomic64_inc(&count.injections);
	if (trace_fallback_inject_enabled())
		trace_fallback_inject(client->vm->id, vintid_of(client),
				      READ_ONCE(client->host_irq), how, 0);
}

/**
 * broker_count_forced_unmap - the broker unmapped a host IRQ that KVM left forwarded
 * @host_irq: that was unmapped.
 *
 * Context: any.
 */
void broker_count_forced_unmap(u32 host_irq)
{
	struct vb_client *client;
	struct vb_slot *slot;
	unsigned long flags;

	atomic64_inc(&count.forced_unmaps);
	raw_spin_lock_irqsave(&ledger, flags);
	client = ledger_find(host_irq);
	slot = client ? ledger_slot(client) : NULL;
	trace_forced_unmap(client ? client->vm->id : 0, slot ? slot->vintid : 0, host_irq,
			   client ? VLPI_BROKER_WHY_LEAKED : VLPI_BROKER_WHY_STRAY, 0);
	raw_spin_unlock_irqrestore(&ledger, flags);
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
 * @on: whether the gate refuses host IRQs that are not in the ledger from now on.
 *
 * Context: any.
 */
void broker_set_live(bool on)
{
	ledger_set(&live, on);
}

/**
 * broker_is_booked - look a host IRQ up in the ledger
 * @host_irq: that is looked up.
 *
 * Context: any.
 * Return: whether a client has it.
 */
bool broker_is_booked(u32 host_irq)
{
	unsigned long flags;
	bool booked;

	raw_spin_lock_irqsave(&ledger, flags);
	booked = ledger_find(host_irq);
	raw_spin_unlock_irqrestore(&ledger, flags);
	return booked;
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
 * Context: process; may sleep.
 */
void broker_info(struct vlpi_broker_info *info)
{
	struct vb_client *client;
	struct rb_node *node;
	struct vb_vm *vm;

	mutex_lock(&arbiter);
	list_for_each_entry(vm, &vms, list)
		info->nr_vms++;
	for (node = rb_first(&slots); node; node = rb_next(node)) {
		info->nr_slots++;
		info->nr_held += !!rb_entry(node, struct vb_slot, node)->holder;
	}
	list_for_each_entry(client, &clients, list) {
		info->nr_clients++;
		info->nr_waiters += client->state == VLPI_BROKER_WAITER;
		info->nr_reassign += client->reassign;
	}
	mutex_unlock(&arbiter);

	info->nr_dead_strays = atomic_read(&count.dead_strays);
	info->connects = atomic64_read(&count.connects);
	info->grants = atomic64_read(&count.grants);
	info->promotions = atomic64_read(&count.promotions);
	info->revokes = atomic64_read(&count.revokes);
	info->grant_failures = atomic64_read(&count.grant_failures);
	info->gate_refusals = atomic64_read(&count.gate_refusals);
	info->unmaps_behind = atomic64_read(&count.unmaps_behind);
	info->forced_unmaps = atomic64_read(&count.forced_unmaps);
	info->repairs = atomic64_read(&count.repairs);
	info->signals = atomic64_read(&count.signals);
	info->injections = atomic64_read(&count.injections);
}

/* Place of a client in the queue of its slot, the holder being 0. */
static u32 queue_position(struct vb_slot *slot, struct vb_client *client)
{
	struct vb_client *other;
	u32 n = 1;

	if (slot->holder == client)
		return 0;
	list_for_each_entry(other, &slot->queue, queue) {
		if (other == client)
			break;
		n += other->state == VLPI_BROKER_WAITER;
	}
	return n;
}

static void client_show(struct vb_client *client, struct vlpi_broker_client *out)
{
	struct vb_slot *slot = slot_of(client);

	memset(out, 0, sizeof(*out));
	out->id = client->id;
	out->vm_id = client->vm->id;
	out->vm_pid = client->vm->pid;
	out->state = client->state;
	out->error = client->error;
	out->host_irq = client->host_irq;
	if (client->host_irq && shim_is_forwarded(client->host_irq))
		out->flags |= VLPI_BROKER_CLIENT_FORWARDED;
	if (client->reassign)
		out->flags |= VLPI_BROKER_CLIENT_REASSIGN;
	if (client->raises_inline)
		out->flags |= VLPI_BROKER_CLIENT_INLINE;
	if (slot) {
		out->vintid = slot->vintid;
		if (client->state == VLPI_BROKER_WAITER)
			out->position = queue_position(slot, client);
	}
	out->gsi = client->gsi;
	out->devid = client->devid;
	out->eventid = client->eventid;
	out->signals = atomic64_read(&client->signals);
	out->injections = atomic64_read(&client->injections);
	strscpy(out->vm_name, client->vm->name, sizeof(out->vm_name));
	strscpy(out->vm_comm, client->vm->comm, sizeof(out->vm_comm));
}

/**
 * broker_dump - describe clients in the order of their ids
 * @buf: for the descriptions.
 * @entries: that fit in @buf.
 * @cursor: in: the last id already seen; out: the last one described.
 * @more: out: whether there are clients with a higher id.
 * @gen: out: changes with every change of a slot or client; all of @buf is of this generation.
 *
 * Context: process; may sleep.
 * Return: number of clients described, or -EINTR.
 */
int broker_dump(struct vlpi_broker_client *buf, u32 entries, u64 *cursor, bool *more, u64 *gen)
{
	struct vb_client *client;
	int n = 0;

	if (mutex_lock_interruptible(&arbiter))
		return -EINTR;
	*more = false;
	list_for_each_entry(client, &clients, list) {
		if (client->id <= *cursor)
			continue;
		if (n == entries) {
			*more = true;
			break;
		}
		client_show(client, &buf[n++]);
	}
	if (n)
		*cursor = buf[n - 1].id;
	*gen = generation;
	mutex_unlock(&arbiter);
	return n;
}
