/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's answers, checked before anything else sees them.
 *
 * Each function that asks returns 0 or more, or -1 after it has said on stderr what went wrong and
 * what to do.
 */
#ifndef VLPICTL_CLIENT_H
#define VLPICTL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vlpi_broker.h>

#define DEVICE_PATH	"/dev/vlpi_broker"

/**
 * struct snapshot - all clients
 * @clients: in ascending order of id; free it with snapshot_free().
 * @nr: how many.
 * @generation: of the last answer they came from.
 * @consistent: they are one moment's state. Otherwise the state changed during every attempt, and
 *	each client is right, but clients may come from different moments.
 */
struct snapshot {
	struct vlpi_broker_client *clients;
	size_t nr;
	uint64_t generation;
	bool consistent;
};

int client_open(void);
void client_close(int fd);
int client_info(int fd, struct vlpi_broker_info *info);
int client_dump(int fd, struct snapshot *snap);

/* Room that client_events() needs. */
#define EVENTS_AT_ONCE	256
int client_events(int fd, struct vlpi_broker_event *to, uint64_t last);
int client_wait(int fd);

void snapshot_sort(struct snapshot *snap);
bool client_mismatch(const struct vlpi_broker_client *c);
void snapshot_free(struct snapshot *snap);

/*
 * The only calls that reach the kernel, in device.c. The unit test links test/fake_device.c in its place.
 * They return -1 and set errno, like the system calls that they are.
 */
int device_open(void);
int device_ioctl(int fd, unsigned long request, void *arg);
/* Doesn't wait: EAGAIN where there is nothing. */
ssize_t device_read(int fd, void *buf, size_t len);
/* Waits until there is something to read. */
int device_wait(int fd);
void device_close(int fd);

#endif
