/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.h - starts a child: our own program again, as `probed --child=ROLE`. One thread.
 */
#ifndef RUN_SPAWN_H
#define RUN_SPAWN_H

#include <sys/types.h>

/* The child has channel_fd as CHILD_CHANNEL_FD and page_fd (-1: none) as CHILD_PAGE_FD, /dev/null as stdin, our
 * stderr as its stderr and (but for the recorder, whose sinks may write there) its stdout, and no other descriptor;
 * default signal handlers and an empty mask; it is killed when we die. The descriptors stay the caller's. The pid, or
 * -1 with errno. */
pid_t spawn_child(const char *role, int channel_fd, int page_fd);

/* Both ends close-on-exec, ours (fds[0]) non-blocking. 0, or -1 with errno. */
int spawn_socketpair(int fds[2]);

/* The program that is started instead of ourselves; NULL: ourselves. For tests, which are programs of their own. */
void spawn_set_program(const char *path);

#endif
