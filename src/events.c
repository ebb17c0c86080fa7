// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: the latest changes, kept for the readers of /dev/vlpi_broker.
 *
 * An event is a record of what one of the module's tracepoints said: there is a probe here on each
 * of them, so that the two never differ. Left out are the two tracepoints that fire at each signal
 * of a waiter: they would drive out everything else, and VLPI_BROKER_DUMP counts them.
 *
 * One VM's changes must not drive out another's. Each VM has a history of its own, and all share a
 * number of records. When these are used up, the VM that has the most loses its oldest one. What a
 * VM did last outlives it for a while, in the history of those that are gone.
 *
 * A tracepoint fires where the change is made: with interrupts off and the book's or the irqchip's
 * raw locks held, on PREEMPT_RT too. So there is a raw lock here, a leaf, which is held for one
 * event, or for the few that a reader takes at once. The lock of a wait queue is a sleeping one on
 * PREEMPT_RT. So readers are woken by an irq_work, which runs there in a thread, and elsewhere in
 * an interrupt of its own.
 *
 * Events are numbered. A reader asks for the next number, and sees by the number of the event that
 * it gets whether others have been overwritten.
 */
#include <linux/build_bug.h>
#include <linux/hashtable.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "events.h"
#include "trace.h"

/* How many are kept, of all VMs and of one. */
#define KEPT		8192
#define KEPT_OF_ONE	1024
/* How many are kept of a VM that is gone; those of all that are gone count as one VM's. */
#define KEPT_OF_GONE	64
/* How many are moved at once when a VM ends. */
#define BATCH		4

static_assert(sizeof(struct vlpi_broker_event) >= VLPI_BROKER_EVENT_SIZE_VER1);
static_assert(sizeof(struct vlpi_broker_event) % 8 == 0);

/**
 * struct record - an event that is kept, or room for one
 * @event: what is told.
 * @node: in the tree of all that are kept, by number.
 * @list: in the history of its VM, the oldest first; or among those that are free.
 */
struct record {
	struct vlpi_broker_event event;
	struct rb_node node;
	struct list_head list;
};

/* Covers all below, and each struct vm_events; @last is read without. */
static DEFINE_RAW_SPINLOCK(events_lock);
static u64 last;	/* number of the newest event, 0 before there is one */
static u64 last_ns;	/* its time */
static struct record *records;
static LIST_HEAD(free_records);
static struct rb_root kept = RB_ROOT;
static struct record *newest;

/* The histories: of VMs by id; all by how many records they have, and the most that one has. */
static DEFINE_HASHTABLE(histories, 10);
static struct list_head having[KEPT_OF_ONE + 1];
static unsigned int most;
/* Of VMs that are gone, and of those that are not known. */
static struct vm_events gone;

static DECLARE_WAIT_QUEUE_HEAD(readers);

static void wake_readers(struct irq_work *work)
{
	wake_up_interruptible_poll(&readers, EPOLLIN | EPOLLRDNORM);
}

static DEFINE_IRQ_WORK(wake, wake_readers);

/* @of has so many records more, or fewer. */
static void count(struct vm_events *of, int more)
{
	of->nr += more;
	list_move_tail(&of->having, &having[of->nr]);
	most = max(most, of->nr);
	while (most && list_empty(&having[most]))
		most--;
}

/* Take the oldest record of a history that has one. */
static struct record *forget(struct vm_events *of)
{
	struct record *oldest = list_first_entry(&of->records, struct record, list);

	if (oldest == newest)
		newest = rb_entry_safe(rb_prev(&oldest->node), struct record, node);
	rb_erase(&oldest->node, &kept);
	list_del(&oldest->list);
	count(of, -1);
	return oldest;
}

static struct record *room_for(struct vm_events *of)
{
	struct record *room;

	if (of->nr == KEPT_OF_ONE)
		return forget(of);
	room = list_first_entry_or_null(&free_records, struct record, list);
	if (!room)
		return forget(list_first_entry(&having[most], struct vm_events, having));
	list_del(&room->list);
	return room;
}

static struct vm_events *history_of(u64 vm)
{
	struct vm_events *of;

	hash_for_each_possible(histories, of, node, vm)
		if (of->vm == vm)
			return of;
	return &gone;
}

/* The number of a new record is the highest: nothing is to its right. */
static void keep(struct vm_events *of, struct record *record)
{
	struct rb_node *parent = newest ? &newest->node : NULL;

	rb_link_node(&record->node, parent, parent ? &parent->rb_right : &kept.rb_node);
	rb_insert_color(&record->node, &kept);
	newest = record;
	list_add_tail(&record->list, &of->records);
	count(of, 1);
}

/* The probe of all tracepoints; @type is what it was registered with. */
static void record(void *type, u64 vm, u32 vintid, u32 host_irq, enum vlpi_broker_why why,
		   int error)
{
	struct vm_events *of;
	struct record *room;
	unsigned long flags;

	raw_spin_lock_irqsave(&events_lock, flags);
	of = history_of(vm);
	room = room_for(of);
	/* The clock that can be read anywhere may step back a little from one CPU to another. */
	last_ns = max_t(u64, last_ns, ktime_get_mono_fast_ns());
	room->event = (struct vlpi_broker_event) {
		.size = sizeof(struct vlpi_broker_event),
		.type = (uintptr_t)type,
		.seq = last + 1,
		.time_ns = last_ns,
		.vm_id = vm,
		.vintid = vintid,
		.host_irq = host_irq,
		.why = why,
		.error = abs(error),
	};
	keep(of, room);
	WRITE_ONCE(last, last + 1);
	raw_spin_unlock_irqrestore(&events_lock, flags);

	/* wq_has_sleeper() has a barrier, between the new number and the look for sleepers. */
	if (wq_has_sleeper(&readers))
		irq_work_queue(&wake);
}

/* --- VMs ------------------------------------------------------------------------------------- */

static void history_init(struct vm_events *of, u64 vm)
{
	of->vm = vm;
	of->nr = 0;
	INIT_LIST_HEAD(&of->records);
	list_add_tail(&of->having, &having[0]);
}

/**
 * events_vm_begin - a VM has a history of its own from here on
 * @of: the history.
 * @vm: id of the VM.
 *
 * Context: any.
 */
void events_vm_begin(struct vm_events *of, u64 vm)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&events_lock, flags);
	history_init(of, vm);
	hash_add(histories, &of->node, vm);
	raw_spin_unlock_irqrestore(&events_lock, flags);
}

/* Forget the oldest of a VM that is gone, but for the last few; these go to @gone. */
static void move_one(struct vm_events *of)
{
	struct record *record;

	if (of->nr > KEPT_OF_GONE) {
		list_add(&forget(of)->list, &free_records);
		return;
	}
	if (gone.nr == KEPT_OF_ONE)
		list_add(&forget(&gone)->list, &free_records);
	record = list_first_entry(&of->records, struct record, list);
	count(of, -1);
	list_move_tail(&record->list, &gone.records);
	count(&gone, 1);
}

/**
 * events_vm_end - a VM is gone
 * @of: its history, which may be freed when this returns.
 *
 * Context: interrupts are on; they are off for a few records at a time.
 */
void events_vm_end(struct vm_events *of)
{
	unsigned long flags;
	unsigned int i;
	bool more;

	raw_spin_lock_irqsave(&events_lock, flags);
	hash_del(&of->node);
	raw_spin_unlock_irqrestore(&events_lock, flags);
	do {
		raw_spin_lock_irqsave(&events_lock, flags);
		for (i = 0; i < BATCH && of->nr; i++)
			move_one(of);
		more = of->nr;
		if (!more)
			list_del(&of->having);
		raw_spin_unlock_irqrestore(&events_lock, flags);
	} while (more);
}

/* --- start and stop -------------------------------------------------------------------------- */

#define SOURCE(name, TYPE) \
	{ register_trace_##name, unregister_trace_##name, VLPI_BROKER_EVENT_##TYPE }

static const struct {
	int (*enable)(typeof(record) *probe, void *data);
	int (*disable)(typeof(record) *probe, void *data);
	uintptr_t type;
} sources[] = {
	SOURCE(connect, CONNECT),
	SOURCE(grant, GRANT),
	SOURCE(wait, WAIT),
	SOURCE(promote, PROMOTE),
	SOURCE(demote, DEMOTE),
	SOURCE(unmap, UNMAP),
	SOURCE(forced_unmap, FORCED_UNMAP),
	SOURCE(gate_refuse, GATE_REFUSE),
	SOURCE(resolve_fail, RESOLVE_FAIL),
};

/* With the first @n enabled. When this returns, no probe runs, and no irq_work is about to wake. */
static void end(unsigned int n)
{
	while (n--)
		sources[n].disable(record, (void *)sources[n].type);
	tracepoint_synchronize_unregister();
	irq_work_sync(&wake);
	kvfree(records);
}

/**
 * events_init - begin to record
 *
 * Context: process; may sleep.
 * Return: 0; or -ENOMEM, and then nothing is recorded.
 */
int events_init(void)
{
	unsigned int i;
	int ret;

	records = kvcalloc(KEPT, sizeof(*records), GFP_KERNEL);
	if (!records)
		return -ENOMEM;
	for (i = 0; i < KEPT; i++)
		list_add_tail(&records[i].list, &free_records);
	for (i = 0; i < ARRAY_SIZE(having); i++)
		INIT_LIST_HEAD(&having[i]);
	history_init(&gone, 0);
	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		ret = sources[i].enable(record, (void *)sources[i].type);
		if (ret) {
			end(i);
			return ret;
		}
	}
	return 0;
}

/**
 * events_exit - undo events_init()
 *
 * Context: process; may sleep; there is no reader: an open file holds a reference to the module.
 */
void events_exit(void)
{
	end(ARRAY_SIZE(sources));
}

/* --- readers --------------------------------------------------------------------------------- */

/* The record with this number; or the next one that is kept, or NULL. */
static struct record *find(u64 number)
{
	struct rb_node *node = kept.rb_node;
	struct record *found = NULL;

	while (node) {
		struct record *here = rb_entry(node, struct record, node);

		if (here->event.seq < number) {
			node = node->rb_right;
		} else {
			found = here;
			node = node->rb_left;
		}
	}
	return found;
}

/**
 * events_copy - copy events that are kept
 * @next: number of the first event that is wanted; where that one has been overwritten, the next
 *	that is kept comes first.
 * @to: room for @n events.
 * @n: how many at the most; interrupts are off while they are copied.
 *
 * Context: any.
 * Return: how many were copied.
 */
unsigned int events_copy(u64 next, struct vlpi_broker_event *to, unsigned int n)
{
	struct record *record;
	unsigned long flags;
	unsigned int i = 0;

	raw_spin_lock_irqsave(&events_lock, flags);
	for (record = find(next); record && i < n;
	     record = rb_entry_safe(rb_next(&record->node), struct record, node))
		to[i++] = record->event;
	raw_spin_unlock_irqrestore(&events_lock, flags);
	return i;
}

/**
 * events_pending - is there an event with this number, or a later one?
 * @next: the number, not 0.
 *
 * Context: any.
 * Return: whether there is such an event.
 */
bool events_pending(u64 next)
{
	return READ_ONCE(last) >= next;
}

/**
 * events_wait - wait until events_pending()
 * @next: where the number is; another read() may change it meanwhile.
 *
 * Context: process; sleeps.
 * Return: 0, or -ERESTARTSYS after a signal.
 */
int events_wait(const u64 *next)
{
	return wait_event_interruptible(readers, events_pending(READ_ONCE(*next)));
}

/**
 * events_poll_wait - have a poll of @file woken by the next event
 * @file: that is polled.
 * @table: of the poll.
 *
 * The caller then asks events_pending().
 *
 * Context: process.
 */
void events_poll_wait(struct file *file, poll_table *table)
{
	poll_wait(file, &readers, table);
	/* Pairs with the barrier in record(): on older kernels poll_wait() has none. */
	smp_mb();
}
