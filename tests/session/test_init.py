"""What `--nodered-init` writes, beside a server that has nothing; tests/live/test_targets.py has real ones."""

from __future__ import annotations

import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from hostile import FakeNodeRED, default_ca, everything_404, page, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


class Nothing(BaseHTTPRequestHandler):
    """Has no page, or sends everybody to another host."""

    status, location = 404, ""

    def do_GET(self) -> None:
        self.send_response(self.status)
        if self.location:
            self.send_header("Location", self.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Away(Nothing):
    status, location = 302, "https://sso.example/login"


@pytest.fixture(params=[Nothing, Away])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def init(pytester: pytest.Pytester, url: str, *args: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:randomly", "--nodered-init", f"--nodered-url={url}", *args)


TYPED = {
    "profile": "strict",
    "editor": "protected",
    "admin_api": "proxied",
    "admin_root": "/red",
    "node_root": "/api",
    "dashboards": ["/hmi"],
    "login_urls": ["https://sso.example/realms/plant"],
    "timeout": 5.0,
    "mode": "calm",
}


def test_what_was_typed_stands_in_the_file(
    pytester: pytest.Pytester, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODERED_MODE", "calm")
    args = [
        "--nodered-profile=strict",
        "--nodered-editor=protected",
        "--nodered-admin-api=proxied",
        "--nodered-admin-root=/red",
        "--nodered-node-root=/api",
        "--nodered-dashboard=/hmi",
        "--nodered-login-url=https://sso.example/realms/plant",
        "--nodered-timeout=5",
    ]
    assert init(pytester, url, *args).ret == 0
    (written,) = tomllib.loads((pytester.path / "nodered-sec.toml").read_text())["target"]
    assert written == {"name": url.removeprefix("http://"), "url": url, **TYPED}
    monkeypatch.delenv("NODERED_MODE")
    shown = pytester.runpytest_inprocess("-p", "no:randomly", "--nodered-show-policy").stdout.str()
    for line in ('profile = "strict"', 'editor = "protected"', 'admin_api = "proxied"', 'mode = "calm"'):
        assert f"{line}  # [[target]]" in shown


def test_what_must_be_settled_before_a_run_is_said(pytester: pytest.Pytester) -> None:
    with serving(everything_404) as nobody, serving(FakeNodeRED()) as there:
        names = [hostile.url.removeprefix("https://") for hostile in (nobody, there)]
        result = init(pytester, nobody.url, f"--nodered-url={there.url}")
        unverified = "its certificate does not verify (*; see tls-01 and tls-02)"
        result.stdout.fnmatch_lines(
            [
                "nodered-sec.schema.json beside it lets editors check and complete it",
                f"{names[0]}: {unverified}: for a private CA, name its root as ca_file in the file",
                f"{names[0]}: nothing at / identifies Node-RED: the URL may be wrong, a login may hide it, *",
                f"{names[1]}: {unverified}: *",
            ]
        )
        assert f"{names[1]}: nothing" not in result.stdout.str()
        text = (pytester.path / "nodered-sec.toml").read_text()
        assert text.count("# Found: its certificate does not verify (") == 2
        assert text.count('# ca_file = "plant-ca.pem"') == 2
        (pytester.path / "nodered-sec.toml").unlink()
        trusted = init(pytester, there.url, f"--nodered-ca-file={default_ca().pem_path}")
        assert "verify" not in trusted.stdout.str() + (pytester.path / "nodered-sec.toml").read_text()


def test_http_on_a_port_for_https_is_said(pytester: pytest.Pytester) -> None:
    with serving(lambda request: page("The plain HTTP request was sent to HTTPS port", 400), tls=False) as nginx:
        result = init(pytester, nginx.url)
        https = nginx.url.replace("http:", "https:")
        result.stdout.fnmatch_lines([f"*: nothing at / identifies Node-RED: *use `--nodered-url={https}`"])


def test_ports_that_nobody_set_are_there_to_check(pytester: pytest.Pytester) -> None:
    file = pytester.path / "nodered-sec.toml"
    http = "\n# http_port = 80  # where plain HTTP answers (http-01)\n"
    direct = "\n# direct_port = 1880  # Node-RED's own port, uiPort in settings.js (proxy-01)\n"
    check = "\n# Check: if another port is used, say so here, or the controls that ask there pass and prove nothing.\n"
    with serving(FakeNodeRED()) as there:
        assert init(pytester, there.url).ret == 0
        text = file.read_text()
        assert all(line in text for line in (check, http, direct))
        for port in ("http_port = 80", "direct_port = 1880"):
            assert tomllib.loads(text.replace(f"# {port}", port))["target"][0][port.partition(" ")[0]]
        file.unlink()
        assert init(pytester, there.url, "--nodered-direct-port=1880", "--nodered-http-port=81").ret == 0
        text = file.read_text()
        assert "\ndirect_port = 1880\nhttp_port = 81\n" in text or "\nhttp_port = 81\ndirect_port = 1880\n" in text
        assert not any(line in text for line in (check, http, direct))


def test_a_url_without_tls_has_the_port_of_plain_http(pytester: pytest.Pytester, url: str) -> None:
    assert init(pytester, url).ret == 0
    text = (pytester.path / "nodered-sec.toml").read_text()
    assert "# direct_port = 1880  # " in text
    assert "http_port" not in text


def test_no_dashboards_stay_none(pytester: pytest.Pytester, url: str) -> None:
    assert init(pytester, url, "--nodered-dashboard=none").ret == 0
    file = tomllib.loads((pytester.path / "nodered-sec.toml").read_text())
    assert file["profile"] == "production"
    assert file["target"][0]["dashboards"] == "none"


def test_a_policy_file_that_leads_nowhere_is_one_sentence(pytester: pytest.Pytester, url: str) -> None:
    (pytester.path / "nodered-sec.toml").symlink_to("missing/nodered-sec.toml")  # a mode would not keep root out
    result = init(pytester, url)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: nodered-sec.toml: cannot be read (No such file or directory)"])


def test_flows_alone_are_no_target_to_inspect(pytester: pytest.Pytester) -> None:
    (pytester.path / "flows.json").write_text("[]")
    result = pytester.runpytest_inprocess("-p", "no:randomly", "--nodered-init", "--nodered-flows=flows.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --nodered-init needs a target: add --nodered-url=https://HOST, once for each"])


def test_several_urls_stand_in_one_file(pytester: pytest.Pytester, url: str) -> None:
    """One that does not answer is named, and stands there as well."""
    dead = "http://127.0.0.1:9"
    result = init(pytester, url, f"--nodered-url={dead}", "--nodered-dashboard=/hmi", "--nodered-editor=protected")
    assert result.ret == 0
    text = (pytester.path / "nodered-sec.toml").read_text()
    first, second = tomllib.loads(text)["target"]
    assert (first["url"], second["url"]) == (url, dead)
    assert first["dashboards"] == second["dashboards"] == ["/hmi"]
    assert "# Not looked at: " in text
    assert '# credentials = {env = "PLANT_127_0_0_1_9"}' in text
    result.stdout.fnmatch_lines(["*--nodered-fix=changes*", "not looked at, see the file: 127.0.0.1:9: *"])
    shown = pytester.runpytest_inprocess("-p", "no:randomly", "--nodered-show-policy")
    assert shown.stdout.str().count('editor = "protected"') == 2
