// SPDX-License-Identifier: GPL-2.0-only
// Breaks: the record of a VM stays when its last irqfd has left
// Hazard: H28
// Kernel: 7.3
// Red: stuck -t while_stuck
// Why-red: tap
// Says: the broker forgets a VM that was killed

@@
@@
 broker_remove_client(...)
 {
 <...
-if (RB_EMPTY_ROOT(&vm->clients))
-	atomic_dec(&count.vms);
 ...>
 }
