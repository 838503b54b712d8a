#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sinks that write files, through the daemon: rotation loses nothing, SIGHUP opens anew, CSV reads back."""
import csv
import glob
import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, command, folder, run, until

FAST = "[target a]\ndriver = fx\ninterval = 2ms\ntimeout = 2s\ndo = ok\n"


def text_of(path):
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    with open(path) as f:
        return f.read()


def whole_lines(path):
    text = text_of(path)
    assert not text or text.endswith("\n"), path
    return [json.loads(line) for line in text.splitlines()]


def old_files(path):
    """Oldest first."""
    return sorted(p for p in glob.glob(path + ".2*") if not p.endswith(".part"))


def rotation_loses_nothing():
    with folder() as tmp:
        path = os.path.join(tmp, "r.jsonl")
        with Daemon(FAST + "[sink rotated]\ndriver = jsonl\npath = %s\nrotate_size = 20KiB\nkeep = 0\n" % path) as d:
            d.wait_ready()
            until(lambda: len(old_files(path)) >= 12, "12 old files")
            assert d.metrics().get('probed_sink_healthy{sink="rotated"}') == 1
            d.stop()
            records = []
            for old in old_files(path):
                part = whole_lines(old)
                assert part and len(text_of(old)) <= 20 << 10, old
                records += part
            records += whole_lines(path)
            assert records == d.results(), (len(records), len(d.results()))
            assert sum(p.endswith(".zst") for p in old_files(path)) >= 10, old_files(path)


def only_so_many_are_kept():
    with folder() as tmp:
        path = os.path.join(tmp, "r.jsonl")
        conf = FAST + "[sink rotated]\ndriver = jsonl\npath = %s\nrotate_size = 20KiB\nkeep = 3\ncompress = no\n" % path
        with Daemon(conf) as d:
            d.wait_ready()
            seen = set()

            def rotated():
                seen.update(old_files(path))
                assert len(old_files(path)) <= 4, old_files(path)  # one may be renamed and not yet pruned
                return len(seen) >= 8
            until(rotated, "8 rotations")
            d.stop()
            assert len(old_files(path)) == 3, old_files(path)
            assert not glob.glob(path + "*.zst")
            kept = [r for p in old_files(path) + [path] for r in whole_lines(p)]
            assert kept == d.results()[-len(kept):]


def by_time_and_by_a_signal():
    with folder() as tmp:
        path, moved = os.path.join(tmp, "r.csv"), os.path.join(tmp, "moved.csv")
        conf = FAST + "[sink rotated]\ndriver = csv\npath = %s\nrotate_every = 1s\ncolumns = id,target,outcome\nkeep = 0\n" % path
        with Daemon(conf) as d:
            d.wait_ready()
            until(lambda: len(old_files(path)) >= 2, "two seconds")
            os.rename(path, moved)
            d.reload()
            until(lambda: os.path.exists(path), "the file to be opened anew")
            count = len(d.results())
            d.wait_results(lambda all: len(all) >= count + 100, "more results")
            d.stop()
            rows = []
            whole = old_files(path)
            whole.insert(sum(os.path.getmtime(p) <= os.path.getmtime(moved) for p in whole), moved)
            for p in whole + [path]:
                lines = text_of(p).splitlines()
                assert lines[0] == "id,target,outcome" and lines.count(lines[0]) == 1, p
                rows += list(csv.DictReader(lines))
            expected = [{"id": r["id"], "target": "a", "outcome": "ok"} for r in d.results()]
            assert sorted(rows, key=str) == sorted(expected, key=str), (len(rows), len(expected))


def csv_reads_back_what_jsonl_says():
    conf = "[target odd]\ndriver = fx\ninterval = 50ms\ndo = facts\n[target bad]\ndriver = fx\ninterval = 50ms\ndo = error\n"
    with folder() as tmp:
        path = os.path.join(tmp, "r.csv")
        columns = "id,time,target,driver,outcome,reason,message,latency,service,lag,phase.wait,fact.text,header.server,fact.item,fact.hops,fact.took"
        with Daemon(conf + "[sink table]\ndriver = csv\npath = %s\ncolumns = %s\n" % (path, columns)) as d:
            d.wait_ready()
            d.wait_results(lambda all: len(all) >= 10, "results")
            d.stop()
            with open(path, newline="") as f:
                rows = list(csv.DictReader(f))
            results = d.results()
        assert len(rows) == len(results)
        for row, r in zip(rows, results):
            facts = r["facts"]
            for key in ("id", "time", "target", "driver", "outcome"):
                assert row[key] == r[key], key
            assert (row["reason"] or None, row["message"] or None) == (r["reason"], r["message"])
            for key in ("latency", "service", "lag"):
                assert float(row[key]) == r[key + "_ms"], key
            if r["target"] == "odd":
                assert row["header.server"] == "fixture" and row["fact.item"] == "one;two" and float(row["fact.took"]) == 1.5
                assert json.loads(row["fact.hops"]) == facts["hops"]
                assert row["fact.text"] == facts["text"] == 'caf\u00e9 "quoted"\n\ufffd', row


def the_preset_of_sendit():
    with folder() as tmp:
        path = os.path.join(tmp, "r.csv")
        conf = "[target a]\ndriver = fx\ninterval = 50ms\ndo = ok\n[target b]\ndriver = fx\ninterval = 50ms\ndo = error\n"
        with Daemon(conf + "[sink s]\ndriver = csv\npath = %s\npreset = sendit\ntime_format = unix_ms\n" % path) as d:
            d.wait_ready()
            d.wait_results(lambda all: {"a", "b"} <= {r["target"] for r in all}, "results")
            d.stop()
        lines = text_of(path).splitlines()
        assert lines[0] == "ts,url,type,status,duration_ms,bytes,error"
        rows = {row["url"]: row for row in csv.DictReader(lines)}
        assert rows["a"]["type"] == "fx" and rows["a"]["status"] == "200" and rows["a"]["error"] == ""
        assert rows["b"]["error"] == "connection refused by the fixture" and re.fullmatch(r"\d{13}", rows["b"]["ts"])


def a_killed_recorder_leaves_whole_lines():
    with folder() as tmp:
        path = os.path.join(tmp, "r.jsonl")
        with Daemon(FAST + "[sink rotated]\ndriver = jsonl\npath = %s\nrotate_size = 30KiB\nkeep = 0\n" % path) as d:
            d.wait_ready()
            for n in range(3):
                until(lambda: len(old_files(path)) > 3 * n, "old files")
                pid = d.children("recorder")[0]
                os.kill(pid, signal.SIGKILL)
                until(lambda: d.children("recorder") not in ([], [pid]), "a new recorder")
            until(lambda: len(old_files(path)) > 10, "old files")
            d.stop()
            ids = [r["id"] for p in old_files(path) + [path] for r in whole_lines(p)]
            assert len(ids) == len(set(ids)), "doubled"
            assert not glob.glob(path + "*.part")


def wrong_options_are_told():
    for lines, told in (
            ("driver = jsonl\npath = -\nrotate_size = 1MiB", "the standard output can't be rotated"),
            ("driver = jsonl\npath = r\nrotate_every = weekly", "expected hourly, daily, or a duration"),
            ("driver = csv\npath = r\ncolumns = time,whatever", 'unknown field "whatever"'),
            ("driver = csv\npath = r/", "expected the name of a file")):
        done = command("--check", config="[target a]\ndriver = icmp\nhost = 127.0.0.1\n[sink s]\n%s\n" % lines)
        assert done.returncode == 78 and told in done.stderr, done


if __name__ == "__main__":
    run(rotation_loses_nothing, only_so_many_are_kept, by_time_and_by_a_signal, csv_reads_back_what_jsonl_says,
        the_preset_of_sendit, a_killed_recorder_leaves_whole_lines, wrong_options_are_told)
