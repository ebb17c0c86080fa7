// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM that is stuck. Its guest does an INV; KVM takes the VM's its_lock and reads the LPI's
 * property byte from guest memory; and the VMM does not give that page. So the lock is held until
 * the VMM gives it: for ever, if it likes. Postcopy migration, swap and a file of a server that is
 * gone do so by accident.
 *
 * The page is withheld by a userfaultfd, or mapped from a file whose server pauses. Either way the
 * vCPU's thread sleeps so that it can be killed; it must get no other signal (vm_pause()), which it
 * would not sleep through.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm.h"

bool can_stick(enum stuck_by by)
{
	int fd;

	if (by == STUCK_BY_FILE)
		return page_file_possible();
	fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void withhold_by_userfaultfd(struct stuck *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)s->page, .len = s->size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	s->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (s->uffd < 0 || ioctl(s->uffd, UFFDIO_API, &api) ||
	    ioctl(s->uffd, UFFDIO_REGISTER, &reg) || madvise(s->page, s->size, MADV_REMOVE))
		die("withholding a page by userfaultfd: %m");
}

/* Private, so that what the guest writes there never goes to the server. */
static void withhold_by_file(struct stuck *s)
{
	page_file_open(&s->file, s->content, s->size);
	if (mmap(s->page, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, s->file.fd,
		 0) != s->page)
		die("mapping a file: %m");
	page_file_serve(&s->file, false);
}

static bool fault_waits(struct stuck *s)
{
	struct pollfd p = { .fd = s->uffd, .events = POLLIN };

	vm_check(s->vm);
	if (s->by == STUCK_BY_FILE)
		return page_file_is_awaited(&s->file);
	return poll(&p, 1, 0) > 0;
}

void vm_stick(struct stuck *s, struct vm *vm, enum stuck_by by, uint32_t devid, uint32_t eventid)
{
	*s = (struct stuck){
		.vm = vm,
		.by = by,
		.page = (char *)vm->ram + GUEST_PROP_TABLE - GUEST_RAM,
		.size = sysconf(_SC_PAGESIZE),
		.uffd = -1,
	};
	s->content = malloc(s->size);
	if (!s->content)
		die("no memory");
	memcpy(s->content, s->page, s->size);
	if (by == STUCK_BY_FILE)
		withhold_by_file(s);
	else
		withhold_by_userfaultfd(s);
	guest_begin_inv(vm, devid, eventid);
	wait_for(fault_waits(s), "VM %s: a fault on the page that is withheld", vm->name);
}

static void give_by_userfaultfd(struct stuck *s)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)s->page,
		.src = (uintptr_t)s->content,
		.len = s->size,
	};

	/* -EAGAIN: this process's memory was changing. */
	while (ioctl(s->uffd, UFFDIO_COPY, &copy))
		if (errno != EAGAIN)
			die("giving a page: %m");
}

void vm_give(struct stuck *s)
{
	if (__atomic_exchange_n(&s->given, true, __ATOMIC_ACQ_REL))
		return;
	if (s->by == STUCK_BY_FILE)
		page_file_serve(&s->file, true);
	else
		give_by_userfaultfd(s);
}

/* Ordinary memory takes the place of the file. The guest does not write there meanwhile. */
static void stop_using_file(struct stuck *s)
{
	memcpy(s->content, s->page, s->size);
	if (mmap(s->page, s->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != s->page)
		die("taking a file's mapping away: %m");
	memcpy(s->page, s->content, s->size);
	page_file_close(&s->file);
}

void vm_unstick(struct stuck *s)
{
	vm_give(s);
	guest_answer(s->vm, 0);
	if (s->by == STUCK_BY_FILE)
		stop_using_file(s);
	else
		close(s->uffd);
	free(s->content);
}
