"""What would be sent, and what a site wants left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from session.conftest import Site


@pytest.mark.parametrize("more", [[], ["-n2"]])
def test_the_plan_names_every_request_and_sends_none(site: Site, more: list[str]) -> None:
    done = site.run("--nodered-suite=only", "--nodered-plan", *more)
    for line in (
        "plant.example: https://plant.example, * different requests (* handshake, * read, *), none sent",
        "  handshake       CONNECT port 443  [[]landmarks[]]",
        "  read            GET     /flows  [[]admin-01, admin-02, *[]]",
        "  write-shaped    POST    /flow  [[]*csrf-01*[]]",
    ):
        done.stdout.fnmatch_lines([line])
    assert done.ret == 0
    foot = done.outlines[-14:]
    for line in (
        "What answers come decides which of these are sent: some 270 to a hardened target.",
        "  guess           a login with a published password",
        "--nodered-mode=calm leaves out guess and exploit-shaped. More: docs/asking.md",
    ):
        assert foot.count(line) == 1
    assert not (site.path / "asked").exists()


def test_the_plan_follows_the_selection(site: Site) -> None:
    done = site.run("--nodered-suite=only", "--nodered-plan", "-k", "test_chain_is_trusted")
    lines = [line for line in done.outlines if line.startswith("  ")]
    assert any("TLS     port 443  [tls-01]" in line for line in lines)
    assert not any("[admin-01" in line for line in lines)


def test_a_plan_needs_a_target(site: Site) -> None:
    done = site.run("--nodered-plan", url=None)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--nodered-plan needs a target: add --nodered-url=*"])


def test_calm_leaves_out_what_looks_like_an_attack(site: Site) -> None:
    args = ("--nodered-suite=only", "-rs", "-k", "identity or guarded_routes or anonymous")
    done = site.run(*args, "--nodered-mode=calm")
    done.stdout.fnmatch_lines(['SKIPPED * not judged: mode = "calm" leaves out what is exploit-shaped'])
    done = site.run("--nodered-plan", "--nodered-mode=calm")
    assert "exploit-shaped" not in done.stdout.str()
    assert "exploit-shaped" in site.run("--nodered-plan").stdout.str()


def test_channels_can_be_left_alone(site: Site) -> None:
    (site.path / "nodered-sec.toml").write_text("join_channels = false\n")
    done = site.run("--nodered-plan")
    text = done.stdout.str()
    left = [line for line in text.splitlines() if "socket.io/?EIO=4&transport=polling&sid=<sid>  [" in line]
    assert all(line.endswith("[landmarks]") and "POST" in line for line in left)  # good-bye to who was only greeted
    assert "GET     /comms  [" in text
    assert "/worldmap/socket/" not in text
    done = site.run("--nodered-suite=only", "-rs", "-k", "interface")
    done.stdout.fnmatch_lines(["SKIPPED * not judged: join_channels = false leaves out the connect and lost *"])


def test_what_is_public_is_joined_once_to_read_what_it_shows(site: Site) -> None:
    (site.path / "nodered-sec.toml").write_text(
        'dashboards = ["/ui", {path = "/wall", public = true, reason = "andon board"}]\n'
        'interfaces = [{kind = "worldmap", path = "/map", public = true, reason = "kiosk"}]\n'
    )
    text = site.run("--nodered-plan").stdout.str()
    assert "POST    /wall/socket.io/?EIO=4&transport=polling&sid=<sid>  [dash-05, landmarks]" in text
    assert (
        "POST    /ui/socket.io/?EIO=4&transport=polling&sid=<sid>  [admin-12, dash-02, landmarks, origin-01, proxy-05]"
        in text
    )
    assert "/map/socket" not in text
    done = site.run("--nodered-suite=only", "-rs", "-k", "live_channel_refuses or other_interface or public_dashboard")
    for line in (
        "SKIPPED * declared public: andon board",
        "SKIPPED * declared public: kiosk",
        "SKIPPED * not declared public: dash-01 and dash-02 judge it",
    ):
        done.stdout.fnmatch_lines([line])


def test_client_certificates_and_lists_are_asked_for_where_the_policy_says_so(site: Site) -> None:
    plain = site.run("--nodered-plan", "-k", "test_tls").stdout.str()
    assert "[fleet-01, tls-01, tls-02, tls-03, tls-04, tls-05, tls-06, tls-11, tls-12, tls-13]" in plain
    assert "ClientHellos alone  [tls-07, tls-08, tls-09, tls-10, tls-14, tls-15, tls-16]" in plain
    assert "revoked certificates" not in plain
    (site.path / "nodered-sec.toml").write_text('mutual_tls = true\nrevocation = "crl"\n')
    asked = site.run("--nodered-plan", "-k", "test_tls").stdout.str()
    assert "GET     the lists of revoked certificates, from the CA over plain HTTP  [tls-13]" in asked
    assert "/<random>  [landmarks, tls-12]" in asked
    (site.path / "nodered-sec.toml").unlink()
    done = site.run("--nodered-suite=only", "-rs", "-k", "client_certificate", "--nodered-mode=calm")
    done.stdout.fnmatch_lines(["SKIPPED * not required: mutual_tls = true demands a client certificate"])
    done = site.run("--nodered-suite=only", "-rs", "-k", "client_certificate", url="http://plant.example")
    done.stdout.fnmatch_lines(["SKIPPED * served without TLS: see tls-01"])
