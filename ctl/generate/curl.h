/* SPDX-License-Identifier: Apache-2.0 */
/* curl.h - one command line of curl while it is being read. For curl*.c only. */
#ifndef GENERATE_CURL_H
#define GENERATE_CURL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "generate/draft.h"

struct curl_pair {
	const char *name, *value; /* of argv, not owned; what each means is its option's matter */
};

struct curl_pairs {
	struct curl_pair *list;
	size_t n, cap;
};

/* Gathered first, since options may stand before and after what they belong to. */
struct curl {
	struct draft *d;
	const char *method, *user, *bearer, *referer, *agent, *upload, *range;
	struct curl_pairs urls, headers, cookies, forms, settings;
	struct lines lost;   /* what can't be taken over, with why */
	struct lines output; /* what concerns curl's own output */
	struct buf data;
	char *data_file; /* -d @FILE: the only part */
	size_t data_parts;
	bool get, head, json, insecure, follow, digest, has_data;
};

void curl_lose(struct curl *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* curl_data.c: -d and its kin; what -F makes of forms. */
enum curl_data { DATA_PLAIN, DATA_RAW, DATA_BINARY, DATA_URLENCODE, DATA_JSON };
void curl_data_add(struct curl *c, enum curl_data kind, const char *value);
/* The multipart body, a text of the configuration, and its Content-Type; false where a part can't be taken over. */
bool curl_form_body(struct curl *c, struct buf *body, const char **type);

/* curl_options.c: what an option means. `value` NULL: it takes none. */
struct curl_option {
	const char *name; /* without -- */
	char letter;      /* 0: none */
	bool takes;       /* a value */
	unsigned char what;
};
const struct curl_option *curl_option_long(const char *name, size_t n);
const struct curl_option *curl_option_letter(char letter);
void curl_option_apply(struct curl *c, const struct curl_option *o, const char *shown, const char *value);

#endif
