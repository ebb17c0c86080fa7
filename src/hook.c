// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a kernel function is redirected. No other file knows.
 *
 * A function is redirected by an ftrace_ops with IPMODIFY: the ops' callback sets the program
 * counter to our replacement before the function's first instruction. ftrace allows one such owner
 * a function, which keeps live patches and a second copy of this module out. PERMANENT keeps
 * /proc/sys/kernel/ftrace_enabled from taking the hook away.
 *
 * A call of our own reaches the real function by hook_real(): it notes the task and the function,
 * and the callback lets that task into that function once. A return address would not do: where a
 * kretprobe is on the function, the callback is told of the kretprobe's trampoline, whoever called.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <asm/insn.h>

#include "compat.h"
#include "hook.h"
#include "symbols.h"

/* Tasks and CPUs that are inside a replacement: its text has to stay meanwhile. */
static atomic_t hook_inside = ATOMIC_INIT(0);

/**
 * hook_enter - to be called first in a replacement
 *
 * Context: any.
 */
void hook_enter(void)
{
	atomic_inc(&hook_inside);
}

/**
 * hook_leave - to be called last in a replacement
 *
 * Context: any, hard IRQ and raw locks included; so this wakes no task, and hook_drain() polls.
 */
void hook_leave(void)
{
	atomic_dec(&hook_inside);
}

/**
 * hook_put - to be called last in a replacement that may sleep
 *
 * Context: process.
 */
void hook_put(void)
{
	atomic_dec(&hook_inside);
	module_put(THIS_MODULE);
}

/**
 * hook_drain - wait until no CPU and no task is in a replacement any more
 *
 * To be called when all hooks have been removed. The count covers who sleeps inside, which
 * there is only where the load fails half-way: the module is not unloaded before hook_put().
 * synchronize_rcu_tasks() covers the few instructions before hook_enter() and after hook_leave() or
 * hook_put(), in which a task can be preempted but does not sleep by itself.
 *
 * Context: process; may sleep.
 */
void hook_drain(void)
{
	synchronize_rcu_tasks();
	while (atomic_read(&hook_inside))
		schedule_timeout_uninterruptible(1);
	synchronize_rcu_tasks();
}

/* Exported by newer kernels only; found by the first hook_install(). */
static typeof(ftrace_free_filter) *free_filter;

static const struct symbol borrowed[] = {
	{ "ftrace_free_filter", &free_filter },
};

static unsigned long hook_entry(const struct hook *hook)
{
	return *(unsigned long *)hook->addr;
}

/* Calls of our own that have not reached their function yet; the lock is below all others. */
#define OWN_CALLS_BITS	6

static struct own_calls {
	raw_spinlock_t lock; /* covers calls */
	struct hlist_head calls;
} own_calls[] = {
	[0 ... (1 << OWN_CALLS_BITS) - 1] = {
		.lock = __RAW_SPIN_LOCK_UNLOCKED(own_calls.lock),
	},
};

static notrace struct own_calls *own_calls_of(const struct task_struct *task)
{
	return &own_calls[hash_ptr(task, OWN_CALLS_BITS)];
}

/**
 * hook_call_begin - the next call of this task to a function is our own
 * @call: the caller's, until hook_call_end().
 * @function: the function's address. It may not be redirected yet, or not any more.
 *
 * For hook_real().
 *
 * Context: any but NMI.
 */
void hook_call_begin(struct hook_call *call, unsigned long function)
{
	struct own_calls *own = own_calls_of(current);
	unsigned long flags;

	call->task = current;
	call->function = function;
	raw_spin_lock_irqsave(&own->lock, flags);
	hlist_add_head(&call->node, &own->calls);
	raw_spin_unlock_irqrestore(&own->lock, flags);
}

/**
 * hook_call_end - undo hook_call_begin()
 * @call: whether its function was reached or not.
 *
 * Context: as hook_call_begin().
 */
void hook_call_end(struct hook_call *call)
{
	struct own_calls *own = own_calls_of(call->task);
	unsigned long flags;

	raw_spin_lock_irqsave(&own->lock, flags);
	hlist_del_init(&call->node);
	raw_spin_unlock_irqrestore(&own->lock, flags);
}

/* Is this task's call to @function our own? Once: what it calls may come back to it by KVM. */
static bool notrace take_own_call(unsigned long function)
{
	struct own_calls *own = own_calls_of(current);
	struct hook_call *call;
	unsigned long flags;
	bool found = false;

	/* A call of this task's is there for this task to see. */
	if (hlist_empty(&own->calls))
		return false;
	raw_spin_lock_irqsave(&own->lock, flags);
	hlist_for_each_entry(call, &own->calls, node) {
		found = call->task == current && call->function == function;
		if (found) {
			hlist_del_init(&call->node);
			break;
		}
	}
	raw_spin_unlock_irqrestore(&own->lock, flags);
	return found;
}

/* @ip is where ftrace has patched the function: one of its first few instructions. */
static void notrace hook_redirect(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *op,
				  struct compat_ftrace_regs *regs)
{
	struct hook_set *set = container_of(op, struct hook_set, ops);
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		const struct hook *hook = &set->hooks[i];
		unsigned long entry = hook_entry(hook);

		if (ip - entry >= 4 * AARCH64_INSN_SIZE || take_own_call(entry))
			continue;
		/* The module is being unloaded: the kernel function is called as it was before. */
		if (hook->sleeps && !try_module_get(THIS_MODULE))
			continue;
		compat_ftrace_redirect(regs, hook->replacement);
	}
}

static int add_to_filter(struct hook_set *set, const struct hook *hook)
{
	int ret;

	ret = ftrace_set_filter_ip(&set->ops, hook_entry(hook), 0, 0);
	/* Older kernels want the patched instruction's address; a name works too, but is slow. */
	if (ret == -EINVAL)
		ret = ftrace_set_filter(&set->ops, (unsigned char *)hook->name,
					strlen(hook->name), 0);
	if (ret)
		pr_err("%s() can't be redirected on this kernel (error %d)\n", hook->name, ret);
	return ret;
}

#define REGISTER_TRIES		100
#define REGISTER_WAIT_MS	10

/* A program of BPF that is being attached to one of the functions, or detached, is waited for. */
static int register_when_others_are_done(struct ftrace_ops *ops)
{
	unsigned int tries;
	int ret;

	for (tries = 0; tries < REGISTER_TRIES; tries++) {
		ret = register_ftrace_function(ops);
		if (ret != -EAGAIN)
			break;
		msleep(REGISTER_WAIT_MS);
	}
	return ret;
}

/**
 * hook_install - redirect kernel functions
 * @set: hooks and their number filled in by the caller, the rest zero.
 *
 * Context: process; may sleep.
 * Return: 0, or an errno after one line that says what could not be redirected; then none is.
 */
int hook_install(struct hook_set *set)
{
	unsigned int i;
	int ret = 0;

	if (!free_filter)
		ret = symbols_find(borrowed, ARRAY_SIZE(borrowed));
	if (ret)
		return ret;
	set->ops.func = hook_redirect;
	set->ops.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT | COMPAT_FTRACE_FLAGS;
	for (i = 0; !ret && i < set->nr; i++)
		ret = add_to_filter(set, &set->hooks[i]);
	if (!ret) {
		ret = register_when_others_are_done(&set->ops);
		if (ret == -EBUSY)
			pr_err("%s() or a function beside it is redirected already (a live patch, another module), or kernel.ftrace_enabled is 0; undo that first\n",
			       set->hooks[0].name);
		else if (ret)
			pr_err("%s() and the functions beside it can't be redirected on this kernel (error %d)\n",
			       set->hooks[0].name, ret);
	}
	if (ret)
		(*free_filter)(&set->ops);
	set->installed = !ret;
	return ret;
}

/**
 * hook_remove - undo hook_install()
 * @set: installed or not.
 *
 * A caller may still be inside a replacement: see hook_drain().
 *
 * Context: process; may sleep.
 */
void hook_remove(struct hook_set *set)
{
	if (!set->installed)
		return;
	unregister_ftrace_function(&set->ops);
	(*free_filter)(&set->ops);
	set->installed = false;
}
