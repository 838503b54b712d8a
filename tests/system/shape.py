#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`expect.shape = body schema FILE` through the daemon: what fails and why, and that another schema in the file is taken over."""
import http.server
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PLUGINS, Daemon, Skip, command, folder, run, write

BODY = b'{"items": [{"id": 1, "price": 2.5}, {"id": 2, "price": "x"}]}'
SCHEMA = '{\n  "properties": {"items": {"items": {"$ref": "#/$defs/item"}}},\n  "$defs": {"item": {"properties": {"price": {"type": %s}}}}\n}\n'


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a probe closes its connection with RST


def page():
    if not os.path.exists(os.path.join(PLUGINS, "http.so")):
        raise Skip("the plugin http is not built")
    server = Server(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def a_body_is_held_against_a_schema_that_may_change():
    server = page()
    d = Daemon(start=False)
    write(os.path.join(d.tmp, "shape.json"), SCHEMA % '"number"')
    d.configure("[target api]\nurl = http://127.0.0.1:%d/\ninterval = 50ms\nexpect.shape = body schema shape.json\n" % server.server_port)
    d.start()
    with d:
        first = d.wait_results(lambda r: r, "the first")[0]
        assert first["outcome"] == "fail", first
        assert "body: not as shape.json says: /items/1/price: expected a number, got the string \"x\"" in first["message"], first
        write(os.path.join(d.tmp, "shape.json"), SCHEMA % '["number", "string"]')
        d.wait_results(lambda r: r[-1]["outcome"] == "ok", "one that is well by the new schema")
    server.shutdown()


def a_malformed_schema_is_an_error_of_check():
    page().shutdown()
    with folder() as tmp:
        ini = write(os.path.join(tmp, "probed.ini"), "[target a]\nurl = http://127.0.0.1:9/\nexpect.shape = body schema s.json\n")
        done = command("-c", ini, "--check", env={"PROBED_PLUGIN_PATH": PLUGINS})
        assert done.returncode == 78 and "s.json: No such file" in done.stderr, (done.returncode, done.stderr)
        write(os.path.join(tmp, "s.json"), SCHEMA % '"nmber"')
        done = command("-c", ini, "--check", env={"PROBED_PLUGIN_PATH": PLUGINS})
        assert done.returncode == 78, done.returncode
        assert ":3: [target a] expect.shape: column 13: s.json: /$defs/item/properties/price/type: expected" in done.stderr, done.stderr
        assert 'did you mean "number"?' in done.stderr, done.stderr
        write(os.path.join(tmp, "s.json"), SCHEMA % '"number"')
        done = command("-c", ini, "--check", env={"PROBED_PLUGIN_PATH": PLUGINS})
        assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    run(a_body_is_held_against_a_schema_that_may_change, a_malformed_schema_is_an_error_of_check)
