/* SPDX-License-Identifier: Apache-2.0 */
/* check_command.c - --check-plugin: runs the check in a child, and tells people how it goes. See commands.h */
#include "plugin/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "plugin/check.h"

#define SILENCE_MS 10000 /* no step takes so long */

struct tally {
	char step[200]; /* begun and not ended; empty: none */
	unsigned passed, failed, skipped;
	FILE *to;
};

static _Noreturn void child(const char *path, int fd)
{
	const struct rlimit none = { 0, 0 };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGPIPE, SIG_IGN);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	close(null);
	dup2(STDERR_FILENO, STDOUT_FILENO); /* nothing that the plugin prints gets between the lines of the report */
	FILE *report = fdopen(fd, "w");
	if (!report)
		_exit(1);
	check_run(path, report);
	fflush(report); /* stays open to the very end, so that a process that does not end is seen */
	exit(0);
}

static void say(struct tally *t, const char *how, const char *step, const char *remark)
{
	fprintf(t->to, "%s  %s%s%s\n", how, step, *remark ? ": " : "", remark);
	fflush(t->to);
}

static void take_line(struct tally *t, char *line)
{
	char *tab = strchr(line, '\t');
	if (!tab)
		return;
	*tab = '\0';
	const char *step = line + 1, *remark = tab + 1;
	if (line[0] == 'b') {
		snprintf(t->step, sizeof t->step, "%s", step);
		return;
	}
	t->step[0] = '\0';
	switch (line[0]) {
	case 'p':
		t->passed++;
		say(t, "pass", step, remark);
		break;
	case 's':
		t->skipped++;
		say(t, "skip", step, remark);
		break;
	default:
		t->failed++;
		say(t, "FAIL", step, remark);
	}
}

/* Reads the report to its end. False: the child fell silent. */
static bool follow(struct tally *t, int fd)
{
	CLEANUP_BUF struct buf b = { 0 };
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ready = poll(&p, 1, SILENCE_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		ssize_t n = read(fd, buf_reserve(&b, 4096), 4096);
		if (n <= 0)
			return true;
		b.len += (size_t)n;
		char *end;
		while ((end = memchr(b.data, '\n', b.len))) {
			*end = '\0';
			take_line(t, b.data);
			buf_consume(&b, (size_t)(end + 1 - b.data));
		}
	}
}

static void judge_end(struct tally *t, int status, bool answered)
{
	char why[120];
	bool clean = WIFEXITED(status) && !WEXITSTATUS(status);
	const char *step = t->step[0] ? t->step : "the process ends";
	if (!answered)
		snprintf(why, sizeof why, "does not return within %d s", SILENCE_MS / 1000);
	else if (WIFSIGNALED(status))
		snprintf(why, sizeof why, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(why, sizeof why, "ended the process with exit status %d", WEXITSTATUS(status));
	/* the last step is begun and not ended where all went well */
	if (answered && clean && (!t->step[0] || !strcmp(step, "the process ends")))
		return;
	t->failed++;
	say(t, "FAIL", step, why);
}

int cmd_check_plugin(const char *path, FILE *to)
{
	CLEANUP_FREE char *real = realpath(path, NULL);
	struct tally t = { .to = to };
	int fds[2];
	if (!real) {
		fprintf(stderr, "probed: %s: %s\n", path, strerror(errno));
		return 1;
	}
	if (pipe2(fds, O_CLOEXEC)) {
		fprintf(stderr, "probed: no pipe: %s\n", strerror(errno));
		return 1;
	}
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0) {
		fprintf(stderr, "probed: no child process: %s\n", strerror(errno));
		return 1;
	}
	if (pid == 0) {
		close(fds[0]);
		child(real, fds[1]);
	}
	close(fds[1]);
	bool answered = follow(&t, fds[0]);
	close(fds[0]);
	int status = 0;
	if (!answered)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	judge_end(&t, status, answered);
	fprintf(to, "%s: %s: %u passed, %u failed, %u skipped\n", path, t.failed ? "does not behave" : "behaves",
		t.passed, t.failed, t.skipped);
	return t.failed ? 1 : 0;
}
