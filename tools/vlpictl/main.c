// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl: show what the vlpi_broker module holds, and why.
 *
 * This file finds the subcommand and takes it through the one way there is: options, the module's
 * answer, the view that was asked for, the exit status. A bare "vlpictl" is "vlpictl status"; so is
 * one that begins with an option.
 *
 * Calls go down this list only:
 *
 *	main.c				the way of a subcommand
 *	status.c, dump.c, events.c	what each of them reads, and its columns
 *	report.c			a tarball for a bug report
 *	verify.c			what the broker says beside what the host counts
 *	check.c, metrics.c		one line for monitoring; numbers for Prometheus
 *	preflight.c			the host, before anything is loaded
 *	explain.c			what lines of a kernel log mean
 *	version.c			versions
 *	verdict.c			what the module's answer means
 *	ask.c				the module's answers, checked
 *	filter.c			which rows are printed
 *	names.c				names of devices and guests
 *	device.c			the calls that reach the kernel
 *	table.c				rows and columns, and the options about them
 *	json.c				the JSON of it all
 *	text.c				the ABI's numbers and bytes as text
 *	host.c				files of the host, and its log
 *	replace_file.c			a file that is replaced at once
 *	stop.c				^C and its kin, where files would be left behind
 *	complain.c			what goes to standard error, and how far it is
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "array_size.h"
#include "ask.h"
#include "command.h"
#include "complain.h"

/* No subcommand has a longer name. */
#define NAME_ROOM	16

static const struct command *const commands[] = {
	&status_command,
	&dump_command,
	&events_command,
	&check_command,
	&metrics_command,
	&preflight_command,
	&report_command,
	&verify_command,
	&explain_command,
	&version_command,
};

/* How many letters have to be put in, left out, changed or swapped to make @b of @a. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int d[NAME_ROOM + 1][NAME_ROOM + 1];
	const unsigned int la = strlen(a), lb = strlen(b);

	if (la > NAME_ROOM || lb > NAME_ROOM)
		return UINT_MAX;
	for (unsigned int i = 0; i <= la; i++) {
		for (unsigned int j = 0; j <= lb; j++) {
			unsigned int least;

			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			least = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < least)
				least = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < least)
				least = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < least)
				least = d[i - 2][j - 2] + 1;
			d[i][j] = least;
		}
	}
	return d[la][lb];
}

/* What may have been meant: what @name begins, or is two letters from; or NULL. */
static const char *find_meant(const char *name)
{
	const char *meant = NULL;
	unsigned int least = 3;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		unsigned int d = !strncmp(commands[i]->name, name, strlen(name)) ? 1 :
				 distance(name, commands[i]->name);

		if (*name && d < least && d < strlen(name)) {
			least = d;
			meant = commands[i]->name;
		}
	}
	return meant;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	if (find_meant(name))
		complain("there is no subcommand \"%s\"; is it \"%s\"? See: vlpictl help", name,
			 find_meant(name));
	else
		complain("there is no subcommand \"%s\"; see: vlpictl help", name);
	return NULL;
}

static int help(void)
{
	fputs("Usage: vlpictl [SUBCOMMAND] [options]\n\n"
	      "Show what the vlpi_broker kernel module holds, and why.\n\n"
	      "Subcommands:\n", stdout);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
	fputs("  help      this text, or that of one subcommand\n"
	      "\nThe options of one:  vlpictl help SUBCOMMAND\n"
	      "Also: -h, --help and -V, --version\n\n"
	      "Exit status: 0 done, 1 error, 2 wrong usage, if a subcommand doesn't say more. See vlpictl(8).\n", stdout);
	return EXIT_OK;
}

static int help_command(const struct command *cmd)
{
	fputs(cmd->help, stdout);
	if (cmd->run)
		fputs(COMMON_HELP, stdout);
	else
		output_help(&cmd->table);
	return EXIT_OK;
}

static int run_help(int argc, char *argv[])
{
	const struct command *cmd;

	if (argc > 2) {
		complain("help takes the name of one subcommand");
		return EXIT_USAGE;
	}
	if (argc < 2 || !strcmp(argv[1], "help"))
		return help();
	cmd = find_command(argv[1]);
	return cmd ? help_command(cmd) : EXIT_USAGE;
}

/**
 * struct printed - how far the output is
 * @json: the object.
 * @open: a list that more is to come of.
 */
struct printed {
	struct json json;
	bool open;
};

static void print_json(const struct command *cmd, const struct output *out,
		       const struct rows *rows, bool more, struct printed *to)
{
	bool whole = !to->open && !more;

	if (!to->open) {
		json_open(&to->json, NULL, '{');
		json_number(&to->json, "format", JSON_FORMAT);
		json_string(&to->json, "command", cmd->name);
		if (whole)
			cmd->members(&to->json);
		json_open(&to->json, cmd->table.name, '[');
	}
	table_json(&cmd->table, out, rows, &to->json);
	if (more)
		return;
	json_close(&to->json, ']');
	/* Not known before all was read. */
	if (!whole)
		cmd->members(&to->json);
	json_close(&to->json, '}');
}

/* @more: of the same list, is to follow. */
static int print(const struct command *cmd, struct output *out, const struct rows *rows, bool more,
		 struct printed *to)
{
	int ret = 0;

	progress_end();
	if (out->mode == OUT_JSON) {
		print_json(cmd, out, rows, more, to);
	} else {
		cmd->preface(out->mode);
		/* Columns stay where they are with the first part. */
		if (more && !to->open && out->mode == OUT_TABLE)
			table_measure(&cmd->table, out, rows);
		ret = table_print(&cmd->table, out, rows);
		/* One heading for all that follows. */
		out->noheadings = true;
	}
	to->open = more;
	return ret;
}

/* Nothing is printed before the module has answered, in full where it is not in parts. */
static int show(const struct command *cmd, struct output *out)
{
	struct printed to = { .json.to = stdout };
	struct vlpi_broker_info info;
	struct rows rows;
	int fd, ret;

	fd = ask_open();
	if (fd < 0)
		return EXIT_FAILED;
	/* INFO first: it says whether the rest is in an ABI that we understand. */
	ret = ask_info(fd, &info);
	if (!ret)
		ret = cmd->read(fd, &info, &rows);
	while (ret > 0) {
		if (print(cmd, out, &rows, cmd->one_list, &to) || fflush(stdout))
			ret = -1;
		else
			ret = cmd->read(fd, &info, &rows);
	}
	/* Before the last is printed: a pager that stops us must not keep the module loaded. */
	ask_close(fd);
	if (!ret)
		ret = print(cmd, out, &rows, false, &to);
	progress_end();
	if (ret)
		return EXIT_FAILED;
	return cmd->status ? cmd->status() : EXIT_OK;
}

static int run(const struct command *cmd, int argc, char *argv[])
{
	struct output out = { .mode = OUT_TABLE };
	const int usage = cmd->usage_status ? cmd->usage_status : EXIT_USAGE;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, cmd->short_options, cmd->options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			return help_command(cmd);
		case 'V':
			puts("vlpictl " VLPICTL_VERSION);
			return EXIT_OK;
		case '?':
			/* getopt_long() has complained. */
			return usage;
		}
		/* Those without a table have no other view. */
		ret = cmd->run && opt != 'J' ? 1 : output_option(&out, opt, optarg);
		if (ret > 0)
			ret = cmd->option(opt, optarg);
		if (ret)
			return usage;
	}
	if (optind < argc) {
		complain("%s takes no argument \"%s\"; see: vlpictl help %s", cmd->name,
			 argv[optind], cmd->name);
		return usage;
	}
	if (cmd->run)
		return cmd->run(out.mode == OUT_JSON);
	if (output_columns(&out, &cmd->table))
		return EXIT_USAGE;
	return show(cmd, &out);
}

/* An option without an argument that may also stand before the subcommand. */
static bool is_view(const char *arg)
{
	static const char *const views[] = { "--json", "--pairs", "--raw", "--noheadings" };

	if (arg[0] != '-')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		if (!strcmp(arg, views[i]))
			return true;
	return arg[1] && strspn(arg + 1, "JPrn") == strlen(arg + 1);
}

/* "vlpictl --json dump" is "vlpictl dump --json". */
static void command_first(char *argv[])
{
	char *command;
	int i = 1;

	while (argv[i] && is_view(argv[i]))
		i++;
	if (i == 1 || !argv[i] || argv[i][0] == '-')
		return;
	command = argv[i];
	memmove(&argv[2], &argv[1], (i - 1) * sizeof(*argv));
	argv[1] = command;
}

static int dispatch(int argc, char *argv[])
{
	static char status[] = "status";
	const struct command *cmd;

	if (argc > 1)
		command_first(argv);

	if (argc > 1 && !strcmp(argv[1], "help"))
		return run_help(argc - 1, argv + 1);
	if (argc > 1 && argv[1][0] != '-') {
		cmd = find_command(argv[1]);
		return cmd ? run(cmd, argc - 1, argv + 1) : EXIT_USAGE;
	}
	if (argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")))
		return help();
	/* getopt_long() begins its complaints with this. */
	if (argc > 0)
		argv[0] = status;
	return run(&status_command, argc, argv);
}

int main(int argc, char *argv[])
{
	int ret = dispatch(argc, argv);

	/* A full disk or a broken pipe must not look like a short answer. */
	if (fflush(stdout) || ferror(stdout)) {
		complain("can't write the output: %s", strerror(errno));
		if (ret == EXIT_OK)
			ret = EXIT_FAILED;
	}
	return ret;
}
