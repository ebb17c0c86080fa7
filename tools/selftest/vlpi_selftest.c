// SPDX-License-Identifier: GPL-2.0-only
/*
 * For vlpi-selftest: has the ITS raise MSIs of one PCI function, so that any device serves whose
 * own driver is not there to make it raise them.
 *
 * The function is named when the module is loaded ("function=0000:03:00.1"), and has to be bound to
 * vfio-pci then and each time. Root writes the number of a vector to the parameter "raise", and the
 * ITS gets an INT command, or the GICv4 kind of it, for that vector's event: what follows is what
 * follows on the device's own write.
 *
 * No interrupt of another device can be raised. The host IRQ is looked up in the function's own MSI
 * descriptors, and raised under their lock: it is not freed, and so not another's, before it was
 * raised. And under the device's lock: no other driver has the function meanwhile. The module keeps
 * nothing of it but a reference.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/string.h>

#ifdef HAVE_MSI_LOCK_UNDERSCORED
#define lock_descs		__msi_lock_descs
#define unlock_descs		__msi_unlock_descs
#else
#define lock_descs		msi_lock_descs
#define unlock_descs		msi_unlock_descs
#endif

static char *function;
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "Address of the PCI function, which is bound to vfio-pci");

/* Under the lock of this module's parameters; NULL while it is not loaded as a whole. */
static struct device *dev;

/* With the device's lock held. */
static bool is_vfios(void)
{
	return dev->driver && !strcmp(dev->driver->name, "vfio-pci");
}

/* With the lock of its descriptors held: the host IRQ, if VFIO has requested it. */
static int irq_of(unsigned int vector)
{
	struct msi_desc *desc;
	unsigned int irq;

	msi_for_each_desc(desc, dev, MSI_DESC_ASSOCIATED) {
		/* Several vectors of an MSI have one descriptor, each of an MSI-X its own. */
		if (vector < desc->msi_index || vector - desc->msi_index >= desc->nvec_used)
			continue;
		irq = desc->irq + vector - desc->msi_index;
		return irq_has_action(irq) ? irq : -ENXIO;
	}
	return -ENXIO;
}

/* With the device's lock held. */
static int raise_irq(unsigned int vector)
{
	int irq, ret;

	/* It goes with the driver, and so stays while the device is locked. */
	if (!READ_ONCE(dev->msi.data))
		return -ENXIO;
	lock_descs(dev);
	irq = irq_of(vector);
	ret = irq < 0 ? irq : irq_set_irqchip_state(irq, IRQCHIP_STATE_PENDING, true);
	unlock_descs(dev);
	return ret;
}

static int set_raise(const char *val, const struct kernel_param *kp)
{
	unsigned int vector;
	int ret = kstrtouint(val, 0, &vector);

	if (ret)
		return ret;
	if (!dev)
		return -ENODEV;
	device_lock(dev);
	ret = is_vfios() ? raise_irq(vector) : -ENODEV;
	device_unlock(dev);
	return ret;
}

static const struct kernel_param_ops raise_ops = {
	.set = set_raise,
};

module_param_cb(raise, &raise_ops, NULL, 0200);
MODULE_PARM_DESC(raise, "Written: the vector of it that the ITS is to raise, once");

static int take_device(void)
{
	int ret = 0;

	dev = bus_find_device_by_name(&pci_bus_type, NULL, function);
	if (!dev)
		return -ENODEV;
	device_lock(dev);
	if (!is_vfios())
		ret = -EBUSY;
	device_unlock(dev);
	if (!ret)
		return 0;
	put_device(dev);
	dev = NULL;
	return ret;
}

static int __init vlpi_selftest_init(void)
{
	int ret;

	if (!function)
		return -EINVAL;
	kernel_param_lock(THIS_MODULE);
	ret = take_device();
	kernel_param_unlock(THIS_MODULE);
	if (!ret)
		pr_info("raises MSIs of %s when told to\n", function);
	return ret;
}

/* The parameters are there for a moment longer than this. */
static void __exit vlpi_selftest_exit(void)
{
	kernel_param_lock(THIS_MODULE);
	put_device(dev);
	dev = NULL;
	kernel_param_unlock(THIS_MODULE);
}

module_init(vlpi_selftest_init);
module_exit(vlpi_selftest_exit);

MODULE_DESCRIPTION("For vlpi-selftest: has the ITS raise MSIs of one function of vfio-pci's");
MODULE_LICENSE("GPL");
