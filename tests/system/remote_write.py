#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The sink remote_write, to Prometheus itself: what arrives is what /metrics says, also after an outage."""
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, command, folder, run, until
from receivers import HttpReceiver, get, prometheus

CONF = "[target good]\ndriver = fx\ninterval = 20ms\ndo = ok\n[target odd,name=1]\ndriver = fx\ninterval = 50ms\ndo = facts\n" \
       "[target bad]\ndriver = fx\ninterval = 50ms\ndo = error\n[target parts]\ndriver = fx\ninterval = 50ms\ndo = sub\n"


def sink(url, more=""):
    return "[sink prom]\ndriver = remote_write\nurl = %s/api/v1/write\ninterval = 1s\n%s" % (url, more)


def query(url, text):
    """{labels as a frozenset: value} of an instant query."""
    status, body = get(url + "/api/v1/query?query=" + urllib.parse.quote(text))
    assert status == 200, body
    return {frozenset(r["metric"].items()): float(r["value"][1]) for r in json.loads(body)["data"]["result"]}


def one(url, text):
    found = query(url, text)
    assert len(found) == 1, (text, found)
    return next(iter(found.values()))


def prometheus_has_what_the_daemon_counted():
    with folder() as tmp, prometheus(tmp) as url:
        with Daemon(CONF + sink(url, "label.site = berlin\nlabel.instance = here\nlabel.Zone = z\nbatch = 7\n")) as d:
            d.wait_ready()
            d.wait_results(lambda all: sum(r["target"] == "good" for r in all) >= 100 and
                           {"bad", "odd,name=1", "parts"} <= {r["target"] for r in all}, "results")
            until(lambda: query(url, "probed_probe_success"), "samples in Prometheus")
            d.stop()
            results = d.results()
            assert not d.logged("sink does not work"), d.logged("sink does not work")
        mine = 'job="probed",instance="here",site="berlin",Zone="z"'
        for target in ("good", "bad", "odd,name=1", "parts"):
            of = [r for r in results if r["target"] == target and not r.get("sub")]
            for outcome in ("ok", "fail", "error", "unknown"):
                got = one(url, 'probed_probes_total{target="%s",sub="",outcome="%s",driver="fx",%s}' % (target, outcome, mine))
                assert got == sum(r["outcome"] == outcome for r in of), (target, outcome, got)
            assert one(url, 'probed_probe_success{target="%s",sub=""}' % target) == (of[-1]["outcome"] == "ok")
            assert one(url, 'probed_probe_latency_seconds_count{target="%s",sub=""}' % target) == len(of)
            total = one(url, 'probed_probe_latency_seconds_sum{target="%s",sub=""}' % target)
            assert abs(total - sum(r["latency_ms"] for r in of) / 1e3) < 1e-6 * len(of) + 1e-9
            for le, bound in (("0.001", 1), ("0.01", 10), ("1.0", 1000), ("+Inf", 1e12)):
                got = one(url, 'probed_probe_latency_seconds_bucket{target="%s",sub="",le="%s"}' % (target, le))
                least, most = (sum(r["latency_ms"] <= bound + off for r in of) for off in (-0.001, 0.001))
                assert least <= got <= most, (target, le, got)  # known to the microsecond only
            assert abs(one(url, 'probed_probe_duration_seconds{target="%s",sub=""}' % target) - of[-1]["service_ms"] / 1e3) < 1e-6
        assert one(url, 'probed_fact{target="odd,name=1",fact="took",unit="s"}') == 1.5
        assert one(url, 'probed_fact{target="odd,name=1",fact="ratio",unit="ratio"}') == 0.25
        assert set(query(url, 'probed_probe_success{target="parts"}').values()) == {0.0, 1.0}
        assert {dict(k).get("sub", "") for k in query(url, 'probed_probe_success{target="parts"}')} == {"", "ipv4", "ipv6"}
        assert query(url, 'histogram_quantile(0.9, rate(probed_probe_latency_seconds_bucket{target="good"}[1m]))') is not None


def names_and_labels_are_those_of_the_page():
    with folder() as tmp, prometheus(tmp) as url, Daemon(CONF + sink(url)) as d:
        d.wait_ready()
        until(lambda: {dict(k)["target"] for k in query(url, "probed_probe_success")} >= {"good", "bad", "parts"}, "samples")
        page = {k for k in d.get("/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})[1].splitlines()
                if k.startswith(("probed_probe_", "probed_probes_total{", "probed_fact{"))}
        theirs = {line.rsplit(" ", 1)[0].replace('odd,name', 'odd.name') for line in page}
        status, body = get(url + "/api/v1/series?match[]=" + urllib.parse.quote('{__name__=~"probed_.*"}'))
        assert status == 200
        ours = set()
        for s in json.loads(body)["data"]:
            assert s.pop("job") == "probed" and s.pop("instance")
            name = s.pop("__name__")
            ours.add((name, frozenset((k, v.replace("odd,name", "odd.name")) for k, v in s.items())))
        wanted = set()
        for line in theirs:
            name, labels = line.rstrip("}").split("{")
            wanted.add((name, frozenset(tuple(x.split("=", 1)[0:1]) + (x.split("=", 1)[1].strip('"'),) for x in labels.split(","))))
        assert ours == wanted, (sorted(map(str, ours - wanted))[:5], sorted(map(str, wanted - ours))[:5])


def an_outage_is_caught_up_with():
    with HttpReceiver() as http:
        http.answer = lambda post: (500, {}, b"") if len(http.posts) < 2 else (204, {}, b"")
        with Daemon("[target good]\ndriver = fx\ninterval = 20ms\ndo = ok\n" + sink(http.url, "header.X-Scope-OrgID = me\n")) as d:
            d.wait_ready()
            until(lambda: d.metrics().get('probed_sink_healthy{sink="prom"}') == 0, "the outage to show")
            until(lambda: len(http.taken("/api/v1/write")) >= 4, "requests")
            until(lambda: d.metrics().get('probed_sink_healthy{sink="prom"}') == 1, "the sink to recover")
            assert d.metric("probed_sink_failed_total", sink="prom") == 0
        assert http.posts[0][0].body == http.posts[1][0].body == http.posts[2][0].body, "the same again, in order"
        headers = http.posts[0][0].headers
        assert headers["Content-Encoding"] == "snappy" and headers["Content-Type"] == "application/x-protobuf"
        assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0" and headers["X-Scope-OrgID"] == "me"


def wrong_options_are_told():
    for lines, told in (
            ("url = ftp://h/", "url: expected a URL"),
            ("url = http://h/\nlabel.target = x", "label.target: expected a name"),
            ("url = http://h/\nlabel.a-b = x", "label.a-b: expected a name"),
            ("interval = 5s", "url: is required")):
        done = command("--check", config="[target a]\ndriver = icmp\nhost = 127.0.0.1\n[sink s]\ndriver = remote_write\n%s\n" % lines)
        assert done.returncode == 78 and told in done.stderr, (lines, done)


if __name__ == "__main__":
    run(prometheus_has_what_the_daemon_counted, names_and_labels_are_those_of_the_page, an_outage_is_caught_up_with,
        wrong_options_are_told)
