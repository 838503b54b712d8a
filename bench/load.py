# SPDX-License-Identifier: Apache-2.0
"""What load costs: CPU a request beside libcurl alone and the load tools of Debian, and the core's own share.

One CPU has the tool, another the server. Everything is measured one after another, in several rounds, so that the ratios
of one run hold even where the machine is not ours alone. See README.md beside it.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

SRC = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
BUILD = os.environ.get("top_builddir", os.path.join(SRC, "build"))
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 30
WARM_UP = 1.0
CONNECTIONS = 100
MAX_RATIO = 1.3
MAX_CORE = {10000: 5.0, 50000: 1.5}  # us a probe, by rate
MAX_LAG = 100  # us, 99th percentile, without slack
PEERS = {
    "wrk": ["wrk", "-c%d" % CONNECTIONS, "-t1", "-d300"],
    "h2load": ["h2load", "--h1", "-c%d" % CONNECTIONS, "-t1", "-D300"],
    "ab": ["ab", "-q", "-k", "-c%d" % CONNECTIONS, "-n5000000"],
    "hey": ["hey", "-c", str(CONNECTIONS), "-z", "300s"],
}


def arguments():
    p = argparse.ArgumentParser(prog="bench/load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=4, help="measured of each (default 4)")
    p.add_argument("--rounds", type=int, default=3, help="of which the median counts (default 3)")
    p.add_argument("--rate", type=int, default=15000, help="of the open plan against the server (default 15000)")
    p.add_argument("--core-rates", default="10000,50000,100000", help="of the plans without a protocol")
    p.add_argument("--only", choices=("http", "core"), help="one of the two tables")
    p.add_argument("--no-peers", action="store_true", help="only libcurl alone and probed")
    p.add_argument("--cpus", default="0,1", help="of the tool, and of the server (default 0,1)")
    p.add_argument("--judge", action="store_true", help="end with status 1 where a bound is broken")
    args = p.parse_args()
    args.core_rates = [int(r) for r in args.core_rates.split(",")]
    args.ours, args.theirs = (int(c) for c in args.cpus.split(","))
    return args


def die(text):
    sys.exit("bench/load: " + text)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# --- processes -------------------------------------------------------------------------------------

def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(c) for c in f.read().split()]
    except OSError:
        return []


def family(pid):
    return [pid] + [p for c in children(pid) for p in family(c)]


def cpu(pids):
    """Seconds of user and system time of these processes so far."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


@contextlib.contextmanager
def running(argv, cpu_number, log):
    if not shutil.which(argv[0]):
        die("%s is not installed: apt-get install nginx-light wrk nghttp2-client apache2-utils hey" % argv[0])
    with open(log, "wb") as out:
        p = subprocess.Popen(["taskset", "-c", str(cpu_number)] + argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield p
    finally:
        p.terminate()
        try:
            p.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


# --- against a server ------------------------------------------------------------------------------

@contextlib.contextmanager
def nginx(args, tmp):
    tmp += "/nginx"
    os.mkdir(tmp)
    port, status = free_port(), free_port()
    with open(tmp + "/nginx.conf", "w") as f:
        f.write("daemon off; pid %s/nginx.pid; error_log stderr crit; worker_processes 1;\n"
                "events { worker_connections 4096; }\n"
                "http { access_log off; client_body_temp_path %s; proxy_temp_path %s; fastcgi_temp_path %s;\n"
                "uwsgi_temp_path %s; scgi_temp_path %s; keepalive_requests 1000000000; keepalive_timeout 60s;\n"
                "server { listen 127.0.0.1:%d backlog=4096; default_type text/plain; return 200 'it works\\n'; }\n"
                "server { listen 127.0.0.1:%d; location / { stub_status; } } }\n" % ((tmp,) * 6 + (port, status)))
    with running(["/usr/sbin/nginx", "-p", tmp, "-c", tmp + "/nginx.conf"], args.theirs, tmp + "/log") as p:
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen("http://127.0.0.1:%d/" % status, timeout=1):
                break
            if p.poll() is not None or time.monotonic() > end:
                die("nginx does not answer: " + open(tmp + "/log").read())
            time.sleep(0.05)
        yield "http://127.0.0.1:%d/" % port, "http://127.0.0.1:%d/" % status


def requests(status):
    """How many requests the server has had; each look is one of them."""
    with urllib.request.urlopen(status, timeout=PATIENCE) as r:
        return int(re.search(rb"\n\s*\d+ \d+ (\d+)", r.read()).group(1))


def measure(args, argv, status, log):
    """(us of CPU a request, requests a second) of the tool and all its processes."""
    with running(argv, args.ours, log) as p:
        time.sleep(WARM_UP)
        pids = family(p.pid)
        n, used, at = requests(status), cpu(pids), time.monotonic()
        time.sleep(args.seconds)
        used, n, took = cpu(pids) - used, requests(status) - 1 - n, time.monotonic() - at
        if p.poll() is not None:
            die("%s ended early: %s" % (argv[0], open(log).read()))
    return used / max(n, 1) * 1e6, n / took


PLANS = """[probed]
workers = 1
[target page]
url = %(url)s
reuse = yes
monitor = no
expect.answers = status == 200
expect.content = body contains works
expect.fast = latency < 10s
[plan users]
run = one page
pace = users %(connections)d
require.1 = latency p99 < 10s
require.2 = errors rate < 1%%
[plan open]
run = one page
pace = rate %(rate)d/s
inflight = %(connections)d
require.1 = latency p99 < 10s
require.2 = errors rate < 1%%
"""


def http_contestants(args, tmp, url):
    with open(tmp + "/load.ini", "w") as f:
        f.write(PLANS % {"url": url, "connections": CONNECTIONS, "rate": args.rate})
    probectl = [os.path.join(BUILD, "probectl"), "run", tmp + "/load.ini", "--quiet", "--for", "1h", "--plan"]
    found = {"libcurl alone": [curl_alone(tmp), url, str(CONNECTIONS)],
             "probed, users %d" % CONNECTIONS: probectl + ["users"],
             "probed, rate %d/s" % args.rate: probectl + ["open"]}
    if not args.no_peers:
        found.update({name: argv + [url] for name, argv in PEERS.items()})
    return found


def curl_alone(tmp):
    argv = ["cc", "-O2", "-o", tmp + "/curl_alone", os.path.join(SRC, "bench/curl_alone.c"), "-lcurl", "-lev"]
    if subprocess.run(argv, check=False).returncode:
        die("bench/curl_alone.c can't be built")
    return tmp + "/curl_alone"


def http_table(args, tmp):
    broken = []
    with nginx(args, tmp) as (url, status):
        contestants = http_contestants(args, tmp, url)
        rounds = {name: [] for name in contestants}
        for _ in range(args.rounds):
            for name, argv in contestants.items():
                rounds[name].append(measure(args, argv, status, tmp + "/log"))
    print("keep-alive, %d connections, %s:\n" % (CONNECTIONS, "one core for the tool and one for nginx"))
    print("%-22s %14s %14s %20s" % ("", "us a request", "requests/s", "x libcurl alone"))
    for name, got in rounds.items():
        ratios = [g[0] / alone[0] for g, alone in zip(got, rounds["libcurl alone"])]
        ratio = statistics.median(ratios)
        print("%-22s %14.1f %14.0f %8.2f (%.2f-%.2f)" % (name, statistics.median(g[0] for g in got),
                                                       statistics.median(g[1] for g in got), ratio, min(ratios), max(ratios)))
        if "users" in name and ratio > MAX_RATIO:
            broken.append("%s: %.2f x libcurl alone, the bound is %.1f" % (name, ratio, MAX_RATIO))
    print(flush=True)
    return broken


# --- the core alone --------------------------------------------------------------------------------

CORE_PLAN = """[probed]
workers = 1
plugin_path = %(fixtures)s
[target nothing]
driver = fx
do = inside
monitor = no
[plan open]
run = one nothing
pace = rate %(rate)d/s
inflight = 10000
%(slack)s
require.1 = latency p99 < 10s
"""


def core_run(args, tmp, rate, slack):
    """us of the core's CPU a probe, its worker's, and the report."""
    with open(tmp + "/core.ini", "w") as f:
        f.write(CORE_PLAN % {"fixtures": os.path.join(BUILD, "tests/fixtures/.libs"), "rate": rate, "slack": slack})
    length = WARM_UP + args.seconds + 0.5
    argv = [os.path.join(BUILD, "probectl"), "run", tmp + "/core.ini", "--quiet", "--for", "%dms" % (length * 1000), "--report",
            "json:" + tmp + "/core.json"]
    with running(argv, args.ours, tmp + "/log") as p:
        time.sleep(WARM_UP)
        workers = children(p.pid)
        for pid in workers:
            os.sched_setaffinity(pid, {args.theirs})
        core, worker, at = cpu([p.pid]), cpu(workers), time.monotonic()
        time.sleep(args.seconds)
        core, worker, took = cpu([p.pid]) - core, cpu(workers) - worker, time.monotonic() - at
        p.wait(PATIENCE)
        if p.returncode not in (0, 1):
            die("probectl run: " + open(tmp + "/log").read())
    with open(tmp + "/core.json") as f:
        plan = json.load(f)["plans"][0]
    n = plan["achieved_rate"] * took
    return core / n * 1e6, worker / n * 1e6, plan


def core_table(args, tmp):
    broken = []
    if not os.path.exists(os.path.join(BUILD, "tests/fixtures/.libs/fixture.so")):
        die("the fixture driver is not built: make -C build tests/fixtures/fixture.la")
    print("open plans of a driver that answers at once; the core on one CPU, its worker on the other:\n")
    print("%-10s %-8s %12s %12s %10s %12s %12s" % ("rate", "slack", "us, core", "us, worker", "achieved", "lag p50, us", "lag p99, us"))
    for rate in args.core_rates:
        for label, slack in (("0", "slack = 0s"), ("default", "")):
            runs = [core_run(args, tmp, rate, slack) for _ in range(args.rounds)]
            core = statistics.median(r[0] for r in runs)
            p50, p99 = (statistics.median(r[2]["lag_ms"][p] for r in runs) * 1000 for p in ("p50", "p99"))
            achieved = statistics.median(r[2]["achieved_rate"] / rate for r in runs)
            print("%-10d %-8s %12.2f %12.2f %9.2f%% %12.1f %12.1f" % (rate, label, core, statistics.median(r[1] for r in runs),
                                                                    achieved * 100, p50, p99), flush=True)
            if label == "default" and core > MAX_CORE.get(rate, core):
                broken.append("core at %d/s: %.2f us a probe, the bound is %.1f" % (rate, core, MAX_CORE[rate]))
            if label == "0" and rate in MAX_CORE and p99 > MAX_LAG:
                broken.append("lag at %d/s without slack: p99 %.0f us, the bound is %d" % (rate, p99, MAX_LAG))
    print()
    return broken


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if {args.ours, args.theirs} - os.sched_getaffinity(0):
        die("--cpus: not ours to use")
    os.environ["PROBED_PLUGIN_PATH"] = os.path.join(BUILD, ".libs")
    broken = []
    with tempfile.TemporaryDirectory(prefix="probed-bench-") as tmp:
        os.chmod(tmp, 0o755)
        if args.only != "core":
            broken += http_table(args, tmp)
        if args.only != "http":
            broken += core_table(args, tmp)
    for line in broken:
        print("BROKEN  " + line)
    if not broken:
        print("all bounds hold")
    return 1 if broken and args.judge else 0


if __name__ == "__main__":
    sys.exit(main())
