/* SPDX-License-Identifier: Apache-2.0 */
/* html.c - see html.h */
#include "html.h"

#include <libxml/HTMLparser.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define LINKS_MAX 20000

struct walk {
	struct html_page *page;
	html_link_fn *each;
	void *ctx;
	size_t links;
};

static char *attribute(const xmlNode *node, const char *name)
{
	xmlChar *value = xmlGetNoNsProp((xmlNode *)node, (const xmlChar *)name);
	char *own = value ? xstrdup((const char *)value) : NULL;
	xmlFree(value);
	return own;
}

static bool is(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !strcasecmp((const char *)node->name, name);
}

static bool asks_nofollow(const char *content)
{
	return content && (strcasestr(content, "nofollow") || strcasestr(content, "none"));
}

static void see_link(struct walk *w, const xmlNode *node)
{
	CLEANUP_FREE char *href = attribute(node, "href"), *rel = attribute(node, "rel");
	if (!href || (rel && asks_nofollow(rel)) || w->links >= LINKS_MAX)
		return;
	w->links++;
	xmlChar *text = w->page->texts ? xmlNodeGetContent(node) : NULL;
	w->each(w->ctx, href, text ? (const char *)text : "");
	xmlFree(text);
}

static void see_meta(struct walk *w, const xmlNode *node)
{
	CLEANUP_FREE char *name = attribute(node, "name"), *content = attribute(node, "content");
	if (name && (!strcasecmp(name, "robots") || !strcasecmp(name, "probed")) && asks_nofollow(content))
		w->page->nofollow = true;
}

/* Elements in the order of the page, without recursion: a page may be as deep as it likes. */
static const xmlNode *next_node(const xmlNode *node)
{
	if (node->children && node->type == XML_ELEMENT_NODE)
		return node->children;
	while (node && !node->next)
		node = node->parent && node->parent->type == XML_ELEMENT_NODE ? node->parent : NULL;
	return node ? node->next : NULL;
}

int html_links(struct html_page *page, const char *html, size_t n, html_link_fn *each, void *ctx)
{
	if (n > INT_MAX)
		return -1;
	htmlDocPtr doc =
	    htmlReadMemory(html, (int)n, NULL, NULL,
			   HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_RECOVER);
	if (!doc)
		return -1;
	struct walk w = { .page = page, .each = each, .ctx = ctx };
	const xmlNode *root = xmlDocGetRootElement(doc);
	for (const xmlNode *node = root; node; node = next_node(node))
		if (is(node, "meta"))
			see_meta(&w, node);
		else if (is(node, "base") && !page->base)
			page->base = attribute(node, "href");
	for (const xmlNode *node = page->nofollow ? NULL : root; node; node = next_node(node))
		if (is(node, "a") || is(node, "area"))
			see_link(&w, node);
	xmlFreeDoc(doc);
	return 0;
}
