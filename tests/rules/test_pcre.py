"""Patterns as nginx writes them (PCRE): what Python makes of them matches the same, or is refused."""

from __future__ import annotations

import pytest

from pytest_nodered_sec.rules.walk import pcre
from pytest_nodered_sec.rules.walk.samples import ANY

READ = {
    r"^/(?<a>dashboard)/socket\.io/": ("/dashboard/socket.io/x", "/dashboard/socketxio/"),
    r"^/(?'a'ui)/(?P<b>x)$": ("/ui/x", "/ui/y"),
    r"^/(?<a>ui)/\k<a>/\k{a}/\k'a'$": ("/ui/ui/ui/ui", "/ui/ui/ui/x"),
    r"^/(u)\1$": ("/uu", "/u1"),
    r"^/u(?i)I/x": ("/ui/X", "/UI/x"),
    r"a(?i)b|c": ("C", "Ab"),
    r"(?i:u)i(?-i)x": ("Uix", "UIx"),
    r"(?i)a(?-i)b": ("Ab", "AB"),
    r"(?i)a(?-i:b)c": ("AbC", "ABC"),
    r"^/[[:alpha:]_-]+/[[:digit:]]{2,3}$": ("/a-b/12", "/a-b/1"),
    r"^/[^/\]]+\.(?:js|css)$": ("/x.css", "/x]y.css"),
    r"^[]a]$": ("]", "b"),
    r"^[\d\-\x2f]+$": ("1-/", "a"),
    r"^\x2fui\x{2f}$": ("/ui/", "xui/"),
    r"^/a++b*?c??$": ("/aab", "/b"),
    r"^/(?>a+)b$": ("/aab", "/ab/"),
    r"^/ui(?!/socket)(?=/)": ("/ui/x", "/ui/socket"),
    r"(?<=/ui)/x(?<!y)$": ("/ui/x", "/a/x"),
    r"^/\Qa.b\E/$": ("/a.b/", "/axb/"),
    r"^/\Qa.b": ("/a.b", "/axb"),
    r"\A/\w+\b/\h\N\z": ("/a/ x", "/a/xx"),
    r"^/ui\Z": ("/ui\n", "/ui/"),
    r"^/a{,3}$": ("/a{,3}", "/aa"),
    r"^/a{2}b{1,}$": ("/aabb", "/ab"),
    r"^/\t\e$": ("/\t\x1b", "/te"),
    r"^[\b]$": ("\b", "b"),
    r"^/[[:space:][:^x]$": ("/^", "/a"),
}


@pytest.mark.parametrize("pattern", READ)
def test_what_is_read_matches_the_same(pattern: str) -> None:
    fits, does_not = READ[pattern]
    regex = pcre.read(pattern).regex
    assert regex.search(fits)
    assert not regex.search(does_not)


@pytest.mark.parametrize(
    "pattern",
    [r"\Kx", r"(?R)", r"(*UTF8)x", "(x", "x)", "*x", "[x", r"\p{L}", r"\12", "x\\", r"[[:^alpha:]]", "[z-a]",
     r"(?<=a+)b", r"(?<a>x)(?<a>y)", r"[\p]", "a**", r"\k<none>"],
)  # fmt: skip
def test_what_cannot_be_said_in_python_is_refused(pattern: str) -> None:
    with pytest.raises(pcre.UnreadableError):
        pcre.read(pattern)


def test_the_end_is_the_very_end_in_go() -> None:
    assert pcre.read("^/ui$").regex.search("/ui\n")
    assert not pcre.read("^/ui$", strict_end=True).regex.search("/ui\n")
    assert pcre.read("^/UI$", ignore_case=True).regex.search("/ui")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("^/panel/(.*)$", (f"/panel/{ANY}",)),
        (r"^/(ui|hmi)/[^/]+$", (f"/ui/{ANY}", f"/hmi/{ANY}")),
        (r"^/a/?(?:x|(.))*$", ("/a" + ANY, "/a/" + ANY)),
        (r"^/[^x]{2}\d?$", ("/11", "/111")),
        ("^/(ab)+(x*)$", ("/ab", "/abx")),
    ],
)
def test_examples_of_what_a_pattern_matches(pattern: str, expected: tuple[str, ...]) -> None:
    examples = pcre.read(pattern).examples
    regex = pcre.read(pattern).regex
    assert set(expected) <= set(examples) or all(regex.search(example.replace(ANY, "y")) for example in examples)
    assert all(regex.search(example.replace(ANY, "y")) for example in examples)
