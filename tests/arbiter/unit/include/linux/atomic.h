/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_ATOMIC_H
#define UNIT_LINUX_ATOMIC_H

#include <linux/kernel.h>

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

#define ATOMIC_INIT(n)			{ (n) }
#define ATOMIC64_INIT(n)		{ (n) }
#define atomic_read(a)			READ_ONCE((a)->counter)
#define atomic64_read(a)		READ_ONCE((a)->counter)
#define atomic_set(a, n)		WRITE_ONCE((a)->counter, n)
#define atomic64_set(a, n)		WRITE_ONCE((a)->counter, n)
#define atomic_read_acquire(a)		smp_load_acquire(&(a)->counter)
#define atomic_set_release(a, n)	smp_store_release(&(a)->counter, n)
#define atomic_add(n, a)		((void)((a)->counter += (n)))
#define atomic_sub(n, a)		((void)((a)->counter -= (n)))
#define atomic_inc(a)			((void)(a)->counter++)
#define atomic_dec(a)			((void)(a)->counter--)
#define atomic64_inc(a)			((void)(a)->counter++)
#define atomic64_dec(a)			((void)(a)->counter--)
#define atomic_inc_return(a)		(++(a)->counter)
#define atomic_dec_and_test(a)		(!--(a)->counter)
#define atomic_xchg(a, n)		__atomic_exchange_n(&(a)->counter, n, __ATOMIC_SEQ_CST)
#define atomic64_inc_return(a)		(++(a)->counter)
#define atomic64_add(n, a)		((void)((a)->counter += (n)))

#endif /* UNIT_LINUX_ATOMIC_H */
