/* SPDX-License-Identifier: Apache-2.0 */
/* usage.c - see usage.h */
#include "run/usage.h"

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define PATH_SIZE 4096

static FILE *open_file(const struct usage *u, const char *folder, const char *name)
{
	char path[2 * PATH_SIZE];
	if ((size_t)snprintf(path, sizeof path, "%s%s%s", u->root ? u->root : "", folder, name) >= sizeof path)
		return NULL;
	return fopen(path, "re");
}

/* A file of one line. */
static bool read_line(const struct usage *u, const char *folder, const char *name, char *line, size_t size)
{
	CLEANUP_FCLOSE FILE *f = open_file(u, folder, name);
	return f && fgets(line, (int)size, f);
}

/* The number after `word`, which begins a line and ends with its separator. */
static bool read_field(const struct usage *u, const char *folder, const char *name, const char *word, double *out)
{
	char line[512];
	size_t len = strlen(word);
	CLEANUP_FCLOSE FILE *f = open_file(u, folder, name);
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, word, len)) {
			*out = strtod(line + len, NULL);
			return true; /* cppcheck-suppress resourceLeak ; CLEANUP_FCLOSE closes it */
		}
	return false; /* cppcheck-suppress resourceLeak ; likewise */
}

/* --- processors ------------------------------------------------------------------------------- */

static uint64_t process_ticks(const struct usage *u, const char *pid)
{
	char folder[64], line[1024];
	unsigned long user, sys;
	snprintf(folder, sizeof folder, "/proc/%s/", pid);
	if (!read_line(u, folder, "stat", line, sizeof line))
		return 0;
	const char *p = strrchr(line, ')'); /* the name before it may hold anything */
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		return 0;
	return user + sys;
}

static void sample_cpu(struct usage *u, const pid_t *pids, size_t n_pids, struct resource_sample *out)
{
	char line[512];
	unsigned long long t[8] = { 0 }; /* user nice system idle iowait irq softirq steal */
	struct usage before = *u;
	if (!read_line(u, "/proc/", "stat", line, sizeof line) ||
	    sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) < 4)
		return;
	u->total = 0;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		u->total += t[i];
	u->busy = u->total - t[3] - t[4];
	u->own = process_ticks(u, "self");
	for (size_t i = 0; i < n_pids; i++) {
		char pid[24];
		snprintf(pid, sizeof pid, "%d", (int)pids[i]);
		u->own += process_ticks(u, pid);
	}
	if (!before.total || u->total <= before.total)
		return;
	double passed = (double)(u->total - before.total);
	if (u->busy >= before.busy)
		out->value[RESOURCE_CPU] = (double)(u->busy - before.busy) / passed;
	if (u->own >= before.own) /* else one of them has ended */
		out->value[RESOURCE_OWN_CPU] = (double)(u->own - before.own) / passed;
}

/* --- memory and pressure ---------------------------------------------------------------------- */

/* The cgroup's folder; "" where there is none of version 2. */
static void cgroup_folder(const struct usage *u, char *out, size_t size)
{
	char line[PATH_SIZE - 32];
	double controllers;
	*out = '\0';
	CLEANUP_FCLOSE FILE *f = open_file(u, "/proc/self/", "cgroup");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "0::/", 4)) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(out, size, "/sys/fs/cgroup%s/", line[4] ? line + 3 : "");
			break;
		}
	/* version 1 has no such file in its root */
	if (*out && !read_field(u, "/sys/fs/cgroup/", "cgroup.controllers", "", &controllers))
		*out = '\0';
}

/* The share in use of the cgroup or of that one above it which is nearest to its limit. Pages of files that can be
 * dropped at once are no use of memory. */
static double cgroup_memory(const struct usage *u, const char *cgroup)
{
	char folder[PATH_SIZE], line[64];
	double worst = NAN;
	snprintf(folder, sizeof folder, "%s", cgroup);
	while (strlen(folder) > strlen("/sys/fs/cgroup/")) {
		double max, used, cached = 0;
		if (read_line(u, folder, "memory.max", line, sizeof line) && strncmp(line, "max", 3) != 0 &&
		    (max = strtod(line, NULL)) > 0 && read_field(u, folder, "memory.current", "", &used)) {
			read_field(u, folder, "memory.stat", "inactive_file ", &cached);
			double share = (used - cached) / max;
			worst = isnan(worst) || share > worst ? share : worst;
		}
		folder[strlen(folder) - 1] = '\0';
		strrchr(folder, '/')[1] = '\0';
	}
	return worst;
}

static double machine_memory(const struct usage *u)
{
	double total, available;
	if (!read_field(u, "/proc/", "meminfo", "MemTotal:", &total) || total <= 0 ||
	    !read_field(u, "/proc/", "meminfo", "MemAvailable:", &available))
		return NAN;
	return 1 - available / total;
}

/* "some avg10=17.39 ..." is in percent: of our cgroup, else of the machine. */
static double pressure(const struct usage *u, const char *cgroup, const char *what)
{
	double percent;
	char name[32];
	snprintf(name, sizeof name, "%s.pressure", what);
	if ((*cgroup && read_field(u, cgroup, name, "some avg10=", &percent)) ||
	    read_field(u, "/proc/pressure/", what, "some avg10=", &percent))
		return percent / 100;
	return NAN;
}

/* --- descriptors ------------------------------------------------------------------------------ */

static double descriptors(const struct usage *u)
{
	char path[PATH_SIZE];
	struct rlimit limit;
	struct stat st;
	snprintf(path, sizeof path, "%s/proc/self/fd", u->root ? u->root : "");
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY || !limit.rlim_cur)
		return NAN;
	if (!stat(path, &st) && st.st_size > 0) /* since Linux 6.2 that is how many there are */
		return (double)st.st_size / (double)limit.rlim_cur;
	DIR *dir = opendir(path);
	double n = 0;
	if (!dir)
		return NAN;
	while (readdir(dir))
		n++;
	closedir(dir);
	return (n - 3) / (double)limit.rlim_cur; /* without ".", ".." and the folder's own */
}

void usage_sample(struct usage *u, const pid_t *pids, size_t n_pids, struct resource_sample *out)
{
	char cgroup[PATH_SIZE];
	for (uint32_t i = 0; i < RESOURCES; i++)
		out->value[i] = NAN;
	sample_cpu(u, pids, n_pids, out);
	cgroup_folder(u, cgroup, sizeof cgroup);
	double memory = *cgroup ? cgroup_memory(u, cgroup) : NAN, machine = machine_memory(u);
	out->value[RESOURCE_MEMORY] = isnan(memory) || machine > memory ? machine : memory;
	out->value[RESOURCE_MEMORY_PRESSURE] = pressure(u, cgroup, "memory");
	out->value[RESOURCE_CPU_PRESSURE] = pressure(u, cgroup, "cpu");
	out->value[RESOURCE_DESCRIPTORS] = descriptors(u);
}
