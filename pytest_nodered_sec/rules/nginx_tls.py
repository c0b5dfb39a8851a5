"""nginx's own TLS settings (host-13): protocols and suites of the servers that lead to Node-RED, and what it tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.nginx import leads_elsewhere, walked
from pytest_nodered_sec.rules.surfaces import wanted
from pytest_nodered_sec.rules.walk.blocks import value
from pytest_nodered_sec.verdict import NotApplicable, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.observations.host_proxies import Directive, NginxConfig
    from pytest_nodered_sec.policy.model import Policy
    from pytest_nodered_sec.rules.nginx import Walked
    from pytest_nodered_sec.rules.walk.blocks import Path
    from pytest_nodered_sec.verdict import Verdict

_BROKEN: Final = re.compile(r"RC4|DES|NULL|EXP|MD5|SEED|IDEA|CAMELLIA128-SHA$|^(ALL|LOW|MEDIUM|COMPLEMENTOFALL)$")
_AEAD: Final = re.compile("GCM|CHACHA20|CCM")
_EPHEMERAL: Final = re.compile("ECDHE|DHE|EECDH|EDH")
_OF_ITSELF: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")  # without ssl_protocols, before nginx 1.27.3


def tls_is_as_demanded(seen: NginxConfig, policy: Policy) -> Verdict:
    """nginx's own TLS settings are what the policy demands, and it does not tell its release."""
    if seen.other:
        return NotApplicable(seen.other)
    every_way = walked(seen, wanted(seen, policy))
    leading = [approach for approach in every_way if approach.leads]
    if not leading:
        return leads_elsewhere(seen, every_way)
    faults: list[Violation] = []
    for path in _distinct(approach.door.listen.server for approach in leading):
        if value(path, "server_tokens") != ("off",):
            observed = f"{_where(path[-1])}: server_tokens is not off"
            faults.append(Violation("tokens", observed, "server_tokens off", _line(path, "server_tokens", "off")))
    secure = [approach for approach in leading if approach.door.tls]
    for path in _distinct(approach.door.listen.server for approach in secure):
        faults += _protocols(path, _where(path[-1]), policy) + _suites(path, policy)
    for path in _distinct(_default(approach) for approach in secure):
        if not any(path[-1] is approach.door.server for approach in secure):
            where = f"{_where(path[-1])}, the default of its port, whose protocols apply to all servers there"
            faults += _protocols(path, where, policy)
    return tuple(faults)


def _distinct(paths: Iterable[Path]) -> list[Path]:
    return list({id(path[-1]): path for path in paths}.values())


def _default(approach: Walked) -> Path:
    """Return the default server of a place: nginx takes the protocols of all from it."""
    here = approach.config.places[approach.door.place]
    return next((listen for listen in here if listen.default), here[0]).server


def _where(server: Directive) -> str:
    names = [" ".join(directive.args) for directive in server.block if directive.name == "server_name"]
    return f"server {names[0] if names else '(default)'} ({server.where()})"


def _line(path: Path, name: str, text: str) -> str:
    """Return the line to write, and where: nginx refuses a second one in a block, and an inner one overrides it."""
    given = next((line for block in reversed(path) for line in block.block if line.name == name), None)
    where = f"nginx, in place of {name} ({given.where()})" if given else "nginx, http"
    return f"{where}: {name} {text};"


def _protocols(path: Path, where: str, policy: Policy) -> list[Violation]:
    def as_nginx(versions: tuple[str, ...]) -> list[str]:
        return sorted("TLSv1" if version == "1.0" else f"TLSv{version}" for version in versions)

    accepted, offered = as_nginx(policy.thresholds.tls_accepted), as_nginx(policy.thresholds.tls_offered)
    given = value(path, "ssl_protocols")
    protocols = given or _OF_ITSELF
    line = _line(path, "ssl_protocols", " ".join(accepted))
    if weak := sorted(set(protocols) - set(accepted)):
        observed = f"{where}: ssl_protocols allows {', '.join(weak)}"
        if not given:
            observed = f"{where}: ssl_protocols is not set: before nginx 1.27.3 that allows TLSv1 and TLSv1.1"
        return [Violation("protocols", observed, " ".join(accepted), line)]
    if not set(protocols) & set(offered):
        observed = f"{where}: ssl_protocols allows {' '.join(protocols)} only"
        return [Violation("not-offered", observed, f"one of {', '.join(offered)}", line)]
    return []


def _suites(path: Path, policy: Policy) -> list[Violation]:
    if set(value(path, "ssl_protocols")) == {"TLSv1.3"}:
        return []  # its suites are all good, and ssl_ciphers does not name them
    lax = policy.thresholds.tls_suites == "none-broken"
    observed = _weak_suites(value(path, "ssl_ciphers"), lax=lax)
    if not observed:
        return []
    remedy = _line(path, "ssl_ciphers", "ECDHE+AESGCM:ECDHE+CHACHA20")
    expected = "no broken suites" if lax else "forward secrecy and AEAD only"
    return [Violation("ciphers", f"{_where(path[-1])}: {observed}", expected, remedy)]


def _weak_suites(given: tuple[str, ...], *, lax: bool) -> str:
    """Say which parts of ssl_ciphers are not allowed, "" for none; `lax`: only broken ones are not."""
    if not given:  # HIGH:!aNULL:!MD5, by nginx itself
        return "" if lax else "ssl_ciphers is not set: nginx then allows CBC, and suites without forward secrecy"
    parts = [
        part for part in re.split(r"[: ,]", ":".join(given)) if part and part[0] not in "!-@" and part[:4] != "TLS_"
    ]
    weak = [part for part in parts if _BROKEN.search(part)]
    if not lax:
        weak += [part for part in parts if part not in weak and not (_AEAD.search(part) and _EPHEMERAL.search(part))]
    return f"ssl_ciphers allows {', '.join(weak)}" if weak else ""
