#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Due times: a slow probe shifts none of them, never overlaps itself, and only one that would is missed."""
import datetime
from harness import Daemon, run

INTERVAL_MS = 200


def target(name, delay):
    return "[target %s]\ndriver = fx\ndo = slow\ndelay = %s\ninterval = %dms\ntimeout = 5s\n" % (name, delay, INTERVAL_MS)


def due_ms(result):
    """`time` is the probe's start; it lags behind its due time by `lag_ms`."""
    start = datetime.datetime.strptime(result["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return start.timestamp() * 1000 - result["lag_ms"]


def gaps(results, name):
    due = sorted(due_ms(r) for r in results if r["target"] == name)
    return [b - a for a, b in zip(due, due[1:])]


def a_probe_that_ends_just_before_its_next_due_time_is_not_missed():
    with Daemon(target("near", "170ms")) as d:
        d.wait_ready()
        results = d.wait_results(lambda all: len(all) >= 15 and all, "fifteen results")
        taken = gaps(results, "near")
        # an overloaded machine may miss some; missing each second one is no accident
        assert sum(abs(g - INTERVAL_MS) < 5 for g in taken) >= len(taken) / 2, taken


def a_probe_never_overlaps_itself_and_what_is_missed_is_counted():
    with Daemon(target("long", "500ms")) as d:
        d.wait_ready()
        results = d.wait_results(lambda all: len(all) >= 6 and all, "six results")
        for gap in gaps(results, "long"):
            assert gap > 500, "due %f ms apart, while a probe takes 500 ms" % gap
            assert abs(gap - round(gap / INTERVAL_MS) * INTERVAL_MS) < 5, "%f ms apart: the schedule has drifted" % gap
        assert d.metric("probed_probes_missed_total") >= 2 * 5


run(a_probe_that_ends_just_before_its_next_due_time_is_not_missed,
    a_probe_never_overlaps_itself_and_what_is_missed_is_counted)
