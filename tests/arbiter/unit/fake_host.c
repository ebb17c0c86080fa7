// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to the fake host: what VMMs, guests and devices do, and what src/irqbypass_hook.c,
 * src/fallback.c and the hooks of src/kvm_hooks.c then tell the arbiter. See fake_host.h.
 */
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include <errno.h>
#include <stdio.h>

#include "fake_kvm.h"

struct fake_host host;

static DEFINE_MUTEX(irqbypass);

const void *current_task(void)
{
	return host.deleter == this_cpu() ? (const void *)host.deleting : this_cpu();
}

struct fake_irqfd *next_irqfd(struct fake_irqfd *last)
{
	u32 i;

	for (i = last ? last->index + 1 : 0; i < NR_IRQFDS; i++)
		if (host.irqfd[i])
			return host.irqfd[i];
	return NULL;
}

/* --- irqfds and producers -------------------------------------------------------------------- */

static struct fake_book *book_new(struct fake_vm *vm)
{
	struct fake_book *book = kzalloc(sizeof(*book), GFP_KERNEL);

	if (!book)
		return NULL;
	book->vm = vm;
	book->book.key = vm;
	book->book.ops = &fake_vm_ops;
	book->book.pid = 1000 + vm->letter;
	snprintf(book->book.name, sizeof(book->book.name), "vm-%c", vm->letter);
	strscpy(book->book.comm, "vmm", sizeof(book->book.comm));
	book->to_take = host.loading;
	book->book.live = !host.loading;
	book->blocked_ms = 1;
	book->again_ms = 10;
	begin_booking();
	broker_vm_init(&book->book);
	end_booking();
	host.nr_books++;
	return book;
}

void client_free(struct vb_client *client)
{
	struct fake_irqfd *irqfd = irqfd_of(client);

	if (host.irqfd[irqfd->index] == irqfd)
		kernel_bug("client %llu is freed, and its irqfd is not gone", client->id);
	host.nr_proxies--;
	book_put(irqfd->book);
	kfree_rcu(irqfd, rcu);
}

/* Where there is no memory, KVM serves the irqfd without us. */
struct fake_irqfd *assign(struct fake_vm *vm, int event)
{
	struct fake_irqfd *irqfd;
	struct vb_slot *spare;
	u32 i = 0;

	if (!irqbypass_is_free())
		kernel_bug("the test has an irqfd assigned while a producer is leaving");
	while (host.irqfd[i])
		if (++i == NR_IRQFDS)
			kernel_bug("too many irqfds for the fake");
	if (!vm->book)
		vm->book = book_new(vm);
	if (!vm->book)
		return NULL;
	book_get(vm->book);
	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL);
	spare = irqfd ? broker_slot_new() : NULL;
	if (!spare) {
		kfree(irqfd);
		book_put(vm->book);
		return NULL;
	}
	host.nr_proxies++;
	irqfd->index = i;
	irqfd->vm = vm;
	irqfd->book = vm->book;
	irqfd->event = event;
	irqfd->seen_event = NEVER_SEEN;
	irqfd->granted_event = NEVER_SEEN;
	refcount_set(&irqfd->client.refs, 1);
	irqfd->client.vm = &vm->book->book;
	host.irqfd[i] = irqfd;
	begin_booking();
	broker_add_client(&irqfd->client, spare);
	end_booking();
	fake_check();
	return irqfd;
}

bool irqbypass_is_free(void)
{
	return !host.deleting && !irqbypass.lock.held_by;
}

void add_producer(struct fake_irqfd *irqfd, u32 host_irq)
{
	if (!irqbypass_is_free())
		kernel_bug("the test has a producer connected while another is leaving");
	mutex_lock(&irqbypass);
	irqfd->host_irq = host_irq;
	irqfd->connects++;
	begin_booking();
	broker_add_producer(&irqfd->client, host_irq, device_of(host_irq));
	end_booking();
	mutex_unlock(&irqbypass);
	fake_check();
}

void del_begins(struct fake_irqfd *irqfd)
{
	bool had, again;

	if (!irqbypass_is_free())
		kernel_bug("the test has two producers leave at once");
	mutex_lock(&irqbypass);
	begin_booking();
	had = broker_del_begin(&irqfd->client, irqfd, &irqfd->is_mapped);
	if (broker_del_begin(&irqfd->client, irqfd, &again) || again)
		kernel_bug("the producer of client %llu leaves twice", irqfd->client.id);
	end_booking();
	mutex_unlock(&irqbypass);
	if (had != !!irqfd->host_irq)
		kernel_bug("client %llu is said to have %s producer", irqfd->client.id,
			   had ? "a" : "no");
	if (had)
		host.deleting = irqfd;
	fake_check();
}

bool del_can_end(void)
{
	struct fake_irqfd *irqfd = host.deleting;

	if (!irqfd || irqbypass.lock.held_by)
		return false;
	if (irqfd->is_mapped && shim_revoke_would_wait(&irqfd->client))
		return false;
	return !irqfd->client.mapped_vintid || !atomic_read(&irqfd->client.busy);
}

static bool is_anybodys(u32 host_irq)
{
	struct fake_irqfd *irqfd;

	for_each_irqfd(irqfd)
		if (irqfd->host_irq == host_irq)
			return true;
	return false;
}

void del_ends(void)
{
	struct fake_irqfd *irqfd = host.deleting;
	u32 host_irq = irqfd->host_irq;

	mutex_lock(&irqbypass);
	host.deleter = this_cpu();
	if (irqfd->is_mapped) {
		irqfd->vm->halts += !irqfd->vm->halted;
		count_forced(&irqfd->client, host_irq, shim_revoke(&irqfd->client, true));
	} else if (irqfd->client.mapped_vintid) {
		shim_wait_until_free(&irqfd->client);
		shim_aim(host_irq);
	}
	host.deleter = NULL;
	at(DELETED);
	begin_booking();
	broker_del_end(&irqfd->client);
	end_booking();
	/* Its driver frees it next, unless it was another's all the time. */
	irqfd->host_irq = 0;
	if (!is_anybodys(host_irq)) {
		if (host.irq[host_irq].forwarded && !host.irq[host_irq].stray)
			kernel_bug("P4: host IRQ %u is forwarded, and its producer is gone",
				   host_irq);
		host.irq[host_irq].fired = false;
	}
	host.deleting = NULL;
	mutex_unlock(&irqbypass);
	go_on();
	fake_check();
}

void del_producer(struct fake_irqfd *irqfd)
{
	del_begins(irqfd);
	if (del_can_end())
		del_ends();
}

void leave(struct fake_irqfd *irqfd)
{
	irqfd->leaving = true;
	/* What the broker has not seen of its route it will not see any more. */
	if (irqfd->event != irqfd->seen_event)
		irqfd->edge = 0;
}

static void end(struct fake_irqfd *irqfd)
{
	struct vb_slot *spare;

	host.irqfd[irqfd->index] = NULL;
	if (irqfd->edge)
		lpi_of(irqfd->vm, irqfd->edge)->signalled = true;
	begin_booking();
	spare = broker_remove_client(&irqfd->client);
	broker_slot_free(spare);
	end_booking();
	go_on();
	fake_check();
}

void deassign(struct fake_irqfd *irqfd)
{
	leave(irqfd);
	irqfd->ending = true;
	go_on();
}

/* What had to wait for something, and need not any more. */
void go_on(void)
{
	struct fake_irqfd *irqfd;

	/* In the middle of something, the test says when. */
	if (host.deleting && is_first_cpu() && del_can_end())
		del_ends();
	for_each_irqfd(irqfd) {
		if (!irqfd->ending || !irqbypass_is_free())
			continue;
		if (irqfd->host_irq)
			del_producer(irqfd);
		else
			end(irqfd);
		/* That has gone on by itself. */
		return;
	}
}

struct fake_irqfd *source(struct fake_vm *vm, int event, u32 host_irq)
{
	struct fake_irqfd *irqfd = assign(vm, event);

	add_producer(irqfd, host_irq);
	return irqfd;
}

/* --- the VMM and the guest ------------------------------------------------------------------- */

void route(struct fake_irqfd *irqfd, int event)
{
	irqfd->event = event;
	forget_edges(irqfd->vm);
	begin_booking();
	broker_changed(&irqfd->book->book, VB_WALK_ROUTES);
	end_booking();
	fake_check();
}

void guest_maps(struct fake_vm *vm, int event, u32 vintid)
{
	its_lock(vm);
	if (!vm->event[event]) {
		vm->event[event] = vintid;
		forget_edges(vm);
	}
	its_unlock(vm);
	vm_changed(vm);
	go_on();
	fake_check();
}

void guest_discards(struct fake_vm *vm, int event)
{
	kvm_discards(vm, event);
	vm_changed(vm);
	go_on();
	fake_check();
}

void guest_moves(struct fake_vm *vm, u32 vintid)
{
	static const char vpes[2];
	struct fake_lpi *lpi = lpi_of(vm, vintid);
	unsigned long flags;

	its_lock(vm);
	vm->target = vm->target == &vpes[0] ? &vpes[1] : &vpes[0];
	raw_spin_lock_irqsave(&vm->irq_lock, flags);
	if (lpi->hw && gate(lpi->host_irq, vm, vintid))
		kernel_bug("%c%u can't be moved to another vPE", vm->letter, vintid);
	raw_spin_unlock_irqrestore(&vm->irq_lock, flags);
	its_unlock(vm);
	vm_changed(vm);
	go_on();
	fake_check();
}

void guest_takes(struct fake_vm *vm, u32 vintid)
{
	struct fake_lpi *lpi = lpi_of(vm, vintid);

	lpi->direct = false;
	lpi->soft = false;
	lpi->owed = false;
}

void kvm_unmaps(u32 host_irq)
{
	struct fake_vm *vm = host.irq[host_irq].vm;

	lpi_of(vm, host.irq[host_irq].vintid)->owed = false;
	its_lock(vm);
	kvm_dels(vm, host_irq);
	its_unlock(vm);
	go_on();
	fake_check();
}

void its_on(struct fake_vm *vm, bool on)
{
	u32 i;

	vm->its_off = !on;
	/* What is on its way then may be lost, and the guest knows that. */
	for (i = 0; i < NR_LPIS; i++) {
		vm->lpi[i].owed = false;
		vm->lpi[i].raise_due = false;
	}
	forget_edges(vm);
	vm_changed(vm);
	fake_check();
}

void get_stuck(struct fake_vm *vm, bool on)
{
	vm->stuck = on;
	go_on();
	fake_check();
}

void vm_is_told(struct fake_vm *vm)
{
	vm_changed(vm);
}

void time_passes(unsigned int ms)
{
	host.ms += ms;
}

/* --- edges ----------------------------------------------------------------------------------- */

u32 leads_to(struct fake_irqfd *irqfd)
{
	return irqfd->event == NOT_MSI || irqfd->vm->its_off ? 0 : irqfd->vm->event[irqfd->event];
}

bool is_served(struct fake_irqfd *irqfd)
{
	struct vb_client *client;

	if (!broker_signal(&irqfd->client))
		return false;
	client = broker_next_signal(&irqfd->book->book);
	if (client != &irqfd->client)
		kernel_bug("client %llu was signalled last", irqfd->client.id);
	broker_put_client(client);
	return true;
}

void signal_eventfd(struct fake_irqfd *irqfd)
{
	struct vb_client *client = &irqfd->client;
	u32 led_to = leads_to(irqfd);
	bool taken;

	if (irqfd->leaving)
		return;
	irqfd->edge = led_to;
	irqfd->vm->wakeups++;
	begin_booking();
	if (client->raises_inline && broker_raise(client)) {
		broker_count_signal(client);
		broker_count_injection(client, VLPI_BROKER_WHY_INLINE);
		taken = true;
	} else {
		taken = broker_signal(client);
	}
	end_booking();
	if (!taken)
		kvm_injects(irqfd);
	irqfd->vm->wakeups--;
	fake_check();
}

void host_takes(u32 host_irq)
{
	struct fake_irqfd *irqfd;

	if (!host.irq[host_irq].fired)
		return;
	host.irq[host_irq].fired = false;
	for_each_irqfd(irqfd)
		if (irqfd->host_irq == host_irq)
			signal_eventfd(irqfd);
}

void fires(u32 host_irq)
{
	struct fake_irq *irq = &host.irq[host_irq];

	if (!irq->forwarded) {
		irq->fired = true;
	} else if (!irq->stray) {
		lpi_of(irq->vm, irq->vintid)->direct = true;
		lpi_of(irq->vm, irq->vintid)->owed = !irq->vm->its_off;
	}
	fake_check();
}

/* --- hosts ----------------------------------------------------------------------------------- */

void fake_begin(void)
{
	fake_reset();
	broker_set_live(true);
	guest_maps(&host.vm[0], 0, LPI);
	guest_maps(&host.vm[0], 1, LPI + 1);
	guest_maps(&host.vm[1], 0, LPI);
}

void fake_reset(void)
{
	struct fake_vm *vm;
	u32 i;

	/* The arbiter's totals are not reset either. */
	host = (struct fake_host){ .ms = host.ms ?: 1000, .maps = host.maps };
	for (i = 0; i < NR_VMS; i++) {
		vm = &host.vm[i];
		vm->letter = 'A' + i;
		mutex_init(&vm->its_lock);
		raw_spin_lock_init(&vm->irq_lock);
	}
}

u32 random_below(u64 *state, u32 n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 20) % n;
}
