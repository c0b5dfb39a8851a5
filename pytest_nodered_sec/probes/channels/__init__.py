"""Probes over WebSockets and Socket.IO: the live data behind the pages."""
