/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_lua.c - scripts of steps: compiled and run before and after, with a request, variables and a body. No run may last. */
#include <probed/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONG_NS INT64_C(2000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char kept[1000];
static uint64_t kept_len;

static const char *option_get(struct probed_hook_call *call, const char *key, uint64_t *len, char *error, uint64_t error_size)
{
	(void)call;
	snprintf(error, error_size, "%s", strchr(key, '?') ? "no such option" : "");
	*len = 27;
	return *error ? NULL : "http://example.org/path?a=1";
}

static int32_t option_set(struct probed_hook_call *call, const char *key, const char *value, uint64_t len, char *error, uint64_t error_size)
{
	(void)call, (void)value;
	snprintf(error, error_size, "%s can't be set", key);
	return len > 100 ? -1 : 0;
}

static uint32_t option_type(struct probed_hook_call *call, const char *key)
{
	(void)call;
	return *key == 'h' ? PROBED_TYPE_MAP : PROBED_TYPE_STRING;
}

static const char *option_key(struct probed_hook_call *call, uint32_t i)
{
	static const char *const keys[] = { "header.A", "header.B", "url" };
	(void)call;
	return i < 3 ? keys[i] : NULL;
}

static const char *var_get(struct probed_hook_call *call, const char *name, uint64_t *len)
{
	(void)call, (void)name;
	*len = kept_len;
	return kept_len ? kept : NULL;
}

static int32_t var_set(struct probed_hook_call *call, const char *name, const char *value, uint64_t len)
{
	(void)call, (void)name;
	if (len >= sizeof kept)
		return -1;
	kept_len = value ? len : 0;
	if (value)
		memcpy(kept, value, len);
	return 0;
}

static const struct probed_record_fact *fact(struct probed_hook_call *call, uint32_t i)
{
	static const struct probed_record_fact facts[] = {
		{ .name = "status", .type = PROBED_TYPE_INTEGER, .i = 200 },
		{ .name = "header.a", .type = PROBED_TYPE_STRING, .s = "x", .len = 1 },
		{ .name = "list", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST, .s = "y", .len = 1 },
		{ .name = "rows", .type = PROBED_TYPE_TABLE, .s = "{\"n\":[1,2]}", .len = 11 },
	};
	(void)call;
	return i < sizeof facts / sizeof facts[0] ? &facts[i] : NULL;
}

static void fail(struct probed_hook_call *call, const char *label, const char *message)
{
	(void)call;
	if (strlen(label) + strlen(message) == SIZE_MAX)
		abort();
}

static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void run_as(uint32_t when, const char *text, size_t len)
{
	static const struct probed_hook_api api = {
		.size = sizeof api, .option_get = option_get, .option_set = option_set, .option_type = option_type, .option_key = option_key,
		.var_get = var_get, .var_set = var_set, .fact = fact, .fail = fail,
	};
	const struct probed_hook *lua = probed_plugin.hooks;
	struct probed_hook_source source = { .size = sizeof source, .when = when, .step = "s", .name = "x", .text = text, .len = len };
	struct probed_hook_call call = { .size = sizeof call, .when = when, .api = &api, .step = "s", .driver = "d",
		                         .outcome_name = "ok", .reason_name = "", .body = "{\"a\":[1,2,{}]}", .body_len = 14 };
	char error[400];
	void *script;
	uint64_t want;
	int64_t start = cpu_ns();
	if (lua->compile(NULL, &source, &script, &want, error, sizeof error))
		return;
	for (int i = 0; i < 2; i++)
		if (lua->run(NULL, script, &call, error, sizeof error) && !*error)
			abort();
	lua->script_free(NULL, script);
	if (cpu_ns() - start > LONG_NS)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	kept_len = 0;
	run_as(PROBED_HOOK_BEFORE, text, strlen(text));
	run_as(PROBED_HOOK_AFTER, text, strlen(text));
	free(text);
	return 0;
}
