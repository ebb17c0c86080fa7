/* SPDX-License-Identifier: GPL-2.0-only */
/* Nobody listens to a tracepoint, and one to which nobody listens costs a jump label: nothing. */
#ifndef SCALE_LINUX_TRACEPOINT_H
#define SCALE_LINUX_TRACEPOINT_H

#include <linux/kernel.h>

#define TRACE_DEFINE_ENUM(name)
#define DECLARE_EVENT_CLASS(name, proto, args, fields, assign, print)
#define TP_PROTO(...)	__VA_ARGS__
#define TP_ARGS(...)	__VA_ARGS__

#define DEFINE_EVENT(class, name, proto, args) \
	static inline void trace_##name(proto) \
	{ \
	} \
	static inline bool trace_##name##_enabled(void) \
	{ \
		return false; \
	} \
	struct trace_##name##_

#endif /* SCALE_LINUX_TRACEPOINT_H */
