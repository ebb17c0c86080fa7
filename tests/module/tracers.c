// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints vlpi_broker:* as people read them: with trace-cmd, perf and bpftrace
 * (tests/lab/run --tracers). Each records while a small VMM, this program once more, makes
 * everything happen that has a tracepoint; what it then prints must be the right events, with the
 * right numbers, and the reason in words.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define WORKLOAD		"--workload"
/* What the workload says of itself: its VM's id, and its sources' host IRQs. */
#define SAID			"/tmp/tracers.said"
#define RECORDED		"/tmp/tracers.recorded"
#define PRINTED			"/tmp/tracers.printed"
#define LOG			"/tmp/tracers.log"
#define LEAK			"vlpi_test_leak"
#define MAP			"vlpi_test_map"
#define NR_SOURCES		3

/* ---- what is recorded -------------------------------------------- */

static uint32_t state(struct source *s)
{
	struct vlpi_broker_client c;

	return broker_client(s, &c) ? c.state : ~0U;
}

static int workload(void)
{
	struct vlpi_broker_client client;
	struct sharers sh = { 0 };
	char params[64];
	uint64_t before;
	FILE *said;

	sharers_new(&sh, "traced", 0, NR_SOURCES);
	if (!broker_client(sh.src[0], &client))
		die("the broker does not know the first source");
	said = fopen(SAID, "w");
	if (!said)
		die(SAID ": %m");
	fprintf(said, "%llu", (unsigned long long)client.vm_id);
	for (unsigned int i = 0; i < sh.nr; i++)
		fprintf(said, " %d", source_host_irq(sh.src[i]));

	before = guest_count(sh.vm, SHARED_INTID);
	source_fire(sh.src[2]);
	guest_wait_irq(sh.vm, SHARED_INTID, before, "a waiter has fired");
	await_effects();
	snprintf(params, sizeof(params), "host_irq=%d holder=%d", source_host_irq(sh.src[1]),
		 source_host_irq(sh.src[0]));
	if (helper_load(MAP, params))
		die("loading " MAP " failed");
	helper_unload(MAP);
	source_deassign(sh.src[0]);
	/* Now the second one holds it, and KVM does not take it back. */
	if (helper_load(LEAK, ""))
		die("loading " LEAK " failed");
	source_deassign(sh.src[1]);
	helper_unload(LEAK);
	guest_discard(sh.vm, SHARED_DEVID, SHARED_EVENT);
	wait_for(state(sh.src[2]) == VLPI_BROKER_UNRESOLVED, "nothing mapped, by the broker");
	sharers_free(&sh);
	/* A recorder does not hand on how its command ended. */
	fprintf(said, " done\n");
	return fclose(said) ? 1 : 0;
}

struct expected {
	const char *event;
	unsigned int source;
	const char *why;
	bool vintid;
	/* Up to 6.15, or from 6.16, where the broker has KVM unmap: KVM alone can leak. */
	enum { ALL, BY_ROUTE, BY_HOST_IRQ } kernels;
};

static const struct expected expected[] = {
	{ "connect", 0, "connected", false },
	{ "connect", 1, "connected", false },
	{ "connect", 2, "connected", false },
	{ "grant", 0, "vacant", true },
	{ "wait", 1, "held", true },
	{ "wait", 2, "held", true },
	{ "fallback_signal", 2, "held", true },
	{ "fallback_inject", 2, NULL, true },	/* thread or inline: as the parameter says */
	{ "gate_refuse", 1, "taken", true },
	{ "demote", 0, "left", true },
	{ "unmap", 0, "revoked", true },
	{ "grant", 1, "left", true },
	{ "promote", 1, "left", true },
	{ "unmap", 1, "revoked", true, BY_ROUTE },
	{ "forced_unmap", 1, "leaked", true, BY_HOST_IRQ },
	{ "promote", 2, "left", true },
	{ "unmap", 2, "kvm", true },
	{ "resolve_fail", 2, "no-lpi", false },
};

/* ---- the tools --------------------------------------------------- */

struct seen {
	char event[32];
	unsigned long long vm;
	unsigned int vintid;
	unsigned int host_irq;
	char why[32];
	int error;
};

/* "... [vlpi_broker:]NAME: vm=...": false for lines that are no event. */
static bool read_line(const char *line, struct seen *s)
{
	const char *fields = strstr(line, ": "), *name;

	while (fields && strncmp(fields + 2 + strspn(fields + 2, " "), "vm=", 3))
		fields = strstr(fields + 2, ": ");
	if (!fields)
		return false;
	for (name = fields; name > line && name[-1] != ' ' && name[-1] != ':'; name--)
		;
	snprintf(s->event, sizeof(s->event), "%.*s", (int)(fields - name), name);
	fields += 2 + strspn(fields + 2, " ");
	return sscanf(fields, "vm=%llu vintid=%u host_irq=%u why=%31s error=%d", &s->vm, &s->vintid,
		      &s->host_irq, s->why, &s->error) == 5;
}

/*
 * bpftrace has the fields as they are: the words for its numbers are in the event's format, which
 * any tool can read: __print_symbolic(REC->why, { 0, "connected" }, ...).
 */
static void name_why(struct seen *s)
{
	char path[128], format[4096], *p, word[32];
	unsigned int n, number;
	size_t got;
	FILE *f;

	if (sscanf(s->why, "%u", &number) != 1)
		return;
	snprintf(path, sizeof(path), TRACING "events/vlpi_broker/%s/format", s->event);
	f = fopen(path, "r");
	if (!f)
		die("%s: %m", path);
	got = fread(format, 1, sizeof(format) - 1, f);
	format[got] = 0;
	fclose(f);
	for (p = strstr(format, "print fmt:"); p; p = strchr(p + 1, '{'))
		if (sscanf(p, "{ %u, \"%31[^\"]\" }", &n, word) == 2 && n == number) {
			strcpy(s->why, word);
			return;
		}
}

FIXTURE(tracers) {
	unsigned long long vm;
	int irq[NR_SOURCES];
	struct seen *seen;
	unsigned int nr;
};

FIXTURE_VARIANT(tracers) {
	const char *tool;
	/* %s: this program and its argument. */
	const char *record;
	const char *print;
};

FIXTURE_VARIANT_ADD(tracers, trace_cmd) {
	.tool = "trace-cmd",
	.record = "trace-cmd record -q -e vlpi_broker -o " RECORDED " %s",
	.print = "trace-cmd report -i " RECORDED,
};

/*
 * On arm64 a sample taken on a CPU that has a vCPU loaded counts as the guest's (all that vCPU
 * threads do, and interrupts that come meanwhile), and perf leaves those out unless it is told.
 */
FIXTURE_VARIANT_ADD(tracers, perf) {
	.tool = "perf",
	.record = "perf record -q -a -e 'vlpi_broker:*' -o " RECORDED " %s",
	.print = "perf script --guest-code -i " RECORDED " -F event,trace",
};

FIXTURE_VARIANT_ADD(tracers, bpftrace) {
	.tool = "bpftrace",
	.record = "bpftrace -o " RECORDED " -e 'tracepoint:vlpi_broker:* { "
		  "printf(\"%%s: vm=%%llu vintid=%%u host_irq=%%u why=%%u error=%%d\\n\", probe, "
		  "args->vm, args->vintid, args->host_irq, args->why, args->error); }' -c '%s'",
	.print = "cat " RECORDED,
};

FIXTURE_SETUP(tracers)
{
	self->seen = NULL;
}

FIXTURE_TEARDOWN(tracers)
{
	free(self->seen);
}

static bool there(const char *tool)
{
	char path[64];

	snprintf(path, sizeof(path), "/bin/%s", tool);
	return !access(path, X_OK);
}

static void tell(const char *path, const char *only)
{
	char line[400];
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, only))
			note("%.*s", (int)strcspn(line, "\n"), line);
	if (f)
		fclose(f);
}

static void run(const char *command)
{
	int status = system(command);

	if (status) {
		tell(LOG, "");
		die("ended with status %#x: %s", status, command);
	}
}

static void record(const char *format)
{
	char self[256], command[1024], whole[1100];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - sizeof(WORKLOAD) - 2);

	if (n < 0)
		die("/proc/self/exe: %m");
	strcpy(self + n, " " WORKLOAD);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(command, sizeof(command), format, self);
#pragma GCC diagnostic pop
	snprintf(whole, sizeof(whole), "%s >" LOG " 2>&1", command);
	unlink(SAID);
	unlink(RECORDED);
	run(whole);
}

static void read_said(unsigned long long *vm, int *irq)
{
	FILE *f = fopen(SAID, "r");
	char end[8] = "";

	if (!f || fscanf(f, "%llu %d %d %d %7s", vm, irq, irq + 1, irq + 2, end) != 5 ||
	    strcmp(end, "done")) {
		tell(LOG, "");
		die("the VMM that was to be traced did not get to its end (see above)");
	}
	fclose(f);
}

static struct seen *read_printed(unsigned int *nr)
{
	struct seen *seen = NULL;
	char line[512];
	FILE *f = fopen(PRINTED, "r");

	if (!f)
		die(PRINTED ": %m");
	*nr = 0;
	while (fgets(line, sizeof(line), f)) {
		seen = realloc(seen, (*nr + 1) * sizeof(*seen));
		if (!seen)
			die("no memory for events");
		if (!read_line(line, seen + *nr))
			continue;
		name_why(seen + (*nr)++);
	}
	fclose(f);
	return seen;
}

static unsigned int count(struct seen *seen, unsigned int nr, const struct expected *e,
			  const char *why, unsigned long long vm, unsigned int irq)
{
	unsigned int n = 0;

	for (struct seen *s = seen; s < seen + nr; s++)
		n += !strcmp(s->event, e->event) && !strcmp(s->why, why) && s->vm == vm &&
		     s->host_irq == irq && (!e->vintid || s->vintid == SHARED_INTID);
	return n;
}

VM_TEST_F(tracers, prints, "P6")
{
	char command[256], mode[16] = "";
	FILE *f;

	if (!there(variant->tool))
		SKIP(return, "no %s here: tests/lab/run --tracers has it", variant->tool);
	if (!helper_built(LEAK) || !helper_built(MAP))
		SKIP(return, "no " LEAK ".ko or " MAP ".ko: tests/lab/run --helpers builds them");
	if (!strcmp(variant->tool, "bpftrace") && access("/sys/kernel/btf/vfio", F_OK))
		SKIP(return, "this kernel's modules have no BTF, so bpftrace wants its headers: "
			     "there are none here");
	f = fopen("/sys/module/vlpi_broker/parameters/fallback", "r");
	ASSERT_TRUE(f && fscanf(f, "%15s", mode) == 1);
	fclose(f);
	record(variant->record);
	read_said(&self->vm, self->irq);
	snprintf(command, sizeof(command), "%s >" PRINTED " 2>>" LOG, variant->print);
	run(command);
	self->seen = read_printed(&self->nr);
	note("%s: %u events", variant->tool, self->nr);
	for (unsigned int i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct expected *e = &expected[i];
		const char *why = e->why ? e->why : mode;

		if (e->kernels == (kernel_before(6, 16) ? BY_HOST_IRQ : BY_ROUTE))
			continue;
		EXPECT_LE(1, count(self->seen, self->nr, e, why, self->vm, self->irq[e->source])) {
			TH_LOG("no %s with vm=%llu host_irq=%d why=%s; of that name:", e->event,
			       self->vm, self->irq[e->source], why);
			tell(PRINTED, e->event);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], WORKLOAD))
		return workload();
	return run_tests(argc, argv);
}
