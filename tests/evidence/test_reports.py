"""What the reports say of runs that the lab does not come to: chains in disorder, many targets, more than CI takes."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_nodered_sec import accounts, facts
from pytest_nodered_sec.evidence.hdf import hdf
from pytest_nodered_sec.evidence.html import html
from pytest_nodered_sec.evidence.report import Report
from pytest_nodered_sec.evidence.summary import LIMIT, markdown
from pytest_nodered_sec.model_chain import CertificateFacts, PresentedChain

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def record(outcome: str, control: str = "admin-01", target: str = "plant", number: int = 0, **more: Any) -> Any:
    found = {"code": "served", "severity": "critical", "observed": f"GET /flows {number} answered 200",
             "expected": "401", "remedy": "settings.js: adminAuth"}  # fmt: skip
    return {
        "nodeid": f"nodered-sec/test_x.py::test_x[{target}-{control} {number}]", "control": control,
        "title": "A read is refused.", "severity": "critical", "target": target, "instance": f"GET /{number}",
        "observed": "GET /flows answered 401", "outcome": outcome, "reason": "",
        "findings": [found] if outcome == "non-compliant" else [], "waiver": None, "started": NOW.isoformat(),
        "seconds": 0.1, "policy_sha256": "0" * 64, **more,
    }  # fmt: skip


def report(*records: Any, chains: dict[str, PresentedChain] | None = None, **more: Any) -> Report:
    names = dict.fromkeys(one["target"] for one in records)
    run: facts.RunFacts = {
        "plugin": "9.9", "tools": {}, "started": NOW.isoformat(), "ended": NOW.isoformat(), "narrowed": "",
        "interrupted": False, "audit": False, "replayed": "", "fail_on": "low",
        "targets": [
            {"name": name, "url": f"https://{name}.example", "profile": "production", "policy": "", "deviations": [],
             "policy_sha256": "0" * 64, "waivers": [], "identity": facts.NOBODY}
            for name in names
        ],
    }  # fmt: skip
    found = accounts.accounts([], records, [], "")
    return Report(run, records, found, chains or {}, **more)


def certificate(position: int, subject: str, days: int, **more: Any) -> CertificateFacts:
    return CertificateFacts(
        position, subject, "CN=CA", False, NOW - timedelta(90), NOW + timedelta(days), ("plant.example",), (), True,
        f"{position:064x}", **more,
    )  # fmt: skip


def items(page: str) -> list[str]:
    chain = page.partition('<ol class="chain">')[2].partition("</ol>")[0]
    return [" ".join(re.sub("<[^>]+>", " ", one).split()) for one in re.findall(r"<li.*?</li>", chain, re.DOTALL)]


def test_a_chain_is_drawn_as_verification_walked_it() -> None:
    leaf, root = certificate(0, "CN=plant", -3, key_type="RSA", key_bits=2048), certificate(-1, "CN=CA", 3650)
    stray = certificate(1, "CN=<b>stray</b>", 10)
    chain = PresentedChain("plant.example", "TLSv1.3", (leaf, stray), ((10, 0),), "the system's store", NOW,
                           path=(leaf, root))  # fmt: skip
    page = html(report(record("compliant"), chains={"plant": chain}))
    first, second, third = items(page)
    assert first.startswith("CN=plant leaf verification stumbles here, see tls-01")
    assert "expired 3 days ago RSA 2048" in first
    assert second.startswith("CN=CA from the trust store")
    assert third.startswith("CN=&lt;b&gt;stray&lt;/b&gt; sent as certificate 2, not part of the chain")
    page = html(report(record("compliant"), chains={"plant": replace(chain, certificates=(), path=())}))
    assert "Served without TLS." in page


def test_equal_findings_are_one_with_each_instance_below() -> None:
    page = html(report(*(record("non-compliant", number=number) for number in range(38))))
    section = page.partition('<h2 id="findings">')[2].partition("</section>")[0]
    assert section.count("<article") == 1
    assert section.count("<li>") == 38
    assert "<summary>35 more</summary>" in section


def test_what_was_left_out_is_shown_as_such() -> None:
    collected: Any = {key: record("compliant")[key] for key in ("control", "title", "severity", "target", "instance")}
    left = report(record("compliant", control="admin-02"))
    found = accounts.accounts([collected | {"nodeid": "x"}], left.records, [], "-k")
    page = html(replace(left, accounts=found, facts={**left.facts, "narrowed": "-k"}))
    assert "Judged 1 of 2 controls; 1 not selected (-k)." in page
    assert 'class="sign not-selected"' in page


def test_forty_targets_are_written_in_a_moment() -> None:
    cases = [record(("compliant", "non-compliant")[n % 2], target=f"t{n % 40}", number=n) for n in range(16000)]
    whole = report(*cases)
    begun = time.process_time()
    html(whole), hdf(whole), markdown(whole)
    assert time.process_time() - begun < 30


def test_many_targets_have_narrow_columns() -> None:
    few, many = (html(report(*(record("compliant", target=f"t{n}") for n in range(count)))) for count in (2, 40))
    assert 'class="matrix many"' in many
    assert 'class="matrix many"' not in few
    assert all(f'class="cell"><span>t{n}</span>' in many for n in range(40))


def test_the_summary_fits_into_what_github_takes() -> None:
    long = [record("non-compliant", number=n, target=f"target-{n}-{'<' * 300}") for n in range(2000)]
    text = markdown(report(*long))
    assert len(text.encode()) <= LIMIT - 4096
    assert text.endswith("- … cut here, see the report\n")
    short = markdown(report(*(record("non-compliant", number=n) for n in range(60))))
    assert "### Findings (60)" in short
    assert short.count("\n- ") == 51
    assert "- … and 10 more, see the report" in short


def test_a_control_of_the_site_has_its_own_severity_and_no_requirements() -> None:
    found = json.loads(hdf(report(record("non-compliant", control="site-01"), record("compliant"))))
    [profile] = found["profiles"]
    bundled, own = profile["controls"]
    assert (bundled["id"], bundled["impact"]) == ("admin-01", 0.9)
    assert bundled["tags"]["nist"][0] == "IA-2"
    assert (own["id"], own["tags"]) == ("site-01", {"severity": "critical", "family": "Own controls"})
    assert own["descriptions"] == [{"label": "fix", "data": "settings.js: adminAuth"}]


def test_heimdall_shows_what_does_not_apply_as_such() -> None:
    cases = [record("not-applicable", reason="no dashboards"), record("not-judged", "admin-02", reason="no account")]
    controls = json.loads(hdf(report(*cases)))["profiles"][0]["controls"]
    assert [(one["impact"], one["results"][0]["skip_message"]) for one in controls] == [
        (0, "not applicable: no dashboards"),
        (0.9, "not judged: no account"),
    ]


def test_a_finding_that_is_waived_in_part_says_so() -> None:
    waiver = {
        "reason": "old",
        "expires": "2027-01-31",
        "approver": "A",
        "ticket": "",
        "measure": "",
        "findings": ["cors"],
    }
    found = json.loads(hdf(report(record("non-compliant", waiver=waiver))))["profiles"][0]["controls"][0]
    assert found["results"][0]["status"] == "failed"
    assert found["results"][0]["message"].endswith("partly waived until 2027-01-31: old")
    assert found["waiver_data"]["message"] == "1 of 1 cases; approved by A"


def test_what_an_own_test_found_without_a_finding_is_shown() -> None:
    page = html(report(record("non-compliant", control="site-01", findings=[], observed="")))
    assert "the test failed" in page
