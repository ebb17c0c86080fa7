/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SCALE_LINUX_KVM_HOST_H
#define SCALE_LINUX_KVM_HOST_H

#include <linux/types.h>

typedef unsigned long irq_hw_number_t;

#endif /* SCALE_LINUX_KVM_HOST_H */
