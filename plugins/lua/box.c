/* SPDX-License-Identifier: Apache-2.0 */
/* box.c - see box.h */
#include "lua/box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT 100 /* instructions between two looks at the limits */
#define LOOK_NS 200000
#define BYTES_A_STEP 64
#define DENIED_FROM 4096 /* bytes of a request that is denied once the steps are used up */

static int64_t clock_of(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct box *box_of(lua_State *L)
{
	struct box *b = *(struct box **)lua_getextraspace(L);
	if (b->magic != BOX_MAGIC)
		abort();
	return b;
}

/* The innermost line of the script. Allocates nothing: the allocator asks, too. */
static void note_where(struct box *b)
{
	lua_Debug ar;
	if (b->broken)
		return;
	for (int level = 0; b->L && lua_getstack(b->L, level, &ar); level++)
		if (lua_getinfo(b->L, "Sl", &ar) && ar.currentline > 0) {
			snprintf(b->where, sizeof b->where, "%s:%d", ar.short_src, ar.currentline);
			return;
		}
}

static void break_limit(struct box *b, enum broken how)
{
	if (b->broken)
		return;
	note_where(b);
	b->broken = how;
}

bool box_spend(struct box *b, uint64_t steps)
{
	b->steps += steps;
	if (!b->running)
		return true;
	if (b->steps > BOX_STEPS)
		break_limit(b, BOX_STEPS_BROKEN);
	if (!b->broken && clock_of(CLOCK_MONOTONIC) > b->look_ns) {
		/* the machine may have given the processor to others meanwhile: that is not the script's */
		if (clock_of(CLOCK_THREAD_CPUTIME_ID) - b->cpu_ns > BOX_TIME_NS)
			break_limit(b, BOX_TIME_BROKEN);
		b->look_ns = clock_of(CLOCK_MONOTONIC) + LOOK_NS;
	}
	return !b->broken;
}

static void on_count(lua_State *L, lua_Debug *ar)
{
	struct box *b = box_of(L);
	(void)ar;
	if (box_spend(b, b->broken ? 0 : COUNT))
		return;
	lua_sethook(L, on_count, LUA_MASKCOUNT, 1); /* each further instruction ends in the same error */
	luaL_error(L, "a limit is broken");
}

void box_charge(lua_State *L, uint64_t steps)
{
	if (!box_spend(box_of(L), steps))
		luaL_error(L, "a limit is broken");
}

const char *box_text(lua_State *L, int i, size_t *len)
{
	const char *s = luaL_checklstring(L, i, len);
	luaL_argcheck(L, *len <= BOX_TEXT_MAX, i, "longer than 1 MiB");
	box_charge(L, *len / BYTES_A_STEP);
	return s;
}

static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
	struct box *b = arg;
	if (!old)
		old_size = 0; /* else a type */
	if (!size) {
		free(old);
		b->used -= old_size;
		return NULL;
	}
	if (size > old_size) {
		size_t more = size - old_size;
		b->steps += more / BYTES_A_STEP;
		bool late = b->running && b->steps > BOX_STEPS && more >= DENIED_FROM;
		if (late || b->used + more > b->most) {
			note_where(b);
			return NULL;
		}
	}
	void *p = realloc(old, size);
	if (p)
		b->used += size - old_size;
	return p;
}

/* --- calls -------------------------------------------------------------------------------------------- */

static void say_broken(const struct box *b, char *error, size_t size)
{
	const char *where = b->where[0] ? b->where : b->name;
	if (b->broken == BOX_STEPS_BROKEN)
		snprintf(error, size, "%s: used more than %d steps: a loop that does not end?", where, BOX_STEPS);
	else if (b->broken == BOX_TIME_BROKEN)
		snprintf(error, size, "%s: took more than %d ms of processor time", where, BOX_TIME_NS / 1000000);
	else
		snprintf(error, size, "%s: needs more than %zu MiB of memory", where, BOX_MEMORY >> 20);
}

/* What lies on top. An object's own __tostring is not asked: nothing limits it here. */
static void say_error(struct box *b, int status, char *error, size_t size)
{
	if (status == LUA_ERRMEM && !b->broken)
		b->broken = b->steps > BOX_STEPS ? BOX_STEPS_BROKEN : BOX_MEMORY_BROKEN;
	if (b->broken)
		say_broken(b, error, size);
	else if (lua_type(b->L, -1) == LUA_TSTRING)
		snprintf(error, size, "%s", lua_tostring(b->L, -1));
	else
		snprintf(error, size, "%s: raised an error that is no text, but a %s", b->name, luaL_typename(b->L, -1));
	for (char *p = error; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

int box_call(struct box *b, int n, char *error, size_t size)
{
	lua_State *L = b->L;
	b->steps = 0;
	b->broken = BOX_FINE;
	b->where[0] = '\0';
	b->cpu_ns = clock_of(CLOCK_THREAD_CPUTIME_ID);
	b->look_ns = clock_of(CLOCK_MONOTONIC) + BOX_TIME_NS;
	b->running = true;
	lua_sethook(L, on_count, LUA_MASKCOUNT, COUNT);
	int status = lua_pcall(L, n, 0, 0);
	lua_sethook(L, NULL, 0, 0);
	b->running = false;
	if (status)
		say_error(b, status, error, size);
	lua_settop(L, 0);
	return status ? -1 : 0;
}

int box_setup(struct box *b, lua_CFunction fn, void *arg, char *error, size_t size)
{
	b->where[0] = '\0';
	b->broken = BOX_FINE;
	b->steps = 0;
	lua_pushcfunction(b->L, fn);
	lua_pushlightuserdata(b->L, arg);
	int status = lua_pcall(b->L, 1, 0, 0);
	if (status)
		say_error(b, status, error, size);
	lua_settop(b->L, 0);
	return status ? -1 : 0;
}

static int open_all(lua_State *L)
{
	const struct box *b = box_of(L);
	base_open(L);
	text_open(L);
	re_open(L);
	probe_open(L, b->when);
	return 0;
}

struct box *box_new(const char *name, uint32_t when)
{
	char error[200];
	struct box *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->magic = BOX_MAGIC;
	b->most = BOX_MEMORY;
	b->when = when;
	snprintf(b->name, sizeof b->name, "%s", name);
	lua_State *L = lua_newstate(allocate, b);
	if (L) {
		*(struct box **)lua_getextraspace(L) = b;
		b->L = L;
	}
	if (L && !box_setup(b, open_all, NULL, error, sizeof error))
		return b;
	box_free(b);
	return NULL;
}

void box_free(struct box *b)
{
	lua_State *L = b->L;
	b->L = NULL; /* nobody asks for lines any more */
	if (L)
		lua_close(L);
	b->magic = 0;
	free(b);
}
