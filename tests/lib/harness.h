/* SPDX-License-Identifier: GPL-2.0-only */
/* The kselftest harness, with a bound for tests that boot VMs on an emulated machine. */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "vmm.h"

/* The lab has another one for debug kernels. */
#ifndef TEST_SECONDS
#define TEST_SECONDS		240
#endif

#define VM_TEST_F(fixture, name)	TEST_F_TIMEOUT(fixture, name, TEST_SECONDS)

#endif /* HARNESS_H */
