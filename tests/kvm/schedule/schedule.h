/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of schedule share. model.c says what has to be true; step.c does one thing to the
 * VM of this process, and to the model; vmms.c has the processes of the two VMs; op.c makes
 * operations of a seed, and steps of operations; check.c compares the model with what is.
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "vmm.h"

#define NR_SOURCES	8
#define NR_SHARED	6	/* the others are the child's */
#define NR_EVENTS	4
#define NR_LPIS		4
#define NR_VCPUS	2
/* One more interrupt of a VM: where a route to a pin leads. */
#define PIN		NR_LPIS
#define NR_INTS		(NR_LPIS + 1)
#define NOWHERE		(-1)

#define FIRST_INTID	8200
#define PIN_INTID	34
#define FIRST_GSI	32
#define FIRST_DEVID	8
#define EVENTS_A_DEVICE	2

#define HISTORY		30

/* ---- model.c: what has to be true ------------------------------------------------------------ */

enum side { A, B, NR_VMS, NO_VM = -1 };

struct model_source {
	enum side vm;		/* assigned to */
	bool vectors;
	bool unread;		/* raised while assigned to nothing: in its eventfd */
	char irq_name[40];
	/* Of the last check. */
	bool taken;
	long long handled;
};

enum route { ROUTE_NOTHING, ROUTE_PIN, ROUTE_EVENT };

struct model_vm {
	pid_t pid;
	struct {
		enum route to;
		unsigned int event;
	} route[NR_SOURCES];
	struct {
		bool mapped;
		unsigned int lpi;
		unsigned int vcpu;
	} event[NR_EVENTS];
	struct {
		bool enabled;
		unsigned int vcpu;
		/* An edge that the guest has yet to take: the interrupts taken before it. */
		bool owed;
		uint64_t before;
		unsigned int owed_since;
		unsigned int owed_by;
	} lpi[NR_INTS];
	bool masked[NR_VCPUS];
	/* The ITS or a vCPU's LPIs are off: what is raised now need not arrive. */
	bool limbo;
};

/*
 * In shared memory: the process that does a step notes what it did. One process does one step at a
 * time.
 */
struct model {
	struct model_source src[NR_SOURCES];
	struct model_vm vm[NR_VMS];
	bool aliases;		/* this KVM maps two events to one LPI */
	unsigned int op;
	unsigned int woken;
	char history[HISTORY][120];
};

extern struct model *m;

/* Always false: what went wrong is told, and the schedule is over. */
bool failed(const char *fmt, ...) __printf_like(1, 2);

unsigned int intid_of(unsigned int lpi);
uint32_t devid_of(unsigned int event);
uint32_t eventid_of(unsigned int event);
/* Whose process opened a source: it alone switches its vector, and it dies with that process. */
enum side owner(unsigned int s);
/* Where the route of a source leads in a VM, and where an interrupt of it ends now; or NOWHERE. */
int leads_to(const struct model_vm *vm, unsigned int s);
int ends_in(unsigned int s);
bool ends_in_lpi(unsigned int s);
/* The first source that ends in an LPI stands for all that do. */
bool is_first(unsigned int s);
bool is_mapped(const struct model_vm *vm, unsigned int lpi);
bool can_take(const struct model_vm *vm, unsigned int lpi);
void owe(struct model_vm *vm, unsigned int lpi, uint64_t before, unsigned int s);
void reset_model_vm(struct model_vm *vm);

/* ---- step.c: what one process does to its VM ------------------------------------------------- */

enum step_kind {
	ASSIGN, DEASSIGN, FIRE, ROUTE, DISCARD, MAPTI, MAPD, MOVI, ENABLE, MASK, LPIS, ITS, VECTORS,
	CALM, CHECK_BEGIN, CHECK_FIRE, CHECK_END, FIRE_ON, QUIT,
};

struct step {
	enum step_kind kind;
	unsigned int a;
	unsigned int b;
	unsigned int c;
	/* A source that fires at the same time, or NOWHERE; and how early. */
	int racer;
	unsigned int yields;
};

/* Of this process. */
extern enum side me;
extern struct vm *vm;
extern struct source *src[NR_SOURCES];

struct model_vm *mine(void);
void do_route(unsigned int s, enum route to, unsigned int event);
void do_fire(unsigned int mask);
/* Does the guest take an interrupt more than @before? Waits for it. */
bool takes(unsigned int lpi, uint64_t before);
bool do_step(const struct step *st);

/* ---- vmms.c: the processes of the two VMs ---------------------------------------------------- */

void boot_vm(const char *name);
void open_source(unsigned int s);
/* VM B: its process, and all that it has, comes; or is killed. */
void child_begin(void);
void child_end(void);
/* One step, with no racer, by the process of that VM. */
bool step_in(enum side side, struct step st);
#define STEP(side, ...)		step_in(side, (struct step){ __VA_ARGS__, .racer = NOWHERE })

/* ---- check.c: the model and what is ---------------------------------------------------------- */

/* Three steps of a check, of which each process does those of its VM. */
void do_check_begin(void);
bool do_check_fire(void);
bool do_check_end(void);
bool check(void);

/* ---- op.c: operations ------------------------------------------------------------------------ */

enum op_kind {
	OP_FIRE, OP_BURST, OP_ASSIGN, OP_DEASSIGN, OP_MOVE, OP_ROUTE, OP_ROUTE_NOTHING,
	OP_ROUTE_PIN, OP_DISCARD, OP_MAPTI, OP_MOVI, OP_VECTORS, OP_MASK, OP_ENABLE, OP_MAPD,
	OP_LPIS, OP_ITS, OP_KILL, NR_OP_KINDS,
};

/* What a seed says, whatever the state: each kind makes of it what it can. */
struct op {
	enum op_kind kind;
	enum side vm;
	unsigned int s;
	unsigned int event;
	unsigned int x;
	unsigned int y;
	unsigned int mask;
	int racer;
	unsigned int yields;
};

struct op draw(struct rng *rng);
bool do_op(const struct op *op);
/* Adds to the line of this operation in the history. */
void remember(const char *fmt, ...) __printf_like(1, 2);

#endif /* SCHEDULE_H */
