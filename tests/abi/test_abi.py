#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The plugin ABI: its headers stand alone, no version breaks an older one, and plugins of the past, of today and of
the future run in hosts of today and of the future. See README.md."""
import glob
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "system")]
import headers  # noqa: E402
from harness import BUILD, PATIENCE, PROBED, SRC, run  # noqa: E402

CXX = shlex.split(os.environ.get("CXX", "c++"))
TODAY = os.path.join(SRC, "include")
SNAPSHOTS = sorted(glob.glob(os.path.join(HERE, "[0-9]*.[0-9]*")))
BUNDLED = os.path.join(BUILD, ".libs")
PAST = [s for s in SNAPSHOTS if int(os.path.basename(s).split(".")[0]) == headers.version(TODAY)[0]]

root = tempfile.mkdtemp(prefix="probed-abi-")
os.chmod(root, 0o755)
plugins = os.path.join(root, "plugins")
os.mkdir(plugins, 0o755)


def there(name):
    return os.path.join(root, name)


# --- the headers ---------------------------------------------------------------------------------

def each_header_compiles_alone():
    for name in headers.NAMES:
        text = "#include <probed/%s.h>\n" % name
        for compiler in (headers.CC + ["-x", "c", "-std=c11"], CXX + ["-x", "c++", "-std=c++17"]):
            done = subprocess.run(compiler + ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I", TODAY, "-"],
                                  input=text, stderr=subprocess.PIPE, text=True)
            assert done.returncode == 0, "%s: %s\n%s" % (name, " ".join(compiler), done.stderr)


def every_public_header_is_looked_at():
    found = {os.path.basename(p)[:-2] for p in glob.glob(os.path.join(TODAY, "probed", "*.h"))}
    assert found == set(headers.NAMES), found ^ set(headers.NAMES)


def todays_version_is_frozen():
    name = "%d.%d" % headers.version(TODAY)
    assert os.path.join(HERE, name) in SNAPSHOTS, \
        "tests/abi/%s/probed is missing: freeze today's headers there (see tests/abi/README.md)" % name


def no_snapshot_is_broken_by_today():
    for old in PAST:
        wrong = headers.compare(old, TODAY, root)
        assert not wrong, "against %s:\n%s\nSee tests/abi/README.md." % (os.path.basename(old), "\n".join(wrong))


def the_future_breaks_nothing_of_today():
    headers.future(TODAY, there("future"))
    wrong = headers.compare(TODAY, there("future"), root)
    assert not wrong, wrong


CHANGES = [
    # (what, header, pattern, replacement, raises the minor, what compare() must say; None: nothing)
    ("a member appended", "driver", r"(struct probed_verdict \*verdict\);\n)(\};)", r"\1\tvoid (*pause)(void *worker);\n\2", 1, None),
    ("the same without a new minor", "driver", r"(struct probed_verdict \*verdict\);\n)(\};)", r"\1\tvoid (*pause)(void *worker);\n\2", 0,
     "but the minor is still"),
    ("a member inserted", "types", r"(const char \*name;    /\* \"status\")", r"uint64_t id;\n\t\1", 1, "probed_fact.name: was at 0"),
    ("a member removed", "host", r"\tvoid \(\*attribute\)[^;]*;", "", 1, "probed_host.attribute is gone"),
    ("a slot with another prototype", "host", r"void \(\*timer_set\)\(struct probed_timer \*timer, int64_t at_ns\)",
     "void (*timer_set)(struct probed_timer *timer, int32_t at_ms)", 1, "probed_host.timer_set: was"),
    ("a constant with another value", "types", r"PROBED_REASON_TLS = 7", "PROBED_REASON_TLS = 8", 1, "PROBED_REASON_TLS: was 7, is 8"),
    ("a reason appended", "types", r"(PROBED_REASON_INTERNAL = 14,[^\n]*\n\tPROBED_REASONS =) 15", r"PROBED_REASON_QUOTA = 15,\n\t\1 16", 1, None),
    ("a struct that can't grow", "driver", r"char message\[240\];", "char message[240];\n\tuint64_t more;", 1, "probed_verdict.more: struct"),
    ("another length of an array", "driver", r"char message\[240\];", "char message[200];", 1, "probed_verdict.message"),
]


def what_would_break_is_told():
    for i, (what, header, old, new, minor, expected) in enumerate(CHANGES):
        changed = headers.copy(TODAY, there("change%d" % i))
        headers.edit(changed, header, old, new)
        if minor:
            headers.edit(changed, "plugin", r"(#define PROBED_ABI_MINOR) \d+", r"\1 98")
        wrong = headers.compare(TODAY, changed, root)
        assert (expected is None and not wrong) or (expected and any(expected in w for w in wrong)), (what, expected, wrong)


# --- plugins and hosts ---------------------------------------------------------------------------

def build(name, include, *flags):
    out = os.path.join(plugins, name + ".so")
    subprocess.run(headers.CC + ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden",
                                 "-Wl,-z,defs,-z,now", "-I", include, '-DNAME="%s"' % name, "-o", out,
                                 os.path.join(HERE, "fixture.c"), *flags], check=True)


def fixtures_build_against_past_present_and_future():
    for old in PAST:
        build("v" + os.path.basename(old).replace(".", "-"), old)
    build("today", TODAY)
    build("future", there("future"))
    build("demanding", there("future"), "-DNEED=99")


def good():
    return sorted(n[:-3] for n in os.listdir(plugins) if n != "demanding.so")


def listed(probed):
    out = subprocess.run([probed, "--list-plugins", "--json"], env=dict(os.environ, PROBED_PLUGIN_PATH=plugins), check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return {os.path.basename(p["path"])[:-3]: p for p in json.loads(out)}


def config():
    text = "[probed]\nplugin_path = %s:%s\nworkers = 1\n" % (plugins, BUNDLED)
    for name in good():
        for driver in (name, name + "-run"):
            text += ("[target %s]\ndriver = %s\ninterval = 100ms\ntext = it is {{target}}\nwait = 250ms\nmode = three\n"
                     "header.Accept = all\nheader.Host = h\nstep.1 = one\nstep.2 = two\n"
                     "expect.never = mode == 9\n") % (driver, driver)
    return text


def check_facts(record, driver):
    facts = record["facts"]
    assert record["outcome"] == "fail" and list(record["failed"]) == ["never"], record
    assert facts["text"] == "it is " + driver, record
    assert abs(facts["wait"] - 0.25) < 1e-9 and facts["mode"] == 2, record
    assert facts["header.Accept"] == "all" and facts["header.Host"] == "h", record
    assert facts["steps"] == ["one", "two"] and facts["share"] == 0.25, record
    assert facts["rows"] == [{"n": 7, "s": "seven", "f": 7.5}], record
    assert driver.endswith("-run") or facts["address"] == 42, record


def check_host(probed, minor):
    state = listed(probed)
    for name in good():
        assert state[name]["state"] == "loaded", state[name]
    if minor < 99:
        assert state["demanding"]["state"] == "refused" and "needs ABI 0.99" in state["demanding"]["why"], state["demanding"]
    ini = there("probed.ini")
    with open(ini, "w") as f:
        f.write(config())
    done = subprocess.run([probed, "-c", ini, "--once", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=PATIENCE)
    records = {r["target"]: r for r in map(json.loads, done.stdout.splitlines())}
    assert len(records) == 2 * len(good()), (done.stdout, done.stderr)
    for driver, record in records.items():
        check_facts(record, driver)
    with open(ini, "a") as f:
        f.write("[target refused]\ndriver = future\ntext = no\n")
    done = subprocess.run([probed, "-c", ini, "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 78 and 'text: "no" is refused' in done.stdout, (done.returncode, done.stdout)


def check_sinks(probed):
    """Every fixture's sink gets the records of every fixture's drivers."""
    out = {name: there("sink-%s-%s" % (os.path.basename(os.path.dirname(probed)), name)) for name in good()}
    ini = there("sinks.ini")
    with open(ini, "w") as f:
        f.write(config())
        for name, path in out.items():
            f.write("[sink %s]\ndriver = %s-sink\ntext = %s\n" % (name, name, path))
    daemon = subprocess.Popen([probed, "-c", ini], stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + PATIENCE
        wanted = {driver for name in good() for driver in (name, name + "-run")}
        for name, path in out.items():
            seen = set()
            while seen != wanted:
                assert time.monotonic() < end and daemon.poll() is None, (name, wanted - seen)
                lines = open(path).read().splitlines() if os.path.exists(path) else []
                seen = {line.split()[0] for line in lines}
                time.sleep(0.05)
            line = [one for one in lines if one.startswith("future ")][0]
            assert "text=it is future " in line and "steps=one" in line and line.endswith(" !never"), line
    finally:
        daemon.terminate()
        said = daemon.communicate(timeout=PATIENCE)[1]
    assert daemon.returncode == 0, said


def check_hooks(probed):
    """Every fixture's scripts change the requests of every fixture's driver, and see its results."""
    hooks = [name for name in good() if name != "v0-1"]
    out, ini = there("hooks-" + os.path.basename(os.path.dirname(probed))), there("hooks.ini")
    steps = ["%s-%s" % (hook, driver) for hook in hooks for driver in good()]
    text = "[probed]\nplugin_path = %s\nworkers = 1\n[sink out]\ndriver = today-sink\ntext = %s\n" % (plugins, out)
    for driver in good():
        text += "[target t-%s]\ndriver = %s\nmonitor = no\nmode = three\nheader.Accept = all\n" % (driver, driver)
        for hook in hooks:
            text += ("[step %s-%s]\ntarget = t-%s\nhook = %s-hook\nbefore = %%s\nafter = yes\non_fail = continue\n"
                     % (hook, driver, driver, hook))
    text += "[plan p]\nrun = flow %s\npace = rate 2/s\n" % " ".join(steps)
    with open(ini, "w") as f:
        f.write(text.replace("%s", "no"))
    done = subprocess.run([probed, "-c", ini, "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
    for step in steps:
        assert done.returncode == 78 and "[step %s] before: before:1: refused in step %s" % (step, step) in done.stdout, done.stdout
    with open(ini, "w") as f:
        f.write(text.replace("%s", "yes"))
    daemon = subprocess.Popen([probed, "-c", ini], stderr=subprocess.PIPE, text=True)
    try:
        end, seen = time.monotonic() + PATIENCE, {}
        while set(seen) != set(steps):
            assert time.monotonic() < end and daemon.poll() is None, (set(steps) - set(seen), seen)
            lines = open(out).read().splitlines() if os.path.exists(out) else []
            seen = {line.split()[0]: line for line in lines}
            time.sleep(0.05)
    finally:
        daemon.terminate()
        said = daemon.communicate(timeout=PATIENCE)[1]
    assert daemon.returncode == 0, said
    for hook in hooks:
        for driver in good():
            line = seen["%s-%s" % (hook, driver)]
            assert " text=hooked by %s " % hook in line and line.endswith(" !seen"), line


def all_of_them_run_in_todays_host():
    check_host(PROBED, headers.version(TODAY)[1])


def all_sinks_run_in_todays_host():
    check_sinks(PROBED)


def all_hooks_run_in_todays_host():
    check_hooks(PROBED)


def a_host_of_the_future_is_built():
    """All of the core, compiled against headers that grew."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    asked = subprocess.run(["make", "-s", "-C", BUILD, "--no-print-directory", "--eval",
                            "abi-flags: ; @echo '$(AM_CPPFLAGS)' '|' '$(libcore_a_SOURCES) $(probed_SOURCES)' '|' "
                            "'$(CORE_LIBS) $(SAN_CFLAGS)'", "abi-flags"], env=env, check=True, stdout=subprocess.PIPE, text=True)
    cpp, sources, libs = map(shlex.split, asked.stdout.strip().splitlines()[-1].split("|"))
    os.mkdir(there("host"))
    cpp = [f.replace("-I.", "-I" + BUILD + "/.") if f.startswith("-I.") else f for f in cpp]
    sources = sorted({os.path.join(SRC, s) for s in sources if s.endswith(".c")})
    subprocess.run(headers.CC + ["-std=gnu11", "-O0", "-w", "-pthread", "-I", BUILD, "-I", there("future")] + cpp +
                   ["-o", there("host/probed")] + sources + [lib for lib in libs if lib != "libcore.a"], check=True)
    said = subprocess.run([there("host/probed"), "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "0.99" in said, said


def all_of_them_run_in_a_future_host():
    check_host(there("host/probed"), 99)


def all_sinks_run_in_a_future_host():
    check_sinks(there("host/probed"))


def all_hooks_run_in_a_future_host():
    check_hooks(there("host/probed"))


def todays_bundled_plugins_load_in_a_future_host():
    env = dict(os.environ, PROBED_PLUGIN_PATH=BUNDLED)
    out = subprocess.run([there("host/probed"), "--list-plugins", "--json"], env=env, check=True, stdout=subprocess.PIPE, text=True)
    states = {p["path"]: p["state"] for p in json.loads(out.stdout) if p["path"].startswith(BUNDLED + "/")}
    assert states and set(states.values()) == {"loaded"}, states


try:
    run(each_header_compiles_alone, every_public_header_is_looked_at, todays_version_is_frozen, no_snapshot_is_broken_by_today,
        the_future_breaks_nothing_of_today, what_would_break_is_told, fixtures_build_against_past_present_and_future,
        all_of_them_run_in_todays_host, all_sinks_run_in_todays_host, all_hooks_run_in_todays_host,
        a_host_of_the_future_is_built,
        all_of_them_run_in_a_future_host, all_sinks_run_in_a_future_host, all_hooks_run_in_a_future_host,
        todays_bundled_plugins_load_in_a_future_host)
finally:
    shutil.rmtree(root, ignore_errors=True)
