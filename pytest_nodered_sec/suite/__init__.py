"""The bundled tests, by topic: three lines each, no helpers, no conftest."""
