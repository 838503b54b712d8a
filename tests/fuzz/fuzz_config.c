/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_config.c - configurations and target files. The input is an INI text; behind a line "=====" stands what
 * rows.csv and rows.json hold beside it. A model that could be built must read back the same from its print.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/model.h"
#include "../unit/sample.h"

#define SEPARATOR "\n=====\n"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/probed-fuzz-XXXXXX", name[64], csv[64], json[64];
static struct registry *registry;

static void clean(void)
{
	unlink(csv);
	unlink(json);
	rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	if (!mkdtemp(dir))
		abort();
	snprintf(name, sizeof name, "%s/a.ini", dir);
	snprintf(csv, sizeof csv, "%s/rows.csv", dir);
	snprintf(json, sizeof json, "%s/rows.json", dir);
	atexit(clean);
	registry = sample_registry();
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	if (!f)
		abort();
	fputs(text, f);
	fclose(f);
}

static struct model *build(const char *text)
{
	struct errs errs = { 0 };
	struct config *c = config_parse(name, text, &errs);
	struct model *m = model_build(c, registry, &errs);
	if (errs.errors && m && !errs.n)
		abort();
	config_free(c);
	errs_free(&errs);
	return m;
}

static char *print(const struct model *m)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	model_print(m, f);
	fclose(f);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	char *rows = strstr(text, SEPARATOR);
	/* patterns of files lead out of what is fuzzed */
	if (strcasestr(text, "include")) {
		free(text);
		return 0;
	}
	if (rows) {
		*rows = '\0';
		write_file(csv, rows + strlen(SEPARATOR));
		write_file(json, rows + strlen(SEPARATOR));
	}
	struct model *m = build(text);
	if (m && m->n_targets < 1000) {
		char *printed = print(m);
		struct model *back = build(printed);
		char *again = back ? print(back) : NULL;
		if (!back || strcmp(printed, again) != 0) {
			fprintf(stderr, "%s\n--- reads back as ---\n%s\n", printed, again ? again : "errors");
			abort();
		}
		if (!strstr(printed, "<redacted>"))
			for (size_t i = 0; i < m->n_targets; i++)
				if (m->targets[i]->digest != back->targets[i]->digest)
					abort();
		for (size_t i = 0; !strstr(printed, "<redacted>") && i < m->n_steps; i++)
			if (m->steps[i]->digest != back->steps[i]->digest)
				abort();
		for (size_t i = 0; i < m->n_plans; i++)
			if (m->plans[i]->digest != back->plans[i]->digest)
				abort();
		model_unref(back);
		free(printed);
		free(again);
	}
	model_unref(m);
	free(text);
	return 0;
}
