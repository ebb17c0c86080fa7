/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_HOOK_H
#define VLPI_BROKER_HOOK_H

#include <linux/ftrace.h>

/**
 * struct hook - one kernel function that is redirected to one of ours
 * @name: of the kernel function.
 * @replacement: called in its place, with its arguments. Begins with hook_enter() and ends with
 *	hook_leave(). A call of the kernel function from this module reaches the real one.
 * @ops: ftrace's; private to hook.c.
 * @installed: whether @ops is registered; private to hook.c.
 */
struct hook {
	const char *name;
	void *replacement;
	struct ftrace_ops ops;
	bool installed;
};

int hook_install(struct hook *hook);
void hook_remove(struct hook *hook);
void hook_enter(void);
void hook_leave(void);
void hook_drain(void);

void *hook_address(const char *name);
int hook_check_prototype(const char *name, const char *prototype);

#endif /* VLPI_BROKER_HOOK_H */
