"""The shape of what the program on the host (settings.js) prints: what has another one is no answer.

That program runs as Node-RED's user, who may print in its place what he likes. So nothing of it is used before it is
known to be text where text is used, and a number where a number is. Texts are made fit for one line. The flows are left
as they are: probes/flows reads them as what anybody sends.

A shape is a type; a list of one shape, for any number of such; a tuple of shapes, for a row, or of `None` and one, for
what may be null; a dict of shapes by key, of which those with "?" may be missing, or by `str`, for any keys; or a
function that returns a shape, for what holds its like.
"""

from __future__ import annotations

from typing import Any, Final

from pytest_nodered_sec import redaction
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.texts import in_one_line

_LONGEST: Final = 4096  # characters of a text: PATH_MAX
_LARGEST: Final = 1 << 53  # of a number, as JavaScript counts


def _keys(words: str, shape: Any) -> dict[str, Any]:  # Any: a shape, or JSON, here and below
    return {word: shape for word in words.split()}


_GUARDED: Final = {"kind": str, "module": str}
_HASH: Final = {"scheme": str, "cost": int, "known": str, "mark": str}
_BASIC: Final = {**_GUARDED, "hash": _HASH}
_GUARDS: Final = {"middleware": str, "ioMiddleware": str}
_CHANGED: Final = [{"path": str, "changed": int}]
_WORDS: Final = (
    "uiPort httpAdminRoot httpNodeRoot httpRoot webSocketNodeVerifyClient paletteInstall paletteUpload paletteEditable "
    "moduleInstall functionExternalModules telemetry assistant credentialSecret"
)
_SETTINGS: Final = {
    **_keys(_WORDS, str),
    "disableEditor": bool,
    "audit": bool,
    "catalogues": (None, [str]),
    "adminCookie": [str],
    "cors": [str],
    "ui": {"path": str, **_GUARDS},
    "dashboard": _GUARDS,
    "httpAdminAuth": _BASIC,
    "httpNodeAuth": _BASIC,
    "httpStaticAuth": _BASIC,
    "adminAuth": {
        **_GUARDED,
        "type": str,
        "users": [{"permissions": str, "hash": _HASH}],
        "usersKind": str,
        "decides": [str],
        "defaultKind": str,
        "defaultPermissions": str,
    },
}
_STEP: Final = {
    "path": str, "mode": int, "uid": int, "gid": int, "folder": bool, "own": bool, "mount": bool, "acl": bool
}  # fmt: skip
_MATCH: Final[dict[str, Any]] = {
    **_keys("hosts paths methods networks forwarded headers unread", [str]),
    **_keys("pattern name protocol", str),
    "not": lambda: [_MATCH],
    "statuses": [int],
    "files": bool,
}
_ROUTES: Final = [{"sets": [_MATCH], "group": str, "last": bool, "steps": lambda: [_CADDY_STEP]}]
_CADDY_STEP: Final[dict[str, Any]] = {
    **_keys("kind name uri prefix suffix", str),
    "dials": [str],
    "swaps": [(str, str, int)],
    "patterns": [(str, str)],
    "status": int,
    "passes": bool,
    "gathers": bool,
    "routes": _ROUTES,
    "errors": _ROUTES,
    "answers": [{"statuses": [int], "routes": _ROUTES}],
}
_CADDY: Final = {
    "name": str,
    "listen": [str],
    "dials": [{"dial": str, "secure": bool}],
    "routes": _ROUTES,
    "errors": _ROUTES,
    "tls": bool,
    "named": [(str, _ROUTES[0])],
    "certificates": [str],
    "trusts": [str],
    "raw": bool,
    "relays": [str],
}
_KEPT: Final = {
    "args": [str],
    "restarts": (None, bool),
    "starts": (None, bool),
    "files": [str],
    "trouble": str,
}
_UNSEEN: Final = {"trouble": str, "file?": str, "starter?": str, "others?": [str], "kept?": _KEPT}
_SEEN: Final = {
    "settings": _SETTINGS,
    "form": str,
    "asked": [str],
    "secretVariables": [str],
    "file": str,
    "userDir": str,
    "guessed": bool,
    "named": bool,
    "others": [str],
    "starter": str,
    "loaded": _CHANGED,
    "kinds": {str: [{"steps": [_STEP]}]},
    "apart": {str: str},
    "groups": {str: {"members": [str]}},
    "types": {"known": bool, "dashboard1": bool, "dashboard2": bool, "pages": [str], "webSockets": [str]},
    "nodes": [{"name": str, "version": str, "marks": [(str, str, str)], "whole": bool}],
    "lock": {
        **_keys("folder lock broken", str),
        **_keys("packages unlocked registries elsewhere scripts", [str]),
        "version": int,
        "silent": bool,
    },
    "ownUnit": {str: str},
    "kept": _KEPT,
    "versions": {"node": str, "nodeRed": str, "modules": [(str, str)], "packages": _CHANGED},
    "telemetry": {"chosen": str, "silenced": bool, "instance?": str, "secret?": str},
    "port": str,
    "define": bool,
    "inspectors": [int],
    "caddies": [{"file": str}],
    "flows": {"file": str, "trouble?": str},
}


class _OtherShape(Exception):
    """Something has another shape; says where."""


def checked(seen: dict[str, Any]) -> dict[str, Any]:
    """Return of what the program printed what is used, each in its shape.

    Args:
        seen: what it printed: the settings, or why they cannot be evaluated.

    Raises:
        ProbeError: something has another shape.
    """
    try:
        if "settings" not in seen:
            return _table(seen, _UNSEEN, "")
        result = _table(seen, _SEEN, "")
        result["caddies"] = [
            _caddy(raw, name["file"]) for raw, name in zip(seen["caddies"], result["caddies"], strict=True)
        ]
        result["flows"] = {**seen["flows"], **result["flows"]}
    except (_OtherShape, RecursionError) as error:
        place = str(error) if isinstance(error, _OtherShape) else "some depth"
        raise ProbeError(
            f"what the host's Node.js printed has another form than its program gives it (at {place}), so nothing of "
            "it is used: something that Node-RED's user can change printed in its place",
            Cause.PROTOCOL,
        ) from None
    return result


def _caddy(raw: Any, file: str) -> dict[str, Any]:
    """Return what one Caddy serves; of another shape it costs no more than that."""
    try:
        return _table(raw, {"file": str, "servers": [_CADDY], "trouble": str}, "caddies")
    except (_OtherShape, RecursionError):
        return {"file": file, "servers": [], "trouble": "its configuration came back in another form"}


def _taken(value: Any, shape: Any, place: str) -> Any:
    if isinstance(shape, tuple) and shape[0] is None:
        return None if value is None else _taken(value, shape[1], place)
    if isinstance(shape, type):
        return _value(value, shape, place)
    if callable(shape):
        return _taken(value, shape(), place)
    if isinstance(shape, dict):
        return _table(value, shape, place)
    if not isinstance(value, list) or (isinstance(shape, tuple) and len(value) != len(shape)):
        raise _OtherShape(place)
    if isinstance(shape, list):
        return [_taken(item, shape[0], place) for item in value]
    return [_taken(item, each, place) for item, each in zip(value, shape, strict=True)]


def _value(value: Any, kind: type, place: str) -> Any:
    if type(value) is not kind or (isinstance(value, int) and abs(value) > _LARGEST):
        raise _OtherShape(place)
    return redaction.in_one_line(value, _LONGEST) if isinstance(value, str) else value


def _table(value: Any, shape: dict[Any, Any], place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _OtherShape(place or "the start")
    if str in shape:
        return {in_one_line(key, _LONGEST): _taken(item, shape[str], place) for key, item in value.items()}
    result = {}
    for key, each in shape.items():
        name = key.removesuffix("?")
        if name in value:
            result[name] = _taken(value[name], each, f"{place}.{name}" if place else name)
        elif name == key:
            raise _OtherShape(f"{place}.{name}" if place else name)
    return result
