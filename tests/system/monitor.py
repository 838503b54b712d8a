#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One daemon, all five drivers, real servers: what they learn, what the log tells as servers go and come back."""
import contextlib
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SRC, Daemon, Skip, folder, free_port, run, until, write

NGINX, KNOT = "/usr/sbin/nginx", shutil.which("knotd") or "/usr/sbin/knotd"


def have_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


V6 = have_ipv6()


def listens(port, host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        return s.connect_ex((host, port)) == 0


class Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            self.talk()

    def talk(self):
        self.wfile.write(b"220 mail.test ESMTP ready\r\n")
        for line in self.rfile:
            verb = line.split()[0].upper() if line.split() else b""
            self.wfile.write({b"EHLO": b"250-mail.test\r\n250 SIZE 1000\r\n", b"QUIT": b"221 bye\r\n"}.get(verb, b"500 what?\r\n"))
            if verb == b"QUIT":
                return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Servers:
    """nginx (plain, TLS with HTTP/2), knotd, a WebSocket echo, an SMTP-like server; on both families where there are."""

    def __init__(self, tmp):
        self.tmp, self.running = tmp, []
        self.plain, self.tls, self.dns, self.ws, self.smtp = [free_port() for _ in range(5)]
        self.certificates()

    def certificates(self):
        def openssl(*args):
            subprocess.run(["openssl", *args], cwd=self.tmp, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                "-keyout", "srv.key", "-out", "srv.csr")
        write(os.path.join(self.tmp, "ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", "srv.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "20",
                "-extfile", "ext", "-out", "srv.pem")

    def start(self):
        tmp = self.tmp
        write(tmp + "/index.html", "<h1>Welcome</h1>\n")
        both = lambda port, more="": "listen 127.0.0.1:%d%s;%s" % (port, more, " listen [::1]:%d%s;" % (port, more) if V6 else "")
        write(tmp + "/nginx.conf", """
            pid %(tmp)s/nginx.pid; error_log %(tmp)s/nginx.log; daemon off; master_process off;
            events { }
            http { access_log off; root %(tmp)s; client_body_temp_path %(tmp)s/b; proxy_temp_path %(tmp)s/p;
              fastcgi_temp_path %(tmp)s/f; uwsgi_temp_path %(tmp)s/u; scgi_temp_path %(tmp)s/s;
              ssl_protocols TLSv1.3; ssl_certificate %(tmp)s/srv.pem; ssl_certificate_key %(tmp)s/srv.key;
              server { %(plain)s location /moved { return 302 /index.html; } location /bad { return 500; } }
              server { %(tls)s } }
            """ % {"tmp": tmp, "plain": both(self.plain), "tls": both(self.tls, " ssl http2")})
        self.spawn([NGINX, "-p", tmp, "-c", tmp + "/nginx.conf"])
        write(tmp + "/example.zone", "$ORIGIN example.test.\n$TTL 300\n@ SOA ns hostmaster 2024 3600 600 86400 60\n@ NS ns\n"
              "ns A 127.0.0.1\nwww A 192.0.2.1\nwww A 192.0.2.2\nwww AAAA 2001:db8::1\n")
        write(tmp + "/knot.conf", "server:\n  rundir: %s\n  listen: [ %s ]\ndatabase:\n  storage: %s\nlog:\n  - target: stderr\n"
              "    any: error\nzone:\n  - domain: example.test\n    storage: %s\n    file: example.zone\n" % (
                  tmp, "127.0.0.1@%d%s" % (self.dns, ", ::1@%d" % self.dns if V6 else ""), tmp, tmp))
        self.spawn([KNOT, "-c", tmp + "/knot.conf"])
        self.spawn(["/usr/bin/python3", "-B", SRC + "/tests/plugins/ws_echo.py", str(self.ws)])
        self.mail = Server(("127.0.0.1", self.smtp), Smtp)
        threading.Thread(target=self.mail.serve_forever, daemon=True).start()
        for port in (self.plain, self.tls, self.dns, self.ws, self.smtp):
            until(lambda: listens(port), "a server on port %d" % port)
        if V6:
            for port in (self.plain, self.tls, self.dns, self.ws):
                until(lambda: listens(port, "::1"), "a server on port %d of ::1" % port)

    def spawn(self, argv):
        with open(self.tmp + "/servers.log", "ab") as log:
            self.running.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.tmp))

    def stop(self):
        for p in self.running:
            p.kill()
            p.wait()
        self.running = []
        self.mail.shutdown()
        self.mail.server_close()

    def config(self):
        o = "[defaults]\ninterval = 250ms\ntimeout = 3s\n"

        def add(target, proto, **options):
            return "[target %s]\ndriver = %s\n%s" % (target, proto, "".join(
                "%s = %s\n" % (k.replace("_", "."), v) for k, v in options.items()))
        o += add("http", "http", url="http://127.0.0.1:%d/index.html" % self.plain, expect_body="body matches /Welcome/")
        o += add("moved", "http", url="http://127.0.0.1:%d/moved" % self.plain, follow="yes")
        o += add("h2", "http", url="https://localhost:%d/" % self.tls, tls_ca=self.tmp + "/ca.pem", family="4",
                 expect_cert="cert.expires > 10d")
        o += add("bad", "http", url="http://127.0.0.1:%d/bad" % self.plain)
        o += add("mistrusted", "http", url="https://localhost:%d/" % self.tls, family="4")
        o += add("dns", "dns", server="127.0.0.1:%d" % self.dns, name="www.example.test", expect_all="answer count == 2")
        o += add("soa", "dns", server="127.0.0.1:%d" % self.dns, name="example.test", type="SOA", transport="tcp")
        o += add("ws", "ws", url="ws://127.0.0.1:%d/" % self.ws, send_1="hello", receive_1="matches /^hello$/")
        o += add("smtp", "tcp", host="127.0.0.1", port=self.smtp, dialogue_1="expect /^220 /", dialogue_2='send "EHLO me\\r\\n"',
                 dialogue_3="expect /^250 SIZE (?<size>[0-9]+)/", dialogue_4='send "QUIT\\r\\n"', dialogue_5="expect /^221/")
        o += add("starttls", "tcp", host="localhost", port=self.tls, tls="yes", family="4", tls_ca=self.tmp + "/ca.pem")
        o += add("icmp", "icmp", host="127.0.0.1", count=2, spacing="20ms")
        if V6:
            o += add("http6", "http", url="http://[::1]:%d/" % self.plain)
            o += add("dns6", "dns", server="[::1]:%d" % self.dns, name="www.example.test", type="AAAA")
            o += add("ws6", "ws", url="ws://[::1]:%d/" % self.ws, send_1="hello", receive_1="matches /hello/")
            o += add("icmp6", "icmp", host="::1", count=1)
        return o


@contextlib.contextmanager
def servers():
    for program in (NGINX, KNOT, "/usr/bin/openssl"):
        if not os.path.exists(program):
            raise Skip("needs " + program)
    with folder() as tmp:
        s = Servers(tmp)
        s.start()
        try:
            yield s
        finally:
            s.stop()


def newest(d):
    return {r["target"]: r for r in d.results()}


EXPECTED = {"bad": ("fail", "expectation"), "mistrusted": ("error", "tls")}
DOWN = {"http": "refused", "moved": "refused", "h2": "refused", "bad": "refused", "mistrusted": "refused", "dns": "refused",
        "soa": "refused", "ws": "refused", "smtp": "refused", "starttls": "refused", "http6": "refused", "dns6": "refused",
        "ws6": "refused"}


def wait_state(d, wanted, what):
    def state():
        return {t: (r["outcome"], r["reason"] or "") for t, r in newest(d).items()}
    try:
        d.wait_results(lambda all: all and state() == wanted, what)
    except AssertionError:
        now = newest(d)
        raise AssertionError("%s: %s" % (what, [now.get(t) for t in wanted if state().get(t) != wanted[t]])) from None


def icmp_is_permitted():
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        with contextlib.suppress(PermissionError), socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP):
            return True
    return False


def all_five_drivers():
    if not icmp_is_permitted():
        raise Skip("this user may not send ICMP (net.ipv4.ping_group_range, or CAP_NET_RAW)")
    with servers() as s, Daemon(s.config()) as d:
        d.wait_ready()
        names = re.findall(r"\[target (\w+)\]", s.config())
        up = {n: EXPECTED.get(n, ("ok", "")) for n in names}
        wait_state(d, up, "all servers up")
        facts_of_each(d)
        metrics_of_each(d)
        s.stop()
        wait_state(d, {n: ("error", DOWN[n]) if n in DOWN else ("ok", "") for n in names}, "all servers down")
        for n in DOWN:
            if n in names and up[n][0] != "error":
                assert d.logged("outcome changed", target="^%s$" % n, to="error"), n
        assert d.metric("probed_probe_success", target="http") == 0 and d.metric("probed_probe_success", target="icmp") == 1
        s.start()
        wait_state(d, up, "all servers up again")
        for n in names:
            if n in DOWN and up[n][0] == "ok":
                assert d.logged("outcome changed", target="^%s$" % n, to="ok", **{"from": "error|fail"}), n
        d.stop()
        for r in d.results():
            total = r["lag_ms"] + r["service_ms"]
            assert abs(r["latency_ms"] - total) < 0.01, r
            assert sum(r["phases_ms"].values()) <= r["service_ms"] + 0.01, r


def facts_of_each(d):
    r = {t: x["facts"] for t, x in newest(d).items()}
    assert r["http"]["status"] == 200 and r["http"]["version"] == "1.1" and r["http"]["ip"] == "127.0.0.1", r["http"]
    assert r["http"]["body.bytes"] == len("<h1>Welcome</h1>\n") and r["http"]["header.server"].startswith("nginx"), r["http"]
    assert r["moved"]["redirects"] == 1 and r["moved"]["url"].endswith("/index.html"), r["moved"]
    assert r["h2"]["version"] == "2" and r["h2"]["cert.valid"] is True and r["h2"]["tls.alpn"] == "h2", r["h2"]
    assert "localhost" in r["h2"]["cert.subject"] and r["h2"]["tls.version"] == "TLSv1.3", r["h2"]
    assert r["bad"]["status"] == 500
    assert r["mistrusted"]["cert.valid"] is False and r["mistrusted"]["cert.reason"], r["mistrusted"]
    assert r["dns"]["rcode"] == "NOERROR" and r["dns"]["answer.count"] == 2, r["dns"]
    assert any("192.0.2.1" in a for a in r["dns"]["answer"]), r["dns"]
    assert r["soa"]["serial"] == 2024 and r["soa"]["transport"] == "tcp", r["soa"]
    assert r["ws"]["status"] == 101 and r["ws"]["messages"] == 1, r["ws"]
    assert r["smtp"]["banner"].startswith("220 mail.test") and r["smtp"]["capture.size"] == "1000", r["smtp"]
    assert r["starttls"]["cert.valid"] is True, r["starttls"]
    assert r["icmp"]["sent"] == 2 and r["icmp"]["received"] == 2 and r["icmp"]["loss"] == 0, r["icmp"]
    if V6:
        assert r["http6"]["ip"] == "::1" and r["http6"]["family"] == 6, r["http6"]
        assert any("2001:db8::1" in a for a in r["dns6"]["answer"]), r["dns6"]
        assert r["ws6"]["ip"] == "::1" and r["icmp6"]["ip"] == "::1"


def metrics_of_each(d):
    m = d.metrics()

    def fact(target, name):
        found = [v for k, v in m.items() if k.startswith("probed_fact") and 'target="%s"' % target in k and 'fact="%s"' % name in k]
        assert len(found) == 1, (target, name, found)
        return found[0]
    assert fact("http", "status") == 200 and fact("bad", "status") == 500
    assert 19 * 86400 < fact("h2", "cert.expires") < 21 * 86400
    assert fact("dns", "answer.count") == 2 and fact("soa", "serial") == 2024
    assert fact("ws", "messages") == 1 and fact("smtp", "bytes.in") > 20 and fact("icmp", "loss") == 0
    assert 0 < fact("icmp", "rtt") < 1 and 0 < fact("dns", "rtt") < 3
    status, text = d.get("/metrics")
    promtool = shutil.which("promtool")
    if promtool:
        done = subprocess.run([promtool, "check", "metrics"], input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
    status, text = d.get("/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
    assert status == 200 and text.endswith("# EOF\n") and text.count("# EOF") == 1, text[-200:]


if __name__ == "__main__":
    run(all_five_drivers)
