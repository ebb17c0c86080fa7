// SPDX-License-Identifier: GPL-2.0-only
// Breaks: whoever has a VM settled looks at each other VM, too
// Hazard: P7
// Kernel: 7.3
// Lab: --no-load --icount --mem 4
// Red: scale -t others_costs_nothing
// Why-red: tap
// Says: grows with the VMs beside it

@@
iterator name hash_for_each_rcu;
@@
 kick(...)
 {
 ...
+{
+	struct vm *other;
+	int i;
+
+	rcu_read_lock();
+	hash_for_each_rcu(vms_by_kvm, i, other, node)
+		READ_ONCE(other->book.settled);
+	rcu_read_unlock();
+}
 vm_get(...);
 ...
 }
