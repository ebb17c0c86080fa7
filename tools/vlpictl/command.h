/* SPDX-License-Identifier: GPL-2.0-only */
/* What main.c has to know of a subcommand: each is one of these, in a file of its own. */
#ifndef VLPICTL_COMMAND_H
#define VLPICTL_COMMAND_H

#include <linux/vlpi_broker.h>

#include "json.h"
#include "table.h"

/*
 * Version of every JSON object that vlpictl prints, its "format" member. Raised when a member goes
 * away or changes its meaning; a new member doesn't raise it.
 */
#define JSON_FORMAT	1

/* The man page promises these. */
enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

/**
 * struct command - a subcommand
 * @name: as on the command line.
 * @summary: one line in the list of subcommands.
 * @help: usage and options of its own, before those that all have.
 * @table: its rows and columns.
 * @short_options, @options: for getopt_long(), those that all have included.
 * @option: take an option of its own; may be missing. Returns -1 after a complaint.
 * @read: ask the module, and leave in @rows what is to be printed. Returns -1 after a complaint, 1
 *	where it is to be called again once that has been printed, else 0.
 * @one_list: what @read leaves each time are parts of one list: one object in JSON. Otherwise each
 *	is an object of its own.
 * @preface: say what stands beside the table, in any view but JSON.
 * @members: write what stands beside the rows in JSON; behind them where they come in parts.
 *
 * @status: the exit status once all is printed; EXIT_OK where it is missing.
 * @run: in place of @table, @read, @preface and @members: do it all, and return the exit status.
 *	@as_json: --json was given, where its options have that.
 * @usage_status: exit status of wrong usage, where it is not EXIT_USAGE.
 *
 * What @option and @read find out is kept in the command's file: a process runs one, once.
 */
struct command {
	const char *name;
	const char *summary;
	const char *help;
	struct table table;
	const char *short_options;
	const struct option *options;
	int (*option)(int opt, const char *arg);
	int (*read)(int fd, const struct vlpi_broker_info *info, struct rows *rows);
	bool one_list;
	void (*preface)(enum output_mode mode);
	void (*members)(struct json *j);
	int (*status)(void);
	int (*run)(bool as_json);
	int usage_status;
};

extern const struct command status_command, dump_command, events_command, check_command,
	metrics_command, preflight_command, report_command, verify_command, explain_command,
	version_command;

#endif
