// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "complain.h"
#include "replace_file.h"
#include "stop.h"

int replace_begin(struct replace_file *file, const char *path, unsigned int mode)
{
	int fd;

	memset(file, 0, sizeof(*file));
	file->path = path;
	/* Its name ends otherwise: node_exporter must not take it for one of its files. */
	if (asprintf(&file->temporary, "%s.XXXXXX", path) < 0) {
		file->temporary = NULL;
		complain("no memory to write %s", path);
		return -1;
	}
	stop_begin();
	fd = mkostemp(file->temporary, O_CLOEXEC);
	if (fd < 0) {
		complain("can't make a file beside %s: %s", path, strerror(errno));
		free(file->temporary);
		stop_end();
		return -1;
	}
	if (!fchmod(fd, mode))
		file->to = fdopen(fd, "w");
	if (file->to)
		return 0;
	complain("can't write %s: %s", path, strerror(errno));
	close(fd);
	replace_abandon(file);
	return -1;
}

/* The name is on the disk with the directory. Where that can't be synced, it comes later. */
static void sync_directory(const char *path)
{
	char *copy = strdup(path);
	int fd;

	if (!copy)
		return;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

int replace_end(struct replace_file *file)
{
	int failed = fflush(file->to) || ferror(file->to) || fsync(fileno(file->to));
	int error = errno;

	if (fclose(file->to) && !failed) {
		failed = -1;
		error = errno;
	}
	file->to = NULL;
	if (stop_asked()) {
		replace_abandon(file);
		return -1;
	}
	if (!failed && rename(file->temporary, file->path)) {
		failed = -1;
		error = errno;
	}
	if (failed) {
		complain("can't write %s: %s", file->path, strerror(error));
		replace_abandon(file);
		return -1;
	}
	free(file->temporary);
	sync_directory(file->path);
	stop_end();
	return 0;
}

void replace_abandon(struct replace_file *file)
{
	if (file->to)
		fclose(file->to);
	unlink(file->temporary);
	free(file->temporary);
	stop_end();
}
