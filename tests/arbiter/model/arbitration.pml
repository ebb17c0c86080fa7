/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vlpi_broker's arbitration, for spin: what src/broker.c, src/its_shim.c, src/fallback.c and
 * src/irqbypass_hook.c do, against a KVM, an irqchip, guests and VMMs that do whatever they may, in
 * any order and without end. Each inline and each proctype names the function that it stands for.
 * docs/model.md says what is left out; tests/arbiter/model/run runs it. "Event" is the guest's
 * EventID here.
 *
 * One step here (a statement, or an atomic block) is what runs under one raw lock, or under KVM's
 * its_lock or irq_lock for as long as no other process can see a half of it. Where the code holds a
 * lock over several steps, the lock is a variable.
 *
 * Sizes:   NP producers (each with its host IRQ, eventfd and irqfd), NVM VMs, NL vINTIDs and NE
 *	    events in each.
 * Kernels: none of these: 7.x. UNSET_NOP: 6.16, 6.17. BY_ROUTE: up to 6.12, with MAPS_AGAIN: up to
 *	    6.1. ALIAS: a guest may map two events to one LPI (before 7.3.4).
 * What may happen: ROUTES (the VMM changes routes), OFF (guests switch their ITS off and on),
 *	    TEARDOWN (irqfds and VMs go), DEVICE (producers 0 and 1 are vectors of one device, whose
 *	    events belong to one VM at a time), KVM_MAPS (KVM maps host IRQs of its own accord),
 *	    EDGES (an edge is followed until the guest can see it).
 * BUG_*:   planted errors, see tests/arbiter/model/run.
 */

#ifndef NP
#define NP 3
#endif
#ifndef NVM
#define NVM 2
#endif
#ifndef NL
#define NL 2
#endif
#ifndef NE
#define NE 2
#endif

#define NS		(NVM * NL)
#define NONE		7			/* no slot, no client, no event */
#define SLOT(v, l)	((v) * NL + (l) - 1)	/* (VM, vINTID): the slot, and the LPI in KVM */
#define BIT(s)		(1 << (s))

/* enum vlpi_broker_state */
#define IDLE		0
#define HOLDER		1
#define WAITER		2
#define UNMAPPABLE	3
#define UNRESOLVED	4
#define NOT_MSI		5

/* What a grant returns: 0; to be placed anew; an error that passes by itself; one that does not. */
#define OK		0
#define AGAIN		1			/* -EAGAIN */
#define SOFT		2			/* -ENOMEM, -EBUSY, -ENXIO */
#define HARD		3			/* -EINVAL, -EUCLEAN */

/* --- the world outside the broker ------------------------------------------------------------ */

/* The guests' tables, by VM and event: 0, or 1 + the vINTID. */
byte ev[NVM * NE];
bool off[NVM];				/* its->enabled, and the LPIs' enable bit */
bool dying[NVM];			/* kvm_vm_release() has begun */
bool upd[NVM];				/* kvm_irq_routing_update() has run, and its hook has not ended */
bool its[NVM];				/* its_lock, where it is held over several steps */
bool irql[NS];				/* irq_lock of an LPI, where it is */
byte hw[NS];				/* KVM's belief: 0, or 1 + vgic_irq.host_irq */

/* The irqchip. A host IRQ is physical, or forwarded to an LPI. */
bool fwd[NP];
byte tgt[NP];

/* struct kvm_kernel_irqfd: 0 there is none, 1 registered, 2 its consumer is unregistered. */
byte life[NP];
bool leaving[NP];			/* list_empty(&irqfd->list) */
byte vm[NP];
byte route[NP];				/* irq_entry: the event, or NONE for what is no MSI */

/* --- struct vb_client, struct vb_proxy -------------------------------------------------------- */

bool prod[NP];				/* host_irq != 0, booked */
byte slot[NP] = NONE;
byte pos[NP];				/* place in the slot's queue */
byte st[NP];
bool soft[NP];				/* error is one of those that pass by themselves */
bool rel[NP];				/* tried != releases */
bool granting[NP];
bool revoking[NP];
bool mapped[NP];
byte seen[NP];				/* proxy->seen */
byte gev[NP] = NONE;			/* proxy->granted, of a holder */
#ifdef EDGES
bool due[NP];				/* unsettled */
bool girq[NP];				/* proxy->granted_irq != NULL, of a holder */
#endif

/* --- struct vb_slot -------------------------------------------------------------------------- */

byte holder[NS] = NONE;
byte smapped[NS] = NONE;		/* slot->mapped */
bool served[NS];
byte raiser[NS] = NONE;
byte slot_lock[NS];			/* holder of slot->lock: 0, or 1 + the process */

/* --- the rest of broker.c and irqbypass_hook.c ----------------------------------------------- */

byte arbiter;				/* the arbiter's mutex and irqbypass's, which go together */
/*
 * vm->changes != vm->seen. The arbiter's look ends it, unless something has changed since the look
 * began. Only broker_raise(), which is not here, can see that it lasts until the look is over.
 */
bool dirty[NVM];
bool unsettled;
bool stuck;
byte trying;				/* 1 + the client being tried: releases meanwhile count */
bool kick;				/* the work is queued, at once or with a delay */

/*
 * What no other process can come between, or where it makes no difference: the next step begins
 * where KVM's its_lock is taken, or where another process may have changed what is looked at.
 */
#define STEP	atomic {
#define END	}

#define LOCK_LEDGER		atomic {
#define UNLOCK_LEDGER		}
#define LOCK_RAISE(s)		atomic {
#define UNLOCK_RAISE(s)		}
#define LOCK_RAISE_TOO(s)	skip
#define UNLOCK_RAISE_TOO(s)	skip

/* What an assertion is about, for the error that spin prints. All are 0, and stay 0. */
hidden byte P1_one_host_irq, P2_edge_lost, P3_idle, P4_left_forwarded, P4_left_in_books;
hidden byte P4_left_in_kvm, books_differ, gate_open, guest_refused, kvm_warns, raised_physical;

/* --- instruments ----------------------------------------------------------------------------- */

/*
 * With BUDGET the world begins with NP producers connected, in any way, to irqfds whose events are
 * mapped. BUDGET things happen to it, in any order, with all that follows from them. Without BUDGET
 * it begins empty, and there is no end to what happens.
 */
#ifdef BUDGET
byte left;
#define MAY_HAPPEN	(left > 0)
#define HAPPENS		left--; calm = false
#else
#define MAY_HAPPEN	true
#define HAPPENS		calm = false
#endif

/* The kick's work has run and changed nothing, so another look would change nothing either. */
bool calm;
#define CHANGED		calm = false

/* Processes at rest. */
bool job_on;
bool guest_on[NVM];

#ifdef EDGES
/*
 * One edge is followed at a time. Spin tries each, so what holds for one holds for all.
 * @mask: vLPIs at which the guest may see the edge, 0 where none has to. @hwp, @swp: those of them
 * that are pending, in the hardware and in KVM's books. An interrupt that was pending before the
 * edge counts as taken by the guest just before it.
 */
byte edge;				/* where it is, see E_* */
byte edge_of;				/* the irqfd that it is signalled to now */
byte edge_slot = NONE;			/* what broker_lock_slot() has read */
bool bounced;				/* it was raised through a physical interrupt */
byte tracked;				/* the source */
byte mask;
byte hwp;
byte swp;
bool cached[NVM * NE];			/* KVM has the translation cached */

#define E_NONE		0
#define E_HOST		1		/* pending in the host, its handler has not run */
#define E_WAKE		2		/* in the wake-up of the irqfd */
#define E_QUEUED	3		/* on the fallback's worker */
#define E_KVM		4		/* on KVM's work queue */
#endif

byte i, n, m;				/* of one step; 0 in between */

/* --- conditions ------------------------------------------------------------------------------ */

#define EV(v, e)	ev[(v) * NE + (e)]
/* Where an event leads to: 0 or 1 + the vINTID. What vgic_its_resolve_lpi() says. */
#define LEADS(v, e)	((e) == NONE || off[v] -> 0 : EV(v, e))
#define LPI_OF(v, e)	(LEADS(v, e) -> SLOT(v, EV(v, e)) : NONE)

/* irqchip: its_vlpi_map() refuses a second VM for a device. */
#ifdef DEVICE
#define REFUSED(c, s)	((c) < 2 && fwd[1 - (c)] && tgt[1 - (c)] / NL != (s) / NL)
#else
#define REFUSED(c, s)	false
#endif

#define BELIEVES(s, c)	(hw[s] == 1 + (c))

/* Is there a client for which COND(client, a) holds? Any one for which
 * COND(client) holds; not before @g does. */
#if NP == 1
#define ANY(COND, a)	COND(0, a)
#define PICK(g, COND, c)	if :: g && COND(0) -> c = 0 fi
#elif NP == 2
#define ANY(COND, a)	(COND(0, a) || COND(1, a))
#define PICK(g, COND, c)	if :: g && COND(0) -> c = 0 :: g && COND(1) -> c = 1 fi
#else
#define ANY(COND, a)	(COND(0, a) || COND(1, a) || COND(2, a))
#define PICK(g, COND, c)	if :: g && COND(0) -> c = 0 :: g && COND(1) -> c = 1 \
			   :: g && COND(2) -> c = 2 fi
#endif

#define IS_OF_VM(c, v)		(life[c] && vm[c] == (v))
#define IS_FORWARDED_TO(c, s)	(fwd[c] && tgt[c] == (s))
#define IS_QUEUED_AT(c, s)	(slot[c] == (s))
#if NE == 1
#define LPI_IS_MAPPED(v, l)	(EV(v, 0) == (l))
#else
#define LPI_IS_MAPPED(v, l)	(EV(v, 0) == (l) || EV(v, 1) == (l))
#endif

/* ============================================================================================= */
/* broker.c																	 */

/* note_release() */
inline note_release()
{
	d_step {
		CHANGED;
		i = 0;
		do
		:: i < NP ->
			if
			:: st[i] == UNMAPPABLE || trying == 1 + i -> rel[i] = true
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		if
		:: stuck -> unsettled = true
		:: else
		fi
	}
}

#define MAY_WORK_NOW(c)	(soft[c] || rel[c])

/* is_unsettled() */
#define IS_UNSETTLED(c)	(st[c] == UNRESOLVED || \
			 (st[c] == WAITER && slot[c] != NONE && holder[slot[c]] == NONE) || \
			 (st[c] == UNMAPPABLE && slot[c] != NONE && holder[slot[c]] == NONE && \
			  MAY_WORK_NOW(c)))

/* note_unsettled() */
inline note_unsettled(c)
{
	if
	:: st[c] == UNMAPPABLE -> stuck = true
	:: else
	fi;
	if
	:: !leaving[c] && IS_UNSETTLED(c) ->
		unsettled = true;
#ifdef EDGES
		due[c] = true
#endif
	:: else ->
#ifdef EDGES
		due[c] = false
#else
		skip
#endif
	fi
}

/* ledger_drop_mapping() */
inline ledger_drop_mapping(c)
{
	mapped[c] = false;
	if
	:: slot[c] != NONE && smapped[slot[c]] == c -> smapped[slot[c]] = NONE
	:: else
	fi
}

/* slot_stop_raising() */
inline slot_stop_raising(s, c)
{
	LOCK_RAISE(s)
		if
		:: raiser[s] == c -> raiser[s] = NONE
		:: else
		fi
	UNLOCK_RAISE(s)
}

/*
 * broker_unmapped(): @s gets the slot, @b whether KVM did it. The caller goes on to unmap.
 */
inline broker_unmapped(c, s, b)
{
	LOCK_LEDGER
		s = NONE;
		b = false;
		if
		:: mapped[c] ->
			s = slot[c];
			ledger_drop_mapping(c);
			b = !revoking[c];
			if
			:: b ->
				if
				:: s != NONE -> served[s] = false
				:: else
				fi;
#ifndef BUG_NOT_DIRTY
				dirty[vm[c]] = true
#endif
			:: else
			fi
		:: else
		fi
	UNLOCK_LEDGER;
	if
	:: s != NONE -> slot_stop_raising(s, c)
	:: else
	fi;
	if
	:: b -> note_release()
	:: else
	fi
}

/* broker_vm_changed(), with vm_changed() of its_shim.c */
inline vm_changed(v)
{
	if
	:: ANY(IS_OF_VM, v) -> dirty[v] = true; kick = true
	:: else
	fi
}

/* slot_set_served() */
inline slot_set_served(s)
{
	LOCK_LEDGER
		LOCK_RAISE_TOO(s);
		if
		:: holder[s] != NONE && mapped[holder[s]] ->
			served[s] = true;
			raiser[s] = holder[s]
		:: else ->
			served[s] = false;
			raiser[s] = NONE
		fi;
		UNLOCK_RAISE_TOO(s)
	UNLOCK_LEDGER
}

/* broker_gate(), and then gate() of its_shim.c. @s: the LPI that KVM wants; @r: the answer */
inline gate(c, s, r)
{
	if
#ifndef BUG_GATE_OPEN
	:: !prod[c] -> r = SOFT
	:: prod[c] && slot[c] == NONE -> r = SOFT /* not expected: KVM is asked for a client's own slot */
	:: prod[c] && slot[c] != NONE && slot[c] != s -> r = (granting[c] -> AGAIN : SOFT)
	:: prod[c] && slot[c] == s && !mapped[c] ->
		if
#ifdef BUG_TWO_HOLDERS
		:: !granting[c] -> r = SOFT
#else
		:: !granting[c] || smapped[s] != NONE -> r = SOFT
#endif
		:: else ->
			mapped[c] = true;
			smapped[s] = c;
			r = OK
		fi
	:: prod[c] && slot[c] == s && mapped[c] -> r = OK
#else
	:: mapped[c] = prod[c]; smapped[s] = (prod[c] -> c : smapped[s]); r = OK
#endif
	fi;
	if
	:: r == OK && !fwd[c] && REFUSED(c, s) ->
		r = HARD;
		/* broker_gate_failed() */
		if
		:: granting[c] -> ledger_drop_mapping(c)
		:: else
		fi
	:: r == OK && !fwd[c] && !REFUSED(c, s) -> irqchip_map(c, s)
	:: else
	fi
}

/* Of a client that is no holder nothing looks at these. */
inline forget_granted(c)
{
	gev[c] = NONE;
#ifdef EDGES
	girq[c] = false
#endif
}

/* slot_try(). @r: its result; @q: the client tried, and then the next in the queue to be tried */
inline slot_try(s, r)
{
	STEP
		trying = 1 + q;
		rel[q] = false;
		if
		:: fwd[q] -> r = HARD
		:: else ->
			LOCK_LEDGER granting[q] = true UNLOCK_LEDGER;
			shim_grant_begins(q, s, r)
		fi
	END;
	if
	:: r == OK -> shim_grant(q, r)
	:: else
	fi;
	STEP
		LOCK_LEDGER granting[q] = false UNLOCK_LEDGER;
		if
		:: r == OK && !mapped[q] ->
			shim_was_unmapped(q);
			r = SOFT
		:: else
		fi;
		if
		:: r == AGAIN ->
#ifdef BUG_TRIED_UNASKED
			skip
#else
			rel[q] = true	/* "tried" is as it was, and it may work as before */
#endif
		:: r == SOFT || r == HARD ->
			st[q] = UNMAPPABLE;
			soft[q] = (r == SOFT)
		:: r == OK ->
			CHANGED;
			st[q] = HOLDER;
			soft[q] = false;
			holder[s] = q
		fi;
		if
		:: st[q] != UNMAPPABLE -> rel[q] = false	/* not looked at any more */
		:: else
		fi;
		if
		:: r != OK -> forget_granted(q)
		:: else
		fi;
		trying = 0;
		next_in_queue(s)
	END
}

#define MAY_HAVE(c, s, x)	(slot[c] == s && pos[c] == x && prod[c] && !leaving[c] && \
				 !(st[c] == UNMAPPABLE && !MAY_WORK_NOW(c)))

/* The loop of slot_fill(): @q is the next from place @x on in the queue that is to be tried */
inline next_in_queue(s)
{
	d_step {
		q = NONE;
		do
		:: x < NP && q == NONE ->
			if
			:: MAY_HAVE(0, s, x) -> q = 0
#if NP > 1
			:: MAY_HAVE(1, s, x) -> q = 1
#endif
#if NP > 2
			:: MAY_HAVE(2, s, x) -> q = 2
#endif
			:: else
			fi;
			x++
		:: else -> break
		od
	}
}

/* slot_fill(). Uses x, q, r of the caller. The caller's step has begun, and has the slot's lock. */
inline slot_fill_begins(s)
{
	if
	:: holder[s] != NONE && !mapped[holder[s]] ->
		CHANGED;
		shim_was_unmapped(holder[s]);
		st[holder[s]] = WAITER;
		soft[holder[s]] = false;
		forget_granted(holder[s]);
		holder[s] = NONE;
#ifndef BUG_NO_RELEASE
		note_release()
#endif
	:: else
	fi;
	x = 0;
	q = NONE;
	r = HARD;
	if
#ifdef BUG_TWO_HOLDERS
	:: true -> vacant = true
#else
	:: holder[s] != NONE -> vacant = false
	:: else -> vacant = true
#endif
	fi;
	if
	:: vacant -> next_in_queue(s)
	:: else
	fi
}

inline slot_fill(s)
{
	if
	:: !vacant
	:: else ->
		do
		:: q == NONE || r == OK -> break
		:: else -> slot_try(s, r)
		od;
		slot_set_served(s);
		STEP
			if
			:: holder[s] != NONE ->
#ifndef BUG_NO_RAISE_AFTER_GRANT
				shim_raise_granted(holder[s])
#else
				skip
#endif
			:: else ->
				m = 0;
				do
				:: m < NP ->
					if
					:: slot[m] == s -> note_unsettled(m)
					:: else
					fi;
					m++
				:: else -> break
				od;
				m = 0
			fi;
			x = 0;
			q = 0;
			r = 0;
			vacant = false
		END
	fi
}

/* slot_revoke(). The caller's step has begun, and goes on. */
inline slot_revoke_begins(s, c)
{
	slot_stop_raising(s, c);
	if
	:: mapped[c] -> LOCK_LEDGER revoking[c] = true UNLOCK_LEDGER
	:: else
	fi
}

inline slot_revoke(s, c)
{
	if
	:: revoking[c] ->
		shim_revoke(c);
#ifndef BUG_NO_FORCE
		if
		:: mapped[c] -> shim_force_unmap(c)
		:: else -> shim_was_unmapped(c)
		fi;
#endif
		LOCK_LEDGER revoking[c] = false UNLOCK_LEDGER
	:: else -> shim_was_unmapped(c)
	fi;
	holder[s] = NONE;
#ifndef BUG_NO_RELEASE
	note_release()
#endif
}

/* mutex_lock(&slot->lock) */
inline lock_slot(s)	{ atomic { !slot_lock[s] -> slot_lock[s] = 1 + _pid } }

inline dequeue(s, c)
{
	LOCK_LEDGER
		CHANGED;
		n = pos[c];
		pos[c] = 0;
		slot[c] = NONE;
		i = 0;
		do
		:: i < NP ->
			if
			:: slot[i] == s && pos[i] > n -> pos[i] = pos[i] - 1
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		n = 0
	UNLOCK_LEDGER
}

/* slot_leave(). Uses s, held of the caller. */
inline slot_leave(c)
{
	STEP
		s = slot[c];
		if
		:: s == NONE
		:: else ->
			lock_slot(s);
			held = (holder[s] == c);
			if
			:: held -> slot_revoke_begins(s, c)
			:: else -> dequeue(s, c); leave_ends(s)
			fi
		fi
	END;
	if
	:: held ->
		STEP
			slot_revoke(s, c);
			dequeue(s, c);
#ifndef BUG_NO_PROMOTION
			slot_fill_begins(s)
#else
			vacant = false
#endif
		END;
		slot_fill(s);
#ifdef BUG_NO_PROMOTION
		slot_set_served(s);
#endif
		STEP
			if
			:: holder[s] == NONE ->
#ifndef BUG_NO_RAISE_AFTER_LOSS
				shim_raise_granted(c)
#else
				skip
#endif
			:: else
			fi;
			forget_granted(c);
			leave_ends(s);
			held = false
		END
	:: else
	fi
}

inline leave_ends(s)
{
	slot_lock[s] = 0;
	if
	:: ANY(IS_QUEUED_AT, s)
	:: else -> slot_is_gone(s)
	fi;
	s = 0
}

/*
 * rb_erase() in slot_leave(): the next client with this key gets a new slot, with a mutex of its
 * own. A fallback that has a reference goes on with the old slot, which no other process looks at.
 */
inline slot_is_gone(s)
{
	assert(holder[s] == NONE && smapped[s] == NONE && raiser[s] == NONE && !served[s]);
#ifdef EDGES
	if
	:: edge_slot == s ->
		edge_slot = NS;
		slot_lock[s] = 0
	:: else
	fi
#else
	skip
#endif
}

/* place(), with shim_resolve(). Uses l, go of the caller, whose step has begun. */
inline place_begins(c)
{
	!its[vm[c]];
	seen[c] = route[c];
	l = LEADS(vm[c], route[c]);
	note_cached(vm[c], route[c]);
	go = (slot[c] != NONE && (!l || slot[c] != SLOT(vm[c], l)))
}

/* The rest of it; the caller's step goes on. */
inline place_ends(c)
{
	go = false;
	LOCK_LEDGER
		if
		:: l && slot[c] == NONE ->
			/* slot_find_or_new(), slot_join() */
			CHANGED;
			n = 0;
			i = 0;
			do
			:: i < NP ->
				if
				:: slot[i] == SLOT(vm[c], l) -> n++
				:: else
				fi;
				i++
			:: else -> break
			od;
			pos[c] = n;
			slot[c] = SLOT(vm[c], l);
			st[c] = IDLE;
			n = 0;
			i = 0
		:: else
		fi;
		if
		:: !l -> st[c] = (seen[c] == NONE -> NOT_MSI : UNRESOLVED)
		:: l && !prod[c] -> st[c] = IDLE
		:: l && prod[c] && st[c] == IDLE -> st[c] = WAITER
		:: else
		fi;
		if
		:: st[c] != UNMAPPABLE -> soft[c] = false; rel[c] = false
		:: else
		fi;
		l = 0
	UNLOCK_LEDGER
}

/* fill(). The caller's step has begun. */
inline fill_begins(s)
{
	lock_slot(s);
	slot_fill_begins(s)
}

/* ============================================================================================= */
/* its_shim.c, KVM and the irqchip																*/

/* vgic_its_cache_translation(): what is forwarded does not enter. */
inline note_cached(v, e)
{
#ifdef EDGES
	if
	:: LEADS(v, e) && !hw[LPI_OF(v, e)] -> cached[(v) * NE + (e)] = true
	:: else
	fi
#else
	skip
#endif
}

/* vgic_its_invalidate_all_caches() */
inline flush_cache(v)
{
#ifdef EDGES
	d_step {
		i = 0;
		do
		:: i < NE -> cached[(v) * NE + i] = false; i++
		:: else -> break
		od;
		i = 0
	}
#else
	skip
#endif
}

/* its_vlpi_map(): DISCARD drops what is pending in the host, VMAPTI. P1 is judged here. */
inline irqchip_map(c, s)
{
	d_step {
		assert(P1_one_host_irq || !ANY(IS_FORWARDED_TO, s));
		fwd[c] = true;
		tgt[c] = s;
#ifdef EDGES
		if
		:: edge == E_HOST && edge_of == c -> edge_ends()
		:: else
		fi
#endif
	}
}

/* its_vlpi_unmap(): DISCARD drops what is pending for the guest. */
inline irqchip_unmap(c)
{
	d_step {
#ifdef EDGES
		hwp = hwp & ~BIT(tgt[c]);
#endif
		fwd[c] = false;
		tgt[c] = 0
	}
}

/* kvm_vgic_v4_set_forwarding() for host IRQ @c and event @e of VM @v */
inline set_forwarding(c, v, e, r)
{
	atomic {
		!its[v];
		m = LPI_OF(v, e);
		if
		:: m == NONE ->
#ifdef BY_ROUTE
			r = SOFT
#else
			r = OK
#endif
#ifndef MAPS_AGAIN
		:: m != NONE && hw[m] -> r = OK
		:: m != NONE && !hw[m] ->
#else
		:: m != NONE ->
#endif
			assert(!irql[m]);
			note_cached(v, e);
			gate(c, m, r);
			if
			:: r == OK ->
				hw[m] = 1 + c;
#ifdef EDGES
				/* The software's pending state goes along. */
				if
				:: swp & BIT(m) ->
					swp = swp & ~BIT(m);
					hwp = hwp | BIT(m)
				:: else
				fi
#endif
			:: else
			fi
		fi;
		m = 0
	}
}

/* shim_grant(). The caller's step has begun. */
inline shim_grant_begins(c, s, r)
{
	!its[vm[c]];
	gev[c] = route[c];
	note_cached(vm[c], route[c]);
	r = (LPI_OF(vm[c], route[c]) == s -> OK : AGAIN)
}

inline shim_grant(c, r)
{
	set_forwarding(c, vm[c], gev[c], r);
#ifdef EDGES
	STEP
		/* note_granted() */
		!its[vm[c]];
		girq[c] = (LEADS(vm[c], gev[c]) && BELIEVES(LPI_OF(vm[c], gev[c]), c));
		note_cached(vm[c], gev[c])
	END;
#ifndef BUG_NO_FLUSH
	flush_cache(vm[c])
#endif
#endif
}

/* watch(), the part before the irqchip acts is broker_unmapped(); @b: KVM unmaps by itself */
inline watch_ends(c, s, b)
{
	atomic {
		irqchip_unmap(c);
		if
		:: b ->
#ifdef BY_ROUTE
			correct_kvm(vm[c], c);
#endif
			kick = true
		:: else
		fi;
		s = NONE;
		b = false
	}
}

/* correct_kvm() */
inline correct_kvm(v, c)
{
#ifndef BUG_NO_CORRECTION
	d_step {
		i = v * NL;
		do
		:: i < v * NL + NL ->
			if
			:: BELIEVES(i, c) -> hw[i] = 0
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
#else
	skip
#endif
}

/* shim_revoke(), KVM's del: kvm_vgic_v4_unset_forwarding(). Uses t, ws, wb, l2 of the caller. */
inline shim_revoke(c)
{
#ifdef UNSET_NOP
	skip
#else
#ifdef BY_ROUTE
	/* route_leads_to() */
	atomic {
		!its[vm[c]];
		note_cached(vm[c], gev[c]);
		t = LPI_OF(vm[c], gev[c])
		if
		:: t != NONE && !BELIEVES(t, c) -> t = NONE
		:: else
		fi
	};
	if
	:: t != NONE ->
		atomic {
			!its[vm[c]] -> its[vm[c]] = true;
			t = LPI_OF(vm[c], gev[c])
		};
		if
		:: t != NONE && hw[t] ->
			hw[t] = 0;
			if
			:: fwd[c] ->
				broker_unmapped(c, ws, wb);
				watch_ends(c, ws, wb)
			:: else
			fi
		:: else
		fi;
		its[vm[c]] = false
	:: else
	fi;
	t = 0
#else
	/* __vgic_host_irq_get_vlpi() */
	STEP
		t = NONE;
		i = vm[c] * NL;
		do
		:: i < vm[c] * NL + NL ->
			if
			:: BELIEVES(i, c) -> t = i
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	END;
	if
	:: t != NONE ->
		atomic { !irql[t] -> irql[t] = true };
		if
		:: hw[t] ->
			assert(kvm_warns || BELIEVES(t, c));
			hw[t] = 0;
			if
			:: fwd[c] ->
				broker_unmapped(c, ws, wb);
				watch_ends(c, ws, wb)
			:: else	/* not expected: while KVM believes in it, it is forwarded */
			fi
		:: else
		fi;
		irql[t] = false
	:: else
	fi;
	t = 0
#endif
#endif
}

/* shim_was_unmapped(): the watch tells before the irqchip acts, and KVM has its_lock until then. */
inline shim_was_unmapped(c)
{
#ifndef BUG_NO_WAIT
	!its[vm[c]]
#else
	skip
#endif
}

/* shim_force_unmap(): unmap_for_kvm() */
inline shim_force_unmap(c)
{
	atomic { !its[vm[c]] -> its[vm[c]] = true };
	broker_unmapped(c, ws, wb);
	correct_kvm(vm[c], c);
	if
	:: fwd[c] -> watch_ends(c, ws, wb)
	:: else	/* not expected: what is mapped in the ledger is forwarded, and its_lock is held */
	fi;
	its[vm[c]] = false
}

#ifdef EDGES
/* irq_set_irqchip_state(h, PENDING, true) by the arbiter: never through a physical interrupt */
inline raise_host(h)
{
	assert(raised_physical || fwd[h]);
	hwp = hwp | (BIT(tgt[h]) & mask)
}
#endif

/* shim_raise_granted(): kvm_send_userspace_msi() of the granted route */
inline shim_raise_granted(c)
{
#ifdef EDGES
	atomic {
		if
		:: gev[c] != NONE && cached[vm[c] * NE + gev[c]] ->
			/* vgic_its_inject_cached_translation() */
			inject_cached(SLOT(vm[c], EV(vm[c], gev[c])))
		:: else ->
			/* vgic_its_trigger_msi() */
			!its[vm[c]];
			m = LPI_OF(vm[c], gev[c]);
			if
			:: m == NONE
			:: m != NONE && hw[m] -> raise_host(hw[m] - 1)
			:: m != NONE && !hw[m] ->
				note_cached(vm[c], gev[c]);
				swp = swp | (BIT(m) & mask)
			fi;
			m = 0
		fi
	}
#else
	skip
#endif
}

#ifdef EDGES
/*
 * The cached path of KVM: a list register with HW=1 and INTID 0 where the LPI is forwarded, and an
 * edge of a disabled LPI is lost. The worst is assumed.
 */
inline inject_cached(s)
{
	if
	:: hw[s]
	:: else -> swp = swp | (BIT(s) & mask)
	fi
}

inline edge_ends()
{
	edge = E_NONE;
	edge_of = 0;
	edge_slot = NONE;
	bounced = false
}

/* No LPI is owed the edge any more. */
inline forgive()
{
	mask = 0;
	hwp = 0;
	swp = 0;
	tracked = 0
}
#endif

/* ============================================================================================= */
/* What holds when nothing is under way. */

#ifdef EDGES
#define NO_EDGE_ON	(edge == E_NONE)
#else
#define NO_EDGE_ON	true
#endif
#if NVM > 1
#define NO_GUEST_ON	(!guest_on[0] && !guest_on[1] && !upd[0] && !upd[1])
#else
#define NO_GUEST_ON	(!guest_on[0] && !upd[0])
#endif

/* A producer that could be mapped to @s: irqfd and event are there, and the irqchip would */
#define COULD_HAVE(c, s)	(life[c] == 1 && !leaving[c] && prod[c] && \
				 LPI_OF(vm[c], route[c]) == (s) && !REFUSED(c, s))

#define IS_HOLDER_OF(c, s)	(IS_FORWARDED_TO(c, s) && holder[s] == (c) && smapped[s] == (c) && \
				 mapped[c] && slot[c] == (s) && BELIEVES(s, c) && served[s] && \
				 raiser[s] == (c) && st[c] == HOLDER)

/* P3, never idle; and the books agree */
#define SLOT_IS_RIGHT(s)	assert(P3_idle || !ANY(COULD_HAVE, s) || ANY(IS_FORWARDED_TO, s)); \
				assert(books_differ || (ANY(IS_FORWARDED_TO, s) -> ANY(IS_HOLDER_OF, s) : \
				       (holder[s] == NONE && smapped[s] == NONE && \
					raiser[s] == NONE && !served[s] && !hw[s])))
#if NS == 1
#define SLOTS_ARE_RIGHT		SLOT_IS_RIGHT(0)
#elif NS == 2
#define SLOTS_ARE_RIGHT		SLOT_IS_RIGHT(0); SLOT_IS_RIGHT(1)
#else
#define SLOTS_ARE_RIGHT		SLOT_IS_RIGHT(0); SLOT_IS_RIGHT(1); SLOT_IS_RIGHT(2); SLOT_IS_RIGHT(3)
#endif

/* P2: nothing lost. The edge that was followed has arrived, or no LPI is owed it any more. */
#ifdef EDGES
#define EDGE_HAS_ARRIVED	assert(P2_edge_lost || !mask || (hwp | swp)); forgive()
#else
#define EDGE_HAS_ARRIVED	skip
#endif

#define JUDGE			SLOTS_ARE_RIGHT; EDGE_HAS_ARRIVED

/* ============================================================================================= */
/* irqbypass_hook.c: everything that runs under irqbypass's mutex or the arbiter's. One process is
 * enough, as they exclude each other; a second one (JOBS) adds only the waiting.			 */

#ifndef JOBS
#define JOBS 1
#endif

#define JOB_MAY_BEGIN	(!arbiter && !job_on)

/* mutex_lock(&arbiter) */
inline job_begins()	{ !arbiter -> arbiter = 1 + _pid }
/* P4: of a client without a producer nothing is left */
inline nothing_left(c)
{
	d_step {
		assert(P4_left_forwarded || !fwd[c]);
		assert(P4_left_in_books || (!mapped[c] && !granting[c] && !revoking[c]));
		i = 0;
		do
		:: i < NS ->
			assert(P4_left_in_kvm || !BELIEVES(i, c));
			assert(P4_left_in_books || (smapped[i] != c && holder[i] != c && raiser[i] != c));
			i++
		:: else -> break
		od;
		i = 0
	}
}

#if NVM > 1
#define SOME_VM_LIVES	(!dying[0] || !dying[1])
#else
#define SOME_VM_LIVES	(!dying[0])
#endif
#ifdef DEVICE
#define IS_FIRST_FREE(c) (!life[c] && (c != 1 || life[0]))
#else
#define IS_FIRST_FREE(c) (!life[c] && (c < 1 || life[0]) && (c < 2 || life[1]))
#endif
#define CAN_CONNECT(c)	(life[c] == 1 && !prod[c])
#define CAN_DETACH(c)	(life[c] == 1 && prod[c])
/* Its wait-queue entry is removed, and what was queued is flushed, before. */
#ifdef EDGES
#define CAN_SHUT_DOWN(c) (life[c] == 1 && leaving[c] && !(edge > E_HOST && edge_of == c))
#else
#define CAN_SHUT_DOWN(c) (life[c] == 1 && leaving[c])
#endif
#define CAN_REMOVE(c)	(life[c] == 2)

/*
 * What broker_add_client(), broker_add_producer(), broker_del_producer(), broker_remove_client() and
 * rearbitrate_vm() do, each a part of this, in this order: slot_leave(), place(), fill(),
 * note_unsettled().
 */
#define J_ADD		0	/* place(c) */
#define J_CONNECT	1	/* arbitrate(c): place(c), fill() */
#define J_DISCONNECT	2	/* slot_leave(c), ledger_unbook(c), arbitrate(c) unless it is leaving */
#define J_SHUT_DOWN	3	/* as J_DISCONNECT, where there is a producer */
#define J_REMOVE	4	/* slot_leave(c) */
#define J_ROUTES	5	/* rearbitrate_vm(v), whose route has changed */
#define J_KICK		6	/* rearbitrate_vm(v) for each: all clients if dirty, else the unsettled */

/* The clients of rearbitrate_vm()'s @is_to_be, in any order; or c alone */
#define IS_TO_BE(x)	((todo & (1 << x)) && \
			 (what < J_ROUTES || \
			  (IS_OF_VM(x, v) && !leaving[x] && \
			   (all || (what == J_ROUTES && route[x] != seen[x]) || \
			    (what == J_KICK && !all && IS_UNSETTLED(x))))))

/* ledger_unbook() in broker_del_producer() */
inline unbook(c)
{
	LOCK_LEDGER prod[c] = false UNLOCK_LEDGER;
	note_release();
	st[c] = IDLE;
	soft[c] = false;
	rel[c] = false;
	nothing_left(c);
	todo = (leaving[c] -> 0 : 1 << c)
}

inline forget_client(c)
{
	nothing_left(c);
	life[c] = 0;
	leaving[c] = false;
	route[c] = 0;
	seen[c] = 0;
	st[c] = IDLE;
	soft[c] = false;
	rel[c] = false;
	/* broker_vm_free() */
	if
	:: ANY(IS_OF_VM, vm[c])
	:: else -> dirty[vm[c]] = false
	fi;
#ifdef EDGES
	due[c] = false;
	/* What the host's handler signals from now on is no business of the irqfd that was. */
	if
	:: edge == E_HOST && edge_of == c ->
		if
		:: !bounced -> forgive()
		:: else
		fi;
		edge_ends()
	:: else
	fi;
#endif
	vm[c] = 0
}

/* What broker_add_client() and broker_add_producer() come to, with no other process about */
inline begin_connected(c, s)
{
	life[c] = 1;
	prod[c] = true;
	slot[c] = s;
	vm[c] = s / NL;
	route[c] = s - vm[c] * NL;
	seen[c] = route[c];
	k = 0;
	do
	:: k < c ->
		if
		:: slot[k] == s -> pos[c] = pos[c] + 1
		:: else
		fi;
		k++
	:: else -> break
	od;
	if
	:: holder[s] == NONE && REFUSED(c, s) ->
		st[c] = UNMAPPABLE;
		stuck = true
	:: holder[s] == NONE && !REFUSED(c, s) ->
		holder[s] = c;
		smapped[s] = c;
		raiser[s] = c;
		served[s] = true;
		mapped[c] = true;
		fwd[c] = true;
		tgt[c] = s;
		hw[s] = 1 + c;
		gev[c] = route[c];
#ifdef EDGES
		girq[c] = true;
#endif
		st[c] = HOLDER
	:: else -> st[c] = WAITER
	fi
}

/* READ_ONCE(vm->changes) in broker_rearbitrate() */
inline look_begins(v)
{
	all = dirty[v];
	dirty[v] = false
}

active [JOBS] proctype jobs()
{
	byte c, s, x, q, r, l, t, k, v, todo;
	byte ws = NONE;
	byte what;
	bool held, vacant, fills, go, wb, all, leaves;

#ifdef BUDGET
	atomic {
		k = 0;
		do
		:: k < NVM ->
			EV(k, 0) = 1;
#if NE > 1
			EV(k, 1) = NL;
#endif
			k++
		:: else -> break
		od;
		do
		:: c < NP ->
			/* In ascending order: they are all alike. */
			s = (c -> slot[c - 1] : 0);
			do
			:: s + 1 < NVM * NE -> s++
			:: break
			od;
			begin_connected(c, s);
			c++
		:: else -> break
		od;
		c = 0;
		s = 0;
		k = 0;
		left = BUDGET
	};
#endif

end:	do
	:: if
	   /* KVM_IRQFD: register_kvm_consumer(), proxy_new(), broker_add_client() */
	   :: atomic {
		/* Irqfds that are not there are all alike: the first of them will do. */
		PICK(MAY_HAPPEN && JOB_MAY_BEGIN && SOME_VM_LIVES, IS_FIRST_FREE, c);
		if
		:: !dying[0] -> vm[c] = 0
#if NVM > 1
		:: !dying[1] -> vm[c] = 1
#endif
		fi;
		if
		:: route[c] = 0
#if NE > 1
		:: route[c] = 1
#endif
#ifdef ROUTES
		:: route[c] = NONE
#endif
		fi;
		HAPPENS;
		life[c] = 1;
		job_on = true;
		what = J_ADD;
		todo = 1 << c
	      }
	   /* A producer comes: proxy_add_producer(), broker_add_producer() */
	   :: atomic {
		PICK(MAY_HAPPEN && JOB_MAY_BEGIN, CAN_CONNECT, c);
		HAPPENS;
		prod[c] = true;
		job_on = true;
		what = J_CONNECT;
		todo = 1 << c
	      }
	   /* It goes: proxy_del_producer(), broker_del_producer() */
	   :: atomic {
		PICK(MAY_HAPPEN && JOB_MAY_BEGIN, CAN_DETACH, c);
		HAPPENS;
		job_on = true;
		what = J_DISCONNECT
	      }
#ifdef TEARDOWN
	   /* irqfd_shutdown(), unregister_consumer(), and the producer with it if it was there */
	   :: atomic {
		PICK(JOB_MAY_BEGIN, CAN_SHUT_DOWN, c);
		CHANGED;
		life[c] = 2;
		job_on = true;
		what = J_SHUT_DOWN
	      }
	   /* proxy_end(), broker_remove_client() */
	   :: atomic {
		PICK(JOB_MAY_BEGIN, CAN_REMOVE, c);
		CHANGED;
		job_on = true;
		what = J_REMOVE
	      }
#endif
#ifdef ROUTES
	   /* bypass_routes_changed(), broker_routes_changed() */
	   :: atomic {
		if
		:: JOB_MAY_BEGIN && upd[0] -> v = 0
#if NVM > 1
		:: JOB_MAY_BEGIN && upd[1] -> v = 1
#endif
		fi;
		CHANGED;
		job_on = true;
		what = J_ROUTES;
		todo = (1 << NP) - 1
	      }
#endif
	   /* kick_work(), broker_rearbitrate() */
	   :: atomic {
		JOB_MAY_BEGIN && kick ->
		kick = false;
		calm = (NO_GUEST_ON && NO_EDGE_ON);
		unsettled = false;
		stuck = false;
		job_on = true;
		what = J_KICK;
		todo = (1 << NP) - 1
	      }
	   fi;
	   STEP
		job_begins();
		if
		:: what == J_KICK -> LOCK_LEDGER look_begins(v) UNLOCK_LEDGER
		:: else
		fi;
		fills = all;
		leaves = (what == J_REMOVE || what == J_DISCONNECT || (what == J_SHUT_DOWN && prod[c]))
	   END;
again:	   do
	   :: STEP
		if
		:: leaves -> k = c; go = (slot[c] != NONE)
		:: !leaves && IS_TO_BE(0) -> k = 0; todo = todo & ~1; fills = true; place_begins(k)
#if NP > 1
		:: !leaves && IS_TO_BE(1) -> k = 1; todo = todo & ~2; fills = true; place_begins(k)
#endif
#if NP > 2
		:: !leaves && IS_TO_BE(2) -> k = 2; todo = todo & ~4; fills = true; place_begins(k)
#endif
		:: else -> break
		fi
	      END;
	      if
	      :: go -> slot_leave(k)
	      :: else
	      fi;
	      STEP
		go = false;
		if
		:: leaves && what == J_REMOVE -> forget_client(c)
		:: leaves && what != J_REMOVE -> unbook(c)
		:: else -> place_ends(k)
		fi;
		leaves = false
	      END
	   od;
	   STEP
		k = 0;
		if
		:: what == J_ADD || what == J_REMOVE || !fills -> todo = 0
		:: else ->
			todo = (what < J_ROUTES -> (slot[c] == NONE -> 0 : BIT(slot[c])) :
				((1 << NL) - 1) << (v * NL))
		fi
	   END;
	   do
	   :: STEP
		do
		:: k < NS && !((todo & BIT(k)) && ANY(IS_QUEUED_AT, k)) -> k++
		:: else -> break
		od;
		if
		:: k == NS -> break
		:: else
		fi;
		todo = todo & ~BIT(k);
		fill_begins(k)
	      END;
	      slot_fill(k);
	      STEP slot_lock[k] = 0; k = 0 END
	   od;
	   STEP
		k = 0;
		do
		:: k < NP ->
			if
			:: what < J_ROUTES && k == c && life[k] == 1 && !(what > J_CONNECT && leaving[c]) ->
				note_unsettled(k)
			:: what >= J_ROUTES && IS_OF_VM(k, v) -> note_unsettled(k)
			:: else
			fi;
			k++
		:: else -> break
		od;
		k = 0;
		todo = 0;
		fills = false;
		all = false;
		if
		:: what == J_KICK && v + 1 < NVM ->
			v++;
			todo = (1 << NP) - 1;
			LOCK_LEDGER look_begins(v) UNLOCK_LEDGER;
			fills = all
		:: else
		fi
	   END;
	   if
	   :: todo -> goto again
	   :: else
	   fi;
	   STEP
		if
		:: what == J_ROUTES -> upd[v] = false
		:: else
		fi;
		/* come_back() */
		if
		:: unsettled && what != J_ADD && what != J_REMOVE -> kick = true
		:: else
		fi;
		arbiter = 0;
		job_on = false;
		what = 0;
		c = 0;
		v = 0;
		if
		:: d_step { calm -> JUDGE; calm = false }
		:: else
		fi
	   END
	od
}

/* ============================================================================================= */
/* Guests: its_lock is held over each command.							 */

#define MAY_COMMAND(v)		(MAY_HAPPEN && !its[v] && !dying[v] && !off[v])
#define NOT_GRANTED(c)		(!granting[c] && !fwd[c])
#define CAN_MOVE(s)		(hw[s] && !irql[s])

active [NVM] proctype guest()
{
	byte e, t, h, r;
	byte ws = NONE;
	bool wb;
#define v (_pid - JOBS)

end:	do
	/* MAPTI: vgic_its_cmd_handle_mapi(), lpi_sync_pending() of its_shim.c */
	:: atomic {
		if
		:: MAY_COMMAND(v) && !EV(v, 0) -> e = 0
#if NE > 1
		:: MAY_COMMAND(v) && !EV(v, 1) -> e = 1
#endif
		fi;
		if
		:: t = 1
#if NL > 1
		:: t = 2
#endif
		fi;
		if
		:: LPI_IS_MAPPED(v, t) ->
#ifdef ALIAS
			EV(v, e) = t
#else
			skip
#endif
		:: else ->
			EV(v, e) = t;
#ifndef BUG_NO_KICK_AFTER_MAP
			vm_changed(v)
#else
			skip
#endif
		fi;
		HAPPENS;
		e = 0;
		t = 0
	   }

	/* DISCARD, MAPD: its_free_ite() */
	:: atomic {
		if
		:: MAY_COMMAND(v) && EV(v, 0) -> e = 0
#if NE > 1
		:: MAY_COMMAND(v) && EV(v, 1) -> e = 1
#endif
		fi;
		its[v] = true;
		guest_on[v] = true;
		HAPPENS;
		t = SLOT(v, EV(v, e));
		flush_cache(v);
		skip
	   };
	   STEP
		atomic { !irql[t] -> irql[t] = true; h = hw[t] };
		if
		:: h && fwd[h - 1] -> broker_unmapped(h - 1, ws, wb)
		:: else
		fi
	   END;
	   STEP
		if
		:: h && fwd[h - 1] -> watch_ends(h - 1, ws, wb)
		:: else
		fi;
		EV(v, e) = 0;
#ifdef BY_ROUTE
		/* hw stays while the vgic_irq lives. */
		if
		:: LPI_IS_MAPPED(v, t - v * NL + 1)
		:: else -> hw[t] = 0
		fi;
#else
		hw[t] = 0;
#endif
#ifdef EDGES
		/* The guest itself drops what is pending. */
		if
		:: mask & BIT(t) -> forgive()
		:: else
		fi;
#endif
		irql[t] = false;
		its[v] = false;
		guest_on[v] = false;
		e = 0;
		t = 0;
		h = 0
	   END

	/* MOVI: update_affinity() */
	:: atomic {
		if
		:: MAY_COMMAND(v) && CAN_MOVE(SLOT(v, 1)) -> t = SLOT(v, 1)
#if NL > 1
		:: MAY_COMMAND(v) && CAN_MOVE(SLOT(v, 2)) -> t = SLOT(v, 2)
#endif
		fi;
		h = hw[t] - 1;
		if
		:: fwd[h] ->
			gate(h, t, r);
			assert(guest_refused || r == OK)	/* a change of vPE passes */
		:: else
		fi;
		t = 0;
		h = 0;
		r = 0
	   }

#ifdef OFF
	/* GITS_CTLR.Enabled, and LPIs: no hook tells when the ITS is switched on. */
	:: atomic {
		MAY_HAPPEN && !its[v] && !dying[v];
		off[v] = !off[v];
		HAPPENS;
		flush_cache(v);
#ifdef EDGES
		if
		:: mask & (((1 << NL) - 1) << (v * NL)) -> forgive()
		:: else
		fi
#endif
	   }
#endif

#ifdef KVM_MAPS
	/* KVM maps what was not granted: an irqfd that is not brokered, or a KVM with other ideas */
	:: atomic {
		PICK(MAY_HAPPEN && !its[v] && !dying[v], NOT_GRANTED, h);
		HAPPENS;
		if
		:: e = 0
#if NE > 1
		:: e = 1
#endif
		fi;
		set_forwarding(h, v, e, r);
		assert(gate_open || !fwd[h]);
		e = 0;
		h = 0;
		r = 0
	   }
#endif

#ifdef TEARDOWN
	/* kvm_destroy_vm(), when all irqfds are gone */
	:: atomic {
		dying[v] && !ANY(IS_OF_VM, v);
		t = v * NL;
		do
		:: t < v * NL + NL ->
			assert(P4_left_in_kvm || !hw[t]);
			assert(P4_left_forwarded || !ANY(IS_FORWARDED_TO, t));
			t++
		:: else -> break
		od;
		e = 0;
		do
		:: e < NE -> EV(v, e) = 0; e++
		:: else -> break
		od;
		off[v] = false;
		dying[v] = false;
		flush_cache(v);
		e = 0;
		t = 0
	   }
#endif
	od
#undef v
}

/* ============================================================================================= */
/* VMMs										 */

#if defined(ROUTES) || defined(TEARDOWN)
#define MAY_BE_ROUTED(c)	(life[c] == 1 && !leaving[c] && !upd[vm[c]] && !dying[vm[c]])
#define MAY_LEAVE(c)		(life[c] == 1 && !leaving[c])
#define MAY_DIE(v)		(MAY_HAPPEN && !dying[v] && !upd[v] && ANY(IS_OF_VM, v))
#define DIES(c)			if :: IS_OF_VM(c, w) -> leaving[c] = true :: else fi

active proctype vmm()
{
	byte c, w;

end:	do
#ifdef ROUTES
	/* KVM_SET_GSI_ROUTING: kvm_irq_routing_update(); its hook runs in jobs */
	:: atomic {
		PICK(MAY_HAPPEN, MAY_BE_ROUTED, c);
		HAPPENS;
		if
		:: route[c] != 0 -> route[c] = 0
#if NE > 1
		:: route[c] != 1 -> route[c] = 1
#endif
		:: route[c] != NONE -> route[c] = NONE
		fi;
		upd[vm[c]] = true;
#ifdef EDGES
		/* What was raised before may arrive at the old route or the new one. */
		if
		:: mask && tracked == c && LEADS(vm[c], route[c]) ->
			mask = mask | BIT(LPI_OF(vm[c], route[c]))
		:: mask && tracked == c && !LEADS(vm[c], route[c]) && !(hwp | swp) -> forgive()
		:: else
		fi;
#endif
		c = 0
	   }
#endif
#ifdef TEARDOWN
	/* irqfd_deactivate(): of one */
	:: atomic {
		PICK(MAY_HAPPEN, MAY_LEAVE, c);
		HAPPENS;
		leaving[c] = true;
		c = 0
	   }
	/* of all: kvm_vm_release() */
	:: atomic {
		if
		:: MAY_DIE(0) -> w = 0
#if NVM > 1
		:: MAY_DIE(1) -> w = 1
#endif
		fi;
		dying[w] = true;
		DIES(0);
#if NP > 1
		DIES(1);
#endif
#if NP > 2
		DIES(2);
#endif
		HAPPENS;
#ifdef EDGES
		if
		:: mask & (((1 << NL) - 1) << (w * NL)) -> forgive()
		:: else
		fi;
#endif
		c = 0;
		w = 0
	   }
#endif
	od
}
#endif

/* ============================================================================================= */
/* An edge, from the source to the guest. fallback.c									 */

#ifdef EDGES
#define MAY_FIRE(c)	(life[c] == 1 && !leaving[c] && LEADS(vm[c], route[c]))

/* A raise through host IRQ @h by KVM, which may have looked a moment too early */
inline raise_by_kvm(h)
{
	if
	:: fwd[h] ->
		hwp = hwp | (BIT(tgt[h]) & mask);
		edge_ends()
	:: else ->
		/* A physical interrupt: its handler signals the irqfd. */
		edge = E_HOST;
		edge_of = h;
		edge_slot = NONE;
		bounced = true
	fi
}

/* kvm_send_userspace_msi(), up to where the raise is made: @v gets its_lock where @h is a holder */
inline send_msi(v, e, h)
{
	if
	:: e == NONE
	:: atomic { e != NONE && cached[v * NE + e] -> e = SLOT(v, EV(v, e)) };
	   atomic { inject_cached(e); e = NONE }
	:: else ->
		atomic {
			!its[v];
			note_cached(v, e);
			e = LPI_OF(v, e);
			if
			:: e == NONE
			:: e != NONE && hw[e] ->
				h = hw[e];
				its[v] = true
			:: else ->
				swp = swp | (BIT(e) & mask)
			fi;
			e = NONE
		}
	fi
}

active proctype source()
{
	byte c, h, v;
	byte e = NONE;
	bool taken;

end:	do
	/* The device fires, or user space writes to the eventfd. */
	:: atomic {
		PICK(edge == E_NONE && !mask, MAY_FIRE, c);
		CHANGED;
		tracked = c;
		mask = BIT(LPI_OF(vm[c], route[c]));
		if
		/* Before KVM_SET_GSI_ROUTING has returned, the old route will do. */
		:: upd[vm[c]] && slot[c] != NONE -> mask = mask | BIT(slot[c])
		:: else
		fi;
		if
		:: fwd[c] -> hwp = BIT(tgt[c]) & mask
		:: else ->
			edge = E_HOST;
			edge_of = c
		fi;
		c = 0
	   }

	/* The host's handler signals the eventfd; free_irq() may have been first. */
	:: atomic {
		edge == E_HOST;
		if
		:: life[edge_of] != 1 || !prod[edge_of] ->
			if
			:: !bounced -> forgive()
			:: else
			fi;
			edge_ends()
		:: life[edge_of] == 1 -> edge = E_WAKE
		fi
	   }

	/* wake(), take_signal() */
	:: edge == E_WAKE ->
		atomic { c = edge_of; taken = false };
		if
		:: leaving[c]
		:: !leaving[c] ->
			if
			/* broker_is_served() */
			:: atomic {
				slot[c] != NONE && served[slot[c]] ->
				edge = E_QUEUED;
				taken = true
			   }
			:: slot[c] == NONE || !served[slot[c]]
			:: true					/* no worker */
			fi;
			if
			:: !taken && due[c] -> kick = true
			:: else
			fi
		fi;
		if
		:: taken
		:: else ->
			/* irqfd_wakeup(): kvm_arch_set_irq_inatomic(), or the work queue */
			atomic {
				if
				:: route[c] != NONE && cached[vm[c] * NE + route[c]] ->
					e = SLOT(vm[c], EV(vm[c], route[c]))
				:: else -> edge = E_KVM
				fi
			};
			atomic {
				if
				:: e != NONE -> inject_cached(e); edge_ends(); e = NONE
				:: else
				fi
			}
		fi;
		atomic {
			if
			:: taken && edge == E_WAKE -> edge_ends()
			:: else
			fi;
			c = 0;
			taken = false
		}

	/* inject(): broker_lock_slot(), shim_raise(), broker_unlock_slot() */
	:: edge == E_QUEUED ->
		edge_slot = slot[edge_of];
		atomic {
			edge_slot >= NS || !slot_lock[edge_slot];
			if
			:: edge_slot < NS -> slot_lock[edge_slot] = 1 + _pid
			:: else
			fi
		};
#ifdef BUG_INVERSION
		atomic { !arbiter -> arbiter = 1 + _pid };
		arbiter = 0;
#endif
		atomic { c = edge_of; v = vm[c]; e = route[c] };
		send_msi(v, e, h);
		atomic {
			if
			:: edge_slot < NS -> slot_lock[edge_slot] = 0
			:: else
			fi;
			if
			:: h ->
				its[v] = false;
				raise_by_kvm(h - 1)
			:: else -> edge_ends()
			fi;
			c = 0;
			h = 0;
			v = 0
		}

	/* irqfd_inject() */
	:: edge == E_KVM ->
		atomic { c = edge_of; v = vm[c]; e = route[c] };
		send_msi(v, e, h);
		atomic {
			if
			:: h ->
				its[v] = false;
				raise_by_kvm(h - 1)
			:: else -> edge_ends()
			fi;
			c = 0;
			h = 0;
			v = 0
		}
	od
}
#endif

/* ============================================================================================= */
/* Nothing is under way, and no kick is queued. */
active proctype judge()
{
end:	do
	:: d_step {
		!job_on && NO_GUEST_ON && NO_EDGE_ON && !kick ->
		JUDGE
	   }
	od
}
