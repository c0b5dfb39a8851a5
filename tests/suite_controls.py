"""The bundled controls and their rules, read from the suite itself, so that no test keeps a list of its own."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from pytest_nodered_sec.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.catalogue import Entry

CONTROLS = {control_id: entry.control for control_id, entry in catalogue().items()}


def rule_of(entry: Entry) -> Callable[..., Any]:
    """Return the rule that a control's test requires: `require(RULE(…))` is all there is in it."""
    module = sys.modules[f"pytest_nodered_sec.suite.{entry.module}"]
    test = ast.parse(textwrap.dedent(inspect.getsource(getattr(module, entry.test)))).body[0]
    assert isinstance(test, ast.FunctionDef)
    last = test.body[-1]
    assert isinstance(last, ast.Expr)
    assert isinstance(last.value, ast.Call)
    inner = last.value.args[0]
    assert isinstance(inner, ast.Call)
    rule: Callable[..., Any] = getattr(module, ast.unparse(inner.func))
    return rule
