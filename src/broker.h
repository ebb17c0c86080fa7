/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_BROKER_H
#define VLPI_BROKER_BROKER_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include <linux/vlpi_broker.h>

struct kthread_worker;
struct vb_slot;

/**
 * struct vb_vm - a virtual machine that has clients
 * @id: never used again while the module is loaded.
 * @key: identity of the VM while it has a client; compared, never followed.
 * @list: in the list of VMs.
 * @clients: of this VM, in the order of their ids.
 * @changes: how often something has changed for which @clients are to be arbitrated again; ledger.
 * @seen: value of @changes when @clients were last arbitrated; arbiter's mutex, read without.
 * @pid: of the VMM.
 * @comm: command name of the VMM.
 * @name: KVM's debugfs name.
 * @worker: of fallback.c, serves this VM's waiters; NULL until the VM first has a waiter.
 */
struct vb_vm {
	u64 id;
	const void *key;
	struct list_head list;
	struct list_head clients;
	unsigned int changes;
	unsigned int seen;
	int pid;
	char comm[16];
	char name[32];
	struct kthread_worker *worker;
};

/**
 * struct vb_client - one irqfd, as the arbiter sees it
 * @id: ascending, never used again.
 * @vm: its VM; from broker_add_client() to broker_remove_client().
 * @list: in the list of clients, by @id.
 * @of_vm: in the list of its VM's clients, by @id.
 * @slot: what its route leads to now; RCU for the wake-up.
 * @queue: in the slot's queue.
 * @state: what it is to the slot.
 * @error: errno behind @state, positive.
 * @tried: how many mappings all clients had given up when this one was last turned down.
 * @unsettled: it has to be looked at again though nothing may tell when; for broker_is_due().
 * @host_irq: of its producer, 0 without one.
 * @by_irq: in the ledger.
 * @booked: whether @by_irq is in the ledger.
 * @granting: it is about to be the holder: the gate lets its host IRQ through.
 * @revoking: the unmap that the watch is about to see is the broker's own.
 * @raises_inline: while it waits, the wake-up itself raises the vLPI, not the thread.
 * @reassign: its irqfd was assigned before the module was loaded, and could not be taken over.
 * @mapped: it is forwarded: the gate let it through, and the watch has seen no unmap since.
 * @gsi: for show.
 * @devid: for show.
 * @eventid: for show.
 * @signals: eventfd signals that the broker served.
 * @injections: interrupts raised for them.
 *
 * @slot, @granting, @revoking and @mapped are written under the ledger's lock as well as the
 * arbiter's mutex, except that the watch clears @mapped under the ledger's alone.
 */
struct vb_client {
	u64 id;
	struct vb_vm *vm;
	struct list_head list;
	struct list_head of_vm;
	struct vb_slot __rcu *slot;
	struct list_head queue;
	enum vlpi_broker_state state;
	int error;
	int tried;
	bool unsettled;
	u32 host_irq;
	struct hlist_node by_irq;
	bool booked;
	bool granting;
	bool revoking;
	bool raises_inline;
	bool reassign;
	bool mapped;
	u32 gsi;
	u32 devid;
	u32 eventid;
	atomic64_t signals;
	atomic64_t injections;
};

struct vb_vm *broker_vm_new(const void *key, int pid, const char *comm, const char *name);
int broker_add_client(struct vb_client *client, struct vb_vm *new_vm);
struct vb_vm *broker_remove_client(struct vb_client *client);
void broker_vm_free(struct vb_vm *vm);

void broker_add_producer(struct vb_client *client, u32 host_irq);
void broker_del_producer(struct vb_client *client);
void broker_rearbitrate(void (*has_waiter)(struct vb_vm *vm));
void broker_routes_changed(const void *vm_key, void (*has_waiter)(struct vb_vm *vm));
bool broker_is_unsettled(void);

bool broker_is_served(struct vb_client *client);
bool broker_raise(struct vb_client *client);
bool broker_is_due(struct vb_client *client);
void broker_count_signal(struct vb_client *client);
struct vb_slot *broker_lock_slot(struct vb_client *client);
void broker_unlock_slot(struct vb_slot *slot);
void broker_count_injection(struct vb_client *client, enum vlpi_broker_why how);

int broker_gate(u32 host_irq, const void *vm_key, u32 vintid, bool forwarded);
void broker_gate_failed(u32 host_irq);
bool broker_unmapped(u32 host_irq);
bool broker_knows(const void *vm_key);
bool broker_vm_changed(const void *vm_key);
void broker_count_forced_unmap(u32 host_irq);
void broker_count_repair(void);

void broker_set_live(bool on);
bool broker_is_booked(u32 host_irq);
void broker_count_dead_stray(void);
void broker_info(struct vlpi_broker_info *info);
int broker_dump(struct vlpi_broker_client *buf, u32 entries, u64 *cursor, bool *more,
		u64 *generation);

#endif /* VLPI_BROKER_BROKER_H */
