"""nginx's whole configuration, from the text of `nginx -T` to a tree of directives with includes resolved."""

from __future__ import annotations

import re
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.observations.host_proxies import Directive

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE: Final = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
_DEPTH: Final = 20


def tree(text: str, sizes: Mapping[str, int] | None = None) -> tuple[Directive, ...]:
    """Parse what `nginx -T` printed.

    Args:
        text: its output.
        sizes: of the files in bytes, as far as they are known: what looks like the head of a file inside another is not
            taken for one.

    Raises:
        ProbeError: it holds no configuration, its files cannot be told apart, or crossplane cannot read it.
    """
    files = _files(text, sizes or {})
    parsed = {name: _parse(name, body) for name, body in files.items()}
    main = next(iter(files))
    return _resolved(parsed[main], main, parsed, str(PurePosixPath(main).parent), _DEPTH)


def _files(text: str, sizes: Mapping[str, int]) -> dict[str, str]:
    """Return the files in the order in which nginx read them, each by its name."""
    parts = _FILE.split(text)
    heads, bodies = parts[1::2], parts[2::2]
    if not heads:
        raise ProbeError("nginx -T printed no configuration", Cause.PROTOCOL)
    files: dict[str, str] = {}
    while heads:
        name, body = heads.pop(0), bodies.pop(0)
        size = sizes.get(name)
        while size is not None and len(_content(body).encode()) < size and heads:
            body += f"# configuration file {heads.pop(0)}:{bodies.pop(0)}"
        if name in files or (size is not None and len(_content(body).rstrip().encode()) > size):
            raise ProbeError(f"the files in the output of nginx -T cannot be separated at {name}", Cause.PROTOCOL)
        files[name] = body
    return files


def _content(body: str) -> str:
    """Return a file's own text: nginx prints a line's end after the head, and another after the file."""
    return body.removeprefix("\n")


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
    blocks: list[dict[str, Any]] = payload["config"][0]["parsed"]
    return blocks


def _resolved(
    raw: list[dict[str, Any]], file: str, parsed: dict[str, list[dict[str, Any]]], prefix: str, depth: int
) -> tuple[Directive, ...]:
    if not depth:
        raise ProbeError(f"nginx's includes form a loop at {file}", Cause.PROTOCOL)
    result: list[Directive] = []
    for entry in raw:
        if entry["directive"] == "include":
            pattern = str(PurePosixPath(prefix) / entry["args"][0])
            for name in parsed:
                if name == pattern or (_same_depth(name, pattern) and fnmatchcase(name, pattern)):
                    result.extend(_resolved(parsed[name], name, parsed, prefix, depth - 1))
            continue
        block = _resolved(entry.get("block", []), file, parsed, prefix, depth)
        result.append(Directive(entry["directive"], tuple(entry["args"]), block, file, entry["line"]))
    return tuple(result)


def _same_depth(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/")  # glob's * does not match a slash


def ports_of(directives: tuple[Directive, ...]) -> set[str]:
    """Return the ports that an nginx listens on, as written."""
    return {address.rpartition(":")[2] for address in named(directives, "listen")}


def words_of(directives: tuple[Directive, ...]) -> list[str]:
    """Return every argument of directives, and of those within them."""
    return [word for directive in directives for word in (*directive.args, *words_of(directive.block))]


def named(directives: tuple[Directive, ...], name: str) -> list[str]:
    """Return the first argument of every directive of a name, wherever it stands."""
    here = [directive.args[0] for directive in directives if directive.name == name and directive.args]
    return here + [path for directive in directives for path in named(directive.block, name)]
