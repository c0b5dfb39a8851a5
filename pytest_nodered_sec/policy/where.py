"""The place of a setting, for the message that says what is wrong with its value."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_nodered_sec.policy.model import (
    PolicyError,
)
from pytest_nodered_sec.policy.toml import toml


@dataclass(frozen=True)
class Where:
    """The place of a setting, for messages about it.

    Attributes:
        place: the file and table, or "" for an option.
        name: the option's flag or the file's key.
        secret: whether the value, or a part of it, may be one.
    """

    place: str
    name: str
    secret: bool = False

    def says(self, value: object, problem: str) -> PolicyError:
        """Return the error about a value, which is shown unless it may be a secret."""
        if self.secret:
            return self.hides(problem)
        if self.place:
            return PolicyError(f"{self.place}: {self.name} = {toml(value)}: {problem}")
        return PolicyError(f"{self.name}={value}: {problem}")

    def hides(self, problem: str) -> PolicyError:
        """Return the error about a value that must not be shown."""
        return PolicyError(f"{self.place}: {self.name}: {problem}" if self.place else f"{self.name}: {problem}")
