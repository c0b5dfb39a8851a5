"""Letter case as no list of spellings has it: Express ignores it in paths, and what stands in front may not."""

from __future__ import annotations


def mixed_case(path: str) -> str:
    """Return a path with small letters and capitals by turns: not of one kind, nor the first letter a capital.

    Where that is the path itself, the other way round: `/ui` is `/uI`, `/a` is `/A`.
    """
    turns, capital = [], False
    for char in path:
        capital = False if char == "/" else capital
        turns.append(char.upper() if capital else char.lower())
        capital = capital != char.isalpha()
    mixed = "".join(turns) if path.isascii() else path
    return mixed if mixed != path else path.swapcase()
