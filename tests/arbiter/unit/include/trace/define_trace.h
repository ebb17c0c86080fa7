/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the kernel makes tracepoints of what trace.h declares. */
