/* SPDX-License-Identifier: Apache-2.0 */
/* regex.c - see regex.h */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "judge/regex.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define MATCH_LIMIT 100000
#define HEAP_LIMIT_KIB 8192
#define SUBSTITUTE \
	(PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH | PCRE2_SUBSTITUTE_UNKNOWN_UNSET | \
	 PCRE2_SUBSTITUTE_UNSET_EMPTY)

struct regex {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

/* PCRE2 10.42, compiling for subjects that may not be UTF-8, has its JIT match \D, \W and \S with ASCII alone. */
static bool jit_is_wrong(const char *pattern, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
		if (pattern[i] == '\\' && strchr("DWS", pattern[++i]) && pattern[i])
			return true;
	return false;
}

struct regex *regex_compile(const char *pattern, size_t len, uint32_t flags, char *error, size_t size, size_t *at)
{
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
	if (flags & REGEX_ICASE)
		options |= PCRE2_CASELESS;
	if (flags & REGEX_MULTILINE)
		options |= PCRE2_MULTILINE;
	if (flags & REGEX_DOTALL)
		options |= PCRE2_DOTALL;
	if (flags & REGEX_ANCHORED)
		options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
	if (flags & REGEX_END_ONLY)
		options |= PCRE2_DOLLAR_ENDONLY;
	int code;
	PCRE2_SIZE offset;
	pcre2_code *c = pcre2_compile((PCRE2_SPTR)pattern, len, options, &code, &offset, NULL);
	if (!c) {
		PCRE2_UCHAR text[160];
		pcre2_get_error_message(code, text, sizeof text);
		snprintf(error, size, "%s", (const char *)text);
		if (at)
			*at = offset;
		return NULL;
	}
	if (!jit_is_wrong(pattern, len))
		pcre2_jit_compile(c, PCRE2_JIT_COMPLETE); /* where it can't, the interpreter takes over */
	struct regex *re = xnew(struct regex);
	re->code = c;
	re->data = pcre2_match_data_create_from_pattern(c, NULL);
	re->limits = pcre2_match_context_create(NULL);
	if (!re->data || !re->limits)
		panic("out of memory for a regular expression");
	pcre2_set_match_limit(re->limits, MATCH_LIMIT);
	pcre2_set_heap_limit(re->limits, HEAP_LIMIT_KIB);
	return re;
}

void regex_free(struct regex *re)
{
	if (!re)
		return;
	pcre2_match_context_free(re->limits);
	pcre2_match_data_free(re->data);
	pcre2_code_free(re->code);
	free(re);
}

int regex_match(const struct regex *re, const char *s, size_t len)
{
	PCRE2_SPTR subject = (PCRE2_SPTR)(s ? s : "");
	int rc = pcre2_match(re->code, subject, len, 0, 0, re->data, re->limits);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(re->code, subject, len, 0, PCRE2_NO_JIT, re->data, re->limits);
	return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

bool regex_group(const struct regex *re, unsigned n, size_t *from, size_t *to)
{
	const PCRE2_SIZE *groups = pcre2_get_ovector_pointer(re->data);
	if (n >= pcre2_get_ovector_count(re->data) || groups[2 * n] == PCRE2_UNSET)
		return false;
	*from = groups[2 * n];
	*to = groups[2 * n + 1];
	return *from <= *to; /* \K in a lookahead can turn them round */
}

int regex_replace(const struct regex *re, const char *s, size_t len, const char *with, size_t with_len, size_t max,
                  struct buf *out)
{
	PCRE2_SIZE room = len + 64;
	for (int attempt = 0; attempt < 2 && room <= max; attempt++) {
		PCRE2_UCHAR *to = buf_reserve(out, room);
		int rc = pcre2_substitute(re->code, (PCRE2_SPTR)(s ? s : ""), len, 0, SUBSTITUTE, re->data, re->limits,
		                          (PCRE2_SPTR)with, with_len, to, &room);
		if (rc >= 0) {
			out->len += room;
			return 0;
		}
		if (rc != PCRE2_ERROR_NOMEMORY)
			return -1;
	}
	return -1;
}

int regex_check_replacement(const char *with, size_t len, char *error, size_t size)
{
	struct regex *empty = regex_compile("", 0, 0, error, size, NULL);
	struct buf out = { 0 };
	int rc = regex_replace(empty, "", 0, with, len, len + 65, &out);
	if (rc)
		snprintf(error, size, "not a replacement: a $ is written $$, a group $1");
	buf_free(&out);
	regex_free(empty);
	return rc;
}
