/* SPDX-License-Identifier: Apache-2.0 */
/* url.h - joining a path to a URL, and what a redirect does to a method. The http driver's own; pure. */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>

/* `path` as seen from `base`, an absolute URL: "/a" from its root, "a" beside its last segment, "?a" its query. Never
 * leaves base's scheme, host and port. Blanks and bytes beyond ASCII are percent-encoded after the host, a fragment is cut off.
 * Returns a new string, NULL out of memory or where base is no absolute URL. */
char *url_join(const char *base, const char *path);

/* Whether a redirect of this status may be followed at all (301 302 303 307 308). */
bool url_redirects(long status);
/* The method of the request after it (RFC 9110, section 15.4); *keep_body tells whether the body goes along. */
const char *url_redirect_method(long status, const char *method, bool *keep_body);

#endif
