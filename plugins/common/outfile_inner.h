/* SPDX-License-Identifier: Apache-2.0 */
/* outfile_inner.h - the parts of outfile: outfile.c writes, outfile_rotate.c has the old files, outfile_pack.c
 * compresses. */
#ifndef COMMON_OUTFILE_INNER_H
#define COMMON_OUTFILE_INNER_H

#include <sys/types.h>

#include "outfile.h"

#define OUTFILE_STAMP_LEN 20 /* 20261121T171500.123Z */
#define OUTFILE_NAME_MAX 4096

struct outfile_pack; /* a compression under way */

struct outfile {
	const struct probed_host *host;
	char *path, *header;
	int fd; /* -1: could not be opened again yet */
	int is_stdout, regular, headed, quoted, compress;
	size_t limit; /* of the buffer */
	struct text text;
	size_t *ends; /* of each record in the text */
	size_t n_ends, cap_ends;
	dev_t dev;
	ino_t ino;
	uint64_t size; /* of the file */

	/* Rotation; 0: none of its kind. */
	uint64_t rotate_bytes;
	int64_t rotate_ns, period; /* the period that the file belongs to */
	uint32_t keep;
	int64_t last_stamp_ms, retry_ns;

	struct outfile_pack *pack;
	int pack_wanted; /* there may be something to compress */
	int64_t pack_at_ns;
};

/* outfile_rotate.c */
int outfile_parse_every(const char *text, int64_t *ns);
int64_t outfile_period(const struct outfile *o, int64_t wall_ns);
/* No record is in it. */
int outfile_empty(const struct outfile *o);
/* Is the file to be put aside before `next` more bytes? */
int outfile_due(const struct outfile *o, size_t next);
/* Renames the file to PATH.STAMP and removes what is too old. 0, or -1 with errno. */
int outfile_put_aside(struct outfile *o);

/* The names of old files in the file's folder, sorted, oldest first. */
struct outfile_old {
	char stamp[OUTFILE_STAMP_LEN + 1];
	int plain, packed, partial; /* which of its forms are there */
};
int outfile_olds(const struct outfile *o, struct outfile_old **out, size_t *n);
void outfile_old_path(const struct outfile *o, const char *stamp, const char *suffix, char out[OUTFILE_NAME_MAX]);

/* outfile_pack.c */
#define OUTFILE_PACKED ".zst"
#define OUTFILE_PARTIAL ".zst.part"
/* Goes on compressing old files, for about so long. */
void outfile_pack(struct outfile *o, int64_t budget_ns);
/* Leaves what is under way; it begins anew at the next start. */
void outfile_pack_stop(struct outfile *o);

#endif
