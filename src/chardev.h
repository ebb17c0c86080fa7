/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_CHARDEV_H
#define VLPI_BROKER_CHARDEV_H

int chardev_init(void);
void chardev_exit(void);

#endif /* VLPI_BROKER_CHARDEV_H */
