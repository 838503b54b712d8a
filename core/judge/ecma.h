/* SPDX-License-Identifier: Apache-2.0 */
/* ecma.h - regular expressions of ECMA-262 in its Unicode mode, which JSON Schema asks for, translated for PCRE2. Pure.
 */
#ifndef JUDGE_ECMA_H
#define JUDGE_ECMA_H

#include <stddef.h>

struct regex;

/* NULL with a line in `error`. $ is the very end; \uXXXX, \u{X}, \p{Letter} and \p{Script=Greek} are understood;
 * escapes of PCRE that ECMA does not know are refused. */
struct regex *ecma_compile(const char *pattern, size_t len, char *error, size_t size);

#endif
