/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - the process that runs drivers. Called once, by main(), after exec. */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

/* Serves the channel (a stream socket to the core) until it closes or the core says DRAIN. `page_fd` holds a
 * struct worker_page to be shared, -1: none. Returns the exit status. */
int worker_main(int channel_fd, int page_fd);

#endif
