/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SCALE_LINUX_REFCOUNT_H
#define SCALE_LINUX_REFCOUNT_H

#include <linux/kernel.h>

typedef struct {
	int count;
} refcount_t;

static inline void refcount_set(refcount_t *ref, int n)
{
	ref->count = n;
}

static inline bool refcount_inc_not_zero(refcount_t *ref)
{
	if (ref->count)
		ref->count++;
	return ref->count;
}

static inline void refcount_inc(refcount_t *ref)
{
	ref->count++;
}

static inline bool refcount_dec_and_test(refcount_t *ref)
{
	return !--ref->count;
}

#endif /* SCALE_LINUX_REFCOUNT_H */
