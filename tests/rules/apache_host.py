"""A virtual host of Apache httpd with some lines in it, and where requests to it end."""

from __future__ import annotations

from typing import Any

from pytest_nodered_sec.observations.host import ListeningSocket
from pytest_nodered_sec.observations.host_fronts import FrontConfig
from pytest_nodered_sec.probes.host.apache import tree
from pytest_nodered_sec.rules.walk import apache, choices
from pytest_nodered_sec.rules.walk.apache_visit import Servers
from pytest_nodered_sec.rules.walk.request import Client

SOCKETS = (ListeningSocket("tcp", "127.0.0.1", 1880), ListeningSocket("unix", "/run/nr.sock"))
PROXY = 'ProxyPass "/" "http://127.0.0.1:1880/"'
BASIC = "AuthType Basic\nAuthName x\nAuthUserFile /x"
LOGIN = f"{BASIC}\nRequire valid-user"
PLAIN: dict[str, Any] = {"tls": False, "head": "", "main": "Listen 80", "at": "*:80"}


def front(body: str, main: str = "Listen 443", at: str = "*:443", head: str = "SSLEngine on") -> FrontConfig:
    text = f"ServerName main.example\n{main}\n<VirtualHost {at}>\nServerName a\n{head}\n{body}\n</VirtualHost>\n"
    files: dict[str, Any] = {"/a.conf": text}
    directives = tree("/a.conf", "/", "/usr/sbin/apache2", frozenset(), files)
    return FrontConfig("Apache httpd", "/a.conf", directives, SOCKETS)


def ends(body: str, uri: str = "/ui/", main: str = "Listen 443", at: str = "*:443", head: str = "SSLEngine on",
         **more: Any) -> set[str]:  # fmt: skip
    seen = front(body, main, at, head)
    servers = Servers(seen.directives, seen.sockets)
    client = Client(uri, **{"host": "a", **more})
    [site] = servers.sites(servers.binds[0])
    host = servers.chosen(site, client.host)
    every = choices.every(lambda made: apache.walk(servers, site.bind, host, client, made))
    words = {"node-red": "{0.uri}", "elsewhere": "elsewhere", "answered": "{0.status}", "unknown": "unknown"}
    return {words[end.kind].format(end) + ("?" if end.doubts else "") for end in every}


def location(*lines: str, path: str = "/") -> str:
    return "\n".join([f"<Location {path}>", *lines, "</Location>", PROXY])


def rule(*lines: str) -> str:
    return "\n".join(["RewriteEngine on", *lines, PROXY])
