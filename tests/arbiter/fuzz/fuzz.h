/* SPDX-License-Identifier: GPL-2.0-only */
/* The arbiter under fuzz: what an input means (fuzz.c), and what must hold then (reference.c). */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "fake_host.h"

/*
 * The reference. It keeps only which VMs have not been looked at, and what a reader saw before the
 * last step. All else it works out anew from the state of the guests, the VMMs and the hardware.
 */
void reference_begin(void);
/* Something has changed that the arbiter was not told of, or could not see to. */
void reference_unlooked(struct fake_vm *vm);
void reference_unlooked_all(void);
void reference_looked_all(void);
/* What must hold after each step; after a misfortune in it the queue may be in another order. */
void reference_check(bool misfortune);
/* And what, when the arbiter has looked as often as it wants to. */
void reference_check_settled(void);
/* May the gate let it pass, with no grant under way? -1: either answer is right. */
int reference_gate(u32 host_irq, struct fake_vm *vm, u32 vintid, bool live);
/* Changes with what a reader sees, and with what is forwarded. */
u64 reference_digest(void);

/*
 * The arbiter's static data, which the Makefile puts into sections of its own: it is as new for
 * each input.
 */
extern char __start_broker_data[], __stop_broker_data[];
extern char __start_broker_bss[], __stop_broker_bss[];

/* What libFuzzer calls. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned int seed);
/* What libFuzzer offers. */
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max_size);

#endif /* FUZZ_FUZZ_H */
