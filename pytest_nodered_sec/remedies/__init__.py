"""From findings to changes: which few changes end them, and how each is written for what stands there. Pure."""
