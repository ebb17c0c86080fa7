/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vlpi-selftest, in three parts: main.c has the guards, and runs each test in a process of its own;
 * tests.c is what runs in these; facts.c is what the host is, and the file of results.
 */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "vmm.h"

#define PROGRAM			"vlpi-selftest"
#define MIN_VECTORS		3

/* ---- tests.c --------------------------------------------------------------------------------- */

/* Shared by the program and the processes of its tests. */
struct outcome {
	char why[400];		/* what went wrong first, or empty */
	/* What the probe has found. */
	unsigned int vectors;
	char gic[8];		/* "4.0", "4.1", or empty: KVM does not inject directly */
};

/* What each test has to know. */
struct function {
	const char *address;
	unsigned int nr;	/* vectors that are used */
	struct outcome *outcome;
};

extern struct function function;

struct selftest {
	const char *name;
	const char *what;
	void (*run)(void);
	/* On a stock kernel this may take the host down. */
	bool harms_stock;
};

extern const struct selftest selftests[];
extern const unsigned int nr_selftests;

/* Can the tests be run here at all? */
void probe(void);

/* ---- facts.c --------------------------------------------------------------------------------- */

enum verdict_word { NOT_RUN, PASSED, FAILED };

struct result {
	const char *name;
	const char *what;
	enum verdict_word verdict;
	char why[400];		/* why it failed or was not run */
	unsigned int ms;
};

#define MAX_LOG_LINES		16

struct report {
	const char *address;
	const char *gic;
	unsigned int vectors;
	bool stock;
	struct vlpi_broker_info info;
	struct result result[16];
	unsigned int nr;
	char log[MAX_LOG_LINES][200];
	unsigned int nr_log;	/* may be more than are kept */
	bool passed;
};

/* A few lines for eyes, "# ..." on standard output. */
void facts_print(const struct report *r);
/* 0, or -1 after a complaint. */
int facts_write(const struct report *r, const char *path);

#endif /* SELFTEST_H */
