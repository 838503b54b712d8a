/* SPDX-License-Identifier: Apache-2.0 */
/* quarantine.c - see quarantine.h */
#include "plugin/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

json_t *quarantine_new(void)
{
	return json_object();
}

void quarantine_add(json_t *all, const char *driver, int64_t since_wall_ns, const char *why)
{
	char since[32];
	clock_format_wall(since_wall_ns, since);
	json_object_set_new(all, driver, json_pack("{s:s, s:s}", "since", since, "why", why));
}

int quarantine_save(const char *state_dir, const json_t *all)
{
	CLEANUP_FREE char *path = xasprintf("%s/quarantine", state_dir);
	CLEANUP_FREE char *fresh = xasprintf("%s/quarantine.new", state_dir);
	if (!json_object_size(all))
		return unlink(path) && errno != ENOENT && errno != ENOTDIR ? -errno : 0;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	int rc = json_dumpfd(all, fd, JSON_INDENT(2) | JSON_SORT_KEYS) ? -EIO : 0;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(fresh, path))
		rc = -errno;
	if (rc)
		unlink(fresh);
	return rc;
}

json_t *quarantine_load(const char *state_dir)
{
	json_t *all = NULL;
	if (state_dir) {
		CLEANUP_FREE char *path = xasprintf("%s/quarantine", state_dir);
		all = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	}
	if (json_is_object(all))
		return all;
	json_decref(all);
	return json_object();
}

char *quarantine_why(const json_t *all, const char *driver)
{
	const json_t *one = json_object_get(all, driver);
	const char *since = json_string_value(json_object_get(one, "since"));
	const char *why = json_string_value(json_object_get(one, "why"));
	return one ? xasprintf("%s (since %s)", why ? why : "no reason given", since ? since : "an unknown time") : NULL;
}
