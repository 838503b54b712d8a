#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the unit gives the daemon, an ordinary user's rights and an ambient CAP_NET_RAW, is enough for icmp, and only
the workers that send raw packets keep it."""
import contextlib
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
from harness import PLUGINS, PROBED, Daemon, Skip, folder, run, until  # noqa: E402

CAP_NET_RAW = 1 << 13
NOBODY = "65534"
AS_NOBODY = ("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--no-new-privs")
AS_THE_UNIT = (*AS_NOBODY, "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw")
CONFIG = "[defaults]\ninterval = 200ms\n[target loop]\ndriver = icmp\nhost = 127.0.0.1\n" \
         "[target none]\ndriver = tcp\nhost = 127.0.0.1\nport = 1\n"


@contextlib.contextmanager
def daemon(rights):
    """From a folder that everyone can reach, which the build folder may not be."""
    if os.geteuid():
        raise Skip("needs root, to become somebody with fewer rights")
    files = [PROBED, *(os.path.join(PLUGINS, name + ".so") for name in ("icmp", "tcp", "web"))]
    if not all(map(os.path.exists, files)):
        raise Skip("built without one of the plugins icmp, tcp, web")
    with folder() as there:
        for path in files:
            os.chmod(shutil.copy(path, there), 0o755)
        program = os.path.join(there, os.path.basename(PROBED))
        with Daemon(CONFIG, sink=False, plugins=(there,), program=(*rights, program)) as d:
            yield d.wait_ready()


def capabilities(pid):
    with open("/proc/%d/status" % pid) as f:
        found = dict(re.findall(r"^(Cap\w+|Uid):\s*(\S+)", f.read(), re.M))
    return found["Uid"], [int(found[kind], 16) for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb")]


def the_units_rights_are_enough_for_icmp():
    with daemon(AS_THE_UNIT) as d:
        until(lambda: d.metric("probed_probes_total", target="loop", outcome="ok") >= 3, "answers to icmp")
        assert d.metric("probed_probes_total", target="loop", outcome="error") == 0


def only_raw_workers_keep_the_right():
    with daemon(AS_THE_UNIT) as d:
        raw = d.children("worker-raw")
        others = set(d.children("")) - set(raw)
        assert len(raw) == 1 and len(others) >= 3, (raw, others)
        assert capabilities(raw[0]) == (NOBODY, [CAP_NET_RAW] * 4), capabilities(raw[0])
        for pid in others:
            assert capabilities(pid) == (NOBODY, [0] * 4), (pid, capabilities(pid))


def without_rights_icmp_is_an_error_and_the_rest_goes_on():
    with open("/proc/sys/net/ipv4/ping_group_range") as f:
        low, high = map(int, f.read().split())
    if low <= int(NOBODY) <= high:
        raise Skip("this machine permits ICMP to everyone (net.ipv4.ping_group_range)")
    with daemon(AS_NOBODY) as d:
        until(lambda: d.metric("probed_probes_total", target="loop", outcome="error") >= 2, "errors of icmp")
        assert d.metric("probed_probes_total", target="loop", outcome="ok") == 0
        assert d.metric("probed_probes_total", target="none") >= 1


run(the_units_rights_are_enough_for_icmp, only_raw_workers_keep_the_right,
    without_rights_icmp_is_an_error_and_the_rest_goes_on)
