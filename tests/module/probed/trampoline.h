/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TRAMPOLINE_H
#define TRAMPOLINE_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_TRAMPOLINES		32

/*
 * BPF programs on the entry of kernel functions (fentry), or on their return (fexit). Each only
 * counts its runs. The kernel calls them by a trampoline that it has ftrace branch to directly.
 */
struct trampolines {
	int map;
	/* One a program: how often it has run. */
	volatile uint64_t *runs;
	int program[MAX_TRAMPOLINES];
	int link[MAX_TRAMPOLINES];
	unsigned int nr;
};

/* Does this kernel let a BPF program be attached to a function so? */
bool trampolines_possible(void);

void trampolines_begin(struct trampolines *t);
/* Its runs are those of number t->nr at the call. */
void trampolines_add(struct trampolines *t, const char *function, bool on_return);
void trampolines_end(struct trampolines *t);

#endif /* TRAMPOLINE_H */
