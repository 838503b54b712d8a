/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - see log.h */
#include "base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

#define BURST 20        /* lines of one message about one thing, such as a target */
#define BURST_ALL 1000  /* lines of one message about all things */
#define WINDOW_NS (10 * NS_PER_S)
#define SLOTS 256

struct limit {
	uint64_t key;
	int64_t since_ns;
	uint32_t said, held;
};

static struct {
	pthread_mutex_t lock;
	char who[48];
	enum log_level level;
	bool json;
	uint64_t suppressed;
	struct limit limits[SLOTS], alls[SLOTS];
} self = { .lock = PTHREAD_MUTEX_INITIALIZER, .who = "probed", .level = LOG_INFO };

static const char *const level_names[] = { "debug", "info", "warning", "error" };

void log_init(const char *who, enum log_level level, bool json)
{
	snprintf(self.who, sizeof self.who, "%s", who);
	log_set(level, json);
}

void log_set(enum log_level level, bool json)
{
	self.level = level;
	self.json = json;
}

enum log_level log_level_now(void)
{
	return self.level;
}

bool log_is_json(void)
{
	return self.json;
}

int log_level_parse(const char *text, enum log_level *level)
{
	for (unsigned i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
		if (!strcmp(text, level_names[i])) {
			*level = (enum log_level)i;
			return 0;
		}
	return -1;
}

const char *log_int(int64_t v)
{
	static _Thread_local char ring[16][24];
	static _Thread_local unsigned at;
	char *out = ring[at++ % 16];
	snprintf(out, sizeof ring[0], "%" PRId64, v);
	return out;
}

uint64_t log_suppressed(void)
{
	return self.suppressed;
}

static bool within(struct limit *l, uint64_t key, uint32_t burst, uint32_t *held)
{
	int64_t now = clock_now_ns();
	if (l->key != key || now - l->since_ns > WINDOW_NS) {
		*held += l->key == key ? l->held : 0;
		*l = (struct limit){ .key = key, .since_ns = now };
	}
	if (l->said >= burst) {
		l->held++;
		self.suppressed++;
		return false;
	}
	l->said++;
	return true;
}

/* True if the line may be said; *held is how many of its kind were not since the last one. `about` is the line's first
 * value: a hundred targets that go down at once are a hundred lines, one that flaps is not. */
static bool may_say(const char *message, const char *about, uint32_t *held)
{
	uint64_t key = str_hash(message, strlen(message));
	uint64_t one = about ? str_mix(key, str_hash(about, strlen(about))) : key;
	*held = 0;
	return within(&self.limits[one % SLOTS], one, BURST, held) && within(&self.alls[key % SLOTS], key, BURST_ALL, held);
}

static void put_text_value(struct buf *b, const char *v)
{
	if (*v && !strpbrk(v, " \"=\n\t\r")) {
		buf_puts(b, v);
		return;
	}
	str_put_json(b, v, strlen(v));
}

void log_event(enum log_level level, const char *message, ...)
{
	if (level < self.level)
		return;
	pthread_mutex_lock(&self.lock);
	uint32_t held;
	va_list ap;
	va_start(ap, message);
	const char *about = va_arg(ap, const char *) ? va_arg(ap, const char *) : NULL;
	va_end(ap);
	if (!may_say(message, about, &held)) {
		pthread_mutex_unlock(&self.lock);
		return;
	}
	struct buf line = { 0 };
	char when[32];
	clock_format_wall(clock_wall_ns(), when);
	if (self.json) {
		buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"who\":\"%s\",\"message\":", when,
		           level_names[level], self.who);
		str_put_json(&line, message, strlen(message));
	} else {
		buf_printf(&line, "%s %-7s %s: %s", when, level_names[level], self.who, message);
	}
	va_start(ap, message);
	for (const char *k; (k = va_arg(ap, const char *));) {
		const char *v = va_arg(ap, const char *);
		if (!v)
			continue;
		if (self.json) {
			buf_putc(&line, ',');
			str_put_json(&line, k, strlen(k));
			buf_putc(&line, ':');
			str_put_json(&line, v, strlen(v));
		} else {
			buf_printf(&line, " %s=", k);
			put_text_value(&line, v);
		}
	}
	va_end(ap);
	if (held)
		buf_printf(&line, self.json ? ",\"suppressed\":%u" : " suppressed=%u", held);
	buf_puts(&line, self.json ? "}\n" : "\n");
	ssize_t ignored = write(STDERR_FILENO, line.data, line.len);
	(void)ignored;
	buf_free(&line);
	pthread_mutex_unlock(&self.lock);
}
