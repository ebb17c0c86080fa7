// SPDX-License-Identifier: GPL-2.0-only
// Breaks: each VM has a thread for good, in the cgroups of its VMM
// Hazard: H49
// Kernel: 7.3
// Red: cgroups -t is_left
// Why-red: tap
// Says: /vlpi_vmm cannot be removed
// Places: 2

@@
@@
+#include <linux/cgroup.h>
+#include <linux/kthread.h>
+
+static int stay(void *unused)
+{
+	for (;;)
+		schedule_timeout_uninterruptible(HZ);
+	return 0;
+}
+
 static struct vm *vm_new(struct kvm *kvm, int pid, const char *comm)
 {
 ...
+cgroup_attach_task_all(current, kthread_run(stay, NULL, "vlpi-vm"));
 return vm;
 }
