#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A sink with on_full = wait: nothing is dropped while there is room on the way, the core probes on with bounded memory,
and a reload gets through."""
import json
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SANITIZED, Daemon, folder, run, until

FAST = "[target a]\ndriver = fx\ninterval = 2ms\ntimeout = 2s\ndo = ok\n"


class Reader:
    """Keeps a FIFO open, and reads it once told to."""

    def __init__(self, path):
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # so that the sink can open it
        self.path, self.pieces = path, []

    def begin(self):
        self.thread = threading.Thread(target=self._read, daemon=True)
        os.set_blocking(self.fd, True)
        self.thread.start()

    def _read(self):
        while True:
            self.pieces.append(os.read(self.fd, 1 << 20))

    def records(self):
        data = b"".join(self.pieces)
        return [json.loads(x) for x in data[:data.rfind(b"\n") + 1].splitlines()]


def sink(path, more):
    return "[sink slow]\ndriver = jsonl\npath = %s\nbuffer = 4KiB\n%s" % (path, more)


def nothing_is_dropped_and_probing_goes_on():
    with folder() as tmp:
        reader = Reader(os.path.join(tmp, "fifo"))
        with Daemon(FAST + sink(reader.path, "queue = 64\non_full = wait\n")) as d:
            d.wait_ready()
            until(lambda: d.metrics()['probed_sink_holding{sink="slow"}'] == 1, "the sink to hold")
            assert d.metrics()['probed_sink_queue_max{sink="slow"}'] == 64
            d.wait_log("sink is too slow: its queue is full, and all sinks wait for it", sink="slow")
            count = d.metric("probed_results_total")
            until(lambda: d.metric("probed_results_total") > count + 1000, "probing to go on")
            assert d.metric("probed_sink_dropped_total") == 0 and d.metric("probed_records_dropped_total") == 0
            reader.begin()
            until(lambda: d.metrics()['probed_sink_holding{sink="slow"}'] == 0, "the sink to catch up")
            until(lambda: len(reader.records()) > count + 1000, "the records")
            d.stop()
            assert not d.logged("recorder died"), d.log[-5:]
            last = d.results()
            until(lambda: len(reader.records()) >= len(last), "all records")
            assert reader.records() == last


def a_sink_that_drops_holds_nobody_up():
    with folder() as tmp:
        reader = Reader(os.path.join(tmp, "fifo"))
        with Daemon(FAST + sink(reader.path, "queue = 64\n")) as d:
            d.wait_ready()
            until(lambda: d.metric("probed_sink_dropped_total", sink="slow") > 500, "drops")
            m = d.metrics()
            assert m['probed_sink_holding{sink="slow"}'] == 0 and m['probed_sink_dropped_total{sink="out"}'] == 0
            reader.begin()  # or the end would have to wait for it


def a_reload_gets_through():
    with folder() as tmp:
        reader = Reader(os.path.join(tmp, "fifo"))
        with Daemon(FAST + sink(reader.path, "queue = 64\non_full = wait\n")) as d:
            d.wait_ready()
            until(lambda: d.metrics()['probed_sink_holding{sink="slow"}'] == 1, "the sink to hold")
            d.configure(FAST)
            d.reload()
            d.wait_log("configuration in force", count=2)
            count = len(d.results())
            d.wait_results(lambda all: len(all) > count + 200, "results in the other sink")
            assert not [k for k in d.metrics() if 'sink="slow"' in k]


def beyond_the_bound_it_is_dropped_and_counted():
    text = "x" * 3500
    many = "".join("[target t%d]\ndriver = fx\ninterval = 8ms\ntimeout = 2s\ndo = echo\ntext = %s\n" % (n, text) for n in range(24))
    with folder() as tmp:
        reader = Reader(os.path.join(tmp, "fifo"))
        with Daemon(many + sink(reader.path, "queue = 64\non_full = wait\n"), sink=False) as d:
            d.wait_ready()
            until(lambda: d.metric("probed_records_dropped_total") > 2000, "the core to drop")
            d.wait_log("recorder does not keep up: records are dropped", why="on_full = wait")
            assert d.metric("probed_recorder_queue_bytes") <= 33 << 20
            before = d.metric("probed_resident_memory_bytes")
            dropped = d.metric("probed_records_dropped_total")
            until(lambda: d.metric("probed_records_dropped_total") > dropped + 10000, "many more drops")
            if not SANITIZED:
                assert d.metric("probed_resident_memory_bytes") < before + (12 << 20), "memory grows"
            reader.begin()
            until(lambda: d.metrics()['probed_sink_holding{sink="slow"}'] == 0, "the sink to catch up")
            dropped = d.metric("probed_records_dropped_total")
            count = d.metric("probed_results_total")
            until(lambda: d.metric("probed_results_total") > count + 2000, "more results")
            assert d.metric("probed_records_dropped_total") == dropped, "drops on"


if __name__ == "__main__":
    run(nothing_is_dropped_and_probing_goes_on, a_sink_that_drops_holds_nobody_up, a_reload_gets_through,
        beyond_the_bound_it_is_dropped_and_counted)
