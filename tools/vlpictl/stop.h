/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whoever makes files that are not to be left behind: from stop_begin() on ^C and its kin are noted,
 * and stop_end() lets them end the process, as they would have. Programs that were started meanwhile
 * end at once. The two may be nested.
 */
#ifndef VLPICTL_STOP_H
#define VLPICTL_STOP_H

#include <stdbool.h>

void stop_begin(void);
/* Was one of them noted? Then go on to the end as after a failure, without a complaint. */
bool stop_asked(void);
void stop_end(void);

#endif
