/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A streaming JSON writer: it knows where it is and keeps nothing of what it wrote.
 *
 * @name is the name of a member, printed as it is, or NULL for an element of an array and for the
 * outermost value. The caller closes what it opens, with the bracket that belongs to it.
 */
#ifndef VLPICTL_JSON_H
#define VLPICTL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Begin with { .to = FILE }. After the outermost value has been closed, the next may follow. */
struct json {
	FILE *to;
	unsigned int depth;
	bool filled;	/* what is open has a member or an element */
};

void json_open(struct json *j, const char *name, char bracket);
void json_close(struct json *j, char bracket);
void json_string(struct json *j, const char *name, const char *s);
void json_number(struct json *j, const char *name, uint64_t value);
void json_bool(struct json *j, const char *name, bool value);
/* A number or null that is text already. */
void json_literal(struct json *j, const char *name, const char *text);

#endif
