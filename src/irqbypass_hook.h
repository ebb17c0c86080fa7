/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_IRQBYPASS_HOOK_H
#define VLPI_BROKER_IRQBYPASS_HOOK_H

int bypass_init(void);
int bypass_take_over(void);
void bypass_remove_hooks(void);
void bypass_exit(void);
void bypass_kick(void);

#endif /* VLPI_BROKER_IRQBYPASS_HOOK_H */
