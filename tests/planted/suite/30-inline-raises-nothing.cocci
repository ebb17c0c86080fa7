// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the wake-up takes a signal as if hands were changing, and no raise follows
// Hazard: H21
// Kernel: 7.3
// Red: lossless -r unable.waiter.lpi_disabled
// Lab: --append vlpi_broker.fallback=inline
// Why-red: tap
// Says: raised while the LPI was disabled: lost

@@
@@
 slot_set_served(...)
 {
 <...
-slot->raiser = held ? slot->holder : NULL;
+slot->raiser = NULL;
 ...>
 }
