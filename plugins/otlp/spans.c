/* SPDX-License-Identifier: Apache-2.0 */
/* spans.c - see spans.h */
#include "spans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/trace.h"

enum { KIND_INTERNAL = 1, KIND_CLIENT = 3 };
enum { STATUS_UNSET, STATUS_OK, STATUS_ERROR };

static ProtobufCBinaryData bytes(struct pool *pool, const uint8_t *data, size_t n)
{
	ProtobufCBinaryData b = { .len = n, .data = pool_get(pool, n) };
	memcpy(b.data, data, n);
	return b;
}

static Otlp__Span *new_span(struct spans *s, const char *name, int32_t kind, int64_t start_ns, int64_t ns)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 256;
		Otlp__Span **list = realloc(s->list, cap * sizeof(Otlp__Span *));
		if (!list)
			return NULL;
		s->list = list;
		s->cap = cap;
	}
	Otlp__Span *span = pool_get(&s->pool, sizeof *span);
	otlp__span__init(span);
	span->name = pool_string(&s->pool, name, strlen(name));
	span->has_kind = 1;
	span->kind = kind;
	span->has_start_time_unix_nano = span->has_end_time_unix_nano = 1;
	span->start_time_unix_nano = (uint64_t)start_ns;
	span->end_time_unix_nano = (uint64_t)(start_ns + (ns > 0 ? ns : 0));
	s->list[s->n++] = span;
	return span;
}

static void set_ids(struct spans *s, Otlp__Span *span, const uint8_t trace[16], const uint8_t id[8],
		    const uint8_t *parent)
{
	span->has_trace_id = span->has_span_id = 1;
	span->trace_id = bytes(&s->pool, trace, 16);
	span->span_id = bytes(&s->pool, id, 8);
	if (parent) {
		span->has_parent_span_id = 1;
		span->parent_span_id = bytes(&s->pool, parent, 8);
	}
}

static void set_status(struct spans *s, Otlp__Span *span, const struct probed_record *r)
{
	Otlp__Status *status = pool_get(&s->pool, sizeof *status);
	otlp__status__init(status);
	status->has_code = 1;
	status->code = r->outcome == PROBED_OK ? STATUS_OK : r->outcome == PROBED_UNKNOWN ? STATUS_UNSET : STATUS_ERROR;
	if (status->code == STATUS_ERROR && r->message)
		status->message = pool_string(&s->pool, r->message, strlen(r->message));
	span->status = status;
}

static void set_attributes(struct spans *s, Otlp__Span *span, const struct probed_record *r)
{
	struct attrs a = { .pool = &s->pool };
	struct text id = { 0 };
	record_id(&id, r);
	text_put(&id, "", 1);
	if (!id.failed)
		attrs_text(&a, "probed.id", id.data);
	text_free(&id);
	attrs_text(&a, "probed.target", r->target);
	attrs_text(&a, "probed.sub", r->sub);
	attrs_text(&a, "probed.plan", r->plan);
	attrs_text(&a, "probed.driver", r->driver);
	attrs_text(&a, "probed.outcome", record_outcome(r->outcome));
	attrs_text(&a, "probed.reason", record_reason(r->reason));
	attrs_double(&a, "probed.latency", (double)r->latency_ns / 1e9);
	attrs_double(&a, "probed.lag", (double)r->lag_ns / 1e9);
	for (uint32_t i = 0, n; s->facts && i < r->n_facts; i += n) {
		n = record_fact_run(r, i);
		attrs_fact(&a, r, i, n);
	}
	span->attributes = a.list;
	span->n_attributes = a.n;
}

static uint64_t number(const uint8_t id[8])
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | id[i];
	return v;
}

/* Phases are known by their lengths: they are told one after the other, as most often they are. */
static void add_phases(struct spans *s, const struct probed_record *r, const uint8_t trace[16], const uint8_t parent[8])
{
	int64_t at = r->time_ns;
	for (uint32_t i = 0; i < PROBED_PHASES; i++) {
		uint8_t id[8];
		if (r->phase_ns[i] < 0)
			continue;
		Otlp__Span *span = new_span(s, record_phase(i), KIND_INTERNAL, at, r->phase_ns[i]);
		if (!span)
			return;
		trace_span(number(parent), i + 1, id);
		set_ids(s, span, trace, id, parent);
		at += r->phase_ns[i];
	}
}

void spans_add(struct spans *s, const struct probed_record *r)
{
	uint8_t trace[16], probe[8], sub[8];
	char name[400];
	if (r->kind != PROBED_RECORD_RESULT)
		return;
	trace_of_probe(r->id_epoch, r->id_seq, trace, probe);
	snprintf(name, sizeof name, "%s %s%s%s", r->driver ? r->driver : "probe", r->target, r->sub ? " " : "",
		 r->sub ? r->sub : "");
	Otlp__Span *span = new_span(s, name, KIND_CLIENT, r->time_ns, r->service_ns);
	if (!span)
		return;
	if (r->sub) {
		uint64_t hash = 0;
		for (const char *p = r->sub; *p; p++)
			hash = trace_mix(hash, (unsigned char)*p);
		trace_span(number(probe), hash | UINT64_C(1) << 63, sub);
	}
	set_ids(s, span, trace, r->sub ? sub : probe, r->sub ? probe : NULL);
	set_status(s, span, r);
	set_attributes(s, span, r);
	if (s->phases)
		add_phases(s, r, trace, r->sub ? sub : probe);
}

uint8_t *spans_take(struct spans *s, Otlp__Resource *resource, Otlp__Scope *scope, size_t *len)
{
	Otlp__ScopeSpans of_scope = OTLP__SCOPE_SPANS__INIT, *scopes = &of_scope;
	Otlp__ResourceSpans of_resource = OTLP__RESOURCE_SPANS__INIT, *resources = &of_resource;
	Otlp__TraceRequest request = OTLP__TRACE_REQUEST__INIT;
	of_scope.scope = scope;
	of_scope.spans = s->list;
	of_scope.n_spans = s->n;
	of_resource.resource = resource;
	of_resource.scope_spans = &scopes;
	of_resource.n_scope_spans = 1;
	request.resource_spans = &resources;
	request.n_resource_spans = 1;
	*len = otlp__trace_request__get_packed_size(&request);
	uint8_t *data = malloc(*len);
	if (data)
		otlp__trace_request__pack(&request, data);
	s->n = 0;
	pool_reset(&s->pool);
	return data;
}

void spans_free(struct spans *s)
{
	pool_free(&s->pool);
	free(s->list);
	*s = (struct spans){ 0 };
}
