/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - asks drivers, sinks and services themselves about what is new, in a child that probes nothing: what a plugin's tables
 * can't say (a bad dialogue, two options that exclude each other) is found before a configuration is taken over.
 */
#ifndef RUN_VERIFY_H
#define RUN_VERIFY_H

#include "base/errs.h"
#include "base/loop.h"
#include "config/model.h"

struct verify;

/* Checks what of `model` is not in `before` (may be NULL) just so. done() follows, never from inside
 * the call, with what was found added to errs. */
struct verify *verify_start(struct loop *loop, const struct model *model, const struct model *before, struct errs *errs,
                            void (*done)(void *ctx), void *ctx);
/* Frees it; before done() too. */
void verify_free(struct verify *v);

#endif
