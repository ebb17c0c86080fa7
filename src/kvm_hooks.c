// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM and the ITS driver do, seen as they do it.
 *
 * The gate replaces its_map_vlpi(), the one way to forward a host IRQ to a guest, and the watch
 * its_unmap_vlpi(), the one way back. Both may run under KVM's its_lock, and on newer kernels under
 * the vgic_irq's raw irq_lock with interrupts off, so they only ask and tell the book.
 *
 * KVM_IRQFD and KVM_SET_GSI_ROUTING are replaced for two things: what an irqfd needs is allocated
 * before KVM takes a lock, and both return with the VM settled, as they do without this module.
 *
 * What may change where a route leads to, or whether it leads anywhere, only queues the VM's work
 * item: the guest's commands, its ITS and its LPIs switched on or off, tables restored. KVM_IRQFD
 * and the routes tell by themselves. While pending tables are saved the work item is held off where
 * KVM unmaps the vPEs for that.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/sched.h>
#include <linux/irqchip/arm-gic-v4.h>
#include <kvm/arm_vgic.h>

#include "broker.h"
#include "compat.h"
#include "fallback.h"
#include "hook.h"
#include "irqbypass_hook.h"
#include "its_shim.h"
#include "kvm_hooks.h"
#include "proxy.h"
#include "symbols.h"
#include "vm.h"

/* See the table of its_shim.c, which is of the same kind. */
static struct {
	typeof(its_map_vlpi) *map_vlpi;
	typeof(its_unmap_vlpi) *unmap_vlpi;
	typeof(kvm_arch_irq_bypass_del_producer) *del_producer;
	typeof(kvm_irqfd) *irqfd;
	typeof(kvm_set_irq_routing) *set_irq_routing;

	void (*enable_lpis)(struct kvm_vcpu *vcpu);
	void (*write_cwriter)(struct kvm *kvm, struct vgic_its *its, gpa_t addr, unsigned int len,
			      unsigned long val);
	void (*write_ctlr)(struct kvm *kvm, struct vgic_its *its, gpa_t addr, unsigned int len,
			   unsigned long val);
	int (*restore_tables)(struct vgic_its *its);
	int (*save_pending)(struct kvm *kvm);
	void (*inject)(struct work_struct *work);
} real;

#define WRITE_ITS "void(struct kvm *, struct vgic_its *, gpa_t, unsigned int, long unsigned int)"
#define ITS_WRITER "vgic_register_region.its_write"

static const struct symbol borrowed[] = {
	{ "its_map_vlpi", &real.map_vlpi },
	{ "its_unmap_vlpi", &real.unmap_vlpi },
	{ "kvm_arch_irq_bypass_del_producer", &real.del_producer },
	{ "kvm_irqfd", &real.irqfd },
	{ "kvm_set_irq_routing", &real.set_irq_routing },
	{ "vgic_enable_lpis", &real.enable_lpis, "void(struct kvm_vcpu *)" },
	{ "vgic_mmio_write_its_cwriter", &real.write_cwriter, WRITE_ITS, ITS_WRITER },
	{ "vgic_mmio_write_its_ctlr", &real.write_ctlr, WRITE_ITS, ITS_WRITER },
	{ "vgic_its_restore_tables_v0", &real.restore_tables, "int(struct vgic_its *)",
	  "vgic_its_abi.restore_tables" },
	{ "vgic_v3_save_pending_tables", &real.save_pending, "int(struct kvm *)" },
	{ "irqfd_inject", &real.inject, "void(struct work_struct *)", "work_struct.func" },
};

/* A VM without vPEs or property table makes the irqchip follow NULL. */
static bool is_ready(const struct its_vm *its_vm)
{
	return its_vm->vpes && its_vm->nr_vpes && its_vm->vprop_page;
}

/* Up to 6.1 KVM would map a second one to a vLPI. Its mark is looked at, under its_lock. */
static bool has_one(struct kvm *kvm, const struct its_vlpi_map *map)
{
	u32 host_irq = COMPAT_UNSET_BY_ROUTE ? shim_get_mark(kvm, map->vintid) : 0;

	return host_irq && shim_is_forwarded_to(host_irq, map);
}

/* A VM with irqfds and no record was not taken over: what is mapped may be for one of those. */
static enum vb_ask asks_for(struct kvm *kvm, bool known, int host_irq,
			    const struct its_vlpi_map *map)
{
	if (shim_is_forwarded_to(host_irq, map))
		return VB_ASK_MOVE;
	if ((!known && !list_empty(&kvm->irqfds.items)) || broker_is_booked(host_irq, NULL) ||
	    shim_is_forwarded(host_irq) || has_one(kvm, map))
		return VB_ASK_MAP;
	return VB_ASK_FOREIGN;
}

static int gate(int host_irq, struct its_vlpi_map *map)
{
	struct kvm *kvm = container_of(map->vm, struct kvm, arch.vgic.its_vm);
	struct vb_client *client = NULL;
	enum vb_ask ask;
	struct vm *vm;
	int ret;

	hook_enter();
	vm = vm_find(kvm);
	ask = asks_for(kvm, vm, host_irq, map);
	/* An SPI would count as forwarded, and its handler's end would not deactivate it. */
	if (!shim_is_answered_by_its(host_irq) || !is_ready(map->vm))
		ret = -ENODEV;
	else
		ret = broker_gate(vm ? &vm->book : NULL, current, host_irq, map->vintid,
				  container_of(map->vpe, struct kvm_vcpu,
					       arch.vgic_cpu.vgic_v3.its_vpe),
				  ask, &client);
	if (!ret) {
		/* Its driver may have freed it since the grant began. */
		if (client && !shim_is_its_irq(client, host_irq))
			ret = -ESTALE;
		else
			ret = hook_real(real.map_vlpi, (*real.map_vlpi)(host_irq, map));
		broker_gate_done(client, ret);
		if (ret && ask == VB_ASK_FOREIGN)
			broker_foreign_is_gone(vm ? &vm->book : NULL, map->vintid, NULL);
	}
	if (vm)
		vm_put(vm);
	hook_leave();
	return ret;
}

/*
 * KVM has unmapped behind our back, and may have left its books as they were. Where it goes by the
 * route, its mark stays: KVM would raise an MSI to this LPI through a host IRQ that is a physical
 * interrupt again, whose handler signals the irqfd, which raises the MSI again. Elsewhere its count
 * of the vCPU's mappings stays.
 */
static void correct_after(const struct its_vlpi_map *map, int host_irq)
{
	struct kvm *kvm = container_of(map->vm, struct kvm, arch.vgic.its_vm);

	if (!COMPAT_UNSET_BY_ROUTE)
		atomic_dec_if_positive(&map->vpe->vlpi_count);
	else if (shim_correct_kvm(kvm, map->vintid, host_irq))
		broker_count_repair();
}

/* KVM has unmapped a host IRQ that no client has. Its VM is compared, not followed. */
static void tell_foreign(const struct its_vlpi_map *map, int host_irq)
{
	struct vm *vm = vm_find(container_of(map->vm, struct kvm, arch.vgic.its_vm));

	broker_foreign_is_gone(vm ? &vm->book : NULL, map->vintid, shim_device(host_irq));
	if (vm)
		vm_put(vm);
}

static compat_unmap_t watch(int host_irq)
{
	struct its_vlpi_map map = {};
	struct vb_client *client;
	bool behind, mapped;

	hook_enter();
	mapped = shim_get_vlpi(host_irq, &map);
	behind = broker_unmap_begin(host_irq, current, &client);
	/*
	 * Its driver may have freed it first, or it was unmapped before: the irqchip would return
	 * an error, at which KVM warns.
	 */
	if (shim_is_forwarded(host_irq))
		hook_real(real.unmap_vlpi, (*real.unmap_vlpi)(host_irq));
	if (behind && mapped)
		correct_after(&map, host_irq);
	if (!client && mapped)
		tell_foreign(&map, host_irq);
	broker_unmap_end(client);
	hook_leave();
	return COMPAT_UNMAP_DONE;
}

/*
 * KVM's del, called by irqbypass and not by the shim: for an irqfd that was assigned before the
 * module was loaded and is being taken over. KVM's own del would at best do what is done here; up
 * to 6.12 it takes a waiter for the holder.
 */
static void del_producer(struct irq_bypass_consumer *cons, struct irq_bypass_producer *prod)
{
	struct kvm_kernel_irqfd *irqfd = container_of(cons, struct kvm_kernel_irqfd, consumer);

	hook_enter();
	if (shim_unmap_for_kvm(irqfd->kvm, irqfd, prod->irq) & SHIM_REPAIRED)
		broker_count_repair();
	hook_put();
}

static int irqfd(struct kvm *kvm, struct kvm_irqfd *args)
{
	struct bypass_prepared prepared;
	bool assigns = !(args->flags & KVM_IRQFD_FLAG_DEASSIGN) && bypass_is_hooked();
	struct vm *vm;
	int ret;

	hook_enter();
	/* KVM lets only the VMM's own threads call this. */
	vm = assigns ? vm_find_or_new(kvm, task_tgid_nr(current), current->group_leader->comm) :
		       vm_find(kvm);
	/* As without memory of KVM's own for it. With no record nobody would come back to it. */
	ret = PTR_ERR_OR_ZERO(vm);
	if (ret)
		goto out;
	if (vm && assigns)
		bypass_prepare(&prepared, vm);
	ret = hook_real(real.irqfd, (*real.irqfd)(kvm, args));
	if (vm && assigns) {
		bypass_done(&prepared);
		if (!ret && prepared.missed) {
			pr_warn_once("irq_bypass_register_consumer() is called past this module: its callers are found afterwards; see who traces or patches it\n");
			vm_take_over(vm);
		}
	}
	if (vm) {
		vm_wait_settled(vm);
		vm_put(vm);
	}
out:
	hook_put();
	return ret;
}

/* KVM itself sets routes when it initialises the vgic, under a lock that others wait for. */
static int set_irq_routing(struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			   unsigned int nr, unsigned int flags)
{
	struct vm *vm;
	int ret;

	hook_enter();
	ret = hook_real(real.set_irq_routing, (*real.set_irq_routing)(kvm, entries, nr, flags));
	vm = vm_find(kvm);
	if (vm) {
		broker_changed(&vm->book, VB_WALK_ROUTES);
		/* What is raised once the VMM goes on has to arrive at the new route. */
		if (kvm->arch.vgic.initialized)
			vm_wait_settled(vm);
		vm_put(vm);
	}
	hook_put();
	return ret;
}

/* The real one may fault on the guest's pending table for ever; LPIs count as enabled before it. */
static void enable_lpis(struct kvm_vcpu *vcpu)
{
	hook_enter();
	vm_changed(vcpu->kvm);
	hook_real(real.enable_lpis, real.enable_lpis(vcpu));
	hook_put();
}

/* The guest has queued commands, or the VMM has for it. */
static void write_cwriter(struct kvm *kvm, struct vgic_its *its, gpa_t addr, unsigned int len,
			  unsigned long val)
{
	hook_enter();
	hook_real(real.write_cwriter, real.write_cwriter(kvm, its, addr, len, val));
	vm_changed(kvm);
	hook_put();
}

static void write_ctlr(struct kvm *kvm, struct vgic_its *its, gpa_t addr, unsigned int len,
		       unsigned long val)
{
	hook_enter();
	hook_real(real.write_ctlr, real.write_ctlr(kvm, its, addr, len, val));
	vm_changed(kvm);
	hook_put();
}

static int restore_tables(struct vgic_its *its)
{
	int ret;

	hook_enter();
	ret = hook_real(real.restore_tables, real.restore_tables(its));
	vm_changed(its->dev->kvm);
	hook_put();
	return ret;
}

/*
 * What is mapped to a vPE that KVM has unmapped for this, or raised for it, is lost. It holds locks
 * of the VM here, none of which a step takes.
 */
static int save_pending(struct kvm *kvm)
{
	struct vm *vm;
	int ret;

	hook_enter();
	vm = shim_unmaps_vpes_to_save() ? vm_find(kvm) : NULL;
	if (vm)
		vm_hold_off(vm);
	ret = hook_real(real.save_pending, real.save_pending(kvm));
	if (vm) {
		vm_go_on(vm);
		vm_put(vm);
	}
	hook_put();
	return ret;
}

/*
 * KVM's own injection, queued for a signal that it serves. It waits for its_lock, which a VM can
 * make last for ever, and the end of the irqfd waits for it, and every other VM's for that.
 */
static void inject(struct work_struct *work)
{
	struct kvm_kernel_irqfd *irqfd = container_of(work, struct kvm_kernel_irqfd, inject);
	struct vb_proxy *proxy;

	hook_enter();
	proxy = fallback_proxy(irqfd);
	if (READ_ONCE(irqfd->irq_entry.type) != KVM_IRQ_ROUTING_MSI)
		hook_real(real.inject, real.inject(work));
	else if (proxy)
		broker_inject(&proxy->client);
	else if (!bypass_inject_when_assigned(irqfd->kvm))
		hook_real(real.inject, real.inject(work));
	hook_put();
}

static const struct hook hooks[] = {
	{ "its_unmap_vlpi", &real.unmap_vlpi, watch },
	{ "its_map_vlpi", &real.map_vlpi, gate },
	{ "kvm_arch_irq_bypass_del_producer", &real.del_producer, del_producer, true },
	{ "kvm_irqfd", &real.irqfd, irqfd, true },
	{ "kvm_set_irq_routing", &real.set_irq_routing, set_irq_routing, true },
	{ "vgic_enable_lpis", &real.enable_lpis, enable_lpis, true },
	{ "vgic_mmio_write_its_cwriter", &real.write_cwriter, write_cwriter, true },
	{ "vgic_mmio_write_its_ctlr", &real.write_ctlr, write_ctlr, true },
	{ "vgic_its_restore_tables_v0", &real.restore_tables, restore_tables, true },
	{ "vgic_v3_save_pending_tables", &real.save_pending, save_pending, true },
	{ "irqfd_inject", &real.inject, inject, true },
};

static struct hook_set hook_set = { .hooks = hooks, .nr = ARRAY_SIZE(hooks) };

/**
 * kvm_hooks_init - put the gate and the watches in place
 *
 * Context: process; may sleep.
 * Return: 0, or an errno after one line that says what is missing; then nothing has changed, but
 *	hook_drain() has to follow.
 */
int kvm_hooks_init(void)
{
	int ret;

	ret = symbols_find(borrowed, ARRAY_SIZE(borrowed));
	return ret ?: hook_install(&hook_set);
}

/**
 * kvm_hooks_remove - undo kvm_hooks_init()
 *
 * Context: process; may sleep. hook_drain() has to follow.
 */
void kvm_hooks_remove(void)
{
	hook_remove(&hook_set);
}
