/* SPDX-License-Identifier: Apache-2.0 */
/* service_host.c - see service_host.h */
#include "run/service_host.h"

#include <probed/plugin.h>
#include <probed/service.h>

#include <string.h>

#include "base/loop.h"
#include "plugin/host.h"

static struct {
	struct loop *loop;
	const struct probed_core *core;
	struct probed_host sinks, services;
} self;

static const void *no_extension(const char *name)
{
	(void)name;
	return NULL;
}

static const void *host_extension(const char *name)
{
	if (!strcmp(name, "probed.ev-loop/1"))
		return self.loop->ev;
	if (!strcmp(name, "probed.core/1"))
		return self.core;
	return NULL;
}

const struct probed_host *sink_host(void)
{
	if (!self.sinks.size) { /* once: threads read it from then on */
		host_fill_any(&self.sinks);
		self.sinks.extension = no_extension;
	}
	return &self.sinks;
}

const struct probed_host *service_host_new(struct loop *loop, const struct probed_core *core)
{
	static const struct host_hooks none;
	self.loop = loop;
	self.core = core;
	self.services = (struct probed_host){ 0 };
	host_init(loop, &none);
	host_fill(&self.services);
	self.services.resolve = NULL;
	self.services.resolve_cancel = NULL;
	self.services.extension = host_extension;
	return &self.services;
}

void service_host_free(void)
{
	host_end();
	self.loop = NULL;
	self.core = NULL;
}
