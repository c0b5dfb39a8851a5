"""Letter case as no list of spellings has it: Express ignores it in paths, and what stands in front may not."""

from __future__ import annotations


def mixed_case(path: str) -> str:
    """Return a path with capitals and small letters by turns, from each segment's first letter on: `/SeTtInGs`.

    So it is in none of the forms that lists have (api, API, Api), nor taken for small letters by how it begins
    (`location ~ ^/[a-z]+`). Of two letters only the second is a capital, `/uI`; where that is the path itself, the
    other way round.
    """
    mixed = "/".join(_by_turns(part, capital=sum(map(str.isalpha, part)) > 2) for part in path.split("/"))
    mixed = mixed if path.isascii() else path
    return mixed if mixed != path else path.swapcase()


def _by_turns(part: str, *, capital: bool) -> str:
    turns = []
    for char in part:
        turns.append(char.upper() if capital else char.lower())
        capital = capital != char.isalpha()
    return "".join(turns)
