// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vlpi_broker and callers that mean harm, or have another idea of the sizes: whatever is
 * asked, the answer is the one that include/uapi/linux/vlpi_broker.h promises, and nothing is
 * written where the caller did not ask for it. VLPI_CHARDEV_CALLS (100000) in all,
 * VLPI_CHARDEV_SEED (1); irqfds come and go meanwhile. On a kernel with KCOV it says how much of
 * the module's code the calls have reached.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define CALLERS			4
#define NOBODY			65534
#define CANARY			0xa5
#define BUF_ENTRIES		8
/* What the module knows is what this was built with. */
#define INFO_KNOWN		sizeof(struct vlpi_broker_info)
#define DUMP_KNOWN		sizeof(struct vlpi_broker_dump)
#define CLIENT_KNOWN		sizeof(struct vlpi_broker_client)
#define EVENT_KNOWN		sizeof(struct vlpi_broker_event)
/* The module takes structures of up to a page. */
#define ROOM			(2 * page)

static size_t page;

/* ---- KCOV ------------------------------------------------------------------------------------ */

#define KCOV			"/sys/kernel/debug/kcov"
#define KCOV_INIT_TRACE		_IOR('c', 1, unsigned long)
#define KCOV_ENABLE		_IO('c', 100)
#define KCOV_PLACES		(64 << 10)
#define MAX_TEXT		(1 << 20)

/* The module's code, and which of it was reached. */
static struct {
	unsigned long start, end;
	unsigned char reached[MAX_TEXT];
} text;

static void find_text(void)
{
	char line[64];
	FILE *file;

	file = fopen("/sys/module/vlpi_broker/sections/.text", "r");
	if (!file || !fgets(line, sizeof(line), file))
		die("the module has no .text: %m");
	fclose(file);
	text.start = strtoul(line, NULL, 16);
	text.end = text.start + MAX_TEXT;
}

static unsigned long *kcov_begin(void)
{
	int fd = open(KCOV, O_RDWR | O_CLOEXEC);
	unsigned long *cover;

	if (fd < 0)
		return NULL;
	if (ioctl(fd, KCOV_INIT_TRACE, KCOV_PLACES))
		die("KCOV_INIT_TRACE: %m");
	cover = mmap(NULL, KCOV_PLACES * sizeof(*cover), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cover == MAP_FAILED)
		die("KCOV's buffer: %m");
	if (ioctl(fd, KCOV_ENABLE, 0))
		die("KCOV_ENABLE: %m");
	return cover;
}

static void kcov_collect(unsigned long *cover)
{
	unsigned long n;

	if (!cover)
		return;
	n = __atomic_exchange_n(&cover[0], 0, __ATOMIC_RELAXED);
	for (unsigned long i = 1; i <= n; i++)
		if (cover[i] >= text.start && cover[i] < text.end)
			__atomic_store_n(&text.reached[cover[i] - text.start], 1, __ATOMIC_RELAXED);
}

/* Says how many places were reached in each function of the module that was reached at all. */
static unsigned int kcov_report(void)
{
	unsigned int total = 0, of_function = 0;
	char line[256], name[128], last[128] = "";
	unsigned long at, begin = 0;
	char type;
	FILE *syms = popen("grep -F '[vlpi_broker]' /proc/kallsyms | grep -i ' t ' | sort", "r");

	if (!syms)
		die("/proc/kallsyms: %m");
	do {
		bool more = fgets(line, sizeof(line), syms);

		if (!more || sscanf(line, "%lx %c %127s", &at, &type, name) != 3)
			at = text.end;
		if (name[0] == '$' && more)
			continue;
		of_function = 0;
		for (unsigned long i = begin; begin && i < at && i < text.end; i++)
			of_function += i >= text.start && text.reached[i - text.start];
		if (of_function)
			note("KCOV: %4u places in %s", of_function, last);
		total += of_function;
		begin = at;
		memcpy(last, name, sizeof(last));
	} while (begin < text.end);
	pclose(syms);
	return total;
}

/* ---- one caller ------------------------------------------------------------------------------ */

struct caller {
	pthread_t thread;
	struct rng rng;
	unsigned int calls;
	unsigned int good;	/* were answered */
	unsigned int refused;	/* and had to be */
	unsigned int bad;
	bool ended;
	bool may_write;
	bool waits;		/* the file has no O_NONBLOCK */
	uint64_t seq;		/* of the last event that was read from it */
	int fd;
	/* Two pages, the second can't be read; two pages that can't be written; the entries. */
	unsigned char *edge, *readonly, *entries;
};

enum where { GOOD, EDGE, READONLY, NOWHERE, KERNEL, NULLPTR, NR_WHERE };

static void *map(size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %m");
	return p;
}

static uint32_t pick(struct rng *r, const uint32_t *values, unsigned int nr)
{
	unsigned int i = rng_below(r, nr + 1);

	return i < nr ? values[i] : rng_below(r, ~0U);
}

#define PICK(r, ...)							\
	({								\
		const uint32_t __values[] = { __VA_ARGS__ };		\
									\
		pick(r, __values, ARRAY_SIZE(__values));		\
	})

static void complain(struct caller *c, const char *what, int ret, const char *want, uint32_t size)
{
	if (c->bad++ < 10)
		note("%s of size %u: %s, not %s", what, size, ret ? strerror(ret) : "done", want);
}

/* Where @size bytes are to be; sets how many of them can be read and written. */
static void *place(struct caller *c, enum where where, size_t size, size_t *readable,
		   size_t *writable)
{
	*readable = *writable = ROOM;
	switch (where) {
	case GOOD:
		return c->edge;
	case EDGE:
		/* Up to the end of what there is: exact, or some bytes short. */
		*readable = size > page ? page : size;
		if (*readable && !rng_below(&c->rng, 3))
			*readable = rng_below(&c->rng, *readable);
		*writable = *readable;
		return c->edge + ROOM - *readable;
	case READONLY:
		*writable = 0;
		return c->readonly;
	case NOWHERE:
		*readable = *writable = 0;
		return c->edge + ROOM;
	case KERNEL:
		*readable = *writable = 0;
		return (void *)(0xffff000000000000UL + rng_below(&c->rng, ~0U) * 8UL);
	default:
		*readable = *writable = 0;
		return NULL;
	}
}

static int call(struct caller *c, unsigned int cmd, void *arg)
{
	return ioctl(c->fd, cmd, arg) < 0 ? errno : 0;
}

/* The bytes from @from on are as they were. */
static bool untouched(const unsigned char *at, size_t from, size_t to)
{
	for (; from < to; from++)
		if (at[from] != CANARY)
			return false;
	return true;
}

/* Puts @what there, as much of it as there is room for, in memory that may be read-only. */
static void put(void *at, enum where where, size_t room, const void *what, size_t size)
{
	void *start = (void *)((uintptr_t)at & ~(page - 1));

	if (where == READONLY)
		mprotect(start, ROOM, PROT_READ | PROT_WRITE);
	memset(at, CANARY, where == GOOD || where == READONLY ? ROOM : room);
	memcpy(at, what, size < room ? size : room);
	if (where == READONLY)
		mprotect(start, ROOM, PROT_READ);
}

static enum where somewhere(struct rng *r)
{
	return rng_below(r, 2) ? GOOD : rng_below(r, NR_WHERE);
}

static void expect(struct caller *c, const char *what, int ret, int want, uint32_t size)
{
	if (ret != want)
		complain(c, what, ret, want ? strerror(want) : "done", size);
	else if (want)
		c->refused++;
	else
		c->good++;
}

static void call_info(struct caller *c)
{
	struct vlpi_broker_info info = {
		.size = PICK(&c->rng, 0, 1, 8, VLPI_BROKER_INFO_SIZE_VER1 - 1,
			     VLPI_BROKER_INFO_SIZE_VER1, INFO_KNOWN, INFO_KNOWN, INFO_KNOWN + 1,
			     INFO_KNOWN + 64, page, page + 1, ~0U),
		.flags = rng_below(&c->rng, 4) ? 0 : rng_below(&c->rng, ~0U),
	};
	enum where where = somewhere(&c->rng);
	size_t readable, writable, both;
	unsigned char *at;
	int ret, want;

	at = place(c, where, info.size, &readable, &writable);
	both = info.size < INFO_KNOWN ? info.size : INFO_KNOWN;
	/* Its size and its flags, at least, and nothing behind its end. */
	if (readable)
		put(at, where, readable, &info, both < 8 ? 8 : both);
	if (readable < 8)
		want = EFAULT;
	else if (info.size < VLPI_BROKER_INFO_SIZE_VER1 || info.size > page || info.flags)
		want = EINVAL;
	else
		want = writable < both ? EFAULT : 0;
	ret = call(c, VLPI_BROKER_INFO, at);
	expect(c, "INFO", ret, want, info.size);
	if (!ret && (*(uint32_t *)at != INFO_KNOWN ||
		     ((struct vlpi_broker_info *)at)->abi_version != VLPI_BROKER_ABI_VERSION))
		complain(c, "INFO that says nothing", ret, "an answer", info.size);
	if (!ret && where == GOOD && !untouched(at, both, ROOM))
		complain(c, "INFO beyond its room", ret, "only what was asked for", info.size);
}

static void call_dump(struct caller *c)
{
	struct {
		struct vlpi_broker_dump d;
		unsigned char more[64];
	} in = {
		.d = {
			.size = PICK(&c->rng, 0, 8, VLPI_BROKER_DUMP_SIZE_VER1 - 1,
				     VLPI_BROKER_DUMP_SIZE_VER1, DUMP_KNOWN, DUMP_KNOWN, DUMP_KNOWN,
				     DUMP_KNOWN + 8, DUMP_KNOWN + sizeof(in.more), page + 1, ~0U),
			.flags = rng_below(&c->rng, 8) ? 0 : rng_below(&c->rng, ~0U),
			.cursor = rng_below(&c->rng, 2) ? 0 : PICK(&c->rng, 1, 2, ~0U),
			.buf_entries = PICK(&c->rng, 0, 1, 2, BUF_ENTRIES, BUF_ENTRIES, 4096, 4097,
					    ~0U),
			.entry_size = PICK(&c->rng, 0, 8, VLPI_BROKER_CLIENT_SIZE_VER1 - 8,
					   VLPI_BROKER_CLIENT_SIZE_VER1, CLIENT_KNOWN, CLIENT_KNOWN,
					   CLIENT_KNOWN + 1, CLIENT_KNOWN + 8, page, page + 8, ~0U),
		},
	};
	enum where where = somewhere(&c->rng), buf = somewhere(&c->rng);
	size_t readable, writable, stride;
	uint32_t size = in.d.size, room;
	struct vlpi_broker_dump *out;
	unsigned char *at;
	int ret, want;

	/* More than fits would be an overrun of ours: the test has six clients at most. */
	if (buf == GOOD || buf == EDGE)
		in.d.buf = (uintptr_t)c->entries;
	else if (buf == KERNEL)
		in.d.buf = 0xffff000000000000UL;
	else if (buf == NOWHERE)
		in.d.buf = (uintptr_t)c->edge + ROOM;
	else if (buf == READONLY)
		in.d.buf = (uintptr_t)c->readonly;
	if (!rng_below(&c->rng, 4))
		in.more[rng_below(&c->rng, sizeof(in.more))] = 1;
	at = place(c, where, size, &readable, &writable);
	if (readable) {
		put(at, where, readable, &in, sizeof(in));
		/* What is beyond the known part is to be zero, or else it is a demand. */
		if (where == GOOD && size > sizeof(in) && size <= page)
			memset(at + sizeof(in), 0, size - sizeof(in));
	}
	memset(c->entries, CANARY, BUF_ENTRIES * page);
	stride = in.d.entry_size;

	if (readable < 8)
		want = EFAULT;
	else if (size < VLPI_BROKER_DUMP_SIZE_VER1 || size > page || in.d.flags)
		want = EINVAL;
	else
		want = 0;
	ret = call(c, VLPI_BROKER_DUMP, at);
	if (want) {
		expect(c, "DUMP", ret, want, size);
		return;
	}
	/* The tail is looked at before the rest, and may not be there at all. */
	if (readable < size || where == READONLY) {
		if (ret != EFAULT && ret != EINVAL)
			complain(c, "DUMP of what is not all there", ret, "EFAULT or EINVAL", size);
		c->refused++;
		return;
	}
	for (size_t i = DUMP_KNOWN; i < size && !want; i++)
		if (at[i])
			want = EINVAL;
	if (!in.d.buf_entries || stride < VLPI_BROKER_CLIENT_SIZE_VER1 || stride > page ||
	    stride % 8)
		want = EINVAL;
	if (!want && buf != GOOD && buf != EDGE) {
		/* Nothing can be written there, if there is anything to write. */
		if (ret && ret != EFAULT)
			complain(c, "DUMP to a bad buffer", ret, "EFAULT", size);
		c->refused++;
		return;
	}
	expect(c, "DUMP", ret, want, size);
	if (ret)
		return;
	out = (struct vlpi_broker_dump *)at;
	room = in.d.buf_entries < 4096 ? in.d.buf_entries : 4096;
	if (out->size != DUMP_KNOWN || out->nr_entries > room || out->nr_entries > BUF_ENTRIES)
		complain(c, "DUMP that says what can't be", ret, "an answer", size);
	else if (!untouched(c->entries, out->nr_entries * stride, BUF_ENTRIES * page))
		complain(c, "DUMP beyond its entries", ret, "only what was asked for", stride);
	for (uint32_t i = 0; i < out->nr_entries && i < BUF_ENTRIES; i++) {
		struct vlpi_broker_client client;

		memcpy(&client, c->entries + i * stride, sizeof(client));
		if (!client.id || client.id <= in.d.cursor || client.state > VLPI_BROKER_NOT_MSI)
			complain(c, "DUMP with an impossible client", ret, "an answer", stride);
		/* What this caller knows and the module does not is zero. */
		for (size_t j = CLIENT_KNOWN; j < stride; j++)
			if (c->entries[i * stride + j])
				complain(c, "DUMP with a tail", ret, "zeroes", stride);
	}
}

/* What was read is whole records that come after those read before, @room bytes at the most. */
static void look_at_events(struct caller *c, const unsigned char *at, ssize_t len, size_t room)
{
	struct vlpi_broker_event e;

	if (len % EVENT_KNOWN || len > (ssize_t)room) {
		complain(c, "read()", 0, "whole records, where there is room", len);
		return;
	}
	for (; len; at += EVENT_KNOWN, len -= EVENT_KNOWN) {
		memcpy(&e, at, sizeof(e));
		if (e.size != EVENT_KNOWN || e.seq <= c->seq || !e.time_ns ||
		    e.type < VLPI_BROKER_EVENT_CONNECT ||
		    e.type > VLPI_BROKER_EVENT_RESOLVE_FAIL || e.why > VLPI_BROKER_WHY_NO_LPI ||
		    e.error > 4095)
			complain(c, "read() of an impossible event", 0, "an event", e.size);
		c->seq = e.seq;
	}
}

static void call_read(struct caller *c)
{
	static const size_t sizes[] = {
		0, 1, 8, EVENT_KNOWN - 1, EVENT_KNOWN, EVENT_KNOWN, EVENT_KNOWN + 1,
		2 * EVENT_KNOWN, 5 * EVENT_KNOWN + 8, 9 * EVENT_KNOWN, 1 << 20, SSIZE_MAX, SIZE_MAX,
	};
	size_t size = sizes[rng_below(&c->rng, ARRAY_SIZE(sizes))], readable, writable, first;
	enum where where = somewhere(&c->rng);
	struct pollfd p = { .fd = c->fd, .events = POLLIN | POLLOUT | POLLPRI };
	unsigned char *at;
	struct iovec iov[2];
	bool there = false, vector;
	ssize_t len;
	int ret;

	if (rng_below(&c->rng, 2)) {
		ret = poll(&p, 1, 0);
		there = ret == 1;
		if (ret < 0 || (ret && p.revents != POLLIN))
			complain(c, "poll()", ret < 0 ? errno : 0, "nothing or POLLIN", p.revents);
	}
	at = place(c, where, size, &readable, &writable);
	if (readable)
		put(at, where, readable, "", 0);
	vector = size <= ROOM && !rng_below(&c->rng, 4);
	if (vector) {
		/* A record may lie across two places. */
		first = rng_below(&c->rng, size + 1);
		iov[0] = (struct iovec){ at, first };
		iov[1] = (struct iovec){ at + first, size - first };
		len = readv(c->fd, iov, 2);
	} else {
		len = read(c->fd, at, size);
	}
	ret = len < 0 ? errno : 0;
	/* The kernel looks at the address first, where it can't be one of this process. */
	if (where == KERNEL || size >= SSIZE_MAX) {
		if (ret != EFAULT && ret != EINVAL)
			complain(c, "read() to nowhere", ret, "EFAULT or EINVAL", size);
		c->refused++;
	} else if (vector && !size) {
		/* Of that the module does not hear. */
		expect(c, "readv()", ret, 0, size);
	} else if (size < EVENT_KNOWN) {
		expect(c, "read()", ret, EINVAL, size);
	} else if (ret == EAGAIN && !there && !c->waits) {
		c->refused++;
	} else {
		expect(c, "read()", ret, writable < EVENT_KNOWN ? EFAULT : 0, size);
		if (!ret)
			look_at_events(c, at, len, size < writable ? size : writable);
		/* Of a record that did not fit behind the last one, the beginning is there. */
		if (!ret && where == GOOD && len + EVENT_KNOWN <= ROOM && !untouched(at, len, ROOM))
			complain(c, "read() beyond its records", ret, "only what was asked for",
				 size);
	}
}

/* Numbers that mean nothing, and calls that it does not have. */
static void call_anything(struct caller *c)
{
	unsigned int cmd = rng_below(&c->rng, ~0U);
	int want = ENOTTY, ret;
	void *m;

	switch (rng_below(&c->rng, 6)) {
	case 0:
		cmd = _IOC(rng_below(&c->rng, 4), VLPI_BROKER_IOC_MAGIC, rng_below(&c->rng, 256),
			   rng_below(&c->rng, 1 << 13));
		if (_IOC_NR(cmd) < 2 && _IOC_DIR(cmd) == (_IOC_READ | _IOC_WRITE))
			want = EFAULT;
		ret = call(c, cmd, NULL);
		break;
	case 1:
		if (_IOC_TYPE(cmd) == VLPI_BROKER_IOC_MAGIC)
			cmd = 0;
		/* What the VFS itself knows. */
		if (_IOC_TYPE(cmd) == 'T' || _IOC_TYPE(cmd) == 'f' || _IOC_TYPE(cmd) == 0x12)
			cmd = 0;
		ret = call(c, cmd, c->edge);
		break;
	case 2:
		want = ESPIPE;
		ret = pread(c->fd, c->edge, 1 + rng_below(&c->rng, page), 0) < 0 ? errno : 0;
		break;
	case 3:
		want = c->may_write ? EINVAL : EBADF;
		ret = write(c->fd, c->edge, 1 + rng_below(&c->rng, page)) < 0 ? errno : 0;
		break;
	case 4:
		want = ENODEV;
		m = mmap(NULL, page, PROT_READ, MAP_SHARED, c->fd, 0);
		ret = m == MAP_FAILED ? errno : 0;
		break;
	default:
		want = ESPIPE;
		ret = lseek(c->fd, rng_below(&c->rng, ~0U), SEEK_SET) < 0 ? errno : 0;
	}
	expect(c, "what it does not have", ret, want, cmd);
}

static void open_again(struct caller *c)
{
	c->may_write = rng_below(&c->rng, 2);
	/* A few, and for fewer calls: each read() may take until the next client comes or goes. */
	c->waits = !rng_below(&c->rng, 16);
	c->seq = 0;
	c->fd = open(BROKER_DEVICE, (c->may_write ? O_RDWR : O_RDONLY) | (c->waits ? 0 : O_NONBLOCK) |
		     O_CLOEXEC);
	if (c->fd < 0)
		die(BROKER_DEVICE ": %m");
}

static void *call_on(void *arg)
{
	struct caller *c = arg;
	unsigned long *cover;

	open_again(c);
	cover = kcov_begin();
	for (unsigned int i = 0; i < c->calls; i++) {
		unsigned int what = rng_below(&c->rng, 12);

		if (what < 3)
			call_info(c);
		else if (what < 8)
			call_dump(c);
		else if (what < 10)
			call_read(c);
		else
			call_anything(c);
		kcov_collect(cover);
		if (!rng_below(&c->rng, c->waits ? 50 : 1000)) {
			close(c->fd);
			open_again(c);
		}
	}
	close(c->fd);
	__atomic_store_n(&c->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static void caller_begin(struct caller *c, unsigned int seed, unsigned int calls)
{
	memset(c, 0, sizeof(*c));
	rng_seed(&c->rng, seed);
	c->calls = calls;
	c->edge = map(2 * ROOM, PROT_READ | PROT_WRITE);
	if (mprotect(c->edge + ROOM, ROOM, PROT_NONE))
		die("mprotect: %m");
	c->readonly = map(ROOM, PROT_READ);
	c->entries = map(BUF_ENTRIES * page, PROT_READ | PROT_WRITE);
	errno = pthread_create(&c->thread, NULL, call_on, c);
	if (errno)
		die("no thread: %m");
}

static void caller_end(struct caller *c)
{
	pthread_join(c->thread, NULL);
	munmap(c->edge, 2 * ROOM);
	munmap(c->readonly, ROOM);
	munmap(c->entries, BUF_ENTRIES * page);
}

/* ---- the tests ------------------------------------------------------------------------------- */

FIXTURE(chardev) {
	struct sharers sh;
	struct caller caller[CALLERS];
};

FIXTURE_SETUP(chardev)
{
	page = sysconf(_SC_PAGESIZE);
	broker_want(true);
	sharers_new(&self->sh, "chardev", 0, 5);
}

FIXTURE_TEARDOWN(chardev)
{
	sharers_free(&self->sh);
}

VM_TEST_F_TIMEOUT(chardev, answers_as_it_says, 7200, "P6")
{
	unsigned int seed = env_number("VLPI_CHARDEV_SEED", 1);
	unsigned int calls = env_number("VLPI_CHARDEV_CALLS", 100000) / CALLERS;
	unsigned int good = 0, refused = 0, bad = 0, changes = 0;
	struct sharers *sh = &self->sh;
	bool going = true;

	find_text();
	note("seed %u", seed);
	for (unsigned int i = 0; i < CALLERS; i++)
		caller_begin(&self->caller[i], seed + i, calls);
	/*
	 * Clients come and go, so that no read() waits for long; one stays, so that there is always
	 * something to tell.
	 */
	while (going) {
		unsigned int i = 1 + changes++ % (sh->nr - 1);

		if (sh->src[i]->vm)
			source_deassign(sh->src[i]);
		else
			sharers_assign(sh, i);
		going = false;
		for (unsigned int n = 0; n < CALLERS; n++)
			going |= !__atomic_load_n(&self->caller[n].ended, __ATOMIC_ACQUIRE);
	}
	for (unsigned int i = 0; i < CALLERS; i++) {
		caller_end(&self->caller[i]);
		good += self->caller[i].good;
		refused += self->caller[i].refused;
		bad += self->caller[i].bad;
	}
	note("%u were answered, %u had to be refused; %u irqfds came or went meanwhile", good,
	     refused, changes);
	tried(calls * CALLERS, "calls of the character device");
	EXPECT_EQ(0, bad);
	/* Nothing but nonsense shows as little as none at all. */
	EXPECT_LT(calls * CALLERS / 20, good);
	EXPECT_LT(calls * CALLERS / 20, refused);
	if (!access(KCOV, F_OK)) {
		unsigned int places = kcov_report();

		note("KCOV: %u places of the module", places);
		EXPECT_LT(0, places);
	}
	sharers_assign_all(sh);
	EXPECT_SOURCES("after all that was asked");
}

static int as_nobody(int inherited)
{
	struct vlpi_broker_info info = { .size = sizeof(info) };
	struct vlpi_broker_event event;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork: %m");
	if (!pid) {
		if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			_exit(100);
		if (inherited >= 0 && ioctl(inherited, VLPI_BROKER_INFO, &info))
			_exit(errno);
		if (inherited >= 0)
			_exit(read(inherited, &event, sizeof(event)) < 0 ? errno : 0);
		_exit(open(BROKER_DEVICE, O_RDONLY) < 0 ? errno : 0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		die("the child has not ended");
	return WEXITSTATUS(status);
}

/* Only root may open it; a process that root hands an open one to may ask, and read. */
VM_TEST_F(chardev, is_for_root, "P6")
{
	struct vlpi_broker_info info = { .size = sizeof(info) };
	struct stat st;
	int fd;

	ASSERT_EQ(0, stat(BROKER_DEVICE, &st));
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(EACCES, as_nobody(-1));
	/* There are events: those of the sources. */
	fd = open(BROKER_DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ioctl(fd, VLPI_BROKER_INFO, &info));
	/* And the sentinel. */
	EXPECT_EQ(self->sh.nr + 1, info.nr_clients);
	EXPECT_EQ(0, as_nobody(fd));
	close(fd);
}

/* An open file is no reason not to let the irqfds go, nor to unload under it. */
VM_TEST_F(chardev, open_file_keeps_the_module, "P6")
{
	int fd = open(BROKER_DEVICE, O_RDONLY | O_CLOEXEC), ret;
	struct vlpi_broker_info info = { .size = sizeof(info) };

	ASSERT_LE(0, fd);
	sharers_deassign_all(&self->sh);
	vm_sentinel(self->sh.vm, false);
	ret = broker_unload();
	EXPECT_TRUE(ret == -EWOULDBLOCK || ret == -EBUSY) {
		TH_LOG("unloading with the device open ended with %d", ret);
	}
	ASSERT_EQ(0, ioctl(fd, VLPI_BROKER_INFO, &info));
	EXPECT_EQ(0, info.nr_clients);
	close(fd);
	vm_sentinel(self->sh.vm, true);
}

TEST_MAIN
