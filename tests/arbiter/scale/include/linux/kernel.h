/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SCALE_LINUX_KERNEL_H
#define SCALE_LINUX_KERNEL_H

#include <linux/compiler.h>
#include <linux/types.h>

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))

#endif /* SCALE_LINUX_KERNEL_H */
