"""Which router of Traefik's takes a request: of those that are whole and fit, the one of the highest priority."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_nodered_sec.rules.walk import traefik_rules
from pytest_nodered_sec.rules.walk.traefik_visit import below, number, text, texts

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host_proxies import Directive
    from pytest_nodered_sec.rules.walk.traefik_visit import Visit

_MOST_HOPS: Final = 4
_OF_ROUTER: Final = (
    "entrypoints", "rule", "rulesyntax", "priority", "middlewares", "service", "tls", "observability", "parentrefs",
)  # fmt: skip


def fitting(visit: Visit, routers: list[Directive]) -> dict[int, list[Directive]]:
    """Return by priority the routers whose rules fit."""
    fits: dict[int, list[Directive]] = {}
    for router in routers:
        rule = text(router, "rule")
        if strange := [node.name for node in router.block if node.name.lower() not in _OF_ROUTER]:
            visit.doubt(f"{strange[0]} of router {router.name} ({router.file}) is not followed")
        if not _is_built(visit, router):
            continue
        if (
            text(router, "ruleSyntax").lower() == "v2"
            or text(visit.seen.directives[0], "core", "defaultRuleSyntax") == "v2"
        ):
            visit.doubt(f"rules of Traefik 2 ({router.name}, {router.file}) are not followed")
            held = visit.choices.whether(("rule", rule))
        else:
            held = _fits(visit, router, rule)
        if held:
            fits.setdefault(number(text(router, "priority")) or len(rule), []).append(router)
    return fits


def first(visit: Visit, fits: dict[int, list[Directive]]) -> Directive | None:
    """Return the router of the highest priority."""
    if not fits:
        return None
    best = fits[max(fits)]
    if len(best) > 1:
        visit.doubt(f"routers {best[0].name} and {best[1].name} ({best[0].file}) have the same priority")
    return best[visit.choices.pick(("router", tuple(router.name for router in best)), len(best))]


def _fits(visit: Visit, router: Directive, rule: str) -> bool:
    try:
        return traefik_rules.holds(visit, traefik_rules.read(rule))
    except traefik_rules.UnreadableError:
        visit.doubt(f"the rule of router {router.name} ({router.file}) is not followed: {rule}")
        return visit.choices.whether(("rule", rule))


def _is_built(visit: Visit, router: Directive, depth: int = 0) -> bool:
    """Whether everything is there that a router names; Traefik leaves out what is not whole.

    One with children has no service of its own, and a child that has both is not whole. A child has no entry points and
    no TLS; seen in Traefik 3.7.
    """
    known = visit.seen.named("http", "middlewares")
    wanted = [name.removesuffix("@file") for name in texts(router, "middlewares")]
    others = [name for name in (*wanted, text(router, "service")) if "@" in name.removesuffix("@file")]
    if foreign := [name for name in others if not name.endswith("@internal")]:
        visit.doubt(f"{foreign[0]} of router {router.name} ({router.file}) comes from elsewhere")
    if below(router, "parentRefs"):
        if not text(router, "rule") or below(router, "entryPoints") or below(router, "tls"):
            return False
        if text(router, "service") and any(child is not router for child in visit.seen.children(router)):
            return False
        parents = {name.removesuffix("@file") for name in texts(router, "parentRefs")}
        if parents - set(visit.seen.named("http", "routers")):
            visit.doubt(f"a router that is not there is a parent of {router.name} ({router.file})")
    if children := visit.seen.children(router):
        whole = all(name in known or "@" in name for name in wanted)
        return whole and (depth > _MOST_HOPS or any(_is_built(visit, child, depth + 1) for child in children))
    services = visit.seen.named("http", "services")
    service = text(router, "service").removesuffix("@file")
    return all(name in known or "@" in name for name in wanted) and (service in services or "@" in service)
