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
	unsigned drawn; /* lines above the cursor that are ours */
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

static void put_bar(struct buf *b, double share)
{
	int full = (int)(share * BAR_WIDTH);
	if (share < 0)
		return;
	buf_putc(b, '[');
	for (int i = 0; i < BAR_WIDTH; i++)
		buf_putc(b, i < full ? '#' : '.');
	buf_printf(b, "] %3.0f %%  ", share * 100);
}

static void rates(struct last *l, const struct tally *t, int64_t now_ns)
{
	double passed = (double)(now_ns - l->at_ns) / 1e9;
	if (l->at_ns && passed < 0.9)
		return;
	l->sent_rate = l->at_ns ? (double)(t->n.sent - l->sent) / passed : 0;
	l->asked_rate = l->at_ns ? (double)(t->n.asked - l->asked) / passed : 0;
	l->sent = t->n.sent;
	l->asked = t->n.asked;
	l->at_ns = now_ns;
}

static void describe(struct progress *p, struct last *l, const struct plan_run *run, struct buf *b)
{
	const struct tally *t = run->tally;
	char text[2][40];
	int64_t now_ns = clock_now_ns();
	rates(l, t, now_ns);
	buf_printf(b, "%s  ", run->name);
	if (run->state != PLAN_PACES) {
		buf_printf(b, "%s  ", plan_state_name(run->state));
	} else {
		put_bar(b, share_done(run, now_ns));
		if (t->open_loop)
			buf_printf(b, "asked %.4g/s  ", l->asked_rate);
		buf_printf(b, "sent %.4g/s  ", l->sent_rate);
	}
	uint64_t errors = t->n.outcome[PROBED_ERROR] + t->n.outcome[PROBED_FAIL], dropped = tally_dropped(&t->n);
	buf_printf(b, "%u %s  %llu ok  %llu failed", run->inflight, pace_users(run->pace) ? "users" : "in flight",
	           (unsigned long long)t->n.outcome[PROBED_OK], (unsigned long long)errors);
	if (dropped)
		buf_printf(b, "  %llu dropped", (unsigned long long)dropped);
	memset(&p->hist, 0, sizeof p->hist);
	tally_hist(t, TALLY_ALL, TALLY_LATENCY, &p->hist);
	if (p->hist.count)
		buf_printf(b, "  p50 %s  p99 %s", unit_format_duration(hist_quantile(&p->hist, 0.5), text[0], sizeof text[0]),
		           unit_format_duration(hist_quantile(&p->hist, 0.99), text[1], sizeof text[1]));
	buf_cstr(b);
}

static void erase(struct progress *p)
{
	while (p->drawn) {
		fputs("\033[A\033[2K\r", stderr);
		p->drawn--;
	}
}

static void draw(struct progress *p)
{
	CLEANUP_BUF struct buf b = { 0 };
	const struct plan_run *run;
	unsigned i = 0;
	if (p->terminal)
		erase(p);
	DL_FOREACH(p->core->runs, run)
	{
		if (run->state == PLAN_OVER || i == PLANS_MAX)
			continue;
		buf_clear(&b);
		describe(p, &p->last[i++], run, &b);
		if (p->terminal)
			fprintf(stderr, "%.*s\n", width() - 1, b.data);
		else
			fprintf(stderr, "%s\n", b.data);
		p->drawn += p->terminal;
	}
	fflush(stderr);
}

static void on_timer(struct wheel_timer *t)
{
	struct progress *p = (struct progress *)((char *)t - offsetof(struct progress, timer));
	if (p->core->runs)
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
