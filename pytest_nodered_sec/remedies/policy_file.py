"""The policy file: the keys that say which ways in the flows open, each whole, as it is to stand in the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.remedies.model import Step

FILE: Final = "nodered-sec.toml"
_SAID: Final = "nodered-sec.toml: "
_KEY: Final = re.compile(f"{re.escape(_SAID)}[\\w.]+ = ")  # other remedies tell a person what to take out
_HEAD: Final = (
    "# For your policy file (nodered-sec.toml): these replace the keys of the same name.\n"
    "# Below a [[target]] they apply to that target only.\n"
)


def write(steps: Iterable[Step]) -> dict[str, str]:
    """Return the lines that the findings of the plan name, each key once; none where there are none."""
    remedies = [one.remedy.removeprefix(_SAID) for step in steps for one in step.findings if _KEY.match(one.remedy)]
    lines = dict.fromkeys(remedy.partition("; or ")[0] for remedy in remedies)
    if not lines:
        return {}
    texts = [line.partition("; ") for line in lines]
    said = "".join(f"# {note}\n{key}\n" if note else f"{key}\n" for key, _, note in texts)
    return {FILE: _HEAD + said}
