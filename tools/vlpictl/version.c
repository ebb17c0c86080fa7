// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl version: this program's version and ABI, and those of the module, if it is loaded.
 *
 * That they differ is told, and not complained of: it is what was asked for.
 */
#include <errno.h>
#include <inttypes.h>

#include "ask.h"
#include "command.h"
#include "complain.h"
#include "text.h"

/* Returns 0, or -1 where the module is not loaded or does not answer. */
static int read_module(struct vlpi_broker_info *info)
{
	int fd = ask_open(), ret;

	if (fd < 0)
		return -1;
	ret = ask_any_info(fd, info);
	ask_close(fd);
	return ret;
}

static void print_text(const struct vlpi_broker_info *info, const char *complaint)
{
	char version[TEXT_SIZE(sizeof(info->version))];

	printf("vlpictl:     %s, ABI %d\n", VLPICTL_VERSION, VLPI_BROKER_ABI_VERSION);
	if (!info) {
		printf("vlpi_broker: %s\n", complaint);
		return;
	}
	text_escape(version, info->version, sizeof(info->version));
	printf("vlpi_broker: %s, ABI %" PRIu32 "%s\n", version, info->abi_version,
	       info->abi_version == VLPI_BROKER_ABI_VERSION ? "" :
	       "; they do not fit: install the vlpictl that came with the module");
}

static void put_version(struct json *j, const char *name, const char *version, uint32_t abi)
{
	json_open(j, name, '{');
	json_string(j, "version", version);
	json_number(j, "abi", abi);
	json_close(j, '}');
}

static void print_json(const struct vlpi_broker_info *info)
{
	char version[TEXT_SIZE(sizeof(info->version))];
	struct json j = { .to = stdout };

	json_open(&j, NULL, '{');
	json_number(&j, "format", JSON_FORMAT);
	json_string(&j, "command", "version");
	put_version(&j, "vlpictl", VLPICTL_VERSION, VLPI_BROKER_ABI_VERSION);
	if (info) {
		text_escape(version, info->version, sizeof(info->version));
		put_version(&j, "module", version, info->abi_version);
	} else {
		json_literal(&j, "module", "null");
	}
	json_close(&j, '}');
}

static int run_version(bool as_json)
{
	const char *complaint = complain_quietly();
	struct vlpi_broker_info info;
	bool there = !read_module(&info);

	if (as_json)
		print_json(there ? &info : NULL);
	else
		print_text(there ? &info : NULL, complaint);
	complain_drop();
	complain_aloud();
	return EXIT_OK;
}

const struct command version_command = {
	.name = "version",
	.summary = "versions and ABI of vlpictl and of the module",
	.help = "Usage: vlpictl version [--json]\n\n"
		"Versions and ABI of vlpictl, and of the module if it is loaded.\n\n"
		" -J, --json            JSON, for programs; module is null where it is not loaded\n",
	.short_options = JSON_SHORT COMMON_SHORT,
	.options = (const struct option[]) {
		JSON_LONG,
		COMMON_LONG,
		{ NULL, 0, NULL, 0 }
	},
	.run = run_version,
};
