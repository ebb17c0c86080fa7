// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vlpi_broker: INFO, DUMP and events, as include/uapi/linux/vlpi_broker.h describes them.
 *
 * Nothing here changes what the broker does, or stops a VM. DUMP holds the lock of one VM's book
 * at a time, a few clients long, and nothing here takes a lock of KVM's. The node is root's: it
 * names processes and host IRQs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/build_bug.h>
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "broker.h"
#include "chardev.h"
#include "events.h"
#include "vm.h"

#define DUMP_MAX 4096
/* How many clients DUMP has in memory of the kernel, whatever a caller has room for. */
#define BUFFERED 16
/* How many events read() copies at once, by way of the stack. */
#define BATCH 8

static_assert(sizeof(struct vlpi_broker_info) >= VLPI_BROKER_INFO_SIZE_VER1);
static_assert(sizeof(struct vlpi_broker_client) >= VLPI_BROKER_CLIENT_SIZE_VER1);
static_assert(sizeof(struct vlpi_broker_dump) >= VLPI_BROKER_DUMP_SIZE_VER1);

/* Both structures begin with their size and their flags. */
struct head {
	__u32 size;
	__u32 flags;
};

static int fetch_head(struct head *head, size_t least, const void __user *from)
{
	if (copy_from_user(head, from, sizeof(*head)))
		return -EFAULT;
	return head->size < least || head->size > PAGE_SIZE || head->flags ? -EINVAL : 0;
}

/* Answer with as much of @from as the caller has room for, and the size that it has here. */
static int answer(void __user *to, size_t room, void *from, size_t known)
{
	((struct head *)from)->size = known;
	return copy_to_user(to, from, min(room, known)) ? -EFAULT : 0;
}

static int info_ioctl(void __user *arg)
{
	struct vlpi_broker_info info = { .abi_version = VLPI_BROKER_ABI_VERSION };
	struct head head;
	int ret;

	ret = fetch_head(&head, VLPI_BROKER_INFO_SIZE_VER1, arg);
	if (ret)
		return ret;
	broker_info(&info);
	strscpy(info.version, THIS_MODULE->version, sizeof(info.version));
	return answer(arg, head.size, &info, sizeof(info));
}

/* Copy @n entries out, each cut or padded to the size that the caller knows. */
static int copy_entries(void __user *to, size_t entry_size, const struct vlpi_broker_client *from,
			int n)
{
	size_t both = min(entry_size, sizeof(*from));
	int i;

	for (i = 0; i < n; i++, to += entry_size) {
		if (copy_to_user(to, &from[i], both) ||
		    clear_user(to + both, entry_size - both))
			return -EFAULT;
	}
	return 0;
}

/*
 * Clients of a VM, in the order of their ids. All of them are of one moment: where the VM changes
 * meanwhile, what was copied out before that is all.
 */
static int dump_vm(struct vm *vm, struct vlpi_broker_dump *dump, u32 entries,
		   struct vlpi_broker_client *buf, bool *more)
{
	void __user *to = u64_to_user_ptr(dump->buf);
	u64 cursor = dump->cursor, generation;
	u32 n;

	do {
		n = broker_dump(&vm->book, buf, min_t(u32, entries - dump->nr_entries, BUFFERED),
				&cursor, more, &generation);
		if (!dump->nr_entries)
			dump->generation = generation;
		if (dump->generation != generation) {
			*more = true;
			return 0;
		}
		if (copy_entries(to, dump->entry_size, buf, n))
			return -EFAULT;
		to += (size_t)n * dump->entry_size;
		dump->nr_entries += n;
		dump->cursor = cursor;
	} while (*more && n == BUFFERED && dump->nr_entries < entries);
	return 0;
}

/* Clients of the first VM that has any above the cursor. An id begins with that of its VM. */
static int dump_clients(struct vlpi_broker_dump *dump, struct vlpi_broker_client *buf)
{
	u32 entries = min_t(u32, dump->buf_entries, DUMP_MAX);
	u64 vm_id = dump->cursor >> 32;
	struct vm *vm, *next;
	bool more = false;
	int ret = 0;

	dump->generation = 0;
	dump->nr_entries = 0;
	for (vm = vm_next(vm_id ? vm_id - 1 : 0); vm && !ret && !dump->nr_entries; vm = next) {
		ret = dump_vm(vm, dump, entries, buf, &more);
		next = vm_next(vm->book.id);
		vm_put(vm);
	}
	dump->more = more || vm;
	if (vm)
		vm_put(vm);
	return ret;
}

static int dump_ioctl(void __user *arg)
{
	struct vlpi_broker_client *buf;
	struct vlpi_broker_dump dump;
	struct head head;
	int ret;

	ret = fetch_head(&head, VLPI_BROKER_DUMP_SIZE_VER1, arg);
	if (ret)
		return ret;
	/* E2BIG: a newer caller asks for something by a field that is not known here. */
	ret = copy_struct_from_user(&dump, sizeof(dump), arg, head.size);
	if (ret)
		return ret == -E2BIG ? -EINVAL : ret;
	if (!dump.buf_entries || dump.entry_size < VLPI_BROKER_CLIENT_SIZE_VER1 ||
	    dump.entry_size > PAGE_SIZE || dump.entry_size % 8)
		return -EINVAL;

	buf = kcalloc(BUFFERED, sizeof(*buf), GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	ret = dump_clients(&dump, buf);
	kfree(buf);
	return ret ?: answer(arg, head.size, &dump, sizeof(dump));
}

static long chardev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	/* The size in @cmd is that of the caller's header and may differ; the size field counts. */
	if (_IOC_TYPE(cmd) != VLPI_BROKER_IOC_MAGIC || _IOC_DIR(cmd) != (_IOC_READ | _IOC_WRITE))
		return -ENOTTY;
	switch (_IOC_NR(cmd)) {
	case _IOC_NR(VLPI_BROKER_INFO):
		return info_ioctl(user);
	case _IOC_NR(VLPI_BROKER_DUMP):
		return dump_ioctl(user);
	default:
		return -ENOTTY;
	}
}

/**
 * struct reader - an open file, and how far it has read
 * @lock: one read() at a time moves @next.
 * @next: number of the event to be read next; read without @lock too.
 */
struct reader {
	struct mutex lock; /* of read() */
	u64 next;
};

static int chardev_open(struct inode *inode, struct file *file)
{
	struct reader *reader = kzalloc(sizeof(*reader), GFP_KERNEL_ACCOUNT);

	if (!reader)
		return -ENOMEM;
	mutex_init(&reader->lock);
	reader->next = 1;
	file->private_data = reader;
	return stream_open(inode, file);
}

static int chardev_release(struct inode *inode, struct file *file)
{
	struct reader *reader = file->private_data;

	mutex_destroy(&reader->lock);
	kfree(reader);
	return 0;
}

/*
 * Copy out the events that there are and that fit; one counts as read when all of it has been
 * copied. Returns the number of bytes, 0 where there is no event.
 */
static ssize_t copy_events(struct reader *reader, struct iov_iter *to)
{
	struct vlpi_broker_event batch[BATCH];
	ssize_t done = 0;
	size_t room;
	int i, n;

	lockdep_assert_held(&reader->lock);

	do {
		room = iov_iter_count(to) / sizeof(batch[0]);
		n = events_copy(reader->next, batch, min_t(size_t, room, BATCH));
		for (i = 0; i < n; i++) {
			if (copy_to_iter(&batch[i], sizeof(batch[i]), to) != sizeof(batch[i]))
				return done ?: -EFAULT;
			WRITE_ONCE(reader->next, batch[i].seq + 1);
			done += sizeof(batch[i]);
		}
	} while (n == BATCH);
	return done;
}

static ssize_t chardev_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct reader *reader = iocb->ki_filp->private_data;
	ssize_t ret;

	if (iov_iter_count(to) < sizeof(struct vlpi_broker_event))
		return -EINVAL;
	for (;;) {
		if (mutex_lock_interruptible(&reader->lock))
			return -ERESTARTSYS;
		ret = copy_events(reader, to);
		mutex_unlock(&reader->lock);
		if (ret)
			return ret;
		if (iocb->ki_filp->f_flags & O_NONBLOCK)
			return -EAGAIN;
		ret = events_wait(&reader->next);
		if (ret)
			return ret;
	}
}

static __poll_t chardev_poll(struct file *file, poll_table *table)
{
	struct reader *reader = file->private_data;

	events_poll_wait(file, table);
	return events_pending(READ_ONCE(reader->next)) ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations chardev_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open,
	.release = chardev_release,
	.read_iter = chardev_read_iter,
	.poll = chardev_poll,
	.unlocked_ioctl = chardev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice chardev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vlpi_broker",
	.fops = &chardev_fops,
	.mode = 0600,
};

/**
 * chardev_init - make /dev/vlpi_broker
 *
 * Context: process; may sleep.
 * Return: 0 or an errno.
 */
int chardev_init(void)
{
	return misc_register(&chardev);
}

/**
 * chardev_exit - undo chardev_init()
 *
 * Context: process; may sleep.
 */
void chardev_exit(void)
{
	misc_deregister(&chardev);
}
