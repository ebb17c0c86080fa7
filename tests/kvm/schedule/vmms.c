// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMMs. A is this process; B is a child, so that it can be killed, and is told its steps.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "schedule.h"

void boot_vm(const char *name)
{
	vm = vm_new(name, NR_VCPUS);
	mine()->pid = getpid();
	guest_boot(vm);
	for (unsigned int e = 0; e < NR_EVENTS; e++)
		guest_map(vm, devid_of(e), eventid_of(e), intid_of(mine()->event[e].lpi),
			  mine()->event[e].vcpu);
	for (unsigned int s = 0; s < NR_SOURCES; s++)
		do_route(s, mine()->route[s].to, mine()->route[s].event);
}

void open_source(unsigned int s)
{
	src[s] = source_open(s);
	m->src[s].vm = NO_VM;
	m->src[s].vectors = true;
	m->src[s].unread = false;
	memcpy(m->src[s].irq_name, src[s]->irq_name, sizeof(m->src[s].irq_name));
}

/* The child has inherited the parent's VM, which it must not keep alive. */
static void forget_parents_vm(void)
{
	if (!vm)
		return;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		close(vm->vcpu[i].fd);
	close(vm->sentinel);
	close(vm->its);
	close(vm->vgic);
	close(vm->fd);
	vms = NULL;
	vm = NULL;
	for (unsigned int s = 0; s < NR_SHARED; s++)
		src[s]->vm = NULL;
}

static struct child child;
static int to_child[2] = { -1, -1 }, from_child[2] = { -1, -1 };

static void child_vmm(void *arg)
{
	struct step st;
	char fine;

	(void)arg;
	close(to_child[1]);
	close(from_child[0]);
	die_hook = NULL;
	me = B;
	forget_parents_vm();
	for (unsigned int s = NR_SHARED; s < NR_SOURCES; s++)
		open_source(s);
	boot_vm("B");
	child_ready();
	do {
		if (read(to_child[0], &st, sizeof(st)) != sizeof(st))
			die("the parent has gone");
		if (st.kind == QUIT) {
			for (unsigned int s = NR_SHARED; s < NR_SOURCES; s++)
				source_close(src[s]);
			vm_free(vm);
		}
		fine = st.kind == QUIT || do_step(&st);
		if (write(from_child[1], &fine, 1) != 1)
			die("the parent has gone");
	} while (st.kind != QUIT);
}

void child_begin(void)
{
	reset_model_vm(&m->vm[B]);
	if (pipe(to_child) || pipe(from_child))
		die("pipe: %m");
	child_start(&child, child_vmm, NULL);
	close(to_child[0]);
	close(from_child[1]);
	child_wait_ready(&child);
}

void child_end(void)
{
	if (!child.pid)
		return;
	child_kill(&child);
	child.pid = 0;
	close(to_child[1]);
	close(from_child[0]);
}

static bool tell_child(const struct step *st)
{
	struct pollfd p = { .fd = from_child[0], .events = POLLIN };
	char fine = 0;

	if (write(to_child[1], st, sizeof(*st)) != sizeof(*st))
		return failed("VM B's process has gone");
	if (poll(&p, 1, wait_bound() * 12000) != 1)
		return failed("VM B's process does not answer");
	if (read(from_child[0], &fine, 1) != 1)
		return failed("VM B's process has died");
	return fine;
}

bool step_in(enum side side, struct step st)
{
	if (side == B)
		return tell_child(&st);
	return do_step(&st);
}
