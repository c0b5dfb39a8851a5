"""From layers of settings to one target's effective values: what `nodered-sec.toml` may say, and what it means.

Every key is described once, in `KEYS`, by the function that checks its value; options and ini values pass through
the same functions. Knows no pytest. Each mistake is a `PolicyError` of one sentence.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import tomllib
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import SplitResult, urlsplit

from pytest_nodered_sec.model import Severity
from pytest_nodered_sec.policy import (
    PROFILES,
    THRESHOLDS,
    WEAKER,
    AdminApi,
    Deviation,
    Editor,
    Effect,
    Endpoint,
    HostDemands,
    Interface,
    InterfaceKind,
    Mode,
    Pace,
    Policy,
    PolicyError,
    Profile,
    PublicPath,
    Revocation,
    StaleWaivers,
    Suites,
    Thresholds,
    Waiver,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pytest_nodered_sec.model import Target

FILE_NAME: Final = "nodered-sec.toml"
VERSIONS: Final = ("1.0", "1.1", "1.2", "1.3")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Where:
    """The place of a setting, for a sentence about it.

    Attributes:
        place: the file and table, or "" for an option.
        name: the option's flag or the file's key.
        secret: whether the value, or a part of it, may be one.
    """

    place: str
    name: str
    secret: bool = False

    def says(self, value: object, problem: str) -> PolicyError:
        """Return the error about a value, which is shown unless it may be a secret."""
        if self.secret:
            return self.hides(problem)
        if self.place:
            return PolicyError(f"{self.place}: {self.name} = {toml(value)}: {problem}")
        return PolicyError(f"{self.name}={value}: {problem}")

    def hides(self, problem: str) -> PolicyError:
        """Return the error about a value that must not be shown."""
        return PolicyError(f"{self.place}: {self.name}: {problem}" if self.place else f"{self.name}: {problem}")


# --- checks of single values -------------------------------------------------------------------------------------


def _choice(*choices: str) -> Callable[[Any, Where], Any]:  # Any, here and below: TOML holds anything
    def check(value: Any, where: Where) -> Any:
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise where.says(value, f"no such choice; it must be one of {', '.join(choices)}{hint}")
        return value

    return check


def _text(value: Any, where: Where) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise where.says(value, "give some text")
    return value


def _path(value: Any, where: Where) -> str:
    usable = isinstance(value, str) and value.startswith("/") and not value.startswith("//")
    if not usable or "?" in value or "#" in value or not value.isprintable():
        raise where.says(value, "give a path that starts with one / and has no query")
    return str(value).rstrip("/") or "/"


def _port(value: Any, where: Where) -> int:
    if type(value) is not int or not 0 < value < 65536:
        raise where.says(value, "give a TCP port, 1 to 65535")
    return value


def _seconds(value: Any, where: Where) -> float:
    if type(value) not in (int, float) or not 0 < value <= 600:
        raise where.says(value, "give seconds, more than 0 and at most 600")
    return float(value)


def _flag(value: Any, where: Where) -> bool:
    if not isinstance(value, bool):
        raise where.says(value, "write true or false")
    return value


def _hidden(check: Callable[[Any, Where], Any]) -> Callable[[Any, Where], Any]:
    """Have no sentence show the value or a part of it."""
    return lambda value, where: check(value, replace(where, secret=True))


def _list(check: Callable[[Any, Where], Any]) -> Callable[[Any, Where], Any]:
    def checked(value: Any, where: Where) -> list[Any]:
        if not isinstance(value, list):
            raise where.says(value, "write a list: [...]")
        return [check(one, where) for one in value]

    return checked


def split_url(url: str, where: Where) -> SplitResult:
    """Split a URL that holds no secret, its host as an A-label (RFC 5890); never shows one that might.

    Raises:
        PolicyError: credentials, a query, a host that no name can be, or no http or https URL at all.
    """
    shown = url.split("?", 1)[0].split("#", 1)[0]  # a query may hold a token
    parts, problem = _split(url)
    # Behind the first /, ? or # an @ may be the end of a password with that character in it: then it is no good URL.
    if "@" in url and (problem or shown != url or "@" in url.split("://", 1)[-1].split("/", 1)[0]):
        raise where.hides(
            "credentials do not belong into a URL (ids and logs would show them); "
            "remove the part before the @ and set NODERED_USERNAME and NODERED_PASSWORD"
        )
    if problem:
        raise where.says(shown, problem)
    if "?" in url or "#" in url:
        raise where.says(f"{shown}…", "leave out what follows ? or #")
    host = parts.hostname or ""
    try:
        name = _a_label(host)
    except ValueError as error:
        raise where.says(shown, f"{host} can be no name of a host ({error})") from None
    if name == host:
        return parts
    return parts._replace(netloc=name + (f":{parts.port}" if parts.port else ""))


def _split(url: str) -> tuple[SplitResult, str]:
    """Return the parts of a URL, and what is wrong with it as such, "" for nothing."""
    none = "not a URL; give one such as https://plant.example"
    try:
        parts = urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", ""), none
    if not parts.hostname or not url.isprintable() or " " in url or "\\" in url:
        return parts, none
    if parts.scheme not in ("http", "https"):
        scheme = parts.scheme or "missing"
        return parts, f"not a URL that can be asked: its scheme is {scheme}; write https:// or http://"
    try:
        port = parts.port
    except ValueError:
        port = 0
    return parts, "" if port != 0 else "not a URL that can be asked: its port is not one of 1 to 65535"


def _a_label(host: str) -> str:
    """Return the host of a URL as DNS, SNI and Host have it; an address as it is.

    Raises:
        ValueError: DNS has no such names (RFC 1035, section 2.3.4), or IDNA (UTS 46) none.
    """
    if not host.isascii():
        import idna  # a table of all of Unicode, for those who need it

        return idna.encode(host, uts46=True).decode("ascii")
    labels = host.removesuffix(".").split(".")
    if ":" not in host and not all(labels):
        raise ValueError("an empty label")
    if ":" not in host and (len(host) > 253 or max(map(len, labels)) > 63):
        raise ValueError("too long")
    return host


def _url(value: Any, where: Where) -> str:
    return split_url(_text(value, where), where).geturl().rstrip("/")


def _login_url(value: Any, where: Where) -> str:
    url = _text(value, where)
    if url.startswith("/") and not url.startswith("//"):
        return _path(url, where) if url == "/" else _path(url, where) + ("/" if url.endswith("/") else "")
    parts = split_url(url, where)
    if parts.scheme != "https":
        raise where.says(url, "give an https:// URL, or a path that starts with /")
    return parts.geturl()


def _table(raw: Any, where: Where, /, **allowed: Callable[[Any, Where], Any]) -> dict[str, Any]:
    """Check an inline table: known keys only, each by its own function."""
    if not isinstance(raw, dict):
        raise where.says(raw, f"write a table: {{{', '.join(f'{key} = …' for key in allowed)}}}")
    for key in raw:
        if key not in allowed:
            raise where.says(raw, _unknown(key, allowed))
    return {key: allowed[key](one, replace(where, name=f"{where.name}.{key}")) for key, one in raw.items()}


def _needs(table: dict[str, Any], where: Where, *keys: str) -> dict[str, Any]:
    for key in keys:
        if key not in table:
            raise where.says(table, f"add {key} = …")
    return table


def _dashboards(value: Any, where: Where) -> Any:
    if value == "none" or value == ["none"]:
        return []
    if isinstance(value, list) and "none" in value:
        raise where.hides("none says that there is no dashboard: name paths or none")
    if not isinstance(value, list):
        raise where.says(value, 'write a list of paths, or "none"')
    return [_dashboard(one, where) for one in value]


def _dashboard(value: Any, where: Where) -> Any:
    if isinstance(value, str):
        return _path(value, where)
    table = _needs(_table(value, where, path=_path, public=_flag, reason=_text), where, "path")
    if table.get("public") and "reason" not in table:
        raise where.says(value, "a public dashboard needs a reason: add reason = …")
    return table if table.get("public") else table["path"]


def _interface(value: Any, where: Where) -> dict[str, Any]:
    kind = _choice(*get_args(InterfaceKind))
    table = _needs(_table(value, where, kind=kind, path=_path, public=_flag, reason=_text), where, "kind", "path")
    if table.get("public") and "reason" not in table:
        raise where.says(value, "a public interface needs a reason: add reason = …")
    return table if table.get("public") else {"kind": table["kind"], "path": table["path"]}


def _protected_path(value: Any, where: Where) -> dict[str, Any]:
    check: dict[str, Callable[[Any, Where], Any]] = {"method": _choice(*_METHODS), "effect": _choice(*get_args(Effect))}
    return _needs(_table(value, where, path=_path, **check), where, "path")


def _public_path(value: Any, where: Where) -> dict[str, Any]:
    return _needs(_table(value, where, path=_path, reason=_text), where, "path", "reason")


def _pair(value: Any, where: Where) -> dict[str, Any]:
    def any_text(one: Any, where: Where) -> str:
        if not isinstance(one, str):
            raise where.says(one, "give some text")
        return one  # a blank password is one that is found in the field

    return _needs(_table(value, where, username=_text, password=any_text), where, "username", "password")


def _credentials(value: Any, where: Where) -> dict[str, Any]:
    ways = 'give one of {env = "PREFIX"} and {command = ["program", "argument"]}'
    if not isinstance(value, dict) or not value.keys() <= {"env", "command"}:
        raise where.says(value, f"secrets do not belong into this file; {ways}")
    table = _table(value, where, env=_prefix, command=_list(_text))
    if len(table) != 1 or table.get("command") == []:
        raise where.says(value, ways)
    return table


def _prefix(value: Any, where: Where) -> str:
    if not _text(value, where).isidentifier():
        raise where.says(value, "give what the names of the variables begin with: letters, digits and _")
    return str(value)


def _guess(value: Any, where: Where) -> Any:
    if value is True:
        return True
    if value is False:
        raise where.says(value, 'say why: {value = false, reason = "…"}')
    table = _needs(_table(value, where, value=_flag, reason=_text), where, "value")
    if not table["value"] and "reason" not in table:
        raise where.says(value, 'say why: {value = false, reason = "…"}')
    return table


def _fingerprint(value: Any, where: Where) -> str:
    plain = str(value).replace(":", "").lower()
    if len(plain) != 64 or not set(plain) <= set("0123456789abcdef"):
        raise where.says(value, "give the certificate's SHA-256: 64 hex digits, with or without colons")
    return plain


def _connect(value: Any, where: Where) -> str:
    if "@" in _text(value, where):
        raise where.hides("credentials do not belong here (logs would show them); give HOST or HOST:PORT")
    try:
        parts = urlsplit(f"//{value}")
        usable = bool(parts.hostname) and not parts.path and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise where.says(value, "give an address or name to dial, with :PORT where it differs from the URL's")
    return str(value)


def _host(value: Any, where: Where) -> str:
    text = _text(value, where)
    if ":" in text.rpartition("://")[2].rpartition("@")[0]:
        raise where.hides("a password does not belong here (logs would show it); use a key")
    if "://" not in text:
        raise where.says(text, f"say how to get there, e.g. ssh://{text} or docker://{text}; local:// is this machine")
    return text


_OF_A_HOST: Final = ("sudo", "sudo_user", "container", "namespace")  # of testinfra's options, what others may read


def without_private_paths(host: str) -> str:
    """Return a testinfra backend without the options that say where our keys and files lie."""
    backend, _, query = host.partition("?")
    shown = [one for one in query.split("&") if one.partition("=")[0] in _OF_A_HOST]
    return backend + (f"?{'&'.join(shown)}" if shown else "")


def _listen(value: Any, where: Where) -> str:
    port, _, why = _text(value, where).partition(" ")
    if not port.isdecimal() or not why.strip():
        raise where.says(value, 'give a port and why: "4840 OPC UA, line 7"')
    return str(value)


def _labels(value: Any, where: Where) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) and one for one in value.values()):
        raise where.says(value, 'write a table of texts: {line = "7"}')
    return dict(value)


def _selector(value: Any, where: Where) -> str:
    name, equals, label = _text(value, where).partition("=")
    if not (name and equals and label):
        raise where.says(value, 'give a label and its value: "line=7"')
    return str(value)


def _ca_file(value: Any, where: Where) -> str:
    path = Path(_text(value, where)).expanduser()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise where.says(value, f"cannot be read ({error.strerror})") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise where.says(value, "holds no PEM certificate")
    return str(path.resolve())


def _day(value: Any, where: Where) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise where.says(value, "give the last day on which it holds, as 2030-12-31, without quotes")
    return value


def _number(least: float, most: float, kind: str, *, whole: bool = False) -> Callable[[Any, Where], Any]:
    def check(value: Any, where: Where) -> Any:
        if type(value) not in ((int,) if whole else (int, float)) or not least <= value <= most:
            raise where.says(value, f"give {kind}")
        return value

    return check


def _threshold(check: Callable[[Any, Where], Any]) -> Callable[[Any, Where], Any]:
    """Take a bare value, or a table with the reason that a weaker one needs."""

    def checked(value: Any, where: Where) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {"value": check(value, where)}
        return _needs(_table(value, where, value=check, reason=_text), where, "value")

    return checked


_THRESHOLDS: Final[dict[str, Callable[[Any, Where], Any]]] = {
    "tls_accepted": _list(_choice(*VERSIONS)),
    "tls_offered": _list(_choice(*VERSIONS)),
    "tls_suites": _choice(*get_args(Suites)),
    "renewal_share": _number(0, 1, "a share of the lifetime, 0 to 1"),
    "renewal_cap_days": _number(0, math.inf, "days"),
    "renewal_short_share": _number(0, 1, "a share of the lifetime, 0 to 1"),
    "private_lifetime_days": _number(0, math.inf, "days, or inf for any"),
    "hsts_max_age": _number(0, math.inf, "whole seconds", whole=True),
    "redirect_statuses": _list(_number(300, 399, "HTTP statuses, 300 to 399", whole=True)),
    "redirect_keeps_method": _flag,
    "session_days": _number(0, math.inf, "days"),
    "bcrypt_cost": _number(4, 31, "a bcrypt cost, 4 to 31", whole=True),
}

_INSIDE: Final[dict[str, Callable[[Any, Where], Any]]] = {
    "listens": _list(_listen),
    "user_dir": _text,
    "settings_file": _text,
    "node": _text,
    "acme_client": _text,
    "palette": _flag,
    "proxy_guards": _text,
    "demands": _list(_choice("nginx", "certbot")),
    "seconds": _number(1, 600, "seconds, 1 to 600"),
}

KEYS: Final[dict[str, Callable[[Any, Where], Any]]] = {
    "profile": _choice(*get_args(Profile)),
    "editor": _choice(*get_args(Editor)),
    "admin_api": _choice(*get_args(AdminApi)),
    "admin_root": _path,
    "node_root": _path,
    "dashboards": _dashboards,
    "login_urls": _list(_login_url),
    "protected_paths": _list(_protected_path),
    "public_paths": _list(_public_path),
    "websockets": _list(_path),
    "interfaces": _list(_interface),
    "guess": _guess,
    "login_realm": _text,
    "known_credentials": _hidden(_list(_pair)),
    "pace": _choice(*get_args(Pace)),
    "mode": _choice(*get_args(Mode)),
    "join_channels": _flag,
    "http_port": _port,
    "direct_port": _port,
    "closed_ports": _list(_port),
    "ca_file": _ca_file,
    "sha256": _fingerprint,
    "issuer": _text,
    "mutual_tls": _flag,
    "revocation": _choice(*get_args(Revocation)),
    "connect": _connect,
    "host": _host,
    "credentials": _hidden(_credentials),
    "timeout": _seconds,
    "stale_waivers": _choice(*get_args(StaleWaivers)),
    **{f"thresholds.{name}": _threshold(check) for name, check in _THRESHOLDS.items()},
    **{f"inside.{name}": check for name, check in _INSIDE.items()},
}
_TABLES: Final = {"thresholds": _THRESHOLDS, "inside": _INSIDE}
DEFAULTS: Final[dict[str, Any]] = {
    "profile": "production",
    "editor": "disabled",
    "admin_api": "protected",
    "admin_root": "/",
    "node_root": "/",
    "login_urls": [],
    "pace": "normal",
    "mode": "full",
    "join_channels": True,
    "mutual_tls": False,
    "revocation": "none",
    "http_port": 80,
    "direct_port": 1880,
    "closed_ports": [9229],
    "timeout": 10,
    "stale_waivers": "fail",
}
_TARGET_ONLY: Final[dict[str, Callable[[Any, Where], Any]]] = {"url": _url, "name": _text, "labels": _labels}
_NOT_SHARED: Final = ("sha256", "connect", "credentials")  # of one target by nature: never a default for several


def _unknown(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), 1, cutoff=0.5)
    return f"unknown key {key}; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}")


# --- the file ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TargetTable:
    """One `[[target]]`.

    Attributes:
        name: as given, or "".
        url: base URL.
        labels: by which `[[group]]` and `--nodered-target` choose it.
        values: checked values of its other keys.
        waivers: findings of this target that are accepted until a date.
    """

    name: str
    url: str
    labels: Mapping[str, str]
    values: Mapping[str, Any]
    waivers: tuple[Waiver, ...] = ()

    def chosen_by(self, selector: str, name: str) -> bool:
        """Whether a selector means this target."""
        return chosen_by(selector, name, self.labels)


def chosen_by(selector: str, name: str, labels: Mapping[str, str]) -> bool:
    """Whether NAME, a glob of names, or LABEL=VALUE (the value may be a glob) means a target."""
    label, equals, wanted = selector.partition("=")
    if equals:
        return label in labels and fnmatchcase(labels[label], wanted)
    return fnmatchcase(name, selector) or name == selector


@dataclass(frozen=True)
class PolicyFile:
    """What a policy file says, checked.

    Attributes:
        path: where it lies, None for no file.
        values: for every target.
        groups: label selector and values, in the file's order.
        targets: in the file's order.
        fail_on: least severity that fails the run, "" where the file does not say.
        waivers: which targets (NAME, a glob, LABEL=VALUE; "" for all), and what is accepted there until a date.
        called: what sentences call it.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    targets: tuple[TargetTable, ...] = ()
    fail_on: str = ""
    waivers: tuple[tuple[str, Waiver], ...] = ()
    called: str = ""

    def layers(self, table: TargetTable | None) -> list[tuple[str, Mapping[str, Any]]]:
        """Return what the file says of one target, the strongest first; None for a target that is not in it.

        Raises:
            PolicyError: two groups contradict each other.
        """
        if table is None:
            return [("policy file", self.values)]
        grouped: dict[str, Any] = {}
        origin: dict[str, str] = {}
        for selector, values in self.groups:
            if not table.chosen_by(selector, ""):
                continue
            for key, value in values.items():
                if key in grouped and grouped[key] != value and key not in table.values:
                    raise PolicyError(
                        f"{self.called}: [[group]] {origin[key]} and [[group]] {selector} set {key} of target "
                        f"{table.name or table.url} differently; set it in the [[target]]"
                    )
                grouped[key], origin[key] = value, selector
        return [("[[target]]", table.values), ("[[group]]", grouped), ("policy file", self.values)]


def read(path: Path, without: Collection[str] = (), called: str = "") -> PolicyFile:
    """Read and check a policy file.

    Args:
        path: where it lies.
        without: keys that are passed over wherever they stand.
        called: what sentences call it: as it was typed; its name where nobody did.

    Raises:
        PolicyError: it cannot be read, is not TOML, or says something that cannot be used.
    """
    name = called or path.name
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows begin a file with a BOM
    except OSError as error:
        raise PolicyError(f"{name}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{name}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{name}: is not TOML: {error}") from None
    targets, groups, waivers = (content.pop(key, []) for key in ("target", "group", "waiver"))
    fail_on = content.pop("fail_on", "")
    if fail_on:
        severity(fail_on, Where(name, "fail_on"))
    for tables, what in ((targets, "target"), (groups, "group"), (waivers, "waiver")):
        if not isinstance(tables, list):
            raise PolicyError(f"{name}: write [[{what}]] with two brackets, once for each")
    for table in (content, *targets, *groups):
        for key in without if isinstance(table, dict) else ():
            table.pop(key, None)
    values = _values(content, Where(name, ""), path, others=("target", "group", "waiver", "fail_on"))
    for key in _NOT_SHARED:
        if key in values:
            raise PolicyError(f"{name}: {key} belongs to one target; move it below a [[target]]")
    read_targets = tuple(_target(table, path, name) for table in targets)
    read_groups = tuple(_group(table, path, name, read_targets) for table in groups)
    read_waivers = tuple(_waiver(table, f"{name}: [[waiver]]", target=_text) for table in waivers)
    return PolicyFile(path, values, read_groups, read_targets, fail_on, read_waivers, name)


def severity(value: Any, where: Where) -> str:
    """Return the name of a severity.

    Raises:
        PolicyError: there is none of that name.
    """
    return str(_choice(*(one.value for one in Severity))(value, where))


def _values(table: dict[str, Any], where: Where, path: Path, others: Iterable[str] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {}
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if key in _TABLES:
            if not isinstance(value, dict):
                raise PolicyError(f"{where.place}: {key} is a table: write [{key}] and one key a line")
            for name in value:
                if name not in _TABLES[key]:
                    raise PolicyError(f"{where.place}: [{key}]: {_unknown(name, _TABLES[key])}")
            flat |= {f"{key}.{name}": one for name, one in value.items()}
        elif key not in KEYS or "." in key:
            known = [*(one for one in KEYS if "." not in one), *_TABLES, *others]
            raise PolicyError(f"{where.place}: {_unknown(key, known)}")
        else:
            flat[key] = value
    for key, value in flat.items():
        if key == "ca_file" and isinstance(value, str):
            found[key] = _ca_file(str(path.parent / Path(value).expanduser()), Where(where.place, key))
        else:
            found[key] = KEYS[key](value, Where(where.place, key))
    return found


def _target(table: Any, path: Path, name: str) -> TargetTable:
    if not isinstance(table, dict):
        raise PolicyError(f"{name}: write [[target]] with two brackets, once for each")
    place = f"{name}: [[target]] {table.get('name') or table.get('url') or ''}".rstrip()
    own = {
        key: check(table[key], Where(place if key != "url" else f"{name}: [[target]]", key))
        for key, check in _TARGET_ONLY.items()
        if key in table
    }
    if "url" not in own:
        raise PolicyError(f'{place}: add url = "https://…"')
    rest = {key: value for key, value in table.items() if key not in (*_TARGET_ONLY, "waiver")}
    values = _values(rest, Where(place, ""), path, others=(*_TARGET_ONLY, "waiver"))
    waivers = table.get("waiver", [])
    if not isinstance(waivers, list):
        raise PolicyError(f"{place}: write [[target.waiver]] with two brackets, once for each")
    accepted = tuple(_waiver(one, f"{place}: [[target.waiver]]", target=_of_one)[1] for one in waivers)
    return TargetTable(own.get("name", ""), own["url"], own.get("labels", {}), values, accepted)


_WAIVER: Final[dict[str, Callable[[Any, Where], Any]]] = {
    "control": _text,
    "instance": _text,
    "finding": _text,
    "reason": _text,
    "expires": _day,
    "approver": _text,
    "ticket": _text,
    "measure": _text,
}


def _of_one(value: Any, where: Where) -> str:
    raise where.says(value, "it stands below its target; leave it out")


def _waiver(table: Any, place: str, **more: Callable[[Any, Where], Any]) -> tuple[str, Waiver]:
    """Check one waiver; return its selector of targets, "" where there is none, and the waiver."""
    from pytest_nodered_sec.data.findings import ONLY_FINDING  # a table, read when somebody waives something

    if not isinstance(table, dict):
        raise PolicyError(f"{place}: write {place.rpartition(' ')[2]} with two brackets, once for each")
    named = [str(table[key]) for key in ("control", "instance") if key in table]
    where = Where(" ".join((place, *named)), "")
    known = _WAIVER | more
    for key in table:
        if key not in known:
            raise PolicyError(f"{where.place}: {_unknown(key, known)}")
    for key, example in (("control", '"tls-01"'), ("reason", '"…"'), ("expires", "2030-12-31")):
        if key not in table:
            raise PolicyError(f"{where.place}: add {key} = {example}")
    checked = {key: known[key](value, Where(where.place, key)) for key, value in table.items()}
    if "finding" not in checked and checked["control"] not in ONLY_FINDING:
        raise PolicyError(
            f'{where.place}: add finding = "…": {checked["control"]} can have several, and a waiver of one must not '
            "hide another (the code stands behind the finding's severity, in JUnit as nodered_sec.findings)"
        )
    return checked.pop("target", ""), Waiver(**checked)


def _group(table: Any, path: Path, name: str, targets: Sequence[TargetTable]) -> tuple[str, dict[str, Any]]:
    place = f"{name}: [[group]]"
    if not isinstance(table, dict) or "label" not in table:
        raise PolicyError(f'{place}: add label = "NAME=VALUE", by which targets belong to it')
    selector = _selector(table["label"], Where(place, "label"))
    if not any(one.chosen_by(selector, "") for one in targets):
        raise PolicyError(f"{place}: no [[target]] has the label {selector}")
    rest = {key: value for key, value in table.items() if key != "label"}
    values = _values(rest, Where(f"{place} {selector}", ""), path, others=("label",))
    for key in _NOT_SHARED:
        if key in values:
            raise PolicyError(f"{place} {selector}: {key} belongs to one target; move it below a [[target]]")
    return selector, values


# --- what holds for one target -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effective:
    """The values that hold for one target, and which layer each came from; keys as in `KEYS`."""

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def get(self, key: str) -> Any:
        """Return a value, None where nothing holds."""
        return self.values.get(key)


def effective(layers: Iterable[tuple[str, Mapping[str, Any]]]) -> Effective:
    """Lay the layers over each other, the strongest first; defaults come last."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in (*layers, ("default", DEFAULTS)):
        for key, value in layer.items():
            if key not in values:
                values[key], sources[key] = value, source
    return Effective(values, sources)


def policy_of(name: str, found: Effective) -> Policy:
    """Build the policy of one target.

    Raises:
        PolicyError: a weaker threshold without a reason, or values that contradict each other.
    """
    values = found.values
    profile: Profile = values["profile"]
    thresholds, deviations = _thresholds_of(name, profile, values)
    dashboards, public = _dashboards_of(values)
    interfaces = values.get("interfaces", [])
    public += tuple(PublicPath(one["path"], one["reason"]) for one in interfaces if one.get("public"))
    protected = tuple(Endpoint(**one) for one in values.get("protected_paths", []))
    guess = values.get("guess", True)
    guessing = guess if isinstance(guess, bool) else guess["value"]
    if not guessing:
        deviations.append(Deviation("guess", "false", "true", guess["reason"]))
    deviations.extend(Deviation("public_paths", toml(one.path), "a login", one.reason) for one in public)
    policy = Policy(
        profile=profile,
        editor=values["editor"],
        admin_api=values["admin_api"],
        dashboards=dashboards,
        login_urls=tuple(values["login_urls"]),
        protected_paths=protected,
        public_paths=public,
        websockets=tuple(values.get("websockets", [])),
        closed_ports=tuple(values["closed_ports"]),
        interfaces=tuple(Interface(one["kind"], one["path"]) for one in interfaces),
        known_credentials=tuple((one["username"], one["password"]) for one in values.get("known_credentials", [])),
        guess=guessing,
        login_realm=values.get("login_realm", ""),
        pace=values["pace"],
        mode=values["mode"],
        join_channels=values["join_channels"],
        host=_host_demands(values),
        issuer=values.get("issuer", ""),
        mutual_tls=values["mutual_tls"],
        revocation=values["revocation"],
        certificate=values.get("sha256", ""),
        stale_waivers=values["stale_waivers"],
        own_thresholds=None if thresholds == PROFILES[profile] else thresholds,
        deviations=tuple(deviations),
    )
    _check_consistent(name, policy)
    return policy


def _thresholds_of(name: str, profile: Profile, values: Mapping[str, Any]) -> tuple[Thresholds, list[Deviation]]:
    demanded = PROFILES[profile]
    own: dict[str, Any] = {}
    deviations: list[Deviation] = []
    for key in THRESHOLDS:
        given = values.get(f"thresholds.{key}")
        if given is None:
            continue
        asked = getattr(demanded, key)
        value = tuple(given["value"]) if isinstance(given["value"], list) else given["value"]
        if WEAKER[key](value, asked):
            if "reason" not in given:
                raise PolicyError(
                    f"target {name}: thresholds.{key} = {toml(value)} is weaker than {toml(asked)} of profile "
                    f'{profile}: write {key} = {{value = {toml(value)}, reason = "…"}}'
                )
            deviations.append(Deviation(f"thresholds.{key}", toml(value), toml(asked), given["reason"]))
        own[key] = value
    return replace(demanded, **own), deviations


def _host_demands(values: Mapping[str, Any]) -> HostDemands:
    own: dict[str, Any] = {key.removeprefix("inside."): one for key, one in values.items() if key.startswith("inside.")}
    demands: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in own.items()}
    return HostDemands(**demands)


def _dashboards_of(values: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, tuple[PublicPath, ...]]:
    named = values.get("dashboards")
    public = [PublicPath(one["path"], one["reason"]) for one in values.get("public_paths", [])]
    if named is None:
        return None, tuple(public)
    public += [PublicPath(one["path"], one["reason"]) for one in named if isinstance(one, dict)]
    paths = (one["path"] if isinstance(one, dict) else one for one in named)
    return tuple(dict.fromkeys(paths)), tuple(public)


def _check_consistent(name: str, policy: Policy) -> None:
    public = {one.path for one in policy.public_paths}
    for path in (*(one.path for one in policy.protected_paths), *policy.websockets):
        if path in public:
            raise PolicyError(f"target {name}: {path} is declared public and protected; decide")
    asked = [(one.method, one.path) for one in policy.protected_paths]
    for method, path in asked:
        if asked.count((method, path)) > 1:
            raise PolicyError(f"target {name}: protected_paths names {method} {path} twice; leave one")
    for port in policy.closed_ports:
        if policy.closed_ports.count(port) > 1:
            raise PolicyError(f"target {name}: closed_ports names {port} twice; leave one")
    for one in policy.interfaces:
        if policy.interfaces.count(one) > 1:
            raise PolicyError(f"target {name}: interfaces names {one.kind} {one.path} twice; leave one")
    if policy.editor == "protected" and policy.admin_api == "disabled":
        raise PolicyError(
            f'target {name}: editor = "protected" needs the admin API, but admin_api = "disabled"; change one of them'
        )
    thresholds = policy.thresholds
    if not set(thresholds.tls_offered) <= set(thresholds.tls_accepted):
        raise PolicyError(
            f"target {name}: thresholds.tls_offered = {toml(thresholds.tls_offered)} names a version that "
            f"tls_accepted = {toml(thresholds.tls_accepted)} forbids"
        )


# --- the way back to text ----------------------------------------------------------------------------------------


def toml(value: Any) -> str:
    """Return a value as TOML 1.0 text, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_bare(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _bare(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def described(target: Target, prepared: Target | None, sources: Mapping[str, str]) -> str:
    """Return what holds for one target as TOML that can be read back, each value with its source; no secrets.

    Args:
        target: as the run uses it.
        prepared: as the settings made it, None for a target that only the hook knows.
        sources: where the values of `prepared` came from.
    """
    before = _values_of(prepared) if prepared else {}
    lines = ["[[target]]", f"name = {toml(target.name)}", f"url = {toml(target.url)}"]
    lines += [f"labels = {toml(dict(target.labels))}"] if target.labels else []
    for key, value in _values_of(target).items():
        if value in (None, "", [], (), {}) and not DEFAULTS.get(key):  # an empty list says something there
            continue
        section, _, name = key.rpartition(".")
        if section and f"[target.{section}]" not in lines:
            lines += _not_shown(target, sources) if section == "thresholds" else []  # the first table of the two
            lines.append(f"[target.{section}]")
        default = f"profile {target.policy.profile}" if section == "thresholds" else "default"
        source = sources.get(key, default) if prepared and before.get(key) == value else "hook"
        lines.append(f"{name} = {toml(value)}  # {source}")
    for waiver in target.policy.waivers:
        lines.append("[[target.waiver]]")
        lines += [f"{key} = {toml(value)}" for key, value in asdict(waiver).items() if value]
    return "\n".join(lines) + "\n"


def _not_shown(target: Target, sources: Mapping[str, str]) -> list[str]:
    lines = [f"# credentials: {sources.get('credentials', 'environment or hook')}"] if target.credentials else []
    pairs = len(target.policy.known_credentials)
    return lines + ([f"# known_credentials: {pairs} more than the bundled ones"] if pairs else [])


def _values_of(target: Target) -> dict[str, Any]:
    """Return a target as the values of the policy file's keys, thresholds last."""
    policy = target.policy
    dashboards = None if policy.dashboards is None else [_public(policy, path) for path in policy.dashboards]
    interfaces = [{"kind": one.kind} | _table_of(policy, one.path) for one in policy.interfaces]
    own = {*(policy.dashboards or ()), *(one.path for one in policy.interfaces)}
    reasons = {one.key: one.reason for one in policy.deviations}
    values: dict[str, Any] = {
        "profile": policy.profile,
        "editor": policy.editor,
        "admin_api": policy.admin_api,
        "admin_root": target.admin_root,
        "node_root": target.node_root,
        "dashboards": "none" if dashboards == [] else dashboards,
        "login_urls": policy.login_urls,
        "protected_paths": [asdict(one) for one in policy.protected_paths],
        "public_paths": [asdict(one) for one in policy.public_paths if one.path not in own],
        "websockets": policy.websockets,
        "interfaces": interfaces,
        "guess": True if policy.guess else {"value": False, "reason": reasons.get("guess", "set by the hook")},
        "login_realm": policy.login_realm,
        "pace": policy.pace,
        "mode": policy.mode,
        "join_channels": policy.join_channels,
        "http_port": target.http_port,
        "direct_port": target.direct_port,
        "closed_ports": policy.closed_ports,
        "ca_file": target.ca_file,
        "sha256": policy.certificate,
        "issuer": policy.issuer,
        "mutual_tls": policy.mutual_tls,
        "revocation": policy.revocation,
        "connect": target.connect,
        "host": target.host and without_private_paths(target.host),
        "timeout": target.timeout,
        "stale_waivers": policy.stale_waivers,
    }
    for name, value in asdict(policy.thresholds).items():
        key = f"thresholds.{name}"
        values[key] = {"value": value, "reason": reasons[key]} if key in reasons else value
    defaults = asdict(HostDemands())
    changed = {name: value for name, value in asdict(policy.host).items() if value != defaults[name]}
    return values | {f"inside.{name}": value for name, value in changed.items()}


def _table_of(policy: Policy, path: str) -> dict[str, Any]:
    reason = policy.public_reason(path)
    return {"path": path, "public": True, "reason": reason} if reason else {"path": path}


def _public(policy: Policy, path: str) -> Any:
    table = _table_of(policy, path)
    return table if "public" in table else path


def digest(policy: Policy) -> str:
    """Return the SHA-256 of a policy, as lower-case hex: the same for the same demands, wherever they were written."""
    plain = asdict(replace(policy, own_thresholds=policy.thresholds))
    plain["known_credentials"] = [username for username, _ in policy.known_credentials]  # a digest can be guessed at
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()
