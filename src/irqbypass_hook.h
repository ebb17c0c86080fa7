/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_IRQBYPASS_HOOK_H
#define VLPI_BROKER_IRQBYPASS_HOOK_H

#include <linux/list.h>
#include <linux/types.h>

struct kvm;
struct kvm_kernel_irqfd;
struct task_struct;
struct vb_proxy;
struct vm;

/**
 * struct bypass_prepared - a proxy for the irqfd that a task is about to assign
 * @node: among such; private to irqbypass_hook.c.
 * @task: that assigns it.
 * @vm: that it is assigned to.
 * @proxy: NULL without memory, or when it was used.
 * @inject: KVM has queued an injection for an irqfd of the VM that had no proxy yet.
 * @missed: KVM has not come to register the irqfd.
 */
struct bypass_prepared {
	struct hlist_node node;
	const struct task_struct *task;
	struct vm *vm;
	struct vb_proxy *proxy;
	bool inject;
	bool missed;
};

int bypass_memory_init(void);
void bypass_memory_exit(void);
int bypass_init(void);
void bypass_remove_hooks(void);
bool bypass_is_hooked(void);

void bypass_prepare(struct bypass_prepared *prepared, struct vm *vm);
void bypass_done(struct bypass_prepared *prepared);
bool bypass_inject_when_assigned(struct kvm *kvm);

struct vb_proxy *bypass_take(struct kvm_kernel_irqfd *irqfd, struct vm *vm);
bool bypass_is_to_be_taken(struct kvm_kernel_irqfd *irqfd);
int bypass_register(struct vb_proxy *proxy);
void bypass_register_again(struct vm *vm);

#endif /* VLPI_BROKER_IRQBYPASS_HOOK_H */
