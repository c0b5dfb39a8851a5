"""Where redaction ends: which fields of what the plugin writes are its own, and never lose a secret's letters.

A password may be "12", "T" or "plant". Removed from everything, it would break a time, a test's id or a schema's word,
and by its very gap say what it is. So the line is drawn by where a text comes from, not by what it looks like:

- Ours is what a run computes (times, counts, digests, releases), what the plugin defines (keys, outcomes, severities,
  controls, codes), and the names by which things are met again in the next run: targets, questions, test ids, policy
  values. The site has declared these on the command line or in its policy file, where no secret may stand. They stay.
- Everything else is prose: what a target or a host said, what an exception or a site's own test says, and the sentences
  that people write into the policy file. It loses every secret.

A field that is not named here is prose.
"""

from __future__ import annotations

from typing import Final

OF_RECORD: Final = frozenset((
    "nodeid", "control", "title", "severity", "target", "instance", "outcome", "started", "policy_sha256",
    "code", "findings", "expires",
))  # fmt: skip
"""Of `results.records`; `findings` as the codes that a waiver accepts."""

OF_RUN: Final = frozenset((
    "plugin", "tools", "started", "ended", "shard", "omitted", "replayed", "fail_on", "baseline", "code", "tables",
    "machine", "clock",
    "name", "url", "profile", "policy", "policy_sha256",
    "key", "value", "demanded",
    "control", "instance", "finding", "expires", "dated", "until", "sha256",
    "addresses", "dialled", "source", "leaf_sha256", "key_sha256",
))  # fmt: skip
"""Of `results.metadata`: the run, its targets, their deviations, waivers, attestations and identity."""

OF_OBSERVATION: Final = frozenset((
    "kind", "what", "program", "surface", "method", "family", "protocol", "version", "scheme", "status", "key_type",
    "signature_hash", "type", "id", "release", "releases", "modules", "packages", "dashboards",
))  # fmt: skip
"""Of `observations`: where rules expect words that they know. A secret that is more than a word goes there, too."""

OF_REPORT: Final = frozenset((
    "nodeid", "_id", "location", "when", "outcome", "keywords", "nodered_collected",
    "node", "worker_id", "testrun_uid",
))  # fmt: skip
"""Of pytest's report of a control's test; the last three are xdist's. `node` leads to all of the run's own objects."""

PROPERTIES: Final = frozenset(
    f"nodered_sec.{name}"
    for name in ("control", "severity", "target", "outcome", "policy_sha256", "findings", "baseline", "policy")
)
"""Of a test's properties in the JUnit file, those that the plugin writes and that are no prose."""

OF_TRACEBACK: Final = frozenset(("style", "path"))
"""Of pytest's representations of a failure: how it is shown, and where the site's code lies."""

PROSE_OF_POLICY: Final = frozenset((
    "reason", "approver", "ticket", "measure", "by", "statement", "document",
    "assessor", "organisation", "authorisation", "scope", "vantage", "system",
))  # fmt: skip
"""What people write into a policy; all else in it is values."""
