/* SPDX-License-Identifier: Apache-2.0 */
/* test_lua.c - scripts of the plugin lua: what they can do, and that no script gets past its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <probed/plugin.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define PAIRS 16
#define LONG_NS INT64_C(400000000) /* of the processor: far above the limit, far below what the bombs would take */

/* --- a host with one probe ----------------------------------------------------------------------------- */

struct pair {
	char key[64], value[4096];
	size_t len;
};

static struct pair options[PAIRS], vars[PAIRS];
static char failed[300], logged[1000];
static const struct probed_record_fact *facts;
static uint32_t n_facts;

static struct pair *find(struct pair *pairs, const char *key, bool make)
{
	struct pair *unused = NULL;
	for (int i = 0; i < PAIRS; i++) {
		if (!strcasecmp(pairs[i].key, key))
			return &pairs[i];
		if (!pairs[i].key[0] && !unused)
			unused = &pairs[i];
	}
	if (make && unused)
		snprintf(unused->key, sizeof unused->key, "%s", key);
	return make ? unused : NULL;
}

static int put(struct pair *pairs, const char *key, const char *value, uint64_t len)
{
	struct pair *p = find(pairs, key, value != NULL);
	if (!p)
		return value ? -1 : 0;
	if (!value) {
		p->key[0] = '\0';
		return 0;
	}
	if (len >= sizeof p->value)
		return -1;
	memcpy(p->value, value, len);
	p->value[len] = '\0';
	p->len = len;
	return 0;
}

static const char *get(struct pair *pairs, const char *key, uint64_t *len)
{
	const struct pair *p = find(pairs, key, false);
	*len = p ? p->len : 0;
	return p ? p->value : NULL;
}

static const char *option_get(struct probed_hook_call *call, const char *key, uint64_t *len, char *error, uint64_t size)
{
	(void)call;
	error[0] = '\0';
	if (!strcmp(key, "nonsense"))
		snprintf(error, size, "nonsense: no such option");
	return get(options, key, len);
}

static int32_t option_set(struct probed_hook_call *call, const char *key, const char *value, uint64_t len, char *error, uint64_t size)
{
	(void)call;
	if (!strcmp(key, "timeout")) {
		snprintf(error, size, "timeout: can't be set");
		return -1;
	}
	return put(options, key, value, len);
}

static uint32_t option_type(struct probed_hook_call *call, const char *key)
{
	(void)call;
	return !strcmp(key, "header") ? PROBED_TYPE_MAP : PROBED_TYPE_STRING;
}

static const char *option_key(struct probed_hook_call *call, uint32_t i)
{
	(void)call;
	for (int k = 0; k < PAIRS; k++)
		if (options[k].key[0] && !i--)
			return options[k].key;
	return NULL;
}

static const char *var_get(struct probed_hook_call *call, const char *name, uint64_t *len)
{
	(void)call;
	return get(vars, name, len);
}

static int32_t var_set(struct probed_hook_call *call, const char *name, const char *value, uint64_t len)
{
	(void)call;
	return put(vars, name, value, len);
}

static const struct probed_record_fact *fact(struct probed_hook_call *call, uint32_t i)
{
	(void)call;
	return i < n_facts ? &facts[i] : NULL;
}

static void fail_with(struct probed_hook_call *call, const char *label, const char *message)
{
	(void)call;
	snprintf(failed, sizeof failed, "%s: %s", label, message);
}

static const struct probed_hook_api api = {
	.size = sizeof api, .option_get = option_get, .option_set = option_set, .option_type = option_type, .option_key = option_key,
	.var_get = var_get, .var_set = var_set, .fact = fact, .fail = fail_with,
};

static int64_t now(void)
{
	return 1;
}

static int64_t wall(void)
{
	return INT64_C(1700000000500000000);
}

static uint64_t any_number(void)
{
	return 4;
}

static void log_line(uint32_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void log_line(uint32_t level, const char *format, ...)
{
	(void)level;
	va_list ap;
	va_start(ap, format);
	vsnprintf(logged, sizeof logged, format, ap);
	va_end(ap);
}

static const struct probed_host fake = { .size = sizeof fake, .now = now, .wall = wall, .random = any_number, .log = log_line };
static const struct probed_hook *lua;
static uint64_t wanted;
static char error[600];
static int64_t took_ns;

static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compile_as(uint32_t when, const char *text, void **script)
{
	struct probed_hook_source source = { .size = sizeof source, .when = when, .step = "s", .name = "x.lua", .text = text, .len = strlen(text) };
	error[0] = '\0';
	wanted = 0;
	return lua->compile(NULL, &source, script, &wanted, error, sizeof error);
}

static int run_script(uint32_t when, void *script)
{
	static const char body[] = "{\"id\": 7, \"tags\": [\"a\", \"b\"], \"none\": null}";
	struct probed_hook_call call = { .size = sizeof call, .when = when, .api = &api, .step = "s", .driver = "d", .user = 3, .iteration = 9 };
	if (when == PROBED_HOOK_AFTER) {
		call.outcome_name = "ok";
		call.reason_name = "";
		call.latency_ns = 1500000000;
		call.body = body;
		call.body_len = strlen(body);
	}
	error[0] = '\0';
	int64_t before = cpu_ns();
	int rc = lua->run(NULL, script, &call, error, sizeof error);
	took_ns = cpu_ns() - before;
	return rc;
}

/* "" or the error of compiling or running it once. */
static const char *once(uint32_t when, const char *text)
{
	void *script;
	if (compile_as(when, text, &script))
		return error;
	run_script(when, script);
	lua->script_free(NULL, script);
	return error;
}

static int forget(void **state)
{
	(void)state;
	memset(options, 0, sizeof options);
	memset(vars, 0, sizeof vars);
	failed[0] = logged[0] = '\0';
	facts = NULL;
	n_facts = 0;
	return 0;
}

#define before(text) once(PROBED_HOOK_BEFORE, text)
#define after(text) once(PROBED_HOOK_AFTER, text)
#define assert_var(name, expected)                                       \
	do {                                                             \
		const struct pair *pair_ = find(vars, (name), false);    \
		assert_non_null(pair_);                                  \
		assert_string_equal(pair_->value, (expected));           \
	} while (0)

/* --- what scripts can do ------------------------------------------------------------------------------- */

static void requests_are_read_and_set(void **state)
{
	(void)state;
	put(options, "url", "http://a/b", 10);
	put(options, "header.Accept", "all", 3);
	assert_string_equal(before("request.header['X-Sign'] = hmac_sha256('key', request.url)\n"
				   "request.header.accept = nil request.retries = 3 request.follow = true\n"
				   "vars.seen = tostring(request.absent) .. tostring(request.header.none)"), "");
	uint64_t len;
	assert_string_equal(get(options, "header.X-Sign", &len), "a4f6fa08f6b4ad2f68cd63ff9369445e007091ed05f39d523ab91185c480580e");
	assert_null(get(options, "header.Accept", &len));
	assert_string_equal(get(options, "retries", &len), "3");
	assert_string_equal(get(options, "follow", &len), "yes");
	assert_var("seen", "nilnil");
	assert_string_equal(before("request.timeout = 1"), "script x.lua:1: request.timeout: can't be set");
	assert_string_equal(before("\n\nlocal x = request.nonsense"), "script x.lua:3: request.nonsense: no such option");
	assert_string_equal(before("local n = 0 for k, v in pairs(request) do n = n + #k end vars.n = n"), "");
	assert_string_equal(before("for k, v in pairs(request.header) do vars[k] = v end"), "");
	assert_non_null(find(vars, "X-Sign", false));
}

static void a_function_or_its_content(void **state)
{
	(void)state;
	void *script;
	assert_string_equal(before("function before(request) request.url = 'x' end"), "");
	uint64_t len;
	assert_string_equal(get(options, "url", &len), "x");
	assert_int_equal(compile_as(PROBED_HOOK_AFTER, "local n = 0\nfunction after(r) n = n + 1 vars.n = n .. r.outcome end", &script), 0);
	run_script(PROBED_HOOK_AFTER, script);
	assert_int_equal(run_script(PROBED_HOOK_AFTER, script), 0);
	lua->script_free(NULL, script);
	assert_var("n", "2ok");
	assert_string_equal(before("local function before(r) end"), "x.lua: expected function before(...) on its outermost level");
	assert_string_equal(before("x = = 1"), "x.lua:1: unexpected symbol near '='");
	assert_string_equal(before("\n\nfunction before() end error('no')"), "x.lua:3: no");
	assert_string_equal(before("\x1bLua"), "x.lua:1: expected a script, not bytecode");
}

static void results_are_read(void **state)
{
	(void)state;
	static const struct probed_record_fact some[] = {
		{ .name = "status", .type = PROBED_TYPE_INTEGER, .i = 200 },
		{ .name = "header.content-type", .type = PROBED_TYPE_STRING, .s = "text", .len = 4 },
		{ .name = "answer", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST, .s = "a", .len = 1 },
		{ .name = "answer", .type = PROBED_TYPE_STRING, .flags = PROBED_FACT_LIST, .s = "b", .len = 1 },
		{ .name = "hops", .type = PROBED_TYPE_TABLE, .s = "{\"ttl\":3}", .len = 9 },
		{ .name = "took", .type = PROBED_TYPE_DURATION, .i = 250000000 },
	};
	facts = some;
	n_facts = sizeof some / sizeof some[0];
	assert_string_equal(after("assert(result.status == 200 and result.header['Content-Type'] == 'text')\n"
				  "assert(#result.answer == 2 and result.answer[2] == 'b' and result.hops[1].ttl == 3)\n"
				  "assert(result.took == 0.25 and result.latency == 1.5 and result.ok and result.nothing == nil)\n"
				  "local d = json.decode(result.body) assert(d.id == 7 and d.none == json.null and #d.tags == 2)\n"
				  "assert(json.encode(d.tags) == '[\"a\",\"b\"]')\n"
				  "vars.id = d.id fail('bad', 'because') print('seen', d.id)"), "");
	assert_var("id", "7");
	assert_string_equal(failed, "bad: because");
	assert_string_equal(logged, "script x.lua of step s: seen 7");
	assert_true(wanted > 0);
	assert_string_equal(after("result.status = 1"), "script x.lua:1: this can be read, but not set; fail(\"label\", \"message\") makes the result fail");
	assert_int_equal(wanted, 0);
	assert_string_equal(before("fail('x')"), "script x.lua:1: attempt to call a nil value (global 'fail')");
}

static void texts(void **state)
{
	(void)state;
	assert_string_equal(before("assert(sha256('') == 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')\n"
				   "assert(hmac_sha256('Jefe', 'what do ya want for nothing?') == "
				   "'5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')\n"
				   "assert(#sha256('', 'raw') == 32 and sha256('', 'base64') == '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=')\n"
				   "assert(base64.encode('a\\0b') == 'YQBi' and base64.decode('YQBi') == 'a\\0b' and base64.decode('YQ==') == 'a')\n"
				   "assert(base64.decode('!') == nil and base64.encode('') == '' and base64.decode('') == '')\n"
				   "assert(urlencode('a b/\\xc3\\xbc') == 'a%20b%2F%C3%BC')\n"
				   "assert(time() == 1700000000.5 and date('%Y-%m-%dT%H:%M:%SZ', 0) == '1970-01-01T00:00:00Z')\n"
				   "local v, why = json.decode('{\"a\":') assert(v == nil and re.find(why, '^no JSON: line 1'))\n"
				   "assert(json.encode({a = {1, 2.5, true, json.null}}) == '{\"a\":[1,2.5,true,null]}')\n"
				   "assert(json.encode(json.array({})) == '[]' and json.encode({}) == '{}' and json.encode('x') == '\"x\"')\n"
				   "assert(json.encode(json.decode('[[],{}]')) == '[[],{}]')\n"
				   "assert(not pcall(json.encode, 0/0) and not pcall(json.encode, print) and not pcall(json.encode, '\\xff'))\n"
				   "local loop = {} loop.x = loop assert(not pcall(json.encode, loop))"), "");
}

static void regular_expressions(void **state)
{
	(void)state;
	assert_string_equal(before("assert(re.match('key=va l', '(\\\\w+)=(\\\\w+)') == 'key' and select(2, re.match('k=v', '(.)=(.)')) == 'v')\n"
				   "local a, b, c = re.find('hello', 'l(l)') assert(a == 3 and b == 4 and c == 'l')\n"
				   "assert(re.find('abc', 'x') == nil and re.find('abab', 'a', 2) == 3 and re.find('abc', 'c', -1) == 3)\n"
				   "local all = '' for w in re.gmatch('a1b22', '\\\\d+') do all = all .. w .. ';' end assert(all == '1;22;')\n"
				   "local t, n = re.gsub('a-b-c', '(\\\\w)-', '<$1>') assert(t == '<a><b>c' and n == 2)\n"
				   "assert(re.gsub('abc', '.', {a = 'x', b = false}) == 'xbc')\n"
				   "assert(re.gsub('abc', '[ab]', function(c) return re.match(c, 'a') and 'A' end) == 'Abc')\n"
				   "assert(re.gsub('ab', '', '.') == '.a.b.' and re.gsub('\\xc3\\xbc', '', '-') == '-\\xc3\\xbc-')\n"
				   "assert(re.gsub('aaa', 'a', 'b', 2) == 'bba' and re.gsub('x', 'x', '$$') == '$')\n"
				   "for i = 1, 100 do assert(re.find('n' .. i, '^n' .. i .. '$')) end"), "");
	assert_string_equal(before("re.find('x', '(')"), "script x.lua:1: the regular expression's byte 2: missing closing parenthesis");
	assert_string_equal(before("re.gsub('x', 'x', '$9')"), "script x.lua:1: re.gsub: expected $0 to $0, or $$, behind a $");
	assert_string_equal(before("string.find('x', 'x')"),
			    "script x.lua:1: string.find is not here: write re.find, with a regular expression");
}

static void nothing_leads_outside(void **state)
{
	(void)state;
	assert_string_equal(before("for _, name in ipairs{'io', 'os', 'package', 'debug', 'require', 'load', 'loadfile', 'dofile', 'coroutine',\n"
				   "'collectgarbage', 'xpcall', 'loadstring', 'warn'} do assert(_G[name] == nil, name) end\n"
				   "assert(string.dump == nil and table.move == nil and getmetatable(request) == false)"), "");
	assert_string_equal(before("x = 1"), "script x.lua:1: x would be shared by all users: write local x, or vars.x to keep it for this user");
	assert_string_equal(before("setmetatable({}, {__gc = function() end})"), "script x.lua:1: __gc is not for scripts");
	assert_string_equal(before("setmetatable(_G, nil)"), "script x.lua:1: this table's metatable can't be changed");
	assert_string_equal(before("error({})"), "script x.lua: raised an error that is no text, but a table");
	assert_string_equal(before("error(setmetatable({}, {__tostring = function() while true do end end}))"),
			    "script x.lua: raised an error that is no text, but a table");
	assert_string_equal(before("error()"), "script x.lua: raised an error that is no text, but a nil");
}

/* --- limits -------------------------------------------------------------------------------------------- */

#define STEPS "used more than 1000000 steps"
#define TIME "took more than 5 ms of processor time"
#define MEMORY "needs more than 8 MiB of memory"

static void bombs_end_in_time(void **state)
{
	(void)state;
	static const char *const bombs[] = {
		"while true do end",
		"while true do pcall(function() while true do end end) end",
		"local function f() pcall(f) while true do end end f()",
		"local function f() pcall(f) pcall(f) end while true do f() end",
		"pcall(pcall, function() while true do end end) while true do end",
		"local x <close> = setmetatable({}, {__close = function() while true do end end}) while true do end",
		"local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) local x = t[1]",
		"local t = setmetatable({}, {}) getmetatable(t).__index = t local x = t.x",
		"local t = setmetatable({}, {__eq = function() while true do end end}) return t == setmetatable({}, getmetatable(t))",
		"goto a ::a:: goto a",
		"local s = 'x' while true do s = s .. s end",
		"local s = ('x'):rep(1000000) while true do s = s:upper() end",
		"local s = ('x'):rep(1000000) while true do local t = s .. 'a' end",
		"local s = ('x'):rep(1000000) while true do utf8.len(s) end",
		"local s, t = ('x'):rep(1000000), ('x'):rep(1000000) while true do local b = s < t end",
		"local s = ('x'):rep(1000000) while true do sha256(s) end",
		"local s = ('x'):rep(1000000) while true do base64.encode(s) end",
		"while true do ('x'):rep(1000000) end",
		"while true do (''):rep(1 << 62) pcall(string.rep, 'x', 1 << 62) end",
		"local t = {} while true do t[#t + 1] = {} end",
		"local t = {} for i = 1, 1e9 do t[i] = i end",
		"local t = {} for i = 1, 1e9 do t[i .. ''] = i end",
		"local function f() return f() + 1 end f()",
		"local function f(...) return f(1, ...) end f()",
		"local t = {} for i = 1, 60000 do t[i] = -i end while true do table.sort(t) end",
		"local t = {} for i = 1, 60000 do t[i] = i end table.sort(t, function() return true end) while true do end",
		"local t = setmetatable({}, {__len = function() return 1 << 40 end}) while true do pcall(table.insert, t, 1, 1) end",
		"local t = {} for i = 1, 50000 do t[i] = 'x' end while true do table.concat(t) end",
		"while true do table.unpack({}, 1, 9999) end",
		"while true do pcall(table.unpack, {}, 1, 1e8) end",
		"while true do pcall(error, {}) end",
		"while true do pcall(string.format, '%s', setmetatable({}, {__tostring = function() while true do end end})) end",
		"tostring(setmetatable({}, {__tostring = function() while true do end end}))",
		"local s = ('a'):rep(40) while true do pcall(re.find, s, '(a+)+$b') end",
		"local s = ('a'):rep(90000) .. 'b' re.find(s, '(?s)a.*?[^ab].*b')",
		"local s = ('a'):rep(1000000) while true do re.find(s, '^b') re.find(s, 'b') end",
		"for i = 1, 1e9 do re.find('x', 'x' .. i) end",
		"while true do re.gsub(('a'):rep(100000), 'a', 'bbbbbbbbbbbbbbbbbbbb') end",
		"for _ in re.gmatch(('a'):rep(1000000), '') do end while true do end",
		"while true do json.decode('[' .. ('1,'):rep(100000) .. '1]') end",
		"while true do pcall(json.decode, ('['):rep(100000)) end",
		"local t = {} for i = 1, 20000 do t[i] = i end while true do json.encode(t) end",
		"local t = {} for i = 1, 90 do t = {t, t} end json.encode(t)",
		"while true do for k in pairs(request) do end end",
		"while true do request.url = 'x' vars.x = 'y' end",
		"while true do print('x') end",
	};
	put(options, "url", "http://a/b", 10);
	int64_t longest_ns = 0;
	for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
		before(bombs[i]);
		longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
		if (!*error || took_ns > LONG_NS || !strstr(error, "script x.lua"))
			print_message("%s\n\t%s after %d ms\n", bombs[i], error, (int)(took_ns / 1000000));
		assert_true(*error);
		assert_true(took_ns < LONG_NS);
		assert_true(strstr(error, "x.lua"));
	}
	print_message("the longest of them took %d ms\n", (int)(longest_ns / 1000000));
}

static void broken_limits_name_their_line(void **state)
{
	(void)state;
	before("\nlocal n = 0\nwhile true do n = n + 1 end");
	assert_true(strstr(error, "script x.lua:3: " STEPS) || strstr(error, "script x.lua:3: " TIME));
	before("local t = {}\nfor i = 1, 100 do\n\tt[i] = ('x'):rep(1000000) .. i\nend");
	assert_true(strstr(error, "script x.lua:3: " MEMORY) || strstr(error, "script x.lua:3: " TIME));
	before("local t = {}\nlocal ok = pcall(function()\n\tfor i = 1, 100 do t[i] = ('x'):rep(1000000) .. i end\nend)\nt = nil\nvars.x = 1");
	assert_true(strstr(error, "script x.lua:3: " MEMORY) || strstr(error, "script x.lua:3: " TIME));
	assert_null(find(vars, "x", false));
}

static void a_run_that_broke_leaves_the_next_one_alone(void **state)
{
	(void)state;
	void *script;
	assert_int_equal(compile_as(PROBED_HOOK_BEFORE, "local kept = {}\nfunction before(r)\n"
				    "if vars.how == 'loop' then while true do end end\n"
				    "if vars.how == 'eat' then for i = 1, 1e9 do kept[i] = ('x'):rep(1e5) .. i end end\n"
				    "vars.count = (vars.count or 0) + 1 end", &script), 0);
	static const char *const ways[] = { "", "loop", "", "eat", "", "eat", "loop", "" };
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		put(vars, "how", ways[i], strlen(ways[i]));
		assert_int_equal(run_script(PROBED_HOOK_BEFORE, script), *ways[i] ? -1 : 0);
	}
	lua->script_free(NULL, script);
	assert_var("count", "4");
}

static void the_outermost_level_is_limited_too(void **state)
{
	(void)state;
	void *script;
	int64_t start = cpu_ns();
	assert_int_equal(compile_as(PROBED_HOOK_BEFORE, "function before() end\nwhile true do end", &script), -1);
	assert_true(cpu_ns() - start < LONG_NS);
	assert_true(strstr(error, "x.lua:2: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(requests_are_read_and_set, forget),
		cmocka_unit_test_setup(a_function_or_its_content, forget),
		cmocka_unit_test_setup(results_are_read, forget),
		cmocka_unit_test_setup(texts, forget),
		cmocka_unit_test_setup(regular_expressions, forget),
		cmocka_unit_test_setup(nothing_leads_outside, forget),
		cmocka_unit_test_setup(bombs_end_in_time, forget),
		cmocka_unit_test_setup(broken_limits_name_their_line, forget),
		cmocka_unit_test_setup(a_run_that_broke_leaves_the_next_one_alone, forget),
		cmocka_unit_test_setup(the_outermost_level_is_limited_too, forget),
	};
	lua = &probed_plugin.hooks[0];
	if (probed_plugin.load(&fake))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
