/* SPDX-License-Identifier: Apache-2.0 */
/* talk.c - the banner and the dialogue of a tcp probe. Each step runs as far as it can and then leaves a watch. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tcp/conn.h"

#define READ_BYTES 16384
#define BANNER_BYTES 1024
/* After so long without a byte, what could still grow (a prompt without a line's end) is taken as it is. */
#define QUIET_NS INT64_C(200000000)

static const char *step_name(const struct conn *c, char *out, size_t size)
{
	if (c->state == BANNER)
		snprintf(out, size, "waiting for the banner");
	else
		snprintf(out, size, "step %u (%.80s)", c->step + 1, dialogue_text(c->target->dialogue->steps[c->step]));
	return out;
}

/* The last line that was heard, as people can read it. */
static const char *heard(const struct conn *c, char *out, size_t size)
{
	const struct bytes *b = &c->talk->in.b;
	size_t end = b->len, at, len = 0;

	while (end && (b->data[end - 1] == '\n' || b->data[end - 1] == '\r'))
		end--;
	for (at = end; at && end - at + 1 < size && b->data[at - 1] != '\n'; at--)
		;
	for (; at < end && len + 1 < size; at++)
		out[len++] = b->data[at] < 0x20 || b->data[at] > 0x7e ? '.' : b->data[at];
	out[len] = '\0';
	return out;
}

/* The peer stopped (error 0: closed in order) before the step was done. */
static void stopped_early(struct conn *c, int error)
{
	char name[128], text[64];
	step_name(c, name, sizeof(name));
	if (error == EPROTO && c->ssl) {
		char why[300];
		conn_fail(c, PROBED_REASON_TLS, "%s: %s at %s", c->where, certs_error(&c->peer, why, sizeof(why)), name);
	} else if (error)
		conn_fail(c, net_reason(error), "%s: %s at %s", c->where, strerror(error), name);
	else if (!c->in)
		conn_fail(c, PROBED_REASON_RESET, "%s: the peer closed the connection without a word at %s", c->where, name);
	else
		conn_fail(c, PROBED_REASON_PROTOCOL, "%s: the peer closed the connection at %s; last heard \"%s\"", c->where,
		     name, heard(c, text, sizeof(text)));
}

/* --- steps ---------------------------------------------------------------------------------------- */

/* Keeps the server's first line as a fact, once it is whole (or will not become so). True: known. */
static bool banner_take(struct conn *c)
{
	const struct bytes *b = &c->talk->in.b;
	const char *line = b->len ? memchr(b->data, '\n', b->len) : NULL;
	size_t len = line ? (size_t)(line - b->data) : b->len;

	if (c->banner_done)
		return true;
	if (!b->len || (!line && len < BANNER_BYTES && !c->eof && !c->quiet))
		return false;
	while (len && b->data[len - 1] == '\r')
		len--;
	host->fact_string(c->probe, FACT_BANNER, NULL, b->data, len < BANNER_BYTES ? len : BANNER_BYTES);
	c->banner_done = true;
	return true;
}

/* 1: done, 0: waits, -1: the probe is over. */
static int send_run(struct conn *c)
{
	struct talk *talk = c->talk;
	int error;

	if (c->state != SENDING) {
		/* a first line without an end, as far as it came */
		if (!c->out && c->in) {
			c->quiet = true;
			banner_take(c);
		}
		c->banner_done = true;
		c->state = SENDING;
		c->sent = talk->out.len = 0;
		host->phase(c->probe, PROBED_PHASE_SEND);
		if (dialogue_render(c->target->dialogue->steps[c->step], &talk->said, &talk->out) < 0) {
			conn_fail(c, PROBED_REASON_OVERLOADED, "out of memory");
			return -1;
		}
	}
	while (c->sent < talk->out.len) {
		ssize_t n = transport_write(c, talk->out.data + c->sent, talk->out.len - c->sent, &error);
		if (!n)
			return 0;
		if (n < 0) {
			stopped_early(c, error ? error : EPIPE);
			return -1;
		}
		c->sent += (size_t)n;
		c->out += (uint64_t)n;
	}
	return 1;
}

static void captures_give(struct conn *c, uint32_t captured)
{
	const struct dialogue *d = c->target->dialogue;
	const struct said *said = &c->talk->said;
	for (unsigned i = 0; i < d->n_captures; i++) {
		const char *value = said->values.data ? said->values.data + said->capture[i].at : "";
		if (captured & UINT32_C(1) << i)
			host->fact_string(c->probe, FACT_CAPTURE, d->captures[i], value, said->capture[i].len);
	}
}

static void waiting(struct conn *c, enum state state)
{
	if (c->state != state) {
		c->state = state;
		c->step_in = 0;
		host->phase(c->probe, PROBED_PHASE_WAIT);
	}
	transport_watch(c, PROBED_READ);
}

static int expect_run(struct conn *c)
{
	const struct dialogue_step *step = c->target->dialogue->steps[c->step];
	uint32_t captured;
	char name[128];

	waiting(c, EXPECTING);
	switch (dialogue_match(c->worker->matcher, step, &c->talk->in, c->eof || c->quiet, &c->talk->said, &captured)) {
	case DIALOGUE_MATCHED:
		captures_give(c, captured);
		return 1;
	case DIALOGUE_MAYBE:
		return conn_timer_at(c, host->now() + QUIET_NS) ? 0 : -1;
	case DIALOGUE_LIMIT:
		conn_fail(c, PROBED_REASON_PROTOCOL, "%s: %s needs too many tries on this answer: make the pattern simpler",
		     c->where, step_name(c, name, sizeof(name)));
		return -1;
	default:
		if (c->eof) {
			stopped_early(c, 0);
			return -1;
		}
		if (c->step_in > c->target->read_limit) {
			conn_fail(c, PROBED_REASON_PROTOCOL, "%s: %s: no match in the first %zu bytes", c->where,
			     step_name(c, name, sizeof(name)), c->target->read_limit);
			return -1;
		}
		return 0;
	}
}

static int banner_run(struct conn *c)
{
	if (!c->target->banner || c->banner_done)
		return 1;
	waiting(c, BANNER);
	if (banner_take(c))
		return 1;
	if (c->eof) {
		stopped_early(c, 0);
		return -1;
	}
	if (c->in)
		return conn_timer_at(c, host->now() + QUIET_NS) ? 0 : -1;
	return 0;
}

/* The line that the last match began is let pass; what follows it would be in the clear after TLS was agreed on. */
static int starttls_run(struct conn *c)
{
	struct stream *in = &c->talk->in;
	const char *end;
	char text[64];

	waiting(c, EXPECTING);
	if (in->from && in->b.data[in->from - 1] != '\n') {
		end = memchr(in->b.data + in->from, '\n', in->b.len - in->from);
		if (!end && c->eof)
			stopped_early(c, 0);
		if (!end)
			return c->eof ? -1 : 0;
		in->from = (size_t)(end + 1 - in->b.data);
	}
	if (in->from < in->b.len) {
		conn_fail(c, PROBED_REASON_PROTOCOL, "%s: the peer said \"%s\" in the clear after it agreed to TLS", c->where,
		     heard(c, text, sizeof(text)));
		return -1;
	}
	transport_secure(c);
	return -1;
}

void talk_run(struct conn *c)
{
	const struct dialogue *d = c->target->dialogue;
	int done = banner_run(c);

	if (done > 0 && c->state == BANNER)
		c->quiet = false;
	while (done > 0) {
		if (c->timer)
			host->timer_set(c->timer, 0);
		if (c->step == d->n_steps) {
			conn_finish(c, PROBED_OK, PROBED_REASON_NONE, NULL);
			return;
		}
		switch (dialogue_kind(d->steps[c->step])) {
		case DIALOGUE_SEND:
			done = send_run(c);
			break;
		case DIALOGUE_EXPECT:
			done = expect_run(c);
			break;
		default:
			done = starttls_run(c);
		}
		if (done > 0) {
			c->step++;
			c->step_in = 0;
			c->state = READY;
			c->quiet = false;
		}
	}
	if (done == 0)
		c->quiet = false;
}

void talk_readable(struct conn *c)
{
	char data[READ_BYTES];
	int error = 0;

	for (;;) {
		ssize_t n = transport_read(c, data, sizeof(data), &error);
		if (n == 0)
			return;
		if (n > 0) {
			if (!c->step_in)
				host->phase(c->probe, PROBED_PHASE_RECEIVE);
			c->in += (uint64_t)n;
			c->step_in += (size_t)n;
			host->body_write(c->probe, data, (uint64_t)n);
			if (stream_put(&c->talk->in, data, (size_t)n) < 0) {
				conn_fail(c, PROBED_REASON_OVERLOADED, "out of memory");
				return;
			}
			if (!c->out)
				banner_take(c);
		} else if (error) {
			stopped_early(c, error);
			return;
		} else {
			c->eof = true;
		}
		talk_run(c);
		/* what TLS holds decrypted wakes no watch; plain data does */
		if (c->magic != CONN_MAGIC || c->eof || !c->ssl || (c->state != EXPECTING && c->state != BANNER))
			return;
	}
}

void talk_secured(struct conn *c)
{
	const struct dialogue *d = c->target->dialogue;

	c->state = READY;
	if (c->step < d->n_steps && dialogue_kind(d->steps[c->step]) == DIALOGUE_STARTTLS)
		c->step++;
	c->step_in = 0;
	talk_run(c);
}

void talk_quiet(struct conn *c)
{
	c->quiet = true;
	talk_run(c);
}
