#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plans against real servers: what was asked for arrives when it was asked for, what can't be sent is counted, and our own
lateness or a server's stall is never hidden."""
import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, PLUGINS, SANITIZED, Daemon, folder, run, until, write

PROBECTL = os.path.join(BUILD, "probectl")
STAMPD = os.path.join(BUILD, "tests/system/stampd")
SLOWER = 10 if SANITIZED else 1  # a sanitizer build takes a tenth of the rates


class Stamps:
    """stampd: an HTTP server that stamps arrivals."""

    def __init__(self, tmp, *args):
        self.file = os.path.join(tmp, "stamps.%d" % len(os.listdir(tmp)))
        self.process = subprocess.Popen([STAMPD, *args, self.file], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = "http://127.0.0.1:%d/" % self.port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        """[(ns, path)] in the order of arrival."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        with open(self.file) as f:
            return [(int(ns), path) for ns, path in (line.split() for line in f)]


HEAD = "[probed]\nplugin_path = %s\n\n" % PLUGINS


def probectl(tmp, config, *args, report=True, ok=(0,), timeout=180):
    """Exit status, and the JSON report of a run in the foreground."""
    path = write(os.path.join(tmp, "probed.ini"), HEAD + config)
    out = os.path.join(tmp, "report.json")
    extra = ("--report", "json:" + out) if report else ()
    done = subprocess.run([PROBECTL, "run", path, *args, *extra], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout)
    assert done.returncode in ok, "exit %d\n%s%s" % (done.returncode, done.stdout, done.stderr)
    if not report:
        return done
    with open(out) as f:
        return done.returncode, json.load(f)["plans"][0]


def target(name, url, more=""):
    return "[target %s]\ndriver = http\nurl = %s\nreuse = yes\nmonitor = no\n%s\n\n" % (name, url, more)


def percentile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


# --- rates ----------------------------------------------------------------------------------------


def arrivals_follow_the_schedule():
    """Uniform rates: the count is exact, achieved is asked, and each arrives near its own time."""
    for rate, seconds in ((20, 5), (1000 // SLOWER, 10)):
        with folder() as tmp, Stamps(tmp) as server:
            _, plan = probectl(tmp, target("t", server.url) + "[plan p]\nrun = one t\npace = rate %d/s for %ds\nslack = 0s\ninflight = 20000\n" % (rate, seconds))
            stamps = [ns for ns, _ in server.end()]
            n = rate * seconds
            assert len(stamps) == n, (len(stamps), n)
            assert abs(plan["achieved_rate"] / plan["asked_rate"] - 1) < 0.001, (plan["asked_rate"], plan["achieved_rate"])
            late = [(ns - stamps[0]) - k * 1e9 / rate for k, ns in enumerate(stamps)]
            first = percentile(late, 0.1)
            print("# %d/s: arrived %.4f/s; off its time p50 %.3f ms, p99 %.3f ms" % (
                rate, (n - 1) * 1e9 / (stamps[-1] - stamps[0]), (percentile(late, 0.5) - first) / 1e6,
                (percentile(late, 0.99) - first) / 1e6))
            assert abs(percentile(late, 0.5) - first) < 20e6, "half of them came late"


def a_ramp_has_the_area_under_it():
    with folder() as tmp, Stamps(tmp) as server:
        probectl(tmp, target("t", server.url) + "[plan p]\nrun = one t\npace = rate 10/s ramp 2s:90/s hold 1s ramp 2s:0/s\n")
        stamps = [ns for ns, _ in server.end()]
        assert abs(len(stamps) - (100 + 90 + 90)) <= 1, len(stamps)


def picks_follow_their_weights():
    with folder() as tmp, Stamps(tmp) as server:
        probectl(tmp, target("a", server.url + "a") + target("b", server.url + "b") + target("c", server.url + "c") +
                 "[plan p]\nrun = pick a:6 b:3 c\npace = rate 400/s for 5s\n")
        counts = collections.Counter(path for _, path in server.end())
        assert sum(counts.values()) == 2000
        chi2 = sum((counts["/" + name] - 2000 * share) ** 2 / (2000 * share) for name, share in (("a", .6), ("b", .3), ("c", .1)))
        assert chi2 < 18.4, (counts, chi2)  # 1 in 10,000


# --- honesty --------------------------------------------------------------------------------------


def a_stall_shows_in_latency_and_not_in_service():
    """The server stands still for 2 s at 1,000/s; ten at a time are let through, the others wait at the gate."""
    rate = 1000 // SLOWER
    with folder() as tmp, Stamps(tmp, "--stall", "4000:2000") as server:
        _, plan = probectl(tmp, target("t", server.url, "inflight = 10\ntimeout = 10s") +
                           "[plan p]\nrun = one t\npace = rate %d/s for 10s\ninflight = 10000\n" % rate)
        step = plan["steps"][0]
        assert step["latency_ms"]["p99"] > 1500, step["latency_ms"]
        assert step["service_ms"]["p99"] < 300, step["service_ms"]
        assert len(server.end()) == rate * 10


def a_full_house_is_counted_as_dropped():
    """Open plans keep their schedule: with `inflight` full the probe is dropped, and the report says what held it back."""
    with folder() as tmp, Stamps(tmp, "--stall", "1000:2000") as server:
        code, plan = probectl(tmp, target("t", server.url, "timeout = 10s") +
                              "[plan p]\nrun = one t\npace = rate 100/s for 4s\ninflight = 10\nrequire.1 = dropped count == 0\n", ok=(1,))
        assert code == 1
        dropped = plan["dropped_by"]["inflight"]
        assert dropped > 150, dropped
        assert len(server.end()) + dropped == 400
        assert "inflight" in plan["held_back"], plan["held_back"]


def what_is_sent_ahead_takes_no_place():
    with folder() as tmp, Stamps(tmp) as server:
        _, plan = probectl(tmp, target("t", server.url) + "[plan p]\nrun = one t\npace = rate 40/s for 4s\ninflight = 1\n")
        assert plan["asked"] == 160 and plan["ok"] > 120, plan


def a_stalled_host_slows_no_other():
    with folder() as tmp, Stamps(tmp, "--stall", "1000:3000") as bad, Stamps(tmp) as good:
        _, plan = probectl(tmp, target("bad", bad.url, "inflight = 5\ntimeout = 1s") + target("good", good.url) +
                           "[plan p]\nrun = round bad good\npace = rate 400/s for 5s\ninflight = 2000\n")
        steps = {s["name"]: s for s in plan["steps"]}
        assert steps["good"]["ok"] == 1000, steps["good"]
        assert steps["good"]["latency_ms"]["p99"] < 250, steps["good"]["latency_ms"]
        assert steps["bad"]["ok"] < 1000


def a_killed_worker_costs_only_what_was_under_way():
    with folder() as tmp, Stamps(tmp) as server:
        path = write(os.path.join(tmp, "probed.ini"), HEAD + target("t", server.url) + "[plan p]\nrun = one t\npace = rate 500/s for 8s\n")
        out = os.path.join(tmp, "report.json")
        process = subprocess.Popen([PROBECTL, "run", path, "--report", "json:" + out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

        def workers():
            found = []
            with contextlib.suppress(OSError):
                with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as f:
                    for pid in f.read().split():
                        with open("/proc/%s/comm" % pid) as comm:
                            if comm.read().startswith("probed-worker"):
                                found.append(int(pid))
            return found

        until(workers, "a worker")
        time.sleep(3)  # into the middle of the run
        os.kill(workers()[0], signal.SIGKILL)
        assert process.wait(60) == 0
        process.stdout.close()
        with open(out) as f:
            plan = json.load(f)["plans"][0]
        arrived = len(server.end())
        # every one that was due was sent once; what was lost, which is unknown, may have arrived
        assert plan["asked"] == 4000, plan["asked"]
        assert plan["ok"] + plan["unknown"] + plan["dropped"] == 4000, plan
        assert plan["ok"] > 3900, plan["ok"]
        assert arrived >= plan["ok"]
        print("# lost %d" % plan["lost"])
        if plan["lost"]:
            assert any("worker" in e["text"] for e in plan["events"]), plan["events"]


# --- requirements ---------------------------------------------------------------------------------


def requirements_set_the_exit_status():
    with folder() as tmp, Stamps(tmp) as server:
        base = target("t", server.url) + "[plan p]\nrun = one t\npace = rate 50/s for 1s\n"
        for line, code in (("latency p95 < 5s", 0), ("latency p95 < 1ns", 1), ("errors rate < 1%", 0), ("rate >= 49/s", 0),
                           ("status max < 300", 0), ("status max < 200", 1), ("phase tls p50 < 1s", 1),
                           ("redirects max < 1", 0), ("redirects max > 0", 1)):
            got, plan = probectl(tmp, base + "require.1 = %s\n" % line, ok=(0, 1))
            assert got == code, (line, got, plan["requirements"])
        done = probectl(tmp, base + "require.1 = latencyy p95 < 1s\n", report=False, ok=(78,))
        assert "latencyy" in done.stderr and "latency" in done.stderr and ":" in done.stderr


def an_interrupted_run_reports_what_it_measured():
    with folder() as tmp, Stamps(tmp) as server:
        path = write(os.path.join(tmp, "probed.ini"), HEAD + target("t", server.url) + "[plan p]\nrun = one t\npace = rate 100/s for 1h\n")
        out = os.path.join(tmp, "report.json")
        process = subprocess.Popen([PROBECTL, "run", path, "--report", "json:" + out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        process.stdout.close()
        with open(out) as f:
            whole = json.load(f)
        plan = whole["plans"][0]
        assert whole["end"] == "interrupted" and plan["ok"] > 50, whole
        assert plan["ok"] == len(server.end())


# --- in the daemon --------------------------------------------------------------------------------


def the_daemon_runs_endless_plans_beside_monitoring():
    another_day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(time.gmtime().tm_wday + 3) % 7]
    with folder() as tmp, Stamps(tmp) as server:
        config = ("[target t]\ndriver = http\nurl = %sm\nreuse = yes\ninterval = 500ms\n\n" % server.url +
                  target("u", server.url + "u") + "[plan endless]\nrun = one u\npace = rate 50/s\n\n"
                  "[plan finite]\nrun = one u\npace = rate 50/s for 1s\n\n"
                  "[plan shut]\nrun = one u\npace = rate 50/s\nwindow = %s 00:00-00:01\n" % another_day)
        with Daemon(config) as daemon:
            daemon.wait_results(lambda results: sum(r["plan"] == "endless" for r in results) > 100, "of the endless plan")
            plans = collections.Counter(r["plan"] for r in daemon.results())
            assert plans["monitor"] >= 2 and set(plans) == {"monitor", "endless"}, plans
            metrics = daemon.metrics()
            assert any(k.startswith("probed_plan_sent_total") and 'plan="endless"' in k and v > 100 for k, v in metrics.items())
        paths = collections.Counter(path for _, path in server.end())
        assert paths["/m"] >= 2 and paths["/u"] > 100, paths


if __name__ == "__main__":
    run(arrivals_follow_the_schedule, a_ramp_has_the_area_under_it, picks_follow_their_weights,
        a_stall_shows_in_latency_and_not_in_service, a_full_house_is_counted_as_dropped,
        what_is_sent_ahead_takes_no_place, a_stalled_host_slows_no_other,
        a_killed_worker_costs_only_what_was_under_way, requirements_set_the_exit_status,
        an_interrupted_run_reports_what_it_measured, the_daemon_runs_endless_plans_beside_monitoring)
