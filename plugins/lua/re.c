/* SPDX-License-Identifier: Apache-2.0 */
/*
 * re.c - regular expressions for scripts: re.find, re.match, re.gmatch, re.gsub, by PCRE2. Each of a match's items is a step
 * of the script's budget, through PCRE2's callouts, so that no pattern runs for longer than the script may.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "lua/box.h"

#define PATTERN_MAX 4096
#define KEPT 32 /* compiled patterns of one script */
#define HEAP_KIB 4096
#define LOOK 64 /* callouts between two looks at the limits */

struct pattern {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	struct box *box;
	uint32_t callouts;
};

static int pattern_free(lua_State *L)
{
	struct pattern *p = lua_touserdata(L, 1);
	pcre2_match_context_free(p->context);
	pcre2_match_data_free(p->data);
	pcre2_code_free(p->code);
	memset(p, 0, sizeof *p);
	return 0;
}

static int on_callout(pcre2_callout_block *block, void *arg)
{
	struct pattern *p = arg;
	(void)block;
	if (++p->callouts % LOOK)
		return 0;
	return box_spend(p->box, LOOK) ? 0 : PCRE2_ERROR_CALLOUT;
}

static void compile(lua_State *L, struct pattern *p, const char *text, size_t len)
{
	int code;
	PCRE2_SIZE at;
	p->code = pcre2_compile((PCRE2_SPTR)text, len, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT,
	                        &code, &at, NULL);
	if (!p->code) {
		PCRE2_UCHAR why[160];
		pcre2_get_error_message(code, why, sizeof why);
		luaL_error(L, "the regular expression's byte %d: %s", (int)at + 1, (const char *)why);
	}
	p->data = pcre2_match_data_create_from_pattern(p->code, NULL);
	p->context = pcre2_match_context_create(NULL);
	if (!p->data || !p->context)
		luaL_error(L, "out of memory for a regular expression");
	pcre2_set_heap_limit(p->context, HEAP_KIB);
	pcre2_set_callout(p->context, on_callout, p);
	p->box = box_of(L);
}

/* That of argument i, which stays on the stack so that it is not collected. Upvalue 1 keeps those in use. */
static struct pattern *pattern_of(lua_State *L, int i)
{
	size_t len;
	const char *text = luaL_checklstring(L, i, &len);
	luaL_argcheck(L, len <= PATTERN_MAX, i, "longer than 4 KiB");
	lua_pushvalue(L, i);
	if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TUSERDATA)
		return lua_touserdata(L, -1);
	lua_pop(L, 1);
	box_charge(L, 500 + 4 * len);
	lua_rawgeti(L, lua_upvalueindex(1), 0);
	lua_Integer n = lua_tointeger(L, -1);
	lua_pop(L, 1);
	if (n >= KEPT) {
		for (lua_pushnil(L); lua_next(L, lua_upvalueindex(1));) {
			lua_pop(L, 1);
			lua_pushvalue(L, -1);
			lua_pushnil(L);
			lua_rawset(L, lua_upvalueindex(1));
		}
		n = 0;
	}
	struct pattern *p = lua_newuserdatauv(L, sizeof *p, 0);
	memset(p, 0, sizeof *p);
	luaL_setmetatable(L, "re.pattern");
	compile(L, p, text, len);
	lua_pushvalue(L, i);
	lua_pushvalue(L, -2);
	lua_rawset(L, lua_upvalueindex(1));
	lua_pushinteger(L, n + 1);
	lua_rawseti(L, lua_upvalueindex(1), 0);
	return p;
}

/* False: no match from there on. */
static bool match(lua_State *L, const struct pattern *p, const char *s, size_t len, size_t from, uint32_t options)
{
	box_charge(L, 20 + (len - from) / 64);
	int rc = pcre2_match(p->code, (PCRE2_SPTR)s, len, from, options, p->data, p->context);
	box_charge(L, 0);
	if (rc >= 0)
		return true;
	if (rc != PCRE2_ERROR_NOMATCH)
		luaL_error(L, "the regular expression takes too long, or too much memory, on this text");
	return false;
}

static size_t *groups_of(const struct pattern *p, uint32_t *n)
{
	*n = pcre2_get_ovector_count(p->data);
	return pcre2_get_ovector_pointer(p->data);
}

static void push_group(lua_State *L, const struct pattern *p, const char *s, uint32_t i)
{
	uint32_t n;
	const size_t *g = groups_of(p, &n);
	if (i >= n || g[2 * i] == PCRE2_UNSET || g[2 * i] > g[2 * i + 1])
		lua_pushnil(L);
	else
		lua_pushlstring(L, s + g[2 * i], g[2 * i + 1] - g[2 * i]);
}

/* The groups, or the whole match where there are none. */
static int push_captures(lua_State *L, const struct pattern *p, const char *s)
{
	uint32_t n;
	groups_of(p, &n);
	luaL_checkstack(L, (int)n + 2, "too many groups");
	for (uint32_t i = n > 1; i < n; i++)
		push_group(L, p, s, i);
	return n > 1 ? (int)n - 1 : 1;
}

/* Where to begin, from a position as scripts count it. */
static size_t start_of(lua_State *L, int i, size_t len)
{
	lua_Integer at = luaL_optinteger(L, i, 1);
	if (at < 0)
		at += (lua_Integer)len + 1;
	if (at < 1)
		at = 1;
	return (size_t)at - 1;
}

static int re_find(lua_State *L)
{
	size_t len, from;
	uint32_t n;
	const char *s = box_text(L, 1, &len);
	from = start_of(L, 3, len);
	const struct pattern *p = pattern_of(L, 2);
	if (from > len || !match(L, p, s, len, from, 0))
		return 0;
	const size_t *g = groups_of(p, &n);
	lua_pushinteger(L, (lua_Integer)g[0] + 1);
	lua_pushinteger(L, (lua_Integer)g[1]);
	return 2 + (n > 1 ? push_captures(L, p, s) : 0);
}

static int re_match(lua_State *L)
{
	size_t len, from;
	const char *s = box_text(L, 1, &len);
	from = start_of(L, 3, len);
	const struct pattern *p = pattern_of(L, 2);
	if (from > len || !match(L, p, s, len, from, 0))
		return 0;
	return push_captures(L, p, s);
}

/* The next match at or after *from, which moves behind it; an empty one is not found twice. */
static bool next_match(lua_State *L, const struct pattern *p, const char *s, size_t len, size_t *from)
{
	uint32_t n;
	if (*from > len || !match(L, p, s, len, *from, 0))
		return false;
	const size_t *g = groups_of(p, &n);
	size_t end = g[1] > *from ? g[1] : *from;
	if (g[0] == g[1])
		for (end++; end < len && ((unsigned char)s[end] & 0xc0) == 0x80;)
			end++;
	*from = end;
	return true;
}

/* Upvalues 2 and 3: the text and the pattern; 4: where to go on. */
static int gmatch_next(lua_State *L)
{
	size_t len, from = (size_t)lua_tointeger(L, lua_upvalueindex(4));
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_pushvalue(L, lua_upvalueindex(3));
	const char *s = lua_tolstring(L, 1, &len);
	const struct pattern *p = pattern_of(L, 2);
	if (!next_match(L, p, s, len, &from))
		return 0;
	lua_pushinteger(L, (lua_Integer)from);
	lua_replace(L, lua_upvalueindex(4));
	return push_captures(L, p, s);
}

static int re_gmatch(lua_State *L)
{
	size_t len;
	box_text(L, 1, &len);
	lua_settop(L, 2);
	pattern_of(L, 2);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, gmatch_next, 4);
	return 1;
}

/* "$1", "$0", "$$" */
static void add_expanded(lua_State *L, luaL_Buffer *out, const struct pattern *p, const char *s, const char *with, size_t len)
{
	uint32_t n;
	const size_t *g = groups_of(p, &n);
	for (size_t i = 0; i < len; i++) {
		if (with[i] != '$') {
			luaL_addchar(out, with[i]);
			continue;
		}
		char c = ++i < len ? with[i] : '\0';
		uint32_t k = (uint32_t)(c - '0');
		if (c == '$')
			luaL_addchar(out, '$');
		else if (c < '0' || c > '9' || k >= n)
			luaL_error(L, "re.gsub: expected $0 to $%d, or $$, behind a $", (int)n - 1);
		else if (g[2 * k] != PCRE2_UNSET && g[2 * k] <= g[2 * k + 1])
			luaL_addlstring(out, s + g[2 * k], g[2 * k + 1] - g[2 * k]);
	}
}

/* What takes the place of the match, as argument 3 says. The buffer may lie on top of the stack. */
static void add_replacement(lua_State *L, luaL_Buffer *out, const struct pattern *p, const char *s)
{
	uint32_t n;
	size_t len;
	size_t whole[2];
	memcpy(whole, groups_of(p, &n), sizeof whole); /* a function may match again */
	if (lua_type(L, 3) == LUA_TTABLE) {
		push_group(L, p, s, n > 1);
		if (lua_isnil(L, -1))
			lua_pop(L, 1), lua_pushliteral(L, "");
		lua_gettable(L, 3);
	} else if (lua_type(L, 3) == LUA_TFUNCTION) {
		lua_pushvalue(L, 3);
		lua_call(L, push_captures(L, p, s), 1);
	} else {
		const char *with = lua_tolstring(L, 3, &len);
		add_expanded(L, out, p, s, with, len);
		return;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		if (whole[0] <= whole[1])
			luaL_addlstring(out, s + whole[0], whole[1] - whole[0]);
	} else if (lua_isstring(L, -1)) {
		luaL_addvalue(out);
	} else {
		luaL_error(L, "re.gsub: expected a text in place of the match, not a %s", luaL_typename(L, -1));
	}
}

static int re_gsub(lua_State *L)
{
	size_t len, from = 0, done = 0;
	uint32_t n;
	const char *s = box_text(L, 1, &len);
	int kind = lua_type(L, 3);
	luaL_argcheck(L, kind == LUA_TSTRING || kind == LUA_TNUMBER || kind == LUA_TTABLE || kind == LUA_TFUNCTION, 3,
	              "expected a text, a table or a function");
	lua_Integer most = luaL_optinteger(L, 4, LUA_MAXINTEGER), count = 0;
	lua_settop(L, 4);
	const struct pattern *p = pattern_of(L, 2);
	luaL_Buffer out;
	luaL_buffinit(L, &out);
	while (count < most && next_match(L, p, s, len, &from)) {
		const size_t *g = groups_of(p, &n);
		size_t begin = g[0], end = g[1];
		if (begin > end || begin < done)
			break; /* \K in a lookahead turns them round */
		luaL_addlstring(&out, s + done, begin - done);
		add_replacement(L, &out, p, s);
		done = end;
		count++;
	}
	luaL_addlstring(&out, s + done, len - done);
	luaL_pushresult(&out);
	lua_pushinteger(L, count);
	return 2;
}

void re_open(lua_State *L)
{
	static const luaL_Reg functions[] = { { "find", re_find }, { "match", re_match }, { "gmatch", re_gmatch }, { "gsub", re_gsub }, { NULL, NULL } };
	luaL_newmetatable(L, "re.pattern");
	lua_pushcfunction(L, pattern_free);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newlibtable(L, functions);
	lua_newtable(L);
	luaL_setfuncs(L, functions, 1);
	lua_setglobal(L, "re");
}
