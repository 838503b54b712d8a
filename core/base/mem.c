/* SPDX-License-Identifier: Apache-2.0 */
/* mem.c - see mem.h */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

_Noreturn void panic_at(const char *file, int line, const char *format, ...)
{
	va_list ap;
	char text[512];
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	fprintf(stderr, "probed[%d]: bug at %s:%d: %s\n", (int)getpid(), file, line, text);
	abort();
}

static void *checked(void *p)
{
	if (!p) {
		fprintf(stderr, "probed[%d]: out of memory\n", (int)getpid());
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t size)
{
	return checked(realloc(p, size ? size : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

char *xasprintf(const char *format, ...)
{
	va_list ap;
	char *s = NULL;
	va_start(ap, format);
	int n = vasprintf(&s, format, ap);
	va_end(ap);
	return checked(n < 0 ? NULL : s);
}

void cleanup_free(void *pp)
{
	void *p;
	memcpy(&p, pp, sizeof p);
	free(p);
}

void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}
