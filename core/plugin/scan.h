/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.h - finds plugins in their folders, and looks at each file before anyone maps it: a truncated ELF file would
 * kill the process inside the dynamic linker. Nothing is loaded here, so the core may use it. Any thread.
 */
#ifndef PLUGIN_SCAN_H
#define PLUGIN_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct candidate {
	char *path;     /* absolute */
	char *why;      /* NULL: may be loaded; else one line that says why not */
	struct stat st; /* as it was when looked at; zeroed where that failed */
};

struct scan {
	struct candidate *list;
	size_t n, cap;
};

/* Adds the *.so of each folder, sorted by name, folder after folder; a folder given twice counts once. A folder
 * that can't be read is one refused candidate, with the folder as its path. */
void scan_folders(struct scan *s, const char *const *folders, size_t n);
void scan_free(struct scan *s);

/* May this file be loaded? 0, or -1 and a line in `why`; *st (may be NULL) is filled as far as known. */
int scan_check_file(const char *path, struct stat *st, char *why, size_t size);

/* The ELF file behind fd: for this machine, a shared object, and whole? 0, or -1 and a line in `why`. */
int scan_check_elf(int fd, char *why, size_t size);

/* Where plugins are where the configuration does not say: what PROBED_PLUGIN_PATH names, then .libs beside our own
 * program in a build folder, else the installed folder. Frees with scan_default_free(). */
char **scan_default_folders(size_t *n);
void scan_default_free(char **folders, size_t n);

#endif
