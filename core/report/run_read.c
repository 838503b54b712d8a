/* SPDX-License-Identifier: Apache-2.0 */
/* run_read.c - see run.h: a run read back. Everything is checked; what does not fit refuses the file. */
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "measure/hist_pack.h"
#include "measure/series.h"
#include "measure/tally_parts.h"
#include "report/run_parts.h"

#define NS_MAX (INT64_C(100) * 365 * 86400 * NS_PER_S) /* no run is longer than a century */
#define WIDTH_MAX (NS_PER_S << 22)
#define SAMPLES_MAX UINT64_C(1000000000000000) /* of a histogram: so that thousands can be merged */
#define ONE_HIST_MAX (HIST_BUCKETS * 8 + 64)

/* Errors are sticky: after the first one every read yields something harmless. */
struct reader {
	bool bad;
	char *error;
	size_t size;
	uint32_t order[RUN_COUNTERS + 64]; /* of the file's counters: our index */
	uint32_t n_order;
};

static void refuse(struct reader *rd, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void refuse(struct reader *rd, const char *format, ...)
{
	if (rd->bad)
		return;
	rd->bad = true;
	va_list args;
	va_start(args, format);
	vsnprintf(rd->error, rd->size, format, args);
	va_end(args);
}

static int64_t get_int(struct reader *rd, const json_t *o, const char *key, int64_t min, int64_t max)
{
	const json_t *v = json_object_get(o, key);
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
		refuse(rd, "\"%s\" is not a whole number from %lld to %lld", key, (long long)min, (long long)max);
		return min;
	}
	return json_integer_value(v);
}

static const char *text_of(struct reader *rd, const json_t *v, const char *what)
{
	if (!json_is_string(v) || json_string_length(v) > RUN_TEXT_MAX || strlen(json_string_value(v)) != json_string_length(v)) {
		refuse(rd, "\"%s\" is not a text of at most %d bytes", what, RUN_TEXT_MAX);
		return "";
	}
	return json_string_value(v);
}

static const char *get_text(struct reader *rd, const json_t *o, const char *key)
{
	return text_of(rd, json_object_get(o, key), key);
}

static const json_t *get_list(struct reader *rd, const json_t *o, const char *key, size_t max)
{
	const json_t *v = json_object_get(o, key);
	if (!json_is_array(v) || json_array_size(v) > max) {
		refuse(rd, "\"%s\" is not a list of at most %zu", key, max);
		return NULL;
	}
	return v;
}

static void read_counters(struct reader *rd, const json_t *root)
{
	const json_t *list = get_list(rd, root, "counters", ARRAY_LEN(rd->order));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = text_of(rd, json_array_get(list, i), "counters");
		char own[40];
		rd->order[i] = RUN_COUNTERS;
		for (uint32_t k = 0; k < RUN_COUNTERS; k++)
			if (!strcmp(name, run_counter_name(k, own, sizeof own)))
				rd->order[i] = k;
	}
	rd->n_order = (uint32_t)json_array_size(list);
}

static void read_counts(struct reader *rd, const json_t *o, struct tally_counts *n)
{
	const json_t *list = get_list(rd, o, "n", rd->n_order);
	uint64_t *values = &n->asked;
	if (json_array_size(list) != rd->n_order)
		refuse(rd, "\"n\" has %zu counters, expected %u", json_array_size(list), rd->n_order);
	for (uint32_t i = 0; i < rd->n_order && !rd->bad; i++) {
		const json_t *v = json_array_get(list, i);
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			refuse(rd, "a counter is not a whole number");
		else if (rd->order[i] < RUN_COUNTERS)
			values[rd->order[i]] = (uint64_t)json_integer_value(v);
	}
}

/* The packed bytes of a histogram in base64, checked; NULL: there is none. */
static uint8_t *read_packed(struct reader *rd, const json_t *o, const char *key, uint32_t *len)
{
	const json_t *v = json_object_get(o, key);
	*len = 0;
	if (!v || rd->bad)
		return NULL;
	size_t n = json_string_length(v);
	if (!json_is_string(v) || !n || n % 4 || n > ONE_HIST_MAX * 2) {
		refuse(rd, "the histogram \"%s\" is not base64", key);
		return NULL;
	}
	const char *s = json_string_value(v);
	uint8_t *data = xmalloc(n / 4 * 3);
	int got = EVP_DecodeBlock(data, (const unsigned char *)s, (int)n);
	int padding = (s[n - 1] == '=') + (s[n - 2] == '=');
	struct hist *h = xnew(struct hist);
	if (got <= padding || hist_unpack(data, (size_t)(got - padding), h) < 0 ||
	    h->count > SAMPLES_MAX) {
		refuse(rd, "the histogram \"%s\" is damaged", key);
		free(data);
		data = NULL;
	} else {
		*len = (uint32_t)(got - padding);
	}
	free(h);
	return data;
}

static struct hist *read_hist(struct reader *rd, const json_t *o, const char *key)
{
	uint32_t len;
	CLEANUP_FREE uint8_t *data = read_packed(rd, o, key, &len);
	if (!data)
		return NULL;
	struct hist *h = xnew(struct hist);
	if (hist_unpack(data, len, h) < 0)
		refuse(rd, "the histogram \"%s\" is damaged", key);
	return h;
}

static void read_hists(struct reader *rd, const json_t *o, const struct tally *t, struct tally_measure *m)
{
	const json_t *hists = json_object_get(o, "hists");
	if (!json_is_object(hists))
		refuse(rd, "a step has no \"hists\"");
	m->hists[TALLY_LATENCY] = read_hist(rd, hists, "latency");
	m->hists[TALLY_SERVICE] = read_hist(rd, hists, "service");
	m->hists[TALLY_LAG] = read_hist(rd, hists, "lag");
	for (uint32_t i = 0; i < PROBED_PHASES; i++)
		m->hists[TALLY_PHASE + i] = read_hist(rd, hists, phase_name(i));
	for (uint32_t i = 0; i < t->n_facts; i++) {
		char key[24];
		snprintf(key, sizeof key, "fact.%u", i);
		m->hists[TALLY_FACT + i] = read_hist(rd, hists, key);
	}
}

static void read_measure(struct reader *rd, const json_t *o, struct tally *t)
{
	uint32_t before = t->n_measures;
	struct tally_measure *m = tally_measure_add(t, get_text(rd, o, "name"));
	if (t->n_measures == before) {
		refuse(rd, "two steps have the name \"%s\"", m->name);
		return;
	}
	read_counts(rd, o, &m->n);
	m->judged = (uint64_t)get_int(rd, o, "judged", 0, INT64_MAX);
	const json_t *checks = get_list(rd, o, "checks", TALLY_CHECKS);
	for (size_t i = 0; i < json_array_size(checks); i++) {
		const json_t *pair = json_array_get(checks, i), *failed = json_array_get(pair, 1);
		struct tally_check *c = tally_check_add(m, text_of(rd, json_array_get(pair, 0), "checks"));
		if (!json_is_integer(failed) || json_integer_value(failed) < 0)
			refuse(rd, "a check's count is not a whole number");
		else
			c->failed = (uint64_t)json_integer_value(failed);
	}
	read_hists(rd, o, t, m);
}

static uint32_t read_reason(const char *name)
{
	for (uint32_t i = 0; i < PROBED_REASONS; i++)
		if (!strcmp(name, i ? reason_name(i) : "none"))
			return i;
	return PROBED_REASON_OTHER;
}

static void read_message(struct reader *rd, const json_t *o, struct tally *t)
{
	int64_t count = get_int(rd, o, "count", 0, INT64_MAX), over = get_int(rd, o, "over", 0, count);
	uint32_t step = (uint32_t)get_int(rd, o, "step", 0, t->n_measures ? t->n_measures - 1 : 0);
	tally_message_add(t, step, read_reason(get_text(rd, o, "reason")), get_text(rd, o, "text"), (uint64_t)count, (uint64_t)over);
}

static void read_event(struct reader *rd, const json_t *o, struct tally *t)
{
	tally_event(t, get_int(rd, o, "offset_ns", -NS_MAX, NS_MAX), get_text(rd, o, "text"));
	t->events[t->n_events - 1].n = (uint64_t)get_int(rd, o, "lost", 0, INT64_MAX);
}

static void read_fact(struct reader *rd, const json_t *o, struct tally *t)
{
	const char *type = get_text(rd, o, "type");
	for (uint32_t i = PROBED_TYPE_INTEGER; i <= PROBED_TYPE_SIZE; i++)
		if (!strcmp(type, type_name(i))) {
			if (tally_fact_add(t, get_text(rd, o, "name"), i) != t->n_facts - 1)
				refuse(rd, "a fact stands twice");
			return;
		}
	refuse(rd, "a fact has the type \"%s\"", type);
}

static void read_interval(struct reader *rd, const json_t *o, struct tally_interval *v)
{
	read_counts(rd, o, &v->n);
	v->asked_rate = json_number_value(json_object_get(o, "asked_rate"));
	if (!(v->asked_rate >= 0 && v->asked_rate < 1e12))
		refuse(rd, "\"asked_rate\" is not a rate");
	v->inflight = (uint32_t)get_int(rd, o, "inflight", 0, UINT32_MAX);
	v->paused_ns = get_int(rd, o, "paused_ns", 0, NS_MAX);
	v->latency.data = read_packed(rd, o, "latency", &v->latency.len);
	v->service.data = read_packed(rd, o, "service", &v->service.len);
}

static void read_series(struct reader *rd, const json_t *o, struct tally *t)
{
	t->width_ns = get_int(rd, o, "width_ns", NS_PER_S, WIDTH_MAX);
	int64_t seconds = t->width_ns / NS_PER_S;
	if (t->width_ns % NS_PER_S || (seconds & (seconds - 1)))
		refuse(rd, "\"width_ns\" is not a power of two, in seconds");
	const json_t *list = get_list(rd, o, "intervals", TALLY_INTERVALS);
	for (size_t i = 0; i < json_array_size(list) && !rd->bad; i++)
		read_interval(rd, json_array_get(list, i), &t->intervals[t->n_intervals++]);
}

static void read_requirement(struct reader *rd, const json_t *o, struct run_requirement *q)
{
	const char *state = get_text(rd, o, "state");
	q->text = xstrdup(get_text(rd, o, "text"));
	q->why = xstrdup(get_text(rd, o, "why"));
	for (q->state = 0; q->state < REQUIREMENT_NOT_MEASURED; q->state++)
		if (!strcmp(state, requirement_state_name(q->state)))
			return;
}

#define READ_LIST(rd, o, key, max, read)                                          \
	do {                                                                      \
		const json_t *list_ = get_list(rd, o, key, max);                  \
		for (size_t at_ = 0; at_ < json_array_size(list_) && !(rd)->bad; at_++) { \
			const json_t *item = json_array_get(list_, at_);          \
			read;                                                     \
		}                                                                 \
	} while (0)

static void read_plan(struct reader *rd, const json_t *o, struct run *r)
{
	struct tally *t = tally_new(get_text(rd, o, "name"), NULL, 0, NULL, 0, get_int(rd, o, "wall_ns", 0, INT64_MAX));
	tally_end(t, get_int(rd, o, "length_ns", 0, NS_MAX), get_int(rd, o, "schedule_ns", 0, NS_MAX));
	const json_t *requires = get_list(rd, o, "requirements", RUN_REQUIRES_MAX);
	struct run_plan *p = run_plan_add(r, t, false, (uint32_t)json_array_size(requires));
	for (uint32_t i = 0; i < p->n_requires; i++)
		read_requirement(rd, json_array_get(requires, i), &p->requires[i]);
	t->paused_ns = get_int(rd, o, "paused_ns", 0, NS_MAX);
	t->inflight_max = (uint32_t)get_int(rd, o, "inflight_max", 0, UINT32_MAX);
	t->open_loop = json_is_true(json_object_get(o, "open"));
	t->starts = json_is_true(json_object_get(o, "starts"));
	read_counts(rd, o, &t->n);
	READ_LIST(rd, o, "facts", TALLY_FACTS_MAX, read_fact(rd, item, t));
	READ_LIST(rd, o, "steps", TALLY_STEPS, read_measure(rd, item, t));
	if (!rd->bad && !t->n_measures && json_array_size(json_object_get(o, "messages")))
		refuse(rd, "there are messages and no steps");
	READ_LIST(rd, o, "messages", TALLY_MESSAGES, read_message(rd, item, t));
	READ_LIST(rd, o, "events", TALLY_EVENTS, read_event(rd, item, t));
	t->more_events = (uint32_t)get_int(rd, o, "more_events", 0, UINT32_MAX);
	read_series(rd, o, t);
}

static struct run *read_run(struct reader *rd, const json_t *root)
{
	int64_t version = get_int(rd, root, "probed_run", 1, INT32_MAX);
	if (version > RUN_VERSION)
		refuse(rd, "it is of form %lld, and this probed knows forms up to %d: use a newer one", (long long)version, RUN_VERSION);
	if (rd->bad)
		return NULL;
	read_counters(rd, root);
	struct run *r = run_new(get_text(rd, root, "name"), get_text(rd, root, "machine"), get_text(rd, root, "version"),
	                        get_int(rd, root, "wall_ns", 0, INT64_MAX));
	r->merged = (uint32_t)get_int(rd, root, "merged", 1, 1000000);
	const char *end = get_text(rd, root, "end");
	uint32_t i = 0;
	while (i < RUN_ENDS - 1 && strcmp(end, run_end_name(i)) != 0)
		i++;
	run_ended(r, i, get_text(rd, root, "why"));
	READ_LIST(rd, root, "plans", RUN_PLANS_MAX, read_plan(rd, item, r));
	if (rd->bad) {
		run_free(r);
		return NULL;
	}
	return r;
}

/* The JSON inside, NULL where there is none of an allowed size. */
static char *unpack(struct reader *rd, const void *data, size_t n, size_t *len)
{
	unsigned long long size = ZSTD_getFrameContentSize(data, n);
	if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
		refuse(rd, "not a run file: expected what `probectl run` writes");
		return NULL;
	}
	if (size > RUN_FILE_MAX) {
		refuse(rd, "%llu bytes are more than any run has", size);
		return NULL;
	}
	char *json = xmalloc(size + 1);
	*len = ZSTD_decompress(json, size, data, n);
	if (ZSTD_isError(*len)) {
		refuse(rd, "damaged: %s", ZSTD_getErrorName(*len));
		free(json);
		return NULL;
	}
	return json;
}

struct run *run_parse(const void *data, size_t n, char *error, size_t size)
{
	struct reader rd = { .error = error, .size = size };
	size_t len = 0;
	CLEANUP_FREE char *json = unpack(&rd, data, n, &len);
	if (!json)
		return NULL;
	json_error_t at;
	json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &at);
	struct run *r = NULL;
	if (root)
		r = read_run(&rd, root);
	else
		refuse(&rd, "damaged: line %d, column %d: %s", at.line, at.column, at.text);
	json_decref(root);
	return r;
}

struct run *run_read(const char *path, char *error, size_t size)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	if (!f) {
		snprintf(error, size, "%s: %s", path, strerror(errno));
		return NULL;
	}
	CLEANUP_BUF struct buf b = { 0 };
	size_t n;
	while ((n = fread(buf_reserve(&b, 65536), 1, 65536, f)) > 0 && b.len <= RUN_FILE_MAX)
		b.len += n;
	char what[300];
	struct run *r = NULL;
	if (ferror(f))
		snprintf(what, sizeof what, "cannot read: %s", strerror(errno));
	else if (b.len > RUN_FILE_MAX)
		snprintf(what, sizeof what, "more than any run has");
	else
		r = run_parse(b.data, b.len, what, sizeof what);
	if (!r)
		snprintf(error, size, "%s: %s", path, what);
	return r;
}
