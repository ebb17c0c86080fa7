/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is all well? What the clients of each VM add up to, and what of it needs attention.
 *
 * status, check and metrics say the same of one answer of the module, each in its own way.
 */
#ifndef VLPICTL_VERDICT_H
#define VLPICTL_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vlpi_broker.h>

#include "ask.h"

enum vm_sum {
	SUM_SLOTS, SUM_HELD, SUM_WAITERS, SUM_SIGNALS, SUM_INJECTIONS, SUM_CLIENTS, SUM_UNMAPPABLE,
	SUM_REASSIGN, NR_SUMS
};

/* What the clients of one VM add up to. @first: one of them. */
struct vm_sums {
	struct vlpi_broker_client first;
	uint64_t sum[NR_SUMS];
};

/* What needs attention, the worst first. The man page fixes the codes, not the sentences. */
enum {
	ATT_DOUBLE_MAP,
	ATT_DEAD_STRAYS,
	ATT_MISMATCH,
	ATT_NO_HOLDER,
	ATT_REASSIGN,
	ATT_SHUT_OUT,
	ATT_UNMAPPABLE,
	NR_ATT
};

/**
 * struct attention - a problem
 * @code: its name.
 * @what: what is counted.
 * @remedy: what to do about it.
 * @critical: guests are harmed. Otherwise they are slower than they could be.
 * @passing: it can be seen for a moment where all is well.
 */
struct attention {
	const char *code;
	const char *what;
	const char *remedy;
	bool critical;
	bool passing;
};

extern const struct attention attention[NR_ATT];

/**
 * struct verdict - what the module has answered
 * @info: about all.
 * @vms: each VM. @nr_vms: how many; @room: for so many.
 * @generation, @consistent: as in struct clients.
 * @count: of each problem; where all are 0, all is well.
 */
struct verdict {
	struct vlpi_broker_info info;
	struct vm_sums *vms;
	size_t nr_vms, room;
	uint64_t generation;
	bool consistent;
	uint64_t count[NR_ATT];
};

int verdict_read(int fd, const struct vlpi_broker_info *info, struct verdict *v);
void verdict_free(struct verdict *v);
bool verdict_is_well(const struct verdict *v);

/* What is to be said where all is well. */
#define VERDICT_SUMMARY_SIZE	128
void verdict_summary(const struct verdict *v, char *out, size_t len);

/* The module's totals since it was loaded. */
#define NR_TOTALS	11
const char *total_name(size_t i);
const char *total_help(size_t i);
uint64_t total(const struct vlpi_broker_info *info, size_t i);

#endif
