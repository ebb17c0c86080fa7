/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_FALLBACK_H
#define VLPI_BROKER_FALLBACK_H

#include <linux/types.h>

struct vb_proxy;
struct vb_vm;

extern bool fallback_inline;
extern int fallback_nice;

void fallback_init(void (*kick)(void));
void fallback_take(struct vb_proxy *proxy);
void fallback_choose(struct vb_proxy *proxy);
void fallback_prepare(struct vb_vm *vm);
void fallback_flush(struct vb_proxy *proxy);
void fallback_end(struct vb_vm *vm);

#endif /* VLPI_BROKER_FALLBACK_H */
