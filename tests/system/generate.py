#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""probectl generate: what it makes of each kind of source, that probed accepts it, that secrets stay out, and that a crawl
asks for nothing which robots.txt disallows."""
import base64
import contextlib
import gzip
import http.server
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, PLUGINS, PROBED, SANITIZER, Skip, folder, run, write

PROBECTL = os.path.join(BUILD, "probectl")
TOOL = [PROBECTL, "generate"] if os.path.exists(PROBECTL) else [os.path.join(BUILD, "tests/system/generate_tool")]


def generate(*args, stdin="", expect=0, cwd=None):
    done = subprocess.run([*TOOL, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, timeout=120)
    assert not SANITIZER.search(done.stderr), done.stderr
    assert done.returncode == expect, "exit %d, expected %d\n%s\n%s" % (done.returncode, expect, done.stdout, done.stderr)
    return done


def refused(*args, says, expect=1, **kw):
    done = generate(*args, expect=expect, **kw)
    assert done.stdout == "" and says in done.stderr, done
    return done


def accepted(text, cwd=None):
    """probed --check takes it, with the variables that the file itself names set."""
    names = re.findall(r"^;   (\w+) ", text, re.M)
    used = set(re.findall(r"(?<!\$)\$\{(\w+)\}", text))
    assert used == set(names), "variables %s, announced %s\n%s" % (used, names, text)
    env = dict(os.environ, PROBED_PLUGIN_PATH=PLUGINS, **{n: "value-of-" + n for n in names})
    with folder() as tmp:
        path = write(os.path.join(tmp, "probed.ini"), text)
        done = subprocess.run([PROBED, "-c", path, "--check"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                              cwd=cwd, timeout=120)
    assert done.returncode == 0, "%s\n%s" % (done.stderr, text)
    return text


def sections(text):
    """{title: {key: value}} with blocks as their lines, quotes taken away; [] of titles in order under None."""
    found, now, lines = {None: []}, None, iter(text.splitlines())
    for line in lines:
        head = re.fullmatch(r"\[(.*)\]", line)
        entry = re.match(r"([\w.-]+) *= (.*)", line)
        if line.startswith((";", " ")) or not line:
            continue
        if head:
            assert head.group(1) not in found, "twice: " + line
            now = found.setdefault(head.group(1), {})
            found[None].append(head.group(1))
        elif entry:
            key, value = entry.groups()
            if value.startswith("<<"):
                block = []
                for more in lines:
                    if more == value[2:]:
                        break
                    block.append(more)
                value = "\n".join(block)
            elif value[:1] in "\"'" and value:
                value = value[1:-1]
            assert key not in now, "twice: " + line
            now[key] = value
        else:
            raise AssertionError("what is this? " + line)
    return found


def urls_of(text):
    return [s["url"] for t, s in sections(text).items() if t and t.startswith("target ")]


class Site(http.server.ThreadingHTTPServer):
    """Pages by path: a string of HTML, or (status, headers, bytes). Every request is remembered with its time."""
    daemon_threads = True

    def __init__(self, pages):
        self.pages, self.asked, self.bodies = pages, [], []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site.asked.append((time.monotonic(), self.path, self.headers.get("User-Agent")))
                page = site.pages.get(self.path, (404, {}, b"no such page"))
                if isinstance(page, str):
                    page = (200, {"Content-Type": "text/html; charset=utf-8"}, page.encode())
                status, headers, body = page
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                site.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.do_GET()

            def log_message(self, *args):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        self.base = "http://127.0.0.1:%d" % self.server_address[1]

    def handle_error(self, request, client_address):
        """A client may go at any time."""

    def paths(self):
        return [path for _, path, _ in self.asked]


@contextlib.contextmanager
def site(pages):
    with Site(pages) as s:
        t = threading.Thread(target=s.serve_forever, args=(0.02,), daemon=True)
        t.start()
        try:
            yield s
        finally:
            s.shutdown()
            t.join()


def links(*hrefs):
    return "<html><body>" + "".join('<p><a href="%s">x</a>' % h for h in hrefs)


# --- the command line ----------------------------------------------------------------------------

def wrong_use_is_told():
    for args, says in ((["frob"], "unknown source frob"), (["url"], "did you mean urls?"), ([], "from what?"), (["urls"], "urls needs FILE|-"),
                       (["urls", "a", "b"], "one source at a time"), (["urls", "-", "--depth", "3"], "--depth is not for urls"),
                       (["urls", "-", "--intervall", "3s"], "did you mean --interval?"), (["urls", "-", "--interval", "3"], "with its unit"),
                       (["crawl", "http://127.0.0.1/", "--rate", "fast"], "a rate such as 2/s"), (["urls", "-", "--limit"], "needs a value"),
                       (["urls", "-", "--plan", "x"], "human or rate"), (["urls", "-", "--force=1"], "takes no value")):
        refused(*args, says=says, expect=2)
    help_text = generate("--help").stdout
    for word in ("urls", "sitemap", "crawl", "history", "bookmarks", "openapi", "har", "curl", "--keep-secrets", "--force", "--plan"):
        assert word in help_text, word
    assert generate("curl", "--help").stdout == help_text


def a_file_is_never_overwritten_unasked():
    with folder() as tmp:
        path = write(os.path.join(tmp, "out.ini"), "mine\n")
        refused("urls", "-", "-o", path, stdin="http://127.0.0.1/\n", says="--force overwrites it")
        assert open(path).read() == "mine\n"
        generate("urls", "-", "-o", path, "--force", stdin="http://127.0.0.1/\n")
        assert "[target 127.0.0.1]" in open(path).read()
        assert os.listdir(tmp) == ["out.ini"]
        link, fifo = os.path.join(tmp, "link"), os.path.join(tmp, "fifo")
        os.symlink("out.ini", link)
        generate("urls", "-", "-o", link, "--force", "--keep-secrets", stdin="http://127.0.0.2/\n")
        assert os.path.islink(link) and "[target 127.0.0.2]" in open(path).read() and os.stat(path).st_mode & 0o777 == 0o600
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        generate("urls", "-", "-o", fifo, "--force", stdin="http://127.0.0.3/\n")
        assert b"[target 127.0.0.3]" in os.read(reader, 10000) and sorted(os.listdir(tmp)) == ["fifo", "link", "out.ini"]
        os.close(reader)
        refused("urls", "-", "-o", os.path.join(tmp, "no", "where.ini"), stdin="http://127.0.0.1/\n", says="can't write")


# --- urls ----------------------------------------------------------------------------------------

def a_list_of_urls():
    text = "\n".join(["# mine", "", "https://www.example.org/ 10", "example.org/a?x={{y}}&d=${z}&e=$$", "tcp://db.example.org:5432",
                      "icmp://127.0.0.1", "https://www.example.org/#again", "https://www.example.org/ü?q=a%20b#f", "not a url", "ftp//x y"])
    done = generate("urls", "-", stdin=text)
    targets = sections(accepted(done.stdout))
    assert urls_of(done.stdout) == ["https://www.example.org/", "https://example.org/a?x=%7B%7By%7D%7D&d=$%7Bz%7D&e=$$$$",
                                    "tcp://db.example.org:5432", "icmp://127.0.0.1", "https://www.example.org/%c3%bc?q=a%20b"]
    assert "target www.example.org" in targets and "target example.org-a" in targets
    assert "line 9 is left out" in done.stderr and "line 10 is left out" in done.stderr
    assert generate("urls", "-", stdin=text).stdout == done.stdout, "not the same names each time"
    refused("urls", "-", stdin="# nothing\n", says="no URL in it")
    refused("urls", "/nowhere/urls", says="can't read /nowhere/urls")
    refused("urls", "/", says="is a folder")


def names_are_unique_and_the_limit_holds():
    many = "".join("https://www.example.org/a?%d\n" % i for i in range(30))
    done = generate("urls", "-", "--limit", "20", "--interval", "2m", stdin=many)
    found = sections(accepted(done.stdout))
    assert len(urls_of(done.stdout)) == 20 and "target www.example.org-a-20" in found
    assert found["defaults"] == {"interval": "2m"}
    assert "10 more are left out: the limit is 20" in done.stderr
    done = generate("urls", "-", "--host", "a.example.org", stdin="http://a.example.org/\nhttp://b.example.org/\n")
    assert urls_of(done.stdout) == ["http://a.example.org/"] and "1 URLs of other hosts" in done.stderr


def plans_of_traffic():
    for kind, pace in (("human", "human 800ms..8s"), ("rate", "rate 1/s")):
        done = generate("urls", "-", "--plan", kind, stdin="https://a.example.org/ 10\nhttps://b.example.org/\n")
        found = sections(accepted(done.stdout))
        assert found["plan traffic"] == {"run": "pick *", "pace": pace, "start": "manual"}
        assert found["defaults"]["monitor"] == "no" and found["target a.example.org"]["weight"] == "10"


def a_flow_of_urls():
    done = generate("urls", "-", "--flow", "--interval", "1m", stdin="http://127.0.0.1/127.0.0.1\ntcp://127.0.0.1:1\nhttp://127.0.0.1/b\n")
    found = sections(accepted(done.stdout))
    assert found[None] == ["target 127.0.0.1", "step 127.0.0.1-127.0.0.1", "step 127.0.0.1-b", "plan session"], found
    assert "steps of a flow are HTTP requests" in done.stderr and "--interval is left out" in done.stderr


def passwords_in_urls_are_hidden():
    line = "https://user:hunter2@a.example.org/x?access_token=s3cr3t&q=1\n"
    done = generate("urls", "-", stdin=line)
    assert "hunter2" not in done.stdout + done.stderr and "s3cr3t" not in done.stdout + done.stderr
    t = sections(accepted(done.stdout))["target a.example.org-x"]
    assert t == {"url": "https://a.example.org/x?access_token=${ACCESS_TOKEN}&q=1", "user": "user", "password": "${PASSWORD}"}
    kept = generate("urls", "-", "--keep-secrets", stdin=line).stdout
    assert "hunter2" in kept and "s3cr3t" in accepted(kept)


# --- sitemap -------------------------------------------------------------------------------------

def xml(root, child, *locs):
    return '<?xml version="1.0"?><%s xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">%s</%s>' % (
        root, "".join("<%s><loc> %s </loc></%s>" % (child, loc, child) for loc in locs), root)


def sitemaps():
    pages = {}
    with site(pages) as s:
        other = "http://127.0.0.2:%d/map.xml" % s.server_address[1]
        as_xml = {"Content-Type": "application/xml"}
        pages["/sitemap.xml"] = (200, as_xml, xml("sitemapindex", "sitemap", s.base + "/a.xml", s.base + "/b.xml.gz", other, s.base + "/gone.xml",
                                                  s.base + "/sitemap.xml").encode())
        pages["/a.xml"] = (200, as_xml, xml("urlset", "url", s.base + "/1", s.base + "/2?a=1&amp;b=2", "not a url").encode())
        pages["/b.xml.gz"] = (200, {"Content-Type": "application/gzip"}, gzip.compress(xml("urlset", "url", s.base + "/3", s.base + "/1").encode()))
        pages["/moved.xml"] = (302, {"Location": "/a.xml"}, b"")
        pages["/away.xml"] = (302, {"Location": other}, b"")
        done = generate("sitemap", s.base + "/sitemap.xml", "--rate", "100/s")
        assert urls_of(accepted(done.stdout)) == [s.base + p for p in ("/1", "/2?a=1&b=2", "/3")]
        assert "/gone.xml: status 404" in done.stderr and "1 sitemaps of other hosts" in done.stderr, done.stderr
        assert s.paths() == ["/sitemap.xml", "/a.xml", "/b.xml.gz", "/gone.xml"]
        assert {agent for _, _, agent in s.asked} == {"probed"}
        assert len(urls_of(generate("sitemap", s.base + "/moved.xml").stdout)) == 2
        refused("sitemap", s.base + "/away.xml", says="which is elsewhere")
        refused("sitemap", s.base + "/none.xml", says="status 404")


def sitemaps_in_files():
    with folder() as tmp:
        path = os.path.join(tmp, "map")
        for text, says in (("<a/>", "expected <urlset>"), ("<urlset><url>", "not well-formed"), ("words\n", "no sitemap"),
                           ("\x1f\x8bjunk", "gzip data is damaged"), (xml("urlset", "url"), "no page in it")):
            with open(path, "wb") as f:
                f.write(text.encode("latin-1"))
            refused("sitemap", path, says=says)
        write(path, "http://127.0.0.1/a\n\nhttp://127.0.0.1/b\n")
        assert urls_of(accepted(generate("sitemap", path).stdout)) == ["http://127.0.0.1/a", "http://127.0.0.1/b"]
        secret = write(os.path.join(tmp, "secret"), "http://127.0.0.1/stolen")
        write(path, '<!DOCTYPE urlset [<!ENTITY x SYSTEM "file://%s"><!ENTITY y "yes">]><urlset><url><loc>&x;</loc></url>'
                    "<url><loc>http://127.0.0.1/a</loc></url></urlset>" % secret)
        assert "stolen" not in generate("sitemap", path).stdout
        with open(path, "wb") as f:
            f.write(gzip.compress(b" " * (60 << 20)))
        refused("sitemap", path, says="longer than 50 MiB once unpacked")


# --- crawl ---------------------------------------------------------------------------------------

ROBOTS = """
User-agent: somebody
Disallow: /

User-agent: *
Allow: /

User-agent: Probed
User-agent: other
Disallow: /private/   # a comment
Allow: /private/open
Disallow: /*.pdf$
Disallow: /%7Euser
Crawl-delay: 0.05
"""


def a_crawl_honours_robots_txt():
    pages = {"/robots.txt": (200, {"Content-Type": "text/plain"}, ROBOTS.encode())}
    with site(pages) as s:
        pages["/"] = links("/a", "a#top", "/private/x", "/private/open/y", "/doc.pdf", "/doc.pdf?x", "/~user", "mailto:a@b", "javascript:f()",
                           "http://127.0.0.2:%d/away" % s.server_address[1], "/gone", "/moved", "//127.0.0.2/x", "")
        pages["/a"] = '<base href="/deep/"><a href="b">b</a><a rel="nofollow" href="/never">n</a>'
        pages["/deep/b"] = links("/deep/c")
        pages["/deep/c"] = links("/deep/d")
        pages["/deep/d"] = links("/deep/e")
        pages["/private/open/y"] = '<meta name="robots" content="noindex,nofollow">' + links("/never")
        pages["/doc.pdf?x"] = (200, {"Content-Type": "application/pdf"}, b"<a href='/never'>")
        pages["/moved"] = (301, {"Location": "/target"}, b"")
        pages["/target"] = links("http://127.0.0.2/z")
        done = generate("crawl", s.base + "/", "--rate", "200/s")
        assert urls_of(accepted(done.stdout)) == [s.base + p for p in ("/", "/a", "/private/open/y", "/doc.pdf?x", "/target", "/deep/b", "/deep/c")] or \
            sorted(urls_of(done.stdout)) == sorted(s.base + p for p in ("/", "/a", "/private/open/y", "/doc.pdf?x", "/target", "/deep/b", "/deep/c")), \
            done.stdout
        asked = s.paths()
        assert asked[0] == "/robots.txt" and asked.count("/robots.txt") == 1 and len(set(asked)) == len(asked), asked
        for path in ("/private/x", "/doc.pdf", "/~user", "/never", "/deep/d", "/away"):
            assert path not in asked, path
        assert "3 links were not looked at: robots.txt disallows them" in done.stderr, done.stderr
        assert "/gone: status 404" in done.stderr
        gaps = [b[0] - a[0] for a, b in zip(s.asked[1:], s.asked[2:])]
        assert min(gaps) > 0.04, gaps  # Crawl-delay is 50 ms; arrivals are stamped a little late
        assert {agent for _, _, agent in s.asked} == {"probed"}


def robots_txt_that_fails_forbids_all():
    for status, allowed in ((500, False), (404, True), (403, True)):
        with site({"/": links("/a"), "/a": "", "/robots.txt": (status, {}, b"")}) as s:
            if allowed:
                assert len(urls_of(generate("crawl", s.base, "--rate", "100/s").stdout)) == 2
            else:
                refused("crawl", s.base, "--rate", "100/s", says="status 500, so nothing there is asked for")
                assert s.paths() == ["/robots.txt"]
    with site({"/": "", "/robots.txt": (302, {"Location": "http://127.0.0.2/robots.txt"}, b"")}) as s:
        refused("crawl", s.base, says="which is elsewhere")
    with site({"/": "", "/robots.txt": (302, {"Location": "/r"}, b""), "/r": (200, {}, b"User-agent: *\nDisallow: /")}) as s:
        refused("crawl", s.base, "--rate", "100/s", says="robots.txt disallows them")
        assert s.paths() == ["/robots.txt", "/r"]


def a_crawl_is_bounded():
    endless = {"/robots.txt": (404, {}, b"")}
    with site(endless) as s:
        for i in range(200):
            endless["/%d" % i] = links("/%d" % (i + 1), "/%d" % (i + 2)) + " " * 10000
        done = generate("crawl", s.base + "/0", "--depth", "1000", "--pages", "7", "--rate", "500/s")
        assert len(urls_of(done.stdout)) == 7 and len(s.asked) == 8 and "enough documents (--pages)" in done.stderr
        done = generate("crawl", s.base + "/0", "--depth", "1", "--rate", "500/s")
        assert len(urls_of(done.stdout)) == 3
        done = generate("crawl", s.base + "/0", "--depth", "100", "--bytes", "35kB".upper(), "--rate", "500/s")
        assert len(urls_of(done.stdout)) == 4 and "enough bytes" in done.stderr
        done = generate("crawl", s.base + "/0", "--depth", "100", "--limit", "3", "--rate", "500/s")
        assert len(urls_of(done.stdout)) == 3
        before = time.monotonic()
        done = generate("crawl", s.base + "/0", "--depth", "100", "--time", "1s", "--rate", "5/s")
        assert "the time is over" in done.stderr and time.monotonic() - before < 30
        assert len(urls_of(done.stdout)) <= 5
        s.asked.clear()
        generate("crawl", s.base + "/0", "--pages", "5", "--rate", "20/s")
        assert s.asked[-1][0] - s.asked[0][0] > 4 * 0.05, s.asked
    with site({"/robots.txt": (404, {}, b""), "/": (301, {"Location": "http://127.0.0.2/"}, b"")}) as s:
        refused("crawl", s.base, says="another host: start there, or allow it with --any-host")
    refused("crawl", "ftp://127.0.0.1/", says="expected a URL")
    refused("crawl", "http://127.0.0.1:1/", says="so nothing there is asked for")


# --- browsers ------------------------------------------------------------------------------------

CHROME_EPOCH = 11644473600
CHROME = """
CREATE TABLE meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR);
CREATE TABLE urls(id INTEGER PRIMARY KEY AUTOINCREMENT,url LONGVARCHAR,title LONGVARCHAR,visit_count INTEGER DEFAULT 0 NOT NULL,
  typed_count INTEGER DEFAULT 0 NOT NULL,last_visit_time INTEGER NOT NULL,hidden INTEGER DEFAULT 0 NOT NULL);
CREATE TABLE visits(id INTEGER PRIMARY KEY AUTOINCREMENT,url INTEGER NOT NULL,visit_time INTEGER NOT NULL,from_visit INTEGER,
  external_referrer_url TEXT,transition INTEGER DEFAULT 0 NOT NULL,segment_id INTEGER,visit_duration INTEGER DEFAULT 0 NOT NULL);
CREATE INDEX urls_url_index ON urls (url);
"""
FIREFOX = """
CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, rev_host LONGVARCHAR, visit_count INTEGER DEFAULT 0,
  hidden INTEGER DEFAULT 0 NOT NULL, typed INTEGER DEFAULT 0 NOT NULL, frecency INTEGER DEFAULT -1 NOT NULL, last_visit_date INTEGER,
  guid TEXT, foreign_count INTEGER DEFAULT 0 NOT NULL, url_hash INTEGER DEFAULT 0 NOT NULL, description TEXT, preview_image_url TEXT,
  site_name TEXT, origin_id INTEGER, recalc_frecency INTEGER NOT NULL DEFAULT 0);
CREATE TABLE moz_bookmarks (id INTEGER PRIMARY KEY, type INTEGER, fk INTEGER DEFAULT NULL, parent INTEGER, position INTEGER, title LONGVARCHAR,
  keyword_id INTEGER, folder_type TEXT, dateAdded INTEGER, lastModified INTEGER, guid TEXT, syncStatus INTEGER NOT NULL DEFAULT 0,
  syncChangeCounter INTEGER NOT NULL DEFAULT 1);
CREATE TABLE moz_historyvisits (id INTEGER PRIMARY KEY, from_visit INTEGER, place_id INTEGER, visit_date INTEGER, visit_type INTEGER,
  session INTEGER);
"""
VISITS = [("https://a.example.org/", 40, 1, 0), ("https://b.example.org/x#one", 10, 1, 0), ("https://b.example.org/x#two", 15, 1, 0),
          ("https://old.example.org/", 99, 90, 0), ("https://hidden.example.org/", 500, 1, 1), ("chrome://settings/", 500, 1, 0),
          ("https://c.example.org/?token=s3cr3t", 3, 1, 0), ("about:blank", 9, 1, 0), ("https://never.example.org/", 0, 1, 0)]


def chrome_history(path):
    db = sqlite3.connect(path)
    db.executescript(CHROME)
    for url, visits, days, hidden in VISITS:
        db.execute("INSERT INTO urls (url,title,visit_count,last_visit_time,hidden) VALUES (?,?,?,?,?)",
                   (url, "title", visits, int((time.time() - days * 86400 + CHROME_EPOCH) * 1e6), hidden))
    db.commit()
    return db


def firefox_places(path):
    db = sqlite3.connect(path)
    db.executescript(FIREFOX)
    for url, visits, days, hidden in VISITS:
        db.execute("INSERT INTO moz_places (url,title,visit_count,last_visit_date,hidden) VALUES (?,?,?,?,?)",
                   (url, "title", visits, int((time.time() - days * 86400) * 1e6), hidden))
    for kind, place, title in ((2, None, "folder"), (1, 1, "First; page"), (1, 6, "settings"), (3, None, None), (1, 3, None), (1, 2, "same page")):
        db.execute("INSERT INTO moz_bookmarks (type,fk,parent,title) VALUES (?,?,1,?)", (kind, place, title))
    db.commit()
    return db


def the_history_of_both_browsers():
    with folder() as tmp:
        for name, make in (("History", chrome_history), ("places.sqlite", firefox_places)):
            path = os.path.join(tmp, name)
            db = make(path)
            db.execute("BEGIN EXCLUSIVE")  # as a browser that runs holds it
            before = open(path, "rb").read()
            done = generate("history", path, "--plan", "human")
            found = sections(accepted(done.stdout))
            weights = {s["url"]: s["weight"] for t, s in found.items() if t and t.startswith("target")}
            assert weights == {"https://old.example.org/": "99", "https://a.example.org/": "40", "https://b.example.org/x": "25",
                               "https://c.example.org/?token=${TOKEN}": "3"}, weights
            assert "s3cr3t" not in done.stdout
            recent = urls_of(generate("history", path, "--since", "30d", "--top", "2").stdout)
            assert recent == ["https://a.example.org/", "https://b.example.org/x"], recent
            assert urls_of(generate("history", path, "--host", "b.example.org").stdout) == ["https://b.example.org/x"]
            assert open(path, "rb").read() == before
            db.close()
        assert sorted(os.listdir(tmp)) == ["History", "places.sqlite"] or not [f for f in os.listdir(tmp) if "-shm" in f], os.listdir(tmp)
        refused("history", write(os.path.join(tmp, "junk"), "SQLite format 2\n" * 10), says="is no SQLite database")
        with open(os.path.join(tmp, "cut"), "wb") as f:
            f.write(open(os.path.join(tmp, "History"), "rb").read()[:5000])
        refused("history", os.path.join(tmp, "cut"), says=os.path.join(tmp, "cut"))
        refused("history", os.path.join(tmp, "none"), says="No such file")
        sqlite3.connect(os.path.join(tmp, "other.db")).execute("CREATE TABLE t (x)").connection.commit()
        refused("history", os.path.join(tmp, "other.db"), says="holds no history")


def a_hostile_database_ends():
    with folder() as tmp:
        path = os.path.join(tmp, "History")
        db = sqlite3.connect(path)
        db.execute("CREATE VIEW urls AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT 'http://127.0.0.1/'||x AS url,"
                   " 1 AS visit_count, 0 AS hidden, 1 AS last_visit_time FROM c")
        db.commit()
        db.close()
        refused("history", path, says="holds no history")


def bookmarks_of_both_browsers():
    chrome = {"version": 1, "checksum": "x", "roots": {
        "bookmark_bar": {"type": "folder", "name": "Bar", "children": [
            {"type": "url", "name": "A; [page]\n", "url": "https://a.example.org/"},
            {"type": "folder", "name": "more", "children": [{"type": "url", "name": "B", "url": "https://b.example.org/x?key=s3cr3t"},
                                                           {"type": "url", "name": "code", "url": "javascript:alert(1)"}]}]},
        "other": {"type": "folder", "name": "Other", "children": [{"type": "url", "name": "again", "url": "https://a.example.org/#x"}]}}}
    html = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8"><TITLE>Bookmarks</TITLE><H1>Bookmarks Menu</H1>
<DL><p><DT><H3>Folder</H3><DL><p>
<DT><A HREF="https://a.example.org/" ADD_DATE="1700000000">Caf\u00e9 &amp; more</A>
<DT><A HREF="https://b.example.org/x?key=s3cr3t">B</A><DT><A HREF="place:sort=8">Recent</A></DL><p></DL>"""
    with folder() as tmp:
        wanted = ["https://a.example.org/", "https://b.example.org/x?key=${KEY}"]
        path = write(os.path.join(tmp, "Bookmarks"), json.dumps(chrome))
        done = generate("bookmarks", path)
        assert urls_of(accepted(done.stdout)) == wanted and "; A; [page] \n[target a.example.org]" in done.stdout
        done = generate("bookmarks", write(os.path.join(tmp, "bookmarks.html"), html))
        assert urls_of(accepted(done.stdout)) == wanted and "; Caf\u00e9 & more\n" in done.stdout
        firefox_places(os.path.join(tmp, "places.sqlite")).close()
        done = generate("bookmarks", os.path.join(tmp, "places.sqlite"))
        assert urls_of(accepted(done.stdout)) == ["https://a.example.org/", "https://b.example.org/x"]
        assert "; First; page\n" in done.stdout
        refused("bookmarks", write(path, "{"), says="no JSON")
        refused("bookmarks", write(path, "{}"), says='has no "roots"')
        refused("bookmarks", write(path, "text"), says="expected Chrome's Bookmarks")
        refused("bookmarks", write(path, "<p>none"), says="no bookmark")


# --- openapi -------------------------------------------------------------------------------------

PETS = """
openapi: 3.0.3
info: {title: Pets, version: 1.0.0}
servers:
  - url: https://{region}.example.org/v1/
    variables: {region: {default: eu}}
security: [{bearer: []}]
paths:
  /pets:
    parameters:
      - {name: limit, in: query, schema: {type: integer, default: 20}}
      - {name: X-Trace, in: header, required: true, schema: {type: string, format: uuid}}
    get:
      operationId: listPets
      summary: "List; all # pets"
      parameters:
        - {name: tags, in: query, schema: {type: array, items: {type: string}, example: [a b, c]}}
        - {name: unused, in: query, schema: {type: string}}
        - {name: session, in: cookie, required: true, schema: {type: string}}
      responses: {200: {description: ok}, 206: {description: part}, 404: {description: none}}
    post:
      operationId: createPet
      requestBody:
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Pet'}
      responses: {'201': {description: made}}
  /pets/{petId}:
    parameters:
      - $ref: '#/components/parameters/PetId'
    get:
      responses: {default: {description: any}}
    put:
      security: [{key: []}]
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema: {type: object, properties: {name: {type: string, example: 'a&b'}, password: {type: string, example: hunter2}}}
      responses: {2XX: {description: fine}}
    delete:
      security: []
      deprecated: true
      responses: {204: {description: gone}}
  /upload:
    servers: [{url: https://files.example.org}]
    post:
      security: [{basic: []}]
      requestBody:
        content: {application/octet-stream: {}}
      responses: {}
components:
  parameters:
    PetId: {name: petId, in: path, required: true, schema: {type: string}, example: "a/b c"}
  schemas:
    Base: {type: object, properties: {id: {type: integer, readOnly: true}, name: {type: string, example: "{{Rex}} ${HOME}"}}}
    Pet:
      allOf:
        - $ref: '#/components/schemas/Base'
        - type: object
          properties:
            born: {type: string, format: date}
            weight: {type: number, minimum: 2.5}
            kind: {type: string, enum: [dog, cat]}
            mother: {$ref: '#/components/schemas/Pet'}
            good: {type: boolean}
            apiToken: {type: string, example: s3cr3t}
  securitySchemes:
    bearer: {type: http, scheme: bearer}
    basic: {type: http, scheme: basic}
    key: {type: apiKey, in: query, name: api_key}
"""

SWAGGER = {
    "swagger": "2.0", "host": "api.example.org:8443", "basePath": "/v2", "schemes": ["http", "https"], "consumes": ["application/json"],
    "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}, "security": [{"key": []}],
    "definitions": {"Item": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 0}}}},
    "paths": {"/items/{id}": {
        "get": {"operationId": "getItem", "parameters": [{"name": "id", "in": "path", "required": True, "type": "integer"},
                                                         {"name": "verbose", "in": "query", "type": "boolean", "default": False}],
                "responses": {"200": {"description": ""}}},
        "post": {"operationId": "postItem", "parameters": [{"name": "id", "in": "path", "required": True, "type": "string", "x-example": "x1"},
                                                           {"name": "body", "in": "body", "schema": {"$ref": "#/definitions/Item"}}],
                 "responses": {"200": {"description": ""}, "202": {"description": ""}}},
        "put": {"operationId": "form", "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [{"name": "a", "in": "formData", "required": True, "type": "string", "enum": ["x y"]}], "responses": {}}}}}


def openapi_3():
    with folder() as tmp:
        done = generate("openapi", write(os.path.join(tmp, "pets.yaml"), PETS))
        found = sections(accepted(done.stdout))
        listing = found["target listPets"]
        assert listing["url"] == "https://eu.example.org/v1/pets?tags=a%20b%2Cc&limit=20", listing
        assert listing["header.X-Trace"] == "00000000-0000-4000-8000-000000000000" and listing["token"] == "${API_TOKEN}"
        assert listing["header.Cookie"] == "session=${COOKIE_SESSION}" and listing["expect.status"] == "status in {200, 206}"
        create = found["target createPet"]
        body = create["body"].replace('{{pick "{{"}}', "{{").replace("$${", "${").replace("${APITOKEN}", "s3cr3t")
        pet = json.loads(body)
        mother = pet.pop("mother")
        assert pet == {"name": "{{Rex}} ${HOME}", "born": "2026-01-31", "weight": 2.5, "kind": "dog", "good": True, "apiToken": "s3cr3t"}, pet
        assert mother["kind"] == "dog"
        assert create["method"] == "POST" and create["monitor"] == "no" and create["header.Content-Type"] == "application/json"
        one = found["target GET-pets-petId"]
        assert one["url"] == "https://eu.example.org/v1/pets/a%2Fb%20c" and one["expect.status"] == "status in 200..299", one
        put = found["target PUT-pets-petId"]
        assert put["url"].endswith("?api_key=${API_KEY}") and put["body"] == "name=a%26b&password=${PASSWORD}", put
        assert "token" not in put and "token" not in found["target DELETE-pets-petId"] and "; deprecated\n" in done.stdout
        upload = found["target POST-upload"]
        assert upload["url"] == "https://files.example.org/upload" and upload["user"] == "${API_USER}"
        assert "its body, application/octet-stream, has to be written by hand" in done.stderr
        assert "hunter2" not in done.stdout and "s3cr3t" not in done.stdout
        moved = generate("openapi", os.path.join(tmp, "pets.yaml"), "--server", "http://127.0.0.1:8080/base/", "--limit", "1")
        assert urls_of(moved.stdout)[0].startswith("http://127.0.0.1:8080/base/pets?")
        traffic = sections(accepted(generate("openapi", os.path.join(tmp, "pets.yaml"), "--plan", "rate").stdout))["plan traffic"]
        assert traffic["run"] == "pick listPets GET-pets-petId", traffic  # nothing that changes something is picked at random
        flow = sections(accepted(generate("openapi", os.path.join(tmp, "pets.yaml"), "--flow").stdout))
        assert flow["step createPet"]["target"] == "eu.example.org" and flow["target eu.example.org"]["monitor"] == "no"
        assert flow["plan session"]["run"].startswith("flow listPets createPet")


def swagger_2_and_where_the_api_is():
    with folder() as tmp, site({}) as s:
        found = sections(accepted(generate("openapi", write(os.path.join(tmp, "s.json"), json.dumps(SWAGGER))).stdout))
        assert found["target getItem"]["url"] == "https://api.example.org:8443/v2/items/1?verbose=false"
        assert found["target getItem"]["header.X-Api-Key"] == "${API_KEY}"
        assert json.loads(found["target postItem"]["body"]) == {"n": 0}
        assert found["target postItem"]["url"].endswith("/items/x1") and found["target form"]["body"] == "a=x%20y"
        here = json.dumps({"openapi": "3.1.0", "servers": [{"url": "../v3"}], "paths": {"/a": {"get": {"responses": {}}}}})
        s.pages["/docs/api.json"] = (200, {"Content-Type": "application/json"}, here.encode())
        assert urls_of(generate("openapi", s.base + "/docs/api.json").stdout) == [s.base + "/v3/a"]
        refused("openapi", write(os.path.join(tmp, "r.json"), here), says="give --server URL")
        refused("openapi", s.base + "/none", says="status 404")
        for text, says in (("{", "no JSON"), ("a: [", "line "), ("a: &x [*x]", "an alias of nothing"), ("openapi: 1.0", "expected OpenAPI 3.0"),
                           ("openapi: 3.0.0", "no paths"), ("[" * 200 + "]" * 200, "nested too deeply"), ("", "nothing in it"),
                           ("openapi: 3.0.0\nservers: [{url: http://127.0.0.1}]\npaths: {}", "no operation")):
            refused("openapi", write(os.path.join(tmp, "bad"), text), says=says)


def aliases_that_multiply_end():
    lines = ["openapi: 3.0.0", "servers: [{url: 'http://127.0.0.1'}]", "x0: &x0 {type: object, properties: {a: {type: string}}}"]
    for i in range(1, 30):
        lines.append("x%d: &x%d {type: object, properties: {%s}}" % (i, i, ", ".join("p%d: *x%d" % (k, i - 1) for k in range(9))))
    lines.append("paths: {/a: {post: {requestBody: {content: {application/json: {schema: *x29}}}, responses: {}}}}")
    with folder() as tmp:
        refused("openapi", write(os.path.join(tmp, "laughs.yaml"), "\n".join(lines)), says="too many values")
        refs = {"openapi": "3.0.0", "servers": [{"url": "http://127.0.0.1"}], "paths": {"/a": {"post": {"requestBody": {"content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/x19"}}}}, "responses": {}}}}, "components": {"schemas": {"x0": {"example": "x" * 1000}}}}
        for i in range(1, 20):
            refs["components"]["schemas"]["x%d" % i] = {"type": "array", "minItems": 10, "items": {"$ref": "#/components/schemas/x%d" % (i % 6)}}
        done = generate("openapi", write(os.path.join(tmp, "refs.json"), json.dumps(refs)))
        assert "has to be written by hand" in done.stderr and len(done.stdout) < 100000
        accepted(done.stdout)


# --- har -----------------------------------------------------------------------------------------

def har_entry(second, method, url, status=200, headers=(), body=None, took=100, answers=(), kind=None):
    entry = {"startedDateTime": "2026-01-31T12:00:%06.3f+01:00" % second, "time": took,
             "request": {"method": method, "url": url, "httpVersion": "h2", "queryString": [], "cookies": [], "headersSize": -1, "bodySize": -1,
                         "headers": [{"name": n, "value": v} for n, v in headers]},
             "response": {"status": status, "headers": [{"name": n, "value": v} for n, v in answers]}, "cache": {}, "timings": {}}
    if body:
        entry["request"]["postData"] = body
    if kind:
        entry["_resourceType"] = kind
    return entry


A = "https://shop.example.org"
HAR = {"log": {"version": "1.2", "creator": {"name": "own", "version": "1"}, "entries": [
    har_entry(1, "GET", A + "/", headers=((":authority", "shop.example.org"), ("accept", "text/html"), ("User-Agent", "Mozilla"), ("Sec-Fetch-Mode", "x"),
                                          ("Cookie", "before=b3fore")), answers=(("Set-Cookie", "sid=n3w; Path=/"),)),
    har_entry(1.05, "GET", A + "/style.css", kind="stylesheet"),
    har_entry(1.2, "GET", "https://track.example.net/p.gif?uid=1", headers=(("Cookie", "t=tr4ck"),)),
    har_entry(5.5, "POST", A + "/login", 302, headers=(("Cookie", "before=b3fore; sid=n3w"), ("Content-Type", "application/x-www-form-urlencoded"),
                                                       ("X-CSRF-Token", "csrf-v4lue")),
              body={"mimeType": "application/x-www-form-urlencoded", "text": "user=me&password=hunter2"}),
    har_entry(5.7, "GET", A + "/account", headers=(("Authorization", "Bearer t0k3n"), ("Cookie", "sid=n3w"))),
    har_entry(30, "POST", A + "/api", 201, headers=(("Content-Type", "application/json"), ("Authorization", "Bearer t0k3n")),
              body={"mimeType": "application/json", "text": '{"q": "{{x}} ; ${y}", "secret": "s3cr3t",\n "n": [1]}'}),
    har_entry(29, "PUT", A + "/form", body={"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "c&d"}]}),
    har_entry(31, "POST", A + "/file", body={"mimeType": "image/png", "encoding": "base64", "text": base64.b64encode(b"\0\1").decode()}),
    {"startedDateTime": "x", "request": {"method": "GET", "url": "data:text/plain,x"}}]}}
HAR_SECRETS = ("b3fore", "n3w", "tr4ck", "hunter2", "csrf-v4lue", "t0k3n", "s3cr3t")


def a_har_is_a_flow():
    with folder() as tmp:
        path = write(os.path.join(tmp, "s.har"), "\ufeff" + json.dumps(HAR))
        done = generate("har", path, "--same-host", "--no-static")
        for secret in HAR_SECRETS:
            assert secret not in done.stdout + done.stderr, secret
        found = sections(accepted(done.stdout))
        steps = [t[5:] for t in found[None] if t.startswith("step ")]
        assert steps == ["root", "POST-login", "account", "PUT-form", "POST-api", "POST-file"], steps
        assert found["target shop.example.org"] == {"url": A + "/", "monitor": "no"}
        assert found["step root"] == {"target": "shop.example.org", "path": "/", "header.accept": "text/html",
                                      "header.Cookie": "before=${COOKIE_BEFORE}", "expect.status": "status == 200", "think": "4200ms"}, found["step root"]
        login = found["step POST-login"]
        assert login["header.Cookie"] == "before=${COOKIE_BEFORE}" and login["body"] == "user=me&password=${PASSWORD}"
        assert login["follow"] == "no" and login["expect.status"] == "status == 302" and login["header.X-CSRF-Token"] == "${X_CSRF_TOKEN}"
        account = found["step account"]
        assert account["token"] == "${API_TOKEN}" and "header.Cookie" not in account and account["think"] == "23200ms", account
        assert found["step POST-api"]["body"] == '{"q": "{{pick "{{"}}x}} ; $${y}", "secret": "${SECRET}",\n "n": [1]}'
        assert found["step PUT-form"]["body"] == "a%20b=c%26d" and "body" not in found["step POST-file"]
        assert "its body, which is no text" in done.stderr and "1 entries are left out" in done.stderr
        assert found["plan session"]["run"].split() == ["flow", *steps] and found["plan session"]["pace"] == "human 5s..20s"


def a_har_as_targets():
    with folder() as tmp:
        path = write(os.path.join(tmp, "s.har"), json.dumps(HAR))
        done = generate("har", path, "--targets")
        found = sections(accepted(done.stdout))
        assert "target track.example.net-p.gif" in found and "target shop.example.org-style.css" in found
        assert found["target shop.example.org-login"]["monitor"] == "no" and "monitor" not in found["target shop.example.org"]
        assert "requests go to 2 hosts" in done.stderr
        kept = generate("har", path, "--keep-secrets").stdout
        for secret in ("b3fore", "hunter2", "t0k3n", "s3cr3t"):
            assert secret in kept, secret
        accepted(kept)
        for text, says in (("[]", "no HAR"), ('{"log":{"entries":{}}}', "no HAR"), ('{"log":{"entries":[]}}', "no HTTP request"), ("<x>", "no JSON")):
            refused("har", write(path, text), says=says)


# --- curl ----------------------------------------------------------------------------------------

U = "https://a.example.org/p"
CURL = [
    ("curl " + U, {"url": U, "follow": "no"}),
    ("curl -L " + U, {"url": U}),
    ("/usr/bin/curl a.example.org -L", {"url": "http://a.example.org/"}),
    ("curl -LXDELETE " + U, {"url": U, "method": "DELETE"}),
    ("curl -sSLkI --url " + U, {"url": U, "method": "HEAD", "tls.verify": "no"}),
    ("curl -L -H 'Accept: a; b # c' -H \"X-A: it's \\\"q\\\"\" " + U, {"url": U, "header.Accept": "a; b # c", "header.X-A": "it's \"q\""}),
    ("curl -L -H 'X-E;' -H 'A: 1' -H 'a: 2' " + U, {"url": U, "header.X-E": "", "header.A": "1, 2"}),
    ("curl -L -d a=1 -d 'b=2 3' " + U, {"url": U, "method": "POST", "body": "a=1&b=2 3", "header.Content-Type": "application/x-www-form-urlencoded"}),
    ("curl -L --data-raw @x " + U, {"url": U, "method": "POST", "body": "@@x", "header.Content-Type": "application/x-www-form-urlencoded"}),
    ("curl -L --data-urlencode 'q=a b&c' --data-urlencode '=x y' -G " + U + "?z=0", {"url": U + "?z=0&q=a%20b%26c&x%20y"}),
    ("curl -L --json '{\"a\":1}' " + U, {"url": U, "method": "POST", "body": '{"a":1}', "header.Content-Type": "application/json",
                                         "header.Accept": "application/json"}),
    ("curl -L -u me:pw --digest " + U, {"url": U, "user": "me", "password": "${PASSWORD}", "auth": "digest"}),
    ("curl -L -u me " + U, {"url": U, "user": "me", "password": "${PASSWORD}"}),
    ("curl -L --oauth2-bearer abc " + U, {"url": U, "token": "${API_TOKEN}"}),
    ("curl -L -H 'Authorization: Basic bWU6cHc=' " + U, {"url": U, "header.Authorization": "Basic ${BASIC_CREDENTIALS}"}),
    ("curl -L -b 'a=1; b=2' -b c=3 " + U, {"url": U, "header.Cookie": "a=${COOKIE_A}; b=${COOKIE_B}; c=${COOKIE_C}"}),
    ("curl -L -A Me/1 -e http://r/ -r 0-9 -m 2.5 --max-redirs 3 -4 --http1.1 --tlsv1.3 " + U,
     {"url": U, "user_agent": "Me/1", "header.Referer": "http://r/", "header.Range": "bytes=0-9", "timeout": "2500ms", "max_redirects": "3", "family": "4",
      "http_version": "1.1", "tls.min_version": "1.3"}),
    ("curl -L $'https://a.example.org/p' \\\n  -H $'X: a\\x62\\u0063\\'' \\\r\n --compressed", {"url": U, "header.X": "abc'"}),
    ("curl -L --data $'l1\\nl2' " + U, {"url": U, "method": "POST", "body": "l1\nl2", "header.Content-Type": "application/x-www-form-urlencoded"}),
]


def curl_commands():
    for command, wanted in CURL:
        done = generate("curl", command)
        wanted = dict(wanted)
        found = sections(accepted(done.stdout))
        title = found[None][0]
        assert found[title] == wanted, "%s\n%s\nexpected %s" % (command, found[title], wanted)
    joined = "".join(c + "\n" for c, _ in CURL) + "# end\ncurl -L x.example.org; curl y.example.org && curl -L z.example.org --next a.example.org"
    assert len(urls_of(accepted(generate("curl", "-", stdin=joined).stdout))) == len(CURL) + 4
    assert sections(generate("curl", "curl", "-d", "a b", U).stdout)["target a.example.org-p"]["body"] == "a b"


def what_curl_can_and_probed_can_not_is_said():
    for command, says in (("curl --proxy http://u:hunter2@p %s" % U, "not taken over: --proxy ..."), ("curl -K f %s" % U, "not taken over: -K"),
                          ("curl --frobnicate %s" % U, "not taken over: --frobnicate: unknown here"), ("curl -b jar.txt %s" % U, "cookies of a file"),
                          ("curl -F f=@x %s" % U, "a file's content"), ("curl -d @x -d y %s" % U, "several parts"),
                          ("curl %s | jq ." % U, "behind | is left out"), ('curl -H "A: $B" %s' % U, "the shell would have put something in"),
                          ("curl -H 'Accept:' %s" % U, "takes a header away"), ("curl --compressed %s" % U, "not compressed"),
                          ("curl -H 'A!: x' %s" % U, "its name is made of more than"), ("curl 'http://a.example.org/{a,b}'", "several requests"),
                          ("curl -u a:b -H 'Authorization: Bearer c' %s" % U, "not taken over: user and password")):
        done = generate("curl", command)
        assert says in done.stderr and says in done.stdout, "%s\n%s\n%s" % (command, done.stderr, done.stdout)
        assert "hunter2" not in done.stdout + done.stderr
        if "@x" not in command:
            accepted(done.stdout)
    assert "left out, since a probe has no use for it: -s -o" in generate("curl", "curl -s -o x " + U).stdout
    for command, says in (("curl", "has no URL"), ("wget x", "begins with curl"), ("curl 'x", "a quote is not closed"), ("", "no command in it"),
                          ("curl -X", "-X needs a value"), ("curl ftp://a/", "expected an http or https URL")):
        refused("curl", command, says=says)


def a_form_is_sent_as_curl_sends_it():
    done = generate("curl", "-", "--keep-secrets", stdin="curl -F 'a=x y' -F 'f={\"k\":1};type=application/json' --form-string 's=@no' %s" % U)
    t = sections(accepted(done.stdout))["target a.example.org-p"]
    boundary = re.fullmatch(r"multipart/form-data; boundary=(-+\w+)", t["header.Content-Type"]).group(1)
    raw = re.search(r"<<END\n(.*?)\nEND\n", done.stdout, re.S).group(1) if "\r" in done.stdout else t["body"]
    parts = [p.strip("\r\n") for p in raw.split("--" + boundary)]
    assert parts[0] == "" and parts[-1] == "--" and len(parts) == 5, parts
    assert "application/json" in parts[2] and parts[2].endswith('{"k":1}') and parts[3].endswith("@no"), parts


def what_is_generated_asks_what_was_meant():
    """One request by the real curl driver of probed, as the server sees it."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        t = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        t.start()
        body = '{"a":"{{x}} ${y} $$ ; # \'q\'",\n "b":{"c":{}}}\n'
        text = generate("curl", "-", stdin="curl --json '%s' -H 'X-A: 1; 2' 'http://127.0.0.1:%d/p?a=$b&c={{d}}'" % (
            body.replace("'", "'\\''"), server.server_address[1])).stdout
        with folder() as tmp:
            done = subprocess.run([PROBED, "-c", write(os.path.join(tmp, "a.ini"), text), "--once"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, env=dict(os.environ, PROBED_PLUGIN_PATH=PLUGINS), timeout=120)
        server.shutdown()
        t.join()
    assert done.returncode == 0, done.stdout + done.stderr
    path, headers, got = seen[0]
    assert path == "/p?a=$b&c=%7B%7Bd%7D%7D" and headers["X-A"] == "1; 2" and headers["Content-Type"] == "application/json", seen
    assert got.decode() == body, got


def a_generated_flow_runs():
    """A recorded session, played by probectl run: its requests in order, with what the variable holds."""
    if not os.path.exists(PROBECTL):
        raise Skip("no probectl here")
    with folder() as tmp, site({"/": "", "/login": (302, {"Location": "/account"}, b""), "/account": ""}) as s:
        har = {"log": {"entries": [har_entry(1, "GET", s.base + "/"),
                                   har_entry(1.4, "POST", s.base + "/login", 302, body={"mimeType": "application/x-www-form-urlencoded", "text": "password=hunter2"}),
                                   har_entry(1.5, "GET", s.base + "/account?a={{b}}")]}}
        s.pages["/account?a=%7B%7Bb%7D%7D"] = ""
        path = os.path.join(tmp, "s.ini")
        generate("har", write(os.path.join(tmp, "s.har"), json.dumps(har)), "-o", path)
        text = open(path).read()
        assert "pace  = human 5s..20s\n" in text
        write(path, text.replace("pace  = human 5s..20s\n", "pace  = rate 2/s for 1s\n"))
        done = subprocess.run([PROBECTL, "run", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                              env=dict(os.environ, PASSWORD="pw", PROBED_PLUGIN_PATH=PLUGINS))
        assert done.returncode == 0, done.stdout
        asked = [path for _, path, _ in sorted(s.asked)]
        wanted = ["/", "/login", "/account?a=%7B%7Bb%7D%7D"]
        assert len(asked) == 6 and sorted(asked) == sorted(wanted * 2), (asked, done.stdout)
        assert [asked.index(p) for p in wanted] == sorted(asked.index(p) for p in wanted), asked
        assert s.bodies == [b"password=pw"] * 2, s.bodies


if __name__ == "__main__":
    run(wrong_use_is_told, a_file_is_never_overwritten_unasked, a_list_of_urls, names_are_unique_and_the_limit_holds, plans_of_traffic, a_flow_of_urls,
        passwords_in_urls_are_hidden, sitemaps, sitemaps_in_files, a_crawl_honours_robots_txt, robots_txt_that_fails_forbids_all, a_crawl_is_bounded,
        the_history_of_both_browsers, a_hostile_database_ends, bookmarks_of_both_browsers, openapi_3, swagger_2_and_where_the_api_is,
        aliases_that_multiply_end, a_har_is_a_flow, a_har_as_targets, curl_commands, what_curl_can_and_probed_can_not_is_said,
        a_form_is_sent_as_curl_sends_it, what_is_generated_asks_what_was_meant,
        a_generated_flow_runs)
