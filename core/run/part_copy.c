/* SPDX-License-Identifier: Apache-2.0 */
/* part_copy.c - see part_copy.h */
#include "run/part_copy.h"

#include <stdlib.h>

#include "base/mem.h"

void part_copy_init(struct part_copy *to, const struct part *from)
{
	*to = (struct part_copy){ .name = xstrdup(from->name),
		                  .driver = xstrdup(from->table->name),
		                  .options = xcalloc(from->n_options, sizeof(struct kv)),
		                  .n_options = from->n_options,
		                  .queue = from->queue,
		                  .wait = from->wait,
		                  .digest = from->digest };
	for (uint32_t i = 0; i < from->n_options; i++) {
		to->options[i].key = xstrdup(from->options[i].key);
		to->options[i].value = xstrdup(from->options[i].value);
	}
}

void part_copy_clear(struct part_copy *p)
{
	for (uint32_t i = 0; i < p->n_options; i++) {
		free((void *)(uintptr_t)p->options[i].key);
		free((void *)(uintptr_t)p->options[i].value);
	}
	free(p->options);
	free(p->name);
	free(p->driver);
}

struct wire_part part_copy_wire(const struct part_copy *p)
{
	return (struct wire_part){ .name = p->name, .driver = p->driver, .queue = p->queue, .wait = p->wait,
		                   .n_options = p->n_options, .options = p->options };
}
