// SPDX-License-Identifier: GPL-2.0-only
/*
 * The longest stretch with interrupts off, in instructions: the worst that is known for each call
 * of the arbiter, with a trap after each instruction in between. Prints a line for each: its name,
 * and the length. For x86.
 */
#include <linux/errno.h>
#include <linux/slab.h>

#include <signal.h>
#include <stdio.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

/* Enough to tell what grows from what does not; a trap takes its time. */
#define MANY		512U
/* How much longer it is does not matter. */
#define LONG		20000UL

#define TRAP_FLAG	0x100UL

static volatile unsigned long irqs_off, length, longest;
static bool counting;

/* Not inlined: what is counted begins and ends here. */
__attribute__((noinline)) unsigned long irqs_save(void)
{
	if (irqs_off++)
		return irqs_off - 1;
	length = 0;
	if (!counting)
		return 0;
	asm volatile("pushfq; orq %0, (%%rsp); popfq" : : "i" (TRAP_FLAG) : "memory", "cc");
	return 0;
}

__attribute__((noinline)) void irqs_restore(unsigned long flags)
{
	irqs_off = flags;
	if (flags)
		return;
	asm volatile("pushfq; andq %0, (%%rsp); popfq" : : "i" (~TRAP_FLAG) : "memory", "cc");
	longest = max(longest, length);
}

static void trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	if (++length == LONG)
		at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static char devices[2];
static struct guest *guest, *other;

/* --- what is looked at: how it comes to it, and what is done then ------------------------------ */

static void with_sharers(void)
{
	guest = guest_of(MANY, MANY, NULL);
}

static void with_slots(void)
{
	guest = guest_of(MANY, 1, NULL);
}

static void settles(void)
{
	settle(guest);
}

static void is_shown(void)
{
	static struct vlpi_broker_client buf[MANY];
	u64 cursor = 0, generation;
	bool more;

	broker_dump(&guest->book, buf, MANY, &cursor, &more, &generation);
}

static void holder_leaves(void)
{
	disconnect(&guest->irqfd[0]);
	settle(guest);
}

/* KVM has taken all of them off its list. */
static void with_leaving(void)
{
	u32 i;

	with_sharers();
	for (i = 1; i < MANY; i++)
		guest->irqfd[i].leaving = true;
}

static void routes_change(void)
{
	broker_changed(&guest->book, VB_WALK_ROUTES);
	settle(guest);
}

/* Each was turned down for what passes by itself. */
static void with_turned_down(void)
{
	u32 i;

	guest = guest_new(MANY);
	for (i = 0; i < MANY; i++) {
		struct irqfd *irqfd = assign(guest, LPI + i);

		irqfd->refuse = -EBUSY;
		connect(irqfd, NULL);
	}
	settle(guest);
	for (i = 0; i < MANY; i++)
		guest->irqfd[i].refuse = 0;
}

static void is_retried(void)
{
	broker_retry(&guest->book);
	settle(guest);
}

/* The guest has discarded all of them three times within a second. */
static void with_poor(void)
{
	u32 i, n;

	with_slots();
	for (n = 0; n < 3; n++) {
		for (i = 0; i < MANY; i++)
			if (guest->irqfd[i].client.mapped)
				discard(&guest->irqfd[i]);
		settle(guest);
	}
}

static void is_rich(void)
{
	now += 10000;
	is_retried();
}

/* All that share a vLPI are signalled while its holder's host IRQ is being unmapped. */
static void with_owed(void)
{
	bool mapped;
	u32 i;

	with_sharers();
	broker_del_begin(&guest->irqfd[0].client, guest, &mapped);
	for (i = 1; i < MANY; i++)
		broker_signal(&guest->irqfd[i].client);
}

static void is_unmapped(void)
{
	struct vb_client *client;

	broker_unmap_begin(guest->irqfd[0].host_irq, guest, &client);
	broker_unmap_end(client);
	broker_del_end(&guest->irqfd[0].client);
	settle(guest);
}

/* Another VM has the device: the host IRQs of this one are turned down until it leaves. */
static void with_device_taken(void)
{
	u32 i;

	other = guest_of(1, 1, &devices[0]);
	guest = guest_new(MANY);
	for (i = 0; i < MANY; i++) {
		struct irqfd *irqfd = assign(guest, LPI + i);

		irqfd->refuse = -EINVAL;
		connect(irqfd, &devices[0]);
	}
	settle(guest);
}

static void device_is_released(void)
{
	disconnect(&other->irqfd[0]);
	settle(guest);
}

static void all_leave(void)
{
	u32 i;

	for (i = 0; i < MANY; i++) {
		disconnect(&guest->irqfd[i]);
		deassign(&guest->irqfd[i]);
		if (i % 64 == 0)
			settle(guest);
	}
}

/* KVM calls the gate with interrupts off. */
static void gate_is_asked(void)
{
	struct vb_client *client;

	irqs_save();
	broker_gate(&guest->book, NULL, 3 * MAX_HOST_IRQS, LPI, NULL, VB_ASK_MAP, &client);
	irqs_restore(0);
}

static void with_all_host_irqs(void)
{
	u32 i;

	for (i = 0; i < MAX_HOST_IRQS / MANY; i++)
		guest = guest_of(MANY, 16, NULL);
}

static const struct {
	const char *name;
	void (*prepare)(void);
	void (*operate)(void);
} stretches[] = {
	{ "gate", with_all_host_irqs, gate_is_asked },
	{ "dump-shared", with_sharers, is_shown },
	{ "holder-leaves", with_sharers, holder_leaves },
	{ "all-leave", with_sharers, all_leave },
	{ "routes", with_sharers, routes_change },
	{ "leaving", with_leaving, holder_leaves },
	{ "retried", with_turned_down, is_retried },
	{ "no-credit", with_slots, with_poor },
	{ "credit-again", with_poor, is_rich },
	{ "owed", with_owed, settles },
	{ "owed-unmapped", with_owed, is_unmapped },
	{ "released", with_device_taken, device_is_released },
};

/* Each in a process of its own: the arbiter's data is static. */
static void look_at(unsigned int i)
{
	struct sigaction action = { .sa_sigaction = trap, .sa_flags = SA_SIGINFO };

	stretches[i].prepare();
	sigaction(SIGTRAP, &action, NULL);
	longest = 0;
	counting = true;
	stretches[i].operate();
	printf("%s %lu\n", stretches[i].name, longest);
	fflush(stdout);
}

int main(void)
{
	unsigned int i;
	int status;
	pid_t pid;

	broker_memory_init();
	for (i = 0; i < ARRAY_SIZE(stretches); i++) {
		pid = fork();
		if (!pid) {
			look_at(i);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status) {
			fprintf(stderr, "stretch: %s ended with status %#x\n", stretches[i].name,
				status);
			return 1;
		}
	}
	return 0;
}
