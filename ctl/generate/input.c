/* SPDX-License-Identifier: Apache-2.0 */
/* input.c - files and the standard input, bounded. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "generate/source.h"

bool input_is_url(const char *from)
{
	return !strncasecmp(from, "http://", 7) || !strncasecmp(from, "https://", 8);
}

char *input_read(struct draft *d, const char *from, size_t max, size_t *n)
{
	bool std = !strcmp(from, "-");
	FILE *f = std ? stdin : fopen(from, "re");
	struct stat st;
	struct buf text = { 0 };
	if (!f) {
		draft_fail(d, "can't read %s: %s", from, strerror(errno));
		return NULL;
	}
	if (!fstat(fileno(f), &st) && S_ISDIR(st.st_mode)) {
		draft_fail(d, "%s is a folder: expected a file", from);
	} else {
		size_t got;
		do {
			got = fread(buf_reserve(&text, 65536), 1, 65536, f);
			text.len += got;
		} while (got && text.len <= max);
		if (ferror(f))
			draft_fail(d, "can't read %s: %s", from, strerror(errno));
		else if (text.len > max)
			draft_fail(d, "%s is longer than %zu MiB", from, max >> 20);
	}
	if (!std)
		fclose(f);
	*n = text.len;
	if (*d->error) {
		buf_free(&text);
		return NULL;
	}
	return buf_cstr(&text);
}
