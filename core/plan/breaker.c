/* SPDX-License-Identifier: Apache-2.0 */
/* breaker.c - see breaker.h */
#include "plan/breaker.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/unit.h"

/* --- as text ---------------------------------------------------------------------------------- */

static bool word_next(const char **p, char *out, size_t size)
{
	size_t len = strcspn(*p, " \t");
	if (!len || len >= size)
		return false;
	memcpy(out, *p, len);
	out[len] = '\0';
	*p += len + strspn(*p + len, " \t");
	return true;
}

static bool keyword(const char **p, const char *word)
{
	const char *before = *p;
	char got[16];
	if (word_next(p, got, sizeof got) && !strcmp(got, word))
		return true;
	*p = before;
	return false;
}

static bool count_next(const char **p, uint32_t max, uint32_t *out)
{
	char word[16];
	int64_t n;
	if (!word_next(p, word, sizeof word) || unit_parse_integer(word, &n) || n < 1 || n > max)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool duration_next(const char **p, int64_t *out)
{
	char word[32];
	return word_next(p, word, sizeof word) && !unit_parse_duration(word, out) && *out > 0;
}

int breaker_parse(const char *text, struct breaker_spec *spec, char *error, size_t size)
{
	struct breaker_spec s = { .trials = 1, .on = fault_set_default() };
	const char *p = text + strspn(text, " \t");
	bool ok = count_next(&p, BREAKER_FAILURES_MAX, &s.failures) && (keyword(&p, "failures") || keyword(&p, "failure")) &&
		  keyword(&p, "in") && duration_next(&p, &s.within_ns) && keyword(&p, "open") && duration_next(&p, &s.open_ns);
	if (ok && keyword(&p, "probes"))
		ok = count_next(&p, BREAKER_FAILURES_MAX, &s.trials);
	bool on = ok && keyword(&p, "on");
	if (!ok || (!on && *p)) {
		snprintf(error, size, "\"%s\" is not a breaker: expected how many failures in what time open it and for how long, as in "
			 "5 failures in 30s open 10s, then perhaps probes 1 and on 503 error (at most %d failures)", text,
			 BREAKER_FAILURES_MAX);
		return -1;
	}
	if (on && fault_set_parse(p, &s.on, error, size))
		return -1;
	*spec = s;
	return 0;
}

const char *breaker_state_name(enum breaker_state s)
{
	static const char *const names[BREAKER_STATES] = { "closed", "open", "half-open" };
	return s < BREAKER_STATES ? names[s] : "unknown";
}

/* --- states ----------------------------------------------------------------------------------- */

void breaker_init(struct breaker *b, const struct breaker_spec *spec)
{
	*b = (struct breaker){ .cap = spec->failures };
	b->failed_ns = spec->failures ? xreallocarray(NULL, spec->failures, sizeof *b->failed_ns) : NULL;
}

void breaker_clear(struct breaker *b)
{
	free(b->failed_ns);
	*b = (struct breaker){ 0 };
}

void breaker_respec(struct breaker *b, const struct breaker_spec *spec)
{
	if (b->cap == spec->failures)
		return;
	struct breaker old = *b;
	breaker_init(b, spec);
	if (!spec->failures) {
		breaker_clear(&old);
		return;
	}
	b->state = old.state;
	b->since_ns = old.since_ns;
	b->trials_out = old.trials_out;
	b->trials_ok = old.trials_ok;
	b->opened = old.opened;
	breaker_clear(&old);
}

static void enter_state(struct breaker *b, enum breaker_state state, int64_t now_ns)
{
	b->state = state;
	b->since_ns = now_ns;
	b->n_failed = b->next = b->trials_out = b->trials_ok = 0;
	b->opened += state == BREAKER_OPEN;
}

/* Trials that never came back must not keep it half-open for ever. */
static bool trials_lost(const struct breaker *b, const struct breaker_spec *spec, int64_t now_ns)
{
	return b->trials_out && now_ns - b->trial_ns >= spec->open_ns + BREAKER_LOST_NS;
}

int64_t breaker_again_ns(const struct breaker *b, const struct breaker_spec *spec, int64_t now_ns)
{
	if (breaker_may(b, spec, now_ns))
		return 0;
	return b->state == BREAKER_OPEN ? b->since_ns + spec->open_ns : b->trial_ns + spec->open_ns + BREAKER_LOST_NS;
}

bool breaker_may(const struct breaker *b, const struct breaker_spec *spec, int64_t now_ns)
{
	switch (b->state) {
	case BREAKER_OPEN:
		return now_ns - b->since_ns >= spec->open_ns;
	case BREAKER_HALF_OPEN:
		return b->trials_out + b->trials_ok < spec->trials || trials_lost(b, spec, now_ns);
	default:
		return true;
	}
}

bool breaker_enter(struct breaker *b, const struct breaker_spec *spec, int64_t now_ns)
{
	if (b->state == BREAKER_OPEN && now_ns - b->since_ns >= spec->open_ns)
		enter_state(b, BREAKER_HALF_OPEN, now_ns);
	if (b->state != BREAKER_HALF_OPEN)
		return false;
	if (trials_lost(b, spec, now_ns))
		b->trials_out = 0;
	b->trials_out++;
	b->trial_ns = now_ns;
	return true;
}

/* The ring holds the last `failures` ones: it opens when it is full and its oldest is young enough. */
static void failed(struct breaker *b, const struct breaker_spec *spec, int64_t now_ns)
{
	b->failed_ns[b->next] = now_ns;
	b->next = (b->next + 1) % b->cap;
	if (b->n_failed < b->cap)
		b->n_failed++;
	if (b->n_failed == b->cap && now_ns - b->failed_ns[b->next] <= spec->within_ns)
		enter_state(b, BREAKER_OPEN, now_ns);
}

void breaker_leave(struct breaker *b, const struct breaker_spec *spec, bool trial, enum fault how, int64_t enter_ns,
                   int64_t now_ns)
{
	bool before = enter_ns < b->since_ns;
	if (b->state == BREAKER_CLOSED && how == FAULT_BAD && !before && b->cap)
		failed(b, spec, now_ns);
	if (b->state != BREAKER_HALF_OPEN || !trial || before)
		return;
	b->trials_out -= b->trials_out > 0;
	if (how == FAULT_BAD)
		enter_state(b, BREAKER_OPEN, now_ns);
	else if (how == FAULT_NONE && ++b->trials_ok >= spec->trials)
		enter_state(b, BREAKER_CLOSED, now_ns);
}
