// SPDX-License-Identifier: GPL-2.0-only
/*
 * What src/vm.c does on the fake host: the record of a VM, its work item, which does what the book
 * says, and when that comes back. The time is host.ms, and goes on only where all wait for it.
 */
#include <linux/slab.h>

#include <errno.h>

#include "fake_kvm.h"

#define CHANGE_MS	10
#define BLOCKED_MS	1
#define BLOCKED_MAX_MS	64
#define AGAIN_MS	10
#define AGAIN_MAX_MS	5120

/* A work item that does more than this has no end. */
#define MANY_STEPS	100000
/* Objects that are looked at while interrupts are off. */
#define MANY_OBJECTS	4
#define MANY_COMPARED	16

void book_get(struct fake_book *book)
{
	book->refs++;
}

void book_put(struct fake_book *book)
{
	if (--book->refs)
		return;
	if (book->vm->book != book)
		kernel_bug("the record of VM %c is not found any more", book->vm->letter);
	book->vm->book = NULL;
	host.nr_books--;
	kfree_rcu(book, rcu);
}

static void kick(struct vb_vm *vm)
{
	struct fake_book *book = book_of(vm);

	host.kicks++;
	if (book->queued)
		return;
	book->queued = true;
	book_get(book);
}

static void pin(struct vb_vm *vm)
{
	struct fake_book *book = book_of(vm);

	if (!lock_class_is_held("&vm->lock"))
		kernel_bug("VM %c is pinned, and may be gone by now", book->vm->letter);
	if (book->vm->pins++)
		kernel_bug("VM %c is pinned twice", book->vm->letter);
}

const struct vb_vm_ops fake_vm_ops = { .kick = kick, .pin = pin };

void vm_changed(struct fake_vm *vm)
{
	if (!vm->book)
		return;
	if (!atomic_xchg(&vm->book->book.changed, 1))
		kick(&vm->book->book);
}

static void settle_later(struct fake_book *book, unsigned int ms)
{
	if (book->timer && book->timer_ms <= host.ms + ms)
		return;
	if (!book->timer)
		book_get(book);
	book->timer = true;
	book->timer_ms = host.ms + ms;
}

static void halt(struct fake_vm *vm)
{
	if (!vm->halted)
		vm->halts++;
	vm->halted = true;
}

void count_forced(struct vb_client *client, u32 host_irq, int what)
{
	if (what < 0)
		return;
	if (what & SHIM_FORCED)
		broker_count_forced_unmap(client, host_irq);
	if (what & SHIM_REPAIRED)
		broker_count_repair();
}

static int do_grant(struct fake_vm *vm, const struct vb_step *step)
{
	int ret;

	ret = shim_check_grant(step->client, step->host_irq, step->vintid);
	if (ret)
		return ret;
	halt(vm);
	vm->adding = true;
	at(BEFORE_ADD);
	ret = shim_grant(step->client, step->host_irq);
	vm->adding = false;
	return ret;
}

static int do_revoke(struct fake_vm *vm, const struct vb_step *step)
{
	int ret;

	halt(vm);
	ret = shim_revoke(step->client, false);
	count_forced(step->client, step->host_irq, ret);
	return min(ret, 0);
}

static int do_raise(const struct vb_step *step)
{
	struct vb_client *client = step->client;
	bool here = !step->granted || client->wants == client->mapped_vintid;
	struct fake_vm *vm = irqfd_of(client)->vm;
	int ret = 0;

	if (!here || !broker_raise(client))
		ret = shim_raise(client, step->granted);
	if (ret)
		return ret;
	if (step->granted && !vm->raises_allowed--)
		kernel_bug("VM %c has more raises than maps and unmaps", vm->letter);
	if (step->signal)
		broker_count_injection(client, VLPI_BROKER_WHY_THREAD);
	return 0;
}

static int do_step(struct fake_vm *vm, struct vb_step *step)
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

static void serve_signals(struct fake_book *book)
{
	struct vb_client *client;

	while ((client = broker_next_signal(&book->book))) {
		if (broker_raise(client))
			broker_count_injection(client, VLPI_BROKER_WHY_THREAD);
		else
			broker_owe(client);
		broker_put_client(client);
	}
}

static void book_changes(struct fake_book *book)
{
	if (!atomic_read(&book->book.changed))
		return;
	if (book->change_ms && host.ms - book->change_ms < CHANGE_MS) {
		settle_later(book, CHANGE_MS);
		return;
	}
	book->change_ms = host.ms;
	broker_changed(&book->book, VB_WALK_ALL);
}

static enum moment moment_of(enum vb_todo todo)
{
	return BEFORE_LOOK + todo - VB_LOOK;
}

/* However many clients, slots and signals there are, one call looks at few of them. */
static bool compare_routes(struct fake_book *book)
{
	unsigned int walked = nr_walked;
	bool more;

	more = broker_compare_routes(&book->book);
	walked = nr_walked - walked;
	if (walked > MANY_COMPARED)
		kernel_bug("P7: broker_compare_routes() looks at %u objects in one call", walked);
	return more;
}

static void next_step(struct fake_book *book, struct vb_step *step)
{
	unsigned int walked = nr_walked;

	broker_next(&book->book, current_task(), host.ms, step);
	walked = nr_walked - walked;
	if (walked > MANY_OBJECTS)
		kernel_bug("P7: broker_next() looks at %u objects in one call", walked);
}

/* Return: whether its_lock was taken, so that not all was done. */
static bool settle_vm(struct fake_book *book, struct vb_step *step)
{
	u32 steps;
	int ret;

	for (steps = 0; steps < MANY_STEPS; steps++) {
		serve_signals(book);
		if (compare_routes(book))
			continue;
		next_step(book, step);
		if (step->todo == VB_NOTHING)
			return false;
		if (step->todo == VB_MORE)
			continue;
		if (step->client->vm != &book->book)
			kernel_bug("a step for VM %c is about a client of another",
				   book->vm->letter);
		if (!book->vm->pins)
			kernel_bug("a step for VM %c, which may be gone", book->vm->letter);
		at(moment_of(step->todo));
		ret = do_step(book->vm, step);
		at(moment_of(step->todo) + AFTER_LOOK - BEFORE_LOOK);
		broker_done(&book->book, step, ret);
		fake_check();
		if (ret == -EWOULDBLOCK)
			return true;
	}
	kernel_bug("P3: VM %c is not settled after %u steps", book->vm->letter, steps);
}

static void come_back(struct fake_book *book, bool blocked, const struct vb_step *step)
{
	book->blocked = blocked;
	book->poor = step->poor;
	if (blocked) {
		settle_later(book, book->blocked_ms);
		book->blocked_ms = min(2 * book->blocked_ms, BLOCKED_MAX_MS);
		return;
	}
	book->blocked_ms = BLOCKED_MS;
	if (!step->poor && !step->again)
		return;
	if (step->poor || book->again_booked != step->booked)
		book->again_ms = AGAIN_MS;
	book->again_booked = step->booked;
	if (!book->again_at) {
		book->again_at = host.ms + book->again_ms;
		book->again_ms = min(2 * book->again_ms, AGAIN_MAX_MS);
	}
	settle_later(book, book->again_at - min(host.ms, book->again_at));
}

static void retry(struct fake_book *book)
{
	if (!book->again_at || host.ms < book->again_at)
		return;
	book->again_at = 0;
	broker_retry(&book->book);
}

static void work(struct fake_book *book)
{
	struct vb_step step = {};
	bool blocked;

	if (!broker_begin(&book->book)) {
		/* KVM_IRQFD, which deassigned the last one, waits for that. */
		if (book->book.settled != book->book.booked)
			kernel_bug("VM %c has no irqfd, and is not settled", book->vm->letter);
		if (book->timer)
			book_put(book);
		book->timer = false;
		return;
	}
	blocked = book->to_take;
	if (!blocked) {
		book_changes(book);
		retry(book);
		blocked = settle_vm(book, &step);
		book->vm->halted = false;
	}
	come_back(book, blocked, &step);
	if (!book->to_take && broker_is_idle(&book->book) && book->vm->pins-- != 1)
		kernel_bug("VM %c was let go, and not held", book->vm->letter);
}

void look_at(struct fake_vm *vm)
{
	struct fake_book *book = vm->book;

	/* One work item does not run twice at a time. */
	if (!book || !book->queued || book->runs_on)
		return;
	book->queued = false;
	book->runs_on = this_cpu();
	work(book);
	book->runs_on = NULL;
	book_put(book);
	go_on();
	if (is_quiet(vm))
		vm->raises_allowed = 0;
	fake_check();
}

void look(void)
{
	u32 i;

	for (i = 0; i < NR_VMS; i++)
		look_at(&host.vm[i]);
}

bool is_quiet(struct fake_vm *vm)
{
	if (vm->stuck || vm->wakeups || (host.deleting && host.deleting->vm == vm) ||
	    (vm->book && vm->book->to_take))
		return false;
	return !vm->book ||
	       (!vm->book->queued && !vm->book->runs_on && !atomic_read(&vm->book->book.changed) &&
		!vm->book->blocked && !vm->book->poor);
}

static bool anything_is_queued(void)
{
	u32 i;

	for (i = 0; i < NR_VMS; i++)
		if (host.vm[i].book && host.vm[i].book->queued && !host.vm[i].book->runs_on)
			return true;
	return false;
}

/* The time goes on to the next work item that comes back, or none does. */
static struct fake_book *time_goes_on(bool stuck_too)
{
	struct fake_book *book, *first = NULL;
	u32 i;

	for (i = 0; i < NR_VMS; i++) {
		book = host.vm[i].book;
		if (book && book->timer && (stuck_too || (!host.vm[i].stuck && !book->to_take)) &&
		    (!first || book->timer_ms < first->timer_ms))
			first = book;
	}
	if (!first)
		return NULL;
	host.ms = max(host.ms, first->timer_ms);
	first->timer = false;
	kick(&first->book);
	book_put(first);
	return first;
}

void tick(void)
{
	time_goes_on(true);
}

void take_over(void)
{
	u32 i;

	host.loading = false;
	for (i = 0; i < NR_VMS; i++) {
		if (!host.vm[i].book)
			continue;
		host.vm[i].book->to_take = false;
		host.vm[i].book->book.live = true;
		kick(&host.vm[i].book->book);
	}
	broker_set_live(true);
	fake_check();
}

void settle(void)
{
	/* What is turned down again, and what stays stuck, comes back for ever. */
	u64 end = host.ms + 2 * AGAIN_MAX_MS;
	struct fake_book *book;
	u32 rounds = 0;

	do {
		while (anything_is_queued())
			look();
		book = time_goes_on(rounds++ < 8);
	} while (book && (host.ms < end || book->poor || atomic_read(&book->book.changed)));
	while (anything_is_queued())
		look();
	fake_check_settled();
}
