/* SPDX-License-Identifier: Apache-2.0 */
/* data.c - see data.h */
#include "data/data.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "data/row.h"
#include "data/split.h"

#define DATA_MAGIC 0x64617461u
#define PROBLEMS_MAX 10
#define INDEX_MAX ((size_t)1 << 20)

struct data {
	unsigned magic;
	char *path;
	enum data_format format;
	enum data_order order;
	bool repeat;
	uint64_t seed;
	struct window window;
	struct columns columns;
	struct cells cells;
	struct spot first, now; /* the first row; the next one in order */
	uint64_t number, drawn; /* of the next row in order; how many were drawn at random */
	struct spot *index;     /* of each `stride`th row; NULL: not made yet */
	size_t n_index, cap_index;
	uint64_t stride, rows;
	char *problems[PROBLEMS_MAX];
	size_t n_problems, told;
	uint64_t skipped;
	char error[400];
};

static int fail(struct data *d, uint64_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct data *d, uint64_t line, const char *format, ...)
{
	int n = line ? snprintf(d->error, sizeof d->error, "%.200s:%llu: ", d->path, (unsigned long long)line)
		     : snprintf(d->error, sizeof d->error, "%.200s: ", d->path);
	va_list ap;
	va_start(ap, format);
	vsnprintf(d->error + n, sizeof d->error - (size_t)n, format, ap);
	va_end(ap);
	return -1;
}

static int fail_reading(struct data *d)
{
	if (d->window.error == ENODATA)
		return fail(d, 0, "the file became shorter while it was read");
	return fail(d, 0, "can't read it: %s", strerror(d->window.error));
}

/* Told once, though each round comes by it again. */
static void skip(struct data *d, uint64_t line, const char *why)
{
	d->skipped++;
	if (d->n_problems == PROBLEMS_MAX)
		return;
	char *text = xasprintf("%s:%llu: %s", d->path, (unsigned long long)line, why);
	for (size_t i = 0; i < d->n_problems; i++)
		if (!strcmp(d->problems[i], text)) {
			free(text);
			return;
		}
	d->problems[d->n_problems++] = text;
}

/* The next record; as split_next(), with its errors told. */
static int record(struct data *d, struct spot *spot, struct record *r)
{
	int rc = split_next(d->format, &d->window, spot, r);
	if (rc < 0)
		return d->window.error ? fail_reading(d) : fail(d, r->line, "%s", r->fault);
	return rc;
}

/* --- opening ------------------------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);
	return n > k && !strcasecmp(s + n - k, suffix);
}

static int find_format(struct data *d)
{
	if (ends_with(d->path, ".csv"))
		d->format = DATA_CSV;
	else if (ends_with(d->path, ".json"))
		d->format = DATA_JSON;
	else if (ends_with(d->path, ".jsonl") || ends_with(d->path, ".ndjson"))
		d->format = DATA_JSONL;
	else
		return fail(d, 0, "expected a file whose name ends in .csv, .json or .jsonl");
	return 0;
}

/* The columns, and where the rows begin. */
static int read_columns(struct data *d)
{
	struct record r;
	char why[300];
	const char *fault;
	struct spot spot;
	if (split_begin(d->format, &d->window, &spot, &fault))
		return d->window.error ? fail_reading(d) : fail(d, spot.line, "%s", fault);
	d->first = spot;
	int rc = record(d, &spot, &r);
	if (rc < 0)
		return -1;
	if (!rc)
		return fail(d, 0,
			    d->format == DATA_CSV
				? "the file is empty: expected a first row with the names of the columns"
				: "there is no row: expected objects");
	if (r.fault)
		return fail(d, r.line, "%s", r.fault);
	if (columns_read(d->format, &r, &d->columns, why, sizeof why))
		return fail(d, r.line, "%s", why);
	if (d->format == DATA_CSV)
		d->first = spot;
	if (d->format == DATA_CSV && (rc = record(d, &spot, &r)) <= 0)
		return rc ? -1 : fail(d, 0, "there is no row below the names of the columns");
	return 0;
}

static int make_index(struct data *d);

static int open_all(struct data *d)
{
	if (find_format(d))
		return -1;
	if (window_open(&d->window, d->path))
		return fail(d, 0, errno == ESPIPE ? "it is no regular file" : "can't read it: %s", strerror(errno));
	if (read_columns(d))
		return -1;
	d->now = d->first;
	if (d->order != DATA_RANDOM)
		return 0;
	int rc = make_index(d);
	window_scattered(&d->window);
	return rc;
}

struct data *data_open(const char *path, enum data_order order, bool repeat, uint64_t seed, char *error, size_t size)
{
	struct data *d = xnew(struct data);
	d->magic = DATA_MAGIC;
	d->path = xstrdup(path);
	d->order = order;
	d->repeat = repeat && order == DATA_SEQUENTIAL;
	d->seed = seed;
	d->window.fd = -1;
	if (open_all(d)) {
		snprintf(error, size, "%s", d->error);
		data_close(d);
		return NULL;
	}
	return d;
}

void data_close(struct data *d)
{
	if (!d)
		return;
	CHECK_MAGIC(d, DATA_MAGIC);
	d->magic = 0;
	for (size_t i = 0; i < d->n_problems; i++)
		free(d->problems[i]);
	window_close(&d->window);
	columns_free(&d->columns);
	cells_free(&d->cells);
	free(d->index);
	free(d->path);
	free(d);
}

const char *const *data_columns(const struct data *d, size_t *n)
{
	*n = d->columns.n;
	return (const char *const *)d->columns.names;
}

const char *const *data_variables(const struct data *d, size_t *n)
{
	*n = d->columns.n;
	return (const char *const *)d->columns.variables;
}

const char *data_error(const struct data *d)
{
	return d->error;
}

const char *data_problem(struct data *d)
{
	return d->told < d->n_problems ? d->problems[d->told++] : NULL;
}

uint64_t data_skipped(const struct data *d)
{
	return d->skipped;
}

/* --- the index ----------------------------------------------------------------------------------------- */

/* Half of the entries go, and each stands for twice as many rows. */
static void thin_out(struct data *d)
{
	for (size_t i = 0; 2 * i < d->n_index; i++)
		d->index[i] = d->index[2 * i];
	d->n_index = (d->n_index + 1) / 2;
	d->stride *= 2;
}

static int make_index(struct data *d)
{
	struct record r;
	struct spot spot = d->first, before = spot;
	int rc;
	d->n_index = 0;
	d->rows = 0;
	d->stride = 1;
	for (; (rc = record(d, &spot, &r)) > 0; before = spot, d->rows++) {
		if (d->rows % d->stride)
			continue;
		if (d->n_index == INDEX_MAX) {
			thin_out(d);
			if (d->rows % d->stride)
				continue;
		}
		xgrow(d->index, d->n_index, d->cap_index);
		d->index[d->n_index++] = before;
	}
	return rc;
}

int data_count(struct data *d, uint64_t *n)
{
	CHECK_MAGIC(d, DATA_MAGIC);
	if (!d->index && make_index(d))
		return -1;
	*n = d->rows;
	return 0;
}

/* --- rows ---------------------------------------------------------------------------------------------- */

/* The well-formed row at the spot, or behind it. */
static int take(struct data *d, struct spot *spot, uint64_t *number, struct data_row *row)
{
	struct record r;
	char why[300];
	int rc;
	while ((rc = record(d, spot, &r)) > 0) {
		uint64_t here = (*number)++;
		if (r.fault) {
			skip(d, r.line, r.fault);
		} else if (cells_read(d->format, &r, &d->columns, &d->cells, why, sizeof why)) {
			skip(d, r.line, why);
		} else {
			*row = (struct data_row){ .number = here,
						  .line = r.line,
						  .n = d->columns.n,
						  .values = d->cells.values,
						  .lens = d->cells.lens };
			return 1;
		}
	}
	return rc;
}

/* As take(), and from the first row again behind the last. */
static int take_round(struct data *d, struct spot *spot, uint64_t *number, struct data_row *row)
{
	int rc = take(d, spot, number, row);
	if (rc)
		return rc;
	*spot = d->first;
	*number = 0;
	rc = take(d, spot, number, row);
	return rc ? rc : fail(d, 0, "not one of its rows is well formed");
}

static int take_numbered(struct data *d, uint64_t number, bool round, struct data_row *row)
{
	struct spot spot = d->index[number / d->stride];
	struct record r;
	for (uint64_t i = number % d->stride; i; i--) {
		int rc = record(d, &spot, &r);
		if (rc <= 0)
			return rc ? rc : fail(d, 0, "the file changed while it was read");
	}
	return round ? take_round(d, &spot, &number, row) : take(d, &spot, &number, row);
}

/* 0 .. n-1, each as likely, of which a hash has no end of. */
static uint64_t draw(uint64_t seed, uint64_t i, uint64_t n)
{
	return (uint64_t)((unsigned __int128)str_mix(str_mix(seed, i), i) * n >> 64);
}

int data_at(struct data *d, uint64_t i, struct data_row *row)
{
	uint64_t n;
	if (data_count(d, &n))
		return -1;
	if (d->order == DATA_UNIQUE || (d->order == DATA_SEQUENTIAL && !d->repeat))
		return i < n ? take_numbered(d, i, false, row) : 0;
	return take_numbered(d, d->order == DATA_RANDOM ? draw(d->seed, i, n) : i % n, true, row);
}

int data_next(struct data *d, struct data_row *row)
{
	CHECK_MAGIC(d, DATA_MAGIC);
	if (d->order == DATA_RANDOM)
		return data_at(d, d->drawn++, row);
	return d->repeat ? take_round(d, &d->now, &d->number, row) : take(d, &d->now, &d->number, row);
}
