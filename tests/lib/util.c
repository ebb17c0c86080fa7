// SPDX-License-Identifier: GPL-2.0-only
/* Ends, bounded waits, and what the host says about its interrupts. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "vmm.h"

void (*die_hook)(const char *message);

static uint64_t start_ms;

void tried(unsigned int times, const char *what)
{
	note("tried: %u %s", times, what);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint64_t now_ms(void)
{
	return now_ns() / 1000000;
}

static void __attribute__((constructor)) note_start(void)
{
	start_ms = now_ms();
}

void die(const char *fmt, ...)
{
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (die_hook)
		die_hook(message);
	note("error: %s", message);
	/* Not exit(): the buffers of stdout may be the parent's, and would be written twice. */
	_exit(1);
}

void note(const char *fmt, ...)
{
	uint64_t ms = now_ms() - start_ms;
	char line[640];
	va_list ap;
	int n;

	n = snprintf(line, sizeof(line), "# %3u.%03u ", (unsigned int)(ms / 1000),
		     (unsigned int)(ms % 1000));
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	strcat(line, "\n");
	fputs(line, stderr);
}

unsigned int wait_bound(void)
{
	const char *s = getenv("VLPI_TEST_BOUND");
	unsigned int n = s ? strtoul(s, NULL, 10) : 0;

	return n ? n : 10;
}

void wait_begin(struct wait *w)
{
	w->end = now_ms() + wait_bound() * 1000;
	w->turns = 0;
}

bool wait_more(struct wait *w)
{
	if (now_ms() >= w->end)
		return false;
	/* Most waits are short: give the CPU away first, sleep later. */
	if (w->turns++ < 16)
		sched_yield();
	else
		usleep(500);
	return true;
}

#define CPUS			"/sys/devices/system/cpu/"

/* One of the kernel's lists of CPUs: "online", "possible". */
static void list_cpus(const char *path, cpu_set_t *set)
{
	FILE *f = fopen(path, "r");
	unsigned int from, to;
	int c;

	CPU_ZERO(set);
	if (!f)
		die("cannot read %s: %m", path);
	while (fscanf(f, "%u", &from) == 1) {
		to = from;
		c = fgetc(f);
		if (c == '-' && fscanf(f, "%u", &to) == 1)
			c = fgetc(f);
		for (; from <= to && from < CPU_SETSIZE; from++)
			CPU_SET(from, set);
		if (c != ',')
			break;
	}
	fclose(f);
}

static unsigned int count_cpus(const char *path)
{
	cpu_set_t set;

	list_cpus(path, &set);
	return CPU_COUNT(&set);
}

unsigned int host_cpus(void)
{
	return count_cpus(CPUS "online");
}

unsigned int possible_host_cpus(void)
{
	return count_cpus(CPUS "possible");
}

#define SECOND_CPU		CPUS "cpu1/online"

void second_cpu(bool online)
{
	if (!access(SECOND_CPU, F_OK))
		write_file(SECOND_CPU, online ? "1" : "0");
}

void visit_host_cpus(void (*each)(void *), void *arg)
{
	cpu_set_t saved, online, one;

	if (sched_getaffinity(0, sizeof(saved), &saved))
		die("sched_getaffinity: %m");
	list_cpus(CPUS "online", &online);
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &online))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		/* It may have gone offline in between: then nothing is pending there. */
		if (sched_setaffinity(0, sizeof(one), &one))
			continue;
		if (each)
			each(arg);
	}
	if (sched_setaffinity(0, sizeof(saved), &saved))
		die("sched_setaffinity: %m");
}

void run_on_cpu(pthread_t thread, unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	errno = pthread_setaffinity_np(thread, sizeof(one), &one);
	if (errno)
		die("running on host CPU %u: %m", cpu);
}

/* Finds the line of /proc/interrupts whose action has this name: the IRQ's number, its counts. */
static bool host_irq_line(const char *name, int *number, long long *count)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char *line = NULL, *p, *end;
	unsigned int cpus = 0;
	bool found = false;
	size_t size = 0;

	if (!f)
		die("/proc/interrupts: %m");
	if (getline(&line, &size, f) > 0)
		for (p = line; (p = strstr(p, "CPU")); p++)
			cpus++;
	while (!found && getline(&line, &size, f) > 0) {
		if (!strstr(line, name))
			continue;
		*number = strtol(line, &end, 10);
		if (*end != ':')
			continue;
		*count = 0;
		for (unsigned int i = 0; i < cpus; i++)
			*count += strtoll(end + (i ? 0 : 1), &end, 10);
		found = true;
	}
	free(line);
	fclose(f);
	return found;
}

long long host_irq_count(const char *name)
{
	long long count;
	int number;

	return host_irq_line(name, &number, &count) ? count : -1;
}

int host_irq_number(const char *name)
{
	long long count;
	int number;

	return host_irq_line(name, &number, &count) ? number : -1;
}

void rng_seed(struct rng *r, uint64_t seed)
{
	r->state = seed * 0x9e3779b97f4a7c15ULL + 1;
}

uint32_t rng_below(struct rng *r, uint32_t bound)
{
	uint64_t x = r->state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	r->state = x;
	return (uint32_t)(x >> 32) % bound;
}

void rng_shuffle(struct rng *r, unsigned int *array, unsigned int n)
{
	while (n > 1) {
		unsigned int i = rng_below(r, n--), t = array[i];

		array[i] = array[n];
		array[n] = t;
	}
}

bool kernel_before(unsigned int major, unsigned int minor)
{
	unsigned int its_major, its_minor;
	struct utsname u;

	uname(&u);
	if (sscanf(u.release, "%u.%u", &its_major, &its_minor) != 2)
		die("Linux %s: no version", u.release);
	return its_major < major || (its_major == major && its_minor < minor);
}

bool host_has_gicv4_1(void)
{
	char line[512];
	bool found = false;
	FILE *f = fopen("/proc/interrupts", "r");

	if (!f)
		die("/proc/interrupts: %m");
	while (fgets(line, sizeof(line), f))
		found |= !!strstr(line, "GICv4.1-vpe");
	fclose(f);
	return found;
}

unsigned int env_number(const char *name, unsigned int otherwise)
{
	const char *s = getenv(name);

	return s ? strtoul(s, NULL, 10) : otherwise;
}

int try_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		ret = -errno;
	close(fd);
	return ret;
}

void write_file(const char *path, const char *text)
{
	int ret = try_write_file(path, text);

	if (ret)
		die("writing \"%s\" to %s: %s", text, path, strerror(-ret));
}

unsigned long long read_number(const char *path)
{
	unsigned long long n;
	FILE *f = fopen(path, "r");

	if (!f || fscanf(f, "%llu", &n) != 1)
		die("%s: no number", path);
	fclose(f);
	return n;
}

void task_line(pid_t task, const char *file, char *line, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", task, file);
	line[0] = 0;
	f = fopen(path, "r");
	if (!f)
		return;
	if (!fgets(line, size, f))
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	fclose(f);
}

void write_tracing(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "%s", file);
	write_file(path, text);
}

int klog_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/kmsg: %m");
	lseek(fd, 0, SEEK_END);
	return fd;
}

bool klog_next(int klog, const char *text, char *line, size_t size)
{
	char record[8192], *message;
	ssize_t len;

	for (;;) {
		len = read(klog, record, sizeof(record) - 1);
		/* Some were overwritten; the rest is still there. */
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return false;
		record[len] = 0;
		message = strchr(record, ';');
		message = message ? message + 1 : record;
		message[strcspn(message, "\n")] = 0;
		if (!strstr(message, text))
			continue;
		snprintf(line, size, "%s", message);
		return true;
	}
}

unsigned int klog_count(int klog, const char *text)
{
	unsigned int n = 0;
	char line[400];

	for (; klog_next(klog, text, line, sizeof(line)); n++)
		note("kernel: %s", line);
	return n;
}

#define HOST_BRIDGE		"/sys/bus/pci/devices/0000:00:00.0/"
#define PCI_INTERRUPT_LINE	0x3c

/* The emulator's own host bridge, which raises no interrupt. */
static bool in_lab(void)
{
	char id[16] = "";
	int fd = open(HOST_BRIDGE "vendor", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, id, sizeof(id) - 1) < 0)
		id[0] = 0;
	close(fd);
	return !strncmp(id, "0x1b36", 6);
}

void lab_mark(uint8_t n)
{
	int fd;

	if (!in_lab())
		return;
	fd = open(HOST_BRIDGE "config", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		die("cannot mark the trace: %m");
	if (pwrite(fd, &n, 1, PCI_INTERRUPT_LINE) != 1)
		die("cannot mark the trace: %m");
	close(fd);
}

void lab_mark_mapped(uint8_t n, unsigned int mapped)
{
	/* On a line of its own, whatever is in the buffer of stdout. */
	fprintf(stderr, "# its-expect: phase %u mapped %u\n", n, mapped);
	lab_mark(n);
}
