#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Scripts of steps, in Lua, against a real server that checks signatures: requests changed, answers read, limits kept."""
import hashlib
import hmac
import http.server
import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, PLUGINS, Daemon, Skip, command, folder, run, write

PROBECTL = os.path.join(BUILD, "probectl")
KEY = b"a secret"


class Bank(http.server.BaseHTTPRequestHandler):
    """Each request has to be signed; /login gives a session that /account wants; /odd answers 200 to what went wrong."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = self.command.encode() + b" " + self.path.encode() + b"\n" + body
        signed = self.headers.get("X-Signature") == hmac.new(KEY, text, hashlib.sha256).hexdigest()
        bank = self.server
        with bank.lock:
            bank.seen.append((self.command, self.path, dict(self.headers), body, signed))
            if self.path == "/login":
                bank.sessions += 1
            session = "s%d" % bank.sessions
        known = self.path != "/account" or self.headers.get("X-Session", "").startswith("s")
        answer = {"error": "out of order"} if self.path == "/odd" else {"session": {"id": session}, "balance": 12}
        out = json.dumps(answer).encode()
        self.send_response(200 if signed and known else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    do_GET = do_POST = do_PUT = do


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Bank)
        self.lock, self.seen, self.sessions = threading.Lock(), [], 0
        self.url = "http://127.0.0.1:%d" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *args):
        """A probe's end may reset its connection."""

    def __exit__(self, *args):
        self.shutdown()
        super().__exit__(*args)


SIGN = """local key = "a secret"

function before(request)
	local text = request.method .. " " .. request.path .. "\\n" .. (request.body or "")
	request.header["X-Signature"] = hmac_sha256(key, text)
end
"""

BANK = """[target bank]
driver = http
url = %s
reuse = yes
monitor = no
before_is_not_for_targets

[step login]
target = bank
method = POST
path = /login
body = {"user": "u{{user}}"}
before = @sign.lua
after = <<END
local answer, why = json.decode(result.body)
if not answer then
	fail("json", why)
elseif result.header["content-type"] ~= "application/json" then
	fail("type", tostring(result.header))
else
	vars.session = answer.session.id
end
END

[step account]
target = bank
path = /account
header.X-Session = {{session}}
before = @sign.lua

[step odd]
target = bank
path = /odd
before = @sign.lua
after = local a = json.decode(result.body) if a.error then fail("answer", a.error .. ", with status " .. result.status) end

""".replace("before_is_not_for_targets\n", "")


def probectl(tmp, config, *args, ok=(0,), plugins=PLUGINS):
    path = write(os.path.join(tmp, "probed.ini"), "[probed]\nplugin_path = %s\n\n" % plugins + config)
    out = os.path.join(tmp, "report.json")
    done = subprocess.run([PROBECTL, "run", path, "--report", "json:" + out, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=120)
    assert done.returncode in ok, "exit %d\n%s%s" % (done.returncode, done.stdout, done.stderr)
    with open(out) as f:
        plan = json.load(f)["plans"][0]
    return plan, {s["name"]: s for s in plan["steps"]}, done.stdout + done.stderr


def needs_lua():
    if not os.path.exists(os.path.join(PLUGINS, "lua.so")):
        raise Skip("the plugin lua was not built")


def requests_are_signed_and_answers_read():
    needs_lua()
    with folder() as tmp, Server() as server:
        write(os.path.join(tmp, "sign.lua"), SIGN)
        _, steps, out = probectl(tmp, BANK % server.url + "[plan p]\nrun = flow login account\npace = rate 10/s for 1s\n")
        assert steps["login"]["ok"] == steps["account"]["ok"] == 10, out
        assert all(signed for *_, signed in server.seen)
        sessions = [headers["X-Session"] for _, path, headers, _, _ in server.seen if path == "/account"]
        assert len(set(sessions)) == 10, sessions
        assert {body for _, path, _, body, _ in server.seen if path == "/login"} >= {b'{"user": "u0"}'}, server.seen[0]


def a_bad_answer_fails_with_the_scripts_words():
    needs_lua()
    with folder() as tmp, Server() as server:
        write(os.path.join(tmp, "sign.lua"), SIGN)
        _, steps, out = probectl(tmp, BANK % server.url + "[plan p]\nrun = flow odd account\npace = rate 5/s for 1s\n", ok=(0, 1))
        assert steps["odd"]["fail"] == 5 and steps["account"]["sent"] == 0, out
        assert "answer: out of order, with status 200" in out, out


def a_script_that_breaks_a_limit_is_an_error_of_its_probe():
    needs_lua()
    with folder() as tmp, Server() as server:
        text = ("[target bank]\ndriver = http\nurl = %s\nmonitor = no\n[step a]\ntarget = bank\non_fail = continue\n"
                "before = <<END\nlocal n = 0\nwhile true do n = n + 1 end\nEND\n"
                "[step b]\ntarget = bank\non_fail = continue\nexpect.any = status > 0\nafter = <<END\nlocal t = {}\nwhile true do t[#t + 1] = ('x'):rep(1e6) .. #t end\nEND\n"
                "[step c]\ntarget = bank\nexpect.any = status > 0\nafter = vars.x = result.status.none\n"
                "[plan p]\nrun = flow a b c\npace = rate 5/s for 1s\n")
        _, steps, out = probectl(tmp, text % server.url, ok=(0, 1))
        for name, says in (("a", "script before:2: "), ("b", "script after:2: "),
                           ("c", "script after:1: attempt to index a number value")):
            assert steps[name]["error"] == 5 and steps[name]["reasons"] == {"internal": 5}, (steps[name], out)
            assert says in out, out
        assert len(server.seen) == 10, "a was never sent"


def bad_scripts_are_errors_of_the_check():
    needs_lua()
    with folder() as tmp:
        write(os.path.join(tmp, "sign.lua"), "function before(request)\n\tlocal x = = 1\nend\n")
        target = "[probed]\nplugin_path = %s\n[target t]\ndriver = http\nurl = http://127.0.0.1/\n[step s]\ntarget = t\n" % PLUGINS
        for line, says in (("before = @sign.lua", "probed.ini:8: [step s] before: sign.lua:2: unexpected symbol near '='"),
                           ("after = if x", "probed.ini:8: [step s] after: after:1: 'then' expected near <eof>"),
                           ("before = @none.lua", "probed.ini:8: [step s] before: can't read none.lua: No such file or directory"),
                           ("before = x()\nhook = lue", "probed.ini:9: [step s] hook: no plugin runs \"lue\" (did you mean \"lua\"?)")):
            write(os.path.join(tmp, "probed.ini"), target + line + "\n[plan p]\nrun = flow s\npace = rate 1/s\n")
            done = subprocess.run([os.path.join(BUILD, "probed"), "-c", "probed.ini", "--check"], cwd=tmp, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=120)
            assert done.returncode == 78 and says in done.stdout, (says, done.returncode, done.stdout)


def the_list_shows_what_runs_scripts():
    needs_lua()
    out = command("--list-plugins", "--json", env={"PROBED_PLUGIN_PATH": PLUGINS}).stdout
    assert {p["name"]: p["hooks"] for p in json.loads(out)}["lua"] == ["lua"]
    assert " hook " in [line for line in command("--list-plugins", env={"PROBED_PLUGIN_PATH": PLUGINS}).stdout.splitlines()
                        if line.startswith("lua ")][0]
    assert "Hook lua: Runs scripts in Lua" in command("--plugin-info", "lua", env={"PROBED_PLUGIN_PATH": PLUGINS}).stdout
    done = command("--check-plugin", os.path.join(PLUGINS, "lua.so"))
    assert done.returncode == 0 and "hook lua: compiles, or says why not" in done.stdout, done.stdout


def a_changed_script_is_taken_over():
    needs_lua()
    with Server() as server:
        d = Daemon(start=False)
        script = os.path.join(d.tmp, "say.lua")
        write(script, "request.header['X-Say'] = 'one'")
        d.configure("[target t]\ndriver = http\nurl = %s\nmonitor = no\n[step s]\ntarget = t\nexpect.any = status > 0\nhook = lua\nbefore = @say.lua\n"
                    "[plan p]\nrun = flow s\npace = rate 20/s\n" % server.url)
        d.start()
        with d:
            d.wait_ready()
            d.wait_results(lambda all: len(all) >= 3, "the first results")
            write(script, "request.header['X-Say'] = 'two'")

            def says_two():
                return any(headers.get("X-Say") == "two" for _, _, headers, _, _ in list(server.seen))
            d.wait_results(lambda all: says_two(), "the new script")
            assert server.seen[0][2]["X-Say"] == "one"


def crashes(script):
    """What runs the script is struck, and put into quarantine; the driver is not."""
    config = ("[target t]\ndriver = fx\nmonitor = no\ndo = ok\n[target fine]\ndriver = fx\ninterval = 100ms\ndo = ok\n"
              "[step s]\ntarget = t\nhook = fxhook\nbefore = %s\n[plan p]\nrun = flow s\npace = rate 5/s\n" % script)
    with Daemon(config, crashes=True) as d:
        d.wait_ready()
        d.wait_log("driver quarantined", driver="fxhook")
        before = len([r for r in d.results() if r["target"] == "fine"])
        d.wait_results(lambda all: len([r for r in all if r["target"] == "fine"]) >= before + 5, "others to go on")
        assert d.metric("probed_driver_quarantined", driver="fxhook") == 1
        assert not d.logged("driver misbehaved", driver="fx$"), d.log
        assert all(r["outcome"] == "ok" for r in d.results() if r["target"] == "fine")


def a_script_that_crashes_is_its_languages_strike():
    crashes("segv")


def a_script_that_stands_still_is_too():
    crashes("spin")


if __name__ == "__main__":
    run(requests_are_signed_and_answers_read, a_bad_answer_fails_with_the_scripts_words,
        a_script_that_breaks_a_limit_is_an_error_of_its_probe, bad_scripts_are_errors_of_the_check, the_list_shows_what_runs_scripts,
        a_changed_script_is_taken_over, a_script_that_crashes_is_its_languages_strike, a_script_that_stands_still_is_too)
