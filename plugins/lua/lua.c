/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lua.c - hooks in Lua 5.4: compiling and running the scripts of steps. box.c has the limits, base.c what is left of Lua's
 * own libraries, text.c, re.c and probe.c what scripts have besides.
 */
#include <probed/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/box.h"

#define SCRIPT_MAGIC 0x73637274u
#define BODY_WANTED ((uint64_t)1 << 20)

const struct probed_host *host;

struct script {
	unsigned magic;
	uint32_t when;
	char name[80];
	struct box *box; /* NULL: to be made anew */
	size_t len;
	char text[];
};

static const char *const functions[] = { [PROBED_HOOK_BEFORE] = "before", [PROBED_HOOK_AFTER] = "after" };

static bool is_word(char c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Does it define `function before(`? Else it is what such a function would hold. */
static bool defines(const char *text, const char *name)
{
	for (const char *p = text; (p = strstr(p, "function")); p += 8) {
		const char *q = p + 8;
		if ((p > text && is_word(p[-1])) || !strchr(" \t\r\n", *q) || !*q)
			continue;
		q += strspn(q, " \t\r\n");
		if (!strncmp(q, name, strlen(name)) && strchr(" \t(", q[strlen(name)]) && q[strlen(name)])
			return true;
	}
	return false;
}

/* --- compiling ---------------------------------------------------------------------------------------- */

/* What is called for each probe lies in the registry, by this address. */
static const char entry;
/* And what it gets there: request or result. */
static const char argument;

static int load_text(lua_State *L)
{
	const struct script *s = lua_touserdata(L, 1);
	char chunk[sizeof s->name + 1];
	snprintf(chunk, sizeof chunk, "=%s", s->name);
	if (s->text[0] == '\x1b')
		return luaL_error(L, "%s:1: expected a script, not bytecode", s->name);
	if (luaL_loadbufferx(L, s->text, s->len, chunk, "t"))
		return lua_error(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &entry);
	return 0;
}

static int take_function(lua_State *L)
{
	const struct script *s = lua_touserdata(L, 1);
	if (lua_getglobal(L, functions[s->when]) != LUA_TFUNCTION)
		return luaL_error(L, "%s: expected function %s(...) on its outermost level", s->name, functions[s->when]);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &entry);
	return 0;
}

static int finish(lua_State *L)
{
	lua_getglobal(L, box_of(L)->when == PROBED_HOOK_AFTER ? "result" : "request");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &argument);
	base_lock(L);
	return 0;
}

static int make(struct script *s, char *error, size_t size)
{
	struct box *b = box_new(s->name, s->when);
	if (!b) {
		snprintf(error, size, "%s: out of memory for a Lua state", s->name);
		return -1;
	}
	int rc = box_setup(b, load_text, s, error, size);
	if (!rc && defines(s->text, functions[s->when])) {
		lua_rawgetp(b->L, LUA_REGISTRYINDEX, &entry);
		rc = box_call(b, 0, error, size) || box_setup(b, take_function, s, error, size);
	}
	if (!rc)
		rc = box_setup(b, finish, NULL, error, size);
	if (rc) {
		box_free(b);
		return -1;
	}
	s->box = b;
	return 0;
}

static void script_free(void *worker, void *script)
{
	struct script *s = script;
	(void)worker;
	if (s->magic != SCRIPT_MAGIC)
		abort();
	if (s->box)
		box_free(s->box);
	s->magic = 0;
	free(s);
}

static int32_t compile(void *worker, const struct probed_hook_source *source, void **script, uint64_t *want_body, char *error,
                       uint64_t error_size)
{
	struct script *s = calloc(1, sizeof *s + source->len + 1);
	(void)worker;
	if (!s) {
		snprintf(error, error_size, "%s: out of memory", source->name);
		return -1;
	}
	s->magic = SCRIPT_MAGIC;
	s->when = source->when == PROBED_HOOK_AFTER ? PROBED_HOOK_AFTER : PROBED_HOOK_BEFORE;
	s->len = source->len;
	snprintf(s->name, sizeof s->name, "%s", source->name);
	memcpy(s->text, source->text, source->len);
	if (make(s, error, error_size)) {
		script_free(NULL, s);
		return -1;
	}
	*want_body = s->when == PROBED_HOOK_AFTER && strstr(s->text, "body") ? BODY_WANTED : 0;
	*script = s;
	return 0;
}

/* --- running ------------------------------------------------------------------------------------------ */

static int32_t run(void *worker, void *script, struct probed_hook_call *call, char *error, uint64_t error_size)
{
	struct script *s = script;
	char why[400] = "";
	(void)worker;
	if (s->magic != SCRIPT_MAGIC)
		abort();
	int rc = s->box ? 0 : make(s, why, sizeof why);
	if (!rc) {
		struct box *b = s->box;
		b->call = call;
		lua_rawgetp(b->L, LUA_REGISTRYINDEX, &entry);
		lua_rawgetp(b->L, LUA_REGISTRYINDEX, &argument);
		rc = box_call(b, 1, why, sizeof why);
		b->call = NULL;
		if (b->broken == BOX_MEMORY_BROKEN) { /* what it keeps from probe to probe may be what fills it */
			box_free(b);
			s->box = NULL;
		}
	}
	if (rc)
		snprintf(error, error_size, "script %s", why);
	return rc ? -1 : 0;
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return 0;
}

static const struct probed_hook hooks[] = {
	{ .name = "lua",
	  .summary = "Runs scripts in Lua 5.4, bounded in steps, time and memory, without files, processes or network.",
	  .compile = compile,
	  .script_free = script_free,
	  .run = run },
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	.magic = PROBED_MAGIC,
	.size = sizeof(struct probed_plugin),
	.abi_major = PROBED_ABI_MAJOR,
	.abi_minor = PROBED_ABI_MINOR,
	.need_minor = 2,
	.name = "lua",
	.version = "0.1.0",
	.summary = "Hooks in Lua.",
	PROBED_TABLE(hooks, hook, hooks),
	.load = load,
};
