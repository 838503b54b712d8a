/* SPDX-License-Identifier: Apache-2.0 */
/* show.c - see show.h */
#include "run/show.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/unit.h"

#define NAME_WIDTH 24
#define TABLE_NAME_WIDTH 48 /* on a terminal; else the longest name's */
#define DETAIL_FACTS 3

struct kept {
	char *target, *driver, *latency, *detail;
	uint32_t outcome;
};

struct show {
	FILE *to;
	bool table, terminal, colour;
	size_t n_by_outcome[PROBED_OUTCOMES];
	struct kept *rows;
	size_t n_rows, cap_rows;
};

struct show *show_new(FILE *to, bool table)
{
	struct show *s = xnew(struct show);
	s->to = to;
	s->table = table;
	s->terminal = isatty(fileno(to));
	s->colour = s->terminal && !getenv("NO_COLOR");
	return s;
}

static void row_clear(struct kept *k)
{
	free(k->target);
	free(k->driver);
	free(k->latency);
	free(k->detail);
}

void show_free(struct show *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_rows; i++)
		row_clear(&s->rows[i]);
	free(s->rows);
	free(s);
}

static void put_fact(struct buf *b, const struct fact_decl *d, const struct result *r, const struct result_fact *f)
{
	char text[48];
	const char *s = result_string(r, f->s);
	buf_printf(b, "%s%s=", b->len ? " " : "", d->name);
	switch (f->type) {
	case PROBED_TYPE_STRING:
		buf_printf(b, "%.60s", s ? s : "");
		break;
	case PROBED_TYPE_DURATION:
		buf_puts(b, unit_format_duration(f->i, text, sizeof text));
		break;
	case PROBED_TYPE_SIZE:
		buf_puts(b, unit_format_size(f->i, text, sizeof text));
		break;
	case PROBED_TYPE_BOOLEAN:
		buf_puts(b, f->i ? "yes" : "no");
		break;
	case PROBED_TYPE_FLOAT:
		buf_printf(b, "%.4g", f->f);
		break;
	default:
		buf_printf(b, "%lld", (long long)f->i);
	}
}

/* What went wrong; else the first facts that say most: the protocol's verdict, then numbers worth a series; else any. */
static char *detail_of(const struct flight *f, const struct result *r)
{
	struct buf b = { 0 };
	const char *message = result_string(r, r->message);
	if (r->outcome != PROBED_OK || message) {
		const char *reason = reason_name(r->reason);
		if (*reason && r->reason != PROBED_REASON_EXPECTATION)
			buf_printf(&b, "%s%s", reason, message ? ": " : "");
		buf_puts(&b, message ? message : "");
		return buf_cstr(&b);
	}
	int shown = 0;
	for (int pass = 0; pass < 3 && !(pass == 2 && shown); pass++)
		for (uint32_t i = 0; i < r->n_facts && shown < DETAIL_FACTS; i++) {
			const struct result_fact *fact = &r->facts[i];
			if (fact->fact >= f->driver->n_facts || fact->name || fact->type == PROBED_TYPE_TABLE)
				continue;
			const struct fact_decl *d = &f->driver->facts[fact->fact];
			bool verdict = d->role == PROBED_ROLE_STATUS || d->role == PROBED_ROLE_PEER_IP;
			if (pass == 0   ? verdict
			    : pass == 1 ? !verdict && (d->flags & PROBED_FACT_METRIC)
			                : true) {
				put_fact(&b, d, r, fact);
				shown++;
			}
		}
	return buf_cstr(&b);
}

static const char *colour(const struct show *s, uint32_t outcome)
{
	static const char *const codes[PROBED_OUTCOMES] = { "\033[32m", "\033[31m", "\033[31m", "\033[33m" };
	return s->colour ? codes[outcome % PROBED_OUTCOMES] : "";
}

void show_result(void *ctx, const struct flight *f, const struct result *r)
{
	struct show *s = ctx;
	char latency[48], when[32];
	const char *sub = result_string(r, r->sub);
	struct kept row = { .driver = xstrdup(f->driver->name), .outcome = r->outcome, .detail = detail_of(f, r) };
	row.target = sub ? xasprintf("%s/%s", f->subject->name, sub) : xstrdup(f->subject->name);
	row.latency = xstrdup(unit_format_duration(result_latency_ns(r), latency, sizeof latency));
	if (!sub)
		s->n_by_outcome[r->outcome % PROBED_OUTCOMES]++;
	if (s->table) {
		xgrow(s->rows, s->n_rows, s->cap_rows);
		s->rows[s->n_rows++] = row;
		return;
	}
	clock_format_wall(r->wall_ns, when);
	fprintf(s->to, "%.12s  %s%-7s%s  %-*s  %9s  %s\n", when + 11, colour(s, r->outcome), outcome_name(r->outcome),
	        s->colour ? "\033[0m" : "", NAME_WIDTH, row.target, row.latency, row.detail);
	fflush(s->to);
	row_clear(&row);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct kept *)a)->target, ((const struct kept *)b)->target);
}

/* Cut in its middle where it is too long: names tend to differ at their ends. */
static void put_name(struct show *s, const char *name, int width)
{
	int n = (int)strlen(name), head = (width - 2) / 2;
	if (n <= width)
		fprintf(s->to, "%-*s", width, name);
	else
		fprintf(s->to, "%.*s..%s", head, name, name + n - (width - 2 - head));
}

void show_table(struct show *s)
{
	int target = 6, driver = 6;
	for (size_t i = 0; i < s->n_rows; i++) {
		int t = (int)strlen(s->rows[i].target), d = (int)strlen(s->rows[i].driver);
		target = t > target ? t : target;
		driver = d > driver ? d : driver;
	}
	if (s->terminal && target > TABLE_NAME_WIDTH)
		target = TABLE_NAME_WIDTH;
	if (s->n_rows)
		qsort(s->rows, s->n_rows, sizeof *s->rows, by_name);
	fprintf(s->to, "%-*s  %-*s  %-7s  %9s  %s\n", target, "TARGET", driver, "DRIVER", "OUTCOME", "LATENCY", "DETAIL");
	for (size_t i = 0; i < s->n_rows; i++) {
		const struct kept *k = &s->rows[i];
		put_name(s, k->target, target);
		fprintf(s->to, "  %-*s  %s%-7s%s  %9s  %s\n", driver, k->driver, colour(s, k->outcome),
		        outcome_name(k->outcome), s->colour ? "\033[0m" : "", k->latency, k->detail);
	}
	fprintf(s->to, "%zu ok, %zu fail, %zu error, %zu unknown\n", s->n_by_outcome[PROBED_OK], s->n_by_outcome[PROBED_FAIL],
	        s->n_by_outcome[PROBED_ERROR], s->n_by_outcome[PROBED_UNKNOWN]);
}

size_t show_count(const struct show *s, uint32_t outcome)
{
	return s->n_by_outcome[outcome % PROBED_OUTCOMES];
}
