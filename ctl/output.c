/* SPDX-License-Identifier: Apache-2.0 */
/* output.c - see output.h */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

int output_open(struct output *o, const char *path)
{
	*o = (struct output){ .path = path };
	if (!strcmp(path, "-")) {
		o->to = stdout;
		return 0;
	}
	o->made = access(path, F_OK) != 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	o->to = fd < 0 ? NULL : fdopen(fd, "w");
	return o->to ? 0 : -1;
}

FILE *output_begin(struct output *o)
{
	struct stat s;
	int fd = fileno(o->to);
	if (o->to != stdout && !fstat(fd, &s) && S_ISREG(s.st_mode) && ftruncate(fd, 0))
		return NULL;
	o->made = false;
	return o->to;
}

int output_end(struct output *o)
{
	FILE *to = o->to;
	o->to = NULL;
	bool bad = ferror(to);
	return (to == stdout ? fflush(to) : fclose(to)) || bad ? -1 : 0;
}

void output_drop(struct output *o)
{
	if (o->to && o->to != stdout)
		fclose(o->to);
	if (o->to && o->made)
		unlink(o->path);
	o->to = NULL;
}

int output_may_replace(const char *path)
{
	CLEANUP_FREE char *copy = xstrdup(path);
	struct stat s;
	if (!stat(path, &s) && S_ISDIR(s.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	return access(dirname(copy), W_OK | X_OK);
}
