"""The table of cipher suites: what it says of a suite is what OpenSSL says, and its lists hold what they claim."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import date

import pytest

from pytest_nodered_sec.data import suites

TABLE = suites.suite_table()
BY_NAME = {suite.name: suite for suite in TABLE.suites.values()}
SMALL = """
suites = "0001 A a"
groups = "0017 secp256r1 prime256v1 128"
[list.x]
title = "x"
source = "y"
checked = 2026-11-25
suites = ["A"]
"""


def openssl() -> list[re.Match[str]]:
    """Every suite that the machine's OpenSSL has, as it describes it."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    new = ":".join(suite.name for suite in TABLE.suites.values() if 0x1301 <= suite.code <= 0x1305)
    command = [program, "ciphers", "-V", "-stdname", "-ciphersuites", new, "ALL:COMPLEMENTOFALL:eNULL:@SECLEVEL=0"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    form = r"\s*0x(..),0x(..) - (\S+)\s+- (\S+)\s+\S+\s+Kx=(\S+)\s+Au=(\S+)\s+Enc=(\S+)\s+Mac=(\S+)"
    matches = [re.match(form, line) for line in told.splitlines()]
    return [match for match in matches if match and match[3] != "UNKNOWN"]


def key_exchange(kx: str, au: str) -> str:
    """Return what IANA's names say for what OpenSSL calls Kx and Au."""
    if kx == "any":
        return ""
    if au == "None" and kx in ("DH", "ECDH"):
        return f"{kx}_anon"
    if kx == "SRP":
        return {"SRP": "SRP_SHA", "RSA": "SRP_SHA_RSA", "DSS": "SRP_SHA_DSS"}[au]
    kind = {"DH": "DHE", "ECDH": "ECDHE", "DHEPSK": "DHE_PSK", "ECDHEPSK": "ECDHE_PSK", "RSAPSK": "RSA_PSK"}.get(kx, kx)
    return kind if "PSK" in kind or kx == au else f"{kind}_{au}"


def encryption(enc: str) -> str:
    """Return what IANA's names say for what OpenSSL calls Enc, without the mode of AES, Camellia and SEED."""
    name, _, bits = enc.rstrip(")").partition("(")
    mode = {"AESGCM": "AES_{}_GCM", "AESCCM": "AES_{}_CCM", "AESCCM8": "AES_{}_CCM_8", "ARIAGCM": "ARIA_{}_GCM"}
    mode |= {"AES": "AES_{}_CBC", "Camellia": "CAMELLIA_{}_CBC", "SEED": "SEED_CBC", "None": "NULL"}
    mode |= {"3DES": "3DES_EDE_CBC", "RC4": "RC4_{}", "CHACHA20/POLY1305": "CHACHA20_POLY1305", "IDEA": "IDEA_CBC"}
    return mode[name].format(bits)


def test_names_and_properties_are_openssls() -> None:
    known = openssl()
    assert len(known) > 25
    for match in known:
        suite = TABLE.suites[int(match[1] + match[2], 16)]
        assert (suite.name, suite.openssl) == (match[3], match[4])
        if not suite.name.startswith("TLS_PSK_DHE"):  # IANA's own oddity
            assert suite.key_exchange == key_exchange(match[5], match[6]), suite
        assert suite.encryption == encryption(match[7]), suite
        assert suite.mac == match[8].replace("SHA1", "SHA"), suite


def test_every_suite_tells_its_parts() -> None:
    assert len(TABLE.suites) > 350
    for suite in TABLE.suites.values():
        assert re.fullmatch(r"(TLS|SSL)_\w+", suite.name)
        assert suite.encryption, suite
        assert re.fullmatch(r"AEAD|MD5|SHA(256|384)?|IMIT|OMAC|GOSTR3411", suite.mac), suite
        assert not (suite.aead and "CBC" in suite.name)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("TLS_RSA_WITH_NULL_SHA", "no encryption"),
        ("TLS_SHA256_SHA256", "no encryption"),
        ("TLS_ECDH_anon_WITH_AES_128_CBC_SHA", "no authentication"),
        ("TLS_RSA_EXPORT_WITH_RC4_40_MD5", "export-grade keys, RC4, MD5"),
        ("TLS_RSA_EXPORT1024_WITH_DES_CBC_SHA", "export-grade keys, DES"),
        ("TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", "export-grade keys, DES"),
        ("TLS_RSA_WITH_RC4_128_SHA", "RC4"),
        ("TLS_RSA_WITH_DES_CBC_SHA", "DES"),
        ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "3DES"),
        ("SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA", "3DES"),
        ("TLS_KRB5_WITH_IDEA_CBC_MD5", "MD5"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", ""),
        ("TLS_AES_128_GCM_SHA256", ""),
    ],
)
def test_what_is_broken_is_named(name: str, broken: str) -> None:
    assert BY_NAME[name].broken == broken


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("TLS_AES_256_GCM_SHA384", ("", "AES_256_GCM", "AEAD", True, True)),
        ("TLS_AEGIS_128L_SHA256", ("", "AEGIS_128L", "AEAD", True, True)),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", ("ECDHE_RSA", "AES_128_CBC", "SHA256", True, False)),
        ("TLS_RSA_WITH_AES_128_CCM_8", ("RSA", "AES_128_CCM_8", "AEAD", False, True)),
        ("TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256", ("ECDH_RSA", "AES_128_GCM", "AEAD", False, True)),
        ("TLS_PSK_DHE_WITH_AES_128_CCM_8", ("PSK_DHE", "AES_128_CCM_8", "AEAD", True, True)),
        ("TLS_DHE_DSS_EXPORT1024_WITH_RC4_56_SHA", ("DHE_DSS", "RC4_56", "SHA", True, False)),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256_DRAFT", ("ECDHE_RSA", "CHACHA20_POLY1305", "AEAD", True, True)),
        ("TLS_GOSTR341112_256_WITH_MAGMA_MGM_L", ("GOSTR341112_256", "MAGMA_MGM_L", "AEAD", False, True)),
    ],
)
def test_parts_are_read_in_the_name(name: str, parts: tuple[str, str, str, bool, bool]) -> None:
    suite = BY_NAME[name]
    assert (suite.key_exchange, suite.encryption, suite.mac, suite.forward_secret, suite.aead) == parts


def test_what_is_not_registered_is_named_by_its_code_point() -> None:
    unknown = TABLE.suite(0x0050)
    assert (str(unknown), unknown.known, unknown.broken) == ("0x0050", False, "")
    assert str(TABLE.group(0x1234)) == "0x1234"
    assert str(TABLE.suite(0xC02F)) == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 (ECDHE-RSA-AES128-GCM-SHA256)"
    assert str(TABLE.suite(0x1301)) == "TLS_AES_128_GCM_SHA256"
    assert str(TABLE.group(0x0017)) == "secp256r1 (prime256v1)"


@pytest.mark.parametrize("name", TABLE.lists)
def test_a_list_says_where_it_is_from_and_holds_nothing_broken(name: str) -> None:
    suite_list = TABLE.lists[name]
    assert suite_list.title
    assert suite_list.source
    assert date(2026, 1, 1) < suite_list.checked <= date.today()
    assert not [suite for suite in suite_list.suites if BY_NAME[suite].broken]


def test_the_lists_are_the_guidelines() -> None:
    modern, intermediate, nist = (TABLE.lists[name] for name in ("modern", "intermediate", "nist-800-52r2"))
    assert {BY_NAME[suite].openssl for suite in modern.suites} == {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    }
    assert modern.suites < intermediate.suites
    assert len(intermediate.suites) == 3 + 6 + 3  # TLS 1.3, TLS 1.2, and DHE besides
    assert all(BY_NAME[suite].forward_secret and BY_NAME[suite].aead for suite in intermediate.suites)
    assert not [
        suite for suite in nist.suites if "CHACHA20" in suite or "CAMELLIA" in suite or "_RSA_WITH" in suite[:12]
    ]
    assert len(nist.suites) == 60
    assert not intermediate.groups


def test_weak_groups_are_told_from_strong_ones() -> None:
    strength = {group.name: group.strength for group in TABLE.groups.values()}
    assert strength["secp192r1"] < suites.LEAST_STRENGTH <= strength["secp224r1"] < strength["x25519"]
    old, new = TABLE.disputed("intermediate")
    assert {TABLE.groups[code].name[:7] for code in old} == {"sect163", "sect193", "secp160", "secp192"}
    assert not new
    assert TABLE.disputed("none-broken") == TABLE.disputed("nist-800-52r2") == (old, new)
    strict, new = TABLE.disputed("modern")
    assert old < strict
    assert {"brainpoolP256r1tls13", "secp256k1"} <= {TABLE.groups[code].name for code in new}
    assert not TABLE.lists["modern"].groups & {TABLE.groups[code].name for code in strict}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0001 A a", "0001 A a\\n0001 B b", "0001 stands there twice"),
        ("0001 A a", "0001 A a\\n0002 A b", "A stands there twice"),
        ('["A"]', '["B"]', "B is in no table"),
        ('["A"]', '["A"]\nnotes = "n"', "unknown key notes"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(old: str, new: str, message: str) -> None:
    assert suites.parse(SMALL).suites[1].name == "A"
    with pytest.raises(ValueError, match=message):
        suites.parse(SMALL.replace(old, new))
