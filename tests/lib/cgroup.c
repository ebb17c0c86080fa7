// SPDX-License-Identifier: GPL-2.0-only
/* Control groups, of version 2. A group is named by its path in the hierarchy: "/vmm/vcpus". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm.h"

#define CGROUPS			"/sys/fs/cgroup"

static void path_of(char *path, size_t size, const char *group, const char *file)
{
	snprintf(path, size, CGROUPS "%s/%s", group, file);
}

void cgroup_make(const char *group)
{
	char path[160];

	path_of(path, sizeof(path), group, "");
	if (mkdir(path, 0755) && errno != EEXIST)
		die("%s: %m", path);
}

int try_cgroup_remove(const char *group)
{
	char path[160];

	path_of(path, sizeof(path), group, "");
	return rmdir(path) ? -errno : 0;
}

bool cgroup_has(const char *group, const char *file)
{
	char path[160];

	path_of(path, sizeof(path), group, file);
	return access(path, F_OK) == 0;
}

void cgroup_set(const char *group, const char *file, const char *value)
{
	char path[160];

	path_of(path, sizeof(path), group, file);
	write_file(path, value);
}

void cgroup_join(const char *group, pid_t pid)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", pid);
	cgroup_set(group, "cgroup.procs", number);
}

void cgroup_join_thread(const char *group, pid_t tid)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", tid);
	cgroup_set(group, "cgroup.threads", number);
}

void cgroup_enter(const char *group, const char *controller)
{
	cgroup_set("", "cgroup.subtree_control", controller);
	cgroup_make(group);
	cgroup_join(group, getpid());
}

void cgroup_leave(const char *group)
{
	cgroup_join("", getpid());
	try_cgroup_remove(group);
}

bool cgroup_event(const char *group, const char *event)
{
	char path[160], name[32];
	bool found = false;
	int value = 0;
	FILE *f;

	path_of(path, sizeof(path), group, "cgroup.events");
	f = fopen(path, "r");
	if (!f)
		die("%s: %m", path);
	while (!found && fscanf(f, "%31s %d", name, &value) == 2)
		found = !strcmp(name, event);
	fclose(f);
	if (!found)
		die("%s says nothing of \"%s\"", path, event);
	return value;
}

void cgroup_show(const char *group)
{
	char path[160], comm[32];
	FILE *f;
	int pid;

	path_of(path, sizeof(path), group, "cgroup.procs");
	f = fopen(path, "r");
	if (!f)
		die("%s: %m", path);
	while (fscanf(f, "%d", &pid) == 1) {
		task_line(pid, "comm", comm, sizeof(comm));
		note("in %s: process %d, %s", group, pid, comm);
	}
	fclose(f);
}
