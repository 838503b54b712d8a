#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a reload moves: workers that end with probes under way, targets that change their driver, new plugins."""
import os
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import FIXTURES, PLUGINS, PROBED, Daemon, Skip, alive, run, status_of, until


def target(name, do="ok", driver="fx", interval="100ms", **options):
    more = "".join("%s = %s\n" % kv for kv in options.items())
    return "[target %s]\ndriver = %s\ninterval = %s\ntimeout = 10s\ndo = %s\n%s" % (name, driver, interval, do, more)


def probes_of_a_retired_worker_that_dies_run_elsewhere():
    conf = "".join(target("s%d" % i, "slow", interval="5s", delay="4s") for i in range(16))
    with Daemon(conf, settings={"log_level": "debug"}) as d:
        d.wait_ready()
        until(lambda: d.metric("probed_worker_in_flight", worker="1") >= 2, "slow probes in the second worker")
        d.settings["workers"] = "1"
        d.configure(conf)
        d.reload()
        d.wait_log("configuration in force", count=2)
        os.kill(int(d.logged("worker started", worker=r"net\.1")[0]["pid"]), signal.SIGKILL)
        until(lambda: d.metric("probed_probes_resent_total") >= 1, "probes to be sent again")
        d.wait_results(lambda all: {r["target"] for r in all} == {"s%d" % i for i in range(16)},
                       "a result of each slow one")
        bad = [r for r in d.results() if r["outcome"] != "ok"]
        assert not bad, bad[:3]


def a_target_may_change_its_driver():
    with Daemon(target("a", "sub") + target("b", "facts")) as d:
        d.wait_ready()
        d.wait_results(lambda all: sum(r["target"] == "a" for r in all) >= 9, "results")
        assert any('sub="ipv6"' in k for k in d.metrics())
        for round in range(3):
            d.configure("".join("[target %s]\ndriver = tcp\ninterval = 100ms\nhost = 127.0.0.1\nport = %d\n" % (n, d.port)
                                for n in "ab"))
            d.reload()
            d.wait_log("configuration in force", count=2 + 2 * round)
            d.wait_results(lambda all: all[-1]["driver"] == "tcp" and all[-1]["outcome"] == "ok", "tcp's results")
            d.wait_results(lambda all: all[-1]["driver"] == "tcp", "tcp's results")
            m = d.metrics()
            assert not any('sub="ipv6"' in k for k in m), [k for k in m if "sub=" in k]
            d.configure(target("a", "sub") + target("b", "facts"))
            d.reload()
            d.wait_log("configuration in force", count=3 + 2 * round)
            d.wait_results(lambda all: all[-1]["driver"] == "fx", "fx's results")
            d.metrics()
        for r in d.results():
            assert r["outcome"] in ("ok", "fail"), r
            assert r["driver"] == "fx" or "status" not in r["facts"], r


def an_isolated_plugin_with_raw_sockets_keeps_the_right():
    if not int(status_of(os.getpid(), "CapEff"), 16) >> 13 & 1:
        raise Skip("needs CAP_NET_RAW")
    conf = "[target p]\ndriver = icmp\nhost = 127.0.0.1\ninterval = 100ms\ntimeout = 1s\n" + target("x")
    with Daemon("[plugin icmp]\nisolate = yes\n" + conf) as d:
        d.wait_ready()
        d.wait_results(lambda all: sum(r["target"] == "p" for r in all) >= 2, "pings")
        bad = [r for r in d.results() if r["outcome"] != "ok"]
        assert not bad, bad[0]
        raw = [int(status_of(pid, "CapEff"), 16) >> 13 & 1 for pid in d.children("worker")]
        assert sorted(raw) == [0, 0, 1], raw


def a_plugin_that_came_with_a_reload_is_known_everywhere():
    d = Daemon(start=False)
    own = os.path.join(d.tmp, "plugins")
    os.mkdir(own, 0o755)
    d.settings["plugin_path"] = PLUGINS + ":" + own
    tcp = "[target t]\ndriver = tcp\ninterval = 100ms\nhost = 127.0.0.1\nport = %d\n" % d.port
    d.configure(tcp)
    d.start()
    with d:
        d.wait_ready()
        d.wait_results(lambda all: len(all) >= 3, "first results")
        recorder = d.children("recorder")
        shutil.copy(os.path.join(FIXTURES, "fixture.so"), own)
        d.configure(tcp + target("n", "facts"))
        d.reload()
        d.wait_log("configuration in force", count=2)
        d.wait_results(lambda all: any(r["target"] == "n" for r in all), "the new driver")
        assert d.children("recorder") == recorder
        so = os.path.join(own, "fixture.so")  # replaced by itself: the recorder too must take the new file
        shutil.copy(so, so + ".new")
        os.rename(so + ".new", so)
        d.reload()
        d.wait_log("configuration in force", count=3)
        until(lambda: d.children("recorder") not in ([], recorder), "a new recorder")
        n = len(d.results())
        d.wait_results(lambda all: len(all) > n + 20, "results after it")
        until(lambda: not alive(recorder[0]), "the old recorder to end")
        d.stop()
        assert all(r["facts"] for r in d.results() if r["target"] == "n"), "facts without names"
        assert not d.logged("recorder died")
        seqs = sorted(int(r["id"].split("-")[1]) for r in d.results())
        assert seqs == list(range(1, len(seqs) + 1)), "results were lost or doubled"


def a_driver_may_move_to_another_folder():
    d = Daemon(start=False)
    folders = [os.path.join(d.tmp, n) for n in ("one", "two")]
    for f in folders:
        os.mkdir(f, 0o755)
        shutil.copy(os.path.join(FIXTURES, "fixture.so"), f)
    d.settings["plugin_path"] = PLUGINS + ":" + folders[0]
    d.configure(target("a"))
    d.start()
    with d:
        d.wait_ready()
        before = d.children("worker")
        d.settings["plugin_path"] = PLUGINS + ":" + folders[1]
        d.configure(target("a"))
        d.reload()
        d.wait_log("configuration in force", count=2)
        until(lambda: not set(before) & set(d.children("worker")), "new workers")

        def mapped():
            maps = ""
            for pid in d.children("worker"):
                with open("/proc/%d/maps" % pid) as f:
                    maps += f.read()
            return folders[1] in maps and folders[0] not in maps
        until(mapped, "the workers to have the other file")
        n = len(d.results())
        d.wait_results(lambda all: len(all) > n + 5, "results after it")
        d.stop()
        assert all(r["outcome"] == "ok" for r in d.results())


def the_log_level_reaches_the_children():
    with Daemon(target("a"), settings={"log_level": "debug"}) as d:
        d.wait_ready()
        d.settings["log_level"] = "error"
        d.configure(target("a"))
        d.reload()
        until(lambda: d.metrics()["probed_reloads_total"] == 1, "the reload")
        n = len(d.results())
        d.wait_results(lambda all: len(all) > n + 5, "results after it")
        lines = len(d.log)
        d.settings["log_level"] = "debug"
        d.configure(target("a") + target("refusing", "wrongfact"))
        d.reload()
        until(lambda: any(e.get("who", "").startswith("worker") for e in d.log[lines:]), "a worker's line")


def a_hangup_at_the_very_start_does_not_end_it():
    for _ in range(3):
        d = Daemon(target("a"), start=False)
        d.start()
        with d:
            with open("/proc/%d/cmdline" % d.process.pid) as f:
                until(lambda: "probed" in f.read() or f.seek(0), "exec")
            until(lambda: int(status_of(d.process.pid, "SigBlk"), 16) & 1 or d.log, "the daemon to begin")
            for _ in range(5):
                d.reload()
            d.wait_ready()


def closed_standard_descriptors_do_no_harm():
    d = Daemon(target("a"), start=False)
    d.log, d._read, d.stopped = [], 0, False
    d.process = p = subprocess.Popen([PROBED, "-c", d.ini], preexec_fn=lambda: [os.close(n) for n in (0, 1, 2)])
    try:
        d.wait_ready()
        d.wait_results(lambda all: len(all) >= 5, "results")
        for n in (0, 1, 2):
            assert os.readlink("/proc/%d/fd/%d" % (p.pid, n)) == "/dev/null"
        p.send_signal(signal.SIGTERM)
        assert p.wait(30) == 0
    finally:
        p.kill()
        p.wait()
        shutil.rmtree(d.tmp, ignore_errors=True)


def a_page_under_way_does_not_end_its_service_at_a_reload():
    label = "labels.long = %s\n" % ("x" * 400)
    conf = "".join("[target t%05d]\ndriver = fx\ninterval = 20s\n%s" % (i, label) for i in range(7000))
    with Daemon(conf) as d:
        d.wait_ready()
        d.wait_results(lambda all: len(all) > 100, "results")
        with socket.create_connection(("127.0.0.1", d.port)) as s:
            s.sendall(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")
            data = s.recv(1000)
            d.configure(conf + "[target more]\ndriver = fx\n")
            d.reload()
            d.wait_log("configuration in force", count=2)
            while piece := s.recv(1 << 20):  # whole, or broken off where its reader sees it
                data += piece
        assert b'target="more"' not in data
        page = d.get("/metrics")[1]
        assert len(page) > 13 << 20, "the page is too small to show anything: %d" % len(page)
        assert 'target="more"' in page and page.count("probed_log_suppressed_total ") == 3, page[-300:]
        assert not d.logged("service died"), d.logged("service died")


if __name__ == "__main__":
    run(probes_of_a_retired_worker_that_dies_run_elsewhere, a_target_may_change_its_driver,
        an_isolated_plugin_with_raw_sockets_keeps_the_right,
        a_plugin_that_came_with_a_reload_is_known_everywhere, a_driver_may_move_to_another_folder,
        the_log_level_reaches_the_children, a_hangup_at_the_very_start_does_not_end_it,
        closed_standard_descriptors_do_no_harm, a_page_under_way_does_not_end_its_service_at_a_reload)
