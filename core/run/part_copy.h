/* SPDX-License-Identifier: Apache-2.0 */
/* part_copy.h - the configuration of a sink or a service, copied: their children outlive the model they came from. */
#ifndef RUN_PART_COPY_H
#define RUN_PART_COPY_H

#include "config/model.h"
#include "run/wire.h"

struct part_copy {
	char *name, *driver;
	struct kv *options;
	uint32_t n_options;
	uint32_t queue;
	bool wait;
	uint64_t digest;
};

void part_copy_init(struct part_copy *to, const struct part *from);
void part_copy_clear(struct part_copy *p);
/* Points into p. */
struct wire_part part_copy_wire(const struct part_copy *p);

#endif
