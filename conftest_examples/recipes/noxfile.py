"""Recipes for nox."""

import nox


@nox.session
def nodered(session: nox.Session) -> None:
    """Check the Node-RED that NODERED_URL, nodered-sec.toml or the arguments name."""
    session.install("pytest-nodered-sec")
    session.run("pytest", "--nodered-suite=only", *session.posargs)
