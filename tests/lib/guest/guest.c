// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bare-metal guest: counts the interrupts it takes and does to its GICv3 and ITS what the VMM
 * asks for through the mailbox. It decides nothing by itself: what a test does is in the test.
 */
#include "mailbox.h"

#define BIT(n)			(1UL << (n))

#define GICD_CTLR		0x0000
#define GICD_IGROUPR		0x0080
#define GICD_ISENABLER		0x0100
#define GICD_IPRIORITYR		0x0400
#define GICD_ICFGR		0x0c00
#define GICD_IROUTER		0x6000
#define GICD_CTLR_RWP		BIT(31)
#define GICD_CTLR_ARE		BIT(4)
#define GICD_CTLR_GRP1		BIT(1)

#define GICR_CTLR		0x0000
#define GICR_WAKER		0x0014
#define GICR_PROPBASER		0x0070
#define GICR_PENDBASER		0x0078
#define GICR_SGI		0x10000
#define GICR_WAKER_SLEEP	BIT(1)
#define GICR_WAKER_ASLEEP	BIT(2)
#define GICR_CTLR_RWP		BIT(3)

#define GITS_CTLR		0x0000
#define GITS_CBASER		0x0080
#define GITS_CWRITER		0x0088
#define GITS_CREADR		0x0090
#define GITS_BASER		0x0100

/* Read- and write-allocate write-back, inner shareable: in these fields of all base registers. */
#define ITS_BASE_ATTRS		((7UL << 59) | (1UL << 10))
#define GICR_BASE_ATTRS		((7UL << 7) | (1UL << 10))
#define GUEST_TABLE_SIZE	0x10000UL
#define GUEST_ID_BITS		16

/* A register of an emulated device does not take this many reads to change. */
#define SPINS			1000000

#define read_sysreg(r)	({ uint64_t __v; asm volatile("mrs %0, " r : "=r"(__v)); __v; })
#define write_sysreg(r, v)	asm volatile("msr " r ", %0" :: "r"((uint64_t)(v)) : "memory")
#define isb()			asm volatile("isb" ::: "memory")
#define dsb()			asm volatile("dsb sy" ::: "memory")

#define ICC_IAR1		"s3_0_c12_c12_0"
#define ICC_EOIR1		"s3_0_c12_c12_1"
#define ICC_BPR1		"s3_0_c12_c12_3"
#define ICC_CTLR		"s3_0_c12_c12_4"
#define ICC_SRE			"s3_0_c12_c12_5"
#define ICC_IGRPEN1		"s3_0_c12_c12_7"
#define ICC_PMR			"s3_0_c4_c6_0"

struct state {
	enum guest_idle idle;
	int masked;
};

static struct state states[GUEST_MAX_VCPUS];

static struct guest_vcpu *mailbox(uint64_t cpu)
{
	return &((struct guest_shared *)GUEST_SHARED)->vcpu[cpu];
}

/* Plain loads and stores only: KVM cannot emulate a register access with write-back. */
static uint32_t read32(uint64_t addr)
{
	uint32_t v;

	asm volatile("ldr %w0, [%1]" : "=r"(v) : "r"(addr) : "memory");
	return v;
}

static uint64_t read64(uint64_t addr)
{
	uint64_t v;

	asm volatile("ldr %0, [%1]" : "=r"(v) : "r"(addr) : "memory");
	return v;
}

static void write32(uint64_t addr, uint32_t v)
{
	dsb();
	asm volatile("str %w0, [%1]" :: "r"(v), "r"(addr) : "memory");
}

static void write64(uint64_t addr, uint64_t v)
{
	dsb();
	asm volatile("str %0, [%1]" :: "r"(v), "r"(addr) : "memory");
}

static uint32_t wait_clear(uint64_t addr, uint32_t bits)
{
	for (unsigned int i = 0; i < SPINS; i++)
		if (!(read32(addr) & bits))
			return GUEST_OK;
	return GUEST_TIMEOUT;
}

static uint64_t redist(uint64_t cpu)
{
	return GUEST_GICR + cpu * GUEST_GICR_STRIDE;
}

void guest_irq(void)
{
	struct guest_vcpu *mb = mailbox(read_sysreg("tpidr_el1"));
	uint64_t intid = read_sysreg(ICC_IAR1);

	dsb();
	if (intid >= 1020 && intid <= 1023) {
		mb->spurious++;
		return;
	}
	mb->last_irq_time = read_sysreg("cntpct_el0");
	mb->count[guest_counter(intid)]++;
	dsb();
	write_sysreg(ICC_EOIR1, intid);
	isb();
}

void guest_fault(uint64_t vector)
{
	struct guest_vcpu *mb = mailbox(read_sysreg("tpidr_el1"));

	mb->fault_vector = vector;
	mb->fault_esr = read_sysreg("esr_el1");
	mb->fault_elr = read_sysreg("elr_el1");
	mb->fault_far = read_sysreg("far_el1");
	__atomic_store_n(&mb->fault, 1, __ATOMIC_RELEASE);
	for (;;)
		asm volatile("wfi");
}

/* SPIs 32 to 63: group 1, edges, of one priority; the doorbells to their vCPUs. */
static uint32_t init_distributor(void)
{
	uint64_t d = GUEST_GICD;

	write32(d + GICD_CTLR, GICD_CTLR_ARE);
	if (wait_clear(d + GICD_CTLR, GICD_CTLR_RWP))
		return GUEST_TIMEOUT;
	write32(d + GICD_IGROUPR + 4, ~0U);
	for (unsigned int i = 32; i < 64; i += 4)
		write32(d + GICD_IPRIORITYR + i, 0xa0a0a0a0);
	for (unsigned int i = 32; i < 64; i += 16)
		write32(d + GICD_ICFGR + i / 4, 0xaaaaaaaa);
	write64(d + GICD_IROUTER + 8 * GUEST_SENTINEL_SPI, 0);
	for (unsigned int i = 0; i < GUEST_MAX_VCPUS; i++)
		write64(d + GICD_IROUTER + 8 * (GUEST_DOORBELL_SPI + i), i);
	write32(d + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1);
	for (unsigned int i = GUEST_SENTINEL_SPI; i <= GUEST_LAST_SPI; i++)
		write32(d + GICD_ISENABLER + 4, 1U << (i - 32));
	return wait_clear(d + GICD_CTLR, GICD_CTLR_RWP);
}

static uint32_t init_gic(uint64_t cpu)
{
	uint64_t rd = redist(cpu), sgi = rd + GICR_SGI;

	write_sysreg(ICC_SRE, read_sysreg(ICC_SRE) | 1);
	isb();
	if (cpu == 0 && init_distributor())
		return GUEST_TIMEOUT;
	write32(rd + GICR_WAKER, read32(rd + GICR_WAKER) & ~GICR_WAKER_SLEEP);
	if (wait_clear(rd + GICR_WAKER, GICR_WAKER_ASLEEP))
		return GUEST_TIMEOUT;
	write32(sgi + GICD_IGROUPR, ~0U);
	if (wait_clear(rd + GICR_CTLR, GICR_CTLR_RWP))
		return GUEST_TIMEOUT;
	write_sysreg(ICC_PMR, 0xff);
	write_sysreg(ICC_BPR1, 0);
	write_sysreg(ICC_CTLR, 0);
	write_sysreg(ICC_IGRPEN1, 1);
	isb();
	return GUEST_OK;
}

static uint32_t set_lpis(uint64_t cpu, uint64_t on)
{
	uint64_t rd = redist(cpu);

	if (on) {
		write64(rd + GICR_PROPBASER,
			GUEST_PROP_TABLE | GICR_BASE_ATTRS | (GUEST_ID_BITS - 1));
		write64(rd + GICR_PENDBASER,
			(GUEST_PEND_TABLES + cpu * GUEST_TABLE_SIZE) | GICR_BASE_ATTRS | BIT(62));
	}
	write32(rd + GICR_CTLR, on ? 1 : 0);
	return wait_clear(rd + GICR_CTLR, GICR_CTLR_RWP);
}

/* GITS_BASER: 64 KiB pages, one page, of the type the ITS says the register has. */
static void init_table(unsigned int n, uint64_t table)
{
	uint64_t reg = GUEST_GITS + GITS_BASER + 8 * n, type = read64(reg) & (7UL << 56);

	write64(reg, BIT(63) | ITS_BASE_ATTRS | type | table | (2UL << 8));
}

static uint32_t init_its(void)
{
	write32(GUEST_GITS + GITS_CTLR, 0);
	for (unsigned int n = 0; n < 8; n++) {
		switch ((read64(GUEST_GITS + GITS_BASER + 8 * n) >> 56) & 7) {
		case 1:
			init_table(n, GUEST_DEVICE_TABLE);
			break;
		case 4:
			init_table(n, GUEST_COLLECTION_TABLE);
			break;
		}
	}
	write64(GUEST_GITS + GITS_CBASER, BIT(63) | ITS_BASE_ATTRS | GUEST_CMD_QUEUE |
		(GUEST_TABLE_SIZE / 4096 - 1));
	write64(GUEST_GITS + GITS_CWRITER, 0);
	write32(GUEST_GITS + GITS_CTLR, 1);
	return GUEST_OK;
}

static uint64_t queue_cmd(uint64_t off, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	volatile uint64_t *slot = (uint64_t *)(GUEST_CMD_QUEUE + off);

	slot[0] = a;
	slot[1] = b;
	slot[2] = c;
	slot[3] = d;
	return (off + 32) % GUEST_TABLE_SIZE;
}

static uint32_t its_cmd(volatile uint64_t *arg)
{
	uint64_t off = read64(GUEST_GITS + GITS_CWRITER) & 0xfffe0;

	off = queue_cmd(off, arg[0], arg[1], arg[2], arg[3]);
	off = queue_cmd(off, 0x05, 0, arg[4], 0);
	write64(GUEST_GITS + GITS_CWRITER, off);
	for (unsigned int i = 0; i < SPINS; i++)
		if ((read64(GUEST_GITS + GITS_CREADR) & 0xfffe0) == off)
			return GUEST_OK;
	return GUEST_TIMEOUT;
}

static uint32_t set_prop(uint64_t intid, uint64_t prop)
{
	if (intid < GUEST_LPI_BASE || intid >= BIT(GUEST_ID_BITS))
		return GUEST_BAD_ARG;
	*(volatile uint8_t *)(GUEST_PROP_TABLE + intid - GUEST_LPI_BASE) = prop;
	dsb();
	return GUEST_OK;
}

static uint32_t access(struct guest_vcpu *mb, int write)
{
	uint64_t addr = mb->arg[0], size = mb->arg[1];

	if (size == 4 && write)
		write32(addr, mb->arg[2]);
	else if (size == 8 && write)
		write64(addr, mb->arg[2]);
	else if (size == 4)
		mb->result = read32(addr);
	else if (size == 8)
		mb->result = read64(addr);
	else
		return GUEST_BAD_ARG;
	return GUEST_OK;
}

/* How often, is in @result meanwhile. */
static void write_on(struct guest_vcpu *mb)
{
	for (;;) {
		access(mb, 1);
		mb->arg[2] = (mb->arg[2] + mb->arg[3]) % mb->arg[4];
		mb->result++;
	}
}

/*
 * Raises an interrupt over and over from inside, so that no task of the host has to run for that.
 * Nothing lies between the clock and the write.
 */
static uint32_t fire(struct guest_vcpu *mb)
{
	uint64_t addr = mb->arg[0], value = mb->arg[1], intid = mb->arg[2];
	volatile uint32_t *count = &mb->count[guest_counter(intid)];
	volatile uint64_t *time = &mb->last_irq_time;
	uint32_t status = GUEST_OK;

	asm volatile("msr daifclr, #2" ::: "memory");
	for (unsigned int n = 0; n < GUEST_FIRES; n++) {
		uint32_t before = *count;
		uint64_t now, turns = GUEST_FIRE_TURNS;

		dsb();
		asm volatile("mrs %0, cntpct_el0\n\tstr %w1, [%2]"
			     : "=&r"(now) : "r"(value), "r"(addr) : "memory");
		asm volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(turns) :: "cc", "memory");
		mb->ended[n] = read_sysreg("cntpct_el0");
		/* It may be late, when a task of the host's comes in between. */
		for (unsigned int i = 0; intid && *count == before && i < SPINS; i++)
			isb();
		mb->fired[n] = now;
		mb->taken[n] = *time;
		if (*count - before != !!intid)
			status = GUEST_TIMEOUT;
	}
	asm volatile("msr daifset, #2" ::: "memory");
	return status;
}

static uint32_t obey(uint64_t cpu, struct guest_vcpu *mb)
{
	struct state *s = &states[cpu];

	switch (mb->op) {
	case GUEST_NOP:
		return GUEST_OK;
	case GUEST_GIC_INIT:
		return init_gic(cpu);
	case GUEST_LPIS:
		return set_lpis(cpu, mb->arg[0]);
	case GUEST_ITS_INIT:
		return init_its();
	case GUEST_ITS:
		write32(GUEST_GITS + GITS_CTLR, mb->arg[0] ? 1 : 0);
		return GUEST_OK;
	case GUEST_ITS_CMD:
		return its_cmd(mb->arg);
	case GUEST_LPI_PROP:
		return set_prop(mb->arg[0], mb->arg[1]);
	case GUEST_MASK:
		s->masked = mb->arg[0];
		return GUEST_OK;
	case GUEST_IDLE:
		s->idle = mb->arg[0];
		return GUEST_OK;
	case GUEST_READ:
	case GUEST_WRITE:
		return access(mb, mb->op == GUEST_WRITE);
	case GUEST_WRITE_ON:
		write_on(mb);
	case GUEST_FIRE:
		return fire(mb);
	}
	return GUEST_BAD_OP;
}

void guest_main(uint64_t cpu)
{
	struct guest_vcpu *mb = mailbox(cpu);
	struct state *s = &states[cpu];

	/* Until the GIC is set up, no doorbell can end a WFI. */
	s->idle = GUEST_IDLE_SPIN;
	s->masked = 0;
	mb->boots++;
	for (;;) {
		uint32_t seq = __atomic_load_n(&mb->seq, __ATOMIC_ACQUIRE);

		if (seq != mb->ack) {
			mb->status = obey(cpu, mb);
			dsb();
			__atomic_store_n(&mb->ack, seq, __ATOMIC_RELEASE);
		} else if (s->idle == GUEST_IDLE_WFI) {
			/* Ends with the doorbell pending, masked or not: none is slept through. */
			asm volatile("wfi");
		} else {
			asm volatile("yield");
		}
		if (!s->masked) {
			asm volatile("msr daifclr, #2" ::: "memory");
			isb();
			asm volatile("msr daifset, #2" ::: "memory");
		}
	}
}
