"""Certificates and keys on a host, and what renews them: certbot by cron or timer, other clients, proxies."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from probes.host.layouts import BOX, NGINX, OPS, UNITS, inside, part, sections_of, trouble

from pytest_nodered_sec.policy.model import HostDemands
from pytest_nodered_sec.probes.host import fronts
from pytest_nodered_sec.probes.host.gather import Nginx
from pytest_nodered_sec.probes.host.nginx import tree
from pytest_nodered_sec.probes.host.parse import Section

if TYPE_CHECKING:
    from pytest_nodered_sec.observations.host import Identity, Renewal
    from pytest_nodered_sec.observations.host_files import KeyAccess


CA = trustme.CA()
PEM = CA.issue_cert("plant.example").cert_chain_pems[0].bytes().decode()
SERVED = hashlib.sha256(ssl.PEM_cert_to_DER_cert(PEM)).hexdigest()
LINEAGES = """\
700 0 0 root root 1700000000 '/etc/letsencrypt/archive'
755 0 0 root root 1700000000 '/etc/letsencrypt/archive/plant.example'
600 0 0 root root 1700000000 '/etc/letsencrypt/archive/plant.example/privkey1.pem'
644 0 0 root root 1700000000 '/etc/letsencrypt/archive/plant.example/cert1.pem'
777 0 0 root root 17 '/etc/letsencrypt/live/plant.example/privkey.pem' -> '../../archive/plant.example/privkey1.pem'
777 0 0 root root 17 '/etc/letsencrypt/live/plant.example/cert.pem' -> '../../archive/plant.example/cert1.pem'"""


def certbot(**more: Section) -> dict[str, Section]:
    return sections_of(
        certbot=Section("/usr/bin/certbot", 0),
        lineages=Section(LINEAGES, 0),
        certificates=Section(
            "\n".join(f"/etc/letsencrypt/live/plant.example/cert.pem:{line}" for line in PEM.split("\n")), 0
        ),
        renewal=Section("/etc/letsencrypt/renewal/plant.example.conf:installer = nginx", 0),
        hooks=Section("", 1),
        **more,
    )


CRON = "0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && certbot -q renew"

RED_HAT = Section('NAME="Rocky"\nID="rocky"\nID_LIKE="rhel centos fedora"', 0)
RUNNABLE = Section("/etc/cron.daily/certbot\n/etc/cron.daily/certbot.sh", 0)


@pytest.mark.parametrize(
    ("line", "schedule", "more"),
    [
        ("/etc/cron.d/certbot:0 3 * * * root certbot -q renew", "/etc/cron.d/certbot", {}),
        ("/etc/cron.d/certbot.bak:0 3 * * * root certbot -q renew", "", {}),
        ("/etc/cron.d/certbot.conf:0 3 * * * root certbot renew", "/etc/cron.d/certbot.conf", {"os": RED_HAT}),
        ("/etc/cron.d/certbot.rpmsave:0 3 * * * root certbot renew", "", {"os": RED_HAT}),
        ("/etc/cron.d/certbot:MAILTO=certbot-renew@plant.example", "", {}),
        ("/etc/cron.daily/certbot:certbot renew", "/etc/cron.daily/certbot", {"runnable": RUNNABLE}),
        ("/etc/cron.daily/certbot:certbot \\", "/etc/cron.daily/certbot", {"runnable": RUNNABLE}),
        ("/etc/cron.daily/certbot.sh:certbot renew", "", {"runnable": RUNNABLE}),
        (
            "/etc/cron.daily/certbot.sh:certbot renew",
            "/etc/cron.daily/certbot.sh",
            {"runnable": RUNNABLE, "os": RED_HAT},
        ),
        ("/etc/cron.weekly/certbot:certbot renew", "", {"runnable": RUNNABLE}),
        (
            "/etc/cron.weekly/certbot:certbot renew",
            "/etc/cron.weekly/certbot",
            {"runnable": Section("find: denied", 1)},
        ),
        ("/etc/periodic/daily/certbot:certbot renew", "/etc/periodic/daily/certbot", {"runnable": RUNNABLE}),
        ("/var/spool/cron/root:@daily certbot renew", "/var/spool/cron/root", {}),
        ("/var/spool/cron/crontabs/nobody:@daily certbot renew", "", {}),
        ("/etc/crontab:@daily root certbot renew --dry-run", "", {}),
        ("/etc/crontab:@daily root /usr/local/bin/renew-certbot.sh", "/etc/crontab", {}),
        ("/etc/crontab:@daily root certbot certificates", "", {}),
    ],
)
def test_what_cron_runs_and_renews(line: str, schedule: str, more: dict[str, Section]) -> None:
    sections = {**certbot(cron=Section(line, 0), crond=Section("/proc/300/comm", 0)), **more}
    del sections["units"]
    if not schedule:
        assert "no systemctl" in trouble(inside(sections, served=SERVED), "renewal")
        return
    seen: Renewal = part(inside(sections, served=SERVED), "renewal")
    assert (seen.schedule, seen.scheduled) == (schedule, True)


TIMER = "\n\nId=own.timer\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nTriggers=own.service"
OWN = "Id=own.service\nExecStart={ path=/bin/certbot ; argv[]=/bin/certbot renew -q ; ignore_errors=no }"
ITS = "Id=certbot.service\nExecStart={ path=/bin/certbot ; argv[]=/bin/certbot renew --dry-run ; ignore_errors=no }"


@pytest.mark.parametrize(
    ("units", "commands", "schedule", "on"),
    [
        (UNITS, "", "certbot.timer", True),
        (UNITS, ITS, "", False),
        (UNITS + TIMER, ITS, "", False),
        (UNITS + TIMER, f"{ITS}\n\n{OWN}", "own.timer", True),
        (UNITS.replace("ActiveState=active", "ActiveState=inactive") + TIMER, OWN, "own.timer", True),
        (UNITS + TIMER.replace("active", "inactive"), OWN, "certbot.timer", True),
    ],
)
def test_which_timers_renew(units: str, commands: str, schedule: str, on: bool) -> None:
    sections = {**certbot(), "units": Section(units, 0), "renewers": Section(commands, 0)}
    seen: Renewal = part(inside(sections, served=SERVED), "renewal")
    assert (seen.schedule, seen.scheduled) == (schedule, on)


@pytest.mark.parametrize(
    ("line", "excluded"),
    [
        ("/etc/letsencrypt/renewal/plant.example.conf:autorenew = False", True),
        ("/etc/letsencrypt/renewal/plant.example.conf:autorenew = True", False),
        ("/etc/letsencrypt/renewal/other.example.conf:autorenew = False", False),
    ],
)
def test_a_lineage_that_certbot_leaves_out(line: str, excluded: bool) -> None:
    sections = {**certbot(), "renewal": Section(line, 0)}
    seen: Renewal = part(inside(sections, served=SERVED), "renewal")
    assert bool(seen.excluded) is excluded
    assert ("autorenew is off" in seen.evidence()) is excluded


def test_a_lineage_that_is_served_and_renewed() -> None:
    seen: Renewal = part(inside(certbot(), served=SERVED), "renewal")
    assert (seen.lineages, bool(seen.served)) == (("plant.example",), True)
    assert (seen.schedule, seen.scheduled, seen.result, seen.reloads) == (
        "certbot.timer", True, "success", "installer = nginx",
    )  # fmt: skip
    assert part(inside(certbot(), served="0" * 64), "renewal").served == ""
    identity: Identity = part(inside(certbot(), served=SERVED), "identity")
    assert identity.holds_served
    assert part(inside(certbot(), served="0" * 64), "freshness").served_on_disk is False


@pytest.mark.parametrize(
    ("port", "caddy", "expected"),
    [("443", False, False), ("8443", False, None), ("8443", True, None), ("443", True, False)],
)
def test_certificates_of_an_nginx_that_serves_another_port_tell_nothing(
    port: str, caddy: bool, expected: bool | None
) -> None:
    server = f"server {{ listen {port} ssl; ssl_certificate /c.pem; }}"
    text = f"# configuration file /etc/nginx/nginx.conf:\nhttp {{ {server} }}"
    later = {"certificate:/c.pem": Section(PEM, 0), "time:/etc/nginx/nginx.conf": Section("1600000000", 0)}
    gathered = inside(
        sections_of(), served="0" * 64, nginx=Nginx(70, Section(text, 0), tree(text)), caddy=caddy, later=later
    )
    assert part(gathered, "freshness").served_on_disk is expected


def test_without_a_served_certificate_no_lineage_can_be_compared() -> None:
    assert "presented no certificate" in trouble(inside(certbot()), "renewal")


def test_certbot_by_cron_where_there_is_no_systemd() -> None:
    by_cron = certbot(cron=Section("/etc/cron.d/certbot:" + CRON, 0), crond=Section("/proc/300/comm", 0))
    del by_cron["units"]
    seen: Renewal = part(inside(by_cron, served=SERVED), "renewal")
    assert (seen.schedule, seen.scheduled) == ("/etc/cron.d/certbot", True)
    resting = part(inside({**by_cron, "crond": Section("", 1)}, served=SERVED), "renewal")
    assert resting.scheduled is False  # nobody reads the file


def test_debians_cron_file_does_nothing_where_systemd_runs() -> None:
    units = UNITS.replace(
        "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nTriggers", "LoadState=masked\nTriggers"
    )
    masked = certbot(cron=Section("/etc/cron.d/certbot:" + CRON, 0), crond=Section("/proc/300/comm", 0))
    seen: Renewal = part(inside({**masked, "units": Section(units, 0)}, served=SERVED), "renewal")
    assert (seen.schedule, seen.scheduled) == ("certbot.timer", False)
    own = {**masked, "units": Section(units, 0), "cron": Section("/etc/crontab:0 3 * * * root certbot renew", 0)}
    assert part(inside(own, served=SERVED), "renewal").scheduled is True
    off = {**own, "cron": Section("/etc/crontab:# 0 3 * * * root certbot renew", 0)}
    assert part(inside(off, served=SERVED), "renewal").scheduled is False


@pytest.mark.parametrize(
    ("line", "mode", "reloads"),
    [
        ("/etc/letsencrypt/renewal/plant.example.conf:renew_hook = systemctl reload nginx", "", True),
        ("/etc/letsencrypt/renewal/other.example.conf:renew_hook = systemctl reload nginx", "", False),
        ("/etc/letsencrypt/cli.ini:deploy-hook = systemctl reload nginx", "", True),
        ("/etc/sysconfig/certbot:POST_HOOK=\"--post-hook 'systemctl reload nginx'\"", "", True),
        ("/etc/crontab:0 3 * * * root certbot -q renew --deploy-hook 'systemctl reload nginx'", "", True),
        ("/etc/letsencrypt/renewal/plant.example.conf:renew_hook = /usr/bin/tell-somebody", "", False),
        ("/etc/letsencrypt/renewal-hooks/deploy/nginx:systemctl reload nginx", "755", True),
        ("/etc/letsencrypt/renewal-hooks/deploy/nginx:systemctl reload nginx", "644", False),
        ("/etc/letsencrypt/renewal-hooks/deploy/nginx:# systemctl reload nginx", "755", False),
        ("/etc/letsencrypt/renewal-hooks/pre/nginx:systemctl stop nginx", "755", False),
    ],
)
def test_what_reloads_the_proxy_after_a_renewal(line: str, mode: str, reloads: bool) -> None:
    place = "hooks" if "renewal-hooks" in line else "cron" if "crontab" in line else "renewal"
    listed = f"{LINEAGES}\n{mode} 0 0 root root 17 '{line.partition(':')[0]}'"
    sections = {**certbot(), "renewal": Section("", 1), place: Section(line, 0), "lineages": Section(listed, 0)}
    assert bool(part(inside(sections, served=SERVED), "renewal").reloads) is reloads


RENEWAL = "/etc/letsencrypt/renewal/plant.example.conf:"
CRON_LINE = "/etc/cron.d/renew:0 3 * * * root certbot renew"
DEPLOY = "/etc/letsencrypt/renewal-hooks/deploy/a:"


@pytest.mark.parametrize(
    ("program", "line", "reloads"),
    [
        ("Apache httpd", f"{RENEWAL}installer = apache", True),
        ("Apache httpd", f"{RENEWAL}installer = nginx", False),
        ("nginx", f"{RENEWAL}installer = None", False),
        ("Apache httpd", f"{DEPLOY}apachectl -k graceful", True),
        ("HAProxy", f"{RENEWAL}renew_hook = cat /a /b >/etc/haproxy/x.pem && systemctl reload haproxy", True),
        ("HAProxy", f"{DEPLOY}echo 'commit ssl cert /x.pem' | socat stdio /run/haproxy/admin.sock", True),
        ("HAProxy", f"{DEPLOY}systemctl reload nginx", False),
        ("Caddy", f"{DEPLOY}systemctl reload caddy", True),
        ("", f"{DEPLOY}systemctl reload apache2", True),
        ("nginx", f"{DEPLOY}nginx -t", False),
        ("nginx", f"{DEPLOY}cp $RENEWED_LINEAGE/*.pem /etc/nginx/ssl/; systemctl reload postfix", False),
        ("nginx", f"{DEPLOY}true # systemctl reload nginx", False),
        ("nginx", f"{DEPLOY}kill -HUP $(cat /run/nginx.pid)", True),
        ("nginx", f"{DEPLOY}kill -USR1 $(cat /run/nginx.pid)", False),
        ("nginx", f"{DEPLOY}/usr/sbin/nginx -s reload", True),
        ("nginx", f'{DEPLOY}for one in nginx postfix; do\n{DEPLOY}systemctl restart "$one"', True),
        ("nginx", f"{DEPLOY}systemctl reload 'nginx'", True),
        ("nginx", f"{DEPLOY}for one in dovecot postfix; do\n{DEPLOY}systemctl restart $one", False),
        ("nginx", f"{DEPLOY}systemctl start nginx", False),
        ("nginx", f"{RENEWAL}post_hook = systemctl start nginx", True),
        ("nginx", f"{RENEWAL}renew_hook = /usr/local/bin/after-nginx.sh", True),
        ("nginx", f"{RENEWAL}renew_hook = /usr/sbin/nginx -t", False),
        ("nginx", f"{CRON_LINE} --deploy-hook=/usr/local/bin/nginx-hook", True),
        ("nginx", f"{CRON_LINE} --nginx", True),
        ("nginx", f"{CRON_LINE} -q >/var/log/nginx/certbot.log", False),
        ("nginx", f"{CRON_LINE} --webroot -w /usr/share/nginx/html && systemctl reload postfix", False),
        ("nginx", f"{CRON_LINE}\n/etc/cron.d/renew:0 4 * * * root systemctl reload nginx", True),
        ("nginx", "/var/spool/cron/crontabs/ops:0 4 * * * systemctl reload nginx", False),
    ],
)
def test_what_reloads_which_proxy(program: str, line: str, reloads: bool) -> None:
    place = "hooks" if "renewal-hooks" in line else "cron" if "cron" in line else "renewal"
    listed = f"{LINEAGES}\n755 0 0 root root 17 '{DEPLOY[:-1]}'"
    sections = {**certbot(), "renewal": Section("", 1), place: Section(line, 0), "lineages": Section(listed, 0)}
    text = "# configuration file /etc/nginx/nginx.conf:\nhttp { server { listen 443 ssl; } }"
    fitting: dict[str, dict[str, Any]] = {
        "nginx": {"nginx": Nginx(70, Section(text, 0), tree(text))},
        "Caddy": {"caddy": True},
        "": {},
    }
    front = fitting.get(program, {"fronts": [fronts.Front(program, 70)]})
    assert bool(part(inside(sections, served=SERVED, **front), "renewal").reloads) is reloads


@pytest.mark.parametrize(
    ("start", "reloads"),
    [
        ("certbot renew -q ; ignore_errors=no }", False),
        ("certbot renew -q --deploy-hook systemctl reload nginx ; ignore_errors=no }", True),
        (
            "certbot renew -q ; ignore_errors=no }\n"
            "ExecStartPost={ path=/bin/systemctl ; argv[]=/bin/systemctl reload nginx ; ignore_errors=no }",
            True,
        ),
    ],
)
def test_a_service_that_renews_and_reloads(start: str, reloads: bool) -> None:
    commands = f"Id=certbot.service\nExecStart={{ path=/bin/certbot ; argv[]=/bin/{start}"
    sections = {**certbot(), "renewal": Section("", 1), "renewers": Section(commands, 0)}
    assert bool(part(inside(sections, served=SERVED), "renewal").reloads) is reloads


@pytest.mark.parametrize("name", ["certificates", "renewal", "hooks", "cron"])
def test_a_line_of_sudoers_that_is_missing_is_an_error(name: str) -> None:
    denied = {**certbot(), name: Section("sudo: a password is required", 1)}
    assert f"{name}: sudo: a password is required" in trouble(inside(denied, served=SERVED), "renewal")


def test_a_caddy_elsewhere_does_not_renew_what_nginx_serves() -> None:
    nginx = Nginx(70, Section(NGINX, 0), tree(NGINX))
    assert part(inside(sections_of(), caddy=True, nginx=nginx), "renewal").other == ""
    assert part(inside(sections_of(), caddy=True), "renewal").other == "Caddy"


def test_certbot_that_may_not_be_looked_at_and_one_that_is_not_there() -> None:
    denied = {**certbot(), "lineages": Section("find: '/etc/letsencrypt/live': Permission denied", 1)}
    assert "Permission denied" in trouble(inside(denied), "renewal")
    assert "Permission denied" in trouble(inside(denied), "keys", "certbot")
    assert part(inside(sections_of()), "renewal").client == ""
    declared = inside(sections_of(), demands=HostDemands(acme_client="acme.sh"))
    assert part(declared, "renewal").other == "acme.sh"


@pytest.mark.parametrize(
    ("section", "line", "started"),
    [
        ("cron", '/var/spool/cron/crontabs/root:3 4 * * * "/root/.acme.sh"/acme.sh --cron',
         "acme.sh (/var/spool/cron/crontabs/root)"),
        ("cron", "/etc/cron.daily/dehydrated:/usr/bin/dehydrated -c && systemctl reload nginx",
         "dehydrated (/etc/cron.daily/dehydrated)"),
        ("acme", "/etc/systemd/system/lego.service:ExecStart=/usr/bin/lego --domains plant.example renew",
         "lego (/etc/systemd/system/lego.service)"),
        ("cron", "/etc/cron.d/x:# acme.sh was here", ""),
    ],
)  # fmt: skip
def test_another_client_that_cron_or_a_service_starts(section: str, line: str, started: str) -> None:
    seen: Renewal = part(inside(sections_of(**{section: Section(line, 0)})), "renewal")
    assert seen.started == ((started,) if started else ())
    beside = part(inside({**certbot(), "cron": Section("", 1), section: Section(line, 0)}, served="0" * 64), "renewal")
    assert (beside.client, beside.schedule, beside.started) == ("certbot", "certbot.timer", seen.started)


@pytest.mark.parametrize(
    ("program", "text", "other"),
    [
        ("Traefik", "certificatesResolvers:\n  le:\n    acme: {}", "Traefik"),
        ("Traefik", "[certificatesResolvers.le.acme]", "Traefik"),
        ("Traefik", "entryPoints: {}", ""),
        ("Apache httpd", "  MDomain plant.example", "Apache httpd"),
        ("HAProxy", "acme letsencrypt\n  directory https://ca.example", "HAProxy"),
        ("HAProxy", "frontend f\n  acl acme path_beg /.well-known", ""),
    ],
)
def test_a_proxy_that_gets_its_certificates_itself(program: str, text: str, other: str) -> None:
    later = {"config:/etc/front": Section(f"1700000000\n{text}", 0)}
    front = fronts.Front(program, 70)
    assert part(inside(sections_of(), later=later, fronts=(front,)), "renewal").other == other
    flags = replace(front, args=("traefik", "--certificatesresolvers.le.acme.email=x"))
    assert part(inside(sections_of(), fronts=(flags,)), "renewal").other == ("Traefik" if program == "Traefik" else "")


def test_what_renews_may_be_where_nobody_looks() -> None:
    boxed = fronts.Front("Traefik", 0, trouble="it runs in the container 8f4e0c1d8f4e")
    assert "whether Traefik gets its certificates itself is not seen" in trouble(
        inside(sections_of(), fronts=(boxed,)), "renewal"
    )
    assert "caddy runs in the container" in trouble(inside(sections_of(boxed_caddy=Section(BOX, 0))), "renewal")
    crond = {"crond": Section("/proc/9/comm", 0), "cron": Section("", 2)}
    assert "whether root's crontab renews the certificate cannot be seen as ops" in trouble(
        inside(sections_of(**crond)), "renewal"
    )
    for known in ({"who": replace(OPS, sudo=True)}, {"who": replace(OPS, uid=0)}):
        assert part(inside(sections_of(**crond), **known), "renewal").client == ""
    nginx = Nginx(70, Section(NGINX, 0), tree(NGINX))
    assert part(inside(sections_of(), fronts=(boxed,), nginx=nginx), "renewal").client == ""


def test_keys_that_caddy_keeps_are_not_taken_for_none() -> None:
    assert part(inside(sections_of(), caddy=True), "keys", "nginx").unseen.startswith("Caddy keeps the keys itself")
    assert part(inside(sections_of()), "keys", "nginx").absent == "no nginx runs there, or it uses no private key"


def test_keys_are_looked_at_where_the_links_of_live_lead() -> None:
    seen: KeyAccess = part(inside(certbot()), "keys", "certbot")
    [[key, *above]] = seen.keys
    assert (key.path, key.mode) == ("/etc/letsencrypt/archive/plant.example/privkey1.pem", 0o600)
    assert [file_step.path for file_step in above] == [
        "/etc/letsencrypt/archive/plant.example",
        "/etc/letsencrypt/archive",
    ]


def test_a_key_of_nginx_that_cannot_be_looked_at() -> None:
    text = "# configuration file /n.conf:\nhttp { ssl_certificate_key /etc/ssl/private/plant.key; }"
    denied = {"key:/etc/ssl/private/plant.key": Section("stat: cannot statx: Permission denied", 1)}
    gathered = inside(sections_of(), nginx=Nginx(70, Section(text, 0), tree(text)), later=denied)
    assert "/etc/ssl/private/plant.key cannot be inspected" in trouble(gathered, "keys", "nginx")


def test_a_keys_link_leads_to_the_archive() -> None:
    text = (
        "# configuration file /n.conf:\nhttp { ssl_certificate_key /etc/letsencrypt/live/plant.example/privkey.pem; }"
    )
    later = {
        "key:/etc/letsencrypt/live/plant.example/privkey.pem": Section(
            "sudo: unable to resolve host plant\n600 0 0 root root 17 /etc/letsencrypt/live/plant.example/privkey.pem",
            0,
        )
    }
    gathered = inside(certbot(), nginx=Nginx(70, Section(text, 0), tree(text)), later=later)
    seen: KeyAccess = part(gathered, "keys", "nginx")
    assert [file_step.path for file_step in seen.keys[0]] == [
        "/etc/letsencrypt/archive/plant.example/privkey1.pem",
        "/etc/letsencrypt/archive/plant.example",
        "/etc/letsencrypt/archive",
    ]
    variable = text.replace("plant.example/privkey", "$ssl_server_name/privkey")
    unknown = inside(certbot(), nginx=Nginx(70, Section(variable, 0), tree(variable)))
    assert "$ssl_server_name/privkey.pem cannot be determined" in trouble(unknown, "keys", "nginx")
