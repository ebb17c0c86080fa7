// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "complain.h"

static bool quiet;
static char kept[512];

/* So often a line is written anew, at most. */
#define PROGRESS_MS	200

static bool in_progress;

static unsigned long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void progress(const char *fmt, ...)
{
	static unsigned long long next;
	va_list ap;

	if (quiet || !isatty(STDERR_FILENO))
		return;
	if (!next)
		next = now_ms() + 1000 * PROGRESS_SECONDS;
	if (now_ms() < next)
		return;
	next = now_ms() + PROGRESS_MS;
	va_start(ap, fmt);
	fputs("\rvlpictl: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	in_progress = true;
}

void progress_end(void)
{
	/* Back to the begin of the line, and erase it. */
	if (in_progress)
		fputs("\r\033[K", stderr);
	in_progress = false;
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (quiet) {
		vsnprintf(kept, sizeof(kept), fmt, ap);
	} else {
		fflush(stdout);
		progress_end();
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
