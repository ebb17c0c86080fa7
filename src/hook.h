/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_HOOK_H
#define VLPI_BROKER_HOOK_H

#include <linux/ftrace.h>
#include <linux/types.h>

/**
 * struct hook - a kernel function that is redirected to a function of this module
 * @name: of the kernel function.
 * @addr: of a pointer to the kernel function.
 * @replacement: called in its place, with its arguments. Begins with hook_enter() and ends with
 *	hook_leave(), and reaches the kernel function by hook_real().
 * @sleeps: @replacement may sleep, perhaps for as long as somebody's VMM likes. It has a reference
 *	to the module, and ends with hook_put() in place of hook_leave(): the module is not unloaded
 *	meanwhile, and nobody who tries that waits.
 */
struct hook {
	const char *name;
	void *addr;
	void *replacement;
	bool sleeps;
};

/**
 * struct hook_set - kernel functions that are redirected together
 * @hooks: the functions and their replacements; their order means nothing.
 * @nr: how many.
 * @ops: ftrace's; private to hook.c.
 * @installed: whether @ops is registered; set by hook.c.
 */
struct hook_set {
	const struct hook *hooks;
	unsigned int nr;
	struct ftrace_ops ops;
	bool installed;
};

/**
 * struct hook_call - a call of this module to a function that it may have redirected
 * @node: among such calls; private to hook.c.
 * @task: that calls.
 * @function: address of the function.
 */
struct hook_call {
	struct hlist_node node;
	const struct task_struct *task;
	unsigned long function;
};

void hook_call_begin(struct hook_call *call, unsigned long function);
void hook_call_end(struct hook_call *call);

/**
 * hook_real - call a kernel function that is redirected, and not its replacement
 * @function: the kernel function.
 * @call: an expression that calls @function once, and nothing else before that.
 *
 * Context: any but NMI, if @function allows it.
 * Return: the value of @call.
 */
#define hook_real(function, call) \
	({ \
		struct hook_call __own __attribute__((__cleanup__(hook_call_end))); \
		hook_call_begin(&__own, (unsigned long)(function)); \
		call; \
	})

int hook_install(struct hook_set *set);
void hook_remove(struct hook_set *set);
void hook_enter(void);
void hook_leave(void);
void hook_put(void);
void hook_drain(void);

#endif /* VLPI_BROKER_HOOK_H */
