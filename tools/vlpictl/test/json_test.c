// SPDX-License-Identifier: GPL-2.0-only
/* All that json.c can write, and two outermost values. test/run.sh knows what it must look like. */
#include "../json.h"

int main(void)
{
	struct json j = { .to = stdout };

	json_open(&j, NULL, '{');
	json_string(&j, "quotes", "say \"\\\" {[,:]}");
	json_string(&j, "controls", "\b\t\n\033[m\177");
	json_string(&j, "no_utf8", "a\xff\xc3");
	json_string(&j, "cut", "qemu-system-\xc3");
	json_string(&j, "nothing", "");
	json_number(&j, "most", UINT64_MAX);
	json_number(&j, "odd", (UINT64_C(1) << 53) + 1);
	json_number(&j, "least", 0);
	json_bool(&j, "yes", true);
	json_bool(&j, "no", false);
	json_literal(&j, "none", "null");
	json_literal(&j, "time", "12.000345");
	json_open(&j, "empty", '[');
	json_close(&j, ']');
	json_open(&j, "members", '{');
	json_close(&j, '}');
	json_open(&j, "nested", '[');
	json_open(&j, NULL, '[');
	json_number(&j, NULL, 1);
	json_number(&j, NULL, 2);
	json_close(&j, ']');
	json_open(&j, NULL, '{');
	json_open(&j, "a", '{');
	json_bool(&j, "b", true);
	json_close(&j, '}');
	json_number(&j, "c", 3);
	json_close(&j, '}');
	json_close(&j, ']');
	json_close(&j, '}');

	json_open(&j, NULL, '[');
	json_close(&j, ']');
	return 0;
}
