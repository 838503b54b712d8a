#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reloads: a bad file changes nothing, a good one only what changed, and no probe is dropped or doubled."""
import csv
import datetime
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import FIXTURES, PLUGINS, Daemon, run, until, write

RELOADS = int(os.environ.get("TEST_RELOADS", "1000"))
ROWS = int(os.environ.get("TEST_ROWS", "50000"))


def targets(names, interval="100ms", extra=""):
    return "".join("[target %s]\ndriver = fx\ninterval = %s\ntimeout = 2s\ndo = ok\n%s" % (n, interval, extra) for n in names)


def due_ms(result):
    """When a probe was due, in wall milliseconds."""
    when = datetime.datetime.fromisoformat(result["time"].replace("Z", "+00:00"))
    return when.timestamp() * 1000 - result["lag_ms"]


def check_complete(results):
    """Every probe that was dispatched has its one result: the ids are 1..n."""
    seqs = sorted(int(r["id"].split("-")[1]) for r in results if not r.get("sub"))
    assert seqs == list(range(1, len(seqs) + 1)), "of %d results, missing %s, doubled %s" % (
        len(seqs), sorted(set(range(1, max(seqs) + 1)) - set(seqs))[:5], len(seqs) - len(set(seqs)))


def check_on_schedule(results, interval_ms, names):
    """Due times of each target are one interval apart, over all reloads."""
    by_target = {}
    for r in results:
        by_target.setdefault(r["target"], []).append(due_ms(r))
    off = []
    for name in names:
        due = sorted(by_target[name])
        off += [(abs(b - a - interval_ms), name) for a, b in zip(due, due[1:])]
    # the wall time is read next to the monotonic one, not with it: a busy machine may come between now and then
    assert max(off)[0] < interval_ms / 4, max(off)
    assert sum(ms < 3 for ms, _ in off) > 0.98 * len(off), sorted(off)[-10:]


def a_bad_file_leaves_the_old_one_in_force():
    with Daemon(targets(["a", "b"])) as d:
        d.wait_ready()
        d.configure(targets(["a", "b"]) + "[target c]\ndriver = fx\nintervall = 1s\n")
        d.reload()
        d.wait_log("configuration refused, the one before stays in force")
        assert d.logged("configuration", problem=r"probed.ini:\d+: \[target c\] intervall: .*did you mean \"interval\"")
        os.unlink(d.ini)
        d.reload()
        d.wait_log("configuration refused, the one before stays in force", count=2)
        n = len(d.results())
        d.wait_results(lambda all: len(all) > n + 10, "probing to go on")
        assert d.metric("probed_reloads_failed_total") == 2
        assert d.metric("probed_targets") == 2


def a_target_that_its_driver_refuses_is_found_before():
    with Daemon(targets(["a"])) as d:
        d.wait_ready()
        d.configure(targets(["a"]) + "[target c]\ndriver = tcp\nhost = 127.0.0.1\nport = 1\ndialogue.1 = sned x\n")
        d.reload()
        d.wait_log("configuration refused, the one before stays in force")
        assert d.logged("configuration", problem=r"target c.*dialogue"), d.log[-3:]
        assert len(d.children("worker")) == 2


def only_what_changed_is_touched():
    with Daemon(targets(["a", "b", "c"])) as d:
        d.wait_ready()
        d.wait_results(lambda all: len(all) >= 9, "some results")
        workers = d.children("worker")
        d.configure(targets(["a"]) + targets(["b"], interval="50ms") + targets(["d"]))
        d.reload()
        line = d.wait_log("configuration in force", count=2)[-1]
        assert (line["added"], line["removed"], line["changed"]) == ("1", "1", "1"), line
        assert (line["new"], line["gone"], line["other"]) == ("d", "c", "b"), line
        d.wait_results(lambda all: sum(r["target"] == "d" for r in all) >= 5, "the new target")
        assert d.children("worker") == workers
        check_on_schedule(d.results(), 100, ["a"])
        d.stop()
        check_complete(d.results())


def a_thousand_reloads_under_load():
    names = ["t%03d" % i for i in range(500)]
    good = [targets(names, "500ms"), targets(names + ["extra"], "500ms")]
    with Daemon(good[0]) as d:
        d.wait_ready()
        d.wait_results(lambda all: len(all) >= 100, "first results")
        workers = d.children("worker")
        done = {"good": 0, "bad": 0}
        for i in range(RELOADS):
            if i % 2:
                d.configure(good[0] + "[target broken\n")
                done["bad"] += 1
            else:
                d.configure(good[(i // 2) % 2])
                done["good"] += 1
            d.reload()
            d.wait_count(done)
        assert d.children("worker") == workers
        assert d.metric("probed_probes_missed_total") == 0
        d.stop()
        assert all(r["outcome"] == "ok" for r in d.results()), [r for r in d.results() if r["outcome"] != "ok"][:3]
        check_complete(d.results())
        check_on_schedule(d.results(), 500, names)


def one_row_of_fifty_thousand_changes():
    rows = [["r%05d" % i, "ok"] for i in range(ROWS)]

    def save(path):
        with open(path + ".new", "w", newline="") as f:
            csv.writer(f).writerows([["name", "do"]] + rows)
        os.rename(path + ".new", path)

    d = Daemon(start=False)
    path = os.path.join(d.tmp, "rows.csv")
    save(path)
    d.configure("[target set]\ndriver = fx\ninterval = 60s\ntargets_from = %s\n" % path)
    d.start()
    with d:
        d.wait_ready()
        assert d.metric("probed_targets") == ROWS
        d.wait_results(lambda all: len(all) >= 100, "first results")
        workers = d.children("worker")
        for i in range(5):
            rows[i * 7][1] = "fail"
            save(path)
            line = d.wait_log("configuration in force", count=2 + i)[-1]
            assert (line["added"], line["removed"], line["changed"]) == ("0", "0", "1"), line
        assert d.children("worker") == workers
        assert d.metric("probed_worker_restarts_total") == 0
        assert d.metric("probed_probes_missed_total") == 0
        n = len(d.results())
        d.wait_results(lambda all: len(all) >= n + 1000, "more results")
        lag = max(r["lag_ms"] for r in d.results())
        assert lag < 2000, lag
        d.stop()
        check_complete(d.results())


def a_replaced_plugin_is_taken_without_loss():
    d = Daemon(start=False)
    own = os.path.join(d.tmp, "plugins")
    os.mkdir(own, 0o755)
    so = os.path.join(own, "fixture.so")
    shutil.copy(os.path.join(FIXTURES, "fixture.so"), so)
    d.settings["plugin_path"] = PLUGINS + ":" + own
    d.configure(targets(["a", "b", "c", "d"]))
    d.start()
    with d:
        d.wait_ready()
        d.wait_results(lambda all: len(all) >= 20, "first results")
        before = d.children("worker")
        shutil.copy(so, so + ".new")
        os.rename(so + ".new", so)
        d.reload()
        d.wait_log("configuration in force", count=2)
        until(lambda: not set(before) & set(d.children("worker")) and len(d.children("worker")) == 2, "new workers")
        n = len(d.results())
        d.wait_results(lambda all: len(all) >= n + 40, "results after it")
        d.stop()
        assert all(r["outcome"] == "ok" for r in d.results())
        check_complete(d.results())


def the_number_of_workers_changes():
    names = ["t%02d" % i for i in range(40)]
    with Daemon(targets(names)) as d:
        d.wait_ready()
        for workers in (4, 1, 3):
            d.settings["workers"] = str(workers)
            d.configure(targets(names))
            d.reload()
            until(lambda: len(d.children("worker")) == workers, "%d workers" % workers)
            n = len(d.results())
            d.wait_results(lambda all: len(all) >= n + 200, "results after it")
        d.stop()
        assert all(r["outcome"] == "ok" for r in d.results()), [r for r in d.results() if r["outcome"] != "ok"][:3]
        check_complete(d.results())


def a_reload_reopens_sinks():
    with Daemon(targets(["a"])) as d:
        d.wait_ready()
        d.wait_results(lambda all: len(all) >= 3, "first results")
        os.rename(d.results_path, d.results_path + ".1")
        d.reload()
        d._read = 0
        d.wait_results(lambda all: len(all) >= 10, "results in the new file")


if __name__ == "__main__":
    run(a_bad_file_leaves_the_old_one_in_force, a_target_that_its_driver_refuses_is_found_before,
        only_what_changed_is_touched, a_thousand_reloads_under_load, one_row_of_fifty_thousand_changes,
        a_replaced_plugin_is_taken_without_loss, the_number_of_workers_changes, a_reload_reopens_sinks)
