"""What the reports say of runs that the lab does not come to: chains in disorder, many targets, more than CI takes."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from reported import NOW, record, report

from pytest_nodered_sec.catalogue import catalogue
from pytest_nodered_sec.data.frameworks import all_ids, frameworks, title, untouched
from pytest_nodered_sec.evidence import changes
from pytest_nodered_sec.evidence.hdf import hdf
from pytest_nodered_sec.evidence.headline import headline
from pytest_nodered_sec.evidence.html import html
from pytest_nodered_sec.evidence.summary import LIMIT, markdown
from pytest_nodered_sec.model import Target
from pytest_nodered_sec.observations.chain import CertificateFacts, PresentedChain
from pytest_nodered_sec.policy.model import Policy
from pytest_nodered_sec.results import rollup
from pytest_nodered_sec.results.records import Looked

if TYPE_CHECKING:
    from pytest_nodered_sec.evidence.report import Report

WAIVED = {"reason": "old CA", "expires": "2027-01-31", "approver": "", "ticket": "", "measure": "",
          "findings": ["unknown-ca"]}  # fmt: skip


def certificate(position: int, subject: str, days: int, **more: Any) -> CertificateFacts:
    return CertificateFacts(
        position, subject, "CN=CA", False, NOW - timedelta(90), NOW + timedelta(days), ("plant.example",), (), True,
        f"{position:064x}", **more,
    )  # fmt: skip


def items(page: str) -> list[str]:
    chain = page.partition('<ol class="chain">')[2].partition("</ol>")[0]
    return [" ".join(re.sub("<[^>]+>", " ", match).split()) for match in re.findall(r"<li.*?</li>", chain, re.DOTALL)]


def test_a_chain_is_drawn_as_verification_walked_it() -> None:
    leaf, root = certificate(0, "CN=plant", -3, key_type="RSA", key_bits=2048), certificate(-1, "CN=CA", 3650)
    stray = certificate(1, "CN=<b>stray</b>", 10)
    chain = PresentedChain("plant.example", "TLSv1.3", (leaf, stray), ((10, 0),), "the system's store", NOW,
                           path=(leaf, root))  # fmt: skip
    page = html(report(record("compliant"), chains={"plant": chain}))
    first, second, third = items(page)
    assert first.startswith("CN=plant leaf verification fails here, see tls-01")
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
    accounts = rollup.accounts([collected | {"nodeid": "x"}], left.records, [], "-k")
    page = html(replace(left, accounts=accounts, facts={**left.facts, "narrowed": "-k"}))
    assert "Judged 1 of 2 controls; 1 not selected (-k)." in page
    assert 'class="sign not-selected"' in page


def test_forty_targets_are_written_in_a_moment() -> None:
    cases = [record(("compliant", "non-compliant")[n % 2], target=f"t{n % 40}", number=n) for n in range(16000)]
    whole = report(*cases)
    begun = time.process_time()
    html(whole), hdf(whole), markdown(whole)
    assert time.process_time() - begun < 30


def test_many_targets_have_narrow_columns() -> None:
    few, many = (html(report(*(record("compliant", target=f"t{n}") for n in range(count)))) for count in (2, 12))
    assert 'class="matrix many"' in many
    assert 'class="matrix many"' not in few
    assert all(f'class="cell"><span>t{n}</span>' in many for n in range(12))


def test_the_summary_fits_into_what_github_takes() -> None:
    long = [record("non-compliant", number=n, target=f"target-{n}-{'<' * 300}") for n in range(2000)]
    text = markdown(report(*long))
    assert len(text.encode()) <= LIMIT - 4096
    assert text.endswith("- … cut here, see the report\n")
    short = markdown(report(*(record("non-compliant", number=n) for n in range(60))))
    assert "### Findings (60; cases: 60 critical)" in short
    assert short.count("\n- ") == 1
    assert "GET /flows 0 answered 200<br>and 59 more<br>expected: 401" in short


def test_the_summary_has_every_cause_and_every_target_before_a_second_instance() -> None:
    many = [record("non-compliant", target=f"t{n % 40}", number=n) for n in range(4000)]
    rare = record("non-compliant", control="node-02", target="t39")
    whole = report(*many, rare)
    targets = [Target(name, f"https://{name}.example", Policy()) for name in whole.names]
    text = markdown(replace(whole, plans=changes.of_run(targets, whole.records, whole.facts)))
    assert "**critical** node-02 at t39" in text
    assert "**critical** admin-01 at t0, t1, t2, t3 and 36 more" in text
    assert all(f"\n| t{n} | 0 | " in text for n in range(40))
    assert text.index("Anyone on the network") < text.index("### What to change") < text.index("### Findings")
    assert "t0, t1, t2, t3 and 35 more" in text  # t39 needs one change more
    assert len(text) < 10_000


def test_many_different_plans_are_cut_alike() -> None:
    cases = [record("non-compliant", target=f"t{n}", control=c) for n in range(110) for c in ("admin-01", f"site-{n}")]
    whole = report(*cases)
    targets = [Target(name, f"https://{name}.example", Policy()) for name in whole.names]
    text = markdown(replace(whole, plans=changes.of_run(targets, whole.records, whole.facts)))
    assert text.count("\n1. **critical**") == text.count("2. … and 1 more, see the report") == 100
    assert "\n… and 10 targets more, see the report\n" in text


@pytest.mark.parametrize(
    ("cases", "targets", "sentence"),
    [
        ([("admin-01", "served"), ("admin-03", "served")], 1, "Anyone on the network can run code on this machine."),
        ([("admin-03", "no-admin-api")], 1, "The worst finding is critical: GET /flows 0 answered 200."),
        ([("dash-02", "channel-open")], 3, "Anyone on the network can join a live channel on 1 of 3 targets: plant."),
        ([("patch-01", "CVE-2026-1")], 1, "Software with known vulnerabilities is running on this machine."),
        ([("site-07", "own")], 2, "The worst finding at plant is critical: GET /flows 0 answered 200."),
        ([], 1, "No findings."),
    ],
)
def test_the_sentence_that_opens_a_report(cases: list[tuple[str, str]], targets: int, sentence: str) -> None:
    records = [record("compliant")]
    for control, code in cases:
        failed = record("non-compliant", control=control)
        records.append(failed | {"findings": [failed["findings"][0] | {"code": code}]})
    assert headline(records, ["plant", "hall", "yard"][:targets]) == sentence


def test_the_sentence_where_nothing_was_found() -> None:
    unseen, waived = record("could-not-look"), record("waived")
    assert headline([unseen], ["plant"]) == "Nothing is proven: no question was answered."
    assert headline([record("compliant"), unseen], ["plant"]) == "No findings, but 1 test case could not be looked at."
    assert headline([waived], ["plant"]) == "No findings other than 1 waived test case."
    assert headline([waived], ["plant"], "broken off") == (
        "No findings other than 1 waived test case so far: the run is incomplete."
    )
    partly = record("non-compliant", waiver={"findings": ["served"]})
    assert headline([partly, record("compliant")], ["plant"]) == "No findings."
    long = record("non-compliant", control="site-1")
    long["findings"][0]["observed"] = "x" * 500
    assert headline([long], ["plant"]) == f"The worst finding is critical: {'x' * 160}…."
    many = [record("non-compliant", control="admin-03", target=f"t{n}") for n in range(6)]
    assert headline(many, [f"t{n}" for n in range(9)]).endswith("on 6 of 9 targets: t0, t1, t2, t3 and 2 more.")


def test_the_page_opens_with_the_sentence_and_the_plan() -> None:
    whole = report(record("non-compliant", control="admin-03"), record("not-judged", "host-01"))
    plans = changes.of_run([Target("plant", "https://plant.example", Policy())], whole.records, whole.facts)
    page = html(replace(whole, plans=plans))
    words = " ".join(re.sub("<[^>]+>", " ", page.partition("<body>")[2]).split())
    order = [
        "Anyone on the network can run code on this machine.",
        "Judged 1 of 2 controls; 1 not judged. What was not judged is not proven",
        "settings.js: adminAuth",
        "cases by family",
    ]
    assert sorted(order, key=words.index) == order
    [card] = re.findall(r'<article id="f-admin-03">.*?</article>', page, re.DOTALL)
    assert '<p class="why">' in card
    assert "NIST SP 800-53 r5: " in card
    assert "2026-11-25 00:00:00 UTC" in card


def test_a_card_has_no_remedy_in_another_proxys_words() -> None:
    whole = report(record("non-compliant", control="http-06"))
    whole.records[0]["findings"][0]["remedy"] = "nginx: add_header x y;"
    for policy, there in ((Policy(front="caddy"), False), (Policy(front="nginx"), True)):
        plans = changes.of_run([Target("plant", "https://x.example", policy)], whole.records, whole.facts)
        page = html(replace(whole, plans=plans)).partition('<h2 id="findings">')[2]
        assert ("nginx: add_header x y;" in page) is there
        assert ("<dt>change</dt><dd>Caddy: add Strict-Transport-Security" in page) is not there


def test_a_finding_of_several_targets_is_one_card() -> None:
    page = html(report(*(record("non-compliant", target=f"t{n}") for n in range(10))))
    section = page.partition('<h2 id="findings">')[2].partition("</section>")[0]
    assert section.count("<article") == 1
    assert "t0, t1, t2, t3, t4, t5, t6, t7 and 2 more" in section
    assert "<li>t9: GET /flows 0 answered 200</li>" in section


def test_a_control_of_the_site_has_its_own_severity_and_no_requirements() -> None:
    written = json.loads(hdf(report(record("non-compliant", control="site-01"), record("compliant"))))
    [profile] = written["profiles"]
    bundled, own = profile["controls"]
    assert (bundled["id"], bundled["impact"]) == ("admin-01", 0.9)
    assert bundled["tags"]["nist"][0] == "IA-2"
    assert (own["id"], own["tags"]) == ("site-01", {"severity": "critical", "family": "Own controls"})
    assert own["descriptions"] == [{"label": "fix", "data": "settings.js: adminAuth"}]


def test_heimdall_shows_what_does_not_apply_as_such() -> None:
    cases = [record("not-applicable", reason="no dashboards"), record("not-judged", "admin-02", reason="no account")]
    controls = json.loads(hdf(report(*cases)))["profiles"][0]["controls"]
    assert [(control["impact"], control["results"][0]["skip_message"]) for control in controls] == [
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
    control = json.loads(hdf(report(record("non-compliant", waiver=waiver))))["profiles"][0]["controls"][0]
    assert control["results"][0]["status"] == "failed"
    assert control["results"][0]["message"].endswith("partly waived until 2027-01-31: old")
    assert control["waiver_data"]["message"] == "1 of 1 cases; approved by A"


def test_what_an_own_test_found_without_a_finding_is_shown() -> None:
    page = html(report(record("non-compliant", control="site-01", findings=[], observed="")))
    assert "the test failed" in page


def test_what_no_control_bears_on_is_not_assessed() -> None:
    page = html(report(record("compliant"), record("non-compliant", target="hall")))
    assert [name for name in frameworks().values() if f"<summary>{name} " not in page] == []
    part = page.partition("<summary>CRA Annex I Part I (2) ")[2].partition("</details>")[0]
    assert "(1 of 13; 12 not assessed)" in part
    assert '<th scope="col">plant</th><th scope="col">hall</th>' in part
    row = part.partition('class="id">d</span>')[2].partition("</tr>")[0]
    assert re.findall(r'class="sign ([a-z-]+)"', row) == ["compliant", "non-compliant"]
    assert "a, b, c, e, f, g, h, i, j, k, l, m" in part


def test_every_requirement_of_a_control_is_one_of_its_framework() -> None:
    for key in frameworks():
        assert len(all_ids(key)) == len(set(all_ids(key)))
        used = {number for entry in catalogue().values() for number in entry.requirements.get(key, ())}
        assert {number.partition("(")[0] for number in used} <= set(all_ids(key)), key
        assert not set(untouched(key, used)) & used
    assert {key: len(all_ids(key)) for key in frameworks()} == {
        "iec_62443": 51, "nist_800_53": 299, "asvs": 345, "cis": 153, "iso_27001": 93, "etsi_303645": 67, "cra": 13,
    }  # fmt: skip


def test_a_waiver_shows_what_it_accepts_who_approved_it_and_how_long_it_holds() -> None:
    accepted = {"reason": "old CA", "expires": "2026-12-25", "approver": "", "ticket": "", "measure": ""}
    waived = report(record("waived", waiver={**accepted, "findings": ["served"]}))
    facts: Any = {**accepted, "control": "admin-01", "instance": "", "finding": "served", "approver": "K. Roe"}
    waived.facts["targets"][0]["waivers"].append(facts | {"ticket": "OT-1", "in_force": True})
    table = html(waived).partition('<h2 id="waivers">')[2].partition("</table>")[0]
    for text in ("critical</span> A read is refused.", "approved by K. Roe; OT-1", '<td class="number">30</td>'):
        assert text in table


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(hours=-2), "expired less than a day ago"),
        (timedelta(days=-1, hours=-2), "expired 1 day ago"),
        (timedelta(hours=2), "less than a day left"),
        (timedelta(days=1, hours=2), "1 day left"),
        (timedelta(days=2), "2 days left"),
    ],
)
def test_what_a_certificate_has_left_is_said_in_whole_days(left: timedelta, said: str) -> None:
    leaf = replace(certificate(0, "CN=plant", 0), not_after=NOW + left)
    page = html(report(record("compliant"), chains={"plant": PresentedChain("h", "TLSv1.3", (leaf,), (), "", NOW)}))
    assert f", {said} " in items(page)[0]


def test_a_certificate_that_ends_before_it_begins_breaks_no_page() -> None:
    leaf = replace(certificate(0, "CN=plant", 0), not_before=NOW + timedelta(seconds=1), not_after=NOW)
    assert leaf.lifetime == 0
    page = html(report(record("compliant"), chains={"plant": PresentedChain("h", "TLSv1.3", (leaf,), (), "", NOW)}))
    assert "width: 0%" in page


def test_a_waiver_has_left_what_it_had_when_it_was_looked() -> None:
    made = report(record("waived", waiver=WAIVED))
    waiver: Any = {"control": "tls-01", "instance": "", "finding": "unknown-ca", "reason": "old", "approver": "",
                   "ticket": "", "measure": "", "expires": "2026-11-26", "in_force": True}  # fmt: skip
    made.facts["targets"][0]["waivers"].append(waiver)
    made.facts["started"] = "2028-02-29T12:00:00+00:00"
    then = Looked(at="2026-11-20T23:59:00+00:00", by="0.1.0", machine="", clock="")
    later = Looked(at="2026-11-25T00:01:00+00:00", by="0.1.0", machine="", clock="")
    page = html(replace(made, looked=then, looks={"plant": later}))
    assert re.search('<td class="number">1</td><td class="number">', page)
    assert "-460" in html(made)


def opening_of(whole: Report) -> str:
    """What stands before the first page break, in words."""
    page = html(whole).partition('<div class="rest">')[0].partition("<body>")[2]
    return " ".join(re.sub("<[^>]+>", " ", page).split())


def test_the_opening_says_what_was_not_looked_at_and_why() -> None:
    none = "not judged without a host: add --nodered-host"
    cases = [
        record("not-judged", f"host-{n:02}", target=name, reason=none) for n in range(3) for name in ("hall", "yard")
    ]
    unseen = [record("could-not-look", "tls-01", number=n, reason=f"no answer {n}") for n in range(9)]
    made = report(*cases, *unseen, record("compliant"))
    made.facts["omitted"], made.facts["narrowed"] = ["line-9"], "-k"
    made.facts["shard"] = "shard 1/2 leaves out 3 of 6 targets"
    text = opening_of(made)
    assert "targets of the policy file that this run leaves out: line-9" in text
    assert "tests left out by -k shard 1/2 leaves out 3 of 6 targets" in text
    assert "tls-01 at plant could not be looked at: no answer 0" in text
    assert "3 controls at hall, yard not judged without a host: add --nodered-host" in text
    assert "not looked at nothing: all that the controls ask was judged" in opening_of(report(record("compliant")))
    many = [record("not-judged", f"site-{n}", reason=f"reason {n}") for n in range(9)]
    assert "and 3 more reasons" in opening_of(report(*many))


def test_the_opening_lists_exceptions_once_for_all_their_targets() -> None:
    made = report(*(record("compliant", target=name) for name in ("hall", "yard")))
    assert "exceptions none: no waiver, no deviation from the profile, no attestation" in opening_of(made)
    waiver: Any = {
        "control": "tls-01", "instance": "", "finding": "unknown-ca", "reason": "old {CA}", "expires": "2027-01-31",
        "approver": "K. Roe", "ticket": "", "measure": "", "in_force": True,
    }  # fmt: skip
    vouched: Any = {"control": "phys-01", "by": "K. Roe", "dated": "2026-01-01", "until": "2026-06-30",
                    "statement": "locked", "document": "", "sha256": "", "in_force": False}  # fmt: skip
    for target in made.facts["targets"]:
        target["waivers"] += [waiver, waiver | {"expires": "2026-01-31", "in_force": False, "approver": ""}]
        target["deviations"].append({"key": "guess", "value": "false", "demanded": "true", "reason": "a directory"})
    made.facts["targets"][0]["attestations"].append(vouched)
    text = opening_of(made)
    lines = [
        "waiver of tls-01 unknown-ca at hall, yard, expired after 2026-01-31, no approver: old {CA}",
        "waiver of tls-01 unknown-ca at hall, yard, until 2027-01-31, approved by K. Roe: old {CA}",
        "guess = false at hall, yard, no end: a directory",
        "attestation of phys-01 at hall, not in force (2026-01-01 to 2026-06-30), by K. Roe: locked",
    ]
    assert sorted(lines, key=text.index) == lines


def test_a_requirement_stands_by_what_is_known_least_of_it() -> None:
    """SR 1.8 has tls-01 to tls-06 and others: one that nobody judged keeps it from having no findings."""

    def stands(*cases: Any) -> str:
        text = opening_of(report(*cases))
        return text.partition("IEC 62443-3-3 ")[2].partition("NIST")[0]

    met = record("compliant", "tls-01")
    assert stands(met) == "no findings: SR 1.8, SR 1.9; not assessed: 49 others "
    assert stands(record("not-applicable", "tls-01")).startswith("not applicable: SR 1.8, SR 1.9; ")
    waived = record("waived", "tls-02", waiver=WAIVED)
    assert stands(met, waived).startswith("findings, all of them waived: SR 1.8, SR 1.9; ")
    for unknown in ("not-judged", "could-not-look"):
        assert stands(met, waived, record(unknown, "tls-03")).startswith("judged in part: SR 1.8, SR 1.9; ")
        elsewhere = record(unknown, "tls-01", target="hall")
        assert stands(met, elsewhere).startswith("judged in part: SR 1.8, SR 1.9; ")
    bad = record("non-compliant", "tls-04")
    assert stands(met, waived, record("not-judged", "tls-03"), bad).startswith("findings: SR 1.8, SR 1.9; ")


def test_what_is_not_met_stands_there_once_a_control() -> None:
    low = record("non-compliant", "site-01", severity="low")
    text = opening_of(report(low, *(record("non-compliant", target=name) for name in ("hall", "yard"))))
    assert "critical admin-01 A read is refused. 2 cases at hall, yard low site-01" in text
    many = [record("non-compliant", f"site-{n:02}") for n in range(12)]
    assert "and 2 more: site-10 , site-11" in opening_of(report(*many))


def test_titles_stand_where_the_licence_allows_them() -> None:
    used = {number for entry in catalogue().values() for number in entry.requirements.get("nist_800_53", ())}
    assert {number for number in used if not title("nist_800_53", number)} == set()
    assert {key for key in frameworks() for entry in catalogue().values()
            if any(title(key, number) for number in entry.requirements.get(key, ()))} == {"nist_800_53"}  # fmt: skip
    page = html(report(record("non-compliant")))
    card = page.partition('<article id="f-admin-01">')[2].partition("</article>")[0]
    assert "NIST SP 800-53 r5: IA-2 Identification and Authentication (Organizational Users), IA-8" in card
    assert '<span class="id">AC-3</span> <span class="soft">Access Enforcement</span>' in page
