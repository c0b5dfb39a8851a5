"""Whom nginx lets pass: addresses, then logins, then what other modules ask (ngx_http_core_access_phase)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import conditions, variables
from pytest_nodered_sec.rules.walk.blocks import all_of, value
from pytest_nodered_sec.rules.walk.request import unknowns

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nodered_sec.rules.walk.request import Outcome, Request

PASS: Final = 200
NO_OPINION: Final = 0
_LOGINS: Final = ("auth_jwt", "auth_pam", "auth_ldap", "auth_digest", "auth_gss", "auth_spnego", "auth_oidc")


def refusal(request: Request, ask: Callable[[Request, str], Outcome]) -> int:
    """Return the status with which the request is refused, 0 where it passes.

    Args:
        request: who asks for what.
        ask: makes a subrequest, for auth_request.
    """
    if request.subrequest:
        return 0
    any_will_do = value(request.path, "satisfy") == ("any",)
    refused = 0
    texts: list[str] = []
    for opinion in (_addresses, _basic, lambda of: _asked(of, ask), _other_logins):
        status, text = opinion(request)
        if status == PASS and any_will_do:
            return 0
        if status in (NO_OPINION, PASS):
            continue
        texts.append(text)
        if not any_will_do or status not in (401, 403):
            request.refused.append(text)
            return status
        refused = 401 if 401 in (status, refused) else status
    if refused:
        request.refused += texts
    return refused


def _addresses(request: Request) -> tuple[int, str]:
    """Return what the first allow or deny says that names the client's address."""
    rules = all_of(request.path, "allow", "deny")
    if not rules:
        return NO_OPINION, ""
    chosen = variables.trusts_anybody(request) and any(directive.name == "allow" for directive in rules)
    if request.client.granted or chosen:
        return PASS, ""
    for rule in rules:
        network = rule.args[0] if rule.args else ""
        inside = conditions.is_from(request.client.address, network)
        if inside is None:
            request.doubt(f"{rule.name} {network} ({rule.where()}) names no network")
        if inside:
            return (PASS, "") if rule.name == "allow" else (403, f"deny {network};")
    return NO_OPINION, ""


def _basic(request: Request) -> tuple[int, str]:
    realm = value(request.path, "auth_basic")
    file = value(request.path, "auth_basic_user_file")
    if not realm or not file or conditions.equal(request, variables.filled(request, realm[0]), "off"):
        return NO_OPINION, ""  # without a file nginx asks for no login
    return (PASS, "") if request.client.granted else (401, f"auth_basic {realm[0]};")


def _asked(request: Request, ask: Callable[[Request, str], Outcome]) -> tuple[int, str]:
    uri = value(request.path, "auth_request")
    if not uri or uri == ("off",):
        return NO_OPINION, ""
    text = f"auth_request {uri[0]};"
    if request.client.granted:
        return PASS, ""
    answer = ask(request, variables.filled(request, uri[0]))
    status = answer.status or (None if answer.kind == "unknown" else request.client.behind)
    if status is not None:
        if 200 <= status < 300:
            return PASS, ""
        return (status if status in (401, 403) else 500), text
    if answer.kind == "elsewhere":
        return 401, text  # whoever is asked there is taken at its word: it is a login's business
    request.doubt(f"the value of {text} is not in the configuration")
    return (PASS, "") if request.choices.whether(("asked", uri)) else (401, text)


def _other_logins(request: Request) -> tuple[int, str]:
    for name in _LOGINS:
        args = value(request.path, name)
        if args and not unknowns(args[0]) and variables.filled(request, args[0]) != "off":
            return (PASS, "") if request.client.granted else (401, f"{name} {' '.join(args)};")
    return NO_OPINION, ""
