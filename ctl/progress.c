/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - see progress.h */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/unit.h"

#define DRAW_NS (250 * NS_PER_MS)
#define LINE_NS (10 * NS_PER_S)
#define BAR_WIDTH 20
#define WIDE 130 /* columns in which all has room on one line */
#define PLANS_MAX 16 /* bars; of further plans nothing is drawn */

struct last {
	uint64_t sent, asked;
	int64_t at_ns;
	double sent_rate, asked_rate;
};

struct progress {
	struct core *core;
	struct wheel_timer timer;
	bool terminal;
	unsigned drawn; /* our lines on the screen; the cursor stands at the beginning of the first */
	struct last last[PLANS_MAX];
	struct hist hist;
};

static int width(void)
{
	struct winsize w;
	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col > 20 ? w.ws_col : 100;
}

/* The share of the schedule that has passed; negative: it has no end. */
static double share_done(const struct plan_run *run, int64_t now_ns)
{
	int64_t length_ns = pace_length_ns(run->pace), past_ns = now_ns - run->base_ns;
	if (length_ns == INT64_MAX || length_ns <= 0)
		return -1;
	return past_ns <= 0 ? 0 : past_ns >= length_ns ? 1 : (double)past_ns / (double)length_ns;
}

static void put_bar(struct buf *b, double share, int cells)
{
	int full = (int)(share * cells);
	if (cells)
		buf_putc(b, '[');
	for (int i = 0; i < cells; i++)
		buf_putc(b, i < full ? '#' : '.');
	buf_printf(b, "%s%3.0f %%  ", cells ? "] " : "", share * 100);
}

/* Of the last second or so; the first time, since its beginning. */
static void rates(struct last *l, const struct plan_run *run, int64_t now_ns)
{
	const struct tally *t = run->tally;
	double passed = (double)(now_ns - (l->at_ns ? l->at_ns : run->t0_ns)) / 1e9;
	if (!run->begun || passed < (l->at_ns ? 0.9 : 0.4))
		return;
	l->sent_rate = (double)(t->n.sent - l->sent) / passed;
	l->asked_rate = (double)(t->n.asked - l->asked) / passed;
	l->sent = t->n.sent;
	l->asked = t->n.asked;
	l->at_ns = now_ns;
}

static void put_rates(const struct last *l, const struct plan_run *run, struct buf *b)
{
	if (run->core->signalled_ns)
		buf_printf(b, "%s; Ctrl-C again ends it at once  ", plan_state_name(run->state));
	else if (run->state != PLAN_PACES)
		buf_printf(b, "%s  ", plan_state_name(run->state));
	else if (run->tally->open_loop)
		buf_printf(b, "asked %.4g/s  sent %.4g/s  ", l->asked_rate, l->sent_rate);
	else
		buf_printf(b, "sent %.4g/s  ", l->sent_rate);
}

static void put_counts(struct progress *p, const struct plan_run *run, struct buf *b)
{
	const struct tally *t = run->tally;
	char text[3][40];
	uint64_t errors = t->n.outcome[PROBED_ERROR] + t->n.outcome[PROBED_FAIL], dropped = tally_dropped(&t->n);
	buf_printf(b, "%u %s  %llu ok  %llu failed  ", run->inflight, pace_users(run->pace) ? "users" : "in flight",
	           (unsigned long long)t->n.outcome[PROBED_OK], (unsigned long long)errors);
	if (t->n.outcome[PROBED_UNKNOWN])
		buf_printf(b, "%llu unknown  ", (unsigned long long)t->n.outcome[PROBED_UNKNOWN]);
	if (dropped)
		buf_printf(b, "%llu dropped  ", (unsigned long long)dropped);
	memset(&p->hist, 0, sizeof p->hist);
	tally_hist(t, TALLY_ALL, TALLY_LATENCY, &p->hist);
	if (p->hist.count)
		buf_printf(b, "p50 %s  p95 %s  p99 %s", unit_format_duration(hist_quantile(&p->hist, 0.5), text[0], sizeof text[0]),
		           unit_format_duration(hist_quantile(&p->hist, 0.95), text[1], sizeof text[1]),
		           unit_format_duration(hist_quantile(&p->hist, 0.99), text[2], sizeof text[2]));
}

/* first: name, bar and rates; second: the counts, on a line of their own where the terminal is narrow. */
static void describe(struct progress *p, struct last *l, const struct plan_run *run, struct buf *first, struct buf *second)
{
	int64_t now_ns = clock_now_ns();
	double share = run->state == PLAN_PACES ? share_done(run, now_ns) : -1;
	rates(l, run, now_ns);
	buf_clear(first);
	buf_clear(second);
	buf_printf(first, "%s  ", run->name);
	if (share >= 0)
		put_bar(first, share, p->terminal ? BAR_WIDTH : 0);
	put_rates(l, run, first);
	put_counts(p, run, second);
	buf_cstr(first);
	buf_cstr(second);
}

/* From the cursor, which stands at the first bar's beginning: what others write there meanwhile pushes the bars down. */
static void erase(const struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[J", stderr);
}

static void put_line(struct progress *p, int columns, const char *text, const char *more)
{
	CLEANUP_FREE char *line = xasprintf("%s%s", text, more);
	if (p->terminal)
		fprintf(stderr, "%s%.*s", p->drawn++ ? "\n" : "", columns, line);
	else
		fprintf(stderr, "%s\n", line);
}

static void draw(struct progress *p)
{
	CLEANUP_BUF struct buf first = { 0 };
	CLEANUP_BUF struct buf second = { 0 };
	const struct plan_run *run;
	struct last *last = p->last;
	int columns = width() - 1;
	erase(p);
	p->drawn = 0;
	DL_FOREACH(p->core->runs, run)
	{
		if (last == p->last + PLANS_MAX)
			break;
		if (run->state == PLAN_OVER) {
			last++;
			continue;
		}
		describe(p, last++, run, &first, &second);
		if (p->terminal && columns < WIDE) {
			put_line(p, columns, first.data, "");
			put_line(p, columns, "  ", second.data);
		} else {
			put_line(p, columns, first.data, second.data);
		}
	}
	if (p->drawn > 1)
		fprintf(stderr, "\033[%uA", p->drawn - 1);
	if (p->drawn)
		fputc('\r', stderr);
	fflush(stderr);
}

static void on_timer(struct wheel_timer *t)
{
	struct progress *p = (struct progress *)((char *)t - offsetof(struct progress, timer));
	draw(p);
	loop_timer_set(p->core->loop, t, clock_now_ns() + (p->terminal ? DRAW_NS : LINE_NS));
}

struct progress *progress_new(struct core *core)
{
	struct progress *p = xnew(struct progress);
	p->core = core;
	p->terminal = isatty(STDERR_FILENO);
	p->timer.fn = on_timer;
	loop_timer_set(core->loop, &p->timer, clock_now_ns() + (p->terminal ? DRAW_NS : LINE_NS));
	return p;
}

void progress_free(struct progress *p)
{
	if (!p)
		return;
	loop_timer_stop(p->core->loop, &p->timer);
	erase(p);
	free(p);
}
