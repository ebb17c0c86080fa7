/* SPDX-License-Identifier: GPL-2.0-only */
/* How many elements an array has. */
#ifndef VLPICTL_ARRAY_SIZE_H
#define VLPICTL_ARRAY_SIZE_H

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#endif
