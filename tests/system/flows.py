#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Flows against a shop that wants a token and a cookie from each user: sessions, rows of data, setup and teardown, tries."""
import collections
import http.server
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, PLUGINS, folder, run, write

PROBECTL = os.path.join(BUILD, "probectl")


class Shop(http.server.BaseHTTPRequestHandler):
    """POST /login gives a token and a cookie, GET /orders wants both; GET /flaky... fails twice."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        shop = self.server
        with shop.lock:
            earlier = sum(1 for _, _, path, _, _ in shop.seen if path == self.path)
            shop.seen.append((time.monotonic(), self.command, self.path, dict(self.headers), body))
        if self.path == "/login":
            user = json.loads(body)["user"]
            with shop.lock:
                shop.logins += 1
                token = "t%d-%s" % (shop.logins, user)
                shop.tokens[token] = user
            self.answer(200, json.dumps({"auth": {"token": token}}).encode(), Set_Cookie="sid=%s" % token)
        elif self.path.startswith("/orders"):
            token = self.headers.get("Authorization", "").replace("Bearer ", "")
            user = shop.tokens.get(token)
            good = user and "sid=%s" % token in self.headers.get("Cookie", "") and self.path == "/orders?user=%s" % user
            self.answer(200 if good else 403, b'{"orders":[]}')
        elif self.path.startswith("/flaky"):
            self.answer(200 if earlier == 2 else 503, b"")
        elif self.path == "/stop":
            self.answer(500, b"")
        else:
            self.answer(200, b"ok")

    do_GET = do_POST = do


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Shop)
        self.lock, self.seen, self.tokens, self.logins = threading.Lock(), [], {}, 0
        self.url = "http://127.0.0.1:%d" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *args):
        self.shutdown()
        super().__exit__(*args)

    def paths(self):
        return collections.Counter(path.split("?")[0] for _, _, path, _, _ in self.seen)


SHOP = """[target shop]
driver = http
url = %s
reuse = yes
monitor = no

[step login]
target = shop
method = POST
path = /login
body = {"user": "{{row.user}}"}
header.Content-Type = application/json
expect.in = status == 200
capture.token = jsonpath $.auth.token

[step orders]
target = shop
path = /orders?user={{row.user}}
header.Authorization = Bearer {{token}}
expect.seen = status == 200

"""


def probectl(tmp, config, *args, ok=(0,)):
    path = write(os.path.join(tmp, "probed.ini"), "[probed]\nplugin_path = %s\n\n" % PLUGINS + config)
    out = os.path.join(tmp, "report.json")
    done = subprocess.run([PROBECTL, "run", path, "--report", "json:" + out, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=120)
    assert done.returncode in ok, "exit %d\n%s%s" % (done.returncode, done.stdout, done.stderr)
    with open(out) as f:
        plan = json.load(f)["plans"][0]
    return plan, {s["name"]: s for s in plan["steps"]}


def users_csv(tmp, n):
    return write(os.path.join(tmp, "users.csv"), "user,id\n" + "".join("user%d,%d\n" % (i, i) for i in range(n)))


def a_flow_carries_captures_cookies_and_rows():
    with folder() as tmp, Server() as server:
        users_csv(tmp, 20)
        plan, steps = probectl(tmp, SHOP % server.url + "[plan p]\nrun = flow login orders\ndata = users.csv sequential stop\npace = rate 20/s for 2s\n"
                               "require.1 = errors count == 0\nrequire.2 = latency by orders p95 < 10s\n")
        # the data ends after 20 users, and with it the plan
        assert steps["login"]["ok"] == steps["orders"]["ok"] == 20, plan
        assert sorted(server.tokens.values()) == sorted("user%d" % i for i in range(20))


def sessions_are_not_shared():
    """Twenty users at a time: the server compares each one's cookie, token and row."""
    with folder() as tmp, Server() as server:
        users_csv(tmp, 50)
        plan, steps = probectl(tmp, SHOP % server.url + "[plan p]\nrun = flow login orders\ndata = users.csv random repeat\n"
                               "pace = users 20 for 3s\n", "--for", "3s")
        assert steps["orders"]["ok"] > 50 and not steps["orders"]["fail"], steps["orders"]
        assert steps["login"]["sent"] - steps["orders"]["sent"] <= 20


def tries_are_counted_and_move_no_schedule():
    with folder() as tmp, Server() as server:
        plan, steps = probectl(tmp, "[target t]\ndriver = http\nurl = %s/flaky/{{seq}}\nreuse = yes\nmonitor = no\nretry = 2\nexpect.x = status == 200\n"
                               "[plan p]\nrun = one t\npace = rate 5/s for 2s\n" % server.url)
        assert steps["t"]["ok"] == 10 and steps["t"]["sent"] == 10, steps["t"]
        assert plan["retried"] == 20, plan["retried"]
        assert len(server.seen) == 30


def setup_and_teardown_run_once():
    with folder() as tmp, Server() as server:
        write(os.path.join(tmp, "one.csv"), "user\nadmin\n")
        text = (SHOP % server.url).replace("{{row.user}}", "admin") + (
            "[step bye]\ntarget = shop\npath = /bye/{{token}}\n"
            "[plan p]\nsetup = login\nrun = one orders\nteardown = bye\npace = rate 20/s for 1s\n")
        text = text.replace("expect.seen = status == 200", "expect.seen = status < 500")
        _, steps = probectl(tmp, text)
        assert server.logins == 1
        orders = [headers["Authorization"] for _, _, path, headers, _ in server.seen if path.startswith("/orders")]
        assert orders == ["Bearer t1-admin"] * 20, orders
        assert server.seen[0][2] == "/login" and server.seen[-1][2] == "/bye/t1-admin", server.seen[-1]


def users_think_and_start_along_a_ramp():
    with folder() as tmp, Server() as server:
        plan, steps = probectl(tmp, "[target t]\ndriver = http\nurl = %s/u\nreuse = yes\nmonitor = no\n"
                               "[plan p]\nrun = one t\npace = users 10 ramp 2s think 200ms..300ms for 4s\n" % server.url)
        # user k starts at k x 200 ms and comes back each 0.2 to 0.3 s and a little
        n = steps["t"]["ok"]
        assert 70 <= n <= 160, n
        first = server.seen[0][0]
        early = sum(1 for at, *_ in server.seen if at - first < 0.9)
        assert early <= 25, early


def a_mix_has_its_shares():
    with folder() as tmp, Server() as server:
        probectl(tmp, "[target t]\ndriver = http\nurl = %s\nreuse = yes\nmonitor = no\n[step a]\ntarget = t\npath = /a\n[step b]\ntarget = t\npath = /b\n"
                 "[flow x]\nsteps = a a\n[flow y]\nsteps = b\n[plan p]\nrun = mix x:70 y:30\npace = rate 200/s for 3s\n" % server.url)
        paths = server.paths()
        x, y = paths["/a"] / 2, paths["/b"]
        assert x + y == 600 and abs(x - 420) < 60, paths


if __name__ == "__main__":
    run(a_flow_carries_captures_cookies_and_rows, sessions_are_not_shared, tries_are_counted_and_move_no_schedule, setup_and_teardown_run_once, users_think_and_start_along_a_ramp,
        a_mix_has_its_shares)
