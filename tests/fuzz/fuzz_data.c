/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_data.c - data files: the first byte chooses the format and order, the rest is the file. Read by index and in order,
 * it must have the same rows. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "data/data.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/probed-fuzz-XXXXXX", names[3][64];

static void clean(void)
{
	for (int i = 0; i < 3; i++)
		unlink(names[i]);
	rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	if (!mkdtemp(dir))
		abort();
	snprintf(names[0], sizeof names[0], "%s/a.csv", dir);
	snprintf(names[1], sizeof names[1], "%s/a.json", dir);
	snprintf(names[2], sizeof names[2], "%s/a.jsonl", dir);
	atexit(clean);
	return 0;
}

static void compare(struct data *d)
{
	struct data_row row, there;
	for (int n = 0, rc = 1; rc == 1 && n < 200; n++) {
		rc = data_next(d, &row);
		if (rc < 0 && !*data_error(d))
			abort();
		if (rc != 1)
			break;
		CLEANUP_FREE char *first = xstrdup(row.values[0] ? row.values[0] : "");
		uint64_t number = row.number, line = row.line;
		for (size_t i = 0; i < row.n; i++)
			if (row.values[i] && row.values[i][row.lens[i]])
				abort();
		if (data_at(d, number, &there) < 0) /* by index the whole file is looked at */
			continue;
		if (there.number != number || there.line != line || strcmp(there.values[0] ? there.values[0] : "", first) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[200];
	if (!size)
		return 0;
	const char *path = names[data[0] % 3];
	FILE *f = fopen(path, "w");
	if (!f || fwrite(data + 1, 1, size - 1, f) != size - 1)
		abort();
	fclose(f);
	bool random = data[0] & 0x80;
	struct data *d = data_open(path, random ? DATA_RANDOM : DATA_SEQUENTIAL, data[0] & 0x40, 1, error, sizeof error);
	struct data_row row;
	if (d && !random)
		compare(d);
	for (int i = 0; d && random && i < 50 && data_next(d, &row) == 1; i++)
		while (data_problem(d))
			continue;
	data_close(d);
	return 0;
}
