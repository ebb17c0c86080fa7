// SPDX-License-Identifier: GPL-2.0-only
/* From 5.16 a function gets a reference to a VM that may be going away. */
#include <linux/kvm_host.h>
#include "probe.h"

PROBE(kvm_get_kvm_safe, bool (struct kvm *));
