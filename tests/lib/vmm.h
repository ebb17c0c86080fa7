/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test VMM: a small KVM user with a vGICv3 and an ITS, VFIO devices as interrupt sources, and
 * the means to tell how an interrupt went.
 *
 * A section below is a file of lib/, from the bottom up: util.c has ends and waits, vm.c the VM as
 * its VMM sees it, guest_ops.c what its guest is told to do, source.c the devices that raise
 * interrupts, verdict.c how an interrupt went, module.c the module and its character device,
 * hooked.c what is redirected, sharers.c the scenario most tests begin with, child.c a VMM to be
 * killed, call.c calls that may not come back, page_file.c and stick.c a VM whose its_lock is held
 * for ever, cgroup.c groups of processes and what is done to them, pulse.c how long a call takes.
 *
 * What a test cannot go on without (a failed ioctl, a guest that has crashed, a wait that has
 * reached its bound) ends the test with a message, through die(); so these functions return
 * nothing.
 * What a test may want to fail has a name in try_ and returns 0 or a negative errno.
 *
 * One thread of the test calls all of this, apart from source_fire(), source_ack(), eventfd_kick(),
 * guest_takes(), vm_give() and the broker's ioctls, which any thread may call. What a struct call
 * does is its thread's: with a VM or a source that no other thread uses meanwhile.
 */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vlpi_broker.h>

#include "guest/mailbox.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#endif
#define __printf_like(f, a)	__attribute__((format(printf, f, a)))

/* ---- util.c: ends, waits, the host ---------------------------------------------------------- */

/* Ends this process as a failed test. A program that is no test may look at the message first. */
void die(const char *fmt, ...) __printf_like(1, 2) __attribute__((noreturn));
extern void (*die_hook)(const char *message);

/* "# ..." on stderr, with time since the start of the process. */
void note(const char *fmt, ...) __printf_like(1, 2);

/* For tests/run/faults-table: what was done to the module, and how often. */
void tried(unsigned int times, const char *what);

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);
uint64_t now_ms(void);

/* Is this a kernel of an older series? */
bool kernel_before(unsigned int major, unsigned int minor);
/* A vPE has had a doorbell of GICv4.1. */
bool host_has_gicv4_1(void);

/* A number from the environment. */
unsigned int env_number(const char *name, unsigned int otherwise);

/*
 * Every wait is for a condition and has a bound, in seconds: generous, because the CPUs are
 * emulated and shared. VLPI_TEST_BOUND changes it.
 */
unsigned int wait_bound(void);

struct wait {
	uint64_t end;
	unsigned int turns;
};

void wait_begin(struct wait *w);
/* A short pause; false when the bound is reached. */
bool wait_more(struct wait *w);

/* Waits until @cond is true, or dies saying what was waited for. */
#define wait_for(cond, ...)						\
	do {								\
		struct wait __w;					\
		wait_begin(&__w);					\
		while (!(cond))						\
			if (!wait_more(&__w))				\
				die("not within %u s: " wait_fmt(__VA_ARGS__), wait_bound() \
				    wait_args(__VA_ARGS__));		\
	} while (0)
#define wait_fmt(fmt, ...)	fmt
#define wait_args(fmt, ...)	, ##__VA_ARGS__

/*
 * Runs the calling thread once on every online host CPU, and @each there. An interrupt that was
 * pending at the call has reached its handler afterwards, whichever CPU it was aimed at.
 */
void visit_host_cpus(void (*each)(void *), void *arg);
unsigned int host_cpus(void);
/* Online or not: what the kernel has made room for. */
unsigned int possible_host_cpus(void);
/* From here on @thread runs on this host CPU alone. */
void run_on_cpu(pthread_t thread, unsigned int cpu);
/* Takes host CPU 1 offline, or back; nothing where there is but one. */
void second_cpu(bool online);

/* The sum of a host IRQ's handler counts, by the name of its action; -1 if there is none. */
long long host_irq_count(const char *name);
/* Its Linux IRQ number; -1 if there is none. */
int host_irq_number(const char *name);

/* A deterministic generator, so that a seed tells a whole run. */
struct rng {
	uint64_t state;
};

void rng_seed(struct rng *r, uint64_t seed);
uint32_t rng_below(struct rng *r, uint32_t bound);
void rng_shuffle(struct rng *r, unsigned int *array, unsigned int n);

/* Writes @text to a file of the kernel's: 0 or a negative errno. write_file() dies. */
int try_write_file(const char *path, const char *text);
void write_file(const char *path, const char *text);
/* The number that a file of the kernel's begins with. */
unsigned long long read_number(const char *path);
/* The line in a task's file below /proc, without its end; empty where the task is gone. */
void task_line(pid_t task, const char *file, char *line, size_t size);
#define TRACING			"/sys/kernel/tracing/"
/* @file: below TRACING. Dies if it cannot be written. */
void write_tracing(const char *file, const char *text);

/* The kernel log from the call of klog_open() on. */
int klog_open(void);
/* The next line with @text in it, to @line; false if there is none (yet). */
bool klog_next(int klog, const char *text, char *line, size_t size);
/* How many there are with @text, each told on stderr. */
unsigned int klog_count(int klog, const char *text);

/* Between these two P1 is not the broker's: tests/lab/its-replay excuses the stock kernel. */
#define LAB_MARK_STOCK		255
#define LAB_MARK_BROKER		254

/*
 * Marks a moment in the lab's trace of ITS commands: a write of @n to a register of the host bridge
 * that means nothing else. Does nothing where the host bridge is not the emulator's.
 */
void lab_mark(uint8_t n);
/* lab_mark(), and tells the lab how many events must be mapped to vLPIs there, by that trace. */
void lab_mark_mapped(uint8_t n, unsigned int mapped);

/* ---- vm.c: one virtual machine -------------------------------------------------------------- */

#define VM_MAX_GSIS		4096
#define VM_MAX_DEVICES		64

struct vm;

struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	bool stop;
	/* What the guest was told last: a masked vCPU takes no sentinel. */
	bool masked;
};

/* An EventID of a device that the guest has mapped: what a route to it must end in. */
struct its_event {
	uint32_t devid;
	uint32_t eventid;
	uint32_t intid;
	unsigned int collection;
	unsigned int vcpu;
};

struct vm {
	struct vm *next;
	const char *name;
	int fd;
	int vgic;
	int its;
	unsigned int nr_vcpus;
	struct vcpu vcpu[GUEST_MAX_VCPUS];
	void *ram;
	struct guest_shared *shared;
	bool gic_ready;
	char failed[160];

	struct kvm_irq_routing *routing;	/* capacity VM_MAX_GSIS */
	bool batch;
	struct its_event *events;
	unsigned int nr_events;
	unsigned int collection[GUEST_MAX_VCPUS];	/* the vCPU of each */
	uint32_t devices[VM_MAX_DEVICES];
	unsigned int nr_devices;
	uint64_t itt_next;

	/* An irqfd of our own, to an SPI: 1:1 and in software. Its GSI is above every other. */
	int sentinel;
};

/* All VMs of this process. */
extern struct vm *vms;

/* A running guest in its idle loop, with nothing of its GIC set up. */
struct vm *vm_new(const char *name, unsigned int vcpus);
/* A VM whose vGIC has no ITS, and one for it while the VM runs. */
struct vm *vm_new_without_its(const char *name, unsigned int vcpus);
void vm_add_its(struct vm *vm);
/* A VM that is to have no virtual SGIs (nASSGIcap cleared), as KVM lets a VMM do from 6.17. */
struct vm *vm_new_without_vsgis(const char *name, unsigned int vcpus);
void vm_free(struct vm *vm);

/* Dies if the guest or one of its vCPUs has come to an unexpected end. */
void vm_check(struct vm *vm);

/*
 * No vCPU runs from one to the other: what waits for a guest would die at its bound (guest_*(),
 * await_effects(), and so verdict_of(), EXPECT_SOURCES()). EXPECT_PLACED() does not.
 */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);

/*
 * What a VMM does to vCPUs, vGIC and ITS at a guest's reset. A real one deassigns the irqfds first
 * (its PCI devices are reset before): sources_deassign(). The guest's counters live on.
 */
void vm_reset(struct vm *vm);
/* The parts of vm_reset(), of a VM that is paused: vm_restart() runs the fresh guest. */
void vm_reset_vcpus(struct vm *vm);
void vm_reset_gic(struct vm *vm);
void vm_reset_its(struct vm *vm);
void vm_restart(struct vm *vm);
/* The ITS of a guest that goes on: it is off then, and knows no device, event or collection. */
void vm_reset_its_alone(struct vm *vm);

/* How often its vCPUs have left the guest. For the thread that has made the VM. */
uint64_t vm_exits(struct vm *vm);

/* The sentinel is an irqfd, and an irqfd keeps the module loaded. */
void vm_sentinel(struct vm *vm, bool on);

/* Routes of GSIs; each call replaces the VM's routing table. */
void vm_route_msi(struct vm *vm, uint32_t gsi, uint32_t devid, uint32_t eventid);
/* The same entry without the flag that says it has a DeviceID: it leads to no ITS. */
void vm_route_msi_without_devid(struct vm *vm, uint32_t gsi, uint32_t devid, uint32_t eventid);
void vm_route_pin(struct vm *vm, uint32_t gsi, uint32_t pin);
void vm_route_none(struct vm *vm, uint32_t gsi);
/* While on, routes are only noted; off, all of them take effect in one call. */
void vm_route_batch(struct vm *vm, bool on);

/* KVM_IRQFD and KVM_SIGNAL_MSI as they are. */
void vm_irqfd(struct vm *vm, int eventfd, uint32_t gsi, uint32_t flags);
int try_irqfd(struct vm *vm, int eventfd, uint32_t gsi, uint32_t flags);
int try_signal_msi(struct vm *vm, uint32_t devid, uint32_t eventid);
/* An eventfd that does not block. */
int eventfd_new(void);
void eventfd_kick(int eventfd);
void spi_set(struct vm *vm, uint32_t intid, bool level);

/* Maps device memory (a BAR) into the guest, as its device @n. Where that is. */
uint64_t vm_map_device(struct vm *vm, unsigned int n, void *bar, size_t size);

/* A failed KVM_SET_DEVICE_ATTR is what the message says. */
void device_attr(int fd, uint32_t group, uint64_t attr, const void *value, const char *what);

/* ---- guest_ops.c: what the guest is told to do ---------------------------------------------- */

/* Gives the command, rings the doorbell, waits for the answer; dies if the guest could not. */
uint64_t guest_do(struct vm *vm, unsigned int vcpu, enum guest_op op, uint64_t a0, uint64_t a1,
		  uint64_t a2, uint64_t a3, uint64_t a4);
/*
 * The second half of guest_do(): waits for the answer to what a function with "begin" in its name
 * has told the vCPU.
 */
uint64_t guest_answer(struct vm *vm, unsigned int vcpu);
/* A round trip through the idle loop of each vCPU: what was pending before has been taken. */
void guest_round_trip(struct vm *vm);

/* guest_init_gic() alone is firmware: interrupts are on, LPIs are not. */
void guest_init_gic(struct vm *vm);
void guest_lpis(struct vm *vm, unsigned int vcpu, bool on);
void guest_init_its(struct vm *vm);
/* All of the above, for all vCPUs, one collection each. */
void guest_boot(struct vm *vm);
void guest_its(struct vm *vm, bool on);

/* One event: MAPD for a new device, the LPI enabled, MAPTI to the collection of this number. */
void guest_map(struct vm *vm, uint32_t devid, uint32_t eventid, uint32_t intid, unsigned int vcpu);
void guest_discard(struct vm *vm, uint32_t devid, uint32_t eventid);
void guest_move(struct vm *vm, uint32_t devid, uint32_t eventid, unsigned int vcpu);
void guest_move_all(struct vm *vm, unsigned int from, unsigned int to);
/* The collection of a vCPU. Taking it away takes away what leads to it. */
void guest_mapc(struct vm *vm, unsigned int vcpu, bool valid);
/* Valid for a device that is mapped: its events are gone. */
void guest_mapd(struct vm *vm, uint32_t devid, bool valid);
/* There are as many collections as vCPUs, each with a number; its events go to @vcpu. */
void guest_map_collection(struct vm *vm, unsigned int collection, unsigned int vcpu);
void guest_clear(struct vm *vm, uint32_t devid, uint32_t eventid);
void guest_int(struct vm *vm, uint32_t devid, uint32_t eventid);
void guest_inv(struct vm *vm, uint32_t devid, uint32_t eventid);
/* Without waiting for vCPU 0's answer. */
void guest_begin_inv(struct vm *vm, uint32_t devid, uint32_t eventid);
/*
 * What a guest does without an end: vCPU 0 takes no other command and no interrupt from then on,
 * and the VMM is to be killed. The command queue is full of these commands, over and over: @nr and
 * @at_once divide GUEST_CMDS. Each write of the guest's has the ITS run so many @at_once.
 */
#define GUEST_CMDS		(GUEST_CMD_QUEUE_SIZE / sizeof(struct its_cmd))
struct its_cmd {
	uint64_t word[4];
};

/* All of collection 0, whose vCPU is 0. */
struct its_cmd its_cmd_mapti(uint32_t devid, uint32_t eventid, uint32_t intid);
struct its_cmd its_cmd_discard(uint32_t devid, uint32_t eventid);
struct its_cmd its_cmd_mapc(bool valid);
/* The events of a device that is mapped already are gone. */
struct its_cmd its_cmd_mapd(uint32_t devid);
void guest_begin_cmds(struct vm *vm, const struct its_cmd *cmds, unsigned int nr,
		      unsigned int at_once);
void guest_begin_its_off_and_on(struct vm *vm);
/* How often it has written to its ITS since then. */
uint64_t guest_writes(struct vm *vm);
/*
 * vCPU 0 writes to a register of a device of its own GUEST_FIRES times, and takes @intid after each
 * (0: and nothing comes of it). Its mailbox has the times.
 */
void guest_fire(struct vm *vm, uint64_t reg, uint32_t value, uint32_t intid);
/* Property byte, and INV for each event that ends in this LPI. */
void guest_enable(struct vm *vm, uint32_t intid, bool on);
void guest_mask(struct vm *vm, unsigned int vcpu, bool masked);
void guest_idle(struct vm *vm, unsigned int vcpu, enum guest_idle idle);

/* Interrupts taken, by all vCPUs or one. */
uint64_t guest_count(struct vm *vm, uint32_t intid);
uint64_t guest_count_on(struct vm *vm, unsigned int vcpu, uint32_t intid);
/* LPIs of any number. */
uint64_t guest_lpi_count(struct vm *vm);
/* Waits until the count of @intid is above @before; dies, or returns false, where it does not. */
void guest_wait_irq(struct vm *vm, uint32_t intid, uint64_t before, const char *why);
bool guest_takes(struct vm *vm, uint32_t intid, uint64_t before);

struct its_event *vm_its_event(struct vm *vm, uint32_t devid, uint32_t eventid);

/* ---- source.c: VFIO devices that raise interrupts ------------------------------------------- */

struct source {
	char bdf[16];
	int group;
	int device;
	volatile uint32_t *bar;
	size_t bar_size;
	int eventfd;
	bool igb;
	bool of_many;		/* one of several vectors of a function: this one */
	unsigned int vector;
	unsigned int irq_index;	/* VFIO's, of these */
	int raise;		/* where the ITS is told to raise it, or -1 */
	bool vectors;
	char irq_name[40];	/* in /proc/interrupts */
	uint64_t fires;
	/* What sources_wrong() saw of it last: an enum verdict. */
	unsigned int last;
	/* Assigned to, or NULL. */
	struct vm *vm;
	uint32_t gsi;
};

/* How many there are in this machine. */
unsigned int sources_available(void);
/* The n-th one, with its vector on, assigned to nothing. */
struct source *source_open(unsigned int n);
void source_close(struct source *s);

/* Vectors 0 to nr - 1 of the machine's igb function, if it has one: events of one device. */
#define MAX_VECTORS		8
bool igb_available(void);
void igb_open(struct source **src, unsigned int nr);
void igb_close(struct source **src, unsigned int nr);

/*
 * The first MSI-X vectors, or MSIs, of any function that is bound to vfio-pci. The ITS raises them:
 * the module of tools/selftest is to be loaded for that function. Nothing else is done to it.
 */
void function_open(struct source **src, unsigned int nr, const char *bdf);
/* How many it has. */
unsigned int function_vectors(const char *bdf);

/* Where a device of edu's raises its MSI, in its BAR. */
#define EDU_RAISE		0x60
/* One edge; and what the device wants before its next one. verdict_of() does both. */
void source_fire(struct source *s);
void source_ack(struct source *s);
/* VFIO_DEVICE_SET_IRQS: the host IRQ is requested, or freed. The eventfd stays. */
void source_vectors(struct source *s, bool on);
int try_source_vectors(struct source *s, bool on);
/* The vector stays: its host IRQ is there, and requested or not. Not for an igb. */
int try_source_trigger(struct source *s, bool on);
/* The number of its eventfd is that of another eventfd by now: VFIO takes it, the vectors stay. */
void source_rearm(struct source *s);
/* What is in the eventfd is taken out: an irqfd assigned later does not start with it. */
uint64_t source_drain(struct source *s);
int source_host_irq(struct source *s);

void source_assign(struct source *s, struct vm *vm, uint32_t gsi);
void source_deassign(struct source *s);
int try_source_assign(struct source *s, struct vm *vm, uint32_t gsi);
/* As a VMM before a guest's reset: every source of the VM. */
void sources_deassign(struct vm *vm);
/* Every open source of this process, for a look at all of them; some are NULL. */
#define MAX_SOURCES		64
struct source *source_at(unsigned int i);

/* Fires sources in turn, as fast as it can, on a thread of its own. */
struct firing {
	pthread_t thread;
	bool stop;
	struct source **src;
	unsigned int nr;
	uint64_t rounds;
};

void firing_start(struct firing *f, struct source **src, unsigned int nr);
void firing_stop(struct firing *f);

/* ---- verdict.c: how an interrupt went ------------------------------------------------------- */

enum verdict {
	DIRECT = 1 << 0,	/* the guest took it, the host's handler did not run */
	SOFTWARE = 1 << 1,	/* both */
	HOST = 1 << 2,		/* only the host's handler */
	LOST = 1 << 3,		/* neither; also what is pending in a guest that cannot take it */
	/* The guest took another INTID, on another vCPU, or of a source assigned to nothing. */
	STRAY = 1 << 4,
	DELIVERED = DIRECT | SOFTWARE,
	ANY = 31,
};

const char *verdict_name(enum verdict v);

/*
 * Everything that was raised before has had its effect: on every host CPU the interrupts are taken,
 * the work they queued has begun, and every guest took what was pending for it.
 */
void await_effects(void);

/*
 * Fires @s and says what became of it. Waits up to the bound for a verdict in @want, and no longer
 * than the effects take when it is already there. With ANY, it waits as long as await_effects()
 * does, and a little more for a software interrupt. verdict_detail(): more words about the latest.
 */
enum verdict verdict_of(struct source *s, enum verdict want);
const char *verdict_detail(void);

/*
 * Fires every open source of this process. Those whose route leads to a mapped event or a pin must
 * be delivered there, and of those that end in one vLPI exactly one must be DIRECT; the others
 * must be HOST, or LOST with their vectors off. With the broker loaded its dump must say so too.
 * Returns the number of things that were otherwise, each told on stderr with @when.
 */
unsigned int sources_wrong(const char *when);

#define EXPECT_SOURCES(...)						\
	do {								\
		char __when[96];					\
									\
		snprintf(__when, sizeof(__when), __VA_ARGS__);		\
		EXPECT_EQ(0, sources_wrong(__when)) {			\
			TH_LOG("wrong: %s (see above)", __when);	\
		}							\
	} while (0)

/*
 * What every kernel owes: fires every open source that has its vectors on, once, one after the
 * other. Those whose route leads somewhere must arrive there, the others at their host handler
 * alone, and the guests take no more than that. It does not tell DIRECT from SOFTWARE, and takes a
 * tenth of the time of sources_wrong().
 */
unsigned int sources_undelivered(const char *when);

/*
 * Waits until the broker says, with no interrupt raised for it, that every assigned source is where
 * its route leads, and that each vLPI has its one holder. Without the module it has nothing to say.
 * False at the bound, with what is still wrong told on stderr.
 */
bool sources_placed(const char *when);

#define EXPECT_PLACED(...)						\
	do {								\
		char __when[96];					\
									\
		snprintf(__when, sizeof(__when), __VA_ARGS__);		\
		EXPECT_TRUE(sources_placed(__when)) {			\
			TH_LOG("not in its place by itself: %s (see above)", __when); \
		}							\
	} while (0)

/*
 * Everything is in its place by itself, and then as it is raised; ends the test where it is not,
 * since the rest of it would only tell that again, a bound at a time.
 */
#define ASSERT_SOURCES(...)						\
	do {								\
		char __when[96];					\
									\
		snprintf(__when, sizeof(__when), __VA_ARGS__);		\
		ASSERT_TRUE(sources_placed(__when)) {			\
			TH_LOG("not in its place by itself: %s (see above)", __when); \
		}							\
		ASSERT_EQ(0, sources_wrong(__when)) {			\
			TH_LOG("wrong: %s (see above)", __when);	\
		}							\
	} while (0)

#define EXPECT_VERDICT(s, want)						\
	do {								\
		struct source *__s = (s);				\
		enum verdict __want = (want), __got = verdict_of(__s, __want); \
									\
		EXPECT_TRUE(__got & __want) {				\
			TH_LOG("%s: %s, not %s (%s)", __s->bdf, verdict_name(__got), \
			       verdict_name(__want), verdict_detail());	\
		}							\
	} while (0)

/* ---- module.c: the module, if it is there --------------------------------------------------- */

#define BROKER_DEVICE		"/dev/vlpi_broker"

bool broker_loaded(void);
/* Has this machine the module? */
bool broker_built(void);
/* 0 or a negative errno of finit_module(); -ENOENT where this machine has no such module. */
int broker_load(void);
/*
 * broker_load() in three steps: the first has all that the second needs, which is finit_module()
 * alone; the third marks the trace of ITS commands if the module is loaded now.
 */
struct broker_file {
	int fd;
	char params[256];
};

int broker_file_open(struct broker_file *file);
int broker_file_load(const struct broker_file *file);
void broker_file_close(struct broker_file *file);
/* 0 or a negative errno of delete_module(); -EWOULDBLOCK while it is in use. */
int broker_unload(void);
/* Both die if it cannot be done: for the tests that are about a loaded, or an absent, module. */
void broker_want(bool loaded);

/*
 * The kernel modules of tests/lab/modules, in a machine that has them. Loading is 0 or a negative
 * errno, -ENOENT where it was not built; one that a test that died has left behind will do.
 */
bool helper_built(const char *name);
/* Why a test that wants one is skipped. */
#define NO_HELPER(name)		"no " name ".ko: tests/lab/run --helpers builds it where Debian " \
				"has the kernel's headers"
int helper_load(const char *name, const char *params);
/* A parameter of one that is loaded. */
int helper_number(const char *name, const char *param);
void helper_unload(const char *name);

void broker_info(struct vlpi_broker_info *info);
/* All clients, of one moment; to be freed. */
struct vlpi_broker_client *broker_dump(unsigned int *nr);
/* The client of a source, or of a host IRQ; false if there is none. */
bool broker_client(struct source *s, struct vlpi_broker_client *client);
bool broker_client_of_irq(int irq, struct vlpi_broker_client *client);
bool broker_holds(struct source *s);
/* Slots with more than one holder. With @quiescent also those of several producers with none. */
unsigned int broker_bad_slots(bool quiescent);
const char *broker_state_name(uint32_t state);

/* A thread that looks at the broker's books all the time, if it is loaded: never two holders. */
struct looking {
	pthread_t thread;
	bool stop;
	bool on;
	unsigned int looks;
	unsigned int bad;
};

void looking_start(struct looking *l);
/* May be called again, and of one that never began if it is zero. */
void looking_stop(struct looking *l);

/* ---- hooked.c: which kernel functions are redirected ----------------------------------------- */

#define MAX_HOOKED		32
#define HOOKED_NAME		64

struct hooked {
	char name[MAX_HOOKED][HOOKED_NAME];
	unsigned int nr;
};

/* By this module or another one, or a live patch. */
void hooked_find(struct hooked *h);
/* -1 if it is not among them. */
int hooked_index(const struct hooked *h, const char *name);

/* ---- sharers.c: the scenario most tests begin with ------------------------------------------ */

#define MAX_SHARERS		6
#define SHARED_DEVID		8
#define SHARED_EVENT		1
#define SHARED_INTID		8200
#define SHARED_GSI		32	/* and up, one a source */

/*
 * A guest that has booted, and @nr sources whose GSIs all route to one event: what a guest
 * does that gives one vector to several queues.
 */
struct sharers {
	struct vm *vm;
	unsigned int nr;
	bool one_gsi;		/* all through SHARED_GSI: set it before assigning */
	struct source *src[MAX_SHARERS];
};

/* Sources first .. first + nr - 1 of this machine, all assigned. */
void sharers_new(struct sharers *sh, const char *name, unsigned int first, unsigned int nr);
/* The first @nr sources, and a VM with two vCPUs; the event goes to the first. */
void sharers_new_two_vcpus(struct sharers *sh, const char *name, unsigned int nr);
/* In parts: the VM with its routes, and nothing assigned. */
void sharers_prepare(struct sharers *sh, const char *name, unsigned int first, unsigned int nr);
/* The sources alone, with routes in a VM that is there. */
void sharers_open(struct sharers *sh, unsigned int first, unsigned int nr);
void sharers_map(struct sharers *sh);
/* The routes as sharers_prepare() has made them, in one call. */
void sharers_route_all(struct sharers *sh);
void sharers_assign(struct sharers *sh, unsigned int i);
void sharers_assign_all(struct sharers *sh);
void sharers_deassign_all(struct sharers *sh);
void sharers_free(struct sharers *sh);

/* The one that sources_wrong() saw DIRECT, or -1. */
int sharers_holder(struct sharers *sh);
/* guest_count() and guest_takes() of the shared LPI. */
uint64_t sharers_count(struct sharers *sh);
bool sharers_takes(struct sharers *sh, uint64_t before);

/* ---- child.c: a VMM in a process of its own, to be killed ----------------------------------- */

struct child {
	pid_t pid;
	int ready;
};

/* Runs @fn in a new process; it calls child_ready() when it has got where it is to be killed. */
void child_start(struct child *c, void (*fn)(void *arg), void *arg);
void child_ready(void);
void child_wait_ready(struct child *c);
/* SIGKILL, and waits for the end. */
void child_kill(struct child *c);

/* ---- call.c: calls that may not come back ---------------------------------------------------- */

struct call {
	const char *name;
	/* Returns 0 or a negative errno. */
	int (*fn)(void *arg);
	void *arg;
	pthread_t thread;
	pid_t tid;
	bool over;
	int ret;
	/* now_ms() at its begin, and how long it has taken when it is over. */
	uint64_t begun;
	uint64_t ms;
};

/* @fn, on a thread of its own. */
void call_begin(struct call *c, const char *name, int (*fn)(void *arg), void *arg);
bool call_is_over(struct call *c);
/* Has its thread slept for a while, without a look around? This takes as long. */
bool call_sleeps(struct call *c);
/* Waits until it is over, or its thread sleeps: what it waits for may never come. */
void call_await_sleep(struct call *c);
/* Waits until all @nr of them are over, or now_ms() is at @end. */
void calls_await(struct call *c, unsigned int nr, uint64_t end);
/* Waits until they are over, and dies at the bound. */
void calls_end(struct call *c, unsigned int nr);

/* ---- page_file.c: a file of one page, whose server may pause --------------------------------- */

struct page_file {
	char path[40];
	int dev;
	int fd;
	const void *page;
	size_t size;
	pthread_t server;
	bool served;
	bool pause;
};

/* Has this machine FUSE? */
bool page_file_possible(void);
/* @page: what is in it, for as long as the file is open. It is served until it is told not to be. */
void page_file_open(struct page_file *f, const void *page, size_t size);
void page_file_serve(struct page_file *f, bool on);
/* Does a reader wait, of a file that is not served? */
bool page_file_is_awaited(struct page_file *f);
/* Not while it is mapped. */
void page_file_close(struct page_file *f);

/* ---- stick.c: a VM whose its_lock is held for ever ------------------------------------------- */

enum stuck_by {
	STUCK_BY_USERFAULTFD,
	STUCK_BY_FILE,
};

struct stuck {
	struct vm *vm;
	enum stuck_by by;
	char *page;
	size_t size;
	char *content;
	int uffd;
	struct page_file file;
	bool given;
};

/* Has this machine what it takes? */
bool can_stick(enum stuck_by by);
/*
 * The guest does an INV of this event of its, and KVM faults on the page of the LPI's property byte
 * with the VM's its_lock held. vCPU 0 is in the kernel from then on, so nothing may wait for this
 * guest (guest_*(), await_effects(), EXPECT_SOURCES()), nor stop it.
 */
void vm_stick(struct stuck *s, struct vm *vm, enum stuck_by by, uint32_t devid, uint32_t eventid);
/* The VMM gives the page; twice is once. */
void vm_give(struct stuck *s);
/* vm_give(), and waits until the guest goes on. */
void vm_unstick(struct stuck *s);

/* ---- cgroup.c: control groups, of version 2 -------------------------------------------------- */

/* A group is named by its path in the hierarchy, "/vmm/vcpus"; "" is the root. It may be there. */
void cgroup_make(const char *group);
/* 0 or a negative errno: -EBUSY while there is a task in it. */
int try_cgroup_remove(const char *group);
/* Has this kernel the file? */
bool cgroup_has(const char *group, const char *file);
void cgroup_set(const char *group, const char *file, const char *value);
/* With all its threads; or one thread, between threaded groups below one that its process is in. */
void cgroup_join(const char *group, pid_t pid);
void cgroup_join_thread(const char *group, pid_t tid);
/* This process goes into a new group below the root, with a controller, "+memory"; and out of it. */
void cgroup_enter(const char *group, const char *controller);
void cgroup_leave(const char *group);
/* What cgroup.events says: "populated", "frozen". */
bool cgroup_event(const char *group, const char *event);
/* Tells which processes are in it. */
void cgroup_show(const char *group);

/* ---- pulse.c: how long a call takes ---------------------------------------------------------- */

/*
 * For tests that hold a time against a limit: without the times when the whole machine stood still,
 * as an emulated one does when its own host is suspended. A thread of real-time priority wakes
 * every few ms, from the start to the stop; when it is late by half a second, so was all else.
 */
struct pulse {
	pthread_t thread;
	bool stop;
	uint64_t last;
	uint64_t missed;
};

void pulse_start(struct pulse *p);
void pulse_stop(struct pulse *p);
/* A moment, and how many ns have passed since then. */
uint64_t pulse_now(struct pulse *p);
uint64_t pulse_since(struct pulse *p, uint64_t then);

#endif /* VMM_H */
