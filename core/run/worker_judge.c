/* SPDX-License-Identifier: Apache-2.0 */
/* worker_judge.c - a target's expectations held against a result. */
#include "run/worker_flow.h"

#include <stdio.h>
#include <string.h>

/* The body's hash as hex, NULL where nobody asked; made once. */
static const char *body_hash(struct probed_probe *p)
{
	struct work *k = p->work;
	char *out = k->hex;
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (!p->inst->want_hash)
		return NULL;
	if (out[0])
		return out;
	if (!k->body_bytes)
		EVP_Digest("", 0, md, &n, p->drv->worker->sha256, NULL);
	else if (!EVP_DigestFinal_ex(k->hash, md, &n))
		return NULL;
	for (unsigned i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", md[i]);
	return out;
}

static bool has_fact(const struct result *r, const struct judged *j)
{
	return j->fact >= 0 && result_fact_find(r, (uint32_t)j->fact, j->late, NULL);
}

/* What was judged on a sub-result, and stands in no fact of the probe's own, is not asked again. */
static bool applies(const struct probed_probe *p, const struct result *r, uint32_t i, bool sub)
{
	const struct judged *j = p->inst->judged[i];
	if (has_fact(r, j))
		return true;
	return !sub && !(i < 64 && (p->work->judged_in_sub >> i & 1));
}

static struct evidence evidence_of(struct probed_probe *p, const struct result *r, bool sub)
{
	struct work *k = p->work;
	return (struct evidence){
		.driver = p->drv->table, .result = r, .body = sub || !k->body.len ? "" : k->body.data, .body_len = sub ? 0 : k->body.len,
		.body_bytes = sub ? 0 : k->body_bytes, .body_sha256 = sub ? NULL : body_hash(p),
	};
}

void result_settle(struct result *r)
{
	if (!r->n_failed || r->outcome != PROBED_OK)
		return;
	const struct result_failed *first = &r->failed[0];
	char message[500];
	int n = snprintf(message, sizeof message, "%s: %s", result_string(r, first->label), result_string(r, first->message));
	r->outcome = PROBED_FAIL;
	r->reason = PROBED_REASON_EXPECTATION;
	r->message = result_put_string(r, message, n < (int)sizeof message ? (size_t)n : sizeof message - 1);
}

void probe_judge(struct probed_probe *p, struct result *r, bool sub)
{
	if (r->outcome != PROBED_OK || !p->inst->n_judged)
		return;
	char why[400];
	struct evidence evidence = evidence_of(p, r, sub);
	for (uint32_t i = 0; i < p->inst->n_judged; i++) {
		const struct judged *j = p->inst->judged[i];
		if (!applies(p, r, i, sub))
			continue;
		if (sub && i < 64)
			p->work->judged_in_sub |= UINT64_C(1) << i;
		if (!expectation_holds(j->expectation, &evidence, why, sizeof why))
			result_fail(r, j->label, why);
	}
	result_settle(r);
}

void probe_capture(struct probed_probe *p, struct result *r)
{
	if (r->outcome != PROBED_OK || !p->inst->n_captures)
		return;
	char label[280], why[400];
	CLEANUP_BUF struct buf value = { 0 };
	struct evidence evidence = evidence_of(p, r, false);
	for (uint32_t i = 0; i < p->inst->n_captures; i++) {
		const struct captured *c = &p->inst->captures[i];
		bool there = !capture_run(c->capture, &evidence, &value, why, sizeof why);
		if (there && !vars_set(p->user->vars, c->name, value.len ? value.data : "", value.len))
			continue;
		if (there)
			snprintf(why, sizeof why, "its value is longer than %d bytes, or the user has more than %d variables", VARS_VALUE_MAX, VARS_MAX);
		snprintf(label, sizeof label, "capture %s", c->name);
		result_fail(r, label, why);
	}
	result_settle(r);
}
