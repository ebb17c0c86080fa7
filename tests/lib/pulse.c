// SPDX-License-Identifier: GPL-2.0-only
/* How long something takes, without the times when the whole machine stood still. */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "vmm.h"

/* A beat that comes so much after the last one is late. */
#define PULSE_LATE_NS		500000000ULL

static void *beat(void *arg)
{
	struct pulse *p = arg;
	uint64_t now, gap;

	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
		usleep(10000);
		now = now_ns();
		gap = now - p->last;
		if (gap > PULSE_LATE_NS) {
			note("the machine stood still for %llu ms",
			     (unsigned long long)gap / 1000000);
			__atomic_add_fetch(&p->missed, gap, __ATOMIC_RELEASE);
		}
		__atomic_store_n(&p->last, now, __ATOMIC_RELEASE);
	}
	return NULL;
}

void pulse_start(struct pulse *p)
{
	struct sched_param param = { .sched_priority = 50 };

	*p = (struct pulse){ .last = now_ns() };
	errno = pthread_create(&p->thread, NULL, beat, p);
	if (!errno)
		errno = pthread_setschedparam(p->thread, SCHED_FIFO, &param);
	if (errno)
		die("a thread for the pulse: %m");
}

void pulse_stop(struct pulse *p)
{
	__atomic_store_n(&p->stop, true, __ATOMIC_RELEASE);
	pthread_join(p->thread, NULL);
}

uint64_t pulse_now(struct pulse *p)
{
	uint64_t now = now_ns(), last;

	/* A stand-still that has just ended is in the sum with the next beat. */
	while (last = __atomic_load_n(&p->last, __ATOMIC_ACQUIRE), now > last + PULSE_LATE_NS)
		usleep(1000);
	return now - __atomic_load_n(&p->missed, __ATOMIC_ACQUIRE);
}

uint64_t pulse_since(struct pulse *p, uint64_t then)
{
	uint64_t now = pulse_now(p);

	/* A stand-still counts as a whole, also that part of it which was before. */
	return now > then ? now - then : 0;
}
