"""Options of a program's command line, as programs take them that follow getopt(3): pure functions of its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def short_options(words: Sequence[str], valued: str) -> Iterator[tuple[str, str]]:
    """Yield the options of one letter with their values, "" for none: `-fFILE`, `-f FILE`, and `-xf FILE` alike.

    Args:
        words: those behind the program's name, up to "--".
        valued: the letters that take a value.
    """
    rest = iter(words)
    for word in rest:
        if word == "--":
            return
        letters = word[1:] if word.startswith("-") and not word.startswith("--") else ""
        while letters:
            letter, letters = letters[0], letters[1:]
            value = ""
            if letter in valued:
                value, letters = letters or next(rest, ""), ""
            yield letter, value
