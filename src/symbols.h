/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VLPI_BROKER_SYMBOLS_H
#define VLPI_BROKER_SYMBOLS_H

#include <linux/stddef.h>
#include <linux/stringify.h>
#include <linux/types.h>

/**
 * struct symbol - a kernel function that is not exported
 * @name: of the function, static or not.
 * @or_name: its name on kernels that have no function @name; NULL where it has had one name only.
 * @where: address of the function pointer that is to be set.
 * @prototype: as C without names, e.g. "int(struct kvm *, u32)", for the running kernel's BTF to
 *	confirm; NULL where an installed header declares it, and @where is of its typeof.
 * @pointer: "STRUCT.MEMBER", a pointer in which the kernel has the function's address: it has the
 *	prototype where BTF lacks the function, since that is static. NULL where it is not.
 */
struct symbol {
	const char *name;
	void *where;
	const char *prototype;
	const char *pointer;
	const char *or_name;
};

/**
 * struct symbol_field - where the headers say that a member of a structure is
 * @type: name of the structure.
 * @member: of it, or of a structure in it: "arch.vgic.its_vm". NULL: the structure as a whole.
 * @bits: of the structure that are before @member, or its size. A member may be a bit field.
 */
struct symbol_field {
	const char *type;
	const char *member;
	u32 bits;
};

#define SYMBOL_FIELD(type, member) \
	{ #type, __stringify(member), 8 * offsetof(struct type, member) }
#define SYMBOL_STRUCT(type) \
	{ #type, NULL, 8 * sizeof(struct type) }

int symbols_find(const struct symbol *symbols, unsigned int nr);
const void *symbols_find_variable(const char *name);
int symbols_check_fields(const struct symbol_field *fields, unsigned int nr);

#endif /* VLPI_BROKER_SYMBOLS_H */
