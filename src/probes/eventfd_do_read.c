// SPDX-License-Identifier: GPL-2.0-only
/* From 5.11, and in stable kernels before, KVM reads an eventfd that it waits for exclusively. */
#include <linux/eventfd.h>
#include "probe.h"

PROBE(eventfd_ctx_do_read, void (struct eventfd_ctx *, __u64 *));
