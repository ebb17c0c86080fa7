// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a reader of the arbiter sees of the fake host, and what must hold then: the promises, and
 * that the arbiter, KVM and the irqchip agree.
 */
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "fake_host.h"

const char *name_of_state(unsigned int state)
{
	static const char *const names[] = {
		[VLPI_BROKER_IDLE] = "idle",
		[VLPI_BROKER_HOLDER] = "holder",
		[VLPI_BROKER_WAITER] = "waiter",
		[VLPI_BROKER_UNMAPPABLE] = "unmappable",
		[VLPI_BROKER_UNRESOLVED] = "unresolved",
		[VLPI_BROKER_NOT_MSI] = "not an MSI",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

struct vlpi_broker_info info(void)
{
	struct vlpi_broker_info info = {};

	broker_info(&info);
	return info;
}

static int dump_all(struct vlpi_broker_client *buf)
{
	u64 cursor = 0, generation;
	bool more;
	int n;

	n = broker_dump(buf, NR_IRQFDS, &cursor, &more, &generation);
	if (n < 0 || more)
		kernel_bug("dump of all: %d entries%s", n, more ? " and more" : "");
	return n;
}

struct vlpi_broker_client dump_of(struct fake_irqfd *irqfd)
{
	struct vlpi_broker_client buf[NR_IRQFDS];
	int n = dump_all(buf), i;

	for (i = 0; i < n; i++)
		if (buf[i].id == irqfd->client.id)
			return buf[i];
	kernel_bug("client %llu is not in the dump", irqfd->client.id);
}

struct fake_irqfd *holder_of(struct fake_vm *vm, u32 vintid)
{
	struct fake_irqfd *irqfd;
	u32 i;

	for (i = 0; i < NR_IRQS; i++)
		if (host.irq[i].forwarded && host.irq[i].vm == vm && host.irq[i].vintid == vintid)
			for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
				if (irqfd->known && irqfd->host_irq == i && irqfd->client.mapped)
					return irqfd;
	return NULL;
}

static struct fake_irqfd *irqfd_of_id(u64 id)
{
	struct fake_irqfd *irqfd;

	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
		if (irqfd->known && irqfd->client.id == id)
			return irqfd;
	kernel_bug("client %llu is in the dump, and is gone", id);
}

/* What is forwarded is in the ledger, a client has it, and KVM knows. */
static void check_forwarded(u32 host_irq)
{
	struct fake_irq *irq = &host.irq[host_irq];
	struct fake_lpi *lpi = lpi_of(irq->vm, irq->vintid);

	if (!broker_is_booked(host_irq))
		kernel_bug("host IRQ %u is forwarded, and not in the ledger", host_irq);
	if (!holder_of(irq->vm, irq->vintid))
		kernel_bug("host IRQ %u is forwarded, and no client knows of it", host_irq);
	if (!lpi->hw || lpi->host_irq != host_irq)
		kernel_bug("host IRQ %u is forwarded to %c%u, and KVM does not know it", host_irq,
			   irq->vm->letter, irq->vintid);
}

static void check_entry(struct vlpi_broker_client *entry)
{
	struct fake_irqfd *irqfd = irqfd_of_id(entry->id);
	bool forwarded = irqfd->host_irq && host.irq[irqfd->host_irq].forwarded;
	struct fake_irqfd *holder;

	if (entry->host_irq != irqfd->host_irq)
		kernel_bug("client %llu is said to have host IRQ %u, not %u", entry->id,
			   entry->host_irq, irqfd->host_irq);
	if (!(entry->flags & VLPI_BROKER_CLIENT_FORWARDED) != !forwarded)
		kernel_bug("client %llu (host IRQ %u) is %ssaid to be forwarded", entry->id,
			   entry->host_irq, forwarded ? "not " : "");
	if (irqfd->client.mapped && !forwarded)
		kernel_bug("client %llu is mapped in the ledger only", entry->id);
	if (entry->state != VLPI_BROKER_WAITER && entry->position)
		kernel_bug("client %llu has a position (%u), and is no waiter", entry->id,
			   entry->position);
	if (!entry->host_irq &&
	    (entry->state == VLPI_BROKER_HOLDER || entry->state == VLPI_BROKER_WAITER ||
	     entry->state == VLPI_BROKER_UNMAPPABLE))
		kernel_bug("client %llu has no producer, and is %s", entry->id,
			   name_of_state(entry->state));
	/* The broker serves its signals when, and only when, its slot is held. */
	holder = entry->vintid ? holder_of(irqfd->vm, entry->vintid) : NULL;
	if (broker_is_served(&irqfd->client) != !!holder)
		kernel_bug("signals of client %llu are %sserved by us, and %c%u has %s holder",
			   entry->id, holder ? "not " : "", irqfd->vm->letter, entry->vintid,
			   holder ? "a" : "no");
}

/* The raise that ends a change of hands was made, and waiters are numbered from 1 on. */
static void check_lpi(struct vlpi_broker_client *entries, int n, struct fake_vm *vm, u32 vintid)
{
	u64 seen = 0;
	int i;

	if (lpi_of(vm, vintid)->raise == RAISE_MUST_COME)
		kernel_bug("hands have changed at %c%u, and it was not raised", vm->letter, vintid);
	for (i = 0; i < n; i++) {
		if (entries[i].state != VLPI_BROKER_WAITER || entries[i].vintid != vintid ||
		    irqfd_of_id(entries[i].id)->vm != vm)
			continue;
		if (!entries[i].position || seen & 1ULL << entries[i].position)
			kernel_bug("position %u of client %llu at %c%u", entries[i].position,
				   entries[i].id, vm->letter, vintid);
		seen |= 1ULL << entries[i].position;
	}
	if (seen && seen & (seen + 2))
		kernel_bug("positions at %c%u have gaps (%llx)", vm->letter, vintid, seen);
}

static void check_totals(struct vlpi_broker_client *entries, int n)
{
	struct vlpi_broker_info now = info();
	unsigned int waiters = 0, forwarded = 0;
	u32 i;

	for (i = 0; i < (u32)n; i++)
		waiters += entries[i].state == VLPI_BROKER_WAITER;
	for (i = 0; i < NR_IRQS; i++)
		forwarded += host.irq[i].forwarded && !host.irq[i].stray;
	if (now.nr_clients != (u32)n || now.nr_waiters != waiters)
		kernel_bug("%d clients and %u waiters, but %u and %u in the totals", n, waiters,
			   now.nr_clients, now.nr_waiters);
	if (now.grants + host.gone_at_once != now.revokes + now.unmaps_behind + forwarded)
		kernel_bug("%llu grants, %llu revokes, %llu unmaps behind, %u forwarded",
			   now.grants, now.revokes, now.unmaps_behind, forwarded);
	if (nr_allocated != now.nr_vms + now.nr_slots + host.objects_elsewhere)
		kernel_bug("%u objects for %u VMs and %u slots", nr_allocated, now.nr_vms,
			   now.nr_slots);
}

void fake_check(void)
{
	struct vlpi_broker_client entries[NR_IRQFDS];
	struct fake_vm *vm;
	u32 i;
	int n;

	/* In the middle of a call into the arbiter none of this need hold. */
	if (lock_class_is_held("irqbypass") || lock_class_is_held("&slot->lock") ||
	    reader_elsewhere || host.force_does_nothing)
		return;
	kernel_is_quiet();
	/* The reader that it was meant for has not come, and the checks are readers too. */
	while_reader_looks = NULL;
	for (i = 0; i < NR_IRQS; i++)
		if (host.irq[i].forwarded && !host.irq[i].stray)
			check_forwarded(i);
	n = dump_all(entries);
	for (i = 0; i < (u32)n; i++)
		check_entry(&entries[i]);
	for (vm = host.vm; vm < host.vm + NR_VMS; vm++)
		for (i = 0; i < NR_LPIS; i++)
			check_lpi(entries, n, vm, LPI + i);
	check_totals(entries, n);
}

/* Can the hardware map it, and has the arbiter no reason not to? */
static bool is_mappable(struct fake_irqfd *irqfd)
{
	struct fake_irq *irq = &host.irq[irqfd->host_irq];

	return irqfd->known && irqfd->host_irq && !irqfd->leaving && irqfd->client.booked &&
	       !irqchip_refuses(irqfd->host_irq, irqfd->vm) &&
	       (!irq->forwarded || irqfd->client.mapped);
}

void fake_check_settled(void)
{
	struct fake_irqfd *irqfd;
	struct vlpi_broker_client entry;
	u32 vintid;

	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++) {
		/* With the ITS off all stays as it is, unless a client comes or goes. */
		if (!irqfd->known || irqfd->leaving || irqfd->vm->its_off)
			continue;
		if (irqfd->client.booked && host.irq[irqfd->host_irq].to_be_aimed)
			kernel_bug("host IRQ %u was unmapped, and may be aimed at no CPU",
				   irqfd->host_irq);
		entry = dump_of(irqfd);
		if (irqfd->event == NOT_MSI) {
			if (entry.state != VLPI_BROKER_NOT_MSI)
				kernel_bug("client %llu has no MSI, and is %s", entry.id,
					   name_of_state(entry.state));
			continue;
		}
		vintid = leads_to(irqfd);
		/* Nothing tells of the DISCARD of an EventID whose LPI had no holder. */
		if (entry.vintid != vintid &&
		    (entry.state == VLPI_BROKER_HOLDER || entry.state == VLPI_BROKER_WAITER))
			kernel_bug("client %llu leads to %u, and is %s at %u", entry.id, vintid,
				   name_of_state(entry.state), entry.vintid);
		if ((entry.state == VLPI_BROKER_HOLDER) != irqfd->client.mapped)
			kernel_bug("client %llu is %smapped, and %s", entry.id,
				   irqfd->client.mapped ? "" : "not ", name_of_state(entry.state));
		if (vintid && is_mappable(irqfd) && !holder_of(irqfd->vm, vintid))
			kernel_bug("%c%u has no holder, though client %llu (host IRQ %u) can be",
				   irqfd->vm->letter, vintid, entry.id, irqfd->host_irq);
	}
}

void fake_end(void)
{
	struct fake_irqfd *irqfd;
	struct vlpi_broker_info now;
	u32 i;

	fail_allocation = 0;
	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
		if (irqfd->known)
			deassign(irqfd);
	for (i = 0; i < NR_IRQS; i++) {
		if (host.irq[i].forwarded && !host.irq[i].stray)
			kernel_bug("host IRQ %u is forwarded when all are gone", i);
		if (host.irq[i].to_be_aimed)
			kernel_bug("host IRQ %u was unmapped, and may be aimed at no CPU", i);
		if (broker_is_booked(i))
			kernel_bug("host IRQ %u is booked when all are gone", i);
	}
	now = info();
	if (now.nr_vms || now.nr_slots || now.nr_held || now.nr_clients || now.nr_waiters)
		kernel_bug("%u VMs, %u slots, %u clients are left when all are gone", now.nr_vms,
			   now.nr_slots, now.nr_clients);
	if (nr_allocated)
		kernel_bug("%u objects are leaked", nr_allocated);
}
