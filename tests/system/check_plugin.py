#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""--check-plugin: passes what behaves, and says of each misbehaviour which step it broke, and how."""
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
FIXTURE = os.path.join(SRC, "tests/fixtures/bad/unruly.c")

# the sanitizers end a process in ways of their own
CRASH = r"(killed by signal (11 \(Segmentation fault\)|6 \(Aborted\))|ended the process with exit status \d+)"

# how it misbehaves, and what is said of it; None: it behaves
CASES = [
    ("WELL", None),
    ("COMPLETES_IN_START", None),
    ("NEVER_COMPLETES", None),
    ("BLOCKS", None),
    ("COMPLETES_TWICE", r"a probe ends once: calls complete\(\) for a probe that is complete already"),
    ("COMPLETES_AFTER_CANCEL", r"cancel at once: calls complete\(\) for a probe that is gone"),
    ("LEAKS_DESCRIPTORS", r"leave nothing behind: leaves descriptors behind: \d+ before, \d+ after"),
    ("LEAKS_WATCHES", r"closes descriptor \d+, which it still watches"),
    ("LEAKS_TIMERS", r"leaves timers behind: \d+ before, \d+ after"),
    ("LEAKS_TARGETS", r"reloads of a target leave nothing behind: loses 4\d\d\d bytes with each target|the process ends: " + CRASH),
    ("WRITES_AFTER_END", r"cancel at once: writes to the memory of a probe that has ended"),
    ("CRASHES_IN_CANCEL", r"cancel at once: " + CRASH),
    ("HANGS_IN_TARGET", r"checks a target without a worker: does not return within 10 s"),
    ("WRONG_FACT", r'a probe ends once: gives fact "errno" by fact_string\(\), but declares it as integer'),
    ("OPENS_IN_CHECK", r"checks a target without a worker: leaves descriptors behind"),
    ("CRASHES_AT_EXIT", r"the process ends: " + CRASH),
    ("REFUSES_TO_LOAD", r"loads, and its tables are in order: its load\(\) refused to work here"),
]

folder = tempfile.mkdtemp(prefix="probed-check-")
failed = 0
only = sys.argv[1:]
CASES = [c for c in CASES if not only or c[0] in only]
print(f"1..{len(CASES)}")
try:
    for number, (how, said) in enumerate(CASES, 1):
        plugin = os.path.join(folder, how.lower() + ".so")
        subprocess.run(CC + ["-shared", "-fPIC", "-fvisibility=hidden", "-I", os.path.join(SRC, "include"), f"-DHOW={how}",
                             "-o", plugin, FIXTURE], check=True)
        run = subprocess.run([PROBED, "--check-plugin", os.path.basename(plugin)], cwd=folder, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        broken = [line for line in run.stdout.splitlines() if line.startswith("FAIL  ")]
        if said is None:
            good = run.returncode == 0 and not broken and re.search(r": behaves: \d+ passed, 0 failed, 0 skipped$", run.stdout.strip())
        else:
            good = run.returncode == 1 and any(re.search(said, line) for line in broken)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {how.lower().replace('_', ' ')}")
        if not good:
            for line in (run.stdout + run.stderr).splitlines():
                print("#  ", line)
        sys.stdout.flush()
finally:
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(1 if failed else 0)
