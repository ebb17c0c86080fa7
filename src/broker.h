/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_BROKER_H
#define VLPI_BROKER_BROKER_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <linux/vlpi_broker.h>

struct vb_slot;
struct vb_vm;

/**
 * struct vb_vm_ops - what the book asks of the one who settles
 * @kick: something was booked: have the VM settled, soon. Any context; the book's lock may be held.
 * @pin: hold the VM until broker_is_idle() says that it was let go. The book's lock is held, and a
 *	client of the VM is booked, so that the VM lives.
 */
struct vb_vm_ops {
	void (*kick)(struct vb_vm *vm);
	void (*pin)(struct vb_vm *vm);
};

/* Which clients of a VM are to be looked at again. */
enum vb_walk {
	VB_WALK_NONE,
	VB_WALK_ROUTES,		/* those whose route has changed */
	VB_WALK_ALL,
};

/* What KVM asks of the gate. */
enum vb_ask {
	VB_ASK_MAP,		/* to map a host IRQ to a vLPI */
	VB_ASK_MOVE,		/* to map one to the vLPI that it is mapped to already */
	VB_ASK_FOREIGN,		/* to map one that is not mapped, and that no irqfd has */
};

/**
 * struct vb_vm - the book of a virtual machine
 * @id: never used again while the module is loaded.
 * @key: identity of the VM; compared, never followed by the arbiter.
 * @pid: of the VMM.
 * @comm: command name of the VMM.
 * @name: KVM's debugfs name.
 * @ops: see there.
 * @live: irqfds from before the load are taken over: KVM may map no host IRQ but by a grant.
 * @changed: the guest's tables may have changed since the clients were looked at; set without
 *	@lock, and cleared by broker_changed() for VB_WALK_ALL.
 *
 * All below is for broker.c alone.
 *
 * @lock: covers what is below, and clients and slots of this VM; raw.
 * @clients: by id.
 * @last_client: the last id given.
 * @last_place: the last place in a queue given.
 * @slots: by vINTID.
 * @spares: slots that are not in use: there are as many slots as clients.
 * @looks: clients whose route is to be followed again.
 * @again: turned down for a reason that passes by itself; go back to @looks with broker_retry().
 * @work: slots that are to be seen to.
 * @poor: slots that wait for @credit; go back to @work with broker_retry().
 * @rest: clients that are owed an interrupt.
 * @held_up: of these, those whose vLPI is being unmapped from a host IRQ.
 * @signals: clients that were signalled, and are to go to @rest; without @lock.
 * @taken: of these, those that who settles has taken, in the order in which they came.
 * @walk: which clients are to be looked at, from @walk_next on.
 * @walk_next: the next client of the walk.
 * @granting: the client whose grant is under way, or NULL, also where its producer is leaving.
 * @granted: its host IRQ was mapped; KVM may have unmapped it again by now.
 * @releases: how often something had been released when the grant began.
 * @settler: identity of the task that has it under way.
 * @granter: the same, from the step's begin to its end, also where the producer has left meanwhile.
 * @pinned: the VM is held, for what is left to be done when its last client has gone.
 * @credit_us: for so long grants may be made again before they have to wait; below 0 they wait.
 * @credit_ms: when @credit_us was last counted.
 * @foreigns: changes with each foreign mapping that comes or goes.
 * @booked: how much was booked.
 * @settled: of it, how much is done; read without @lock.
 * @generation: changes with every change that a dump shows.
 */
struct vb_vm {
	u64 id;
	const void *key;
	int pid;
	char comm[16];
	char name[32];
	const struct vb_vm_ops *ops;
	bool live;
	atomic_t changed;

	raw_spinlock_t lock;
	struct rb_root clients;
	u32 last_client;
	u64 last_place;
	struct rb_root slots;
	struct list_head spares;
	struct list_head looks;
	struct list_head again;
	struct list_head work;
	struct list_head poor;
	struct list_head rest;
	struct list_head held_up;
	struct llist_head signals;
	struct llist_node *taken;
	enum vb_walk walk;
	struct vb_client *walk_next;
	struct vb_client *granting;
	bool granted;
	u64 releases;
	const void *settler;
	const void *granter;
	bool pinned;
	s64 credit_us;
	u64 credit_ms;
	u64 foreigns;
	u64 booked;
	u64 settled;
	u64 generation;
};

/**
 * struct vb_client - one irqfd, as the arbiter sees it
 * @vm: its VM.
 * @refs: the book has one until broker_remove_client(); the step under way and each list of what is
 *	owed have others. With the last, client_free() is called.
 * @target: the vCPU that the vLPI was last mapped to; compared and passed on, never followed.
 * @host_irq: of its producer, 0 without one.
 * @mapped_vintid: to which @host_irq was last mapped, 0 where it never was.
 * @busy: calls of the irqchip for @host_irq that are under way: to be 0 before it may go.
 * @raises_inline: while it waits, the wake-up itself raises the vLPI.
 * @reassign: its irqfd was assigned before the module was loaded, and could not be taken over.
 * @shut_out: irqbypass refuses it, since another irqfd has its eventfd.
 * @gsi: for show.
 * @devid: for show.
 * @eventid: for show.
 *
 * All below is for broker.c alone, under the VM's lock where nothing else is said. There may be
 * very many irqfds: what is small stands together.
 *
 * @id: ascending in its VM, with the VM's id in its upper half; never used again.
 * @of_vm: in the VM's clients.
 * @look: in the VM's looks or its again.
 * @wants: vINTID to which its route led when it was last looked at, 0 for none.
 * @nowhere: errno of that look, where it led to no LPI.
 * @slot: in which it is; RCU for the wake-up.
 * @place: in the queue of the slot; less is earlier.
 * @queue: in the slot's queue, while it waits and can be granted the slot.
 * @nr_queued: of the slot's queue, how many are in the tree below it, and itself.
 * @queued: whether @queue is in use.
 * @state: what it is to the slot.
 * @error: errno behind @state, positive.
 * @retry: what it was turned down for may have gone.
 * @again: it was put into the VM's again, and not looked at since.
 * @prepaid: its next grant costs no credit: it is the first since its producer connected.
 * @device: identity of the device of @host_irq, or NULL.
 * @by_irq: in the table of host IRQs.
 * @booked: whether @by_irq is in use; not where another client has the number.
 * @refused: in the table of clients that wait for a release.
 * @waits_for: for which, an enum waits_for of broker.c.
 * @going: its producer is leaving; nothing is to be mapped for it any more.
 * @unmapping: a slot counts it as leaving.
 * @removed: its irqfd is gone.
 * @mapped: it is forwarded: the gate let it through, and the watch has seen no unmap since.
 * @revoking: the VM's settler is about to unmap it.
 * @deleter: identity of the task that is in its broker_del_begin(), and is to unmap it; or NULL.
 * @signalled: it is in the VM's signals.
 * @signal: in the VM's signals.
 * @owed: in the VM's rest or its held_up, while @owes is not 0.
 * @owes: which interrupts it is owed.
 * @lost_of: the slot that has it as the one that held it last.
 * @signals: eventfd signals that the broker served.
 * @injections: interrupts raised for them.
 */
struct vb_client {
	struct vb_vm *vm;
	refcount_t refs;
	u32 host_irq;
	const void *target;
	u32 mapped_vintid;
	atomic_t busy;
	u32 gsi;
	u32 devid;
	u32 eventid;
	bool raises_inline;
	bool reassign;
	bool shut_out;

	bool going;
	bool removed;
	bool mapped;
	bool revoking;
	u8 queued:1;
	u8 booked:1;
	u8 retry:1;
	u8 again:1;
	u8 prepaid:1;
	u8 unmapping:1;
	u8 owes;
	u8 waits_for;
	u8 state;
	s16 nowhere;
	u16 error;
	u32 wants;
	u32 nr_queued;
	atomic_t signalled;
	u64 id;
	struct rb_node of_vm;
	struct list_head look;
	struct vb_slot __rcu *slot;
	u64 place;
	struct rb_node queue;
	const void *device;
	struct hlist_node by_irq;
	struct hlist_node refused;
	const void *deleter;
	struct llist_node signal;
	struct list_head owed;
	struct vb_slot *lost_of;
	atomic64_t signals;
	atomic64_t injections;
};

/**
 * enum vb_todo - what is to be done next for a VM
 * @VB_NOTHING: the VM is settled, or waits for something.
 * @VB_MORE: nothing, but there may be more to be done: ask again.
 * @VB_LOOK: follow the route of the client. Outcome: 0, the vINTID, and whether a foreign host IRQ
 *	is mapped there; an errno where it leads to no LPI (-EPROTONOSUPPORT: it is no MSI); or
 *	VB_UNCHANGED.
 * @VB_GRANT: map the host IRQ of the client to the vLPI. Outcome: 0 or an errno; -EREMCHG where the
 *	route leads elsewhere by now, or a foreign host IRQ is mapped there. What counts is what
 *	has passed the gate.
 * @VB_REVOKE: unmap the host IRQ of the client, which can't fail.
 * @VB_AIM: KVM has unmapped the host IRQ of the client: see that it reaches a CPU.
 * @VB_RAISE: send the client's MSI: that of its route, or where @granted that of its last grant.
 *
 * The outcome of each may be -EWOULDBLOCK: the VM's own locks are taken; it is to be tried again.
 * That is the number of -EAGAIN, too.
 */
enum vb_todo {
	VB_NOTHING,
	VB_MORE,
	VB_LOOK,
	VB_GRANT,
	VB_REVOKE,
	VB_AIM,
	VB_RAISE,
};

/* Outcome of VB_LOOK: the irqfd is going, and keeps the place that it has. */
#define VB_UNCHANGED	1

/**
 * struct vb_step - one thing to be done
 * @todo: what.
 * @client: for which; broker_done() drops the reference that comes with it.
 * @host_irq: of the client at that moment.
 * @vintid: in: where the client's slot is; of VB_LOOK out: where its route leads.
 * @foreign: VB_LOOK: out: KVM has mapped a host IRQ there that no client has.
 * @foreigns: VB_LOOK: of the VM when the step was begun.
 * @granted: VB_RAISE: by the route of the last grant.
 * @signal: VB_RAISE: for a signal, too.
 * @prepaid: VB_GRANT: it costs no credit.
 * @took_us: out: how long it took.
 * @poor: VB_NOTHING: a grant waits for credit; broker_retry() is to be called in a few ms.
 * @again: VB_NOTHING: a grant was turned down for what passes by itself; broker_retry() is to be
 *	called, after a time that doubles.
 * @booked: VB_NOTHING: how much was booked when this was said.
 */
struct vb_step {
	enum vb_todo todo;
	struct vb_client *client;
	u32 host_irq;
	u32 vintid;
	bool foreign;
	bool granted;
	bool signal;
	bool prepaid;
	u64 foreigns;
	u32 took_us;
	bool poor;
	bool again;
	u64 booked;
};

/* What happens to a VM, its irqfds and host IRQs: booked, and done by whoever settles. */
int broker_memory_init(void);
void broker_memory_exit(void);
void broker_vm_init(struct vb_vm *vm);
struct vb_slot *broker_slot_new(void);
void broker_slot_free(struct vb_slot *slot);
void broker_add_client(struct vb_client *client, struct vb_slot *spare);
struct vb_slot *broker_remove_client(struct vb_client *client);
void broker_add_producer(struct vb_client *client, u32 host_irq, const void *device);
bool broker_del_begin(struct vb_client *client, const void *task, bool *mapped);
void broker_del_end(struct vb_client *client);
void broker_changed(struct vb_vm *vm, enum vb_walk which);
bool broker_is_there(struct vb_client *client);
void broker_set_reassign(struct vb_client *client);
void broker_set_shut_out(struct vb_client *client, bool out);
void broker_put_client(struct vb_client *client);

/* Settling. */
bool broker_compare_routes(struct vb_vm *vm);
void broker_next(struct vb_vm *vm, const void *settler, u64 now_ms, struct vb_step *step);
void broker_done(struct vb_vm *vm, struct vb_step *step, int ret);
void broker_retry(struct vb_vm *vm);
bool broker_begin(struct vb_vm *vm);
bool broker_is_idle(struct vb_vm *vm);

/* Signals. */
void broker_inject(struct vb_client *client);
bool broker_signal(struct vb_client *client);
void broker_count_signal(struct vb_client *client);
struct vb_client *broker_next_signal(struct vb_vm *vm);
void broker_owe(struct vb_client *client);
bool broker_raise(struct vb_client *client);
void broker_count_injection(struct vb_client *client, enum vlpi_broker_why how);

/* What KVM and the irqchip do. */
int broker_gate(struct vb_vm *vm, const void *task, u32 host_irq, u32 vintid, const void *target,
		enum vb_ask ask, struct vb_client **client);
void broker_gate_done(struct vb_client *client, int ret);
bool broker_unmap_begin(u32 host_irq, const void *task, struct vb_client **client);
void broker_unmap_end(struct vb_client *client);
void broker_foreign_is_gone(struct vb_vm *vm, u32 vintid, const void *device);
void broker_count_forced_unmap(struct vb_client *client, u32 host_irq);
void broker_count_repair(void);

/* Loading, unloading, and what /dev/vlpi_broker shows. */
void broker_set_live(bool on);
bool broker_is_booked(u32 host_irq, const struct vb_client *but);
void broker_count_dead_stray(void);
void broker_info(struct vlpi_broker_info *info);
int broker_dump(struct vb_vm *vm, struct vlpi_broker_client *buf, u32 entries, u64 *cursor,
		bool *more, u64 *generation);

/* Below the arbiter: its_shim.c and proxy.c. */
bool shim_is_forwarded(u32 host_irq);
bool shim_is_leaving(struct vb_client *client);
bool shim_route_changed(struct vb_client *client);
bool shim_raise_through(struct vb_client *holder);
void client_free(struct vb_client *client);

#endif /* VLPI_BROKER_BROKER_H */
