"""The pytest side: options, targets, collection, fixtures, outcomes, hooks."""
