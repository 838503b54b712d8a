#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""probectl as people and scripts meet it: what it says, what it writes, and with which status it ends."""
import csv
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import xml.etree.ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, FIXTURES, PLUGINS, SANITIZED, folder, free_port, run, until, write  # noqa: E402
from load import Stamps  # noqa: E402

PROBECTL = os.path.join(BUILD, "probectl")
ENV = dict(os.environ, PROBED_PLUGIN_PATH=PLUGINS + ":" + FIXTURES, LC_ALL="C")
FORMATS = "terminal, json, csv, junit, markdown, html"


def probectl(*args, cwd=None, timeout=120):
    return subprocess.run([PROBECTL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV, cwd=cwd, timeout=timeout)


def started(*args, cwd=None):
    return subprocess.Popen([PROBECTL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV, cwd=cwd)


def fx(plan, target="do = ok"):
    return "[probed]\nshutdown_timeout = 60s\n[target t]\ndriver = fx\nmonitor = no\n%s\n\n[plan p]\nrun = one t\n%s\n" % (target, plan)


def loaded(path):
    with open(path) as f:
        return json.load(f)


class Silent:
    """A port that takes connections, and never answers."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.socket.close()

    def was_asked(self):
        return bool(select.select([self.socket], [], [], 0)[0])


# --- what is said of bad arguments -----------------------------------------------------------------

BAD = (
    # arguments, status, what is said
    (("runn",), 2, 'probectl: unknown command "runn" (did you mean "run"?); probectl --help lists them'),
    (("run",), 2, "probectl run: expected one FILE; probectl run --help tells more"),
    (("run", "a.ini", "b.ini"), 2, "probectl run: expected one FILE; probectl run --help tells more"),
    (("run", "--bogus", "a.ini"), 2, "probectl run: unrecognized option '--bogus'\nprobectl run --help tells more"),
    (("run", "nosuch.ini"), 78, "can't read nosuch.ini: No such file or directory"),
    (("run", "bare.ini"), 78, "probectl run: bare.ini: there is no [plan ...] in it, and nothing to run"),
    (("run", "bad.ini"), 78, 'bad.ini:2: [target t] do: expected one of'),
    (("run", "nodriver.ini"), 78, 'nodriver.ini:2: [target t] unknown driver "fxx" (did you mean "fx"?)'),
    (("run", "a.ini", "--plan", "q"), 2, "probectl run: --plan: there is no [plan q] in a.ini; there is p"),
    (("run", "a.ini", "--for", "soon"), 2, 'probectl run: --for: expected a time, such as 30s, not "soon"'),
    (("run", "a.ini", "--for", "0s"), 2, 'probectl run: --for: expected a time, such as 30s, not "0s"'),
    (("run", "a.ini", "--rate", "5"), 2, 'probectl run: --rate: expected a rate of at most 1,000,000/s, such as 100/s, not "5"'),
    (("run", "users.ini", "--rate", "5/s"), 2,
     "probectl run: --rate: plan p is of users, who have no rate: leave it out with --plan, or change how many they are"),
    (("run", "a.ini", "--report", "jsn:x"), 2, 'probectl run: --report: unknown format "jsn" (did you mean "json"?); known are ' + FORMATS),
    (("run", "a.ini", "--report", "json"), 2, 'probectl run: --report: expected FORMAT:FILE, such as html:report.html, not "json"'),
    (("run", "a.ini", "--report", "json:x", "--report", "csv:x"), 2,
     "probectl run: --report: x is asked for twice; each report needs a file of its own"),
    (("run", "a.ini", "--report", "json:no/x"), 2, "probectl run: --report: no/x can't be written: No such file or directory"),
    (("run", "a.ini", "--save", "no/x"), 2, "probectl run: --save: no/x can't be written: No such file or directory"),
    (("run", "a.ini", "--save", "."), 2, "probectl run: --save: . can't be written: Is a directory"),
    (("run", "a.ini", "--compare", "a.ini"), 2, "probectl run: --compare: a.ini: not a run file"),
    (("run", "a.ini", "--rate", "2000000/s"), 2, 'probectl run: --rate: expected a rate of at most 1,000,000/s, such as 100/s, not "2000000/s"'),
    (("report",), 2, "probectl report: expected a RUN; probectl report --help tells more"),
    (("report", "nosuch.run"), 2, "probectl report: nosuch.run: "),
    (("report", "a.ini"), 2, "probectl report: a.ini: not a run file"),
    (("report", "a.ini", "--format", "htm"), 2,
     'probectl report: --format: unknown format "htm" (did you mean "html"?); known are ' + FORMATS),
    (("probe",), 2, "probectl probe: expected a URL; probectl probe --help tells more"),
    (("probe", "-c", "0", "fx://x"), 2, 'probectl probe: --count: expected a number from 1, not "0"'),
    (("probe", "-i", "1", "fx://x"), 2, 'probectl probe: --interval: expected a time of at least 1ms, such as 500ms, not "1"'),
    (("probe", "-i", "1d", "-c", "100000", "fx://x"), 2, "probectl probe: --count times --interval: expected less than ten years"),
    (("probe", "--set", "text", "fx://x"), 2, 'probectl probe: --set: expected KEY=VALUE on one line, not "text"'),
    (("probe", "--set", "a b=c", "fx://x"), 2, 'probectl probe: --set: expected KEY=VALUE on one line, not "a b=c"'),
    (("probe", "--expect", "", "fx://x"), 2, "probectl probe: --expect: expected one line, such as 'status == 200'"),
    (("probe", "nosuch://x"), 2, "probectl probe: [target nosuch://x] url: no driver is known for nosuch://"),
    (("probe", "fx://x", "--set", "txet=1"), 2, 'probectl probe: [target fx://x] txet: unknown option (did you mean "text"?)'),
    (("probe", "fx://x", "--expect", "statuss == 1"), 2, 'probectl probe: [target fx://x] expect.e1: column 1: unknown query "statuss"'),
    (("scan",), 2, "probectl scan: expected HOST:PORTS; probectl scan --help tells more"),
    (("scan", "--rate", "fast", "h:1"), 2, 'probectl scan: --rate: expected a rate of at most 1,000,000/s, such as 100/s, not "fast"'),
    (("scan", "h:1-65535", "g:1-3"), 2, "probectl scan: at most 65536 ports in all"),
) + tuple((("scan", text), 2, 'probectl scan: expected HOST:PORTS, such as 127.0.0.1:22,80,8000-8100 or [::1]:22, not "%s"' % text)
          for text in ("h", "h:", ":22", "h:0", "h:65536", "h:1-", "h:9-1", "h:1,,2", "h:x", "::1:22", "[::1:22", "[::1]x:22", "a b:1", "*:1", "http://h:1"))


def bad_arguments_are_told():
    with folder() as tmp:
        for name, text in (("a.ini", fx("pace = rate 1/s for 1s")), ("bare.ini", "[target t]\ndriver = fx\n"),
                           ("bad.ini", "[target t]\ndo = nothing\ndriver = fx\n"), ("nodriver.ini", "[target t]\ndriver = fxx\n"),
                           ("users.ini", fx("pace = users 2 for 1s"))):
            write(os.path.join(tmp, name), text)
        for args, status, said in BAD:
            done = probectl(*args, cwd=tmp)
            assert (done.returncode, done.stdout) == (status, ""), (args, done)
            assert done.stderr.startswith(said), (args, done.stderr)
        assert sorted(os.listdir(tmp)) == ["a.ini", "bad.ini", "bare.ini", "nodriver.ini", "users.ini"], os.listdir(tmp)


def help_is_told():
    assert probectl().returncode == 2
    for args in (("--help",), ("run", "--help"), ("report", "--help"), ("probe", "--help"), ("scan", "--help"), ("--version",)):
        done = probectl(*args)
        assert done.returncode == 0 and len(done.stdout) > 15 and not done.stderr, done


# --- run ------------------------------------------------------------------------------------------


def the_status_says_whether_it_holds():
    with folder() as tmp:
        for plan, target, status in (("pace = rate 50/s for 500ms\nrequire.1 = errors count == 0", "do = ok", 0),
                                     ("pace = rate 50/s for 500ms\nrequire.1 = rate > 1000/s", "do = ok", 1),
                                     ("pace = rate 50/s for 30s\nrequire.1 = errors rate < 1% abort after 1s", "do = error", 1)):
            path = write(os.path.join(tmp, "p.ini"), fx(plan, target))
            done = probectl("run", path)
            assert done.returncode == status, done
            assert ("NOT MET" in done.stdout) == (status == 1), done.stdout
        path = write(os.path.join(tmp, "p.ini"), "[target bad]\ndriver = fx\nmonitor = no\ndo = error\n[step s]\ntarget = bad\n" +
                     fx("setup = s\npace = rate 50/s for 30s").replace("[probed]\nshutdown_timeout = 60s\n", ""))
        done = probectl("run", path)
        assert done.returncode == 1 and "setup failed: nothing was run" in done.stdout, done


def an_interrupted_run_tells_what_it_measured():
    with folder() as tmp, Stamps(tmp) as server:
        path = write(os.path.join(tmp, "p.ini"), "[target t]\nurl = %s\nmonitor = no\n[plan p]\nrun = one t\npace = rate 100/s for 10m\n"
                     "[sink s]\ndriver = jsonl\npath = %s/out.jsonl\n" % (server.url, tmp))
        report = os.path.join(tmp, "r.json")
        p = started("run", path, "--report", "json:" + report)
        out = os.path.join(tmp, "out.jsonl")
        until(lambda: os.path.exists(out) and os.path.getsize(out), "some results")
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        r = loaded(report)
        assert p.returncode == 130 and r["end"] == "interrupted", (p.returncode, r["end"])
        plan = r["plans"][0]
        assert plan["ok"] > 10 and plan["sent"] == len(server.end()), plan
        assert abs(plan["asked_rate"] / 100 - 1) < 0.02, plan["asked_rate"]


def a_second_interrupt_ends_it_at_once():
    with folder() as tmp, Silent() as server:
        path = write(os.path.join(tmp, "p.ini"), "[probed]\nshutdown_timeout = 10m\n[target t]\nurl = http://127.0.0.1:%d/\nmonitor = no\n"
                     "timeout = 5m\n[plan p]\nrun = one t\npace = rate 20/s for 10m\n" % server.port)
        report = os.path.join(tmp, "r.json")
        p = started("run", path, "--report", "json:" + report)
        until(server.was_asked, "a connection")
        p.send_signal(signal.SIGINT)
        time.sleep(0.5)  # the same signal twice within 200 ms is one
        assert p.poll() is None, "it did not wait for what is under way"
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        plan = loaded(report)["plans"][0]
        assert p.returncode == 130 and plan["sent"] and plan["unknown"] == plan["sent"], (p.returncode, plan)


def before_the_run_too():
    with folder() as tmp:
        hosts = write(os.path.join(tmp, "p.ini"), fx("pace = rate 1/s for 10m", "start = 1s"))
        p = started("run", hosts)
        until(lambda: os.path.exists("/proc/%d/task/%d/children" % (p.pid, p.pid)) and
              open("/proc/%d/task/%d/children" % (p.pid, p.pid)).read(), "a child")
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        assert p.returncode == 130, p.returncode


def each_format_is_what_it_is_called():
    with folder() as tmp, Stamps(tmp) as server:
        path = write(os.path.join(tmp, "p.ini"), "[target t]\nurl = %s\nmonitor = no\n[target dead]\nurl = http://127.0.0.1:%d/\nmonitor = no\n"
                     "[plan p]\nrun = round t dead\npace = rate 50/s for 2s\nrequire.1 = errors rate < 10%%\n" % (server.url, free_port()))
        out = {f: os.path.join(tmp, "r." + f) for f in FORMATS.split(", ")}
        done = probectl("run", path, "--quiet", *(a for f in out for a in ("--report", f + ":" + out[f])))
        assert (done.returncode, done.stdout, done.stderr) == (1, "", ""), done
        plan = loaded(out["json"])["plans"][0]
        assert (plan["asked"], plan["ok"], plan["error"]) == (100, 50, 50) and plan["asked_rate"] == plan["achieved_rate"] == 50, plan
        with open(out["csv"], newline="") as f:
            rows = list(csv.DictReader(f))
        assert sum(int(row["sent"]) for row in rows) == 100, rows
        suite = xml.etree.ElementTree.parse(out["junit"]).getroot()
        assert suite.tag == "testsuites" and suite.get("failures") == "1", suite.attrib
        assert suite.find("testsuite/testcase/failure") is not None
        text = open(out["markdown"]).read()
        assert re.search(r"^\|.*errors rate.*\|$", text, re.M) and "|---|" in text, text
        page = open(out["html"]).read()
        assert page.lower().startswith("<!doctype html>") and page.rstrip().endswith("</html>"), page[:100]
        assert not re.search(r"(src|href|action)\s*=\s*[\"']?\s*(https?:)?//|@import|url\(\s*[\"']?(https?:)?//", page), "it loads something"
        assert "NOT MET" in open(out["terminal"]).read()


def a_report_on_standard_output_is_alone_there():
    with folder() as tmp:
        path = write(os.path.join(tmp, "p.ini"), fx("pace = rate 50/s for 200ms"))
        done = probectl("run", path, "--report", "json:-")
        assert done.returncode == 0 and json.loads(done.stdout)["plans"][0]["sent"] == 10, done


def files_stay_as_they_are_where_nothing_is_run():
    with folder() as tmp:
        path = write(os.path.join(tmp, "p.ini"), fx("pace = rate 1/s for 1s", "do = nothing"))
        old = write(os.path.join(tmp, "old.json"), "precious")
        args = ("--report", "json:" + old, "--report", "csv:" + os.path.join(tmp, "new.csv"))
        assert probectl("run", path, *args).returncode == 78
        write(path, fx("pace = rate 1/s for 1s"))
        assert probectl("run", path, *args, "--save", os.path.join(tmp, "no", "x")).returncode == 2
        assert open(old).read() == "precious" and sorted(os.listdir(tmp)) == ["old.json", "p.ini"], os.listdir(tmp)


def rates_and_times_are_changed_from_the_command_line():
    with folder() as tmp:
        path = write(os.path.join(tmp, "p.ini"), fx("pace = rate 10/s ramp 2s:40/s hold 10m"))
        report = os.path.join(tmp, "r.json")
        assert probectl("run", path, "--rate", "20/s", "--for", "2s", "--report", "json:" + report).returncode == 0
        plan = loaded(report)["plans"][0]
        assert plan["sent"] == 25 and plan["schedule_s"] == 2, plan  # 5/s to 20/s within 2 s


def plans_are_chosen_by_name():
    with folder() as tmp:
        text = fx("pace = rate 20/s for 500ms") + "[plan q]\nrun = one t\npace = burst 3 every 1s for 1s\n[plan r]\nrun = one t\npace = users 1 for 10m\n"
        path = write(os.path.join(tmp, "p.ini"), text)
        report = os.path.join(tmp, "r.json")
        assert probectl("run", path, "-p", "p", "--plan", "q", "--report", "json:" + report).returncode == 0
        assert {p["name"]: p["sent"] for p in loaded(report)["plans"]} == {"p": 10, "q": 3}


def a_plan_that_stands_still_or_has_no_end_says_so():
    tomorrow = time.strftime("%a", time.gmtime(time.time() + 2 * 86400)).lower()
    with folder() as tmp:
        for plan, said, also in (("pace = rate 5/s\nwindow = %s 08:00-09:00" % tomorrow, r"plan p waits: its window opens at \d{4}-\d\d-\d\dT08:00:00Z, in ", True),
                                 ("pace = rate 5/s", r"plan p has no end of its own: Ctrl-C ends it, or --for D", False)):
            p = started("run", write(os.path.join(tmp, "p.ini"), fx(plan)))
            line = p.stderr.readline()
            assert re.match("probectl run: " + said, line), line
            assert not also or "has no end of its own" in p.stderr.readline()
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=60)
            assert p.returncode == 130, (p.returncode, err)
        never = write(os.path.join(tmp, "p.ini"), fx("pace = rate 5/s\ncron = \"0 0 30 2 *\" for 1m"))
        assert probectl("run", never).returncode == 78


def what_is_asked_is_what_the_pace_says():
    """Also where it ends otherwise than by itself: within a window, with its data, with its selection, after a setup."""
    step = "[step s]\ntarget = t\n"
    for plan, sent, seconds in (("pace = rate 20/s for 1s\nwindow = daily", 20, 1), ("pace = rate 20/s\ndata = d.csv sequential stop", 4, 0.2),
                                ("pace = rate 20/s for 1m\ndata = d.csv sequential stop", 4, 0.2),
                                ("pace = rate 20/s for 1s\nsetup = s", 20, 1), ("pace = burst 5 every 1s for 2s", 10, 2)):
        with folder() as tmp:
            write(os.path.join(tmp, "d.csv"), "n\n1\n2\n3\n4\n")
            path = write(os.path.join(tmp, "p.ini"), fx(plan) + (step if "setup" in plan else ""))
            done = probectl("run", path, "--report", "json:-")
            p = json.loads(done.stdout)["plans"][0]
            assert done.returncode == 0 and p["asked"] == sent, (plan, p)
            assert abs(p["schedule_s"] - seconds) < 0.001 and abs(p["asked_rate"] - sent / seconds) < 0.1, (plan, p["schedule_s"], p["asked_rate"])


def sinks_are_written_and_services_not_started():
    with folder() as tmp, Silent() as taken:
        path = write(os.path.join(tmp, "p.ini"), fx("pace = rate 50/s for 500ms") + "[sink s]\ndriver = jsonl\npath = %s/out.jsonl\n"
                     "[service web]\ndriver = web\nlisten = 127.0.0.1:%d\n" % (tmp, taken.port))
        done = probectl("run", path, "-q")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        with open(os.path.join(tmp, "out.jsonl")) as f:
            assert [json.loads(line)["plan"] for line in f] == ["p"] * 25


def no_start_of_ours_is_in_the_latency():
    """Both workers stand still for a second with their targets; the first probe is due after that."""
    with folder() as tmp:
        path = write(os.path.join(tmp, "p.ini"), fx("pace = rate 20/s for 1s", "start = 1s"))
        report = os.path.join(tmp, "r.json")
        assert probectl("run", path, "--report", "json:" + report).returncode == 0
        plan = loaded(report)["plans"][0]
        assert plan["ok"] == 20 and plan["latency_ms"]["max"] < 900, plan["latency_ms"]


# --- progress -------------------------------------------------------------------------------------


def seen_on_a_terminal(columns, *args):
    """What a terminal gets, and the status."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    p = subprocess.Popen([PROBECTL, *args], stdin=side, stdout=side, stderr=side, env=dict(ENV, TERM="xterm"))
    os.close(side)
    text = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:  # its last user has gone
            break
        if not piece:
            break
        text += piece
    os.close(main)
    return p.wait(60), text.decode()


def a_terminal_has_a_bar():
    first, second = r"p  \[[#.]{20}\] +\d+ %  asked [\d.]+/s  sent [\d.]+/s  ", r"\d+ in flight  \d+ ok  \d+ failed  p50 .*p95 .*p99 [\d.]+ [mu]s"
    with folder() as tmp:
        path = write(os.path.join(tmp, "p.ini"), fx("pace = rate 50/s for 3s") + "[plan q]\nrun = one t\npace = users 3 think 50ms for 2s\n")
        for columns, between in ((150, ""), (80, "\r\n  ")):
            status, text = seen_on_a_terminal(columns, "run", path)
            assert status == 0, text
            bars = re.findall(first + between + second, text)
            assert len(bars) >= 3 and len(set(bars)) > 1, text
            assert re.search(r"q  \[[#.]{20}\].*%s3 users" % between, text), text
            assert text.rfind("\033[J") < text.rfind("p.ini\033[0m: finished"), "the bars are not taken away"
            drawn = text[:text.rfind("\033[J")]
            assert max(len(line) for line in re.sub(r"\033\[\w+", "", drawn).replace("\r", "\n").split("\n")) < columns, drawn


def a_pipe_has_none():
    with folder() as tmp:
        done = probectl("run", write(os.path.join(tmp, "p.ini"), fx("pace = rate 50/s for 11s")))
        assert done.returncode == 0 and "\033" not in done.stdout + done.stderr, done
        assert re.fullmatch(r"(p +\d+ %  asked [\d.]+/s  sent [\d.]+/s  \d+ in flight  \d+ ok  0 failed  p50 .*\n){1,3}", done.stderr), done.stderr


# --- report ---------------------------------------------------------------------------------------


def runs_are_merged_and_compared():
    with folder() as tmp:
        a, b, out = (os.path.join(tmp, n) for n in ("a.run", "b.run", "out.json"))
        both = [started("run", write(os.path.join(tmp, name), fx("pace = rate 50/s for 10s" + plan, target)), "-q", "--save", run_file)
                for name, run_file, plan, target in (("a.ini", a, "", "do = ok"),
                                                     ("b.ini", b, "\nrequire.1 = latency p50 < 90ms", "do = slow\ndelay = 100ms"))]
        assert [(p.communicate(timeout=100), p.returncode)[1] for p in both] == [0, 1]
        assert probectl("report", a).returncode == 0
        assert probectl("report", a, b).returncode == 1, "the requirement of the last one does not hold"
        assert probectl("report", "-m", a, a, b, "-f", "json", "-o", out).returncode in (0, 1)
        plan = loaded(out)["plans"][0]
        assert plan["sent"] == 1500 and plan["latency_ms"]["count"] == 1500, plan
        told = probectl("report", a, b).stdout
        assert "Compared with" in told and re.search(r"service p50.*worse", told), told
        told = probectl("report", a, a).stdout
        assert "no clear difference" in told and not re.search(r"(latency|service).*worse", told), told
        with open(b, "r+b") as f:
            f.truncate(os.path.getsize(b) // 2)
        done = probectl("report", b)
        assert done.returncode == 2 and done.stderr.startswith("probectl report: " + b + ": "), done


# --- probe ----------------------------------------------------------------------------------------


def probing_is_like_ping():
    with folder() as tmp, Stamps(tmp) as server:
        done = probectl("probe", server.url, "-c", "3", "-i", "50ms")
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and len(lines) == 6, done
        assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}  ok       http://127", line) for line in lines[:3]), done.stdout
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+: 3 probes, 3 ok, 0 not \(0 %\)", lines[4]), lines
        assert re.fullmatch(r"latency min .*, mean .*, p95 .*, max .*", lines[5]), lines
        assert len(server.end()) == 3


def several_urls_are_probed_side_by_side():
    with folder() as tmp, Stamps(tmp) as server:
        dead = "tcp://127.0.0.1:%d" % free_port()
        done = probectl("probe", server.url, dead, "-c", "2", "-i", "50ms", "--json")
        results = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 1 and len(results) == 4, done
        assert {(r["target"], r["outcome"]) for r in results} == {(server.url.rstrip("/"), "ok"), (dead, "error")}, results


def options_and_expectations_are_given_along():
    done = probectl("probe", "fx://127.0.0.1", "-c", "1", "--json", "--set", "do=echo", "--set", "text=a = b; c", "--expect", "text == \"a = b; c\"")
    assert done.returncode == 0 and json.loads(done.stdout)["facts"]["text"] == "a = b; c", done
    assert probectl("probe", "fx://127.0.0.1", "-c", "1", "-q", "--expect", "status == 201").returncode == 1


def an_interrupt_ends_a_probe_that_has_no_count():
    for args, status in (((), 0), (("-c", "1000"), 130)):
        p = started("probe", "fx://127.0.0.1", "-i", "20ms", *args)
        p.stdout.readline()
        p.send_signal(signal.SIGINT)
        out, _ = p.communicate(timeout=60)
        assert p.returncode == status and re.search(r"\n127\.0\.0\.1: \d+ probes?, \d+ ok|\nfx://127.*: \d+ probes?, \d+ ok", out), (p.returncode, out)


# --- scan -----------------------------------------------------------------------------------------


def ports_are_open_or_closed():
    closed = free_port()
    with Silent() as server:
        for place in ("127.0.0.1", "localhost"):
            done = probectl("scan", "%s:%d,%d" % (place, server.port, closed), "--all")
            assert done.returncode == 0, done
            assert re.search(r"^%s:%d +open +" % (re.escape(place), server.port), done.stdout, re.M), done.stdout
            assert re.search(r"^%s:%d +closed +.* refused$" % (re.escape(place), closed), done.stdout, re.M), done.stdout
            assert done.stdout.endswith("1 open, 1 closed, 0 filtered or unknown\n"), done.stdout
    done = probectl("scan", "127.0.0.1:%d" % closed)
    assert done.returncode == 1 and done.stdout == "0 open, 1 closed, 0 filtered or unknown\n", done


def ranges_and_both_families_are_scanned():
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        print("# no IPv6 here")
        server = socket.create_server(("127.0.0.1", 0))
    with server:
        host, port = server.getsockname()[:2]
        host = "[%s]" % host if ":" in host else host
        first, last = max(1, port - 500), min(65535, port + 500)
        done = probectl("scan", "%s:%d-%d" % (host, first, last), "--json", "--rate", "%d/s" % (500 if SANITIZED else 2000))
        states = {(r["host"], r["port"]): r["state"] for r in map(json.loads, done.stdout.splitlines())}
        assert done.returncode == 0 and len(states) == last - first + 1, (done.returncode, done.stderr)
        assert states[host, port] == "open" and "closed" in states.values(), states


if __name__ == "__main__":
    run(bad_arguments_are_told, help_is_told, the_status_says_whether_it_holds, an_interrupted_run_tells_what_it_measured,
        a_second_interrupt_ends_it_at_once, before_the_run_too, each_format_is_what_it_is_called,
        a_report_on_standard_output_is_alone_there, files_stay_as_they_are_where_nothing_is_run,
        rates_and_times_are_changed_from_the_command_line, plans_are_chosen_by_name,
        a_plan_that_stands_still_or_has_no_end_says_so, what_is_asked_is_what_the_pace_says, sinks_are_written_and_services_not_started,
        no_start_of_ours_is_in_the_latency, a_terminal_has_a_bar, a_pipe_has_none, runs_are_merged_and_compared,
        probing_is_like_ping, several_urls_are_probed_side_by_side, options_and_expectations_are_given_along,
        an_interrupt_ends_a_probe_that_has_no_count, ports_are_open_or_closed, ranges_and_both_families_are_scanned)
