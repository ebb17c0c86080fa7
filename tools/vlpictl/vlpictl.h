/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of vlpictl share: exit statuses and the subcommands. */
#ifndef VLPICTL_H
#define VLPICTL_H

#include <stdio.h>

/* The man page promises these. */
#define EXIT_OK		0
#define EXIT_FAILED	1
#define EXIT_USAGE	2

/*
 * Version of every JSON object that vlpictl prints, its "format" member. Raised when a member goes
 * away or changes its meaning; a new member doesn't raise it.
 */
#define JSON_FORMAT	1

/* A subcommand gets its own argv: argv[0] is its name. Returns an exit status. */
int cmd_status(int argc, char *argv[]);
void help_status(FILE *f);
int cmd_dump(int argc, char *argv[]);
void help_dump(FILE *f);
int cmd_events(int argc, char *argv[]);
void help_events(FILE *f);

#endif
