// SPDX-License-Identifier: GPL-2.0-only
/*
 * BPF programs on kernel functions, by bpf(2) alone: five instructions each, and the function's
 * number in the kernel's BTF, which is read here as linux/btf.h describes it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trampoline.h"
#include "vmm.h"

#define VMLINUX_BTF		"/sys/kernel/btf/vmlinux"
/* The kernel's own; no header has it for user space. */
#define ENOTSUPP		524
/* Newer kernels have more of both than older headers say. */
#define INFO_KIND(info)		((info) >> 24 & 0x7f)
#define INFO_VLEN(info)		((info) & 0xffffff)

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	int fd = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return fd < 0 ? -errno : fd;
}

/* ---- the kernel's BTF ------------------------------------------------------------------------ */

/* What follows the head of a type. */
static size_t rest_of(const struct btf_type *t)
{
	unsigned int n = INFO_VLEN(t->info);

	switch (INFO_KIND(t->info)) {
	case BTF_KIND_INT:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
	case BTF_KIND_ENUM64:
		return n * sizeof(struct btf_enum64);
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	}
	die("the kernel's BTF has a type of an unknown kind, %u", INFO_KIND(t->info));
}

static const char *read_btf(void)
{
	static char *btf;
	struct stat st;
	size_t n = 0;
	ssize_t got;
	int fd;

	if (btf)
		return btf;
	fd = open(VMLINUX_BTF, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		die(VMLINUX_BTF ": %m");
	btf = malloc(st.st_size);
	if (!btf)
		die("no memory for the kernel's BTF");
	while (n < (size_t)st.st_size) {
		got = read(fd, btf + n, st.st_size - n);
		if (got <= 0)
			die("reading " VMLINUX_BTF ": %m");
		n += got;
	}
	close(fd);
	return btf;
}

/* The number of a function: types are numbered from 1, in their order. */
static uint32_t btf_function(const char *name)
{
	const char *btf = read_btf();
	const struct btf_header *head = (const void *)btf;
	const char *at = btf + head->hdr_len + head->type_off, *end = at + head->type_len;
	const char *names = btf + head->hdr_len + head->str_off;
	const struct btf_type *t;

	for (uint32_t id = 1; at < end; id++) {
		t = (const void *)at;
		if (INFO_KIND(t->info) == BTF_KIND_FUNC && !strcmp(names + t->name_off, name))
			return id;
		at += sizeof(*t) + rest_of(t);
	}
	die("the kernel's BTF has no function %s()", name);
}

/* ---- the programs ---------------------------------------------------------------------------- */

static int load(struct trampolines *t, unsigned int n, const char *function, bool on_return)
{
	const struct bpf_insn program[] = {
		/* r1 = &runs[n]; r2 = 1; *r1 += r2; return 0 */
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = t->map },
		{ .imm = n * sizeof(*t->runs) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 1 },
		{ .code = BPF_STX | BPF_DW | BPF_ATOMIC, .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_2, .imm = BPF_ADD },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.expected_attach_type = on_return ? BPF_TRACE_FEXIT : BPF_TRACE_FENTRY,
		.insns = (uintptr_t)program,
		.insn_cnt = ARRAY_SIZE(program),
		.license = (uintptr_t)"GPL",
		.attach_btf_id = btf_function(function),
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int program)
{
	union bpf_attr attr = { .raw_tracepoint.prog_fd = program };

	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

void trampolines_begin(struct trampolines *t)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = MAX_TRAMPOLINES * sizeof(*t->runs),
		.max_entries = 1,
		.map_flags = BPF_F_MMAPABLE,
	};

	*t = (struct trampolines){ .map = bpf(BPF_MAP_CREATE, &attr) };
	if (t->map < 0)
		die("no BPF map: %s", strerror(-t->map));
	t->runs = mmap(NULL, MAX_TRAMPOLINES * sizeof(*t->runs), PROT_READ, MAP_SHARED, t->map, 0);
	if (t->runs == MAP_FAILED)
		die("mapping a BPF map: %m");
}

static int try_add(struct trampolines *t, const char *function, bool on_return)
{
	int program, link;

	if (t->nr == MAX_TRAMPOLINES)
		die("more than %u BPF programs", MAX_TRAMPOLINES);
	program = load(t, t->nr, function, on_return);
	if (program < 0)
		return program;
	link = attach(program);
	if (link < 0) {
		close(program);
		return link;
	}
	t->program[t->nr] = program;
	t->link[t->nr++] = link;
	return 0;
}

void trampolines_add(struct trampolines *t, const char *function, bool on_return)
{
	int ret = try_add(t, function, on_return);

	if (ret)
		die("no BPF program on %s(): error %d", function, ret);
}

void trampolines_end(struct trampolines *t)
{
	if (!t->runs)
		return;
	for (unsigned int i = 0; i < t->nr; i++) {
		close(t->link[i]);
		close(t->program[i]);
	}
	munmap((void *)t->runs, MAX_TRAMPOLINES * sizeof(*t->runs));
	close(t->map);
	*t = (struct trampolines){};
}

bool trampolines_possible(void)
{
	struct trampolines t;
	int ret;

	trampolines_begin(&t);
	/* One that this module leaves alone. */
	ret = try_add(&t, "kvm_set_irq", false);
	trampolines_end(&t);
	if (ret && ret != -ENOTSUPP)
		die("no BPF program on a kernel function: error %d", ret);
	return !ret;
}
