/* SPDX-License-Identifier: Apache-2.0 */
/* outfile.c - see outfile.h: opening, the buffer, and writing whole records. */
#include "outfile_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define PACK_FLUSH_NS (200 * NS_PER_MS) /* of compressing, in each second */
#define PACK_CLOSE_NS (1000 * NS_PER_MS)
#define ROTATE_AGAIN_NS (10000 * NS_PER_MS) /* after a failure */

static int fail(const struct outfile *o, const char *what, int err, char *error, uint64_t error_size)
{
	snprintf(error, error_size, "%s: %s: %s", o->path, what, strerror(err));
	return -1;
}

/* --- opening ----------------------------------------------------------------------------------- */

/* Does the file end inside quotes? */
static int open_quote(int fd)
{
	char piece[65536];
	int open = 0;
	off_t at = 0;
	for (ssize_t n; (n = pread(fd, piece, sizeof piece, at)) > 0; at += n)
		for (ssize_t i = 0; i < n; i++)
			open ^= piece[i] == '"';
	return open;
}

/* After a crash or a power cut the last record may lack its end: ours must not be glued to it. */
static void end_last_record(const struct outfile *o, int fd, uint64_t size)
{
	char last = '\n', end[3];
	int reading = open(o->path, O_RDONLY | O_CLOEXEC);
	if (reading < 0)
		return;
	int quote = o->quoted && open_quote(reading);
	if (pread(reading, &last, 1, (off_t)size - 1) == 1 && (last != '\n' || quote)) {
		int n = snprintf(end, sizeof end, "%s\n", quote ? "\"" : "");
		if (write(fd, end, (size_t)n) == n)
			o->host->log(PROBED_LOG_WARNING,
				     "%s: its last line had no end; new lines follow on a line of their own", o->path);
	}
	close(reading);
}

/* Does the file begin as ours do? */
static int same_header(const struct outfile *o)
{
	size_t n = strlen(o->header);
	char *start = malloc(n);
	int fd = open(o->path, O_RDONLY | O_CLOEXEC);
	int same = start && fd >= 0 && pread(fd, start, n, 0) == (ssize_t)n && !memcmp(start, o->header, n);
	if (fd >= 0)
		close(fd);
	free(start);
	return same;
}

static int open_path(const struct outfile *o, int truncate, struct stat *st, char *error, uint64_t error_size)
{
	/* non-blocking for the opening only: a FIFO without a reader is an error now, not a wait for ever */
	int fd =
	    open(o->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (truncate ? O_TRUNC : 0),
		 0640);
	if (fd < 0 && errno == ENXIO) {
		snprintf(error, error_size, "%s: nobody reads this FIFO", o->path);
		return -1;
	}
	if (fd < 0)
		return fail(o, "cannot open", errno, error, error_size);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	if (fstat(fd, st)) {
		fail(o, "cannot open", errno, error, error_size);
		close(fd);
		return -1;
	}
	return fd;
}

static void take_file(struct outfile *o, int fd, const struct stat *st)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = fd;
	o->dev = st->st_dev;
	o->ino = st->st_ino;
	o->regular = S_ISREG(st->st_mode);
	o->size = o->regular ? (uint64_t)st->st_size : 0;
	o->headed = o->size > 0;
	o->period = outfile_period(o, o->size ? st->st_mtim.tv_sec * INT64_C(1000000000) : o->host->wall());
}

static int open_file(struct outfile *o, int truncate, char *error, uint64_t error_size)
{
	struct stat st;
	int fd = open_path(o, truncate, &st, error, error_size);
	if (fd < 0)
		return -1;
	if (o->fd >= 0 && st.st_dev == o->dev && st.st_ino == o->ino) {
		close(fd);
		o->size = o->regular ? (uint64_t)st.st_size : 0;
		return 0;
	}
	if (S_ISREG(st.st_mode) && st.st_size && o->header && !same_header(o)) {
		close(fd);
		if (outfile_put_aside(o))
			return fail(o, "has other columns and cannot be put aside", errno, error, error_size);
		o->host->log(PROBED_LOG_INFO, "%s: had other columns; it was put aside, and a new file is begun",
			     o->path);
		fd = open_path(o, 0, &st, error, error_size);
		if (fd < 0)
			return -1;
	}
	if (S_ISREG(st.st_mode) && st.st_size) {
		end_last_record(o, fd, (uint64_t)st.st_size);
		struct timespec changed = st.st_mtim;
		fstat(fd, &st);
		st.st_mtim = changed;
	}
	take_file(o, fd, &st);
	return 0;
}

/* --- writing ----------------------------------------------------------------------------------- */

/* All or, with errno, a part. Returns how many bytes went out. */
static size_t write_bytes(const struct outfile *o, const char *data, size_t n, int *err)
{
	size_t sent = 0;
	*err = 0;
	while (sent < n) {
		ssize_t now = write(o->fd, data + sent, n - sent);
		if (now >= 0) {
			sent += (size_t)now;
		} else if (errno == EAGAIN) {
			struct pollfd p = { .fd = o->fd, .events = POLLOUT };
			poll(&p, 1, -1);
		} else if (errno != EINTR) {
			*err = errno;
			break;
		}
	}
	return sent;
}

/* Takes the last `part` bytes that we wrote off the file again. Only where it can be cut, and nobody else wrote. */
static int cut_back(const struct outfile *o, size_t part)
{
	struct stat st;
	off_t end = lseek(o->fd, 0, SEEK_CUR);
	if (end < 0 || fstat(o->fd, &st) || !S_ISREG(st.st_mode) || st.st_size != end)
		return -1;
	return ftruncate(o->fd, end - (off_t)part);
}

static void consume(struct outfile *o, size_t n)
{
	size_t gone = 0;
	while (gone < o->n_ends && o->ends[gone] <= n)
		gone++;
	for (size_t i = gone; i < o->n_ends; i++)
		o->ends[i - gone] = o->ends[i] - n;
	o->n_ends -= gone;
	text_consume(&o->text, n);
	o->size += n;
}

static size_t whole_records(const struct outfile *o, size_t bytes)
{
	size_t whole = 0;
	for (size_t i = 0; i < o->n_ends && o->ends[i] <= bytes; i++)
		whole = o->ends[i];
	return whole;
}

/* Writes the first n bytes of the buffer, which are whole records. */
static int write_records(struct outfile *o, size_t n, char *error, uint64_t error_size)
{
	int err;
	size_t sent = write_bytes(o, o->text.data, n, &err), whole = err ? whole_records(o, sent) : sent;
	/* where the part can't be taken back, the rest of that record comes first next time */
	if (whole < sent && cut_back(o, sent - whole))
		whole = sent;
	consume(o, whole);
	return err ? fail(o, "cannot write", err, error, error_size) : 0;
}

static int write_header(struct outfile *o, char *error, uint64_t error_size)
{
	int err;
	size_t n = strlen(o->header), sent = write_bytes(o, o->header, n, &err);
	if (err) {
		if (sent && cut_back(o, sent))
			o->headed = 1; /* half of it is out for good: a second one would not help */
		return fail(o, "cannot write", err, error, error_size);
	}
	o->headed = 1;
	o->size += n;
	return 0;
}

static void rotate(struct outfile *o)
{
	if (outfile_put_aside(o)) {
		/* nothing is lost: the file gets longer than it should */
		o->host->log(PROBED_LOG_WARNING, "%s: cannot be put aside: %s; goes on in the same file", o->path,
			     strerror(errno));
		o->retry_ns = o->host->now() + ROTATE_AGAIN_NS;
		return;
	}
	close(o->fd);
	o->fd = -1;
}

/* How many bytes, in whole records, go to this file before the next one is begun; one record at least. */
static size_t portion(const struct outfile *o)
{
	size_t n = o->text.len;
	if (o->rotate_bytes && o->regular && o->host->now() >= o->retry_ns) {
		n = whole_records(o, o->size < o->rotate_bytes ? o->rotate_bytes - o->size : 0);
		if (!n)
			n = o->ends[0];
	}
	return n;
}

static int write_out(struct outfile *o, char *error, uint64_t error_size)
{
	while (o->n_ends) {
		if (o->fd >= 0 && outfile_due(o, o->ends[0]))
			rotate(o);
		else if (outfile_empty(o))
			o->period = outfile_period(o, o->host->wall());
		if (o->fd < 0 && open_file(o, 0, error, error_size))
			return -1;
		if (o->header && !o->headed && write_header(o, error, error_size))
			return -1;
		if (write_records(o, portion(o), error, error_size))
			return -1;
	}
	return 0;
}

/* --- for the sink ------------------------------------------------------------------------------ */

static int every(const struct probed_sink_args *args, uint32_t base, int64_t *ns)
{
	const struct probed_value *v = probed_sink_option(args, base + OUTFILE_ROTATE_EVERY);
	*ns = 0;
	return v->s && *v->s ? outfile_parse_every(v->s, ns) : 0;
}

int outfile_check(const struct probed_sink_args *args, uint32_t base, char *error, uint64_t error_size)
{
	const struct probed_value *path = probed_sink_option(args, base + OUTFILE_PATH);
	int64_t ns;
	if (!path->s || !*path->s || path->s[path->len - 1] == '/' || path->len > OUTFILE_NAME_MAX - 64) {
		snprintf(error, error_size, "path: expected the name of a file, or - for the standard output");
		return -1;
	}
	if (every(args, base, &ns)) {
		snprintf(error, error_size,
			 "rotate_every: expected hourly, daily, or a duration in whole s, m, h, d or w, such as 6h");
		return -1;
	}
	if (!strcmp(path->s, "-") && (ns || probed_sink_option(args, base + OUTFILE_ROTATE_SIZE)->i)) {
		snprintf(error, error_size,
			 "path: the standard output can't be rotated; leave out rotate_size and rotate_every");
		return -1;
	}
	return 0;
}

void outfile_close(struct outfile *o)
{
	if (o->fd >= 0 && !o->is_stdout) {
		outfile_pack(o, PACK_CLOSE_NS);
		close(o->fd);
	}
	outfile_pack_stop(o);
	text_free(&o->text);
	free(o->ends);
	free(o->header);
	free(o->path);
	free(o);
}

struct outfile *outfile_open(const struct probed_host *host, const struct probed_sink_args *args, uint32_t base,
			     const struct outfile_format *format, char *error, uint64_t error_size)
{
	struct outfile *o = calloc(1, sizeof *o);
	if (!o || !(o->path = strdup(probed_sink_option(args, base + OUTFILE_PATH)->s)) ||
	    (format->header && !(o->header = strdup(format->header)))) {
		free(o ? o->path : NULL);
		free(o);
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	o->host = host;
	o->quoted = format->quoted;
	o->limit = (size_t)probed_sink_option(args, base + OUTFILE_BUFFER)->i;
	o->rotate_bytes = (uint64_t)probed_sink_option(args, base + OUTFILE_ROTATE_SIZE)->i;
	every(args, base, &o->rotate_ns);
	o->keep = (uint32_t)probed_sink_option(args, base + OUTFILE_KEEP)->i;
	o->compress = !strcmp(probed_sink_option(args, base + OUTFILE_COMPRESS)->s, "zstd");
	o->is_stdout = !strcmp(o->path, "-");
	o->fd = o->is_stdout ? STDOUT_FILENO : -1;
	/* what an earlier life left is compressed, but only where there is rotation at all */
	o->pack_wanted = o->compress && (o->rotate_bytes || o->rotate_ns);
	if (!o->is_stdout &&
	    open_file(o, !strcmp(probed_sink_option(args, base + OUTFILE_MODE)->s, "truncate"), error, error_size)) {
		outfile_close(o);
		return NULL;
	}
	return o;
}

static int mark_end(struct outfile *o)
{
	if (o->n_ends == o->cap_ends) {
		size_t cap = o->cap_ends ? o->cap_ends * 2 : 256;
		size_t *ends = realloc(o->ends, cap * sizeof *ends);
		if (!ends)
			return -1;
		o->ends = ends;
		o->cap_ends = cap;
	}
	o->ends[o->n_ends++] = o->text.len;
	return 0;
}

int outfile_write(struct outfile *o, uint32_t n, const struct probed_record *const *records,
		  void (*add)(void *ctx, struct text *t, const struct probed_record *r), void *ctx, char *error,
		  uint64_t error_size)
{
	if (o->text.len >= o->limit && write_out(o, error, error_size) && o->text.len >= o->limit)
		return -1;
	size_t before = o->text.len, n_before = o->n_ends;
	for (uint32_t i = 0; i < n; i++) {
		size_t begin = o->text.len;
		add(ctx, &o->text, records[i]);
		if (o->text.failed || (o->text.len > begin && mark_end(o))) {
			o->text.failed = 0;
			o->text.len = before;
			o->n_ends = n_before;
			snprintf(error, error_size, "out of memory");
			return -1;
		}
	}
	/* a failure here loses nothing yet: the next write, or flush, tells it */
	char ignored[256];
	if (o->text.len >= o->limit)
		write_out(o, ignored, sizeof ignored);
	return 0;
}

int outfile_flush(struct outfile *o, char *error, uint64_t error_size)
{
	int rc = write_out(o, error, error_size);
	if (!o->is_stdout)
		outfile_pack(o, PACK_FLUSH_NS);
	return rc;
}

int outfile_reopen(struct outfile *o, char *error, uint64_t error_size)
{
	char ignored[256];
	if (o->is_stdout)
		return 0;
	/* what does not fit on the old file goes to the new one; if that can't be opened the old one stays */
	write_out(o, ignored, sizeof ignored);
	return open_file(o, 0, error, error_size);
}
