// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "complain.h"

static bool quiet;
static char kept[512];

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (quiet) {
		vsnprintf(kept, sizeof(kept), fmt, ap);
	} else {
		fflush(stdout);
		fputs("vlpictl: ", stderr);
		vfprintf(stderr, fmt, ap);
		fputc('\n', stderr);
	}
	va_end(ap);
}

const char *complain_quietly(void)
{
	quiet = true;
	return kept;
}

void complain_drop(void)
{
	kept[0] = '\0';
}

void complain_aloud(void)
{
	quiet = false;
	if (kept[0])
		complain("%s", kept);
}
