/* SPDX-License-Identifier: Apache-2.0 */
/* outcome.c - how a fake host's probe ends, and what a test asks of it. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#include "base/mem.h"

void probe_phase_end(struct fakehost_probe *p)
{
	int64_t now = fakehost_now(p->fh);
	if (p->phase < PROBED_PHASES)
		p->result.phase_ns[p->phase] += now - p->phase_began_ns;
	p->phase = PROBED_PHASES;
	p->phase_began_ns = now;
}

void probe_finish(struct fakehost_probe *p, uint32_t outcome, uint32_t reason, const char *message)
{
	probe_phase_end(p);
	p->completed = true;
	p->result.outcome = (uint8_t)outcome;
	p->result.reason = (uint8_t)reason;
	p->result.message = result_put_string(&p->result, message, message ? strlen(message) : 0);
	p->result.end_ns = fakehost_now(p->fh);
}

void probe_give_up(struct fakehost_probe *p, uint32_t outcome, uint32_t reason, const char *message)
{
	if (p->completed)
		return;
	if (!p->threaded && p->driver->cancel) {
		p->cancelling = true;
		SLOT(p->fh, p->driver->cancel(p->target->worker->state, (struct probed_probe *)p, p->mem));
		p->cancelling = false;
	}
	probe_finish(p, outcome, reason, message);
}

/* Memory goes once the plugin has returned; filled first, so that late use shows without ASan too. */
void probe_reap(struct fakehost_probe *p)
{
	if (!p->completed || !p->handle.live || (p->threaded && !p->returned))
		return;
	if (p->threaded)
		pthread_join(p->thread, NULL);
	p->threaded = false;
	handle_end(p->fh, &p->handle);
	memset(p->mem, 0xdd, p->driver->probe_size);
	free(p->mem);
	p->mem = NULL;
}

void probe_free(struct fakehost_probe *p)
{
	result_free(&p->result);
	for (size_t i = 0; i < p->n_subs; i++)
		result_free(&p->subs[i]);
	free(p->subs);
	buf_free(&p->body);
	options_free(&p->rendered);
	free(p);
}

bool fakehost_done(const struct fakehost_probe *p)
{
	return p->completed;
}

uint32_t fakehost_outcome(const struct fakehost_probe *p)
{
	return p->result.outcome;
}

uint32_t fakehost_reason(const struct fakehost_probe *p)
{
	return p->result.reason;
}

const char *fakehost_message(const struct fakehost_probe *p)
{
	const char *s = result_string(&p->result, p->result.message);
	return s ? s : "";
}

const struct result *fakehost_result(const struct fakehost_probe *p)
{
	return &p->result;
}

const struct result *fakehost_sub(const struct fakehost_probe *p, const char *name)
{
	for (size_t i = p->n_subs; i-- > 0;)
		if (!strcmp(result_string(&p->subs[i], p->subs[i].sub), name))
			return &p->subs[i];
	return NULL;
}

size_t fakehost_subs(const struct fakehost_probe *p)
{
	return p->n_subs;
}

int64_t fakehost_phase(const struct fakehost_probe *p, uint32_t phase)
{
	return p->result.phase_ns[phase];
}

const char *fakehost_body(const struct fakehost_probe *p, size_t *len)
{
	if (len)
		*len = p->body.len;
	return buf_cstr((struct buf *)(uintptr_t)&p->body);
}

static const struct probed_fact *decl_of(const struct fakehost_probe *p, uint32_t i)
{
	return PROBED_AT(struct probed_fact, p->driver->facts, p->driver->fact_stride, i);
}

/* The index of the fact named, and the late part of a family's name. */
static uint32_t fact_index(const struct fakehost_probe *p, const char *name, const char **late)
{
	for (uint32_t i = 0; i < p->driver->n_facts; i++) {
		const struct probed_fact *d = decl_of(p, i);
		size_t len = strlen(d->name);
		*late = NULL;
		if (!(d->flags & PROBED_FACT_FAMILY) && !strcmp(d->name, name))
			return i;
		*late = name + len + 1;
		if (d->flags & PROBED_FACT_FAMILY && !strncmp(d->name, name, len) && name[len] == '.')
			return i;
	}
	fail_msg("%s declares no fact \"%s\"", p->driver->name, name);
	return 0;
}

static const struct result_fact *nth(const struct fakehost_probe *p, const struct result *r, const char *name, size_t n)
{
	const char *late = NULL;
	uint32_t i = fact_index(p, name, &late), from = 0;
	const struct result_fact *f;
	do
		f = result_fact_find(r, i, late, &from);
	while (f && n--);
	return f;
}

const struct result_fact *fakehost_result_fact(const struct fakehost_probe *p, const struct result *r, const char *name)
{
	return nth(p, r, name, 0);
}

bool fakehost_has_fact(const struct fakehost_probe *p, const char *name)
{
	return nth(p, &p->result, name, 0) != NULL;
}

size_t fakehost_fact_count(const struct fakehost_probe *p, const char *name)
{
	size_t n = 0;
	while (nth(p, &p->result, name, n))
		n++;
	return n;
}

static const struct result_fact *must(const struct fakehost_probe *p, const char *name, size_t n)
{
	const struct result_fact *f = nth(p, &p->result, name, n);
	if (!f)
		fail_msg("the probe has no fact \"%s\" (number %zu); it ended %s %s \"%s\"", name, n,
		         outcome_name(p->result.outcome), reason_name(p->result.reason), fakehost_message(p));
	return f;
}

int64_t fakehost_fact_int_nth(const struct fakehost_probe *p, const char *name, size_t i)
{
	return must(p, name, i)->i;
}

const char *fakehost_fact_str_nth(const struct fakehost_probe *p, const char *name, size_t i)
{
	const char *s = result_string(&p->result, must(p, name, i)->s);
	return s ? s : "";
}

int64_t fakehost_fact_int(const struct fakehost_probe *p, const char *name)
{
	return fakehost_fact_int_nth(p, name, 0);
}

const char *fakehost_fact_str(const struct fakehost_probe *p, const char *name)
{
	return fakehost_fact_str_nth(p, name, 0);
}

double fakehost_fact_float(const struct fakehost_probe *p, const char *name)
{
	return must(p, name, 0)->f;
}

void fakehost_print(const struct fakehost_probe *p)
{
	const struct result *r = &p->result;
	fprintf(stderr, "# %s: %s %s \"%s\"\n", p->driver->name, p->completed ? outcome_name(r->outcome) : "not ended",
	        reason_name(r->reason), fakehost_message(p));
	for (uint32_t i = 0; i < PROBED_PHASES; i++)
		if (r->phase_ns[i] >= 0)
			fprintf(stderr, "#   phase %s %lld ns\n", phase_name(i), (long long)r->phase_ns[i]);
	for (uint32_t i = 0; i < r->n_facts; i++) {
		const struct result_fact *f = &r->facts[i];
		const char *late = result_string(r, f->name), *s = result_string(r, f->s);
		fprintf(stderr, "#   %s%s%s =", decl_of(p, f->fact)->name, late ? "." : "", late ? late : "");
		if (s)
			fprintf(stderr, " %s\n", s);
		else if (f->type == PROBED_TYPE_FLOAT)
			fprintf(stderr, " %g\n", f->f);
		else
			fprintf(stderr, " %lld\n", (long long)f->i);
	}
	for (size_t i = 0; i < p->n_subs; i++)
		fprintf(stderr, "#   sub-result %s: %s\n", result_string(&p->subs[i], p->subs[i].sub),
		        outcome_name(p->subs[i].outcome));
}
