// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tests that are named, or all. TAP on stdout; ends with 1 if a test failed.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define TEST_SECONDS	60
#define STATUS_FAILED	1
#define STATUS_BUG	66

static struct unit_test *first, **last = &first;
static bool failed;

void unit_register(struct unit_test *test)
{
	*last = test;
	last = &test->next;
}

void unit_failed(void)
{
	failed = true;
}

static bool is_wanted(const struct unit_test *test, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, test->name))
			return true;
	return false;
}

static bool run(const struct unit_test *test)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(TEST_SECONDS);
		test->fn();
		exit(failed ? STATUS_FAILED : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (test->is_bug)
		return WIFEXITED(status) && WEXITSTATUS(status) == STATUS_BUG;
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	unsigned int n = 0, nr_failed = 0;
	struct unit_test *test;

	(void)argc;
	broker_memory_init();
	for (test = first; test; test = test->next)
		n += is_wanted(test, argv + 1);
	if (!n) {
		fprintf(stderr, "no such test\n");
		return 2;
	}
	printf("TAP version 13\n1..%u\n", n);
	n = 0;
	for (test = first; test; test = test->next) {
		bool ok;

		if (!is_wanted(test, argv + 1))
			continue;
		ok = run(test);
		nr_failed += !ok;
		printf("%s %u - %s\n", ok ? "ok" : "not ok", ++n, test->name);
	}
	printf("# %u passed, %u failed\n", n - nr_failed, nr_failed);
	return !!nr_failed;
}
