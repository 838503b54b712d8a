#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Start and end of the daemon: draining, signals, children, what systemd is told, the log, its own memory."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SANITIZED, PROBED, Daemon, alive, folder, pss_kb, run, until, write

RELOADS = int(os.environ.get("TEST_MEMORY_RELOADS", "200"))


def target(name, do="ok", driver="fx", interval="100ms", timeout="60s", **options):
    more = "".join("%s = %s\n" % kv for kv in options.items())
    return "[target %s]\ndriver = %s\ninterval = %s\ntimeout = %s\ndo = %s\n%s" % (name, driver, interval, timeout, do, more)


def family(d):
    """All children of the daemon, whatever their role."""
    with open("/proc/%d/task/%d/children" % (d.process.pid, d.process.pid)) as f:
        return [int(pid) for pid in f.read().split()]


@contextlib.contextmanager
def leaves_nobody(d):
    """Whatever happens inside, no child of the daemon outlives it for long."""
    pids = family(d)
    assert len(pids) >= 4, pids
    yield
    until(lambda: not any(alive(p) for p in pids), "children to end", 5)


def in_flight(d, n=1):
    until(lambda: d.metric("probed_worker_in_flight") >= n, "a probe under way")


def a_slow_probe_under_way_gets_its_result():
    with Daemon(target("slow", "slow", interval="2s", delay="1500ms")) as d:
        d.wait_ready()
        in_flight(d)
        with leaves_nobody(d):
            d.stop()
        last = d.results()[-1]
        assert last["outcome"] == "ok", last


def a_probe_that_never_ends_is_cancelled_at_the_limit():
    with Daemon(target("never", "never", interval="1s") + target("ok"), settings={"shutdown_timeout": "1s"}) as d:
        d.wait_ready()
        in_flight(d)
        d.wait_results(lambda all: len(all) > 3, "results")
        with leaves_nobody(d):
            began = time.monotonic()
            d.stop()
            took = time.monotonic() - began
        assert 0.9 < took < 4, took
        never = [r for r in d.results() if r["target"] == "never"]
        assert [(r["outcome"], r["reason"]) for r in never] == [("unknown", "cancelled")], never
        assert d.logged("probes cancelled"), d.log[-3:]
        assert not d.logged("worker died", **{"in driver": "."}), d.log[-5:]


def a_probe_of_a_removed_target_is_cancelled_too():
    with Daemon(target("never", "never", interval="1s"), settings={"shutdown_timeout": "500ms"}) as d:
        d.wait_ready()
        in_flight(d)
        d.configure(target("ok"))
        d.reload()
        d.wait_log("configuration in force", count=2)
        with leaves_nobody(d):
            d.stop()
        never = [r for r in d.results() if r["target"] == "never"]
        assert [(r["outcome"], r["reason"]) for r in never] == [("unknown", "cancelled")], never


def a_thread_that_does_not_return_holds_nobody_up():
    conf = target("block", "sleep", driver="fxblock", interval="1s", timeout="500ms", delay="90s")
    with Daemon(conf, settings={"shutdown_timeout": "1s"}) as d:
        d.wait_ready()
        d.wait_results(lambda all: len(all) >= 1, "a timeout")
        with leaves_nobody(d):
            began = time.monotonic()
            d.stop()
        assert time.monotonic() - began < 5, time.monotonic() - began


def a_second_signal_ends_it_at_once():
    with Daemon(target("never", "never", interval="1s"), settings={"shutdown_timeout": "60s"}) as d:
        d.wait_ready()
        in_flight(d)
        with leaves_nobody(d):
            d.process.send_signal(signal.SIGTERM)
            d.wait_log("ending")
            began = time.monotonic()
            d.process.send_signal(signal.SIGINT)
            d.stop(expect=1)
            assert time.monotonic() - began < 3
        assert d.logged("ending at once")


def nobody_outlives_a_killed_core():
    with Daemon(target("ok") + target("never", "never") + target("block", "sleep", driver="fxblock", delay="90s")) as d:
        d.wait_ready()
        d.wait_results(lambda all: len(all) > 3, "results")
        with leaves_nobody(d):
            d.process.kill()
            d.stop(expect=-signal.SIGKILL)


def nobody_outlives_a_start_that_is_broken_off():
    for _ in range(5):
        with Daemon(target("ok")) as d:
            pids = until(lambda: family(d), "a first child")
            d.process.send_signal(signal.SIGTERM)
            status = d.process.wait(30)
            assert status in (0, -signal.SIGTERM), status
            until(lambda: not any(alive(p) for p in pids), "children to end", 5)
            d.stop(expect=status)


def no_target_at_all():
    with Daemon() as d:
        d.wait_ready()
        assert d.logged("nothing to probe")
        assert d.metric("probed_targets") == 0
        d.configure(target("a"))
        d.reload()
        d.wait_results(lambda all: len(all) > 3, "results of the first target")
        d.configure("")
        d.reload()
        d.wait_log("configuration in force", count=3)
        until(lambda: not d.children("worker"), "workers to end")


def systemd_is_told():
    with folder() as tmp:
        path = os.path.join(tmp, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(30)
            seen = []

            def wait(line):
                while line not in seen:
                    seen.extend(s.recv(4096).decode().split("\n"))

            with Daemon(target("a"), env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"}) as d:
                wait("READY=1")
                wait("WATCHDOG=1")
                del seen[:]
                d.reload()
                wait("RELOADING=1")
                usec = int([x for x in seen if x.startswith("MONOTONIC_USEC=")][0].split("=")[1])
                assert abs(usec / 1e6 - time.monotonic()) < 30, usec
                wait("READY=1")
                assert seen.index("READY=1") > seen.index("RELOADING=1"), seen
                del seen[:]
                d.stop()
                wait("STOPPING=1")
                assert "READY=1" not in seen[seen.index("STOPPING=1"):], seen


def a_service_that_can_not_start_stops_nothing():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        conf = "[service second]\ndriver = web\nlisten = 127.0.0.1:%d\n" % taken.getsockname()[1]
        with folder() as tmp, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            path = os.path.join(tmp, "notify")
            s.bind(path)
            s.settimeout(30)
            with Daemon(conf + target("a"), env={"NOTIFY_SOCKET": path}) as d:
                d.wait_results(lambda all: len(all) > 3, "results")
                assert d.logged("service can't start", service="second"), d.log
                while b"READY=1" not in s.recv(4096):
                    pass
                assert d.get("/readyz")[0] == 503
                assert d.metric("probed_service_up", service="second") == 0
                assert d.metric("probed_service_up", service="web") == 1


def every_line_of_the_log_is_json():
    with Daemon(target("a") + target("b", "fail"), settings={"log_level": "debug"}) as d:
        d.wait_ready()
        d.wait_log("outcome changed", target="b")
        d.stop()
        for e in d.log:
            assert e["level"] in ("debug", "info", "warning", "error"), e
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["time"]), e
            assert e["who"] and e["message"], e
        assert {"core", "recorder"} <= {e["who"] for e in d.log} | {"recorder"}


def every_line_of_the_log_is_text():
    with Daemon(target("b", "fail"), settings={"log_format": "text"}) as d:
        d.wait_ready()
        until(lambda: any("outcome changed" in e["message"] for e in d.log), "a change")
        d.stop()
        lines = [e["message"] for e in d.log]
        for line in lines:
            assert re.match(r"\S+ +(debug|info|warning|error) ", line) or re.match(r"(<\d>)?\S+", line), line
        change = [x for x in lines if "outcome changed" in x][0]
        assert "target=b" in change and "to=fail" in change, change


def the_log_level_holds():
    for level, told in (("error", False), ("info", True)):
        with Daemon(target("b", "fail"), settings={"log_level": level}) as d:
            d.wait_ready()
            d.wait_results(lambda all: len(all) > 3, "results")
            d.stop()
            assert bool(d.logged("outcome changed")) == told, d.log


def it_ends_by_itself_when_told():
    d = Daemon(target("a"), args=("--for", "1500ms"))
    with d:
        began = time.monotonic()
        assert d.process.wait(30) == 0
        assert time.monotonic() - began < 8
        d.stop()
        assert len(d.results()) > 3


def the_core_does_not_grow():
    names = ["t%03d" % i for i in range(50)]
    conf = ["".join(target(n, "sub", interval="1s", text="%d" % k) for n in names[k * 5:]) for k in range(2)]
    with Daemon(conf[0]) as d:
        d.wait_ready()

        def reloads(n):
            for i in range(n):
                before = d.metrics()["probed_reloads_total"]
                d.configure(conf[(i + 1) % 2])
                d.reload()
                until(lambda: d.metrics()["probed_reloads_total"] > before, "the reload")
        reloads(RELOADS // 4)
        before, fds = pss_kb(d.process.pid), d.fds()
        reloads(RELOADS)
        until(lambda: d.fds() <= fds, "descriptors to be as before: %d" % fds)
        after = pss_kb(d.process.pid)
        if not SANITIZED:
            assert after < before + 2000, "%d KB before, %d KB after" % (before, after)


if __name__ == "__main__":
    run(a_slow_probe_under_way_gets_its_result, a_probe_that_never_ends_is_cancelled_at_the_limit,
        a_probe_of_a_removed_target_is_cancelled_too, a_thread_that_does_not_return_holds_nobody_up,
        a_second_signal_ends_it_at_once, nobody_outlives_a_killed_core, nobody_outlives_a_start_that_is_broken_off,
        no_target_at_all, systemd_is_told, a_service_that_can_not_start_stops_nothing, every_line_of_the_log_is_json,
        every_line_of_the_log_is_text, the_log_level_holds, it_ends_by_itself_when_told, the_core_does_not_grow)
