/* SPDX-License-Identifier: Apache-2.0 */
/* sample.c - see sample.h */
#include "plugin/sample.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PORT 9 /* discard: seldom served, so that a connection is refused at once */

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static int64_t within(const struct option_decl *o, int64_t wish)
{
	if (!o->min && !o->max)
		return wish;
	return wish < o->min ? o->min : wish > o->max ? o->max : wish;
}

/* The value for what the URL of a scheme says: where to. NULL: none of it. */
static char *where_to(const struct option_decl *o, const struct driver_table *d)
{
	for (uint32_t i = 0; d && i < d->n_schemes; i++) {
		const struct scheme_decl *s = &d->schemes[i];
		if (same(s->whole, o->name))
			return xasprintf("%s://127.0.0.1:%d/", s->scheme, PORT);
		if (same(s->authority, o->name))
			return xasprintf("127.0.0.1:%d", PORT);
		if (same(s->host, o->name))
			return xstrdup("127.0.0.1");
		if (same(s->port, o->name))
			return xasprintf("%d", PORT);
	}
	return NULL;
}

static char *by_type(const struct option_decl *o)
{
	switch (o->type) {
	case PROBED_TYPE_INTEGER:
		return xasprintf("%" PRId64, within(o, PORT));
	case PROBED_TYPE_FLOAT:
		return xasprintf("%" PRId64, within(o, 1));
	case PROBED_TYPE_BOOLEAN:
		return xstrdup("no");
	case PROBED_TYPE_DURATION:
		return xasprintf("%" PRId64 "ns", within(o, 100000000));
	case PROBED_TYPE_SIZE:
		return xasprintf("%" PRId64 "B", within(o, 1024));
	case PROBED_TYPE_CHOICE:
		return xstrndup(o->choices, strcspn(o->choices, "|"));
	case PROBED_TYPE_ADDRESS:
		return xstrdup("127.0.0.1");
	case PROBED_TYPE_URL:
		return xasprintf("http://127.0.0.1:%d/", PORT);
	default:
		return xstrdup("example");
	}
}

int sample_options(const struct option_set *set, const struct driver_table *driver, struct options *out, char *error,
		   size_t size)
{
	struct kv *kvs = xcalloc(set->n + 1, sizeof *kvs);
	size_t n = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		const struct option_decl *o = &set->list[i];
		char *value = where_to(o, driver);
		if (!value && (o->flags & PROBED_OPTION_REQUIRED))
			value = by_type(o);
		if (!value)
			continue;
		bool list = o->type == PROBED_TYPE_LIST, map = o->type == PROBED_TYPE_MAP;
		kvs[n++] = (struct kv){ .key = xasprintf("%s%s", o->name,
							 list  ? ".1"
							 : map ? ".key"
							       : ""),
					.value = value };
	}
	int rc = options_bind(set, kvs, n, out, error, size);
	for (size_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)kvs[i].key);
		free((void *)(uintptr_t)kvs[i].value);
	}
	free(kvs);
	return rc;
}
