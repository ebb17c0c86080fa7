// SPDX-License-Identifier: GPL-2.0-only
/* What the host is, and the file of results: what a table of hardware wants to know. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "selftest.h"
#include "vlpictl/host.h"
#include "vlpictl/json.h"
#include "vlpictl/replace_file.h"

#define CPUS			"/sys/devices/system/cpu"
#define MAX_MIDRS		8

/* The first line of a file; false where there is none, or it is empty. */
static bool first_line(const char *path, char *line, size_t size)
{
	char *all = host_read(path, NULL);

	line[0] = '\0';
	if (!all)
		return false;
	all[strcspn(all, "\n")] = '\0';
	snprintf(line, size, "%s", all);
	free(all);
	return line[0];
}

struct midrs {
	char midr[MAX_MIDRS][24];
	unsigned int nr;
};

static void add_midr(struct midrs *m, const char *midr)
{
	for (unsigned int i = 0; i < m->nr; i++)
		if (!strcmp(m->midr[i], midr))
			return;
	if (m->nr < MAX_MIDRS)
		snprintf(m->midr[m->nr++], sizeof(m->midr[0]), "%s", midr);
}

/* Of each kind of CPU, as the kernel says it. */
static void find_midrs(struct midrs *m)
{
	char **cpus = host_list(CPUS), path[128], midr[24];

	m->nr = 0;
	for (char **cpu = cpus; cpu && *cpu; cpu++) {
		snprintf(path, sizeof(path), CPUS "/%.32s/regs/identification/midr_el1", *cpu);
		if (first_line(path, midr, sizeof(midr)))
			add_midr(m, midr);
	}
	host_free(cpus);
}

static void find_machine(char *machine, size_t size)
{
	char vendor[64], product[64];

	if (first_line("/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor)) &&
	    first_line("/sys/class/dmi/id/product_name", product, sizeof(product)))
		snprintf(machine, size, "%s %s", vendor, product);
	else if (!first_line("/proc/device-tree/model", machine, size))
		snprintf(machine, size, "unknown");
}

/* "8086:10c9" */
static void find_ids(const char *address, char *ids, size_t size)
{
	char path[80], vendor[16], device[16];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.16s/vendor", address);
	first_line(path, vendor, sizeof(vendor));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.16s/device", address);
	first_line(path, device, sizeof(device));
	snprintf(ids, size, "%.4s:%.4s", vendor + 2 * !strncmp(vendor, "0x", 2),
		 device + 2 * !strncmp(device, "0x", 2));
}

void facts_print(const struct report *r)
{
	char machine[160], ids[16];
	struct utsname u;
	struct midrs m;

	uname(&u);
	find_machine(machine, sizeof(machine));
	find_ids(r->address, ids, sizeof(ids));
	find_midrs(&m);
	printf("# " PROGRAM " " SELFTEST_VERSION ": %s, Linux %s\n# GICv%s, MIDR", machine,
	       u.release, r->gic);
	for (unsigned int i = 0; i < m.nr; i++)
		printf(" %s", m.midr[i]);
	printf(", %u CPUs\n# %s (%s), %u vectors; ", host_cpus(), r->address, ids, r->vectors);
	if (r->stock)
		printf("without vlpi_broker\n");
	else
		printf("vlpi_broker %s\n", r->info.version);
}

/* What the kernel has said of its GIC and ITS since it booted. */
static void write_gic_log(struct json *j)
{
	static const char * const wanted[] = {
		"GICv4 features", "GICv4 support", "GICv4.1", "ITS@",
	};
	char *log = host_log(), *rest = log, *line;

	json_open(j, "gic_log", '[');
	while (rest && (line = strsep(&rest, "\n"))) {
		char *text = strchr(line, ';');

		for (unsigned int i = 0; i < ARRAY_SIZE(wanted); i++) {
			if (!strstr(line, wanted[i]))
				continue;
			json_string(j, NULL, text ? text + 1 : line);
			break;
		}
	}
	json_close(j, ']');
	free(log);
}

static void write_module(struct json *j, const struct report *r)
{
	char srcversion[40];

	if (r->stock) {
		json_literal(j, "module", "null");
		return;
	}
	json_open(j, "module", '{');
	json_string(j, "version", r->info.version);
	json_number(j, "abi", r->info.abi_version);
	if (first_line("/sys/module/vlpi_broker/srcversion", srcversion, sizeof(srcversion)))
		json_string(j, "srcversion", srcversion);
	json_close(j, '}');
}

static void write_results(struct json *j, const struct report *r)
{
	static const char * const words[] = { "not run", "pass", "fail" };

	json_open(j, "tests", '[');
	for (unsigned int i = 0; i < r->nr; i++) {
		json_open(j, NULL, '{');
		json_string(j, "name", r->result[i].name);
		json_string(j, "verdict", words[r->result[i].verdict]);
		json_number(j, "ms", r->result[i].ms);
		if (r->result[i].why[0])
			json_string(j, "why", r->result[i].why);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void write_facts(struct json *j, const struct report *r)
{
	char text[160], date[32];
	time_t now = time(NULL);
	struct utsname u;
	struct midrs m;

	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	uname(&u);
	find_midrs(&m);
	json_string(j, "program", PROGRAM " " SELFTEST_VERSION);
	json_string(j, "date", date);
	json_string(j, "verdict", r->passed ? "pass" : "fail");
	find_machine(text, sizeof(text));
	json_string(j, "machine", text);
	json_open(j, "midr", '[');
	for (unsigned int i = 0; i < m.nr; i++)
		json_string(j, NULL, m.midr[i]);
	json_close(j, ']');
	json_number(j, "cpus", host_cpus());
	json_string(j, "gic", r->gic);
	write_gic_log(j);
	json_string(j, "kernel", u.release);
	json_string(j, "kernel_build", u.version);
	write_module(j, r);
	json_open(j, "function", '{');
	json_string(j, "address", r->address);
	find_ids(r->address, text, sizeof(text));
	json_string(j, "ids", text);
	json_number(j, "vectors", r->vectors);
	json_close(j, '}');
}

int facts_write(const struct report *r, const char *path)
{
	struct replace_file file;
	struct json j;

	if (replace_begin(&file, path, 0644))
		return -1;
	j = (struct json){ .to = file.to };
	json_open(&j, NULL, '{');
	write_facts(&j, r);
	write_results(&j, r);
	json_open(&j, "kernel_log", '[');
	for (unsigned int i = 0; i < r->nr_log && i < MAX_LOG_LINES; i++)
		json_string(&j, NULL, r->log[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	return replace_end(&file);
}
