/* SPDX-License-Identifier: Apache-2.0 */
/* test_plans.c - steps, flows, plans and limits of a configuration, and every error on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "config/model.h"
#include "config/url.h"
#include "data/data.h"
#include "measure/require.h"
#include "plan/gate.h"
#include "plan/pace.h"
#include "plan/resource.h"
#include "plan/select.h"
#include "plan/window.h"
#include "sample.h"

/* What most texts here begin with: lines 1 to 16. */
#define BASE                                                                                        \
	"[target home]\nurl = web://h.example.org/\nlabels.region = eu\n\n"                           \
	"[target api]\nurl = web://api.example.org/v1/\nlabels.region = us\nheader.X = y\nweight = 5\n" \
	"[target db]\nurl = port://d:1\nlabels.region = eu\nmonitor = no\n\n"                         \
	"[step login]\ntarget = api\n"

static struct registry *registry;

static char *told(struct errs *errs)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	errs_sort(errs);
	errs_print(errs, f);
	fclose(f);
	errs_free(errs);
	return text;
}

static struct model *build(const char *text, struct errs *errs)
{
	struct config *c = config_parse("a.ini", text, errs);
	struct model *m = model_build(c, registry, errs);
	config_free(c);
	return m;
}

static struct model *good(const char *text)
{
	struct errs errs = { 0 };
	struct model *m = build(text, &errs);
	size_t wrong = errs.errors;
	char *errors = told(&errs);
	if (wrong)
		assert_string_equal(errors, "");
	assert_non_null(m);
	free(errors);
	return m;
}

struct wrong {
	const char *text, *errors;
};

/* The first 16 lines are BASE. True where just these errors are told. */
static bool tells(const char *text, const char *expected)
{
	struct errs errs = { 0 };
	char *whole = xasprintf("%s%s", BASE, text);
	struct model *m = build(whole, &errs);
	char *errors = told(&errs);
	bool right = !m && !strcmp(errors, expected);
	if (!right)
		print_error("%s--- tells ---\n%s--- not ---\n%s", text, errors, expected);
	model_unref(m);
	free(errors);
	free(whole);
	return right;
}

static void assert_wrong(const struct wrong *cases, size_t n)
{
	size_t bad = 0;
	for (size_t i = 0; i < n; i++)
		bad += !tells(cases[i].text, cases[i].errors);
	assert_int_equal(bad, 0);
}

static const char *value(const struct kv *kvs, uint32_t n, const char *key)
{
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(kvs[i].key, key))
			return kvs[i].value;
	return NULL;
}

/* "home:1 api:5", a flow's steps behind its name. */
static const char *choices_of(const struct model *m, const char *plan)
{
	static char out[1000];
	const struct plan *p = model_plan(m, plan);
	size_t n = 0;
	assert_non_null(p);
	for (uint32_t i = 0; i < p->n_choices; i++) {
		const struct choice *c = &p->choices[i];
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%s:%g", i ? " " : "", c->name, c->weight);
		for (uint32_t k = 0; c->flow && k < c->n_steps; k++)
			n += (size_t)snprintf(out + n, sizeof out - n, "%s%s", k ? "," : "=", c->steps[k]->name);
	}
	return out;
}

static void assert_run(const char *run, enum select_kind select, const char *expected)
{
	char *text = xasprintf(BASE "[step orders]\ntarget = api\n[flow buy]\nsteps = login orders\n[flow look]\nsteps = orders home\n"
				    "[plan p]\npace = rate 1/s\nrun = %s\n",
			       run);
	struct model *m = good(text);
	assert_string_equal(choices_of(m, "p"), expected);
	assert_int_equal(model_plan(m, "p")->select, select);
	model_unref(m);
	free(text);
}

static void targets_have_keys_for_plans(void **state)
{
	(void)state;
	struct model *m = good("[defaults]\nretry = 2\n[target a]\nurl = web://h/\nweight = 2.5\nmonitor = no\ninflight = 7\n"
			       "limit = 40/s burst 10\n[target b]\nurl = web://h/\nretry = 0\n");
	const struct target *a = model_target(m, "a"), *b = model_target(m, "b");
	assert_true(a->weight == 2.5);
	assert_false(a->monitor);
	assert_int_equal(a->retry, 2);
	assert_int_equal(a->inflight, 7);
	assert_true(a->limit->rate == 40);
	assert_int_equal(a->limit->burst, 10);
	assert_true(b->weight == 1 && b->monitor && !b->retry && !b->inflight && !b->limit);
	model_unref(m);
}

static void a_step_is_its_target_with_other_options(void **state)
{
	(void)state;
	struct model *m = good(BASE "path = login?a=1\ntimeout = 2s\nheader.Y = z\nexpect.ok = status in 200..299\n"
				    "capture.token = header.Set-Cookie\nbefore = <<E\nreturn 1\nE\n"
				    "on_fail = continue\nthink = 1s..3s\nretry = 1\nlabels.region = ap\n");
	const struct target *t = model_probed(m, "login");
	assert_null(model_target(m, "login"));
	assert_int_equal(m->n_steps, 1);
	assert_string_equal(value(t->options, t->n_options, "url"), "web://api.example.org/v1/login?a=1");
	assert_string_equal(value(t->options, t->n_options, "header.X"), "y");
	assert_string_equal(value(t->options, t->n_options, "header.Y"), "z");
	assert_null(value(t->options, t->n_options, "path"));
	assert_string_equal(value(t->labels, t->n_labels, "region"), "ap");
	assert_int_equal(t->n_expects, 1);
	assert_int_equal(t->timeout_ns, 2 * NS_PER_S);
	assert_int_equal(t->retry, 1);
	assert_false(t->monitor);
	assert_true(t->weight == 1);
	const struct step *s = t->step;
	assert_string_equal(s->of, "api");
	assert_string_equal(s->captures[0].key, "token");
	assert_string_equal(s->captures[0].value, "header.Set-Cookie");
	assert_string_equal(s->hooks[0].key, "before");
	assert_string_equal(s->hooks[0].value, "return 1");
	assert_string_equal(s->hook, "script");
	assert_int_equal(s->think_min_ns, NS_PER_S);
	assert_int_equal(s->think_max_ns, 3 * NS_PER_S);
	assert_true(s->go_on);
	model_unref(m);
}

static void a_step_does_not_inherit_expectations_but_a_list_as_a_whole(void **state)
{
	(void)state;
	struct model *m = good("[target t]\nurl = port://h:1\ndialogue.1 = a\ndialogue.2 = b\nexpect.x = latency < 1s\n"
			       "[step one]\ntarget = t\ndialogue.1 = c\n[step two]\ntarget = t\nurl = port://other:2\n");
	const struct target *one = model_probed(m, "one"), *two = model_probed(m, "two");
	assert_int_equal(one->n_expects, 0);
	assert_string_equal(value(one->options, one->n_options, "dialogue.1"), "c");
	assert_null(value(one->options, one->n_options, "dialogue.2"));
	assert_string_equal(value(one->options, one->n_options, "host"), "h");
	assert_string_equal(value(two->options, two->n_options, "host"), "other");
	assert_string_equal(value(two->options, two->n_options, "port"), "2");
	assert_string_equal(value(two->options, two->n_options, "dialogue.2"), "b");
	model_unref(m);
}

static void paths_join_urls(void **state)
{
	(void)state;
	static const struct {
		const char *base, *path, *url;
	} cases[] = {
		{ "web://h/a/b?q#f", "/c", "web://h/c" },
		{ "web://h/a/b?q", "c", "web://h/a/c" },
		{ "web://h/a/b/", "c?d=e#f", "web://h/a/b/c?d=e" },
		{ "web://h/a/b?q", "?z=1", "web://h/a/b?z=1" },
		{ "web://h/a/b?q#f", "", "web://h/a/b?q" },
		{ "web://h", "c", "web://h/c" },
		{ "web://h", "/c", "web://h/c" },
		{ "web://h?q", "?z", "web://h/?z" },
		{ "web://u:p@h:1/a", "//other/x", "web://u:p@h:1//other/x" },
		{ "web://h/{{pick \"a/b\" c}}/d", "e", "web://h/{{pick \"a/b\" c}}/e" },
		{ "web://h/a", "/o?u={{row.user | replace \"#\" \"\"}}#f", "web://h/o?u={{row.user | replace \"#\" \"\"}}" },
		{ "h/a", "c", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *url = url_join(cases[i].base, cases[i].path);
		if (cases[i].url)
			assert_string_equal(url, cases[i].url);
		else
			assert_null(url);
		free(url);
	}
}

static void hosts_are_the_keys_of_limits(void **state)
{
	(void)state;
	static const struct {
		const char *text, *host;
	} cases[] = {
		{ "web://API.example.org:80/x?y", "api.example.org" },
		{ "web://u:p@h/", "h" },
		{ "web://[2001:DB8::1]:80/", "2001:db8::1" },
		{ "web://{{pick a b}}/", NULL },
		{ "web://h/{{seq}}", "h" },
		{ "db:5432", "db" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "[2001:db8::1]:53", "2001:db8::1" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char host[100] = "";
		int rc = url_host(cases[i].text, host, sizeof host);
		assert_int_equal(rc, cases[i].host ? 0 : -1);
		assert_string_equal(host, cases[i].host ? cases[i].host : "");
	}
	struct model *m = good(BASE);
	char host[100];
	assert_int_equal(target_host(model_target(m, "api"), host, sizeof host), 0);
	assert_string_equal(host, "api.example.org");
	assert_int_equal(target_host(model_target(m, "db"), host, sizeof host), 0);
	assert_string_equal(host, "d");
	model_unref(m);
}

static void run_selects(void **state)
{
	(void)state;
	assert_run("home", SELECT_ONE, "home:1");
	assert_run("one api", SELECT_ONE, "api:5");
	assert_run("login", SELECT_ONE, "login:1=login");
	assert_run("buy", SELECT_ONE, "buy:1=login,orders");
	assert_run("flow login home", SELECT_ONE, "p:1=login,home");
	assert_run("flow buy", SELECT_ONE, "buy:1=login,orders");
	assert_run("pick home:10 api", SELECT_PICK, "home:10 api:5");
	assert_run("pick home:0.5 login:2 buy", SELECT_PICK, "home:0.5 login:2=login buy:1=login,orders");
	assert_run("round home api home", SELECT_ROUND, "home:1 api:5 home:1");
	assert_run("sequence home api", SELECT_SEQUENCE, "home:1 api:5");
	assert_run("shuffle *", SELECT_SHUFFLE, "api:5 db:1 home:1");
	assert_run("pick *:3 api:1", SELECT_PICK, "db:3 home:3 api:1");
	assert_run("pick label:region=eu", SELECT_PICK, "db:1 home:1");
	assert_run("pick label:region=e*:7 label:region=us", SELECT_PICK, "db:7 home:7 api:5");
	assert_run("round label:region=eu h* d[a-c]", SELECT_ROUND, "db:1 home:1");
	assert_run("mix buy:70 look:30", SELECT_PICK, "buy:70=login,orders look:30=orders,home");
	assert_run("mix buy orders", SELECT_PICK, "buy:1=login,orders orders:1=orders");
}

static void rows_and_names_with_colons_are_selected(void **state)
{
	(void)state;
	char dir[] = "/tmp/probed-plans-XXXXXX";
	assert_non_null(mkdtemp(dir));
	char *path = xasprintf("%s/h.csv", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("name,host,port\none,a,1\ntwo,b,2\n", f);
	fclose(f);
	char *text = xasprintf("[target set]\ndriver = port\ntargets_from = %s\n[target web:80]\nurl = web://h/\n"
			       "[plan p]\nrun = pick set/*:2 web:80 set/two:9\npace = rate 1/s\n"
			       "[plan q]\nrun = pick web:80:4 set/one\npace = rate 1/s\n",
			       path);
	struct model *m = good(text);
	assert_string_equal(choices_of(m, "p"), "set/one:2 web:80:1 set/two:9");
	assert_string_equal(choices_of(m, "q"), "web:80:4 set/one:1");
	model_unref(m);
	free(text);
	unlink(path);
	rmdir(dir);
	free(path);
}

static void a_plan_has_what_its_section_says(void **state)
{
	(void)state;
	struct model *m = good(BASE "[plan p]\nrun = flow login\nsetup = home\nteardown = db home\npace = rate 10/s ramp 1m:20/s hold 2m\n"
				    "start = auto\ninflight = 9\nlimit = 100/s\nslack = 0\ntimeout = 7s\nseed = 42\nrecord = no\n"
				    "think = 2s\nrequire.2 = errors rate < 1%\nrequire.1 = latency by login p95 < 300ms\n"
				    "require.10 = dropped count == 0\n"
				    "require.3 = lag max < 1s\nrequire.4 = lag max < 1s\nrequire.5 = lag max < 1s\n"
				    "require.6 = lag max < 1s\nrequire.7 = lag max < 1s\nrequire.8 = lag max < 1s\n"
				    "require.9 = lag max < 1s\n");
	const struct plan *p = model_plan(m, "p");
	assert_int_equal(m->n_plans, 1);
	assert_string_equal(p->choices[0].name, "p");
	assert_int_equal(p->choices[0].think_min_ns, 2 * NS_PER_S);
	assert_string_equal(p->setup->name, "setup");
	assert_true(p->setup->flow);
	assert_int_equal(p->teardown->n_steps, 2);
	assert_int_equal(pace_length_ns(p->pace), 180 * NS_PER_S);
	assert_false(p->manual);
	assert_int_equal(p->inflight, 9);
	assert_true(p->limit->rate == 100);
	assert_int_equal(p->slack_ns, 0);
	assert_int_equal(p->timeout_ns, 7 * NS_PER_S);
	assert_int_equal(p->seed, 42);
	assert_false(p->record);
	assert_int_equal(p->n_requires, 10);
	assert_string_equal(requirement_text(p->requires[0]), "latency by login p95 < 300ms");
	assert_string_equal(requirement_text(p->requires[9]), "dropped count == 0");
	model_unref(m);
}

static void a_plan_has_defaults_and_finite_ones_wait(void **state)
{
	(void)state;
	struct model *m = good(BASE "[plan a]\nrun = home\npace = rate 1/s\n[plan b]\nrun = home\npace = rate 1/s hold 1m\n"
				    "[plan c]\nrun = home\npace = human 1s..2s\nfor = 10s\n[plan d]\nrun = sequence home api\npace = rate 1/s\n"
				    "[plan e]\nrun = home\npace = users 3\nstart = manual\n");
	const struct plan *a = model_plan(m, "a");
	assert_int_equal(a->inflight, 1000);
	assert_int_equal(a->slack_ns, 250 * NS_PER_US);
	assert_true(a->record && !a->timeout_ns && !a->limit && !a->windows && !a->setup && !a->data.path);
	assert_false(a->manual);
	assert_true(a->seed != model_plan(m, "b")->seed);
	assert_true(model_plan(m, "b")->manual);
	assert_int_equal(pace_length_ns(model_plan(m, "c")->pace), 10 * NS_PER_S);
	assert_true(model_plan(m, "c")->manual);
	assert_true(model_plan(m, "d")->manual);
	assert_true(model_plan(m, "e")->manual);
	model_unref(m);
}

static void limits_stand_in_sections_of_their_own(void **state)
{
	(void)state;
	struct model *m = good("[probed]\nlimit = 500/s\ninflight = 3000\n[host *.example.org]\nlimit = 40/s burst 10\ninflight = 5\n"
			       "backoff = 1s..5m\nbreaker = 5 failures in 30s open 10s\n[host 2001:db8::1]\nlimit = 1/min\n"
			       "[driver web]\ninflight = 50\n[resources]\ncpu = 90%\nqueue = 4MiB resume 1MiB\n");
	const struct limits *l = &m->limits;
	assert_true(l->limit->rate == 500);
	assert_int_equal(l->inflight, 3000);
	assert_int_equal(l->n_hosts, 2);
	assert_string_equal(l->hosts[0].match, "*.example.org");
	assert_true(l->hosts[0].limit->rate == 40);
	assert_int_equal(l->hosts[0].inflight, 5);
	assert_non_null(l->hosts[0].backoff);
	assert_non_null(l->hosts[0].breaker);
	assert_null(l->hosts[1].backoff);
	assert_int_equal(l->n_drivers, 1);
	assert_int_equal(l->drivers[0].inflight, 50);
	assert_true(l->resources->band[RESOURCE_CPU].pause == 0.9);
	assert_true(l->resources->band[RESOURCE_MEMORY].pause == 0);
	model_unref(m);
}

/* --- printing, and what changes ---------------------------------------------------------------- */

static char *print(const struct model *m)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	model_print(m, f);
	fclose(f);
	return text;
}

static const char everything[] =
    "[probed]\nlimit = 500/s\ninflight = 3000\n"
    "[host *.example.org]\nlimit = 400/s burst 10\nbackoff = 1s..5m on 503\n[driver web]\ninflight = 50\n[resources]\nmemory = 90%\n"
    "[target home]\nurl = web://h.example.org/\nmonitor = no\nweight = 2.5\nretry = 3\ninflight = 4\nlimit = 7.5/min\ntoken = hush\n"
    "labels.a = b\n"
    "[step login]\ntarget = home\npath = /login\ncapture.token = header.X\nbody = a{{uuid}}\nthink = 1500ms..3s\non_fail = continue\n"
    "expect.ok = status == 200\nafter = <<E\nx = 1\n\ny = 2\nE\nhook = script\n"
    "[step orders]\ntarget = home\nbody = {{token}}\n[flow buy]\nsteps = login orders\nthink = 2s\n"
    "[plan p]\nrun = mix buy:3 login\npace = rate 2/min\nrequire.1 = latency by orders p99 < 1s\nseed = 7\n"
    "[plan q]\nrun = flow login orders\nsetup = login\npace = users 3 think 1s..2s\n";

static void a_model_reads_back_from_its_print(void **state)
{
	(void)state;
	struct model *m = good(everything);
	char *text = print(m);
	assert_null(strstr(text, "hush"));
	assert_non_null(strstr(text, "[plan p]\nrun              = mix buy:3 login\n"));
	assert_non_null(strstr(text, "after            = <<END\nx = 1\n\ny = 2\nEND\n"));
	struct model *back = good(text);
	char *again = print(back);
	assert_string_equal(text, again);
	assert_int_equal(model_plan(m, "p")->digest, model_plan(back, "p")->digest);
	assert_int_equal(model_plan(m, "q")->digest, model_plan(back, "q")->digest);
	assert_int_equal(model_probed(m, "home")->inflight, model_probed(back, "home")->inflight);
	free(text);
	free(again);
	model_unref(m);
	model_unref(back);
}

static char changes[500];

static void on_plan(void *ctx, enum change what, const struct plan *before, const struct plan *after)
{
	(void)ctx;
	size_t n = strlen(changes);
	snprintf(changes + n, sizeof changes - n, "%c%s ", "+-~"[what], (after ? after : before)->name);
}

static void on_step(void *ctx, enum change what, const struct target *before, const struct target *after)
{
	(void)ctx;
	size_t n = strlen(changes);
	snprintf(changes + n, sizeof changes - n, "%c%s ", "+-~"[what], (after ? after : before)->name);
}

static void assert_changes(const char *before, const char *after, const char *plans, const char *steps)
{
	struct model *a = good(before), *b = good(after);
	*changes = '\0';
	model_diff_plans(a, b, on_plan, NULL);
	assert_string_equal(changes, plans);
	*changes = '\0';
	model_diff_steps(a, b, on_step, NULL);
	assert_string_equal(changes, steps);
	model_unref(a);
	model_unref(b);
}

static void only_what_changed_differs(void **state)
{
	(void)state;
#define PLANS "[plan p]\nrun = pick *\npace = rate 1/s\n[plan q]\nrun = flow login\npace = rate 1/s\n"
	assert_changes(BASE PLANS, BASE PLANS, "", "");
	assert_changes(BASE PLANS, BASE "[plan p]\nrun = pick *\npace = rate 2/s\n[plan r]\nrun = home\npace = rate 1/s\n", "~p -q +r ", "");
	assert_changes(BASE PLANS, BASE "method = POST\n" PLANS, "", "~login ");
	assert_changes(BASE PLANS, BASE "think = 1s\n" PLANS, "", "~login ");
	assert_changes(BASE PLANS, BASE "[step x]\ntarget = home\n" PLANS, "", "+x ");
	/* a glob selects more */
	assert_changes(BASE PLANS, BASE "[target more]\nurl = web://h/\n" PLANS, "~p ", "");
}

/* --- errors ------------------------------------------------------------------------------------ */

static void errors_of_steps_and_flows(void **state)
{
	(void)state;
	static const struct wrong cases[] = {
		{ "[step]\n", "a.ini:17: [step] a step needs a name: [step NAME]\n" },
		{ "[step s]\npath = /\n", "a.ini:17: [step s] target: is required, and missing: whose request is it?\n" },
		{ "[step s]\ntarget = hom\n", "a.ini:18: [step s] target: unknown target \"hom\" (did you mean \"home\"?)\n" },
		{ "[step s]\ntarget = login\n", "a.ini:18: [step s] target: login is a step itself: expected a target\n" },
		{ "[step home]\ntarget = api\n", "a.ini:17: [step home] the name is taken already, by the target at a.ini:1\n" },
		{ "interval = 1s\nmonitor = yes\n", "a.ini:17: [step login] interval: belongs to a target, not to its steps\n"
						   "a.ini:18: [step login] monitor: belongs to a target, not to its steps\n" },
		{ "metod = POST\n", "a.ini:17: [step login] metod: unknown option (did you mean \"method\"?)\n" },
		{ "capure.x = status\n", "a.ini:17: [step login] capure.x: unknown option (did you mean \"capture.x\"?)\n" },
		{ "capture = status\n",
		  "a.ini:17: [step login] capture: write capture.NAME = query: {{NAME}} stands for it in later steps\n" },
		{ "capture.x = stats\n",
		  "a.ini:17: [step login] capture.x: column 1: unknown query \"stats\": driver web has no such fact (did you mean \"status\"?)\n" },
		{ "capture.uuid = status\n",
		  "a.ini:17: [step login] capture.uuid: {{uuid}} stands for something else already: choose another name\n" },
		{ "on_fail = go\n", "a.ini:17: [step login] on_fail: expected one of stop, continue, not \"go\"\n" },
		{ "think = 3s..1s\n", "a.ini:17: [step login] think: expected a time up to a day or a range of times, such as "
				      "2s or 1s..3s, not \"3s..1s\"\n" },
		{ "think = 2d\n", "a.ini:17: [step login] think: expected a time up to a day or a range of times, such as "
				  "2s or 1s..3s, not \"2d\"\n" },
		{ "before = x\nhook = scrpt\n", "a.ini:18: [step login] hook: no plugin runs \"scrpt\" (did you mean \"script\"?)\n" },
		{ "before = x\nhook = cobol\n", "a.ini:18: [step login] hook: no plugin runs \"cobol\": expected script\n" },
		{ "hook = x\n", "a.ini:17: [step login] hook: runs nothing: write before = SCRIPT or after = SCRIPT beside it\n" },
		{ "before = @/nowhere/x\n",
		  "a.ini:17: [step login] before: can't read /nowhere/x: No such file or directory\n" },
		{ "expect.x = stat == 1\n",
		  "a.ini:17: [step login] expect.x: column 1: unknown query \"stat\": driver web has no such fact (did you mean \"status\"?)\n" },
		{ "[step s]\ntarget = db\npath = /\n", "a.ini:19: [step s] path: unknown option\n" },
		{ "[flow]\nsteps = login\n", "a.ini:17: [flow] a flow needs a name: [flow NAME]\n" },
		{ "[flow f]\nthink = 1s\n", "a.ini:17: [flow f] steps: is required, and missing (what it runs, in order)\n" },
		{ "[flow f]\nsteps =\n", "a.ini:18: [flow f] steps: expected the names of steps, such as login orders\n" },
		{ "[flow f]\nsteps = login ordrs\n[step orders]\ntarget = api\n",
		  "a.ini:18: [flow f] steps: unknown step or target \"ordrs\" (did you mean \"orders\"?)\n" },
		{ "[flow f]\nsteps = login\n[flow g]\nsteps = f login\n",
		  "a.ini:20: [flow g] steps: f is a flow: it can't be a step beside others, write its steps\n" },
		{ "[flow login]\nsteps = home\n", "a.ini:17: [flow login] the name is taken already, by the step at a.ini:15\n" },
		{ "[flow f]\nsteps = login\nthik = 1s\n", "a.ini:19: [flow f] thik: unknown option (did you mean \"think\"?)\n" },
		/* one error, not its echoes */
		{ "[step s]\ntarget = hom\n[flow f]\nsteps = s\n[plan p]\nrun = flow f\npace = rate 1/s\n[plan q]\nrun = mix f\npace = rate 1/s\n"
		  "[plan r]\nrun = f\nsetup = s\nteardown = f\npace = rate 1/s\n",
		  "a.ini:18: [step s] target: unknown target \"hom\" (did you mean \"home\"?)\n" },
		{ "[target bad]\nurl = web://h/\nnono = 1\n[step s]\ntarget = bad\n[flow f]\nsteps = s\n[plan p]\nrun = flow f\npace = rate 1/s\n",
		  "a.ini:19: [target bad] nono: unknown option\n" },
	};
	assert_wrong(cases, ARRAY_LEN(cases));
}

static void errors_of_plans(void **state)
{
	(void)state;
#define P "[plan p]\npace = rate 1/s\nrun = "
#define R "[plan p]\nrun = home\npace = rate 1/s\n"
	static const struct wrong cases[] = {
		{ "[plan]\n", "a.ini:17: [plan] a plan needs a name: [plan NAME]\n" },
		{ "[plan p]\n", "a.ini:17: [plan p] run: is required, and missing (what it selects, such as pick home:10 api:1)\n"
				"a.ini:17: [plan p] pace: is required, and missing (when, such as rate 20/s, human 1s..8s or users 10)\n" },
		{ P "\n", "a.ini:19: [plan p] run: expected what to run, such as one home or flow login orders\n" },
		{ P "hme\n", "a.ini:19: [plan p] run: unknown target, step or flow \"hme\" (did you mean \"home\"?)\n" },
		{ P "pik home api\n", "a.ini:19: [plan p] run: \"pik\": expected one, pick, round, sequence, shuffle, flow or mix "
				      "first (did you mean \"pick\"?)\n" },
		{ P "pick\n", "a.ini:19: [plan p] run: pick of what? Names follow it\n" },
		{ P "home api\n",
		  "a.ini:19: [plan p] run: \"home\": expected one, pick, round, sequence, shuffle, flow or mix first\n" },
		{ P "h*\n", "a.ini:19: [plan p] run: \"h*\" may stand for several targets: say how to choose, such as pick or "
			    "round before it\n" },
		{ P "one home api\n", "a.ini:19: [plan p] run: these are 2: one takes one; to choose between them write pick, "
				      "round, sequence or shuffle\n" },
		{ P "pick x*\n", "a.ini:19: [plan p] run: \"x*\" matches no target\n" },
		{ P "pick label:region=ap\n",
		  "a.ini:19: [plan p] run: no target has a label region with this value: \"label:region=ap\" matches nothing\n" },
		{ P "pick label:regoin=eu\n", "a.ini:19: [plan p] run: no target has a label \"regoin\": \"label:regoin=eu\" matches "
					      "nothing (did you mean \"region\"?)\n" },
		{ P "pick label:region\n",
		  "a.ini:19: [plan p] run: \"label:region\": expected label:NAME=VALUE, such as label:region=eu\n" },
		{ P "pick home:ten api\n",
		  "a.ini:19: [plan p] run: \"home:ten\": expected a weight above 0 behind the colon, such as home:10\n" },
		{ P "pick home:0 api\n",
		  "a.ini:19: [plan p] run: \"home:0\": expected a weight above 0 behind the colon, such as home:10\n" },
		{ P "round home:2 api\n",
		  "a.ini:19: [plan p] run: round takes no weights: write home without :2, or choose with pick\n" },
		{ P "pick home:1 home:2\n", "a.ini:19: [plan p] run: \"home\" is listed twice: write it once, with its weight\n" },
		{ P "mix home:1 login\n", "a.ini:19: [plan p] run: \"home\" is a target: mix chooses between flows; to choose "
					  "between targets write pick\n" },
		{ P "flow login nope\n", "a.ini:19: [plan p] run: unknown step or target \"nope\" (did you mean \"home\"?)\n" },
		{ "[plan p]\nrun = home\npace = every 30s\n",
		  "a.ini:19: [plan p] pace: that is what monitoring does: write interval (and jitter) in the target, or "
		  "rate 1/min here\n" },
		{ R "start = later\n", "a.ini:20: [plan p] start: expected one of auto, manual, not \"later\"\n" },
		{ R "inflight = 0\n", "a.ini:20: [plan p] inflight: expected 1 to 10000000, not \"0\"\n" },
		{ R "slack = 250\n", "a.ini:20: [plan p] slack: expected a duration with its unit, such as 500ms or 5s, not \"250\"\n" },
		{ R "requier.1 = errors rate < 1%\n", "a.ini:20: [plan p] requier.1: unknown option (did you mean \"require.1\"?)\n" },
		{ R "require = errors rate < 1%\n", "a.ini:20: [plan p] require: is an ordered list: write require.1, require.2, ...\n" },
		{ R "require.1 = latency by hme p95 < 1s\n",
		  "a.ini:20: [plan p] require.1: column 12: unknown step \"hme\" (did you mean \"home\"?)\n" },
		{ R "require.1 = latncy p95 < 1s\n",
		  "a.ini:20: [plan p] require.1: column 1: unknown metric \"latncy\" (did you mean \"latency\"?)\n" },
		{ R "setup = logn\n", "a.ini:20: [plan p] setup: unknown step or target \"logn\" (did you mean \"login\"?)\n" },
		{ R "data = /nowhere/users.csv\n",
		  "a.ini:20: [plan p] data: /nowhere/users.csv: can't read it: No such file or directory\n" },
		{ R "data = users.csv randm\n", "a.ini:20: [plan p] data: \"randm\": expected FILE, then sequential, random or unique, "
						"then stop or repeat (did you mean \"random\"?)\n" },
		{ R "data = users.csv random stop\n",
		  "a.ini:20: [plan p] data: rows taken at random never end: write repeat, or nothing\n" },
		{ R "data = users.csv unique repeat\n", "a.ini:20: [plan p] data: each row once, and again from the start: write "
							"sequential repeat, or unique by itself\n" },
	};
	assert_wrong(cases, ARRAY_LEN(cases));
}

static void a_limit_below_what_a_plan_asks_for_is_an_error(void **state)
{
	(void)state;
#define A_LIMIT                                                                                               \
	"is not a limit: expected a rate as 40/s, 2.5/min or 100/h (at most 10000000/s, three digits after the point), " \
	"and perhaps its burst, as in 40/s burst 10\n"
#define LOOKS_LIKE "pass, and the wait would look like latency: ask for at most "
	static const struct wrong cases[] = {
		{ "[host *.example.org]\nlimit = 40/s\n[plan p]\nrun = home\npace = rate 10/s ramp 1m:50/s hold 1m\n",
		  "a.ini:21: [plan p] pace: asks for up to 50/s, but [host *.example.org] (a.ini:17), for h.example.org, lets 40/s "
		  LOOKS_LIKE "40/s, or raise the limit\n" },
		{ "[host h.example.org]\nlimit = 30/min\n[plan p]\nrun = pick home:1 api:3\npace = rate 4/s\n",
		  "a.ini:21: [plan p] pace: asks for up to 4/s, which makes 1/s probes there, but [host h.example.org] (a.ini:17), for "
		  "h.example.org, lets 30/min " LOOKS_LIKE "2/s, or raise the limit\n" },
		{ "[driver web]\nlimit = 15/s\n[plan p]\nrun = flow login home db\npace = rate 10/s\n",
		  "a.ini:21: [plan p] pace: asks for up to 10/s, which makes 20/s probes there, but [driver web] (a.ini:17) lets 15/s "
		  LOOKS_LIKE "7.5/s, or raise the limit\n" },
		{ "[target t]\nurl = web://h/\nlimit = 1/s\n[step s]\ntarget = t\n[plan p]\nrun = mix s login\npace = rate 4/s\n",
		  "a.ini:24: [plan p] pace: asks for up to 4/s, which makes 2/s probes there, but [target t] (a.ini:17) lets 1/s "
		  LOOKS_LIKE "2/s, or raise the limit\n" },
		{ "[plan p]\nrun = flow login login\npace = rate 4/s\nlimit = 5/s\n",
		  "a.ini:19: [plan p] pace: asks for up to 4/s, which makes 8/s probes there, but the limit of the plan itself lets 5/s "
		  LOOKS_LIKE "2.5/s, or raise the limit\n" },
		{ "[probed]\nlimit = 3/s\n[plan p]\nrun = home\npace = rate 4/s\n",
		  "a.ini:21: [plan p] pace: asks for up to 4/s, but limit in [probed] lets 3/s " LOOKS_LIKE "3/s, or raise the limit\n" },
	};
	assert_wrong(cases, ARRAY_LEN(cases));
	/* enough, a closed loop, and the first host that matches */
	model_unref(good(BASE "[host *.example.org]\nlimit = 40/s\n[plan p]\nrun = home\npace = rate 40/s\n"));
	model_unref(good(BASE "[host *.example.org]\nlimit = 1/s\n[plan p]\nrun = home\npace = users 100\n"));
	model_unref(good(BASE "[host h.*]\nlimit = 40/s\n[host *]\nlimit = 1/s\n[plan p]\nrun = home\npace = rate 40/s\n"));
	model_unref(good(BASE "[host h.*]\nlimit = 1/s\n[plan p]\nrun = api\npace = rate 40/s\n"));
}

static void errors_of_limits(void **state)
{
	(void)state;
	static const struct wrong cases[] = {
		{ "[host]\nlimit = 1/s\n",
		  "a.ini:17: [host] whose limits? Write [host NAME], or a pattern such as [host *.example.org]\n" },
		{ "[host h]\nlimt = 1/s\n", "a.ini:18: [host h] limt: unknown option (did you mean \"limit\"?)\n" },
		{ "[host h]\nlimit = 40\n", "a.ini:18: [host h] limit: \"40\" " A_LIMIT },
		{ "[host h]\nbackoff = 5m..1s\n",
		  "a.ini:18: [host h] backoff: \"5m..1s\" is not a backoff: expected the shortest and the longest pause, as in 1s..5m, "
		  "and perhaps what it answers, as in 1s..5m on 429 503 error\n" },
		{ "[host h]\nbreaker = often\n",
		  "a.ini:18: [host h] breaker: \"often\" is not a breaker: expected how many failures in what time open it and for how "
		  "long, as in 5 failures in 30s open 10s, then perhaps probes 1 and on 503 error (at most 10000 failures)\n" },
		{ "[host h/x]\n", "a.ini:17: [host h/x]: expected [kind name], where a name is made of letters, digits and _ . -, and no "
				   "longer than 250\n" },
		{ "[driver wbe]\n", "a.ini:17: [driver wbe] unknown driver \"wbe\" (did you mean \"web\"?); probed --list-plugins shows "
				     "what is there\n" },
		{ "[driver web]\nbackoff = 1s..5m\n", "a.ini:18: [driver web] backoff: unknown option\n" },
		{ "[resources]\ncpu = 90%\nmemry = 90%\n", "a.ini:19: [resources] memry: unknown option (did you mean \"memory\"?)\n" },
		{ "[resources]\ncpu = lots\n",
		  "a.ini:18: [resources] cpu: \"lots\" is not a limit of a resource: expected from where on to pause and below what to "
		  "go on, as in 90% resume 80%\n" },
		{ "[resources x]\n", "a.ini:17: [resources x] [resources] takes no name\n" },
		{ "[probed]\ninflight = 0\nlimit = x\n",
		  "a.ini:18: [probed] inflight: expected 1 to 10000000, not \"0\"\n"
		  "a.ini:19: [probed] limit: \"x\" " A_LIMIT },
		{ "[target t]\nurl = web://h/\nweight = 0\nmonitor = maybe\nretry = -1\ninflight = none\nlimit = fast\n",
		  "a.ini:19: [target t] weight: expected a number above 0, not \"0\"\n"
		  "a.ini:20: [target t] monitor: expected yes or no, not \"maybe\"\n"
		  "a.ini:21: [target t] retry: expected 0 to 100, not \"-1\"\n"
		  "a.ini:22: [target t] inflight: expected a whole number, not \"none\"\n"
		  "a.ini:23: [target t] limit: \"fast\" " A_LIMIT },
	};
	assert_wrong(cases, ARRAY_LEN(cases));
}

static void names_in_templates_are_known(void **state)
{
	(void)state;
	char dir[] = "/tmp/probed-plans-XXXXXX";
	assert_non_null(mkdtemp(dir));
	char *path = xasprintf("%s/users.csv", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("user,pass\na,b\n", f);
	fclose(f);
	/* captured by an earlier step, by the setup, and out of the data */
#define FLOW "capture.token = header.X\n[step use]\ntarget = api\nbody = {{token}}\n"
	model_unref(good(BASE FLOW "[plan p]\nrun = flow login use\npace = rate 1/s\n"));
	model_unref(good(BASE FLOW "[plan p]\nsetup = login\nrun = use\nteardown = use\npace = rate 1/s\n"));
	model_unref(good(BASE FLOW "[plan p]\nrun = flow login use\npace = users 3\nsetup = home\n"));
	model_unref(good(BASE "before = x\n[step use]\ntarget = api\nbody = {{token}}\n[plan p]\nrun = flow login use\npace = rate 1/s\n"));
	char *text = xasprintf(BASE "path = /?u={{row.user}}\n[plan p]\nrun = login\npace = rate 1/s\ndata = %s unique\n", path);
	struct model *m = good(text);
	const struct plan *p = model_plan(m, "p");
	assert_int_equal(p->data.order, DATA_UNIQUE);
	assert_false(p->data.repeat);
	assert_true(p->manual);
	model_unref(m);
	free(text);
	text = xasprintf("path = /?u={{row.usr}}\n[plan p]\nrun = login\npace = rate 1/s\ndata = %s\n", path);
	assert_true(tells(text, "a.ini:17: [step login] url: in plan p: column 32: unknown column of the data \"usr\" (did you mean "
				"\"user\"?)\n"));
	free(text);
	text = xasprintf("path = /?u={{row.user}}\n[flow f]\nsteps = login\n[plan p]\nrun = mix f login\nsetup = login\nteardown = login\n"
			 "pace = rate 1/s\ndata = %s\n", path);
	assert_true(tells(text, "a.ini:17: [step login] url: in plan p: column 28: {{row.user}} has no data to come from: expected data = "
				"FILE beside it (setup and teardown get no row of it)\n"));
	free(text);
#define NOT_CAPTURED                                                                    \
	"a.ini:20: [step use] body: in plan p: column 3: unknown name inside {{ }} \"token\": " \
	"an earlier step, or the setup, has to capture it\n"
	static const struct wrong cases[] = {
		{ FLOW "[plan p]\nrun = flow use login\npace = rate 1/s\n", NOT_CAPTURED },
		{ FLOW "[plan p]\nrun = mix login use\npace = rate 1/s\n", NOT_CAPTURED },
		{ "path = /?u={{row.user}}\n[plan p]\nrun = login\npace = rate 1/s\n",
		  "a.ini:17: [step login] url: in plan p: column 28: {{row.user}} has no data to come from: expected data = FILE "
		  "beside it\n" },
		{ "body = {{env.PROBED_UNSET}}\n",
		  "a.ini:17: [step login] body: column 3: the environment has no variable \"PROBED_UNSET\"\n" },
		{ "body = {{random 5}}\n",
		  "a.ini:17: [step login] body: column 11: random expects two integers: random 1 100\n" },
		{ "[target t]\nurl = web://h/{{token}}\n",
		  "a.ini:18: [target t] url: column 11: unknown name inside {{ }} \"token\"\n" },
	};
	assert_wrong(cases, ARRAY_LEN(cases));
	unlink(path);
	rmdir(dir);
	free(path);
}

static void windows_and_cron_entries_open_plans(void **state)
{
	(void)state;
	struct model *m = good(BASE "[plan a]\nrun = home\npace = rate 1/s hold 1m\nwindow.1 = mon-fri 08:00-18:00 Europe/Berlin\n"
				    "window.2 = sat 10:00-12:00\nexcept = 2026-12-25\ntimezone = Europe/London\n"
				    "[plan b]\nrun = home\npace = rate 1/s\nwindow = mon-sun 00:00-24:00\n"
				    "[plan c]\nrun = home\ncron = \"0 9 * * 1-5\" for 30m rate 40/min ; a comment\n");
	const struct plan *a = model_plan(m, "a"), *b = model_plan(m, "b"), *c = model_plan(m, "c");
	const int64_t monday = INT64_C(1764576000) * NS_PER_S; /* 2025-12-01 08:00 UTC */
	assert_true(windows_at(a->windows, monday).open);
	assert_false(windows_at(a->windows, monday - 2 * 3600 * NS_PER_S).open);
	assert_true(windows_at(b->windows, monday).open);
	assert_false(windows_at(c->windows, monday).open);
	assert_true(windows_at(c->windows, monday + 3600 * NS_PER_S).open);
	/* what comes back starts by itself, and a cron entry may say how fast */
	assert_false(a->manual || b->manual || c->manual);
	assert_true(pace_rate_max(c->pace) > 0.66 && pace_rate_max(c->pace) < 0.67);
	char *text = print(m);
	struct model *back = good(text);
	char *again = print(back);
	assert_string_equal(text, again);
	free(text);
	free(again);
	model_unref(back);
	model_unref(m);
	static const struct wrong cases[] = {
		{ R "window = monday\n",
		  "a.ini:20: [plan p] window: column 1: unknown day \"monday\": expected mon to sun, a range such as mon-fri, daily, "
		  "weekdays or weekend\n" },
		{ R "window = mon 08:00-18:00 Europe/Berln\n",
		  "a.ini:20: [plan p] window: column 17: no time zone \"Europe/Berln\" (did you mean \"Europe/Berlin\"?)\n" },
		{ R "window = mon 08:00-18:00\ntimezone = Europe/Berln\n",
		  "a.ini:21: [plan p] timezone: no time zone \"Europe/Berln\" (did you mean \"Europe/Berlin\"?)\n" },
		{ R "timezone = Europe/Berlin\n", "a.ini:20: [plan p] timezone: is that of window, cron and except, and there is none\n" },
		{ R "cron.1 = \"0 9 * * 1-5\" for 30m\ncron.2 = \"0 99 * * *\" for 1m\n",
		  "a.ini:21: [plan p] cron.2: column 4: expected an hour from 0 to 23, found \"99\"\n" },
		{ R "window = mon 08:00-18:00\nwindow.1 = tue 08:00-18:00\n",
		  "a.ini:20: [plan p] window: stands beside a numbered one: write window.1, window.2 ... (or cron.1 ...)\n" },
		{ R "window = mon 08:00-18:00\nexcept = christmas\n",
		  "a.ini:21: [plan p] except: column 1: expected a date such as 2026-12-25, found \"christmas\"\n" },
		{ R "window = mon 08:00-18:00\nexcept = 2020-01-01..2099-01-01\n",
		  "a.ini:20: [plan p] window: never opens: the plan would never run\n" },
		{ "[host h.*]\nlimit = 30/min\n[plan p]\nrun = home\ncron = \"0 9 * * 1-5\" for 30m rate 40/min\n",
		  "a.ini:21: [plan p] cron: asks for up to 40/min, but [host h.*] (a.ini:17), for h.example.org, lets 30/min " LOOKS_LIKE
		  "30/min, or raise the limit\n" },
	};
	assert_wrong(cases, ARRAY_LEN(cases));
}

static void a_recorded_pace_has_the_times_of_its_file(void **state)
{
	(void)state;
	char dir[] = "/tmp/probed-plans-XXXXXX";
	assert_non_null(mkdtemp(dir));
	char *path = xasprintf("%s/run.jsonl", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("{\"time\":\"2026-01-31T09:05:08.000Z\",\"x\":1}\n\n{\"time\":\"2026-01-31T09:05:07.500Z\"}\n"
	      "{\"time\":\"2026-01-31T09:05:17.500Z\"}\n", f);
	fclose(f);
	char *text = xasprintf(BASE "[plan p]\nrun = home\npace = recorded %s x2\n", path);
	struct model *m = good(text);
	struct pace_cursor c;
	int64_t at;
	pace_begin(&c, model_plan(m, "p")->pace, 1);
	assert_true(pace_next(&c, &at) && at == 0);
	assert_true(pace_next(&c, &at) && at == 250 * NS_PER_MS);
	assert_true(pace_next(&c, &at) && at == 5 * NS_PER_S);
	assert_false(pace_next(&c, &at));
	assert_true(model_plan(m, "p")->manual);
	char *printed = print(m);
	assert_non_null(strstr(printed, path));
	model_unref(m);
	free(printed);
	free(text);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("0\n1.5\nsoon\n", f);
	fclose(f);
	text = xasprintf("[plan p]\nrun = home\npace = recorded %s x2\n", path);
	char *told = xasprintf("a.ini:19: [plan p] pace: %s:3: expected a JSON object with a \"time\" such as "
			       "\"2026-01-31T09:05:07.123Z\", or a number of seconds\n", path);
	assert_true(tells(text, told));
	unlink(path);
	free(told);
	told = xasprintf("a.ini:19: [plan p] pace: can't read %s: No such file or directory\n", path);
	assert_true(tells(text, told));
	free(told);
	free(text);
	free(path);
	rmdir(dir);
}

static void what_nothing_runs_is_a_warning(void **state)
{
	(void)state;
	struct errs errs = { 0 };
	struct model *m = build(BASE "[step orders]\ntarget = api\n[flow buy]\nsteps = orders\n[flow look]\nsteps = orders\n"
				     "[plan p]\nrun = buy\npace = rate 1/s\n", &errs);
	assert_int_equal(errs.errors, 0);
	char *text = told(&errs);
	assert_string_equal(text, "a.ini:15: warning: [step login] no flow and no plan runs it\n"
				  "a.ini:21: warning: [flow look] no plan runs it\n");
	model_unref(m);
	free(text);
	m = build(BASE "[step orders]\ntarget = api\n[plan p]\nrun = home\nsetup = login\nteardown = orders\npace = rate 1/s\n", &errs);
	text = told(&errs);
	assert_string_equal(text, "");
	model_unref(m);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_have_keys_for_plans),
		cmocka_unit_test(a_step_is_its_target_with_other_options),
		cmocka_unit_test(a_step_does_not_inherit_expectations_but_a_list_as_a_whole),
		cmocka_unit_test(paths_join_urls),
		cmocka_unit_test(hosts_are_the_keys_of_limits),
		cmocka_unit_test(run_selects),
		cmocka_unit_test(rows_and_names_with_colons_are_selected),
		cmocka_unit_test(a_plan_has_what_its_section_says),
		cmocka_unit_test(a_plan_has_defaults_and_finite_ones_wait),
		cmocka_unit_test(limits_stand_in_sections_of_their_own),
		cmocka_unit_test(a_model_reads_back_from_its_print),
		cmocka_unit_test(only_what_changed_differs),
		cmocka_unit_test(errors_of_steps_and_flows),
		cmocka_unit_test(errors_of_plans),
		cmocka_unit_test(a_limit_below_what_a_plan_asks_for_is_an_error),
		cmocka_unit_test(errors_of_limits),
		cmocka_unit_test(names_in_templates_are_known),
		cmocka_unit_test(what_nothing_runs_is_a_warning),
		cmocka_unit_test(a_recorded_pace_has_the_times_of_its_file),
		cmocka_unit_test(windows_and_cron_entries_open_plans),
	};
	registry = sample_registry();
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	registry_unref(registry);
	return rc;
}
