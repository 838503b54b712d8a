/* SPDX-License-Identifier: Apache-2.0 */
/* test_table.c - a plugin's tables survive the way through bytes, and no bytes harm who reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "plugin/table.h"

static struct option_set options_of(const char *a, const char *b)
{
	struct option_set set = { .list = xcalloc(2, sizeof *set.list), .n = 2 };
	set.list[0] = (struct option_decl){ .name = xstrdup(a),
					    .help = xstrdup("First."),
					    .def = xstrdup("5s"),
					    .min = -3,
					    .max = INT64_MAX,
					    .type = PROBED_TYPE_DURATION,
					    .flags = PROBED_OPTION_TEMPLATE };
	set.list[1] = (struct option_decl){
		.name = xstrdup(b), .help = xstrdup(""), .choices = xstrdup("x|y"), .type = PROBED_TYPE_CHOICE
	};
	return set;
}

/* One of each thing that a table can hold. */
static struct plugin_table *sample(void)
{
	struct plugin_table *t = xnew(struct plugin_table);
	*t = (struct plugin_table){ .path = xstrdup("/x/a.so"),
				    .name = xstrdup("a"),
				    .version = xstrdup("1.2"),
				    .summary = xstrdup("S"),
				    .abi_minor = 1,
				    .need_minor = 1,
				    .n_drivers = 1,
				    .n_sinks = 1,
				    .n_services = 1 };
	struct driver_table *d = t->drivers = xnew(struct driver_table);
	*d = (struct driver_table){ .name = xstrdup("drv"),
				    .summary = xstrdup("D"),
				    .needs = xstrdup("raw"),
				    .default_expect = xstrdup("rtt < 1s"),
				    .gate_option = xstrdup("wait"),
				    .options = options_of("wait", "mode"),
				    .n_facts = 3,
				    .n_schemes = 1,
				    .flags = 1,
				    .probe_size = 64,
				    .max_inflight = 7,
				    .plugin = t };
	d->facts = xcalloc(3, sizeof *d->facts);
	d->facts[0] = (struct fact_decl){ .name = xstrdup("header"),
					  .unit = xstrdup(""),
					  .help = xstrdup("H"),
					  .type = PROBED_TYPE_STRING,
					  .flags = PROBED_FACT_FAMILY };
	d->facts[1] = (struct fact_decl){ .name = xstrdup("header.count"),
					  .unit = xstrdup("s"),
					  .help = xstrdup(""),
					  .type = PROBED_TYPE_INTEGER,
					  .role = PROBED_ROLE_STATUS };
	d->facts[2] = (struct fact_decl){ .name = xstrdup("hops"),
					  .unit = xstrdup(""),
					  .help = xstrdup(""),
					  .type = PROBED_TYPE_TABLE,
					  .columns = xstrdup("ip:string") };
	d->schemes = xnew(struct scheme_decl);
	*d->schemes = (struct scheme_decl){
		.scheme = xstrdup("drv"), .host = xstrdup("wait"), .preset = xstrdup("mode=x"), .query_opts = 1
	};
	t->sinks = xnew(struct part_table);
	*t->sinks = (struct part_table){
		.name = xstrdup("snk"), .summary = xstrdup(""), .options = options_of("p", "q"), .plugin = t
	};
	t->services = xnew(struct part_table);
	*t->services = (struct part_table){ .name = xstrdup("svc"), .summary = xstrdup(""), .plugin = t };
	return t;
}

static struct plugin_table *decode(const struct buf *b)
{
	struct cursor c = cursor_over(b->data, b->len);
	return plugin_table_decode(&c);
}

static void survives_the_way_through_bytes(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf first = { 0 }, second = { 0 };
	struct plugin_table *t = sample();
	plugin_table_encode(&first, t);
	struct plugin_table *copy = decode(&first);
	assert_non_null(copy);
	plugin_table_encode(&second, copy);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	assert_ptr_equal(copy->drivers[0].plugin, copy);
	assert_ptr_equal(copy->sinks[0].plugin, copy);
	assert_string_equal(copy->drivers[0].options.list[1].choices, "x|y");
	assert_int_equal(copy->drivers[0].options.list[0].min, -3);
	assert_null(copy->drivers[0].options.list[0].choices);
	assert_string_equal(copy->drivers[0].facts[2].columns, "ip:string");
	assert_string_equal(copy->drivers[0].schemes[0].preset, "mode=x");
	assert_null(copy->drivers[0].schemes[0].whole);
	plugin_table_free(t);
	plugin_table_free(copy);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf b = { 0 };
	struct plugin_table *t = sample();
	plugin_table_encode(&b, t);
	plugin_table_free(t);
	size_t whole = b.len;
	for (b.len = 0; b.len < whole; b.len++)
		assert_null(decode(&b));
}

static void no_changed_byte_does_harm(void **state)
{
	(void)state;
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	CLEANUP_BUF struct buf b = { 0 };
	struct plugin_table *t = sample();
	plugin_table_encode(&b, t);
	plugin_table_free(t);
	for (size_t i = 0; i < b.len; i++) {
		char before = b.data[i];
		for (size_t k = 0; k < ARRAY_LEN(values); k++) {
			b.data[i] = (char)values[k];
			plugin_table_free(decode(&b));
		}
		b.data[i] = before;
	}
}

static void a_refused_one_says_why(void **state)
{
	(void)state;
	struct plugin_table t = { .path = (char[]){ "/x/b.so" }, .state = PLUGIN_REFUSED };
	CLEANUP_BUF struct buf silent = { 0 }, loud = { 0 };
	plugin_table_encode(&silent, &t);
	assert_null(decode(&silent));
	t.why = (char[]){ "bad" };
	plugin_table_encode(&loud, &t);
	struct plugin_table *copy = decode(&loud);
	assert_non_null(copy);
	assert_null(copy->name);
	assert_string_equal(copy->why, "bad");
	plugin_table_free(copy);
}

static void facts_are_found_by_name_and_by_family(void **state)
{
	(void)state;
	struct plugin_table *t = sample();
	const char *late = "unset";
	uint32_t i = 99;
	assert_non_null(driver_fact(t->drivers, "header.server", &i, &late));
	assert_int_equal(i, 0);
	assert_string_equal(late, "server");
	assert_non_null(driver_fact(t->drivers, "header.count", &i, &late));
	assert_int_equal(i, 1);
	assert_null(late);
	assert_null(driver_fact(t->drivers, "header", &i, &late));
	assert_null(driver_fact(t->drivers, "header.", &i, &late));
	assert_null(driver_fact(t->drivers, "headers", NULL, NULL));
	assert_non_null(option_set_find(&t->drivers->options, "mode", &i));
	assert_int_equal(i, 1);
	assert_null(option_set_find(&t->drivers->options, "mod", NULL));
	plugin_table_free(t);
}

static void the_registry_shadows_what_comes_later(void **state)
{
	(void)state;
	struct registry *r = registry_new();
	struct plugin_table *one = sample(), *same_name = sample(), *same_driver = sample(),
			    *refused = xnew(struct plugin_table);
	free(same_driver->name);
	same_driver->name = xstrdup("b");
	*refused = (struct plugin_table){ .path = xstrdup("/x/c.so"), .why = xstrdup("bad"), .state = PLUGIN_REFUSED };
	registry_add(r, refused);
	registry_add(r, one);
	registry_add(r, same_name);
	registry_add(r, same_driver);
	assert_int_equal(r->n_plugins, 4);
	assert_int_equal(r->n_drivers, 1);
	assert_int_equal(same_name->state, PLUGIN_SHADOWED);
	assert_string_equal(same_name->why, "a plugin named \"a\" comes from /x/a.so already");
	assert_int_equal(same_driver->state, PLUGIN_SHADOWED);
	assert_string_equal(same_driver->why, "its driver \"drv\" comes from /x/a.so already");
	assert_ptr_equal(registry_driver(r, "drv"), one->drivers);
	assert_ptr_equal(registry_sink(r, "snk"), one->sinks);
	assert_ptr_equal(registry_service(r, "svc"), one->services);
	assert_null(registry_service(r, "snk"));
	const struct scheme_decl *scheme = NULL;
	assert_ptr_equal(registry_scheme(r, "drv", &scheme), one->drivers);
	assert_ptr_equal(scheme, one->drivers->schemes);
	assert_null(registry_scheme(r, "http", &scheme));
	registry_ref(r);
	registry_unref(r);
	assert_ptr_equal(registry_driver(r, "drv"), one->drivers);
	registry_unref(r);
}

static void types_have_names(void **state)
{
	(void)state;
	assert_string_equal(type_name(PROBED_TYPE_DURATION), "duration");
	assert_string_equal(type_name(PROBED_TYPE_TABLE), "table");
	assert_string_equal(type_name(4711), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_the_way_through_bytes),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(no_changed_byte_does_harm),
		cmocka_unit_test(a_refused_one_says_why),
		cmocka_unit_test(facts_are_found_by_name_and_by_family),
		cmocka_unit_test(the_registry_shadows_what_comes_later),
		cmocka_unit_test(types_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
