/* SPDX-License-Identifier: Apache-2.0 */
/* servers.c - servers of servers.h. */
#include "servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400

struct wire {
	int fd;
	SSL *ssl;
	char line[8192];
};

static void die(const char *what)
{
	fprintf(stderr, "servers: %s: %s\n", what, strerror(errno));
	abort();
}

/* --- the folder ---------------------------------------------------------------------------------- */

static char folder[64];
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static void folder_remove(void)
{
	if (getpid() == owner)
		nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *servers_file(const char *name)
{
	static char paths[8][160];
	static unsigned next;
	char *path = paths[next++ % 8];
	snprintf(path, sizeof(paths[0]), "%s/%s", servers_dir(), name);
	return path;
}

const char *servers_write(const char *name, const char *format, ...)
{
	const char *path = servers_file(name);
	FILE *f = fopen(path, "we");
	if (!f)
		die(path);
	va_list ap;
	va_start(ap, format);
	vfprintf(f, format, ap);
	va_end(ap);
	fclose(f);
	return path;
}

/* --- certificates -------------------------------------------------------------------------------- */

struct issued {
	EVP_PKEY *key;
	X509 *cert;
};

static void extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!ext || !X509_add_ext(cert, ext, -1))
		die("certificate extension");
	X509_EXTENSION_free(ext);
}

/* `by` NULL: signed by itself. */
static struct issued issue(const char *name, const char *cn, const char *sans, long from_s, long to_s,
                           const struct issued *by, bool is_ca)
{
	static long serial = 0x1000;
	struct issued made = { .key = EVP_EC_gen("P-256"), .cert = X509_new() };
	X509 *issuer = by ? by->cert : made.cert;
	X509_NAME *subject = X509_get_subject_name(made.cert);
	char file[64];

	X509_set_version(made.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made.cert), ++serial);
	X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"Probe Tests", -1, -1, 0);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(made.cert, X509_get_subject_name(issuer));
	X509_gmtime_adj(X509_getm_notBefore(made.cert), from_s);
	X509_gmtime_adj(X509_getm_notAfter(made.cert), to_s);
	X509_set_pubkey(made.cert, made.key);
	extension_add(made.cert, issuer, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (is_ca)
		extension_add(made.cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	if (sans)
		extension_add(made.cert, issuer, NID_subject_alt_name, sans);
	if (!X509_sign(made.cert, by ? by->key : made.key, EVP_sha256()))
		die("sign");

	snprintf(file, sizeof(file), "%s.pem", name);
	FILE *f = fopen(servers_file(file), "we");
	if (!f || !PEM_write_X509(f, made.cert))
		die(file);
	fclose(f);
	snprintf(file, sizeof(file), "%s.key", name);
	f = fopen(servers_file(file), "we");
	if (!f || !PEM_write_PrivateKey(f, made.key, NULL, NULL, 0, NULL, NULL))
		die(file);
	fclose(f);
	return made;
}

static void issued_free(struct issued i)
{
	X509_free(i.cert);
	EVP_PKEY_free(i.key);
}

static void certificates_make(void)
{
	static const char here[] = "DNS:localhost,DNS:probe.test,IP:127.0.0.1,IP:::1";
	struct issued ca = issue("ca", "Probe Test CA", NULL, -30 * DAY, 3650L * DAY, NULL, true);

	issued_free(issue("good", "localhost", here, -DAY, 90 * DAY, &ca, false));
	issued_free(issue("expired", "localhost", here, -30 * DAY, -DAY, &ca, false));
	issued_free(issue("wrong", "elsewhere.test", "DNS:elsewhere.test", -DAY, 90 * DAY, &ca, false));
	issued_free(issue("self", "localhost", here, -DAY, 90 * DAY, NULL, false));
	issued_free(issue("client", "client", NULL, -DAY, 90 * DAY, &ca, false));
	issued_free(ca);
}

const char *servers_dir(void)
{
	if (*folder)
		return folder;
	snprintf(folder, sizeof(folder), "/tmp/probed-test.XXXXXX");
	if (!mkdtemp(folder))
		die(folder);
	/* nginx's workers change user */
	chmod(folder, 0755);
	owner = getpid();
	atexit(folder_remove);
	certificates_make();
	return folder;
}

/* --- wires --------------------------------------------------------------------------------------- */

int wire_fd(struct wire *w)
{
	return w->fd;
}

ssize_t wire_read(struct wire *w, void *data, size_t n)
{
	return w->ssl ? SSL_read(w->ssl, data, (int)n) : recv(w->fd, data, n, 0);
}

void wire_write(struct wire *w, const void *data, size_t n)
{
	const char *p = data;
	while (n) {
		ssize_t sent = w->ssl ? SSL_write(w->ssl, p, (int)n) : send(w->fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0)
			_exit(0);
		p += sent;
		n -= (size_t)sent;
	}
}

void wire_say(struct wire *w, const char *text)
{
	wire_write(w, text, strlen(text));
}

const char *wire_line(struct wire *w)
{
	size_t n = 0;
	while (n + 1 < sizeof(w->line) && wire_read(w, w->line + n, 1) == 1)
		if (w->line[n++] == '\n')
			break;
	if (!n)
		return NULL;
	while (n && (w->line[n - 1] == '\n' || w->line[n - 1] == '\r'))
		n--;
	w->line[n] = '\0';
	return w->line;
}

bool wire_tls(struct wire *w, const char *cert, bool want_client)
{
	char name[64];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	snprintf(name, sizeof(name), "%s.pem", cert);
	SSL_CTX_use_certificate_chain_file(ctx, servers_file(name));
	snprintf(name, sizeof(name), "%s.key", cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, servers_file(name), SSL_FILETYPE_PEM) != 1)
		die(name);
	if (want_client) {
		SSL_CTX_load_verify_locations(ctx, servers_file("ca.pem"), NULL);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	w->ssl = SSL_new(ctx);
	SSL_set_fd(w->ssl, w->fd);
	return SSL_accept(w->ssl) == 1;
}

void wire_reset(struct wire *w)
{
	struct linger linger = { .l_onoff = 1 };
	setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(w->fd);
	_exit(0);
}

void wire_hang(struct wire *w)
{
	char data[4096];
	while (recv(w->fd, data, sizeof(data), 0) > 0)
		;
	_exit(0);
}

/* --- servers ------------------------------------------------------------------------------------- */

static socklen_t loopback(int family, uint16_t port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (family == 6) {
		struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;
		sin6->sin6_family = AF_INET6;
		sin6->sin6_addr = in6addr_loopback;
		sin6->sin6_port = htons(port);
		return sizeof(*sin6);
	}
	struct sockaddr_in *sin = (struct sockaddr_in *)ss;
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin->sin_port = htons(port);
	return sizeof(*sin);
}

static int listen_on(int family, uint16_t *port)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(family, *port, &ss);
	int on = 1, fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) < 0) {
		close(fd);
		return -1;
	}
	*port = ntohs(family == 6 ? ((struct sockaddr_in6 *)&ss)->sin6_port : ((struct sockaddr_in *)&ss)->sin_port);
	return fd;
}

bool have_ipv6(void)
{
	uint16_t port = 0;
	int fd = listen_on(6, &port);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

uint16_t port_free(void)
{
	for (int i = 0; i < 50; i++) {
		uint16_t port = 0;
		int fd4 = listen_on(4, &port), fd6 = fd4 < 0 ? -1 : listen_on(6, &port);
		bool both = fd4 >= 0 && (fd6 >= 0 || errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
		if (fd4 >= 0)
			close(fd4);
		if (fd6 >= 0)
			close(fd6);
		if (both)
			return port;
	}
	die("no free port");
	return 0;
}

/* A listener whose queue is full: further SYNs are dropped. */
bool silence_begin(struct silence *s, const char *ip, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct pollfd last;

	inet_pton(AF_INET, ip, &sin.sin_addr);
	for (int i = 0; i < SILENT_FDS; i++)
		s->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(s->fds[0], (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(s->fds[0], 0) < 0) {
		silence_end(s);
		return false;
	}
	for (int i = 1; i < SILENT_FDS; i++) {
		connect(s->fds[i], (struct sockaddr *)&sin, sizeof(sin));
		last = (struct pollfd){ .fd = s->fds[i], .events = POLLOUT };
	}
	if (poll(&last, 1, 50) == 0)
		return true;
	silence_end(s);
	return false;
}

void silence_end(struct silence *s)
{
	for (int i = 0; i < SILENT_FDS; i++)
		close(s->fds[i]);
}

static _Noreturn void serve(int listener, server_fn fn, const char *arg)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	sigaction(SIGCHLD, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	for (;;) {
		struct wire *w = calloc(1, sizeof(*w));
		w->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (w->fd < 0)
			_exit(0);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listener);
			fn(w, arg);
			if (w->ssl)
				SSL_shutdown(w->ssl);
			close(w->fd);
			_exit(0);
		}
		close(w->fd);
		free(w);
	}
}

static struct server server_of(pid_t pid, uint16_t port)
{
	struct server s = { .pid = pid, .port = port };
	snprintf(s.port_text, sizeof(s.port_text), "%u", port);
	return s;
}

struct server server_start(int family, server_fn fn, const char *arg)
{
	uint16_t port = 0;
	int fd = listen_on(family, &port);

	servers_dir();
	if (fd < 0)
		die("listen");
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		serve(fd, fn, arg);
	close(fd);
	return server_of(pid, port);
}

static bool answers(uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(4, port, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (struct sockaddr *)&ss, len) == 0;
	close(fd);
	return ok;
}

struct server server_exec(uint16_t port, const char *const *argv)
{
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		unsetenv("ASAN_OPTIONS");
		execv(argv[0], (char *const *)(uintptr_t)argv);
		die(argv[0]);
	}
	for (int i = 0; i < 2000 && !answers(port); i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			die(argv[0]);
		poll(NULL, 0, 5);
	}
	if (!answers(port))
		die(argv[0]);
	return server_of(pid, port);
}

void server_freeze(const struct server *s, bool frozen)
{
	kill(-s->pid, frozen ? SIGSTOP : SIGCONT);
}

void server_stop(struct server *s)
{
	if (s->pid <= 0)
		return;
	kill(-s->pid, SIGKILL);
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}
