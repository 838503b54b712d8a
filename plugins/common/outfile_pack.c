/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile_pack.c - old files are compressed a piece at a time, so that the sink's queue is never held up for long. The
 * compressed file takes its name only when it is whole, and only then the plain one goes: whenever we are stopped, one
 * whole file is there.
 */
#include "outfile_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define PIECE 65536
#define AGAIN_NS INT64_C(60000000000) /* after a failure */

struct outfile_pack {
	char plain[OUTFILE_NAME_MAX], partial[OUTFILE_NAME_MAX], packed[OUTFILE_NAME_MAX];
	int in, out;
	ZSTD_CCtx *zstd;
	char from[PIECE], to[PIECE];
};

void outfile_pack_stop(struct outfile *o)
{
	struct outfile_pack *p = o->pack;
	if (!p)
		return;
	if (p->in >= 0)
		close(p->in);
	if (p->out >= 0) {
		close(p->out);
		unlink(p->partial);
	}
	ZSTD_freeCCtx(p->zstd);
	free(p);
	o->pack = NULL;
}

static void give_up(struct outfile *o, const char *why)
{
	o->host->log(PROBED_LOG_WARNING, "%s: cannot be compressed: %s", o->pack->plain, why);
	outfile_pack_stop(o);
	o->pack_at_ns = o->host->now() + AGAIN_NS;
}

static int begin(struct outfile *o, const char *stamp)
{
	struct stat st;
	struct outfile_pack *p = calloc(1, sizeof *p);
	if (!p)
		return -1;
	o->pack = p;
	p->out = -1;
	outfile_old_path(o, stamp, "", p->plain);
	outfile_old_path(o, stamp, OUTFILE_PARTIAL, p->partial);
	outfile_old_path(o, stamp, OUTFILE_PACKED, p->packed);
	p->in = open(p->plain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (p->in < 0 || fstat(p->in, &st)) {
		give_up(o, strerror(errno));
		return -1;
	}
	unlink(p->partial); /* of an earlier life */
	p->out = open(p->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, st.st_mode & 0777);
	p->zstd = ZSTD_createCCtx();
	if (p->out < 0 || !p->zstd) {
		give_up(o, p->out < 0 ? strerror(errno) : "out of memory");
		return -1;
	}
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1);
	return 0;
}

/* Removes the plain form of what is compressed already, and begins with the oldest that is not. */
static int begin_next(struct outfile *o)
{
	struct outfile_old *list;
	size_t n, i = 0;
	int rc = -1;
	if (outfile_olds(o, &list, &n))
		return -1;
	for (; i < n; i++) {
		char path[OUTFILE_NAME_MAX];
		outfile_old_path(o, list[i].stamp, "", path);
		if (list[i].plain && list[i].packed)
			unlink(path);
		else if (list[i].plain)
			break;
	}
	if (i < n)
		rc = begin(o, list[i].stamp);
	else
		o->pack_wanted = 0;
	free(list);
	return rc;
}

static int write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t sent = write(fd, data, n);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -1;
		data += sent;
		n -= (size_t)sent;
	}
	return 0;
}

static void finish(struct outfile *o)
{
	struct outfile_pack *p = o->pack;
	struct stat st;
	if (fsync(p->out) || fstat(p->in, &st) || futimens(p->out, (struct timespec[]){ st.st_atim, st.st_mtim }) ||
	    rename(p->partial, p->packed)) {
		give_up(o, strerror(errno));
		return;
	}
	close(p->out);
	p->out = -1;
	if (unlink(p->plain) && errno != ENOENT)
		o->host->log(PROBED_LOG_WARNING, "%s: is compressed, but cannot be removed: %s", p->plain,
			     strerror(errno));
	outfile_pack_stop(o);
}

static void step(struct outfile *o)
{
	struct outfile_pack *p = o->pack;
	ssize_t n = read(p->in, p->from, sizeof p->from);
	if (n < 0) {
		if (errno != EINTR)
			give_up(o, strerror(errno));
		return;
	}
	ZSTD_inBuffer in = { .src = p->from, .size = (size_t)n };
	size_t left;
	do {
		ZSTD_outBuffer out = { .dst = p->to, .size = sizeof p->to };
		left = ZSTD_compressStream2(p->zstd, &out, &in, n ? ZSTD_e_continue : ZSTD_e_end);
		if (ZSTD_isError(left)) {
			give_up(o, ZSTD_getErrorName(left));
			return;
		}
		if (write_all(p->out, p->to, out.pos)) {
			give_up(o, strerror(errno));
			return;
		}
	} while (n ? in.pos < in.size : left != 0);
	if (!n)
		finish(o);
}

void outfile_pack(struct outfile *o, int64_t budget_ns)
{
	int64_t now = o->host->now(), end = now + budget_ns;
	while ((o->pack || o->pack_wanted) && now >= o->pack_at_ns && now < end) {
		if (!o->pack && begin_next(o))
			return;
		step(o);
		now = o->host->now();
	}
}
