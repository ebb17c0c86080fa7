/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers and bytes of the ABI as text that is safe on a terminal and in JSON. */
#ifndef VLPICTL_TEXT_H
#define VLPICTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for @n bytes when each of them needs escaping. */
#define TEXT_SIZE(n)	(4 * (n) + 1)

/*
 * Each writes to @out and returns whether there is anything: that is what a cell of a table wants.
 */
bool text_escape(char *out, const char *bytes, size_t n);
bool text_number(char *out, size_t len, uint64_t value);
bool text_state(char *out, size_t len, uint32_t state);
bool text_event(char *out, size_t len, uint32_t type);
bool text_why(char *out, size_t len, uint32_t why);
bool text_error(char *out, size_t len, uint32_t error);

#endif
