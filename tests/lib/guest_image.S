/* SPDX-License-Identifier: GPL-2.0-only */
	.section .rodata
	.balign	16
	.global	guest_image, guest_image_end
guest_image:
	.incbin	GUEST_BIN
guest_image_end:
	.section .note.GNU-stack, "", %progbits
