// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another one redirects a function that the module redirects, as a live patch does, or ftrace is
 * switched off (H32). Who comes first keeps the function, the other one is refused, and the module
 * is never loaded with some of its hooks only.
 */
#define _GNU_SOURCE
#include "harness.h"

#define RIVAL			"vlpi_test_rival"
#define FTRACE_ENABLED		"/proc/sys/kernel/ftrace_enabled"

FIXTURE(rivals) {
	/* What the module redirects. */
	struct hooked hooked;
	struct sharers sh;
	bool was_loaded;
	int klog;
};

FIXTURE_SETUP(rivals)
{
	if (!helper_built(RIVAL))
		SKIP(return, NO_HELPER(RIVAL));
	self->was_loaded = broker_loaded();
	broker_want(true);
	hooked_find(&self->hooked);
	ASSERT_LT(0, self->hooked.nr);
	self->klog = klog_open();
}

FIXTURE_TEARDOWN(rivals)
{
	write_file(FTRACE_ENABLED, "1");
	sharers_free(&self->sh);
	broker_want(self->was_loaded);
}

static int rival_comes(const char *function)
{
	char params[HOOKED_NAME + 16];

	snprintf(params, sizeof(params), "function=%s", function);
	return helper_load(RIVAL, params);
}

/* One line says why, and nothing is left: @left functions are redirected, by others. */
static void expect_refused(struct __test_metadata *_metadata, FIXTURE_DATA(rivals) *self,
			   unsigned int left)
{
	unsigned int lines = 0;
	struct hooked now;
	char line[400];

	EXPECT_EQ(-EBUSY, broker_load());
	EXPECT_FALSE(broker_loaded());
	while (klog_next(self->klog, "vlpi_broker: ", line, sizeof(line))) {
		if (strstr(line, "taint"))
			continue;
		lines++;
		EXPECT_TRUE(strstr(line, "redirected already") && strstr(line, "ftrace_enabled")) {
			TH_LOG("the line does not say what to do: \"%s\"", line);
		}
	}
	EXPECT_EQ(1, lines);
	hooked_find(&now);
	EXPECT_EQ(left, now.nr) {
		TH_LOG("%u functions are redirected still, %s among them", now.nr, now.name[0]);
	}
}

VM_TEST_F(rivals, there_before_the_module, "H32 P5")
{
	struct hooked now;

	broker_want(false);
	for (unsigned int i = 0; i < self->hooked.nr; i++) {
		note("%s() has an owner", self->hooked.name[i]);
		ASSERT_EQ(0, rival_comes(self->hooked.name[i]));
		expect_refused(_metadata, self, 1);
		helper_unload(RIVAL);
	}
	sharers_prepare(&self->sh, "rivals", 0, 3);
	broker_want(true);
	hooked_find(&now);
	EXPECT_EQ(self->hooked.nr, now.nr);
	sharers_assign_all(&self->sh);
	await_effects();
	EXPECT_SOURCES("there is no other owner");
}

VM_TEST_F(rivals, come_after_the_module, "H32 P5")
{
	sharers_new(&self->sh, "rivals", 0, 3);
	for (unsigned int i = 0; i < self->hooked.nr; i++) {
		EXPECT_EQ(-EBUSY, rival_comes(self->hooked.name[i])) {
			TH_LOG("%s() has another owner", self->hooked.name[i]);
			helper_unload(RIVAL);
		}
	}
	EXPECT_SOURCES("others were refused");
	source_deassign(self->sh.src[sharers_holder(&self->sh)]);
	EXPECT_SOURCES("the holder left");
}

/* Newer kernels let nobody switch it off. */
VM_TEST_F(rivals, ftrace_is_off, "H32 P5")
{
	int off;

	broker_want(false);
	off = try_write_file(FTRACE_ENABLED, "0");
	if (off != -EOPNOTSUPP) {
		ASSERT_EQ(0, off);
		expect_refused(_metadata, self, 0);
		write_file(FTRACE_ENABLED, "1");
	}
	broker_want(true);
	sharers_new(&self->sh, "rivals", 0, 3);
	EXPECT_SOURCES("ftrace is on");
	EXPECT_EQ(off ? off : -EBUSY, try_write_file(FTRACE_ENABLED, "0")) {
		TH_LOG("ftrace can be switched off below the module");
	}
	source_deassign(self->sh.src[sharers_holder(&self->sh)]);
	EXPECT_SOURCES("the holder left");
}

TEST_MAIN
