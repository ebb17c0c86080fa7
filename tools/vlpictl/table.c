// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "table.h"

#define NAME_SIZE	32

/* Names compare without case, and '_' is '-'. */
static bool same_name(const char *name, const char *given, size_t len)
{
	for (; len && *name; name++, given++, len--) {
		char c = *given == '_' ? '-' : toupper((unsigned char)*given);

		if (c != *name)
			return false;
	}
	return !len && !*name;
}

static bool has_column(const struct output *out, size_t column)
{
	for (size_t i = 0; i < out->nr_columns; i++)
		if (out->columns[i] == column)
			return true;
	return false;
}

static int add_named(struct output *out, const struct table *table, const char *given, size_t len)
{
	for (size_t i = 0; i < table->nr_columns; i++) {
		if (!same_name(table->columns[i].name, given, len))
			continue;
		if (has_column(out, i)) {
			complain("--output names the column %s twice", table->columns[i].name);
			return -1;
		}
		out->columns[out->nr_columns++] = i;
		return 0;
	}
	complain("there is no column \"%.*s\"; --help lists them", (int)len, given);
	return -1;
}

/* Decide which columns to print. A list that begins with '+' adds to the default. */
int output_columns(struct output *out, const struct table *table)
{
	const char *p = out->list;

	out->nr_columns = 0;
	if (!p || *p == '+') {
		for (size_t i = 0; i < table->nr_columns; i++)
			if (!table->columns[i].extra &&
			    !(table->columns[i].wide && out->mode == OUT_TABLE))
				out->columns[out->nr_columns++] = i;
		if (!p)
			return 0;
		p++;
	}
	for (;;) {
		size_t len = strcspn(p, ",");

		if (add_named(out, table, p, len))
			return -1;
		if (!p[len])
			return 0;
		p += len + 1;
	}
}

/* Take an option. Returns 1 where it is none of ours, -1 after a complaint. */
int output_option(struct output *out, int opt, const char *arg)
{
	enum output_mode mode;

	switch (opt) {
	case 'n':
		out->noheadings = true;
		return 0;
	case 'o':
		out->list = arg;
		return 0;
	case 'J':
		mode = OUT_JSON;
		break;
	case 'P':
		mode = OUT_PAIRS;
		break;
	case 'r':
		mode = OUT_RAW;
		break;
	default:
		return 1;
	}
	if (out->chosen && out->mode != mode) {
		complain("--json, --pairs and --raw exclude each other");
		return -1;
	}
	out->chosen = true;
	out->mode = mode;
	return 0;
}

void output_help(const struct table *table)
{
	fputs(" -J, --json            JSON, for programs\n"
	      " -P, --pairs           NAME=\"value\" pairs, for a shell\n"
	      " -r, --raw             columns separated by one blank, for awk\n"
	      " -n, --noheadings      no header line\n"
	      " -o, --output COL,...  these columns; +COL,... adds to the default\n"
	      COMMON_HELP
	      "\nColumns (scripts should name theirs with --output; those with * only come when named,\n"
	      "those with + when named and in all views but the table):\n", stdout);
	for (size_t i = 0; i < table->nr_columns; i++)
		printf(" %c %-11s %s\n", table->columns[i].extra ? '*' : table->columns[i].wide ? '+' : ' ',
		       table->columns[i].name, table->columns[i].help);
}

/* An identifier has '_' for '-', so that a shell and jq take it as a name. */
static void put_name(char name[NAME_SIZE], const struct column *col, bool identifier)
{
	snprintf(name, NAME_SIZE, "%s", col->name);
	for (char *p = name; *p && identifier; p++)
		if (*p == '-')
			*p = '_';
}

static const void *row_at(const struct rows *rows, size_t i)
{
	return (const char *)rows->first + i * rows->size;
}

/* The columns in @out of one line of the table. */
static int fill_line(struct libscols_line *ln, const struct table *table, const struct output *out,
		     const void *row)
{
	char cell[CELL_SIZE], padded[CELL_SIZE];

	for (size_t i = 0; i < out->nr_columns; i++) {
		const struct column *col = &table->columns[out->columns[i]];
		const char *data = out->mode == OUT_PAIRS ? "" : "-";
		int width;

		if (table->cell(row, out->columns[i], cell, sizeof(cell)))
			data = cell;
		width = out->width[i] > col->width ? out->width[i] : col->width;
		if (out->mode == OUT_TABLE && width) {
			/* What libsmartcols takes for a width is a hint to it. */
			snprintf(padded, sizeof(padded), "%*s",
				 col->type == COL_NUMBER ? width : -width, data);
			data = padded;
		}
		if (scols_line_set_data(ln, i, data))
			return -1;
	}
	return 0;
}

/*
 * As wide as they are in @rows and their headings, the columns are in each table that is printed
 * from now on; where a value is longer, the table that it is in is out of line with the others.
 */
void table_measure(const struct table *table, struct output *out, const struct rows *rows)
{
	char cell[CELL_SIZE];

	for (size_t r = 0; r < rows->nr; r++) {
		for (size_t i = 0; i < out->nr_columns; i++) {
			if (!table->cell(row_at(rows, r), out->columns[i], cell, sizeof(cell)))
				continue;
			if ((int)strlen(cell) > out->width[i])
				out->width[i] = strlen(cell);
		}
	}
	for (size_t i = 0; i < out->nr_columns; i++) {
		int heading = strlen(table->columns[out->columns[i]].name);

		if (heading > out->width[i])
			out->width[i] = heading;
	}
}

static int fill(struct libscols_table *tb, const struct table *table, const struct output *out,
		const struct rows *rows)
{
	char name[NAME_SIZE];

	for (size_t i = 0; i < out->nr_columns; i++) {
		const struct column *col = &table->columns[out->columns[i]];

		put_name(name, col, out->mode == OUT_PAIRS);
		if (!scols_table_new_column(tb, name, 0,
					    col->type == COL_NUMBER ? SCOLS_FL_RIGHT : 0))
			return -1;
	}
	for (size_t r = 0; r < rows->nr; r++) {
		struct libscols_line *ln = scols_table_new_line(tb, NULL);

		if (!ln || fill_line(ln, table, out, row_at(rows, r)))
			return -1;
	}
	return 0;
}

/* Print @rows in any view but JSON. Returns -1 after a complaint. */
int table_print(const struct table *table, const struct output *out, const struct rows *rows)
{
	struct libscols_table *tb;
	int ret = -1;

	/* Releases differ in what they print for a table without lines. */
	if (!rows->nr)
		return 0;

	tb = scols_new_table();
	if (!tb)
		goto out;
	/* Our bytes are safe already (text_escape()): a second escaping would spoil the first. */
	scols_table_enable_noencoding(tb, 1);
	/* A line that is too wide is the terminal's to wrap: never cut a value. */
	scols_table_set_termforce(tb, SCOLS_TERMFORCE_NEVER);
	scols_table_enable_noheadings(tb, out->noheadings);
	scols_table_enable_export(tb, out->mode == OUT_PAIRS);
	scols_table_enable_raw(tb, out->mode == OUT_RAW);
	if (!fill(tb, table, out, rows))
		ret = scols_print_table(tb);
out:
	scols_unref_table(tb);
	if (ret) {
		complain("libsmartcols can't print the table; is there memory left?");
		return -1;
	}
	return 0;
}

static void json_cell(struct json *j, const struct table *table, const void *row, size_t column)
{
	const struct column *col = &table->columns[column];
	char name[NAME_SIZE], cell[CELL_SIZE];

	put_name(name, col, true);
	for (char *p = name; *p; p++)
		*p = tolower((unsigned char)*p);
	if (!table->cell(row, column, cell, sizeof(cell)))
		json_literal(j, name, "null");
	else if (col->type == COL_TEXT)
		json_string(j, name, cell);
	else if (col->type == COL_BOOL)
		json_bool(j, name, !strcmp(cell, "yes"));
	else
		json_literal(j, name, cell);
}

/* Write @rows into the array that is open. */
void table_json(const struct table *table, const struct output *out, const struct rows *rows,
		struct json *j)
{
	for (size_t r = 0; r < rows->nr; r++) {
		json_open(j, NULL, '{');
		for (size_t i = 0; i < out->nr_columns; i++)
			json_cell(j, table, row_at(rows, r), out->columns[i]);
		json_close(j, '}');
	}
}
