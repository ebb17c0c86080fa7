/* SPDX-License-Identifier: GPL-2.0-only */
/* What went wrong and what to do about it, on standard error. */
#ifndef VLPICTL_COMPLAIN_H
#define VLPICTL_COMPLAIN_H

/* One line: "vlpictl: ...". What has been printed on standard output comes before it. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
