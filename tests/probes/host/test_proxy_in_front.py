"""Which proxy on a host stands in front, and what its configuration is taken from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from probes.host.layouts import BOX, NGINX, OPS, SETTINGS, UNITS, inside, part, sections_of, trouble

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_proxies import CaddyConfig, NginxConfig, NginxService
from pytest_nodered_sec.probes.host import fronts
from pytest_nodered_sec.probes.host.gather import Nginx
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_files import KeyAccess
    from pytest_nodered_sec.observations.host_fronts import FrontConfig


def test_an_nginx_that_shows_nothing_is_no_missing_one() -> None:
    """Its keys and the dates of its files were not seen; what is stale beside them is told all the same."""
    broken = inside(sections_of(), nginx=Nginx(70, Section("nginx: [emerg] unknown directive", 1), None))
    for name in (("keys", "nginx"), ("freshness",)):
        assert "nginx -T does not show its configuration: nginx: [emerg]" in trouble(broken, *name)
    late = {**SETTINGS, "loaded": [{"path": "/etc/nodered/settings.js", "changed": 1_700_000_350}]}
    assert part(replace(broken, settings=late), "freshness").newer == (("/etc/nodered/settings.js", 300),)
    boxed = inside(sections_of(**{"boxed_nginx": Section(BOX, 0)}))
    assert "nginx runs in the container 8f4e0c1d" in trouble(boxed, "keys", "nginx")


def test_nginx_in_service_and_in_trouble() -> None:
    processes = {"nginx-version": Section("nginx version: nginx/1.22.1", 0)}
    processes["nginx-processes"] = Section("70 1 500 nginx: master process\n71 70 510 nginx: worker process", 0)
    good = Nginx(70, Section(NGINX, 0), tree(NGINX))
    seen: NginxService = part(inside(sections_of(**processes), nginx=good), "nginx service")
    assert (seen.running, seen.valid, seen.unit is not None) == (True, True, True)
    bad = Nginx(70, Section('nginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:1', 1), None)
    seen = part(inside(sections_of(**processes), nginx=bad), "nginx service")
    assert (seen.valid, seen.complaint) == (False, '[emerg] unknown directive "x" in /etc/nginx/nginx.conf:1')
    denied = Nginx(70, Section("sudo: a password is required", 1), None)
    assert "nginx -T is not run: sudo: a password is required" in trouble(
        inside(sections_of(**processes), nginx=denied), "nginx service"
    )
    replaced = "nginx -T is not run: /usr/sbin/nginx was deleted or replaced after nginx started"
    for name in ("nginx service", "nginx"):  # no finding: what runs may be in order
        assert replaced in trouble(inside(sections_of(**processes), nginx=Nginx(70, Section(replaced, 1), None)), name)
    assert "docs/sudoers" in trouble(inside(sections_of(**processes), nginx=denied), "nginx")
    gone: NginxConfig = part(inside(sections_of()), "nginx")
    assert gone.other == "nginx is not installed; no other proxy was found"


def test_nginx_read_its_files_when_the_oldest_worker_that_goes_on_started() -> None:
    good = Nginx(70, Section(NGINX, 0), tree(NGINX))
    later = {f"time:{path}": Section("1700000300 1700000300", 0) for path in ("/etc/nginx/nginx.conf",)}
    lines = ["70 1 500 nginx: master process", "71 70 90000 nginx: worker process"]
    for more, stale in (
        ([], False),
        (["72 70 600 nginx: worker process is shutting down"], False),
        (["72 70 600 nginx: worker process"], True),  # the other died since, and its successor has the same
        (["90 1 100 nginx: master process", "91 90 100 nginx: worker process"], False),  # another nginx
    ):
        processes = {"nginx-processes": Section("\n".join([*lines, *more]), 0)}
        seen = inside(sections_of(**processes), nginx=good, later=later)
        assert bool(part(seen, "freshness").nginx_newer) is stale


def test_what_serves_the_url_is_never_called_not_installed() -> None:
    """Tailscale, FrankenPHP, Envoy in a snap …: on the URL's port somebody listens who is none of the known proxies."""
    theirs = sections_of(ports=Section("01BB 999 40", 0))
    assert "recognised; what it lets pass is asked from outside" in trouble(inside(theirs), "nginx")
    assert "listens on port 443: neither Node-RED nor a proxy" in trouble(inside(theirs), "way")
    own = sections_of(
        sockets_812=Section(sections_of()["sockets 812"].text + "\ntcp 00000000:01BB 111", 0),
        ports=Section("01BB 998 111", 0),
    )
    seen: NginxConfig = part(inside(own), "nginx")
    assert "no other proxy was found" in seen.other


MOUNTS = {
    "BindPaths=/srv/open:/etc/nginx/sites/plant": "nginx.service mounts something over /etc/nginx/sites/plant",
    "BindReadOnlyPaths=-/srv:/etc:rbind": "nginx.service mounts something over /etc",
    "TemporaryFileSystem=/etc/nginx:ro": "nginx.service mounts something over /etc/nginx",
    "RootDirectory=/srv/jail": "a root directory of its own (RootDirectory= of nginx.service)",
    "RootDirectory=/": "",
    "BindPaths=/srv/www:/var/www /etc/nginx:/etc/nginx": "",
}


@pytest.mark.parametrize("line", MOUNTS)
def test_what_nginx_s_service_mounts_over_its_files(line: str) -> None:
    units = UNITS.replace("Names=nginx.service\n", f"Names=nginx.service\n{line}\n")
    sections = {**sections_of(), "units": Section(units, 0), "unit-of 70": Section("nginx.service", 0)}
    gathered = inside(sections, nginx=Nginx(70, Section(NGINX, 0), tree(NGINX)))
    if MOUNTS[line]:
        assert MOUNTS[line] in trouble(gathered, "nginx")
    else:
        assert part(gathered, "nginx").other == ""


SERVER = {"name": "srv0", "listen": [":443"], "tls": True, "routes": [],
          "dials": [{"dial": "127.0.0.1:1880", "secure": False}], "errors": [], "named": [],
          "certificates": [], "trusts": [], "raw": False, "relays": []}  # fmt: skip


def test_the_caddy_on_the_urls_port_is_the_proxy_in_front() -> None:
    other = {"file": "/other", "servers": [{**SERVER, "listen": [":8443"]}], "trouble": ""}
    ours = {"file": "/etc/caddy/Caddyfile", "servers": [SERVER], "trouble": ""}
    seen: CaddyConfig = part(inside(sections_of(), caddy=True, settings={**SETTINGS, "caddies": [other, ours]}), "way")
    assert (seen.file, seen.servers[0].dials) == ("/etc/caddy/Caddyfile", (("127.0.0.1:1880", False),))


HAPROXY = "name haproxy\ncwd /\nstart 1\narg haproxy\narg -f\narg /h.cfg"


def test_what_some_user_calls_traefik_is_no_proxy_where_others_serve_the_url() -> None:
    sections = sections_of(
        front_70=Section("whether this is traefik, and not another program, cannot be told", 1),
        stranger_70=Section("65534", 0),
        ports=Section("01BB 0 40\n1F90 65534 41", 0),
    )
    assert fronts.running(sections, OPS, 443) == []
    for port in (8080, 9443):  # his, and one that nobody is seen to listen on
        [front] = fronts.running(sections, OPS, port)
        assert (front.program, front.trouble[:17]) == ("Traefik", "whether this is t")


def test_what_a_services_user_runs_is_the_proxy_in_front_only_where_nobody_else_listens() -> None:
    """He may start HAProxy with any file of root's that shows what he likes."""
    for users, reason in (
        ("998 40", ""),
        ("0 40", "is not the only one"),
        ("998 40\n01BB 0 41", "is not the only one"),
    ):
        sections = {"front 70": Section(f"{HAPROXY}\nuser 998", 0), "ports": Section(f"01BB {users}", 0)}
        [front] = fronts.running(sections, OPS, 443)
        assert bool(front.trouble) is bool(reason)
        assert reason in front.trouble
    [front] = fronts.running({"front 70": Section(f"{HAPROXY}\nuser 0", 0)}, OPS, 443)
    assert front.trouble == ""


def test_a_proxy_in_a_users_own_container_is_in_front_only_where_he_listens() -> None:
    for maker, users, there in (("", "0 40", True), ("1001", "1001 40", True), ("65534", "0 40", False)):
        ports = Section(f"01BB {users}", 0)
        sections = {"boxed haproxy": Section(f"{BOX} {maker}", 0), "ports": ports}
        assert bool(fronts.running(sections, OPS, 443)) is there
        gathered = inside(sections_of(**{"boxed_nginx": Section(f"{BOX} {maker}", 0), "ports": ports}))
        assert ("nginx runs in the container 8f4e0c1d8f4e" in trouble(gathered, "nginx")) is there


def test_the_haproxy_on_the_urls_port_is_the_proxy_in_front() -> None:
    here = tuple(fronts.running({"front 70": Section(HAPROXY, 0)}, OPS))
    text = "1600000000\nfrontend web\nbind :443\ndefault_backend red\nbackend red\nserver a 127.0.0.1:1880"
    seen: FrontConfig = part(inside(sections_of(), fronts=here, later={"config:/h.cfg": Section(text, 0)}), "way")
    assert (seen.program, seen.file) == ("HAProxy", "/h.cfg")
    assert seen.evidence() == "HAProxy: /h.cfg; Node-RED listens on tcp 127.0.0.1:1880, " + ", ".join(
        listener.line() for listener in seen.sockets[1:]
    )
    other = {"config:/h.cfg": Section(text.replace("443", "8443"), 0)}
    assert "was not seen to serve port 443" in trouble(inside(sections_of(), fronts=here, later=other), "way")
    assert "holds no file" in trouble(inside(sections_of(), fronts=here), "way")
    nginx = Nginx(70, Section(NGINX, 0), tree(NGINX))
    assert isinstance(part(inside(sections_of(), fronts=here, nginx=nginx), "way"), NginxConfig)
    beside: NginxConfig = part(inside(sections_of(), fronts=here), "nginx")
    assert beside.other == "nginx is not installed; HAProxy is the proxy there"
    keys: KeyAccess = part(inside(sections_of(), fronts=here), "keys", "nginx")
    assert keys.unseen == "where HAProxy has its keys is not looked at"


def test_an_nginx_on_the_urls_port_is_the_proxy_in_front_though_a_caddy_runs() -> None:
    nginx = Nginx(70, Section(NGINX, 0), tree(NGINX))
    assert isinstance(part(inside(sections_of(), caddy=True, nginx=nginx), "way"), NginxConfig)


def test_a_caddy_that_cannot_be_read_is_an_error() -> None:
    unread = {"file": "", "servers": [], "trouble": "its configuration cannot be read or adapted as Node-RED's user"}
    assert "none was seen to serve port 443: its configuration cannot be read" in trouble(
        inside(sections_of(), caddy=True, settings={**SETTINGS, "caddies": [unread]}), "way"
    )
    gone = inside(sections_of(), caddy=True, settings=ProbeError("no Node.js on this side", Cause.FORBIDDEN))
    assert trouble(gone, "way") == "no Node.js on this side"


def test_nginx_that_cannot_be_parsed() -> None:
    with pytest.raises(ProbeError, match="printed no configuration"):
        tree("nginx: test is successful")
    with pytest.raises(ProbeError, match=r"cannot be parsed: .*/etc/nginx/nginx.conf"):
        tree("# configuration file /etc/nginx/nginx.conf:\nhttp { server {")
    circle = "# configuration file /n/a.conf:\ninclude a.conf;\n"
    with pytest.raises(ProbeError, match="form a loop"):
        tree(circle)


def test_includes_are_found_as_nginx_finds_them() -> None:
    text = (
        "# configuration file /etc/nginx/nginx.conf:\nhttp { include sites/*.conf; include /srv/extra.conf; }\n"
        "# configuration file /etc/nginx/sites/a.conf:\nserver { listen 1; }\n"
        "# configuration file /etc/nginx/sites/deep/b.conf:\nserver { listen 2; }\n"
        "# configuration file /srv/extra.conf:\nserver { listen 3; }\n"
    )
    [http] = tree(text)
    assert [directive.block[0].args for directive in http.block] == [("1",), ("3",)]
    assert http.block[0].where() == "/etc/nginx/sites/a.conf:1"


def test_heads_of_files_inside_files_of_nginx_are_none() -> None:
    inner = "# configuration file /etc/nginx/b.conf:\n"
    main = f"http {{\n{inner}include b.conf;\nserver {{ listen 8080; }}\n}}\n"
    text = f"# configuration file /etc/nginx/nginx.conf:\n{main}\n{inner}server {{ listen 443; }}\n\n"
    sizes = {"/etc/nginx/nginx.conf": len(main), "/etc/nginx/b.conf": len("server { listen 443; }\n")}
    [http] = tree(text, sizes)
    assert [directive.block[0].args for directive in http.block] == [("443",), ("8080",)]
    with pytest.raises(ProbeError, match=r"cannot be separated at /etc/nginx/b\.conf"):
        tree(text)
    with pytest.raises(ProbeError, match=r"cannot be separated at /etc/nginx/nginx\.conf"):
        tree(text, {"/etc/nginx/nginx.conf": 3})
