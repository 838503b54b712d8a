/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.h - the entry of a plugin, and the umbrella over the other headers.
 *
 * A plugin is a shared object that exports one symbol, the constant `probed_plugin`:
 *
 *     PROBED_EXPORT const struct probed_plugin probed_plugin = {
 *         PROBED_PLUGIN_HEADER, .name = "hello", .version = "1.0",
 *         PROBED_TABLE(drivers, driver, my_drivers), .load = my_load,
 *     };
 *
 * It is accepted when the magic is right, the major is the host's, `need_minor` is at most the host's minor,
 * and `size` and the strides are at least those of minor 1. The host copies what both know: a plugin built
 * against a later header runs, as long as it needs nothing later.
 *
 * Major 0: may still change between releases (see CHANGELOG.md). From 1.0 on, never.
 */
#ifndef PROBED_PLUGIN_H
#define PROBED_PLUGIN_H

#include <probed/driver.h>
#include <probed/hook.h>
#include <probed/host.h>
#include <probed/service.h>
#include <probed/sink.h>
#include <probed/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PROBED_ABI_MAJOR 0
#define PROBED_ABI_MINOR 2
#define PROBED_MAGIC 0x70726f6265640a1aULL /* "probed\n\x1a" */

#if defined(__GNUC__)
#define PROBED_EXPORT __attribute__((visibility("default")))
#else
#define PROBED_EXPORT
#endif

struct probed_plugin {
	uint64_t magic;
	uint32_t size; /* of this struct as the plugin was built */
	uint16_t abi_major;
	uint16_t abi_minor;  /* built against */
	uint16_t need_minor; /* the least that it requires of the host */
	uint16_t reserved[3];
	const char *name;    /* [a-z0-9_-]+, unique */
	const char *version; /* the plugin's own */
	const char *summary;
	const struct probed_driver *drivers;
	const struct probed_sink *sinks;
	const struct probed_service *services;
	uint32_t n_drivers, driver_stride;
	uint32_t n_sinks, sink_stride;
	uint32_t n_services, service_stride;

	/* Once in each process that will use the plugin, before any other slot; keep `host`. Not called where only
	 * the tables are read. 0, or -1: refused. */
	int32_t (*load)(const struct probed_host *host);
	/* Once at the end of that process. */
	void (*unload)(void);

	/* Since 0.2. */
	const struct probed_hook *hooks;
	uint32_t n_hooks, hook_stride;
};

/* The first members, for a plugin that needs what it was built against. */
#define PROBED_PLUGIN_HEADER                                                                               \
	.magic = PROBED_MAGIC, .size = sizeof(struct probed_plugin), .abi_major = PROBED_ABI_MAJOR,        \
	.abi_minor = PROBED_ABI_MINOR, .need_minor = 1

/* PROBED_TABLE(options, option, my_options): pointer, count and stride of a constant array. */
#define PROBED_TABLE(plural, singular, array)                                                              \
	.plural = (array), .n_##plural = sizeof(array) / sizeof((array)[0]), .singular##_stride = sizeof((array)[0])

#ifdef __cplusplus
extern PROBED_EXPORT const struct probed_plugin probed_plugin;
}
#else
extern PROBED_EXPORT const struct probed_plugin probed_plugin;
#endif
#endif
