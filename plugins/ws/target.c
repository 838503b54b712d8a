/* SPDX-License-Identifier: Apache-2.0 */
/* target.c - the constants of one target. */
#include "ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int is_token(const char *s)
{
	size_t len = strspn(s, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	return len && !s[len];
}

static int is_text(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return 0;
	return 1;
}

/* NULL, or what is wrong. */
static const char *check_header(const char *name, const char *value)
{
	if (!is_token(name) || strlen(name) > 100)
		return "not a header's name";
	if (!is_text(value))
		return "a header's value is one line of text";
	if (!strcasecmp(name, "Upgrade") || !strcasecmp(name, "Connection") || !strncasecmp(name, "Sec-WebSocket-", 14))
		return "the driver sets this one by itself";
	return NULL;
}

static int read_headers(struct ws_target *t, char *error, size_t size)
{
	size_t sum = 0;
	for (uint32_t i = 0; i < t->headers->n_items; i++) {
		const struct probed_item *h =
			PROBED_AT(struct probed_item, t->headers->items, t->headers->item_stride, i);
		const char *wrong = check_header(h->key, h->s);
		int host = !strcasecmp(h->key, "Host");
		if (host && h->len > URL_HOST_MAX)
			wrong = "longer than 100 characters";
		sum += strlen(h->key) + h->len + 4;
		if (!wrong && sum > 8192)
			wrong = "the headers are longer than 8192 bytes together";
		if (wrong) {
			snprintf(error, size, "header.%.60s: %s", h->key, wrong);
			return -1;
		}
		if (host && !t->host_header && !(t->host_header = strdup(h->s))) {
			snprintf(error, size, "out of memory");
			return -1;
		}
	}
	return 0;
}

static int read_subprotocol(struct ws_target *t, const struct probed_value *v, char *error, size_t size)
{
	if (!v->s || !*v->s)
		return 0;
	if (v->len > 500 || v->s[strspn(v->s, "!#$%&'*+-.^_`|~, 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                                      "abcdefghijklmnopqrstuvwxyz")]) {
		snprintf(error, size, "subprotocol: \"%.100s\": expected names, with commas between them", v->s);
		return -1;
	}
	t->subprotocol = v->s;
	return 0;
}

static int read_target(struct ws_target *t, const struct probed_target_args *args, char *error, size_t size)
{
	t->family = args->family;
	t->headers = probed_target_option(args, OPT_HEADER);
	t->ping = probed_target_option(args, OPT_PING)->i != 0;
	t->close_code = (uint16_t)probed_target_option(args, OPT_CLOSE)->i;
	t->max_message = (uint64_t)probed_target_option(args, OPT_MAX_MESSAGE)->i;
	certs_options_read(args, OPT_TLS, &t->tls);
	if (t->close_code != 1000 && t->close_code != 1001 && t->close_code < 3000) {
		snprintf(error, size, "close: a client may send 1000, 1001 or 3000 to 4999, not %u", t->close_code);
		return -1;
	}
	if (url_parse(probed_target_option(args, OPT_URL)->s, &t->url, error, size) || read_headers(t, error, size) ||
	    read_subprotocol(t, probed_target_option(args, OPT_SUBPROTOCOL), error, size) ||
	    script_read_send(&t->script, probed_target_option(args, OPT_SEND), error, size) ||
	    script_read_receive(&t->script, probed_target_option(args, OPT_RECEIVE), error, size))
		return -1;
	return certs_options_check(&t->tls, error, size);
}

static int join_worker(struct ws_target *t, struct ws_worker *w, char *error, size_t size)
{
	if (ws_worker_room(w, t->script.longest)) {
		snprintf(error, size, "out of memory");
		return -1;
	}
	t->vhost = ws_vhost_get(w, t->url.tls ? &t->tls : NULL, error, size);
	return t->vhost ? 0 : -1;
}

int32_t ws_target_new(void *worker, const struct probed_target_args *args, void **target, char *error,
                      uint64_t error_size)
{
	struct ws_target *t = calloc(1, sizeof *t);
	if (!t) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	t->magic = WS_TARGET_MAGIC;
	if (read_target(t, args, error, error_size) || (worker && join_worker(t, worker, error, error_size))) {
		ws_target_free(worker, t);
		return -1;
	}
	*target = t;
	return 0;
}

void ws_target_free(void *worker, void *target)
{
	struct ws_target *t = target;
	(void)worker;
	ws_vhost_unref(t->vhost);
	script_free(&t->script);
	free(t->host_header);
	t->magic = 0;
	free(t);
}
