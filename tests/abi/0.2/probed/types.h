/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types.h - the values that cross between probed and its plugins.
 *
 * Everything here is fixed-width. Numbered constants are append-only: a reader that meets a number it does
 * not know treats it as the OTHER (or first) one of its group. Arrays always travel with a count and a
 * stride (the size of one element as its writer saw it); read element i with PROBED_AT().
 */
#ifndef PROBED_TYPES_H
#define PROBED_TYPES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Element i of an array whose elements are `stride` bytes apart. */
#define PROBED_AT(type, base, stride, i) \
	((const type *)(const void *)((const char *)(const void *)(base) + (uint64_t)(stride) * (uint64_t)(i)))

/* How a probe ended. */
enum {
	PROBED_OK = 0,      /* a valid answer, and every expectation holds */
	PROBED_FAIL = 1,    /* a valid answer, but an expectation does not hold */
	PROBED_ERROR = 2,   /* no valid answer; the reason says why */
	PROBED_UNKNOWN = 3, /* our own fault: overloaded, worker crashed, cancelled */
	PROBED_OUTCOMES = 4
};

/* Why it ended so. An unknown number reads as PROBED_REASON_OTHER. */
enum {
	PROBED_REASON_NONE = 0,
	PROBED_REASON_OTHER = 1,
	PROBED_REASON_RESOLVE = 2,     /* the name has no address */
	PROBED_REASON_REFUSED = 3,     /* connection refused, port unreachable */
	PROBED_REASON_UNREACHABLE = 4, /* no route, host or network unreachable */
	PROBED_REASON_TIMEOUT = 5,     /* the deadline passed; set by the host */
	PROBED_REASON_RESET = 6,       /* the peer closed or reset early */
	PROBED_REASON_TLS = 7,         /* handshake or certificate */
	PROBED_REASON_PROTOCOL = 8,    /* the answer is not of the protocol */
	PROBED_REASON_EXPECTATION = 9, /* set by the host */
	PROBED_REASON_CRASHED = 10,    /* set by the host */
	PROBED_REASON_CANCELLED = 11,  /* set by the host */
	PROBED_REASON_OVERLOADED = 12, /* set by the host, or a driver out of its own resources */
	PROBED_REASON_PERMISSION = 13, /* this process may not do it */
	PROBED_REASON_INTERNAL = 14,   /* a fault of the driver itself */
	PROBED_REASONS = 15
};

/* The stages of a probe, in nanoseconds each. */
enum {
	PROBED_PHASE_RESOLVE = 0,
	PROBED_PHASE_CONNECT = 1,
	PROBED_PHASE_TLS = 2,
	PROBED_PHASE_SEND = 3,
	PROBED_PHASE_WAIT = 4,
	PROBED_PHASE_RECEIVE = 5,
	PROBED_PHASES = 6
};

/* Types of options and facts. */
enum {
	PROBED_TYPE_NONE = 0,
	PROBED_TYPE_STRING = 1,   /* s, len */
	PROBED_TYPE_INTEGER = 2,  /* i */
	PROBED_TYPE_FLOAT = 3,    /* f */
	PROBED_TYPE_BOOLEAN = 4,  /* i: 0 or 1; text yes/no, true/false, on/off */
	PROBED_TYPE_DURATION = 5, /* i: nanoseconds; text with its unit, 250ms, 5s, 2m, 1h, 14d */
	PROBED_TYPE_SIZE = 6,     /* i: bytes; text with its unit, 64KiB, 1MB, 512B */
	PROBED_TYPE_CHOICE = 7,   /* i: index in the declared choices, s: its text */
	PROBED_TYPE_ADDRESS = 8,  /* s: a host name or an address, with or without :port as the option's help says */
	PROBED_TYPE_URL = 9,      /* s: an absolute URL */
	PROBED_TYPE_SECRET = 10,  /* s; never shown in logs, metrics, tables or messages */
	PROBED_TYPE_LIST = 11,    /* items: name.1, name.2, ... in numeric order; key is the number */
	PROBED_TYPE_MAP = 12,     /* items: name.KEY in the order written; key keeps its case */
	PROBED_TYPE_TIME = 13,    /* facts only; i: nanoseconds since 1970-01-01 UTC */
	PROBED_TYPE_TABLE = 14    /* facts only; rows of the declared columns */
};

/* One entry of a LIST or a MAP. Strings are NUL-terminated; len counts without the NUL. */
struct probed_item {
	const char *key;
	const char *s;
	uint64_t len;
};

enum {
	PROBED_VALUE_SET = 1u << 0,     /* written in the configuration, not the default */
	PROBED_VALUE_TEMPLATE = 1u << 1 /* holds a template: ask host->option() for each probe */
};

/* The value of an option. For MAP and LIST, items; for the others the members that their type names. */
struct probed_value {
	uint32_t type;
	uint32_t flags;
	int64_t i;
	double f;
	const char *s; /* NUL-terminated, NULL where unset and without default */
	uint64_t len;
	const struct probed_item *items;
	uint32_t n_items;
	uint32_t item_stride;
};

enum {
	PROBED_OPTION_REQUIRED = 1u << 0,
	PROBED_OPTION_TEMPLATE = 1u << 1, /* may hold {{...}}; else braces are plain text */
	PROBED_OPTION_SECRET = 1u << 2    /* values are redacted (a MAP of headers, say) */
};

/* The declaration of an option. `name` is lower case, [a-z0-9_.]; a MAP or LIST is written name.KEY. */
struct probed_option {
	const char *name;
	const char *def;     /* default as text, NULL: none */
	const char *help;    /* one sentence */
	const char *choices; /* CHOICE: "a|b|c" */
	int64_t min, max;    /* inclusive, in the type's unit (LIST, MAP: number of items); both 0: unbounded */
	uint32_t type;
	uint32_t flags;
};

enum {
	PROBED_FACT_FAMILY = 1u << 0, /* late names: `header` stands for header.NAME */
	PROBED_FACT_LIST = 1u << 1,   /* may be given several times; all values are kept in order */
	PROBED_FACT_METRIC = 1u << 2  /* a number worth a time series: shown on /metrics */
};

/* Roles let backoff, alerts and metrics work without knowing protocols. */
enum {
	PROBED_ROLE_NONE = 0,
	PROBED_ROLE_OVERLOAD = 1,    /* BOOLEAN: the server says that it has too much to do */
	PROBED_ROLE_RETRY_AFTER = 2, /* DURATION: ask again after */
	PROBED_ROLE_CERT_EXPIRY = 3, /* DURATION left, negative once expired */
	PROBED_ROLE_PEER_IP = 4,     /* STRING: address of the peer that answered */
	PROBED_ROLE_BYTES_IN = 5,    /* SIZE */
	PROBED_ROLE_BYTES_OUT = 6,   /* SIZE */
	PROBED_ROLE_STATUS = 7,      /* INTEGER or STRING: the protocol's own verdict */
	PROBED_ROLE_QUOTA_LEFT = 8,  /* INTEGER: requests that the server will still take until its quota is reset */
	PROBED_ROLE_QUOTA_RESET = 9  /* DURATION until then */
};

/* The declaration of a fact. */
struct probed_fact {
	const char *name;    /* "status", "cert.expires"; lower case, [a-z0-9_.] */
	const char *unit;    /* "s", "bytes", "ratio" or ""; base units */
	const char *help;    /* one sentence */
	const char *columns; /* TABLE: "ttl:integer|ip:string|rtt:duration" */
	uint32_t type;       /* STRING INTEGER FLOAT BOOLEAN DURATION SIZE TIME or TABLE */
	uint32_t flags;
	uint32_t role;
	uint32_t reserved;
};

/* A number as a driver hands it over for one column of a TABLE row: the members that the column's type names. */
struct probed_cell {
	uint32_t type;
	uint32_t reserved;
	int64_t i;
	double f;
	const char *s;
	uint64_t len;
};

/* A resolved address. */
struct probed_addr {
	uint32_t family;   /* 4 or 6 */
	uint32_t scope_id; /* IPv6 link-local: interface index */
	uint8_t bytes[16]; /* network order; IPv4 in the first four */
};

#ifdef __cplusplus
}
#endif
#endif
