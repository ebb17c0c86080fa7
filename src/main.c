// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpi_broker: of the host IRQs that share a guest's MSI one at most, and one where any can be, is
 * injected directly; the others in software.
 *
 * This file: the order of start and stop, and the module parameters.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/vlpi_broker.h>

#include "broker.h"
#include "chardev.h"
#include "events.h"
#include "fallback.h"
#include "hook.h"
#include "irqbypass_hook.h"
#include "its_shim.h"
#include "kvm_hooks.h"
#include "layout.h"
#include "take_over.h"
#include "vm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static int set_fallback(const char *value, const struct kernel_param *param)
{
	if (sysfs_streq(value, "thread")) {
		WRITE_ONCE(fallback_inline, false);
	} else if (sysfs_streq(value, "inline")) {
		WRITE_ONCE(fallback_inline, true);
	} else {
		pr_err("fallback=%s is neither thread nor inline\n", value);
		return -EINVAL;
	}
	return 0;
}

static int get_fallback(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", READ_ONCE(fallback_inline) ? "inline" : "thread");
}

static const struct kernel_param_ops fallback_ops = { .set = set_fallback, .get = get_fallback };

module_param_cb(fallback, &fallback_ops, NULL, 0644);
MODULE_PARM_DESC(fallback, "For waiters from now on: inline (default), the wake-up itself; or thread, a work item");

/* One line, from which a log says what has been loaded onto what. */
static void say_loaded(void)
{
	struct vlpi_broker_info info = { 0 };

	broker_info(&info);
	pr_info("version %s, ABI %d, fallback %s; taken over: %u VMs with %u irqfds\n",
		VLPI_BROKER_VERSION, VLPI_BROKER_ABI_VERSION,
		READ_ONCE(fallback_inline) ? "inline" : "thread", info.nr_vms, info.nr_clients);
}

/*
 * The running kernel is compared with the headers before anything looks into it. Events are
 * recorded first of all else, so that none is missed. The watch and the gate are hooked before
 * irqbypass's registration, so that they see each mapping of a client. Registration is hooked
 * last, when all that a client needs is there. Then the irqfds that were there before are taken
 * over: that step can't fail, as the module can't leave once there is a client.
 */
static int __init vlpi_broker_init(void)
{
	int ret;

	ret = layout_check();
	if (!ret)
		ret = events_init();
	if (ret)
		return ret;
	ret = vm_init(take_over_vm);
	if (!ret)
		ret = broker_memory_init();
	if (!ret)
		ret = bypass_memory_init();
	if (!ret)
		ret = shim_init();
	if (ret)
		goto stop_vms;
	ret = chardev_init();
	if (ret)
		goto stop_vms;
	ret = kvm_hooks_init();
	if (ret)
		goto drain;
	ret = bypass_init();
	if (ret)
		goto remove_hooks;
	take_over_all();
	say_loaded();
	return 0;

remove_hooks:
	kvm_hooks_remove();
drain:
	hook_drain();
	chardev_exit();
stop_vms:
	vm_exit();
	bypass_memory_exit();
	broker_memory_exit();
	events_exit();
	return ret;
}

/* There is no client any more: each VM with clients holds a reference to the module. */
static void __exit vlpi_broker_exit(void)
{
	broker_set_live(false);
	bypass_remove_hooks();
	kvm_hooks_remove();
	hook_drain();
	chardev_exit();
	vm_exit();
	bypass_memory_exit();
	broker_memory_exit();
	events_exit();
}

module_init(vlpi_broker_init);
module_exit(vlpi_broker_exit);

MODULE_DESCRIPTION("Lets several host IRQs share a guest's MSI on GICv4: injects one directly, the others in software");
MODULE_AUTHOR("vlpi_broker maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(VLPI_BROKER_VERSION);
