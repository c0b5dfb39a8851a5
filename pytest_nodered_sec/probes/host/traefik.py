"""Traefik's configuration, from YAML, TOML or its flags to a tree: a directive for each key, what is below it inside.

The static configuration comes first, then what the file provider reads. Accounts, headers' values and certificates are
left out. Keys keep their letters; Traefik does not tell them apart by case, nor does the walk.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_proxies import Directive

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDINGS: Final = ("toml", "yaml", "yml")  # of its files, in the order in which it looks for them
_MOST: Final = 50_000  # aliases in YAML may stand for more than a file holds
_LEFT_OUT: Final = ("certificates", "stores", "certificatesresolvers", "accesslog", "log", "metrics", "tracing")
_HIDDEN: Final = ("users", "password", "key", "cert", "token", "secret")
_NAMES_ONLY: Final = ("customrequestheaders", "customresponseheaders")


def flags(args: Sequence[str]) -> dict[str, Any]:
    """Return what flags say, as a table of tables."""
    result: dict[str, Any] = {}
    for arg in args:
        if not arg.startswith("--"):
            continue
        path, equals, value = arg[2:].partition("=")
        *above, last = path.split(".")
        inside = result
        for key in above:
            inside = inside.setdefault(key.lower(), {})
            if not isinstance(inside, dict):
                raise ProbeError(f"Traefik: --{path} and a flag above it: not judged", Cause.PROTOCOL)
        inside[last.lower()] = value.split(",") if "," in value else value if equals else "true"
    return result


def table(file: str, text: str) -> dict[str, Any]:
    """Return the tables of a file.

    Raises:
        ProbeError: it cannot be read.
    """
    if "{{" in text:
        raise ProbeError(f"{file}: templates ({{{{ }}}}) are not followed: Traefik was not judged", Cause.PROTOCOL)
    read: Any
    if file.endswith(".toml"):
        try:
            read = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ProbeError(f"{file} is no TOML: {error}", Cause.PROTOCOL) from None
    else:
        try:
            import yaml
        except ImportError:
            raise ProbeError(
                f"{file}: Traefik's YAML is read by PyYAML, which is not installed: pip install "
                "'pytest-nodered-sec[host]'",
                Cause.UNAVAILABLE,
            ) from None
        try:
            read = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            where = getattr(error, "problem_mark", None)
            line = f", line {where.line + 1}" if where else ""
            raise ProbeError(f"{file} is no YAML{line}", Cause.PROTOCOL) from None
    if read is not None and not isinstance(read, dict):
        raise ProbeError(f"{file} holds no table", Cause.PROTOCOL)
    return read or {}


def providers(static: dict[str, Any]) -> list[str]:
    """Return what a static configuration takes routes from."""
    values = next((value for key, value in static.items() if key.lower() == "providers"), None)
    known = values if isinstance(values, dict) else {}
    return [str(key).lower() for key in known if str(key).lower() not in ("providersthrottleduration", "precedence")]


def provider(static: dict[str, Any]) -> dict[str, str]:
    """Return what the file provider is told."""
    values: Any = static
    for name in ("providers", "file"):
        values = next((value for key, value in values.items() if str(key).lower() == name), None)
        if not isinstance(values, dict):
            return {}
    return {str(key).lower(): _text(str(key), value) for key, value in values.items() if value is not None}


def tree(name: str, file: str, values: dict[str, Any]) -> Directive:
    """Return a table as a directive of a name.

    Raises:
        ProbeError: it is too large.
    """
    return Directive(name, (), _Tree(file).block(values), file)


class _Tree:
    def __init__(self, file: str) -> None:
        self.file = file
        self.left = _MOST

    def block(self, values: dict[str, Any], *, bare: bool = False) -> tuple[Directive, ...]:
        return tuple(
            self.directive(str(key), None if bare else value)
            for key, value in values.items()
            if str(key).lower() not in _LEFT_OUT
        )

    def directive(self, name: str, value: Any) -> Directive:
        self.left -= len(value) if isinstance(value, list) else 1
        if self.left < 0:
            raise ProbeError(f"{self.file} holds more than {_MOST} values: not judged", Cause.PROTOCOL)
        if isinstance(value, dict):
            return Directive(name, (), self.block(value, bare=name.lower() in _NAMES_ONLY), self.file)
        if isinstance(value, list):
            if any(isinstance(item, (dict, list)) for item in value):
                return Directive(name, (), tuple(self.directive("-", item) for item in value), self.file)
            return Directive(name, tuple(_text(name, item) for item in value), (), self.file)
        return Directive(name, () if value is None else (_text(name, value),), (), self.file)


def _text(name: str, value: Any) -> str:
    if name.lower() in _HIDDEN:
        return "(hidden)"
    return str(value).lower() if isinstance(value, bool) else str(value)
