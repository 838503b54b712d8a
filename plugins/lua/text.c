/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - json, base64, urlencode, sha256, hmac_sha256, time and date, for scripts. */
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <time.h>

#include "lua/box.h"

#define DEPTH 100

/* --- JSON --------------------------------------------------------------------------------------------- */

/* A document that goes whatever happens: errors of Lua's jump over what comes after them. */
static json_t **held_new(lua_State *L)
{
	json_t **doc = lua_newuserdatauv(L, sizeof *doc, 0);
	*doc = NULL;
	luaL_setmetatable(L, "json.held");
	return doc;
}

static int held_free(lua_State *L)
{
	json_t **doc = lua_touserdata(L, 1);
	json_decref(*doc);
	*doc = NULL;
	return 0;
}

static void push_value(lua_State *L, const json_t *j)
{
	const char *key;
	size_t i;
	json_t *v;
	luaL_checkstack(L, 4, "JSON is nested too deep");
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		lua_createtable(L, 0, (int)json_object_size(j));
		json_object_foreach((json_t *)(uintptr_t)j, key, v) {
			push_value(L, v);
			lua_setfield(L, -2, key);
		}
		break;
	case JSON_ARRAY:
		lua_createtable(L, (int)json_array_size(j), 0);
		json_array_foreach(j, i, v) {
			push_value(L, v);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		luaL_setmetatable(L, "json.array");
		break;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(j), json_string_length(j));
		break;
	case JSON_INTEGER:
		lua_pushinteger(L, json_integer_value(j));
		break;
	case JSON_REAL:
		lua_pushnumber(L, json_real_value(j));
		break;
	case JSON_NULL:
		lua_pushlightuserdata(L, NULL);
		break;
	default:
		lua_pushboolean(L, json_is_true(j));
		break;
	}
}

bool json_push(lua_State *L, const char *text, size_t len)
{
	json_error_t error;
	json_t **doc = held_new(L);
	*doc = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	if (!*doc) {
		lua_pushfstring(L, "no JSON: line %d, column %d: %s", error.line, error.column, error.text);
		lua_remove(L, -2);
		return false;
	}
	box_charge(L, len / 4);
	push_value(L, *doc);
	json_decref(*doc);
	*doc = NULL;
	lua_remove(L, -2);
	return true;
}

static int json_decode(lua_State *L)
{
	size_t len;
	const char *text = box_text(L, 1, &len);
	box_charge(L, len / 8);
	if (json_push(L, text, len))
		return 1;
	lua_pushnil(L);
	lua_insert(L, -2);
	return 2;
}

static json_t *to_json(lua_State *L, int i, int depth);

/* A table of 1 .. n, or marked as an array, is one. */
static bool is_array(lua_State *L, int i)
{
	if (lua_getmetatable(L, i)) {
		luaL_getmetatable(L, "json.array");
		bool marked = lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
		if (marked)
			return true;
	}
	return lua_rawlen(L, i) > 0;
}

static json_t *array_to_json(lua_State *L, int i, int depth)
{
	json_t *list = json_array();
	lua_Unsigned n = lua_rawlen(L, i);
	for (lua_Unsigned k = 1; list && k <= n; k++) {
		lua_rawgeti(L, i, (lua_Integer)k);
		json_t *v = to_json(L, lua_gettop(L), depth + 1);
		lua_pop(L, 1);
		if (!v || json_array_append_new(list, v)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *object_to_json(lua_State *L, int i, int depth)
{
	json_t *object = json_object();
	lua_pushnil(L);
	while (object && lua_next(L, i)) {
		json_t *v = lua_type(L, -2) == LUA_TSTRING ? to_json(L, lua_gettop(L), depth + 1) : NULL;
		lua_pop(L, 1);
		if (!v || json_object_set_new(object, lua_tostring(L, -1), v)) {
			lua_pop(L, 1);
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

/* Raises nothing, since what it has made so far would be lost. NULL: it can't be written so. */
static json_t *to_json(lua_State *L, int i, int depth)
{
	size_t len;
	const char *s;
	if (depth > DEPTH || !lua_checkstack(L, 4) || !box_spend(box_of(L), 4))
		return NULL;
	switch (lua_type(L, i)) {
	case LUA_TTABLE:
		return is_array(L, i) ? array_to_json(L, i, depth) : object_to_json(L, i, depth);
	case LUA_TSTRING:
		s = lua_tolstring(L, i, &len);
		return json_stringn(s, len);
	case LUA_TNUMBER:
		return lua_isinteger(L, i) ? json_integer(lua_tointeger(L, i)) : json_real(lua_tonumber(L, i));
	case LUA_TBOOLEAN:
		return json_boolean(lua_toboolean(L, i));
	case LUA_TLIGHTUSERDATA:
		return json_null();
	default:
		return NULL;
	}
}

static int json_encode(lua_State *L)
{
	luaL_Buffer out;
	luaL_checkany(L, 1);
	lua_settop(L, 1);
	json_t **doc = held_new(L);
	*doc = to_json(L, 1, 0);
	box_charge(L, 0);
	if (!*doc)
		return luaL_error(L, "json.encode: expected strings in UTF-8, finite numbers, booleans, json.null, and tables of "
		                     "them by number or by name, at most %d deep", DEPTH);
	size_t len = json_dumpb(*doc, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!len || len > BOX_TEXT_MAX)
		return luaL_error(L, "json.encode: more than 1 MiB");
	char *to = luaL_buffinitsize(L, &out, len);
	json_dumpb(*doc, to, len, JSON_COMPACT | JSON_ENCODE_ANY);
	luaL_pushresultsize(&out, len);
	json_decref(*doc);
	*doc = NULL;
	return 1;
}

static int json_array_mark(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	luaL_setmetatable(L, "json.array");
	return 1;
}

/* --- hashes and codes --------------------------------------------------------------------------------- */

static void push_hex(lua_State *L, const unsigned char *md, size_t n)
{
	char hex[2 * EVP_MAX_MD_SIZE];
	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = "0123456789abcdef"[md[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[md[i] & 15];
	}
	lua_pushlstring(L, hex, 2 * n);
}

/* The hash as argument i says: hex, base64 or raw. */
static int push_hash(lua_State *L, int i, const unsigned char *md, unsigned n)
{
	static const char *const ways[] = { "hex", "base64", "raw", NULL };
	unsigned char text[2 * EVP_MAX_MD_SIZE];
	switch (luaL_checkoption(L, i, "hex", ways)) {
	case 0:
		push_hex(L, md, n);
		break;
	case 1:
		lua_pushlstring(L, (const char *)text, (size_t)EVP_EncodeBlock(text, md, (int)n));
		break;
	default:
		lua_pushlstring(L, (const char *)md, n);
	}
	return 1;
}

static int text_sha256(lua_State *L)
{
	size_t len;
	unsigned n = 0;
	unsigned char md[EVP_MAX_MD_SIZE];
	const char *s = box_text(L, 1, &len);
	if (!EVP_Digest(s, len, md, &n, EVP_sha256(), NULL))
		return luaL_error(L, "sha256 can't be had of OpenSSL");
	return push_hash(L, 2, md, n);
}

static int text_hmac_sha256(lua_State *L)
{
	size_t key_len, len;
	unsigned n = 0;
	unsigned char md[EVP_MAX_MD_SIZE];
	const char *key = box_text(L, 1, &key_len), *s = box_text(L, 2, &len);
	if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)s, len, md, &n))
		return luaL_error(L, "hmac_sha256 can't be had of OpenSSL");
	return push_hash(L, 3, md, n);
}

static int base64_encode(lua_State *L)
{
	size_t len;
	const char *s = box_text(L, 1, &len);
	luaL_Buffer out;
	char *to = luaL_buffinitsize(L, &out, 4 * ((len + 2) / 3) + 1);
	luaL_pushresultsize(&out, (size_t)EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)s, (int)len));
	return 1;
}

/* nil where it is none. */
static int base64_decode(lua_State *L)
{
	size_t len;
	const char *s = box_text(L, 1, &len);
	luaL_Buffer out;
	char *to = luaL_buffinitsize(L, &out, len + 4);
	int n = len % 4 ? -1 : EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)s, (int)len);
	if (n < 0)
		return 0;
	for (size_t i = 1; i <= 2 && len && s[len - i] == '='; i++)
		n--;
	luaL_pushresultsize(&out, (size_t)n);
	return 1;
}

static int text_urlencode(lua_State *L)
{
	size_t len;
	const char *s = box_text(L, 1, &len);
	luaL_Buffer out;
	luaL_buffinit(L, &out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", c)) {
			luaL_addchar(&out, (char)c);
		} else {
			luaL_addchar(&out, '%');
			luaL_addchar(&out, "0123456789ABCDEF"[c >> 4]);
			luaL_addchar(&out, "0123456789ABCDEF"[c & 15]);
		}
	}
	luaL_pushresult(&out);
	return 1;
}

/* --- time --------------------------------------------------------------------------------------------- */

/* Seconds since 1970, with a fraction. */
static int text_time(lua_State *L)
{
	lua_pushnumber(L, host ? (double)host->wall() / 1e9 : 0);
	return 1;
}

/* date(format [, time]), in UTC */
static int text_date(lua_State *L)
{
	char text[200];
	struct tm tm;
	const char *format = luaL_checkstring(L, 1);
	double at = luaL_optnumber(L, 2, host ? (double)host->wall() / 1e9 : 0);
	luaL_argcheck(L, fabs(at) < 1e11, 2, "expected seconds since 1970");
	time_t t = (time_t)floor(at);
	luaL_argcheck(L, gmtime_r(&t, &tm), 2, "expected seconds since 1970");
	text[0] = '\0';
	if (!strftime(text, sizeof text, format, &tm) && *format)
		return luaL_argerror(L, 1, "expected a format that gives fewer than 200 bytes");
	lua_pushstring(L, text);
	return 1;
}

void text_open(lua_State *L)
{
	static const luaL_Reg json[] = { { "decode", json_decode }, { "encode", json_encode }, { "array", json_array_mark }, { NULL, NULL } };
	static const luaL_Reg base64[] = { { "encode", base64_encode }, { "decode", base64_decode }, { NULL, NULL } };
	static const luaL_Reg plain[] = { { "sha256", text_sha256 }, { "hmac_sha256", text_hmac_sha256 }, { "urlencode", text_urlencode },
		                          { "time", text_time },     { "date", text_date },               { NULL, NULL } };
	luaL_newmetatable(L, "json.held");
	lua_pushcfunction(L, held_free);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newmetatable(L, "json.array");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
	luaL_newlib(L, json);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	lua_setglobal(L, "json");
	luaL_newlib(L, base64);
	lua_setglobal(L, "base64");
	lua_pushglobaltable(L);
	luaL_setfuncs(L, plain, 0);
	lua_pop(L, 1);
}
