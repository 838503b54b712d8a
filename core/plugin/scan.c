/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - see scan.h */
#include "plugin/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* Who may own a plugin: root, we, and whoever owns our own program, who could change that as well. */
static bool owner_trusted(uid_t uid)
{
	struct stat self;
	return uid == 0 || uid == geteuid() || (!stat("/proc/self/exe", &self) && uid == self.st_uid);
}

int scan_check_file(const char *path, struct stat *st, char *why, size_t size)
{
	struct stat mine;
	if (!st)
		st = &mine;
	memset(st, 0, sizeof *st);
	/* non-blocking, for what turns out to be a FIFO */
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, st)) {
		snprintf(why, size, "can't be read: %s", strerror(errno));
		return -1;
	}
	if (!S_ISREG(st->st_mode)) {
		snprintf(why, size, "%s", S_ISDIR(st->st_mode) ? "a folder, not a plugin" : "not a regular file");
		return -1;
	}
	if (st->st_mode & S_IWOTH) {
		snprintf(why, size, "anyone may write to it (mode %04o): chmod o-w", (unsigned)st->st_mode & 07777);
		return -1;
	}
	if (!owner_trusted(st->st_uid)) {
		snprintf(why, size, "owned by user %u: expected root, or the user that probed runs as",
			 (unsigned)st->st_uid);
		return -1;
	}
	return scan_check_elf(fd, why, size);
}

static struct candidate *add(struct scan *s, char *path)
{
	xgrow(s->list, s->n, s->cap);
	s->list[s->n] = (struct candidate){ .path = path };
	return &s->list[s->n++];
}

static int is_plugin(const struct dirent *e)
{
	size_t len = strlen(e->d_name);
	return e->d_name[0] != '.' && len > 3 && !strcmp(e->d_name + len - 3, ".so");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool seen(char *const *folders, size_t n, const char *folder)
{
	for (size_t i = 0; i < n; i++)
		if (folders[i] && !strcmp(folders[i], folder))
			return true;
	return false;
}

static void scan_folder(struct scan *s, const char *folder)
{
	struct dirent **found = NULL;
	int n = scandir(folder, &found, is_plugin, by_bytes);
	if (n < 0) {
		add(s, xstrdup(folder))->why = xasprintf("this folder can't be read: %s", strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		char why[256];
		struct candidate *c = add(s, xasprintf("%s/%s", folder, found[i]->d_name));
		if (scan_check_file(c->path, &c->st, why, sizeof why))
			c->why = xstrdup(why);
		free(found[i]);
	}
	free(found);
}

void scan_folders(struct scan *s, const char *const *folders, size_t n)
{
	char **real = xcalloc(n + 1, sizeof *real);
	for (size_t i = 0; i < n; i++) {
		char *path = realpath(folders[i], NULL);
		if (!path)
			add(s, xstrdup(folders[i]))->why = xasprintf("this folder can't be read: %s", strerror(errno));
		else if (seen(real, i, path))
			free(path);
		else
			scan_folder(s, real[i] = path);
	}
	for (size_t i = 0; i < n; i++)
		free(real[i]);
	free(real);
}

void scan_free(struct scan *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->list[i].path);
		free(s->list[i].why);
	}
	free(s->list);
	*s = (struct scan){ 0 };
}

/* FOLDER/.libs where our program stands in FOLDER and was configured there; else NULL. */
static char *build_folder(void)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	if (n <= 0)
		return NULL;
	exe[n] = '\0';
	char *slash = strrchr(exe, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	CLEANUP_FREE char *status = xasprintf("%s/config.status", exe);
	return access(status, F_OK) ? NULL : xasprintf("%s/.libs", exe);
}

char **scan_default_folders(size_t *n)
{
	char **list = NULL;
	size_t count = 0, cap = 0;
	/* not from a user who borrowed rights of ours that he lacks (a file with CAP_NET_RAW) */
	const char *env = secure_getenv("PROBED_PLUGIN_PATH");
	while (env && *env) {
		size_t len = strcspn(env, ":");
		if (len) {
			xgrow(list, count, cap);
			list[count++] = xstrndup(env, len);
		}
		env += len + (env[len] == ':');
	}
	char *own = build_folder();
	xgrow(list, count, cap);
	list[count++] = own ? own : xstrdup(PLUGINDIR);
	*n = count;
	return list;
}

void scan_default_free(char **folders, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(folders[i]);
	free(folders);
}
