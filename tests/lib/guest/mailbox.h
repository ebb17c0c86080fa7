/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test VMM and its guest share: the layout of guest memory, and one mailbox a vCPU.
 *
 * The VMM writes @op and @arg, then @seq; the guest obeys, writes @result, then @ack. Commands are
 * read in the guest's idle loop only, with interrupts masked: its interrupt handler does nothing
 * but count, so a counter that has moved is an interrupt that was taken, and no other thing.
 */
#ifndef GUEST_MAILBOX_H
#define GUEST_MAILBOX_H

#include <stdint.h>

#define GUEST_MAX_VCPUS		8

/* Intermediate physical addresses. */
#define GUEST_GICD		0x08000000UL
#define GUEST_GITS		0x08080000UL
#define GUEST_GITS_TRANSLATER	(GUEST_GITS + 0x10040)
#define GUEST_GICR		0x080a0000UL
#define GUEST_GICR_STRIDE	0x20000UL
/* Where the VMM may map device memory; the first GiB is device memory to the guest. */
#define GUEST_DEVICES		0x10000000UL
#define GUEST_DEVICE_SIZE	0x01000000UL	/* of one at most */

#define GUEST_RAM		0x40000000UL
#define GUEST_RAM_SIZE		0x01000000UL
#define GUEST_SHARED		(GUEST_RAM + 0x100000)
#define GUEST_PROP_TABLE	(GUEST_RAM + 0x400000)
#define GUEST_PEND_TABLES	(GUEST_RAM + 0x410000)	/* 64 KiB a vCPU */
#define GUEST_CMD_QUEUE		(GUEST_RAM + 0x500000)	/* these are 64 KiB each */
#define GUEST_CMD_QUEUE_SIZE	0x10000UL
#define GUEST_DEVICE_TABLE	(GUEST_RAM + 0x510000)
#define GUEST_COLLECTION_TABLE	(GUEST_RAM + 0x520000)
#define GUEST_TABLES_END	(GUEST_RAM + 0x530000)
#define GUEST_ITTS		(GUEST_RAM + 0x600000)	/* to the end of memory */

#define GUEST_LPI_BASE		8192
#define GUEST_NR_LPIS		4096
#define GUEST_NR_COUNTERS	(1024 + GUEST_NR_LPIS + 1)

/*
 * One SPI is free for the VMM's own use; the others it rings when a command waits, one a vCPU. All
 * of them are edges (KVM's PPIs are levels, whatever the guest programs).
 */
#define GUEST_SENTINEL_SPI	32
#define GUEST_DOORBELL_SPI	40
#define GUEST_LAST_SPI		(GUEST_DOORBELL_SPI + GUEST_MAX_VCPUS - 1)

enum guest_op {
	GUEST_NOP,
	GUEST_GIC_INIT,		/* distributor (vCPU 0), redistributor, CPU interface */
	GUEST_LPIS,		/* arg0: GICR_CTLR.EnableLPIs; the tables are set before */
	GUEST_ITS_INIT,		/* command queue and tables, then on */
	GUEST_ITS,		/* arg0: GITS_CTLR.Enabled */
	GUEST_ITS_CMD,		/* arg0-3: the command; arg4: target of the SYNC after it */
	GUEST_LPI_PROP,		/* arg0: INTID, arg1: property byte */
	GUEST_MASK,		/* arg0: PSTATE.I while idle */
	GUEST_IDLE,		/* arg0: enum guest_idle */
	GUEST_READ,		/* arg0: address, arg1: bytes (4 or 8); result */
	GUEST_WRITE,		/* arg0: address, arg1: bytes (4 or 8), arg2: value */
	GUEST_WRITE_ON,		/* as GUEST_WRITE, for ever: then + arg3, modulo arg4; no answer */
	GUEST_FIRE,		/* arg0: device register, 4 bytes, arg1: value, arg2: INTID or 0 */
};

/* GUEST_FIRE: so often; and then it has so many turns of a loop for the interrupt to come. */
#define GUEST_FIRES		200
#define GUEST_FIRE_TURNS	50000

enum guest_idle {
	GUEST_IDLE_WFI,
	GUEST_IDLE_SPIN,	/* never blocks: stays on its host CPU */
};

enum guest_status {
	GUEST_OK,
	GUEST_BAD_OP,
	GUEST_TIMEOUT,		/* a register did not become what it must */
	GUEST_BAD_ARG,
};

struct guest_vcpu {
	uint32_t seq;
	uint32_t ack;
	uint32_t op;
	uint32_t status;
	uint64_t arg[5];
	uint64_t result;

	/* An exception that the guest does not expect; it has stopped. */
	uint32_t fault;
	uint32_t fault_vector;
	uint64_t fault_esr;
	uint64_t fault_elr;
	uint64_t fault_far;

	uint64_t boots;
	uint64_t spurious;
	/* By the physical counter, which is the host's. */
	uint64_t last_irq_time;
	/* GUEST_FIRE: when it wrote, when it took an interrupt, and when its loop ended. */
	uint64_t fired[GUEST_FIRES];
	uint64_t taken[GUEST_FIRES];
	uint64_t ended[GUEST_FIRES];
	/* Interrupts taken, never reset by the guest: INTIDs 0-1023, the LPIs, and any other. */
	uint32_t count[GUEST_NR_COUNTERS];
};

struct guest_shared {
	struct guest_vcpu vcpu[GUEST_MAX_VCPUS];
};

static inline unsigned int guest_counter(uint32_t intid)
{
	if (intid < 1024)
		return intid;
	if (intid >= GUEST_LPI_BASE && intid < GUEST_LPI_BASE + GUEST_NR_LPIS)
		return 1024 + intid - GUEST_LPI_BASE;
	return GUEST_NR_COUNTERS - 1;
}

static inline uint32_t guest_counter_intid(unsigned int n)
{
	return n < 1024 ? n : n - 1024 + GUEST_LPI_BASE;
}

#endif /* GUEST_MAILBOX_H */
