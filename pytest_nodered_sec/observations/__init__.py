"""Observations: frozen values, one module for each kind. Each checks in `settle` whether it is a usable answer."""
