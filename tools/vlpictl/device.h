/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only calls that reach the kernel. make check links test/fake_device.c in place of device.c.
 *
 * They return -1 and set errno, like the system calls that they are.
 */
#ifndef VLPICTL_DEVICE_H
#define VLPICTL_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICE_PATH	"/dev/vlpi_broker"

int device_open(void);
int device_ioctl(int fd, unsigned long request, void *arg);
/* Doesn't wait: EAGAIN where there is nothing. */
ssize_t device_read(int fd, void *buf, size_t len);
/* Waits until there is something to read. */
int device_wait(int fd);
/* Nanoseconds of CLOCK_MONOTONIC, by which the module dates, and of the day's clock, now. */
void device_time(uint64_t *monotonic, uint64_t *real);
/* Lets some time pass. Here, because a fake device has a time of its own. */
void device_pause(unsigned int ms);
void device_close(int fd);

#endif
