/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - the fake host's own structs, shared by its files only. */
#ifndef FAKEHOST_INTERNAL_H
#define FAKEHOST_INTERNAL_H

#include "fakehost.h"

#include <ev.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/types.h>
#include <uthash.h>

#include "base/buf.h"
#include "config/option.h"

enum handle_kind { HANDLE_WATCH, HANDLE_TIMER, HANDLE_LOOKUP, HANDLE_PROBE };

/* Whatever crosses to the plugin as a pointer. Kept among the dead after its end, so that late use is told from
 * foreign. */
struct handle {
	enum handle_kind kind;
	bool live;
	struct handle *self; /* the key */
	UT_hash_handle hh;
};

struct watch {
	struct handle handle;
	ev_io io;
	int fd;
	dev_t dev;
	ino_t ino;
	probed_watch_fn fn;
	void *arg;
};

struct timer {
	struct handle handle;
	int64_t at_ns; /* 0: stopped */
	uint64_t set_in_turn;
	probed_timer_fn fn;
	void *arg;
};

struct lookup {
	struct handle handle;
	char *name;
	uint32_t family;
	bool held;
	uint64_t asked_in_turn;
	probed_resolve_fn fn;
	void *arg;
};

struct pair {
	char *key, *value;
};

struct worker {
	const struct probed_driver *driver;
	void *state;
	bool made;
	struct worker *next;
};

struct fakehost_target {
	struct fakehost *fh;
	const struct probed_driver *driver;
	struct worker *worker;
	void *state;
	struct pair *pairs;
	size_t n_pairs;
	struct options options;
	struct probed_target_args args;
	struct fakehost_target *next;
};

struct fakehost_session {
	struct fakehost *fh;
	const struct probed_driver *driver;
	struct worker *worker;
	void *state;
	struct fakehost_session *next;
};

struct fakehost_probe {
	struct handle handle;
	struct fakehost *fh;
	struct fakehost_target *target; /* NULL once freed */
	const struct probed_driver *driver;
	struct fakehost_session *session;
	void *mem;
	int64_t deadline_ns, phase_began_ns;
	uint32_t phase; /* PROBED_PHASES: none runs */
	bool completed; /* by the driver, or by the host */
	bool cancelling;
	struct result result;
	struct result *subs;
	size_t n_subs, cap_subs;
	struct buf body;
	struct options rendered;
	bool is_rendered;
	pthread_t thread; /* of a blocking driver */
	bool threaded, returned;
	struct probed_verdict verdict;
	struct fakehost_probe *next;
};

struct fakehost {
	const struct probed_plugin *plugin;
	uint32_t flags;
	struct ev_loop *ev;
	ev_timer wake;
	ev_async thread_done;
	int64_t fake_now_ns;
	uint64_t turn;
	struct handle *handles, *dead;
	struct worker *workers;
	struct fakehost_target *targets;
	struct fakehost_session *sessions;
	struct fakehost_probe *probes;
	struct pair *names, *renders;
	size_t n_names, cap_names, n_renders, cap_renders;
	bool hold_lookups, no_ev_loop, settled;
	int64_t gate_ns, body_want;
	unsigned gate_left, gate_count;
	char *gate_key, *log_line;
	struct buf breaches, taken;
	char error[512];
	unsigned in_slot, in_host;
	int64_t slot_bytes; /* live bytes when the plugin was last entered */
	int64_t bytes;      /* the plugin's */
	unsigned char *fds_before;
	size_t n_fds_before;
};

extern struct fakehost *fakehost_current;
extern const struct probed_host fakehost_host;

void fakehost_breach(struct fakehost *fh, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Around every call of a slot or callback. */
void slot_enter(struct fakehost *fh);
void slot_leave(struct fakehost *fh);
#define SLOT(fh, call)           \
	do {                     \
		slot_enter(fh);  \
		call;            \
		slot_leave(fh);  \
	} while (0)

/* host.c */
void handle_add(struct fakehost *fh, struct handle *h, enum handle_kind kind);
void handle_end(struct fakehost *fh, struct handle *h);

/* outcome.c */
void probe_phase_end(struct fakehost_probe *p);
void probe_finish(struct fakehost_probe *p, uint32_t outcome, uint32_t reason, const char *message);
void probe_give_up(struct fakehost_probe *p, uint32_t outcome, uint32_t reason, const char *message);
void probe_reap(struct fakehost_probe *p);
void probe_free(struct fakehost_probe *p);

/* turn.c */
void turn(struct fakehost *fh, int64_t block_ns);
int64_t next_event(struct fakehost *fh);
void io_ready(struct ev_loop *ev, ev_io *w, int revents);
int parse_address(const char *text, struct probed_addr *out);

/* bind.c: 0, or -1 with fh->error. With rendering, templates are replaced. */
int bind_options(struct fakehost *fh, const struct probed_driver *driver, const struct pair *pairs, size_t n, bool render,
                 struct options *out);

/* ledger.c */
int64_t memory_live_bytes(void);
unsigned char *open_descriptors(size_t *n);
void free_graveyard(struct fakehost *fh);

#endif
