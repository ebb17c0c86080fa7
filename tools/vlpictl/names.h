/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names that an operator knows: a host IRQ's device, a VM's guest.
 *
 * They are what the host says now: a host IRQ or a process of an old event may be another's by now.
 */
#ifndef VLPICTL_NAMES_H
#define VLPICTL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each writes to @out and returns whether there is anything, as a cell of a table wants it. */

/* PCI address of the device that has @irq as an MSI. */
bool name_device(uint32_t irq, char *out, size_t len);
/* And the driver of that device. */
bool name_driver(uint32_t irq, char *out, size_t len);
/* What the driver calls its handler, which often names the queue. */
bool name_handler(uint32_t irq, char *out, size_t len);
/* What QEMU's command line, or libvirt's cgroup, calls the guest of process @pid. */
bool name_guest(int32_t pid, char *out, size_t len);

#endif
