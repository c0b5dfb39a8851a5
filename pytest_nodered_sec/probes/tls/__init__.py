"""Handshakes, suites, certificates and their revocation."""
