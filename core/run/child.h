/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - one child process of the core: its pid, its channel, and the moment at which both have ended.
 */
#ifndef RUN_CHILD_H
#define RUN_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "run/channel.h"

struct child;

struct child_events {
	/* One frame of the child's. 0, or -1 where it is malformed: the child is then killed. */
	int (*frame)(void *owner, uint16_t type, struct cursor *c);
	/* The process has ended and all that it had written was delivered. `status` as of waitpid(2), `why` in
	 * words for people ("killed by signal 11 (Segmentation fault)"). The owner frees the child. */
	void (*gone)(void *owner, int status, const char *why);
};

/* Starts `probed --child=role`. out_max as for channel_new(); page_fd -1: none. NULL (errno) where the process
 * can't be made. */
struct child *child_start(struct loop *loop, const char *role, int page_fd, size_t out_max,
                          const struct child_events *events, void *owner);
/* Kills the process if it still runs, and reaps it. No further callback. */
void child_free(struct child *c);
/* SIGKILL; gone() follows. `why` is what gone() then says. */
void child_kill(struct child *c, const char *why);
/* Another owner hears of it from now on. */
void child_pass_on(struct child *c, const struct child_events *events, void *owner);
bool child_killed_by_us(const struct child *c);
/* Tells it of the log's level and form as they are now. */
void child_send_log_level(struct child *c);
struct channel *child_channel(struct child *c);
pid_t child_pid(const struct child *c);

/* "exited with status 3", "killed by signal 11 (Segmentation fault)" */
void child_describe_status(int status, char *out, size_t size);

#endif
