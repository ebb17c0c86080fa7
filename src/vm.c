// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs: one refcounted record each, and the work item that settles it.
 *
 * What happens to a VM is booked by whoever sees it (broker.c), inside locks of KVM, irqbypass or
 * the irqchip, and the VM's work item is queued. That does what the book says: it takes KVM's locks
 * and waits for the irqchip, and nobody waits for it but callers of KVM_IRQFD and
 * KVM_SET_GSI_ROUTING of the same VM, for a while. It runs on an unbound workqueue of ours, so that
 * no scheduling of a VMM's holds it up, and nothing of it is in a VMM's cgroups.
 *
 * A VM is held while its work item runs. The reference is taken under the book's lock while the VM
 * has a client: KVM ends all irqfds of a VM before it gives up its own. The last reference may be
 * this one; then the VM is destroyed in the work item.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "its_shim.h"
#include "vm.h"

/* KVM_IRQFD and KVM_SET_GSI_ROUTING wait so long for their VM to be settled. */
#define WAIT_MS		100

/*
 * To look at the guest's changes of its tables takes one part in so many of the work item's time,
 * if the guest makes them without end.
 */
#define CHANGE_PART	10
/* What a step counts for at most: a kernel thread that others keep from its CPU spends nothing. */
#define CHANGE_STEP_NS	(100ULL * NSEC_PER_USEC)

/* How soon a lock of KVM's that was taken is tried again, and what was turned down; it doubles. */
#define BLOCKED_MS	1U
#define BLOCKED_MAX_MS	64U
#define AGAIN_MS	10U
#define AGAIN_MAX_MS	5120U

/* So many signals are served before something else is looked at. */
#define SIGNALS_AT_ONCE	64

/*
 * So many grants and revokes are made while the guest is halted. A grant that is turned down is no
 * reason to halt it anew for the next.
 */
#define WHILE_HALTED	64

static struct workqueue_struct *wq;
static int (*take_over)(struct vm *vm);

static DEFINE_RAW_SPINLOCK(vms_lock); /* covers both; readers of the first use RCU */
static DEFINE_HASHTABLE(vms_by_kvm, 10);
static struct rb_root vms_by_id = RB_ROOT;

/* --- records --------------------------------------------------------------------------------- */

/**
 * vm_get - another reference to a record
 * @vm: to which the caller has one.
 *
 * Context: any.
 */
void vm_get(struct vm *vm)
{
	refcount_inc(&vm->refs);
}

/* The last reference may be given back with interrupts off, for which the history may be long. */
static void vm_free(struct rcu_head *rcu)
{
	struct vm *vm = container_of(rcu, struct vm, rcu);

	events_vm_end(&vm->events);
	kfree(vm);
}

/**
 * vm_put - give a reference to a record back
 * @vm: the record.
 *
 * Context: any.
 */
void vm_put(struct vm *vm)
{
	unsigned long flags;

	if (!refcount_dec_and_test(&vm->refs))
		return;
	raw_spin_lock_irqsave(&vms_lock, flags);
	hash_del_rcu(&vm->node);
	rb_erase(&vm->by_id, &vms_by_id);
	raw_spin_unlock_irqrestore(&vms_lock, flags);
	/* vm_exit() waits for the callback. */
	call_rcu(&vm->rcu, vm_free);
	module_put(THIS_MODULE);
}

/**
 * vm_find - the record of a VM
 * @kvm: the VM; compared, not followed.
 *
 * Context: any.
 * Return: the record, with a reference, or NULL.
 */
struct vm *vm_find(struct kvm *kvm)
{
	struct vm *vm;

	rcu_read_lock();
	hash_for_each_possible_rcu(vms_by_kvm, vm, node, (unsigned long)kvm)
		if (vm->kvm == kvm && refcount_inc_not_zero(&vm->refs))
			break;
	rcu_read_unlock();
	return vm;
}

/**
 * vm_next - the record that comes after another
 * @id: of the other, which may be gone; 0 for the first.
 *
 * Context: any.
 * Return: the record with the next higher id, with a reference, or NULL.
 */
struct vm *vm_next(u64 id)
{
	struct vm *vm, *found = NULL;
	struct rb_node *node;
	unsigned long flags;

	raw_spin_lock_irqsave(&vms_lock, flags);
	node = vms_by_id.rb_node;
	while (node) {
		vm = rb_entry(node, struct vm, by_id);
		if (vm->book.id > id) {
			found = vm;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	/* One that is about to go may still be there. */
	while (found && !refcount_inc_not_zero(&found->refs))
		found = rb_entry_safe(rb_next(&found->by_id), struct vm, by_id);
	raw_spin_unlock_irqrestore(&vms_lock, flags);
	return found;
}

/* Ids ascend: this one comes after all others. */
static void add_by_id(struct vm *vm)
{
	struct rb_node **link = &vms_by_id.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = &parent->rb_right;
	}
	rb_link_node(&vm->by_id, parent, link);
	rb_insert_color(&vm->by_id, &vms_by_id);
}

/* Queue the work item. A queued one has a reference to the record. */
static void kick(struct vb_vm *book)
{
	struct vm *vm = container_of(book, struct vm, book);

	vm_get(vm);
	if (!queue_work(wq, &vm->settle))
		vm_put(vm);
}

static void pin(struct vb_vm *book)
{
	kvm_get_kvm(container_of(book, struct vm, book)->kvm);
}

static const struct vb_vm_ops vm_ops = { .kick = kick, .pin = pin };

/**
 * vm_kick - have a VM settled, soon
 * @vm: the VM.
 *
 * Context: any.
 */
void vm_kick(struct vm *vm)
{
	kick(&vm->book);
}

static void later(struct work_struct *work)
{
	struct vm *vm = container_of(to_delayed_work(work), struct vm, later);

	vm_kick(vm);
	vm_put(vm);
}

/* Come back in @ms, or sooner where that was wanted already. From the work item only. */
static void settle_later(struct vm *vm, unsigned int ms)
{
	unsigned long at = jiffies + msecs_to_jiffies(ms);

	if (delayed_work_pending(&vm->later) && time_before_eq(vm->later_at, at))
		return;
	vm->later_at = at;
	vm_get(vm);
	if (mod_delayed_work(wq, &vm->later, at - jiffies))
		vm_put(vm);
}

/* --- settling -------------------------------------------------------------------------------- */

static u64 now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

static void halt(struct vm *vm)
{
	if (!vm->halted)
		shim_halt(vm->kvm);
	vm->halted = true;
}

static void resume(struct vm *vm)
{
	if (vm->halted)
		shim_resume(vm->kvm);
	vm->halted = false;
}

/**
 * vm_count_unmap - count what an unmap had to force
 * @client: whose host IRQ was unmapped.
 * @host_irq: of it.
 * @what: what shim_revoke() has returned, an errno included.
 *
 * Context: any.
 */
void vm_count_unmap(struct vb_client *client, u32 host_irq, int what)
{
	if (what < 0)
		return;
	if (what & SHIM_FORCED)
		broker_count_forced_unmap(client, host_irq);
	if (what & SHIM_REPAIRED)
		broker_count_repair();
}

static int do_grant(struct vm *vm, const struct vb_step *step)
{
	int ret;

	ret = shim_check_grant(step->client, step->host_irq, step->vintid);
	if (ret)
		return ret;
	halt(vm);
	return shim_grant(step->client, step->host_irq);
}

static int do_revoke(struct vm *vm, const struct vb_step *step)
{
	int ret;

	halt(vm);
	ret = shim_revoke(step->client, false);
	vm_count_unmap(step->client, step->host_irq, ret);
	return min(ret, 0);
}

static int do_raise(const struct vb_step *step)
{
	struct vb_client *client = step->client;
	bool here = !step->granted || client->wants == client->mapped_vintid;
	int ret = 0;

	if (!here || !broker_raise(client))
		ret = shim_raise(client, step->granted);
	if (!ret && step->signal)
		broker_count_injection(client, VLPI_BROKER_WHY_THREAD);
	return ret;
}

static int do_step(struct vm *vm, struct vb_step *step)
{
	switch (step->todo) {
	case VB_LOOK:
		return shim_resolve(step->client, &step->vintid, &step->foreign);
	case VB_GRANT:
		return do_grant(vm, step);
	case VB_REVOKE:
		return do_revoke(vm, step);
	case VB_AIM:
		shim_wait_until_free(step->client);
		shim_aim(step->host_irq);
		return 0;
	case VB_RAISE:
		return do_raise(step);
	case VB_MORE:
	case VB_NOTHING:
		break;
	}
	return 0;
}

/*
 * What is held can be raised at once, whatever else is to be done, and whoever has KVM's locks.
 * Return: whether there may be more: a storm of signals does not keep all else waiting.
 */
static bool serve_signals(struct vm *vm)
{
	struct vb_client *client;
	unsigned int i;

	for (i = 0; i < SIGNALS_AT_ONCE; i++) {
		client = broker_next_signal(&vm->book);
		if (!client)
			return false;
		if (broker_raise(client))
			broker_count_injection(client, VLPI_BROKER_WHY_THREAD);
		else
			broker_owe(client);
		broker_put_client(client);
	}
	return true;
}

/* The guest's changes: not as often as it makes them, nor without end. */
static void book_changes(struct vm *vm)
{
	u64 now = ktime_get_ns();

	vm->change_began = 0;
	if (!atomic_read(&vm->book.changed))
		return;
	if (now < vm->change_next) {
		settle_later(vm, 1 + div_u64(vm->change_next - now, NSEC_PER_MSEC));
		return;
	}
	vm->change_began = now;
	vm->change_steps = 0;
	broker_changed(&vm->book, VB_WALK_ALL);
}

static void changes_are_done(struct vm *vm)
{
	u64 now = ktime_get_ns(), took;

	if (!vm->change_began)
		return;
	took = min(now - vm->change_began, (vm->change_steps + 1) * CHANGE_STEP_NS);
	vm->change_next = now + (CHANGE_PART - 1) * took;
}

/* Return: whether a lock of KVM's was taken, or the VM held off, so that not all was done. */
static bool settle_vm(struct vm *vm, struct vb_step *step)
{
	unsigned int steps = 0;
	bool more;
	u64 begin;
	int ret;

	for (;;) {
		cond_resched();
		if (READ_ONCE(vm->held_off))
			return true;
		more = serve_signals(vm);
		if (broker_compare_routes(&vm->book))
			continue;
		broker_next(&vm->book, current, now_ms(), step);
		if (step->todo == VB_NOTHING) {
			resume(vm);
			if (more)
				continue;
			return false;
		}
		if (step->todo == VB_MORE)
			continue;
		begin = ktime_get_ns();
		ret = do_step(vm, step);
		step->took_us = div_u64(ktime_get_ns() - begin, NSEC_PER_USEC);
		broker_done(&vm->book, step, ret);
		vm->change_steps++;
		if (ret == -EWOULDBLOCK)
			return true;
		if (step->todo == VB_GRANT && ret)
			continue;
		if (++steps % WHILE_HALTED == 0)
			resume(vm);
	}
}

static void come_back(struct vm *vm, bool blocked, const struct vb_step *step)
{
	if (blocked) {
		settle_later(vm, vm->blocked_ms);
		vm->blocked_ms = min(2 * vm->blocked_ms, BLOCKED_MAX_MS);
		return;
	}
	vm->blocked_ms = BLOCKED_MS;
	if (!step->poor && !step->again)
		return;
	/* Where something has changed meanwhile, it may well succeed soon. */
	if (step->poor || vm->again_booked != step->booked)
		vm->again_ms = AGAIN_MS;
	vm->again_booked = step->booked;
	if (!vm->again_at) {
		vm->again_at = now_ms() + vm->again_ms;
		vm->again_ms = min(2 * vm->again_ms, AGAIN_MAX_MS);
	}
	settle_later(vm, vm->again_at - min(now_ms(), vm->again_at));
}

static void retry(struct vm *vm)
{
	if (!vm->again_at || now_ms() < vm->again_at)
		return;
	vm->again_at = 0;
	broker_retry(&vm->book);
}

static void is_done(struct vm *vm)
{
	/* Pairs with vm_hold_off(). */
	smp_store_release(&vm->at_work, false);
	wake_up_all(&vm->settled);
}

static void settle(struct work_struct *work)
{
	struct vm *vm = container_of(work, struct vm, settle);
	struct vb_step step = {};
	bool blocked;

	WRITE_ONCE(vm->at_work, true);
	/* vm_hold_off() sees this, or is seen below. */
	smp_mb();
	if (broker_begin(&vm->book)) {
		blocked = READ_ONCE(vm->held_off) ||
			  ((READ_ONCE(vm->to_take) || !list_empty_careful(&vm->let_in)) &&
			   take_over(vm));
		if (!blocked) {
			book_changes(vm);
			retry(vm);
			blocked = settle_vm(vm, &step);
			/* Where it was blocked half-way. */
			resume(vm);
			changes_are_done(vm);
		}
		come_back(vm, blocked, &step);
		is_done(vm);
		/* One that is still to be taken over may have no client that holds it. */
		if (!READ_ONCE(vm->to_take) && broker_is_idle(&vm->book))
			kvm_put_kvm(vm->kvm);
	} else {
		if (cancel_delayed_work(&vm->later))
			vm_put(vm);
		is_done(vm);
	}
	vm_put(vm);
}

/**
 * vm_changed - the guest's tables may have changed
 * @kvm: the VM.
 *
 * Context: any.
 */
void vm_changed(struct kvm *kvm)
{
	struct vm *vm = vm_find(kvm);

	if (!vm)
		return;
	/* Who settles clears it before it looks. */
	if (!atomic_xchg(&vm->book.changed, 1))
		vm_kick(vm);
	vm_put(vm);
}

/**
 * vm_wait_settled - wait until what was booked for a VM is done
 * @vm: the VM.
 *
 * A VMM that serves its own page faults in this thread has to get it back, and a VM whose locks are
 * taken for ever must not keep it: so this waits for no longer than a while, or a fatal signal.
 *
 * Context: process; may sleep; no lock is held.
 */
void vm_wait_settled(struct vm *vm)
{
	u64 booked = READ_ONCE(vm->book.booked);

	wait_event_killable_timeout(vm->settled, READ_ONCE(vm->book.settled) >= booked,
				    msecs_to_jiffies(WAIT_MS));
}

/**
 * vm_hold_off - have nothing mapped and nothing raised for a VM
 * @vm: the VM; vm_go_on() is to follow.
 *
 * What was booked before is done first, if that takes no longer than a while. What is booked from
 * here on is kept. A producer that leaves is still unmapped.
 *
 * Context: process; may sleep. Locks of KVM's may be held, but none that a step takes.
 */
void vm_hold_off(struct vm *vm)
{
	vm_wait_settled(vm);
	WRITE_ONCE(vm->held_off, true);
	/* Those wake-ups that have not seen it are over then: see raise_inline(). */
	synchronize_rcu();
	/* And so is the step that was under way. flush_work() would have lockdep see a loop. */
	wait_event_killable(vm->settled, !smp_load_acquire(&vm->at_work));
}

/**
 * vm_go_on - do what was booked for a VM since vm_hold_off()
 * @vm: the VM.
 *
 * Context: any.
 */
void vm_go_on(struct vm *vm)
{
	WRITE_ONCE(vm->held_off, false);
	vm_kick(vm);
}

/**
 * vm_take_over - have the irqfds of a VM taken over
 * @vm: the VM, to which the caller has a reference of KVM's.
 *
 * Context: any.
 */
void vm_take_over(struct vm *vm)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->book.lock, flags);
	WRITE_ONCE(vm->to_take, true);
	/* It may have no client yet by which the work item could hold it. */
	if (!vm->book.pinned)
		kvm_get_kvm(vm->kvm);
	vm->book.pinned = true;
	raw_spin_unlock_irqrestore(&vm->book.lock, flags);
	vm_kick(vm);
}

/**
 * vm_is_taken_over - are all irqfds of a VM taken over, and is it settled?
 * @vm: the VM.
 *
 * Context: any.
 * Return: whether they are.
 */
bool vm_is_taken_over(struct vm *vm)
{
	return !READ_ONCE(vm->to_take) &&
	       READ_ONCE(vm->book.settled) == READ_ONCE(vm->book.booked);
}

/* --- the first irqfd ------------------------------------------------------------------------- */

static struct vm *vm_new(struct kvm *kvm, int pid, const char *comm)
{
	struct vm *vm;

	if (!try_module_get(THIS_MODULE))
		return NULL;
	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm) {
		module_put(THIS_MODULE);
		return ERR_PTR(-ENOMEM);
	}
	vm->kvm = kvm;
	vm->book.key = kvm;
	vm->book.ops = &vm_ops;
	vm->book.pid = pid;
	strscpy(vm->book.comm, comm, sizeof(vm->book.comm));
	if (!IS_ERR_OR_NULL(kvm->debugfs_dentry))
		strscpy(vm->book.name, (const char *)kvm->debugfs_dentry->d_name.name,
			sizeof(vm->book.name));
	refcount_set(&vm->refs, 1);
	INIT_WORK(&vm->settle, settle);
	INIT_DELAYED_WORK(&vm->later, later);
	init_waitqueue_head(&vm->settled);
	mutex_init(&vm->register_lock);
	INIT_LIST_HEAD(&vm->let_in);
	vm->blocked_ms = BLOCKED_MS;
	vm->again_ms = AGAIN_MS;
	return vm;
}

/* No process had it open when the module was loaded. */
static void give_name(struct vm *vm, int pid, const char *comm)
{
	unsigned long flags;

	if (READ_ONCE(vm->book.pid))
		return;
	raw_spin_lock_irqsave(&vm->book.lock, flags);
	WRITE_ONCE(vm->book.pid, pid);
	strscpy(vm->book.comm, comm, sizeof(vm->book.comm));
	raw_spin_unlock_irqrestore(&vm->book.lock, flags);
}

/**
 * vm_find_or_new - the record of a VM, made where there is none
 * @kvm: the VM, which lives.
 * @pid: of the VMM, in the initial pid namespace; 0 where it is not known.
 * @comm: command name of the VMM.
 *
 * Context: process; may sleep; memory is charged to the caller's cgroup.
 * Return: the record, with a reference; NULL where the module is being unloaded; ERR_PTR(-ENOMEM).
 */
struct vm *vm_find_or_new(struct kvm *kvm, int pid, const char *comm)
{
	struct vm *vm, *made;
	unsigned long flags;

	vm = vm_find(kvm);
	if (vm) {
		give_name(vm, pid, comm);
		return vm;
	}
	made = vm_new(kvm, pid, comm);
	if (IS_ERR_OR_NULL(made))
		return made;
	/* Irqfds that are there already were assigned before the module was loaded. */
	made->to_take = !list_empty(&kvm->irqfds.items);
	made->book.live = !made->to_take;

	raw_spin_lock_irqsave(&vms_lock, flags);
	vm = vm_find(kvm);
	if (!vm) {
		broker_vm_init(&made->book);
		events_vm_begin(&made->events, made->book.id);
		hash_add_rcu(vms_by_kvm, &made->node, (unsigned long)kvm);
		add_by_id(made);
	}
	raw_spin_unlock_irqrestore(&vms_lock, flags);
	if (!vm)
		return made;
	kfree(made);
	module_put(THIS_MODULE);
	return vm;
}

/**
 * vm_init - get ready to settle VMs
 * @take_over_vm: takes over the irqfds of a VM that have no proxy, and registers those again that
 *	irqbypass has refused, from the VM's work item; returns an errno where it is to be called
 *	again.
 *
 * Context: process; may sleep.
 * Return: 0 or -ENOMEM; either way vm_exit() undoes it.
 */
int vm_init(int (*take_over_vm)(struct vm *vm))
{
	take_over = take_over_vm;
	wq = alloc_workqueue("vlpi_broker", WQ_UNBOUND | WQ_SYSFS, WQ_UNBOUND_MAX_ACTIVE);
	return wq ? 0 : -ENOMEM;
}

/**
 * vm_exit - undo vm_init()
 *
 * Context: process; may sleep; all hooks are removed and drained, and there is no record any more.
 */
void vm_exit(void)
{
	if (wq)
		destroy_workqueue(wq);
	/* Records and proxies are freed by functions of this module. */
	rcu_barrier();
}
