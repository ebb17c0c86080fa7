/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_IRQBYPASS_HOOK_H
#define VLPI_BROKER_IRQBYPASS_HOOK_H

int bypass_prepare(void);
void bypass_finish(void);
int bypass_init(void);
void bypass_remove_hooks(void);
void bypass_take_over(void);
void bypass_kick(void);
void bypass_routes_changed(const void *vm_key);

#endif /* VLPI_BROKER_IRQBYPASS_HOOK_H */
