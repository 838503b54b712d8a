/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c - see gate.h */
#include "plan/gate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/unit.h"

#define FINENESS 8 /* units of a stamp in a nanosecond, at most: leaves 36 years of uptime in 63 bits */
#define BURST_MAX 1000000
#define BURST_SPAN_NS (2.0 * 365 * 86400 * 1e9)

typedef unsigned __int128 wide;

static int64_t units(const struct gcra_limit *l, int64_t ns)
{
	return (int64_t)((wide)(uint64_t)ns * l->num / l->den);
}

/* Rounded up: who waits so long finds the slot free. */
static int64_t nanoseconds(const struct gcra_limit *l, int64_t u)
{
	return (int64_t)(((wide)(uint64_t)u * l->den + l->num - 1) / l->num);
}

/* --- as text ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int64_t ns;
} periods[] = { { "s", NS_PER_S }, { "min", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S } };

/* "2.5" in thousandths. */
static int thousandths(const char *text, size_t len, uint64_t *out)
{
	char number[24];
	double v;
	if (len >= sizeof number)
		return -1;
	memcpy(number, text, len);
	number[len] = '\0';
	if (unit_parse_float(number, &v) || !(v * 1000 >= 1) || v > GATE_RATE_MAX * 3600)
		return -1;
	*out = (uint64_t)llround(v * 1000);
	return fabs((double)*out - v * 1000) < 1e-3 ? 0 : -1;
}

static int rate_parse(const char *text, size_t len, uint64_t *count, uint64_t *period_ns)
{
	const char *slash = memchr(text, '/', len);
	if (!slash || thousandths(text, (size_t)(slash - text), count))
		return -1;
	size_t n = len - (size_t)(slash + 1 - text);
	for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++)
		if (strlen(periods[i].name) == n && !memcmp(slash + 1, periods[i].name, n)) {
			*period_ns = (uint64_t)periods[i].ns * 1000;
			return (double)*count / (double)*period_ns * 1e9 <= GATE_RATE_MAX ? 0 : -1;
		}
	return -1;
}

/* count slots in period: the step is made a whole number of units, and the unit what that asks for. */
static void limit_make(struct gcra_limit *l, uint64_t count, uint64_t period_ns, uint32_t burst)
{
	uint64_t step = (uint64_t)((wide)FINENESS * period_ns / count);
	*l = (struct gcra_limit){ .num = count * step,
		                  .den = period_ns,
		                  .step = (int64_t)step,
		                  .ahead = (int64_t)step * (burst - 1),
		                  .rate = (double)count / (double)period_ns * 1e9,
		                  .burst = burst };
}

int gate_limit_parse(const char *text, struct gcra_limit *limit, char *error, size_t size)
{
	uint64_t count, period_ns;
	int64_t burst = 1;
	size_t len = strcspn(text, " \t");
	const char *rest = text + len + strspn(text + len, " \t");
	if (rate_parse(text, len, &count, &period_ns)) {
		snprintf(error, size, "\"%s\" is not a limit: expected a rate as 40/s, 2.5/min or 100/h (at most %.0f/s, three "
			 "digits after the point), and perhaps its burst, as in 40/s burst 10", text, GATE_RATE_MAX);
		return -1;
	}
	if (*rest) {
		if (strncmp(rest, "burst", 5) != 0 || (rest[5] != ' ' && rest[5] != '\t') ||
		    unit_parse_integer(rest + 5 + strspn(rest + 5, " \t"), &burst) || burst < 1 || burst > BURST_MAX) {
			snprintf(error, size, "\"%s\" after the rate is not understood: expected burst N, N from 1 to %d", rest,
				 BURST_MAX);
			return -1;
		}
	}
	if ((double)period_ns / (double)count * (double)burst > BURST_SPAN_NS) {
		snprintf(error, size, "\"%s\": such a burst would last for years at this rate: expected a smaller one", text);
		return -1;
	}
	limit_make(limit, count, period_ns, (uint32_t)burst);
	return 0;
}

char *gate_limit_format(const struct gcra_limit *l, char *out, size_t size)
{
	static const struct {
		const char *name;
		double s;
	} shown[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 } };
	size_t i = 0;
	/* the first unit in which it has at most three digits after the point */
	while (i < 2 && fabs(l->rate * shown[i].s * 1000 - nearbyint(l->rate * shown[i].s * 1000)) > 1e-6)
		i++;
	char number[32];
	int n = snprintf(number, sizeof number, "%.3f", l->rate * shown[i].s);
	while (number[n - 1] == '0')
		n--;
	n -= number[n - 1] == '.';
	number[n] = '\0';
	if (l->burst > 1)
		snprintf(out, size, "%s/%s burst %u", number, shown[i].name, l->burst);
	else
		snprintf(out, size, "%s/%s", number, shown[i].name);
	return out;
}

/* --- the algorithm ---------------------------------------------------------------------------- */

static int64_t wait_units(int64_t stamp, const struct gcra_limit *l, int64_t now)
{
	int64_t wait = stamp - l->ahead - now;
	return wait > 0 ? wait : 0;
}

/* A slot free in `wait` units is free at this time, rounded up. */
static int64_t wait_ns(const struct gcra_limit *l, int64_t wait, int64_t now, int64_t now_ns)
{
	return wait ? nanoseconds(l, now + wait) - now_ns : 0;
}

int64_t gcra_wait(int64_t stamp, const struct gcra_limit *l, int64_t now_ns)
{
	int64_t now = units(l, now_ns);
	return wait_ns(l, wait_units(stamp, l, now), now, now_ns);
}

/* To be less than a nanosecond late costs nothing: no clock could have been earlier. */
static void spend(int64_t *stamp, const struct gcra_limit *l, int64_t now)
{
	*stamp = (*stamp > now - FINENESS ? *stamp : now) + l->step;
}

int64_t gcra_take(int64_t *stamp, const struct gcra_limit *l, int64_t now_ns)
{
	int64_t now = units(l, now_ns), wait = wait_units(*stamp, l, now);
	if (!wait)
		spend(stamp, l, now);
	return wait_ns(l, wait, now, now_ns);
}

int64_t gcra_take_waited(int64_t *stamp, const struct gcra_limit *l, int64_t since_ns, int64_t now_ns)
{
	int64_t now = units(l, now_ns), wait = wait_units(*stamp, l, now);
	if (!wait)
		spend(stamp, l, units(l, since_ns));
	return wait_ns(l, wait, now, now_ns);
}

void gcra_spend(int64_t *stamp, const struct gcra_limit *l, int64_t now_ns)
{
	spend(stamp, l, units(l, now_ns));
}

uint32_t gcra_reserve(int64_t *stamp, const struct gcra_limit *l, int64_t now_ns, uint32_t n, int64_t max_wait_ns,
                      int64_t *out_ns)
{
	int64_t now = units(l, now_ns);
	uint32_t got = 0;
	for (; got < n; got++) {
		int64_t wait = wait_ns(l, wait_units(*stamp, l, now), now, now_ns);
		if (wait > max_wait_ns)
			break;
		out_ns[got] = now_ns + wait;
		spend(stamp, l, now);
	}
	return got;
}

void gcra_return(int64_t *stamp, const struct gcra_limit *l, uint32_t n)
{
	int64_t back = l->step * n;
	*stamp = *stamp > back ? *stamp - back : 0;
}

int64_t gcra_restamp(int64_t stamp, const struct gcra_limit *from, const struct gcra_limit *to, int64_t now_ns)
{
	if (!gate_limit_set(from) || !gate_limit_set(to))
		return 0;
	int64_t owed = stamp - units(from, now_ns);
	if (owed <= 0)
		return 0;
	int64_t most = to->ahead + to->step;
	double slots = (double)owed / (double)from->step * (double)to->step;
	return units(to, now_ns) + (slots < (double)most ? (int64_t)slots : most);
}
