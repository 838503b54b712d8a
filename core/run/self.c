/* SPDX-License-Identifier: Apache-2.0 */
/* self.c - what the core tells of itself: the metrics page's source, the status document, readiness. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <probed/plugin.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config.h"
#include "measure/page.h"
#include "run/core.h"
#include "run/crew.h"
#include "run/plan_run.h"

/* --- rows ------------------------------------------------------------------------------------- */

void core_rows_add(struct core *core, struct subject *s, uint32_t sub)
{
	if (s->keeps)
		return;
	xgrow(core->rows, core->n_rows, core->cap_rows);
	core->rows[core->n_rows++] = (struct stat_row){ .subject = s, .sub = sub };
}

void core_rows_rebuild(struct core *core)
{
	core->n_rows = 0;
	for (size_t i = 0; i < core->model->n_targets; i++) {
		struct subject *s;
		if (!core->model->targets[i]->monitor)
			continue;
		HASH_FIND_STR(core->by_name, core->model->targets[i]->name, s);
		core_rows_add(core, s, UINT32_MAX);
		for (uint32_t k = 0; k < s->n_subs; k++)
			core_rows_add(core, s, k);
	}
}

static bool row(void *ctx, size_t i, struct metrics_row *out)
{
	const struct core *core = ctx;
	if (i >= core->n_rows)
		return false;
	const struct stat_row *r = &core->rows[i];
	const struct subject *s = r->subject;
	*out = (struct metrics_row){ .target = s->name,
		                     .driver = s->target->driver,
		                     .labels = s->target->labels,
		                     .n_labels = s->target->n_labels,
		                     .stat = r->sub == UINT32_MAX ? &s->stat : &s->subs[r->sub].stat,
		                     .sub = r->sub == UINT32_MAX ? NULL : s->subs[r->sub].name };
	return true;
}

/* --- drivers ---------------------------------------------------------------------------------- */

struct driver_stat *core_driver_stat(struct core *core, const char *driver)
{
	struct driver_stat *d;
	HASH_FIND_STR(core->drivers, driver, d);
	if (!d) {
		d = xnew(struct driver_stat);
		d->name = xstrdup(driver);
		HASH_ADD_KEYPTR(hh, core->drivers, d->name, strlen(d->name), d);
	}
	return d;
}

static bool driver(void *ctx, size_t i, struct metrics_driver *out)
{
	const struct core *core = ctx;
	struct driver_stat *d = core->drivers;
	while (d && i--)
		d = d->hh.next;
	if (!d)
		return false;
	*out = (struct metrics_driver){ .name = d->name, .latency = &d->latency, .lag = &d->lag };
	return true;
}

/* --- ourselves -------------------------------------------------------------------------------- */

/* Resident bytes of a process; 0: it is gone. */
static double resident_bytes(pid_t pid)
{
	char path[64];
	long size, resident = 0;
	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2)
		return 0;
	/* cppcheck-suppress resourceLeak ; CLEANUP_FCLOSE closes it */
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void self_memory(struct metrics_page *p, const char *process, pid_t pid)
{
	metrics_self(p, "probed_resident_memory_bytes", METRICS_GAUGE, "bytes", "Resident memory of each process.",
	             resident_bytes(pid), "process", process, NULL);
}

static void self_worker(void *ctx, const struct crew_view *v)
{
	struct metrics_page *p = ctx;
	char seat[16];
	snprintf(seat, sizeof seat, "%u", v->seat);
	if (v->pid) {
		CLEANUP_FREE char *process = xasprintf("worker %s.%u", v->pool, v->seat);
		self_memory(p, process, v->pid);
	}
#define WORKER(name, type, unit, help, value) \
	metrics_self(p, name, type, unit, help, (double)(value), "pool", v->pool, "worker", seat, NULL)
	WORKER("probed_worker_up", METRICS_GAUGE, NULL, "Whether the worker process runs and has loaded its plugins.", v->ready);
	WORKER("probed_worker_restarts_total", METRICS_COUNTER, NULL, "Times the worker was started again.", v->restarts);
	WORKER("probed_worker_in_flight", METRICS_GAUGE, NULL, "Probes under way in the worker.", v->inflight);
	WORKER("probed_worker_waiting", METRICS_GAUGE, NULL, "Probes that wait for the worker to run.", v->waiting);
	WORKER("probed_worker_queue_bytes", METRICS_GAUGE, "bytes", "Dispatches and targets not yet sent to the worker.",
	       v->backlog_bytes);
	WORKER("probed_worker_open_fds", METRICS_GAUGE, NULL, "Open descriptors of the worker.", v->stats.fds);
	WORKER("probed_worker_max_fds", METRICS_GAUGE, NULL, "Descriptors that the worker may have open.", v->stats.fds_max);
	WORKER("probed_worker_targets", METRICS_GAUGE, NULL, "Targets that live in the worker.", v->stats.targets);
	WORKER("probed_worker_threads_busy", METRICS_GAUGE, NULL, "Threads of the pool for blocking drivers in use.",
	       v->stats.threads_busy);
	WORKER("probed_worker_threads_stuck", METRICS_GAUGE, NULL, "Threads whose probe has passed its deadline.",
	       v->stats.threads_stuck);
	WORKER("probed_worker_loop_stall_seconds", METRICS_GAUGE, "seconds", "Longest turn of the worker's loop in the last second.",
	       (double)v->stats.loop_longest_ns / 1e9);
#undef WORKER
}

static void self_driver(void *ctx, const char *name, uint64_t strikes, bool quarantined)
{
	struct metrics_page *p = ctx;
	metrics_self(p, "probed_driver_strikes_total", METRICS_COUNTER, NULL, "Crashes and other misbehaviour of a driver.",
	             (double)strikes, "driver", name, NULL);
	metrics_self(p, "probed_driver_quarantined", METRICS_GAUGE, NULL, "Whether the driver is in quarantine.", quarantined,
	             "driver", name, NULL);
}

static void self_sink(void *ctx, const struct wire_sink_status *s)
{
	struct metrics_page *p = ctx;
#define SINK(metric, type, help, value) metrics_self(p, metric, type, NULL, help, (double)(value), "sink", s->name, NULL)
	SINK("probed_sink_queued", METRICS_GAUGE, "Records that wait to be written.", s->queued);
	SINK("probed_sink_queue_max", METRICS_GAUGE, "Records that may wait.", s->queue_max);
	SINK("probed_sink_written_total", METRICS_COUNTER, "Records written.", s->written);
	SINK("probed_sink_dropped_total", METRICS_COUNTER, "Records dropped because the queue was full.", s->dropped);
	SINK("probed_sink_failed_total", METRICS_COUNTER, "Records that the sink could not write.", s->failed);
	SINK("probed_sink_holding", METRICS_GAUGE, "Whether its queue is full, and all sinks wait for it.", s->holding);
	SINK("probed_sink_healthy", METRICS_GAUGE, "Whether the sink's last write succeeded.", !s->error);
#undef SINK
}

static void self_service(void *ctx, const char *name, pid_t pid, uint64_t restarts, bool up)
{
	struct metrics_page *p = ctx;
	if (pid) {
		CLEANUP_FREE char *process = xasprintf("service %s", name);
		self_memory(p, process, pid);
	}
	metrics_self(p, "probed_service_up", METRICS_GAUGE, NULL, "Whether the service runs.", up, "service", name, NULL);
	metrics_self(p, "probed_service_restarts_total", METRICS_COUNTER, NULL, "Times the service was started again.",
	             (double)restarts, "service", name, NULL);
}

static void self(void *ctx, struct metrics_page *p)
{
	struct core *core = ctx;
	const struct core_counters *n = &core->count;
	char abi[16];
	snprintf(abi, sizeof abi, "%d.%d", PROBED_ABI_MAJOR, PROBED_ABI_MINOR);
	metrics_self(p, "probed_build_info", METRICS_INFO, NULL, "Version of the daemon and of its plugin ABI.", 1, "version",
	             PACKAGE_VERSION, "abi", abi, NULL);
#define GAUGE(name, unit, help, value) metrics_self(p, name, METRICS_GAUGE, unit, help, (double)(value), NULL)
#define COUNTER(name, help, value) metrics_self(p, name, METRICS_COUNTER, NULL, help, (double)(value), NULL)
	GAUGE("probed_uptime_seconds", "seconds", "Time since the daemon started.", (double)(clock_now_ns() - core->started_ns) / 1e9);
	self_memory(p, "core", getpid());
	if (recorder_link_pid(core->recorder))
		self_memory(p, "recorder", recorder_link_pid(core->recorder));
	GAUGE("probed_targets", NULL, "Targets in force.", core->n_subjects);
	GAUGE("probed_in_flight", NULL, "Probes dispatched and not yet answered.", core->n_flights);
	GAUGE("probed_ready", NULL, "Whether all processes are up.", core->ready);
	GAUGE("probed_loop_stall_seconds", "seconds", "Longest turn of the core's loop in the last second.",
	      (double)n->loop_longest_ns / 1e9);
	COUNTER("probed_results_total", "Results taken.", n->probes);
	COUNTER("probed_probes_missed_total", "Due times that found the target's probe before still under way.", n->missed);
	COUNTER("probed_probes_resent_total", "Probes sent again after their worker died.", n->again);
	COUNTER("probed_probes_unanswered_total", "Probes that no worker answered in time.", n->no_answer);
	COUNTER("probed_results_late_total", "Results of probes that were already given up.", n->lost_late);
	COUNTER("probed_probes_quarantined_total", "Probes not sent because their driver is in quarantine.", n->quarantined_probes);
	COUNTER("probed_subresults_refused_total", "Sub-results beyond the bound of names for one target.", n->subs_refused);
	COUNTER("probed_targets_refused_total", "Targets that a driver refused while running.", crew_refused(core->crew));
	COUNTER("probed_reloads_total", "Configurations taken over while running.", n->reloads_ok);
	COUNTER("probed_reloads_failed_total", "Configurations refused while running.", n->reloads_failed);
	COUNTER("probed_records_dropped_total", "Records not sent because the recorder was down or too slow.", n->records_dropped);
	GAUGE("probed_recorder_queue_bytes", "bytes", "Records not yet sent to the recorder.", recorder_link_backlog(core->recorder));
	COUNTER("probed_recorder_restarts_total", "Times the recorder was started again.", recorder_link_restarts(core->recorder));
	COUNTER("probed_queries_refused_total", "Queries of services beyond the bound.", n->queries_refused);
	COUNTER("probed_stream_dropped_total", "Stream messages dropped because a service was too slow.", n->stream_dropped);
	COUNTER("probed_log_suppressed_total", "Log lines that the rate limit held back.", log_suppressed());
#undef GAUGE
#undef COUNTER
	crew_each(core->crew, self_worker, p);
	health_each(core, self_driver, p);
	recorder_link_each(core->recorder, self_sink, p);
	services_each(core, self_service, p);
	plans_metrics(core, p);
	gates_metrics(core->gates, p);
}

const struct metrics_source *core_metrics_source(struct core *core)
{
	static struct metrics_source source;
	source = (struct metrics_source){ .ctx = core, .row = row, .driver = driver, .self = self };
	return &source;
}

/* --- status and readiness --------------------------------------------------------------------- */

static void status_worker(void *ctx, const struct crew_view *v)
{
	struct buf *b = ctx;
	buf_printf(b, "%s{\"pool\":\"%s\",\"worker\":%u,\"pid\":%d,\"up\":%s,\"in_flight\":%u,\"restarts\":%llu}",
	           b->data[b->len - 1] == '[' ? "" : ",", v->pool, v->seat, (int)v->pid, v->ready ? "true" : "false", v->inflight,
	           (unsigned long long)v->restarts);
}

static void status_driver(void *ctx, const char *name, uint64_t strikes, bool quarantined)
{
	struct buf *b = ctx;
	buf_puts(b, b->data[b->len - 1] == '[' ? "" : ",");
	buf_puts(b, "{\"driver\":");
	str_put_json(b, name, strlen(name));
	buf_printf(b, ",\"strikes\":%llu,\"quarantined\":%s}", (unsigned long long)strikes, quarantined ? "true" : "false");
}

void core_status_json(struct core *core, struct buf *b)
{
	size_t by_outcome[PROBED_OUTCOMES] = { 0 }, pending = 0;
	struct subject *s, *next;
	HASH_ITER(hh, core->by_name, s, next)
	{
		if (!s->target->monitor)
			continue;
		if (s->told)
			by_outcome[s->told - 1]++;
		else
			pending++;
	}
	buf_printf(b, "{\"version\":\"%s\",\"uptime_seconds\":%.3f,\"ready\":%s,\"targets\":{", PACKAGE_VERSION,
	           (double)(clock_now_ns() - core->started_ns) / 1e9, core->ready ? "true" : "false");
	for (uint32_t i = 0; i < PROBED_OUTCOMES; i++)
		buf_printf(b, "\"%s\":%zu,", outcome_name(i), by_outcome[i]);
	buf_printf(b, "\"pending\":%zu},\"workers\":[", pending);
	crew_each(core->crew, status_worker, b);
	buf_puts(b, "],\"drivers\":[");
	health_each(core, status_driver, b);
	buf_puts(b, "],\"plans\":");
	plans_status_json(core, b);
	buf_puts(b, ",\"gates\":");
	gates_status_json(core->gates, b);
	buf_puts(b, "}\n");
}

bool core_is_ready(const struct core *core, const char **why)
{
	*why = core->draining                          ? "shutting down"
	       : !crew_ready(core->crew)               ? "a worker is not up"
	       : !recorder_link_ready(core->recorder)  ? "the recorder is not up"
	       : !services_ready(core)                 ? "a service is not up"
	                                               : NULL;
	return !*why;
}
