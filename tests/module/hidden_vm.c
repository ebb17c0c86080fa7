// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM is not where one would look for it. When the module is loaded no process has its files: they
 * are on their way in a socket (H52). It is not dead, and is taken over when it turns up. And the
 * thread that made a VM is gone, and its number belongs to another process by now (H37): what the
 * VM is called is the process.
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* What a VMM has of a VM with one vCPU. */
#define NR_FILES		4

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(NR_FILES * sizeof(int))];
};

static void message(struct msghdr *m, struct iovec *io, union control *control)
{
	static char byte;

	*io = (struct iovec){ .iov_base = &byte, .iov_len = 1 };
	*m = (struct msghdr){
		.msg_iov = io, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(*control),
	};
}

/* All files of the VM are in a socket, and in no process; it does not run. */
static void vm_hide(struct vm *vm, int socket)
{
	int files[NR_FILES] = { vm->fd, vm->vgic, vm->its, vm->vcpu[0].fd };
	union control control = { 0 };
	struct iovec io;
	struct msghdr m;

	vm_pause(vm);
	message(&m, &io, &control);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(files));
	memcpy(CMSG_DATA(&control.header), files, sizeof(files));
	if (sendmsg(socket, &m, 0) != 1)
		die("sending the files of a VM: %m");
	for (unsigned int i = 0; i < NR_FILES; i++)
		close(files[i]);
}

static void vm_show(struct vm *vm, int socket)
{
	union control control = { 0 };
	int files[NR_FILES];
	struct iovec io;
	struct msghdr m;

	message(&m, &io, &control);
	if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) != 1 ||
	    control.header.cmsg_len != CMSG_LEN(sizeof(files)))
		die("receiving the files of a VM: %m");
	memcpy(files, CMSG_DATA(&control.header), sizeof(files));
	vm->fd = files[0];
	vm->vgic = files[1];
	vm->its = files[2];
	vm->vcpu[0].fd = files[3];
	vm_resume(vm);
}

/* The module says that nobody has to reboot anything. */
static bool all_alive(int klog)
{
	struct vlpi_broker_info info;

	broker_info(&info);
	if (info.nr_dead_strays)
		note("%u host IRQs are said to be forwarded to a VM that is gone",
		     info.nr_dead_strays);
	return !info.nr_dead_strays && !klog_count(klog, "reboot");
}

FIXTURE(hidden) {
	struct sharers sh;
	int socket[2];
	bool was_loaded;
	int klog;
};

FIXTURE_SETUP(hidden)
{
	self->was_loaded = broker_loaded();
	broker_want(false);
	self->klog = klog_open();
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->socket));
}

FIXTURE_TEARDOWN(hidden)
{
	sharers_free(&self->sh);
	broker_want(self->was_loaded);
}

/*
 * The first source is mapped by the stock kernel, and the VM hidden before the module is loaded. It
 * is taken over as any other, but for its name.
 */
static void hide_and_load(struct __test_metadata *_metadata, FIXTURE_DATA(hidden) *self)
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_client client;

	sharers_prepare(sh, "hidden", 0, 3);
	sharers_assign(sh, 0);
	EXPECT_VERDICT(sh->src[0], DIRECT);
	lab_mark_mapped(1, 1);
	vm_hide(sh->vm, self->socket[0]);
	ASSERT_EQ(0, broker_load());
	EXPECT_TRUE(all_alive(self->klog));
	ASSERT_TRUE(broker_client(sh->src[0], &client)) {
		TH_LOG("the broker does not know the hidden VM");
	}
	EXPECT_EQ(VLPI_BROKER_HOLDER, client.state);
	EXPECT_EQ(0, client.vm_pid);
	lab_mark_mapped(2, 1);
}

/* The others come; then each leaves, and comes back. */
static void sharers_come_and_go(struct __test_metadata *_metadata, FIXTURE_DATA(hidden) *self)
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_client client;

	for (unsigned int i = 1; i < sh->nr; i++) {
		sharers_assign(sh, i);
		ASSERT_SOURCES("source %u has come", i + 1);
	}
	/* It has a name now. */
	ASSERT_TRUE(broker_client(sh->src[0], &client));
	EXPECT_EQ(getpid(), client.vm_pid);
	lab_mark_mapped(3, 1);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_deassign(sh->src[i]);
		ASSERT_SOURCES("source %u has left", i + 1);
		source_drain(sh->src[i]);
		sharers_assign(sh, i);
		ASSERT_SOURCES("source %u has come back", i + 1);
	}
	lab_mark_mapped(4, 1);
	sharers_deassign_all(sh);
	ASSERT_SOURCES("all have left");
	lab_mark_mapped(5, 0);
	EXPECT_TRUE(all_alive(self->klog));
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F(hidden, turns_up, "H52 P1 P2 P4")
{
	struct sharers *sh = &self->sh;
	uint64_t before;

	hide_and_load(_metadata, self);
	before = sharers_count(sh);
	source_fire(sh->src[0]);
	source_ack(sh->src[0]);
	vm_show(sh->vm, self->socket[1]);
	EXPECT_TRUE(sharers_takes(sh, before)) {
		TH_LOG("an interrupt from when the VM was hidden is lost");
	}
	EXPECT_VERDICT(sh->src[0], DIRECT);
	sharers_come_and_go(_metadata, self);
}

/* Meanwhile the producer leaves, and comes back. */
VM_TEST_F(hidden, vectors_off_and_on, "H52 P1 P4")
{
	struct sharers *sh = &self->sh;

	hide_and_load(_metadata, self);
	source_vectors(sh->src[0], false);
	lab_mark_mapped(6, 0);
	source_vectors(sh->src[0], true);
	wait_for(broker_holds(sh->src[0]), "its producer is back");
	vm_show(sh->vm, self->socket[1]);
	EXPECT_VERDICT(sh->src[0], DIRECT);
	sharers_come_and_go(_metadata, self);
}

struct doomed {
	struct source *src;
	int socket;
};

static void vmm_that_hides(void *arg)
{
	struct doomed *d = arg;
	struct vm *vm = vm_new("doomed", 1);

	guest_boot(vm);
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	vm_route_msi(vm, SHARED_GSI, SHARED_DEVID, SHARED_EVENT);
	source_assign(d->src, vm, SHARED_GSI);
	await_effects();
	vm_hide(vm, d->socket);
	child_ready();
	for (;;)
		pause();
}

/* The VM never turns up: the socket goes, and with it the VM. Its device is another VM's then. */
VM_TEST_F(hidden, dies, "H52 P4")
{
	struct doomed doomed = { .src = source_open(0), .socket = self->socket[0] };
	struct sharers *sh = &self->sh;
	struct child vmm;

	child_start(&vmm, vmm_that_hides, &doomed);
	child_wait_ready(&vmm);
	/* The child's are the last. */
	close(self->socket[0]);
	close(self->socket[1]);
	lab_mark_mapped(1, 1);
	ASSERT_EQ(0, broker_load());
	EXPECT_TRUE(all_alive(self->klog));
	child_kill(&vmm);
	EXPECT_VERDICT(doomed.src, HOST);
	lab_mark_mapped(2, 0);
	source_close(doomed.src);
	sharers_new(sh, "heir", 0, 3);
	ASSERT_SOURCES("its device is another VM's");
	sharers_deassign_all(sh);
	ASSERT_SOURCES("all have left");
	EXPECT_TRUE(all_alive(self->klog));
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

/* ---- H37 ------------------------------------------------------------------------------------- */

#define VMM_COMM		"the-vmm"
#define MAKER_COMM		"the-maker"
#define STRANGER_COMM		"the-stranger"

FIXTURE(maker) {
	struct sharers sh;
	pid_t tid;
	pid_t stranger;
	bool was_loaded;
};

FIXTURE_VARIANT(maker) {
	bool reused;
	bool loaded_late;	/* the VM and its irqfds are there before the module */
};

FIXTURE_VARIANT_ADD(maker, gone) {
	.reused = false,
};

FIXTURE_VARIANT_ADD(maker, gone_and_number_reused) {
	.reused = true,
};

FIXTURE_VARIANT_ADD(maker, gone_before_the_load) {
	.loaded_late = true,
};

FIXTURE_VARIANT_ADD(maker, gone_before_the_load_and_number_reused) {
	.reused = true, .loaded_late = true,
};

/* Nothing of the VM is assigned when the thread ends. */
static void *make_vm(void *arg)
{
	FIXTURE_DATA(maker) *self = arg;

	prctl(PR_SET_NAME, MAKER_COMM);
	self->tid = gettid();
	sharers_prepare(&self->sh, "made by a thread", 0, 3);
	vm_sentinel(self->sh.vm, false);
	return NULL;
}

/* A process with this number; 0 while another task still has it. */
static pid_t new_process(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};
	pid_t got = syscall(SYS_clone3, &args, sizeof(args));

	if (got < 0) {
		if (errno != EEXIST)
			die("a process with the number %d: %m", pid);
		return 0;
	}
	if (!got) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, STRANGER_COMM);
		for (;;)
			pause();
	}
	return got;
}

static bool is_called(pid_t pid, const char *name)
{
	char comm[32];

	task_line(pid, "comm", comm, sizeof(comm));
	return !strcmp(comm, name);
}

FIXTURE_SETUP(maker)
{
	pthread_t thread;

	self->was_loaded = broker_loaded();
	broker_want(!variant->loaded_late);
	prctl(PR_SET_NAME, VMM_COMM);
	ASSERT_EQ(0, pthread_create(&thread, NULL, make_vm, self));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	if (variant->reused) {
		wait_for((self->stranger = new_process(self->tid)), "number %d is free", self->tid);
		wait_for(is_called(self->tid, STRANGER_COMM), "process %d has its name", self->tid);
	} else {
		wait_for(is_called(self->tid, ""), "thread %d is gone", self->tid);
	}
}

FIXTURE_TEARDOWN(maker)
{
	sharers_free(&self->sh);
	if (self->stranger) {
		kill(self->stranger, SIGKILL);
		waitpid(self->stranger, NULL, 0);
	}
	broker_want(self->was_loaded);
}

VM_TEST_F(maker, is_not_what_the_vm_is_called, "H37 P6")
{
	struct sharers *sh = &self->sh;
	struct vlpi_broker_client *all;
	unsigned int nr, wrong = 0;

	vm_sentinel(sh->vm, true);
	sharers_assign_all(sh);
	broker_want(true);
	EXPECT_PLACED("all are assigned");
	all = broker_dump(&nr);
	/* And the sentinel. */
	EXPECT_EQ(sh->nr + 1, nr);
	for (unsigned int i = 0; i < nr; i++) {
		if (all[i].vm_pid == getpid() && !strcmp(all[i].vm_comm, VMM_COMM))
			continue;
		wrong++;
		note("client %u is of process %d, \"%s\"", i + 1, all[i].vm_pid, all[i].vm_comm);
	}
	EXPECT_EQ(0, wrong) {
		TH_LOG("thread %d of process %d, \"%s\", made the VM", self->tid, getpid(),
		       VMM_COMM);
	}
	free(all);
}

TEST_MAIN
