/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonl.c - the sink `jsonl`: a line of JSON for each result and event, appended to a file or to standard output.
 *
 * Lines wait in a buffer that is written out when it is full, and each second. What can't be written stays in the
 * buffer and is tried again; while the buffer is full, further batches are refused (and counted by the host). A
 * file never keeps a part of a line that we wrote: after a short write it is cut back to the last whole one.
 */
#include <probed/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "line.h"

enum { OPT_PATH, OPT_BUFFER };

static const struct probed_option options[] = {
	[OPT_PATH] = { .name = "path", .type = PROBED_TYPE_STRING, .flags = PROBED_OPTION_REQUIRED,
	               .help = "The file to append to; - is the standard output." },
	[OPT_BUFFER] = { .name = "buffer", .type = PROBED_TYPE_SIZE, .def = "256KiB", .min = 4096, .max = 64 << 20,
	                 .help = "Bytes of lines that wait to be written, also while the disk is full." },
};

struct jsonl {
	char *path;
	int fd;
	int is_stdout;
	size_t limit;
	struct lines lines;
};

static const struct probed_host *host;

/* --- the file ---------------------------------------------------------------------------------- */

static int fail(const struct jsonl *j, const char *what, int err, char *error, uint64_t error_size)
{
	snprintf(error, error_size, "%s: %s: %s", j->path, what, strerror(err));
	return -1;
}

/* After a crash or a power cut the last line may lack its end: ours must not be glued to it. */
static void end_last_line(const struct jsonl *j, int fd)
{
	struct stat st;
	char last = '\n';
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
		return;
	int reading = open(j->path, O_RDONLY | O_CLOEXEC);
	if (reading < 0)
		return;
	if (pread(reading, &last, 1, st.st_size - 1) == 1 && last != '\n' && write(fd, "\n", 1) == 1)
		host->log(PROBED_LOG_WARNING, "%s: its last line had no end; new lines follow on a line of their own", j->path);
	close(reading);
}

static int open_file(struct jsonl *j, char *error, uint64_t error_size)
{
	/* non-blocking for the opening only: a FIFO without a reader is an error now, not a wait for ever */
	int fd = open(j->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (fd < 0 && errno == ENXIO) {
		snprintf(error, error_size, "%s: nobody reads this FIFO", j->path);
		return -1;
	}
	if (fd < 0)
		return fail(j, "cannot open", errno, error, error_size);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	end_last_line(j, fd);
	if (j->fd >= 0)
		close(j->fd);
	j->fd = fd;
	return 0;
}

/* All or, with errno, a part of the buffer. Returns how many bytes went out. */
static size_t write_bytes(struct jsonl *j, int *err)
{
	size_t sent = 0;
	*err = 0;
	while (sent < j->lines.len) {
		ssize_t n = write(j->fd, j->lines.data + sent, j->lines.len - sent);
		if (n >= 0) {
			sent += (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = { .fd = j->fd, .events = POLLOUT };
			poll(&p, 1, -1);
		} else if (errno != EINTR) {
			*err = errno;
			break;
		}
	}
	return sent;
}

/* Takes the last `part` bytes that we wrote off the file again. Only where it can be cut, and nobody else wrote. */
static int cut_back(const struct jsonl *j, size_t part)
{
	struct stat st;
	off_t end = lseek(j->fd, 0, SEEK_CUR);
	if (end < 0 || fstat(j->fd, &st) || !S_ISREG(st.st_mode) || st.st_size != end)
		return -1;
	return ftruncate(j->fd, end - (off_t)part);
}

static int write_out(struct jsonl *j, char *error, uint64_t error_size)
{
	int err;
	size_t sent = write_bytes(j, &err), whole = sent;
	while (err && whole && j->lines.data[whole - 1] != '\n')
		whole--;
	/* where the part can't be taken back, the rest of that line comes first next time */
	if (whole < sent && cut_back(j, sent - whole))
		whole = sent;
	lines_consume(&j->lines, whole);
	return err ? fail(j, "cannot write", err, error, error_size) : 0;
}

/* --- slots ------------------------------------------------------------------------------------- */

static void sink_close(void *sink)
{
	struct jsonl *j = sink;
	if (j->fd >= 0 && !j->is_stdout)
		close(j->fd);
	lines_free(&j->lines);
	free(j->path);
	free(j);
}

static int32_t sink_open(const struct probed_sink_args *args, int32_t check, void **sink, char *error,
                         uint64_t error_size)
{
	const struct probed_value *path = probed_sink_option(args, OPT_PATH);
	if (!path->s || !*path->s || path->s[path->len - 1] == '/') {
		snprintf(error, error_size, "path: expected the name of a file, or - for the standard output");
		return -1;
	}
	if (check)
		return 0;
	struct jsonl *j = calloc(1, sizeof *j);
	if (!j || !(j->path = strdup(path->s))) {
		free(j);
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	j->limit = (size_t)probed_sink_option(args, OPT_BUFFER)->i;
	j->is_stdout = !strcmp(j->path, "-");
	j->fd = j->is_stdout ? STDOUT_FILENO : -1;
	if (!j->is_stdout && open_file(j, error, error_size)) {
		sink_close(j);
		return -1;
	}
	*sink = j;
	return 0;
}

static int32_t sink_write(void *sink, uint32_t n, const struct probed_record *const *records, char *error,
                          uint64_t error_size)
{
	struct jsonl *j = sink;
	if (j->lines.len >= j->limit && write_out(j, error, error_size) && j->lines.len >= j->limit)
		return -1;
	size_t before = j->lines.len;
	for (uint32_t i = 0; i < n; i++)
		if (lines_add(&j->lines, records[i])) {
			j->lines.len = before;
			snprintf(error, error_size, "out of memory");
			return -1;
		}
	if (j->lines.len < j->limit)
		return 0;
	/* a failure here loses nothing yet: the next write, or flush, tells it */
	char ignored[256];
	write_out(j, ignored, sizeof ignored);
	return 0;
}

static int32_t sink_flush(void *sink, char *error, uint64_t error_size)
{
	return write_out(sink, error, error_size);
}

static int32_t sink_reopen(void *sink, char *error, uint64_t error_size)
{
	struct jsonl *j = sink;
	char ignored[256];
	if (j->is_stdout)
		return 0;
	/* what does not fit on the old file goes to the new one; if that can't be opened the old one stays */
	write_out(j, ignored, sizeof ignored);
	return open_file(j, error, error_size);
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return 0;
}

static const struct probed_sink sinks[] = {
	{
		.name = "jsonl",
		.summary = "Appends a line of JSON for each result and event to a file.",
		PROBED_TABLE(options, option, options),
		.open = sink_open,
		.write = sink_write,
		.flush = sink_flush,
		.reopen = sink_reopen,
		.close = sink_close,
	},
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "jsonl",
	.version = "0.1.0",
	.summary = "Results as JSON lines.",
	PROBED_TABLE(sinks, sink, sinks),
	.load = load,
};
