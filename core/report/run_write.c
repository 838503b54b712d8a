/* SPDX-License-Identifier: Apache-2.0 */
/* run_write.c - see run.h: a run as a file. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "measure/hist_pack.h"
#include "measure/series.h"
#include "report/js.h"
#include "report/run_parts.h"

#define LEVEL 9

const char *run_counter_name(uint32_t i, char *out, size_t size)
{
	static const char *const ends[] = { "bytes_in", "bytes_out" };
	static const char *const begins[] = { "asked", "sent", "started" };
	if (i < ARRAY_LEN(begins))
		snprintf(out, size, "%s", begins[i]);
	else if ((i -= ARRAY_LEN(begins)) < PROBED_OUTCOMES)
		snprintf(out, size, "%s", outcome_name(i));
	else if ((i -= PROBED_OUTCOMES) < PROBED_REASONS)
		snprintf(out, size, "reason.%s", i ? reason_name(i) : "none");
	else if ((i -= PROBED_REASONS) < TALLY_WHYS)
		snprintf(out, size, "why.%s", tally_why_name(i));
	else
		snprintf(out, size, "%s", ends[i - TALLY_WHYS]);
	return out;
}

static void put_counts(struct buf *b, const char *key, const struct tally_counts *n)
{
	const uint64_t *values = &n->asked;
	js_key(b, key);
	js_open(b, '[');
	for (size_t i = 0; i < RUN_COUNTERS; i++)
		js_u64(b, values[i]);
	js_close(b, ']');
}

static void put_hist(struct buf *b, const char *key, const struct hist *h)
{
	CLEANUP_BUF struct buf packed = { 0 };
	if (!h || !h->count)
		return;
	hist_pack(&packed, h);
	char *text = xmalloc((packed.len + 2) / 3 * 4 + 1);
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)packed.data, (int)packed.len);
	js_key_str(b, key, text);
	free(text);
}

static const char *hist_name(uint32_t which, char *out, size_t size)
{
	static const char *const first[TALLY_PHASE] = { "latency", "service", "lag" };
	if (which < TALLY_PHASE)
		return first[which];
	if (which < TALLY_FACT)
		return phase_name(which - TALLY_PHASE);
	snprintf(out, size, "fact.%u", which - TALLY_FACT);
	return out;
}

static void put_measure(struct buf *b, const struct tally_measure *m)
{
	js_open(b, '{');
	js_key_str(b, "name", m->name);
	put_counts(b, "n", &m->n);
	js_key_u64(b, "judged", m->judged);
	js_key(b, "checks");
	js_open(b, '[');
	for (uint32_t i = 0; i < m->n_checks; i++) {
		js_open(b, '[');
		js_str(b, m->checks[i].label);
		js_u64(b, m->checks[i].failed);
		js_close(b, ']');
	}
	js_close(b, ']');
	js_key(b, "hists");
	js_open(b, '{');
	for (uint32_t i = 0; i < TALLY_HISTS; i++) {
		char name[24];
		put_hist(b, hist_name(i, name, sizeof name), m->hists[i]);
	}
	js_close(b, '}');
	js_close(b, '}');
}

static void put_interval(struct buf *b, const struct tally *t, uint32_t i)
{
	const struct tally_interval *v = &t->intervals[i];
	struct hist *latency = xnew(struct hist), *service = xnew(struct hist);
	series_hist(t, i, TALLY_LATENCY, latency);
	series_hist(t, i, TALLY_SERVICE, service);
	js_open(b, '{');
	put_counts(b, "n", &v->n);
	js_key_num(b, "asked_rate", v->asked_rate);
	js_key_u64(b, "inflight", v->inflight);
	js_key_i64(b, "paused_ns", v->paused_ns);
	put_hist(b, "latency", latency);
	put_hist(b, "service", service);
	js_close(b, '}');
	free(latency);
	free(service);
}

static void put_message(struct buf *b, const struct tally_message *m)
{
	js_open(b, '{');
	js_key_str(b, "text", m->text);
	js_key_u64(b, "step", m->step);
	js_key_str(b, "reason", m->reason ? reason_name(m->reason) : "none");
	js_key_u64(b, "count", m->count);
	js_key_u64(b, "over", m->over);
	js_close(b, '}');
}

static void put_event(struct buf *b, const struct tally_event *e)
{
	js_open(b, '{');
	js_key_i64(b, "offset_ns", e->offset_ns);
	js_key_u64(b, "lost", e->n);
	js_key_str(b, "text", e->text);
	js_close(b, '}');
}

static void put_fact(struct buf *b, const struct tally_fact *f)
{
	js_open(b, '{');
	js_key_str(b, "name", f->name);
	js_key_str(b, "type", type_name(f->type));
	js_close(b, '}');
}

static void put_requirement(struct buf *b, const struct run_requirement *q)
{
	js_open(b, '{');
	js_key_str(b, "text", q->text);
	js_key_str(b, "state", requirement_state_name(q->state));
	js_key_str(b, "why", q->why);
	js_close(b, '}');
}

#define PUT_LIST(b, key, count, put)         \
	do {                                 \
		js_key(b, key);              \
		js_open(b, '[');             \
		for (uint32_t i = 0; i < (count); i++) \
			put;                 \
		js_close(b, ']');            \
	} while (0)

static void put_plan(struct buf *b, const struct run_plan *p)
{
	const struct tally *t = p->tally;
	js_open(b, '{');
	js_key_str(b, "name", t->plan);
	js_key_i64(b, "wall_ns", t->wall_ns);
	js_key_i64(b, "length_ns", t->length_ns);
	js_key_i64(b, "schedule_ns", t->schedule_ns);
	js_key_i64(b, "paused_ns", t->paused_ns);
	js_key_u64(b, "inflight_max", t->inflight_max);
	js_key(b, "open");
	js_bool(b, t->open_loop);
	js_key(b, "starts");
	js_bool(b, t->starts);
	put_counts(b, "n", &t->n);
	PUT_LIST(b, "requirements", p->n_requires, put_requirement(b, &p->requires[i]));
	PUT_LIST(b, "facts", t->n_facts, put_fact(b, &t->facts[i]));
	PUT_LIST(b, "steps", t->n_measures, put_measure(b, &t->measures[i]));
	PUT_LIST(b, "messages", t->n_messages, put_message(b, &t->messages[i]));
	PUT_LIST(b, "events", t->n_events, put_event(b, &t->events[i]));
	js_key_u64(b, "more_events", t->more_events);
	js_key_i64(b, "width_ns", t->width_ns);
	PUT_LIST(b, "intervals", t->n_intervals, put_interval(b, t, i));
	js_close(b, '}');
}

static void put_run(struct buf *b, const struct run *r)
{
	char name[40];
	js_open(b, '{');
	js_key_u64(b, "probed_run", RUN_VERSION);
	js_key_str(b, "name", r->name);
	js_key_str(b, "machine", r->machine);
	js_key_str(b, "version", r->version);
	js_key_i64(b, "wall_ns", r->wall_ns);
	js_key_str(b, "end", run_end_name(r->end));
	js_key_str(b, "why", r->why);
	js_key_u64(b, "merged", r->merged);
	PUT_LIST(b, "counters", RUN_COUNTERS, js_str(b, run_counter_name(i, name, sizeof name)));
	PUT_LIST(b, "plans", r->n_plans, put_plan(b, &r->plans[i]));
	js_close(b, '}');
}

int run_write(const struct run *r, FILE *to, char *error, size_t size)
{
	CLEANUP_BUF struct buf json = { 0 };
	put_run(&json, r);
	size_t room = ZSTD_compressBound(json.len);
	CLEANUP_FREE char *packed = xmalloc(room);
	size_t n = ZSTD_compress(packed, room, json.data, json.len, LEVEL);
	if (ZSTD_isError(n)) {
		snprintf(error, size, "cannot compress: %s", ZSTD_getErrorName(n));
		return -1;
	}
	if (fwrite(packed, 1, n, to) != n || fflush(to)) {
		snprintf(error, size, "cannot write: %s", strerror(errno));
		return -1;
	}
	return 0;
}

int run_save(const struct run *r, const char *path, char *error, size_t size)
{
	CLEANUP_FREE char *beside = xasprintf("%s.%d.new", path, (int)getpid());
	FILE *f = fopen(beside, "wxe");
	if (!f) {
		snprintf(error, size, "%s: cannot create: %s", beside, strerror(errno));
		return -1;
	}
	char what[200];
	int rc = run_write(r, f, what, sizeof what);
	if (fclose(f) && rc == 0) {
		snprintf(what, sizeof what, "cannot write: %s", strerror(errno));
		rc = -1;
	}
	if (rc == 0 && rename(beside, path)) {
		snprintf(what, sizeof what, "cannot put it in place: %s", strerror(errno));
		rc = -1;
	}
	if (rc < 0) {
		snprintf(error, size, "%s: %s", path, what);
		unlink(beside);
	}
	return rc;
}
