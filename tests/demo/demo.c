// SPDX-License-Identifier: GPL-2.0-only
/*
 * The story of the report, told by this machine: six sources of one vLPI, a reboot of the guest, a
 * VMM that is killed. Not a test: it says what happens, a line of JSON for each phase, at once and
 * flushed, since a stock kernel may not live to the end of it.
 *
 * The moments are marked in the lab's trace of ITS commands, for "what is mapped now":
 *   1 shared: six assigned          2 the holder (else the first) has left
 *   3 all deassigned, firmware runs   4 the guest is back, six assigned again
 *   5 the VMM was killed
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm.h"

#define NR	6

/* Opened before there is a child, so that both go on from where the other stopped reading. */
static int klog;

static void json_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (*s == '\n')
			printf("\\n");
		else if ((unsigned char)*s < ' ')
			printf("\\u%04x", (unsigned char)*s);
		else
			putchar(*s);
	}
	putchar('"');
}

/* To the end of the line, and out of this machine. */
static void end_line(void)
{
	printf("}\n");
	fflush(stdout);
	fsync(STDOUT_FILENO);
}

static void say_error(const char *message)
{
	printf("{\"error\":");
	json_string(message);
	end_line();
}

static void say_who(void)
{
	struct utsname u;

	uname(&u);
	printf("{\"kernel\":");
	json_string(u.release);
	printf(",\"sources\":%u,\"broker\":", NR);
	if (broker_loaded()) {
		struct vlpi_broker_info info;

		broker_info(&info);
		json_string(info.version);
	} else {
		printf("null");
	}
	end_line();
}

/*
 * Fires each source once. Returns the first that is DIRECT, else the first. @mapped is how many
 * events may be mapped to a vLPI at this moment. Warnings are those since the moment before.
 */
static unsigned int phase(struct source **src, uint8_t mark, unsigned int mapped, const char *name)
{
	unsigned int direct = NR;

	lab_mark_mapped(mark, mapped);
	printf("{\"mark\":%u,\"phase\":\"%s\",\"verdicts\":{", mark, name);
	for (unsigned int i = 0; i < NR; i++) {
		enum verdict v = verdict_of(src[i], ANY);

		if (v == DIRECT && direct == NR)
			direct = i;
		printf("%s\"%s\":\"%s\"", i ? "," : "", src[i]->bdf, verdict_name(v));
		note("%s: %s: %s (%s)", name, src[i]->bdf, verdict_name(v), verdict_detail());
	}
	printf("},\"warnings\":%u", klog_count(klog, "cut here"));
	end_line();
	return direct == NR ? 0 : direct;
}

/* What an administrator would see, where the command is to be had. */
static void say_vlpictl(const char *command)
{
	static char out[65536];
	char shell[64];
	size_t n;
	FILE *p;
	int rc;

	snprintf(shell, sizeof(shell), "vlpictl %s 2>&1", command);
	p = popen(shell, "r");
	if (!p)
		return;
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = 0;
	rc = pclose(p);
	if (WIFEXITED(rc) && WEXITSTATUS(rc) == 127)
		return;		/* not found */
	printf("{\"vlpictl\":\"%s\",\"exit\":%d,\"output\":", command,
	       WIFEXITED(rc) ? WEXITSTATUS(rc) : -1);
	json_string(out);
	end_line();
}

static void story(void *arg)
{
	struct sharers sh = { 0 };
	unsigned int holder;

	(void)arg;
	die_hook = say_error;
	sharers_new(&sh, "demo", 0, NR);
	holder = phase(sh.src, 1, 1, "shared");
	say_vlpictl("status");
	say_vlpictl("dump");

	source_deassign(sh.src[holder]);
	phase(sh.src, 2, 1, "holder left");

	sharers_deassign_all(&sh);
	vm_reset(sh.vm);
	guest_init_gic(sh.vm);
	phase(sh.src, 3, 0, "guest reboots, firmware");

	for (unsigned int i = 0; i < NR; i++)
		source_drain(sh.src[i]);
	guest_boot(sh.vm);
	sharers_map(&sh);
	sharers_assign_all(&sh);
	phase(sh.src, 4, 1, "guest is back");
	child_ready();
	for (;;)
		pause();
}

int main(void)
{
	struct source *src[NR];
	struct child c;

	die_hook = say_error;
	klog = klog_open();
	say_who();
	child_start(&c, story, NULL);
	child_wait_ready(&c);
	child_kill(&c);
	for (unsigned int i = 0; i < NR; i++)
		src[i] = source_open(i);
	phase(src, 5, 0, "VMM killed");
	for (unsigned int i = 0; i < NR; i++)
		source_close(src[i]);
	return 0;
}
