#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What --check says of a file with errors of every kind: all of them at once, each with its place, and none that is
only another's echo."""
import harness

FAULTS = """\
[probed]
log_level = loud
workers = many
wokers = 3
[target surface]
driver = icmp
host = "127.0.0.1
[target twice]
driver = icmp
host = 127.0.0.1
host = 127.0.0.2
[target unset]
driver = icmp
host = ${PROBED_TEST_UNSET}
[target unset]
driver = icmp
[Target case]
driver = icmp
[defaults icpm]
interval = 3s
[target typed]
driver = icmp
host = 127.0.0.1
interval = 5
spacng = 5ms
expect.a = rtt.avg == "x"
expect.b = status == 200
[target missing]
driver = icmp
[target refused]
driver = tcp
host = 127.0.0.1
port = 1
dialogue.1 = sned x
[target family]
driver = icmp
interval = 3s
family = 6
host = 127.0.0.1
[sink lost]
driver = josnl
junk
[sink folder]
driver = jsonl
path = /tmp/
[service web]
driver = web
listen = 300.1.1.1:x
"""
EXPECTED = {
    2: "[probed] log_level: expected one of debug",
    3: '[probed] workers: expected "auto"',
    4: '[probed] wokers: unknown option (did you mean "workers"?)',
    7: "[target surface] host: unclosed quote",
    11: "[target twice] host: already set in ",
    14: "[target unset] host: the environment variable PROBED_TEST_UNSET is not set",
    15: "[target unset] the section is already in ",
    17: '[Target case] unknown kind of section (did you mean "target"?)',
    19: '[defaults icpm] unknown driver "icpm" (did you mean "icmp"?)',
    24: "[target typed] interval: expected a duration with its unit",
    25: '[target typed] spacng: unknown option (did you mean "spacing"?)',
    26: "[target typed] expect.a: column 12: rtt.avg is a duration",
    27: '[target typed] expect.b: column 1: unknown query "status"',
    28: "[target missing] host: is required, and missing",
    34: "[target refused] dialogue.1: expected send",
    39: "[target family] host: 127.0.0.1 is an IPv4 address, but family = 6",
    41: '[sink lost] driver: unknown sink "josnl" (did you mean "jsonl"?)',
    42: '[sink lost] "junk": expected key = value',
    45: "[sink folder] path: expected the name of a file",
    48: "[service web] ",
}


def all_errors_are_told_at_once():
    done = harness.command("--check", config=FAULTS, env={"PROBED_PLUGIN_PATH": harness.PLUGINS})
    assert done.returncode == 78, done
    said = done.stderr.splitlines()
    for line, text in EXPECTED.items():
        found = [s for s in said if "probed.ini:%d: " % line in s and s.split("probed.ini:%d: " % line)[1].startswith(text)]
        assert len(found) == 1, (line, text, said)
    assert len(said) == len(EXPECTED) + 1 and "%d errors in" % len(EXPECTED) in said[-1], said


def each_kind_alone_is_refused():
    """So that none hides behind the others."""
    for text in ("[probed]\nlog_level = loud\n", "[target a]\ndriver = icmp\nhost = \"x\n",
                 "[target a]\ndriver = tcp\nhost = ::1\nport = 1\ndialogue.1 = sned x\n", "[sink a]\ndriver = josnl\n"):
        done = harness.command("--check", config=text, env={"PROBED_PLUGIN_PATH": harness.PLUGINS})
        assert done.returncode == 78 and "probed: 1 error in" in done.stderr, (text, done)


harness.run(all_errors_are_told_at_once, each_kind_alone_is_refused)
