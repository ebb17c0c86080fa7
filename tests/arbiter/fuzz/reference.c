// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the arbiter promises, from scratch after each step: plain arrays, walked from end to end. It
 * looks at the world (which irqfd has which producer, where routes and events lead, what the
 * hardware has mapped, what edges are pending) and at what a reader of the arbiter sees; never at
 * the arbiter's data.
 *
 * P1  at most one host IRQ is forwarded to an LPI.
 * P2  an LPI that an edge came for has it pending, until the guest takes it or throws it away.
 * P3  where a client waits, another has the LPI; and every LPI with a client that the irqchip would
 *     map is held, whatever it was turned down for.
 * P4  what is forwarded has a producer connected to an irqfd of that VM, whose route leads there.
 * And the queue is in order: a client that came later is not preferred.
 *
 * P1 and P4 hold at any time. What the arbiter does about a change is done by a work item: the
 * others hold in each VM for which none is queued, nor waits.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include <errno.h>

#include "fuzz.h"

static struct vlpi_broker_client now[NR_VMS][NR_IRQFDS];
static int nr_now[NR_VMS];

/* What a reader saw when the VM was settled last, and of what came before whom nothing else. */
static struct seen {
	u64 id;
	u32 state, vintid, position;
	unsigned int connects;
} before[NR_VMS][NR_IRQFDS];
static int nr_before[NR_VMS];
static bool order_is_known[NR_VMS];

static int index_of(struct fake_vm *vm)
{
	return vm - host.vm;
}

void reference_begin(void)
{
	memset(nr_now, 0, sizeof(nr_now));
	memset(nr_before, 0, sizeof(nr_before));
	memset(order_is_known, 0, sizeof(order_is_known));
}

void reference_misfortune(void)
{
	memset(order_is_known, 0, sizeof(order_is_known));
}

static bool is_settled(struct fake_vm *vm)
{
	return is_quiet(vm) && !(vm->book && vm->book->timer);
}

static void read_all(void)
{
	u32 i;

	for (i = 0; i < NR_VMS; i++)
		nr_now[i] = dump_vm(&host.vm[i], now[i]);
}

static struct fake_irqfd *irqfd_of(u64 id)
{
	struct fake_irqfd *irqfd;

	for_each_irqfd(irqfd)
		if (irqfd->client.id == id)
			return irqfd;
	kernel_bug("client %llu is in the dump, and is gone", id);
}

static struct vlpi_broker_client *entry_of(struct fake_irqfd *irqfd)
{
	struct vlpi_broker_client *entries = now[index_of(irqfd->vm)];
	int i;

	for (i = 0; i < nr_now[index_of(irqfd->vm)]; i++)
		if (entries[i].id == irqfd->client.id)
			return &entries[i];
	kernel_bug("client %llu is not in the dump", irqfd->client.id);
}

static struct seen *seen_of(struct fake_irqfd *irqfd)
{
	struct seen *seen = before[index_of(irqfd->vm)];
	int i;

	for (i = 0; i < nr_before[index_of(irqfd->vm)]; i++)
		if (seen[i].id == irqfd->client.id)
			return &seen[i];
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

/* Has another irqfd a producer of that number? The book has room for one of them. */
static bool is_doubled(struct fake_irqfd *irqfd)
{
	struct fake_irqfd *other;

	for_each_irqfd(other)
		if (other != irqfd && other->host_irq == irqfd->host_irq)
			return true;
	return false;
}

/*
 * Of another VM, to which the irqchip may have the device given: who waits hears when that is done.
 */
static bool all_are_settled(void)
{
	u32 i;

	for (i = 0; i < NR_VMS; i++)
		if (!is_settled(&host.vm[i]))
			return false;
	return true;
}

static bool hardware_takes(struct fake_irqfd *irqfd)
{
	return irqfd->host_irq && !irqfd->leaving && !host.irq[irqfd->host_irq].forwarded &&
	       !irqchip_refuses(irqfd->host_irq, irqfd->vm);
}

/* While it leaves, and until the work item has run, its route may lead elsewhere. */
static void check_forwarded(u32 host_irq)
{
	struct fake_irq *irq = &host.irq[host_irq];
	struct fake_irqfd *irqfd, *owner = NULL;

	for_each_irqfd(irqfd)
		if (irqfd->host_irq == host_irq && irqfd->vm == irq->vm &&
		    entry_of(irqfd)->vintid == irq->vintid &&
		    (!owner || entry_of(irqfd)->state == VLPI_BROKER_HOLDER))
			owner = irqfd;
	if (!owner)
		kernel_bug("P4: host IRQ %u is forwarded to %c%u, and nobody has it", host_irq,
			   irq->vm->letter, irq->vintid);
	if (!is_settled(irq->vm))
		return;
	if (entry_of(owner)->state != VLPI_BROKER_HOLDER)
		kernel_bug("P4: host IRQ %u is forwarded to %c%u, and client %llu is %s", host_irq,
			   irq->vm->letter, irq->vintid, owner->client.id,
			   name_of_state(entry_of(owner)->state));
	if (!owner->leaving && leads_to(owner) != irq->vintid)
		kernel_bug("P4: host IRQ %u is forwarded to %c%u, its route leads to %u",
			   host_irq, irq->vm->letter, irq->vintid, leads_to(owner));
}

static void check_lpi(struct fake_vm *vm, u32 vintid)
{
	struct fake_lpi *lpi = &vm->lpi[vintid - LPI];
	u32 host_irq = mapped_to(vm, vintid);

	if (is_settled(vm) && lpi->owed && !lpi->direct && !lpi->soft)
		kernel_bug("P2: an edge for %c%u is lost", vm->letter, vintid);
	if (host_irq && !host.irq[host_irq].stray && (!lpi->hw || lpi->host_irq != host_irq))
		kernel_bug("P4: host IRQ %u is forwarded to %c%u, and KVM does not know", host_irq,
			   vm->letter, vintid);
	if (lpi->hw && lpi->host_irq != host_irq)
		kernel_bug("P4: KVM believes that host IRQ %u is forwarded to %c%u", lpi->host_irq,
			   vm->letter, vintid);
}

/* What one irqfd must be, by where it leads and by what the hardware has. */
static void check_state(struct fake_irqfd *irqfd)
{
	const struct vlpi_broker_client *entry = entry_of(irqfd);
	u32 leads = leads_to(irqfd), has;

	if (irqfd->leaving || !is_settled(irqfd->vm))
		return;
	if ((irqfd->event == NOT_MSI) != (entry->state == VLPI_BROKER_NOT_MSI))
		kernel_bug("client %llu leads to %s, and is %s", entry->id,
			   irqfd->event == NOT_MSI ? "no MSI" : "an MSI",
			   name_of_state(entry->state));
	if (irqfd->event == NOT_MSI)
		return;
	if (!leads) {
		if (entry->state != VLPI_BROKER_UNRESOLVED)
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
	if (!has && hardware_takes(irqfd) && !is_doubled(irqfd) && all_are_settled())
		kernel_bug("P3: nobody has %c%u, and host IRQ %u could", irqfd->vm->letter, leads,
			   irqfd->host_irq);
}

/* A newcomer is not the holder of an LPI that another client was waiting for before it came. */
static void check_order(struct fake_irqfd *newcomer)
{
	struct vlpi_broker_client *entry = entry_of(newcomer), *is;
	struct seen *was = seen_of(newcomer), *other_was;
	struct fake_irqfd *other;

	if (entry->state != VLPI_BROKER_HOLDER)
		return;
	/* Its place among the others is known only where it was waiting, or was elsewhere. */
	if (was && was->vintid == entry->vintid && was->state != VLPI_BROKER_WAITER)
		return;
	for_each_irqfd(other) {
		other_was = seen_of(other);
		if (other->vm != newcomer->vm || other == newcomer || !other_was)
			continue;
		is = entry_of(other);
		if (other_was->state != VLPI_BROKER_WAITER || is->state != VLPI_BROKER_WAITER ||
		    other_was->vintid != entry->vintid || is->vintid != entry->vintid ||
		    other_was->connects != other->connects || !hardware_takes(other))
			continue;
		if (was && was->vintid == entry->vintid && was->position < other_was->position &&
		    was->connects == newcomer->connects)
			continue;
		kernel_bug("client %llu has %c%u, and %llu came before it", entry->id,
			   newcomer->vm->letter, entry->vintid, is->id);
	}
}

static void remember(struct fake_vm *vm)
{
	int index = index_of(vm), i;

	for (i = 0; i < nr_now[index]; i++) {
		struct vlpi_broker_client *entry = &now[index][i];

		before[index][i] = (struct seen){
			.id = entry->id, .state = entry->state, .vintid = entry->vintid,
			.position = entry->position,
			.connects = irqfd_of(entry->id)->connects,
		};
	}
	nr_before[index] = nr_now[index];
	order_is_known[index] = true;
}

static void check_totals(void)
{
	unsigned int vms = 0, clients = 0, held = 0, there, i;
	struct vlpi_broker_info total = info();
	struct fake_irqfd *irqfd;
	int n;

	for (i = 0; i < NR_VMS; i++) {
		there = 0;
		for_each_irqfd(irqfd)
			there += irqfd->vm == &host.vm[i];
		if (there != (unsigned int)nr_now[i])
			kernel_bug("VM %c has %u irqfds, %d in the dump", host.vm[i].letter, there,
				   nr_now[i]);
		vms += !!there;
		clients += there;
		for (n = 0; n < nr_now[i]; n++) {
			held += now[i][n].state == VLPI_BROKER_HOLDER;
			if (n && now[i][n].id <= now[i][n - 1].id)
				kernel_bug("client %llu comes after %llu", now[i][n].id,
					   now[i][n - 1].id);
		}
	}
	if (total.nr_vms != vms || total.nr_clients != clients)
		kernel_bug("%u VMs and %u irqfds, but %u and %u in the totals", vms, clients,
			   total.nr_vms, total.nr_clients);
	/* One that was unmapped behind the arbiter's back is a holder until that has looked. */
	if (total.nr_held != held)
		kernel_bug("%u holders, but %u in the totals", held, total.nr_held);
}

void reference_check(bool looked)
{
	struct fake_irqfd *irqfd;
	struct fake_vm *vm;
	u32 i, vintid;

	read_all();
	check_totals();
	for (i = 0; i < NR_IRQS; i++)
		if (host.irq[i].forwarded && !host.irq[i].stray)
			check_forwarded(i);
	for (i = 0; i < NR_VMS; i++)
		for (vintid = LPI; vintid < LPI + NR_LPIS; vintid++)
			check_lpi(&host.vm[i], vintid);
	for_each_irqfd(irqfd) {
		check_state(irqfd);
		if (is_settled(irqfd->vm) && order_is_known[index_of(irqfd->vm)])
			check_order(irqfd);
	}
	for (vm = host.vm; vm < host.vm + NR_VMS; vm++) {
		if (is_settled(vm))
			remember(vm);
		else if (looked)
			/* Half-way: what has moved is not known. */
			order_is_known[index_of(vm)] = false;
	}
}

/* What is turned down again and again has been tried often enough by now. */
void reference_check_settled(void)
{
	struct fake_irqfd *irqfd;
	u32 i;

	for (i = 0; i < NR_VMS; i++)
		if (!is_quiet(&host.vm[i]))
			return;
	for_each_irqfd(irqfd) {
		if (!leads_to(irqfd) || !hardware_takes(irqfd) ||
		    is_doubled(irqfd))
			continue;
		if (!mapped_to(irqfd->vm, leads_to(irqfd)))
			kernel_bug("P3: nobody has %c%u, and host IRQ %u could", irqfd->vm->letter,
				   leads_to(irqfd), irqfd->host_irq);
	}
}

int reference_gate(u32 host_irq, struct fake_vm *vm, u32 vintid)
{
	struct fake_irq *irq = host_irq < NR_IRQS ? &host.irq[host_irq] : NULL;
	struct fake_irqfd *irqfd;

	/* It moves to another vPE. */
	if (irq && irq->forwarded && irq->vm == vm && irq->vintid == vintid)
		return true;
	if (!host.loading)
		return false;
	for_each_irqfd(irqfd)
		if (irqfd->host_irq == host_irq && irqfd->vm == vm)
			return -1;
	return true;
}
