/* SPDX-License-Identifier: Apache-2.0 */
/* unit.h - numbers with their units, as people write them: 250ms, 64KiB, 20/s. Pure. */
#ifndef BASE_UNIT_H
#define BASE_UNIT_H

#include <stddef.h>
#include <stdint.h>

/* Each: 0 and *out, or -1. The whole text must be used; surrounding blanks are not allowed. */
/* "1.5s", "250ms", "1h30m", "-3d": ns us ms s m h d w. "0" needs no unit. Nanoseconds. */
int unit_parse_duration(const char *text, int64_t *out);
/* "64KiB", "1MB", "512B": B KB MB GB TB (1000) KiB MiB GiB TiB (1024). "0" needs no unit. Bytes. */
int unit_parse_size(const char *text, int64_t *out);
int unit_parse_integer(const char *text, int64_t *out);
int unit_parse_float(const char *text, double *out);
/* "10%" or "0.1": a ratio. */
int unit_parse_ratio(const char *text, double *out);
/* yes/no true/false on/off 1/0 */
int unit_parse_boolean(const char *text, int64_t *out);

/* For people: "412 ms", "1.50 s", "14 d". Returns out. */
char *unit_format_duration(int64_t ns, char *out, size_t size);
/* "64 KiB". Returns out. */
char *unit_format_size(int64_t bytes, char *out, size_t size);

#endif
