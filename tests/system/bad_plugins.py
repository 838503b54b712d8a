#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every kind of bad plugin in one folder: each is refused with one exact line, and the good ones load."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SRC = os.environ.get("top_srcdir", os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))
BUILD = os.environ.get("top_builddir", os.path.join(SRC, "build"))
PROBED = os.path.join(BUILD, "probed")
CC = shlex.split(os.environ.get("CC", "cc"))
FIXTURE = os.path.join(SRC, "tests/fixtures/bad/bad.c")
EHDR_CLASS, EHDR_TYPE, EHDR_MACHINE = 4, 16, 18
NUMBER = r"\d+"

folder = tempfile.mkdtemp(prefix="probed-bad-")
os.chmod(folder, 0o755)


def path(name):
    return os.path.join(folder, name + ".so")


def build(name, *flags, own_name=None):
    """A plugin from the fixture. Without the sanitizers' flags: it is loaded by a host that may have them or not."""
    command = CC + ["-shared", "-fPIC", "-fvisibility=hidden", "-I", os.path.join(SRC, "include"),
                    '-DNAME="%s"' % (own_name or name.replace("_", "-")), "-o", path(name), FIXTURE]
    subprocess.run(command + list(flags), check=True)
    return path(name)


def copy(name, change):
    """The good plugin's bytes, changed."""
    with open(path("good"), "rb") as f:
        data = bytearray(f.read())
    data = change(data)
    with open(path(name), "wb") as f:
        f.write(data)


def patch(at, *values):
    def change(data):
        data[at:at + len(values)] = bytes(values)
        return data
    return change


def missing_library():
    lib = os.path.join(folder, "libprobedgone")
    with open(lib + ".c", "w") as f:
        f.write("int in_a_library(void);\nint in_a_library(void) { return 0; }\n")
    subprocess.run(CC + ["-shared", "-fPIC", "-o", lib + ".lib", "-Wl,-soname,libprobedgone.lib", lib + ".c"], check=True)
    build("library", "-DUSES=in_a_library", "-L", folder, "-l:libprobedgone.lib")
    os.unlink(lib + ".c")
    os.unlink(lib + ".lib")


build("good")
build("zgood")
with open(path("empty"), "w"):
    pass
with open(path("text"), "w") as f:
    f.write("I am not a plugin.\n" * 20)
copy("truncated", lambda d: d[:len(d) // 2])
copy("truncated_header", lambda d: d[:40])
copy("truncated_end", lambda d: d[:-1])
copy("architecture", patch(EHDR_MACHINE, 243, 0))
copy("bits", patch(EHDR_CLASS, 1))
copy("not_shared", patch(EHDR_TYPE, 1, 0))
build("code", "-DSYMBOL_IS_CODE")
build("no_symbol", "-DSYMBOL=other")
build("undefined", "-DUSES=nowhere_to_be_found")
missing_library()
build("twin", own_name="good")
build("writable")
os.chmod(path("writable"), 0o777)
os.mkdir(path("directory"))
os.mkfifo(path("fifo"))
os.symlink("/nonexistent/x.so", path("dangling"))
for word in ("magic major need size stride option_stride default option_twice option_core choice range type fact_type "
             "fact_twice columns no_start no_table count scheme preset name needs control empty_table pointer "
             "constructor_aborts constructor_hangs constructor_exits constructor_closes").split():
    build(word, "-DBAD=BAD_" + word.upper().replace("EMPTY_TABLE", "EMPTY").replace("CONTROL", "TEXT"))

if os.geteuid() == 0:
    build("owner")
    os.chown(path("owner"), 12345, -1)

DRIVER = 'driver "%s": '
CASES = [
    ("an empty file", "empty", "the file is empty"),
    ("a text file", "text", "not an ELF file"),
    ("a truncated file", "truncated", f"truncated: its headers speak of {NUMBER} bytes, the file has {NUMBER}"),
    ("a file cut inside its header", "truncated_header", f"truncated: its headers speak of {NUMBER} bytes, the file has 40"),
    ("a file without its last byte", "truncated_end", f"truncated: its headers speak of {NUMBER} bytes, the file has {NUMBER}"),
    ("another architecture", "architecture", r"built for another architecture \(RISC-V, this machine is .*\)"),
    ("another word size", "bits", "built for 32 bits, this is a 64-bit probed"),
    ("an object file", "not_shared", "an ELF file, but not a shared object"),
    ("no symbol", "no_symbol", r'exports no "probed_plugin": not a plugin of probed\'s'),
    ("a function in place of the symbol", "code", r'its "probed_plugin" is no struct probed_plugin \(0 bytes of data, at least \d+ are needed\)'),
    ("a wrong magic number", "magic", r'wrong magic number in its "probed_plugin": not a plugin of probed\'s'),
    ("a wrong major version", "major", r"built for ABI 7\.\d+, this probed has 0\.\d+: it must be built again"),
    ("too new a need_minor", "need", r"needs ABI 0\.9, this probed has 0\.\d+: a newer probed is needed"),
    ("a short struct", "size", r"its struct probed_plugin is 40 bytes: at least \d+ are needed"),
    ("a short stride", "stride", r"its drivers are 64 bytes each: at least \d+ are needed"),
    ("a short stride of options", "option_stride", DRIVER % "option-stride" + r"its options are 24 bytes each: at least \d+ are needed"),
    ("an undefined symbol", "undefined", "undefined symbol: nowhere_to_be_found"),
    ("a missing library", "library", r"libprobedgone\.lib: cannot open shared object file: No such file or directory"),
    ("a world-writable file", "writable", r"anyone may write to it \(mode 0777\): chmod o-w"),
    ("a folder named x.so", "directory", "a folder, not a plugin"),
    ("a FIFO", "fifo", "not a regular file"),
    ("a dangling link", "dangling", "can't be read: No such file or directory"),
    ("a bad default", "default", DRIVER % "default" + 'option "wait": bad default "5 parsecs": .+'),
    ("an option declared twice", "option_twice", DRIVER % "option-twice" + 'option "host" is declared twice'),
    ("an option with the name of probed's own", "option_core", DRIVER % "option-core" + 'option "interval": that name is probed\'s own'),
    ("an empty choice", "choice", DRIVER % "choice" + r'option "mode": an empty choice in "a\|b\|\|c"'),
    ("a range upside down", "range", DRIVER % "range" + 'option "wait": its least value is above its greatest'),
    ("an unknown type", "type", DRIVER % "type" + 'option "wait": type 99 is unknown'),
    ("a fact of an option's type", "fact_type", DRIVER % "fact-type" + r'fact "answer": type 9 \(URL\) is none that a fact can have'),
    ("a fact declared twice", "fact_twice", DRIVER % "fact-twice" + 'fact "answer" is declared twice'),
    ("a column without type", "columns", DRIVER % "columns" + 'fact "hops": column "ip": expected NAME:TYPE'),
    ("a driver that can't start", "no_start", DRIVER % "no-start" + r"a driver without start\(\)"),
    ("a count without a table", "no_table", "says that it has 1 drivers, but points to none"),
    ("an absurd count", "count", "says that it has 1000000 drivers: at most 64 make sense"),
    ("a scheme that fills no option", "scheme", DRIVER % "scheme" + 'scheme "scheme": its host fills option "server", which it does not have'),
    ("a bad preset", "preset", DRIVER % "preset" + 'scheme "preset": preset "wait=long": .+'),
    ("a bad name", "name", 'driver 0: name "Very Bad": expected a-z, 0-9 and _-, beginning with a letter or digit'),
    ("an unknown worker pool", "needs", DRIVER % "needs" + 'needs the worker pool "gpu": expected net, raw, exec or heavy'),
    ("a control character", "control", DRIVER % "control" + r"a text with a control character \(byte 4\)"),
    ("a plugin of nothing", "empty_table", "provides no driver, sink, service or hook"),
    ("a wild pointer", "pointer", r"killed by signal \d+ \(.+\) while it was being loaded|ended the process with exit status \d+ while it was being loaded"),
    ("a constructor that aborts", "constructor_aborts", r"killed by signal 6 \(Aborted\) while it was being loaded"),
    ("a constructor that never returns", "constructor_hangs", "does not return from being loaded within 5 s"),
    ("a constructor that exits", "constructor_exits", "ended the process with exit status 0 while it was being loaded"),
    ("a constructor that closes our descriptors", "constructor_closes", "ended the process with exit status .* while it was being loaded|killed by .*"),
]
if os.geteuid() == 0:
    CASES.append(("someone else's file", "owner", "owned by user 12345: expected root, or the user that probed runs as"))

count = 0
failed = 0


def check(good, what, *more):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {what}")
    if not good:
        for line in more:
            print("#  ", line)
    sys.stdout.flush()


def probed(*arguments, **environment):
    return subprocess.run([PROBED, *arguments], env={**os.environ, "PROBED_PLUGIN_PATH": folder, **environment},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)


try:
    listed = probed("--list-plugins")
    check(listed.returncode == 0, "--list-plugins survives them all", listed.returncode, listed.stderr)
    rows = listed.stdout.splitlines()
    for what, name, why in CASES:
        mine = [r for r in rows if path(name) in r.split(":")[0]]
        good = len(mine) == 1 and re.fullmatch(rf"\S+ +- .* refused +{re.escape(path(name))}: ({why})", mine[0])
        check(good, what, f"expected: {why}", f"got: {mine}")
    for name in ("good", "zgood"):
        mine = [r for r in rows if r.endswith(path(name))]
        check(len(mine) == 1 and re.match(rf"{name} +driver +1\.0 +0\.\d+ +loaded +", mine[0]), f"{name} is loaded", mine)
    mine = [r for r in rows if path("twin") in r.split(":")[0]]
    why = f'{path("twin")}: a plugin named "good" comes from {path("good")} already'
    check(len(mine) == 1 and mine[0].endswith(why) and " shadowed " in mine[0], "a duplicate name is shadowed", mine)
    known = {path(name) for _, name, _ in CASES} | {path("good"), path("zgood"), path("twin")}
    found = {os.path.join(folder, n) for n in os.listdir(folder)}
    check(found == known, "nothing in the folder was left out", found ^ known)

    for name in [n for n in os.listdir(folder) if n not in ("good.so", "magic.so", "empty.so")]:
        full = os.path.join(folder, name)
        shutil.rmtree(full) if os.path.isdir(full) and not os.path.islink(full) else os.unlink(full)
    listed = probed("--list-plugins", "--json")
    by_path = {p["path"]: p for p in json.loads(listed.stdout)}
    good, magic, empty = (by_path[path(n)] for n in ("good", "magic", "empty"))
    check(good["state"] == "loaded" and good["drivers"] == ["good"] and good["version"] == "1.0" and good["why"] is None,
          "--json: a loaded plugin", good)
    check(magic["state"] == "refused" and magic["name"] is None and "magic" in magic["why"], "--json: a refused plugin", magic)

    info = probed("--plugin-info", "good")
    for part in ("host", "duration", "default 5s", "1 ns .. 60 s", "one of a, b, c", "The way there.", "ttl:integer|ip:string", "good://HOST"):
        check(part in info.stdout, f"--plugin-info says {part!r}", info.stdout)
    info = json.loads(probed("--plugin-info", "good", "--json").stdout)
    check([o["name"] for o in info["drivers"][0]["options"]] == ["host", "wait", "mode"], "--plugin-info --json", info)
    unknown = probed("--plugin-info", "goood")
    check(unknown.returncode == 1 and 'did you mean "good"?' in unknown.stderr, "--plugin-info: the nearest name", unknown.stderr)
    unknown = probed("--plugin-info", "magic")
    check(unknown.returncode == 1 and "wrong magic number" in unknown.stderr, "--plugin-info: of a refused one", unknown.stderr)

    nowhere = probed("--list-plugins", PROBED_PLUGIN_PATH="/nonexistent/plugins")
    check("/nonexistent/plugins: this folder can't be read: No such file or directory" in nowhere.stdout,
          "a folder that is not there", nowhere.stdout)
finally:
    shutil.rmtree(folder, ignore_errors=True)
print(f"1..{count}")
sys.exit(1 if failed else 0)
