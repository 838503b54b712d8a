/* SPDX-License-Identifier: Apache-2.0 */
/* print.h - values as a configuration file takes them. Pure. */
#ifndef CONFIG_PRINT_H
#define CONFIG_PRINT_H

#include <stdint.h>

#include "base/buf.h"

/* Appends "key = value" so that it is read back as it is: quoted or as a block where need be. */
void print_entry(struct buf *out, const char *key, const char *value);

/* The same, the key as wide as told; $ stays as it stands: ${NAME} is the environment's. */
void print_text(struct buf *out, int width, const char *key, const char *text);

/* An exact duration: "1500ms". Returns out. */
char *print_duration(int64_t ns, char *out, size_t size);

#endif
