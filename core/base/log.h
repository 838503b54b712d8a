/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - the log: one structured line an event, to stderr (the journal), as text or JSON. Any thread.
 *
 * A message is an event name in plain words and key=value fields, so that both forms say the same:
 *     log_warn("worker died", "pool", "net", "pid", log_int(pid), "why", why, NULL);
 * Lines of one message are limited to 20 in 10 s for each first value (a target, say), 1000 in all; what was held
 * back is counted in the next line.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Who speaks ("core", "worker net.0"): a field of each line. `json`: JSON lines instead of text. */
void log_init(const char *who, enum log_level level, bool json);
void log_set(enum log_level level, bool json);
enum log_level log_level_now(void);
bool log_is_json(void);
/* 0 and *level, or -1. */
int log_level_parse(const char *text, enum log_level *level);

/* Fields are pairs of (const char *key, const char *value), ended by a NULL key; a NULL value is left out. */
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));
#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_event(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_event(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)

/* A number as a field's value; one of 16 rotating buffers of the calling thread. */
const char *log_int(int64_t v);

/* Lines that the limit held back since the start. */
uint64_t log_suppressed(void);

#endif
