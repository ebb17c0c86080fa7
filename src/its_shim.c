// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware's side: what KVM and the irqchip believe, and what they are told.
 *
 * The gate replaces its_map_vlpi(), the one way to forward a host IRQ to a guest, and the watch
 * its_unmap_vlpi(), the one way back. Both may run under KVM's its_lock, and on newer kernels under
 * the vgic_irq's raw irq_lock with interrupts off, so there they only ask and tell the ledger.
 *
 * A slot is granted and revoked by KVM's own add and del callbacks, so that KVM keeps its books:
 * vgic_irq.hw and host_irq, and vlpi_count. Afterwards the irqchip is asked, not KVM. KVM may leave
 * a host IRQ forwarded: the guest has its ITS or LPIs off, as during a reboot; its tables lead
 * elsewhere by now; or that kernel's KVM has a bug. Then the shim unmaps the host IRQ and corrects
 * KVM's belief: by a stale hw KVM would later act on that host IRQ number, which another device may
 * have by then. That correction is the only write into a vgic_irq.
 *
 * The fallback raises an interrupt as KVM_SIGNAL_MSI does. While the vLPI is held, KVM raises it
 * through the holder's host IRQ, so that the ITS makes it pending in the hardware whatever the
 * LPI's enable bit says. KVM does so only without a cached translation of the MSI. Hence its cache
 * is emptied after each grant; nothing enters it for a vLPI that is forwarded. All of that sleeps;
 * shim_raise_through() does as much for a wake-up.
 *
 * The irqchip refuses to move a forwarded host IRQ, also away from a CPU that goes offline. So each
 * host IRQ that is unmapped is aimed at an online CPU where it has none.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqchip/arm-gic-v4.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <kvm/arm_vgic.h>

#include "compat.h"
#include "hook.h"
#include "its_shim.h"
#include "proxy.h"

/*
 * What KVM and the irqchip do not export. The first group is declared in public headers, and typeof
 * makes the build fail when a prototype moves. The second is in arch/arm64/kvm/vgic/vgic.h, which
 * is not installed: hook_borrow() compares it with the running kernel's BTF. The first are called
 * through an explicit "*", without which sparse does not know typeof(f) * for a function.
 */
static struct {
	typeof(kvm_arch_irq_bypass_add_producer) *add_producer;
	typeof(kvm_arch_irq_bypass_del_producer) *del_producer;
	typeof(kvm_send_userspace_msi) *send_msi;
	typeof(kvm_vgic_v4_unset_forwarding) *unset_forwarding;
	typeof(kvm_irq_routing_update) *routing_update;
	compat_set_affinity_t *set_affinity;
	typeof(its_map_vlpi) *map_vlpi;
	typeof(its_unmap_vlpi) *unmap_vlpi;
	typeof(its_get_vlpi) *get_vlpi;

	int (*resolve_lpi)(struct kvm *kvm, struct vgic_its *its, u32 devid, u32 eventid,
			   struct vgic_irq **irq);
	struct vgic_its *(*msi_to_its)(struct kvm *kvm, struct kvm_msi *msi);
	void (*flush_cache)(struct kvm *kvm);
	bool (*supports_direct_msis)(struct kvm *kvm);
	int (*lpi_sync_pending)(struct kvm *kvm, struct vgic_irq *irq);
	void (*enable_lpis)(struct kvm_vcpu *vcpu);
} real;

static const struct hook_symbol borrowed[] = {
	{ "kvm_arch_irq_bypass_add_producer", &real.add_producer },
	{ "kvm_arch_irq_bypass_del_producer", &real.del_producer },
	{ "kvm_send_userspace_msi", &real.send_msi },
	{ "kvm_vgic_v4_unset_forwarding", &real.unset_forwarding },
	{ "kvm_irq_routing_update", &real.routing_update },
	{ COMPAT_SET_AFFINITY, &real.set_affinity },
	{ "its_map_vlpi", &real.map_vlpi },
	{ "its_unmap_vlpi", &real.unmap_vlpi },
	{ "its_get_vlpi", &real.get_vlpi },
	{ "vgic_its_resolve_lpi", &real.resolve_lpi,
	  "int(struct kvm *, struct vgic_its *, u32, u32, struct vgic_irq **)" },
	{ "vgic_msi_to_its", &real.msi_to_its,
	  "struct vgic_its *(struct kvm *, struct kvm_msi *)" },
	{ COMPAT_FLUSH_CACHE, &real.flush_cache, "void(struct kvm *)" },
	{ "vgic_supports_direct_msis", &real.supports_direct_msis, "bool(struct kvm *)" },
	{ "vgic_v3_lpi_sync_pending_status", &real.lpi_sync_pending,
	  "int(struct kvm *, struct vgic_irq *)" },
	{ "vgic_enable_lpis", &real.enable_lpis, "void(struct kvm_vcpu *)" },
};

static const struct shim_callbacks *callbacks;

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
 * Is it the ITS that would answer irq_set_vcpu_affinity()? Another chip must not be asked: an SPI
 * becomes forwarded by the question, and doorbells and vSGIs dereference its argument. KVM's own
 * timer interrupts are forwarded too, and are to stay so.
 */
static bool answered_by_its(u32 host_irq)
{
	struct irq_data *data;
	bool its = false;

	rcu_read_lock();
	for (data = irq_get_irq_data(host_irq); data; data = data->parent_data) {
		struct irq_chip *chip = irq_data_get_irq_chip(data);

		if (!chip || !chip->irq_set_vcpu_affinity ||
		    chip->irq_set_vcpu_affinity == irq_chip_set_vcpu_affinity_parent)
			continue;
		its = chip->name && !strcmp(chip->name, "ITS");
		break;
	}
	rcu_read_unlock();
	return its;
}

static bool is_forwarded_to(u32 host_irq, const struct its_vlpi_map *map)
{
	struct its_vlpi_map now = {};

	return shim_is_forwarded(host_irq) && answered_by_its(host_irq) &&
	       !(*real.get_vlpi)(host_irq, &now) && now.vm == map->vm && now.vintid == map->vintid;
}

/* Unmap past the watch, and tell what the watch would have told. reaim() is to follow. */
static void unmap_vlpi(u32 host_irq)
{
	callbacks->unmapped(host_irq);
	hook_real(real.unmap_vlpi, (*real.unmap_vlpi)(host_irq));
}

/*
 * After a host IRQ was unmapped: see that it reaches a CPU. Where its CPU went offline while it was
 * forwarded, the irqchip refused to move it, and the interrupt core does not try again.
 */
static void reaim(u32 host_irq)
{
	const struct cpumask *wanted, *effective;
	struct irq_data *data;

	data = irq_get_irq_data(host_irq);
	if (!data || is_forwarded(data))
		return;
	effective = irq_data_get_effective_affinity_mask(data);
	if (cpumask_empty(effective) || cpumask_intersects(effective, cpu_online_mask))
		return;
	wanted = irq_data_get_affinity_mask(data);
	compat_set_affinity(real.set_affinity, host_irq,
			    cpumask_intersects(wanted, cpu_online_mask) ? wanted : cpu_online_mask);
}

/* --- KVM's belief ---------------------------------------------------------------------------- */

/* Clear KVM's mark where KVM believes that @host_irq is forwarded to one of the VM's LPIs. */
static void correct_kvm(struct kvm *kvm, u32 host_irq)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	struct vgic_irq *irq;
	unsigned long flags;
	bool found = false;

	flags = compat_lpis_lock(dist);
	compat_for_each_lpi(dist, irq) {
		raw_spin_lock(&irq->irq_lock);
		found = irq->hw && irq->host_irq == host_irq;
		if (found) {
			struct vgic_cpu *cpu = &irq->target_vcpu->arch.vgic_cpu;

			atomic_dec(&cpu->vgic_v3.its_vpe.vlpi_count);
			irq->hw = false;
			irq->host_irq = 0;
		}
		raw_spin_unlock(&irq->irq_lock);
		if (found)
			break;
	}
	compat_lpis_unlock(dist, flags);
	if (found)
		callbacks->repair();
}

static struct kvm_msi route_to_msi(const struct kvm_kernel_irq_routing_entry *route)
{
	return (struct kvm_msi) {
		.address_lo = route->msi.address_lo,
		.address_hi = route->msi.address_hi,
		.data = route->msi.data,
		.flags = route->msi.flags,
		.devid = route->msi.devid,
	};
}

static struct vgic_its *route_to_its(struct kvm *kvm,
				     const struct kvm_kernel_irq_routing_entry *route)
{
	struct kvm_msi msi = route_to_msi(route);

	return real.msi_to_its(kvm, &msi);
}

/*
 * Unmap a host IRQ that KVM would not or could not unmap, and correct KVM. This can't fail.
 * @route leads to the ITS whose its_lock covers KVM's mark, and is NULL where it is not known any
 * more: should KVM unmap at the same time, the watch has the second of the two do nothing.
 */
static void unmap_for_kvm(struct kvm *kvm, const struct kvm_kernel_irq_routing_entry *route,
			  u32 host_irq)
{
	struct vgic_its *its = route ? route_to_its(kvm, route) : NULL;

	if (!IS_ERR_OR_NULL(its))
		mutex_lock(&its->its_lock);
	if (!COMPAT_UNSET_BY_ROUTE) {
		callbacks->unmapped(host_irq);
		compat_unset_forwarding(real.unset_forwarding, kvm, host_irq);
	}
	/* What is left: all of it where KVM goes by the route, and where its unset does nothing. */
	correct_kvm(kvm, host_irq);
	if (shim_is_forwarded(host_irq))
		unmap_vlpi(host_irq);
	else
		callbacks->unmapped(host_irq);
	if (!IS_ERR_OR_NULL(its))
		mutex_unlock(&its->its_lock);
}

/* Would KVM, where it goes by the guest's tables, find this host IRQ at the end of the route? */
static bool route_leads_to(struct kvm *kvm, const struct kvm_kernel_irq_routing_entry *route,
			   u32 host_irq)
{
	struct vgic_its *its = route_to_its(kvm, route);
	struct vgic_irq *irq;
	bool leads;

	if (IS_ERR(its))
		return false;
	mutex_lock(&its->its_lock);
	leads = !real.resolve_lpi(kvm, its, route->msi.devid, route->msi.data, &irq) &&
		irq->hw && irq->host_irq == host_irq;
	mutex_unlock(&its->its_lock);
	return leads;
}

/* --- hooks ----------------------------------------------------------------------------------- */

static int gate(int host_irq, struct its_vlpi_map *map)
{
	struct kvm *kvm;
	int ret;

	hook_enter();
	kvm = container_of(map->vm, struct kvm, arch.vgic.its_vm);
	/* An SPI would count as forwarded, and its handler's end would not deactivate it. */
	if (!answered_by_its(host_irq))
		ret = -ENODEV;
	else
		ret = callbacks->gate(host_irq, kvm, map->vintid, is_forwarded_to(host_irq, map));
	if (!ret) {
		ret = hook_real(real.map_vlpi, (*real.map_vlpi)(host_irq, map));
		if (ret)
			callbacks->gate_failed(host_irq);
	}
	hook_leave();
	return ret;
}

static compat_unmap_t watch(int host_irq)
{
	struct its_vlpi_map map = {};
	bool behind;

	hook_enter();
	if (!shim_is_forwarded(host_irq)) {
		/*
		 * Its driver has freed it first, or it was unmapped before. The arbiter is told all
		 * the same; the irqchip would return an error, at which KVM warns.
		 */
		if (callbacks->unmapped(host_irq))
			callbacks->kick();
		hook_leave();
		return COMPAT_UNMAP_DONE;
	}
	if (answered_by_its(host_irq))
		(*real.get_vlpi)(host_irq, &map);
	behind = callbacks->unmapped(host_irq);
	hook_real(real.unmap_vlpi, (*real.unmap_vlpi)(host_irq));
	if (behind) {
		/*
		 * Where KVM goes by the route, a DISCARD leaves its mark: KVM would raise an MSI to
		 * this LPI through a host IRQ that is a physical interrupt again, whose handler
		 * signals the irqfd, which raises the MSI again. The caller has its_lock.
		 */
		if (COMPAT_UNSET_BY_ROUTE && map.vm)
			correct_kvm(container_of(map.vm, struct kvm, arch.vgic.its_vm), host_irq);
		callbacks->kick();
	}
	hook_leave();
	return COMPAT_UNMAP_DONE;
}

/*
 * KVM's del, called by irqbypass and not by the shim: for an irqfd that was assigned before the
 * module was loaded and is being taken over, or for one that there was no memory to give a proxy.
 * KVM's own del would at best do what is done here; up to 6.12 it takes a waiter for the holder.
 */
static void del_producer(struct irq_bypass_consumer *cons, struct irq_bypass_producer *prod)
{
	struct kvm_kernel_irqfd *irqfd = container_of(cons, struct kvm_kernel_irqfd, consumer);

	hook_enter();
	if (shim_is_forwarded(prod->irq))
		unmap_for_kvm(irqfd->kvm, &irqfd->irq_entry, prod->irq);
	reaim(prod->irq);
	hook_leave();
}

static void vm_changed(struct kvm *kvm)
{
	if (callbacks->vm_changed(kvm))
		callbacks->kick();
}

/* KVM's own arch hook for a changed route is dead code on arm64. Called under kvm->irq_lock. */
static void routing_update(struct kvm *kvm)
{
	hook_enter();
	hook_real(real.routing_update, (*real.routing_update)(kvm));
	/* What is raised once the VMM goes on has to arrive at the new route, so not later. */
	callbacks->routes_changed(kvm);
	hook_leave();
}

/* The guest maps an event to an LPI that is new. Called under its_lock. */
static int lpi_sync_pending(struct kvm *kvm, struct vgic_irq *irq)
{
	int ret;

	hook_enter();
	ret = hook_real(real.lpi_sync_pending, real.lpi_sync_pending(kvm, irq));
	vm_changed(kvm);
	hook_leave();
	return ret;
}

/* The guest enables a redistributor's LPIs. */
static void enable_lpis(struct kvm_vcpu *vcpu)
{
	hook_enter();
	hook_real(real.enable_lpis, real.enable_lpis(vcpu));
	vm_changed(vcpu->kvm);
	hook_leave();
}

static const struct hook hooks[] = {
	{ "its_unmap_vlpi", &real.unmap_vlpi, watch },
	{ "its_map_vlpi", &real.map_vlpi, gate },
	{ "kvm_arch_irq_bypass_del_producer", &real.del_producer, del_producer },
	{ "vgic_v3_lpi_sync_pending_status", &real.lpi_sync_pending, lpi_sync_pending },
	{ "vgic_enable_lpis", &real.enable_lpis, enable_lpis },
	{ "kvm_irq_routing_update", &real.routing_update, routing_update },
};

static struct hook_set hook_set = { .hooks = hooks, .nr = ARRAY_SIZE(hooks) };

/**
 * shim_remove_hooks - undo shim_init()
 *
 * Context: process; may sleep. hook_drain() has to follow.
 */
void shim_remove_hooks(void)
{
	hook_remove(&hook_set);
}

/*
 * Would KVM map anything? A variable says so, which can't be found on a kernel without
 * KALLSYMS_ALL. But KVM says so of a VM too, and looks at no more of it than whether it has a vITS.
 */
static int check_gicv4(void)
{
	struct kvm *kvm = kvzalloc(sizeof(*kvm), GFP_KERNEL);
	bool direct;

	if (!kvm)
		return -ENOMEM;
	kvm->arch.vgic.vgic_model = KVM_DEV_TYPE_ARM_VGIC_V3;
	kvm->arch.vgic.has_its = true;
	direct = real.supports_direct_msis(kvm);
	kvfree(kvm);
	if (direct)
		return 0;
	pr_err("KVM does not inject interrupts directly here, so there is nothing to broker: boot a GICv4 host with kvm-arm.vgic_v4_enable=1\n");
	return -ENODEV;
}

/**
 * shim_init - find what is needed of KVM, and put the gate and the watches in place
 * @shim_callbacks: called by the hooks; must stay until hook_drain() has returned.
 *
 * Context: process; may sleep.
 * Return: 0, or an errno after one line that says what is missing; then nothing has changed, but
 *	hook_drain() has to follow.
 */
int shim_init(const struct shim_callbacks *shim_callbacks)
{
	int ret;

	callbacks = shim_callbacks;
	ret = hook_borrow(borrowed, ARRAY_SIZE(borrowed));
	if (!ret)
		ret = check_gicv4();
	if (!ret)
		ret = hook_install(&hook_set);
	return ret;
}

/* --- what the arbiter asks for --------------------------------------------------------------- */

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

/**
 * shim_is_leaving - tell an irqfd that is going from one that stays
 * @client: of the irqfd.
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

static void snapshot_route(struct kvm_kernel_irqfd *irqfd,
			   struct kvm_kernel_irq_routing_entry *route)
{
	unsigned int seq;

	do {
		seq = read_seqcount_begin(&irqfd->irq_entry_sc);
		*route = irqfd->irq_entry;
	} while (read_seqcount_retry(&irqfd->irq_entry_sc, seq));
}

/**
 * shim_route_changed - does the route of an irqfd differ from when it was resolved last?
 * @client: of the irqfd.
 *
 * Context: process.
 * Return: whether shim_resolve() may say something else because of it.
 */
bool shim_route_changed(struct vb_client *client)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct kvm_kernel_irq_routing_entry *seen = &proxy->seen, route;

	snapshot_route(proxy->irqfd, &route);
	if (route.type != seen->type)
		return true;
	return route.type == KVM_IRQ_ROUTING_MSI &&
	       (route.msi.address_lo != seen->msi.address_lo ||
		route.msi.address_hi != seen->msi.address_hi ||
		route.msi.data != seen->msi.data || route.msi.devid != seen->msi.devid ||
		route.msi.flags != seen->msi.flags);
}

/*
 * The vLPI at the end of a route to an MSI. Returns what shim_resolve() does.
 *
 * KCSAN reports vgic_its_resolve_lpi(): it reads the bit irq->hw without irq_lock, while a vCPU may
 * change another bit of that byte. That race is KVM's own; it injects its MSIs in this way too.
 */
static int resolve(struct kvm *kvm, const struct kvm_kernel_irq_routing_entry *route, u32 *vintid)
{
	struct vgic_irq *irq;
	struct vgic_its *its;
	int ret;

	its = route_to_its(kvm, route);
	if (IS_ERR(its))
		return PTR_ERR(its);
	mutex_lock(&its->its_lock);
	ret = real.resolve_lpi(kvm, its, route->msi.devid, route->msi.data, &irq);
	if (!ret)
		*vintid = irq->intid;
	mutex_unlock(&its->its_lock);
	/* Positive: an error code of the emulated ITS. */
	return ret > 0 ? -ENXIO : ret;
}

/*
 * Note what shim_raise_through() looks at. Once the ITS is unlocked the guest may have the LPI
 * freed, unless it is mapped: then it lives until the watch has seen it unmapped.
 */
static void note_granted(struct vb_proxy *proxy)
{
	struct kvm_kernel_irq_routing_entry *route = &proxy->granted.irq_entry;
	struct vgic_irq *irq;
	struct vgic_its *its;
	unsigned long flags;

	proxy->granted_irq = NULL;
	its = route_to_its(proxy->kvm, route);
	if (IS_ERR(its))
		return;
	mutex_lock(&its->its_lock);
	if (!real.resolve_lpi(proxy->kvm, its, route->msi.devid, route->msi.data, &irq)) {
		raw_spin_lock_irqsave(&irq->irq_lock, flags);
		if (irq->hw && irq->host_irq == proxy->prod->irq) {
			proxy->granted_its = its;
			proxy->granted_irq = irq;
		}
		raw_spin_unlock_irqrestore(&irq->irq_lock, flags);
	}
	mutex_unlock(&its->its_lock);
}

/**
 * shim_resolve - which vLPI does the route of an irqfd lead to now?
 * @client: of the irqfd.
 * @vintid: INTID of the vLPI.
 *
 * Context: process; takes KVM's its_lock.
 * Return: 0; -EPROTONOSUPPORT for a route that is not an MSI; -ENXIO where the guest has mapped the
 *	EventID to no LPI; -EBUSY where its ITS or the LPIs of the target are off; or KVM's errno
 *	for a doorbell of no ITS.
 */
int shim_resolve(struct vb_client *client, u32 *vintid)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct kvm_kernel_irq_routing_entry *route = &proxy->seen;

	snapshot_route(proxy->irqfd, route);
	if (route->type != KVM_IRQ_ROUTING_MSI) {
		client->devid = 0;
		client->eventid = 0;
		return -EPROTONOSUPPORT;
	}
	client->devid = route->msi.devid;
	client->eventid = route->msi.data;
	return resolve(proxy->kvm, route, vintid);
}

/**
 * shim_grant - have a client's host IRQ mapped to the vLPI of its route
 * @client: with a producer; the gate lets it through.
 * @vintid: that its route led to when it was resolved.
 *
 * KVM's add returns 0 also where it has mapped nothing, so the caller asks what passed the gate.
 *
 * Context: process, irqbypass's mutex held; takes KVM's its_lock.
 * Return: 0; -EAGAIN where the route leads elsewhere by now; or KVM's errno.
 */
int shim_grant(struct vb_client *client, u32 vintid)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct irq_bypass_consumer *kvm_cons = &proxy->irqfd->consumer;
	struct irq_bypass_consumer *cons = &proxy->granted.consumer;
	u32 vintid_now;
	int ret;

	proxy->granted.kvm = proxy->kvm;
	snapshot_route(proxy->irqfd, &proxy->granted.irq_entry);
	/* Before the guest is halted: a guest could have itself halted for nothing without end. */
	if (proxy->granted.irq_entry.type != KVM_IRQ_ROUTING_MSI ||
	    resolve(proxy->kvm, &proxy->granted.irq_entry, &vintid_now) || vintid_now != vintid)
		return -EAGAIN;

	if (kvm_cons->stop)
		kvm_cons->stop(cons);
	ret = (*real.add_producer)(cons, proxy->prod);
	note_granted(proxy);
	/* KVM caches the translation just before it marks the vLPI as forwarded. */
	real.flush_cache(proxy->kvm);
	if (kvm_cons->start)
		kvm_cons->start(cons);
	return ret > 0 ? -ENXIO : ret;
}

/**
 * shim_revoke - have KVM take back what shim_grant() did
 * @client: as given to shim_grant().
 *
 * The host IRQ may still be forwarded. The caller looks, and then calls shim_force_unmap() if it
 * is, or else shim_was_unmapped().
 *
 * Context: process, irqbypass's mutex held; takes KVM's its_lock.
 */
void shim_revoke(struct vb_client *client)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct irq_bypass_consumer *kvm_cons = &proxy->irqfd->consumer;
	struct irq_bypass_consumer *cons = &proxy->granted.consumer;

	if (kvm_cons->stop)
		kvm_cons->stop(cons);
	/*
	 * Where KVM goes by the guest's tables, it unmaps this host IRQ whichever vLPI they lead to
	 * now, clears the mark of that vLPI, and warns if the mark was of another host IRQ.
	 */
	if (!COMPAT_UNSET_BY_ROUTE ||
	    route_leads_to(proxy->kvm, &proxy->granted.irq_entry, client->host_irq))
		hook_real(real.del_producer, (*real.del_producer)(cons, proxy->prod));
	if (kvm_cons->start)
		kvm_cons->start(cons);
}

/**
 * shim_force_unmap - unmap what KVM left forwarded
 * @client: as given to shim_revoke().
 *
 * Context: process, irqbypass's mutex held; takes KVM's its_lock.
 */
void shim_force_unmap(struct vb_client *client)
{
	struct vb_proxy *proxy = proxy_of(client);

	unmap_for_kvm(proxy->kvm, &proxy->granted.irq_entry, client->host_irq);
	reaim(client->host_irq);
	callbacks->forced_unmap(client->host_irq);
}

/**
 * shim_was_unmapped - KVM has unmapped a client's host IRQ by itself
 * @client: with a producer, as given to shim_grant().
 *
 * The watch tells before the irqchip acts, and KVM holds its_lock until the irqchip has. This waits
 * for that lock, so that no host IRQ is still forwarded when its producer is gone, or mistaken for
 * a stray. Then it aims the host IRQ, which is not possible under KVM's locks.
 *
 * Context: process, irqbypass's mutex held; takes KVM's its_lock.
 */
void shim_was_unmapped(struct vb_client *client)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct vgic_its *its = route_to_its(proxy->kvm, &proxy->granted.irq_entry);

	if (!IS_ERR(its)) {
		mutex_lock(&its->its_lock);
		mutex_unlock(&its->its_lock);
	}
	reaim(client->host_irq);
}

/* What KVM returns is for a VMM, and ignored: a guest that has the interrupt off gets none. */
static void send_msi(struct kvm *kvm, const struct kvm_kernel_irq_routing_entry *route)
{
	struct kvm_msi msi = route_to_msi(route);

	(*real.send_msi)(kvm, &msi);
}

/**
 * shim_raise - inject the interrupt of an irqfd
 * @client: of the irqfd.
 *
 * Where the route has changed since the signal and is no MSI any more, KVM's own work function
 * injects what it leads to now, if anything.
 *
 * Context: process, without irqbypass's mutex; KVM does not free the irqfd meanwhile; takes KVM's
 *	its_lock.
 */
void shim_raise(struct vb_client *client)
{
	struct vb_proxy *proxy = proxy_of(client);
	struct kvm_kernel_irq_routing_entry route;

	snapshot_route(proxy->irqfd, &route);
	if (route.type == KVM_IRQ_ROUTING_MSI)
		send_msi(proxy->kvm, &route);
	else
		proxy->irqfd->inject.func(&proxy->irqfd->inject);
}

/**
 * shim_raise_granted - inject the MSI of the route that an irqfd was last granted by
 * @client: of the irqfd; its route may have changed since.
 *
 * Context: process; takes KVM's its_lock.
 */
void shim_raise_granted(struct vb_client *client)
{
	struct vb_proxy *proxy = proxy_of(client);

	send_msi(proxy->kvm, &proxy->granted.irq_entry);
}

/**
 * shim_raise_through - raise the vLPI that a host IRQ is mapped to
 * @holder: of the host IRQ; what keeps it mapped is the slot's raise lock.
 *
 * The ITS sends the vLPI also when the guest has its ITS or its LPIs off, and firmware that takes
 * an LPI it did not ask for can hang. So both are looked at first, as KVM does.
 *
 * Context: any; a raw lock is held across an ITS command.
 * Return: whether it was raised.
 */
bool shim_raise_through(struct vb_client *holder)
{
	struct vb_proxy *proxy = proxy_of(holder);
	struct kvm_vcpu *target;

	if (!proxy->granted_irq || !READ_ONCE(proxy->granted_its->enabled))
		return false;
	target = READ_ONCE(proxy->granted_irq->target_vcpu);
	if (!target || !compat_lpis_enabled(target) || !shim_is_forwarded(holder->host_irq))
		return false;
	return !irq_set_irqchip_state(holder->host_irq, IRQCHIP_STATE_PENDING, true);
}

/* --- what was there before the module -------------------------------------------------------- */

struct vm_list {
	struct kvm **vms;
	unsigned int nr;
	unsigned int room;
};

/* A VM is reached through the files of its VMM: the VM's own, or that of one of its vCPUs. */
static struct kvm *file_to_kvm(struct file *file)
{
	const char *name = file->f_path.dentry->d_name.name;

	if (file_inode(file)->i_sb->s_magic != ANON_INODE_FS_MAGIC)
		return NULL;
	if (!strcmp(name, "kvm-vm"))
		return file->private_data;
	if (!strncmp(name, "kvm-vcpu:", 9))
		return ((struct kvm_vcpu *)file->private_data)->kvm;
	return NULL;
}

static int note_vm(const void *arg, struct file *file, unsigned int fd)
{
	struct vm_list *list = (struct vm_list *)arg;
	struct kvm *kvm = file_to_kvm(file);
	unsigned int i;

	if (!kvm)
		return 0;
	for (i = 0; i < list->nr && i < list->room; i++)
		if (list->vms[i] == kvm)
			return 0;
	if (list->nr < list->room) {
		if (!compat_kvm_get_safe(kvm))
			return 0;
		list->vms[list->nr] = kvm;
	}
	list->nr++;
	return 0;
}

static void put_vms(struct vm_list *list)
{
	unsigned int i;

	for (i = 0; i < list->nr && i < list->room; i++)
		kvm_put_kvm(list->vms[i]);
	kvfree(list->vms);
}

static void list_vms(struct vm_list *list)
{
	struct task_struct *process, *task;

	rcu_read_lock();
	for_each_process(process) {
		/* for_each_thread() needs tasklist_lock, not exported, where lists are checked. */
		list_for_each_entry_rcu(task, &process->signal->thread_head, thread_node) {
			task_lock(task);
			if (task->files)
				iterate_fd(task->files, 0, note_vm, list);
			task_unlock(task);
		}
	}
	rcu_read_unlock();
}

/* Fill @list, with a reference to each VM, for put_vms() to drop. */
static int get_vms(struct vm_list *list)
{
	*list = (struct vm_list){};
	do {
		put_vms(list);
		/* As many as there were a moment ago, and some that may have come since. */
		list->room = list->nr + 16;
		list->nr = 0;
		list->vms = kvcalloc(list->room, sizeof(*list->vms), GFP_KERNEL);
		if (!list->vms)
			return -ENOMEM;
		list_vms(list);
	} while (list->nr > list->room);
	return 0;
}

/**
 * shim_each_vm - call a function for each VM on this host
 * @fn: called with a reference to the VM held; it may sleep; an errno of it ends the walk.
 *
 * Context: process; may sleep.
 * Return: 0, -ENOMEM, or what @fn returned.
 */
int shim_each_vm(int (*fn)(struct kvm *kvm))
{
	struct vm_list list;
	unsigned int i;
	int ret;

	ret = get_vms(&list);
	if (ret)
		return ret;
	for (i = 0; !ret && i < list.nr; i++)
		ret = fn(list.vms[i]);
	put_vms(&list);
	return ret;
}

/**
 * shim_cure_strays - unmap host IRQs that are forwarded and not in the ledger
 * @is_known: whether a host IRQ is in the ledger.
 * @dead: called for each host IRQ that is forwarded to a VM that is gone. It is left alone: the
 *	irqchip may follow its dangling pointer to that VM.
 *
 * Up to 6.1 KVM leaves such host IRQs behind at each reboot of a guest that shares a vector.
 *
 * Context: process, irqbypass's mutex held; may sleep.
 * Return: 0 or -ENOMEM.
 */
int shim_cure_strays(bool (*is_known)(u32 host_irq), void (*dead)(u32 host_irq))
{
	struct vm_list list;
	unsigned int i;
	u32 host_irq;
	int ret;

	ret = get_vms(&list);
	if (ret)
		return ret;
	for (host_irq = 0; host_irq < compat_nr_irqs(); host_irq++) {
		struct its_vlpi_map map = {};

		if (!shim_is_forwarded(host_irq) || is_known(host_irq) ||
		    !answered_by_its(host_irq) || (*real.get_vlpi)(host_irq, &map))
			continue;
		for (i = 0; i < list.nr; i++)
			if (&list.vms[i]->arch.vgic.its_vm == map.vm)
				break;
		if (i == list.nr) {
			dead(host_irq);
			continue;
		}
		unmap_for_kvm(list.vms[i], NULL, host_irq);
		reaim(host_irq);
		callbacks->forced_unmap(host_irq);
	}
	put_vms(&list);
	return 0;
}
