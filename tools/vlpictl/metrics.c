// SPDX-License-Identifier: GPL-2.0-only
/*
 * vlpictl metrics: the numbers of status for Prometheus.
 *
 * OpenMetrics text, or the older text format of Prometheus: node_exporter's textfile collector
 * reads only that one. They differ in what a counter is called where its type is declared, and in the end
 * mark. No type is used that either of them lacks.
 *
 * A host without the module has metrics, too: that it is not there is the first thing to watch.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "array_size.h"
#include "ask.h"
#include "command.h"
#include "complain.h"
#include "replace_file.h"
#include "text.h"
#include "verdict.h"

#define PREFIX	"vlpi_broker_"

static const char *path;
static bool openmetrics = true;

/* What stands before the samples of a metric. */
static void declare(FILE *to, const char *name, const char *type, const char *help)
{
	/* In OpenMetrics, a counter is the name without the "_total" of its sample. */
	const char *suffix = !openmetrics && !strcmp(type, "counter") ? "_total" : "";

	fprintf(to, "# HELP " PREFIX "%s%s %s.\n", name, suffix, help);
	fprintf(to, "# TYPE " PREFIX "%s%s %s\n", name, suffix, type);
}

/* The value of a label; text_escape() has left nothing but printable ASCII. */
static void put_label(FILE *to, const char *name, const char *value)
{
	fprintf(to, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', to);
		fputc(*value, to);
	}
	fputc('"', to);
}

static void put_gauge(FILE *to, const char *name, const char *help, uint64_t value)
{
	declare(to, name, "gauge", help);
	fprintf(to, PREFIX "%s %" PRIu64 "\n", name, value);
}

static void put_module(FILE *to, const struct vlpi_broker_info *info)
{
	char version[TEXT_SIZE(sizeof(info->version))];

	text_escape(version, info->version, sizeof(info->version));
	declare(to, "module_info", "gauge", "Version and ABI of the module; always 1");
	fputs(PREFIX "module_info{", to);
	put_label(to, "version", version);
	fprintf(to, ",abi=\"%" PRIu32 "\"} 1\n", info->abi_version);

	put_gauge(to, "vms", "VMs that have at least one client", info->nr_vms);
	put_gauge(to, "vlpis", "vLPIs that have at least one client", info->nr_slots);
	put_gauge(to, "vlpis_held", "vLPIs that are injected directly", info->nr_held);
	put_gauge(to, "vlpis_foreign", "vLPIs to which KVM has mapped a host IRQ that no irqfd has",
		  info->nr_foreign);
	put_gauge(to, "clients", "Irqfds, whatever their state", info->nr_clients);
	put_gauge(to, "waiters", "Clients that wait for a vLPI and are served in software",
		  info->nr_waiters);
	for (size_t i = 0; i < NR_TOTALS; i++) {
		declare(to, total_name(i), "counter", total_help(i));
		fprintf(to, PREFIX "%s_total %" PRIu64 "\n", total_name(i), total(info, i));
	}
}

static void put_attention(FILE *to, const struct verdict *v)
{
	declare(to, "attention", "gauge", "What vlpictl status wants attention for");
	for (int i = 0; i < NR_ATT; i++)
		fprintf(to, PREFIX "attention{problem=\"%s\",severity=\"%s\"} %" PRIu64 "\n",
			attention[i].code, attention[i].critical ? "critical" : "warning",
			v->count[i]);
}

/* Signals of a VM are no counter: those of a client go with it. */
static const struct {
	const char *name;
	const char *help;
	enum vm_sum sum;
} of_vm[] = {
	{ "vm_vlpis", "vLPIs of a VM that have at least one client", SUM_SLOTS },
	{ "vm_vlpis_held", "vLPIs of a VM that are injected directly", SUM_HELD },
	{ "vm_clients", "Irqfds of a VM, whatever their state", SUM_CLIENTS },
	{ "vm_waiters", "Clients of a VM that wait for a vLPI", SUM_WAITERS },
	{ "vm_unmappable", "Clients of a VM that KVM or the hardware turned down", SUM_UNMAPPABLE },
};

static void put_vm(FILE *to, const char *metric, const struct vlpi_broker_client *c,
		   uint64_t value)
{
	char name[TEXT_SIZE(sizeof(c->vm_name))], comm[TEXT_SIZE(sizeof(c->vm_comm))];

	text_escape(name, c->vm_name, sizeof(c->vm_name));
	text_escape(comm, c->vm_comm, sizeof(c->vm_comm));
	fprintf(to, PREFIX "%s{vm=\"%" PRIu64 "\",pid=\"%" PRId32 "\",", metric,
		(uint64_t)c->vm_id, c->vm_pid);
	put_label(to, "name", name);
	fputc(',', to);
	put_label(to, "comm", comm);
	fprintf(to, "} %" PRIu64 "\n", value);
}

static void put_vms(FILE *to, const struct verdict *v)
{
	for (size_t m = 0; m < ARRAY_SIZE(of_vm) && v->nr_vms; m++) {
		declare(to, of_vm[m].name, "gauge", of_vm[m].help);
		for (size_t i = 0; i < v->nr_vms; i++)
			put_vm(to, of_vm[m].name, &v->vms[i].first, v->vms[i].sum[of_vm[m].sum]);
	}
}

/* @v is NULL where the module did not answer. */
static void put_all(FILE *to, const struct verdict *v)
{
	put_gauge(to, "up", "Whether the module is loaded and answers", v ? 1 : 0);
	if (v) {
		put_module(to, &v->info);
		put_attention(to, v);
		put_vms(to, v);
	}
	if (openmetrics)
		fputs("# EOF\n", to);
}

static int put(const struct verdict *v)
{
	struct replace_file file;

	if (!path) {
		put_all(stdout, v);
		return 0;
	}
	/* node_exporter is another user. */
	if (replace_begin(&file, path, 0644))
		return -1;
	put_all(file.to, v);
	return replace_end(&file);
}

/* Returns 1 where the module is not loaded, -1 where it did not answer. */
static int ask_verdict(struct verdict *v)
{
	struct vlpi_broker_info info;
	int fd = ask_open(), ret;

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV || errno == ENXIO ? 1 : -1;
	ret = ask_info(fd, &info);
	if (!ret)
		ret = verdict_read(fd, &info, v);
	ask_close(fd);
	return ret;
}

static int run_metrics(bool as_json)
{
	struct verdict v;
	int ret;

	(void)as_json;
	/* That the module is not there is said by a metric, each time; not by the journal, too. */
	complain_quietly();
	ret = ask_verdict(&v);
	if (ret > 0)
		complain_drop();
	complain_aloud();
	if (put(ret ? NULL : &v))
		ret = -1;
	if (!ret)
		verdict_free(&v);
	return ret < 0 ? EXIT_FAILED : EXIT_OK;
}

enum { OPT_FORMAT = 256 };

static int option(int opt, const char *arg)
{
	if (opt == 'o') {
		if (!*arg) {
			complain("--output takes the name of a file");
			return -1;
		}
		path = arg;
		return 0;
	}
	openmetrics = !strcmp(arg, "openmetrics");
	if (openmetrics || !strcmp(arg, "prometheus"))
		return 0;
	complain("--format is openmetrics or prometheus, not \"%s\"", arg);
	return -1;
}

const struct command metrics_command = {
	.name = "metrics",
	.summary = "the numbers of status for Prometheus",
	.help = "Usage: vlpictl metrics [options]\n\n"
		"OpenMetrics text. Without the module it says that, and no more.\n\n"
		" -o, --output FILE     replace FILE at once, in place of standard output\n"
		"     --format FORMAT   openmetrics (default), or prometheus, the older text format:\n"
		"                       node_exporter's textfile collector reads that one\n",
	.short_options = COMMON_SHORT "o:",
	.options = (const struct option[]) {
		COMMON_LONG,
		{ "output", required_argument, NULL, 'o' },
		{ "format", required_argument, NULL, OPT_FORMAT },
		{ NULL, 0, NULL, 0 }
	},
	.option = option,
	.run = run_metrics,
};
