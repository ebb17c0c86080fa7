// SPDX-License-Identifier: GPL-2.0-only
// Breaks: KVM_IRQFD is not told when its VM is settled, and waits as long as it may
// Hazard: H49
// Kernel: 7.3
// Red: come_and_go -t in_a_loop
// Lab: --icount
// Why-red: tap
// Says: Expected LEAST

@@
@@
 is_done(...)
 {
 <...
-wake_up_all(&vm->settled);
 ...>
 }
