/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daytime.c - an asynchronous driver: connects to a TCP server and reads one line, as of RFC 867.
 *
 * Nothing here waits. Each step asks the host for what comes next (an address, a descriptor that is ready) and
 * returns; the host calls back. It owns the deadline too: where it passes, cancel() is called, and that is all.
 */
#include <probed/plugin.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONGEST_LINE 512

static const struct probed_host *host;

enum { OPT_HOST, OPT_PORT };
static const struct probed_option options[] = {
	{ .name = "host", .help = "Name or address of the server.", .type = PROBED_TYPE_ADDRESS, .flags = PROBED_OPTION_REQUIRED },
	{ .name = "port", .def = "13", .help = "TCP port.", .type = PROBED_TYPE_INTEGER, .min = 1, .max = 65535 },
};

enum { FACT_LINE, FACT_IP };
static const struct probed_fact facts[] = {
	{ .name = "line", .unit = "", .help = "What the server said.", .type = PROBED_TYPE_STRING },
	{ .name = "ip", .unit = "", .help = "Address of the server.", .type = PROBED_TYPE_STRING, .role = PROBED_ROLE_PEER_IP },
};

/* daytime://HOST:PORT fills the options of these names. */
static const struct probed_scheme schemes[] = { { .scheme = "daytime", .host = "host", .port = "port" } };

/* One probe. The host gives this memory, zeroed, and takes it back after complete() or cancel(). */
struct asking {
	struct probed_probe *probe;
	const struct probed_target_args *args;
	struct probed_lookup *lookup;
	struct probed_watch *watch;
	int fd;
	int connected;
	size_t len;
	char line[LONGEST_LINE];
};

static void let_go(struct asking *a)
{
	if (a->lookup)
		host->resolve_cancel(a->lookup);
	if (a->watch)
		host->watch_free(a->watch); /* before close() */
	if (a->fd >= 0)
		close(a->fd);
}

static void end(struct asking *a, uint32_t outcome, uint32_t reason, const char *message)
{
	struct probed_probe *probe = a->probe;
	let_go(a);
	host->complete(probe, outcome, reason, message); /* once, and last: `a` is gone when we have returned */
}

static void fail(struct asking *a, const char *what, int error)
{
	char message[160];
	uint32_t reason = error == ECONNREFUSED ? PROBED_REASON_REFUSED :
	                  error == ECONNRESET   ? PROBED_REASON_RESET :
	                  error == EHOSTUNREACH || error == ENETUNREACH ? PROBED_REASON_UNREACHABLE : PROBED_REASON_OTHER;
	snprintf(message, sizeof message, "%s: %s", what, strerror(error));
	end(a, PROBED_ERROR, reason, message);
}

static void read_line(struct asking *a)
{
	ssize_t n = recv(a->fd, a->line + a->len, sizeof a->line - a->len, 0);
	if (n < 0) {
		if (errno != EAGAIN)
			fail(a, "receive", errno);
		return;
	}
	host->phase(a->probe, PROBED_PHASE_RECEIVE);
	a->len += (size_t)n;
	char *newline = memchr(a->line, '\n', a->len);
	if (!newline && n && a->len < sizeof a->line)
		return;
	if (!newline) {
		end(a, PROBED_ERROR, PROBED_REASON_PROTOCOL, n ? "the line has no end" : "the server closed before the line's end");
		return;
	}
	size_t len = (size_t)(newline - a->line);
	if (len && a->line[len - 1] == '\r')
		len--;
	host->fact_string(a->probe, FACT_LINE, NULL, a->line, len);
	end(a, PROBED_OK, PROBED_REASON_NONE, NULL);
}

static void on_ready(void *arg, int32_t fd, uint32_t events)
{
	struct asking *a = arg;
	if (a->connected) {
		read_line(a);
		return;
	}
	int error = 0;
	socklen_t len = sizeof error;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		fail(a, "connect", error);
		return;
	}
	a->connected = 1;
	host->phase(a->probe, PROBED_PHASE_WAIT);
	host->watch_set(a->watch, PROBED_READ);
}

static void connect_to(struct asking *a, const struct probed_addr *addr)
{
	struct sockaddr_storage to = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&to;
	uint16_t port = htons((uint16_t)probed_target_option(a->args, OPT_PORT)->i);
	char ip[INET6_ADDRSTRLEN];
	if (addr->family == 4) {
		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
		memcpy(&in->sin_addr, addr->bytes, 4);
	} else {
		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port, .sin6_scope_id = addr->scope_id };
		memcpy(&in6->sin6_addr, addr->bytes, 16);
	}
	inet_ntop(to.ss_family, addr->bytes, ip, sizeof ip);
	host->fact_string(a->probe, FACT_IP, NULL, ip, strlen(ip));
	host->phase(a->probe, PROBED_PHASE_CONNECT);
	a->fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0 || (connect(a->fd, (struct sockaddr *)&to, addr->family == 4 ? sizeof *in : sizeof *in6) && errno != EINPROGRESS)) {
		fail(a, "connect", errno);
		return;
	}
	a->watch = host->watch_new(a->fd, PROBED_WRITE, on_ready, a);
	if (!a->watch)
		fail(a, "watch", ENOMEM);
}

static void on_resolved(void *arg, int32_t status, const char *error, uint32_t n, const struct probed_addr *addrs, uint32_t stride)
{
	struct asking *a = arg;
	a->lookup = NULL;
	if (status)
		end(a, PROBED_ERROR, PROBED_REASON_RESOLVE, error);
	else
		connect_to(a, addrs); /* the first of n; read the others with PROBED_AT() */
}

static void start(void *worker, void *target, void *session, struct probed_probe *probe, void *mem)
{
	struct asking *a = mem;
	a->probe = probe;
	a->args = target;
	a->fd = -1;
	host->phase(probe, PROBED_PHASE_RESOLVE);
	a->lookup = host->resolve(probed_target_option(a->args, OPT_HOST)->s, a->args->family, on_resolved, a);
	if (!a->lookup)
		fail(a, "resolve", ENOMEM);
}

static void cancel(void *worker, struct probed_probe *probe, void *mem)
{
	let_go(mem);
}

/* The options have been checked by the table above; they live as long as the target, so that they need no copy. */
static int32_t target_new(void *worker, const struct probed_target_args *args, void **target, char *error, uint64_t error_size)
{
	*target = (void *)(uintptr_t)args;
	return 0;
}

static int32_t load(const struct probed_host *h)
{
	host = h;
	return 0;
}

static const struct probed_driver drivers[] = { {
	.name = "daytime",
	.summary = "Reads one line from a TCP server (RFC 867).",
	.gate_option = "host",
	.default_expect = "line not empty",
	PROBED_TABLE(options, option, options),
	PROBED_TABLE(facts, fact, facts),
	PROBED_TABLE(schemes, scheme, schemes),
	.probe_size = sizeof(struct asking),
	.target_new = target_new,
	.start = start,
	.cancel = cancel,
} };

PROBED_EXPORT const struct probed_plugin probed_plugin = {
	PROBED_PLUGIN_HEADER,
	.name = "daytime",
	.version = "1.0",
	.summary = "the daytime protocol, an example",
	PROBED_TABLE(drivers, driver, drivers),
	.load = load,
};
