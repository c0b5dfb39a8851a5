#!/bin/sh
# Test from a machine inside the plant network, reached through a jump host; evidence and exit code are written here.
set -eu
place=${PLACE:-/opt/nodered-sec} # on both machines: a virtual environment, and the policy file
cp nodered-sec.toml "$place/nodered-sec.toml"
ssh -F ssh_config inside "cat > '$place/nodered-sec.toml'" < nodered-sec.toml
"$place/bin/python" -m pytest --nodered-suite=only --nodered-policy="$place/nodered-sec.toml" --dist=load \
    --tx "2*ssh=inside//ssh_config=ssh_config//python=$place/bin/python" --nodered-evidence=evidence
