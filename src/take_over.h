/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_TAKE_OVER_H
#define VLPI_BROKER_TAKE_OVER_H

struct vm;

void take_over_all(void);
int take_over_vm(struct vm *vm);

#endif /* VLPI_BROKER_TAKE_OVER_H */
