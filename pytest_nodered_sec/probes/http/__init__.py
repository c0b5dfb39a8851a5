"""Probes over HTTP and HTTPS; the landmarks are asked first."""
