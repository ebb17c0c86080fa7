/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All differences between kernels.
 *
 * src/probes/ holds one small file a feature; kbuild compiles each against the installed headers
 * and writes the answers to probed.h. Vendors backport freely, so a version number says nothing,
 * and none is looked at here or anywhere else in the tree. Where no alternative of a feature
 * compiles, the kernel has one that is not known here: the build stops and says so.
 */
#ifndef VLPI_BROKER_COMPAT_H
#define VLPI_BROKER_COMPAT_H

#include "probed.h"

#if !PROBE_BASE
#error "vlpi_broker: the headers lack KVM, irqbypass or GICv4: an arm64 kernel with CONFIG_KVM?"
#endif

#include <linux/eventfd.h>
#include <linux/ftrace.h>
#include <linux/interrupt.h>
#include <linux/irqbypass.h>
#include <linux/irqchip/arm-gic-v3.h>
#include <linux/irqnr.h>
#include <linux/kvm_host.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include <kvm/arm_vgic.h>

#if PROBE_IRQBYPASS_TOKEN + PROBE_IRQBYPASS_EVENTFD != 1
#error "vlpi_broker: irq_bypass_register_consumer() is new here; see src/probes/irqbypass_*.c"
#endif
#if PROBE_UNMAP_VLPI_INT + PROBE_UNMAP_VLPI_VOID != 1
#error "vlpi_broker: its_unmap_vlpi() is new here; see src/probes/unmap_vlpi_*.c"
#endif
#if PROBE_UNSET_BY_ROUTE + PROBE_UNSET_BY_HOST_IRQ + PROBE_UNSET_BY_HOST_IRQ_INT != 1
#error "vlpi_broker: kvm_vgic_v4_unset_forwarding() is new here; see src/probes/unset_by_*.c"
#endif
#if PROBE_LPI_LIST + PROBE_LPI_XARRAY != 1
#error "vlpi_broker: struct vgic_dist keeps LPIs in a new way here; see src/probes/lpi_*.c"
#endif
#if PROBE_LPIS_ENABLED_CTLR + PROBE_LPIS_ENABLED_BOOL != 1
#error "vlpi_broker: whether LPIs are on is said in a new way; see src/probes/lpis_enabled_*.c"
#endif
#if PROBE_FTRACE_ARGS + PROBE_FTRACE_REGS + PROBE_FTRACE_PT_REGS != 1
#error "vlpi_broker: ftrace gives registers in a new way here; see src/probes/ftrace_*.c"
#endif
#if PROBE_SHARED_VLPI
#error "vlpi_broker: this KVM shares vLPIs by itself, and keeps host IRQs elsewhere"
#endif
#ifdef CONFIG_LTO_CLANG_FULL
#error "vlpi_broker: full LTO inlines its_map_vlpi(), so nothing can be in front of it: use ThinLTO"
#endif
#if PROBE_NASSGICAP && !PROBE_KALLSYMS_ALL
#error "vlpi_broker: whether KVM injects directly can't be asked without CONFIG_KALLSYMS_ALL here"
#endif

/* The registers of an ftrace callback, and how to go on elsewhere. */
#if PROBE_FTRACE_PT_REGS
#define compat_ftrace_regs pt_regs
#define COMPAT_FTRACE_FLAGS FTRACE_OPS_FL_SAVE_REGS
static __always_inline void compat_ftrace_redirect(struct pt_regs *regs, void *to)
{
	regs->pc = (unsigned long)to;
}
#elif PROBE_FTRACE_REGS
#define compat_ftrace_regs ftrace_regs
#define COMPAT_FTRACE_FLAGS (FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION)
static __always_inline void compat_ftrace_redirect(struct ftrace_regs *fregs, void *to)
{
	ftrace_get_regs(fregs)->pc = (unsigned long)to;
}
#else
#define compat_ftrace_regs ftrace_regs
#define COMPAT_FTRACE_FLAGS FTRACE_OPS_FL_RECURSION
static __always_inline void compat_ftrace_redirect(struct ftrace_regs *fregs, void *to)
{
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)to);
}
#endif

/*
 * Registration with irqbypass by an opaque identity: the eventfd of an irqfd.
 */
static inline int compat_register_consumer(struct irq_bypass_consumer *cons, void *identity)
{
#if PROBE_IRQBYPASS_TOKEN
	cons->token = identity;
	return irq_bypass_register_consumer(cons);
#else
	return irq_bypass_register_consumer(cons, identity);
#endif
}

/* How a replacement for irq_bypass_register_consumer() is declared, and where the identity is. */
#if PROBE_IRQBYPASS_TOKEN
#define COMPAT_REGISTER_PARAMS		struct irq_bypass_consumer *cons
#define COMPAT_REGISTER_IDENTITY	(cons->token)
#else
#define COMPAT_REGISTER_PARAMS \
	struct irq_bypass_consumer *cons, struct eventfd_ctx *eventfd
#define COMPAT_REGISTER_IDENTITY	(eventfd)
#endif

static inline unsigned int compat_nr_irqs(void)
{
#if PROBE_IRQ_GET_NR_IRQS
	return irq_get_nr_irqs();
#else
	return nr_irqs;
#endif
}

/*
 * In which member of a VM's struct vgic_dist its LPIs are, how one is found, and what keeps it from
 * being freed meanwhile. Its irq_lock nests inside.
 */
#if PROBE_LPI_LIST
#define COMPAT_LPIS	lpi_list_head

static inline unsigned long compat_lpis_lock(struct vgic_dist *dist)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&dist->lpi_list_lock, flags);
	return flags;
}

static inline void compat_lpis_unlock(struct vgic_dist *dist, unsigned long flags)
{
	raw_spin_unlock_irqrestore(&dist->lpi_list_lock, flags);
}

static inline struct vgic_irq *compat_find_lpi(struct vgic_dist *dist, u32 intid)
{
	struct vgic_irq *irq;

	list_for_each_entry(irq, &dist->lpi_list_head, lpi_list)
		if (irq->intid == intid)
			return irq;
	return NULL;
}
#else
#define COMPAT_LPIS	lpi_xa

static inline unsigned long compat_lpis_lock(struct vgic_dist *dist)
{
	unsigned long flags;

	rcu_read_lock();
	local_irq_save(flags);
	return flags;
}

static inline void compat_lpis_unlock(struct vgic_dist *dist, unsigned long flags)
{
	local_irq_restore(flags);
	rcu_read_unlock();
}

static inline struct vgic_irq *compat_find_lpi(struct vgic_dist *dist, u32 intid)
{
	return xa_load(&dist->lpi_xa, intid);
}
#endif

/* Get a reference to a VM that may be going away. Returns false where it is. */
static inline bool compat_kvm_get_safe(struct kvm *kvm)
{
#if PROBE_KVM_GET_SAFE
	return kvm_get_kvm_safe(kvm);
#else
	return refcount_inc_not_zero(&kvm->users_count);
#endif
}

/*
 * Can variables of the kernel be found? One says whether KVM injects directly. Where it can't be
 * found, KVM is asked of a VM: up to 6.16 it looks at no more of it than whether it has a vITS.
 */
#define COMPAT_FINDS_VARIABLES	PROBE_KALLSYMS_ALL

/* KVM finds the vLPI to unmap by the route and the guest's tables, else by the host IRQ. */
#define COMPAT_UNSET_BY_ROUTE	PROBE_UNSET_BY_ROUTE

/* Has the guest LPIs enabled on this vCPU's redistributor? And the member that says so. */
#if PROBE_LPIS_ENABLED_CTLR
#define COMPAT_LPIS_ENABLED	ctlr

static inline bool compat_lpis_enabled(const struct kvm_vcpu *vcpu)
{
	return atomic_read(&vcpu->arch.vgic_cpu.ctlr) == GICR_CTLR_ENABLE_LPIS;
}
#else
#define COMPAT_LPIS_ENABLED	lpis_enabled

static inline bool compat_lpis_enabled(const struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->arch.vgic_cpu.lpis_enabled);
}
#endif

/* How a host IRQ is aimed; __irq_set_affinity() is exported nowhere, so both are looked up. */
#if PROBE_IRQ_SET_AFFINITY_FORCE
#define COMPAT_SET_AFFINITY	"__irq_set_affinity"
#define compat_set_affinity_t	typeof(__irq_set_affinity)
#else
#define COMPAT_SET_AFFINITY	"irq_set_affinity"
#define compat_set_affinity_t	typeof(irq_set_affinity)
#endif

static inline void compat_set_affinity(compat_set_affinity_t *set, u32 host_irq,
				       const struct cpumask *mask)
{
#if PROBE_IRQ_SET_AFFINITY_FORCE
	set(host_irq, mask, false);
#else
	set(host_irq, mask);
#endif
}

/*
 * Take what an eventfd has counted, with the lock of its wait queue held. Returns false where that
 * can't be done: there KVM never waits exclusively, and whoever reads the eventfd does it.
 */
static inline bool compat_eventfd_read(struct eventfd_ctx *eventfd)
{
#if PROBE_EVENTFD_DO_READ
	u64 ignored;

	eventfd_ctx_do_read(eventfd, &ignored);
#endif
	return PROBE_EVENTFD_DO_READ;
}

/* The type that its_unmap_vlpi() returns, and how to return a 0 of it. */
#if PROBE_UNMAP_VLPI_INT
#define compat_unmap_t		int
#define COMPAT_UNMAP_DONE	0
#else
#define compat_unmap_t		void
#define COMPAT_UNMAP_DONE
#endif

#endif /* VLPI_BROKER_COMPAT_H */
