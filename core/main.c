/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - the entry of probed. */
#include <stdio.h>

int main(void)
{
	puts("probed");
	return 0;
}
