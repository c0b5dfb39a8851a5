"""Node-RED's own settings: a module that takes the site's settings and returns them with the changes made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nodered_sec.remedies.model import Site

FILE: Final = "settings.secure.js"

_HEAD: Final = """\
// The changes for @NAME@. In the directory of the settings.js that Node-RED loads:
//   mv settings.js settings.site.js
// and save this file there as settings.js, then restart Node-RED. What is yours stays in settings.site.js.
"use strict";
const site = require("./settings.site.js");
"""
_SAME: Final = """
// Browsers say from which page a live channel is joined; other clients say nothing.
const sameSite = (origin, host) => {
    try { return !origin || new URL(origin).host === host; } catch { return false; }
};
const guarded = (own = {}) => ({...own, ioMiddleware: [own.ioMiddleware, (socket, next) => {
    const {origin, host} = socket.handshake.headers;
    next(sameSite(origin, host) ? undefined : new Error("foreign origin"));
}].flat().filter(Boolean)});
"""
_LOGIN: Final = """
// users.json is yours to write: a list of accounts, each with username, password (a hash that `node-red admin hash-pw`
// prints) and permissions ("*" or "read"). Nobody is let in without a login: no `default` user.
const {default: anybody, ...login} = site.adminAuth ?? {};
"""
_LINES: Final = {
    "settings.adminAuth": "adminAuth: @LOGIN@,\n    httpAdminAuth: undefined,",
    "settings.disableEditor": "disableEditor: true,",
    "settings.httpAdminRoot": "httpAdminRoot: false,",
    "settings.uiHost": 'uiHost: "127.0.0.1",',
    "settings.externalModules": (
        "externalModules: {...site.externalModules,\n"
        "        palette: {...site.externalModules?.palette, allowInstall: false, allowUpload: false},\n"
        "        modules: {...site.externalModules?.modules, allowInstall: false}},"
    ),
    "settings.origin": (
        "ui: guarded(site.ui),\n    dashboard: guarded(site.dashboard),\n"
        "    webSocketNodeVerifyClient: (info) => sameSite(info.origin, info.req.headers.host) &&\n"
        "        (site.webSocketNodeVerifyClient?.(info) ?? true),"
    ),
    "settings.credentialSecret": "credentialSecret: process.env.NODE_RED_CREDENTIAL_SECRET,",
    "settings.logging": (
        'logging: {...site.logging, console: {level: "info", metrics: false, ...site.logging?.console, audit: true}},'
    ),
}
_ACCOUNT: Final = 'login.type ? login : {type: "credentials", users: require("./users.json")}'


_USUAL: Final = 604800  # seconds for which a session lasts where the settings do not say
_OVER: Final = {  # of what is kept of the site's own login
    "settings.sessionExpiryTime": "sessionExpiryTime: @SECONDS@",
    "settings.tokens": "tokens: undefined",
}
_SHORTER: Final = "sessionExpiryTime: Math.min(site.adminAuth?.sessionExpiryTime ?? @SECONDS@, @SECONDS@)"


def write(changes: Iterable[str], site: Site) -> dict[str, str]:
    """Return the settings file for the changes that it can make; none where it can make none of them."""
    asked = set(changes)
    wanted = [_LINES[name] for name in _LINES if name in asked]
    over = [_OVER[name] for name in _OVER if name in asked]
    login = _ACCOUNT
    if "settings.adminAuth" in asked:
        shorter = site.session_seconds < _USUAL and "settings.sessionExpiryTime" not in asked
        over += [_SHORTER] if shorter else []  # or it is found too long as soon as somebody can log in
        login = f"{{...({_ACCOUNT}), {', '.join(over)}}}" if over else _ACCOUNT
    elif over:
        wanted.insert(0, f"adminAuth: {{...site.adminAuth, {', '.join(over)}}},")
    if not wanted:
        return {}
    head = _HEAD.replace("@NAME@", site.name)
    head += _SAME if "settings.origin" in asked else ""
    head += _LOGIN if "settings.adminAuth" in asked else ""
    lines = "\n".join(f"    {line}" for line in wanted)
    text = f"{head}\nmodule.exports = {{\n    ...site,\n{lines}\n}};\n"
    return {FILE: text.replace("@LOGIN@", login).replace("@SECONDS@", str(site.session_seconds))}
