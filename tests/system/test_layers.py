#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The floors of the house: plugins know nothing of the core, the core names no protocol, the thinking parts of the core
do no I/O, and a plugin exports one symbol."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import BUILD, run  # noqa: E402

SRC = os.path.realpath(harness.SRC)

PURE = ("plan", "judge", "watch", "measure")
IMPURE = ("clock_now_ns clock_wall_ns clock_gettime gettimeofday time nanosleep usleep sleep socket connect send sendto recv open "
          "openat fopen read write fork execve random srandom rand getrandom getenv setenv printf puts fprintf log_event log_info "
          "log_warn log_error log_debug").split()


def sources(root, *parts):
    there = os.path.join(root, *parts)
    return sorted(p for ext in ("c", "h") for p in glob.glob(os.path.join(there, "**", "*." + ext), recursive=True))


def text_of(path):
    with open(path) as f:
        return f.read()


def code_of(path):
    """Without comments; strings stay."""
    return re.sub(r'("(?:[^"\\\n]|\\.)*")|/\*.*?\*/|//[^\n]*', lambda m: m.group(1) or " ", text_of(path), flags=re.S)


def includes(path):
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]+([<"][^>"]+)[>"]', code_of(path), flags=re.M)


def plugin_includes(root):
    """A plugin sees libraries, <probed/...>, its own folder and plugins/common."""
    wrong = []
    for path in sources(root, "plugins"):
        own = os.path.join(root, "plugins", os.path.relpath(path, os.path.join(root, "plugins")).split(os.sep)[0])
        allowed = (own, os.path.join(root, "plugins", "common"))
        for inc in includes(path):
            what = inc[1:]
            if inc[0] == '"':
                from_here = os.path.normpath(os.path.join(os.path.dirname(path), what))
                places = [from_here] + [os.path.join(a, what) for a in allowed] + [os.path.normpath(os.path.join(root, "plugins", what))]
                found = [p for p in places if os.path.exists(p)]
                if what != "config.h" and not any(p.startswith(a + os.sep) for p in found[:1] for a in allowed):
                    wrong.append("%s includes \"%s\"" % (os.path.relpath(path, root), what))
            elif os.path.exists(os.path.join(root, "core", what)) or (
                    what.startswith("probed/") and not os.path.exists(os.path.join(root, "include", what))):
                wrong.append("%s includes <%s>" % (os.path.relpath(path, root), what))
    return wrong


def core_includes(root):
    """The core sees no plugin, base sees only itself, and the pure parts neither run/ nor plugin/ but its tables."""
    wrong = []
    for path in sources(root, "core"):
        part = os.path.relpath(path, os.path.join(root, "core")).split(os.sep)[0]
        for inc in includes(path):
            what = inc[1:]
            up = os.path.normpath(os.path.join(os.path.dirname(path), what)) if inc[0] == '"' else ""
            bad = "plugins/" in what or up.startswith(os.path.join(root, "plugins") + os.sep)
            if part == "base":
                bad |= inc[0] == '"' and not what.startswith("base/") and what != "config.h"
            if part in PURE:
                bad |= what.startswith("run/") or (what.startswith("plugin/") and what != "plugin/table.h")
            if bad:
                wrong.append("%s includes %s" % (os.path.relpath(path, root), what))
    return wrong


def core_words(root, drivers):
    """String literals of the core that are a driver's name."""
    wrong = []
    for path in sources(root, "core"):
        for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', code_of(path)):
            if literal in drivers:
                wrong.append('%s says "%s"' % (os.path.relpath(path, root), literal))
    return wrong


def driver_names(root):
    """The names of all drivers of ours, and the schemes of their URLs, from their declarations; but for words that the
    ABI itself has for a phase or a reason ("tls")."""
    names = set()
    for path in sources(root, "plugins"):
        code = code_of(path)
        for table in re.findall(r"struct probed_(?:driver|scheme) \w+\[\] = \{(.*?)\n(?:\t?\} )?\};", code, flags=re.S):
            names |= set(re.findall(r'\.(?:name|scheme) = "([^"]+)"', table))
        if "struct probed_driver " in code:
            names.add(os.path.relpath(path, os.path.join(root, "plugins")).split(os.sep)[0])
    shared = re.findall(r"PROBED_(?:PHASE|REASON)_(\w+) =", text_of(os.path.join(root, "include/probed/types.h")))
    return names - {word.lower() for word in shared}


def impure_calls(root):
    wrong = []
    for part in PURE:
        for path in sources(root, "core", part):
            code = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', code_of(path))
            for name in re.findall(r"(?<![\w.>])(%s)\s*\(" % "|".join(IMPURE), code):
                wrong.append("%s calls %s()" % (os.path.relpath(path, root), name))
    return wrong


def all_of(wrong):
    assert not wrong, "\n" + "\n".join(wrong)


# --- the tests -----------------------------------------------------------------------------------

def plugins_know_nothing_of_the_core():
    assert len(sources(SRC, "plugins")) > 5
    all_of(plugin_includes(SRC))


def the_core_knows_no_plugin_and_no_floor_calls_upwards():
    assert len(sources(SRC, "core")) > 50
    all_of(core_includes(SRC))


def the_core_names_no_protocol():
    names = driver_names(SRC)
    assert {"icmp"} <= names, names
    all_of(core_words(SRC, names))


def the_thinking_parts_do_no_io():
    all_of(impure_calls(SRC))


def each_rule_can_be_broken():
    root = tempfile.mkdtemp(prefix="probed-layers-")

    def put(path, text):
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w") as f:
            f.write(text)
    try:
        put("include/probed/plugin.h", "")
        put("include/probed/types.h", "PROBED_PHASE_TLS = 2,")
        put("core/base/buf.h", "")
        put("plugins/common/tls.h", "")
        put("plugins/b/b.h", "")
        put("plugins/a/own.h", "")
        put("plugins/a/a.c", '#include <stdio.h>\n#include <probed/plugin.h>\n#include "own.h"\n#include "common/tls.h"\n'
            '#include "../common/tls.h"\n/* #include "../b/b.h" */\n'
            'static const struct probed_driver drivers[] = { {\n\t.name = "gopher",\n}, {\n\t.name = "tls",\n} };\n')
        assert plugin_includes(root) == [], plugin_includes(root)
        put("plugins/a/bad.c", '#include "../b/b.h"\n#include "../../core/base/buf.h"\n#include <base/buf.h>\n#include <probed/gone.h>\n')
        assert len(plugin_includes(root)) == 4, plugin_includes(root)
        assert driver_names(root) == {"gopher", "a"}
        put("core/run/x.c", '/* "gopher" */ const char *a = "gophers";\n')
        put("core/judge/x.c", '#include "plugin/table.h"\n#include "base/buf.h"\nint a = runtime(1), b = s->time(2);\n/* time(3) */ const char *c = "open(";\n')
        assert core_words(root, {"gopher"}) == core_includes(root) == impure_calls(root) == []
        put("core/run/y.c", 'const char *a = "gopher";\n#include "../../plugins/b/b.h"\n')
        put("core/judge/y.c", '#include "run/wire.h"\n#include "plugin/loader.h"\nint a = time(0);\n')
        put("core/base/y.c", '#include "run/wire.h"\n')
        assert len(core_words(root, {"gopher"})) == 1 and len(core_includes(root)) == 4 and len(impure_calls(root)) == 1
    finally:
        shutil.rmtree(root)


def built_plugins():
    asked = subprocess.run(["make", "-s", "-C", BUILD, "--no-print-directory", "--eval", "which: ; @echo $(plugin_LTLIBRARIES)", "which"],
                           env={k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"},
                           check=True, stdout=subprocess.PIPE, text=True)
    return [os.path.join(BUILD, ".libs", n[:-3] + ".so") for n in asked.stdout.splitlines()[-1].split()]


def each_plugin_exports_one_symbol():
    for so in built_plugins():
        out = subprocess.run(["nm", "-D", "--defined-only", so], check=True, stdout=subprocess.PIPE, text=True).stdout
        names = [line.split()[-1] for line in out.splitlines() if "__odr_asan" not in line]
        assert names == ["probed_plugin"], "%s exports %s" % (so, names)


def each_plugin_is_bound_at_once_and_stays():
    for so in built_plugins():
        out = subprocess.run(["readelf", "-dW", so], check=True, stdout=subprocess.PIPE, text=True).stdout
        flags = re.search(r"\(FLAGS_1\).*Flags: (.*)", out)
        assert flags and {"NOW", "NODELETE"} <= set(flags.group(1).split()), "%s: %s" % (so, flags and flags.group(1))


if __name__ == "__main__":
    run(plugins_know_nothing_of_the_core, the_core_knows_no_plugin_and_no_floor_calls_upwards, the_core_names_no_protocol,
        the_thinking_parts_do_no_io, each_rule_can_be_broken, each_plugin_exports_one_symbol,
        each_plugin_is_bound_at_once_and_stays)
