// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the shim takes every client for one of the first VM that it saw
// Hazard: H13
// Kernel: 6.1
// Red: two_vms -t each_gets_its_own
// Why-red: tap

@@
@@
 kvm_of(...)
 {
-return vm_of(client)->kvm;
+static struct kvm *first;
+
+if (!first)
+	first = vm_of(client)->kvm;
+return first;
 }
