"""Apache httpd, HAProxy and Traefik in front of a deployment, in their own words; Caddy and nginx are in `proxies`.

They stand before some of the deployments only, and come to the same verdicts there. Like all of the lab they listen on
loopback, need no root, and keep their files in their directory.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.deployments import CIPHERS
from pytest_nodered_sec.lab.rules import ADDED, BY_PATH, DOTS, REALM, REMOVED, WITHHELD, added_headers, gate_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nodered_sec.lab.deployments import Deployment
    from pytest_nodered_sec.lab.rules import Front

# What each of the three can say; gates with look-ahead and nginx's own lines are not among it.
BEHIND: Final = (
    *("fresh", "hardened", "httpnodeauth", "gate", "ungated", "cased-gate", "named", "unless-upgraded", "plain-leak"),
    *("redirect-302", "redirect-echo", "any-origin", "common-gate", "no-hsts", "short-hsts", "direct-open", "any-name"),
    *("plain-cookie", "cors"),
)
_MODULES: Final = (
    *("mpm_event", "authn_core", "authz_core", "authz_user", "auth_basic", "authn_file", "ssl", "socache_shmcb"),
    *("headers", "rewrite", "alias", "proxy", "proxy_http", "proxy_wstunnel"),
)
_GO_CIPHERS: Final = [
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for cipher in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
    for key in ("ECDSA", "RSA")
]


def apache(deployment: Deployment, front: Front) -> list[str]:
    """Write the configuration that puts a deployment behind Apache httpd; return the command that runs it."""
    folder = front.folder
    gate, rules = gate_pattern(deployment), ["RewriteEngine on"]
    if deployment.gate in BY_PATH and deployment.tidy:
        asked = DOTS.replace("[^?]*", "\\S+ [^? ]*").replace(r"|\?|$", "|[?]| ")
        rules += [f'RewriteCond "%{{THE_REQUEST}}" "{asked}" [NC]', "RewriteRule ^ - [R=404,L]"]
    if deployment.headers and deployment.gate != "all":
        rules += [f'RewriteRule "(?i){WITHHELD}" - [F,L]']
    if deployment.gate:
        unless = {
            "unless-named": 'Require expr "-n %{HTTP:Remote-User}"',
            "unless-upgraded": 'Require expr "%{HTTP:Upgrade} =~ /websocket/i"',
        }
        rules += [f'<LocationMatch "{gate}">', "AuthType Basic", f'AuthName "{REALM}"', "AuthBasicProvider file"]
        rules += [f"AuthUserFile {folder}/htpasswd", "<RequireAny>", "Require valid-user"]
        rules += [
            *([unless[deployment.gate]] if deployment.gate in unless else []),
            "</RequireAny>",
            "</LocationMatch>",
        ]
    rules += ["ProxyPreserveHost on", "RequestHeader set X-Forwarded-Proto https"]
    for name, value in added_headers(deployment).items():
        rules += [f"Header onsuccess unset {name}", f'Header always set {name} "{value}"']
    for name in _removed(deployment):
        rules += [f"Header onsuccess unset {name}", f"Header unset {name}"]
    rules += [f'Header always add {name} "{value}"' for name, value in deployment.extra]
    if deployment.sockets:
        rules += [f'RequestHeader unset Upgrade "expr=%{{REQUEST_URI}} !~ m#{_below(deployment.sockets)}#i"']
    upstream = f"unix:{front.upstream}|http://localhost/" if _near(front) else f"http://{front.upstream}/"
    rules += [f'ProxyPass / "{upstream}" upgrade=websocket disablereuse=on']
    tls = ["SSLEngine on", f"SSLCertificateFile {front.certificates}/leaf.pem"]
    tls += [f"SSLCertificateKeyFile {front.certificates}/leaf.key", "SSLProtocol -all +TLSv1.2 +TLSv1.3"]
    tls += [f"SSLCipherSuite {CIPHERS}"]
    moved = f"https://localhost:{front.https_port}%{{REQUEST_URI}}"
    plain = {
        "serve": rules,
        "redirect": ["RewriteEngine on", f"RewriteRule ^ {moved} [R=301,L,NE]"],
        "302": ["RewriteEngine on", f"RewriteRule ^ {moved} [R=302,L,NE]"],
        "echo": ["RewriteEngine on", f"RewriteRule ^ {moved.replace('localhost', '%{SERVER_NAME}')} [R=301,L,NE]"],
    }
    hosts = [(front.http_port, plain[deployment.plain])]
    if deployment.named:  # the first of a port is what no other name has
        hosts += [(front.https_port, ["ServerName other.invalid", *tls, "Redirect 404 /"])]
    hosts += [(front.https_port, ["ServerName localhost", "ServerAlias 127.0.0.1", *tls, *rules])]
    modules = [f"LoadModule {name}_module {toolchain.APACHE_MODULES}/mod_{name}.so" for name in _MODULES]
    text = [
        *modules,
        f"ServerRoot {folder}\nPidFile {folder}/pid\nErrorLog {folder}/error.log\nMutex file:{folder}",
        f"Listen 127.0.0.1:{front.http_port}\nListen 127.0.0.1:{front.https_port}\nServerName localhost",
        f"ServerTokens {'Full' if deployment.versions else 'Prod'}\nServerSignature Off\nSSLSessionTickets off",
        f"SSLStrictSNIVHostCheck {'on' if deployment.named else 'off'}",
        *("\n".join([f"<VirtualHost *:{port}>", *lines, "</VirtualHost>"]) for port, lines in hosts),
    ]
    _accounts(front)
    (folder / "apache.conf").write_text("\n".join(text) + "\n")
    return [str(toolchain.apache()), "-X", "-f", str(folder / "apache.conf")]


def haproxy(deployment: Deployment, front: Front) -> list[str]:
    """Write the configuration that puts a deployment behind HAProxy; return the command that runs it."""
    folder, rules = front.folder, []
    if deployment.gate in BY_PATH and deployment.tidy:
        rules += [f"http-request return status 404 if {{ url_reg -i '{DOTS.replace(chr(92) + '?', '[?]')}' }}"]
    if deployment.headers and deployment.gate != "all":
        rules += [f"http-request return status 403 if {{ path_reg -i '{WITHHELD}' }}"]
    if deployment.gate:
        pattern = gate_pattern(deployment)
        flag = "-i " if pattern.startswith("(?i)") else ""
        unless = {
            "unless-named": " !{ req.hdr(Remote-User) -m found }",
            "unless-upgraded": " !{ req.hdr(Upgrade) -i websocket }",
        }.get(deployment.gate, "")
        matched = f"{{ path_reg {flag}'{pattern.removeprefix('(?i)')}' }}"
        rules += [f"http-request auth realm {REALM} if {matched} !{{ http_auth(operators) }}{unless}"]
    if deployment.sockets:
        rules += [f"http-request del-header Upgrade unless {{ path_reg -i '{_below(deployment.sockets)}' }}"]
    rules += ["http-request set-header X-Forwarded-Proto https"]
    rules += [f'http-after-response set-header {name} "{value}"' for name, value in added_headers(deployment).items()]
    rules += [f"http-after-response del-header {name}" for name in _removed(deployment)]
    rules += [f'http-after-response add-header {name} "{value}"' for name, value in deployment.extra]
    rules += ["default_backend node-red"]
    names = " ".join(f"{name} {name}:{front.https_port}" for name in ("localhost", "127.0.0.1"))
    known = [f"http-request return status 421 unless {{ hdr(host) -i {names} }}"] if deployment.named else []
    host = {"echo": "%[hdr(host),field(1,:)]"}.get(deployment.plain, "localhost")
    code = 302 if deployment.plain == "302" else 301
    moved = f"http-request redirect location https://{host}:{front.https_port}%[capture.req.uri] code {code}"
    (folder / "both.pem").touch(mode=0o600)
    both = "".join((front.certificates / name).read_text() for name in ("leaf.pem", "leaf.key"))
    (folder / "both.pem").write_text(both)
    sections = {
        "global": [
            "ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets",
            f"ssl-default-bind-ciphers {CIPHERS}",
        ],
        "defaults": ["mode http", "timeout connect 5s", "timeout client 1m", "timeout server 1m", "timeout tunnel 1h"],
        "userlist operators": [f"user {front.user} password {front.hashed}"],
        "frontend plain": [
            f"bind 127.0.0.1:{front.http_port}",
            *(rules if deployment.plain == "serve" else [moved]),
        ],
        "frontend secure": [
            f"bind 127.0.0.1:{front.https_port} ssl crt {folder}/both.pem alpn http/1.1",
            *known,
            *rules,
        ],
        "backend node-red": [f"server node-red {'unix@' if _near(front) else ''}{front.upstream}"],
    }
    text = "\n".join("\n    ".join([head, *lines]) for head, lines in sections.items())
    (folder / "haproxy.cfg").write_text(text + "\n")
    return [str(toolchain.haproxy()), "-db", "-f", str(folder / "haproxy.cfg")]


def traefik(deployment: Deployment, front: Front) -> list[str]:
    """Write the configuration that puts a deployment behind Traefik; return the command that runs it.

    It sees to dot segments by itself, and knows no unix socket behind it.
    """
    folder = front.folder
    extra = dict.fromkeys(_removed(deployment), "") | dict(deployment.extra) | added_headers(deployment)
    middlewares: dict[str, object] = {
        "answers": {"headers": {"customResponseHeaders": extra or {"X-Nothing": ""}}},
        "page": {"headers": {"customRequestHeaders": {"Upgrade": ""}}},
        "nobody": {"ipAllowList": {"sourceRange": ["192.0.2.0/32"]}},
        "login": {"basicAuth": {"users": [f"{front.user}:{front.hashed}"], "realm": REALM}},
        "moved": {"redirectRegex": _moved(deployment, front)},
    }
    known = "(Host(`localhost`) || Host(`127.0.0.1`))" if deployment.named else "PathPrefix(`/`)"
    open_here = "" if not deployment.sockets else "page"
    rows = [("rest", known, open_here, 10)]
    if deployment.sockets:
        rows += [("sockets", f"{known} && PathRegexp(`(?i){_below(deployment.sockets)}`)", "", 20)]
    if deployment.gate:
        unless = {
            "unless-named": " && !HeaderRegexp(`Remote-User`, `.`)",
            "unless-upgraded": " && !Header(`Upgrade`, `websocket`)",
        }.get(deployment.gate, "")
        rows += [("gated", f"{known} && PathRegexp(`{gate_pattern(deployment)}`){unless}", "login", 30)]
    if deployment.headers and deployment.gate != "all":
        rows += [("withheld", f"{known} && PathRegexp(`(?i){WITHHELD}`)", "nobody", 40)]
    served = {
        f"{entry}-{name}": _router(entry, rule, ["answers", *([middleware] if middleware else [])], priority)
        for entry in ("secure", *(("plain",) if deployment.plain == "serve" else ()))
        for name, rule, middleware, priority in rows
    }
    if deployment.plain != "serve":
        served["plain"] = _router("plain", "PathPrefix(`/`)", ["moved"], 1)
    certificate = {"certFile": f"{front.certificates}/leaf.pem", "keyFile": f"{front.certificates}/leaf.key"}
    options = {"minVersion": "VersionTLS12", "sniStrict": deployment.named, "cipherSuites": _GO_CIPHERS}
    dynamic = {
        "http": {
            "routers": served,
            "middlewares": middlewares,
            "services": {"node-red": {"loadBalancer": {"servers": [{"url": f"http://{front.upstream}"}]}}},
        },
        "tls": {
            "certificates": [certificate],
            "options": {"default": options},
            **({} if deployment.named else {"stores": {"default": {"defaultCertificate": certificate}}}),
        },
    }
    ports = {"plain": front.http_port, "secure": front.https_port}
    static = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "entryPoints": {name: {"address": f"127.0.0.1:{port}"} for name, port in ports.items()},
        "providers": {"file": {"filename": str(folder / "dynamic.yml")}},
    }
    # JSON is YAML, which is what Traefik reads
    (folder / "dynamic.yml").write_text(json.dumps(dynamic, indent=1))
    (folder / "traefik.yml").write_text(json.dumps(static, indent=1))
    return [str(toolchain.traefik()), f"--configFile={folder}/traefik.yml"]


SERVERS: Final[dict[str, Callable[[Deployment, Front], list[str]]]] = {
    "apache": apache,
    "haproxy": haproxy,
    "traefik": traefik,
}


def _router(entry: str, rule: str, middlewares: list[str], priority: int) -> dict[str, object]:
    router: dict[str, object] = {"entryPoints": [entry], "rule": rule, "middlewares": middlewares}
    router |= {"priority": priority, "service": "node-red"}
    return router | ({"tls": {}} if entry == "secure" else {})


def _moved(deployment: Deployment, front: Front) -> dict[str, object]:
    host = "${1}" if deployment.plain == "echo" else "localhost"
    target = f"https://{host}:{front.https_port}${{3}}"
    permanent = deployment.plain != "302"
    return {"regex": "^http://([^/:]+)(:[0-9]+)?(.*)", "replacement": target, "permanent": permanent}


def _near(front: Front) -> bool:
    """Whether Node-RED listens on a unix socket."""
    return front.upstream.startswith("/")


def _below(paths: Iterable[str]) -> str:
    return "^(" + "|".join(path.replace(".", "[.]") for path in paths) + ")(/|$)"


def _removed(deployment: Deployment) -> list[str]:
    given = {name.lower() for name in (*ADDED, *added_headers(deployment), *(name for name, _ in deployment.extra))}
    return [name for name in REMOVED if deployment.headers and name.lower() not in given]


def _accounts(front: Front) -> None:
    (front.folder / "htpasswd").touch(mode=0o600)
    (front.folder / "htpasswd").write_text(f"{front.user}:{front.hashed}\n")
