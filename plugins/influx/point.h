/* SPDX-License-Identifier: Apache-2.0 */
/* point.h - a record as one point of InfluxDB's line protocol. One thread. */
#ifndef INFLUX_POINT_H
#define INFLUX_POINT_H

#include <probed/sink.h>

#include "../common/text.h"

struct point_format {
	const char *measurement;
	int strings; /* facts that are texts become fields too */
};

/* The record's line, with its end. */
void point_add(const struct point_format *f, struct text *t, const struct probed_record *r);

#endif
