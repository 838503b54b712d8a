/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - [probed]: what the daemon itself is told. Declared and checked as a plugin's options are. */
#include "config/section.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/unit.h"

enum {
	PLUGIN_PATH,
	WORKERS,
	STATE_DIR,
	SHUTDOWN_TIMEOUT,
	HANG_TIMEOUT,
	QUARANTINE_AFTER,
	QUARANTINE_WITHIN,
	LOG_LEVEL_KEY,
	LOG_FORMAT,
	LIMIT,
	INFLIGHT,
	INCLUDE
};

#define DAY_NS (86400 * NS_PER_S)

static struct option_decl decls[] = {
	[PLUGIN_PATH] = { .name = "plugin_path", .type = PROBED_TYPE_STRING },
	[WORKERS] = { .name = "workers", .type = PROBED_TYPE_STRING, .def = "auto" },
	[STATE_DIR] = { .name = "state_dir", .type = PROBED_TYPE_STRING },
	[SHUTDOWN_TIMEOUT] = { .name = "shutdown_timeout",
			       .type = PROBED_TYPE_DURATION,
			       .def = "10s",
			       .min = 0,
			       .max = DAY_NS },
	[HANG_TIMEOUT] = { .name = "hang_timeout",
			   .type = PROBED_TYPE_DURATION,
			   .def = "1500ms",
			   .min = 100 * NS_PER_MS,
			   .max = DAY_NS },
	[QUARANTINE_AFTER] = { .name = "quarantine_after",
			       .type = PROBED_TYPE_INTEGER,
			       .def = "3",
			       .min = 1,
			       .max = 1000000 },
	[QUARANTINE_WITHIN] = { .name = "quarantine_within",
				.type = PROBED_TYPE_DURATION,
				.def = "5m",
				.min = NS_PER_S,
				.max = 365 * DAY_NS },
	[LOG_LEVEL_KEY] = { .name = "log_level",
			    .type = PROBED_TYPE_CHOICE,
			    .def = "info",
			    .choices = "debug|info|warning|error" },
	[LOG_FORMAT] = { .name = "log_format", .type = PROBED_TYPE_CHOICE, .def = "text", .choices = "text|json" },
	/* of plans: see limits.c */
	[LIMIT] = { .name = "limit", .type = PROBED_TYPE_STRING },
	[INFLIGHT] = { .name = "inflight", .type = PROBED_TYPE_INTEGER, .min = 1, .max = 10000000 },
	[INCLUDE] = { .name = "include", .type = PROBED_TYPE_STRING },
};

static void split_path(const char *text, struct settings *out)
{
	size_t cap = 0;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ":");
		if (n) {
			xgrow(out->plugin_path, out->n_plugin_path, cap);
			out->plugin_path[out->n_plugin_path++] = xstrndup(p, n);
		}
		p += n + (p[n] == ':');
	}
}

/* 0: auto; -1: neither that nor a number that makes sense */
static int workers_of(const char *text)
{
	int64_t n = 0;
	if (!strcmp(text, "auto"))
		return 0;
	return unit_parse_integer(text, &n) || n < 1 || n > 1024 ? -1 : (int)n;
}

static void take(const struct options *o, struct settings *out)
{
	const struct probed_value *v = o->values;
	*out = (struct settings){
		.workers = workers_of(v[WORKERS].s),
		.state_dir = v[STATE_DIR].s && *v[STATE_DIR].s ? xstrdup(v[STATE_DIR].s) : NULL,
		.shutdown_timeout_ns = v[SHUTDOWN_TIMEOUT].i,
		.hang_timeout_ns = v[HANG_TIMEOUT].i,
		.quarantine_after = (int)v[QUARANTINE_AFTER].i,
		.quarantine_within_ns = v[QUARANTINE_WITHIN].i,
		.log_level = (int)v[LOG_LEVEL_KEY].i,
		.log_json = v[LOG_FORMAT].i == 1,
	};
	if (v[PLUGIN_PATH].s)
		split_path(v[PLUGIN_PATH].s, out);
}

static bool well(const struct option_set *set, const struct kv *kv, struct place at, struct errs *errs)
{
	if (options_check(set, kv, 1, at, "probed", NULL, 0, errs))
		return false;
	if (strcasecmp(kv->key, "workers") || workers_of(kv->value) >= 0)
		return true;
	errs_add(errs, kv->at, "probed", "workers", "expected \"auto\" (one for each core of the machine), or 1 to 1024");
	return false;
}

int config_settings(const struct config *c, struct settings *out, struct errs *errs)
{
	CHECK_MAGIC(c, CONFIG_MAGIC);
	struct option_set set = { .list = decls, .n = ARRAY_LEN(decls) };
	const struct section *s = config_section(c, "probed");
	size_t n = 0, all = s ? s->n : 0;
	CLEANUP_FREE struct kv *kvs = xcalloc(all, sizeof *kvs);
	for (size_t i = 0; i < all; i++) {
		const struct entry *e = &s->entries[i];
		kvs[n] = (struct kv){ .key = e->key, .value = e->value, .at = e->at };
		n += well(&set, &kvs[n], s->at, errs);
	}
	struct options o;
	char why[600];
	if (options_bind(&set, kvs, n, &o, why, sizeof why)) {
		errs_add(errs, s ? s->at : (struct place){ 0 }, "probed", NULL, "%s", why);
		*out = (struct settings){ 0 };
		return -1;
	}
	take(&o, out);
	options_free(&o);
	return n == all ? 0 : -1;
}

void settings_free(struct settings *s)
{
	for (size_t i = 0; i < s->n_plugin_path; i++)
		free(s->plugin_path[i]);
	free(s->plugin_path);
	free(s->state_dir);
	*s = (struct settings){ 0 };
}
