// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake host's irqchip, its KVM, and in front of them what src/its_shim.c and src/kvm_hooks.c
 * do: the gate, the watch, and its_shim.h. See fake_host.h.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "fake_kvm.h"

/* --- what is noted --------------------------------------------------------------------------- */

void did(const char *fmt, ...)
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

void at(enum moment moment)
{
	host.moment = moment;
	meanwhile_(&host.at[moment]);
}

void trace_seen(const char *event, u64 vm, u32 vintid, u32 host_irq, int why, int error)
{
	size_t length = strlen(host.traced);

	if (length < sizeof(host.traced) - 32)
		snprintf(host.traced + length, sizeof(host.traced) - length, "%s%s",
			 length ? " " : "", event);
}

const char *fake_traced(void)
{
	static char said[sizeof(host.traced)];

	memcpy(said, host.traced, sizeof(said));
	host.traced[0] = '\0';
	return said;
}

/* --- edges ----------------------------------------------------------------------------------- */

/* The LPI is pending now, for each signal that came before this. */
static void lpi_is_raised(struct fake_vm *vm, u32 vintid)
{
	struct fake_lpi *lpi = lpi_of(vm, vintid);
	struct fake_irqfd *irqfd;

	for_each_irqfd(irqfd) {
		if (irqfd->vm == vm && irqfd->edge == vintid) {
			irqfd->edge = 0;
			lpi->owed = true;
		}
	}
	lpi->owed |= lpi->signalled;
	lpi->signalled = false;
}

/* Where the route or the event leads elsewhere meanwhile, a signal may arrive at either LPI. */
void forget_edges(struct fake_vm *vm)
{
	struct fake_irqfd *irqfd;
	u32 i, event;

	for_each_irqfd(irqfd)
		if (irqfd->vm == vm && irqfd->edge && leads_to(irqfd) != irqfd->edge)
			irqfd->edge = 0;
	for (i = 0; i < NR_LPIS; i++) {
		bool lead = false;

		for (event = 0; event < NR_EVENTS; event++)
			lead |= !vm->its_off && vm->event[event] == LPI + i;
		vm->lpi[i].signalled &= lead;
	}
}

/* --- the irqchip ----------------------------------------------------------------------------- */

const void *device_of(u32 host_irq)
{
	static const char devices[NR_IRQS];

	return &devices[host.irqs_per_device ? host_irq / host.irqs_per_device : host_irq];
}

int irqchip_refuses(u32 host_irq, struct fake_vm *vm)
{
	struct fake_irq *irq = &host.irq[host_irq];
	u32 other;

	if (irq->refuse)
		return irq->refuse;
	for (other = 0; other < NR_IRQS; other++)
		if (device_of(other) == device_of(host_irq) && host.irq[other].forwarded &&
		    host.irq[other].vm != vm)
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
	u32 other;

	if (error)
		return -error;
	if (irq->forwarded) {
		/* A VMOVI: it moves to another vPE, and never to another vLPI. */
		if (irq->vm != vm || irq->vintid != vintid)
			kernel_bug("host IRQ %u is moved from %c%u to %c%u, and stays",
				   host_irq, irq->vm->letter, irq->vintid, vm->letter, vintid);
		irq->target = vm->target;
		did("move %u", host_irq);
		return 0;
	}
	for (other = 0; other < NR_IRQS; other++)
		if (host.irq[other].forwarded && host.irq[other].vm == vm &&
		    host.irq[other].vintid == vintid)
			kernel_bug("P1: host IRQs %u and %u are both mapped to %c%u", other,
				   host_irq, vm->letter, vintid);
	irq->forwarded = true;
	irq->vm = vm;
	irq->vintid = vintid;
	irq->target = vm->target;
	lpi_of(vm, vintid)->raise_due = true;
	drop_pending(irq);
	host.maps++;
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

bool shim_is_forwarded(u32 host_irq)
{
	return host_irq < NR_IRQS && host.irq[host_irq].forwarded;
}

void shim_aim(u32 host_irq)
{
	if (!host.irq[host_irq].forwarded)
		host.irq[host_irq].to_be_aimed = false;
}

/* --- the gate and the watch ------------------------------------------------------------------ */

/* As the real one tells it: a host IRQ that has just lost its client looks foreign. */
static enum vb_ask asks_for(u32 host_irq, struct fake_vm *vm, u32 vintid)
{
	struct fake_irq *irq = &host.irq[host_irq];

	if (irq->forwarded && irq->vm == vm && irq->vintid == vintid)
		return VB_ASK_MOVE;
	return irq->forwarded || broker_is_booked(host_irq, NULL) ? VB_ASK_MAP : VB_ASK_FOREIGN;
}

int gate(u32 host_irq, struct fake_vm *vm, u32 vintid)
{
	struct vb_client *client = NULL;
	enum vb_ask ask;
	int ret;

	at(BEFORE_GATE);
	ask = asks_for(host_irq, vm, vintid);
	ret = broker_gate(vm->book ? &vm->book->book : NULL, current_task(), host_irq, vintid,
			  vm->target, ask, &client);
	if (ret)
		return ret;
	/* Where the irqchip turns it down just when its producer leaves, one more is no harm. */
	vm->raises_allowed++;
	at(PAST_GATE);
	ret = irqchip_map(host_irq, vm, vintid);
	broker_gate_done(client, ret);
	if (ret && ask == VB_ASK_FOREIGN)
		broker_foreign_is_gone(vm->book ? &vm->book->book : NULL, vintid, NULL);
	at(MAPPED);
	return ret;
}

static void its_unmap_vlpi(u32 host_irq)
{
	struct fake_vm *vm = host.irq[host_irq].vm;
	struct vb_client *client;
	struct fake_lpi *lpi;
	bool behind;

	/* Where KVM unmaps what is unmapped already, the irqchip is not asked. */
	if (!host.irq[host_irq].forwarded)
		return;
	lpi = lpi_of(vm, host.irq[host_irq].vintid);
	behind = broker_unmap_begin(host_irq, current_task(), &client);
	at(WATCHED);
	irqchip_unmap(host_irq);
	vm->raises_allowed++;
	lpi->raise_due = !behind && !vm->its_off;
	at(UNMAPPED);
	if (behind)
		kvm_believes(lpi, 0);
	if (!client)
		broker_foreign_is_gone(vm->book ? &vm->book->book : NULL,
				       host.irq[host_irq].vintid, device_of(host_irq));
	if (host.irq[host_irq].stray) {
		host.irq[host_irq].stray = false;
		host.irq[host_irq].to_be_aimed = false;
		lpi->raise_due = false;
		vm->raises_allowed--;
	}
	broker_unmap_end(client);
}

/* --- KVM ------------------------------------------------------------------------------------- */

bool its_lock_is_free(struct fake_vm *vm)
{
	return !vm->stuck && !vm->its_lock.lock.held_by && !vm->irq_lock.lock.held_by;
}

bool its_trylock(struct fake_vm *vm)
{
	return !vm->stuck && mutex_trylock(&vm->its_lock);
}

void its_lock(struct fake_vm *vm)
{
	if (vm->stuck)
		kernel_bug("KVM has the its_lock of VM %c for ever, and it is waited for",
			   vm->letter);
	mutex_lock(&vm->its_lock);
}

void its_unlock(struct fake_vm *vm)
{
	mutex_unlock(&vm->its_lock);
}

void kvm_believes(struct fake_lpi *lpi, u32 host_irq)
{
	lpi->hw = host_irq;
	lpi->host_irq = host_irq;
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

static int kvm_adds(struct fake_vm *vm, int event, u32 host_irq)
{
	struct fake_lpi *lpi;
	unsigned long flags;
	u32 vintid;
	int ret = 0;

	its_lock(vm);
	if (!kvm_resolve(vm, event, &vintid)) {
		lpi = lpi_of(vm, vintid);
		raw_spin_lock_irqsave(&vm->irq_lock, flags);
		if (!lpi->hw || host.maps_again) {
			ret = gate(host_irq, vm, vintid);
			if (!ret)
				kvm_believes(lpi, host_irq);
		}
		raw_spin_unlock_irqrestore(&vm->irq_lock, flags);
	}
	its_unlock(vm);
	return ret;
}

/* Returns whether KVM believed that the host IRQ is forwarded. */
static bool kvm_forgets(struct fake_vm *vm, u32 host_irq)
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

void kvm_dels(struct fake_vm *vm, u32 host_irq)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->irq_lock, flags);
	if (kvm_forgets(vm, host_irq))
		its_unmap_vlpi(host_irq);
	raw_spin_unlock_irqrestore(&vm->irq_lock, flags);
}

/* It counts for nobody, and nobody is owed a raise for it. */
int foreign_maps(struct fake_vm *vm, int event, u32 host_irq)
{
	struct fake_irq *irq = &host.irq[host_irq];
	int ret;

	irq->stray = true;
	ret = kvm_adds(vm, event, host_irq);
	irq->stray = irq->forwarded;
	if (irq->forwarded) {
		lpi_of(vm, irq->vintid)->raise_due = false;
		vm->raises_allowed--;
		host.maps--;
	}
	return ret;
}

void foreign_unmaps(u32 host_irq)
{
	kvm_dels(host.irq[host_irq].vm, host_irq);
}

void kvm_discards(struct fake_vm *vm, int event)
{
	struct fake_lpi *lpi;
	unsigned long flags;

	its_lock(vm);
	if (vm->event[event]) {
		lpi = lpi_of(vm, vm->event[event]);
		raw_spin_lock_irqsave(&vm->irq_lock, flags);
		if (lpi->hw)
			its_unmap_vlpi(lpi->host_irq);
		kvm_believes(lpi, 0);
		raw_spin_unlock_irqrestore(&vm->irq_lock, flags);
		vm->event[event] = 0;
		/* What is pending may go with the event, and the guest knows that. */
		lpi->direct = false;
		lpi->soft = false;
		lpi->owed = false;
		lpi->raise_due = false;
		forget_edges(vm);
	}
	its_unlock(vm);
}

static void kvm_raises(struct fake_vm *vm, int event)
{
	struct fake_lpi *lpi;
	u32 vintid;

	if (event == NOT_MSI || kvm_resolve(vm, event, &vintid)) {
		did("raise nothing");
		return;
	}
	lpi = lpi_of(vm, vintid);
	if (lpi->hw && !host.irq[lpi->host_irq].forwarded)
		kernel_bug("%c%u is raised through host IRQ %u, a physical one", vm->letter,
			   vintid, lpi->host_irq);
	if (lpi->hw)
		lpi->direct = true;
	else
		lpi->soft = true;
	lpi_is_raised(vm, vintid);
	lpi->raise_due = false;
	did("raise %c%u", vm->letter, vintid);
}

/*
 * KVM serves a signal. Where its own work item would wait for its_lock, that has the arbiter raise
 * the interrupt.
 */
void kvm_injects(struct fake_irqfd *irqfd)
{
	if (irqfd->event == NOT_MSI)
		did("raise nothing");
	else
		broker_inject(&irqfd->client);
}

/* --- its_shim.h ------------------------------------------------------------------------------ */

bool shim_is_leaving(struct vb_client *client)
{
	return irqfd_of(client)->leaving;
}

bool shim_route_changed(struct vb_client *client)
{
	return !shim_is_leaving(client) && irqfd_of(client)->event != irqfd_of(client)->seen_event;
}

/* Has KVM mapped a host IRQ there that no client has? The client's own is unmapped. */
static bool has_foreign(struct vb_client *client, u32 vintid)
{
	struct fake_vm *vm = irqfd_of(client)->vm;
	struct fake_lpi *lpi = lpi_of(vm, vintid);

	/* The real one waits until it is over: KVM unmaps. */
	if (vm->irq_lock.lock.held_by || !lpi->hw || !host.irq[lpi->host_irq].forwarded)
		return false;
	if (broker_is_booked(lpi->host_irq, client))
		return false;
	if (lpi->host_irq != client->host_irq)
		return true;
	if (!client->mapped)
		kvm_dels(vm, lpi->host_irq);
	return false;
}

int shim_resolve(struct vb_client *client, u32 *vintid, bool *foreign)
{
	struct fake_irqfd *irqfd = irqfd_of(client);
	int ret;

	/* An irqfd that is going keeps the place that it has. */
	if (!broker_is_there(client))
		return VB_UNCHANGED;
	irqfd->seen_event = irqfd->event;
	if (irqfd->event == NOT_MSI)
		return -EPROTONOSUPPORT;
	client->eventid = irqfd->event;
	if (!its_trylock(irqfd->vm)) {
		irqfd->seen_event = NEVER_SEEN;
		return -EWOULDBLOCK;
	}
	ret = kvm_resolve(irqfd->vm, irqfd->event, vintid);
	if (!ret)
		*foreign = has_foreign(client, *vintid);
	its_unlock(irqfd->vm);
	return ret;
}

int shim_check_grant(struct vb_client *client, u32 host_irq, u32 vintid)
{
	struct fake_irqfd *irqfd = irqfd_of(client);
	u32 vintid_now;
	int event = irqfd->event, ret;

	if (shim_is_forwarded(host_irq))
		return -EUCLEAN;
	if (!broker_is_there(client) || event == NOT_MSI)
		return -EREMCHG;
	if (!its_trylock(irqfd->vm))
		return -EWOULDBLOCK;
	ret = kvm_resolve(irqfd->vm, event, &vintid_now);
	if (!ret && has_foreign(client, vintid_now))
		ret = -EREMCHG;
	its_unlock(irqfd->vm);
	if (ret || vintid_now != vintid)
		return -EREMCHG;
	/* Until here a raise that is owed needs the one before. */
	irqfd->granted_event = event;
	return 0;
}

int shim_grant(struct vb_client *client, u32 host_irq)
{
	struct fake_irqfd *irqfd = irqfd_of(client);
	int ret;

	ret = kvm_adds(irqfd->vm, irqfd->granted_event, host_irq);
	if (client->mapped)
		return ret;
	shim_wait_until_free(client);
	if (shim_is_forwarded(host_irq) && !client->mapped)
		kernel_bug("host IRQ %u was mapped past the gate", host_irq);
	return ret;
}

void shim_wait_until_free(struct vb_client *client)
{
	if (atomic_read(&client->busy))
		kernel_bug("client %llu is busy on another CPU, and is waited for", client->id);
}

bool shim_revoke_would_wait(struct vb_client *client)
{
	return host.unset_by_route ? !its_lock_is_free(irqfd_of(client)->vm) :
	       atomic_read(&client->busy) || irqfd_of(client)->vm->irq_lock.lock.held_by;
}

static int revoke_by_route(struct vb_client *client, u32 host_irq, bool wait)
{
	struct fake_vm *vm = irqfd_of(client)->vm;
	unsigned long flags;
	int ret = 0;

	if (wait)
		its_lock(vm);
	else if (!its_trylock(vm))
		return -EWOULDBLOCK;
	if (client->mapped) {
		raw_spin_lock_irqsave(&vm->irq_lock, flags);
		if (!kvm_forgets(vm, host_irq))
			ret = SHIM_FORCED;
		its_unmap_vlpi(host_irq);
		raw_spin_unlock_irqrestore(&vm->irq_lock, flags);
	}
	its_unlock(vm);
	return ret;
}

static int revoke_by_host_irq(struct vb_client *client, u32 host_irq)
{
	struct fake_vm *vm = irqfd_of(client)->vm;
	unsigned long flags;
	int ret = 0;

	shim_wait_until_free(client);
	if (!host.revoke_does_nothing)
		kvm_dels(vm, host_irq);
	raw_spin_lock_irqsave(&vm->irq_lock, flags);
	if (kvm_forgets(vm, host_irq))
		ret |= SHIM_REPAIRED;
	if (client->mapped) {
		ret |= SHIM_FORCED;
		did("force");
		its_unmap_vlpi(host_irq);
	}
	raw_spin_unlock_irqrestore(&vm->irq_lock, flags);
	return ret;
}

int shim_revoke(struct vb_client *client, bool wait)
{
	u32 host_irq = client->host_irq;
	int ret;

	if (host.unset_by_route)
		ret = revoke_by_route(client, host_irq, wait);
	else
		ret = revoke_by_host_irq(client, host_irq);
	if (ret >= 0) {
		shim_wait_until_free(client);
		shim_aim(host_irq);
	}
	return ret;
}

int shim_raise(struct vb_client *client, bool granted)
{
	struct fake_irqfd *irqfd = irqfd_of(client);
	int event = irqfd->granted_event;

	if (!granted)
		event = broker_is_there(client) ? irqfd->event : irqfd->seen_event;
	if (event < 0) {
		did("raise nothing");
		return 0;
	}
	if (!its_trylock(irqfd->vm))
		return -EWOULDBLOCK;
	kvm_raises(irqfd->vm, event);
	its_unlock(irqfd->vm);
	return 0;
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
	if (holder->target != irq->target && holder->target != irqfd->vm->target)
		kernel_bug("host IRQ %u is not mapped to the vCPU that is looked at",
			   irqfd->host_irq);
	if (irqfd->vm->its_off)
		return false;
	at(WHILE_RAISING);
	lpi_of(irq->vm, irq->vintid)->direct = true;
	lpi_of(irq->vm, irq->vintid)->raise_due = false;
	lpi_is_raised(irq->vm, irq->vintid);
	did("raise %c%u", irq->vm->letter, irq->vintid);
	return true;
}

