/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - what probed offers to a plugin: one table of functions, handed over at load.
 *
 * A plugin keeps the pointer it got in load() (its only global) and calls nothing else of probed's.
 * A plugin built against an older header sees a prefix of this table. A slot beyond `size` does not exist;
 * check with PROBED_HOST_HAS(host, slot) before using one that is newer than your `need_minor`.
 *
 * Threads: all slots are for the loop's thread, except those marked [any], and those marked [run], which a
 * blocking driver's run() may also call for its own probe.
 *
 * Re-entry: no slot of a plugin is ever called from inside one of these functions. What a call causes
 * (a cancel, a completion, a timer that is already due) waits until the plugin has returned.
 */
#ifndef PROBED_HOST_H
#define PROBED_HOST_H

#include <probed/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct probed_probe;  /* one execution; the host's */
struct probed_watch;  /* a descriptor being watched */
struct probed_timer;  /* a one-shot timer */
struct probed_lookup; /* a name being resolved */

enum { PROBED_READ = 1u << 0, PROBED_WRITE = 1u << 1 };

enum { PROBED_LOG_DEBUG = 0, PROBED_LOG_INFO = 1, PROBED_LOG_WARNING = 2, PROBED_LOG_ERROR = 3 };

typedef void (*probed_watch_fn)(void *arg, int32_t fd, uint32_t events);
typedef void (*probed_timer_fn)(void *arg);

/* `status` 0: n >= 1 addresses, in the order to try them; else n is 0 and `error` says why, for people.
 * The array lives until the callback returns. */
typedef void (*probed_resolve_fn)(void *arg, int32_t status, const char *error, uint32_t n,
                                  const struct probed_addr *addrs, uint32_t stride);

/* What body_want() answers. A positive number is how many bytes are wanted. */
enum { PROBED_BODY_NONE = 0, PROBED_BODY_HASH = -1 };

struct probed_host {
	uint32_t size; /* of this struct as the host has it */
	uint16_t abi_major, abi_minor;

	/* [any] Nanoseconds of the monotonic clock, read now. */
	int64_t (*now)(void);
	/* [any] Nanoseconds since 1970-01-01 UTC, read now. */
	int64_t (*wall)(void);
	/* [any] 64 random bits, of cryptographic quality. */
	uint64_t (*random)(void);
	/* [any] One line to the log; rate-limited by message. printf-like. */
	void (*log)(uint32_t level, const char *format, ...)
#if defined(__GNUC__)
		__attribute__((format(printf, 2, 3)))
#endif
		;

	/* Watches a descriptor that the plugin owns, level-triggered. NULL when out of memory.
	 * watch_free() must come before close(). */
	struct probed_watch *(*watch_new)(int32_t fd, uint32_t events, probed_watch_fn fn, void *arg);
	void (*watch_set)(struct probed_watch *watch, uint32_t events);
	void (*watch_free)(struct probed_watch *watch);

	/* One-shot timers. timer_set() takes an absolute time of now(); 0 stops. A time that has passed fires in
	 * the loop's next turn. Legal on a running timer, and inside its own callback, as is timer_free(). */
	struct probed_timer *(*timer_new)(probed_timer_fn fn, void *arg);
	void (*timer_set)(struct probed_timer *timer, int64_t at_ns);
	void (*timer_free)(struct probed_timer *timer);

	/* Resolves a name or an address literal; family 0 (any), 4 or 6. Always answers later, never from inside
	 * the call; NULL when out of memory. After the answer, or resolve_cancel(), the handle is gone. */
	struct probed_lookup *(*resolve)(const char *name, uint32_t family, probed_resolve_fn fn, void *arg);
	void (*resolve_cancel)(struct probed_lookup *lookup);

	/* The value of option i for this probe: rendered where it holds a template, else as target_new() had it.
	 * Lives as long as the probe. NULL where rendering failed: complete with PROBED_REASON_INTERNAL. [run] */
	const struct probed_value *(*option)(struct probed_probe *probe, uint32_t i);

	/* The absolute monotonic time at which the host will give up on this probe. [run] */
	int64_t (*deadline)(const struct probed_probe *probe);

	/* Phase `phase` begins now, and the one that was running ends. A phase that is entered again adds up. [run] */
	void (*phase)(struct probed_probe *probe, uint32_t phase);
	/* For libraries that time by themselves: adds to a phase. [run] */
	void (*phase_add)(struct probed_probe *probe, uint32_t phase, int64_t ns);

	/* Facts, by index in the driver's table. Strings are copied. A fact given again is replaced, unless it is
	 * a LIST. `name` is the late part of a FAMILY's name ("server" of header.server), else NULL. [run] */
	void (*fact_integer)(struct probed_probe *probe, uint32_t fact, const char *name, int64_t value);
	void (*fact_float)(struct probed_probe *probe, uint32_t fact, const char *name, double value);
	void (*fact_string)(struct probed_probe *probe, uint32_t fact, const char *name, const char *s, uint64_t len);
	void (*fact_row)(struct probed_probe *probe, uint32_t fact, uint32_t n, const struct probed_cell *cells,
	                 uint32_t stride);

	/* Bodies. body_want() may be asked before anything is sent. body_write() answers 0 to go on and 1 for
	 * "enough": what follows would not be looked at, so the driver may stop reading. [run] */
	int64_t (*body_want)(struct probed_probe *probe);
	int32_t (*body_write)(struct probed_probe *probe, const void *data, uint64_t len);

	/* Ends a named part of the probe ("ipv6", a server): takes the facts and phases given since the last emit()
	 * (or start) as that part's own. Then goes on. [run] */
	void (*emit)(struct probed_probe *probe, const char *name, uint32_t outcome, uint32_t reason,
	             const char *message);

	/* Ends the probe. Exactly once; legal inside start(). PROBED_OK means a valid answer: the host then judges
	 * the expectations. `message` (may be NULL) is for people, and copied. Afterwards `probe` and the probe's
	 * memory are gone once the plugin returns. Not for blocking drivers: they return. */
	void (*complete)(struct probed_probe *probe, uint32_t outcome, uint32_t reason, const char *message);

	/* "What I do until I return is for this probe": names the guilty one should a shared callback crash. */
	void (*attribute)(struct probed_probe *probe);

	/* May a further request (a redirect hop, a retry) go to `key` now? 0: go. Else nanoseconds to wait. */
	int64_t (*gate)(struct probed_probe *probe, const char *key);

	/* An optional service by name and revision, NULL where there is none:
	 *   "probed.ev-loop/1"  struct ev_loop *, the libev loop this plugin runs on
	 *   "probed.core/1"     const struct probed_core *, services only: see service.h */
	const void *(*extension)(const char *name);

	/* Will anybody look at this fact? 0: it may be left out, and is dropped where it is given. Worth asking before
	 * what costs. `name` is the late part of a FAMILY's name, NULL: any of them. Facts with a role that the core acts
	 * on are always wanted. [run] */
	int32_t (*fact_wanted)(struct probed_probe *probe, uint32_t fact, const char *name);
};

#define PROBED_HOST_HAS(host, slot)                                                                             \
	((host)->size >= (uint32_t)((const char *)&(host)->slot - (const char *)(host)) + sizeof (host)->slot && \
	 (host)->slot)

#ifdef __cplusplus
}
#endif
#endif
