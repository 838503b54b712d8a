#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A driver that crashes, hangs, leaks or misbehaves takes down one worker, and nothing else is lost."""
import json
import os
import random
import signal
import sys


sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, command, run, until

HEALTHY = int(os.environ.get("TEST_HEALTHY", "1000"))
LATE_S = 3.0  # seconds that a healthy probe may come late while its worker is started again


def healthy(n=HEALTHY, interval="2s"):
    return "".join("[target h%04d]\ndriver = fx\ninterval = %s\ntimeout = 5s\ndo = ok\n" % (i, interval) for i in range(n))


def guilty(do, interval="700ms", driver="fxbad", **options):
    more = "".join("%s = %s\n" % kv for kv in options.items())
    return "[target guilty]\ndriver = %s\ninterval = %s\ntimeout = 1s\ndo = %s\n%s" % (driver, interval, do, more)


def check_healthy(results):
    """Every healthy target: all ok, and none later than allowed."""
    seen = set()
    for r in results:
        if r["target"] == "guilty":
            continue
        seen.add(r["target"])
        assert r["outcome"] == "ok", r
        assert r["lag_ms"] < LATE_S * 1000, r
    assert len(seen) == HEALTHY, len(seen)


def check_ids(results):
    ids = [r["id"] for r in results if not r.get("sub")]
    assert len(ids) == len(set(ids)), "a result was delivered twice"


def crashes(do, says, **options):
    """A driver that kills its worker: the guilty probes are unknown/crashed until it is quarantined."""
    with Daemon(healthy() + guilty(do, **options), crashes=True) as d:
        d.wait_ready()
        d.wait_log("driver quarantined", driver="fxbad")
        d.wait_results(lambda all: sum(r["target"] == "guilty" and "quarantine" in r["message"] for r in all) >= 1,
                       "a probe that quarantine held back")
        rounds = len(d.results())
        d.wait_results(lambda all: len(all) >= rounds + HEALTHY, "one more round of the healthy")
        assert d.metric("probed_driver_quarantined", driver="fxbad") == 1
        assert d.metric("probed_driver_quarantined", driver="fx") == 0
        assert d.metric("probed_worker_restarts_total") >= 3
        results = d.results()
        bad = [r for r in results if r["target"] == "guilty"]
        assert bad and all(r["outcome"] == "unknown" and r["reason"] == "crashed" for r in bad), bad
        assert any(says in r["message"] for r in bad), bad[0]
        check_healthy(results)
        check_ids(results)


def a_driver_that_segfaults():
    crashes("segv", "signal 11")


def a_driver_that_aborts():
    crashes("abort", "signal 6")


def a_driver_that_exits():
    crashes("exit", "exited with status")


def a_driver_that_loops_for_ever():
    crashes("spin", "stood still")


def a_driver_that_blocks_the_loop():
    crashes("sleep", "stood still", delay="60s")


def the_plugin_list_tells_of_a_quarantine():
    d = Daemon(start=False, crashes=True)
    state = os.path.join(d.tmp, "quarantine")
    d.settings["state_dir"] = d.tmp
    d.configure(healthy(10) + guilty("exit", interval="100ms"))
    d.start()

    def listed():
        done = command("--list-plugins", "--json", "-c", d.ini)
        assert done.returncode == 0, done.stderr
        return {p["name"]: p for p in json.loads(done.stdout)}

    with d:
        d.wait_ready()
        assert listed()["http"]["state"] == "loaded"
        d.wait_log("driver quarantined", driver="fxbad")
        until(lambda: os.path.exists(state), "the state file")
        fixture = [p for p in listed().values() if "fxbad" in p["drivers"]][0]
        assert fixture["state"] == "quarantined" and "brought its worker down" in fixture["why"], fixture
        assert listed()["http"]["state"] == "loaded"
        text = command("--list-plugins", "-c", d.ini).stdout
        line = [t for t in text.splitlines() if "fixture.so" in t][0]
        assert " quarantined " in line and "driver fxbad is in quarantine after 3 strikes" in line, line
        d.configure(healthy(10))
        d.reload()
        d.wait_log("quarantine lifted", driver="fxbad")
        until(lambda: not os.path.exists(state), "the state file to go")
        assert [p for p in listed().values() if "fxbad" in p["drivers"]][0]["state"] == "loaded"
        d.configure(healthy(10) + guilty("exit", interval="100ms"))
        d.reload()
        d.wait_log("driver quarantined", count=2, driver="fxbad")
        until(lambda: os.path.exists(state), "the state file once more")
        d.process.send_signal(signal.SIGTERM)
        d.process.wait(30)
        assert not os.path.exists(state), "a clean end leaves no quarantine behind"


def a_driver_that_completes_twice():
    with Daemon(healthy() + guilty("twice")) as d:
        d.wait_ready()
        d.wait_log("driver quarantined", driver="fxbad")
        d.wait_results(lambda all: len(all) >= 2 * HEALTHY, "two rounds")
        assert d.metric("probed_worker_restarts_total") == 0
        check_healthy(d.results())
        check_ids(d.results())


def a_driver_that_never_completes():
    with Daemon(healthy() + guilty("never")) as d:
        d.wait_ready()
        d.wait_results(lambda all: sum(r["target"] == "guilty" for r in all) >= 2, "two timeouts")
        d.wait_results(lambda all: len(all) >= 2 * HEALTHY, "two rounds")
        for r in d.results():
            if r["target"] == "guilty":
                assert (r["outcome"], r["reason"]) == ("error", "timeout"), r
                assert 1000 <= r["service_ms"] < 2000, r
        assert d.metric("probed_worker_restarts_total") == 0
        check_healthy(d.results())


def a_driver_that_leaks_descriptors():
    with Daemon(healthy() + guilty("leakfd", interval="5ms"), max_fds=512) as d:
        d.wait_ready()
        d.wait_log("driver quarantined", driver="fxbad")
        d.wait_log("worker recycled")
        d.wait_results(lambda all: len(all) >= 2 * HEALTHY, "two rounds")
        check_healthy(d.results())
        check_ids(d.results())


def workers_killed_a_hundred_times():
    random.seed(7)
    with Daemon(healthy()) as d:
        d.wait_ready()
        before = d.fds()
        for _ in range(100):
            workers = until(lambda: d.children("worker"), "a worker")
            os.kill(random.choice(workers), signal.SIGKILL)
            count = len(d.results())
            d.wait_results(lambda all: len(all) > count, "the daemon to go on")
        until(lambda: len(d.children("worker")) == 2, "both workers")
        count = len(d.results())
        d.wait_results(lambda all: len(all) >= count + 2 * HEALTHY, "two whole rounds after it")
        check_ids(d.results())
        last = {r["target"]: r for r in d.results()}
        assert len(last) == HEALTHY and all(r["outcome"] == "ok" for r in last.values())
        assert d.metric("probed_driver_strikes_total") == 0, "nobody is to blame for a kill from outside"
        until(lambda: d.fds() <= before, "descriptors to be what they were (%d, now %d)" % (before, d.fds()))
        with open("/proc/%d/task/%d/children" % (d.process.pid, d.process.pid)) as f:
            states = []
            for pid in f.read().split():
                with open("/proc/%s/stat" % pid) as s:
                    states.append(s.read().rsplit(")", 1)[1].split()[0])
        assert "Z" not in states, states


def recorder_and_service_come_back():
    with Daemon(healthy(10, "200ms")) as d:
        d.wait_ready()
        d.wait_results(lambda all: len(all) >= 10, "first results")
        for role in ("recorder", "service"):
            pid = d.children(role)[0]
            os.kill(pid, signal.SIGKILL)
            until(lambda: d.children(role) not in ([], [pid]), "a new " + role)
        d.wait_ready()
        count = len(d.results())
        d.wait_results(lambda all: len(all) >= count + 50, "results after it")
        check_ids(d.results())


if __name__ == "__main__":
    run(a_driver_that_segfaults, a_driver_that_aborts, a_driver_that_exits, a_driver_that_loops_for_ever,
        a_driver_that_blocks_the_loop, the_plugin_list_tells_of_a_quarantine, a_driver_that_completes_twice, a_driver_that_never_completes,
        a_driver_that_leaks_descriptors, workers_killed_a_hundred_times, recorder_and_service_come_back)
