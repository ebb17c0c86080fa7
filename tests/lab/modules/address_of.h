/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_TEST_ADDRESS_OF_H
#define VLPI_TEST_ADDRESS_OF_H

#include <linux/kprobes.h>

/* Where a function of the kernel is that is not exported; NULL where it has none of that name. */
static inline void *address_of(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	void *address;

	if (register_kprobe(&probe))
		return NULL;
	address = probe.addr;
	unregister_kprobe(&probe);
	return address;
}

#endif /* VLPI_TEST_ADDRESS_OF_H */
