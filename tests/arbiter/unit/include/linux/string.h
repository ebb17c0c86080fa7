/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_STRING_H
#define UNIT_LINUX_STRING_H

#include <string.h>
#include <sys/types.h>

#include <linux/kernel.h>

ssize_t strscpy(char *to, const char *from, size_t size);

#endif /* UNIT_LINUX_STRING_H */
