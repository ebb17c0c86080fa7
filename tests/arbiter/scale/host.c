// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/slab.h>

#include "host.h"

unsigned int tried;
u64 now;
size_t charged, uncharged;

static u32 last_host_irq;
static bool forwarded[4 * MAX_HOST_IRQS];

static struct irqfd *irqfd_of(struct vb_client *client)
{
	return container_of(client, struct irqfd, client);
}

/* --- what the arbiter asks ------------------------------------------------------------------- */

bool shim_is_forwarded(u32 host_irq)
{
	return forwarded[host_irq];
}

bool shim_is_leaving(struct vb_client *client)
{
	return irqfd_of(client)->leaving;
}

bool shim_route_changed(struct vb_client *client)
{
	return irqfd_of(client)->route_changed;
}

bool shim_raise_through(struct vb_client *holder)
{
	return true;
}

void client_free(struct vb_client *client)
{
}

static void kick(struct vb_vm *vm)
{
}

static const struct vb_vm_ops ops = { .kick = kick, .pin = kick };

/* --- KVM and the irqchip --------------------------------------------------------------------- */

static int map(struct guest *guest, struct irqfd *irqfd)
{
	struct vb_client *client;
	int ret;

	tried++;
	ret = broker_gate(&guest->book, guest, irqfd->host_irq, irqfd->vintid, guest, VB_ASK_MAP,
			  &client);
	if (ret)
		return ret;
	forwarded[irqfd->host_irq] = !irqfd->refuse;
	broker_gate_done(client, irqfd->refuse);
	return irqfd->refuse;
}

static void unmap(struct irqfd *irqfd, const void *task)
{
	struct vb_client *client;

	broker_unmap_begin(irqfd->host_irq, task, &client);
	forwarded[irqfd->host_irq] = false;
	broker_unmap_end(client);
}

static int do_step(struct guest *guest, struct vb_step *step)
{
	struct irqfd *irqfd = irqfd_of(step->client);

	switch (step->todo) {
	case VB_LOOK:
		step->vintid = irqfd->vintid;
		irqfd->route_changed = false;
		return 0;
	case VB_GRANT:
		return map(guest, irqfd);
	case VB_REVOKE:
		unmap(irqfd, guest);
		return 0;
	default:
		return 0;
	}
}

/* As the work item of a VM does: see settle_vm() of src/vm.c. */
void settle(struct guest *guest)
{
	struct vb_client *client;
	struct vb_step step;

	broker_begin(&guest->book);
	for (;;) {
		while ((client = broker_next_signal(&guest->book))) {
			if (broker_raise(client))
				broker_count_injection(client, VLPI_BROKER_WHY_THREAD);
			else
				broker_owe(client);
			broker_put_client(client);
		}
		if (broker_compare_routes(&guest->book))
			continue;
		broker_next(&guest->book, guest, now, &step);
		if (step.todo == VB_NOTHING)
			break;
		/* There may be more to be done, without a client. */
		if (step.client)
			broker_done(&guest->book, &step, do_step(guest, &step));
	}
	broker_is_idle(&guest->book);
}

/* --- guests and irqfds ----------------------------------------------------------------------- */

struct guest *guest_new(u32 room)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	guest->irqfd = calloc(room, sizeof(*guest->irqfd));
	guest->book.ops = &ops;
	guest->book.live = true;
	broker_vm_init(&guest->book);
	return guest;
}

struct irqfd *assign(struct guest *guest, u32 vintid)
{
	struct irqfd *irqfd = &guest->irqfd[guest->nr++];

	irqfd->vintid = vintid;
	irqfd->client.vm = &guest->book;
	refcount_set(&irqfd->client.refs, 1);
	broker_add_client(&irqfd->client, broker_slot_new());
	return irqfd;
}

void deassign(struct irqfd *irqfd)
{
	broker_slot_free(broker_remove_client(&irqfd->client));
}

void connect(struct irqfd *irqfd, const void *device)
{
	irqfd->host_irq = ++last_host_irq;
	broker_add_producer(&irqfd->client, irqfd->host_irq, device);
}

void disconnect(struct irqfd *irqfd)
{
	bool mapped;

	if (!broker_del_begin(&irqfd->client, irqfd, &mapped))
		return;
	if (mapped)
		unmap(irqfd, irqfd);
	broker_del_end(&irqfd->client);
}

void discard(struct irqfd *irqfd)
{
	unmap(irqfd, NULL);
}

struct guest *guest_of(u32 nr, u32 a_vlpi, const void *device)
{
	struct guest *guest = guest_new(nr + 200);
	u32 i;

	for (i = 0; i < nr; i++)
		connect(assign(guest, LPI + i / a_vlpi), device);
	settle(guest);
	return guest;
}
