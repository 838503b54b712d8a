/* SPDX-License-Identifier: Apache-2.0 */
/* bind.c - options for a plugin: its declared table flattened, and the core's own checks and binding. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errs.h"
#include "base/mem.h"

static struct option_set flatten(const struct probed_driver *driver)
{
	struct option_set set = { .list = xcalloc(driver->n_options + 1, sizeof *set.list), .n = driver->n_options };
	for (uint32_t i = 0; i < set.n; i++) {
		const struct probed_option *o = PROBED_AT(struct probed_option, driver->options, driver->option_stride, i);
		/* never written to: the set lives shorter than the plugin */
		set.list[i] = (struct option_decl){ .name = (char *)(uintptr_t)o->name, .def = (char *)(uintptr_t)o->def,
			.help = (char *)(uintptr_t)o->help, .choices = (char *)(uintptr_t)o->choices,
			.min = o->min, .max = o->max, .type = o->type, .flags = o->flags };
	}
	return set;
}

/* The text with all that the test gave replaced; NULL where braces are left. */
static char *render(const struct fakehost *fh, const char *text)
{
	struct buf out = { 0 };
	while (*text) {
		const struct pair *hit = NULL;
		for (size_t i = 0; i < fh->n_renders && !hit; i++)
			if (!strncmp(text, fh->renders[i].key, strlen(fh->renders[i].key)))
				hit = &fh->renders[i];
		if (!hit && text[0] == '{' && text[1] == '{') {
			buf_free(&out);
			return NULL;
		}
		if (hit) {
			buf_puts(&out, hit->value);
			text += strlen(hit->key);
		} else {
			buf_putc(&out, *text++);
		}
	}
	return buf_cstr(&out);
}

static int bind_set(struct fakehost *fh, const struct option_set *set, const struct kv *kvs, size_t n, struct options *out)
{
	struct errs errs = { 0 };
	int rc = 0;
	if (options_check(set, kvs, n, (struct place){ "test", 1 }, NULL, NULL, 0, &errs)) {
		snprintf(fh->error, sizeof fh->error, "%s", errs.n ? errs.list[0].text : "bad options");
		rc = -1;
	} else {
		rc = options_bind(set, kvs, n, out, fh->error, sizeof fh->error);
	}
	errs_free(&errs);
	return rc;
}

int bind_options(struct fakehost *fh, const struct probed_driver *driver, const struct pair *pairs, size_t n, bool rendered,
                 struct options *out)
{
	struct option_set set = flatten(driver);
	struct kv *kvs = xcalloc(n + 1, sizeof *kvs);
	int rc = 0;
	for (size_t i = 0; i < n; i++) {
		const char *item;
		const struct option_decl *decl = option_for_key(&set, pairs[i].key, NULL, &item);
		bool template = rendered && decl && decl->flags & PROBED_OPTION_TEMPLATE;
		kvs[i] = (struct kv){ .key = pairs[i].key, .at = { "test", (int)i + 1 } };
		kvs[i].value = template ? render(fh, pairs[i].value) : xstrdup(pairs[i].value);
		if (!kvs[i].value) {
			snprintf(fh->error, sizeof fh->error, "%s: no value for the template in \"%s\"", pairs[i].key,
			         pairs[i].value);
			rc = -1;
		}
	}
	if (!rc)
		rc = bind_set(fh, &set, kvs, n, out);
	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)kvs[i].value);
	free(kvs);
	free(set.list);
	return rc;
}
