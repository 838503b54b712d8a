/* SPDX-License-Identifier: Apache-2.0 */
/* generate.c - see generate.h: reads the command line, has a source fill the draft, and writes the file. */
#include "generate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "generate/options.h"

#define WARNINGS_TOLD 20

static void say(const char *text)
{
	fprintf(stderr, "probectl generate: %s\n", text);
}

static int write_all(int fd, const struct buf *text)
{
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(fd, text->data + done, text->len - done);
		if (n < 0 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int fail_write(const char *path)
{
	fprintf(stderr, "probectl generate: can't write %s: %s\n", path, strerror(errno));
	return -1;
}

static int write_new(const char *path, const struct buf *text, int mode)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	return fd < 0 || write_all(fd, text) ? -1 : 0;
}

/* A file that is there is only replaced once the new one is whole; a device, a pipe or a terminal is written to. */
static int write_file(const struct options *o, const struct buf *text, bool secret)
{
	struct stat st;
	bool there = !stat(o->output, &st);
	int mode = secret ? 0600 : there ? (int)(st.st_mode & 0777) : 0644;
	if (there && !S_ISREG(st.st_mode)) {
		CLEANUP_CLOSE int fd = open(o->output, O_WRONLY | O_CLOEXEC);
		return fd < 0 || write_all(fd, text) ? fail_write(o->output) : 0;
	}
	if (!there)
		return write_new(o->output, text, mode) ? fail_write(o->output) : 0;
	if (!o->force) {
		fprintf(stderr, "probectl generate: %s is there already: --force overwrites it\n", o->output);
		return -1;
	}
	CLEANUP_FREE char *real = realpath(o->output, NULL);
	CLEANUP_FREE char *path = xasprintf("%s.%ld.new", real ? real : o->output, (long)getpid());
	if (write_new(path, text, mode) || rename(path, real ? real : o->output)) {
		fail_write(path);
		unlink(path);
		return -1;
	}
	return 0;
}

static void tell_warnings(struct draft *d)
{
	for (size_t i = 0; i < d->warnings.n && i < WARNINGS_TOLD; i++)
		fprintf(stderr, "probectl generate: warning: %s\n", d->warnings.list[i]);
	if (d->warnings.n > WARNINGS_TOLD)
		fprintf(stderr, "probectl generate: %zu more warnings: they are comments in the file\n",
			d->warnings.n - WARNINGS_TOLD);
}

static void tell_summary(const struct options *o, const struct draft *d)
{
	fprintf(stderr, "probectl generate: %zu %s%s%s", d->n, d->flow ? "step" : "target", d->n == 1 ? "" : "s",
		o->output ? " in " : "");
	if (o->output)
		fprintf(stderr, "%s", o->output);
	const char *before = "; set ";
	for (const struct secret *s = d->secrets; s; s = s->hh.next)
		if (s->used) {
			fprintf(stderr, "%s%s", before, s->variable);
			before = " ";
		}
	fputc('\n', stderr);
}

static int output(const struct options *o, struct draft *d)
{
	CLEANUP_BUF struct buf text = { 0 };
	secrets_mark(d);
	draft_write(d, &o->layout, &text);
	if (o->output)
		return write_file(o, &text, d->keep_secrets);
	if (write_all(STDOUT_FILENO, &text)) {
		fprintf(stderr, "probectl generate: can't write: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

/* For the comment: without what may be secret. */
static char *source_text(const struct options *o)
{
	CLEANUP_LINK struct link link = { 0 };
	CLEANUP_FREE char *clean = NULL;
	if (input_is_url(o->from) && !link_parse(&link, o->from, NULL)) {
		free(link.query);
		link.query = NULL;
		clean = link_text(&link);
	}
	return xasprintf("generate %s %s", o->command->name,
			 o->command->run == source_curl ? "..."
			 : clean                        ? clean
							: o->from);
}

static int run(struct options *o)
{
	struct draft d = o->draft;
	int rc = o->words ? curl_words(&d, o->words, o->n_words) : o->command->run(&d, &o->settings, o->from);
	CLEANUP_FREE char *from = source_text(o);
	o->layout.from = from;
	if (d.flow && o->layout.interval)
		draft_warn(&d, "--interval is left out: when a flow runs is its plan's matter");
	if (d.elsewhere)
		draft_warn(&d, "%zu URLs of other hosts than %s are left out", d.elsewhere, d.host);
	if (d.beyond)
		draft_warn(&d, "%zu more are left out: the limit is %zu (--limit)", d.beyond, d.limit);
	if (!rc && !d.n)
		rc = draft_fail(&d, "nothing is left to probe");
	tell_warnings(&d);
	text_tame(d.error);
	if (rc)
		say(*d.error ? d.error : "nothing could be made of it");
	else if ((rc = output(o, &d)) == 0)
		tell_summary(o, &d);
	draft_free(&d);
	return rc ? 1 : 0;
}

int generate_main(int argc, char **argv)
{
	struct options o;
	char error[300];
	if (options_parse(&o, argc, argv, error, sizeof error)) {
		fprintf(stderr, "probectl generate: %s\nTry 'probectl generate --help'.\n", error);
		return 2;
	}
	if (o.help) {
		options_help();
		return 0;
	}
	return run(&o);
}
