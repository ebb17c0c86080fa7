/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vlpi_broker's arbitration, for spin: what src/broker.c, src/vm.c, src/its_shim.c, src/fallback.c,
 * src/kvm_hooks.c and src/irqbypass_hook.c do, against a KVM, an irqchip, guests and VMMs that do
 * whatever they may, in any order. Each inline and each proctype names the function that it stands
 * for. docs/model.md says what is left out; tests/arbiter/model/run runs it. "Event" is the guest's
 * EventID here.
 *
 * One step here (an atomic block) is what runs under one raw lock: the book's, a slot's raise lock.
 * KVM's its_lock and irq_lock are variables: they are held over several steps, in which all others
 * go on.
 *
 * Sizes:   NP producers (each with its host IRQ, eventfd and irqfd; of VM n % NVM), NVM VMs, NL
 *	    vINTIDs and NE events in each.
 * Kernels: none of these: 7.x. UNSET_NOP: 6.16, 6.17. BY_ROUTE: up to 6.12, with MAPS_AGAIN: up to
 *	    6.1.
 * What may happen, BUDGET times in all: producers leave and connect; guests do MAPTI and DISCARD;
 *	    ROUTES (the VMM changes routes), OFF (guests switch their ITS off and on), TEARDOWN
 *	    (irqfds go and come), SOFT (the irqchip has no memory for a map), KVM_MAPS (KVM maps
 *	    host IRQs of its own accord), STUCK (KVM keeps its_lock for ever), DEVICE (producers 0
 *	    and 1 are vectors of one device, whose events belong to one VM at a time), EDGES (an
 *	    edge is followed until the guest can see it), INLINE (a wake-up may raise it itself).
 * BUG_*:   planted errors, see tests/arbiter/model/run.
 */

#ifndef NP
#define NP 3
#endif
#ifndef NVM
#define NVM 1
#endif
#ifndef NL
#define NL 2
#endif
#ifndef NE
#define NE 2
#endif
#ifndef BUDGET
#define BUDGET 2
#endif

#define NS		(NVM * NL)
#define NONE		7			/* no slot, no client, no event */
#define SLOT(v, l)	((v) * NL + (l) - 1)	/* (VM, vINTID): the slot, and the LPI in KVM */
#define BIT(s)		(1 << (s))
#define VM(c)		((c) % NVM)

/* Outcomes of a step. */
#define OK		0
#define BLOCK		1			/* -EWOULDBLOCK */
#define ELSEWHERE	2			/* -EREMCHG */
#define PASSES		3			/* -ENOMEM, -EBUSY, -ENXIO */
#define HARD		4			/* -EINVAL, -EUCLEAN */
#define UNCHANGED	5			/* VB_UNCHANGED */

/* enum vb_todo */
#define NOTHING		0
#define MORE		1
#define LOOK		2
#define GRANT		3
#define REVOKE		4
#define AIM		5
#define RAISE		6

/* Which task it is that unmaps. */
#define SETTLER		1
#define DELETER		2
#define OTHER		3

/* --- the world outside the broker ------------------------------------------------------------ */

/* The guests' tables, by VM and event: 0, or 1 + the vINTID. */
byte ev[NVM * NE];
bool off[NVM];				/* its->enabled, and the LPIs' enable bit */
bool its[NVM];				/* its_lock */
bool irql[NS];				/* irq_lock of an LPI */
byte hw[NS];				/* KVM's belief: 0, or 1 + vgic_irq.host_irq */

/* The irqchip. A host IRQ is physical, or forwarded to an LPI. */
bool fwd[NP];
byte tgt[NP];

/* struct kvm_kernel_irqfd: 0 there is none, 1 it is there, 2 it is gone, and its client is not */
byte life[NP];
bool leaving[NP];			/* list_empty(&irqfd->list) */
byte route[NP];				/* irq_entry: the event, or NONE for what is no MSI */

/* --- struct vb_client, struct vb_proxy -------------------------------------------------------- */

bool prod[NP];				/* host_irq != 0, booked */
bool going[NP];
bool unmapping[NP];
bool mapped[NP];
bool revoking[NP];
byte busy[NP];
byte slot[NP] = NONE;
byte wants[NP] = NONE;
byte mv[NP] = NONE;			/* mapped_vintid */
bool queued[NP];
bool unm[NP];				/* state == UNMAPPABLE */
bool retry[NP];
bool waits[NP];				/* waits_for */
bool again[NP];				/* in the VM's again */
byte look[NP];				/* in the VM's looks: 1, or 2: forced_look */
bool owes_signal[NP];
bool owes_grant[NP];
bool signalled[NP];
byte seen[NP];				/* proxy->seen */
bool followed[NP];			/* proxy->followed */
byte gev[NP] = NONE;			/* proxy->granted */

/* --- struct vb_slot -------------------------------------------------------------------------- */

byte holder[NS] = NONE;
byte lost[NS] = NONE;
byte raiser[NS] = NONE;
bool work[NS];

/* --- struct vb_vm, struct vm ------------------------------------------------------------------ */

byte walk[NVM];				/* enum vb_walk */
byte walk_next[NVM];
byte granting[NVM] = NONE;
bool granted[NVM];
bool released[NVM];			/* vm->releases != releases */
bool changed[NVM];
bool kick[NVM];				/* the work item is queued */

/* --- instruments ----------------------------------------------------------------------------- */

byte left;				/* so much may still happen */
#define MAY_HAPPEN	(left > 0)
#define HAPPENS		left--

/* Who is at rest. */
bool resting[NVM];
bool job_on, route_on;
bool guest_on[NVM];
byte deleting = NONE;			/* client->deleter: there is one, with irqbypass's mutex */

/* What an assertion is about, for the error that spin prints. All are 0, and stay 0. */
hidden byte P1_one_host_irq, P2_edge_lost, P3_idle, P4_left_forwarded, P4_left_in_books;
hidden byte P4_left_in_kvm, P4_elsewhere, books_differ, gate_open, raised_physical, unsettled;

#ifdef EDGES
/*
 * One edge is followed at a time. Spin tries each, so what holds for one holds for all.
 * @mask: vLPIs at which the guest may see the edge, 0 where none has to. @hwp, @swp: those of them
 * that are pending, in the hardware and in KVM's books. An interrupt that was pending before the
 * edge counts as taken by the guest just before it.
 */
byte edge;				/* where it is, see E_* */
byte edge_of;				/* the irqfd that it is signalled to now */
byte tracked;				/* the source */
bool bounced;				/* it was raised through a physical interrupt */
byte mask;
byte hwp;
byte swp;

#define E_NONE		0		/* also where it is in the book, or pending for the guest */
#define E_HOST		1		/* pending in the host, its handler has not run */
#define E_WAKE		2		/* in the wake-up of the irqfd */

inline edge_ends()
{
	edge = E_NONE;
	edge_of = 0;
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

byte i, n, m;				/* of one step; 0 in between */

/* --- conditions ------------------------------------------------------------------------------ */

#define EV(v, e)	ev[(v) * NE + (e)]
#define LEADS(v, e)	((e) == NONE || off[v] -> 0 : EV(v, e))
#define LPI_OF(v, e)	(LEADS(v, e) -> SLOT(v, EV(v, e)) : NONE)

/* irqchip: its_vlpi_map() refuses a second VM for a device. */
#ifdef DEVICE
#define REFUSED(c, s)	((c) < 2 && fwd[1 - (c)] && tgt[1 - (c)] / NL != (s) / NL)
#else
#define REFUSED(c, s)	false
#endif

/* ANY, and inside of that ANY_OF: is there a client for which COND(client, a) holds? PICK: any one, and not before @g does. */
#if NP == 2
#define ANY(COND, a)		(COND(0, a) || COND(1, a))
#define ANY_OF(COND, a)		(COND(0, a) || COND(1, a))
#define PICK(g, COND, a, c)	if :: g && COND(0, a) -> c = 0 :: g && COND(1, a) -> c = 1 fi
#else
#define ANY(COND, a)		(COND(0, a) || COND(1, a) || COND(2, a))
#define ANY_OF(COND, a)		(COND(0, a) || COND(1, a) || COND(2, a))
#define PICK(g, COND, a, c)	if :: g && COND(0, a) -> c = 0 :: g && COND(1, a) -> c = 1 \
				   :: g && COND(2, a) -> c = 2 fi
#endif
#if NS == 1
#define ANY_SLOT(COND, a)	COND(0, a)
#define PICK_SLOT(COND, a, s)	s = 0
#define LOST_OF(c)		(lost[0] == (c) -> 0 : NONE)
#elif NS == 2
#define ANY_SLOT(COND, a)	(COND(0, a) || COND(1, a))
#define PICK_SLOT(COND, a, s)	if :: COND(0, a) -> s = 0 :: COND(1, a) -> s = 1 fi
#define LOST_OF(c)		(lost[0] == (c) -> 0 : (lost[1] == (c) -> 1 : NONE))
#endif

#define IS_FORWARDED_TO(c, s)	(fwd[c] && tgt[c] == (s))
#define IS_AT(c, s)		(slot[c] == (s))
#define IS_MAPPED_AT(c, s)	(slot[c] == (s) && mapped[c])
#define IS_LEAVING_AT(c, s)	(slot[c] == (s) && unmapping[c])
#define IS_QUEUED_AT(c, s)	(slot[c] == (s) && queued[c])
#define IS_TO_LOOK(c, v)	(VM(c) == (v) && look[c])
#define IS_AGAIN(c, v)		(VM(c) == (v) && again[c])
#define IS_SIGNALLED(c, v)	(VM(c) == (v) && signalled[c])
#define IS_OWED(c, v)		(VM(c) == (v) && (owes_signal[c] || owes_grant[c]))
#define HAS_WORK(s, v)		((s) / NL == (v) && work[s])

#define NR_LEAVING(s)	ANY_OF(IS_LEAVING_AT, s)
#define SERVED(s)	(holder[s] != NONE || NR_LEAVING(s) || ANY(IS_QUEUED_AT, s))

/* ============================================================================================= */
/* broker.c: the book										 */

/* book(), and what queues the work item without it */
#define KICK(v)		kick[v] = true

#define SEE_TO(s)	work[s] = true

/* lost_is_settled() */
inline lost_is_settled(s)
{
	if
	:: lost[s] != NONE ->
		if
		:: slot[lost[s]] != NONE -> SEE_TO(slot[lost[s]])
		:: else
		fi;
		lost[s] = NONE
	:: else
	fi
}

inline owe_what_was_lost(s)
{
	if
	:: lost[s] != NONE ->
#ifndef BUG_LOSS_IS_NOT_RAISED
		owes_grant[lost[s]] = true
#else
		skip
#endif
	:: else
	fi;
	lost_is_settled(s)
}

/* slot_leave(). Uses n. */
inline slot_leave(c)
{
	n = slot[c];
	queued[c] = false;
	slot[c] = NONE;
	if
	:: ANY(IS_AT, n) -> SEE_TO(n)
	:: else ->
		assert(books_differ || (holder[n] == NONE && raiser[n] == NONE));
		owe_what_was_lost(n);
		work[n] = false
	fi;
	n = 0
}

/* place(), take_place(), is_nowhere() */
inline place(c)
{
	if
	:: life[c] != 1
	:: life[c] == 1 && slot[c] != NONE &&
	   (holder[slot[c]] == c || mapped[c] || unmapping[c]) -> SEE_TO(slot[c])
	:: else ->
		if
		:: slot[c] != NONE && slot[c] != wants[c] ->
			slot_leave(c);
			unm[c] = false;
			waits[c] = false
		:: else
		fi;
		if
		:: wants[c] == NONE -> unm[c] = false
		:: else ->
			if
			:: slot[c] == NONE -> slot[c] = wants[c]; SEE_TO(slot[c])
			:: else
			fi;
			if
			:: !prod[c] -> unm[c] = false
			:: prod[c] && unm[c] && !retry[c]
			:: else ->
				retry[c] = false;
				waits[c] = false;
				unm[c] = false;
				if
				:: !going[c] -> queued[c] = true; SEE_TO(slot[c])
				:: else
				fi
			fi
		fi
	fi
}

/* slot_lost(), and unmapped(). Uses n. */
inline was_unmapped(c)
{
	n = slot[c];
	if
	:: lost[n] == NONE && LOST_OF(c) == NONE -> lost[n] = c
	:: else
	fi;
	if
	:: holder[n] == c -> holder[n] = NONE
	:: else
	fi;
	n = 0
}

/* stop_raising() */
inline stop_raising(s, c)
{
	atomic {
		if
		:: s != NONE && raiser[s] == c ->
#ifndef BUG_RAISER_STAYS
			raiser[s] = NONE
#else
			skip
#endif
		:: else
		fi
	}
}

/* release(), in two steps: it is counted, and who waits is told. Uses i. */
inline release(c)
{
#ifdef DEVICE
	if
	:: c < 2 ->
		d_step {
			i = 0;
			do
			:: i < NVM -> released[i] = true; i++
			:: else -> break
			od;
			i = 0
		};
#ifndef BUG_NO_RELEASE
		d_step {
			i = 0;
			do
			:: i < NP ->
				if
				:: waits[i] ->
					waits[i] = false;
					retry[i] = true;
					look[i] = 2;
					KICK(VM(i))
				:: else
				fi;
				i++
			:: else -> break
			od;
			i = 0
		}
#endif
	:: else
	fi
#else
	skip
#endif
}

/* ============================================================================================= */
/* The gate, the watch, and KVM and the irqchip behind them					 */

/* its_vlpi_map(): a host IRQ is never mapped to what another one is mapped to. */
inline irqchip_map(c, s)
{
	assert(P1_one_host_irq || !ANY(IS_FORWARDED_TO, s));
	fwd[c] = true;
	tgt[c] = s;
#ifdef EDGES
	/* It sends a DISCARD: what is pending for the host or the guest is gone. */
	hwp = hwp & ~BIT(s);
	if
	:: edge == E_HOST && edge_of == c -> edge_ends()
	:: else
	fi
#endif
}

/* its_vlpi_unmap() */
inline irqchip_unmap(c)
{
	/* A wake-up that raised through it now would raise a physical interrupt. */
	assert(raised_physical || raiser[tgt[c]] != c);
#ifdef EDGES
	hwp = hwp & ~BIT(tgt[c]);
#endif
	fwd[c] = false;
	tgt[c] = 0
}

/* correct_after(), shim_correct_kvm(): the LPI does not count as mapped to @c any more */
inline correct_kvm(c, s)
{
	if
	:: s != NONE && hw[s] == 1 + c -> hw[s] = 0
	:: else
	fi
}

/* watch(): broker_unmap_begin(), the irqchip, broker_unmap_end(). Uses ws, wb, wf of the caller. */
inline watch(c, who)
{
	atomic {
		ws = NONE;
		wf = prod[c];
		busy[c] = busy[c] + wf;
		wb = false;
		if
		:: prod[c] && mapped[c] ->
			ws = slot[c];
			mapped[c] = false;
			wb = !(who == DELETER && deleting == c) &&
			     !(who == SETTLER && revoking[c]);
#ifndef BUG_UNMAP_IS_NOT_SEEN_TO
			SEE_TO(ws);
#endif
			if
			:: wb -> walk[VM(c)] = 2; walk_next[VM(c)] = 0
			:: else
			fi;
			KICK(VM(c))
		:: else
		fi
	};
	stop_raising(ws, c);
	atomic {
		if
		:: fwd[c] ->
#ifdef BY_ROUTE
			if
			:: wb -> correct_kvm(c, tgt[c])
			:: else
			fi;
#endif
			irqchip_unmap(c)
		:: else
		fi;
		busy[c] = busy[c] - wf;
		ws = NONE;
		wb = false;
		wf = false
	}
}

/* broker_gate(), asked by the VM's settler for what it grants. KVM's locks are held. */
inline gate(c, s, r)
{
	if
#ifdef BUG_GATE_OPEN
	:: true ->
		granted[VM(c)] = true;
		mapped[c] = true;
		mv[c] = s;
		busy[c]++;
		r = OK
#else
	:: granting[VM(c)] != c -> r = PASSES
	:: granting[VM(c)] == c && slot[c] != s -> r = ELSEWHERE
	:: granting[VM(c)] == c && slot[c] == s && ANY(IS_MAPPED_AT, s) -> r = PASSES
	:: else ->
		granted[VM(c)] = true;
		mapped[c] = true;
		mv[c] = s;
		busy[c]++;
		r = OK
#endif
	fi
}

#if defined(BY_ROUTE)
#define LOCK_IRQ(s)	true
#define HOLD_IRQ(s)	skip
#define LET_IRQ(s)	skip
#else
#define LOCK_IRQ(s)	!irql[s]
#define HOLD_IRQ(s)	irql[s] = true
#define LET_IRQ(s)	irql[s] = false
#endif

/* shim_grant(): KVM's add, kvm_vgic_v4_set_forwarding(). Uses t of the caller. */
inline shim_grant(c, r)
{
	/* KVM may have it for ever: then a work item of that VM waits here. */
	skip;
end_add: atomic {
		!its[VM(c)] -> its[VM(c)] = true;
		t = LPI_OF(VM(c), gev[c]);
		r = OK
	};
	if
	:: t == NONE
#ifndef MAPS_AGAIN
	:: t != NONE && hw[t]
	:: t != NONE && !hw[t] ->
#else
	:: t != NONE ->
#endif
		atomic {
			LOCK_IRQ(t) -> HOLD_IRQ(t);
			gate(c, t, r)
		};
		/* It has passed the gate, and is not mapped yet. */
		atomic {
			if
			:: r != OK
			:: r == OK && REFUSED(c, t) -> r = HARD
#ifdef SOFT
			:: r == OK && MAY_HAPPEN -> HAPPENS; r = PASSES
#endif
			:: r == OK && !REFUSED(c, t) ->
				irqchip_map(c, t);
				busy[c]--
			fi;
			/* broker_gate_done() with an error, where it had passed the gate */
			if
			:: r != OK && granted[VM(c)] ->
				granted[VM(c)] = false;
				mapped[c] = false;
				busy[c]--
			:: else
			fi
		};
		atomic {
			if
			:: r == OK ->
				hw[t] = 1 + c;
#ifdef EDGES
				/* The software's pending state goes along. */
				if
				:: swp & BIT(t) ->
					swp = swp & ~BIT(t);
					hwp = hwp | BIT(t)
				:: else
				fi
#endif
			:: else
			fi;
			LET_IRQ(t)
		}
	fi;
	atomic { its[VM(c)] = false; t = NONE };
	/* Or the gate was not asked. It may have been unmapped again by now. */
	if
	:: mapped[c]
	:: atomic { !mapped[c] && busy[c] == 0 -> assert(gate_open || !fwd[c]) }
	fi
}

/* Its producer may have gone meanwhile, and another one come. */
#define IRQ_LOCK_IS_FREE(s)	(s == NONE || !irql[s])

/* shim_revoke(). @wait: for its_lock, where KVM marks under that. Uses t, and what watch() does. */
inline shim_revoke(c, who, wait, r)
{
#ifdef BY_ROUTE
	if
	:: atomic { !its[VM(c)] -> its[VM(c)] = true; r = OK }
	:: atomic { its[VM(c)] && !(wait) -> r = BLOCK }
	fi;
	if
	:: r == OK ->
		if
		:: atomic { mapped[c] -> correct_kvm(c, mv[c]) };
		   watch(c, who)
		:: else
		fi;
		its[VM(c)] = false;
		busy[c] == 0
	:: else
	fi
#else
	r = OK;
	/* shim_wait_until_free(), pass_irq_lock() */
	busy[c] == 0;
#ifdef BUG_DEL_TAKES_ITS_LOCK
	!its[VM(c)];
#endif
	IRQ_LOCK_IS_FREE(mv[c]);
#ifndef UNSET_NOP
	/* kvm_vgic_v4_unset_forwarding() */
	atomic {
		t = NONE;
		if
		:: mv[c] != NONE && hw[mv[c]] == 1 + c -> t = mv[c]
		:: else
		fi
	};
	if
	:: t != NONE ->
		atomic { !irql[t] -> irql[t] = true };
		if
		:: atomic { hw[t] == 1 + c -> hw[t] = 0 };
		   watch(c, who)
		:: else
		fi;
		irql[t] = false
	:: else
	fi;
	t = NONE;
#endif
#ifndef BUG_NO_FORCE
	atomic { IRQ_LOCK_IS_FREE(mv[c]); correct_kvm(c, mv[c]) };
	if
	:: mapped[c] -> watch(c, who)
	:: else
	fi;
#endif
	busy[c] == 0
#endif
}

/* ============================================================================================= */
/* Raising											 */

#ifndef BUG_ROUTES_ARE_NOT_KNOWN
#define ROUTES_ARE_KNOWN(v)	(!changed[v] && !walk[v])
#else
#define ROUTES_ARE_KNOWN(v)	true
#endif

/* broker_raise(): here and now, through the holder. @ok: it was. Uses n. */
inline broker_raise(c, ok)
{
	atomic {
		n = slot[c];
		if
		:: n != NONE && raiser[n] != NONE && wants[c] == n && !off[VM(c)] &&
		   ROUTES_ARE_KNOWN(VM(c)) ->
			assert(raised_physical || fwd[raiser[n]]);
			ok = true;
#ifdef EDGES
			hwp = hwp | (BIT(n) & mask)
#endif
		:: else -> ok = false
		fi;
		n = 0
	}
}

/* ============================================================================================= */
/* What holds when nothing is under way, and nothing is to be done.				 */

#ifdef EDGES
#define NO_EDGE_ON	(edge == E_NONE)
#else
#define NO_EDGE_ON	true
#endif
#if NVM > 1
#define ALL_ARE_SETTLED	(resting[0] && resting[1] && !kick[0] && !kick[1] && !changed[0] && !changed[1])
#define NO_GUEST_ON	(!guest_on[0] && !guest_on[1])
#else
#define ALL_ARE_SETTLED	(resting[0] && !kick[0] && !changed[0])
#define NO_GUEST_ON	!guest_on[0]
#endif

/* A producer that could be mapped to @s; where it was turned down for what passes, a timer runs. */
#define COULD_HAVE(c, s)	(life[c] == 1 && !leaving[c] && prod[c] && !again[c] && \
				 LPI_OF(VM(c), route[c]) == (s) && !REFUSED(c, s))
#define IS_HOLDER_OF(c, s)	(IS_FORWARDED_TO(c, s) && holder[s] == (c) && mapped[c] && \
				 slot[c] == (s) && hw[s] == 1 + (c) && raiser[s] == (c))
/* P4: it leads there, or its irqfd is going and keeps its place. */
#define IS_ELSEWHERE(c, s)	(IS_FORWARDED_TO(c, s) && !leaving[c] && \
				 LPI_OF(VM(c), route[c]) != (s))
#define IS_UNSETTLED(c, a)	(owes_signal[c] || owes_grant[c] || signalled[c] || look[c] || \
				 unmapping[c] || revoking[c] || going[c] || busy[c])

#define SLOT_IS_RIGHT(s)	assert(P3_idle || !ANY(COULD_HAVE, s) || ANY(IS_FORWARDED_TO, s)); \
				assert(P4_elsewhere || !ANY(IS_ELSEWHERE, s)); \
				assert(unsettled || (lost[s] == NONE && !work[s])); \
				assert(books_differ || (ANY(IS_FORWARDED_TO, s) -> ANY(IS_HOLDER_OF, s) : \
				       (holder[s] == NONE && raiser[s] == NONE && !hw[s])))
#if NS == 1
#define SLOTS_ARE_RIGHT		SLOT_IS_RIGHT(0)
#else
#define SLOTS_ARE_RIGHT		SLOT_IS_RIGHT(0); SLOT_IS_RIGHT(1)
#endif

/* P2: nothing lost. The edge that was followed has arrived, or no LPI is owed it any more. */
#ifdef EDGES
#define EDGE_HAS_ARRIVED	assert(P2_edge_lost || !mask || (hwp | swp)); forgive()
#else
#define EDGE_HAS_ARRIVED	skip
#endif

/* ============================================================================================= */
/* vm.c: the work item of a VM. broker_next(), the step, broker_done().			 */

#define v _pid

/* next_for_slot(). Its work has been taken from the list. */
inline next_for_slot()
{
	c = holder[s];
	if
	:: c != NONE && !mapped[c] && !unmapping[c] ->
		/* KVM unmapped the holder: holder_was_unmapped() */
		todo = AIM;
		holder[s] = NONE;
		retry[c] = true;
		place(c);
		SEE_TO(s)
	:: c != NONE && (mapped[c] || unmapping[c]) ->
		if
		:: wants[c] == s || unmapping[c]
		:: else ->
			unmapping[c] = true;
			revoking[c] = true;
			todo = REVOKE;
			SEE_TO(s)
		fi
	:: c == NONE && (NR_LEAVING(s) || ANY(IS_MAPPED_AT, s))
	:: c == NONE && !(NR_LEAVING(s) || ANY(IS_MAPPED_AT, s)) && ANY(IS_QUEUED_AT, s) ->
		/* Any of them: who came first is not the question here. */
		PICK(true, IS_QUEUED_AT, s, c);
		if
		:: leaving[c] -> queued[c] = false; SEE_TO(s)
		:: else ->
			m = LOST_OF(c);
			if
			:: m != NONE && m != s ->
#ifndef BUG_TWO_SLOTS_WAIT
				owe_what_was_lost(m)
#else
				skip
#endif
			:: else
			fi;
			m = LOST_OF(c);
			if
			:: owes_grant[c] || (m != NONE && m != s)
			:: else ->
				granting[v] = c;
				granted[v] = false;
				released[v] = false;
				todo = GRANT;
				SEE_TO(s)
			fi;
			m = 0
		fi
	:: else -> owe_what_was_lost(s)
	fi
}

#define AT_WHICH(c)	(owes_grant[c] -> mv[c] : slot[c])
/* next_owed(): held up while the vLPI is being unmapped */
#define MAY_RAISE(c, v)	(IS_OWED(c, v) && (AT_WHICH(c) == NONE || !NR_LEAVING(AT_WHICH(c))))

inline broker_next()
{
	todo = MORE;
	if
	:: ANY(IS_TO_LOOK, v) ->
		PICK(true, IS_TO_LOOK, v, c);
		forced = (look[c] == 2 || again[c]);
		if
		:: again[c] -> retry[c] = true; again[c] = false
		:: else
		fi;
		look[c] = 0;
		todo = LOOK
	:: !ANY(IS_TO_LOOK, v) && walk[v] ->
		do
		:: walk_next[v] < NP && (VM(walk_next[v]) != v || life[walk_next[v]] != 1) ->
			walk_next[v]++
		:: else -> break
		od;
		if
		:: walk_next[v] == NP -> walk[v] = 0; walk_next[v] = 0
		:: else ->
			c = walk_next[v];
			walk_next[v]++;
			forced = (walk[v] == 2);
			todo = LOOK
		fi
	:: !ANY(IS_TO_LOOK, v) && !walk[v] && ANY_SLOT(HAS_WORK, v) ->
		PICK_SLOT(HAS_WORK, v, s);
		work[s] = false;
		next_for_slot()
	:: !ANY(IS_TO_LOOK, v) && !walk[v] && !ANY_SLOT(HAS_WORK, v) && ANY(MAY_RAISE, v) ->
		PICK(true, MAY_RAISE, v, c);
		forced = owes_grant[c];		/* @granted */
		owes_grant[c] = false;
		if
		:: owes_signal[c] && (!forced || wants[c] == mv[c]) ->
			sig = true;
			owes_signal[c] = false
		:: else -> sig = false
		fi;
		todo = RAISE
	:: else -> todo = NOTHING
	fi
}

/* shim_resolve() */
inline do_look()
{
	atomic {
		s = NONE;
		if
		:: life[c] != 1 || leaving[c] || (!forced && followed[c] && route[c] == seen[c]) ->
			r = UNCHANGED
		:: else ->
			seen[c] = route[c];
			followed[c] = true;
			r = OK;
			if
			:: route[c] == NONE
			:: route[c] != NONE && its[v] -> followed[c] = false; r = BLOCK
			:: else -> s = LPI_OF(v, route[c])
			fi
		fi
	};
	atomic {
		if
		:: life[c] != 1 || r == UNCHANGED
		:: life[c] == 1 && r == BLOCK -> look[c] = (forced || look[c] == 2 -> 2 : 1)
		:: else -> wants[c] = s; place(c)
		fi
	}
}

/* shim_check_grant(), shim_grant(), grant_done() */
inline do_grant()
{
	atomic {
		if
		:: fwd[c] -> r = HARD
		:: !fwd[c] && (life[c] != 1 || leaving[c] || route[c] == NONE) -> r = ELSEWHERE
		:: else ->
			gev[c] = route[c];
			r = (its[v] -> BLOCK : (LPI_OF(v, gev[c]) == s -> OK : ELSEWHERE))
		fi
	};
	if
	:: r == OK -> shim_grant(c, r)
	:: else
	fi;
	atomic {
		if
		:: granting[v] != c		/* its producer is leaving or has left */
		:: granting[v] == c && granted[v] ->
			queued[c] = false;
			holder[s] = c;
			lost_is_settled(s);
			if
			:: mapped[c] -> raiser[s] = c
			:: else -> SEE_TO(s)
			fi;
#ifndef BUG_GRANT_IS_NOT_RAISED
			owes_grant[c] = true
#endif
		:: else ->
			SEE_TO(s);
			if
			:: r == BLOCK
			:: r == ELSEWHERE -> look[c] = 2
			:: else ->
				/* turned_down() */
				queued[c] = false;
				unm[c] = true;
				if
				:: r != HARD -> again[c] = true
				:: else ->
#ifndef BUG_RELEASE_IN_BETWEEN
					again[c] = released[v];
#endif
					waits[c] = !again[c]
				fi
			fi
		fi;
		granting[v] = NONE;
		granted[v] = false
	}
}

/* revoke_done() */
inline do_revoke()
{
	stop_raising(slot[c], c);
	shim_revoke(c, SETTLER, false, r);
	atomic {
		revoking[c] = false;
		if
		:: going[c] || !unmapping[c]	/* broker_del_end() does it, or has done it */
		:: else ->
			unmapping[c] = false;
			SEE_TO(slot[c]);
			if
			:: r == BLOCK && mapped[c] -> raiser[slot[c]] = c
			:: r == BLOCK && !mapped[c]
			:: else ->
				was_unmapped(c);
				retry[c] = true;
				place(c)
			fi
		fi
	};
	if
	:: r == OK -> release(c)
	:: else
	fi
}

#ifdef EDGES
/* A raise through host IRQ @h by KVM, which may have looked a moment too early */
inline raise_by_kvm(h)
{
	if
	:: fwd[h] -> hwp = hwp | (BIT(tgt[h]) & mask)
	:: !fwd[h] && mask && edge == E_NONE && !(hwp | swp) ->
		/* A physical interrupt: its handler signals the irqfd. */
		edge = E_HOST;
		edge_of = h;
		bounced = true
	:: else
	fi
}
#endif

/* do_raise(), shim_raise(), kvm_send_userspace_msi(), raise_done() */
inline do_raise()
{
	taken = false;
	if
	:: !forced || wants[c] == mv[c] -> broker_raise(c, taken)
	:: else
	fi;
	r = OK;
	t = NONE;
	if
	:: taken
	:: else ->
		atomic {
			n = (forced -> gev[c] : (life[c] != 1 || leaving[c] -> seen[c] : route[c]));
			if
			:: n == NONE
			:: n != NONE && its[v] -> r = BLOCK
			:: else ->
				/* vgic_its_trigger_msi() keeps its_lock: what is marked is marked. */
				t = LPI_OF(v, n);
#ifdef EDGES
				if
				:: t != NONE && !hw[t] -> swp = swp | (BIT(t) & mask)
				:: t != NONE && hw[t] -> its[v] = true; h = hw[t]
				:: else
				fi
#endif
			fi;
			n = 0
		};
#ifdef EDGES
		atomic {
			if
			:: h ->
				its[v] = false;
				raise_by_kvm(h - 1)
			:: else
			fi;
			h = 0
		}
#endif
	fi;
	atomic {
		t = NONE;
		taken = false;
		if
		:: r == BLOCK ->
			owes_grant[c] = owes_grant[c] || forced;
			owes_signal[c] = owes_signal[c] || sig
		:: r != BLOCK && forced && slot[c] != NONE -> SEE_TO(slot[c])
		:: else
		fi;
		sig = false
	}
}


active [NVM] proctype settler()
{
	byte todo, r, s, h;
	byte c = NONE, t = NONE, ws = NONE;
	bool forced, sig, taken, wb, wf;

end:	do
	:: atomic {
		kick[v];
		resting[v] = false;
		kick[v] = false;
		/* book_changes(): not as often as the guest makes them */
		if
		:: changed[v] -> changed[v] = false; walk[v] = 2; walk_next[v] = 0
		:: true
		fi
	   };
	   goto settle
	/* it comes back for them, when their time has come */
	:: atomic {
		changed[v];
		resting[v] = false;
		kick[v] = false;
		changed[v] = false;
		walk[v] = 2;
		walk_next[v] = 0
	   };
	   goto settle
	/* broker_retry(), when its time has come */
	:: atomic {
		ANY(IS_AGAIN, v);
		resting[v] = false;
		d_step {
			i = 0;
			do
			:: i < NP ->
				if
				:: IS_AGAIN(i, v) -> look[i] = 2
				:: else
				fi;
				i++
			:: else -> break
			od;
			i = 0
		}
	   };
progress_retry:
	   goto settle
	od;

	/* settle_vm() */
settle:	do
	/* serve_signals() */
	:: atomic {
		ANY(IS_SIGNALLED, v);
		PICK(true, IS_SIGNALLED, v, c);
		signalled[c] = false
	   };
	   broker_raise(c, taken);
	   atomic {
		if
		:: !taken -> owes_signal[c] = true
		:: else
		fi;
		taken = false;
		c = NONE
	   }
	:: atomic {
		!ANY(IS_SIGNALLED, v);
		broker_next();
		if
		:: todo == NOTHING ->
			c = NONE;
			s = 0;
			todo = 0;
			resting[v] = true;
			goto end
		:: else
		fi
	   };
	   if
	   :: todo == LOOK -> do_look()
	   :: todo == GRANT -> do_grant()
	   :: todo == REVOKE -> do_revoke()
	   :: todo == AIM -> busy[c] == 0; release(c)
	   :: todo == RAISE -> do_raise()
	   :: else
	   fi;
	   atomic {
		c = NONE;
		s = 0;
		todo = 0;
		forced = false;
		if
		:: r == BLOCK -> r = 0; goto end_blocked
		:: else -> r = 0
		fi
	   }
	od;

	/* come_back(): after a while, or when it is queued */
end_blocked:
	atomic {
		kick[v] || !its[v];
		kick[v] = false;
		if
		:: changed[v] -> changed[v] = false; walk[v] = 2; walk_next[v] = 0
		:: true
		fi;
		goto settle
	}
}
#undef v

/* ============================================================================================= */
/* irqbypass_hook.c: what runs under irqbypass's mutex						 */

/* P4: of a client without a producer nothing is left */
inline nothing_left(c)
{
	d_step {
		assert(P4_left_forwarded || !fwd[c]);
		assert(P4_left_in_books || !mapped[c]);
		i = 0;
		do
		:: i < NS ->
			/* KVM has the lock of its mark, and clears it next. */
			assert(P4_left_in_kvm || hw[i] != 1 + c || its[i / NL]);
			assert(P4_left_in_books || raiser[i] != c);
			i++
		:: else -> break
		od;
		i = 0
	}
}

#define CAN_CONNECT(c, a)	(life[c] == 1 && !leaving[c] && !prod[c])
#define CAN_DISCONNECT(c, a)	(life[c] == 1 && !leaving[c] && prod[c])
/* Its wait-queue entry is removed, and what was queued is flushed, before. */
#ifdef EDGES
#define IS_SHUT_DOWN(c, a)	(life[c] == 1 && leaving[c] && !(edge == E_WAKE && edge_of == (c)))
#else
#define IS_SHUT_DOWN(c, a)	(life[c] == 1 && leaving[c])
#endif
#define IS_SHUT_DOWN_WITH(c, a)	(IS_SHUT_DOWN(c, a) && prod[c])
#define IS_SHUT_DOWN_WITHOUT(c, a) (IS_SHUT_DOWN(c, a) && !prod[c])
/* The last reference to it is gone. */
#define IS_FREE(c, a)		(life[c] == 2 && resting[VM(c)] && !kick[VM(c)] && !signalled[c] && \
				 !owes_signal[c] && !owes_grant[c] && LOST_OF(c) == NONE)
#define CAN_ASSIGN(c, a)	(life[c] == 0)

active proctype jobs()
{
	byte c, r;
	byte s = NONE, t = NONE, ws = NONE;
	bool m1, wb, wf;

	/* The world begins with all connected, events mapped, and nothing looked at. */
	atomic {
		do
		:: c < NP ->
			life[c] = 1;
			prod[c] = true;
			retry[c] = true;
			look[c] = 2;
#if NE > 1
			if
			:: route[c] = 0
			:: route[c] = 1
			fi;
			seen[c] = route[c];
#endif
			c++
		:: else -> break
		od;
		c = 0;
		do
		:: c < NVM * NE -> ev[c] = 1 + (c % NE) % NL; c++
		:: else -> break
		od;
		c = 0;
		left = BUDGET;
		KICK(0);
#if NVM > 1
		KICK(1);
#endif
		skip
	};
end:	do
	/* proxy_add_producer(): broker_add_producer() */
	:: atomic {
		PICK(MAY_HAPPEN, CAN_CONNECT, 0, c);
		HAPPENS;
		prod[c] = true;
		mv[c] = NONE;
		retry[c] = true;
		place(c);
		KICK(VM(c));
		c = 0
	   }

	/* proxy_del_producer(): broker_del_begin() */
	:: atomic {
		if
		:: ANY(IS_SHUT_DOWN_WITH, 0) -> PICK(true, IS_SHUT_DOWN_WITH, 0, c)
		:: PICK(MAY_HAPPEN, CAN_DISCONNECT, 0, c); HAPPENS
		fi;
		job_on = true;
		going[c] = true;
		deleting = c;
#ifndef BUG_GRANT_GOES_ON
		if
		:: granting[VM(c)] == c -> granting[VM(c)] = NONE
		:: else
		fi;
#endif
		s = slot[c];
		queued[c] = false;
		m1 = false;
		if
		:: mapped[c] || (s != NONE && holder[s] == c) ->
#ifdef BUG_ONLY_A_HOLDER_IS_UNMAPPED
			m1 = (mapped[c] && holder[s] == c);
#else
			m1 = mapped[c];
#endif
			unmapping[c] = true
		:: else
		fi
	   };
	   stop_raising(s, c);
	   if
	   :: m1 -> shim_revoke(c, DELETER, true, r)
#ifndef BUG_NO_WAIT
	   :: !m1 && mv[c] != NONE -> busy[c] == 0
#endif
	   :: else
	   fi;
	   nothing_left(c);
	   /* broker_del_end() */
	   atomic {
		s = slot[c];
		if
		:: unmapping[c] ->
			unmapping[c] = false;
#ifndef BUG_NO_PROMOTION
			SEE_TO(s);
#endif
			was_unmapped(c)
		:: else
		fi;
		prod[c] = false;
		waits[c] = false;
		going[c] = false;
		deleting = NONE;
		retry[c] = false;
		if
		:: s != NONE -> place(c)
		:: else
		fi;
		KICK(VM(c))
	   };
	   release(c);
	   atomic {
		c = 0;
		r = 0;
		s = NONE;
		m1 = false;
		job_on = false
	   }

#ifdef TEARDOWN
	/* proxy_end(): broker_remove_client() */
	:: atomic {
		PICK(true, IS_SHUT_DOWN_WITHOUT, 0, c);
		life[c] = 2;
		if
		:: slot[c] != NONE -> slot_leave(c)
		:: else
		fi;
		waits[c] = false;
		look[c] = 0;
		again[c] = false;
		unm[c] = false;
		KICK(VM(c));
		c = 0
	   }
	:: atomic {
		PICK(true, IS_FREE, 0, c);
		life[c] = 0;
		leaving[c] = false;
		wants[c] = NONE;
		mv[c] = NONE;
		seen[c] = 0;
		followed[c] = false;
		gev[c] = NONE;
		retry[c] = false;
		route[c] = 0;
		c = 0
	   }
	/* proxy_begin(): broker_add_client() */
	:: atomic {
		PICK(MAY_HAPPEN, CAN_ASSIGN, 0, c);
		HAPPENS;
		life[c] = 1;
		look[c] = 2;
		KICK(VM(c));
		c = 0
	   }
#endif
	od
}

/* ============================================================================================= */
/* Guests: its_lock is held over each command.							 */

#define MAY_COMMAND(v)		(MAY_HAPPEN && !its[v] && !off[v])
#define NOT_MAPPED(c, v)	(VM(c) == (v) && !fwd[c] && granting[v] != (c) && prod[c])

active [NVM] proctype guest()
{
	byte e, t, h;
	byte ws = NONE;
	bool wb, wf;
#define v (_pid - NVM - 1)

end:	do
	/* MAPTI: vgic_its_cmd_handle_mapi(); and then write_cwriter() */
	:: atomic {
		if
		:: MAY_COMMAND(v) && !EV(v, 0) -> e = 0
#if NE > 1
		:: MAY_COMMAND(v) && !EV(v, 1) -> e = 1
#endif
		fi;
		HAPPENS;
		if
		:: EV(v, e) = 1
#if NL > 1
		:: EV(v, e) = 2
#endif
		fi;
		guest_on[v] = true;
		e = 0
	   };
	   goto tell

	/* DISCARD, MAPD: its_free_ite() */
	:: atomic {
		if
		:: MAY_COMMAND(v) && EV(v, 0) -> e = 0
#if NE > 1
		:: MAY_COMMAND(v) && EV(v, 1) -> e = 1
#endif
		fi;
		HAPPENS;
		its[v] = true;
		guest_on[v] = true;
		t = SLOT(v, EV(v, e))
	   };
	   atomic { LOCK_IRQ(t) -> HOLD_IRQ(t); h = hw[t] };
	   if
	   :: h -> watch(h - 1, OTHER)
	   :: else
	   fi;
	   atomic {
		EV(v, e) = 0;
#ifdef BY_ROUTE
		/* hw stays while the vgic_irq lives. */
		if
#if NE > 1
		:: EV(v, 1 - e) == t - v * NL + 1
#endif
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
		LET_IRQ(t);
		its[v] = false;
		e = 0;
		t = 0;
		h = 0
	   };
	   goto tell

#ifdef OFF
	/* GITS_CTLR.Enabled, and LPIs */
	:: atomic {
		MAY_HAPPEN && !its[v];
		HAPPENS;
		off[v] = !off[v];
		guest_on[v] = true;
#ifdef EDGES
		if
		:: mask & (((1 << NL) - 1) << (v * NL)) -> forgive()
		:: else
		fi
#endif
	   };
	   goto tell
#endif

#ifdef KVM_MAPS
	/* KVM maps what was not granted: an irqfd that is not brokered, or a KVM with other ideas */
	:: atomic {
		PICK(MAY_HAPPEN && !its[v] && EV(v, 0) && !irql[SLOT(v, EV(v, 0))], NOT_MAPPED, v, h);
		HAPPENS;
#ifdef BUG_GATE_OPEN
		t = SLOT(v, EV(v, 0));
		mapped[h] = true;
		mv[h] = t;
		irqchip_map(h, t);
		hw[t] = 1 + h;
		t = 0;
#endif
		h = 0
	   }
#endif

#ifdef STUCK
	/* KVM faults on guest memory, and the VMM does not serve that. */
	:: atomic { MAY_HAPPEN && !its[v]; HAPPENS; its[v] = true };
end_stuck: false
#endif
	od;

	/* vm_changed() */
tell:	atomic {
#ifndef BUG_CHANGE_IS_NOT_TOLD
		changed[v] = true;
		KICK(v);
#endif
		guest_on[v] = false;
		goto end
	}
#undef v
}

/* ============================================================================================= */
/* VMMs												 */

#if defined(ROUTES) || defined(TEARDOWN)
#define IS_THERE(c, a)	(life[c] == 1 && !leaving[c])

active proctype vmm()
{
	byte c;

end:	do
#ifdef ROUTES
	/* KVM_SET_GSI_ROUTING: kvm_irq_routing_update(), and then broker_changed() */
	:: atomic {
		PICK(MAY_HAPPEN, IS_THERE, 0, c);
		HAPPENS;
		if
		:: route[c] != 0 -> route[c] = 0
#if NE > 1
		:: route[c] != 1 -> route[c] = 1
#endif
		:: route[c] != NONE -> route[c] = NONE
		fi;
		route_on = true;
#ifdef EDGES
		/* What was raised before may arrive at the old route or the new one. */
		if
		:: mask && tracked == c && LEADS(VM(c), route[c]) ->
			mask = mask | BIT(LPI_OF(VM(c), route[c]))
		:: mask && tracked == c && !LEADS(VM(c), route[c]) && !(hwp | swp) -> forgive()
		:: else
		fi
#endif
	   };
	   atomic {
		if
		:: !walk[VM(c)] -> walk[VM(c)] = 1
		:: else
		fi;
		walk_next[VM(c)] = 0;
		KICK(VM(c));
		route_on = false;
		c = 0
	   }
#endif
#ifdef TEARDOWN
	/* irqfd_deactivate() */
	:: atomic {
		PICK(MAY_HAPPEN, IS_THERE, 0, c);
		HAPPENS;
		leaving[c] = true;
#ifdef EDGES
		/* What was not seen of its route before will not be seen any more. */
		if
		:: mask && tracked == c && route[c] != seen[c] && !(hwp | swp) -> forgive()
		:: else
		fi;
#endif
		c = 0
	   }
#endif
	od
}
#endif

/* ============================================================================================= */
/* An edge, from the source to the guest. fallback.c						 */

#ifdef EDGES
#define MAY_FIRE(c, a)	(life[c] == 1 && !leaving[c] && LEADS(VM(c), route[c]))

active proctype source()
{
	byte c, n1;
	bool ok;

end:	do
	/* The device fires, or user space writes to the eventfd. */
	:: atomic {
		PICK(edge == E_NONE && !mask, MAY_FIRE, 0, c);
		tracked = c;
		mask = BIT(LPI_OF(VM(c), route[c]));
		/* Until the guest's command or KVM_SET_GSI_ROUTING has returned, the old one will do. */
		if
		:: (guest_on[VM(c)] || route_on) && slot[c] != NONE -> mask = mask | BIT(slot[c])
		:: else
		fi;
		if
		:: fwd[c] && prod[c] -> mask = mask | BIT(tgt[c]); hwp = BIT(tgt[c])
		:: !fwd[c] && prod[c] -> edge = E_HOST; edge_of = c
		:: edge = E_WAKE; edge_of = c
		fi;
		c = 0
	   };
progress_fire: skip

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
		:: else -> edge = E_WAKE
		fi
	   }

	/* wake(), take_signal() */
	:: edge == E_WAKE ->
		c = edge_of;
		ok = false;
#ifdef INLINE
		if
		:: !leaving[c] -> broker_raise(c, ok)
		:: true
		fi;
#endif
		atomic {
			if
			:: ok
			/* broker_signal(), or irqfd_wakeup() and then inject() */
			:: !ok ->
				signalled[c] = true;
				KICK(VM(c))
			/* irqfd_wakeup(): kvm_arch_set_irq_inatomic() */
			:: !ok && (leaving[c] || slot[c] == NONE || !SERVED(slot[c])) &&
			   LEADS(VM(c), route[c]) && !hw[LPI_OF(VM(c), route[c])] ->
				swp = swp | (BIT(LPI_OF(VM(c), route[c])) & mask)
			fi;
			edge_ends();
			c = 0;
			ok = false
		}
	od
}
#endif

/* ============================================================================================= */

active proctype judge()
{
end:	do
	:: d_step {
		ALL_ARE_SETTLED && !job_on && NO_GUEST_ON && !route_on && NO_EDGE_ON &&
		!ANY(IS_SHUT_DOWN_WITH, 0) ->
		assert(unsettled || !ANY(IS_UNSETTLED, 0));
		SLOTS_ARE_RIGHT;
		EDGE_HAS_ARRIVED
	   };
progress_judge: skip
	od
}
