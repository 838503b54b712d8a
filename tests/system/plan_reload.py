#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reloads under traffic: a plan that did not change goes on as if nothing was; one that changed begins anew; one that is gone,
or whose targets are, ends; and nothing of the old one is left."""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, folder, run, until
from load import Stamps


def target(name, url):
    return "[target %s]\ndriver = http\nurl = %s%s\nreuse = yes\nmonitor = no\n\n" % (name, url, name)


def plan(name, what, rate):
    return "[plan %s]\nrun = %s\npace = rate %d/s\n\n" % (name, what, rate)


def sent(daemon, name):
    return daemon.metric("probed_plan_sent_total", plan=name)


def reloaded(daemon, config):
    before = daemon.metric("probed_reloads_total")
    daemon.configure(config)
    daemon.reload()
    until(lambda: daemon.metric("probed_reloads_total") > before, "the reload")


def an_unchanged_plan_goes_on():
    with folder() as tmp, Stamps(tmp) as server:
        steady = target("steady", server.url) + plan("steady", "one steady", 50)
        with Daemon(steady + target("a", server.url) + plan("other", "one a", 50)) as daemon:
            daemon.wait_ready()
            until(lambda: sent(daemon, "steady") > 20 and sent(daemon, "other") > 20, "both plans")
            for i in range(10):
                name = "ab"[i % 2]
                reloaded(daemon, steady + target(name, server.url) + plan("other", "one " + name, 50 + i))
                until(lambda: sent(daemon, "other") > 5, "the other plan, anew")
            reloaded(daemon, steady)
            assert not any('plan="other"' in k for k in daemon.metrics()), "it is still shown"
            assert daemon.metric("probed_plan_dropped_total", plan="steady") == 0
            asked, done = daemon.metric("probed_plan_asked_total", plan="steady"), sent(daemon, "steady")
            assert asked - done <= 1, (asked, done)
        stamps = server.end()
        steady_ns = [ns for ns, path in stamps if path == "/steady"]
        gaps = sorted(b - a for a, b in zip(steady_ns, steady_ns[1:]))
        # none was left out: the gaps are those of 50/s all the time, however late some came
        assert abs((steady_ns[-1] - steady_ns[0]) / 20e6 - (len(steady_ns) - 1)) < 50, (len(steady_ns), gaps[-3:])
        paths = collections.Counter(path for _, path in stamps)
        assert paths["/a"] > 20 and paths["/b"] > 20, paths


def plans_and_their_targets_come_and_go():
    """Flows, users and probes under way while everything that they stand on is taken from them."""
    with folder() as tmp, Stamps(tmp) as server:
        keep = target("keep", server.url) + plan("keep", "one keep", 20)
        flow = (target("t", server.url) + "[step one]\ntarget = t\npath = /1\n[step two]\ntarget = t\npath = /2\n"
                "[flow f]\nsteps = one two\nthink = 5ms..20ms\n\n")
        users = flow + "[plan users]\nrun = flow one two\npace = users 20 think 1ms..5ms\n\n"
        mixed = flow + "[plan open]\nrun = mix f:1\npace = rate 100/s\n\n"
        with Daemon(keep + users) as daemon:
            daemon.wait_ready()
            for i in range(12):
                name, config = (("open", mixed), ("users", users), ("keep", ""))[i % 3]
                reloaded(daemon, keep + config)
                until(lambda: sent(daemon, name) > 20, "plan " + name)
            until(lambda: daemon.metric("probed_in_flight") <= 5, "what was under way to end")
            assert daemon.metric("probed_worker_restarts_total") == 0


if __name__ == "__main__":
    run(an_unchanged_plan_goes_on, plans_and_their_targets_come_and_go)
