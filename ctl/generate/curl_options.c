/* SPDX-License-Identifier: Apache-2.0 */
/* curl_options.c - curl's options: a line each, and what becomes of it in a configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "generate/curl.h"

enum what {
	OUTPUT, /* no matter for a probe */
	LOST,   /* can't be taken over */
	REQUEST,
	HEADER,
	DATA,
	RAW,
	BINARY,
	URLENCODE,
	JSON,
	USER,
	BASIC,
	DIGEST,
	BEARER,
	INSECURE,
	LOCATION,
	REDIRS,
	COMPRESSED,
	COOKIE,
	AGENT,
	REFERER,
	FORM,
	FORM_STRING,
	GET,
	HEAD,
	UPLOAD,
	MAX_TIME,
	URL,
	RANGE,
	HTTP10,
	HTTP11,
	HTTP2,
	PRIOR,
	IPV4,
	IPV6,
	CACERT,
	CERT,
	KEY,
	TLS10,
	TLS11,
	TLS12,
	TLS13,
	NEXT,
};

static const struct curl_option options[] = {
	{ "request", 'X', true, REQUEST },
	{ "header", 'H', true, HEADER },
	{ "data", 'd', true, DATA },
	{ "data-ascii", 0, true, DATA },
	{ "data-raw", 0, true, RAW },
	{ "data-binary", 0, true, BINARY },
	{ "data-urlencode", 0, true, URLENCODE },
	{ "json", 0, true, JSON },
	{ "user", 'u', true, USER },
	{ "basic", 0, false, BASIC },
	{ "digest", 0, false, DIGEST },
	{ "oauth2-bearer", 0, true, BEARER },
	{ "insecure", 'k', false, INSECURE },
	{ "location", 'L', false, LOCATION },
	{ "max-redirs", 0, true, REDIRS },
	{ "compressed", 0, false, COMPRESSED },
	{ "cookie", 'b', true, COOKIE },
	{ "user-agent", 'A', true, AGENT },
	{ "referer", 'e', true, REFERER },
	{ "form", 'F', true, FORM },
	{ "form-string", 0, true, FORM_STRING },
	{ "get", 'G', false, GET },
	{ "head", 'I', false, HEAD },
	{ "upload-file", 'T', true, UPLOAD },
	{ "max-time", 'm', true, MAX_TIME },
	{ "url", 0, true, URL },
	{ "range", 'r', true, RANGE },
	{ "http1.0", '0', false, HTTP10 },
	{ "http1.1", 0, false, HTTP11 },
	{ "http2", 0, false, HTTP2 },
	{ "http2-prior-knowledge", 0, false, PRIOR },
	{ "ipv4", '4', false, IPV4 },
	{ "ipv6", '6', false, IPV6 },
	{ "cacert", 0, true, CACERT },
	{ "capath", 0, true, CACERT },
	{ "cert", 'E', true, CERT },
	{ "key", 0, true, KEY },
	{ "tlsv1", '1', false, TLS10 },
	{ "tlsv1.0", 0, false, TLS10 },
	{ "tlsv1.1", 0, false, TLS11 },
	{ "tlsv1.2", 0, false, TLS12 },
	{ "tlsv1.3", 0, false, TLS13 },
	/* how curl shows and stores what it got */
	{ "silent", 's', false, OUTPUT },
	{ "no-silent", 0, false, OUTPUT },
	{ "show-error", 'S', false, OUTPUT },
	{ "verbose", 'v', false, OUTPUT },
	{ "include", 'i', false, OUTPUT },
	{ "output", 'o', true, OUTPUT },
	{ "remote-name", 'O', false, OUTPUT },
	{ "remote-header-name", 'J', false, OUTPUT },
	{ "output-dir", 0, true, OUTPUT },
	{ "write-out", 'w', true, OUTPUT },
	{ "fail", 'f', false, OUTPUT },
	{ "fail-with-body", 0, false, OUTPUT },
	{ "progress-bar", '#', false, OUTPUT },
	{ "no-progress-meter", 0, false, OUTPUT },
	{ "no-buffer", 'N', false, OUTPUT },
	{ "dump-header", 'D', true, OUTPUT },
	{ "cookie-jar", 'c', true, OUTPUT },
	{ "trace", 0, true, OUTPUT },
	{ "trace-ascii", 0, true, OUTPUT },
	{ "trace-time", 0, false, OUTPUT },
	{ "stderr", 0, true, OUTPUT },
	{ "create-dirs", 0, false, OUTPUT },
	{ "globoff", 'g', false, OUTPUT },
	{ "styled-output", 0, false, OUTPUT },
	{ "disable", 'q', false, OUTPUT },
	{ "no-keepalive", 0, false, OUTPUT },
	{ "keepalive-time", 0, true, OUTPUT },
	{ "path-as-is", 0, false, LOST },
	{ "tcp-nodelay", 0, false, OUTPUT },
	{ "no-sessionid", 0, false, OUTPUT },
	{ "no-alpn", 0, false, LOST },
	{ "parallel", 'Z', false, OUTPUT },
	{ "fail-early", 0, false, OUTPUT },
	/* what no probe does */
	{ "proxy", 'x', true, LOST },
	{ "proxy-user", 'U', true, LOST },
	{ "noproxy", 0, true, LOST },
	{ "socks5", 0, true, LOST },
	{ "socks5-hostname", 0, true, LOST },
	{ "socks4", 0, true, LOST },
	{ "socks4a", 0, true, LOST },
	{ "preproxy", 0, true, LOST },
	{ "proxy-header", 0, true, LOST },
	{ "proxytunnel", 'p', false, LOST },
	{ "connect-timeout", 0, true, LOST },
	{ "resolve", 0, true, LOST },
	{ "connect-to", 0, true, LOST },
	{ "interface", 0, true, LOST },
	{ "local-port", 0, true, LOST },
	{ "unix-socket", 0, true, LOST },
	{ "abstract-unix-socket", 0, true, LOST },
	{ "dns-servers", 0, true, LOST },
	{ "doh-url", 0, true, LOST },
	{ "retry", 0, true, LOST },
	{ "retry-delay", 0, true, LOST },
	{ "retry-max-time", 0, true, LOST },
	{ "retry-all-errors", 0, false, LOST },
	{ "retry-connrefused", 0, false, LOST },
	{ "limit-rate", 0, true, LOST },
	{ "speed-limit", 'Y', true, LOST },
	{ "speed-time", 'y', true, LOST },
	{ "rate", 0, true, LOST },
	{ "time-cond", 'z', true, LOST },
	{ "etag-compare", 0, true, LOST },
	{ "etag-save", 0, true, OUTPUT },
	{ "continue-at", 'C', true, LOST },
	{ "config", 'K', true, LOST },
	{ "netrc", 'n', false, LOST },
	{ "netrc-file", 0, true, LOST },
	{ "netrc-optional", 0, false, LOST },
	{ "ntlm", 0, false, LOST },
	{ "negotiate", 0, false, LOST },
	{ "anyauth", 0, false, LOST },
	{ "aws-sigv4", 0, true, LOST },
	{ "delegation", 0, true, LOST },
	{ "location-trusted", 0, false, LOST },
	{ "post301", 0, false, LOST },
	{ "post302", 0, false, LOST },
	{ "post303", 0, false, LOST },
	{ "junk-session-cookies", 'j', false, LOST },
	{ "pass", 0, true, LOST },
	{ "cert-type", 0, true, LOST },
	{ "key-type", 0, true, LOST },
	{ "ciphers", 0, true, LOST },
	{ "tls13-ciphers", 0, true, LOST },
	{ "curves", 0, true, LOST },
	{ "tls-max", 0, true, LOST },
	{ "crlfile", 0, true, LOST },
	{ "pinnedpubkey", 0, true, LOST },
	{ "cert-status", 0, false, LOST },
	{ "ssl-reqd", 0, false, LOST },
	{ "http3", 0, false, LOST },
	{ "http3-only", 0, false, LOST },
	{ "http0.9", 0, false, LOST },
	{ "haproxy-protocol", 0, false, LOST },
	{ "expect100-timeout", 0, true, LOST },
	{ "max-filesize", 0, true, LOST },
	{ "proto", 0, true, LOST },
	{ "proto-default", 0, true, LOST },
	{ "proto-redir", 0, true, LOST },
	{ "request-target", 0, true, LOST },
	{ "raw", 0, false, LOST },
	{ "tr-encoding", 0, false, LOST },
	{ "form-escape", 0, false, LOST },
	{ "url-query", 0, true, LOST },
	{ "next", ':', false, NEXT },
};

const struct curl_option *curl_option_long(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strlen(options[i].name) == n && !strncmp(options[i].name, name, n))
			return &options[i];
	return NULL;
}

const struct curl_option *curl_option_letter(char letter)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

static void add(struct curl_pairs *list, const char *name, const char *value)
{
	xgrow(list->list, list->n, list->cap);
	list->list[list->n++] = (struct curl_pair){ .name = name, .value = value };
}

static void add_output(struct curl *c, const char *shown)
{
	xgrow(c->output.list, c->output.n, c->output.cap);
	c->output.list[c->output.n++] = xstrdup(shown);
}

static void apply_setting(struct curl *c, enum what what, const char *value)
{
	static const struct {
		enum what what;
		const char *key, *value;
	} fixed[] = {
		{ HTTP10, "http_version", "1.0" },
		{ HTTP11, "http_version", "1.1" },
		{ HTTP2, "http_version", "auto" },
		{ PRIOR, "http_version", "2-prior" },
		{ IPV4, "family", "4" },
		{ IPV6, "family", "6" },
		{ TLS10, "tls.min_version", "1.0" },
		{ TLS11, "tls.min_version", "1.1" },
		{ TLS12, "tls.min_version", "1.2" },
		{ TLS13, "tls.min_version", "1.3" },
		{ CACERT, "tls.ca", NULL },
		{ KEY, "tls.key", NULL },
		{ INSECURE, "tls.verify", "no" },
		{ DIGEST, "auth", "digest" },
		{ BASIC, "auth", "basic" },
	};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		if (fixed[i].what == what)
			add(&c->settings, fixed[i].key, fixed[i].value ? fixed[i].value : value);
}

static void apply_cert(struct curl *c, const char *value)
{
	if (strchr(value, ':'))
		curl_lose(c, "--cert with a password: the key's file must have none (tls.cert, tls.key)");
	else
		add(&c->settings, "tls.cert", value);
}

void curl_option_apply(struct curl *c, const struct curl_option *o, const char *shown, const char *value)
{
	switch ((enum what)o->what) {
	case OUTPUT:
		add_output(c, shown);
		break;
	case LOST: /* without its value, which may be secret */
		curl_lose(c, "%s%s", shown, value ? " ..." : "");
		break;
	case REQUEST:
		c->method = value;
		break;
	case HEADER:
		add(&c->headers, NULL, value);
		break;
	case DATA:
		curl_data_add(c, DATA_PLAIN, value);
		break;
	case RAW:
		curl_data_add(c, DATA_RAW, value);
		break;
	case BINARY:
		curl_data_add(c, DATA_BINARY, value);
		break;
	case URLENCODE:
		curl_data_add(c, DATA_URLENCODE, value);
		break;
	case JSON:
		curl_data_add(c, DATA_JSON, value);
		break;
	case USER:
		c->user = value;
		break;
	case BEARER:
		c->bearer = value;
		break;
	case LOCATION:
		c->follow = true;
		break;
	case REDIRS:
		add(&c->settings, "max_redirects", value);
		break;
	case COMPRESSED:
		curl_lose(c, "--compressed: probes ask for answers that are not compressed");
		break;
	case COOKIE:
		if (strchr(value, '='))
			add(&c->cookies, NULL, value);
		else
			curl_lose(c, "%s %.80s: cookies of a file", shown, value);
		break;
	case AGENT:
		c->agent = value;
		break;
	case REFERER:
		c->referer = value;
		break;
	case FORM:
		add(&c->forms, "form", value);
		break;
	case FORM_STRING:
		add(&c->forms, "string", value);
		break;
	case GET:
		c->get = true;
		break;
	case HEAD:
		c->head = true;
		break;
	case UPLOAD:
		c->upload = value;
		break;
	case MAX_TIME:
		add(&c->settings, "timeout", value);
		break;
	case URL:
		add(&c->urls, NULL, value);
		break;
	case RANGE:
		c->range = value;
		break;
	case CERT:
		apply_cert(c, value);
		break;
	case NEXT: /* ends the request: curl.c sees to it */
		break;
	default:
		apply_setting(c, (enum what)o->what, value);
	}
}
