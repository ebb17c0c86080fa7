// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

extern char **environ;

/* A test's host, or "". */
static const char *root(void)
{
	const char *dir = getenv("VLPICTL_ROOT");

	return dir ? dir : "";
}

static int open_path(const char *path, int flags)
{
	char *full;
	int fd, error;

	if (asprintf(&full, "%s%s", root(), path) < 0) {
		errno = ENOMEM;
		return -1;
	}
	fd = open(full, O_RDONLY | O_CLOEXEC | flags);
	error = errno;
	free(full);
	errno = error;
	return fd;
}

FILE *host_open(const char *path)
{
	int fd = open_path(path, O_NONBLOCK);

	return fd < 0 ? NULL : fdopen(fd, "r");
}

/* Up to its end, or up to where there is nothing more now. */
static char *read_all(int fd, size_t *len)
{
	char *all = NULL, *bigger;
	size_t nr = 0;
	ssize_t n;

	for (;;) {
		/* A record of the kernel's log is read whole or not at all. */
		bigger = realloc(all, nr + 16384 + 1);
		if (!bigger)
			break;
		all = bigger;
		n = read(fd, all + nr, 16384);
		/* The kernel has overwritten the record that came next. */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n < 0 && errno != EAGAIN)
			break;
		if (n <= 0) {
			all[nr] = '\0';
			if (len)
				*len = nr;
			return all;
		}
		nr += n;
	}
	free(all);
	return NULL;
}

char *host_read(const char *path, size_t *len)
{
	int fd = open_path(path, O_NONBLOCK);
	char *all;

	if (fd < 0)
		return NULL;
	all = read_all(fd, len);
	close(fd);
	return all;
}

bool host_exists(const char *path)
{
	int fd = open_path(path, O_PATH);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

char *host_link(const char *path)
{
	int fd = open_path(path, O_PATH | O_NOFOLLOW);
	char *name = fd < 0 ? NULL : calloc(1, PATH_MAX);
	ssize_t n = name ? readlinkat(fd, "", name, PATH_MAX - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n >= 0)
		return name;
	free(name);
	return NULL;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

char **host_list(const char *path)
{
	struct dirent **entries;
	int fd = open_path(path, O_DIRECTORY), nr;
	char **names;

	if (fd < 0)
		return NULL;
	nr = scandirat(fd, ".", &entries, visible, alphasort);
	close(fd);
	if (nr < 0)
		return NULL;
	names = calloc(nr + 1, sizeof(*names));
	for (int i = 0; i < nr; i++) {
		if (names)
			names[i] = strdup(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return names;
}

void host_free(char **names)
{
	for (char **p = names; p && *p; p++)
		free(*p);
	free(names);
}

/* Start a program. Returns its pid, or -1 where it can't be run. */
static pid_t start(const char *const argv[], int out, int err)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int ret;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (err >= 0)
		posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	ret = posix_spawnp(&pid, argv[0], &actions, NULL, (char **)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return ret ? -1 : pid;
}

static int finish(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int host_run(const char *const argv[], int out, int err)
{
	pid_t pid = start(argv, out, err);

	return pid < 0 ? -1 : finish(pid);
}

char *host_ask(const char *const argv[])
{
	int pipe_fds[2];
	char *all;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC))
		return NULL;
	pid = start(argv, pipe_fds[1], -1);
	close(pipe_fds[1]);
	all = pid < 0 ? NULL : read_all(pipe_fds[0], NULL);
	close(pipe_fds[0]);
	if (pid < 0 || (!finish(pid) && all))
		return all;
	free(all);
	return NULL;
}

/* The kernel keeps the latest of its log; the journal keeps it all, where there is one. */
char *host_log(void)
{
	static const char *const journal[] = {
		"journalctl", "--dmesg", "--boot", "--no-pager", "--quiet", "--output=cat", NULL
	};
	char *log = host_read("/dev/kmsg", NULL), *kept;

	if (log && strstr(log, "Linux version "))
		return log;
	kept = *root() ? NULL : host_ask(journal);
	if (!kept || !strstr(kept, "Linux version ")) {
		free(kept);
		return log;
	}
	free(log);
	return kept;
}
