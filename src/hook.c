// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a kernel function is interposed, and how an address is found. Nothing else in the tree knows.
 *
 * A function is redirected by an ftrace_ops with IPMODIFY: its callback sets the program counter to
 * our replacement before the first instruction of the function has run. ftrace allows one such
 * owner a function, which keeps us clear of live patches and of a second copy of ourselves, and
 * PERMANENT keeps /proc/sys/kernel/ftrace_enabled from taking the hook away behind our back.
 *
 * A call from this module is not redirected: that is how a replacement reaches the real function.
 * The caller is known by its return address, so the module is built without sibling calls.
 *
 * An address is found by registering a kprobe on the name, which is never hit, and reading where
 * it was put; kallsyms_lookup_name() is exported nowhere. Functions only: a variable has no kprobe.
 *
 * A function whose prototype is in no installed header is declared by its user and compared here
 * with what the running kernel's BTF says.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "compat.h"
#include "hook.h"

/* Callers that are inside a replacement. One that sleeps there must not lose the text under it. */
static atomic_t hook_inside = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(hook_idle);

/**
 * hook_enter - a replacement begins
 *
 * Context: any.
 */
void hook_enter(void)
{
	atomic_inc(&hook_inside);
}

/**
 * hook_leave - a replacement ends
 *
 * Context: any, hard IRQ and raw locks included; hence the poll in hook_drain() and no wake-up.
 */
void hook_leave(void)
{
	atomic_dec(&hook_inside);
}

/**
 * hook_drain - wait until no CPU and no task is in a replacement any more
 *
 * To be called when all hooks have been removed. The count covers a caller that sleeps inside;
 * synchronize_rcu_tasks() covers the few instructions before hook_enter() and after hook_leave(),
 * in which a task can be preempted but does not sleep by itself.
 *
 * Context: process; may sleep.
 */
void hook_drain(void)
{
	synchronize_rcu_tasks();
	while (!wait_event_timeout(hook_idle, !atomic_read(&hook_inside), HZ / 10))
		;
	synchronize_rcu_tasks();
}

static void notrace hook_redirect(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *op,
				  struct compat_ftrace_regs *regs)
{
	if (!within_module(parent_ip, THIS_MODULE))
		compat_ftrace_redirect(regs, container_of(op, struct hook, ops)->replacement);
}

/**
 * hook_install - redirect a kernel function
 * @hook: name and replacement filled in by the caller, the rest zero.
 *
 * Context: process; may sleep.
 * Return: 0, or an errno after one line that says what could not be had; then nothing has changed.
 */
int hook_install(struct hook *hook)
{
	int ret;

	hook->ops.func = hook_redirect;
	hook->ops.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT | COMPAT_FTRACE_FLAGS;

	ret = ftrace_set_filter(&hook->ops, (unsigned char *)hook->name, strlen(hook->name), 1);
	if (!ret)
		ret = register_ftrace_function(&hook->ops);
	if (ret) {
		if (ret == -EBUSY)
			pr_err("%s() is redirected already, by a live patch or another module; unload that first\n",
			       hook->name);
		else
			pr_err("%s() can't be redirected on this kernel (error %d)\n",
			       hook->name, ret);
		ftrace_free_filter(&hook->ops);
		return ret;
	}
	hook->installed = true;
	return 0;
}

/**
 * hook_remove - undo hook_install()
 * @hook: installed or not.
 *
 * A caller may still be inside the replacement: see hook_drain().
 *
 * Context: process; may sleep.
 */
void hook_remove(struct hook *hook)
{
	if (!hook->installed)
		return;
	unregister_ftrace_function(&hook->ops);
	ftrace_free_filter(&hook->ops);
	hook->installed = false;
}

/**
 * hook_address - where a kernel function is
 * @name: of a function, exported or not, static or not.
 *
 * Context: process; may sleep.
 * Return: its address, or NULL where there is no function of that name to be probed.
 */
void *hook_address(const char *name)
{
	struct kprobe kp = { .symbol_name = name };
	void *addr;

	if (register_kprobe(&kp))
		return NULL;
	addr = kp.addr;
	unregister_kprobe(&kp);
	return addr;
}

/* BTF of the kernel itself, and the two readers of it that are exported nowhere. */
struct btf_reader {
	typeof(bpf_get_btf_vmlinux) *get;
	typeof(btf_find_by_name_kind) *find;
	typeof(btf_name_by_offset) *name;
	struct btf *btf;
};

/* Write C for type @id to @buf: enough of C for a parameter list. */
static int btf_type_to_c(const struct btf_reader *r, u32 id, char *buf, size_t size)
{
	const struct btf_type *t;
	char stars[8] = "";
	size_t n = 0;
	const char *kind = "";

	for (;;) {
		if (!id)
			return scnprintf(buf, size, "void%s%s", n ? " " : "", stars);
		t = btf_type_by_id(r->btf, id);
		if (!t)
			return scnprintf(buf, size, "?");
		if (!btf_type_is_ptr(t))
			break;
		if (n < sizeof(stars) - 1)
			stars[n++] = '*';
		stars[n] = '\0';
		id = t->type;
	}
	if (btf_kind(t) == BTF_KIND_STRUCT || btf_kind(t) == BTF_KIND_FWD)
		kind = "struct ";
	return scnprintf(buf, size, "%s%s%s%s", kind, r->name(r->btf, t->name_off),
			 n ? " " : "", stars);
}

/* Write C for the prototype of function @name to @buf. */
static int btf_prototype_to_c(const struct btf_reader *r, const char *name, char *buf, size_t size)
{
	const struct btf_type *func, *proto;
	const struct btf_param *param;
	size_t n;
	s32 id;
	u32 i;

	id = r->find(r->btf, name, BTF_KIND_FUNC);
	if (id < 0)
		return id;
	func = btf_type_by_id(r->btf, id);
	proto = func ? btf_type_by_id(r->btf, func->type) : NULL;
	if (!proto)
		return -ENOENT;

	n = btf_type_to_c(r, proto->type, buf, size);
	n += scnprintf(buf + n, size - n, "(");
	param = (const struct btf_param *)(proto + 1);
	for (i = 0; i < btf_type_vlen(proto); i++, param++) {
		n += scnprintf(buf + n, size - n, i ? ", " : "");
		n += btf_type_to_c(r, param->type, buf + n, size - n);
	}
	scnprintf(buf + n, size - n, ")");
	return 0;
}

/**
 * hook_check_prototype - does the running kernel agree with our declaration of a function?
 * @name: of the function.
 * @prototype: as C without names, e.g. "int(struct kvm *, u32)".
 *
 * Context: process; may sleep.
 * Return: 0; -ENOEXEC where BTF says otherwise, -ENOENT where there is no BTF to ask or no such
 *	function in it, each after a line that says so.
 */
int hook_check_prototype(const char *name, const char *prototype)
{
	struct btf_reader r = {
		.get = hook_address("bpf_get_btf_vmlinux"),
		.find = hook_address("btf_find_by_name_kind"),
		.name = hook_address("btf_name_by_offset"),
	};
	char found[256];
	int ret;

	r.btf = r.get && r.find && r.name ? r.get() : NULL;
	if (IS_ERR_OR_NULL(r.btf)) {
		pr_err("this kernel has no BTF (CONFIG_DEBUG_INFO_BTF) to check the prototype of %s() against\n",
		       name);
		return -ENOENT;
	}
	ret = btf_prototype_to_c(&r, name, found, sizeof(found));
	if (ret) {
		pr_err("this kernel's BTF has no function %s() (error %d)\n", name, ret);
		return -ENOENT;
	}
	if (strcmp(found, prototype)) {
		pr_err("%s() is %s in this kernel, and %s is expected; it needs a newer vlpi_broker\n",
		       name, found, prototype);
		return -ENOEXEC;
	}
	return 0;
}
