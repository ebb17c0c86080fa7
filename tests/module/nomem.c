// SPDX-License-Identifier: GPL-2.0-only
/*
 * H18: no memory. Each allocation on a path is made to fail in turn, by its number, on a kernel
 * with FAILSLAB and FAIL_PAGE_ALLOC (/proc/PID/fail-nth): those of the module, and those of KVM,
 * VFIO and the rest of the kernel on that path; of a load, those from the module's init on. Each
 * time: what the VMM is told is success or ENOMEM, every source is delivered, and with memory
 * everything is in its place again, once an irqfd that could not be brokered, or mapped, has been
 * deassigned and assigned anew. Where a load has succeeded, each VM that ran has been taken over.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"

#define FAILSLAB		"/sys/kernel/debug/failslab/"
#define FAIL_PAGE_ALLOC		"/sys/kernel/debug/fail_page_alloc/"
#define SOURCES			3
#define OTHER_EVENT		(SHARED_EVENT + 1)
#define OTHER_INTID		(SHARED_INTID + 1)
/* More than any path has; and as many as are worth it where other work is hit too. */
#define MOST			5000
#define MOST_OF_WORKERS		12
#define MAX_TASKS		64
#define KILLS			10

/* ---- faults ---------------------------------------------------------------------------------- */

#define HELPER			"vlpi_test_nomem"

enum who { CALLER, WORKERS, KTHREADD, LOADER };

/* The tasks that are to go without memory once. The helper arms the one that loads the module. */
struct faults {
	bool by_helper;
	unsigned int nr;
	int fd[MAX_TASKS];
};

static void want_faults_in_kernel_allocations(void)
{
	write_file(FAILSLAB "ignore-gfp-wait", "N");
	write_file(FAILSLAB "verbose", "0");
	write_file(FAIL_PAGE_ALLOC "ignore-gfp-wait", "N");
	write_file(FAIL_PAGE_ALLOC "min-order", "0");
	write_file(FAIL_PAGE_ALLOC "verbose", "0");
}

static void add_task(struct faults *f, const char *task)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.32s/fail-nth", task);
	if (f->nr == MAX_TASKS)
		die("more than %u workers", MAX_TASKS);
	f->fd[f->nr] = open(path, O_RDWR | O_CLOEXEC);
	/* A worker may have gone since it was listed. */
	if (f->fd[f->nr] >= 0)
		f->nr++;
}

static bool is_worker(const char *pid)
{
	char name[32];

	task_line(atoi(pid), "comm", name, sizeof(name));
	return !strncmp(name, "kworker/", 8);
}

static void faults_find(struct faults *f, enum who who)
{
	struct dirent *d;
	DIR *proc;

	f->nr = 0;
	f->by_helper = who == LOADER;
	if (f->by_helper)
		return;
	if (who != WORKERS) {
		add_task(f, who == CALLER ? "thread-self" : "2");
		return;
	}
	proc = opendir("/proc");
	if (!proc)
		die("/proc: %m");
	while ((d = readdir(proc)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' && is_worker(d->d_name))
			add_task(f, d->d_name);
	closedir(proc);
}

static void faults_arm(struct faults *f, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (f->by_helper)
		write_file("/sys/module/" HELPER "/parameters/nth", text);
	for (unsigned int i = 0; i < f->nr; i++)
		if (pwrite(f->fd[i], text, len, 0) != len)
			die("fail-nth: %m");
}

/* How many tasks have gone without memory. */
static unsigned int faults_end(struct faults *f)
{
	unsigned int fired = 0;
	char text[16];
	ssize_t len;

	if (f->by_helper)
		return !helper_number(HELPER, "left");
	for (unsigned int i = 0; i < f->nr; i++) {
		len = pread(f->fd[i], text, sizeof(text) - 1, 0);
		if (len < 0)
			continue;
		text[len] = 0;
		fired += !strtoul(text, NULL, 10);
		if (pwrite(f->fd[i], "0", 1, 0) != 1)
			die("fail-nth: %m");
	}
	for (unsigned int i = 0; i < f->nr; i++)
		close(f->fd[i]);
	return fired;
}

/* ---- what is done without memory ------------------------------------------------------------- */

/* Two are assigned, the third comes. */
static void two_assigned(struct sharers *sh)
{
	sharers_assign(sh, 0);
	sharers_assign(sh, 1);
}

static int third_comes(struct sharers *sh)
{
	return try_source_assign(sh->src[2], sh->vm, SHARED_GSI + 2);
}

/* The module does not know the VM. */
static void none_assigned(struct sharers *sh)
{
	vm_sentinel(sh->vm, false);
}

static int first_comes(struct sharers *sh)
{
	return try_source_assign(sh->src[0], sh->vm, SHARED_GSI);
}

/* The first waiter of a VM needs its thread. */
static void one_assigned(struct sharers *sh)
{
	vm_sentinel(sh->vm, false);
	sharers_assign(sh, 0);
}

static int second_comes(struct sharers *sh)
{
	return try_source_assign(sh->src[1], sh->vm, SHARED_GSI + 1);
}

/*
 * The vector is there. A kernel that had no memory for all that it makes of a new one (an entry in
 * /proc/irq) warns when it takes it back, with the module or without.
 */
static void third_without_trigger(struct sharers *sh)
{
	int ret = try_source_trigger(sh->src[2], false);

	if (ret)
		die("%s: its trigger: %s", sh->src[2]->bdf, strerror(-ret));
	sharers_assign_all(sh);
}

static int producer_comes(struct sharers *sh)
{
	return try_source_trigger(sh->src[2], true);
}

/* The holder is led to a vLPI of which the module knows nothing. */
static int routes_change(struct sharers *sh)
{
	return ioctl(sh->vm->fd, KVM_SET_GSI_ROUTING, sh->vm->routing) ? -errno : 0;
}

static void routes_are_noted(struct sharers *sh)
{
	sharers_assign_all(sh);
	vm_route_batch(sh->vm, true);
	vm_route_msi(sh->vm, SHARED_GSI, SHARED_DEVID, OTHER_EVENT);
}

static int holder_leaves(struct sharers *sh)
{
	struct source *s = sh->src[0];
	int ret = try_irqfd(sh->vm, s->eventfd, s->gsi, KVM_IRQFD_FLAG_DEASSIGN);

	if (!ret)
		s->vm = NULL;
	return ret;
}

static int dump_is_read(struct sharers *sh)
{
	static struct vlpi_broker_client entries[4096];
	struct vlpi_broker_dump d = {
		.size = sizeof(d),
		.buf = (uintptr_t)entries,
		.buf_entries = ARRAY_SIZE(entries),
		.entry_size = sizeof(entries[0]),
	};
	int fd = open(BROKER_DEVICE, O_RDONLY | O_CLOEXEC), ret;

	(void)sh;
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, VLPI_BROKER_DUMP, &d) ? -errno : 0;
	close(fd);
	return ret;
}

/* The device is opened, waited for and read; those of the sources are there. */
static int events_are_read(struct sharers *sh)
{
	struct vlpi_broker_event e[8];
	struct pollfd p = { .events = POLLIN };
	int ret = 0;

	(void)sh;
	p.fd = open(BROKER_DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (p.fd < 0)
		return -errno;
	if (poll(&p, 1, 0) < 0 || read(p.fd, e, sizeof(e)) < 0)
		ret = -errno;
	close(p.fd);
	return ret;
}

/*
 * Does the module lack something of a source: its irqfd, or a mapping that the irqchip had no
 * memory for? Such a one waits, and is tried again when its turn comes, while another holds the
 * vLPI.
 */
static bool went_without(struct source *s, struct vlpi_broker_client *c)
{
	return !broker_client(s, c) || (c->flags & VLPI_BROKER_CLIENT_REASSIGN) ||
	       (c->state == VLPI_BROKER_UNMAPPABLE && c->error == ENOMEM);
}

static bool hands_are_settled(struct sharers *sh)
{
	struct vlpi_broker_client c;
	unsigned int holders = 0;

	for (unsigned int i = 0; i < sh->nr; i++) {
		if (went_without(sh->src[i], &c))
			continue;
		if (c.state == VLPI_BROKER_HOLDER && c.flags & VLPI_BROKER_CLIENT_FORWARDED)
			holders++;
		else if (c.state != VLPI_BROKER_WAITER)
			return false;
	}
	return holders == 1;
}

/* The arbiter's own work, after the guest has mapped the event anew. */
static int guest_maps_again(struct sharers *sh)
{
	struct wait w;

	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	sharers_map(sh);
	wait_begin(&w);
	while (!hands_are_settled(sh))
		if (!wait_more(&w))
			return -ETIME;
	return 0;
}

/* Had before: the file is not the module's allocation. */
static struct broker_file module_file;

/*
 * Another VM that runs when the module is loaded. It assigns nothing afterwards, so nothing but the
 * load can bring it to the module.
 */
static struct sharers neighbour;

/* One irqfd a VM: what a stock kernel up to 6.1 makes of several is not the question here. */
static void unloaded(struct sharers *sh)
{
	vm_sentinel(sh->vm, false);
	sharers_deassign_all(&neighbour);
	broker_want(false);
	sharers_assign(sh, 0);
	sharers_assign_all(&neighbour);
	if (broker_file_open(&module_file))
		die("vlpi_broker.ko: %m");
}

static int is_loaded(struct sharers *sh)
{
	(void)sh;
	return broker_file_load(&module_file);
}

static void loaded(void)
{
	broker_file_close(&module_file);
}

/* ---- each of them, again and again ----------------------------------------------------------- */

FIXTURE(nomem) {
	struct sharers sh;
};

FIXTURE_VARIANT(nomem) {
	void (*before)(struct sharers *sh);
	int (*act)(struct sharers *sh);
	/* With memory again, once @act has succeeded. */
	void (*after)(void);
	enum who who;
};

FIXTURE_VARIANT_ADD(nomem, waiter_comes) {
	.before = two_assigned, .act = third_comes,
};

FIXTURE_VARIANT_ADD(nomem, first_of_a_vm_comes) {
	.before = none_assigned, .act = first_comes,
};

FIXTURE_VARIANT_ADD(nomem, first_waiter_comes) {
	.before = one_assigned, .act = second_comes,
};

FIXTURE_VARIANT_ADD(nomem, thread_is_made) {
	.before = one_assigned, .act = second_comes, .who = KTHREADD,
};

FIXTURE_VARIANT_ADD(nomem, producer_comes) {
	.before = third_without_trigger, .act = producer_comes,
};

FIXTURE_VARIANT_ADD(nomem, routes_change) {
	.before = routes_are_noted, .act = routes_change,
};

/* KVM ends an irqfd, and so the next one is promoted, on a worker. */
FIXTURE_VARIANT_ADD(nomem, holder_leaves) {
	.before = sharers_assign_all, .act = holder_leaves, .who = WORKERS,
};

FIXTURE_VARIANT_ADD(nomem, guest_maps_again) {
	.before = sharers_assign_all, .act = guest_maps_again, .who = WORKERS,
};

FIXTURE_VARIANT_ADD(nomem, dump_is_read) {
	.before = sharers_assign_all, .act = dump_is_read,
};

FIXTURE_VARIANT_ADD(nomem, events_are_read) {
	.before = sharers_assign_all, .act = events_are_read,
};

FIXTURE_VARIANT_ADD(nomem, module_is_loaded) {
	.before = unloaded, .act = is_loaded, .after = loaded, .who = LOADER,
};

FIXTURE_SETUP(nomem)
{
	if (access(FAILSLAB, F_OK))
		SKIP(return, "this kernel is built without FAILSLAB");
	if (variant->who == LOADER) {
		int ret = helper_load(HELPER, "");

		if (ret == -ENOENT)
			SKIP(return, NO_HELPER(HELPER));
		ASSERT_EQ(0, ret);
	}
	want_faults_in_kernel_allocations();
	broker_want(true);
	sharers_prepare(&self->sh, "nomem", 0, SOURCES);
	guest_map(self->sh.vm, SHARED_DEVID, OTHER_EVENT, OTHER_INTID, 0);
	if (variant->who == LOADER) {
		sharers_prepare(&neighbour, "neighbour", SOURCES, 1);
		vm_sentinel(neighbour.vm, false);
	}
}

FIXTURE_TEARDOWN(nomem)
{
	if (variant->who == LOADER)
		sharers_free(&neighbour);
	sharers_free(&self->sh);
}

/* Each irqfd that is assigned comes to the module, if only when there is memory again. */
static bool all_are_known(struct sharers *sh)
{
	struct vlpi_broker_client c;
	struct wait w;

	wait_begin(&w);
	for (unsigned int i = 0; i < sh->nr; i++)
		while (sh->src[i]->vm && !broker_client(sh->src[i], &c))
			if (!wait_more(&w))
				return false;
	return true;
}

static unsigned int assign_anew(struct sharers *sh)
{
	struct vlpi_broker_client c;
	unsigned int anew = 0;

	for (unsigned int i = 0; i < sh->nr; i++) {
		struct source *s = sh->src[i];

		if (!s->vm || !s->vectors || !went_without(s, &c))
			continue;
		source_deassign(s);
		source_assign(s, sh->vm, SHARED_GSI + i);
		anew++;
	}
	return anew;
}

static void back_to_the_beginning(struct sharers *sh)
{
	sharers_deassign_all(sh);
	for (unsigned int i = 0; i < sh->nr; i++) {
		source_vectors(sh->src[i], true);
		source_drain(sh->src[i]);
	}
	vm_sentinel(sh->vm, true);
	sharers_route_all(sh);
}

VM_TEST_F_TIMEOUT(nomem, once_at_each_allocation, 7200, "H18")
{
	bool to_the_end = variant->who == CALLER || variant->who == LOADER;
	unsigned int most = to_the_end ? MOST : MOST_OF_WORKERS;
	unsigned int first = env_number("VLPI_NOMEM_FIRST", 1), nth;
	unsigned int times = 0, told = 0, anew = 0;
	struct sharers *sh = &self->sh;
	struct faults faults;
	bool fired;
	int ret;

	for (nth = first; nth < first + most; nth++) {
		variant->before(sh);
		faults_find(&faults, variant->who);
		faults_arm(&faults, nth);
		ret = variant->act(sh);
		fired = faults_end(&faults);
		if (!fired && ret) {
			TH_LOG("allocation %u was not reached, and it failed: %s", nth,
			       strerror(-ret));
			ASSERT_EQ(0, ret);
		}
		times += fired;
		told += !!ret;
		EXPECT_TRUE(!ret || ret == -ENOMEM) {
			TH_LOG("without allocation %u: %s", nth, strerror(-ret));
		}
		if (ret)
			ASSERT_EQ(0, variant->act(sh)) {
				TH_LOG("tried again with memory, after allocation %u", nth);
			}
		if (variant->after)
			variant->after();
		/* Before another irqfd comes, the sentinel's, and has the module look again. */
		EXPECT_TRUE(all_are_known(sh)) {
			TH_LOG("the module does not know an irqfd, allocation %u", nth);
		}
		/* A load that has succeeded has forgotten no VM. */
		if (variant->who == LOADER)
			EXPECT_PLACED("loaded, allocation %u", nth);
		vm_route_batch(sh->vm, false);
		vm_sentinel(sh->vm, true);
		for (unsigned int i = 0; i < sh->nr; i++)
			if (sh->src[i]->vm)
				EXPECT_VERDICT(sh->src[i], DELIVERED);
		anew += assign_anew(sh);
		sharers_assign_all(sh);
		ASSERT_SOURCES("allocation %u", nth);
		back_to_the_beginning(sh);
		EXPECT_SOURCES("all have left, allocation %u", nth);
		if (!fired && to_the_end)
			break;
		if (nth % 50 == 0)
			note("%u done", nth);
	}
	note("the caller was told of %u; %u irqfds were assigned anew", told, anew);
	tried(times, "allocations that failed");
	EXPECT_LT(0, times);
	/* The end of the path was reached. */
	if (to_the_end)
		EXPECT_LT(nth, first + most);
}

/* A fatal signal to the VMM while its thread is made, or just before, or just after. */
static void has_its_thread_made(void *arg)
{
	struct sharers sh = { 0 };

	(void)arg;
	sharers_prepare(&sh, "victim", 0, SOURCES);
	vm_sentinel(sh.vm, false);
	child_ready();
	/* Until it is killed. */
	for (;;) {
		sharers_assign_all(&sh);
		sharers_deassign_all(&sh);
	}
}

FIXTURE(dying) {
	struct sharers sh;
};

FIXTURE_SETUP(dying)
{
	memset(&self->sh, 0, sizeof(self->sh));
}

FIXTURE_TEARDOWN(dying)
{
	sharers_free(&self->sh);
}

VM_TEST_F_TIMEOUT(dying, while_its_thread_is_made, 3600, "H18")
{
	struct child c;
	struct rng rng;

	rng_seed(&rng, 1);
	for (unsigned int i = 0; i < KILLS; i++) {
		child_start(&c, has_its_thread_made, NULL);
		child_wait_ready(&c);
		usleep(rng_below(&rng, 50000));
		child_kill(&c);
	}
	tried(KILLS, "VMMs killed while their thread is made");
	sharers_prepare(&self->sh, "heir", 0, SOURCES);
	EXPECT_SOURCES("the VMM was killed");
	for (unsigned int i = 0; i < SOURCES; i++)
		source_drain(self->sh.src[i]);
	sharers_assign_all(&self->sh);
	EXPECT_SOURCES("a new VM has them");
}

TEST_MAIN
