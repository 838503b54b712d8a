/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - the entry of probed. */
#include <stdio.h>
#include <string.h>

#include "plugin/commands.h"
#include "plugin/inspector.h"
#include "run/wire.h"

int main(int argc, char **argv)
{
	bool json = argc > 2 && !strcmp(argv[argc - 1], "--json");
	if (argc == 2 && !strcmp(argv[1], "--child=inspector"))
		return inspector_main(CHILD_CHANNEL_FD);
	if (argc >= 2 && !strcmp(argv[1], "--list-plugins"))
		return cmd_list_plugins(NULL, 0, json, stdout);
	if (argc >= 3 && !strcmp(argv[1], "--plugin-info"))
		return cmd_plugin_info(NULL, 0, argv[2], json, stdout);
	if (argc == 3 && !strcmp(argv[1], "--check-plugin"))
		return cmd_check_plugin(argv[2], stdout);
	puts("probed");
	return 0;
}
