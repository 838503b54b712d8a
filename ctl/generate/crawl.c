/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crawl.c - the pages that links lead to from one: breadth first, one request at a time, bounded in depth, documents,
 * bytes, rate and time, and never what robots.txt disallows.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "generate/fetch.h"
#include "generate/html.h"
#include "generate/robots.h"
#include "generate/source.h"

#define PAGE_MAX (1u << 20) /* of a document, the rest is left */
#define HOSTS_MAX 200
#define QUEUE_MAX 100000
#define DELAY_TOLD_NS (10 * NS_PER_S)

struct visit {
	char *url;
	int64_t depth;
};

struct host {
	char *origin;
	struct robots robots;
	int64_t next_ns; /* not to be asked before */
};

struct crawl {
	struct draft *d;
	const struct source_settings *set;
	struct fetcher *fetcher;
	struct link start;
	struct visit *queue;
	size_t n, cap, done;
	struct host *hosts;
	size_t n_hosts, cap_hosts;
	int64_t deadline_ns, bytes, asked;
	size_t forbidden, elsewhere;
	const char *stopped; /* why, NULL: it came to its end */
	int64_t next_ns;     /* of any host */
	/* the page whose links are being read */
	const struct html_page *page;
	const struct visit *at;
};

/* False where the time is over before it is this host's turn. */
static bool wait_turn(struct crawl *c, struct host *h)
{
	int64_t now = clock_now_ns(), at = h->next_ns > now ? h->next_ns : now;
	if (at < c->next_ns)
		at = c->next_ns;
	int64_t gap = (int64_t)(NS_PER_S / c->set->rate);
	if (at >= c->deadline_ns) {
		c->stopped = "the time is over (--time)";
		return false;
	}
	struct timespec until = { .tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S };
	while (at > now && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
		;
	c->next_ns = at + gap;
	h->next_ns = at + h->robots.delay_ns;
	return true;
}

/* 2xx: its rules. 4xx: there are none. Anything else: nothing may be asked for. */
static void read_robots(struct crawl *c, struct host *h)
{
	CLEANUP_ANSWER struct answer a = { 0 };
	CLEANUP_FREE char *url = xasprintf("%s/robots.txt", h->origin);
	if (!wait_turn(c, h))
		return;
	int rc = fetch_follow(c->fetcher, &url, ROBOTS_MAX_BYTES, c->set->any_host, &a);
	c->bytes += (int64_t)a.body.len;
	if (!rc && a.status >= 200 && a.status < 300) {
		robots_parse(&h->robots, a.body.data, a.body.len, USER_AGENT);
	} else if (rc || a.status < 400 || a.status >= 500) {
		h->robots.deny_all = true;
		if (rc)
			draft_warn(c->d, "%s/robots.txt can't be read, so nothing there is asked for: %s", h->origin,
				   a.error);
		else
			draft_warn(c->d, "%s/robots.txt: status %ld, so nothing there is asked for", h->origin,
				   a.status);
	}
	if (h->robots.delay_ns > DELAY_TOLD_NS)
		draft_warn(c->d, "%s asks for %lld s between requests (Crawl-delay)", h->origin,
			   (long long)(h->robots.delay_ns / NS_PER_S));
	h->next_ns += h->robots.delay_ns;
}

static struct host *host_of(struct crawl *c, const struct link *link)
{
	char *origin = link_origin(link);
	for (size_t i = 0; i < c->n_hosts; i++)
		if (!strcmp(c->hosts[i].origin, origin)) {
			free(origin);
			return &c->hosts[i];
		}
	if (c->n_hosts == HOSTS_MAX) {
		free(origin);
		return NULL;
	}
	xgrow(c->hosts, c->n_hosts, c->cap_hosts);
	struct host *h = &c->hosts[c->n_hosts++];
	*h = (struct host){ .origin = origin };
	read_robots(c, h);
	return h;
}

static void enqueue(struct crawl *c, const char *href, const char *base, int64_t depth)
{
	CLEANUP_LINK struct link link = { 0 };
	if (depth > c->set->depth || c->n >= QUEUE_MAX || link_parse(&link, href, base))
		return;
	if (!c->set->any_host && !link_same_host(&link, &c->start)) {
		c->elsewhere++;
		return;
	}
	char *url = link_text(&link);
	if (draft_seen(c->d, url)) {
		free(url);
		return;
	}
	xgrow(c->queue, c->n, c->cap);
	c->queue[c->n++] = (struct visit){ .url = url, .depth = depth };
}

static void on_link(void *ctx, const char *href, const char *text)
{
	struct crawl *c = ctx;
	(void)text;
	size_t colon = strcspn(href, ":/?#");
	/* mailto:, javascript: and their like would be taken for hosts */
	if (href[colon] == ':' && !input_is_url(href))
		return;
	CLEANUP_LINK struct link base = { 0 };
	CLEANUP_FREE char *from = NULL;
	if (c->page->base && !link_parse(&base, c->page->base, c->at->url))
		from = link_text(&base);
	enqueue(c, href, from ? from : c->at->url, c->at->depth + 1);
}

static void follow_links(struct crawl *c, const struct visit *v, const struct answer *a)
{
	struct html_page page = { 0 };
	if (v->depth >= c->set->depth || !a->body.len || !a->type)
		return;
	if (strncasecmp(a->type, "text/html", 9) != 0 && strncasecmp(a->type, "application/xhtml+xml", 21) != 0)
		return;
	c->page = &page;
	c->at = v;
	html_links(&page, a->body.data, a->body.len, on_link, c);
	c->page = NULL;
	c->at = NULL;
	free(page.base);
}

static void see_answer(struct crawl *c, const struct visit *v, const struct answer *a)
{
	CLEANUP_LINK struct link link = { 0 }, to = { 0 };
	if (link_parse(&link, v->url, NULL))
		return;
	if (a->location) {
		size_t before = c->elsewhere;
		enqueue(c, a->location, NULL, v->depth);
		if (c->elsewhere != before && v->depth == 0 && !link_parse(&to, a->location, NULL))
			draft_fail(c->d,
				   "%s redirects to %s://%s, another host: start there, or allow it with --any-host",
				   v->url, to.scheme, to.host);
	} else if (a->status >= 200 && a->status < 300) {
		draft_add(c->d, &link, NULL);
		follow_links(c, v, a);
	} else {
		draft_warn(c->d, "%s: status %ld", v->url, a->status);
	}
}

static void visit(struct crawl *c, size_t i)
{
	CLEANUP_LINK struct link link = { 0 };
	CLEANUP_ANSWER struct answer a = { 0 };
	struct visit v = c->queue[i];
	if (link_parse(&link, v.url, NULL))
		return;
	CLEANUP_FREE char *path = xasprintf("%s%s%s", link.path, link.query ? "?" : "", link.query ? link.query : "");
	struct host *h = host_of(c, &link);
	if (c->stopped)
		return;
	if (!h || !robots_allow(&h->robots, path)) {
		c->forbidden++;
		return;
	}
	if (!wait_turn(c, h))
		return;
	c->asked++;
	if (fetch(c->fetcher, v.url, PAGE_MAX, &a))
		draft_warn(c->d, "%s: %s", v.url, a.error);
	else
		see_answer(c, &v, &a);
	c->bytes += (int64_t)a.body.len;
}

static void progress(const struct crawl *c, bool end)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (end)
		fputs("\r\033[K", stderr);
	else
		fprintf(stderr, "\r%zu of %zu documents known\033[K", c->done, c->n);
}

static void crawl(struct crawl *c)
{
	while (c->done < c->n && !c->stopped && !c->d->beyond) {
		if (c->asked >= c->set->pages)
			c->stopped = "enough documents (--pages)";
		else if (c->bytes >= c->set->bytes)
			c->stopped = "enough bytes (--bytes)";
		else
			visit(c, c->done++);
		progress(c, false);
	}
	progress(c, true);
	if (c->stopped)
		draft_warn(c->d, "stopped: %s; %zu links were not looked at", c->stopped, c->n - c->done);
	if (c->forbidden)
		draft_warn(c->d, "%zu links were not looked at: robots.txt disallows them", c->forbidden);
	if (c->elsewhere)
		draft_note(c->d, "%zu links lead to other hosts", c->elsewhere);
}

int source_crawl(struct draft *d, const struct source_settings *set, const char *from)
{
	struct crawl c = { .d = d, .set = set, .deadline_ns = clock_now_ns() + set->time_ns };
	if (!input_is_url(from) || link_parse(&c.start, from, NULL))
		return draft_fail(d, "%.200s: expected a URL, such as https://www.example.org/", from);
	c.fetcher = fetcher_new();
	enqueue(&c, from, NULL, 0);
	crawl(&c);
	for (size_t i = 0; i < c.n; i++)
		free(c.queue[i].url);
	free(c.queue);
	for (size_t i = 0; i < c.n_hosts; i++) {
		free(c.hosts[i].origin);
		robots_free(&c.hosts[i].robots);
	}
	free(c.hosts);
	link_free(&c.start);
	fetcher_free(c.fetcher);
	return *d->error ? -1 : 0;
}
