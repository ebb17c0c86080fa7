/* SPDX-License-Identifier: GPL-2.0-only */
/* Caches of <linux/slab.h>, which comes before this. */
#ifndef UNIT_KMEM_CACHE_H
#define UNIT_KMEM_CACHE_H

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

#endif /* UNIT_KMEM_CACHE_H */
