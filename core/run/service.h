/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.h - the child process of one service: loads its plugin, starts it on the loop, and carries its
 * questions to the core and the answers back.
 */
#ifndef RUN_SERVICE_H
#define RUN_SERVICE_H

/* The whole life of the process behind the channel; takes the descriptor over. Returns the exit status. A
 * service that can't start sends SERVICE_FAILED with one line, and the process ends with EXIT_SETUP. */
int service_main(int channel_fd);

#endif
