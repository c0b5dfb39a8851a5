"""What a person does whom CHANGES.md tells to, and the plants on which it is tried."""

from __future__ import annotations

import functools
import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.lab import toolchain
from pytest_nodered_sec.lab.certificates import Authority
from pytest_nodered_sec.lab.deployments import DEPLOYMENTS, Deployment
from pytest_nodered_sec.lab.node_red import flows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fixlab import Plant


_COOKIE: Final = 'res.cookie("line", "7");'
_SETS_IT: Final = f"{{middleware: (req, res, next) => {{ {_COOKIE} next(); }}}}"
# What the lab has nowhere, so that each front's words for it are tried: a policy that wants more, and moved roots.
OTHERS: Final = {
    "strictly": Deployment(
        expect=(
            *(("profile", "strict"), ("editor", "protected"), ("mutual_tls", True)),
            *DEPLOYMENTS["hardened"].expect,
        )
    ),
    "moved-cookies": replace(
        DEPLOYMENTS["moved"],
        settings=f"{DEPLOYMENTS['moved'].settings} ui: {_SETS_IT}, dashboard: {_SETS_IT},",
    ),
}
PLANTS: Final = DEPLOYMENTS | OTHERS


def _change(plant: Plant, pattern: str, replacement: str) -> None:
    site = plant.user_dir / "settings.site.js"
    path = site if site.exists() else plant.user_dir / "settings.js"
    path.write_text(re.sub(pattern, replacement, path.read_text()))


def _other_passwords(plant: Plant) -> None:
    plant.known = ""
    _change(plant, r"\$2[aby]\$08\$[./\w]{53}", plant.hashed)


def _own_directory(plant: Plant) -> None:
    (plant.user_dir / "public").mkdir()
    _change(plant, r"__dirname\b", '__dirname + "/public"')


def _without_inspector(plant: Plant) -> None:
    plant.inspector = False


def _newer_node(plant: Plant) -> None:
    plant.node = ""


def _newer_node_red(plant: Plant) -> None:
    plant.major = 5
    plant.link(node_red(5))


def _only_showing(plant: Plant) -> None:
    (plant.user_dir / "flows.json").write_text(flows(replace(plant.deployment, flows="display-only")))


# What a person does whom CHANGES.md tells to: titles of changes, as far as they are the same everywhere.
def _without_login_form(plant: Plant) -> None:
    (plant.user_dir / "flows.json").write_text(flows(replace(plant.deployment, flows="first")))


def _without_middleware(plant: Plant) -> None:
    _change(plant, r"(ui|dashboard): \{middleware: [^}]*\},?", "")


def _right_account(plant: Plant) -> None:
    plant.known = ""


def _guarded_cookie(plant: Plant) -> None:
    _change(plant, re.escape(_COOKIE), 'res.cookie("line", "7", {secure: true, httpOnly: true, sameSite: "lax"});')


def _certificate_of_the_issuer(plant: Plant) -> None:
    wanted = dict(plant.deployment.expect)
    if "issuer" in wanted:
        authority = Authority(plant.folder, wanted["issuer"])
        authority.write(plant.folder, "listed", f"http://localhost:{plant.list_port}/lab.crl")
        plant.publishes = True


BY_HAND: Final[dict[str, Callable[[Plant], None]]] = {
    "give each account a password of its own": _other_passwords,
    "move the secret to the node's credentials": _without_login_form,  # whose place the front's login has taken
    "give every cookie Secure, HttpOnly and SameSite where it is set": _guarded_cookie,
    "present a certificate for this name": _certificate_of_the_issuer,
    "correct the password in ": _right_account,
    "let httpStatic name a directory of its own": _own_directory,
    "stop the service that listens there": _without_inspector,
    "install Node.js": _newer_node,
    "update Node-RED to a maintained release": _newer_node_red,
    "move widgets that act": _only_showing,
}
# The same of what a change is to be minded with.
MINDED: Final[dict[str, Callable[[Plant], None]]] = {
    "without asking for a login: if a `middleware`": _without_middleware,
    "change them once HTTPS works": _other_passwords,
}


@functools.cache
def node_red(major: int) -> Path:
    """Return where the packages of a Node-RED lie; each question measures them anew."""
    return toolchain.node_red(major, lambda line: None)


@functools.cache
def node_js(release: str) -> Path:
    """Return a Node.js; "" for the one with the last security fixes."""
    if release:
        return toolchain.node_of(release, lambda line: None)
    return toolchain.patched_node(lambda line: None)


@functools.cache
def account(modules: Path) -> tuple[str, str]:
    """Return a password and its hash: one for all plants, because Node-RED's own bcrypt takes a while to start."""
    password = secrets.token_urlsafe(12)
    (hashed,) = toolchain.bcrypt(modules, [password])
    return password, hashed
