/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In front of vp_vdpa.c, which is not altered: three things it needs on the lab's machine.
 *
 * vhost-vdpa gives the device an IOMMU domain of its own, and no kernel maps the MSI doorbell in
 * it: with an SMMU, a device that leaves its DMA to vhost-vdpa, as vp_vdpa does, has no
 * interrupts. VFIO prepares its domains with iommu_get_msi_cookie(); here the same is done just
 * before vp_vdpa asks for its vectors.
 *
 * QEMU 10 has the queues of a network device beyond the first pair only while VIRTIO_NET_F_MQ is
 * negotiated, and vp_vdpa counts them before (3 for 9). So all features are accepted for as long
 * as they are counted.
 *
 * vp_vdpa takes queues of 256 entries at most. Those of a network device of QEMU 10.0 have 1024,
 * whatever rx_queue_size and tx_queue_size say: vhost would not start. The device behind vp_vdpa
 * is QEMU's, too.
 */
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci_modern.h>

/* The SMMU drivers' MSI_IOVA_BASE, as with VFIO; QEMU's virt machine has no memory there. */
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

static inline u16 vp_vdpa_get_num_queues(struct virtio_pci_modern_device *mdev)
{
	u16 n;

	vp_modern_set_status(mdev, 0);
	vp_modern_set_status(mdev, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	vp_modern_set_features(mdev, vp_modern_get_features(mdev));
	n = vp_modern_get_num_queues(mdev);
	vp_modern_set_status(mdev, 0);
	return n;
}

#define vp_modern_get_num_queues vp_vdpa_get_num_queues

struct vdpa_device;

static u16 vp_vdpa_get_vq_num_max(struct vdpa_device *vdpa)
{
	return 1024;
}

/* The definition in vp_vdpa.c gets another name; where the function is only named, it is ours. */
static u16 __maybe_unused vp_vdpa_get_own_vq_num_max(struct vdpa_device *vdpa);
#define vp_vdpa_get_vq_num_max(vdpa) vp_vdpa_get_own_vq_num_max(vdpa)
