/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspector.h - the child that loads each plugin once and hands back its tables, and the core's side of it. A plugin
 * that kills the child, or never returns, is refused with the reason; another child goes on with the others.
 */
#ifndef PLUGIN_INSPECTOR_H
#define PLUGIN_INSPECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "plugin/table.h"

#define INSPECTION_TIMEOUT_NS INT64_C(5000000000) /* for one plugin */

/* The child: reads HELLO from the channel, answers an INSPECTED for each path, in order. Its exit status. */
int inspector_main(int channel_fd);

/* One thread, that of the loop. */
struct inspection;

/* Looks at all plugins in these folders (n 0: the default ones) without holding up the loop. `cache_dir` NULL: no
 * cache. done() is called once, from the loop, with a reference of its own to the registry; then the inspection is
 * gone. The owner of the process must leave children that it did not start to their own waitpid(). */
struct inspection *inspection_start(struct loop *loop, const char *const *folders, size_t n, const char *cache_dir,
				    void (*done)(void *ctx, struct registry *r), void *ctx);
/* Ends it without done(). */
void inspection_cancel(struct inspection *in);
/* Another time limit for each plugin than INSPECTION_TIMEOUT_NS. */
void inspection_set_timeout(struct inspection *in, int64_t ns);

/* The same while the caller waits: for commands. */
struct registry *inspect(const char *const *folders, size_t n, const char *cache_dir);

#endif
