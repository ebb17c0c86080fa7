/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One model of rows and columns, and the options that choose among its views: libsmartcols prints
 * table, raw and pairs, json.h the JSON.
 */
#ifndef VLPICTL_TABLE_H
#define VLPICTL_TABLE_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "json.h"

#define MAX_COLUMNS	32
#define CELL_SIZE	160

/* A number is decimal, with a sign or a point where it has one; what is COL_BOOL is yes or no. */
enum column_type { COL_TEXT, COL_NUMBER, COL_BOOL };

/**
 * struct column - one that can be asked for
 * @name: as in the man page. Pairs and JSON have '_' in place of '-', so that a shell and jq take
 *	it as a name; --output takes both.
 * @type: of its values.
 * @extra: printed only where --output names it.
 * @help: one line.
 * @width: at least so wide, for tables that are printed in pieces.
 * @wide: not in the default table, which stays within 80 columns; in the other views, yes.
 */
struct column {
	const char *name;
	enum column_type type;
	bool extra;
	const char *help;
	int width;
	bool wide;
};

/**
 * struct rows - what is to be printed
 * @first: the first one.
 * @nr: how many.
 * @size: of each.
 */
struct rows {
	const void *first;
	size_t nr, size;
};

/**
 * struct table - what can be printed
 * @name: of the array of rows in JSON.
 * @columns: all of them, in the order of the default table.
 * @nr_columns: at most MAX_COLUMNS.
 * @cell: write the value of @column in @row to @out. False where there is none: that is "-" in a
 *	table and in raw, "" in pairs and null in JSON.
 */
struct table {
	const char *name;
	const struct column *columns;
	size_t nr_columns;
	bool (*cell)(const void *row, size_t column, char *out, size_t len);
};

enum output_mode { OUT_TABLE, OUT_JSON, OUT_PAIRS, OUT_RAW };

/**
 * struct output - what was asked for on the command line
 * @mode: the view.
 * @chosen: --json, --pairs or --raw was given.
 * @noheadings: no header line.
 * @list: argument of --output, or NULL.
 * @columns: indexes into the table's columns.
 * @width: of each at least, in a table that is printed in parts.
 * @nr_columns: how many.
 */
struct output {
	enum output_mode mode;
	bool chosen;
	bool noheadings;
	const char *list;
	unsigned int columns[MAX_COLUMNS];
	int width[MAX_COLUMNS];
	size_t nr_columns;
};

/* For getopt_long() of each subcommand. */
#define COMMON_SHORT	"hV"
#define COMMON_LONG						\
	{ "help", no_argument, NULL, 'h' },			\
	{ "version", no_argument, NULL, 'V' }
#define COMMON_HELP						\
	" -h, --help            this text\n"			\
	" -V, --version         version of vlpictl\n"

/* And of one that has a view for programs, and no table. */
#define JSON_SHORT	"J"
#define JSON_LONG	{ "json", no_argument, NULL, 'J' }

/* And of each that has a table. */
#define OUTPUT_SHORT	JSON_SHORT "no:Pr" COMMON_SHORT
#define OUTPUT_LONG						\
	JSON_LONG,						\
	{ "noheadings", no_argument, NULL, 'n' },		\
	{ "output", required_argument, NULL, 'o' },		\
	{ "pairs", no_argument, NULL, 'P' },			\
	{ "raw", no_argument, NULL, 'r' },			\
	COMMON_LONG

int output_option(struct output *out, int opt, const char *arg);
int output_columns(struct output *out, const struct table *table);
void output_help(const struct table *table);

void table_measure(const struct table *table, struct output *out, const struct rows *rows);
int table_print(const struct table *table, const struct output *out, const struct rows *rows);
void table_json(const struct table *table, const struct output *out, const struct rows *rows,
		struct json *j);

#endif
