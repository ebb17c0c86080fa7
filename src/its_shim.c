// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware's side: what KVM and the irqchip believe, and what they are told.
 *
 * A slot is granted by KVM's own add callback, so that KVM keeps its books: vgic_irq.hw and
 * host_irq, and vlpi_count. It reads of the irqfd only the VM and the route, and of the producer
 * only the host IRQ, so it is given an irqfd and a producer of our own: the real ones may go
 * meanwhile, and their route may change.
 *
 * Where KVM unmaps by host IRQ, its own del takes the mapping back, under the vgic_irq's raw lock.
 * Where it goes by the guest's tables, its del may miss the LPI (the guest has its ITS or LPIs off,
 * as during a reboot) or meet another (they lead elsewhere by now), and warns then. There the shim
 * does what KVM's unset does, under the same its_lock, on the LPI that the gate has seen mapped.
 *
 * Afterwards the irqchip is asked. A stale mark is corrected: by it KVM would later act on a host
 * IRQ number that another device may have by then. That is the only write into a vgic_irq.
 *
 * KVM keeps its_lock across faults on guest memory, which a VMM can make last for ever. Who settles
 * tries that lock first and comes back later. It may be taken just after that: then a kernel thread
 * of this VM waits, and nobody else does.
 *
 * The fallback raises an interrupt as KVM_SIGNAL_MSI does. While the vLPI is held, KVM raises it
 * through the holder's host IRQ, so that the ITS makes it pending in the hardware whatever the
 * LPI's enable bit says. KVM does so only without a cached translation of the MSI. Hence its cache
 * is emptied after each grant; nothing enters it for a vLPI that is forwarded.
 *
 * The irqchip refuses to move a forwarded host IRQ, also away from a CPU that goes offline. So each
 * host IRQ that is unmapped is aimed at an online CPU where it has none.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/irqchip/arm-gic-v4.h>
#include <kvm/arm_vgic.h>

#include "compat.h"
#include "hook.h"
#include "its_shim.h"
#include "proxy.h"
#include "symbols.h"
#include "vm.h"

/*
 * What KVM and the irqchip do not export. The first group is declared in public headers, and typeof
 * makes the build fail when a prototype moves. The second is in arch/arm64/kvm/vgic/vgic.h, which
 * is not installed: symbols_find() compares it with the running kernel's BTF. The first are called
 * through an explicit "*", without which sparse does not know typeof(f) * for a function.
 */
static struct {
	typeof(kvm_arch_irq_bypass_add_producer) *add_producer;
	typeof(kvm_arch_irq_bypass_del_producer) *del_producer;
	typeof(kvm_arch_irq_bypass_stop) *stop;
	typeof(kvm_arch_irq_bypass_start) *start;
	typeof(kvm_send_userspace_msi) *send_msi;
	compat_set_affinity_t *set_affinity;
	typeof(its_unmap_vlpi) *unmap_vlpi;
	typeof(its_get_vlpi) *get_vlpi;

	int (*resolve_lpi)(struct kvm *kvm, struct vgic_its *its, u32 devid, u32 eventid,
			   struct vgic_irq **irq);
	struct vgic_its *(*msi_to_its)(struct kvm *kvm, struct kvm_msi *msi);
	void (*flush_cache)(struct kvm *kvm);
	bool (*supports_direct_msis)(struct kvm *kvm);
} real;

static const struct symbol borrowed[] = {
	{ "kvm_arch_irq_bypass_add_producer", &real.add_producer },
	{ "kvm_arch_irq_bypass_del_producer", &real.del_producer },
	{ "kvm_arch_irq_bypass_stop", &real.stop },
	{ "kvm_arch_irq_bypass_start", &real.start },
	{ "kvm_send_userspace_msi", &real.send_msi },
	{ COMPAT_SET_AFFINITY, &real.set_affinity },
	{ "its_unmap_vlpi", &real.unmap_vlpi },
	{ "its_get_vlpi", &real.get_vlpi },
	{ "vgic_its_resolve_lpi", &real.resolve_lpi,
	  "int(struct kvm *, struct vgic_its *, u32, u32, struct vgic_irq **)" },
	{ "vgic_msi_to_its", &real.msi_to_its,
	  "struct vgic_its *(struct kvm *, struct kvm_msi *)" },
	{ "vgic_its_invalidate_all_caches", &real.flush_cache, "void(struct kvm *)",
	  .or_name = "vgic_its_invalidate_cache" },
	{ "vgic_supports_direct_msis", &real.supports_direct_msis, "bool(struct kvm *)" },
};

/* What KVM has found in this host. Where no variable says so, KVM is asked of a VM. */
static bool gicv4_1;

/* KVM looks at no more of @kvm than this, and on GICv4.1 at less. */
static bool ask_of_a_vm(struct kvm *kvm)
{
	kvm->arch.vgic.vgic_model = KVM_DEV_TYPE_ARM_VGIC_V3;
	gicv4_1 = real.supports_direct_msis(kvm);
	kvm->arch.vgic.has_its = true;
	return real.supports_direct_msis(kvm);
}

static int look_at_host(bool *direct)
{
	const struct vgic_global *global;
	struct kvm *kvm;

	if (COMPAT_FINDS_VARIABLES) {
		global = symbols_find_variable("kvm_vgic_global_state");
		if (!global)
			return -ENOENT;
		*direct = global->has_gicv4;
		gicv4_1 = global->has_gicv4_1;
		return 0;
	}
	kvm = kvzalloc(sizeof(*kvm), GFP_KERNEL);
	if (!kvm)
		return -ENOMEM;
	*direct = ask_of_a_vm(kvm);
	kvfree(kvm);
	return 0;
}

static int check_gicv4(void)
{
	bool direct = false;
	int ret;

	ret = look_at_host(&direct);
	if (ret || direct)
		return ret;
	pr_err("KVM does not inject interrupts directly here, so there is nothing to broker: boot a GICv4 host with kvm-arm.vgic_v4_enable=1\n");
	return -ENODEV;
}

/**
 * shim_init - find what is needed of KVM and the irqchip
 *
 * Context: process; may sleep.
 * Return: 0, or an errno after one line that says what is missing.
 */
int shim_init(void)
{
	int ret;

	ret = symbols_find(borrowed, ARRAY_SIZE(borrowed));
	return ret ?: check_gicv4();
}

/**
 * shim_unmaps_vpes_to_save - does KVM unmap a VM's vPEs to save its pending tables?
 *
 * Only on GICv4.1 it can read there what is pending of a vLPI, and only while its vPE is unmapped.
 *
 * Context: any.
 * Return: whether it does.
 */
bool shim_unmaps_vpes_to_save(void)
{
	return gicv4_1;
}

/**
 * shim_is_kvm_consumer - tell KVM's consumers from others
 * @cons: that is being registered or unregistered.
 *
 * Context: any.
 * Return: whether it is that of a KVM irqfd.
 */
bool shim_is_kvm_consumer(const struct irq_bypass_consumer *cons)
{
	return cons->add_producer == real.add_producer;
}

/* --- the irqchip ----------------------------------------------------------------------------- */

static bool is_forwarded(struct irq_data *data)
{
	/*
	 * The irqchip may map or unmap at any time, so the answer holds for this moment only. The
	 * bit shares its word with bits that each interrupt changes under the descriptor's lock.
	 */
	return data_race(irqd_is_forwarded_to_vcpu(data));
}

/**
 * shim_is_forwarded - ask the irqchip for a host IRQ
 * @host_irq: of a producer.
 *
 * Context: any.
 * Return: whether it is delivered to a guest.
 */
bool shim_is_forwarded(u32 host_irq)
{
	struct irq_data *data;
	bool forwarded;

	rcu_read_lock();
	data = irq_get_irq_data(host_irq);
	forwarded = data && is_forwarded(data);
	rcu_read_unlock();
	return forwarded;
}

/*
 * The part of a host IRQ that would answer irq_set_vcpu_affinity(), where that is the ITS's.
 * Another chip must not be asked: an SPI becomes forwarded by the question, and doorbells and vSGIs
 * dereference its argument. KVM's own timer interrupts are forwarded too, and are to stay so.
 */
static struct irq_data *its_data(u32 host_irq)
{
	struct irq_data *data;

	for (data = irq_get_irq_data(host_irq); data; data = data->parent_data) {
		struct irq_chip *chip = irq_data_get_irq_chip(data);

		if (!chip || !chip->irq_set_vcpu_affinity ||
		    chip->irq_set_vcpu_affinity == irq_chip_set_vcpu_affinity_parent)
			continue;
		return chip->name && !strcmp(chip->name, "ITS") ? data : NULL;
	}
	return NULL;
}

/**
 * shim_is_answered_by_its - can this host IRQ be mapped to a vLPI?
 * @host_irq: of a producer.
 *
 * Context: any.
 * Return: whether it is an ITS's.
 */
bool shim_is_answered_by_its(u32 host_irq)
{
	bool its;

	rcu_read_lock();
	its = its_data(host_irq);
	rcu_read_unlock();
	return its;
}

/**
 * shim_device - identity of the device behind a host IRQ
 * @host_irq: of a producer.
 *
 * The irqchip maps the events of a device to one VM at a time.
 *
 * Context: any.
 * Return: what is to be compared, never followed; NULL where it is no ITS's.
 */
const void *shim_device(u32 host_irq)
{
	struct irq_data *data;
	const void *device;

	rcu_read_lock();
	data = its_data(host_irq);
	device = data ? irq_data_get_irq_chip_data(data) : NULL;
	rcu_read_unlock();
	return device;
}

/* A vPE's, of either generation of the irqchip. */
static bool is_doorbell(struct irq_data *data)
{
	const struct irq_chip *chip = irq_data_get_irq_chip(data);

	return chip && chip->name &&
	       (!strcmp(chip->name, "GICv4-vpe") || !strcmp(chip->name, "GICv4.1-vpe"));
}

/**
 * shim_get_vm_of_doorbell - the VM that a host IRQ wakes a vCPU of
 * @host_irq: any.
 *
 * Each VM that a host IRQ can be mapped to has doorbells. KVM frees them before it frees the vCPU
 * or the VM, and waits for the descriptor's lock then: while that is held, one that is requested
 * has both.
 *
 * Context: any.
 * Return: the VM, with a reference to it; NULL where this is no doorbell, or the VM is going away.
 */
struct kvm *shim_get_vm_of_doorbell(u32 host_irq)
{
	struct kvm *kvm = NULL;
	struct irq_data *data;
	struct irq_desc *desc;
	unsigned long flags;

	rcu_read_lock();
	data = irq_get_irq_data(host_irq);
	if (data && is_doorbell(data)) {
		desc = irq_data_to_desc(data);
		raw_spin_lock_irqsave(&desc->lock, flags);
		if (desc->action) {
			struct its_vpe *vpe = irq_data_get_irq_chip_data(data);

			kvm = container_of(vpe, struct kvm_vcpu,
					   arch.vgic_cpu.vgic_v3.its_vpe)->kvm;
			if (!compat_kvm_get_safe(kvm))
				kvm = NULL;
		}
		raw_spin_unlock_irqrestore(&desc->lock, flags);
	}
	rcu_read_unlock();
	return kvm;
}

/**
 * shim_get_vlpi - what a host IRQ is mapped to
 * @host_irq: of a producer.
 * @map: out; its VM may be gone: compare it.
 *
 * Context: any.
 * Return: whether it is mapped by an ITS.
 */
bool shim_get_vlpi(u32 host_irq, struct its_vlpi_map *map)
{
	return shim_is_forwarded(host_irq) && shim_is_answered_by_its(host_irq) &&
	       !(*real.get_vlpi)(host_irq, map);
}

/**
 * shim_is_forwarded_to - is a host IRQ mapped to this vLPI?
 * @host_irq: of a producer.
 * @map: VM and vINTID.
 *
 * Context: any.
 * Return: whether it is.
 */
bool shim_is_forwarded_to(u32 host_irq, const struct its_vlpi_map *map)
{
	struct its_vlpi_map now = {};

	return shim_get_vlpi(host_irq, &now) && now.vm == map->vm && now.vintid == map->vintid;
}

/**
 * shim_aim - see that a host IRQ that was unmapped reaches a CPU
 * @host_irq: of a producer, which may be gone by now.
 *
 * Where its CPU went offline while it was forwarded, the irqchip refused to move it, and the
 * interrupt core does not try again.
 *
 * Context: process.
 */
void shim_aim(u32 host_irq)
{
	const struct cpumask *wanted, *effective;
	struct irq_data *data;

	rcu_read_lock();
	data = irq_get_irq_data(host_irq);
	if (data && !is_forwarded(data)) {
		effective = irq_data_get_effective_affinity_mask(data);
		wanted = irq_data_get_affinity_mask(data);
		if (!cpumask_intersects(wanted, cpu_online_mask))
			wanted = cpu_online_mask;
		if (!cpumask_empty(effective) && !cpumask_intersects(effective, cpu_online_mask))
			compat_set_affinity(real.set_affinity, host_irq, wanted);
	}
	rcu_read_unlock();
}

/**
 * shim_note_producer - remember which interrupt has this number
 * @proxy: of the irqfd.
 * @host_irq: of its producer.
 *
 * Its descriptor stays in memory until shim_forget_producer(), also where the driver frees it
 * before.
 *
 * Context: any.
 */
void shim_note_producer(struct vb_proxy *proxy, u32 host_irq)
{
	struct irq_data *data;

	rcu_read_lock();
	data = irq_get_irq_data(host_irq);
	WRITE_ONCE(proxy->desc, data ? irq_data_to_desc(data) : NULL);
	if (proxy->desc)
		kobject_get(&proxy->desc->kobj);
	rcu_read_unlock();
}

/**
 * shim_forget_producer - undo shim_note_producer()
 * @proxy: of an irqfd whose producer has left: nothing is raised through its host IRQ any more.
 *
 * Context: process; may sleep.
 */
void shim_forget_producer(struct vb_proxy *proxy)
{
	if (proxy->desc)
		kobject_put(&proxy->desc->kobj);
	WRITE_ONCE(proxy->desc, NULL);
}

/**
 * shim_is_its_irq - is this still the interrupt with which a client's producer came?
 * @client: with a producer.
 * @host_irq: of it.
 *
 * Its driver may have freed it before the producer leaves, and another may have its number now.
 * That has a descriptor of its own, since this one's memory is still in use.
 *
 * Context: any.
 * Return: whether it is.
 */
bool shim_is_its_irq(struct vb_client *client, u32 host_irq)
{
	struct irq_data *data;
	bool same;

	rcu_read_lock();
	data = irq_get_irq_data(host_irq);
	same = data && irq_data_to_desc(data) == READ_ONCE(proxy_of(client)->desc);
	rcu_read_unlock();
	return same;
}

/* --- routes ---------------------------------------------------------------------------------- */

static struct kvm *kvm_of(struct vb_client *client)
{
	return vm_of(client)->kvm;
}

/**
 * shim_is_leaving - tell an irqfd that is going from one that stays
 * @client: of the irqfd, which is not removed.
 *
 * KVM takes an irqfd off its list before anything else, and never puts it back.
 *
 * Context: any.
 * Return: whether KVM is about to shut it down.
 */
bool shim_is_leaving(struct vb_client *client)
{
	return list_empty(&proxy_of(client)->irqfd->list);
}

/* KVM may be changing it. */
static void copy_route(const struct kvm_kernel_irq_routing_entry *entry, struct vb_route *route)
{
	*route = (struct vb_route){ .type = entry->type };
	if (route->type != KVM_IRQ_ROUTING_MSI)
		return;
	route->address_lo = entry->msi.address_lo;
	route->address_hi = entry->msi.address_hi;
	route->data = entry->msi.data;
	route->flags = entry->msi.flags;
	route->devid = entry->msi.devid;
}

static void read_route(struct kvm_kernel_irqfd *irqfd, struct vb_route *route)
{
	unsigned int seq;

	do {
		seq = read_seqcount_begin(&irqfd->irq_entry_sc);
		copy_route(&irqfd->irq_entry, route);
	} while (read_seqcount_retry(&irqfd->irq_entry_sc, seq));
}

static void note_seen(struct vb_proxy *proxy, const struct vb_route *route)
{
	proxy->seen_type = route->type;
	proxy->seen_flags = route->flags;
	proxy->seen_lo = route->address_lo;
	proxy->seen_hi = route->address_hi;
	WRITE_ONCE(proxy->client.devid, route->devid);
	WRITE_ONCE(proxy->client.eventid, route->data);
}

static struct vb_route seen_route(const struct vb_proxy *proxy)
{
	return (struct vb_route) {
		.type = proxy->seen_type,
		.flags = proxy->seen_flags,
		.address_lo = proxy->seen_lo,
		.address_hi = proxy->seen_hi,
		.data = proxy->client.eventid,
		.devid = proxy->client.devid,
	};
}

/* To an ITS leads what writes to its doorbell, and says of which device it is. */
static struct vb_route granted_route(const struct vb_proxy *proxy)
{
	u64 doorbell = proxy->granted.its->vgic_its_base + GITS_TRANSLATER;

	return (struct vb_route) {
		.type = KVM_IRQ_ROUTING_MSI,
		.flags = KVM_MSI_VALID_DEVID,
		.address_lo = lower_32_bits(doorbell),
		.address_hi = upper_32_bits(doorbell),
		.data = proxy->granted.eventid,
		.devid = proxy->granted.devid,
	};
}

/**
 * shim_note_route - remember the route that an irqfd begins with
 * @proxy: of the irqfd, not booked yet.
 *
 * Context: process; KVM does not free the irqfd meanwhile.
 */
void shim_note_route(struct vb_proxy *proxy)
{
	struct vb_route route;

	read_route(proxy->irqfd, &route);
	note_seen(proxy, &route);
}

/*
 * The route of an irqfd as it is now. An irqfd that was on KVM's list inside kvm->irq_srcu is not
 * freed before that is left: KVM waits for it after it has taken the irqfd off. False: it has.
 */
static bool snapshot_route(struct vb_client *client, struct vb_route *route)
{
	struct kvm *kvm = kvm_of(client);
	bool there;
	int idx;

	idx = srcu_read_lock(&kvm->irq_srcu);
	there = broker_is_there(client);
	if (there)
		read_route(proxy_of(client)->irqfd, route);
	srcu_read_unlock(&kvm->irq_srcu, idx);
	return there;
}

static struct kvm_msi route_to_msi(const struct vb_route *route)
{
	return (struct kvm_msi) {
		.address_lo = route->address_lo,
		.address_hi = route->address_hi,
		.data = route->data,
		.flags = route->flags,
		.devid = route->devid,
	};
}

static struct vgic_its *route_to_its(struct kvm *kvm, const struct vb_route *route)
{
	struct kvm_msi msi = route_to_msi(route);

	return real.msi_to_its(kvm, &msi);
}

/* What KVM's add and del read of an irqfd. */
static void route_to_irqfd(struct kvm_kernel_irqfd *irqfd, struct kvm *kvm,
			   const struct vb_route *route)
{
	memset(irqfd, 0, sizeof(*irqfd));
	irqfd->kvm = kvm;
	irqfd->irq_entry.type = route->type;
	irqfd->irq_entry.msi.address_lo = route->address_lo;
	irqfd->irq_entry.msi.address_hi = route->address_hi;
	irqfd->irq_entry.msi.data = route->data;
	irqfd->irq_entry.msi.flags = route->flags;
	irqfd->irq_entry.msi.devid = route->devid;
}

/**
 * shim_route_changed - does the route of an irqfd differ from when it was followed last?
 * @client: of the irqfd, which is not removed: KVM does not free it before that.
 *
 * On PREEMPT_RT who waits for KVM to have changed a route sleeps. So one that KVM is changing just
 * now is said to differ.
 *
 * Context: from the VM's work item; the book's lock is held.
 * Return: whether shim_resolve() may say something else because of it.
 */
bool shim_route_changed(struct vb_client *client)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct kvm_kernel_irqfd *irqfd = proxy->irqfd;
	struct vb_route seen = seen_route(proxy), route;
	unsigned int seq;

	if (shim_is_leaving(client))
		return false;
	seq = raw_seqcount_begin(&irqfd->irq_entry_sc.seqcount);
	copy_route(&irqfd->irq_entry, &route);
	return read_seqcount_retry(&irqfd->irq_entry_sc.seqcount, seq) || !proxy->followed ||
	       memcmp(&route, &seen, sizeof(route));
}

/* Clear KVM's mark of a mapping, where it is of this host IRQ. Returns whether it was. */
static bool unmark(struct vgic_irq *irq, u32 host_irq)
{
	unsigned long flags;
	bool found;

	raw_spin_lock_irqsave(&irq->irq_lock, flags);
	found = irq->hw && irq->host_irq == host_irq;
	if (found) {
		struct vgic_cpu *cpu = &irq->target_vcpu->arch.vgic_cpu;

		atomic_dec(&cpu->vgic_v3.its_vpe.vlpi_count);
		irq->hw = false;
		irq->host_irq = 0;
	}
	raw_spin_unlock_irqrestore(&irq->irq_lock, flags);
	return found;
}

/*
 * Clear a mark that was there before the module: of a host IRQ that is not mapped to this LPI.
 * its_lock keeps the LPI that the guest's tables lead to.
 */
static void correct_stale_mark(struct kvm *kvm, struct vgic_irq *irq)
{
	struct its_vlpi_map map = { .vm = &kvm->arch.vgic.its_vm, .vintid = irq->intid };
	u32 host_irq = READ_ONCE(irq->host_irq);

	if (irq->hw && !shim_is_forwarded_to(host_irq, &map) && unmark(irq, host_irq))
		broker_count_repair();
}

/* The host IRQ that KVM believes an LPI is mapped to, or 0. */
static u32 mark_of(struct vgic_irq *irq)
{
	unsigned long flags;
	u32 host_irq;

	raw_spin_lock_irqsave(&irq->irq_lock, flags);
	host_irq = irq->hw ? irq->host_irq : 0;
	raw_spin_unlock_irqrestore(&irq->irq_lock, flags);
	return host_irq;
}

/*
 * Has KVM mapped a host IRQ to this LPI that no client has? Where it is the client's own, KVM left
 * it mapped before the module came; that is taken back before anything is granted. its_lock is
 * held.
 */
static bool has_foreign(struct vb_client *client, struct vgic_irq *irq)
{
	struct its_vlpi_map map = { .vm = &kvm_of(client)->arch.vgic.its_vm, .vintid = irq->intid };
	u32 host_irq = mark_of(irq);

	if (!host_irq || !shim_is_forwarded_to(host_irq, &map))
		return false;
	if (broker_is_booked(host_irq, client))
		return false;
	if (host_irq != READ_ONCE(client->host_irq) || !shim_is_its_irq(client, host_irq))
		return true;
	if (!READ_ONCE(client->mapped) && unmark(irq, host_irq)) {
		(*real.unmap_vlpi)(host_irq);
		broker_count_repair();
		broker_count_forced_unmap(client, host_irq);
	}
	return false;
}

/*
 * The vLPI at the end of a client's route to an MSI, and whether a foreign host IRQ is mapped
 * there. Returns what shim_resolve() does.
 *
 * KCSAN reports vgic_its_resolve_lpi(): it reads the bit irq->hw without irq_lock, while a vCPU may
 * change another bit of that byte. That race is KVM's own; it injects its MSIs in this way too.
 */
static int resolve(struct vb_client *client, const struct vb_route *route, u32 *vintid,
		   bool *foreign)
{
	struct kvm *kvm = kvm_of(client);
	struct vgic_irq *irq;
	struct vgic_its *its;
	int ret;

	its = route_to_its(kvm, route);
	if (IS_ERR(its))
		return PTR_ERR(its);
	if (!mutex_trylock(&its->its_lock))
		return -EWOULDBLOCK;
	ret = real.resolve_lpi(kvm, its, route->devid, route->data, &irq);
	if (!ret) {
		*vintid = irq->intid;
		if (COMPAT_UNSET_BY_ROUTE)
			correct_stale_mark(kvm, irq);
		*foreign = has_foreign(client, irq);
	}
	mutex_unlock(&its->its_lock);
	/* Positive: an error code of the emulated ITS. */
	return ret > 0 ? -ENXIO : ret;
}

/**
 * shim_resolve - which vLPI does the route of an irqfd lead to now?
 * @client: of the irqfd.
 * @vintid: INTID of the vLPI.
 * @foreign: whether KVM has mapped a host IRQ to it that no client has.
 *
 * KVM may have cached the translation just before it mapped a foreign host IRQ, as before a grant.
 *
 * Context: process, from the VM's work item; tries KVM's its_lock.
 * Return: 0; -EPROTONOSUPPORT for a route that is not an MSI; -ENXIO where the guest has mapped the
 *	EventID to no LPI; -EBUSY where its ITS or the LPIs of the target are off; -EWOULDBLOCK
 *	where its_lock is taken; or KVM's errno for a doorbell of no ITS.
 */
int shim_resolve(struct vb_client *client, u32 *vintid, bool *foreign)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct vb_route route;
	int ret;

	/* An irqfd that is going keeps the place that it has. */
	if (!snapshot_route(client, &route))
		return VB_UNCHANGED;
	note_seen(proxy, &route);
	proxy->followed = true;
	if (route.type != KVM_IRQ_ROUTING_MSI)
		return -EPROTONOSUPPORT;
	ret = resolve(client, &route, vintid, foreign);
	if (!ret && *foreign)
		real.flush_cache(kvm_of(client));
	proxy->followed = ret != -EWOULDBLOCK;
	return ret;
}

/* --- KVM's belief ---------------------------------------------------------------------------- */

/**
 * shim_get_mark - which host IRQ does KVM believe an LPI is mapped to?
 * @kvm: the VM.
 * @vintid: the LPI.
 *
 * Context: any, without irq_lock. See shim_correct_kvm().
 * Return: the host IRQ, or 0.
 */
u32 shim_get_mark(struct kvm *kvm, u32 vintid)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	struct vgic_irq *irq;
	unsigned long flags;
	u32 host_irq = 0;

	flags = compat_lpis_lock(dist);
	irq = compat_find_lpi(dist, vintid);
	if (irq)
		host_irq = mark_of(irq);
	compat_lpis_unlock(dist, flags);
	return host_irq;
}

/**
 * shim_correct_kvm - clear KVM's mark of a mapping
 * @kvm: the VM.
 * @vintid: the LPI.
 * @host_irq: nothing is changed where the mark is of another one.
 *
 * Up to 6.1 KVM finds an LPI by walking all of the VM's, with interrupts off, and so does this.
 *
 * Context: any; its_lock is held where KVM marks under that alone.
 * Return: whether there was that mark.
 */
bool shim_correct_kvm(struct kvm *kvm, u32 vintid, u32 host_irq)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	struct vgic_irq *irq;
	unsigned long flags;
	bool found = false;

	flags = compat_lpis_lock(dist);
	irq = compat_find_lpi(dist, vintid);
	if (irq)
		found = unmark(irq, host_irq);
	compat_lpis_unlock(dist, flags);
	return found;
}

/* When this returns, a map of this LPI that had passed the gate before has been marked by KVM. */
static void pass_irq_lock(struct kvm *kvm, u32 vintid)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	struct vgic_irq *irq;
	unsigned long flags;

	flags = compat_lpis_lock(dist);
	irq = compat_find_lpi(dist, vintid);
	if (irq) {
		raw_spin_lock(&irq->irq_lock);
		raw_spin_unlock(&irq->irq_lock);
	}
	compat_lpis_unlock(dist, flags);
}

/**
 * shim_wait_until_free - wait until the irqchip is done with a client's host IRQ
 * @client: for which the gate lets nothing through any more.
 *
 * KVM may be about to map or unmap it. The irqchip's own wait for a command is all that this waits
 * for: no lock of KVM's is taken between the count and the irqchip.
 *
 * Context: process; may sleep.
 */
void shim_wait_until_free(struct vb_client *client)
{
	while (atomic_read_acquire(&client->busy))
		usleep_range(10, 100);
}

/* The gate or the watch was not asked. */
static bool hook_is_bypassed;

static void say_bypassed(const char *function)
{
	if (!xchg(&hook_is_bypassed, true))
		pr_err("%s() is called past this module: no other host IRQ is injected directly any more; see who traces or patches it\n",
		       function);
}

/*
 * Unmap what KVM has not. The watch tells the book of each unmap. It has not been asked where the
 * irqchip knows the host IRQ no more: its driver has freed it, or, if that @was_forwarded a moment
 * ago, our hook is bypassed.
 */
static void unmap_rest(struct vb_client *client, u32 host_irq, bool was_forwarded)
{
	struct vb_client *told;

	if (shim_is_forwarded(host_irq))
		(*real.unmap_vlpi)(host_irq);
	if (!READ_ONCE(client->mapped))
		return;
	if (was_forwarded)
		say_bypassed("its_unmap_vlpi");
	broker_unmap_begin(host_irq, current, &told);
	broker_unmap_end(told);
}

/* Where KVM unmaps by the guest's tables: the same, on the LPI that is mapped. */
static int revoke_by_route(struct vb_client *client, u32 host_irq, bool wait)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct vgic_its *its = proxy->granted.its;
	struct kvm *kvm = kvm_of(client);
	struct vgic_irq *irq;
	int ret = 0;

	if (wait)
		mutex_lock(&its->its_lock);
	else if (!mutex_trylock(&its->its_lock))
		return -EWOULDBLOCK;
	if (READ_ONCE(client->mapped)) {
		/* Would KVM's own del have found it? Where it does not, it is looked for. */
		if (real.resolve_lpi(kvm, its, proxy->granted.devid, proxy->granted.eventid,
				     &irq) ||
		    irq->intid != client->mapped_vintid)
			ret = shim_correct_kvm(kvm, client->mapped_vintid, host_irq) ?
			      SHIM_FORCED | SHIM_REPAIRED : SHIM_FORCED;
		else if (!unmark(irq, host_irq))
			ret = SHIM_FORCED;
		unmap_rest(client, host_irq, shim_is_forwarded(host_irq));
	}
	mutex_unlock(&its->its_lock);
	return ret;
}

/* Where KVM unmaps by host IRQ: by its own del, which takes no lock that is held for long. */
static int revoke_by_host_irq(struct vb_client *client, u32 host_irq)
{
	struct vb_route route = granted_route(proxy_of(client));
	struct irq_bypass_producer prod = { .irq = host_irq };
	struct kvm *kvm = kvm_of(client);
	struct kvm_kernel_irqfd irqfd;
	bool was_forwarded;
	int ret = 0;

	route_to_irqfd(&irqfd, kvm, &route);
	/* A map that has passed the gate is marked after it: KVM would not find it before. */
	shim_wait_until_free(client);
	was_forwarded = shim_is_forwarded(host_irq);
	pass_irq_lock(kvm, client->mapped_vintid);
	hook_real(real.del_producer, (*real.del_producer)(&irqfd.consumer, &prod));
	if (shim_correct_kvm(kvm, client->mapped_vintid, host_irq))
		ret |= SHIM_REPAIRED;
	if (READ_ONCE(client->mapped)) {
		ret |= SHIM_FORCED;
		unmap_rest(client, host_irq, was_forwarded);
	}
	return ret;
}

/**
 * shim_revoke - take back what shim_grant() did
 * @client: that is mapped, and marked as being unmapped.
 * @wait: wait for its_lock where KVM marks under that; else try it.
 *
 * The irqchip is asked, and what KVM leaves behind is forced: this can't fail.
 *
 * Context: process; may sleep.
 * Return: SHIM_FORCED, SHIM_REPAIRED, both, or 0; -EWOULDBLOCK where its_lock is taken.
 */
int shim_revoke(struct vb_client *client, bool wait)
{
	u32 host_irq = READ_ONCE(client->host_irq);
	int ret;

	if (COMPAT_UNSET_BY_ROUTE)
		ret = revoke_by_route(client, host_irq, wait);
	else
		ret = revoke_by_host_irq(client, host_irq);
	if (ret >= 0) {
		shim_wait_until_free(client);
		shim_aim(host_irq);
	}
	return ret;
}

static struct vgic_its *irqfd_to_its(struct kvm_kernel_irqfd *irqfd)
{
	struct vb_route route;

	read_route(irqfd, &route);
	return route_to_its(irqfd->kvm, &route);
}

/**
 * shim_is_stuck - would shim_unmap_for_kvm() have to wait for a lock of KVM's?
 * @irqfd: whose host IRQ is to be unmapped.
 *
 * Context: process, inside kvm->irq_srcu.
 * Return: whether its_lock is taken, where that is needed.
 */
bool shim_is_stuck(struct kvm_kernel_irqfd *irqfd)
{
	struct vgic_its *its = irqfd_to_its(irqfd);

	if (!COMPAT_UNSET_BY_ROUTE || IS_ERR(its))
		return false;
	if (!mutex_trylock(&its->its_lock))
		return true;
	mutex_unlock(&its->its_lock);
	return false;
}

/**
 * shim_unmap_for_kvm - unmap a host IRQ that is no client's, and correct KVM
 * @kvm: the VM that it may be forwarded to.
 * @irqfd: leads to the ITS whose its_lock covers KVM's mark; NULL where it is not known: should KVM
 *	unmap at the same time, the watch has the second of the two do nothing.
 * @host_irq: that may be forwarded.
 *
 * Context: process; may sleep.
 * Return: SHIM_FORCED where it was forwarded, SHIM_REPAIRED where KVM had marked it; both, or 0.
 */
int shim_unmap_for_kvm(struct kvm *kvm, struct kvm_kernel_irqfd *irqfd, u32 host_irq)
{
	struct vgic_its *its = irqfd && COMPAT_UNSET_BY_ROUTE ? irqfd_to_its(irqfd) : NULL;
	struct its_vlpi_map map = {};
	int ret = 0;

	if (!IS_ERR_OR_NULL(its))
		mutex_lock(&its->its_lock);
	if (shim_get_vlpi(host_irq, &map) && map.vm == &kvm->arch.vgic.its_vm) {
		ret = SHIM_FORCED;
		if (shim_correct_kvm(kvm, map.vintid, host_irq))
			ret |= SHIM_REPAIRED;
		(*real.unmap_vlpi)(host_irq);
	}
	if (!IS_ERR_OR_NULL(its))
		mutex_unlock(&its->its_lock);
	shim_aim(host_irq);
	return ret;
}

/**
 * shim_unmap_of_dead - unmap a host IRQ that is forwarded to a VM that is gone
 * @host_irq: that is forwarded.
 *
 * On GICv4.0 the irqchip may keep count in what was the VM. On GICv4.1 all vPEs are mapped in every
 * ITS as long as they live, and there is nothing to count.
 *
 * Context: process; may sleep.
 * Return: whether that was possible.
 */
bool shim_unmap_of_dead(u32 host_irq)
{
	if (!gicv4_1)
		return false;
	(*real.unmap_vlpi)(host_irq);
	shim_aim(host_irq);
	return true;
}

/* --- granting -------------------------------------------------------------------------------- */

/**
 * shim_check_grant - can a host IRQ be mapped to the vLPI of a client's route?
 * @client: with a producer.
 * @host_irq: of it.
 * @vintid: that its route led to when it was looked at.
 *
 * To be asked before the guest is halted: a guest could have itself halted for nothing without end.
 *
 * Context: process, from the VM's work item; tries KVM's its_lock.
 * Return: 0; -EREMCHG where the route leads elsewhere by now, or a foreign host IRQ is mapped
 *	there; -EUCLEAN where the host IRQ is still forwarded, to a VM that is gone; -ESTALE where
 *	its driver has freed it; -EOPNOTSUPP where KVM maps nothing for this VM, as its VMM wants;
 *	-EWOULDBLOCK.
 */
int shim_check_grant(struct vb_client *client, u32 host_irq, u32 vintid)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct vb_route route;
	bool foreign = false;
	u32 vintid_now;
	int ret;

	if (!shim_is_its_irq(client, host_irq))
		return -ESTALE;
	/* The irqchip would only move that mapping to another vPE. */
	if (shim_is_forwarded(host_irq))
		return -EUCLEAN;
	/* KVM's add would return 0. */
	if (!real.supports_direct_msis(kvm_of(client)))
		return -EOPNOTSUPP;
	if (!snapshot_route(client, &route) || route.type != KVM_IRQ_ROUTING_MSI)
		return -EREMCHG;
	ret = resolve(client, &route, &vintid_now, &foreign);
	if (ret == -EWOULDBLOCK)
		return ret;
	if (ret || vintid_now != vintid || foreign)
		return -EREMCHG;
	proxy->granted.its = route_to_its(kvm_of(client), &route);
	proxy->granted.devid = route.devid;
	proxy->granted.eventid = route.data;
	return 0;
}

/**
 * shim_grant - have a client's host IRQ mapped to the vLPI of its route
 * @client: for which shim_check_grant() has just returned 0; the gate lets it through.
 * @host_irq: of its producer, which may leave meanwhile.
 *
 * KVM's add returns 0 also where it has mapped nothing: what counts is what has passed the gate. A
 * host IRQ that was forwarded past the gate means that our hook is bypassed.
 *
 * Context: process, from the VM's work item; takes KVM's its_lock.
 * Return: 0, KVM's or the irqchip's errno, or -EPERM where the gate was not asked.
 */
int shim_grant(struct vb_client *client, u32 host_irq)
{
	struct vb_route route = granted_route(proxy_of(client));
	struct irq_bypass_producer prod = { .irq = host_irq };
	struct kvm *kvm = kvm_of(client);
	struct kvm_kernel_irqfd irqfd;
	int ret;

	if (READ_ONCE(hook_is_bypassed))
		return -EPERM;
	route_to_irqfd(&irqfd, kvm, &route);
	ret = (*real.add_producer)(&irqfd.consumer, &prod);
	if (READ_ONCE(client->mapped)) {
		/* KVM caches the translation just before it marks the vLPI as forwarded. */
		real.flush_cache(kvm);
		return ret > 0 ? -ENXIO : ret;
	}
	/* It may have been unmapped again by now. */
	shim_wait_until_free(client);
	if (shim_is_forwarded(host_irq) && !READ_ONCE(client->mapped)) {
		say_bypassed("its_map_vlpi");
		shim_unmap_for_kvm(kvm, NULL, host_irq);
		return -EPERM;
	}
	return ret > 0 ? -ENXIO : ret;
}

/**
 * shim_halt - halt the guest around grants and revokes, as irqbypass has KVM do
 * @kvm: the VM.
 *
 * Correctness does not rest on it: on 5.10 and 6.1 KVM's halting does not nest, and a guest can
 * undo it.
 *
 * Context: process; may sleep.
 */
void shim_halt(struct kvm *kvm)
{
	struct kvm_kernel_irqfd irqfd = { .kvm = kvm };

	(*real.stop)(&irqfd.consumer);
}

/**
 * shim_resume - undo shim_halt()
 * @kvm: the VM.
 *
 * Context: process; may sleep.
 */
void shim_resume(struct kvm *kvm)
{
	struct kvm_kernel_irqfd irqfd = { .kvm = kvm };

	(*real.start)(&irqfd.consumer);
}

/* --- raising --------------------------------------------------------------------------------- */

/* What KVM returns is for a VMM, and ignored: a guest that has the interrupt off gets none. */
static int send_msi(struct kvm *kvm, const struct vb_route *route)
{
	struct kvm_msi msi = route_to_msi(route);
	struct vgic_its *its = real.msi_to_its(kvm, &msi);

	if (!IS_ERR(its)) {
		if (!mutex_trylock(&its->its_lock))
			return -EWOULDBLOCK;
		mutex_unlock(&its->its_lock);
	}
	(*real.send_msi)(kvm, &msi);
	return 0;
}

/* Where the route is no MSI any more, KVM's own work function injects what it leads to, if any. */
static void inject_by_kvm(struct vb_client *client)
{
	struct kvm_kernel_irqfd *irqfd = proxy_of(client)->irqfd;
	struct kvm *kvm = kvm_of(client);
	int idx;

	idx = srcu_read_lock(&kvm->irq_srcu);
	if (broker_is_there(client))
		irqfd->inject.func(&irqfd->inject);
	srcu_read_unlock(&kvm->irq_srcu, idx);
}

/**
 * shim_raise - inject the interrupt of an irqfd
 * @client: of the irqfd, which may be gone by now.
 * @granted: that of the route by which the slot was granted last, and not of its route now.
 *
 * Context: process, from the VM's work item; tries KVM's its_lock.
 * Return: 0 or -EWOULDBLOCK.
 */
int shim_raise(struct vb_client *client, bool granted)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct vb_route route;

	if (granted)
		route = granted_route(proxy);
	else if (!snapshot_route(client, &route))
		route = seen_route(proxy);
	if (route.type == KVM_IRQ_ROUTING_MSI)
		return send_msi(kvm_of(client), &route);
	inject_by_kvm(client);
	return 0;
}

/* Whether the first chip of the hierarchy that can has made an interrupt pending. */
static bool set_pending(struct irq_data *data)
{
	for (; data; data = data->parent_data) {
		struct irq_chip *chip = irq_data_get_irq_chip(data);

		if (chip && chip->irq_set_irqchip_state)
			return !chip->irq_set_irqchip_state(data, IRQCHIP_STATE_PENDING, true);
	}
	return false;
}

/**
 * shim_raise_through - raise the vLPI that a host IRQ is mapped to
 * @holder: of the host IRQ; what keeps it mapped is the slot's raise lock.
 *
 * The ITS sends the vLPI also when the guest has its ITS or its LPIs off, and firmware that takes
 * an LPI it did not ask for can hang. So both are looked at first, as KVM does.
 *
 * This is irq_set_irqchip_state() by the descriptor, since to look that up by its number takes as
 * long as all else here, twice where it is also asked whether it is forwarded. One that its driver
 * has freed has no chip that could.
 *
 * Context: any, with interrupts off; a raw lock is held across an ITS command.
 * Return: whether it was raised.
 */
bool shim_raise_through(struct vb_client *holder)
{
	const struct kvm_vcpu *target = READ_ONCE(holder->target);
	struct vb_proxy *proxy = proxy_of(holder);
	struct irq_desc *desc = proxy->desc;
	bool done;

	if (!READ_ONCE(proxy->granted.its->enabled) || !compat_lpis_enabled(target))
		return false;
	raw_spin_lock(&desc->lock);
	done = is_forwarded(&desc->irq_data) && set_pending(&desc->irq_data);
	raw_spin_unlock(&desc->lock);
	return done;
}
