/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.h - a file that records are appended to, for sinks: buffer, rotation by size and time, old files kept and
 * compressed.
 *
 * A file holds whole records only, as far as it is in our hands: what a full disk cut short is taken off again, and a
 * last record that a crash tore is ended when the file is opened. What can't be written stays in the buffer and is tried
 * again; while the buffer is full, further batches are refused. One thread, which may block.
 */
#ifndef COMMON_OUTFILE_H
#define COMMON_OUTFILE_H

#include <probed/plugin.h>

#include "text.h"

/* Options of a sink that uses this: so many from `base` on, where `flags` are those of the path. */
enum {
	OUTFILE_PATH,
	OUTFILE_BUFFER,
	OUTFILE_MODE,
	OUTFILE_ROTATE_SIZE,
	OUTFILE_ROTATE_EVERY,
	OUTFILE_KEEP,
	OUTFILE_COMPRESS,
	OUTFILE_OPTIONS
};

#define OUTFILE_OPTION_TABLE(base, path_flags) \
	[(base) + OUTFILE_PATH] = { \
		.name = "path", .type = PROBED_TYPE_STRING, .flags = (path_flags), \
		.help = "The file to append to; - is the standard output." \
	}, \
	[(base) + OUTFILE_BUFFER] = { \
		.name = "buffer", .type = PROBED_TYPE_SIZE, .def = "256KiB", .min = 4096, .max = 64 << 20, \
		.help = "Bytes of lines that wait to be written, also while the disk is full." \
	}, \
	[(base) + OUTFILE_MODE] = { \
		.name = "mode", .type = PROBED_TYPE_CHOICE, .def = "append", .choices = "append|truncate", \
		.help = "Whether the file that is there at the start is kept or emptied." \
	}, \
	[(base) + OUTFILE_ROTATE_SIZE] = { \
		.name = "rotate_size", .type = PROBED_TYPE_SIZE, .min = 1024, .max = INT64_C(1) << 40, \
		.help = "Begins a new file before this one gets larger." \
	}, \
	[(base) + OUTFILE_ROTATE_EVERY] = { \
		.name = "rotate_every", .type = PROBED_TYPE_STRING, \
		.help = "Begins a new file at each full multiple of this time in UTC: hourly, daily, " \
		"or a duration from 1s on." \
	}, \
	[(base) + OUTFILE_KEEP] = { \
		.name = "keep", .type = PROBED_TYPE_INTEGER, .def = "10", .min = 0, .max = 100000, \
		.help = "Old files that are kept; 0 keeps all." \
	}, \
	[(base) + OUTFILE_COMPRESS] = { \
		.name = "compress", .type = PROBED_TYPE_CHOICE, .def = "zstd", .choices = "zstd|no", \
		.help = "How old files are compressed." \
	}

struct outfile;

struct outfile_format {
	const char *header; /* first line of each file, with its end; NULL: none. Copied. A file that begins otherwise is
	                     * put aside like a full one */
	int quoted;         /* line breaks may stand between quotes, as in CSV */
};

/* 0, or -1 with a line. */
int outfile_check(const struct probed_sink_args *args, uint32_t base, char *error, uint64_t error_size);
/* NULL with a line. */
struct outfile *outfile_open(const struct probed_host *host, const struct probed_sink_args *args,
                             uint32_t base, const struct outfile_format *format, char *error, uint64_t error_size);
/* Not written any more: what is left in the buffer is lost. */
void outfile_close(struct outfile *o);

/* Adds the records by `add`, which may add nothing for one. 0, or -1 with a line: none was taken. */
int outfile_write(struct outfile *o, uint32_t n, const struct probed_record *const *records,
                  void (*add)(void *ctx, struct text *t, const struct probed_record *r), void *ctx, char *error,
                  uint64_t error_size);
int outfile_flush(struct outfile *o, char *error, uint64_t error_size);
int outfile_reopen(struct outfile *o, char *error, uint64_t error_size);

#endif
