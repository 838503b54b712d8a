/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.c - what stays of Lua's own libraries. What reaches files, processes, bytecode, other states or the garbage collector
 * is gone; what works in C for long is bounded, since nothing interrupts it there.
 */
#include <lualib.h>
#include <string.h>

#include "lua/box.h"

#define REP_MAX (1 << 20)

/* --- base --------------------------------------------------------------------------------------------- */

/* A broken limit is not caught. */
static int base_pcall(lua_State *L)
{
	struct box *b = box_of(L);
	luaL_checkany(L, 1);
	int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
	if (status == LUA_ERRMEM && !b->broken)
		b->broken = b->steps > BOX_STEPS ? BOX_STEPS_BROKEN : BOX_MEMORY_BROKEN;
	if (b->broken)
		return lua_error(L);
	lua_pushboolean(L, status == LUA_OK);
	lua_insert(L, 1);
	return lua_gettop(L);
}

/* Finalizers run where no limit holds. */
static int base_setmetatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argcheck(L, lua_istable(L, 2) || lua_isnil(L, 2), 2, "expected nil or a table");
	lua_settop(L, 2);
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "this table's metatable can't be changed");
	if (lua_istable(L, 2)) {
		lua_pushliteral(L, "__gc");
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "__gc is not for scripts");
		lua_settop(L, 2);
	}
	lua_setmetatable(L, 1);
	return 1;
}

static int base_log(lua_State *L)
{
	struct box *b = box_of(L);
	luaL_Buffer text;
	int n = lua_gettop(L);
	luaL_buffinit(L, &text);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&text, ' ');
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&text);
	}
	luaL_pushresult(&text);
	box_charge(L, 1000);
	if (host && b->call)
		host->log(PROBED_LOG_INFO, "script %s of step %s: %.500s", b->name, b->call->step, lua_tostring(L, -1));
	return 0;
}

/* --- table and string --------------------------------------------------------------------------------- */

/* Calls the library's own, upvalue 1, with all arguments. */
static int pass_on(lua_State *L)
{
	int n = lua_gettop(L);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, LUA_MULTRET);
	return lua_gettop(L);
}

/* A length that a metatable makes up would be walked to its end. */
static int on_table(lua_State *L)
{
	static const char *const fields[] = { "__len", "__index", "__newindex" };
	luaL_checktype(L, 1, LUA_TTABLE);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (luaL_getmetafield(L, 1, fields[i]) != LUA_TNIL)
			return luaL_argerror(L, 1, "expected a table without a metatable");
	box_charge(L, (uint64_t)lua_rawlen(L, 1) * (uint64_t)lua_tointeger(L, lua_upvalueindex(2)) / 10);
	return pass_on(L);
}

static int on_unpack(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer i = luaL_optinteger(L, 2, 1), last = luaL_optinteger(L, 3, (lua_Integer)lua_rawlen(L, 1));
	if (last >= i)
		luaL_argcheck(L, (lua_Unsigned)last - (lua_Unsigned)i < 10000, 3, "too many values");
	box_charge(L, last >= i ? (uint64_t)(last - i) : 0);
	return pass_on(L);
}

static int on_text(lua_State *L)
{
	size_t len;
	box_text(L, 1, &len);
	box_charge(L, len / 8);
	return pass_on(L);
}

/* By doubling, where Lua's own goes one by one. */
static int string_rep(lua_State *L)
{
	size_t len, between, done;
	luaL_Buffer out;
	const char *s = luaL_checklstring(L, 1, &len);
	lua_Integer n = luaL_checkinteger(L, 2);
	const char *sep = luaL_optlstring(L, 3, "", &between);
	size_t unit = len + between;
	if (n <= 0 || !unit) {
		lua_pushliteral(L, "");
		return 1;
	}
	if ((double)unit * (double)n > REP_MAX)
		return luaL_error(L, "string.rep: the text would have more than 1 MiB");
	size_t whole = unit * (size_t)n;
	box_charge(L, whole / 64);
	char *to = luaL_buffinitsize(L, &out, whole);
	memcpy(to, s, len);
	memcpy(to + len, sep, between);
	for (done = unit; done < whole; done *= 2)
		memcpy(to + done, to, done < whole - done ? done : whole - done);
	luaL_pushresultsize(&out, whole - between);
	return 1;
}

static int absent(lua_State *L)
{
	return luaL_error(L, "string.%s is not here: write re.%s, with a regular expression", lua_tostring(L, lua_upvalueindex(1)),
	                  lua_tostring(L, lua_upvalueindex(1)));
}

/* Puts `fn` around the function `name` of the table on top. */
static void wrap(lua_State *L, const char *name, lua_CFunction fn, int weight)
{
	lua_getfield(L, -1, name);
	lua_pushinteger(L, weight);
	lua_pushcclosure(L, fn, 2);
	lua_setfield(L, -2, name);
}

static void take_out(lua_State *L, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		lua_pushnil(L);
		lua_setfield(L, -2, names[i]);
	}
}

static void string_open(lua_State *L)
{
	static const char *const patterns[] = { "find", "match", "gmatch", "gsub" }, *const gone[] = { "dump" };
	luaL_requiref(L, "string", luaopen_string, 1);
	lua_pushcfunction(L, string_rep);
	lua_setfield(L, -2, "rep");
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		lua_pushstring(L, patterns[i]);
		lua_pushcclosure(L, absent, 1);
		lua_setfield(L, -2, patterns[i]);
	}
	take_out(L, gone, 1);
	lua_pop(L, 1);
}

static void table_open(lua_State *L)
{
	static const char *const gone[] = { "move" };
	luaL_requiref(L, "table", luaopen_table, 1);
	wrap(L, "insert", on_table, 1);
	wrap(L, "remove", on_table, 1);
	wrap(L, "concat", on_table, 10);
	wrap(L, "sort", on_table, 200);
	wrap(L, "unpack", on_unpack, 0);
	take_out(L, gone, 1);
	lua_pop(L, 1);
}

static void utf8_open(lua_State *L)
{
	static const char *const walked[] = { "len", "codepoint", "offset", "codes" };
	luaL_requiref(L, "utf8", luaopen_utf8, 1);
	for (size_t i = 0; i < sizeof walked / sizeof walked[0]; i++)
		wrap(L, walked[i], on_text, 0);
	lua_pop(L, 1);
}

static void math_open(lua_State *L)
{
	luaL_requiref(L, "math", luaopen_math, 1);
	lua_getfield(L, -1, "randomseed");
	lua_pushinteger(L, (lua_Integer)(host ? host->random() : 1));
	lua_pushinteger(L, (lua_Integer)(host ? host->random() : 2));
	lua_call(L, 2, 0);
	lua_pop(L, 1);
}

void base_open(lua_State *L)
{
	static const char *const gone[] = { "dofile", "loadfile", "load", "collectgarbage", "xpcall", "require", "warn" };
	static const luaL_Reg own[] = { { "pcall", base_pcall }, { "setmetatable", base_setmetatable }, { "print", base_log },
		                        { "log", base_log },     { NULL, NULL } };
	luaL_requiref(L, "_G", luaopen_base, 1);
	take_out(L, gone, sizeof gone / sizeof gone[0]);
	luaL_setfuncs(L, own, 0);
	lua_pop(L, 1);
	string_open(L);
	table_open(L);
	utf8_open(L);
	math_open(L);
}

/* --- globals ------------------------------------------------------------------------------------------ */

static int no_globals(lua_State *L)
{
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
	return luaL_error(L, "%s would be shared by all users: write local %s, or vars.%s to keep it for this user", name, name, name);
}

void base_lock(lua_State *L)
{
	lua_pushglobaltable(L);
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, no_globals);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}
