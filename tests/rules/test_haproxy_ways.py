"""Whether a way through HAProxy is guarded: by logins, certificates and names, in clear, far away, and raw."""

from __future__ import annotations

from rules.haproxy_host import HEAD, codes, front
from seen import target

from pytest_nodered_sec.rules.proxy import gate, way_is_guarded
from pytest_nodered_sec.verdict import NotApplicable, NotJudged

GUARD = "http-request auth unless { http_auth(u) }"


def test_a_way_that_is_guarded() -> None:
    assert codes(front(GUARD)) == []
    assert gate(front(GUARD), "/ui") == "closed"
    assert gate(front(""), "/ui") == "open"
    redirects = front("http-request redirect scheme https", bind="*:80")
    assert isinstance(way_is_guarded(redirects, target().policy), NotApplicable)


def test_what_opens_the_way() -> None:
    upgrade = "acl ws hdr(Upgrade) -i WebSocket\nhttp-request auth unless { http_auth(u) } or ws"
    assert codes(front(upgrade)) == ["header", "header"]
    assert codes(front("http-request auth if { path_beg /ui/ } !{ http_auth(u) }")) == ["letter-case"]
    assert codes(front(f"acl s path_dir socket.io\n{GUARD} !s\n".replace("} !s", "} or s"))) == ["socket", "socket"]
    panel = "http-request replace-path /panel/(.*) /ui/\\1\nhttp-request auth if { capture.req.uri -m beg /ui }"
    assert codes(front(f"http-request set-path %[path,regsub(^/panel,/ui)] if {{ path_beg /panel }}\n{GUARD}")) == []
    assert isinstance(way_is_guarded(front(panel), target().policy), NotJudged)
    alias = (
        "acl p path_beg /panel\nhttp-request auth if !p !{ http_auth(u) }\nhttp-request replace-path /panel(.*) /ui\\1"
    )
    assert codes(front(alias)) == ["alias"]


def test_plain_far_and_raw() -> None:
    assert codes(front(GUARD, bind=":80")) == ["plain"]
    challenge = "http-request redirect scheme https unless { path_beg /.well-known/acme-challenge/ }"
    assert codes(front(f"{challenge}\n{GUARD}", bind=":80")) == []  # which an authority asks for in clear
    assert codes(front(GUARD, bind="127.0.0.1:80,unix@/run/x,[::]:8080-8081")) == ["plain"]
    near = "backend red\nserver a 10.0.0.5:1880\n"
    assert codes(front(GUARD, rest=near)) == ["upstream"]
    assert codes(front(GUARD, rest=near.replace("1880", "1880 ssl verify none"))) == ["upstream"]
    assert codes(front(GUARD, rest=near.replace("1880", "1880 ssl verify required ca-file /x"))) == []
    tcp = "defaults\nmode tcp\n"
    assert codes(front("", head=tcp)) == ["stream"]
    assert gate(front("", head=tcp), "/ui") == "open"
    assert isinstance(
        way_is_guarded(front("", bind="*:443 ssl verify required", head=tcp), target().policy), NotApplicable
    )
    inner = "backend red\nserver a 127.0.0.1:81\nlisten in\nbind 127.0.0.1:81\nserver b 127.0.0.1:1880\n"
    assert codes(front(GUARD, rest=inner)) == []


def test_a_frontend_that_is_switched_off_listens_nowhere() -> None:
    off = "frontend spare\nbind :9443 ssl crt /x.pem\ndefault_backend red\ndisabled\n"
    assert gate(front(GUARD, head=HEAD + off), "/ui") == "closed"
    assert gate(front(GUARD, head=HEAD + off + "enabled\n"), "/ui") == "open"


def test_a_client_certificate() -> None:
    seen = front("", bind="*:443 ssl verify required ca-file /x")
    assert codes(seen) == []
    assert gate(seen, "/ui") == "closed"


def test_nothing_leads_there_or_nobody_knows() -> None:
    elsewhere = front("", rest="backend red\nserver a 10.0.0.9:80\n")
    assert isinstance(way_is_guarded(elsewhere, target().policy), NotApplicable)
    assert gate(elsewhere, "/ui") == "open"
    another = front("", rest="backend red\nserver a 127.0.0.1:80\n")
    verdict = way_is_guarded(another, target().policy)
    assert isinstance(verdict, NotJudged)
    assert "127.0.0.1:80, and how that forwards" in verdict.reason
    lua = front("http-request lua.x")
    assert isinstance(way_is_guarded(lua, target().policy), NotJudged)
    assert "lua.x" in gate(lua, "/ui")
    many = "\n".join(f"http-request set-log-level info if {{ hdr(upgrade) {number} }}" for number in range(12))
    assert "too many combinations" in gate(front(f"{many}\n{GUARD}"), "/ui")
    unsure = front(f"{GUARD.replace('}', '} or { srv_is_up(x) }', 1)}")
    assert isinstance(way_is_guarded(unsure, target().policy), NotJudged)
    assert "srv_is_up" in gate(unsure, "/ui")


def test_a_default_backend_for_raw_connections() -> None:
    tcp = "frontend raw\nmode tcp\nbind :5000\ntcp-request content reject if { src 0.0.0.0/0 }\ndefault_backend red\n"
    assert codes(front(GUARD, head=HEAD + tcp)) == []


def test_names_that_are_told_apart() -> None:
    named = "acl a hdr(host) -i plant.example\nacl b hdr_end(host) -i .example\nacl c hdr_reg(host) ^x"
    opened = f"acl d path -m beg -i /a\n{named}\nhttp-request auth if !a !{{ http_auth(u) }}"
    assert gate(front(opened), "/ui") == "open"
    cannot = "acl e path_reg (?R)\nacl f path_reg -i ^/b\nhttp-request set-log-level info if !{ path_sub x"
    assert "cannot be read" in gate(front(f"{cannot}\n{GUARD.replace('unless', 'unless e or')}"), "/ui")
    replaced = (
        "http-request replace-path ^/panel/(.*) /ui/\\1\nhttp-request auth if !{ path_beg /ui } !{ http_auth(u) }"
    )
    assert gate(front(replaced), "/ui") == "open"
    by_its_end = "acl e path_end .js\nacl e path /x\nhttp-request auth unless e or { http_auth(u) }"
    assert gate(front(by_its_end), "/ui") == "open"
    replaced = (
        "http-request replace-path ^/panel/(.*) /ui/\\1\nhttp-request auth if !{ path_beg /ui } !{ http_auth(u) }"
    )
    assert gate(front(replaced), "/ui") == "open"
