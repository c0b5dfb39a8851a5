"""The transport of all probes: connections, requests, their pace and repetition, and what the answers tell besides."""
