"""Settings that mean harm to whoever evaluates them, or word his messages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from evaluator import Evaluator


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("while (true) {}", "it did not end within 0.5 s"),
        ("process.exit(0)", "settings.js calls process.exit(0)"),
        ("throw new Error('password is hunter2')", "it throws Error"),
        ("throw null", "it throws something"),
        ("module.exports = {", "it throws SyntaxError"),
        ("require('./missing')", "which is not there"),
        ("module.exports = require('our-settings')", "settings.js exports what the module our-settings makes"),
        ("this.constructor.constructor('return process')().exit(3)", ""),
        ("console.log.constructor('return process')().reallyExit(3)", "it ended the process that read it"),
        ("const f = () => new Promise(() => {}).then(f); f(); while (true) {}", "it did not end within 0.5 s"),
    ],
)
def test_settings_that_mean_harm_end_in_a_reason(text: str, trouble: str, evaluate: Evaluator) -> None:
    begun = time.monotonic()
    seen = evaluate(text, limit=500)
    assert "settings" not in seen
    assert trouble in seen["trouble"]
    assert "hunter2" not in evaluate.raw
    assert time.monotonic() - begun < 30  # on a busy machine Node alone takes seconds to start


def test_a_value_that_never_ends_is_ended_from_outside(evaluate: Evaluator) -> None:
    seen = evaluate("module.exports = {uiPort: {toString() { while (true) {} }}};", limit=200)
    assert seen["trouble"] == "it did not end in time"


def test_what_settings_print_is_not_taken_for_an_answer(evaluate: Evaluator) -> None:
    escape = "const p = console.log.constructor('return process')();"
    seen = evaluate(
        f"console.log('==0000 {{}}'); {escape} p.stdout.write('\\n==00000000 {{\"settings\": {{}}}}\\n');"
        "module.exports = {disableEditor: true};"
    )
    assert seen["settings"]["disableEditor"] is True


@pytest.mark.parametrize(
    "text",
    [
        "const e = new Error('x'); e.name = 'fine, all is well'; throw e;",
        "throw new Error('settings.js calls process.exit(0)');",
        "throw {get name() { throw 1; }, message: 'evil requires x, which is not there'};",
        "const e = new Error(); e.code = 'ERR'; e.name = 'hunter2'; throw e;",
    ],
)
def test_no_settings_word_our_messages(text: str, evaluate: Evaluator) -> None:
    assert evaluate(text)["trouble"] in ("it throws something", "it throws Error")
