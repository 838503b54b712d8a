/* SPDX-License-Identifier: Apache-2.0 */
/* curl_data.c - bodies: what -d and its kin join, and the multipart that -F makes. */
#include <string.h>

#include "base/mem.h"
#include "generate/curl.h"

#define BOUNDARY "------------------------probed0form"

static void add_encoded(struct curl *c, const char *value)
{
	const char *equals = strchr(value, '='), *at = strchr(value, '@');
	if (at && (!equals || at < equals)) {
		curl_lose(c, "--data-urlencode %.80s: a file's content", value);
		return;
	}
	const char *content = equals ? equals + 1 : value;
	CLEANUP_FREE char *encoded = link_encode(content, strlen(content));
	if (equals && equals > value)
		buf_put(&c->data, value, (size_t)(equals + 1 - value));
	buf_puts(&c->data, encoded);
}

void curl_data_add(struct curl *c, enum curl_data kind, const char *value)
{
	bool file = *value == '@' && kind != DATA_RAW && kind != DATA_URLENCODE;
	c->has_data = true;
	c->json |= kind == DATA_JSON;
	c->data_parts++;
	if (c->data.len && kind != DATA_JSON)
		buf_putc(&c->data, '&');
	if (file) {
		if (kind == DATA_PLAIN)
			curl_lose(c, "-d %.80s: curl takes the line ends out of the file, probed sends it as it is",
				  value);
		free(c->data_file);
		c->data_file = xstrdup(value + 1);
	} else if (kind == DATA_URLENCODE) {
		add_encoded(c, value);
	} else {
		buf_puts(&c->data, value);
	}
	buf_cstr(&c->data);
}

/* name=content;type=text/plain */
static bool put_part(struct curl *c, struct buf *body, const struct curl_pair *form)
{
	bool literal = !strcmp(form->name, "string");
	const char *equals = strchr(form->value, '='), *type = NULL;
	if (!equals) {
		curl_lose(c, "-F %.80s: expected name=content", form->value);
		return false;
	}
	const char *content = equals + 1;
	size_t n = strlen(content);
	if (!literal && (*content == '@' || *content == '<')) {
		curl_lose(c, "-F %.80s: a file's content", form->value);
		return false;
	}
	if (!literal && (type = strstr(content, ";type=")) != NULL) {
		n = (size_t)(type - content);
		type += strlen(";type=");
	}
	CLEANUP_FREE char *name = xstrndup(form->value, (size_t)(equals - form->value));
	CLEANUP_FREE char *what = xasprintf("%.60s in the form", name);
	CLEANUP_BUF struct buf head = { 0 };
	buf_printf(&head, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n", BOUNDARY, name);
	if (type)
		buf_printf(&head, "Content-Type: %.*s\r\n", (int)strcspn(type, ";"), type);
	buf_puts(&head, "\r\n");
	text_put(body, head.data, head.len);
	if (n && secret_name(name, strlen(name)))
		text_secret(c->d, body, name, content, n, what);
	else
		text_put(body, content, n);
	buf_puts(body, "\r\n");
	return true;
}

bool curl_form_body(struct curl *c, struct buf *body, const char **type)
{
	for (size_t i = 0; i < c->forms.n; i++)
		if (!put_part(c, body, &c->forms.list[i]))
			return false;
	buf_printf(body, "--%s--\r\n", BOUNDARY);
	buf_cstr(body);
	*type = "multipart/form-data; boundary=" BOUNDARY;
	return true;
}
