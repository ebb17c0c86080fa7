// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a VM is called after the task whose number KVM has noted, the thread that made it
// Hazard: H37
// Kernel: 7.3
// Red: hidden_vm -t is_not_what_the_vm_is_called
// Lab: --no-load
// Why-red: tap
// Says: client [0-9]+ is of process

@@
@@
 irqfd(...)
 {
 <...
-task_tgid_nr(current)
+kvm->userspace_pid
 ...>
 }
