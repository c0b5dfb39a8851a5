"""Observations as JSON and back: nothing is lost, and nothing but values of ours comes out."""

from __future__ import annotations

import json
import math
import typing
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from seen import AUTH, BEARER, attempt

from pytest_nodered_sec import errors
from pytest_nodered_sec.data.suites import suite_table
from pytest_nodered_sec.errors import Cause, ProbeError
from pytest_nodered_sec.model import Credentials, Surface, Target
from pytest_nodered_sec.observations import codec
from pytest_nodered_sec.observations.account import Installed, View
from pytest_nodered_sec.observations.answers import Answer, Mark
from pytest_nodered_sec.observations.channels import Channel, SocketAttempt
from pytest_nodered_sec.observations.codec import CodecError, decode, encode
from pytest_nodered_sec.observations.reach import Reach
from pytest_nodered_sec.observations.tls import ProtocolOffer, TlsOffers, VersionOffer
from pytest_nodered_sec.policy import model
from pytest_nodered_sec.policy.model import PROFILES, Policy


def through_text(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)))


@pytest.mark.parametrize(
    "value",
    [
        attempt(Surface.ADMIN, "/flows", BEARER, AUTH),
        SocketAttempt(attempt(Surface.DASHBOARD, "/ui", BEARER, AUTH), Channel.OPEN, 3),
        Installed("modules", (("a", "1.0"),), "as told", "", date(2026, 1, 2), date(2026, 1, 1)),
        Reach("192.0.2.1", (), datetime.now(UTC), datetime.now(UTC), 7, ("x",), AUTH),
        ProtocolOffer(TlsOffers((VersionOffer("TLSv1.2", (suite_table().suite(0xC02F),)),)), "TLSv1.2"),
        Policy(own_thresholds=PROFILES["baseline"], dashboards=()),
        frozenset(Mark),
        Target("plant", "https://plant.example", Policy(), labels={"line": "7"}),
        (1, 2.5, math.inf, None, True, "ä\x7f"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert through_text(value) == value


def test_what_could_not_be_asked_comes_back_with_its_cause() -> None:
    view = through_text(View("viewer", broken=(("/flows", ProbeError("no answer", Cause.TIMEOUT)),)))
    ((path, error),) = view.broken
    assert (path, error.message, error.cause) == ("/flows", "no answer", Cause.TIMEOUT)


def test_a_field_that_is_new_takes_its_default() -> None:
    old = encode(Answer(200))
    del old["headers"]
    assert decode(old) == Answer(200)


@pytest.mark.parametrize(
    "text",
    [
        {"": "Popen", "args": ["true"]},
        {"": "Answer"},
        {"": "Answer", "status": 200, "gone": 1},
        {"": "Mark", "is": "NO_SUCH"},
        {"": "datetime", "is": "yesterday"},
        {"status": 200},
        {"": ["Answer"]},
    ],
    ids=lambda text: json.dumps(text)[:30],
)
def test_what_is_none_of_ours_is_refused(text: Any) -> None:
    with pytest.raises(CodecError, match="cannot be read by this version"):
        decode(text)


def test_what_has_no_place_in_an_observation_is_refused() -> None:
    @dataclass(frozen=True)
    class Answer:  # called as one of ours
        status: int

    for value in (b"body", Answer(200), object()):
        with pytest.raises(TypeError, match="cannot be part of an observation"):
            encode(value)


@pytest.mark.parametrize("kind", codec._classes().values(), ids=lambda kind: kind.__name__)
def test_every_field_of_every_value_can_be_written(kind: type[Any]) -> None:
    if not is_dataclass(kind):
        return
    names = {**vars(typing), **vars(model), **vars(errors), **codec._classes()}
    names |= {"datetime": datetime, "date": date, "Credentials": Credentials}
    for field in fields(kind):
        kinds = _parts(eval(str(field.type), names))  # noqa: S307  our own annotations
        assert kinds <= {str, int, float, bool, type(None), datetime, date, ProbeError, *codec._classes().values()}, (
            f"{kind.__name__}.{field.name}: teach pytest_nodered_sec/codec.py to write it"
        )


def _parts(hint: Any) -> set[Any]:
    """Return the types that an annotation is made of, containers aside; a callable is never written."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return {str}
    if origin is None:
        return {type(None)} if hint is None else {hint}
    if "Callable" in str(origin):
        return set()
    return {part for arg in args if arg is not ... for part in _parts(arg)}


def test_it_knows_values_of_ours_and_no_others() -> None:
    @dataclass(frozen=True)
    class Reach:
        """A site's own, of the name of one of ours."""

    assert codec.knows(ProbeError("no answer", Cause.TIMEOUT))
    assert codec.knows(attempt(Surface.ADMIN, "/flows", BEARER, AUTH))
    assert not codec.knows(Reach())


def test_two_values_of_one_name_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Answer:
        """A second one."""

    monkeypatch.setattr(Answer, "__module__", model.__name__)
    monkeypatch.setattr(model, "Answer", Answer, raising=False)
    codec._classes.cache_clear()
    with pytest.raises(TypeError, match="two values are called Answer"):
        codec._classes()
    monkeypatch.undo()
    codec._classes.cache_clear()
