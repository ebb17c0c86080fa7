/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_ITS_SHIM_H
#define VLPI_BROKER_ITS_SHIM_H

#include <linux/types.h>

struct irq_bypass_consumer;
struct its_vlpi_map;
struct kvm;
struct kvm_kernel_irqfd;
struct vb_client;
struct vb_proxy;

/* What shim_revoke() and shim_unmap_for_kvm() had to do beyond KVM's own part. */
#define SHIM_FORCED	1	/* unmap a host IRQ that KVM left, or would have left, forwarded */
#define SHIM_REPAIRED	2	/* clear KVM's mark of the mapping */

int shim_init(void);
bool shim_unmaps_vpes_to_save(void);
bool shim_is_kvm_consumer(const struct irq_bypass_consumer *cons);

void shim_note_route(struct vb_proxy *proxy);
void shim_note_producer(struct vb_proxy *proxy, u32 host_irq);
void shim_forget_producer(struct vb_proxy *proxy);
const void *shim_device(u32 host_irq);
int shim_resolve(struct vb_client *client, u32 *vintid, bool *foreign);
int shim_check_grant(struct vb_client *client, u32 host_irq, u32 vintid);
bool shim_unmap_of_dead(u32 host_irq);
int shim_grant(struct vb_client *client, u32 host_irq);
int shim_revoke(struct vb_client *client, bool wait);
void shim_wait_until_free(struct vb_client *client);
void shim_aim(u32 host_irq);
int shim_raise(struct vb_client *client, bool granted);
void shim_halt(struct kvm *kvm);
void shim_resume(struct kvm *kvm);
bool shim_is_stuck(struct kvm_kernel_irqfd *irqfd);

/* For the hooks, and for what was there before the module. */
bool shim_is_answered_by_its(u32 host_irq);
bool shim_is_its_irq(struct vb_client *client, u32 host_irq);
bool shim_is_forwarded_to(u32 host_irq, const struct its_vlpi_map *map);
bool shim_get_vlpi(u32 host_irq, struct its_vlpi_map *map);
struct kvm *shim_get_vm_of_doorbell(u32 host_irq);
u32 shim_get_mark(struct kvm *kvm, u32 vintid);
bool shim_correct_kvm(struct kvm *kvm, u32 vintid, u32 host_irq);
int shim_unmap_for_kvm(struct kvm *kvm, struct kvm_kernel_irqfd *irqfd, u32 host_irq);

#endif /* VLPI_BROKER_ITS_SHIM_H */
