// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the load raises each irqfd that it takes over, also where no mapping was given up
// Hazard: H25
// Kernel: 7.3
// Red: take_over -t raises_nothing_that_was_not_mapped
// Why-red: tap
// Says: Expected wired

@@
@@
 register_taken(...)
 {
 <...
-if (may_have_been_mapped(proxy))
 	broker_owe(&proxy->client);
 ...>
 }
