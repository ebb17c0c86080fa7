// SPDX-License-Identifier: GPL-2.0-only
// Breaks: INFO shifts an int by its size
// Hazard: UBSAN
// Kernel: 7.3
// Lab: --flavour debug --timeout 3000
// Red: device_calls -r chardev.is_for_root
// Why-red: log
// Says: UBSAN: shift-out-of-bounds

@@
@@
 info_ioctl(...)
 {
 <...
 broker_info(&info);
+info.flags |= 1 << head.size;
 ...>
 }
