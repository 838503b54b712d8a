/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - see fault.h */
#include "plan/fault.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/unit.h"
#include "judge/result.h"
#include "plugin/table.h"

#define BIT(reason) (1u << (reason))
/* Not the peer's: said by the host of itself, of its rights or of its driver. */
#define OURS                                                                                                         \
	(BIT(PROBED_REASON_NONE) | BIT(PROBED_REASON_CRASHED) | BIT(PROBED_REASON_CANCELLED) | BIT(PROBED_REASON_OVERLOADED) | \
	 BIT(PROBED_REASON_PERMISSION) | BIT(PROBED_REASON_INTERNAL) | BIT(PROBED_REASON_EXPECTATION))
#define THEIRS (~OURS & (BIT(PROBED_REASONS) - 1))

struct fault_set fault_set_default(void)
{
	return (struct fault_set){ .reasons = THEIRS, .overload = true };
}

static int word_unknown(const char *word, char *error, size_t size)
{
	const char *known[PROBED_REASONS + 3] = { "error", "fail", "overload" };
	size_t n = 3;
	for (uint32_t i = 0; i < PROBED_REASONS; i++)
		if (THEIRS & BIT(i))
			known[n++] = reason_name(i);
	const char *near = str_nearest(word, known, n);
	snprintf(error, size, "\"%s\" is neither a status nor a reason%s%s%s: expected numbers and words of error, fail, overload, "
		 "refused, timeout, reset, tls and the other reasons", word, near ? " (did you mean " : "", near ? near : "",
		 near ? "?)" : "");
	return -1;
}

static int word_add(struct fault_set *set, const char *word, char *error, size_t size)
{
	int64_t status;
	if (!unit_parse_integer(word, &status)) {
		if (set->n_statuses == FAULT_STATUSES) {
			snprintf(error, size, "more than %d statuses", FAULT_STATUSES);
			return -1;
		}
		set->statuses[set->n_statuses++] = status;
		return 0;
	}
	if (!strcmp(word, "error"))
		set->reasons |= THEIRS;
	else if (!strcmp(word, "fail"))
		set->fail = true;
	else if (!strcmp(word, "overload"))
		set->overload = true;
	else {
		uint32_t i = 0;
		while (i < PROBED_REASONS && (!(THEIRS & BIT(i)) || strcmp(reason_name(i), word) != 0))
			i++;
		if (i == PROBED_REASONS)
			return word_unknown(word, error, size);
		set->reasons |= BIT(i);
	}
	return 0;
}

int fault_set_parse(const char *text, struct fault_set *set, char *error, size_t size)
{
	struct fault_set s = { 0 };
	char word[32];
	const char *p = text + strspn(text, " \t");
	if (!*p) {
		snprintf(error, size, "nothing follows \"on\": expected statuses and reasons, as in on 429 503 error");
		return -1;
	}
	while (*p) {
		size_t len = strcspn(p, " \t");
		snprintf(word, sizeof word, "%.*s", (int)len, p);
		if (word_add(&s, word, error, size))
			return -1;
		p += len + strspn(p + len, " \t");
	}
	*set = s;
	return 0;
}

static bool status_matches(const struct fault_set *set, const struct result_fact *f)
{
	if (f->type != PROBED_TYPE_INTEGER)
		return false;
	for (uint32_t i = 0; i < set->n_statuses; i++)
		if (set->statuses[i] == f->i)
			return true;
	return false;
}

/* An index that the table does not have (a driver changed meanwhile) plays no role. */
static uint32_t role_of(const struct driver_table *driver, const struct result_fact *f)
{
	return f->fact < driver->n_facts ? driver->facts[f->fact].role : PROBED_ROLE_NONE;
}

enum fault fault_judge(const struct fault_set *set, const struct driver_table *driver, const struct result *r)
{
	if (r->outcome == PROBED_UNKNOWN || r->outcome >= PROBED_OUTCOMES)
		return FAULT_UNSAID;
	for (uint32_t i = 0; i < r->n_facts; i++) {
		uint32_t role = role_of(driver, &r->facts[i]);
		if ((role == PROBED_ROLE_OVERLOAD && set->overload && r->facts[i].i) ||
		    (role == PROBED_ROLE_STATUS && status_matches(set, &r->facts[i])))
			return FAULT_BAD;
	}
	uint32_t reason = r->reason < PROBED_REASONS ? r->reason : PROBED_REASON_OTHER;
	if (r->outcome == PROBED_ERROR) {
		if (set->reasons & BIT(reason))
			return FAULT_BAD;
		return OURS & BIT(reason) ? FAULT_UNSAID : FAULT_NONE;
	}
	return r->outcome == PROBED_FAIL && set->fail ? FAULT_BAD : FAULT_NONE;
}

int64_t fault_wait_ns(const struct driver_table *driver, const struct result *r)
{
	int64_t after = 0, reset = 0;
	bool none_left = false;
	for (uint32_t i = 0; i < r->n_facts; i++) {
		const struct result_fact *f = &r->facts[i];
		switch (role_of(driver, f)) {
		case PROBED_ROLE_RETRY_AFTER:
			after = f->i;
			break;
		case PROBED_ROLE_QUOTA_LEFT:
			none_left = f->i <= 0;
			break;
		case PROBED_ROLE_QUOTA_RESET:
			reset = f->i;
			break;
		default:
			break;
		}
	}
	int64_t wait = none_left && reset > after ? reset : after;
	return wait < 0 ? 0 : wait > FAULT_WAIT_MAX_NS ? FAULT_WAIT_MAX_NS : wait;
}
