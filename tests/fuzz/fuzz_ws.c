/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ws.c - the ws driver's options: lines of the input are send.N, receive.N and the URL in turn; what is
 * accepted is then used.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/ws/script.h"
#include "../../plugins/ws/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct script *s, const uint8_t *data, size_t size)
{
	char text[256];
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(context, 1000);
	for (uint32_t i = 0; i < s->n_receive; i++) {
		script_show_expect(&s->receive[i], text, sizeof text);
		script_meets(&s->receive[i], (int)(i & 1), data, size, match, context);
	}
	for (uint32_t i = 0; i < s->n_send; i++) {
		script_show(s->send[i].binary, s->send[i].data, s->send[i].len, text, sizeof text);
		script_is_utf8(s->send[i].data, s->send[i].len);
	}
	pcre2_match_context_free(context);
	pcre2_match_data_free(match);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { LINES = 8 };
	char *copy = malloc(size + 1), error[240];
	struct probed_item items[2][LINES];
	struct probed_value lists[2] = { { .items = items[0], .item_stride = sizeof items[0][0] },
					 { .items = items[1], .item_stride = sizeof items[1][0] } };
	struct script s = { 0 };
	struct ws_url url;
	memcpy(copy, data, size);
	copy[size] = '\0';
	char *line = copy, *rest = copy + strlen(copy);
	for (int i = 0; i < 3 * LINES && line; i++) {
		char *end = memchr(line, '\n', (size_t)(rest - line));
		if (end)
			*end++ = '\0';
		if (i % 3 == 2)
			url_parse(line, &url, error, sizeof error);
		else
			items[i % 3][lists[i % 3].n_items++] =
				(struct probed_item){ .key = "1", .s = line, .len = strlen(line) };
		line = end;
	}
	int refused = script_read_send(&s, &lists[0], error, sizeof error);
	refused |= script_read_receive(&s, &lists[1], error, sizeof error);
	if (!refused)
		use(&s, data, size);
	script_free(&s);
	free(copy);
	return 0;
}
