// SPDX-License-Identifier: GPL-2.0-only
// Breaks: KVM's cached translation of the MSI stays after a grant, and the waiters are served through it
// Hazard: H21
// Kernel: 6.1
// Red: lossless -r unable.waiter.lpi_disabled
// Why-red: tap
// Says: raised while the LPI was disabled: lost

@@
@@
 shim_grant(...)
 {
 <...
-real.flush_cache(kvm);
 ...>
 }
