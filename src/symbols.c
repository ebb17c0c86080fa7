// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of the running kernel no header promises to a module: where its functions and variables are,
 * and whether they and its structures are as the headers, or we, have declared them. No other file
 * knows how that is found out.
 *
 * An address is found by registering a kprobe on the name, disabled so that no text is patched, and
 * reading where it would go: no kernel from 5.7 exports kallsyms_lookup_name(). Only functions can
 * be found so: a variable has no kprobe. Where the kernel keeps the names of variables at all,
 * kallsyms_lookup_name(), itself found so, finds them.
 *
 * A function whose prototype is in no installed header is declared by the file that calls it, and
 * compared with the running kernel's BTF; so are the members of structures that are looked into,
 * since a kernel without modversions loads what was built for another one.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/err.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "symbols.h"

/* BTF of the kernel itself, and what reads it; exported by newer kernels or by none. */
static struct {
	typeof(bpf_get_btf_vmlinux) *get;
	typeof(btf_find_by_name_kind) *find;
	typeof(btf_name_by_offset) *name;
	typeof(btf_type_by_id) *type;
	struct btf *btf;
} btf_reader;

static typeof(kallsyms_lookup_name) *lookup_name;

static const struct symbol own_symbols[] = {
	{ "kallsyms_lookup_name", &lookup_name },
	{ "bpf_get_btf_vmlinux", &btf_reader.get },
	{ "btf_find_by_name_kind", &btf_reader.find },
	{ "btf_name_by_offset", &btf_reader.name },
	{ "btf_type_by_id", &btf_reader.type },
};

/* Register a kprobe, which stays disabled, where the function is. */
static int find_address(const struct symbol *symbol, struct kprobe *probe)
{
	int ret;

	probe->flags = KPROBE_FLAG_DISABLED;
	probe->symbol_name = symbol->name;
	ret = register_kprobe(probe);
	if (ret == -ENOENT && symbol->or_name) {
		probe->symbol_name = symbol->or_name;
		ret = register_kprobe(probe);
	}
	if (ret)
		pr_err("this kernel has no function %s() that can be found (error %d); it needs another vlpi_broker\n",
		       probe->symbol_name, ret);
	return ret;
}

/* Find functions. All kprobes are unregistered at once: one by one, each would wait for RCU. */
static int find_addresses(const struct symbol *symbols, unsigned int nr)
{
	struct kprobe *probes, **registered;
	unsigned int i, n = 0;
	int ret = 0;

	probes = kcalloc(nr, sizeof(*probes), GFP_KERNEL);
	registered = kcalloc(nr, sizeof(*registered), GFP_KERNEL);
	if (!probes || !registered) {
		ret = -ENOMEM;
		goto out;
	}
	for (i = 0; i < nr; i++) {
		ret = find_address(&symbols[i], &probes[i]);
		if (ret)
			break;
		registered[n++] = &probes[i];
		*(void **)symbols[i].where = probes[i].addr;
	}
	unregister_kprobes(registered, n);
out:
	kfree(registered);
	kfree(probes);
	return ret;
}

/* Write C for type @id to @buf: enough of C for a parameter list. */
static int btf_type_to_c(u32 id, char *buf, size_t size)
{
	const struct btf_type *t;
	char stars[8] = "";
	size_t n = 0;
	const char *kind = "";

	for (;;) {
		if (!id)
			return scnprintf(buf, size, "void%s%s", n ? " " : "", stars);
		t = (*btf_reader.type)(btf_reader.btf, id);
		if (!t)
			return scnprintf(buf, size, "?");
		if (!btf_type_is_ptr(t))
			break;
		if (n < sizeof(stars) - 1)
			stars[n++] = '*';
		stars[n] = '\0';
		id = t->type;
	}
	if (BTF_INFO_KIND(t->info) == BTF_KIND_STRUCT || BTF_INFO_KIND(t->info) == BTF_KIND_FWD)
		kind = "struct ";
	return scnprintf(buf, size, "%s%s%s%s", kind,
			 (*btf_reader.name)(btf_reader.btf, t->name_off),
			 n ? " " : "", stars);
}

/* Of a function; NULL where BTF lacks it. Debian's 5.10 has none that is static. */
static const struct btf_type *prototype_of_function(const char *name)
{
	const struct btf_type *func;
	s32 id;

	id = (*btf_reader.find)(btf_reader.btf, name, BTF_KIND_FUNC);
	func = id < 0 ? NULL : (*btf_reader.type)(btf_reader.btf, id);
	return func ? (*btf_reader.type)(btf_reader.btf, func->type) : NULL;
}

static bool is_struct(const struct btf_type *t)
{
	u32 kind = BTF_INFO_KIND(t->info);

	return kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION;
}

/* What a typedef, or a const, is of. */
static const struct btf_type *strip(const struct btf_type *t)
{
	while (t) {
		switch (BTF_INFO_KIND(t->info)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
			t = (*btf_reader.type)(btf_reader.btf, t->type);
			continue;
		}
		break;
	}
	return t;
}

/*
 * The type of a member of @t, or of an unnamed member's: few are in one another. @bit: grows by
 * where in @t it is.
 */
static const struct btf_type *find_member(const struct btf_type *t, const char *name, size_t len,
					  u32 *bit)
{
	const struct btf_member *member = (const struct btf_member *)(t + 1);
	const struct btf_type *type;
	const char *its_name;
	unsigned int i;

	for (i = 0; i < btf_type_vlen(t); i++, member++) {
		u32 at = *bit + (BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(member->offset) :
							   member->offset);

		type = strip((*btf_reader.type)(btf_reader.btf, member->type));
		its_name = (*btf_reader.name)(btf_reader.btf, member->name_off);
		if (type && its_name && !*its_name && is_struct(type))
			type = find_member(type, name, len, &at);
		else if (its_name && (strncmp(its_name, name, len) || its_name[len]))
			type = NULL;
		if (type) {
			*bit = at;
			return type;
		}
	}
	return NULL;
}

/* A member of a member and so on: "arch.vgic.its_vm". NULL where there is none. */
static const struct btf_type *find_path(const struct btf_type *t, const char *path, u32 *bit)
{
	size_t len;

	for (*bit = 0; t; path += len + 1) {
		len = strcspn(path, ".");
		t = is_struct(t) ? find_member(t, path, len, bit) : NULL;
		if (!path[len])
			break;
	}
	return t;
}

static const struct btf_type *find_struct(const char *name)
{
	s32 id = (*btf_reader.find)(btf_reader.btf, name, BTF_KIND_STRUCT);

	return id < 0 ? NULL : (*btf_reader.type)(btf_reader.btf, id);
}

/* Of a pointer to functions, "STRUCT.MEMBER"; NULL where BTF has no such member. */
static const struct btf_type *prototype_of_pointer(const char *where)
{
	const struct btf_type *t;
	char name[64], *member;
	u32 bit;

	if (!where || strscpy(name, where, sizeof(name)) < 0)
		return NULL;
	member = strchr(name, '.');
	if (!member)
		return NULL;
	*member++ = '\0';
	t = find_struct(name);
	if (t)
		t = find_path(t, member, &bit);
	while (t && btf_type_is_ptr(t))
		t = strip((*btf_reader.type)(btf_reader.btf, t->type));
	return t && BTF_INFO_KIND(t->info) == BTF_KIND_FUNC_PROTO ? t : NULL;
}

/* Write C for a prototype to @buf. */
static void btf_prototype_to_c(const struct btf_type *proto, char *buf, size_t size)
{
	const struct btf_param *param;
	size_t n;
	u32 i;

	n = btf_type_to_c(proto->type, buf, size);
	n += scnprintf(buf + n, size - n, "(");
	param = (const struct btf_param *)(proto + 1);
	for (i = 0; i < btf_type_vlen(proto); i++, param++) {
		n += scnprintf(buf + n, size - n, i ? ", " : "");
		n += btf_type_to_c(param->type, buf + n, size - n);
	}
	scnprintf(buf + n, size - n, ")");
}

/* Does the running kernel agree with our declaration of a function? */
static int check_prototype(const struct symbol *symbol)
{
	const struct btf_type *proto = prototype_of_function(symbol->name);
	char found[256];

	if (!proto && symbol->or_name)
		proto = prototype_of_function(symbol->or_name);
	if (!proto)
		proto = prototype_of_pointer(symbol->pointer);
	if (!proto) {
		pr_err("this kernel's BTF has no function %s()\n", symbol->name);
		return -ENOENT;
	}
	btf_prototype_to_c(proto, found, sizeof(found));
	if (strcmp(found, symbol->prototype)) {
		pr_err("%s() is %s in this kernel, and %s is expected; it needs another vlpi_broker\n",
		       symbol->name, found, symbol->prototype);
		return -ENOEXEC;
	}
	return 0;
}

/* Once, by whoever comes first. */
static int open_btf(void)
{
	struct btf *btf;
	int ret;

	if (btf_reader.btf)
		return 0;
	ret = find_addresses(own_symbols, ARRAY_SIZE(own_symbols));
	if (ret)
		return ret;
	btf = (*btf_reader.get)();
	if (IS_ERR_OR_NULL(btf)) {
		pr_err("this kernel has no BTF (CONFIG_DEBUG_INFO_BTF) to compare with\n");
		return -ENOENT;
	}
	btf_reader.btf = btf;
	return 0;
}

/**
 * symbols_find - find kernel functions that are not exported
 * @symbols: which functions, and where their addresses are to be put.
 * @nr: how many.
 *
 * Context: process; may sleep. At load alone.
 * Return: 0; -ENOMEM; -ENOENT, or the errno of the kprobe, for a function that is not there;
 *	-ENOEXEC for one that has another prototype in this kernel's BTF. A line says which.
 */
int symbols_find(const struct symbol *symbols, unsigned int nr)
{
	unsigned int i;
	int ret;

	ret = find_addresses(symbols, nr);
	if (!ret)
		ret = open_btf();
	for (i = 0; !ret && i < nr; i++)
		if (symbols[i].prototype)
			ret = check_prototype(&symbols[i]);
	return ret;
}

/**
 * symbols_find_variable - find a variable of the kernel that is not exported
 * @name: of the variable, which an installed header declares.
 *
 * To be called after symbols_find() has succeeded.
 *
 * Context: process; may sleep.
 * Return: its address; NULL, after one line that says so, where it is not there, or the kernel was
 *	built without CONFIG_KALLSYMS_ALL.
 */
const void *symbols_find_variable(const char *name)
{
	unsigned long addr = (*lookup_name)(name);

	if (!addr)
		pr_err("this kernel has no variable %s that can be found; it needs another vlpi_broker\n",
		       name);
	return (const void *)addr;
}

static int check_field(const struct symbol_field *field)
{
	const char *of = field->member ? " of " : "", *member = field->member ?: "";
	const struct btf_type *t = find_struct(field->type);
	u32 bits;

	if (t && field->member)
		t = find_path(t, field->member, &bits);
	else if (t)
		bits = 8 * t->size;
	if (!t) {
		pr_err("this kernel's BTF has no %s%sstruct %s\n", member, of, field->type);
		return -ENOENT;
	}
	if (bits == field->bits)
		return 0;
	pr_err("%s%sstruct %s is another one in this kernel (%u bits) than in that which this module was built for (%u bits); build it for this one\n",
	       member, of, field->type, bits, field->bits);
	return -ENOEXEC;
}

/**
 * symbols_check_fields - does the running kernel have its structures as the headers have them?
 * @fields: what of them this module reads or writes.
 * @nr: how many.
 *
 * Context: process; may sleep. At load alone.
 * Return: 0; as symbols_find() where there is no BTF; -ENOENT or -ENOEXEC for a member that is not
 *	there, or is somewhere else. A line says which.
 */
int symbols_check_fields(const struct symbol_field *fields, unsigned int nr)
{
	unsigned int i;
	int ret;

	ret = open_btf();
	for (i = 0; !ret && i < nr; i++)
		ret = check_field(&fields[i]);
	return ret;
}
