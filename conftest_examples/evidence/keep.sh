#!/bin/sh
# Look, keep the evidence in a new folder, sign it; exit as pytest does.
set -eu
folder=evidence/$(date -u +%Y-%m-%d)
status=0
pytest --nodered-suite=only --nodered-evidence="$folder" || status=$?
[ $status -gt 1 ] || ssh-keygen -q -Y sign -f "$SIGNING_KEY" -n nodered-sec "$folder/SHA256SUMS"
exit $status
