// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring of events: the latest changes, kept for the readers of /dev/vlpi_broker.
 *
 * An event is a record of what one of the module's tracepoints said: the ring has a probe on each
 * of them, so that the two never differ. Left out are the two tracepoints that fire at each signal
 * of a waiter: they would drive out everything else, and VLPI_BROKER_DUMP counts them.
 *
 * A tracepoint fires where the change is made: with interrupts off and the ledger's or the
 * irqchip's raw locks held, on PREEMPT_RT too. So the ring has a raw lock of its own, a leaf, which
 * is held for the copy of one event, or of the few that a reader takes at once. The lock of a wait
 * queue is a sleeping one on PREEMPT_RT. So readers are woken by an irq_work, which runs there in a
 * thread, and elsewhere in an interrupt of its own.
 *
 * Events are numbered. A reader asks for the next number, and sees by the number of the event that
 * it gets whether others have been overwritten.
 */
#include <linux/build_bug.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "event_ring.h"
#include "trace.h"

/* A power of two. */
#define KEPT 1024

static_assert(sizeof(struct vlpi_broker_event) >= VLPI_BROKER_EVENT_SIZE_VER1);
static_assert(sizeof(struct vlpi_broker_event) % 8 == 0);

/* Protects all of the ring; @last is read without. */
static DEFINE_RAW_SPINLOCK(ring_lock);
static struct {
	u64 last;	/* number of the newest event, 0 before there is one */
	u64 time_ns;	/* of that event */
	struct vlpi_broker_event event[KEPT];
} ring;

static DECLARE_WAIT_QUEUE_HEAD(readers);

static void wake_readers(struct irq_work *work)
{
	wake_up_interruptible_poll(&readers, EPOLLIN | EPOLLRDNORM);
}

static DEFINE_IRQ_WORK(wake, wake_readers);

/* The probe of all tracepoints; @type is what it was registered with. */
static void record(void *type, u64 vm, u32 vintid, u32 host_irq, enum vlpi_broker_why why,
		   int error)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	/* The clock that can be read anywhere may step back a little from one CPU to another. */
	ring.time_ns = max_t(u64, ring.time_ns, ktime_get_mono_fast_ns());
	ring.event[(ring.last + 1) % KEPT] = (struct vlpi_broker_event) {
		.size = sizeof(struct vlpi_broker_event),
		.type = (uintptr_t)type,
		.seq = ring.last + 1,
		.time_ns = ring.time_ns,
		.vm_id = vm,
		.vintid = vintid,
		.host_irq = host_irq,
		.why = why,
		.error = abs(error),
	};
	WRITE_ONCE(ring.last, ring.last + 1);
	raw_spin_unlock_irqrestore(&ring_lock, flags);

	/* wq_has_sleeper() has a barrier, between the new number and the look for sleepers. */
	if (wq_has_sleeper(&readers))
		irq_work_queue(&wake);
}

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

/* Disable the first @n. When this returns, no probe runs, and no irq_work is about to wake. */
static void disable(unsigned int n)
{
	while (n--)
		sources[n].disable(record, (void *)sources[n].type);
	tracepoint_synchronize_unregister();
	irq_work_sync(&wake);
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

	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		ret = sources[i].enable(record, (void *)sources[i].type);
		if (ret) {
			disable(i);
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
	disable(ARRAY_SIZE(sources));
}

/**
 * events_copy - copy events from the ring
 * @next: number of the first event that is wanted; where that one has been overwritten, the oldest
 *	that is kept comes first.
 * @to: room for @n events.
 * @n: how many at the most; interrupts are off while they are copied.
 *
 * Context: any.
 * Return: how many were copied.
 */
unsigned int events_copy(u64 next, struct vlpi_broker_event *to, unsigned int n)
{
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&ring_lock, flags);
	if (ring.last > KEPT)
		next = max(next, ring.last - KEPT + 1);
	for (i = 0; i < n && next <= ring.last; i++, next++)
		to[i] = ring.event[next % KEPT];
	raw_spin_unlock_irqrestore(&ring_lock, flags);
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
	return READ_ONCE(ring.last) >= next;
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
