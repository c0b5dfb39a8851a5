"""The client certificate with which the plant's proxy lets us in."""

import os
from dataclasses import replace


def pytest_nodered_targets(config, targets):
    """Return the targets, each asked with our certificate."""
    ours = (os.environ["PLANT_CERTIFICATE"], os.environ["PLANT_KEY"])
    return [replace(target, http=replace(target.http, client_certificate=ours)) for target in targets]
