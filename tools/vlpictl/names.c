// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "names.h"
#include "text.h"

#define PCI	"/sys/bus/pci/devices"

/* As long as a cell of a table. */
#define GUEST_SIZE	160

/* All MSIs of all PCI devices, read once, in the order of their numbers. */
static struct msi {
	uint32_t irq;
	char *device;
} *msis;

static size_t nr_msis;
static bool looked;

static void add_msi(const char *irq, const char *device)
{
	struct msi *more = realloc(msis, (nr_msis + 1) * sizeof(*msis));

	/* Without memory, a name is missing. */
	if (!more)
		return;
	msis = more;
	msis[nr_msis].irq = strtoul(irq, NULL, 10);
	msis[nr_msis].device = strdup(device);
	if (msis[nr_msis].device)
		nr_msis++;
}

static int by_irq(const void *a, const void *b)
{
	const struct msi *ma = a, *mb = b;

	return (ma->irq > mb->irq) - (ma->irq < mb->irq);
}

static void look(void)
{
	char **devices = host_list(PCI), path[512];

	for (char **d = devices; d && *d; d++) {
		char **irqs;

		snprintf(path, sizeof(path), PCI "/%s/msi_irqs", *d);
		irqs = host_list(path);
		for (char **i = irqs; i && *i; i++)
			add_msi(*i, *d);
		host_free(irqs);
	}
	host_free(devices);
	if (nr_msis)
		qsort(msis, nr_msis, sizeof(*msis), by_irq);
	looked = true;
}

static const char *find_device(uint32_t irq)
{
	const struct msi key = { .irq = irq };
	const struct msi *found;

	if (!looked)
		look();
	found = nr_msis ? bsearch(&key, msis, nr_msis, sizeof(key), by_irq) : NULL;
	return found ? found->device : NULL;
}

/* As much of @name as fits when each byte of it is escaped. */
static bool put(char *out, size_t len, const char *name, size_t n)
{
	return text_escape(out, name, n < (len - 1) / 4 ? n : (len - 1) / 4);
}

bool name_device(uint32_t irq, char *out, size_t len)
{
	const char *device = irq ? find_device(irq) : NULL;

	return device && put(out, len, device, strlen(device));
}

bool name_driver(uint32_t irq, char *out, size_t len)
{
	const char *device = irq ? find_device(irq) : NULL, *name;
	char path[512], *link;
	bool found;

	if (!device)
		return false;
	snprintf(path, sizeof(path), PCI "/%s/driver", device);
	link = host_link(path);
	if (!link)
		return false;
	name = strrchr(link, '/');
	name = name ? name + 1 : link;
	found = put(out, len, name, strlen(name));
	free(link);
	return found;
}

bool name_handler(uint32_t irq, char *out, size_t len)
{
	char path[64], *text;
	bool found;

	if (!irq)
		return false;
	snprintf(path, sizeof(path), "/sys/kernel/irq/%" PRIu32 "/actions", irq);
	text = host_read(path, NULL);
	found = text && put(out, len, text, strcspn(text, "\n"));
	free(text);
	return found;
}

/* "-name guest=NAME,debug-threads=on", or "-name NAME". A comma in the name is two. */
static bool from_command_line(const char *args, size_t size, char *out, size_t len)
{
	const char *end = args + size, *value = NULL;
	char name[64];
	size_t n = 0;

	for (const char *p = args; p < end; p += strlen(p) + 1) {
		if (value) {
			value = p;
			break;
		}
		if (!strcmp(p, "-name") || !strcmp(p, "--name"))
			value = p;
	}
	if (!value || *value == '-')
		return false;
	if (!strncmp(value, "guest=", 6))
		value += 6;
	for (; *value && n < sizeof(name); value++) {
		if (*value == ',' && *++value != ',')
			break;
		name[n++] = *value;
	}
	return put(out, len, name, n);
}

/* libvirt's: .../machine-qemu\x2d3\x2dNAME.scope/... */
static bool from_cgroup(const char *text, char *out, size_t len)
{
	static const char begin[] = "machine-qemu\\x2d";
	const char *p = strstr(text, begin), *end = p ? strstr(p, ".scope") : NULL;
	char name[64];
	size_t n = 0;

	if (!end)
		return false;
	p = strstr(p + strlen(begin), "\\x2d");
	if (!p || p > end)
		return false;
	for (p += 4; p < end && n < sizeof(name);) {
		unsigned int byte;

		if (!strncmp(p, "\\x", 2) && sscanf(p + 2, "%2x", &byte) == 1) {
			name[n++] = byte;
			p += 4;
		} else {
			name[n++] = *p++;
		}
	}
	return put(out, len, name, n);
}

static bool ask_guest(int32_t pid, char *out, size_t len)
{
	char path[64], *text;
	size_t size;
	bool found;

	snprintf(path, sizeof(path), "/proc/%" PRId32 "/cmdline", pid);
	text = host_read(path, &size);
	found = text && from_command_line(text, size, out, len);
	free(text);
	if (found)
		return true;
	snprintf(path, sizeof(path), "/proc/%" PRId32 "/cgroup", pid);
	text = host_read(path, NULL);
	found = text && from_cgroup(text, out, len);
	free(text);
	return found;
}

/* Rows of one VM stand together: whose was asked for last is likely to be asked for next. */
static struct {
	int32_t pid;
	bool known;
	char name[GUEST_SIZE];
} last;

bool name_guest(int32_t pid, char *out, size_t len)
{
	if (pid <= 0)
		return false;
	if (pid != last.pid)
		last.known = ask_guest(pid, last.name, sizeof(last.name));
	last.pid = pid;
	if (last.known)
		snprintf(out, len, "%s", last.name);
	return last.known;
}
