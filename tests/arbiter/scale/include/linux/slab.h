/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory of the C library; it counts what is charged to a cgroup, and what is not. */
#ifndef SCALE_LINUX_SLAB_H
#define SCALE_LINUX_SLAB_H

#include <linux/kernel.h>

#include <stdlib.h>

#define GFP_KERNEL		1U
#define GFP_KERNEL_ACCOUNT	3U

extern size_t charged, uncharged;

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	*(gfp == GFP_KERNEL_ACCOUNT ? &charged : &uncharged) += size;
	return calloc(1, size);
}

static inline void kfree(const void *object)
{
	free((void *)object);
}

#include "kmem_cache.h"

#endif /* SCALE_LINUX_SLAB_H */
