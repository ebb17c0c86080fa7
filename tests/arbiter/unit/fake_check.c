// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a reader of the arbiter sees of the fake host, and what must hold then: the promises, and
 * that the arbiter, KVM and the irqchip agree.
 */
#include <linux/lockdep.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "fake_kvm.h"

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

int dump_vm(struct fake_vm *vm, struct vlpi_broker_client *buf)
{
	u64 cursor = 0, generation;
	bool more;
	int n;

	if (!vm->book)
		return 0;
	n = broker_dump(&vm->book->book, buf, NR_IRQFDS, &cursor, &more, &generation);
	if (n < 0 || more)
		kernel_bug("dump of VM %c: %d entries%s", vm->letter, n, more ? " and more" : "");
	return n;
}

struct dump {
	struct vlpi_broker_client entries[NR_IRQFDS];
	int n;
};

struct vlpi_broker_client dump_of(struct fake_irqfd *irqfd)
{
	struct vlpi_broker_client buf[NR_IRQFDS];
	int n = dump_vm(irqfd->vm, buf), i;

	for (i = 0; i < n; i++)
		if (buf[i].id == irqfd->client.id)
			return buf[i];
	kernel_bug("client %llu is not in the dump", irqfd->client.id);
}

struct fake_irqfd *holder_of(struct fake_vm *vm, u32 vintid)
{
	struct fake_irqfd *irqfd;

	for_each_irqfd(irqfd)
		if (irqfd->vm == vm && irqfd->client.mapped &&
		    host.irq[irqfd->host_irq].forwarded &&
		    host.irq[irqfd->host_irq].vintid == vintid)
			return irqfd;
	return NULL;
}

static struct fake_irqfd *irqfd_of_id(u64 id)
{
	struct fake_irqfd *irqfd;

	for_each_irqfd(irqfd)
		if (irqfd->client.id == id)
			return irqfd;
	kernel_bug("client %llu is in the dump, and is gone", id);
}

/* P4: what is forwarded is booked, a client has it, and KVM knows. */
static void check_forwarded(u32 host_irq)
{
	struct fake_irq *irq = &host.irq[host_irq];
	struct fake_lpi *lpi = lpi_of(irq->vm, irq->vintid);
	struct fake_irqfd *irqfd, *owner = NULL;

	if (!broker_is_booked(host_irq, NULL))
		kernel_bug("P4: host IRQ %u is forwarded, and not in the book", host_irq);
	for_each_irqfd(irqfd)
		if (irqfd->vm == irq->vm && irqfd->host_irq == host_irq &&
		    (irqfd->client.mapped || atomic_read(&irqfd->client.busy)))
			owner = irqfd;
	if (!owner)
		kernel_bug("P4: host IRQ %u is forwarded, and no client knows of it", host_irq);
	if (its_lock_is_free(irq->vm) && (!lpi->hw || lpi->host_irq != host_irq))
		kernel_bug("host IRQ %u is forwarded to %c%u, and KVM does not know it", host_irq,
			   irq->vm->letter, irq->vintid);
}

static void check_entry(struct vlpi_broker_client *entry)
{
	struct fake_irqfd *irqfd = irqfd_of_id(entry->id);
	bool forwarded = irqfd->host_irq && host.irq[irqfd->host_irq].forwarded;

	if (entry->host_irq != irqfd->host_irq)
		kernel_bug("client %llu is said to have host IRQ %u, not %u", entry->id,
			   entry->host_irq, irqfd->host_irq);
	if (!(entry->flags & VLPI_BROKER_CLIENT_FORWARDED) != !forwarded)
		kernel_bug("client %llu (host IRQ %u) is %ssaid to be forwarded", entry->id,
			   entry->host_irq, forwarded ? "not " : "");
	if (irqfd->client.mapped && !forwarded && !atomic_read(&irqfd->client.busy))
		kernel_bug("client %llu is mapped in the book only", entry->id);
	if (entry->state != VLPI_BROKER_WAITER && entry->position)
		kernel_bug("client %llu is %s, at position %u", entry->id,
			   name_of_state(entry->state), entry->position);
	if (!irqfd->host_irq &&
	    (entry->state == VLPI_BROKER_HOLDER || entry->state == VLPI_BROKER_WAITER ||
	     entry->state == VLPI_BROKER_UNMAPPABLE))
		kernel_bug("client %llu has no producer, and is %s", entry->id,
			   name_of_state(entry->state));
	if (!entry->vintid &&
	    (entry->state == VLPI_BROKER_HOLDER || entry->state == VLPI_BROKER_WAITER ||
	     entry->state == VLPI_BROKER_UNMAPPABLE))
		kernel_bug("client %llu is %s of nothing", entry->id, name_of_state(entry->state));
	if (!entry->error !=
	    (entry->state != VLPI_BROKER_UNMAPPABLE && entry->state != VLPI_BROKER_UNRESOLVED))
		kernel_bug("client %llu is %s, with error %u", entry->id,
			   name_of_state(entry->state), entry->error);
}

/* One holds an LPI, waiters are numbered from 1 on, and what is due is done when all is done. */
static void check_lpi(struct vlpi_broker_client *entries, int n, struct fake_vm *vm, u32 vintid)
{
	struct fake_lpi *lpi = lpi_of(vm, vintid);
	unsigned int holders = 0;
	u64 seen = 0;
	int i;

	for (i = 0; i < n; i++) {
		if (entries[i].vintid != vintid)
			continue;
		holders += entries[i].state == VLPI_BROKER_HOLDER;
		/* One that is going has no place any more. */
		if (entries[i].state != VLPI_BROKER_WAITER || irqfd_of_id(entries[i].id)->leaving ||
		    irqfd_of_id(entries[i].id) == host.deleting)
			continue;
		if (!entries[i].position || seen & 1ULL << entries[i].position)
			kernel_bug("position %u of client %llu at %c%u", entries[i].position,
				   entries[i].id, vm->letter, vintid);
		seen |= 1ULL << entries[i].position;
	}
	if (holders > 1)
		kernel_bug("P1: %u clients are holders of %c%u", holders, vm->letter, vintid);
	if (!is_quiet(vm))
		return;
	if (lpi->raise_due)
		kernel_bug("P2: hands have changed at %c%u, and it was not raised", vm->letter,
			   vintid);
	if (lpi->signalled)
		kernel_bug("P2: a signal for %c%u of an irqfd that is gone is lost", vm->letter,
			   vintid);
	if (lpi->owed && !lpi->direct && !lpi->soft)
		kernel_bug("P2: an edge for %c%u is lost", vm->letter, vintid);
}

static void check_edge(struct fake_irqfd *irqfd)
{
	if (irqfd->edge && is_quiet(irqfd->vm))
		kernel_bug("P2: a signal of client %llu for %c%u is lost", irqfd->client.id,
			   irqfd->vm->letter, irqfd->edge);
}

/* What is counted in passing is what there is. */
static void check_totals(struct dump *dump)
{
	unsigned int vms = 0, clients = 0, waiters = 0, held = 0, slots = 0, reassign = 0;
	unsigned int forwarded = 0, foreign = 0, there = 0, expected;
	struct vlpi_broker_info now = info();
	struct fake_irqfd *irqfd;
	struct dump *end;
	int i, j;
	u32 irq;

	for (end = dump + NR_VMS; dump < end; dump++) {
		struct vlpi_broker_client *entries = dump->entries;

		vms += !!dump->n;
		clients += dump->n;
		for (i = 0; i < dump->n; i++) {
			waiters += entries[i].state == VLPI_BROKER_WAITER;
			held += entries[i].state == VLPI_BROKER_HOLDER;
			reassign += !!(entries[i].flags & VLPI_BROKER_CLIENT_REASSIGN);
			for (j = 0; j < i && entries[j].vintid != entries[i].vintid; j++)
				;
			slots += entries[i].vintid && i == j;
			foreign += entries[i].flags & VLPI_BROKER_CLIENT_FOREIGN && i == j;
		}
	}
	for (irq = 0; irq < NR_IRQS; irq++)
		forwarded += host.irq[irq].forwarded && !host.irq[irq].stray;
	for_each_irqfd(irqfd)
		there++;
	if (now.nr_vms != vms || now.nr_clients != clients || clients != there)
		kernel_bug("%u VMs, %u clients, %u irqfds, but %u and %u in the totals", vms,
			   clients, there, now.nr_vms, now.nr_clients);
	if (now.nr_slots != slots || now.nr_held != held || now.nr_foreign != foreign)
		kernel_bug("%u slots, %u holders, %u foreign, but %u, %u and %u in the totals",
			   slots, held, foreign, now.nr_slots, now.nr_held, now.nr_foreign);
	if (now.nr_waiters != waiters || now.nr_reassign != reassign)
		kernel_bug("%u waiters, %u to be reassigned, but %u and %u in the totals", waiters,
			   reassign, now.nr_waiters, now.nr_reassign);
	if (host.maps != now.revokes + now.unmaps_behind + forwarded &&
	    !lock_class_is_held_anywhere("&vm->irq_lock"))
		kernel_bug("%llu maps, %llu revokes, %llu unmaps behind, %u forwarded", host.maps,
			   now.revokes, now.unmaps_behind, forwarded);
	if (now.grants > host.maps)
		kernel_bug("%llu grants, and %llu maps", now.grants, host.maps);
	expected = host.nr_books + host.nr_proxies + clients;
	if (nr_allocated != expected && is_first_cpu())
		kernel_bug("%u objects for %u VMs, %u proxies, %u slots", nr_allocated,
			   host.nr_books, host.nr_proxies, clients);
}

void fake_check(void)
{
	void (*looks)(void) = while_reader_looks, (*walks)(void) = while_reader_walks;
	unsigned int walked = nr_walked;
	struct dump dump[NR_VMS];
	struct fake_irqfd *irqfd;
	u32 i, j;

	kernel_is_quiet();
	/* In the middle of a call into the arbiter none of this need hold. */
	if (lock_class_is_held_anywhere("&vm->lock") ||
	    lock_class_is_held_anywhere("&slot->raise_lock"))
		return;
	/* The checks are readers, too, and not those that are meant. */
	while_reader_looks = NULL;
	while_reader_walks = NULL;
	for (i = 0; i < NR_IRQS; i++)
		if (host.irq[i].forwarded && !host.irq[i].stray)
			check_forwarded(i);
	for (i = 0; i < NR_VMS; i++) {
		dump[i].n = dump_vm(&host.vm[i], dump[i].entries);
		for (j = 0; j < (u32)dump[i].n; j++)
			check_entry(&dump[i].entries[j]);
		for (j = 0; j < NR_LPIS; j++)
			check_lpi(dump[i].entries, dump[i].n, &host.vm[i], LPI + j);
	}
	for_each_irqfd(irqfd)
		check_edge(irqfd);
	check_totals(dump);
	while_reader_looks = looks;
	while_reader_walks = walks;
	nr_walked = walked;
}

/* Has another irqfd this number? The book has room for one of them. */
static bool is_doubled(struct fake_irqfd *irqfd)
{
	struct fake_irqfd *other;

	for_each_irqfd(other)
		if (other != irqfd && other->host_irq == irqfd->host_irq)
			return true;
	return false;
}

/* What another VM is to give up may be in the way: that it has, its work item has to say first. */
static bool is_in_the_way(void)
{
	u32 i;

	for (i = 0; i < NR_VMS; i++)
		if (!is_quiet(&host.vm[i]))
			return host.irqs_per_device;
	return false;
}

/* Can the hardware map it, and has the arbiter no reason not to? */
static bool is_mappable(struct fake_irqfd *irqfd)
{
	return irqfd->host_irq && !is_in_the_way() && !irqfd->leaving &&
	       !host.irq[irqfd->host_irq].forwarded &&
	       !irqchip_refuses(irqfd->host_irq, irqfd->vm) && !is_doubled(irqfd);
}

static bool has_foreign(struct fake_vm *vm, u32 vintid)
{
	u32 i;

	for (i = 0; i < NR_IRQS; i++)
		if (host.irq[i].forwarded && host.irq[i].stray && host.irq[i].vm == vm &&
		    host.irq[i].vintid == vintid)
			return true;
	return false;
}

static void check_settled(struct fake_irqfd *irqfd, struct vlpi_broker_client entry)
{
	u32 vintid = leads_to(irqfd);

	if (entry.flags & VLPI_BROKER_CLIENT_UNSETTLED)
		kernel_bug("client %llu is settled, and is said not to be", entry.id);
	/* It keeps its place. */
	if (irqfd->leaving)
		return;
	if (irqfd->host_irq && host.irq[irqfd->host_irq].to_be_aimed)
		kernel_bug("host IRQ %u was unmapped, and may be aimed at no CPU",
			   irqfd->host_irq);
	if ((irqfd->event == NOT_MSI) != (entry.state == VLPI_BROKER_NOT_MSI))
		kernel_bug("client %llu leads to %s, and is %s", entry.id,
			   irqfd->event == NOT_MSI ? "no MSI" : "an MSI",
			   name_of_state(entry.state));
	if (irqfd->event == NOT_MSI)
		return;
	if (!vintid != (entry.state == VLPI_BROKER_UNRESOLVED) || entry.vintid != vintid)
		kernel_bug("client %llu leads to %u, and is %s at %u", entry.id, vintid,
			   name_of_state(entry.state), entry.vintid);
	if (vintid && !irqfd->host_irq != (entry.state == VLPI_BROKER_IDLE))
		kernel_bug("client %llu has %s producer, and is %s", entry.id,
			   irqfd->host_irq ? "a" : "no", name_of_state(entry.state));
	if ((entry.state == VLPI_BROKER_HOLDER) != irqfd->client.mapped)
		kernel_bug("client %llu is %smapped, and %s", entry.id,
			   irqfd->client.mapped ? "" : "not ", name_of_state(entry.state));
	if (has_foreign(irqfd->vm, vintid) != !!(entry.flags & VLPI_BROKER_CLIENT_FOREIGN))
		kernel_bug("client %llu is said to share %c%u with %s foreign mapping", entry.id,
			   irqfd->vm->letter, vintid,
			   entry.flags & VLPI_BROKER_CLIENT_FOREIGN ? "a" : "no");
	if (has_foreign(irqfd->vm, vintid))
		return;
	if (entry.state == VLPI_BROKER_WAITER && !holder_of(irqfd->vm, vintid))
		kernel_bug("P3: client %llu waits for %c%u, which nobody has", entry.id,
			   irqfd->vm->letter, vintid);
	if (vintid && is_mappable(irqfd) && !holder_of(irqfd->vm, vintid))
		kernel_bug("P3: %c%u has no holder, though client %llu (host IRQ %u) can be",
			   irqfd->vm->letter, vintid, entry.id, irqfd->host_irq);
}

void fake_check_settled(void)
{
	struct vlpi_broker_client entries[NR_IRQFDS];
	struct fake_vm *vm;
	int n, i;

	fake_check();
	for (vm = host.vm; vm < host.vm + NR_VMS; vm++) {
		if (!is_quiet(vm))
			continue;
		n = dump_vm(vm, entries);
		for (i = 0; i < n; i++)
			check_settled(irqfd_of_id(entries[i].id), entries[i]);
		if (vm->pins)
			kernel_bug("VM %c is held, with nothing to do", vm->letter);
	}
}

void fake_end(void)
{
	struct fake_irqfd *irqfd;
	struct vlpi_broker_info now;
	u32 i;

	fail_allocation = 0;
	for (i = 0; i < NR_VMS; i++)
		if (host.vm[i].stuck)
			get_stuck(&host.vm[i], false);
	while ((irqfd = next_irqfd(NULL)))
		deassign(irqfd);
	settle();
	for (i = 0; i < NR_IRQS; i++) {
		if (host.irq[i].forwarded && !host.irq[i].stray)
			kernel_bug("host IRQ %u is forwarded when all are gone", i);
		if (host.irq[i].to_be_aimed)
			kernel_bug("host IRQ %u was unmapped, and may be aimed at no CPU", i);
		if (broker_is_booked(i, NULL))
			kernel_bug("host IRQ %u is booked when all are gone", i);
	}
	now = info();
	if (now.nr_vms || now.nr_slots || now.nr_held || now.nr_clients || now.nr_waiters ||
	    now.nr_foreign)
		kernel_bug("%u VMs, %u slots, %u clients are left when all are gone", now.nr_vms,
			   now.nr_slots, now.nr_clients);
	if (host.nr_books || host.nr_proxies)
		kernel_bug("%u VMs and %u proxies are left when all are gone", host.nr_books,
			   host.nr_proxies);
	if (nr_allocated)
		kernel_bug("%u objects are leaked", nr_allocated);
}
