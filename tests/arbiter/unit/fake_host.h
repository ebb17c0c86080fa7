/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host for the arbiter: VMs, irqfds, host IRQs, a KVM and an irqchip that do what the real ones
 * do, as far as the arbiter can tell, and the work item of each VM, which settles it. Each step of
 * a test is one function here; after each of them the promises are checked, see fake_check().
 * "Event" and "map" here are the guest's: an EventID, and MAPTI.
 *
 * The arbiter only books. What follows from it is done by look() and settle(), and what happens on
 * another CPU while they do it, by host.at[].
 */
#ifndef UNIT_FAKE_HOST_H
#define UNIT_FAKE_HOST_H

#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "broker.h"

#define LPI		8192U	/* the first */
#define NR_LPIS		8
#define NR_EVENTS	8
#define NR_VMS		3
#define NR_IRQS		24	/* host IRQs 0 (never used) to 23 */
#define NR_IRQFDS	24

/* What KVM believes of an LPI of a VM, and what is owed to it. */
struct fake_lpi {
	bool hw;
	u32 host_irq;
	/* Edges that the guest has not taken: the hardware's, which a DISCARD drops, and KVM's. */
	bool direct;
	bool soft;
	bool owed;			/* an edge came for it that may not be lost */
	bool signalled;			/* so did a signal of an irqfd that has gone since */
	/*
	 * Each map and each unmap drops an edge that is pending: a raise is due, after the last of
	 * them. Where KVM unmaps by itself, the guest had it do so.
	 */
	bool raise_due;
};

/* The broker's record of a VM. */
struct fake_book {
	struct vb_vm book;
	struct fake_vm *vm;
	struct rcu_head rcu;
	unsigned int refs;
	bool to_take;			/* its irqfds are not taken over yet: nothing is done */
	bool queued;			/* its work item */
	const void *runs_on;		/* the CPU on which that runs, or NULL */
	u64 change_ms;
	bool blocked;			/* its_lock was taken when it ran last */
	bool poor;			/* there was no credit */
	bool timer;			/* it comes back by itself, */
	u64 timer_ms;			/* then */
	u64 again_at;			/* what was turned down is tried again then, or 0 */
	unsigned int blocked_ms;
	unsigned int again_ms;
	u64 again_booked;
};

struct fake_vm {
	char letter;
	struct mutex its_lock;
	raw_spinlock_t irq_lock;
	bool stuck;			/* KVM has its_lock, and faults on guest memory */
	bool its_off;
	u32 event[NR_EVENTS];		/* LPI that the guest has mapped the event to, or 0 */
	struct fake_lpi lpi[NR_LPIS];
	struct fake_book *book;		/* or NULL */
	const void *target;		/* the vPE that its LPIs are for */
	unsigned int raises_allowed;	/* for maps and unmaps: one for each */
	unsigned int pins;		/* references to KVM's VM */
	unsigned int wakeups;		/* of its irqfds that are under way */
	bool adding;			/* KVM's add is to have its_lock next */
	bool halted;
	unsigned int halts;
};

/* A host IRQ as the hardware has it. */
struct fake_irq {
	bool forwarded;
	struct fake_vm *vm;
	u32 vintid;
	const void *target;
	bool fired;			/* and no CPU has taken it yet; a DISCARD drops that too */
	bool to_be_aimed;		/* unmapped; its CPU may be offline */
	bool stray;			/* forwarded before the module was loaded, or foreign */
	int refuse;			/* errno with which the irqchip turns it down */
};

#define NOT_MSI		(-1)		/* a route to an irqchip pin, or to nothing */
#define NEVER_SEEN	(-2)

struct fake_irqfd {
	struct vb_client client;
	struct rcu_head rcu;
	u32 index;			/* in host.irqfd */
	struct fake_vm *vm;
	struct fake_book *book;
	int event;			/* its route, or NOT_MSI */
	int seen_event;			/* the event that it was last resolved for */
	int granted_event;
	u32 host_irq;			/* of its producer, or 0 */
	unsigned int connects;		/* how often it had one */
	bool leaving;
	bool ending;			/* deassign() waits for its producer to leave */
	bool is_mapped;			/* what broker_del_begin() said */
	u32 edge;			/* vINTID of a signal that has not been raised yet */
};

/* A moment of a step or of a call of KVM's, at which another CPU may do something. */
enum moment {
	BEFORE_LOOK,			/* broker_next() has said so, and nothing is done yet */
	BEFORE_GRANT,
	BEFORE_REVOKE,
	BEFORE_AIM,
	BEFORE_RAISE,
	AFTER_LOOK,			/* it is done, and broker_done() is not called yet */
	AFTER_GRANT,
	AFTER_REVOKE,
	AFTER_AIM,
	AFTER_RAISE,
	BEFORE_ADD,			/* the grant was found possible; KVM's add comes next */
	/* With KVM's its_lock and irq_lock held: */
	BEFORE_GATE,
	PAST_GATE,			/* and the irqchip has not mapped yet */
	MAPPED,				/* and KVM has not marked it yet */
	WATCHED,			/* the watch has told; the irqchip has not unmapped yet */
	UNMAPPED,			/* and the watch has not told that it ends */
	/* With irqbypass's mutex held: */
	DELETED,			/* what leaves is unmapped; broker_del_end() comes next */
	/* With the raise lock held: */
	WHILE_RAISING,
	NR_MOMENTS
};

struct fake_host {
	struct fake_vm vm[NR_VMS];
	struct fake_irq irq[NR_IRQS];
	struct fake_irqfd *irqfd[NR_IRQFDS];
	u64 ms;				/* the time */

	/* Which KVM it is. */
	bool maps_again;		/* up to 6.1: add maps whatever KVM believes */
	bool unset_by_route;		/* up to 6.12: what KVM marks is its_lock's */
	bool revoke_does_nothing;	/* 6.16, 6.17 */
	/* Host IRQs of one device, which the irqchip maps to one VM at a time; 0: one each. */
	unsigned int irqs_per_device;

	void (*at[NR_MOMENTS])(void);	/* each is called once */
	enum moment moment;		/* at which the last one was */

	/* VMs are there before the module; see take_over(). */
	bool loading;

	/* Its producer is leaving, with irqbypass's mutex held, until del_ends(). */
	struct fake_irqfd *deleting;
	const void *deleter;		/* the CPU on which del_ends() runs, or NULL */

	unsigned int kicks;
	unsigned int nr_books, nr_proxies;
	u64 maps;			/* that the irqchip has done */
	char did[1024];			/* since fake_did() was last asked */
	char traced[1024];
};

extern struct fake_host host;

static inline struct fake_lpi *lpi_of(struct fake_vm *vm, u32 vintid)
{
	return &vm->lpi[vintid - LPI];
}

struct fake_irqfd *next_irqfd(struct fake_irqfd *last);

/* In the order of their places. */
#define for_each_irqfd(pos) \
	for (pos = next_irqfd(NULL); pos; pos = next_irqfd(pos))

/* KVM_IRQFD, VFIO, and their ends. */
struct fake_irqfd *assign(struct fake_vm *vm, int event);
void add_producer(struct fake_irqfd *irqfd, u32 host_irq);
void del_producer(struct fake_irqfd *irqfd);	/* del_begins(), and del_ends() if it can */
void del_begins(struct fake_irqfd *irqfd);
bool del_can_end(void);				/* it would not have to wait */
void del_ends(void);
void leave(struct fake_irqfd *irqfd);		/* KVM has taken it off its list */
void deassign(struct fake_irqfd *irqfd);	/* with del_producer() and leave() where due */
struct fake_irqfd *source(struct fake_vm *vm, int event, u32 host_irq);	/* the first two */
bool irqbypass_is_free(void);

/* The VMM and the guest; each tells the arbiter, who looks in look() or settle(). */
void route(struct fake_irqfd *irqfd, int event);
void guest_maps(struct fake_vm *vm, int event, u32 vintid);
void guest_discards(struct fake_vm *vm, int event);
void guest_moves(struct fake_vm *vm, u32 vintid);	/* to another vPE */
void guest_takes(struct fake_vm *vm, u32 vintid);	/* the edges that are pending */
void its_on(struct fake_vm *vm, bool on);
void kvm_unmaps(u32 host_irq);			/* by itself; it is forwarded */
/* Somebody else has KVM forward a host IRQ to the LPI of an event, and take it back. */
int foreign_maps(struct fake_vm *vm, int event, u32 host_irq);
void foreign_unmaps(u32 host_irq);
void get_stuck(struct fake_vm *vm, bool on);
bool its_lock_is_free(struct fake_vm *vm);
void vm_is_told(struct fake_vm *vm);		/* that its tables may have changed */
void time_passes(unsigned int ms);		/* no work item runs meanwhile */

/* The work items that are queued run once; and run until there is nothing to do but to wait. */
void look(void);
void look_at(struct fake_vm *vm);
void tick(void);				/* the time goes on to the next that comes back */
void settle(void);
void take_over(void);				/* all VMs, and no more is loading */
bool is_quiet(struct fake_vm *vm);		/* nothing is to be done for it */

/*
 * Edges, and fallback.c. A host IRQ that is not forwarded waits for a CPU, whose handler signals
 * the eventfd. A signal is served at once, or by the VM's work item, or by KVM.
 */
void fires(u32 host_irq);
void host_takes(u32 host_irq);
void signal_eventfd(struct fake_irqfd *irqfd);

/* The names of the tracepoints since it was last asked, such as "connect grant". */
const char *fake_traced(void);

/* What the host did since it was last asked, such as "unmap 1, map 2 A8192, raise A8192". */
const char *fake_did(void);

void fake_check(void);				/* what holds at any time */
void fake_check_settled(void);			/* and what holds after settle() */
void fake_begin(void);				/* two guests with events mapped */
void fake_end(void);				/* all irqfds go; nothing is left */
void fake_reset(void);				/* a new host; it may get another KVM */

const char *name_of_state(unsigned int state);
int dump_vm(struct fake_vm *vm, struct vlpi_broker_client *buf);	/* all of NR_IRQFDS */
struct vlpi_broker_client dump_of(struct fake_irqfd *irqfd);
struct vlpi_broker_info info(void);
bool is_served(struct fake_irqfd *irqfd);	/* by the broker; as a signal that is merged asks */
struct fake_irqfd *holder_of(struct fake_vm *vm, u32 vintid);
u32 leads_to(struct fake_irqfd *irqfd);		/* vINTID, or 0 */
int irqchip_refuses(u32 host_irq, struct fake_vm *vm);	/* the errno, or 0 */

/* The next number of a sequence, less than @n; @state is not 0. */
u32 random_below(u64 *state, u32 n);

#endif /* UNIT_FAKE_HOST_H */
