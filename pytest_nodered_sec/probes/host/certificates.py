"""Certificates and keys of a host: which are in use, what renews them, and who can read the keys."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host import Renewal
from pytest_nodered_sec.observations.host_files import FileStep, KeyAccess
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.nginx import named
from pytest_nodered_sec.probes.host.parse import Section
from pytest_nodered_sec.probes.host.proxies import (
    check_nginx_is_seen,
    check_no_box,
    nginx_in_front,
    nginx_masters,
    nginx_tree,
)
from pytest_nodered_sec.probes.host.schedules import lines_of, other_clients, reloaded_by, scheduled_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nodered_sec.probes.host.gather import Inside


def certificates_on(inside: Inside) -> dict[str, str]:
    """Return the certificates found on the host: where, by SHA-256; former ones of a lineage lie in archive/."""
    result: dict[str, str] = {}
    for name, section in inside.later.items():
        if name.startswith("certificate:"):
            result |= dict.fromkeys(_fingerprints(section.text)[:1], name.removeprefix("certificate:"))
    kept: dict[str, str] = {}  # path: certificate
    for line in inside.found["certificates"].text.split("\n") if "certificates" in inside.found else ():
        path, _, content = line.partition(":")
        if path.startswith("/etc/letsencrypt/"):
            kept[path] = f"{kept.get(path, '')}{content}\n"
    for path in sorted(kept):  # archive/ before live/, whose links lead there: what is in use has the last word
        result |= dict.fromkeys(_fingerprints(kept[path]), path)
    return result


def _fingerprints(text: str) -> list[str]:
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----", text)
    return [hashlib.sha256(ssl.PEM_cert_to_DER_cert(block)).hexdigest() for block in blocks]


def served_on_disk(inside: Inside) -> bool | None:
    """Whether the certificate served is one in use on the host; None where none is there, or none was served.

    An nginx that does not listen on the URL's port serves other certificates, and a Caddy that does keeps its own.

    Raises:
        ProbeError: one that nginx names cannot be read, and the others are not the one served.
    """
    in_use = {name: path for name, path in certificates_on(inside).items() if "/letsencrypt/archive/" not in path}
    if not inside.served or inside.served in in_use:
        return bool(inside.served) or None
    of_nginx = nginx_in_front(inside)
    if inside.caddy and not of_nginx:
        return None
    _check_rights(inside.found, "certificates")
    for name, section in inside.later.items() if of_nginx else ():
        known = name.startswith("certificate:/etc/letsencrypt/")  # seen as root, with all of certbot's
        if name.startswith("certificate:") and section.code and not known:
            path = name.removeprefix("certificate:")
            raise ProbeError(f"{path} cannot be read: {text_of.why(section)} (docs/sudoers)", Cause.FORBIDDEN)
    return False if any(of_nginx or "/letsencrypt/" in path for path in in_use.values()) else None


_LINEAGE: Final = re.compile(r"/etc/letsencrypt/live/([^/ ']+)/cert\.pem")


_OF_ITSELF: Final = {  # what in a proxy's own configuration makes it an ACME client
    "Traefik": re.compile(r"^[ \t]*(--|\[)?certificates?resolvers?\b", re.IGNORECASE | re.MULTILINE),
    "Apache httpd": re.compile(r"^[ \t]*<?MDomain", re.IGNORECASE | re.MULTILINE),
    "HAProxy": re.compile(r"^[ \t]*acme[ \t]", re.MULTILINE),
}


def renewal_of(inside: Inside) -> Renewal:
    """Return who renews the certificate that is served.

    Raises:
        ProbeError: it cannot be seen, or a right is missing.
    """
    sections = inside.found
    other = inside.demands.acme_client or _renews_itself(inside)
    if "certbot" not in sections and "lineages" not in sections:
        if inside.in_container and not other:
            raise ProbeError(
                "what renews the certificate cannot be seen in a container: check the proxy's machine, or state it in "
                'the policy: acme_client = "acme.sh"',
                Cause.UNIDENTIFIED,
            )
        started = other_clients(sections)
        if not other and not started:
            _check_all_is_seen(inside)
        return Renewal("", other=other, started=started)
    listed = sections.get("lineages")
    if listed is None or listed.code:
        reason = text_of.why(listed) if listed is not None else "/etc/letsencrypt does not exist"
        raise ProbeError(f"certbot's lineages cannot be listed: {reason} (docs/sudoers has the line)", Cause.FORBIDDEN)
    if not inside.served and not other:
        raise ProbeError(f"{inside.url} presented no certificate to compare: see tls-01", Cause.PROTOCOL)
    _check_rights(sections, "certificates", "renewal", "hooks", "cron")
    names = tuple(sorted(set(_LINEAGE.findall(listed.text))))
    lineage = _lineage(certificates_on(inside).get(inside.served, ""))
    schedule, on, result = scheduled_by(sections)
    return Renewal(
        "certbot",
        names,
        lineage,
        schedule,
        on,
        result,
        reloaded_by(sections, lineage, _in_front(inside)),
        other,
        other_clients(sections),
        _excluded(sections, lineage),
    )


def _in_front(inside: Inside) -> tuple[str, ...]:
    """Return which programs may serve the certificate, none where that is not seen."""
    if nginx_in_front(inside):
        return ("nginx",)
    return (*(front.program for front in inside.fronts), *(("Caddy",) if inside.caddy else ()))


def _excluded(sections: dict[str, Section], lineage: str) -> str:
    """Return the file that says that certbot renews this lineage no more, or ""."""
    path = f"/etc/letsencrypt/renewal/{lineage}.conf"
    pattern = re.compile(r"autorenew\s*=\s*[\"']?(false|no|off|0)\b", re.IGNORECASE)
    return next((path for file, _, line in lines_of(sections, "renewal") if file == path and pattern.match(line)), "")


def _renews_itself(inside: Inside) -> str:
    """Return the proxy in front that gets its certificates itself, or ""."""
    if nginx_in_front(inside):
        return ""
    texts = [section.text for name, section in inside.later.items() if name.startswith("config:")]
    for front in inside.fronts:
        told = _OF_ITSELF.get(front.program)
        if told and any(told.search(text) for text in (*texts, "\n".join(front.args))):
            return front.program
    return "Caddy" if inside.caddy else ""


def _check_all_is_seen(inside: Inside) -> None:
    """Raise ProbeError where a client may be that is not seen: in a container, or in a crontab that only root reads."""
    if not nginx_in_front(inside):
        for proxy in ("nginx", "caddy"):
            check_no_box(inside, proxy)
        for front in inside.fronts:
            if front.program in _OF_ITSELF and front.trouble:
                raise ProbeError(
                    f"whether {front.program} gets its certificates itself is not seen: {front.trouble}; if so, name "
                    f'it in the policy: acme_client = "{front.program}"',
                    Cause.FORBIDDEN,
                )
    _check_rights(inside.found, "cron")
    hidden = inside.who.uid != 0 and not inside.who.sudo and inside.found.get("cron", Section("", 0)).code > 1
    if hidden and "/comm" in inside.found.get("crond", Section("", 1)).text:
        raise ProbeError(
            f"whether root's crontab renews the certificate cannot be seen as {inside.who.user} (docs/sudoers has the "
            'line); or name the client in the policy, e.g. acme_client = "acme.sh"',
            Cause.FORBIDDEN,
        )


def _check_rights(sections: dict[str, Section], *names: str) -> None:
    """Raise ProbeError where one of the script's commands was denied; grep's "found nothing" is an answer."""
    for name in names:
        section = sections.get(name, Section("", 0))
        if text_of.denied(section):
            raise ProbeError(f"{name}: {text_of.why(section)} (docs/sudoers has the line)", Cause.FORBIDDEN)


def _lineage(served: str) -> str:
    """Return the lineage that the certificate served belongs to, "" where it is none's."""
    match = re.search(r"/etc/letsencrypt/(?:live|archive)/([^/]+)/", served)
    return match[1] if match else ""


def key_access(inside: Inside, place: str) -> KeyAccess:
    """Return who can read the private keys of a place, "nginx" or "certbot".

    Raises:
        ProbeError: they cannot be looked at.
    """
    process = inside.node_red.process
    allowed = {
        "root",
        "ssl-cert",
        "caddy",
        process.user,
        *(line[3] for line in nginx_masters(inside) if "master" in line),
    }
    if place == "certbot":
        listed = inside.found.get("lineages")
        if listed is None:
            return KeyAccess(place, (), "there are no certbot lineages (/etc/letsencrypt)")
        if listed.code:
            raise ProbeError(f"certbot's keys cannot be inspected: {text_of.why(listed)}", Cause.FORBIDDEN)
        steps = _listed(listed.text, allowed)
        keys = [path for path in steps if re.search(r"/archive/.*/privkey\d*\.pem$", path)]
        return KeyAccess(place, on_the_way(keys, steps), "certbot has no lineage")
    check_nginx_is_seen(inside)
    if inside.nginx is None:
        check_no_box(inside, "nginx")
    keys = list(dict.fromkeys(named(nginx_tree(inside), "ssl_certificate_key")))
    if not keys and inside.caddy and not nginx_in_front(inside):
        unseen = "Caddy keeps the keys itself, in its data directory, which this suite does not inspect"
        return KeyAccess(place, (), unseen=unseen)
    if not keys and inside.fronts:
        return KeyAccess(place, (), unseen=f"where {inside.fronts[0].program} has its keys is not looked at")
    if not keys:
        return KeyAccess(place, (), "no nginx runs there, or it uses no private key")
    steps = looked_at(inside, allowed, keys)
    if "lineages" in inside.found:  # live/ holds links: the directories of archive/ decide who has access
        steps |= _listed(inside.found["lineages"].text, allowed)
        keys = [_led_to(path, inside.found["lineages"]) for path in keys]
    return KeyAccess(place, on_the_way(keys, steps))


def _led_to(path: str, listed: Section) -> str:
    """Return where a link of certbot's leads, any other path as it is."""
    match = re.search(rf"'{re.escape(path)}' -> '\.\./\.\./([^']+)'", listed.text)
    return str(PurePosixPath(path).parents[2] / match[1]) if match else path


def looked_at(inside: Inside, allowed: set[str], paths: Sequence[str]) -> dict[str, FileStep]:
    """Return files that the second trip looked at, and the directories above them.

    Raises:
        ProbeError: one cannot be looked at.
    """
    steps: dict[str, FileStep] = {}
    for path in dict.fromkeys(step for end in paths for step in (end, *map(str, PurePosixPath(end).parents))):
        section = inside.later.get(f"key:{path}")
        if section is None or "No such file" in section.text:
            continue
        file_steps = _listed(section.text, allowed)
        if path not in file_steps:
            raise ProbeError(f"{path} cannot be inspected: {text_of.why(section)} (docs/sudoers)", Cause.FORBIDDEN)
        steps |= file_steps
    return steps


def on_the_way(paths: list[str], steps: dict[str, FileStep]) -> tuple[tuple[FileStep, ...], ...]:
    """Return each key with the directories above it, as far as they were seen.

    Raises:
        ProbeError: one was not seen.
    """
    for path in paths:
        if path not in steps:  # a variable in its name, or a path that is relative to nginx's own
            raise ProbeError(f"the location of the key {path} cannot be determined", Cause.UNIDENTIFIED)
    return tuple(
        (
            replace(steps[path], folder=False),
            *(steps[folder] for folder in map(str, PurePosixPath(path).parents) if folder in steps),
        )
        for path in paths
    )


def _listed(text: str, allowed: set[str]) -> dict[str, FileStep]:
    """Read lines of `stat -c '%a %u %g %U %G %Y %N'`, all as directories.

    Links are left out: what they point to stands elsewhere.
    """
    steps = {}
    for line in text.split("\n"):
        parts = line.strip().split(" ", 6)
        if len(parts) != 7 or " -> " in parts[6] or not re.fullmatch(r"[0-7]{1,4}", parts[0]):
            continue  # sudo may complain on a line of its own
        path = parts[6].strip("'")
        strangers = () if parts[4] in allowed else (f"group {parts[4]}",)
        owner = "" if parts[3] in allowed else parts[3]
        steps[path] = FileStep(path, int(parts[0], 8), int(parts[1]), int(parts[2]), True, strangers, owner)
    return steps
