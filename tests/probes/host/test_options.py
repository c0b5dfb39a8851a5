"""Options of command lines, as nginx, Caddy and Apache httpd take them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from probes.host.layouts import OPS, PROCESS, sections_of

from pytest_nodered_sec.probes.host import caddy, processes
from pytest_nodered_sec.probes.host.options import short_options
from pytest_nodered_sec.probes.host.parse import Section


def test_options_of_one_letter() -> None:
    words = ["run", "-xf", "a", "-fb", "-f", "c", "--f", "-", "-f", "--", "-fd"]
    values = ["a", "b", "c", "--", "d"]
    assert list(short_options(words, "f")) == [("x", ""), *(("f", value) for value in values)]
    assert list(short_options(["-f"], "f")) == [("f", "")]
    assert list(short_options(["--", "-f"], "f")) == []


@pytest.mark.parametrize(
    ("words", "file", "adapter", "resumes"),
    [
        ("run", "/srv/Caddyfile", "", False),
        ("run --config /etc/C --adapter x", "/etc/C", "x", False),
        ("run --config=C --resume", "/srv/C", "", True),
        ("run -c /etc/C -a x -r", "/etc/C", "x", True),
        ("run -c/etc/C -ax", "/etc/C", "x", False),
        ("run -c=/etc/C -a=x", "/etc/C", "x", False),
        ("run -rwc/etc/C", "/etc/C", "", True),
        ("run -wc /etc/C --resume=true", "/etc/C", "", True),
        ("run -config /etc/C", "/etc/C", "", False),  # before 2.6
        ("run -environ -watch", "/srv/Caddyfile", "", False),
        ("run -adapter=x -resume", "/srv/Caddyfile", "x", True),
        ("run --config", "/srv/Caddyfile", "", False),
    ],
)
def test_where_a_caddy_has_its_configuration(words: str, file: str, adapter: str, resumes: bool) -> None:
    [candidate] = processes.candidates(sections_of(process_812=Section(PROCESS, 0)), OPS)
    candidate = replace(candidate, cwd="/srv")
    command = Section("\n".join(["/usr/bin/caddy", *words.split()]), 0)
    [told] = caddy.caddies([candidate], {f"command {candidate.process.pid}": command})
    assert (told["file"], told["adapter"], told["resume"]) == (file, adapter, resumes)
