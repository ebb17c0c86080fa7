// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers and bytes of the ABI as text.
 *
 * A command name is whatever a process called itself: it can hold escape sequences, half a UTF-8
 * character (it is cut at 15 bytes) or quotes. All that isn't printable ASCII becomes \xNN, and so
 * does the backslash, so that the original can be had back. No terminal, locale or JSON reader then
 * sees anything it could trip over.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <linux/vlpi_broker.h>

#include "array_size.h"
#include "text.h"

/* Write up to @n bytes, or up to the first NUL; @out has TEXT_SIZE(@n). */
bool text_escape(char *out, const char *bytes, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const char *begin = out;

	for (size_t i = 0; i < n && bytes[i]; i++) {
		unsigned char c = bytes[i];

		if (c >= 0x20 && c < 0x7f && c != '\\') {
			*out++ = c;
			continue;
		}
		*out++ = '\\';
		*out++ = 'x';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	*out = '\0';
	return out > begin;
}

bool text_number(char *out, size_t len, uint64_t value)
{
	snprintf(out, len, "%" PRIu64, value);
	return true;
}

/* One of @nr words, some of which may be missing, or @what-N. */
static bool word(char *out, size_t len, const char *const *names, size_t nr, const char *what,
		 uint32_t value)
{
	if (value < nr && names[value])
		snprintf(out, len, "%s", names[value]);
	else
		snprintf(out, len, "%s-%" PRIu32, what, value);
	return true;
}

/* These words, and those of the next two, are fixed by the man page. */
bool text_state(char *out, size_t len, uint32_t state)
{
	static const char *const names[] = {
		[VLPI_BROKER_IDLE] = "idle",
		[VLPI_BROKER_HOLDER] = "holder",
		[VLPI_BROKER_WAITER] = "waiter",
		[VLPI_BROKER_UNMAPPABLE] = "unmappable",
		[VLPI_BROKER_UNRESOLVED] = "unresolved",
		[VLPI_BROKER_NOT_MSI] = "not-msi",
	};

	return word(out, len, names, ARRAY_SIZE(names), "state", state);
}

/* As the tracepoints have them, so that one word finds both. */
bool text_event(char *out, size_t len, uint32_t type)
{
	static const char *const names[] = {
		[VLPI_BROKER_EVENT_CONNECT] = "connect",
		[VLPI_BROKER_EVENT_GRANT] = "grant",
		[VLPI_BROKER_EVENT_WAIT] = "wait",
		[VLPI_BROKER_EVENT_PROMOTE] = "promote",
		[VLPI_BROKER_EVENT_DEMOTE] = "demote",
		[VLPI_BROKER_EVENT_UNMAP] = "unmap",
		[VLPI_BROKER_EVENT_FORCED_UNMAP] = "forced_unmap",
		[VLPI_BROKER_EVENT_GATE_REFUSE] = "gate_refuse",
		[VLPI_BROKER_EVENT_RESOLVE_FAIL] = "resolve_fail",
	};

	return word(out, len, names, ARRAY_SIZE(names), "event", type);
}

bool text_why(char *out, size_t len, uint32_t why)
{
	static const char *const names[] = {
		[VLPI_BROKER_WHY_CONNECTED] = "connected",
		[VLPI_BROKER_WHY_VACANT] = "vacant",
		[VLPI_BROKER_WHY_HELD] = "held",
		[VLPI_BROKER_WHY_REFUSED] = "refused",
		[VLPI_BROKER_WHY_LEFT] = "left",
		[VLPI_BROKER_WHY_REROUTED] = "rerouted",
		[VLPI_BROKER_WHY_KVM] = "kvm",
		[VLPI_BROKER_WHY_REVOKED] = "revoked",
		[VLPI_BROKER_WHY_LEAKED] = "leaked",
		[VLPI_BROKER_WHY_STRAY] = "stray",
		[VLPI_BROKER_WHY_THREAD] = "thread",
		[VLPI_BROKER_WHY_INLINE] = "inline",
		[VLPI_BROKER_WHY_TAKEN] = "taken",
		[VLPI_BROKER_WHY_UNKNOWN] = "unknown",
		[VLPI_BROKER_WHY_ELSEWHERE] = "elsewhere",
		[VLPI_BROKER_WHY_NO_LPI] = "no-lpi",
	};

	return word(out, len, names, ARRAY_SIZE(names), "why", why);
}

/*
 * strerrorname_np() is younger than Debian 11's C library, and doesn't know the numbers that the
 * kernel keeps to itself but can still put into the error field.
 */
bool text_error(char *out, size_t len, uint32_t error)
{
#define E(name)	{ name, #name }
	static const struct {
		uint32_t number;
		const char *name;
	} names[] = {
		E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG), E(EBADF),
		E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT), E(EBUSY), E(EEXIST), E(EXDEV),
		E(ENODEV), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY), E(EFBIG), E(ENOSPC),
		E(EROFS), E(EPIPE), E(EDOM), E(ERANGE), E(EDEADLK), E(ENOSYS), E(ENODATA),
		E(ETIME), E(EPROTO), E(EBADMSG), E(EOVERFLOW), E(EILSEQ), E(EOPNOTSUPP),
		E(ETIMEDOUT), E(EALREADY), E(EINPROGRESS), E(ESTALE), E(ECANCELED),
		{ 512, "ERESTARTSYS" }, { 517, "EPROBE_DEFER" }, { 524, "ENOTSUPP" },
	};
#undef E

	if (!error)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].number == error) {
			snprintf(out, len, "%s", names[i].name);
			return true;
		}
	}
	snprintf(out, len, "errno-%" PRIu32, error);
	return true;
}
