// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "filter.h"

static struct {
	bool given[NR_BY];
	uint64_t value[NR_BY];
} filter;

static const struct {
	const char *option;
	uint64_t max;
} limits[NR_BY] = {
	[BY_VM] = { "--vm", UINT64_MAX },
	[BY_PID] = { "--pid", INT32_MAX },
	[BY_IRQ] = { "--irq", UINT32_MAX },
	[BY_VINTID] = { "--vintid", UINT32_MAX },
	[BY_SINCE] = { "--since", UINT32_MAX },
};

/* A decimal number, or a hexadecimal one behind 0x; strtoull() would take "-1" and " 1" too. */
static bool read_number(const char *arg, size_t len, uint64_t max, uint64_t *value)
{
	bool hex = len > 2 && arg[0] == '0' && (arg[1] == 'x' || arg[1] == 'X');
	const char *digits = hex ? arg + 2 : arg;
	size_t nr = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");

	if (!nr || digits + nr != arg + len)
		return false;
	errno = 0;
	*value = strtoull(digits, NULL, hex ? 16 : 10);
	return !errno && *value <= max;
}

/* "90", "90s", "5m", "2h", "1d": so long ago. */
static bool read_since(const char *arg, uint64_t *value)
{
	static const char units[] = "smhd";
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };
	size_t len = strlen(arg);
	const char *unit = len ? strchr(units, arg[len - 1]) : NULL;

	if (!read_number(arg, len - (unit ? 1 : 0), limits[BY_SINCE].max, value))
		return false;
	*value *= (unit ? seconds[unit - units] : 1);
	/* Longer than any host has run. */
	if (*value > UINT32_MAX)
		return false;
	*value *= 1000000000;
	return true;
}

int filter_option(int opt, const char *arg)
{
	enum filter_by by = opt - FILTER_OPT;

	filter.given[by] = true;
	if (by == BY_SINCE) {
		if (read_since(arg, &filter.value[by]))
			return 0;
		complain("--since takes a time such as 90s, 5m, 2h or 1d, not \"%s\"", arg);
		return -1;
	}
	if (read_number(arg, strlen(arg), limits[by].max, &filter.value[by]))
		return 0;
	complain("%s takes a number up to %" PRIu64 ", not \"%s\"", limits[by].option,
		 limits[by].max, arg);
	return -1;
}

bool filter_by(enum filter_by by)
{
	return filter.given[by];
}

bool filter_any(void)
{
	for (int by = 0; by < NR_BY; by++)
		if (filter.given[by])
			return true;
	return false;
}

bool filter_passes(enum filter_by by, uint64_t value)
{
	return !filter.given[by] || filter.value[by] == value;
}

uint64_t filter_value(enum filter_by by)
{
	return filter.value[by];
}
