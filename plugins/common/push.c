/* SPDX-License-Identifier: Apache-2.0 */
/* push.c - see push.h */
#include "push.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define BACKOFF_MAX_NS (30 * NS_PER_S)
#define RETRY_AFTER_MAX_NS (300 * NS_PER_S)
#define ANSWER_MAX 240 /* bytes of an answer that a message quotes */
#define AT_END_MS 700  /* the daemon does not wait for long */

struct batch {
	struct batch *next;
	size_t len;
	uint32_t records;
	char data[];
};

struct push {
	const struct probed_host *host;
	CURL *curl;
	struct curl_slist *headers;
	char *url, *name, *shown; /* the URL without secrets */
	struct batch *first, **end;
	size_t waiting, limit;      /* bytes */
	uint64_t lost;              /* records, since the last push_send() */
	int64_t retry_ns, delay_ns; /* not before; 0: at once */
	char error[400], lost_why[480];
	char answer[ANSWER_MAX + 1];
	size_t answer_len;
};

/* --- the backlog ------------------------------------------------------------------------------- */

static void drop_first(struct push *p)
{
	struct batch *b = p->first;
	p->first = b->next;
	if (!p->first)
		p->end = &p->first;
	p->waiting -= b->len;
	free(b);
}

static void lose_first(struct push *p, const char *why)
{
	push_lose(p, p->first->records, why);
	drop_first(p);
}

void push_lose(struct push *p, uint32_t records, const char *why)
{
	p->lost += records;
	snprintf(p->lost_why, sizeof p->lost_why, "%s", why);
}

void push_add(struct push *p, const void *data, size_t len, uint32_t records)
{
	struct batch *b = malloc(sizeof *b + len);
	if (!b) {
		push_lose(p, records, "out of memory");
		return;
	}
	*b = (struct batch){ .len = len, .records = records };
	memcpy(b->data, data, len);
	while (p->first && p->waiting + len > p->limit) {
		char why[450];
		snprintf(why, sizeof why, "the backlog is full, and the oldest records go%s%s", *p->error ? ": " : "",
			 p->error);
		lose_first(p, why);
	}
	*p->end = b;
	p->end = &b->next;
	p->waiting += len;
}

/* --- a request --------------------------------------------------------------------------------- */

static size_t on_answer(char *data, size_t size, size_t n, void *ctx)
{
	struct push *p = ctx;
	size_t room = ANSWER_MAX - p->answer_len, take = size * n < room ? size * n : room;
	for (size_t i = 0; i < take; i++) {
		unsigned char c = (unsigned char)data[i];
		p->answer[p->answer_len++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
	}
	p->answer[p->answer_len] = '\0';
	return size * n;
}

static int may_come_later(long status)
{
	return status >= 500 || status == 429 || status == 408;
}

/* Seconds of Retry-After, or else twice the last pause with a quarter of randomness. */
static void back_off(struct push *p, CURL *curl)
{
	curl_off_t asked = 0;
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &asked);
	p->delay_ns = !p->delay_ns ? NS_PER_S : p->delay_ns * 2 > BACKOFF_MAX_NS ? BACKOFF_MAX_NS : p->delay_ns * 2;
	int64_t pause = p->delay_ns - (int64_t)(p->host->random() % (uint64_t)(p->delay_ns / 4));
	if (asked > 0 && asked < RETRY_AFTER_MAX_NS / NS_PER_S)
		pause = asked * NS_PER_S;
	else if (asked > 0)
		pause = RETRY_AFTER_MAX_NS;
	p->retry_ns = p->host->now() + pause;
}

/* Sends the first batch. 0, or -1: it waits on. What is refused for good is lost here. */
static int send_first(struct push *p)
{
	char why[CURL_ERROR_SIZE] = "";
	struct batch *b = p->first;
	p->answer_len = 0;
	*p->answer = '\0';
	curl_easy_setopt(p->curl, CURLOPT_POSTFIELDS, (const char *)b->data);
	curl_easy_setopt(p->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)b->len);
	curl_easy_setopt(p->curl, CURLOPT_ERRORBUFFER, why);
	CURLcode rc = curl_easy_perform(p->curl);
	curl_easy_setopt(p->curl, CURLOPT_ERRORBUFFER, NULL);
	long status = 0;
	if (rc == CURLE_OK)
		curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300) {
		drop_first(p);
		p->delay_ns = p->retry_ns = 0;
		*p->error = '\0';
		return 0;
	}
	if (rc != CURLE_OK)
		snprintf(p->error, sizeof p->error, "%s: %s", p->shown, *why ? why : curl_easy_strerror(rc));
	else
		snprintf(p->error, sizeof p->error, "%s: answered %ld%s%s", p->shown, status, *p->answer ? ": " : "",
			 p->answer);
	if (rc == CURLE_OK && !may_come_later(status)) {
		lose_first(p, p->error);
		*p->error = '\0';
		return 0;
	}
	back_off(p, p->curl);
	return -1;
}

void push_try(struct push *p, int64_t budget_ns)
{
	int64_t now = p->host->now(), until = now + budget_ns;
	while (p->first && now >= p->retry_ns && now < until) {
		if (send_first(p))
			break;
		now = p->host->now();
	}
}

int32_t push_send(struct push *p, int64_t budget_ns, char *error, uint64_t error_size)
{
	push_try(p, budget_ns);
	if (p->lost) {
		int32_t lost = p->lost > INT32_MAX ? INT32_MAX : (int32_t)p->lost;
		p->lost -= (uint64_t)lost;
		snprintf(error, error_size, "%s", p->lost_why);
		return lost;
	}
	if (!p->first || !*p->error)
		return 0;
	snprintf(error, error_size, "%s", p->error);
	return -1;
}

/* --- life -------------------------------------------------------------------------------------- */

int push_check(const char *url, char *error, uint64_t error_size)
{
	if (url && (!strncmp(url, "http://", 7) || !strncmp(url, "https://", 8)))
		return 0;
	snprintf(error, error_size, "expected a URL that begins with http:// or https://");
	return -1;
}

static int add_header(struct push *p, const char *line)
{
	struct curl_slist *more = curl_slist_append(p->headers, line);
	if (more)
		p->headers = more;
	return more ? 0 : -1;
}

static int add_headers(struct push *p, const struct push_config *c)
{
	const struct probed_value *map = probed_sink_option(c->args, c->base + PUSH_HEADER);
	int rc = 0;
	for (const char *const *line = c->headers; line && *line; line++)
		rc |= add_header(p, *line);
	rc |= add_header(p, "Expect:"); /* no 100-continue: a round trip for nothing */
	for (uint32_t i = 0; i < map->n_items; i++) {
		const struct probed_item *item = PROBED_AT(struct probed_item, map->items, map->item_stride, i);
		size_t n = strlen(item->key) + item->len + 3;
		char *line = malloc(n);
		if (line)
			snprintf(line, n, "%s: %s", item->key, item->s);
		rc |= line ? add_header(p, line) : -1;
		free(line);
	}
	return rc;
}

static void set_up(struct push *p, const struct push_config *c)
{
	CURL *curl = p->curl;
	const char *user = probed_sink_option(c->args, c->base + PUSH_USER)->s;
	const char *password = probed_sink_option(c->args, c->base + PUSH_PASSWORD)->s;
	const char *ca = probed_sink_option(c->args, c->base + PUSH_TLS_CA)->s;
	int verify = probed_sink_option(c->args, c->base + PUSH_TLS_VERIFY)->i != 0;
	curl_easy_setopt(curl, CURLOPT_URL, p->url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, p->headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "probed");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, p);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
			 (long)(probed_sink_option(c->args, c->base + PUSH_TIMEOUT)->i / NS_PER_MS));
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* with it the bundle is read again for each handshake */
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	if (ca && *ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
	if (user && *user) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERNAME, user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, password ? password : "");
	}
}

/* Without user, password and query. */
static char *show(const char *url)
{
	const char *host = strstr(url, "://") + 3, *at;
	size_t n = strcspn(host, "?#"), authority = strcspn(host, "/?#");
	for (at = host + authority; at > host && *at != '@'; at--)
		;
	if (*at == '@') {
		n -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	size_t size = n + 9;
	char *shown = malloc(size);
	if (shown)
		snprintf(shown, size, "%s%.*s", url[4] == 's' ? "https://" : "http://", (int)n, host);
	return shown;
}

static void destroy(struct push *p)
{
	while (p->first)
		drop_first(p);
	curl_easy_cleanup(p->curl);
	curl_slist_free_all(p->headers);
	free(p->url);
	free(p->shown);
	free(p->name);
	free(p);
}

struct push *push_new(const struct push_config *c, char *error, uint64_t error_size)
{
	struct push *p = calloc(1, sizeof *p);
	if (!p) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	p->host = c->host;
	p->end = &p->first;
	p->limit = (size_t)probed_sink_option(c->args, c->base + PUSH_BACKLOG)->i;
	p->url = strdup(c->url);
	p->shown = show(c->url);
	p->name = strdup(c->args->name);
	p->curl = curl_easy_init();
	if (!p->url || !p->shown || !p->name || !p->curl || add_headers(p, c)) {
		snprintf(error, error_size, "out of memory");
		destroy(p);
		return NULL;
	}
	set_up(p, c);
	return p;
}

void push_free(struct push *p)
{
	char error[500] = "there was no time left";
	uint64_t lost = 0;
	p->retry_ns = 0;
	curl_easy_setopt(p->curl, CURLOPT_TIMEOUT_MS, (long)AT_END_MS);
	for (int32_t rc; (rc = push_send(p, AT_END_MS * NS_PER_MS, error, sizeof error)) > 0;)
		lost += (uint64_t)rc;
	for (const struct batch *b = p->first; b; b = b->next)
		lost += b->records;
	if (lost)
		p->host->log(PROBED_LOG_ERROR, "sink %s: ends with %llu records that could not be delivered: %s",
			     p->name, (unsigned long long)lost, error);
	destroy(p);
}

int push_load(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -1;
}

void push_unload(void)
{
	curl_global_cleanup();
}
