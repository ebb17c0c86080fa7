/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints vlpi_broker:*. Each has the VM's id (that of VLPI_BROKER_DUMP, 0 where it is not
 * known), the vINTID (0 where there is none), the host IRQ (0 without a producer), why it happened,
 * and the errno behind that or 0.
 *
 * connect		a producer was connected to an irqfd
 * grant		a host IRQ was mapped to the vLPI
 * wait			a client with a producer did not get the slot
 * promote		the next in the queue took the place of a holder that had gone
 * demote		a holder lost the slot
 * fallback_signal	the broker serves an eventfd signal in KVM's place
 * fallback_inject	an interrupt was raised for such signals
 * unmap		a mapping is being removed
 * forced_unmap		KVM left a host IRQ forwarded, and the broker unmapped it
 * gate_refuse		KVM wanted to map a host IRQ, and the broker refused
 * resolve_fail		the route of an irqfd leads to no vLPI
 *
 * unmap and gate_refuse happen with interrupts off and raw locks held, fallback_signal in hard
 * interrupt context.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vlpi_broker

#if !defined(VLPI_BROKER_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VLPI_BROKER_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

#include <linux/vlpi_broker.h>

#define VB_WHYS \
	VB_WHY(CONNECTED, "connected") \
	VB_WHY(VACANT, "vacant") \
	VB_WHY(HELD, "held") \
	VB_WHY(REFUSED, "refused") \
	VB_WHY(LEFT, "left") \
	VB_WHY(REROUTED, "rerouted") \
	VB_WHY(KVM, "kvm") \
	VB_WHY(REVOKED, "revoked") \
	VB_WHY(LEAKED, "leaked") \
	VB_WHY(STRAY, "stray") \
	VB_WHY(THREAD, "thread") \
	VB_WHY(INLINE, "inline") \
	VB_WHY(TAKEN, "taken") \
	VB_WHY(UNKNOWN, "unknown") \
	VB_WHY(ELSEWHERE, "elsewhere") \
	VB_WHY_END(NO_LPI, "no-lpi")

/* For readers of the raw trace, which know enums by number only. */
#undef VB_WHY
#undef VB_WHY_END
#define VB_WHY(name, text)	TRACE_DEFINE_ENUM(VLPI_BROKER_WHY_##name);
#define VB_WHY_END(name, text)	TRACE_DEFINE_ENUM(VLPI_BROKER_WHY_##name);
VB_WHYS

#undef VB_WHY
#undef VB_WHY_END
#define VB_WHY(name, text)	{ VLPI_BROKER_WHY_##name, text },
#define VB_WHY_END(name, text)	{ VLPI_BROKER_WHY_##name, text }

DECLARE_EVENT_CLASS(vlpi_broker_change,
	TP_PROTO(u64 vm, u32 vintid, u32 host_irq, enum vlpi_broker_why why, int error),
	TP_ARGS(vm, vintid, host_irq, why, error),
	TP_STRUCT__entry(
		__field(u64, vm)
		__field(u32, vintid)
		__field(u32, host_irq)
		__field(u32, why)
		__field(s32, error)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->vintid = vintid;
		__entry->host_irq = host_irq;
		__entry->why = why;
		__entry->error = error;
	),
	TP_printk("vm=%llu vintid=%u host_irq=%u why=%s error=%d",
		  __entry->vm, __entry->vintid, __entry->host_irq,
		  __print_symbolic(__entry->why, VB_WHYS), __entry->error)
);

#define VB_EVENT(name) \
	DEFINE_EVENT(vlpi_broker_change, name, \
		TP_PROTO(u64 vm, u32 vintid, u32 host_irq, enum vlpi_broker_why why, int error), \
		TP_ARGS(vm, vintid, host_irq, why, error))

VB_EVENT(connect);
VB_EVENT(grant);
VB_EVENT(wait);
VB_EVENT(promote);
VB_EVENT(demote);
VB_EVENT(fallback_signal);
VB_EVENT(fallback_inject);
VB_EVENT(unmap);
VB_EVENT(forced_unmap);
VB_EVENT(gate_refuse);
VB_EVENT(resolve_fail);

#endif /* VLPI_BROKER_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
