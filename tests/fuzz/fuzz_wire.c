/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_wire.c - frames, and every message in them. The input is a stream as it comes from a peer; what could be
 * decoded must read back the same once it was encoded again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "judge/result.h"
#include "plugin/table.h"
#include "run/channel.h"
#include "run/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read in the same order as it was written must come out alike, however often. */
static void compare(struct buf *once, struct buf *twice)
{
	if (once->len != twice->len || memcmp(once->data, twice->data, once->len) != 0)
		abort();
	buf_free(once);
	buf_free(twice);
}

#define ROUND_TRIP(type, get, put, drop)                                      \
	do {                                                                  \
		type m, again;                                                \
		struct buf once = { 0 }, twice = { 0 };                       \
		if (get(c, &m))                                               \
			return -1;                                            \
		put(&once, &m);                                               \
		struct cursor back = cursor_over(once.data, once.len);        \
		if (get(&back, &again) || cursor_left(&back))                 \
			abort();                                              \
		put(&twice, &again);                                          \
		compare(&once, &twice);                                       \
		drop(&m);                                                     \
		drop(&again);                                                 \
	} while (0)

static int on_hello(struct cursor *c)
{
	ROUND_TRIP(struct wire_hello, wire_get_hello, wire_put_hello, wire_hello_free);
	return 0;
}

static int on_target(struct cursor *c)
{
	ROUND_TRIP(struct wire_target, wire_get_target, wire_put_target, wire_target_free);
	return 0;
}

static int on_part(struct cursor *c)
{
	ROUND_TRIP(struct wire_part, wire_get_part, wire_put_part, wire_part_free);
	return 0;
}

static int on_flow(struct cursor *c)
{
	ROUND_TRIP(struct wire_flow, wire_get_flow, wire_put_flow, wire_flow_free);
	return 0;
}

static int on_start(struct cursor *c)
{
	ROUND_TRIP(struct wire_start, wire_get_start, wire_put_start, wire_start_free);
	return 0;
}

static int on_flow_end(struct cursor *c)
{
	ROUND_TRIP(struct wire_flow_end, wire_get_flow_end, wire_put_flow_end, wire_flow_end_free);
	return 0;
}

static int on_users(struct cursor *c)
{
	ROUND_TRIP(struct wire_users, wire_get_users, wire_put_users, wire_users_free);
	return 0;
}

static int on_rows(struct cursor *c)
{
	static volatile size_t used;
	cursor_u32(c), cursor_u8(c);
	for (uint32_t n = cursor_count(c, 4); n && !c->bad; n--) {
		uint32_t n_vars;
		const struct kv *vars = wire_get_kvs(c, &n_vars);
		for (uint32_t i = 0; i < n_vars && !c->bad; i++)
			used += (vars[i].key ? strlen(vars[i].key) : 0) + (vars[i].value ? strlen(vars[i].value) : 0);
		free((void *)(uintptr_t)vars);
	}
	return 0;
}

static int on_dispatch(struct cursor *c)
{
	for (uint32_t n = cursor_count(c, WIRE_DISPATCH_BYTES); n; n--) {
		struct wire_dispatch d = wire_get_dispatch(c);
		struct buf b = { 0 };
		wire_put_dispatch(&b, &d);
		if (c->bad || b.len != WIRE_DISPATCH_BYTES || memcmp(b.data, c->p - b.len, b.len) != 0)
			abort();
		buf_free(&b);
	}
	return 0;
}

static size_t use_result(const struct result *r)
{
	size_t sum = 0;
	for (uint32_t i = 0; i < r->n_facts; i++) {
		const struct result_fact *f = &r->facts[i];
		const char *name = result_string(r, f->name), *s = result_string(r, f->s);
		sum += name ? strlen(name) : 0;
		for (uint32_t k = 0; s && k < f->len; k++)
			sum += (unsigned char)s[k];
	}
	for (uint32_t i = 0; i < r->n_failed; i++)
		sum += strlen(result_string(r, r->failed[i].label) ? result_string(r, r->failed[i].label) : "");
	const char *sub = result_string(r, r->sub), *message = result_string(r, r->message);
	return sum + (sub ? strlen(sub) : 0) + (message ? strlen(message) : 0) + strlen(outcome_name(r->outcome)) + strlen(reason_name(r->reason));
}

static int on_result(struct cursor *c)
{
	static volatile size_t used;
	struct result r = { 0 }, again = { 0 };
	result_reset(&r);
	result_reset(&again);
	int rc = result_decode(c, &r);
	used += use_result(&r);
	if (!rc) {
		struct buf once = { 0 }, twice = { 0 };
		result_encode(&once, &r);
		struct cursor back = cursor_over(once.data, once.len);
		if (result_decode(&back, &again) || cursor_left(&back))
			abort();
		result_encode(&twice, &again);
		compare(&once, &twice);
	}
	result_free(&r);
	result_free(&again);
	return rc;
}

static int on_table(struct cursor *c)
{
	struct plugin_table *t = plugin_table_decode(c), *again;
	struct buf once = { 0 }, twice = { 0 };
	if (!t)
		return -1;
	plugin_table_encode(&once, t);
	struct cursor back = cursor_over(once.data, once.len);
	if (!(again = plugin_table_decode(&back)) || cursor_left(&back))
		abort();
	plugin_table_encode(&twice, again);
	compare(&once, &twice);
	plugin_table_free(t);
	plugin_table_free(again);
	return 0;
}

static void read_strings(struct cursor *c, unsigned n)
{
	static volatile size_t used;
	for (const char *s; n; n--)
		if ((s = cursor_str(c)))
			used += strlen(s);
}

static int on_frame(void *ctx, uint16_t type, struct cursor *c)
{
	(void)ctx;
	uint32_t len;
	switch (type) {
	case WIRE_HELLO:
		return on_hello(c);
	case WIRE_TARGET_ADD:
		return on_target(c);
	case WIRE_SINK_OPEN:
	case WIRE_SERVICE_START:
		return on_part(c);
	case WIRE_DISPATCH:
		return on_dispatch(c);
	case WIRE_FLOW_ADD:
		return on_flow(c);
	case WIRE_FLOW_START:
		return on_start(c);
	case WIRE_FLOW_END:
		return on_flow_end(c);
	case WIRE_USERS:
		return on_users(c);
	case WIRE_ROWS:
		return on_rows(c);
	case WIRE_GATE_GRANT:
		cursor_u32(c), cursor_u32(c);
		read_strings(c, 1);
		for (uint32_t n = cursor_count(c, sizeof(int64_t)); n; n--)
			cursor_i64(c);
		break;
	case WIRE_RESULT:
		cursor_u32(c), cursor_u32(c), cursor_u64(c), cursor_u8(c);
		return on_result(c);
	case WIRE_RECORD:
		cursor_u64(c), cursor_u64(c);
		read_strings(c, 3);
		return on_result(c);
	case WIRE_INSPECTED:
		return on_table(c);
	case WIRE_WORKER_STATS:
		wire_get_stats(c);
		break;
	case WIRE_SINK_STATUS:
		wire_get_sink_status(c);
		break;
	case WIRE_RECORD_EVENT:
		cursor_u64(c), cursor_u64(c), cursor_i64(c);
		read_strings(c, 2);
		break;
	case WIRE_REPLY:
		cursor_u64(c), cursor_u32(c), cursor_u8(c), cursor_bytes(c, &len);
		break;
	case WIRE_EVENT:
		read_strings(c, 1);
		cursor_u64(c), cursor_bytes(c, &len);
		break;
	case WIRE_QUERY:
	case WIRE_COMMAND:
		cursor_u64(c);
		read_strings(c, 2);
		break;
	default:
		read_strings(c, 2);
		break;
	}
	return c->bad ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf stream = { 0 };
	const char *why = NULL;
	buf_put(&stream, data, size);
	if (frame_parse(&stream, on_frame, NULL, &why) && !why)
		abort();
	if (stream.len > size)
		abort();
	buf_free(&stream);
	return 0;
}
