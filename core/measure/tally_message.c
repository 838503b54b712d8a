/* SPDX-License-Identifier: Apache-2.0 */
/* tally_message.c - the messages of a tally: what says the same is one, and the frequent ones stay. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "measure/tally_parts.h"

#define LONG_NUMBER 5 /* digits from which on a number says which one, and not what */
#define DIGITS "0123456789"

/* Does a number of so many characters differ from time to time: is it long, a fraction, or measured ("57 ms")? Addresses
 * and versions stay as they are. */
static bool varies(const char *number, size_t n, bool measured)
{
	const char *dot = memchr(number, '.', n);
	if (!dot)
		return n >= LONG_NUMBER || (measured && number[n] == ' ' && isalpha((unsigned char)number[n + 1]));
	return !memchr(dot + 1, '.', n - (size_t)(dot + 1 - number)) && dot > number && dot + 1 < number + n;
}

/* What a message says, without what differs each time: that becomes #. What was expected stays. */
static size_t message_class(char *out, size_t size, const char *text)
{
	const char *expected = strstr(text, ", expected"), *begin = text;
	size_t n = 0;
	while (*text && n + 1 < size) {
		size_t take = strspn(text, DIGITS), whole = strspn(text, DIGITS ".");
		bool apart = text == begin || strchr(" (=<>-", text[-1]);
		if (take && whole > take && text[whole - 1] == '.')
			whole--; /* the end of a sentence */
		if (take && ((apart && varies(text, whole, text < expected)) || take >= LONG_NUMBER)) {
			out[n++] = '#';
			text += apart && varies(text, whole, text < expected) ? whole : take;
			continue;
		}
		for (take = whole ? whole : 1; take && n + 1 < size; take--)
			out[n++] = *text++;
	}
	out[n] = '\0';
	return n;
}

static struct tally_message *rarest(struct tally *t)
{
	struct tally_message *least = &t->messages[0];
	for (uint32_t i = 1; i < t->n_messages; i++)
		if (t->messages[i].count < least->count)
			least = &t->messages[i];
	return least;
}

/* The messages most often seen, by the Space-Saving algorithm (Metwally, Agrawal, El Abbadi 2005): a new one takes the
 * place of the rarest, and with it its count as the most that it may be wrong by. */
void tally_message_add(struct tally *t, uint32_t step, uint32_t reason, const char *text, uint64_t count, uint64_t over)
{
	char class[TALLY_TEXT + 1];
	size_t len = message_class(class, sizeof class, text);
	uint64_t hash = str_mix(str_hash(class, len), (uint64_t)step << 8 | reason);
	struct tally_message *m = NULL;
	for (uint32_t i = 0; i < t->n_messages && !m; i++)
		if (t->messages[i].hash == hash)
			m = &t->messages[i];
	if (!m) {
		uint64_t before = 0;
		if (t->n_messages < TALLY_MESSAGES) {
			m = &t->messages[t->n_messages++];
		} else {
			m = rarest(t);
			before = m->count;
			free(m->text);
		}
		*m = (struct tally_message){ .text = xstrdup(class), .hash = hash, .count = before, .over = before,
			                     .step = step, .reason = reason };
	}
	m->count += count;
	m->over += over;
}
