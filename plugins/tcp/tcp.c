/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp.c - the tcp driver: connect, TLS where asked for, a banner, a dialogue. Here are its tables, the worker's
 * shared state and the targets; conn.c has a probe's life, dialogue.c what is said.
 */
#include "tcp/tcp.h"

#include <probed/plugin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_TALKS 64
#define SPARE_BYTES (128 * 1024)

const struct probed_host *host;

static const struct probed_option options[] = {
	[OPT_HOST] = { .name = "host",
	               .help = "Host name or address to connect to.",
	               .type = PROBED_TYPE_ADDRESS,
	               .flags = PROBED_OPTION_REQUIRED },
	[OPT_PORT] = { .name = "port",
	               .help = "TCP port.",
	               .type = PROBED_TYPE_INTEGER,
	               .min = 1,
	               .max = 65535,
	               .flags = PROBED_OPTION_REQUIRED },
	[OPT_TLS] = { .name = "tls",
	              .def = "no",
	              .help = "Whether to speak TLS from the first byte (a dialogue may also say starttls).",
	              .type = PROBED_TYPE_BOOLEAN },
	[OPT_DIALOGUE] = { .name = "dialogue",
	                   .help = "Steps in order: send \"text\\r\\n\" (with %{name} for a capture), expect /regex/flags "
	                           "(with (?<name>...) to capture), expect \"text\", starttls.",
	                   .type = PROBED_TYPE_LIST,
	                   .min = 0,
	                   .max = DIALOGUE_STEPS },
	[OPT_BANNER] = { .name = "banner",
	                 .def = "no",
	                 .help = "Whether to wait for the server's first line, before any dialogue.",
	                 .type = PROBED_TYPE_BOOLEAN },
	[OPT_READ_LIMIT] = { .name = "read_limit",
	                     .def = "64KiB",
	                     .help = "Most bytes that one expect (or the banner) may take; more is an error.",
	                     .type = PROBED_TYPE_SIZE,
	                     .min = 16,
	                     .max = 16 * 1024 * 1024 },
	CERTS_OPTION_ENTRIES
};

static const struct probed_fact facts[] = {
	[FACT_IP] = { .name = "ip",
	              .unit = "",
	              .help = "Address connected to.",
	              .type = PROBED_TYPE_STRING,
	              .role = PROBED_ROLE_PEER_IP },
	[FACT_FAMILY] = { .name = "family", .unit = "", .help = "4 or 6.", .type = PROBED_TYPE_INTEGER },
	[FACT_PORT] = { .name = "port", .unit = "", .help = "Port connected to.", .type = PROBED_TYPE_INTEGER },
	[FACT_BANNER] = { .name = "banner",
	                  .unit = "",
	                  .help = "First line that the server sent before we sent anything.",
	                  .type = PROBED_TYPE_STRING },
	[FACT_BYTES_IN] = { .name = "bytes.in",
	                    .unit = "bytes",
	                    .help = "Bytes received (inside TLS, where it is used).",
	                    .type = PROBED_TYPE_SIZE,
	                    .flags = PROBED_FACT_METRIC,
	                    .role = PROBED_ROLE_BYTES_IN },
	[FACT_BYTES_OUT] = { .name = "bytes.out",
	                     .unit = "bytes",
	                     .help = "Bytes sent (inside TLS, where it is used).",
	                     .type = PROBED_TYPE_SIZE,
	                     .flags = PROBED_FACT_METRIC,
	                     .role = PROBED_ROLE_BYTES_OUT },
	[FACT_CAPTURE] = { .name = "capture",
	                   .unit = "",
	                   .help = "What a named group of an expect caught.",
	                   .type = PROBED_TYPE_STRING,
	                   .flags = PROBED_FACT_FAMILY },
	CERTS_FACT_ENTRIES
};

static const struct probed_scheme schemes[] = {
	{ .scheme = "tcp", .host = "host", .port = "port", .query_opts = 1 },
	{ .scheme = "tls", .host = "host", .port = "port", .preset = "tls=yes", .query_opts = 1 },
};

/* --- worker -------------------------------------------------------------------------------------- */

static void talk_free(struct talk *talk)
{
	bytes_free(&talk->in.b);
	bytes_free(&talk->out);
	bytes_free(&talk->said.values);
	free(talk);
}

struct talk *talk_take(struct worker *w)
{
	struct talk *talk = w->spare;
	if (!talk)
		return calloc(1, sizeof(*talk));
	w->spare = talk->next;
	w->n_spare--;
	return talk;
}

void talk_give(struct worker *w, struct talk *talk)
{
	if (w->n_spare >= SPARE_TALKS || talk->in.b.cap > SPARE_BYTES || talk->said.values.cap > SPARE_BYTES ||
	    talk->out.cap > SPARE_BYTES) {
		talk_free(talk);
		return;
	}
	talk->in.b.len = talk->in.from = talk->out.len = talk->said.values.len = 0;
	memset(talk->said.capture, 0, sizeof(talk->said.capture));
	talk->next = w->spare;
	w->spare = talk;
	w->n_spare++;
}

static void worker_free(void *worker)
{
	struct worker *w = worker;
	while (w->spare)
		talk_free(talk_take(w));
	matcher_free(w->matcher);
	certs_pool_free(w->certs);
	free(w);
}

static int32_t worker_new(void **worker, char *error, uint64_t error_size)
{
	struct worker *w = calloc(1, sizeof(*w));
	if (w) {
		w->magic = WORKER_MAGIC;
		w->certs = certs_pool_new();
		w->matcher = matcher_new();
	}
	if (!w || !w->certs || !w->matcher) {
		snprintf(error, error_size, "out of memory");
		if (w)
			worker_free(w);
		return -1;
	}
	*worker = w;
	return 0;
}

/* --- targets ------------------------------------------------------------------------------------- */

static void target_free(void *worker, void *target)
{
	struct target *t = target;
	(void)worker;
	certs_ctx_unref(t->certs);
	dialogue_free(t->dialogue);
	free(t->host);
	free(t);
}

static int dialogue_read(struct target *t, const struct probed_value *list, bool *starttls, char *error,
                         uint64_t error_size)
{
	char why[240];

	t->dialogue = dialogue_new();
	if (!t->dialogue) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	for (uint32_t i = 0; i < list->n_items; i++) {
		const struct probed_item *item = PROBED_AT(struct probed_item, list->items, list->item_stride, i);
		if (dialogue_add(t->dialogue, item->s, why, sizeof(why)) < 0) {
			snprintf(error, error_size, "dialogue.%s: %s", item->key, why);
			return -1;
		}
		if (dialogue_kind(t->dialogue->steps[i]) != DIALOGUE_STARTTLS)
			continue;
		if (t->tls || *starttls) {
			snprintf(error, error_size, "dialogue.%s: starttls, but the connection already speaks TLS (%s)",
			         item->key, t->tls ? "tls = yes" : "an earlier starttls");
			return -1;
		}
		*starttls = true;
	}
	return 0;
}

static char *host_copy(const char *s)
{
	size_t len = strlen(s);
	return len > 2 && s[0] == '[' && s[len - 1] == ']' ? strndup(s + 1, len - 2) : strdup(s);
}

static int32_t target_new(void *worker, const struct probed_target_args *args, void **target, char *error,
                          uint64_t error_size)
{
	struct worker *w = worker;
	struct certs_options tls;
	bool starttls = false;
	struct target *t = calloc(1, sizeof(*t));

	if (!t || !(t->host = host_copy(probed_target_option(args, OPT_HOST)->s))) {
		free(t);
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	t->magic = TARGET_MAGIC;
	t->family = args->family;
	t->port = (uint16_t)probed_target_option(args, OPT_PORT)->i;
	t->tls = probed_target_option(args, OPT_TLS)->i != 0;
	t->banner = probed_target_option(args, OPT_BANNER)->i != 0;
	t->read_limit = (size_t)probed_target_option(args, OPT_READ_LIMIT)->i;
	certs_options_read(args, OPT_TLS_BASE, &tls);
	t->verify = tls.verify;
	t->servername = tls.servername ? tls.servername : t->host;
	if (dialogue_read(t, probed_target_option(args, OPT_DIALOGUE), &starttls, error, error_size) < 0 ||
	    certs_options_check(&tls, error, error_size) < 0)
		goto failed;
	if (w && (t->tls || starttls)) {
		t->certs = certs_ctx_get(w->certs, &tls, error, error_size);
		if (!t->certs)
			goto failed;
	}
	*target = t;
	return 0;

failed:
	target_free(worker, t);
	return -1;
}

/* --- plugin -------------------------------------------------------------------------------------- */

static int32_t load(const struct probed_host *h)
{
	host = h;
	/* OpenSSL writes with write(): a peer that is gone must be an error of the probe, not a signal */
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static const struct probed_driver drivers[] = {
	{
		.name = "tcp",
		.summary = "Connects over TCP, with TLS where asked for, and holds a dialogue.",
		.needs = "net",
		.gate_option = "host",
		PROBED_TABLE(options, option, options),
		PROBED_TABLE(facts, fact, facts),
		PROBED_TABLE(schemes, scheme, schemes),
		.probe_size = CONN_SIZE,
		.worker_new = worker_new,
		.worker_free = worker_free,
		.target_new = target_new,
		.target_free = target_free,
		.start = conn_start,
		.cancel = conn_cancel,
	},
};

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "tcp",
	.version = "0.1.0",
	.summary = "TCP: connect, TLS, banners and dialogues.",
	PROBED_TABLE(drivers, driver, drivers),
	.load = load,
};
