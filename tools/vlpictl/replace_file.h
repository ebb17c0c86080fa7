/* SPDX-License-Identifier: GPL-2.0-only */
/* Replace a file at once: its readers see the old one or the new one, whole. */
#ifndef VLPICTL_REPLACE_FILE_H
#define VLPICTL_REPLACE_FILE_H

#include <stdio.h>

/**
 * struct replace_file - a file that is being written
 * @to: write here; NULL once it has ended.
 * @path: that it is to have.
 * @temporary: that it has until then, in the same directory.
 */
struct replace_file {
	FILE *to;
	const char *path;
	char *temporary;
};

/* Each returns -1 after a complaint; then the old file is there, and nothing else is. */
int replace_begin(struct replace_file *file, const char *path, unsigned int mode);
int replace_end(struct replace_file *file);
/* Leave the old one. */
void replace_abandon(struct replace_file *file);

#endif
