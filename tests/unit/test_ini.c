/* SPDX-License-Identifier: Apache-2.0 */
/* test_ini.c - the surface of a configuration file: what each line means, and what is said of a bad one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/section.h"

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

static char dir[64]; /* the test's working folder, where it has one */

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The value of `key` in [target t], which has no errors. */
static void assert_value(const char *text, const char *key, const char *value)
{
	struct errs errs = { 0 };
	struct config *c = config_parse("a.ini", text, &errs);
	CLEANUP_FREE char *errors = told(&errs);
	assert_string_equal(errors, "");
	const struct section *s = config_section(c, "target t");
	assert_non_null(s);
	const struct entry *e = section_find(s, key);
	assert_non_null(e);
	assert_string_equal(e->key, key);
	assert_string_equal(e->value, value);
	config_free(c);
}

static void assert_errors(const char *text, const char *expected)
{
	struct errs errs = { 0 };
	struct config *c = config_parse("a.ini", text, &errs);
	CLEANUP_FREE char *errors = told(&errs);
	assert_string_equal(errors, expected);
	config_free(c);
}

static void values_are_read_as_written(void **state)
{
	(void)state;
	static const struct {
		const char *line, *value;
	} cases[] = {
		{ "k = v", "v" },
		{ "k=v", "v" },
		{ "k =\t v w \t", "v w" },
		{ "k =", "" },
		{ "k = ", "" },
		{ "k = https://x/?a=1#frag", "https://x/?a=1#frag" },
		{ "k = https://x/?a=1;b", "https://x/?a=1;b" },
		{ "k = v ; comment", "v" },
		{ "k = v # comment", "v" },
		{ "k = v;w", "v;w" },
		{ "k = ; comment", "" },
		{ "k = 'v ; w' ; comment", "v ; w" },
		{ "k = \"v # w\"", "v # w" },
		{ "k = \" v \"", " v " },
		{ "k = \"\"", "" },
		{ "k = 'it's ok'", "it's ok" },
		{ "k = 'say \"x\"'", "say \"x\"" },
		{ "k = body matches /it's/", "body matches /it's/" },
		{ "k = send \"EHLO x\"", "send \"EHLO x\"" },
		{ "k = a\\", "a\\" },
		{ "k = \\\"x\\\"", "\\\"x\\\"" },
		{ "k = {\"user\": \"{{row.user}}\"}", "{\"user\": \"{{row.user}}\"}" },
		{ "k = a = b", "a = b" },
		{ "k = [x]", "[x]" },
		{ "k = ~0", "~0" },
		{ "k = grün", "grün" },
		{ "k = a\n  b\n\tc ; comment", "a b c" },
		{ "k =\n  a\n  ; comment\n  b", "a b" },
		{ "k = a\n\nl = b", "a" },
		{ "k = a\r\nl = b\r", "a" },
		{ "k = <<END\na ; b\n  # c\n[d]\n\nEND\nl = b", "a ; b\n  # c\n[d]\n" },
		{ "k = <<END\nEND", "" },
		{ "k = <<_x1 ; comment\nENDX\n_x1  ", "ENDX" },
		{ "k = << END", "<< END" },
		{ "k = '<<END'", "<<END" },
		{ "k = $", "$" },
		{ "k = a$b $$ $.c /x$/", "a$b $ $.c /x$/" },
		{ "k = $${HOME}", "${HOME}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *text = xasprintf("# first\n[target t]\n; more\n%s\nlast = 1\n", cases[i].line);
		assert_value(text, "k", cases[i].value);
		assert_value(text, "last", "1");
	}
}

static void names_keep_their_case(void **state)
{
	(void)state;
	struct errs errs = { 0 };
	struct config *c = config_parse("a.ini",
					"[target Home]\nheader.X-Foo = Bar\n[target home]\n[target a/b:1@c%~+]\n"
					"[ sink\t x ] ; comment\n",
					&errs);
	CLEANUP_FREE char *errors = told(&errs);
	assert_string_equal(errors, "");
	const struct section *s = config_section(c, "target Home");
	assert_string_equal(s->name, "Home");
	assert_string_equal(s->entries[0].key, "header.X-Foo");
	assert_non_null(config_section(c, "target home"));
	assert_non_null(config_section(c, "target a/b:1@c%~+"));
	assert_non_null(config_section(c, "sink x"));
	config_free(c);
}

static void places_are_those_of_the_first_line(void **state)
{
	(void)state;
	struct errs errs = { 0 };
	struct config *c = config_parse("a.ini", "\n\n[target t]\na = 1\n 2\n\nb = <<E\n\n\nE\nc = 3\n", &errs);
	const struct section *s = config_section(c, "target t");
	assert_int_equal(errs.errors, 0);
	assert_int_equal(s->at.line, 3);
	assert_string_equal(s->at.file, "a.ini");
	assert_int_equal(section_find(s, "a")->at.line, 4);
	assert_int_equal(section_find(s, "b")->at.line, 7);
	assert_int_equal(section_find(s, "c")->at.line, 11);
	config_free(c);
}

static void bad_lines_are_errors_with_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *text, *errors;
	} cases[] = {
		{ "k = 1\nl = 2\n", "a.ini:1: a key before any section: expected [kind name] first\n" },
		{ "[target t]\nfoo\nbar ; x\n", "a.ini:2: [target t] \"foo\": expected key = value, or [kind name]\n"
						"a.ini:3: [target t] \"bar\": expected key = value, or [kind name]\n" },
		{ "[target t]\na b = 1\n",
		  "a.ini:2: [target t] \"a b\" is no key: expected letters, digits and _ . -, at most 250\n" },
		{ "[target t]\n= 1\n  more\n",
		  "a.ini:2: [target t] \"\" is no key: expected letters, digits and _ . -, at most 250\n" },
		{ "[target t\nk = 1\n", "a.ini:1: the section's \"]\" is missing: expected [kind name]\n" },
		{ "[target t] x\n", "a.ini:1: text after the section's \"]\"\n" },
		{ "[]\n",
		  "a.ini:1: []: expected [kind name], where a name is made of letters, digits and _ . -, and no longer "
		  "than 250\n" },
		{ "[sink a:b]\n",
		  "a.ini:1: [sink a:b]: expected [kind name], where a name is made of letters, digits and _ . "
		  "-, and no longer than 250\n" },
		{ "[target a b]\n",
		  "a.ini:1: [target a b]: expected [kind name], where a name is made of letters, digits and "
		  "_ . -, and no longer than 250\n" },
		{ "[target t]\nk = \"a\nl = 'b' c\n",
		  "a.ini:2: [target t] k: unclosed quote: a value that begins with \" ends with it in the same line\n"
		  "a.ini:3: [target t] l: unclosed quote: a value that begins with ' ends with it in the same line\n" },
		{ "[target t]\nk = 'a'\n  b\n",
		  "a.ini:3: [target t] k: a quoted value or a block can't be continued by an "
		  "indented line\n" },
		{ "[target t]\n  k = 1\n",
		  "a.ini:2: [target t] an indented line continues the value above, and there is none: "
		  "take the blanks before it away\n" },
		{ "[target t]\nk = <<END\na\n",
		  "a.ini:2: [target t] k: the block has no end: expected a line \"END\"\n" },
		{ "[target t]\nk = a\x01z\n", "a.ini:2: column 6: a control character (0x01): expected text\n" },
		{ "[target t]\nk = <<E\n\x02\nE\n", "a.ini:3: column 1: a control character (0x02): expected text\n" },
		{ "[target t]\nk = 1\nk = 2\n", "a.ini:3: [target t] k: already set in a.ini:2\n" },
		{ "[target t]\nkey = 1\nKEY = 2\n",
		  "a.ini:3: [target t] KEY: already set in a.ini:2 (keys that differ in case "
		  "only are the same)\n" },
		{ "[target t]\n[target u]\n[target t]\n", "a.ini:3: [target t] the section is already in a.ini:1\n" },
		{ "[target t]\nk = ${PROBED_NOT_SET}\n",
		  "a.ini:2: [target t] k: the environment variable PROBED_NOT_SET is not "
		  "set: set it, or give a default, ${PROBED_NOT_SET:-...}\n" },
		{ "[target t]\nk = a ${X\n",
		  "a.ini:2: [target t] k: ${ without its }: write $${ for the characters themselves\n" },
		{ "[target t]\nk = ${a b}\n",
		  "a.ini:2: [target t] k: ${a b} is neither ${VARIABLE}, ${VARIABLE:-default}, "
		  "${file:/path} nor ${row.COLUMN}: write $${ for the characters themselves\n" },
		{ "[target t]\nk = ${file:/nonexistent/x}\n",
		  "a.ini:2: [target t] k: can't read /nonexistent/x: No such file or "
		  "directory\n" },
		{ "[target t]\nk = ${file:/proc}\n", "a.ini:2: [target t] k: can't read /proc: Is a directory\n" },
		{ "[probed]\ninclude = /nonexistent/x.ini\n",
		  "a.ini:2: [probed] include: there is no file /nonexistent/x.ini\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_errors(cases[i].text, cases[i].errors);
}

static void a_long_line_is_an_error_and_the_rest_is_read(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf b = { 0 };
	buf_puts(&b, "[target t]\na = ");
	memset(buf_reserve(&b, 70000), 'x', 70000);
	b.len += 70000;
	buf_puts(&b, "\n  more\nb = 1\nfoo\n");
	assert_errors(buf_cstr(&b), "a.ini:2: the line is 70004 bytes long: expected at most 65536\n"
				    "a.ini:5: [target t] \"foo\": expected key = value, or [kind name]\n");
}

static void a_long_value_and_many_keys_pass_through_iniparser(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf b = { 0 }, value = { 0 };
	for (int i = 0; i < 60000; i++)
		buf_putc(&value, (char)('a' + i % 26));
	buf_printf(&b, "[target t]\nlong = %s\n", buf_cstr(&value));
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "Key.%d = value %d\n", i, i);
	assert_value(buf_cstr(&b), "long", value.data);
	assert_value(b.data, "Key.999", "value 999");
	assert_value(b.data, "Key.0", "value 0");
}

static void variables_and_files_are_put_in(void **state)
{
	(void)state;
	CLEANUP_FREE char *path = xasprintf("%s/secret", dir);
	put("secret", "p4ss ; ${HOME} word\n\n");
	setenv("PROBED_TEST_A", "a;\"b\" # c", 1);
	setenv("PROBED_TEST_EMPTY", "", 1);
	CLEANUP_FREE char *text =
	    xasprintf("[target t]\na = <${PROBED_TEST_A}>\nb = ${PROBED_TEST_EMPTY}\nc = ${PROBED_NO:-d e}"
		      "\nd = ${PROBED_NO:-}\ne = Bearer ${file:%s}\nf = ${row.x}\ntargets_from = x\n",
		      path);
	assert_value(text, "a", "<a;\"b\" # c>");
	assert_value(text, "b", "");
	assert_value(text, "c", "d e");
	assert_value(text, "d", "");
	assert_value(text, "e", "Bearer p4ss ; ${HOME} word\n");
	assert_value(text, "f", "\x01x\x02");
}

static struct config *read_main(char **errors)
{
	struct errs errs = { 0 };
	struct config *c = config_read("main.ini", &errs);
	*errors = told(&errs);
	return c;
}

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/probed-test-XXXXXX");
	return mkdtemp(dir) && !chdir(dir) ? mkdir("conf.d", 0700) : -1;
}

static int drop_dir(void **state)
{
	(void)state;
	CLEANUP_FREE char *command = xasprintf("rm -r %s", dir);
	return chdir("/") || system(command);
}

static void includes_are_merged_in_order(void **state)
{
	(void)state;
	CLEANUP_FREE char *errors = NULL;
	put("main.ini", "[probed]\nworkers = 2\ninclude = conf.d/*.ini\n[target a]\nk = 1\n");
	put("conf.d/20.ini", "[target c]\nk = 3\n");
	put("conf.d/10.ini", "[probed]\ninclude = ../more.ini\nlog_format = json\n[target b]\nk = 2\n");
	put("conf.d/30.txt", "nonsense\n");
	put("more.ini", "[target d]\nk = 4\n");
	struct config *c = read_main(&errors);
	assert_string_equal(errors, "");
	static const char *const titles[] = { "probed", "target a", "target b", "target d", "target c" };
	assert_int_equal(c->n, ARRAY_LEN(titles));
	for (size_t i = 0; i < c->n; i++)
		assert_string_equal(c->list[i]->title, titles[i]);
	struct settings s;
	struct errs errs = { 0 };
	assert_int_equal(config_settings(c, &s, &errs), 0);
	assert_int_equal(s.workers, 2);
	assert_true(s.log_json);
	settings_free(&s);
	config_free(c);
}

static void what_is_wrong_with_includes_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *main, *one, *two, *errors;
	} cases[] = {
		{ "[probed]\ninclude = one.ini\n", "[probed]\ninclude = main.ini\n", "",
		  "one.ini:2: [probed] include: main.ini includes itself\n" },
		{ "[probed]\ninclude = {one,two}.ini\n", "[probed]\ninclude = two.ini\n", "",
		  "main.ini:2: [probed] include: two.ini was included already\n" },
		{ "[probed]\ninclude = one.ini\n[target a]\n", "\n[target a]\n", "",
		  "one.ini:2: [target a] the section is already in main.ini:3\n" },
		{ "[probed]\ninclude = one.ini\nworkers = 1\n", "[probed]\nworkers = 2\n", "",
		  "one.ini:2: [probed] workers: already set in main.ini:3\n" },
		{ "[probed]\ninclude = one.ini\n[probed]\nworkers = 1\n", "", "",
		  "main.ini:3: [probed] the section is already in main.ini:1\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *errors = NULL;
		put("main.ini", cases[i].main);
		put("one.ini", cases[i].one);
		put("two.ini", cases[i].two);
		struct config *c = read_main(&errors);
		assert_non_null(c);
		assert_string_equal(errors, cases[i].errors);
		config_free(c);
	}
}

static void includes_are_bounded_in_depth(void **state)
{
	(void)state;
	CLEANUP_FREE char *errors = NULL;
	put("main.ini", "[probed]\ninclude = n1.ini\n");
	for (int i = 1; i < 12; i++) {
		char name[20], text[60];
		snprintf(name, sizeof name, "n%d.ini", i);
		snprintf(text, sizeof text, "[probed]\ninclude = n%d.ini\n", i + 1);
		put(name, text);
	}
	struct config *c = read_main(&errors);
	assert_string_equal(errors, "n8.ini:2: [probed] include: files include files more than 8 deep\n");
	config_free(c);
}

static void a_file_that_can_t_be_read_is_no_configuration(void **state)
{
	(void)state;
	struct errs errs = { 0 };
	assert_null(config_read("/nonexistent/probed.ini", &errs));
	CLEANUP_FREE char *errors = told(&errs);
	assert_string_equal(errors, "can't read /nonexistent/probed.ini: No such file or directory\n");
	assert_null(config_read("/tmp", &errs));
	CLEANUP_FREE char *more = told(&errs);
	assert_string_equal(more, "can't read /tmp: Is a directory\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read_as_written),
		cmocka_unit_test(names_keep_their_case),
		cmocka_unit_test(places_are_those_of_the_first_line),
		cmocka_unit_test(bad_lines_are_errors_with_their_place),
		cmocka_unit_test(a_long_line_is_an_error_and_the_rest_is_read),
		cmocka_unit_test(a_long_value_and_many_keys_pass_through_iniparser),
		cmocka_unit_test_setup_teardown(variables_and_files_are_put_in, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(includes_are_merged_in_order, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(what_is_wrong_with_includes_is_told, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(includes_are_bounded_in_depth, make_dir, drop_dir),
		cmocka_unit_test(a_file_that_can_t_be_read_is_no_configuration),
	};
	return cmocka_run_group_tests_name("ini", tests, NULL, NULL);
}
