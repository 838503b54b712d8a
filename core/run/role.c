/* SPDX-License-Identifier: Apache-2.0 */
/* role.c - see role.h */
#include "run/role.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "plugin/inspector.h"
#include "run/recorder.h"
#include "run/service.h"
#include "run/wire.h"
#include "run/worker.h"

#define OPTION "--child="

/* Only raw workers keep CAP_NET_RAW. */
static void drop_raw(void)
{
	cap_t caps = cap_get_proc();
	cap_value_t raw = CAP_NET_RAW;
	cap_reset_ambient();
	if (caps && !cap_set_flag(caps, CAP_EFFECTIVE, 1, &raw, CAP_CLEAR) &&
	    !cap_set_flag(caps, CAP_PERMITTED, 1, &raw, CAP_CLEAR) && !cap_set_flag(caps, CAP_INHERITABLE, 1, &raw, CAP_CLEAR))
		cap_set_proc(caps);
	cap_free(caps);
}

/* Children are exec'd from /proc/self/exe, which top and ps would call "exe". */
static void take_name(const char *role)
{
	char name[16];
	snprintf(name, sizeof name, "probed-%s", role);
	prctl(PR_SET_NAME, name);
}

bool role_asked(int argc, char **argv)
{
	return argc == 2 && !strncmp(argv[1], OPTION, strlen(OPTION));
}

int role_main(const char *option)
{
	const char *role = option + strlen(OPTION);
	take_name(role);
	bool raw = !strcmp(role, "worker-raw");
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* once more: exec clears it where the file has capabilities */
	if (!raw)
		drop_raw();
	if (raw || !strcmp(role, "worker"))
		return worker_main(CHILD_CHANNEL_FD, CHILD_PAGE_FD);
	if (!strcmp(role, "recorder"))
		return recorder_main(CHILD_CHANNEL_FD);
	if (!strcmp(role, "service"))
		return service_main(CHILD_CHANNEL_FD);
	if (!strcmp(role, "inspector"))
		return inspector_main(CHILD_CHANNEL_FD);
	fprintf(stderr, "probed: --child=%s: no such role (this option is for probed itself)\n", role);
	return 2;
}
