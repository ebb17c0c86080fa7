// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: irqbypass's mutex is held for as long as this module is loaded.
 *
 * A producer that takes long to connect does that: here it is one of this module's own, with a
 * consumer of its own. Whoever comes to irqbypass meanwhile is in the middle of that.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/irqbypass.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

static DECLARE_COMPLETION(is_held);
static struct task_struct *holder;

static int hold(struct irq_bypass_consumer *consumer, struct irq_bypass_producer *producer)
{
	complete(&is_held);
	while (!kthread_should_stop())
		schedule_timeout_uninterruptible(msecs_to_jiffies(10));
	return -ECANCELED;
}

static void never_added(struct irq_bypass_consumer *consumer, struct irq_bypass_producer *producer)
{
}

static struct irq_bypass_consumer consumer = {
	.add_producer = hold,
	.del_producer = never_added,
};

static struct irq_bypass_producer producer;

static int connect(void *arg)
{
	/* Any address will do that is no eventfd's. */
#ifdef HAVE_TOKEN
	consumer.token = &consumer;
	producer.token = &consumer;
	if (!irq_bypass_register_consumer(&consumer))
		irq_bypass_register_producer(&producer);
#else
	if (!irq_bypass_register_consumer(&consumer, (void *)&consumer))
		irq_bypass_register_producer(&producer, (void *)&consumer, 0);
#endif
	irq_bypass_unregister_consumer(&consumer);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(msecs_to_jiffies(10));
	return 0;
}

static int __init vlpi_test_hold_init(void)
{
	holder = kthread_run(connect, NULL, "vlpi_test_hold");
	if (IS_ERR(holder))
		return PTR_ERR(holder);
	if (wait_for_completion_timeout(&is_held, 60 * HZ))
		return 0;
	kthread_stop(holder);
	return -ETIMEDOUT;
}

static void __exit vlpi_test_hold_exit(void)
{
	kthread_stop(holder);
}

module_init(vlpi_test_hold_init);
module_exit(vlpi_test_hold_exit);

MODULE_DESCRIPTION("For tests only: holds irqbypass's mutex");
MODULE_LICENSE("GPL");
