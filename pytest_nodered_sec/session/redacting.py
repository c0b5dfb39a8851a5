"""Where pytest's own texts lose their secrets: reports, warnings, internal errors, ids, the terminal, the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_nodered_sec import private, redaction

if TYPE_CHECKING:
    import warnings
    from collections.abc import Generator

    from pytest_nodered_sec.model import Target

_SHOWN: Final = "redacted"  # in place of a secret in an id, which brackets surround already


def learn(targets: tuple[Target, ...]) -> None:
    """Learn what the targets are asked with, as far as nobody has to be asked for it: before anything is shown."""
    for target in targets:
        target.http.hide()


class Redaction:
    """Removes secrets from a test's exception and report before other plugins, such as allure, read them."""

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Redact the exception before the report is made, and then the report."""
        if call.excinfo is not None:
            redaction.scrub_exception(call.excinfo.value)
        report = yield
        redaction.scrub_within(report)
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
        """Redact reports that no hook has made: those of subtests, and of tests during which a worker died."""
        if hasattr(report, "context") or report.when not in ("setup", "call", "teardown"):
            redaction.scrub_within(report)

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
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Redact what pytest and other plugins write to the terminal, and to the file of `--debug`."""
        private.scrub_trace(session.config, redaction.scrub)
        if not session.config.pluginmanager.has_plugin("terminalreporter"):
            return
        writer = session.config.get_terminal_writer()
        write = writer.write

        def scrubbed(msg: str, **markup: bool) -> None:
            write(redaction.scrub(msg), **markup)

        writer.write = scrubbed  # type: ignore[method-assign]  # pytest offers no hook for it
