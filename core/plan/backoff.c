/* SPDX-License-Identifier: Apache-2.0 */
/* backoff.c - see backoff.h */
#include "plan/backoff.h"

#include <stdio.h>
#include <string.h>

#include "base/unit.h"

int backoff_parse(const char *text, struct backoff_spec *spec, char *error, size_t size)
{
	struct backoff_spec s = { .on = fault_set_default() };
	char range[64], *dots;
	size_t len = strcspn(text, " \t");
	const char *rest = text + len + strspn(text + len, " \t");
	snprintf(range, sizeof range, "%.*s", (int)len, text);
	dots = strstr(range, "..");
	if (dots)
		*dots = '\0';
	if (!dots || unit_parse_duration(range, &s.base_ns) || unit_parse_duration(dots + 2, &s.cap_ns) || s.base_ns <= 0 ||
	    s.cap_ns < s.base_ns) {
		snprintf(error, size, "\"%s\" is not a backoff: expected the shortest and the longest pause, as in 1s..5m, and "
			 "perhaps what it answers, as in 1s..5m on 429 503 error", text);
		return -1;
	}
	if (*rest) {
		if (strncmp(rest, "on", 2) != 0 || (rest[2] && rest[2] != ' ' && rest[2] != '\t')) {
			snprintf(error, size, "\"%s\" after the pauses is not understood: expected on, as in on 429 503 error", rest);
			return -1;
		}
		if (fault_set_parse(rest + 2, &s.on, error, size))
			return -1;
	}
	*spec = s;
	return 0;
}

/* Uniform in [base, 3 * previous), in 53 bits. */
static int64_t sleep_next(const struct backoff_spec *spec, int64_t previous_ns, uint64_t random)
{
	double base = (double)spec->base_ns, top = 3.0 * (double)(previous_ns ? previous_ns : spec->base_ns);
	double ns = base + (top > base ? top - base : 0) * ((double)(random >> 11) * 0x1p-53);
	return ns < (double)spec->cap_ns ? (int64_t)ns : spec->cap_ns;
}

static void hold(struct backoff *b, int64_t until_ns)
{
	if (until_ns > b->until_ns)
		b->until_ns = until_ns;
}

void backoff_fail(struct backoff *b, const struct backoff_spec *spec, int64_t start_ns, int64_t now_ns, int64_t wait_ns,
                  uint64_t random)
{
	if (!b->sleep_ns || start_ns >= b->set_ns) {
		b->sleep_ns = sleep_next(spec, b->sleep_ns, random);
		b->set_ns = now_ns;
		b->times++;
		hold(b, now_ns + b->sleep_ns);
	}
	if (wait_ns > 0)
		hold(b, now_ns + wait_ns);
}

void backoff_ok(struct backoff *b, int64_t start_ns, int64_t now_ns, int64_t wait_ns)
{
	if (start_ns >= b->set_ns)
		b->sleep_ns = 0;
	if (wait_ns > 0)
		hold(b, now_ns + wait_ns);
}
