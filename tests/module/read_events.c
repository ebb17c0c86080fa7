// SPDX-License-Identifier: GPL-2.0-only
/*
 * read() and poll() of /dev/vlpi_broker: the latest changes come in order, whole, each once, and
 * a reader that waits for one is woken by it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "harness.h"

#define RECORD			sizeof(struct vlpi_broker_event)
/* As many as are kept of a VM, of one that is gone, and in all. */
#define KEPT			1024
#define KEPT_OF_GONE		64
#define KEPT_IN_ALL		8192
/* More than any test here reads at once. */
#define MOST			(KEPT_IN_ALL + KEPT)

FIXTURE(events) {
	struct sharers sh;
	int fd;
	int irq[3];
	uint64_t vm;
	struct vlpi_broker_event got[MOST];
};

static int open_device(int flags)
{
	int fd = open(BROKER_DEVICE, O_RDONLY | O_CLOEXEC | flags);

	if (fd < 0)
		die(BROKER_DEVICE ": %m");
	return fd;
}

/* What there is, up to @max records; dies where there is more, or where a record is not one. */
static unsigned int take(int fd, struct vlpi_broker_event *to, unsigned int max)
{
	unsigned int n = 0;
	ssize_t ret;

	for (;;) {
		if (n == max)
			die("%u records are read, and there are still more", n);
		ret = read(fd, to + n, (max - n) * RECORD);
		if (ret < 0 && errno == EAGAIN)
			return n;
		if (ret <= 0 || ret % RECORD)
			die("read() of records: %zd (%m)", ret);
		for (ret /= RECORD; ret--; n++)
			if (to[n].size != RECORD)
				die("a record of size %u", to[n].size);
	}
}

/* Reads all that there is, of which the test wants nothing. */
static void drain(int fd)
{
	static struct vlpi_broker_event there[MOST];

	take(fd, there, MOST);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDNORM };
	int ret = poll(&p, 1, 0);

	if (ret < 0 || (ret && p.revents != (POLLIN | POLLRDNORM)))
		die("poll: %d, events 0x%x", ret, p.revents);
	return ret;
}

FIXTURE_SETUP(events)
{
	memset(self, 0, sizeof(*self));
	broker_want(true);
	self->fd = open_device(O_NONBLOCK);
	sharers_prepare(&self->sh, "events", 0, 3);
	for (unsigned int i = 0; i < 3; i++)
		self->irq[i] = source_host_irq(self->sh.src[i]);
	await_effects();
	drain(self->fd);
}

FIXTURE_TEARDOWN(events)
{
	sharers_free(&self->sh);
	if (self->fd >= 0)
		close(self->fd);
}

struct expected {
	uint32_t type;
	uint32_t why;
	unsigned int source;
	uint32_t vintid;
};

#define EVENT(type, why, source, vintid) \
	{ VLPI_BROKER_EVENT_##type, VLPI_BROKER_WHY_##why, source, vintid }

/* The records are these, of this VM, without a gap after @seq. */
#define EXPECT_RECORDS(n, ...)						\
	do {								\
		const struct expected __want[] = { __VA_ARGS__ };	\
									\
		EXPECT_EQ(ARRAY_SIZE(__want), n);			\
		for (unsigned int __i = 0; __i < (n); __i++) {		\
			const struct vlpi_broker_event *__e = &self->got[__i]; \
									\
			note("%" PRIu64 ": type %u, VM %" PRIu64 ", vINTID %u, host IRQ %u, why %u, error %u", \
			     (uint64_t)__e->seq, __e->type, (uint64_t)__e->vm_id, __e->vintid, \
			     __e->host_irq, __e->why, __e->error);	\
			if (__i >= ARRAY_SIZE(__want))			\
				continue;				\
			EXPECT_EQ(__want[__i].type, __e->type);		\
			EXPECT_EQ(__want[__i].why, __e->why);		\
			EXPECT_EQ(self->irq[__want[__i].source], __e->host_irq); \
			EXPECT_EQ(__want[__i].vintid, __e->vintid);	\
			EXPECT_EQ(self->vm, __e->vm_id);		\
			EXPECT_EQ(0, __e->error);			\
		}							\
	} while (0)

/* Their numbers have no gap, their time does not go back. */
#define EXPECT_SEQUENCE(got, n)						\
	for (unsigned int __i = 1; __i < (n); __i++) {			\
		EXPECT_EQ((got)[__i - 1].seq + 1, (got)[__i].seq);	\
		EXPECT_LE((got)[__i - 1].time_ns, (got)[__i].time_ns);	\
	}

static uint64_t vm_id_of(struct source *s)
{
	struct vlpi_broker_client c;

	if (!broker_client(s, &c))
		die("%s: no client", s->bdf);
	return c.vm_id;
}

VM_TEST_F(events, changes_in_order, "P6")
{
	struct sharers *sh = &self->sh;
	uint64_t before = now_ns(), seq;
	unsigned int n;

	EXPECT_FALSE(is_readable(self->fd));
	sharers_assign_all(sh);
	await_effects();
	self->vm = vm_id_of(sh->src[0]);
	EXPECT_TRUE(is_readable(self->fd));
	n = take(self->fd, self->got, MOST);
	EXPECT_RECORDS(n, EVENT(CONNECT, CONNECTED, 0, 0), EVENT(GRANT, VACANT, 0, SHARED_INTID),
		       EVENT(CONNECT, CONNECTED, 1, 0), EVENT(WAIT, HELD, 1, SHARED_INTID),
		       EVENT(CONNECT, CONNECTED, 2, 0), EVENT(WAIT, HELD, 2, SHARED_INTID));
	EXPECT_SEQUENCE(self->got, n);
	ASSERT_LT(0, n);
	EXPECT_LE(before, self->got[0].time_ns);
	EXPECT_GE(now_ns(), self->got[n - 1].time_ns);
	seq = self->got[n - 1].seq;

	EXPECT_FALSE(is_readable(self->fd));
	source_deassign(sh->src[0]);
	n = take(self->fd, self->got, MOST);
	EXPECT_RECORDS(n, EVENT(DEMOTE, LEFT, 0, SHARED_INTID),
		       EVENT(UNMAP, REVOKED, 0, SHARED_INTID), EVENT(GRANT, LEFT, 1, SHARED_INTID),
		       EVENT(PROMOTE, LEFT, 1, SHARED_INTID));
	EXPECT_SEQUENCE(self->got, n);
	EXPECT_EQ(seq + 1, self->got[0].seq);
}

/* The errno is positive, and a change that no call has asked for is told of as well. */
VM_TEST_F(events, guest_discards, "P6")
{
	struct sharers *sh = &self->sh;
	unsigned int n = 0, unmaps = 0, failed;
	struct wait w;

	sharers_assign_all(sh);
	await_effects();
	drain(self->fd);
	guest_discard(sh->vm, SHARED_DEVID, SHARED_EVENT);
	wait_begin(&w);
	do {
		n += take(self->fd, self->got + n, MOST - n);
		failed = 0;
		for (unsigned int i = 0; i < n; i++)
			failed += self->got[i].type == VLPI_BROKER_EVENT_RESOLVE_FAIL;
	} while (failed < 3 && wait_more(&w));
	EXPECT_EQ(3, failed);
	EXPECT_SEQUENCE(self->got, n);
	for (unsigned int i = 0; i < n; i++) {
		const struct vlpi_broker_event *e = &self->got[i];

		unmaps += e->type == VLPI_BROKER_EVENT_UNMAP &&
			  e->why == VLPI_BROKER_WHY_KVM && e->host_irq == self->irq[0];
		if (e->type != VLPI_BROKER_EVENT_RESOLVE_FAIL)
			continue;
		EXPECT_EQ(VLPI_BROKER_WHY_NO_LPI, e->why);
		EXPECT_LT(0, e->error);
		EXPECT_GT(200, e->error);
	}
	EXPECT_EQ(1, unmaps);
}

/* ---- waiting -------------------------------------------------------------------------------- */

struct sleeper {
	pthread_t thread;
	bool polls;
	int fd;
	int tid;
	bool ended;
	ssize_t ret;
	int error;
	struct vlpi_broker_event e;
};

static void *sleep_on(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	__atomic_store_n(&s->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	s->ret = s->polls ? poll(&p, 1, -1) : read(s->fd, &s->e, RECORD);
	s->error = s->ret < 0 ? errno : 0;
	__atomic_store_n(&s->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool has_ended(struct sleeper *s)
{
	return __atomic_load_n(&s->ended, __ATOMIC_ACQUIRE);
}

/* Is it asleep, in the system call that it was made for? */
static bool is_asleep(struct sleeper *s)
{
	int tid = __atomic_load_n(&s->tid, __ATOMIC_ACQUIRE);
	char line[256];
	const char *state;

	if (!tid)
		return false;
	task_line(tid, "stat", line, sizeof(line));
	state = strrchr(line, ')');
	return state && state[1] == ' ' && state[2] == 'S';
}

static void sleeper_start(struct sleeper *s, bool polls)
{
	memset(s, 0, sizeof(*s));
	s->polls = polls;
	s->fd = open_device(O_NONBLOCK);
	drain(s->fd);
	if (!polls && fcntl(s->fd, F_SETFL, O_RDONLY))
		die("F_SETFL: %m");
	errno = pthread_create(&s->thread, NULL, sleep_on, s);
	if (errno)
		die("no thread: %m");
	wait_for(is_asleep(s) || has_ended(s), "it waits for an event");
}

static void sleeper_end(struct sleeper *s)
{
	pthread_join(s->thread, NULL);
	close(s->fd);
}

VM_TEST_F(events, wakes_who_waits, "P6")
{
	struct sleeper reads, polls;
	char byte[RECORD];

	EXPECT_EQ(-1, read(self->fd, byte, sizeof(byte)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_FALSE(is_readable(self->fd));
	for (unsigned int i = 0; i < 20; i++) {
		sleeper_start(&reads, false);
		sleeper_start(&polls, true);
		await_effects();
		ASSERT_FALSE(has_ended(&reads) || has_ended(&polls)) {
			TH_LOG("no event, and they have not waited");
		}
		sharers_assign(&self->sh, 0);
		wait_for(has_ended(&reads), "a read has been woken by the first event");
		wait_for(has_ended(&polls), "a poll has been woken by the first event");
		EXPECT_EQ(RECORD, reads.ret);
		EXPECT_EQ(VLPI_BROKER_EVENT_CONNECT, reads.e.type);
		EXPECT_EQ(self->irq[0], reads.e.host_irq);
		EXPECT_EQ(1, polls.ret);
		sleeper_end(&reads);
		sleeper_end(&polls);
		source_deassign(self->sh.src[0]);
	}
}

static void do_nothing(int sig)
{
	(void)sig;
}

VM_TEST_F(events, a_signal_interrupts, "P6")
{
	struct sigaction sa = { .sa_handler = do_nothing };
	struct sleeper s;

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	sleeper_start(&s, false);
	EXPECT_FALSE(has_ended(&s));
	pthread_kill(s.thread, SIGUSR1);
	wait_for(has_ended(&s), "a read has been interrupted by a signal");
	EXPECT_EQ(-1, s.ret);
	EXPECT_EQ(EINTR, s.error);
	sleeper_end(&s);
}

/* ---- reading -------------------------------------------------------------------------------- */

VM_TEST_F(events, whole_records_only, "P6")
{
	char buf[3 * RECORD];
	struct iovec halves[] = {
		{ buf, RECORD / 2 }, { buf + RECORD / 2, RECORD / 2 },
	};
	uint64_t first;

	sharers_assign_all(&self->sh);
	for (unsigned int size = 0; size < RECORD; size++) {
		EXPECT_EQ(-1, read(self->fd, buf, size));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(RECORD, read(self->fd, buf, RECORD));
	first = ((struct vlpi_broker_event *)buf)->seq;
	memset(buf, 0xa5, sizeof(buf));
	EXPECT_EQ(RECORD, read(self->fd, buf, 2 * RECORD - 1));
	EXPECT_EQ(first + 1, ((struct vlpi_broker_event *)buf)->seq);
	EXPECT_EQ((char)0xa5, buf[RECORD]);
	EXPECT_EQ(RECORD, readv(self->fd, halves, ARRAY_SIZE(halves)));
	EXPECT_EQ(first + 2, ((struct vlpi_broker_event *)buf)->seq);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pread(self->fd, buf, RECORD, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(RECORD, read(self->fd, buf, RECORD));
	EXPECT_EQ(first + 3, ((struct vlpi_broker_event *)buf)->seq);
}

/* What did not reach the reader is not lost. */
VM_TEST_F(events, bad_pointers_lose_nothing, "P6")
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
	struct vlpi_broker_event *whole;
	uint64_t seq;
	unsigned int n;

	ASSERT_NE(MAP_FAILED, two);
	ASSERT_EQ(0, mprotect(two + page, page, PROT_NONE));
	sharers_assign_all(&self->sh);
	EXPECT_EQ(-1, syscall(SYS_read, self->fd, NULL, 4 * RECORD));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->fd, two + page, RECORD));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->fd, two + page - RECORD + 8, RECORD));
	EXPECT_EQ(EFAULT, errno);
	/* Two and a half of at least six. */
	whole = (void *)(two + page - 5 * RECORD / 2);
	ASSERT_EQ(2 * RECORD, read(self->fd, whole, 6 * RECORD));
	seq = whole[0].seq;
	EXPECT_EQ(VLPI_BROKER_EVENT_CONNECT, whole[0].type);
	EXPECT_EQ(self->irq[0], whole[0].host_irq);
	EXPECT_EQ(seq + 1, whole[1].seq);
	EXPECT_EQ(-1, read(self->fd, two + page, RECORD));
	EXPECT_EQ(EFAULT, errno);
	n = take(self->fd, self->got, MOST);
	EXPECT_LE(4, n);
	EXPECT_EQ(seq + 2, self->got[0].seq);
	EXPECT_SEQUENCE(self->got, n);
	munmap(two, 2 * page);
}

/* Two open files, and a copy of one of them. */
VM_TEST_F(events, positions, "P6")
{
	struct vlpi_broker_event e;
	int other = open_device(O_NONBLOCK), same;
	uint64_t first;

	drain(other);
	same = dup(other);
	ASSERT_LE(0, same);
	sharers_assign_all(&self->sh);
	ASSERT_EQ(RECORD, read(self->fd, &e, RECORD));
	first = e.seq;
	ASSERT_EQ(RECORD, read(self->fd, &e, RECORD));
	ASSERT_EQ(RECORD, read(other, &e, RECORD));
	EXPECT_EQ(first, e.seq);
	ASSERT_EQ(RECORD, read(same, &e, RECORD));
	EXPECT_EQ(first + 1, e.seq);
	ASSERT_EQ(RECORD, read(other, &e, RECORD));
	EXPECT_EQ(first + 2, e.seq);
	ASSERT_EQ(RECORD, read(self->fd, &e, RECORD));
	EXPECT_EQ(first + 2, e.seq);
	close(same);
	close(other);
}

#define THREADS			4

struct sharing {
	pthread_t thread;
	int fd;
	bool *stop;
	unsigned int *seen;	/* how often each number, from the first on */
	uint64_t first;
	unsigned int nr;
	bool wrong;
};

static void *share(void *arg)
{
	struct sharing *s = arg;
	struct vlpi_broker_event e[3];
	uint64_t last = 0;
	bool stop;
	ssize_t len;

	do {
		stop = __atomic_load_n(s->stop, __ATOMIC_ACQUIRE);
		len = read(s->fd, e, sizeof(e));
		if (len < 0) {
			s->wrong |= errno != EAGAIN;
			sched_yield();
			continue;
		}
		for (unsigned int i = 0; i < len / RECORD; i++, s->nr++) {
			s->wrong |= e[i].seq <= last || e[i].seq - s->first >= MOST;
			last = e[i].seq;
			if (!s->wrong)
				__atomic_fetch_add(&s->seen[last - s->first], 1, __ATOMIC_RELAXED);
		}
	} while (len > 0 || !stop);
	return NULL;
}

/* Each record goes to one of them. */
VM_TEST_F(events, threads_share_a_position, "P6")
{
	static unsigned int seen[MOST];
	struct sharing s[THREADS];
	unsigned int n, nr = 0;
	bool stop = false;
	uint64_t first;

	sharers_assign(&self->sh, 0);
	n = take(self->fd, self->got, MOST);
	ASSERT_LT(0, n);
	first = self->got[n - 1].seq + 1;
	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < THREADS; i++) {
		s[i] = (struct sharing){
			.fd = self->fd, .stop = &stop, .seen = seen, .first = first,
		};
		ASSERT_EQ(0, pthread_create(&s[i].thread, NULL, share, &s[i]));
	}
	for (unsigned int i = 0; i < 100; i++) {
		source_deassign(self->sh.src[0]);
		sharers_assign(&self->sh, 0);
		wait_for(broker_holds(self->sh.src[0]), "it holds the vLPI again");
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(s[i].thread, NULL);
		EXPECT_FALSE(s[i].wrong);
		note("thread %u has read %u", i, s[i].nr);
		nr += s[i].nr;
	}
	/* Connect and grant, demote and unmap, each time. */
	EXPECT_EQ(400, nr);
	for (unsigned int i = 0; i < nr && i < MOST; i++) {
		EXPECT_EQ(1, seen[i]) {
			TH_LOG("number %u of %u", i, nr);
		}
	}
}

/* One source comes and goes until its VM has made so many events, of which none is missed. */
static unsigned int flood(struct sharers *sh, int fd, unsigned int least)
{
	static struct vlpi_broker_event got[MOST];
	unsigned int made = 0;
	uint64_t last = 0;

	drain(fd);
	while (made < least) {
		unsigned int n;

		if (sh->src[0]->vm)
			source_deassign(sh->src[0]);
		else
			sharers_assign(sh, 0);
		n = take(fd, got, MOST);
		for (unsigned int i = 0; i < n; i++, last++) {
			if (last && got[i].seq != last)
				die("event %" PRIu64 " is missed", last);
			last = got[i].seq;
		}
		made += n;
	}
	return made;
}

/* Who comes late finds so many of a VM. */
static unsigned int kept_of(uint64_t vm)
{
	static struct vlpi_broker_event got[MOST];
	int fd = open_device(O_NONBLOCK);
	unsigned int n = take(fd, got, MOST), nr = 0;

	for (unsigned int i = 0; i < n; i++)
		nr += got[i].vm_id == vm;
	close(fd);
	return nr;
}

/* A reader that is overtaken is told how many are overwritten, and so is one that comes late. */
VM_TEST_F(events, overtaken, "P6")
{
	int slow = open_device(O_NONBLOCK);
	uint64_t last, first;
	unsigned int n, made;

	sharers_assign(&self->sh, 1);
	n = take(slow, self->got, MOST);
	ASSERT_LT(0, n);
	last = self->got[n - 1].seq;
	drain(self->fd);
	first = last + 1;
	made = flood(&self->sh, self->fd, KEPT + 100);
	last += made;
	note("%u events, numbers %" PRIu64 " to %" PRIu64, made, first, last);
	EXPECT_TRUE(is_readable(slow));
	n = take(slow, self->got, MOST);
	EXPECT_EQ(KEPT, n);
	EXPECT_EQ(made - KEPT, self->got[0].seq - first);
	EXPECT_EQ(last, self->got[n - 1].seq);
	EXPECT_SEQUENCE(self->got, n);
	EXPECT_FALSE(is_readable(slow));
	EXPECT_EQ(KEPT, kept_of(vm_id_of(self->sh.src[1])));
	close(slow);
}

/* What one VM does drives out nothing of another, also when that is gone. */
VM_TEST_F(events, others_are_kept, "P6 P7 H51")
{
	struct sharers quiet;
	unsigned int kept;
	uint64_t id;

	sharers_assign(&self->sh, 1);
	sharers_prepare(&quiet, "quiet", 3, 2);
	sharers_assign_all(&quiet);
	await_effects();
	id = vm_id_of(quiet.src[0]);
	kept = kept_of(id);
	EXPECT_EQ(4, kept);
	flood(&self->sh, self->fd, KEPT + 100);
	EXPECT_EQ(kept, kept_of(id));
	sharers_deassign_all(&quiet);
	vm_sentinel(quiet.vm, false);
	await_effects();
	kept = kept_of(id);
	EXPECT_LT(4, kept);
	flood(&self->sh, self->fd, KEPT + 100);
	EXPECT_EQ(kept, kept_of(id));
	sharers_free(&quiet);
}

/* Of one that is gone the last few are kept. */
VM_TEST_F(events, few_are_kept_of_what_is_gone, "P6 H51")
{
	uint64_t id;

	sharers_assign(&self->sh, 1);
	id = vm_id_of(self->sh.src[1]);
	flood(&self->sh, self->fd, KEPT_OF_GONE + 10);
	EXPECT_LT(KEPT_OF_GONE, kept_of(id));
	sharers_deassign_all(&self->sh);
	vm_sentinel(self->sh.vm, false);
	wait_for(kept_of(id) == KEPT_OF_GONE, "the last of it are kept");
}

/* More VMs than fit with a full history each: those with the most have less. */
VM_TEST_F(events, all_share_what_there_is, "P6 P7 H51")
{
	enum { NR = KEPT_IN_ALL / KEPT + 1 };
	struct sharers many[NR], quiet;
	unsigned int n, all = 0;
	uint64_t id, ids[NR];

	sharers_prepare(&quiet, "quiet", 3, 2);
	sharers_assign_all(&quiet);
	await_effects();
	id = vm_id_of(quiet.src[0]);
	for (unsigned int i = 0; i < NR; i++) {
		/* One source, which goes from one to the next. */
		many[i] = (struct sharers){
			.vm = vm_new("loud", 1), .nr = 1, .src = { self->sh.src[0] },
		};
		guest_boot(many[i].vm);
		sharers_map(&many[i]);
		sharers_route_all(&many[i]);
		vm_sentinel(many[i].vm, true);
		sharers_assign(&many[i], 0);
		ids[i] = vm_id_of(many[i].src[0]);
		flood(&many[i], self->fd, KEPT);
		source_deassign(many[i].src[0]);
	}
	for (unsigned int i = 0; i < NR; i++) {
		n = kept_of(ids[i]);
		note("VM %u: %u", i, n);
		EXPECT_GE(KEPT, n);
		/* Others of this boot may be among those that are gone. */
		EXPECT_LT(KEPT_IN_ALL / (NR + 2), n);
		all += n;
	}
	EXPECT_GE(KEPT_IN_ALL, all);
	EXPECT_EQ(4, kept_of(id));
	for (unsigned int i = 0; i < NR; i++)
		vm_free(many[i].vm);
	sharers_free(&quiet);
}

/* What happens while the module is loaded is recorded already. */
VM_TEST_F(events, begin_with_the_load, "P6")
{
	unsigned int n, connects = 0, grants = 0;

	close(self->fd);
	self->fd = -1;
	vm_sentinel(self->sh.vm, false);
	wait_for(!broker_unload(), "the module can be unloaded");
	sharers_assign(&self->sh, 0);
	ASSERT_EQ(0, broker_load());
	vm_sentinel(self->sh.vm, true);
	self->fd = open_device(O_NONBLOCK);
	n = take(self->fd, self->got, MOST);
	ASSERT_LT(0, n);
	EXPECT_EQ(1, self->got[0].seq);
	EXPECT_SEQUENCE(self->got, n);
	for (unsigned int i = 0; i < n; i++) {
		connects += self->got[i].type == VLPI_BROKER_EVENT_CONNECT &&
			    self->got[i].host_irq == self->irq[0];
		grants += self->got[i].type == VLPI_BROKER_EVENT_GRANT &&
			  self->got[i].host_irq == self->irq[0];
	}
	EXPECT_EQ(1, connects);
	EXPECT_EQ(1, grants);
}

TEST_MAIN
