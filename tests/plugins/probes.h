/* SPDX-License-Identifier: Apache-2.0 */
/* probes.h - probes of drivers under test: run to their end, and what is expected of it. For cmocka programs. */
#ifndef PROBES_H
#define PROBES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those above */
#include <cmocka.h>
#include <string.h>

#include "fakehost/fakehost.h"

#define PROBES_SECOND INT64_C(1000000000)
/* "name", "value", ... as fakehost_probe() wants them. */
#define PAIRS(...) ((const char *[]){ __VA_ARGS__, NULL })

static inline struct fakehost_probe *probe_run(struct fakehost *fh, const char *driver, const char *const *pairs)
{
	struct fakehost_probe *p = fakehost_probe(fh, driver, pairs, 5 * PROBES_SECOND);
	if (!fakehost_run_until_done(p, 10))
		fail_msg("the probe does not end");
	return p;
}

static inline void expect_error(const struct fakehost_probe *p, uint32_t reason, const char *text)
{
	if (fakehost_outcome(p) != PROBED_ERROR || fakehost_reason(p) != reason || !strstr(fakehost_message(p), text)) {
		fakehost_print(p);
		fail_msg("expected an error of reason %u with \"%s\"", reason, text);
	}
}

static inline void expect_ok(const struct fakehost_probe *p)
{
	if (fakehost_outcome(p) != PROBED_OK || *fakehost_message(p)) {
		fakehost_print(p);
		fail_msg("expected ok");
	}
}

#endif
