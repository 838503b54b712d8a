/* SPDX-License-Identifier: Apache-2.0 */
/* cache.c - see cache.h */
#include "config.h"

#include "plugin/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <probed/plugin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define CACHE_MAX (64u << 20)
#define CACHE_FORMAT "probed plugins 2 " PACKAGE_VERSION

/* What tells one state of a file from another. */
struct stamp {
	uint64_t dev, ino, size, mtime_ns, ctime_ns;
};

struct entry {
	char *path;
	struct stamp stamp;
	struct buf table; /* encoded */
	bool wanted;
};

struct plugin_cache {
	char *folder;
	struct entry *list;
	size_t n, cap;
	bool changed;
};

static struct stamp stamp_of(const struct stat *st)
{
	return (struct stamp){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = (uint64_t)st->st_mtim.tv_sec * NS_PER_S + (uint64_t)st->st_mtim.tv_nsec,
		.ctime_ns = (uint64_t)st->st_ctim.tv_sec * NS_PER_S + (uint64_t)st->st_ctim.tv_nsec,
	};
}

static void put_stamp(struct buf *b, const struct stamp *s)
{
	buf_u64(b, s->dev);
	buf_u64(b, s->ino);
	buf_u64(b, s->size);
	buf_u64(b, s->mtime_ns);
	buf_u64(b, s->ctime_ns);
}

static struct stamp get_stamp(struct cursor *c)
{
	struct stamp s;
	s.dev = cursor_u64(c);
	s.ino = cursor_u64(c);
	s.size = cursor_u64(c);
	s.mtime_ns = cursor_u64(c);
	s.ctime_ns = cursor_u64(c);
	return s;
}

/* Ourselves: another program may see other faults in the same plugin. */
static struct stamp own_stamp(void)
{
	struct stat st;
	if (stat("/proc/self/exe", &st))
		return (struct stamp){ 0 };
	return stamp_of(&st);
}

static int read_all(const char *path, struct buf *b)
{
	struct stat st;
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) ||
	    st.st_size > CACHE_MAX)
		return -1;
	ssize_t n;
	while (b->len <= CACHE_MAX && (n = read(fd, buf_reserve(b, 65536), 65536)) > 0)
		b->len += (size_t)n;
	return 0;
}

/* str format, stamp of the program, u32 n, n × (str path, stamp, bytes table); before it all u64 hash of it */
static int parse(struct plugin_cache *c, const struct buf *b)
{
	struct cursor at = cursor_over(b->data, b->len);
	uint64_t hash = cursor_u64(&at);
	if (at.bad || hash != str_hash(at.p, cursor_left(&at)))
		return -1;
	const char *format = cursor_str(&at);
	struct stamp program = get_stamp(&at), own = own_stamp();
	if (!format || strcmp(format, CACHE_FORMAT) || memcmp(&program, &own, sizeof own))
		return -1;
	uint32_t n = cursor_count(&at, 4 + 40 + 4);
	for (uint32_t i = 0; i < n && !at.bad; i++) {
		uint32_t len;
		const char *path = cursor_str(&at);
		struct stamp stamp = get_stamp(&at);
		const char *table = cursor_bytes(&at, &len);
		if (at.bad || !path || !table)
			return -1;
		xgrow(c->list, c->n, c->cap);
		struct entry *e = &c->list[c->n++];
		*e = (struct entry){ .path = xstrdup(path), .stamp = stamp };
		buf_put(&e->table, table, len);
	}
	return at.bad ? -1 : 0;
}

static void clear(struct plugin_cache *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->list[i].path);
		buf_free(&c->list[i].table);
	}
	c->n = 0;
}

struct plugin_cache *plugin_cache_open(const char *folder)
{
	struct plugin_cache *c = xnew(struct plugin_cache);
	CLEANUP_BUF struct buf b = { 0 };
	CLEANUP_FREE char *path = xasprintf("%s/plugins.cache", folder);
	c->folder = xstrdup(folder);
	if (read_all(path, &b) || parse(c, &b)) {
		clear(c);
		c->changed = true;
	}
	return c;
}

struct plugin_table *plugin_cache_find(struct plugin_cache *c, const char *path, const struct stat *st)
{
	struct stamp stamp = stamp_of(st);
	for (size_t i = 0; i < c->n; i++) {
		struct entry *e = &c->list[i];
		if (strcmp(e->path, path) || memcmp(&e->stamp, &stamp, sizeof stamp))
			continue;
		struct cursor at = cursor_over(e->table.data, e->table.len);
		struct plugin_table *t = plugin_table_decode(&at);
		if (t && (t->state != PLUGIN_LOADED || strcmp(t->path, path))) {
			plugin_table_free(t);
			t = NULL;
		}
		e->wanted = t != NULL;
		return t;
	}
	return NULL;
}

void plugin_cache_add(struct plugin_cache *c, const struct plugin_table *t, const struct stat *st)
{
	xgrow(c->list, c->n, c->cap);
	struct entry *e = &c->list[c->n++];
	*e = (struct entry){ .path = xstrdup(t->path), .stamp = stamp_of(st), .wanted = true };
	plugin_table_encode(&e->table, t);
	c->changed = true;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static void serialize(const struct plugin_cache *c, struct buf *out)
{
	CLEANUP_BUF struct buf b = { 0 };
	struct stamp own = own_stamp();
	uint32_t n = 0;
	for (size_t i = 0; i < c->n; i++)
		n += c->list[i].wanted;
	buf_str(&b, CACHE_FORMAT);
	put_stamp(&b, &own);
	buf_u32(&b, n);
	for (size_t i = 0; i < c->n; i++) {
		const struct entry *e = &c->list[i];
		if (!e->wanted)
			continue;
		buf_str(&b, e->path);
		put_stamp(&b, &e->stamp);
		buf_bytes(&b, e->table.data, e->table.len);
	}
	buf_u64(out, str_hash(b.data, b.len));
	buf_put(out, b.data, b.len);
}

int plugin_cache_save(struct plugin_cache *c)
{
	for (size_t i = 0; i < c->n; i++)
		c->changed |= !c->list[i].wanted;
	if (!c->changed)
		return 0;
	CLEANUP_BUF struct buf b = { 0 };
	serialize(c, &b);
	CLEANUP_FREE char *path = xasprintf("%s/plugins.cache", c->folder);
	CLEANUP_FREE char *fresh = xasprintf("%s/.plugins.cache.XXXXXX", c->folder);
	int fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return -1;
	int rc = write_all(fd, b.data, b.len);
	if (close(fd))
		rc = -1;
	if (!rc)
		rc = rename(fresh, path);
	if (rc) {
		int saved = errno;
		unlink(fresh);
		errno = saved;
		return -1;
	}
	c->changed = false;
	return 0;
}

void plugin_cache_free(struct plugin_cache *c)
{
	clear(c);
	free(c->list);
	free(c->folder);
	free(c);
}
