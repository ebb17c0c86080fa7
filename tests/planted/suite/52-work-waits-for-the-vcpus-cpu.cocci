// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the work of a VM is tied to a host CPU, which may be that of a real-time vCPU
// Hazard: H49
// Kernel: 7.3
// Red: realtime -t of_waiters
// Lab: --icount --smp 2
// Why-red: tap
// Says: does not arrive
// Places: 2

@@
@@
 kick(...)
 {
 <...
-queue_work(wq, &vm->settle)
+queue_work_on(cpumask_last(cpu_online_mask), wq, &vm->settle)
 ...>
 }

@@
@@
 vm_init(...)
 {
 <...
-WQ_UNBOUND | WQ_SYSFS
+0
 ...>
 }
