/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.h - the send and receive options: what is sent, and what must come back in order. Pure.
 *
 *   send.1 = text "hello\n"    send.2 = binary 00ff7f    send.3 = hello     (as it stands)
 *   receive.1 = equals "pong"  receive.2 = matches /^ok/i  receive.3 = binary 00ff  receive.4 = any
 */
#ifndef WS_SCRIPT_H
#define WS_SCRIPT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <probed/types.h>

#include <stddef.h>
#include <stdint.h>

struct script_message {
	uint8_t *data;
	size_t len;
	int binary;
};

enum script_kind { EXPECT_ANY, EXPECT_EQUALS, EXPECT_BINARY, EXPECT_MATCHES };

struct script_expect {
	enum script_kind kind;
	uint8_t *data; /* MATCHES: the pattern, for messages */
	size_t len;
	pcre2_code *code;
};

struct script {
	struct script_message *send;
	struct script_expect *receive;
	uint32_t n_send, n_receive;
	size_t longest; /* of those to send */
};

/* Both add to a zeroed script. 0, or -1 with a line in `error`; free the script in either case. */
int script_read_send(struct script *s, const struct probed_value *list, char *error, size_t size);
int script_read_receive(struct script *s, const struct probed_value *list, char *error, size_t size);
void script_free(struct script *s);

/* Whether a message is the one expected. */
int script_meets(const struct script_expect *e, int binary, const uint8_t *data, size_t len, pcre2_match_data *match,
                 pcre2_match_context *context);
/* What is expected, and a message that came, for people: shortened, in quotes, nothing unprintable. */
void script_show_expect(const struct script_expect *e, char *out, size_t size);
void script_show(int binary, const uint8_t *data, size_t len, char *out, size_t size);
int script_is_utf8(const uint8_t *data, size_t len);
/* Hexadecimal; out takes 2 * len + 1 bytes. */
void script_hex(const uint8_t *data, size_t len, char *out);

#endif
