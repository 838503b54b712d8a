/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - a draft as a configuration file, commented. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/print.h"
#include "generate/draft.h"

static void put_comment(struct buf *out, const char *text)
{
	CLEANUP_FREE char *own = xstrdup(text);
	text_tame(own);
	buf_printf(out, "; %s\n", own);
}

static int width_of(const struct request *r)
{
	size_t width = 8;
	for (size_t i = 0; i < r->n; i++)
		if (strlen(r->pairs[i].key) > width && strlen(r->pairs[i].key) <= 30)
			width = strlen(r->pairs[i].key);
	return (int)width;
}

static void put_pairs(struct buf *out, const struct request *r, int width)
{
	for (size_t i = 0; i < r->n; i++)
		print_text(out, width, r->pairs[i].key, r->pairs[i].value);
}

static void put_notes(struct buf *out, const struct request *r)
{
	buf_putc(out, '\n');
	for (size_t i = 0; i < r->notes.n; i++)
		put_comment(out, r->notes.list[i]);
}

static void put_target(struct buf *out, const struct request *r, bool planned, bool asked)
{
	int width = width_of(r);
	char text[32];
	put_notes(out, r);
	buf_printf(out, "[target %s]\n", r->name);
	print_text(out, width, "url", r->url);
	put_pairs(out, r, width);
	if (r->weight && planned) {
		snprintf(text, sizeof text, "%lld", (long long)r->weight);
		print_text(out, width, "weight", text);
	}
	if (r->changes && !planned && asked) {
		put_comment(out,
			    "it may change something there, and is sent at each interval: monitor = no keeps it back");
	} else if (r->changes && !planned) {
		put_comment(out, "it may change something there, so it is not sent by itself");
		print_text(out, width, "monitor", "no");
	}
}

/* The places that steps go to: a target each. */
struct origin {
	const char *url;
	char *name;
};

static const char *origin_name(const struct origin *list, size_t n, const char *url)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].url, url))
			return list[i].name;
	return NULL;
}

static void put_step(struct buf *out, const struct request *r, const char *target)
{
	int width = width_of(r);
	char text[40];
	put_notes(out, r);
	buf_printf(out, "[step %s]\n", r->name);
	print_text(out, width, "target", target);
	print_text(out, width, "path", r->path);
	put_pairs(out, r, width);
	if (r->think_ns)
		print_text(out, width, "think", print_duration(r->think_ns, text, sizeof text));
}

static void put_pace(struct buf *out, const struct layout *how, bool flow)
{
	if (how->plan == PLAN_RATE)
		buf_puts(out, "pace  = rate 1/s\n");
	else
		buf_printf(out, "pace  = human %s\n", flow ? "5s..20s" : "800ms..8s");
	buf_puts(out, "; manual: when asked (probectl run); auto: as soon as the daemon runs\nstart = manual\n");
}

static bool wanted(const struct draft *d, const struct request *r)
{
	return d->flow || d->asked || !r->changes;
}

/* "run = flow a b c": names of all that a plan should send, in lines that can be read. */
static void put_run(struct buf *out, const struct draft *d, const char *how)
{
	size_t column = 8 + strlen(how);
	buf_printf(out, "run   = %s", how);
	for (size_t i = 0; i < d->n; i++) {
		if (!wanted(d, d->list[i]))
			continue;
		if (column + strlen(d->list[i]->name) > 110) {
			buf_puts(out, "\n       ");
			column = 7;
		}
		buf_printf(out, " %s", d->list[i]->name);
		column += 1 + strlen(d->list[i]->name);
	}
	buf_putc(out, '\n');
}

/* Requests that may change something are not picked at random. */
static void put_traffic(struct buf *out, const struct draft *d, const struct layout *how)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++)
		n += wanted(d, d->list[i]);
	buf_putc(out, '\n');
	if (n < d->n)
		put_comment(out, "without those that may change something there: add them to run where that is wanted");
	if (!n)
		return;
	buf_puts(out, "[plan traffic]\n");
	if (n == d->n)
		buf_puts(out, "run   = pick *\n");
	else
		put_run(out, d, "pick");
	put_pace(out, how, false);
}

static void put_flow(struct buf *out, struct draft *d, const struct layout *how)
{
	struct origin *list = xcalloc(d->n, sizeof *list);
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++) {
		if (origin_name(list, n, d->list[i]->origin))
			continue;
		list[n].url = d->list[i]->origin;
		list[n].name = name_unique(d, strstr(d->list[i]->origin, "://") + 3);
		buf_printf(out, "\n[target %s]\nurl     = %s/\nmonitor = no\n", list[n].name, list[n].url);
		n++;
	}
	for (size_t i = 0; i < d->n; i++)
		put_step(out, d->list[i], origin_name(list, n, d->list[i]->origin));
	buf_puts(out, "\n[plan session]\n");
	put_run(out, d, "flow");
	put_pace(out, how, true);
	for (size_t i = 0; i < n; i++)
		free(list[i].name);
	free(list);
}

static void put_head(struct buf *out, const struct draft *d, const struct layout *how)
{
	CLEANUP_FREE char *from = xasprintf("Made by: probectl %.1000s", how->from);
	put_comment(out, from);
	put_comment(out, "Check it: probed -c FILE --check");
	for (size_t i = 0; i < d->notes.n; i++)
		put_comment(out, d->notes.list[i]);
	bool any = false;
	for (const struct secret *x = d->secrets; x; x = x->hh.next) {
		if (!x->used)
			continue;
		if (!any)
			buf_puts(out, ";\n; Secrets are not written here. Set in the environment:\n");
		any = true;
		CLEANUP_FREE char *secret = xasprintf("  %-20s %.200s", x->variable, x->what);
		put_comment(out, secret);
	}
}

void draft_write(struct draft *d, const struct layout *how, struct buf *out)
{
	put_head(out, d, how);
	if (how->interval && !d->flow)
		buf_printf(out, "\n[defaults]\ninterval = %s\n", how->interval);
	if (how->plan && !d->flow)
		buf_printf(out, "%smonitor  = no\n", how->interval ? "" : "\n[defaults]\n");
	if (d->flow) {
		put_flow(out, d, how);
	} else {
		for (size_t i = 0; i < d->n; i++)
			put_target(out, d->list[i], how->plan != PLAN_NONE, d->asked);
		if (how->plan)
			put_traffic(out, d, how);
	}
	buf_cstr(out);
}
