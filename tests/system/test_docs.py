#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The documents say what is so: every configuration in them is accepted, the reference equals what the plugins declare,
and every metric, key, option and link is there."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from harness import BUILD, PROBED, SRC, Daemon, Skip, command, folder, run, until  # noqa: E402

DOCS = [os.path.join(SRC, p) for p in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + \
    sorted(glob.glob(os.path.join(SRC, "docs", "*.md")) + glob.glob(os.path.join(SRC, "examples", "*", "README.md")))


def read(*path):
    with open(os.path.join(SRC, *path)) as f:
        return f.read()


def fences(path):
    """(info, text, line) of each fenced block."""
    info, text, start = None, [], 0
    with open(path) as f:
        for number, line in enumerate(f, 1):
            if info is not None and line.rstrip() == "```":
                yield info, "".join(text), start
                info = None
            elif info is not None:
                text.append(line)
            elif line.startswith("```"):
                info, text, start = line.strip("`\n "), [], number + 1


def check(text, files, where):
    with folder() as tmp:
        for name, content in dict({"api-key": "secret\n", "probed.ini": text}, **files).items():
            with open(os.path.join(tmp, name), "w") as f:
                f.write(content)
        done = subprocess.run([PROBED, "-c", "probed.ini", "--check"], cwd=tmp, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env=dict(os.environ, SHOP_PASSWORD="x", PROBED_PLUGIN_PATH=""), timeout=120)
    told = [line for line in done.stderr.splitlines() if "nothing to probe" not in line]
    assert done.returncode == 0 and not told, "%s: status %d\n%s" % (where, done.returncode, done.stderr)


def every_configuration_in_the_documents_is_accepted():
    seen = 0
    for path in DOCS:
        files = {}
        for info, text, line in fences(path):
            if "file=" in info:
                files[info.split("file=")[1]] = text
            elif info.split()[:1] == ["ini"]:
                assert info in ("ini", "ini fragment"), "%s:%d: %s" % (path, line, info)
                if info == "ini":
                    check(text, files, "%s:%d" % (path, line))
                    seen += 1
    assert seen >= 15, seen


def the_one_in_the_manual_page_is_too():
    text = re.search(r"\.Bd -literal[^\n]*\n(.*?)\n\.Ed", read("docs", "probed.8"), re.S).group(1)
    check(text, {}, "probed.8")


def those_that_are_installed_are_too():
    for name in ("probed.ini", "quickstart.ini"):
        check(read("etc", name), {}, name)
    users = read("etc", "examples", "users.csv")
    for path in glob.glob(os.path.join(SRC, "etc", "examples", "*.ini")):
        check(read(path), {"users.csv": users}, path)


def the_reference_says_what_the_plugins_declare():
    listed = json.loads(command("--list-plugins", "--json", env={"PROBED_PLUGIN_PATH": ""}).stdout)
    missing = {"http", "dns", "ws", "tcp", "icmp", "jsonl", "csv", "statsd", "influx", "remote_write", "otlp",
               "web", "lua"} - {p["name"] for p in listed}
    if missing:
        raise Skip("not built: " + " ".join(sorted(missing)))
    done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(SRC, "docs/generate"), PROBED], stdout=subprocess.PIPE, text=True,
                          env=dict(os.environ, PROBED_PLUGIN_PATH=""))
    assert done.returncode == 0
    assert done.stdout == read("docs", "drivers.md"), "docs/drivers.md is not what the plugins declare: make reference"


def every_metric_is_described_and_every_one_described_exists():
    described = set(re.findall(r"^\| `(probed_[a-z_]+)`", read("docs", "metrics.md"), re.M))
    known = set(re.findall(r'"(probed_[a-z_]+)"', "".join(read(p) for p in (
        "core/run/self.c", "core/run/gates_show.c", "core/run/resources.c", "core/measure/page.c"))))
    assert described == known, "not described: %s; unknown: %s" % (known - described, described - known)
    with Daemon("[target own]\ndriver = http\nurl = http://127.0.0.1:1/\ninterval = 100ms\n") as d:
        until(lambda: "probed_probe_success" in d.get("/metrics")[1], "a result")
        page = d.get("/metrics")[1]
    live = set(re.findall(r"^# HELP (\S+)", page, re.M))
    assert live and live <= described, live - described


def every_key_of_the_core_is_described_with_its_default():
    text = read("docs", "configuration.md")
    rows = {}
    for key, default in re.findall(r"^\| `([a-z_.A-Z]+)` \|([^|]*)\|", text, re.M):
        rows.setdefault(key, default)  # those of plans come later
    for key in re.findall(r'\.name = "([a-z_]+)"', read("core/config/settings.c")):
        assert key in rows, "[probed] " + key
    for key in re.search(r"core_key_names\[CORE_KEYS\] = \{(.*?)\}", read("core/config/defaults.c"), re.S).group(1).split(","):
        key = key.strip().strip('"')
        assert not key or key in rows or key + ".LABEL" in rows or key + ".NAME" in rows, key
    shown = command("--print-config", config="[target a]\ndriver = icmp\nhost = 127.0.0.1\n").stdout
    printed = [(k, v) for k, v in re.findall(r"^(\w+) += (.*)$", shown, re.M) if k not in ("driver", "host")]
    assert len(printed) >= 8, shown
    for key, value in printed:
        assert rows[key].strip() == "`%s`" % value, "%s: %s here, documented as %s" % (key, value, rows[key])


def every_option_of_the_command_line_is_in_the_manual_page():
    manual = read("docs", "probed.8")
    options = set(re.findall(r"--[a-z][a-z-]+", command("--help").stdout))
    assert len(options) >= 10, options
    for option in options:
        assert re.search(r"\.It Fl (\w , )?-%s\b" % option[2:], manual), option


def those_of_probectl_are_in_both_of_its_documents():
    manual, guide = read("docs", "probectl.8"), read("docs", "probectl.md")
    for name in ("run", "report", "probe", "scan"):
        done = subprocess.run([os.path.join(BUILD, "probectl"), name, "--help"], stdout=subprocess.PIPE, text=True, timeout=60)
        options = set(re.findall(r"^  --([a-z]+)", done.stdout, re.M))
        assert done.returncode == 0 and len(options) >= 4, done.stdout
        part = re.search(r"\n## %s\n(.*?)\n## " % name, guide, re.S).group(1)
        section = re.search(r"\.Ss %s\n(.*?)\n\.S[sh] " % name, manual, re.S).group(1)
        for option in options:
            assert "| `--%s" % option in part, "probectl.md: %s --%s" % (name, option)
            assert re.search(r"\.It Fl (\w , )?-%s\b" % option, section), "probectl.8: %s --%s" % (name, option)


def anchors(path):
    return {re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
            for line in re.sub(r"^```.*?^```", "", open(path).read(), flags=re.S | re.M).splitlines() if line.startswith("#")}


def every_link_leads_somewhere():
    for path in DOCS:
        for link in re.findall(r"\]\(([^)]+)\)", re.sub(r"^```.*?^```", "", open(path).read(), flags=re.S | re.M)):
            if "://" in link:
                continue
            file, _, anchor = link.partition("#")
            there = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            assert os.path.exists(there), "%s: %s" % (path, link)
            assert not anchor or anchor in anchors(there), "%s: %s; there are %s" % (path, link, sorted(anchors(there)))


def the_queries_for_prometheus_parse():
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed")
    queries = [re.sub(r"\s+#.*", "", line) for info, text, _ in fences(os.path.join(SRC, "README.md")) if info == "promql"
               for line in text.splitlines()]
    assert len(queries) >= 5, queries
    rules = "groups:\n - name: queries\n   rules:\n" + "".join(
        "    - record: a:b%d\n      expr: %s\n" % (n, json.dumps(q)) for n, q in enumerate(queries))
    alerts = [text for info, text, _ in fences(os.path.join(SRC, "docs/metrics.md")) if info == "yaml"]
    assert alerts
    with folder() as tmp:
        for n, text in enumerate([rules] + alerts):
            path = os.path.join(tmp, "rules%d.yml" % n)
            with open(path, "w") as f:
                f.write(text)
            done = subprocess.run(["promtool", "check", "rules", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert done.returncode == 0, done.stdout


if __name__ == "__main__":
    run(every_configuration_in_the_documents_is_accepted, the_one_in_the_manual_page_is_too,
        those_that_are_installed_are_too,
        the_reference_says_what_the_plugins_declare, every_metric_is_described_and_every_one_described_exists,
        every_key_of_the_core_is_described_with_its_default, every_option_of_the_command_line_is_in_the_manual_page,
        those_of_probectl_are_in_both_of_its_documents, every_link_leads_somewhere, the_queries_for_prometheus_parse)
