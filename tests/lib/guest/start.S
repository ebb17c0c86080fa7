/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry of each vCPU (x0: its number, nothing else is set), and the exception vectors.
 *
 * The MMU is switched on with two blocks of 1 GiB, devices and memory: without it all memory would
 * be device memory, which the host's cached view of it does not match on real hardware.
 */
#define STACK_SHIFT	14

	.section .text.start, "ax"
	.global _start
_start:
	msr	daifset, #0xf
	msr	tpidr_el1, x0
	adr	x1, vectors
	msr	vbar_el1, x1
	/* CPACR_EL1.FPEN: no FP is used, but a trap of it would be a fault hard to read */
	mov	x1, #(3 << 20)
	msr	cpacr_el1, x1
	ldr	x1, =0xff00			/* 0: device nGnRnE, 1: normal write-back */
	msr	mair_el1, x1
	/* T0SZ 25 (starts at level 1), write-back inner shareable walks, EPD1, 40-bit IPS */
	ldr	x1, =(25 | (1 << 8) | (1 << 10) | (3 << 12) | (1 << 23) | (2 << 32))
	msr	tcr_el1, x1
	adr	x1, page_table
	msr	ttbr0_el1, x1
	isb
	tlbi	vmalle1
	dsb	nsh
	ic	iallu
	dsb	nsh
	isb
	mrs	x1, sctlr_el1
	ldr	x2, =((1 << 0) | (1 << 2) | (1 << 12))	/* M, C, I */
	orr	x1, x1, x2
	msr	sctlr_el1, x1
	isb
	msr	spsel, #1
	adrp	x1, stacks
	add	x1, x1, :lo12:stacks
	add	x2, x0, #1
	add	x1, x1, x2, lsl #STACK_SHIFT
	mov	sp, x1
	bl	guest_main
	b	.

	.macro	vector number
	.balign	0x80
	sub	sp, sp, #176
	stp	x0, x1, [sp]
	mov	x0, #\number
	.if	\number == 5
	b	irq
	.else
	b	fault
	.endif
	.endm

	.balign	0x800
vectors:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vector	\n
	.endr

irq:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x29, [sp, #144]
	str	x30, [sp, #160]
	bl	guest_irq
	ldr	x30, [sp, #160]
	ldp	x18, x29, [sp, #144]
	ldp	x16, x17, [sp, #128]
	ldp	x14, x15, [sp, #112]
	ldp	x12, x13, [sp, #96]
	ldp	x10, x11, [sp, #80]
	ldp	x8, x9, [sp, #64]
	ldp	x6, x7, [sp, #48]
	ldp	x4, x5, [sp, #32]
	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp]
	add	sp, sp, #176
	eret

fault:
	bl	guest_fault
	b	.

	/* AF, inner shareable, block; execute-never for the devices */
	.section .data
	.balign	4096
page_table:
	.quad	0x0060000000000401
	.quad	0x0000000040000705
	.fill	510, 8, 0

	.section .bss
	.balign	16
stacks:
	.skip	(8 << STACK_SHIFT)
