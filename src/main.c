// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpi_broker: at most one host IRQ is injected directly into a vLPI, and never none that could be.
 *
 * This file: the order of start and stop.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "broker.h"
#include "chardev.h"
#include "hook.h"
#include "irqbypass_hook.h"
#include "its_shim.h"

static const struct shim_events shim_events = {
	.gate = broker_gate,
	.gate_failed = broker_gate_failed,
	.unmapped = broker_unmapped,
	.vm_changed = broker_vm_changed,
	.kick = bypass_kick,
	.forced_unmap = broker_count_forced_unmap,
	.repair = broker_count_repair,
};

/*
 * The watch and the gate come first, so that nothing is mapped that they do not see; KVM's
 * registrations last, when there is everything that a client needs. What was there before is taken
 * over then: from the first client on the module can't fail to load, as it could not leave.
 */
static int __init vlpi_broker_init(void)
{
	int ret;

	ret = bypass_prepare();
	if (ret)
		return ret;
	ret = shim_init(&shim_events);
	if (ret)
		goto drain;
	ret = chardev_init();
	if (ret)
		goto remove_shim;
	ret = bypass_init();
	if (ret)
		goto remove_chardev;
	bypass_take_over();
	return 0;

remove_chardev:
	chardev_exit();
remove_shim:
	shim_remove_hooks();
drain:
	hook_drain();
	bypass_finish();
	return ret;
}

/* No client lives: each holds a reference to the module. */
static void __exit vlpi_broker_exit(void)
{
	broker_set_live(false);
	bypass_remove_hooks();
	chardev_exit();
	shim_remove_hooks();
	hook_drain();
	bypass_finish();
}

module_init(vlpi_broker_init);
module_exit(vlpi_broker_exit);

MODULE_DESCRIPTION("At most one host IRQ per GICv4 vLPI, and never none that could be");
MODULE_AUTHOR("vlpi_broker maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(VLPI_BROKER_VERSION);
