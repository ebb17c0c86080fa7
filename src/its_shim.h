/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_ITS_SHIM_H
#define VLPI_BROKER_ITS_SHIM_H

#include <linux/types.h>

struct irq_bypass_consumer;
struct irq_bypass_producer;
struct kvm;
struct vb_client;

/**
 * struct shim_callbacks - what the shim asks and tells the files above it
 * @gate: may this host IRQ be mapped? Any context. See broker_gate().
 * @gate_failed: the irqchip turned down what the gate let through. Any context.
 * @unmapped: a host IRQ is about to be unmapped. Any context. See broker_unmapped().
 * @vm_changed: mappings of a VM may have changed. Any context. See broker_vm_changed().
 * @routes_changed: the routes of a VM have changed. Process context; kvm->irq_lock is held.
 * @kick: have the clients of changed VMs arbitrated again, soon. Any context.
 * @forced_unmap: the shim unmapped a host IRQ that KVM left forwarded. Any context.
 * @repair: the shim cleared KVM's mark of a mapping that is gone. Any context.
 */
struct shim_callbacks {
	int (*gate)(u32 host_irq, const void *vm_key, u32 vintid, bool forwarded);
	void (*gate_failed)(u32 host_irq);
	bool (*unmapped)(u32 host_irq);
	bool (*vm_changed)(const void *vm_key);
	void (*routes_changed)(const void *vm_key);
	void (*kick)(void);
	void (*forced_unmap)(u32 host_irq);
	void (*repair)(void);
};

int shim_init(const struct shim_callbacks *shim_callbacks);
void shim_remove_hooks(void);
bool shim_is_kvm_consumer(const struct irq_bypass_consumer *cons);
int shim_each_vm(int (*fn)(struct kvm *kvm));
int shim_cure_strays(bool (*is_known)(u32 host_irq), void (*dead)(u32 host_irq));

/* What the arbiter asks of KVM and the irqchip, by client; the shim knows no slots. */
int shim_resolve(struct vb_client *client, u32 *vintid);
bool shim_route_changed(struct vb_client *client);
int shim_grant(struct vb_client *client, u32 vintid);
void shim_revoke(struct vb_client *client);
void shim_force_unmap(struct vb_client *client);
void shim_was_unmapped(struct vb_client *client);
void shim_raise(struct vb_client *client);
void shim_raise_granted(struct vb_client *client);
bool shim_raise_through(struct vb_client *holder);
bool shim_is_leaving(struct vb_client *client);
bool shim_is_forwarded(u32 host_irq);

#endif /* VLPI_BROKER_ITS_SHIM_H */
