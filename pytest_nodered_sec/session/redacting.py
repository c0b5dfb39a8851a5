"""Where pytest's own texts lose their secrets: reports, warnings, internal errors, ids, the terminal, the trace."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import private, redaction
from pytest_nodered_sec.learnt import INSTEAD
from pytest_nodered_sec.own_fields import OF_RECORD, OF_REPORT, OF_RUN, PROPERTIES
from pytest_nodered_sec.session.state import PARAMETER, control_of, of_suite

if TYPE_CHECKING:
    import warnings
    from collections.abc import Callable, Generator

    from pytest_nodered_sec.model import Target

_WITH_ID: Final = type(pytest.param())
_SHOWN: Final = "redacted"  # in place of a secret in an id, which brackets surround already


def begin(config: pytest.Config) -> None:
    """Begin a run, and redact from now on what `--debug` writes: its targets are shown before the tests begin."""
    config.add_cleanup(redaction.begin())
    private.scrub_trace(config, redaction.scrub)


def learn(targets: tuple[Target, ...]) -> None:
    """Learn what the targets are asked with, as far as nobody has to be asked for it: before anything is shown."""
    for target in targets:
        target.http.hide()


def scrub_report(report: pytest.TestReport) -> None:
    """Remove secrets from a report, in place, but for what pytest, its plugins and ours know it by."""
    for name, value in list(vars(report).items()):
        if name == "nodered":
            redaction.scrub_fields(value, OF_RECORD)
        elif name == "nodered_identity":
            redaction.scrub_fields(value[1], OF_RUN)
        elif name == "user_properties":
            value[:] = [pair if pair[0] in PROPERTIES else redaction.scrub_within(pair) for pair in value]
        elif name == "sections":
            value[:] = [(title, redaction.scrub(text)) for title, text in value]  # pytest finds them by their titles
        elif name not in OF_REPORT:
            setattr(report, name, redaction.scrub_within(value))


def _scrub_id(text: str) -> str:
    """Return a test's id without secrets among its parameters; what stands before them is the site's code."""
    name, bracket, parameters = text.partition("[")
    return name + bracket + redaction.scrub(parameters)


def _in_an_id(name: str, scrub: Callable[[str], str]) -> str:
    return scrub(name).replace(INSTEAD, _SHOWN)


def _without_secrets(ids: Any, scrub: Callable[[str], str]) -> Any:  # Any: as `parametrize` takes them
    """Return ids without secrets: a list of some, a function that returns one, or what yields any number of them."""

    def clean(name: object) -> object:
        return _in_an_id(name, scrub) if isinstance(name, str) else name

    if callable(ids):
        return lambda value: clean(ids(value))
    if ids is None:
        return None
    return [clean(name) for name in ids] if hasattr(ids, "__len__") else map(clean, ids)


def _renamed(value: Any, scrub: Callable[[str], str]) -> Any:  # Any: whatever a test is given
    """Return a value of a parameter; one of `pytest.param` without secrets in its id."""
    if not isinstance(value, _WITH_ID) or not isinstance(value.id, str):
        return value
    return value._replace(id=_in_an_id(value.id, scrub))


class Redaction:
    """Removes secrets from a test's exception and report before other plugins, such as allure, read them.

    Args:
        config: pytest's.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Redact the exception before the report is made, and then the report."""
        if call.excinfo is not None:
            redaction.scrub_exception(call.excinfo.value)
        report = yield
        scrub_report(report)
        return report

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Redact the error of a file that could not be collected; the rest of the report is the tests themselves."""
        report = yield
        report.longrepr = redaction.scrub_within(report.longrepr)
        report.sections = redaction.scrub_within(report.sections)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Redact reports that no hook has made, those of subtests, and of tests during which a worker died; and ids.

        A control's id is our own; among the parameters of a site's other tests there may be secrets. A worker leaves
        them to its controller, because xdist compares ids.
        """
        if hasattr(report, "context") or report.when not in ("setup", "call", "teardown"):
            scrub_report(report)
        worker = hasattr(self._config, "workerinput")
        if not worker and _scrub_id(report.nodeid) != report.nodeid and not self._is_control(report):
            path, line, test = report.location
            report.nodeid, report.location = _scrub_id(report.nodeid), (path, line, _scrub_id(test))
            report.keywords = {_scrub_id(key): value for key, value in dict(report.keywords).items()}

    def _is_control(self, report: pytest.TestReport) -> bool:
        if of_suite(report.nodeid) or hasattr(report, "nodered"):
            return True
        book = self._config.pluginmanager.get_plugin("nodered-sec-ledger")  # knows what the workers collected
        return book is not None and any(case["nodeid"] == report.nodeid for case in book.collected)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Redact the text of a warning; exceptions of threads and of `__del__` are warnings, too."""
        if isinstance(warning_message.message, BaseException):
            redaction.scrub_exception(warning_message.message)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: Any) -> None:  # Any: pytest's representation of an exception
        """Redact an error of a plugin."""
        redaction.scrub_within(excrepr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_parametrize_id(self, val: object) -> str | None:
        """Name a parameter that is a secret otherwise: ids stand in every report."""
        text = val.decode(errors="replace") if isinstance(val, bytes) else val
        return _SHOWN if isinstance(text, str) and redaction.scrub(text) != text else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Have ids that a site's own parameters are given lose secrets before anything knows a test by them."""
        scrub = redaction.scrub_told if control_of(metafunc.definition) else redaction.scrub
        parametrize = metafunc.parametrize
        signature = inspect.signature(parametrize)

        def scrubbed(*args: Any, **kwargs: Any) -> None:  # Any: parametrize's own signature, passed through
            given = signature.bind(*args, **kwargs).arguments
            if given["argnames"] != PARAMETER:
                given["ids"] = _without_secrets(given.get("ids"), scrub)
                given["argvalues"] = [_renamed(value, scrub) for value in given["argvalues"]]
            parametrize(**given)

        metafunc.parametrize = scrubbed  # type: ignore[method-assign]  # pytest asks for no name that is given

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Redact what pytest and other plugins write to the terminal."""
        if not session.config.pluginmanager.has_plugin("terminalreporter"):
            return
        writer = session.config.get_terminal_writer()
        write = writer.write

        def scrubbed(msg: str, **markup: bool) -> None:
            write(redaction.scrub(msg), **markup)

        writer.write = scrubbed  # type: ignore[method-assign]  # pytest offers no hook for it
