/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - [probed]: what the daemon itself is told. Declared and checked as a plugin's options are. */
#include "config/section.h"

#include <string.h>

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

static int take(const struct options *o, struct settings *out, const char **error)
{
	const struct probed_value *v = o->values;
	int64_t workers = 0;
	if (strcmp(v[WORKERS].s, "auto") &&
	    (unit_parse_integer(v[WORKERS].s, &workers) || workers < 1 || workers > 1024)) {
		*error = "expected \"auto\" (one for each core of the machine), or 1 to 1024";
		return -1;
	}
	*out = (struct settings){
		.workers = (int)workers,
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
	return 0;
}

int config_settings(const struct config *c, struct settings *out, struct errs *errs)
{
	CHECK_MAGIC(c, CONFIG_MAGIC);
	struct option_set set = { .list = decls, .n = ARRAY_LEN(decls) };
	const struct section *s = config_section(c, "probed");
	size_t n = s ? s->n : 0;
	CLEANUP_FREE struct kv *kvs = xcalloc(n, sizeof *kvs);
	for (size_t i = 0; i < n; i++)
		kvs[i] = (struct kv){ .key = s->entries[i].key, .value = s->entries[i].value, .at = s->entries[i].at };
	if (n && options_check(&set, kvs, n, s->at, "probed", NULL, 0, errs))
		return -1;
	struct options o;
	char why[600];
	const char *error = why;
	int rc = options_bind(&set, kvs, n, &o, why, sizeof why);
	if (!rc) {
		rc = take(&o, out, &error);
		options_free(&o);
	}
	if (rc) {
		const struct entry *e = s ? section_find(s, "workers") : NULL;
		errs_add(errs, e ? e->at : (struct place){ 0 }, "probed", "workers", "%s", error);
	}
	return rc;
}

void settings_free(struct settings *s)
{
	for (size_t i = 0; i < s->n_plugin_path; i++)
		free(s->plugin_path[i]);
	free(s->plugin_path);
	free(s->state_dir);
	*s = (struct settings){ 0 };
}
