"""Redaction: the only module that knows the run's secrets; it removes them from every text that leaves the process.

Values are learnt when credentials are read, before they are used. As long as nothing was learnt nothing here costs
or changes anything.

What is learnt belongs to the run that learns it (`learnt`); two runs of one process do not meet. Which fields are never
touched, whatever is learnt, is written down in `own_fields`.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import enum
import functools
import ipaddress
import logging
import re
import traceback
import types
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from pytest_nodered_sec import spellings, texts
from pytest_nodered_sec.learnt import INSTEAD, Form, Runs, forms_of
from pytest_nodered_sec.own_fields import OF_TRACEBACK, PROSE_OF_POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_ISSUED: Final = 16  # characters of what a target issues; what is shorter may be a word
_MADE: Final = 8  # of a part of it in which letters and digits are mixed
_LOWERED: Final = 4  # characters of a secret that is known in lower case, too


def come() -> None:
    """Note that a run is about to read its `conftest.py`, in a process that may have learnt for others before."""
    _runs.come()


def begin() -> Callable[[], None]:
    """Begin a run, and return what ends it: call that when the run writes nothing any more."""
    return _runs.begin()


def learn(secret: str, *, username: str = "") -> None:
    """Remember a secret in the spellings in which it may turn up: plain, escaped, encoded, in a Basic header, cut.

    Each form is known quoted for a URL, too, whichever marks a browser, a server or a library leaves as they are.

    A target that echoes what it was sent is read as Latin-1, as header fields are: so that form counts, too; and
    names of fields and media types are read in lower case.

    Published passwords are not secrets, and often ordinary words; they are not remembered.

    Args:
        secret: password, token or header value.
        username: the account it belongs to, for the Basic form.
    """
    if not secret:
        return
    from pytest_nodered_sec.data.known_credentials import is_public  # a table, read when there is something to compare

    if is_public(secret):
        return
    misread = secret.encode(errors="surrogateescape").decode("latin-1")
    read = {secret, misread, unquote(secret)}  # a cookie is issued quoted, and kept as it was before
    lower = {each.lower() for each in read if len(each) >= _LOWERED}
    forms = {form for each in read for form in forms_of(each)}
    forms |= {Form(form) for each in lower for form in spellings.forms(each)}
    if username:
        forms.add(Form(base64.b64encode(f"{username}:{secret}".encode()).decode()))
    _runs.add(forms | {Form(texts.readable(form.text), form.anywhere) for form in forms})


def learn_issued(value: str) -> None:
    """Remember what a target issued: a token, or a session's cookie.

    Words are left out: by issuing one, a target would have it removed from what is reported of it and of others.

    Args:
        value: the token, or the cookie's value.
    """
    parts = re.split("[^0-9A-Za-z]+", value)
    mixed = (re.search("[0-9]", part) and re.search("[A-Za-z]", part) for part in parts if len(part) >= _MADE)
    if len(value) >= _ISSUED and any(mixed):
        learn(value)


def scrub(text: str) -> str:
    """Return the text without any secret that was learnt."""
    cleaner = _runs.current.cleaner
    return cleaner(text) if cleaner else text


def scrub_told(text: str) -> str:
    """Return a text that is judged yet without the secrets that are more than an ordinary word or number.

    A header's `max-age=12` is to be judged as it came, though the password is 12; whoever writes it down removes that.
    """
    cleaner = _runs.current.of_real
    return cleaner(text) if cleaner else text


def cut(text: str, limit: int) -> str:
    """Return the beginning of a text, without secrets, of so many characters at most."""
    return before_cut(text, limit)[:limit]


def in_one_line(text: str, limit: int) -> str:
    """Do as `texts.in_one_line`, without secrets where the text is cut."""
    return texts.in_one_line(before_cut(text, limit), limit)


def before_cut(text: str, limit: int) -> str:
    """Return a text that is about to be cut at a limit, without secrets where it is longer: halved, none is known."""
    return scrub(text) if len(text) > limit or len(texts.readable(text)) > limit else text


def scrub_within(value: Any) -> Any:  # Any: whatever a report holds
    """Return a value without secrets: texts, bytes, and containers and report objects that hold them, in place.

    What cannot be changed in place, such as a tuple, is replaced wherever it stands.
    """
    if _runs.current.cleaner is None:
        return value
    return _scrub_within(value, {})


def scrub_fields(value: Any, own: Collection[str]) -> Any:  # Any, here and below: JSON
    """Return plain values without secrets, changed in place, but for their keys and for the fields that are our own.

    Args:
        value: dicts and lists of plain values.
        own: names of fields whose texts stay as they are (`own_fields`); tables in them are searched all the same.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            rows = isinstance(inner, list) and any(isinstance(row, dict) for row in inner)
            if rows or name not in own:
                value[name] = scrub_fields(inner, own)
    elif isinstance(value, list):
        value[:] = [scrub_fields(item, own) for item in value]
    return scrub(value) if isinstance(value, str) else value


def scrub_policy(value: Any) -> Any:
    """Return a policy without secrets in what people wrote into it: as TOML, or as plain values, changed in place."""
    if isinstance(value, str):
        return _PROSE.sub(lambda match: match["key"] + scrub(match["text"]) + '"', value)
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, str) and name in PROSE_OF_POLICY:
            value[name] = scrub(inner)
        elif isinstance(inner, (dict, list)):
            scrub_policy(inner)
    return value


_PROSE: Final = re.compile(rf'(?P<key>\b(?:{"|".join(sorted(PROSE_OF_POLICY))}) = ")(?P<text>(?:[^"\\]|\\.)*)"')


def scrub_seen(text: str, places: re.Pattern[str] | None = None) -> str:
    """Return a text of an observation without secrets; an address, digest, time, release or media type keeps them.

    It is judged again from the evidence, and "[redacted].0.0.1" is no address. What is a secret as a whole goes.

    Args:
        text: any.
        places: what the site has declared, such as the host's name: letters within it are no secret.
    """
    cleaner, clean = _runs.current.cleaner, scrub(text)
    if cleaner is None or clean == text:
        return text
    if clean != INSTEAD and scrub_told(text) == text and _is_computed(text):
        return text
    return cleaner.outside(text, [match.span() for match in places.finditer(text)] if places else ())


def _is_computed(text: str) -> bool:
    if _COMPUTED.fullmatch(text):
        return True
    with contextlib.suppress(ValueError):
        return "%" not in text and bool(ipaddress.ip_address(text))
    return False


_COMPUTED: Final = re.compile(
    r"(?:[0-9a-f]{2}){16,}|v?\d{1,4}(?:\.\d{1,3}){1,3}(?:[-+~.](?:alpha|beta|rc|git|dev|next|nightly|pre)?\d{0,3})*"
    r"|text/html|application/json|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?"
)

_PLAIN: Final = (int, float, complex, enum.Enum, type, type(None), types.ModuleType, types.FunctionType)


def _scrub_within(value: Any, known: dict[int, tuple[Any, Any]]) -> Any:  # Any: as above
    """Return a value without secrets.

    Args:
        value: whatever a report holds.
        known: by identity the values that were met, and what became of each. It holds the values themselves, too:
            the identity of a tuple that was replaced would soon be that of another object.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (str, bytes)):
        return _scrub_text(value)
    if id(value) in known:
        return known[id(value)][1]
    unchangeable = isinstance(value, (tuple, frozenset))
    known[id(value)] = (value, INSTEAD if unchangeable else value)  # seen again while within it: a circle
    if unchangeable:
        known[id(value)] = (value, _fresh(value, known))
    elif isinstance(value, list):
        value[:] = [_scrub_within(item, known) for item in value]
    elif isinstance(value, set):
        clean = {_scrub_within(item, known) for item in value}
        value.clear()
        value.update(clean)
    elif isinstance(value, dict):
        _scrub_dict(value, known)
    else:
        _scrub_attributes(value, known)
    return known[id(value)][1]


def _scrub_text(value: str | bytes) -> str | bytes:
    """Return a text without secrets; the same object where it holds none, so that a subclass stays one."""
    text = value if isinstance(value, str) else value.decode(errors="surrogateescape")
    clean = scrub(text)
    if clean == text:
        return value
    return clean if isinstance(value, str) else clean.encode(errors="surrogateescape")


def _fresh(value: Any, known: dict[int, tuple[Any, Any]]) -> Any:  # Any: a tuple or frozenset of whatever
    """Return a tuple or frozenset without secrets; the same where it holds none."""
    fresh = [_scrub_within(item, known) for item in value]
    if all(clean is item for clean, item in zip(fresh, value, strict=True)):
        return value
    return type(value)(*fresh) if hasattr(value, "_fields") else type(value)(fresh)


def _scrub_dict(value: dict[Any, Any], known: dict[int, tuple[Any, Any]]) -> None:  # Any: as above
    clean = {_scrub_within(key, known): _scrub_within(item, known) for key, item in value.items()}
    if clean.keys() != value.keys():  # a key was a secret; otherwise the order stays, also in a subclass
        value.clear()
    value.update(clean)


def _scrub_attributes(value: Any, known: dict[int, tuple[Any, Any]]) -> None:  # Any: as above
    names = [*getattr(value, "__dict__", ())]
    if dataclasses.is_dataclass(value):  # one with slots has no __dict__
        names += [field.name for field in dataclasses.fields(value) if field.name not in names]
    ours = OF_TRACEBACK if type(value).__module__.startswith("_pytest.") else ()
    for name in names:
        if name in ours:
            continue
        inner = getattr(value, name, None)
        clean = _scrub_within(inner, known)
        if clean is not inner:
            object.__setattr__(value, name, clean)  # pytest's representations are frozen in part


_TEXTS: Final = ("msg", "text", "strerror", "filename", "filename2", "code")  # of built-in exceptions, beside `args`


def scrub_exception(error: BaseException) -> None:
    """Remove secrets from an exception's own text, notes, causes and members, in place; others than us show it as well.

    What it merely refers to, such as a request that is sent again, stays as it is.
    """
    if _runs.current.cleaner is None:
        return
    waiting: list[BaseException | None] = [error]
    known: set[int] = set()
    while waiting:
        raised = waiting.pop()
        if raised is None or id(raised) in known:
            continue
        known.add(id(raised))
        waiting += [raised.__cause__, raised.__context__]
        if isinstance(raised, BaseExceptionGroup):
            waiting += raised.exceptions  # its message is part of `args`, and cannot be set
        clean = tuple(arg if _is_members(raised, arg) else _clean_argument(arg) for arg in raised.args)
        if any(new is not old for new, old in zip(clean, raised.args, strict=True)):
            raised.args = clean
        for name in {*_TEXTS, *vars(raised)}:
            _scrub_own(raised, name)


def _is_members(error: BaseException, value: object) -> bool:
    return isinstance(error, BaseExceptionGroup) and not isinstance(value, str)


def _scrub_own(error: BaseException, name: str) -> None:
    value = getattr(error, name, None)
    if isinstance(value, (str, bytes)):
        clean: object = _scrub_text(value)
    elif isinstance(value, (list, tuple)) and all(isinstance(note, str) for note in value):  # `__notes__`
        clean = type(value)(map(scrub, value))
    else:
        return
    if clean != value:
        with contextlib.suppress(AttributeError, TypeError):  # it cannot be set
            setattr(error, name, clean)


_OF_RECORDS: Final = vars(logging.makeLogRecord({})).keys() - {"stack_info"}  # and no site's own


def _watch_logging() -> Callable[[], None]:
    """Scrub log records where they are made, so that no handler, ours or the user's, sees a secret.

    Returns:
        What ends that, as far as nobody else has put something of theirs around it since; what stays changes nothing
        while nothing is learnt.
    """
    made = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:  # Any: logging's own signature, passed through
        record = made(*args, **kwargs)
        _scrub_message(record)
        _scrub_traceback(record)
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        return record

    logging.setLogRecordFactory(make)
    # behind the factory `extra` is put on a record, and `logging.makeLogRecord` what it was given
    handle = logging.Logger.handle

    @functools.wraps(handle)
    def handle_clean(self: logging.Logger, record: logging.LogRecord) -> None:
        if _runs.current.cleaner is not None:
            if not record.exc_text:  # else the factory has it in words
                _scrub_message(record)
                _scrub_traceback(record)
            for name in vars(record).keys() - _OF_RECORDS:
                record.__dict__[name] = _clean_argument(record.__dict__[name])
        handle(self, record)

    logging.Logger.handle = handle_clean  # type: ignore[method-assign]  # logging offers no other way

    def stop() -> None:
        if logging.getLogRecordFactory() is make:
            logging.setLogRecordFactory(made)
        if logging.Logger.handle is handle_clean:
            logging.Logger.handle = handle  # type: ignore[method-assign]  # as above

    return stop


def _scrub_message(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001  a malformed call of the site's own: its handlers say so, as without us
        record.msg = scrub(record.msg) if isinstance(record.msg, str) else record.msg
        if isinstance(record.args, tuple):
            record.args = tuple(map(_clean_argument, record.args))
        elif record.args:
            record.args = {name: _clean_argument(arg) for name, arg in record.args.items()}
        return
    clean = scrub(message)
    if clean != message:
        record.msg, record.args = clean, ()


def _clean_argument(value: object) -> object:
    """Return a value of a log call, and in place of one that shows a secret its text; never changed in place."""
    try:
        text = value if isinstance(value, str) else f"{value!r} {value}"
    except Exception:  # noqa: BLE001  whatever a site's own value raises: what cannot be shown shows no secret
        return value
    clean = scrub(text)
    if clean == text:
        return value
    return clean if isinstance(value, str) else scrub(repr(value))


def _scrub_traceback(record: logging.LogRecord) -> None:
    """Replace an exception whose traceback shows a secret by its text, which is what formatters print."""
    if not record.exc_info or record.exc_info[0] is None:
        return
    text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    clean = scrub(text)
    if clean != text:
        record.exc_info, record.exc_text = None, clean


_runs: Final = Runs(_watch_logging)
