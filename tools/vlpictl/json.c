// SPDX-License-Identifier: GPL-2.0-only
/*
 * JSON on a stream, for programs first, and laid out for eyes: a line for each member of the
 * outermost object and for each element of an array; what is inside of these stays in their line.
 */
#include <inttypes.h>

#include "json.h"

#define INDENT	3

static void new_line(const struct json *j)
{
	fprintf(j->to, "\n%*s", INDENT * (int)j->depth, "");
}

static void put_string(const struct json *j, const char *s)
{
	fputc('"', j->to);
	for (; *s; s++) {
		unsigned char c = *s;

		if (c == '"' || c == '\\')
			fprintf(j->to, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(j->to, "\\u%04x", c);
		else if (c > 0x7f)
			/* None comes here (text_escape()); it must not break the string if it does. */
			fputs("\\ufffd", j->to);
		else
			fputc(c, j->to);
	}
	fputc('"', j->to);
}

/* All that stands between the value before and this one. */
static void begin_value(struct json *j, const char *name)
{
	if (j->filled)
		fputc(',', j->to);
	if (j->depth && (!name || j->depth == 1))
		new_line(j);
	else if (j->filled)
		fputc(' ', j->to);
	if (name)
		fprintf(j->to, "\"%s\": ", name);
	j->filled = true;
}

void json_open(struct json *j, const char *name, char bracket)
{
	begin_value(j, name);
	fputc(bracket, j->to);
	j->depth++;
	j->filled = false;
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (j->filled && (bracket == ']' || !j->depth))
		new_line(j);
	fputc(bracket, j->to);
	j->filled = j->depth;
	if (!j->depth)
		fputc('\n', j->to);
}

void json_string(struct json *j, const char *name, const char *s)
{
	begin_value(j, name);
	put_string(j, s);
}

void json_literal(struct json *j, const char *name, const char *text)
{
	begin_value(j, name);
	fputs(text, j->to);
}

void json_number(struct json *j, const char *name, uint64_t value)
{
	begin_value(j, name);
	fprintf(j->to, "%" PRIu64, value);
}

void json_bool(struct json *j, const char *name, bool value)
{
	json_literal(j, name, value ? "true" : "false");
}
