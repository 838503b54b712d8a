/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - what a script sees of its probe: request, result, vars, row, probe, fail(). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lua/box.h"

#define NAME_MAX_BYTES 250

static struct probed_hook_call *call_of(lua_State *L)
{
	struct probed_hook_call *call = box_of(L)->call;
	if (!call)
		luaL_error(L, "there is no probe yet: use it inside of the function");
	return call;
}

/* What is set is text: a number as Lua writes it, yes or no. NULL: nil. */
static const char *text_of(lua_State *L, int i, const char *what, size_t *len)
{
	*len = 0;
	if (lua_isnil(L, i))
		return NULL;
	if (lua_isboolean(L, i)) {
		const char *word = lua_toboolean(L, i) ? "yes" : "no";
		*len = strlen(word);
		return word;
	}
	if (!lua_isstring(L, i))
		luaL_error(L, "%s: expected a text or a number, not a %s", what, luaL_typename(L, i));
	const char *s = lua_tolstring(L, i, len);
	box_charge(L, *len / 64);
	return s;
}

/* --- request ------------------------------------------------------------------------------------------ */

/* "header.X" of request.header.X, in a buffer of NAME_MAX_BYTES. */
static const char *whole_key(lua_State *L, char *out)
{
	const char *prefix = lua_tostring(L, lua_upvalueindex(1));
	int n = snprintf(out, NAME_MAX_BYTES, "%s%s%s", prefix, *prefix ? "." : "", luaL_checkstring(L, 2));
	if (n >= NAME_MAX_BYTES)
		luaL_error(L, "a key of more than %d bytes", NAME_MAX_BYTES - 1);
	return out;
}

static void push_view(lua_State *L, const char *prefix, bool request);

static int request_get(lua_State *L)
{
	char key[NAME_MAX_BYTES], error[300] = "";
	uint64_t len;
	struct probed_hook_call *call = call_of(L);
	whole_key(L, key);
	uint32_t type = call->api->option_type(call, key);
	if ((type == PROBED_TYPE_MAP || type == PROBED_TYPE_LIST) && !strchr(key, '.')) {
		push_view(L, key, true);
		return 1;
	}
	const char *s = call->api->option_get(call, key, &len, error, sizeof error);
	if (!s && error[0])
		return luaL_error(L, "request.%s", error);
	if (s)
		lua_pushlstring(L, s, len);
	return s != NULL;
}

static int request_set(lua_State *L)
{
	char key[NAME_MAX_BYTES], error[300] = "";
	size_t len;
	struct probed_hook_call *call = call_of(L);
	whole_key(L, key);
	const char *s = text_of(L, 3, key, &len);
	box_charge(L, 10);
	if (call->api->option_set(call, key, s, len, error, sizeof error))
		return luaL_error(L, "request.%s", error);
	return 0;
}

/* All keys of the prefix with their values, as a table: for pairs(). */
static int request_pairs(lua_State *L)
{
	struct probed_hook_call *call = call_of(L);
	const char *prefix = lua_tostring(L, lua_upvalueindex(1)), *key;
	size_t skip = *prefix ? strlen(prefix) + 1 : 0;
	char error[300];
	uint64_t len;
	lua_getglobal(L, "next");
	lua_newtable(L);
	for (uint32_t i = 0; (key = call->api->option_key(call, i)); i++) {
		box_charge(L, 5 + i / 4);
		if (skip && (strncmp(key, prefix, skip - 1) != 0 || key[skip - 1] != '.'))
			continue;
		lua_pushstring(L, key);
		const char *s = call->api->option_get(call, lua_tostring(L, -1), &len, error, sizeof error);
		lua_pushlstring(L, s ? s : "", s ? len : 0);
		if (skip) {
			lua_pushstring(L, lua_tostring(L, -2) + skip);
			lua_insert(L, -2);
			lua_remove(L, -3);
		}
		lua_rawset(L, -3);
	}
	lua_pushnil(L);
	return 3;
}

/* --- variables ---------------------------------------------------------------------------------------- */

static int vars_get(lua_State *L)
{
	char name[NAME_MAX_BYTES];
	uint64_t len;
	struct probed_hook_call *call = call_of(L);
	const char *s = call->api->var_get(call, whole_key(L, name), &len);
	if (s)
		lua_pushlstring(L, s, len);
	return s != NULL;
}

static int vars_set(lua_State *L)
{
	char name[NAME_MAX_BYTES];
	size_t len;
	struct probed_hook_call *call = call_of(L);
	whole_key(L, name);
	const char *s = text_of(L, 3, name, &len);
	box_charge(L, 10);
	if (call->api->var_set(call, name, s, len))
		return luaL_error(L, "%s: its value is longer than 64 KiB, or the user has too many variables", name);
	return 0;
}

/* An object whose fields are the options, or variables, that begin so. */
static void push_view(lua_State *L, const char *prefix, bool request)
{
	const luaL_Reg slots[] = { { "__index", request ? request_get : vars_get },
		                   { "__newindex", request ? request_set : vars_set },
		                   { request ? "__pairs" : NULL, request ? request_pairs : NULL },
		                   { NULL, NULL } };
	lua_newuserdatauv(L, 0, 0);
	lua_newtable(L);
	lua_pushstring(L, prefix);
	luaL_setfuncs(L, slots, 1);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
}

/* --- result ------------------------------------------------------------------------------------------- */

static void push_fact(lua_State *L, const struct probed_record_fact *f)
{
	switch (f->type) {
	case PROBED_TYPE_STRING:
		lua_pushlstring(L, f->s ? f->s : "", f->s ? f->len : 0);
		break;
	case PROBED_TYPE_INTEGER:
	case PROBED_TYPE_SIZE:
		lua_pushinteger(L, f->i);
		break;
	case PROBED_TYPE_DURATION:
	case PROBED_TYPE_TIME:
		lua_pushnumber(L, (double)f->i / 1e9);
		break;
	case PROBED_TYPE_BOOLEAN:
		lua_pushboolean(L, f->i != 0);
		break;
	case PROBED_TYPE_FLOAT:
		lua_pushnumber(L, f->f);
		break;
	case PROBED_TYPE_TABLE:
		json_push(L, f->s ? f->s : "", f->s ? f->len : 0);
		break;
	default:
		lua_pushnil(L);
	}
}

/* Names of families in any case: header["Content-Type"]. */
static int lower_get(lua_State *L)
{
	size_t len;
	const char *s = luaL_checklstring(L, 2, &len);
	luaL_Buffer b;
	char *to = luaL_buffinitsize(L, &b, len);
	for (size_t i = 0; i < len; i++)
		to[i] = (char)tolower((unsigned char)s[i]);
	luaL_pushresultsize(&b, len);
	lua_rawget(L, 1);
	return 1;
}

/* The fact on its own, all entries of a list or table, or a table of all that begin with NAME. */
static int push_facts(lua_State *L, struct probed_hook_call *call, const char *name)
{
	const struct probed_record_fact *f;
	size_t n = strlen(name);
	lua_Integer items = 0;
	bool family = false;
	for (uint32_t i = 0; (f = call->api->fact(call, i)); i++) {
		bool many = (f->flags & PROBED_FACT_LIST) || f->type == PROBED_TYPE_TABLE;
		bool whole = !strcmp(f->name, name);
		bool part = !whole && !strncmp(f->name, name, n) && f->name[n] == '.';
		box_charge(L, 2);
		if (whole && !many) {
			push_fact(L, f);
			return 1;
		}
		if (!whole && !part)
			continue;
		if (!items && !family)
			lua_newtable(L);
		if (part) {
			family = true;
			push_fact(L, f);
			lua_pushstring(L, f->name + n + 1);
			lua_insert(L, -2);
			lua_rawset(L, -3);
		} else {
			push_fact(L, f);
			lua_rawseti(L, -2, ++items);
		}
	}
	if (family && luaL_newmetatable(L, "result.family")) {
		lua_pushcfunction(L, lower_get);
		lua_setfield(L, -2, "__index");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	if (family)
		lua_setmetatable(L, -2);
	return items || family;
}

static int result_get(lua_State *L)
{
	static const char *const names[] = { "outcome", "reason", "message", "ok", "latency", "service", "body", "body_cut" };
	enum { OUTCOME, REASON, MESSAGE, OK, LATENCY, SERVICE, BODY, BODY_CUT, N };
	struct probed_hook_call *call = call_of(L);
	const char *name = luaL_checkstring(L, 2);
	int i = 0;
	while (i < N && strcmp(names[i], name) != 0)
		i++;
	switch (i) {
	case OUTCOME:
	case REASON:
	case MESSAGE:
		lua_pushstring(L, i == OUTCOME ? call->outcome_name : i == REASON ? call->reason_name : call->message);
		return 1;
	case OK:
		lua_pushboolean(L, call->outcome == PROBED_OK);
		return 1;
	case LATENCY:
	case SERVICE:
		lua_pushnumber(L, (double)(i == LATENCY ? call->latency_ns : call->service_ns) / 1e9);
		return 1;
	case BODY:
		if (call->body)
			lua_pushlstring(L, call->body, call->body_len);
		return call->body != NULL;
	case BODY_CUT:
		lua_pushboolean(L, call->body_cut != 0);
		return 1;
	default:
		return push_facts(L, call, name);
	}
}

static int read_only(lua_State *L)
{
	return luaL_error(L, "this can be read, but not set; fail(\"label\", \"message\") makes the result fail");
}

static int probe_get(lua_State *L)
{
	struct probed_hook_call *call = call_of(L);
	const char *name = luaL_checkstring(L, 2);
	if (!strcmp(name, "step"))
		lua_pushstring(L, call->step);
	else if (!strcmp(name, "driver"))
		lua_pushstring(L, call->driver);
	else if (!strcmp(name, "user"))
		lua_pushinteger(L, (lua_Integer)call->user);
	else if (!strcmp(name, "iteration"))
		lua_pushinteger(L, (lua_Integer)call->iteration);
	else if (!strcmp(name, "tries"))
		lua_pushinteger(L, (lua_Integer)call->tries);
	else
		return luaL_error(L, "probe.%s: there are step, driver, user, iteration and tries", name);
	return 1;
}

/* fail(label, message), or fail(message) */
static int probe_fail(lua_State *L)
{
	struct probed_hook_call *call = call_of(L);
	const char *label = luaL_checkstring(L, 1), *message = luaL_optstring(L, 2, NULL);
	box_charge(L, 1000);
	call->api->fail(call, message ? label : "after", message ? message : label);
	return 0;
}

static void push_readable(lua_State *L, lua_CFunction get)
{
	lua_newuserdatauv(L, 0, 0);
	lua_createtable(L, 0, 3);
	lua_pushcfunction(L, get);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, read_only);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
}

void probe_open(lua_State *L, uint32_t when)
{
	push_view(L, "", true);
	lua_setglobal(L, "request");
	push_view(L, "", false);
	lua_setglobal(L, "vars");
	push_view(L, "row", false);
	lua_setglobal(L, "row");
	push_readable(L, probe_get);
	lua_setglobal(L, "probe");
	if (when != PROBED_HOOK_AFTER)
		return;
	push_readable(L, result_get);
	lua_setglobal(L, "result");
	lua_pushcfunction(L, probe_fail);
	lua_setglobal(L, "fail");
}
