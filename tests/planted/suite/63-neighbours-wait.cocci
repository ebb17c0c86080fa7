// SPDX-License-Identifier: GPL-2.0-only
// Breaks: KVM_IRQFD of any VM waits while the guest of another has its ITS run commands
// Places: 5
// Hazard: H29
// Kernel: 7.3
// Lab: --no-load --icount --smp 2
// Red: neighbours -v devices
// Why-red: tap
// Says: free, (attach|detach): [0-9]+ % of alone

@@
@@
+static struct mutex planted = __MUTEX_INITIALIZER(planted);
 static int irqfd(struct kvm *kvm, struct kvm_irqfd *args)
 {
 <...
-ret = hook_real(real.irqfd, (*real.irqfd)(kvm, args));
+mutex_lock(&planted);
+ret = hook_real(real.irqfd, (*real.irqfd)(kvm, args));
+mutex_unlock(&planted);
 ...>
 }

@@
@@
 write_cwriter(...)
 {
 <...
-hook_real(real.write_cwriter, real.write_cwriter(kvm, its, addr, len, val));
+mutex_lock(&planted);
+hook_real(real.write_cwriter, real.write_cwriter(kvm, its, addr, len, val));
+mutex_unlock(&planted);
 ...>
 }
