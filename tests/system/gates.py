#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Gates against real servers: limits hold whatever plans ask together, hosts that ask for a pause get it, and a machine that is
full pauses plans and not monitoring."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PLUGINS, SANITIZED, Daemon, command, folder, free_port, run, until  # noqa: E402
from load import Stamps, probectl, target  # noqa: E402

RATE = 40 if SANITIZED else 200


def plan(name, of, pace, more=""):
    return "[plan %s]\nrun = one %s\npace = %s\n%s\n" % (name, of, pace, more)


def of_plans(daemon):
    return [r for r in daemon.results() if r["plan"] != "monitor"]


def a_host_never_gets_more_than_its_limit():
    """Three plans, by two targets, ask for 1.5 times what their host may have."""
    with folder() as tmp, Stamps(tmp) as server:
        half = "rate %d/s" % (RATE // 2)
        config = (target("a", server.url + "a", "timeout = 1s") + target("b", server.url + "b", "timeout = 1s") +
                  plan("one", "a", half) + plan("two", "b", half) + plan("three", "b", half) +
                  "[host 127.0.0.*]\nlimit = %d/s burst 5\n" % RATE)
        with Daemon(config, plugins=(PLUGINS,)) as daemon:
            daemon.wait_ready()
            until(lambda: len(of_plans(daemon)) > 6 * RATE, "six seconds of results")
            refused = daemon.metric("probed_gate_refused_total", kind="host", why="limit")
            assert refused > RATE / 2, refused
        stamps = [ns for ns, _ in server.end()]
        stamps = [ns for ns in stamps if ns - stamps[0] > 1e9]  # the first ones met a worker that was still waking up
        span = (stamps[-1] - stamps[0]) / 1e9
        assert len(stamps) <= span * RATE + 5 + 0.1 * RATE, (len(stamps), span)  # the loop's lateness is made good within 0.1 s
        worst = max(j - i + 1 for i, j in windows(stamps, 1e9))
        print("# %.1f/s over %.1f s, of %d/s; at most %d in a second" % (len(stamps) / span, span, RATE, worst))
        assert worst <= RATE * 1.15 + 5, worst
        assert len(stamps) >= span * RATE * 0.9, (len(stamps), span)


def windows(stamps, span):
    first = 0
    for last, ns in enumerate(stamps):
        while ns - stamps[first] > span:
            first += 1
        yield first, last


def retry_after_is_honoured():
    with folder() as tmp, Stamps(tmp, "--status", "429", "--header", "Retry-After: 2") as server, Stamps(tmp) as other:
        probectl(tmp, target("busy", server.url) + target("well", other.url) + plan("p", "busy", "rate 50/s for 7s") +
                 "[host *]\nbackoff = 10ms..10ms on 429\n")
        stamps = [ns for ns, _ in server.end()]
        groups = [[stamps[0]]]
        for ns in stamps[1:]:
            if ns - groups[-1][-1] > 1e9:
                groups.append([])
            groups[-1].append(ns)
        gaps = [(b[0] - a[-1]) / 1e9 for a, b in zip(groups, groups[1:])]
        print("# %d requests in %d groups, %s s apart" % (len(stamps), len(groups), ", ".join("%.2f" % g for g in gaps)))
        assert 2 <= len(groups) <= 4 and all(g > 1.9 for g in gaps), gaps
        assert len(stamps) < 100  # of 350: what was under way when the first answer came, each time


def a_breaker_spares_a_host_that_is_down():
    with Daemon(target("down", "http://127.0.0.1:%d/" % free_port()) + plan("p", "down", "rate 100/s") +
                "[host 127.0.0.1]\nbreaker = 5 failures in 10s open 1s probes 1\n", plugins=(PLUGINS,)) as daemon:
        daemon.wait_ready()
        until(lambda: daemon.metric("probed_gate_breaker_opened_total", host="127.0.0.1") >= 3, "a breaker that opens again")
        metrics = daemon.metrics()
        assert sum(v for k, v in metrics.items() if k.startswith("probed_gate_breaker_state")) == 1
        refused = daemon.metric("probed_gate_refused_total", why="breaker")
        sent = len(of_plans(daemon))
        assert refused > 100 and sent < refused / 2, (refused, sent)


def a_full_machine_pauses_plans_and_not_monitoring():
    with folder() as tmp, Stamps(tmp) as server:
        config = ("[target m]\ndriver = http\nurl = %sm\ninterval = 200ms\n" % server.url + target("t", server.url + "t") +
                  plan("p", "t", "rate 50/s"))
        with Daemon(config + "[resources]\ndescriptors = 0.001%\n", plugins=(PLUGINS,)) as daemon:
            daemon.wait_ready()
            daemon.wait_log("dispatch paused", resource="descriptors")
            until(lambda: sum(r["plan"] == "monitor" for r in daemon.results()) >= 5, "monitoring that goes on")
            assert not of_plans(daemon)
            assert daemon.metric("probed_dispatch_paused") == 1
            daemon.configure(config + "[resources]\ndescriptors = 99%\n")
            daemon.reload()
            daemon.wait_log("dispatch goes on")
            until(lambda: len(of_plans(daemon)) > 20, "plans that go on")
            assert daemon.metric("probed_dispatch_paused") == 0
            assert daemon.metric("probed_dispatch_paused_seconds_total") > 0.5


def a_limit_below_a_plan_is_an_error():
    for section, where in (("[host *]\nlimit = 10/s\n", "host"), ("[driver http]\nlimit = 10/s\n", "driver")):
        done = command("--check", config=target("t", "http://127.0.0.1:9/") + plan("p", "t", "rate 20/s") + section,
                       env={"PROBED_PLUGIN_PATH": PLUGINS})
        assert done.returncode == 78 and "10/s" in done.stderr and "plan p" in done.stderr, done.stderr


if __name__ == "__main__":
    run(a_host_never_gets_more_than_its_limit, retry_after_is_honoured, a_breaker_spares_a_host_that_is_down,
        a_full_machine_pauses_plans_and_not_monitoring, a_limit_below_a_plan_is_an_error)
