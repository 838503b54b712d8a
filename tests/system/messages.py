#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a first-time user reads: each mistake is told once, at its place, with what to do; nothing is told that follows
from it."""
import sys

sys.dont_write_bytecode = True
from harness import command, run  # noqa: E402


def errors_of(config):
    """The lines about a configuration, without the path of its folder."""
    done = command("--check", config=config)
    assert done.returncode == 78, (done.returncode, done.stdout, done.stderr)
    return [line.partition("probed.ini:")[2] for line in done.stderr.splitlines() if "probed.ini:" in line]


def a_refused_line_is_the_only_thing_told():
    assert errors_of('[target a]\nurl = "http://127.0.0.1/\ninterval = 5s\n') == [
        '2: [target a] url: unclosed quote: a value that begins with " ends with it in the same line']
    assert errors_of("[target a]\nurl: http://127.0.0.1/\n") == [
        '2: [target a] "url: http://127.0.0.1/": expected key = value, or [kind name]']
    assert errors_of("[target a]\ndriver = tcp\nport = 1\nhost = ${PROBED_TEST_NO_SUCH}\n") == [
        "4: [target a] host: the environment variable PROBED_TEST_NO_SUCH is not set: set it, or give a default, "
        "${PROBED_TEST_NO_SUCH:-...}"]
    assert errors_of("[sink s]\ndriver = jsonl\npath: x\n") == [
        '3: [sink s] "path: x": expected key = value, or [kind name]']


def what_else_is_wrong_in_its_section_is_told_too():
    lines = errors_of("[target a]\nurl: http://127.0.0.1/\ndriver = http\nfollow = maybe\nfolow = no\n")
    assert [line.split(":")[0] for line in lines] == ["2", "4", "5"], lines


def errors_come_in_the_order_of_their_lines():
    lines = errors_of("[target a]\nurl = http://127.0.0.1/\nexpect.a = stauts == 200\nexpect = status == 200\nexpect.c = status = 2\n"
                      "[target b]\nhost = x\n")
    assert [line.split(":")[0] for line in lines] == ["3", "4", "5", "6"], lines


def a_url_that_the_driver_does_not_take_is_told_with_one_that_it_does():
    assert errors_of("[target a]\ndriver = dns\nurl = http://127.0.0.1/\n") == [
        "3: [target a] url: driver dns takes a URL such as dns://..., not http://"]
    assert 'did you mean "http://"?' in errors_of("[target a]\nurl = htp://127.0.0.1/\n")[0]


def a_sink_or_service_is_asked_for_its_opinion():
    assert errors_of("[service w]\ndriver = web\nlisten = nowhere\n") == [
        '3: [service w] listen: "nowhere": expected ADDRESS:PORT, [IPV6]:PORT, :PORT or unix:/path']


def nothing_to_probe_is_worth_a_word():
    done = command("--check", config="")
    assert done.returncode == 0 and "nothing to probe" in done.stderr, done


def a_password_in_a_url_of_the_command_line_is_not_shown():
    done = command("--once", "tcp://127.0.0.1:1", "http://user:geheim@127.0.0.1:1/")
    assert done.returncode == 1 and "http://127.0.0.1:1" in done.stdout, done
    assert "geheim" not in done.stdout + done.stderr, done


def names_in_the_table_are_whole_where_it_is_no_terminal():
    name = "a" * 100 + "/end"
    done = command("--once", config="[target %s]\nurl = tcp://127.0.0.1:1\n" % name)
    assert name + "  tcp " in done.stdout, done


def an_interval_without_urls_is_refused():
    done = command("--interval", "2s", config="")
    assert done.returncode == 2 and "--interval" in done.stderr, done


if __name__ == "__main__":
    run(a_refused_line_is_the_only_thing_told, what_else_is_wrong_in_its_section_is_told_too,
        errors_come_in_the_order_of_their_lines, a_url_that_the_driver_does_not_take_is_told_with_one_that_it_does,
        a_sink_or_service_is_asked_for_its_opinion, nothing_to_probe_is_worth_a_word,
        a_password_in_a_url_of_the_command_line_is_not_shown, names_in_the_table_are_whole_where_it_is_no_terminal,
        an_interval_without_urls_is_refused)
