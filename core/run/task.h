/* SPDX-License-Identifier: Apache-2.0 */
/* task.h - a piece of long pure work on a thread of its own, so that the loop goes on turning. */
#ifndef RUN_TASK_H
#define RUN_TASK_H

#include "base/loop.h"

struct task;

/* Runs work(ctx) on a thread, then done(ctx) on the loop. */
struct task *task_start(struct loop *loop, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx);
/* Waits for the work to end; done() is not called any more. After done() the task is gone by itself. */
void task_abandon(struct task *t);

#endif
