/* SPDX-License-Identifier: Apache-2.0 */
/* test_generate.c - what all generators stand on: links, names, texts of others, shell words, YAML, and files that read
 * back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "config/section.h"
#include "generate/curl_words.h"
#include "generate/draft.h"
#include "generate/source.h"

static void links_are_cleaned(void **state)
{
	(void)state;
	static const struct {
		const char *text, *base, *clean; /* NULL: refused */
	} cases[] = {
		{ "http://a", NULL, "http://a/" },
		{ "HTTPS://U:P@Example.ORG:443/a/../b?c#d", NULL, "https://example.org/b?c" },
		{ "http://a:8080/x y", NULL, "http://a:8080/x%20y" },
		{ "http://a/%7b{\"<>\\^`|}", NULL, "http://a/%7b%7B%22%3C%3E%5C%5E%60%7C%7D" },
		{ "http://a/%zz", NULL, "http://a/%25zz" },
		{ "http://[::1]:80/", NULL, "http://[::1]/" },
		{ "b?c", "http://a/x/y", "http://a/x/b?c" },
		{ "?c", "http://a/x/y", "http://a/x/y?c" },
		{ "//b/c", "https://a/x", "https://b/c" },
		{ "", "http://a/x#y", "http://a/x" },
		{ "#z", "http://a/x?q#y", "http://a/x?q" },
		{ "ftp://a/", NULL, NULL },
		{ "javascript:x", NULL, NULL },
		{ "file:///etc/passwd", "http://a/", NULL },
		{ "a", NULL, NULL },
		{ "http://", NULL, NULL },
		{ "http://a\"b/", NULL, NULL },
		{ "http://a/\n", NULL, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct link l;
		int rc = link_parse(&l, cases[i].text, cases[i].base);
		if (!cases[i].clean) {
			if (!rc)
				fail_msg("%s is taken", cases[i].text);
			continue;
		}
		if (rc)
			fail_msg("%s is refused", cases[i].text);
		char *text = link_text(&l);
		assert_string_equal(text, cases[i].clean);
		free(text);
		link_free(&l);
	}
}

static void names_are_made_of_anything(void **state)
{
	(void)state;
	struct draft d = { 0 };
	static const char *const cases[][2] = {
		{ "a.example.org/b/c", "a.example.org-b-c" },    { "///", "root" },      { "", "root-2" },
		{ "a.example.org/b/c/", "a.example.org-b-c-2" }, { "\xc3\xbc{x}", "x" }, { "root", "root-3" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *name = name_unique(&d, cases[i][0]);
		assert_string_equal(name, cases[i][1]);
		assert_true(name_valid(name));
		free(name);
	}
	char longest[5000];
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	char *name = name_unique(&d, longest);
	assert_true(name_valid(name) && strlen(name) <= 100);
	free(name);
	draft_free(&d);
}

static void texts_are_escaped(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "a", "a" },
		{ "$", "$$" },
		{ "$a", "$a" },
		{ "${a}", "$${a}" },
		{ "$$", "$$$$" },
		{ "a$$b", "a$$$b" },
		{ "{{a}}", "{{pick \"{{\"}}a}}" },
		{ "{{{", "{{pick \"{{\"}}{" },
		{ "{a}}", "{a}}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = { 0 };
		text_put(&out, cases[i][0], strlen(cases[i][0]));
		assert_string_equal(out.data, cases[i][1]);
	}
}

static void secrets_become_variables(void **state)
{
	(void)state;
	struct draft d = { 0 };
	static const struct {
		bool json;
		const char *text, *hidden;
	} cases[] = {
		{ false, "a=1&password=x&b=2", "a=1&password=${PASSWORD}&b=2" },
		{ false, "password=x", "password=${PASSWORD}" },
		{ false, "password=y&password=", "password=${PASSWORD_2}&password=" },
		{ false, "max_tokens=5&user_id=1&monkey=2&api-key=3",
		  "max_tokens=${MAX_TOKENS}&user_id=1&monkey=2&api-key=${API_KEY}" },
		{ true, "{\"Password\" : \"x\", \"a\": \"password\"}",
		  "{\"Password\" : \"${PASSWORD}\", \"a\": \"password\"}" },
		{ true, "{\"token\":\"a\\\"b\",\"token\":5}", "{\"token\":\"${TOKEN}\",\"token\":5}" },
		{ true, "{\"token\":\"open", "{\"token\":\"${TOKEN_2}" },
		{ true, "\"token\"", "\"token\"" },
		{ true, "{\"1key\":\"k\"}", "{\"1key\":\"${SECRET_1KEY}\"}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = { 0 };
		if (cases[i].json)
			text_json(&d, &out, cases[i].text, strlen(cases[i].text));
		else
			text_form(&d, &out, cases[i].text, strlen(cases[i].text), "x");
		assert_string_equal(out.data, cases[i].hidden);
	}
	draft_free(&d);
}

static void shell_words_are_parted(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words; /* each between < and >; "!" an open quote; "" none */
	} cases[] = {
		{ "a b", "<a><b>" },
		{ " a\t'b c'\"d e\"f\\ g ", "<a><b cd ef g>" },
		{ "'' \"\" x", "<><><x>" },
		{ "a \\\n b \\\r\n c", "<a><b><c>" },
		{ "a \"x\\\"y\\\\z\\w\\\nq\"", "<a><x\"y\\z\\wq>" },
		{ "$'a\\n\\x41\\u00e9\\101\\'\\q'", "<a\nA\xc3\xa9"
						    "A'\\q>" },
		{ "a # b\nc", "<a>" },
		{ "# a\n\n  b", "<b>" },
		{ "a; b", "<a>" },
		{ "a && b", "<a>" },
		{ "a | b", "<a>" },
		{ "a#b", "<a#b>" },
		{ "a 'b", "!" },
		{ "a \"b", "!" },
		{ "$'b", "!" },
		{ "", "" },
		{ " \n;\n", "" },
		{ "a\\", "<a\\>" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *p = cases[i].text;
		struct words w;
		CLEANUP_BUF struct buf out = { 0 };
		int rc = shell_words_next(&w, &p, p + strlen(p));
		if (rc < 0)
			buf_puts(&out, "!");
		for (size_t k = 0; k < w.n; k++)
			buf_printf(&out, "<%s>", w.list[k]);
		assert_string_equal(buf_cstr(&out), cases[i].words);
		words_free(&w);
	}
}

static void yaml_becomes_json(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "a: 1", "{\"a\":1}" },
		{ "1: {true: ~}", "{\"1\":{\"true\":null}}" },
		{ "[1.5, '1', yes, true, null, 0x1, -3, 1e3, 2020-01-01, '', .]",
		  "[1.5,\"1\",\"yes\",true,null,\"0x1\",-3,1000.0,\"2020-01-01\",\"\",\".\"]" },
		{ "a: &x [1]\nb: *x", "{\"a\":[1],\"b\":[1]}" },
		{ "a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}" },
		{ "!!str 1", "\"1\"" },
		{ "--- a\n--- b", "\"a\"" },
	};
	static const char *const bad[] = { "", "a: [", "a: *x", "&x [*x]", "[a]: b", "\xff", "a: \"\\0\"" };
	char error[200];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *doc = yaml_load(cases[i][0], strlen(cases[i][0]), error, sizeof error);
		if (!doc)
			fail_msg("%s: %s", cases[i][0], error);
		char *text = json_dumps(doc, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION(4));
		assert_string_equal(text, cases[i][1]);
		free(text);
		json_decref(doc);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_null(yaml_load(bad[i], strlen(bad[i]), error, sizeof error));
		assert_true(*error);
	}
}

/* Whatever a value is, it is read back as it was, or refused. */
static void what_is_written_reads_back(void **state)
{
	(void)state;
	static const char *const values[] = {
		"",
		" a ",
		"a;b",
		"a ;b",
		"#a",
		"a # b",
		"\"",
		"'a'",
		"\"a' ;",
		"<<END",
		"a\nb",
		"a\n",
		"\n",
		"a\r\nb",
		"END",
		"END\nEND1",
		"x\nEND\n",
		"a = b",
		"[x]\n; y\n z",
		"\ta",
		"=",
		"a\x7f"
		"b",
		"\xc3\xbc",
		"a\n\n",
		"{ \"a\": 'b' } ; c",
	};
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct draft d = { .limit = 1, .in_order = true };
		struct errs errs = { 0 };
		struct link link;
		size_t n;
		CLEANUP_BUF struct buf out = { 0 };
		assert_int_equal(link_parse(&link, "http://a/x", NULL), 0);
		struct request *r = draft_add(&d, &link, NULL);
		request_put(&d, r, "body", values[i]);
		request_put(&d, r, "bad", "\x01");
		assert_int_equal(d.warnings.n, 1);
		draft_write(&d, &(struct layout){ .from = "x\ny" }, &out);
		struct section **list = scan_text("f", out.data, out.len, &n, &errs);
		assert_int_equal(errs.errors, 0);
		assert_int_equal(n, 1);
		assert_string_equal(list[0]->title, "target x");
		assert_string_equal(section_find(list[0], "body")->value, values[i]);
		assert_null(section_find(list[0], "bad"));
		section_free(list[0]);
		free(list);
		link_free(&link);
		draft_free(&d);
		errs_free(&errs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_are_cleaned),          cmocka_unit_test(names_are_made_of_anything),
		cmocka_unit_test(texts_are_escaped),          cmocka_unit_test(secrets_become_variables),
		cmocka_unit_test(shell_words_are_parted),     cmocka_unit_test(yaml_becomes_json),
		cmocka_unit_test(what_is_written_reads_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
