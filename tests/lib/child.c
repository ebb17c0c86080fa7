// SPDX-License-Identifier: GPL-2.0-only
/* A VMM in a process of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm.h"

static int ready_fd = -1;

void child_start(struct child *c, void (*fn)(void *arg), void *arg)
{
	int p[2];

	if (pipe(p))
		die("pipe: %m");
	fflush(NULL);
	c->pid = fork();
	if (c->pid < 0)
		die("fork: %m");
	if (!c->pid) {
		/* It must not outlive a test that has died. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p[0]);
		ready_fd = p[1];
		fn(arg);
		fflush(NULL);
		_exit(0);
	}
	close(p[1]);
	c->ready = p[0];
}

void child_ready(void)
{
	if (write(ready_fd, "", 1) != 1)
		die("telling the parent: %m");
}

void child_wait_ready(struct child *c)
{
	struct pollfd p = { .fd = c->ready, .events = POLLIN };
	char byte;

	/* It boots a VM and judges sources: a few waits of its own. */
	if (poll(&p, 1, wait_bound() * 12000) != 1)
		die("not within %u s: the child is where it is to be", wait_bound() * 12);
	if (read(c->ready, &byte, 1) != 1)
		die("the child has died too early");
}

void child_kill(struct child *c)
{
	int status;

	kill(c->pid, SIGKILL);
	if (waitpid(c->pid, &status, 0) != c->pid)
		die("waiting for the killed child: %m");
	close(c->ready);
}
