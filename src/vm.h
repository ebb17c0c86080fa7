/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_VM_H
#define VLPI_BROKER_VM_H

#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "broker.h"
#include "events.h"

/**
 * struct vm - a VM that has irqfds
 * @book: what the arbiter knows of it.
 * @kvm: KVM's; it lives as long as the VM has a client, or is pinned.
 * @refs: each proxy has one, and the work item while it is queued. With the first the record has a
 *	reference to the module.
 * @node: in the table of VMs, by @kvm.
 * @by_id: in the tree of VMs.
 * @rcu: the table is read without a lock.
 * @settle: the work item that does what the book says.
 * @later: queues @settle.
 * @later_at: when it does, in jiffies.
 * @change_began: when @settle began to look at changes of the guest's tables, in ns, or 0.
 * @change_steps: how many steps it has done since.
 * @change_next: when it may do so next.
 * @blocked_ms: how long @settle waits before it comes back to a lock of KVM's that is taken.
 * @again_ms: how long it waits before what was turned down is tried again.
 * @again_at: when that is to be, in ms; 0 where nothing is to be tried again.
 * @again_booked: how much was booked when that was last set.
 * @halted: @settle has halted the guest.
 * @at_work: @settle is at work.
 * @held_off: it does nothing, and no wake-up raises a vLPI.
 * @events: its history.
 * @settled: woken when @settle has done all that was booked.
 * @register_lock: KVM registers an irqfd; or those from before the load are taken over.
 * @to_take: it has irqfds without a proxy, which are to be taken over.
 * @let_in: proxies that irqbypass has refused, and that are to be registered again; for
 *	irqbypass_hook.c, under its lock.
 */
struct vm {
	struct vb_vm book;
	struct kvm *kvm;
	refcount_t refs;
	struct hlist_node node;
	struct rb_node by_id;
	struct rcu_head rcu;
	struct work_struct settle;
	struct delayed_work later;
	unsigned long later_at;
	u64 change_began;
	u64 change_steps;
	u64 change_next;
	unsigned int blocked_ms;
	unsigned int again_ms;
	u64 again_at;
	u64 again_booked;
	bool halted;
	bool at_work;
	bool held_off;
	struct vm_events events;
	wait_queue_head_t settled;
	struct mutex register_lock; /* an irqfd gets its proxy */
	bool to_take;
	struct list_head let_in;
};

/* The VM of an irqfd. */
static inline struct vm *vm_of(const struct vb_client *client)
{
	return container_of(client->vm, struct vm, book);
}

int vm_init(int (*take_over_vm)(struct vm *vm));
void vm_exit(void);
struct vm *vm_find(struct kvm *kvm);
struct vm *vm_find_or_new(struct kvm *kvm, int pid, const char *comm);
struct vm *vm_next(u64 id);
void vm_get(struct vm *vm);
void vm_put(struct vm *vm);
void vm_kick(struct vm *vm);
void vm_changed(struct kvm *kvm);
void vm_count_unmap(struct vb_client *client, u32 host_irq, int what);
void vm_wait_settled(struct vm *vm);
void vm_hold_off(struct vm *vm);
void vm_go_on(struct vm *vm);
void vm_take_over(struct vm *vm);
bool vm_is_taken_over(struct vm *vm);

#endif /* VLPI_BROKER_VM_H */
