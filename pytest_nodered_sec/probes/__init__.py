"""The only code that opens a connection or runs a command; `registry` lists the probes by name."""
