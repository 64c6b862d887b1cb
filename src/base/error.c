/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct floe_error *error, int code, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return code;

	va_start(arguments, format);
	(void)vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return code;
}

/* What a person can do about it; the errno's own text says only what the kernel felt. */
static const char *advise(int code)
{
	switch (-code) {
	case ENOSPC:
		return "the file system is full: remove what is not needed or enlarge it";
	case EDQUOT:
		return "the quota is used up";
	case ENOMEM:
		return "out of memory";
	case EACCES:
	case EPERM:
		return "permission denied: check owner, group and mode";
	case EMFILE:
		return "too many open files in this process: raise RLIMIT_NOFILE";
	case ENFILE:
		return "too many open files in the system";
	case EROFS:
		return "the file system is read-only";
	default:
		return strerrordesc_np(-code);
	}
}

int error_system(struct floe_error *error, int code, const char *action, const char *what)
{
	const char *advice = advise(code);

	return error_set(error, code, "cannot %s '%s': %s", action, what,
			 advice ? advice : "unknown error");
}

void error_clear(struct floe_error *error)
{
	if (error)
		error->text[0] = 0;
}

void error_complete(struct floe_error *error, int code, const char *action, const char *what)
{
	if (error && !error->text[0])
		(void)error_system(error, code, action, what);
}
