/* SPDX-License-Identifier: Apache-2.0 */
/* test_model.c - from a configuration's text to targets, sinks and services, and every error on the way. */
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
#include "base/log.h"
#include "config/build.h"
#include "config/model.h"
#include "sample.h"

static struct registry *registry;

static char *told(struct errs *errs)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
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
	char *errors = told(&errs);
	assert_string_equal(errors, "");
	assert_non_null(m);
	free(errors);
	return m;
}

static void assert_errors(const char *text, const char *expected)
{
	struct errs errs = { 0 };
	struct model *m = build(text, &errs);
	char *errors = told(&errs);
	assert_string_equal(errors, expected);
	assert_null(m);
	free(errors);
}

static const char *value(const struct kv *kvs, uint32_t n, const char *key)
{
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(kvs[i].key, key))
			return kvs[i].value;
	return NULL;
}

static void assert_option(const struct model *m, const char *target, const char *key, const char *expected)
{
	const struct target *t = model_target(m, target);
	assert_non_null(t);
	const char *got = value(t->options, t->n_options, key);
	if (!expected)
		assert_null(got);
	else if (!got)
		fail_msg("%s has no option %s", target, key);
	else
		assert_string_equal(got, expected);
}

static void an_empty_configuration_has_defaults(void **state)
{
	(void)state;
	struct model *m = good("");
	assert_int_equal(m->n_targets, 0);
	assert_int_equal(m->settings.workers, 0);
	assert_int_equal(m->settings.n_plugin_path, 0);
	assert_null(m->settings.state_dir);
	assert_int_equal(m->settings.shutdown_timeout_ns, 10 * NS_PER_S);
	assert_int_equal(m->settings.hang_timeout_ns, 1500 * NS_PER_MS);
	assert_int_equal(m->settings.quarantine_after, 3);
	assert_int_equal(m->settings.quarantine_within_ns, 300 * NS_PER_S);
	assert_int_equal(m->settings.log_level, LOG_INFO);
	assert_false(m->settings.log_json);
	model_unref(m);
}

static void settings_are_read(void **state)
{
	(void)state;
	struct model *m =
	    good("[probed]\nplugin_path = /a::/b c:\nworkers = 7\nstate_dir = /var/x\nshutdown_timeout = 1m\n"
		 "hang_timeout = 2s\nquarantine_after = 5\nquarantine_within = 1h\nlog_level = debug\n"
		 "log_format = json\n");
	assert_int_equal(m->settings.n_plugin_path, 2);
	assert_string_equal(m->settings.plugin_path[1], "/b c");
	assert_int_equal(m->settings.workers, 7);
	assert_string_equal(m->settings.state_dir, "/var/x");
	assert_int_equal(m->settings.shutdown_timeout_ns, 60 * NS_PER_S);
	assert_int_equal(m->settings.quarantine_after, 5);
	assert_int_equal(m->settings.log_level, LOG_DEBUG);
	assert_true(m->settings.log_json);
	model_unref(m);
}

static void a_target_has_what_its_section_says(void **state)
{
	(void)state;
	struct model *m =
	    good("\n[target home]\ndriver = web\nurl = web://h/\ninterval = 1m30s\ntimeout = 250ms\njitter = 10%\n"
		 "family = 6\nlabels.Team = ops\nexpect.ok = status in 200..299\nheader.X = y\n"
		 "body = {\"n\": {{seq}}}\n[target a]\nurl = port://h:1\n");
	assert_int_equal(m->n_targets, 2);
	assert_string_equal(m->targets[0]->name, "a");
	const struct target *t = model_target(m, "home");
	assert_ptr_equal(t, m->targets[1]);
	assert_int_equal(t->magic, TARGET_MAGIC);
	assert_string_equal(t->driver->name, "web");
	assert_int_equal(t->interval_ns, 90 * NS_PER_S);
	assert_int_equal(t->timeout_ns, 250 * NS_PER_MS);
	assert_true(t->jitter == 0.1);
	assert_int_equal(t->family, 6);
	assert_int_equal(t->n_labels, 1);
	assert_string_equal(t->labels[0].key, "Team");
	assert_int_equal(t->n_expects, 1);
	assert_string_equal(t->expects[0].key, "ok");
	assert_string_equal(t->expects[0].value, "status in 200..299");
	assert_int_equal(t->expects[0].at.line, 10);
	assert_int_equal(t->n_options, 3);
	assert_option(m, "home", "header.X", "y");
	assert_string_equal(t->at.file, "a.ini");
	assert_int_equal(t->at.line, 2);
	t = model_target(m, "a");
	assert_int_equal(t->interval_ns, 30 * NS_PER_S);
	assert_int_equal(t->timeout_ns, 5 * NS_PER_S);
	assert_null(model_target(m, "b"));
	model_unref(m);
}

static void defaults_give_way_to_the_nearer(void **state)
{
	(void)state;
	struct model *m =
	    good("[target one]\nurl = web://h/\nheader.B = one\nlabels.x = own\n"
		 "[target two]\ndriver = port\nhost = h\ninterval = 2s\ndialogue.1 = only\n"
		 "[target three]\nport = 4\nhost = h\n"
		 "[defaults]\ninterval = 10s\ntimeout = 1s\nlabels.x = all\nlabels.y = all\ndriver = port\n"
		 "[defaults web]\ntimeout = 2s\nheader.a = web\nheader.b = web\nexpect.ok = status < 400\n"
		 "[defaults port]\nport = 9\ndialogue.1 = a\ndialogue.2 = b\n");
	const struct target *t = model_target(m, "one");
	assert_int_equal(t->interval_ns, 10 * NS_PER_S);
	assert_int_equal(t->timeout_ns, 2 * NS_PER_S);
	assert_string_equal(value(t->labels, t->n_labels, "x"), "own");
	assert_string_equal(value(t->labels, t->n_labels, "y"), "all");
	assert_int_equal(t->n_expects, 1);
	assert_option(m, "one", "header.a", "web");
	assert_option(m, "one", "header.B", "one");
	assert_option(m, "one", "header.b", NULL);
	t = model_target(m, "two");
	assert_int_equal(t->interval_ns, 2 * NS_PER_S);
	assert_int_equal(t->timeout_ns, 1 * NS_PER_S);
	assert_int_equal(t->n_expects, 0);
	assert_option(m, "two", "port", "9");
	assert_option(m, "two", "dialogue.1", "only");
	assert_option(m, "two", "dialogue.2", NULL);
	assert_option(m, "three", "port", "4");
	assert_option(m, "three", "dialogue.2", "b");
	model_unref(m);
}

static void sinks_services_and_plugins_are_read(void **state)
{
	(void)state;
	struct model *m =
	    good("[sink out]\ndriver = lines\npath = /x\n[service web]\ndriver = page\nlisten = [::1]:80\n"
		 "[plugin sample]\nisolate = yes\n");
	assert_int_equal(m->n_sinks, 1);
	assert_string_equal(m->sinks[0].name, "out");
	assert_string_equal(m->sinks[0].table->name, "lines");
	assert_int_equal(m->sinks[0].n_options, 1);
	assert_string_equal(m->sinks[0].options[0].value, "/x");
	assert_int_equal(m->n_services, 1);
	assert_string_equal(m->services[0].options[0].value, "[::1]:80");
	assert_int_equal(m->n_plugins, 1);
	assert_true(m->plugins[0].isolate);
	struct model *other = good("[sink out]\ndriver = lines\npath = /y\n");
	assert_true(other->sinks[0].digest != m->sinks[0].digest);
	model_unref(other);
	model_unref(m);
}

#define TARGET "[target t]\ndriver = web\nurl = web://h/\n"
#define DURATION "expected a duration with its unit, such as 500ms or 5s, not "
#define LIST_PLUGINS "probed --list-plugins shows what is there\n"

static void every_error_has_its_place(void **state)
{
	(void)state;
	static const struct {
		const char *text, *errors;
	} cases[] = {
		{ TARGET "intervall = 5s\n",
		  "a.ini:4: [target t] intervall: unknown option (did you mean \"interval\"?)\n" },
		{ TARGET "interval = 5\n", "a.ini:4: [target t] interval: " DURATION "\"5\"\n" },
		{ TARGET "interval = 10us\n", "a.ini:4: [target t] interval: expected 1 ms to 366 d, not \"10us\"\n" },
		{ TARGET "timeout = 0\n", "a.ini:4: [target t] timeout: expected 1 ms to 366 d, not \"0\"\n" },
		{ TARGET "jitter = 120%\n",
		  "a.ini:4: [target t] jitter: expected a part of the interval, 0% to 50%, such as "
		  "10%, not \"120%\"\n" },
		{ TARGET "family = 5\n", "a.ini:4: [target t] family: expected one of any, 4, 6, not \"5\"\n" },
		{ TARGET "labels = x\n", "a.ini:4: [target t] labels: write labels.NAME = value\n" },
		{ TARGET "expect = x\n",
		  "a.ini:4: [target t] expect: write expect.LABEL = expression: the label is what a "
		  "failure names\n" },
		{ TARGET "expct.a = status == 200\n",
		  "a.ini:4: [target t] expct.a: unknown option (did you mean \"expect.a\"?)\n" },
		{ TARGET "expect.a = status == \"x\"\n",
		  "a.ini:4: [target t] expect.a: column 11: status is an integer; it can't be "
		  "compared with the string \"x\"\n" },
		{ TARGET "body = {{nope}}\n",
		  "a.ini:4: [target t] body: column 3: unknown name inside {{ }} \"nope\" (did you mean "
		  "\"now\"?)\n" },
		{ TARGET "method = ${row.x}\n",
		  "a.ini:4: [target t] method: ${row...} needs rows: it belongs to a target with "
		  "targets_from = FILE\n" },
		{ TARGET "max_redirects = 99\nfollow = 3\n",
		  "a.ini:4: [target t] max_redirects: expected 0 to 50, not \"99\"\n"
		  "a.ini:5: [target t] follow: expected yes or no, not \"3\"\n" },
		{ "[target t]\ndriver = web\n", "a.ini:1: [target t] url: is required, and missing (what to fetch)\n" },
		{ "[target t]\ndriver = wbe\n",
		  "a.ini:2: [target t] unknown driver \"wbe\" (did you mean \"web\"?); " LIST_PLUGINS },
		{ "[target t]\n",
		  "a.ini:1: [target t] driver: is required, and missing (a url would do as well); " LIST_PLUGINS },
		{ "[target t]\nurl = gopher://x\n",
		  "a.ini:2: [target t] url: no driver is known for gopher://; say driver = NAME, "
		  "or see probed --list-plugins for what is there\n" },
		{ "[target t]\nurl = x.example\n", "a.ini:2: [target t] url: expected a URL with its scheme, such as "
						   "https://example.org/, or driver = NAME beside it\n" },
		{ "[target t]\nurl = port://u@h:1\n", "a.ini:2: [target t] url: a URL of port:// takes no user\n" },
		{ "[target]\ndriver = web\n", "a.ini:1: [target] a target needs a name: [target NAME]\n" },
		{ "[plans x]\n",
		  "a.ini:1: [plans x] unknown kind of section (did you mean \"plan\"?): expected one of probed, defaults, "
		  "target, step, flow, plan, host, driver, resources, sink, service, plugin\n" },
		{ "[traget x]\n",
		  "a.ini:1: [traget x] unknown kind of section (did you mean \"target\"?): expected one of probed, "
		  "defaults, target, step, flow, plan, host, driver, resources, sink, service, plugin\n" },
		{ "[probed x]\n", "a.ini:1: [probed x] [probed] takes no name\n" },
		{ "[probed]\nworkers = many\n",
		  "a.ini:2: [probed] workers: expected \"auto\" (one for each core of the machine), or "
		  "1 to 1024\n" },
		{ "[probed]\nworkres = 3\nlog_level = loud\n",
		  "a.ini:2: [probed] workres: unknown option (did you mean \"workers\"?)\n"
		  "a.ini:3: [probed] log_level: expected one of debug, info, warning, error, not \"loud\"\n" },
		{ "[defaults]\ntimeout = 5\nfollow = no\n[target a]\nurl = web://a/\n[target b]\nurl = web://b/\n",
		  "a.ini:2: [defaults] timeout: " DURATION "\"5\"\n"
		  "a.ini:3: [defaults] follow: is an option of drivers: put it in [defaults web]\n" },
		{ "[defaults web]\nfolow = no\nurl = x\n[target a]\nurl = web://a/\n",
		  "a.ini:2: [defaults web] folow: unknown option (did you mean \"follow\"?)\n"
		  "a.ini:3: [defaults web] url: expected a URL with its scheme and host, such as https://example.org/, "
		  "not \"x\"\n" },
		{ "[defaults web]\nexpect.a = stats == 1\n[target a]\nurl = web://a/\n[target b]\nurl = web://b/\n",
		  "a.ini:2: [target a] expect.a: column 1: unknown query \"stats\": driver web has no such fact (did "
		  "you mean "
		  "\"status\"?)\n" },
		{ "[defaults weeb]\n",
		  "a.ini:1: [defaults weeb] unknown driver \"weeb\" (did you mean \"web\"?); " LIST_PLUGINS },
		{ "[defaults]\ndriver = wep\ntargets_from = x\n",
		  "a.ini:2: [defaults] unknown driver \"wep\" (did you mean \"web\"?); " LIST_PLUGINS
		  "a.ini:3: [defaults] targets_from: belongs to a target\n" },
		{ "[target t]\ndriver = ${row.x}\ntargets_from = h.csv\n",
		  "a.ini:2: [target t] driver: is the same for all rows: ${row...} can't be in it\n" },
		{ "[sink a]\npath = /x\n", "a.ini:1: [sink a] driver: is required, and missing; " LIST_PLUGINS },
		{ "[sink a]\ndriver = line\n",
		  "a.ini:2: [sink a] driver: unknown sink \"line\" (did you mean \"lines\"?); " LIST_PLUGINS },
		{ "[sink a]\ndriver = lines\npth = 1\n",
		  "a.ini:3: [sink a] pth: unknown option (did you mean \"path\"?)\n"
		  "a.ini:1: [sink a] path: is required, and missing (where to)\n" },
		{ "[sink a]\ndriver = lines\npath = /x\nqueue = 3\non_full = block\n",
		  "a.ini:4: [sink a] queue: expected 64 to 10000000, not \"3\"\n"
		  "a.ini:5: [sink a] on_full: expected one of drop, wait, not \"block\"\n" },
		{ "[sink a]\ndriver = lines\npath = /x\non_ful = wait\n",
		  "a.ini:4: [sink a] on_ful: unknown option (did you mean \"on_full\"?)\n" },
		{ "[service a]\ndriver = page\nqueue = 100\n", "a.ini:3: [service a] queue: unknown option\n" },
		{ "[service]\ndriver = page\n", "a.ini:1: [service] needs a name: [service NAME]\n" },
		{ "[plugin smaple]\nisolte = x\n",
		  "a.ini:2: [plugin smaple] isolte: unknown option (did you mean \"isolate\"?)\n"
		  "a.ini:1: [plugin smaple] unknown plugin (did you mean \"sample\"?); " LIST_PLUGINS },
		{ "[target s]\ndriver = port\ntargets_from = /nonexistent/h.csv\n",
		  "a.ini:3: [target s] targets_from: can't read /nonexistent/h.csv: No such file or directory\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_errors(cases[i].text, cases[i].errors);
}

static void a_secret_is_neither_printed_nor_told(void **state)
{
	(void)state;
	struct model *m = good("[target t]\nurl = webs://u:hunter2@h/\ntoken = hunter2\nhidden.x = hunter2\n"
			       "[target p]\nurl = ports://u:hunter2@h\n");
	assert_option(m, "p", "password", "hunter2");
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	model_print(m, f);
	fclose(f);
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "token            = <redacted>\n"));
	assert_non_null(strstr(text, "url              = webs://u:<redacted>@h/\n"));
	free(text);
	model_unref(m);
}

static void what_is_printed_reads_back_the_same(void **state)
{
	(void)state;
	struct model *m = good("[probed]\nplugin_path = /a:/b\nworkers = 3\nstate_dir = /s\nlog_level = error\n"
			       "hang_timeout = 1234567us\n"
			       "[defaults]\njitter = 33.3%\n"
			       "[target a]\nurl = web://h/?a=b#c\nbody = <<X\nEND\n a ; b\n\n$${x} $$$$ $ $$\nX\n"
			       "header.a = \" x \"\nheader.b = 'a \"b'\nheader.c = \"it's # x\"\nmethod = ~1\n"
			       "[target b]\nurl = port://h:1\ninterval = 1500ms\nfamily = 4\ndialogue.1 =\n"
			       "dialogue.2 = \"'a' ; \"b\"\"\nlabels.l = <<E\n\n\nE\n"
			       "[target c/d:1]\nurl = name://[::1]:53/x\nexpect.x = latency < 3s\n"
			       "[sink s]\ndriver = lines\npath = a;b ; c\nqueue = 100\non_full = wait\n[service p]\ndriver = page\n[plugin sample]\n"
			       "isolate = on\n");
	char *text = NULL, *again = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	model_print(m, f);
	fclose(f);
	struct model *back = good(text);
	assert_int_equal(back->n_targets, m->n_targets);
	for (size_t i = 0; i < m->n_targets; i++)
		if (back->targets[i]->digest != m->targets[i]->digest)
			fail_msg("%s differs in\n%s", m->targets[i]->name, text);
	assert_true(back->sinks[0].digest == m->sinks[0].digest);
	assert_int_equal(back->sinks[0].queue, 100);
	assert_true(back->sinks[0].wait);
	assert_int_equal(back->settings.hang_timeout_ns, m->settings.hang_timeout_ns);
	f = open_memstream(&again, &size);
	model_print(back, f);
	fclose(f);
	assert_string_equal(again, text);
	free(text);
	free(again);
	model_unref(back);
	model_unref(m);
}

static uint64_t digest_of(const char *text)
{
	struct model *m = good(text);
	uint64_t d = m->targets[0]->digest;
	model_unref(m);
	return d;
}

static void a_digest_changes_with_what_matters_only(void **state)
{
	(void)state;
	uint64_t base = digest_of(TARGET "method = A\nbody = B\n");
	assert_true(base == digest_of("\n\n[target t]\nbody = 'B' ; x\nmethod = A\nurl = web://h/\ndriver = web\n"));
	assert_true(base == digest_of("[defaults web]\nbody = B\n" TARGET "method = A\ninterval = 30s\n"));
	static const char *const others[] = {
		TARGET "method = A\n",
		TARGET "method = B\nbody = A\n",
		TARGET "method = A\nbody = B\ninterval = 31s\n",
		TARGET "method = A\nbody = B\ntimeout = 6s\n",
		TARGET "method = A\nbody = B\njitter = 1%\n",
		TARGET "method = A\nbody = B\nfamily = 4\n",
		TARGET "method = A\nbody = B\nlabels.a = b\n",
		TARGET "method = A\nbody = B\nexpect.a = status == 1\n",
		TARGET "method = A\nbody = B\ntoken = x\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_true(base != digest_of(others[i]));
}

static void note(void *ctx, enum change what, const struct target *before, const struct target *after)
{
	assert_true((what == CHANGE_ADDED) == !before);
	assert_true((what == CHANGE_REMOVED) == !after);
	buf_printf(ctx, "%c%s ", "+-~"[what], before ? before->name : after->name);
}

static void a_diff_tells_added_removed_and_changed(void **state)
{
	(void)state;
	struct model *old =
	    good("[target a]\nurl = port://h:1\n[target b]\nurl = port://h:1\n[target d]\nurl = port://h:1\n");
	struct model *new =
	    good("[target c]\nurl = port://h:1\n[target b]\nurl = port://h:2\n[target d]\nurl = port://h:1\n");
	struct buf b = { 0 };
	model_diff(old, new, note, &b);
	assert_string_equal(buf_cstr(&b), "-a ~b +c ");
	buf_clear(&b);
	model_diff(NULL, new, note, &b);
	assert_string_equal(buf_cstr(&b), "+b +c +d ");
	buf_clear(&b);
	model_diff(new, new, note, &b);
	assert_string_equal(buf_cstr(&b), "");
	buf_free(&b);
	model_unref(old);
	model_unref(new);
}

static void a_model_lives_as_long_as_its_last_reference(void **state)
{
	(void)state;
	struct model *m = good(TARGET);
	assert_ptr_equal(model_ref(m), m);
	model_unref(m);
	assert_string_equal(m->targets[0]->name, "t");
	model_unref(m);
}

/* --- target sets --- */

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/probed-test-XXXXXX");
	return mkdtemp(dir) ? chdir(dir) : -1;
}

static int drop_dir(void **state)
{
	(void)state;
	char *command = xasprintf("rm -r %s", dir);
	int rc = chdir("/") || system(command);
	free(command);
	return rc;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void a_csv_row_is_a_target(void **state)
{
	(void)state;
	put("h.csv", "\xef\xbb\xbfname,host,port,interval,labels.site,rack,dialogue.1\r\n"
		     "one,h1,1,,\"a, \"\"b\"\"\r\nc\",r1,\r\n"
		     "\r\n"
		     "\"two\",h2,,5s,,r2,own");
	struct model *m = good("[target set]\ndriver = port\ntargets_from = h.csv\ninterval = 7s\nport = 99\n"
			       "labels.rack = rack ${row.rack}!\ndialogue.1 = x\ndialogue.2 = y\n"
			       "[target alone]\nurl = port://h:1\n");
	assert_int_equal(m->n_targets, 3);
	const struct target *one = model_target(m, "set/one"), *two = model_target(m, "set/two");
	assert_non_null(one);
	assert_non_null(two);
	assert_option(m, "set/one", "host", "h1");
	assert_option(m, "set/one", "port", "1");
	assert_option(m, "set/two", "port", "99");
	assert_int_equal(one->interval_ns, 7 * NS_PER_S);
	assert_int_equal(two->interval_ns, 5 * NS_PER_S);
	assert_string_equal(value(one->labels, one->n_labels, "site"), "a, \"b\"\r\nc");
	assert_string_equal(value(one->labels, one->n_labels, "rack"), "rack r1!");
	assert_null(value(two->labels, two->n_labels, "site"));
	assert_option(m, "set/one", "dialogue.2", "y");
	assert_option(m, "set/two", "dialogue.1", "own");
	assert_option(m, "set/two", "dialogue.2", NULL);
	assert_string_equal(one->at.file, "h.csv");
	assert_int_equal(one->at.line, 2);
	assert_int_equal(two->at.line, 5);
	assert_int_equal(m->n_target_files, 1);
	assert_string_equal(m->target_files[0], "h.csv");
	model_unref(m);
}

static void a_schema_travels_with_its_expectation(void **state)
{
	(void)state;
	static const char whole[] = "body schema s.json {\"required\":[\"a b\\\"\\\\\"],\"x\":[1,0.10]}";
	put("s.json", "{\r\n  \"required\": [ \"a b\\\"\\\\\" ],\n\t\"x\": [ 1, 0.10 ]\n}\n");
	put("h.csv", "name,host,port\none,h1,1\ntwo,h2,2\n");
	struct model *m = good("[target set]\ndriver = port\ntargets_from = h.csv\nexpect.shape = body schema s.json\n"
			       "[target web]\nurl = web://h/\nexpect.shape = body schema s.json\n"
			       "[step s]\ntarget = web\nexpect.own = body not schema s.json\n[plan p]\nrun = flow s\npace = rate 1/s\n");
	const struct target *one = model_target(m, "set/one"), *two = model_target(m, "set/two"), *web = model_target(m, "web");
	assert_string_equal(one->expects[0].value, whole);
	assert_ptr_equal(one->expects[0].value, two->expects[0].value);
	assert_string_equal(web->expects[0].value, whole);
	assert_string_equal(m->steps[0]->expects[0].key, "own");
	assert_int_equal(m->n_target_files, 2);
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	model_print(m, f);
	fclose(f);
	unlink("s.json");
	struct model *again = good(text);
	assert_string_equal(model_target(again, "web")->expects[0].value, whole);
	assert_int_equal(model_target(again, "web")->digest, web->digest);
	model_unref(again);
	model_unref(m);
	free(text);
}

static void a_schema_that_is_none_is_told(void **state)
{
	(void)state;
	static const char *const table[][2] = {
		{ "{\n \"type\": \"objct\"\n}", "a.ini:3: [target t] expect.s: column 13: s.json: /type: expected null, boolean, object, array, "
		                                "number, string or integer (did you mean \"object\"?)\n" },
		{ "{\n x\n}", "a.ini:3: [target t] expect.s: s.json:2: it is no JSON: string or '}' expected near 'x'\n" },
		{ "[]", "a.ini:3: [target t] expect.s: s.json: expected a schema: a JSON object\n" },
		{ NULL, "a.ini:3: [target t] expect.s: can't read s.json: No such file or directory\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i][0])
			put("s.json", table[i][0]);
		else
			unlink("s.json");
		assert_errors("[target t]\nurl = web://h/\nexpect.s = body schema s.json\n", table[i][1]);
	}
}

static void a_column_may_be_the_key_or_part_of_a_url(void **state)
{
	(void)state;
	put("h.csv", "id,dc\nx1,eu\nx2,us\n");
	struct model *m =
	    good("[target s]\ntargets_from = h.csv\nurl = web://${row.id}.${row.dc}.example/\n"
		 "[target k]\ndriver = web\ntargets_from = h.csv\nkey_column = dc\nurl = web://${row.id}/\n");
	assert_int_equal(m->n_targets, 4);
	assert_option(m, "s/x2", "url", "web://x2.us.example/");
	assert_option(m, "k/eu", "url", "web://x1/");
	model_unref(m);
}

static void file_sd_is_read(void **state)
{
	(void)state;
	put("sd.json",
	    "[\n {\"targets\": [\"h1:80\",\n  \"[::1]:81\"], \"labels\": {\"job\": \"x\", \"__meta\": \"m\"}},\n"
	    " {\"targets\": [\"h3:9\"]}]\n");
	struct model *m = good("[target s]\ndriver = port\ntargets_from = sd.json\n");
	assert_int_equal(m->n_targets, 3);
	const struct target *t = model_target(m, "s/h1:80");
	assert_int_equal(t->n_labels, 1);
	assert_string_equal(t->labels[0].key, "job");
	assert_int_equal(t->at.line, 2);
	assert_option(m, "s/h1:80", "host", "h1");
	assert_option(m, "s/h1:80", "port", "80");
	assert_option(m, "s/::1:81", "host", "::1");
	assert_int_equal(model_target(m, "s/::1:81")->at.line, 3);
	assert_int_equal(model_target(m, "s/h3:9")->n_labels, 0);
	model_unref(m);
	put("sd.json", "[{\"targets\": [\"h1:80\"], \"labels\": {\"job\": \"x\", \"path\": \"/m\"}}]");
	m = good("[target s]\ndriver = web\ntargets_from = sd.json\nurl = web://${row.target}${row.path}\nmethod = "
		 "${row.job}\n");
	assert_option(m, "s/h1:80", "url", "web://h1:80/m");
	assert_option(m, "s/h1:80", "method", "x");
	model_unref(m);
}

#define CSV_SET "[target s]\ndriver = port\ntargets_from = h.csv\n"
#define JSON_SET "[target s]\ndriver = port\ntargets_from = sd.json\n"

static void what_is_wrong_with_rows_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *file, *rows, *text, *errors;
	} cases[] = {
		{ "h.csv", "", CSV_SET,
		  "h.csv: [target s] the file is empty: expected a first row that names the columns\n" },
		{ "h.csv", "name,hots,port\na,b,1\n", CSV_SET,
		  "h.csv:1: [target s] unknown column \"hots\" (did you mean \"host\"?): "
		  "expected an option of port, or a name that the section asks for with ${row.NAME}\n" },
		{ "h.csv", "name,driver\na,b\n", CSV_SET,
		  "h.csv:1: [target s] column \"driver\": belongs to the section, not "
		  "to its rows\n" },
		{ "h.csv", "name,host,host\n", CSV_SET, "h.csv:1: [target s] two columns are named \"host\"\n" },
		{ "h.csv", "name,host,port\na,h,1\nb,h\nc,h,x\n", CSV_SET,
		  "h.csv:3: [target s] 2 columns: expected 3, as in the first row\n"
		  "h.csv:4: [target s/c] port: expected a whole number, not \"x\"\n" },
		{ "h.csv", "name,host,port\na,h,1\n\nb,h,1\na,h,2\n", CSV_SET,
		  "h.csv:5: [target s/a] the name is taken already, by h.csv:2\n" },
		{ "h.csv", "name,host,port\n,h,1\na b,h,1\n", CSV_SET,
		  "h.csv:2: [target s] the row has no name: its key column is empty\n"
		  "h.csv:3: [target s] \"a b\" can't name a target: expected letters, digits and _ . - / : @ % + ~ ? = "
		  "& , and, "
		  "with the section's name, no more than 250 bytes\n" },
		{ "h.csv", "name,host\na,\"h\"x\n", CSV_SET,
		  "h.csv:2: [target s] text after a closing quote: expected a comma (a quote "
		  "inside quotes is written \"\")\n" },
		{ "h.csv", "name,host\na,\"h\n\n", CSV_SET, "h.csv:2: [target s] a quote is never closed\n" },
		{ "h.csv", "name,host\na,h\n", CSV_SET "key_column = id\n",
		  "a.ini:4: [target s] key_column: h.csv has no column "
		  "\"id\"\n" },
		{ "h.csv", "name,host\na,h\nb,h\n", CSV_SET "port = 0\ntls = x\n",
		  "a.ini:4: [target s] port: expected 1 to 65535, "
		  "not \"0\"\na.ini:5: [target s] tls: expected yes or no, not \"x\"\n" },
		{ "h.csv", "name,host\na,h\n", CSV_SET "port = ${row.prot}\n",
		  "a.ini:4: [target s/a] port: ${row.prot}: h.csv:2 has no "
		  "such column or label\n" },
		{ "h.csv", "name,host,p\na,h,x\n", CSV_SET "port = 1${row.p}\n",
		  "h.csv:2: [target s/a] port: expected a whole number, "
		  "not \"1x\"\n" },
		{ "h.csv", "name,host,port\na,h,1\n", CSV_SET "[target s/a]\nurl = port://h:1\n",
		  "a.ini:4: [target s/a] the name is "
		  "taken already, by h.csv:2\n" },
		{ "sd.json", "{}", JSON_SET,
		  "sd.json: [target s] expected an array of {\"targets\": [...], \"labels\": {...}}\n" },
		{ "sd.json", "[\n{]", JSON_SET, "sd.json:2: [target s] column 2: string or '}' expected near ']'\n" },
		{ "sd.json", "[\n1, {\"targets\": [2]}, {\"targets\": [\"h:1\"], \"labels\": {\"a b\": \"\"}}]",
		  JSON_SET,
		  "sd.json:1: [target s] group 1: expected {\"targets\": [...], \"labels\": {...}}\n"
		  "sd.json:1: [target s] group 2: expected texts, such as \"host:port\"\n"
		  "sd.json:1: [target s] label \"a b\": expected a name of letters, digits and _, and a text\n" },
		{ "sd.json", "[{\"targets\":\n[\"h:1\",\n\"h:2\",\n\"h:1\"]}]", JSON_SET,
		  "sd.json:4: [target s/h:1] the name is taken already, by sd.json:2\n" },
		{ "sd.json", "[{\"targets\": [\"h:x\"]}]", JSON_SET,
		  "sd.json:1: [target s/h:x] port: expected a whole number, not \"x\"\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put(cases[i].file, cases[i].rows);
		assert_errors(cases[i].text, cases[i].errors);
	}
}

static void many_bad_rows_are_cut_short(void **state)
{
	(void)state;
	struct buf b = { 0 };
	struct errs errs = { 0 };
	buf_puts(&b, "name,host,port\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "r%d,h,x\n", i);
	put("h.csv", buf_cstr(&b));
	assert_null(build(CSV_SET, &errs));
	assert_int_equal(errs.errors, 51);
	char *errors = told(&errs);
	assert_non_null(
	    strstr(errors, "h.csv:51: [target s] 50 rows with errors: the rest of h.csv was not looked at\n"));
	free(errors);
	buf_free(&b);
}

/* In processor time, so that a busy machine does not fail it; it takes some 0.15 s and 17 MB. */
#if defined(__SANITIZE_ADDRESS__)
#define LOAD_MAX_S 30
#else
#define LOAD_MAX_S 3
#endif

static int64_t cpu_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void fifty_thousand_rows_load_quickly_and_small(void **state)
{
	(void)state;
	enum { N = 50000 };
	struct buf b = { 0 };
	buf_puts(&b, "name,host,port,labels.rack\n");
	for (int i = 0; i < N; i++)
		buf_printf(&b, "host%d,10.%d.%d.%d,%d,r%d\n", i, i >> 16, i >> 8 & 255, i & 255, 1 + i, i % 40);
	put("h.csv", buf_cstr(&b));
	buf_free(&b);
	int64_t start = cpu_ns();
	struct model *m =
	    good(CSV_SET "interval = 10s\ndialogue.1 = hello\nexpect.fast = latency < 1s\nlabels.env = prod\n");
	int64_t took = cpu_ns() - start;
	assert_int_equal(m->n_targets, N);
	size_t bytes = arena_bytes(m->arena) + N * sizeof *m->targets;
	print_message("%d rows in %.3f s, %.1f MB\n", N, (double)took / NS_PER_S, (double)bytes / 1e6);
	assert_true(took < LOAD_MAX_S * NS_PER_S);
	assert_true(bytes < 40000000);
	assert_option(m, "s/host49999", "port", "50000");
	model_unref(m);
}

static int setup(void **state)
{
	(void)state;
	registry = sample_registry();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	registry_unref(registry);
	return 0;
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, drop_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_configuration_has_defaults),
		cmocka_unit_test(settings_are_read),
		cmocka_unit_test(a_target_has_what_its_section_says),
		cmocka_unit_test(defaults_give_way_to_the_nearer),
		cmocka_unit_test(sinks_services_and_plugins_are_read),
		cmocka_unit_test(every_error_has_its_place),
		cmocka_unit_test(a_secret_is_neither_printed_nor_told),
		cmocka_unit_test(what_is_printed_reads_back_the_same),
		cmocka_unit_test(a_digest_changes_with_what_matters_only),
		cmocka_unit_test(a_diff_tells_added_removed_and_changed),
		cmocka_unit_test(a_model_lives_as_long_as_its_last_reference),
		IN_DIR(a_csv_row_is_a_target),
		IN_DIR(a_schema_travels_with_its_expectation),
		IN_DIR(a_schema_that_is_none_is_told),
		IN_DIR(a_column_may_be_the_key_or_part_of_a_url),
		IN_DIR(file_sd_is_read),
		IN_DIR(what_is_wrong_with_rows_is_told),
		IN_DIR(many_bad_rows_are_cut_short),
		IN_DIR(fifty_thousand_rows_load_quickly_and_small),
	};
	return cmocka_run_group_tests_name("model", tests, setup, teardown);
}
