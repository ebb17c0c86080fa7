// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake host: its irqchip, its KVM, its_shim.h in front of them, and what VMMs, guests and
 * devices do. See fake_host.h.
 */
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "fake_host.h"
#include "its_shim.h"

struct fake_host host = {
	.vm = { { .letter = 'A' }, { .letter = 'B' }, { .letter = 'C' } },
};

static DEFINE_MUTEX(irqbypass);
static DEFINE_MUTEX(its_lock);
static DEFINE_RAW_SPINLOCK(irq_lock);

static void did(const char *fmt, ...) __printf(1, 2);
static void did(const char *fmt, ...)
{
	size_t length = strlen(host.did);
	va_list args;

	if (length)
		length += snprintf(host.did + length, sizeof(host.did) - length, ", ");
	/* A random schedule never reads it, and fills it. */
	if (length >= sizeof(host.did))
		return;
	va_start(args, fmt);
	vsnprintf(host.did + length, sizeof(host.did) - length, fmt, args);
	va_end(args);
}

const char *fake_did(void)
{
	static char said[sizeof(host.did)];

	memcpy(said, host.did, sizeof(said));
	host.did[0] = '\0';
	return said;
}

static void then(void (**what)(void))
{
	void (*now)(void) = *what;

	*what = NULL;
	if (now)
		now();
}

void trace_seen(const char *event, u64 vm, u32 vintid, u32 host_irq, int why, int error)
{
	size_t length = strlen(host.traced);

	if (length < sizeof(host.traced) - 32)
		snprintf(host.traced + length, sizeof(host.traced) - length, "%s%s",
			 length ? " " : "", event);
	if (!strcmp(event, "grant"))
		then(&host.when_granted);
}

const char *fake_traced(void)
{
	static char said[sizeof(host.traced)];

	memcpy(said, host.traced, sizeof(said));
	host.traced[0] = '\0';
	return said;
}

static struct fake_irqfd *irqfd_of(struct vb_client *client)
{
	return container_of(client, struct fake_irqfd, client);
}

/* --- the irqchip ----------------------------------------------------------------------------- */

int irqchip_refuses(u32 host_irq, struct fake_vm *vm)
{
	struct fake_irq *irq = &host.irq[host_irq];
	u32 other;

	if (irq->refuse)
		return irq->refuse;
	for (other = 0; host.irqs_per_device && other < NR_IRQS; other++)
		if (other / host.irqs_per_device == host_irq / host.irqs_per_device &&
		    host.irq[other].forwarded && host.irq[other].vm != vm)
			return EINVAL;
	return 0;
}

/* Both map and unmap send a DISCARD, which drops what is pending. */
static void drop_pending(struct fake_irq *irq)
{
	struct fake_lpi *lpi = lpi_of(irq->vm, irq->vintid);

	lpi->direct = false;
	if (irq->fired)
		lpi->owed = true;
	irq->fired = false;
}

static int irqchip_map(u32 host_irq, struct fake_vm *vm, u32 vintid)
{
	struct fake_irq *irq = &host.irq[host_irq];
	int error = irqchip_refuses(host_irq, vm);
	void *book;
	u32 other;

	if (error)
		return -error;
	if (irq->forwarded) {
		/* A VMOVI: it moves to another vPE, and never to another vLPI. */
		if (irq->vm != vm || irq->vintid != vintid)
			kernel_bug("host IRQ %u is moved from %c%u to %c%u, and stays",
				   host_irq, irq->vm->letter, irq->vintid, vm->letter, vintid);
		did("move %u", host_irq);
		return 0;
	}
	book = kzalloc(8, GFP_ATOMIC);
	if (!book)
		return -ENOMEM;
	kfree(book);
	for (other = 0; other < NR_IRQS; other++)
		if (host.irq[other].forwarded && host.irq[other].vm == vm &&
		    host.irq[other].vintid == vintid)
			kernel_bug("host IRQs %u and %u are both mapped to %c%u", other, host_irq,
				   vm->letter, vintid);
	irq->forwarded = true;
	irq->vm = vm;
	irq->vintid = vintid;
	lpi_of(vm, vintid)->raise = RAISE_MUST_COME;
	drop_pending(irq);
	did("map %u %c%u", host_irq, vm->letter, vintid);
	return 0;
}

static void irqchip_unmap(u32 host_irq)
{
	if (!host.irq[host_irq].forwarded)
		kernel_bug("host IRQ %u is unmapped, and was not mapped", host_irq);
	drop_pending(&host.irq[host_irq]);
	host.irq[host_irq].forwarded = false;
	host.irq[host_irq].to_be_aimed = true;
	did("unmap %u", host_irq);
}

/* --- the gate and the watch, as its_shim.c has them ------------------------------------------ */

static int its_map_vlpi(u32 host_irq, struct fake_vm *vm, u32 vintid)
{
	struct fake_irq *irq = &host.irq[host_irq];
	int ret;

	ret = broker_gate(host_irq, vm, vintid,
			  irq->forwarded && irq->vm == vm && irq->vintid == vintid);
	if (!ret) {
		ret = irqchip_map(host_irq, vm, vintid);
		if (ret)
			broker_gate_failed(host_irq);
	}
	return ret;
}

static void watch(u32 host_irq)
{
	struct fake_lpi *lpi = lpi_of(host.irq[host_irq].vm, host.irq[host_irq].vintid);
	enum raise was;

	was = lpi->raise;
	lpi->raise = RAISE_MUST_COME;
	if (broker_unmapped(host_irq)) {
		lpi->raise = was == RAISE_MUST_COME ? RAISE_MAY_COME_TWICE : RAISE_MAY_COME;
		host.kicks++;
	}
}

static void its_unmap_vlpi(u32 host_irq)
{
	if (!host.irq[host_irq].forwarded)
		return;
	watch(host_irq);
	irqchip_unmap(host_irq);
}

/* --- KVM ------------------------------------------------------------------------------------- */

static void kvm_believes(struct fake_lpi *lpi, u32 host_irq)
{
	lpi->hw = host_irq;
	lpi->host_irq = host_irq;
}

static void finish_discard(void)
{
	struct fake_vm *vm = host.discarding;
	struct fake_lpi *lpi = lpi_of(vm, vm->event[host.discarded]);

	host.discarding = NULL;
	irqchip_unmap(lpi->host_irq);
	kvm_believes(lpi, 0);
	vm->event[host.discarded] = 0;
	/* What is pending may go with the event, and the guest knows that. */
	lpi->owed = false;
}

/* When this has its_lock, a DISCARD that was under way is done. */
static void lock_its(struct fake_vm *vm)
{
	mutex_lock(&its_lock);
	if (host.discarding == vm)
		finish_discard();
}

static int kvm_resolve(struct fake_vm *vm, int event, u32 *vintid)
{
	if (vm->its_off)
		return -EBUSY;
	if (!vm->event[event])
		return -ENXIO;
	*vintid = vm->event[event];
	return 0;
}

static int kvm_add(struct fake_vm *vm, int event, u32 host_irq)
{
	struct fake_lpi *lpi;
	unsigned long flags;
	u32 vintid;
	int ret = 0;

	lock_its(vm);
	if (!kvm_resolve(vm, event, &vintid)) {
		lpi = lpi_of(vm, vintid);
		raw_spin_lock_irqsave(&irq_lock, flags);
		if (!lpi->hw || host.maps_again) {
			ret = its_map_vlpi(host_irq, vm, vintid);
			if (!ret)
				kvm_believes(lpi, host_irq);
		}
		raw_spin_unlock_irqrestore(&irq_lock, flags);
	}
	mutex_unlock(&its_lock);
	return ret;
}

/* Returns whether KVM believed that the host IRQ is forwarded. */
static bool kvm_forget(struct fake_vm *vm, u32 host_irq)
{
	struct fake_lpi *lpi;

	for (lpi = vm->lpi; lpi < vm->lpi + NR_LPIS; lpi++) {
		if (lpi->hw && lpi->host_irq == host_irq) {
			kvm_believes(lpi, 0);
			return true;
		}
	}
	return false;
}

static void kvm_del(struct fake_vm *vm, u32 host_irq)
{
	unsigned long flags;

	lock_its(vm);
	raw_spin_lock_irqsave(&irq_lock, flags);
	if (kvm_forget(vm, host_irq))
		its_unmap_vlpi(host_irq);
	raw_spin_unlock_irqrestore(&irq_lock, flags);
	mutex_unlock(&its_lock);
}

static void kvm_raise(struct fake_vm *vm, int event)
{
	struct fake_lpi *lpi;
	u32 vintid;

	lock_its(vm);
	if (event == NOT_MSI || kvm_resolve(vm, event, &vintid)) {
		did("raise nothing");
	} else {
		lpi = lpi_of(vm, vintid);
		if (lpi->hw && !host.irq[lpi->host_irq].forwarded)
			kernel_bug("%c%u is raised through host IRQ %u, a physical one",
				   vm->letter, vintid, lpi->host_irq);
		if (lpi->hw)
			lpi->direct = true;
		else
			lpi->soft = true;
		did("raise %c%u", vm->letter, vintid);
	}
	mutex_unlock(&its_lock);
}

/* --- its_shim.h ------------------------------------------------------------------------------ */

static void check_hands_may_change(const char *what)
{
	if (!lock_class_is_held("irqbypass"))
		kernel_bug("%s without irqbypass's mutex", what);
	if (!lock_class_is_held("&slot->lock"))
		kernel_bug("%s without the slot's mutex: the fallback may be injecting", what);
}

int shim_resolve(struct vb_client *client, u32 *vintid)
{
	struct fake_irqfd *irqfd = irqfd_of(client);
	int ret;

	irqfd->seen_event = irqfd->event;
	if (irqfd->event == NOT_MSI)
		return -EPROTONOSUPPORT;
	client->eventid = irqfd->event;
	lock_its(irqfd->vm);
	ret = kvm_resolve(irqfd->vm, irqfd->event, vintid);
	mutex_unlock(&its_lock);
	return ret;
}

bool shim_route_changed(struct vb_client *client)
{
	return irqfd_of(client)->event != irqfd_of(client)->seen_event;
}

int shim_grant(struct vb_client *client, u32 vintid)
{
	struct fake_irqfd *irqfd = irqfd_of(client);
	u32 vintid_now;
	bool mapped;
	int ret;

	check_hands_may_change("grant");
	irqfd->granted_event = irqfd->event;
	lock_its(irqfd->vm);
	ret = irqfd->granted_event == NOT_MSI ||
	      kvm_resolve(irqfd->vm, irqfd->granted_event, &vintid_now) || vintid_now != vintid;
	mutex_unlock(&its_lock);
	if (ret)
		return -EAGAIN;
	then(&host.before_map);
	ret = kvm_add(irqfd->vm, irqfd->granted_event, irqfd->host_irq);
	mapped = client->mapped;
	if (mapped)
		irqfd->granted_vintid = host.irq[irqfd->host_irq].vintid;
	then(&host.after_map);
	if (mapped && !client->mapped) {
		host.gone_at_once++;
		/* Not long enough for a CPU to go offline. */
		host.irq[irqfd->host_irq].to_be_aimed = false;
	}
	return ret;
}

void shim_revoke(struct vb_client *client)
{
	struct fake_irqfd *irqfd = irqfd_of(client);

	check_hands_may_change("revoke");
	if (!host.revoke_does_nothing)
		kvm_del(irqfd->vm, irqfd->host_irq);
	then(&host.after_unmap);
	host.irq[irqfd->host_irq].to_be_aimed = false;
}

void shim_force_unmap(struct vb_client *client)
{
	struct fake_irqfd *irqfd = irqfd_of(client);

	check_hands_may_change("forced unmap");
	did("force");
	if (host.force_does_nothing)
		return;
	if (kvm_forget(irqfd->vm, irqfd->host_irq))
		broker_count_repair();
	its_unmap_vlpi(irqfd->host_irq);
	host.irq[irqfd->host_irq].to_be_aimed = false;
	broker_count_forced_unmap(irqfd->host_irq);
}

void shim_was_unmapped(struct vb_client *client)
{
	struct fake_irqfd *irqfd = irqfd_of(client);

	lock_its(irqfd->vm);
	mutex_unlock(&its_lock);
	host.irq[irqfd->host_irq].to_be_aimed = false;
}

void shim_raise(struct vb_client *client)
{
	struct fake_irqfd *irqfd = irqfd_of(client);

	kvm_raise(irqfd->vm, irqfd->event);
}

void shim_raise_granted(struct vb_client *client)
{
	struct fake_irqfd *irqfd = irqfd_of(client);

	struct fake_lpi *lpi;

	check_hands_may_change("raise");
	if (host.force_does_nothing)
		return;
	lpi = lpi_of(irqfd->vm, irqfd->granted_vintid);
	if (lpi->raise == RAISE_WOULD_BE_TOO_MANY)
		kernel_bug("%c%u is raised again, and hands have not changed", irqfd->vm->letter,
			   irqfd->granted_vintid);
	lpi->raise = lpi->raise == RAISE_MAY_COME_TWICE ? RAISE_MAY_COME : RAISE_WOULD_BE_TOO_MANY;
	kvm_raise(irqfd->vm, irqfd->granted_event);
}

bool shim_raise_through(struct vb_client *holder)
{
	struct fake_irqfd *irqfd = irqfd_of(holder);
	struct fake_irq *irq = &host.irq[irqfd->host_irq];

	if (!lock_class_is_held("&slot->raise_lock"))
		kernel_bug("raised through a holder, and nothing keeps it mapped");
	if (!irq->forwarded)
		kernel_bug("raised through host IRQ %u, which is a physical interrupt",
			   irqfd->host_irq);
	if (irqfd->vm->its_off)
		return false;
	lpi_of(irq->vm, irq->vintid)->direct = true;
	did("raise %c%u", irq->vm->letter, irq->vintid);
	return true;
}

bool shim_is_leaving(struct vb_client *client)
{
	return irqfd_of(client)->leaving;
}

bool shim_is_forwarded(u32 host_irq)
{
	return host.irq[host_irq].forwarded;
}

/* --- what happens to the host ---------------------------------------------------------------- */

struct fake_irqfd *assign(struct fake_vm *vm, int event)
{
	struct fake_irqfd *irqfd = host.irqfd;
	struct vb_vm *record;
	char name[8];

	while (irqfd->known)
		if (++irqfd == host.irqfd + NR_IRQFDS)
			kernel_bug("too many irqfds for the fake");
	snprintf(name, sizeof(name), "vm-%c", vm->letter);
	record = broker_vm_new(vm, 1000 + vm->letter, "vmm", name);
	if (!record)
		return NULL;
	*irqfd = (struct fake_irqfd){ .vm = vm, .event = event, .known = true };
	if (!broker_add_client(&irqfd->client, record))
		broker_vm_free(record);
	fake_check();
	return irqfd;
}

void add_producer(struct fake_irqfd *irqfd, u32 host_irq)
{
	irqfd->host_irq = host_irq;
	mutex_lock(&irqbypass);
	broker_add_producer(&irqfd->client, host_irq);
	mutex_unlock(&irqbypass);
	fake_check();
}

void del_producer(struct fake_irqfd *irqfd)
{
	mutex_lock(&irqbypass);
	broker_del_producer(&irqfd->client);
	mutex_unlock(&irqbypass);
	irqfd->host_irq = 0;
	fake_check();
}

void leave(struct fake_irqfd *irqfd)
{
	irqfd->leaving = true;
}

void deassign(struct fake_irqfd *irqfd)
{
	leave(irqfd);
	if (irqfd->host_irq)
		del_producer(irqfd);
	thread_runs(irqfd);
	broker_vm_free(broker_remove_client(&irqfd->client));
	/* So that a use of it after this is seen. */
	memset(&irqfd->client, 0xa5, sizeof(irqfd->client));
	irqfd->known = false;
	fake_check();
}

struct fake_irqfd *source(struct fake_vm *vm, int event, u32 host_irq)
{
	struct fake_irqfd *irqfd = assign(vm, event);

	add_producer(irqfd, host_irq);
	return irqfd;
}

static void vm_changed(struct fake_vm *vm)
{
	if (broker_vm_changed(vm))
		host.kicks++;
}

void route_late(struct fake_irqfd *irqfd, int event)
{
	irqfd->event = event;
	vm_changed(irqfd->vm);
	fake_check();
}

static void has_waiter(struct vb_vm *vm)
{
	host.waiters_told++;
}

void route(struct fake_irqfd *irqfd, int event)
{
	irqfd->event = event;
	host.waiters_told = 0;
	mutex_lock(&irqbypass);
	broker_routes_changed(irqfd->vm, has_waiter);
	mutex_unlock(&irqbypass);
	fake_check();
}

void guest_maps(struct fake_vm *vm, int event, u32 vintid)
{
	mutex_lock(&its_lock);
	if (!vm->event[event]) {
		vm->event[event] = vintid;
		vm_changed(vm);
	}
	mutex_unlock(&its_lock);
	fake_check();
}

void guest_discards(struct fake_vm *vm, int event)
{
	struct fake_lpi *lpi;
	unsigned long flags;

	mutex_lock(&its_lock);
	if (vm->event[event]) {
		lpi = lpi_of(vm, vm->event[event]);
		raw_spin_lock_irqsave(&irq_lock, flags);
		if (lpi->hw)
			its_unmap_vlpi(lpi->host_irq);
		kvm_believes(lpi, 0);
		raw_spin_unlock_irqrestore(&irq_lock, flags);
		vm->event[event] = 0;
		/* What is pending may go with the event, and the guest knows that. */
		lpi->owed = false;
	}
	mutex_unlock(&its_lock);
	fake_check();
}

void guest_discards_under_a_look(struct fake_vm *vm, int event)
{
	struct fake_lpi *lpi = lpi_of(vm, vm->event[event]);
	unsigned long flags;

	raw_spin_lock_irqsave(&irq_lock, flags);
	watch(lpi->host_irq);
	raw_spin_unlock_irqrestore(&irq_lock, flags);
	host.discarding = vm;
	host.discarded = event;
	look();
}

void guest_moves(struct fake_vm *vm, u32 vintid)
{
	struct fake_lpi *lpi = lpi_of(vm, vintid);
	unsigned long flags;

	mutex_lock(&its_lock);
	raw_spin_lock_irqsave(&irq_lock, flags);
	if (lpi->hw && its_map_vlpi(lpi->host_irq, vm, vintid))
		kernel_bug("%c%u can't be moved to another vPE", vm->letter, vintid);
	raw_spin_unlock_irqrestore(&irq_lock, flags);
	mutex_unlock(&its_lock);
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
	struct fake_irq *irq = &host.irq[host_irq];

	lpi_of(irq->vm, irq->vintid)->owed = false;
	kvm_del(irq->vm, host_irq);
	fake_check();
}

void its_on(struct fake_vm *vm, bool on)
{
	u32 i;

	vm->its_off = !on;
	/* What is on its way then may be lost, and the guest knows that. */
	for (i = 0; i < NR_LPIS; i++)
		vm->lpi[i].owed = false;
	/* The guest enables LPIs after that. */
	if (on)
		vm_changed(vm);
	fake_check();
}

void look(void)
{
	host.waiters_told = 0;
	mutex_lock(&irqbypass);
	broker_rearbitrate(has_waiter);
	mutex_unlock(&irqbypass);
	fake_check();
}

void settle(void)
{
	u32 looks;

	look();
	/* A client that no look settles stays unsettled. */
	for (looks = 0; broker_is_unsettled() && looks < 2; looks++)
		look();
}

/* --- edges ----------------------------------------------------------------------------------- */

u32 leads_to(struct fake_irqfd *irqfd)
{
	return irqfd->event == NOT_MSI || irqfd->vm->its_off ? 0 : irqfd->vm->event[irqfd->event];
}

static void owe(struct fake_irqfd *irqfd)
{
	u32 vintid = leads_to(irqfd);

	if (vintid)
		lpi_of(irqfd->vm, vintid)->owed = true;
}

void thread_runs(struct fake_irqfd *irqfd)
{
	struct vb_slot *slot;

	if (!irqfd->queued)
		return;
	irqfd->queued = false;
	slot = broker_lock_slot(&irqfd->client);
	then(&host.while_injecting);
	owe(irqfd);
	kvm_raise(irqfd->vm, irqfd->event);
	broker_unlock_slot(slot);
	broker_count_injection(&irqfd->client, VLPI_BROKER_WHY_THREAD);
	fake_check();
}

void signal_eventfd(struct fake_irqfd *irqfd)
{
	struct vb_client *client = &irqfd->client;
	u32 led_to = leads_to(irqfd);
	bool taken;

	if (irqfd->leaving)
		return;
	if (client->raises_inline) {
		taken = broker_raise(client);
	} else {
		taken = client->vm->worker && broker_is_served(client);
		irqfd->queued |= taken;
	}
	if (taken) {
		broker_count_signal(client);
		if (client->raises_inline)
			broker_count_injection(client, VLPI_BROKER_WHY_INLINE);
	} else {
		if (broker_is_due(client))
			host.kicks++;
		kvm_raise(irqfd->vm, irqfd->event);
	}
	/* Where its route changes meanwhile, the signal may arrive at either LPI. */
	if (!irqfd->queued && leads_to(irqfd) == led_to)
		owe(irqfd);
	fake_check();
}

void host_takes(u32 host_irq)
{
	struct fake_irqfd *irqfd;

	if (!host.irq[host_irq].fired)
		return;
	host.irq[host_irq].fired = false;
	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
		if (irqfd->known && irqfd->host_irq == host_irq)
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
	broker_set_live(true);
	guest_maps(&host.vm[0], 0, LPI);
	guest_maps(&host.vm[0], 1, LPI + 1);
	guest_maps(&host.vm[1], 0, LPI);
}

void fake_reset(void)
{
	u32 i;

	/* The arbiter's totals are not reset either. */
	host = (struct fake_host){ .gone_at_once = host.gone_at_once };
	for (i = 0; i < NR_VMS; i++)
		host.vm[i].letter = 'A' + i;
}

u32 random_below(u64 *state, u32 n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 20) % n;
}
