// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl explain: what lines of a kernel log mean, and what to do about them.
 *
 * It reads standard input, so that it explains the log of any host, with the module or without.
 * What it knows is in the table below: lines of stock kernels that users meet, and each line that
 * the module itself can write; a test compares these with the module's sources.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array_size.h"
#include "command.h"
#include "complain.h"
#include "text.h"

#define OURS	"vlpi_broker: "

#define LOAD	"load vlpi_broker: modprobe vlpi_broker"
#define REPORT	"run vlpictl report, and report it"
#define NEED_OTHER "get a vlpi_broker that knows this kernel, or boot one that is tested; " REPORT

/*
 * The first that fits a line explains it. In @line, '*' is for any text; what is before and behind
 * it in the log does not matter.
 */
static const struct known {
	const char *line;
	const char *what;
	const char *remedy;
} known[] = {
	/* Of stock kernels */
	{ "irq bypass producer (*registration fails*66311",
	  "The guest had not mapped the MSI yet when the device's interrupt was connected, and KVM gives up for good "
	  "(66311 is the ITS's 0x10307, \"interrupt not mapped\"). That interrupt is injected in software from then on; "
	  "none is lost by it.",
	  LOAD "; it maps the interrupt as soon as the guest has" },
	{ "irq bypass consumer (*registration fails*-16",
	  "Another irqfd still has that eventfd: often that of a VM that is going, or of a VMM that has handed its devices "
	  "to its successor. The interrupt is injected in software until the irqfd is assigned again.",
	  LOAD "; it connects the irqfd when the other lets go (vlpictl dump: shut-out)" },
	{ "irq bypass consumer (*registration fails*",
	  "KVM could not connect an irqfd to the device's interrupt. The interrupt is injected in software.",
	  "look at the error number at the end of the line (-12: no memory, -22: the irqfd was connected already)" },
	{ "irq bypass producer (*registration fails*",
	  "The driver could not connect a device's interrupt to KVM's irqfd. The interrupt is injected in software.",
	  "look at the error number at the end of the line (-16: the guest has its ITS or its LPIs off at that moment, "
	  "and vlpi_broker connects it when they are on)" },
	{ "WARNING: *kvm_vgic_v4_unset_forwarding",
	  "Several interrupts of a device share an MSI of the guest, and KVM was told to unmap one that it no longer knows "
	  "as the one that is mapped. Up to 6.1 the others stay mapped, and fire into a guest that may be in its firmware.",
	  LOAD "; if guests with shared vectors have been rebooted before, see vlpictl status: what KVM has leaked to VMs "
	  "that are gone only a reboot of the host cures" },
	{ "lpi_write_config+",
	  "The host has crashed, or warned, in the interrupt controller's driver while it changed an interrupt's "
	  "configuration: up to 6.1, often a mapping that KVM has leaked to a VM that is gone.",
	  "reboot the host, and load vlpi_broker before guests are started" },
	{ "GICv4*support disabled",
	  "The interrupt controller can inject directly, and KVM is not told to.",
	  "boot with kvm-arm.vgic_v4_enable=1, if guests are to have it; without it the host is not affected" },
	{ "GICv4*support enabled",
	  "KVM injects interrupts of passed-through devices directly: a host on which vlpi_broker has something to do.",
	  "see vlpictl preflight" },
	{ "Loading of unsigned module is rejected",
	  "The kernel takes signed modules only, and this one is not signed.",
	  "sign it with a key that is enrolled; vlpictl preflight says how" },
	{ "Lockdown: *unsigned module loading is restricted",
	  "Secure Boot has locked the kernel down: it takes signed modules only.",
	  "sign it with a key that is enrolled; vlpictl preflight says how" },
	{ "PKCS#7 signature not signed with a trusted key",
	  "The module is signed with a key that this kernel does not have.",
	  "enrol the key: mokutil --import, then reboot; vlpictl preflight says whether it is there" },
	{ "vlpi_broker: version magic*should be",
	  "The module was built for another kernel.", "build it for the kernel that runs: make, or dkms autoinstall" },
	{ "vlpi_broker: disagrees about version of symbol",
	  "The module was built with headers of another build of this kernel.",
	  "install the headers of the running kernel, and build it again" },
	{ "vlpi_broker: module verification failed: signature and/or required key missing",
	  "The module is not signed, and this kernel does not insist. It has loaded.", "nothing" },
	{ "vlpi_broker: loading out-of-tree module taints kernel",
	  "The kernel notes that the module is none of its own.", "nothing" },

	/* Of the module */
	{ OURS "version *, ABI *",
	  "The module has loaded. The line has its version, who injects for waiters, and what ran already and is taken over.",
	  "nothing; see vlpictl status" },
	{ OURS "KVM does not inject interrupts directly here",
	  "The module has refused to load: without direct injection interrupts are not shared in a harmful way.",
	  "nothing, or boot a GICv4 host with kvm-arm.vgic_v4_enable=1; vlpictl preflight says which" },
	{ OURS "this kernel can't have the module",
	  "DKMS has installed a stand-in, so that the installation of this kernel did not fail.",
	  "the line says what the kernel lacks; vlpictl preflight says more" },
	{ OURS "*or a function beside it is redirected already",
	  "A live patch, or another module, has replaced a function that the broker must redirect; or ftrace is switched off. "
	  "The module has not loaded.",
	  "disable that live patch or module, or: sysctl kernel.ftrace_enabled=1; vlpictl preflight names it" },
	{ OURS "*can't be redirected on this kernel",
	  "ftrace does not take that function of this kernel. The module has not loaded.", NEED_OTHER },
	{ OURS "this kernel has no function *that can be found",
	  "The kernel lacks a function that the broker needs: it has another name, or was inlined. The module has not loaded.",
	  NEED_OTHER },
	{ OURS "this kernel has no variable *that can be found",
	  "The kernel lacks the variable that says whether KVM injects directly. The module has not loaded.",
	  NEED_OTHER },
	{ OURS "this kernel's BTF has no function",
	  "The kernel does not describe a function that the broker calls, so its arguments can't be checked. The module has "
	  "not loaded.", NEED_OTHER },
	{ OURS "* in this kernel, and * is expected",
	  "A function has other arguments in this kernel than the broker would give it. The module has not loaded.",
	  NEED_OTHER },
	{ OURS "*is another one in this kernel",
	  "The module was built for another kernel: a structure that it looks into is not the same here. It has not loaded.",
	  "build the module for the running kernel (make install, or dkms autoinstall), and keep weak-modules from linking it" },
	{ OURS "this kernel's BTF has no",
	  "The kernel does not describe a structure that the broker looks into, or has it by another name. The module has not "
	  "loaded.", NEED_OTHER },
	{ OURS "this kernel has no BTF",
	  "The kernel does not describe its functions and structures, so they can't be checked. The module has not loaded.",
	  "boot a kernel with CONFIG_DEBUG_INFO_BTF" },
	{ OURS "no memory for an irqfd of process",
	  "An irqfd is served by KVM alone, in software, until there is memory for it. None of its interrupts is lost.",
	  "nothing, if it stays at a few; else see what takes the host's memory" },
	{ OURS "*is called past this module: no other host IRQ is injected directly",
	  "Someone else's tracing or patching has taken a function away from the broker. To be safe it injects nothing "
	  "directly any more; what is mapped stays so.",
	  "see who traces or patches it (vlpictl preflight: rivals), stop that, and load the module again" },
	{ OURS "irq_bypass_register_consumer() is called past this module",
	  "Someone else's tracing or patching has taken that function away. New irqfds are found a moment later.",
	  "see who traces or patches it (vlpictl preflight: rivals)" },
	{ OURS "fallback=*is neither thread nor inline",
	  "A parameter of the module has a value that there is not.", "fallback=thread, or fallback=inline" },
	{ OURS "host IRQ *is still forwarded to a VM that is gone",
	  "KVM has leaked that mapping before the module was loaded. Its device, if it is used again, may signal nothing, or "
	  "crash the host; the module can't unmap it safely.",
	  "move the guests away and reboot the host; load the module at boot from then on" },
	{ OURS "no memory to look for VMs",
	  "The module was loaded while the host had no memory to spare. VMs that run are not known to it.",
	  "reboot their guests, or stop guests with devices, unload the module and load it again" },
	{ OURS "no memory to take over all VMs",
	  "The module was loaded while the host had no memory to spare. Some VMs that run are not known to it.",
	  "reboot their guests, or stop guests with devices, unload the module and load it again" },
};

/* Does @text have the parts of @pattern between its '*', in this order? */
static bool fits(const char *text, const char *pattern)
{
	char part[160];

	while (*pattern) {
		size_t len = strcspn(pattern, "*");

		if (len >= sizeof(part))
			return false;
		memcpy(part, pattern, len);
		part[len] = '\0';
		text = strstr(text, part);
		if (!text)
			return false;
		text += len;
		pattern += len + (pattern[len] == '*');
	}
	return true;
}

static struct found {
	const struct known *known;
	char *line;	/* the first one */
	uint64_t count;
} found[ARRAY_SIZE(known)];

static size_t nr_found;
static uint64_t nr_lines;

static int note(const struct known *k, const char *line, size_t len)
{
	size_t i = 0;

	while (i < nr_found && found[i].known != k)
		i++;
	found[i].count++;
	if (i < nr_found)
		return 0;
	found[i].known = k;
	/* What a log says is not ours: nothing in it may act on a terminal. */
	found[i].line = malloc(TEXT_SIZE(len));
	if (!found[i].line)
		return -1;
	text_escape(found[i].line, line, len);
	nr_found++;
	return 0;
}

static int explain_line(char *line, size_t len)
{
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	nr_lines++;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (fits(line, known[i].line))
			return note(&known[i], line, len < 1024 ? len : 1024);
	return 0;
}

static int read_log(FILE *from)
{
	size_t size = 0;
	char *line = NULL;
	ssize_t len;
	int ret = 0;

	while (!ret && (len = getline(&line, &size, from)) > 0)
		ret = explain_line(line, len);
	free(line);
	if (ret || ferror(from)) {
		complain("can't read the log: %s", strerror(ret ? ENOMEM : errno));
		return -1;
	}
	return 0;
}

/* In lines of 76 columns at the most, indented by four. */
static void put_paragraph(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column && column + 1 + word > 72) {
			putchar('\n');
			column = 0;
		}
		column += printf("%s%.*s", column ? " " : "    ", (int)word, text) - (column ? 0 : 4);
		text += word;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_text(void)
{
	char *remedy;

	for (size_t i = 0; i < nr_found; i++) {
		const struct found *f = &found[i];

		printf("%s%s\n", i ? "\n" : "", f->line);
		if (f->count > 1)
			printf("    (%" PRIu64 " such lines)\n", f->count);
		put_paragraph(f->known->what);
		if (asprintf(&remedy, "To do: %s.", f->known->remedy) > 0) {
			put_paragraph(remedy);
			free(remedy);
		}
	}
	if (!nr_found)
		complain("%" PRIu64 " lines, and none that vlpictl knows", nr_lines);
}

static void print_json(void)
{
	struct json j = { .to = stdout };

	json_open(&j, NULL, '{');
	json_number(&j, "format", JSON_FORMAT);
	json_string(&j, "command", "explain");
	json_number(&j, "lines", nr_lines);
	json_open(&j, "known", '[');
	for (size_t i = 0; i < nr_found; i++) {
		json_open(&j, NULL, '{');
		json_string(&j, "line", found[i].line);
		json_number(&j, "count", found[i].count);
		json_string(&j, "what", found[i].known->what);
		json_string(&j, "remedy", found[i].known->remedy);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

static int run_explain(bool as_json)
{
	int ret;

	if (isatty(STDIN_FILENO)) {
		complain("explain reads a kernel log: dmesg | vlpictl explain");
		return EXIT_USAGE;
	}
	ret = read_log(stdin);
	if (!ret && as_json)
		print_json();
	else if (!ret)
		print_text();
	for (size_t i = 0; i < nr_found; i++)
		free(found[i].line);
	return ret ? EXIT_FAILED : EXIT_OK;
}

const struct command explain_command = {
	.name = "explain",
	.summary = "what lines of a kernel log mean: dmesg | vlpictl explain",
	.help = "Usage: dmesg | vlpictl explain [--json]\n\n"
		"What lines of a kernel log mean, and what to do about them, of any host.\n\n"
		" -J, --json            JSON, for programs\n",
	.short_options = JSON_SHORT COMMON_SHORT,
	.options = (const struct option[]) {
		JSON_LONG,
		COMMON_LONG,
		{ NULL, 0, NULL, 0 }
	},
	.run = run_explain,
};
