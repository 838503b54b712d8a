/* SPDX-License-Identifier: Apache-2.0 */
/* report_junit.c - a run as JUnit XML, for what shows test results: a case for each requirement and each check. */
#include "base/clock.h"
#include "report/report_parts.h"

struct suite {
	uint32_t tests, failures;
};

static void count(const struct run_plan *p, struct suite *s)
{
	for (uint32_t i = 0; i < p->n_requires; i++, s->tests++)
		s->failures += p->requires[i].state != REQUIREMENT_MET;
	for (uint32_t i = 0; i < p->tally->n_measures; i++)
		for (uint32_t k = 0; k < p->tally->measures[i].n_checks; k++, s->tests++)
			s->failures += p->tally->measures[i].checks[k].failed > 0;
}

static void put_attribute(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, " %s=\"", name);
	put_xml(b, value);
	buf_putc(b, '"');
}

static void open_case(struct buf *b, const char *class, const char *name)
{
	buf_puts(b, "    <testcase");
	put_attribute(b, "classname", class);
	put_attribute(b, "name", name);
	buf_puts(b, " time=\"0\"");
}

static void put_requirement(struct buf *b, const char *plan, const struct run_requirement *q)
{
	open_case(b, plan, q->text);
	if (q->state == REQUIREMENT_MET) {
		buf_puts(b, "/>\n");
		return;
	}
	buf_puts(b, ">\n      <failure");
	put_attribute(b, "type", requirement_state_name(q->state));
	put_attribute(b, "message", q->why);
	buf_puts(b, "/>\n    </testcase>\n");
}

static void put_check(struct buf *b, const char *plan, const struct tally_measure *m, const struct tally_check *c)
{
	CLEANUP_BUF struct buf class = { 0 };
	buf_printf(&class, "%s.%s", plan, m->name);
	open_case(b, buf_cstr(&class), c->label);
	if (m->judged && !c->failed) {
		buf_puts(b, "/>\n");
	} else if (!m->judged) {
		buf_puts(b, ">\n      <skipped message=\"never looked at\"/>\n    </testcase>\n");
	} else {
		buf_printf(b, ">\n      <failure type=\"expectation\" message=\"did not hold %llu times of %llu\"/>\n    </testcase>\n",
		           (unsigned long long)c->failed, (unsigned long long)m->judged);
	}
}

static uint32_t skipped(const struct tally *t)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < t->n_measures; i++)
		if (!t->measures[i].judged)
			n += t->measures[i].n_checks;
	return n;
}

static void put_suite(struct buf *b, const struct run *r, const struct run_plan *p)
{
	const struct tally *t = p->tally;
	struct suite s = { 0 };
	char started[32], rates[600];
	count(p, &s);
	clock_format_wall(t->wall_ns, started);
	started[19] = '\0'; /* the schema has no zone: UTC */
	buf_puts(b, "  <testsuite");
	put_attribute(b, "name", t->plan);
	buf_printf(b, " tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"%u\" time=\"%.3f\"", s.tests, s.failures, skipped(t),
	           (double)t->length_ns / 1e9);
	put_attribute(b, "timestamp", started);
	put_attribute(b, "hostname", r->machine);
	buf_puts(b, ">\n");
	for (uint32_t i = 0; i < p->n_requires; i++)
		put_requirement(b, t->plan, &p->requires[i]);
	for (uint32_t i = 0; i < t->n_measures; i++)
		for (uint32_t k = 0; k < t->measures[i].n_checks; k++)
			put_check(b, t->plan, &t->measures[i], &t->measures[i].checks[k]);
	text_rates(t, rates, sizeof rates);
	buf_puts(b, "    <system-out>");
	put_xml(b, rates);
	buf_puts(b, "</system-out>\n  </testsuite>\n");
}

void report_put_junit(struct buf *b, const struct run *r)
{
	struct suite all = { 0 };
	for (uint32_t i = 0; i < r->n_plans; i++)
		count(&r->plans[i], &all);
	buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
	put_attribute(b, "name", r->name);
	buf_printf(b, " tests=\"%u\" failures=\"%u\" errors=\"0\" time=\"%.3f\">\n", all.tests, all.failures,
	           (double)run_length(r) / 1e9);
	for (uint32_t i = 0; i < r->n_plans; i++)
		put_suite(b, r, &r->plans[i]);
	buf_puts(b, "</testsuites>\n");
}
