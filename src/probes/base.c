// SPDX-License-Identifier: GPL-2.0-only
/* Everything the module includes. Where this does not compile, no other answer means anything. */
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/irqbypass.h>
#include <linux/ftrace.h>
#include <linux/irqchip/arm-gic-v4.h>

/* Debian's 6.1 for real time, for one, has it off on arm64. */
#ifndef CONFIG_KVM
#error "no KVM"
#endif
