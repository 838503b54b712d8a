/* SPDX-License-Identifier: Apache-2.0 */
/* page.h - the look of an HTML report, and the little script that reads a plot out where the pointer is. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

extern const char page_style[];
extern const char page_script[]; /* all is there without it */

#endif
