/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_FALLBACK_H
#define VLPI_BROKER_FALLBACK_H

struct vb_port;
struct vb_vm;

void fallback_take(struct vb_port *port);
void fallback_prepare(struct vb_vm *vm);
void fallback_flush(struct vb_port *port);
void fallback_end(struct vb_vm *vm);

#endif /* VLPI_BROKER_FALLBACK_H */
