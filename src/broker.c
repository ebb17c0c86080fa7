// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arbiter: which producer of a vLPI is injected directly.
 *
 * A *slot* is one (VM, vINTID); the architecture lets one host IRQ be mapped to it. Every irqfd is
 * a *client*. The route of a client leads to a slot, or nowhere. The clients of a slot stand in its
 * queue in the order in which they came; the first whose host IRQ the hardware maps is the
 * *holder*, the others with a producer are *waiters*, and a fallback injects for them. When the
 * holder goes, the queue is walked again, within the same call: a slot with a mappable producer
 * has a holder whenever no call into this file is under way. Slots are kept in an rbtree, counted
 * by their clients, and go with the last one.
 *
 * The *ledger* is the book of what is mapped: for each host IRQ its client, and for each slot the
 * one client that is forwarded to it. The gate asks it before each mapping that KVM wants to make,
 * and the watch tells it of each that KVM takes away. Its lock is raw and innermost, since both are
 * called with interrupts off on newer kernels.
 *
 * No type of KVM, irqchip or irqbypass is known here; what is needed of them is in its_shim.h.
 *
 * Locks: arbiter mutex -> slot's mutex -> (KVM's own, in the shim) -> ledger.
 * - The arbiter mutex covers the tree, the queues, the states, the lists of VMs and clients. Its
 *   callers hold irqbypass's mutex, so a producer does not vanish while it is dealt with.
 * - A slot's mutex keeps the fallback from injecting while hands change: an MSI that is raised
 *   through a holder's host IRQ after the holder was unmapped would be a physical interrupt.
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

/**
 * struct vb_slot - one vLPI of one VM
 * @node: in the tree.
 * @vm: key, first part.
 * @vintid: key, second part.
 * @refs: one a client, and one a fallback that is injecting.
 * @rcu: broker_is_served() looks at it without a lock.
 * @lock: see above.
 * @queue: clients in the order in which they came, the holder among them.
 * @nr_clients: length of @queue.
 * @holder: the client whose host IRQ was granted, or NULL; @lock and the arbiter mutex.
 * @mapped: the client that is forwarded to this vLPI, or NULL; ledger.
 * @served: signals are ours to inject: set while there is a holder, and during a change of hands;
 *	ledger, read without.
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
};

static DEFINE_MUTEX(arbiter);
static struct rb_root slots = RB_ROOT;
static LIST_HEAD(clients);
static LIST_HEAD(vms);
static u64 last_client_id;
static u64 last_vm_id;
static u64 generation;

static DEFINE_RAW_SPINLOCK(ledger);
static DEFINE_HASHTABLE(ledger_by_irq, 8);
/* While the hooks are not complete, a host IRQ that is not in the ledger is KVM's own business. */
static bool live;

static struct {
	atomic64_t attaches;
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

static int ledger_book(struct vb_client *client, u32 host_irq)
{
	unsigned long flags;
	int ret = 0;

	raw_spin_lock_irqsave(&ledger, flags);
	client->host_irq = host_irq;
	if (ledger_find(host_irq)) {
		ret = -EEXIST;
	} else {
		hash_add(ledger_by_irq, &client->by_irq, host_irq);
		client->booked = true;
	}
	raw_spin_unlock_irqrestore(&ledger, flags);
	return ret;
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
}

static void ledger_set(bool *what, bool value)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ledger, flags);
	*what = value;
	raw_spin_unlock_irqrestore(&ledger, flags);
}

/* A mapping is gone. Returns what it was in. */
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
 * @vm_key: VM it wants to map it for.
 * @vintid: vLPI it wants to map it to.
 * @forwarded: the irqchip has it mapped to just that already.
 *
 * A map of a mapped host IRQ to the same vLPI is a change of vPE (the guest's MOVI) and passes; to
 * another vLPI it would leave the hardware on the old one, and does not. A host IRQ that is not in
 * the ledger is not ours to lose track of: only what is mapped already passes.
 *
 * Context: any; KVM's its_lock is held, on newer kernels also its raw irq_lock.
 * Return: 0 after it was noted as mapped; -EBUSY where the host IRQ or the vLPI is taken; -EAGAIN
 *	where the route led elsewhere when the arbiter looked.
 */
int broker_gate(u32 host_irq, const void *vm_key, u32 vintid, bool forwarded)
{
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
	} else if (slot->vm->key != vm_key || slot->vintid != vintid) {
		ret = client->granting ? -EAGAIN : -EBUSY;
	} else if (!client->mapped) {
		if (!client->granting || slot->mapped) {
			ret = -EBUSY;
		} else {
			client->mapped = true;
			slot->mapped = client;
		}
	}
	raw_spin_unlock_irqrestore(&ledger, flags);

	if (ret)
		atomic64_inc(&count.gate_refusals);
	return ret;
}

/**
 * broker_gate_failed - a mapping that passed the gate was turned down by the irqchip
 * @host_irq: that was to be mapped.
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
 * @host_irq: it.
 *
 * Called before the irqchip acts, so that nobody raises a vLPI through a host IRQ that is a
 * physical interrupt again. Unless the arbiter itself is revoking the mapping, KVM did this behind
 * our back (DISCARD, MAPD, the end of the VM), and the caller is to have broker_rearbitrate() run.
 *
 * Context: as broker_gate().
 * Return: whether it was KVM's doing, and unexpected.
 */
bool broker_unmapped(u32 host_irq)
{
	struct vb_client *client;
	struct vb_slot *slot;
	unsigned long flags;
	bool behind = false;

	raw_spin_lock_irqsave(&ledger, flags);
	client = ledger_find(host_irq);
	if (client && client->mapped) {
		slot = ledger_drop_mapping(client);
		behind = !client->revoking;
		if (behind) {
			if (slot)
				WRITE_ONCE(slot->served, false);
			client->vm->dirty = true;
		}
	}
	raw_spin_unlock_irqrestore(&ledger, flags);

	if (behind)
		atomic64_inc(&count.unmaps_behind);
	return behind;
}

/**
 * broker_vm_changed - routes or mappings of a VM may have changed
 * @vm_key: the VM.
 *
 * Context: any.
 * Return: whether the VM is known, and broker_rearbitrate() is to be run.
 */
bool broker_vm_changed(const void *vm_key)
{
	struct vb_vm *vm;
	unsigned long flags;
	bool known = false;

	raw_spin_lock_irqsave(&ledger, flags);
	list_for_each_entry(vm, &vms, list) {
		if (vm->key == vm_key) {
			vm->dirty = true;
			known = true;
			break;
		}
	}
	raw_spin_unlock_irqrestore(&ledger, flags);
	return known;
}

/* --- slots ----------------------------------------------------------------------------------- */

static struct vb_slot *slot_of(struct vb_client *client)
{
	return rcu_dereference_protected(client->slot, lockdep_is_held(&arbiter));
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

/* Let signals of the slot's clients be served by us, or no longer. */
static void slot_set_served(struct vb_slot *slot)
{
	unsigned long flags;

	lockdep_assert_held(&slot->lock);
	raw_spin_lock_irqsave(&ledger, flags);
	/* The watch may have emptied the slot since it was granted. */
	WRITE_ONCE(slot->served, slot->holder && slot->holder->mapped);
	raw_spin_unlock_irqrestore(&ledger, flags);
}

/* Map @client's host IRQ to the slot's vLPI. */
static int slot_try(struct vb_slot *slot, struct vb_client *client)
{
	int ret;

	lockdep_assert_held(&slot->lock);
	if (shim_is_forwarded(client->host_irq)) {
		/* To a VM that is gone: mapping it again would only move that. */
		ret = -EUCLEAN;
	} else {
		ledger_set(&client->granting, true);
		ret = shim_grant(client);
		ledger_set(&client->granting, false);
		if (!ret && !READ_ONCE(client->mapped))
			ret = -EBUSY;
	}
	if (ret) {
		atomic64_inc(&count.grant_failures);
		client->state = VLPI_BROKER_UNMAPPABLE;
		client->error = -ret;
		return ret;
	}
	atomic64_inc(&count.grants);
	client->state = VLPI_BROKER_HOLDER;
	client->error = 0;
	slot->holder = client;
	return 0;
}

/*
 * Give the slot to the first in the queue that can have it, unless it is held. Whoever gets it has
 * the vLPI raised once: KVM's add sends a DISCARD, which drops an edge that was pending.
 */
static void slot_fill(struct vb_slot *slot)
{
	struct vb_client *client;

	lockdep_assert_held(&arbiter);
	lockdep_assert_held(&slot->lock);

	if (slot->holder && !READ_ONCE(slot->holder->mapped)) {
		slot->holder->state = VLPI_BROKER_WAITER;
		slot->holder->error = 0;
		slot->holder = NULL;
	}
	if (!slot->holder) {
		list_for_each_entry(client, &slot->queue, queue) {
			if (!client->booked || shim_is_leaving(client))
				continue;
			if (!slot_try(slot, client))
				break;
		}
		slot_set_served(slot);
		if (slot->holder)
			shim_raise_granted(slot->holder);
	}
	generation++;
}

/* Take the mapping back from the holder, whatever KVM makes of it. */
static void slot_revoke(struct vb_slot *slot)
{
	struct vb_client *client = slot->holder;

	lockdep_assert_held(&slot->lock);
	if (READ_ONCE(client->mapped)) {
		ledger_set(&client->revoking, true);
		shim_revoke(client);
		if (READ_ONCE(client->mapped))
			shim_force_unmap(client);
		ledger_set(&client->revoking, false);
		atomic64_inc(&count.revokes);
	}
	slot->holder = NULL;
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
 * @client's route no longer leads to its slot, or its producer is going. If it was the holder, the
 * next in the queue is promoted before this returns, and signals that come meanwhile wait for
 * that. If nobody can be, the vLPI is raised once in software: taking the mapping back sent a
 * DISCARD, which drops an edge that was pending.
 */
static void slot_leave(struct vb_client *client)
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
		slot_revoke(slot);
	list_del_init(&client->queue);
	raw_spin_lock_irqsave(&ledger, flags);
	RCU_INIT_POINTER(client->slot, NULL);
	raw_spin_unlock_irqrestore(&ledger, flags);
	if (held) {
		slot_fill(slot);
		if (slot->holder)
			atomic64_inc(&count.promotions);
		else
			shim_raise_granted(client);
	}
	mutex_unlock(&slot->lock);

	if (!--slot->nr_clients)
		rb_erase(&slot->node, &slots);
	slot_put(slot);
}

/* Find out where @client's route leads now, and put it into that queue. NULL: nowhere. */
static struct vb_slot *place(struct vb_client *client)
{
	struct vb_slot *slot = slot_of(client);
	u32 vintid = 0;
	int ret;

	lockdep_assert_held(&arbiter);
	generation++;
	ret = shim_resolve(client, &vintid);
	if (slot && (ret || slot->vintid != vintid)) {
		slot_leave(client);
		slot = NULL;
	}
	if (!ret && !slot) {
		slot = slot_find_or_new(client->vm, vintid);
		if (slot)
			slot_join(slot, client);
		else
			ret = -ENOMEM;
	}
	if (ret) {
		client->error = ret == -EPROTONOSUPPORT ? 0 : -ret;
		client->state = ret == -EPROTONOSUPPORT ? VLPI_BROKER_NOT_MSI :
							  VLPI_BROKER_UNRESOLVED;
		return NULL;
	}
	if (!client->host_irq) {
		client->state = VLPI_BROKER_IDLE;
		client->error = 0;
	} else if (client->state != VLPI_BROKER_HOLDER &&
		   client->state != VLPI_BROKER_UNMAPPABLE) {
		client->state = VLPI_BROKER_WAITER;
		client->error = 0;
	}
	return slot;
}

/* The same, and see that the slot there has a holder. */
static void arbitrate(struct vb_client *client)
{
	struct vb_slot *slot = place(client);

	if (!slot)
		return;
	mutex_lock(&slot->lock);
	slot_fill(slot);
	mutex_unlock(&slot->lock);
}

/* --- what happens to clients ----------------------------------------------------------------- */

/**
 * broker_vm_new - prepare a VM record for broker_add()
 * @key: identity of the VM.
 * @pid: of the VMM.
 * @comm: command name of the VMM.
 * @name: KVM's debugfs name of the VM.
 *
 * Return: a record that the caller owns until broker_add() takes it, or NULL without memory.
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
	return vm;
}

/**
 * broker_vm_free - the end of a VM record
 * @vm: from broker_vm_new(), unused, or from broker_remove(); NULL is allowed.
 */
void broker_vm_free(struct vb_vm *vm)
{
	kfree(vm);
}

/**
 * broker_add - make a client known
 * @client: zeroed, apart from what is for show; it must stay until broker_remove().
 * @new_vm: record to be used if the VM has none yet.
 *
 * Nothing is granted here: irqbypass's mutex is not held.
 *
 * Context: process; may sleep.
 * Return: 1 if @new_vm is in use now, 0 if it is still the caller's.
 */
int broker_add(struct vb_client *client, struct vb_vm *new_vm)
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
	vm->nr_clients++;
	client->vm = vm;
	client->id = ++last_client_id;
	INIT_LIST_HEAD(&client->queue);
	list_add_tail(&client->list, &clients);
	place(client);
	mutex_unlock(&arbiter);
	return used;
}

/**
 * broker_remove - forget a client
 * @client: without a producer; nobody signals it any more.
 *
 * Context: process; may sleep.
 * Return: its VM's record where this was the last client, for the caller to end, else NULL.
 */
struct vb_vm *broker_remove(struct vb_client *client)
{
	struct vb_vm *vm = client->vm;
	unsigned long flags;
	bool last;

	mutex_lock(&arbiter);
	slot_leave(client);
	list_del(&client->list);
	generation++;
	last = !--vm->nr_clients;
	if (last) {
		raw_spin_lock_irqsave(&ledger, flags);
		list_del(&vm->list);
		raw_spin_unlock_irqrestore(&ledger, flags);
	}
	mutex_unlock(&arbiter);
	return last ? vm : NULL;
}

/**
 * broker_attach - a producer is connected to a client
 * @client: added, without a producer.
 * @host_irq: of the producer.
 *
 * Context: process, irqbypass's mutex held; may sleep.
 */
void broker_attach(struct vb_client *client, u32 host_irq)
{
	int ret;

	mutex_lock(&arbiter);
	atomic64_inc(&count.attaches);
	ret = ledger_book(client, host_irq);
	arbitrate(client);
	if (ret) {
		client->state = VLPI_BROKER_UNMAPPABLE;
		client->error = -ret;
	}
	mutex_unlock(&arbiter);
}

/**
 * broker_detach - the producer of a client is going
 * @client: added, with a producer.
 *
 * When this returns, the host IRQ is not forwarded any more, and the next in the queue is.
 *
 * Context: process, irqbypass's mutex held; may sleep.
 */
void broker_detach(struct vb_client *client)
{
	mutex_lock(&arbiter);
	slot_leave(client);
	ledger_unbook(client);
	client->state = VLPI_BROKER_IDLE;
	/* Without a producer it can still be signalled by hand. */
	if (!shim_is_leaving(client))
		arbitrate(client);
	generation++;
	mutex_unlock(&arbiter);
}

static void rearbitrate_vm(struct vb_vm *vm, void (*has_waiter)(struct vb_vm *vm))
{
	struct vb_client *client;
	bool waiter = false;

	list_for_each_entry(client, &clients, list) {
		if (client->vm != vm || shim_is_leaving(client))
			continue;
		arbitrate(client);
		waiter |= client->state == VLPI_BROKER_WAITER;
	}
	if (waiter)
		has_waiter(vm);
}

/**
 * broker_rearbitrate - see to the VMs in which something has changed
 * @has_waiter: told of each of them that has a waiter.
 *
 * Context: process, irqbypass's mutex held; may sleep.
 */
void broker_rearbitrate(void (*has_waiter)(struct vb_vm *vm))
{
	struct vb_vm *vm;

	mutex_lock(&arbiter);
	list_for_each_entry(vm, &vms, list) {
		if (READ_ONCE(vm->dirty)) {
			ledger_set(&vm->dirty, false);
			rearbitrate_vm(vm, has_waiter);
		}
	}
	mutex_unlock(&arbiter);
}

/* --- signals --------------------------------------------------------------------------------- */

/**
 * broker_is_served - is a signal of this client ours to inject?
 * @client: added.
 *
 * Context: any.
 * Return: true while its slot has a holder, whoever that is: KVM's own path is blind to the LPI's
 *	enable bit then. Otherwise KVM serves it.
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

/**
 * broker_count_signal - an eventfd signal was taken
 * @client: whose.
 *
 * Context: any.
 */
void broker_count_signal(struct vb_client *client)
{
	atomic64_inc(&client->signals);
	atomic64_inc(&count.signals);
}

/**
 * broker_count_injection - an MSI was injected for signals taken
 * @client: whose.
 *
 * Context: any.
 */
void broker_count_injection(struct vb_client *client)
{
	atomic64_inc(&client->injections);
	atomic64_inc(&count.injections);
}

/**
 * broker_count_forced_unmap - KVM left a host IRQ forwarded, and it was unmapped
 *
 * Context: any.
 */
void broker_count_forced_unmap(void)
{
	atomic64_inc(&count.forced_unmaps);
}

/**
 * broker_count_repair - KVM believed in a mapping that is gone, and was corrected
 *
 * Context: any.
 */
void broker_count_repair(void)
{
	atomic64_inc(&count.repairs);
}

/* --- for show -------------------------------------------------------------------------------- */

/**
 * broker_set_live - all hooks are in place, or are about to go
 * @on: from now on nothing is mapped that is not in the ledger; or what is not, is KVM's business.
 *
 * Context: any.
 */
void broker_set_live(bool on)
{
	ledger_set(&live, on);
}

/**
 * broker_is_booked - look a host IRQ up in the ledger
 * @host_irq: it.
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
		info->nr_reattach += client->reattach;
	}
	mutex_unlock(&arbiter);

	info->nr_dead_strays = atomic_read(&count.dead_strays);
	info->attaches = atomic64_read(&count.attaches);
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
	if (client->reattach)
		out->flags |= VLPI_BROKER_CLIENT_REATTACH;
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
 * @gen: out: number of the state of which all of them are.
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
