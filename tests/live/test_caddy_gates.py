"""Gates as sites write them for Caddy, with matchers: what opens them is found, their sound twins are left alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from suite_controls import CONTROLS
from waylab import HASH, PATHS, Pair, open_node_red, standing

from pytest_nodered_sec.errors import ProbeError
from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.model import Ask
from pytest_nodered_sec.observations.side_ports import Http3Offer
from pytest_nodered_sec.rules.variants import way_opens_nothing
from pytest_nodered_sec.survey.survey import Survey
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from waylab import Street

pytestmark = pytest.mark.live
# The name that is guessed: of one that it does not know, Caddy compares the password at cost 14, a second of CPU each.
ACCOUNT = f"admin {HASH}"
LOGIN = f"basic_auth {{\n{ACCOUNT}\n}}"
ON = "reverse_proxy @NODE_RED@"
CLOSED = f"{LOGIN}\n{ON}"


def unless(matcher: str, *, kind: str = "") -> str:
    """Return a gate that asks for no login where a request is not matched by these lines."""
    return f"@guarded {{\n{matcher}\n}}\nbasic_auth @guarded {{\n{ACCOUNT}\n}}\n{ON}{kind}"


def refusing(matcher: str, status: int = 403) -> str:
    """Return a gate that refuses what is matched, and asks everybody else for the login."""
    return f"@strange {{\n{matcher}\n}}\nroute {{\nrespond @strange {status}\n{CLOSED}\n}}"


# who guards by a list of paths must not fall for dot segments
KNOWN = (
    "@dots vars_regexp {http.request.orig_uri} [.][.]\nrespond @dots 404\n"
    f"@known path_regexp (?i)^/({PATHS})([/.]|$)|^/$\nbasic_auth @known {{\n{ACCOUNT}\n}}\n"
)
REWRITES = "@named header X-Original-URL *\nrewrite @named {http.request.header.X-Original-URL}\n"
OF_SOCKETS = "admin-06:channel-open dash-02:channel-open node-02:channel-open origin-01:foreign-origin"
GATES = {
    "head": Pair(unless("not method HEAD"), "proxy-05:head", refusing("method HEAD", 405)),
    "methods": Pair(unless("method GET POST PUT DELETE PATCH"), "proxy-05:head", unless("not method OPTIONS")),
    "older": Pair(unless("protocol http/1.1+"), "proxy-05:older", refusing("not protocol http/1.1+", 426)),
    "newer": Pair(unless("not protocol http/2"), "proxy-05:newer", refusing("not protocol http/2")),
    "events": Pair(unless("not header Accept text/event-stream"), "proxy-05:events", refusing("header Accept none/*")),
    "bearer": Pair(
        unless('not header Authorization "Bearer *"'),
        "admin-02:served proxy-05:bearer",
        refusing('header Authorization "Bearer *"', 401),
    ),
    "any login": Pair(
        unless('not header Authorization "Basic *"').replace("admin", "operator"),
        "cred-02:any-password",
        CLOSED.replace("admin", "operator"),
    ),
    "nameless": Pair(unless("header User-Agent *"), "proxy-05:nameless", refusing("not header User-Agent *", 400)),
    "browsers-only": Pair(
        f"@programs not header User-Agent *Mozilla*\nrespond @programs 403\n{ON}",
        "proxy-05:browser proxy-05:navigation",
        refusing("header User-Agent *python-requests*"),
    ),
    "monitor": Pair(unless("not header User-Agent *kube-probe*"), "proxy-05:monitor", CLOSED),
    "cookie": Pair(unless("not header Cookie *session=*"), "proxy-05:credential-shaped", CLOSED),
    "flag": Pair(unless("not header Cookie *loggedin=true*"), "proxy-05:flagged", CLOSED),
    "origin": Pair(unless("not header Origin https://localhost*"), "proxy-05:browser origin-01:foreign-origin", CLOSED),
    "same-site": Pair(
        unless("not header Sec-Fetch-Site same-origin"),
        "proxy-05:browser",
        refusing("header Sec-Fetch-Site cross-site"),
    ),
    "language": Pair(unless("not header Accept-Language *"), "proxy-05:browser proxy-05:navigation", CLOSED),
    "cdn": Pair(
        f"@direct not header CF-Ray *\nrespond @direct 403\n{ON}",
        "proxy-05:cdn",
        refusing("not header CF-Ray *"),
    ),
    "length": Pair(
        unless("not header Content-Length *"),
        "proxy-05:carrying admin-03:served",
        refusing("header Content-Length *", 400),
    ),
    "expect": Pair(unless("not header Expect *"), "proxy-05:carrying", refusing("header Expect *", 417)),
    "range": Pair(unless("not header Range *"), "proxy-05:program", refusing("header Range *", 416)),
    "preflight": Pair(
        unless("not header Access-Control-Request-Method *"),
        "proxy-05:preflight",
        unless("not {\nmethod OPTIONS\nheader Access-Control-Request-Method *\n}"),
    ),
    "scheme": Pair(
        unless("expression `{http.request.header.X-Forwarded-Proto} != 'https'`"),
        "proxy-05:rewritten",
        unless("expression `{http.request.scheme} == 'https'`"),
    ),
    "query": Pair(unless("not query token=*"), "proxy-05:query", CLOSED),
    "script": Pair(
        unless("expression `!{http.request.uri}.endsWith('.js')`"), "proxy-05:query", unless("not path *.js.map")
    ),
    "key": Pair(unless("not header X-Api-Key *"), "proxy-05:credential-shaped", unless("not header X-Api-Key s3kr1t9")),
    "user": Pair(
        f"@guarded not header Remote-User *\nbasic_auth @guarded {{\n{ACCOUNT}\n}}\nrequest_header -Remote-User\n"
        f"{ON}",  # basic_auth comes first, however they are written
        "admin-12:believed",
        f"@guarded not header Remote-User *\nroute {{\nrequest_header -Remote-User\nbasic_auth @guarded "
        f"{{\n{ACCOUNT}\n}}\n{ON}\n}}",
    ),
    "neighbours": Pair(
        unless("not client_ip 10.0.0.0/8"),
        "proxy-05:forwarded",
        unless("not remote_ip 10.0.0.0/8"),
        beside="trusted_proxies static private_ranges",
    ),
    "named-header": Pair(
        unless("not client_ip 192.168.0.0/16"),
        "proxy-05:forwarded",
        unless("not client_ip 198.18.0.0/15"),
        beside="trusted_proxies static 0.0.0.0/0\nclient_ip_headers CF-Connecting-IP",
    ),
    "strangers": Pair(
        unless("not client_ip 127.0.0.1/8 10.0.0.0/8\nnot header X-Nothing *").replace("127.0.0.1/8 ", ""),
        "proxy-05:forwarded",
        CLOSED,
        beside="trusted_proxies static 127.0.0.1/32\ntrusted_proxies_strict",
    ),
    "letter-case": Pair(
        "@admin not path /ui /ui/* /api/* /ws/*\n@page path_regexp ^/(ui|api|ws)(/|$)\n"
        f"basic_auth @admin {{\n{ACCOUNT}\n}}\nbasic_auth @page {{\n{ACCOUNT}\n}}\n{ON}",
        "dash-04:spelling proxy-05:spelling",
        "@admin not path /ui /ui/* /api/* /ws/*\n@page path_regexp (?i)^/(ui|api|ws)(/|$)\n"
        f"basic_auth @admin {{\n{ACCOUNT}\n}}\nbasic_auth @page {{\n{ACCOUNT}\n}}\n{ON}",
    ),
    "slash": Pair(
        "@admin not path /ui/ /api/*\n@page path /api/orders\n"
        f"basic_auth @admin {{\n{ACCOUNT}\n}}\nbasic_auth @page {{\n{ACCOUNT}\n}}\n{ON}",
        "dash-04:spelling proxy-05:spelling",
        "@admin not path /ui/ /api/*\n@page path /ui/ /api/*\n"
        f"basic_auth @admin {{\n{ACCOUNT}\n}}\nbasic_auth @page {{\n{ACCOUNT}\n}}\n{ON}",
    ),
    "script-path": Pair(
        unless("not path *.js"), "dash-02:gate-passed roots-01:undeclared", unless("not path /static/*")
    ),
    "another-root": Pair(
        f"handle_path /nodered/* {{\n{ON}\n}}\nhandle {{\n{CLOSED}\n}}",
        "roots-01:undeclared",
        f"handle_path /nodered/* {{\n{CLOSED}\n}}\nhandle {{\n{CLOSED}\n}}",
    ),
    "rewritten": Pair(
        f"route {{\n{KNOWN}{REWRITES}{ON}\n}}",
        "proxy-05:rerouted",
        f"route {{\n{REWRITES}{KNOWN}{ON}\n}}",
    ),
    "upgrade": Pair(
        f"@guarded {{\nnot header Upgrade websocket\n}}\nbasic_auth @guarded {{\n{ACCOUNT}\n}}\n{ON}",
        f"{OF_SOCKETS} proxy-05:upgrade roots-01:undeclared",
        CLOSED,
    ),
    "upgrade-of-socket": Pair(
        "@guarded {\nnot header Connection *Upgrade*\n}\n@other {\nheader Connection *Upgrade*\nheader Upgrade *\n}\n"
        f"basic_auth @guarded {{\n{ACCOUNT}\n}}\nbasic_auth @other {{\n{ACCOUNT}\n}}\n{ON}",
        "proxy-05:connection",
        CLOSED,
    ),
}


def command(node_red: int, folder: Path, gates: Mapping[str, tuple[int, str]]) -> list[str]:
    servers, sites = "", ""
    for name, (port, lines) in gates.items():
        trusting = GATES[name.rpartition(" ")[0]].beside
        trusting += "" if name.endswith(" weak") else "\nprotocols h1 h2"  # by itself it offers HTTP/3 as well
        servers += f"servers 127.0.0.1:{port} {{\n{trusting}\n}}\n" if trusting else ""
        sites += f"https://:{port} {{\nbind 127.0.0.1\ntls {folder}/leaf.pem {folder}/leaf.key\n"
        sites += lines.replace("@NODE_RED@", f"127.0.0.1:{node_red}") + "\n}\n"
    head = f"admin off\npersist_config off\nauto_https off\nstorage file_system {folder}/storage\n{servers}"
    (folder / "Caddyfile").write_text(f"{{\n{head}}}\n{sites}")
    return [str(toolchain.caddy()), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("caddy")
    with open_node_red(folder / "site") as port, standing(folder, GATES, partial(command, port)) as there:
        yield there


@pytest.mark.parametrize("name", GATES)
def test_what_opens_a_gate_is_found(name: str, street: Street) -> None:
    seen = street.found(name, "weak")
    assert set(seen) == set(GATES[name].found.split()), seen


@pytest.mark.parametrize("name", GATES)
def test_a_sound_gate_is_left_alone(name: str, street: Street) -> None:
    assert street.found(name, "sound") == {}


@pytest.mark.parametrize(("which", "kind"), [("weak", NotJudged), ("sound", NotApplicable)])
def test_where_http3_is_offered_it_is_not_judged(which: str, kind: type[NotApplicable], street: Street) -> None:
    target, survey = street.target("head", which), Survey()
    (ask,) = (ask for ask in CONTROLS["proxy-05"].asks(target) if ask.label == "HTTP/3")
    survey.ask_ahead(target, [ask])
    try:
        seen = survey.answer(target, ask)
    finally:
        survey.close()
    assert isinstance(seen, Http3Offer)
    verdict = way_opens_nothing(seen, target.policy)
    assert type(verdict) is kind, verdict
    if kind is NotJudged:
        assert f'offer HTTP/3 (Alt-Svc: h3=":{target.port}"), in which nothing is asked' in verdict.reason


def _in_http2_alone(folder: Path, gates: Mapping[str, tuple[int, str]]) -> list[str]:
    started = command(0, folder, {name.replace("alone", "head"): gate for name, gate in gates.items()})
    file = folder / "Caddyfile"
    text = file.read_text().replace("admin off", "admin off\nservers {\nprotocols h2\n}")
    file.write_text(text.replace("h1 h2", "h2"))
    return started


def test_a_front_that_takes_http2_alone_is_called_so(tmp_path: Path) -> None:
    pairs = {"alone": Pair("respond 404", "", "respond 404")}
    survey = Survey()
    with standing(tmp_path, pairs, _in_http2_alone) as street:
        try:
            with pytest.raises(ProbeError) as caught:
                survey.answer(street.target("alone", "weak"), Ask("reach"))
        finally:
            survey.close()
    assert "closed without an answer; in HTTP/2 it answered 404" in caught.value.message
    assert "(Caddy: `protocols h1 h2`)" in caught.value.message
    assert "return 444" not in caught.value.message
