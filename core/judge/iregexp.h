/* SPDX-License-Identifier: Apache-2.0 */
/* iregexp.h - I-Regexp (RFC 9485), translated for PCRE2. Pure. */
#ifndef JUDGE_IREGEXP_H
#define JUDGE_IREGEXP_H

#include <stdbool.h>
#include <stddef.h>

struct regex;

/* NULL where it is none. `whole`: it has to match all of the subject. Beyond the RFC, ^ $ \d \w and \s mean what they
 * mean elsewhere. */
struct regex *iregexp_compile(const char *pattern, size_t len, bool whole);

#endif
