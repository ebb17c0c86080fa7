// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the arbiter promises, from scratch after each step: plain arrays, walked from end to end. It
 * looks at the world (which irqfd has which producer, where routes and events lead, what the
 * hardware has mapped, what edges are pending) and at what a reader of the arbiter sees; never at
 * the arbiter's data.
 *
 * P1  at most one host IRQ is forwarded to an LPI.
 * P2  an LPI that an edge came for has it pending, until the guest takes it or throws it away.
 * P3  where a client waits that the irqchip would map, another has the LPI, at once; and when the
 *     arbiter has looked, every LPI with such a client is held, whatever it was turned down for.
 * P4  what is forwarded has a producer connected to an irqfd of that VM, whose route leads there.
 * And the queue is in order: a client that came later is not preferred.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include <errno.h>

#include "fuzz.h"

static bool unlooked[NR_VMS];
static struct vlpi_broker_client now[NR_IRQFDS], before[NR_IRQFDS];
static int nr_now, nr_before;

static int index_of(struct fake_vm *vm)
{
	return vm - host.vm;
}

void reference_begin(void)
{
	memset(unlooked, 0, sizeof(unlooked));
	nr_now = 0;
	nr_before = 0;
}

void reference_unlooked(struct fake_vm *vm)
{
	unlooked[index_of(vm)] = true;
}

void reference_unlooked_all(void)
{
	memset(unlooked, true, sizeof(unlooked));
}

void reference_looked_all(void)
{
	memset(unlooked, false, sizeof(unlooked));
}

static void read_all(void)
{
	u64 cursor = 0, generation;
	bool more;

	nr_now = broker_dump(now, NR_IRQFDS, &cursor, &more, &generation);
	if (nr_now < 0 || more)
		kernel_bug("a dump of all says %d%s", nr_now, more ? " and more" : "");
}

static struct fake_irqfd *irqfd_of(const struct vlpi_broker_client *entry)
{
	struct fake_irqfd *irqfd;

	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
		if (irqfd->known && irqfd->client.id == entry->id)
			return irqfd;
	kernel_bug("client %llu is in the dump, and is gone", entry->id);
}

static struct vlpi_broker_client *entry_in(struct vlpi_broker_client *entries, int n, u64 id)
{
	int i;

	for (i = 0; i < n; i++)
		if (entries[i].id == id)
			return &entries[i];
	return NULL;
}

/* The host IRQ that the hardware has for an LPI, or 0. */
static u32 mapped_to(struct fake_vm *vm, u32 vintid)
{
	u32 i, found = 0;

	for (i = 0; i < NR_IRQS; i++) {
		if (!host.irq[i].forwarded || host.irq[i].vm != vm || host.irq[i].vintid != vintid)
			continue;
		if (found)
			kernel_bug("P1: host IRQs %u and %u are forwarded to %c%u", found, i,
				   vm->letter, vintid);
		found = i;
	}
	return found;
}

/* Has another irqfd a producer of that number? The ledger has room for one of them. */
static bool is_doubled(struct fake_irqfd *irqfd)
{
	struct fake_irqfd *other;

	for (other = host.irqfd; other < host.irqfd + NR_IRQFDS; other++)
		if (other != irqfd && other->known && other->host_irq == irqfd->host_irq)
			return true;
	return false;
}

static bool hardware_takes(struct fake_irqfd *irqfd)
{
	return irqfd->host_irq && !irqfd->leaving && !host.irq[irqfd->host_irq].forwarded &&
	       !irqchip_refuses(irqfd->host_irq, irqfd->vm);
}

static void check_forwarded(u32 host_irq)
{
	struct fake_irq *irq = &host.irq[host_irq];
	struct fake_irqfd *irqfd;
	unsigned int owners = 0;
	int i;

	for (i = 0; i < nr_now; i++) {
		irqfd = irqfd_of(&now[i]);
		if (irqfd->host_irq != host_irq || irqfd->vm != irq->vm ||
		    now[i].state != VLPI_BROKER_HOLDER)
			continue;
		owners++;
		if (now[i].vintid != irq->vintid)
			kernel_bug("P4: host IRQ %u is forwarded to %c%u, and is said to hold %u",
				   host_irq, irq->vm->letter, irq->vintid, now[i].vintid);
		if (!irqfd->leaving && !irqfd->vm->its_off && !unlooked[index_of(irqfd->vm)] &&
		    leads_to(irqfd) != irq->vintid)
			kernel_bug("P4: host IRQ %u is forwarded to %c%u, its route leads to %u",
				   host_irq, irq->vm->letter, irq->vintid, leads_to(irqfd));
	}
	if (owners != 1)
		kernel_bug("P4: host IRQ %u is forwarded to %c%u, and %u have it", host_irq,
			   irq->vm->letter, irq->vintid, owners);
}

static void check_lpi(struct fake_vm *vm, u32 vintid)
{
	struct fake_lpi *lpi = &vm->lpi[vintid - LPI];
	u32 host_irq = mapped_to(vm, vintid);

	if (lpi->owed && !lpi->direct && !lpi->soft)
		kernel_bug("P2: an edge for %c%u is lost", vm->letter, vintid);
	if (host_irq && !host.irq[host_irq].stray && (!lpi->hw || lpi->host_irq != host_irq))
		kernel_bug("P4: host IRQ %u is forwarded to %c%u, and KVM does not know", host_irq,
			   vm->letter, vintid);
	if (lpi->hw && lpi->host_irq != host_irq)
		kernel_bug("P4: KVM believes that host IRQ %u is forwarded to %c%u", lpi->host_irq,
			   vm->letter, vintid);
}

/* What one irqfd must be, by where it leads and by what the hardware has. */
static void check_state(const struct vlpi_broker_client *entry)
{
	struct fake_irqfd *irqfd = irqfd_of(entry);
	u32 leads = leads_to(irqfd), has;

	if (irqfd->leaving || irqfd->vm->its_off || unlooked[index_of(irqfd->vm)])
		return;
	if ((irqfd->event == NOT_MSI) != (entry->state == VLPI_BROKER_NOT_MSI))
		kernel_bug("client %llu leads to %s, and is %s", entry->id,
			   irqfd->event == NOT_MSI ? "no MSI" : "an MSI",
			   name_of_state(entry->state));
	if (irqfd->event == NOT_MSI)
		return;
	if (!leads) {
		/* Nothing tells of the DISCARD of an event whose LPI had no holder. */
		if (entry->state != VLPI_BROKER_UNRESOLVED && entry->state != VLPI_BROKER_IDLE &&
		    entry->state != VLPI_BROKER_UNMAPPABLE)
			kernel_bug("client %llu leads nowhere, and is %s", entry->id,
				   name_of_state(entry->state));
		return;
	}
	if (entry->vintid != leads)
		kernel_bug("client %llu leads to %u, and is %s at %u", entry->id, leads,
			   name_of_state(entry->state), entry->vintid);
	if (!irqfd->host_irq != (entry->state == VLPI_BROKER_IDLE))
		kernel_bug("client %llu has %s producer, and is %s", entry->id,
			   irqfd->host_irq ? "a" : "no", name_of_state(entry->state));
	has = mapped_to(irqfd->vm, leads);
	if (entry->state == VLPI_BROKER_HOLDER && has != irqfd->host_irq)
		kernel_bug("client %llu is said to hold %c%u, host IRQ %u does", entry->id,
			   irqfd->vm->letter, leads, has);
	if (entry->state == VLPI_BROKER_WAITER && !has)
		kernel_bug("P3: client %llu waits for %c%u, which nobody has%s", entry->id,
			   irqfd->vm->letter, leads,
			   hardware_takes(irqfd) ? ", though it could" : "");
}

/* A newcomer is not the holder of an LPI that another client was waiting for before it came. */
static void check_order(const struct vlpi_broker_client *newcomer)
{
	struct fake_irqfd *irqfd = irqfd_of(newcomer), *other;
	struct vlpi_broker_client *was = entry_in(before, nr_before, newcomer->id), *is;
	int i;

	if (newcomer->state != VLPI_BROKER_HOLDER || unlooked[index_of(irqfd->vm)])
		return;
	/* Its place among the others is known only where it was waiting, or was elsewhere. */
	if (was && was->vintid == newcomer->vintid && was->state != VLPI_BROKER_WAITER)
		return;
	for (i = 0; i < nr_before; i++) {
		is = entry_in(now, nr_now, before[i].id);
		if (!is || before[i].state != VLPI_BROKER_WAITER ||
		    is->state != VLPI_BROKER_WAITER || before[i].vintid != newcomer->vintid ||
		    is->vintid != newcomer->vintid || is->host_irq != before[i].host_irq)
			continue;
		other = irqfd_of(is);
		if (other->vm != irqfd->vm || other == irqfd || !hardware_takes(other))
			continue;
		if (was && was->vintid == newcomer->vintid && was->position < before[i].position)
			continue;
		kernel_bug("client %llu has %c%u, and %llu came before it", newcomer->id,
			   irqfd->vm->letter, newcomer->vintid, is->id);
	}
}

static void check_totals(void)
{
	unsigned int vms = 0, clients = 0, held = 0, i;
	struct vlpi_broker_info total = info();
	struct fake_irqfd *irqfd;

	for (i = 0; i < NR_VMS; i++) {
		bool known = false;

		for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
			known |= irqfd->known && irqfd->vm == &host.vm[i];
		vms += known;
		if (broker_knows(&host.vm[i]) != known)
			kernel_bug("VM %c is %sknown", host.vm[i].letter, known ? "not " : "");
	}
	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
		clients += irqfd->known;
	for (i = 0; i < (unsigned int)nr_now; i++) {
		held += now[i].state == VLPI_BROKER_HOLDER;
		if (i && now[i].id <= now[i - 1].id)
			kernel_bug("client %llu comes after %llu", now[i].id, now[i - 1].id);
	}
	if (total.nr_vms != vms || total.nr_clients != clients || clients != (unsigned int)nr_now)
		kernel_bug("%u VMs and %u irqfds, but %u and %u in the totals, %d in the dump",
			   vms, clients, total.nr_vms, total.nr_clients, nr_now);
	/* One that was unmapped behind the arbiter's back is a holder until that has looked. */
	if (total.nr_held != held)
		kernel_bug("%u holders, but %u in the totals", held, total.nr_held);
}

void reference_check(bool misfortune)
{
	u32 i, vintid;

	read_all();
	check_totals();
	for (i = 0; i < NR_IRQS; i++)
		if (host.irq[i].forwarded && !host.irq[i].stray)
			check_forwarded(i);
	for (i = 0; i < NR_VMS; i++)
		for (vintid = LPI; vintid < LPI + NR_LPIS; vintid++)
			check_lpi(&host.vm[i], vintid);
	for (i = 0; i < (u32)nr_now; i++) {
		check_state(&now[i]);
		if (!misfortune)
			check_order(&now[i]);
	}
	memcpy(before, now, sizeof(before));
	nr_before = nr_now;
}

void reference_check_settled(void)
{
	struct fake_irqfd *irqfd;

	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++) {
		if (!irqfd->known || !leads_to(irqfd) || !hardware_takes(irqfd) ||
		    is_doubled(irqfd))
			continue;
		if (!mapped_to(irqfd->vm, leads_to(irqfd)))
			kernel_bug("P3: nobody has %c%u, and host IRQ %u could", irqfd->vm->letter,
				   leads_to(irqfd), irqfd->host_irq);
	}
}

int reference_gate(u32 host_irq, struct fake_vm *vm, u32 vintid, bool live)
{
	struct fake_irqfd *irqfd;
	bool ours = false;

	for (irqfd = host.irqfd; irqfd < host.irqfd + NR_IRQFDS; irqfd++)
		ours |= irqfd->known && irqfd->host_irq == host_irq;
	if (host_irq < NR_IRQS && host.irq[host_irq].stray)
		return -1;
	if (host_irq < NR_IRQS && host.irq[host_irq].forwarded)
		return host.irq[host_irq].vm == vm && host.irq[host_irq].vintid == vintid;
	if (live)
		return false;
	/* The ledger may not have it yet: it enters with the first route that leads to an LPI. */
	return ours ? -1 : true;
}

u64 reference_digest(void)
{
	u64 digest = 0xcbf29ce484222325ULL;
	int i;

	read_all();
	for (i = 0; i < nr_now; i++) {
		digest = (digest ^ now[i].id) * 0x100000001b3ULL;
		digest = (digest ^ now[i].state) * 0x100000001b3ULL;
		digest = (digest ^ now[i].vintid) * 0x100000001b3ULL;
		digest = (digest ^ now[i].flags) * 0x100000001b3ULL;
	}
	return digest;
}
