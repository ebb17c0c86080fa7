// SPDX-License-Identifier: GPL-2.0-only
/* From 5.11, and in stable kernels before, KVM reads an eventfd that it waits for exclusively. */
#include <linux/eventfd.h>

void (*probe)(struct eventfd_ctx *, __u64 *) = eventfd_ctx_do_read;
