"""The transport of all probes: connections, requests, pace, looks, identity of the server."""
