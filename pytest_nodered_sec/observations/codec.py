"""Frozen values as JSON and back: observations, targets and policies in an evidence folder.

Each value names its class, so that a reader needs no separate schema; only the plugin's own classes are created from a
file. A field added since gets its default; an unknown field or class is an error.
"""

from __future__ import annotations

import enum
import functools
import importlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA: Final = 1  # of what `encode` writes; a change that older readers cannot take adds one
_CLASS: Final = ""  # key of the class's name: no field is called so
_VALUE: Final = "is"
_PLAIN: Final = (bool, int, type(None))


class CodecError(ValueError):
    """A text that this plugin, or this version of it, did not write: one sentence."""


def _as_it_is(text: str, _: str) -> str:
    return text


def encode(
    value: Any, clean: Callable[[str, str], str] = _as_it_is, name: str = ""
) -> Any:  # Any, here and below: of an observation, and JSON
    """Return a value in the form that `json` can write.

    Args:
        value: an observation, a target, or a part of one.
        clean: what becomes of a text, given the name of its field; names of classes and fields, members of an enum and
            times are none.
        name: of the field that holds the value, "" for none.

    Raises:
        TypeError: it holds what no observation should hold.
    """
    if isinstance(value, enum.Enum):
        return {_CLASS: type(value).__name__, _VALUE: value.name}
    if isinstance(value, str):
        return clean(value, name)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else {_CLASS: "float", _VALUE: str(value)}
    if isinstance(value, (tuple, list)):
        return [encode(item, clean, name) for item in value]
    if isinstance(value, frozenset):
        return {_CLASS: "frozenset", _VALUE: sorted((encode(item, clean, name) for item in value), key=repr)}
    if isinstance(value, (datetime, date)):
        return {_CLASS: type(value).__name__, _VALUE: value.isoformat()}
    if isinstance(value, Mapping):
        return {
            _CLASS: "dict",
            _VALUE: [[encode(key, clean, name), encode(item, clean, name)] for key, item in value.items()],
        }
    if isinstance(value, ProbeError):
        return {_CLASS: "ProbeError", "message": clean(value.message, "message"), "cause": value.cause.name}
    if is_dataclass(value) and type(value) is _classes().get(type(value).__name__):
        return {_CLASS: type(value).__name__} | {
            field.name: encode(getattr(value, field.name), clean, field.name) for field in fields(value)
        }
    raise TypeError(f"{type(value).__name__} cannot be part of an observation")


def knows(value: object) -> bool:
    """Whether a value's class belongs to the plugin, not to the site."""
    return isinstance(value, ProbeError) or type(value) is _classes().get(type(value).__name__)


def decode(value: Any) -> Any:
    """Return the value that was given to `encode`; lists become tuples.

    Raises:
        CodecError: it was not written by `encode`, or by that of another version.
    """
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    name = value.get(_CLASS)
    try:
        return _made(name, value)
    except (KeyError, TypeError, ValueError) as error:
        raise CodecError(f"{name!r} cannot be read by this version: {error}") from None


def _made(name: Any, value: dict[str, Any]) -> Any:
    if name == "ProbeError":
        return ProbeError(str(value["message"]), Cause[value["cause"]])
    if name in _BUILT_IN:
        return _BUILT_IN[name](value[_VALUE])
    kind = _classes()[name]
    if issubclass(kind, enum.Enum):
        return kind[value[_VALUE]]
    return kind(**{key: decode(item) for key, item in value.items() if key != _CLASS})


_BUILT_IN: Final[dict[str, Callable[[Any], Any]]] = {
    "float": float,
    "frozenset": lambda items: frozenset(decode(items)),
    "dict": lambda pairs: dict(decode(pairs)),
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


@functools.cache
def _classes() -> dict[str, type[Any]]:
    """Return the classes by name: those of every module here, and of the modules named below.

    By bare name, so that a class may move; two classes with the same name are an error unless they are never stored.
    """
    types: dict[str, type[Any]] = {}
    here = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in ("__init__", "codec"))
    below = ("errors", "model", "policy.model", "policy.attestation", "data.suites")
    names = (*below, *(f"observations.{name}" for name in here))
    for name in names:
        module = importlib.import_module(f"pytest_nodered_sec.{name}")
        for member in vars(module).values():
            ours = isinstance(member, type) and member.__module__ == module.__name__
            if not ours or not (is_dataclass(member) or issubclass(member, enum.Enum)):
                continue
            if types.setdefault(member.__name__, member) is not member:
                raise TypeError(f"two values are called {member.__name__}; an evidence folder refers to them by name")
    return types
