"""Asks the questions of all targets in parallel, within rate limits, each question once."""
