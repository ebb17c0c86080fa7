// SPDX-License-Identifier: GPL-2.0-only
// Breaks: irqfds that were assigned before the module was loaded are not taken over
// Hazard: H25
// Kernel: 7.3
// Red: take_over -t shares_with_early
// Why-red: tap

@@
@@
 take_irqfds(...)
 {
 <...
-next_irqfd(kvm, &last)
+(next_irqfd(kvm, &last), NULL)
 ...>
 }
