// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes and tracers on the functions that the module redirects (H32): each kind, on all of them at
 * once, set after the module was loaded or before, and still there when it goes. The broker goes
 * on, the gate is asked, and each function that is called hits its probe.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"
#include "probed/trampoline.h"

#define MAP			"vlpi_test_map"
#define TOGGLES			60

/* What is on each function. */
enum kind { TRACE_EVENT, TRACER, BPF };

FIXTURE(probed) {
	struct hooked hooked;
	struct trampolines bpf;
	struct sharers sh;
	/* The module took over an irqfd: it has KVM delete a producer. */
	bool taken_over;
	bool was_loaded;
};

FIXTURE_VARIANT(probed) {
	enum kind kind;
	/* The current_tracer; or lines for dynamic_events, %1$s being the function. */
	const char *tracer;
	const char *event[2];
	/* What tracefs says of them where the kernel has them. */
	const char *known_by;
};

FIXTURE_VARIANT_ADD(probed, kprobe) {
	.kind = TRACE_EVENT,
	.event = { "p:probed/%1$s %1$s" },
	.known_by = "kprobe_events",
};

FIXTURE_VARIANT_ADD(probed, kretprobe) {
	.kind = TRACE_EVENT,
	/* As many at a time as there are callers: none is to be missed. */
	.event = { "r64:probed/%1$s %1$s" },
	.known_by = "kprobe_events",
};

FIXTURE_VARIANT_ADD(probed, fprobe) {
	.kind = TRACE_EVENT,
	.event = { "f:probed/%1$s %1$s", "f:probed/%1$s_ends %1$s%%return" },
	.known_by = "<func-name>[%return]",
};

FIXTURE_VARIANT_ADD(probed, function) {
	.kind = TRACER,
	.tracer = "function",
};

FIXTURE_VARIANT_ADD(probed, function_graph) {
	.kind = TRACER,
	.tracer = "function_graph",
};

/* On entry and return: with both, the trampoline calls what the entry is redirected to. */
FIXTURE_VARIANT_ADD(probed, fentry_and_fexit) {
	.kind = BPF,
};

/* Does tracefs's own help have this text? */
static bool tracing_knows(const char *text)
{
	FILE *f = fopen(TRACING "README", "r");
	bool found = false;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, text);
	if (f)
		fclose(f);
	return found;
}

static void events_off(void)
{
	write_tracing("current_tracer", "nop");
	write_tracing("set_ftrace_filter", "");
	/* There is no such directory without a probe. */
	try_write_file(TRACING "events/probed/enable", "0");
	write_tracing("dynamic_events", "");
}

FIXTURE_SETUP(probed)
{
	if (variant->kind == BPF && !trampolines_possible())
		SKIP(return, "no BPF program can be attached to a function in this kernel");
	if (variant->kind == TRACE_EVENT && !tracing_knows(variant->known_by))
		SKIP(return, "this kernel has no such events");
	if (!helper_built(MAP))
		SKIP(return, NO_HELPER(MAP));
	/* A test that was ended by an assertion leaves its own behind. */
	events_off();
	self->was_loaded = broker_loaded();
	broker_want(true);
	hooked_find(&self->hooked);
	ASSERT_LT(0, self->hooked.nr);
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

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void add_events(const char * const *event, const char *function)
{
	char line[200];

	for (unsigned int i = 0; i < 2 && event[i]; i++) {
		snprintf(line, sizeof(line), event[i], function);
		append_tracing("dynamic_events", line);
	}
}
#pragma GCC diagnostic pop

static void probes_on(FIXTURE_DATA(probed) *self, const FIXTURE_VARIANT(probed) *variant)
{
	const struct hooked *h = &self->hooked;

	write_tracing("trace", "");
	if (variant->kind == BPF)
		trampolines_begin(&self->bpf);
	for (unsigned int i = 0; i < h->nr; i++) {
		switch (variant->kind) {
		case TRACE_EVENT:
			add_events(variant->event, h->name[i]);
			break;
		case TRACER:
			append_tracing("set_ftrace_filter", h->name[i]);
			break;
		case BPF:
			trampolines_add(&self->bpf, h->name[i], false);
			trampolines_add(&self->bpf, h->name[i], true);
			break;
		}
	}
	if (variant->kind == TRACE_EVENT)
		write_tracing("events/probed/enable", "1");
	if (variant->kind == TRACER)
		write_tracing("current_tracer", variant->tracer);
}

FIXTURE_TEARDOWN(probed)
{
	trampolines_end(&self->bpf);
	events_off();
	sharers_free(&self->sh);
	broker_want(self->was_loaded);
}

/* ---- what is done meanwhile ------------------------------------------------------------------ */

/* All sources fire while irqfds come and go. */
static void storm(struct sharers *sh)
{
	struct firing f;

	firing_start(&f, sh->src, sh->nr);
	for (unsigned int i = 0; i < TOGGLES; i++) {
		struct source *s = sh->src[i % sh->nr];

		if (s->vm)
			source_deassign(s);
		else
			sharers_assign(sh, i % sh->nr);
	}
	firing_stop(&f);
}

static int holder_of(struct sharers *sh)
{
	for (unsigned int i = 0; i < sh->nr; i++)
		if (sh->src[i]->vm && broker_holds(sh->src[i]))
			return i;
	return -1;
}

/* Six sharers come; holders leave until none is left; all come back, in a storm. */
static void share(struct __test_metadata *_metadata, struct sharers *sh)
{
	int holder;

	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("six come");
	for (unsigned int left = 1; left <= sh->nr; left++) {
		holder = holder_of(sh);
		ASSERT_LE(0, holder) {
			TH_LOG("nothing holds the vLPI after %u left", left - 1);
		}
		source_deassign(sh->src[holder]);
		EXPECT_PLACED("%u holders left", left);
	}
	storm(sh);
	sharers_assign_all(sh);
	await_effects();
	EXPECT_SOURCES("after the storm");
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	guest_map(sh->vm, SHARED_DEVID, SHARED_EVENT, SHARED_INTID, 0);
	EXPECT_PLACED("the EventID is mapped again");
	EXPECT_SOURCES("the EventID is mapped again");
}

/* KVM wants to map what it must not: the gate is asked, and says so. */
static void ask_the_gate(struct __test_metadata *_metadata, struct sharers *sh)
{
	int holder = sharers_holder(sh), other = !holder;
	struct vlpi_broker_info before, after;
	char params[64];

	ASSERT_LE(0, holder);
	snprintf(params, sizeof(params), "host_irq=%d holder=%d", source_host_irq(sh->src[other]),
		 source_host_irq(sh->src[holder]));
	broker_info(&before);
	ASSERT_EQ(0, helper_load(MAP, params));
	EXPECT_EQ(-EBUSY, helper_number(MAP, "result")) {
		TH_LOG("a second host IRQ passes the gate");
	}
	helper_unload(MAP);
	broker_info(&after);
	EXPECT_EQ(before.gate_refusals + 1, after.gate_refusals);
}

/* What a VMM does that restores a guest: here there is nothing to be restored. */
static void restore_tables(void)
{
	struct vm *vm = vm_new("restored", 1);

	vm_pause(vm);
	device_attr(vm->its, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_ITS_RESTORE_TABLES, NULL,
		    "tables of the ITS");
	vm_resume(vm);
	vm_free(vm);
}

/* ---- what the probes saw --------------------------------------------------------------------- */

/* How often each function's name is in the trace. */
static void count_trace(const struct hooked *h, uint64_t *hits)
{
	FILE *f = fopen(TRACING "trace", "r");
	char line[512];

	if (!f)
		die(TRACING "trace: %m");
	while (fgets(line, sizeof(line), f))
		for (unsigned int i = 0; i < h->nr; i++)
			hits[i] += line[0] != '#' && strstr(line, h->name[i]);
	fclose(f);
}

static void expect_hits(struct __test_metadata *_metadata, FIXTURE_DATA(probed) *self,
			const FIXTURE_VARIANT(probed) *variant)
{
	const struct hooked *h = &self->hooked;
	uint64_t hits[MAX_HOOKED] = { 0 };

	if (variant->kind != BPF)
		count_trace(h, hits);
	for (unsigned int i = 0; i < h->nr; i++) {
		if (variant->kind == BPF) {
			hits[i] = self->bpf.runs[2 * i];
			EXPECT_EQ(hits[i], self->bpf.runs[2 * i + 1]) {
				TH_LOG("%s(): entries and returns differ", h->name[i]);
			}
		}
		note("%s(): %llu", h->name[i], (unsigned long long)hits[i]);
		/* Up to 6.12 the broker unmaps by itself, but where it takes over. */
		if (!strcmp(h->name[i], "kvm_arch_irq_bypass_del_producer") && !self->taken_over)
			continue;
		EXPECT_LT(0, hits[i]) {
			TH_LOG("%s() was called, and its probe was not hit", h->name[i]);
		}
	}
}

static void all_of_it(struct __test_metadata *_metadata, FIXTURE_DATA(probed) *self,
		      const FIXTURE_VARIANT(probed) *variant)
{
	share(_metadata, &self->sh);
	ask_the_gate(_metadata, &self->sh);
	restore_tables();
	expect_hits(_metadata, self, variant);
}

VM_TEST_F(probed, while_loaded, "H32")
{
	probes_on(self, variant);
	sharers_prepare(&self->sh, "probed", 0, MAX_SHARERS);
	all_of_it(_metadata, self, variant);
}

/* The module is loaded below the probes, and goes first. */
VM_TEST_F(probed, before_the_load, "H32")
{
	broker_want(false);
	probes_on(self, variant);
	sharers_prepare(&self->sh, "probed", 0, MAX_SHARERS);
	sharers_assign(&self->sh, 0);
	broker_want(true);
	self->taken_over = true;
	all_of_it(_metadata, self, variant);
	sharers_free(&self->sh);
	broker_want(false);
	restore_tables();
}

TEST_MAIN
