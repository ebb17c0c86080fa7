/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests in TAP, each in a process of its own: the arbiter's data is static, and a bug ends it. */
#ifndef UNIT_UNIT_H
#define UNIT_UNIT_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit_test {
	const char *name;
	void (*fn)(void);
	bool is_bug;
	struct unit_test *next;
};

void unit_register(struct unit_test *test);
void unit_failed(void);

#define TEST_(name, bug) \
	static void name(void); \
	static struct unit_test test_##name = { #name, name, bug, NULL }; \
	static void __attribute__((constructor)) register_##name(void) \
	{ \
		unit_register(&test_##name); \
	} \
	static void name(void)

#define TEST(name)	TEST_(name, false)
/* Shows that the fake kernel or the fake host sees a bug: the test has to end with "# BUG:". */
#define TEST_BUG(name)	TEST_(name, true)

#define FAIL(fmt, ...) \
	(printf("# %s:%d: " fmt "\n", __FILE__, __LINE__, ##__VA_ARGS__), unit_failed())

#define EXPECT(cond)	((cond) ? (void)0 : FAIL("%s", #cond))

#define EXPECT_EQ(value, expected) do { \
	long long value_ = (value), expected_ = (expected); \
	if (value_ != expected_) \
		FAIL("%s is %lld, not %lld (%s)", #value, value_, expected_, #expected); \
} while (0)

#define EXPECT_STR(value, expected) do { \
	const char *value_ = (value), *expected_ = (expected); \
	if (strcmp(value_, expected_)) \
		FAIL("%s is \"%s\", not \"%s\"", #value, value_, expected_); \
} while (0)

/* All that the host did since this was last asked. */
#define EXPECT_DID(expected)	EXPECT_STR(fake_did(), expected)

#define EXPECT_STATE(irqfd, expected, errno_) do { \
	struct vlpi_broker_client entry_ = dump_of(irqfd); \
	if (entry_.state != VLPI_BROKER_##expected || entry_.error != (errno_)) \
		FAIL("%s is %s, error %u; not %s, %u", #irqfd, name_of_state(entry_.state), \
		     entry_.error, name_of_state(VLPI_BROKER_##expected), errno_); \
} while (0)

#define HOLDS(irqfd)		EXPECT_STATE(irqfd, HOLDER, 0)
#define WAITS(irqfd)		EXPECT_STATE(irqfd, WAITER, 0)

#endif /* UNIT_UNIT_H */
