/* SPDX-License-Identifier: Apache-2.0 */
/* pace_text.c - schedules as text: read, with errors that say where and what was expected, and written. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/unit.h"
#include "plan/pace_parts.h"
#include "plan/words.h"

#define GAP_MIN_NS NS_PER_US

static const char *const words[] = { "every", "human", "rate", "ramp", "burst", "users", "recorded", "hold", "for", "jitter",
				     "think", "poisson", "uniform", "lognormal", "median", "p99" };

struct parser {
	struct words w;
	struct pace *p;
	bool distributed; /* "uniform" or "poisson" was said */
};

static int keyword(struct parser *s, const char *word)
{
	char what[32];
	snprintf(what, sizeof what, "\"%s\"", word);
	return words_take(&s->w, word) ? 0 : words_expected(&s->w, what);
}

static int duration(struct parser *s, int64_t least_ns, int64_t *out)
{
	return words_duration(&s->w, least_ns, out);
}

static int count(struct parser *s, const char *what, int64_t *out)
{
	if (unit_parse_integer(s->w.word, out))
		return words_expected(&s->w, what);
	if (*out < 1 || *out > 1000000)
		return lex_fail(&s->w.l, s->w.at, "expected 1 to 1000000, found \"%s\"", s->w.word);
	words_next(&s->w);
	return 0;
}

/* "12.5" in millionths; what follows it, or NULL. At most ten digits and six decimals. */
static const char *decimal(const char *text, uint64_t *out)
{
	const char *p = text;
	uint64_t whole = 0, fraction = 0, worth = 1000000;
	for (; isdigit((unsigned char)*p) && p - text < 10; p++)
		whole = whole * 10 + (uint64_t)(*p - '0');
	if (p == text)
		return NULL;
	if (*p == '.' && isdigit((unsigned char)p[1]))
		for (p++; isdigit((unsigned char)*p) && worth > 1; p++)
			fraction += (uint64_t)(*p - '0') * (worth /= 10);
	*out = whole * 1000000 + fraction;
	return p;
}

static const struct rate_unit {
	const char *name;
	uint64_t factor;
} rate_units[] = { { "/s", PACE_PER_S }, { "/min", PACE_PER_MIN }, { "/h", PACE_PER_H } };

/* NULL, or what is wrong with it. */
static const char *parse_rate(const char *text, uint64_t *out)
{
	static const char what[] = "expected a rate such as 20/s, 90/min or 0.5/h (at most six decimals)";
	uint64_t millionths;
	const char *p = decimal(text, &millionths);
	if (!p)
		return what;
	for (size_t i = 0; i < ARRAY_LEN(rate_units); i++)
		if (!strcmp(p, rate_units[i].name)) {
			pace_area r = (pace_area)millionths * (rate_units[i].factor / 1000000);
			if (r > PACE_RATE_LIMIT)
				return "expected at most 1000000/s";
			*out = (uint64_t)r;
			return NULL;
		}
	return what;
}

int pace_parse_rate(const char *text, double *per_s)
{
	uint64_t r;
	if (parse_rate(text, &r))
		return -1;
	*per_s = (double)r / (double)PACE_PER_S;
	return 0;
}

static int rate_at(struct parser *s, const char *at, const char *text, uint64_t *out)
{
	const char *wrong = parse_rate(text, out);
	return wrong ? lex_fail(&s->w.l, at, "%s%s%s%s", wrong, *text ? ", found \"" : "", text, *text ? "\"" : "") : 0;
}

static int lognormal(struct parser *s, struct pace_gap *g)
{
	words_next(&s->w);
	if (keyword(s, "median") || duration(s, GAP_MIN_NS, &g->median_ns) || keyword(s, "p99"))
		return -1;
	const char *at = s->w.at;
	if (duration(s, GAP_MIN_NS, &g->p99_ns))
		return -1;
	if (g->p99_ns < g->median_ns)
		return lex_fail(&s->w.l, at, "p99 is less than the median");
	return 0;
}

/* "1s..3s", "2s", "lognormal median 2s p99 20s". */
static int gap(struct parser *s, struct pace_gap *g)
{
	static const char what[] = "a time from..to such as 1s..3s, or \"lognormal\"";
	if (words_are(&s->w, "lognormal"))
		return lognormal(s, g);
	if (!isdigit((unsigned char)*s->w.word))
		return words_expected(&s->w, what);
	const char *at = s->w.at, *to = words_split(&s->w, "..");
	if (words_time(&s->w, at, s->w.word, 0, &g->min_ns))
		return -1;
	g->max_ns = g->min_ns;
	const char *end = to ? at + (to - s->w.word) : at;
	if (to && words_time(&s->w, end, to, 0, &g->max_ns))
		return -1;
	if (g->max_ns < g->min_ns)
		return lex_fail(&s->w.l, end, "expected no less than where the range begins, found \"%s\"", to);
	words_next(&s->w);
	return 0;
}

static int every(struct parser *s)
{
	if (duration(s, GAP_MIN_NS, &s->p->interval_ns))
		return -1;
	if (!words_take(&s->w, "jitter"))
		return 0;
	uint64_t millionths;
	const char *p = decimal(s->w.word, &millionths);
	bool percent = p && *p == '%';
	if (!p || p[percent] || (!percent && millionths && millionths >= 1000000))
		return words_expected(&s->w, "a share such as 10%");
	s->p->jitter_ppm = (uint32_t)(percent ? (millionths > 100000000 ? 1000000 : millionths / 100) : millionths);
	if (s->p->jitter_ppm > 500000)
		return lex_fail(&s->w.l, s->w.at, "expected a share of at most 50%%, found \"%s\"", s->w.word);
	words_next(&s->w);
	return 0;
}

static int human(struct parser *s)
{
	const char *at = s->w.at;
	if (gap(s, &s->p->gap))
		return -1;
	if (pace_gap_mean_ns(&s->p->gap) < (double)GAP_MIN_NS)
		return lex_fail(&s->w.l, at, "expected gaps of at least 1us");
	return 0;
}

static int burst(struct parser *s)
{
	int64_t n;
	const char *at = s->w.at;
	if (count(s, "how many, such as 100", &n) || keyword(s, "every") || duration(s, GAP_MIN_NS, &s->p->interval_ns))
		return -1;
	s->p->burst = (uint64_t)n;
	if (n > s->p->interval_ns / GAP_MIN_NS)
		return lex_fail(&s->w.l, at, "expected at most 1000000/s, found %" PRId64 " in that time", n);
	return 0;
}

static int users(struct parser *s)
{
	struct pace_users *u = &s->p->users;
	int64_t n;
	if (count(s, "how many users, such as 50", &n))
		return -1;
	u->n = (uint32_t)n;
	for (;;) {
		const char *at = s->w.at;
		if (words_take(&s->w, "ramp")) {
			if (u->ramp_ns)
				return lex_fail(&s->w.l, at, "\"ramp\" is there twice");
			if (duration(s, GAP_MIN_NS, &u->ramp_ns))
				return -1;
		} else if (words_take(&s->w, "think")) {
			if (u->think.max_ns || u->think.median_ns)
				return lex_fail(&s->w.l, at, "\"think\" is there twice");
			if (gap(s, &u->think))
				return -1;
		} else {
			return 0;
		}
	}
}

static int recorded(struct parser *s)
{
	struct pace *p = s->p;
	struct literal file;
	if (!*s->w.word)
		return words_expected(&s->w, "a file");
	s->w.l.p = s->w.at;
	if (lex_literal(&s->w.l, NULL, &file))
		return -1;
	if (!file.text.len || memchr(file.text.data, '\0', file.text.len)) {
		buf_free(&file.text);
		return lex_fail(&s->w.l, s->w.at, "expected a file");
	}
	p->file = file.text.data;
	words_next(&s->w);
	static const char sign[] = "\u00d7";
	const char *times = *s->w.word == 'x' ? s->w.word + 1 : NULL;
	if (!strncmp(s->w.word, sign, strlen(sign)))
		times = s->w.word + strlen(sign);
	p->speed_ppm = 1000000;
	if (times) {
		const char *end = decimal(times, &p->speed_ppm);
		if (!end || *end)
			return words_expected(&s->w, "how much faster, such as x2");
		if (p->speed_ppm < 1000 || p->speed_ppm > UINT64_C(1000000000))
			return lex_fail(&s->w.l, s->w.at, "expected x0.001 to x1000, found \"%s\"", s->w.word);
		words_next(&s->w);
	}
	return 0;
}

/* --- rate, ramp, hold ---------------------------------------------------------------------------- */

static int segment(struct parser *s, int64_t length_ns, uint64_t from, uint64_t to)
{
	struct pace *p = s->p;
	if (p->n_segments == PACE_SEGMENTS_LIMIT)
		return lex_fail(&s->w.l, s->w.at, "expected at most %d parts", PACE_SEGMENTS_LIMIT);
	p->segments = xreallocarray(p->segments, p->n_segments + 1, sizeof *p->segments);
	p->segments[p->n_segments++] = (struct pace_segment){ .length_ns = length_ns, .from = from, .to = to };
	return 0;
}

static uint64_t rate_now(const struct pace *p)
{
	return p->n_segments ? p->segments[p->n_segments - 1].to : 0;
}

static int rate(struct parser *s)
{
	uint64_t r;
	if (rate_at(s, s->w.at, s->w.word, &r) || segment(s, 0, r, r))
		return -1;
	words_next(&s->w);
	return 0;
}

static int ramp(struct parser *s)
{
	const char *at = s->w.at, *to = words_split(&s->w, ":");
	int64_t length;
	uint64_t r;
	if (!to)
		return words_expected(&s->w, "how long, and to which rate, such as 1m:200/s");
	if (words_time(&s->w, at, s->w.word, GAP_MIN_NS, &length) || rate_at(s, at + (to - s->w.word), to, &r) ||
	    segment(s, length, rate_now(s->p), r))
		return -1;
	words_next(&s->w);
	return 0;
}

static int hold(struct parser *s)
{
	int64_t length;
	uint64_t r = rate_now(s->p);
	return duration(s, GAP_MIN_NS, &length) || segment(s, length, r, r) ? -1 : 0;
}

static int distribution(struct parser *s, const char *at, bool poisson)
{
	if (s->distributed)
		return lex_fail(&s->w.l, at, "expected \"uniform\" or \"poisson\" once");
	s->distributed = true;
	s->p->poisson = poisson;
	return 0;
}

/* Rates may not stay at 0 for ever, and the sum of all lengths has the limit of each. */
static int sound(struct parser *s, const char *last)
{
	struct pace *p = s->p;
	int64_t sum = 0;
	uint64_t most = 0;
	if (!p->segments[p->n_segments - 1].length_ns) {
		p->segments[p->n_segments - 1].length_ns = INT64_MAX;
		if (!rate_now(p))
			return lex_fail(&s->w.l, last, "a rate of 0 sends nothing: expected more, or \"hold\" and a duration");
	}
	for (size_t i = 0; i < p->n_segments; i++) {
		const struct pace_segment *g = &p->segments[i];
		most = most > g->from ? most : g->from;
		most = most > g->to ? most : g->to;
		if (g->length_ns != INT64_MAX && (sum += g->length_ns) > PACE_TIME_LIMIT)
			return lex_fail(&s->w.l, last, "expected at most 3650d in all");
	}
	return most ? 0 : lex_fail(&s->w.l, last, "a rate of 0 sends nothing");
}

static int rates(struct parser *s)
{
	const char *last = s->w.at;
	int rc = 0;
	while (!rc) {
		const char *at = s->w.at;
		if (words_take(&s->w, "rate"))
			rc = rate(s);
		else if (words_take(&s->w, "ramp"))
			rc = ramp(s);
		else if (words_take(&s->w, "hold"))
			rc = hold(s);
		else if (words_are(&s->w, "uniform") || words_are(&s->w, "poisson"))
			rc = distribution(s, at, words_take(&s->w, "poisson") || !words_take(&s->w, "uniform"));
		else
			break;
		last = at;
	}
	return rc ? -1 : sound(s, last);
}

/* --- all of it ----------------------------------------------------------------------------------- */

static const struct verb {
	const char *name;
	enum pace_kind kind;
	int (*parse)(struct parser *s);
} verbs[] = {
	{ "every", PACE_EVERY, every }, { "human", PACE_HUMAN, human }, { "burst", PACE_BURST, burst },
	{ "users", PACE_USERS, users }, { "recorded", PACE_RECORDED, recorded },
};

static int body(struct parser *s)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (words_take(&s->w, verbs[i].name)) {
			s->p->kind = verbs[i].kind;
			return verbs[i].parse(s);
		}
	s->p->kind = PACE_RATE;
	if (words_are(&s->w, "rate") || words_are(&s->w, "ramp"))
		return rates(s);
	return words_expected(&s->w, "every, human, rate, ramp, burst, users or recorded");
}

static int end(struct parser *s)
{
	struct pace *p = s->p;
	pace_finish(p);
	const char *at = s->w.at;
	if (words_take(&s->w, "for")) {
		at = s->w.at;
		if (duration(s, GAP_MIN_NS, &p->for_ns))
			return -1;
		if (p->kind == PACE_RATE && p->for_ns > pace_length_ns(p))
			return lex_fail(&s->w.l, at, "the schedule ends before that: expected \"rate\" or \"hold\" to go on for longer");
		pace_finish(p);
	}
	static const char *const more[] = {
		[PACE_EVERY] = "\"jitter\", \"for\" or the end", [PACE_HUMAN] = "\"for\" or the end",
		[PACE_RATE] = "rate, ramp, hold, poisson, for or the end", [PACE_BURST] = "\"for\" or the end",
		[PACE_USERS] = "ramp, think, for or the end", [PACE_RECORDED] = "x and a number, \"for\" or the end",
	};
	return *s->w.word ? words_expected(&s->w, p->for_ns ? "the end" : more[p->kind]) : 0;
}

struct pace *pace_compile(const char *text, char *error, size_t size)
{
	struct parser s = { .p = xnew(struct pace) };
	words_begin(&s.w, text, words, ARRAY_LEN(words), error, size);
	if (body(&s) || end(&s)) {
		pace_free(s.p);
		return NULL;
	}
	return s.p;
}
