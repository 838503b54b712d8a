# SPDX-License-Identifier: Apache-2.0
"""What monitoring costs: many targets, a quarter each http, dns, tcp and icmp, against servers of this machine.

Runs build/probed twice, without and with a jsonl sink, each with the web service and a scraper on it, and prints
memory (PSS), CPU, lag and the loop's stalls of a window after the warm-up. See README.md beside it.
"""
import argparse
import collections
import contextlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

SRC = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
BUILD = os.environ.get("top_builddir", os.path.join(SRC, "build"))
DRIVERS = ("http", "dns", "tcp", "icmp")
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60
ZONE = "bench.test"


def arguments():
    p = argparse.ArgumentParser(prog="bench/monitor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--targets", type=int, default=10000, help="of all drivers together (default 10000)")
    p.add_argument("--interval", type=float, default=10, help="seconds (default 10)")
    p.add_argument("--drivers", default=",".join(DRIVERS), help="share the targets evenly (default all four)")
    p.add_argument("--window", type=float, default=60, help="seconds measured (default 60)")
    p.add_argument("--warm-up", type=float, help="seconds before (default 1.5 intervals)")
    p.add_argument("--scrape", type=float, default=15, help="seconds between scrapes of /metrics, 0: none (default 15)")
    p.add_argument("--workers", default="auto", help="of [probed] (default auto)")
    p.add_argument("--sink", choices=("no", "yes", "both"), default="both", help="with a jsonl sink (default both)")
    p.add_argument("--max-pss", type=float, default=100, help="bound in MB (default 100)")
    p.add_argument("--max-cpu", type=float, default=15, help="bound in percent of one core (default 15)")
    p.add_argument("--max-lag", type=float, default=5, help="bound of the 99th percentile in ms (default 5)")
    p.add_argument("--burst", action="store_true", help="afterwards stop the core for an interval: all targets are due at once")
    p.add_argument("--probed", default=os.path.join(BUILD, "probed"), help="the daemon (default build/probed)")
    p.add_argument("--pause", action="store_true", help="print the pids after the warm-up, and wait for Enter: for profilers")
    args = p.parse_args()
    args.drivers = args.drivers.split(",")
    if not set(args.drivers) <= set(DRIVERS):
        p.error("--drivers: some of " + ",".join(DRIVERS))
    if args.warm_up is None:
        args.warm_up = 1.5 * args.interval
    return args


# --- the servers -----------------------------------------------------------------------------------

def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            sys.exit("bench/monitor: waited in vain for " + what)
        time.sleep(0.02)


@contextlib.contextmanager
def running(argv, log, ready, what):
    for path in argv[:1]:
        if not shutil.which(path):
            sys.exit("bench/monitor: %s is not installed: apt-get install nginx-light knot" % path)
    with open(log, "wb") as out:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        until(lambda: p.poll() is not None or ready(), what)
        if p.poll() is not None:
            sys.exit("bench/monitor: %s ended: %s" % (what, open(log).read()))
        yield p
    finally:
        p.terminate()
        p.wait()


def connects(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def nginx(tmp, port):
    """Answers every HTTP request, on every address of 127.0.0.0/8; its port serves the tcp targets too."""
    tmp += "/nginx"
    os.mkdir(tmp)  # its own: as root it gives the folder to the user of its worker
    with open(tmp + "/nginx.conf", "w") as f:
        f.write("daemon off; pid %s/nginx.pid; error_log stderr crit; worker_processes 1;\n"
                "events { worker_connections 16384; }\n"
                "http { access_log off; client_body_temp_path %s; proxy_temp_path %s; fastcgi_temp_path %s;\n"
                "uwsgi_temp_path %s; scgi_temp_path %s; keepalive_timeout 1s;\n"
                "server { listen 0.0.0.0:%d backlog=4096; default_type text/plain; return 200 'it works\\n'; } }\n"
                % ((tmp,) * 6 + (port,)))
    return running(["/usr/sbin/nginx", "-p", tmp, "-c", tmp + "/nginx.conf"], tmp + "/nginx.log",
                   lambda: connects(port), "nginx")


def answers(port):
    """Does a DNS server answer there?"""
    query = b"\0\1\0\0\0\1\0\0\0\0\0\0" + b"".join(bytes([len(p)]) + p.encode() for p in ZONE.split(".")) + b"\0\0\6\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.2)
        try:
            s.connect(("127.0.0.1", port))
            s.send(query)
            return len(s.recv(2000)) > 12
        except OSError:
            return False


def knot(tmp, port, names):
    with open(tmp + "/" + ZONE + ".zone", "w") as f:
        f.write("$ORIGIN %s.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n" % ZONE)
        f.writelines("%s A 192.0.2.1\n" % name for name in names)
    with open(tmp + "/knot.conf", "w") as f:
        f.write("server:\n  rundir: %s\n  listen: 127.0.0.1@%d\n  udp-workers: 1\n  tcp-workers: 1\n"
                "  background-workers: 1\n"
                "log:\n  - target: stderr\n    any: error\ndatabase:\n  storage: %s\n"
                "template:\n  - id: default\n    storage: %s\nzone:\n  - domain: %s\n    file: %s.zone\n"
                % (tmp, port, tmp, tmp, ZONE, ZONE))
    return running(["/usr/sbin/knotd", "-c", tmp + "/knot.conf"], tmp + "/knot.log", lambda: answers(port), "knotd")


# --- the configuration ------------------------------------------------------------------------------

def address(i):
    """Distinct ones within 127.0.0.0/8, as distinct hosts."""
    i += 256
    return "127.%d.%d.%d" % (1 + i // 62500, i // 250 % 250, 1 + i % 250)


def rows(driver, n, ports):
    if driver == "http":
        return ["id,url"] + ["http-%05d,http://%s:%d/" % (i, address(i), ports["http"]) for i in range(n)]
    if driver == "dns":
        return ["id,name"] + ["dns-%05d,h%05d.%s" % (i, i, ZONE) for i in range(n)]
    return ["id,host"] + ["%s-%05d,%s" % (driver, i, address(i)) for i in range(n)]


TEMPLATES = {
    "http": "expect.answers = status == 200\n",
    "dns": "server = 127.0.0.1:%(dns)d\nexpect.known = answer.count == 1\n",
    "tcp": "port = %(http)d\n",
    "icmp": "",
}


def configure(args, tmp, ports, sink):
    text = "[probed]\nlog_format = json\nworkers = %s\n" % args.workers
    text += "[defaults]\ninterval = %dms\ntimeout = 2s\n" % round(args.interval * 1000)
    text += "[service web]\ndriver = web\nlisten = 127.0.0.1:%d\n" % ports["web"]
    if sink:
        text += "[sink out]\ndriver = jsonl\npath = %s/results.jsonl\n" % tmp
    for i, driver in enumerate(args.drivers):
        n = args.targets // len(args.drivers) + (i < args.targets % len(args.drivers))
        with open("%s/%s.csv" % (tmp, driver), "w") as f:
            f.write("\n".join(rows(driver, n, ports)) + "\n")
        text += "[target %s]\ndriver = %s\ntargets_from = %s/%s.csv\nkey_column = id\n" % (driver, driver, tmp, driver)
        text += TEMPLATES[driver] % ports
    with open(tmp + "/probed.ini", "w") as f:
        f.write(text)
    return tmp + "/probed.ini"


# --- measuring --------------------------------------------------------------------------------------

def processes(pid):
    """{pid: name} of the daemon and its children."""
    found = {pid: "core"}
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        for child in f.read().split():
            with open("/proc/%s/cmdline" % child) as c, open("/proc/%s/comm" % child) as n:
                role = c.read().split("\0")
                found[int(child)] = next((a[8:] for a in role if a.startswith("--child=")), n.read().strip())
    return found


def smaps(pid):
    """MB by field of smaps_rollup."""
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return {k.rstrip(":"): int(v[0]) / 1024 for k, *v in (line.split() for line in f) if k.endswith(":")}


def cpu(pid):
    """(user, system) seconds so far, and context switches."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def switches(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(next(line for line in f if line.startswith("voluntary_ctxt")).split()[1])


def scrape(ports):
    """(/metrics, seconds it took)"""
    began = time.monotonic()
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % ports["web"], timeout=20) as r:
        data = r.read()
    return data, time.monotonic() - began


def parse(page):
    """{series: value}; takes a while, so never while measuring."""
    return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in page.decode().splitlines()
                                     if line and line[0] != "#")}


class Scraper:
    """Scrapes regularly, as Prometheus would; its own cost is this process'."""

    def __init__(self, ports, every):
        self.took, self.bytes, self.stop = [], 0, threading.Event()
        self.ports, self.every = ports, every
        if every:
            threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.stop.wait(self.every):
            page, took = scrape(self.ports)
            self.bytes = len(page)
            self.took.append(took)


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))] if values else math.nan


def series(metrics, name, **labels):
    """Sum of a metric's series with these labels."""
    wanted = ['%s="%s"' % kv for kv in labels.items()]
    return sum(v for k, v in metrics.items() if k.split("{")[0] == name and all(w in k for w in wanted))


def outcomes(metrics):
    count = collections.Counter()
    for k, v in metrics.items():
        if k.startswith("probed_probes_total{"):
            count[k.split('outcome="')[1].split('"')[0]] += v
    return count


def lags(path, since, until_size):
    """{driver: [ms]} of the results between these sizes of the file."""
    found = collections.defaultdict(list)
    with open(path, "rb") as f:
        f.seek(since)
        for line in f.read(until_size - since).splitlines():
            with contextlib.suppress(ValueError):  # the first and the last line may be cut
                r = json.loads(line)
                found[r["driver"]].append(r["lag_ms"])
    return found


class Run:
    """One run of the daemon and what it showed."""

    def __init__(self, args, tmp, ports, sink):
        self.args, self.ports, self.failed = args, ports, []
        self.results = tmp + "/results.jsonl" if sink else None
        self.wanted = round(args.targets * args.window / args.interval)
        log = open(tmp + "/probed.log", "w")
        began = time.monotonic()
        self.daemon = subprocess.Popen([args.probed, "-c", configure(args, tmp, ports, sink)], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=log)
        try:
            until(self.ready, "/readyz; see " + tmp + "/probed.log")
            print("  ready after %.2f s" % (time.monotonic() - began))
            time.sleep(args.warm_up)
            if args.pause:
                input("  %s: Enter goes on " % processes(self.daemon.pid))
            self.measure()
            if args.burst:
                self.burst()
        finally:
            self.daemon.send_signal(signal.SIGTERM)
            status = self.daemon.wait(PATIENCE)
            log.close()
        self.check("exit status", status, 0)
        self.report(tmp)

    def ready(self):
        if self.daemon.poll() is not None:
            sys.exit("bench/monitor: probed ended with %d" % self.daemon.returncode)
        try:
            return urllib.request.urlopen("http://127.0.0.1:%d/readyz" % self.ports["web"], timeout=5).status == 200
        except OSError:
            return False

    def measure(self):
        pids = processes(self.daemon.pid)
        before, _ = scrape(self.ports)
        since = os.path.getsize(self.results) if self.results else 0
        scraper = Scraper(self.ports, self.args.scrape)
        used = {pid: (cpu(pid), switches(pid)) for pid in pids}
        began = time.monotonic()
        time.sleep(self.args.window)
        self.seconds = time.monotonic() - began
        self.parts = []
        for pid, name in pids.items():
            (user, system), woken = used[pid]
            u, s = cpu(pid)
            m = smaps(pid)
            self.parts.append((name, m["Pss"], m["Pss_Anon"], m["Rss"], u - user, s - system, switches(pid) - woken))
        size = os.path.getsize(self.results) if self.results else 0
        scraper.stop.set()
        after, _ = scrape(self.ports)
        time.sleep(0.3)  # a tick: then the turns of that scrape are counted
        self.stalls = {k: v for k, v in parse(scrape(self.ports)[0]).items() if "loop_stall_seconds" in k}
        before, after = parse(before), parse(after)
        self.scraper, self.metrics = scraper, after
        self.outcomes = outcomes(after)
        self.outcomes.subtract(outcomes(before))
        self.missed = series(after, "probed_probes_missed_total") - series(before, "probed_probes_missed_total")
        self.lags = lags(self.results, since, size) if self.results else {}

    def burst(self):
        """The core stands still until every target is overdue, and goes on."""
        before = parse(scrape(self.ports)[0])
        self.daemon.send_signal(signal.SIGSTOP)
        time.sleep(self.args.interval + 0.5)
        self.daemon.send_signal(signal.SIGCONT)
        time.sleep(0.8)  # probed_loop_stall_seconds is of the last second
        stalls = {k: v for k, v in parse(scrape(self.ports)[0]).items() if "loop_stall_seconds" in k}
        time.sleep(self.args.interval / 2)
        after = parse(scrape(self.ports)[0])
        done = outcomes(after)
        done.subtract(outcomes(before))
        if self.results:
            with open(self.results, "rb") as f:
                why = collections.Counter((r["driver"], r["reason"], r["message"]) for r in map(json.loads, f)
                                          if r["outcome"] != "ok")
            for (driver, reason, message), n in why.most_common(5):
                print("  burst         %d of %s: %s: %s" % (n, driver, reason, message))
        print("  burst         %d due at once: %s, missed %d" % (
            self.args.targets, dict((k, int(v)) for k, v in done.items() if v),
            series(after, "probed_probes_missed_total") - series(before, "probed_probes_missed_total")))
        for k, v in sorted(stalls.items()):
            print("  burst stall   %.1f ms %s" % (v * 1000, k))

    def check(self, what, value, bound, unit=""):
        good = value <= bound
        print("  %-4s %-32s %10.2f%s (bound %g%s)" % ("PASS" if good else "FAIL", what, value, unit, bound, unit))
        if not good:
            self.failed.append(what)

    def lag(self, tmp):
        """The 99th percentile in ms of the window's results; None without a sink, where only a summary since the start is had."""
        if not self.lags:
            worst = max(self.metrics.get('probed_driver_lag_seconds{driver="%s",quantile="0.99"}' % d, math.nan)
                        for d in self.args.drivers) * 1000
            print("  lag           p99 %.3f ms in the worst driver's summary since the start (not judged)" % worst)
            return None
        for name in sorted(self.lags) + ["all"]:
            v = self.lags.get(name) or [x for each in self.lags.values() for x in each]
            print("  lag %-9s p50 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms of %d" % (
                name, quantile(v, .5), quantile(v, .99), quantile(v, .999), max(v), len(v)))
        return quantile([x for each in self.lags.values() for x in each], .99)

    def report(self, tmp):
        done = sum(self.outcomes.values())
        print("  %-16s %8s %8s %8s %8s %8s %9s" % ("process", "PSS MB", "anon MB", "RSS MB", "user %", "sys %", "wakes/s"))
        for name, pss, anon, rss, user, system, woken in self.parts:
            print("  %-16s %8.1f %8.1f %8.1f %8.2f %8.2f %9.0f" % (
                name, pss, anon, rss, 100 * user / self.seconds, 100 * system / self.seconds, woken / self.seconds))
        pss = sum(p[1] for p in self.parts)
        used = sum(p[4] + p[5] for p in self.parts)
        print("  probes        %d in %.1f s (%d expected): %s; missed %d" % (
            done, self.seconds, self.wanted, dict((k, int(v)) for k, v in self.outcomes.items() if v), self.missed))
        lag = self.lag(tmp)
        s = self.scraper
        if s.took:
            print("  scrapes       %d of %.1f MB: median %.0f ms, longest %.0f ms" % (
                len(s.took), s.bytes / 1e6, quantile(s.took, .5) * 1000, max(s.took) * 1000))
        for k, v in sorted(self.stalls.items()):
            print("  stall         %.1f ms %s" % (v * 1000, k))
        print("  cpu           %.1f us a probe" % (used / max(done, 1) * 1e6))
        self.check("memory, PSS of all processes", pss, self.args.max_pss, " MB")
        self.check("CPU of one core", 100 * used / self.seconds, self.args.max_cpu, " %")
        if lag is not None:
            self.check("lag, 99th percentile", lag, self.args.max_lag, " ms")
        self.check("probes that were not ok", done - self.outcomes["ok"], 0)
        self.check("due times missed", self.missed, 0)
        self.check("share of probes not made", 100 * (1 - done / self.wanted), 3, " %")


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), os.uname().machine)
    return "%d x %s, Linux %s" % (os.cpu_count(), model, os.uname().release)


def main():
    args = arguments()
    print("%s; %s" % (time.strftime("%Y-%m-%d"), machine()))
    print("%d targets (%s) every %g s" % (args.targets, ", ".join(args.drivers), args.interval))
    ports = {"http": free_port(socket.SOCK_STREAM), "dns": free_port(socket.SOCK_DGRAM), "web": free_port(socket.SOCK_STREAM)}
    failed = []
    with contextlib.ExitStack() as stack:
        tmp = tempfile.mkdtemp(prefix="probed-bench-")
        stack.callback(shutil.rmtree, tmp, ignore_errors=True)
        os.chmod(tmp, 0o755)
        stack.enter_context(nginx(tmp, ports["http"]))
        stack.enter_context(knot(tmp, ports["dns"], ["h%05d" % i for i in range(args.targets)]))
        for sink in {"no": [False], "yes": [True], "both": [False, True]}[args.sink]:
            print("%s jsonl sink:" % ("with a" if sink else "without a"), flush=True)
            failed += Run(args, tmp, ports, sink).failed
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
