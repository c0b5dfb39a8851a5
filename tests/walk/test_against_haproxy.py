"""The walk against the real HAProxy: configurations that hypothesis makes up, requests, and what becomes of each.

A few dozen frontends stand in one HAProxy at a time, each on a port of its own. NODERED_SEC_WALKS says how many
comparisons are made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import ask, free_ports, listens
from walks import answers, examples

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.probes.host.haproxy import pattern_files, patterns, tree
from pytest_nodered_sec.rules.walk import haproxy
from pytest_nodered_sec.rules.walk.choices import every
from pytest_nodered_sec.rules.walk.haproxy_visit import Sections
from pytest_nodered_sec.rules.walk.request import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

HAPROXY: Final = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
pytestmark = pytest.mark.skipif(HAPROXY is None and not os.environ.get("CI"), reason="no haproxy: apt install haproxy")

Asked = tuple[str, str, bool, bool]
"""Method, URI, whether a header comes with it, whether the right account does."""
Front = tuple[str, list[Asked]]

FRONTENDS: Final = 25
REQUESTS: Final = 8

CRITERIA: Final = (
    "path_beg /ui", "path_beg -i /UI /dash", "path /a /a/b", "path -i /API", "path_end .js /socket.io/", "path_dir ui",
    "path_dir -i SOCKET.IO", "path_sub ocket", "path_reg ^/(ui|dash)", "path_reg -i \\.JS$", "path_len gt 6",
    "path -m beg /ui", "path,lower -m beg /ui", "path,field(2,/) dashboard", "url_beg /ui", "url_sub q=1",
    "query -m found",
    "urlp(q) 1", "url_param(q) -m found", "method POST", "METH", "hdr(X-Tag) -i ONE", "hdr(X-Tag) -m found",
    "hdr_cnt(X-Tag) eq 1", "hdr(host) s.example", "hdr_dom(host) -i example", "hdr_beg(host) s.", "hdr_end(host) .org",
    "src 127.0.0.1", "src 10.0.0.0/8", "ssl_fc", "http_auth(plant)", "always_true", "dst_port gt 1", "nbsrv(red) lt 1",
    "nbsrv(red) ge 1", "path_dom ui", "var(txn.kept) -m str yes", "var(txn.kept) -m found", "base_beg s.example/ui",
    "pathq -m sub ?q", "path -m reg ^/[[:alpha:]]+/$", "path,upper -m sub UI",
    "req.hdr(upgrade) -i websocket", "hdr_val(x-tag) gt 0", "ssl_c_verify 0", "path_beg -- -x /api",
    "path,regsub(^/U.*/s?,/x,i) -m beg /xo",
    "path,regsub(/ui,/x) -m beg /x", "path_reg '^/ui(/|$)'", 'path_beg "/ui/"',
    "path_beg -i -f @FILES@/paths", "path -f @FILES@/paths -f @FILES@/more /api", "path_dir -f @FILES@/more",
    "path_reg -f @FILES@/patterns", "src -f @FILES@/networks", "path -M -f @FILES@/map", "hdr(host) -f @FILES@/names",
    "path,map(@FILES@/map) -m found", "path,map_beg(@FILES@/map,none) red", "path,lower,map_dir(@FILES@/map) -m beg el",
    "path,map_reg(@FILES@/patterns.map) red", "src,map_ip(@FILES@/networks.map,none) red",
    "hdr(host),map_end(@FILES@/names.map,none) -m str red", "path,map_sub(@FILES@/map,none) -m sub re",
    "path,map_str_int(@FILES@/numbers.map,7) gt 6", "base,map_beg(@FILES@/bases.map) -m found",
)  # fmt: skip
FILES: Final = {
    "paths": "# /api\n/UI\n  /a \n/dash\r\n\n #/ui\n", "more": "/a/b\n/ui/\n", "patterns": "^/a(/|$)\n\\.JS$\n",
    "networks": "10.0.0.0/8\n127.0.0.0/8\n", "names": "t.example\ns.example\n",
    "map": "/ui\telse\n/ui/ red  \n/a\tred\n/api else # x\n/a else\n/dashboard\n",
    "patterns.map": "^/u else\n^/ui red\n^/a red\n",
    "networks.map": "127.0.0.0/8 else\n127.0.0.1/32 red\n", "names.map": ".example red\n",
    "numbers.map": "/a 9\n/ui 3\n",
    "bases.map": "s.example/ui x\ns.example/a y\n",
}  # fmt: skip
ASKED: Final = (
    "/", "/ui", "/ui/", "/UI/", "/ui/socket.io/", "/ui/x.js", "/dashboard/", "/dashboard/socket.io/", "/api", "/API/v",
    "/a", "/a/", "/a/b", "/dash", "//ui//", "/%75i/", "/a/../ui/", "/ui.js", "/xui/", "/x/ui", "/panel/ui/", "/ui;x",
)  # fmt: skip
QUERIES: Final = ("", "", "", "?q=1", "?q=2&x=3", "?")
ACTIONS: Final = (
    "deny", "deny deny_status 404", "auth realm plant", "return status 204", "redirect location /ui/ code 301",
    "redirect prefix https://else.example code 307", "redirect scheme https", "redirect location https://x%[path]",
    "redirect prefix / drop-query", "allow", "set-path /dash%[path]", "replace-path /panel/(.*) /\\1",
    "replace-path ^/(a|ui)(/.*)?$ /dashboard\\2", "set-uri /x?y", "set-query z=1", "set-pathq /ui/?a",
    "set-header X-Tag one",
    "del-header X-Tag", "set-header Host t.example", "set-var(txn.kept) str(yes)", "set-var(txn.kept) path,field(2,/)",
    "set-src hdr(x-tag)", "set-method POST", "replace-uri ^/a(.*) /api\\1", "set-nice 5", "deny status 410",
    "set-log-level silent", "set-header X-Tag %[path]", "set-path %[path,regsub(^/panel,)]", "return",
    "set-path %[path,regsub(^/pane.*l/?,/)]", "set-path %[path,regsub(/+,/,g)]",
)  # fmt: skip


def compare(backs: list[str], fronts: list[Front]) -> Iterator[str]:
    """Yield what differs."""
    with haproxy_running(backs, [body for body, _ in fronts]) as (ports, text, red):
        sections = tree([("haproxy.cfg", text)])
        lists = [patterns(file, FILES[file.rpartition("/")[2]]) for file in pattern_files(sections)]
        seen = Sections((*sections, *lists), (ListeningSocket("tcp", "127.0.0.1", red),))
        for port, (body, requests) in zip(ports, fronts, strict=True):
            for method, uri, tagged, granted in requests:
                sent = ["X-Tag: one"] * tagged + ["Authorization: Basic b3BlcmF0b3I6c2VjcmV0"] * granted
                answer = ask(port, "s.example", method, uri, *sent)
                answer = ("200", "") if ";st=" in answer[1] else answer  # its own statistics, which were posted to
                ours = walked(seen, port, method, uri, tagged, granted)
                if answer not in ours or (len(ours) > 1 and not granted):
                    asked = f"{method} {uri} {tagged} {granted}"
                    yield f"{asked}: HAProxy {answer}, walk {ours}\n{body}\n{backs}\n{fronts[0][0]}"


def a_condition(random: Random, names: list[str]) -> str:
    if random.randrange(4) == 0:
        return ""
    terms = []
    for _ in range(random.choice((1, 1, 2, 3))):
        name = random.choice([*names, "METH_POST", "METH_GET", "TRUE", "LOCALHOST", ""])
        text = name or f"{{ {a_criterion(random)} }}"
        terms.append(random.choice(("", "", "!", "" if name else "! ")) + text)
    word = random.choice(("if", "if", "unless"))
    return f" {word} " + random.choice((" ", " ", " or ", " || ")).join(terms)


def a_criterion(random: Random) -> str:
    text = random.choice(CRITERIA)
    return "always_false" if text == "METH" else text


def a_proxy(random: Random, *, front: bool) -> list[str]:
    names = random.sample(("one", "two", "three"), random.choice((0, 1, 2, 3)))
    lines = [f"acl {name} {a_criterion(random)}" for name in names for _ in range(random.choice((1, 1, 2)))]
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        lines.append(f"http-request {random.choice(ACTIONS)}{a_condition(random, names)}")
    if random.randrange(6) == 0:
        lines.append(f"redirect location /old code 303{a_condition(random, names)}")
    if random.randrange(8) == 0:
        lines.append("stats uri /api")
    if front:
        for _ in range(random.choice((0, 1, 2))):
            name = random.choice(
                (
                    "red",
                    "else",
                    "guarded",
                    "varied",
                    "twice",
                    "bk_%[path,field(2,/)]",
                    "%[path,map_beg(@FILES@/map,guarded)]",
                )
            )
            lines.append(f"use_backend {name}{a_condition(random, names)}")
        if random.randrange(8):
            lines.append(f"default_backend {random.choice(('red', 'else', 'guarded', 'varied', 'twice'))}")
    return lines


def a_batch(random: Random) -> tuple[list[str], list[Front]]:
    """Return what two backends do, and frontends with what each is asked."""
    backs = ["\n".join(a_proxy(random, front=False)) for _ in range(2)]
    fronts = ["\n".join(a_proxy(random, front=True)) for _ in range(FRONTENDS)]
    fronts[0] = fronts[0].replace("twice", "red")  # which itself goes to the first
    return backs, [(body, [a_request(random) for _ in range(REQUESTS)]) for body in fronts]


def a_request(random: Random) -> Asked:
    method, uri = random.choice(("GET", "GET", "GET", "POST")), random.choice(ASKED) + random.choice(QUERIES)
    return method, uri, random.randrange(3) == 0, random.randrange(3) == 0


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[str], list[Front]]:
    return a_batch(draw(st.randoms(use_true_random=False, note_method_calls=False)))


def behind(port: int, word: str) -> str:
    return (
        f"frontend behind_{word}\nbind 127.0.0.1:{port}\n"
        f'http-request return status 200 content-type text/plain lf-string "{word} %[url]"\n'
    )


@contextmanager
def haproxy_running(backs: list[str], fronts: list[str]) -> Iterator[tuple[list[int], str, int]]:
    *ports, red, other = free_ports(len(fronts) + 2)
    text = (
        "global\nlog /dev/null local0\ndefaults\nmode http\ntimeout client 5s\ntimeout server 5s\ntimeout connect 5s\n"
        "timeout http-request 5s\nuserlist plant\nuser operator insecure-password secret\n"
        f"backend red\nserver a 127.0.0.1:{red}\nbackend else\nserver a 127.0.0.1:{other}\n"
        f"backend guarded\nhttp-request auth unless {{ http_auth(plant) }}\nserver a 127.0.0.1:{red}\n"
        f"backend varied\n{backs[0]}\nserver a 127.0.0.1:{red}\nserver spare 127.0.0.1:{other} backup\n"
        f"backend bk_ui\nserver a 127.0.0.1:{red}\nbackend bk_dash\nserver a 127.0.0.1:{other}\n"
        f"backend twice\nserver a 127.0.0.1:{ports[0]}\ndefaults second\nmode http\ntimeout client 5s\n"
        f"timeout server 5s\ntimeout connect 5s\n"
    )
    text += "".join(
        f"frontend f{number} from second\nbind 127.0.0.1:{port}\n{body}\n"
        for number, (port, body) in enumerate(zip(ports, fronts, strict=True))
    )
    with tempfile.TemporaryDirectory() as name:
        for file, lines in FILES.items():
            (Path(name) / file).write_text(lines)
        text = text.replace("@FILES@", name)
        path = Path(name) / "haproxy.cfg"
        path.write_text(text + behind(red, "red") + behind(other, "else"))
        assert HAPROXY is not None
        with (Path(name) / "out").open("w") as out:
            process = subprocess.Popen([HAPROXY, "-db", "-f", str(path)], stdout=out, stderr=out)
        try:
            assert listens(process, *ports, red, other), (Path(name) / "out").read_text()
            yield ports, text, red
        finally:
            process.kill()
            process.wait(10)


def walked(seen: Sections, port: int, method: str, uri: str, tagged: bool, granted: bool) -> set[tuple[str, str]]:
    """Follow the same request."""
    headers = {"x-tag": "one"} if tagged else {}
    client = Client(uri, "s.example", False, str(port), "127.0.0.1", method, headers=headers, granted=granted)
    bind = next(bind for bind in seen.binds if bind.port == str(port))
    ends = every(lambda choices: haproxy.walk(seen, bind, client, choices))
    assert granted or not [end for end in ends if end.doubts], ends
    return answers(ends)


@examples(FRONTENDS * REQUESTS, 200)
@given(batches())
def test_the_walk_ends_where_haproxy_does(batch: tuple[list[str], list[Front]]) -> None:
    assert next(compare(*batch), "") == ""
