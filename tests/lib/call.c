// SPDX-License-Identifier: GPL-2.0-only
/* Calls that may not come back: each is made by a thread of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm.h"

/* So long without having run, a thread waits for something. */
#define ASLEEP_MS		200

static void *make_call(void *arg)
{
	struct call *c = arg;

	__atomic_store_n(&c->tid, gettid(), __ATOMIC_RELEASE);
	c->ret = c->fn(c->arg);
	c->ms = now_ms() - c->begun;
	__atomic_store_n(&c->over, true, __ATOMIC_RELEASE);
	return NULL;
}

void call_begin(struct call *c, const char *name, int (*fn)(void *arg), void *arg)
{
	*c = (struct call){ .name = name, .fn = fn, .arg = arg, .begun = now_ms() };
	errno = pthread_create(&c->thread, NULL, make_call, c);
	if (errno)
		die("a thread for \"%s\": %m", name);
}

bool call_is_over(struct call *c)
{
	return __atomic_load_n(&c->over, __ATOMIC_ACQUIRE);
}

/* How often it has run and for how long; empty unless it sleeps. */
static void look_at_sleep(struct call *c, char *look, size_t size)
{
	pid_t tid = __atomic_load_n(&c->tid, __ATOMIC_ACQUIRE);
	char line[256], *state;

	*look = 0;
	if (!tid)
		return;
	task_line(tid, "stat", line, sizeof(line));
	state = strrchr(line, ')');
	if (state && (state[2] == 'S' || state[2] == 'D'))
		task_line(tid, "schedstat", look, size);
}

bool call_sleeps(struct call *c)
{
	char before[96], now[96];
	uint64_t since = now_ms();

	look_at_sleep(c, before, sizeof(before));
	while (*before && now_ms() - since < ASLEEP_MS) {
		usleep(10000);
		look_at_sleep(c, now, sizeof(now));
		if (strcmp(before, now))
			return false;
	}
	return *before;
}

void call_await_sleep(struct call *c)
{
	wait_for(call_is_over(c) || call_sleeps(c), "\"%s\" is over, or waits", c->name);
}

void calls_await(struct call *c, unsigned int nr, uint64_t end)
{
	for (unsigned int i = 0; i < nr; i++)
		while (!call_is_over(&c[i]) && now_ms() < end)
			usleep(2000);
}

void calls_end(struct call *c, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		wait_for(call_is_over(&c[i]), "the end of \"%s\"", c[i].name);
		pthread_join(c[i].thread, NULL);
	}
}
