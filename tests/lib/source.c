// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt sources: QEMU's edu devices through VFIO. A write to their BAR raises their one MSI,
 * and the store has taken effect when the next access of the device returns. And an igb function,
 * which has several MSI-X vectors: each is a source of its own. And any function: the ITS raises its
 * vectors, by the module of tools/selftest, and nothing else is done to it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

#define EDU_IDS			"0x1234:0x11e8"
#define EDU_ID			0x00
#define EDU_ACK			0x64
#define IGB_IDS			"0x8086:0x10c9"
#define IGB_STATUS		0x0008
#define IGB_GPIE		0x1514
#define IGB_GPIE_MSIX		0x0010
#define IGB_EICS		0x1520
#define IGB_EIMS		0x1524
#define IGB_EIAC		0x152c
#define IGB_EICR		0x1580
#define IGB_EITR		0x1680
#define RAISE			"/sys/module/vlpi_selftest/parameters/raise"
#define PCI_COMMAND		0x04
#define PCI_COMMAND_MEM_MASTER	0x06

static struct source *open_list[MAX_SOURCES];

/* One container for the process: nothing is mapped for DMA but what VFIO maps for the MSIs. */
static int container = -1;

static bool file_says(const char *bdf, const char *file, char *buf, size_t size)
{
	char path[96];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n < 0 ? 0 : n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return n > 0;
}

static int is_one(const struct dirent *d, const char *want)
{
	char vendor[16], device[16], ids[40];

	if (!file_says(d->d_name, "vendor", vendor, sizeof(vendor)) ||
	    !file_says(d->d_name, "device", device, sizeof(device)))
		return 0;
	snprintf(ids, sizeof(ids), "%s:%s", vendor, device);
	return !strcmp(ids, want);
}

static int is_edu(const struct dirent *d)
{
	return is_one(d, EDU_IDS);
}

static int is_igb(const struct dirent *d)
{
	return is_one(d, IGB_IDS);
}

/* The n-th in the order of the addresses; returns how many there are. */
static unsigned int find(int (*is)(const struct dirent *d), unsigned int n, char *bdf, size_t size)
{
	struct dirent **list;
	int found = scandir("/sys/bus/pci/devices", &list, is, alphasort);

	if (found < 0)
		return 0;
	if (bdf && n < (unsigned int)found)
		snprintf(bdf, size, "%.*s", (int)size - 1, list[n]->d_name);
	for (int i = 0; i < found; i++)
		free(list[i]);
	free(list);
	return found;
}

unsigned int sources_available(void)
{
	return find(is_edu, 0, NULL, 0);
}

static void open_group(struct source *s)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char link[128], path[96], *name;
	struct wait w;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", s->bdf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		die("%s has no IOMMU group: %m", s->bdf);
	link[n] = 0;
	name = strrchr(link, '/') + 1;
	snprintf(path, sizeof(path), "/dev/vfio/%.32s", name);
	/* A VMM that was killed gives its devices back a little after its death. */
	wait_begin(&w);
	while ((s->group = open(path, O_RDWR | O_CLOEXEC)) < 0)
		if (errno != EBUSY || !wait_more(&w))
			die("%s (%s, is it bound to vfio-pci?): %m", path, s->bdf);
	if (ioctl(s->group, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		die("the IOMMU group of %s is not viable", s->bdf);
}

static void join_container(struct source *s)
{
	bool fresh = container < 0;

	if (fresh)
		container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container < 0)
		die("/dev/vfio/vfio: %m");
	if (ioctl(s->group, VFIO_GROUP_SET_CONTAINER, &container))
		die("container of %s: %m", s->bdf);
	if (fresh && ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		die("VFIO_SET_IOMMU: %m");
}

static struct vfio_region_info region(struct source *s, unsigned int index)
{
	struct vfio_region_info r = { .argsz = sizeof(r), .index = index };

	if (ioctl(s->device, VFIO_DEVICE_GET_REGION_INFO, &r))
		die("region %u of %s: %m", index, s->bdf);
	return r;
}

/* Memory decoding on, and bus mastering, without which no MSI leaves the device. */
static void enable_device(struct source *s)
{
	struct vfio_region_info config = region(s, VFIO_PCI_CONFIG_REGION_INDEX);
	uint16_t command;

	if (pread(s->device, &command, 2, config.offset + PCI_COMMAND) != 2)
		die("command register of %s: %m", s->bdf);
	command |= PCI_COMMAND_MEM_MASTER;
	if (pwrite(s->device, &command, 2, config.offset + PCI_COMMAND) != 2)
		die("command register of %s: %m", s->bdf);
}

static void map_bar(struct source *s)
{
	struct vfio_region_info bar = region(s, VFIO_PCI_BAR0_REGION_INDEX);

	s->bar_size = bar.size;
	s->bar = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, s->device, bar.offset);
	if (s->bar == MAP_FAILED)
		die("BAR 0 of %s: %m", s->bdf);
}

static struct source *new_source(void)
{
	struct source *s = calloc(1, sizeof(*s));
	unsigned int slot;

	for (slot = 0; slot < MAX_SOURCES && open_list[slot]; slot++)
		;
	if (!s || slot == MAX_SOURCES)
		die("no memory, or too many sources");
	s->eventfd = eventfd_new();
	s->raise = -1;
	open_list[slot] = s;
	return s;
}

static void open_function(struct source *s)
{
	open_group(s);
	join_container(s);
	s->device = ioctl(s->group, VFIO_GROUP_GET_DEVICE_FD, s->bdf);
	if (s->device < 0)
		die("VFIO device %s: %m", s->bdf);
}

static void open_device(struct source *s)
{
	open_function(s);
	enable_device(s);
	map_bar(s);
}

struct source *source_open(unsigned int n)
{
	struct source *s = new_source();
	unsigned int found;

	found = find(is_edu, n, s->bdf, sizeof(s->bdf));
	if (n >= found)
		die("this machine has %u edu devices, number %u is wanted", found, n);
	open_device(s);
	snprintf(s->irq_name, sizeof(s->irq_name), "vfio-msi[0](%s)", s->bdf);
	source_vectors(s, true);
	return s;
}

static void set_vectors(struct source *s, unsigned int start, const int *eventfds, unsigned int nr)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + MAX_VECTORS * sizeof(int)];
	} u = {
		.set = {
			.argsz = sizeof(u.set) + nr * sizeof(int),
			.index = s->irq_index,
			.flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD,
			.start = start,
			.count = nr,
		},
	};

	memcpy(u.set.data, eventfds, nr * sizeof(int));
	if (ioctl(s->device, VFIO_DEVICE_SET_IRQS, &u.set))
		die("vectors %u to %u of %s: %m", start, start + nr - 1, s->bdf);
}

bool igb_available(void)
{
	return find(is_igb, 0, NULL, 0);
}

/*
 * Vectors 0 to @nr - 1 of the function that @src[0] has open, a source each. All at once: not every
 * kernel can enable more of them later.
 */
static void open_vectors(struct source **src, unsigned int nr, unsigned int irq_index)
{
	bool msix = irq_index == VFIO_PCI_MSIX_IRQ_INDEX;
	int eventfds[MAX_VECTORS] = { -1 };

	if (nr > MAX_VECTORS)
		die("%u vectors of %s", nr, src[0]->bdf);
	for (unsigned int i = 0; i < nr; i++) {
		struct source *s = i ? new_source() : src[0];

		if (i) {
			s->device = src[0]->device;
			s->bar = src[0]->bar;
			s->raise = src[0]->raise;
			memcpy(s->bdf, src[0]->bdf, sizeof(s->bdf));
			s->group = -1;
		}
		s->vector = i;
		s->of_many = true;
		s->irq_index = irq_index;
		s->vectors = true;
		eventfds[i] = s->eventfd;
		snprintf(s->irq_name, sizeof(s->irq_name), "vfio-msi%s[%u](%s)", msix ? "x" : "",
			 i, s->bdf);
		src[i] = s;
	}
	set_vectors(src[0], 0, eventfds, nr);
}

void igb_open(struct source **src, unsigned int nr)
{
	src[0] = new_source();
	if (!find(is_igb, 0, src[0]->bdf, sizeof(src[0]->bdf)))
		die("this machine has no igb");
	open_device(src[0]);
	open_vectors(src, nr, VFIO_PCI_MSIX_IRQ_INDEX);
	for (unsigned int i = 0; i < nr; i++)
		src[i]->igb = true;
	src[0]->bar[IGB_GPIE / 4] = IGB_GPIE_MSIX;
	src[0]->bar[IGB_EIAC / 4] = (1U << nr) - 1;
	src[0]->bar[IGB_EIMS / 4] = (1U << nr) - 1;
	for (unsigned int i = 0; i < nr; i++)
		src[0]->bar[IGB_EITR / 4 + i] = 0;
}

static struct source *new_of_function(const char *bdf)
{
	struct source *s = new_source();

	snprintf(s->bdf, sizeof(s->bdf), "%s", bdf);
	open_function(s);
	return s;
}

static unsigned int vectors_of(struct source *s, unsigned int irq_index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = irq_index };

	return ioctl(s->device, VFIO_DEVICE_GET_IRQ_INFO, &info) ? 0 : info.count;
}

/* A function with both is asked for MSI-X, as by its own driver. */
static unsigned int best_index(struct source *s)
{
	return vectors_of(s, VFIO_PCI_MSIX_IRQ_INDEX) ? VFIO_PCI_MSIX_IRQ_INDEX :
							VFIO_PCI_MSI_IRQ_INDEX;
}

unsigned int function_vectors(const char *bdf)
{
	struct source *s = new_of_function(bdf);
	unsigned int nr = vectors_of(s, best_index(s));

	source_close(s);
	return nr;
}

void function_open(struct source **src, unsigned int nr, const char *bdf)
{
	src[0] = new_of_function(bdf);
	src[0]->raise = open(RAISE, O_WRONLY | O_CLOEXEC);
	if (src[0]->raise < 0)
		die(RAISE ": %m");
	open_vectors(src, nr, best_index(src[0]));
}

void igb_close(struct source **src, unsigned int nr)
{
	while (nr)
		source_close(src[--nr]);
}

void source_close(struct source *s)
{
	unsigned int left = 0;

	source_deassign(s);
	source_vectors(s, false);
	/* Of several vectors the first has the device, and goes last. */
	if (s->group >= 0) {
		if (s->bar)
			munmap((void *)s->bar, s->bar_size);
		if (s->raise >= 0)
			close(s->raise);
		close(s->device);
	}
	close(s->eventfd);
	/* The last group to leave takes the container's IOMMU with it. */
	if (s->group >= 0)
		close(s->group);
	for (unsigned int i = 0; i < MAX_SOURCES; i++) {
		if (open_list[i] == s)
			open_list[i] = NULL;
		left += !!open_list[i];
	}
	if (!left) {
		close(container);
		container = -1;
	}
	free(s);
}

static void write_reg(struct source *s, unsigned int reg, uint32_t value)
{
	s->bar[reg / 4] = value;
	/* Reads back, so that the write is over when we return. */
	(void)s->bar[(s->igb ? IGB_STATUS : EDU_ID) / 4];
}

/* The command has been executed when the write returns. */
static void have_its_raise(struct source *s)
{
	char text[12];
	int len = snprintf(text, sizeof(text), "%u", s->vector);

	if (pwrite(s->raise, text, len, 0) != len)
		die("the ITS raising vector %u of %s: %m", s->vector, s->bdf);
}

void source_fire(struct source *s)
{
	__atomic_add_fetch(&s->fires, 1, __ATOMIC_RELAXED);
	if (s->raise >= 0)
		have_its_raise(s);
	else if (s->igb)
		write_reg(s, IGB_EICS, 1U << s->vector);
	else
		write_reg(s, EDU_RAISE, 1);
}

void source_ack(struct source *s)
{
	if (s->igb)
		write_reg(s, IGB_EICR, 1U << s->vector);
	else if (s->raise < 0)
		write_reg(s, EDU_ACK, ~0U);
}

static const int none = -1;

/* Its one MSI, with the eventfd @fd behind it, or none; where @fd is NULL the vector goes. */
static int set_msi(struct source *s, const int *fd)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + sizeof(int)];
	} u = {
		.set = {
			.index = VFIO_PCI_MSI_IRQ_INDEX,
			.flags = VFIO_IRQ_SET_ACTION_TRIGGER,
		},
	};

	if (fd) {
		u.set.argsz = sizeof(u.room);
		u.set.flags |= VFIO_IRQ_SET_DATA_EVENTFD;
		u.set.count = 1;
		memcpy(u.set.data, fd, sizeof(int));
	} else {
		u.set.argsz = sizeof(u.set);
		u.set.flags |= VFIO_IRQ_SET_DATA_NONE;
	}
	return ioctl(s->device, VFIO_DEVICE_SET_IRQS, &u.set) ? -errno : 0;
}

int try_source_vectors(struct source *s, bool on)
{
	int ret = 0;

	if (on == s->vectors)
		return 0;
	if (s->of_many)
		set_vectors(s, s->vector, on ? &s->eventfd : &none, 1);
	else
		ret = set_msi(s, on ? &s->eventfd : NULL);
	if (!ret)
		s->vectors = on;
	return ret;
}

int try_source_trigger(struct source *s, bool on)
{
	int ret = set_msi(s, on ? &s->eventfd : &none);

	if (!ret)
		s->vectors = on;
	return ret;
}

void source_vectors(struct source *s, bool on)
{
	int ret = try_source_vectors(s, on);

	if (ret)
		die("vectors of %s %s: %s", s->bdf, on ? "on" : "off", strerror(-ret));
}

uint64_t source_drain(struct source *s)
{
	uint64_t n;

	return read(s->eventfd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

void source_rearm(struct source *s)
{
	s->vectors = false;
	source_vectors(s, true);
}

int source_host_irq(struct source *s)
{
	return host_irq_number(s->irq_name);
}

int try_source_assign(struct source *s, struct vm *vm, uint32_t gsi)
{
	int ret;

	if (s->vm)
		die("%s is assigned already", s->bdf);
	ret = try_irqfd(vm, s->eventfd, gsi, 0);
	if (!ret) {
		s->vm = vm;
		s->gsi = gsi;
	}
	return ret;
}

void source_assign(struct source *s, struct vm *vm, uint32_t gsi)
{
	int ret = try_source_assign(s, vm, gsi);

	if (ret)
		die("assigning %s to GSI %u of VM %s: %s", s->bdf, gsi, vm->name, strerror(-ret));
}

void source_deassign(struct source *s)
{
	int ret;

	if (!s->vm)
		return;
	ret = try_irqfd(s->vm, s->eventfd, s->gsi, KVM_IRQFD_FLAG_DEASSIGN);
	if (ret)
		die("deassigning %s from VM %s: %s", s->bdf, s->vm->name, strerror(-ret));
	s->vm = NULL;
}

void sources_deassign(struct vm *vm)
{
	for (unsigned int i = 0; i < MAX_SOURCES; i++)
		if (open_list[i] && open_list[i]->vm == vm)
			source_deassign(open_list[i]);
}

struct source *source_at(unsigned int i)
{
	return i < MAX_SOURCES ? open_list[i] : NULL;
}

static void *fire_on(void *arg)
{
	struct firing *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		for (unsigned int i = 0; i < f->nr; i++)
			source_fire(f->src[i]);
		__atomic_add_fetch(&f->rounds, 1, __ATOMIC_RELEASE);
		/* As fast as it can, but in no other task's share of the CPU. */
		sched_yield();
	}
	return NULL;
}

void firing_start(struct firing *f, struct source **src, unsigned int nr)
{
	*f = (struct firing){ .src = src, .nr = nr };
	errno = pthread_create(&f->thread, NULL, fire_on, f);
	if (errno)
		die("starting to fire: %m");
	wait_for(__atomic_load_n(&f->rounds, __ATOMIC_ACQUIRE), "all sources fire");
}

void firing_stop(struct firing *f)
{
	__atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
	pthread_join(f->thread, NULL);
}
