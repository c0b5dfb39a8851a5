"""Proxies on the host that are neither nginx nor Caddy: which run, which files they read, and what these say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_fronts import FrontConfig
from pytest_nodered_sec.observations.host_proxies import Directive
from pytest_nodered_sec.probes.host import apache, haproxy, traefik
from pytest_nodered_sec.probes.host import parse as text_of
from pytest_nodered_sec.probes.host.options import short_options
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_nodered_sec.observations.host import ListeningSocket
    from pytest_nodered_sec.probes.host.parse import Me

SLACK: Final = 2.0  # seconds: the kernel's start times are whole ticks after a boot time in whole seconds
PROGRAMS: Final = {
    "haproxy": "HAProxy",
    "apache2": "Apache httpd",
    "httpd": "Apache httpd",
    "traefik": "Traefik",
    "envoy": "Envoy",
    "h2o": "H2O",
    "openlitespeed": "OpenLiteSpeed",
    "stunnel4": "stunnel",
    **{name: name for name in ("lighttpd", "angie", "varnishd", "hitch", "pound")},
}
_READ_AGAIN: Final = 10  # seconds in which a proxy has read a file again that it watches
_OUTSIDE: Final = "what it lets pass is asked from outside (admin-01, dash-01 and the like)"
_READ: Final = ("HAProxy", "Apache httpd", "Traefik")


@dataclass(frozen=True)
class Front:
    """A proxy that runs.

    Attributes:
        program: e.g. "HAProxy".
        pid: its process, or that of its master.
        exe: the program.
        args: what it was started with.
        cwd: its working directory.
        since: when what it runs now was read.
        now: when it was looked at.
        trouble: why it cannot be looked at, or "".
        unit: the service that it runs in, or "".
        homes: directories of its user's, in which a Traefik looks for its file.
    """

    program: str
    pid: int
    exe: str = ""
    args: tuple[str, ...] = ()
    cwd: str = "/"
    since: float = 0.0
    now: float = 0.0
    trouble: str = ""
    unit: str = ""
    homes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """What an Apache httpd was told at its start.

    Attributes:
        root: ServerRoot.
        file: the first file of its configuration.
        defined: names that conditions in it may ask for.
        trouble: why that is not followed, or "".
    """

    root: str
    file: str
    defined: frozenset[str]
    trouble: str = ""


def files(front: Front) -> tuple[str, ...]:
    """Return the files and directories that an HAProxy was told to read."""
    words = list(front.args[1:])
    result = []
    while words:
        word = words.pop(0)
        if word == "--":
            result += words
            break
        if word == "-f" and words:
            result.append(words.pop(0))
    return tuple(str(PurePosixPath(front.cwd) / path) for path in result)  # where -C has led by now


def start(front: Front) -> Start:
    """Return what an Apache httpd was told."""
    root, file = apache.defaults(front.exe) or ("", "")
    defined: set[str] = set()
    trouble = ""
    for letter, value in short_options(front.args[1:], "dfDcCkeE"):
        if letter == "d":
            root = value
        elif letter == "f":
            file = value
        elif letter == "D":
            defined.add(value)
        elif letter in "cC":
            trouble = "its command line holds directives"
    if not (root and file) and not (file.startswith("/")):
        trouble = trouble or f"where {front.exe or 'it'} has its configuration is not known"
    return Start(root or "/", str(PurePosixPath(root or "/") / file), frozenset(defined), trouble)


def running(sections: Mapping[str, Section], who: Me, port: int = 0) -> list[Front]:
    """Return the proxies that run on the host, and those that run in containers, which are not seen from here.

    What some user calls so, or has in a container of his own, and no service does, is none where others alone listen on
    the URL's port. What a service's user runs is the one in front only where nobody else listens there.
    """
    listening = text_of.taken(sections).get(port, set())
    result = []
    for name, section in sections.items():
        if name.startswith("boxed ") and name[6:] in PROGRAMS and box_in_front(section, listening):
            inside = (
                f"it runs in the container {section.text.strip()[:12]}, and what lies in there, or in labels of "
                f"containers, is not read; {_OUTSIDE}"
            )
            result.append(Front(PROGRAMS[name[6:]], 0, trouble=inside))
        elif re.fullmatch(r"front \d+", name):
            uid = sections.get(f"stranger {name[6:]}", Section("", 1)).text.strip()
            if not _is_a_strangers(uid, listening):
                result.append(_front(int(name[6:]), section, who, listening))
    return result


def _is_a_strangers(uid: str, listening: set[int]) -> bool:
    return uid.isdigit() and uid != "0" and bool(listening) and int(uid) not in listening


def box_in_front(box: Section, listening: set[int]) -> bool:
    """Whether a container may hold the proxy in front: that of some user's own only where that user listens.

    Args:
        box: what the script printed of it: its id, and its user, where that is neither root nor who looks.
        listening: the ids of the users that listen on the URL's port.
    """
    return not _is_a_strangers(box.text.strip().partition(" ")[2], listening)


def _front(pid: int, section: Section, who: Me, listening: set[int]) -> Front:
    pairs = [line.partition(" ")[::2] for line in section.text.split("\n")]
    facts = dict(pairs)
    if section.code or facts.get("name") not in PROGRAMS:
        program = next((PROGRAMS[name] for name in PROGRAMS if name in section.text), "a proxy")
        return Front(program, pid, trouble=text_of.why(section))
    program = PROGRAMS[facts["name"]]
    kinds = ("start",) if program == "Apache httpd" else ("start", "worker")  # there workers come and go all the time
    uid = facts.get("user", "0")
    if uid != "0" and uid != str(who.uid) and {str(user) for user in listening} != {uid}:
        return Front(program, pid, trouble=f"user {uid}, as whom it runs, is not the only one on the URL's port")
    starts = [value for key, value in pairs if key in kinds and value.isdigit()]
    newest = max(map(int, starts), default=0)  # a reload starts new workers
    args = tuple(value for key, value in pairs if key == "arg")
    if program not in _READ:
        return Front(program, pid, trouble="its configuration is not read here; admin-01 and the like ask from outside")
    read = facts.get("read", "")
    since = max(who.now - who.uptime + newest / who.ticks, float(read) if read.isdigit() else 0.0)
    exe, cwd, unit = facts.get("exe") or "", facts.get("cwd") or "/", facts.get("unit", "")
    homes = tuple(value for key, value in pairs if key == "home")
    return Front(program, pid, exe, args, cwd, since, who.now, unit=unit, homes=homes)


def paths(fronts: list[Front]) -> list[str]:
    """Return what to look at on the later trip."""
    result = []
    for front in fronts:
        if front.program == "Apache httpd" and not front.trouble:
            told = start(front)
            result += [f"apache:{told.root}:{told.file}"] * (not told.trouble)
        elif front.program == "Traefik" and not front.trouble:
            result += _traefik_paths(front)
        else:
            result += [f"haproxy:{front.cwd}:{path}" for path in files(front)]
    return result


def config(front: Front, later: Mapping[str, Section], sockets: tuple[ListeningSocket, ...]) -> FrontConfig:
    """Return the configuration that a proxy runs with.

    Raises:
        ProbeError: it cannot be seen, it changed since, or it holds what cannot be read.
    """
    if front.trouble:
        raise ProbeError(f"{front.program} cannot be looked at: {front.trouble}", Cause.FORBIDDEN)
    if front.program == "Apache httpd":
        return _apache(front, later, sockets)
    if front.program == "Traefik":
        return _traefik(front, later, sockets)
    if not files(front):
        raise ProbeError(f"{front.program} was started without the name of a file: not judged", Cause.UNIDENTIFIED)
    texts = [text for path in files(front) for text in _texts(front, path, later)]
    directives = haproxy.tree(texts)
    return FrontConfig(front.program, files(front)[0], (*directives, *_patterns(front, directives, later)), sockets)


def _patterns(front: Front, directives: tuple[Directive, ...], later: Mapping[str, Section]) -> Iterator[Directive]:
    """Yield an HAProxy's files of patterns: their lines, or why they are not known."""
    changing = haproxy.changed_by_rules(directives)
    elsewhere = any(line.name == "default-path" for section in directives for line in section.block)
    for file in haproxy.pattern_files(directives):
        path = str(PurePosixPath(front.cwd) / file)
        try:
            if file in changing:
                raise ProbeError("rules change it while HAProxy runs", Cause.CHANGED)
            if elsewhere and not file.startswith("/"):
                raise ProbeError("default-path is not followed: name it from /", Cause.PROTOCOL)
            yield haproxy.patterns(file, _text(front, f"config:{path}", later))
        except ProbeError as error:
            yield Directive("unread", (file, error.message))


def _apache(front: Front, later: Mapping[str, Section], sockets: tuple[ListeningSocket, ...]) -> FrontConfig:
    told = start(front)
    if told.trouble:
        raise ProbeError(f"{front.program} cannot be looked at: {told.trouble}", Cause.FORBIDDEN)
    if "config:" in later:
        raise ProbeError(f"{front.program}: {later['config:'].text.strip()}: not judged", Cause.PROTOCOL)
    texts: dict[str, str | ProbeError] = {}
    for name in later:
        if name.startswith("config:"):
            try:
                texts[name.removeprefix("config:")] = _text(front, name, later)
            except ProbeError as error:
                texts[name.removeprefix("config:")] = error
    directives = apache.tree(told.file, told.root, front.exe, told.defined, texts, _standing(front, later))
    return FrontConfig(front.program, told.file, directives, sockets)


def _standing(front: Front, later: Mapping[str, Section]) -> dict[str, bool]:
    """Return of which paths it is known whether they led to anything when a proxy read its files."""
    told = {name.removeprefix("standing:"): later[name].text.split() for name in later if name.startswith("standing:")}
    return {
        str(PurePosixPath(path)): words[0] == "yes"
        for path, words in told.items()
        if len(words) == 2 and words[1].isdigit() and int(words[1]) <= front.since + SLACK
    }


def _traefik_flags(front: Front) -> dict[str, Any]:
    """Return what a Traefik was told by flags, as tables: --a.b=c or --a.b c, with one dash or two."""
    words = [re.sub(r"^-(?=[A-Za-z])", "--", word) for word in front.args[1:]]
    pairs = [
        f"{word}={following}" if "=" not in word and not following.startswith("-") else word
        for word, following in zip(words, [*words[1:], "--"], strict=False)
    ]
    return traefik.flags(pairs)


def _usual(front: Front) -> list[str]:
    """Return where a Traefik looks for its static file, which outweighs flags, in its order."""
    places = ("/etc/traefik", *front.homes, front.cwd.rstrip("/"))
    return [f"{place}/traefik.{ending}" for place in places for ending in traefik.ENDINGS]


def _traefik_paths(front: Front) -> list[str]:
    """Return what to look at: its static file with what that names, and what its flags name."""
    told = _traefik_flags(front)
    folder = PurePosixPath(front.cwd)
    named = told.get("configfile")
    static = [str(folder / named)] if isinstance(named, str) else _usual(front)
    provider = traefik.provider(told)
    dynamic = [str(folder / provider[key]) for key in ("directory", "filename") if provider.get(key)]
    return [*(f"traefik:{front.cwd}:{path}" for path in static), *(f"routes:{path}" for path in dynamic)]


def _traefik(front: Front, later: Mapping[str, Section], sockets: tuple[ListeningSocket, ...]) -> FrontConfig:
    told = _traefik_flags(front)
    folder = PurePosixPath(front.cwd)
    named = told.pop("configfile", None)
    candidates = [str(folder / named)] if isinstance(named, str) else _usual(front)
    static = next((path for path in candidates if named or _is_there(later, path)), "")
    if static:
        told = traefik.table(static, _text(front, f"config:{static}", later))
    elif not told:
        raise ProbeError("Traefik was started without a file or flags: its environment is not read", Cause.UNIDENTIFIED)
    provider = traefik.provider(told)
    path = provider.get("directory") or provider.get("filename") or ""
    watched = provider.get("watch") != "false"
    files = _dynamic_files(front, str(folder / path), later) if path else []
    texts = [(file, _text(front, f"config:{file}", later, watched=watched)) for file in files]
    directives = (
        traefik.tree("static", static or "its flags", told),
        *(traefik.tree("dynamic", file, traefik.table(file, text)) for file, text in texts),
    )
    if others := [name for name in traefik.providers(told) if name != "file"]:
        raise ProbeError(
            f"Traefik: the routes of its provider {others[0]} are not in files: not judged; {_OUTSIDE}. With the file "
            "provider alone it is judged here, too",
            Cause.FORBIDDEN,
        )
    return FrontConfig("Traefik", static or "its flags", directives, sockets)


def _is_there(later: Mapping[str, Section], path: str) -> bool:
    section = later.get(f"config:{path}")
    return section is not None and not (section.code and section.text.strip() == f"{path} is not there")


def _dynamic_files(front: Front, path: str, later: Mapping[str, Section]) -> list[str]:
    """Return the dynamic files: one, or those of a directory.

    Raises:
        ProbeError: they were not looked at.
    """
    if f"config:{path}" in later:
        return [path]
    head = path.rstrip("/") + "/"
    if f"routes:{path}" not in later:
        raise ProbeError(f"{front.program}: {path} was not read: not judged", Cause.FORBIDDEN)
    if later[f"routes:{path}"].code:
        raise ProbeError(f"{front.program}: {text_of.why(later[f'routes:{path}'])}", Cause.FORBIDDEN)
    return sorted(name.removeprefix("config:") for name in later if name.startswith(f"config:{head}"))


def _texts(front: Front, path: str, later: Mapping[str, Section]) -> list[tuple[str, str]]:
    """Return the texts of a file, or of the files of a directory, in their order."""
    head = f"config:{path.rstrip('/')}/"
    below = sorted(
        name for name in later if name.startswith(head) and re.fullmatch(r"[^/.][^/]*\.cfg", name[len(head) :])
    )
    names = [f"config:{path}"] if f"config:{path}" in later else below
    if not names:
        raise ProbeError(f"{front.program}: {path} holds no file that can be read", Cause.FORBIDDEN)
    return [(name.removeprefix("config:"), _text(front, name, later)) for name in names]


def _text(front: Front, name: str, later: Mapping[str, Section], *, watched: bool = False) -> str:
    """Return the text of a file; of one that is watched, a change counts once it has had the time to be read.

    Raises:
        ProbeError: it is not to be read, or is newer than what runs.
    """
    file = name.removeprefix("config:")
    section = later.get(name, Section(f"{file} was not read", 1))
    if section.code:
        raise ProbeError(f"{front.program}: {text_of.why(section)}", Cause.FORBIDDEN)
    changed, _, text = section.text.partition("\n")
    if watched and changed.isdigit() and int(changed) <= front.now - _READ_AGAIN:
        return text
    if not changed.isdigit() or int(changed) > front.since + SLACK:
        raise ProbeError(f"{file} was changed after {front.program} read it, so it is not what runs", Cause.CHANGED)
    return text


def ports_of(directives: tuple[Directive, ...]) -> set[str]:
    """Return the ports that a proxy listens on."""
    if directives and directives[0].name == "static":
        points = [point for line in directives[0].block if line.name.lower() == "entrypoints" for point in line.block]
        places = [
            line.args[0] for point in points for line in point.block if line.name.lower() == "address" and line.args
        ]
        return {place.partition("/")[0].rpartition(":")[2] for place in places}
    listens = [line for line in directives if line.name == "listen" and line.args and not line.block]
    if listens:
        return {line.args[0].rpartition(":")[2] for line in listens}
    lines = [line for section in directives for line in section.block if line.name == "bind" and line.args]
    return {port for line in lines for place in line.args[0].split(",") for port in _ports(place.rpartition(":")[2])}


def _ports(text: str) -> list[str]:
    first, dash, last = text.partition("-")
    if dash and first.isdigit() and last.isdigit():
        return [str(port) for port in range(int(first), min(int(last), int(first) + 64) + 1)]
    return [text]
