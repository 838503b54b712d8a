/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tcp.c - the tcp driver's dialogues: lines up to an empty one are steps, the rest is what the peer says, in one
 * piece and then in small ones.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void talk(struct matcher *m, const struct dialogue *d, const char *text, size_t len, size_t piece)
{
	struct stream in = { 0 };
	struct said said = { 0 };
	struct bytes out = { 0 };
	size_t given = 0;
	unsigned step = 0;
	uint32_t captured;

	while (step < d->n_steps) {
		size_t n = len - given < piece ? len - given : piece;
		bool end = given == len;
		int result = DIALOGUE_MATCHED;
		if (dialogue_kind(d->steps[step]) == DIALOGUE_SEND)
			dialogue_render(d->steps[step], &said, &out);
		else if (dialogue_kind(d->steps[step]) == DIALOGUE_EXPECT)
			result = dialogue_match(m, d->steps[step], &in, end, &said, &captured);
		if (in.from > in.b.len || (end && result == DIALOGUE_MAYBE))
			abort();
		if (result == DIALOGUE_MATCHED) {
			step++;
			continue;
		}
		if (result == DIALOGUE_LIMIT || end)
			break;
		stream_put(&in, text + given, n);
		given += n;
	}
	bytes_free(&in.b);
	bytes_free(&said.values);
	bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dialogue *d = dialogue_new();
	struct matcher *m = matcher_new();
	char line[512], error[240];

	while (size && *data != '\n') {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;
		size_t use = len < sizeof(line) ? len : sizeof(line) - 1;
		memcpy(line, data, use);
		line[use] = '\0';
		dialogue_add(d, line, error, sizeof(error));
		size -= len + (end != NULL);
		data += len + (end != NULL);
	}
	talk(m, d, (const char *)data, size, SIZE_MAX);
	if (size < 2048)
		talk(m, d, (const char *)data, size, 3);
	dialogue_free(d);
	matcher_free(m);
	return 0;
}
