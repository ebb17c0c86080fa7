/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the fake host know of each other. */
#ifndef UNIT_FAKE_KVM_H
#define UNIT_FAKE_KVM_H

#include "fake_host.h"

#define SHIM_FORCED	1
#define SHIM_REPAIRED	2

static inline struct fake_irqfd *irqfd_of(struct vb_client *client)
{
	return container_of(client, struct fake_irqfd, client);
}

static inline struct fake_book *book_of(struct vb_vm *vm)
{
	return container_of(vm, struct fake_book, book);
}

/* fake_kvm.c: KVM, the irqchip, and its_shim.h in front of them. */
void did(const char *fmt, ...) __printf(1, 2);
void at(enum moment moment);
const void *device_of(u32 host_irq);
bool its_trylock(struct fake_vm *vm);
void its_lock(struct fake_vm *vm);
void its_unlock(struct fake_vm *vm);
int gate(u32 host_irq, struct fake_vm *vm, u32 vintid);
void kvm_believes(struct fake_lpi *lpi, u32 host_irq);
void kvm_dels(struct fake_vm *vm, u32 host_irq);
void kvm_injects(struct fake_irqfd *irqfd);
void kvm_discards(struct fake_vm *vm, int event);
void forget_edges(struct fake_vm *vm);		/* that lead elsewhere by now */

int shim_resolve(struct vb_client *client, u32 *vintid, bool *foreign);
int shim_check_grant(struct vb_client *client, u32 host_irq, u32 vintid);
int shim_grant(struct vb_client *client, u32 host_irq);
bool shim_revoke_would_wait(struct vb_client *client);
int shim_revoke(struct vb_client *client, bool wait);
void shim_wait_until_free(struct vb_client *client);
void shim_aim(u32 host_irq);
int shim_raise(struct vb_client *client, bool granted);

/* fake_vm.c: what src/vm.c does. */
extern const struct vb_vm_ops fake_vm_ops;
void book_get(struct fake_book *book);
void book_put(struct fake_book *book);
void vm_changed(struct fake_vm *vm);
void count_forced(struct vb_client *client, u32 host_irq, int what);

/* fake_host.c. */
const void *current_task(void);			/* its identity */
void go_on(void);				/* with what had to wait */

#endif /* UNIT_FAKE_KVM_H */
