/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_KVM_HOOKS_H
#define VLPI_BROKER_KVM_HOOKS_H

int kvm_hooks_init(void);
void kvm_hooks_remove(void);

#endif /* VLPI_BROKER_KVM_HOOKS_H */
