/* SPDX-License-Identifier: GPL-2.0-only */
/* What went wrong and what to do about it, on standard error. */
#ifndef VLPICTL_COMPLAIN_H
#define VLPICTL_COMPLAIN_H

/* One line: "vlpictl: ...". What has been printed on standard output comes before it. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * From now on, keep what is complained of instead of printing it: for those who say it in a line of
 * their own. Returns where the last complaint is kept, "" before there is one.
 */
const char *complain_quietly(void);
/* Forget what is kept. */
void complain_drop(void);
/*
 * On a terminal, a line that says how far something is that takes more than PROGRESS_SECONDS. It is
 * gone after progress_end(), or with the next complaint.
 */
#define PROGRESS_SECONDS	2
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void progress_end(void);
/* Print what is kept, and what is complained of from now on. */
void complain_aloud(void);

#endif
