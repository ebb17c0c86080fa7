// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpi-selftest: does direct injection with vlpi_broker work on this host? On one PCI function that
 * nobody uses, and that its owner has bound to vfio-pci, with a guest of its own. See README.md.
 *
 * This process looks whether it may, loads the helper module, and has each test run in a process of
 * its own, with a bound. It opens neither KVM nor VFIO itself: when a test's process is gone, so is
 * its VM, and the function is nobody's again. At the end it unloads the helper, and looks for what
 * was left behind and at what the kernel has logged meanwhile.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest.h"
#include "vlpictl/complain.h"

#define HELPER			"vlpi_selftest"
#define DEVICES			"/sys/bus/pci/devices"

/* Exit statuses. */
#define ALL_PASSED		0
#define ONE_FAILED		1
#define COULD_NOT_RUN		2

static struct {
	const char *result;
	const char *helper;
	unsigned int vectors;
	unsigned int seconds;
	bool stock;
	bool beside;
} options = { .vectors = MAX_SHARERS, .seconds = 300 };

static volatile sig_atomic_t interrupted;
static bool helper_is_loaded;

void complain(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs(PROGRAM ": ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* ---- the helper module ----------------------------------------------------------------------- */

static int unload_helper(void)
{
	struct wait w;
	int ret;

	if (!helper_is_loaded)
		return 0;
	wait_begin(&w);
	do {
		ret = syscall(SYS_delete_module, HELPER, O_NONBLOCK) ? -errno : 0;
	} while (ret && wait_more(&w));
	if (!ret)
		helper_is_loaded = false;
	return ret;
}

/* Nothing was changed, or the helper goes again: the reason, and the end. */
static void cannot(const char *fmt, ...) __printf_like(1, 2) __attribute__((noreturn));

static void cannot(const char *fmt, ...)
{
	char why[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (unload_helper())
		complain("the helper module stays: rmmod " HELPER);
	printf("Bail out! could not run: %s\n", why);
	complain("could not run: %s", why);
	exit(COULD_NOT_RUN);
}

/* A function of tests/lib gives up in this process. */
static void on_die(const char *message)
{
	cannot("%s", message);
}

/* Beside the program, where "make selftest" leaves it; else where modules are installed. */
static int open_helper(char *path, size_t size)
{
	struct utsname u;
	char exe[PATH_MAX];
	ssize_t n;
	int fd;

	if (options.helper) {
		snprintf(path, size, "%s", options.helper);
		return open(path, O_RDONLY | O_CLOEXEC);
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n < 0 ? 0 : n] = '\0';
	*(strrchr(exe, '/') ? : exe) = '\0';
	snprintf(path, size, "%s/" HELPER ".ko", exe);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	uname(&u);
	snprintf(path, size, "/lib/modules/%s/updates/" HELPER ".ko", u.release);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void load_helper(void)
{
	char path[PATH_MAX + 32], params[64];
	int fd = open_helper(path, sizeof(path)), ret;

	if (fd < 0)
		cannot("the helper module %s: %m (\"make selftest\" builds it; --helper FILE)",
		       path);
	snprintf(params, sizeof(params), "function=%s", function.address);
	ret = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	if (ret == -EEXIST)
		cannot("the helper module is loaded already: another " PROGRAM " runs, or one was "
		       "killed (then: rmmod " HELPER ")");
	if (ret)
		cannot("loading %s: %s", path, strerror(-ret));
	helper_is_loaded = true;
}

/* ---- may it? --------------------------------------------------------------------------------- */

static void check_address(void)
{
	unsigned int domain, bus, slot, func;
	char exact[24];

	if (sscanf(function.address, "%x:%x:%x.%x", &domain, &bus, &slot, &func) != 4)
		cannot("\"%s\" is no address of a PCI function, as 0000:03:00.1 is",
		       function.address);
	snprintf(exact, sizeof(exact), "%04x:%02x:%02x.%x", domain, bus, slot, func);
	if (strcmp(exact, function.address))
		cannot("say the address as the kernel does: %s", exact);
}

/* What a link of the function leads to, without the directories. */
static const char *linked(const char *name)
{
	static char to[PATH_MAX];
	char path[96];
	ssize_t n;

	snprintf(path, sizeof(path), DEVICES "/%.16s/%s", function.address, name);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return NULL;
	to[n] = '\0';
	return strrchr(to, '/') ? strrchr(to, '/') + 1 : to;
}

static void check_group(void)
{
	char path[96];
	struct dirent *d;
	DIR *dir;

	if (!linked("iommu_group"))
		cannot("%s has no IOMMU group: no IOMMU is in use", function.address);
	snprintf(path, sizeof(path), DEVICES "/%.16s/iommu_group/devices", function.address);
	dir = opendir(path);
	if (!dir)
		cannot("%s: %m", path);
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.' && strcmp(d->d_name, function.address))
			cannot("%s shares its IOMMU group with %s: take a function that is alone",
			       function.address, d->d_name);
	closedir(dir);
}

static void check_function(void)
{
	char path[64];
	const char *driver;

	check_address();
	snprintf(path, sizeof(path), DEVICES "/%.16s", function.address);
	if (access(path, F_OK))
		cannot("there is no PCI function %s", function.address);
	driver = linked("driver");
	if (!driver || strcmp(driver, "vfio-pci"))
		cannot("%s is bound to %s, not to vfio-pci: bind it, if nobody needs it",
		       function.address, driver ? driver : "no driver");
	check_group();
}

/* Has any process a VM? Its own threads have the files of the process. */
static pid_t process_with_vm(void)
{
	char path[64], to[64];
	struct dirent *p, *f;
	DIR *proc = opendir("/proc"), *fds;
	pid_t found = 0;
	ssize_t n;

	if (!proc)
		cannot("/proc: %m");
	while (!found && (p = readdir(proc))) {
		if (!atoi(p->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd", atoi(p->d_name));
		fds = opendir(path);
		while (fds && !found && (f = readdir(fds))) {
			n = readlinkat(dirfd(fds), f->d_name, to, sizeof(to) - 1);
			to[n < 0 ? 0 : n] = '\0';
			if (!strcmp(to, "anon_inode:kvm-vm"))
				found = atoi(p->d_name);
		}
		if (fds)
			closedir(fds);
	}
	closedir(proc);
	return found;
}

/*
 * Where handlers are threads, the doorbells' have to be kept from running all the time (see
 * docs/rt.md), and this program's are not told from others'.
 */
static bool has_threaded_handlers(void)
{
	char line[4096] = "";
	struct utsname u;
	FILE *f = fopen("/proc/cmdline", "r");

	if (f && !fgets(line, sizeof(line), f))
		line[0] = '\0';
	if (f)
		fclose(f);
	uname(&u);
	return strstr(u.version, "PREEMPT_RT") || strstr(line, "threadirqs");
}

static void check_broker(struct vlpi_broker_info *info)
{
	if (!broker_loaded())
		cannot("vlpi_broker is not loaded: modprobe vlpi_broker (or --stock: what the "
		       "kernel does by itself)");
	broker_info(info);
	if (info->abi_version != VLPI_BROKER_ABI_VERSION)
		cannot("vlpi_broker has ABI %u, this program was built for %u", info->abi_version,
		       VLPI_BROKER_ABI_VERSION);
	if (info->nr_clients && !options.beside)
		cannot("vlpi_broker has %u other clients: a host with VMs in use is no place for "
		       "this (--force-beside-others: do it all the same)", info->nr_clients);
}

static void check_host(struct vlpi_broker_info *info)
{
	pid_t other;

	if (geteuid())
		cannot("run it as root");
	if (access("/dev/kvm", R_OK | W_OK))
		cannot("/dev/kvm: %m");
	if (!options.stock) {
		check_broker(info);
	} else if (broker_loaded()) {
		cannot("vlpi_broker is loaded: --stock is for the kernel by itself");
	} else {
		other = process_with_vm();
		if (other)
			cannot("process %d has a VM: --stock may cost it its interrupts", other);
	}
	if (options.beside && has_threaded_handlers())
		cannot("interrupt handlers are threads on this kernel: not beside other VMs");
}

/* ---- a test, in its process ------------------------------------------------------------------ */

/* In the process of a test. */
static void keep_message(const char *message)
{
	if (!function.outcome->why[0])
		snprintf(function.outcome->why, sizeof(function.outcome->why), "%s", message);
}

static void run_here(void (*run)(void))
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	die_hook = keep_message;
	run();
	fflush(NULL);
	_exit(function.outcome->why[0] ? 1 : 0);
}

static bool ends_within(pid_t pid, uint64_t ms, int *status)
{
	uint64_t end = now_ms() + ms;

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (interrupted || now_ms() >= end)
			return false;
		usleep(10000);
	}
	return true;
}

static bool ends_killed(pid_t pid, int *status)
{
	uint64_t end = now_ms() + 60000;

	kill(pid, SIGKILL);
	while (waitpid(pid, status, WNOHANG) != pid) {
		if (now_ms() >= end)
			return false;
		usleep(10000);
	}
	return true;
}

/* Returns what went wrong, or NULL. */
static const char *run_apart(void (*run)(void))
{
	static char why[sizeof(function.outcome->why)];
	int status = 0;
	pid_t pid;

	memset(function.outcome->why, 0, sizeof(function.outcome->why));
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		cannot("fork: %m");
	if (!pid)
		run_here(run);
	if (!ends_within(pid, options.seconds * 1000ULL, &status)) {
		if (!ends_killed(pid, &status))
			snprintf(why, sizeof(why), "process %d cannot be killed: it hangs in the "
				 "kernel", pid);
		else
			snprintf(why, sizeof(why), "it did not end within %u s", options.seconds);
		return why;
	}
	if (function.outcome->why[0]) {
		snprintf(why, sizeof(why), "%s", function.outcome->why);
		return why;
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return NULL;
	snprintf(why, sizeof(why), "its process has ended with status %#x", status);
	return why;
}

static void stop_if_interrupted(void)
{
	if (interrupted)
		cannot("it was interrupted");
}

/* ---- results --------------------------------------------------------------------------------- */

static struct result *new_result(struct report *r, const char *name, const char *what)
{
	struct result *result = &r->result[r->nr++];

	result->name = name;
	result->what = what;
	return result;
}

static void judge(struct result *result, const char *why)
{
	result->verdict = why ? FAILED : PASSED;
	if (why)
		snprintf(result->why, sizeof(result->why), "%s", why);
}

static void print_result(const struct report *r, const struct result *result)
{
	printf("%sok %u %s", result->verdict == FAILED ? "not " : "",
	       (unsigned int)(result - r->result) + 1, result->name);
	if (result->verdict == NOT_RUN)
		printf(" # SKIP %s", result->why);
	printf("\n# %s%s%s\n", result->what, result->verdict == FAILED ? ": " : "",
	       result->verdict == FAILED ? result->why : "");
	fflush(stdout);
}

static void run_all(struct report *r)
{
	for (unsigned int i = 0; i < nr_selftests; i++) {
		struct result *result = new_result(r, selftests[i].name, selftests[i].what);
		uint64_t begin = now_ms();

		if (options.stock && selftests[i].harms_stock)
			snprintf(result->why, sizeof(result->why),
				 "without vlpi_broker this can take the host down");
		else
			judge(result, run_apart(selftests[i].run));
		result->ms = now_ms() - begin;
		stop_if_interrupted();
		print_result(r, result);
	}
}

/* Of this function's vectors, which are named after it. */
static bool has_host_irq(void)
{
	char name[32];

	snprintf(name, sizeof(name), "(%s)", function.address);
	return host_irq_count(name) >= 0;
}

static const char *left_behind(const struct report *r)
{
	static char why[160];
	struct vlpi_broker_info info;
	struct wait w;
	int ret;

	/* An exiting process gives its files back a little after its death. */
	wait_begin(&w);
	while (has_host_irq())
		if (!wait_more(&w))
			return "the function's host IRQs are still requested";
	ret = unload_helper();
	if (ret) {
		snprintf(why, sizeof(why), "the helper module cannot be unloaded: %s",
			 strerror(-ret));
		return why;
	}
	if (r->stock)
		return NULL;
	if (!broker_loaded())
		return "vlpi_broker was unloaded meanwhile";
	wait_begin(&w);
	do {
		broker_info(&info);
	} while (!options.beside && info.nr_clients && wait_more(&w));
	if (!options.beside && info.nr_clients)
		snprintf(why, sizeof(why), "vlpi_broker still has %u clients", info.nr_clients);
	else if (info.nr_dead_strays > r->info.nr_dead_strays)
		snprintf(why, sizeof(why), "a host IRQ is forwarded to a VM that is gone");
	else
		return NULL;
	return why;
}

/* What the kernel logs when something is wrong with it; the lab's log-scan has some more. */
static bool is_trouble(const char *line)
{
	static const char * const signs[] = {
		"WARNING:", "BUG:", "kernel BUG at", "Internal error:", "Oops",
		"Unable to handle kernel", "Kernel panic", "Call trace:", "soft lockup",
		"hard LOCKUP", "Hard LOCKUP", "blocked for more than", "detected stalls",
		"detected expedited stalls", "self-detected stall", "possible circular locking",
		"refcount_t:", "list_add corruption", "list_del corruption", "nobody cared",
		"scheduling while atomic", "ITS queue timeout",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(signs); i++)
		if (strstr(line, signs[i]))
			return true;
	return false;
}

static const char *logged(struct report *r, int klog)
{
	static char why[240];
	char line[400];

	while (klog_next(klog, "", line, sizeof(line))) {
		if (!is_trouble(line))
			continue;
		if (r->nr_log < MAX_LOG_LINES)
			snprintf(r->log[r->nr_log], sizeof(r->log[0]), "%.199s", line);
		r->nr_log++;
	}
	if (!r->nr_log)
		return NULL;
	snprintf(why, sizeof(why), "%u lines of trouble, the first: %.150s", r->nr_log, r->log[0]);
	return why;
}

static bool all_passed(const struct report *r)
{
	for (unsigned int i = 0; i < r->nr; i++)
		if (r->result[i].verdict == FAILED)
			return false;
	return true;
}

/* ---- options --------------------------------------------------------------------------------- */

static const char usage[] =
	"usage: " PROGRAM " [option]... ADDRESS\n"
	"\n"
	"Does direct injection with vlpi_broker work on this host? ADDRESS is a PCI function that\n"
	"nobody uses, bound to vfio-pci, with three MSI(-X) vectors or more: 0000:03:00.1. The host\n"
	"should run nothing that is missed. Results are TAP on standard output.\n"
	"\n"
	"  --result FILE   write what was found, and what the host is, to FILE (JSON)\n"
	"  --vectors N     share so many (3 to 6; default: 6, or as many as there are)\n"
	"  --helper FILE   the helper module (default: vlpi_selftest.ko beside this program, or\n"
	"                  in /lib/modules/VERSION/updates)\n"
	"  --seconds N     bound on each test (default 300)\n"
	"  --stock         without vlpi_broker: what the kernel does by itself. Tests that can take\n"
	"                  a host down are left out\n"
	"  --force-beside-others\n"
	"                  although vlpi_broker serves other VMs\n"
	"  --version, --help\n"
	"\n"
	"Exit status: 0 all passed, 1 a test failed, 2 it could not run.\n";

static unsigned int number(const char *name, const char *text, unsigned int from, unsigned int to)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n < from || n > to)
		cannot("--%s takes a number from %u to %u", name, from, to);
	return n;
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "result", required_argument, NULL, 'r' },
		{ "vectors", required_argument, NULL, 'n' },
		{ "helper", required_argument, NULL, 'm' },
		{ "seconds", required_argument, NULL, 's' },
		{ "stock", no_argument, NULL, 'S' },
		{ "force-beside-others", no_argument, NULL, 'b' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (c) {
		case 'r':
			options.result = optarg;
			break;
		case 'n':
			options.vectors = number("vectors", optarg, MIN_VECTORS, MAX_SHARERS);
			break;
		case 'm':
			options.helper = optarg;
			break;
		case 's':
			options.seconds = number("seconds", optarg, 1, 86400);
			break;
		case 'S':
			options.stock = true;
			break;
		case 'b':
			options.beside = true;
			break;
		case 'V':
			puts(PROGRAM " " SELFTEST_VERSION);
			exit(ALL_PASSED);
		case 'h':
			fputs(usage, stdout);
			exit(ALL_PASSED);
		default:
			fputs(usage, stderr);
			exit(COULD_NOT_RUN);
		}
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		exit(COULD_NOT_RUN);
	}
	function.address = argv[optind];
}

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void begin(struct report *r)
{
	struct sigaction sa = { .sa_handler = on_signal };
	const char *why;

	check_host(&r->info);
	check_function();
	function.outcome = mmap(NULL, sizeof(*function.outcome), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (function.outcome == MAP_FAILED)
		cannot("no memory");
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	load_helper();
	why = run_apart(probe);
	stop_if_interrupted();
	if (why)
		cannot("%s", why);
	if (function.outcome->vectors < MIN_VECTORS)
		cannot("%s has %u MSI(-X) vectors, and %u are needed", function.address,
		       function.outcome->vectors, MIN_VECTORS);
	if (!function.outcome->gic[0])
		cannot("KVM does not inject directly on this host; \"vlpictl preflight\" says why");
	function.nr = options.vectors;
	if (function.nr > function.outcome->vectors)
		function.nr = function.outcome->vectors;
	r->address = function.address;
	r->gic = function.outcome->gic;
	r->vectors = function.nr;
	r->stock = options.stock;
}

int main(int argc, char **argv)
{
	static struct report report;
	int klog;

	die_hook = on_die;
	parse(argc, argv);
	klog = klog_open();
	begin(&report);
	printf("TAP version 13\n");
	facts_print(&report);
	printf("1..%u\n", nr_selftests + 2);
	run_all(&report);
	judge(new_result(&report, "nothing_is_left", "of VMs, interrupts and the helper module"),
	      left_behind(&report));
	print_result(&report, &report.result[report.nr - 1]);
	judge(new_result(&report, "kernel_log", "no warning since the start"),
	      logged(&report, klog));
	print_result(&report, &report.result[report.nr - 1]);
	report.passed = all_passed(&report);
	if (options.result && facts_write(&report, options.result))
		return COULD_NOT_RUN;
	printf("# %s\n", report.passed ? "all passed" : "FAILED");
	return report.passed ? ALL_PASSED : ONE_FAILED;
}
