// SPDX-License-Identifier: GPL-2.0-only
/* Which kernel functions are redirected, as the kernel says. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "vmm.h"

/* Those whose program counter an ftrace_ops may change: "NAME (OPS) R I ...". */
void hooked_find(struct hooked *h)
{
	FILE *f = fopen(TRACING "enabled_functions", "r");
	char line[512], name[HOOKED_NAME], flags[8];

	if (!f)
		die(TRACING "enabled_functions: %m");
	h->nr = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s (%*d)%7c", name, flags) != 2 || !memchr(flags, 'I', 7))
			continue;
		if (h->nr == MAX_HOOKED)
			die("more than %u functions are redirected", MAX_HOOKED);
		strcpy(h->name[h->nr++], name);
	}
	fclose(f);
}

int hooked_index(const struct hooked *h, const char *name)
{
	for (unsigned int i = 0; i < h->nr; i++)
		if (!strcmp(h->name[i], name))
			return i;
	return -1;
}
