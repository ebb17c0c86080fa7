// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes and tracers on the functions that the module redirects (H32): each kind, on all of them at
 * once, set after the module was loaded or before. The broker goes on, and the probes are hit.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "harness.h"

#define MAX_FUNCTIONS		32

FIXTURE(probed) {
	/* What the module redirects, as the kernel says. */
	char function[MAX_FUNCTIONS][64];
	unsigned int nr;
	bool was_loaded;
};

FIXTURE_VARIANT(probed) {
	/* Of a kprobe event, or nothing. */
	const char *probe;
	/* The current_tracer. */
	const char *tracer;
};

FIXTURE_VARIANT_ADD(probed, kprobe) {
	.probe = "p",
	.tracer = "nop",
};

FIXTURE_VARIANT_ADD(probed, kretprobe) {
	/* As many at a time as there are callers: none is to be missed. */
	.probe = "r64",
	.tracer = "nop",
};

FIXTURE_VARIANT_ADD(probed, function) {
	.tracer = "function",
};

FIXTURE_VARIANT_ADD(probed, function_graph) {
	.tracer = "function_graph",
};

/* Functions whose program counter an ftrace_ops may change: "NAME (OPS) R I ...". */
static void find_functions(FIXTURE_DATA(probed) *self)
{
	FILE *f = fopen(TRACING "enabled_functions", "r");
	char line[512], name[64], flags[8];

	if (!f)
		die(TRACING "enabled_functions: %m");
	self->nr = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s (%*d)%7c", name, flags) != 2 || !memchr(flags, 'I', 7))
			continue;
		if (self->nr == MAX_FUNCTIONS)
			die("more than %u functions are redirected", MAX_FUNCTIONS);
		strcpy(self->function[self->nr++], name);
	}
	fclose(f);
	if (!self->nr)
		die("the kernel knows of no function that is redirected");
}

FIXTURE_SETUP(probed)
{
	self->was_loaded = broker_loaded();
	broker_want(true);
	find_functions(self);
}

static void append_tracing(const char *file, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), TRACING "%s", file);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("writing \"%s\" to %s: %m", text, path);
	close(fd);
}

static void probes_on(const FIXTURE_DATA(probed) *self, const FIXTURE_VARIANT(probed) *variant)
{
	char line[160];

	write_tracing("trace", "");
	for (unsigned int i = 0; i < self->nr; i++) {
		if (variant->probe) {
			snprintf(line, sizeof(line), "%s:probed/%s %s", variant->probe,
				 self->function[i], self->function[i]);
			append_tracing("kprobe_events", line);
		} else {
			append_tracing("set_ftrace_filter", self->function[i]);
		}
	}
	if (variant->probe)
		write_tracing("events/probed/enable", "1");
	write_tracing("current_tracer", variant->tracer);
}

static void probes_off(void)
{
	write_tracing("current_tracer", "nop");
	write_tracing("set_ftrace_filter", "");
	/* There is no such directory without a probe. */
	try_write_file(TRACING "events/probed/enable", "0");
	write_tracing("kprobe_events", "");
}

FIXTURE_TEARDOWN(probed)
{
	probes_off();
	broker_want(self->was_loaded);
}

/* How often a function's name is in the trace. */
static unsigned int hits(const char *function)
{
	FILE *f = fopen(TRACING "trace", "r");
	unsigned int n = 0;
	char line[512];

	if (!f)
		die(TRACING "trace: %m");
	while (fgets(line, sizeof(line), f))
		n += line[0] != '#' && strstr(line, function);
	fclose(f);
	return n;
}

/* Six sharers come; holders leave until none is left; all come back; the guest and its VM end. */
static void share(struct __test_metadata *_metadata)
{
	struct sharers sh = { 0 };
	int holder;

	sharers_new(&sh, "probed", 0, 6);
	EXPECT_SOURCES("six come");
	for (unsigned int left = 1; left <= sh.nr; left++) {
		holder = sharers_holder(&sh);
		ASSERT_LE(0, holder) {
			TH_LOG("nothing holds the vLPI after %u left", left - 1);
		}
		source_deassign(sh.src[holder]);
		sh.src[holder]->last = HOST;
		EXPECT_SOURCES("%u holders left", left);
	}
	sharers_assign_all(&sh);
	EXPECT_SOURCES("they are back");
	guest_discard(sh.vm, SHARED_DEVID, SHARED_EVENT);
	guest_map(sh.vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	EXPECT_PLACED("the EventID is mapped again");
	EXPECT_SOURCES("the EventID is mapped again");
	sharers_free(&sh);
}

/* What the guest's ITS and irqfds have certainly called. */
static const char *const called[] = {
	"irq_bypass_register_consumer", "irq_bypass_unregister_consumer", "its_map_vlpi",
	"its_unmap_vlpi",
};

static void expect_hits(struct __test_metadata *_metadata)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(called); i++) {
		EXPECT_LT(0, hits(called[i])) {
			TH_LOG("%s() was called, and its probe was not hit", called[i]);
		}
	}
}

VM_TEST_F(probed, while_loaded, "H32")
{
	probes_on(self, variant);
	share(_metadata);
	expect_hits(_metadata);
}

VM_TEST_F(probed, before_the_load, "H32")
{
	broker_want(false);
	probes_on(self, variant);
	broker_want(true);
	share(_metadata);
	expect_hits(_metadata);
	/* And the module goes first. */
	broker_want(false);
}

TEST_MAIN
