// SPDX-License-Identifier: GPL-2.0-only
/* The real device. Nothing is decided here: a test that replaces this file misses nothing. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client.h"

int device_open(void)
{
	return open(DEVICE_PATH, O_RDONLY | O_CLOEXEC);
}

int device_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

void device_close(int fd)
{
	close(fd);
}
