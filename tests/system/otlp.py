#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The sink otlp, to a receiver that decodes by the field numbers of the specification."""
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, command, run, until
from receivers import HttpReceiver

CONF = "[target good]\ndriver = fx\ninterval = 20ms\ndo = ok\n[target odd]\ndriver = fx\ninterval = 50ms\ndo = facts\n" \
       "[target bad]\ndriver = fx\ninterval = 50ms\ndo = error\n[target parts]\ndriver = fx\ninterval = 50ms\ndo = sub\n" \
       "[target slow]\ndriver = fx\ninterval = 100ms\ndo = phases\ndelay = 2ms\n"

# number: (name, kind); a kind in capitals is a message, and [] around it says repeated
SCHEMA = {
    "TRACES": {1: ("resource_spans", ["RESOURCE_SPANS"])},
    "RESOURCE_SPANS": {1: ("resource", "RESOURCE"), 2: ("scope_spans", ["SCOPE_SPANS"])},
    "SCOPE_SPANS": {1: ("scope", "SCOPE"), 2: ("spans", ["SPAN"])},
    "SPAN": {1: ("trace_id", "bytes"), 2: ("span_id", "bytes"), 4: ("parent", "bytes"), 5: ("name", "text"), 6: ("kind", "int"),
             7: ("start", "fixed"), 8: ("end", "fixed"), 9: ("attributes", ["KV"]), 15: ("status", "STATUS")},
    "STATUS": {2: ("message", "text"), 3: ("code", "int")},
    "RESOURCE": {1: ("attributes", ["KV"])},
    "SCOPE": {1: ("name", "text"), 2: ("version", "text")},
    "KV": {1: ("key", "text"), 2: ("value", "ANY")},
    "ANY": {1: ("text", "text"), 2: ("bool", "int"), 3: ("int", "int"), 4: ("double", "double"), 5: ("array", "ARRAY")},
    "ARRAY": {1: ("values", ["ANY"])},
    "METRICS": {1: ("resource_metrics", ["RESOURCE_METRICS"])},
    "RESOURCE_METRICS": {1: ("resource", "RESOURCE"), 2: ("scope_metrics", ["SCOPE_METRICS"])},
    "SCOPE_METRICS": {1: ("scope", "SCOPE"), 2: ("metrics", ["METRIC"])},
    "METRIC": {1: ("name", "text"), 2: ("description", "text"), 3: ("unit", "text"), 5: ("gauge", "GAUGE"), 7: ("sum", "SUM"),
               9: ("histogram", "HISTOGRAM"), 10: ("exponential", "EXPONENTIAL")},
    "GAUGE": {1: ("points", ["NUMBER"])},
    "SUM": {1: ("points", ["NUMBER"]), 2: ("temporality", "int"), 3: ("monotonic", "int")},
    "HISTOGRAM": {1: ("points", ["HPOINT"]), 2: ("temporality", "int")},
    "EXPONENTIAL": {1: ("points", ["EPOINT"]), 2: ("temporality", "int")},
    "NUMBER": {2: ("start", "fixed"), 3: ("time", "fixed"), 4: ("double", "double"), 6: ("int", "fixed"), 7: ("attributes", ["KV"])},
    "HPOINT": {2: ("start", "fixed"), 3: ("time", "fixed"), 4: ("count", "fixed"), 5: ("total", "double"), 6: ("counts", "fixeds"),
               7: ("bounds", "doubles"), 9: ("attributes", ["KV"])},
    "EPOINT": {1: ("attributes", ["KV"]), 2: ("start", "fixed"), 3: ("time", "fixed"), 4: ("count", "fixed"), 5: ("total", "double"),
               6: ("scale", "sint"), 7: ("zeros", "fixed"), 8: ("positive", "BUCKETS")},
    "BUCKETS": {1: ("offset", "sint"), 2: ("counts", "varints")},
}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def convert(kind, wire, raw):
    expected = {"int": 0, "sint": 0, "fixed": 1, "double": 1}.get(kind, 2)
    assert wire == expected, (kind, wire)
    if kind == "text":
        return raw.decode()
    if kind == "int":
        return raw - (1 << 64) if raw >> 63 else raw
    if kind == "sint":
        return (raw >> 1) ^ -(raw & 1)
    if kind == "double":
        return struct.unpack("<d", raw)[0]
    if kind == "fixed":
        return struct.unpack("<Q", raw)[0]
    if kind in ("fixeds", "doubles"):
        return list(struct.unpack("<%d%s" % (len(raw) // 8, "Q" if kind == "fixeds" else "d"), raw))
    if kind == "varints":
        out, at = [], 0
        while at < len(raw):
            value, at = varint(raw, at)
            out.append(value)
        return out
    return decode(kind, raw) if kind.isupper() else raw


def decode(message, data):
    """Dicts; a field that the schema does not have is an error."""
    out, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        name, kind = SCHEMA[message][tag >> 3]
        wire = tag & 7
        if wire == 0:
            raw, at = varint(data, at)
        else:
            n = 8
            if wire == 2:
                n, at = varint(data, at)
            raw, at = data[at:at + n], at + n
        if isinstance(kind, list):
            out.setdefault(name, []).append(convert(kind[0], wire, raw))
        else:
            assert name not in out, name
            out[name] = convert(kind, wire, raw)
    assert at == len(data)
    return out


def plain(value):
    (kind, v), = value.items()
    return [plain(x) for x in v.get("values", [])] if kind == "array" else bool(v) if kind == "bool" else v


def attributes(of):
    return {kv["key"]: plain(kv["value"]) for kv in of.get("attributes", [])}


def spans_of(http):
    out = []
    for body in http.taken("/v1/traces"):
        for resource in decode("TRACES", body)["resource_spans"]:
            assert attributes(resource["resource"])["service.name"] == "probed"
            for scope in resource["scope_spans"]:
                assert scope["scope"]["name"] == "probed"
                out += scope["spans"]
    return out


def metrics_of(body):
    """{(metric, attributes as a frozenset): (point, metric)}"""
    out = {}
    for resource in decode("METRICS", body)["resource_metrics"]:
        for m in resource["scope_metrics"][0]["metrics"]:
            data = m.get("gauge") or m.get("sum") or m.get("histogram") or m.get("exponential")
            for p in data["points"]:
                key = (m["name"], frozenset(attributes(p).items()))
                assert key not in out, key
                out[key] = (p, m)
    return out


def lasts(span, ms):
    return abs((span["end"] - span["start"]) / 1e6 - ms) < 0.00051  # which is rounded to the microsecond


def mix(a, b):
    """As the core derives a span's id."""
    mask = (1 << 64) - 1
    x = (a ^ (b + 0x9e3779b97f4a7c15 + (a << 6 & mask) + (a >> 2))) & mask
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & mask
    x = (x ^ x >> 27) * 0x94d049bb133111eb & mask
    return x ^ x >> 31


def wait_some(d, n=60):
    d.wait_results(lambda all: sum(r["target"] == "good" for r in all) >= n and
                   {"bad", "odd", "parts", "slow"} <= {r["target"] for r in all}, "results")


def each_probe_is_a_trace():
    with HttpReceiver(status=200) as http:
        with Daemon(CONF + "[sink otel]\ndriver = otlp\nendpoint = %s/\nmetrics = no\nresource.deployment.environment = test\n"
                    "header.X-Key = k\n" % http.url) as d:
            d.wait_ready()
            wait_some(d)
            d.stop()
            results = d.results()
            assert not d.logged("sink does not work"), d.logged("sink does not work")
        spans = spans_of(http)
        by_id = {s["span_id"]: s for s in spans}
        assert len(by_id) == len(spans) and b"\0" * 8 not in by_id
        mains = {(attributes(s)["probed.id"], attributes(s).get("probed.sub")): s for s in spans if s["kind"] == 3}
        assert len(mains) == len(results)
        for r in results:
            s = mains[(r["id"], r.get("sub"))]
            epoch, seq = (int(x, base) for x, base in zip(r["id"].split("-"), (16, 10)))
            assert s["trace_id"] == struct.pack(">QQ", epoch, seq)
            own = struct.pack(">Q", mix(epoch, seq))
            assert (s["parent"] == own if r.get("sub") else s["span_id"] == own and "parent" not in s), r
            assert s["name"] == " ".join(filter(None, ("fx", r["target"], r.get("sub"))))
            assert lasts(s, r["service_ms"])
            assert s["status"]["code"] == (1 if r["outcome"] == "ok" else 2)
            a = attributes(s)
            assert (a["probed.target"], a["probed.outcome"], a.get("probed.reason")) == (r["target"], r["outcome"], r["reason"])
            phases = [x for x in spans if x.get("parent") == s["span_id"] and x["kind"] == 1]
            assert {x["name"] for x in phases} == set(r["phases_ms"]) and all(lasts(x, r["phases_ms"][x["name"]]) for x in phases)
            assert all(x["trace_id"] == s["trace_id"] and x["start"] >= s["start"] for x in phases)
        bad = next(s for s in mains.values() if attributes(s)["probed.target"] == "bad")
        assert bad["status"]["message"] == "connection refused by the fixture"
        odd = attributes(next(s for s in mains.values() if attributes(s)["probed.target"] == "odd"))
        assert odd["probed.fact.took"] == 1.5 and odd["probed.fact.bytes"] == 1 << 20 and odd["probed.fact.flag"] is True
        assert odd["probed.fact.item"] == ["one", "two"] and odd["probed.fact.text"] == 'caf\u00e9 "quoted"\n\ufffd'
        assert len([s for s in spans if s["kind"] == 1]) >= 6
        assert http.posts[0][0].headers["X-Key"] == "k" and http.posts[0][0].headers["Content-Type"] == "application/x-protobuf"
        assert not http.taken("/v1/metrics")


def as_many(results, ms, n):
    """Are there n with at most this latency? They are known to the microsecond only."""
    return sum(r["latency_ms"] <= ms - 0.001 for r in results) <= n <= sum(r["latency_ms"] <= ms + 0.001 for r in results)


def last_of(results, target):
    return [r for r in results if r["target"] == target and not r.get("sub")]


def metrics_are_what_was_counted():
    for kind in ("explicit", "exponential"):
        with HttpReceiver(status=200) as http:
            with Daemon(CONF + "[sink otel]\ndriver = otlp\nendpoint = %s\ntraces = no\ninterval = 1s\nhistogram = %s\ngzip = no\n"
                        % (http.url, kind)) as d:
                d.wait_ready()
                wait_some(d)
                until(lambda: http.taken("/v1/metrics"), "metrics before the end")
                d.stop()
                results = d.results()
            assert not http.taken("/v1/traces")
            points = metrics_of(http.taken("/v1/metrics")[-1])
            for target in ("good", "bad", "odd", "parts", "slow"):
                of, base = last_of(results, target), {"target": target, "driver": "fx"}
                for outcome in ("ok", "fail", "error", "unknown"):
                    p, m = points["probed.probes", frozenset(dict(base, outcome=outcome).items())]
                    assert p["int"] == sum(r["outcome"] == outcome for r in of), (target, outcome)
                    assert m["sum"]["temporality"] == 2 and m["sum"]["monotonic"] == 1 and p["time"] > p["start"] > 0
                p, m = points["probed.probe.latency", frozenset(base.items())]
                assert m["unit"] == "s" and p["count"] == len(of) and abs(p["total"] - sum(r["latency_ms"] for r in of) / 1e3) < 1e-5
                if kind == "explicit":
                    assert p["bounds"] == [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
                    for i, top in enumerate(p["bounds"]):
                        assert as_many(of, top * 1e3, sum(p["counts"][:i + 1])), (target, top)
                    assert sum(p["counts"]) == len(of)
                else:
                    assert p["scale"] == 3 and p["zeros"] == 0 and sum(p["positive"]["counts"]) == len(of)
                    for i in range(len(p["positive"]["counts"])):
                        top = 2 ** ((p["positive"]["offset"] + i + 1) / 8) * 1e3
                        assert as_many(of, top, sum(p["positive"]["counts"][:i + 1])), (target, top)
                p, _ = points["probed.probe.success", frozenset(base.items())]
                assert p["int"] == (of[-1]["outcome"] == "ok")
                p, _ = points["probed.probe.duration", frozenset(base.items())]
                assert abs(p["double"] - of[-1]["service_ms"] / 1e3) < 1e-6
            for phase, ms in last_of(results, "slow")[-1]["phases_ms"].items():
                p, _ = points["probed.probe.phase", frozenset({"target": "slow", "driver": "fx", "phase": phase}.items())]
                assert abs(p["double"] - ms / 1e3) < 1e-6
            p, _ = points["probed.fact", frozenset({"target": "odd", "driver": "fx", "fact": "took", "unit": "s"}.items())]
            assert p["double"] == 1.5


def what_is_sent_along_leads_to_the_span():
    with HttpReceiver(status=200) as http:
        with Daemon("[target web]\ndriver = http\nurl = %s/\ninterval = 50ms\nheader.traceparent = {{traceparent}}\n"
                    "[sink otel]\ndriver = otlp\nendpoint = %s\n" % (http.url, http.url)) as d:
            d.wait_ready()
            d.wait_results(lambda all: len(all) >= 10, "results")
            d.stop()
            n = len(d.results())
        sent = {tuple(h["traceparent"].split("-")[1:3]) for h in http.gets}
        spans = {(s["trace_id"].hex(), s["span_id"].hex()) for s in spans_of(http) if s["kind"] == 3}
        assert len(sent) == n and sent == spans, (sorted(sent)[:2], sorted(spans)[:2])


def an_outage_is_caught_up_with():
    with HttpReceiver() as http:
        http.answer = lambda post: (503, {}, b"") if len(http.posts) < 3 else (200, {}, b"")
        with Daemon("[target good]\ndriver = fx\ninterval = 20ms\ndo = ok\n[sink otel]\ndriver = otlp\nendpoint = %s\n" % http.url) as d:
            d.wait_ready()
            until(lambda: d.metrics().get('probed_sink_healthy{sink="otel"}') == 0, "the outage to show")
            until(lambda: d.metrics().get('probed_sink_healthy{sink="otel"}') == 1, "the sink to recover")
            d.stop()
            assert {attributes(s)["probed.id"] for s in spans_of(http) if s["kind"] == 3} == {r["id"] for r in d.results()}


def wrong_options_are_told():
    for lines, told in (("endpoint = ftp://h/", "endpoint: expected a URL"), ("traces = no\nmetrics = no", "neither traces nor metrics")):
        done = command("--check", config="[target a]\ndriver = icmp\nhost = 127.0.0.1\n[sink s]\ndriver = otlp\n%s\n" % lines)
        assert done.returncode == 78 and told in done.stderr, (lines, done)


if __name__ == "__main__":
    run(each_probe_is_a_trace, metrics_are_what_was_counted, what_is_sent_along_leads_to_the_span, an_outage_is_caught_up_with, wrong_options_are_told)
