#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plans in a configuration: what --check, --print-config and --dry-run say of them. Nothing is sent."""
import datetime
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import FIXTURES, PLUGINS, command, folder, run, write

HERE = "[probed]\nplugin_path = %s:%s\n" % (PLUGINS, FIXTURES)
TARGETS = """[defaults]
driver = fx
[target home]
host = a.example.org
limit = 900/s burst 3
[target api]
host = b.example.org
weight = 3
[host *.example.org]
limit = 500/s
backoff = 1s..1m
[driver fx]
inflight = 70
[step login]
target = api
text = {{row.user}}
capture.token = text
[step orders]
target = api
text = {{token}}
"""
ROW = re.compile(r"^ +(\d+) +(\d+\.\d{6})s  (\S+)  (.+)$", re.M)


def dry(plans, *args, config=HERE + TARGETS):
    done = command("--dry-run", *args, config=config + plans)
    assert done.returncode == 0, done
    return done.stdout


def rows(text):
    return [(int(i), float(after), at, what) for i, after, at, what in ROW.findall(text)]


def counts_are_told():
    done = command("--check", config=HERE + TARGETS + "[plan p]\nrun = pick *\npace = rate 1/s\n")
    assert done.returncode == 0 and done.stdout == "2 targets, 2 steps, 1 plan, 0 sinks, 0 services: ok\n", done
    for step in ("login", "orders"):
        assert "warning: [step %s] no flow and no plan runs it" % step in done.stderr, done.stderr


def a_driver_is_asked_about_steps_too():
    done = command("--check", config=HERE + "[target a]\ndriver = fx\n[step s]\ntarget = a\nrefuse = yes\n[flow f]\nsteps = s\n"
                   "[plan p]\nrun = f\npace = rate 1/s\n")
    assert done.returncode == 78 and re.search(r"probed.ini:7: \[step s\] ", done.stderr), done


def rates_are_shown_as_they_will_be():
    text = dry("[plan p]\nrun = pick *\npace = rate 20/s ramp 10s:40/s hold 5s\ninflight = 9\n", "-n", "200")
    assert "plan p: starts when asked\n" in text, text
    assert "  asks     up to 40/s, 500 in all, for 15 s\n" in text, text
    due = rows(text)
    assert [r[0] for r in due] == list(range(200)), text
    # the area under 20 + 2t: index i is due where 20t + t^2 = i
    for i, after, _, _ in due:
        assert abs(20 * after + after * after - i) < 1e-3, (i, after)
    first = datetime.datetime.fromisoformat(due[0][2].replace("Z", "+00:00"))
    last = datetime.datetime.fromisoformat(due[-1][2].replace("Z", "+00:00"))
    assert abs((last - first).total_seconds() - due[-1][1]) < 0.002
    api = sum(r[3] == "api" for r in due)
    assert 115 <= api <= 180, api  # three quarters of 200, give or take six sigmas


def the_same_seed_shows_the_same():
    plan = "[plan p]\nrun = pick *\npace = human 1s..3s\nseed = %s\n"
    one, two, other = (rows(dry(plan % seed, "-n", "50")) for seed in (1, 1, 2))
    assert [r[1::2] for r in one] == [r[1::2] for r in two]
    assert [r[1::2] for r in one] != [r[1::2] for r in other]


def limits_in_force_are_shown():
    text = dry("[plan p]\nrun = home\npace = rate 20/s\nlimit = 100/s\n", config=HERE + "limit = 5000/s\ninflight = 80\n" + TARGETS)
    assert re.findall(r"^  limit    (.*)$", text, re.M) == [
        "plan: limit 100/s, inflight 1000", "all plans: limit 5000/s, inflight 80", "target home: limit 900/s burst 3",
        "driver fx: inflight 70", "host a.example.org by [host *.example.org]: limit 500/s, backoff 1s..1m"], text


def users_show_their_ramp_and_flows_their_steps():
    with folder() as tmp:
        data = write(os.path.join(tmp, "users.csv"), "user,pass\na,b\n")
        text = dry("[plan p]\nrun = flow login orders\npace = users 10 ramp 5s think 1s..2s\ndata = %s\n" % data)
    due = rows(text)
    assert [r[1] for r in due] == [i / 2 for i in range(10)], text
    assert {r[3] for r in due} == {"p (login orders)"}, text
    assert "  data     %s, sequential, repeat\n" % data in text, text


def a_window_shows_when_it_opens():
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    day = tomorrow.strftime("%a").lower()
    text = dry("[plan p]\nrun = home\npace = rate 1/min\nwindow = %s 12:00-12:02\n" % day)
    at = tomorrow.strftime("%Y-%m-%dT12:0")
    assert "shut; opens %s0:00.000Z, until %s2:00.000Z" % (at, at) in text, text
    assert [r[2] for r in rows(text)] == [at + "0:00.000Z", at + "1:00.000Z"], text
    assert "the window shuts" in text and "starts with the daemon" in text


def one_plan_is_shown_alone():
    plans = "[plan p]\nrun = home\npace = rate 1/s\n[plan soak]\nrun = sequence home api home\npace = rate 1/s\n"
    assert "plan p: " in dry(plans) and "plan soak: " in dry(plans)
    text = dry(plans, "--plan", "soak")
    assert text.startswith("plan soak: starts when asked\n") and [r[3] for r in rows(text)] == ["home", "api", "home"], text
    done = command("--dry-run", "--plan", "sok", config=HERE + TARGETS + plans)
    assert done.returncode == 2 and done.stderr.endswith('probed: there is no plan "sok" (did you mean "soak"?)\n'), done


def what_is_printed_reads_back():
    with folder() as tmp:
        write(os.path.join(tmp, "users.csv"), "user\na\n")
        config = HERE + TARGETS + "[flow f]\nsteps = login orders\n[plan p]\nrun = mix f\npace = rate 1/s\ndata = users.csv unique\n"
        first = command("-c", write(os.path.join(tmp, "a.ini"), config), "--print-config")
        assert first.returncode == 0, first
        # the data's file is found from anywhere
        again = command("--print-config", config=first.stdout)
        assert again.returncode == 0 and again.stdout == first.stdout, again


if __name__ == "__main__":
    run(counts_are_told, a_driver_is_asked_about_steps_too, rates_are_shown_as_they_will_be, the_same_seed_shows_the_same,
        limits_in_force_are_shown, users_show_their_ramp_and_flows_their_steps, a_window_shows_when_it_opens, one_plan_is_shown_alone,
        what_is_printed_reads_back)
