// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl: show what the vlpi_broker module holds, and why.
 *
 * This file finds the subcommand and sees to it that what was printed arrived. A bare "vlpictl" is
 * "vlpictl status"; so is one that begins with an option.
 */
#include <errno.h>
#include <string.h>

#include "array_size.h"
#include "complain.h"
#include "vlpictl.h"

static int cmd_help(int argc, char *argv[]);
static void help_help(FILE *f);

static const struct command {
	const char *name;
	int (*run)(int argc, char *argv[]);
	void (*help)(FILE *f);
	const char *summary;
} commands[] = {
	{ "status", cmd_status, help_status, "is all well, what is held, the VMs (default)" },
	{ "dump", cmd_dump, help_dump, "one line per client: its state, its place, the reason" },
	{ "events", cmd_events, help_events, "the latest changes, one line each; --follow waits for more" },
	{ "help", cmd_help, help_help, "this text, or that of one subcommand" },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	complain("there is no subcommand \"%s\"; see: vlpictl help", name);
	return NULL;
}

static void help_help(FILE *f)
{
	fputs("Usage: vlpictl [status|dump|events|help] [options]\n\n"
	      "Show what the vlpi_broker kernel module holds, and why.\n\n"
	      "Subcommands:\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\nThe options of one:  vlpictl help SUBCOMMAND\n"
	      "Also: -h, --help and -V, --version\n\n"
	      "Exit status: 0 done, 1 error, 2 wrong usage. See vlpictl(8).\n", f);
}

static int cmd_help(int argc, char *argv[])
{
	const struct command *cmd;

	if (argc > 2) {
		complain("help takes the name of one subcommand");
		return EXIT_USAGE;
	}
	if (argc < 2) {
		help_help(stdout);
		return EXIT_OK;
	}
	cmd = find_command(argv[1]);
	if (!cmd)
		return EXIT_USAGE;
	cmd->help(stdout);
	return EXIT_OK;
}

static int dispatch(int argc, char *argv[])
{
	static char status[] = "status";
	const struct command *cmd;

	if (argc > 1 && argv[1][0] != '-') {
		cmd = find_command(argv[1]);
		return cmd ? cmd->run(argc - 1, argv + 1) : EXIT_USAGE;
	}
	if (argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))) {
		help_help(stdout);
		return EXIT_OK;
	}
	if (argc > 0)
		argv[0] = status;
	return cmd_status(argc, argv);
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
