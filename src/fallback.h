/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_FALLBACK_H
#define VLPI_BROKER_FALLBACK_H

#include <linux/types.h>

struct kvm_kernel_irqfd;
struct vb_proxy;

extern bool fallback_inline;

void fallback_take(struct vb_proxy *proxy);
struct vb_proxy *fallback_proxy(const struct kvm_kernel_irqfd *irqfd);
void fallback_choose(struct vb_proxy *proxy);

#endif /* VLPI_BROKER_FALLBACK_H */
