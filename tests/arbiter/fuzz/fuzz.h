/* SPDX-License-Identifier: GPL-2.0-only */
/* The arbiter under fuzz: what an input means (fuzz.c), and what must hold then (reference.c). */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "fake_host.h"

/*
 * The reference. It keeps only what a reader saw when a VM was settled last. All else it works out
 * anew from the state of the guests, the VMMs and the hardware.
 */
void reference_begin(void);
/* Something has happened in the middle of a step: the queue may be in another order. */
void reference_misfortune(void);
/* What must hold after each step, and more of it in VMs for which nothing is to be done. */
void reference_check(bool looked);
/* And what, when all have come back that wanted to. */
void reference_check_settled(void);
/* May the gate let it pass, with no grant under way? -1: either answer is right. */
int reference_gate(u32 host_irq, struct fake_vm *vm, u32 vintid);

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
