/* SPDX-License-Identifier: Apache-2.0 */
/* ctl.h - the commands of probectl. argv[0] is the command's name; each returns the exit status. */
#ifndef CTL_H
#define CTL_H

/* Exit statuses of all commands. */
enum {
	CTL_MET = 0,      /* done, and all requirements hold */
	CTL_NOT_MET = 1,  /* done, and something does not hold */
	CTL_USAGE = 2,    /* the command line is wrong */
	CTL_CONFIG = 78,  /* the configuration is wrong (EX_CONFIG of sysexits.h) */
	CTL_INTERRUPTED = 130,
};

int run_main(int argc, char **argv);
int report_main(int argc, char **argv);
int probe_main(int argc, char **argv);
int scan_main(int argc, char **argv);

#endif
