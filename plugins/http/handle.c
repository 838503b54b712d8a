/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle.c - libcurl's easy handles, used again. One that has its target's options keeps them for the next probe of that
 * target: setting them costs as much as a third of a request. Only so many, since each costs some 25 KB; the others go
 * back without options.
 */
#include <stdlib.h>

#include "http/http.h"

#define SPARE_MAX 128
#define READY_MAX 1024

static struct handle *pop(struct handle **list)
{
	struct handle *h = *list;
	*list = h->next;
	h->next = NULL;
	return h;
}

static void push(struct handle **list, struct handle *h)
{
	h->next = *list;
	*list = h;
}

static struct handle *handle_new(void)
{
	struct handle *h = calloc(1, sizeof(*h));
	if (h && !(h->easy = curl_easy_init())) {
		free(h);
		return NULL;
	}
	return h;
}

static void handle_free(struct handle *h)
{
	curl_easy_cleanup(h->easy);
	free(h);
}

unsigned handles_free(struct handle **list)
{
	unsigned n = 0;
	for (; *list; n++)
		handle_free(pop(list));
	return n;
}

struct handle *handle_take(struct worker *w, struct target *t, struct fetch *f)
{
	struct handle *h;
	if (t->ready) {
		h = pop(&t->ready);
		w->n_ready--;
	} else if (w->spare) {
		h = pop(&w->spare);
		w->n_spare--;
	} else {
		h = handle_new();
	}
	if (h)
		h->f = f;
	return h;
}

/* A jar begins with any word, even one that is no cookie; COOKIEFILE, the usual way, leaks its list with each
 * curl_easy_reset(). */
void handle_cookies(struct handle *h, struct session *s)
{
	if (s) {
		curl_easy_setopt(h->easy, CURLOPT_SHARE, s->cookies);
		/* a shared jar drops cookies without a date until it has "read" a file (7.88) */
		if (!s->used)
			curl_easy_setopt(h->easy, CURLOPT_COOKIEFILE, "");
		h->first = !s->used;
		s->used = true;
		h->jar = false;
	} else if (!h->jar) {
		curl_easy_setopt(h->easy, CURLOPT_COOKIELIST, "Set-Cookie: ");
		h->jar = true;
	}
}

static void file_forget(struct handle *h)
{
	if (h->first)
		curl_easy_setopt(h->easy, CURLOPT_COOKIEFILE, NULL);
	h->first = false;
}

void handle_reset(struct handle *h)
{
	file_forget(h);
	h->ready = NULL;
	curl_easy_reset(h->easy);
}

void handle_give(struct worker *w, struct target *t, struct handle *h, bool good)
{
	h->f = NULL;
	if (h->jar)
		curl_easy_setopt(h->easy, CURLOPT_COOKIELIST, "ALL");
	else
		curl_easy_setopt(h->easy, CURLOPT_SHARE, NULL);
	file_forget(h);
	if (good && h->ready == t && w->n_ready < READY_MAX) {
		push(&t->ready, h);
		w->n_ready++;
		return;
	}
	handle_reset(h);
	if (w->n_spare < SPARE_MAX) {
		push(&w->spare, h);
		w->n_spare++;
	} else {
		handle_free(h);
	}
}
