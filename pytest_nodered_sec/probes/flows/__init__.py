"""Reads flows, from wherever they come: parsed once, reduced to an observation without content."""
