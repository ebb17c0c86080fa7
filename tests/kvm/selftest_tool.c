// SPDX-License-Identifier: GPL-2.0-only
/*
 * tools/selftest: what an operator runs on a host. Green with the module, red on a stock kernel;
 * and it leaves alone what it must not touch, and nothing behind.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define TOOL			"vlpi-selftest"
#define HELPER			"vlpi_selftest"
#define RAISE			"/sys/module/" HELPER "/parameters/raise"
#define RESULT			"/tmp/selftest_tool.json"
#define FUNCTION		"0000:00:03.0"	/* the igb */
#define EDU			"0000:00:04.0"	/* bound to vfio-pci too, with one MSI */
#define HOST_BRIDGE		"0000:00:00.0"
#define COULD_NOT_RUN		2
/* All of its tests, one after the other. */
#define ALL_SECONDS		1200

FIXTURE(selftest_tool) {
	char output[65536];
	pid_t pid;
	int status;
};

FIXTURE_SETUP(selftest_tool)
{
	self->pid = 0;
	if (kernel_before(5, 17))
		SKIP(return, "the helper module is for kernels from 5.17 on");
}

static void end_tool(FIXTURE_DATA(selftest_tool) *self)
{
	int status;

	if (self->pid && waitpid(self->pid, &status, 0) == self->pid)
		self->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	self->pid = 0;
}

FIXTURE_TEARDOWN(selftest_tool)
{
	if (self->pid)
		kill(self->pid, SIGTERM);
	end_tool(self);
	while (vms)
		vm_free(vms);
	unlink(RESULT);
}

/* Beside this program. Its standard output is to be read from what is returned. */
static int start_tool(FIXTURE_DATA(selftest_tool) *self, const char *const args[])
{
	const char *argv[8] = { TOOL };
	char path[PATH_MAX];
	ssize_t n;
	int p[2];

	for (unsigned int i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(TOOL) - 1);
	if (n < 0 || pipe(p))
		die("starting " TOOL ": %m");
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, TOOL);
	fflush(NULL);
	self->pid = fork();
	if (self->pid < 0)
		die("fork: %m");
	if (!self->pid) {
		dup2(p[1], STDOUT_FILENO);
		close(p[0]);
		close(p[1]);
		execv(path, (char **)argv);
		die("%s: %m", path);
	}
	close(p[1]);
	return p[0];
}

/* Until there is @text in it, or it ends. What it prints is a comment here. */
static void read_until(FIXTURE_DATA(selftest_tool) *self, FILE *from, const char *text)
{
	size_t len = strlen(self->output), room = sizeof(self->output);

	while (len + 1 < room && fgets(self->output + len, room - len, from)) {
		fprintf(stderr, "# > %s", self->output + len);
		if (text && strstr(self->output + len, text))
			return;
		len += strlen(self->output + len);
	}
}

static void run_tool(FIXTURE_DATA(selftest_tool) *self, const char *const args[])
{
	FILE *from;

	self->output[0] = '\0';
	from = fdopen(start_tool(self, args), "r");
	if (!from)
		die("no memory");
	read_until(self, from, NULL);
	fclose(from);
	end_tool(self);
}

#define RUN_TOOL(...)	run_tool(self, (const char *const[]){ __VA_ARGS__, NULL })

/* It did not run, for this reason, and has changed nothing. */
#define EXPECT_REFUSAL(reason, ...)					\
	do {								\
		RUN_TOOL(__VA_ARGS__);					\
		EXPECT_EQ(COULD_NOT_RUN, self->status);			\
		EXPECT_NE(NULL, strstr(self->output, reason)) {		\
			TH_LOG("it does not say: %s", reason);		\
		}							\
		EXPECT_FALSE(helper_is_loaded());			\
	} while (0)

static bool helper_is_loaded(void)
{
	return !access("/sys/module/" HELPER, F_OK);
}

static bool file_has(const char *path, const char *text)
{
	char all[16384];
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		return false;
	n = fread(all, 1, sizeof(all) - 1, f);
	fclose(f);
	all[n] = '\0';
	return strstr(all, text);
}

static const char *mode(void)
{
	return broker_loaded() ? "--vectors=4" : "--stock";
}

static bool possible(void)
{
	return igb_available() && helper_built(HELPER);
}

#define NOT_POSSIBLE	"no igb, or no " HELPER ".ko: tests/lab/run --igb --helpers"

FAILS_ON_STOCK("selftest_tool.is_green", "6.1");
VM_TEST_F_TIMEOUT(selftest_tool, is_green, ALL_SECONDS, "H1 H2 H3 H5 H11 H24")
{
	if (!possible())
		SKIP(return, NOT_POSSIBLE);
	RUN_TOOL("--result", RESULT, mode(), FUNCTION);
	/* A reason not to run is no verdict on the kernel. */
	if (self->status == COULD_NOT_RUN && !broker_loaded())
		SKIP(return, "it did not run");
	EXPECT_FALSE(helper_is_loaded());
	EXPECT_TRUE(file_has(RESULT, "\"ids\": \"8086:10c9\""));
	EXPECT_TRUE(file_has(RESULT, host_has_gicv4_1() ? "\"gic\": \"4.1\"" : "\"gic\": \"4.0\""));
	EXPECT_TRUE(file_has(RESULT, "\"verdict\": \"pass\""));
	EXPECT_EQ(NULL, strstr(self->output, "not ok"));
	EXPECT_EQ(0, self->status);
}

VM_TEST_F(selftest_tool, refuses, "H1")
{
	bool loaded = broker_loaded();

	if (!possible())
		SKIP(return, NOT_POSSIBLE);
	EXPECT_REFUSAL("there is no PCI function", mode(), "0000:00:1f.7");
	EXPECT_REFUSAL("say the address as the kernel does", mode(), "0:0:3.0");
	EXPECT_REFUSAL("not to vfio-pci", mode(), HOST_BRIDGE);
	EXPECT_REFUSAL("1 MSI(-X) vectors, and 3 are needed", mode(), EDU);
	if (loaded)
		EXPECT_REFUSAL("vlpi_broker is loaded", "--stock", FUNCTION);
	else
		EXPECT_REFUSAL("vlpi_broker is not loaded", FUNCTION);
}

/* Where others are at work, it does not begin; nor where it runs already. */
VM_TEST_F(selftest_tool, is_alone, "H1")
{
	struct sharers sh;

	if (!possible())
		SKIP(return, NOT_POSSIBLE);
	sharers_new(&sh, "neighbour", 0, 2);
	EXPECT_REFUSAL(broker_loaded() ? "other clients" : "has a VM", mode(), FUNCTION);
	EXPECT_SOURCES("the neighbour");
	sharers_free(&sh);
	ASSERT_EQ(0, helper_load(HELPER, "function=" FUNCTION));
	RUN_TOOL(mode(), FUNCTION);
	EXPECT_EQ(COULD_NOT_RUN, self->status);
	EXPECT_NE(NULL, strstr(self->output, "is loaded already"));
	EXPECT_TRUE(helper_is_loaded());
	helper_unload(HELPER);
}

VM_TEST_F(selftest_tool, goes_when_it_is_told_to, "H11")
{
	FILE *from;

	if (!possible())
		SKIP(return, NOT_POSSIBLE);
	self->output[0] = '\0';
	from = fdopen(start_tool(self, (const char *const[]){ mode(), FUNCTION, NULL }), "r");
	ASSERT_NE(NULL, from);
	read_until(self, from, "1..");
	kill(self->pid, SIGTERM);
	read_until(self, from, NULL);
	fclose(from);
	end_tool(self);
	EXPECT_EQ(COULD_NOT_RUN, self->status);
	EXPECT_FALSE(helper_is_loaded());
	wait_for(host_irq_count("(" FUNCTION ")") < 0, "nobody has the function's interrupts");
}

/* ---- its module alone ------------------------------------------------------------------------ */

static int try_raise(const char *vector)
{
	return try_write_file(RAISE, vector);
}

VM_TEST_F(selftest_tool, raises_nothing_else, "H1")
{
	struct source *edu;
	long long before;

	if (!possible())
		SKIP(return, NOT_POSSIBLE);
	EXPECT_EQ(-EINVAL, helper_load(HELPER, ""));
	EXPECT_EQ(-ENODEV, helper_load(HELPER, "function=0000:00:1f.7"));
	EXPECT_EQ(-EBUSY, helper_load(HELPER, "function=" HOST_BRIDGE));
	EXPECT_FALSE(helper_is_loaded());
	ASSERT_EQ(0, helper_load(HELPER, "function=" EDU));
	EXPECT_EQ(-ENXIO, try_raise("0")) {
		TH_LOG("nobody has it open");
	}
	edu = source_open(0);
	before = host_irq_count(edu->irq_name);
	EXPECT_EQ(0, try_raise("0"));
	wait_for(host_irq_count(edu->irq_name) == before + 1, "the handler runs");
	EXPECT_EQ(-ENXIO, try_raise("1"));
	EXPECT_EQ(-EINVAL, try_raise("x"));
	source_vectors(edu, false);
	EXPECT_EQ(-ENXIO, try_raise("0"));
	source_vectors(edu, true);
	helper_unload(HELPER);

	ASSERT_EQ(0, helper_load(HELPER, "function=" FUNCTION));
	before = host_irq_count(edu->irq_name);
	EXPECT_EQ(-ENXIO, try_raise("0"));
	await_effects();
	EXPECT_EQ(before, host_irq_count(edu->irq_name)) {
		TH_LOG("another function's interrupt was raised");
	}
	source_close(edu);

	/* Bound to nothing from here on, and back. */
	write_file("/sys/bus/pci/drivers/vfio-pci/unbind", FUNCTION);
	EXPECT_EQ(-ENODEV, try_raise("0"));
	helper_unload(HELPER);
	write_file("/sys/bus/pci/drivers_probe", FUNCTION);
}

TEST_MAIN
