/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.c - see spawn.h */
#include "run/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "run/wire.h"

#define EXIT_NO_EXEC 127

static const char *program;

void spawn_set_program(const char *path)
{
	program = path;
}

int spawn_socketpair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -1;
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	return 0;
}

static void reset_signals(void)
{
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Between fork and exec: only what is async-signal-safe. */
static _Noreturn void become(char *const argv[], pid_t parent, int channel_fd, int page_fd, bool keep_stdout)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_NO_EXEC); /* the parent died before prctl() */
	reset_signals();

	int null = open("/dev/null", O_RDWR);
	/* out of the way first: either may stand where the other has to go */
	int channel = fcntl(channel_fd, F_DUPFD_CLOEXEC, 16);
	int page = page_fd < 0 ? -1 : fcntl(page_fd, F_DUPFD_CLOEXEC, 16);
	if (null < 0 || channel < 0 || (page_fd >= 0 && page < 0))
		_exit(EXIT_NO_EXEC);
	if (fcntl(STDERR_FILENO, F_GETFD) < 0)
		dup2(null, STDERR_FILENO);
	dup2(null, STDIN_FILENO);
	if (!keep_stdout)
		dup2(STDERR_FILENO,
		     STDOUT_FILENO); /* our stdout is for results: nothing of a driver's may land there */
	dup2(channel, CHILD_CHANNEL_FD);
	if (page >= 0)
		dup2(page, CHILD_PAGE_FD);
	else
		close(CHILD_PAGE_FD);
	close_range(CHILD_PAGE_FD + 1, ~0u, 0);
	execv(program ? program : "/proc/self/exe", argv);
	_exit(EXIT_NO_EXEC);
}

pid_t spawn_child(const char *role, int channel_fd, int page_fd)
{
	CLEANUP_FREE char *child = xasprintf("--child=%s", role);
	char name[] = "probed";
	char *argv[] = { name, child, NULL };
	pid_t parent = getpid();

	/* a signal of ours must not be handled by the child with our handlers */
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		become(argv, parent, channel_fd, page_fd, !strcmp(role, "recorder"));
	int saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}
