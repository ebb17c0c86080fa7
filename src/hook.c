// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a kernel function is redirected, and how its address is found. No other file knows.
 *
 * A function is redirected by an ftrace_ops with IPMODIFY: the ops' callback sets the program
 * counter to our replacement before the function's first instruction. ftrace allows one such owner
 * a function, which keeps live patches and a second copy of this module out. PERMANENT keeps
 * /proc/sys/kernel/ftrace_enabled from taking the hook away.
 *
 * A call of our own reaches the real function by hook_real(): it notes the task and the function,
 * and the callback lets that task into that function once. A return address would not do: where a
 * kretprobe is on the function, the callback is told of the kretprobe's trampoline, whoever called.
 *
 * An address is found by registering a kprobe on the name, disabled so that no text is patched, and
 * reading where it would go: no kernel from 5.7 exports kallsyms_lookup_name(). Only functions can
 * be found so: a variable has no kprobe. Where the kernel keeps the names of variables at all,
 * kallsyms_lookup_name(), itself found so, finds them.
 *
 * A function whose prototype is in no installed header is declared by the file that calls it, and
 * compared here with the running kernel's BTF.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <asm/insn.h>

#include "compat.h"
#include "hook.h"

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

/* Exported by newer kernels only, so found by hook_borrow() like the others. */
static typeof(ftrace_free_filter) *free_filter;
static typeof(kallsyms_lookup_name) *lookup_name;

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
 * To be called after hook_borrow() has succeeded.
 *
 * Context: process; may sleep.
 * Return: 0, or an errno after one line that says what could not be redirected; then none is.
 */
int hook_install(struct hook_set *set)
{
	unsigned int i;
	int ret = 0;

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

/* BTF of the kernel itself, and what reads it; exported by newer kernels or by none. */
static struct {
	typeof(bpf_get_btf_vmlinux) *get;
	typeof(btf_find_by_name_kind) *find;
	typeof(btf_name_by_offset) *name;
	typeof(btf_type_by_id) *type;
	struct btf *btf;
} btf_reader;

static const struct hook_symbol own_symbols[] = {
	{ "ftrace_free_filter", &free_filter },
	{ "kallsyms_lookup_name", &lookup_name },
	{ "bpf_get_btf_vmlinux", &btf_reader.get },
	{ "btf_find_by_name_kind", &btf_reader.find },
	{ "btf_name_by_offset", &btf_reader.name },
	{ "btf_type_by_id", &btf_reader.type },
};

/* Register a kprobe, which stays disabled, where the function is. */
static int find_address(const struct hook_symbol *symbol, struct kprobe *probe)
{
	int ret;

	probe->flags = KPROBE_FLAG_DISABLED;
	probe->symbol_name = symbol->name;
	ret = register_kprobe(probe);
	if (ret == -ENOENT && symbol->or_name) {
		probe->symbol_name = symbol->or_name;
		ret = register_kprobe(probe);
	}
	if (ret)
		pr_err("this kernel has no function %s() that can be found (error %d); it needs another vlpi_broker\n",
		       probe->symbol_name, ret);
	return ret;
}

/* Find functions. All kprobes are unregistered at once: one by one, each would wait for RCU. */
static int find_addresses(const struct hook_symbol *symbols, unsigned int nr)
{
	struct kprobe *probes, **registered;
	unsigned int i, n = 0;
	int ret = 0;

	probes = kcalloc(nr, sizeof(*probes), GFP_KERNEL);
	registered = kcalloc(nr, sizeof(*registered), GFP_KERNEL);
	if (!probes || !registered) {
		ret = -ENOMEM;
		goto out;
	}
	for (i = 0; i < nr; i++) {
		ret = find_address(&symbols[i], &probes[i]);
		if (ret)
			break;
		registered[n++] = &probes[i];
		*(void **)symbols[i].where = probes[i].addr;
	}
	unregister_kprobes(registered, n);
out:
	kfree(registered);
	kfree(probes);
	return ret;
}

/* Write C for type @id to @buf: enough of C for a parameter list. */
static int btf_type_to_c(u32 id, char *buf, size_t size)
{
	const struct btf_type *t;
	char stars[8] = "";
	size_t n = 0;
	const char *kind = "";

	for (;;) {
		if (!id)
			return scnprintf(buf, size, "void%s%s", n ? " " : "", stars);
		t = (*btf_reader.type)(btf_reader.btf, id);
		if (!t)
			return scnprintf(buf, size, "?");
		if (!btf_type_is_ptr(t))
			break;
		if (n < sizeof(stars) - 1)
			stars[n++] = '*';
		stars[n] = '\0';
		id = t->type;
	}
	if (BTF_INFO_KIND(t->info) == BTF_KIND_STRUCT || BTF_INFO_KIND(t->info) == BTF_KIND_FWD)
		kind = "struct ";
	return scnprintf(buf, size, "%s%s%s%s", kind,
			 (*btf_reader.name)(btf_reader.btf, t->name_off),
			 n ? " " : "", stars);
}

/* Of a function; NULL where BTF lacks it. Debian's 5.10 has none that is static. */
static const struct btf_type *prototype_of_function(const char *name)
{
	const struct btf_type *func;
	s32 id;

	id = (*btf_reader.find)(btf_reader.btf, name, BTF_KIND_FUNC);
	func = id < 0 ? NULL : (*btf_reader.type)(btf_reader.btf, id);
	return func ? (*btf_reader.type)(btf_reader.btf, func->type) : NULL;
}

static bool is_struct(const struct btf_type *t)
{
	u32 kind = BTF_INFO_KIND(t->info);

	return kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION;
}

/* The type of a member of @t, or of an unnamed member's: few are in one another. */
static const struct btf_type *type_of_member(const struct btf_type *t, const char *name)
{
	const struct btf_member *member = (const struct btf_member *)(t + 1);
	const struct btf_type *type;
	const char *its_name;
	unsigned int i;

	for (i = 0; i < btf_type_vlen(t); i++, member++) {
		type = (*btf_reader.type)(btf_reader.btf, member->type);
		its_name = (*btf_reader.name)(btf_reader.btf, member->name_off);
		if (type && its_name && !*its_name && is_struct(type))
			type = type_of_member(type, name);
		else if (its_name && strcmp(its_name, name))
			type = NULL;
		if (type)
			return type;
	}
	return NULL;
}

/* Of a pointer to functions, "STRUCT.MEMBER"; NULL where BTF has no such member. */
static const struct btf_type *prototype_of_pointer(const char *where)
{
	char name[64];
	const struct btf_type *t = NULL;
	char *member;
	s32 id;

	if (!where || strscpy(name, where, sizeof(name)) < 0)
		return NULL;
	member = strchr(name, '.');
	if (!member)
		return NULL;
	*member++ = '\0';
	id = (*btf_reader.find)(btf_reader.btf, name, BTF_KIND_STRUCT);
	if (id >= 0)
		t = (*btf_reader.type)(btf_reader.btf, id);
	if (t)
		t = type_of_member(t, member);
	while (t && (btf_type_is_ptr(t) || BTF_INFO_KIND(t->info) == BTF_KIND_TYPEDEF))
		t = (*btf_reader.type)(btf_reader.btf, t->type);
	return t && BTF_INFO_KIND(t->info) == BTF_KIND_FUNC_PROTO ? t : NULL;
}

/* Write C for a prototype to @buf. */
static void btf_prototype_to_c(const struct btf_type *proto, char *buf, size_t size)
{
	const struct btf_param *param;
	size_t n;
	u32 i;

	n = btf_type_to_c(proto->type, buf, size);
	n += scnprintf(buf + n, size - n, "(");
	param = (const struct btf_param *)(proto + 1);
	for (i = 0; i < btf_type_vlen(proto); i++, param++) {
		n += scnprintf(buf + n, size - n, i ? ", " : "");
		n += btf_type_to_c(param->type, buf + n, size - n);
	}
	scnprintf(buf + n, size - n, ")");
}

/* Does the running kernel agree with our declaration of a function? */
static int check_prototype(const struct hook_symbol *symbol)
{
	const struct btf_type *proto = prototype_of_function(symbol->name);
	char found[256];

	if (!proto && symbol->or_name)
		proto = prototype_of_function(symbol->or_name);
	if (!proto)
		proto = prototype_of_pointer(symbol->pointer);
	if (!proto) {
		pr_err("this kernel's BTF has no function %s()\n", symbol->name);
		return -ENOENT;
	}
	btf_prototype_to_c(proto, found, sizeof(found));
	if (strcmp(found, symbol->prototype)) {
		pr_err("%s() is %s in this kernel, and %s is expected; it needs another vlpi_broker\n",
		       symbol->name, found, symbol->prototype);
		return -ENOEXEC;
	}
	return 0;
}

/**
 * hook_borrow - find kernel functions that are not exported
 * @symbols: which functions, and where their addresses are to be put.
 * @nr: how many.
 *
 * Context: process; may sleep.
 * Return: 0; -ENOMEM; -ENOENT, or the errno of the kprobe, for a function that is not there;
 *	-ENOEXEC for one that has another prototype in this kernel's BTF. A line says which.
 */
int hook_borrow(const struct hook_symbol *symbols, unsigned int nr)
{
	unsigned int i;
	int ret;

	ret = find_addresses(symbols, nr);
	if (!ret)
		ret = find_addresses(own_symbols, ARRAY_SIZE(own_symbols));
	if (ret)
		return ret;
	btf_reader.btf = (*btf_reader.get)();
	if (IS_ERR_OR_NULL(btf_reader.btf)) {
		pr_err("this kernel has no BTF (CONFIG_DEBUG_INFO_BTF) to check prototypes against\n");
		return -ENOENT;
	}
	for (i = 0; !ret && i < nr; i++)
		if (symbols[i].prototype)
			ret = check_prototype(&symbols[i]);
	return ret;
}

/**
 * hook_find_variable - find a variable of the kernel that is not exported
 * @name: of the variable, which an installed header declares.
 *
 * To be called after hook_borrow() has succeeded.
 *
 * Context: process; may sleep.
 * Return: its address; NULL, after one line that says so, where it is not there, or the kernel was
 *	built without CONFIG_KALLSYMS_ALL.
 */
const void *hook_find_variable(const char *name)
{
	unsigned long addr = (*lookup_name)(name);

	if (!addr)
		pr_err("this kernel has no variable %s that can be found; it needs another vlpi_broker\n",
		       name);
	return (const void *)addr;
}
