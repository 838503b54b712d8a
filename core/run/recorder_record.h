/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder_record.h - a record on its way through the recorder: a shared, immutable block of bytes as it came from
 * the core, and its unpacking into the struct that sinks take. Blocks cross threads; an unpacked record does not.
 */
#ifndef RUN_RECORDER_RECORD_H
#define RUN_RECORDER_RECORD_H

#include <probed/sink.h>

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "judge/result.h"
#include "plugin/table.h"

struct record_block {
	atomic_uint refs;
	uint16_t type;                     /* WIRE_RECORD or WIRE_RECORD_EVENT */
	uint32_t len;
	const struct driver_table *driver; /* names its facts; NULL: an event, or a driver that is not loaded */
	char data[];
};

/* refs 1 */
struct record_block *record_block_new(uint16_t type, const void *data, size_t len, const struct driver_table *driver);
struct record_block *record_block_ref(struct record_block *b);
void record_block_unref(struct record_block *b);

/* Memory for one unpacked record, used again and again. Zeroed is empty. */
struct record_slot {
	struct probed_record record;
	struct result result;
	struct probed_record_fact *facts;
	struct probed_record_failed *failed;
	uint32_t cap_facts, cap_failed;
	struct buf names; /* whole names of family facts */
};

/* Fills slot->record, which points into the block and the slot. 0, or -1 where the data is bad. */
int record_unpack(const struct record_block *b, struct record_slot *slot);
void record_slot_free(struct record_slot *slot);

#endif
