#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sinks that fail: it is told and counted, tried again, and stops nothing."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, Skip, folder, run, until

CONF = "[target a]\ndriver = fx\ninterval = 50ms\ntimeout = 2s\ndo = ok\n"


def sink(name, path):
    return "[sink %s]\ndriver = jsonl\npath = %s\n" % (name, path)


def lines_of(path):
    with open(path) as f:
        return [json.loads(x) for x in f]


def goes_on(d, n=20):
    count = len(d.results())
    d.wait_results(lambda all: len(all) >= count + n, "results in the healthy sink")
    assert all(r["outcome"] == "ok" for r in d.results())


def two_sinks_get_the_same():
    with folder() as tmp:
        other = os.path.join(tmp, "other.jsonl")
        with Daemon(CONF + sink("other", other)) as d:
            d.wait_ready()
            goes_on(d)
            d.stop()
            assert lines_of(other) == d.results()


def a_full_device_is_told_and_counted():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    with Daemon(CONF + sink("full", "/dev/full")) as d:
        d.wait_ready()
        until(lambda: d.metric("probed_sink_failed_total", sink="full") > 0 or
              d.metric("probed_sink_dropped_total", sink="full") > 0 or
              d.metrics().get('probed_sink_healthy{sink="full"}') == 0, "the failure in the metrics")
        told = until(lambda: [e for e in d.log if "No space left on device" in json.dumps(e)], "the failure in the log")
        assert "full" in json.dumps(told[0]), told
        goes_on(d)
        m = d.metrics()
        assert m['probed_sink_healthy{sink="full"}'] == 0 and m['probed_sink_healthy{sink="out"}'] == 1
        assert m['probed_sink_failed_total{sink="out"}'] == 0
        assert m["probed_recorder_restarts_total"] == 0


def a_full_disk_is_written_again_when_it_has_room():
    with folder() as tmp:
        disk = os.path.join(tmp, "disk")
        os.mkdir(disk)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], stderr=subprocess.DEVNULL)
        if done.returncode:
            raise Skip("can't mount a tmpfs")
        try:
            ballast = os.path.join(disk, "ballast")
            with open(ballast, "wb") as f:
                f.write(b"x" * (60 << 10))
            path = os.path.join(disk, "r.jsonl")
            with Daemon(CONF + sink("small", path)) as d:
                d.wait_ready()
                until(lambda: d.metrics().get('probed_sink_healthy{sink="small"}') == 0, "the disk to be full")
                goes_on(d, 5)
                os.unlink(ballast)
                until(lambda: d.metrics().get('probed_sink_healthy{sink="small"}') == 1, "the sink to recover")
                d.stop()
                assert lines_of(path), "no whole line was written"
        finally:
            subprocess.run(["umount", "-l", disk], check=False)


def an_unwritable_path_is_told_and_tried_again():
    with folder() as tmp:
        parent = os.path.join(tmp, "later")
        with Daemon(CONF + sink("lost", os.path.join(parent, "r.jsonl"))) as d:
            d.wait_ready()
            told = until(lambda: [e for e in d.log if "lost" in json.dumps(e) and "No such file" in json.dumps(e)], "the failure in the log")
            assert parent in json.dumps(told[0]), told[0]
            goes_on(d, 5)
            os.mkdir(parent)
            until(lambda: d.metrics().get('probed_sink_healthy{sink="lost"}') == 1, "another try")
            until(lambda: os.path.exists(os.path.join(parent, "r.jsonl")) and lines_of(os.path.join(parent, "r.jsonl")), "records")
            assert len([e for e in d.log if "No such file" in json.dumps(e)]) < 10, "told too often"


def a_killed_recorder_is_replaced():
    with Daemon(CONF) as d:
        d.wait_ready()
        for round in range(3):
            goes_on(d, 5)
            pid = d.children("recorder")[0]
            os.kill(pid, signal.SIGKILL)
            until(lambda: d.children("recorder") not in ([], [pid]), "a new recorder")
            assert d.wait_log("recorder died", count=round + 1)
        goes_on(d)
        assert d.metric("probed_recorder_restarts_total") == 3
        assert d.metric("probed_worker_restarts_total") == 0
        d.stop()
        ids = [r["id"] for r in d.results()]
        assert len(ids) == len(set(ids)), "doubled"


if __name__ == "__main__":
    run(two_sinks_get_the_same, a_full_device_is_told_and_counted, a_full_disk_is_written_again_when_it_has_room,
        an_unwritable_path_is_told_and_tried_again, a_killed_recorder_is_replaced)
