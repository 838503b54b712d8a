/* SPDX-License-Identifier: Apache-2.0 */
/* role.h - children are the same program, started as `--child=ROLE`: what main() does then. */
#ifndef RUN_ROLE_H
#define RUN_ROLE_H

#include <stdbool.h>

/* Is this process a child of ours? */
bool role_asked(int argc, char **argv);
/* Runs as that child, to its end. Returns the exit status. */
int role_main(const char *option);

#endif
