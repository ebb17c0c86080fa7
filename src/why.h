/* SPDX-License-Identifier: GPL-2.0-only */
/* Why the books changed: the reasons that tracepoints give. */
#ifndef VLPI_BROKER_WHY_H
#define VLPI_BROKER_WHY_H

/**
 * enum vb_why - why something happened
 * @VB_CONNECTED: irqbypass connected a producer with the irqfd.
 * @VB_VACANT: nobody held the slot.
 * @VB_HELD: another holds the slot.
 * @VB_REFUSED: KVM or the irqchip turned the host IRQ down, with the errno given.
 * @VB_LEFT: the producer, or the irqfd, is going.
 * @VB_REROUTED: the route of the irqfd leads elsewhere now, or the guest's tables do.
 * @VB_KVM: KVM removed the mapping by itself (DISCARD, MAPD, the end of the VM).
 * @VB_REVOKED: the broker took the mapping back.
 * @VB_LEAKED: KVM did not unmap it when it should have.
 * @VB_STRAY: found forwarded, and in nobody's book, when the module was loaded.
 * @VB_THREAD: by the fallback thread.
 * @VB_INLINE: by the wake-up itself.
 * @VB_TAKEN: another host IRQ is mapped to that vLPI.
 * @VB_UNKNOWN: the host IRQ is in nobody's book.
 * @VB_ELSEWHERE: that host IRQ is mapped to another vLPI, or was to be.
 * @VB_NO_LPI: the guest has no LPI there, or has its ITS or its LPIs off.
 */
enum vb_why {
	VB_CONNECTED,
	VB_VACANT,
	VB_HELD,
	VB_REFUSED,
	VB_LEFT,
	VB_REROUTED,
	VB_KVM,
	VB_REVOKED,
	VB_LEAKED,
	VB_STRAY,
	VB_THREAD,
	VB_INLINE,
	VB_TAKEN,
	VB_UNKNOWN,
	VB_ELSEWHERE,
	VB_NO_LPI,
};

#endif /* VLPI_BROKER_WHY_H */
