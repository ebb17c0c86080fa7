/* SPDX-License-Identifier: GPL-2.0-only */
/* Which rows are printed: the options by which dump and events choose. */
#ifndef VLPICTL_FILTER_H
#define VLPICTL_FILTER_H

#include <stdbool.h>
#include <stdint.h>

enum filter_by { BY_VM, BY_PID, BY_IRQ, BY_VINTID, BY_SINCE, NR_BY };

/* For getopt_long(); those that all have are below 256. */
#define FILTER_OPT	256
#define FILTER_LONG							\
	{ "vm", required_argument, NULL, FILTER_OPT + BY_VM },		\
	{ "pid", required_argument, NULL, FILTER_OPT + BY_PID },	\
	{ "irq", required_argument, NULL, FILTER_OPT + BY_IRQ },	\
	{ "vintid", required_argument, NULL, FILTER_OPT + BY_VINTID }
#define FILTER_SINCE							\
	{ "since", required_argument, NULL, FILTER_OPT + BY_SINCE }
#define FILTER_HELP							\
	"     --vm ID           only of the VM with this id\n"		\
	"     --pid N           only of the VMs of this process\n"	\
	"     --irq N           only of this host IRQ\n"		\
	"     --vintid N        only of this vLPI\n"

/* Take an option. Returns -1 after a complaint. */
int filter_option(int opt, const char *arg);
bool filter_by(enum filter_by by);
bool filter_any(void);
/* Does @value pass? All does where that option was not given. */
bool filter_passes(enum filter_by by, uint64_t value);
/* The value that was given; of BY_SINCE, nanoseconds before now. */
uint64_t filter_value(enum filter_by by);

#endif
