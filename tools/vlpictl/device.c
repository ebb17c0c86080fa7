// SPDX-License-Identifier: GPL-2.0-only
/* The real device. Nothing is decided here: a test that replaces this file misses nothing. */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

int device_open(void)
{
	return open(DEVICE_PATH, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

int device_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

ssize_t device_read(int fd, void *buf, size_t len)
{
	return read(fd, buf, len);
}

int device_wait(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, -1);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

void device_time(uint64_t *monotonic, uint64_t *real)
{
	*monotonic = clock_ns(CLOCK_MONOTONIC);
	*real = clock_ns(CLOCK_REALTIME);
}

void device_pause(unsigned int ms)
{
	poll(NULL, 0, ms);
}

void device_close(int fd)
{
	close(fd);
}
