// SPDX-License-Identifier: GPL-2.0-only
// Breaks: wake-ups go on raising vLPIs while KVM has their vPEs unmapped to save the pending tables
// Places: 2
// Hazard: H53
// Kernel: 7.3
// Red: saving -t edge_of_a_waiter_is_kept
// Lab: --gic 4.1
// Why-red: tap
// Says: the edge is lost

@@
@@
 raise_inline(...)
 {
 <...
-READ_ONCE(client->raises_inline) && !READ_ONCE(vm_of(client)->held_off) && broker_raise(client)
+READ_ONCE(client->raises_inline) && broker_raise(client)
 ...>
 }

@@
@@
 vm_hold_off(...)
 {
 <...
-synchronize_rcu();
 ...>
 }
