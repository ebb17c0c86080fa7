/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host for the arbiter: VMs, irqfds, host IRQs, and behind its_shim.h a KVM and an irqchip that
 * do what the real ones do, as far as the arbiter can tell. Each step of a test is one function
 * here; after each of them the promises are checked, see fake_check(). "Event" and "map" here are
 * the guest's: an EventID, and MAPTI.
 */
#ifndef UNIT_FAKE_HOST_H
#define UNIT_FAKE_HOST_H

#include "broker.h"

#define LPI		8192U	/* the first */
#define NR_LPIS		8
#define NR_EVENTS	8
#define NR_VMS		3
#define NR_IRQS		24	/* host IRQs 0 (never used) to 23 */
#define NR_IRQFDS	24

/*
 * Each map and each unmap drops an edge that is pending: one raise is owed, after the last of them.
 * Where KVM unmaps by itself, the guest had it do so, and one raise is allowed; and another one,
 * where the raise after the grant had not come yet.
 */
enum raise {
	RAISE_WOULD_BE_TOO_MANY,
	RAISE_MAY_COME,
	RAISE_MAY_COME_TWICE,
	RAISE_MUST_COME,
};

/* What KVM believes of an LPI of a VM, and what is owed to it. */
struct fake_lpi {
	bool hw;
	u32 host_irq;
	enum raise raise;
	/* Edges that the guest has not taken: the hardware's, which a DISCARD drops, and KVM's. */
	bool direct;
	bool soft;
	bool owed;			/* an edge came for it that may not be lost */
};

struct fake_vm {
	char letter;
	bool its_off;
	u32 event[NR_EVENTS];		/* LPI that the guest has mapped the event to, or 0 */
	struct fake_lpi lpi[NR_LPIS];
};

/* A host IRQ as the hardware has it. */
struct fake_irq {
	bool forwarded;
	struct fake_vm *vm;
	u32 vintid;
	bool fired;			/* and no CPU has taken it yet; a DISCARD drops that too */
	bool to_be_aimed;		/* unmapped; its CPU may be offline */
	bool stray;			/* forwarded before the module was loaded */
	int refuse;			/* errno with which the irqchip turns it down */
};

#define NOT_MSI		(-1)		/* a route to an irqchip pin, or to nothing */

struct fake_irqfd {
	struct vb_client client;
	struct fake_vm *vm;
	int event;			/* its route, or NOT_MSI */
	int seen_event;			/* the event that it was last resolved for */
	int granted_event;
	u32 granted_vintid;		/* that its host IRQ was last mapped to */
	u32 host_irq;			/* of its producer, or 0 */
	bool leaving;
	bool known;			/* it is a client of the arbiter */
	bool queued;			/* the VM's thread is to inject for it */
};

struct fake_host {
	struct fake_vm vm[NR_VMS];
	struct fake_irq irq[NR_IRQS];
	struct fake_irqfd irqfd[NR_IRQFDS];

	/* Which KVM it is. */
	bool maps_again;		/* up to 6.1: add maps whatever KVM believes */
	bool revoke_does_nothing;	/* 6.16, 6.17 */
	bool force_does_nothing;	/* no real one; nothing is checked then */
	/* Host IRQs of one device, which the irqchip maps to one VM at a time; 0: one each. */
	unsigned int irqs_per_device;

	/* Each is called once, and does what may happen at that moment. In a grant: */
	void (*before_map)(void);	/* before KVM maps */
	void (*after_map)(void);	/* when KVM has mapped */
	void (*when_granted)(void);	/* when the arbiter has seen that it is mapped */
	void (*after_unmap)(void);	/* in a revoke, when KVM has unmapped */
	void (*while_injecting)(void);	/* when a thread has locked a slot, and not injected yet */

	/* The watch has told of this VM's DISCARD of this event; the irqchip has not acted yet. */
	struct fake_vm *discarding;
	int discarded;

	unsigned int gone_at_once;	/* mappings that after_map() undid */
	unsigned int objects_elsewhere;	/* slots that only a fallback's reference keeps */
	unsigned int kicks;
	unsigned int waiters_told;	/* VMs that the last look said have a waiter */
	char did[1024];			/* since fake_did() was last asked */
	char traced[1024];
};

extern struct fake_host host;

static inline struct fake_lpi *lpi_of(struct fake_vm *vm, u32 vintid)
{
	return &vm->lpi[vintid - LPI];
}

/* KVM_IRQFD, VFIO, and their ends. */
struct fake_irqfd *assign(struct fake_vm *vm, int event);
void add_producer(struct fake_irqfd *irqfd, u32 host_irq);
void del_producer(struct fake_irqfd *irqfd);
void leave(struct fake_irqfd *irqfd);		/* KVM has taken it off its list */
void deassign(struct fake_irqfd *irqfd);	/* with del_producer() and leave() where due */
struct fake_irqfd *source(struct fake_vm *vm, int event, u32 host_irq);	/* the first two */

/*
 * The VMM and the guest. The arbiter looks when routes change, but for route_late(): there is no
 * memory for that. At all other changes it looks in look() or settle().
 */
void route(struct fake_irqfd *irqfd, int event);
void route_late(struct fake_irqfd *irqfd, int event);
void guest_maps(struct fake_vm *vm, int event, u32 vintid);
void guest_discards(struct fake_vm *vm, int event);
/* A DISCARD with a look() between the watch and the irqchip; the slot is held. */
void guest_discards_under_a_look(struct fake_vm *vm, int event);
void guest_moves(struct fake_vm *vm, u32 vintid);	/* to another vPE */
void guest_takes(struct fake_vm *vm, u32 vintid);	/* the edges that are pending */
void its_on(struct fake_vm *vm, bool on);
void kvm_unmaps(u32 host_irq);			/* by itself; it is forwarded */
void look(void);				/* broker_rearbitrate(), once */
void settle(void);				/* again, while the arbiter is unsettled */

/*
 * Edges, and fallback.c. A host IRQ that is not forwarded waits for a CPU, whose handler signals
 * the eventfd. A signal is served at once, or by the VM's thread if there is one, or by KVM.
 */
void fires(u32 host_irq);
void host_takes(u32 host_irq);
void signal_eventfd(struct fake_irqfd *irqfd);
void thread_runs(struct fake_irqfd *irqfd);

/* The names of the tracepoints since it was last asked, such as "connect grant". */
const char *fake_traced(void);

/* What the host did since it was last asked, such as "unmap 1, map 2 A8192, raise A8192". */
const char *fake_did(void);

void fake_check(void);				/* what holds between two calls into the arbiter */
void fake_check_settled(void);			/* and what holds after settle() */
void fake_begin(void);				/* two guests with events mapped */
void fake_end(void);				/* all irqfds go; nothing is left */
void fake_reset(void);				/* a new host; it may get another KVM */

const char *name_of_state(unsigned int state);
struct vlpi_broker_client dump_of(struct fake_irqfd *irqfd);
struct vlpi_broker_info info(void);
struct fake_irqfd *holder_of(struct fake_vm *vm, u32 vintid);
u32 leads_to(struct fake_irqfd *irqfd);		/* vINTID, or 0 */
int irqchip_refuses(u32 host_irq, struct fake_vm *vm);	/* the errno, or 0 */

/* The next number of a sequence, less than @n; @state is not 0. */
u32 random_below(u64 *state, u32 n);

#endif /* UNIT_FAKE_HOST_H */
