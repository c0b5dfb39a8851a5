"""Who is let in by Apache: what its sections say together, Require, and the older Allow, Deny and Satisfy.

As request.c and mod_authz_core.c have it. Sections are merged in their order; of Require the last section's word counts
unless AuthMerging says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pytest_nodered_sec.rules.walk import apache_expressions as expressions
from pytest_nodered_sec.rules.walk.apache_client import is_inside
from pytest_nodered_sec.rules.walk.apache_variables import matches, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.apache_visit import Visit

Verdict = Literal["granted", "denied", "no user", "neutral"]

_COMPAT: Final = ("order", "allow", "deny", "satisfy")
_GROUPS: Final = {"requireall": "and", "requireany": "or", "requirenone": "none"}
_BY_USER: Final = re.compile(
    r"valid-user|user|group|dbm-group|dbd-group|file-owner|file-group|ldap-.*|claim|shib-.*|.*-user"
)
_LOGINS: Final = ("basic", "digest", "form", "openid-connect", "auth-openidc", "mellon", "shibboleth", "cas", "gssapi",
                  "kerberos", "negotiate")  # fmt: skip
_IFS: Final = ("if", "elseif", "else")
_DEMANDS: Final = ("require", *_GROUPS)


@dataclass(frozen=True)
class Demand:
    """Require directives of a section, or what AuthMerging joins.

    Attributes:
        lines: of one section that are for the method of a request.
        how: "and" or "or" where it joins others.
        parts: these.
    """

    lines: tuple[Directive, ...] = ()
    how: str = ""
    parts: tuple[Demand, ...] = ()


@dataclass(frozen=True)
class Access:
    """What sections say about access, merged.

    Attributes:
        login: AuthType, lower case.
        providers: of AuthBasicProvider.
        merging: AuthMerging.
        demand: what is required, None for nothing.
        compat: Order, Allow, Deny and Satisfy; None: none of them stands there.
        tls: whether TLS is demanded.
        certificate: whether a client certificate is; None: not said.
        rest: all other directives.
    """

    login: str = ""
    providers: tuple[str, ...] = ()
    merging: str = ""
    demand: Demand | None = None
    compat: tuple[Directive, ...] | None = None
    tls: bool = False
    certificate: bool | None = None
    rest: tuple[Directive, ...] = ()

    def over(self, base: Access) -> Access:
        """Return what this and a section before it say together."""
        merging, demand = self.merging, self.demand
        if not merging and demand is None:
            merging, demand = base.merging, base.demand
        elif merging in ("and", "or") and base.demand is not None:
            demand = base.demand if demand is None else Demand((), merging, (base.demand, demand))
        return Access(
            self.login or base.login,
            self.providers or base.providers,
            merging,
            demand,
            base.compat if self.compat is None else self.compat,
            self.tls or base.tls,
            base.certificate if self.certificate is None else self.certificate,
            (*base.rest, *self.rest),
        )


def layers(visit: Visit, before: Iterable[Directive] = ()) -> list[list[Directive]]:
    """Return the sections that are for a request, as Apache merges them: <Location>, <If>, what is in those.

    Args:
        visit: the request.
        before: the sections that come before: those of a proxy.
    """
    located = [section for section in visit.sections("location", "locationmatch") if is_for(visit, section)]
    visit.inside = tuple(located)
    result = [located]
    inside = [line for section in (*before, *located) for line in section.block if line.name in _IFS]
    conditional = [*visit.sections(*_IFS), *inside]
    while conditional:
        result.append(list(_conditional(visit, conditional)))
        conditional = [line for section in result[-1] for line in section.block if line.name in _IFS]
    return result


def matching(visit: Visit) -> list[Directive]:
    """Return the sections that are for a request, a proxy's aside, in their order."""
    return [section for layer in layers(visit) for section in layer]


def is_for(visit: Visit, section: Directive) -> bool:
    """Whether a Location section is for the path."""
    regex = section.name == "locationmatch" or section.args[:1] == ("~",)
    text = "".join(section.args[-1:])
    if regex:
        return matches(visit, text, visit.uri, section) is not None
    path = visit.uri if visit.value("mergeslashes") != "off" else re.sub("/{2,}", "/", visit.uri)
    if re.search(r"[*?\[]", text):
        if "[" in text or "\\" in text:
            visit.doubt(f"the pattern {text} ({section.where()}) cannot be read")
            return visit.choices.whether(("location", text, path))
        pattern = re.escape(text).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        return re.fullmatch(pattern, path) is not None
    return path.startswith(text) and (text.endswith("/") or path[len(text) : len(text) + 1] in ("", "/"))


def _conditional(visit: Visit, lines: Iterable[Directive]) -> Iterator[Directive]:
    """Yield the <If>, <ElseIf> and <Else> that hold; of a chain the first."""
    before = False
    for line in lines:
        if line.name != "if" and before:
            continue
        before = line.name == "else" or expressions.holds(visit, "".join(line.args[:1]), line)
        if before:
            yield line


# --- merging ---------------------------------------------------------------------------------------------


def merged(visit: Visit, sections: Iterable[Iterable[Directive]]) -> Access:
    """Return what layers of sections say together: those of one layer first, then that over the layers before."""
    access = Access()
    for layer in sections:
        own = Access()
        for section in layer:
            own = _said(visit, section).over(own)
        access = own.over(access)
    return access


def _inside(visit: Visit, block: tuple[Directive, ...]) -> Iterable[Directive]:
    """Yield what stands in a section for the method of a request, and in what it encloses."""
    for line in block:
        if line.name in ("limit", "limitexcept"):
            methods = [word.upper() for word in line.args]
            listed = visit.method in methods or (visit.method == "HEAD" and "GET" in methods)
            if listed == (line.name == "limit"):
                yield from line.block
            else:
                yield from (inner for inner in line.block if inner.name not in (*_COMPAT, *_DEMANDS))
        elif line.name not in _IFS:
            yield line


def _asks(line: Directive) -> bool:
    """Whether mod_auth_openidc is told to refuse whoever has not logged in; else it may let him pass."""
    return line.name == "oidcunauthaction" and line.args in (("auth",), ("401",), ("407",), ("410",))


def _said(visit: Visit, section: Directive) -> Access:
    """Return what a section says."""
    lines = list(_inside(visit, section.block))
    names = {line.name for line in lines}
    names |= {inner.name for line in section.block if line.name in ("limit", "limitexcept") for inner in line.block}
    values = {line.name: line.args for line in lines if line.args}
    verify = values.get("sslverifyclient")
    required = tuple(line for line in lines if line.name in _DEMANDS)
    known = (*_COMPAT, *_DEMANDS, "authtype", "authbasicprovider", "authmerging", "sslrequiressl", "sslverifyclient")
    return Access(
        "".join(values.get("authtype", ())).lower(),
        tuple(arg.lower() for arg in values.get("authbasicprovider", ())),
        "".join(values.get("authmerging", ())).lower(),
        Demand(required) if names.intersection(_DEMANDS) else None,
        tuple(line for line in lines if line.name in _COMPAT) if names.intersection(_COMPAT) else None,
        "sslrequiressl" in names,
        None if verify is None else verify[0].lower() == "require",
        tuple(line for line in lines if line.name not in known and not _asks(line)),
    )


def _all(lines: tuple[Directive, ...]) -> Iterable[Directive]:
    for line in lines:
        yield line
        yield from _all(line.block)


# --- judging ---------------------------------------------------------------------------------------------


def refused(visit: Visit, access: Access) -> int:
    """Return the status that refuses a request, 0 where it is let in."""
    granted = visit.client.granted
    if access.tls and not visit.client.tls:
        return _refuse(visit, "SSLRequireSSL", 403)
    if access.certificate and not granted:
        return _refuse(visit, "SSLVerifyClient require", 403)
    compat = access.compat or ()
    satisfy = next((line.args[0].lower() for line in reversed(compat) if line.name == "satisfy" and line.args), "all")
    near = _near(visit, compat)
    if satisfy == "any":
        if near:
            return 0
    elif not near:
        return _refuse(visit, "Deny", 403)
    if access.demand is None:
        return 0
    before = _came_to(visit, access.demand, "and", user=False)
    if before == "granted":
        return 0
    if before != "no user":
        return _refuse(visit, _shown(access.demand), 403)
    if not access.login or access.login == "none":
        return _refuse(visit, _shown(access.demand), 500)
    if access.login not in _LOGINS:
        visit.doubt(f"AuthType {access.login} is not followed")
    if "anon" in access.providers:
        visit.doubt("whom AuthBasicProvider anon lets in is not followed")
    unknown_ = access.login not in _LOGINS or "anon" in access.providers
    if not granted and not (unknown_ and visit.choices.whether(("login", access.login))):
        return _refuse(visit, _shown(access.demand), 401)
    return (
        0
        if _came_to(visit, access.demand, "and", user=True) == "granted"
        else _refuse(visit, _shown(access.demand), 401)
    )


def _shown(demand: Demand) -> str:
    """Return a Require directive as it stands there."""
    if demand.parts:
        return _shown(demand.parts[-1])
    line = next((line for line in _all(demand.lines) if line.name == "require"), None)
    return " ".join(("Require", *line.args)) if line else "Require"


def _refuse(visit: Visit, what: str, status: int) -> int:
    visit.refused.append(what)
    return status


def _near(visit: Visit, lines: tuple[Directive, ...]) -> bool:
    """Whether Order, Allow and Deny let a request pass."""
    order = next((line.args[0].lower() for line in reversed(lines) if line.name == "order" and line.args), "deny,allow")
    allowed, denied = (
        any([_from(visit, arg, line) for line in lines if line.name == name for arg in line.args[1:]])
        for name in ("allow", "deny")
    )
    return allowed or not denied if order == "deny,allow" else allowed and not denied


def _from(visit: Visit, text: str, line: Directive) -> bool:
    if text.lower() == "all":
        return True
    if text.lower().startswith("env="):
        return (value(visit, text[4:].removeprefix("!")) is None) == text.startswith("!", 4)
    return is_inside(visit, text, line)


def _came_to(visit: Visit, demand: Demand, within: str, *, user: bool) -> Verdict:
    """Return what Require directives come to."""
    if demand.parts:
        return _joined([_came_to(visit, part, demand.how, user=user) for part in demand.parts], demand.how)
    if not demand.lines:  # they are for other methods
        return "granted" if within == "and" else "neutral"
    return _group(visit, demand.lines, "or", user=user)


def _group(visit: Visit, lines: tuple[Directive, ...], how: str, *, user: bool, other: bool = False) -> Verdict:
    """Return what a group of Require directives comes to; as in Apache, only as far as is needed.

    Args:
        visit: the request.
        lines: the group.
        how: "and", or "or".
        user: whether somebody has logged in.
        other: who is none of those that are named, as in <RequireNone>.
    """
    results: list[Verdict] = []
    for line in lines:
        if line.name in _GROUPS:
            none = line.name == "requirenone"
            joined = "or" if none else _GROUPS[line.name]
            inner: Verdict = _group(visit, line.block, joined, user=user, other=other or none)
            if none:
                inner = _negated(inner)
        elif line.name == "require":
            inner = _required(visit, line, user=user, other=other)
        else:
            visit.doubt(f"{line.name} ({line.where()}) is not followed")
            continue
        results.append(inner)
        if inner == ("denied" if how == "and" else "granted"):
            break
    return _joined(results, how)


def _joined(results: list[Verdict], how: str) -> Verdict:
    result: Verdict = "neutral"
    for literal in results:
        if literal == "neutral":
            continue
        if literal == ("denied" if how == "and" else "granted"):
            return literal
        if result == "neutral" or literal == "no user":
            result = literal
    return result


def _negated(result: Verdict) -> Verdict:
    return "denied" if result == "granted" else "neutral"


def _required(visit: Visit, line: Directive, *, user: bool, other: bool) -> Verdict:
    args = list(line.args)
    negated = args[:1] == ["not"]
    result = _provider(visit, args[negated:], line, user=user, other=other or negated)
    return _negated(result) if negated else result


def _provider(visit: Visit, args: list[str], line: Directive, *, user: bool, other: bool) -> Verdict:
    name, values = "".join(args[:1]).lower(), args[1:]
    known = {
        "all": "".join(values[:1]).lower() == "granted",
        "ssl": visit.client.tls,
        "ssl-verify-client": visit.client.granted,
        "method": visit.method in [value.upper() for value in values],
    }
    if name in known:
        return "granted" if known[name] else "denied"
    if _BY_USER.fullmatch(name):
        if not user:
            return "no user"
        return "denied" if other and name != "valid-user" else "granted"
    if name in ("ip", "local", "host", "forward-dns"):
        networks = ["127.0.0.0/8", "::1"] if name == "local" else values
        return "granted" if any([is_inside(visit, network, line) for network in networks]) else "denied"
    if name == "env":
        return "granted" if any(value(visit, each) is not None for each in values) else "denied"
    if name == "expr":
        return "granted" if expressions.holds(visit, " ".join(values), line) else "denied"
    visit.doubt(f"Require {name} ({line.where()}) is not followed")
    return "granted" if visit.choices.whether(("require", line)) else "denied"
