/* SPDX-License-Identifier: Apache-2.0 */
/* str.c - see str.h */
#include "base/str.h"

#include <string.h>

#include "base/buf.h"

uint64_t str_hash(const void *data, size_t n)
{
	/* FNV-1a, then mixed */
	const uint8_t *p = data;
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return str_mix(h, n);
}

size_t str_utf8(const char *text, size_t n)
{
	const uint8_t *s = (const uint8_t *)text;
	if (s[0] < 0x80)
		return 1;
	size_t len = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

void str_put_json(struct buf *b, const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;
	buf_putc(b, '"');
	for (size_t i = 0; i < n;) {
		uint8_t c = p[i];
		if (c == '"' || c == '\\') {
			buf_putc(b, '\\');
			buf_putc(b, (char)c);
			i++;
		} else if (c == '\n' || c == '\r' || c == '\t') {
			buf_puts(b, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
			i++;
		} else if (c < 0x20 || c == 0x7f) {
			buf_printf(b, "\\u%04x", c);
			i++;
		} else {
			size_t len = str_utf8((const char *)p + i, n - i);
			if (len)
				buf_put(b, p + i, len);
			else
				buf_puts(b, "\xef\xbf\xbd");
			i += len ? len : 1;
		}
	}
	buf_putc(b, '"');
}

#define WORD_MAX 63

/* Damerau-Levenshtein distance (optimal string alignment) of two words of at most WORD_MAX bytes. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned d[3][WORD_MAX + 2];
	for (size_t j = 0; j <= nb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *row = d[i % 3], *up = d[(i - 1) % 3], *up2 = d[(i + 1) % 3];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);
			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
				best = up2[j - 2] + 1;
			row[j] = best;
		}
	}
	return d[na % 3][nb];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word);
	const char *best = NULL;
	unsigned least = len <= 3 ? 2 : len <= 6 ? 3 : 4; /* nearer than this */
	for (size_t i = 0; i < n && len <= WORD_MAX; i++) {
		size_t m = strlen(candidates[i]);
		if (m > WORD_MAX)
			continue;
		unsigned d = distance(word, len, candidates[i], m);
		if (d < least && d < (len > m ? len : m)) {
			least = d;
			best = candidates[i];
		}
	}
	return best;
}
