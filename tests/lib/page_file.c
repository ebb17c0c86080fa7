// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file of one page, served through FUSE by a thread of this process: while the thread pauses,
 * what reads the file waits, as with a network file system whose server is gone.
 *
 * The file is the root of its file system, so there are no names to look up. A request is read from
 * /dev/fuse only when it is answered as well: one that was read can't be given up by its reader,
 * and a process that is to be killed would stay.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm.h"

/* The kernel asks for room of 8 KiB at least. */
#define REQUEST_ROOM		(64 * 1024)
#define FOR_EVER		86400
#define ROOT_MODE		(S_IFREG | 0600)

static void answer(struct page_file *f, const struct fuse_in_header *in, int error,
		   const void *data, size_t size)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + size,
		.error = error,
		.unique = in->unique,
	};
	struct iovec v[2] = { { &out, sizeof(out) }, { (void *)data, size } };

	/* -ENOENT: the reader has given up meanwhile. */
	if (writev(f->dev, v, size ? 2 : 1) < 0 && errno != ENOENT)
		die("answering request %u of a file: %m", in->opcode);
}

static void answer_init(struct page_file *f, const struct fuse_in_header *in)
{
	const struct fuse_init_in *init = (const void *)(in + 1);
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = init->minor < FUSE_KERNEL_MINOR_VERSION ? init->minor :
			 FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
		.time_gran = 1,
	};

	answer(f, in, 0, &out, sizeof(out));
}

static void answer_getattr(struct page_file *f, const struct fuse_in_header *in)
{
	struct fuse_attr_out out = {
		.attr_valid = FOR_EVER,
		.attr = {
			.ino = FUSE_ROOT_ID,
			.size = f->size,
			.blocks = f->size / 512,
			.mode = ROOT_MODE,
			.nlink = 1,
			.blksize = 4096,
		},
	};

	answer(f, in, 0, &out, sizeof(out));
}

static void answer_read(struct page_file *f, const struct fuse_in_header *in)
{
	const struct fuse_read_in *r = (const void *)(in + 1);
	size_t from = r->offset < f->size ? r->offset : f->size, left = f->size - from;

	answer(f, in, 0, (const char *)f->page + from, r->size < left ? r->size : left);
}

static void serve_one(struct page_file *f)
{
	static const struct fuse_open_out opened;
	static char room[REQUEST_ROOM];
	const struct fuse_in_header *in = (const void *)room;

	/* -ENODEV: unmounted; -ENOENT: the reader has given up meanwhile. */
	if (read(f->dev, room, sizeof(room)) < 0) {
		if (errno != ENOENT && errno != EINTR && errno != EAGAIN && errno != ENODEV)
			die("the next request of a file: %m");
		return;
	}
	switch (in->opcode) {
	case FUSE_INIT:
		return answer_init(f, in);
	case FUSE_GETATTR:
		return answer_getattr(f, in);
	case FUSE_OPEN:
		return answer(f, in, 0, &opened, sizeof(opened));
	case FUSE_READ:
		return answer_read(f, in);
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return answer(f, in, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		answer(f, in, -EOPNOTSUPP, NULL, 0);
	}
}

bool page_file_is_awaited(struct page_file *f)
{
	struct pollfd p = { .fd = f->dev, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void *serve(void *arg)
{
	struct page_file *f = arg;
	struct pollfd p = { .fd = f->dev, .events = POLLIN };

	while (!__atomic_load_n(&f->pause, __ATOMIC_ACQUIRE))
		if (poll(&p, 1, 20) > 0)
			serve_one(f);
	return NULL;
}

void page_file_serve(struct page_file *f, bool on)
{
	if (on == f->served)
		return;
	__atomic_store_n(&f->pause, !on, __ATOMIC_RELEASE);
	if (on)
		errno = pthread_create(&f->server, NULL, serve, f);
	else
		errno = pthread_join(f->server, NULL);
	if (errno)
		die("the server of a file: %m");
	f->served = on;
}

static void mount_file(struct page_file *f)
{
	char options[96];
	int fd;

	snprintf(f->path, sizeof(f->path), "/tmp/page-%d", getpid());
	fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		die("%s: %m", f->path);
	close(fd);
	snprintf(options, sizeof(options), "fd=%d,rootmode=%o,user_id=0,group_id=0", f->dev,
		 ROOT_MODE);
	if (mount("page", f->path, "fuse", MS_NOSUID | MS_NODEV, options))
		die("mounting %s: %m", f->path);
}

bool page_file_possible(void)
{
	static int known;

	/* A module on some kernels, built in on others. */
	if (!known)
		known = !system("modprobe -q fuse") || !access("/dev/fuse", F_OK) ? 1 : -1;
	return known > 0;
}

void page_file_open(struct page_file *f, const void *page, size_t size)
{
	struct stat st;

	*f = (struct page_file){ .page = page, .size = size };
	f->dev = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (f->dev < 0)
		die("/dev/fuse: %m");
	mount_file(f);
	page_file_serve(f, true);
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	/* The file's size is asked for here, and known from then on. */
	if (f->fd < 0 || fstat(f->fd, &st))
		die("%s: %m", f->path);
	if (st.st_size != (off_t)size)
		die("%s has %lld bytes, not %zu", f->path, (long long)st.st_size, size);
}

void page_file_close(struct page_file *f)
{
	page_file_serve(f, true);
	close(f->fd);
	if (umount2(f->path, MNT_DETACH))
		die("unmounting %s: %m", f->path);
	page_file_serve(f, false);
	close(f->dev);
	unlink(f->path);
}
