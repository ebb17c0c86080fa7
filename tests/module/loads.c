// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module is loaded and unloaded a hundred times (VLPI_LOADS) while VMs come and go, and leaves
 * nothing behind.
 */
#define _GNU_SOURCE
#include <glob.h>
#include <unistd.h>

#include "harness.h"

/* What a module that has gone must not have left in any of these. */
static const char * const places[] = {
	"/proc/modules",
	"/proc/misc",
	"/proc/devices",
	"/sys/kernel/tracing/enabled_functions",
	"/sys/kernel/debug/kprobes/list",
};

/* Lines of a file, or only those with @text; 0 if it cannot be read. */
static unsigned int lines(const char *path, const char *text)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	unsigned int n = 0;
	size_t size = 0;

	if (!f)
		return 0;
	while (getline(&line, &size, f) > 0)
		n += !text || strstr(line, text);
	free(line);
	fclose(f);
	return n;
}

FIXTURE(loads) {
	struct source *src[2];
	unsigned int lines[ARRAY_SIZE(places)];
	unsigned int handlers;
	bool was_loaded;
	int klog;
};

FIXTURE_SETUP(loads)
{
	self->was_loaded = broker_loaded();
	broker_want(false);
	self->klog = klog_open();
	for (unsigned int i = 0; i < 2; i++)
		self->src[i] = source_open(i);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		self->lines[i] = lines(places[i], NULL);
	self->handlers = lines("/proc/interrupts", NULL);
}

FIXTURE_TEARDOWN(loads)
{
	while (vms)
		vm_free(vms);
	for (unsigned int i = 0; i < 2; i++)
		source_close(self->src[i]);
	broker_want(self->was_loaded);
}

static struct vm *new_vm(struct source **src)
{
	struct vm *vm = vm_new("guest", 1);

	guest_boot(vm);
	guest_map(vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	for (unsigned int i = 0; i < 2; i++) {
		vm_route_msi(vm, SHARED_GSI + i, SHARED_DEVID, SHARED_EVENT);
		source_drain(src[i]);
	}
	return vm;
}

static void assign_both(struct source **src, struct vm *vm)
{
	for (unsigned int i = 0; i < 2; i++)
		source_assign(src[i], vm, SHARED_GSI + i);
}

/* Tasks whose name begins with @name. */
static unsigned int tasks(const char *name)
{
	unsigned int n = 0;
	char comm[32];
	glob_t g;

	if (glob("/proc/[0-9]*/comm", 0, NULL, &g))
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "r");

		if (!f)
			continue;	/* it has ended */
		if (fgets(comm, sizeof(comm), f))
			n += !strncmp(comm, name, strlen(name));
		fclose(f);
	}
	globfree(&g);
	return n;
}

static void expect_nothing_left(struct __test_metadata *_metadata, FIXTURE_DATA(loads) *self)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		EXPECT_EQ(self->lines[i], lines(places[i], NULL)) {
			TH_LOG("%s has changed", places[i]);
		}
		EXPECT_EQ(0, lines(places[i], "vlpi_broker"));
	}
	EXPECT_EQ(0, tasks("vlpi"));
	EXPECT_NE(0, access(BROKER_DEVICE, F_OK));
	EXPECT_FALSE(broker_loaded());
	EXPECT_EQ(self->handlers, lines("/proc/interrupts", NULL));
	EXPECT_EQ(0, klog_count(self->klog, "cut here"));
}

VM_TEST_F_TIMEOUT(loads, a_hundred_times, 3600, "H17")
{
	unsigned int loads = env_number("VLPI_LOADS", 100), n;
	uint64_t loading = 0, unloading = 0;
	struct vm *vm = NULL;

	for (n = 0; n < loads; n++) {
		if (n && n % 10 == 0)
			note("%u done; a load takes %llu ms, an unload %llu", n,
			     (unsigned long long)loading / n, (unsigned long long)unloading / n);
		/* In turn: alone; a VM under the module; one there before it; one that stays. */
		if (n % 4 == 2) {
			vm = new_vm(self->src);
			assign_both(self->src, vm);
		}
		loading -= now_ms();
		ASSERT_EQ(0, broker_load()) {
			TH_LOG("load number %u", n + 1);
		}
		loading += now_ms();
		switch (n % 4) {
		case 1:
			vm = new_vm(self->src);
			assign_both(self->src, vm);
			EXPECT_SOURCES("load %u, a new VM", n + 1);
			vm_free(vm);
			break;
		case 2:
			for (unsigned int i = 0; i < 2; i++)
				EXPECT_VERDICT(self->src[i], DELIVERED);
			/* Into the next load, with nothing of it assigned. */
			for (unsigned int i = 0; i < 2; i++)
				source_deassign(self->src[i]);
			vm_sentinel(vm, false);
			break;
		case 3:
			assign_both(self->src, vm);
			EXPECT_SOURCES("load %u, a VM from the one before", n + 1);
			vm_free(vm);
			break;
		}
		unloading -= now_ms();
		wait_for(!broker_unload(), "unloading, number %u", n + 1);
		unloading += now_ms();
	}
	tried(n, "loads and unloads");
	while (vms)
		vm_free(vms);
	expect_nothing_left(_metadata, self);
	for (unsigned int i = 0; i < 2; i++)
		EXPECT_VERDICT(self->src[i], HOST);
}

TEST_MAIN
