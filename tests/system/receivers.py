# SPDX-License-Identifier: Apache-2.0
"""Where sinks send to: a recording HTTP server that can be told how to answer, a UDP socket, and real servers."""
import contextlib
import gzip
import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request

from harness import Skip, free_port, until


class Post:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        if headers.get("Content-Encoding") == "gzip":
            self.body = gzip.decompress(body)


class HttpReceiver:
    """Keeps what is POSTed, and the headers of each GET; answers `status`, or what answer(post) says: (status, headers, body)."""

    def __init__(self, status=204, port=0):
        self.posts, self.gets, self.status, self.answer = [], [], status, None
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                post = Post(self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"])))
                status, headers, body = receiver.answer(post) if receiver.answer else (receiver.status, {}, b"")
                receiver.posts.append((post, status))
                self.send_response(status)
                for k, v in headers.items():
                    self.send_header(k, v)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if status != 204 else b"")

            def do_GET(self):
                receiver.gets.append(self.headers)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # probes close their connections by reset

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def taken(self, path=None):
        """Bodies that were answered with 2xx."""
        return [p.body for p, status in list(self.posts) if status < 300 and (path is None or p.path == path)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class UdpReceiver:
    """Keeps all datagrams."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port, self.datagrams = self.socket.getsockname()[1], []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError):
            while True:
                self.datagrams.append(self.socket.recv(65536))

    def lines(self):
        return [line.decode() for d in list(self.datagrams) for line in d.split(b"\n")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def get(url, data=None):
    """(status, body)."""
    try:
        with urllib.request.urlopen(url, data=data, timeout=20) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return 0, b""


@contextlib.contextmanager
def server(args, ready, log):
    """A real server, up once `ready` answers 2xx."""
    if not shutil.which(args[0]):
        raise Skip(args[0] + " is not installed")
    with open(log, "wb") as out:
        process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=os.path.dirname(log))
    try:
        def up():
            with open(log, errors="replace") as f:
                assert process.poll() is None, f.read()[-2000:]
            return 200 <= get(ready)[0] < 300
        until(up, args[0] + " to be ready")
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def influxd(tmp):
    """InfluxDB 1 with a database `probed`; its URL."""
    port, rpc = free_port(), free_port()
    conf = os.path.join(tmp, "influxdb.conf")
    with open(conf, "w") as f:
        f.write('reporting-disabled = true\nbind-address = "127.0.0.1:%d"\n[meta]\ndir = "%s/meta"\n[data]\ndir = "%s/data"\n'
                'wal-dir = "%s/wal"\n[http]\nbind-address = "127.0.0.1:%d"\n' % (rpc, tmp, tmp, tmp, port))
    url = "http://127.0.0.1:%d" % port
    with server(["influxd", "-config", conf], url + "/ping", os.path.join(tmp, "influxd.log")):
        status, body = get(url + "/query", b"q=CREATE+DATABASE+probed")
        assert status == 200, body
        yield url


@contextlib.contextmanager
def prometheus(tmp, *flags):
    """Prometheus that scrapes nothing and takes remote writes; its URL."""
    port = free_port()
    conf = os.path.join(tmp, "prometheus.yml")
    with open(conf, "w") as f:
        f.write("global: {}\n")
    url = "http://127.0.0.1:%d" % port
    with server(["prometheus", "--config.file=" + conf, "--storage.tsdb.path=" + os.path.join(tmp, "tsdb"),
                 "--web.listen-address=127.0.0.1:%d" % port, "--web.enable-remote-write-receiver", *flags],
                url + "/-/ready", os.path.join(tmp, "prometheus.log")):
        yield url
