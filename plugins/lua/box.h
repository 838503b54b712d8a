/* SPDX-License-Identifier: Apache-2.0 */
/*
 * box.h - a Lua state of its own for each script, and what it may use: steps, processor time, memory. Once a limit is
 * broken the run is over, whatever the script catches.
 */
#ifndef PLUGINS_LUA_BOX_H
#define PLUGINS_LUA_BOX_H

#include <lauxlib.h>
#include <lua.h>
#include <probed/hook.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOX_MAGIC 0x6c756121u
#define BOX_STEPS 1000000          /* of one run: instructions, and their like in what C does for the script */
#define BOX_TIME_NS 5000000        /* of the thread's processor, in one run */
#define BOX_MEMORY ((size_t)8 << 20) /* of the state */
#define BOX_TEXT_MAX ((size_t)1 << 20) /* of one text handed to a library */

enum broken { BOX_FINE, BOX_STEPS_BROKEN, BOX_TIME_BROKEN, BOX_MEMORY_BROKEN };

struct box {
	unsigned magic;
	lua_State *L;
	size_t used, most;
	uint64_t steps;
	int64_t look_ns, cpu_ns; /* when to look at the processor's time again; what it was at the start */
	bool running;
	enum broken broken;
	char where[120]; /* "sign.lua:7", where a limit was broken */
	char name[80];   /* the script's, for messages */
	uint32_t when;
	struct probed_hook_call *call; /* under way; NULL: none */
};

extern const struct probed_host *host;

/* Libraries and globals in place; NULL: out of memory. */
struct box *box_new(const char *name, uint32_t when);
void box_free(struct box *b);

/* Calls what lies on the stack with n arguments, within the limits; results are dropped. 0, or -1 with a line in `error`. */
int box_call(struct box *b, int n, char *error, size_t size);
/* Its C function that runs unlimited, to set things up. */
int box_setup(struct box *b, lua_CFunction fn, void *arg, char *error, size_t size);

struct box *box_of(lua_State *L);
/* So many steps of work were done; false: that was too much, and the run has to end. */
bool box_spend(struct box *b, uint64_t steps);
/* The same, and raises the error. */
void box_charge(lua_State *L, uint64_t steps);
/* Argument i, a text that is not too long to be worked on: charged for. */
const char *box_text(lua_State *L, int i, size_t *len);

/* base.c: what stays of Lua's own libraries, made safe */
void base_open(lua_State *L);
/* No more globals. */
void base_lock(lua_State *L);
/* text.c: json, base64, hashes, time */
void text_open(lua_State *L);
/* Pushes the value of a JSON text; false: pushes why not. */
bool json_push(lua_State *L, const char *text, size_t len);
/* re.c: regular expressions */
void re_open(lua_State *L);
/* probe.c: request, result, vars, row, probe, fail */
void probe_open(lua_State *L, uint32_t when);

#endif
