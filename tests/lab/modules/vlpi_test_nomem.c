// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: no memory for the n-th allocation of a loading vlpi_broker.
 *
 * A kernel without memory for what it makes of any module with tracepoints warns (7.3:
 * event_define_fields()), so a count from the beginning of finit_module() is of no use. This one
 * begins when all who want to know of a new module have been told, and ends with its init.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/limits.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/sched.h>

static unsigned int nth;
module_param(nth, uint, 0600);
MODULE_PARM_DESC(nth, "The allocation that fails; 0 is none");

static unsigned int left;
module_param(left, uint, 0400);
MODULE_PARM_DESC(left, "What was left of nth at the end of the last init; 0 if it has failed");

/* The task that loads the module is the one that calls, and that runs its init. */
static int module_changes(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *module = data;

	if (strcmp(module->name, "vlpi_broker"))
		return NOTIFY_DONE;
	if (state == MODULE_STATE_COMING) {
		current->fail_nth = READ_ONCE(nth);
	} else if (READ_ONCE(nth)) {
		/* It is there, or has failed. */
		left = current->fail_nth;
		current->fail_nth = 0;
		WRITE_ONCE(nth, 0);
	}
	return NOTIFY_DONE;
}

static struct notifier_block changes = {
	.notifier_call = module_changes,
	/* The last to be told. */
	.priority = INT_MIN,
};

static int __init vlpi_test_nomem_init(void)
{
	return register_module_notifier(&changes);
}

static void __exit vlpi_test_nomem_exit(void)
{
	unregister_module_notifier(&changes);
}

module_init(vlpi_test_nomem_init);
module_exit(vlpi_test_nomem_exit);

MODULE_DESCRIPTION("For tests only: an allocation of a loading vlpi_broker fails");
MODULE_LICENSE("GPL");
