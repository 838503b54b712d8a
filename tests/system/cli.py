#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The command line: what it says, its exit statuses, and that no secret leaves by any door."""
import json
import os
import re
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import FIXTURES, PLUGINS, PROBED, Daemon, command, folder, free_port, run, until, write

HERE = "[probed]\nplugin_path = %s:%s\n" % (PLUGINS, FIXTURES)
ENV = {"PROBED_PLUGIN_PATH": PLUGINS, "NO_COLOR": "1"}


def target(name, do="ok", **options):
    more = "".join("%s = %s\n" % kv for kv in options.items())
    return "[target %s]\ndriver = fx\ndo = %s\n%s" % (name, do, more)


def usage(*args, says):
    done = command(*args)
    assert done.returncode == 2, done
    assert done.stdout == "" and done.stderr == "probed: %s\nTry 'probed --help'.\n" % says, done


def help_and_version():
    done = command("--help")
    assert done.returncode == 0 and done.stderr == "", done
    for option in ("--once", "--check", "--print-config", "--list-plugins", "--plugin-info", "--check-plugin", "--json",
                   "--show", "--for", "--interval", "--dry-run", "--plan", "--config", "--version", "--help"):
        assert option in done.stdout, option
    assert command("-h").stdout == done.stdout
    done = command("--version")
    assert done.returncode == 0 and re.fullmatch(r"probed \d+\.\d+\.\d+\S* \(plugin ABI \d+\.\d+\)\n", done.stdout), done


def wrong_use_is_told():
    usage(says="what should be probed? Give -c FILE, or URLs")
    usage("--nonce", says="unknown option --nonce (did you mean --once?)")
    usage("-x", says="unknown option -x")
    usage("-c", says="-c needs a value")
    usage("--for", "10", "tcp://a:1", says="--for 10: expected a time with its unit, such as 10s")
    usage("example.org", says="example.org: expected a URL, such as https://example.org or icmp://192.0.2.1")
    usage("-c", "x", "tcp://a:1", says="give either -c FILE or URLs, not both")
    usage("--once", "--check", "-c", "x",
          says="only one of --once, --check, --print-config, --dry-run, --list-plugins, --plugin-info, --check-plugin")
    usage("--dry-run", "tcp://a:1", says="--dry-run shows the plans of a file: give -c FILE")
    usage("--check", "-c", "x", "--plan", "p", says="--plan goes with --dry-run")
    usage("--dry-run", "-c", "x", "-n", "-3", says="-n -3: expected a number up to 1000000")
    usage("--list-plugins", "tcp://a:1", says="tcp://a:1: this command takes no URL")


def a_missing_file_is_told():
    for command_option in ("--check", "--once", "--print-config"):
        done = command("-c", "/nowhere/probed.ini", command_option)
        assert done.returncode == 78 and "/nowhere/probed.ini: No such file or directory" in done.stderr, done
    assert command("-c", "/nowhere/probed.ini").returncode == 78
    assert command("-c", "/").returncode == 78


def check_says_good_and_bad():
    done = command("--check", config=HERE + target("a") + target("b"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 targets, 0 sinks, 0 services: ok\n", ""), done
    done = command("--check", config=HERE + target("a", intervall="1s"))
    assert done.returncode == 78 and done.stdout == "", done
    lines = done.stderr.splitlines()
    assert re.fullmatch(r'\S+/probed.ini:6: \[target a\] intervall: unknown option \(did you mean "interval"\?\)', lines[0]), done
    assert re.fullmatch(r"probed: 1 error in \S+/probed.ini", lines[1]) and len(lines) == 2, done


def print_config_is_a_configuration():
    conf = HERE + "log_level = debug\n[defaults]\ninterval = 2s\n" + target("a", text='"a ; b"', **{
        "expect.s": "status == 200", "labels.region": "eu", "header.X-One": "1"})
    first = command("--print-config", config=conf)
    assert first.returncode == 0, first
    again = command("--print-config", config=first.stdout)
    assert again.returncode == 0 and again.stdout == first.stdout, (first.stdout, again)
    for text in ("log_level        = debug", "interval         = 2s", "a ; b", "expect.s", "labels.region"):
        assert text in first.stdout, (text, first.stdout)


def once_prints_a_table():
    done = command("--once", config=HERE + target("b", "fail") + target("a") + target("c", "error"), env=ENV)
    assert done.returncode == 1, done
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["TARGET", "DRIVER", "OUTCOME", "LATENCY", "DETAIL"], done
    assert [x.split()[0:3:2] for x in lines[1:4]] == [["a", "ok"], ["b", "fail"], ["c", "error"]], done
    assert lines[4] == "1 ok, 1 fail, 1 error, 0 unknown" and "\033" not in done.stdout, done
    done = command("--once", config=HERE + target("a"))
    assert done.returncode == 0 and done.stdout.endswith("1 ok, 0 fail, 0 error, 0 unknown\n"), done


def once_json_is_the_record_of_the_sink():
    conf = target("a", "facts", interval="100ms") + target("b", "fail", interval="100ms")
    done = command("--once", "--json", config=HERE + conf)
    assert done.returncode == 1, done
    lines = {r["target"]: r for r in map(json.loads, done.stdout.splitlines())}
    assert sorted(lines) == ["a", "b"] and len(done.stdout.splitlines()) == 2, done
    with Daemon(conf) as d:
        d.wait_results(lambda all: {r["target"] for r in all} == {"a", "b"}, "results")
        for r in d.results():
            once = lines[r["target"]]
            assert list(r) == list(once) and list(r["facts"]) == list(once["facts"]), (r, once)
            assert (r["plan"], once["plan"]) == ("monitor", "once")
            assert (r["outcome"], r["reason"], r["failed"]) == (once["outcome"], once["reason"], once["failed"])


def no_target_is_no_failure():
    done = command("--once", config=HERE)
    assert done.returncode == 0 and "nothing to probe" in done.stderr, done


def every_scheme_becomes_a_target():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]

        def serve():
            while True:
                try:
                    c, _ = s.accept()
                except OSError:
                    return
                c.close()
        threading.Thread(target=serve, daemon=True).start()
        urls = ["%s://127.0.0.1:%d/" % (scheme, port) for scheme in ("http", "https", "ws", "wss")]
        urls += ["tcp://127.0.0.1:%d" % port, "tls://127.0.0.1:%d" % port, "dns://127.0.0.1:%d/example.test" % port,
                 "icmp://127.0.0.1?count=1"]
        done = command("--once", "--json", *urls, env=ENV)
        assert done.returncode == 1, done
        r = {x["target"]: x for x in map(json.loads, done.stdout.splitlines())}
    assert len(r) == len(urls), (sorted(r), done.stderr)
    by_driver = sorted(x["driver"] for x in r.values())
    assert by_driver == ["dns", "http", "http", "icmp", "tcp", "tcp", "ws", "ws"], by_driver
    assert r["tcp://127.0.0.1:%d" % port]["outcome"] == "ok", r
    done = command("--once", "gopher://127.0.0.1", env=ENV)
    assert done.returncode == 78 and "gopher" in done.stderr, done


def urls_are_probed_for_a_time():
    port = free_port()
    done = command("--for", "2s", "--interval", "200ms", "tcp://127.0.0.1:%d" % port, "tcp://127.0.0.1:%d" % port,
                   env=dict(ENV, PROBED_LISTEN="127.0.0.1:%d" % free_port()))
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert len(lines) >= 6 and all(" error " in x and "refused" in x for x in lines), done
    names = {x.split()[2] for x in lines}
    assert names == {"tcp://127.0.0.1:%d" % port, "tcp://127.0.0.1:%d-2" % port}, names


def plugins_are_listed():
    done = command("--list-plugins", "--json", env=ENV)
    plugins = {p["name"]: p for p in json.loads(done.stdout)}
    assert {"http", "dns", "ws", "tcp", "icmp", "jsonl", "web"} <= set(plugins), plugins
    assert all(p["state"] == "loaded" and p["why"] is None for p in plugins.values()), plugins
    text = command("--list-plugins", env=ENV).stdout.splitlines()
    assert text[0].split() == ["NAME", "KIND", "VERSION", "ABI", "STATE", "FROM"] and len(text) == len(plugins) + 1, text
    done = command("--plugin-info", "htp", env=ENV)
    assert done.returncode == 1 and 'no plugin "htp" (did you mean "http"?)' in done.stderr, done


def no_secret_leaves_by_any_door():
    secrets = ["s3cret-%s" % n for n in ("header", "file", "env", "user", "fixture")]
    with folder() as tmp:
        path = write(os.path.join(tmp, "token"), secrets[1] + "\n")
        port = free_port()
        conf = ("[target h]\ndriver = http\nurl = http://u:%s@127.0.0.1:%d/\nheader.Authorization = Bearer %s\ninterval = 100ms\n"
                "[target t]\ndriver = http\nurl = http://127.0.0.1:%d/\nauth = bearer\ntoken = ${file:%s}\ninterval = 100ms\n"
                "[target p]\ndriver = http\nurl = http://127.0.0.1:%d/\nauth = basic\nuser = u\npassword = ${SECRET}\ninterval = 100ms\n"
                % (secrets[3], port, secrets[0], port, path, port) + target("f", "echo", secret=secrets[4], interval="100ms"))
        env = {"SECRET": secrets[2]}

        def clean(what, text):
            for s in secrets:
                assert s not in text, (what, s, text[max(0, text.index(s) - 200):][:400])
        clean("--print-config", command("--print-config", config=HERE + conf, env=env).stdout)
        done = command("--once", "--json", config=HERE + conf, env=env)
        clean("--once --json", done.stdout + done.stderr)
        done = command("--once", config=HERE + conf, env=env)
        clean("--once", done.stdout + done.stderr)
        with Daemon(conf, env=env, settings={"log_level": "debug"}) as d:
            d.wait_ready()
            d.wait_results(lambda all: {r["target"] for r in all} == {"h", "t", "p", "f"}, "results")
            d.configure(conf + target("broken", secret=secrets[4], size=secrets[4]))
            d.reload()
            d.wait_log("configuration refused, the one before stays in force")
            clean("/metrics", d.get("/metrics")[1])
            clean("the sink", json.dumps(d.results()))
            log = [e for e in d.log if e.get("message") != "configuration"]
            clean("the log", json.dumps(log))
            with open("/proc/%d/cmdline" % d.children("worker")[0]) as f:
                clean("a command line", f.read())


if __name__ == "__main__":
    run(help_and_version, wrong_use_is_told, a_missing_file_is_told, check_says_good_and_bad, print_config_is_a_configuration,
        once_prints_a_table, once_json_is_the_record_of_the_sink, no_target_is_no_failure, every_scheme_becomes_a_target,
        urls_are_probed_for_a_time, plugins_are_listed, no_secret_leaves_by_any_door)
