/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SCALE_LINUX_STRING_H
#define SCALE_LINUX_STRING_H

#include <string.h>
#include <sys/types.h>

#include <linux/kernel.h>

/* By words, as the kernel's. All that is copied here is shorter than its room. */
static inline ssize_t strscpy(char *to, const char *from, size_t size)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
	return length;
}

#endif /* SCALE_LINUX_STRING_H */
