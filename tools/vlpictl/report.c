// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl report: one tarball with what a bug report needs.
 *
 * What vlpictl and the host say, each in a file. Nothing of a guest is in it: no memory, no disk,
 * no command line of a VMM; its process has its number and its command name, as in dump. What is
 * not to be had is left out, and the file "missing" names it: a report from a host without the module is
 * one, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "array_size.h"
#include "command.h"
#include "complain.h"
#include "host.h"
#include "replace_file.h"
#include "stop.h"

#define SELF	"/proc/self/exe"

static const struct {
	const char *file;
	const char *argv[5];
} programs[] = {
	{ "vlpictl-version", { SELF, "--version", NULL } },
	{ "status", { SELF, "status", NULL } },
	{ "status.json", { SELF, "status", "--json", NULL } },
	{ "dump.json", { SELF, "dump", "--json", "--output=+ID,FALLBACK,NAME", NULL } },
	{ "events.json", { SELF, "events", "--json", NULL } },
	{ "preflight", { SELF, "preflight", NULL } },
	{ "modinfo", { "modinfo", "vlpi_broker", NULL } },
};

static const char *const files[] = {
	"/etc/os-release",
	"/proc/cmdline",
	"/proc/interrupts",
	"/proc/livepatch/state",
	"/proc/modules",
	"/proc/sys/kernel/tainted",
	"/proc/version",
	"/sys/devices/system/cpu/cpu0/regs/identification/midr_el1",
	"/sys/devices/virtual/workqueue/vlpi_broker/cpumask",
	"/sys/devices/virtual/workqueue/vlpi_broker/nice",
	"/sys/kernel/security/lockdown",
	"/sys/kernel/tracing/enabled_functions",
	"/sys/module/vlpi_broker/parameters/fallback",
	"/sys/module/vlpi_broker/srcversion",
	"/sys/module/vlpi_broker/taint",
	"/sys/module/vlpi_broker/version",
};

static const char *path;
/* The directory that becomes the tarball, and what is not in it. */
static int dir = -1;
static FILE *missing;

static FILE *make_file(const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");

	if (to)
		return to;
	complain("can't write the report: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* Returns -1 after a complaint. */
static int put_text(const char *name, const char *text, size_t len)
{
	FILE *to = make_file(name);
	bool failed;

	if (!to)
		return -1;
	failed = fwrite(text, 1, len, to) != len;
	if (!fclose(to) && !failed)
		return 0;
	complain("can't write the report: %s", strerror(errno));
	return -1;
}

static int put_program(size_t i)
{
	FILE *to = make_file(programs[i].file);
	int status;

	if (!to)
		return -1;
	status = host_run(programs[i].argv, fileno(to), fileno(to));
	fclose(to);
	/* Where it has failed, what it says is worth having. */
	if (status)
		fprintf(missing, "%s: exit status %d\n", programs[i].file, status);
	return 0;
}

/* "/proc/version" becomes "proc-version". */
static int put_file(const char *from)
{
	char *text, name[128];
	size_t len;
	int ret;

	text = host_read(from, &len);
	if (!text) {
		fprintf(missing, "%s: %s\n", from, strerror(errno));
		return 0;
	}
	snprintf(name, sizeof(name), "%s", from + 1);
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '-';
	ret = put_text(name, text, len);
	free(text);
	return ret;
}

static int put_log(void)
{
	char *log = host_log();
	int ret = 0;

	if (log)
		ret = put_text("kernel.log", log, strlen(log));
	else
		fprintf(missing, "kernel.log: %s\n", strerror(errno));
	free(log);
	return ret;
}

static int collect(void)
{
	int ret = put_log();

	for (size_t i = 0; !ret && !stop_asked() && i < ARRAY_SIZE(programs); i++)
		ret = put_program(i);
	for (size_t i = 0; !ret && !stop_asked() && i < ARRAY_SIZE(files); i++)
		ret = put_file(files[i]);
	return stop_asked() ? -1 : ret;
}

static int pack(const char *parent, const char *name)
{
	const char *const tar[] = { "tar", "-C", parent, "-cz", "--owner=0", "--group=0", name, NULL };
	struct replace_file file;
	int status;

	/* The kernel's log is root's. */
	if (replace_begin(&file, path, 0600))
		return -1;
	status = host_run(tar, fileno(file.to), STDERR_FILENO);
	if (!status)
		return replace_end(&file);
	if (!stop_asked())
		complain("tar can't pack the report (exit status %d); is tar installed?",
			 status);
	replace_abandon(&file);
	return -1;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(name);
}

static int make_report(const char *parent, const char *name)
{
	char *full;
	int ret = -1;

	if (asprintf(&full, "%s/%s", parent, name) < 0)
		return -1;
	if (!mkdir(full, 0700))
		dir = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(full);
	if (dir < 0) {
		complain("can't make a directory in %s: %s", parent, strerror(errno));
		return -1;
	}
	missing = make_file("missing");
	if (missing) {
		ret = collect();
		if (fclose(missing) && !ret) {
			complain("can't write the report: %s", strerror(errno));
			ret = -1;
		}
	}
	close(dir);
	return ret ? ret : pack(parent, name);
}

static int run_report(bool as_json)
{
	char name[64], given[80], *parent;
	const char *tmp = getenv("TMPDIR");
	time_t now = time(NULL);
	struct tm utc;
	int ret;

	(void)as_json;
	strftime(name, sizeof(name), "vlpi_broker-report-%Y%m%d-%H%M%S", gmtime_r(&now, &utc));
	snprintf(given, sizeof(given), "%s.tar.gz", name);
	if (!path)
		path = given;
	if (asprintf(&parent, "%s/vlpictl.XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0)
		return EXIT_FAILED;
	stop_begin();
	if (!mkdtemp(parent)) {
		complain("can't make a directory %s: %s", parent, strerror(errno));
		free(parent);
		stop_end();
		return EXIT_FAILED;
	}
	ret = make_report(parent, name);
	nftw(parent, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(parent);
	stop_end();
	if (ret)
		return EXIT_FAILED;
	printf("%s\n", path);
	return EXIT_OK;
}

static int option(int opt, const char *arg)
{
	(void)opt;
	if (!*arg) {
		complain("--output takes the name of a file");
		return -1;
	}
	path = arg;
	return 0;
}

const struct command report_command = {
	.name = "report",
	.summary = "one tarball with what a bug report needs",
	.help = "Usage: vlpictl report [options]\n\n"
		"What vlpictl and the host say, the kernel's log too; nothing of a guest. Prints the tarball's\n"
		"name. Run it as root.\n\n"
		" -o, --output FILE     the tarball (default: vlpi_broker-report-DATE-TIME.tar.gz, here)\n",
	.short_options = COMMON_SHORT "o:",
	.options = (const struct option[]) {
		COMMON_LONG,
		{ "output", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 }
	},
	.option = option,
	.run = run_report,
};
