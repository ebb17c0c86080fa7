/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_KERNEL_H
#define UNIT_LINUX_KERNEL_H

#include <linux/compiler.h>
#include <linux/types.h>

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))

/**
 * kernel_bug - what a kernel would warn of, or die of: the test that did it ends, and is red
 * @fmt: what it is.
 */
void kernel_bug(const char *fmt, ...) __printf(1, 2) __attribute__((noreturn));
/* Called by it, to say what led there. */
extern void (*before_the_end)(void);

/* An object of many was passed on the way through all of them. */
extern unsigned int nr_walked;

static inline void note_walked_(void)
{
	nr_walked++;
}

#define BUG_ON(cond)		((cond) ? kernel_bug("BUG_ON(%s)", #cond) : (void)0)
#define WARN_ON(cond)		((cond) ? kernel_bug("WARN_ON(%s)", #cond), true : false)
#define WARN_ON_ONCE(cond)	WARN_ON(cond)

/* What is logged is no test's business. */
#define pr_err(fmt, ...)		((void)0)
#define pr_warn(fmt, ...)		((void)0)
#define pr_info(fmt, ...)		((void)0)
#define pr_debug(fmt, ...)		((void)0)
#define pr_warn_once(fmt, ...)		((void)0)
#define pr_warn_ratelimited(fmt, ...)	((void)0)

#endif /* UNIT_LINUX_KERNEL_H */
