#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The sinks influx and statsd, through the daemon, to InfluxDB itself and to sockets of the test."""
import json
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, command, folder, run, until
from receivers import HttpReceiver, UdpReceiver, get, influxd

CONF = "[target good]\ndriver = fx\ninterval = 20ms\ndo = ok\n[target odd,name=1]\ndriver = fx\ninterval = 50ms\ndo = facts\n" \
       "[target bad]\ndriver = fx\ninterval = 50ms\ndo = error\n"


def series(url, query):
    """Rows of an InfluxQL query, as dicts."""
    status, body = get(url + "/query?db=probed&epoch=ns&q=" + urllib.parse.quote(query))
    assert status == 200, body
    found = json.loads(body)["results"][0].get("series", [])
    return [dict(zip(s["columns"], row)) for s in found for row in s["values"]]


def wait_good(d, n):
    d.wait_results(lambda all: sum(r["target"] == "good" for r in all) >= n and
                   {"bad", "odd,name=1"} <= {r["target"] for r in all}, "results")


def influxdb_has_every_result():
    with folder() as tmp, influxd(tmp) as url:
        with Daemon(CONF + "[sink db]\ndriver = influx\nurl = %s/\nstrings = yes\n" % url) as d:
            d.wait_ready()
            wait_good(d, 50)
            d.stop()
            results = d.results()
            assert not d.logged("sink does not work"), d.logged("sink does not work")
        rows = series(url, "SELECT * FROM probed")
        assert len(rows) == len(results)
        by_time = {(r["target"], r["time"]): r for r in rows}
        for target, rows_of in ((t, [r for r in rows if r["target"] == t]) for t in ("good", "bad", "odd,name=1")):
            wanted = [r for r in results if r["target"] == target]
            assert len(rows_of) == len(wanted), target
            for row, r in zip(sorted(x["latency"] for x in rows_of), sorted(x["latency_ms"] for x in wanted)):
                assert abs(row * 1e3 - r) < 0.00051, target  # which is rounded to the microsecond
        assert len(by_time) == len(rows)
        bad = next(r for r in rows if r["target"] == "bad")
        assert (bad["outcome"], bad["reason"], bad["driver"], bad["plan"]) == ("error", "refused", "fx", "monitor")
        assert bad["message"] == "connection refused by the fixture"
        odd = next(r for r in rows if r["target"] == "odd,name=1")
        assert odd["took"] == 1.5 and odd["bytes"] == 1 << 20 and odd["flag"] == 1
        assert odd["text_text"] == 'caf\u00e9 "quoted"\n\ufffd' and odd["header.server_text"] == "fixture"


def an_outage_loses_nothing_that_fits():
    with HttpReceiver() as http:
        http.answer = lambda post: (503, {}, b"not now") if len(http.posts) < 2 else (204, {}, b"")
        with Daemon("[target good]\ndriver = fx\ninterval = 20ms\ndo = ok\n"
                    "[sink db]\ndriver = influx\nurl = %s\ndatabase = a b\nuser = u\npassword = geheim\n" % http.url) as d:
            d.wait_ready()
            until(lambda: d.metrics().get('probed_sink_healthy{sink="db"}') == 0, "the outage to show")
            told = d.wait_log("sink does not work", sink="db")
            assert "answered 503: not now" in told[0]["why"] and "geheim" not in json.dumps(d.log), told
            until(lambda: d.metrics().get('probed_sink_healthy{sink="db"}') == 1, "the sink to recover")
            d.stop()
            n = len(d.results())
        lines = [line for body in http.taken() for line in body.decode().splitlines()]
        assert len(lines) == len(set(lines)) == n, (len(lines), n)
        post = http.posts[0][0]
        assert post.path == "/write?precision=ns&db=a%20b", post.path
        assert post.headers["Authorization"] == "Basic dTpnZWhlaW0=" and post.headers["Content-Encoding"] == "gzip"


def retry_after_is_honoured():
    with HttpReceiver() as http:
        http.answer = lambda post: (429, {"Retry-After": "3"}, b"") if len(http.posts) < 1 else (204, {}, b"")
        with Daemon("[target good]\ndriver = fx\ninterval = 20ms\ndo = ok\n[sink db]\ndriver = influx\nurl = %s\n" % http.url) as d:
            d.wait_ready()
            began = until(lambda: http.posts and d.metric("probed_uptime_seconds"), "the first request")
            until(lambda: len(http.posts) > 1, "the second")
            assert d.metric("probed_uptime_seconds") - began >= 2.5


def what_is_refused_for_good_is_counted():
    with HttpReceiver(status=400) as http:
        http.answer = lambda post: (400, {}, b'{"error":"unable to parse"}')
        with Daemon("[target good]\ndriver = fx\ninterval = 20ms\ndo = ok\n[sink db]\ndriver = influx\nurl = %s\n" % http.url) as d:
            d.wait_ready()
            until(lambda: d.metric("probed_sink_failed_total", sink="db") > 20, "failed records")
            assert "answered 400: {\"error\":\"unable to parse\"}" in d.wait_log("sink does not work", sink="db")[0]["why"]


def a_full_backlog_gives_up_the_oldest():
    with HttpReceiver(status=503) as http:
        many = "".join("[target t%d]\ndriver = fx\ninterval = 2ms\ndo = ok\n" % n for n in range(4))
        with Daemon(many + "[sink db]\ndriver = influx\nurl = %s\nbacklog = 64KiB\ngzip = no\n" % http.url) as d:
            d.wait_ready()
            until(lambda: d.metric("probed_sink_failed_total", sink="db") > 500, "failed records")
            d.wait_log("sink does not work", sink="db", why="backlog is full")
            assert d.metric("probed_sink_dropped_total", sink="db") == 0


def version_2_and_udp_and_file():
    with folder() as tmp, HttpReceiver() as http, UdpReceiver() as udp:
        path = os.path.join(tmp, "points.lp")
        with Daemon(CONF + "[sink v2]\ndriver = influx\nurl = %s\norg = my org\nbucket = b/1\ntoken = s3cret\ngzip = no\n"
                    "[sink udp]\ndriver = influx\nurl = udp://127.0.0.1:%d\n"
                    "[sink file]\ndriver = influx\npath = %s\nmeasurement = p\n" % (http.url, udp.port, path)) as d:
            d.wait_ready()
            wait_good(d, 20)
            d.stop()
            n = len(d.results())
            assert "s3cret" not in json.dumps(d.log)
        post = http.posts[0][0]
        assert post.path == "/api/v2/write?precision=ns&org=my%20org&bucket=b%2F1" and post.headers["Authorization"] == "Token s3cret"
        sent = [line for body in http.taken() for line in body.decode().splitlines()]
        with open(path) as f:
            written = f.read().splitlines()
        until(lambda: len(udp.lines()) >= n, "all lines")
        assert len(sent) == len(written) == n and sent == udp.lines()
        assert [re.sub("^p,", "probed,", line) for line in written] == sent
        assert all(len(x) <= 1432 for x in udp.datagrams) and len(udp.datagrams) < n


def statsd_gets_metrics_in_few_datagrams():
    with UdpReceiver() as tagged, UdpReceiver() as plain:
        with Daemon(CONF + "[sink tagged]\ndriver = statsd\naddress = 127.0.0.1:%d\n"
                    "[sink plain]\ndriver = statsd\naddress = 127.0.0.1:%d\ntags = none\nprefix = x.\npayload = 512B\n"
                    % (tagged.port, plain.port)) as d:
            d.wait_ready()
            wait_good(d, 50)
            d.stop()
            results = d.results()
        until(lambda: sum(x.startswith("probed.probes:") for x in tagged.lines()) >= len(results), "all counters")
        good = [r for r in results if r["target"] == "good"]
        lines = tagged.lines()
        tags = "|#target:good,driver:fx,plan:monitor"
        assert lines.count("probed.probes:1|c%s,outcome:ok" % tags) == len(good)
        latencies = [float(x.split(":")[1].split("|")[0]) for x in lines if x.startswith("probed.latency:") and x.endswith("|ms" + tags)]
        assert sorted(latencies) == sorted(r["latency_ms"] for r in good)
        odd = [r for r in results if r["target"].startswith("odd")]
        assert lines.count("probed.fact:1.5|g|#target:odd_name=1,driver:fx,plan:monitor,fact:took") == len(odd)
        assert not [x for x in lines if "fact:status" in x], "no metric"
        assert "probed.probes:1|c|#target:bad,driver:fx,plan:monitor,outcome:error,reason:refused" in lines
        assert all(len(x) <= 1432 for x in tagged.datagrams) and len(tagged.datagrams) < len(lines) / 4
        until(lambda: plain.lines().count("x.good.probes.ok:1|c") >= len(good), "all plain counters")
        assert all(len(x) <= 512 for x in plain.datagrams)
        assert "x.bad.probes.error:1|c" in plain.lines() and "x.odd_name_1.fact.took:1.5|g" in plain.lines()


def wrong_options_are_told():
    for lines, told in (
            ("driver = statsd\naddress = localhost", "address: expected HOST:PORT"),
            ("driver = statsd\nprefix = a|b", "prefix: expected"),
            ("driver = influx", "expected either url"),
            ("driver = influx\nurl = http://h:1\npath = /x", "expected either url"),
            ("driver = influx\nurl = ftp://h:1", "url: expected a URL"),
            ("driver = influx\nurl = udp://h", "url: expected HOST:PORT"),
            ("driver = influx\nurl = http://h:1\nbucket = b", "org: is required")):
        done = command("--check", config="[target a]\ndriver = icmp\nhost = 127.0.0.1\n[sink s]\n%s\n" % lines)
        assert done.returncode == 78 and told in done.stderr, (lines, done)


if __name__ == "__main__":
    run(influxdb_has_every_result, an_outage_loses_nothing_that_fits, retry_after_is_honoured,
        what_is_refused_for_good_is_counted, a_full_backlog_gives_up_the_oldest, version_2_and_udp_and_file,
        statsd_gets_metrics_in_few_datagrams, wrong_options_are_told)
