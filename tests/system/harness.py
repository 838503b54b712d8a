# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: TAP, free ports, and a running daemon that can be asked and waited for.

A test is a function that takes no argument; run(...) runs them all. Nothing here sleeps to synchronise: waiting
is for a condition, with a bound.
"""
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

SRC = os.environ.get("top_srcdir", os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))
BUILD = os.environ.get("top_builddir", os.path.join(SRC, "build"))
PROBED = os.path.join(BUILD, "probed")
PLUGINS = os.path.join(BUILD, ".libs")
FIXTURES = os.path.join(BUILD, "tests/fixtures/.libs")
with open(os.path.join(BUILD, "config.h")) as _config:
    SANITIZED = "#define WITH_SANITIZERS 1" in _config.read()  # memory is then the sanitizers'
PATIENCE = float(os.environ.get("TEST_PATIENCE", "60"))


SANITIZER = re.compile(r"ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|probed\[\d+\]: bug at")


class Skip(Exception):
    """Raised by a test that can't run here, with the reason."""


def run(*tests):
    """Runs the tests, or those named on the command line, and speaks TAP."""
    wanted = sys.argv[1:]
    chosen = [t for t in tests if not wanted or t.__name__ in wanted]
    print("1..%d" % len(chosen), flush=True)
    failed = 0
    for number, test in enumerate(chosen, 1):
        try:
            test()
            print("ok %d - %s" % (number, test.__name__), flush=True)
        except Skip as why:
            print("ok %d - %s # SKIP %s" % (number, test.__name__, why), flush=True)
        except BaseException:
            failed += 1
            print("not ok %d - %s" % (number, test.__name__), flush=True)
            for line in traceback.format_exc().splitlines():
                print("# " + line, flush=True)
    sys.exit(1 if failed else 0)


def free_port(kind=socket.SOCK_STREAM, host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def until(condition, what, patience=None):
    """The first true value of condition(); looked at some hundred times a second."""
    end = time.monotonic() + (patience or PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.01)


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="probed-test-")
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write(path, text):
    """As an editor would: a new file in the place of the old one."""
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)
    return path


def command(*args, config=None, env=None, timeout=120):
    """Runs probed to its end; `config` is text for -c."""
    with folder() as tmp:
        if config is not None:
            args = ("-c", write(os.path.join(tmp, "probed.ini"), config)) + args
        return subprocess.run([PROBED, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=dict(os.environ, **(env or {})), timeout=timeout)


def once(config, *args, **kw):
    """Results of --once --json by target (sub-results as target/sub)."""
    done = command("--once", "--json", *args, config=config, **kw)
    assert done.returncode in (0, 1), "exit %d\n%s%s" % (done.returncode, done.stdout, done.stderr)
    results = {}
    for line in done.stdout.splitlines():
        r = json.loads(line)
        results[r["target"] + ("/" + r["sub"] if r.get("sub") else "")] = r
    return results


def status_of(pid, field):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(field + ":"):
                return line.split(":", 1)[1].strip()
    raise KeyError(field)


def pss_kb(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def alive(pid):
    """Runs, or is a zombie of somebody else's: no."""
    try:
        return status_of(pid, "State")[0] != "Z"
    except OSError:
        return False


class Daemon:
    """probed -c, with its log, its results (a jsonl sink named `out` on a file) and its /metrics within reach.

    `config` gets the sections [probed] settings (a dict), the sink and the web service added.
    """

    def __init__(self, config="", settings=None, plugins=(PLUGINS, FIXTURES), web=True, sink=True, env=None, args=(),
                 max_fds=None, start=True, crashes=False, program=(PROBED,)):
        self.tmp = tempfile.mkdtemp(prefix="probed-test-")
        os.chmod(self.tmp, 0o755)
        self.settings = dict({"plugin_path": ":".join(plugins), "log_format": "json", "workers": "2"}, **(settings or {}))
        self.web, self.sink = web, sink
        self.port = free_port() if web else 0
        self.ini = os.path.join(self.tmp, "probed.ini")
        self.results_path = os.path.join(self.tmp, "results.jsonl")
        self.env, self.args, self.max_fds, self.program = env, args, max_fds, program
        self.crashes = crashes  # a fixture's crash is what a sanitizer then reports
        if crashes:  # a signal must end the process as it does without sanitizers
            self.env = dict(env or {}, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0:handle_abort=0")
        self.configure(config)
        if start:
            self.start()

    def text(self, config):
        head = "[probed]\n" + "".join("%s = %s\n" % kv for kv in self.settings.items())
        if self.web:
            head += "[service web]\ndriver = web\nlisten = 127.0.0.1:%d\n" % self.port
        if self.sink:
            head += "[sink out]\ndriver = jsonl\npath = %s\n" % self.results_path
        return head + config

    def configure(self, config):
        write(self.ini, self.text(config))

    def start(self):
        self.log, self._read, self.stopped = [], 0, False
        self.process = subprocess.Popen([*self.program, "-c", self.ini, *self.args], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **(self.env or {})), preexec_fn=self._limit)
        self.follower = threading.Thread(target=self._follow, daemon=True)
        self.follower.start()

    def _limit(self):
        if self.max_fds:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.max_fds, self.max_fds))

    def _follow(self):
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"message": line.rstrip("\n"), "level": "raw"}
            self.log.append(entry)

    def logged(self, message, **fields):
        """Log lines so far with this message and these fields."""
        return [e for e in list(self.log) if e.get("message") == message and
                all(re.search(str(v), str(e.get(k, ""))) for k, v in fields.items())]

    def wait_log(self, message, count=1, **fields):
        def found():
            assert self.process.poll() is None or self.logged(message, **fields), "the daemon ended: %s" % self.log[-5:]
            lines = self.logged(message, **fields)
            return lines if len(lines) >= count else None
        return until(found, "log line %r %s; last: %s" % (message, fields, self.log[-3:]))

    def wait_count(self, done):
        """Waits until so many configurations were taken over, and so many refused."""
        def counted():
            m = self.metrics()
            return m["probed_reloads_total"] >= done["good"] and m["probed_reloads_failed_total"] >= done["bad"]
        until(counted, "%s; log: %s" % (done, self.log[-2:]))

    def core_status(self, field):
        """A field of /proc/PID/status of the core."""
        return status_of(self.process.pid, field)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def get(self, path, headers=None):
        """(status, body); status 0: no connection."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url(path), headers=headers or {}), timeout=20) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return 0, ""

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, "the daemon ended: %s" % self.log[-8:]
            return self.get("/readyz")[0] == 200
        until(ready, "/readyz; log: %s" % self.log[-5:])
        return self

    def metrics(self):
        """{name{labels}: value} as /metrics has it."""
        status, text = self.get("/metrics")
        assert status == 200, status
        return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")}

    def metric(self, name, **labels):
        """Sum of all samples of a name with these labels."""
        wanted = ['%s="%s"' % kv for kv in labels.items()]
        return sum(v for k, v in self.metrics().items() if k.split("{")[0] == name and all(w in k for w in wanted))

    def results(self):
        """All whole lines of the sink so far; only what is new is parsed."""
        if not hasattr(self, "_results"):
            self._results = []
        if self.stopped:
            return self._results
        with open(self.results_path, "rb") as f:
            f.seek(self._read)
            data = f.read()
        whole = data.rfind(b"\n") + 1
        self._read += whole
        self._results += [json.loads(line) for line in data[:whole].splitlines()]
        return self._results

    def wait_results(self, condition, what):
        def look():
            return os.path.exists(self.results_path) and condition(self.results())
        return until(look, "results: " + what)

    def children(self, role="worker"):
        """Pids of our children with a role."""
        found = []
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
            for pid in f.read().split():
                try:
                    with open("/proc/%s/cmdline" % pid) as c:
                        if "--child=" + role in c.read():
                            found.append(int(pid))
                except OSError:
                    pass
        return found

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def stop(self, expect=0):
        """Ends it by SIGTERM; its exit status must be as expected, and nothing of it may be left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.follower.join(PATIENCE)
        if os.path.exists(self.results_path):
            self.results()
        shutil.rmtree(self.tmp, ignore_errors=True)
        self.stopped = True
        assert status == expect, "exit status %s\n%s" % (status, self.log[-10:])
        self.check_sanitizers()
        return self

    def check_sanitizers(self):
        """Neither the daemon nor a child of it may have met with what a sanitizer reports."""
        raw = [e["message"] for e in self.log if e["level"] == "raw"]
        bad = [i for i, line in enumerate(raw) if SANITIZER.search(line)]
        if bad and not self.crashes:
            raise AssertionError("a sanitizer reports:\n" + "\n".join(raw[bad[0]:bad[0] + 60]))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, tb):
        if kind is None:
            if not self.stopped:
                self.stop()
        else:
            self.process.kill()
            self.process.wait()
            for entry in self.log[-20:]:
                print("# log: %s" % entry)
            shutil.rmtree(self.tmp, ignore_errors=True)
