"""One cause, one error: where one reason keeps many cases from looking, one case tells it, and the others name that."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_nodered_sec.errors import Cause, ProbeError, see_case, see_reach
from pytest_nodered_sec.model import Ask, Surface
from pytest_nodered_sec.session.skips import may_not_run
from pytest_nodered_sec.session.state import case_of, control_of, of_suite

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from pytest_nodered_sec.model import Target
    from pytest_nodered_sec.session.state import Answers

_CARRIERS: Final = ("reach-01", "admin-01", "admin-08", "host-00", "dash-01")
_SILENT: Final = (Cause.UNREACHABLE, Cause.TIMEOUT, Cause.CLOSED)
_MANY: Final = (*_SILENT, Cause.UNAVAILABLE, Cause.PROTOCOL)  # of which one sentence may stand in many cases
_LANDMARK: Final = "GET /settings"  # the case of admin-01 that tells what is wrong with the admin root
_BY_NAME: Final = {
    "see reach-01": Ask("reach"),
    f"see admin-01, {_LANDMARK}": Ask("access", (Surface.ADMIN.name, "GET", "/settings", "anonymous"), _LANDMARK),
}


class _Carrier(NamedTuple):
    """A case that tells its reason in full."""

    control: str
    ask: Ask

    @property
    def name(self) -> str:
        return f"{self.control}, {self.ask.label}" if self.ask.label else self.control


class Carriers:
    """The cases of a run that tell a reason for others.

    Args:
        items: the run's, collected and selected.
        answers: to the questions of all of them.
    """

    def __init__(self, items: Iterable[pytest.Item], answers: Answers) -> None:
        self._answers = answers
        self._there: dict[str, list[_Carrier]] = defaultdict(list)
        self._first: dict[tuple[str, str], _Carrier] = {}  # by target and sentence, who was the first to tell it
        for item in items:
            case, control = case_of(item), control_of(item)
            if case is None or case.target is None or case.ask is None or control is None:
                continue
            told = control.id != "admin-01" or case.ask.label == _LANDMARK
            if control.id in _CARRIERS and told and of_suite(item.nodeid) and not may_not_run(item):
                self._there[case.target.name].append(_Carrier(control.id, case.ask))

    def told(self, target: Target, control: str, ask: Ask, error: ProbeError, *, shown: bool) -> ProbeError:
        """Return what a case says that could not look: its reason, or which other case tells that.

        Args:
            target: of the case.
            control: the id of its control.
            ask: its question.
            error: why it has no answer.
            shown: whether the case is one of the suite that is shown as an error.
        """
        there = self._there[target.name]
        if error.cause is Cause.SEE_REACH:
            named = next((name for name in _BY_NAME if error.message.endswith(name)), "")
            if not named or any(named == f"see {carrier.name}" for carrier in there):
                return error
            why = self._reason(target, _BY_NAME[named])
            if why is None or why.cause is Cause.NOT_ASKED:
                return ProbeError(_by_itself(error, named), Cause.SEE_REACH)
            return ProbeError(why.message, Cause.SEE_REACH)
        for carrier in () if ask.beside else there:  # asked last: what others saw is let go by then
            if (carrier.control, carrier.ask) == (control, ask):
                return error
            why = self._reason(target, carrier.ask)
            if why is not None and (why.message == error.message or _of_one_dashboard(carrier, ask, why, error)):
                return see_case(target.name, carrier.name)
            if why is not None and _of_all(carrier, ask, why, error):
                return see_reach(target.name)
        own = _Carrier(control, ask)
        first = (self._first.setdefault if shown else self._first.get)((target.name, error.message), own)
        same = error.cause not in _MANY or (first.control, first.ask) == (control, ask)
        return error if same else see_case(target.name, first.name)

    def _reason(self, target: Target, ask: Ask) -> ProbeError | None:
        """Return why a question has no answer, None where it has one; the targets' tests run, so nothing is new."""
        from pytest_nodered_sec.observations.settling import answered

        try:
            answered(self._answers.outcome(target, ask), target)
        except ProbeError as error:
            return error
        return None


def _by_itself(error: ProbeError, named: str) -> str:
    """Return what an error says that names a case which is not in the run, or may come after its end."""
    told = error.message.removesuffix(f": {named}")
    return f"{told}; to learn why, run {named.removeprefix('see ')} too, without -x, --maxfail or --sw"


def _of_all(carrier: _Carrier, ask: Ask, why: ProbeError, error: ProbeError) -> bool:
    """Whether a question got no answer because nothing of the target answers any more, which reach-01 tells."""
    lost = carrier.control == "reach-01" and why.cause in (*_SILENT, Cause.CHANGED)
    return lost and error.cause in _SILENT and ask.needs != "host"


def _of_one_dashboard(carrier: _Carrier, ask: Ask, why: ProbeError, error: ProbeError) -> bool:
    """Whether a question is about the dashboard of a case of dash-01, and fails as that does."""
    page = carrier.ask.label.rstrip("/").lower()
    there = any(arg.lower() == page or arg.lower().startswith(f"{page}/") for arg in ask.args)
    alike = why.cause is error.cause and why.cause not in _MANY  # of which each sentence may have a reason of its own
    return carrier.control == "dash-01" and bool(page) and there and alike
