// SPDX-License-Identifier: GPL-2.0-only
/* The module: loading, unloading, and what it says through /dev/vlpi_broker. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vmm.h"

#define DUMP_ENTRIES	256

static char module_path[512];

bool broker_loaded(void)
{
	/* There from the moment init has succeeded until exit is over. */
	return access("/sys/module/vlpi_broker", F_OK) == 0;
}

static int is_module(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	if (type != FTW_F || strcmp(path + ftw->base, "vlpi_broker.ko"))
		return 0;
	snprintf(module_path, sizeof(module_path), "%s", path);
	return 1;
}

/* What modprobe would take from the kernel's command line: "vlpi_broker.fallback=thread" ... */
static void parameters(char *to, size_t size)
{
	char line[4096] = "", *word, *rest = line;
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f || !fgets(line, sizeof(line), f))
		die("/proc/cmdline: %m");
	fclose(f);
	*to = '\0';
	while ((word = strtok_r(rest, " \n", &rest)))
		if (!strncmp(word, "vlpi_broker.", 12))
			snprintf(to + strlen(to), size - strlen(to), "%s ", word + 12);
}

bool broker_built(void)
{
	struct utsname u;
	char dir[320];

	uname(&u);
	snprintf(dir, sizeof(dir), "/lib/modules/%s", u.release);
	if (!module_path[0])
		nftw(dir, is_module, 16, FTW_PHYS);
	return module_path[0];
}

int broker_file_open(struct broker_file *file)
{
	if (!broker_built())
		return -ENOENT;
	file->fd = open(module_path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0)
		return -errno;
	parameters(file->params, sizeof(file->params));
	return 0;
}

int broker_file_load(const struct broker_file *file)
{
	return syscall(SYS_finit_module, file->fd, file->params, 0) ? -errno : 0;
}

void broker_file_close(struct broker_file *file)
{
	close(file->fd);
	if (broker_loaded())
		lab_mark(LAB_MARK_BROKER);
}

int broker_load(void)
{
	struct broker_file file;
	int ret = broker_file_open(&file);

	if (ret)
		return ret;
	ret = broker_file_load(&file);
	broker_file_close(&file);
	return ret;
}

static bool helper_path(const char *name, char *path, size_t size)
{
	struct utsname u;

	uname(&u);
	snprintf(path, size, "/lib/modules/%s/updates/%s.ko", u.release, name);
	return !access(path, R_OK);
}

bool helper_built(const char *name)
{
	char path[320];

	return helper_path(name, path, sizeof(path));
}

int helper_load(const char *name, const char *params)
{
	char path[320];
	int fd, ret;

	if (!helper_path(name, path, sizeof(path)))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return ret == -EEXIST ? 0 : ret;
}

int helper_number(const char *name, const char *param)
{
	char path[160];
	int number;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", name, param);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%d", &number) != 1)
		die("%s: %m", path);
	fclose(f);
	return number;
}

void helper_unload(const char *name)
{
	if (syscall(SYS_delete_module, name, O_NONBLOCK))
		die("unloading %s: %m", name);
}

int broker_unload(void)
{
	int ret;

	lab_mark(LAB_MARK_STOCK);
	ret = syscall(SYS_delete_module, "vlpi_broker", O_NONBLOCK) ? -errno : 0;
	if (ret)
		lab_mark(LAB_MARK_BROKER);
	return ret;
}

void broker_want(bool loaded)
{
	struct wait w;
	int ret;

	if (broker_loaded() == loaded)
		return;
	/* The irqfds of a process that has just ended may still be on their way out. */
	wait_begin(&w);
	do {
		ret = loaded ? broker_load() : broker_unload();
	} while (!loaded && ret == -EWOULDBLOCK && wait_more(&w));
	if (ret)
		die("%s vlpi_broker.ko: %s", loaded ? "loading" : "unloading", strerror(-ret));
}

static int open_broker(void)
{
	int fd = open(BROKER_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fd = open(BROKER_DEVICE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(BROKER_DEVICE ": %m");
	return fd;
}

void broker_info(struct vlpi_broker_info *info)
{
	int fd = open_broker();

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	if (ioctl(fd, VLPI_BROKER_INFO, info))
		die("VLPI_BROKER_INFO: %m");
	close(fd);
}

static void dump_some(int fd, struct vlpi_broker_dump *d, struct vlpi_broker_client *buf)
{
	d->size = sizeof(*d);
	d->buf = (uintptr_t)buf;
	d->buf_entries = DUMP_ENTRIES;
	d->entry_size = sizeof(*buf);
	if (ioctl(fd, VLPI_BROKER_DUMP, d))
		die("VLPI_BROKER_DUMP: %m");
}

/* One try; NULL if a VM changed between two calls that returned clients of it. */
static struct vlpi_broker_client *dump_once(int fd, unsigned int *nr)
{
	struct vlpi_broker_client *all = NULL;
	struct vlpi_broker_dump d = { 0 };
	uint64_t generation = 0;

	*nr = 0;
	do {
		all = realloc(all, (*nr + DUMP_ENTRIES) * sizeof(*all));
		if (!all)
			die("no memory");
		dump_some(fd, &d, all + *nr);
		if (*nr && d.nr_entries && all[*nr].vm_id == all[*nr - 1].vm_id &&
		    d.generation != generation) {
			free(all);
			return NULL;
		}
		generation = d.generation;
		*nr += d.nr_entries;
	} while (d.more);
	return all;
}

struct vlpi_broker_client *broker_dump(unsigned int *nr)
{
	struct vlpi_broker_client *all;
	int fd = open_broker();

	wait_for((all = dump_once(fd, nr)), "a dump of one moment");
	close(fd);
	return all;
}

bool broker_client_of_irq(int irq, struct vlpi_broker_client *client)
{
	struct vlpi_broker_client *all;
	bool found = false;
	unsigned int nr;

	if (irq <= 0)
		return false;
	all = broker_dump(&nr);
	for (unsigned int i = 0; i < nr && !found; i++) {
		if (all[i].host_irq != (uint32_t)irq)
			continue;
		*client = all[i];
		found = true;
	}
	free(all);
	return found;
}

bool broker_client(struct source *s, struct vlpi_broker_client *client)
{
	return broker_client_of_irq(source_host_irq(s), client);
}

bool broker_holds(struct source *s)
{
	struct vlpi_broker_client c;

	return broker_client(s, &c) && c.state == VLPI_BROKER_HOLDER;
}

static bool same_slot(const struct vlpi_broker_client *a, const struct vlpi_broker_client *b)
{
	return a->vintid && a->vm_id == b->vm_id && a->vintid == b->vintid;
}

static bool first_of_slot(const struct vlpi_broker_client *all, unsigned int i)
{
	for (unsigned int j = 0; j < i; j++)
		if (same_slot(&all[i], &all[j]))
			return false;
	return all[i].vintid != 0;
}

unsigned int broker_bad_slots(bool quiescent)
{
	unsigned int nr, bad = 0;
	struct vlpi_broker_client *all = broker_dump(&nr);

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int holders = 0, producers = 0;

		if (!first_of_slot(all, i))
			continue;
		for (unsigned int j = i; j < nr; j++) {
			if (!same_slot(&all[i], &all[j]))
				continue;
			holders += all[j].state == VLPI_BROKER_HOLDER;
			producers += all[j].host_irq && all[j].state != VLPI_BROKER_UNMAPPABLE;
		}
		if (holders <= 1 && !(quiescent && producers && !holders))
			continue;
		bad++;
		note("VM %llu, vINTID %u: %u producers, %u holders",
		     (unsigned long long)all[i].vm_id, all[i].vintid, producers, holders);
	}
	free(all);
	return bad;
}

static void *look_on(void *arg)
{
	struct looking *l = arg;

	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		l->bad += broker_bad_slots(false);
		l->looks++;
		sched_yield();
	}
	return NULL;
}

void looking_start(struct looking *l)
{
	memset(l, 0, sizeof(*l));
	if (!broker_loaded())
		return;
	errno = pthread_create(&l->thread, NULL, look_on, l);
	if (errno)
		die("no thread: %m");
	l->on = true;
}

void looking_stop(struct looking *l)
{
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	if (l->on)
		pthread_join(l->thread, NULL);
	l->on = false;
}

const char *broker_state_name(uint32_t state)
{
	static const char * const names[] = {
		"IDLE", "HOLDER", "WAITER", "UNMAPPABLE", "UNRESOLVED", "NOT_MSI",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}
