/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SCALE_LINUX_WAIT_H
#define SCALE_LINUX_WAIT_H

typedef int (*wait_queue_func_t)(void);

#endif /* SCALE_LINUX_WAIT_H */
