#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The examples as a third party meets them: built out of tree against an installed probed, dropped into its plugin
folder, found and probed with. Nothing of the core is rebuilt."""
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
from harness import BUILD, SRC, run  # noqa: E402

EXAMPLES = ("hello", "daytime")
root = tempfile.mkdtemp(prefix="probed-examples-")
os.chmod(root, 0o755)


def clean_env(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR")}
    env.update(more)
    return env


def sh(*command, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    assert done.returncode == 0, "%s: status %d\n%s" % (" ".join(command), done.returncode, done.stdout)
    return done.stdout


def installed(pattern):
    found = glob.glob(os.path.join(root, "inst", "**", pattern), recursive=True)
    assert found, "nothing installed matches " + pattern
    return found[0]


def plugin_folder():
    return os.path.dirname(installed("probed/plugins/*.so"))


def it_installs_into_a_destdir():
    sh("make", "-C", BUILD, "install", "DESTDIR=" + os.path.join(root, "inst"), env=clean_env())
    installed("bin/probed"), installed("include/probed/plugin.h"), installed("pkgconfig/probed.pc"), installed("probed.m4")
    assert not glob.glob(os.path.join(root, "inst", "**", "*.la"), recursive=True)


def both_build_by_pkg_config_alone():
    env = clean_env(PKG_CONFIG_SYSROOT_DIR=os.path.join(root, "inst"),
                    PKG_CONFIG_PATH=os.path.dirname(installed("pkgconfig/probed.pc")))
    for name in EXAMPLES:
        there = os.path.join(root, name)
        shutil.copytree(os.path.join(SRC, "examples", name), there)
        sh("chmod", "-R", "u+w", there)
        said = sh("make", "CFLAGS=-O2 -Wall -Wextra -Wno-unused-parameter -Werror", env=env, cwd=there)
        assert SRC + "/include" not in said, said
        sh("make", "install", "PLUGINDIR=" + plugin_folder(), env=env, cwd=there)


def the_only_exported_symbol_is_the_plugin():
    for name in EXAMPLES:
        out = sh("nm", "-D", "--defined-only", os.path.join(root, name, name + ".so"))
        assert [line.split()[-1] for line in out.splitlines()] == ["probed_plugin"], out


def probed_lists_them():
    env = clean_env(PROBED_PLUGIN_PATH=plugin_folder())
    listed = json.loads(sh(installed("bin/probed"), "--list-plugins", "--json", env=env))
    state = {p["name"]: p["state"] for p in (listed["plugins"] if isinstance(listed, dict) else listed)}
    for name in EXAMPLES:
        assert state.get(name) == "loaded", listed
    info = sh(installed("bin/probed"), "--plugin-info", "daytime", env=env)
    assert "port" in info and "13" in info and "line" in info, info


def serve_the_time(server):
    with server:
        peer, _ = server.accept()
        with peer:
            for piece in (b"Saturday, Nov", b"ember 21, 2026", b" 14:00:00-UTC\r\n"):
                peer.sendall(piece)


def probed_probes_with_them():
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve_the_time, args=(server,), daemon=True).start()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        conf = os.path.join(root, "probed.ini")
        with open(os.path.join(root, "name"), "w") as f:
            f.write("a name\nmore\n")
        with open(conf, "w") as f:
            f.write("[probed]\nplugin_path = %s\n" % plugin_folder())
            f.write("[target named]\ndriver = hello\nfile = %s/name\nexpect.named = line == \"a name\"\n" % root)
            f.write("[target nameless]\ndriver = hello\nfile = %s/none\n" % root)
            f.write("[target clock]\ndriver = daytime\nhost = 127.0.0.1\nport = %d\n" % server.getsockname()[1])
            f.write("expect.year = line contains \"2026 14:\"\n")
            f.write("[target closed]\ndriver = daytime\nhost = 127.0.0.1\nport = %d\n" % closed.getsockname()[1])
        done = subprocess.run([installed("bin/probed"), "-c", conf, "--once", "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, env=clean_env())
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    record = {r["target"]: r for r in map(json.loads, done.stdout.splitlines())}
    assert record["named"]["outcome"] == "ok" and record["named"]["facts"]["line"] == "a name", record["named"]
    assert record["nameless"]["outcome"] == "error", record["nameless"]
    assert "No such file or directory" in record["nameless"]["message"], record["nameless"]
    assert record["clock"]["outcome"] == "ok", record["clock"]
    assert record["clock"]["facts"]["line"] == "Saturday, November 21, 2026 14:00:00-UTC", record["clock"]
    assert (record["closed"]["outcome"], record["closed"]["reason"]) == ("error", "refused"), record["closed"]


def the_blocking_one_has_at_most_40_lines():
    with open(os.path.join(SRC, "examples/hello/hello.c")) as f:
        lines = f.readlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 130, (len(lines), max(map(len, lines)))


try:
    run(it_installs_into_a_destdir, both_build_by_pkg_config_alone, the_only_exported_symbol_is_the_plugin,
        probed_lists_them, probed_probes_with_them, the_blocking_one_has_at_most_40_lines)
finally:
    shutil.rmtree(root, ignore_errors=True)
