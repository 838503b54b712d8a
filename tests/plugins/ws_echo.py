# SPDX-License-Identifier: Apache-2.0
"""A WebSocket server for test_ws: what it does depends on the path.

usage: ws_echo.py PORT[:CERTIFICATE-STEM] ...    (the first is opened last: when it answers, all do)
"""
import asyncio
import logging
import ssl
import sys
from urllib.parse import urlsplit, parse_qs

import websockets


async def handle(ws, path=None):
    url = urlsplit(ws.path)
    query = {k: v[0] for k, v in parse_qs(url.query).items()}
    if url.path == "/greet":
        await ws.send("welcome")
        await ws.send(b"\x00\xff\x7f")
    elif url.path == "/header":
        await ws.send(ws.request_headers.get(query["name"], "(none)"))
    elif url.path == "/fragments":
        await ws.send(iter(["one ", "two ", "", "three"]))
    elif url.path == "/big":
        await ws.send("x" * int(query["size"]))
    elif url.path == "/close":
        await ws.close(int(query["code"]), query.get("reason", ""))
        return
    elif url.path == "/pings":
        for n in range(5):
            await ws.ping(b"%d" % n)
    async for message in ws:
        await ws.send(message)


def choose(client, server):
    return next((p for p in server if p in client), None)


async def serve(where):
    port, _, stem = where.partition(":")
    context = None
    if stem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(stem + ".pem", stem + ".key")
    await websockets.serve(handle, ["127.0.0.1", "::1"], int(port), ssl=context, compression=None, max_size=None,
                           subprotocols=["chat.v2", "chat.v1"], select_subprotocol=choose)


async def main():
    for where in reversed(sys.argv[1:]):
        await serve(where)
    await asyncio.Future()

# clients that break off are the point of some tests
logging.disable(logging.CRITICAL)
asyncio.run(main())
