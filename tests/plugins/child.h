/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - a server as a child process of a test: it runs in a folder of its own, dies with the test, and is
 * waited for by what it prints. Failures abort the test program with a line on stderr.
 */
#ifndef TEST_CHILD_H
#define TEST_CHILD_H

#include <stdint.h>
#include <sys/types.h>

struct child {
	pid_t pid;
	int out; /* its stdout and stderr */
	char dir[64];
};

/* Makes the folder; child_write() then fills it. */
void child_init(struct child *c);
void child_write(const struct child *c, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Runs argv (found by PATH, and in /usr/sbin) in the folder. */
void child_exec(struct child *c, const char *const *argv);
/* Runs fn in a fork; what it returns is the exit status. */
void child_fork(struct child *c, int (*fn)(void *arg), void *arg);
/* Reads on until the text was printed; 0, or -1 where the child ended or 20 seconds went by before it. */
int child_wait_for(struct child *c, const char *text);
/* Kills it, waits for it and removes the folder. */
void child_free(struct child *c);
/* A port that is free over UDP and TCP, in IPv4 and IPv6. */
uint16_t free_port(void);

#endif
