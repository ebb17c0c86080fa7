// SPDX-License-Identifier: GPL-2.0-only
/*
 * One VM is stuck: KVM holds its its_lock across a fault on a page of guest memory that its VMM
 * does not give (H28). It has a holder and a waiter, and goes on to do all that a VMM does with
 * irqfds (H46). Other VMs notice nothing, nor do those who ask the broker (P7): no call of theirs
 * hangs that does not hang on a stock kernel, and these hang nowhere: KVM_IRQFD, assigned or
 * deassigned, and VFIO's vectors, off and on. One exception: up to 6.12 KVM takes a *holder's*
 * mapping back under its_lock, with irqbypass's mutex held.
 *
 * What goes on and what hangs is printed as a table at the end, in milliseconds; with --stock it
 * is the stock kernel's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

/* How long each call may take while the VM is stuck, all of them at a time. */
static uint64_t bound_ms(void)
{
	return 2000 * wait_bound();
}

/* Events of a guest: the n-th is the n-th LPI, and the n-th GSI is routed to it at first. */
#define EVENT(n)		(SHARED_EVENT + (n))
#define INTID(n)		(SHARED_INTID + (n))
#define GSI(n)			(SHARED_GSI + (n))

/* The stuck VM: three GSIs for sources, all routed to event 0, and these. */
#define NR_SHARERS		3
#define OTHER_EVENT		1	/* an LPI that no source is routed to at first */
#define COLD_EVENT		2	/* mapped, and discarded to empty a cache */
#define HAND_GSI		GSI(NR_SHARERS)
#define LEVEL_GSI		GSI(NR_SHARERS + 1)
#define LEVEL_PIN		17

/* Sources of the neighbours, by number; the last one is the leaver's. */
enum { COMES = NR_SHARERS, LEAVES, BLINKS, MOVES, LEAVER };

/* What the neighbours "comer" and "goer" have on their events. */
enum { COMER_SOURCE, COMER_HAND, COMER_SIGNAL, COMER_EVENTS };
enum { GOER_LEAVES, GOER_HAND, GOER_BLINKS, GOER_MOVES, GOER_NEW_PLACE, GOER_EVENTS };

/* ---- the table ------------------------------------------------------------------------------- */

#define MAX_CALLS		12
#define MAX_ROWS		32
#define NOT_MADE		(-1)
#define HANGS			(-2)

struct row {
	char what[48];
	int itself;
	int call[MAX_CALLS];
};

/* Shared with the processes that the tests run in. */
static struct table {
	unsigned int nr;
	struct row row[MAX_ROWS];
} *table;

static int how_it_went(struct call *c)
{
	return call_is_over(c) ? (int)c->ms : HANGS;
}

static void print_cell(int how)
{
	if (how == HANGS)
		printf(" %10s", "HANGS");
	else if (how == NOT_MADE)
		printf(" %10s", "-");
	else
		printf(" %10d", how);
}

/* ---- the VMs --------------------------------------------------------------------------------- */

struct cast {
	struct sharers sh;		/* the VM that gets stuck */
	struct stuck stuck;
	int hand, counted, level, resample;
	/* Interrupts that it had taken when it got stuck, and what has been signalled since. */
	uint64_t taken[2];
	bool signalled[2];

	struct vm *comer, *goer;
	struct source *comes, *leaves, *blinks, *moves;
	int comer_hand, comer_signal, goer_hand;
	struct child leaver;
};

static void map_event(struct vm *vm, unsigned int n)
{
	guest_map(vm, SHARED_DEVID, EVENT(n), INTID(n), 0);
}

static struct vm *new_neighbour(const char *name, unsigned int events)
{
	struct vm *vm = vm_new(name, 1);

	guest_boot(vm);
	for (unsigned int n = 0; n < events; n++)
		map_event(vm, n);
	vm_route_batch(vm, true);
	for (unsigned int n = 0; n < events; n++)
		vm_route_msi(vm, GSI(n), SHARED_DEVID, EVENT(n));
	vm_route_batch(vm, false);
	return vm;
}

/* A VMM in a process of its own, which is killed. */
static void live_as_leaver(void *arg)
{
	struct vm *vm = new_neighbour("leaver", 1);
	struct source *s = source_open(LEAVER);

	(void)arg;
	source_assign(s, vm, GSI(0));
	if (!(verdict_of(s, DELIVERED) & DELIVERED))
		die("the leaver's interrupt: %s", verdict_detail());
	child_ready();
	for (;;)
		pause();
}

/* The first source is assigned first, so it holds; the third is assigned to nothing. */
static void new_stuck_vm(struct cast *c)
{
	struct vm *vm;

	sharers_prepare(&c->sh, "stuck", 0, NR_SHARERS);
	vm = c->sh.vm;
	map_event(vm, OTHER_EVENT);
	vm_route_msi(vm, HAND_GSI, SHARED_DEVID, EVENT(OTHER_EVENT));
	vm_route_pin(vm, LEVEL_GSI, LEVEL_PIN);
	sharers_assign(&c->sh, 0);
	sharers_assign(&c->sh, 1);
	c->hand = eventfd_new();
	c->counted = eventfd_new();
	c->level = eventfd_new();
	c->resample = eventfd_new();
}

static void new_neighbours(struct cast *c)
{
	c->comer = new_neighbour("comer", COMER_EVENTS);
	c->comes = source_open(COMES);
	c->comer_hand = eventfd_new();
	c->comer_signal = eventfd_new();
	vm_irqfd(c->comer, c->comer_signal, GSI(COMER_SIGNAL), 0);

	c->goer = new_neighbour("goer", GOER_EVENTS);
	c->leaves = source_open(LEAVES);
	c->blinks = source_open(BLINKS);
	c->moves = source_open(MOVES);
	c->goer_hand = eventfd_new();
	source_assign(c->leaves, c->goer, GSI(GOER_LEAVES));
	source_assign(c->blinks, c->goer, GSI(GOER_BLINKS));
	source_assign(c->moves, c->goer, GSI(GOER_MOVES));
	vm_irqfd(c->goer, c->goer_hand, GSI(GOER_HAND), 0);
}

/* ---- what the stuck VM's VMM does ------------------------------------------------------------ */

static int fires(void *arg)
{
	struct cast *c = arg;

	for (unsigned int i = 0; i < 2; i++) {
		source_fire(c->sh.src[i]);
		source_ack(c->sh.src[i]);
	}
	/* The handlers have run, and what they queued is queued. */
	visit_host_cpus(NULL, NULL);
	c->signalled[0] = true;
	return 0;
}

static int assigns(void *arg)
{
	struct cast *c = arg;

	return try_irqfd(c->sh.vm, c->hand, HAND_GSI, 0);
}

static int assigns_with_producer(void *arg)
{
	struct cast *c = arg;

	return try_source_assign(c->sh.src[2], c->sh.vm, GSI(2));
}

static int assigns_counted(void *arg)
{
	struct cast *c = arg;

	eventfd_kick(c->counted);
	c->signalled[OTHER_EVENT] = true;
	return try_irqfd(c->sh.vm, c->counted, HAND_GSI, 0);
}

static int assigns_counted_and_deassigns(void *arg)
{
	struct cast *c = arg;

	return assigns_counted(c) ? :
	       try_irqfd(c->sh.vm, c->counted, HAND_GSI, KVM_IRQFD_FLAG_DEASSIGN);
}

static int detaches(struct source *s)
{
	int ret = try_irqfd(s->vm, s->eventfd, s->gsi, KVM_IRQFD_FLAG_DEASSIGN);

	if (!ret)
		s->vm = NULL;
	return ret;
}

/* A stock kernel drops the edge that is pending in a mapping which it takes back (H8). */
static int detaches_sharer(struct cast *c, unsigned int i)
{
	if (!broker_loaded())
		c->signalled[0] = false;
	return detaches(c->sh.src[i]);
}

static int detaches_holder(void *arg)
{
	return detaches_sharer(arg, 0);
}

static int detaches_waiter(void *arg)
{
	return detaches_sharer(arg, 1);
}

static int reroutes(void *arg)
{
	struct cast *c = arg;

	vm_route_msi(c->sh.vm, GSI(0), SHARED_DEVID, EVENT(OTHER_EVENT));
	return 0;
}

static int resamples(void *arg)
{
	struct cast *c = arg;
	struct kvm_irqfd i = {
		.fd = c->level,
		.gsi = LEVEL_GSI,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = c->resample,
	};

	if (ioctl(c->sh.vm->fd, KVM_IRQFD, &i))
		return -errno;
	eventfd_kick(c->level);
	return try_irqfd(c->sh.vm, c->level, LEVEL_GSI, KVM_IRQFD_FLAG_DEASSIGN);
}

/* A waiter's interrupt finds KVM's cache of translations empty, so it waits for its_lock. */
static void empty_cache(struct cast *c)
{
	map_event(c->sh.vm, COLD_EVENT);
	guest_discard(c->sh.vm, SHARED_DEVID, EVENT(COLD_EVENT));
}

static void fire_waiter(struct cast *c)
{
	source_fire(c->sh.src[1]);
	source_ack(c->sh.src[1]);
	visit_host_cpus(NULL, NULL);
	c->signalled[0] = true;
}

static void get_stuck(struct cast *c, enum stuck_by by, bool cold)
{
	if (cold)
		empty_cache(c);
	for (unsigned int n = 0; n < 2; n++)
		c->taken[n] = guest_count(c->sh.vm, INTID(n));
	vm_stick(&c->stuck, c->sh.vm, by, SHARED_DEVID, EVENT(0));
	if (cold)
		fire_waiter(c);
}

/* ---- what others do -------------------------------------------------------------------------- */

static int other_assigns(void *arg)
{
	struct cast *c = arg;

	return try_irqfd(c->comer, c->comer_hand, GSI(COMER_HAND), 0);
}

static int other_assigns_with_producer(void *arg)
{
	struct cast *c = arg;

	return try_source_assign(c->comes, c->comer, GSI(COMER_SOURCE));
}

static int other_deassigns(void *arg)
{
	struct cast *c = arg;

	return try_irqfd(c->goer, c->goer_hand, GSI(GOER_HAND), KVM_IRQFD_FLAG_DEASSIGN);
}

static int other_deassigns_with_producer(void *arg)
{
	struct cast *c = arg;

	return detaches(c->leaves);
}

static int other_blinks(void *arg)
{
	struct cast *c = arg;

	return try_source_vectors(c->blinks, false) ? : try_source_vectors(c->blinks, true);
}

static int other_reroutes(void *arg)
{
	struct cast *c = arg;

	vm_route_msi(c->goer, GSI(GOER_MOVES), SHARED_DEVID, EVENT(GOER_NEW_PLACE));
	return 0;
}

static int other_exits(void *arg)
{
	struct cast *c = arg;

	child_kill(&c->leaver);
	return 0;
}

static int other_is_signalled(void *arg)
{
	struct cast *c = arg;
	uint64_t before = guest_count(c->comer, INTID(COMER_SIGNAL));

	eventfd_kick(c->comer_signal);
	return guest_takes(c->comer, INTID(COMER_SIGNAL), before) ? 0 : -ETIMEDOUT;
}

static int info_is_asked(void *arg)
{
	struct vlpi_broker_info info;

	(void)arg;
	broker_info(&info);
	return 0;
}

static int dump_is_asked(void *arg)
{
	unsigned int nr;

	(void)arg;
	free(broker_dump(&nr));
	return nr ? 0 : -ENODATA;
}

static int changes_are_read(void *arg)
{
	int fd = open(BROKER_DEVICE, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret;
	struct vlpi_broker_event e;

	(void)arg;
	if (fd < 0)
		return -errno;
	ret = read(fd, &e, sizeof(e)) == sizeof(e) || errno == EAGAIN ? 0 : -errno;
	close(fd);
	return ret;
}

static const struct {
	const char *name;
	int (*fn)(void *arg);
	bool of_the_broker;
	/* Waits for irqbypass's mutex, or for the shutdown of every irqfd of the host. */
	bool waits_for_any_del;
} calls[] = {
	{ "assign", other_assigns, .waits_for_any_del = true },
	{ "assign+p", other_assigns_with_producer, .waits_for_any_del = true },
	{ "deassign", other_deassigns, .waits_for_any_del = true },
	{ "deassign+p", other_deassigns_with_producer, .waits_for_any_del = true },
	{ "vectors", other_blinks, .waits_for_any_del = true },
	{ "exit", other_exits, .waits_for_any_del = true },
	/* These wait for their own VM alone. */
	{ "routes", .fn = other_reroutes },
	{ "signal", .fn = other_is_signalled },
	{ "INFO", info_is_asked, .of_the_broker = true },
	{ "DUMP", dump_is_asked, .of_the_broker = true },
	{ "read()", changes_are_read, .of_the_broker = true },
};

static void print_table(void)
{
	if (!table->nr)
		return;
	printf("# %-45s %9s", "The stuck VM; ms of its calls, and of others'", "itself");
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++)
		printf(" %10s", calls[i].name);
	printf("\n");
	for (unsigned int i = 0; i < table->nr; i++) {
		printf("# %-45s", table->row[i].what);
		print_cell(table->row[i].itself);
		for (unsigned int j = 0; j < ARRAY_SIZE(calls); j++)
			print_cell(table->row[i].call[j]);
		printf("\n");
	}
	fflush(stdout);
}

/* ---- others go on ---------------------------------------------------------------------------- */

#define MAX_DEEDS		6

FIXTURE(stuck) {
	struct cast c;
	struct call own[MAX_DEEDS];
	unsigned int nr_own;
	struct call call[ARRAY_SIZE(calls)];
	unsigned int nr_calls;
};

FIXTURE_VARIANT(stuck) {
	int (*deed[MAX_DEEDS])(void *arg);
	const char *what;
	bool cold;
	enum stuck_by by;
};

/* An LPI's translation is in KVM's cache: a waiter's interrupt does not wait for its_lock. */
#define WARM(name, words, ...)						\
	FIXTURE_VARIANT_ADD(stuck, name) {				\
		.what = words,						\
		.deed = { __VA_ARGS__ },				\
	}
/* It is not, and the waiter has fired. */
#define COLD(name, words, ...)						\
	FIXTURE_VARIANT_ADD(stuck, cold_##name) {			\
		.what = "cold, " words,					\
		.deed = { __VA_ARGS__ },				\
		.cold = true,						\
	}

WARM(nothing, "does nothing more");
WARM(fires, "its sources fire", fires);
WARM(assigns, "assigns", assigns);
WARM(assigns_with_producer, "assigns with a producer", assigns_with_producer);
WARM(detaches_waiter, "detaches a waiter", detaches_waiter);
WARM(detaches_holder, "detaches its holder", detaches_holder);
WARM(reroutes, "re-routes its holder", reroutes);
WARM(resamples, "assigns a resampled one and deassigns it", resamples);
COLD(fires, "its sources fire", fires);
COLD(assigns, "assigns", assigns);
COLD(assigns_with_producer, "assigns with a producer", assigns_with_producer);
COLD(assigns_counted, "assigns one that has counted", assigns_counted);
COLD(deassigns_counted, "deassigns one that had counted", assigns_counted_and_deassigns);
COLD(detaches_waiter, "detaches a waiter", detaches_waiter);
COLD(detaches_holder, "detaches its holder", detaches_holder);
COLD(reroutes, "re-routes its holder", reroutes);
COLD(resamples, "assigns a resampled one and deassigns it", resamples);

FIXTURE_VARIANT_ADD(stuck, cold_does_it_all) {
	.what = "cold, all of it but for its holder's end",
	.deed = {
		assigns, assigns_with_producer, assigns_counted, reroutes, resamples,
		detaches_waiter,
	},
	.cold = true,
};

/* The same without userfaultfd. */
FIXTURE_VARIANT_ADD(stuck, by_file_assigns_with_producer) {
	.what = "by a file, assigns with a producer",
	.deed = { assigns_with_producer },
	.by = STUCK_BY_FILE,
};

FIXTURE_VARIANT_ADD(stuck, by_file_cold_detaches_waiter) {
	.what = "by a file, cold, detaches a waiter",
	.deed = { detaches_waiter },
	.by = STUCK_BY_FILE,
	.cold = true,
};

FIXTURE_SETUP(stuck)
{
	struct cast *c = &self->c;

	if (!can_stick(variant->by))
		SKIP(return, "no %s", variant->by == STUCK_BY_FILE ? "FUSE" : "userfaultfd");
	/* First, so that it has nothing of this process. */
	child_start(&c->leaver, live_as_leaver, NULL);
	new_stuck_vm(c);
	new_neighbours(c);
	child_wait_ready(&c->leaver);
	/* What has been delivered once is in KVM's cache. */
	ASSERT_EQ(0, sources_undelivered("at first"));
	source_drain(c->sh.src[2]);
	source_drain(c->comes);
}

FIXTURE_TEARDOWN(stuck)
{
	for (unsigned int i = 0; i < MAX_SOURCES; i++)
		if (source_at(i))
			source_close(source_at(i));
	while (vms)
		vm_free(vms);
}

/* As up to 6.12; KVM's unset of 7.x takes the LPI's raw lock alone, that of 6.16 does nothing. */
static bool del_takes_its_lock(void)
{
	return kernel_before(6, 16);
}

static bool detaches_its_holder(const FIXTURE_VARIANT(stuck) *variant)
{
	return variant->deed[0] == detaches_holder;
}

/* How all calls of this test went until now. */
static struct row *write_row(FIXTURE_DATA(stuck) *self, const char *what)
{
	struct row *row;

	if (table->nr == MAX_ROWS)
		die("a table of more than %u rows", MAX_ROWS);
	row = &table->row[table->nr++];
	snprintf(row->what, sizeof(row->what), "%s", what);
	row->itself = NOT_MADE;
	for (unsigned int i = 0; i < self->nr_own; i++) {
		int how = how_it_went(&self->own[i]);

		if (row->itself != HANGS && (how == HANGS || how > row->itself))
			row->itself = how;
	}
	for (unsigned int i = 0; i < MAX_CALLS; i++)
		row->call[i] = i < self->nr_calls ? how_it_went(&self->call[i]) : NOT_MADE;
	return row;
}

static void begin_all(FIXTURE_DATA(stuck) *self, const FIXTURE_VARIANT(stuck) *variant)
{
	for (unsigned int i = 0; i < MAX_DEEDS && variant->deed[i]; i++) {
		call_begin(&self->own[i], variant->what, variant->deed[i], &self->c);
		self->nr_own++;
	}
	for (unsigned int i = 0; i < self->nr_own; i++)
		call_await_sleep(&self->own[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].of_the_broker && !broker_loaded())
			break;
		call_begin(&self->call[i], calls[i].name, calls[i].fn, &self->c);
		self->nr_calls++;
	}
}

/* A stock kernel leaves the mapping where it was (H4), so that the route had better lead there. */
static void undo_routes(struct cast *c)
{
	vm_route_msi(c->sh.vm, GSI(0), SHARED_DEVID, EVENT(0));
	vm_route_msi(c->goer, GSI(GOER_MOVES), SHARED_DEVID, EVENT(GOER_MOVES));
}

static bool takes_signal(struct vm *vm, int eventfd, uint32_t intid)
{
	uint64_t before = guest_count(vm, intid);

	eventfd_kick(eventfd);
	return guest_takes(vm, intid, before);
}

/* Nothing is lost, and all is where it belongs. */
static void expect_all_work(struct __test_metadata *_metadata, struct cast *c, const char *what)
{
	for (unsigned int n = 0; n < 2; n++) {
		EXPECT_TRUE(!c->signalled[n] ||
			    guest_takes(c->sh.vm, INTID(n), c->taken[n])) {
			TH_LOG("%s: an edge of LPI %u is lost", what, INTID(n));
		}
	}
	/* The leaver's: its process is gone. */
	source_open(LEAVER);
	if (!broker_loaded())
		undo_routes(c);
	EXPECT_PLACED("afterwards");
	EXPECT_EQ(0, sources_undelivered("afterwards"));
	EXPECT_TRUE(takes_signal(c->comer, c->comer_hand, INTID(COMER_HAND)));
	EXPECT_TRUE(takes_signal(c->comer, c->comer_signal, INTID(COMER_SIGNAL)));
}

FAILS_ON_STOCK("stuck.assigns_with_producer.others_go_on", "6.1 7.3");
FAILS_ON_STOCK("stuck.cold_deassigns_counted.others_go_on", "7.3");
VM_TEST_F(stuck, others_go_on, "H28 H46 P7")
{
	bool as_stock = del_takes_its_lock() && detaches_its_holder(variant);
	struct cast *c = &self->c;
	struct row *row;
	uint64_t end;

	get_stuck(c, variant->by, variant->cold);
	end = now_ms() + bound_ms();
	begin_all(self, variant);
	calls_await(self->call, self->nr_calls, end);
	calls_await(self->own, self->nr_own, end);
	row = write_row(self, variant->what);
	EXPECT_TRUE(row->itself != HANGS || as_stock) {
		TH_LOG("the stuck VM: %s: does not come back", variant->what);
	}
	for (unsigned int i = 0; i < self->nr_calls; i++) {
		EXPECT_TRUE(row->call[i] != HANGS || (as_stock && calls[i].waits_for_any_del)) {
			TH_LOG("one VM: %s; another one's %s hangs", variant->what, calls[i].name);
		}
	}

	vm_unstick(&c->stuck);
	calls_end(self->own, self->nr_own);
	calls_end(self->call, self->nr_calls);
	for (unsigned int i = 0; i < self->nr_own; i++)
		EXPECT_EQ(0, self->own[i].ret);
	for (unsigned int i = 0; i < self->nr_calls; i++) {
		EXPECT_EQ(0, self->call[i].ret) {
			TH_LOG("%s: %s", calls[i].name, strerror(-self->call[i].ret));
		}
	}
	expect_all_work(_metadata, c, variant->what);
}

/* ---- the thread that serves the faults ------------------------------------------------------- */

/*
 * A VMM serves its guest's page faults in the very thread that makes these calls: each comes back
 * by itself, so that the thread can. A second thread would give the page at the bound.
 */
FIXTURE(same_thread) {
	struct cast c;
	bool is_back;
	bool was_rescued;
};

FIXTURE_VARIANT(same_thread) {
	int (*deed)(void *arg);
};

FIXTURE_VARIANT_ADD(same_thread, assigns) {
	.deed = assigns,
};

FIXTURE_VARIANT_ADD(same_thread, assigns_with_producer) {
	.deed = assigns_with_producer,
};

FIXTURE_VARIANT_ADD(same_thread, reroutes) {
	.deed = reroutes,
};

FIXTURE_VARIANT_ADD(same_thread, detaches_waiter) {
	.deed = detaches_waiter,
};

FIXTURE_SETUP(same_thread)
{
	if (!can_stick(STUCK_BY_USERFAULTFD))
		SKIP(return, "no userfaultfd");
	new_stuck_vm(&self->c);
	ASSERT_EQ(0, sources_undelivered("at first"));
	source_drain(self->c.sh.src[2]);
}

FIXTURE_TEARDOWN(same_thread)
{
	sharers_free(&self->c.sh);
}

static int rescue(void *arg)
{
	FIXTURE_DATA(same_thread) *self = arg;
	uint64_t end = now_ms() + bound_ms();

	while (!__atomic_load_n(&self->is_back, __ATOMIC_ACQUIRE) && now_ms() < end)
		usleep(2000);
	self->was_rescued = !self->is_back;
	if (self->was_rescued)
		vm_give(&self->c.stuck);
	return 0;
}

FAILS_ON_STOCK("same_thread.detaches_waiter.gets_its_faults", "6.1 7.3");
VM_TEST_F(same_thread, gets_its_faults, "H28 P7")
{
	struct cast *c = &self->c;
	struct call second;
	uint64_t begin;

	get_stuck(c, STUCK_BY_USERFAULTFD, true);
	call_begin(&second, "rescue", rescue, self);
	begin = now_ms();
	EXPECT_EQ(0, variant->deed(c));
	note("it was back after %llu ms", (unsigned long long)(now_ms() - begin));
	__atomic_store_n(&self->is_back, true, __ATOMIC_RELEASE);
	calls_end(&second, 1);
	EXPECT_FALSE(self->was_rescued) {
		TH_LOG("it came back only when another thread had given the page");
	}
	vm_unstick(&c->stuck);
	EXPECT_TRUE(!c->signalled[0] || guest_takes(c->sh.vm, INTID(0), c->taken[0]));
	if (!broker_loaded())
		vm_route_msi(c->sh.vm, GSI(0), SHARED_DEVID, EVENT(0));
	EXPECT_PLACED("afterwards");
	EXPECT_EQ(0, sources_undelivered("afterwards"));
}

/* ---- the stuck VM's end ---------------------------------------------------------------------- */

FIXTURE(killed) {
	struct cast c;
	struct child victim;
};

static void live_and_get_stuck(void *arg)
{
	static struct call holder_leaves;
	static struct cast c;

	(void)arg;
	new_stuck_vm(&c);
	get_stuck(&c, STUCK_BY_USERFAULTFD, true);
	call_begin(&holder_leaves, "the holder leaves", detaches_holder, &c);
	call_await_sleep(&holder_leaves);
	child_ready();
	for (;;)
		pause();
}

FIXTURE_SETUP(killed)
{
	if (!can_stick(STUCK_BY_USERFAULTFD))
		SKIP(return, "no userfaultfd");
	child_start(&self->victim, live_and_get_stuck, NULL);
	child_wait_ready(&self->victim);
}

FIXTURE_TEARDOWN(killed)
{
	sharers_free(&self->c.sh);
}

static int kill_victim(void *arg)
{
	child_kill(arg);
	return 0;
}

/* The broker knows nothing of a VM: those of this process have ended, or have not begun. */
static bool is_forgotten(void)
{
	struct vlpi_broker_info info;

	broker_info(&info);
	return !info.nr_vms && !info.nr_clients && !info.nr_slots;
}

/* Its fault ends with it, and so does all that it held up. */
VM_TEST_F(killed, while_stuck, "H28 H46 P4 P7")
{
	struct call kill;

	call_begin(&kill, "the stuck VMM's end", kill_victim, &self->victim);
	calls_await(&kill, 1, now_ms() + bound_ms());
	ASSERT_TRUE(call_is_over(&kill)) {
		TH_LOG("a VMM that is stuck can't be killed");
	}
	calls_end(&kill, 1);
	if (broker_loaded())
		wait_for(is_forgotten(), "the broker forgets a VM that was killed");
	/* Its sources are no VM's, then a new VM's. */
	new_stuck_vm(&self->c);
	EXPECT_PLACED("a new VM has them");
	EXPECT_EQ(0, sources_undelivered("a new VM has them"));
}

int main(int argc, char **argv)
{
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (table == MAP_FAILED)
		die("no memory");
	/* The harness ends the program. */
	atexit(print_table);
	return run_tests(argc, argv);
}
