/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kselftest harness, for tests that boot VMs on an emulated machine, and that say of themselves
 * which hazards they are for and on which stock kernels they must fail. A test program is
 *
 *	#include "harness.h"
 *
 *	FIXTURE(six) { ... };		and its FIXTURE_VARIANT, FIXTURE_SETUP, FIXTURE_TEARDOWN
 *
 *	FAILS_ON_STOCK("six.one_gsi.all_are_delivered", "6.1 7.3");
 *	VM_TEST_F(six, all_are_delivered, "H1 P2")
 *	{
 *		EXPECT_EQ(...);
 *	}
 *
 *	TEST_MAIN
 *
 * Before anything else, and with -l, it prints what tests/run reads from it:
 *
 *	# about six.all_are_delivered: H1 P2
 *	# fails on stock 6.1 7.3: six.one_gsi.all_are_delivered
 *
 * A program of which one of these lines is missing or wrong runs no test.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "vmm.h"

/* The bound of a test; the lab has another one for debug kernels. */
#ifndef TEST_SECONDS
#define TEST_SECONDS		240
#endif

/* The hazards and promises of docs/design.md. */
#define LAST_HAZARD		54
#define LAST_PROMISE		7

/*
 * A test, with the hazards and promises that it is for: one or more, with a blank between them.
 * Used like TEST_F(). The second form has a bound of its own.
 */
#define VM_TEST_F(fixture, test, hazards)				\
	VM_TEST_F_TIMEOUT(fixture, test, TEST_SECONDS, hazards)

#define VM_TEST_F_TIMEOUT(fixture, test, seconds, hazards)		\
	__REMARK(about_##fixture##_##test, ABOUT_TEST, #fixture "." #test, hazards); \
	TEST_F_TIMEOUT(fixture, test, seconds)

/* "FIXTURE.VARIANT": with this variant, its tests are for these hazards and promises instead. */
#define ABOUT_VARIANT(name, hazards)					\
	__NUMBERED_REMARK(__COUNTER__, ABOUT_ITS_VARIANT, name, hazards)

/*
 * The test of this full name, "FIXTURE.VARIANT.TEST" or "FIXTURE.TEST", must fail on the stock
 * kernels of these series: there it shows that it can tell. The second form is for one that harms
 * the host, and is run after those that do not.
 */
#define FAILS_ON_STOCK(name, series)					\
	__NUMBERED_REMARK(__COUNTER__, FAILS, name, series)
#define FAILS_ON_STOCK_LAST(name, series)				\
	__NUMBERED_REMARK(__COUNTER__, FAILS_LAST, name, series)

/* In place of TEST_HARNESS_MAIN. A program with a main() of its own calls run_tests(). */
#define TEST_MAIN							\
	int main(int argc, char **argv)					\
	{								\
		return run_tests(argc, argv);				\
	}

/* ---- what a program says of its tests -------------------------------------------------------- */

enum remark_kind { ABOUT_TEST, ABOUT_ITS_VARIANT, FAILS, FAILS_LAST };

struct remark {
	enum remark_kind kind;
	const char *name;
	const char *words;
	struct remark *next;
};

static struct remark *remarks, **last_remark = &remarks;

#define __REMARK(id, k, n, w)						\
	static struct remark id;					\
	static void __attribute__((constructor)) add_##id(void)		\
	{								\
		*last_remark = &id;					\
		last_remark = &id.next;					\
	}								\
	static struct remark id = { .kind = k, .name = n, .words = w }
#define ____NUMBERED_REMARK(n, k, name, words)	__REMARK(remark_##n, k, name, words)
#define __NUMBERED_REMARK(n, k, name, words)	____NUMBERED_REMARK(n, k, name, words)

/* Before a test has begun: the program has said something wrong. */
static void __printf_like(1, 2) __attribute__((noreturn)) wrong_remark(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "# error: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(KSFT_FAIL);
}

/* H1 to H54, P1 to P7. */
static bool is_hazard(const char *word)
{
	unsigned int last = *word == 'H' ? LAST_HAZARD : *word == 'P' ? LAST_PROMISE : 0;
	unsigned int n = strtoul(word + !!*word, NULL, 10);
	char exact[16];

	snprintf(exact, sizeof(exact), "%c%u", *word, n);
	return n && n <= last && !strcmp(word, exact);
}

/* 6.1, 6.12 */
static bool is_series(const char *word)
{
	unsigned int major, minor;
	char exact[32];

	if (sscanf(word, "%u.%u", &major, &minor) != 2)
		return false;
	snprintf(exact, sizeof(exact), "%u.%u", major, minor);
	return !strcmp(word, exact);
}

static void check_words(const struct remark *r)
{
	bool about = r->kind == ABOUT_TEST || r->kind == ABOUT_ITS_VARIANT;
	char words[256], *rest = words, *word;

	if (!*r->words)
		wrong_remark("%s: no %s", r->name, about ? "hazard and no promise" : "series");
	snprintf(words, sizeof(words), "%s", r->words);
	while ((word = strsep(&rest, " ")))
		if (!(about ? is_hazard(word) : is_series(word)))
			wrong_remark("%s: \"%s\" is no %s", r->name, word,
				     about ? "hazard and no promise" : "series");
}

/* Is it the name of a test in full, or, @short_of its last word, of a variant? */
static bool is_name(const char *name, bool short_of)
{
	struct __fixture_variant_metadata none = { .name = "" }, *v;
	struct __fixture_metadata *f;
	struct __test_metadata *t;
	char full[256];

	for (f = __fixture_list; f; f = f->next) {
		for (v = f->variant ? : &none; v; v = v->next) {
			for (t = f->tests; t; t = t->next) {
				snprintf(full, sizeof(full), "%s%s%s%s%s", f->name,
					 v->name[0] ? "." : "", v->name, short_of ? "" : ".",
					 short_of ? "" : t->name);
				if (!strcmp(name, full) && (!short_of || v->name[0]))
					return true;
			}
		}
	}
	return false;
}

static bool is_test_said(const struct __fixture_metadata *f, const struct __test_metadata *t)
{
	char name[256];

	snprintf(name, sizeof(name), "%s.%s", f->name, t->name);
	for (const struct remark *r = remarks; r; r = r->next)
		if (r->kind == ABOUT_TEST && !strcmp(r->name, name))
			return true;
	return false;
}

static void check_remarks(void)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	for (const struct remark *r = remarks; r; r = r->next) {
		check_words(r);
		if (r->kind == ABOUT_ITS_VARIANT && !is_name(r->name, true))
			wrong_remark("%s: no variant of a fixture here", r->name);
		if (r->kind >= FAILS && !is_name(r->name, false))
			wrong_remark("%s: no test of this program", r->name);
	}
	/* What TEST_F() itself makes says nothing of hazards. */
	for (f = __fixture_list; f; f = f->next)
		for (t = f->tests; t; t = t->next)
			if (!is_test_said(f, t))
				wrong_remark("%s.%s: not said which hazards it is for", f->name,
					     t->name);
}

static void print_remarks(void)
{
	for (const struct remark *r = remarks; r; r = r->next) {
		if (r->kind < FAILS)
			printf("# about %s: %s\n", r->name, r->words);
		else
			printf("# fails %son stock %s: %s\n", r->kind == FAILS ? "" : "last ",
			       r->words, r->name);
	}
	/* The harness lists tests on stderr, and forks. */
	fflush(stdout);
}

static int run_tests(int argc, char **argv)
{
	check_remarks();
	print_remarks();
	return test_harness_run(argc, argv);
}

#endif /* HARNESS_H */
