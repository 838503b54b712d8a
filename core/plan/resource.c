/* SPDX-License-Identifier: Apache-2.0 */
/* resource.c - see resource.h */
#include "plan/resource.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/unit.h"

const char *resource_name(enum resource r)
{
	static const char *const names[RESOURCES] = {
		[RESOURCE_CPU] = "cpu",
		[RESOURCE_OWN_CPU] = "own_cpu",
		[RESOURCE_MEMORY] = "memory",
		[RESOURCE_MEMORY_PRESSURE] = "memory_pressure",
		[RESOURCE_CPU_PRESSURE] = "cpu_pressure",
		[RESOURCE_DESCRIPTORS] = "descriptors",
		[RESOURCE_QUEUE] = "queue",
	};
	return r < RESOURCES ? names[r] : "none";
}

static int value_parse(enum resource r, const char *text, double *out)
{
	if (r != RESOURCE_QUEUE)
		return unit_parse_ratio(text, out) || *out <= 0 || *out > 1 ? -1 : 0;
	int64_t bytes;
	if (unit_parse_size(text, &bytes) || bytes <= 0)
		return -1;
	*out = (double)bytes;
	return 0;
}

int resource_band_parse(enum resource r, const char *text, struct resource_band *band, char *error, size_t size)
{
	const char *example = r == RESOURCE_QUEUE ? "4MiB resume 1MiB" : "90% resume 80%";
	char pause[32], word[16], resume[32], more[2];
	int n = sscanf(text, "%31s %15s %31s %1s", pause, word, resume, more);
	struct resource_band b = { 0 };
	if ((n != 1 && n != 3) || value_parse(r, pause, &b.pause) || (n == 3 && strcmp(word, "resume") != 0) ||
	    (n == 3 && value_parse(r, resume, &b.resume))) {
		snprintf(error, size, "\"%s\" is not a limit of a resource: expected from where on to pause and below what to go on, as in %s",
			 text, example);
		return -1;
	}
	if (n == 1)
		b.resume = b.pause * 0.9;
	if (b.resume > b.pause) {
		snprintf(error, size, "it would go on at %s, above %s where it pauses: expected less, as in %s", resume, pause, example);
		return -1;
	}
	*band = b;
	return 0;
}

bool resource_step(struct resource_state *s, const struct resource_limits *l, const struct resource_sample *sample,
                   int64_t now_ns)
{
	uint32_t over = 0;
	for (uint32_t i = 0; i < RESOURCES; i++) {
		const struct resource_band *b = &l->band[i];
		double v = sample->value[i];
		bool was = s->over & (1u << i);
		if (b->pause > 0 && !isnan(v) && (v >= b->pause || (was && v >= b->resume)))
			over |= 1u << i;
	}
	if (over && !s->over) {
		s->since_ns = now_ns;
		s->pauses++;
	} else if (!over && s->over)
		s->paused_ns += now_ns - s->since_ns;
	s->over = over;
	return over != 0;
}

enum resource resource_cause(const struct resource_state *s)
{
	for (uint32_t i = 0; i < RESOURCES; i++)
		if (s->over & (1u << i))
			return (enum resource)i;
	return RESOURCES;
}

int64_t resource_paused_ns(const struct resource_state *s, int64_t now_ns)
{
	return s->paused_ns + (s->over ? now_ns - s->since_ns : 0);
}
