"""In how many spellings a secret may stand in a text: as it was written, escaped, encoded, in other letters, in part.

What can be spelled out beforehand is in `forms`; what cannot, because each letter may be escaped or not, is found by
reading a text as its reader would (`readings`), or by any few letters in sequence (`Parts`). Pure; knows no secret.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DEEP: Final = 4  # JSON in JSON in a page
_LETTERS: Final = 5  # in sequence, by which a part is found; with a look at each _STRIDEth place of a text
_STRIDE: Final = 3
SHORTEST: Final = _LETTERS + _STRIDE - 1  # characters, so that one such sequence lies in it wherever it stands
_AGAIN: Final = 8  # places in secrets that one sequence is known at; a target may issue tokens of few letters
_ENCODED: Final = 4  # bytes of what is looked for encoded
_END: Final = 10  # characters before and behind a cut; pytest shows twelve and thirteen
_FRAGMENT: Final = 16  # characters that nobody writes by chance, if they look like chance

_ESCAPED: Final = re.compile(
    r"&(?:#(?P<decimal>\d{1,7})|#[xX](?P<entity>[0-9a-fA-F]{1,6})|(?P<name>[A-Za-z][A-Za-z0-9]{1,31}));"
    r"|%(?P<url>[0-9a-fA-F]{2})"
    r"|\\(?:u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2})|(?P<char>.))"
)
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "b": "\b"}
_BYTES: Final = re.compile(r"[0-9a-fA-F]{2}(?:(?:[: -]|, ?)(?:0x)?[0-9a-fA-F]{2}){3,}")
_BROKEN: Final = re.compile(r"['\"](?=\r?\n)|\r?\n(?:[E+>|-]?[ \t]+)?['\"]?")  # with quotes, as pytest breaks texts
_MARKS: Final = {_ESCAPED: "&%\\", _BYTES: ":x, -", _BROKEN: "\n"}  # without which there is none
_BEFORE_CUT: Final = ("…", "...")  # as texts are shortened, by us and by pytest
_RANDOM: Final = re.compile(rf"[0-9A-Za-z+/_-]{{{_FRAGMENT},}}")


class Reading:
    """A text as somebody reads it.

    Args:
        came: the text as it came, or as it was read before.
        pattern: what is read otherwise than it is written; None where nothing is.
    """

    def __init__(self, came: Reading | str, pattern: re.Pattern[str] | None = None) -> None:
        self._came = came
        self._pattern = pattern
        before = came if isinstance(came, str) else came.text
        self.text: str = pattern.sub(_read, before) if pattern else before

    def span(self, first: int, behind: int) -> tuple[int, int]:
        """Return the place in the text as it came of a part of this reading."""
        if isinstance(self._came, str):
            return first, behind
        begins, ends = self._places
        return self._came.span(begins[first], ends[behind - 1])

    @functools.cached_property  # nearly always nothing is found, and nobody asks
    def _places(self) -> tuple[list[int], list[int]]:
        """Where each character begins and ends in what was read."""
        assert isinstance(self._came, Reading)  # noqa: S101  for the type checker
        assert self._pattern is not None  # noqa: S101  as above
        begins: list[int] = []
        ends: list[int] = []
        done, before = 0, self._came.text
        for match in self._pattern.finditer(before):
            letters, (first, behind) = _read(match), match.span()
            bounds = [first + (behind - first) * number // len(letters) for number in range(len(letters))]
            begins += (*range(done, first), *bounds)
            ends += (*range(done + 1, first + 1), *bounds[1:], *[behind][: len(letters)])
            done = behind
        return [*begins, *range(done, len(before))], [*ends, *range(done + 1, len(before) + 1)]


def forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is, and as Python, JSON and HTML write it."""
    yield from (secret, repr(secret)[1:-1], secret.replace("\\", "\\\\").replace('"', '\\"'))
    yield from (ascii(secret)[1:-1], secret.encode("unicode_escape").decode())  # the latter of ids of parameters
    yield from (json.dumps(secret, ensure_ascii=plain)[1:-1] for plain in (True, False))
    yield from (html.escape(secret), html.escape(secret, quote=False), html.escape(secret).replace("&#x27;", "&#39;"))


def encoded(secret: str) -> Iterator[str]:
    """Yield a secret as hexadecimal digits, in Base64, and what is the same of that whatever stands beside it.

    None of a secret so short that numbers and words would be taken for it.
    """
    for raw in {secret.encode(errors="surrogateescape"), secret.encode("latin-1", errors="replace")}:
        if len(raw) < _ENCODED:
            continue
        yield raw.hex()
        for before in range(3):
            whole = base64.b64encode(bytes(before) + raw).decode()
            core = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
            yield from [core] if len(core) >= SHORTEST else []
        yield base64.b64encode(raw).decode().rstrip("=")


def readings(text: str) -> Iterator[Reading]:
    """Yield a text as it came, then without escapes of HTML, URLs and JSON, layer by layer, and of bytes as digits.

    The last one is without line breaks, too. An escaped byte is read as Latin-1, as header fields are.
    """
    reading = Reading(text)
    yield reading
    for pattern in (*(_ESCAPED,) * _DEEP, _BYTES, _BROKEN):
        if any(mark in reading.text for mark in _MARKS[pattern]):
            plainer = Reading(reading, pattern)
            if plainer.text != reading.text:
                reading = plainer
                yield reading


def _read(match: re.Match[str]) -> str:
    """Return what an escape stands for."""
    if match.re is _BROKEN:
        return ""
    if match.re is _BYTES:
        return "".join(chr(int(byte[-2:], 16)) for byte in re.findall("(?:0x)?[0-9a-fA-F]{2}", match[0]))
    kind, digits = str(match.lastgroup), match[str(match.lastgroup)]
    if kind == "name":
        return html.unescape(match[0])
    if kind == "char":
        return _CONTROLS.get(digits, digits)
    number = int(digits, {"decimal": 10, "octal": 8}.get(kind, 16))
    return chr(number) if number < 0x110000 else match[0]


class Parts:
    """Finds texts in any letter case, and parts of them: where a text was cut, or where they look like chance.

    Args:
        texts: what is looked for; each of at least `SHORTEST` characters.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._known: dict[str, list[tuple[str, str, int]]] = {}  # some letters: what has them, as written, and where
        for text in texts:
            folded = _folded(text)
            for place in range(len(text) - _LETTERS + 1):
                known = self._known.setdefault(folded[place : place + _LETTERS], [])
                if len(known) < _AGAIN:
                    known.append((folded, text, place))

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where each begins and ends."""
        folded = _folded(text)
        places = range(0, len(folded) - _LETTERS + 1, _STRIDE)
        if self._known.keys().isdisjoint([folded[place : place + _LETTERS] for place in places]):
            return
        compared: dict[tuple[str, int], int] = {}  # by what was compared, and where it would begin: up to where
        for place in places:
            for form, written, at in self._known.get(folded[place : place + _LETTERS], ()):
                if place < compared.get((form, place - at), 0):
                    continue
                begins, ends = _alike(form, at, folded, place)
                compared[form, place - at] = ends
                part = written[at - (place - begins) :][: ends - begins]
                if part == written or _looks_like_chance(part) or _is_cut(part, written, text, begins, ends):
                    yield begins, ends


def _folded(text: str) -> str:
    """Return a text in small letters, of the same length, with one alphabet of Base64."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)
    return lowered.replace("-", "+").replace("_", "/")


def _alike(form: str, at: int, text: str, place: int) -> tuple[int, int]:
    """Return how far a text is like a form to both sides of a place at which it is."""
    begins, ends = place, place + _LETTERS
    while place - begins < at and begins and form[at - (place - begins) - 1] == text[begins - 1]:
        begins -= 1
    while at + ends - place < len(form) and ends < len(text) and form[at + ends - place] == text[ends]:
        ends += 1
    return begins, ends


def _looks_like_chance(part: str) -> bool:
    """Whether a part of a token, key or hash is no word of anybody: digits, small letters and capitals in sequence."""
    return any(
        re.search("[0-9]", run) and re.search("[a-z]", run) and (re.search("[A-Z]", run) or _is_hexadecimal(run))
        for run in _RANDOM.findall(part)
    )


def _is_hexadecimal(run: str) -> bool:
    return re.fullmatch("[0-9a-f]+", run) is not None


def _is_cut(part: str, written: str, text: str, begins: int, ends: int) -> bool:
    """Whether it is most of what is looked for, or its beginning or end, and the text is cut there."""
    ahead, behind = text.startswith(_BEFORE_CUT, ends), text[:begins].endswith(_BEFORE_CUT)
    if len(part) >= _END and ((ahead and written.startswith(part)) or (behind and written.endswith(part))):
        return True
    return (ahead or behind) and len(part) >= max(SHORTEST, len(written) / 2)
