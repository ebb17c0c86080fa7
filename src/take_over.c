// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was there before the module: VMs, their irqfds, and strays.
 *
 * Each VM is taken over by its own work item: first the consumers of all of its irqfds are
 * unregistered, which unmaps their host IRQs, so that no vLPI has two when the first is granted.
 * Then they are registered as if KVM had just done so. In between KVM serves them in software.
 * Until that is done, the gate lets the VM's host IRQs pass.
 *
 * A *stray* is a host IRQ that is forwarded to a VM, that no client has, and that KVM knows nothing
 * of. Up to 6.1 KVM leaves such host IRQs behind at each reboot of a guest that shares a vector.
 * They are unmapped. Where the VM is gone, only on GICv4.1: before that the irqchip may follow its
 * dangling pointer to it.
 *
 * What KVM has marked is not touched, be it foreign (a vendor's kernel injects interrupts of its
 * own directly) or left behind: KVM unmaps it by that mark, at the latest with the VM. A stray has
 * none, since an LPI has room for one mark.
 *
 * The load waits for the VMs a while, and for none that is stuck: that one is taken over when it
 * can be.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/idr.h>
#include <linux/irq.h>
#include <linux/jiffies.h>
#include <linux/kvm_host.h>
#include <linux/kvm_irqfd.h>
#include <linux/irqchip/arm-gic-v4.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
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
	struct hlist_node node;
	struct list_head list;
	struct kvm *kvm;
	struct pid *pid;	/* of a process that has it open; NULL where none shows it */
};

struct vm_list {
	DECLARE_HASHTABLE(by_kvm, 10);
	struct list_head vms;
	/* While files are looked at: a VM that is not in the list, with a reference; or NULL. */
	struct kvm *kvm;
	unsigned int nr_files;
	unsigned int next_fd;
};

/* So many files are looked at with their locks held. */
#define FILES_AT_ONCE	64

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

/* The VM is compared, not followed. */
static struct found_vm *find_vm(struct vm_list *list, const struct kvm *kvm)
{
	struct found_vm *found;

	hash_for_each_possible(list->by_kvm, found, node, (unsigned long)kvm)
		if (found->kvm == kvm)
			return found;
	return NULL;
}

/* The references to both are the list's from now on, or are dropped. */
static int add_vm(struct vm_list *list, struct kvm *kvm, struct pid *pid)
{
	struct found_vm *found = kzalloc(sizeof(*found), GFP_KERNEL);

	if (!found) {
		kvm_put_kvm(kvm);
		put_pid(pid);
		return -ENOMEM;
	}
	found->kvm = kvm;
	found->pid = pid;
	hash_add(list->by_kvm, &found->node, (unsigned long)kvm);
	list_add_tail(&found->list, &list->vms);
	return 0;
}

/* Return: whether to stop here, and go on with the next file when the locks were dropped. */
static int note_file(const void *arg, struct file *file, unsigned int fd)
{
	struct vm_list *list = (struct vm_list *)arg;
	struct kvm *kvm = file_to_kvm(file);

	if (kvm && !find_vm(list, kvm) && compat_kvm_get_safe(kvm))
		list->kvm = kvm;
	list->next_fd = fd + 1;
	return list->kvm || ++list->nr_files == FILES_AT_ONCE;
}

static int search_files(struct vm_list *list, struct task_struct *task)
{
	int stopped;

	list->next_fd = 0;
	do {
		list->kvm = NULL;
		list->nr_files = 0;
		stopped = 0;
		task_lock(task);
		if (task->files)
			stopped = iterate_fd(task->files, list->next_fd, note_file, list);
		task_unlock(task);
		if (list->kvm && add_vm(list, list->kvm, get_task_pid(task, PIDTYPE_TGID)))
			return -ENOMEM;
		cond_resched();
	} while (stopped);
	return 0;
}

/* The threads of a process have the same files, unless they took care not to. */
static bool has_files_of_its_own(struct task_struct *task)
{
	const struct files_struct *files = READ_ONCE(task->files);
	struct task_struct *other;

	/* for_each_thread() needs tasklist_lock, not exported, where lists are checked. */
	list_for_each_entry_rcu(other, &task->signal->thread_head, thread_node) {
		if (other == task)
			return true;
		if (READ_ONCE(other->files) == files)
			return false;
	}
	return true;
}

/* The task with this number or a higher one, with a reference, whose files are to be looked at. */
static struct task_struct *next_task_with_files(int *nr)
{
	struct task_struct *task = NULL;
	struct pid *pid;

	do {
		cond_resched();
		rcu_read_lock();
		pid = idr_get_next(&init_pid_ns.idr, nr);
		++*nr;
		if (pid)
			task = pid_task(pid, PIDTYPE_PID);
		if (task && has_files_of_its_own(task))
			get_task_struct(task);
		else
			task = NULL;
		rcu_read_unlock();
	} while (pid && !task);
	return task;
}

static void put_vms(struct vm_list *list)
{
	struct found_vm *found, *next;

	list_for_each_entry_safe(found, next, &list->vms, list) {
		kvm_put_kvm(found->kvm);
		put_pid(found->pid);
		kfree(found);
	}
	kvfree(list);
}

/* Those that processes have open: these have a name. */
static int list_open_vms(struct vm_list *list)
{
	struct task_struct *task;
	int nr = 1, ret = 0;

	while (!ret && (task = next_task_with_files(&nr))) {
		ret = search_files(list, task);
		put_task_struct(task);
	}
	return ret;
}

/* And those whose files are in no process just now: sent through a socket, or in an io_uring. */
static int list_hidden_vms(struct vm_list *list)
{
	struct kvm *kvm;
	u32 host_irq;
	int ret = 0;

	for (host_irq = 0; !ret && host_irq < compat_nr_irqs(); host_irq++, cond_resched()) {
		kvm = shim_get_vm_of_doorbell(host_irq);
		if (!kvm)
			continue;
		if (find_vm(list, kvm))
			kvm_put_kvm(kvm);
		else
			ret = add_vm(list, kvm, NULL);
	}
	return ret;
}

/* All VMs, with a reference to each, for put_vms() to drop; NULL without memory. */
static struct vm_list *get_vms(void)
{
	struct vm_list *list = kvzalloc(sizeof(*list), GFP_KERNEL);

	if (!list)
		return NULL;
	INIT_LIST_HEAD(&list->vms);
	if (!list_open_vms(list) && !list_hidden_vms(list))
		return list;
	put_vms(list);
	return NULL;
}

/* --- strays ---------------------------------------------------------------------------------- */

/* Strays of all VMs are being looked for, or have been. */
static bool looked_for_strays;

static bool is_stray(u32 host_irq, struct its_vlpi_map *map)
{
	*map = (struct its_vlpi_map){};
	return shim_get_vlpi(host_irq, map) && !broker_is_booked(host_irq, NULL);
}

static void cure(struct kvm *kvm, u32 host_irq, const struct its_vlpi_map *map)
{
	if (shim_get_mark(kvm, map->vintid) == host_irq)
		return;
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
			cure(kvm, host_irq, &map);
		cond_resched();
	}
}

static void cure_or_report_dead(u32 host_irq)
{
	if (shim_unmap_of_dead(host_irq)) {
		broker_count_forced_unmap(NULL, host_irq);
		return;
	}
	pr_warn("host IRQ %u is still forwarded to a VM that is gone; only a reboot of the host cures that\n",
		host_irq);
	broker_count_dead_stray();
}

/* @list has all VMs that were found. One that is not taken over yet sees to its own strays. */
static void cure_all_strays(struct vm_list *list)
{
	struct its_vlpi_map map;
	struct found_vm *found;
	struct vm *vm;
	u32 host_irq;

	for (host_irq = 0; host_irq < compat_nr_irqs(); host_irq++, cond_resched()) {
		if (!is_stray(host_irq, &map))
			continue;
		found = find_vm(list, container_of(map.vm, struct kvm, arch.vgic.its_vm));
		if (!found) {
			cure_or_report_dead(host_irq);
			continue;
		}
		vm = vm_find(found->kvm);
		if (!vm || !READ_ONCE(vm->to_take))
			cure(found->kvm, host_irq, &map);
		if (vm)
			vm_put(vm);
	}
}

/* --- taking over ----------------------------------------------------------------------------- */

/* So many irqfds are looked at while interrupts are off. */
#define IRQFDS_AT_ONCE	64

/*
 * Come to the next irqfd of @kvm that has no proxy yet: from *@last on, or from the first where
 * that is NULL. The caller is in kvm->irq_srcu: an irqfd that was on the list inside is not freed.
 * Where KVM has taken *@last off its list, this begins anew, and looks at those again that have a
 * proxy.
 */
static struct kvm_kernel_irqfd *next_irqfd(struct kvm *kvm, struct kvm_kernel_irqfd **last)
{
	struct list_head *items = &kvm->irqfds.items, *at;
	struct kvm_kernel_irqfd *irqfd;
	unsigned int i;
	bool more;

	do {
		spin_lock_irq(&kvm->irqfds.lock);
		at = *last && !list_empty(&(*last)->list) ? &(*last)->list : items;
		for (i = 0; i < IRQFDS_AT_ONCE && at->next != items; i++) {
			at = at->next;
			irqfd = list_entry(at, struct kvm_kernel_irqfd, list);
			*last = irqfd;
			if (bypass_is_to_be_taken(irqfd)) {
				spin_unlock_irq(&kvm->irqfds.lock);
				return irqfd;
			}
		}
		more = at->next != items;
		spin_unlock_irq(&kvm->irqfds.lock);
		cond_resched();
	} while (more);
	return NULL;
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
	struct kvm_kernel_irqfd *irqfd, *last = NULL;
	struct vb_proxy *proxy;
	LIST_HEAD(taken);
	bool was_live;
	int idx, ret = 0;

	synchronize_srcu(&kvm->irq_srcu);
	mutex_lock(&vm->register_lock);
	idx = srcu_read_lock(&kvm->irq_srcu);
	while (!ret && (irqfd = next_irqfd(kvm, &last))) {
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
	struct found_vm *found;
	struct vm_list *list;
	struct vm *vm;
	bool all = true;

	do
		list = get_vms();
	while (!list && wait_for_memory());
	if (!list) {
		pr_warn("no memory to look for VMs that are running: reboot their guests\n");
		broker_set_live(true);
		return;
	}
	list_for_each_entry(found, &list->vms, list) {
		vm = begin(found);
		if (vm)
			vm_put(vm);
		else
			all = false;
	}
	end = jiffies + msecs_to_jiffies(LOAD_WAIT_MS);
	list_for_each_entry(found, &list->vms, list) {
		vm = vm_find(found->kvm);
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
		cure_all_strays(list);
	else
		pr_warn("no memory to take over all VMs that are running: reboot their guests\n");
	put_vms(list);
}
