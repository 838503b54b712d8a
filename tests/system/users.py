#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Closed loops from a configuration to a server: what a user captured or was given is what it sends, each row once; users keep
within the limit of a host, and go on where a worker was lost."""
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, FIXTURES, PLUGINS, SANITIZED, folder, run, until, write

PROBECTL = os.path.join(BUILD, "probectl")
HEAD = "[probed]\nplugin_path = %s:%s\n\n" % (PLUGINS, FIXTURES)


class Shop(http.server.ThreadingHTTPServer):
    """Gives each user who logs in a token, and writes down who came with which."""

    daemon_threads = True
    request_queue_size = 128

    class Request(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            user = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["user"]
            self.server.seen.append(("login", user, None))
            self.answer(200, json.dumps({"token": "t-" + user}).encode())

        def do_GET(self):
            path, _, user = self.path[1:].partition("?user=")
            self.server.seen.append((path, user, self.headers.get("X-Token")))
            self.answer(200, b"well")

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Request)
        self.seen = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass

    @property
    def config(self):
        return HEAD + """[target api]
driver = http
url = http://127.0.0.1:%d/
monitor = no
[step login]
target = api
method = POST
path = /login
body = {"user": "{{row.user}}"}
capture.token = jsonpath $.token
[step orders]
target = api
path = /orders?user={{row.user}}
header.X-Token = {{token}}
[step last]
target = api
path = /last
""" % self.server_address[1]


def run_plan(tmp, config):
    path, out = write(os.path.join(tmp, "probed.ini"), config), os.path.join(tmp, "report.json")
    done = subprocess.run([PROBECTL, "run", path, "--report", "json:" + out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180)
    assert done.returncode == 0, "exit %d\n%s%s" % (done.returncode, done.stdout, done.stderr)
    with open(out) as f:
        return json.load(f)["plans"][0]


def users_file(tmp, n):
    return write(os.path.join(tmp, "users.csv"), "user\n" + "".join("u%d\n" % i for i in range(n)))


def users_send_what_they_captured():
    with folder() as tmp, Shop() as shop:
        plan = run_plan(tmp, shop.config + "[plan p]\nrun = flow login orders\ndata = %s unique\npace = users 7 for 60s\n" % users_file(tmp, 60))
        assert plan["ok"] == plan["sent"] == 120, plan
        logins = [user for what, user, _ in shop.seen if what == "login"]
        assert sorted(logins) == sorted("u%d" % i for i in range(60)), logins  # each row once
        for what, user, token in shop.seen:
            assert what == "login" or token == "t-" + user, (what, user, token)
        for user in logins:
            assert [what for what, who, _ in shop.seen if who == user] == ["login", "orders"]


def users_keep_within_the_limit_of_a_host():
    with folder() as tmp, Shop() as shop:
        config = shop.config + "[host 127.0.0.1]\nlimit = 40/s\n[plan p]\nrun = flow last orders\npace = users 8 for 3s\n"
        plan = run_plan(tmp, config.replace("header.X-Token = {{token}}\n", "").replace("/orders?user={{row.user}}", "/orders?user=x"))
        assert plan["fail"] == plan["error"] == 0, plan
        assert len(shop.seen) <= 3 * 40 + 40, len(shop.seen)  # what was begun at the end waits for its turn too
        assert len(shop.seen) >= (60 if SANITIZED else 100), len(shop.seen)


def workers_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(c) for c in f.read().split() if b"worker" in open("/proc/%s/cmdline" % c, "rb").read()]


def users_go_on_where_a_worker_was_lost():
    with folder() as tmp:
        out = os.path.join(tmp, "report.json")
        path = write(os.path.join(tmp, "probed.ini"), HEAD + "[target t]\ndriver = fx\ndo = slow\ndelay = 5ms\nmonitor = no\n"
                     "[plan p]\nrun = flow t t\npace = users 20 for 6s\n")
        process = subprocess.Popen([PROBECTL, "run", path, "--report", "json:" + out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        until(lambda: workers_of(process.pid), "a worker")
        time.sleep(2)  # into the middle of the run
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        said, _ = process.communicate(timeout=90)
        assert process.returncode == 0, said
        with open(out) as f:
            plan = json.load(f)["plans"][0]
        assert plan["ok"] > 20 * 3 * (20 if SANITIZED else 60), plan["ok"]
        assert plan["ok"] == plan["sent"] and plan["unknown"] == plan["lost"] <= 20, plan
        assert plan["lag_ms"]["max"] < 1000, plan["lag_ms"]  # a user who begins again is due then


if __name__ == "__main__":
    run(users_send_what_they_captured, users_keep_within_the_limit_of_a_host, users_go_on_where_a_worker_was_lost)
