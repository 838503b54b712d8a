/* SPDX-License-Identifier: Apache-2.0 */
/* generate_tool.c - `probectl generate` alone: what tests/system/generate.py runs where there is no probectl. */
#include "generate/generate.h"

int main(int argc, char **argv)
{
	return generate_main(argc, argv);
}
