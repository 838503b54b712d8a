#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian packages as a machine meets them: built from a clean copy, installed into a throwaway Debian 12, run
there, and a plugin built there against libprobed-dev. Some minutes and some 500 MB: only with TEST_LONG=1, and as root."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from harness import BUILD, SRC, Skip, run  # noqa: E402

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
TOOLS = ("debootstrap", "dpkg-buildpackage", "dh", "lintian", "unshare")
# what an outer make, or a build under sanitizers, would tell the inner one
NOT_OURS = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR", "CC", "CXX", "ASAN_OPTIONS",
            "UBSAN_OPTIONS", "TESTS", "VERBOSE", "top_srcdir", "top_builddir", "PROBED_PLUGIN_PATH")
work = None


def here(*parts):
    return os.path.join(work, *parts)


def sh(*command, cwd=None, expect=0):
    env = {k: v for k, v in os.environ.items() if k not in NOT_OURS}
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=3000)
    tail = "\n".join(done.stdout.splitlines()[-60:])
    assert done.returncode == expect, "%s: status %d\n%s" % (" ".join(command), done.returncode, tail)
    return done.stdout


def inside(*command, expect=0):
    """In the root, with a /proc and processes of its own: when the command ends, nothing of it is left."""
    return sh("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc=" + here("root/proc"), "chroot",
              here("root"), "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
              "DEBIAN_FRONTEND=noninteractive", *command, expect=expect)


def mirror():
    """The one that this machine's apt uses."""
    paths = ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]
    for line in (line for path in paths if os.path.exists(path) for line in open(path)):
        for word in line.split():
            if line.startswith(("deb ", "URIs:")) and "://" in word and word.rstrip("/").endswith("/debian"):
                return word
    return "http://deb.debian.org/debian"


def debs(name):
    found = glob.glob(here(name + "_*.deb"))
    assert len(found) == 1, (name, found)
    return found[0]


def copy_sources():
    """What a clone would have: neither build folders nor what autoreconf made."""
    copy = here("probed")
    if not os.path.exists(os.path.join(SRC, ".git")):
        shutil.copytree(SRC, copy, symlinks=True, ignore=shutil.ignore_patterns("build*", "autom4te.cache"))
        sh("chmod", "-R", "u+w", copy)
        return copy
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, cwd=SRC, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if os.path.exists(os.path.join(SRC, name)):
            os.makedirs(os.path.dirname(os.path.join(copy, name)), exist_ok=True)
            shutil.copy2(os.path.join(SRC, name), os.path.join(copy, name))
    return copy


def it_builds():
    sh("dpkg-buildpackage", "-us", "-uc", "-b", cwd=copy_sources())
    debs("probed"), debs("libprobed-dev")


def lintian_has_no_error():
    said = sh("lintian", "--allow-root", "--tag-display-limit=0", "--fail-on", "error", *glob.glob(here("*.changes")))
    for line in said.splitlines():
        print("# " + line)


def it_holds_what_it_should():
    listed = sh("dpkg", "-c", debs("probed"))
    for path in ("/usr/bin/probed", "/usr/bin/probectl", "/usr/share/man/man8/probectl.8.gz", "/etc/probed/probed.ini", "/lib/systemd/system/probed.service",
                 "/usr/lib/sysusers.d/probed.conf"):
        assert " ." + path + "\n" in listed, path + " is missing:\n" + listed
    for plugin in ("http", "dns", "ws", "tcp", "icmp", "jsonl", "csv", "statsd", "influx", "remote_write", "otlp", "web"):
        assert "/probed/plugins/%s.so\n" % plugin in listed, plugin
    assert ".la\n" not in listed, listed
    assert "/etc/probed/probed.ini" in sh("dpkg", "-I", debs("probed"), "conffiles")
    assert "/include/probed/plugin.h" in sh("dpkg", "-c", debs("libprobed-dev"))


def it_installs():
    sh("debootstrap", "--variant=minbase", *(["--keyring=" + KEYRING] if os.path.exists(KEYRING) else []), "bookworm",
       here("root"), mirror())
    shutil.copy("/etc/resolv.conf", here("root/etc/resolv.conf"))
    for name in ("probed", "libprobed-dev"):
        shutil.copy(debs(name), here("root/root"))
    inside("apt-get", "install", "-y", "-qq", "--no-install-recommends",
           *("/root/" + os.path.basename(debs(name)) for name in ("probed", "libprobed-dev")))
    assert ":/var/lib/probed:/usr/sbin/nologin" in inside("getent", "passwd", "probed")


def every_plugin_is_loaded():
    said = inside("probed", "--list-plugins")
    for plugin in ("http", "dns", "ws", "tcp", "icmp", "jsonl", "csv", "statsd", "influx", "remote_write", "otlp", "web"):
        assert any(line.startswith(plugin + " ") and " loaded " in line + " " for line in said.splitlines()), said


def the_configuration_works_as_it_stands():
    inside("probed", "-c", "/etc/probed/probed.ini", "--check")
    assert "1 ok, 0 fail, 0 error" in inside("probed", "-c", "/etc/probed/probed.ini", "--once")


def it_works_with_the_rights_of_its_unit():
    said = inside("setpriv", "--reuid=probed", "--regid=probed", "--clear-groups", "--no-new-privs",
                  "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw",
                  "probed", "-c", "/etc/probed/probed.ini", "--once")
    assert "1 ok, 0 fail, 0 error" in said, said


def the_unit_is_sound():
    said = inside("systemd-analyze", "verify", "probed.service")
    assert "probed" not in said, said
    inside("systemd-analyze", "security", "--offline=true", "--threshold=20", "probed.service")


def a_plugin_built_there_is_found_and_probes():
    inside("apt-get", "install", "-y", "-qq", "--no-install-recommends", "gcc", "libc6-dev", "make", "pkg-config")
    inside("cp", "-r", "/usr/share/doc/libprobed-dev/examples/hello", "/root/hello")
    inside("make", "-C", "/root/hello", "install")
    said = inside("probed", "--list-plugins")
    assert any(line.startswith("hello ") for line in said.splitlines()), said
    with open(here("root/etc/probed/conf.d/hello.ini"), "w") as f:
        f.write("[target name]\ndriver = hello\nfile = /etc/hostname\nexpect.named = line not empty\n")
    assert "2 ok, 0 fail, 0 error" in inside("probed", "-c", "/etc/probed/probed.ini", "--once")


def it_leaves_when_purged():
    inside("rm", "/etc/probed/conf.d/hello.ini")
    inside("install", "-d", "-o", "probed", "/var/lib/probed")
    inside("sh", "-c", "rm /usr/lib/*/probed/plugins/hello.so")
    inside("apt-get", "purge", "-y", "-qq", "probed")
    assert inside("sh", "-c", "ls -d /etc/probed /usr/bin/probed /usr/lib/*/probed /var/lib/probed 2>&1",
                  expect=2).count("cannot") == 4


STEPS = (it_builds, lintian_has_no_error, it_holds_what_it_should, it_installs, every_plugin_is_loaded,
         the_configuration_works_as_it_stands, it_works_with_the_rights_of_its_unit, the_unit_is_sound,
         a_plugin_built_there_is_found_and_probes, it_leaves_when_purged)


def why_not():
    if not os.environ.get("TEST_LONG"):
        return "takes minutes: TEST_LONG=1 runs it"
    if os.geteuid():
        return "needs root, for a root folder of its own"
    with open(os.path.join(BUILD, "config.h")) as f:
        if "#define WITH_SANITIZERS 1" in f.read():
            return "the packages are built without sanitizers: the ordinary suite has tested them"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    return "not installed: " + " ".join(missing) if missing else None


def the_packages():
    raise Skip(why_not())


if why_not():
    run(the_packages)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
work = tempfile.mkdtemp(prefix="probed-package-", dir="/var/tmp")
os.chmod(work, 0o755)
try:
    run(*STEPS)
finally:
    shutil.rmtree(work, ignore_errors=True)
