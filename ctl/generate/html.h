/* SPDX-License-Identifier: Apache-2.0 */
/* html.h - links of an HTML page. No network, no entities of others. */
#ifndef GENERATE_HTML_H
#define GENERATE_HTML_H

#include <stdbool.h>
#include <stddef.h>

/* Each href of <a> and <area> as it stands; `text` is what stands in the link, where it was asked for. */
typedef void html_link_fn(void *ctx, const char *href, const char *text);

struct html_page {
	bool texts;
	bool nofollow; /* out: its robots meta asks to follow no link */
	char *base;    /* out: what links are relative to, NULL: the page; for free() */
};
/* 0, or -1 where it is nothing that can be read. */
int html_links(struct html_page *page, const char *html, size_t n, html_link_fn *each, void *ctx);

#endif
