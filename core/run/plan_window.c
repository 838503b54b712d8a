/* SPDX-License-Identifier: Apache-2.0 */
/* plan_window.c - when a plan may send: once the workers know its targets, and while its window is open. */
#include "base/clock.h"
#include "base/log.h"
#include "plan/window.h"
#include "run/crew.h"
#include "run/plan_run.h"

#define LOOK_AGAIN_NS (60 * NS_PER_S) /* wall time may be set meanwhile */
#define KNOWN_NS (5 * NS_PER_S)       /* workers may take so long to get to know the targets */
#define KNOWN_LOOK_NS (10 * NS_PER_MS)
#define LEAD_NS (100 * NS_PER_MS) /* from there to the first due time, which dispatches are ahead of */

void plan_await_workers(struct plan_run *run)
{
	crew_sync(run->core->crew);
	run->known_by_ns = clock_now_ns() + KNOWN_NS;
}

/* Drivers load certificates and the like with their first targets: no probe is due before that is through. */
static bool workers_know(struct plan_run *run)
{
	int64_t now_ns = clock_now_ns();
	if (run->known_by_ns > now_ns && !crew_synced(run->core->crew)) {
		loop_timer_set(run->core->loop, &run->edge, now_ns + KNOWN_LOOK_NS);
		return false;
	}
	run->known_by_ns = 0;
	return true;
}

/* The tally counts from the first opening on. */
static void begin_clock(struct plan_run *run)
{
	int64_t now_ns = clock_now_ns();
	run->begun = true;
	run->t0_ns = run->plan->setup ? now_ns : run->base_ns;
	run->tally->wall_ns = clock_wall_ns() + run->t0_ns - now_ns;
	loop_timer_set(run->core->loop, &run->second, run->t0_ns + NS_PER_S);
	log_info("plan begins", "plan", run->name, NULL);
}

/* From now, where it may begin; else the timer is set for when it may. */
static bool window_open(struct plan_run *run)
{
	struct loop *loop = run->core->loop;
	int64_t now_ns = clock_now_ns(), wall_ns = clock_wall_ns();
	run->base_ns = now_ns + LEAD_NS;
	run->until_ns = INT64_MAX;
	if (!run->plan->windows)
		return true;
	struct window_state w = windows_at(run->plan->windows, wall_ns);
	if (w.open && now_ns < run->rest_until_ns) {
		loop_timer_set(loop, &run->edge, run->rest_until_ns);
		return false;
	}
	if (!w.open) {
		int64_t wait_ns = w.opens_ns == INT64_MAX ? INT64_MAX : w.opens_ns - wall_ns;
		loop_timer_set(loop, &run->edge, now_ns + (wait_ns < LOOK_AGAIN_NS ? wait_ns : LOOK_AGAIN_NS));
		return false;
	}
	if (!run->own_pace)
		run->pace = w.pace ? w.pace : run->plan->pace;
	if (w.until_ns != INT64_MAX) {
		run->until_ns = now_ns + (w.until_ns - wall_ns);
		loop_timer_set(loop, &run->edge, run->until_ns);
	}
	return true;
}

bool plan_opens(struct plan_run *run)
{
	if (!workers_know(run) || !window_open(run))
		return false;
	if (!run->begun)
		begin_clock(run);
	return true;
}

/* In the foreground a pace that has an end is run once. */
bool plan_opens_again(const struct plan_run *run)
{
	bool once = run->core->ask && pace_length_ns(run->pace) != INT64_MAX;
	return run->plan->windows && !run->stopping && !run->data_ended && !once && run->rest_until_ns != INT64_MAX;
}
