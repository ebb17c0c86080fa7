// SPDX-License-Identifier: GPL-2.0-only
/*
 * What vlpictl reads that is not the module's ABI, under libFuzzer: one parser a program, chosen by
 * -DFUZZ_name. The parser's own file is included, for what is static in it; the host's files are
 * pieces of the input. Whatever is read, nothing but printable ASCII may come out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FUZZ_explain
#include "../explain.c"
#elif defined(FUZZ_names)
#include "../names.c"
#elif defined(FUZZ_preflight)
#include "../preflight.c"
#elif defined(FUZZ_interrupts)
#include "../verify.c"
#elif defined(FUZZ_filter)
#include "../filter.c"
#endif

#include "../complain.h"
#include "../host.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* --- a host that is made of the input ------------------------------------------------------------ */

static const unsigned char *input;
static size_t left;

/* The next piece: a byte for its length, or 0 where there is no such file. */
static char *next_piece(size_t *len)
{
	size_t n;
	char *piece;

	if (!left || !*input)
		n = 0;
	else
		n = 4 * (*input - 1);
	if (!left || !*input++) {
		left -= !!left;
		return NULL;
	}
	left--;
	if (n > left)
		n = left;
	piece = malloc(n + 1);
	if (!piece)
		abort();
	memcpy(piece, input, n);
	piece[n] = '\0';
	input += n;
	left -= n;
	if (len)
		*len = n;
	return piece;
}

FILE *host_open(const char *path)
{
	size_t len;
	char *piece = next_piece(&len);
	FILE *file;

	(void)path;
	if (!piece)
		return NULL;
	file = tmpfile();
	if (!file)
		abort();
	fwrite(piece, 1, len, file);
	rewind(file);
	free(piece);
	return file;
}

char *host_read(const char *path, size_t *len)
{
	(void)path;
	return next_piece(len);
}

char *host_link(const char *path)
{
	(void)path;
	return next_piece(NULL);
}

char *host_log(void)
{
	return next_piece(NULL);
}

char *host_ask(const char *const argv[])
{
	(void)argv;
	return next_piece(NULL);
}

int host_run(const char *const argv[], int out, int err)
{
	(void)argv;
	(void)out;
	(void)err;
	return -1;
}

bool host_exists(const char *path)
{
	char *piece = next_piece(NULL);
	bool there = piece;

	(void)path;
	free(piece);
	return there;
}

/* A name a line; no file's name is empty or has a slash. */
char **host_list(const char *path)
{
	char *piece = next_piece(NULL), **names, *save = NULL;
	size_t nr = 0;

	(void)path;
	if (!piece)
		return NULL;
	names = calloc(strlen(piece) + 2, sizeof(*names));
	if (!names)
		abort();
	for (char *p = strtok_r(piece, "\n/", &save); p; p = strtok_r(NULL, "\n/", &save))
		names[nr++] = strdup(p);
	free(piece);
	return names;
}

void host_free(char **names)
{
	for (char **p = names; p && *p; p++)
		free(*p);
	free(names);
}

/* --- what comes out ------------------------------------------------------------------------------ */

static void check_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((text[i] < 0x20 || text[i] > 0x7e) && text[i] != '\n')
			abort();
}

/* Run with standard output in memory, and look at that. */
static __attribute__((unused)) void check_output(void (*run)(void))
{
	FILE *old = stdout;
	char *text = NULL;
	size_t len = 0;

	stdout = open_memstream(&text, &len);
	if (!stdout)
		abort();
	run();
	fclose(stdout);
	stdout = old;
	check_printable(text, len);
	free(text);
}

#ifdef FUZZ_explain
static void run(void)
{
	FILE *from = host_open("");

	if (!from)
		return;
	if (read_log(from))
		abort();
	fclose(from);
	print_text();
	print_json();
	for (size_t i = 0; i < nr_found; i++)
		free(found[i].line);
	memset(found, 0, sizeof(found));
	nr_found = nr_lines = 0;
}
#elif defined(FUZZ_names)
static void run(void)
{
	char cell[160];
	const uint32_t irqs[] = { 1, 51, 0xffffffff };

	for (size_t i = 0; i < 3; i++) {
		if (name_device(irqs[i], cell, sizeof(cell)))
			puts(cell);
		if (name_driver(irqs[i], cell, sizeof(cell)))
			puts(cell);
		if (name_handler(irqs[i], cell, sizeof(cell)))
			puts(cell);
		if (name_guest(irqs[i], cell, sizeof(cell)))
			puts(cell);
	}
	while (nr_msis)
		free(msis[--nr_msis].device);
	free(msis);
	msis = NULL;
	looked = false;
	last.pid = 0;
}
#elif defined(FUZZ_preflight)
static void run(void)
{
	nr_findings = 0;
	run_preflight(left & 1);
}
#elif defined(FUZZ_interrupts)
static void run(void)
{
	struct counts counts = { 0 };

	read_counts(&counts);
	free(counts.of);
}
#elif defined(FUZZ_filter)
static void run(void)
{
	char *arg = next_piece(NULL);

	for (int by = 0; arg && by < NR_BY; by++)
		filter_option(FILTER_OPT + by, arg);
	free(arg);
}
#endif

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	complain_quietly();
	input = data;
	left = size;
	check_output(run);
	return 0;
}
