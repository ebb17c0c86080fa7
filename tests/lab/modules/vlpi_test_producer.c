// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests only: a producer for an eventfd, with any host IRQ.
 *
 * VFIO and vDPA have MSIs. When it is loaded, by the process that has the eventfd @fd, this module
 * connects @host_irq to it; when it is unloaded, that producer leaves. With @careless that is so
 * also where irqbypass has refused it, as vhost-vdpa does. What irqbypass said is in @result.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/irqbypass.h>
#include <linux/module.h>

static int fd;
module_param(fd, int, 0444);
static int host_irq;
module_param(host_irq, int, 0444);

static bool careless;
module_param(careless, bool, 0444);
static int result;
module_param(result, int, 0444);

static struct eventfd_ctx *eventfd;
static struct irq_bypass_producer producer;

static int register_producer(void)
{
#ifdef HAVE_TOKEN
	producer.token = eventfd;
	producer.irq = host_irq;
	return irq_bypass_register_producer(&producer);
#else
	return irq_bypass_register_producer(&producer, eventfd, host_irq);
#endif
}

static int __init vlpi_test_producer_init(void)
{
	eventfd = eventfd_ctx_fdget(fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
#ifdef HAVE_TOKEN
	/* A producer that was never taken into irqbypass's list is taken off it all the same. */
	INIT_LIST_HEAD(&producer.node);
#endif
	result = register_producer();
	if (!result || careless)
		return 0;
	eventfd_ctx_put(eventfd);
	return result;
}

static void __exit vlpi_test_producer_exit(void)
{
	irq_bypass_unregister_producer(&producer);
	eventfd_ctx_put(eventfd);
}

module_init(vlpi_test_producer_init);
module_exit(vlpi_test_producer_exit);

MODULE_DESCRIPTION("For tests only: a producer for an eventfd, with any host IRQ");
MODULE_LICENSE("GPL");
