/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_SLAB_H
#define UNIT_LINUX_SLAB_H

#include <linux/kernel.h>

#define GFP_KERNEL	1U
#define GFP_ATOMIC	2U
#define GFP_NOWAIT	4U
#define GFP_KERNEL_ACCOUNT	(GFP_KERNEL | 8U)

void *kzalloc(size_t size, gfp_t gfp);
#define kmalloc(size, gfp)		kzalloc(size, gfp)
#define kcalloc(n, size, gfp)		kzalloc((n) * (size), gfp)
void kfree(const void *object);

#include "kmem_cache.h"

/* The allocation that fails: 1 the next, 0 none. It is 0 again when it has failed. */
extern unsigned int fail_allocation;
/* Or a function that is asked before each of them. */
extern bool (*allocation_fails)(void);
/* Objects that are allocated now, and how often one was. */
extern unsigned int nr_allocated, nr_allocations;

#endif /* UNIT_LINUX_SLAB_H */
