/* SPDX-License-Identifier: GPL-2.0-only */
/* Each event goes to trace_seen(), which a test may read. */
#ifndef UNIT_LINUX_TRACEPOINT_H
#define UNIT_LINUX_TRACEPOINT_H

#include <linux/kernel.h>

void trace_seen(const char *event, u64 vm, u32 vintid, u32 host_irq, int why, int error);

#define TRACE_DEFINE_ENUM(name)
#define DECLARE_EVENT_CLASS(name, proto, args, fields, assign, print)
#define TP_PROTO(...)	__VA_ARGS__
#define TP_ARGS(...)	__VA_ARGS__

#define DEFINE_EVENT(class, name, proto, args) \
	static inline void trace_##name(proto) \
	{ \
		trace_seen(#name, args); \
	} \
	static inline bool trace_##name##_enabled(void) \
	{ \
		return true; \
	} \
	struct trace_##name##_

#endif /* UNIT_LINUX_TRACEPOINT_H */
