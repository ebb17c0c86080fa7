/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probes answer by types, not by warnings: a vendor's header may warn, and who builds may have
 * warnings switched off. What is not declared is an error either way.
 */
#ifndef VLPI_BROKER_PROBE_H
#define VLPI_BROKER_PROBE_H

/* A function or variable is declared, as this type. */
#define PROBE(what, ...) \
	_Static_assert(__builtin_types_compatible_p(typeof(what), __VA_ARGS__), #what)

/* A structure has a member of this type. */
#define PROBE_MEMBER(type, member, ...)	PROBE(((type *)0)->member, __VA_ARGS__)

#endif
