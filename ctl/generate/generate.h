/* SPDX-License-Identifier: Apache-2.0 */
/* generate.h - `probectl generate`: a configuration from what people already have. */
#ifndef GENERATE_GENERATE_H
#define GENERATE_GENERATE_H

/* argv[0] is "generate". The exit status: 0, 1 where nothing could be made of it, 2 for wrong use. */
int generate_main(int argc, char **argv);

#endif
