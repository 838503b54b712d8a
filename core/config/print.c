/* SPDX-License-Identifier: Apache-2.0 */
/* print.c - the effective configuration, as a file that reads back into the same model; see print.h */
#include "config/print.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/build.h"
#include "plan/gate.h"

#define REDACTED "<redacted>"
#define ALIGNED 16

/* $ where it would begin something becomes $$. */
static void escape(struct buf *out, const char *value)
{
	for (const char *p = value; *p; p++) {
		if (*p == '$' && (p[1] == '$' || p[1] == '{'))
			buf_putc(out, '$');
		buf_putc(out, *p);
	}
	buf_cstr(out);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool plain(const char *s)
{
	size_t n = strlen(s);
	if (!n)
		return true;
	if (is_blank(s[0]) || is_blank(s[n - 1]) || strchr("\"';#", s[0]) || !strncmp(s, "<<", 2))
		return false;
	for (const char *p = s + 1; *p; p++)
		if (is_blank(p[-1]) && (*p == ';' || *p == '#'))
			return false;
	return true;
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return true;
	return false;
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);
	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, line, n))
			return true;
	}
	return false;
}

static void put_block(struct buf *out, const char *text)
{
	char word[32] = "END";
	for (unsigned i = 1; has_line(text, word); i++)
		snprintf(word, sizeof word, "END%u", i);
	buf_printf(out, "<<%s\n%s\n%s\n", word, text, word);
}

void print_text(struct buf *out, int width, const char *key, const char *text)
{
	char quote = strchr(text, '"') ? '\'' : '"';
	buf_printf(out, "%-*s = ", width, key);
	if (has_control(text) || (!plain(text) && strchr(text, '"') && strchr(text, '\'')))
		put_block(out, text);
	else if (plain(text))
		buf_printf(out, "%s\n", text);
	else
		buf_printf(out, "%c%s%c\n", quote, text, quote);
}

void print_entry(struct buf *out, const char *key, const char *value)
{
	CLEANUP_BUF struct buf text = { 0 };
	escape(&text, value);
	print_text(out, ALIGNED, key, text.data);
}

char *print_duration(int64_t ns, char *out, size_t size)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{ "d", 86400 * NS_PER_S },
		{ "h", 3600 * NS_PER_S },
		{ "m", 60 * NS_PER_S },
		{ "s", NS_PER_S },
		{ "ms", NS_PER_MS },
		{ "us", NS_PER_US },
		{ "ns", 1 },
	};
	size_t i = 0;
	while (ns % units[i].ns)
		i++;
	snprintf(out, size, "%" PRId64 "%s", ns / units[i].ns, ns ? units[i].name : "s");
	return out;
}

static void put_duration(struct buf *out, const char *key, int64_t ns)
{
	char text[40];
	print_entry(out, key, print_duration(ns, text, sizeof text));
}

static void put_limit(struct buf *out, const struct gcra_limit *limit)
{
	char text[80];
	if (limit)
		print_entry(out, "limit", gate_limit_format(limit, text, sizeof text));
}

static void put_number(struct buf *out, const char *key, uint64_t n)
{
	char text[40];
	snprintf(text, sizeof text, "%" PRIu64, n);
	print_entry(out, key, text);
}

static void put_settings(struct buf *out, const struct settings *s, const struct limits *l)
{
	static const char *const levels[] = { "debug", "info", "warning", "error" };
	CLEANUP_BUF struct buf path = { 0 };
	char text[40];
	buf_puts(out, "[probed]\n");
	for (size_t i = 0; i < s->n_plugin_path; i++)
		buf_printf(&path, "%s%s", i ? ":" : "", s->plugin_path[i]);
	if (path.len)
		print_entry(out, "plugin_path", buf_cstr(&path));
	snprintf(text, sizeof text, "%d", s->workers);
	print_entry(out, "workers", s->workers ? text : "auto");
	if (s->state_dir)
		print_entry(out, "state_dir", s->state_dir);
	put_duration(out, "shutdown_timeout", s->shutdown_timeout_ns);
	put_duration(out, "hang_timeout", s->hang_timeout_ns);
	snprintf(text, sizeof text, "%d", s->quarantine_after);
	print_entry(out, "quarantine_after", text);
	put_duration(out, "quarantine_within", s->quarantine_within_ns);
	print_entry(out, "log_level", levels[s->log_level]);
	print_entry(out, "log_format", s->log_json ? "json" : "text");
	put_limit(out, l->limit);
	if (l->inflight)
		put_number(out, "inflight", l->inflight);
}

/* A URL's password becomes REDACTED. */
static void put_url(struct buf *out, const char *key, const char *url)
{
	CLEANUP_BUF struct buf shown = { 0 };
	const char *start = strstr(url, "://");
	size_t n = start ? strcspn(start + 3, "/?#") : 0;
	const char *at = start ? memrchr(start + 3, '@', n) : NULL;
	const char *colon = at ? memchr(start + 3, ':', (size_t)(at - start - 3)) : NULL;
	if (colon) {
		buf_put(&shown, url, (size_t)(colon + 1 - url));
		buf_puts(&shown, REDACTED);
		url = at;
	}
	buf_puts(&shown, url);
	print_entry(out, key, buf_cstr(&shown));
}

static void put_options(struct buf *out, const struct option_set *set, const struct kv *kvs, uint32_t n)
{
	const char *item;
	for (uint32_t i = 0; i < n; i++) {
		const struct option_decl *d = option_for_key(set, kvs[i].key, NULL, &item);
		bool secret = !d || d->type == PROBED_TYPE_SECRET || (d->flags & PROBED_OPTION_SECRET);
		if (!secret && d->type == PROBED_TYPE_URL)
			put_url(out, kvs[i].key, kvs[i].value);
		else
			print_entry(out, kvs[i].key, secret ? REDACTED : kvs[i].value);
	}
}

static void put_named(struct buf *out, const char *prefix, const struct kv *kvs, uint32_t n)
{
	char key[NAME_MAX_BYTES + 16];
	for (uint32_t i = 0; i < n; i++) {
		snprintf(key, sizeof key, "%s.%s", prefix, kvs[i].key);
		print_entry(out, key, kvs[i].value);
	}
}

/* A number with at most nine digits behind the point, and no more than it needs. */
static void put_fraction(struct buf *out, const char *key, double v)
{
	char text[400];
	size_t n = (size_t)snprintf(text, sizeof text, "%.9f", v);
	while (n && text[n - 1] == '0')
		text[--n] = '\0';
	if (n && text[n - 1] == '.')
		text[--n] = '\0';
	print_entry(out, key, text);
}

static void put_target(struct buf *out, const struct target *t)
{
	buf_printf(out, "\n[target %s]\n", t->name);
	print_entry(out, "driver", t->driver->name);
	put_duration(out, "interval", t->interval_ns);
	put_duration(out, "timeout", t->timeout_ns);
	if (t->jitter > 0)
		put_fraction(out, "jitter", t->jitter);
	if (t->family)
		print_entry(out, "family", t->family == 4 ? "4" : "6");
	if (!t->monitor)
		print_entry(out, "monitor", "no");
	if (t->weight < 1 || t->weight > 1)
		put_fraction(out, "weight", t->weight);
	if (t->retry)
		put_number(out, "retry", t->retry);
	if (t->inflight)
		put_number(out, "inflight", t->inflight);
	put_limit(out, t->limit);
	put_options(out, &t->driver->options, t->options, t->n_options);
	put_named(out, "labels", t->labels, t->n_labels);
	put_named(out, "expect", t->expects, t->n_expects);
}

/* --- plans ------------------------------------------------------------------------------------- */

static void put_think(struct buf *out, int64_t min_ns, int64_t max_ns)
{
	char low[40], high[40], text[84];
	if (!max_ns)
		return;
	print_duration(min_ns, low, sizeof low);
	print_duration(max_ns, high, sizeof high);
	snprintf(text, sizeof text, min_ns == max_ns ? "%s" : "%s..%s", low, high);
	print_entry(out, "think", text);
}

/* Its options are its target's with its own over them: all are written. */
static void put_step(struct buf *out, const struct target *t)
{
	const struct step *s = t->step;
	buf_printf(out, "\n[step %s]\n", t->name);
	print_entry(out, "target", s->of);
	put_duration(out, "timeout", t->timeout_ns);
	if (t->family)
		print_entry(out, "family", t->family == 4 ? "4" : "6");
	put_number(out, "retry", t->retry);
	put_options(out, &t->driver->options, t->options, t->n_options);
	put_named(out, "labels", t->labels, t->n_labels);
	put_named(out, "expect", t->expects, t->n_expects);
	put_named(out, "capture", s->captures, s->n_captures);
	for (uint32_t i = 0; i < s->n_hooks; i++) {
		const char *script = s->hooks[i].value;
		CLEANUP_FREE char *file = *script == '@' ? xstrndup(script, strcspn(script, "\n")) : NULL;
		print_entry(out, s->hooks[i].key, file ? file : script);
	}
	if (s->hook)
		print_entry(out, "hook", s->hook);
	if (s->go_on)
		print_entry(out, "on_fail", "continue");
	put_think(out, s->think_min_ns, s->think_max_ns);
}

static void put_flow(struct buf *out, const struct choice *c)
{
	CLEANUP_BUF struct buf steps = { 0 };
	for (uint32_t i = 0; i < c->n_steps; i++)
		buf_printf(&steps, "%s%s", i ? " " : "", c->steps[i]->name);
	buf_printf(out, "\n[flow %s]\n", c->name);
	print_entry(out, "steps", buf_cstr(&steps));
	put_think(out, c->think_min_ns, c->think_max_ns);
}

static void put_written(struct buf *out, const char *kind, const char *name, const struct kv *kvs, uint32_t n)
{
	buf_printf(out, "\n[%s%s%s]\n", kind, name ? " " : "", name ? name : "");
	for (uint32_t i = 0; i < n; i++)
		print_entry(out, kvs[i].key, kvs[i].value);
}

static void put_plans(struct buf *out, const struct model *m)
{
	const struct limits *l = &m->limits;
	for (uint32_t i = 0; i < l->n_hosts; i++)
		put_written(out, "host", l->hosts[i].match, l->hosts[i].keys, l->hosts[i].n_keys);
	for (uint32_t i = 0; i < l->n_drivers; i++)
		put_written(out, "driver", l->drivers[i].match, l->drivers[i].keys, l->drivers[i].n_keys);
	if (l->resources)
		put_written(out, "resources", NULL, l->resource_keys, l->n_resource_keys);
	for (size_t i = 0; i < m->n_steps; i++)
		put_step(out, m->steps[i]);
	for (size_t i = 0; i < m->n_flows; i++)
		put_flow(out, &m->flows[i].choice);
	for (size_t i = 0; i < m->n_plans; i++)
		put_written(out, "plan", m->plans[i]->name, m->plans[i]->keys, m->plans[i]->n_keys);
}

static void put_parts(struct buf *out, const char *kind, const struct part *parts, size_t n)
{
	char text[16];
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "\n[%s %s]\n", kind, parts[i].name);
		print_entry(out, "driver", parts[i].table->name);
		snprintf(text, sizeof text, "%u", parts[i].queue);
		if (parts[i].queue)
			print_entry(out, "queue", text);
		if (parts[i].wait)
			print_entry(out, "on_full", "wait");
		put_options(out, &parts[i].table->options, parts[i].options, parts[i].n_options);
	}
}

static void flush(struct buf *out, FILE *to)
{
	fwrite(out->data, 1, out->len, to);
	buf_clear(out);
}

void model_print(const struct model *m, FILE *to)
{
	CLEANUP_BUF struct buf out = { 0 };
	put_settings(&out, &m->settings, &m->limits);
	for (size_t i = 0; i < m->n_plugins; i++) {
		buf_printf(&out, "\n[plugin %s]\n", m->plugins[i].name);
		print_entry(&out, "isolate", m->plugins[i].isolate ? "yes" : "no");
	}
	put_parts(&out, "sink", m->sinks, m->n_sinks);
	put_parts(&out, "service", m->services, m->n_services);
	for (size_t i = 0; i < m->n_targets; i++) {
		put_target(&out, m->targets[i]);
		flush(&out, to);
	}
	put_plans(&out, m);
	flush(&out, to);
}
