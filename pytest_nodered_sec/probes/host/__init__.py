"""The inside of a target, over testinfra."""
