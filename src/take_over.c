// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was there before the module: VMs, their irqfds, and strays.
 *
 * Each VM is taken over by its own work item: first the consumers of all of its irqfds are
 * unregistered, which unmaps their host IRQs, so that no vLPI has two when the first is granted.
 * Then they are registered as if KVM had just done so. In between KVM serves them in software.
 * Until that is done, the gate lets the VM's host IRQs pass.
 *
 * A *stray* is a host IRQ that is forwarded to a VM and that no client has. Up to 6.1 KVM leaves
 * such host IRQs behind at each reboot of a guest that shares a vector. They are unmapped, but not
 * where the VM is gone: the irqchip may follow its dangling pointer to that VM.
 *
 * The load waits for the VMs a while, and for none that is stuck: that one is taken over when it
 * can be.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/irq.h>
#include <linux/jiffies.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/irqchip/arm-gic-v4.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "broker.h"
#include "compat.h"
#include "irqbypass_hook.h"
#include "its_shim.h"
#include "proxy.h"
#include "take_over.h"
#include "vm.h"

/* The load waits so long for VMs to be taken over. */
#define LOAD_WAIT_MS	2000
/* And so long before it looks again for memory. */
#define MEMORY_WAIT_MS	20

/* --- the VMs of the host --------------------------------------------------------------------- */

struct found_vm {
	struct kvm *kvm;
	struct pid *pid;	/* of a process that has it open; NULL where none shows it */
};

struct vm_list {
	struct found_vm *vms;
	unsigned int nr;
	unsigned int room;
	struct task_struct *process;
};

/* A VM is reached through the files of its VMM: the VM's own, or that of one of its vCPUs. */
static struct kvm *file_to_kvm(struct file *file)
{
	const char *name = file->f_path.dentry->d_name.name;

	if (file_inode(file)->i_sb->s_magic != ANON_INODE_FS_MAGIC)
		return NULL;
	if (!strcmp(name, "kvm-vm"))
		return file->private_data;
	if (!strncmp(name, "kvm-vcpu:", 9))
		return ((struct kvm_vcpu *)file->private_data)->kvm;
	return NULL;
}

/* The caller keeps the VM from being freed. */
static void note_vm(struct vm_list *list, struct kvm *kvm, struct pid *pid)
{
	unsigned int i;

	for (i = 0; i < list->nr && i < list->room; i++)
		if (list->vms[i].kvm == kvm)
			return;
	if (list->nr < list->room) {
		if (!compat_kvm_get_safe(kvm))
			return;
		list->vms[list->nr].kvm = kvm;
		list->vms[list->nr].pid = get_pid(pid);
	}
	list->nr++;
}

static int note_file(const void *arg, struct file *file, unsigned int fd)
{
	struct vm_list *list = (struct vm_list *)arg;
	struct kvm *kvm = file_to_kvm(file);

	if (kvm)
		note_vm(list, kvm, task_tgid(list->process));
	return 0;
}

static void put_vms(struct vm_list *list)
{
	unsigned int i;

	for (i = 0; i < list->nr && i < list->room; i++) {
		kvm_put_kvm(list->vms[i].kvm);
		put_pid(list->vms[i].pid);
	}
	kvfree(list->vms);
}

/* Those that processes have open: these have a name. */
static void list_open_vms(struct vm_list *list)
{
	struct task_struct *task;

	rcu_read_lock();
	for_each_process(list->process) {
		/* for_each_thread() needs tasklist_lock, not exported, where lists are checked. */
		list_for_each_entry_rcu(task, &list->process->signal->thread_head, thread_node) {
			task_lock(task);
			if (task->files)
				iterate_fd(task->files, 0, note_file, list);
			task_unlock(task);
		}
	}
	rcu_read_unlock();
}

/* And those whose files are in no process just now: sent through a socket, or in an io_uring. */
static void list_hidden_vms(struct vm_list *list)
{
	struct kvm *kvm;
	u32 host_irq;

	for (host_irq = 0; host_irq < compat_nr_irqs(); host_irq++, cond_resched()) {
		kvm = shim_get_vm_of_doorbell(host_irq);
		if (kvm) {
			note_vm(list, kvm, NULL);
			kvm_put_kvm(kvm);
		}
	}
}

/* Fill @list, with a reference to each VM, for put_vms() to drop. */
static int get_vms(struct vm_list *list)
{
	*list = (struct vm_list){};
	do {
		put_vms(list);
		/* As many as there were a moment ago, and some that may have come since. */
		list->room = list->nr + 16;
		list->nr = 0;
		list->vms = kvcalloc(list->room, sizeof(*list->vms), GFP_KERNEL);
		if (!list->vms)
			return -ENOMEM;
		list_open_vms(list);
		list_hidden_vms(list);
	} while (list->nr > list->room);
	return 0;
}

/* --- strays ---------------------------------------------------------------------------------- */

/* Strays of all VMs are being looked for, or have been. */
static bool looked_for_strays;

static bool is_stray(u32 host_irq, struct its_vlpi_map *map)
{
	*map = (struct its_vlpi_map){};
	return shim_get_vlpi(host_irq, map) && !broker_is_booked(host_irq);
}

static void cure(struct kvm *kvm, u32 host_irq)
{
	if (shim_unmap_for_kvm(kvm, NULL, host_irq) & SHIM_REPAIRED)
		broker_count_repair();
	broker_count_forced_unmap(NULL, host_irq);
}

static void cure_strays_of(struct kvm *kvm)
{
	struct its_vlpi_map map;
	u32 host_irq;

	for (host_irq = 0; host_irq < compat_nr_irqs(); host_irq++) {
		if (is_stray(host_irq, &map) && map.vm == &kvm->arch.vgic.its_vm)
			cure(kvm, host_irq);
		cond_resched();
	}
}

static void report_dead(u32 host_irq)
{
	pr_warn("host IRQ %u is still forwarded to a VM that is gone; only a reboot of the host cures that\n",
		host_irq);
	broker_count_dead_stray();
}

/* @list has all VMs that were found. One that is not taken over yet sees to its own strays. */
static void cure_all_strays(const struct vm_list *list)
{
	struct its_vlpi_map map;
	unsigned int i;
	struct vm *vm;
	u32 host_irq;

	for (host_irq = 0; host_irq < compat_nr_irqs(); host_irq++, cond_resched()) {
		if (!is_stray(host_irq, &map))
			continue;
		for (i = 0; i < list->nr; i++)
			if (&list->vms[i].kvm->arch.vgic.its_vm == map.vm)
				break;
		if (i == list->nr) {
			report_dead(host_irq);
			continue;
		}
		vm = vm_find(list->vms[i].kvm);
		if (!vm || !READ_ONCE(vm->to_take))
			cure(list->vms[i].kvm, host_irq);
		if (vm)
			vm_put(vm);
	}
}

/* --- taking over ----------------------------------------------------------------------------- */

/* An irqfd of @kvm that has no proxy yet. The caller is in kvm->irq_srcu: it is not freed. */
static struct kvm_kernel_irqfd *next_irqfd(struct kvm *kvm)
{
	struct kvm_kernel_irqfd *irqfd, *found = NULL;

	spin_lock_irq(&kvm->irqfds.lock);
	list_for_each_entry(irqfd, &kvm->irqfds.items, list) {
		if (bypass_is_to_be_taken(irqfd)) {
			found = irqfd;
			break;
		}
	}
	spin_unlock_irq(&kvm->irqfds.lock);
	return found;
}

/* Of an irqfd that was taken over: its producer, if it has one, has connected by now. */
static bool may_have_been_mapped(const struct vb_proxy *proxy)
{
	return proxy->irqfd->irq_entry.type == KVM_IRQ_ROUTING_MSI &&
	       (proxy->client.host_irq || !proxy->registered);
}

/* Unmapping may have dropped an edge, so one that may have been mapped is raised once. */
static void register_taken(struct list_head *taken)
{
	struct vb_proxy *proxy, *next;

	list_for_each_entry_safe(proxy, next, taken, taken) {
		list_del_init(&proxy->taken);
		if (bypass_register(proxy) == -ENOMEM)
			broker_set_reassign(&proxy->client);
		if (may_have_been_mapped(proxy))
			broker_owe(&proxy->client);
	}
}

/*
 * An assign that went into KVM before our hooks were there is waited for: its consumer could be
 * registered after it was found to be in our way.
 */
static int take_irqfds(struct vm *vm)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_kernel_irqfd *irqfd;
	struct vb_proxy *proxy;
	LIST_HEAD(taken);
	bool was_live;
	int idx, ret = 0;

	synchronize_srcu(&kvm->irq_srcu);
	mutex_lock(&vm->register_lock);
	idx = srcu_read_lock(&kvm->irq_srcu);
	while (!ret && (irqfd = next_irqfd(kvm))) {
		ret = shim_is_stuck(irqfd) ? -EWOULDBLOCK : 0;
		if (ret)
			break;
		proxy = bypass_take(irqfd, vm);
		if (proxy)
			list_add_tail(&proxy->taken, &taken);
		else
			ret = -ENOMEM;
	}
	was_live = vm->book.live;
	if (!ret) {
		WRITE_ONCE(vm->to_take, false);
		/* The gate is closed before a producer can connect. */
		WRITE_ONCE(vm->book.live, true);
	}
	register_taken(&taken);
	srcu_read_unlock(&kvm->irq_srcu, idx);
	mutex_unlock(&vm->register_lock);
	if (!ret && !was_live && READ_ONCE(looked_for_strays))
		cure_strays_of(kvm);
	return ret;
}

/**
 * take_over_vm - take over the irqfds of a VM that have no proxy
 * @vm: the VM.
 *
 * Those that were refused their eventfd, which is free now, are registered again.
 *
 * Context: process, from the VM's work item.
 * Return: 0; -EWOULDBLOCK where a lock of KVM's is taken, or -ENOMEM: it is to be called again.
 */
int take_over_vm(struct vm *vm)
{
	bypass_register_again(vm);
	return READ_ONCE(vm->to_take) ? take_irqfds(vm) : 0;
}

/*
 * A VM that nobody takes over would keep what stock KVM has mapped for it, with nothing said of it.
 * The load can't fail any more, so it waits for memory, unless its caller is killed.
 */
static bool wait_for_memory(void)
{
	schedule_timeout_killable(msecs_to_jiffies(MEMORY_WAIT_MS));
	return !fatal_signal_pending(current);
}

/* Have a VM taken over by its work item. The VM is held for that. Returns its record, or NULL. */
static struct vm *begin(const struct found_vm *found)
{
	char comm[TASK_COMM_LEN] = "";
	struct task_struct *task;
	struct vm *vm;

	rcu_read_lock();
	task = pid_task(found->pid, PIDTYPE_TGID);
	if (task)
		get_task_comm(comm, task);
	rcu_read_unlock();
	do
		vm = vm_find_or_new(found->kvm, pid_nr(found->pid), comm);
	while (IS_ERR(vm) && wait_for_memory());
	if (IS_ERR_OR_NULL(vm))
		return NULL;
	vm_take_over(vm);
	return vm;
}

/**
 * take_over_all - take over what was there before the module, and close the gate
 *
 * To be called when all hooks are in place.
 *
 * Context: process; may sleep.
 */
void take_over_all(void)
{
	unsigned long end, now;
	struct vm_list list;
	unsigned int i;
	struct vm *vm;
	bool all = true;

	while (get_vms(&list)) {
		if (wait_for_memory())
			continue;
		pr_warn("no memory to look for VMs that are running: reboot their guests\n");
		broker_set_live(true);
		return;
	}
	for (i = 0; i < list.nr; i++) {
		vm = begin(&list.vms[i]);
		if (vm)
			vm_put(vm);
		else
			all = false;
	}
	end = jiffies + msecs_to_jiffies(LOAD_WAIT_MS);
	for (i = 0; i < list.nr; i++) {
		vm = vm_find(list.vms[i].kvm);
		if (!vm)
			continue;
		now = jiffies;
		if (time_before(now, end))
			wait_event_killable_timeout(vm->settled, vm_is_taken_over(vm), end - now);
		vm_put(vm);
	}
	WRITE_ONCE(looked_for_strays, true);
	broker_set_live(true);
	/* With a VM of which there is no record, all that it has would count as strays. */
	if (all)
		cure_all_strays(&list);
	else
		pr_warn("no memory to take over all VMs that are running: reboot their guests\n");
	put_vms(&list);
}
