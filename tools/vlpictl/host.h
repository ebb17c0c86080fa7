/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host says of itself: files below /proc, /sys and so on, and the kernel's log.
 *
 * Tests have other hosts in directories; test/run.sh says how.
 */
#ifndef VLPICTL_HOST_H
#define VLPICTL_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* These return NULL, or false, where there is no such file or it may not be read; see errno. */
FILE *host_open(const char *path);
char *host_read(const char *path, size_t *len);
bool host_exists(const char *path);
/* What a link names. */
char *host_link(const char *path);

/* What is in a directory, without what begins with a dot; ends with NULL. Free with host_free(). */
char **host_list(const char *path);
void host_free(char **names);

/* What the kernel has logged since it booted, or what is left of it; NULL where it is secret. */
char *host_log(void);

/*
 * Run a program with standard output and standard error there (-1: nowhere). Returns its exit
 * status, or -1 where it can't be run or is killed.
 */
int host_run(const char *const argv[], int out, int err);
/* What a program prints on standard output; NULL where it can't be run, or fails. */
char *host_ask(const char *const argv[]);

#endif
