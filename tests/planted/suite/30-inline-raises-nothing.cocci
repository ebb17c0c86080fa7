// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the wake-up takes a signal, and raises nothing
// Hazard: H21
// Kernel: 7.3
// Red: lossless -r unable.waiter.lpi_disabled
// Why-red: tap
// Says: raised while the LPI was disabled: lost

@@
@@
 broker_raise(...)
 {
 <...
-done = shim_raise_through(slot->raiser);
+done = true;
 ...>
 }
