#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reports as others read them: the HTML page in a real Chromium, JUnit through xmllint, JSON and CSV by other libraries."""
import csv
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from harness import BUILD, Skip, folder, run  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (1280, 400)

# What is looked at inside of the page, at the width of its frame. Sent to the page around it.
PROBE = """<script>
var wrong = [];
addEventListener('error', function (e) { wrong.push('error: ' + e.message); });
addEventListener('securitypolicyviolation', function (e) { wrong.push('refused: ' + e.blockedURI); });
addEventListener('load', function () {
  var figures = Array.from(document.querySelectorAll('figure'), function (figure) {
    var plot = figure.querySelector('.plot'), box = plot && plot.getBoundingClientRect();
    var boxes = function (what) { return plot ? Array.from(plot.querySelectorAll(what), function (s) {
      var r = s.getBoundingClientRect(); return [r.left, r.right, r.top, r.bottom]; }) : []; };
    if (plot) plot.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2, clientY: box.top + 5}));
    return {title: figure.querySelector('figcaption').textContent, plot: box && [box.left, box.right, box.top, box.bottom],
      frame: [figure.getBoundingClientRect().left, figure.getBoundingClientRect().right],
      lines: Array.from(figure.querySelectorAll('path.line,path.bar'), function (p) {
        var r = p.getBBox(), d = p.getAttribute('d');
        return {length: p.getTotalLength(), width: r.width, height: r.height, inside: r.x >= -1 && r.y >= -1 && r.x + r.width <= 1001 &&
          r.y + r.height <= 1001, points: (d.match(/[MLH]/g) || []).length, stroke: getComputedStyle(p).stroke, fill: getComputedStyle(p).fill};
      }),
      x: boxes('.x'), y: boxes('.y'), rows: figure.querySelectorAll('tbody tr').length,
      label: plot && plot.querySelector('svg').getAttribute('aria-label'), said: (figure.querySelector('.readout') || {}).textContent};
  });
  parent.postMessage({width: innerWidth, overflow: document.documentElement.scrollWidth - innerWidth, wrong: wrong, figures: figures,
    back: getComputedStyle(document.body).backgroundColor, loaded: performance.getEntriesByType('resource').map(function (e) { return e.name; }),
    title: document.title, text: document.body.innerText}, '*');
});
</script>"""

AROUND = """<!DOCTYPE html><title>around</title>%s<pre id="findings"></pre><script>
var all = [];
addEventListener('message', function (e) { all.push(e.data); document.getElementById('findings').textContent = JSON.stringify(all); });
</script>""" % "".join('<iframe src="page.html" width="%d" height="900" style="border:0"></iframe>' % w for w in WIDTHS)


def made(*args):
    return subprocess.run([os.path.join(BUILD, "tests/system/made_report"), *args], check=True, stdout=subprocess.PIPE, timeout=120).stdout


def looked_at(page, dark=False):
    """What a browser makes of the page at each width, and what it says on its console."""
    if not CHROMIUM:
        raise Skip("no chromium")
    with folder() as tmp:
        with open(os.path.join(tmp, "page.html"), "w") as f:
            f.write(page.replace("</head>", PROBE + "</head>", 1))
        with open(os.path.join(tmp, "around.html"), "w") as f:
            f.write(AROUND)
        done = subprocess.run(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
             "--no-first-run", "--user-data-dir=" + os.path.join(tmp, "profile"), "--window-size=1400,1900", "--virtual-time-budget=20000",
             "--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND",
             *(["--blink-settings=preferredColorScheme=0"] if dark else []), "--dump-dom", "file://" + os.path.join(tmp, "around.html")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180, env=dict(os.environ, HOME=tmp))
    found = re.search(r'<pre id="findings">(.*?)</pre>', done.stdout, re.S)
    assert found and found.group(1), "chromium showed nothing: status %d\n%s" % (done.returncode, done.stderr[-2000:])
    seen = {int(v["width"]): v for v in json.loads(html.unescape(found.group(1)))}
    assert set(seen) == set(WIDTHS), seen.keys()
    return seen, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def overlap(boxes):
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1:] if a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]]


def nothing_is_amiss(seen, console):
    assert not console, console
    for width, v in seen.items():
        assert not v["wrong"], v["wrong"]
        assert not v["loaded"], "the page loaded %s" % v["loaded"]
        assert v["overflow"] <= 0, "at %d the page is %d too wide" % (width, v["overflow"])


# --- the tests -----------------------------------------------------------------------------------

def each_plot_is_drawn_with_its_points_at_both_widths():
    seen, console = looked_at(made("html", "compared").decode())
    nothing_is_amiss(seen, console)
    wanted = {"Latency over time": 6, "Throughput, asked and achieved": 4, "Latency by percentile": 3, "How latency is distributed": 2,
              "Not ok, by reason": 3, "In flight": 1}
    for width, v in seen.items():
        assert {f["title"]: len(f["lines"]) for f in v["figures"]} == wanted, v["figures"]
        for f in v["figures"]:
            where = "%s at %d" % (f["title"], width)
            assert f["plot"][1] - f["plot"][0] > 0.6 * (f["frame"][1] - f["frame"][0]), where
            assert f["label"] and f["rows"] >= 50, where
            for line in f["lines"]:
                assert line["points"] >= 30 and line["length"] > 700 and line["width"] > 500 and line["inside"], (where, line)
                assert line["height"] > 10 or f["title"] in ("In flight", "Throughput, asked and achieved"), (where, line)
                assert (line["stroke"] != "none") != (line["fill"] != "none"), (where, line)
            assert len(f["x"]) >= 2 and len(f["y"]) >= 2, where
            assert not overlap(f["x"]) and not overlap(f["y"]), "%s: labels overlap: %s" % (where, f)
            for box in f["x"] + f["y"]:
                assert f["frame"][0] <= box[0] and box[1] <= f["frame"][1], "%s: a label leaves its frame: %s" % (where, box)
            assert re.search(r"\d", f["said"]), "%s: the pointer reads nothing out" % where


def it_is_light_or_dark_as_the_reader_wants():
    page = made("html", "compared").decode()
    backs = [looked_at(page, dark)[0][1280]["back"] for dark in (False, True)]
    light, dark = [sum(map(int, re.findall(r"\d+", b)[:3])) / 3 for b in backs]
    assert light > 230 and dark < 50, backs


def a_page_says_what_the_run_was_and_escapes_names():
    seen, _ = looked_at(made("html", "compared").decode())
    v = seen[1280]
    assert v["title"] == "night <run> & more", v["title"]
    for text in ("2 of 4 requirements not met", "asked 200/s", "67 dropped: inflight was full", "errors rate < 1%", "NOT MET",
                 "nothing measured", "worker lost", "Compared with yesterday", "the peer closed the connection <early> & left"):
        assert text in v["text"], text


def a_run_without_results_is_a_page_too():
    seen, console = looked_at(made("html", "empty").decode())
    nothing_is_amiss(seen, console)
    assert [f["plot"] for f in seen[1280]["figures"]] == [None] * 6
    assert seen[1280]["text"].count("Nothing to show.") == 6


def a_page_names_no_other_place():
    page = made("html", "compared").decode()
    assert not re.findall(r"(?i)https?:|src=|href=|@import|url\(", page)
    assert len(page) < 400000


JUNIT = """<?xml version="1.0"?>
<!DOCTYPE testsuites [
<!ELEMENT testsuites (testsuite*)> <!ATTLIST testsuites name CDATA #IMPLIED tests CDATA #IMPLIED failures CDATA #IMPLIED
  errors CDATA #IMPLIED time CDATA #IMPLIED>
<!ELEMENT testsuite (testcase*, system-out?)> <!ATTLIST testsuite name CDATA #REQUIRED tests CDATA #REQUIRED failures CDATA #REQUIRED
  errors CDATA #REQUIRED skipped CDATA #IMPLIED time CDATA #REQUIRED timestamp CDATA #IMPLIED hostname CDATA #IMPLIED>
<!ELEMENT testcase (skipped?, failure?)> <!ATTLIST testcase name CDATA #REQUIRED classname CDATA #REQUIRED time CDATA #REQUIRED>
<!ELEMENT failure (#PCDATA)> <!ATTLIST failure type CDATA #REQUIRED message CDATA #IMPLIED>
<!ELEMENT skipped EMPTY> <!ATTLIST skipped message CDATA #IMPLIED>
<!ELEMENT system-out (#PCDATA)>
]>
"""


def junit_is_valid_and_counts_right():
    if not shutil.which("xmllint"):
        raise Skip("no xmllint")
    for how in ("compared", "empty"):
        text = made("junit", how).decode()
        checked = subprocess.run(["xmllint", "--valid", "--noout", "-"], input=text.replace('<?xml version="1.0" encoding="UTF-8"?>\n', JUNIT),
                                 text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        assert checked.returncode == 0, checked.stdout
        suites = re.search(r'<testsuites .*tests="(\d+)" failures="(\d+)"', text)
        assert int(suites.group(1)) == text.count("<testcase "), suites.group(0)
        assert int(suites.group(2)) == text.count("<failure "), suites.group(0)


def json_and_csv_say_the_same():
    report = json.loads(made("json", "compared"))
    plan = report["plans"][0]
    rows = list(csv.DictReader(io.StringIO(made("csv").decode(), newline="")))
    assert len(rows) == len(plan["series"]["intervals"]) > 100
    for row, interval in zip(rows, plan["series"]["intervals"]):
        for name in ("asked", "started", "sent", "ok", "fail", "error", "unknown", "dropped"):
            assert int(row[name]) == interval[name], (row, interval)
        if "latency_ms" in interval:
            assert abs(float(row["latency_p99_ms"]) - interval["latency_ms"]["p99"]) < 1e-4 * interval["latency_ms"]["p99"]
    assert sum(int(r["sent"]) for r in rows) == plan["sent"]
    assert abs(report["achieved_rate"] - plan["sent"] / plan["schedule_s"]) < 1e-6
    assert report["asked_rate"] == 200 and not report["met"]
    assert {c["verdict"] for c in plan["comparison"]} >= {"worse", "no clear difference"}


if __name__ == "__main__":
    run(each_plot_is_drawn_with_its_points_at_both_widths, it_is_light_or_dark_as_the_reader_wants,
        a_page_says_what_the_run_was_and_escapes_names, a_run_without_results_is_a_page_too, a_page_names_no_other_place,
        junit_is_valid_and_counts_right, json_and_csv_say_the_same)
