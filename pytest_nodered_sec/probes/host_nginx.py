"""nginx's whole configuration, from the text of `nginx -T` to a tree of directives with includes resolved."""

from __future__ import annotations

import re
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model_host import Directive

_FILE: Final = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
_DEPTH: Final = 20


def tree(text: str) -> tuple[Directive, ...]:
    """Parse what `nginx -T` printed.

    Raises:
        ProbeError: it holds no configuration, or crossplane cannot read it.
    """
    parts = _FILE.split(text)
    files = dict(zip(parts[1::2], parts[2::2], strict=True))
    if not files:
        raise ProbeError("nginx -T printed no configuration", Cause.PROTOCOL)
    parsed = {name: _parse(name, body) for name, body in files.items()}
    main = parts[1]
    return _resolved(parsed[main], main, parsed, str(PurePosixPath(main).parent), _DEPTH)


def _parse(name: str, body: str) -> list[dict[str, Any]]:
    """Parse one file; crossplane reads from disk, so the text lies in a directory of ours for that long."""
    import crossplane

    with tempfile.TemporaryDirectory(prefix="nodered-sec-") as folder:
        path = Path(folder) / "nginx.conf"
        path.write_text(body.removeprefix("\n"), encoding="utf-8")
        payload = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False)
    if payload["errors"]:
        what = str(payload["errors"][0]["error"]).replace(str(path), name)
        raise ProbeError(f"nginx's configuration cannot be parsed: {what}", Cause.PROTOCOL)
    found: list[dict[str, Any]] = payload["config"][0]["parsed"]
    return found


def _resolved(
    raw: list[dict[str, Any]], file: str, parsed: dict[str, list[dict[str, Any]]], prefix: str, depth: int
) -> tuple[Directive, ...]:
    if not depth:
        raise ProbeError(f"nginx's includes go in a circle at {file}", Cause.PROTOCOL)
    result: list[Directive] = []
    for one in raw:
        if one["directive"] == "include":
            pattern = str(PurePosixPath(prefix) / one["args"][0])
            for name in parsed:
                if name == pattern or (_same_depth(name, pattern) and fnmatchcase(name, pattern)):
                    result.extend(_resolved(parsed[name], name, parsed, prefix, depth - 1))
            continue
        block = _resolved(one.get("block", []), file, parsed, prefix, depth)
        result.append(Directive(one["directive"], tuple(one["args"]), block, file, one["line"]))
    return tuple(result)


def _same_depth(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/")  # glob's * does not match a slash
