// SPDX-License-Identifier: GPL-2.0-only
#include <signal.h>
#include <stddef.h>

#include "array_size.h"
#include "stop.h"

static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
static struct sigaction were[ARRAY_SIZE(signals)];
static unsigned int depth;
static volatile sig_atomic_t asked;

static void note(int nr)
{
	asked = nr;
}

void stop_begin(void)
{
	const struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART };

	if (depth++)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaction(signals[i], NULL, &were[i]);
		/* One that is ignored, as by nohup, stays so. */
		if (were[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

bool stop_asked(void)
{
	return asked;
}

void stop_end(void)
{
	if (--depth)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &were[i], NULL);
	if (asked)
		raise(asked);
}
