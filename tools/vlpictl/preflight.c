// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl preflight: will the module load here, and is there something for it to do?
 *
 * Each question is a function, which says PASS, WARN or FAIL once, and what to do about it. All is
 * read; nothing is loaded and nothing is changed. What the module itself would find when it loads
 * is asked for in its words: the functions that it needs, BTF, ftrace, KVM's direct injection.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "array_size.h"
#include "command.h"
#include "complain.h"
#include "host.h"

enum result { PASS, WARN, FAIL };

static const char *const words[] = { "PASS", "WARN", "FAIL" };

#define MAX_FINDINGS	16

static struct finding {
	enum result result;
	const char *check;
	char *what;
	const char *remedy;
} findings[MAX_FINDINGS];

static size_t nr_findings;
/* Read once: the command line, the release and the log of the kernel. "" where there is none. */
static char *cmdline, *release, *kernel_log, *version;

static __attribute__((format(printf, 4, 5))) void
say(enum result result, const char *check, const char *remedy, const char *fmt, ...)
{
	struct finding *f = &findings[nr_findings++];
	va_list ap;

	f->result = result;
	f->check = check;
	f->remedy = remedy;
	va_start(ap, fmt);
	if (vasprintf(&f->what, fmt, ap) < 0)
		f->what = NULL;
	va_end(ap);
	/* What the host's files say is not ours: nothing in it may act on a terminal. */
	for (char *p = f->what; p && *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
}

static char *read_text(const char *path)
{
	char *text = host_read(path, NULL);

	if (!text)
		return strdup("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static bool is_text(const char *path, const char *value)
{
	char *text = read_text(path);
	bool is = text && !strcmp(text, value);

	free(text);
	return is;
}

/* The last value of a boot parameter, up to the next blank, or NULL. '-' and '_' are one. */
static const char *boot_parameter(const char *name)
{
	const char *value = NULL;
	size_t len = strlen(name);

	for (const char *p = cmdline; *p;) {
		size_t word = strcspn(p, " "), i = 0;

		while (i < len && i < word &&
		       (p[i] == name[i] || (p[i] == '-' && name[i] == '_') ||
			(p[i] == '_' && name[i] == '-')))
			i++;
		if (i == len && (i == word || p[i] == '='))
			value = p[i] == '=' ? p + i + 1 : p + i;
		p += word;
		p += strspn(p, " ");
	}
	return value;
}

static bool is_on(const char *value)
{
	return value && (strchr("1yYtT", *value ? *value : '?') ||
			 !strncasecmp(value, "on", 2));
}

static bool logged(const char *words_of_it)
{
	return strstr(kernel_log, words_of_it);
}

static bool check_machine(void)
{
	struct utsname name;
	char *arch = read_text("/proc/sys/kernel/arch");
	bool arm64;

	if (arch && !*arch && !uname(&name)) {
		free(arch);
		arch = strdup(name.machine);
	}
	arm64 = arch && !strcmp(arch, "aarch64");
	if (arm64)
		say(PASS, "machine", NULL, "arm64");
	else
		say(FAIL, "machine", "the module is for arm64 hosts only", "%s", arch ? arch : "?");
	free(arch);
	return arm64;
}

/* As in tests/lab/kernels; a test compares them. */
static const char *const tested[] = { "5.10", "6.1", "6.12", "7.2", "7.3" };

static void check_kernel(void)
{
	const char *list = "tested are Debian's 5.10, 6.1, 6.12, 7.2 and 7.3; others load where they "
			   "have what is needed: try it on a host without guests first";

	for (size_t i = 0; i < ARRAY_SIZE(tested); i++) {
		size_t len = strlen(tested[i]);

		if (strncmp(release, tested[i], len) || !release[len] ||
		    !strchr(".-+", release[len]))
			continue;
		if (strstr(version, "Debian"))
			say(PASS, "kernel", NULL, "%s: Debian's %s is tested", release, tested[i]);
		else
			say(WARN, "kernel", list, "%s is not Debian's kernel", release);
		return;
	}
	say(WARN, "kernel", list, "%s is of a series that is not tested", release);
}

static void check_kvm(void)
{
	const char *mode = boot_parameter("kvm-arm.mode");

	if (host_exists("/dev/kvm")) {
		if (logged("Protected") && logged("VHE mode initialized successfully"))
			say(WARN, "kvm", "boot without kvm-arm.mode=protected: it was not tested",
			    "KVM is there, in protected mode");
		else if (logged("nVHE mode initialized") || logged("Hyp mode initialized"))
			say(PASS, "kvm", NULL, "KVM is there, in nVHE mode");
		else if (logged("VHE mode initialized"))
			say(PASS, "kvm", NULL, "KVM is there, in VHE mode");
		else
			say(PASS, "kvm", NULL,
			    "KVM is there; the kernel's log does not say in which mode");
	} else if (mode && !strncmp(mode, "none", 4)) {
		say(FAIL, "kvm", "boot without kvm-arm.mode=none", "KVM is switched off");
	} else if (logged("HYP mode not available")) {
		say(FAIL, "kvm", "firmware or hypervisor has to start Linux at EL2; see its settings",
		    "no KVM: the kernel was not started at EL2");
	} else {
		say(FAIL, "kvm", "boot a kernel with CONFIG_KVM (Debian's rt kernel of 6.1 has none); "
		    "see: dmesg | grep -i kvm", "no KVM: there is no /dev/kvm");
	}
}

/* The version that the firmware's MADT gives of the distributor, or 0. */
static int acpi_gic_version(void)
{
	size_t len, at = 44;
	char *madt = host_read("/sys/firmware/acpi/tables/APIC", &len);
	const unsigned char *m = (const unsigned char *)madt;
	int found = 0;

	while (m && at + 2 <= len && m[at + 1] >= 2) {
		/* GICD: type 12, 24 bytes, the version is the 21st. */
		if (m[at] == 12 && m[at + 1] >= 24 && at + 24 <= len)
			found = m[at + 20];
		at += m[at + 1];
	}
	free(madt);
	return found;
}

#define ADD_BOOT	"add kvm-arm.vgic_v4_enable=1 to the kernel's command line (Debian: " \
			"GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub), and reboot"
#define NOTHING_TO_DO	"nothing: the host is not affected, and the module would refuse to load"

static void check_gic(void)
{
	bool wanted = is_on(boot_parameter("kvm-arm.vgic_v4_enable"));
	bool v41 = logged("GICv4.1 support ");
	bool enabled = logged("GICv4.1 support enabled") || logged("GICv4 support enabled");
	bool disabled = logged("GICv4.1 support disabled") || logged("GICv4 support disabled");
	int acpi = acpi_gic_version();

	if (enabled || disabled) {
		if (v41)
			say(WARN, "gic", "the tests have an emulated GICv4.1 only: verify this one "
			    "with vlpictl verify", "GICv4.1");
		else
			say(PASS, "gic", NULL, "GICv4");
	} else if (acpi == 2 || acpi == 3 || logged("GICv3: ") || acpi == 4) {
		if (acpi == 4 || logged("ITS: Enabling GICv4 support"))
			say(PASS, "gic", NULL, "GICv4, and KVM says nothing of it");
		else if (logged("Linux version ") || acpi)
			say(FAIL, "gic", NOTHING_TO_DO, "GICv%d: no interrupt controller with GICv4",
			    acpi ? acpi : 3);
		else
			say(WARN, "gic", "run it as root, or soon after boot",
			    "a GICv3 at least; what is left of the kernel's log does not say more");
	} else if (logged("Linux version ")) {
		say(FAIL, "gic", NOTHING_TO_DO, "neither GICv4 nor GICv3");
	} else {
		say(WARN, "gic", "run it as root, or soon after boot",
		    "the kernel's log can't be read, and nothing else tells GICv3 from GICv4");
	}

	if (enabled)
		say(PASS, "direct-injection", NULL, "KVM injects interrupts directly");
	else if (!wanted)
		say(FAIL, "direct-injection", ADD_BOOT, "the host is booted without direct injection");
	else if (disabled || logged("Linux version "))
		say(FAIL, "direct-injection", "see: dmesg | grep -iE 'kvm|gic|its'",
		    "KVM does not inject directly, although kvm-arm.vgic_v4_enable is on");
	else
		say(WARN, "direct-injection", "run it as root, or soon after boot",
		    "kvm-arm.vgic_v4_enable is on; what is left of the kernel's log does not say "
		    "whether KVM obeys");
}

static void check_msi_bypass(void)
{
	if (is_on(boot_parameter("kvm-arm.virt_msi_bypass")))
		say(FAIL, "virt-msi-bypass", "boot without kvm-arm.virt_msi_bypass: the broker does not "
		    "know its shadow devices, and would unmap them",
		    "the kernel maps shadow devices of its own");
	else
		say(PASS, "virt-msi-bypass", NULL, "off");
}

static void check_btf(void)
{
	if (host_exists("/sys/kernel/btf/vmlinux"))
		say(PASS, "btf", NULL, "there");
	else
		say(FAIL, "btf", "boot a kernel with CONFIG_DEBUG_INFO_BTF",
		    "the kernel has no BTF, by which the module checks prototypes");
}

/*
 * What the module finds by name, and whether it redirects it. One of two that are joined by '|' is
 * enough: kernels differ. A test compares this list with the module's sources.
 */
static const struct needed {
	const char *name;
	bool redirected;
} needed[] = {
	{ "kvm_arch_irq_bypass_add_producer", false },
	{ "kvm_arch_irq_bypass_del_producer", true },
	{ "kvm_arch_irq_bypass_stop", false },
	{ "kvm_arch_irq_bypass_start", false },
	{ "kvm_send_userspace_msi", false },
	{ "irq_set_affinity|__irq_set_affinity", false },
	{ "its_map_vlpi", true },
	{ "its_unmap_vlpi", true },
	{ "its_get_vlpi", false },
	{ "vgic_its_resolve_lpi", false },
	{ "vgic_msi_to_its", false },
	{ "vgic_its_invalidate_cache|vgic_its_invalidate_all_caches", false },
	{ "vgic_supports_direct_msis", false },
	{ "kvm_irqfd", true },
	{ "kvm_set_irq_routing", true },
	{ "vgic_enable_lpis", true },
	{ "vgic_mmio_write_its_cwriter", true },
	{ "vgic_mmio_write_its_ctlr", true },
	{ "vgic_its_restore_tables_v0", true },
	{ "vgic_v3_save_pending_tables", true },
	{ "irqfd_inject", true },
	{ "irq_bypass_register_consumer", true },
	{ "irq_bypass_unregister_consumer", true },
	{ "ftrace_free_filter", false },
	{ "kallsyms_lookup_name", false },
	{ "bpf_get_btf_vmlinux", false },
	{ "btf_find_by_name_kind", false },
	{ "btf_name_by_offset", false },
	{ "btf_type_by_id", false },
	{ "register_kprobe", false },
};

static bool is_named(const struct needed *n, const char *name, size_t len)
{
	for (const char *p = n->name; *p;) {
		size_t one = strcspn(p, "|");

		if (one == len && !strncmp(p, name, len))
			return true;
		p += one + (p[one] == '|');
	}
	return false;
}

static const struct needed *find_needed(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (is_named(&needed[i], name, len))
			return &needed[i];
	return NULL;
}

/* Mark what a list of the kernel's names. Its @word'th word, from 0, is the name. */
static bool mark(const char *path, unsigned int word, bool found[ARRAY_SIZE(needed)])
{
	FILE *from = host_open(path);
	size_t size = 0, nr = 0;
	char *line = NULL;

	while (from && getline(&line, &size, from) > 0) {
		const struct needed *n;
		char *p = line;

		for (unsigned int i = 0; i < word; i++) {
			p += strcspn(p, " ");
			p += strspn(p, " ");
		}
		n = find_needed(p, strcspn(p, " \t\n"));
		if (n)
			found[n - needed] = true;
		nr++;
	}
	free(line);
	if (from)
		fclose(from);
	return nr;
}

static void check_functions(void)
{
	bool found[ARRAY_SIZE(needed)] = { false };
	const char *missing = NULL;

	if (!mark("/proc/kallsyms", 2, found)) {
		say(WARN, "functions", "run it as root", "the kernel's functions can't be listed");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!found[i])
			missing = needed[i].name;
	if (!missing)
		say(PASS, "functions", NULL, "all that the module needs are there, kprobes too");
	else if (!strcmp(missing, "register_kprobe"))
		say(FAIL, "functions", "boot a kernel with CONFIG_KPROBES", "the kernel has no kprobes");
	else
		say(FAIL, "functions", "this kernel needs another vlpi_broker, or has no GICv4 support: "
		    "report it with its version", "the kernel has no function %s()", missing);
}

static const char *tracing(void)
{
	return host_exists("/sys/kernel/tracing/available_filter_functions") ?
	       "/sys/kernel/tracing" : "/sys/kernel/debug/tracing";
}

static void check_ftrace(void)
{
	bool found[ARRAY_SIZE(needed)] = { false };
	char path[128];

	if (!host_exists("/proc/sys/kernel/ftrace_enabled")) {
		say(FAIL, "ftrace", "boot a kernel with CONFIG_FUNCTION_TRACER",
		    "the kernel has no ftrace, by which functions are redirected");
		return;
	}
	if (!is_text("/proc/sys/kernel/ftrace_enabled", "1")) {
		say(FAIL, "ftrace", "switch it on: sysctl kernel.ftrace_enabled=1", "it is switched off");
		return;
	}
	snprintf(path, sizeof(path), "%s/available_filter_functions", tracing());
	if (!mark(path, 0, found)) {
		say(PASS, "ftrace", NULL, "on (what it can redirect was not to be read)");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (needed[i].redirected && !found[i]) {
			say(FAIL, "ftrace", "boot a kernel that was not built so",
			    "%s() can't be redirected: inlined, or not traceable", needed[i].name);
			return;
		}
	}
	say(PASS, "ftrace", NULL, "on, and can redirect what is to be redirected");
}

static bool is_loaded(void)
{
	return host_exists("/sys/module/vlpi_broker/refcnt");
}

/* The function of ours that is redirected by another (flag I), or NULL. Free it. */
static char *find_redirected(void)
{
	char path[128], *line = NULL, *found = NULL;
	size_t size = 0;
	FILE *from;

	snprintf(path, sizeof(path), "%s/enabled_functions", tracing());
	from = host_open(path);
	while (from && !found && getline(&line, &size, from) > 0) {
		const char *flags = strchr(line, ')');
		size_t len = strcspn(line, " \t");
		const struct needed *n = find_needed(line, len);

		if (n && n->redirected && flags && memchr(flags, 'I', strcspn(flags, "\t\n")))
			found = strndup(line, len);
	}
	free(line);
	if (from)
		fclose(from);
	return found;
}

/* The live patch that has a function of ours, or else any, or NULL. Free it. */
static char *find_live_patch(bool *ours)
{
	char **patches = host_list("/sys/kernel/livepatch"), *found = NULL;
	char path[512];

	*ours = false;
	for (char **p = patches; p && *p && !*ours; p++) {
		char **functions;

		snprintf(path, sizeof(path), "/sys/kernel/livepatch/%s/vmlinux", *p);
		functions = host_list(path);
		/* A directory is FUNCTION,POSITION. */
		for (char **f = functions; f && *f; f++) {
			const struct needed *n = find_needed(*f, strcspn(*f, ","));

			*ours |= n && n->redirected;
		}
		host_free(functions);
		free(found);
		found = strdup(*p);
	}
	host_free(patches);
	return found;
}

static void check_rivals(void)
{
	bool ours;
	char *patch = find_live_patch(&ours), *redirected = find_redirected();
	/* openEuler's live patches are listed here; ftrace does not see them. */
	char *state = host_read("/proc/livepatch/state", NULL);

	if (is_loaded())
		say(PASS, "rivals", NULL, "the module is loaded already, and has its functions");
	else if (ours)
		say(FAIL, "rivals", "disable it: echo 0 > /sys/kernel/livepatch/NAME/enabled",
		    "the live patch %s has a function that the module needs", patch);
	else if (redirected)
		say(FAIL, "rivals", "unload what does it: see lsmod, and enabled_functions in "
		    "/sys/kernel/tracing", "%s() is redirected already", redirected);
	else if (state && strstr(state, "enabled"))
		say(WARN, "rivals", "see that none is of KVM, the ITS or irqbypass; ftrace does not "
		    "see them", "there are live patches without ftrace: /proc/livepatch/state");
	else if (patch)
		say(WARN, "rivals", "it has none of the module's functions now; disable the module before "
		    "another one is applied that has", "the live patch %s is there", patch);
	else
		say(PASS, "rivals", NULL, "no live patch, and no other owner of the functions");
	free(state);
	free(redirected);
	free(patch);
}

/* The file of the module that would be loaded, or NULL. Free it. */
static char *find_module(void)
{
	static const char *const dirs[] = {
		"updates/dkms", "updates", "extra", "kernel/extra", "updates/src",
	};
	static const char *const suffixes[] = { "", ".xz", ".zst", ".gz" };
	char *path;

	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		for (size_t s = 0; s < ARRAY_SIZE(suffixes); s++) {
			if (asprintf(&path, "/lib/modules/%s/%s/vlpi_broker.ko%s", release, dirs[d],
				     suffixes[s]) < 0)
				return NULL;
			if (host_exists(path))
				return path;
			free(path);
		}
	}
	return NULL;
}

/* Who signed a module file: "" for nobody, NULL where modinfo does not say. Free it. */
static char *ask_signer(const char *path)
{
	const char *root = getenv("VLPICTL_ROOT");
	char *full, *signer;

	if (asprintf(&full, "%s%s", root ? root : "", path) < 0)
		return NULL;
	signer = host_ask((const char *const []) { "modinfo", "-F", "signer", full, NULL });
	free(full);
	if (signer)
		signer[strcspn(signer, "\n")] = '\0';
	return signer;
}

/* Has the kernel a certificate whose name begins with @signer? */
static bool is_trusted(const char *signer)
{
	FILE *from = host_open("/proc/keys");
	size_t size = 0;
	char *line = NULL;
	bool found = false;

	while (from && !found && getline(&line, &size, from) > 0) {
		const char *p = strstr(line, " asymmetri ");

		/* The name is "ORGANISATION: NAME: KEY", or "NAME: KEY". */
		found = p && strstr(p, signer) && strstr(strstr(p, signer), ": X509.");
	}
	free(line);
	if (from)
		fclose(from);
	return found;
}

#define ENROL	"sign the module with a key of this host's owner, and enrol that: dkms signs with its " \
		"own; mokutil --import /var/lib/dkms/mok.pub, reboot, and confirm in the firmware's menu"

static bool secure_boot(void)
{
	size_t len;
	char *value = host_read("/sys/firmware/efi/efivars/SecureBoot-"
				"8be4df61-93ca-11d2-aa0d-00e098032b8c", &len);
	bool on = value && len == 5 && value[4] == 1;

	free(value);
	return on;
}

static void check_signature(const char *path)
{
	char *lockdown = read_text("/sys/kernel/security/lockdown");
	bool locked = lockdown && strchr(lockdown, '[') && !strstr(lockdown, "[none]");
	bool enforced = is_text("/sys/module/module/parameters/sig_enforce", "Y") ||
			is_text("/sys/module/module/parameters/sig_enforce", "1");
	const char *why = locked ? "the kernel is locked down" :
			  enforced ? "the kernel enforces signatures" : "Secure Boot is on";
	char *signer;

	free(lockdown);
	if (!locked && !enforced) {
		say(PASS, "signature", NULL, secure_boot() ?
		    "Secure Boot is on, but the kernel takes modules without a signature" :
		    "the kernel takes modules without a signature");
		return;
	}
	if (!path) {
		say(WARN, "signature", ENROL, "%s: the module will have to be signed", why);
		return;
	}
	signer = ask_signer(path);
	if (!signer)
		say(WARN, "signature", "install kmod, and see: modinfo vlpi_broker",
		    "%s, and modinfo does not say who signed %s", why, path);
	else if (!*signer)
		say(FAIL, "signature", ENROL, "%s, and %s is not signed", why, path);
	else if (is_trusted(signer))
		say(PASS, "signature", NULL, "%s, and has the key of %s, who signed the module", why,
		    signer);
	else if (!host_exists("/proc/keys"))
		say(WARN, "signature", "run it as root", "%s; its keys can't be listed", why);
	else
		say(FAIL, "signature", ENROL, "%s, and has no key of %s, who signed the module", why,
		    signer);
	free(signer);
}

static void check_module(const char *path)
{
	char headers[256];

	snprintf(headers, sizeof(headers), "/lib/modules/%s/build/Makefile", release);
	if (is_loaded())
		say(PASS, "module", NULL, "loaded; see: vlpictl status");
	else if (path)
		say(PASS, "module", NULL, "%s is there to be loaded", path);
	else if (host_exists(headers))
		say(PASS, "module", NULL, "not installed; the headers to build it are there");
	else
		say(WARN, "module", "install the headers of the running kernel (Debian: "
		    "linux-headers-$(uname -r))", "not installed, and no headers to build it");
}

static void check_rt(void)
{
	const char *remedy = "see docs/rt.md: chrt --batch --pid 0 PID for each irq/NN-vcpu thread, or "
			     "vCPU threads above SCHED_FIFO 50; guests may stall otherwise";

	if (is_text("/sys/kernel/realtime", "1") || strstr(version, "PREEMPT_RT"))
		say(WARN, "rt", remedy, "a real-time kernel: doorbell threads preempt their vCPUs");
	else if (boot_parameter("threadirqs"))
		say(WARN, "rt", "boot without threadirqs, or see docs/rt.md",
		    "booted with threadirqs: doorbell threads preempt their vCPUs");
	else
		say(PASS, "rt", NULL, "not a real-time kernel");
}

static enum result worst(void)
{
	enum result result = PASS;

	for (size_t i = 0; i < nr_findings; i++)
		if (findings[i].result > result)
			result = findings[i].result;
	return result;
}

static void print_text(void)
{
	for (size_t i = 0; i < nr_findings; i++) {
		const struct finding *f = &findings[i];

		printf("%s %-16s %s%s%s\n", words[f->result], f->check, f->what ? f->what : "?",
		       f->remedy ? "; " : "", f->remedy ? f->remedy : "");
	}
}

static void print_json(void)
{
	struct json j = { .to = stdout };

	json_open(&j, NULL, '{');
	json_number(&j, "format", JSON_FORMAT);
	json_string(&j, "command", "preflight");
	json_string(&j, "verdict", words[worst()]);
	json_open(&j, "checks", '[');
	for (size_t i = 0; i < nr_findings; i++) {
		const struct finding *f = &findings[i];

		json_open(&j, NULL, '{');
		json_string(&j, "check", f->check);
		json_string(&j, "result", words[f->result]);
		json_string(&j, "finding", f->what ? f->what : "?");
		if (f->remedy)
			json_string(&j, "remedy", f->remedy);
		else
			json_literal(&j, "remedy", "null");
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

static int run_preflight(bool as_json)
{
	char *module;

	cmdline = read_text("/proc/cmdline");
	release = read_text("/proc/sys/kernel/osrelease");
	version = read_text("/proc/version");
	kernel_log = host_log();
	if (!kernel_log)
		kernel_log = strdup("");
	if (!cmdline || !release || !version || !kernel_log) {
		complain("no memory to look at the host; free some and try again");
		return EXIT_FAILED;
	}
	if (check_machine()) {
		module = find_module();
		check_kernel();
		check_kvm();
		check_gic();
		check_msi_bypass();
		check_btf();
		check_functions();
		check_ftrace();
		check_rivals();
		check_module(module);
		check_signature(module);
		check_rt();
		free(module);
	}
	if (as_json)
		print_json();
	else
		print_text();
	for (size_t i = 0; i < nr_findings; i++)
		free(findings[i].what);
	free(cmdline);
	free(release);
	free(version);
	free(kernel_log);
	return worst() == FAIL ? EXIT_FAILED : EXIT_OK;
}

const struct command preflight_command = {
	.name = "preflight",
	.summary = "will the module load here, and is there something for it to do?",
	.help = "Usage: vlpictl preflight [--json]\n\n"
		"One line a question: PASS, WARN or FAIL, and what to do. Loads nothing, changes nothing.\n"
		"Exit status: 0 nothing fails, 1 something does.\n\n"
		" -J, --json            JSON, for programs\n",
	.short_options = JSON_SHORT COMMON_SHORT,
	.options = (const struct option[]) {
		JSON_LONG,
		COMMON_LONG,
		{ NULL, 0, NULL, 0 }
	},
	.run = run_preflight,
};
