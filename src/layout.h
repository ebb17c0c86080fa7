/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_LAYOUT_H
#define VLPI_BROKER_LAYOUT_H

int layout_check(void);

#endif /* VLPI_BROKER_LAYOUT_H */
