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

/* Of a cache counts the size of its objects. */
struct kmem_cache {
	size_t size;
};

#define SLAB_ACCOUNT	1U

static inline struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
						   unsigned int flags, void (*ctor)(void *object))
{
	static struct kmem_cache only;

	only.size = size;
	return &only;
}

static inline void kmem_cache_destroy(struct kmem_cache *cache)
{
}

static inline void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp)
{
	return kzalloc(cache->size, gfp);
}

static inline void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	kfree(object);
}

#endif /* SCALE_LINUX_SLAB_H */
