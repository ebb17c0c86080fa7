/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost-vdpa gives the device an IOMMU domain of its own, and no kernel maps the MSI doorbell in it: with an SMMU, a
 * device that leaves its DMA to vhost-vdpa, as vp_vdpa does, has no interrupts. VFIO prepares its domains with
 * iommu_get_msi_cookie(); here the same is done just before vp_vdpa asks for its vectors. vp_vdpa.c is not altered.
 */
#include <linux/iommu.h>
#include <linux/pci.h>

/* Where VFIO puts it, too (MSI_IOVA_BASE of the SMMU drivers); QEMU's virt machine has no memory there. */
#define VP_VDPA_MSI_IOVA 0x8000000

static inline int vp_vdpa_alloc_irq_vectors(struct pci_dev *pdev, unsigned int min,
					    unsigned int max, unsigned int flags)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&pdev->dev);

	if (domain && domain->type == IOMMU_DOMAIN_UNMANAGED) {
		int ret = iommu_get_msi_cookie(domain, VP_VDPA_MSI_IOVA);

		/* Vectors are asked for again after each reset, in the same domain. */
		if (ret && ret != -EEXIST && ret != -EBUSY)
			return ret;
	}
	return pci_alloc_irq_vectors(pdev, min, max, flags);
}

#define pci_alloc_irq_vectors vp_vdpa_alloc_irq_vectors
