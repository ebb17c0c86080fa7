// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl check: the verdict as monitoring plugins give it.
 *
 * One line on standard output, with performance data behind '|', and the exit status that Nagios,
 * Icinga and their kin know. What may be seen for a moment is looked at again before it is told.
 */
#include <errno.h>
#include <inttypes.h>

#include "array_size.h"
#include "ask.h"
#include "command.h"
#include "complain.h"
#include "device.h"
#include "verdict.h"

/* The monitoring plugins' guidelines fix numbers and words. */
enum severity { SEV_OK, SEV_WARNING, SEV_CRITICAL, SEV_UNKNOWN };

static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

/* What passes is gone after a tenth of this: the broker settles in 100 ms at the most. */
#define MAX_LOOKS	10
#define LOOK_AGAIN_MS	100

static int fail(enum severity severity, const char *why)
{
	printf("VLPI_BROKER %s - %s\n", words[severity], why);
	return severity;
}

static bool may_pass(const struct verdict *v)
{
	for (int i = 0; i < NR_ATT; i++)
		if (v->count[i] && attention[i].passing)
			return true;
	return !v->consistent;
}

/* Returns -1 after a complaint. */
static int look(int fd, struct verdict *v)
{
	struct vlpi_broker_info info;

	for (int i = 1;; i++) {
		if (ask_info(fd, &info) || verdict_read(fd, &info, v))
			return -1;
		if (i == MAX_LOOKS || !may_pass(v))
			return 0;
		verdict_free(v);
		device_pause(LOOK_AGAIN_MS);
	}
}

static enum severity judge(const struct verdict *v)
{
	enum severity severity = SEV_OK;

	for (int i = 0; i < NR_ATT; i++) {
		if (!v->count[i])
			continue;
		/* Clients of different moments: a slot may have changed hands between them. */
		if (attention[i].passing && !v->consistent)
			return SEV_UNKNOWN;
		if (attention[i].critical)
			severity = SEV_CRITICAL;
		else if (severity == SEV_OK)
			severity = SEV_WARNING;
	}
	return severity;
}

static void print_text(const struct verdict *v)
{
	const char *between = "";
	char summary[VERDICT_SUMMARY_SIZE];

	if (verdict_is_well(v)) {
		verdict_summary(v, summary, sizeof(summary));
		fputs(summary, stdout);
		return;
	}
	for (int i = 0; i < NR_ATT; i++) {
		if (!v->count[i])
			continue;
		printf("%s%s: %" PRIu64 "; %s", between, attention[i].what, v->count[i],
		       attention[i].remedy);
		between = "; ";
	}
}

/* Label, value, and the ranges in which all is well: "0;0" warns, "0;;0" is critical. */
static void print_data(const struct verdict *v)
{
	const struct vlpi_broker_info *info = &v->info;

	printf(" | vms=%" PRIu32 " vlpis=%" PRIu32 " held=%" PRIu32 " clients=%" PRIu32
	       " waiters=%" PRIu32, info->nr_vms, info->nr_slots, info->nr_held, info->nr_clients,
	       info->nr_waiters);
	for (int i = 0; i < NR_ATT; i++)
		printf(" %s=%" PRIu64 "%s", attention[i].code, v->count[i],
		       attention[i].critical ? ";;0" : ";0");
	for (size_t i = 0; i < NR_TOTALS; i++)
		printf(" %s=%" PRIu64 "c", total_name(i), total(info, i));
	putchar('\n');
}

static int run_check(bool as_json)
{
	const char *complaint = complain_quietly();
	struct verdict v;
	enum severity severity;
	int fd, ret;

	(void)as_json;
	fd = ask_open();
	if (fd < 0) {
		/* Without the module the host is as it was before it: guests are at risk. */
		bool missing = errno == ENOENT || errno == ENODEV || errno == ENXIO;

		return fail(missing ? SEV_CRITICAL : SEV_UNKNOWN, complaint);
	}
	ret = look(fd, &v);
	ask_close(fd);
	if (ret)
		return fail(SEV_UNKNOWN, complaint);

	severity = judge(&v);
	printf("VLPI_BROKER %s - ", words[severity]);
	print_text(&v);
	print_data(&v);
	verdict_free(&v);
	return severity;
}

const struct command check_command = {
	.name = "check",
	.summary = "the verdict for monitoring: one line, and exit status 0 to 3",
	.help = "Usage: vlpictl check\n\n"
		"One line with performance data, as monitoring plugins print it.\n"
		"Exit status: 0 OK, 1 WARNING, 2 CRITICAL (also: no module), 3 UNKNOWN.\n\n",
	.short_options = COMMON_SHORT,
	.options = (const struct option[]) {
		COMMON_LONG,
		{ NULL, 0, NULL, 0 }
	},
	.run = run_check,
	.usage_status = SEV_UNKNOWN,
};
