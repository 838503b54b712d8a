/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - documents held against a compiled JSON Schema: see schema.h */
#include "judge/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "judge/regex.h"
#include "judge/schema_tree.h"
#include "judge/value.h"

#define DEPTH_MAX 1000
#define WORK_MAX 1000000

/* The resources that the evaluation has come through, the innermost first. */
struct scope {
	const struct resource *in;
	const struct scope *outer;
};

/* One validation. */
struct run {
	struct line why;
	int quiet;  /* within something that may fail: not, anyOf ... */
	bool stuck; /* over a bound: nothing is valid any more */
	unsigned depth;
	size_t work;
};

/* Where a schema is held against what: shared by all keywords of it. */
struct spot {
	const struct node *n;
	const json_t *v;
	const struct path *at;
	const struct scope *scope;
	uint8_t *seen; /* of each property or item: evaluated; NULL: nobody asks */
};

static bool hold(struct run *run, const struct node *n, const struct spot *from);

/* --- saying why ------------------------------------------------------------------------------------------- */

static bool say(struct run *run, const struct path *at, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The first failure is told; always false. */
static bool say(struct run *run, const struct path *at, const char *format, ...)
{
	char place[200], text[300];
	if (run->quiet || run->why.len)
		return false;
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	path_text(at, place, sizeof place);
	line_printf(&run->why, "%s%s%s", place, *place ? ": " : "", text);
	return false;
}

/* Over a bound: told even where it is quiet. Always false. */
static bool give_up(struct run *run, const struct path *at, const char *why)
{
	int quiet = run->quiet;
	run->quiet = 0;
	run->stuck = true;
	run->why.len = 0;
	say(run, at, "%s", why);
	run->quiet = quiet;
	return false;
}

static const char *kind_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "the string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "the number";
	default:
		return "";
	}
}

/* `the string "x"`, `an object`, `true`, in `text`. */
static const char *shown(const json_t *v, char text[160])
{
	struct line o = { text, 160, 0 };
	line_printf(&o, "%s", kind_of(v));
	if (json_is_string(v)) {
		line_printf(&o, " ");
		line_excerpt(&o, json_string_value(v), json_string_length(v));
	} else if (json_is_integer(v)) {
		line_printf(&o, " %lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		line_printf(&o, " %.15g", json_real_value(v));
	} else if (!json_is_object(v) && !json_is_array(v)) {
		line_printf(&o, "%s", json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
	}
	return text;
}

static bool say_types(struct run *run, const struct spot *s)
{
	static const char *const names[] = { "null",     "a boolean", "an object", "an array",
					     "a number", "a string",  "an integer" };
	char list[120], text[160];
	struct line o = { list, sizeof list, 0 };
	*list = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (s->n->types & 1u << i)
			line_printf(&o, "%s%s", o.len ? " or " : "", names[i]);
	return say(run, s->at, "expected %s, got %s", list, shown(s->v, text));
}

static bool say_values(struct run *run, const struct spot *s, const json_t *values)
{
	char list[400], text[160];
	struct line o = { list, sizeof list, 0 };
	size_t n = json_array_size(values);
	*list = '\0';
	for (size_t i = 0; i < n && i < 3; i++)
		line_printf(&o, "%s%s", i ? ", " : "", shown(json_array_get(values, i), text));
	return say(run, s->at, "expected %.200s%s, got %s", list, n > 3 ? " ..." : "", shown(s->v, text));
}

static bool say_bound(struct run *run, const struct spot *s, const char *expected, const json_t *bound)
{
	char text[160], other[160];
	return say(run, s->at, "expected %s %s, got %s", expected, shown(bound, other) + strlen("the number "),
		   shown(s->v, text));
}

/* --- keywords of a value alone --------------------------------------------------------------------------- */

static unsigned types_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_NULL:
		return TYPE_NULL;
	case JSON_TRUE:
	case JSON_FALSE:
		return TYPE_BOOLEAN;
	case JSON_OBJECT:
		return TYPE_OBJECT;
	case JSON_ARRAY:
		return TYPE_ARRAY;
	case JSON_STRING:
		return TYPE_STRING;
	default:
		return TYPE_NUMBER | (number_is_integer(v) ? TYPE_INTEGER : 0);
	}
}

static bool among(const json_t *v, const json_t *values)
{
	for (size_t i = 0; i < json_array_size(values); i++)
		if (value_json_equal(v, json_array_get(values, i)))
			return true;
	return false;
}

static bool hold_any_type(struct run *run, const struct spot *s)
{
	const struct node *n = s->n;
	char expected[160], text[160];
	if (n->types && !(types_of(s->v) & n->types))
		return say_types(run, s);
	if (n->constant && !value_json_equal(s->v, n->constant))
		return say(run, s->at, "expected %s, got %s", shown(n->constant, expected), shown(s->v, text));
	if (n->one_of_values && !among(s->v, n->one_of_values))
		return say_values(run, s, n->one_of_values);
	return true;
}

static bool hold_number(struct run *run, const struct spot *s)
{
	const struct node *n = s->n;
	if (n->minimum && number_compare(s->v, n->minimum) < 0)
		return say_bound(run, s, "at least", n->minimum);
	if (n->exclusive_minimum && number_compare(s->v, n->exclusive_minimum) <= 0)
		return say_bound(run, s, "more than", n->exclusive_minimum);
	if (n->maximum && number_compare(s->v, n->maximum) > 0)
		return say_bound(run, s, "at most", n->maximum);
	if (n->exclusive_maximum && number_compare(s->v, n->exclusive_maximum) >= 0)
		return say_bound(run, s, "less than", n->exclusive_maximum);
	if (n->multiple_of && !number_is_multiple(s->v, n->multiple_of))
		return say_bound(run, s, "a multiple of", n->multiple_of);
	return true;
}

static bool hold_limits(struct run *run, const struct spot *s, size_t n, enum limit least, enum limit most,
			const char *what)
{
	const double *limits = s->n->limits;
	if (limits[least] >= 0 && (double)n < limits[least])
		return say(run, s->at, "expected at least %.0f %s, got %zu", limits[least], what, n);
	if (limits[most] >= 0 && (double)n > limits[most])
		return say(run, s->at, "expected at most %.0f %s, got %zu", limits[most], what, n);
	return true;
}

static bool matches(struct run *run, const struct regex *re, const char *s, size_t len, const struct path *at)
{
	int rc = regex_match(re, s, len);
	return rc < 0 ? give_up(run, at, "a pattern takes too much work on it") : rc > 0;
}

static bool hold_string(struct run *run, const struct spot *s)
{
	const struct node *n = s->n;
	const char *text = json_string_value(s->v);
	size_t bytes = json_string_length(s->v), characters = 0;
	char show[160];
	if (n->limits[MIN_LENGTH] >= 0 || n->limits[MAX_LENGTH] >= 0) {
		for (size_t i = 0; i < bytes; i++)
			characters += ((uint8_t)text[i] & 0xc0) != 0x80;
		if (!hold_limits(run, s, characters, MIN_LENGTH, MAX_LENGTH, "characters"))
			return false;
	}
	if (n->pattern && !matches(run, n->pattern, text, bytes, s->at))
		return say(run, s->at, "expected a match of \"%.100s\", got %s", n->pattern_text, shown(s->v, show));
	return true;
}

/* --- arrays ------------------------------------------------------------------------------------------------ */

static bool hold_item(struct run *run, const struct spot *s, const struct node *n, size_t i)
{
	const struct path here = { s->at, NULL, i };
	const struct spot item = { .v = json_array_get(s->v, i), .at = &here, .scope = s->scope };
	if (s->seen)
		s->seen[i] = 1;
	return hold(run, n, &item);
}

static bool hold_contains(struct run *run, const struct spot *s)
{
	size_t count = json_array_size(s->v), found = 0;
	double least = s->n->limits[MIN_CONTAINS] >= 0 ? s->n->limits[MIN_CONTAINS] : 1,
	       most = s->n->limits[MAX_CONTAINS];
	run->quiet++;
	for (size_t i = 0; i < count; i++) {
		const struct path here = { s->at, NULL, i };
		const struct spot item = { .v = json_array_get(s->v, i), .at = &here, .scope = s->scope };
		if (!hold(run, s->n->contains, &item))
			continue;
		found++;
		if (s->seen)
			s->seen[i] = 1;
	}
	run->quiet--;
	if ((double)found < least)
		return say(run, s->at, "expected at least %.0f items that contains describes, got %zu", least, found);
	if (most >= 0 && (double)found > most)
		return say(run, s->at, "expected at most %.0f items that contains describes, got %zu", most, found);
	return true;
}

static bool hold_array(struct run *run, const struct spot *s)
{
	const struct node *n = s->n;
	size_t count = json_array_size(s->v);
	if (!hold_limits(run, s, count, MIN_ITEMS, MAX_ITEMS, "items"))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct node *item = i < n->prefix.n ? n->prefix.list[i] : n->items;
		if (item && !hold_item(run, s, item, i))
			return false;
	}
	if (n->unique && !array_is_unique(s->v))
		return say(run, s->at, "expected items that are all different");
	return !n->contains || hold_contains(run, s);
}

/* --- objects ----------------------------------------------------------------------------------------------- */

static int by_key(const void *key, const void *member)
{
	return strcmp(key, ((const struct member *)member)->name);
}

static bool hold_property(struct run *run, const struct spot *s, const struct node *n, const char *key, const json_t *v,
			  size_t i)
{
	const struct path here = { s->at, key, 0 };
	const struct spot property = { .v = v, .at = &here, .scope = s->scope };
	if (s->seen)
		s->seen[i] = 1;
	return hold(run, n, &property);
}

/* One property, against all that speaks of it. */
static bool hold_named(struct run *run, const struct spot *s, const char *key, const json_t *v, size_t i)
{
	const struct node *n = s->n;
	bool spoken_of = false;
	const struct member *m =
	    n->properties.n ? bsearch(key, n->properties.list, n->properties.n, sizeof *m, by_key) : NULL;
	if (m) {
		spoken_of = true;
		if (!hold_property(run, s, m->node, key, v, i))
			return false;
	}
	for (size_t k = 0; k < n->patterns.n; k++) {
		if (!matches(run, n->patterns.list[k].re, key, strlen(key), s->at))
			continue;
		spoken_of = true;
		if (!hold_property(run, s, n->patterns.list[k].node, key, v, i))
			return false;
	}
	return spoken_of || !n->additional || hold_property(run, s, n->additional, key, v, i);
}

static bool hold_name(struct run *run, const struct spot *s, const char *key)
{
	const struct path here = { s->at, key, 0 };
	json_t *name = json_string(key);
	const struct spot spot = { .v = name, .at = &here, .scope = s->scope };
	run->quiet++;
	bool good = hold(run, s->n->names, &spot);
	run->quiet--;
	json_decref(name);
	return good || say(run, &here, "a key may not be named so");
}

static bool has_all(struct run *run, const struct spot *s, const json_t *names, const char *because)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		if (json_object_get(s->v, name))
			continue;
		return because
			   ? say(run, s->at, "the key \"%.80s\" is missing, which \"%.80s\" requires", name, because)
			   : say(run, s->at, "the key \"%.80s\" is missing", name);
	}
	return true;
}

static bool hold_dependent(struct run *run, const struct spot *s)
{
	const char *key;
	json_t *names;
	json_object_foreach((json_t *)(uintptr_t)s->n->dependent_required, key, names)
	{
		if (json_object_get(s->v, key) && !has_all(run, s, names, key))
			return false;
	}
	for (size_t i = 0; i < s->n->dependent.n; i++)
		if (json_object_get(s->v, s->n->dependent.list[i].name) && !hold(run, s->n->dependent.list[i].node, s))
			return false;
	return true;
}

static bool hold_object(struct run *run, const struct spot *s)
{
	const struct node *n = s->n;
	const char *key;
	json_t *v;
	size_t i = 0;
	if (!hold_limits(run, s, json_object_size(s->v), MIN_PROPERTIES, MAX_PROPERTIES, "keys"))
		return false;
	if (!has_all(run, s, n->required, NULL))
		return false;
	bool each = n->properties.n || n->patterns.n || n->additional || n->names;
	json_object_foreach(each ? (json_t *)(uintptr_t)s->v : NULL, key, v)
	{
		if (!hold_named(run, s, key, v, i++) || (n->names && !hold_name(run, s, key)))
			return false;
	}
	return hold_dependent(run, s);
}

/* --- schemas in place of this one ------------------------------------------------------------------------- */

static bool hold_quietly(struct run *run, const struct node *n, const struct spot *s)
{
	run->quiet++;
	bool good = hold(run, n, s);
	run->quiet--;
	return good;
}

/* How many of them hold; once one does, the others matter only where somebody asks what they evaluate. */
static size_t count_holding(struct run *run, const struct nodes *list, const struct spot *s, bool all)
{
	size_t found = 0;
	for (size_t i = 0; i < list->n && (all || s->seen || !found); i++)
		found += hold_quietly(run, list->list[i], s);
	return found;
}

/* The outermost resource of those come through that has the anchor. */
static const struct node *dynamic_target(const struct spot *s)
{
	const struct node *found = s->n->dynamic;
	if (!s->n->dynamic_name)
		return found;
	for (const struct scope *scope = s->scope; scope; scope = scope->outer) {
		const struct anchor *a = anchor_find(scope->in, s->n->dynamic_name, strlen(s->n->dynamic_name));
		if (a && a->dynamic)
			found = a->node;
	}
	return found;
}

static bool hold_in_place(struct run *run, const struct spot *s)
{
	const struct node *n = s->n;
	if (n->ref && !hold(run, n->ref, s))
		return false;
	if (n->dynamic && !hold(run, dynamic_target(s), s))
		return false;
	for (size_t i = 0; i < n->all.n; i++)
		if (!hold(run, n->all.list[i], s))
			return false;
	if (n->any.n && !count_holding(run, &n->any, s, false))
		return say(run, s->at, "it is none of the %zu that anyOf describes", n->any.n);
	if (n->one.n) {
		size_t found = count_holding(run, &n->one, s, true);
		if (found != 1)
			return say(run, s->at, "it is %zu of the %zu that oneOf describes, expected 1", found,
				   n->one.n);
	}
	struct spot blind = *s;
	blind.seen = NULL;
	if (n->no && hold_quietly(run, n->no, &blind))
		return say(run, s->at, "it is what not describes");
	if (n->condition) {
		const struct node *then = hold_quietly(run, n->condition, s) ? n->then : n->otherwise;
		return !then || hold(run, then, s);
	}
	return true;
}

static bool hold_unevaluated(struct run *run, const struct spot *s)
{
	const struct node *items = s->n->unevaluated_items, *properties = s->n->unevaluated_properties;
	const char *key;
	json_t *v;
	size_t i = 0;
	for (size_t k = 0; items && k < json_array_size(s->v); k++)
		if (!s->seen[k] && !hold_item(run, s, items, k))
			return false;
	json_object_foreach(properties ? (json_t *)(uintptr_t)s->v : NULL, key, v)
	{
		if (!s->seen[i] && !hold_property(run, s, properties, key, v, i))
			return false;
		i++;
	}
	return true;
}

/* --- one schema --------------------------------------------------------------------------------------------- */

static bool hold_all(struct run *run, const struct spot *s)
{
	if (!hold_any_type(run, s))
		return false;
	if (json_is_number(s->v) && !hold_number(run, s))
		return false;
	if (json_is_string(s->v) && !hold_string(run, s))
		return false;
	if (json_is_array(s->v) && !hold_array(run, s))
		return false;
	if (json_is_object(s->v) && !hold_object(run, s))
		return false;
	return hold_in_place(run, s) && hold_unevaluated(run, s);
}

static bool over_a_bound(struct run *run, const struct path *at)
{
	if (run->stuck)
		return true;
	if (++run->work <= WORK_MAX && run->depth < DEPTH_MAX)
		return false;
	return !give_up(run, at,
			run->work > WORK_MAX ? "the schema takes too much work on this document"
					     : "the schema goes round in circles, or too deep, on this document");
}

/* Does schema n hold of the value of `from`? What it evaluates is added to from->seen. */
static bool hold(struct run *run, const struct node *n, const struct spot *from)
{
	if (n->nothing)
		return say(run, from->at, from->at ? "nothing may stand here" : "nothing is valid");
	if (!n->json)
		return true;
	if (over_a_bound(run, from->at))
		return false;
	struct scope here = { n->in, from->scope };
	struct spot s = { n, from->v, from->at, from->scope && from->scope->in == n->in ? from->scope : &here, NULL };
	size_t count = json_is_array(s.v) ? json_array_size(s.v) : json_object_size(s.v);
	if (from->seen || n->unevaluated_items || n->unevaluated_properties)
		s.seen = xcalloc(count + 1, 1);
	run->depth++;
	bool good = hold_all(run, &s) && !run->stuck;
	run->depth--;
	for (size_t i = 0; good && from->seen && i < count; i++)
		from->seen[i] |= s.seen[i];
	free(s.seen);
	return good;
}

bool schema_valid(const struct schema *s, const json_t *document, char *why, size_t size)
{
	struct run run = { .why = { why, size, 0 } };
	const struct spot root = { .v = document };
	return hold(&run, s->root, &root);
}
