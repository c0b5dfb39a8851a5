"""One target for each host of the inventory's group `nodered`."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

INVENTORY = Path(__file__).with_name("inventory.ini")


def pytest_nodered_targets(config, targets):
    """Return the inventory's hosts in place of the pattern."""
    (pattern,) = targets
    command = ["ansible-inventory", "-i", str(INVENTORY), "--list"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    groups = {name: group.get("hosts", []) for name, group in listed.items() if name != "_meta"}
    return [
        replace(
            pattern,
            name=name,
            url=listed["_meta"]["hostvars"][name]["nodered_url"],
            labels={group: "yes" for group, hosts in groups.items() if name in hosts},
        )
        for name in groups["nodered"]
    ]
